//! Where the blocks of a table are found when they are in memory.
//!
//! Readers take nothing but a note of their own for what they look at; who changes a slot asks all
//! threads that have ever looked at one for such notes, a tenth of a microsecond for each. So slots
//! are filled before others know of them where that can be, and the end of a table asks once for
//! each block that it still has, and not for empty slots.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arc_swap::{ArcSwapAny, Guard};
use rustdb_skiplist::prefetch;

use super::shard::Entry;
use super::{BLOCK_PART_MAX, BlockCache, SHARDS};
use crate::table::{Block, BlockRef, SharedBlock};

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

    /// Asks the processor to load what a search in the block looks at first.
    #[inline]
    pub(crate) fn prefetch(&self) {
        // Layout, and all columns but the values of as many entries as are usual.
        const BYTES: usize = 640;
        if let Some(block) = &*self.0 {
            prefetch(block.as_ptr(), BYTES);
        }
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

    /// The cache that decides what stays.
    #[inline]
    pub(crate) fn cache(&self) -> &BlockCache {
        &self.cache
    }

    /// The same, to keep.
    pub(crate) fn shared_cache(&self) -> &Arc<BlockCache> {
        &self.cache
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

    /// Fills the first slots of a table, which are empty, and which nobody else knows of yet, as far
    /// as the budget allows.
    pub(crate) fn fill(self: &mut Arc<Self>, blocks: impl Iterator<Item = Block>) {
        let Some(empty) = Arc::get_mut(self) else {
            return;
        };
        let mut filled = Vec::new();
        for (index, block) in blocks.take(empty.lines.len() * LINE_SLOTS).enumerate() {
            if let Some(shard) = empty.count(index, &block) {
                let slot = &mut empty.lines[index / LINE_SLOTS].slots[index % LINE_SLOTS];
                let full = Slot::new(Some(SharedBlock::from(block)));
                forget_empty(std::mem::replace(slot, full));
                filled.push((shard, index as u32));
            }
        }
        for (shard, block) in filled {
            let slots = Arc::downgrade(self);
            self.cache.list(shard, Entry { slots, block });
        }
    }

    /// Counts a block that goes into a slot; its shard, if the budget allows it.
    fn count(&self, index: usize, block: &Block) -> Option<usize> {
        let (cache, bytes) = (&*self.cache, block.memory_bytes());
        if bytes > cache.budget.load(Relaxed) / BLOCK_PART_MAX {
            return None;
        }
        let shard = self.shard(index);
        if !cache.make_room(bytes, shard) {
            return None;
        }
        cache.used.fetch_add(bytes, Relaxed);
        cache.blocks.fetch_add(1, Relaxed);
        Some(shard)
    }

    /// Puts a block that was read into its slot, if the budget allows. Returns the block to use,
    /// which is another one if another reader was faster.
    pub(crate) fn insert(self: &Arc<Self>, index: usize, block: Block) -> Block {
        // Counted before it can be seen, so that the hand cannot subtract it first.
        let Some(shard) = self.count(index, &block) else {
            return block;
        };
        let cache = &*self.cache;
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
    pub(super) fn cool(&self, block: u32) -> bool {
        self.load(block as usize)
            .block()
            .is_some_and(|block| block.cool())
    }

    /// Empties a slot; `false` if it was empty.
    pub(super) fn clear(&self, block: u32) -> bool {
        let block = self.slot(block as usize).swap(None).map(Block::from);
        block.inspect(|block| self.cache.subtract(block)).is_some()
    }
}

impl Drop for BlockSlots {
    fn drop(&mut self) {
        let slots = std::mem::take(&mut self.lines)
            .into_iter()
            .flat_map(|line| line.slots);
        for slot in slots {
            let is_empty = slot.load().is_none();
            match is_empty {
                true => forget_empty(slot),
                false => slot
                    .into_inner()
                    .into_iter()
                    .for_each(|block| self.cache.subtract(&Block::from(block))),
            }
        }
    }
}

/// Lets go of a slot that nobody else has. Dropping it would ask all threads about nothing.
fn forget_empty(slot: Slot) {
    debug_assert!(slot.load().is_none());
    std::mem::forget(slot);
}

impl fmt::Debug for BlockSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockSlots({} lines)", self.lines.len())
    }
}
