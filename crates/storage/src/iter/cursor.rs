//! What all sources have in common.

use rustdb_skiplist as skiplist;

use super::run::RunCursor;
use crate::error::Result;
use crate::key::{EntryKind, SequenceNumber};
use crate::memtable::known_kind;
use crate::slice::{INLINE_BYTES_MAX, Slice};
use crate::table::{Place, PlainRun, SegmentAhead, TableCursor};
use crate::version::RunTables;

/// A position among entries in order: on one of them, or on none.
///
/// `next`, `prev` and everything that tells about the entry may be called only on an entry.
pub trait EntryCursor {
    /// Whether the cursor is on an entry.
    fn valid(&self) -> bool;
    /// Asks the processor to load what [`EntryCursor::prepare`] will look at.
    fn approach(&mut self, key: &[u8]) {
        let _ = key;
    }
    /// Goes part of the way that a seek to `(key, seq)` goes, or one before `key` if there is no
    /// `seq`, and asks the processor to load what comes next on it. The next call must be that
    /// seek, or one to an end if it came to nothing, and the call before must be
    /// [`EntryCursor::approach`] with the same key.
    fn prepare(&mut self, key: &[u8], seq: Option<SequenceNumber>) {
        let _ = (key, seq);
    }
    /// Goes to the first entry at or after `(key, seq)`.
    fn seek(&mut self, key: &[u8], seq: SequenceNumber) -> Result<()>;
    /// Goes to the last entry whose key is below `key`.
    fn seek_before(&mut self, key: &[u8]) -> Result<()>;
    /// Goes to the first entry.
    fn seek_to_first(&mut self) -> Result<()>;
    /// Goes to the last entry.
    fn seek_to_last(&mut self) -> Result<()>;
    /// Goes to the next entry.
    fn next(&mut self) -> Result<()>;
    /// Goes to the entry before.
    fn prev(&mut self) -> Result<()>;
    /// The storage key.
    fn key(&self) -> &[u8];
    /// The sequence number.
    fn seq(&self) -> SequenceNumber;
    /// The kind.
    fn kind(&self) -> EntryKind;
    /// What the entry holds, as it was written.
    fn value(&self) -> &[u8];
    /// The same, owned without being copied.
    fn value_slice(&self) -> Slice;
    /// How many of the next entries are known to be *plain* for a reader at `at`: values that do
    /// not expire, not above `at`, each the newest entry of its key in this source, and below
    /// `limit`. Known without a look at each, so it may be fewer than there are.
    fn plain_ahead(&self, limit: Option<&[u8]>, at: SequenceNumber) -> usize {
        let _ = (limit, at);
        0
    }
    /// Passes `count` of the next entries, which [`EntryCursor::plain_ahead`] counted, and shows
    /// the value of each, until `show` returns `false`. Ends on the last entry that was shown;
    /// returns how many those are.
    fn pass_plain(&mut self, count: usize, show: &mut dyn FnMut(&[u8]) -> bool) -> Result<usize> {
        for passed in 1..=count {
            self.next()?;
            if !show(self.value()) {
                return Ok(passed);
            }
        }
        Ok(count)
    }
    /// The first of the next entries, at most `count`, which [`EntryCursor::plain_ahead`] counted,
    /// to be taken from where they lie. `None` if they do not lie together.
    fn plain_run(&self, count: usize) -> Option<PlainRun> {
        let _ = count;
        None
    }
    /// The segment that lies ahead, if all of its entries below `limit` are plain, told once.
    fn segment_ahead(&mut self, limit: Option<&[u8]>, at: SequenceNumber) -> Option<SegmentAhead> {
        let _ = (limit, at);
        None
    }
    /// Goes on to an entry of the segment that [`EntryCursor::segment_ahead`] told about.
    fn pass_to(&mut self, place: Place) -> Result<()> {
        let _ = place;
        Ok(())
    }
}

/// A cursor over any of the sources of the tree.
#[derive(Debug)]
pub enum Cursor {
    /// Over a memtable.
    Memtable(skiplist::Cursor),
    /// Over one table.
    Table(TableCursor),
    /// Over the tables of a run.
    Run(RunCursor<RunTables>),
}

/// Calls a method of whichever cursor it is.
macro_rules! each {
    ($self:ident, $cursor:ident => $call:expr) => {
        match $self {
            Cursor::Memtable($cursor) => $call,
            Cursor::Table($cursor) => $call,
            Cursor::Run($cursor) => $call,
        }
    };
}

impl EntryCursor for Cursor {
    #[inline]
    fn valid(&self) -> bool {
        each!(self, cursor => cursor.valid())
    }

    fn approach(&mut self, key: &[u8]) {
        each!(self, cursor => EntryCursor::approach(cursor, key));
    }

    fn prepare(&mut self, key: &[u8], seq: Option<SequenceNumber>) {
        each!(self, cursor => EntryCursor::prepare(cursor, key, seq));
    }

    fn seek(&mut self, key: &[u8], seq: SequenceNumber) -> Result<()> {
        each!(self, cursor => EntryCursor::seek(cursor, key, seq))
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        each!(self, cursor => EntryCursor::seek_before(cursor, key))
    }

    fn seek_to_first(&mut self) -> Result<()> {
        each!(self, cursor => EntryCursor::seek_to_first(cursor))
    }

    fn seek_to_last(&mut self) -> Result<()> {
        each!(self, cursor => EntryCursor::seek_to_last(cursor))
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        each!(self, cursor => EntryCursor::next(cursor))
    }

    #[inline]
    fn prev(&mut self) -> Result<()> {
        each!(self, cursor => EntryCursor::prev(cursor))
    }

    #[inline]
    fn key(&self) -> &[u8] {
        each!(self, cursor => cursor.key())
    }

    #[inline]
    fn seq(&self) -> SequenceNumber {
        each!(self, cursor => cursor.seq())
    }

    #[inline]
    fn kind(&self) -> EntryKind {
        each!(self, cursor => EntryCursor::kind(cursor))
    }

    #[inline]
    fn value(&self) -> &[u8] {
        each!(self, cursor => cursor.value())
    }

    #[inline]
    fn value_slice(&self) -> Slice {
        each!(self, cursor => EntryCursor::value_slice(cursor))
    }

    fn plain_ahead(&self, limit: Option<&[u8]>, at: SequenceNumber) -> usize {
        each!(self, cursor => EntryCursor::plain_ahead(cursor, limit, at))
    }

    fn pass_plain(&mut self, count: usize, show: &mut dyn FnMut(&[u8]) -> bool) -> Result<usize> {
        each!(self, cursor => EntryCursor::pass_plain(cursor, count, show))
    }

    fn plain_run(&self, count: usize) -> Option<PlainRun> {
        each!(self, cursor => EntryCursor::plain_run(cursor, count))
    }

    fn segment_ahead(&mut self, limit: Option<&[u8]>, at: SequenceNumber) -> Option<SegmentAhead> {
        each!(self, cursor => EntryCursor::segment_ahead(cursor, limit, at))
    }

    fn pass_to(&mut self, place: Place) -> Result<()> {
        each!(self, cursor => EntryCursor::pass_to(cursor, place))
    }
}

impl EntryCursor for skiplist::Cursor {
    #[inline]
    fn valid(&self) -> bool {
        self.valid()
    }

    fn prepare(&mut self, key: &[u8], seq: Option<SequenceNumber>) {
        match seq {
            Some(seq) => self.prepare(key, seq),
            None => self.prepare_before(key),
        }
    }

    fn seek(&mut self, key: &[u8], seq: SequenceNumber) -> Result<()> {
        self.seek(key, seq);
        Ok(())
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        self.seek_before(key);
        Ok(())
    }

    fn seek_to_first(&mut self) -> Result<()> {
        self.seek_to_first();
        Ok(())
    }

    fn seek_to_last(&mut self) -> Result<()> {
        self.seek_to_last();
        Ok(())
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        self.next();
        Ok(())
    }

    #[inline]
    fn prev(&mut self) -> Result<()> {
        self.prev();
        Ok(())
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.key()
    }

    #[inline]
    fn seq(&self) -> SequenceNumber {
        self.seq()
    }

    #[inline]
    fn kind(&self) -> EntryKind {
        known_kind(self.kind())
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.value()
    }

    #[inline]
    fn value_slice(&self) -> Slice {
        if self.value().len() <= INLINE_BYTES_MAX {
            return Slice::copy_from(self.value());
        }
        self.pin_value().into()
    }
}

impl EntryCursor for TableCursor {
    #[inline]
    fn valid(&self) -> bool {
        self.valid()
    }

    fn approach(&mut self, key: &[u8]) {
        self.table().prefetch_index(key);
    }

    fn prepare(&mut self, key: &[u8], _: Option<SequenceNumber>) {
        self.table().prefetch(key);
    }

    fn seek(&mut self, key: &[u8], seq: SequenceNumber) -> Result<()> {
        self.seek(key, seq)
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        self.seek_before(key)
    }

    fn seek_to_first(&mut self) -> Result<()> {
        self.seek_to_first()
    }

    fn seek_to_last(&mut self) -> Result<()> {
        self.seek_to_last()
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        self.next()
    }

    #[inline]
    fn prev(&mut self) -> Result<()> {
        self.prev()
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.key()
    }

    #[inline]
    fn seq(&self) -> SequenceNumber {
        self.seq()
    }

    #[inline]
    fn kind(&self) -> EntryKind {
        self.kind()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.value()
    }

    #[inline]
    fn value_slice(&self) -> Slice {
        self.pin_value()
    }

    fn plain_ahead(&self, limit: Option<&[u8]>, at: SequenceNumber) -> usize {
        self.plain_ahead(limit, at)
    }

    fn pass_plain(&mut self, count: usize, show: &mut dyn FnMut(&[u8]) -> bool) -> Result<usize> {
        Ok(self.pass_plain(count, show))
    }

    fn plain_run(&self, count: usize) -> Option<PlainRun> {
        Some(self.plain_run(count))
    }

    fn segment_ahead(&mut self, limit: Option<&[u8]>, at: SequenceNumber) -> Option<SegmentAhead> {
        self.segment_ahead(limit, at)
    }

    fn pass_to(&mut self, place: Place) -> Result<()> {
        self.pass_to(place)
    }
}
