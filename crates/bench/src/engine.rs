//! What a suite asks of an engine.
//!
//! Values are handed to closures and never returned, so that an engine that can lend its memory
//! need not copy. Closures and transactions are trait objects: one indirect call per operation,
//! the same for every engine and small beside the work.
//!
//! An [`Engine`] is shared by threads; each thread has a [`Connection`], which runs transactions.
//! Engines without such a notion hand out a reference to themselves.

use std::path::Path;

/// The outcome of a step; the text is for the person who runs the benchmark.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a step failed.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(error.to_string())
    }
}

/// Fails with a formatted message.
macro_rules! fail {
    ($($part:tt)*) => {
        return Err($crate::engine::Failure(format!($($part)*)))
    };
}

/// Fails with a formatted message unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($part:tt)*) => {
        if !$condition {
            $crate::engine::fail!($($part)*);
        }
    };
}

/// What a commit promises when it returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Durability {
    /// It survives power loss.
    Sync,
    /// It survives the death of the process, and is in the hands of the operating system.
    Buffered,
    /// Nothing; it is visible to others.
    None,
}

/// What is equal for all engines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// The budget of the engine's own cache in bytes. Engines that read through the operating
    /// system's cache (LMDB) have no such thing, and the whole memory of the machine instead.
    pub(crate) cache_bytes: u64,
}

/// Sees a key and its value.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]);

/// Decides about a key and its value.
pub(crate) type Decide<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> bool;

/// An open database.
pub(crate) trait Engine: Send + Sync {
    /// A handle for one thread.
    fn connect(&self) -> Result<Box<dyn Connection + '_>>;

    /// Makes the files as small as the engine can, and returns when it is done.
    fn compact(&mut self) -> Result<()>;

    /// Closes the database as an application would before it ends.
    fn close(self: Box<Self>) -> Result<()>;
}

/// What happens in a transaction.
pub(crate) type Body<'a> = &'a mut dyn FnMut(&mut dyn WriteTransaction) -> Result<()>;

/// A thread's handle to a database.
pub(crate) trait Connection {
    /// Runs `body` in a transaction and commits it, unless it fails. An engine whose commits may
    /// conflict runs it again.
    fn write(&self, durability: Durability, body: Body<'_>) -> Result<()>;

    /// Begins a transaction that only reads: all its reads see the same moment.
    fn read(&self) -> Result<Box<dyn ReadTransaction + '_>>;

    /// Writes one pair, in a transaction of its own.
    fn put(&self, key: &[u8], value: &[u8], durability: Durability) -> Result<()> {
        self.write(durability, &mut |transaction| transaction.put(key, value))
    }

    /// Visits the newest value of a key, if it exists.
    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        self.read()?.get(key, visit)
    }

    /// Visits up to `limit` pairs from `key` on, in order, and returns their number.
    fn scan(&self, key: &[u8], limit: usize, visit: Visit<'_>) -> Result<usize> {
        self.read()?.scan(key, limit, visit)
    }

    /// Writes what `change` makes of a key's value, in one transaction. The key must exist.
    fn update(
        &self,
        key: &[u8],
        durability: Durability,
        change: &mut dyn FnMut(&[u8]) -> Vec<u8>,
    ) -> Result<()> {
        self.write(durability, &mut |transaction| {
            let mut new = None;
            transaction.get(key, &mut |old| new = Some(change(old)))?;
            match new {
                Some(new) => transaction.put(key, &new),
                None => Err(Failure("the key does not exist".to_owned())),
            }
        })
    }
}

/// A transaction that may write.
pub(crate) trait WriteTransaction {
    /// Visits the value of a key, if it exists.
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool>;

    /// Writes a pair, replacing an older value.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Writes pairs whose keys ascend and lie behind every key of the database.
    fn append(&mut self, pairs: &mut dyn Iterator<Item = (&[u8], &[u8])>) -> Result<()> {
        for (key, value) in pairs {
            self.put(key, value)?;
        }
        Ok(())
    }

    /// Deletes a key that exists.
    fn delete(&mut self, key: &[u8]) -> Result<()>;

    /// Deletes the pair with the least or the greatest key after visiting it.
    fn pop(&mut self, end: End, visit: Visit<'_>) -> Result<bool>;

    /// Deletes the pairs for which `keep` says no, deciding in the order of keys.
    fn retain(&mut self, keep: Decide<'_>) -> Result<u64>;

    /// Deletes the pairs with keys in `lower..upper` for which `take` says yes and visits them.
    fn extract(
        &mut self,
        lower: &[u8],
        upper: &[u8],
        take: Decide<'_>,
        visit: Visit<'_>,
    ) -> Result<u64>;
}

/// One end of the order of keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    First,
    Last,
}

/// A transaction that only reads.
pub(crate) trait ReadTransaction {
    /// Visits the value of a key, if it exists.
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool>;

    /// Visits up to `limit` pairs from `key` on, in order, and returns their number.
    fn scan(&mut self, key: &[u8], limit: usize, visit: Visit<'_>) -> Result<usize>;

    /// The number of pairs, exactly.
    fn len(&mut self) -> Result<u64>;
}

/// The name under which ours appears in tables and JSON.
pub(crate) const OURS: &str = "rustdb";

/// A file that is written and synced, and no database: the floor under every durable commit.
pub(crate) const BARE: &str = "bare";

/// The engines that this program was built with, ours first.
pub(crate) fn names() -> Vec<&'static str> {
    crate::engines::TABLE
        .iter()
        .map(|(name, _)| *name)
        .collect()
}

/// Opens the database of an engine in a directory, creating it if need be.
pub(crate) fn open(name: &str, directory: &Path, settings: Settings) -> Result<Box<dyn Engine>> {
    match crate::engines::TABLE
        .iter()
        .find(|(known, _)| *known == name)
    {
        Some((_, open)) => open(directory, settings),
        None => Err(Failure(format!(
            "this program was built without engine `{name}`"
        ))),
    }
}

pub(crate) use {ensure, fail};
