//! Values to bytes.

use super::{JSONB_VERSION, numeric};
use crate::array::Array;
use crate::base::Base;
use crate::io;
use crate::oid::Oid;
use crate::types::Type;
use crate::value::Value;

/// Appends the binary form of a value of a type. NULL, which has none, appends nothing.
pub fn send(value: &Value, of: &Type, out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Bool(truth) => out.push(u8::from(*truth)),
        Value::Int2(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::Int4(number) | Value::Date(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::Int8(number)
        | Value::Time(number)
        | Value::Timestamp(number)
        | Value::Timestamptz(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::Oid(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::Float4(number) => out.extend_from_slice(&number.to_bits().to_be_bytes()),
        Value::Float8(number) => out.extend_from_slice(&number.to_bits().to_be_bytes()),
        Value::Numeric(number) => numeric::send(number, out),
        Value::Text(text) if of.base() == Some(Base::Char) => out.push(io::byte_of_char(text)),
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::Json(text) => out.extend_from_slice(text.as_bytes()),
        Value::Enum(label) => out.extend_from_slice(label.label.as_bytes()),
        Value::Jsonb(tree) => {
            out.push(JSONB_VERSION);
            out.extend_from_slice(tree.to_string().as_bytes());
        }
        Value::Bytea(bytes) => out.extend_from_slice(bytes),
        Value::Uuid(bytes) => out.extend_from_slice(bytes),
        Value::Interval(interval) => {
            out.extend_from_slice(&interval.micros.to_be_bytes());
            out.extend_from_slice(&interval.days.to_be_bytes());
            out.extend_from_slice(&interval.months.to_be_bytes());
        }
        Value::Vector(numbers) => {
            out.extend_from_slice(&(numbers.len() as u16).to_be_bytes());
            out.extend_from_slice(&[0, 0]);
            let bits = numbers.iter().map(|number| number.to_bits().to_be_bytes());
            bits.for_each(|bits| out.extend_from_slice(&bits));
        }
        Value::Array(array) => send_array(array, &of.without_domains(), out),
        Value::Record(fields) => send_record(fields, out),
    }
}

fn send_array(array: &Array, of: &Type, out: &mut Vec<u8>) {
    let element = of.without_domains().element_type().unwrap_or(Type::UNKNOWN);
    let nulls = array.values().iter().any(Value::is_null);
    put_count(array.dimensions().len(), out);
    put_count(usize::from(nulls), out);
    out.extend_from_slice(&element.oid().0.to_be_bytes());
    for dimension in array.dimensions() {
        out.extend_from_slice(&dimension.length.to_be_bytes());
        out.extend_from_slice(&dimension.lower.to_be_bytes());
    }
    array
        .values()
        .iter()
        .for_each(|value| put_sized(value, &element, out));
}

/// The types of a row's fields are those that show; NULL is `unknown`.
fn send_record(fields: &[Value], out: &mut Vec<u8>) {
    put_count(fields.len(), out);
    for field in fields {
        let of = io::evident_type(field);
        let oid = if field.is_null() {
            Oid::UNKNOWN
        } else {
            of.oid()
        };
        out.extend_from_slice(&oid.0.to_be_bytes());
        put_sized(field, &of, out);
    }
}

/// A length and the bytes; -1 for NULL.
fn put_sized(value: &Value, of: &Type, out: &mut Vec<u8>) {
    if value.is_null() {
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        return;
    }
    let start = out.len();
    put_count(0, out);
    send(value, of, out);
    let length = (out.len() - start - 4) as i32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(count as i32).to_be_bytes());
}
