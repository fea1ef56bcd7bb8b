//! Walking the tree.

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::entry::{EntryPtr, SEQ_MAX, Target};
use crate::inner::Goal;
use crate::leaf::{LEAF_SLOTS, Leaf};
use crate::node::Sorted;
use crate::reader::Pinned;
use crate::tree::{FIRST, Tree};

/// How many entries ahead of a walk are loaded.
const AHEAD: usize = 8;

/// A position in the tree: on an entry, or on none. Owned, so it can outlive the reader it came
/// from.
///
/// A cursor looks at a leaf once, when it enters it. What is inserted after that into the keys of
/// the leaf, it does not see before it seeks again.
#[derive(Clone)]
pub struct Cursor {
    tree: Arc<Tree>,
    /// The current entry, if there is one.
    entry: Option<EntryPtr>,
    /// Its place in `order`.
    place: usize,
    /// The slots of the leaf when it was entered.
    order: Sorted<LEAF_SLOTS>,
    /// A leaf of the tree; `None` before the first seek.
    leaf: Option<NonNull<Leaf>>,
    /// The leaf of the tree that the next seek will enter.
    prepared: Option<NonNull<Leaf>>,
}

// SAFETY: leaves and entry belong to the tree, which can be shared among threads.
unsafe impl Send for Cursor {}
// SAFETY: as above; shared access to a cursor only reads.
unsafe impl Sync for Cursor {}

impl Cursor {
    pub(crate) fn new(tree: Arc<Tree>) -> Self {
        Self {
            tree,
            entry: None,
            place: 0,
            order: Sorted::EMPTY,
            leaf: None,
            prepared: None,
        }
    }

    /// Whether the cursor is on an entry.
    #[inline]
    pub fn valid(&self) -> bool {
        self.entry.is_some()
    }

    /// Finds the leaf that a seek to `(key, seq)` goes to, and has the processor load it. The next
    /// call must be that seek, which need not find the leaf any more, or one to an end, to which
    /// this does not matter.
    pub fn prepare(&mut self, key: &[u8], seq: u64) {
        self.prepare_at(Goal::At(Target { key, seq }));
    }

    /// As [`Cursor::prepare`], for [`Cursor::seek_before`].
    pub fn prepare_before(&mut self, key: &[u8]) {
        let target = Target { key, seq: SEQ_MAX };
        self.prepare_at(Goal::Before(target));
    }

    fn prepare_at(&mut self, goal: Goal<'_>) {
        let leaf = self.tree.leaf(goal);
        leaf.prefetch();
        self.prepared = Some(NonNull::from(leaf));
    }

    /// Goes to the first entry at or after `(key, seq)`.
    pub fn seek(&mut self, key: &[u8], seq: u64) {
        let target = Target { key, seq };
        let place = self.enter(Goal::At(target), Some(&target));
        self.go_forward(place);
    }

    /// Goes to the last entry whose key is below `key`.
    pub fn seek_before(&mut self, key: &[u8]) {
        let target = Target { key, seq: SEQ_MAX };
        let place = self.enter(Goal::Before(target), Some(&target));
        self.go_backward(place);
    }

    /// Goes to the first entry.
    pub fn seek_to_first(&mut self) {
        self.prepared = None;
        self.seek(FIRST.key, FIRST.seq);
    }

    /// Goes to the last entry.
    pub fn seek_to_last(&mut self) {
        self.prepared = None;
        let place = self.enter(Goal::Last, None);
        self.go_backward(place);
    }

    /// Goes to the next entry.
    ///
    /// # Panics
    ///
    /// If the cursor is on no entry. That holds for all functions below.
    #[inline]
    pub fn next(&mut self) {
        self.on_entry();
        self.go_forward(self.place + 1);
    }

    /// Goes to the entry before this one.
    #[inline]
    pub fn prev(&mut self) {
        self.on_entry();
        self.go_backward(self.place);
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        // SAFETY: the entry is one of the tree that is held.
        unsafe { self.on_entry().key() }
    }

    /// The sequence number.
    #[inline]
    pub fn seq(&self) -> u64 {
        // SAFETY: the entry is one of the tree that is held.
        unsafe { self.on_entry().seq() }
    }

    /// The kind, as given to [`crate::Writer::insert`].
    #[inline]
    pub fn kind(&self) -> u8 {
        // SAFETY: the entry is one of the tree that is held.
        unsafe { self.on_entry().kind() }
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> &[u8] {
        // SAFETY: the entry is one of the tree that is held.
        unsafe { self.on_entry().value() }
    }

    /// The value, independent of the cursor.
    pub fn pin_value(&self) -> Pinned {
        Pinned::new(Arc::clone(&self.tree), self.on_entry())
    }

    #[inline]
    fn on_entry(&self) -> EntryPtr {
        self.entry.expect("the cursor is on no entry")
    }

    /// Enters a leaf. Returns the place of the first entry at or after the target; behind the last
    /// one if there is no target.
    fn enter(&mut self, goal: Goal<'_>, target: Option<&Target<'_>>) -> usize {
        let leaf = match self.prepared.take() {
            // SAFETY: the leaf is one of the tree that is held.
            Some(leaf) => unsafe { leaf.as_ref() },
            None => {
                let leaf = self.tree.leaf(goal);
                leaf.prefetch();
                leaf
            }
        };
        self.order = leaf.sorted(leaf.state());
        self.leaf = Some(NonNull::from(leaf));
        let end = self.order.len();
        let place = target.map_or(end, |target| leaf.lower_bound(&self.order, target));
        (0..AHEAD).for_each(|step| self.prefetch(place + step));
        place
    }

    /// Goes to the entry at `place`, or to the first behind the leaf if there is none.
    #[inline]
    fn go_forward(&mut self, place: usize) {
        match self.order.get(place) {
            Some(slot) => self.stand(place, slot),
            None => self.leave_forward(),
        }
        self.prefetch(self.place + AHEAD);
    }

    /// Goes to the entry before `place`, or to the last before the leaf if there is none.
    #[inline]
    fn go_backward(&mut self, place: usize) {
        let before = place.wrapping_sub(1);
        match self.order.get(before) {
            Some(slot) => self.stand(before, slot),
            None => self.leave_backward(),
        }
        self.prefetch(self.place.wrapping_sub(AHEAD));
    }

    #[inline]
    fn stand(&mut self, place: usize, slot: usize) {
        self.place = place;
        self.entry = self.leaf().map(|leaf| leaf.entry(slot));
        if let Some(entry) = self.entry {
            // Who merges several walks may be elsewhere for a while before it wants the value.
            // SAFETY: the entry is one of the tree that is held.
            unsafe { entry.prefetch_rest() };
        }
    }

    /// Goes to the first entry from the leaf's upper bound on.
    ///
    /// Leaves may be empty, but not many in a row: only one that was just made can be.
    #[inline(never)]
    fn leave_forward(&mut self) {
        self.entry = None;
        while let Some(high) = self.leaf().and_then(|leaf| leaf.bounds.high) {
            // SAFETY: bounds belong to the tree that is held.
            let high = unsafe { high.target() };
            let place = self.enter(Goal::At(high), Some(&high));
            if let Some(slot) = self.order.get(place) {
                return self.stand(place, slot);
            }
        }
    }

    /// Goes to the last entry before the leaf's lower bound.
    ///
    /// NB: while its writer splits a leaf the lower half may not have a leaf of its own yet. What
    /// is before the upper half is then still in the full leaf, with the upper half behind it.
    #[inline(never)]
    fn leave_backward(&mut self) {
        self.entry = None;
        while let Some(low) = self.leaf().and_then(|leaf| leaf.bounds.low) {
            // SAFETY: bounds belong to the tree that is held.
            let low = unsafe { low.target() };
            let before = self.enter(Goal::Before(low), Some(&low)).wrapping_sub(1);
            if let Some(slot) = self.order.get(before) {
                return self.stand(before, slot);
            }
        }
    }

    #[inline]
    fn leaf(&self) -> Option<&Leaf> {
        // SAFETY: the leaf is one of the tree that is held.
        self.leaf.map(|leaf| unsafe { leaf.as_ref() })
    }

    /// Loads an entry that a walk will get to soon.
    #[inline]
    fn prefetch(&self, place: usize) {
        if let Some(slot) = self.order.get(place)
            && let Some(leaf) = self.leaf()
        {
            leaf.entry(slot).prefetch();
        }
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Cursor");
        if self.valid() {
            f.field("key", &self.key())
                .field("seq", &self.seq())
                .field("kind", &self.kind());
        }
        f.finish_non_exhaustive()
    }
}
