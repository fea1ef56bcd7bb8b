//! One value's bytes in a row, by its type. Arrays hold their elements in the same form.

use std::sync::Arc;

use crate::array::{Array, DIMENSIONS_MAX, Dimension};
use crate::base::Base;
use crate::error::{Error, Result};
use crate::interval::Interval;
use crate::text::Text;
use crate::types::{Element, Type};
use crate::value::Value;
use crate::{json, numeric, varint};

/// Writes a value of fixed width; NULL leaves the zeros that are there.
pub(super) fn put_fixed(of: &Type, value: &Value, out: &mut [u8]) -> Result<()> {
    if !of.holds(value) {
        return Err(mismatch(of, value));
    }
    match (value, out.len()) {
        (Value::Null, _) => {}
        (Value::Bool(truth), 1) => out[0] = u8::from(*truth),
        (Value::Int2(number), 2) => out.copy_from_slice(&number.to_le_bytes()),
        (Value::Int4(number) | Value::Date(number), 4) => {
            out.copy_from_slice(&number.to_le_bytes());
        }
        (Value::Oid(number), 4) => out.copy_from_slice(&number.to_le_bytes()),
        (Value::Float4(number), 4) => out.copy_from_slice(&number.to_le_bytes()),
        (Value::Enum(label), 4) => out.copy_from_slice(&label.id.to_le_bytes()),
        (
            Value::Int8(number)
            | Value::Time(number)
            | Value::Timestamp(number)
            | Value::Timestamptz(number),
            8,
        ) => out.copy_from_slice(&number.to_le_bytes()),
        (Value::Float8(number), 8) => out.copy_from_slice(&number.to_le_bytes()),
        (Value::Uuid(bytes), 16) => out.copy_from_slice(bytes),
        (Value::Interval(interval), 16) => {
            out[..8].copy_from_slice(&interval.micros.to_le_bytes());
            out[8..12].copy_from_slice(&interval.days.to_le_bytes());
            out[12..].copy_from_slice(&interval.months.to_le_bytes());
        }
        (other, _) => return Err(mismatch(of, other)),
    }
    Ok(())
}

/// Appends a value of varying width; NULL appends nothing.
pub(super) fn put_varying(of: &Type, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    if !of.holds(value) {
        return Err(mismatch(of, value));
    }
    match value {
        Value::Null => {}
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::Json(text) => out.extend_from_slice(text.as_bytes()),
        Value::Bytea(bytes) => out.extend_from_slice(bytes),
        Value::Numeric(number) => numeric::encode_row(number, out),
        Value::Jsonb(tree) => json::encode_row(tree, out),
        Value::Vector(numbers) => {
            numbers
                .iter()
                .for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        }
        Value::Array(array) => put_array(of, array, out)?,
        other => return Err(mismatch(of, other)),
    }
    Ok(())
}

fn put_array(of: &Type, array: &Array, out: &mut Vec<u8>) -> Result<()> {
    let element = of.without_domains().element_type();
    let element = element.ok_or_else(|| Error::mismatch("array"))?;
    let width = super::fixed_width(&element);
    out.push(array.dimensions().len() as u8);
    for dimension in array.dimensions() {
        out.extend_from_slice(&dimension.length.to_le_bytes());
        out.extend_from_slice(&dimension.lower.to_le_bytes());
    }
    let mut bytes = Vec::new();
    for value in array.values() {
        if value.is_null() {
            out.push(0);
            continue;
        }
        bytes.clear();
        match width {
            Some(width) => {
                bytes.resize(width, 0);
                put_fixed(&element, value, &mut bytes)?;
            }
            None => put_varying(&element, value, &mut bytes)?,
        }
        // One more than the length, so that zero is left for NULL.
        varint::put(bytes.len() as u64 + 1, out);
        out.extend_from_slice(&bytes);
    }
    Ok(())
}

/// Reads the bytes of a value that is not NULL.
pub(super) fn decode(of: &Type, bytes: &[u8]) -> Result<Value> {
    if let Some(element) = of.element_type() {
        return decode_array(&element, bytes);
    }
    match &of.element {
        Element::Base(base) => decode_base(*base, bytes),
        Element::Enum(definition) => {
            let label = definition.by_id(u32::from_le_bytes(exact(bytes)?));
            label
                .map(|label| Value::Enum(label.clone()))
                .ok_or_else(damaged)
        }
        Element::Domain(domain) => decode(&domain.base, bytes),
    }
}

fn decode_base(base: Base, bytes: &[u8]) -> Result<Value> {
    Ok(match base {
        Base::Bool => match bytes {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            _ => return Err(damaged()),
        },
        Base::Int2 => Value::Int2(i16::from_le_bytes(exact(bytes)?)),
        Base::Int4 => Value::Int4(i32::from_le_bytes(exact(bytes)?)),
        Base::Int8 => Value::Int8(i64::from_le_bytes(exact(bytes)?)),
        Base::Float4 => Value::Float4(f32::from_le_bytes(exact(bytes)?)),
        Base::Float8 => Value::Float8(f64::from_le_bytes(exact(bytes)?)),
        Base::Numeric => Value::Numeric(numeric::decode_row(bytes)?),
        Base::Oid => Value::Oid(u32::from_le_bytes(exact(bytes)?)),
        Base::Text | Base::Varchar | Base::Bpchar | Base::Name | Base::Char | Base::Unknown => {
            Value::Text(Text::from_utf8(bytes).ok_or_else(damaged)?)
        }
        Base::Bytea => Value::Bytea(Arc::from(bytes)),
        Base::Date => Value::Date(i32::from_le_bytes(exact(bytes)?)),
        Base::Time => Value::Time(i64::from_le_bytes(exact(bytes)?)),
        Base::Timestamp => Value::Timestamp(i64::from_le_bytes(exact(bytes)?)),
        Base::Timestamptz => Value::Timestamptz(i64::from_le_bytes(exact(bytes)?)),
        Base::Interval => {
            let whole: [u8; 16] = exact(bytes)?;
            let micros = i64::from_le_bytes(exact(&whole[..8])?);
            let days = i32::from_le_bytes(exact(&whole[8..12])?);
            let months = i32::from_le_bytes(exact(&whole[12..])?);
            Value::Interval(Interval::new(months, days, micros))
        }
        Base::Uuid => Value::Uuid(exact(bytes)?),
        Base::Json => Value::Json(Arc::from(utf8(bytes)?)),
        Base::Jsonb => Value::Jsonb(Arc::new(json::decode_row(bytes)?)),
        Base::Vector => {
            let (numbers, odd) = bytes.as_chunks::<4>();
            if !odd.is_empty() {
                return Err(damaged());
            }
            Value::Vector(
                numbers
                    .iter()
                    .map(|number| f32::from_le_bytes(*number))
                    .collect(),
            )
        }
        Base::Record | Base::Void => return Err(damaged()),
    })
}

fn decode_array(element: &Type, mut bytes: &[u8]) -> Result<Value> {
    let bytes = &mut bytes;
    let [count] = take(bytes)?;
    if usize::from(count) > DIMENSIONS_MAX {
        return Err(damaged());
    }
    let mut dimensions = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let length = u32::from_le_bytes(take(bytes)?);
        let lower = i32::from_le_bytes(take(bytes)?);
        dimensions.push(Dimension { lower, length });
    }
    let mut values = Vec::new();
    while !bytes.is_empty() {
        let length = varint::take(bytes).ok_or_else(damaged)?;
        let Some(length) = length.checked_sub(1) else {
            values.push(Value::Null);
            continue;
        };
        let length = usize::try_from(length).map_err(|_| damaged())?;
        let (value, rest) = bytes.split_at_checked(length).ok_or_else(damaged)?;
        values.push(decode(element, value)?);
        *bytes = rest;
    }
    let array = Array::new(dimensions, values).map_err(|_| damaged())?;
    Ok(Value::Array(Arc::new(array)))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let (array, rest) = bytes.split_first_chunk::<N>().ok_or_else(damaged)?;
    *bytes = rest;
    Ok(*array)
}

fn exact<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| damaged())
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| damaged())
}

fn mismatch(of: &Type, value: &Value) -> Error {
    Error::mismatch(format_args!(
        "{} in a column of type {}",
        value.kind(),
        of.name()
    ))
}

fn damaged() -> Error {
    Error::corrupted("row")
}
