//! The block cache: which blocks stay in memory, and which go when the budget is used up.
//!
//! There is no map from a block's address to the block. Each open table has one *slot* per block
//! ([`BlockSlots`]), next to its index, and a reader that has found the place in the index finds
//! the block, or nothing, in the slot: one atomic load, no lock, no hash.
//!
//! The cache itself decides about eviction. Rings list the filled slots; a clock hand goes round
//! and empties the slots of blocks that were not used since it last passed. Uses are noted in the
//! block (`warm`), up to three, and the hand takes one away at each visit. A block enters cold, so
//! a scan through more data than fits pushes out itself, not what point reads use.
//!
//! ```text
//! ring   [ #7:0 ][ #7:1 ][ free ][ #9:5 ] ...       entry: which slots, which block
//!                            ^ hand                 new blocks take the place of evicted ones
//! ```
//!
//! Invariants: the bytes of a block are counted from when it enters a slot to when it leaves it.
//! Whoever takes it out of the slot (the hand, or the slots when they are dropped) subtracts them.
//! Memory that is not evicted, indexes and filters, is counted by a [`Charge`] and takes room from
//! blocks. A block that a reader holds lives on after eviction, uncounted.
//!
//! What is absent: admission by frequency, and eviction of indexes and filters. The former needs a
//! sketch on each miss; the latter are about one per cent of the data.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use arc_swap::{ArcSwapAny, Guard};
use rustdb_vfs::sync::Mutex;

use crate::table::{Block, BlockRef, SharedBlock};

/// How many rings there are, each with a lock of its own; misses that fill the cache take one.
const RINGS: usize = 16;

/// A block larger than this part of the budget is not cached: it would push out too many others.
const BLOCK_PART_MAX: usize = 8;

/// How many sets of counters there are; threads spread over them.
const STRIPES: usize = 16;

/// A budget of memory for blocks, and the clock that keeps it.
pub struct BlockCache {
    budget: AtomicUsize,
    /// Blocks in slots, and charges.
    used: AtomicUsize,
    /// Charges alone.
    charged: AtomicUsize,
    /// Blocks in slots.
    blocks: AtomicUsize,
    evictions: AtomicU64,
    rings: [Mutex<Ring>; RINGS],
    stripes: Box<[Stripe; STRIPES]>,
}

/// What the cache has done, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// How often a block was found in memory.
    pub hits: u64,
    /// How often it had to be read.
    pub misses: u64,
    /// How many blocks were taken out to make room.
    pub evictions: u64,
    /// How many blocks are cached.
    pub blocks: usize,
    /// The memory in use, indexes and filters included.
    pub used_bytes: usize,
    /// The memory of indexes and filters.
    pub metadata_bytes: usize,
    /// The memory that may be in use.
    pub budget_bytes: usize,
}

impl CacheStats {
    /// The share of lookups that found the block in memory, from zero to one.
    pub fn hit_ratio(&self) -> f64 {
        self.hits as f64 / (self.hits + self.misses).max(1) as f64
    }
}

/// Counters that only some threads write, in cache lines of their own.
#[derive(Default)]
#[repr(align(128))]
struct Stripe {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// The slots of a part of the blocks.
#[derive(Default)]
struct Ring {
    entries: Vec<Option<Entry>>,
    /// Places in `entries` that are `None`.
    free: Vec<u32>,
    /// Where the clock hand goes on.
    hand: usize,
}

/// A filled slot. The table may be gone: its blocks are then no longer counted.
struct Entry {
    slots: Weak<BlockSlots>,
    block: u32,
}

impl BlockCache {
    /// A cache that keeps at most `budget_bytes` in memory.
    pub fn new(budget_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            budget: AtomicUsize::new(budget_bytes),
            used: AtomicUsize::new(0),
            charged: AtomicUsize::new(0),
            blocks: AtomicUsize::new(0),
            evictions: AtomicU64::new(0),
            rings: Default::default(),
            stripes: Default::default(),
        })
    }

    /// Changes the budget, and evicts down to it.
    pub fn set_budget(&self, budget_bytes: usize) {
        self.budget.store(budget_bytes, Relaxed);
        self.make_room(0, 0);
    }

    /// Counts `bytes` of memory as in use until the charge is dropped.
    pub fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        self.make_room(bytes, 0);
        self.used.fetch_add(bytes, Relaxed);
        self.charged.fetch_add(bytes, Relaxed);
        Charge {
            cache: Arc::clone(self),
            bytes,
        }
    }

    /// What the cache has done, and what it holds.
    pub fn stats(&self) -> CacheStats {
        let sum = |counter: fn(&Stripe) -> &AtomicU64| {
            self.stripes
                .iter()
                .map(|stripe| counter(stripe).load(Relaxed))
                .sum()
        };
        CacheStats {
            hits: sum(|stripe| &stripe.hits),
            misses: sum(|stripe| &stripe.misses),
            evictions: self.evictions.load(Relaxed),
            blocks: self.blocks.load(Relaxed),
            used_bytes: self.used.load(Relaxed),
            metadata_bytes: self.charged.load(Relaxed),
            budget_bytes: self.budget.load(Relaxed),
        }
    }

    /// Counts a lookup that found its block.
    #[inline]
    pub(crate) fn note_hit(&self) {
        self.stripes[stripe()].hits.fetch_add(1, Relaxed);
    }

    /// Counts a lookup that has to read its block.
    pub(crate) fn note_miss(&self) {
        self.stripes[stripe()].misses.fetch_add(1, Relaxed);
    }

    /// Evicts until `bytes` more fit the budget, beginning with one ring. Returns whether they do:
    /// charges alone may leave no room.
    fn make_room(&self, bytes: usize, first_ring: usize) -> bool {
        let fits = || self.used.load(Relaxed).saturating_add(bytes) <= self.budget.load(Relaxed);
        for ring in (0..RINGS).map(|step| (first_ring + step) % RINGS) {
            if fits() {
                return true;
            }
            let mut ring = self.rings[ring].lock();
            while !fits() && self.evict_one(&mut ring) {}
        }
        fits()
    }

    /// Moves the hand of a ring until it has emptied a slot; `false` if there is none to empty.
    fn evict_one(&self, ring: &mut Ring) -> bool {
        // After so many steps all blocks that nobody uses meanwhile are cold.
        let steps_max = ring.entries.len() * (usize::from(crate::table::HEAT_MAX) + 1);
        for _ in 0..steps_max {
            let place = ring.hand;
            ring.hand = (place + 1) % ring.entries.len();
            let Some(entry) = &ring.entries[place] else {
                continue;
            };
            let slots = entry.slots.upgrade();
            let evicted = match &slots {
                Some(slots) if slots.cool(entry.block) => continue,
                Some(slots) => slots.clear(entry.block),
                None => false,
            };
            ring.entries[place] = None;
            ring.free.push(place as u32);
            if evicted {
                self.evictions.fetch_add(1, Relaxed);
                return true;
            }
        }
        false
    }

    /// Lists a slot that was just filled.
    fn list(&self, ring: usize, entry: Entry) {
        let mut ring = self.rings[ring].lock();
        // Tables that are gone leave their entries behind.
        let live = self.blocks.load(Relaxed) / RINGS;
        if ring.entries.len() - ring.free.len() > 2 * live + 64 {
            ring.sweep();
        }
        match ring.free.pop() {
            Some(place) => ring.entries[place as usize] = Some(entry),
            None => ring.entries.push(Some(entry)),
        }
    }

    fn subtract(&self, block: &Block) {
        self.used.fetch_sub(block.memory_bytes(), Relaxed);
        self.blocks.fetch_sub(1, Relaxed);
    }
}

impl Ring {
    fn sweep(&mut self) {
        self.entries
            .retain(|e| e.as_ref().is_some_and(|e| e.slots.strong_count() > 0));
        self.free.clear();
        self.hand = 0;
    }
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}

/// Memory that counts as used.
pub struct Charge {
    cache: Arc<BlockCache>,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.cache.used.fetch_sub(self.bytes, Relaxed);
        self.cache.charged.fetch_sub(self.bytes, Relaxed);
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Charge({})", self.bytes)
    }
}

type Slot = ArcSwapAny<Option<SharedBlock>>;

/// How many slots are in a line.
pub(crate) const LINE_SLOTS: usize = 8;

/// Slots of adjacent blocks, and room for the part of the index that a search ends in: processors
/// fetch aligned pairs of cache lines together, so the slots are there when the search is done.
#[repr(align(128))]
struct Line {
    heads: [u64; LINE_SLOTS],
    slots: [Slot; LINE_SLOTS],
}

const _: () = assert!(size_of::<Line>() == 128);

/// One slot per block of a table.
pub(crate) struct BlockSlots {
    lines: Box<[Line]>,
    cache: Arc<BlockCache>,
}

/// What a slot held when it was looked at. The block stays in memory meanwhile.
pub(crate) struct Resident(Guard<Option<SharedBlock>>);

impl Resident {
    /// The block, to search in.
    #[inline]
    pub(crate) fn block(&self) -> Option<BlockRef<'_>> {
        self.0.as_ref().map(BlockRef::new)
    }

    /// The block, to keep.
    #[inline]
    pub(crate) fn into_block(self) -> Option<Block> {
        Guard::into_inner(self.0).map(Block::from)
    }
}

impl BlockSlots {
    /// Empty slots, each line next to its part of the index.
    pub(crate) fn new(heads: Vec<[u64; LINE_SLOTS]>, cache: &Arc<BlockCache>) -> Arc<Self> {
        let line = |heads| Line {
            heads,
            slots: Default::default(),
        };
        let lines = heads.into_iter().map(line).collect();
        Arc::new(Self {
            lines,
            cache: Arc::clone(cache),
        })
    }

    /// The memory that the slots take, and what stands next to them.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(&self.lines[..])
    }

    /// The number of lines.
    #[inline]
    pub(crate) fn lines(&self) -> usize {
        self.lines.len()
    }

    /// What stands next to the slots of a line.
    #[inline]
    pub(crate) fn heads(&self, line: usize) -> &[u64; LINE_SLOTS] {
        &self.lines[line].heads
    }

    #[inline]
    fn slot(&self, block: usize) -> &Slot {
        &self.lines[block / LINE_SLOTS].slots[block % LINE_SLOTS]
    }

    /// What is in a slot.
    #[inline]
    pub(crate) fn load(&self, block: usize) -> Resident {
        Resident(self.slot(block).load())
    }

    /// Puts a block that was read into its slot, if the budget allows. Returns the block to use,
    /// which is another one if another reader was faster.
    pub(crate) fn insert(self: &Arc<Self>, index: usize, block: Block) -> Block {
        let (cache, bytes) = (&*self.cache, block.memory_bytes());
        if bytes > cache.budget.load(Relaxed) / BLOCK_PART_MAX {
            return block;
        }
        let ring = self.ring(index);
        if !cache.make_room(bytes, ring) {
            return block;
        }
        // Counted before it can be seen, so that the hand cannot subtract it first.
        cache.used.fetch_add(bytes, Relaxed);
        cache.blocks.fetch_add(1, Relaxed);
        let shared = SharedBlock::from(block.clone());
        let before = self
            .slot(index)
            .compare_and_swap(&None::<SharedBlock>, Some(shared));
        if let Some(faster) = Guard::into_inner(before) {
            cache.subtract(&block);
            return Block::from(faster);
        }
        cache.list(
            ring,
            Entry {
                slots: Arc::downgrade(self),
                block: index as u32,
            },
        );
        block
    }

    /// Spreads blocks over the rings: neighbours, and the first blocks of all tables.
    fn ring(&self, index: usize) -> usize {
        let table = std::ptr::from_ref(self).addr() >> 6;
        (table ^ (table >> 8)).wrapping_add(index) % RINGS
    }

    /// Takes a use back; `false` if the block was not used, or there is none.
    fn cool(&self, block: u32) -> bool {
        self.load(block as usize)
            .block()
            .is_some_and(|block| block.cool())
    }

    /// Empties a slot; `false` if it was empty.
    fn clear(&self, block: u32) -> bool {
        let block = self.slot(block as usize).swap(None).map(Block::from);
        block.inspect(|block| self.cache.subtract(block)).is_some()
    }
}

impl Drop for BlockSlots {
    fn drop(&mut self) {
        for block in 0..(self.lines.len() * LINE_SLOTS) as u32 {
            if self.load(block as usize).block().is_some() {
                self.clear(block);
            }
        }
    }
}

impl fmt::Debug for BlockSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockSlots({} lines)", self.lines.len())
    }
}

/// The set of counters of this thread.
#[inline]
fn stripe() -> usize {
    static NEXT: AtomicUsize = const { AtomicUsize::new(0) };
    thread_local! {
        static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    STRIPE.with(|stripe| {
        if stripe.get() == usize::MAX {
            stripe.set(NEXT.fetch_add(1, Relaxed) % STRIPES);
        }
        stripe.get()
    })
}
