//! Reads all of a table and checks that it agrees with itself and with what is known about it.
//!
//! Reads from the file, not from the cache, so that it finds what has happened to the disk.

use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3Default;

use super::block::BlockRef;
use super::filter::{Filter, key_hash};
use super::reader::Table;
use super::store::TableFile;
use super::tail::{Tail, TailParts};
use crate::error::{Error, Result};
use crate::key::{EntryKind, SequenceNumber};

/// So many bytes are read at once for the checksum of the file.
const READ_BYTES: usize = 1 << 20;

/// What [`Table::verify`] has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableReport {
    /// Data blocks.
    pub blocks: u64,
    /// Entries, deletions included.
    pub entries: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// What has been seen so far.
struct Seen {
    last_key: Vec<u8>,
    last_seq: SequenceNumber,
    key: Vec<u8>,
    entries: u64,
    tombstones: u64,
    min_seq: SequenceNumber,
    max_seq: SequenceNumber,
}

impl Table {
    /// Reads every byte of the file and checks seals, structure, order, counts, bounds, the filter
    /// and the checksum of the file.
    pub fn verify(&self) -> Result<TableReport> {
        self.verify_with(&mut |_| Ok(()))
    }

    /// As [`Table::verify`]; tells `progress` which part of the bytes is done, about once a
    /// mebibyte, and ends with its error.
    pub fn verify_with(&self, progress: &mut dyn FnMut(u64) -> Result<()>) -> Result<TableReport> {
        let meta = self.meta();
        let mut seen = Seen {
            last_key: Vec::new(),
            last_seq: 0,
            key: Vec::new(),
            entries: 0,
            tombstones: 0,
            min_seq: SequenceNumber::MAX,
            max_seq: 0,
        };
        let tail = Tail::read(self.file(), meta.file_bytes, TailParts::All)?;
        tail.check(self.path(), meta)?;
        let filter = tail.read_filter(self.file())?;
        let mut sealed = Vec::new();
        let mut told = 0;
        for at in 0..self.index().blocks() {
            let start = self.index().location(at).start;
            if start - told >= READ_BYTES as u64 {
                // The file is read twice: for its blocks, and for its checksum.
                progress(start / 2)?;
                told = start;
            }
            self.read_sealed(at..at + 1, &mut sealed)?;
            let block = self.decode_block(at, &mut sealed)?;
            self.verify_block(at, block.get(), filter.as_ref(), &mut seen)
                .map_err(|reason| {
                    Error::corruption(self.path(), self.index().location(at).start, reason)
                })?;
        }
        let damaged = |reason: &str| Err(Error::corruption(self.path(), 0, reason));
        if seen.entries != meta.entries || seen.tombstones != meta.tombstones {
            return damaged("the number of entries is not what the manifest says");
        }
        if meta.range_tombstones != tail.tombstones.len() as u64 {
            return damaged("the number of range tombstones is not what the manifest says");
        }
        let in_range = meta.sequence_override.is_some()
            || seen.entries == 0
            || (meta.min_seq <= seen.min_seq && seen.max_seq <= meta.max_seq);
        if !in_range {
            return damaged("an entry's sequence number is outside of the manifest's bounds");
        }
        let half = meta.file_bytes / 2;
        let mut checked = |bytes| progress(half + bytes / 2);
        if checksum_with(self.file(), meta.file_bytes, &mut checked)? != meta.checksum {
            return damaged("the checksum of the file is not what the manifest says");
        }
        let blocks = self.index().blocks() as u64;
        Ok(TableReport {
            blocks,
            entries: seen.entries,
            bytes: meta.file_bytes,
        })
    }

    fn verify_block(
        &self,
        at: usize,
        block: BlockRef<'_>,
        filter: Option<&Filter>,
        seen: &mut Seen,
    ) -> Result<(), &'static str> {
        for entry in 0..block.len() {
            block.read_key(entry, &mut seen.key);
            let (key, seq) = (seen.key.as_slice(), block.seq(entry));
            let is_first = seen.entries == 0;
            let in_order =
                key > seen.last_key.as_slice() || (key == seen.last_key && seq < seen.last_seq);
            if !is_first && !in_order {
                return Err("entries are out of order");
            }
            if entry == 0 && at > 0 {
                let separator = self.index().separator(at);
                let separates = seen.last_key.as_slice() < separator && separator <= key;
                let continues = key == seen.last_key && self.index().continues(at, key);
                if !separates && !continues {
                    return Err("the index does not fit the blocks");
                }
            }
            self.verify_entry(key, block.kind(entry), block.value(entry))?;
            if filter.is_some_and(|filter| !filter.may_contain(key_hash(key)))
                && !self.is_unfiltered(key)
            {
                return Err("the filter does not know a key");
            }
            seen.entries += 1;
            seen.tombstones += u64::from(block.kind(entry) == EntryKind::Delete);
            seen.min_seq = seen.min_seq.min(seq);
            seen.max_seq = seen.max_seq.max(seq);
            seen.last_seq = seq;
            std::mem::swap(&mut seen.key, &mut seen.last_key);
        }
        Ok(())
    }

    fn verify_entry(&self, key: &[u8], kind: EntryKind, value: &[u8]) -> Result<(), &'static str> {
        let meta = self.meta();
        if *key < *meta.smallest || *key > *meta.largest {
            return Err("a key is outside of the manifest's bounds");
        }
        if kind.expires() && value.len() < 8 {
            return Err("an entry expires but has no expiry");
        }
        Ok(())
    }
}

/// xxh3-128 of the whole file.
pub(super) fn file_checksum(file: &Arc<TableFile>, file_bytes: u64) -> Result<u128> {
    checksum_with(file, file_bytes, &mut |_| Ok(()))
}

fn checksum_with(
    file: &Arc<TableFile>,
    file_bytes: u64,
    progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<u128> {
    let mut hasher = Xxh3Default::new();
    let mut buffer = vec![0; READ_BYTES.min(file_bytes as usize)];
    let mut offset = 0;
    while offset < file_bytes {
        let len = (buffer.len() as u64).min(file_bytes - offset) as usize;
        file.read(&mut buffer[..len], offset)?;
        hasher.update(&buffer[..len]);
        offset += len as u64;
        if offset < file_bytes {
            progress(offset)?;
        }
    }
    Ok(hasher.digest128())
}
