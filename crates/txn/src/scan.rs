//! Iteration over what a transaction sees: its own writes over its snapshot, from either end.
//!
//! A [`Scan`] is a cursor, not a borrow: each step is given the transaction, so the transaction
//! may write between steps. A scan sees writes made ahead of it, and is not confused by writes
//! behind it.
//!
//! What is left of the range is `[from, to)`; a step from the front raises `from`, a step from
//! the back lowers `to`. Each end has its own iterator over the snapshot, one element ahead. The
//! transaction's own next key is looked up when the write set has changed since the last look.
//!
//! A step that passes over many deletions of the transaction remembers the stretch as a hole, so
//! that no later step walks over them again.

use std::ops::Bound;

use crate::manager::KeyspaceRef;
use crate::ranges::{is_before, successor};
use crate::reads::Span;
use crate::transaction::Transaction;
use crate::visitor::{OneByOne, Visitor};
use crate::write_set::{Write, WriteSet, owned_end};
use crate::{Error, Result};
use rustdb_storage::engine::{Bounds, Entries, ReadAt, Snapshot};
use rustdb_storage::slice::Slice;

mod side;

use side::{Choice, Side};

/// Own deletions that a step passes before it remembers a hole.
pub(crate) const HOLE_SKIPS: usize = 8;

/// A key and its value.
pub type Entry = (Slice, Slice);

/// A range of keys: from `start` on and, if there is an `end`, below it.
#[derive(Clone, Debug, Default, Eq)]
pub struct KeyRange {
    /// The first key that is inside.
    pub start: Vec<u8>,
    /// The first key that is not inside any more.
    pub end: Option<Vec<u8>>,
}

impl PartialEq for KeyRange {
    fn eq(&self, other: &Self) -> bool {
        // Vectors of nothing have no address, and comparing no bytes where nothing is takes as long as
        // a read from memory.
        let is_same = |left: &[u8], right: &[u8]| {
            left.len() == right.len() && (left.is_empty() || left == right)
        };
        let ends = match (&self.end, &other.end) {
            (Some(left), Some(right)) => is_same(left, right),
            (left, right) => left.is_none() && right.is_none(),
        };
        ends && is_same(&self.start, &other.start)
    }
}

/// A walk through a range of a transaction's view. See the module's documentation.
#[derive(Debug)]
pub struct Scan {
    keyspace: KeyspaceRef,
    from: Vec<u8>,
    to: Option<Vec<u8>>,
    // NB: in boxes, because a step takes its side out and puts it back, and a side is large.
    front: Option<Box<Side>>,
    back: Option<Box<Side>>,
    /// What is read instead of the transaction's snapshot.
    at: Option<Snapshot>,
    /// Tells a serializable transaction how far the scan has read.
    span: Option<Span>,
    /// Whether a step from the back has lowered the end of the range.
    has_retreated: bool,
    is_done: bool,
}

/// Which end of a range a step is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the first key on.
    Forward,
    /// From the last key back.
    Backward,
}

impl KeyRange {
    /// Every key.
    pub fn all() -> Self {
        Self::default()
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        while end.last() == Some(&u8::MAX) {
            end.pop();
        }
        let end = end
            .split_last()
            .map(|(last, rest)| [rest, &[last + 1]].concat());
        Self {
            start: prefix.to_vec(),
            end,
        }
    }

    /// The keys within bounds.
    pub fn bounds(lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Self {
        let start = match lower {
            Bound::Unbounded => Vec::new(),
            Bound::Included(key) => key.to_vec(),
            Bound::Excluded(key) => successor(key).into(),
        };
        let end = match upper {
            Bound::Unbounded => None,
            Bound::Included(key) => Some(successor(key).into()),
            Bound::Excluded(key) => Some(key.to_vec()),
        };
        Self { start, end }
    }
}

impl Scan {
    pub(crate) fn new(keyspace: KeyspaceRef, range: KeyRange, span: Option<Span>) -> Self {
        let is_done = !is_before(&range.start, range.end.as_deref());
        Self {
            keyspace,
            from: range.start,
            to: range.end,
            front: None,
            back: None,
            at: None,
            span,
            has_retreated: false,
            is_done,
        }
    }

    /// The same walk through another snapshot than the transaction's.
    pub(crate) fn at(mut self, snapshot: Snapshot) -> Self {
        self.at = Some(snapshot);
        self
    }

    /// The first entry not yet seen, in ascending order.
    #[inline]
    pub fn next(&mut self, transaction: &Transaction) -> Result<Option<Entry>> {
        if self.has_ready(transaction) {
            return Ok(self.take_ready());
        }
        Ok(self
            .step(transaction, Direction::Forward)?
            .map(|(entry, _)| entry))
    }

    /// The last entry not yet seen.
    pub fn next_back(&mut self, transaction: &Transaction) -> Result<Option<Entry>> {
        Ok(self
            .step(transaction, Direction::Backward)?
            .map(|(entry, _)| entry))
    }

    /// Shows the values of the next entries, at most `entries_max`, in ascending order; returns how
    /// many there were, fewer only at the end. What is shown is not copied, which is many times as
    /// fast as [`Scan::next`] where the transaction has written nothing in what is left of the range.
    /// After an error of `visit` the scan is of no use any more.
    pub fn visit<E: From<Error>>(
        &mut self,
        transaction: &Transaction,
        entries_max: usize,
        visit: impl FnMut(&[u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<usize, E> {
        self.visit_with(transaction, entries_max, &mut OneByOne(visit))
    }

    /// The same, for a visitor that may keep what it makes of the values of a table's segment. It is
    /// told about segments of which a good part lies ahead.
    pub fn visit_with<E: From<Error>, V: Visitor<E>>(
        &mut self,
        transaction: &Transaction,
        entries_max: usize,
        visitor: &mut V,
    ) -> std::result::Result<usize, E> {
        if self.back.is_some() || !self.is_clear_ahead(transaction)? {
            for entries in 0..entries_max {
                match self.next(transaction)? {
                    Some((key, value)) => visitor.entry(&key, &value)?,
                    None => return Ok(entries),
                }
            }
            return Ok(entries_max);
        }
        if self.is_done || entries_max == 0 {
            return Ok(0);
        }
        let mut side = self.take_side(transaction, Direction::Forward)?;
        let entries = side.visit(entries_max, visitor)?;
        match side.is_exhausted {
            true => self.is_done = true,
            false => {
                let iterator = side.entries.iterator().map_err(Error::from)?;
                self.pass(iterator.key(), Direction::Forward);
            }
        }
        self.note_progress(Direction::Forward);
        self.front = Some(side);
        Ok(entries)
    }

    /// Whether the transaction has written nothing in what is left of the range.
    fn is_clear_ahead(&self, transaction: &Transaction) -> Result<bool> {
        let (writes, keyspace) = (transaction.writes(), self.keyspace.id);
        if !writes.touches(keyspace) {
            return Ok(true);
        }
        if self.at.is_some() || writes.hides_beyond(keyspace, &self.from) {
            return Ok(false);
        }
        let own = writes.next_key(keyspace, &self.from, self.to.as_deref())?;
        Ok(own.is_none())
    }

    /// Whether the snapshot's next entry is known to be the next of all, unless the other end has come
    /// this far, and can be taken as it is.
    #[inline]
    fn has_ready(&self, transaction: &Transaction) -> bool {
        let Some(side) = self.front.as_deref() else {
            return false;
        };
        if self.is_done || !side.entries.has_ready() {
            return false;
        }
        self.is_alone(side, &transaction.writes())
    }

    /// Whether the transaction is known to have neither written nor hidden anything in what is left of
    /// the range, from what one end knows.
    #[inline]
    fn is_alone(&self, side: &Side, writes: &WriteSet) -> bool {
        let keyspace = self.keyspace.id;
        let is_alone = match &side.own {
            Some((version, None)) if *version == writes.version() => match &self.back {
                None => !writes.hides_beyond(keyspace, &self.from),
                Some(_) => !writes.hides_any(keyspace, &self.from, self.to.as_deref()),
            },
            _ => false,
        };
        is_alone || !writes.touches(keyspace)
    }

    /// The entry that [`Scan::has_ready`] told about.
    fn take_ready(&mut self) -> Option<Entry> {
        let entry = self.front.as_mut()?.entries.take_ready();
        if self.has_retreated && !is_before(&entry.0, self.to.as_deref()) {
            self.is_done = true;
            self.note_progress(Direction::Forward);
            return None;
        }
        self.pass(&entry.0, Direction::Forward);
        self.note_progress(Direction::Forward);
        Some(entry)
    }

    /// As `next` or `next_back`, and whether the snapshot has the key.
    pub(crate) fn next_with_origin(
        &mut self,
        transaction: &Transaction,
        direction: Direction,
    ) -> Result<Option<(Entry, Option<bool>)>> {
        if direction == Direction::Forward && self.has_ready(transaction) {
            return Ok(self.take_ready().map(|entry| (entry, Some(true))));
        }
        self.step(transaction, direction)
    }

    /// Whether the transaction has neither written nor hidden anything in what is left of the range.
    pub(crate) fn is_rest_untouched(&self, transaction: &Transaction) -> Result<bool> {
        let (writes, keyspace) = (transaction.writes(), self.keyspace.id);
        let (from, to) = (self.from.as_slice(), self.to.as_deref());
        if self.at.is_some() || writes.hides_any(keyspace, from, to) {
            return Ok(false);
        }
        Ok(writes.next_key(keyspace, from, to)?.is_none())
    }

    /// The snapshot's next entry, in a rest of the range that is untouched.
    pub(crate) fn next_untouched(
        &mut self,
        transaction: &Transaction,
        direction: Direction,
    ) -> Result<Option<Entry>> {
        if self.is_done {
            return Ok(None);
        }
        let ready = self
            .front
            .as_ref()
            .filter(|front| front.entries.has_ready());
        if direction == Direction::Forward && ready.is_some() {
            return Ok(self.take_ready());
        }
        let mut side = self.take_side(transaction, direction)?;
        let iterator = side.entries.iterator()?;
        if !side.is_pending && !side.is_exhausted {
            side.is_pending = match direction {
                Direction::Forward => iterator.advance()?,
                Direction::Backward => iterator.retreat()?,
            };
        }
        // The other end may have come this far.
        side.is_exhausted = !side.is_pending || self.has_passed(iterator.key());
        let found = match side.is_exhausted {
            true => None,
            false => Some(side.take_snapshot(direction)?),
        };
        self.end_step(side, found.as_ref().map(|(key, _)| &**key), direction);
        Ok(found)
    }

    /// Tells that the last write was of a key that was passed, so that it changes nothing ahead.
    pub(crate) fn acknowledge(&mut self, before: u64, now: u64) {
        for side in [&mut self.front, &mut self.back].into_iter().flatten() {
            if let Some((version, _)) = &mut side.own
                && *version == before
            {
                *version = now;
            }
        }
    }

    /// What is left of the range.
    pub(crate) fn rest(&self) -> (&[u8], Option<&[u8]>) {
        (&self.from, self.to.as_deref())
    }

    /// Whether `key` is in the part of the range that was passed already.
    pub(crate) fn has_passed(&self, key: &[u8]) -> bool {
        self.is_done || key < self.from.as_slice() || !is_before(key, self.to.as_deref())
    }

    fn step(
        &mut self,
        transaction: &Transaction,
        direction: Direction,
    ) -> Result<Option<(Entry, Option<bool>)>> {
        if self.is_done {
            return Ok(None);
        }
        let side = match direction {
            Direction::Forward => &self.front,
            Direction::Backward => &self.back,
        };
        if side
            .as_ref()
            .is_some_and(|side| self.is_alone(side, &transaction.writes()))
        {
            let found = self.next_untouched(transaction, direction)?;
            return Ok(found.map(|entry| (entry, Some(true))));
        }
        let mut gap = None;
        let mut side = self.take_side(transaction, direction)?;
        let mut skipped = 0;
        let found = loop {
            self.fill(&mut side, transaction, direction)?;
            match self.choose(&mut side, transaction, direction)? {
                Choice::End => break None,
                Choice::Emit(entry, existed) => break Some((entry, existed)),
                Choice::Skip(key) => {
                    if skipped == 0 {
                        gap = self.edge(direction);
                    }
                    skipped += 1;
                    self.pass(&key, direction);
                }
            }
        };
        // Holes are about the transaction's snapshot.
        if skipped >= HOLE_SKIPS && self.at.is_none() {
            self.remember_hole(transaction, direction, gap, found.as_ref().map(|f| &*f.0.0));
        }
        self.end_step(side, found.as_ref().map(|((key, _), _)| &**key), direction);
        Ok(found)
    }

    /// Puts the iterator of one end back behind the key that was found.
    fn end_step(&mut self, side: Box<Side>, found: Option<&[u8]>, direction: Direction) {
        match found {
            Some(key) => self.pass(key, direction),
            None => self.is_done = true,
        }
        self.note_progress(direction);
        match direction {
            Direction::Forward => self.front = Some(side),
            Direction::Backward => self.back = Some(side),
        }
    }

    /// The iterator of one end, made at the first step from there.
    fn take_side(&mut self, transaction: &Transaction, direction: Direction) -> Result<Box<Side>> {
        let side = match direction {
            Direction::Forward => self.front.take(),
            Direction::Backward => self.back.take(),
        };
        if let Some(side) = side {
            return Ok(side);
        }
        let bounds = Bounds {
            lower: Bound::Included(self.from.clone()),
            upper: self.to.clone().map_or(Bound::Unbounded, Bound::Excluded),
        };
        let snapshot = self.at.as_ref().unwrap_or(transaction.snapshot());
        let at = ReadAt::Snapshot(snapshot);
        let iterator = transaction.engine().iter(self.keyspace.id, &bounds, at)?;
        Ok(Box::new(Side {
            entries: Entries::new(iterator),
            is_pending: false,
            is_exhausted: false,
            own: None,
        }))
    }

    /// Steps to the snapshot's next entry that the transaction has not hidden as part of a range,
    /// and finds the transaction's own next key.
    fn fill(&self, side: &mut Side, transaction: &Transaction, direction: Direction) -> Result<()> {
        let writes = transaction.writes();
        let keyspace = self.keyspace.id;
        let is_touched = writes.touches(keyspace);
        let iterator = side.entries.iterator()?;
        while !side.is_exhausted {
            if !side.is_pending {
                side.is_pending = match direction {
                    Direction::Forward => iterator.advance()?,
                    Direction::Backward => iterator.retreat()?,
                };
            }
            // The other end may have come this far.
            if !side.is_pending || self.has_passed(iterator.key()) {
                side.is_exhausted = true;
                break;
            }
            let hidden = match is_touched {
                true if self.at.is_some() => writes.deleted_range(keyspace, iterator.key()),
                true => writes.hidden_range(keyspace, iterator.key()),
                false => None,
            };
            let Some((start, end)) = hidden else {
                break;
            };
            match (direction, end) {
                (Direction::Forward, Some(end)) => iterator.seek(end),
                (Direction::Forward, None) => side.is_exhausted = true,
                (Direction::Backward, _) => iterator.seek(start),
            }
            side.is_pending = false;
        }
        if side
            .own
            .as_ref()
            .is_none_or(|(version, _)| *version != writes.version())
        {
            let (from, to) = (self.from.as_slice(), self.to.as_deref());
            let own = match (direction, self.at.is_some()) {
                (Direction::Forward, false) => writes.next_key(keyspace, from, to)?,
                (Direction::Backward, false) => writes.previous_key(keyspace, from, to)?,
                (Direction::Forward, true) => writes.next_written(keyspace, from, to)?,
                (Direction::Backward, true) => writes.previous_written(keyspace, from, to)?,
            };
            side.own = Some((writes.version(), own));
        }
        Ok(())
    }

    /// Decides between the two candidates.
    fn choose(
        &self,
        side: &mut Side,
        transaction: &Transaction,
        direction: Direction,
    ) -> Result<Choice> {
        let has_entry = side.is_pending && !side.is_exhausted;
        let own = side.own.as_ref().and_then(|(_, key)| key.as_deref());
        // The other end may have come this far.
        let Some(own) = own.filter(|key| !self.has_passed(key)) else {
            return if has_entry {
                side.take_entry(direction)
            } else {
                Ok(Choice::End)
            };
        };
        if has_entry {
            let key = side.entries.iterator()?.key();
            let is_first = match direction {
                Direction::Forward => key < own,
                Direction::Backward => key > own,
            };
            let is_same = key == own;
            if is_first {
                return side.take_entry(direction);
            }
            // The transaction's own write replaces what the snapshot has.
            side.is_pending = !is_same;
        }
        let own = Box::<[u8]>::from(own);
        side.own = None;
        let write = transaction.writes().find(self.keyspace.id, &own)?;
        let value = write
            .as_ref()
            .and_then(|write| write.visible(|| transaction.now()))
            .cloned();
        Ok(match value {
            Some(value) => {
                let existed = write.and_then(|write: Write| write.existed);
                Choice::Emit((Slice::copy_from(&own), value), existed)
            }
            None => Choice::Skip(own),
        })
    }

    /// Where the next step in this direction begins.
    fn edge(&self, direction: Direction) -> Option<Vec<u8>> {
        match direction {
            Direction::Forward => Some(self.from.clone()),
            Direction::Backward => self.to.clone(),
        }
    }

    /// Takes `key`, and what is before it in this direction, out of what is left.
    fn pass(&mut self, key: &[u8], direction: Direction) {
        match direction {
            Direction::Forward => {
                self.from.clear();
                self.from.extend_from_slice(key);
                self.from.push(0);
            }
            Direction::Backward => {
                self.has_retreated = true;
                let to = self.to.get_or_insert_default();
                to.clear();
                to.extend_from_slice(key);
            }
        }
    }

    /// Notes that there is nothing between where the step began and what it found.
    fn remember_hole(
        &self,
        transaction: &Transaction,
        direction: Direction,
        gap: Option<Vec<u8>>,
        found: Option<&[u8]>,
    ) {
        match direction {
            Direction::Forward => {
                let end = found.or(self.to.as_deref());
                transaction.add_hole(self.keyspace.id, &gap.unwrap_or_default(), end);
            }
            Direction::Backward => {
                let start = found.map_or_else(|| self.from.as_slice().into(), successor);
                transaction.add_hole(
                    self.keyspace.id,
                    &start,
                    owned_end(gap.as_deref()).as_deref(),
                );
            }
        }
    }

    fn note_progress(&self, direction: Direction) {
        let Some(span) = &self.span else {
            return;
        };
        match (self.is_done, direction, &self.to) {
            (true, _, _) => span.cover_all(),
            (false, Direction::Forward, _) => span.cover_front(&self.from),
            (false, Direction::Backward, Some(to)) => span.cover_back(to),
            (false, Direction::Backward, None) => {}
        }
    }
}

/// Refuses what no range may be.
pub(crate) fn check_range(range: &KeyRange) -> Result<()> {
    let longest = rustdb_storage::key::KEY_BYTES_MAX;
    let is_long = range.start.len() > longest + 1
        || range
            .end
            .as_ref()
            .is_some_and(|end| end.len() > longest + 1);
    if is_long {
        return Err(Error::InvalidArgument(
            "an end of the range is longer than a key can be".into(),
        ));
    }
    Ok(())
}
