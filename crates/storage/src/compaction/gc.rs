//! What of a key's versions somebody can still see.
//!
//! Snapshots divide history into *stripes*: the commits after one live snapshot up to and
//! including the next. Of the versions of a key in one stripe only the newest can ever be seen.
//! The visible sequence counts as a snapshot, for the next snapshot to be taken may be just that;
//! what is newer still is left alone.
//!
//! ```text
//!  sequence   1   2   3   4   5   6   7   8   9
//!  snapshots          S           S       V         V: visible
//!  stripes   [---------][----------][------] ...
//!  versions   a   b       c   d       e       f
//!  kept           b           d       e       f
//! ```
//!
//! Within a stripe a range tombstone hides what is older than it, and a deletion is needed only
//! as long as something older may lie below the tables that are merged. Deletions newer than the
//! oldest snapshot stay even then: they tell transactions that the key has changed.

use std::sync::Arc;

use crate::key::{EntryKind, SequenceNumber};
use crate::tombstone::{Fragments, RangeTombstone};
use crate::value::expiry_of;
use crate::version::{KeyBounds, TableHandle, Version};

/// The live snapshots, as stripes of history.
#[derive(Clone, Debug)]
pub(crate) struct Stripes {
    /// Ascending, the visible sequence last.
    ends: Vec<SequenceNumber>,
}

impl Stripes {
    /// The stripes between these snapshots. `visible` is the newest commit that readers see;
    /// snapshots taken later are at least as new.
    pub(crate) fn new(snapshots: &[SequenceNumber], visible: SequenceNumber) -> Self {
        let mut ends: Vec<_> = snapshots.iter().copied().filter(|s| *s < visible).collect();
        ends.sort();
        ends.dedup();
        ends.push(visible);
        Self { ends }
    }

    /// The snapshot that ends the stripe of `seq`; `None` if it is newer than all.
    #[inline]
    pub(crate) fn end_of(&self, seq: SequenceNumber) -> Option<SequenceNumber> {
        let oldest = self.oldest();
        if seq <= oldest {
            return Some(oldest);
        }
        let position = self.ends.partition_point(|end| *end < seq);
        self.ends.get(position).copied()
    }

    /// The oldest snapshot: nobody sees what was before.
    #[inline]
    pub(super) fn oldest(&self) -> SequenceNumber {
        self.ends[0]
    }
}

/// The tables that are older than all that is merged and stay where they are.
#[derive(Debug)]
pub(super) struct Older {
    /// Of each run the tables, and the first one that does not end before the last key asked for.
    runs: Vec<(Vec<Arc<TableHandle>>, usize)>,
}

impl Older {
    /// Nothing is older.
    #[cfg(test)]
    pub(super) fn nothing() -> Self {
        Self { runs: Vec::new() }
    }

    /// The tables of `version` that come after its newest input, without the inputs.
    pub(super) fn than(version: &Version, is_input: impl Fn(&TableHandle) -> bool) -> Self {
        let runs = version.levels().iter().flat_map(|level| level.runs());
        let from_newest = runs.skip_while(|run| !run.tables().iter().any(|t| is_input(t)));
        let others = from_newest.map(|run| {
            let tables = run.tables().iter().filter(|t| !is_input(t));
            (tables.cloned().collect::<Vec<_>>(), 0)
        });
        Self {
            runs: others.filter(|(tables, _)| !tables.is_empty()).collect(),
        }
    }

    /// Whether one of the tables may hold `key`. Keys must be asked for in ascending order.
    fn may_hold(&mut self, key: &[u8]) -> bool {
        self.runs.iter_mut().any(|(tables, at)| {
            while tables.get(*at).is_some_and(|t| t.bounds().ends_before(key)) {
                *at += 1;
            }
            tables.get(*at).is_some_and(|t| *t.meta().smallest <= *key)
        })
    }

    /// Whether one of the tables overlaps the range.
    fn overlaps(&self, bounds: KeyBounds<'_>) -> bool {
        self.runs.iter().any(|(tables, _)| {
            let first = tables.partition_point(|t| t.bounds().ends_before(bounds.smallest));
            tables
                .get(first)
                .is_some_and(|t| t.bounds().overlaps(bounds))
        })
    }
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody sees it.
    Drop,
    /// It stays, with this sequence number.
    Keep(SequenceNumber),
    /// It has expired and stays as a deletion.
    Expire,
}

/// Judges the entries of a merge, in their order.
#[derive(Debug)]
pub(super) struct Judge {
    stripes: Stripes,
    /// Those of all inputs.
    tombstones: Arc<Fragments>,
    /// Those of the whole tree.
    cover: Arc<Fragments>,
    older: Older,
    now_micros: u64,
    /// Whether the result is the last run of the tree, whose entries need no sequence numbers.
    zeroes: bool,
    /// The last entry: its key, its sequence number, the end of its stripe.
    key: Vec<u8>,
    last: Option<(SequenceNumber, Option<SequenceNumber>)>,
}

impl Judge {
    /// A judge of entries that `cover`, the range tombstones of the whole tree, may cover.
    /// `tombstones` are those of all inputs.
    ///
    /// A tombstone of another table goes on covering what it hides: it is not given up while
    /// something older overlaps it.
    pub(super) fn new(
        stripes: Stripes,
        tombstones: Arc<Fragments>,
        cover: Arc<Fragments>,
        older: Older,
        now_micros: u64,
        zeroes: bool,
    ) -> Self {
        Self {
            stripes,
            tombstones,
            cover,
            older,
            now_micros,
            zeroes,
            key: Vec::new(),
            last: None,
        }
    }

    /// Whether `key` is that of the last entry.
    #[inline]
    pub(super) fn is_same_key(&self, key: &[u8]) -> bool {
        self.last.is_some() && self.key == key
    }

    /// Judges the next entry.
    pub(super) fn judge(
        &mut self,
        key: &[u8],
        seq: SequenceNumber,
        kind: EntryKind,
        value: &[u8],
    ) -> Verdict {
        let end = self.stripes.end_of(seq);
        let newer = if self.is_same_key(key) {
            self.last
        } else {
            self.key.clear();
            self.key.extend_from_slice(key);
            None
        };
        self.last = Some((seq, end));
        if let Some((newer_seq, newer_end)) = newer
            // A commit may have written the key twice; what it wrote last comes first.
            && (newer_seq == seq || (newer_end == end && end.is_some()))
        {
            return Verdict::Drop;
        }
        let Some(end) = end else {
            return Verdict::Keep(seq);
        };
        let covering = self.cover.covering(key, end);
        if covering.is_some_and(|tombstone| tombstone > seq) {
            return Verdict::Drop;
        }
        let has_expired = expiry_of(kind, value).is_some_and(|e| e <= self.now_micros);
        if kind == EntryKind::Delete || has_expired {
            let is_needed = end > self.stripes.oldest() || self.older.may_hold(key);
            return match (is_needed, kind) {
                (false, _) => Verdict::Drop,
                (true, EntryKind::Delete) => Verdict::Keep(seq),
                (true, _) => Verdict::Expire,
            };
        }
        // NB: an entry without its number would be covered by every tombstone over it, also by
        // one that is older than the entry and has to stay.
        let loses_number = self.zeroes
            && end == self.stripes.oldest()
            && !self.older.may_hold(key)
            && self.tombstones.covering(key, SequenceNumber::MAX).is_none();
        Verdict::Keep(if loses_number { 0 } else { seq })
    }

    /// The range tombstones that somebody still needs, ordered by their starts.
    pub(super) fn needed_tombstones(&self) -> Vec<RangeTombstone> {
        let mut needed = Vec::new();
        for fragment in self.tombstones.iter() {
            let range = KeyBounds::half_open(fragment.start, fragment.end);
            let hides_older = self.older.overlaps(range);
            let mut newer_end = None;
            for seq in fragment.seqs {
                let end = self.stripes.end_of(*seq);
                let is_repeated = end.is_some() && newer_end == Some(end);
                let is_spent = end == Some(self.stripes.oldest()) && !hides_older;
                if !is_repeated && !is_spent {
                    needed.push(RangeTombstone::new(fragment.start, fragment.end, *seq));
                }
                newer_end = Some(end);
            }
        }
        needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries of one key as `seq:kind`, kinds being `p`ut, `d`elete, e`x`pired.
    fn judged(
        entries: &str,
        snapshots: &[u64],
        visible: u64,
        tombstones: &[RangeTombstone],
        older: Older,
    ) -> String {
        let list = Arc::new(Fragments::from_tombstones(tombstones));
        let stripes = Stripes::new(snapshots, visible);
        let mut judge = Judge::new(stripes, list.clone(), list, older, 100, true);
        let mut out = Vec::new();
        for entry in entries.split(' ') {
            let (seq, kind) = entry.split_once(':').unwrap();
            let seq: u64 = seq.parse().unwrap();
            let (kind_of, value) = match kind {
                "p" => (EntryKind::Put, vec![]),
                "d" => (EntryKind::Delete, vec![]),
                "x" => (EntryKind::PutExpiring, 100u64.to_le_bytes().to_vec()),
                "y" => (EntryKind::PutExpiring, 101u64.to_le_bytes().to_vec()),
                other => panic!("{other}"),
            };
            match judge.judge(b"key", seq, kind_of, &value) {
                Verdict::Drop => {}
                Verdict::Keep(seq) => out.push(format!("{seq}:{kind}")),
                Verdict::Expire => out.push(format!("{seq}:d")),
            }
        }
        out.join(" ")
    }

    /// A table below that may hold the key.
    fn something_older() -> Older {
        let meta = crate::manifest::TableMeta {
            smallest: (*b"a").into(),
            largest: (*b"z").into(),
            ..Default::default()
        };
        let table = crate::version::TreeFiles::new().table(Arc::new(meta));
        Older {
            runs: vec![(vec![table], 0)],
        }
    }

    #[test]
    fn each_stripe_keeps_its_newest_version() {
        let cases: &[(&str, &[u64], u64, &str)] = &[
            ("9:p 7:p 6:p 5:p 2:p 1:p", &[3, 6], 8, "9:p 7:p 6:p 0:p"),
            ("5:p 4:p 3:p", &[], 9, "0:p"),
            ("5:p 4:p 3:p", &[4], 9, "5:p 0:p"),
            ("5:p 5:p", &[], 9, "0:p"),
            // Not yet visible: a snapshot may come to lie between them.
            ("5:p 4:p 3:p", &[], 2, "5:p 4:p 3:p"),
            ("5:p 5:p 3:p", &[], 2, "5:p 3:p"),
            ("5:p 4:p 3:p", &[], 4, "5:p 0:p"),
        ];
        for (entries, snapshots, visible, expected) in cases {
            let result = judged(entries, snapshots, *visible, &[], Older::nothing());
            assert_eq!(result, *expected, "{entries} at {snapshots:?}, {visible}");
        }
    }

    #[test]
    fn deletions_go_when_they_hide_nothing() {
        let cases: &[(&str, &[u64], &str, &str)] = &[
            // entries, snapshots, at the bottom, above something older
            ("5:d 4:p", &[], "", "5:d"),
            ("5:d 4:p", &[4], "5:d 0:p", "5:d 4:p"),
            ("5:d", &[4], "5:d", "5:d"),
            ("5:p 4:d", &[], "0:p", "5:p"),
            ("5:x 4:p", &[], "", "5:d"),
            ("5:x 4:p", &[4], "5:d 0:p", "5:d 4:p"),
            ("5:y 4:p", &[], "0:y", "5:y"),
        ];
        for (entries, snapshots, bottom, above) in cases {
            let result = judged(entries, snapshots, 9, &[], Older::nothing());
            assert_eq!(result, *bottom, "{entries} at {snapshots:?}");
            let result = judged(entries, snapshots, 9, &[], something_older());
            assert_eq!(result, *above, "{entries} at {snapshots:?}, older below");
        }
    }

    #[test]
    fn range_tombstones_hide_older_versions_of_their_stripe() {
        let at = |seq| RangeTombstone::new(b"k", b"l", seq);
        let cases: &[(&str, &[u64], u64, &str)] = &[
            ("6:p 4:p", &[], 5, "6:p"),
            // The entry that the tombstone must not cover keeps its number.
            ("6:p 4:p", &[4], 5, "6:p 4:p"),
            ("4:p", &[], 5, ""),
            ("5:p", &[], 5, "5:p"),
            ("4:p 3:p", &[3], 5, "3:p"),
            // Not yet visible.
            ("4:p", &[], 10, "4:p"),
        ];
        for (entries, snapshots, tombstone, expected) in cases {
            let result = judged(entries, snapshots, 9, &[at(*tombstone)], Older::nothing());
            assert_eq!(result, *expected, "{entries}, {tombstone}, {snapshots:?}");
        }
    }

    #[test]
    fn a_stripe_needs_one_range_tombstone_and_the_bottom_none() {
        let list = [8, 7, 4, 2, 1].map(|seq| RangeTombstone::new(b"k", b"l", seq));
        let needed = |visible: u64, older: Older| -> Vec<u64> {
            let list = Arc::new(Fragments::from_tombstones(&list));
            let stripes = Stripes::new(&[3, 6], visible);
            let judge = Judge::new(stripes, list.clone(), list, older, 0, true);
            judge.needed_tombstones().iter().map(|t| t.seq).collect()
        };
        assert_eq!(needed(9, something_older()), [8, 4, 2]);
        assert_eq!(needed(9, Older::nothing()), [8, 4]);
        assert_eq!(needed(6, Older::nothing()), [8, 7, 4]);
    }
}
