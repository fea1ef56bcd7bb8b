//! Columns of stretches of a table, kept from one walk to the next.
//!
//! Rows are stored as rows. Who reads a few columns of many rows spends most of the time on finding
//! them: so the columns that walks ask for are kept, as far as there is memory, for each segment of a
//! file of the table that was walked through before ([`rustdb_txn::SegmentAhead`]). A walk that comes
//! to such a segment takes what passes its tests from the columns, and does not look at the rows.
//!
//! That is an answer to questions that come again over data that changes little. The rows alone
//! count: files do not change, so a segment's columns are right for every walk that sees all of the
//! segment; where there are newer rows the walk reads rows.

use std::sync::Arc;

use rustdb_catalog::Table as Definition;
use rustdb_txn::{Derived, SegmentAhead, Taken, Visitor};
use rustdb_types::{ColumnVector, RowReader, RowTest, Selection};

use crate::table::Table;
use crate::{Error, Result};

/// Whoever wants fewer rows than this at a time gets them from the rows.
pub(crate) const ROWS_MIN: usize = if cfg!(debug_assertions) { 64 } else { 256 };

/// The columns of a segment are made where at least this part of it lies ahead.
const PART_MIN: f64 = 0.25;

/// Rows of a scan on their way into vectors.
pub(crate) struct Filling<'a> {
    pub(crate) table: &'a Table,
    pub(crate) reader: &'a RowReader,
    pub(crate) tests: &'a [RowTest],
    pub(crate) columns: &'a mut [ColumnVector],
    /// Whether many rows are wanted.
    pub(crate) is_long: bool,
    /// How many rows have passed the tests.
    pub(crate) passed: usize,
}

/// Columns of all rows of a segment.
struct SegmentColumns {
    /// The table as those see it for whom the columns were made.
    definition: Arc<Definition>,
    /// Their places in rows.
    columns: Vec<(usize, Arc<ColumnVector>)>,
}

/// What was read of a segment.
struct Made {
    /// How many rows there are before each block, and in all.
    starts: Box<[u32]>,
    columns: Vec<ColumnVector>,
}

impl Visitor<Error> for Filling<'_> {
    #[inline]
    fn value(&mut self, row: &[u8]) -> Result<()> {
        let layout = &self.table.layout;
        let has_passed = self.reader.append(layout, self.tests, row, self.columns)?;
        self.passed += usize::from(has_passed);
        Ok(())
    }

    fn wants_segments(&self) -> bool {
        self.is_long
    }

    fn segment(&mut self, ahead: &SegmentAhead, rows_max: usize) -> Result<Option<Taken>> {
        let Some(derived) = self.columns_of(ahead)? else {
            return Ok(None);
        };
        let rows = ahead.values(&derived);
        let rows = rows.start..rows.end.min(rows.start + rows_max);
        let Some(kept) = derived
            .value::<SegmentColumns>()
            .filter(|_| !rows.is_empty())
        else {
            return Ok(None);
        };
        let values = rows.len();
        let mut selection = Selection::all(rows);
        for test in self.tests {
            let (column, other) = test.columns();
            let other = other.map(|other| kept.column(other)).transpose()?;
            if !selection.is_empty() {
                test.select(kept.column(column)?, other, &mut selection);
            }
        }
        if !selection.is_empty() {
            for (place, out) in self.reader.places().zip(&mut *self.columns) {
                out.append_selected(kept.column(place)?, &selection);
            }
        }
        self.passed += selection.len();
        Ok(Some(Taken { derived, values }))
    }
}

impl Filling<'_> {
    /// The columns of a segment that the scan needs, if they are kept, or should be from now on.
    fn columns_of(&self, ahead: &SegmentAhead) -> Result<Option<Arc<Derived>>> {
        let segment = ahead.segment();
        let derived = segment.derived();
        let kept = derived
            .as_ref()
            .and_then(|derived| derived.value::<SegmentColumns>())
            .filter(|kept| kept.is_of(&self.table.definition));
        let mut missing: Vec<usize> = Vec::new();
        for place in self.wanted() {
            if kept.is_none_or(|kept| kept.find(place).is_none()) && !missing.contains(&place) {
                missing.push(place);
            }
        }
        if missing.is_empty() && kept.is_some() {
            return Ok(derived);
        }
        if !segment.is_worth_keeping() || ahead.part() < PART_MIN {
            return Ok(None);
        }
        let Some(Made {
            starts,
            columns: made,
        }) = self.read(ahead, &missing)?
        else {
            return Ok(None);
        };
        let mut columns = kept.map_or_else(Vec::new, |kept| kept.columns.clone());
        columns.extend(missing.into_iter().zip(made.into_iter().map(Arc::new)));
        let bytes = columns.iter().map(|(_, column)| column_bytes(column)).sum();
        let columns = SegmentColumns {
            definition: Arc::clone(&self.table.definition),
            columns,
        };
        let derived = Derived::new(ahead.keyspace(), starts, Box::new(columns), bytes);
        segment.keep(&derived);
        Ok(Some(derived))
    }

    /// The places of the columns that the scan looks at, some of them twice.
    fn wanted(&self) -> impl Iterator<Item = usize> {
        let tested = self.tests.iter().flat_map(|test| {
            let (column, other) = test.columns();
            std::iter::once(column).chain(other)
        });
        tested.chain(self.reader.places())
    }

    /// Reads columns of all rows of a segment. `None` if that cannot be: a scan that meets the row
    /// that is the reason tells what is wrong with it.
    fn read(&self, ahead: &SegmentAhead, places: &[usize]) -> Result<Option<Made>> {
        let layout = &self.table.layout;
        let reader = RowReader::new(layout, places)?;
        let mut columns = reader.columns(0);
        let mut is_readable = true;
        let starts = ahead.read(&mut |row| {
            is_readable &= reader.append(layout, &[], row, &mut columns).is_ok();
        });
        // A block that cannot be read may be one that the scan does not need.
        let starts = starts.ok().flatten();
        columns.iter_mut().for_each(ColumnVector::shrink);
        Ok(starts
            .filter(|_| is_readable)
            .map(|starts| Made { starts, columns }))
    }
}

impl SegmentColumns {
    /// Whether rows of this table have the columns.
    fn is_of(&self, definition: &Arc<Definition>) -> bool {
        Arc::ptr_eq(&self.definition, definition)
            || self.definition.oid == definition.oid
                && self.definition.columns == definition.columns
    }

    fn find(&self, place: usize) -> Option<&ColumnVector> {
        let column = self.columns.iter().find(|(of, _)| *of == place);
        column.map(|(_, column)| &**column)
    }

    fn column(&self, place: usize) -> Result<&ColumnVector> {
        let column = self.find(place);
        column.ok_or_else(|| Error::internal("the column was not kept"))
    }
}

/// The memory of a column that is kept.
fn column_bytes(column: &ColumnVector) -> usize {
    size_of::<(usize, Arc<ColumnVector>)>() + size_of::<ColumnVector>() + column.bytes()
}
