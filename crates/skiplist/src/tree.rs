//! The tree as readers see it: finding leaves.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use crate::arena::{Arena, Bump};
use crate::entry::{EntryPtr, SEQ_MAX, Target};
use crate::inner::{Child, Goal, Inner};
use crate::leaf::Leaf;
use crate::node::Bounds;

/// What all handles share.
pub(crate) struct Tree {
    root: AtomicPtr<Inner>,
    counters: Counters,
    arena: Arena,
}

/// Written by the writer with each insert; on a cache line apart from what every search reads.
#[repr(align(64))]
#[derive(Default)]
struct Counters {
    entries: AtomicUsize,
    used_bytes: AtomicUsize,
    is_near: AtomicBool,
}

// SAFETY: entries are immutable, and nodes change only through atomics; the documentation of the
// crate has the whole argument.
unsafe impl Send for Tree {}
// SAFETY: as above.
unsafe impl Sync for Tree {}

impl Tree {
    /// A tree with one leaf, which is empty.
    pub(crate) fn new(bump: &mut Bump) -> Self {
        let arena = Arena::new();
        let root = Inner::create(&arena, bump, Bounds::ALL, 1);
        root.push(Child::Leaf(Leaf::create(&arena, bump, Bounds::ALL)));
        let root = AtomicPtr::new(std::ptr::from_ref(root).cast_mut());
        Self {
            root,
            counters: Counters::default(),
            arena,
        }
    }

    pub(crate) fn arena(&self) -> &Arena {
        &self.arena
    }

    #[inline]
    pub(crate) fn root(&self) -> &Inner {
        // SAFETY: the root is a node of our arena; it was complete when it was stored with
        // `Release`.
        unsafe { &*self.root.load(Ordering::Acquire) }
    }

    /// Makes `root`, a node of our arena, the root. For the writer.
    pub(crate) fn set_root(&self, root: &Inner) {
        self.root
            .store(std::ptr::from_ref(root).cast_mut(), Ordering::Release);
    }

    /// Goes down to a leaf.
    #[inline]
    pub(crate) fn leaf(&self, goal: Goal<'_>) -> &Leaf {
        let mut node = self.root();
        loop {
            match node.child(goal).1 {
                Child::Inner(inner) => node = inner,
                Child::Leaf(leaf) => return leaf,
            }
        }
    }

    /// `entry` must be one of ours.
    fn target(&self, entry: EntryPtr) -> Target<'_> {
        // SAFETY: the arena is alive as long as `self` is borrowed.
        unsafe { entry.target() }
    }

    /// The newest entry of the target's key that is not newer than the target.
    #[inline]
    pub(crate) fn get(&self, target: Target<'_>) -> Option<EntryPtr> {
        let mut leaf = self.leaf(Goal::At(target));
        loop {
            let found = leaf.get(&target);
            if found.is_some() {
                return found;
            }
            // Versions of one key may fill several leaves.
            let high = self.target(leaf.bounds.high?);
            if high.key != target.key {
                return None;
            }
            leaf = self.leaf(Goal::At(high));
        }
    }

    /// About which part of all entries sorts before the target, if nodes are equally full.
    pub(crate) fn part_before(&self, target: Target<'_>) -> f64 {
        let (mut part, mut width) = (0.0, 1.0);
        let mut node = self.root();
        loop {
            let (slot, child) = node.child(Goal::At(target));
            let state = node.state();
            let place = node
                .sorted(state)
                .slots()
                .position(|other| other == slot)
                .unwrap_or(0);
            width /= state.count as f64;
            part += width * place as f64;
            match child {
                Child::Inner(inner) => node = inner,
                Child::Leaf(leaf) => {
                    let order = leaf.sorted(leaf.state());
                    let place = leaf.lower_bound(&order, &target);
                    return part + width * place as f64 / order.len().max(1) as f64;
                }
            }
        }
    }

    pub(crate) fn entries(&self) -> usize {
        self.counters.entries.load(Ordering::Relaxed)
    }

    pub(crate) fn used_bytes(&self) -> usize {
        self.counters.used_bytes.load(Ordering::Relaxed)
    }

    /// Whether the last entry went to the leaf of the one before.
    #[inline]
    pub(crate) fn is_near(&self) -> bool {
        self.counters.is_near.load(Ordering::Relaxed)
    }

    /// For the writer.
    #[inline]
    pub(crate) fn set_near(&self, is_near: bool) {
        self.counters.is_near.store(is_near, Ordering::Relaxed);
    }

    /// Updates what readers are told about sizes. For the writer.
    pub(crate) fn count(&self, more_entries: usize, used_bytes: usize) {
        self.counters
            .entries
            .store(self.entries() + more_entries, Ordering::Relaxed);
        self.counters
            .used_bytes
            .store(used_bytes, Ordering::Relaxed);
    }
}

/// The very first place.
pub(crate) const FIRST: Target<'static> = Target {
    key: &[],
    seq: SEQ_MAX,
};
