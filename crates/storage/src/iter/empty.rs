//! Ranges of keys that are known to be empty.
//!
//! Who takes from one end of a table what others put in at the other end leaves deletions behind,
//! and every walk that begins at that end steps past all of them, until a compaction has them. So a
//! walk that has passed many entries in a row without seeing one leaves the range here, and the next
//! ones go around it.
//!
//! # Invariants
//!
//! - Of a range that is *proven* a reader at its moment or later, up to the newest commit, sees no
//!   key.
//! - Whoever applies a commit tells every key it puts, before the commit becomes visible: the range
//!   ends there from then on. So a reader that asks after it knows what it reads at is told of no
//!   range that has got a key up to that moment.
//! - A range is added while no commit is applied, so that none is missed. If it is not known that
//!   nothing was put there since the walk began, it is added as a claim, which shrinks as others do,
//!   and counts when another walk has proven it.
//!
//! It is kept in memory only, and as little of it as [`RANGES_MAX`]: it saves steps, it is no
//! statement about what is stored.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

use rustdb_vfs::sync::Mutex;

use crate::key::{KEYSPACE_BYTES, SequenceNumber};

/// No more ranges are kept.
const RANGES_MAX: usize = 1024;

/// Ranges with longer keys at their ends are not kept.
const KEY_BYTES_MAX: usize = 1024;

/// No more claims at a time.
const CLAIMS_MAX: usize = 8;

/// Ranges of storage keys that are known to be empty.
#[derive(Debug, Default)]
pub struct EmptyRanges {
    /// Of which keyspaces there may be some: a bit for each remainder of an id by 64.
    keyspaces: AtomicU64,
    ranges: Mutex<Ranges>,
}

#[derive(Debug, Default)]
struct Ranges {
    /// Those that are proven, by their first key. None meets another.
    proven: BTreeMap<Box<[u8]>, EmptyRange>,
    claims: Vec<Claim>,
    claimed: u64,
}

#[derive(Debug)]
struct EmptyRange {
    /// The first key after it.
    end: Box<[u8]>,
    /// Readers before that may see keys of the range.
    since: SequenceNumber,
}

#[derive(Debug)]
struct Claim {
    number: u64,
    start: Box<[u8]>,
    end: Box<[u8]>,
}

impl EmptyRanges {
    /// Whether there may be a range in the keyspace of `key`.
    #[inline]
    pub fn may_concern(&self, key: &[u8]) -> bool {
        self.keyspaces.load(Ordering::Acquire) & bit_of(key) != 0
    }

    /// Whether a reader at `at` sees nothing from `key` up to a later key, which is put into `end`.
    pub fn end_of(&self, key: &[u8], at: SequenceNumber, end: &mut Vec<u8>) -> bool {
        let ranges = self.ranges.lock();
        let found = ranges.at_or_before(key).map(|(_, range)| range);
        let Some(range) = found.filter(|range| range.since <= at && *key < *range.end) else {
            return false;
        };
        end.clear();
        end.extend_from_slice(&range.end);
        true
    }

    /// Whether a reader at `at` sees nothing from an earlier key, which is put into `start`, up to
    /// the last key before `key`.
    pub fn start_of(&self, key: &[u8], at: SequenceNumber, start: &mut Vec<u8>) -> bool {
        let ranges = self.ranges.lock();
        let below = (Bound::Unbounded, Bound::Excluded(key));
        let found = ranges.proven.range::<[u8], _>(below).next_back();
        let Some((first, _)) = found.filter(|(_, range)| range.since <= at && *key <= *range.end)
        else {
            return false;
        };
        start.clear();
        start.extend_from_slice(first);
        true
    }

    /// Takes note that `key` is put by the commit that is being applied.
    #[inline]
    pub fn note_put(&self, key: &[u8]) {
        if self.may_concern(key) {
            self.ranges.lock().end_at(key);
        }
    }

    /// Takes note that the commit that is being applied may put any key from `smallest` to
    /// `largest`.
    pub fn note_puts(&self, smallest: &[u8], largest: &[u8]) {
        let is_apart = |start: &[u8], end: &[u8]| *largest < *start || *end <= *smallest;
        let mut ranges = self.ranges.lock();
        let proven = &mut ranges.proven;
        proven.retain(|start, range| is_apart(start, &range.end));
        let claims = &mut ranges.claims;
        claims.retain(|claim| is_apart(&claim.start, &claim.end));
    }

    /// Adds a range of which no reader at `since` or later sees a key. Every commit so far must be
    /// visible at `since`, and none be applied meanwhile.
    pub fn add(&self, start: &[u8], end: &[u8], since: SequenceNumber) {
        let mut ranges = self.ranges.lock();
        self.mark(&ranges, start);
        ranges.insert(start.into(), end.into(), since);
    }

    /// Adds a range of which it is not known whether it has got a key since it was walked. No
    /// commit may be applied meanwhile. Returns the number to prove it by.
    pub fn claim(&self, start: &[u8], end: &[u8]) -> Option<u64> {
        let mut ranges = self.ranges.lock();
        if ranges.claims.len() >= CLAIMS_MAX || start.len().max(end.len()) > KEY_BYTES_MAX {
            return None;
        }
        self.mark(&ranges, start);
        ranges.claimed += 1;
        let number = ranges.claimed;
        ranges.claims.push(Claim {
            number,
            start: start.into(),
            end: end.into(),
        });
        Some(number)
    }

    /// Takes back a claim. If a reader at some moment after it has not seen a key of it, or none
    /// before another key, these are in `empty`, and as much of it is proven as nothing was put to
    /// since.
    pub fn settle(&self, number: u64, empty: Option<(SequenceNumber, &[u8])>) {
        let mut ranges = self.ranges.lock();
        let place = ranges.claims.iter().position(|c| c.number == number);
        let Some(claim) = place.map(|place| ranges.claims.swap_remove(place)) else {
            return;
        };
        if let Some((since, end)) = empty {
            ranges.insert(claim.start, claim.end.min(end.into()), since);
        }
    }

    /// How many ranges there are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.ranges.lock().proven.len()
    }

    /// Notes that there is something in the keyspace of `key`.
    fn mark(&self, ranges: &Ranges, key: &[u8]) {
        if ranges.proven.is_empty() && ranges.claims.is_empty() {
            self.keyspaces.store(bit_of(key), Ordering::Release);
        } else {
            self.keyspaces.fetch_or(bit_of(key), Ordering::AcqRel);
        }
    }
}

impl Ranges {
    /// The last proven range that begins at `key` or before.
    fn at_or_before(&self, key: &[u8]) -> Option<(&[u8], &EmptyRange)> {
        let up_to = (Bound::Unbounded, Bound::Included(key));
        let last = self.proven.range::<[u8], _>(up_to).next_back();
        last.map(|(start, range)| (&**start, range))
    }

    /// Ends the ranges that `key` is in before it.
    fn end_at(&mut self, key: &[u8]) {
        for claim in &mut self.claims {
            if *claim.start <= *key && *key < *claim.end {
                claim.end = key.into();
            }
        }
        let Some((start, range)) = self.at_or_before(key) else {
            return;
        };
        if *key < *range.end {
            let (start, since): (Box<[u8]>, _) = (start.into(), range.since);
            self.proven.remove(&start);
            self.insert(start, key.into(), since);
        }
    }

    /// Inserts a range, together with those that it meets.
    fn insert(&mut self, mut start: Box<[u8]>, mut end: Box<[u8]>, mut since: SequenceNumber) {
        if start >= end || start.len().max(end.len()) > KEY_BYTES_MAX {
            return;
        }
        while let Some((first, met)) = self.at_or_before(&end) {
            if *met.end < *start {
                break;
            }
            let first: Box<[u8]> = first.into();
            if let Some(met) = self.proven.remove(&first) {
                end = end.max(met.end);
                since = since.max(met.since);
            }
            start = start.min(first);
        }
        if self.proven.len() >= RANGES_MAX {
            self.proven.pop_first();
        }
        self.proven.insert(start, EmptyRange { end, since });
    }
}

/// The bit of the key's keyspace.
#[inline]
fn bit_of(key: &[u8]) -> u64 {
    let id = key.first_chunk::<KEYSPACE_BYTES>();
    let id = id.map_or(0, |id| u32::from_be_bytes(*id));
    1 << (id % 64)
}
