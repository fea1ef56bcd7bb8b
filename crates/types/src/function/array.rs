//! Functions of arrays.

use std::sync::Arc;

use super::text::fields;
use super::{Body, Row, Rows, Scope, VALUE_BYTES_MAX, raw, row, too_long};
use crate::array::{Array, DIMENSIONS_MAX, Dimension, ELEMENTS_MAX};
use crate::error::{Error, Result, SqlState};
use crate::interrupt;
use crate::io;
use crate::operator::operand::take;
use crate::operator::{concatenated_arrays, extended_array};
use crate::text::Text;
use crate::value::Value;

pub(super) static ROWS: &[Row] = &[
    raw!(
        "array_append(anycompatiblearray, anycompatible) anycompatiblearray called",
        |arguments, _| { extended_array(&arguments[0], &arguments[1], false) }
    ),
    raw!(
        "array_prepend(anycompatible, anycompatiblearray) anycompatiblearray called",
        |arguments, _| { extended_array(&arguments[1], &arguments[0], true) }
    ),
    raw!(
        "array_cat(anycompatiblearray, anycompatiblearray) anycompatiblearray called",
        |arguments, _| { concatenated_arrays(&arguments[0], &arguments[1]) }
    ),
    row!("array_ndims(anyarray) int4", |array: &Array| {
        Ok(Some(array.dimensions().len() as i32).filter(|count| *count > 0))
    }),
    row!("array_dims(anyarray) text", |array: &Array| Ok(bounds(
        array
    ))),
    row!(
        "array_length(anyarray, int4) int4",
        |array: &Array, place: i32| {
            Ok(dimension(array, place).map(|dimension| dimension.length as i32))
        }
    ),
    row!(
        "array_lower(anyarray, int4) int4",
        |array: &Array, place: i32| {
            Ok(dimension(array, place).map(|dimension| dimension.lower))
        }
    ),
    row!(
        "array_upper(anyarray, int4) int4",
        |array: &Array, place: i32| { Ok(dimension(array, place).map(upper)) }
    ),
    row!("cardinality(anyarray) int4", |array: &Array| Ok(
        array.values().len() as i32
    )),
    row!("array_to_string(anyarray, text) text stable", |scope; array: &Array, delimiter: &Text| {
        to_string(array, delimiter, None, scope)
    }),
    row!("array_to_string(anyarray, text, text) text stable called", |scope; array: Option<&Array>, delimiter: Option<&Text>, null: Option<&Text>| {
        match (array, delimiter) {
            (Some(array), Some(delimiter)) => to_string(array, delimiter, null, scope),
            _ => Ok(Value::Null),
        }
    }),
    row!(
        "array_position(anycompatiblearray, anycompatible) int4 called",
        |scope; array: Option<&Array>, value: &Value| { position(array, value, None, scope) }
    ),
    raw!(
        "array_position(anycompatiblearray, anycompatible, int4) int4 called",
        |arguments, scope| {
            if arguments[2].is_null() {
                return match arguments[0] {
                    Value::Null => Ok(Value::Null),
                    _ => Err(Error::new(
                        SqlState::NULL_VALUE_NOT_ALLOWED,
                        "initial position must not be null",
                    )),
                };
            }
            position(
                take(&arguments[0])?,
                &arguments[1],
                Some(take(&arguments[2])?),
                scope,
            )
        }
    ),
    row!(
        "array_positions(anycompatiblearray, anycompatible) int4[] called",
        |scope; array: Option<&Array>, value: &Value| { positions(array, value, scope) }
    ),
    row!(
        "array_remove(anycompatiblearray, anycompatible) anycompatiblearray called",
        |scope; array: Option<&Array>, value: &Value| { removed(array, value, scope) }
    ),
    row!(
        "array_replace(anycompatiblearray, anycompatible, anycompatible) anycompatiblearray called",
        |scope; array: Option<&Array>, old: &Value, new: &Value| { replaced(array, old, new, scope) }
    ),
    raw!(
        "array_fill(anyelement, int4[]) anyarray called",
        |arguments, _| filled(&arguments[0], &arguments[1], None)
    ),
    raw!(
        "array_fill(anyelement, int4[], int4[]) anyarray called",
        |arguments, _| { filled(&arguments[0], &arguments[1], Some(&arguments[2])) }
    ),
    row!(
        "trim_array(anyarray, int4) anyarray",
        |array: &Array, count: i32| trimmed(array, count)
    ),
    row!(
        "width_bucket(anycompatible, anycompatiblearray) int4",
        |value: &Value, bounds: &Array| bucket(value, bounds)
    ),
    Row {
        signature: "unnest(anyarray) setof anyelement",
        body: Body::Set(|arguments, _| {
            let array = match &arguments[0] {
                Value::Array(array) => array.clone(),
                other => return Err(Error::mismatch(other.kind())),
            };
            let count = array.values().len();
            Ok(Box::new(
                (0..count).map(move |index| Ok(array.values()[index].clone())),
            ))
        }),
    },
    Row {
        signature: "string_to_table(text, text) setof text called",
        body: Body::Set(|arguments, _| fields_rows(&arguments[0], &arguments[1], &Value::Null)),
    },
    Row {
        signature: "string_to_table(text, text, text) setof text called",
        body: Body::Set(|arguments, _| fields_rows(&arguments[0], &arguments[1], &arguments[2])),
    },
];

fn fields_rows(text: &Value, delimiter: &Value, null: &Value) -> Result<Rows> {
    let text: Option<&Text> = take(text)?;
    let rows = text.map_or_else(
        || Ok(Vec::new()),
        |text| fields(text, take(delimiter)?, take(null)?),
    )?;
    Ok(Box::new(rows.into_iter().map(Ok)))
}

fn array(array: Array) -> Value {
    Value::Array(Arc::new(array))
}

pub(super) fn dimension(array: &Array, place: i32) -> Option<&Dimension> {
    let index = usize::try_from(i64::from(place) - 1).ok()?;
    array.dimensions().get(index)
}

pub(super) fn upper(dimension: &Dimension) -> i32 {
    dimension.lower + (dimension.length as i32 - 1)
}

/// `[1:2][0:3]`.
fn bounds(array: &Array) -> Option<Value> {
    let bound = |dimension: &Dimension| format!("[{}:{}]", dimension.lower, upper(dimension));
    let text: String = array.dimensions().iter().map(bound).collect();
    (!text.is_empty()).then(|| Value::from(text))
}

/// The elements with a delimiter between them; NULL is left out unless a text stands for it.
fn to_string(
    array: &Array,
    delimiter: &str,
    null: Option<&Text>,
    scope: &Scope<'_>,
) -> Result<Value> {
    let mut out = String::new();
    let mut first = true;
    for value in array.values() {
        interrupt::spend(32)?;
        if value.is_null() && null.is_none() {
            continue;
        }
        if !first {
            out.push_str(delimiter);
        }
        first = false;
        match (value, null) {
            (Value::Null, Some(null)) => out.push_str(null),
            _ => io::format_into(value, &io::evident_type(value), scope.settings, &mut out),
        }
        if out.len() > VALUE_BYTES_MAX {
            return Err(too_long());
        }
    }
    Ok(Value::from(out))
}

fn refused(words: &str) -> Error {
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, words)
}

fn search_in_one_dimension(array: &Array) -> Result<()> {
    if array.dimensions().len() > 1 {
        let words = "searching for elements in multidimensional arrays is not supported";
        return Err(refused(words));
    }
    Ok(())
}

/// What an element counts that is compared and copied.
const SEARCH_UNITS: usize = 32;

/// Whether an element of the first argument, an array, is not distinct from a value. None is in
/// work that shall stop.
fn is_same(element: &Value, value: &Value, scope: &Scope<'_>) -> bool {
    if interrupt::is_stopped(SEARCH_UNITS) {
        return false;
    }
    match scope.types.first() {
        Some(of) => of.compare(element, value).is_eq(),
        None => element == value,
    }
}

/// The subscript of the first element that is not distinct from `value`, from `start` on.
fn position(
    array: Option<&Array>,
    value: &Value,
    start: Option<i32>,
    scope: &Scope<'_>,
) -> Result<Value> {
    let Some(array) = array else {
        return Ok(Value::Null);
    };
    search_in_one_dimension(array)?;
    let lower = array
        .dimensions()
        .first()
        .map_or(1, |dimension| dimension.lower);
    let skip = start.map_or(0, |start| {
        usize::try_from(i64::from(start) - i64::from(lower)).unwrap_or(0)
    });
    let found = array
        .values()
        .iter()
        .skip(skip)
        .position(|element| is_same(element, value, scope));
    Ok(found.map_or(Value::Null, |index| {
        Value::Int4(lower + (skip + index) as i32)
    }))
}

fn positions(array: Option<&Array>, value: &Value, scope: &Scope<'_>) -> Result<Value> {
    let Some(elements) = array else {
        return Ok(Value::Null);
    };
    search_in_one_dimension(elements)?;
    let lower = elements
        .dimensions()
        .first()
        .map_or(1, |dimension| dimension.lower);
    let found = elements.values().iter().enumerate();
    let found = found
        .filter(|(_, element)| is_same(element, value, scope))
        .map(|(index, _)| Value::Int4(lower + index as i32))
        .collect();
    Ok(self::array(Array::from_values(found)))
}

fn removed(elements: Option<&Array>, value: &Value, scope: &Scope<'_>) -> Result<Value> {
    let Some(elements) = elements else {
        return Ok(Value::Null);
    };
    if elements.dimensions().len() > 1 {
        let words = "removing elements from multidimensional arrays is not supported";
        return Err(refused(words));
    }
    let kept: Vec<Value> = elements
        .values()
        .iter()
        .filter(|element| !is_same(element, value, scope))
        .cloned()
        .collect();
    with_bounds_of(elements, kept)
}

/// An array of one dimension with the first subscript of another.
fn with_bounds_of(elements: &Array, values: Vec<Value>) -> Result<Value> {
    let length = values.len() as u32;
    if length == 0 {
        return Ok(array(Array::default()));
    }
    let lower = elements
        .dimensions()
        .first()
        .map_or(1, |dimension| dimension.lower);
    Ok(array(Array::new(
        vec![Dimension { lower, length }],
        values,
    )?))
}

fn replaced(
    elements: Option<&Array>,
    old: &Value,
    new: &Value,
    scope: &Scope<'_>,
) -> Result<Value> {
    let Some(elements) = elements else {
        return Ok(Value::Null);
    };
    let change = |element: &Value| match is_same(element, old, scope) {
        true => new.clone(),
        false => element.clone(),
    };
    let values = elements.values().iter().map(change).collect();
    Ok(array(Array::new(elements.dimensions().to_vec(), values)?))
}

fn filled(value: &Value, lengths: &Value, lowers: Option<&Value>) -> Result<Value> {
    let null = |words: &str| Err(Error::new(SqlState::NULL_VALUE_NOT_ALLOWED, words));
    if lengths.is_null() || lowers.is_some_and(Value::is_null) {
        return null("dimension array or low bound array cannot be null");
    }
    let numbers = |array: &Value| -> Result<Vec<i32>> {
        let array: &Array = take(array)?;
        if array.dimensions().len() > 1 {
            let words = "wrong number of array subscripts";
            return Err(Error::new(SqlState::ARRAY_SUBSCRIPT_ERROR, words)
                .with_detail("Dimension array must be one dimensional."));
        }
        let number = |value: &Value| match value {
            Value::Null => null("dimension values cannot be null").map(|_: Value| 0),
            value => take(value),
        };
        array.values().iter().map(number).collect()
    };
    let lengths = numbers(lengths)?;
    if lengths.len() > DIMENSIONS_MAX {
        let words = format!(
            "number of array dimensions ({}) exceeds the maximum allowed ({DIMENSIONS_MAX})",
            lengths.len()
        );
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, words));
    }
    let lowers = match lowers {
        Some(lowers) => numbers(lowers)?,
        None => vec![1; lengths.len()],
    };
    if lengths.len() != lowers.len() {
        let words = "wrong number of array subscripts";
        return Err(Error::new(SqlState::ARRAY_SUBSCRIPT_ERROR, words)
            .with_detail("Low bound array has different size than dimensions array."));
    }
    let too_large = || {
        let words = format!("array size exceeds the maximum allowed ({ELEMENTS_MAX})");
        Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, words)
    };
    let mut count = usize::from(!lengths.is_empty());
    for length in &lengths {
        let length = usize::try_from(*length).map_err(|_| too_large())?;
        count = count.checked_mul(length).ok_or_else(too_large)?;
    }
    if count > ELEMENTS_MAX {
        return Err(too_large());
    }
    // What an element takes in PostgreSQL is at least four bytes.
    if count.saturating_mul(size_of::<Value>()) > VALUE_BYTES_MAX {
        return Err(too_long());
    }
    if count == 0 {
        return Ok(array(Array::default()));
    }
    let dimensions = lengths.iter().zip(lowers);
    let dimensions = dimensions.map(|(length, lower)| Dimension {
        lower,
        length: *length as u32,
    });
    Ok(array(Array::new(
        dimensions.collect(),
        vec![value.clone(); count],
    )?))
}

/// Without the last elements along the first dimension.
fn trimmed(elements: &Array, count: i32) -> Result<Value> {
    let length = elements
        .dimensions()
        .first()
        .map_or(0, |dimension| dimension.length);
    let dropped = u32::try_from(count).ok().filter(|count| *count <= length);
    let Some(dropped) = dropped else {
        let words = format!("number of elements to trim must be between 0 and {length}");
        return Err(Error::new(SqlState::ARRAY_ELEMENT_ERROR, words));
    };
    if dropped == length {
        return Ok(array(Array::default()));
    }
    let each = elements.values().len() / length as usize;
    let mut dimensions = elements.dimensions().to_vec();
    // A slice counts from 1.
    dimensions
        .iter_mut()
        .for_each(|dimension| dimension.lower = 1);
    dimensions[0].length = length - dropped;
    let values = elements.values()[..each * (length - dropped) as usize].to_vec();
    Ok(array(Array::new(dimensions, values)?))
}

/// How many bounds, which are sorted, are not greater.
fn bucket(value: &Value, bounds: &Array) -> Result<i32> {
    if bounds.dimensions().len() > 1 {
        let words = "thresholds must be one-dimensional array";
        return Err(Error::new(SqlState::ARRAY_SUBSCRIPT_ERROR, words));
    }
    if bounds.values().iter().any(Value::is_null) {
        let words = "thresholds array must not contain NULLs";
        return Err(Error::new(SqlState::NULL_VALUE_NOT_ALLOWED, words));
    }
    Ok(bounds.values().partition_point(|bound| bound <= value) as i32)
}
