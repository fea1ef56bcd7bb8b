//! Values to row bytes.

use super::{Cell, HAS_NULLS, Place, RowLayout, RowView, VERSION, value};
use crate::base::Base;
use crate::error::{Error, Result, SqlState};
use crate::types::{Element, Type};
use crate::value::Value;

impl RowLayout {
    /// Appends a row of these values, one for each of the layout's columns.
    ///
    /// An error if a value is not of its column's type, or the row is longer than 4 GiB.
    pub fn encode(&self, values: &[Value], out: &mut Vec<u8>) -> Result<()> {
        self.encode_all(values, out)
    }

    /// As [`RowLayout::encode`], of values that were not all made.
    pub fn encode_given(&self, values: &[Given<'_>], out: &mut Vec<u8>) -> Result<()> {
        self.encode_all(values, out)
    }

    fn encode_all<S: Source>(&self, values: &[S], out: &mut Vec<u8>) -> Result<()> {
        if values.len() != self.columns.len() {
            return Err(Error::mismatch("number of columns"));
        }
        let (fixed_bytes, varying_count) = self.parts(values.len());
        let has_nulls = values.iter().any(Source::is_null);
        let start = out.len();
        out.push(0);
        out.extend_from_slice(&(values.len() as u16).to_le_bytes());
        if has_nulls {
            put_bitmap(values, out);
        }
        let fixed = out.len();
        out.resize(fixed + fixed_bytes, 0);
        // Offsets are one byte each until the row turns out to be long: most are short.
        let ends = out.len();
        out.resize(ends + varying_count, 0);
        let data = out.len();
        let mut offset_bytes = 1;
        let mut wide = Vec::new();
        for (column, value) in self.columns.iter().zip(values) {
            match column.place {
                Place::Fixed { offset, width } => {
                    let at = fixed + offset;
                    value.put_fixed(&column.column_type, &mut out[at..at + width])?;
                }
                Place::Varying { index } => {
                    value.put_varying(&column.column_type, out)?;
                    let end = out.len() - data;
                    if offset_bytes == 1 && end > usize::from(u8::MAX) {
                        wide = out[ends..ends + index]
                            .iter()
                            .map(|end| u32::from(*end))
                            .collect();
                        offset_bytes = 2;
                    }
                    match offset_bytes {
                        1 => out[ends + index] = end as u8,
                        _ => wide.push(u32::try_from(end).map_err(|_| too_long())?),
                    }
                }
            }
        }
        if offset_bytes > 1 {
            offset_bytes = put_wide_ends(&wide, ends, out);
        }
        out[start] = VERSION | offset_bytes | if has_nulls { HAS_NULLS } else { 0 };
        Ok(())
    }
}

impl RowLayout {
    /// Puts a value in the place of the one, or the NULL, that a row has in a column. `false`, and the
    /// row as it was, if that takes more than these bytes: the column is not of fixed width, the row is
    /// older than it, or the value is NULL.
    pub fn replace_fixed(&self, row: &mut Vec<u8>, column: usize, value: &Value) -> Result<bool> {
        let place = self.columns.get(column).map(|known| known.place);
        let Some(Place::Fixed { offset, width }) = place else {
            return Ok(false);
        };
        let view = RowView::new(self, row)?;
        if value.is_null() || column >= view.columns() {
            return Ok(false);
        }
        let was_null = matches!(view.cell(column)?, Cell::Null);
        let (bitmap, fixed) = (view.bitmap(), view.fixed_start());
        let known = &self.columns[column].column_type;
        let start = fixed + offset;
        value::put_fixed(known, value, &mut row[start..start + width])?;
        if was_null {
            row[bitmap.start + column / 8] &= !(1 << (column % 8));
            // A row without NULL has no bitmap.
            if row[bitmap.clone()].iter().all(|bits| *bits == 0) {
                row.drain(bitmap);
                row[0] &= !HAS_NULLS;
            }
        }
        Ok(true)
    }
}

/// A value of a new row, which need not be made where its text is what is stored.
#[derive(Clone, Debug)]
pub enum Given<'g> {
    /// The text of a column that [stores it as it is](Type::stores_text).
    Text(&'g str),
    /// Any value.
    Value(Value),
}

impl Given<'_> {
    /// The value.
    pub fn to_value(&self) -> Value {
        match self {
            Given::Text(text) => Value::text(text),
            Given::Value(value) => value.clone(),
        }
    }

    /// Whether this is NULL.
    pub const fn is_null(&self) -> bool {
        matches!(self, Given::Value(Value::Null))
    }
}

impl Type {
    /// Whether this text, which has no zeros, is a value of the type just as it is, and is stored so.
    pub fn stores_text(&self, text: &str) -> bool {
        match self.element {
            Element::Base(Base::Text) => !self.array,
            // A letter has at least one byte.
            Element::Base(Base::Varchar) => {
                let most = self.modifier.character_count();
                !self.array && most.is_none_or(|most| text.len() <= most)
            }
            _ => false,
        }
    }
}

/// What puts a value into a row.
trait Source {
    fn is_null(&self) -> bool;
    fn put_fixed(&self, of: &Type, out: &mut [u8]) -> Result<()>;
    fn put_varying(&self, of: &Type, out: &mut Vec<u8>) -> Result<()>;
}

impl Source for Value {
    fn is_null(&self) -> bool {
        self.is_null()
    }

    fn put_fixed(&self, of: &Type, out: &mut [u8]) -> Result<()> {
        value::put_fixed(of, self, out)
    }

    fn put_varying(&self, of: &Type, out: &mut Vec<u8>) -> Result<()> {
        value::put_varying(of, self, out)
    }
}

impl Source for Given<'_> {
    fn is_null(&self) -> bool {
        self.is_null()
    }

    fn put_fixed(&self, of: &Type, out: &mut [u8]) -> Result<()> {
        match self {
            Given::Text(_) => Err(Error::mismatch("type of a column")),
            Given::Value(value) => value::put_fixed(of, value, out),
        }
    }

    fn put_varying(&self, of: &Type, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Given::Text(text) if of.stores_text(text) => out.extend_from_slice(text.as_bytes()),
            Given::Text(_) => return Err(Error::mismatch("type of a column")),
            Given::Value(value) => value::put_varying(of, value, out)?,
        }
        Ok(())
    }
}

/// One bit per column, the lowest first; set for NULL.
fn put_bitmap<S: Source>(values: &[S], out: &mut Vec<u8>) {
    for eight in values.chunks(8) {
        let bits = eight
            .iter()
            .enumerate()
            .map(|(bit, value)| u8::from(value.is_null()) << bit);
        out.push(bits.fold(0, |byte, bit| byte | bit));
    }
}

/// Replaces the table of one-byte offsets; returns how many bytes each has now.
fn put_wide_ends(wide: &[u32], ends: usize, out: &mut Vec<u8>) -> u8 {
    let short = wide.last().is_none_or(|end| *end <= u32::from(u16::MAX));
    let table: Vec<u8> = if short {
        wide.iter()
            .flat_map(|end| (*end as u16).to_le_bytes())
            .collect()
    } else {
        wide.iter().flat_map(|end| end.to_le_bytes()).collect()
    };
    out.splice(ends..ends + wide.len(), table);
    if short { 2 } else { 4 }
}

fn too_long() -> Error {
    Error::new(
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        "row is too big: more than 4 GiB",
    )
}
