//! redb: a copy-on-write B-tree in one file, one writer at a time.

use std::ops::Bound;
use std::path::Path;

use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use crate::engine::{
    Body, Connection, Decide, Durability, End, Engine, ReadTransaction, Result, Settings, Visit,
    WriteTransaction,
};

const PAIRS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("pairs");

struct Redb(redb::Database);

pub(super) fn open(path: &Path, settings: Settings) -> Result<Box<dyn Engine>> {
    std::fs::create_dir_all(path)?;
    let database = redb::Database::builder()
        .set_cache_size(usize::try_from(settings.cache_bytes)?)
        .create(path.join("data.redb"))?;
    let transaction = database.begin_write()?;
    transaction.open_table(PAIRS)?;
    transaction.commit()?;
    Ok(Box::new(Redb(database)))
}

impl Engine for Redb {
    fn connect(&self) -> Result<Box<dyn Connection + '_>> {
        Ok(Box::new(Handle(&self.0)))
    }

    fn compact(&mut self) -> Result<()> {
        self.0.compact()?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        drop(self.0);
        Ok(())
    }
}

struct Handle<'a>(&'a redb::Database);

impl Connection for Handle<'_> {
    fn write(&self, durability: Durability, body: Body<'_>) -> Result<()> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(match durability {
            Durability::Sync => redb::Durability::Immediate,
            Durability::Buffered | Durability::None => redb::Durability::None,
        })?;
        body(&mut Writer(transaction.open_table(PAIRS)?))?;
        Ok(transaction.commit()?)
    }

    fn read(&self) -> Result<Box<dyn ReadTransaction + '_>> {
        Ok(Box::new(Reader(self.0.begin_read()?.open_table(PAIRS)?)))
    }
}

struct Writer<'a>(redb::Table<'a, &'static [u8], &'static [u8]>);

impl WriteTransaction for Writer<'_> {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.0.get(key)?;
        Ok(value.inspect(|value| visit(value.value())).is_some())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.0.insert(key, value)?;
        Ok(())
    }

    fn append(&mut self, pairs: &mut dyn Iterator<Item = (&[u8], &[u8])>) -> Result<()> {
        let mut cursor = self.0.upper_bound_mut(Bound::<&[u8]>::Unbounded)?;
        for (key, value) in pairs {
            cursor.insert_before(key, value)?;
        }
        Ok(cursor.close()?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.0.remove(key)?;
        Ok(())
    }

    fn pop(&mut self, end: End, visit: Visit<'_>) -> Result<bool> {
        let pair = match end {
            End::First => self.0.pop_first()?,
            End::Last => self.0.pop_last()?,
        };
        Ok(pair
            .inspect(|(key, value)| visit(key.value(), value.value()))
            .is_some())
    }

    fn retain(&mut self, keep: Decide<'_>) -> Result<u64> {
        let mut deleted = 0;
        self.0.retain(|key, value| {
            let keep = keep(key, value);
            deleted += u64::from(!keep);
            keep
        })?;
        Ok(deleted)
    }

    fn extract(
        &mut self,
        lower: &[u8],
        upper: &[u8],
        take: Decide<'_>,
        visit: Visit<'_>,
    ) -> Result<u64> {
        let mut deleted = 0;
        for pair in self.0.extract_from_if(lower..upper, take)? {
            let (key, value) = pair?;
            visit(key.value(), value.value());
            deleted += 1;
        }
        Ok(deleted)
    }
}

struct Reader(redb::ReadOnlyTable<&'static [u8], &'static [u8]>);

impl ReadTransaction for Reader {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        // The trait's method lends; the inherent one of the same name counts references.
        let value = ReadableTable::get(&self.0, key)?;
        Ok(value.inspect(|value| visit(value.value())).is_some())
    }

    fn scan(&mut self, key: &[u8], limit: usize, visit: Visit<'_>) -> Result<usize> {
        let mut found = 0;
        for pair in ReadableTable::range(&self.0, key..)?.take(limit) {
            let (key, value) = pair?;
            visit(key.value(), value.value());
            found += 1;
        }
        Ok(found)
    }

    fn len(&mut self) -> Result<u64> {
        Ok(self.0.len()?)
    }
}
