//! Values as bytes that say what they are: what queries put aside in spill files.
//!
//! ```text
//! kind (one byte, `Value::rank`) │ the value: its fixed bytes, or a length and as many
//! ```
//!
//! A value comes back exactly as it was, but for labels of enums and shared text, which are then no
//! longer shared. Only the process that wrote the bytes reads them; decoding never panics all the
//! same.

use std::sync::Arc;

use crate::array::{Array, DIMENSIONS_MAX, Dimension};
use crate::error::{Error, Result};
use crate::interval::Interval;
use crate::record::Record;
use crate::text::{INLINE_BYTES_MAX, Text};
use crate::types::EnumLabel;
use crate::value::Value;
use crate::{Json, json, numeric, varint};

/// Values nest no deeper than this.
const DEPTH_MAX: usize = 256;

impl Value {
    /// Appends the value.
    pub fn pack(&self, out: &mut Vec<u8>) {
        out.push(self.rank());
        match self {
            Value::Null => {}
            Value::Bool(truth) => out.push(u8::from(*truth)),
            Value::Int2(number) => out.extend_from_slice(&number.to_le_bytes()),
            Value::Int4(number) | Value::Date(number) => {
                out.extend_from_slice(&number.to_le_bytes());
            }
            Value::Int8(number)
            | Value::Time(number)
            | Value::Timestamp(number)
            | Value::Timestamptz(number) => out.extend_from_slice(&number.to_le_bytes()),
            Value::Float4(number) => out.extend_from_slice(&number.to_bits().to_le_bytes()),
            Value::Float8(number) => out.extend_from_slice(&number.to_bits().to_le_bytes()),
            Value::Oid(number) => out.extend_from_slice(&number.to_le_bytes()),
            Value::Text(text) => varint::put_bytes(text.as_bytes(), out),
            Value::Json(text) => varint::put_bytes(text.as_bytes(), out),
            Value::Bytea(bytes) => varint::put_bytes(bytes, out),
            Value::Uuid(bytes) => out.extend_from_slice(bytes),
            Value::Interval(interval) => {
                out.extend_from_slice(&interval.micros.to_le_bytes());
                out.extend_from_slice(&interval.days.to_le_bytes());
                out.extend_from_slice(&interval.months.to_le_bytes());
            }
            Value::Numeric(number) => put_counted(out, |out| numeric::encode_row(number, out)),
            Value::Jsonb(tree) => put_counted(out, |out| json::encode_row(tree, out)),
            Value::Vector(numbers) => {
                varint::put(numbers.len() as u64, out);
                for number in numbers.iter() {
                    out.extend_from_slice(&number.to_bits().to_le_bytes());
                }
            }
            Value::Enum(label) => {
                out.extend_from_slice(&label.id.to_le_bytes());
                out.extend_from_slice(&label.order.to_bits().to_le_bytes());
                varint::put_bytes(label.label.as_bytes(), out);
            }
            Value::Array(array) => {
                out.push(array.dimensions().len() as u8);
                for dimension in array.dimensions() {
                    out.extend_from_slice(&dimension.length.to_le_bytes());
                    out.extend_from_slice(&dimension.lower.to_le_bytes());
                }
                pack_all(array.values(), out);
            }
            Value::Record(record) => {
                pack_all(record, out);
                let names = record.names().map_or(&[][..], |names| names);
                varint::put(names.len() as u64, out);
                let names = names.iter();
                names.for_each(|name| varint::put_bytes(name.as_bytes(), out));
                let padded = record.padded().map_or(&[][..], |padded| padded);
                varint::put(padded.len() as u64, out);
                out.extend(padded.iter().map(|is| u8::from(*is)));
            }
        }
    }

    /// Takes a value from the start of what [`Value::pack`] has written.
    pub fn unpack(bytes: &mut &[u8]) -> Result<Value> {
        unpack(bytes, 0)
    }

    /// About how much memory it takes outside of itself.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::Text(text) => match text.as_bytes().len() {
                ..=INLINE_BYTES_MAX => 0,
                length => length,
            },
            Value::Bytea(bytes) => bytes.len(),
            Value::Json(text) => text.len(),
            Value::Array(array) => array.values().iter().map(total_bytes).sum(),
            Value::Record(fields) => fields.iter().map(total_bytes).sum(),
            Value::Vector(numbers) => numbers.len() * size_of::<f32>(),
            Value::Jsonb(json) => json_bytes(json),
            _ => 0,
        }
    }
}

fn total_bytes(value: &Value) -> usize {
    size_of::<Value>() + value.heap_bytes()
}

/// About how much memory a tree takes.
pub(crate) fn json_bytes(json: &Json) -> usize {
    size_of::<Json>()
        + match json {
            Json::String(text) => text.len(),
            Json::Array(elements) => elements.iter().map(json_bytes).sum(),
            Json::Object(members) => members
                .iter()
                .map(|(key, value)| size_of::<Box<str>>() + key.len() + json_bytes(value))
                .sum(),
            Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        }
}

fn pack_all(values: &[Value], out: &mut Vec<u8>) {
    varint::put(values.len() as u64, out);
    values.iter().for_each(|value| value.pack(out));
}

/// Bytes whose number is known only when they are there.
fn put_counted(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    put(out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn counted<'b>(bytes: &mut &'b [u8]) -> Result<&'b [u8]> {
    let length = u32::from_le_bytes(take(bytes)?) as usize;
    let (counted, rest) = bytes.split_at_checked(length).ok_or_else(damaged)?;
    *bytes = rest;
    Ok(counted)
}

fn unpack(bytes: &mut &[u8], depth: usize) -> Result<Value> {
    if depth > DEPTH_MAX {
        return Err(damaged());
    }
    let [kind] = take(bytes)?;
    Ok(match kind {
        255 => Value::Null,
        1 => Value::Bool(take::<1>(bytes)? != [0]),
        2 => Value::Int2(i16::from_le_bytes(take(bytes)?)),
        3 => Value::Int4(i32::from_le_bytes(take(bytes)?)),
        4 => Value::Int8(i64::from_le_bytes(take(bytes)?)),
        5 => Value::Float4(f32::from_le_bytes(take(bytes)?)),
        6 => Value::Float8(f64::from_le_bytes(take(bytes)?)),
        7 => Value::Numeric(numeric::decode_row(counted(bytes)?)?),
        8 => Value::Oid(u32::from_le_bytes(take(bytes)?)),
        9 => Value::Text(Text::new(text(bytes)?)),
        10 => Value::Bytea(Arc::from(long(bytes)?)),
        11 => Value::Date(i32::from_le_bytes(take(bytes)?)),
        12 => Value::Time(i64::from_le_bytes(take(bytes)?)),
        13 => Value::Timestamp(i64::from_le_bytes(take(bytes)?)),
        14 => Value::Timestamptz(i64::from_le_bytes(take(bytes)?)),
        15 => {
            let micros = i64::from_le_bytes(take(bytes)?);
            let days = i32::from_le_bytes(take(bytes)?);
            let months = i32::from_le_bytes(take(bytes)?);
            Value::Interval(Interval::new(months, days, micros))
        }
        16 => Value::Uuid(take(bytes)?),
        17 => Value::Json(Arc::from(text(bytes)?)),
        18 => Value::Jsonb(Arc::new(json::decode_row(counted(bytes)?)?)),
        19 => {
            let count = varint::take(bytes).ok_or_else(damaged)?;
            let numbers = (0..count).map(|_| Ok(f32::from_le_bytes(take(bytes)?)));
            Value::Vector(numbers.collect::<Result<_>>()?)
        }
        20 => {
            let id = u32::from_le_bytes(take(bytes)?);
            let order = f64::from_le_bytes(take(bytes)?);
            let label = text(bytes)?.to_owned();
            Value::Enum(Arc::new(EnumLabel { id, order, label }))
        }
        21 => array(bytes, depth)?,
        22 => Value::Record(Arc::new(record(bytes, depth)?)),
        _ => return Err(damaged()),
    })
}

fn array(bytes: &mut &[u8], depth: usize) -> Result<Value> {
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
    let array = Array::new(dimensions, unpack_all(bytes, depth)?);
    Ok(Value::Array(Arc::new(array.map_err(|_| damaged())?)))
}

fn record(bytes: &mut &[u8], depth: usize) -> Result<Record> {
    let fields = unpack_all(bytes, depth)?;
    let count = varint::take(bytes).ok_or_else(damaged)?;
    let mut names: Vec<Box<str>> = Vec::new();
    for _ in 0..count {
        names.push(text(bytes)?.into());
    }
    let count = varint::take(bytes).ok_or_else(damaged)?;
    let mut padded = Vec::new();
    for _ in 0..count {
        let [is] = take(bytes)?;
        padded.push(is != 0);
    }
    let record = match names.is_empty() {
        true => Record::new(fields),
        false => Record::named(fields, names.into()),
    };
    let padded = (!padded.is_empty()).then(|| padded.into());
    Ok(record.with_padded(padded))
}

fn unpack_all(bytes: &mut &[u8], depth: usize) -> Result<Vec<Value>> {
    let count = varint::take(bytes).ok_or_else(damaged)?;
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(unpack(bytes, depth + 1)?);
    }
    Ok(values)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let (array, rest) = bytes.split_first_chunk::<N>().ok_or_else(damaged)?;
    *bytes = rest;
    Ok(*array)
}

fn long<'b>(bytes: &mut &'b [u8]) -> Result<&'b [u8]> {
    varint::take_bytes(bytes).ok_or_else(damaged)
}

fn text<'b>(bytes: &mut &'b [u8]) -> Result<&'b str> {
    std::str::from_utf8(long(bytes)?).map_err(|_| damaged())
}

fn damaged() -> Error {
    Error::corrupted("packed value")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Modifier, Numeric, samples};

    fn round_trip(value: &Value) -> Value {
        let mut bytes = Vec::new();
        value.pack(&mut bytes);
        let mut rest = &bytes[..];
        let back = Value::unpack(&mut rest).unwrap();
        assert!(rest.is_empty());
        back
    }

    fn numeric(text: &str) -> Numeric {
        Numeric::parse(text, Modifier::NONE).unwrap()
    }

    #[test]
    fn forms_that_are_equal_stay_apart() {
        for value in [
            Value::Float8(-0.0),
            Value::Float8(f64::NAN),
            Value::Numeric(numeric("1.00")),
            Value::Numeric(numeric("NaN")),
            Value::Record(Arc::new(Record::new([Value::Null, Value::text("x")]))),
            Value::Record(Arc::new(Record::named(
                [Value::Null],
                Arc::from([Box::from("a")]),
            ))),
            Value::Array(Arc::new(Array::from_values(Vec::new()))),
        ] {
            let back = round_trip(&value);
            assert_eq!(format!("{back:?}"), format!("{value:?}"));
        }
    }

    proptest! {
        #[test]
        fn values_come_back((_, value) in samples::typed_value()) {
            let back = round_trip(&value);
            prop_assert_eq!(format!("{back:?}"), format!("{value:?}"));
        }

        #[test]
        fn bytes_that_mean_nothing_are_an_error_or_a_value(
            bytes in prop::collection::vec(any::<u8>(), 0..60)
        ) {
            let _ = Value::unpack(&mut &bytes[..]);
        }
    }
}
