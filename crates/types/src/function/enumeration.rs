//! Functions of enums: their labels.

use std::sync::Arc;

use super::{Row, Scope, raw};
use crate::array::Array;
use crate::error::{Error, Result, SqlState};
use crate::types::{Element, EnumLabel};
use crate::value::Value;

pub(super) static ROWS: &[Row] = &[
    raw!("enum_first(anyenum) anyenum stable called", |_, scope| {
        end(labels(scope)?.first())
    }),
    raw!("enum_last(anyenum) anyenum stable called", |_, scope| {
        end(labels(scope)?.last())
    }),
    raw!("enum_range(anyenum) anyarray stable called", |_, scope| {
        range(labels(scope)?, &Value::Null, &Value::Null)
    }),
    raw!(
        "enum_range(anyenum, anyenum) anyarray stable called",
        |arguments, scope| { range(labels(scope)?, &arguments[0], &arguments[1]) }
    ),
];

/// The labels of the enum that the call is about, even if it is about NULL.
fn labels<'a>(scope: &Scope<'a>) -> Result<&'a [Arc<EnumLabel>]> {
    match scope.types.first().map(|of| &of.element) {
        Some(Element::Enum(definition)) => Ok(&definition.labels),
        _ => Err(Error::mismatch("enum")),
    }
}

fn end(label: Option<&Arc<EnumLabel>>) -> Result<Value> {
    let label = label.ok_or_else(|| {
        let words = "enum contains no values";
        Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, words)
    })?;
    Ok(Value::Enum(label.clone()))
}

/// The labels between two, which count; NULL is no bound.
fn range(labels: &[Arc<EnumLabel>], first: &Value, last: &Value) -> Result<Value> {
    let bound = |value: &Value| match value {
        Value::Enum(label) => Some(label.order),
        _ => None,
    };
    let (first, last) = (bound(first), bound(last));
    let within = |label: &&Arc<EnumLabel>| {
        first.is_none_or(|first| label.order >= first)
            && last.is_none_or(|last| label.order <= last)
    };
    let found = labels.iter().filter(within).cloned().map(Value::Enum);
    Ok(Value::Array(Arc::new(Array::from_values(found.collect()))))
}
