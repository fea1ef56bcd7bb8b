//! Subscripts: a part of an array, and an array with another part.

use rustdb_types::{Array, Dimension, Json, Value};

use super::batch::Row;
use super::context::Context;
use super::evaluate::evaluate;
use crate::error::{Error, Result, SqlState};
use crate::expr::{Expr, Subscript, SubscriptBounds};

/// Bounds of a dimension: none is left out, or NULL within.
type Bounds = (Option<Option<i32>>, Option<Option<i32>>);

/// `array[...]`, or the array with something else in this place.
pub(super) fn subscripted<R: Row + ?Sized>(
    subscript: &Subscript,
    row: &R,
    cx: &mut Context<'_>,
) -> Result<Value> {
    let array = evaluate(&subscript.array, row, cx)?.into_owned();
    if let (Some(assigned), true) = (&subscript.assigned, subscript.of_json) {
        return json_assigned(&array, &subscript.dimensions, assigned, row, cx);
    }
    let sliced = subscript
        .dimensions
        .iter()
        .any(|bounds| matches!(bounds, SubscriptBounds::Slice(..)));
    let mut bounds = Vec::with_capacity(subscript.dimensions.len());
    for dimension in &subscript.dimensions {
        let (lower, upper) = written(dimension, sliced, row, cx)?;
        if lower == Some(None) || upper == Some(None) {
            if subscript.assigned.is_some() {
                let message = "array subscript in assignment must not be null";
                return Err(Error::new(SqlState::NULL_VALUE_NOT_ALLOWED, message));
            }
            return Ok(Value::Null);
        }
        bounds.push((lower.flatten(), upper.flatten()));
    }
    let indexes = || -> Vec<i32> { bounds.iter().filter_map(|(_, index)| *index).collect() };
    if let Some(assigned) = &subscript.assigned {
        let value = evaluate(assigned, row, cx)?.into_owned();
        let whole = match &array {
            Value::Array(array) => &**array,
            _ => &Array::default(),
        };
        return match (value, sliced) {
            (value, false) => Ok(Value::Array(whole.with_element(&indexes(), value)?.into())),
            (Value::Array(part), true) => {
                Ok(Value::Array(whole.with_slice(&bounds, &part)?.into()))
            }
            // A slice that is NULL changes nothing.
            (_, true) => Ok(array),
        };
    }
    let Value::Array(array) = array else {
        return Ok(Value::Null);
    };
    if sliced {
        return Ok(Value::Array(slice(&array, &bounds)?.into()));
    }
    Ok(array.get(&indexes()).cloned().unwrap_or(Value::Null))
}

/// A `jsonb` with a value at the end of a path; NULL is what the first step is of.
fn json_assigned<R: Row + ?Sized>(
    json: &Value,
    steps: &[SubscriptBounds],
    assigned: &Expr,
    row: &R,
    cx: &mut Context<'_>,
) -> Result<Value> {
    let mut path = Vec::with_capacity(steps.len());
    let mut empty = Json::Object(Vec::new());
    for step in steps {
        let SubscriptBounds::Index(index) = step else {
            return Err(Error::internal("a slice of a document"));
        };
        path.push(match &*evaluate(index, row, cx)? {
            Value::Null => {
                let message = "jsonb subscript in assignment must not be null";
                return Err(Error::new(SqlState::NULL_VALUE_NOT_ALLOWED, message));
            }
            Value::Int4(index) => {
                if path.is_empty() {
                    empty = Json::Array(Vec::new());
                }
                index.to_string()
            }
            key => key.as_str().unwrap_or_default().to_owned(),
        });
    }
    let value = match &*evaluate(assigned, row, cx)? {
        Value::Jsonb(value) => Json::clone(value),
        _ => Json::Null,
    };
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let whole = match json {
        Value::Jsonb(json) => json,
        _ => &empty,
    };
    Ok(Value::Jsonb(whole.assigned(&path, value)?.into()))
}

/// What is written for a dimension.
fn written<R: Row + ?Sized>(
    dimension: &SubscriptBounds,
    sliced: bool,
    row: &R,
    cx: &mut Context<'_>,
) -> Result<Bounds> {
    let mut number = |bound: &Expr| -> Result<Option<i32>> {
        let value = evaluate(bound, row, cx)?;
        Ok(value
            .as_integer()
            .and_then(|number| i32::try_from(number).ok()))
    };
    Ok(match dimension {
        SubscriptBounds::Index(index) => {
            let index = number(index)?;
            // Beside a slice, a plain index is a slice from 1.
            let lower = if sliced { Some(1) } else { index };
            (Some(lower), Some(index))
        }
        SubscriptBounds::Slice(lower, upper) => {
            let lower = lower.as_ref().map(&mut number).transpose()?;
            let upper = upper.as_ref().map(&mut number).transpose()?;
            (lower, upper)
        }
    })
}

/// The part of an array within the bounds; its lower bounds become 1.
fn slice(array: &Array, bounds: &[(Option<i32>, Option<i32>)]) -> Result<Array> {
    let empty = || Ok(Array::from_values(Vec::new()));
    if bounds.len() > array.dimensions().len() {
        return empty();
    }
    let mut ranges = Vec::with_capacity(array.dimensions().len());
    for (index, dimension) in array.dimensions().iter().enumerate() {
        let first = i64::from(dimension.lower);
        let last = first + i64::from(dimension.length) - 1;
        let (lower, upper) = bounds.get(index).copied().unwrap_or((None, None));
        let lower = lower.map_or(first, |lower| i64::from(lower).max(first));
        let upper = upper.map_or(last, |upper| i64::from(upper).min(last));
        if lower > upper {
            return empty();
        }
        ranges.push(((lower - first) as usize, (upper - first + 1) as usize));
    }
    let lengths: Vec<usize> = array
        .dimensions()
        .iter()
        .map(|one| one.length as usize)
        .collect();
    let mut values = Vec::new();
    let mut at: Vec<usize> = ranges.iter().map(|(start, _)| *start).collect();
    'all: loop {
        let place = at
            .iter()
            .zip(&lengths)
            .fold(0, |place, (index, length)| place * length + index);
        values.push(array.values()[place].clone());
        for dimension in (0..at.len()).rev() {
            at[dimension] += 1;
            if at[dimension] < ranges[dimension].1 {
                continue 'all;
            }
            at[dimension] = ranges[dimension].0;
        }
        break;
    }
    let dimensions = ranges.iter().map(|(start, end)| Dimension {
        lower: 1,
        length: u32::try_from(end - start).unwrap_or(u32::MAX),
    });
    Ok(Array::new(dimensions.collect(), values)?)
}
