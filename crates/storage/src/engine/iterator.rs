//! Iterators over a keyspace.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::cache::Derived;
use crate::engine::super_version::{SuperVersion, Young};
use crate::engine::{Engine, Inner, ReadAt, Snapshot};
use crate::error::Result;
use crate::iter::{self, Source, VisibleIter, Walked};
use crate::key::{KEYSPACE_BYTES, KeyspaceId, MAX_SEQUENCE, SequenceNumber};
use crate::memtable::Memtable;
use crate::slice::Slice;
use crate::table::{PlainRun, ReadMode, SegmentAhead};
use crate::value::expiry_of;
use crate::version::Run;

/// Shorter walks are not counted: to find where they begin is most of their effort.
const WALKED_MIN: u64 = 64;

/// So many steps in a memtable cost as much more than in a file as one step past an old version.
const STEPS_PER_VERSION: u64 = 4;

/// Which keys an iterator is confined to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The lower end.
    pub lower: Bound<Vec<u8>>,
    /// The upper end.
    pub upper: Bound<Vec<u8>>,
}

impl Bounds {
    /// Every key.
    pub fn all() -> Self {
        Self {
            lower: Bound::Unbounded,
            upper: Bound::Unbounded,
        }
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut next = prefix.to_vec();
        // The first key after all with the prefix: the last byte that can grow, grown.
        while next.last() == Some(&0xff) {
            next.pop();
        }
        let upper = match next.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(next)
            }
            None => Bound::Unbounded,
        };
        Self {
            lower: Bound::Included(prefix.to_vec()),
            upper,
        }
    }

    /// Half-open storage-key bounds: an excluded lower end begins right after its key.
    fn in_keyspace(&self, keyspace: KeyspaceId) -> iter::Bounds {
        let full = |key: &[u8], tail: &[u8]| [&keyspace.prefix()[..], key, tail].concat();
        iter::Bounds {
            lower: match &self.lower {
                Bound::Unbounded => keyspace.prefix().to_vec(),
                Bound::Included(key) => full(key, &[]),
                Bound::Excluded(key) => full(key, &[0]),
            },
            upper: Some(match &self.upper {
                Bound::Unbounded => KeyspaceId(keyspace.0 + 1).prefix().to_vec(),
                Bound::Included(key) => full(key, &[0]),
                Bound::Excluded(key) => full(key, &[]),
            }),
        }
    }
}

/// Walks the keys of a keyspace, both ways, as of one moment.
///
/// The iterator stands in a gap between keys: before the first at the start. [`EngineIter::advance`]
/// crosses the next key and stands on it; [`EngineIter::retreat`] crosses the one before. Holding
/// an iterator keeps files from being removed, not writers from writing.
pub struct EngineIter {
    inner: Arc<Inner>,
    /// What the iterator reads, kept alive.
    super_version: Arc<SuperVersion>,
    /// Whether the newest of its sources is the active memtable.
    has_active: bool,
    _snapshot: Option<Snapshot>,
    visible: VisibleIter,
    gap: Gap,
    scratch: Vec<u8>,
}

/// Where the iterator stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    /// Before all keys going forward, after all keys going back.
    Fresh,
    /// Before the key of `scratch`, after a seek.
    Before,
    /// On a key that was just crossed going forward.
    Crossed,
    /// On a key that was just crossed going back.
    CrossedBack,
    /// After the last key.
    AtEnd,
    /// Before the first key.
    AtStart,
}

impl Engine {
    /// Iterates over a keyspace.
    pub fn iter(
        &self,
        keyspace: KeyspaceId,
        bounds: &Bounds,
        at: ReadAt<'_>,
    ) -> Result<EngineIter> {
        self.inner().fault.check_open()?;
        self.inner().iter(bounds.in_keyspace(keyspace), at)
    }
}

impl Inner {
    pub(crate) fn iter(
        self: &Arc<Self>,
        bounds: iter::Bounds,
        at: ReadAt<'_>,
    ) -> Result<EngineIter> {
        let super_version = self.super_version.load_full();
        // NB: after the super version was loaded, never before.
        let (sequence, snapshot) = match at {
            ReadAt::Latest => (self.visible.load(Ordering::Acquire), None),
            ReadAt::Snapshot(snapshot) => (snapshot.sequence(), Some(snapshot.clone())),
        };
        let has_active = !super_version.active.is_empty();
        let sources = sources(&super_version, sequence, &bounds);
        let now = self.vfs.wall_micros();
        Ok(EngineIter {
            inner: self.clone(),
            has_active,
            super_version,
            _snapshot: snapshot,
            visible: VisibleIter::new(sources, bounds, sequence, now).around(&self.empty),
            gap: Gap::Fresh,
            scratch: Vec::new(),
        })
    }

    /// The list of keyspaces, while there is no memtable yet.
    pub(crate) fn iter_keyspace_catalogue(self: &Arc<Self>) -> Result<EngineIter> {
        let bounds = Bounds::all().in_keyspace(KeyspaceId::SYSTEM);
        let super_version = self.super_version.load_full();
        let sources = sources(&super_version, MAX_SEQUENCE, &bounds);
        Ok(EngineIter {
            inner: self.clone(),
            has_active: false,
            super_version,
            _snapshot: None,
            visible: VisibleIter::new(sources, bounds, MAX_SEQUENCE, 0),
            gap: Gap::Fresh,
            scratch: Vec::new(),
        })
    }
}

/// The sources that may hold keys within the bounds, newest first.
pub(super) fn sources(
    super_version: &SuperVersion,
    at: SequenceNumber,
    bounds: &iter::Bounds,
) -> Vec<Source> {
    let runs = super_version.version.deeper_runs();
    let mut sources = Vec::with_capacity(1 + super_version.young.len() + runs.len());
    add_memtable(&mut sources, &super_version.active, at);
    for young in &super_version.young {
        match young {
            Young::Memtable(memtable) => add_memtable(&mut sources, memtable, at),
            Young::Run(run) => add_run(&mut sources, run, at, bounds),
        }
    }
    for run in runs {
        add_run(&mut sources, run, at, bounds);
    }
    sources
}

fn add_memtable(sources: &mut Vec<Source>, memtable: &Arc<Memtable>, at: SequenceNumber) {
    if memtable.is_empty() {
        return;
    }
    sources.push(Source::memtable(memtable, at));
}

fn add_run(sources: &mut Vec<Source>, run: &Arc<Run>, at: SequenceNumber, bounds: &iter::Bounds) {
    let first = run.first_not_before(&bounds.lower);
    let is_inside = run.tables().get(first).is_some_and(|table| {
        bounds
            .upper
            .as_ref()
            .is_none_or(|upper| *table.meta().smallest < **upper)
    });
    if !is_inside {
        return;
    }
    sources.push(Source::run(run, ReadMode::default(), at));
}

impl EngineIter {
    /// Crosses the next key and stands on it; `false` at the end.
    pub fn advance(&mut self) -> Result<bool> {
        match self.gap {
            Gap::Fresh | Gap::AtStart => self.visible.seek_to_first()?,
            Gap::Before => self.visible.seek(&self.scratch)?,
            Gap::Crossed => self.visible.next()?,
            // The gap is before the key that was crossed going back: it is the next again.
            Gap::CrossedBack => {}
            Gap::AtEnd => return Ok(false),
        }
        self.gap = if self.visible.valid() {
            Gap::Crossed
        } else {
            Gap::AtEnd
        };
        Ok(self.visible.valid())
    }

    /// Crosses up to `count` keys as far as that needs no look at other sources, and shows the
    /// value of each, until `show` returns `false`. Returns how many were crossed; none says
    /// nothing about what is ahead. The iterator stands on the last one that was shown.
    ///
    /// This is how many rows are read: a step costs a fraction of [`EngineIter::advance`].
    pub fn advance_plain(
        &mut self,
        count: usize,
        show: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<usize> {
        match self.gap {
            Gap::Crossed => self.visible.pass_plain(count, show),
            _ => Ok(0),
        }
    }

    /// The segment of a table that lies ahead, as far as it is known that all of it is seen. Each is
    /// told once; again after some of it was passed.
    pub fn segment_ahead(&mut self) -> Option<SegmentAhead> {
        match self.gap {
            Gap::Crossed => self.visible.segment_ahead(),
            _ => None,
        }
    }

    /// Crosses the next `taken` keys, at least one, of the segment that lies ahead, and stands on the
    /// last of them.
    pub fn pass_segment(
        &mut self,
        ahead: &SegmentAhead,
        derived: &Derived,
        taken: usize,
    ) -> Result<()> {
        self.visible.pass_segment(ahead, derived, taken)
    }

    /// See [`VisibleIter::plain_run`].
    pub(super) fn plain_run(&self) -> Option<PlainRun> {
        match self.gap {
            Gap::Crossed => self.visible.plain_run(),
            _ => None,
        }
    }

    /// See [`VisibleIter::pass_run`].
    pub(super) fn pass_run(&mut self, taken: usize) -> Result<()> {
        self.visible.pass_run(taken)
    }

    /// Crosses the key before and stands on it; `false` at the start.
    pub fn retreat(&mut self) -> Result<bool> {
        match self.gap {
            Gap::Fresh | Gap::AtEnd => self.visible.seek_to_last()?,
            Gap::Before => self.visible.seek_before(&self.scratch)?,
            Gap::CrossedBack => self.visible.prev()?,
            Gap::Crossed => {}
            Gap::AtStart => return Ok(false),
        }
        self.gap = if self.visible.valid() {
            Gap::CrossedBack
        } else {
            Gap::AtStart
        };
        Ok(self.visible.valid())
    }

    /// Goes to the gap before `key`, whether the key exists or not. Keys outside the bounds lead
    /// to the nearest end.
    pub fn seek(&mut self, key: &[u8]) {
        let bounds = self.visible.bounds();
        self.scratch.clear();
        self.scratch
            .extend_from_slice(&bounds.lower[..KEYSPACE_BYTES]);
        self.scratch.extend_from_slice(key);
        if self.scratch < bounds.lower {
            self.scratch.clone_from(&bounds.lower);
        }
        if let Some(upper) = &bounds.upper
            && self.scratch > *upper
        {
            self.scratch.clone_from(upper);
        }
        self.gap = Gap::Before;
    }

    /// The key stood on.
    ///
    /// # Panics
    ///
    /// If the last step returned `false`, or there was none.
    pub fn key(&self) -> &[u8] {
        &self.visible.key()[KEYSPACE_BYTES..]
    }

    /// The value of the key stood on; reads a large value from its file.
    ///
    /// # Panics
    ///
    /// As [`EngineIter::key`].
    pub fn value(&self) -> Result<Slice> {
        self.inner
            .resolve(self.visible.kind(), self.visible.stored_slice())
    }

    /// The value stood on, without owning it, unless it is a large one.
    pub fn inline_value(&self) -> Option<&[u8]> {
        (!self.visible.kind().is_reference()).then(|| self.visible.value())
    }

    /// The length of the value, without reading a large one.
    pub fn value_len(&self) -> u64 {
        let kind = self.visible.kind();
        match crate::value::Reference::decode(kind, self.visible.stored()) {
            Some(reference) => reference.pointer.length,
            None => self.visible.value().len() as u64,
        }
    }

    /// When the key stood on expires, in microseconds since the Unix epoch, if it does.
    pub fn expiry(&self) -> Option<u64> {
        expiry_of(self.visible.kind(), self.visible.stored())
    }

    /// The next key and its value.
    pub fn next_entry(&mut self) -> Result<Option<(Slice, Slice)>> {
        if !self.advance()? {
            return Ok(None);
        }
        Ok(Some((Slice::copy_from(self.key()), self.value()?)))
    }

    /// The key before and its value.
    pub fn previous_entry(&mut self) -> Result<Option<(Slice, Slice)>> {
        if !self.retreat()? {
            return Ok(None);
        }
        Ok(Some((Slice::copy_from(self.key()), self.value()?)))
    }
}

impl Drop for EngineIter {
    /// Says what stood in the way: where old versions are many, a flush leaves them out; blocks of a
    /// file are walked with less effort than a memtable, and one run with less than several.
    fn drop(&mut self) {
        if let Some(unseen) = self.visible.take_unseen() {
            self.inner.note_unseen(&unseen);
        }
        let Walked { in_newest, between } = self.visible.walked();
        let mut passed = self.visible.versions_passed();
        if self.has_active && in_newest >= WALKED_MIN {
            passed += in_newest / STEPS_PER_VERSION;
        }
        let super_version = &self.super_version;
        let active = &super_version.active;
        let is_worn = passed > 0 && !active.is_empty() && active.pass_versions(passed);
        if is_worn || between >= WALKED_MIN && super_version.note_switches(between) {
            self.inner.background.wake();
        }
    }
}

impl fmt::Debug for EngineIter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineIter")
            .field("gap", &self.gap)
            .finish_non_exhaustive()
    }
}
