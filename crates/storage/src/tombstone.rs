//! Range tombstones: deletions of all keys between two bounds.
//!
//! A tombstone of sequence `s` over `[start, end)` covers the entries of its range with sequences
//! below `s`. Tombstones overlap as they like; to answer "which tombstone covers this key" by
//! binary search they are cut at each other's bounds into *fragments*:
//!
//! ```text
//! tombstones   a-----------------m @3        fragments   a----e @3
//!                   e---------------p @7                 e-----------m @7 @3
//!                                                        m--p @7
//! ```
//!
//! * [`Fragments`] is such a list: sorted, without overlaps, immutable, empty at no cost. Tables
//!   hold one; so does anything that is built once.
//! * [`History`] grows by one tombstone after the other, for memtables.
//! * [`Probe`] asks either of them about keys in order, and remembers where it is.
//!
//! What a tombstone does *not* tell is which source it comes from. Sequence numbers do that: a
//! tombstone in any source covers the older entries of every source.

use std::fmt;
use std::sync::Arc;

use crate::key::SequenceNumber;

mod build;
mod history;
mod probe;
#[cfg(test)]
mod tests;
mod tree;

pub use history::{History, View};
pub use probe::Probe;

/// A bound of a fragment. Shared, because neighbours and rebuilt lists have the same ones.
pub type BoundKey = Arc<[u8]>;

/// The deletion of all keys from `start` up to, and not including, `end`.
#[derive(Clone, PartialEq, Eq)]
pub struct RangeTombstone {
    /// The first key that is deleted.
    pub start: BoundKey,
    /// The first key after that is not. A tombstone whose end is not above its start is empty.
    pub end: BoundKey,
    /// Entries below this sequence number are covered.
    pub seq: SequenceNumber,
}

impl RangeTombstone {
    /// A tombstone over `[start, end)`.
    pub fn new(start: &[u8], end: &[u8], seq: SequenceNumber) -> Self {
        Self {
            start: start.into(),
            end: end.into(),
            seq,
        }
    }
}

impl fmt::Debug for RangeTombstone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        FragmentRef {
            start: &self.start,
            end: &self.end,
            seqs: &[self.seq],
        }
        .fmt(f)
    }
}

/// Tombstones cut into a sorted list of ranges that do not overlap.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fragments {
    fragments: Vec<Fragment>,
    /// The sequence numbers of all fragments one after the other.
    seqs: Vec<SequenceNumber>,
    max_seq: SequenceNumber,
}

#[derive(Clone, PartialEq, Eq)]
struct Fragment {
    start: BoundKey,
    end: BoundKey,
    /// Where its sequence numbers stand in `Fragments::seqs`: descending, at least one.
    first_seq: u32,
    end_seq: u32,
}

/// One fragment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FragmentRef<'a> {
    /// The first key of the range.
    pub start: &'a [u8],
    /// The first key after the range.
    pub end: &'a [u8],
    /// The tombstones over the range: at least one, descending, none twice.
    pub seqs: &'a [SequenceNumber],
}

/// A range of keys for all of which the newest tombstone is the same, or for all of which there
/// is none. Its neighbours may be of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch<'a> {
    /// The first key; `None` if there is nothing before.
    pub start: Option<&'a BoundKey>,
    /// The first key after; `None` if there is nothing behind.
    pub end: Option<&'a BoundKey>,
    /// The newest tombstone.
    pub seq: Option<SequenceNumber>,
}

/// What covers a key: the newest tombstone asked for, and how far around the key it is known to
/// reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covering<'a> {
    /// The first key of the covered range.
    pub start: &'a [u8],
    /// The first key after the covered range.
    pub end: &'a [u8],
    /// The tombstone's sequence number.
    pub seq: SequenceNumber,
}

impl Fragments {
    /// No tombstones.
    pub const fn new() -> Self {
        Self {
            fragments: Vec::new(),
            seqs: Vec::new(),
            max_seq: 0,
        }
    }

    /// Cuts tombstones, in any order, into fragments. Empty ones are left out.
    pub fn from_tombstones(tombstones: &[RangeTombstone]) -> Self {
        build::fragments(tombstones.iter().map(|t| build::Piece {
            start: &t.start,
            end: &t.end,
            seqs: std::slice::from_ref(&t.seq),
        }))
    }

    /// The tombstones of several lists in one.
    pub fn merged<'a>(lists: impl IntoIterator<Item = &'a Fragments>) -> Self {
        build::fragments(lists.into_iter().flat_map(|list| {
            list.fragments.iter().map(|f| build::Piece {
                start: &f.start,
                end: &f.end,
                seqs: list.seqs_of(f),
            })
        }))
    }

    /// Whether there are no tombstones.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    /// The number of fragments, which may be above and below that of tombstones.
    pub fn len(&self) -> usize {
        self.fragments.len()
    }

    /// The newest tombstone of all; zero if there is none.
    pub fn max_seq(&self) -> SequenceNumber {
        self.max_seq
    }

    /// The fragments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = FragmentRef<'_>> + DoubleEndedIterator {
        self.fragments.iter().map(|f| self.fragment_ref(f))
    }

    /// The first key of the first fragment and the end of the last one; `None` if empty.
    pub fn bounds(&self) -> Option<(&[u8], &[u8])> {
        Some((&self.fragments.first()?.start, &self.fragments.last()?.end))
    }

    /// The newest tombstone not above `at` that covers `key`.
    #[inline]
    pub fn covering(&self, key: &[u8], at: SequenceNumber) -> Option<SequenceNumber> {
        if self.is_empty() {
            return None;
        }
        newest_at(self.seqs_of(self.fragment_of(key)?), at)
    }

    /// As [`Fragments::covering`], with the fragment's bounds: an iterator that meets a covered
    /// key goes on at `end`, or before `start` on its way back.
    pub fn covering_range(&self, key: &[u8], at: SequenceNumber) -> Option<Covering<'_>> {
        let fragment = self.fragment_of(key)?;
        let seq = newest_at(self.seqs_of(fragment), at)?;
        Some(Covering {
            start: &fragment.start,
            end: &fragment.end,
            seq,
        })
    }

    /// The fragment or gap that holds `key`, for a reader at `at`.
    pub fn stretch(&self, key: &[u8], at: SequenceNumber) -> Stretch<'_> {
        let after = self.fragments.partition_point(|f| *f.start <= *key);
        match after.checked_sub(1).map(|i| &self.fragments[i]) {
            Some(f) if *key < *f.end => Stretch {
                start: Some(&f.start),
                end: Some(&f.end),
                seq: newest_at(self.seqs_of(f), at),
            },
            before => Stretch {
                start: before.map(|f| &f.end),
                end: self.fragments.get(after).map(|f| &f.start),
                seq: None,
            },
        }
    }

    /// Whether a tombstone reaches into `[lower, upper)`.
    pub fn overlaps(&self, lower: &[u8], upper: &[u8]) -> bool {
        let first = self.fragments.partition_point(|f| *f.end <= *lower);
        lower < upper && self.fragments.get(first).is_some_and(|f| *f.start < *upper)
    }

    /// Bytes of memory, roughly; keys shared with others count here too.
    pub fn memory_bytes(&self) -> usize {
        let keys: usize = self
            .fragments
            .iter()
            .map(|f| f.start.len() + f.end.len() + 32)
            .sum();
        keys + size_of_val(&self.fragments[..]) + size_of_val(&self.seqs[..])
    }

    fn fragment_of(&self, key: &[u8]) -> Option<&Fragment> {
        let after = self.fragments.partition_point(|f| *f.start <= *key);
        self.fragments[..after].last().filter(|f| *key < *f.end)
    }

    fn seqs_of(&self, fragment: &Fragment) -> &[SequenceNumber] {
        &self.seqs[fragment.first_seq as usize..fragment.end_seq as usize]
    }

    fn fragment_ref<'a>(&'a self, f: &'a Fragment) -> FragmentRef<'a> {
        FragmentRef {
            start: &f.start,
            end: &f.end,
            seqs: self.seqs_of(f),
        }
    }
}

/// The first of descending numbers that is not above `at`.
#[inline]
fn newest_at(seqs: &[SequenceNumber], at: SequenceNumber) -> Option<SequenceNumber> {
    match seqs.first() {
        Some(&newest) if newest <= at => Some(newest),
        _ => seqs.get(seqs.partition_point(|&seq| seq > at)).copied(),
    }
}

impl fmt::Debug for Fragments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for FragmentRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = (self.start.escape_ascii(), self.end.escape_ascii());
        write!(f, "{start}..{end}@{:?}", self.seqs)
    }
}
