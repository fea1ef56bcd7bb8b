//! Snapshots.

use std::ops::RangeBounds;
use std::sync::Arc;

use rustdb_storage::engine::{Bounds, ReadAt, Snapshot as EngineSnapshot};
use rustdb_storage::slice::Slice;

use crate::database::Inner;
use crate::error::Result;
use crate::iter::{Iter, bounds_of};
use crate::keyspace::Keyspace;

/// The database as it was at one moment, for as long as the snapshot or a clone of it lives.
///
/// Costs next to nothing to take. While it lives, versions it sees are not collected.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// db.put("k", "old")?;
/// let snapshot = db.snapshot();
/// db.put("k", "new")?;
/// assert_eq!(snapshot.get(&db.default_keyspace(), "k")?.as_deref(), Some(&b"old"[..]));
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    inner: Arc<Inner>,
    snapshot: EngineSnapshot,
}

impl Snapshot {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        let snapshot = inner.engine().snapshot();
        Self { inner, snapshot }
    }

    /// The number of the newest commit it sees.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let before = db.snapshot();
    /// db.put("k", "v")?;
    /// assert_eq!(db.snapshot().sequence(), before.sequence() + 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn sequence(&self) -> u64 {
        self.snapshot.sequence()
    }

    /// The value of a key.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let ks = db.default_keyspace();
    /// db.put("k", "v")?;
    /// let snapshot = db.snapshot();
    /// db.delete("k")?;
    /// assert!(snapshot.get(&ks, "k")?.is_some());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn get(&self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        keyspace.check_database(self.inner.number())?;
        let at = ReadAt::Snapshot(&self.snapshot);
        Ok(self.inner.engine().get(keyspace.id(), key.as_ref(), at)?)
    }

    /// All entries of a keyspace.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let snapshot = db.snapshot();
    /// for entry in snapshot.iter(&fruit) {
    ///     let (name, _) = entry?;
    ///     fruit.delete(&name)?; // the walk does not notice
    /// }
    /// assert_eq!((snapshot.len(&fruit)?, fruit.len()?), (3, 0));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn iter(&self, keyspace: &Keyspace) -> Iter {
        self.scan(keyspace, Bounds::all())
    }

    /// The entries of a range of keys.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let snapshot = db.snapshot();
    /// fruit.put("blueberry", "blue")?;
    /// assert_eq!(snapshot.range(&fruit, "b".."c").count(), 1);
    /// assert_eq!(fruit.range("b".."c").count(), 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn range<K: AsRef<[u8]>>(&self, keyspace: &Keyspace, range: impl RangeBounds<K>) -> Iter {
        self.scan(keyspace, bounds_of(&range))
    }

    /// The entries whose keys begin with `prefix`.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let snapshot = db.snapshot();
    /// fruit.clear()?;
    /// assert_eq!(snapshot.prefix(&fruit, "ch").count(), 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn prefix(&self, keyspace: &Keyspace, prefix: impl AsRef<[u8]>) -> Iter {
        self.scan(keyspace, Bounds::prefix(prefix.as_ref()))
    }

    /// The number of keys: at once for a counted keyspace, by a scan for others.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let snapshot = db.snapshot();
    /// fruit.put("plum", "purple")?;
    /// assert_eq!(snapshot.len(&fruit)?, 3);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn len(&self, keyspace: &Keyspace) -> Result<u64> {
        keyspace.check_database(self.inner.number())?;
        keyspace.len_at(ReadAt::Snapshot(&self.snapshot))
    }

    /// Whether the keyspace had no keys.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let ks = db.default_keyspace();
    /// let snapshot = db.snapshot();
    /// ks.put("k", "v")?;
    /// assert!(snapshot.is_empty(&ks)?);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn is_empty(&self, keyspace: &Keyspace) -> Result<bool> {
        Ok(self.iter(keyspace).next().transpose()?.is_none())
    }

    fn scan(&self, keyspace: &Keyspace, bounds: Bounds) -> Iter {
        let iter = Iter::new(
            self.inner.engine(),
            keyspace.id(),
            bounds,
            self.snapshot.clone(),
        );
        match keyspace.check_database(self.inner.number()) {
            Ok(()) => iter,
            Err(error) => iter.failing(error),
        }
    }
}
