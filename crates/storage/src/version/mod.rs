//! Versions: which tables and value files make up the tree at one moment.
//!
//! ```text
//! level 0   [run 9][run 8][run 7]      flushed and ingested runs, newest first
//! level 1   (empty)
//!   ...
//! level 5   [ table | table | table ]  one run, or a few when tiering
//! level 6   [ table | table | table | table | table ]
//! ```
//!
//! A [`Version`] is immutable; an edit makes the next one, which shares all that stays. Readers
//! hold a version and with it the files in it, see [`TableHandle`].
//!
//! Invariants, which [`Version::apply`] checks where it can:
//! * The tables of a run do not overlap, and a key has all its versions of the run in one table.
//! * Of any key, a run holds newer entries and range tombstones than every run after it: runs of
//!   a level stand in the order of their sequence numbers, levels in the order of their numbers.
//! * Every reference counted in a table is to a value file of the version.
//!
//! What is newer than all tables (memtables) is not here, nor is the decision what to merge.

mod bounds;
mod handle;
mod run;
mod run_tables;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use bounds::KeyBounds;
pub use handle::{TableHandle, TreeFiles, ValueFileHandle};
pub use run::Run;
pub use run_tables::RunTables;

use crate::error::{Error, Result};
use crate::key::FileNumber;
use crate::manifest::{LEVELS, TableMeta, VersionEdit};

/// The tables and value files of the tree at one moment.
#[derive(Clone, Debug)]
pub struct Version {
    levels: [Level; LEVELS],
    /// The runs of levels 1 and below, newest first.
    deeper: Vec<Arc<Run>>,
    values: BTreeMap<FileNumber, ValueEntry>,
}

/// The runs of a level, newest first.
#[derive(Clone, Debug, Default)]
pub struct Level {
    runs: Vec<Arc<Run>>,
}

/// A value file, and how much of it tables refer to.
#[derive(Clone, Debug)]
pub struct ValueEntry {
    /// The file.
    pub handle: Arc<ValueFileHandle>,
    /// The length of the values in it that tables refer to. Memtables may refer to more.
    pub live_bytes: u64,
}

impl Default for Version {
    fn default() -> Self {
        Self::empty()
    }
}

impl Version {
    /// A tree without tables.
    pub fn empty() -> Self {
        Self {
            levels: Default::default(),
            deeper: Vec::new(),
            values: BTreeMap::new(),
        }
    }

    /// The version after this one. This one stays as it is.
    ///
    /// An edit that would break an invariant of the tree is `InvalidArgument`: it removes a table
    /// that is not there, adds one that overlaps its run, or refers to an unknown value file.
    pub fn apply(&self, edit: &VersionEdit, files: &TreeFiles) -> Result<Version> {
        let (levels, removed) = self.changed_levels(edit, files)?;
        let values = self.changed_values(edit, files, &removed)?;
        let deeper = levels[1..].iter().flat_map(|level| level.runs.iter());
        Ok(Version {
            deeper: deeper.cloned().collect(),
            levels,
            values,
        })
    }

    /// Lets the files that `edit` removed be unlinked when their last reader has gone. To be
    /// called on the version before the edit, once the manifest holds the edit durably.
    pub fn retire(&self, edit: &VersionEdit) {
        let moved: BTreeSet<_> = edit.added.iter().map(|added| added.meta.number).collect();
        let removed: BTreeSet<_> = edit.removed.iter().copied().collect();
        if !removed.is_empty() {
            self.tables()
                .filter(|table| removed.contains(&table.meta().number))
                .filter(|table| !moved.contains(&table.meta().number))
                .for_each(|table| table.retire());
        }
        for file in &edit.value_files_removed {
            if let Some(entry) = self.values.get(file) {
                entry.handle.retire();
            }
        }
    }

    /// One level, below [`LEVELS`].
    pub fn level(&self, level: usize) -> &Level {
        &self.levels[level]
    }

    /// All levels, the youngest first.
    pub fn levels(&self) -> &[Level; LEVELS] {
        &self.levels
    }

    /// The runs of levels 1 and below, newest first.
    pub fn deeper_runs(&self) -> &[Arc<Run>] {
        &self.deeper
    }

    /// All tables.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableHandle>> {
        let runs = self.levels.iter().flat_map(|level| &level.runs);
        runs.flat_map(|run| run.tables())
    }

    /// Opens the tables that have range tombstones, so that decisions see these; a table is
    /// opened once.
    pub fn load_tombstones(&self) -> Result<()> {
        let mut tables = self.tables().filter(|t| t.meta().range_tombstones > 0);
        tables.try_for_each(|table| table.table().map(|_| ()))
    }

    /// Whether any table overlaps `bounds`.
    pub fn overlaps(&self, bounds: KeyBounds<'_>) -> bool {
        let mut levels = self.levels.iter();
        levels.any(|level| level.overlaps(bounds))
    }

    /// The length of all tables.
    pub fn table_bytes(&self) -> u64 {
        self.levels.iter().map(Level::bytes).sum()
    }

    /// The value files, by number.
    pub fn value_files(&self) -> &BTreeMap<FileNumber, ValueEntry> {
        &self.values
    }

    /// Value files that no table refers to. Whether a memtable or a commit in flight does is for
    /// the engine to know.
    pub fn unreferenced_value_files(&self) -> impl Iterator<Item = FileNumber> {
        let entries = self.values.iter();
        entries.filter(|(_, e)| e.live_bytes == 0).map(|(n, _)| *n)
    }

    /// The value files after the edit, and what of them is referred to.
    fn changed_values(
        &self,
        edit: &VersionEdit,
        files: &TreeFiles,
        removed: &[Arc<TableHandle>],
    ) -> Result<BTreeMap<FileNumber, ValueEntry>> {
        let mut values = self.values.clone();
        for meta in &edit.value_files_added {
            // A file may be added again, with the length it has grown to. Edits may come in
            // another order than they were drawn up in.
            let (handle, live_bytes) = match values.get(&meta.number) {
                Some(entry) if entry.handle.meta().file_bytes >= meta.file_bytes => continue,
                Some(entry) => (entry.handle.grown(meta.clone()), entry.live_bytes),
                None => (files.value_file(meta.clone()), 0),
            };
            values.insert(meta.number, ValueEntry { handle, live_bytes });
        }
        for (file, bytes) in removed.iter().flat_map(|table| &table.meta().value_refs) {
            let entry = values.get_mut(file).ok_or_else(|| unknown_value(*file))?;
            entry.live_bytes = entry.live_bytes.saturating_sub(*bytes);
        }
        for (file, bytes) in edit.added.iter().flat_map(|t| &t.meta.value_refs) {
            let entry = values.get_mut(file).ok_or_else(|| unknown_value(*file))?;
            entry.live_bytes += bytes;
        }
        for file in &edit.value_files_removed {
            match values.remove(file) {
                Some(entry) if entry.live_bytes == 0 => {}
                Some(_) => return Err(invalid(format!("value file {file:?} is still in use"))),
                None => return Err(unknown_value(*file)),
            }
        }
        Ok(values)
    }

    /// The runs of each level after the edit, and the tables it removes. Levels it does not touch
    /// are shared.
    fn changed_levels(
        &self,
        edit: &VersionEdit,
        files: &TreeFiles,
    ) -> Result<([Level; LEVELS], Vec<Arc<TableHandle>>)> {
        let mut levels = self.levels.clone();
        let mut gone: BTreeSet<FileNumber> = edit.removed.iter().copied().collect();
        let mut removed = Vec::new();
        // Runs that change, as lists of tables, by level and run id.
        let mut changed: BTreeMap<(usize, u64), Vec<Arc<TableHandle>>> = BTreeMap::new();
        for (number, level) in levels.iter_mut().enumerate() {
            level.runs.retain(|run| {
                let loses = run.tables().iter().any(|t| gone.contains(&t.meta().number));
                let gains = edit
                    .added
                    .iter()
                    .any(|added| usize::from(added.level) == number && added.run == run.id());
                if loses || gains {
                    let (lost, kept) = run
                        .tables()
                        .iter()
                        .cloned()
                        .partition::<Vec<_>, _>(|t| gone.remove(&t.meta().number));
                    removed.extend(lost);
                    changed.insert((number, run.id()), kept);
                }
                !(loses || gains)
            });
        }
        if let Some(number) = gone.first() {
            return Err(invalid(format!("table {number:?} is not in the tree")));
        }
        let present: BTreeSet<FileNumber> = edit.added.iter().map(|a| a.meta.number).collect();
        let kept = levels.iter().flat_map(|level| &level.runs);
        let kept = kept
            .flat_map(|run| run.tables())
            .chain(changed.values().flatten());
        if let Some(twice) = kept.map(|t| t.meta().number).find(|n| present.contains(n)) {
            return Err(invalid(format!("table {twice:?} is in the tree already")));
        }
        for added in &edit.added {
            let level = usize::from(added.level);
            if level >= LEVELS {
                return Err(invalid(format!("there is no level {level}")));
            }
            let handle = handle_of(&added.meta, &removed, files)?;
            changed.entry((level, added.run)).or_default().push(handle);
        }
        for ((level, id), tables) in changed {
            if !tables.is_empty() {
                levels[level].runs.push(Arc::new(Run::new(id, tables)?));
            }
        }
        for level in &mut levels {
            level
                .runs
                .sort_by_key(|run| std::cmp::Reverse((run.max_seq(), run.id())));
        }
        Ok((levels, removed))
    }
}

/// The handle of an added table. A table that only moves keeps the one it had.
fn handle_of(
    meta: &Arc<TableMeta>,
    removed: &[Arc<TableHandle>],
    files: &TreeFiles,
) -> Result<Arc<TableHandle>> {
    match removed
        .iter()
        .find(|table| table.meta().number == meta.number)
    {
        None => Ok(files.table(meta.clone())),
        Some(table) if table.meta() == meta => Ok(table.clone()),
        Some(_) => Err(invalid(format!(
            "table {:?} changes as it moves",
            meta.number
        ))),
    }
}

impl Level {
    /// The runs, newest first.
    pub fn runs(&self) -> &[Arc<Run>] {
        &self.runs
    }

    /// The length of all tables.
    pub fn bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.bytes()).sum()
    }

    /// Whether a table of the level overlaps `bounds`.
    pub fn overlaps(&self, bounds: KeyBounds<'_>) -> bool {
        let mut runs = self.runs.iter();
        runs.any(|run| !run.overlapping(bounds).is_empty())
    }
}

fn invalid(message: String) -> Error {
    Error::InvalidArgument(message)
}

fn unknown_value(file: FileNumber) -> Error {
    invalid(format!("value file {file:?} is not in the tree"))
}
