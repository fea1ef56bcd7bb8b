//! Rows on their way through a plan: some hundreds at a time, column by column.
//!
//! A scan gives plain numbers and texts ([`ColumnVector`]). What knows how to goes over those;
//! everything else asks for [`Value`]s, which a column makes of all its rows at once.

use rustdb_types::{ColumnVector, Value};

use super::join_table::NONE;
use crate::row_set::RowBlock;

/// How many rows a batch has, unless there are fewer.
pub(crate) const BATCH_ROWS: usize = 1024;

/// Some rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    columns: Vec<ColumnVector>,
    rows: usize,
}

/// A row at hand, wherever it lies.
pub(crate) trait Row {
    /// The value at a place.
    fn value(&self, place: usize) -> &Value;
}

/// A row of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchRow<'a> {
    batch: &'a Batch,
    row: usize,
}

impl Batch {
    /// No rows of so many columns.
    pub(crate) fn new(columns: usize) -> Batch {
        Batch {
            columns: (0..columns).map(|_| ColumnVector::default()).collect(),
            rows: 0,
        }
    }

    /// Rows whose columns are given. A batch without columns still has rows.
    pub(crate) fn of(columns: Vec<ColumnVector>, rows: usize) -> Batch {
        debug_assert!(columns.iter().all(|column| column.len() == rows));
        Batch { columns, rows }
    }

    /// The same, of values.
    pub(crate) fn of_values(columns: Vec<Vec<Value>>, rows: usize) -> Batch {
        Batch::of(columns.into_iter().map(ColumnVector::from).collect(), rows)
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns there are.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// About how much memory the rows take as values: what they are for those who keep rows.
    pub(crate) fn bytes(&self) -> usize {
        self.columns.iter().map(ColumnVector::bytes_as_values).sum()
    }

    /// About how much memory the columns take as they are. Only for who asks for no values of them.
    pub(crate) fn column_bytes(&self) -> usize {
        self.columns.iter().map(ColumnVector::bytes).sum()
    }

    /// Makes values of the columns at these places: they are going to be asked for row by row.
    pub(crate) fn spread(&mut self, places: &[usize]) {
        for place in places {
            self.columns[*place].spread();
        }
    }

    /// Gives columns of values the form of their type, except those at some places.
    pub(crate) fn condense(&mut self, except: &[usize]) {
        let columns = self.columns.iter_mut().enumerate();
        for (_, column) in columns.filter(|(place, _)| !except.contains(place)) {
            column.condense();
        }
    }

    /// Makes values of all columns.
    pub(crate) fn spread_all(&mut self) {
        self.columns.iter_mut().for_each(ColumnVector::spread);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS
    }

    pub(crate) fn row(&self, row: usize) -> BatchRow<'_> {
        BatchRow { batch: self, row }
    }

    pub(crate) fn column(&self, place: usize) -> &ColumnVector {
        &self.columns[place]
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, values: impl IntoIterator<Item = Value>) {
        let mut values = values.into_iter();
        for column in &mut self.columns {
            column.push(values.next().unwrap_or(Value::Null));
        }
        self.rows += 1;
    }

    /// A row's values; no others are made for them.
    pub(crate) fn take_row(&self, row: usize) -> Vec<Value> {
        self.columns.iter().map(|column| column.get(row)).collect()
    }

    /// The values of all rows.
    pub(crate) fn into_rows(self) -> Vec<Vec<Value>> {
        let width = self.columns.len();
        let mut rows: Vec<Vec<Value>> = Vec::with_capacity(self.rows);
        rows.resize_with(self.rows, || Vec::with_capacity(width));
        for column in self.columns {
            for (row, value) in rows.iter_mut().zip(column.into_values()) {
                row.push(value);
            }
        }
        rows
    }

    /// The values of all rows, in one piece of memory.
    pub(crate) fn into_block(mut self) -> RowBlock {
        let (width, rows) = (self.columns.len(), self.rows);
        let values = match &mut self.columns[..] {
            [column] => std::mem::take(column).into_values(),
            columns => {
                let mut values = vec![Value::Null; width * rows];
                for (place, column) in columns.iter_mut().enumerate() {
                    let places = values[place.min(width * rows)..].iter_mut().step_by(width);
                    std::mem::take(column).move_values(places);
                }
                values
            }
        };
        RowBlock::new(values, width, rows)
    }

    /// Takes a column; nobody may ask for its values any more.
    pub(crate) fn take_column(&mut self, place: usize) -> ColumnVector {
        std::mem::take(&mut self.columns[place])
    }

    /// Takes all columns.
    pub(crate) fn into_columns(self) -> Vec<ColumnVector> {
        self.columns
    }

    /// Some rows, column by column; NULL where there is [`NONE`].
    pub(crate) fn gathered(&self, rows: &[u32]) -> Vec<ColumnVector> {
        let columns = self.columns.iter();
        if !rows.contains(&NONE) {
            return columns.map(|column| column.gathered(rows)).collect();
        }
        let rows: Vec<Option<u32>> = rows
            .iter()
            .map(|row| (*row != NONE).then_some(*row))
            .collect();
        columns
            .map(|column| column.gathered_or_null(&rows))
            .collect()
    }

    /// Adds the rows of another batch with the same columns.
    pub(crate) fn append(&mut self, other: Batch) {
        for (column, more) in self.columns.iter_mut().zip(other.columns) {
            column.append(more);
        }
        self.rows += other.rows;
    }

    /// Keeps the rows whose index is in `kept`, which ascends.
    pub(crate) fn keep(&mut self, kept: &[usize]) {
        if kept.len() == self.rows {
            return;
        }
        for column in &mut self.columns {
            column.keep(kept);
        }
        self.rows = kept.len();
    }

    /// Leaves out the first rows.
    pub(crate) fn skip(&mut self, rows: usize) {
        let rows = rows.min(self.rows);
        for column in &mut self.columns {
            column.skip(rows);
        }
        self.rows -= rows;
    }

    /// Leaves out the rows after so many.
    pub(crate) fn truncate(&mut self, rows: usize) {
        if rows < self.rows {
            for column in &mut self.columns {
                column.truncate(rows);
            }
            self.rows = rows;
        }
    }
}

impl Row for BatchRow<'_> {
    fn value(&self, place: usize) -> &Value {
        &self.batch.columns[place].values()[self.row]
    }
}

impl Row for [Value] {
    fn value(&self, place: usize) -> &Value {
        &self[place]
    }
}

impl Row for Vec<Value> {
    fn value(&self, place: usize) -> &Value {
        &self[place]
    }
}

/// Two rows side by side.
pub(crate) struct Pair<'a, L: ?Sized, R: ?Sized> {
    /// The left row.
    pub(crate) left: &'a L,
    /// How many places the left row has.
    pub(crate) width: usize,
    /// The right row.
    pub(crate) right: &'a R,
}

impl<L: Row + ?Sized, R: Row + ?Sized> Row for Pair<'_, L, R> {
    fn value(&self, place: usize) -> &Value {
        match place.checked_sub(self.width) {
            None => self.left.value(place),
            Some(place) => self.right.value(place),
        }
    }
}
