//! Values of SQL.
//!
//! A value is 24 bytes and cheap to clone: small ones are held, large ones shared. It does not
//! know its type: `varchar` and `text` are both [`Value::Text`], and a `char(n)` is told from them
//! by the [`Type`](crate::Type) beside it.
//!
//! `==`, order and hash are those of sorting and grouping: NULL equals NULL and comes last, NaN
//! equals NaN, -0 equals 0, `1.0` equals `1.00`. What `=` answers in SQL for NULL is its caller's
//! business.

use std::sync::Arc;

use crate::array::Array;
use crate::base::Base;
use crate::interval::Interval;
use crate::json::Json;
use crate::numeric::Numeric;
use crate::record::Record;
use crate::text::Text;
use crate::types::{Element, EnumLabel, Type};

/// A value of any type, or NULL.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// NULL, of every type.
    #[default]
    Null,
    /// `boolean`.
    Bool(bool),
    /// `smallint`.
    Int2(i16),
    /// `integer`.
    Int4(i32),
    /// `bigint`.
    Int8(i64),
    /// `real`.
    Float4(f32),
    /// `double precision`.
    Float8(f64),
    /// `numeric`.
    Numeric(Numeric),
    /// `oid` and the types that name objects by number.
    Oid(u32),
    /// `text`, `varchar`, `char(n)` (padded), `name`, `"char"`, and literals of no type yet.
    Text(Text),
    /// `bytea`.
    Bytea(Arc<[u8]>),
    /// `date`: days since 2000-01-01; the ends of the range are the infinities.
    Date(i32),
    /// `time`: microseconds since midnight, up to and with 24:00.
    Time(i64),
    /// `timestamp`: microseconds since 2000-01-01; the ends of the range are the infinities.
    Timestamp(i64),
    /// `timestamptz`: the same, in UTC.
    Timestamptz(i64),
    /// `interval`.
    Interval(Interval),
    /// `uuid`.
    Uuid([u8; 16]),
    /// `json`: the text as it came.
    Json(Arc<str>),
    /// `jsonb`.
    Jsonb(Arc<Json>),
    /// `vector`: finite numbers.
    Vector(Arc<[f32]>),
    /// A label of an enum.
    Enum(Arc<EnumLabel>),
    /// An array.
    Array(Arc<Array>),
    /// A row.
    Record(Arc<Record>),
}

const _: () = assert!(size_of::<Value>() == 24, "rows are arrays of values");

impl Value {
    /// Whether this is NULL.
    pub const fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// A row whose columns have no names.
    pub fn record(fields: impl Into<Box<[Value]>>) -> Value {
        Value::Record(Arc::new(Record::new(fields)))
    }

    /// A text value.
    pub fn text(text: &str) -> Value {
        Value::Text(Text::new(text))
    }

    /// The number, if this is one of the integer types or an oid.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Int2(number) => Some(i64::from(*number)),
            Value::Int4(number) => Some(i64::from(*number)),
            Value::Int8(number) => Some(*number),
            Value::Oid(number) => Some(i64::from(*number)),
            _ => None,
        }
    }

    /// The truth value, if this is one.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The number, if this is one of the floating-point types.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Value::Float4(number) => Some(f64::from(*number)),
            Value::Float8(number) => Some(*number),
            _ => None,
        }
    }

    /// The text, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text.as_str()),
            Value::Json(text) => Some(text),
            Value::Enum(label) => Some(&label.label),
            _ => None,
        }
    }

    /// What kind of value this is, for messages about mixed-up types.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Int2(_) => "smallint",
            Value::Int4(_) => "integer",
            Value::Int8(_) => "bigint",
            Value::Float4(_) => "real",
            Value::Float8(_) => "double precision",
            Value::Numeric(_) => "numeric",
            Value::Oid(_) => "oid",
            Value::Text(_) => "text",
            Value::Bytea(_) => "bytea",
            Value::Date(_) => "date",
            Value::Time(_) => "time",
            Value::Timestamp(_) => "timestamp",
            Value::Timestamptz(_) => "timestamptz",
            Value::Interval(_) => "interval",
            Value::Uuid(_) => "uuid",
            Value::Json(_) => "json",
            Value::Jsonb(_) => "jsonb",
            Value::Vector(_) => "vector",
            Value::Enum(_) => "enum",
            Value::Array(_) => "array",
            Value::Record(_) => "record",
        }
    }

    /// A number for each kind, in the order above.
    pub(crate) const fn rank(&self) -> u8 {
        match self {
            Value::Null => 255,
            Value::Bool(_) => 1,
            Value::Int2(_) => 2,
            Value::Int4(_) => 3,
            Value::Int8(_) => 4,
            Value::Float4(_) => 5,
            Value::Float8(_) => 6,
            Value::Numeric(_) => 7,
            Value::Oid(_) => 8,
            Value::Text(_) => 9,
            Value::Bytea(_) => 10,
            Value::Date(_) => 11,
            Value::Time(_) => 12,
            Value::Timestamp(_) => 13,
            Value::Timestamptz(_) => 14,
            Value::Interval(_) => 15,
            Value::Uuid(_) => 16,
            Value::Json(_) => 17,
            Value::Jsonb(_) => 18,
            Value::Vector(_) => 19,
            Value::Enum(_) => 20,
            Value::Array(_) => 21,
            Value::Record(_) => 22,
        }
    }
}

impl Type {
    /// Whether a value is one of this type, as far as its kind shows. NULL is of every type.
    pub fn holds(&self, value: &Value) -> bool {
        match (&self.element, self.array, value) {
            (_, _, Value::Null) => true,
            (Element::Domain(domain), false, value) => domain.base.holds(value),
            (_, array, Value::Array(_)) => array,
            (_, true, _) => false,
            (Element::Enum(_), false, value) => matches!(value, Value::Enum(_)),
            (Element::Base(base), false, value) => base.holds(value),
        }
    }
}

impl Base {
    /// Whether a value that is not NULL is one of this type.
    const fn holds(self, value: &Value) -> bool {
        match self {
            Base::Bool => matches!(value, Value::Bool(_)),
            Base::Int2 => matches!(value, Value::Int2(_)),
            Base::Int4 => matches!(value, Value::Int4(_)),
            Base::Int8 => matches!(value, Value::Int8(_)),
            Base::Float4 => matches!(value, Value::Float4(_)),
            Base::Float8 => matches!(value, Value::Float8(_)),
            Base::Numeric => matches!(value, Value::Numeric(_)),
            Base::Oid => matches!(value, Value::Oid(_)),
            Base::Text | Base::Varchar | Base::Bpchar | Base::Name | Base::Char | Base::Unknown => {
                matches!(value, Value::Text(_))
            }
            Base::Bytea => matches!(value, Value::Bytea(_)),
            Base::Date => matches!(value, Value::Date(_)),
            Base::Time => matches!(value, Value::Time(_)),
            Base::Timestamp => matches!(value, Value::Timestamp(_)),
            Base::Timestamptz => matches!(value, Value::Timestamptz(_)),
            Base::Interval => matches!(value, Value::Interval(_)),
            Base::Uuid => matches!(value, Value::Uuid(_)),
            Base::Json => matches!(value, Value::Json(_)),
            Base::Jsonb => matches!(value, Value::Jsonb(_)),
            Base::Vector => matches!(value, Value::Vector(_)),
            Base::Record => matches!(value, Value::Record(_)),
            Base::Void => false,
        }
    }
}

macro_rules! from {
    ($($source:ty => $variant:ident;)*) => {
        $(impl From<$source> for Value {
            fn from(value: $source) -> Value {
                Value::$variant(value.into())
            }
        })*
    };
}

from! {
    bool => Bool;
    i16 => Int2;
    i32 => Int4;
    i64 => Int8;
    f32 => Float4;
    f64 => Float8;
    Numeric => Numeric;
    &str => Text;
    String => Text;
    Text => Text;
    &[u8] => Bytea;
    Vec<u8> => Bytea;
    Interval => Interval;
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}
