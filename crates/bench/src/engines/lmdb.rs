//! LMDB through heed: a copy-on-write B-tree in a mapped file, one writer at a time. It has no
//! cache of its own and reads straight from the operating system's.

use std::fs::File;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use heed::types::Bytes;
use heed::{
    CompactionOption, Database, Env, EnvFlags, EnvOpenOptions, FlagSetMode, PutFlags, RoTxn, RwTxn,
    WithTls,
};

use crate::engine::{
    Body, Connection, Decide, Durability, End, Engine, Failure, ReadTransaction, Result, Settings,
    Visit, WriteTransaction,
};

/// Address space, not disk space.
const MAP_BYTES: usize = 1 << 40;
const READERS_MAX: u32 = 1024;

struct Lmdb {
    path: PathBuf,
    /// None only while the file is being replaced.
    open: Option<Opened>,
}

struct Opened {
    env: Env,
    pairs: Database<Bytes, Bytes>,
}

pub(super) fn open(path: &Path, _: Settings) -> Result<Box<dyn Engine>> {
    std::fs::create_dir_all(path)?;
    Ok(Box::new(Lmdb {
        path: path.to_owned(),
        open: Some(Opened::at(path)?),
    }))
}

impl Opened {
    fn at(path: &Path) -> Result<Opened> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_readers(READERS_MAX);
        // SAFETY: nobody else touches the files of this benchmark.
        let env = unsafe { options.open(path)? };
        let mut transaction = env.write_txn()?;
        let pairs = env.create_database(&mut transaction, None)?;
        transaction.commit()?;
        Ok(Opened { env, pairs })
    }
}

impl Engine for Lmdb {
    fn connect(&self) -> Result<Box<dyn Connection + '_>> {
        match &self.open {
            Some(opened) => Ok(Box::new(Handle(opened))),
            None => Err(Failure("the database is closed".to_owned())),
        }
    }

    /// LMDB's way: copy without the free pages, and put the copy in the place of the original.
    fn compact(&mut self) -> Result<()> {
        let Some(opened) = self.open.take() else {
            return Ok(());
        };
        let copy = self.path.join("copy.mdb");
        let mut file = File::create_new(&copy)?;
        opened
            .env
            .copy_to_file(&mut file, CompactionOption::Enabled)?;
        file.sync_all()?;
        opened.env.prepare_for_closing().wait();
        std::fs::rename(&copy, self.path.join("data.mdb"))?;
        self.open = Some(Opened::at(&self.path)?);
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        if let Some(opened) = self.open {
            opened.env.prepare_for_closing().wait();
        }
        Ok(())
    }
}

struct Handle<'a>(&'a Opened);

impl Connection for Handle<'_> {
    fn write(&self, durability: Durability, body: Body<'_>) -> Result<()> {
        let Opened { env, pairs } = self.0;
        let mut writer = Writer {
            transaction: env.write_txn()?,
            pairs: *pairs,
        };
        let sync = match durability {
            Durability::Sync => FlagSetMode::Disable,
            Durability::Buffered | Durability::None => FlagSetMode::Enable,
        };
        // SAFETY: the flag is read when the transaction commits, and we hold the writer's lock.
        unsafe { env.set_flags(EnvFlags::NO_SYNC, sync)? };
        body(&mut writer)?;
        Ok(writer.transaction.commit()?)
    }

    fn read(&self) -> Result<Box<dyn ReadTransaction + '_>> {
        let Opened { env, pairs } = self.0;
        Ok(Box::new(Reader {
            transaction: env.read_txn()?,
            pairs: *pairs,
        }))
    }
}

struct Writer<'a> {
    transaction: RwTxn<'a>,
    pairs: Database<Bytes, Bytes>,
}

impl WriteTransaction for Writer<'_> {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self
            .pairs
            .get(&self.transaction, key)?
            .inspect(|value| visit(value))
            .is_some())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.pairs.put(&mut self.transaction, key, value)?)
    }

    fn append(&mut self, pairs: &mut dyn Iterator<Item = (&[u8], &[u8])>) -> Result<()> {
        for (key, value) in pairs {
            self.pairs
                .put_with_flags(&mut self.transaction, PutFlags::APPEND, key, value)?;
        }
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.pairs.delete(&mut self.transaction, key)?;
        Ok(())
    }

    fn pop(&mut self, end: End, visit: Visit<'_>) -> Result<bool> {
        match end {
            End::First => {
                let mut pairs = self.pairs.iter_mut(&mut self.transaction)?;
                let Some(pair) = pairs.next() else {
                    return Ok(false);
                };
                let (key, value) = pair?;
                visit(key, value);
                // SAFETY: nothing borrows from the database any more.
                unsafe { pairs.del_current()? };
            }
            End::Last => {
                let mut pairs = self.pairs.rev_iter_mut(&mut self.transaction)?;
                let Some(pair) = pairs.next() else {
                    return Ok(false);
                };
                let (key, value) = pair?;
                visit(key, value);
                // SAFETY: nothing borrows from the database any more.
                unsafe { pairs.del_current()? };
            }
        }
        Ok(true)
    }

    fn retain(&mut self, keep: Decide<'_>) -> Result<u64> {
        let mut deleted = 0;
        let mut pairs = self.pairs.iter_mut(&mut self.transaction)?;
        while let Some(pair) = pairs.next() {
            let (key, value) = pair?;
            if !keep(key, value) {
                // SAFETY: nothing borrows from the database any more.
                unsafe { pairs.del_current()? };
                deleted += 1;
            }
        }
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
        let range = (Bound::Included(lower), Bound::Excluded(upper));
        let mut pairs = self.pairs.range_mut(&mut self.transaction, &range)?;
        while let Some(pair) = pairs.next() {
            let (key, value) = pair?;
            if take(key, value) {
                visit(key, value);
                // SAFETY: nothing borrows from the database any more.
                unsafe { pairs.del_current()? };
                deleted += 1;
            }
        }
        Ok(deleted)
    }
}

struct Reader<'a> {
    transaction: RoTxn<'a, WithTls>,
    pairs: Database<Bytes, Bytes>,
}

impl ReadTransaction for Reader<'_> {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self
            .pairs
            .get(&self.transaction, key)?
            .inspect(|value| visit(value))
            .is_some())
    }

    fn scan(&mut self, key: &[u8], limit: usize, visit: Visit<'_>) -> Result<usize> {
        let mut found = 0;
        let range = (Bound::Included(key), Bound::Unbounded);
        for pair in self.pairs.range(&self.transaction, &range)?.take(limit) {
            let (key, value) = pair?;
            visit(key, value);
            found += 1;
        }
        Ok(found)
    }

    fn len(&mut self) -> Result<u64> {
        Ok(self.pairs.len(&self.transaction)?)
    }
}
