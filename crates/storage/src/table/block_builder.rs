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
}

impl BlockBuilder {
    /// Adds an entry after all those added since the last `finish`. The caller keeps the order.
    pub(super) fn add(&mut self, key: &[u8], seq: SequenceNumber, kind: EntryKind, value: &[u8]) {
        if self.is_empty() {
            self.prefix_len = key.len();
            (self.seq_min, self.seq_max) = (seq, seq);
        } else {
            // Keys are sorted, so what the first and the last have in common, all have.
            self.prefix_len = common_prefix(&self.keys[..self.prefix_len], key);
            self.seq_min = self.seq_min.min(seq);
            self.seq_max = self.seq_max.max(seq);
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

    /// About how long the block would be after adding an entry like this.
    pub(super) fn bytes_with(&self, key: &[u8], value: &[u8]) -> usize {
        if self.is_empty() {
            return header::BYTES + HEAD_BYTES + key.len() + value.len();
        }
        let entries = self.len() + 1;
        let prefix_len = common_prefix(&self.keys[..self.prefix_len], key);
        let in_columns = entries * (prefix_len + HEAD_BYTES);
        let rests = (self.keys.len() + key.len()).saturating_sub(in_columns);
        let seq_bytes = seq_width(self.seq_max - self.seq_min);
        let offsets =
            2 * (usize::from(self.keys_differ(key)) + usize::from(self.values_differ(value)));
        header::BYTES
            + prefix_len
            + entries * (HEAD_BYTES + seq_bytes + offsets)
            + rests
            + self.values.len()
            + value.len()
    }

    fn keys_differ(&self, key: &[u8]) -> bool {
        self.key_ends[0] as usize != key.len() || self.keys.len() != self.len() * key.len()
    }

    fn values_differ(&self, value: &[u8]) -> bool {
        self.value_ends[0] as usize != value.len() || self.values.len() != self.len() * value.len()
    }

    fn key(&self, index: usize) -> &[u8] {
        let start = if index == 0 {
            0
        } else {
            self.key_ends[index - 1] as usize
        };
        &self.keys[start..self.key_ends[index] as usize]
    }

    fn tails(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| &self.key(index)[self.prefix_len..])
    }

    /// Appends the block to `out` and starts the next one. There must be an entry.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        assert!(!self.is_empty(), "a block has at least one entry");
        let rest_of = |tail: &[u8]| tail.len().saturating_sub(HEAD_BYTES);
        let rests: usize = self.tails().map(rest_of).sum();
        let rest_len = rest_of(&self.key(0)[self.prefix_len..]);
        let value_len = self.value_ends[0] as usize;
        let kind = self.kinds[0];
        let one_kind = self.kinds.iter().all(|k| *k == kind);
        let mut flags = Flags::NONE;
        if self.tails().any(|tail| tail.len() < HEAD_BYTES) {
            flags = flags.with(Flags::LENGTHS);
        }
        if self.tails().any(|tail| rest_of(tail) != rest_len) {
            flags = flags.with(Flags::REST_OFFSETS);
        }
        let value_differs = |(i, end): (usize, &u32)| *end as usize != (i + 1) * value_len;
        if self.value_ends.iter().enumerate().any(value_differs) {
            flags = flags.with(Flags::VALUE_OFFSETS);
        }
        let offsets = flags.contains(Flags::REST_OFFSETS) || flags.contains(Flags::VALUE_OFFSETS);
        if offsets && rests.max(self.values.len()) > usize::from(u16::MAX) {
            flags = flags.with(Flags::WIDE);
        }
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

    fn write_columns(&self, head: &header::Header, out: &mut Vec<u8>) {
        let flags = head.flags;
        for tail in self.tails() {
            out.extend_from_slice(&head_of(tail).to_le_bytes());
        }
        if flags.contains(Flags::LENGTHS) {
            out.extend(self.tails().map(|tail| tail.len().min(HEAD_BYTES) as u8));
        }
        out.extend_from_slice(&self.keys[..self.prefix_len]);
        for seq in &self.seqs {
            let above = (seq - self.seq_min).to_le_bytes();
            out.extend_from_slice(&above[..head.seq_bytes as usize]);
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
        for tail in self.tails() {
            out.extend_from_slice(tail.get(HEAD_BYTES..).unwrap_or_default());
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
pub(crate) fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(l, r)| l == r).count()
}
