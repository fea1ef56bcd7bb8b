//! Rows as keys of hash tables.

use rustdb_types::Value;

use super::batch::Row;

/// Some values of a row, compared as grouping does: NULL equals NULL.
pub(crate) type RowKey = Box<[Value]>;

/// Takes from the values at these places, which are of `char(n)`, the blanks that do not count.
pub(super) fn unpad(key: &mut [Value], places: &[usize]) {
    for place in places {
        if let Some(value) = key.get_mut(*place) {
            *value = trimmed(std::mem::take(value));
        }
    }
}

/// A value of `char(n)`, or an array of such, without the blanks at the end.
pub(super) fn trimmed(value: Value) -> Value {
    match &value {
        Value::Text(text) if text.as_str().ends_with(' ') => {
            Value::text(text.as_str().trim_end_matches(' '))
        }
        Value::Array(array) => {
            let values = array.values().iter().cloned().map(trimmed).collect();
            match rustdb_types::Array::new(array.dimensions().to_vec(), values) {
                Ok(array) => Value::Array(array.into()),
                Err(_) => value,
            }
        }
        _ => value,
    }
}

/// The values at these places.
pub(crate) fn key_at<R: Row + ?Sized>(row: &R, places: &[usize]) -> RowKey {
    places
        .iter()
        .map(|place| row.value(*place).clone())
        .collect()
}

/// Numbers of different widths that are equal become the same: what joins compare.
pub(crate) fn widened(value: Value) -> Value {
    match value {
        Value::Int2(number) => Value::Int8(i64::from(number)),
        Value::Int4(number) => Value::Int8(i64::from(number)),
        Value::Float4(number) => Value::Float8(f64::from(number)),
        other => other,
    }
}
