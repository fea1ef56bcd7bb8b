//! The database handle.

use std::fmt;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;

use rustdb_storage::engine::{Durability, Engine, EngineStats};
use rustdb_storage::key::KeyspaceId;
use rustdb_storage::slice::Slice;
use rustdb_txn::{Access, IsolationLevel, TransactionManager};
use rustdb_vfs::{MemVfs, OsVfs, VfsRef};

use crate::batch::{WriteBatch, told};
use crate::error::{Error, ErrorKind, Result};
use crate::iter::{Entry, Iter};
use crate::keyspace::{Keyspace, Swapped};
use crate::options::{KeyspaceOptions, Options};
use crate::snapshot::Snapshot;
use crate::transaction::Transaction;

/// An open database.
///
/// A handle: clones share the database, any thread may use one, and the last one to be dropped
/// closes it. The methods that take a key work on the *default keyspace*; other keyspaces are
/// got with [`Database::keyspace`].
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
    default: Keyspace,
}

/// What all handles share.
pub(crate) struct Inner {
    manager: TransactionManager,
    pub durability: Durability,
}

impl Inner {
    pub fn engine(&self) -> &Engine {
        self.manager.engine()
    }

    pub fn manager(&self) -> &TransactionManager {
        &self.manager
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
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Options::default())
    }

    /// As [`Database::open`], with options.
    pub fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let vfs = match &options.vfs {
            Some(vfs) => vfs.clone(),
            None => Arc::new(OsVfs::new()) as VfsRef,
        };
        let engine = Engine::open(vfs, path.as_ref(), options.engine())?;
        let manager = TransactionManager::new(engine, options.transactions());
        let inner = Arc::new(Inner {
            manager,
            durability: options.durability,
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

    // ------------------------------------------------------------------ the default keyspace

    /// The keyspace that every database has.
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
    pub fn multi_get<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<Slice>>> {
        self.default.multi_get(keys)
    }

    /// Writes a value; see [`Keyspace::put`].
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.default.put(key, value)
    }

    /// Deletes a key; see [`Keyspace::delete`].
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.default.delete(key)
    }

    /// Writes a value if the old one is as expected; see [`Keyspace::compare_and_swap`].
    pub fn compare_and_swap(
        &self,
        key: impl AsRef<[u8]>,
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<Swapped> {
        self.default.compare_and_swap(key, expected, new)
    }

    /// All entries; see [`Keyspace::iter`].
    pub fn iter(&self) -> Iter {
        self.default.iter()
    }

    /// The entries of a range of keys; see [`Keyspace::range`].
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Iter {
        self.default.range(range)
    }

    /// The entries whose keys begin with `prefix`; see [`Keyspace::prefix`].
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Iter {
        self.default.prefix(prefix)
    }

    /// The first entry.
    pub fn first(&self) -> Result<Option<Entry>> {
        self.default.first()
    }

    /// The last entry.
    pub fn last(&self) -> Result<Option<Entry>> {
        self.default.last()
    }

    /// The number of keys; see [`Keyspace::len`].
    pub fn len(&self) -> Result<u64> {
        self.default.len()
    }

    /// Whether the default keyspace has no keys.
    pub fn is_empty(&self) -> Result<bool> {
        self.default.is_empty()
    }

    // ----------------------------------------------------------------------------- keyspaces

    /// The keyspace of that name, which is created, with default options, if there is none.
    pub fn keyspace(&self, name: &str) -> Result<Keyspace> {
        self.keyspace_or_create(name, &KeyspaceOptions::default())
    }

    /// The keyspace of that name, which is created with `options` if there is none. The options
    /// of one that exists stay as they are.
    pub fn keyspace_or_create(&self, name: &str, options: &KeyspaceOptions) -> Result<Keyspace> {
        if let Some(keyspace) = self.existing_keyspace(name) {
            return Ok(keyspace);
        }
        match self.create_keyspace(name, options) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self
                .existing_keyspace(name)
                .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no keyspace `{name}`"))),
            result => result,
        }
    }

    /// The keyspace of that name, if there is one.
    pub fn existing_keyspace(&self, name: &str) -> Option<Keyspace> {
        let info = self.inner.engine().keyspace(name)?;
        Some(Keyspace::new(self.inner.clone(), name, info.id))
    }

    /// Creates a keyspace.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use rustdb::{ErrorKind, KeyspaceOptions};
    /// let counted = KeyspaceOptions { counted: true, ..KeyspaceOptions::default() };
    /// let users = db.create_keyspace("users", &counted)?;
    /// users.put("ada", "...")?;
    /// assert_eq!(users.len()?, 1); // takes no time, however many there are
    /// let again = db.create_keyspace("users", &counted).unwrap_err();
    /// assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn create_keyspace(&self, name: &str, options: &KeyspaceOptions) -> Result<Keyspace> {
        let info = self
            .inner
            .engine()
            .create_keyspace(name, &options.engine())?;
        Ok(Keyspace::new(self.inner.clone(), name, info.id))
    }

    /// Creates keyspaces of these names at the cost of one write: all of them or none.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use rustdb::KeyspaceOptions;
    /// let made = db.create_keyspaces(["a", "b", "c"], &KeyspaceOptions::default())?;
    /// made[1].put("key", "value")?;
    /// db.drop_keyspaces(["a", "c"])?;
    /// assert_eq!(db.keyspaces(), ["b", "default"]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn create_keyspaces<N: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = N>,
        options: &KeyspaceOptions,
    ) -> Result<Vec<Keyspace>> {
        let names: Vec<N> = names.into_iter().collect();
        let options = options.engine();
        let wanted: Vec<_> = names.iter().map(|name| (name.as_ref(), &options)).collect();
        let created = self.inner.engine().create_keyspaces(&wanted)?;
        let made = created
            .iter()
            .map(|info| Keyspace::new(self.inner.clone(), &info.name, info.id));
        Ok(made.collect())
    }

    /// Drops keyspaces at the cost of one write: all of them or none. As
    /// [`Database::drop_keyspace`].
    pub fn drop_keyspaces<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>) -> Result<()> {
        let names: Vec<N> = names.into_iter().collect();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        Ok(self.inner.engine().drop_keyspaces(&names)?)
    }

    /// Drops a keyspace and everything in it, at the cost of one write. Handles of it see nothing
    /// any more, and writes through them, also by transactions that are open, are refused with
    /// [`ErrorKind::NotFound`]; snapshots taken before still see it.
    pub fn drop_keyspace(&self, name: &str) -> Result<()> {
        Ok(self.inner.engine().drop_keyspace(name)?)
    }

    /// The names of all keyspaces, in order.
    pub fn keyspaces(&self) -> Vec<String> {
        self.inner
            .engine()
            .keyspaces()
            .iter()
            .map(|info| info.name.clone())
            .collect()
    }

    // -------------------------------------------------------------------------- transactions

    /// Begins a transaction under snapshot isolation.
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
    pub fn write(&self, batch: &WriteBatch) -> Result<()> {
        self.write_with(batch, self.inner.durability)
    }

    /// As [`Database::write`], as durable as said.
    pub fn write_with(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        told(self.inner.manager.write(&batch.0, durability))?;
        Ok(())
    }

    /// The database as it is now, to be read later.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.inner.clone())
    }

    // ---------------------------------------------------------------------------------- care

    /// Writes what is in memory to tables.
    pub fn flush(&self) -> Result<()> {
        Ok(self.inner.engine().flush()?)
    }

    /// Rewrites what is worth rewriting, so that only live data is left on disk and reads find it
    /// in one place. May take long; everything else goes on meanwhile.
    pub fn compact(&self) -> Result<()> {
        Ok(self.inner.engine().compact()?)
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
    pub fn close(self) -> Result<()> {
        Ok(self.inner.engine().close()?)
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.inner.engine()
    }

    /// The directory.
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
