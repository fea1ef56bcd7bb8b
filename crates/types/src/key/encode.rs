//! Values to key bytes.

use std::ops::Deref;

use super::{
    ARRAY_END, ARRAY_NULL, ARRAY_VALUE, END, ESCAPED_ZERO, KeyColumn, MARK_NULL_FIRST,
    MARK_NULL_LAST, MARK_VALUE, Nulls,
};
use crate::array::Array;
use crate::error::{Error, Result, SqlState};
use crate::order::without_padding;
use crate::types::Type;
use crate::value::Value;
use crate::{json, numeric};

/// Appends a column of a key.
///
/// An error if the value is NULL where NULL cannot be, is not of the column's type, or the type
/// has no order.
pub fn encode(column: &KeyColumn, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    match (column.nulls, value) {
        (Nulls::First, Value::Null) => out.push(MARK_NULL_FIRST),
        (Nulls::Last, Value::Null) => out.push(MARK_NULL_LAST),
        (Nulls::Never, Value::Null) => {
            let words = "null value in a key column that cannot be null";
            return Err(Error::new(SqlState::NOT_NULL_VIOLATION, words));
        }
        (nulls, value) => {
            if nulls != Nulls::Never {
                out.push(MARK_VALUE);
            }
            let start = out.len();
            encode_value(&column.column_type, value, out)?;
            if column.descending {
                out[start..].iter_mut().for_each(|byte| *byte = !*byte);
            }
        }
    }
    Ok(())
}

/// The key of a column alone, if it is an integer as the simplest of keys have it: the same bytes as
/// [`encode`] appends, for who looks single rows up and needs no room for longer ones.
#[inline]
pub fn encode_integer(column: &KeyColumn, value: &Value) -> Option<IntegerKey> {
    if column.nulls != Nulls::Never || column.descending || !column.column_type.holds(value) {
        return None;
    }
    let (bytes, length) = match value {
        Value::Int8(number) => (i64_key(*number), 8),
        Value::Int4(number) => {
            let mut bytes = [0; 8];
            bytes[..4].copy_from_slice(&i32_key(*number));
            (bytes, 4)
        }
        _ => return None,
    };
    Some(IntegerKey { bytes, length })
}

/// The bytes of [`encode_integer`].
#[derive(Clone, Copy, Debug)]
pub struct IntegerKey {
    bytes: [u8; 8],
    length: usize,
}

impl Deref for IntegerKey {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Appends a value that is not NULL, ascending.
fn encode_value(of: &Type, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    if !of.holds(value) {
        return Err(Error::mismatch(format_args!(
            "{} as {}",
            value.kind(),
            of.name()
        )));
    }
    match value {
        Value::Int8(number)
        | Value::Time(number)
        | Value::Timestamp(number)
        | Value::Timestamptz(number) => put_i64(*number, out),
        Value::Int4(number) | Value::Date(number) => put_i32(*number, out),
        Value::Text(text) if of.is_padded() => put_escaped(without_padding(text.as_bytes()), out),
        Value::Text(text) => put_escaped(text.as_bytes(), out),
        Value::Bool(truth) => out.push(u8::from(*truth)),
        Value::Int2(number) => {
            out.extend_from_slice(&(*number as u16 ^ 0x8000).to_be_bytes());
        }
        Value::Float4(number) => put_f32(*number, out),
        Value::Float8(number) => put_f64(*number, out),
        Value::Numeric(number) => numeric::encode_key(number, out),
        Value::Oid(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::Bytea(bytes) => put_escaped(bytes, out),
        Value::Interval(interval) => {
            let span = interval.span() as u128 ^ (1 << 127);
            out.extend_from_slice(&span.to_be_bytes());
        }
        Value::Uuid(bytes) => out.extend_from_slice(bytes),
        Value::Jsonb(tree) => json::encode_key(tree, out),
        Value::Enum(label) => put_f64(label.order, out),
        Value::Vector(numbers) => {
            for number in numbers.iter() {
                out.push(ARRAY_VALUE);
                put_f32(*number, out);
            }
            out.push(ARRAY_END);
        }
        Value::Array(array) => encode_array(of, array, out)?,
        Value::Json(_) | Value::Record(_) | Value::Null => {
            let words = format!(
                "could not identify an ordering operator for type {}",
                of.name()
            );
            return Err(Error::new(SqlState::UNDEFINED_FUNCTION, words));
        }
    }
    Ok(())
}

fn encode_array(of: &Type, array: &Array, out: &mut Vec<u8>) -> Result<()> {
    let element = of.without_domains().element_type();
    let element = element.ok_or_else(|| Error::mismatch("array"))?;
    for value in array.values() {
        if value.is_null() {
            out.push(ARRAY_NULL);
        } else {
            out.push(ARRAY_VALUE);
            encode_value(&element, value, out)?;
        }
    }
    out.push(ARRAY_END);
    out.push(array.dimensions().len() as u8);
    for dimension in array.dimensions() {
        out.extend_from_slice(&dimension.length.to_be_bytes());
    }
    array
        .dimensions()
        .iter()
        .for_each(|dimension| put_i32(dimension.lower, out));
    Ok(())
}

fn put_i64(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&i64_key(number));
}

fn put_i32(number: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(&i32_key(number));
}

fn i64_key(number: i64) -> [u8; 8] {
    (number as u64 ^ (1 << 63)).to_be_bytes()
}

fn i32_key(number: i32) -> [u8; 4] {
    (number as u32 ^ (1 << 31)).to_be_bytes()
}

/// Zeros are one, and so are NaNs. The sign bit turns over; below zero all others do too.
fn put_f64(number: f64, out: &mut Vec<u8>) {
    let number = if number == 0.0 { 0.0 } else { number };
    let bits = if number.is_nan() {
        f64::NAN.to_bits() & !(1 << 63)
    } else {
        number.to_bits()
    };
    let flip = if bits >> 63 == 1 { u64::MAX } else { 1 << 63 };
    out.extend_from_slice(&(bits ^ flip).to_be_bytes());
}

fn put_f32(number: f32, out: &mut Vec<u8>) {
    let number = if number == 0.0 { 0.0 } else { number };
    let bits = if number.is_nan() {
        f32::NAN.to_bits() & !(1 << 31)
    } else {
        number.to_bits()
    };
    let flip = if bits >> 31 == 1 { u32::MAX } else { 1 << 31 };
    out.extend_from_slice(&(bits ^ flip).to_be_bytes());
}

/// Bytes that end where they say, and sort before their extensions.
pub(crate) fn put_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(zero) = rest.iter().position(|byte| *byte == 0) {
        out.extend_from_slice(&rest[..=zero]);
        out.push(ESCAPED_ZERO);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(&[0, END]);
}
