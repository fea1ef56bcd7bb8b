//! Writes a table, front to back, in one pass.
//!
//! ```text
//! entries --> block --full--> compress, seal --> write buffer --full--> file
//!               |                 |                   '--> checksum of the file
//!               |                 '--> index (separator and length of the block)
//!               '--> hashes of keys (for the filter), properties
//! ```
//!
//! What stays in memory until the end is the index, eight bytes per key for the filter, and the
//! range tombstones. The file is complete when `finish` has returned; before that it is garbage
//! that nothing refers to. The caller makes its name durable ([`rustdb_vfs::Vfs::sync_dir`]).

use std::path::{Path, PathBuf};

use rustdb_vfs::{FileExt, FileRef, OpenMode, VfsRef};
use xxhash_rust::xxh3::Xxh3Default;

use super::block_builder::{BlockBuilder, common_prefix};
use super::filter::{Filter, key_hash};
use super::format::{BlockKind, Footer, Handle, RAW_BYTES_MAX, frame, put_bytes, put_varint};
use super::index::{IndexBuilder, separator};
use super::properties::Properties;
use super::tail::tombstone_order;
use crate::cache::FreshBlocks;
use crate::codec::Codec;
#[cfg(test)]
use crate::envelope::FileHeader;
use crate::envelope::{Envelope, FileKind, HEADER_BYTES, Security};
use crate::error::{Error, Result};
use crate::key::{
    EntryKind, FileNumber, KEY_BYTES_MAX, KEYSPACE_BYTES, MAX_SEQUENCE, SequenceNumber,
    split_storage_key,
};
use crate::manifest::TableMeta;
use crate::memory::MemoryCharge;
use crate::tombstone::RangeTombstone;
use crate::value::{Reference, expiry_of, split_expiry};

/// So many bytes are written to the file at once.
const WRITE_BYTES: usize = 256 << 10;

/// When so much was written, the system is asked to begin to write it to the disk.
const WRITEBACK_BYTES: u64 = 1 << 20;

/// What making a filter takes for each key, besides its hash: see [`Filter::build`].
const FILTER_BUILD_BYTES: usize = 40;

/// A table is not ended for lack of memory before it has this length.
const SMALL_TABLE_BYTES: u64 = 256 << 10;

/// How the blocks of a table, or of a part of it, are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableOptions {
    /// The length that blocks are filled up to, before compression. A longer entry has a block to
    /// itself.
    pub block_bytes: usize,
    /// How blocks are compressed.
    pub codec: Codec,
    /// Whether keys are added to the table's filter.
    pub filter: bool,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            block_bytes: 4096,
            codec: Codec::None,
            filter: true,
        }
    }
}

/// Writes one table. See the module's documentation.
#[derive(Debug)]
pub struct TableBuilder {
    output: Output,
    options: TableOptions,
    block: BlockBuilder,
    /// The separator of the block that is being filled.
    separator: Vec<u8>,
    /// Given if that block begins with an older version of the last key of the block before.
    continues: Option<SequenceNumber>,
    index: IndexBuilder,
    hashes: Vec<u64>,
    tombstones: Vec<RangeTombstone>,
    last_key: Vec<u8>,
    last_seq: SequenceNumber,
    properties: Properties,
    /// Reused for each block: its uncompressed bytes.
    payload: Vec<u8>,
    charge: Option<MemoryCharge>,
    /// Blocks that the table has in memory when it is opened.
    fresh: Option<FreshBlocks>,
}

impl TableBuilder {
    /// Creates the file at `path`, which must not exist.
    pub fn new(
        vfs: &VfsRef,
        security: &Security,
        path: &Path,
        number: FileNumber,
        options: TableOptions,
    ) -> Result<Self> {
        let output = Output::create(vfs, security, path)?;
        let meta = TableMeta {
            number,
            data_key_id: output.envelope.header().data_key_id,
            created_micros: vfs.wall_micros(),
            ..TableMeta::default()
        };
        Ok(Self {
            output,
            options,
            block: BlockBuilder::default(),
            separator: Vec::new(),
            continues: None,
            index: IndexBuilder::default(),
            hashes: Vec::new(),
            tombstones: Vec::new(),
            last_key: Vec::new(),
            last_seq: 0,
            properties: Properties {
                meta,
                ..Properties::default()
            },
            payload: Vec::new(),
            charge: None,
            fresh: None,
        })
    }

    /// Notes that the table is part of a bulk write, whose sequence number comes later.
    pub(crate) fn set_bulk(&mut self) {
        self.properties.is_bulk = true;
    }

    /// Counts the memory that the builder takes.
    pub(crate) fn with_charge(mut self, charge: MemoryCharge) -> Self {
        self.charge = Some(charge);
        self
    }

    /// Keeps blocks in the cache for the table's first readers.
    pub(crate) fn with_fresh(mut self, fresh: FreshBlocks) -> Self {
        self.fresh = Some(fresh);
        self
    }

    /// Keeps none.
    pub(crate) fn without_fresh(mut self) -> Self {
        self.fresh = None;
        self
    }

    /// About what the builder takes in memory, when it makes the filter at the end.
    pub(crate) fn memory_bytes(&self) -> usize {
        let keys = self.hashes.capacity() * size_of::<u64>();
        let filter = self.hashes.len() * FILTER_BUILD_BYTES;
        keys + filter + self.index.bytes() + self.payload.capacity() + 2 * WRITE_BYTES
    }

    /// Whether builders take more memory than they should, so that this one had better end.
    pub(crate) fn should_end(&self) -> bool {
        self.charge
            .as_ref()
            .is_some_and(MemoryCharge::should_let_go)
            && self.estimated_bytes() >= SMALL_TABLE_BYTES
    }

    /// Replaces what would differ from one run to the next.
    #[cfg(test)]
    pub(super) fn make_reproducible(&mut self, header: &FileHeader, envelope: Envelope) {
        self.output.buffer.clear();
        self.output.buffer.extend_from_slice(&header.encode());
        self.output.envelope = envelope;
        self.properties.meta.created_micros = 0;
    }

    /// Changes how the entries from here on are written. Ends the current block.
    pub fn set_options(&mut self, options: TableOptions) -> Result<()> {
        if options != self.options {
            self.finish_block()?;
            self.options = options;
        }
        Ok(())
    }

    /// Adds an entry, which must come after all entries so far: its key is greater, or equal with
    /// a lower sequence number.
    pub fn add(
        &mut self,
        key: &[u8],
        seq: SequenceNumber,
        kind: EntryKind,
        value: &[u8],
    ) -> Result<()> {
        let is_first = self.properties.meta.entries == 0;
        let shared = common_prefix(&self.last_key, key);
        let is_older_version = !is_first && shared == key.len() && shared == self.last_key.len();
        self.check(key, seq, kind, value)?;
        let in_order = match is_older_version {
            true => seq < self.last_seq,
            // What a key has behind the last one's bytes makes it greater.
            false => key.get(shared) > self.last_key.get(shared),
        };
        if !in_order && !is_first {
            return refuse("is out of order");
        }
        let bytes_with = |block: &BlockBuilder| block.bytes_with(key.len(), shared, value.len());
        if !self.block.is_empty() && bytes_with(&self.block) > self.options.block_bytes {
            self.finish_block()?;
        }
        if self.block.is_empty() {
            self.separator.clear();
            if !is_first {
                self.separator
                    .extend_from_slice(separator(&self.last_key, key));
            }
            self.continues = is_older_version.then_some(seq);
        }
        self.block.add(key, shared, seq, kind, value);
        if !is_older_version {
            self.note_key(key);
        }
        self.note_entry(key, seq, kind, value, is_older_version);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(&key[shared..]);
        self.last_seq = seq;
        Ok(())
    }

    /// Whether an entry can be in a table at all.
    fn check(&self, key: &[u8], seq: SequenceNumber, kind: EntryKind, value: &[u8]) -> Result<()> {
        if key.len() < KEYSPACE_BYTES || key.len() > KEYSPACE_BYTES + KEY_BYTES_MAX {
            return refuse("has a key of a wrong length");
        }
        if seq > MAX_SEQUENCE {
            return refuse("has a sequence number out of range");
        }
        if key.len() + value.len() > RAW_BYTES_MAX - 256 {
            return refuse("is too long");
        }
        if split_expiry(kind, value).is_none() {
            return refuse("expires but has no expiry");
        }
        if kind.is_reference() && Reference::decode(kind, value).is_none() {
            return refuse("is a reference that refers to nothing");
        }
        Ok(())
    }

    fn note_key(&mut self, key: &[u8]) {
        if self.options.filter {
            self.hashes.push(key_hash(key));
        } else if let Some((keyspace, _)) = split_storage_key(key)
            && self.properties.unfiltered.last() != Some(&keyspace)
        {
            self.properties.unfiltered.push(keyspace);
        }
    }

    fn note_entry(
        &mut self,
        key: &[u8],
        seq: SequenceNumber,
        kind: EntryKind,
        value: &[u8],
        is_older_version: bool,
    ) {
        let meta = &mut self.properties.meta;
        if meta.entries == 0 {
            meta.smallest = key.into();
            (meta.min_seq, meta.max_seq) = (seq, seq);
        }
        meta.entries += 1;
        meta.tombstones += u64::from(kind == EntryKind::Delete);
        meta.shadowed += u64::from(is_older_version);
        meta.min_seq = meta.min_seq.min(seq);
        meta.max_seq = meta.max_seq.max(seq);
        meta.raw_key_bytes += key.len() as u64;
        meta.raw_value_bytes += value.len() as u64;
        if let Some(expiry) = expiry_of(kind, value) {
            meta.expiring += 1;
            meta.oldest_expiry = Some(meta.oldest_expiry.map_or(expiry, |old| old.min(expiry)));
            meta.newest_expiry = Some(meta.newest_expiry.map_or(expiry, |new| new.max(expiry)));
        }
        if let Some(Reference { pointer, .. }) = Reference::decode(kind, value) {
            let references = &mut meta.value_refs;
            match references.binary_search_by_key(&pointer.file, |(file, _)| *file) {
                Ok(at) => references[at].1 += pointer.length,
                Err(at) => references.insert(at, (pointer.file, pointer.length)),
            }
        }
    }

    /// Adds the deletion of the keys from `start` up to, and without, `end`. In any order, before
    /// or after entries.
    pub fn add_range_tombstone(
        &mut self,
        start: &[u8],
        end: &[u8],
        seq: SequenceNumber,
    ) -> Result<()> {
        if start >= end || seq > MAX_SEQUENCE {
            return Err(Error::InvalidArgument("range tombstone is empty".into()));
        }
        self.tombstones.push(RangeTombstone::new(start, end, seq));
        Ok(())
    }

    /// About how long the file would be if it were finished now.
    pub fn estimated_bytes(&self) -> u64 {
        let tail = self.block.bytes() + self.index.bytes() + self.hashes.len() * 9 / 8;
        self.output.offset() + tail as u64
    }

    /// How many entries were added.
    pub fn entries(&self) -> u64 {
        self.properties.meta.entries
    }

    /// Whether there are neither entries nor range tombstones. Such a table cannot be finished.
    pub fn is_empty(&self) -> bool {
        self.entries() == 0 && self.tombstones.is_empty()
    }

    /// The last key added; empty if there is none.
    pub fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    fn finish_block(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.payload.clear();
        self.block.finish(&mut self.payload);
        let handle = self
            .output
            .write_block(BlockKind::Data, self.options.codec, &self.payload)?;
        self.index.add(&self.separator, handle.len, self.continues);
        if let Some(fresh) = &mut self.fresh {
            fresh.push(&self.payload);
        }
        let bytes = self.memory_bytes();
        if let Some(charge) = &mut self.charge {
            charge.set(bytes);
        }
        Ok(())
    }

    /// Writes the rest of the file and makes its contents durable.
    pub fn finish(mut self) -> Result<TableMeta> {
        if self.is_empty() {
            return Err(Error::InvalidArgument(
                "a table needs an entry or a tombstone".into(),
            ));
        }
        self.finish_block()?;
        let mut footer = Footer {
            blocks: self.index.blocks(),
            ..Footer::default()
        };
        self.note_bounds();
        if !self.tombstones.is_empty() {
            let payload = encode_tombstones(&self.tombstones);
            footer.tombstones =
                self.output
                    .write_block(BlockKind::Tombstones, Codec::Lz4, &payload)?;
        }
        if let Some(filter) = Filter::build(&mut self.hashes) {
            let payload = filter.encode();
            footer.filter = self
                .output
                .write_block(BlockKind::Filter, Codec::None, &payload)?;
        }
        let payload = self.index.finish();
        footer.index = self
            .output
            .write_block(BlockKind::Index, Codec::None, &payload)?;
        let payload = self.properties.encode();
        footer.properties =
            self.output
                .write_block(BlockKind::Properties, Codec::None, &payload)?;
        let mut payload = Vec::new();
        footer.write(&mut payload);
        let (file_bytes, checksum) = self.output.finish(&payload)?;
        if let Some(fresh) = self.fresh {
            fresh.leave(self.properties.meta.number);
        }
        Ok(TableMeta {
            file_bytes,
            checksum,
            ..self.properties.meta
        })
    }

    /// Takes the last key and the tombstones into the bounds of the table.
    fn note_bounds(&mut self) {
        self.tombstones.sort_unstable_by(tombstone_order);
        self.tombstones.dedup();
        let meta = &mut self.properties.meta;
        let mut has_bounds = meta.entries > 0;
        meta.largest = self.last_key.as_slice().into();
        meta.range_tombstones = self.tombstones.len() as u64;
        for tombstone in &self.tombstones {
            if !has_bounds || *tombstone.start < *meta.smallest {
                meta.smallest = (*tombstone.start).into();
            }
            // A key that is both an end and an entry is in the table.
            if !has_bounds || *tombstone.end > *meta.largest {
                meta.largest = (*tombstone.end).into();
                meta.largest_exclusive = true;
            }
            if !has_bounds {
                (meta.min_seq, meta.max_seq) = (tombstone.seq, tombstone.seq);
            }
            meta.min_seq = meta.min_seq.min(tombstone.seq);
            meta.max_seq = meta.max_seq.max(tombstone.seq);
            has_bounds = true;
        }
    }

    /// Gives up: closes and removes the file.
    pub fn abandon(self) -> Result<()> {
        self.output.remove()
    }
}

fn refuse(why: &str) -> Result<()> {
    Err(Error::InvalidArgument(format!("table entry {why}")))
}

fn encode_tombstones(tombstones: &[RangeTombstone]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, tombstones.len() as u64);
    for tombstone in tombstones {
        put_bytes(&mut out, &tombstone.start);
        put_bytes(&mut out, &tombstone.end);
        put_varint(&mut out, tombstone.seq);
    }
    out
}

/// The file, its buffer and its checksum.
#[derive(Debug)]
struct Output {
    vfs: VfsRef,
    path: PathBuf,
    file: FileRef,
    envelope: Envelope,
    buffer: Vec<u8>,
    /// How much of the file is written; the buffer comes after it.
    written: u64,
    /// The system was asked to begin to write all before this to the disk.
    written_back: u64,
    checksum: Checksum,
}

/// Of all bytes before the buffer.
struct Checksum(Box<Xxh3Default>);

impl std::fmt::Debug for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Checksum")
    }
}

impl Output {
    fn create(vfs: &VfsRef, security: &Security, path: &Path) -> Result<Self> {
        let (envelope, header) = Envelope::create(security, path, FileKind::Table)?;
        let file = vfs
            .open(path, OpenMode::CreateNew)
            .map_err(|e| Error::io("create", path, e))?;
        let mut buffer = Vec::with_capacity(WRITE_BYTES + (16 << 10));
        buffer.extend_from_slice(&header);
        debug_assert_eq!(buffer.len(), HEADER_BYTES);
        Ok(Self {
            vfs: VfsRef::clone(vfs),
            path: path.to_path_buf(),
            file,
            envelope,
            buffer,
            written: 0,
            written_back: 0,
            checksum: Checksum(Box::new(Xxh3Default::new())),
        })
    }

    fn offset(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Frames, compresses and seals a block at the end of the file.
    fn write_block(&mut self, kind: BlockKind, codec: Codec, payload: &[u8]) -> Result<Handle> {
        let (offset, start) = (self.offset(), self.buffer.len());
        frame::write(codec, payload, &mut self.buffer);
        self.envelope
            .seal_from(offset, kind as u8, &[], &mut self.buffer, start);
        let handle = Handle {
            offset,
            len: (self.buffer.len() - start) as u64,
        };
        if self.buffer.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(handle)
    }

    fn flush(&mut self) -> Result<()> {
        self.checksum.0.update(&self.buffer);
        self.file
            .write_all_at(&self.buffer, self.written)
            .map_err(|e| Error::io("write", &self.path, e))?;
        self.written += self.buffer.len() as u64;
        // Else the sync at the end would write the whole file at once, and everybody else who
        // syncs would wait for that.
        if self.written >= self.written_back + WRITEBACK_BYTES {
            let bytes = self.written - self.written_back;
            self.file.begin_writeback(self.written_back, bytes);
            self.written_back = self.written;
        }
        self.buffer.clear();
        // One long value should not make the buffer long for good.
        self.buffer.shrink_to(2 * WRITE_BYTES);
        Ok(())
    }

    /// Writes the footer and syncs; returns the length of the file and its checksum.
    fn finish(mut self, footer: &[u8]) -> Result<(u64, u128)> {
        let (offset, start) = (self.offset(), self.buffer.len());
        self.buffer.extend_from_slice(footer);
        self.envelope.seal_from(
            offset,
            BlockKind::Footer as u8,
            &[],
            &mut self.buffer,
            start,
        );
        self.flush()?;
        self.file
            .sync_data()
            .map_err(|e| Error::io("sync", &self.path, e))?;
        Ok((self.written, self.checksum.0.digest128()))
    }

    fn remove(self) -> Result<()> {
        drop(self.file);
        self.vfs
            .remove_file(&self.path)
            .map_err(|e| Error::io("remove", &self.path, e))
    }
}
