//! Inner nodes: nodes whose slots hold nodes one level below.

use std::cmp::Ordering as Order;
use std::mem::offset_of;
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::arena::{Arena, Bump};
use crate::entry::{self, EntryPtr, Header, Target, prefetch};
use crate::leaf::Leaf;
use crate::node::{Bounds, SharedState, Sorted, State, halve};

/// The slots of an inner node.
pub(crate) const INNER_SLOTS: usize = 32;

/// Slots of nodes one level below. The lower bound of a slot's child is its *separator*; the
/// first slot's is the node's own lower bound.
#[repr(C, align(64))]
pub(crate) struct Inner {
    state: SharedState,
    /// What all keys of the node have in common at the front.
    shared_bytes: u32,
    pub(crate) bounds: Bounds,
    /// How many levels there are below; one if the children are leaves.
    pub(crate) level: usize,
    heads: [AtomicU64; INNER_SLOTS],
    children: [AtomicPtr<()>; INNER_SLOTS],
    /// Null for a lower bound that is no limit. Last, because most searches do not look at them.
    separators: [AtomicPtr<Header>; INNER_SLOTS],
}

/// A node of either kind, on the level below the inner node that it was found in.
#[derive(Clone, Copy)]
pub(crate) enum Child<'a> {
    Leaf(&'a Leaf),
    Inner(&'a Inner),
}

impl Child<'_> {
    fn as_ptr(self) -> *mut () {
        match self {
            Child::Leaf(leaf) => std::ptr::from_ref(leaf).cast_mut().cast(),
            Child::Inner(inner) => std::ptr::from_ref(inner).cast_mut().cast(),
        }
    }

    fn low(self) -> Option<EntryPtr> {
        match self {
            Child::Leaf(leaf) => leaf.bounds.low,
            Child::Inner(inner) => inner.bounds.low,
        }
    }
}

/// Which child of an inner node to go to.
#[derive(Clone, Copy)]
pub(crate) enum Goal<'a> {
    /// The one that is responsible for a target.
    At(Target<'a>),
    /// The one that is responsible for what sorts just before a target.
    Before(Target<'a>),
    /// The last one.
    Last,
}

impl Inner {
    /// An empty node. The bounds belong to `arena`, and so will all children.
    pub(crate) fn create<'a>(
        arena: &'a Arena,
        bump: &mut Bump,
        bounds: Bounds,
        level: usize,
    ) -> &'a Inner {
        let memory = bump.take_lines(arena, size_of::<Inner>()).cast::<Inner>();
        // SAFETY: the piece is large enough, aligned, ours alone until we return, and valid as
        // long as the arena.
        unsafe {
            memory.write(Inner {
                state: SharedState::empty(),
                shared_bytes: bounds.shared_bytes() as u32,
                bounds,
                level,
                heads: [const { AtomicU64::new(0) }; INNER_SLOTS],
                children: [const { AtomicPtr::new(null_mut()) }; INNER_SLOTS],
                separators: [const { AtomicPtr::new(null_mut()) }; INNER_SLOTS],
            });
            memory.as_ref()
        }
    }

    /// The child to go to. The goal is within the bounds, or is the upper bound itself when what
    /// is before it is sought.
    #[inline]
    pub(crate) fn child(&self, goal: Goal<'_>) -> (usize, Child<'_>) {
        loop {
            let state = self.state.load();
            let slot = self.find(state, goal);
            let child = self.child_in(slot);
            // A child that took the place of one for more keys was published after a slot for
            // the rest of these keys. If we see that child, we see the slot now, and the target
            // may belong there.
            if self.state.load() == state {
                return (slot, child);
            }
        }
    }

    #[inline]
    fn child_in(&self, slot: usize) -> Child<'_> {
        let child = self.children[slot].load(Ordering::Acquire);
        // The search goes on with what a node begins with, its state and heads, and at last with
        // one of its children, which would be a wait of its own.
        let bytes = if self.level == 1 {
            offset_of!(Leaf, entries)
        } else {
            offset_of!(Inner, separators)
        };
        prefetch(child, bytes);
        // SAFETY: a published slot has a child of the same arena, which a borrow of this node
        // keeps alive; its kind follows from the level. It was complete when it was stored with
        // `Release`.
        unsafe {
            if self.level == 1 {
                Child::Leaf(&*child.cast::<Leaf>())
            } else {
                Child::Inner(&*child.cast::<Inner>())
            }
        }
    }

    #[inline]
    fn head(&self, slot: usize) -> u64 {
        self.heads[slot].load(Ordering::Relaxed)
    }

    #[inline]
    fn head_of(&self, key: &[u8]) -> u64 {
        entry::head(key, self.shared_bytes as usize)
    }

    /// How a separator compares to a target.
    #[inline]
    fn compare(&self, slot: usize, target: &Target<'_>) -> Order {
        let separator = self.separators[slot].load(Ordering::Relaxed);
        // SAFETY: separators belong to the arena of their node, which a borrow of it keeps alive;
        // the slot was published after they were stored.
        EntryPtr::from_ptr(separator).map_or(Order::Less, |separator| unsafe {
            separator
                .target()
                .cmp_beyond(target, self.shared_bytes as usize)
        })
    }

    /// Whether a slot sorts before another.
    fn is_before(&self, left: usize, right: usize) -> bool {
        let heads = self.head(left).cmp(&self.head(right));
        heads.then_with(|| self.compare_slots(left, right)).is_lt()
    }

    fn compare_slots(&self, left: usize, right: usize) -> Order {
        let Some(right) = self.separator(right) else {
            return Order::Greater;
        };
        // SAFETY: as in `compare`.
        let right = unsafe { right.target() };
        self.compare(left, &right)
    }

    /// The slot with the largest separator that does not exceed the goal.
    #[inline]
    fn find(&self, state: State, goal: Goal<'_>) -> usize {
        let (target, or_equal) = match goal {
            Goal::At(target) => (target, true),
            Goal::Before(target) => (target, false),
            Goal::Last => {
                let order = Sorted::<INNER_SLOTS>::new(state, |l, r| self.is_before(l, r));
                return order
                    .slots()
                    .next_back()
                    .expect("an inner node has a child");
            }
        };
        let head = self.head_of(target.key);
        let is_within = |slot| {
            let here = self.head(slot);
            here < head
                || (here == head
                    && match self.compare(slot, &target) {
                        Order::Less => true,
                        Order::Equal => or_equal,
                        Order::Greater => false,
                    })
        };
        let mut within = halve(state.sorted, |slot| self.head(slot) < head);
        if within < state.sorted && self.head(within) == head {
            within += halve(state.sorted - within, |step| is_within(within + step));
        }
        let sorted = within.saturating_sub(1);
        let appended = state.sorted..state.count;
        self.find_among(appended.clone(), sorted, head)
            .unwrap_or_else(|| {
                appended.fold(sorted, |best, slot| {
                    match is_within(slot) && self.is_before(best, slot) {
                        true => slot,
                        false => best,
                    }
                })
            })
    }

    /// The last of slot `best`, whose separator does not exceed the goal, and of those `appended`
    /// that do not either, if the heads alone tell. Slots come in no order, so which of them count
    /// cannot be guessed, and there is no branch in the loop.
    #[inline]
    fn find_among(&self, appended: Range<usize>, best: usize, goal: u64) -> Option<usize> {
        let (mut best, mut best_head) = (best, self.head(best));
        let mut is_clear = true;
        for slot in appended {
            let head = self.head(slot);
            is_clear &= (head != goal) & (head != best_head);
            let is_better = (head < goal) & (head > best_head);
            best = if is_better { slot } else { best };
            best_head = if is_better { head } else { best_head };
        }
        is_clear.then_some(best)
    }

    pub(crate) fn state(&self) -> State {
        self.state.load()
    }

    /// The slots in order.
    pub(crate) fn sorted(&self, state: State) -> Sorted<INNER_SLOTS> {
        Sorted::new(state, |left, right| self.is_before(left, right))
    }

    /// The separator of a slot.
    pub(crate) fn separator(&self, slot: usize) -> Option<EntryPtr> {
        EntryPtr::from_ptr(self.separators[slot].load(Ordering::Relaxed))
    }

    /// Adds a child to a node that is not full. For the writer.
    pub(crate) fn push(&self, child: Child<'_>) {
        let state = self.state();
        let slot = state.count;
        let low = child.low();
        // SAFETY: bounds belong to the arena of their node.
        let head = low.map_or(0, |low| self.head_of(unsafe { low.key() }));
        self.heads[slot].store(head, Ordering::Relaxed);
        let separator = low.map_or(null_mut(), EntryPtr::as_ptr);
        self.separators[slot].store(separator, Ordering::Relaxed);
        self.children[slot].store(child.as_ptr(), Ordering::Release);
        let follows = slot == 0 || self.is_before(slot - 1, slot);
        self.state.store(state.with_slot(follows));
    }

    /// Puts a child in place of one with the same lower bound. For the writer.
    pub(crate) fn replace(&self, slot: usize, child: Child<'_>) {
        self.children[slot].store(child.as_ptr(), Ordering::Release);
    }

    /// Adds children of another node, in order, to an empty one that no reader knows yet.
    pub(crate) fn adopt(&self, from: &Inner, slots: impl Iterator<Item = usize>) {
        slots.for_each(|slot| self.push(from.child_in(slot)));
    }
}
