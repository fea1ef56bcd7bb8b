//! Key bytes to values.

use std::sync::Arc;

use super::{
    ARRAY_END, ARRAY_NULL, ARRAY_VALUE, END, ESCAPED_ZERO, KeyColumn, MARK_NULL_FIRST,
    MARK_NULL_LAST, MARK_VALUE, Nulls,
};
use crate::array::{Array, DIMENSIONS_MAX, Dimension};
use crate::base::Base;
use crate::error::{Error, Result};
use crate::interval::{DAYS_PER_MONTH, Interval, MICROS_PER_DAY};
use crate::json;
use crate::modifier::VECTOR_DIMENSIONS_MAX;
use crate::numeric::{self, Numeric};
use crate::text::Text;
use crate::types::{Element, Type};
use crate::value::Value;

/// Takes a column from the start of `bytes`: a value that equals the one that was encoded.
///
/// An error if the bytes are not of such a column. Bytes that no encoder wrote may also decode to
/// some value; they never panic.
pub fn decode(column: &KeyColumn, bytes: &mut &[u8]) -> Result<Value> {
    if column.nulls != Nulls::Never {
        let (marker, rest) = bytes.split_first().ok_or_else(damaged)?;
        *bytes = rest;
        match (*marker, column.nulls) {
            (MARK_VALUE, _) => {}
            (MARK_NULL_FIRST, Nulls::First) | (MARK_NULL_LAST, Nulls::Last) => {
                return Ok(Value::Null);
            }
            _ => return Err(damaged()),
        }
    }
    let flip = if column.descending { 0xff } else { 0 };
    let mut reader = Reader { bytes, flip };
    let value = decode_value(&column.column_type, &mut reader)?;
    *bytes = reader.bytes;
    Ok(value)
}

/// Bytes of a key, inverted back if the column is descending.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    flip: u8,
}

impl<'a> Reader<'a> {
    #[cfg(test)]
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, flip: 0 }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (array, rest) = self.bytes.split_first_chunk::<N>().ok_or_else(damaged)?;
        self.bytes = rest;
        Ok(array.map(|byte| byte ^ self.flip))
    }

    pub(crate) fn numeric(&mut self) -> Result<Numeric> {
        let (number, length) = numeric::decode_key(self.bytes, self.flip)?;
        self.bytes = &self.bytes[length..];
        Ok(number)
    }

    pub(crate) fn text(&mut self) -> Result<String> {
        String::from_utf8(self.escaped()?).map_err(|_| damaged())
    }

    fn escaped(&mut self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            let zero = self
                .bytes
                .iter()
                .position(|byte| *byte == self.flip)
                .ok_or_else(damaged)?;
            out.extend(self.bytes[..zero].iter().map(|byte| byte ^ self.flip));
            self.bytes = &self.bytes[zero + 1..];
            match self.byte()? {
                END => return Ok(out),
                ESCAPED_ZERO => out.push(0),
                _ => return Err(damaged()),
            }
        }
    }

    fn i64(&mut self) -> Result<i64> {
        Ok((u64::from_be_bytes(self.array()?) ^ (1 << 63)) as i64)
    }

    fn i32(&mut self) -> Result<i32> {
        Ok((u32::from_be_bytes(self.array()?) ^ (1 << 31)) as i32)
    }

    fn f64(&mut self) -> Result<f64> {
        let bits = u64::from_be_bytes(self.array()?);
        let flip = if bits >> 63 == 0 { u64::MAX } else { 1 << 63 };
        Ok(f64::from_bits(bits ^ flip))
    }

    fn f32(&mut self) -> Result<f32> {
        let bits = u32::from_be_bytes(self.array()?);
        let flip = if bits >> 31 == 0 { u32::MAX } else { 1 << 31 };
        Ok(f32::from_bits(bits ^ flip))
    }
}

fn decode_value(of: &Type, reader: &mut Reader<'_>) -> Result<Value> {
    if let Some(element) = of.element_type() {
        return decode_array(&element, reader);
    }
    match &of.element {
        Element::Base(base) => decode_base(*base, of, reader),
        Element::Enum(definition) => {
            let label = definition.by_order(reader.f64()?).ok_or_else(damaged)?;
            Ok(Value::Enum(label.clone()))
        }
        Element::Domain(domain) => decode_value(&domain.base, reader),
    }
}

fn decode_base(base: Base, of: &Type, reader: &mut Reader<'_>) -> Result<Value> {
    Ok(match base {
        Base::Bool => match reader.byte()? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return Err(damaged()),
        },
        Base::Int2 => Value::Int2((u16::from_be_bytes(reader.array()?) ^ 0x8000) as i16),
        Base::Int4 => Value::Int4(reader.i32()?),
        Base::Int8 => Value::Int8(reader.i64()?),
        Base::Float4 => Value::Float4(reader.f32()?),
        Base::Float8 => Value::Float8(reader.f64()?),
        Base::Numeric => Value::Numeric(reader.numeric()?),
        Base::Oid => Value::Oid(u32::from_be_bytes(reader.array()?)),
        Base::Text | Base::Varchar | Base::Name | Base::Char | Base::Unknown => {
            Value::Text(Text::from(reader.text()?))
        }
        Base::Bpchar => {
            let text = reader.text()?;
            Value::Text(crate::io::pad(text, of.modifier))
        }
        Base::Bytea => Value::Bytea(reader.escaped()?.into()),
        Base::Date => Value::Date(reader.i32()?),
        Base::Time => Value::Time(reader.i64()?),
        Base::Timestamp => Value::Timestamp(reader.i64()?),
        Base::Timestamptz => Value::Timestamptz(reader.i64()?),
        Base::Interval => Value::Interval(decode_interval(reader)?),
        Base::Uuid => Value::Uuid(reader.array()?),
        Base::Jsonb => Value::Jsonb(Arc::new(json::decode_key(reader)?)),
        Base::Vector => decode_vector(reader)?,
        Base::Json | Base::Record | Base::Void => return Err(damaged()),
    })
}

/// An interval of the same length, in months of thirty days.
fn decode_interval(reader: &mut Reader<'_>) -> Result<Interval> {
    let span = (u128::from_be_bytes(reader.array()?) ^ (1 << 127)) as i128;
    let day = i128::from(MICROS_PER_DAY);
    let (days, micros) = (span / day, (span % day) as i64);
    let month = i128::from(DAYS_PER_MONTH);
    let months = (days / month).clamp(i128::from(i32::MIN), i128::from(i32::MAX));
    let days = days - months * month;
    // At the ends of the range the days take what the months cannot hold.
    let held = days.clamp(i128::from(i32::MIN), i128::from(i32::MAX));
    let micros = i128::from(micros) + (days - held) * day;
    let micros = i64::try_from(micros).map_err(|_| damaged())?;
    Ok(Interval::new(months as i32, held as i32, micros))
}

fn decode_vector(reader: &mut Reader<'_>) -> Result<Value> {
    let mut numbers = Vec::new();
    loop {
        match reader.byte()? {
            ARRAY_END => return Ok(Value::Vector(numbers.into())),
            ARRAY_VALUE if numbers.len() < VECTOR_DIMENSIONS_MAX => numbers.push(reader.f32()?),
            _ => return Err(damaged()),
        }
    }
}

fn decode_array(element: &Type, reader: &mut Reader<'_>) -> Result<Value> {
    let mut values = Vec::new();
    loop {
        match reader.byte()? {
            ARRAY_END => break,
            ARRAY_VALUE => values.push(decode_value(element, reader)?),
            ARRAY_NULL => values.push(Value::Null),
            _ => return Err(damaged()),
        }
    }
    let count = usize::from(reader.byte()?);
    if count > DIMENSIONS_MAX {
        return Err(damaged());
    }
    let mut dimensions = vec![
        Dimension {
            lower: 1,
            length: 0
        };
        count
    ];
    for dimension in &mut dimensions {
        dimension.length = u32::from_be_bytes(reader.array()?);
    }
    for dimension in &mut dimensions {
        dimension.lower = reader.i32()?;
    }
    let array = Array::new(dimensions, values).map_err(|_| damaged())?;
    Ok(Value::Array(Arc::new(array)))
}

fn damaged() -> Error {
    Error::corrupted("key")
}
