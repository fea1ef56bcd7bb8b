//! Replayed writes on their way into the memtable: some megabytes at a time, sorted.
//!
//! In the order of the log each insertion goes down the memtable's tree to a leaf that is not in
//! the processor's caches. Sorted, neighbours meet in one leaf, and most insertions find that they
//! belong where the one before went. Copying and sorting cost less than that saves.
//!
//! Sorting is by key alone and stable, so that the writes of one key keep their order.

use crate::engine::batch::Operation;
use crate::engine::write::apply_operation;
use crate::key::SequenceNumber;
use crate::memtable::MemtableWriter;

/// So many bytes of keys and values are collected before they are sorted.
const STAGE_BYTES: usize = 4 << 20;

/// What an entry takes in a memtable besides its key and value, about.
const ENTRY_BYTES: usize = 48;

/// The bytes of a key that most comparisons are decided by.
const HEAD_BYTES: usize = size_of::<u128>();

/// Writes that are in no memtable yet.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// Keys and values, one after the other.
    bytes: Vec<u8>,
    writes: Vec<Staged>,
    /// The heads of the keys, and the numbers of the writes.
    order: Vec<(u128, u32)>,
}

/// A write whose key, and behind it value, begin at `start`.
#[derive(Clone, Copy, Debug)]
struct Staged {
    start: usize,
    key_bytes: u32,
    value_bytes: u32,
    sequence: SequenceNumber,
    tag: u8,
}

impl Stage {
    /// Adds a write to a single key.
    pub fn push(&mut self, sequence: SequenceNumber, operation: &Operation<'_>) {
        let &Operation { tag, key, value } = operation;
        self.order.push((head(key), self.writes.len() as u32));
        self.writes.push(Staged {
            start: self.bytes.len(),
            key_bytes: key.len() as u32,
            value_bytes: value.len() as u32,
            sequence,
            tag,
        });
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    /// Whether there is enough to be sorted.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= STAGE_BYTES
    }

    /// About what the writes will take in a memtable.
    pub fn memtable_bytes(&self) -> usize {
        self.bytes.len() + self.writes.len() * ENTRY_BYTES
    }

    /// Moves all writes into a memtable.
    pub fn drain(&mut self, memtable: &mut MemtableWriter) {
        let mut order = std::mem::take(&mut self.order);
        order.sort_unstable_by(|left, right| {
            left.0
                .cmp(&right.0)
                .then_with(|| self.key(left.1).cmp(self.key(right.1)))
                .then_with(|| left.1.cmp(&right.1))
        });
        for &(_, number) in &order {
            let staged = self.writes[number as usize];
            apply_operation(memtable, staged.sequence, &self.operation(&staged), None);
        }
        order.clear();
        self.order = order;
        self.writes.clear();
        self.bytes.clear();
    }

    fn key(&self, number: u32) -> &[u8] {
        let staged = self.writes[number as usize];
        &self.bytes[staged.start..][..staged.key_bytes as usize]
    }

    fn operation(&self, staged: &Staged) -> Operation<'_> {
        let (key, rest) = self.bytes[staged.start..].split_at(staged.key_bytes as usize);
        Operation {
            tag: staged.tag,
            key,
            value: &rest[..staged.value_bytes as usize],
        }
    }
}

/// The first bytes as a big-endian number, short keys filled up with zeros: it differs only if the
/// bytes do, in the same direction.
fn head(key: &[u8]) -> u128 {
    let mut head = [0; HEAD_BYTES];
    let length = key.len().min(HEAD_BYTES);
    head[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{EntryKind, FileNumber};

    fn stage(writes: &[(SequenceNumber, &str, &str)]) -> MemtableWriter {
        let mut stage = Stage::default();
        for (sequence, key, value) in writes {
            let operation = Operation {
                tag: EntryKind::Put as u8,
                key: key.as_bytes(),
                value: value.as_bytes(),
            };
            stage.push(*sequence, &operation);
        }
        let mut memtable = MemtableWriter::new(FileNumber(1));
        stage.drain(&mut memtable);
        assert_eq!(stage.memtable_bytes(), 0);
        memtable
    }

    #[test]
    fn writes_of_a_key_keep_their_order() {
        let long = "a key that is longer than its head";
        let writes = [
            (1, "b", "b1"),
            (1, "b", "b1 again"),
            (2, long, "long 2"),
            (2, "a", "a2"),
            (3, long, "long 3"),
            (3, "b\0", "with a zero"),
        ];
        let writer = stage(&writes);
        let memtable = writer.memtable();
        let value = |key: &str, at| {
            memtable
                .get(key.as_bytes(), at)
                .map(|entry| entry.value().to_vec())
        };
        assert_eq!(value("b", 9).as_deref(), Some(&b"b1 again"[..]));
        assert_eq!(value("b\0", 9).as_deref(), Some(&b"with a zero"[..]));
        assert_eq!(value("a", 9).as_deref(), Some(&b"a2"[..]));
        assert_eq!(value(long, 9).as_deref(), Some(&b"long 3"[..]));
        assert_eq!(value(long, 2).as_deref(), Some(&b"long 2"[..]));
        assert_eq!(value(long, 1), None);
        assert_eq!(memtable.max_seq(), 3);
    }
}
