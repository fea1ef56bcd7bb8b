//! Rows as keys of hash tables.

use rustdb_types::Value;

use super::batch::Row;

/// Some values of a row, compared as grouping does: NULL equals NULL.
pub(crate) type RowKey = Box<[Value]>;

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
