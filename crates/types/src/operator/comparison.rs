//! Comparison: within each type, and between those types that PostgreSQL compares as they are.

use std::cmp::Ordering;

use super::operand::{Date, Timestamp, Timestamptz, take};
use super::{Function, Operator};
use crate::base::Base;
use crate::datetime;
use crate::error::Result;
use crate::order::{compare_float8, without_padding};
use crate::parameter::Parameter;
use crate::settings::Settings;
use crate::text::Text;
use crate::value::Value;

/// A row for each of the six operators, for each pair of types.
macro_rules! compared {
    ($($left:expr, $right:expr => $order:expr;)*) => {
        &[$(
            compared!("=", $left, $right, $order, is_eq),
            compared!("<>", $left, $right, $order, is_ne),
            compared!("<", $left, $right, $order, is_lt),
            compared!("<=", $left, $right, $order, is_le),
            compared!(">", $left, $right, $order, is_gt),
            compared!(">=", $left, $right, $order, is_ge),
        )*]
    };
    ($name:literal, $left:expr, $right:expr, $order:expr, $test:ident) => {
        Operator {
            name: $name,
            left: Some($left),
            right: $right,
            result: Parameter::base(Base::Bool),
            strict: true,
            function: Function::Infix(|left, right, settings| {
                let order: Result<Ordering> = $order(left, right, settings);
                Ok(Value::Bool(order?.$test()))
            }),
        }
    };
}

/// A row for each of the operators that compare text by its bytes, whatever the collation: what an
/// index serves LIKE with.
macro_rules! by_bytes {
    ($($base:ident => $order:expr;)*) => {
        &[$(
            compared!("~<~", of(Base::$base), of(Base::$base), $order, is_lt),
            compared!("~<=~", of(Base::$base), of(Base::$base), $order, is_le),
            compared!("~>~", of(Base::$base), of(Base::$base), $order, is_gt),
            compared!("~>=~", of(Base::$base), of(Base::$base), $order, is_ge),
        )*]
    };
}

/// The base type as a parameter.
const fn of(base: Base) -> Parameter {
    Parameter::base(base)
}

pub(super) static NUMBERS: &[Operator] = compared! {
    of(Base::Int2), of(Base::Int2) => same;
    of(Base::Int4), of(Base::Int4) => same;
    of(Base::Int8), of(Base::Int8) => same;
    of(Base::Int2), of(Base::Int4) => integers;
    of(Base::Int2), of(Base::Int8) => integers;
    of(Base::Int4), of(Base::Int2) => integers;
    of(Base::Int4), of(Base::Int8) => integers;
    of(Base::Int8), of(Base::Int2) => integers;
    of(Base::Int8), of(Base::Int4) => integers;
    of(Base::Float4), of(Base::Float4) => same;
    of(Base::Float8), of(Base::Float8) => same;
    of(Base::Float4), of(Base::Float8) => floats;
    of(Base::Float8), of(Base::Float4) => floats;
    of(Base::Numeric), of(Base::Numeric) => same;
    of(Base::Oid), of(Base::Oid) => same;
};

pub(super) static TEXTS: &[Operator] = compared! {
    of(Base::Text), of(Base::Text) => same;
    of(Base::Name), of(Base::Name) => same;
    of(Base::Name), of(Base::Text) => same;
    of(Base::Text), of(Base::Name) => same;
    of(Base::Bpchar), of(Base::Bpchar) => padded;
    of(Base::Char), of(Base::Char) => same;
    of(Base::Bytea), of(Base::Bytea) => same;
};

pub(super) static BYTES: &[Operator] = by_bytes! {
    Text => same;
    Bpchar => padded;
};

pub(super) static TIMES: &[Operator] = compared! {
    of(Base::Date), of(Base::Date) => same;
    of(Base::Time), of(Base::Time) => same;
    of(Base::Timestamp), of(Base::Timestamp) => same;
    of(Base::Timestamptz), of(Base::Timestamptz) => same;
    of(Base::Interval), of(Base::Interval) => same;
    of(Base::Date), of(Base::Timestamp) => moments;
    of(Base::Timestamp), of(Base::Date) => moments;
    of(Base::Date), of(Base::Timestamptz) => moments;
    of(Base::Timestamptz), of(Base::Date) => moments;
    of(Base::Timestamp), of(Base::Timestamptz) => moments;
    of(Base::Timestamptz), of(Base::Timestamp) => moments;
};

pub(super) static OTHERS: &[Operator] = compared! {
    of(Base::Bool), of(Base::Bool) => same;
    of(Base::Uuid), of(Base::Uuid) => same;
    of(Base::Jsonb), of(Base::Jsonb) => same;
    of(Base::Record), of(Base::Record) => same;
    of(Base::Vector), of(Base::Vector) => same;
    Parameter::AnyEnum, Parameter::AnyEnum => same;
    Parameter::AnyArray, Parameter::AnyArray => same;
};

fn same(left: &Value, right: &Value, _: &Settings) -> Result<Ordering> {
    Ok(left.compare(right))
}

fn integers(left: &Value, right: &Value, _: &Settings) -> Result<Ordering> {
    let whole = |value: &Value| value.as_integer().ok_or_else(|| super::mismatch(value));
    Ok(whole(left)?.cmp(&whole(right)?))
}

fn floats(left: &Value, right: &Value, _: &Settings) -> Result<Ordering> {
    let number = |value: &Value| value.as_float().ok_or_else(|| super::mismatch(value));
    Ok(compare_float8(number(left)?, number(right)?))
}

fn padded(left: &Value, right: &Value, _: &Settings) -> Result<Ordering> {
    let (left, right): (&Text, &Text) = (take(left)?, take(right)?);
    Ok(without_padding(left.as_bytes()).cmp(without_padding(right.as_bytes())))
}

/// Dates and timestamps, with and without zone. A local time and an instant are compared as
/// instants; what is out of the range of timestamps stays where it is, between the infinities.
fn moments(left: &Value, right: &Value, settings: &Settings) -> Result<Ordering> {
    let zoned = [left, right]
        .iter()
        .any(|value| matches!(value, Value::Timestamptz(_)));
    let place = |value: &Value| place(value, zoned, settings);
    Ok(place(left)?.cmp(&place(right)?))
}

/// Microseconds since 2000, in a range that holds every date.
fn place(value: &Value, zoned: bool, settings: &Settings) -> Result<i128> {
    const INFINITE: i128 = i128::MAX;
    let micros = match value {
        Value::Date(_) => {
            let Date(days) = take(value)?;
            match days {
                i32::MIN => return Ok(-INFINITE),
                i32::MAX => return Ok(INFINITE),
                days => i128::from(days) * i128::from(crate::interval::MICROS_PER_DAY),
            }
        }
        Value::Timestamp(_) => {
            let Timestamp(micros) = take(value)?;
            i128::from(micros)
        }
        _ => {
            let Timestamptz(micros) = take(value)?;
            i128::from(micros)
        }
    };
    if micros == i128::from(i64::MAX) {
        return Ok(INFINITE);
    }
    if micros == i128::from(i64::MIN) {
        return Ok(-INFINITE);
    }
    let local = zoned && !matches!(value, Value::Timestamptz(_));
    match i64::try_from(micros) {
        Ok(micros) if local && datetime::in_range(micros) => {
            let offset = settings.zone.offset_at_local(micros);
            Ok(i128::from(micros) - i128::from(offset) * 1_000_000)
        }
        _ => Ok(micros),
    }
}
