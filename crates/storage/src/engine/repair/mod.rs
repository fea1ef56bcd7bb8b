//! Repair: makes a database of what can be read in a directory that does not open.
//!
//! ```text
//! files ─▶ whose they are ─▶ manifest, if it reads ──────────────┐
//!              log ─▶ commits ─▶ tables ─▶┐                      ▼
//!              tables ─▶ sound or salvaged ─▶ settle level 0 ─▶ new state
//!              value files ─▶ sound, or their values moved ─▶┘   │
//!                     old files linked into lost-and-found ◀─────┤
//!                                   new manifest, CURRENT ◀──────┘
//! ```
//!
//! Everything new is written beside what is there, under new numbers. Then the files that will
//! not be used get a second name in `lost-and-found/N`, then the new manifest takes over by
//! replacing `CURRENT`, and only then do the old names go. So a repair that fails or crashes before
//! leaves all that was there, and can be run again.
//!
//! What is promised: everything undamaged is kept, and what is dropped is reported. Not promised:
//! that the result is a state the database ever had. Where a block is lost, older values of its
//! keys may come back; where records of the log are lost, later commits are kept all the same
//! (their durability was promised too) and the hole is reported. Without a manifest nobody knows
//! which tables had been replaced by others, so deleted data may come back. And of an encrypted
//! database, files in `lost-and-found` can be read only as long as the ring has their data key; one
//! that no file of the database itself needs leaves at the next start.

mod logs;
mod lost;
mod report;
mod settle;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustdb_vfs::VfsRef;

pub use report::RepairReport;

use crate::compaction::TableProfiles;
use crate::engine::{Bounds, CommitContext, open};
use crate::engine::{Durability, Engine, EngineOptions, Problem, ReadAt};
use crate::envelope::{FileHeader, Security};
use crate::error::{Error, Rejection, Result};
use crate::key::{FileNumber, KeyspaceId, SequenceNumber, split_storage_key};
use crate::keyring;
use crate::manifest::{AddedTable, Current, Manifest, ManifestState, TableMeta, VersionEdit};
use crate::names::{self, FileName};
use crate::table::{TableOptions, TableStore, TableStoreOptions};
use crate::value::{FileNumbers, ValueOptions, ValueStore, ValueWriter};
use tables::Values;

/// Repairs the database in `directory` as far as possible, and leaves it closed. The options are
/// those it is opened with otherwise; of these the key matters, if it is encrypted.
///
/// Nobody else may have the database open. A database of a newer format version, one whose key
/// ring is lost, and a directory without any readable file of a database are refused and left as
/// they are.
pub fn repair(vfs: VfsRef, directory: &Path, options: EngineOptions) -> Result<RepairReport> {
    let options = EngineOptions {
        create: false,
        create_new: false,
        read_only: false,
        compaction_threads: 0,
        ..options
    };
    options.check()?;
    let entries = vfs
        .read_dir(directory)
        .map_err(|e| Error::io("read", directory, e))?;
    if !entries.iter().any(|e| FileName::parse(&e.name).is_some()) {
        return Err(Error::NoDatabase(directory.to_path_buf()));
    }
    let lock = open::take_lock(&*vfs, directory, &options)?;
    let mut repair = Repair::new(vfs.clone(), directory, options.clone())?;
    let state = repair.state()?;
    repair.publish(state)?;
    let report = repair.report;
    drop(lock);
    // The proof that it opens.
    let engine = Engine::open(vfs, directory, options)?;
    correct_counts(&engine)?;
    engine.close()?;
    Ok(report)
}

/// A repair under way.
struct Repair {
    vfs: VfsRef,
    directory: PathBuf,
    options: EngineOptions,
    security: Arc<Security>,
    store: Arc<TableStore>,
    numbers: FileNumbers,
    next_file: Arc<AtomicU64>,
    values: Values,
    /// All files of a database there are.
    found: BTreeMap<FileName, PathBuf>,
    report: RepairReport,
}

/// A table or a few that do not overlap, which go to level 0 as one run.
#[derive(Clone, Debug)]
struct Unit {
    tables: Vec<Arc<TableMeta>>,
}

impl Repair {
    fn new(vfs: VfsRef, directory: &Path, options: EngineOptions) -> Result<Self> {
        let found = list(&vfs, directory)?;
        let header = identity(&vfs, directory, &found)?;
        let encryption = options.encryption.as_ref();
        let security = keyring::open_security_of(&vfs, directory, encryption, &header)?;
        let next_file = found.keys().filter_map(number_of).max().unwrap_or(0) + 1;
        let next_file = Arc::new(AtomicU64::new(next_file));
        let counter = next_file.clone();
        let numbers: FileNumbers =
            Arc::new(move || FileNumber(counter.fetch_add(1, Ordering::Relaxed)));
        let store_options = TableStoreOptions {
            cache_bytes: options.cache_bytes,
            open_files_max: options.open_files_max,
        };
        let values = ValueStore::new(
            vfs.clone(),
            security.clone(),
            directory.to_path_buf(),
            numbers.clone(),
        );
        let value_options = ValueOptions {
            file_bytes_max: options.value_file_bytes,
            active_files_max: 1,
        };
        let writer = ValueWriter::new(values.clone(), value_options);
        Ok(Self {
            store: TableStore::new(vfs.clone(), security.clone(), store_options),
            values: Values::new(values, writer),
            vfs,
            directory: directory.to_path_buf(),
            options,
            security,
            numbers,
            next_file,
            found,
            report: RepairReport::default(),
        })
    }

    /// Finds out what the database is to be.
    fn state(&mut self) -> Result<ManifestState> {
        let old = self.read_manifest()?;
        self.survey_values(old.as_ref());
        let mut log = self.read_log(old.as_ref())?;
        let mut added = Vec::new();
        let mut young = std::mem::take(&mut log.units);
        match &old {
            Some(old) => {
                for (level, run, meta) in old.tables() {
                    let meta = meta.clone();
                    let tables = self.sound_tables(&meta)?;
                    if level == 0 {
                        young.extend(tables.into_iter().map(Unit::of));
                    } else {
                        added.extend(tables.into_iter().map(|meta| AddedTable {
                            level,
                            run,
                            meta,
                        }));
                    }
                }
                for (&number, &sequence) in &log.ingests {
                    if !old.has_table(number) && sequence > old.last_sequence {
                        young.extend(self.ingested_table(number, sequence)?);
                    }
                }
            }
            None => young.extend(self.all_tables(&log.ingests)?),
        }
        let young = self.settle(young)?;
        let mut next_run = old.as_ref().map_or(1, |old| old.next_run);
        for unit in young {
            added.extend(unit.tables.into_iter().map(|meta| AddedTable {
                level: 0,
                run: next_run,
                meta,
            }));
            next_run += 1;
        }
        self.values.finish()?;
        self.new_state(old.as_ref(), added, next_run, log.last_sequence)
    }

    fn new_state(
        &mut self,
        old: Option<&ManifestState>,
        added: Vec<AddedTable>,
        next_run: u64,
        log_sequence: SequenceNumber,
    ) -> Result<ManifestState> {
        let in_tables = added.iter().map(|table| table.meta.max_seq).max();
        let before = old.map_or(0, |old| old.last_sequence.max(old.flushed_sequence));
        let sequence = in_tables.unwrap_or(0).max(before).max(log_sequence);
        self.report.last_sequence = sequence;
        let references: BTreeSet<FileNumber> = added
            .iter()
            .flat_map(|table| table.meta.value_refs.iter().map(|(file, _)| *file))
            .collect();
        let keyspace_of = |key: &[u8]| split_storage_key(key).map_or(0, |(id, _)| id.0);
        let keyspaces = added.iter().map(|table| keyspace_of(&table.meta.largest));
        let next_keyspace = keyspaces.max().unwrap_or(0).saturating_add(1);
        let next_file = FileNumber(self.next_file.load(Ordering::Relaxed));
        let edit = VersionEdit {
            value_files_added: self.values.metas(&references)?,
            added,
            next_file_number: Some(next_file),
            last_sequence: Some(sequence),
            flushed_sequence: Some(sequence),
            next_keyspace: Some(old.map_or(KeyspaceId(next_keyspace), |old| {
                old.next_keyspace.max(KeyspaceId(next_keyspace))
            })),
            next_run: Some(next_run),
            // What was in the log is in tables.
            wal_floor: Some(next_file),
            counts: old.map(|old| old.counts().to_vec()),
            ..VersionEdit::default()
        };
        let mut state = ManifestState::default();
        state
            .apply(&edit)
            .map_err(|e| Error::corruption(&self.directory, 0, e.to_string()))?;
        Ok(state)
    }

    /// The manifest in force or, if it cannot be read, whichever can be.
    fn read_manifest(&mut self) -> Result<Option<ManifestState>> {
        let (vfs, directory) = (self.vfs.clone(), self.directory.clone());
        let mut candidates: Vec<FileNumber> = Vec::new();
        let mut failures = Vec::new();
        match Current::read(&*vfs, &directory) {
            Ok(Some(current)) => candidates.push(current.manifest),
            Ok(None) => failures.push("`CURRENT` is missing".to_owned()),
            Err(error) => {
                failures.push(error.to_string());
                self.damage(&names::current(&directory), &error);
            }
        }
        for name in self.found.keys().rev() {
            if let FileName::Manifest(number) = name
                && !candidates.contains(number)
            {
                candidates.push(*number);
            }
        }
        for number in candidates {
            match Manifest::read(&vfs, &self.security, &directory, number) {
                Ok(state) => return Ok(Some(state)),
                // Nothing that a newer version wrote is to be touched.
                Err(error @ Error::Unsupported(_)) => return Err(error),
                Err(error) => {
                    failures.push(error.to_string());
                    self.damage(&names::manifest(&directory, number), &error);
                }
            }
        }
        failures.push("no manifest can be read".to_owned());
        self.report.manifest_rebuilt = Some(failures.join("; "));
        Ok(None)
    }

    fn damage(&mut self, path: &Path, error: &Error) {
        let problem = Problem::from_error(path, error);
        if !self.report.damage.contains(&problem) {
            self.report.damage.push(problem);
        }
    }
}

impl Unit {
    fn of(meta: Arc<TableMeta>) -> Self {
        Self { tables: vec![meta] }
    }
}

impl TableProfiles for EngineOptions {
    fn table_options(&self, level: usize, _: KeyspaceId) -> TableOptions {
        TableOptions {
            block_bytes: self.block_bytes,
            codec: self.codec_at(level),
            filter: true,
        }
    }
}

/// The files of a database in a directory.
fn list(vfs: &VfsRef, directory: &Path) -> Result<BTreeMap<FileName, PathBuf>> {
    let entries = vfs
        .read_dir(directory)
        .map_err(|e| Error::io("read", directory, e))?;
    let files = entries.into_iter().filter(|entry| !entry.is_dir);
    Ok(files
        .filter_map(|entry| Some((FileName::parse(&entry.name)?, entry.path)))
        .collect())
}

fn number_of(name: &FileName) -> Option<u64> {
    match name {
        FileName::Wal(n) | FileName::Table(n) | FileName::Value(n) => Some(n.0),
        FileName::Manifest(_)
        | FileName::Current
        | FileName::Lock
        | FileName::Keyring
        | FileName::Temporary => None,
    }
}

/// The header of a file of the database that most files belong to.
fn identity(
    vfs: &VfsRef,
    directory: &Path,
    found: &BTreeMap<FileName, PathBuf>,
) -> Result<FileHeader> {
    let mut headers: Vec<FileHeader> = Vec::new();
    for (name, path) in found {
        if number_of(name).is_none() && !matches!(name, FileName::Manifest(_)) {
            continue;
        }
        match keyring::file_header(vfs, path) {
            Ok(header) => headers.push(header),
            Err(error @ Error::Unsupported(_)) => return Err(error),
            Err(_) => {}
        }
    }
    let votes = |id: [u8; 16]| headers.iter().filter(|h| h.database_id == id).count();
    let most = headers
        .iter()
        .max_by_key(|header| votes(header.database_id));
    most.cloned().ok_or_else(|| {
        Error::Unsupported(format!(
            "no file in `{}` is one of a database, or all are damaged at their beginning\n\
             hint: restore the directory from a copy",
            directory.display()
        ))
    })
}

/// Makes the exact counts of counted keyspaces true again.
fn correct_counts(engine: &Engine) -> Result<()> {
    let mut deltas = Vec::new();
    for keyspace in engine.keyspaces() {
        if !keyspace.options.counted {
            continue;
        }
        let mut entries = engine.iter(keyspace.id, &Bounds::all(), ReadAt::Latest)?;
        let mut count = 0i64;
        while entries.advance()? {
            count += 1;
        }
        let known = engine.len(keyspace.id, ReadAt::Latest)? as i64;
        if count != known {
            deltas.push((keyspace.id, count - known));
        }
    }
    if deltas.is_empty() {
        return Ok(());
    }
    // Corrections travel with commits; this one deletes a name that no keyspace can have.
    let mut batch = engine.batch();
    batch.delete(KeyspaceId::SYSTEM, b"")?;
    let mut correct = |context: &mut CommitContext| -> Result<(), Rejection> {
        context.count_deltas.clone_from(&deltas);
        Ok(())
    };
    engine.commit(&mut batch, Durability::Sync, &mut correct)?;
    engine.flush()
}
