//! Write batches.

use std::ops::RangeBounds;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustdb_txn::{KeyRange, WriteBatch as TxnBatch};

use crate::error::{Error, ErrorKind, Result};
use crate::keyspace::{Keyspace, of_another_database};

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
pub struct WriteBatch {
    batch: TxnBatch,
    /// The database that the keyspaces are in.
    database: Option<u64>,
    /// A keyspace that is in another one than the first was.
    stray: Option<String>,
}

impl WriteBatch {
    /// A batch without writes.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let batch = rustdb::WriteBatch::new();
    /// db.write(&batch)?; // does nothing
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The batch, for a write to this keyspace.
    fn of(&mut self, keyspace: &Keyspace) -> &mut TxnBatch {
        let database = keyspace.database_number();
        if *self.database.get_or_insert(database) != database {
            self.stray = Some(keyspace.name().to_owned());
        }
        &mut self.batch
    }

    /// The batch, if what it writes to is in the database with this number.
    pub(crate) fn of_database(&self, number: u64) -> Result<&TxnBatch> {
        if let Some(name) = &self.stray {
            return Err(of_another_database(name));
        }
        match self.database {
            Some(own) if own != number => {
                let message = "the batch is for keyspaces of another database";
                Err(Error::new(ErrorKind::InvalidArgument, message))
            }
            _ => Ok(&self.batch),
        }
    }

    /// Writes a value.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut batch = rustdb::WriteBatch::new();
    /// let names = db.keyspace("names")?;
    /// for (number, name) in ["Ada", "Grace", "Barbara"].iter().enumerate() {
    ///     batch.put(&names, number.to_be_bytes(), name);
    /// }
    /// db.write(&batch)?;
    /// assert_eq!(names.len()?, 3);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn put(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> &mut Self {
        self.of(keyspace)
            .put(keyspace.reference(), key.as_ref(), value.as_ref());
        self
    }

    /// Writes a value that is gone after `ttl`.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut batch = rustdb::WriteBatch::new();
    /// # let ks = db.default_keyspace();
    /// use std::time::Duration;
    /// batch
    ///     .put(&ks, "user:7", "Ada")
    ///     .put_with_ttl(&ks, "token:7", "secret", Duration::from_secs(600));
    /// db.write(&batch)?;
    /// # assert_eq!(db.len()?, 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn put_with_ttl(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: Duration,
    ) -> &mut Self {
        let expiry = keyspace.expiry_after(ttl);
        self.of(keyspace)
            .put_expiring(keyspace.reference(), key.as_ref(), value.as_ref(), expiry);
        self
    }

    /// Writes a value that is gone at a given time, as read from [`Iter::expiry`].
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut batch = rustdb::WriteBatch::new();
    /// # let ks = db.default_keyspace();
    /// use std::time::{Duration, SystemTime};
    /// let midnight = SystemTime::now() + Duration::from_secs(3600);
    /// batch.put_with_expiry(&ks, "cinderella", "dances", midnight);
    /// db.write(&batch)?;
    /// # assert_eq!(db.len()?, 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    ///
    /// [`Iter::expiry`]: crate::Iter::expiry
    pub fn put_with_expiry(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        expiry: SystemTime,
    ) -> &mut Self {
        let since_epoch = expiry.duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX);
        self.of(keyspace)
            .put_expiring(keyspace.reference(), key.as_ref(), value.as_ref(), micros);
        self
    }

    /// Deletes a key, whether it exists or not.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut batch = rustdb::WriteBatch::new();
    /// let (drafts, posts) = (db.keyspace("drafts")?, db.keyspace("posts")?);
    /// drafts.put("hello", "...")?;
    /// batch.delete(&drafts, "hello").put(&posts, "hello", "...");
    /// db.write(&batch)?; // moved, and never in both or in neither
    /// assert!(drafts.is_empty()? && posts.contains_key("hello")?);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn delete(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> &mut Self {
        self.of(keyspace).delete(keyspace.reference(), key.as_ref());
        self
    }

    /// Deletes all keys of a range, at the cost of one write.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut batch = rustdb::WriteBatch::new();
    /// # let ks = db.default_keyspace();
    /// ks.put("line:1", "old")?;
    /// ks.put("line:2", "old")?;
    /// batch.delete_range(&ks, "line:".."line;").put(&ks, "line:1", "new");
    /// db.write(&batch)?;
    /// assert_eq!(db.len()?, 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn delete_range<K: AsRef<[u8]>>(
        &mut self,
        keyspace: &Keyspace,
        range: impl RangeBounds<K>,
    ) -> &mut Self {
        let range = key_range(&range);
        self.of(keyspace)
            .delete_range(keyspace.reference(), &range.start, range.end.as_deref());
        self
    }

    /// How many writes it holds.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut batch = rustdb::WriteBatch::new();
    /// # let ks = db.default_keyspace();
    /// batch.put(&ks, "k", "v").delete(&ks, "k");
    /// assert_eq!(batch.len(), 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether it holds none.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut batch = rustdb::WriteBatch::new();
    /// assert!(batch.is_empty());
    /// batch.delete(&db.default_keyspace(), "k");
    /// assert!(!batch.is_empty());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// The size of its keys and values, in bytes.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut batch = rustdb::WriteBatch::new();
    /// # let ks = db.default_keyspace();
    /// for number in 0..10_000u32 {
    ///     batch.put(&ks, number.to_be_bytes(), [0; 100]);
    ///     if batch.bytes() > 256 << 10 {
    ///         db.write(&batch)?;
    ///         batch.clear();
    ///     }
    /// }
    /// db.write(&batch)?;
    /// assert_eq!(db.len()?, 10_000);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn bytes(&self) -> usize {
        self.batch.bytes()
    }

    /// Forgets all writes.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut batch = rustdb::WriteBatch::new();
    /// batch.put(&db.default_keyspace(), "k", "v");
    /// batch.clear();
    /// assert_eq!((batch.len(), batch.bytes()), (0, 0));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn clear(&mut self) {
        *self = Self::default();
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
