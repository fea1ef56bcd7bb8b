//! Some columns of many rows, into vectors.
//!
//! What can be known before a row is seen is worked out once: which columns are wanted, where they
//! are in a row that has all columns, how their bytes are read. What is left for each row is a look
//! at its header, and a few loads for each column. Rows of another shape, written before a column
//! was added, are read one column at a time by [`RowView`].

use super::decode::{RowView, damaged};
use super::test::RowTest;
use super::{HAS_NULLS, HEADER_BYTES, OFFSET_BYTES_MASK, Place, RowLayout, VERSION, VERSION_MASK};
use crate::base::Base;
use crate::column::{Cells, ColumnVector, Strings};
use crate::error::{Error, Result};
use crate::numeric;
use crate::text::Text;
use crate::types::Element;
use crate::value::Value;

/// Reads some columns of rows. See the module's documentation.
#[derive(Clone, Debug)]
pub struct RowReader {
    columns: Vec<Wanted>,
    /// Columns of the layout it was made for, bytes of its fixed part, columns of varying width.
    shape: (usize, usize, usize),
}

#[derive(Clone, Debug)]
struct Wanted {
    column: usize,
    place: Place,
    how: How,
}

/// How the bytes of a column are read, for the types of most columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    Int4,
    Int8,
    Date,
    Float8,
    Timestamp,
    Numeric,
    Text,
    /// By [`RowView`].
    Other,
}

/// Where the columns of rows go to.
trait Sink {
    /// The value of the column at a place among those that are read.
    fn value(&mut self, place: usize, value: Value);

    /// The same, of its bytes; not for [`How::Other`].
    fn cell(&mut self, place: usize, how: How, cell: &[u8]) -> Result<()>;
}

impl Sink for [ColumnVector] {
    fn value(&mut self, place: usize, value: Value) {
        self[place].push(value);
    }

    #[inline]
    fn cell(&mut self, place: usize, how: How, cell: &[u8]) -> Result<()> {
        how.push(cell, &mut self[place])
    }
}

impl Sink for Vec<Value> {
    fn value(&mut self, _: usize, value: Value) {
        self.push(value);
    }

    #[inline]
    fn cell(&mut self, _: usize, how: How, cell: &[u8]) -> Result<()> {
        how.push_value(cell, |value| self.push(value))
    }
}

/// Where things are in a row that has all columns.
#[derive(Clone, Copy)]
pub(super) struct Open<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) fixed: usize,
    pub(super) ends: usize,
    pub(super) data: usize,
    pub(super) offset_bytes: usize,
    pub(super) has_nulls: bool,
}

impl RowReader {
    /// A reader of the columns at these places of a layout. It reads rows of that layout only.
    pub fn new(layout: &RowLayout, columns: &[usize]) -> Result<RowReader> {
        let wanted = columns.iter().map(|&column| {
            let known = layout.columns.get(column);
            let known = known.ok_or_else(|| Error::mismatch("number of columns"))?;
            Ok(Wanted {
                column,
                place: known.place,
                how: how(known),
            })
        });
        let count = layout.columns.len();
        let (fixed, varying) = layout.parts(count);
        Ok(RowReader {
            columns: wanted.collect::<Result<_>>()?,
            shape: (count, fixed, varying),
        })
    }

    /// The places of the columns that it reads.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().map(|wanted| wanted.column)
    }

    /// Columns without rows, in the form of their types, and room for so many rows.
    pub fn columns(&self, rows: usize) -> Vec<ColumnVector> {
        let column = |wanted: &Wanted| wanted.how.cells(rows).into();
        self.columns.iter().map(column).collect()
    }

    /// The same, as values: better where rows are few, or are taken out as rows again.
    pub fn columns_of_values(&self, rows: usize) -> Vec<ColumnVector> {
        let column = |_: &Wanted| ColumnVector::with_capacity(rows);
        self.columns.iter().map(column).collect()
    }

    /// Appends the columns of a row to vectors, one for each, if the row passes the tests. Returns
    /// whether it did. After an error the vectors may differ in length.
    pub fn append(
        &self,
        layout: &RowLayout,
        tests: &[RowTest],
        bytes: &[u8],
        out: &mut [ColumnVector],
    ) -> Result<bool> {
        self.append_to(layout, tests, bytes, out)
    }

    /// The same, where rows are wanted as rows: the values one after the other. After an error some of
    /// a row's may be there.
    pub fn append_values(
        &self,
        layout: &RowLayout,
        tests: &[RowTest],
        bytes: &[u8],
        out: &mut Vec<Value>,
    ) -> Result<bool> {
        self.append_to(layout, tests, bytes, out)
    }

    #[inline]
    fn append_to<S: Sink + ?Sized>(
        &self,
        layout: &RowLayout,
        tests: &[RowTest],
        bytes: &[u8],
        out: &mut S,
    ) -> Result<bool> {
        let Some(open) = self.open(bytes) else {
            return self.append_slowly(&RowView::new(layout, bytes)?, tests, out);
        };
        for test in tests {
            if !test.passes_open(&open)? {
                return Ok(false);
            }
        }
        match open.offset_bytes {
            1 => self.append_open::<1, S>(layout, &open, out)?,
            2 => self.append_open::<2, S>(layout, &open, out)?,
            _ => self.append_open::<4, S>(layout, &open, out)?,
        }
        Ok(true)
    }

    /// Appends the columns of a row whose offsets have so many bytes.
    #[inline]
    fn append_open<const OFFSET: usize, S: Sink + ?Sized>(
        &self,
        layout: &RowLayout,
        open: &Open<'_>,
        out: &mut S,
    ) -> Result<()> {
        let parts = open.parts();
        for (place, wanted) in self.columns.iter().enumerate() {
            if open.is_null(wanted.column) {
                out.value(place, Value::Null);
            } else if wanted.how == How::Other {
                let value = RowView::new(layout, open.bytes)?.get(wanted.column)?;
                out.value(place, value);
            } else {
                let cell = parts.cell::<OFFSET>(wanted.place).ok_or_else(damaged)?;
                out.cell(place, wanted.how, cell)?;
            }
        }
        Ok(())
    }

    fn append_slowly<S: Sink + ?Sized>(
        &self,
        view: &RowView<'_>,
        tests: &[RowTest],
        out: &mut S,
    ) -> Result<bool> {
        for test in tests {
            if !test.passes(view)? {
                return Ok(false);
            }
        }
        for (place, wanted) in self.columns.iter().enumerate() {
            out.value(place, view.get(wanted.column)?);
        }
        Ok(true)
    }

    /// Opens a row that has all columns; `None` if this row is another one.
    #[inline]
    fn open<'a>(&self, bytes: &'a [u8]) -> Option<Open<'a>> {
        let (count, fixed_bytes, varying) = self.shape;
        let head = bytes.first_chunk::<HEADER_BYTES>()?;
        let offset_bytes = usize::from(head[0] & OFFSET_BYTES_MASK);
        let has_nulls = head[0] & HAS_NULLS != 0;
        let is_whole = head[0] & VERSION_MASK == VERSION
            && matches!(offset_bytes, 1 | 2 | 4)
            && usize::from(u16::from_le_bytes([head[1], head[2]])) == count;
        let fixed = HEADER_BYTES + if has_nulls { count.div_ceil(8) } else { 0 };
        let ends = fixed + fixed_bytes;
        let data = ends + varying * offset_bytes;
        (is_whole && data <= bytes.len()).then_some(Open {
            bytes,
            fixed,
            ends,
            data,
            offset_bytes,
            has_nulls,
        })
    }
}

impl<'a> Open<'a> {
    /// The bytes of a column; `None` for NULL.
    #[inline]
    pub(super) fn cell(&self, column: usize, place: Place) -> Result<Option<&'a [u8]>> {
        if self.is_null(column) {
            return Ok(None);
        }
        let parts = self.parts();
        let cell = match self.offset_bytes {
            1 => parts.cell::<1>(place),
            2 => parts.cell::<2>(place),
            _ => parts.cell::<4>(place),
        };
        cell.map(Some).ok_or_else(damaged)
    }

    #[inline]
    fn is_null(&self, column: usize) -> bool {
        self.has_nulls && self.bytes[HEADER_BYTES + column / 8] >> (column % 8) & 1 == 1
    }

    /// That these are within the row was seen when it was opened.
    #[inline]
    fn parts(&self) -> Parts<'a> {
        Parts {
            fixed: &self.bytes[self.fixed..self.ends],
            ends: &self.bytes[self.ends..self.data],
            data: &self.bytes[self.data..],
        }
    }
}

/// The parts of a row: columns of fixed width, where those of varying width end, and their bytes.
struct Parts<'a> {
    fixed: &'a [u8],
    ends: &'a [u8],
    data: &'a [u8],
}

impl<'a> Parts<'a> {
    /// The bytes of a column, where offsets have so many bytes; `None` if the row has them not.
    #[inline]
    fn cell<const OFFSET: usize>(&self, place: Place) -> Option<&'a [u8]> {
        match place {
            Place::Fixed { offset, width } => self.fixed.get(offset..offset + width),
            Place::Varying { index } => {
                let start = match index {
                    0 => 0,
                    _ => self.end::<OFFSET>(index - 1)?,
                };
                self.data.get(start..self.end::<OFFSET>(index)?)
            }
        }
    }

    #[inline]
    fn end<const OFFSET: usize>(&self, index: usize) -> Option<usize> {
        let rest = self.ends.get(index * OFFSET..)?;
        Some(match OFFSET {
            1 => usize::from(*rest.first()?),
            2 => usize::from(u16::from_le_bytes(*rest.first_chunk()?)),
            _ => u32::from_le_bytes(*rest.first_chunk()?) as usize,
        })
    }
}

fn how(column: &super::Column) -> How {
    let of = &column.column_type;
    match &of.element {
        Element::Base(base) if !of.array => match base {
            Base::Int4 => How::Int4,
            Base::Int8 => How::Int8,
            Base::Date => How::Date,
            Base::Float8 => How::Float8,
            Base::Timestamp => How::Timestamp,
            Base::Numeric => How::Numeric,
            Base::Text | Base::Varchar | Base::Bpchar => How::Text,
            _ => How::Other,
        },
        _ => How::Other,
    }
}

impl How {
    /// The form of the column.
    fn cells(self, rows: usize) -> Cells {
        match self {
            How::Int4 => Cells::Int4(Vec::with_capacity(rows)),
            How::Int8 => Cells::Int8(Vec::with_capacity(rows)),
            How::Date => Cells::Date(Vec::with_capacity(rows)),
            How::Float8 => Cells::Float8(Vec::with_capacity(rows)),
            How::Timestamp => Cells::Timestamp(Vec::with_capacity(rows)),
            How::Numeric => Cells::Numeric(Vec::with_capacity(rows), 0),
            How::Text => Cells::Text(Strings::with_capacity(rows)),
            How::Other => Cells::Values(Vec::with_capacity(rows)),
        }
    }

    /// Appends the value with these bytes; none for [`How::Other`]. It is made where it goes to: a
    /// value that is put together elsewhere, in parts, and then copied as a whole has to wait for
    /// its parts to be written.
    #[inline]
    fn push(self, bytes: &[u8], out: &mut ColumnVector) -> Result<()> {
        match (self, out.cells_mut()) {
            (How::Int4, Cells::Int4(numbers)) | (How::Date, Cells::Date(numbers)) => {
                numbers.push(i32::from_le_bytes(word(bytes)?));
            }
            (How::Int8, Cells::Int8(numbers)) | (How::Timestamp, Cells::Timestamp(numbers)) => {
                numbers.push(i64::from_le_bytes(word(bytes)?));
            }
            (How::Float8, Cells::Float8(numbers)) => {
                numbers.push(f64::from_le_bytes(word(bytes)?));
            }
            (How::Numeric, Cells::Numeric(coefficients, scale)) => {
                match numeric::decode_small_row(bytes) {
                    Some((coefficient, of)) if of == *scale || coefficients.is_empty() => {
                        *scale = of;
                        coefficients.push(coefficient);
                    }
                    _ => out.push_other(Value::Numeric(numeric::decode_row(bytes)?)),
                }
            }
            (How::Text, _) => match std::str::from_utf8(bytes) {
                Ok(text) => out.push_text(text),
                Err(_) => return Err(damaged()),
            },
            _ => return self.push_value(bytes, |value| out.push(value)),
        }
        Ok(())
    }

    /// The same, as a value.
    #[inline]
    fn push_value(self, bytes: &[u8], mut push: impl FnMut(Value)) -> Result<()> {
        match self {
            How::Int4 => push(Value::Int4(i32::from_le_bytes(word(bytes)?))),
            How::Int8 => push(Value::Int8(i64::from_le_bytes(word(bytes)?))),
            How::Date => push(Value::Date(i32::from_le_bytes(word(bytes)?))),
            How::Float8 => push(Value::Float8(f64::from_le_bytes(word(bytes)?))),
            How::Timestamp => push(Value::Timestamp(i64::from_le_bytes(word(bytes)?))),
            How::Numeric => push(Value::Numeric(numeric::decode_row(bytes)?)),
            How::Text => push(Value::Text(Text::from_utf8(bytes).ok_or_else(damaged)?)),
            How::Other => {}
        }
        Ok(())
    }
}

#[inline]
pub(super) fn word<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| damaged())
}
