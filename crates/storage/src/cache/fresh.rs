//! Blocks of tables that were just written, which enter the cache without being read.
//!
//! Who writes a table has its blocks at hand, and what was written last is often read next: after a
//! flush or a compaction each block would have to be read once from a file that the system still has
//! in its pages, copied, checked and taken apart. While the cache is not half full, the blocks are
//! kept instead. Until the table is opened they wait by its number; then they go into its slots.
//!
//! ```text
//! builder ──▶ FreshBlocks ──finish──▶ waiting, by number ──Table::open──▶ slots
//!                                          '── memory is short: dropped
//! ```
//!
//! Invariants: what is kept is counted as used by the cache from when it is kept. Nobody is evicted for
//! it, and it is the first to go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustdb_vfs::sync::Mutex;

use super::{BlockCache, BlockSlots};
use crate::key::FileNumber;
use crate::table::Block;

/// Blocks are kept until this part of the budget is used.
const ROOM_PART: usize = 2;

/// The first blocks of a table that is being written.
#[derive(Debug)]
pub(crate) struct FreshBlocks {
    cache: Arc<BlockCache>,
    blocks: Vec<Block>,
    bytes: usize,
    /// Whether there was no room for one, so that none comes after it.
    is_full: bool,
}

/// Tables whose blocks wait for them to be opened.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    tables: Mutex<Vec<(FileNumber, FreshBlocks)>>,
    count: AtomicUsize,
}

impl BlockCache {
    /// Room for the blocks of a table that is begun.
    pub(crate) fn fresh_blocks(self: &Arc<Self>) -> FreshBlocks {
        FreshBlocks {
            cache: Arc::clone(self),
            blocks: Vec::new(),
            bytes: 0,
            is_full: false,
        }
    }

    /// Puts the blocks that wait for table `number` into its slots.
    pub(crate) fn fill_slots(
        &self,
        number: FileNumber,
        slots: &mut Arc<BlockSlots>,
        blocks: usize,
    ) {
        if let Some(mut fresh) = self.waiting.take(number) {
            let kept = std::mem::take(&mut fresh.blocks);
            drop(fresh);
            slots.fill(kept.into_iter().take(blocks));
        }
    }

    /// Lets go of what waits for a table that is gone.
    pub(crate) fn forget_fresh(&self, number: FileNumber) {
        drop(self.waiting.take(number));
    }
}

impl Waiting {
    fn add(&self, number: FileNumber, fresh: FreshBlocks) {
        let mut tables = self.tables.lock();
        tables.push((number, fresh));
        self.count.store(tables.len(), Relaxed);
    }

    fn take(&self, number: FileNumber) -> Option<FreshBlocks> {
        if self.count.load(Relaxed) == 0 {
            return None;
        }
        let mut tables = self.tables.lock();
        let at = tables.iter().position(|(of, _)| *of == number)?;
        let (_, fresh) = tables.swap_remove(at);
        self.count.store(tables.len(), Relaxed);
        Some(fresh)
    }

    /// Lets go of all blocks.
    pub(super) fn clear(&self) {
        if self.count.load(Relaxed) > 0 {
            let tables = std::mem::take(&mut *self.tables.lock());
            self.count.store(0, Relaxed);
            drop(tables);
        }
    }
}

impl FreshBlocks {
    /// Keeps the next block, given as it is before compression, if there is room.
    pub(crate) fn push(&mut self, payload: &[u8]) {
        if self.is_full {
            return;
        }
        let cache = &*self.cache;
        let room = cache.budget.load(Relaxed) / ROOM_PART;
        let has_room = cache.used.load(Relaxed).saturating_add(payload.len()) <= room;
        let Some(block) = has_room.then(|| Block::parse(payload).ok()).flatten() else {
            self.is_full = true;
            return;
        };
        cache.used.fetch_add(block.memory_bytes(), Relaxed);
        self.bytes += block.memory_bytes();
        self.blocks.push(block);
    }

    /// Leaves the blocks for table `number`, which is complete.
    pub(crate) fn leave(self, number: FileNumber) {
        if !self.blocks.is_empty() {
            let cache = Arc::clone(&self.cache);
            cache.waiting.add(number, self);
        }
    }
}

impl Drop for FreshBlocks {
    fn drop(&mut self) {
        self.cache.used.fetch_sub(self.bytes, Relaxed);
    }
}
