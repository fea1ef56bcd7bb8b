//! Transactions.

use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::Duration;

use rustdb_storage::engine::Durability;
use rustdb_storage::slice::Slice;
use rustdb_txn::{KeyRange, SavepointId, Scan, Transaction as Txn};

use crate::batch::{key_range, told};
use crate::database::Inner;
use crate::error::Result;
use crate::iter::Entry;
use crate::keyspace::Keyspace;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Savepoint(SavepointId);

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
    pub fn keyspace<'t>(&'t mut self, keyspace: &'t Keyspace) -> TransactionKeyspace<'t> {
        TransactionKeyspace {
            transaction: self,
            keyspace,
        }
    }

    fn default_view<R>(&mut self, body: impl FnOnce(&mut TransactionKeyspace<'_>) -> R) -> R {
        let default = self.default.clone();
        body(&mut self.keyspace(&default))
    }

    /// The value of a key.
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
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.default_view(|view| view.put(key, value))
    }

    /// Deletes a key, whether it exists or not.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        self.default_view(|view| view.delete(key))
    }

    /// All entries, in key order, this transaction's writes among them.
    pub fn iter(&self) -> Result<TransactionIter<'_>> {
        self.scan(&self.default, KeyRange::all())
    }

    /// The entries of a range of keys, from either end.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<TransactionIter<'_>> {
        self.scan(&self.default, key_range(&range))
    }

    /// The entries whose keys begin with `prefix`.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<TransactionIter<'_>> {
        self.scan(&self.default, KeyRange::prefix(prefix.as_ref()))
    }

    fn scan(&self, keyspace: &Keyspace, range: KeyRange) -> Result<TransactionIter<'_>> {
        let scan = told(self.transaction.scan(keyspace.reference(), range))?;
        Ok(TransactionIter {
            transaction: &self.transaction,
            scan,
            is_over: false,
        })
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
    pub fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        told(self.transaction.rollback_to(savepoint.0))
    }

    /// Forgets a savepoint, and later ones, and keeps what was written since.
    pub fn release(&mut self, savepoint: Savepoint) -> Result<()> {
        told(self.transaction.release(savepoint.0))
    }

    /// Makes all writes visible at once, as durable as the database's options say.
    ///
    /// After an error nothing was written.
    pub fn commit(self) -> Result<()> {
        let durability = self.inner.durability;
        self.commit_with(durability)
    }

    /// As [`Transaction::commit`], as durable as said.
    pub fn commit_with(self, durability: Durability) -> Result<()> {
        told(self.transaction.commit(durability))?;
        Ok(())
    }

    /// Forgets all writes, as dropping the transaction does.
    pub fn rollback(self) {}
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

/// A transaction's view of one keyspace.
#[derive(Debug)]
pub struct TransactionKeyspace<'t> {
    transaction: &'t mut Transaction,
    keyspace: &'t Keyspace,
}

impl TransactionKeyspace<'_> {
    /// The value of a key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        told(
            self.transaction
                .transaction
                .get(self.keyspace.reference(), key.as_ref()),
        )
    }

    /// Whether a key has a value.
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        told(
            self.transaction
                .transaction
                .contains(self.keyspace.reference(), key.as_ref()),
        )
    }

    /// The values of several keys, in their order.
    pub fn multi_get<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<Slice>>> {
        told(
            self.transaction
                .transaction
                .multi_get(self.keyspace.reference(), keys),
        )
    }

    /// See [`Transaction::get_for_update`].
    pub fn get_for_update(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        let reference = self.keyspace.reference();
        told(
            self.transaction
                .transaction
                .get_for_update(reference, key.as_ref()),
        )
    }

    /// Writes a value.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let reference = self.keyspace.reference();
        told(
            self.transaction
                .transaction
                .put(reference, key.as_ref(), value.as_ref()),
        )
    }

    /// Writes a value that is gone after `ttl`.
    pub fn put_with_ttl(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: Duration,
    ) -> Result<()> {
        let (reference, expiry) = (self.keyspace.reference(), self.keyspace.expiry_after(ttl));
        told(self.transaction.transaction.put_expiring(
            reference,
            key.as_ref(),
            value.as_ref(),
            expiry,
        ))
    }

    /// Deletes a key, whether it exists or not.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        let reference = self.keyspace.reference();
        told(self.transaction.transaction.delete(reference, key.as_ref()))
    }

    /// Deletes all keys of a range.
    pub fn delete_range<K: AsRef<[u8]>>(&mut self, range: impl RangeBounds<K>) -> Result<()> {
        let reference = self.keyspace.reference();
        told(
            self.transaction
                .transaction
                .delete_range(reference, key_range(&range)),
        )
    }

    /// Removes and returns the first entry of a range. Doing so again and again costs the same
    /// each time.
    pub fn pop_first<K: AsRef<[u8]>>(
        &mut self,
        range: impl RangeBounds<K>,
    ) -> Result<Option<Entry>> {
        let reference = self.keyspace.reference();
        told(
            self.transaction
                .transaction
                .pop_first(reference, &key_range(&range)),
        )
    }

    /// Removes and returns the last entry of a range.
    pub fn pop_last<K: AsRef<[u8]>>(
        &mut self,
        range: impl RangeBounds<K>,
    ) -> Result<Option<Entry>> {
        let reference = self.keyspace.reference();
        told(
            self.transaction
                .transaction
                .pop_last(reference, &key_range(&range)),
        )
    }

    /// Removes the entries of a range for which `keep` says no; returns how many.
    pub fn retain<K: AsRef<[u8]>>(
        &mut self,
        range: impl RangeBounds<K>,
        keep: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<u64> {
        let reference = self.keyspace.reference();
        told(
            self.transaction
                .transaction
                .retain(reference, key_range(&range), keep),
        )
    }

    /// Removes the entries of a range for which `wanted` says yes, and hands each to `take`.
    pub fn extract_if<K: AsRef<[u8]>>(
        &mut self,
        range: impl RangeBounds<K>,
        wanted: impl FnMut(&[u8], &[u8]) -> bool,
        mut take: impl FnMut(Entry),
    ) -> Result<u64> {
        let reference = self.keyspace.reference();
        let txn = &mut self.transaction.transaction;
        let mut extract = told(txn.extract(reference, key_range(&range), wanted))?;
        let mut count = 0;
        while let Some(entry) = told(extract.next(txn))? {
            take(entry);
            count += 1;
        }
        Ok(count)
    }

    /// All entries, in key order, this transaction's writes among them.
    pub fn iter(&self) -> Result<TransactionIter<'_>> {
        self.transaction.scan(self.keyspace, KeyRange::all())
    }

    /// The entries of a range of keys, from either end.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<TransactionIter<'_>> {
        self.transaction.scan(self.keyspace, key_range(&range))
    }

    /// The entries whose keys begin with `prefix`.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<TransactionIter<'_>> {
        self.transaction
            .scan(self.keyspace, KeyRange::prefix(prefix.as_ref()))
    }

    /// The first entry.
    pub fn first(&self) -> Result<Option<Entry>> {
        self.iter()?.next().transpose()
    }

    /// The last entry.
    pub fn last(&self) -> Result<Option<Entry>> {
        self.iter()?.next_back().transpose()
    }
}

/// Walks over entries as a transaction sees them, from either end.
#[derive(Debug)]
pub struct TransactionIter<'t> {
    transaction: &'t Txn,
    scan: Scan,
    is_over: bool,
}

impl TransactionIter<'_> {
    fn end(&mut self, step: rustdb_txn::Result<Option<Entry>>) -> Option<Result<Entry>> {
        let item = told(step).transpose();
        self.is_over = !matches!(item, Some(Ok(_)));
        item
    }
}

impl Iterator for TransactionIter<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let step = self.scan.next(self.transaction);
        self.end(step)
    }
}

impl DoubleEndedIterator for TransactionIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let step = self.scan.next_back(self.transaction);
        self.end(step)
    }
}

impl std::iter::FusedIterator for TransactionIter<'_> {}
