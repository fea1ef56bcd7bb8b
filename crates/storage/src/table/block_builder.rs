//! Writes the block that [`Block`](super::block::Block) reads.
//!
//! Entries are collected in three growing buffers, which are kept from block to block. The common
//! prefix, the widths and which columns can be left out are known only at the end, when
//! [`BlockBuilder::finish`] lays the columns out.

use super::block::{HEAD_BYTES, head_of};
use super::format::block_header::{self as header, Flags};
use crate::key::{EntryKind, SequenceNumber};

/// Collects the entries of one block, in order.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    keys: Vec<u8>,
    key_ends: Vec<u32>,
    values: Vec<u8>,
    value_ends: Vec<u32>,
    seqs: Vec<SequenceNumber>,
    kinds: Vec<EntryKind>,
    /// What all keys so far begin with.
    prefix_len: usize,
    seq_min: SequenceNumber,
    seq_max: SequenceNumber,
    /// Whether some key is not as long as the first.
    keys_differ: bool,
    /// Whether some value is not as long as the first.
    values_differ: bool,
}

impl BlockBuilder {
    /// Adds an entry after all those added since the last `finish`. The caller keeps the order, and
    /// says how much the key has in common with the one before it.
    #[inline]
    pub(super) fn add(
        &mut self,
        key: &[u8],
        shared: usize,
        seq: SequenceNumber,
        kind: EntryKind,
        value: &[u8],
    ) {
        if self.is_empty() {
            self.prefix_len = key.len();
            (self.seq_min, self.seq_max) = (seq, seq);
        } else {
            // Keys are sorted, so what each has in common with the one before, all have.
            self.prefix_len = self.prefix_len.min(shared);
            self.seq_min = self.seq_min.min(seq);
            self.seq_max = self.seq_max.max(seq);
            self.keys_differ |= self.key_ends[0] as usize != key.len();
            self.values_differ |= self.value_ends[0] as usize != value.len();
        }
        self.keys.extend_from_slice(key);
        self.key_ends.push(self.keys.len() as u32);
        self.values.extend_from_slice(value);
        self.value_ends.push(self.values.len() as u32);
        self.seqs.push(seq);
        self.kinds.push(kind);
    }

    /// Whether nothing was added since the last `finish`.
    pub(super) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// About how long the block would be now.
    pub(super) fn bytes(&self) -> usize {
        self.keys.len() + self.values.len() + self.len() * HEAD_BYTES
    }

    /// About how long the block would be after adding an entry of a key and a value of these
    /// lengths; so much the key has in common with the last one.
    #[inline]
    pub(super) fn bytes_with(&self, key_len: usize, shared: usize, value_len: usize) -> usize {
        if self.is_empty() {
            return header::BYTES + HEAD_BYTES + key_len + value_len;
        }
        let entries = self.len() + 1;
        let prefix_len = self.prefix_len.min(shared);
        let in_columns = entries * (prefix_len + HEAD_BYTES);
        let rests = (self.keys.len() + key_len).saturating_sub(in_columns);
        let seq_bytes = seq_width(self.seq_max - self.seq_min);
        let keys_differ = self.keys_differ || self.key_ends[0] as usize != key_len;
        let values_differ = self.values_differ || self.value_ends[0] as usize != value_len;
        let offsets = 2 * (usize::from(keys_differ) + usize::from(values_differ));
        header::BYTES
            + prefix_len
            + entries * (HEAD_BYTES + seq_bytes + offsets)
            + rests
            + self.values.len()
            + value_len
    }

    /// What comes behind the prefix in each key.
    fn tails(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.key_ends.iter().map(move |end| {
            let end = *end as usize;
            let tail = &self.keys[start + self.prefix_len..end];
            start = end;
            tail
        })
    }

    /// Appends the block to `out` and starts the next one. There must be an entry.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        assert!(!self.is_empty(), "a block has at least one entry");
        let first_tail = self.key_ends[0] as usize - self.prefix_len;
        let rest_len = first_tail.saturating_sub(HEAD_BYTES);
        let value_len = self.value_ends[0] as usize;
        let kind = self.kinds[0];
        let one_kind = self.kinds.iter().all(|k| *k == kind);
        let flags = self.flags(first_tail, rest_len);
        let fixed = |flag, len: usize| if flags.contains(flag) { 0 } else { len as u32 };
        let head = header::Header {
            flags,
            seq_bytes: seq_width(self.seq_max - self.seq_min) as u8,
            kind: one_kind.then_some(kind),
            prefix_len: self.prefix_len as u16,
            entries: self.len() as u32,
            rest_len: fixed(Flags::REST_OFFSETS, rest_len),
            value_len: fixed(Flags::VALUE_OFFSETS, value_len),
            base_seq: self.seq_min,
        };
        head.write(out);
        self.write_columns(&head, out);
        self.clear();
    }

    /// Which columns there are, given what comes behind the prefix in the first key.
    fn flags(&self, first_tail: usize, rest_len: usize) -> Flags {
        let rest_of = |tail: &[u8]| tail.len().saturating_sub(HEAD_BYTES);
        let mut flags = Flags::NONE;
        let mut rests = rest_len * self.len();
        if self.keys_differ {
            rests = self.tails().map(rest_of).sum();
            if self.tails().any(|tail| tail.len() < HEAD_BYTES) {
                flags = flags.with(Flags::LENGTHS);
            }
            if self.tails().any(|tail| rest_of(tail) != rest_len) {
                flags = flags.with(Flags::REST_OFFSETS);
            }
        } else if first_tail < HEAD_BYTES {
            flags = flags.with(Flags::LENGTHS);
        }
        if self.values_differ {
            flags = flags.with(Flags::VALUE_OFFSETS);
        }
        let offsets = flags.contains(Flags::REST_OFFSETS) || flags.contains(Flags::VALUE_OFFSETS);
        if offsets && rests.max(self.values.len()) > usize::from(u16::MAX) {
            flags = flags.with(Flags::WIDE);
        }
        flags
    }

    fn write_columns(&self, head: &header::Header, out: &mut Vec<u8>) {
        let flags = head.flags;
        out.reserve(self.bytes() + self.prefix_len);
        for tail in self.tails() {
            out.extend_from_slice(&head_of(tail).to_le_bytes());
        }
        if flags.contains(Flags::LENGTHS) {
            out.extend(self.tails().map(|tail| tail.len().min(HEAD_BYTES) as u8));
        }
        out.extend_from_slice(&self.keys[..self.prefix_len]);
        if head.seq_bytes > 0 {
            for seq in &self.seqs {
                let above = (seq - self.seq_min).to_le_bytes();
                out.extend_from_slice(&above[..head.seq_bytes as usize]);
            }
        }
        if head.kind.is_none() {
            out.extend(self.kinds.iter().map(|kind| *kind as u8));
        }
        let offset_bytes = if flags.contains(Flags::WIDE) { 4 } else { 2 };
        if flags.contains(Flags::REST_OFFSETS) {
            let mut end = 0;
            for tail in self.tails() {
                end += tail.len().saturating_sub(HEAD_BYTES) as u32;
                out.extend_from_slice(&end.to_le_bytes()[..offset_bytes]);
            }
        }
        if flags.contains(Flags::VALUE_OFFSETS) {
            for end in &self.value_ends {
                out.extend_from_slice(&end.to_le_bytes()[..offset_bytes]);
            }
        }
        if head.rest_len > 0 || flags.contains(Flags::REST_OFFSETS) {
            for tail in self.tails() {
                out.extend_from_slice(tail.get(HEAD_BYTES..).unwrap_or_default());
            }
        }
        out.extend_from_slice(&self.values);
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.key_ends.clear();
        self.values.clear();
        self.value_ends.clear();
        self.seqs.clear();
        self.kinds.clear();
        (self.keys_differ, self.values_differ) = (false, false);
    }
}

/// The number of bytes, one of 0, 1, 2, 4 and 8, that hold `value`.
fn seq_width(value: u64) -> usize {
    match value {
        0 => 0,
        1..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    }
}

/// The length of the longest common prefix.
#[inline]
pub(crate) fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    let (lefts, rights) = (left.as_chunks::<8>().0, right.as_chunks::<8>().0);
    let number = |chunk: &[u8; 8]| u64::from_le_bytes(*chunk);
    let mut shared = 0;
    for (left, right) in lefts.iter().zip(rights) {
        let difference = number(left) ^ number(right);
        if difference != 0 {
            return shared + difference.trailing_zeros() as usize / 8;
        }
        shared += 8;
    }
    let rests = left[shared..].iter().zip(&right[shared..]);
    shared + rests.take_while(|(l, r)| l == r).count()
}
