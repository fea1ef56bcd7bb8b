//! The tombstones of a memtable: they come one by one, in the order of their sequence numbers,
//! while readers ask.
//!
//! Cutting them into [`Fragments`] would not do: a queue that deletes `[0, 1)`, `[0, 2)`,
//! `[0, 3)` and so on has as many tombstones over its first key as commits. But a reader at a
//! sequence number wants only the *newest* tombstone over a key, and the map from keys to newest
//! tombstones is small: each tombstone overwrites its range, so it adds at most two entries.
//!
//! A [`History`] therefore holds that map once per tombstone, as a search tree whose versions
//! share all nodes but a path. Values of it are immutable and cheap to clone; a new one is
//! published for each addition. [`History::at`] picks the version of a sequence number, in a
//! logarithm of the number of versions, through links that jump back.

use std::fmt;
use std::sync::Arc;

use super::tree::{self, Interval, Tree};
use super::{BoundKey, Covering, RangeTombstone, Stretch};
use crate::key::SequenceNumber;

/// All range tombstones of a memtable, and what they cover at each sequence number.
#[derive(Clone, Default)]
pub struct History {
    newest: Option<Arc<Version>>,
}

/// The newest tombstones over all keys, as of one tombstone.
struct Version {
    tombstone: RangeTombstone,
    tree: Tree,
    /// The number of versions up to this one.
    count: usize,
    /// Bytes of memory of all versions up to this one.
    memory_bytes: usize,
    parent: Option<Arc<Version>>,
    /// An older version, further back than the parent or the parent.
    jump: Option<Arc<Version>>,
}

impl History {
    /// No tombstones.
    pub const fn new() -> Self {
        Self { newest: None }
    }

    /// This history and one more tombstone.
    ///
    /// # Panics
    ///
    /// If its sequence number is below that of the one added last.
    #[must_use]
    pub fn with(&self, tombstone: RangeTombstone) -> Self {
        let mut memory_bytes = tombstone.start.len() + tombstone.end.len() + size_of::<Version>();
        let before = self.newest.as_ref();
        let mut tree = None;
        if let Some(before) = before {
            assert!(
                before.tombstone.seq <= tombstone.seq,
                "tombstones come in order"
            );
            memory_bytes += before.memory_bytes;
            tree = before.tree.clone();
        }
        if tombstone.start < tombstone.end {
            let interval = Interval {
                start: tombstone.start.clone(),
                end: tombstone.end.clone(),
                seq: tombstone.seq,
            };
            let copied;
            (tree, copied) = tree::overwrite(tree, interval, self.len());
            memory_bytes += copied * tree::NODE_BYTES;
        }
        let version = Version {
            tombstone,
            tree,
            count: self.len() + 1,
            memory_bytes,
            parent: before.cloned(),
            jump: before.map(|before| Arc::clone(before.jump_of_child())),
        };
        Self {
            newest: Some(Arc::new(version)),
        }
    }

    /// Whether no tombstone was added.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.newest.is_none()
    }

    /// How many tombstones were added.
    pub fn len(&self) -> usize {
        self.newest.as_ref().map_or(0, |newest| newest.count)
    }

    /// The sequence number of the tombstone added last; zero if there is none.
    pub fn max_seq(&self) -> SequenceNumber {
        self.newest
            .as_ref()
            .map_or(0, |newest| newest.tombstone.seq)
    }

    /// Bytes of memory, roughly.
    pub fn memory_bytes(&self) -> usize {
        self.newest.as_ref().map_or(0, |newest| newest.memory_bytes)
    }

    /// The tombstones as they were added, the last one first.
    pub fn iter(&self) -> impl Iterator<Item = &RangeTombstone> {
        let versions = std::iter::successors(self.newest.as_deref(), |v| v.parent.as_deref());
        versions.map(|version| &version.tombstone)
    }

    /// What is covered for a reader at `at`.
    pub fn at(&self, at: SequenceNumber) -> View {
        View {
            tree: self.version_at(at).and_then(|version| version.tree.clone()),
        }
    }

    /// The newest tombstone not above `at` that covers `key`.
    #[inline]
    pub fn covering(&self, key: &[u8], at: SequenceNumber) -> Option<SequenceNumber> {
        Some(self.covering_range(key, at)?.seq)
    }

    /// As [`History::covering`], with a range around the key that the tombstone covers.
    pub fn covering_range(&self, key: &[u8], at: SequenceNumber) -> Option<Covering<'_>> {
        covering(&self.version_at(at)?.tree, key)
    }

    /// Whether a tombstone reaches into the keys from `lower` to `upper`, both included.
    pub fn overlaps(&self, lower: &[u8], upper: &[u8]) -> bool {
        let Some(newest) = &self.newest else {
            return false;
        };
        let (before, after) = tree::neighbours(&newest.tree, lower);
        before.is_some_and(|interval| *lower < *interval.end)
            || after.is_some_and(|interval| *interval.start <= *upper)
    }

    /// Tombstones that say the same to readers at the given sequence numbers (ascending) and at
    /// the newest. They are what a flush has to write; there are at most as many over one key as
    /// there are such readers.
    pub fn retained(&self, snapshots: &[SequenceNumber]) -> Vec<RangeTombstone> {
        let mut retained = Vec::new();
        // A reader at the previous sequence number has been served; what is not newer than that
        // looks the same to this one.
        let mut served = None;
        for &at in snapshots.iter().chain([&SequenceNumber::MAX]) {
            let before = served.replace(at);
            let is_new = |seq| before.is_none_or(|before| seq > before);
            // Most snapshots see the same tombstones as the one before.
            if let Some(version) = self.version_at(at).filter(|v| is_new(v.tombstone.seq)) {
                let view = View {
                    tree: version.tree.clone(),
                };
                retained.extend(view.to_tombstones().into_iter().filter(|t| is_new(t.seq)));
            }
        }
        retained
    }

    fn version_at(&self, at: SequenceNumber) -> Option<&Version> {
        let mut version = self.newest.as_deref()?;
        while version.tombstone.seq > at {
            version = match version.jump.as_deref() {
                Some(jump) if jump.tombstone.seq > at => jump,
                _ => version.parent.as_deref()?,
            };
        }
        Some(version)
    }
}

impl Version {
    /// Where a version that follows this one jumps to: far, if the last two jumps were equally
    /// far, else just here. So the jumps from any version have lengths 1, 3, 7 and so on.
    fn jump_of_child(self: &Arc<Self>) -> &Arc<Self> {
        let far = self
            .jump
            .as_ref()
            .and_then(|jump| Some((jump, jump.jump.as_ref()?)));
        match far {
            Some((near, far)) if self.count - near.count == near.count - far.count => far,
            _ => self,
        }
    }
}

impl Drop for Version {
    /// Frees a long history in a loop; by default each version would free its parent within its
    /// own call.
    fn drop(&mut self) {
        // A jump leads further up the chain that the parent still holds, so this frees nothing.
        self.jump = None;
        let mut parent = self.parent.take();
        while let Some(mut version) = parent.and_then(Arc::into_inner) {
            version.jump = None;
            parent = version.parent.take();
        }
    }
}

/// What the tombstones of a [`History`] cover for a reader at one sequence number.
#[derive(Clone, Default)]
pub struct View {
    tree: Tree,
}

impl View {
    /// Whether nothing is covered.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.tree.is_none()
    }

    /// The newest tombstone over `key`, and a range around the key that it covers.
    pub fn covering(&self, key: &[u8]) -> Option<Covering<'_>> {
        covering(&self.tree, key)
    }

    /// The range around `key` over which the newest tombstone is the same, or none.
    pub fn stretch(&self, key: &[u8]) -> Stretch<'_> {
        let (before, after) = tree::neighbours(&self.tree, key);
        match before {
            Some(covering) if *key < *covering.end => Stretch {
                start: Some(&covering.start),
                end: Some(&covering.end),
                seq: Some(covering.seq),
            },
            _ => Stretch {
                start: before.map(|i| &i.end),
                end: after.map(|i| &i.start),
                seq: None,
            },
        }
    }

    /// What is covered as tombstones that do not overlap, in order.
    pub fn to_tombstones(&self) -> Vec<RangeTombstone> {
        let mut tombstones = Vec::new();
        tree::visit(&self.tree, &mut |interval| {
            let (start, end): (BoundKey, BoundKey) = (interval.start.clone(), interval.end.clone());
            tombstones.push(RangeTombstone {
                start,
                end,
                seq: interval.seq,
            });
        });
        tombstones
    }
}

fn covering<'a>(tree: &'a Tree, key: &[u8]) -> Option<Covering<'a>> {
    let (before, _) = tree::neighbours(tree, key);
    let interval = before.filter(|interval| *key < *interval.end)?;
    Some(Covering {
        start: &interval.start,
        end: &interval.end,
        seq: interval.seq,
    })
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.to_tombstones()).finish()
    }
}
