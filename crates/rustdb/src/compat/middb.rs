//! The names of middb's key-value interface.
//!
//! ```
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("data");
//! use rustdb::compat::middb::{Config, Database};
//!
//! let db = Database::open(Config::new(&path))?;
//! db.put(b"user:1".to_vec(), b"Alice".to_vec())?;
//! assert_eq!(db.get(&b"user:1".to_vec())?, Some(b"Alice".to_vec()));
//!
//! let txn = db.begin_txn()?;
//! db.put_txn(txn, b"user:2".to_vec(), b"Bob".to_vec())?;
//! assert_eq!(db.get(&b"user:2".to_vec())?, None);
//! db.commit_txn(txn)?;
//! db.delete(b"user:1".to_vec())?;
//! db.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::HashMap;
use std::path::PathBuf;

use rustdb_vfs::sync::Mutex;

use crate::error::{Error, ErrorKind, Result};
use crate::{Compression, Options, Transaction};

/// Where the database is, and some of its sizes.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("data");
/// use rustdb::compat::middb::{Config, Database};
/// let config = Config { use_compression: false, ..Config::new(&path) };
/// Database::open(config)?.put(b"k".to_vec(), b"v".to_vec())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory.
    pub data_dir: PathBuf,
    /// Memory that takes writes before they are flushed.
    pub memtable_size: usize,
    /// Whether blocks are compressed.
    pub use_compression: bool,
    /// Table files held open.
    pub max_open_files: usize,
}

impl Config {
    /// A configuration with default sizes.
    ///
    /// ```
    /// use rustdb::compat::middb::Config;
    /// let config = Config::new("./data");
    /// assert!(config.use_compression && config.memtable_size > 0);
    /// ```
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let options = Options::default();
        Self {
            data_dir: path.into(),
            memtable_size: options.write_buffer_bytes,
            use_compression: true,
            max_open_files: options.open_files_max,
        }
    }
}

/// Names a transaction of a [`Database`].
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # use rustdb::compat::middb::{Config, Database};
/// # let db = Database::open(Config::new(directory.path().join("data")))?;
/// let (first, second) = (db.begin_txn()?, db.begin_txn()?);
/// assert_ne!(first, second);
/// db.abort_txn(first)?;
/// assert!(db.commit_txn(first).is_err()); // it has ended
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TxnId(u64);

/// Sizes and counters.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # use rustdb::compat::middb::{Config, Database};
/// # let db = Database::open(Config::new(directory.path().join("data")))?;
/// let before = db.stats();
/// db.put(b"k".to_vec(), b"v".to_vec())?;
/// assert_ne!(db.stats(), before);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseStats {
    /// Bytes in the active memtable.
    pub memtable_size: u64,
    /// Entries in the active memtable.
    pub memtable_entries: u64,
    /// Table files.
    pub num_sstables: usize,
    /// The newest commit.
    pub sequence_number: u64,
    /// Runs of level 0.
    pub l0_file_count: usize,
}

/// A database with middb's methods.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # use rustdb::compat::middb::{Config, Database};
/// # let db = Database::open(Config::new(directory.path().join("data")))?;
/// db.put(b"k".to_vec(), b"v".to_vec())?;
/// assert_eq!(db.get(&b"k".to_vec())?.as_deref(), Some(&b"v"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Database {
    inner: crate::Database,
    transactions: Mutex<Transactions>,
}

#[derive(Debug, Default)]
struct Transactions {
    last: u64,
    /// Those under way. One that a call works on is out of the map for that long.
    open: HashMap<TxnId, Transaction>,
}

impl Database {
    /// Opens or creates a database.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("data");
    /// use rustdb::compat::middb::{Config, Database};
    /// let db = Database::open(Config::new(&path))?;
    /// assert!(Database::open(Config::new(&path)).is_err()); // it is in use
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(config: Config) -> Result<Self> {
        let options = Options {
            write_buffer_bytes: config.memtable_size,
            open_files_max: config.max_open_files,
            compression: match config.use_compression {
                true => Compression::default(),
                false => Compression::None,
            },
            ..Options::default()
        };
        let inner = crate::Database::open_with(&config.data_dir, options)?;
        Ok(Self {
            inner,
            transactions: Mutex::default(),
        })
    }

    /// Writes a value.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # use rustdb::compat::middb::{Config, Database};
    /// # let db = Database::open(Config::new(directory.path().join("data")))?;
    /// db.put(b"k".to_vec(), b"v".to_vec())?;
    /// db.put(b"k".to_vec(), b"w".to_vec())?;
    /// assert_eq!(db.get(&b"k".to_vec())?, Some(b"w".to_vec()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put(&self, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        self.inner.put(key, value)
    }

    /// The value of a key.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # use rustdb::compat::middb::{Config, Database};
    /// # let db = Database::open(Config::new(directory.path().join("data")))?;
    /// assert_eq!(db.get(&b"nothing".to_vec())?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self, key: &Vec<u8>) -> Result<Option<Vec<u8>>> {
        Ok(self.inner.get(key)?.map(|value| value.to_vec()))
    }

    /// Deletes a key.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # use rustdb::compat::middb::{Config, Database};
    /// # let db = Database::open(Config::new(directory.path().join("data")))?;
    /// db.put(b"k".to_vec(), b"v".to_vec())?;
    /// db.delete(b"k".to_vec())?;
    /// assert_eq!(db.get(&b"k".to_vec())?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete(&self, key: Vec<u8>) -> Result<()> {
        self.inner.delete(key)
    }

    /// Begins a transaction.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # use rustdb::compat::middb::{Config, Database};
    /// # let db = Database::open(Config::new(directory.path().join("data")))?;
    /// let txn = db.begin_txn()?;
    /// db.put_txn(txn, b"k".to_vec(), b"v".to_vec())?;
    /// db.commit_txn(txn)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn begin_txn(&self) -> Result<TxnId> {
        let transaction = self.inner.begin()?;
        let mut transactions = self.transactions.lock();
        transactions.last += 1;
        let id = TxnId(transactions.last);
        transactions.open.insert(id, transaction);
        Ok(id)
    }

    /// The value of a key as the transaction sees it.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # use rustdb::compat::middb::{Config, Database};
    /// # let db = Database::open(Config::new(directory.path().join("data")))?;
    /// let txn = db.begin_txn()?;
    /// db.put(b"k".to_vec(), b"too late for it".to_vec())?;
    /// assert_eq!(db.get_txn(txn, &b"k".to_vec())?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_txn(&self, txn: TxnId, key: &Vec<u8>) -> Result<Option<Vec<u8>>> {
        self.with(txn, |tx| Ok(tx.get(key)?.map(|value| value.to_vec())))
    }

    /// Writes a value in the transaction.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # use rustdb::compat::middb::{Config, Database};
    /// # let db = Database::open(Config::new(directory.path().join("data")))?;
    /// let txn = db.begin_txn()?;
    /// db.put_txn(txn, b"k".to_vec(), b"v".to_vec())?;
    /// assert!(db.get_txn(txn, &b"k".to_vec())?.is_some());
    /// assert!(db.get(&b"k".to_vec())?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_txn(&self, txn: TxnId, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        self.with(txn, |tx| tx.put(key, value))
    }

    /// Deletes a key in the transaction.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # use rustdb::compat::middb::{Config, Database};
    /// # let db = Database::open(Config::new(directory.path().join("data")))?;
    /// db.put(b"k".to_vec(), b"v".to_vec())?;
    /// let txn = db.begin_txn()?;
    /// db.delete_txn(txn, b"k".to_vec())?;
    /// db.commit_txn(txn)?;
    /// assert_eq!(db.get(&b"k".to_vec())?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete_txn(&self, txn: TxnId, key: Vec<u8>) -> Result<()> {
        self.with(txn, |tx| tx.delete(key))
    }

    /// Commits; fails with [`ErrorKind::Conflict`] if another transaction was first.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # use rustdb::compat::middb::{Config, Database};
    /// # let db = Database::open(Config::new(directory.path().join("data")))?;
    /// let txn = db.begin_txn()?;
    /// db.put_txn(txn, b"k".to_vec(), b"mine".to_vec())?;
    /// db.put(b"k".to_vec(), b"theirs".to_vec())?;
    /// assert_eq!(db.commit_txn(txn).unwrap_err().kind(), rustdb::ErrorKind::Conflict);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn commit_txn(&self, txn: TxnId) -> Result<()> {
        self.take(txn)?.commit()
    }

    /// Forgets what the transaction wrote.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # use rustdb::compat::middb::{Config, Database};
    /// # let db = Database::open(Config::new(directory.path().join("data")))?;
    /// let txn = db.begin_txn()?;
    /// db.put_txn(txn, b"k".to_vec(), b"v".to_vec())?;
    /// db.abort_txn(txn)?;
    /// assert_eq!(db.get(&b"k".to_vec())?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort_txn(&self, txn: TxnId) -> Result<()> {
        self.take(txn)?.rollback();
        Ok(())
    }

    /// Sizes and counters.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # use rustdb::compat::middb::{Config, Database};
    /// # let db = Database::open(Config::new(directory.path().join("data")))?;
    /// db.put(b"k".to_vec(), b"v".to_vec())?;
    /// let stats = db.stats();
    /// assert_eq!((stats.sequence_number, stats.memtable_entries), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> DatabaseStats {
        let stats = self.inner.stats();
        DatabaseStats {
            memtable_size: stats.memtable_bytes,
            memtable_entries: stats.memtable_entries,
            num_sstables: stats.levels.iter().map(|level| level.tables).sum(),
            sequence_number: stats.sequence,
            l0_file_count: stats.levels.first().map_or(0, |level| level.runs),
        }
    }

    /// Closes the database; transactions under way are rolled back.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # use rustdb::compat::middb::{Config, Database};
    /// # let db = Database::open(Config::new(directory.path().join("data")))?;
    /// let txn = db.begin_txn()?;
    /// db.put_txn(txn, b"k".to_vec(), b"v".to_vec())?;
    /// db.close()?; // the transaction leaves no trace
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(self) -> Result<()> {
        self.transactions.lock().open.clear();
        self.inner.close()
    }

    fn take(&self, txn: TxnId) -> Result<Transaction> {
        self.transactions.lock().open.remove(&txn).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("there is no transaction `{}`", txn.0),
            )
        })
    }

    fn with<T>(&self, txn: TxnId, body: impl FnOnce(&mut Transaction) -> Result<T>) -> Result<T> {
        let mut transaction = self.take(txn)?;
        let result = body(&mut transaction);
        self.transactions.lock().open.insert(txn, transaction);
        result
    }
}
