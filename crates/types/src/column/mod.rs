//! The values of a column for many rows, each type in a vector of its own.
//!
//! ```text
//! ColumnVector ── Cells    plain numbers, truths or texts, one for each row and none of them NULL
//!                          or, where that cannot be, values of any kind
//!              ── values   the same as values, made when somebody asks for them
//! ```
//!
//! What is in daily use (numbers, dates, texts that are not NULL) lies as plain numbers side by
//! side, so that loops over it are loops over numbers. Everything else, and a column with a NULL in
//! it, is a vector of [`Value`]s. Whoever does not care asks for values and gets them, whatever
//! form the cells have; a column that is asked that holds both until it changes.
//!
//! `numeric` cells have one count of decimals for all of them, as those of `numeric(p, s)` do; a
//! number that shows another count makes values of the column.

mod cells;
mod strings;

use std::borrow::Cow;
use std::sync::OnceLock;

pub use cells::Cells;
pub use strings::Strings;

use crate::row::Selection;
use crate::text::Text;
use crate::value::Value;

/// As many values are looked at when plain cells are added to them.
const CONDENSED_MAX: usize = 4096;

/// The values of a column for some rows. See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct ColumnVector {
    cells: Cells,
    values: OnceLock<Vec<Value>>,
}

impl From<Cells> for ColumnVector {
    fn from(cells: Cells) -> ColumnVector {
        ColumnVector {
            cells,
            values: OnceLock::new(),
        }
    }
}

impl From<Vec<Value>> for ColumnVector {
    fn from(values: Vec<Value>) -> ColumnVector {
        Cells::Values(values).into()
    }
}

/// Columns are the same if their values are.
impl PartialEq for ColumnVector {
    fn eq(&self, other: &ColumnVector) -> bool {
        self.values() == other.values()
    }
}

impl ColumnVector {
    /// No values, and room for so many.
    pub fn with_capacity(rows: usize) -> ColumnVector {
        Vec::with_capacity(rows).into()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The form that the values have.
    #[inline]
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    /// The values, which are made now if they were not asked for before.
    #[inline]
    pub fn values(&self) -> &[Value] {
        match &self.cells {
            Cells::Values(values) => values,
            cells => self.values.get_or_init(|| cells.to_values()),
        }
    }

    /// A copy of the value of a row; no other values are made for it.
    #[inline]
    pub fn get(&self, row: usize) -> Value {
        match &self.cells {
            Cells::Values(values) => values[row].clone(),
            cells => cells.value(row),
        }
    }

    /// The value of a row, without others; borrowed where it is one already.
    #[inline]
    pub fn cell(&self, row: usize) -> Cow<'_, Value> {
        match &self.cells {
            Cells::Values(values) => Cow::Borrowed(&values[row]),
            cells => Cow::Owned(cells.value(row)),
        }
    }

    /// The values.
    pub fn into_values(mut self) -> Vec<Value> {
        match self.cells {
            Cells::Values(values) => values,
            cells => self.values.take().unwrap_or_else(|| cells.to_values()),
        }
    }

    /// Puts the values, in their order, to where they are wanted.
    pub fn move_values<'a>(mut self, to: impl Iterator<Item = &'a mut Value>) {
        match (self.cells, self.values.take()) {
            (Cells::Values(values), _) | (_, Some(values)) => {
                to.zip(values).for_each(|(to, value)| *to = value);
            }
            (cells, None) => cells.put_values(to),
        }
    }

    /// Makes values of the cells, for good.
    pub fn spread(&mut self) {
        if !matches!(self.cells, Cells::Values(_)) {
            let values = std::mem::take(self).into_values();
            *self = values.into();
        }
    }

    /// The cells, which are about to change.
    #[inline]
    pub(crate) fn cells_mut(&mut self) -> &mut Cells {
        if self.values.get().is_some() {
            self.values.take();
        }
        &mut self.cells
    }

    /// Adds the value of a row.
    #[inline]
    pub fn push(&mut self, value: Value) {
        match &mut self.cells {
            Cells::Values(values) => values.push(value),
            _ => self.push_other(value),
        }
    }

    #[cold]
    pub(crate) fn push_other(&mut self, value: Value) {
        self.spread();
        if let Cells::Values(values) = &mut self.cells {
            values.push(value);
        }
    }

    /// Adds a text of type `text` or the like.
    #[inline]
    pub(crate) fn push_text(&mut self, text: &str) {
        match self.cells_mut() {
            Cells::Text(strings) if strings.has_room(text) => strings.push(text),
            _ => self.push(Value::Text(Text::new(text))),
        }
    }

    /// Gives values the form of their type, where all of them are of one that has a form and none is
    /// NULL.
    pub fn condense(&mut self) {
        if let Cells::Values(values) = &self.cells
            && let Some(cells) = Cells::of_values(values)
        {
            *self = cells.into();
        }
    }

    /// Adds the rows of another column.
    pub fn append(&mut self, other: ColumnVector) {
        if self.is_empty() {
            *self = other;
            return;
        }
        if self.len() <= CONDENSED_MAX && !matches!(other.cells, Cells::Values(_)) {
            // The first few rows of a scan come as values.
            self.condense();
        }
        let Err(cells) = self.cells_mut().append(other.cells) else {
            return;
        };
        self.spread();
        if let Cells::Values(values) = &mut self.cells {
            values.extend(ColumnVector::from(cells).into_values());
        }
    }

    /// Adds some rows of another column.
    pub fn append_selected(&mut self, other: &ColumnVector, selected: &Selection) {
        if self.cells_mut().append_selected(&other.cells, selected) {
            return;
        }
        self.spread();
        match selected.rows() {
            None => selected.range().for_each(|row| self.push(other.get(row))),
            Some(rows) => rows
                .iter()
                .for_each(|row| self.push(other.get(*row as usize))),
        }
    }

    /// The values of these rows, in this order.
    pub fn gathered(&self, rows: &[u32]) -> ColumnVector {
        self.cells.gathered(rows).into()
    }

    /// The values of these rows, in this order; NULL where there is none.
    pub fn gathered_or_null(&self, rows: &[Option<u32>]) -> ColumnVector {
        let of = |row: &Option<u32>| row.map_or(Value::Null, |row| self.get(row as usize));
        rows.iter().map(of).collect::<Vec<Value>>().into()
    }

    /// Keeps the rows whose index is in `kept`, which ascends.
    pub fn keep(&mut self, kept: &[usize]) {
        self.cells_mut().keep(kept);
    }

    /// Leaves out the first rows.
    pub fn skip(&mut self, rows: usize) {
        self.cells_mut().skip(rows);
    }

    /// Leaves out the rows after so many.
    pub fn truncate(&mut self, rows: usize) {
        self.cells_mut().truncate(rows);
    }

    /// Gives back memory that it has room in but does not use.
    pub fn shrink(&mut self) {
        self.cells_mut().shrink();
    }

    /// The memory that the cells take, about.
    pub fn bytes(&self) -> usize {
        self.cells.bytes()
    }

    /// The memory that the values take once they are asked for, about.
    pub fn bytes_as_values(&self) -> usize {
        match &self.cells {
            Cells::Values(_) => self.bytes(),
            Cells::Text(strings) => {
                let long = |row: usize| {
                    let bytes = strings.get(row).len();
                    if bytes > crate::INLINE_BYTES_MAX {
                        bytes
                    } else {
                        0
                    }
                };
                let heap: usize = (0..strings.len()).map(long).sum();
                self.len() * size_of::<Value>() + heap
            }
            _ => self.len() * size_of::<Value>(),
        }
    }
}

#[cfg(test)]
mod tests;
