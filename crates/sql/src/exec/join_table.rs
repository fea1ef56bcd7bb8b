//! The hash table of a join: the rows of one side, and where those with a key are.
//!
//! Keys of all rows lie one after the other in a vector, and the table holds numbers of rows: a row
//! costs no allocation of its own. Rows with the same key are a list, in the order in which they
//! came. A single integer, the most common key, is in the table itself.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use rustdb_types::Value;

use super::batch::Batch;
use super::context::Context;
use super::hash_join::key;
use super::key::widened;
use super::spill::Charge;
use super::vector::vector;
use crate::error::{Error, Result, SqlState};
use crate::expr::Expr;

/// There is no next row.
pub(super) const NONE: u32 = u32::MAX;

/// The keys of some rows. A key with a NULL in it equals nothing.
#[derive(Debug, Default)]
pub(super) struct Keys {
    width: usize,
    /// The values of all rows; the first of a row is NULL if its key equals nothing.
    values: Vec<Value>,
}

/// The right side: its rows, column by column, and where those with a key are.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) rows: Batch,
    keys: Keys,
    first: First,
    /// For each row the next one with the same key.
    next: Vec<u32>,
    /// What it holds.
    pub(super) charge: Option<Charge>,
}

/// The first row with a key.
#[derive(Debug)]
enum First {
    Integers(HashTable<(i64, u32)>, RandomState),
    Values(HashTable<u32>, RandomState),
}

impl Keys {
    /// No keys of so many values.
    pub(super) fn new(width: usize) -> Keys {
        Keys {
            width,
            values: Vec::new(),
        }
    }

    /// Adds the keys of a batch's rows.
    pub(super) fn append(
        &mut self,
        exprs: &[Expr],
        batch: &Batch,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        let vectors: Result<Vec<_>> = exprs.iter().map(|expr| vector(expr, batch, cx)).collect();
        let Ok(vectors) = vectors else {
            return self.append_by_row(exprs, batch, cx);
        };
        self.values.reserve(batch.rows() * self.width);
        for row in 0..batch.rows() {
            let is_null = vectors.iter().any(|vector| vector.get(row).is_null());
            for vector in &vectors {
                self.values.push(match is_null {
                    true => Value::Null,
                    false => widened(vector.get(row).clone()),
                });
            }
        }
        Ok(())
    }

    /// The same row by row, so that of several errors the first one is told.
    fn append_by_row(&mut self, exprs: &[Expr], batch: &Batch, cx: &mut Context<'_>) -> Result<()> {
        let mut scratch = Vec::new();
        for row in 0..batch.rows() {
            match key(exprs, &batch.row(row), &mut scratch, cx)? {
                true => self.values.append(&mut scratch),
                false => self.values.extend(exprs.iter().map(|_| Value::Null)),
            }
        }
        Ok(())
    }

    /// No keys of so many values any more; the room stays.
    pub(super) fn reset(&mut self, width: usize) {
        self.width = width;
        self.values.clear();
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// The key of a row; `None` if it equals nothing.
    pub(super) fn get(&self, row: usize) -> Option<&[Value]> {
        let key = &self.values[row * self.width..][..self.width];
        let is_null = key.first().is_none_or(Value::is_null);
        (!is_null).then_some(key)
    }
}

impl Table {
    /// A table of rows with their keys.
    pub(super) fn new(rows: Batch, keys: Keys) -> Result<Table> {
        if rows.rows() >= NONE as usize {
            let message = "a join has more than four billion rows on one side";
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        let is_integer = |value: &Value| matches!(value, Value::Int8(_) | Value::Null);
        let hasher = RandomState::default();
        let mut table = Table {
            first: match keys.width == 1 && keys.values.iter().all(is_integer) {
                true => First::Integers(HashTable::with_capacity(rows.rows()), hasher),
                false => First::Values(HashTable::with_capacity(rows.rows()), hasher),
            },
            next: vec![NONE; rows.rows()],
            rows,
            keys,
            charge: None,
        };
        // From the end, so that rows of one key follow each other as they came.
        for row in (0..table.next.len()).rev() {
            table.enter(row as u32);
        }
        Ok(table)
    }

    /// Enters a row; all after it are there.
    fn enter(&mut self, row: u32) {
        let keys = &self.keys;
        let Some(key) = keys.get(row as usize) else {
            return;
        };
        let after = match (&mut self.first, key) {
            (First::Integers(table, hasher), [Value::Int8(number)]) => {
                let hash = hasher.hash_one(number);
                match table.find_mut(hash, |(other, _)| other == number) {
                    Some((_, first)) => Some(std::mem::replace(first, row)),
                    None => {
                        let hash_of = |(number, _): &(i64, u32)| hasher.hash_one(number);
                        table.insert_unique(hash, (*number, row), hash_of);
                        None
                    }
                }
            }
            (First::Integers(..), _) => None,
            (First::Values(table, hasher), key) => {
                let hash = hasher.hash_one(key);
                let of = |row: &u32| keys.get(*row as usize);
                match table.find_mut(hash, |first| of(first) == Some(key)) {
                    Some(first) => Some(std::mem::replace(first, row)),
                    None => {
                        table.insert_unique(hash, row, |row| hasher.hash_one(of(row)));
                        None
                    }
                }
            }
        };
        if let Some(after) = after {
            self.next[row as usize] = after;
        }
    }

    /// The first row with a key; [`NONE`] if there is none.
    #[inline]
    pub(super) fn first_of(&self, key: &[Value]) -> u32 {
        let first = match (&self.first, key) {
            (First::Integers(table, hasher), [Value::Int8(number)]) => {
                let found = table.find(hasher.hash_one(number), |(other, _)| other == number);
                found.map(|(_, first)| *first)
            }
            // Nothing else equals an integer.
            (First::Integers(..), _) => None,
            (First::Values(table, hasher), key) => {
                let of = |row: &u32| self.keys.get(*row as usize);
                let found = table.find(hasher.hash_one(key), |first| of(first) == Some(key));
                found.copied()
            }
        };
        first.unwrap_or(NONE)
    }

    /// The next row with the same key; [`NONE`] if there is none.
    #[inline]
    pub(super) fn after(&self, row: usize) -> u32 {
        self.next[row]
    }
}
