//! Joining and comparing arrays as sets.

use std::sync::Arc;

use super::operand::take;
use super::{Function, Operator};
use crate::array::{Array, Dimension};
use crate::base::Base;
use crate::error::{Error, Result, SqlState};
use crate::interrupt;
use crate::parameter::Parameter;
use crate::value::Value;

pub(super) static OPERATORS: &[Operator] = &[
    Operator {
        name: "||",
        left: Some(Parameter::AnyCompatibleArray),
        right: Parameter::AnyCompatible,
        result: Parameter::AnyCompatibleArray,
        strict: false,
        function: Function::Infix(|left, right, _| extended(left, right, Side::End)),
    },
    Operator {
        name: "||",
        left: Some(Parameter::AnyCompatible),
        right: Parameter::AnyCompatibleArray,
        result: Parameter::AnyCompatibleArray,
        strict: false,
        function: Function::Infix(|left, right, _| extended(right, left, Side::Start)),
    },
    Operator {
        name: "||",
        left: Some(Parameter::AnyCompatibleArray),
        right: Parameter::AnyCompatibleArray,
        result: Parameter::AnyCompatibleArray,
        strict: false,
        function: Function::Infix(|left, right, _| concatenated_arrays(left, right)),
    },
    set("@>", |left, right, _| {
        contains(take(left)?, take(right)?).map(Value::Bool)
    }),
    set("<@", |left, right, _| {
        contains(take(right)?, take(left)?).map(Value::Bool)
    }),
    set("&&", |left, right, _| {
        overlaps(take(left)?, take(right)?).map(Value::Bool)
    }),
];

type Infix = fn(&Value, &Value, &crate::settings::Settings) -> Result<Value>;

const fn set(name: &'static str, function: Infix) -> Operator {
    Operator {
        name,
        left: Some(Parameter::AnyArray),
        right: Parameter::AnyArray,
        result: Parameter::base(Base::Bool),
        strict: true,
        function: Function::Infix(function),
    }
}

/// Whether every element of `right` is in `left`. NULL is in nothing.
fn contains(left: &Array, right: &Array) -> Result<bool> {
    for value in right.values() {
        if !is_in(value, left)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether both have an element in common that is not NULL.
fn overlaps(left: &Array, right: &Array) -> Result<bool> {
    for value in right.values() {
        if is_in(value, left)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_in(value: &Value, array: &Array) -> Result<bool> {
    interrupt::spend(array.values().len() * 4)?;
    Ok(!value.is_null() && array.values().contains(value))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Start,
    End,
}

/// `array_append`, or `array_prepend`: an array with one more element.
pub(crate) fn extended_array(array: &Value, element: &Value, at_start: bool) -> Result<Value> {
    extended(
        array,
        element,
        if at_start { Side::Start } else { Side::End },
    )
}

/// `array_cat`: NULL is taken for an empty array.
pub(crate) fn concatenated_arrays(left: &Value, right: &Value) -> Result<Value> {
    if left.is_null() || right.is_null() {
        return Ok(if left.is_null() { right } else { left }.clone());
    }
    concatenated(take(left)?, take(right)?).map(|array| Value::Array(Arc::new(array)))
}

/// An array of one dimension with one more element; its first subscript stays.
fn extended(array: &Value, element: &Value, side: Side) -> Result<Value> {
    let empty = Array::default();
    let array: &Array = if array.is_null() {
        &empty
    } else {
        take(array)?
    };
    let lower = match array.dimensions() {
        [] => 1,
        [dimension] => dimension.lower,
        _ => {
            let words = "argument must be empty or one-dimensional array";
            return Err(Error::new(SqlState::DATA_EXCEPTION, words));
        }
    };
    let mut values = array.values().to_vec();
    match side {
        Side::Start => values.insert(0, element.clone()),
        Side::End => values.push(element.clone()),
    }
    let length = values.len() as u32;
    let extended = Array::new(vec![Dimension { lower, length }], values)?;
    Ok(Value::Array(Arc::new(extended)))
}

/// Two arrays along their first dimension; one of them may be an element of the other's kind.
fn concatenated(left: &Array, right: &Array) -> Result<Array> {
    if left.values().is_empty() {
        return Ok(right.clone());
    }
    if right.values().is_empty() {
        return Ok(left.clone());
    }
    let (outer, inner) = (left.dimensions(), right.dimensions());
    let incompatible = |detail: String| {
        let words = "cannot concatenate incompatible arrays";
        Err(Error::new(SqlState::ARRAY_SUBSCRIPT_ERROR, words).with_detail(detail))
    };
    let (mut dimensions, more, fits) = match outer.len() as i64 - inner.len() as i64 {
        0 => (outer.to_vec(), inner[0].length, outer[1..] == inner[1..]),
        1 => (outer.to_vec(), 1, outer[1..] == *inner),
        -1 => (inner.to_vec(), 1, *outer == inner[1..]),
        _ => {
            return incompatible(format!(
                "Arrays of {} and {} dimensions are not compatible for concatenation.",
                outer.len(),
                inner.len()
            ));
        }
    };
    if !fits {
        let what = if outer.len() == inner.len() {
            "element dimensions"
        } else {
            "dimensions"
        };
        return incompatible(format!(
            "Arrays with differing {what} are not compatible for concatenation."
        ));
    }
    dimensions[0].length = dimensions[0].length.saturating_add(more);
    let values = left
        .values()
        .iter()
        .chain(right.values())
        .cloned()
        .collect();
    Array::new(dimensions, values)
}
