//! An open table: its index and filter in memory, its blocks in the cache or on disk.
//!
//! A point read goes
//!
//! ```text
//! filter (if asked to) -> index -> slot --filled--> search in the block -> value, pinned
//!                                    '---empty----> read, check, decompress; fill the slot
//! ```
//!
//! Nothing on the way takes a lock or counts in a place that all threads share, as long as the
//! block is in memory. Whether the filter comes first is the caller's choice ([`FilterUse`]): it
//! saves most searches of tables that do not have the key, and is in the way in the one that has.
//! When indexes and filters would take more than their part of the cache's budget, filters stay on
//! disk: without them a read is slower, without the index it could not be done.
//!
//! All bytes from disk are checked when they are read: seal, frame, then the structure of what is
//! in them. What fails is reported as corruption of this file at this offset.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::block::Block;
use super::cursor::{Fill, ReadMode, TableCursor};
use super::filter::Filter;
use super::format::BlockKind;
use super::index::Index;
use super::properties::Properties;
use super::segment::SEGMENT_BLOCKS;
use super::store::{TableFile, TableStore};
use super::tail::{Tail, TailParts, open_block};
use crate::cache::{Charge, DerivedSlots};
use crate::envelope::Envelope;
use crate::error::{Error, Result};
use crate::key::{EntryKind, KeyspaceId, MAX_SEQUENCE, SequenceNumber, split_storage_key};
use crate::manifest::TableMeta;
use crate::slice::{INLINE_BYTES_MAX, Slice};
use crate::tombstone::{Fragments, RangeTombstone};

/// A thread keeps room to read blocks of up to this size.
const SEALED_BYTES_KEPT: usize = 64 << 10;

thread_local! {
    /// Where single blocks are read to before they are taken apart.
    static SEALED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// When a point read asks the table's filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterUse {
    /// First. For tables that probably do not have the key.
    First,
    /// Only to save reading a block from disk. For the last table that could have the key.
    IfNotResident,
}

/// An entry found by a point read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its sequence number.
    pub seq: SequenceNumber,
    /// What it says about the key.
    pub kind: EntryKind,
    /// Its value, as the kind says.
    pub value: Slice,
}

/// An open table. See the module's documentation.
pub struct Table {
    meta: Arc<TableMeta>,
    index: Index,
    filter: Option<Filter>,
    unfiltered: Vec<KeyspaceId>,
    tombstones: Vec<RangeTombstone>,
    fragments: Arc<Fragments>,
    file: Arc<TableFile>,
    envelope: Envelope,
    /// What readers made of its values; made when the first of them asks.
    derived: OnceLock<Arc<DerivedSlots>>,
    /// For index and filter.
    _charge: Charge,
}

impl Table {
    /// Opens the table at `path`, which `meta` describes.
    pub fn open(store: &Arc<TableStore>, path: &Path, meta: Arc<TableMeta>) -> Result<Arc<Self>> {
        Self::open_parts(store, path, meta, TailParts::All)
    }

    /// As [`Table::open`], leaving out parts of it.
    pub(super) fn open_parts(
        store: &Arc<TableStore>,
        path: &Path,
        meta: Arc<TableMeta>,
        parts: TailParts,
    ) -> Result<Arc<Self>> {
        let file = TableFile::new(store, path);
        let mut tail = Tail::read(&file, meta.file_bytes, parts)?;
        tail.check(path, &meta)?;
        let cache = store.cache();
        let has_room = cache.has_room_for_metadata(tail.filter_bytes() as usize);
        let filter = match parts {
            TailParts::All if has_room => tail.read_filter(&file)?,
            TailParts::All | TailParts::NoFilter | TailParts::NoFilterNoTombstones => None,
        };
        let memory = tail.index.memory_bytes() + filter.as_ref().map_or(0, Filter::memory_bytes);
        let tombstones = tail.tombstones_at(meta.sequence_override);
        let blocks = tail.index.blocks();
        cache.fill_slots(meta.number, tail.index.slots_mut(), blocks);
        Ok(Arc::new(Self {
            _charge: cache.charge(memory),
            fragments: Arc::new(Fragments::from_tombstones(&tombstones)),
            tombstones,
            meta,
            index: tail.index,
            filter,
            unfiltered: tail.properties.unfiltered,
            file,
            envelope: tail.envelope,
            derived: OnceLock::new(),
        }))
    }

    /// Reads the description of the table at `path` from the file itself, for repair. Number and
    /// sequence override are not in the file; the checksum is that of the file as it is.
    pub fn read_meta(store: &Arc<TableStore>, path: &Path) -> Result<TableMeta> {
        let properties = Self::read_properties(store, path, TailParts::All)?;
        Ok(properties.meta)
    }

    /// What a table says about itself, leaving out parts of the table, and what is to be seen.
    pub(super) fn read_properties(
        store: &Arc<TableStore>,
        path: &Path,
        parts: TailParts,
    ) -> Result<Properties> {
        let file = TableFile::new(store, path);
        let file_bytes = file
            .open()?
            .len()
            .map_err(|e| Error::io("read length of", path, e))?;
        let tail = Tail::read(&file, file_bytes, parts)?;
        let checksum = super::verify::file_checksum(&file, file_bytes)?;
        let data_key_id = tail.envelope.header().data_key_id;
        let mut properties = tail.properties;
        properties.meta = TableMeta {
            file_bytes,
            checksum,
            data_key_id,
            ..properties.meta
        };
        Ok(properties)
    }

    /// What was known about the table before it was opened.
    pub fn meta(&self) -> &Arc<TableMeta> {
        &self.meta
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The table's range tombstones, to ask what they cover.
    #[inline]
    pub fn range_tombstones(&self) -> &Arc<Fragments> {
        &self.fragments
    }

    /// The table's range tombstones one by one, ordered by start, end and newest first.
    pub fn raw_tombstones(&self) -> &[RangeTombstone] {
        &self.tombstones
    }

    /// The memory of index and filter.
    pub fn metadata_bytes(&self) -> usize {
        self.index.memory_bytes() + self.filter.as_ref().map_or(0, Filter::memory_bytes)
    }

    /// A cursor, on no entry.
    pub fn cursor(self: &Arc<Self>, mode: ReadMode) -> TableCursor {
        TableCursor::new(Arc::clone(self), mode)
    }

    /// About how many bytes of the file hold keys from `lower` on and below `upper`.
    pub fn approximate_bytes(&self, lower: &[u8], upper: &[u8]) -> u64 {
        if self.index.blocks() == 0 || lower >= upper {
            return 0;
        }
        let start = self.index.find(lower, MAX_SEQUENCE);
        let end = self.index.find(upper, MAX_SEQUENCE);
        // Half a block on average at either end.
        let (start, end) = (self.index.location(start), self.index.location(end));
        (end.start + end.end).saturating_sub(start.start + start.end) / 2
    }

    /// For each block with keys from `lower` on and below `upper`, but for the first and those that
    /// only continue a key: a string above all keys before it and not above its own, and its bytes.
    pub(crate) fn separators<'a>(
        &'a self,
        lower: &[u8],
        upper: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], u64)> {
        let start = match self.index.blocks() {
            0 => 0,
            _ => self.index.find(lower, MAX_SEQUENCE) + 1,
        };
        let blocks = (start..self.index.blocks()).map(|block| {
            let location = self.index.location(block);
            (self.index.separator(block), location.end - location.start)
        });
        blocks.take_while(move |(separator, _)| *separator < upper)
    }

    /// How many bytes of the file are blocks that hold nothing but keys from `lower` on and below
    /// `upper`.
    pub fn inner_bytes(&self, lower: &[u8], upper: &[u8]) -> u64 {
        if self.index.blocks() == 0 || lower >= upper {
            return 0;
        }
        let start = self.index.find(lower, MAX_SEQUENCE);
        let end = self.index.find(upper, MAX_SEQUENCE);
        let (start, end) = (self.index.location(start), self.index.location(end));
        end.start.saturating_sub(start.end)
    }

    /// The newest entry of `key` that is not newer than `seq`. `hash` is the key's [`key_hash`].
    ///
    /// [`key_hash`]: super::key_hash
    #[inline]
    pub fn get(
        &self,
        key: &[u8],
        hash: u64,
        seq: SequenceNumber,
        filter: FilterUse,
    ) -> Result<Option<Found>> {
        let Some(seq) = self.stored_seq(seq) else {
            return Ok(None);
        };
        if filter == FilterUse::First && !self.may_contain(key, hash) {
            self.index.slots().cache().note_filtered();
            return Ok(None);
        }
        if self.index.blocks() == 0 {
            return Ok(None);
        }
        let at = self.index.find(key, seq);
        let resident = self.index.slots().load(at);
        let Some(block) = resident.block() else {
            if filter == FilterUse::IfNotResident && !self.may_contain(key, hash) {
                self.index.slots().cache().note_filtered();
                return Ok(None);
            }
            return self.get_from_disk(at, key, seq);
        };
        self.index.slots().cache().note_hit();
        block.warm();
        let Some(entry) = block.find(key, seq) else {
            return self.get_continued(at, key, seq);
        };
        let (seq, kind) = (self.reported_seq(block.seq(entry)), block.kind(entry));
        let range = block.value_range(entry);
        block.touch(range.clone());
        let value = if range.len() <= INLINE_BYTES_MAX {
            Slice::copy_from(block.value(entry))
        } else {
            let block = resident.into_block().expect("the slot held a block");
            Slice::of_block(block, range)
        };
        Ok(Some(Found { seq, kind, value }))
    }

    /// Asks the processor to load the part of the index that tells the block of `key`.
    pub fn prefetch_index(&self, key: &[u8]) {
        if self.index.blocks() > 0 {
            self.index.prefetch(key);
        }
    }

    /// Asks the processor to load the beginning of the block that `key` belongs to, if it is in
    /// memory.
    pub fn prefetch(&self, key: &[u8]) {
        if self.index.blocks() > 0 {
            let at = self.index.find(key, MAX_SEQUENCE);
            self.index.slots().load(at).prefetch();
        }
    }

    /// Asks the processor to load the beginning of block `at`, if there is one and it is in memory.
    #[inline]
    pub(super) fn prefetch_block(&self, at: usize) {
        if at < self.index.blocks() {
            self.index.slots().load(at).prefetch();
        }
    }

    /// Whether the table may have an entry of `key`, going by the filter.
    #[inline]
    pub fn may_contain(&self, key: &[u8], hash: u64) -> bool {
        match &self.filter {
            Some(filter) if !filter.may_contain(hash) => self.is_unfiltered(key),
            _ => true,
        }
    }

    /// Asks the processor to load what the filter knows of a key with this hash.
    #[inline]
    pub fn prefetch_filter(&self, hash: u64) {
        if let Some(filter) = &self.filter {
            filter.prefetch(hash);
        }
    }

    /// Whether the filter has nothing to say about `key`.
    #[inline]
    pub(super) fn is_unfiltered(&self, key: &[u8]) -> bool {
        !self.unfiltered.is_empty()
            && split_storage_key(key)
                .is_some_and(|(keyspace, _)| self.unfiltered.contains(&keyspace))
    }

    #[cold]
    fn get_from_disk(&self, at: usize, key: &[u8], seq: SequenceNumber) -> Result<Option<Found>> {
        let block = self.read_block(at, Fill::All)?;
        match block.get().find(key, seq) {
            Some(entry) => Ok(Some(self.found(block, entry))),
            None => {
                let found = self.get_continued(at, key, seq)?;
                if found.is_none() {
                    self.index.slots().cache().note_read_in_vain();
                }
                Ok(found)
            }
        }
    }

    /// Looks at the first entry of the block after `at`, if older versions of `key` may be there.
    #[inline]
    fn get_continued(&self, at: usize, key: &[u8], seq: SequenceNumber) -> Result<Option<Found>> {
        if !self.index.continues(at + 1, key) {
            return Ok(None);
        }
        let block = self.block(at + 1)?;
        let entry = block.get().find(key, seq);
        Ok(entry.map(|entry| self.found(block, entry)))
    }

    fn found(&self, block: Block, entry: usize) -> Found {
        let view = block.get();
        let (seq, kind) = (self.reported_seq(view.seq(entry)), view.kind(entry));
        let range = view.value_range(entry);
        Found {
            seq,
            kind,
            value: Slice::of_block(block, range),
        }
    }

    /// What to look for in the file to find what `seq` sees; `None` if it sees nothing.
    #[inline]
    pub(super) fn stored_seq(&self, seq: SequenceNumber) -> Option<SequenceNumber> {
        match self.meta.sequence_override {
            None => Some(seq),
            Some(all) => (all <= seq).then_some(MAX_SEQUENCE),
        }
    }

    #[inline]
    pub(super) fn reported_seq(&self, stored: SequenceNumber) -> SequenceNumber {
        self.meta.sequence_override.unwrap_or(stored)
    }

    /// Whether all entries are values in this file that do not expire, one for each key, and seen by
    /// a reader at `at`.
    #[inline]
    pub(super) fn is_plain(&self, at: SequenceNumber) -> bool {
        let meta = &*self.meta;
        let others = meta.tombstones | meta.shadowed | meta.range_tombstones | meta.expiring;
        others == 0 && meta.value_refs.is_empty() && self.reported_seq(meta.max_seq) <= at
    }

    /// Room for what readers make of its values, by segment.
    pub(super) fn derived(&self) -> &Arc<DerivedSlots> {
        let segments = self.index.blocks().div_ceil(SEGMENT_BLOCKS);
        self.derived
            .get_or_init(|| DerivedSlots::new(segments, self.index.slots().shared_cache()))
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    pub(super) fn file(&self) -> &Arc<TableFile> {
        &self.file
    }

    /// A block, from memory or from disk.
    pub(super) fn block(&self, at: usize) -> Result<Block> {
        match self.resident(at) {
            Some(block) => Ok(block),
            None => self.read_block(at, Fill::All),
        }
    }

    /// A block, if it is in memory. Counts as a hit, but does not warm the block.
    #[inline]
    pub(super) fn resident(&self, at: usize) -> Option<Block> {
        let block = self.index.slots().load(at).into_block()?;
        self.index.slots().cache().note_hit();
        Some(block)
    }

    /// Reads a block from disk, and puts it into the cache if asked to.
    pub(super) fn read_block(&self, at: usize, fill: Fill) -> Result<Block> {
        let mut sealed = SEALED.take();
        self.read_sealed(at..at + 1, &mut sealed)?;
        let block = self.admit(at, &mut sealed, fill);
        if sealed.capacity() <= SEALED_BYTES_KEPT {
            SEALED.set(sealed);
        }
        block
    }

    /// Reads the bytes of adjacent blocks as they are on disk.
    pub(super) fn read_sealed(&self, blocks: Range<usize>, sealed: &mut Vec<u8>) -> Result<()> {
        let start = self.index.location(blocks.start).start;
        let end = self.index.location(blocks.end - 1).end;
        // What is left of the last read is overwritten.
        sealed.resize((end - start) as usize, 0);
        self.file.read(sealed, start)
    }

    /// Opens the seal of block `at`, and puts it into the cache if asked to.
    pub(super) fn admit(&self, at: usize, sealed: &mut [u8], fill: Fill) -> Result<Block> {
        let cache = self.index.slots().cache();
        let turn = cache.note_miss();
        let block = self.decode_block(at, sealed)?;
        let goes_in = match fill {
            Fill::Nothing => false,
            Fill::All => cache.admits(self.meta.number.0, at, block.memory_bytes(), turn),
            Fill::LongScan => cache.admits_of_long_scan(block.memory_bytes()),
        };
        Ok(match goes_in {
            true => self.index.slots().insert(at, block),
            false => block,
        })
    }

    pub(super) fn decode_block(&self, at: usize, sealed: &mut [u8]) -> Result<Block> {
        let offset = self.index.location(at).start;
        let (path, envelope) = (self.path(), &self.envelope);
        open_block(
            path,
            envelope,
            BlockKind::Data,
            offset,
            sealed,
            Block::parse,
        )
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Table({:?}, {} entries)",
            self.meta.number, self.meta.entries
        )
    }
}
