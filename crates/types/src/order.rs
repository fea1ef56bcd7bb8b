//! The order, equality and hash of values.
//!
//! They are those of sorting, grouping and B-trees: total, with NULL last. Values of one type
//! compare as PostgreSQL's default operator classes do, text by bytes (collation "C"). Values of
//! different kinds have a fixed order too, so that no mixture can upset a sort, but no query
//! compares them: the binder has cast them to one type before.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crate::base::Base;
use crate::types::{Element, Type};
use crate::value::Value;

impl Value {
    /// The order of values of one type; see [`Type::compare`] for `char(n)`.
    pub fn compare(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
            (Value::Int2(left), Value::Int2(right)) => left.cmp(right),
            (Value::Int4(left), Value::Int4(right)) => left.cmp(right),
            (Value::Int8(left), Value::Int8(right)) => left.cmp(right),
            (Value::Float4(left), Value::Float4(right)) => compare_float4(*left, *right),
            (Value::Float8(left), Value::Float8(right)) => compare_float8(*left, *right),
            (Value::Numeric(left), Value::Numeric(right)) => left.cmp(right),
            (Value::Oid(left), Value::Oid(right)) => left.cmp(right),
            (Value::Text(left), Value::Text(right)) => left.cmp(right),
            (Value::Bytea(left), Value::Bytea(right)) => left.cmp(right),
            (Value::Date(left), Value::Date(right)) => left.cmp(right),
            (Value::Time(left), Value::Time(right)) => left.cmp(right),
            (Value::Timestamp(left), Value::Timestamp(right)) => left.cmp(right),
            (Value::Timestamptz(left), Value::Timestamptz(right)) => left.cmp(right),
            (Value::Interval(left), Value::Interval(right)) => left.cmp(right),
            (Value::Uuid(left), Value::Uuid(right)) => left.cmp(right),
            (Value::Json(left), Value::Json(right)) => left.cmp(right),
            (Value::Jsonb(left), Value::Jsonb(right)) => left.cmp(right),
            (Value::Vector(left), Value::Vector(right)) => compare_vectors(left, right),
            (Value::Enum(left), Value::Enum(right)) => left.order.total_cmp(&right.order),
            (Value::Array(left), Value::Array(right)) => left.compare(right),
            (Value::Record(left), Value::Record(right)) => left.compare(right),
            (left, right) => left.rank().cmp(&right.rank()),
        }
    }
}

/// The order of `double precision`: NaN is greatest and equals itself, -0 equals 0.
pub fn compare_float8(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right)
        .unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

/// The order of `real`: NaN is greatest and equals itself, -0 equals 0.
pub fn compare_float4(left: f32, right: f32) -> Ordering {
    left.partial_cmp(&right)
        .unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

/// Number by number, then the shorter one first.
fn compare_vectors(left: &[f32], right: &[f32]) -> Ordering {
    let pairs = left.iter().zip(right);
    let different = pairs
        .map(|(left, right)| compare_float4(*left, *right))
        .find(|o| o.is_ne());
    different.unwrap_or_else(|| left.len().cmp(&right.len()))
}

/// The bytes of a `char(n)` that count in comparisons: all but trailing blanks.
pub fn without_padding(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .rposition(|byte| *byte != b' ')
        .map_or(0, |last| last + 1);
    &text[..end]
}

impl Type {
    /// The order of two values of this type, NULL last. It differs from [`Value::compare`] only
    /// for `char(n)`, whose trailing blanks do not count.
    pub fn compare(&self, left: &Value, right: &Value) -> Ordering {
        match (self.is_padded(), left, right) {
            (true, Value::Text(left), Value::Text(right)) => {
                without_padding(left.as_bytes()).cmp(without_padding(right.as_bytes()))
            }
            (true, Value::Array(left), Value::Array(right)) => {
                left.compare_by(right, |left, right| self.compare(left, right))
            }
            _ => left.compare(right),
        }
    }

    /// Feeds a value of this type to a hasher, such that equal values hash equally.
    pub fn hash_value<H: Hasher>(&self, value: &Value, state: &mut H) {
        match (self.is_padded(), value) {
            (true, Value::Text(text)) => {
                state.write_u8(value.rank());
                state.write(without_padding(text.as_bytes()));
                state.write_u8(0xff);
            }
            (true, Value::Array(array)) => {
                state.write_u8(value.rank());
                let values = array.values().iter();
                values.for_each(|value| self.hash_value(value, state));
            }
            _ => value.hash(state),
        }
    }

    /// Whether values of this type that are equal may end in more or fewer blanks: those of
    /// `char(n)` all have the same length.
    pub fn varies_in_padding(&self) -> bool {
        self.is_padded() && self.modifier.character_count().is_none()
    }

    /// Whether this is `char(n)`, a domain over it, or an array of such.
    pub fn is_padded(&self) -> bool {
        match &self.element {
            Element::Base(base) => *base == Base::Bpchar,
            Element::Enum(_) => false,
            Element::Domain(domain) => domain.base.is_padded(),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.compare(other).is_eq()
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Value) -> Ordering {
        self.compare(other)
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.rank());
        match self {
            Value::Null => {}
            Value::Bool(truth) => state.write_u8(u8::from(*truth)),
            Value::Int2(number) => state.write_i16(*number),
            Value::Int4(number) | Value::Date(number) => state.write_i32(*number),
            Value::Int8(number)
            | Value::Time(number)
            | Value::Timestamp(number)
            | Value::Timestamptz(number) => state.write_i64(*number),
            Value::Float4(number) => hash_float(f64::from(*number), state),
            Value::Float8(number) => hash_float(*number, state),
            Value::Numeric(number) => number.hash(state),
            Value::Oid(number) => state.write_u32(*number),
            Value::Text(text) => {
                state.write(text.as_bytes());
                state.write_u8(0xff);
            }
            Value::Bytea(bytes) => bytes.hash(state),
            Value::Interval(interval) => interval.hash(state),
            Value::Uuid(bytes) => state.write(bytes),
            Value::Json(text) => text.hash(state),
            Value::Jsonb(json) => json.hash(state),
            Value::Vector(numbers) => {
                numbers
                    .iter()
                    .for_each(|number| hash_float(f64::from(*number), state));
            }
            Value::Enum(label) => hash_float(label.order, state),
            Value::Array(array) => array.hash(state),
            Value::Record(fields) => fields.hash(state),
        }
    }
}

/// Zeros hash alike, and so do all NaNs.
fn hash_float<H: Hasher>(number: f64, state: &mut H) {
    let number = if number == 0.0 { 0.0 } else { number };
    let number = if number.is_nan() { f64::NAN } else { number };
    state.write_u64(number.to_bits());
}
