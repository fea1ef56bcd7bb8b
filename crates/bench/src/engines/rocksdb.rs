//! RocksDB: its optimistic transactions, with bloom filters and one budget for blocks and
//! memtables.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, Direction, IteratorMode, OptimisticTransactionDB,
    OptimisticTransactionOptions, Options, SnapshotWithThreadMode, Transaction, WriteBufferManager,
    WriteOptions,
};

use crate::engine::{
    Body, Connection, Decide, Durability, End, Engine, ReadTransaction, Result, Settings, Visit,
    WriteTransaction,
};

/// RocksDB keeps all writes of a transaction in memory, so redb's benchmark splits its large ones,
/// and so do we: it is no longer one transaction, in RocksDB's favour.
const WRITES_MAX: u64 = 100_000;

type Db = OptimisticTransactionDB;

struct Rocks(Db);

pub(super) fn open(path: &Path, settings: Settings) -> Result<Box<dyn Engine>> {
    let cache_bytes = usize::try_from(settings.cache_bytes)?;
    let cache = Cache::new_lru_cache(cache_bytes);
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&cache);
    table.set_bloom_filter(10.0, false);
    table.set_cache_index_and_filter_blocks(true);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::None);
    let manager = WriteBufferManager::new_write_buffer_manager_with_cache(
        cache_bytes / 2,
        false,
        cache.clone(),
    );
    options.set_write_buffer_manager(&manager);
    // Commits look here for conflicts; without it they fail once a memtable was flushed.
    options.set_max_write_buffer_size_to_maintain(i64::try_from(cache_bytes / 2)?);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    options.increase_parallelism(i32::try_from(threads)?);
    Ok(Box::new(Rocks(Db::open(&options, path)?)))
}

impl Rocks {
    fn begin(&self, durability: Durability) -> Transaction<'_, Db> {
        let mut options = WriteOptions::new();
        options.set_sync(durability == Durability::Sync);
        options.disable_wal(durability == Durability::None);
        let mut transaction_options = OptimisticTransactionOptions::new();
        transaction_options.set_snapshot(true);
        self.0.transaction_opt(&options, &transaction_options)
    }
}

impl Engine for Rocks {
    fn connect(&self) -> Result<Box<dyn Connection + '_>> {
        Ok(Box::new(Handle(self)))
    }

    fn compact(&mut self) -> Result<()> {
        self.0.flush()?;
        self.0.compact_range::<&[u8], &[u8]>(None, None);
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        drop(self.0);
        Ok(())
    }
}

struct Handle<'a>(&'a Rocks);

impl Connection for Handle<'_> {
    fn write(&self, durability: Durability, body: Body<'_>) -> Result<()> {
        loop {
            let transaction = self.0.begin(durability);
            let mut writer = Writer {
                transaction,
                rocks: self.0,
                durability,
                writes: 0,
            };
            body(&mut writer)?;
            match writer.transaction.commit() {
                Err(error) if is_conflict(&error) => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    fn read(&self) -> Result<Box<dyn ReadTransaction + '_>> {
        Ok(Box::new(Reader(self.0.0.snapshot())))
    }

    fn put(&self, key: &[u8], value: &[u8], durability: Durability) -> Result<()> {
        let mut options = WriteOptions::new();
        options.set_sync(durability == Durability::Sync);
        options.disable_wal(durability == Durability::None);
        Ok(self.0.0.put_opt(key, value, &options)?)
    }

    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self
            .0
            .0
            .get_pinned(key)?
            .inspect(|value| visit(value))
            .is_some())
    }
}

fn is_conflict(error: &rocksdb::Error) -> bool {
    matches!(
        error.kind(),
        rocksdb::ErrorKind::Busy | rocksdb::ErrorKind::TryAgain
    )
}

struct Writer<'a> {
    transaction: Transaction<'a, Db>,
    rocks: &'a Rocks,
    durability: Durability,
    writes: u64,
}

impl Writer<'_> {
    /// Commits if the transaction became too large.
    fn count_write(&mut self) -> Result<()> {
        self.writes += 1;
        if self.writes.is_multiple_of(WRITES_MAX) {
            let next = self.rocks.begin(self.durability);
            std::mem::replace(&mut self.transaction, next).commit()?;
        }
        Ok(())
    }

    /// RocksDB has no cursor that deletes: first what to delete is collected.
    fn delete_all(&mut self, keys: &[Box<[u8]>]) -> Result<u64> {
        for key in keys {
            self.delete(key)?;
        }
        Ok(keys.len() as u64)
    }
}

impl WriteTransaction for Writer<'_> {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        // What is read here and written later must not change in between.
        let value = self.transaction.get_for_update(key, true)?;
        Ok(value.inspect(|value| visit(value)).is_some())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.transaction.put(key, value)?;
        self.count_write()
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.transaction.delete(key)?;
        self.count_write()
    }

    fn pop(&mut self, end: End, visit: Visit<'_>) -> Result<bool> {
        let mode = match end {
            End::First => IteratorMode::Start,
            End::Last => IteratorMode::End,
        };
        let Some(pair) = self.transaction.iterator(mode).next() else {
            return Ok(false);
        };
        let (key, value) = pair?;
        visit(&key, &value);
        self.delete(&key)?;
        Ok(true)
    }

    fn retain(&mut self, keep: Decide<'_>) -> Result<u64> {
        let mut doomed = Vec::new();
        for pair in self.transaction.iterator(IteratorMode::Start) {
            let (key, value) = pair?;
            if !keep(&key, &value) {
                doomed.push(key);
            }
        }
        self.delete_all(&doomed)
    }

    fn extract(
        &mut self,
        lower: &[u8],
        upper: &[u8],
        take: Decide<'_>,
        visit: Visit<'_>,
    ) -> Result<u64> {
        let mut doomed = Vec::new();
        let mode = IteratorMode::From(lower, Direction::Forward);
        for pair in self.transaction.iterator(mode) {
            let (key, value) = pair?;
            if *key >= *upper {
                break;
            }
            if take(&key, &value) {
                visit(&key, &value);
                doomed.push(key);
            }
        }
        self.delete_all(&doomed)
    }
}

struct Reader<'a>(SnapshotWithThreadMode<'a, Db>);

impl ReadTransaction for Reader<'_> {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self
            .0
            .get_pinned(key)?
            .inspect(|value| visit(value))
            .is_some())
    }

    fn scan(&mut self, key: &[u8], limit: usize, visit: Visit<'_>) -> Result<usize> {
        // The raw iterator lends its pairs; the other one copies them.
        let mut pairs = self.0.raw_iterator();
        pairs.seek(key);
        let mut found = 0;
        while let (true, Some((key, value))) = (found < limit, pairs.item()) {
            visit(key, value);
            found += 1;
            pairs.next();
        }
        pairs.status()?;
        Ok(found)
    }

    fn len(&mut self) -> Result<u64> {
        let mut pairs = self.0.raw_iterator();
        pairs.seek_to_first();
        let mut length = 0;
        while pairs.valid() {
            length += 1;
            pairs.next();
        }
        pairs.status()?;
        Ok(length)
    }
}
