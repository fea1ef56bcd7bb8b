//! The functions of casts between built-in types.

use std::sync::Arc;

use crate::array::Array;
use crate::base::Base;
use crate::datetime;
use crate::error::{Error, Result, SqlState};
use crate::interval::Interval;
use crate::io;
use crate::json::Json;
use crate::numeric::Numeric;
use crate::order::without_padding;
use crate::settings::Settings;
use crate::text::Text;
use crate::value::Value;

/// Converts a value of one base type to another that [`super::table`] leads to.
pub(super) fn convert(value: &Value, from: Base, to: Base, settings: &Settings) -> Result<Value> {
    match value {
        Value::Bool(truth) => convert_bool(*truth, to),
        Value::Int2(number) if to == Base::Oid => Ok(Value::Oid(i32::from(*number) as u32)),
        Value::Int4(number) if to == Base::Oid => Ok(Value::Oid(*number as u32)),
        Value::Int2(number) => convert_integer(i64::from(*number), to),
        Value::Int4(number) => convert_integer(i64::from(*number), to),
        Value::Int8(number) => convert_integer(*number, to),
        Value::Oid(number) => convert_oid(*number, to),
        Value::Float4(number) => convert_float4(*number, to),
        Value::Float8(number) => convert_float8(*number, to),
        Value::Numeric(number) => convert_numeric(number, to),
        Value::Text(text) => convert_text(text, from, to),
        Value::Jsonb(tree) => convert_jsonb(tree, to),
        _ => convert_time(value, to, settings),
    }
}

fn no_way(to: Base) -> Error {
    Error::mismatch(format_args!("no cast to {}", to.sql_name()))
}

fn convert_bool(truth: bool, to: Base) -> Result<Value> {
    Ok(match to {
        Base::Int4 => Value::Int4(i32::from(truth)),
        _ if to.is_text() => Value::text(if truth { "true" } else { "false" }),
        _ => return Err(no_way(to)),
    })
}

/// All integers are cast alike; only what each may be cast to differs, and the table says that.
fn convert_integer(number: i64, to: Base) -> Result<Value> {
    let out_of_range = |_| Error::out_of_range(to.sql_name());
    Ok(match to {
        Base::Int2 => Value::Int2(i16::try_from(number).map_err(out_of_range)?),
        Base::Int4 => Value::Int4(i32::try_from(number).map_err(out_of_range)?),
        Base::Int8 => Value::Int8(number),
        Base::Float4 => Value::Float4(number as f32),
        Base::Float8 => Value::Float8(number as f64),
        Base::Numeric => Value::Numeric(Numeric::from(number)),
        Base::Bool => Value::Bool(number != 0),
        Base::Oid => Value::Oid(u32::try_from(number).map_err(|_| Error::out_of_range("OID"))?),
        Base::Char => {
            let code = i8::try_from(number).map_err(|_| Error::out_of_range("\"char\""))?;
            Value::Text(io::char_of_byte(code as u8))
        }
        _ => return Err(no_way(to)),
    })
}

fn convert_oid(number: u32, to: Base) -> Result<Value> {
    match to {
        Base::Int8 => Ok(Value::Int8(i64::from(number))),
        Base::Int4 => Ok(Value::Int4(number as i32)),
        _ => Err(no_way(to)),
    }
}

fn convert_float4(number: f32, to: Base) -> Result<Value> {
    match to {
        Base::Float8 => Ok(Value::Float8(f64::from(number))),
        Base::Numeric => Ok(Value::Numeric(Numeric::from_f32(number))),
        _ => float_to_integer(f64::from(number), to),
    }
}

fn convert_float8(number: f64, to: Base) -> Result<Value> {
    match to {
        Base::Float4 => Ok(Value::Float4(float8_to_float4(number)?)),
        Base::Numeric => Ok(Value::Numeric(Numeric::from_f64(number))),
        _ => float_to_integer(number, to),
    }
}

fn float8_to_float4(number: f64) -> Result<f32> {
    let near = number as f32;
    let problem = if near.is_infinite() && !number.is_infinite() {
        "overflow"
    } else if near == 0.0 && number != 0.0 {
        "underflow"
    } else {
        return Ok(near);
    };
    let words = format!("value out of range: {problem}");
    Err(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, words))
}

/// The nearest whole number, half to even.
fn float_to_integer(number: f64, to: Base) -> Result<Value> {
    let whole = number.round_ties_even();
    // The least number is a power of two, and exact; the one above the greatest is too.
    let fits = |bits: i32| {
        let end = 2_f64.powi(bits);
        (-end..end).contains(&whole)
    };
    let out_of_range = || Err(Error::out_of_range(to.sql_name()));
    match to {
        Base::Int2 if fits(15) => Ok(Value::Int2(whole as i16)),
        Base::Int4 if fits(31) => Ok(Value::Int4(whole as i32)),
        Base::Int8 if fits(63) => Ok(Value::Int8(whole as i64)),
        Base::Int2 | Base::Int4 | Base::Int8 => out_of_range(),
        _ => Err(no_way(to)),
    }
}

fn convert_numeric(number: &Numeric, to: Base) -> Result<Value> {
    Ok(match to {
        Base::Int2 => Value::Int2(number.to_i16()?),
        Base::Int4 => Value::Int4(number.to_i32()?),
        Base::Int8 => Value::Int8(number.to_i64()?),
        Base::Float4 => Value::Float4(number.to_f32()?),
        Base::Float8 => Value::Float8(number.to_f64()?),
        _ => return Err(no_way(to)),
    })
}

fn convert_text(text: &Text, from: Base, to: Base) -> Result<Value> {
    let unpadded = || {
        let kept = without_padding(text.as_bytes()).len();
        Text::new(&text[..kept])
    };
    Ok(match (from, to) {
        (Base::Bpchar, Base::Text | Base::Varchar) => Value::Text(unpadded()),
        (Base::Bpchar, Base::Name) => Value::Text(io::cut_name(&unpadded())),
        (_, Base::Name) => Value::Text(io::cut_name(text)),
        (_, Base::Char) => Value::Text(io::char_of_text(text)),
        (Base::Char, Base::Int4) => Value::Int4(i32::from(io::byte_of_char(text) as i8)),
        (_, to) if to.is_text() => Value::Text(text.clone()),
        _ => return Err(no_way(to)),
    })
}

fn convert_jsonb(tree: &Json, to: Base) -> Result<Value> {
    let type_name = to.sql_name();
    match (tree, to) {
        (Json::Bool(truth), Base::Bool) => Ok(Value::Bool(*truth)),
        (Json::Number(number), Base::Numeric) => Ok(Value::Numeric(number.clone())),
        (Json::Number(number), to) if to != Base::Bool => convert_numeric(number, to),
        (other, _) => {
            let kind = match other {
                Json::Null => "null",
                Json::Bool(_) => "boolean",
                Json::Number(_) => "numeric",
                Json::String(_) => "string",
                Json::Array(_) => "array",
                Json::Object(_) => "object",
            };
            let words = format!("cannot cast jsonb {kind} to type {type_name}");
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, words))
        }
    }
}

fn convert_time(value: &Value, to: Base, settings: &Settings) -> Result<Value> {
    let zone = &settings.zone;
    let time =
        |timestamp: i64| datetime::timestamp_to_time(timestamp).map_or(Value::Null, Value::Time);
    Ok(match (value, to) {
        (Value::Date(date), Base::Timestamp) => {
            Value::Timestamp(datetime::date_to_timestamp(*date)?)
        }
        (Value::Date(date), Base::Timestamptz) => {
            Value::Timestamptz(datetime::date_to_timestamptz(*date, zone)?)
        }
        (Value::Time(micros), Base::Interval) => Value::Interval(Interval::new(0, 0, *micros)),
        (Value::Interval(interval), Base::Time) => {
            Value::Time(datetime::interval_to_time(interval))
        }
        (Value::Timestamp(micros), Base::Date) => Value::Date(datetime::timestamp_to_date(*micros)),
        (Value::Timestamp(micros), Base::Time) => time(*micros),
        (Value::Timestamp(micros), Base::Timestamptz) => {
            Value::Timestamptz(datetime::timestamp_to_timestamptz(*micros, zone)?)
        }
        (Value::Timestamptz(micros), _) => {
            let local = datetime::timestamptz_to_timestamp(*micros, zone)?;
            match to {
                Base::Timestamp => Value::Timestamp(local),
                Base::Date => Value::Date(datetime::timestamp_to_date(local)),
                Base::Time => time(local),
                _ => return Err(no_way(to)),
            }
        }
        _ => return Err(no_way(to)),
    })
}

/// An array of numbers as a vector: one dimension, no NULL.
pub(super) fn array_to_vector(value: &Value, element: Base) -> Result<Value> {
    let Value::Array(array) = value else {
        return Err(Error::mismatch("array"));
    };
    let refuse = |words: &str| Err(Error::new(SqlState::DATA_EXCEPTION, words));
    if array.dimensions().len() > 1 {
        return refuse("array must be 1-D");
    }
    if array.values().iter().any(Value::is_null) {
        let words = "array must not contain nulls";
        return Err(Error::new(SqlState::NULL_VALUE_NOT_ALLOWED, words));
    }
    if array.values().is_empty() {
        return refuse("vector must have at least 1 dimension");
    }
    let numbers = array.values().iter().map(|value| {
        let number = match value {
            Value::Int4(number) => *number as f32,
            Value::Float4(number) => *number,
            Value::Float8(number) => *number as f32,
            Value::Numeric(number) => number.to_f32()?,
            _ => {
                return Err(Error::mismatch(format_args!(
                    "{} in an array",
                    element.sql_name()
                )));
            }
        };
        io::check_number(number)?;
        Ok(number)
    });
    let numbers = numbers.collect::<Result<Arc<[f32]>>>()?;
    io::check_dimensions(numbers.len(), crate::modifier::Modifier::NONE)?;
    Ok(Value::Vector(numbers))
}

/// A vector as an array of `real`.
pub(super) fn vector_to_array(value: &Value) -> Result<Value> {
    let Value::Vector(numbers) = value else {
        return Err(Error::mismatch("vector"));
    };
    let values = numbers
        .iter()
        .map(|number| Value::Float4(*number))
        .collect();
    Ok(Value::Array(Arc::new(Array::from_values(values))))
}
