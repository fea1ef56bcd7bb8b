//! The writes of one keyspace in one layer, by key.
//!
//! ```text
//!            write               write
//!           ------>  log         ------>  tree
//!                     |   read             |
//!                     `------------------->`---- spill ---> sorted
//!                     `------------------------- spill --->
//! ```
//!
//! Writes are appended to a log until somebody reads. The first read sorts the log into a tree,
//! and later writes go into that. So a transaction that only writes, a load above all, sorts once
//! and never searches; one that reads between its writes pays for a tree, as it must.
//!
//! A log may hold several writes of a key, the later ones behind; sorting leaves the last. Input
//! that is sorted already is only looked through.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::{self, Entry};

use rustdb_storage::slice::INLINE_BYTES_MAX;

use super::Write;
use super::key::Key;

/// What an entry takes in memory besides what its bytes take elsewhere: its slot in the log and the
/// room to grow there, and another one while it is sorted. That is no less than what it takes in
/// the tree.
const ENTRY_BYTES: usize = 2 * size_of::<(Key, Write)>();

/// What a piece of the heap takes besides its bytes: counts of references, and the allocator's own.
const PIECE_BYTES: usize = 32;

/// A full log grows by this part of its length, because what it has in reserve is not counted.
const LOG_GROWTH_PART: usize = 4;

/// The least number of slots by which a log grows.
const LOG_GROWTH_MIN: usize = 16;

/// An ordered map from keys to their last writes. See the module.
#[derive(Debug, Default)]
pub(super) struct Writes {
    /// Empty once there is a tree.
    log: RefCell<Vec<(Key, Write)>>,
    tree: OnceCell<BTreeMap<Key, Write>>,
}

impl Writes {
    pub(super) fn is_empty(&self) -> bool {
        self.log.borrow().is_empty() && self.tree.get().is_none_or(BTreeMap::is_empty)
    }

    /// No less than the number of keys, and equal to it after a read.
    pub(super) fn len_max(&self) -> usize {
        self.log.borrow().len() + self.tree.get().map_or(0, BTreeMap::len)
    }

    /// The writes by key.
    pub(super) fn tree(&self) -> &BTreeMap<Key, Write> {
        self.tree.get_or_init(|| {
            let mut log = self.log.take();
            sort(&mut log);
            log.into_iter().collect()
        })
    }

    /// The writes by key.
    pub(super) fn tree_mut(&mut self) -> &mut BTreeMap<Key, Write> {
        self.tree();
        self.tree.get_mut().expect("it was just made")
    }

    /// Writes a key; returns the memory taken and given back.
    pub(super) fn write(&mut self, key: Key, mut write: Write) -> (usize, usize) {
        let added = weight(&key, &write);
        let Some(tree) = self.tree.get_mut() else {
            push(self.log.get_mut(), (key, write));
            return (added, 0);
        };
        let mut removed = 0;
        match tree.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(write);
            }
            Entry::Occupied(mut occupied) => {
                write.follow(occupied.get());
                removed = weight(occupied.key(), occupied.get());
                occupied.insert(write);
            }
        }
        (added, removed)
    }

    /// Writes a key that has a value: it had one in the snapshot too, unless the write that this
    /// one follows knows better. Returns the memory taken and given back.
    pub(super) fn write_over(&mut self, key: Key, mut write: Write) -> (usize, usize) {
        let added = weight(&key, &write);
        let mut removed = 0;
        match self.tree_mut().entry(key) {
            Entry::Vacant(vacant) => {
                write.existed = Some(true);
                vacant.insert(write);
            }
            Entry::Occupied(mut occupied) => {
                write.existed = occupied.get().existed;
                removed = weight(occupied.key(), occupied.get());
                occupied.insert(write);
            }
        }
        (added, removed)
    }

    /// Forgets what later writes of the same key have made useless; returns what is left in
    /// memory.
    pub(super) fn settle(&mut self) -> usize {
        let log = self.log.get_mut();
        sort(log);
        let tree = self.tree.get().into_iter().flatten();
        let log = log.iter().map(|(key, write)| (key, write));
        log.chain(tree).map(|(key, write)| weight(key, write)).sum()
    }

    /// All writes, in the order of their keys.
    pub(super) fn into_sorted(self) -> IntoSorted {
        match self.tree.into_inner() {
            Some(tree) => IntoSorted::Tree(tree.into_iter()),
            None => {
                let mut log = self.log.into_inner();
                sort(&mut log);
                IntoSorted::Log(log.into_iter())
            }
        }
    }
}

/// See [`Writes::into_sorted`].
pub(super) enum IntoSorted {
    Log(std::vec::IntoIter<(Key, Write)>),
    Tree(btree_map::IntoIter<Key, Write>),
}

impl Iterator for IntoSorted {
    type Item = (Key, Write);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            IntoSorted::Log(log) => log.next(),
            IntoSorted::Tree(tree) => tree.next(),
        }
    }
}

impl Write {
    /// Takes over what an earlier write of the same key knew about the snapshot.
    fn follow(&mut self, earlier: &Write) {
        self.existed = self.existed.or(earlier.existed);
    }
}

/// Appends to a log, of which at most a part is left unused.
fn push(log: &mut Vec<(Key, Write)>, pair: (Key, Write)) {
    if log.len() == log.capacity() {
        log.reserve_exact((log.len() / LOG_GROWTH_PART).max(LOG_GROWTH_MIN));
    }
    log.push(pair);
}

/// Sorts by key, and leaves the last write of each.
fn sort(log: &mut Vec<(Key, Write)>) {
    // Sorting would ask for memory before it looks.
    if log.is_sorted_by(|left, right| left.0 < right.0) {
        return;
    }
    // NB: stable, so that the last write of a key comes last.
    log.sort_by(|left, right| left.0.cmp(&right.0));
    log.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same {
            later.1.follow(&earlier.1);
            std::mem::swap(&mut later.1, &mut earlier.1);
        }
        is_same
    });
}

/// About what a write takes in memory.
pub(super) fn weight(key: &Key, write: &Write) -> usize {
    let value = write.value.as_ref().map_or(0, |value| value.len());
    let piece = |bytes| match bytes {
        0 => 0,
        bytes => bytes + PIECE_BYTES,
    };
    let value = if value > INLINE_BYTES_MAX { value } else { 0 };
    piece(key.heap_bytes()) + piece(value) + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustdb_storage::slice::Slice;

    use super::super::NEVER;
    use super::*;

    fn write(value: u8, existed: Option<bool>) -> Write {
        Write {
            value: Some(Slice::copy_from(&[value])),
            expiry: NEVER,
            is_checked: true,
            existed,
        }
    }

    fn contents(pairs: impl Iterator<Item = (Key, Write)>) -> Vec<(Vec<u8>, u8, Option<bool>)> {
        pairs
            .map(|(key, write)| {
                let value = write.value.expect("no deletions here")[0];
                (key.bytes().to_vec(), value, write.existed)
            })
            .collect()
    }

    proptest! {
        /// Whenever it is read, settled or not: the last write of a key counts, with the latest
        /// that is known of the key's past, in the order of the keys.
        #[test]
        fn last_write_of_a_key_wins_in_any_form(
            steps in prop::collection::vec((0..20u8, any::<u8>(), any::<Option<bool>>(), 0..12u8), 0..60),
        ) {
            let mut writes = Writes::default();
            let mut model: BTreeMap<Vec<u8>, (u8, Option<bool>)> = BTreeMap::new();
            for (key, value, existed, then) in steps {
                let key = vec![b'k'; usize::from(key)];
                writes.write(Key::new(&key), write(value, existed));
                let before = model.get(&key).and_then(|(_, existed)| *existed);
                model.insert(key, (value, existed.or(before)));
                match then {
                    0 => prop_assert_eq!(writes.tree().len(), model.len()),
                    1 | 2 => {
                        prop_assert_eq!(writes.settle(), model.len() * ENTRY_BYTES);
                    }
                    _ => {}
                }
                prop_assert!(writes.len_max() >= model.len() && !writes.is_empty());
            }
            let expected: Vec<_> = model.into_iter().map(|(k, (v, e))| (k, v, e)).collect();
            prop_assert_eq!(contents(writes.into_sorted()), expected);
        }
    }
}
