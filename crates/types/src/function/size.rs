//! `pg_column_size`: how many bytes a value takes in PostgreSQL, uncompressed.
//!
//! A value of varying length has four bytes before it that say its length, and begins where its
//! type's alignment lets it. RustDB's own rows are shorter; docs/format/row.md has them.

use super::{Row, raw};
use crate::base::Base;
use crate::json::Json;
use crate::numeric::Numeric;
use crate::numeric::Sign;
use crate::types::{Element, Type};
use crate::value::Value;

/// What precedes a value of varying length.
const LENGTH: usize = 4;
/// What precedes a row, without the bits of its NULLs.
const ROW: usize = 23;
/// What precedes an array of no dimensions, and what each adds.
const ARRAY: (usize, usize) = (16, 8);
/// Such weights and scales of numbers fit into two bytes.
const SHORT_WEIGHTS: std::ops::RangeInclusive<i32> = -64..=63;
const SHORT_SCALE_MAX: i32 = 63;

pub(super) static ROWS: &[Row] = &[raw!(
    "pg_column_size(any) int4 stable",
    |arguments, scope| {
        let of = scope.types.first().cloned().unwrap_or(Type::TEXT);
        let bytes = i32::try_from(size(&arguments[0], &of));
        Ok(Value::Int4(bytes.map_err(|_| super::too_long())?))
    }
)];

fn size(value: &Value, of: &Type) -> usize {
    if let (Element::Domain(domain), false) = (&of.element, of.array) {
        return size(value, &domain.base);
    }
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Int2(_) => 2,
        Value::Int4(_) | Value::Float4(_) | Value::Oid(_) | Value::Date(_) | Value::Enum(_) => 4,
        Value::Int8(_)
        | Value::Float8(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::Timestamptz(_) => 8,
        Value::Interval(_) | Value::Uuid(_) => 16,
        Value::Numeric(number) => numeric(number),
        Value::Text(text) => match of.base() {
            Some(Base::Name) => 64,
            Some(Base::Char) => 1,
            // Its end is marked.
            Some(Base::Unknown) => text.len() + 1,
            _ => LENGTH + text.len(),
        },
        Value::Bytea(bytes) => LENGTH + bytes.len(),
        Value::Json(text) => LENGTH + text.len(),
        Value::Jsonb(json) => LENGTH + document(json),
        // The number of dimensions takes four more.
        Value::Vector(numbers) => LENGTH + 4 + 4 * numbers.len(),
        Value::Array(array) => {
            let values = array.values();
            let element = of.element_type().unwrap_or(Type::TEXT);
            let head = ARRAY.0 + ARRAY.1 * array.dimensions().len();
            let parts = values.iter().filter(|value| !value.is_null());
            parts.fold(aligned(head + nulls(values), 8), |end, value| {
                let alignment = alignment(value);
                aligned(aligned(end, alignment) + size(value, &element), alignment)
            })
        }
        Value::Record(values) => {
            let head = aligned(ROW + nulls(values), 8);
            let parts = values.iter().filter(|value| !value.is_null());
            head + parts.fold(0, |end, value| {
                aligned(end, alignment(value)) + size(value, &Type::TEXT)
            })
        }
    }
}

/// The bits of an array or a row with NULLs in it, in bytes.
fn nulls(values: &[Value]) -> usize {
    match values.iter().any(Value::is_null) {
        true => values.len().div_ceil(8),
        false => 0,
    }
}

fn aligned(bytes: usize, alignment: usize) -> usize {
    bytes.next_multiple_of(alignment)
}

fn alignment(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Uuid(_) => 1,
        Value::Int2(_) => 2,
        Value::Int8(_)
        | Value::Float8(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::Timestamptz(_)
        | Value::Interval(_)
        | Value::Record(_) => 8,
        _ => 4,
    }
}

/// Digits are to the base 10000.
fn numeric(number: &Numeric) -> usize {
    let (sign, weight, scale, digits) = number.to_parts();
    let is_short = match sign {
        Sign::Positive | Sign::Negative => {
            SHORT_WEIGHTS.contains(&weight) && scale <= SHORT_SCALE_MAX
        }
        Sign::NotANumber | Sign::Infinite | Sign::NegativeInfinite => true,
    };
    LENGTH + if is_short { 2 } else { 4 } + 2 * digits.len()
}

/// A document without its length. A value alone is an array of one.
fn document(json: &Json) -> usize {
    match json {
        Json::Array(_) | Json::Object(_) => container(json, 0),
        single => part(single, 8),
    }
}

/// Where the parts of a document end that begin at `start`: four bytes, four for each part, the parts.
fn container(json: &Json, start: usize) -> usize {
    match json {
        Json::Array(parts) => {
            let head = start + 4 + 4 * parts.len();
            parts.iter().fold(head, |end, json| part(json, end))
        }
        Json::Object(members) => {
            let head = start + 4 + 8 * members.len();
            let keys: usize = members.iter().map(|(key, _)| key.len()).sum();
            let parts = members.iter();
            parts.fold(head + keys, |end, (_, json)| part(json, end))
        }
        _ => start,
    }
}

/// Where a part ends that begins behind `end`.
fn part(json: &Json, end: usize) -> usize {
    match json {
        Json::Null | Json::Bool(_) => end,
        Json::String(text) => end + text.len(),
        Json::Number(number) => aligned(end, 4) + numeric(number),
        Json::Array(_) | Json::Object(_) => container(json, aligned(end, 4)),
    }
}
