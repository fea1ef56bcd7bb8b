//! Version edits: what one change of the set of files says.
//!
//! An edit takes the database from one version to the next, whole or not at all. Folding all
//! edits of a manifest, from its first, a snapshot of everything, gives the current version.
//!
//! The types here are data; `state` folds them and `codec` puts them into bytes.

use std::sync::Arc;

use crate::key::{FileNumber, KeyspaceId, SequenceNumber};

/// How many levels the tree has.
pub const LEVELS: usize = 7;

/// A change of the set of files and of the counters that go with it.
///
/// Within an edit removals come before additions, so a table moves between levels by being
/// removed and added under its number. Counters that are `None` stay as they were.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VersionEdit {
    /// Tables that are no longer part of the tree.
    pub removed: Vec<FileNumber>,
    /// Tables that become part of the tree.
    pub added: Vec<AddedTable>,
    /// Value files nothing refers to any more.
    pub value_files_removed: Vec<FileNumber>,
    /// Value files that tables or log records may refer to from now on.
    pub value_files_added: Vec<ValueFileMeta>,
    /// No file with this number or a higher one exists yet.
    pub next_file_number: Option<FileNumber>,
    /// No commit has a higher sequence number than this, or than one in the log.
    pub last_sequence: Option<SequenceNumber>,
    /// No keyspace with this id or a higher one was ever created.
    pub next_keyspace: Option<KeyspaceId>,
    /// No run with this id or a higher one was ever created.
    pub next_run: Option<u64>,
    /// Log segments below this one are dead.
    pub wal_floor: Option<FileNumber>,
    /// All commits up to this one are in tables.
    pub flushed_sequence: Option<SequenceNumber>,
    /// Where closed log segments end; recovery demands exactly this much of them.
    pub wal_ends: Vec<(FileNumber, u64)>,
    /// The exact number of keys of each counted keyspace, as of the flushed sequence.
    pub counts: Option<Vec<(KeyspaceId, u64)>>,
}

/// A table and its place in the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct AddedTable {
    /// The level, below [`LEVELS`].
    pub level: u8,
    /// The run within the level; the tables of a run do not overlap.
    pub run: u64,
    /// The table.
    pub meta: Arc<TableMeta>,
}

/// What is known about a table without opening it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableMeta {
    /// Its number, which names the file.
    pub number: FileNumber,
    /// The length of the file.
    pub file_bytes: u64,
    /// xxh3-128 of the whole file, for scrubbing and backups.
    pub checksum: u128,
    /// The smallest storage key, of entries and of range tombstones' starts.
    pub smallest: Box<[u8]>,
    /// The largest storage key of entries, or the (exclusive) end of a range tombstone if that is
    /// larger.
    pub largest: Box<[u8]>,
    /// Whether `largest` is such an end, so that the table says nothing about that key itself.
    /// The next table of the run may then begin with it.
    pub largest_exclusive: bool,
    /// How many entries it holds, deletions included.
    pub entries: u64,
    /// How many of the entries are deletions.
    pub tombstones: u64,
    /// How many entries have a newer entry of the same key in this table.
    pub shadowed: u64,
    /// How many range tombstones it holds.
    pub range_tombstones: u64,
    /// The lowest sequence number of its entries and range tombstones.
    pub min_seq: SequenceNumber,
    /// The highest sequence number of its entries and range tombstones.
    pub max_seq: SequenceNumber,
    /// If given, the sequence number that all entries have, whatever the file says: the table was
    /// written before its commit had one.
    pub sequence_override: Option<SequenceNumber>,
    /// How many entries expire.
    pub expiring: u64,
    /// The earliest expiry of an entry, in microseconds since the Unix epoch; `None` if no entry
    /// expires.
    pub oldest_expiry: Option<u64>,
    /// The latest expiry of an entry.
    pub newest_expiry: Option<u64>,
    /// The bytes of value files that its entries refer to, by file, ascending.
    pub value_refs: Vec<(FileNumber, u64)>,
    /// The length of all storage keys, before compression.
    pub raw_key_bytes: u64,
    /// The length of all values, before compression; references count as references.
    pub raw_value_bytes: u64,
    /// When it was written, in microseconds since the Unix epoch.
    pub created_micros: u64,
    /// The data key that seals it; zero in a plain database.
    pub data_key_id: u32,
}

/// What is known about a value file without opening it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValueFileMeta {
    /// Its number, which names the file.
    pub number: FileNumber,
    /// The length of the file.
    pub file_bytes: u64,
    /// How many values were written to it.
    pub values: u64,
    /// The length of these values. What is still live follows from the tables' references.
    pub value_bytes: u64,
    /// When it was written, in microseconds since the Unix epoch.
    pub created_micros: u64,
    /// The data key that seals it; zero in a plain database.
    pub data_key_id: u32,
}
