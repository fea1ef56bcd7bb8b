//! Opening a directory: create or recover, then start.
//!
//! Recovery, in this order, so that a crash at any step leaves a directory that recovers to the
//! same state:
//!
//! 1. The manifest tells the tables, the counters, and which log segments may still matter.
//! 2. The log segments are replayed into fresh memtables, oldest first. Commits that are already
//!    in tables are skipped. A torn end is allowed in the last segment that holds anything; what
//!    follows a torn segment was never acknowledged as durable, and is dropped, so that recovery
//!    always yields a prefix of the commits.
//! 3. A new manifest is written with everything found, including where each replayed segment
//!    ends; `CURRENT` is pointed at it. From now on the tails are decided.
//! 4. A new log segment is started, and files that nothing names are removed.
//!
//! A read-only open does steps 1 and 2 only and writes nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rustdb_vfs::sync::Mutex;
use rustdb_vfs::{FileExt, FileRef, LockMode, OpenMode, Vfs, VfsRef};

use crate::compaction::RateLimiter;
use crate::engine::background::Background;
use crate::engine::compact::Compactions;
use crate::engine::fault::Fault;
use crate::engine::keyspace::{KeyspaceInfo, KeyspaceOptions, Keyspaces};
use crate::engine::options::EngineOptions;
use crate::engine::pipeline::Pipeline;
use crate::engine::snapshot::SnapshotRegistry;
use crate::engine::stats::Counters;
use crate::engine::super_version::SuperVersion;
use crate::engine::versions::VersionSet;
use crate::engine::write::Writer;
use crate::engine::{Inner, replay};
use crate::envelope::{FileKind, Security};
use crate::error::{Error, Result};
use crate::key::{FileNumber, KeyspaceId};
use crate::log::LogWriter;
use crate::manifest::{Manifest, ManifestState, Recovered, VersionEdit};
use crate::memory::Memory;
use crate::memtable::MemtableWriter;
use crate::names::{self, FileName};
use crate::table::{TableStore, TableStoreOptions};
use crate::value::{FileNumbers, ValueOptions, ValueStore, ValueWriter};
use crate::version::{TreeFiles, Version};

/// Opens the database in `directory`. See the module.
pub(super) fn open(vfs: VfsRef, directory: &Path, options: EngineOptions) -> Result<Arc<Inner>> {
    options.check()?;
    let start = vfs.monotonic();
    let exists = look_at(&*vfs, directory, &options)?;
    let lock = take_lock(&*vfs, directory, &options)?;
    // Someone else may have created the database while we were looking.
    let exists = exists || vfs.metadata(&names::current(directory)).is_ok();
    if exists && options.create_new {
        return Err(Error::DatabaseExists(directory.to_path_buf()));
    }
    let (security, recovered) = if exists {
        let security = crate::keyring::open_security(&vfs, directory, options.encryption.as_ref())?;
        let recovered = Manifest::recover(&vfs, &security, directory)?.ok_or_else(|| {
            Error::corruption(&names::current(directory), 0, "the file has vanished")
        })?;
        (security, recovered)
    } else {
        remove_leftovers(&*vfs, directory)?;
        let security =
            crate::keyring::create_security(&vfs, directory, options.encryption.as_ref())?;
        (
            security,
            Recovered {
                manifest: FileNumber(0),
                state: ManifestState::default(),
            },
        )
    };
    let inner = assemble(
        vfs,
        directory.to_path_buf(),
        options,
        security,
        &recovered.state,
        lock,
    )?;
    let inner = Arc::new(inner);
    inner.recover(recovered)?;
    if inner.fault.is_healthy() {
        inner.flush_old_logs()?;
        if let Err(error) = inner.start_background() {
            // Those that run already hold on to the database, and to its lock.
            inner.background.stop();
            return Err(error);
        }
    }
    let elapsed = inner.vfs.monotonic().saturating_sub(start);
    tracing::debug!(directory = %inner.directory.display(), ?elapsed, "database opened");
    Ok(inner)
}

/// Whether there is a database; refuses directories that hold something else.
fn look_at(vfs: &dyn Vfs, directory: &Path, options: &EngineOptions) -> Result<bool> {
    let shown = directory.display();
    let entries = match vfs.read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if options.read_only || !options.create {
                return Err(Error::NoDatabase(directory.to_path_buf()));
            }
            create(vfs, directory)?;
            return Ok(false);
        }
        Err(error) => return Err(Error::io("read", directory, error)),
    };
    if entries.iter().any(|entry| entry.name == names::CURRENT) {
        return Ok(true);
    }
    for entry in &entries {
        match FileName::parse(&entry.name) {
            Some(FileName::Table(_) | FileName::Value(_) | FileName::Wal(_)) => {
                return Err(Error::corruption(
                    &names::current(directory),
                    0,
                    "the file is missing, but the directory holds data; try `repair`",
                ));
            }
            // What a crash leaves while a database is being created.
            Some(_) => {}
            None if entry.name.starts_with('.') => {}
            None => {
                return Err(Error::Unsupported(format!(
                    "`{shown}` is not a database and not empty: it holds `{}`",
                    entry.name
                )));
            }
        }
    }
    if options.read_only || !options.create {
        return Err(Error::NoDatabase(directory.to_path_buf()));
    }
    Ok(false)
}

/// Makes a directory, and those that it is in, so that they are there after a loss of power: a
/// directory's name is in the one above it.
fn create(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
    let mut above = Vec::new();
    for parent in directory.ancestors().skip(1) {
        if parent.as_os_str().is_empty() {
            break;
        }
        above.push(parent);
        if vfs.read_dir(parent).is_ok() {
            break;
        }
    }
    vfs.create_dir_all(directory)
        .map_err(|e| Error::io("create", directory, e))?;
    for parent in above {
        vfs.sync_dir(parent)
            .map_err(|e| Error::io("sync", parent, e))?;
    }
    Ok(())
}

/// Locks the directory as the options ask.
pub(super) fn take_lock(
    vfs: &dyn Vfs,
    directory: &Path,
    options: &EngineOptions,
) -> Result<FileRef> {
    let path = names::lock(directory);
    let mode = if options.read_only {
        LockMode::Shared
    } else {
        LockMode::Exclusive
    };
    let lock = vfs
        .lock(&path, mode)
        .map_err(|e| Error::io("lock", &path, e))?;
    let Some(lock) = lock else {
        return Err(Error::Locked {
            path: directory.to_path_buf(),
            holder: holder(vfs, &path),
        });
    };
    if !options.read_only {
        let text = format!("process {}\n", std::process::id());
        // The text is a courtesy to whoever finds the lock taken.
        let written = lock
            .set_len(0)
            .and_then(|()| lock.write_all_at(text.as_bytes(), 0));
        written.map_err(|e| Error::io("write", &path, e))?;
    }
    Ok(lock)
}

fn holder(vfs: &dyn Vfs, path: &Path) -> String {
    let mut text = [0; 64];
    let read = vfs
        .open(path, OpenMode::Read)
        .and_then(|file| file.read_at(&mut text, 0));
    let text = &text[..read.unwrap_or(0)];
    match std::str::from_utf8(text).map(str::trim) {
        Ok(name) if !name.is_empty() => name.to_owned(),
        _ => "another process".to_owned(),
    }
}

/// Removes what an interrupted creation left.
fn remove_leftovers(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
    let entries = vfs
        .read_dir(directory)
        .map_err(|e| Error::io("read", directory, e))?;
    for entry in entries {
        let name = FileName::parse(&entry.name);
        if matches!(
            name,
            Some(FileName::Manifest(_) | FileName::Keyring | FileName::Temporary)
        ) {
            vfs.remove_file(&entry.path)
                .map_err(|e| Error::io("remove", &entry.path, e))?;
        }
    }
    Ok(())
}

fn assemble(
    vfs: VfsRef,
    directory: PathBuf,
    options: EngineOptions,
    security: Arc<Security>,
    state: &ManifestState,
    lock: FileRef,
) -> Result<Inner> {
    let next_file = Arc::new(AtomicU64::new(state.next_file_number.0.max(1)));
    let table_options = TableStoreOptions {
        cache_bytes: options.cache_bytes,
        open_files_max: options.open_files_max,
    };
    let tables = TableStore::new(vfs.clone(), security.clone(), table_options);
    let files = TreeFiles::in_directory(directory.clone(), tables.clone());
    let counter = next_file.clone();
    let numbers: FileNumbers =
        Arc::new(move || FileNumber(counter.fetch_add(1, Ordering::Relaxed)));
    let values = ValueStore::new(
        vfs.clone(),
        security.clone(),
        directory.clone(),
        numbers.clone(),
    );
    let limiter = RateLimiter::new(vfs.clone(), options.compaction_bytes_per_second);
    let moved_values = value_writer_of(&values, &options);
    let compactions = Compactions::new(limiter, moved_values, numbers);
    let value_writer = value_writer_of(&values, &options);
    let version = Arc::new(Version::empty().apply(&state.to_snapshot(), &files)?);
    let cache = tables.cache().clone();
    let memory = Memory::new(options.memory_budget, options.cache_bytes, cache);
    let writer = MemtableWriter::new(FileNumber(0));
    let active = writer.memtable().clone();
    let super_version = SuperVersion::new(active.clone(), std::iter::empty(), version.clone());
    Ok(Inner {
        super_version: ArcSwap::from_pointee(super_version),
        pipeline: Pipeline::new(state.last_sequence),
        visible: AtomicU64::new(state.last_sequence),
        writer: Mutex::new(None),
        versions: Mutex::new(VersionSet {
            manifest: None,
            version,
            active,
            frozen: VecDeque::new(),
            next_run: state.next_run.max(1),
        }),
        snapshots: Arc::new(SnapshotRegistry::default()),
        empty: Arc::default(),
        keyspaces: Keyspaces::default(),
        catalogue: Mutex::new(()),
        next_keyspace: AtomicU32::new(state.next_keyspace.0.max(KeyspaceId::DEFAULT.0 + 1)),
        compactions,
        background: Background::default(),
        counters: Counters::default(),
        fault: Fault::new(options.read_only),
        vfs,
        directory,
        options,
        security,
        memory,
        tables,
        files,
        reaping: Mutex::new(()),
        values,
        has_unsynced_values: AtomicBool::new(false),
        value_writer,
        next_file,
        lock: Mutex::new(Some(lock)),
    })
}

fn value_writer_of(values: &ValueStore, options: &EngineOptions) -> ValueWriter {
    let value_options = ValueOptions {
        file_bytes_max: options.value_file_bytes,
        ..ValueOptions::default()
    };
    ValueWriter::new(values.clone(), value_options)
}

impl Inner {
    /// Replays the log and, unless read-only, makes the directory ready for writing.
    fn recover(self: &Arc<Self>, recovered: Recovered) -> Result<()> {
        let Recovered { manifest, state } = recovered;
        self.load_keyspaces(&state)?;
        let found = self.list_files()?;
        // NB: before the replay, which may write tables.
        self.skip_used_numbers(&found);
        for number in state.wal_ends().keys() {
            if !found.logs.contains_key(number) {
                let path = names::wal(&self.directory, *number);
                return Err(Error::corruption(&path, 0, "the file is missing"));
            }
        }
        let mut replay = replay::Replay::new(self, &state);
        for (&number, path) in found.logs.range(state.wal_floor..) {
            replay.segment(number, path)?;
        }
        let replayed = replay.finish();
        self.pipeline.reset(replayed.last_sequence);
        self.visible
            .store(replayed.last_sequence, Ordering::Release);
        if self.options.read_only {
            let memtable = replayed.writer.memtable().clone();
            self.versions.lock().replace_active(self, memtable);
            return Ok(());
        }
        self.begin_writing(replayed, state, FileNumber(manifest.0 + 1))?;
        self.remove_orphans(&found)?;
        self.forget_unused_keys();
        Ok(())
    }

    /// Starts a new manifest and a new log segment.
    fn begin_writing(
        &self,
        mut replayed: replay::Replayed,
        mut state: ManifestState,
        manifest_number: FileNumber,
    ) -> Result<()> {
        let log_number = self.new_file_number();
        let mut versions = self.versions.lock();
        if replayed.writer.memtable().is_empty() && versions.frozen.is_empty() {
            // Everything is in tables, and the segments are not needed any more; so the counts
            // must say what the segments said.
            replayed.writer = self.new_memtable(log_number, 0);
            replayed.flushed_sequence = replayed.last_sequence;
            replayed.flushed_counts = self.keyspaces.counts_at(replayed.last_sequence);
            replayed.ends.clear();
        }
        let active = replayed.writer.memtable().clone();
        let oldest = versions.frozen.front().unwrap_or(&active);
        let wal_floor = oldest.first_log();
        let memtables = versions.frozen.iter().chain([&active]);
        let values = memtables.flat_map(|memtable| memtable.references());
        let values = values.map(|(file, _)| file);
        let found = VersionEdit {
            value_files_added: self.metas_of_values(values, &versions.version)?,
            ..VersionEdit::default()
        };
        self.settle_values(&found.value_files_added, &versions.version)?;
        versions.version = Arc::new(versions.version.apply(&found, &self.files)?);
        let changes = VersionEdit {
            added: versions.added_since(&state),
            value_files_added: versions.value_files_since(&state),
            next_file_number: Some(self.peek_file_number()),
            next_run: Some(versions.next_run),
            next_keyspace: Some(self.peek_keyspace()),
            last_sequence: Some(replayed.last_sequence),
            flushed_sequence: Some(replayed.flushed_sequence),
            wal_floor: Some(wal_floor),
            wal_ends: replayed.ends,
            counts: Some(replayed.flushed_counts),
            ..VersionEdit::default()
        };
        state
            .apply(&changes)
            .map_err(|e| Error::corruption(&self.directory, 0, e.to_string()))?;
        versions.manifest = Some(Manifest::create(
            self.vfs.clone(),
            self.security.clone(),
            &self.directory,
            manifest_number,
            state,
        )?);
        let path = names::wal(&self.directory, log_number);
        let log = LogWriter::create(&self.vfs, &self.security, &path, FileKind::Wal)?
            .with_hand(Arc::clone(&self.background.log_hand));
        versions.replace_active(self, active);
        *self.writer.lock() = Some(Writer {
            memtable: replayed.writer,
            log,
            log_number,
            logged_in: log_number,
            counted: None,
            tail: Vec::new(),
        });
        Ok(())
    }

    /// Reads the list of keyspaces from the tables; the log adds to it.
    fn load_keyspaces(self: &Arc<Self>, state: &ManifestState) -> Result<()> {
        let counts: BTreeMap<KeyspaceId, u64> = state.counts().iter().copied().collect();
        let default = KeyspaceOptions::default();
        self.keyspaces.insert(KeyspaceInfo::new(
            KeyspaceId::DEFAULT,
            "default",
            default,
            0,
        ));
        let mut entries = self.iter_keyspace_catalogue()?;
        while let Some((name, value)) = entries.next_entry()? {
            let entry = (std::str::from_utf8(&name), KeyspaceOptions::decode(&value));
            let (Ok(name), Ok((id, options))) = entry else {
                return Err(Error::corruption(
                    &self.directory,
                    0,
                    "the list of keyspaces holds an entry that cannot be read",
                ));
            };
            let count = counts.get(&id).copied().unwrap_or(0);
            // A manifest that repair has put together may know of fewer.
            self.next_keyspace.fetch_max(id.0 + 1, Ordering::AcqRel);
            self.keyspaces
                .insert(KeyspaceInfo::new(id, name, options, count));
        }
        Ok(())
    }

    fn list_files(&self) -> Result<FoundFiles> {
        let directory = &self.directory;
        let entries = self
            .vfs
            .read_dir(directory)
            .map_err(|e| Error::io("read", directory, e))?;
        let mut found = FoundFiles::default();
        for entry in entries {
            let Some(name) = FileName::parse(&entry.name) else {
                continue;
            };
            if let FileName::Wal(number) = name {
                found.logs.insert(number, entry.path.clone());
            }
            found.all.push((name, entry.path));
        }
        Ok(found)
    }

    /// A crash may have left files whose numbers the manifest does not know.
    fn skip_used_numbers(&self, found: &FoundFiles) {
        for (name, _) in &found.all {
            let number = match name {
                FileName::Wal(n) | FileName::Table(n) | FileName::Value(n) => n,
                FileName::Manifest(_)
                | FileName::Current
                | FileName::Lock
                | FileName::Keyring
                | FileName::Temporary => continue,
            };
            self.next_file.fetch_max(number.0 + 1, Ordering::Relaxed);
        }
    }

    /// Removes files that were there when we started and that nothing names.
    fn remove_orphans(&self, found: &FoundFiles) -> Result<()> {
        let super_version = self.super_version.load_full();
        let version = &super_version.version;
        let tables: BTreeSet<FileNumber> = version.tables().map(|t| t.meta().number).collect();
        let memtables = || super_version.frozen().chain([&super_version.active]);
        let floor = memtables().map(|memtable| memtable.first_log()).min();
        let referenced: BTreeSet<FileNumber> = memtables()
            .flat_map(|memtable| memtable.references())
            .map(|(file, _)| file)
            .collect();
        for (name, path) in &found.all {
            let is_needed = match name {
                FileName::Wal(number) => floor.is_none_or(|floor| *number >= floor),
                FileName::Table(number) => tables.contains(number),
                FileName::Value(number) => {
                    referenced.contains(number) || version.value_files().contains_key(number)
                }
                FileName::Temporary => false,
                // The manifest removes its predecessors itself.
                FileName::Manifest(_) | FileName::Current | FileName::Lock | FileName::Keyring => {
                    true
                }
            };
            if !is_needed
                && let Err(error) = self.vfs.remove_file(path)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(Error::io("remove", path, error));
            }
        }
        Ok(())
    }

    /// The id the next new keyspace will get.
    pub(crate) fn peek_keyspace(&self) -> KeyspaceId {
        KeyspaceId(self.next_keyspace.load(Ordering::Acquire))
    }

    /// The number the next new file will get.
    pub(crate) fn peek_file_number(&self) -> FileNumber {
        FileNumber(self.next_file.load(Ordering::Relaxed))
    }
}

/// What the directory held when it was opened.
#[derive(Debug, Default)]
struct FoundFiles {
    logs: BTreeMap<FileNumber, PathBuf>,
    all: Vec<(FileName, PathBuf)>,
}
