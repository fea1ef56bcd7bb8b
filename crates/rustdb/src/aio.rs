//! Asynchronous handles, for programs on tokio.
//!
//! The engine waits for disks with threads, so every call here runs on tokio's blocking pool and
//! the runtime's own threads never wait. Reads that are answered from memory pay a hop to
//! another thread for that; where it matters, call [`AsyncDatabase::blocking`] within a task of
//! your own on the pool.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! # let directory = tempfile::tempdir().unwrap();
//! use rustdb::aio::AsyncDatabase;
//!
//! let db = AsyncDatabase::open(directory.path().join("db")).await?;
//! db.put("k", "v").await?;
//! assert_eq!(db.get("k").await?.as_deref(), Some(&b"v"[..]));
//! db.transaction(|tx| tx.put("k", "w")).await?;
//! db.close().await?;
//! # Ok::<(), rustdb::Error>(())
//! # }).unwrap();
//! ```

use std::path::Path;

use tokio::task::spawn_blocking;

use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::iter::Entry;
use crate::{Options, Slice, Transaction, WriteBatch};

/// How many entries [`AsyncDatabase::scan`] reads per hop.
const SCAN_ENTRIES: usize = 256;

/// A database handle whose methods are asynchronous. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AsyncDatabase(Database);

impl AsyncDatabase {
    /// Opens a database; see [`Database::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Options::default()).await
    }

    /// Opens a database with options; see [`Database::open_with`].
    pub async fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        run(move || Database::open_with(path, options))
            .await
            .map(Self)
    }

    /// The handle with the blocking methods.
    pub fn blocking(&self) -> &Database {
        &self.0
    }

    /// Runs `body` with the blocking handle, on the blocking pool.
    pub async fn with<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Database) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let database = self.0.clone();
        run(move || body(&database)).await
    }

    /// The value of a key.
    pub async fn get(&self, key: impl Into<Vec<u8>>) -> Result<Option<Slice>> {
        let key = key.into();
        self.with(move |db| db.get(key)).await
    }

    /// Writes a value; returns when it is as durable as the options say.
    pub async fn put(&self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Result<()> {
        let (key, value) = (key.into(), value.into());
        self.with(move |db| db.put(key, value)).await
    }

    /// Deletes a key, whether it exists or not.
    pub async fn delete(&self, key: impl Into<Vec<u8>>) -> Result<()> {
        let key = key.into();
        self.with(move |db| db.delete(key)).await
    }

    /// Commits a batch.
    pub async fn write(&self, batch: WriteBatch) -> Result<()> {
        self.with(move |db| db.write(&batch)).await
    }

    /// Runs a transaction, again after a conflict; see [`Database::transaction`].
    pub async fn transaction<T: Send + 'static>(
        &self,
        body: impl FnMut(&mut Transaction) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.with(move |db| db.transaction(body)).await
    }

    /// Walks over the entries whose keys begin with `prefix`, as of one moment.
    pub fn scan(&self, prefix: impl AsRef<[u8]>) -> AsyncScan {
        AsyncScan {
            iter: Some(self.0.prefix(prefix)),
            entries: Vec::new().into_iter(),
        }
    }

    /// Closes the database; see [`Database::close`].
    pub async fn close(self) -> Result<()> {
        run(move || self.0.close()).await
    }
}

/// A walk over entries, read in pieces on the blocking pool.
#[derive(Debug)]
pub struct AsyncScan {
    iter: Option<crate::Iter>,
    entries: std::vec::IntoIter<Entry>,
}

impl AsyncScan {
    /// The next entry, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Entry>> {
        if let Some(entry) = self.entries.next() {
            return Ok(Some(entry));
        }
        let Some(mut iter) = self.iter.take() else {
            return Ok(None);
        };
        let (iter, entries) = run(move || {
            let entries = iter
                .by_ref()
                .take(SCAN_ENTRIES)
                .collect::<Result<Vec<_>>>()?;
            Ok((iter, entries))
        })
        .await?;
        if entries.len() == SCAN_ENTRIES {
            self.iter = Some(iter);
        }
        self.entries = entries.into_iter();
        Ok(self.entries.next())
    }
}

async fn run<T: Send + 'static>(body: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match spawn_blocking(body).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::new(
            ErrorKind::Closed,
            "the runtime is shutting down",
        )),
    }
}
