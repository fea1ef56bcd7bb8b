//! Row bytes to values, a column at a time.

use std::ops::Range;

use super::{
    HAS_NULLS, HEADER_BYTES, OFFSET_BYTES_MASK, Place, RowLayout, VERSION, VERSION_MASK, value,
};
use crate::error::{Error, Result};
use crate::value::Value;

/// A row in its bytes. Opening it reads three of them.
#[derive(Clone, Copy)]
pub struct RowView<'a> {
    layout: &'a RowLayout,
    /// The row's number of columns: not more than the layout's.
    count: usize,
    /// Where the fixed columns are, from the start of `bytes`.
    fixed: usize,
    /// Where the offsets are.
    ends: usize,
    /// Where the columns of varying width are.
    data: usize,
    offset_bytes: usize,
    has_nulls: bool,
    bytes: &'a [u8],
}

/// A column's bytes in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cell<'a> {
    /// The row was written before the column was there.
    Missing,
    /// NULL.
    Null,
    /// A value, as the format of its type says.
    Bytes(&'a [u8]),
}

impl<'a> RowView<'a> {
    /// Opens a row. An error if the bytes are not a row of this layout.
    pub fn new(layout: &'a RowLayout, bytes: &'a [u8]) -> Result<RowView<'a>> {
        let head = bytes.first_chunk::<HEADER_BYTES>().ok_or_else(damaged)?;
        let offset_bytes = usize::from(head[0] & OFFSET_BYTES_MASK);
        let count = usize::from(u16::from_le_bytes([head[1], head[2]]));
        let sound = head[0] & VERSION_MASK == VERSION
            && matches!(offset_bytes, 1 | 2 | 4)
            && count <= layout.columns.len();
        if !sound {
            return Err(damaged());
        }
        let has_nulls = head[0] & HAS_NULLS != 0;
        let (fixed_bytes, varying_count) = layout.parts(count);
        let fixed = HEADER_BYTES + if has_nulls { count.div_ceil(8) } else { 0 };
        let ends = fixed + fixed_bytes;
        let data = ends + varying_count * offset_bytes;
        if data > bytes.len() {
            return Err(damaged());
        }
        Ok(RowView {
            layout,
            count,
            fixed,
            ends,
            data,
            offset_bytes,
            has_nulls,
            bytes,
        })
    }

    /// The bytes of a column.
    pub fn cell(&self, column: usize) -> Result<Cell<'a>> {
        if column >= self.count {
            return Ok(Cell::Missing);
        }
        if self.has_nulls && self.bytes[HEADER_BYTES + column / 8] >> (column % 8) & 1 == 1 {
            return Ok(Cell::Null);
        }
        let cell = match self.layout.columns[column].place {
            Place::Fixed { offset, width } => {
                let start = self.fixed + offset;
                self.bytes.get(start..start + width)
            }
            Place::Varying { index } => {
                let start = if index == 0 { 0 } else { self.end(index - 1) };
                let data = &self.bytes[self.data..];
                data.get(start..self.end(index))
            }
        };
        cell.map(Cell::Bytes).ok_or_else(damaged)
    }

    /// The value of a column; a missing one is what its column was added with.
    pub fn get(&self, column: usize) -> Result<Value> {
        let known = self.layout.columns.get(column);
        match self.cell(column)? {
            Cell::Missing => Ok(known.map_or(Value::Null, |known| known.missing.clone())),
            Cell::Null => Ok(Value::Null),
            Cell::Bytes(bytes) => {
                let known = known.ok_or_else(|| Error::mismatch("number of columns"))?;
                value::decode(&known.column_type, bytes)
            }
        }
    }

    /// Replaces `room` by the bytes that a column would have if the row were not older than it;
    /// `false` if it would be NULL.
    pub(super) fn write_missing(&self, column: usize, room: &mut Vec<u8>) -> Result<bool> {
        room.clear();
        let Some(known) = self.layout.columns.get(column) else {
            return Ok(false);
        };
        match known.place {
            Place::Fixed { width, .. } => {
                room.resize(width, 0);
                value::put_fixed(&known.column_type, &known.missing, room)?;
            }
            Place::Varying { .. } => value::put_varying(&known.column_type, &known.missing, room)?,
        }
        Ok(!known.missing.is_null())
    }

    /// All columns of the layout.
    pub fn to_values(&self) -> Result<Vec<Value>> {
        (0..self.layout.columns.len())
            .map(|column| self.get(column))
            .collect()
    }

    /// How many columns the row has: fewer than the layout if it is older than some.
    pub(super) fn columns(&self) -> usize {
        self.count
    }

    /// Where the bits are that tell which columns are NULL; nowhere if none is.
    pub(super) fn bitmap(&self) -> Range<usize> {
        HEADER_BYTES..self.fixed
    }

    /// Where the columns of fixed width begin.
    pub(super) fn fixed_start(&self) -> usize {
        self.fixed
    }

    /// Where a column of varying width ends, from the start of the data.
    fn end(&self, index: usize) -> usize {
        let at = self.ends + index * self.offset_bytes;
        let bytes = &self.bytes[at..at + self.offset_bytes];
        bytes
            .iter()
            .rev()
            .fold(0, |end, byte| end << 8 | usize::from(*byte))
    }
}

pub(super) fn damaged() -> Error {
    Error::corrupted("row")
}
