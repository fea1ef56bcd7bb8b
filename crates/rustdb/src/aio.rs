//! Asynchronous handles, for programs on tokio.
//!
//! The engine waits for disks with threads, so every call here runs on tokio's blocking pool and
//! the runtime's own threads never wait. Reads that are answered from memory pay a hop to
//! another thread for that; where it matters, call [`AsyncDatabase::blocking`] within a task of
//! your own on the pool.
//!
//! A session in a transaction block may hold locks that others wait for, who could have taken all
//! threads of the pool: its calls run on threads of their own, so that it always gets to its COMMIT.
//!
//! Dropping the last handle closes the database on the pool too, some time later; who wants to know
//! when it is closed, and whether that went well, calls [`AsyncDatabase::close`].
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

#[cfg(feature = "sql")]
mod connection;

#[cfg(feature = "sql")]
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "sql")]
use rustdb_vfs::VfsRef;

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::iter::{Entry, Iter};
use crate::{Options, Slice, Transaction, WriteBatch};

#[cfg(feature = "sql")]
pub use connection::AsyncConnection;

/// How many entries [`AsyncDatabase::scan`] reads per hop.
const SCAN_ENTRIES: usize = 256;

/// A database handle whose methods are asynchronous. Cheap to clone.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("db");
/// # use rustdb::aio::AsyncDatabase;
/// let db = AsyncDatabase::open(path).await?;
/// let writer = db.clone();
/// let task = tokio::spawn(async move { writer.put("from", "a task").await });
/// task.await.unwrap()?;
/// assert!(db.get("from").await?.is_some());
/// # Ok::<(), rustdb::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct AsyncDatabase(Arc<OffRuntime<Database>>);

impl AsyncDatabase {
    /// Opens a database; see [`Database::open`].
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// let db = AsyncDatabase::open(&path).await?;
    /// db.put("k", "v").await?;
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Options::default()).await
    }

    /// Opens a database with options; see [`Database::open_with`].
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// use rustdb::Options;
    /// let options = Options { create: false, ..Options::default() };
    /// assert!(AsyncDatabase::open_with(&path, options).await.is_err());
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let database = run(move || Database::open_with(path, options)).await?;
        Ok(Self(Arc::new(OffRuntime::new(database))))
    }

    /// The handle with the blocking methods.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let db = AsyncDatabase::open(&path).await?;
    /// println!("{:?}", db.blocking().stats()); // cheap, so no thread is needed
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn blocking(&self) -> &Database {
        self.0.get()
    }

    /// Runs `body` with the blocking handle, on the blocking pool.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let db = AsyncDatabase::open(&path).await?;
    /// let count = db.with(|db| {
    ///     let users = db.keyspace("users")?;
    ///     users.put("ada", "...")?;
    ///     users.len()
    /// });
    /// assert_eq!(count.await?, 1);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn with<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Database) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let database = self.blocking().clone();
        run(move || body(&database)).await
    }

    /// The value of a key.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let db = AsyncDatabase::open(&path).await?;
    /// assert_eq!(db.get("nothing").await?, None);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn get(&self, key: impl Into<Vec<u8>>) -> Result<Option<Slice>> {
        let key = key.into();
        self.with(move |db| db.get(key)).await
    }

    /// Writes a value; returns when it is as durable as the options say.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let db = AsyncDatabase::open(&path).await?;
    /// tokio::try_join!(db.put("a", "1"), db.put("b", "2"))?; // share one sync, perhaps
    /// assert!(db.get("b").await?.is_some());
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn put(&self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Result<()> {
        let (key, value) = (key.into(), value.into());
        self.with(move |db| db.put(key, value)).await
    }

    /// Deletes a key, whether it exists or not.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let db = AsyncDatabase::open(&path).await?;
    /// db.put("k", "v").await?;
    /// db.delete("k").await?;
    /// assert_eq!(db.get("k").await?, None);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn delete(&self, key: impl Into<Vec<u8>>) -> Result<()> {
        let key = key.into();
        self.with(move |db| db.delete(key)).await
    }

    /// Commits a batch.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let db = AsyncDatabase::open(&path).await?;
    /// let ks = db.blocking().default_keyspace();
    /// let mut batch = rustdb::WriteBatch::new();
    /// batch.put(&ks, "a", "1").put(&ks, "b", "2");
    /// db.write(batch).await?;
    /// assert_eq!(db.get("a").await?.as_deref(), Some(&b"1"[..]));
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn write(&self, batch: WriteBatch) -> Result<()> {
        self.with(move |db| db.write(&batch)).await
    }

    /// Runs a transaction, again after a conflict; see [`Database::transaction`].
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let db = AsyncDatabase::open(&path).await?;
    /// let is_new = db.transaction(|tx| {
    ///     let is_new = tx.get("k")?.is_none();
    ///     tx.put("k", "v")?;
    ///     Ok(is_new)
    /// });
    /// assert!(is_new.await?);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn transaction<T: Send + 'static>(
        &self,
        body: impl FnMut(&mut Transaction) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.with(move |db| db.transaction(body)).await
    }

    /// Walks over the entries whose keys begin with `prefix`, as of one moment.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let db = AsyncDatabase::open(&path).await?;
    /// db.put("user:1", "Ada").await?;
    /// db.put("user:2", "Grace").await?;
    /// let mut users = db.scan("user:");
    /// while let Some((key, name)) = users.next().await? {
    ///     println!("{key:?}: {name:?}");
    /// }
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn scan(&self, prefix: impl AsRef<[u8]>) -> AsyncScan {
        AsyncScan {
            iter: Some(OffRuntime::new(self.blocking().prefix(prefix))),
            reading: None,
            entries: Vec::new().into_iter(),
        }
    }

    /// Closes the database; see [`Database::close`].
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let db = AsyncDatabase::open(&path).await?;
    /// db.put("k", "v").await?;
    /// db.close().await?;
    /// assert!(rustdb::Database::open(&path)?.get("k")?.is_some());
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn close(self) -> Result<()> {
        self.with(|db| db.clone().close()).await
    }
}

/// A walk over entries, read in pieces on the blocking pool.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("db");
/// # use rustdb::aio::AsyncDatabase;
/// # let db = AsyncDatabase::open(&path).await?;
/// db.with(|db| (0..1000u32).try_for_each(|n| db.put(n.to_be_bytes(), ""))).await?;
/// let (mut scan, mut count) = (db.scan(""), 0);
/// while scan.next().await?.is_some() {
///     count += 1;
/// }
/// assert_eq!(count, 1000);
/// # Ok::<(), rustdb::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct AsyncScan {
    iter: Option<OffRuntime<Iter>>,
    /// The piece that is being read, which has the iterator meanwhile. It stays here when a future of
    /// [`next`](Self::next) is dropped.
    reading: Option<JoinHandle<Result<Piece>>>,
    entries: std::vec::IntoIter<Entry>,
}

/// Entries, and the iterator if more may come.
type Piece = (Option<OffRuntime<Iter>>, Vec<Entry>);

impl AsyncScan {
    /// The next entry, or `None` at the end. A future that is dropped before it was ready, as by a
    /// timeout, passes no entry over.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let db = AsyncDatabase::open(&path).await?;
    /// db.put("only", "one").await?;
    /// let mut scan = db.scan("");
    /// assert!(scan.next().await?.is_some());
    /// assert!(scan.next().await?.is_none());
    /// assert!(scan.next().await?.is_none());
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn next(&mut self) -> Result<Option<Entry>> {
        if let Some(entry) = self.entries.next() {
            return Ok(Some(entry));
        }
        let reading = match (&mut self.reading, self.iter.take()) {
            (Some(reading), _) => reading,
            (None, None) => return Ok(None),
            (None, Some(iter)) => self.reading.insert(spawn_blocking(|| piece(iter))),
        };
        let read = reading.await;
        self.reading = None;
        let (iter, entries) = joined(read)?;
        self.iter = iter;
        self.entries = entries.into_iter();
        Ok(self.entries.next())
    }
}

fn piece(mut iter: OffRuntime<Iter>) -> Result<Piece> {
    let entries = iter.get_mut().take(SCAN_ENTRIES);
    let entries = entries.collect::<Result<Vec<_>>>()?;
    let may_go_on = entries.len() == SCAN_ENTRIES;
    Ok((may_go_on.then_some(iter), entries))
}

/// What may wait for the disk when it is dropped: the last handle of a database closes it, and the
/// last reader of a dead file removes it. Where there is a runtime, its pool does the dropping.
#[derive(Debug)]
struct OffRuntime<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> OffRuntime<T> {
    fn new(inner: T) -> Self {
        Self(Some(inner))
    }

    fn get(&self) -> &T {
        self.0.as_ref().expect("it is there until the drop")
    }

    fn get_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("it is there until the drop")
    }
}

impl<T: Send + 'static> Drop for OffRuntime<T> {
    fn drop(&mut self) {
        let inner = self.0.take();
        if let Ok(runtime) = Handle::try_current() {
            // Should the runtime shut down before its turn, it is dropped with the task.
            runtime.spawn_blocking(move || drop(inner));
        }
    }
}

/// Runs `body` on the blocking pool.
pub(crate) async fn run<T: Send + 'static>(
    body: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    joined(spawn_blocking(body).await)
}

/// What a task of the pool has returned.
fn joined<T>(result: std::result::Result<Result<T>, JoinError>) -> Result<T> {
    match result {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::new(
            ErrorKind::Closed,
            "the runtime is shutting down",
        )),
    }
}

/// As [`run`], on a thread that is not the pool's.
#[cfg(feature = "sql")]
pub(crate) async fn run_apart<T: Send + 'static>(
    vfs: &VfsRef,
    body: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (said, heard) = tokio::sync::oneshot::channel();
    let work = move || {
        let result = catch_unwind(AssertUnwindSafe(body));
        // Who dropped the future does not want to know.
        let _nobody_waits = said.send(result);
    };
    let thread = vfs.spawn("rustdb-session", Box::new(work));
    thread.map_err(|error| {
        let message = format!("there is no thread for the call: {error}");
        Error::new(ErrorKind::Io, message)
    })?;
    match heard.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => Err(Error::new(ErrorKind::Closed, "the call's thread is gone")),
    }
}
