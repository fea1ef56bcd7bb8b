//! RustDB: ours, through the facade that everyone uses.
//!
//! The pairs are in a keyspace that counts them, so that `len()` is exact at once; the existence
//! checks that this costs are part of every figure. `rustdb-uncounted` goes without.

use std::path::Path;

use rustdb::{
    Compression, Database, Durability as OurDurability, ErrorKind, Keyspace, KeyspaceOptions,
    Options, Snapshot, TransactionKeyspace,
};

use crate::engine::{
    Body, Connection, Decide, Durability, End, Engine, ReadTransaction, Result, Settings, Visit,
    WriteTransaction,
};

struct RustDb {
    database: Database,
    pairs: Keyspace,
}

/// Opens with a keyspace that counts its pairs.
pub(super) fn open(path: &Path, settings: Settings) -> Result<Box<dyn Engine>> {
    open_with(path, settings, true)
}

/// Opens with a keyspace that does not know how many pairs it has.
pub(super) fn open_uncounted(path: &Path, settings: Settings) -> Result<Box<dyn Engine>> {
    open_with(path, settings, false)
}

fn open_with(path: &Path, settings: Settings, counted: bool) -> Result<Box<dyn Engine>> {
    let options = Options {
        cache_bytes: usize::try_from(settings.cache_bytes)?,
        compression: Compression::None,
        ..Options::default()
    };
    let database = Database::open_with(path, options)?;
    let options = KeyspaceOptions {
        counted,
        ..KeyspaceOptions::default()
    };
    let pairs = database.keyspace_or_create("pairs", &options)?;
    Ok(Box::new(RustDb { database, pairs }))
}

impl Engine for RustDb {
    fn connect(&self) -> Result<Box<dyn Connection + '_>> {
        Ok(Box::new(Handle(self)))
    }

    fn compact(&mut self) -> Result<()> {
        Ok(self.database.compact()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.close()?)
    }
}

fn durability(durability: Durability) -> OurDurability {
    match durability {
        Durability::Sync => OurDurability::Sync,
        Durability::Buffered => OurDurability::Buffered,
        Durability::None => OurDurability::None,
    }
}

struct Handle<'a>(&'a RustDb);

impl Connection for Handle<'_> {
    fn write(&self, promise: Durability, body: Body<'_>) -> Result<()> {
        loop {
            let mut transaction = self.0.database.begin()?;
            body(&mut Writer(transaction.keyspace(&self.0.pairs)))?;
            match transaction.commit_with(durability(promise)) {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    fn read(&self) -> Result<Box<dyn ReadTransaction + '_>> {
        Ok(Box::new(Reader {
            snapshot: self.0.database.snapshot(),
            pairs: &self.0.pairs,
        }))
    }

    fn put(&self, key: &[u8], value: &[u8], promise: Durability) -> Result<()> {
        Ok(self.0.pairs.put_with(key, value, durability(promise))?)
    }

    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self
            .0
            .pairs
            .get(key)?
            .inspect(|value| visit(value))
            .is_some())
    }

    fn scan(&self, key: &[u8], limit: usize, visit: Visit<'_>) -> Result<usize> {
        visit_all(self.0.pairs.range(key..), limit, visit)
    }
}

fn visit_all(pairs: rustdb::Iter, limit: usize, visit: Visit<'_>) -> Result<usize> {
    let mut found = 0;
    for pair in pairs.take(limit) {
        let (key, value) = pair?;
        visit(&key, &value);
        found += 1;
    }
    Ok(found)
}

struct Writer<'a>(TransactionKeyspace<'a>);

impl WriteTransaction for Writer<'_> {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self.0.get(key)?.inspect(|value| visit(value)).is_some())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.0.put(key, value)?)
    }

    fn append(&mut self, pairs: &mut dyn Iterator<Item = (&[u8], &[u8])>) -> Result<()> {
        self.0.put_all(pairs)?;
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        Ok(self.0.delete(key)?)
    }

    fn pop(&mut self, end: End, visit: Visit<'_>) -> Result<bool> {
        let pair = match end {
            End::First => self.0.pop_first::<&[u8]>(..)?,
            End::Last => self.0.pop_last::<&[u8]>(..)?,
        };
        Ok(pair.inspect(|(key, value)| visit(key, value)).is_some())
    }

    fn retain(&mut self, keep: Decide<'_>) -> Result<u64> {
        Ok(self.0.retain::<&[u8]>(.., keep)?)
    }

    fn extract(
        &mut self,
        lower: &[u8],
        upper: &[u8],
        take: Decide<'_>,
        visit: Visit<'_>,
    ) -> Result<u64> {
        Ok(self
            .0
            .extract_if(lower..upper, take, |(key, value)| visit(&key, &value))?)
    }
}

struct Reader<'a> {
    snapshot: Snapshot,
    pairs: &'a Keyspace,
}

impl ReadTransaction for Reader<'_> {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self
            .snapshot
            .get(self.pairs, key)?
            .inspect(|value| visit(value))
            .is_some())
    }

    fn scan(&mut self, key: &[u8], limit: usize, visit: Visit<'_>) -> Result<usize> {
        visit_all(self.snapshot.range(self.pairs, key..), limit, visit)
    }

    fn len(&mut self) -> Result<u64> {
        Ok(self.snapshot.len(self.pairs)?)
    }
}
