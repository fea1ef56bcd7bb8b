//! Many sources in one order.
//!
//! The cursors that are on an entry stand in a list, sorted so that the one whose turn it is is
//! the *last*. After it moved it is compared with the one before it; usually it keeps its place,
//! and then nothing else happens. Else its place is found by binary search. With one cursor left
//! there is nothing to compare at all.
//!
//! Comparisons look at the first 16 bytes of the keys as a number, kept beside the cursors, and
//! at the keys themselves only where that does not decide.
//!
//! A merge walks in the direction of its last seek. To turn around, seek: every cursor but one
//! would have to move anyway, and the users of a merge know the key.

use std::cmp::Ordering;
use std::fmt;

use super::cursor::{Cursor, EntryCursor};
use crate::error::Result;
use crate::key::{EntryKind, MAX_SEQUENCE, SequenceNumber};
use crate::slice::Slice;
use crate::table::{Place, PlainRun, SegmentAhead};

/// Several cursors as one, sorted by key ascending, sequence number descending, and for equal
/// ones by the order in which the cursors were given.
pub struct MergeCursor<C = Cursor> {
    children: Vec<Child<C>>,
    /// The children that are on an entry, by number; the one whose turn it is comes last.
    order: Vec<u32>,
    direction: Direction,
}

struct Child<C> {
    cursor: C,
    /// The first bytes of the key. Out of date while this is the only child in `order`, and after
    /// [`MergeCursor::step_in_top`].
    head: u128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

impl<C: EntryCursor> MergeCursor<C> {
    /// A merge on no entry. Where two cursors have the same key and sequence number, that of the
    /// cursor that was given first comes first: give newer sources first.
    pub fn new(cursors: impl IntoIterator<Item = C>) -> Self {
        let child = |cursor| Child { cursor, head: 0 };
        let children: Vec<_> = cursors.into_iter().map(child).collect();
        let order = Vec::with_capacity(children.len());
        Self {
            children,
            order,
            direction: Direction::Forward,
        }
    }

    /// The number of the child that is on the current entry, counted as given to `new`.
    #[inline]
    pub fn top(&self) -> usize {
        *self.order.last().expect("the merge is on an entry") as usize
    }

    /// Moves forward to the first entry at or after `(key, seq)`, from an entry before that:
    /// cheaper than a seek, because children that are there already stay.
    pub fn advance_to(&mut self, key: &[u8], seq: SequenceNumber) -> Result<()> {
        debug_assert_eq!(self.direction, Direction::Forward);
        while self.valid() && (self.key(), seq) < (key, self.seq()) {
            self.move_top(|cursor| cursor.seek(key, seq))?;
        }
        Ok(())
    }

    /// Moves back to the last entry whose key is below `key`.
    pub fn retreat_before(&mut self, key: &[u8]) -> Result<()> {
        debug_assert_eq!(self.direction, Direction::Backward);
        while self.valid() && self.key() >= key {
            self.move_top(|cursor| cursor.seek_before(key))?;
        }
        Ok(())
    }

    /// Moves only the child that is on the current entry: to its first entry whose key is `key`
    /// or above on the way forward, to its last one below on the way back. Whatever it has in
    /// between is left out.
    pub fn jump_top(&mut self, key: &[u8]) -> Result<()> {
        match self.direction {
            Direction::Forward => self.move_top(|cursor| cursor.seek(key, MAX_SEQUENCE)),
            Direction::Backward => self.move_top(|cursor| cursor.seek_before(key)),
        }
    }

    /// How many of the next entries are plain for a reader at `at`, as
    /// [`EntryCursor::plain_ahead`] says, all of the child that is on the current entry, and with
    /// keys of which no other child has an entry.
    pub fn plain_ahead(&self, limit: Option<&[u8]>, at: SequenceNumber) -> usize {
        let limit = self.limit_of_top(limit);
        self.children[self.top()].cursor.plain_ahead(limit, at)
    }

    /// The first key that another child has, or `limit` if that comes first.
    fn limit_of_top<'a>(&'a self, limit: Option<&'a [u8]>) -> Option<&'a [u8]> {
        let second = self.order.len().checked_sub(2).map(|n| self.order[n]);
        let next = second.map(|number| self.children[number as usize].cursor.key());
        match (next, limit) {
            (Some(next), Some(limit)) => Some(next.min(limit)),
            (next, limit) => next.or(limit),
        }
    }

    /// As [`EntryCursor::segment_ahead`], of the child that is on the current entry, as far as no
    /// other child has an entry.
    pub fn segment_ahead(
        &mut self,
        limit: Option<&[u8]>,
        at: SequenceNumber,
    ) -> Option<SegmentAhead> {
        let top = self.top();
        let second = self.order.len().checked_sub(2);
        let Some(second) = second.map(|place| self.order[place] as usize) else {
            return self.children[top].cursor.segment_ahead(limit, at);
        };
        let [top, second] = self.children.get_disjoint_mut([top, second]).ok()?;
        let next = second.cursor.key();
        let limit = limit.map_or(next, |limit| next.min(limit));
        top.cursor.segment_ahead(Some(limit), at)
    }

    /// As [`EntryCursor::pass_to`], of the child that is on the current entry.
    pub fn pass_to_in_top(&mut self, place: Place) -> Result<()> {
        let top = self.top();
        self.children[top].cursor.pass_to(place)
    }

    /// As [`EntryCursor::next`], where the next entry is one of those that
    /// [`MergeCursor::plain_ahead`] counted.
    #[inline]
    pub fn step_in_top(&mut self) -> Result<()> {
        let top = self.top();
        self.children[top].cursor.next()
    }

    /// As [`EntryCursor::pass_plain`], for entries that [`MergeCursor::plain_ahead`] counted.
    pub fn pass_plain_in_top(
        &mut self,
        count: usize,
        show: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<usize> {
        let top = self.top();
        self.children[top].cursor.pass_plain(count, show)
    }

    /// As [`EntryCursor::plain_run`], for entries that [`MergeCursor::plain_ahead`] counted.
    pub fn plain_run_in_top(&self, count: usize) -> Option<PlainRun> {
        self.children[self.top()].cursor.plain_run(count)
    }

    /// Leaves out the rest of the child that is on the current entry, up to the next seek.
    pub fn drop_top(&mut self) {
        self.order.pop();
    }

    /// Moves the child whose turn it is, and gives the turn to whom it belongs then.
    #[inline]
    fn move_top(&mut self, step: impl FnOnce(&mut C) -> Result<()>) -> Result<()> {
        let top = self.top();
        let child = &mut self.children[top];
        if let Err(error) = step(&mut child.cursor) {
            self.order.clear();
            return Err(error);
        }
        if !child.cursor.valid() {
            self.order.pop();
            return Ok(());
        }
        let Some(second) = self.order.len().checked_sub(2) else {
            return Ok(());
        };
        child.head = head_of(child.cursor.key());
        if self.comes_before(self.order[second] as usize, top) {
            self.sink_last();
        }
        Ok(())
    }

    /// Finds the place of the last child in `order`, which is further to the front.
    #[inline(never)]
    fn sink_last(&mut self) {
        let top = self.top();
        let others = &self.order[..self.order.len() - 1];
        let place = others.partition_point(|&other| !self.comes_before(other as usize, top));
        self.order[place..].rotate_right(1);
    }

    /// Whether the entry of `left` comes before that of `right` in the direction of the walk.
    #[inline]
    fn comes_before(&self, left: usize, right: usize) -> bool {
        let (a, b) = (&self.children[left], &self.children[right]);
        let order = a.head.cmp(&b.head).then_with(|| {
            let keys = a.cursor.key().cmp(b.cursor.key());
            keys.then_with(|| b.cursor.seq().cmp(&a.cursor.seq()))
                .then(left.cmp(&right))
        });
        match self.direction {
            Direction::Forward => order == Ordering::Less,
            Direction::Backward => order == Ordering::Greater,
        }
    }

    /// Lets all children come as near to a place as they can without waiting for memory: what one
    /// waits for arrives while others are looked at.
    fn prepare(&mut self, key: &[u8], seq: Option<SequenceNumber>) {
        if self.children.len() == 1 {
            return;
        }
        for child in &mut self.children {
            child.cursor.approach(key);
        }
        for child in &mut self.children {
            child.cursor.prepare(key, seq);
        }
    }

    /// Positions all children and sorts them.
    fn seek_all(
        &mut self,
        direction: Direction,
        mut seek: impl FnMut(&mut C) -> Result<()>,
    ) -> Result<()> {
        self.direction = direction;
        self.order.clear();
        for child in &mut self.children {
            seek(&mut child.cursor)?;
            if child.cursor.valid() {
                child.head = head_of(child.cursor.key());
            }
        }
        for number in 0..self.children.len() {
            if self.children[number].cursor.valid() {
                let place = self
                    .order
                    .partition_point(|&o| !self.comes_before(o as usize, number));
                self.order.insert(place, number as u32);
            }
        }
        Ok(())
    }
}

impl<C: EntryCursor> EntryCursor for MergeCursor<C> {
    #[inline]
    fn valid(&self) -> bool {
        !self.order.is_empty()
    }

    fn seek(&mut self, key: &[u8], seq: SequenceNumber) -> Result<()> {
        self.prepare(key, Some(seq));
        self.seek_all(Direction::Forward, |cursor| cursor.seek(key, seq))
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        self.prepare(key, None);
        self.seek_all(Direction::Backward, |cursor| cursor.seek_before(key))
    }

    fn seek_to_first(&mut self) -> Result<()> {
        self.seek_all(Direction::Forward, |cursor| cursor.seek_to_first())
    }

    fn seek_to_last(&mut self) -> Result<()> {
        self.seek_all(Direction::Backward, |cursor| cursor.seek_to_last())
    }

    /// Goes to the next entry. Panics if the last seek was one for walking back.
    #[inline]
    fn next(&mut self) -> Result<()> {
        assert_eq!(self.direction, Direction::Forward, "seek to turn around");
        self.move_top(|cursor| cursor.next())
    }

    /// Goes to the entry before. Panics if the last seek was one for walking forward.
    #[inline]
    fn prev(&mut self) -> Result<()> {
        assert_eq!(self.direction, Direction::Backward, "seek to turn around");
        self.move_top(|cursor| cursor.prev())
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.children[self.top()].cursor.key()
    }

    #[inline]
    fn seq(&self) -> SequenceNumber {
        self.children[self.top()].cursor.seq()
    }

    #[inline]
    fn kind(&self) -> EntryKind {
        self.children[self.top()].cursor.kind()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.children[self.top()].cursor.value()
    }

    #[inline]
    fn value_slice(&self) -> Slice {
        self.children[self.top()].cursor.value_slice()
    }
}

impl<C> fmt::Debug for MergeCursor<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeCursor")
            .field("children", &self.children.len())
            .field("live", &self.order.len())
            .field("direction", &self.direction)
            .finish_non_exhaustive()
    }
}

/// The first 16 bytes of a key as a number; zeros stand for what a shorter key lacks. Where two
/// heads differ, the keys differ in the same way.
#[inline]
fn head_of(key: &[u8]) -> u128 {
    match key.first_chunk::<16>() {
        Some(bytes) => u128::from_be_bytes(*bytes),
        None => {
            let mut bytes = [0; 16];
            bytes[..key.len()].copy_from_slice(key);
            u128::from_be_bytes(bytes)
        }
    }
}
