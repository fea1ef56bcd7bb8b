//! Leaves and inner nodes.
//!
//! Both are lists of slots that only grow, each slot with a *head* beside it, a few bytes of its
//! key that decide most comparisons. The writer fills a slot and then publishes it by storing the
//! new count; a reader loads the count and looks at the slots below it.
//!
//! The first slots of a node, as many as were there when it was made and as came in order since,
//! are sorted; those that came later stand in the order in which they came. A search halves its
//! way through the first and looks at all of the rest, which is short: when a node is full it is
//! replaced by two that are sorted.
//!
//! A node is responsible for the keys from its `low` bound up to its `high` bound. All these keys
//! begin with what the two bounds have in common, so heads are taken from behind that.
//!
//! # What may change in a node
//!
//! The count, and with it slots that nobody looks at yet; the *entry* in a slot of a leaf, for one
//! that compares equal; the *child* in a slot of an inner node, for one that is responsible for
//! the lower part of the same keys while the upper part has got a slot of its own before.

use std::cmp::Ordering as Order;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::arena::{Arena, Bump};
use crate::entry::{self, EntryPtr, Header, Target, prefetch};

/// The slots of a leaf.
pub(crate) const LEAF_SLOTS: usize = 32;

/// The slots of an inner node.
pub(crate) const INNER_SLOTS: usize = 32;

/// The keys a node is responsible for.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// The first key; `None` if there is no limit.
    pub(crate) low: Option<EntryPtr>,
    /// The first key after the last.
    pub(crate) high: Option<EntryPtr>,
}

impl Bounds {
    pub(crate) const ALL: Bounds = Bounds {
        low: None,
        high: None,
    };

    /// How many bytes all keys within the bounds have in common at the front.
    fn shared_bytes(self) -> usize {
        match (self.low, self.high) {
            // SAFETY: bounds belong to the arena of the node that is being made.
            (Some(low), Some(high)) => unsafe { entry::common_bytes(low.key(), high.key()) },
            _ => 0,
        }
    }
}

/// How many slots are published, and how many of these are sorted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) count: usize,
    sorted: usize,
}

impl State {
    fn all_sorted(count: usize) -> Self {
        Self {
            count,
            sorted: count,
        }
    }

    /// With one more slot; `follows` if it comes after all others.
    fn with_slot(self, follows: bool) -> Self {
        let in_order = follows && self.sorted == self.count;
        Self {
            count: self.count + 1,
            sorted: self.sorted + usize::from(in_order),
        }
    }

    pub(crate) fn is_all_sorted(self) -> bool {
        self.sorted == self.count
    }
}

/// A [`State`] that the writer changes while readers look.
struct SharedState(AtomicU32);

impl SharedState {
    const fn empty() -> Self {
        Self(AtomicU32::new(0))
    }

    /// What was written to the slots of the state that is returned is visible.
    #[inline]
    fn load(&self) -> State {
        let bits = self.0.load(Ordering::Acquire);
        State {
            count: (bits & 0xFFFF) as usize,
            sorted: (bits >> 16) as usize,
        }
    }

    fn store(&self, state: State) {
        let bits = state.count as u32 | (state.sorted as u32) << 16;
        self.0.store(bits, Ordering::Release);
    }
}

/// The numbers of a node's slots in the order of their keys.
#[derive(Clone, Debug)]
pub(crate) struct Sorted<const N: usize> {
    numbers: [u8; N],
    len: usize,
}

impl<const N: usize> Sorted<N> {
    pub(crate) const EMPTY: Self = Self {
        numbers: [0; N],
        len: 0,
    };

    /// All slots of `state`, given how two slots compare.
    fn new(state: State, is_before: impl Fn(usize, usize) -> bool) -> Self {
        let mut numbers = std::array::from_fn(|number| number as u8);
        for slot in state.sorted..state.count {
            let place = numbers[..slot].partition_point(|&n| is_before(n.into(), slot));
            numbers.copy_within(place..slot, place + 1);
            numbers[place] = slot as u8;
        }
        Self {
            numbers,
            len: state.count,
        }
    }

    pub(crate) fn slots(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.numbers[..self.len].iter().map(|&number| number.into())
    }

    /// The slot at a place in the order.
    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<usize> {
        self.numbers[..self.len]
            .get(place)
            .map(|&number| number.into())
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The first place whose slot is not `before`.
    pub(crate) fn partition_point(&self, before: impl Fn(usize) -> bool) -> usize {
        self.numbers[..self.len].partition_point(|&number| before(number.into()))
    }
}

/// Slots of entries.
#[repr(C, align(64))]
pub(crate) struct Leaf {
    state: SharedState,
    /// What all keys of the leaf have in common at the front.
    shared_bytes: u32,
    pub(crate) bounds: Bounds,
    heads: [AtomicU32; LEAF_SLOTS],
    entries: [AtomicPtr<Header>; LEAF_SLOTS],
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

    /// Asks the processor to load what a search looks at.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(&self.heads[LEAF_SLOTS / 4]);
        prefetch(&self.heads[LEAF_SLOTS - 1]);
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
    /// Null for a lower bound that is no limit.
    separators: [AtomicPtr<Header>; INNER_SLOTS],
    children: [AtomicPtr<()>; INNER_SLOTS],
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
                separators: [const { AtomicPtr::new(null_mut()) }; INNER_SLOTS],
                children: [const { AtomicPtr::new(null_mut()) }; INNER_SLOTS],
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
        let mut best = within.saturating_sub(1);
        for slot in state.sorted..state.count {
            if is_within(slot) && self.is_before(best, slot) {
                best = slot;
            }
        }
        best
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

/// Of the numbers below `count`, how many come before all others that are not `below`, given that
/// all that are `below` come first. Without branches that depend on the answers.
#[inline]
fn halve(count: usize, below: impl Fn(usize) -> bool) -> usize {
    let (mut base, mut size) = (0, count);
    while size > 0 {
        let half = size - size / 2;
        let step = if below(base + half - 1) { half } else { 0 };
        base += step;
        size -= half;
    }
    base
}
