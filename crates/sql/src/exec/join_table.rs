//! The hash table of a join: the rows of one side, and where those with a key are.
//!
//! Keys of all rows lie one after the other in a vector, and the table holds numbers of rows: a row
//! costs no allocation of its own. Rows with the same key are a list, in the order in which they
//! came. A single integer, the most common key, is in the table itself, and so are two of type
//! `integer`, as one number; where integers lie close together, as numbers that were counted up do,
//! they are places in a vector, and nothing is hashed.

use std::hash::BuildHasher;
use std::sync::OnceLock;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use rustdb_types::{Cells, Value};

use super::batch::Batch;
use super::context::Context;
use super::hash_join::key;
use super::key::widened;
use super::members::Bits;
use super::spill::Charge;
use super::vector::{Vector, vector};
use crate::error::{Error, Result, SqlState};
use crate::expr::Expr;

/// There is no next row.
pub(super) const NONE: u32 = u32::MAX;

/// The keys of some rows. A key with a NULL in it equals nothing.
#[derive(Debug, Default)]
pub(super) struct Keys {
    width: usize,
    /// The keys, as long as all are of one value that is an integer, or of two that are
    /// [packed](pack).
    integers: Option<Vec<i64>>,
    /// Else the values of all rows; the first of a row is NULL if its key equals nothing.
    values: Vec<Value>,
}

/// A key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum JoinKey<'a> {
    Integer(i64),
    Values(&'a [Value]),
}

/// The right side: its rows, column by column, and where those with a key are.
#[derive(Debug)]
pub(crate) struct Table {
    pub(super) rows: Batch,
    keys: Keys,
    /// How many values a key has.
    width: usize,
    first: First,
    /// For each row the next one with the same key.
    next: Vec<u32>,
    /// The keys, or what they begin with, if they are integers that lie together.
    bits: OnceLock<Option<Bits>>,
    /// What it holds.
    pub(super) charge: Option<Charge>,
}

/// The first row with a key.
#[derive(Debug)]
enum First {
    /// Of each integer from the least one on, or [`NONE`].
    Dense(i64, Vec<u32>),
    Integers(HashTable<(i64, u32)>, RandomState),
    Values(HashTable<u32>, RandomState),
}

/// What a row's place in the table takes, about: number, next row, and room to grow.
const ENTRY_BYTES: usize = 24;

/// Integers are dense if they span no more than this many times as many numbers as there are.
const SPAN_MAX: usize = 4;

impl Keys {
    /// No keys of so many values.
    pub(super) fn new(width: usize) -> Keys {
        let mut keys = Keys::default();
        keys.reset(width);
        keys
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
        self.append_vectors(&vectors, batch.rows());
        Ok(())
    }

    fn append_vectors(&mut self, vectors: &[Vector<'_>], rows: usize) {
        if let Some(all) = &mut self.integers
            && append_integers(vectors, all)
        {
            return;
        }
        let values = self.spread();
        values.reserve(rows * vectors.len());
        for row in 0..rows {
            let is_null = vectors.iter().any(|vector| vector.get(row).is_null());
            for vector in vectors {
                values.push(match is_null {
                    true => Value::Null,
                    false => widened(vector.get(row).clone()),
                });
            }
        }
    }

    /// The same row by row, so that of several errors the first one is told.
    fn append_by_row(&mut self, exprs: &[Expr], batch: &Batch, cx: &mut Context<'_>) -> Result<()> {
        let values = self.spread();
        let mut scratch = Vec::new();
        for row in 0..batch.rows() {
            match key(exprs, &batch.row(row), &mut scratch, cx)? {
                true => values.append(&mut scratch),
                false => values.extend(exprs.iter().map(|_| Value::Null)),
            }
        }
        Ok(())
    }

    /// Makes values of all keys.
    fn spread(&mut self) -> &mut Vec<Value> {
        if let Some(numbers) = self.integers.take() {
            let keys = numbers
                .into_iter()
                .map(|number| unpacked(number, self.width));
            self.values = keys.flatten().collect();
        }
        &mut self.values
    }

    /// No keys of so many values any more; the room stays.
    pub(super) fn reset(&mut self, width: usize) {
        self.width = width;
        self.values.clear();
        match &mut self.integers {
            Some(numbers) if width <= PACKED_MAX => numbers.clear(),
            numbers => *numbers = (width <= PACKED_MAX).then(Vec::new),
        }
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        match &self.integers {
            Some(numbers) => numbers.len(),
            None => self.values.len() / self.width.max(1),
        }
    }

    /// What a row's key and its place in a table take.
    pub(super) fn row_bytes(&self) -> usize {
        let key = match self.integers {
            Some(_) => size_of::<i64>(),
            None => size_of::<Value>() * self.width,
        };
        key + ENTRY_BYTES
    }

    /// The key of a row; `None` if it equals nothing.
    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<JoinKey<'_>> {
        if let Some(numbers) = &self.integers {
            return Some(JoinKey::Integer(numbers[row]));
        }
        let key = &self.values[row * self.width..][..self.width];
        let is_null = key.first().is_none_or(Value::is_null);
        (!is_null).then_some(JoinKey::Values(key))
    }

    /// Puts the values of the key of a row in `into`; `false` if it equals nothing.
    pub(super) fn values_of(&self, row: usize, into: &mut Vec<Value>) -> bool {
        into.clear();
        match self.get(row) {
            Some(JoinKey::Integer(number)) => into.extend(unpacked(number, self.width)),
            Some(JoinKey::Values(key)) => into.extend_from_slice(key),
            None => return false,
        }
        true
    }

    /// Whether all keys that equal anything are integers.
    fn are_integers(&self) -> bool {
        let is_integer = |value: &Value| matches!(value, Value::Int8(_) | Value::Null);
        self.integers.is_some() || self.width == 1 && self.values.iter().all(is_integer)
    }

    /// The integer that the key of a row is, where all are such; `None` is no key.
    #[inline]
    fn integer(&self, row: usize) -> Option<i64> {
        self.get(row).and_then(JoinKey::integer)
    }
}

impl JoinKey<'_> {
    /// The integer that it is.
    #[inline]
    fn integer(self) -> Option<i64> {
        match self {
            JoinKey::Integer(number) => Some(number),
            JoinKey::Values([Value::Int8(number)]) => Some(*number),
            JoinKey::Values([Value::Int8(first), Value::Int8(second)]) => {
                let (first, second) = (i32::try_from(*first), i32::try_from(*second));
                Some(pack(first.ok()?, second.ok()?))
            }
            JoinKey::Values(_) => None,
        }
    }
}

/// Keys of so many values can be one integer.
const PACKED_MAX: usize = 2;

/// Two integers as one.
#[inline]
fn pack(first: i32, second: i32) -> i64 {
    i64::from(first) << 32 | i64::from(second as u32)
}

/// The values of a key of so many.
fn unpacked(number: i64, width: usize) -> impl Iterator<Item = Value> {
    let (first, second) = match width {
        1 => (number, None),
        _ => (number >> 32, Some(i64::from(number as i32))),
    };
    [Some(first), second].into_iter().flatten().map(Value::Int8)
}

/// Adds keys that are integers; `false` if they are others.
fn append_integers(keys: &[Vector<'_>], all: &mut Vec<i64>) -> bool {
    match keys {
        [only] => match only.cells() {
            Some(Cells::Int4(numbers)) => {
                all.extend(numbers.iter().map(|number| i64::from(*number)));
            }
            Some(Cells::Int8(numbers)) => all.extend(numbers),
            _ => return false,
        },
        [first, second] => match (first.cells(), second.cells()) {
            (Some(Cells::Int4(first)), Some(Cells::Int4(second))) => {
                let pairs = first.iter().zip(second);
                all.extend(pairs.map(|(first, second)| pack(*first, *second)));
            }
            _ => return false,
        },
        _ => return false,
    }
    true
}

impl Table {
    /// A table of rows with their keys.
    pub(super) fn new(rows: Batch, mut keys: Keys) -> Result<Table> {
        let count = rows.rows();
        if count >= NONE as usize {
            let message = "a join has more than four billion rows on one side";
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        let mut next = vec![NONE; count];
        let width = keys.width;
        let first = match keys.are_integers() {
            true => First::of_integers(&keys, &mut next),
            false => First::of_values(&mut keys, &mut next),
        };
        if !matches!(first, First::Values(..)) {
            // They are in the table.
            keys = Keys::default();
        }
        Ok(Table {
            rows,
            keys,
            width,
            first,
            next,
            bits: OnceLock::new(),
            charge: None,
        })
    }

    /// The first row with a key; [`NONE`] if there is none.
    #[inline]
    pub(super) fn first_of(&self, key: JoinKey<'_>) -> u32 {
        match &self.first {
            First::Dense(least, first) => {
                let Some(number) = key.integer() else {
                    // Nothing else equals an integer.
                    return NONE;
                };
                let place = number.wrapping_sub(*least) as u64;
                let place = usize::try_from(place).unwrap_or(usize::MAX);
                first.get(place).copied().unwrap_or(NONE)
            }
            First::Integers(table, hasher) => {
                let Some(number) = key.integer() else {
                    return NONE;
                };
                let found = table.find(hasher.hash_one(number), |(other, _)| *other == number);
                found.map_or(NONE, |(_, first)| *first)
            }
            First::Values(table, hasher) => match key {
                JoinKey::Integer(number) => {
                    let key: Vec<Value> = unpacked(number, self.keys.width).collect();
                    self.find(table, hasher, &key)
                }
                JoinKey::Values(key) => self.find(table, hasher, key),
            },
        }
    }

    /// The keys if each is one integer, or the first ones of those that are two; `None` if they lie too
    /// far apart. They are integers.
    #[inline]
    pub(super) fn bits(&self) -> Option<&Bits> {
        self.bits.get_or_init(|| self.make_bits()).as_ref()
    }

    fn make_bits(&self) -> Option<Bits> {
        let first = |number: i64| match self.width {
            1 => number,
            _ => number >> 32,
        };
        match &self.first {
            First::Dense(least, rows) => {
                let rows = rows.iter().enumerate().filter(|(_, row)| **row != NONE);
                Bits::new(rows.map(|(place, _)| first(least + place as i64)))
            }
            First::Integers(table, _) => Bits::new(table.iter().map(|(number, _)| first(*number))),
            First::Values(..) => None,
        }
    }

    /// Whether its keys are integers, one or two packed as one, that [`Table::has_integers`] knows.
    pub(super) fn is_of_integers(&self) -> bool {
        !matches!(self.first, First::Values(..))
    }

    /// Whether there is a row with this key, of one or two integers.
    #[inline]
    pub(super) fn has_integers(&self, key: &[i64]) -> bool {
        let number = match *key {
            [number] => Some(number),
            [first, second] => match (i32::try_from(first), i32::try_from(second)) {
                (Ok(first), Ok(second)) => Some(pack(first, second)),
                _ => None,
            },
            _ => None,
        };
        number.is_some_and(|number| self.first_of(JoinKey::Integer(number)) != NONE)
    }

    fn find(&self, table: &HashTable<u32>, hasher: &RandomState, key: &[Value]) -> u32 {
        let is_it = |row: &u32| self.keys.get(*row as usize) == Some(JoinKey::Values(key));
        table
            .find(hasher.hash_one(key), is_it)
            .copied()
            .unwrap_or(NONE)
    }

    /// The next row with the same key; [`NONE`] if there is none.
    #[inline]
    pub(super) fn after(&self, row: usize) -> u32 {
        self.next[row]
    }
}

/// Rows are entered from the end, so that those of one key follow each other as they came.
impl First {
    fn of_integers(keys: &Keys, next: &mut [u32]) -> First {
        let count = next.len();
        let numbers = || (0..count).filter_map(|row| keys.integer(row));
        let (least, greatest) = (numbers().min(), numbers().max());
        let (least, greatest) = (least.unwrap_or(0), greatest.unwrap_or(0));
        let span = greatest
            .checked_sub(least)
            .and_then(|span| usize::try_from(span).ok());
        let rows = || (0..count).rev().map(|row| (row, keys.integer(row)));
        if let Some(span) = span.filter(|span| *span / SPAN_MAX <= count) {
            let mut first = vec![NONE; span + 1];
            for (row, number) in rows() {
                if let Some(number) = number {
                    let place = (number - least) as usize;
                    next[row] = std::mem::replace(&mut first[place], row as u32);
                }
            }
            return First::Dense(least, first);
        }
        let hasher = RandomState::default();
        let mut table = HashTable::with_capacity(count);
        for (row, number) in rows() {
            let Some(number) = number else {
                continue;
            };
            let hash = hasher.hash_one(number);
            match table.find_mut(hash, |(other, _): &(i64, u32)| *other == number) {
                Some((_, first)) => next[row] = std::mem::replace(first, row as u32),
                None => {
                    let hash_of = |(number, _): &(i64, u32)| hasher.hash_one(number);
                    table.insert_unique(hash, (number, row as u32), hash_of);
                }
            }
        }
        First::Integers(table, hasher)
    }

    fn of_values(keys: &mut Keys, next: &mut [u32]) -> First {
        let width = keys.width;
        let values = &keys.spread()[..];
        let of = |row: u32| &values[row as usize * width..][..width];
        let hasher = RandomState::default();
        let mut table: HashTable<u32> = HashTable::with_capacity(next.len());
        for (row, next) in next.iter_mut().enumerate().rev() {
            let row = row as u32;
            let key = of(row);
            if key.first().is_none_or(Value::is_null) {
                continue;
            }
            let hash = hasher.hash_one(key);
            match table.find_mut(hash, |first| of(*first) == key) {
                Some(first) => *next = std::mem::replace(first, row),
                None => {
                    table.insert_unique(hash, row, |row| hasher.hash_one(of(*row)));
                }
            }
        }
        First::Values(table, hasher)
    }
}

#[cfg(test)]
mod tests {
    use rustdb_types::ColumnVector;

    use super::*;

    /// Keys of these columns, as a batch would give them.
    fn keys(columns: &[ColumnVector]) -> Keys {
        let mut keys = Keys::new(columns.len());
        let vectors: Vec<Vector<'_>> = columns
            .iter()
            .map(|column| Vector::Column(std::borrow::Cow::Borrowed(column)))
            .collect();
        keys.append_vectors(&vectors, columns[0].len());
        keys
    }

    /// The right rows that go with each left one, which must be those whose values are equal.
    fn check(left: &[ColumnVector], right: &[ColumnVector]) {
        let rows = Batch::of(right.to_vec(), right[0].len());
        let table = Table::new(rows, keys(right)).unwrap();
        let probed = keys(left);
        let key = |columns: &[ColumnVector], row: usize| -> Vec<Value> {
            columns
                .iter()
                .map(|column| widened(column.get(row)))
                .collect()
        };
        for row in 0..left[0].len() {
            let mut found = Vec::new();
            let mut at = probed.get(row).map_or(NONE, |key| table.first_of(key));
            while at != NONE {
                found.push(at as usize);
                at = table.after(at as usize);
            }
            let mine = key(left, row);
            let is_null = mine.iter().any(Value::is_null);
            let partners = (0..right[0].len())
                .filter(|other| !is_null && key(right, *other) == mine)
                .collect::<Vec<_>>();
            assert_eq!(found, partners, "{mine:?}");
        }
    }

    #[test]
    fn rows_are_found_by_keys_of_every_form() {
        let close: Vec<i32> = (0..300).map(|row| row * 7 % 90 - 20).collect();
        let apart: Vec<i32> = close.iter().map(|number| number * 9_999_991).collect();
        let long = |numbers: &[i32]| -> ColumnVector {
            Cells::Int8(numbers.iter().map(|number| i64::from(*number)).collect()).into()
        };
        let short = |numbers: &[i32]| -> ColumnVector { Cells::Int4(numbers.to_vec()).into() };
        let mut with_null = short(&close);
        with_null.push(Value::Null);
        let mut wide = long(&close);
        wide.append(Cells::Int8(vec![i64::MAX, i64::MIN, 1 << 32]).into());
        let of_one = [
            short(&close),
            short(&apart),
            long(&close),
            long(&apart),
            with_null,
            wide.clone(),
            short(&[]),
        ];
        for left in &of_one {
            for right in &of_one {
                check(std::slice::from_ref(left), std::slice::from_ref(right));
            }
        }
        // Of two columns: short ones are packed, and those that are not find them all the same.
        let mirrored: Vec<i32> = close.iter().rev().copied().collect();
        let mut mixed = short(&mirrored);
        mixed.spread();
        let of_two = [
            [short(&close), short(&mirrored)],
            [short(&apart), short(&close)],
            [long(&close), long(&mirrored)],
            [short(&close), mixed],
            [wide.clone(), wide],
        ];
        for left in &of_two {
            for right in &of_two {
                check(left, right);
            }
        }
    }

    #[test]
    fn integers_at_the_ends_of_their_type_are_not_counted_between() {
        let ends: ColumnVector = Cells::Int8(vec![i64::MAX, i64::MIN, 0, i64::MIN]).into();
        check(std::slice::from_ref(&ends), std::slice::from_ref(&ends));
    }
}
