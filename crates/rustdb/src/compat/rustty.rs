//! The names of rustty's transactional interface.
//!
//! ```
//! # fn block_on<F: std::future::Future>(future: F) -> F::Output {
//! #     tokio::runtime::Runtime::new().unwrap().block_on(future)
//! # }
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("data");
//! use rustdb::compat::rustty::{MvccLsmStorage, TransactionContext};
//!
//! # block_on(async {
//! let storage = MvccLsmStorage::new(&path)?;
//! let mut tx = TransactionContext::new(&storage).await?;
//! tx.transaction_mut().put("key1", b"value1")?;
//! tx.commit().await?;
//!
//! let mut tx = TransactionContext::new(&storage).await?;
//! assert_eq!(tx.transaction_mut().get("key1")?, Some(b"value1".to_vec()));
//! tx.transaction_mut().put("key1", b"forgotten")?;
//! tx.rollback().await?;
//! # Ok::<(), rustdb::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::path::Path;

use crate::error::Result;

/// A database with rustty's names.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # use rustdb::compat::rustty::{MvccLsmStorage, TransactionContext};
/// # let directory = tempfile::tempdir().unwrap();
/// # let storage = MvccLsmStorage::new(directory.path().join("data"))?;
/// let other = storage.clone(); // another handle
/// let mut tx = TransactionContext::new(&other).await?;
/// tx.transaction_mut().put("k", "v")?;
/// tx.commit().await?;
/// assert!(storage.database().get("k")?.is_some());
/// # Ok::<(), rustdb::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct MvccLsmStorage(crate::Database);

impl MvccLsmStorage {
    /// Opens or creates a database.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// use rustdb::compat::rustty::MvccLsmStorage;
    /// let path = directory.path().join("data");
    /// let storage = MvccLsmStorage::new(&path)?;
    /// assert!(MvccLsmStorage::new(&path).is_err()); // it is in use
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self(crate::Database::open(path)?))
    }

    /// The database underneath.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # use rustdb::compat::rustty::{MvccLsmStorage, TransactionContext};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let storage = MvccLsmStorage::new(directory.path().join("data"))?;
    /// let db = storage.database();
    /// db.put("k", "v")?;
    /// println!("{} keys", db.len()?);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn database(&self) -> &crate::Database {
        &self.0
    }

    /// Removes every version that no snapshot needs, and tells how many those were. The database
    /// does the same by itself in the background.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # use rustdb::compat::rustty::MvccLsmStorage;
    /// # let storage = MvccLsmStorage::new(directory.path().join("data"))?;
    /// for version in 0..1000_u32 {
    ///     storage.database().put("k", version.to_be_bytes())?;
    /// }
    /// let stats = storage.run_garbage_collection()?;
    /// assert_eq!(stats.versions_kept, 1);
    /// assert_eq!(storage.database().get("k")?.as_deref(), Some(&999_u32.to_be_bytes()[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_garbage_collection(&self) -> Result<GcStats> {
        let versions = || -> u64 {
            let stats = self.0.stats();
            stats.memtable_entries + stats.levels.iter().map(|level| level.entries).sum::<u64>()
        };
        let before = versions();
        self.0.compact()?;
        let versions_kept = versions();
        Ok(GcStats {
            versions_removed: before.saturating_sub(versions_kept),
            versions_kept,
        })
    }
}

/// What a garbage collection did. Both numbers are exact if nobody writes meanwhile.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # use rustdb::compat::rustty::{GcStats, MvccLsmStorage};
/// # let storage = MvccLsmStorage::new(directory.path().join("data"))?;
/// storage.database().put("k", "v")?;
/// storage.database().put("k", "w")?;
/// let GcStats { versions_removed, versions_kept } = storage.run_garbage_collection()?;
/// assert_eq!((versions_removed, versions_kept), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcStats {
    /// Versions and deletions that are gone.
    pub versions_removed: u64,
    /// Versions that are left.
    pub versions_kept: u64,
}

/// A transaction on its way.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # use rustdb::compat::rustty::{MvccLsmStorage, TransactionContext};
/// # let directory = tempfile::tempdir().unwrap();
/// # let storage = MvccLsmStorage::new(directory.path().join("data"))?;
/// let mut tx = TransactionContext::new(&storage).await?;
/// tx.transaction_mut().put("k", "v")?;
/// drop(tx); // rolls it back
/// assert_eq!(storage.database().get("k")?, None);
/// # Ok::<(), rustdb::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct TransactionContext {
    transaction: Transaction,
}

/// What can be done within a transaction.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # use rustdb::compat::rustty::{MvccLsmStorage, TransactionContext};
/// # let directory = tempfile::tempdir().unwrap();
/// # let storage = MvccLsmStorage::new(directory.path().join("data"))?;
/// use rustdb::compat::rustty::Transaction;
/// fn rename(tx: &mut Transaction, old: &str, new: &str) -> rustdb::Result<()> {
///     let value = tx.get(old)?.unwrap_or_default();
///     tx.put(new, value)?;
///     tx.delete(old)
/// }
/// storage.database().put("a", "1")?;
/// let mut tx = TransactionContext::new(&storage).await?;
/// rename(tx.transaction_mut(), "a", "b")?;
/// tx.commit().await?;
/// assert!(storage.database().get("b")?.is_some());
/// # Ok::<(), rustdb::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Transaction(crate::Transaction);

impl TransactionContext {
    /// Begins a transaction, which sees the database as it is now.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # use rustdb::compat::rustty::{MvccLsmStorage, TransactionContext};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let storage = MvccLsmStorage::new(directory.path().join("data"))?;
    /// let tx = TransactionContext::new(&storage).await?;
    /// storage.database().put("k", "committed later")?;
    /// assert_eq!(tx.transaction().get("k")?, None);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn new(storage: &MvccLsmStorage) -> Result<Self> {
        Ok(Self {
            transaction: Transaction(storage.0.begin()?),
        })
    }

    /// The transaction.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # use rustdb::compat::rustty::{MvccLsmStorage, TransactionContext};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let storage = MvccLsmStorage::new(directory.path().join("data"))?;
    /// storage.database().put("k", "v")?;
    /// let tx = TransactionContext::new(&storage).await?;
    /// assert_eq!(tx.transaction().get("k")?, Some(b"v".to_vec()));
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// The transaction, for writing.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # use rustdb::compat::rustty::{MvccLsmStorage, TransactionContext};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let storage = MvccLsmStorage::new(directory.path().join("data"))?;
    /// let mut tx = TransactionContext::new(&storage).await?;
    /// tx.transaction_mut().put("k", "v")?;
    /// assert!(tx.transaction().get("k")?.is_some());
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn transaction_mut(&mut self) -> &mut Transaction {
        &mut self.transaction
    }

    /// Makes the writes visible and durable, all at once.
    ///
    /// With the feature `tokio`, the wait for the disk is on tokio's blocking pool; without it,
    /// the calling thread waits.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # use rustdb::compat::rustty::{MvccLsmStorage, TransactionContext};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let storage = MvccLsmStorage::new(directory.path().join("data"))?;
    /// let mut tx = TransactionContext::new(&storage).await?;
    /// tx.transaction_mut().put("k", "mine")?;
    /// storage.database().put("k", "theirs")?;
    /// let error = tx.commit().await.unwrap_err();
    /// assert_eq!(error.kind(), rustdb::ErrorKind::Conflict);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn commit(self) -> Result<()> {
        let transaction = self.transaction.0;
        #[cfg(feature = "tokio")]
        if tokio::runtime::Handle::try_current().is_ok() {
            return crate::aio::run(move || transaction.commit()).await;
        }
        transaction.commit()
    }

    /// Forgets the writes.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # use rustdb::compat::rustty::{MvccLsmStorage, TransactionContext};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let storage = MvccLsmStorage::new(directory.path().join("data"))?;
    /// let mut tx = TransactionContext::new(&storage).await?;
    /// tx.transaction_mut().put("k", "v")?;
    /// tx.rollback().await?;
    /// assert!(storage.database().is_empty()?);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn rollback(self) -> Result<()> {
        self.transaction.0.rollback();
        Ok(())
    }
}

impl Transaction {
    /// The value of a key as the transaction sees it.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # use rustdb::compat::rustty::{MvccLsmStorage, TransactionContext};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let storage = MvccLsmStorage::new(directory.path().join("data"))?;
    /// let mut tx = TransactionContext::new(&storage).await?;
    /// tx.transaction_mut().put("k", "its own")?;
    /// assert_eq!(tx.transaction().get("k")?, Some(b"its own".to_vec()));
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        Ok(self.0.get(key)?.map(|value| value.to_vec()))
    }

    /// Writes a value.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # use rustdb::compat::rustty::{MvccLsmStorage, TransactionContext};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let storage = MvccLsmStorage::new(directory.path().join("data"))?;
    /// let mut tx = TransactionContext::new(&storage).await?;
    /// tx.transaction_mut().put("a", "1")?;
    /// tx.transaction_mut().put("b", "2")?;
    /// tx.commit().await?; // both or neither
    /// assert_eq!(storage.database().len()?, 2);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.0.put(key, value)
    }

    /// Deletes a key.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # use rustdb::compat::rustty::{MvccLsmStorage, TransactionContext};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let storage = MvccLsmStorage::new(directory.path().join("data"))?;
    /// storage.database().put("k", "v")?;
    /// let mut tx = TransactionContext::new(&storage).await?;
    /// tx.transaction_mut().delete("k")?;
    /// tx.commit().await?;
    /// assert!(storage.database().is_empty()?);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        self.0.delete(key)
    }
}

/// Queries as rustty's were put together, with its [`Value`]s.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// # db.connect()?.run("CREATE TABLE users (name TEXT, age INT); INSERT INTO users VALUES ('Ada', 36)")?;
/// use rustdb::compat::rustty::{Operator, QueryBuilder, Value};
/// let users: Vec<(String, i64)> = QueryBuilder::of_table(&db, "users")
///     .filter("age", Operator::Gt, Value::Int(25))
///     .limit(2)
///     .execute()?;
/// assert_eq!(users.len(), 1);
/// # Ok::<(), rustdb::Error>(())
/// ```
#[cfg(feature = "sql")]
pub use crate::sql::{FieldAccess, Operator, QueryBuilder, Schema};

/// A value, as rustty had them.
///
/// ```
/// use rustdb::compat::rustty::Value;
/// assert_eq!(rustdb::sql::Value::from(Value::Int(25)), 25_i64.into());
/// ```
#[cfg(feature = "sql")]
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// A text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// None of these.
    Null,
}

#[cfg(feature = "sql")]
impl From<Value> for crate::sql::Value {
    fn from(value: Value) -> crate::sql::Value {
        match value {
            Value::Int(number) => number.into(),
            Value::Float(number) => number.into(),
            Value::Text(text) => text.into(),
            Value::Bool(truth) => truth.into(),
            Value::Null => crate::sql::Value::NULL,
        }
    }
}
