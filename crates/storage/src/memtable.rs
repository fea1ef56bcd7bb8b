//! The memtable: what was committed since the last flush, in memory and in order.
//!
//! ```text
//!   leader of a commit group                    any thread
//!   MemtableWriter ---- insert ------> entries <----- get, cursor ---- Memtable
//!                  -- delete_range -> History   <---- covering -------
//! ```
//!
//! There is one [`MemtableWriter`], in the hands of the commit pipeline, and any number of
//! readers, which never wait for it. What readers may see is not decided here: they ignore
//! entries and range tombstones above the sequence number that the pipeline has published, and
//! everything at or below it was applied before it was published.
//!
//! Dropping the writer freezes the memtable. It lives on until it is flushed and the last reader
//! has let go of it.
//!
//! # What it does not do
//!
//! It does not apply range tombstones to entries, neither on write nor on read: a tombstone is one
//! more thing that readers ask about, in every source alike. It does not resolve references into
//! value files; it only remembers which files its entries need.

pub mod filter;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rustdb_skiplist as skiplist;
use rustdb_vfs::sync::Mutex;

use self::filter::{FilterWriter, KeyFilter};
use crate::key::{EntryKind, FileNumber, KeyspaceId, MAX_SEQUENCE, SequenceNumber};
use crate::memory::MemoryCharge;
use crate::slice::{INLINE_BYTES_MAX, Slice};
use crate::table::key_hash;
use crate::tombstone::{History, RangeTombstone};

/// The entries of some consecutive commits.
#[derive(Debug)]
pub struct Memtable {
    /// The log segment its first commit is in. Its commits are in this segment and later ones.
    first_log: FileNumber,
    list: skiplist::Reader,
    filter: KeyFilter,
    /// Set before the first tombstone, and never reset: most memtables have none.
    has_tombstones: AtomicBool,
    tombstones: ArcSwap<History>,
    /// The lowest and the highest sequence number; above the highest and zero while empty.
    min_seq: AtomicU64,
    max_seq: AtomicU64,
    /// How many entries are deletions.
    deletions: AtomicU64,
    /// How many older versions of keys iterators have stepped past.
    versions_passed: AtomicU64,
    /// The value files that entries refer to, and the bytes they refer to.
    references: Mutex<BTreeMap<FileNumber, u64>>,
    counts_at_freeze: Mutex<Option<Counts>>,
    charge: Mutex<Option<MemoryCharge>>,
}

/// So many older versions may be stepped past, however small the memtable is: about what it costs
/// to make a file.
const VERSIONS_PASSED_MIN: u64 = 1 << 16;

/// Exact numbers of keys, by keyspace.
pub type Counts = Vec<(KeyspaceId, u64)>;

/// The newest entry of a key that a reader may see.
#[derive(Clone, Copy, Debug)]
pub struct MemtableEntry<'a>(skiplist::EntryRef<'a>);

/// What was found out ahead about an entry that will be added: see [`Memtable::approach`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Approach<'a> {
    hash: u64,
    place: skiplist::Place<'a>,
}

/// The right to add to a memtable.
#[derive(Debug)]
pub struct MemtableWriter {
    list: skiplist::Writer,
    filter: FilterWriter,
    memtable: Arc<Memtable>,
    /// The memory that was counted last.
    charged_bytes: usize,
}

impl MemtableWriter {
    /// A writer with an empty memtable, whose first commit will be in the segment `first_log`.
    pub fn new(first_log: FileNumber) -> Self {
        Self::for_keys(first_log, 0)
    }

    /// As [`MemtableWriter::new`] for a memtable that will have about so many keys.
    pub(crate) fn for_keys(first_log: FileNumber, keys: u64) -> Self {
        let (writer, reader) = skiplist::new();
        let memtable = Memtable {
            first_log,
            list: reader,
            filter: KeyFilter::default(),
            has_tombstones: AtomicBool::new(false),
            tombstones: ArcSwap::from_pointee(History::new()),
            min_seq: AtomicU64::new(u64::MAX),
            max_seq: AtomicU64::new(0),
            deletions: AtomicU64::new(0),
            versions_passed: AtomicU64::new(0),
            references: Mutex::new(BTreeMap::new()),
            counts_at_freeze: Mutex::new(None),
            charge: Mutex::new(None),
        };
        Self {
            list: writer,
            filter: FilterWriter::new(keys),
            memtable: Arc::new(memtable),
            charged_bytes: 0,
        }
    }

    /// Counts the memory that the memtable takes, as long as it lives.
    pub(crate) fn with_charge(self, charge: MemoryCharge) -> Self {
        *self.memtable.charge.lock() = Some(charge);
        self
    }

    /// Brings the count up to date.
    pub(crate) fn settle_charge(&mut self) {
        let bytes = self.memtable.memory_bytes();
        if bytes != self.charged_bytes {
            self.charged_bytes = bytes;
            if let Some(charge) = &mut *self.memtable.charge.lock() {
                charge.set(bytes);
            }
        }
    }

    /// About how many different keys it has.
    pub(crate) fn keys(&self) -> u64 {
        self.filter.keys()
    }

    /// The memtable.
    pub fn memtable(&self) -> &Arc<Memtable> {
        &self.memtable
    }

    /// Adds an entry. `value` is stored as it is: for kinds that expire it begins with the
    /// expiry, for references it is a pointer. An entry with the key and sequence number of an
    /// older one takes its place, for all who have not seen that yet.
    pub fn insert(
        &mut self,
        storage_key: &[u8],
        sequence: SequenceNumber,
        kind: EntryKind,
        value: &[u8],
    ) {
        self.insert_at(None, storage_key, sequence, kind, value);
    }

    /// As [`MemtableWriter::insert`], with what may have been found out ahead. That it is of another
    /// entry, or memtable, does no harm.
    pub(crate) fn insert_at(
        &mut self,
        ahead: Option<&Approach<'_>>,
        storage_key: &[u8],
        sequence: SequenceNumber,
        kind: EntryKind,
        value: &[u8],
    ) {
        let ahead = ahead.filter(|ahead| ahead.place.key() == storage_key);
        let hash = ahead.map_or_else(|| key_hash(storage_key), |ahead| ahead.hash);
        // Before the entry, so that nobody who could see the entry passes it by.
        self.filter.add(&self.memtable.filter, hash);
        let place = ahead.map(|ahead| &ahead.place);
        self.list
            .insert_at(place, storage_key, sequence, kind as u8, value);
        if kind == EntryKind::Delete {
            add(&self.memtable.deletions, 1);
        }
        self.note(sequence);
    }

    /// Adds a range tombstone over `[start, end)`, storage keys both. Entries of commits before
    /// `sequence` are deleted; those of this commit are not.
    ///
    /// Panics if an earlier tombstone has a higher sequence number.
    pub fn delete_range(&mut self, start: &[u8], end: &[u8], sequence: SequenceNumber) {
        let tombstones = self.memtable.tombstones.load();
        let more = tombstones.with(RangeTombstone::new(start, end, sequence));
        self.memtable.tombstones.store(Arc::new(more));
        self.memtable.has_tombstones.store(true, Ordering::Release);
        self.note(sequence);
    }

    /// Remembers that an entry refers to `bytes` bytes of a value file.
    pub fn reference(&mut self, file: FileNumber, bytes: u64) {
        *self.memtable.references.lock().entry(file).or_default() += bytes;
    }

    fn note(&self, sequence: SequenceNumber) {
        let Memtable {
            min_seq, max_seq, ..
        } = &*self.memtable;
        if sequence < min_seq.load(Ordering::Relaxed) {
            min_seq.store(sequence, Ordering::Relaxed);
        }
        if sequence > max_seq.load(Ordering::Relaxed) {
            max_seq.store(sequence, Ordering::Release);
        }
    }
}

/// Adds to a counter that has one writer.
fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
}

impl Memtable {
    /// Whether there may be an entry of a key with this [`key_hash`]. If not, there is none at or
    /// below the sequence number that was visible before the call.
    #[inline]
    pub fn may_contain(&self, hash: u64) -> bool {
        self.filter.may_contain(hash)
    }

    /// Asks the processor to load what tells whether a key with this hash may be there.
    #[inline]
    pub fn prefetch_filter(&self, hash: u64) {
        self.filter.prefetch(hash);
    }

    /// The newest entry of a key that is not newer than `at`. Range tombstones are not looked at;
    /// see [`Memtable::covering`].
    #[inline]
    pub fn get(&self, storage_key: &[u8], at: SequenceNumber) -> Option<MemtableEntry<'_>> {
        self.list.get(storage_key, at).map(MemtableEntry)
    }

    /// The newest range tombstone not above `at` that covers a key. It deletes the entries below
    /// it, here and in older sources.
    #[inline]
    pub fn covering(&self, storage_key: &[u8], at: SequenceNumber) -> Option<SequenceNumber> {
        if !self.has_tombstones() {
            return None;
        }
        self.tombstones.load().covering(storage_key, at)
    }

    /// The range tombstones so far.
    pub fn tombstones(&self) -> History {
        if !self.has_tombstones() {
            return History::new();
        }
        History::clone(&self.tombstones.load())
    }

    /// Whether there are range tombstones.
    #[inline]
    pub fn has_tombstones(&self) -> bool {
        self.has_tombstones.load(Ordering::Acquire)
    }

    /// Finds where an entry of a key will be added, and asks the processor to load what that will
    /// look at. `sequence` is the entry's, or [`MAX_SEQUENCE`] as long as
    /// that is not known.
    #[inline]
    pub(crate) fn approach<'a>(
        &'a self,
        storage_key: &'a [u8],
        sequence: SequenceNumber,
    ) -> Approach<'a> {
        let hash = key_hash(storage_key);
        self.filter.prefetch(hash);
        Approach {
            hash,
            place: self.list.approach(storage_key, sequence),
        }
    }

    /// A cursor over the entries, before the first.
    pub fn cursor(&self) -> skiplist::Cursor {
        self.list.cursor()
    }

    /// The number of entries, range tombstones not among them.
    pub fn entries(&self) -> u64 {
        self.list.len() as u64
    }

    /// Adds to the older versions of keys that iterators have stepped past. Returns whether a
    /// flush would have been the cheaper way: they are more than the entries, and many.
    pub fn pass_versions(&self, count: u64) -> bool {
        let before = self.versions_passed.fetch_add(count, Ordering::Relaxed);
        let limit = self.versions_passed_max();
        before < limit && before + count >= limit
    }

    /// Whether [`Memtable::pass_versions`] has returned `true`.
    pub fn is_worn(&self) -> bool {
        self.versions_passed.load(Ordering::Relaxed) >= self.versions_passed_max()
    }

    fn versions_passed_max(&self) -> u64 {
        self.entries().max(VERSIONS_PASSED_MIN)
    }

    /// How many entries are deletions.
    pub fn deletions(&self) -> u64 {
        self.deletions.load(Ordering::Relaxed)
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && !self.has_tombstones()
    }

    /// The lowest sequence number, or `u64::MAX` while empty.
    pub fn min_seq(&self) -> SequenceNumber {
        self.min_seq.load(Ordering::Relaxed)
    }

    /// The highest sequence number, or zero while empty.
    pub fn max_seq(&self) -> SequenceNumber {
        self.max_seq.load(Ordering::Acquire)
    }

    /// The log segment of the first commit.
    pub fn first_log(&self) -> FileNumber {
        self.first_log
    }

    /// Bytes that entries and tombstones take, overhead included: what decides on a flush.
    pub fn used_bytes(&self) -> usize {
        self.list.used_bytes() + self.filter.memory_bytes() + self.tombstone_bytes()
    }

    /// Bytes taken from the system: what counts against a budget. Above
    /// [`Memtable::used_bytes`] by the untouched rest of the last chunk.
    pub fn memory_bytes(&self) -> usize {
        self.list.memory_bytes() + self.filter.memory_bytes() + self.tombstone_bytes()
    }

    fn tombstone_bytes(&self) -> usize {
        if self.has_tombstones() {
            self.tombstones.load().memory_bytes()
        } else {
            0
        }
    }

    /// The value files that entries refer to, with the bytes they refer to, ascending.
    pub fn references(&self) -> Vec<(FileNumber, u64)> {
        self.references
            .lock()
            .iter()
            .map(|(&file, &bytes)| (file, bytes))
            .collect()
    }

    /// Whether an entry or a tombstone lies in the storage keys from `lower` to `upper`, both
    /// included.
    pub fn overlaps(&self, lower: &[u8], upper: &[u8]) -> bool {
        let mut cursor = self.cursor();
        cursor.seek(lower, MAX_SEQUENCE);
        (cursor.valid() && cursor.key() <= upper) || self.tombstones().overlaps(lower, upper)
    }

    /// Roughly how many entries lie in `[lower, upper)`, from a sample of them.
    pub fn count_between(&self, lower: &[u8], upper: &[u8]) -> u64 {
        self.list.approximate_count(lower, upper) as u64
    }

    /// Exact numbers of keys as of the last commit, once they are known.
    pub fn counts_at_freeze(&self) -> Option<Counts> {
        self.counts_at_freeze.lock().clone()
    }

    /// Notes the exact numbers of keys as of the last commit. For whoever freezes the memtable.
    pub fn set_counts_at_freeze(&self, counts: Counts) {
        *self.counts_at_freeze.lock() = Some(counts);
    }
}

impl<'a> MemtableEntry<'a> {
    /// The sequence number.
    pub fn seq(&self) -> SequenceNumber {
        self.0.seq()
    }

    /// The kind.
    pub fn kind(&self) -> EntryKind {
        known_kind(self.0.kind())
    }

    /// The value as it was inserted.
    pub fn value(&self) -> &'a [u8] {
        self.0.value()
    }

    /// The value as it was inserted, owned without being copied.
    pub fn slice(&self) -> Slice {
        if self.value().len() <= INLINE_BYTES_MAX {
            return Slice::copy_from(self.value());
        }
        self.0.pin().into()
    }
}

/// The kind of an entry that came out of a memtable.
pub(crate) fn known_kind(number: u8) -> EntryKind {
    EntryKind::from_u8(number).expect("only kinds go into a memtable")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer() -> MemtableWriter {
        MemtableWriter::new(FileNumber(7))
    }

    #[test]
    fn a_deleted_key_is_a_deletion_for_readers_after_it() {
        let mut writer = writer();
        writer.insert(b"key", 3, EntryKind::Put, b"value");
        writer.insert(b"key", 5, EntryKind::Delete, b"");
        let memtable = writer.memtable();
        assert!(memtable.get(b"key", 2).is_none());
        let put = memtable.get(b"key", 4).expect("visible from 3 on");
        assert_eq!(
            (put.seq(), put.kind(), put.value()),
            (3, EntryKind::Put, &b"value"[..])
        );
        assert_eq!(
            memtable.get(b"key", 5).expect("deleted").kind(),
            EntryKind::Delete
        );
        assert_eq!((memtable.entries(), memtable.deletions()), (2, 1));
        assert_eq!((memtable.min_seq(), memtable.max_seq()), (3, 5));
    }

    #[test]
    fn the_later_write_of_one_commit_wins() {
        let mut writer = writer();
        writer.insert(b"key", 3, EntryKind::Put, b"first");
        writer.insert(b"key", 3, EntryKind::Put, b"second");
        assert_eq!(
            writer.memtable().get(b"key", 3).expect("put").value(),
            b"second"
        );
    }

    #[test]
    fn range_deletions_cover_what_came_before() {
        let mut writer = writer();
        let memtable = writer.memtable().clone();
        assert!(memtable.is_empty() && memtable.tombstones().is_empty());
        writer.delete_range(b"b", b"d", 4);
        assert!(!memtable.is_empty());
        assert_eq!(memtable.covering(b"c", 3), None);
        assert_eq!(memtable.covering(b"c", 4), Some(4));
        assert_eq!(memtable.covering(b"d", 4), None);
        assert_eq!(memtable.max_seq(), 4);
    }

    #[test]
    fn overlap_includes_tombstones_and_both_bounds() {
        let mut writer = writer();
        writer.insert(b"c", 1, EntryKind::Put, b"");
        writer.delete_range(b"f", b"h", 2);
        let memtable = writer.memtable();
        let overlaps =
            |lower: &str, upper: &str| memtable.overlaps(lower.as_bytes(), upper.as_bytes());
        assert!(overlaps("a", "c") && overlaps("c", "c") && overlaps("c", "d"));
        assert!(overlaps("d", "f") && overlaps("g", "g") && overlaps("a", "z"));
        assert!(!overlaps("a", "b") && !overlaps("d", "e") && !overlaps("h", "i"));
    }

    #[test]
    fn references_add_up_by_file() {
        let mut writer = writer();
        writer.reference(FileNumber(9), 10);
        writer.reference(FileNumber(8), 1);
        writer.reference(FileNumber(9), 5);
        let expected = vec![(FileNumber(8), 1), (FileNumber(9), 15)];
        assert_eq!(writer.memtable().references(), expected);
    }

    /// Row 2.4: the size that decides on a flush is the size in memory.
    #[test]
    fn used_bytes_are_within_a_fifth_of_the_truth() {
        for (count, value_bytes) in [(30_000, 10), (10_000, 150), (100, 100_000), (20, 900_000)] {
            let mut writer = writer();
            let value = vec![1; value_bytes];
            for n in 0..count as u64 {
                writer.insert(
                    &(n * 7_919 % count as u64).to_be_bytes(),
                    n,
                    EntryKind::Put,
                    &value,
                );
            }
            let memtable = writer.memtable();
            // Besides key and value an entry takes a header and its share of the nodes.
            let truth = count * (8 + value_bytes + 16 + 40);
            let used = memtable.used_bytes();
            assert!(
                used * 5 >= truth * 4 && used * 5 <= truth * 6,
                "{used} for {truth}"
            );
            assert!(memtable.memory_bytes() >= used);
        }
    }
}
