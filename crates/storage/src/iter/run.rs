//! Tables that follow each other, as one source.

use std::fmt;

use super::cursor::EntryCursor;
use crate::error::Result;
use crate::key::{EntryKind, SequenceNumber};
use crate::slice::Slice;
use crate::table::{Place, PlainRun, SegmentAhead};

/// Tables in key order that do not overlap: a key is in at most one of them, with all its
/// entries.
pub trait Tables {
    /// What walks one table.
    type Cursor: EntryCursor;

    /// How many tables there are.
    fn count(&self) -> usize;
    /// The number of the first table that may hold a key at or after `key`; `count` if there is
    /// none.
    fn first_not_before(&self, key: &[u8]) -> usize;
    /// Asks the processor to load what [`Tables::prepare`] will look at in a table, if it is open.
    fn approach(&self, table: usize, key: &[u8]) {
        let _ = (table, key);
    }
    /// Asks the processor to load what a seek to `key` will look at in a table, if it is open.
    fn prepare(&self, table: usize, key: &[u8]) {
        let _ = (table, key);
    }
    /// Whether the table may hold a key below `key`.
    fn begins_before(&self, table: usize, key: &[u8]) -> bool;
    /// A cursor over a table, for a walk that comes from the one beside it or for a seek. This may
    /// open its file.
    fn open(&self, table: usize, walked_in: bool) -> Result<Self::Cursor>;
}

/// Walks tables one after the other, each opened when the walk gets there. The last one stays
/// open, so a seek within it costs no more than one in a table.
pub struct RunCursor<T: Tables> {
    tables: T,
    /// The table last opened, by number.
    open: Option<(usize, T::Cursor)>,
    /// What [`Tables::first_not_before`] says of the key that is sought next.
    prepared: Option<usize>,
}

impl<T: Tables> RunCursor<T> {
    /// A cursor on no entry.
    pub fn new(tables: T) -> Self {
        Self {
            tables,
            open: None,
            prepared: None,
        }
    }

    /// The cursor of a table.
    fn enter(&mut self, table: usize) -> Result<&mut T::Cursor> {
        self.enter_from(table, false)
    }

    fn enter_from(&mut self, table: usize, walked_in: bool) -> Result<&mut T::Cursor> {
        let is_open = self.open.as_ref().is_some_and(|(open, _)| *open == table);
        if !is_open {
            self.open = None;
            self.open = Some((table, self.tables.open(table, walked_in)?));
        }
        let (_, cursor) = self.open.as_mut().expect("opened just now");
        Ok(cursor)
    }

    /// If the cursor ran off the end of its table, goes to the first entry of a later one.
    fn skip_forward(&mut self) -> Result<()> {
        while let Some((table, cursor)) = &self.open
            && !cursor.valid()
        {
            let next = table + 1;
            if next == self.tables.count() {
                break;
            }
            self.enter_from(next, true)?.seek_to_first()?;
        }
        Ok(())
    }

    /// If the cursor ran off the beginning of its table, goes to the last entry of an earlier one.
    fn skip_backward(&mut self) -> Result<()> {
        while let Some((table, cursor)) = &self.open
            && !cursor.valid()
        {
            let Some(before) = table.checked_sub(1) else {
                break;
            };
            self.enter_from(before, true)?.seek_to_last()?;
        }
        Ok(())
    }

    /// The number of the first table that may hold a key at or after `key`.
    fn take_table(&mut self, key: &[u8]) -> usize {
        let prepared = self.prepared.take();
        prepared.unwrap_or_else(|| self.tables.first_not_before(key))
    }

    fn current(&self) -> &T::Cursor {
        let (_, cursor) = self.open.as_ref().expect("the cursor is on an entry");
        cursor
    }

    fn current_mut(&mut self) -> &mut T::Cursor {
        let (_, cursor) = self.open.as_mut().expect("the cursor is on an entry");
        cursor
    }
}

impl<T: Tables> EntryCursor for RunCursor<T> {
    #[inline]
    fn valid(&self) -> bool {
        self.open.as_ref().is_some_and(|(_, cursor)| cursor.valid())
    }

    fn approach(&mut self, key: &[u8]) {
        let table = self.tables.first_not_before(key);
        if table < self.tables.count() {
            self.tables.approach(table, key);
        }
        self.prepared = Some(table);
    }

    fn prepare(&mut self, key: &[u8], _: Option<SequenceNumber>) {
        if let Some(table) = self.prepared
            && table < self.tables.count()
        {
            self.tables.prepare(table, key);
        }
    }

    fn seek(&mut self, key: &[u8], seq: SequenceNumber) -> Result<()> {
        let table = self.take_table(key);
        if table == self.tables.count() {
            self.open = None;
            return Ok(());
        }
        self.enter(table)?.seek(key, seq)?;
        self.skip_forward()
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        let table = self.take_table(key);
        if table < self.tables.count() && self.tables.begins_before(table, key) {
            self.enter(table)?.seek_before(key)?;
        } else if let Some(before) = table.checked_sub(1) {
            self.enter(before)?.seek_to_last()?;
        } else {
            self.open = None;
        }
        self.skip_backward()
    }

    fn seek_to_first(&mut self) -> Result<()> {
        self.prepared = None;
        if self.tables.count() > 0 {
            self.enter(0)?.seek_to_first()?;
        }
        self.skip_forward()
    }

    fn seek_to_last(&mut self) -> Result<()> {
        self.prepared = None;
        if let Some(last) = self.tables.count().checked_sub(1) {
            self.enter(last)?.seek_to_last()?;
        }
        self.skip_backward()
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        let cursor = self.current_mut();
        cursor.next()?;
        if cursor.valid() {
            Ok(())
        } else {
            self.skip_forward()
        }
    }

    #[inline]
    fn prev(&mut self) -> Result<()> {
        let cursor = self.current_mut();
        cursor.prev()?;
        if cursor.valid() {
            Ok(())
        } else {
            self.skip_backward()
        }
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.current().key()
    }

    #[inline]
    fn seq(&self) -> SequenceNumber {
        self.current().seq()
    }

    #[inline]
    fn kind(&self) -> EntryKind {
        self.current().kind()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.current().value()
    }

    #[inline]
    fn value_slice(&self) -> Slice {
        self.current().value_slice()
    }

    fn plain_ahead(&self, limit: Option<&[u8]>, at: SequenceNumber) -> usize {
        self.current().plain_ahead(limit, at)
    }

    fn pass_plain(&mut self, count: usize, show: &mut dyn FnMut(&[u8]) -> bool) -> Result<usize> {
        self.current_mut().pass_plain(count, show)
    }

    fn plain_run(&self, count: usize) -> Option<PlainRun> {
        self.current().plain_run(count)
    }

    fn segment_ahead(&mut self, limit: Option<&[u8]>, at: SequenceNumber) -> Option<SegmentAhead> {
        self.current_mut().segment_ahead(limit, at)
    }

    fn pass_to(&mut self, place: Place) -> Result<()> {
        self.current_mut().pass_to(place)
    }
}

impl<T: Tables> fmt::Debug for RunCursor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.open.as_ref().map(|(table, _)| table);
        f.debug_struct("RunCursor")
            .field("table", &table)
            .finish_non_exhaustive()
    }
}
