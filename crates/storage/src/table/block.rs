//! A data block in memory: entries that are found and read without decoding anything.
//!
//! The payload (its bytes are described in `docs/format/table.md`, and written by
//! [`BlockBuilder`](super::block_builder::BlockBuilder)) is a small header followed by columns:
//!
//! ```text
//! heads     n x 8    the key's first eight bytes after the prefix, as a big-endian number
//! lengths   n x 1    how many of the eight are key bytes, if some key has fewer
//! prefix             what all keys of the block begin with
//! seqs      n x w    sequence number minus the smallest one, w in 0, 1, 2, 4, 8
//! kinds     n x 1    if they differ
//! offsets            ends of rests and values, two or four bytes each, if lengths differ
//! rests              what keys have after the head
//! values
//! ```
//!
//! A search counts the heads below the one sought. That is a short loop without branches that
//! depend on data, over one or two hundred adjacent bytes, so their cache misses overlap. Nearly
//! always one key is then left to compare.
//!
//! A [`Block`] is one allocation: reference count, layout and columns side by side, so a reader
//! that holds its address is one cache miss away from the heads.
//!
//! Everything that the accessors rely on is checked once, in [`Block::parse`], so they cannot go
//! out of bounds. Order of keys is not checked there: a wrong order gives wrong answers but no
//! panic, and `Table::verify` finds it.

use std::cmp::Ordering;
use std::hint::black_box;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering as Atomic};

use rustdb_skiplist::prefetch;
use triomphe::ThinArc;

use super::format::block_header as header;
use crate::key::{EntryKind, SequenceNumber};

mod layout;
mod run;

pub use run::PlainRun;

/// The number of key bytes in a head.
pub(crate) const HEAD_BYTES: usize = 8;

/// How often a block can be found in use before the count stays: the clock hand of the cache
/// takes one away each time it passes.
pub(crate) const HEAT_MAX: u8 = 3;

/// Below this many heads a search counts instead of halving: counting has no dependent loads.
const COUNT_AT_MOST: usize = 32;

/// Above this many equal heads a search halves instead of walking.
const WALK_AT_MOST: usize = 8;

/// The one allocation of a block.
pub(crate) type SharedBlock = ThinArc<Layout, u8>;

/// How many cache lines of a value a point read touches; the processor notices that more follow.
const TOUCHED_LINES: usize = 4;

const CACHE_LINE_BYTES: usize = 64;

/// A validated block, shared.
#[derive(Clone)]
pub struct Block(SharedBlock);

/// A validated block, borrowed.
#[derive(Clone, Copy)]
pub struct BlockRef<'a> {
    layout: &'a Layout,
    /// The columns.
    bytes: &'a [u8],
}

/// Where the columns are. Positions are relative to the first head.
pub(crate) struct Layout {
    heat: AtomicU8,
    offset_bytes: u8,
    seq_bytes: u8,
    /// The kind of all entries, or `None` if there is a column.
    kind: Option<EntryKind>,
    prefix_len: u16,
    has_lengths: bool,
    entries: u32,
    prefix_at: u32,
    seqs_at: u32,
    kinds_at: u32,
    /// Zero: all rests are `rest_len` long.
    rest_offsets_at: u32,
    /// Zero: all values are `value_len` long.
    value_offsets_at: u32,
    rests_at: u32,
    values_at: u32,
    rest_len: u32,
    value_len: u32,
    base_seq: u64,
}

/// A key taken apart for a search in one block.
#[derive(Clone, Copy)]
struct Probe<'a> {
    head: u64,
    head_len: u8,
    rest: &'a [u8],
    seq: SequenceNumber,
}

impl<'a> Probe<'a> {
    #[inline]
    fn new(tail: &'a [u8], seq: SequenceNumber) -> Self {
        let head_len = tail.len().min(HEAD_BYTES);
        Self {
            head: head_of(tail),
            head_len: head_len as u8,
            // NB: even if it is empty a part of the key, not a slice from nowhere: comparing no bytes
            // at an address where nothing is takes as long as a read from memory.
            rest: &tail[head_len..],
            seq,
        }
    }
}

/// The first eight bytes of `tail` as a big-endian number, zeros standing in for missing bytes.
#[inline]
pub(crate) fn head_of(tail: &[u8]) -> u64 {
    if let Some(head) = tail.first_chunk::<HEAD_BYTES>() {
        return u64::from_be_bytes(*head);
    }
    let mut head = [0; HEAD_BYTES];
    head[..tail.len()].copy_from_slice(tail);
    u64::from_be_bytes(head)
}

/// The number of heads below `target`; they are sorted.
#[inline]
pub(crate) fn count_below(heads: &[[u8; HEAD_BYTES]], target: u64) -> usize {
    let (mut base, mut len) = (0, heads.len());
    // The answer is in `base..=base + len`.
    while len > COUNT_AT_MOST {
        let half = len / 2;
        let below = u64::from_le_bytes(heads[base + half - 1]) < target;
        base += half * usize::from(below);
        len -= half;
    }
    let below = heads[base..base + len]
        .iter()
        .filter(|h| u64::from_le_bytes(**h) < target);
    base + below.count()
}

impl Block {
    /// Checks `payload`, the uncompressed content of a data block, and copies it.
    pub fn parse(payload: &[u8]) -> Result<Self, &'static str> {
        let (head, body) = payload
            .split_first_chunk::<{ header::BYTES }>()
            .ok_or("block has no header")?;
        let layout = Layout::parse(head, body)?;
        ThinArc::try_from_header_and_slice(layout, body)
            .map(Self)
            .map_err(|_| "not enough memory for a block")
    }

    /// The columns. Ranges of [`BlockRef::value_range`] are relative to this.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0.slice
    }

    /// The block, to read.
    #[inline]
    pub fn get(&self) -> BlockRef<'_> {
        BlockRef::new(&self.0)
    }

    /// The bytes of memory that the block takes.
    pub fn memory_bytes(&self) -> usize {
        // Reference count, length, and what the allocator keeps for itself.
        const AROUND: usize = 32;
        size_of::<Layout>() + AROUND + self.bytes().len()
    }
}

impl From<SharedBlock> for Block {
    #[inline]
    fn from(shared: SharedBlock) -> Self {
        Block(shared)
    }
}

impl From<Block> for SharedBlock {
    fn from(block: Block) -> Self {
        block.0
    }
}

impl<'a> BlockRef<'a> {
    #[inline]
    pub(crate) fn new(shared: &'a SharedBlock) -> Self {
        Self {
            layout: &shared.header.header,
            bytes: &shared.slice,
        }
    }

    /// The number of entries, at least one.
    #[inline]
    pub fn len(self) -> usize {
        self.layout.entries as usize
    }

    /// Never: a block has at least one entry.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Notes a use, for the clock hand of the cache.
    #[inline]
    pub(crate) fn warm(self) {
        let heat = self.layout.heat.load(Atomic::Relaxed);
        if heat < HEAT_MAX {
            self.layout.heat.store(heat + 1, Atomic::Relaxed);
        }
    }

    /// Takes a use back; `false` if there was none left.
    pub(crate) fn cool(self) -> bool {
        let heat = self.layout.heat.load(Atomic::Relaxed);
        self.layout
            .heat
            .store(heat.saturating_sub(1), Atomic::Relaxed);
        heat > 0
    }

    #[inline]
    fn heads(self) -> &'a [[u8; HEAD_BYTES]] {
        let len = self.len() * HEAD_BYTES;
        self.bytes[..len].as_chunks().0
    }

    /// The first bytes of a key after the prefix, as a number; zeros stand for those it lacks.
    #[inline]
    fn head(self, index: usize) -> u64 {
        u64::from_le_bytes(self.heads()[index])
    }

    /// What all keys begin with.
    #[inline]
    pub(crate) fn prefix(self) -> &'a [u8] {
        let layout = self.layout;
        let start = layout.prefix_at as usize;
        &self.bytes[start..start + layout.prefix_len as usize]
    }

    #[inline]
    fn head_len(self, index: usize) -> u8 {
        let layout = self.layout;
        if layout.has_lengths {
            self.bytes[layout.entries as usize * HEAD_BYTES + index]
        } else {
            HEAD_BYTES as u8
        }
    }

    #[inline]
    fn rest(self, index: usize) -> &'a [u8] {
        let layout = self.layout;
        let range = self.range(layout.rest_offsets_at, layout.rest_len, index);
        let start = layout.rests_at as usize;
        &self.bytes[start + range.start..start + range.end]
    }

    /// Where the value of an entry is within [`Block::bytes`].
    #[inline]
    pub(crate) fn value_range(self, index: usize) -> Range<usize> {
        let layout = self.layout;
        let range = self.range(layout.value_offsets_at, layout.value_len, index);
        let start = layout.values_at as usize;
        start + range.start..start + range.end
    }

    /// The value of an entry.
    #[inline]
    pub fn value(self, index: usize) -> &'a [u8] {
        &self.bytes[self.value_range(index)]
    }

    /// Asks the processor to load the value of an entry and what follows it.
    #[inline]
    pub(crate) fn prefetch_value(self, index: usize) {
        const BYTES: usize = 512;
        let start = self.value_range(index).start;
        let bytes = &self.bytes[start..];
        prefetch(bytes.as_ptr(), bytes.len().min(BYTES));
    }

    /// Begins to load the first cache lines of a range into the processor's caches.
    ///
    /// Counting a reference waits for all loads before it and holds up all loads after it. So
    /// without this the caller's first look at the value would wait for memory once more.
    #[inline]
    pub(crate) fn touch(self, range: Range<usize>) {
        for at in range.step_by(CACHE_LINE_BYTES).take(TOUCHED_LINES) {
            black_box(self.bytes[at]);
        }
    }

    /// The `index`-th item of a column of items of differing or of equal length.
    #[inline]
    fn range(self, offsets_at: u32, fixed_len: u32, index: usize) -> Range<usize> {
        if offsets_at == 0 {
            let start = index * fixed_len as usize;
            return start..start + fixed_len as usize;
        }
        let width = self.layout.offset_bytes as usize;
        let at = offsets_at as usize + index * width;
        let end = read_uint(self.bytes, at, width) as usize;
        let start = if index == 0 {
            0
        } else {
            read_uint(self.bytes, at - width, width) as usize
        };
        start..end
    }

    /// The sequence number of an entry.
    #[inline]
    pub fn seq(self, index: usize) -> SequenceNumber {
        let layout = self.layout;
        let width = layout.seq_bytes as usize;
        if width == 0 {
            return layout.base_seq;
        }
        let above = read_uint(self.bytes, layout.seqs_at as usize + index * width, width);
        layout.base_seq + above
    }

    /// The kind of an entry.
    #[inline]
    pub fn kind(self, index: usize) -> EntryKind {
        let layout = self.layout;
        if let Some(kind) = layout.kind {
            return kind;
        }
        EntryKind::from_u8(self.bytes[layout.kinds_at as usize + index])
            .expect("parse has checked the kinds")
    }

    /// The kind of all entries, if the block says it once for all.
    #[inline]
    pub(crate) fn common_kind(self) -> Option<EntryKind> {
        self.layout.kind
    }

    /// The sequence number of all entries, if the block says it once for all.
    #[inline]
    pub(crate) fn common_seq(self) -> Option<SequenceNumber> {
        (self.layout.seq_bytes == 0).then_some(self.layout.base_seq)
    }

    /// Replaces `key` by the key of an entry.
    pub fn read_key(self, index: usize, key: &mut Vec<u8>) {
        key.clear();
        key.extend_from_slice(self.prefix());
        self.read_tail(index, key);
    }

    /// Appends the key of an entry, without the block's prefix.
    #[inline]
    pub(crate) fn read_tail(self, index: usize, key: &mut Vec<u8>) {
        let head = self.head(index).to_be_bytes();
        key.extend_from_slice(&head[..self.head_len(index) as usize]);
        key.extend_from_slice(self.rest(index));
    }

    /// The newest entry of `key` that is not newer than `seq`.
    #[inline]
    pub fn find(self, key: &[u8], seq: SequenceNumber) -> Option<usize> {
        let prefix = self.prefix();
        // A key without the prefix searches in vain, but the comparison need not come first: the
        // cache miss on the prefix then overlaps with those of the search.
        let tail = key.get(prefix.len()..)?;
        let probe = Probe::new(tail, seq);
        let index = self.first_at_or_after(&probe);
        let found = index < self.len()
            && u64::from_le_bytes(self.heads()[index]) == probe.head
            && self.head_len(index) == probe.head_len
            && self.rest(index) == probe.rest
            && key[..prefix.len()] == *prefix;
        found.then_some(index)
    }

    /// The first entry at or after (`key`, `seq`), which is [`BlockRef::len`] if all are before.
    pub fn lower_bound(self, key: &[u8], seq: SequenceNumber) -> usize {
        let prefix = self.prefix();
        match key.strip_prefix(prefix) {
            Some(tail) => self.first_at_or_after(&Probe::new(tail, seq)),
            None if key < prefix => 0,
            None => self.len(),
        }
    }

    /// The first entry at or after the probe, given that the key has the block's prefix.
    #[inline]
    fn first_at_or_after(self, probe: &Probe<'_>) -> usize {
        let heads = self.heads();
        let mut index = count_below(heads, probe.head);
        let equal = |index: usize| {
            heads
                .get(index)
                .is_some_and(|head| u64::from_le_bytes(*head) == probe.head)
        };
        for _ in 0..WALK_AT_MOST {
            if !equal(index) || self.compare_equal_heads(index, probe).is_ge() {
                return index;
            }
            index += 1;
        }
        let mut end = match probe.head.checked_add(1) {
            Some(next) => index + count_below(&heads[index..], next),
            None => heads.len(),
        };
        // Entries before `index` are before the probe, those from `end` on are not.
        while index < end {
            let middle = index + (end - index) / 2;
            match self.compare_equal_heads(middle, probe) {
                Ordering::Less => index = middle + 1,
                Ordering::Equal | Ordering::Greater => end = middle,
            }
        }
        index
    }

    /// Orders an entry against a probe with the same head.
    #[inline]
    fn compare_equal_heads(self, index: usize, probe: &Probe<'_>) -> Ordering {
        self.head_len(index)
            .cmp(&probe.head_len)
            .then_with(|| self.rest(index).cmp(probe.rest))
            .then_with(|| probe.seq.cmp(&self.seq(index)))
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Block({} entries, {} bytes)",
            self.get().len(),
            self.bytes().len()
        )
    }
}

/// Reads a little-endian number of 1, 2, 4 or 8 bytes.
#[inline]
fn read_uint(bytes: &[u8], at: usize, width: usize) -> u64 {
    let bytes = &bytes[at..at + width];
    match *bytes {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => unreachable!("parse has checked the widths"),
    }
}
