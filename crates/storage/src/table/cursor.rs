//! Walks a table in both directions.
//!
//! A cursor holds the block it is in, so moving within a block touches nothing else. When it
//! leaves one block for the next and finds for the third time in a row that the next one is not
//! in memory, it takes the access for a sequential one and reads several blocks at once; twice as
//! many the next time, up to a limit.
//!
//! Scans neither warm the blocks they find in memory nor bring theirs in warm, so they do not push
//! out what point reads use. Compaction does not bring its blocks in at all.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::block::{Block, BlockRef, PlainRun};
use super::reader::Table;
use super::segment::{Place, SEGMENT_BLOCKS, Segment, SegmentAhead};
use crate::error::Result;
use crate::key::{EntryKind, MAX_SEQUENCE, SequenceNumber};
use crate::slice::Slice;

/// The blocks read one by one before reading ahead begins.
const MISSES_BEFORE_READAHEAD: u32 = 2;

/// The first read-ahead reads so much.
const READAHEAD_BYTES_MIN: u64 = 32 << 10;

/// Room for the keys that are usual, so that the first one is put together without growing.
const KEY_ROOM: usize = 64;

/// Which blocks that are read from disk go into the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// None.
    Nothing,
    /// All, in the place of others if need be.
    All,
    /// All while there is room, then some.
    LongScan,
}

/// How a cursor reads blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadMode {
    /// Which blocks read from disk go into the cache.
    pub fill: Fill,
    /// Whether to read ahead from the first block on.
    pub sequential: bool,
    /// The most that is read at once.
    pub readahead_bytes_max: usize,
}

impl ReadMode {
    /// For reads on behalf of users.
    pub const USER: ReadMode = ReadMode {
        fill: Fill::All,
        sequential: false,
        readahead_bytes_max: 256 << 10,
    };

    /// For reading a whole table once.
    pub const COMPACTION: ReadMode = ReadMode {
        fill: Fill::Nothing,
        sequential: true,
        readahead_bytes_max: 512 << 10,
    };
}

impl Default for ReadMode {
    fn default() -> Self {
        Self::USER
    }
}

/// A position in a table: on an entry, or on none. After an error it is on none.
pub struct TableCursor {
    table: Arc<Table>,
    mode: ReadMode,
    /// The block of the entry; `None` when on no entry.
    block: Option<Block>,
    /// The number of that block.
    at: usize,
    /// The number of the entry in the block.
    entry: usize,
    /// The entry's key, of which the first bytes are the block's prefix.
    key: Vec<u8>,
    prefix_len: usize,
    /// The segment that was last told to lie ahead.
    told: Option<usize>,
    window: Window,
}

/// Blocks that were read ahead and not yet looked at.
#[derive(Default)]
struct Window {
    /// Which blocks are in `sealed`.
    blocks: Range<usize>,
    /// Their bytes, and the file offset of the first.
    sealed: Vec<u8>,
    offset: u64,
    /// How many blocks in a row were not in memory.
    misses: u32,
    /// How much to read at once the next time.
    bytes: u64,
    #[cfg(test)]
    filled: usize,
    #[cfg(test)]
    fills: usize,
}

/// Where a cursor comes from when it enters a block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Seek,
    Forward,
    Backward,
}

impl TableCursor {
    pub(super) fn new(table: Arc<Table>, mode: ReadMode) -> Self {
        let window = Window {
            bytes: READAHEAD_BYTES_MIN,
            ..Window::default()
        };
        Self {
            table,
            mode,
            block: None,
            at: 0,
            entry: 0,
            key: Vec::with_capacity(KEY_ROOM),
            prefix_len: 0,
            told: None,
            window,
        }
    }

    /// The table.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Whether the cursor is on an entry.
    #[inline]
    pub fn valid(&self) -> bool {
        self.block.is_some()
    }

    /// Goes to the first entry at or after (`key`, `seq`).
    pub fn seek(&mut self, key: &[u8], seq: SequenceNumber) -> Result<()> {
        let Some(stored) = self.table.stored_seq(seq) else {
            // The table's only version of `key` is newer, and so before the place sought.
            self.seek_to(key, MAX_SEQUENCE)?;
            return if self.valid() && self.key == key {
                self.next()
            } else {
                Ok(())
            };
        };
        self.seek_to(key, stored)
    }

    fn seek_to(&mut self, key: &[u8], seq: SequenceNumber) -> Result<()> {
        if self.blocks() == 0 {
            return Ok(());
        }
        self.enter(self.table.index().find(key, seq), Step::Seek)?;
        let entry = self.view().lower_bound(key, seq);
        if entry == self.view().len() {
            return self.enter_next();
        }
        self.view().prefetch_value(entry);
        self.read_entry(entry);
        Ok(())
    }

    /// Goes to the last entry whose key is below `key`.
    pub fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        if self.blocks() == 0 {
            return Ok(());
        }
        self.enter(self.table.index().find(key, MAX_SEQUENCE), Step::Seek)?;
        match self.view().lower_bound(key, MAX_SEQUENCE) {
            0 => self.enter_previous(),
            entry => {
                self.read_entry(entry - 1);
                Ok(())
            }
        }
    }

    /// Goes to the first entry.
    pub fn seek_to_first(&mut self) -> Result<()> {
        if self.blocks() > 0 {
            self.enter(0, Step::Seek)?;
            self.read_entry(0);
        }
        Ok(())
    }

    /// Goes to the last entry.
    pub fn seek_to_last(&mut self) -> Result<()> {
        if self.blocks() > 0 {
            self.enter(self.blocks() - 1, Step::Seek)?;
            self.read_entry(self.view().len() - 1);
        }
        Ok(())
    }

    /// Goes to the next entry.
    ///
    /// # Panics
    ///
    /// If the cursor is on no entry. That holds for all functions below.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "a cursor is not an iterator")]
    pub fn next(&mut self) -> Result<()> {
        if self.entry + 1 < self.view().len() {
            self.read_entry(self.entry + 1);
            return Ok(());
        }
        self.enter_next()
    }

    /// Goes to the entry before this one.
    #[inline]
    pub fn prev(&mut self) -> Result<()> {
        assert!(self.valid(), "the cursor is on no entry");
        if self.entry > 0 {
            self.read_entry(self.entry - 1);
            return Ok(());
        }
        self.enter_previous()
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        assert!(self.valid(), "the cursor is on no entry");
        &self.key
    }

    /// The sequence number.
    #[inline]
    pub fn seq(&self) -> SequenceNumber {
        self.table.reported_seq(self.view().seq(self.entry))
    }

    /// What the entry says about its key.
    #[inline]
    pub fn kind(&self) -> EntryKind {
        self.view().kind(self.entry)
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> &[u8] {
        self.view().value(self.entry)
    }

    /// The value, independent of the cursor.
    #[inline]
    pub fn pin_value(&self) -> Slice {
        let block = self.block.as_ref().expect("the cursor is on an entry");
        Slice::of_block_ref(block, block.get().value_range(self.entry))
    }

    /// How many of the next entries are values that do not expire, not above `at`, each the newest
    /// entry of its key, and below `limit`; as far as what is noted about the current block tells.
    pub fn plain_ahead(&self, limit: Option<&[u8]>, at: SequenceNumber) -> usize {
        let view = self.view();
        let is_value = |kind| matches!(kind, EntryKind::Put | EntryKind::ValueRef);
        let are_newest = || match view.common_seq() {
            // With one sequence number for all entries no key has two of them. (The last key may
            // go on in the next block, with older ones.)
            Some(seq) => self.table.reported_seq(seq) <= at,
            None => self.table.meta().shadowed == 0 && self.table.meta().max_seq <= at,
        };
        if !view.common_kind().is_some_and(is_value) || !are_newest() {
            return 0;
        }
        let end = limit.map_or(view.len(), |limit| view.lower_bound(limit, MAX_SEQUENCE));
        end.saturating_sub(self.entry + 1)
    }

    /// Passes the next `count` entries, which [`TableCursor::plain_ahead`] counted and so are in
    /// this block, and shows their values, until `show` returns `false`. Ends on the last entry
    /// that was shown; returns how many those are.
    pub fn pass_plain(&mut self, count: usize, show: &mut dyn FnMut(&[u8]) -> bool) -> usize {
        let view = self.view();
        let mut passed = 0;
        while passed < count {
            passed += 1;
            if !show(view.value(self.entry + passed)) {
                break;
            }
        }
        if passed > 0 {
            self.read_entry(self.entry + passed);
        }
        passed
    }

    /// What lies ahead in the segment of the next entry, if all entries of the table are plain for a
    /// reader at `at`, as far as whole blocks are below `limit`. A segment is told once; again after
    /// some of it was [passed](TableCursor::pass_to).
    pub fn segment_ahead(
        &mut self,
        limit: Option<&[u8]>,
        at: SequenceNumber,
    ) -> Option<SegmentAhead> {
        let next = match self.entry + 1 < self.view().len() {
            true => Place {
                block: self.at,
                entry: self.entry + 1,
            },
            false => Place {
                block: self.at + 1,
                entry: 0,
            },
        };
        let number = Segment::number_of(next.block);
        if self.told == Some(number) || next.block >= self.blocks() || !self.table.is_plain(at) {
            return None;
        }
        self.told = Some(number);
        let last = ((number + 1) * SEGMENT_BLOCKS).min(self.blocks());
        let end = limit.map_or(last, |limit| self.whole_below(limit, next.block, last));
        (end > next.block).then(|| SegmentAhead::new(&self.table, &self.key, next, end))?
    }

    /// The last of `first..=last` before which all blocks have only keys below `limit`.
    fn whole_below(&self, limit: &[u8], first: usize, last: usize) -> usize {
        let index = self.table.index();
        // No key is there twice, so none goes on in the next block.
        let is_below = |end: usize| match end < index.blocks() {
            true => index.separator(end) <= limit,
            false => *self.table.meta().largest < *limit,
        };
        if is_below(last) {
            return last;
        }
        let (mut below, mut above) = (first, last);
        while below + 1 < above {
            let middle = below.midpoint(above);
            match is_below(middle) {
                true => below = middle,
                false => above = middle,
            }
        }
        below
    }

    /// Goes to an entry of a segment that was told to lie ahead.
    pub fn pass_to(&mut self, place: Place) -> Result<()> {
        self.told = None;
        if self.at != place.block {
            self.enter(place.block, Step::Seek)?;
        }
        self.read_entry(place.entry);
        Ok(())
    }

    /// The first of the next entries, at most `count`, which [`TableCursor::plain_ahead`] counted.
    pub fn plain_run(&self, count: usize) -> PlainRun {
        let block = self.block.clone().expect("the cursor is on an entry");
        let next = self.entry + 1;
        PlainRun::new(block, next..next + count)
    }

    /// How many blocks the last read-ahead read, and how many there were so far.
    #[cfg(test)]
    pub(super) fn window_fill(&self) -> (usize, usize) {
        (self.window.filled, self.window.fills)
    }

    fn blocks(&self) -> usize {
        self.table.index().blocks()
    }

    #[inline]
    fn view(&self) -> BlockRef<'_> {
        self.block
            .as_ref()
            .expect("the cursor is on an entry")
            .get()
    }

    /// Takes over an entry of the current block.
    #[inline]
    fn read_entry(&mut self, entry: usize) {
        let block = self.block.as_ref().expect("the cursor is in a block");
        self.entry = entry;
        self.key.truncate(self.prefix_len);
        block.get().read_tail(entry, &mut self.key);
    }

    #[cold]
    fn enter_next(&mut self) -> Result<()> {
        if self.at + 1 == self.blocks() {
            self.block = None;
            return Ok(());
        }
        self.enter(self.at + 1, Step::Forward)?;
        self.view().prefetch_value(0);
        // Who walked into this block is likely to walk out of it.
        self.table.prefetch_block(self.at + 1);
        self.read_entry(0);
        Ok(())
    }

    #[cold]
    fn enter_previous(&mut self) -> Result<()> {
        if self.at == 0 {
            self.block = None;
            return Ok(());
        }
        self.enter(self.at - 1, Step::Backward)?;
        self.read_entry(self.view().len() - 1);
        Ok(())
    }

    /// Makes `at` the current block.
    fn enter(&mut self, at: usize, step: Step) -> Result<()> {
        self.block = None;
        let block = match self.table.resident(at) {
            Some(block) => {
                if step == Step::Seek {
                    block.get().warm();
                }
                block
            }
            None => self.read(at, step)?,
        };
        self.key.clear();
        self.key.extend_from_slice(block.get().prefix());
        self.prefix_len = self.key.len();
        self.at = at;
        self.block = Some(block);
        Ok(())
    }

    /// Reads block `at` from the window, or from disk.
    fn read(&mut self, at: usize, step: Step) -> Result<Block> {
        if !self.window.blocks.contains(&at) {
            let misses = &mut self.window.misses;
            *misses = if step == Step::Seek {
                0
            } else {
                misses.saturating_add(1)
            };
            let sequential = self.mode.sequential || *misses > MISSES_BEFORE_READAHEAD;
            if !sequential {
                self.window.bytes = READAHEAD_BYTES_MIN;
                return self.table.read_block(at, self.mode.fill);
            }
            self.fill_window(at, step)?;
        }
        let location = self.table.index().location(at);
        let start = (location.start - self.window.offset) as usize;
        let end = (location.end - self.window.offset) as usize;
        // Opening the seal changes the bytes, so a block can be taken from the window only once.
        match step {
            Step::Seek | Step::Forward => self.window.blocks.start = at + 1,
            Step::Backward => self.window.blocks.end = at,
        }
        self.table
            .admit(at, &mut self.window.sealed[start..end], self.mode.fill)
    }

    /// Reads blocks from `at` on, in the direction of `step`, up to the size of the window.
    fn fill_window(&mut self, at: usize, step: Step) -> Result<()> {
        let index = self.table.index();
        let bytes_max = (self.mode.readahead_bytes_max as u64).max(1);
        let bytes = if self.mode.sequential {
            bytes_max
        } else {
            self.window.bytes.min(bytes_max)
        };
        let mut blocks = at..at + 1;
        match step {
            Step::Seek | Step::Forward => {
                let end = index.location(at).start + bytes;
                // Not what is in memory already, unless all is to be read in large pieces.
                let is_missing =
                    |at| self.mode.sequential || index.slots().load(at).block().is_none();
                while blocks.end < index.blocks()
                    && index.location(blocks.end).end <= end
                    && is_missing(blocks.end)
                {
                    blocks.end += 1;
                }
            }
            Step::Backward => {
                let start = index.location(at).end.saturating_sub(bytes);
                while blocks.start > 0 && index.location(blocks.start - 1).start >= start {
                    blocks.start -= 1;
                }
            }
        }
        // On an error nothing is left of the old window.
        self.window.blocks = 0..0;
        self.table
            .read_sealed(blocks.clone(), &mut self.window.sealed)?;
        self.window.offset = index.location(blocks.start).start;
        #[cfg(test)]
        {
            self.window.filled = blocks.len();
            self.window.fills += 1;
        }
        self.window.blocks = blocks;
        self.window.bytes = (bytes * 2).min(bytes_max);
        Ok(())
    }
}

impl fmt::Debug for TableCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.valid() {
            return f.write_str("TableCursor(on no entry)");
        }
        write!(f, "TableCursor(block {}, entry {})", self.at, self.entry)
    }
}
