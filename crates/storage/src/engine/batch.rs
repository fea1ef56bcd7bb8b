//! A batch: the writes of one commit, kept from the start in the form the log stores.
//!
//! ```text
//! commit   = length u32 | sequence u64 | micros u64 | operations u32 | operation*
//!          | deltas varint | (keyspace u32, delta zigzag varint)* | annex length varint | annex
//! operation = tag u8 | key length varint | storage key | [ value length varint | value ]
//! ```
//!
//! Tags 1 to 5 are [`EntryKind`]s; 6 deletes a range (the "value" is the exclusive end) and 7
//! publishes sorted files (no key; the value is a list of encoded table descriptions). `length`
//! counts what follows it. Integers are little-endian; varints are LEB128.
//!
//! A value at or above the engine's threshold is kept aside and its operation holds an empty
//! pointer of the final size, which the engine fills in after writing the value file and before
//! the commit enters the pipeline.
//!
//! When a batch names a key twice, the later operation wins. Deleting a range drops the batch's
//! own earlier writes inside it, because a range tombstone never covers its own commit.

mod commit;
mod varint;

use std::ops::Range;

pub(crate) use self::commit::{Commit, decode_commit};
use self::varint::take_prefixed;
pub(crate) use self::varint::{read_varint, write_varint};
use crate::error::{Error, Result};
use crate::key::{EntryKind, KEY_BYTES_MAX, KEYSPACE_BYTES, KeyspaceId, VALUE_BYTES_MAX};
use crate::value::POINTER_BYTES;

pub(crate) const TAG_DELETE_RANGE: u8 = 6;
pub(crate) const TAG_INGEST: u8 = 7;

/// The most bytes of operations that go through the log in one commit; larger transactions are
/// published as sorted files.
pub const BATCH_BYTES_MAX: usize = 1 << 30;

/// The writes of one commit, in order.
#[derive(Debug)]
pub struct Batch {
    operations: Vec<u8>,
    count: u32,
    large: Vec<LargeValue>,
    value_threshold: usize,
    annex: Vec<u8>,
    has_puts: bool,
    /// The keyspaces of the files that are published.
    ingested: Vec<KeyspaceId>,
}

/// A value on its way to a value file.
#[derive(Debug)]
pub(crate) struct LargeValue {
    /// Where the pointer goes in the operations.
    pub pointer_at: usize,
    /// The value itself.
    pub bytes: Vec<u8>,
}

impl Batch {
    /// An empty batch that keeps values of `value_threshold` bytes and more aside.
    pub(crate) fn new(value_threshold: usize) -> Self {
        Self {
            operations: Vec::new(),
            count: 0,
            large: Vec::new(),
            value_threshold: value_threshold.max(1),
            annex: Vec::new(),
            has_puts: false,
            ingested: Vec::new(),
        }
    }

    /// Writes `value` under `key`.
    pub fn put(&mut self, keyspace: KeyspaceId, key: &[u8], value: &[u8]) -> Result<()> {
        self.put_maybe_expiring(keyspace, key, value, None)
    }

    /// Writes `value` under `key` until `expiry`, in microseconds since the Unix epoch.
    pub fn put_expiring(
        &mut self,
        keyspace: KeyspaceId,
        key: &[u8],
        value: &[u8],
        expiry: u64,
    ) -> Result<()> {
        self.put_maybe_expiring(keyspace, key, value, Some(expiry))
    }

    fn put_maybe_expiring(
        &mut self,
        keyspace: KeyspaceId,
        key: &[u8],
        value: &[u8],
        expiry: Option<u64>,
    ) -> Result<()> {
        check_key(key)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(Error::InvalidArgument(format!(
                "a value of {} bytes is longer than the limit of {VALUE_BYTES_MAX}",
                value.len()
            )));
        }
        self.has_puts = true;
        let is_large = value.len() >= self.value_threshold;
        let kind = match (is_large, expiry.is_some()) {
            (false, false) => EntryKind::Put,
            (false, true) => EntryKind::PutExpiring,
            (true, false) => EntryKind::ValueRef,
            (true, true) => EntryKind::ValueRefExpiring,
        };
        let stored = if is_large { POINTER_BYTES } else { value.len() };
        let prefix = expiry.map_or(0, |_| 8);
        self.operations
            .reserve(1 + 3 + KEYSPACE_BYTES + key.len() + 5 + prefix + stored);
        self.begin(kind as u8, keyspace, key)?;
        write_varint(&mut self.operations, (prefix + stored) as u64);
        if let Some(expiry) = expiry {
            self.operations.extend_from_slice(&expiry.to_le_bytes());
        }
        if is_large {
            self.large.push(LargeValue {
                pointer_at: self.operations.len(),
                bytes: value.to_vec(),
            });
            self.operations.extend_from_slice(&[0; POINTER_BYTES]);
        } else {
            self.operations.extend_from_slice(value);
        }
        Ok(())
    }

    /// Deletes `key`, whether it exists or not.
    pub fn delete(&mut self, keyspace: KeyspaceId, key: &[u8]) -> Result<()> {
        check_key(key)?;
        self.begin(EntryKind::Delete as u8, keyspace, key)
    }

    /// Deletes every key from `start` on and below `end` (`None`: to the end of the keyspace),
    /// including those written by this batch so far. An empty range does nothing.
    pub fn delete_range(
        &mut self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<()> {
        check_key(start)?;
        let mut upper = Vec::new();
        match end {
            Some(end) => {
                check_key(end)?;
                crate::key::storage_key(keyspace, end, &mut upper);
            }
            // The prefix of the next keyspace; ids stop short of the last one.
            None => upper.extend_from_slice(&KeyspaceId(keyspace.0 + 1).prefix()),
        }
        let mut lower = Vec::new();
        crate::key::storage_key(keyspace, start, &mut lower);
        if lower >= upper {
            return Ok(());
        }
        self.drop_own_writes(&lower, &upper);
        self.add_delete_range(keyspace, start, &upper)
    }

    /// Deletes everything in a keyspace to which this batch has written nothing.
    pub(crate) fn delete_keyspace(&mut self, keyspace: KeyspaceId) -> Result<()> {
        self.add_delete_range(keyspace, &[], &KeyspaceId(keyspace.0 + 1).prefix())
    }

    fn add_delete_range(&mut self, keyspace: KeyspaceId, start: &[u8], upper: &[u8]) -> Result<()> {
        self.begin(TAG_DELETE_RANGE, keyspace, start)?;
        write_varint(&mut self.operations, upper.len() as u64);
        self.operations.extend_from_slice(upper);
        Ok(())
    }

    /// The keyspaces it writes to, ascending.
    pub(crate) fn keyspaces(&self) -> Vec<KeyspaceId> {
        let operations = self.operations().flatten();
        let prefixes = operations.filter_map(|operation| operation.key.first_chunk().copied());
        let mut keyspaces: Vec<_> = prefixes
            .map(|prefix| KeyspaceId(u32::from_be_bytes(prefix)))
            .collect();
        keyspaces.extend(&self.ingested);
        keyspaces.sort_unstable();
        keyspaces.dedup();
        keyspaces
    }

    /// Attaches bytes that storage keeps with the commit and does not read.
    pub fn set_annex(&mut self, annex: Vec<u8>) {
        self.annex = annex;
    }

    /// The number of operations.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether the batch does nothing.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The size of the operations as the log will hold them, in bytes.
    pub fn bytes(&self) -> usize {
        self.operations.len()
    }

    /// Whether it takes nothing but space in the log.
    pub(crate) fn only_deletes(&self) -> bool {
        !self.has_puts && self.ingested.is_empty()
    }

    /// Forgets all operations and keeps the memory.
    pub fn clear(&mut self) {
        self.operations.clear();
        self.large.clear();
        self.annex.clear();
        self.ingested.clear();
        self.has_puts = false;
        self.count = 0;
    }

    /// The operations, for a layer that checks them before they commit.
    pub fn operations(&self) -> Operations<'_> {
        Operations {
            bytes: &self.operations,
            remaining: self.count,
        }
    }

    /// Publishes sorted files at this commit; `tables` is an encoded list.
    pub(crate) fn ingest(&mut self, tables: &[u8], keyspaces: Vec<KeyspaceId>) -> Result<()> {
        self.count_one()?;
        self.ingested = keyspaces;
        self.operations.push(TAG_INGEST);
        write_varint(&mut self.operations, 0);
        write_varint(&mut self.operations, tables.len() as u64);
        self.operations.extend_from_slice(tables);
        Ok(())
    }

    pub(crate) fn take_large(&mut self) -> Vec<LargeValue> {
        std::mem::take(&mut self.large)
    }

    pub(crate) fn set_pointer(&mut self, at: usize, pointer: &[u8; POINTER_BYTES]) {
        self.operations[at..at + POINTER_BYTES].copy_from_slice(pointer);
    }

    fn begin(&mut self, tag: u8, keyspace: KeyspaceId, key: &[u8]) -> Result<()> {
        self.count_one()?;
        self.operations.push(tag);
        write_varint(&mut self.operations, (KEYSPACE_BYTES + key.len()) as u64);
        self.operations.extend_from_slice(&keyspace.prefix());
        self.operations.extend_from_slice(key);
        Ok(())
    }

    /// The storage key of the first operation.
    #[inline]
    pub(crate) fn first_key(&self) -> Option<&[u8]> {
        let mut key = self.operations.get(1..)?;
        take_prefixed(&mut key).ok()
    }

    fn count_one(&mut self) -> Result<()> {
        if self.operations.len() > BATCH_BYTES_MAX || self.count == u32::MAX {
            return Err(Error::InvalidArgument(
                "a batch is limited to 1 GiB; use a transaction, which has no limit".into(),
            ));
        }
        self.count += 1;
        Ok(())
    }

    fn drop_own_writes(&mut self, lower: &[u8], upper: &[u8]) {
        let mut dropped: Vec<Range<usize>> = Vec::new();
        let mut operations = self.operations();
        let mut at = 0;
        while let Some(Ok(operation)) = operations.next() {
            let end = self.operations.len() - operations.bytes.len();
            let is_point = operation.tag < TAG_DELETE_RANGE;
            if is_point && operation.key >= lower && operation.key < upper {
                dropped.push(at..end);
            }
            at = end;
        }
        for range in dropped.into_iter().rev() {
            let shift = range.len();
            self.large.retain(|l| !range.contains(&l.pointer_at));
            for large in &mut self.large {
                if large.pointer_at >= range.end {
                    large.pointer_at -= shift;
                }
            }
            self.operations.drain(range);
            self.count -= 1;
        }
    }
}

fn check_key(key: &[u8]) -> Result<()> {
    if key.len() > KEY_BYTES_MAX {
        return Err(Error::InvalidArgument(format!(
            "a key of {} bytes is longer than the limit of {KEY_BYTES_MAX}",
            key.len()
        )));
    }
    Ok(())
}

/// One operation of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// An [`EntryKind`], 6 for a range deletion, or 7 for published files.
    pub tag: u8,
    /// The storage key (of a range: its inclusive start).
    pub key: &'a [u8],
    /// The value as stored (of a range: its exclusive end).
    pub value: &'a [u8],
}

impl Operation<'_> {
    /// The entry kind, unless the operation deletes a range or publishes files.
    pub fn kind(&self) -> Option<EntryKind> {
        EntryKind::from_u8(self.tag)
    }

    /// Whether this deletes the range from `key` up to `value`.
    pub fn is_delete_range(&self) -> bool {
        self.tag == TAG_DELETE_RANGE
    }
}

/// Iterates over encoded operations, checking them on the way.
#[derive(Clone, Debug)]
pub struct Operations<'a> {
    bytes: &'a [u8],
    remaining: u32,
}

impl<'a> Iterator for Operations<'a> {
    /// An error means the bytes are not what [`Batch`] writes.
    type Item = Result<Operation<'a>, &'static str>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.remaining == 0 {
            return None;
        }
        self.remaining -= 1;
        let operation = self.decode();
        if operation.is_err() {
            self.remaining = 0;
        }
        Some(operation)
    }
}

impl<'a> Operations<'a> {
    /// How many there are still.
    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.remaining as usize
    }

    #[inline]
    fn decode(&mut self) -> Result<Operation<'a>, &'static str> {
        let (&tag, rest) = self
            .bytes
            .split_first()
            .ok_or("a commit ends inside an operation")?;
        self.bytes = rest;
        if tag == 0 || tag > TAG_INGEST {
            return Err("an operation has an unknown tag");
        }
        let key = take_prefixed(&mut self.bytes)?;
        if tag != TAG_INGEST
            && !(KEYSPACE_BYTES..=KEYSPACE_BYTES + KEY_BYTES_MAX).contains(&key.len())
        {
            return Err("a key has an impossible length");
        }
        let value = if tag == EntryKind::Delete as u8 {
            &[]
        } else {
            take_prefixed(&mut self.bytes)?
        };
        check_value(tag, value)?;
        Ok(Operation { tag, key, value })
    }
}

fn check_value(tag: u8, value: &[u8]) -> Result<(), &'static str> {
    let expected = match EntryKind::from_u8(tag) {
        Some(EntryKind::PutExpiring) if value.len() < 8 => return Err("an expiry is cut short"),
        Some(EntryKind::ValueRef) => POINTER_BYTES,
        Some(EntryKind::ValueRefExpiring) => 8 + POINTER_BYTES,
        _ => value.len(),
    };
    if value.len() != expected {
        return Err("a value pointer has the wrong length");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
