//! The database handle.

mod keyspaces;

use std::fmt;
use std::ops::{ControlFlow, RangeBounds};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustdb_storage::engine::{Durability, Engine, EngineStats};
use rustdb_storage::key::KeyspaceId;
use rustdb_storage::slice::Slice;
use rustdb_txn::{Access, IsolationLevel, TransactionManager};
use rustdb_vfs::{MemVfs, OsVfs, VfsRef};

use crate::batch::{WriteBatch, told};
use crate::error::Result;
use crate::iter::{Entry, Iter};
use crate::keyspace::{Keyspace, Swapped};
use crate::options::Options;
use crate::snapshot::Snapshot;
use crate::transaction::Transaction;

/// An open database.
///
/// A handle: clones share the database, any thread may use one, and the last one to be dropped
/// closes it. The methods that take a key work on the *default keyspace*; other keyspaces are
/// got with [`Database::keyspace`].
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// let writer = db.clone();
/// let thread = std::thread::spawn(move || writer.put("from", "another thread"));
/// thread.join().unwrap()?;
/// assert_eq!(db.get("from")?.as_deref(), Some(&b"another thread"[..]));
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
    default: Keyspace,
}

/// What all handles share.
pub(crate) struct Inner {
    manager: TransactionManager,
    /// Tells the databases of a process apart: a keyspace of one is none of another.
    number: u64,
    pub durability: Durability,
    /// The tables, once somebody has asked for them.
    #[cfg(feature = "sql")]
    pub tables: rustdb_vfs::sync::Mutex<Option<rustdb_sql::Database>>,
}

impl Inner {
    pub fn engine(&self) -> &Engine {
        self.manager.engine()
    }

    pub fn manager(&self) -> &TransactionManager {
        &self.manager
    }

    pub fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inner")
    }
}

impl Database {
    /// Opens the database in `path`, creating it if there is none.
    ///
    /// Fails if the directory holds something else, if another process has it open, or if it is
    /// damaged. What a crash left half done is recovered.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("db");
    /// use rustdb::Database;
    /// let db = Database::open(&path)?; // creates it
    /// db.put("k", "v")?;
    /// drop(db);
    /// let db = Database::open(&path)?; // opens it
    /// assert_eq!(db.get("k")?.as_deref(), Some(&b"v"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Options::default())
    }

    /// As [`Database::open`], with options.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("db");
    /// use rustdb::{Database, ErrorKind, Options};
    /// let options = Options { create: false, ..Options::default() };
    /// let error = Database::open_with(&path, options).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let vfs = match &options.vfs {
            Some(vfs) => vfs.clone(),
            None => Arc::new(OsVfs::new()) as VfsRef,
        };
        let engine = Engine::open(vfs, path.as_ref(), options.engine())?;
        let manager = TransactionManager::new(engine, options.transactions());
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let inner = Arc::new(Inner {
            manager,
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            durability: options.durability,
            #[cfg(feature = "sql")]
            tables: rustdb_vfs::sync::Mutex::default(),
        });
        let default = Keyspace::new(inner.clone(), "default", KeyspaceId::DEFAULT);
        Ok(Self { inner, default })
    }

    /// A new database that exists in memory only and is gone with its last handle.
    ///
    /// ```
    /// let db = rustdb::Database::in_memory()?;
    /// db.put("k", "v")?;
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn in_memory() -> Result<Self> {
        let vfs: VfsRef = Arc::new(MemVfs::new());
        let options = Options {
            vfs: Some(vfs),
            durability: Durability::None,
            ..Options::default()
        };
        Self::open_with("/db", options)
    }

    /// What all handles share.
    #[cfg(feature = "sql")]
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    // ------------------------------------------------------------------ the default keyspace

    /// The keyspace that every database has.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let keyspace = db.default_keyspace();
    /// keyspace.put("k", "v")?;
    /// assert!(db.get("k")?.is_some());
    /// assert_eq!(keyspace.name(), "default");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn default_keyspace(&self) -> Keyspace {
        self.default.clone()
    }

    /// The value of a key; see [`Keyspace::get`].
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.put("k", "v")?;
    /// assert_eq!(db.get("k")?.as_deref(), Some(&b"v"[..]));
    /// assert_eq!(db.get("nothing")?, None);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        self.default.get(key)
    }

    /// The values of several keys as of one moment; see [`Keyspace::multi_get`].
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.put("a", "1")?;
    /// let values = db.multi_get(["a", "b"])?;
    /// assert!(values[0].is_some() && values[1].is_none());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn multi_get<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<Slice>>> {
        self.default.multi_get(keys)
    }

    /// Writes a value; see [`Keyspace::put`].
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.put("text", "or bytes")?;
    /// db.put([0, 255], vec![0; 1000])?;
    /// db.put([0, 255], "this replaces the zeros")?;
    /// assert_eq!(db.len()?, 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.default.put(key, value)
    }

    /// Deletes a key; see [`Keyspace::delete`].
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.put("k", "v")?;
    /// db.delete("k")?;
    /// assert_eq!(db.get("k")?, None);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.default.delete(key)
    }

    /// Writes a value if the old one is as expected; see [`Keyspace::compare_and_swap`].
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use rustdb::Swapped;
    /// db.put("state", "new")?;
    /// let swapped = db.compare_and_swap("state", Some(b"new"), Some(b"paid"))?;
    /// assert_eq!(swapped, Swapped::Done);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn compare_and_swap(
        &self,
        key: impl AsRef<[u8]>,
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<Swapped> {
        self.default.compare_and_swap(key, expected, new)
    }

    /// All entries; see [`Keyspace::iter`].
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.put("b", "2")?;
    /// db.put("a", "1")?;
    /// let keys = db.iter().map(|entry| entry.map(|(key, _)| key[0]));
    /// assert_eq!(keys.collect::<rustdb::Result<Vec<u8>>>()?, *b"ab");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn iter(&self) -> Iter {
        self.default.iter()
    }

    /// The entries of a range of keys; see [`Keyspace::range`].
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// for hour in 8..18 {
    ///     db.put(format!("{hour:02}:00"), "")?;
    /// }
    /// assert_eq!(db.range("09:00".."12:00").count(), 3);
    /// assert_eq!(db.range("12:00"..).count(), 6);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Iter {
        self.default.range(range)
    }

    /// The entries whose keys begin with `prefix`; see [`Keyspace::prefix`].
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.put("user:1", "Ada")?;
    /// db.put("user:2", "Grace")?;
    /// db.put("version", "1")?;
    /// for entry in db.prefix("user:").rev() {
    ///     let (key, name) = entry?;
    ///     assert!(key.starts_with(b"user:") && name.len() > 2);
    /// }
    /// # assert_eq!(db.prefix("user:").count(), 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Iter {
        self.default.prefix(prefix)
    }

    /// The first entry.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// assert_eq!(db.first()?, None);
    /// db.put("2026-01-31", "snow")?;
    /// db.put("2026-07-31", "sun")?;
    /// let (day, weather) = db.first()?.expect("there are two");
    /// assert_eq!((&*day, &*weather), (&b"2026-01-31"[..], &b"snow"[..]));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn first(&self) -> Result<Option<Entry>> {
        self.default.first()
    }

    /// The last entry.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// for number in [1u32, 2, 300] {
    ///     db.put(number.to_be_bytes(), "")?; // big-endian numbers sort as numbers do
    /// }
    /// let (key, _) = db.last()?.expect("there are three");
    /// assert_eq!(*key, 300u32.to_be_bytes());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn last(&self) -> Result<Option<Entry>> {
        self.default.last()
    }

    /// The number of keys; see [`Keyspace::len`].
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.put("k", "v")?;
    /// db.put("k", "w")?;
    /// assert_eq!(db.len()?, 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn len(&self) -> Result<u64> {
        self.default.len()
    }

    /// Whether the default keyspace has no keys.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// assert!(db.is_empty()?);
    /// db.put("", "the empty key is a key too")?;
    /// assert!(!db.is_empty()?);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn is_empty(&self) -> Result<bool> {
        self.default.is_empty()
    }

    // -------------------------------------------------------------------------- transactions

    /// Begins a transaction under snapshot isolation.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let mut tx = db.begin()?;
    /// tx.put("from", "a")?;
    /// tx.put("to", "b")?;
    /// tx.commit()?; // both or neither
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn begin(&self) -> Result<Transaction> {
        self.begin_with(IsolationLevel::Snapshot)
    }

    /// Begins a transaction under the given isolation level.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use rustdb::IsolationLevel;
    /// let mut tx = db.begin_with(IsolationLevel::Serializable)?;
    /// tx.put("k", "v")?;
    /// tx.commit()?;
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn begin_with(&self, isolation: IsolationLevel) -> Result<Transaction> {
        let transaction = told(self.inner.manager.begin(isolation, Access::ReadWrite))?;
        Ok(Transaction::new(
            self.inner.clone(),
            transaction,
            self.default.clone(),
        ))
    }

    /// Runs `body` in a transaction and commits it; after a conflict runs it again, with growing
    /// pauses. An error of `body` rolls back and is returned.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # db.put("a", 5u64.to_le_bytes())?;
    /// # db.put("b", 0u64.to_le_bytes())?;
    /// fn read(tx: &rustdb::Transaction, key: &str) -> rustdb::Result<u64> {
    ///     let value = tx.get(key)?.expect("both accounts exist");
    ///     Ok(u64::from_le_bytes(value[..].try_into().expect("eight bytes")))
    /// }
    /// db.transaction(|tx| {
    ///     let (a, b) = (read(tx, "a")?, read(tx, "b")?);
    ///     tx.put("a", (a - 1).to_le_bytes())?;
    ///     tx.put("b", (b + 1).to_le_bytes())
    /// })?;
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn transaction<T>(&self, body: impl FnMut(&mut Transaction) -> Result<T>) -> Result<T> {
        self.transaction_with(IsolationLevel::Snapshot, self.inner.durability, body)
    }

    /// As [`Database::transaction`], with the isolation and durability given.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use rustdb::{Durability, IsolationLevel};
    /// db.transaction_with(IsolationLevel::Serializable, Durability::Buffered, |tx| {
    ///     // What this reads stays true until the commit, or the transaction runs again.
    ///     if tx.prefix("doctor on call:")?.count() > 1 {
    ///         tx.delete("doctor on call:alice")?;
    ///     }
    ///     Ok(())
    /// })?;
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn transaction_with<T>(
        &self,
        isolation: IsolationLevel,
        durability: Durability,
        mut body: impl FnMut(&mut Transaction) -> Result<T>,
    ) -> Result<T> {
        let manager = &self.inner.manager;
        let done = manager.run_owned(isolation, durability, |transaction| {
            let mut own = Transaction::new(self.inner.clone(), transaction, self.default.clone());
            let result = body(&mut own);
            (own.into_inner(), result)
        });
        done.map(|(_, result)| result)
    }

    /// Commits a batch.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let mut batch = rustdb::WriteBatch::new();
    /// let (orders, lines) = (db.keyspace("orders")?, db.keyspace("lines")?);
    /// batch.put(&orders, "7", "open").put(&lines, "7/1", "a pen").put(&lines, "7/2", "ink");
    /// db.write(&batch)?;
    /// assert_eq!(lines.len()?, 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn write(&self, batch: &WriteBatch) -> Result<()> {
        self.write_with(batch, self.inner.durability)
    }

    /// As [`Database::write`], as durable as said.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use rustdb::{Durability, WriteBatch};
    /// let mut batch = WriteBatch::new();
    /// batch.put(&db.default_keyspace(), "visits", "17");
    /// db.write_with(&batch, Durability::Buffered)?; // a power failure may lose it
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn write_with(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        let batch = batch.of_database(self.inner.number)?;
        told(self.inner.manager.write(batch, durability))?;
        Ok(())
    }

    /// The database as it is now, to be read later.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.put("a", "1")?;
    /// let before = db.snapshot();
    /// db.put("b", "2")?;
    /// assert_eq!(before.iter(&db.default_keyspace()).count(), 1);
    /// assert_eq!(db.iter().count(), 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.inner.clone())
    }

    // ---------------------------------------------------------------------------------- care

    /// Writes what is in memory to tables.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.put("k", "v")?;
    /// db.flush()?;
    /// let stats = db.stats();
    /// assert_eq!(stats.memtable_entries, 0);
    /// assert_eq!(stats.levels.iter().map(|level| level.tables).sum::<usize>(), 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn flush(&self) -> Result<()> {
        Ok(self.inner.engine().flush()?)
    }

    /// Rewrites what is worth rewriting, so that only live data is left on disk and reads find it
    /// in one place. May take long; everything else goes on meanwhile.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// for round in 0..10 {
    ///     db.put("k", [round; 1000])?;
    /// }
    /// db.compact()?;
    /// let entries: u64 = db.stats().levels.iter().map(|level| level.entries).sum();
    /// assert_eq!(entries, 1); // nine old versions are gone
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn compact(&self) -> Result<()> {
        Ok(self.inner.engine().compact()?)
    }

    /// As [`Database::compact`], as long as `proceed` agrees, which is asked every few hundred
    /// kilobytes. If it does not, fails with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled);
    /// what was done until then stays done.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use std::ops::ControlFlow;
    /// use std::time::{Duration, Instant};
    /// let end = Instant::now() + Duration::from_secs(60);
    /// db.compact_with(|| match Instant::now() < end {
    ///     true => ControlFlow::Continue(()),
    ///     false => ControlFlow::Break(()),
    /// })?;
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn compact_with(&self, proceed: impl Fn() -> ControlFlow<()>) -> Result<()> {
        Ok(self
            .inner
            .engine()
            .compact_until(&|| proceed().is_break())?)
    }

    /// Sizes and counters. Cheap; may be called at any time.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.put("k", "v")?;
    /// assert_eq!(db.stats().sequence, 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn stats(&self) -> EngineStats {
        self.inner.engine().stats()
    }

    /// Closes the database: writes out what is in memory and releases the directory. All handles
    /// fail from then on. Dropping the last handle does the same and cannot report errors.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("db");
    /// use rustdb::{Database, ErrorKind};
    /// let db = Database::open(&path)?;
    /// let other = db.clone();
    /// db.close()?;
    /// assert_eq!(other.get("k").unwrap_err().kind(), ErrorKind::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(self) -> Result<()> {
        #[cfg(feature = "sql")]
        if let Some(tables) = self.inner.tables.lock().take() {
            tables.rest();
        }
        Ok(self.inner.engine().close()?)
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.inner.engine()
    }

    /// The directory.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("db");
    /// let db = rustdb::Database::open(&path)?;
    /// assert_eq!(db.path(), path);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn path(&self) -> &Path {
        self.inner.engine().directory()
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}
