//! The index of a table: which block holds a key, and where that block is.
//!
//! Block `i` holds the keys from separator `i` on and below separator `i + 1`. A separator is the
//! shortest string above the last key of the block before it and not above the first key of its
//! own block.
//!
//! In memory a separator is above all its *head*: eight bytes after a prefix, as a number. Blocks
//! form *groups* of 64 with a common prefix each, so that heads tell keys apart even where a
//! table spans several keyspaces. A search looks at
//!
//! ```text
//! 1. the heads of the groups' first separators     a few KiB, stays in the inner caches
//! 2. every eighth head of one group                one cache line
//! 3. eight adjacent heads                          one cache line, next to the blocks' slots
//! ```
//!
//! and at whole separators only where a head equals that of the key. Inside a group the prefix
//! need not be compared: a key between the first separators of two adjacent groups begins with
//! whatever these two have in common.
//!
//! When the versions of one key go on from one block to the next, the separator between them is
//! the key itself, and the index keeps the sequence number with which the later block begins.
//! Such blocks are *continuations*; hardly any table has one.

use std::ops::Range;
use std::sync::Arc;

use rustdb_skiplist::prefetch;

use super::block::head_of;
use super::block_builder::common_prefix;
use super::format::{Input, put_varint};
use crate::cache::{BlockCache, BlockSlots, LINE_SLOTS};
use crate::envelope::HEADER_BYTES;
use crate::key::{MAX_SEQUENCE, SequenceNumber};

/// The number of blocks in a group.
const GROUP: usize = 64;

/// One head in so many is a sample.
const STRIDE: usize = LINE_SLOTS;

/// Adjacent heads, in one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Samples([u64; STRIDE]);

/// The samples of a group fill a line.
const _: () = assert!(GROUP == STRIDE * STRIDE);

/// An index in memory.
#[derive(Debug)]
pub(crate) struct Index {
    /// Per block, next to the slot for the block itself, its separator's head, after the prefix
    /// of its group. Lines are padded with the greatest head.
    slots: Arc<BlockSlots>,
    /// Per group, the first head of each of its lines.
    samples: Vec<Samples>,
    /// Per group, how many bytes come before the heads.
    group_prefixes: Vec<u32>,
    /// Per group but the first, the head of its first separator, after `prefix_len` bytes.
    group_heads: Vec<u64>,
    /// How much all separators but the first have in common.
    prefix_len: usize,
    separators: Separators,
    /// Where each block begins, and where the last one ends.
    offsets: Vec<u64>,
    /// The continuations, with the sequence number each begins with.
    continuations: Vec<(u32, SequenceNumber)>,
}

impl Index {
    /// Reads the payload of an index block. Whether the blocks are where they should be is for the
    /// caller to check.
    pub(crate) fn parse(payload: &[u8], cache: &Arc<BlockCache>) -> Result<Self, &'static str> {
        let mut input = Input(payload);
        let count = input.varint()?;
        // An item takes at least three bytes, so this also bounds what is allocated.
        if count > payload.len() as u64 / 3 {
            return Err("index has a wrong number of blocks");
        }
        let count = count as usize;
        let mut separators = Separators::default();
        let mut offsets = Vec::with_capacity(count + 1);
        let mut continuations = Vec::new();
        let mut offset = HEADER_BYTES as u64;
        offsets.push(offset);
        for block in 0..count {
            let len = input.varint()?;
            offset = offset
                .checked_add(len)
                .ok_or("index has a wrong length of a block")?;
            if len == 0 {
                return Err("index has a wrong length of a block");
            }
            offsets.push(offset);
            let continues = separators.read(&mut input)?;
            if continues {
                continuations.push((block as u32, input.varint()?));
            }
        }
        input.finish()?;
        let first_continues = continuations.first().is_some_and(|(block, _)| *block == 0);
        if first_continues || continuations.iter().any(|(_, seq)| *seq > MAX_SEQUENCE) {
            return Err("index has a wrong continuation");
        }
        Ok(Self::new(separators, offsets, continuations, cache))
    }

    fn new(
        separators: Separators,
        offsets: Vec<u64>,
        continuations: Vec<(u32, SequenceNumber)>,
        cache: &Arc<BlockCache>,
    ) -> Self {
        let blocks = separators.len();
        let groups = blocks.div_ceil(GROUP);
        let prefix_len = separators.common_prefix(1.min(blocks)..blocks);
        let mut lines = Vec::with_capacity(blocks.div_ceil(STRIDE));
        let mut samples = Vec::with_capacity(groups);
        let mut group_prefixes = Vec::with_capacity(groups);
        let mut group_heads = Vec::with_capacity(groups);
        for start in (0..blocks).step_by(GROUP) {
            let end = (start + GROUP).min(blocks);
            // The first separator of the table is below every key, so it has no say in the
            // prefix. The next group's first separator has: only then must all keys below it,
            // for which this group is searched, begin with the prefix.
            let first = start.max(1).min(end);
            let group_prefix = separators.common_prefix(first..(end + 1).min(blocks));
            if start > 0 {
                group_heads.push(head_of(&separators.get(start)[prefix_len..]));
            }
            let mut group_samples = Samples([u64::MAX; STRIDE]);
            let starts = (start..end).step_by(STRIDE);
            for (sample, start) in group_samples.0.iter_mut().zip(starts) {
                let line = separators.heads(start..(start + STRIDE).min(end), group_prefix);
                *sample = line[0];
                lines.push(line);
            }
            samples.push(group_samples);
            group_prefixes.push(group_prefix as u32);
        }
        let slots = BlockSlots::new(lines, cache);
        Self {
            slots,
            samples,
            group_prefixes,
            group_heads,
            prefix_len,
            separators,
            offsets,
            continuations,
        }
    }

    /// The number of blocks.
    #[inline]
    pub(crate) fn blocks(&self) -> usize {
        self.separators.len()
    }

    /// Where the blocks are that are in memory.
    #[inline]
    pub(crate) fn slots(&self) -> &Arc<BlockSlots> {
        &self.slots
    }

    /// The same, before others read.
    pub(super) fn slots_mut(&mut self) -> &mut Arc<BlockSlots> {
        &mut self.slots
    }

    /// A string not above the first key of the block, and, but for continuations, above all keys
    /// of the block before it.
    #[inline]
    pub(crate) fn separator(&self, block: usize) -> &[u8] {
        self.separators.get(block)
    }

    /// Where the block is in the file, with its seal.
    pub(crate) fn location(&self, block: usize) -> Range<u64> {
        self.offsets[block]..self.offsets[block + 1]
    }

    /// Where the last block ends.
    pub(crate) fn data_end(&self) -> u64 {
        self.offsets[self.blocks()]
    }

    /// The bytes of memory that the index takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.slots.memory_bytes()
            + size_of_val(&self.samples[..])
            + size_of_val(&self.group_prefixes[..])
            + size_of_val(&self.group_heads[..])
            + self.separators.bytes.len()
            + size_of_val(&self.separators.ends[..])
            + size_of_val(&self.offsets[..])
            + size_of_val(&self.continuations[..])
    }

    /// The block that the first entry at or after (`key`, `seq`) is in, unless it is the first
    /// entry of the next block.
    #[inline]
    pub(crate) fn find(&self, key: &[u8], seq: SequenceNumber) -> usize {
        let block = self.last_not_above(key);
        if self.continuations.is_empty() {
            block
        } else {
            self.first_version(block, key, seq)
        }
    }

    /// Asks the processor to load what [`Index::find`] looks at first of what may not be at hand.
    pub(crate) fn prefetch(&self, key: &[u8]) {
        prefetch(&self.samples[self.group(key)], size_of::<Samples>());
    }

    /// Whether `block` is a continuation of `key`.
    #[inline]
    pub(crate) fn continues(&self, block: usize, key: &[u8]) -> bool {
        !self.continuations.is_empty()
            && self
                .continuations
                .binary_search_by_key(&(block as u32), |(b, _)| *b)
                .is_ok()
            && self.separator(block) == key
    }

    /// The last block whose separator is not above `key`.
    #[inline]
    fn last_not_above(&self, key: &[u8]) -> usize {
        let group = self.group(key);
        let start = group * GROUP;
        let end = (start + GROUP).min(self.blocks());
        let prefix_len = self.group_prefixes[group] as usize;
        // In the outer groups a key may be without the prefix, for lack of a neighbour.
        let outer = group == 0 || group + 1 == self.samples.len();
        if outer && prefix_len > 0 {
            let prefix = &self.separator(start.max(1))[..prefix_len];
            if !key.starts_with(prefix) {
                return if key < prefix { start } else { end - 1 };
            }
        }
        let head = head_of(key.get(prefix_len..).unwrap_or_default());
        let line = start / STRIDE + count_not_above(&self.samples[group].0, head).saturating_sub(1);
        // Padding is not above the greatest head.
        let line = line.min(self.slots.lines() - 1);
        let after = (line * STRIDE + count_not_above(self.slots.heads(line), head)).min(end);
        if after > start + 1 && self.head(after - 1) == head {
            return self.last_not_above_equal(key, head, start..after);
        }
        after.saturating_sub(1).max(start)
    }

    #[inline]
    fn head(&self, block: usize) -> u64 {
        self.slots.heads(block / STRIDE)[block % STRIDE]
    }

    /// The last of `blocks` whose separator is not above `key`, given that the first one's is not,
    /// and that the last one's head equals that of the key.
    #[cold]
    fn last_not_above_equal(&self, key: &[u8], head: u64, blocks: Range<usize>) -> usize {
        let below = |block| block == blocks.start || self.head(block) < head;
        let equal = blocks.start + partition_point(blocks.clone(), below);
        let not_above = |block| self.separator(block) <= key;
        equal + partition_point(equal..blocks.end, not_above) - 1
    }

    /// The last group whose first separator is not above `key`; the first if there is none.
    #[inline]
    fn group(&self, key: &[u8]) -> usize {
        if self.group_heads.is_empty() {
            return 0;
        }
        if self.prefix_len > 0 {
            let prefix = &self.separator(1)[..self.prefix_len];
            if !key.starts_with(prefix) {
                return if key < prefix {
                    0
                } else {
                    self.group_heads.len()
                };
            }
        }
        let head = head_of(&key[self.prefix_len..]);
        let group = count_not_above(&self.group_heads, head);
        if group > 0 && self.group_heads[group - 1] == head {
            let equal = self.group_heads.partition_point(|h| *h < head);
            let not_above = |group| self.separator((group + 1) * GROUP) <= key;
            return equal + partition_point(equal..group, not_above);
        }
        group
    }

    /// Goes back from `block`, the last that may hold `key`, to the one that holds the version
    /// that `seq` sees.
    #[cold]
    fn first_version(&self, block: usize, key: &[u8], seq: SequenceNumber) -> usize {
        let mut block = block;
        loop {
            let at = self
                .continuations
                .binary_search_by_key(&(block as u32), |(b, _)| *b);
            match at {
                // The block begins with a version of `key` that is older than what is sought, or
                // with the very one: it may also be at the end of the block before.
                Ok(at) if self.separator(block) == key && self.continuations[at].1 <= seq => {
                    block -= 1;
                }
                _ => return block,
            }
        }
    }
}

/// How many sorted heads are not above `head`.
#[inline]
fn count_not_above(heads: &[u64], head: u64) -> usize {
    let (mut base, mut len) = (0, heads.len());
    // The answer is in `base..=base + len`.
    while len > STRIDE {
        let half = len / 2;
        base += half * usize::from(heads[base + half - 1] <= head);
        len -= half;
    }
    base + heads[base..base + len]
        .iter()
        .filter(|h| **h <= head)
        .count()
}

/// How many of `range` satisfy `is_before`, which all do up to some point and none after it.
fn partition_point(range: Range<usize>, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low - range.start
}

/// Separators as they are read: each says how many bytes it shares with the one before.
#[derive(Debug, Default)]
struct Separators {
    /// One after the other.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<u32>,
}

impl Separators {
    #[inline]
    fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    fn get(&self, block: usize) -> &[u8] {
        let start = match block {
            0 => 0,
            _ => self.ends[block - 1],
        };
        &self.bytes[start as usize..self.ends[block] as usize]
    }

    fn common_prefix(&self, blocks: Range<usize>) -> usize {
        if blocks.is_empty() {
            return 0;
        }
        // They are sorted, so what the first and the last have in common, all have.
        common_prefix(self.get(blocks.start), self.get(blocks.end - 1))
    }

    /// The heads of a line of blocks.
    fn heads(&self, blocks: Range<usize>, prefix_len: usize) -> [u64; STRIDE] {
        let mut heads = [u64::MAX; STRIDE];
        for (head, block) in heads.iter_mut().zip(blocks) {
            *head = match block {
                // Below every key, and perhaps without the prefix.
                0 => 0,
                _ => head_of(&self.get(block)[prefix_len..]),
            };
        }
        heads
    }

    /// Reads one; returns whether it says that its block is a continuation.
    fn read(&mut self, input: &mut Input<'_>) -> Result<bool, &'static str> {
        let shared = input.varint()?;
        let len_and_flag = input.varint()?;
        let suffix = input.take(len_and_flag >> 1)?;
        let previous = match self.ends[..] {
            [] => 0..0,
            [end] => 0..end as usize,
            [.., start, end] => start as usize..end as usize,
        };
        if shared > previous.len() as u64 {
            return Err("index separator shares more than there is");
        }
        let start = self.bytes.len();
        self.bytes
            .extend_from_within(previous.start..previous.start + shared as usize);
        self.bytes.extend_from_slice(suffix);
        let end = u32::try_from(self.bytes.len()).map_err(|_| "index separators are too long")?;
        let continues = len_and_flag & 1 == 1;
        if !self.ends.is_empty() {
            let order = self.bytes[previous].cmp(&self.bytes[start..]);
            if order.is_gt() || (order.is_eq() && !continues) {
                return Err("index separators are out of order");
            }
        }
        self.ends.push(end);
        Ok(continues)
    }
}

/// Collects the index of a table while it is written.
#[derive(Debug, Default)]
pub(crate) struct IndexBuilder {
    payload: Vec<u8>,
    blocks: u64,
    previous: Vec<u8>,
}

impl IndexBuilder {
    /// Adds the next block. `continues` is given if it begins with an older version of the key
    /// that the block before it ends with; `separator` is then that key.
    pub(crate) fn add(&mut self, separator: &[u8], len: u64, continues: Option<SequenceNumber>) {
        let shared = common_prefix(&self.previous, separator);
        let suffix = &separator[shared..];
        put_varint(&mut self.payload, len);
        put_varint(&mut self.payload, shared as u64);
        put_varint(
            &mut self.payload,
            (suffix.len() as u64) << 1 | u64::from(continues.is_some()),
        );
        self.payload.extend_from_slice(suffix);
        if let Some(seq) = continues {
            put_varint(&mut self.payload, seq);
        }
        self.previous.clear();
        self.previous.extend_from_slice(separator);
        self.blocks += 1;
    }

    /// The number of blocks added.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// About how long the payload will be.
    pub(crate) fn bytes(&self) -> usize {
        self.payload.len()
    }

    /// The payload of the index block.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(self.payload.len() + 10);
        put_varint(&mut payload, self.blocks);
        payload.extend_from_slice(&self.payload);
        payload
    }
}

/// The shortest string above `last` and not above `first`, which is itself above `last`.
pub(crate) fn separator<'a>(last: &[u8], first: &'a [u8]) -> &'a [u8] {
    &first[..(common_prefix(last, first) + 1).min(first.len())]
}
