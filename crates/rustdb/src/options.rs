//! What can be chosen when a database or a keyspace is created or opened.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rustdb_storage::codec::Codec;
use rustdb_storage::engine::{Durability, EngineOptions};
use rustdb_txn::{TransactionOptions, Wait};
use rustdb_vfs::VfsRef;

use crate::error::{Error, ErrorKind, Result};

/// Encryption at rest: where the outer key comes from, and the cipher of a new database.
///
/// A database is encrypted when it is created with this, and opens only with this from then on.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("db");
/// use std::sync::Arc;
/// use rustdb::crypto::{Algorithm, RawKey, Secret};
/// use rustdb::{Database, Encryption, Options};
///
/// let options = |key: [u8; 32]| Options {
///     encryption: Some(Encryption {
///         provider: Arc::new(RawKey::new(Secret::new(key))),
///         algorithm: Algorithm::ChaCha20Poly1305,
///     }),
///     ..Options::default()
/// };
/// Database::open_with(&path, options([1; 32]))?.put("k", "secret")?;
/// assert!(Database::open(&path).is_err());
/// assert!(Database::open_with(&path, options([2; 32])).is_err());
/// let db = Database::open_with(&path, options([1; 32]))?;
/// assert_eq!(db.get("k")?.as_deref(), Some(&b"secret"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use rustdb_storage::keyring::Encryption;

/// How blocks are compressed.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("db");
/// use rustdb::{Compression, Database, KeyspaceOptions, Options};
///
/// let options = Options { compression: Compression::Snappy, ..Options::default() };
/// let db = Database::open_with(&path, options)?;
/// let none = KeyspaceOptions { compression: Some(Compression::None), ..Default::default() };
/// db.create_keyspace("photos", &none)?; // compressed as they are
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4: fast both ways.
    #[default]
    Lz4,
    /// Snappy: about as LZ4; for those who are used to it.
    Snappy,
    /// Zstandard: smaller and slower; for cold data.
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Compression {
    /// `None` if this build lacks the codec.
    fn of_codec(codec: Codec) -> Option<Self> {
        match codec {
            Codec::None => Some(Compression::None),
            Codec::Lz4 => Some(Compression::Lz4),
            Codec::Snappy => Some(Compression::Snappy),
            #[cfg(feature = "zstd")]
            Codec::Zstd => Some(Compression::Zstd),
            #[cfg(not(feature = "zstd"))]
            Codec::Zstd => None,
        }
    }

    pub(crate) fn codec(self) -> Codec {
        match self {
            Compression::None => Codec::None,
            Compression::Lz4 => Codec::Lz4,
            Compression::Snappy => Codec::Snappy,
            #[cfg(feature = "zstd")]
            Compression::Zstd => Codec::Zstd,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::None => "none",
            Compression::Lz4 => "lz4",
            Compression::Snappy => "snappy",
            #[cfg(feature = "zstd")]
            Compression::Zstd => "zstd",
        })
    }
}

/// From the name that it is displayed by.
impl FromStr for Compression {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "none" => Ok(Compression::None),
            "lz4" => Ok(Compression::Lz4),
            "snappy" => Ok(Compression::Snappy),
            #[cfg(feature = "zstd")]
            "zstd" => Ok(Compression::Zstd),
            _ => Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("this build has no compression `{name}`"),
            )),
        }
    }
}

/// Options of [`Database::open_with`](crate::Database::open_with).
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// use rustdb::{Database, Durability, Options};
///
/// let options = Options { cache_bytes: 64 << 20, durability: Durability::Buffered, ..Options::default() };
/// let db = Database::open_with(directory.path().join("db"), options)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// Create the database if the directory is missing or empty. On by default.
    pub create: bool,
    /// Refuse a database that exists.
    pub create_new: bool,
    /// Open for reading only: nothing in the directory changes, and other readers may have it
    /// open too.
    pub read_only: bool,
    /// How durable a write is when it returns, where the call does not say.
    pub durability: Durability,
    /// One limit for the memory of cache, write buffers, transactions' writes and tables being
    /// written; the other sizes here are scaled down to it, and the cache takes what is left. At
    /// least 4 MiB. Without it, which is the default, each size stands by itself.
    ///
    /// Outside of it are what a call has in hand (a value, a batch, an iterator's blocks), what a
    /// [`Slice`](crate::Slice) keeps, about 1 KiB per file and keyspace, and 5 MiB of fixed buffers.
    pub memory_budget: Option<usize>,
    /// Memory for blocks, indexes and filters.
    pub cache_bytes: usize,
    /// Memory that takes writes before they are flushed to a table. Up to four times as much is
    /// in use while flushes lag behind.
    pub write_buffer_bytes: usize,
    /// Memory for the writes of one transaction. What a larger one has goes to sorted files, half of
    /// this at a time, while the other half fills.
    pub transaction_bytes: usize,
    /// Values of this size and more are kept apart from the keys, in value files.
    pub large_value_bytes: usize,
    /// Compression of all but the youngest levels.
    pub compression: Compression,
    /// Threads that compact. Zero leaves it to [`Database::compact`](crate::Database::compact).
    pub compaction_threads: usize,
    /// Table files held open.
    pub open_files_max: usize,
    /// Free disk space that writes leave alone.
    pub reserve_bytes: u64,
    /// How long a write waits for a key that a transaction has locked.
    pub lock_timeout: Duration,
    /// Encryption at rest: the key, and the cipher of a new database. Off by default.
    pub encryption: Option<Encryption>,
    /// The file system, clock and threads to use instead of the system's.
    #[doc(hidden)]
    pub vfs: Option<VfsRef>,
    /// Where options without a name here come from: for tests that need a small or an odd tree.
    #[doc(hidden)]
    pub engine: Option<EngineOptions>,
}

impl Default for Options {
    fn default() -> Self {
        let engine = EngineOptions::default();
        Self {
            create: true,
            create_new: false,
            read_only: false,
            durability: Durability::Sync,
            memory_budget: None,
            cache_bytes: engine.cache_bytes,
            write_buffer_bytes: engine.memtable_bytes,
            transaction_bytes: 32 << 20,
            large_value_bytes: engine.value_threshold,
            compression: Compression::Lz4,
            compaction_threads: engine.compaction_threads,
            open_files_max: engine.open_files_max,
            reserve_bytes: engine.reserve_bytes,
            lock_timeout: Duration::from_secs(10),
            encryption: None,
            vfs: None,
            engine: None,
        }
    }
}

impl Options {
    pub(crate) fn engine(&self) -> EngineOptions {
        let engine = EngineOptions {
            create: self.create,
            create_new: self.create_new,
            read_only: self.read_only,
            cache_bytes: self.cache_bytes,
            memtable_bytes: self.write_buffer_bytes,
            value_threshold: self.large_value_bytes,
            compression: vec![Codec::None, Codec::None, self.compression.codec()],
            compaction_threads: self.compaction_threads,
            open_files_max: self.open_files_max,
            reserve_bytes: self.reserve_bytes,
            encryption: self.encryption.clone(),
            ..self.engine.clone().unwrap_or_default()
        };
        match self.memory_budget {
            Some(budget) => engine.within(budget),
            None => engine,
        }
    }

    pub(crate) fn transactions(&self) -> TransactionOptions {
        let options = TransactionOptions {
            write_set_bytes_max: self.transaction_bytes,
            lock_wait: Wait::AtMost(self.lock_timeout),
            ..TransactionOptions::default()
        };
        match self.memory_budget {
            Some(budget) => options.within(budget),
            None => options,
        }
    }
}

/// Options of a new keyspace; see [`Database::create_keyspace`](crate::Database::create_keyspace).
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// use std::time::Duration;
/// use rustdb::KeyspaceOptions;
///
/// let counted = KeyspaceOptions { counted: true, ..KeyspaceOptions::default() };
/// let orders = db.create_keyspace("orders", &counted)?;
/// orders.put("1", "")?;
/// assert_eq!(orders.len()?, 1);
/// assert!(orders.put_with_ttl("2", "", Duration::from_secs(60)).is_err());
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyspaceOptions {
    /// Keep an exact count, so that [`Keyspace::len`](crate::Keyspace::len) takes no time. Writes
    /// then look whether their key exists, and keys cannot expire.
    pub counted: bool,
    /// Compression at all levels, instead of the database's.
    pub compression: Option<Compression>,
    /// Keep filters, so that looking for a missing key rarely reads from disk. On by default.
    pub filter: bool,
}

impl Default for KeyspaceOptions {
    fn default() -> Self {
        Self {
            counted: false,
            compression: None,
            filter: true,
        }
    }
}

impl KeyspaceOptions {
    pub(crate) fn of_engine(options: &rustdb_storage::engine::KeyspaceOptions) -> Self {
        Self {
            counted: options.counted,
            compression: options.compression.and_then(Compression::of_codec),
            filter: options.filter,
        }
    }

    pub(crate) fn engine(&self) -> rustdb_storage::engine::KeyspaceOptions {
        rustdb_storage::engine::KeyspaceOptions {
            counted: self.counted,
            compression: self.compression.map(Compression::codec),
            filter: self.filter,
        }
    }
}
