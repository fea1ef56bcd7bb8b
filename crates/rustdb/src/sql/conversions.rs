//! More types of Rust as values: wider and narrower integers, times, arrays, vectors, UUIDs.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustdb_types::{Array, Interval, Numeric, Value as SqlValue};

use super::{FromValue, Value};

/// From 1970, where Rust's clock begins, to 2000, where SQL's does.
const EPOCH_SECONDS: u64 = 946_684_800;

macro_rules! integers {
    ($($of:ty => $variant:ident;)*) => {
        $(impl From<$of> for Value {
            fn from(value: $of) -> Value {
                Value(SqlValue::$variant(value.into()))
            }
        })*
    };
}

integers! {
    i8 => Int2;
    u8 => Int2;
    u16 => Int4;
    u32 => Int8;
}

impl From<u64> for Value {
    /// `bigint`, and beyond that `numeric`.
    fn from(value: u64) -> Value {
        Value(match i64::try_from(value) {
            Ok(number) => SqlValue::Int8(number),
            Err(_) => SqlValue::Numeric(
                Numeric::new(value.into(), 0).expect("20 digits are few for a numeric"),
            ),
        })
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Value {
        Value::from(value as u64)
    }
}

impl From<char> for Value {
    fn from(value: char) -> Value {
        Value::from(&*value.encode_utf8(&mut [0; 4]))
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Value {
        Value(SqlValue::Bytea(value.into()))
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(value: &[u8; N]) -> Value {
        Value::from(&value[..])
    }
}

impl From<[u8; 16]> for Value {
    /// `uuid`.
    fn from(value: [u8; 16]) -> Value {
        Value(SqlValue::Uuid(value))
    }
}

impl FromValue for [u8; 16] {
    /// `uuid`.
    fn from_value(value: &SqlValue) -> Option<[u8; 16]> {
        match value {
            SqlValue::Uuid(bytes) => Some(*bytes),
            _ => None,
        }
    }
}

impl From<SystemTime> for Value {
    /// `timestamptz`, to the microsecond.
    fn from(value: SystemTime) -> Value {
        let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH_SECONDS);
        let micros = match value.duration_since(epoch) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => {
                let micros = before.duration().as_nanos().div_ceil(1000);
                i64::try_from(micros).map_or(i64::MIN, |micros| -micros)
            }
        };
        Value(SqlValue::Timestamptz(micros))
    }
}

impl FromValue for SystemTime {
    /// `timestamptz`.
    fn from_value(value: &SqlValue) -> Option<SystemTime> {
        let SqlValue::Timestamptz(micros) = value else {
            return None;
        };
        if matches!(*micros, i64::MIN | i64::MAX) {
            return None;
        }
        let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH_SECONDS);
        let span = Duration::from_micros(micros.unsigned_abs());
        match *micros < 0 {
            true => epoch.checked_sub(span),
            false => epoch.checked_add(span),
        }
    }
}

impl From<Duration> for Value {
    /// `interval`, in microseconds; as many as there can be, if there are more.
    fn from(value: Duration) -> Value {
        let micros = i64::try_from(value.as_micros()).unwrap_or(i64::MAX);
        Value(SqlValue::Interval(Interval::new(0, 0, micros)))
    }
}

impl FromValue for Duration {
    /// `interval` without months and days, whose lengths differ, and not below zero.
    fn from_value(value: &SqlValue) -> Option<Duration> {
        match value {
            SqlValue::Interval(Interval {
                months: 0,
                days: 0,
                micros,
            }) => u64::try_from(*micros).ok().map(Duration::from_micros),
            _ => None,
        }
    }
}

// `Vec<u8>` is `bytea`, so that there is no one rule for vectors of what can be a value.
macro_rules! arrays {
    ($($of:ty),*) => {
        $(
            impl From<Vec<$of>> for Value {
                fn from(values: Vec<$of>) -> Value {
                    let values = values.into_iter().map(|value| Value::from(value).0);
                    Value(SqlValue::Array(Arc::new(Array::from_values(values.collect()))))
                }
            }

            impl From<&[$of]> for Value {
                fn from(values: &[$of]) -> Value {
                    Value::from(values.to_vec())
                }
            }

            impl FromValue for Vec<$of> {
                /// An array of one dimension.
                fn from_value(value: &SqlValue) -> Option<Vec<$of>> {
                    elements(value)
                }
            }
        )*
    };
}

arrays!(
    bool,
    i16,
    i32,
    i64,
    f64,
    String,
    Option<bool>,
    Option<i16>,
    Option<i32>,
    Option<i64>,
    Option<f64>,
    Option<String>
);

fn elements<T: FromValue>(value: &SqlValue) -> Option<Vec<T>> {
    match value {
        SqlValue::Array(array) if array.dimensions().len() <= 1 => {
            array.values().iter().map(T::from_value).collect()
        }
        _ => None,
    }
}

impl From<Vec<f32>> for Value {
    /// An array of `real`, which is a `vector` where one is asked for.
    fn from(values: Vec<f32>) -> Value {
        let values = values.into_iter().map(SqlValue::Float4).collect();
        Value(SqlValue::Array(Arc::new(Array::from_values(values))))
    }
}

impl From<&[f32]> for Value {
    fn from(values: &[f32]) -> Value {
        Value::from(values.to_vec())
    }
}

impl FromValue for Vec<f32> {
    /// A `vector`, or an array of `real`.
    fn from_value(value: &SqlValue) -> Option<Vec<f32>> {
        match value {
            SqlValue::Vector(numbers) => Some(numbers.to_vec()),
            value => elements(value),
        }
    }
}
