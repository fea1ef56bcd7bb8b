//! fjall: an LSM tree in Rust; its transactional database with a single writer.

use std::path::Path;

use fjall::config::CompressionPolicy;
use fjall::{
    CompressionType, KeyspaceCreateOptions, PersistMode, Readable, SingleWriterTxDatabase,
    SingleWriterTxKeyspace, SingleWriterWriteTx, Slice,
};

use crate::engine::{
    Body, Connection, Decide, Durability, End, Engine, ReadTransaction, Result, Settings, Visit,
    WriteTransaction,
};

struct Fjall {
    database: SingleWriterTxDatabase,
    pairs: SingleWriterTxKeyspace,
}

pub(super) fn open(path: &Path, settings: Settings) -> Result<Box<dyn Engine>> {
    let database = SingleWriterTxDatabase::builder(path)
        .cache_size(settings.cache_bytes)
        .journal_compression(CompressionType::None)
        .open()?;
    let options = || {
        KeyspaceCreateOptions::default()
            .data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
    };
    let pairs = database.keyspace("pairs", options)?;
    Ok(Box::new(Fjall { database, pairs }))
}

impl Engine for Fjall {
    fn connect(&self) -> Result<Box<dyn Connection + '_>> {
        Ok(Box::new(Handle(self)))
    }

    fn compact(&mut self) -> Result<()> {
        self.pairs.inner().rotate_memtable_and_wait()?;
        Ok(self.pairs.inner().major_compact()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}

struct Handle<'a>(&'a Fjall);

impl Connection for Handle<'_> {
    fn write(&self, durability: Durability, body: Body<'_>) -> Result<()> {
        let mode = match durability {
            Durability::Sync => Some(PersistMode::SyncData),
            Durability::Buffered => Some(PersistMode::Buffer),
            Durability::None => None,
        };
        let transaction = self.0.database.write_tx().durability(mode);
        let mut writer = Writer {
            transaction,
            pairs: &self.0.pairs,
        };
        body(&mut writer)?;
        Ok(writer.transaction.commit()?)
    }

    fn read(&self) -> Result<Box<dyn ReadTransaction + '_>> {
        Ok(Box::new(Reader {
            snapshot: self.0.database.read_tx(),
            pairs: &self.0.pairs,
        }))
    }

    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self
            .0
            .pairs
            .get(key)?
            .inspect(|value| visit(value))
            .is_some())
    }
}

struct Writer<'a> {
    transaction: SingleWriterWriteTx<'a>,
    pairs: &'a SingleWriterTxKeyspace,
}

impl Writer<'_> {
    /// fjall has no cursor that deletes: first what to delete is collected.
    fn delete_all(&mut self, keys: Vec<Slice>) -> u64 {
        let deleted = keys.len() as u64;
        for key in keys {
            self.transaction.remove(self.pairs, key);
        }
        deleted
    }
}

impl WriteTransaction for Writer<'_> {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self
            .transaction
            .get(self.pairs, key)?
            .inspect(|value| visit(value))
            .is_some())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.transaction.insert(self.pairs, key, value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.transaction.remove(self.pairs, key);
        Ok(())
    }

    fn pop(&mut self, end: End, visit: Visit<'_>) -> Result<bool> {
        let pair = match end {
            End::First => self.transaction.first_key_value(self.pairs),
            End::Last => self.transaction.last_key_value(self.pairs),
        };
        let Some(pair) = pair else { return Ok(false) };
        let (key, value) = pair.into_inner()?;
        visit(&key, &value);
        self.transaction.remove(self.pairs, key);
        Ok(true)
    }

    fn retain(&mut self, keep: Decide<'_>) -> Result<u64> {
        let mut doomed = Vec::new();
        for pair in self.transaction.iter(self.pairs) {
            let (key, value) = pair.into_inner()?;
            if !keep(&key, &value) {
                doomed.push(key);
            }
        }
        Ok(self.delete_all(doomed))
    }

    fn extract(
        &mut self,
        lower: &[u8],
        upper: &[u8],
        take: Decide<'_>,
        visit: Visit<'_>,
    ) -> Result<u64> {
        let mut doomed = Vec::new();
        for pair in self.transaction.range(self.pairs, lower..upper) {
            let (key, value) = pair.into_inner()?;
            if take(&key, &value) {
                visit(&key, &value);
                doomed.push(key);
            }
        }
        Ok(self.delete_all(doomed))
    }
}

struct Reader<'a> {
    snapshot: fjall::Snapshot,
    pairs: &'a SingleWriterTxKeyspace,
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
        let mut found = 0;
        for pair in self.snapshot.range(self.pairs, key..).take(limit) {
            let (key, value) = pair.into_inner()?;
            visit(&key, &value);
            found += 1;
        }
        Ok(found)
    }

    fn len(&mut self) -> Result<u64> {
        Ok(self.snapshot.len(self.pairs)? as u64)
    }
}
