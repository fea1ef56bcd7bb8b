//! SurrealKV: an LSM tree in Rust whose commits are futures.

use std::path::Path;

use surrealkv::{
    CompactRangeOptions, Durability as SurrealDurability, LSMIterator, Mode, Options, ReadOptions,
    Transaction, Tree, TreeBuilder,
};
use tokio::runtime::Runtime;

use crate::engine::{
    Body, Connection, Decide, Durability, End, Engine, ReadTransaction, Result, Settings, Visit,
    WriteTransaction,
};

struct Surreal {
    tree: Tree,
    /// Its background work runs here.
    runtime: Runtime,
}

pub(super) fn open(path: &Path, settings: Settings) -> Result<Box<dyn Engine>> {
    std::fs::create_dir_all(path)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let guard = runtime.enter();
    let options = Options::new()
        .without_compression()
        .with_path(path.to_owned())
        .with_block_cache_capacity(settings.cache_bytes);
    let tree = TreeBuilder::with_options(options).build()?;
    drop(guard);
    Ok(Box::new(Surreal { tree, runtime }))
}

impl Engine for Surreal {
    fn connect(&self) -> Result<Box<dyn Connection + '_>> {
        Ok(Box::new(Handle(self)))
    }

    fn compact(&mut self) -> Result<()> {
        let _guard = self.runtime.enter();
        let options = CompactRangeOptions {
            flush_memtable: true,
            ..CompactRangeOptions::default()
        };
        self.tree.compact_range(None, None, &options)?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.runtime.block_on(self.tree.close())?)
    }
}

struct Handle<'a>(&'a Surreal);

impl Connection for Handle<'_> {
    fn write(&self, durability: Durability, body: Body<'_>) -> Result<()> {
        let durability = match durability {
            Durability::Sync => SurrealDurability::Immediate,
            Durability::Buffered | Durability::None => SurrealDurability::Eventual,
        };
        loop {
            let mut writer = Writer(self.0.tree.begin()?.with_durability(durability));
            body(&mut writer)?;
            match self.0.runtime.block_on(writer.0.commit()) {
                Err(surrealkv::Error::TransactionWriteConflict) => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    fn read(&self) -> Result<Box<dyn ReadTransaction + '_>> {
        Ok(Box::new(Reader(
            self.0.tree.begin_with_mode(Mode::ReadOnly)?,
        )))
    }
}

struct Writer(Transaction);

impl Writer {
    /// Collects the keys in the order of pairs while `take` says yes, then deletes them.
    fn delete_where(
        &mut self,
        options: &ReadOptions,
        mut take: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<u64> {
        let mut doomed = Vec::new();
        {
            let mut pairs = self.0.range_with_options(options)?;
            pairs.seek_first()?;
            while pairs.valid() {
                let value = pairs.value()?;
                let key = pairs.key();
                if take(key.user_key(), &value) {
                    doomed.push(key.user_key().to_vec());
                }
                pairs.next()?;
            }
        }
        let deleted = doomed.len() as u64;
        for key in doomed {
            self.0.delete(key)?;
        }
        Ok(deleted)
    }
}

impl WriteTransaction for Writer {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self.0.get(key)?.inspect(|value| visit(value)).is_some())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.0.set(key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        Ok(self.0.delete(key)?)
    }

    fn pop(&mut self, end: End, visit: Visit<'_>) -> Result<bool> {
        let key = {
            let mut pairs = self.0.iter()?;
            let valid = match end {
                End::First => pairs.seek_first()?,
                End::Last => pairs.seek_last()?,
            };
            if !valid {
                return Ok(false);
            }
            let value = pairs.value()?;
            let key = pairs.key().user_key().to_vec();
            visit(&key, &value);
            key
        };
        self.0.delete(key)?;
        Ok(true)
    }

    fn retain(&mut self, keep: Decide<'_>) -> Result<u64> {
        self.delete_where(&ReadOptions::new(), |key, value| !keep(key, value))
    }

    fn extract(
        &mut self,
        lower: &[u8],
        upper: &[u8],
        take: Decide<'_>,
        visit: Visit<'_>,
    ) -> Result<u64> {
        let mut options = ReadOptions::new();
        options.set_iterate_lower_bound(Some(lower.to_vec()));
        options.set_iterate_upper_bound(Some(upper.to_vec()));
        self.delete_where(&options, |key, value| {
            let take = take(key, value);
            if take {
                visit(key, value);
            }
            take
        })
    }
}

struct Reader(Transaction);

impl ReadTransaction for Reader {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self.0.get(key)?.inspect(|value| visit(value)).is_some())
    }

    fn scan(&mut self, key: &[u8], limit: usize, visit: Visit<'_>) -> Result<usize> {
        let mut options = ReadOptions::new();
        options.set_iterate_lower_bound(Some(key.to_vec()));
        let mut pairs = self.0.range_with_options(&options)?;
        let mut found = 0;
        let mut valid = pairs.seek_first()?;
        while valid && found < limit {
            let value = pairs.value()?;
            visit(pairs.key().user_key(), &value);
            found += 1;
            valid = pairs.next()?;
        }
        Ok(found)
    }

    fn len(&mut self) -> Result<u64> {
        let mut pairs = self.0.iter()?;
        let mut length = 0;
        let mut valid = pairs.seek_first()?;
        while valid {
            length += 1;
            valid = pairs.next()?;
        }
        Ok(length)
    }
}
