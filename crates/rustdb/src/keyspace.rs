//! Keyspaces.

use std::fmt;
use std::ops::{ControlFlow, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

use rustdb_storage::engine::{Bounds, Durability, KeyspaceInfo, ReadAt};
use rustdb_storage::key::KeyspaceId;
use rustdb_storage::slice::Slice;
use rustdb_txn::{KeyspaceRef, Swap, Update, WriteBatch as TxnBatch};

use crate::batch::{key_range, told};
use crate::database::Inner;
use crate::error::{Error, ErrorKind, Result};
use crate::iter::{Entry, Iter, bounds_of};
use crate::options::KeyspaceOptions;

/// What came of a compare-and-swap.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// use rustdb::Swapped;
/// db.put("leader", "node 1")?;
/// match db.compare_and_swap("leader", None, Some(b"node 2"))? {
///     Swapped::Done => println!("node 2 leads"),
///     Swapped::Differs(Some(leader)) => assert_eq!(*leader, *b"node 1"),
///     Swapped::Differs(None) => unreachable!("it would have been done"),
/// }
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// The value was as expected, and is now the new one.
    Done,
    /// The value was not as expected; this is what it is.
    Differs(Option<Slice>),
}

/// An ordered map of keys to values within a database.
///
/// Keys are up to 65,000 bytes and sort bytewise; values are up to 1 GiB. A handle is cheap to
/// clone and can be used from any thread. Keyspaces cost nothing to have: ten thousand of them
/// share one log and one tree.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// let fruit = db.keyspace("fruit")?;
/// fruit.put("apple", "red")?;
/// fruit.put("banana", "yellow")?;
/// assert_eq!(fruit.get("apple")?.as_deref(), Some(&b"red"[..]));
/// assert_eq!(db.get("apple")?, None); // the default keyspace is another one
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Clone)]
pub struct Keyspace {
    inner: Arc<Inner>,
    name: Arc<str>,
    reference: KeyspaceRef,
    /// What the engine knows of it; nothing if it was dropped before there was a handle.
    info: Option<Arc<KeyspaceInfo>>,
}

/// What is said to who mixes databases up.
pub(crate) fn of_another_database(name: &str) -> Error {
    let message = format!("keyspace `{name}` is one of another database");
    Error::new(ErrorKind::InvalidArgument, message)
}

impl Keyspace {
    pub(crate) fn new(inner: Arc<Inner>, name: &str, id: KeyspaceId) -> Self {
        let reference = inner.manager().keyspace(id);
        let info = inner.engine().keyspace_by_id(id);
        Self {
            inner,
            name: name.into(),
            reference,
            info,
        }
    }

    /// The exact number of keys.
    pub(crate) fn len_at(&self, at: ReadAt<'_>) -> Result<u64> {
        let engine = self.inner.engine();
        Ok(match &self.info {
            Some(info) => engine.len_of(info, at)?,
            None => engine.len(self.id(), at)?,
        })
    }

    /// The name.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// assert_eq!(db.keyspace("fruit")?.name(), "fruit");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is stored; `None` if it has been dropped.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use rustdb::KeyspaceOptions;
    ///
    /// let counted = KeyspaceOptions { counted: true, ..KeyspaceOptions::default() };
    /// let orders = db.create_keyspace("orders", &counted)?;
    /// assert_eq!(orders.options(), Some(counted));
    /// db.drop_keyspace("orders")?;
    /// assert_eq!(orders.options(), None);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn options(&self) -> Option<KeyspaceOptions> {
        let info = self.inner.engine().keyspace(&self.name)?;
        (info.id == self.id()).then(|| KeyspaceOptions::of_engine(&info.options))
    }

    pub(crate) fn id(&self) -> KeyspaceId {
        self.reference.id
    }

    pub(crate) fn reference(&self) -> KeyspaceRef {
        self.reference
    }

    /// The number of the database that it is in.
    pub(crate) fn database_number(&self) -> u64 {
        self.inner.number()
    }

    /// An error if it is in another database than the one with this number: there its own number
    /// means another keyspace.
    pub(crate) fn check_database(&self, number: u64) -> Result<()> {
        match self.inner.number() == number {
            true => Ok(()),
            false => Err(of_another_database(&self.name)),
        }
    }

    /// Microseconds since the Unix epoch at which something written now expires.
    pub(crate) fn expiry_after(&self, ttl: Duration) -> u64 {
        let ttl = u64::try_from(ttl.as_micros()).unwrap_or(u64::MAX);
        self.inner.engine().vfs().wall_micros().saturating_add(ttl)
    }

    fn durability(&self) -> Durability {
        self.inner.durability
    }

    /// The value of a key, or `None`.
    ///
    /// The value is not copied: it shares the memory of a cached block. Copy it (`to_vec`) to
    /// keep it for long.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let ks = db.keyspace("texts")?;
    /// ks.put("hello", "world")?;
    /// let value = ks.get("hello")?.expect("just written");
    /// assert_eq!(std::str::from_utf8(&value), Ok("world")); // a value is a slice of bytes
    /// let kept: Vec<u8> = value.to_vec();
    /// # assert_eq!(kept, b"world");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        Ok(self
            .inner
            .engine()
            .get(self.id(), key.as_ref(), ReadAt::Latest)?)
    }

    /// Whether a key has a value. Does not read large values.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let ks = db.keyspace("films")?;
    /// ks.put("intro.mp4", vec![0; 1 << 20])?;
    /// assert!(ks.contains_key("intro.mp4")?);
    /// assert!(!ks.contains_key("end.mp4")?);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self
            .inner
            .engine()
            .contains(self.id(), key.as_ref(), ReadAt::Latest)?)
    }

    /// The values of several keys, all as of one moment, in the order of the keys.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.put("a", "1")?;
    /// let values = db.default_keyspace().multi_get(["a", "b"])?;
    /// assert_eq!(values[0].as_deref(), Some(&b"1"[..]));
    /// assert_eq!(values[1], None);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn multi_get<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<Slice>>> {
        let keys: Vec<K> = keys.into_iter().collect();
        let mut values = Vec::with_capacity(keys.len());
        let each = keys.iter().map(AsRef::as_ref);
        self.inner
            .engine()
            .get_each(self.id(), each, ReadAt::Latest, |value| {
                values.push(value);
                true
            })?;
        Ok(values)
    }

    /// Writes a value, with the durability of the database's options.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let settings = db.keyspace("settings")?;
    /// settings.put("volume", "7")?;
    /// settings.put("volume", "11")?;
    /// assert_eq!(settings.get("volume")?.as_deref(), Some(&b"11"[..]));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.put_with(key, value, self.durability())
    }

    /// As [`Keyspace::put`], as durable as said.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use rustdb::Durability;
    /// let clicks = db.keyspace("clicks")?;
    /// for click in 0..100u32 {
    ///     clicks.put_with(click.to_be_bytes(), "", Durability::Buffered)?;
    /// }
    /// // Once this is on disk, so is everything before it.
    /// clicks.put_with(100u32.to_be_bytes(), "", Durability::Sync)?;
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn put_with(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        durability: Durability,
    ) -> Result<()> {
        let (key, value) = (key.as_ref(), value.as_ref());
        told(
            self.inner
                .manager()
                .put(self.reference, key, value, durability),
        )?;
        Ok(())
    }

    /// Writes a value that is gone after `ttl`. Not possible in counted keyspaces.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use std::time::Duration;
    /// db.default_keyspace().put_with_ttl("session", "token", Duration::from_secs(3600))?;
    /// assert!(db.get("session")?.is_some());
    /// db.default_keyspace().put_with_ttl("session", "token", Duration::ZERO)?;
    /// assert!(db.get("session")?.is_none());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn put_with_ttl(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: Duration,
    ) -> Result<()> {
        let (key, value) = (key.as_ref(), value.as_ref());
        let expiry = self.expiry_after(ttl);
        let manager = self.inner.manager();
        told(manager.put_expiring(self.reference, key, value, expiry, self.durability()))?;
        Ok(())
    }

    /// Deletes a key, whether it exists or not.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let ks = db.keyspace("sessions")?;
    /// ks.put("k", "v")?;
    /// ks.delete("k")?;
    /// ks.delete("k")?; // is no error
    /// assert!(!ks.contains_key("k")?);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.delete_with(key, self.durability())
    }

    /// As [`Keyspace::delete`], as durable as said.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let ks = db.default_keyspace();
    /// ks.put("cached", "...")?;
    /// ks.delete_with("cached", rustdb::Durability::None)?;
    /// assert!(ks.is_empty()?);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn delete_with(&self, key: impl AsRef<[u8]>, durability: Durability) -> Result<()> {
        told(
            self.inner
                .manager()
                .delete(self.reference, key.as_ref(), durability),
        )?;
        Ok(())
    }

    /// Deletes all keys of a range, at the cost of one write whatever it holds.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let log = db.keyspace("log")?;
    /// for day in 10..20 {
    ///     log.put(format!("2026-11-{day}"), "...")?;
    /// }
    /// log.delete_range("2026-11-10".."2026-11-15")?;
    /// assert_eq!(log.len()?, 5);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn delete_range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<()> {
        let mut batch = TxnBatch::default();
        let range = key_range(&range);
        batch.delete_range(self.reference, &range.start, range.end.as_deref());
        told(self.inner.manager().write(&batch, self.durability()))?;
        Ok(())
    }

    /// Deletes all keys.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// assert_eq!(fruit.len()?, 3);
    /// fruit.clear()?;
    /// assert_eq!(fruit.len()?, 0);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn clear(&self) -> Result<()> {
        self.delete_range::<&[u8]>(..)
    }

    /// Writes `new` (`None`: deletes) if the value is `expected` (`None`: absent), as one step.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use rustdb::Swapped;
    /// let ks = db.default_keyspace();
    /// assert_eq!(ks.compare_and_swap("lock", None, Some(b"me"))?, Swapped::Done);
    /// let second = ks.compare_and_swap("lock", None, Some(b"you"))?;
    /// assert!(matches!(second, Swapped::Differs(Some(owner)) if &*owner == b"me"));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn compare_and_swap(
        &self,
        key: impl AsRef<[u8]>,
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<Swapped> {
        let manager = self.inner.manager();
        let (key, durability) = (key.as_ref(), self.durability());
        let swap = manager.compare_and_swap(self.reference, key, expected, new, durability);
        Ok(match told(swap)? {
            Swap::Done(_) => Swapped::Done,
            Swap::Differs(value) => Swapped::Differs(value),
        })
    }

    /// Reads a key, and writes what `change` makes of its value (`None`: deletes), as one step.
    /// `change` runs again if the key was written meanwhile.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let ks = db.default_keyspace();
    /// for _ in 0..3 {
    ///     ks.update("hits", |old| {
    ///         let old = old.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    ///         Some((old + 1).to_le_bytes().to_vec())
    ///     })?;
    /// }
    /// assert_eq!(ks.get("hits")?.as_deref(), Some(&3u64.to_le_bytes()[..]));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn update(
        &self,
        key: impl AsRef<[u8]>,
        mut change: impl FnMut(Option<&[u8]>) -> Option<Vec<u8>>,
    ) -> Result<()> {
        let manager = self.inner.manager();
        let change = |old: Option<&Slice>| match change(old.map(|value| &**value)) {
            Some(new) => Update::Put(new),
            None if old.is_none() => Update::Keep,
            None => Update::Delete,
        };
        told(manager.update(self.reference, key.as_ref(), self.durability(), change))?;
        Ok(())
    }

    /// All entries, in key order.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let red = fruit.iter().filter(|entry| matches!(entry, Ok((_, colour)) if &**colour == b"red"));
    /// assert_eq!(red.count(), 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn iter(&self) -> Iter {
        self.scan(Bounds::all())
    }

    /// The entries of a range of keys, from either end.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let ks = db.default_keyspace();
    /// for letter in ["a", "b", "c", "d"] {
    ///     ks.put(letter, "")?;
    /// }
    /// let keys = ks.range("b"..).rev().map(|entry| entry.map(|(key, _)| key.to_vec()));
    /// assert_eq!(keys.collect::<rustdb::Result<Vec<_>>>()?, [b"d", b"c", b"b"]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Iter {
        self.scan(bounds_of(&range))
    }

    /// The entries whose keys begin with `prefix`.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let files = db.keyspace("files")?;
    /// for path in ["etc/hosts", "home/ada", "home/grace"] {
    ///     files.put(path, "...")?;
    /// }
    /// assert_eq!(files.prefix("home/").count(), 2);
    /// assert_eq!(files.prefix("").count(), 3);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Iter {
        self.scan(Bounds::prefix(prefix.as_ref()))
    }

    fn scan(&self, bounds: Bounds) -> Iter {
        let engine = self.inner.engine();
        Iter::new(engine, self.id(), bounds, engine.snapshot())
    }

    /// The first entry.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let (name, colour) = fruit.first()?.expect("there is fruit");
    /// assert_eq!((&*name, &*colour), (&b"apple"[..], &b"red"[..]));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn first(&self) -> Result<Option<Entry>> {
        self.iter().next().transpose()
    }

    /// The last entry.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let (name, _) = fruit.last()?.expect("there is fruit");
    /// assert_eq!(*name, *b"cherry");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn last(&self) -> Result<Option<Entry>> {
        self.iter().next_back().transpose()
    }

    /// The exact number of keys: at once for a counted keyspace, by a scan for others.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// assert_eq!(fruit.len()?, 3);
    /// fruit.delete("banana")?;
    /// assert_eq!(fruit.len()?, 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn len(&self) -> Result<u64> {
        self.len_at(ReadAt::Latest)
    }

    /// As [`Keyspace::len`], as long as `proceed` agrees, which a scan asks now and then. If it does
    /// not, fails with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let ks = db.default_keyspace();
    /// use std::ops::ControlFlow;
    /// let mut batch = rustdb::WriteBatch::new();
    /// for number in 0..10_000u32 {
    ///     batch.put(&ks, number.to_be_bytes(), "");
    /// }
    /// db.write(&batch)?;
    /// let error = ks.len_with(|| ControlFlow::Break(())).unwrap_err();
    /// assert_eq!(error.kind(), rustdb::ErrorKind::Cancelled);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn len_with(&self, proceed: impl Fn() -> ControlFlow<()>) -> Result<u64> {
        let engine = self.inner.engine();
        let snapshot = engine.snapshot();
        let at = ReadAt::Snapshot(&snapshot);
        Ok(engine.len_until(self.id(), at, &|| proceed().is_break())?)
    }

    /// Whether there are no keys.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// fruit.delete_range("a".."c")?;
    /// assert!(!fruit.is_empty()?);
    /// fruit.delete("cherry")?;
    /// assert!(fruit.is_empty()?);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.first()?.is_none())
    }

    /// About how many keys there are, without looking at them. Recent deletions make it inexact.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// assert_eq!(fruit.approximate_len()?, 3);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn approximate_len(&self) -> Result<u64> {
        Ok(self.inner.engine().approximate_len(self.id())?)
    }
}

impl fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyspace")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
