//! Transactions.

mod view;

use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;

use rustdb_storage::engine::Durability;
use rustdb_storage::slice::Slice;
use rustdb_txn::{KeyRange, SavepointId, Transaction as Txn};

use crate::batch::{key_range, told};
use crate::database::Inner;
use crate::error::Result;
use crate::keyspace::Keyspace;

pub use view::{TransactionIter, TransactionKeyspace};

/// A transaction: sees the database as it was when it began, and its own writes. Nobody else
/// sees these before they are committed, and then sees all of them at once.
///
/// The first to commit wins: [`Transaction::commit`] fails with
/// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if another transaction has meanwhile
/// committed a write to a key that this one writes. Under
/// [`IsolationLevel::Serializable`](crate::IsolationLevel) what it has read counts too.
/// [`Database::transaction`](crate::Database::transaction) runs it again then.
///
/// The methods here work on the default keyspace; [`Transaction::keyspace`] gives the same ones
/// for another. Dropping a transaction rolls it back.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// let mut tx = db.begin()?;
/// tx.put("k", "v")?;
/// assert_eq!(db.get("k")?, None);
/// tx.commit()?;
/// assert!(db.get("k")?.is_some());
/// # Ok::<(), rustdb::Error>(())
/// ```
pub struct Transaction {
    inner: Arc<Inner>,
    transaction: Txn,
    default: Keyspace,
}

/// A moment within a transaction to which it can be rolled back.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// let mut tx = db.begin()?;
/// for (number, line) in ["1", "two", "3"].iter().enumerate() {
///     let before = tx.savepoint();
///     tx.put(number.to_be_bytes(), line)?;
///     if line.parse::<u32>().is_err() {
///         tx.rollback_to(before)?; // only this line is undone
///     }
/// }
/// tx.commit()?;
/// assert_eq!(db.len()?, 2);
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Savepoint(SavepointId);

fn scan<'t>(
    transaction: &'t Txn,
    keyspace: &Keyspace,
    range: KeyRange,
) -> Result<TransactionIter<'t>> {
    Ok(TransactionIter {
        scan: told(transaction.scan(keyspace.reference(), range))?,
        transaction,
        is_over: false,
    })
}

impl Transaction {
    pub(crate) fn new(inner: Arc<Inner>, transaction: Txn, default: Keyspace) -> Self {
        Self {
            inner,
            transaction,
            default,
        }
    }

    pub(crate) fn into_inner(self) -> Txn {
        self.transaction
    }

    /// The transaction's view of a keyspace.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let stock = db.keyspace("stock")?;
    /// let mut tx = db.begin()?;
    /// tx.keyspace(&stock).put("pen", "12")?;
    /// tx.put("last change", "today")?; // in the default keyspace
    /// tx.commit()?;
    /// assert_eq!(stock.len()?, 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn keyspace<'t>(&'t mut self, keyspace: &'t Keyspace) -> TransactionKeyspace<'t> {
        TransactionKeyspace {
            database: self.inner.number(),
            transaction: &mut self.transaction,
            keyspace,
        }
    }

    fn default_view<R>(&mut self, body: impl FnOnce(&mut TransactionKeyspace<'_>) -> R) -> R {
        let default = self.default.clone();
        body(&mut self.keyspace(&default))
    }

    /// The value of a key.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let mut tx = db.begin()?;
    /// db.put("k", "committed later")?;
    /// assert_eq!(tx.get("k")?, None);
    /// tx.put("k", "its own")?;
    /// assert_eq!(tx.get("k")?.as_deref(), Some(&b"its own"[..]));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        told(self.transaction.get(self.default.reference(), key.as_ref()))
    }

    /// Locks a key against other writers until the end of the transaction, waiting if need be,
    /// and returns its value. A conflict if the key was changed since the transaction began.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # db.put("balance", 10u64.to_le_bytes())?;
    /// db.transaction(|tx| {
    ///     let balance = tx.get_for_update("balance")?.unwrap();
    ///     let balance = u64::from_le_bytes(balance[..].try_into().unwrap());
    ///     tx.put("balance", (balance - 1).to_le_bytes())
    /// })?;
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn get_for_update(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        self.default_view(|view| view.get_for_update(key))
    }

    /// Writes a value.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let mut tx = db.begin()?;
    /// tx.put("k", "v")?;
    /// assert!(db.is_empty()?);
    /// tx.commit()?;
    /// assert!(!db.is_empty()?);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.default_view(|view| view.put(key, value))
    }

    /// Deletes a key, whether it exists or not.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.put("k", "v")?;
    /// let mut tx = db.begin()?;
    /// tx.delete("k")?;
    /// assert_eq!(tx.get("k")?, None);
    /// assert!(db.get("k")?.is_some()); // until the commit
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        self.default_view(|view| view.delete(key))
    }

    /// All entries, in key order, this transaction's writes among them.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.put("a", "1")?;
    /// let mut tx = db.begin()?;
    /// tx.put("b", "2")?;
    /// assert_eq!(tx.iter()?.count(), 2);
    /// assert_eq!(db.iter().count(), 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn iter(&self) -> Result<TransactionIter<'_>> {
        self.scan(&self.default, KeyRange::all())
    }

    /// The entries of a range of keys, from either end.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let mut tx = db.begin()?;
    /// for number in 0..100u8 {
    ///     tx.put([number], "")?;
    /// }
    /// let (largest, _) = tx.range([0]..[50])?.next_back().expect("there are fifty")?;
    /// assert_eq!(*largest, [49]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<TransactionIter<'_>> {
        self.scan(&self.default, key_range(&range))
    }

    /// The entries whose keys begin with `prefix`.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let mut tx = db.begin()?;
    /// tx.put("todo:1", "write")?;
    /// tx.put("todo:2", "read")?;
    /// tx.put("done", "0")?;
    /// assert_eq!(tx.prefix("todo:")?.count(), 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<TransactionIter<'_>> {
        self.scan(&self.default, KeyRange::prefix(prefix.as_ref()))
    }

    fn scan(&self, keyspace: &Keyspace, range: KeyRange) -> Result<TransactionIter<'_>> {
        scan(&self.transaction, keyspace, range)
    }

    /// Marks a moment to which [`Transaction::rollback_to`] can return. Savepoints nest.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let mut tx = db.begin()?;
    /// tx.put("a", "1")?;
    /// let savepoint = tx.savepoint();
    /// tx.put("a", "2")?;
    /// tx.rollback_to(savepoint)?;
    /// tx.commit()?;
    /// assert_eq!(db.get("a")?.as_deref(), Some(&b"1"[..]));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn savepoint(&mut self) -> Savepoint {
        Savepoint(self.transaction.savepoint())
    }

    /// Undoes what was written, and releases what was locked, since the savepoint. The savepoint
    /// stays; later ones are gone.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let mut tx = db.begin()?;
    /// let start = tx.savepoint();
    /// tx.put("k", "v")?;
    /// tx.rollback_to(start)?;
    /// assert_eq!(tx.get("k")?, None);
    /// tx.rollback_to(start)?; // as often as needed
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        told(self.transaction.rollback_to(savepoint.0))
    }

    /// Forgets a savepoint, and later ones, and keeps what was written since.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let mut tx = db.begin()?;
    /// let start = tx.savepoint();
    /// tx.put("k", "v")?;
    /// tx.release(start)?;
    /// assert!(tx.rollback_to(start).is_err());
    /// tx.commit()?;
    /// assert!(db.get("k")?.is_some());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn release(&mut self, savepoint: Savepoint) -> Result<()> {
        told(self.transaction.release(savepoint.0))
    }

    /// Makes all writes visible at once, as durable as the database's options say.
    ///
    /// After an error nothing was written.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let (mut first, mut second) = (db.begin()?, db.begin()?);
    /// first.put("k", "first")?;
    /// second.put("k", "second")?;
    /// first.commit()?;
    /// let error = second.commit().unwrap_err();
    /// assert_eq!(error.kind(), rustdb::ErrorKind::Conflict);
    /// assert_eq!(db.get("k")?.as_deref(), Some(&b"first"[..]));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn commit(self) -> Result<()> {
        let durability = self.inner.durability;
        self.commit_with(durability)
    }

    /// As [`Transaction::commit`], as durable as said.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let mut tx = db.begin()?;
    /// tx.put("progress", "80 %")?;
    /// tx.commit_with(rustdb::Durability::None)?; // can be worked out again
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn commit_with(self, durability: Durability) -> Result<()> {
        told(self.transaction.commit(durability))?;
        Ok(())
    }

    /// Forgets all writes, as dropping the transaction does.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let mut tx = db.begin()?;
    /// tx.put("k", "v")?;
    /// tx.rollback();
    /// assert_eq!(db.get("k")?, None);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn rollback(self) {}
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}
