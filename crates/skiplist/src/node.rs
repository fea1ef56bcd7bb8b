//! What leaves and inner nodes have in common.
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

use std::sync::atomic::{AtomicU32, Ordering};

use crate::entry::{self, EntryPtr};

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
    pub(crate) fn shared_bytes(self) -> usize {
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
    pub(crate) sorted: usize,
}

impl State {
    pub(crate) fn all_sorted(count: usize) -> Self {
        Self {
            count,
            sorted: count,
        }
    }

    /// With one more slot; `follows` if it comes after all others.
    pub(crate) fn with_slot(self, follows: bool) -> Self {
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
pub(crate) struct SharedState(AtomicU32);

impl SharedState {
    pub(crate) const fn empty() -> Self {
        Self(AtomicU32::new(0))
    }

    /// What was written to the slots of the state that is returned is visible.
    #[inline]
    pub(crate) fn load(&self) -> State {
        let bits = self.0.load(Ordering::Acquire);
        State {
            count: (bits & 0xFFFF) as usize,
            sorted: (bits >> 16) as usize,
        }
    }

    pub(crate) fn store(&self, state: State) {
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

    /// Slots that are in order already.
    pub(crate) fn identity(len: usize) -> Self {
        Self {
            numbers: std::array::from_fn(|number| number as u8),
            len,
        }
    }

    /// The first `len` slots in the order of their heads, or `None` if two heads are equal.
    ///
    /// What is in `heads` beyond `len` must not be below any head. The place of a slot is the number of heads below its own. To count them compares each with
    /// each, but without a branch, so several at once; that takes a third of the time of sorting.
    pub(crate) fn by_rank(heads: &[u32; N], len: usize) -> Option<Self> {
        let mut numbers = [u8::MAX; N];
        for slot in 0..len {
            let head = heads[slot];
            let rank: u32 = heads.iter().map(|other| u32::from(*other < head)).sum();
            let number = &mut numbers[rank as usize];
            if *number != u8::MAX {
                return None;
            }
            *number = slot as u8;
        }
        Some(Self { numbers, len })
    }

    /// All slots of `state`, given how two slots compare.
    pub(crate) fn new(state: State, is_before: impl Fn(usize, usize) -> bool) -> Self {
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

/// Of the numbers below `count`, how many come before all others that are not `below`, given that
/// all that are `below` come first. Without branches that depend on the answers.
#[inline]
pub(crate) fn halve(count: usize, below: impl Fn(usize) -> bool) -> usize {
    let (mut base, mut size) = (0, count);
    while size > 0 {
        let half = size - size / 2;
        let step = if below(base + half - 1) { half } else { 0 };
        base += step;
        size -= half;
    }
    base
}
