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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TxnId(u64);

/// Sizes and counters.
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
    pub fn put(&self, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        self.inner.put(key, value)
    }

    /// The value of a key.
    pub fn get(&self, key: &Vec<u8>) -> Result<Option<Vec<u8>>> {
        Ok(self.inner.get(key)?.map(|value| value.to_vec()))
    }

    /// Deletes a key.
    pub fn delete(&self, key: Vec<u8>) -> Result<()> {
        self.inner.delete(key)
    }

    /// Begins a transaction.
    pub fn begin_txn(&self) -> Result<TxnId> {
        let transaction = self.inner.begin()?;
        let mut transactions = self.transactions.lock();
        transactions.last += 1;
        let id = TxnId(transactions.last);
        transactions.open.insert(id, transaction);
        Ok(id)
    }

    /// The value of a key as the transaction sees it.
    pub fn get_txn(&self, txn: TxnId, key: &Vec<u8>) -> Result<Option<Vec<u8>>> {
        self.with(txn, |tx| Ok(tx.get(key)?.map(|value| value.to_vec())))
    }

    /// Writes a value in the transaction.
    pub fn put_txn(&self, txn: TxnId, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        self.with(txn, |tx| tx.put(key, value))
    }

    /// Deletes a key in the transaction.
    pub fn delete_txn(&self, txn: TxnId, key: Vec<u8>) -> Result<()> {
        self.with(txn, |tx| tx.delete(key))
    }

    /// Commits; fails with [`ErrorKind::Conflict`] if another transaction was first.
    pub fn commit_txn(&self, txn: TxnId) -> Result<()> {
        self.take(txn)?.commit()
    }

    /// Forgets what the transaction wrote.
    pub fn abort_txn(&self, txn: TxnId) -> Result<()> {
        self.take(txn)?.rollback();
        Ok(())
    }

    /// Sizes and counters.
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
