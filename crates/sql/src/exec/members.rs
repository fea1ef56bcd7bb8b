//! Rows that find no partner in a join are left out where they are read.
//!
//! Once the right side of a hash join is in its table, the scan at the end of the left side is
//! [told](super::Operator::restrict) which integers have a partner: of a row that has none no other
//! column is read. Most rows of a large table come to nothing where the other side was filtered.
//!
//! That is worth it only as long as few rows pass, so a share of them is counted, and the test is
//! given up where most do. It says nothing that the join would not say again.
//!
//! Integers that lie not too far apart are [bits](Bits) too: those of millions of keys stay in a
//! processor's cache where their hash table does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustdb_types::{Integers, Members, Selection};

use super::join_table::Table;

/// The keys of a join's table, for one run of a scan.
#[derive(Debug)]
pub(super) struct MembersOf {
    table: Arc<Table>,
    /// How many rows were looked at since it was last asked whether that is worth it.
    seen: AtomicU32,
    passed: AtomicU32,
}

/// So many rows tell whether the test is worth it.
const SAMPLE: u32 = 1 << 12;

/// It was not.
const GIVEN_UP: u32 = u32::MAX;

/// Integers as bits, from the least one on.
#[derive(Debug)]
pub(super) struct Bits {
    least: i64,
    words: Vec<u64>,
}

/// There are at most so many bits for each integer.
const SPAN_MAX: usize = 64;

impl Bits {
    /// The bits of some integers, in any order; `None` if they lie too far apart.
    pub(super) fn new(integers: impl Iterator<Item = i64> + Clone) -> Option<Bits> {
        let (mut count, mut least, mut greatest) = (0, i64::MAX, i64::MIN);
        for number in integers.clone() {
            count += 1;
            least = least.min(number);
            greatest = greatest.max(number);
        }
        let span = greatest.checked_sub(least);
        let span = span.and_then(|span| usize::try_from(span).ok())?;
        if span / SPAN_MAX > count {
            return None;
        }
        let mut words = vec![0; span / 64 + 1];
        for number in integers {
            let place = (number - least) as usize;
            words[place / 64] |= 1 << (place % 64);
        }
        Some(Bits { least, words })
    }

    /// Whether an integer is among them.
    #[inline]
    pub(super) fn contains(&self, number: i64) -> bool {
        let place = number.wrapping_sub(self.least) as u64;
        let word = usize::try_from(place / 64).ok();
        let word = word.and_then(|word| self.words.get(word));
        word.is_some_and(|word| word >> (place % 64) & 1 == 1)
    }
}

impl MembersOf {
    pub(super) fn new(table: &Arc<Table>) -> Arc<MembersOf> {
        Arc::new(MembersOf {
            table: table.clone(),
            seen: AtomicU32::new(0),
            passed: AtomicU32::new(0),
        })
    }

    /// Counts rows, so many of which have passed.
    #[inline]
    fn count(&self, seen: u32, rows: u32, passed: u32) {
        // One thread goes through the rows, and nothing depends on the numbers.
        let passed = self.passed.load(Ordering::Relaxed).saturating_add(passed);
        let (seen, passed) = match seen.saturating_add(rows) {
            seen @ SAMPLE.. if passed > seen / 2 => (GIVEN_UP, 0),
            SAMPLE.. => (0, 0),
            seen => (seen, passed),
        };
        self.seen.store(seen, Ordering::Relaxed);
        self.passed.store(passed, Ordering::Relaxed);
    }

    fn retain(
        &self,
        first: impl Fn(usize) -> i64,
        second: Option<impl Fn(usize) -> i64>,
        selection: &mut Selection,
    ) {
        let bits = self.table.bits();
        match (second, bits) {
            (None, Some(bits)) => selection.retain(|row| bits.contains(first(row))),
            (None, None) => selection.retain(|row| self.table.has_integers(&[first(row)])),
            (Some(second), bits) => {
                if let Some(bits) = bits {
                    selection.retain(|row| bits.contains(first(row)));
                }
                selection.retain(|row| self.table.has_integers(&[first(row), second(row)]));
            }
        }
    }
}

impl Members for MembersOf {
    fn contains(&self, key: &[i64]) -> bool {
        let seen = self.seen.load(Ordering::Relaxed);
        if seen == GIVEN_UP {
            return true;
        }
        let found = match (self.table.bits(), key.first()) {
            (Some(bits), Some(first)) => {
                bits.contains(*first) && (key.len() == 1 || self.table.has_integers(key))
            }
            _ => self.table.has_integers(key),
        };
        self.count(seen, 1, found.into());
        found
    }

    fn select(&self, first: Integers<'_>, second: Option<Integers<'_>>, selection: &mut Selection) {
        let seen = self.seen.load(Ordering::Relaxed);
        if seen == GIVEN_UP {
            return;
        }
        let rows = selection.len();
        match (first, second) {
            (Integers::Short(first), None) => {
                let first = |row: usize| i64::from(first[row]);
                self.retain(first, None::<fn(usize) -> i64>, selection);
            }
            (Integers::Long(first), None) => {
                self.retain(|row| first[row], None::<fn(usize) -> i64>, selection);
            }
            (Integers::Short(first), Some(Integers::Short(second))) => self.retain(
                |row| i64::from(first[row]),
                Some(|row: usize| i64::from(second[row])),
                selection,
            ),
            (first, Some(second)) => self.retain(
                |row| first.get(row),
                Some(|row: usize| second.get(row)),
                selection,
            ),
        }
        self.count(seen, rows as u32, selection.len() as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_integers() {
        for integers in [
            vec![5],
            vec![0, 1, 2, 63, 64, 65, 127, 128],
            vec![-70, -64, -1, 0, 3, 64],
            vec![i64::MAX, i64::MAX - 100],
            vec![i64::MIN, i64::MIN + 64],
        ] {
            let bits = Bits::new(integers.iter().copied()).unwrap();
            for number in integers.iter().flat_map(|number| {
                (-130..=130)
                    .map(|by| number.wrapping_add(by))
                    .chain([*number])
            }) {
                assert_eq!(
                    bits.contains(number),
                    integers.contains(&number),
                    "{number}"
                );
            }
            assert!(
                ![i64::MIN + 7, i64::MAX - 7]
                    .iter()
                    .any(|far| bits.contains(*far))
            );
        }
        for apart in [vec![], vec![0, 1 << 40], vec![i64::MIN, i64::MAX]] {
            assert!(Bits::new(apart.into_iter()).is_none());
        }
    }
}
