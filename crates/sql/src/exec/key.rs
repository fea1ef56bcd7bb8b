//! Rows as keys of hash tables.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use rustdb_types::{Cells, Value};

use super::batch::Row;
use super::vector::Vector;

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

/// The hash of a key, part by part, so that columns can be hashed one after the other. It is that
/// of [`hashes`].
pub(super) fn hash_key(hasher: &RandomState, key: &[Value]) -> u64 {
    key.iter()
        .fold(0, |hash, part| mixed(hash, hash_part(hasher, part)))
}

/// The hashes of the keys of some rows.
pub(super) fn hashes(hasher: &RandomState, keys: &[Vector<'_>], rows: usize) -> Vec<u64> {
    let mut hashes = vec![0; rows];
    let mix = |hashes: &mut [u64], of: &dyn Fn(usize) -> u64| {
        for (row, hash) in hashes.iter_mut().enumerate() {
            *hash = mixed(*hash, of(row));
        }
    };
    for key in keys {
        match key.cells() {
            Some(Cells::Int4(numbers) | Cells::Date(numbers)) => {
                for (hash, number) in hashes.iter_mut().zip(numbers) {
                    *hash = mixed(*hash, hasher.hash_one(i64::from(*number)));
                }
            }
            Some(Cells::Int8(numbers) | Cells::Timestamp(numbers)) => {
                for (hash, number) in hashes.iter_mut().zip(numbers) {
                    *hash = mixed(*hash, hasher.hash_one(*number));
                }
            }
            Some(Cells::Text(texts)) => {
                mix(&mut hashes, &|row| hasher.hash_one(texts.bytes_of(row)))
            }
            _ => mix(&mut hashes, &|row| hash_part(hasher, &key.cell(row))),
        }
    }
    hashes
}

#[inline]
fn hash_part(hasher: &RandomState, part: &Value) -> u64 {
    match part {
        Value::Int4(number) | Value::Date(number) => hasher.hash_one(i64::from(*number)),
        Value::Int8(number) | Value::Timestamp(number) => hasher.hash_one(*number),
        Value::Text(text) => hasher.hash_one(text.as_bytes()),
        part => hasher.hash_one(part),
    }
}

#[inline]
fn mixed(hash: u64, part: u64) -> u64 {
    (hash.rotate_left(23) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
