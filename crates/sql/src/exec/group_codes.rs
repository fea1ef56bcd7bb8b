//! Short keys of groups as numbers.
//!
//! Many groups are made by a letter or two, or by an integer or two: such a key is one number, and rows
//! with the same number are of the same group. Whoever knows the groups by these numbers need not
//! look at keys ([`Codes`]). Which keys have a number depends on their form and length alone, so equal
//! numbers are equal keys; equal keys may have two numbers, as padded texts do.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use rustdb_types::{Cells, Strings};

use super::vector::Vector;

/// The groups of some keys, by their numbers.
#[derive(Default)]
pub(super) struct Codes {
    table: HashTable<(u64, u32)>,
    hasher: RandomState,
}

/// What a group's number takes, about.
pub(super) const CODE_BYTES: usize = 24;

impl Codes {
    /// The group of a key, if it is known.
    #[inline]
    pub(super) fn get(&self, code: u64) -> Option<u32> {
        let hash = self.hasher.hash_one(code);
        let found = self.table.find(hash, |(other, _)| *other == code);
        found.map(|(_, group)| *group)
    }

    /// Notes the group of a key that is not known.
    pub(super) fn insert(&mut self, code: u64, group: u32) {
        let hasher = &self.hasher;
        let hash = hasher.hash_one(code);
        self.table
            .insert_unique(hash, (code, group), |(other, _)| hasher.hash_one(other));
    }

    /// Forgets all groups.
    pub(super) fn clear(&mut self) {
        self.table.clear();
    }
}

/// The keys of some rows as numbers; `None` if one of them has none.
pub(super) fn codes(keys: &[Vector<'_>], rows: usize) -> Option<Vec<u64>> {
    let bits = match keys.len() {
        1 => 64,
        2 => 32,
        3 | 4 => 16,
        _ => return None,
    };
    let mut codes = vec![0; rows];
    for (place, key) in keys.iter().enumerate() {
        let shift = place * bits;
        match key.cells()? {
            Cells::Bool(truths) => add(&mut codes, truths, |truth| u64::from(*truth) << shift),
            Cells::Int4(numbers) | Cells::Date(numbers) if bits >= 32 => {
                add(&mut codes, numbers, |number| {
                    u64::from(*number as u32) << shift
                });
            }
            Cells::Int8(numbers) | Cells::Timestamp(numbers) if bits == 64 => {
                add(&mut codes, numbers, |number| *number as u64);
            }
            Cells::Text(texts) => add_texts(&mut codes, texts, bits, shift)?,
            _ => return None,
        }
    }
    Some(codes)
}

fn add<T>(codes: &mut [u64], cells: &[T], code: impl Fn(&T) -> u64) {
    for (sum, cell) in codes.iter_mut().zip(cells) {
        *sum |= code(cell);
    }
}

/// Adds texts, each with its length in the first byte; `None` if one is too long for so many bits.
fn add_texts(codes: &mut [u64], texts: &Strings, bits: usize, shift: usize) -> Option<()> {
    let longest = bits / 8 - 1;
    for (row, sum) in codes.iter_mut().enumerate() {
        let text = texts.bytes_of(row);
        if text.len() > longest {
            return None;
        }
        let bytes = text.iter().rev();
        let code = bytes.fold(0, |code, byte| code << 8 | u64::from(*byte));
        *sum |= (code << 8 | text.len() as u64) << shift;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use rustdb_types::{ColumnVector, Value};

    use super::*;

    fn of(columns: &[ColumnVector]) -> Option<Vec<u64>> {
        let keys: Vec<Vector<'_>> = columns
            .iter()
            .map(|column| Vector::Column(Cow::Borrowed(column)))
            .collect();
        codes(&keys, columns[0].len())
    }

    fn texts(all: &[&str]) -> ColumnVector {
        let mut strings = Strings::with_capacity(all.len());
        all.iter().for_each(|text| strings.push(text));
        Cells::Text(strings).into()
    }

    /// Rows have the same code only if they have the same key.
    fn check(columns: &[ColumnVector]) {
        let codes = of(columns).unwrap();
        for left in 0..codes.len() {
            for right in 0..codes.len() {
                let is_same = columns
                    .iter()
                    .all(|column| column.get(left) == column.get(right));
                assert_eq!(codes[left] == codes[right], is_same, "{left} {right}");
            }
        }
    }

    #[test]
    fn keys_are_the_same_where_their_numbers_are() {
        let numbers: ColumnVector =
            Cells::Int4(vec![0, -1, 1, i32::MIN, i32::MAX, 0, 256, 1]).into();
        let long: ColumnVector =
            Cells::Int8(vec![0, -1, 1, i64::MIN, i64::MAX, 0, 256, 1 << 32]).into();
        let short = texts(&["", "\0", "\0\0", "a", "ab", "b", "a", "ä"]);
        let letters = texts(&["", "a", "b", "\0", "a", "a", "", "b"]);
        let truths: ColumnVector =
            Cells::Bool(vec![true, false, true, true, false, false, true, true]).into();
        for columns in [
            vec![numbers.clone()],
            vec![long.clone()],
            vec![short.clone()],
            vec![texts(&[
                "", "1234567", "123456", "\x001234", "7654321", "", "x", "y",
            ])],
            vec![numbers.clone(), short.clone()],
            vec![short.clone(), short.clone()],
            vec![letters.clone(), letters.clone(), truths],
            vec![
                letters.clone(),
                letters.clone(),
                letters.clone(),
                letters.clone(),
            ],
        ] {
            check(&columns);
        }
        let mut with_null = numbers.clone();
        with_null.push(Value::Null);
        for columns in [
            vec![with_null],
            vec![texts(&["12345678"])],
            vec![long.clone(), numbers.clone()],
            vec![numbers.clone(), numbers.clone(), numbers],
            vec![Cells::Numeric(vec![1], 2).into()],
            vec![Cells::Float8(vec![0.0]).into()],
            vec![letters; 5],
        ] {
            assert_eq!(of(&columns), None);
        }
    }
}
