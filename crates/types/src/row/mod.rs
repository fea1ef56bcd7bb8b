//! Rows: the columns of a table's row in one string of bytes, each found without the others.
//!
//! ```text
//! ┌────────┬───────┬──────────────┬──────────────┬─────────────────────┬─────────────────────┐
//! │ header │ count │ null bitmap  │ fixed columns│ ends of the others  │ the others          │
//! └────────┴───────┴──────────────┴──────────────┴─────────────────────┴─────────────────────┘
//! ```
//!
//! A column of fixed width has its place in every row, NULL or not; another is between two ends in
//! a table of offsets. Both places follow from the columns before it alone, so that a row written
//! when the table had fewer columns is read as it is: its last columns are *missing*, and take the
//! values that [`RowLayout::push`] was given when they were added.
//!
//! docs/format/row.md is the description; decoding never panics, whatever the bytes are.

mod decode;
mod encode;
mod reader;
mod select;
mod test;
#[cfg(test)]
mod tests;
mod value;

pub use decode::{Cell, RowView};
pub use encode::Given;
pub use reader::RowReader;
pub use select::Selection;
pub use test::{Comparison, Integers, Members, RowTest};

use crate::base::Base;
use crate::error::{Error, Result, SqlState};
use crate::types::{Element, Type};
use crate::value::Value;

/// The most columns of a table.
pub const COLUMNS_MAX: usize = 1600;

/// Where the columns of a table are in its rows.
#[derive(Clone, Debug, Default)]
pub struct RowLayout {
    columns: Vec<Column>,
}

#[derive(Clone, Debug)]
struct Column {
    column_type: Type,
    /// What a row has that was written before the column was there.
    missing: Value,
    place: Place,
    /// Bytes of all columns of fixed width up to and with this one.
    fixed_through: usize,
    /// How many columns of varying width there are up to and with this one.
    varying_through: usize,
}

/// Where a column is within its part of the row.
#[derive(Clone, Copy, Debug)]
enum Place {
    Fixed { offset: usize, width: usize },
    Varying { index: usize },
}

impl RowLayout {
    /// The layout of a table whose columns were all there from the start.
    pub fn new(types: impl IntoIterator<Item = Type>) -> Result<RowLayout> {
        let mut layout = RowLayout::default();
        for column_type in types {
            layout.push(column_type, Value::Null)?;
        }
        Ok(layout)
    }

    /// Adds a column at the end. Rows that were written before have `missing` in it.
    pub fn push(&mut self, column_type: Type, missing: Value) -> Result<()> {
        if self.columns.len() == COLUMNS_MAX {
            return Err(Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("tables can have at most {COLUMNS_MAX} columns"),
            ));
        }
        let before = self.columns.last();
        let fixed = before.map_or(0, |column| column.fixed_through);
        let varying = before.map_or(0, |column| column.varying_through);
        let column = match fixed_width(&column_type) {
            Some(width) => Column {
                column_type,
                missing,
                place: Place::Fixed {
                    offset: fixed,
                    width,
                },
                fixed_through: fixed + width,
                varying_through: varying,
            },
            None => Column {
                column_type,
                missing,
                place: Place::Varying { index: varying },
                fixed_through: fixed,
                varying_through: varying + 1,
            },
        };
        self.columns.push(column);
        Ok(())
    }

    /// How many columns there are, dropped ones included: a dropped column keeps its place.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Whether every value of a column takes the same number of bytes.
    pub fn is_fixed(&self, column: usize) -> bool {
        let known = self.columns.get(column);
        known.is_some_and(|known| matches!(known.place, Place::Fixed { .. }))
    }

    /// The type of a column.
    pub fn column_type(&self, column: usize) -> Option<&Type> {
        self.columns.get(column).map(|column| &column.column_type)
    }

    /// Bytes of the fixed part, and number of columns in the other, of a row with `count` columns.
    fn parts(&self, count: usize) -> (usize, usize) {
        match count.checked_sub(1).and_then(|last| self.columns.get(last)) {
            Some(column) => (column.fixed_through, column.varying_through),
            None => (0, 0),
        }
    }
}

impl Type {
    /// Whether all values of the type take the same number of bytes in a row.
    pub fn is_fixed(&self) -> bool {
        fixed_width(self).is_some()
    }
}

/// How many bytes every value of a type takes in a row; `None` if that varies.
fn fixed_width(of: &Type) -> Option<usize> {
    if of.array {
        return None;
    }
    match &of.element {
        Element::Enum(_) => Some(4),
        Element::Domain(domain) => fixed_width(&domain.base),
        Element::Base(base) => match base {
            Base::Bool => Some(1),
            Base::Int2 => Some(2),
            Base::Int4 | Base::Float4 | Base::Oid | Base::Date => Some(4),
            Base::Int8 | Base::Float8 | Base::Time | Base::Timestamp | Base::Timestamptz => Some(8),
            Base::Interval | Base::Uuid => Some(16),
            Base::Numeric
            | Base::Text
            | Base::Varchar
            | Base::Bpchar
            | Base::Name
            | Base::Char
            | Base::Unknown
            | Base::Bytea
            | Base::Json
            | Base::Jsonb
            | Base::Vector
            | Base::Record
            | Base::Void => None,
        },
    }
}

/// In the header: the low bits are how many bytes an offset has, 1, 2 or 4.
const OFFSET_BYTES_MASK: u8 = 0x07;
/// In the header: a null bitmap follows.
const HAS_NULLS: u8 = 0x08;
/// In the header: the version, in the high four bits.
const VERSION: u8 = 0x10;
const VERSION_MASK: u8 = 0xf0;
/// Header byte and column count.
const HEADER_BYTES: usize = 3;
