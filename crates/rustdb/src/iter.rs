//! Iteration outside of transactions.

use std::fmt;
use std::ops::Bound;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustdb_storage::engine::{
    Bounds, Engine, EngineIter, Entries, ReadAt, Snapshot as EngineSnapshot,
};
use rustdb_storage::key::KeyspaceId;
use rustdb_storage::slice::Slice;

use crate::error::{Error, Result};

/// A key and its value.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// fn shown((key, value): &rustdb::Entry) -> String {
///     format!("{} = {}", String::from_utf8_lossy(key), String::from_utf8_lossy(value))
/// }
/// db.put("name", "Ada")?;
/// assert_eq!(db.first()?.as_ref().map(shown).as_deref(), Some("name = Ada"));
/// # Ok::<(), rustdb::Error>(())
/// ```
pub type Entry = (Slice, Slice);

/// Walks over entries in key order, from either end, as of one moment.
///
/// An error ends the walk after it has been returned.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// for key in ["a", "b", "c", "d"] {
///     db.put(key, "")?;
/// }
/// let mut iter = db.iter();
/// let (first, _) = iter.next().expect("four entries")?;
/// let (last, _) = iter.next_back().expect("three entries")?;
/// assert_eq!((&*first, &*last), (&b"a"[..], &b"d"[..]));
/// assert_eq!(iter.count(), 2);
/// # Ok::<(), rustdb::Error>(())
/// ```
pub struct Iter {
    source: Source,
    /// Stands on what was given out last at this end. Past each other, the walk is over.
    front: Option<Entries>,
    back: Option<EngineIter>,
    is_over: bool,
}

struct Source {
    engine: Engine,
    keyspace: KeyspaceId,
    bounds: Bounds,
    snapshot: EngineSnapshot,
    /// Why there is nothing to be opened.
    error: Option<Error>,
}

impl Source {
    fn open(&self) -> Result<EngineIter> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let at = ReadAt::Snapshot(&self.snapshot);
        Ok(self.engine.iter(self.keyspace, &self.bounds, at)?)
    }
}

impl Iter {
    /// The same, but that it gives an error, and nothing else.
    pub(crate) fn failing(mut self, error: Error) -> Self {
        self.source.error = Some(error);
        self
    }

    pub(crate) fn new(
        engine: &Engine,
        keyspace: KeyspaceId,
        bounds: Bounds,
        snapshot: EngineSnapshot,
    ) -> Self {
        let source = Source {
            engine: engine.clone(),
            keyspace,
            bounds,
            snapshot,
            error: None,
        };
        Self {
            source,
            front: None,
            back: None,
            is_over: false,
        }
    }

    /// When the entry that [`next`](Iterator::next) returned last expires, if it does.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use std::time::{Duration, SystemTime};
    /// db.default_keyspace().put_with_ttl("token", "secret", Duration::from_secs(60))?;
    /// db.put("user", "Ada")?;
    /// let mut iter = db.iter();
    /// iter.next().expect("the token")?;
    /// assert!(iter.expiry().is_some_and(|at| at > SystemTime::now()));
    /// iter.next().expect("the user")?;
    /// assert_eq!(iter.expiry(), None);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn expiry(&self) -> Option<SystemTime> {
        // Before the first entry there is no iterator.
        let micros = self.front.as_ref()?.expiry()?;
        UNIX_EPOCH.checked_add(Duration::from_micros(micros))
    }

    fn step_front(&mut self) -> Result<Option<Entry>> {
        let front = match &mut self.front {
            Some(front) => front,
            none => none.insert(Entries::new(self.source.open()?)),
        };
        let Some(entry) = front.next()? else {
            return Ok(None);
        };
        let is_past = |back: &EngineIter| *entry.0 >= *back.key();
        if self.back.as_ref().is_some_and(is_past) {
            return Ok(None);
        }
        Ok(Some(entry))
    }

    fn step_back(&mut self) -> Result<Option<Entry>> {
        let back = match &mut self.back {
            Some(back) => back,
            none => none.insert(self.source.open()?),
        };
        if !back.retreat()? {
            return Ok(None);
        }
        if let Some(front) = &mut self.front
            && back.key() <= front.iterator()?.key()
        {
            return Ok(None);
        }
        Ok(Some((Slice::copy_from(back.key()), back.value()?)))
    }

    fn end(&mut self, step: Result<Option<Entry>>) -> Option<Result<Entry>> {
        let item = step.transpose();
        if !matches!(item, Some(Ok(_))) {
            self.is_over = true;
            (self.front, self.back) = (None, None);
        }
        item
    }
}

impl Iterator for Iter {
    type Item = Result<Entry>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let (Some(front), None) = (&mut self.front, &self.back)
            && front.has_ready()
        {
            return Some(Ok(front.take_ready()));
        }
        if self.is_over {
            return None;
        }
        let step = self.step_front();
        self.end(step)
    }
}

impl DoubleEndedIterator for Iter {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let step = self.step_back();
        self.end(step)
    }
}

impl std::iter::FusedIterator for Iter {}

impl fmt::Debug for Iter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter")
            .field("bounds", &self.source.bounds)
            .finish_non_exhaustive()
    }
}

/// Owned bounds of a range of keys.
pub(crate) fn bounds_of<K: AsRef<[u8]>>(range: &impl std::ops::RangeBounds<K>) -> Bounds {
    let owned = |bound: Bound<&K>| bound.map(|key| key.as_ref().to_vec());
    Bounds {
        lower: owned(range.start_bound()),
        upper: owned(range.end_bound()),
    }
}
