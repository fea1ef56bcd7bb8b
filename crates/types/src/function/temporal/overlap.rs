//! `(start, end) OVERLAPS (start, end)`.

use crate::datetime;
use crate::error::{Error, Result, SqlState};
use crate::function::{Row, Scope, raw};
use crate::value::Value;

/// Rows for one type, whose ends may be given as lengths.
macro_rules! overlaps {
    ($($of:literal $volatility:literal;)*) => {
        &[$(
            raw!(concat!("overlaps(", $of, ", ", $of, ", ", $of, ", ", $of, ") bool called"), overlaps),
            raw!(concat!("overlaps(", $of, ", interval, ", $of, ", interval) bool called", $volatility), overlaps),
            raw!(concat!("overlaps(", $of, ", ", $of, ", ", $of, ", interval) bool called", $volatility), overlaps),
            raw!(concat!("overlaps(", $of, ", interval, ", $of, ", ", $of, ") bool called", $volatility), overlaps),
        )*]
    };
}

pub(in crate::function) static ROWS: &[Row] = overlaps! {
    "time" "";
    "timestamp" "";
    "timestamptz" " stable";
};

/// Spans have a start but no end. An unknown bound makes the answer unknown unless the others
/// decide it.
fn overlaps(arguments: &[Value], scope: &Scope<'_>) -> Result<Value> {
    let [start, end, other_start, other_end] = arguments else {
        return Err(crate::function::wrong_count());
    };
    let left = span(start, &end_of(start, end, scope)?);
    let right = span(other_start, &end_of(other_start, other_end, scope)?);
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(Value::Null);
    };
    let (first, second) = if left.0 > right.0 {
        (right, left)
    } else {
        (left, right)
    };
    if first.0 == second.0 {
        let known = first.1.is_some() && second.1.is_some();
        return Ok(if known {
            Value::Bool(true)
        } else {
            Value::Null
        });
    }
    Ok(match (first.1, second.1) {
        (None, _) => Value::Null,
        (Some(end), _) if second.0 < end => Value::Bool(true),
        (Some(_), None) => Value::Null,
        (Some(_), Some(_)) => Value::Bool(false),
    })
}

fn end_of(start: &Value, end: &Value, scope: &Scope<'_>) -> Result<Value> {
    let Value::Interval(length) = end else {
        return Ok(end.clone());
    };
    Ok(match start {
        Value::Time(time) => Value::Time(datetime::time_add(*time, length)),
        Value::Timestamp(time) => Value::Timestamp(datetime::timestamp_add(*time, length)?),
        Value::Timestamptz(time) => {
            let end = datetime::timestamptz_add(*time, length, &scope.settings.zone)?;
            Value::Timestamptz(end)
        }
        Value::Null => Value::Null,
        other => {
            let words = format!("no span begins with {}", other.kind());
            return Err(Error::new(SqlState::INTERNAL_ERROR, words));
        }
    })
}

/// The bounds in order; a missing start is the end.
fn span(start: &Value, end: &Value) -> Option<(Value, Option<Value>)> {
    match (start.is_null(), end.is_null()) {
        (true, true) => None,
        (true, false) => Some((end.clone(), None)),
        (false, true) => Some((start.clone(), None)),
        (false, false) if start > end => Some((end.clone(), Some(start.clone()))),
        (false, false) => Some((start.clone(), Some(end.clone()))),
    }
}
