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
//! use; and what they no longer use gives way to what they use now.
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
//! What is absent: memory of blocks that were evicted, and eviction of indexes and filters, which
//! are about one per cent of the data.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use arc_swap::{ArcSwapAny, Guard};
use rustdb_vfs::sync::Mutex;

use crate::table::{Block, BlockRef, HEAT_MAX, SharedBlock};

/// How many parts there are, each with a lock of its own; misses that fill the cache take one.
const SHARDS: usize = 16;

/// The queue gives way while it is longer than one part in so many.
const PROBATION_PART: usize = 4;

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
    shards: [Mutex<Shard>; SHARDS],
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
struct Shard {
    /// Blocks that were not used yet when they were last looked at, oldest first.
    probation: VecDeque<Entry>,
    ring: Vec<Option<Entry>>,
    /// Places in the ring that are `None`.
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
            shards: Default::default(),
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

    /// Evicts until `bytes` more fit the budget, beginning with one shard. Returns whether they do:
    /// charges alone may leave no room.
    fn make_room(&self, bytes: usize, first_shard: usize) -> bool {
        let fits = || self.used.load(Relaxed).saturating_add(bytes) <= self.budget.load(Relaxed);
        for shard in (0..SHARDS).map(|step| (first_shard + step) % SHARDS) {
            if fits() {
                return true;
            }
            let mut shard = self.shards[shard].lock();
            while !fits() && shard.evict_one() {
                self.evictions.fetch_add(1, Relaxed);
            }
        }
        fits()
    }

    /// Lists a slot that was just filled.
    fn list(&self, shard: usize, entry: Entry) {
        let mut shard = self.shards[shard].lock();
        // Tables that are gone leave their entries behind.
        let live = self.blocks.load(Relaxed) / SHARDS;
        if shard.len() > 2 * live + 64 {
            shard.sweep();
        }
        shard.probation.push_back(entry);
    }

    fn subtract(&self, block: &Block) {
        self.used.fetch_sub(block.memory_bytes(), Relaxed);
        self.blocks.fetch_sub(1, Relaxed);
    }
}

/// What became of an entry that was looked at.
enum Look {
    /// Its block was used since the last look.
    Used,
    /// Its block was not used, and is no longer in its slot.
    Evicted,
    /// There was no block: the table is gone.
    Gone,
}

impl Entry {
    fn look(&self) -> Look {
        let Some(slots) = self.slots.upgrade() else {
            return Look::Gone;
        };
        if slots.cool(self.block) {
            Look::Used
        } else if slots.clear(self.block) {
            Look::Evicted
        } else {
            Look::Gone
        }
    }
}

impl Shard {
    /// The number of slots listed.
    fn len(&self) -> usize {
        self.probation.len() + self.ring.len() - self.free.len()
    }

    /// Evicts a block; `false` if there is none.
    fn evict_one(&mut self) -> bool {
        // After so many steps all blocks that nobody uses meanwhile have no use left.
        for _ in 0..self.len() * (usize::from(HEAT_MAX) + 2) + self.free.len() {
            let in_ring = self.ring.len() - self.free.len();
            let queue_gives_way =
                in_ring == 0 || self.probation.len() * PROBATION_PART > self.len();
            let evicted = match self.probation.pop_front() {
                Some(entry) if queue_gives_way => self.end_probation(entry),
                entry => {
                    // It was not its turn.
                    entry
                        .into_iter()
                        .for_each(|entry| self.probation.push_front(entry));
                    self.move_hand()
                }
            };
            if evicted {
                return true;
            }
        }
        false
    }

    /// Evicts the block or moves it to the ring; returns whether it was evicted.
    fn end_probation(&mut self, entry: Entry) -> bool {
        match entry.look() {
            Look::Evicted => return true,
            Look::Gone => {}
            Look::Used => match self.free.pop() {
                Some(place) => self.ring[place as usize] = Some(entry),
                None => self.ring.push(Some(entry)),
            },
        }
        false
    }

    /// Looks at the next block of the ring; returns whether it was evicted.
    fn move_hand(&mut self) -> bool {
        let Some(place) = self.hand.checked_rem(self.ring.len()) else {
            return false;
        };
        self.hand = place + 1;
        let Some(entry) = &self.ring[place] else {
            return false;
        };
        let look = entry.look();
        if matches!(look, Look::Evicted | Look::Gone) {
            self.ring[place] = None;
            self.free.push(place as u32);
        }
        matches!(look, Look::Evicted)
    }

    /// Drops the entries of tables that are gone.
    fn sweep(&mut self) {
        let is_live = |entry: &Entry| entry.slots.strong_count() > 0;
        self.probation.retain(is_live);
        self.ring
            .retain(|entry| entry.as_ref().is_some_and(is_live));
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
        let shard = self.shard(index);
        if !cache.make_room(bytes, shard) {
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
            shard,
            Entry {
                slots: Arc::downgrade(self),
                block: index as u32,
            },
        );
        block
    }

    /// Spreads blocks over the shards: neighbours, and the first blocks of all tables.
    fn shard(&self, index: usize) -> usize {
        let table = std::ptr::from_ref(self).addr() >> 6;
        (table ^ (table >> 8)).wrapping_add(index) % SHARDS
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::EntryKind;
    use crate::table::block_of;

    /// The slots of a table with so many blocks.
    fn slots(cache: &Arc<BlockCache>, blocks: usize) -> Arc<BlockSlots> {
        BlockSlots::new(vec![[0; LINE_SLOTS]; blocks.div_ceil(LINE_SLOTS)], cache)
    }

    fn block() -> Block {
        block_of(&[(b"key", 1, EntryKind::Put, &[7; 1000])])
    }

    /// Looks a block up as a reader does; returns whether it was there.
    fn read(slots: &Arc<BlockSlots>, index: usize, warm: bool) -> bool {
        if let Some(block) = slots.load(index).block() {
            slots.cache.note_hit();
            if warm {
                block.warm();
            }
            return true;
        }
        slots.cache.note_miss();
        slots.insert(index, block());
        false
    }

    #[test]
    fn the_budget_is_kept() {
        let bytes = block().memory_bytes();
        let cache = BlockCache::new(100 * bytes);
        let slots = slots(&cache, 1000);
        for index in 0..1000 {
            read(&slots, index, false);
            assert!(cache.stats().used_bytes <= 100 * bytes);
        }
        let stats = cache.stats();
        assert_eq!((stats.blocks, stats.evictions), (100, 900));
        cache.set_budget(50 * bytes);
        assert_eq!(cache.stats().blocks, 50);
        drop(slots);
        assert_eq!((cache.stats().used_bytes, cache.stats().blocks), (0, 0));
    }

    #[test]
    fn what_is_used_survives_a_scan() {
        let cache = BlockCache::new(100 * block().memory_bytes());
        let slots = slots(&cache, 20_000);
        for _ in 0..4 {
            (0..50).for_each(|index| _ = read(&slots, index, true));
        }
        // A scan of a hundred times the cache, with a hot read now and then.
        for index in 1000..11_000 {
            read(&slots, index, false);
            if index % 2 == 0 {
                assert!(read(&slots, index / 2 % 50, true), "after {index}");
            }
        }
    }

    #[test]
    fn what_is_no_longer_used_gives_way_to_what_is() {
        let cache = BlockCache::new(100 * block().memory_bytes());
        let slots = slots(&cache, 20_000);
        let use_often = |blocks: std::ops::Range<usize>| {
            for start in blocks.step_by(10) {
                for _ in 0..4 {
                    (start..start + 10).for_each(|index| _ = read(&slots, index, true));
                }
            }
        };
        use_often(0..100);
        use_often(1000..1400);
        let left = (0..100).filter(|index| slots.load(*index).block().is_some());
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn hits_and_misses_are_counted() {
        let cache = BlockCache::new(1 << 20);
        let slots = slots(&cache, 10);
        for _ in 0..4 {
            (0..10).for_each(|index| _ = read(&slots, index, true));
        }
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses), (30, 10));
        assert!((stats.hit_ratio() - 0.75).abs() < 1e-9);
        assert_eq!(CacheStats::default().hit_ratio(), 0.0);
    }

    #[test]
    fn metadata_takes_room_from_blocks() {
        let bytes = block().memory_bytes();
        let cache = BlockCache::new(100 * bytes);
        let slots = slots(&cache, 1000);
        (0..100).for_each(|index| _ = read(&slots, index, false));
        let charge = cache.charge(60 * bytes);
        assert_eq!(
            (cache.stats().blocks, cache.stats().metadata_bytes),
            (40, 60 * bytes)
        );
        // More than there is: blocks are then not kept, but reads go on.
        let more = cache.charge(60 * bytes);
        assert!(!read(&slots, 500, false) && !read(&slots, 500, false));
        assert_eq!(cache.stats().blocks, 0);
        drop((charge, more));
        read(&slots, 500, false);
        assert_eq!((cache.stats().blocks, cache.stats().used_bytes), (1, bytes));
    }

    #[test]
    fn a_block_as_large_as_the_cache_is_not_kept() {
        let cache = BlockCache::new(4 * block().memory_bytes());
        let slots = slots(&cache, 8);
        assert!(!read(&slots, 0, false) && !read(&slots, 0, false));
    }

    #[test]
    fn the_faster_of_two_readers_wins() {
        let cache = BlockCache::new(1 << 20);
        let slots = slots(&cache, 8);
        let first = slots.insert(3, block());
        let second = slots.insert(3, block());
        assert_eq!(first.bytes().as_ptr(), second.bytes().as_ptr());
        assert_eq!(
            (cache.stats().blocks, cache.stats().used_bytes),
            (1, first.memory_bytes())
        );
    }

    #[test]
    fn a_block_in_use_outlives_its_place() {
        let cache = BlockCache::new(1 << 20);
        let slots = slots(&cache, 8);
        let kept = slots.insert(3, block());
        cache.set_budget(0);
        assert!(slots.load(3).block().is_none());
        assert_eq!(kept.get().value(0), [7; 1000]);
        assert_eq!(cache.stats().used_bytes, 0);
    }

    #[test]
    fn tables_that_are_gone_leave_nothing_behind() {
        let cache = BlockCache::new(1 << 30);
        for _ in 0..1000 {
            let slots = slots(&cache, 64);
            (0..64).for_each(|index| _ = read(&slots, index, false));
        }
        assert_eq!(cache.stats().used_bytes, 0);
        let listed: usize = cache.shards.iter().map(|shard| shard.lock().len()).sum();
        assert!(listed < 10_000, "{listed} entries of tables that are gone");
        // And the hand gets over those that are left.
        let slots = slots(&cache, 1000);
        cache.set_budget(100 * block().memory_bytes());
        (0..1000).for_each(|index| _ = read(&slots, index, false));
        assert_eq!(cache.stats().blocks, 100);
    }
}
