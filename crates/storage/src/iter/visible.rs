//! What a reader sees.
//!
//! A reader at sequence number `at` sees of each key the newest entry that is not above `at`,
//! unless that is a deletion, has expired, or is covered by a range tombstone that is newer than
//! the entry and not above `at`. Older entries of the key do not matter, whatever they are.
//!
//! On the way *forward* the newest entry of a key comes first, so the iterator stands on it and
//! gives out slices of the source's memory. On the way *back* the oldest comes first; the
//! iterator has to pass all entries of a key to find the newest one, and keeps hold of it.
//!
//! # How much is looked at for nothing
//!
//! * Entries of one key that are not the one sought: some steps, then a seek past them.
//! * Entries under a range tombstone: some steps, then a seek to the end of the tombstone, in each
//!   source that is older than the tombstone as a whole. Sources that are not are walked.
//! * Deletions of single keys: one step each, and one for each older entry of the key. Where many
//!   came in a row, the next iterator knows it ([`EmptyRanges`]) and goes around them.

use std::fmt;
use std::sync::Arc;

use super::cover::Cover;
use super::cursor::{Cursor, EntryCursor};
use super::empty::EmptyRanges;
use super::merge::MergeCursor;
use crate::error::Result;
use crate::key::{EntryKind, SequenceNumber};
use crate::slice::Slice;
use crate::table::PlainRun;
use crate::tombstone::Covering;
use crate::value::expiry_of;

mod backward;
mod segments;
mod stretch;

pub use stretch::Unseen;
use stretch::{Edge, Stretch};

/// After so many steps past entries that do not matter, seek.
const STEPS_BEFORE_SEEK: u32 = 8;

/// The length of the expiry in front of an entry that expires.
const EXPIRY_BYTES: usize = 8;

/// One source of a [`VisibleIter`].
#[derive(Debug)]
pub struct Source<C = Cursor> {
    /// Walks its entries.
    pub cursor: C,
    /// Its range tombstones as of the reader's sequence number, if it has any.
    pub cover: Option<Cover>,
    /// No entry of the source is above this.
    pub max_seq: SequenceNumber,
}

/// Which storage keys an iterator is confined to.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// The first key.
    pub lower: Vec<u8>,
    /// The first key after the last one; `None` for no limit.
    pub upper: Option<Vec<u8>>,
}

/// Walks the keys that a reader sees, both ways, with their values.
pub struct VisibleIter<C = Cursor> {
    merge: MergeCursor<C>,
    /// The covers of all sources that have range tombstones.
    covers: Vec<Cover>,
    /// Of each child of the merge, the highest sequence number; empty without covers.
    max_seqs: Vec<SequenceNumber>,
    bounds: Bounds,
    at: SequenceNumber,
    now_micros: u64,
    position: Position,
    /// A key that was passed, or the current one on the way back.
    key: Vec<u8>,
    /// How many entries in a row were covered by a range tombstone.
    covered: u32,
    /// How many of the next entries are seen for sure. Above zero only in [`Position::Merge`].
    plain_ahead: usize,
    /// The child of the merge that the last entry came from, on the way forward.
    last_top: usize,
    /// How many older versions in the newest source were stepped past.
    passed: u64,
    walked: Walked,
    /// Ranges that need not be walked.
    empty: Option<Arc<EmptyRanges>>,
    /// The entries in a row that were not seen.
    stretch: Stretch,
}

/// How far an iterator has walked forward without knowing what comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Steps to entries of the newest source.
    pub in_newest: u64,
    /// Steps from one source to another.
    pub between: u64,
}

enum Position {
    /// On no key.
    Nowhere,
    /// On the current entry of the merge, which walks forward.
    Merge,
    /// On an entry that the merge has passed, walking back; its key is in `VisibleIter::key`.
    Passed(Passed),
}

struct Passed {
    seq: SequenceNumber,
    kind: EntryKind,
    value: Slice,
}

impl<C: EntryCursor> VisibleIter<C> {
    /// An iterator on no key. Newer sources first.
    pub fn new(
        sources: Vec<Source<C>>,
        bounds: Bounds,
        at: SequenceNumber,
        now_micros: u64,
    ) -> Self {
        let max_seqs = match sources.iter().any(|source| source.cover.is_some()) {
            true => sources.iter().map(|source| source.max_seq).collect(),
            false => Vec::new(),
        };
        let mut covers = Vec::new();
        let cursors = sources.into_iter().map(|source| {
            covers.extend(source.cover);
            source.cursor
        });
        Self {
            merge: MergeCursor::new(cursors),
            covers,
            max_seqs,
            bounds,
            at,
            now_micros,
            position: Position::Nowhere,
            key: Vec::new(),
            covered: 0,
            plain_ahead: 0,
            last_top: usize::MAX,
            passed: 0,
            walked: Walked::default(),
            empty: None,
            stretch: Stretch::default(),
        }
    }

    /// Goes around the ranges that are known to be empty, if there are some in the keyspace.
    pub fn around(mut self, empty: &Arc<EmptyRanges>) -> Self {
        self.empty = empty
            .may_concern(&self.bounds.lower)
            .then(|| Arc::clone(empty));
        self
    }

    /// How far it has walked forward without knowing what comes next.
    pub fn walked(&self) -> Walked {
        self.walked
    }

    /// How many older versions of keys were stepped past in the newest source.
    pub fn versions_passed(&self) -> u64 {
        self.passed
    }

    /// What the iterator is confined to.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Whether the iterator is on a key. If not, only seeks may be called.
    #[inline]
    pub fn valid(&self) -> bool {
        !matches!(self.position, Position::Nowhere)
    }

    /// Goes to the first key.
    pub fn seek_to_first(&mut self) -> Result<()> {
        self.seek(&[])
    }

    /// Goes to the last key.
    pub fn seek_to_last(&mut self) -> Result<()> {
        self.leave();
        if self.bounds.upper.is_some() {
            return self.seek_below(Edge::Bound);
        }
        self.merge.seek_to_last()?;
        self.settle_backward(Edge::Here)
    }

    /// Goes to the first key at or after `key`.
    pub fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.leave();
        let is_inside = *key > *self.bounds.lower;
        self.seek_from(if is_inside {
            Edge::Key(key)
        } else {
            Edge::Bound
        })
    }

    /// Goes to the last key below `key`.
    pub fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        self.leave();
        let upper = self.bounds.upper.as_deref();
        let is_inside = upper.is_none_or(|upper| key < upper);
        self.seek_below(if is_inside {
            Edge::Key(key)
        } else {
            Edge::Bound
        })
    }

    /// Goes to the next key.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "it lends, and it can fail")]
    pub fn next(&mut self) -> Result<()> {
        if let Some(rest) = self.plain_ahead.checked_sub(1) {
            self.plain_ahead = rest;
            let step = self.merge.step_in_top();
            if step.is_err() {
                self.leave();
            }
            return step;
        }
        self.next_judged()
    }

    /// Goes past up to `count` of the next keys, as far as it is known that they are seen and that
    /// their values lie in the same place as the current one, and shows each value, until `show`
    /// returns `false`. Returns how many were shown, which may be none; the last one is the
    /// current key then.
    pub fn pass_plain(
        &mut self,
        count: usize,
        show: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<usize> {
        let count = count.min(self.plain_ahead);
        if count == 0 || self.kind().is_reference() {
            return Ok(0);
        }
        match self.merge.pass_plain_in_top(count, show) {
            Ok(passed) => {
                self.plain_ahead -= passed;
                Ok(passed)
            }
            Err(error) => {
                self.leave();
                Err(error)
            }
        }
    }

    /// The next keys, as far as it is known that they are seen and lie together with values that
    /// are not references. They are taken without the iterator moving: [`VisibleIter::pass_run`]
    /// takes it there.
    pub fn plain_run(&self) -> Option<PlainRun> {
        if self.plain_ahead == 0 || self.kind().is_reference() {
            return None;
        }
        self.merge.plain_run_in_top(self.plain_ahead)
    }

    /// Goes past as many keys as were taken from [`VisibleIter::plain_run`], at least one, and
    /// stands on the last of them.
    pub fn pass_run(&mut self, taken: usize) -> Result<()> {
        let passed = self.pass_plain(taken, &mut |_| true)?;
        debug_assert_eq!(passed, taken);
        Ok(())
    }

    /// Goes to the next key, where nothing is known about the next entries.
    fn next_judged(&mut self) -> Result<()> {
        match self.leave() {
            Position::Merge => {
                copy(self.merge.key(), &mut self.key);
                self.merge.next()?;
                self.settle_forward(true, Edge::Here)?;
                self.look_ahead();
                Ok(())
            }
            Position::Passed(_) => {
                self.key.push(0);
                self.merge.seek(&self.key, self.at)?;
                self.settle_forward(false, Edge::Here)
            }
            Position::Nowhere => panic!("the iterator is on no key"),
        }
    }

    /// After two entries in a row from the same source, finds out how many more of it can be given
    /// out as they are.
    fn look_ahead(&mut self) {
        if !self.valid() {
            return;
        }
        let top = self.merge.top();
        let is_same = std::mem::replace(&mut self.last_top, top) == top;
        self.walked.in_newest += u64::from(top == 0);
        self.walked.between += u64::from(!is_same);
        if is_same && self.covers.is_empty() {
            let limit = self.bounds.upper.as_deref();
            self.plain_ahead = self.merge.plain_ahead(limit, self.at);
        }
    }

    /// Forgets where the iterator was.
    fn leave(&mut self) -> Position {
        self.plain_ahead = 0;
        std::mem::replace(&mut self.position, Position::Nowhere)
    }

    /// Goes to the key before.
    pub fn prev(&mut self) -> Result<()> {
        match self.leave() {
            Position::Merge => {
                copy(self.merge.key(), &mut self.key);
                self.merge.seek_before(&self.key)?;
            }
            Position::Passed(_) => {}
            Position::Nowhere => panic!("the iterator is on no key"),
        }
        self.settle_backward(Edge::Here)
    }

    /// The storage key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        match &self.position {
            Position::Passed(_) => &self.key,
            _ => self.merge.key(),
        }
    }

    /// The sequence number of the entry.
    pub fn seq(&self) -> SequenceNumber {
        match &self.position {
            Position::Passed(entry) => entry.seq,
            _ => self.merge.seq(),
        }
    }

    /// The kind of the entry; never a deletion.
    #[inline]
    pub fn kind(&self) -> EntryKind {
        match &self.position {
            Position::Passed(entry) => entry.kind,
            _ => self.merge.kind(),
        }
    }

    /// What the entry holds: the value, or a pointer if it is a reference; in either case behind
    /// the expiry if it expires.
    #[inline]
    pub fn stored(&self) -> &[u8] {
        match &self.position {
            Position::Passed(entry) => &entry.value,
            _ => self.merge.value(),
        }
    }

    /// As [`VisibleIter::stored`], owned without being copied.
    pub fn stored_slice(&self) -> Slice {
        match &self.position {
            Position::Passed(entry) => entry.value.clone(),
            _ => self.merge.value_slice(),
        }
    }

    /// The value, or a pointer if it is a reference.
    #[inline]
    pub fn value(&self) -> &[u8] {
        let skip = if self.kind().expires() {
            EXPIRY_BYTES
        } else {
            0
        };
        &self.stored()[skip..]
    }

    /// As [`VisibleIter::value`], owned without being copied.
    pub fn value_slice(&self) -> Slice {
        let stored = self.stored_slice();
        if self.kind().expires() {
            stored.skip(EXPIRY_BYTES)
        } else {
            stored
        }
    }

    /// Walks on from the current entry of the merge to the first that is seen. With `passing`,
    /// entries of `self.key` do not count. From `edge` to the current entry there is nothing.
    fn settle_forward(&mut self, mut passing: bool, edge: Edge<'_>) -> Result<()> {
        self.stretch.begin();
        let mut steps = 0;
        while self.merge.valid() && self.is_below_upper() {
            if passing && self.merge.key() == self.key {
                steps += 1;
                self.pass_older(steps)?;
                continue;
            }
            if passing {
                (passing, steps) = (false, 0);
            }
            if self.merge.seq() > self.at {
                self.stretch.doubt();
                steps = self.pass_newer(steps)?;
                continue;
            }
            match self.judge_top()? {
                Verdict::Seen => {
                    self.position = Position::Merge;
                    self.end_stretch_forward();
                    return Ok(());
                }
                Verdict::Hidden if self.stretch.is_new() && self.jump_empty(edge)? => {}
                Verdict::Hidden => {
                    self.note_hidden(self.merge.kind());
                    copy(self.merge.key(), &mut self.key);
                    self.merge.next()?;
                    (passing, steps) = (true, 0);
                }
                Verdict::Jumped => {}
            }
        }
        self.end_stretch_forward();
        Ok(())
    }

    fn is_below_upper(&self) -> bool {
        self.bounds
            .upper
            .as_deref()
            .is_none_or(|upper| self.merge.key() < upper)
    }

    /// Leaves an entry of `self.key` behind; the first such call in a row has `steps` one.
    fn pass_older(&mut self, steps: u32) -> Result<()> {
        self.passed += u64::from(self.merge.top() == 0);
        if steps < STEPS_BEFORE_SEEK {
            return self.merge.next();
        }
        // The first key above this one is this one and a zero.
        self.key.push(0);
        let result = self.merge.advance_to(&self.key, self.at);
        self.key.pop();
        result
    }

    /// Leaves an entry above `at` behind. Returns the number of steps past what may be the same
    /// key, to be passed to the next call.
    fn pass_newer(&mut self, steps: u32) -> Result<u32> {
        match steps {
            0 => copy(self.merge.key(), &mut self.key),
            STEPS_BEFORE_SEEK.. => {
                if self.merge.key() == self.key {
                    self.merge.advance_to(&self.key, self.at)?;
                }
                return Ok(0);
            }
            _ => {}
        }
        self.merge.next()?;
        Ok(steps + 1)
    }

    /// Whether the newest entry of its key, on which the merge is, is seen.
    #[inline]
    fn judge_top(&mut self) -> Result<Verdict> {
        if !self.covers.is_empty() {
            let covering = newest_covering(&mut self.covers, self.merge.key())?;
            if let Some(covering) = covering.filter(|c| c.seq > self.merge.seq()) {
                self.covered += 1;
                let source_is_older = self.max_seqs[self.merge.top()] < covering.seq;
                if self.covered < STEPS_BEFORE_SEEK || !source_is_older {
                    return Ok(Verdict::Hidden);
                }
                match &self.bounds.upper {
                    Some(upper) if upper[..] <= *covering.end => self.merge.drop_top(),
                    _ => self.merge.jump_top(covering.end)?,
                }
                return Ok(Verdict::Jumped);
            }
            self.covered = 0;
        }
        let hidden = is_hidden(self.merge.kind(), || self.merge.value(), self.now_micros);
        Ok(if hidden {
            Verdict::Hidden
        } else {
            Verdict::Seen
        })
    }
}

/// What is to be done with an entry.
enum Verdict {
    Seen,
    /// It is not seen, and it was not left behind yet.
    Hidden,
    /// It is not seen, and its source is behind it.
    Jumped,
}

/// Whether an entry says by itself that its key has no value. One that is too short to hold its
/// expiry says nothing better.
#[inline]
fn is_hidden<'a>(kind: EntryKind, stored: impl FnOnce() -> &'a [u8], now_micros: u64) -> bool {
    match kind {
        EntryKind::Put | EntryKind::ValueRef => false,
        EntryKind::Delete => true,
        EntryKind::PutExpiring | EntryKind::ValueRefExpiring => {
            expiry_of(kind, stored()).is_none_or(|expiry| expiry <= now_micros)
        }
    }
}

/// The newest tombstone of all sources over `key`.
fn newest_covering<'a>(covers: &'a mut [Cover], key: &[u8]) -> Result<Option<Covering<'a>>> {
    let mut newest: Option<Covering<'a>> = None;
    for cover in covers {
        if let Some(covering) = cover.covering(key)?
            && newest.is_none_or(|newest| newest.seq < covering.seq)
        {
            newest = Some(covering);
        }
    }
    Ok(newest)
}

fn copy(key: &[u8], to: &mut Vec<u8>) {
    to.clear();
    to.extend_from_slice(key);
}

impl<C> fmt::Debug for VisibleIter<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisibleIter")
            .field("merge", &self.merge)
            .field("bounds", &self.bounds)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
