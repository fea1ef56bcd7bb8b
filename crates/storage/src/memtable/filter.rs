//! The memtable's filter: "is this key surely absent?" in about ten bits per key, in the
//! processor's cache.
//!
//! Most reads are not for what was written last. A search of the memtable for nothing costs
//! several misses of the cache; a look at a few bits of a small array usually none.
//!
//! A Bloom filter in blocks of one cache line (Putze, Sanders and Singler, *Cache-, Hash- and
//! Space-Efficient Bloom Filters*, 2007). How many keys will come is not known, so it grows in
//! stages: a key is added to the newest, and absent if it is in none. Since each stage costs every
//! look a line of the cache, the first one is made for as many keys as the memtable before took,
//! and those after it are four times as large as the one before, or begin with a quarter of the
//! first, which was made for nearly all.
//!
//! There is one writer. A reader sees all keys that were added before what it has read of the
//! writer's with [`Ordering::Acquire`], here the sequence number up to which entries are visible;
//! of later keys it may see any part, and need not care.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rustdb_skiplist::prefetch;

/// A cache line of bits.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Block([AtomicU64; BLOCK_WORDS]);

const BLOCK_WORDS: usize = 8;
const BLOCK_BITS_LOG2: u32 = 9;
const _: () = assert!(1 << BLOCK_BITS_LOG2 == BLOCK_WORDS * 64);

/// How many bits a key sets. About one in sixty absent keys then looks present in a full stage.
const BITS: u32 = 5;
const BITS_PER_KEY: usize = 10;

/// Without other knowledge the first stage takes 4 KiB. The last one takes all keys that follow.
const STAGES: usize = 8;
const STAGE_BLOCKS_MIN: usize = 64;
const STAGE_BLOCKS_MAX: usize = 1 << 18;
const GROWTH: usize = 4;

// The bits within a block and the number of the block are made of different bits of the hash.
const _: () = {
    assert!(STAGE_BLOCKS_MAX.ilog2() + BITS * BLOCK_BITS_LOG2 <= u64::BITS);
};

/// What readers share with the one [`FilterWriter`].
#[derive(Debug, Default)]
pub struct KeyFilter {
    /// Filled from the front.
    stages: [OnceLock<Stage>; STAGES],
    /// What they take in memory.
    bytes: AtomicUsize,
}

/// The right to add keys.
#[derive(Debug)]
pub struct FilterWriter {
    /// How many stages there are.
    stages: usize,
    /// How many more keys the newest takes.
    room: usize,
    /// How many keys were added, less those that looked present.
    keys: u64,
    /// How large the next stage will be.
    next_blocks: usize,
    /// Whether that was made to measure.
    is_measured: bool,
}

#[derive(Debug)]
struct Stage(Box<[Block]>);

impl Stage {
    fn new(blocks: usize) -> Self {
        Self((0..blocks).map(|_| Block::default()).collect())
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }

    fn block(&self, hash: u64) -> &Block {
        // The upper half of the product: a number below the length, decided by the upper bits.
        let index = (u128::from(hash) * self.0.len() as u128) >> u64::BITS;
        &self.0[index as usize]
    }

    #[inline]
    fn may_contain(&self, hash: u64) -> bool {
        let block = self.block(hash);
        // All of them, without a branch for each: they are in one line of the cache.
        let mut missing = 0;
        for n in 0..BITS {
            let (word, mask) = bit_of(hash, n);
            missing |= !block.0[word].load(Ordering::Relaxed) & mask;
        }
        missing == 0
    }

    fn add(&self, hash: u64) {
        let block = self.block(hash);
        for n in 0..BITS {
            let (word, mask) = bit_of(hash, n);
            let word = &block.0[word];
            word.store(word.load(Ordering::Relaxed) | mask, Ordering::Relaxed);
        }
    }
}

/// The `n`-th of the bits that stand for a key within a block, as word and mask.
#[inline]
fn bit_of(hash: u64, n: u32) -> (usize, u64) {
    let bit = (hash >> (n * BLOCK_BITS_LOG2)) as usize % (BLOCK_WORDS * 64);
    (bit / 64, 1 << (bit % 64))
}

impl KeyFilter {
    /// Whether a key with this hash may have been added. Never wrong about one that was.
    #[inline]
    pub fn may_contain(&self, hash: u64) -> bool {
        self.stages
            .iter()
            .map_while(OnceLock::get)
            .any(|stage| stage.may_contain(hash))
    }

    /// Asks the processor to load what tells about a key with this hash, and is written when it is
    /// added.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        let stages = self.stages.iter().map_while(OnceLock::get);
        stages.for_each(|stage| prefetch(stage.block(hash), size_of::<Block>()));
    }

    /// The memory that the stages take.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl FilterWriter {
    /// For a filter that will have about so many keys, or zero if that is not known. It takes no
    /// memory before the first.
    pub fn new(keys: u64) -> Self {
        // An eighth more: two memtables are never the same.
        let keys = usize::try_from(keys + keys / 8).unwrap_or(usize::MAX);
        let blocks = keys.saturating_mul(BITS_PER_KEY) >> BLOCK_BITS_LOG2;
        Self {
            stages: 0,
            room: 0,
            keys: 0,
            next_blocks: blocks.clamp(STAGE_BLOCKS_MIN, STAGE_BLOCKS_MAX),
            is_measured: blocks > STAGE_BLOCKS_MIN,
        }
    }

    /// Adds a key by its hash. What looks present already takes no room.
    pub fn add(&mut self, filter: &KeyFilter, hash: u64) {
        if filter.may_contain(hash) {
            return;
        }
        if self.room == 0 && self.stages < STAGES {
            self.grow(filter);
        }
        let newest = self.stages.checked_sub(1);
        if let Some(stage) = newest.and_then(|newest| filter.stages[newest].get()) {
            stage.add(hash);
        }
        self.room = self.room.saturating_sub(1);
        self.keys += 1;
    }

    /// About how many different keys were added.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    #[cold]
    fn grow(&mut self, filter: &KeyFilter) {
        let stage = filter.stages[self.stages].get_or_init(|| Stage::new(self.next_blocks));
        filter.bytes.fetch_add(stage.bytes(), Ordering::Relaxed);
        self.stages += 1;
        self.room = stage.bytes() * 8 / BITS_PER_KEY;
        let next = match std::mem::take(&mut self.is_measured) {
            true => self.next_blocks / GROWTH,
            false => self.next_blocks * GROWTH,
        };
        self.next_blocks = next.clamp(STAGE_BLOCKS_MIN, STAGE_BLOCKS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::table::key_hash;

    fn hash(n: u64) -> u64 {
        key_hash(&n.to_le_bytes())
    }

    #[test]
    fn what_was_added_may_be_there_and_little_else_is() {
        let (filter, mut writer) = (KeyFilter::default(), FilterWriter::new(0));
        assert!(!filter.may_contain(hash(0)) && filter.memory_bytes() == 0);
        for n in 0..300_000 {
            writer.add(&filter, hash(n));
        }
        assert!((0..300_000).all(|n| filter.may_contain(hash(n))));
        let wrong = (300_000..400_000).filter(|n| filter.may_contain(hash(*n)));
        let wrong = wrong.count();
        assert!(wrong < 6_000, "{wrong} of 100,000 absent keys look present");
        // What it takes is in proportion.
        assert!(filter.memory_bytes() < 300_000 * BITS_PER_KEY / 8 * 4);
    }

    #[test]
    fn what_was_expected_fits_one_stage_and_a_little_more_takes_a_little() {
        let (filter, mut writer) = (KeyFilter::default(), FilterWriter::new(100_000));
        assert_eq!(filter.memory_bytes(), 0);
        (0..100_000).for_each(|n| writer.add(&filter, hash(n)));
        assert_eq!(filter.stages.iter().map_while(OnceLock::get).count(), 1);
        let bytes = filter.memory_bytes();
        let least = 100_000 * BITS_PER_KEY / 8;
        assert!(bytes >= least && bytes < least * 5 / 4, "{bytes}");
        let wrong = (200_000..300_000).filter(|n| filter.may_contain(hash(*n)));
        assert!(wrong.count() < 3_000);

        (100_000..130_000).for_each(|n| writer.add(&filter, hash(n)));
        assert!((0..130_000).all(|n| filter.may_contain(hash(n))));
        assert_eq!(filter.stages.iter().map_while(OnceLock::get).count(), 2);
        assert!(filter.memory_bytes() <= bytes + bytes / 4);
    }

    #[test]
    fn keys_added_again_take_no_memory() {
        let (filter, mut writer) = (KeyFilter::default(), FilterWriter::new(0));
        for n in 0..100_000 {
            writer.add(&filter, hash(n % 1_000));
        }
        assert_eq!(filter.memory_bytes(), 4_096);
    }

    #[test]
    fn the_last_stage_takes_all_that_follows() {
        let (filter, mut writer) = (KeyFilter::default(), FilterWriter::new(0));
        (writer.stages, writer.room) = (STAGES - 1, 0);
        for stage in &filter.stages[..STAGES - 1] {
            stage.set(Stage::new(STAGE_BLOCKS_MIN)).expect("empty");
        }
        writer.add(&filter, hash(1));
        writer.room = 0;
        writer.add(&filter, hash(2));
        assert!(filter.may_contain(hash(1)) && filter.may_contain(hash(2)));
    }

    #[test]
    fn readers_find_what_was_published() {
        let (filter, published) = (KeyFilter::default(), AtomicU64::new(0));
        let count = 50_000;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut writer = FilterWriter::new(0);
                for n in 0..count {
                    writer.add(&filter, hash(n));
                    published.store(n + 1, Ordering::Release);
                }
            });
            let mut seen = 0;
            while seen < count {
                seen = published.load(Ordering::Acquire);
                let newest = seen.saturating_sub(100)..seen;
                assert!(newest.clone().all(|n| filter.may_contain(hash(n))));
            }
        });
    }
}
