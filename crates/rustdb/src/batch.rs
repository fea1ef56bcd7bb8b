//! Write batches.

use std::ops::RangeBounds;
use std::time::Duration;

use rustdb_txn::{KeyRange, WriteBatch as TxnBatch};

use crate::error::Result;
use crate::keyspace::Keyspace;

/// Writes that are committed together, whole or not at all, in any keyspaces.
///
/// Where a key is written more than once the last write counts.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// use rustdb::WriteBatch;
/// let ks = db.default_keyspace();
/// let mut batch = WriteBatch::new();
/// batch.put(&ks, "a", "1").put(&ks, "b", "2").delete(&ks, "a");
/// db.write(&batch)?;
/// assert_eq!((db.get("a")?, db.len()?), (None, 1));
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct WriteBatch(pub(crate) TxnBatch);

impl WriteBatch {
    /// A batch without writes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a value.
    pub fn put(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> &mut Self {
        self.0
            .put(keyspace.reference(), key.as_ref(), value.as_ref());
        self
    }

    /// Writes a value that is gone after `ttl`.
    pub fn put_with_ttl(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: Duration,
    ) -> &mut Self {
        let expiry = keyspace.expiry_after(ttl);
        self.0
            .put_expiring(keyspace.reference(), key.as_ref(), value.as_ref(), expiry);
        self
    }

    /// Deletes a key, whether it exists or not.
    pub fn delete(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> &mut Self {
        self.0.delete(keyspace.reference(), key.as_ref());
        self
    }

    /// Deletes all keys of a range, at the cost of one write.
    pub fn delete_range<K: AsRef<[u8]>>(
        &mut self,
        keyspace: &Keyspace,
        range: impl RangeBounds<K>,
    ) -> &mut Self {
        let range = key_range(&range);
        self.0
            .delete_range(keyspace.reference(), &range.start, range.end.as_deref());
        self
    }

    /// How many writes it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The size of its keys and values, in bytes.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Forgets all writes.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// A range of keys as the transaction layer takes it.
pub(crate) fn key_range<K: AsRef<[u8]>>(range: &impl RangeBounds<K>) -> KeyRange {
    KeyRange::bounds(
        range.start_bound().map(AsRef::as_ref),
        range.end_bound().map(AsRef::as_ref),
    )
}

/// What the layers below say, as this crate's error.
pub(crate) fn told<T>(result: rustdb_txn::Result<T>) -> Result<T> {
    result.map_err(Into::into)
}
