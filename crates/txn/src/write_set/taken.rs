//! What a walk has taken out of the snapshot: ranges in place of a deletion of each key.
//!
//! All keys that the snapshot has in such a range are gone, and when they were taken nothing was
//! written in it. So what is found there among the writes came later, and stands above. Unlike a
//! deleted range, a taken one says nothing of keys that the snapshot does not have: at the commit
//! it becomes a deleted range only if nobody else has written in the keyspace since, and is spelled
//! out otherwise, as a deletion of each key.
//!
//! The keys are counted, so that a counted keyspace need not be walked over again.

use std::collections::BTreeMap;

use rustdb_storage::KeyspaceId;

use super::WriteSet;
use crate::ranges::{RangeSet, is_before};

/// The ranges that a layer has taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    spaces: BTreeMap<KeyspaceId, TakenSpace>,
    /// Of the walk that is at it; not among the others before it ends.
    open: Option<Walked>,
}

/// What was taken of one keyspace.
#[derive(Debug, Default)]
pub(crate) struct TakenSpace {
    ranges: RangeSet,
    keys: u64,
}

/// What a walk from both ends has behind itself.
#[derive(Debug)]
struct Walked {
    keyspace: KeyspaceId,
    /// Start and end.
    front: (Vec<u8>, Vec<u8>),
    /// Start, once there is one, and end.
    back: (Option<Vec<u8>>, Option<Vec<u8>>),
    keys: u64,
}

impl Walked {
    fn ranges(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let front = (&*self.front.0, Some(&*self.front.1));
        let back = self.back.0.as_deref();
        let back = back.map(|start| (start, self.back.1.as_deref()));
        let both = std::iter::once(front).chain(back);
        both.filter(|(start, end)| is_before(start, *end))
    }

    fn containing(&self, key: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
        let mut ranges = self.ranges();
        ranges.find(|(start, end)| *start <= key && is_before(key, *end))
    }
}

impl TakenSpace {
    /// The ranges.
    pub(crate) fn ranges(&self) -> &RangeSet {
        &self.ranges
    }

    /// How many keys of the snapshot are in the ranges.
    pub(crate) fn keys(&self) -> u64 {
        self.keys
    }
}

impl Taken {
    pub(crate) fn is_empty(&self) -> bool {
        self.spaces.is_empty() && self.open.is_none()
    }

    /// Whether anything was taken of a keyspace.
    pub(super) fn touches(&self, keyspace: KeyspaceId) -> bool {
        let is_open = |walked: &Walked| walked.keyspace == keyspace;
        self.spaces.contains_key(&keyspace) || self.open.as_ref().is_some_and(is_open)
    }

    /// About what it takes in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        let spaces = self.spaces.values();
        spaces.map(|space| space.ranges.memory_bytes()).sum()
    }

    /// Begins with a walk that has the range `[from, to)` before itself.
    pub(super) fn begin(&mut self, keyspace: KeyspaceId, from: &[u8], to: Option<&[u8]>) {
        self.end();
        self.open = Some(Walked {
            keyspace,
            front: (from.to_vec(), from.to_vec()),
            back: (None, to.map(<[u8]>::to_vec)),
            keys: 0,
        });
    }

    /// Takes the first key that the walk has before itself.
    pub(super) fn take_first(&mut self, key: &[u8]) {
        if let Some(walked) = &mut self.open {
            let end = &mut walked.front.1;
            end.clear();
            end.extend_from_slice(key);
            // The first key after another is that one and a zero.
            end.push(0);
            walked.keys += 1;
        }
    }

    /// Takes the last key that the walk has before itself.
    pub(super) fn take_last(&mut self, key: &[u8]) {
        if let Some(walked) = &mut self.open {
            let start = walked.back.0.get_or_insert_default();
            start.clear();
            start.extend_from_slice(key);
            walked.keys += 1;
        }
    }

    /// Ends the walk.
    pub(super) fn end(&mut self) {
        let Some(walked) = self.open.take().filter(|walked| walked.keys > 0) else {
            return;
        };
        let space = self.spaces.entry(walked.keyspace).or_default();
        for (start, end) in walked.ranges() {
            space.ranges.insert(start, end);
        }
        space.keys += walked.keys;
    }

    /// Adds what the layer above has taken, and leaves nothing there.
    pub(super) fn absorb(&mut self, upper: &mut Taken) {
        self.end();
        upper.end();
        for (keyspace, taken) in std::mem::take(&mut upper.spaces) {
            let space = self.spaces.entry(keyspace).or_default();
            space.ranges.insert_all(&taken.ranges);
            space.keys += taken.keys;
        }
    }

    /// The range that holds a key.
    pub(super) fn containing(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Option<(&[u8], Option<&[u8]>)> {
        let open = self.open.as_ref().filter(|open| open.keyspace == keyspace);
        let ended = || self.spaces.get(&keyspace)?.ranges.containing(key);
        open.and_then(|open| open.containing(key)).or_else(ended)
    }

    /// Whether all ranges of a keyspace end at `key` or before.
    pub(super) fn ends_by(&self, keyspace: KeyspaceId, key: &[u8]) -> bool {
        let is_by = |walked: &Walked| {
            let mut ranges = walked.ranges();
            walked.keyspace != keyspace || ranges.all(|(_, end)| end.is_some_and(|end| end <= key))
        };
        let ended = self.spaces.get(&keyspace);
        ended.is_none_or(|space| space.ranges.ends_by(key)) && self.open.as_ref().is_none_or(is_by)
    }

    /// Whether any key of `[start, end)` is in a range.
    pub(super) fn overlaps(&self, keyspace: KeyspaceId, start: &[u8], end: Option<&[u8]>) -> bool {
        let open = self.open.as_ref().filter(|open| open.keyspace == keyspace);
        let meets =
            |(from, to): (&[u8], Option<&[u8]>)| is_before(from, end) && is_before(start, to);
        let ended = self.spaces.get(&keyspace);
        ended.is_some_and(|space| space.ranges.overlaps(start, end))
            || open.is_some_and(|open| open.ranges().any(meets))
    }

    /// What was taken, by keyspace. No walk may be at it.
    pub(crate) fn spaces(&self) -> &BTreeMap<KeyspaceId, TakenSpace> {
        debug_assert!(self.open.is_none(), "the walk has not ended");
        &self.spaces
    }
}

impl WriteSet {
    /// Begins to take what a walk finds in the snapshot, which has `[from, to)` before itself and
    /// nothing of the transaction's in there.
    pub(crate) fn begin_taking(&mut self, keyspace: KeyspaceId, from: &[u8], to: Option<&[u8]>) {
        self.version += 1;
        self.has_taken = true;
        self.top().taken_mut().begin(keyspace, from, to);
    }

    /// Takes the first key that the walk has before itself.
    pub(crate) fn take_first(&mut self, key: &[u8]) {
        self.top().taken_mut().take_first(key);
    }

    /// Takes the last key that the walk has before itself.
    pub(crate) fn take_last(&mut self, key: &[u8]) {
        self.top().taken_mut().take_last(key);
    }

    /// Ends the walk that takes.
    pub(crate) fn end_taking(&mut self) {
        self.top().taken_mut().end();
    }

    /// What was taken. The write set must be flat.
    pub(crate) fn taken(&self) -> &Taken {
        debug_assert_eq!(self.layers.len(), 1, "layers are merged before a commit");
        self.layers[0].taken()
    }

    /// Forgets what was taken, which the caller spells out. The write set must be flat.
    pub(crate) fn give_up_taken(&mut self) -> Taken {
        debug_assert_eq!(self.layers.len(), 1, "layers are merged before a commit");
        self.version += 1;
        std::mem::take(self.top().taken_mut())
    }
}
