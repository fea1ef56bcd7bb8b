//! What a manifest adds up to: the files of the database and its counters.
//!
//! Folding checks what no correct run of edits can violate, so that an edit written by a bug, or
//! a manifest pieced together by hand, is noticed before files are deleted because of it:
//!
//! - a table has one place in the tree, and a number stands for one value file, which only grows;
//! - what is removed was there;
//! - the tables of a run do not overlap;
//! - a closed log segment has one end.
//!
//! Counters only grow. Edits may carry older values of them than edits before, because they are
//! drawn up concurrently; the highest counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::edit::{AddedTable, LEVELS, TableMeta, ValueFileMeta, VersionEdit};
use crate::key::{FileNumber, KeyspaceId, SequenceNumber};

/// The tables of one run, ascending by key.
pub type RunTables = Vec<Arc<TableMeta>>;

/// The files of the database and its counters at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestState {
    /// The runs of each level, by id.
    levels: [BTreeMap<u64, RunTables>; LEVELS],
    /// Where each table is: level and run.
    places: HashMap<FileNumber, (u8, u64)>,
    value_files: BTreeMap<FileNumber, ValueFileMeta>,
    wal_ends: BTreeMap<FileNumber, u64>,
    counts: Vec<(KeyspaceId, u64)>,
    /// No file with this number or a higher one exists yet.
    pub next_file_number: FileNumber,
    /// No commit outside the log has a higher sequence number.
    pub last_sequence: SequenceNumber,
    /// No keyspace with this id or a higher one was ever created.
    pub next_keyspace: KeyspaceId,
    /// No run with this id or a higher one was ever created.
    pub next_run: u64,
    /// Log segments below this one are dead.
    pub wal_floor: FileNumber,
    /// All commits up to this one are in tables.
    pub flushed_sequence: SequenceNumber,
}

/// An edit that does not fit the state before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoldError {
    /// A table is added that is there already.
    TableTwice(FileNumber),
    /// A table is removed that is not there.
    NoSuchTable(FileNumber),
    /// A table is added to a level that does not exist.
    NoSuchLevel(FileNumber, u8),
    /// A table is added to a run in which this other table overlaps it.
    Overlap(FileNumber, FileNumber),
    /// A value file is added that is there already, sealed by another key.
    ValueFileTwice(FileNumber),
    /// A value file is removed that is not there.
    NoSuchValueFile(FileNumber),
    /// A log segment is given a second, different end.
    TwoEnds(FileNumber),
}

impl std::fmt::Display for FoldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FoldError::TableTwice(n) => write!(f, "table {n:?} is added twice"),
            FoldError::NoSuchTable(n) => write!(f, "table {n:?} is removed but is not there"),
            FoldError::NoSuchLevel(n, level) => {
                write!(
                    f,
                    "table {n:?} is added to level {level}, which does not exist"
                )
            }
            FoldError::Overlap(n, other) => {
                write!(f, "table {n:?} overlaps table {other:?} of the same run")
            }
            FoldError::ValueFileTwice(n) => write!(f, "value file {n:?} is added twice"),
            FoldError::NoSuchValueFile(n) => {
                write!(f, "value file {n:?} is removed but is not there")
            }
            FoldError::TwoEnds(n) => write!(f, "log segment {n:?} has two different ends"),
        }
    }
}

impl std::error::Error for FoldError {}

impl Default for ManifestState {
    /// The state of an empty database.
    fn default() -> Self {
        Self {
            levels: Default::default(),
            places: HashMap::new(),
            value_files: BTreeMap::new(),
            wal_ends: BTreeMap::new(),
            counts: Vec::new(),
            next_file_number: FileNumber(1),
            last_sequence: 0,
            next_keyspace: KeyspaceId(KeyspaceId::DEFAULT.0 + 1),
            next_run: 1,
            wal_floor: FileNumber(1),
            flushed_sequence: 0,
        }
    }
}

impl ManifestState {
    /// Folds an edit in. After an error the state is in between and must not be used.
    pub fn apply(&mut self, edit: &VersionEdit) -> Result<(), FoldError> {
        for number in &edit.removed {
            self.remove_table(*number)?;
        }
        for table in &edit.added {
            self.add_table(table)?;
        }
        for number in &edit.value_files_removed {
            self.value_files
                .remove(number)
                .ok_or(FoldError::NoSuchValueFile(*number))?;
        }
        for file in &edit.value_files_added {
            self.add_value_file(file)?;
        }
        raise(&mut self.next_file_number, edit.next_file_number);
        raise(&mut self.last_sequence, edit.last_sequence);
        raise(&mut self.next_keyspace, edit.next_keyspace);
        raise(&mut self.next_run, edit.next_run);
        raise(&mut self.wal_floor, edit.wal_floor);
        raise(&mut self.flushed_sequence, edit.flushed_sequence);
        for (number, end) in &edit.wal_ends {
            if *self.wal_ends.entry(*number).or_insert(*end) != *end {
                return Err(FoldError::TwoEnds(*number));
            }
        }
        self.wal_ends = self.wal_ends.split_off(&self.wal_floor);
        if let Some(counts) = &edit.counts {
            self.counts.clone_from(counts);
        }
        Ok(())
    }

    /// The edit that leads from an empty database to this state.
    pub fn to_snapshot(&self) -> VersionEdit {
        VersionEdit {
            removed: Vec::new(),
            added: self
                .tables()
                .map(|(level, run, meta)| AddedTable {
                    level,
                    run,
                    meta: Arc::clone(meta),
                })
                .collect(),
            value_files_removed: Vec::new(),
            value_files_added: self.value_files.values().cloned().collect(),
            next_file_number: Some(self.next_file_number),
            last_sequence: Some(self.last_sequence),
            next_keyspace: Some(self.next_keyspace),
            next_run: Some(self.next_run),
            wal_floor: Some(self.wal_floor),
            flushed_sequence: Some(self.flushed_sequence),
            wal_ends: self
                .wal_ends
                .iter()
                .map(|(number, end)| (*number, *end))
                .collect(),
            counts: Some(self.counts.clone()),
        }
    }

    /// The runs of a level, by id.
    pub fn runs(&self, level: usize) -> &BTreeMap<u64, RunTables> {
        &self.levels[level]
    }

    /// All tables with their level and run.
    pub fn tables(&self) -> impl Iterator<Item = (u8, u64, &Arc<TableMeta>)> {
        (0_u8..).zip(&self.levels).flat_map(|(level, runs)| {
            runs.iter()
                .flat_map(move |(run, tables)| tables.iter().map(move |t| (level, *run, t)))
        })
    }

    /// How many tables there are.
    pub fn table_count(&self) -> usize {
        self.places.len()
    }

    /// Whether the table is part of the tree.
    pub fn has_table(&self, number: FileNumber) -> bool {
        self.places.contains_key(&number)
    }

    /// The value files, by number.
    pub fn value_files(&self) -> &BTreeMap<FileNumber, ValueFileMeta> {
        &self.value_files
    }

    /// Where the closed log segments that are still alive end.
    pub fn wal_ends(&self) -> &BTreeMap<FileNumber, u64> {
        &self.wal_ends
    }

    /// The number of keys of each counted keyspace as of the flushed sequence.
    pub fn counts(&self) -> &[(KeyspaceId, u64)] {
        &self.counts
    }

    fn add_table(&mut self, table: &AddedTable) -> Result<(), FoldError> {
        let number = table.meta.number;
        let Some(level) = self.levels.get_mut(usize::from(table.level)) else {
            return Err(FoldError::NoSuchLevel(number, table.level));
        };
        if self
            .places
            .insert(number, (table.level, table.run))
            .is_some()
        {
            return Err(FoldError::TableTwice(number));
        }
        let run = level.entry(table.run).or_default();
        let position = run.partition_point(|other| other.smallest < table.meta.smallest);
        let before = position.checked_sub(1).map(|index| &run[index]);
        if let Some(before) = before
            && !is_before(before, &table.meta)
        {
            return Err(FoldError::Overlap(number, before.number));
        }
        if let Some(after) = run.get(position)
            && !is_before(&table.meta, after)
        {
            return Err(FoldError::Overlap(number, after.number));
        }
        run.insert(position, Arc::clone(&table.meta));
        self.file_exists(number);
        raise(&mut self.next_run, Some(table.run.saturating_add(1)));
        Ok(())
    }

    /// Adds a value file, or takes note that it has grown: a file that is still written to is
    /// added again by every edit that brings references to it. These edits may come in another
    /// order than they were drawn up in.
    fn add_value_file(&mut self, file: &ValueFileMeta) -> Result<(), FoldError> {
        let known = self
            .value_files
            .entry(file.number)
            .or_insert_with(|| file.clone());
        if known.data_key_id != file.data_key_id {
            return Err(FoldError::ValueFileTwice(file.number));
        }
        if known.file_bytes < file.file_bytes {
            known.clone_from(file);
        }
        self.file_exists(file.number);
        Ok(())
    }

    fn remove_table(&mut self, number: FileNumber) -> Result<(), FoldError> {
        let (level, run_id) = self
            .places
            .remove(&number)
            .ok_or(FoldError::NoSuchTable(number))?;
        let level = &mut self.levels[usize::from(level)];
        let run = level
            .get_mut(&run_id)
            .expect("a table's place names its run");
        run.retain(|table| table.number != number);
        if run.is_empty() {
            level.remove(&run_id);
        }
        Ok(())
    }

    fn file_exists(&mut self, number: FileNumber) {
        raise(
            &mut self.next_file_number,
            Some(FileNumber(number.0.saturating_add(1))),
        );
    }
}

/// Whether all keys of `left` are below those of `right`.
fn is_before(left: &TableMeta, right: &TableMeta) -> bool {
    if left.largest_exclusive {
        left.smallest < right.smallest && left.largest <= right.smallest
    } else {
        left.largest < right.smallest
    }
}

fn raise<T: PartialOrd>(counter: &mut T, value: Option<T>) {
    if let Some(value) = value
        && value > *counter
    {
        *counter = value;
    }
}
