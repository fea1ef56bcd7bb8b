//! The block cache: which blocks stay in memory, and which go when the budget is used up.
//!
//! There is no map from a block's address to the block. Each open table has one *slot* per block
//! ([`BlockSlots`]), next to its index, and a reader that has found the place in the index finds
//! the block, or nothing, in the slot: one atomic load, no lock, no hash.
//!
//! The cache itself decides about eviction. Uses are noted in the block (`warm`), up to three. A new
//! block is on *probation*: it waits in a queue, and if it was not used when it comes to the front,
//! it goes. If it was, it enters the *ring*, where a clock hand goes round, takes away one use at
//! each visit, and evicts what has none left. The queue gives way as long as it is longer than a
//! quarter of all. So a scan through more data than fits pushes out itself, not what point reads
//! use; and what they no longer use gives way to what they use now. When the cache is full, a block
//! goes in only once it was read before ([`door`]): an insertion and an eviction cost more than most
//! blocks are worth that are read for the first time. A *long* scan, one that has
//! walked from one table into the next, would only push out itself, at the price of an insertion
//! and an eviction for each block: when the cache is full, few of its blocks go in (as "bimodal
//! insertion" does: Qureshi et al., Adaptive Insertion Policies for High Performance Caching, 2007).
//! Those stay for the next such scan, and a set that many scans walk is in memory in the end.
//!
//! ```text
//!            +--- probation ---+  used   +---------- ring ----------+
//! new block  | #7:2  #9:1  ... | ------> | #7:0  free  #9:5  #7:4 . |
//!            +-----------------+         +----^ hand ---------------+
//!                     '-- not used: evicted        '-- no use left: evicted
//! ```
//!
//! Invariants: the bytes of a block are counted from when it enters a slot to when it leaves it.
//! Whoever takes it out of the slot (the hand, or the slots when they are dropped) subtracts them.
//! Memory that is not evicted, indexes and filters, is counted by a [`Charge`] and takes room from
//! blocks. A block that a reader holds lives on after eviction, uncounted.
//!
//! Blocks that were just written enter without being read, while there is much room ([`fresh`]).
//!
//! What is absent: eviction of indexes and filters, which are about one per cent of the data.

mod derived;
mod door;
mod fresh;
mod shard;
mod slots;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use rustdb_vfs::sync::Mutex;

pub use self::derived::Derived;
use self::derived::DerivedShard;
pub(crate) use self::derived::DerivedSlots;
use self::door::Door;
pub(crate) use self::fresh::FreshBlocks;
use self::fresh::Waiting;
use self::shard::{Entry, Shard};
pub(crate) use self::slots::{BlockSlots, LINE_SLOTS};
use crate::table::Block;

/// How many parts there are, each with a lock of its own; misses that fill the cache take one.
const SHARDS: usize = 16;

/// A block larger than this part of the budget is not cached: it would push out too many others.
const BLOCK_PART_MAX: usize = 8;

/// Indexes and filters together should not take a larger part of the budget.
const METADATA_PART_MAX: usize = 2;

/// Of so many blocks that a long scan reads, one takes the place of another block.
const LONG_SCAN_PART: usize = 16;

/// How many sets of counters there are; threads spread over them.
const STRIPES: usize = 16;

/// A budget of memory for blocks, and the clock that keeps it.
pub struct BlockCache {
    budget: AtomicUsize,
    /// Blocks in slots, what was derived of them, and charges.
    used: AtomicUsize,
    /// Charges alone.
    charged: AtomicUsize,
    /// Blocks in slots.
    blocks: AtomicUsize,
    evictions: AtomicU64,
    /// Blocks of long scans for which there was no room.
    long_scans: AtomicUsize,
    door: Door,
    waiting: Waiting,
    shards: [Mutex<Shard>; SHARDS],
    derived: DerivedShard,
    stripes: Box<[Stripe; STRIPES]>,
}

/// What the cache has done, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// How often a block was found in memory.
    pub hits: u64,
    /// How often it had to be read.
    pub misses: u64,
    /// How often a filter said that a table does not have the key, so that no block was needed.
    pub filtered: u64,
    /// How often a block was read for a key that its table does not have: the filter let it
    /// through, or there is none.
    pub read_in_vain: u64,
    /// How many blocks were taken out to make room.
    pub evictions: u64,
    /// How many blocks are cached.
    pub blocks: usize,
    /// The memory in use, indexes and filters included.
    pub used_bytes: usize,
    /// The memory of indexes and filters.
    pub metadata_bytes: usize,
    /// The memory of what readers made of values.
    pub derived_bytes: usize,
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
    filtered: AtomicU64,
    read_in_vain: AtomicU64,
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
            long_scans: AtomicUsize::new(0),
            door: Door::new(budget_bytes),
            waiting: Waiting::default(),
            shards: Default::default(),
            derived: DerivedShard::default(),
            stripes: Default::default(),
        })
    }

    /// Changes the budget, and evicts down to it.
    pub fn set_budget(&self, budget_bytes: usize) {
        self.budget.store(budget_bytes, Relaxed);
        self.make_derived_room(0);
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

    /// Whether charges may grow by so much and still leave most of the budget to blocks.
    pub(crate) fn has_room_for_metadata(&self, bytes: usize) -> bool {
        let room = self.budget.load(Relaxed) / METADATA_PART_MAX;
        self.charged.load(Relaxed).saturating_add(bytes) <= room
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
            filtered: sum(|stripe| &stripe.filtered),
            read_in_vain: sum(|stripe| &stripe.read_in_vain),
            evictions: self.evictions.load(Relaxed),
            blocks: self.blocks.load(Relaxed),
            used_bytes: self.used.load(Relaxed),
            metadata_bytes: self.charged.load(Relaxed),
            derived_bytes: self.derived.bytes(),
            budget_bytes: self.budget.load(Relaxed),
        }
    }

    /// Counts a lookup that found its block.
    #[inline]
    pub(crate) fn note_hit(&self) {
        self.stripes[stripe()].hits.fetch_add(1, Relaxed);
    }

    /// Counts a lookup that has to read its block; returns how many there were before.
    pub(crate) fn note_miss(&self) -> u64 {
        self.stripes[stripe()].misses.fetch_add(1, Relaxed)
    }

    /// Counts a point read that a filter answered.
    #[inline]
    pub(crate) fn note_filtered(&self) {
        self.stripes[stripe()].filtered.fetch_add(1, Relaxed);
    }

    /// Counts a point read from disk that found nothing.
    pub(crate) fn note_read_in_vain(&self) {
        self.stripes[stripe()].read_in_vain.fetch_add(1, Relaxed);
    }

    /// Evicts until `bytes` more fit the budget, beginning with one shard. Returns whether they do:
    /// charges alone may leave no room.
    fn make_room(&self, bytes: usize, first_shard: usize) -> bool {
        let fits = || self.has_room(bytes);
        if !fits() {
            self.waiting.clear();
        }
        for shard in (0..SHARDS).map(|step| (first_shard + step) % SHARDS) {
            if fits() {
                return true;
            }
            let mut shard = self.shards[shard].lock();
            while !fits() && shard.evict_one() {
                self.evictions.fetch_add(1, Relaxed);
                self.derived.note_eviction();
            }
        }
        fits()
    }

    /// Whether so much more fits the budget.
    fn has_room(&self, bytes: usize) -> bool {
        self.used.load(Relaxed).saturating_add(bytes) <= self.budget.load(Relaxed)
    }

    /// Whether block `at` of table `number` should go in, the `turn`-th that was read: as long as
    /// there is room, and if it was read before, not long ago, if another one has to go for it.
    pub(crate) fn admits(&self, number: u64, at: usize, bytes: usize, turn: u64) -> bool {
        self.has_room(bytes) || self.door.admits(number, at, turn)
    }

    /// Whether a block of a long scan should go in: as long as there is room, and one in
    /// [`LONG_SCAN_PART`] if another one has to go for it.
    pub(crate) fn admits_of_long_scan(&self, bytes: usize) -> bool {
        self.has_room(bytes) || {
            let turn = self.long_scans.fetch_add(1, Relaxed);
            turn.is_multiple_of(LONG_SCAN_PART)
        }
    }

    /// Lists a slot that was just filled.
    fn list(&self, shard: usize, entry: Entry) {
        let mut shard = self.shards[shard].lock();
        // Tables that are gone leave their entries behind.
        let live = self.blocks.load(Relaxed) / SHARDS;
        if shard.len() > 2 * live + 64 {
            shard.sweep();
        }
        shard.push(entry);
    }

    fn subtract(&self, block: &Block) {
        self.used.fetch_sub(block.memory_bytes(), Relaxed);
        self.blocks.fetch_sub(1, Relaxed);
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
