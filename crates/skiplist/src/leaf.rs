//! Leaves: nodes whose slots hold entries.

use std::cmp::Ordering as Order;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::arena::{Arena, Bump};
use crate::entry::{self, EntryPtr, Header, Target, prefetch};
use crate::node::{Bounds, SharedState, Sorted, State, halve};

/// The slots of a leaf.
pub(crate) const LEAF_SLOTS: usize = 32;

/// Slots of entries.
#[repr(C, align(64))]
pub(crate) struct Leaf {
    state: SharedState,
    /// What all keys of the leaf have in common at the front.
    shared_bytes: u32,
    pub(crate) bounds: Bounds,
    heads: [AtomicU32; LEAF_SLOTS],
    pub(crate) entries: [AtomicPtr<Header>; LEAF_SLOTS],
}

impl Leaf {
    /// An empty leaf. The bounds belong to `arena`, and so will all entries.
    pub(crate) fn create<'a>(arena: &'a Arena, bump: &mut Bump, bounds: Bounds) -> &'a Leaf {
        let memory = bump.take_lines(arena, size_of::<Leaf>()).cast::<Leaf>();
        // SAFETY: the piece is large enough, aligned, ours alone until we return, and valid as
        // long as the arena.
        unsafe {
            memory.write(Leaf {
                state: SharedState::empty(),
                shared_bytes: bounds.shared_bytes() as u32,
                bounds,
                heads: [const { AtomicU32::new(0) }; LEAF_SLOTS],
                entries: [const { AtomicPtr::new(null_mut()) }; LEAF_SLOTS],
            });
            memory.as_ref()
        }
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        self.state.load()
    }

    /// Whether one more entry fits.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.state().count < LEAF_SLOTS
    }

    /// Asks the processor to load all of the leaf, for a walk.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(self, size_of::<Leaf>());
    }

    /// Asks the processor to load what [`Leaf::push`] will write to, which no search has read.
    #[inline]
    pub(crate) fn prefetch_free_slot(&self) {
        if let Some(slot) = self.entries.get(self.state().count) {
            prefetch(slot, size_of_val(slot));
        }
    }

    /// The entry in a published slot.
    #[inline]
    pub(crate) fn entry(&self, slot: usize) -> EntryPtr {
        let entry = self.entries[slot].load(Ordering::Acquire);
        EntryPtr::from_ptr(entry).expect("a published slot has an entry")
    }

    #[inline]
    fn target(&self, slot: usize) -> Target<'_> {
        // SAFETY: entries belong to the arena of their leaf, which a borrow of it keeps alive,
        // and the pointer was loaded with `Acquire`.
        unsafe { self.entry(slot).target() }
    }

    #[inline]
    fn head(&self, slot: usize) -> u32 {
        self.heads[slot].load(Ordering::Relaxed)
    }

    #[inline]
    fn head_of(&self, key: &[u8]) -> u32 {
        (entry::head(key, self.shared_bytes as usize) >> 32) as u32
    }

    /// Whether the entry in a slot sorts before the target, whose head is given.
    #[inline]
    fn is_before(&self, slot: usize, target: &Target<'_>, head: u32) -> bool {
        let here = self.head(slot);
        here < head || (here == head && self.compare(slot, target) == Order::Less)
    }

    #[inline]
    fn compare(&self, slot: usize, target: &Target<'_>) -> Order {
        self.target(slot)
            .cmp_beyond(target, self.shared_bytes as usize)
    }

    /// The slots in order.
    pub(crate) fn sorted(&self, state: State) -> Sorted<LEAF_SLOTS> {
        if state.is_all_sorted() {
            return Sorted::identity(state.count);
        }
        let heads = std::array::from_fn(|slot| match slot < state.count {
            true => self.head(slot),
            false => u32::MAX,
        });
        if let Some(sorted) = Sorted::by_rank(&heads, state.count) {
            return sorted;
        }
        Sorted::new(state, |left, right| {
            let (here, head) = (self.head(left), self.head(right));
            here < head || (here == head && self.compare(left, &self.target(right)).is_lt())
        })
    }

    /// The place of the first slot in order that is not before the target.
    pub(crate) fn lower_bound(&self, order: &Sorted<LEAF_SLOTS>, target: &Target<'_>) -> usize {
        let head = self.head_of(target.key);
        order.partition_point(|slot| self.is_before(slot, target, head))
    }

    /// The newest entry of the target's key that is not newer than the target. The target is
    /// within the bounds.
    #[inline]
    pub(crate) fn get(&self, target: &Target<'_>) -> Option<EntryPtr> {
        let state = self.state();
        let head = self.head_of(target.key);
        let mut newest: Option<(u64, EntryPtr)> = None;
        let mut consider = |slot| {
            let entry = self.entry(slot);
            // SAFETY: as in `target`.
            let found = unsafe { entry.target() };
            let is_newer = newest.is_none_or(|(seq, _)| seq < found.seq);
            if found.seq <= target.seq && is_newer && found.key == target.key {
                newest = Some((found.seq, entry));
            }
        };
        let mut first = halve(state.sorted, |slot| self.head(slot) < head);
        if first < state.sorted && self.head(first) == head {
            let rest = state.sorted - first;
            first += halve(rest, |step| self.is_before(first + step, target, head));
            if first < state.sorted && self.head(first) == head {
                consider(first);
            }
        }
        for slot in state.sorted..state.count {
            if self.head(slot) == head {
                consider(slot);
            }
        }
        newest.map(|(_, entry)| entry)
    }

    /// The slot with an entry that compares equal to the target, if there is one.
    pub(crate) fn find(&self, target: &Target<'_>) -> Option<usize> {
        let head = self.head_of(target.key);
        let mut slots = 0..self.state().count;
        slots.find(|&slot| self.head(slot) == head && self.compare(slot, target) == Order::Equal)
    }

    /// Puts an entry in place of one that compares equal. For the writer.
    pub(crate) fn replace(&self, slot: usize, entry: EntryPtr) {
        self.entries[slot].store(entry.as_ptr(), Ordering::Release);
    }

    /// Adds an entry, whose target is given, to a leaf that is not full. For the writer.
    pub(crate) fn push(&self, target: &Target<'_>, entry: EntryPtr) {
        let state = self.state();
        let head = self.head_of(target.key);
        self.heads[state.count].store(head, Ordering::Relaxed);
        self.entries[state.count].store(entry.as_ptr(), Ordering::Release);
        let follows = state.is_all_sorted()
            && (state.count == 0 || self.is_before(state.count - 1, target, head));
        self.state.store(state.with_slot(follows));
    }

    /// Whether a target is within the bounds.
    #[inline]
    pub(crate) fn is_responsible_for(&self, target: &Target<'_>) -> bool {
        // SAFETY: bounds belong to the arena of the leaf, which a borrow of it keeps alive.
        let compare = |bound: EntryPtr| unsafe { bound.target() }.cmp_beyond(target, 0);
        self.bounds.low.is_none_or(|low| compare(low).is_le())
            && self.bounds.high.is_none_or(|high| compare(high).is_gt())
    }

    /// Whether the target sorts after all entries of a leaf whose slots are all sorted.
    pub(crate) fn is_followed_by(&self, target: &Target<'_>) -> bool {
        let state = self.state();
        state.is_all_sorted()
            && state.count > 0
            && self.is_before(state.count - 1, target, self.head_of(target.key))
    }

    /// Adds entries of another leaf, in order, to an empty one that no reader knows yet.
    pub(crate) fn adopt(&self, from: &Leaf, slots: impl Iterator<Item = usize>) {
        let mut count = 0;
        for slot in slots {
            let head = if self.shared_bytes == from.shared_bytes {
                from.head(slot)
            } else {
                self.head_of(from.target(slot).key)
            };
            self.heads[count].store(head, Ordering::Relaxed);
            self.entries[count].store(from.entry(slot).as_ptr(), Ordering::Release);
            count += 1;
        }
        self.state.store(State::all_sorted(count));
    }
}
