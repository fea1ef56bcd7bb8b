//! Adding entries.

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::arena::Bump;
use crate::entry::{EntryPtr, SEQ_MAX, Target, common_bytes};
use crate::inner::{Child, Goal, INNER_SLOTS, Inner};
use crate::leaf::{LEAF_SLOTS, Leaf};
use crate::node::Bounds;
use crate::reader::{Place, Reader};
use crate::tree::Tree;

/// The one handle that can add entries.
pub struct Writer {
    tree: Arc<Tree>,
    bump: Bump,
    /// Where the last entry went: the next one often belongs there too. A leaf of the tree.
    last: Option<NonNull<Leaf>>,
    /// The highest `seq` so far: an entry above it equals none that is there.
    seq_max: u64,
}

/// Makes an empty tree and its two handles.
pub fn new() -> (Writer, Reader) {
    let mut bump = Bump::new();
    let tree = Arc::new(Tree::new(&mut bump));
    let reader = Reader::new(Arc::clone(&tree));
    (
        Writer {
            tree,
            bump,
            last: None,
            seq_max: 0,
        },
        reader,
    )
}

// SAFETY: the leaf belongs to the tree, which can be shared among threads.
unsafe impl Send for Writer {}

impl Writer {
    /// Adds an entry. It takes the place of one with the same key and `seq`.
    ///
    /// # Panics
    ///
    /// If `seq` is above [`SEQ_MAX`], or key or value are 4 GiB or longer.
    pub fn insert(&mut self, key: &[u8], seq: u64, kind: u8, value: &[u8]) {
        self.insert_at(None, key, seq, kind, value);
    }

    /// As [`Writer::insert`], for an entry whose place may have been found ahead. A place that is
    /// another's, or not where the entry belongs any more, does no harm.
    pub fn insert_at(
        &mut self,
        place: Option<&Place<'_>>,
        key: &[u8],
        seq: u64,
        kind: u8,
        value: &[u8],
    ) {
        assert!(seq <= SEQ_MAX, "sequence number {seq} out of range");
        let Self {
            tree,
            bump,
            last,
            seq_max,
        } = self;
        let target = Target { key, seq };
        let ahead = place.and_then(|place| place.leaf_for(tree, &target, seq > *seq_max));
        // If the last entry did not go where the one before had gone, asking its leaf for the bounds,
        // which are not at hand, is likely to be in vain.
        //
        // SAFETY: it is a leaf of the tree that we hold.
        let near = last
            .filter(|_| ahead.is_none() && tree.is_near())
            .map(|leaf| unsafe { leaf.as_ref() });
        let mut leaf = ahead
            .or_else(|| near.filter(|leaf| leaf.is_responsible_for(&target)))
            .unwrap_or_else(|| tree.leaf(Goal::At(target)));
        leaf.prefetch_free_slot();
        tree.set_near(*last == Some(NonNull::from(leaf)));
        let entry = EntryPtr::create(tree.arena(), bump, target, kind, value);
        let same = if seq <= *seq_max {
            leaf.find(&target)
        } else {
            None
        };
        if let Some(slot) = same {
            leaf.replace(slot, entry);
        } else {
            if leaf.state().count == LEAF_SLOTS {
                leaf = Splitter { tree, bump, target }.make_room();
            }
            leaf.push(&target, entry);
        }
        *last = Some(NonNull::from(leaf));
        *seq_max = seq.max(*seq_max);
        tree.count(usize::from(same.is_none()), bump.used_bytes());
    }

    /// A handle that reads what this one writes.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.tree))
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("tree", &self.reader())
            .finish_non_exhaustive()
    }
}

/// Splits full nodes on the way to where an entry belongs.
///
/// A full node is replaced by two: a slot for the upper half is added to the parent first, then
/// the lower half takes the place of the node. Readers that are still in the node see in it all
/// that was there, and go on at its upper bound, which stays a bound for ever.
struct Splitter<'a, 'b> {
    tree: &'a Tree,
    bump: &'b mut Bump,
    target: Target<'b>,
}

impl<'a> Splitter<'a, '_> {
    /// Splits from the top down, so that each parent has room for one more child. Returns the
    /// leaf for the target, which then has room too.
    fn make_room(&mut self) -> &'a Leaf {
        let mut parent = self.tree.root();
        if is_full(parent) {
            let root = Inner::create(self.tree.arena(), self.bump, Bounds::ALL, parent.level + 1);
            let (lower, upper) = self.split_inner(parent);
            root.push(Child::Inner(lower));
            root.push(Child::Inner(upper));
            self.tree.set_root(root);
            parent = root;
        }
        loop {
            let (slot, child) = parent.child(Goal::At(self.target));
            match child {
                Child::Inner(inner) if is_full(inner) => {
                    let (lower, upper) = self.split_inner(inner);
                    parent.push(Child::Inner(upper));
                    parent.replace(slot, Child::Inner(lower));
                }
                Child::Inner(inner) => parent = inner,
                Child::Leaf(leaf) if leaf.state().count == LEAF_SLOTS => {
                    let (lower, upper) = self.split_leaf(leaf);
                    parent.push(Child::Leaf(upper));
                    parent.replace(slot, Child::Leaf(lower));
                }
                Child::Leaf(leaf) => return leaf,
            }
        }
    }

    /// Two leaves with the entries of a full one. If the target comes after all of them they stay
    /// together, so that sorted input fills its leaves.
    fn split_leaf(&mut self, leaf: &Leaf) -> (&'a Leaf, &'a Leaf) {
        let order = leaf.sorted(leaf.state());
        let follows = leaf.is_followed_by(&self.target);
        let middle = if follows { LEAF_SLOTS } else { LEAF_SLOTS / 2 };
        let target_of = |place| {
            let slot = order.get(place).expect("the leaf is full");
            // SAFETY: entries of a leaf live as long as the tree, which we borrow.
            unsafe { leaf.entry(slot).target() }
        };
        let above = if follows {
            self.target
        } else {
            target_of(middle)
        };
        let separator = self.separator(target_of(middle - 1), above);
        let (lower, upper) = divide(leaf.bounds, separator);
        let lower = Leaf::create(self.tree.arena(), self.bump, lower);
        let upper = Leaf::create(self.tree.arena(), self.bump, upper);
        lower.adopt(leaf, order.slots().take(middle));
        upper.adopt(leaf, order.slots().skip(middle));
        (lower, upper)
    }

    /// Two nodes with the children of a full one. If these came in order, most stay together.
    fn split_inner(&mut self, inner: &Inner) -> (&'a Inner, &'a Inner) {
        let state = inner.state();
        let order = inner.sorted(state);
        let middle = if state.is_all_sorted() {
            INNER_SLOTS - 1
        } else {
            INNER_SLOTS / 2
        };
        let first = order.get(middle).expect("the node is full");
        let separator = inner
            .separator(first)
            .expect("only the first slot may have no bound");
        let (lower, upper) = divide(inner.bounds, separator);
        let lower = Inner::create(self.tree.arena(), self.bump, lower, inner.level);
        let upper = Inner::create(self.tree.arena(), self.bump, upper, inner.level);
        lower.adopt(inner, order.slots().take(middle));
        upper.adopt(inner, order.slots().skip(middle));
        (lower, upper)
    }

    /// A bound above `below` and not above `above`, as short as possible.
    fn separator(&mut self, below: Target<'_>, above: Target<'_>) -> EntryPtr {
        let separator = if below.key == above.key {
            above
        } else {
            let bytes = common_bytes(below.key, above.key) + 1;
            Target {
                key: &above.key[..bytes],
                seq: SEQ_MAX,
            }
        };
        EntryPtr::create(self.tree.arena(), self.bump, separator, 0, &[])
    }
}

fn is_full(inner: &Inner) -> bool {
    inner.state().count == INNER_SLOTS
}

/// The bounds below and above a separator.
fn divide(bounds: Bounds, separator: EntryPtr) -> (Bounds, Bounds) {
    let Bounds { low, high } = bounds;
    (
        Bounds {
            low,
            high: Some(separator),
        },
        Bounds {
            low: Some(separator),
            high,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that all keys below `count` are found, and met once on the way forward and back.
    fn check(reader: &Reader, count: u32) {
        let keys: Vec<_> = (0..count).map(u32::to_be_bytes).collect();
        for key in &keys {
            assert_eq!(reader.get(key, 1).expect("inserted").value(), key);
        }
        let mut cursor = reader.cursor();
        cursor.seek_to_first();
        for key in &keys {
            assert_eq!(cursor.key(), key);
            cursor.next();
        }
        assert!(!cursor.valid());
        cursor.seek_to_last();
        for key in keys.iter().rev() {
            assert_eq!(cursor.key(), key);
            cursor.prev();
        }
        assert!(!cursor.valid());
    }

    /// Splits nodes with `split` until it says that it did, with readers looking in between.
    fn check_steps(count: u32, step: fn(&mut Splitter<'_, '_>, &Reader, u32) -> bool) {
        let (mut writer, reader) = new();
        // Not in order, so that nodes split in the middle.
        let shuffled = |n: u32| n * 7_919 % count;
        for key in (0..count).map(shuffled).map(u32::to_be_bytes) {
            writer.insert(&key, 1, 2, &key);
        }
        let Writer { tree, bump, .. } = &mut writer;
        let target = Target {
            key: &[0; 4],
            seq: 1,
        };
        let mut splitter = Splitter { tree, bump, target };
        assert!(step(&mut splitter, &reader, count));
        check(&reader, count);
    }

    #[test]
    fn nothing_is_missing_or_twice_between_the_steps_of_a_leaf_split() {
        check_steps(LEAF_SLOTS as u32, |splitter, reader, count| {
            let root = splitter.tree.root();
            let (slot, Child::Leaf(leaf)) = root.child(Goal::At(splitter.target)) else {
                return false;
            };
            let (lower, upper) = splitter.split_leaf(leaf);
            root.push(Child::Leaf(upper));
            check(reader, count);
            root.replace(slot, Child::Leaf(lower));
            true
        });
    }

    #[test]
    fn nothing_is_missing_or_twice_between_the_steps_of_an_inner_split() {
        // More than one inner node can lead to, and less than two levels of them can.
        let count = 4 * (LEAF_SLOTS * INNER_SLOTS) as u32;
        check_steps(count, |splitter, reader, count| {
            let root = splitter.tree.root();
            let (slot, Child::Inner(inner)) = root.child(Goal::At(splitter.target)) else {
                return false;
            };
            let order = inner.sorted(inner.state());
            let middle = order.len() / 2;
            let separator = inner.separator(order.get(middle).expect("a slot"));
            let (lower, upper) = divide(inner.bounds, separator.expect("not the first"));
            let arena = splitter.tree.arena();
            let lower = Inner::create(arena, splitter.bump, lower, inner.level);
            let upper = Inner::create(arena, splitter.bump, upper, inner.level);
            lower.adopt(inner, order.slots().take(middle));
            upper.adopt(inner, order.slots().skip(middle));
            root.push(Child::Inner(upper));
            check(reader, count);
            root.replace(slot, Child::Inner(lower));
            true
        });
    }
}
