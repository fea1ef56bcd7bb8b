//! Writing the manifest, and reading it back at start.
//!
//! A manifest is a log (`crate::log`) whose first record is a snapshot of everything and whose
//! others are edits. Every start writes a new one, and so does a running database whose manifest
//! has grown long:
//!
//! ```text
//! 1. write MANIFEST-8 with a snapshot, sync it
//! 2. write CURRENT.tmp, sync it; sync the directory
//! 3. rename CURRENT.tmp to CURRENT; sync the directory
//! 4. remove MANIFEST-7
//! ```
//!
//! Before 3 the old manifest is in force and a crash leaves a useless file, which the next start
//! removes. During 3 either may be in force, and both say the same, because nothing is appended
//! to either meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustdb_vfs::{Vfs, VfsRef};

use super::codec::DecodeError;
use super::current::{Current, remove_if_there};
use super::edit::VersionEdit;
use super::state::ManifestState;
use crate::envelope::{FileKind, HEADER_BYTES, Security};
use crate::error::{Error, Result};
use crate::key::FileNumber;
use crate::log::{Expect, LogReader, LogWriter};
use crate::names::{self, FileName};

/// A manifest is replaced when it is longer than this...
const ROLL_BYTES_MIN: u64 = 4 << 20;

/// ...and this many times longer than its snapshot was.
const ROLL_FACTOR: u64 = 4;

/// What a record of a manifest is. The numbers are on disk and are never reused.
pub(super) mod record_kind {
    /// Everything; the first record.
    pub(in super::super) const SNAPSHOT: u8 = 1;
    /// A change; all other records.
    pub(in super::super) const EDIT: u8 = 2;
}

/// The manifest of an open database.
#[derive(Debug)]
pub struct Manifest {
    vfs: VfsRef,
    security: Arc<Security>,
    directory: PathBuf,
    number: FileNumber,
    log: LogWriter,
    snapshot_bytes: u64,
    state: ManifestState,
    failure: Option<Arc<str>>,
}

/// What a manifest said at start.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The manifest's number; the next one gets the number after it.
    pub manifest: FileNumber,
    /// What it adds up to.
    pub state: ManifestState,
}

impl Manifest {
    /// Writes a manifest with this state, puts it in force, and removes all others.
    ///
    /// For a new database the number is 1, else the one after that of the manifest recovered.
    pub fn create(
        vfs: VfsRef,
        security: Arc<Security>,
        directory: &Path,
        number: FileNumber,
        state: ManifestState,
    ) -> Result<Manifest> {
        let (log, snapshot_bytes) = write_snapshot(&vfs, &security, directory, number, &state)?;
        let current = Current {
            manifest: number,
            database_id: security.database_id(),
        };
        current.write(&*vfs, directory)??;
        let manifest = Manifest {
            vfs,
            security,
            directory: directory.to_path_buf(),
            number,
            log,
            snapshot_bytes,
            state,
            failure: None,
        };
        manifest.remove_others()?;
        Ok(manifest)
    }

    /// Makes another directory, which has no manifest, a database with this state. Its files must
    /// be durable but for their names. `before_current` runs when everything but `CURRENT` is
    /// there; if it fails, the directory is no database.
    pub fn export(
        vfs: &VfsRef,
        security: &Security,
        directory: &Path,
        state: ManifestState,
        before_current: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let manifest = FileNumber(1);
        let (mut log, _) = write_snapshot(vfs, security, directory, manifest, &state)?;
        log.finish()?;
        before_current()?;
        let current = Current {
            manifest,
            database_id: security.database_id(),
        };
        current.write(&**vfs, directory)?
    }

    /// Reads the manifest in force; `None` if the directory does not hold a database. Nothing is
    /// changed on disk.
    ///
    /// A directory without `CURRENT` holds no database only if it holds no data either: a crash
    /// during the first start may leave a manifest and an empty log segment, no more.
    pub fn recover(
        vfs: &VfsRef,
        security: &Security,
        directory: &Path,
    ) -> Result<Option<Recovered>> {
        let Some(current) = Current::read(&**vfs, directory)? else {
            check_never_open(&**vfs, directory)?;
            return Ok(None);
        };
        if current.database_id != security.database_id() {
            return Err(Error::corruption(
                &names::current(directory),
                0,
                "belongs to another database than the one being opened",
            ));
        }
        let path = names::manifest(directory, current.manifest);
        let state = read_manifest(vfs, security, &path)?;
        Ok(Some(Recovered {
            manifest: current.manifest,
            state,
        }))
    }

    /// What a manifest adds up to, whether or not it is in force. For repair.
    pub fn read(
        vfs: &VfsRef,
        security: &Security,
        directory: &Path,
        number: FileNumber,
    ) -> Result<ManifestState> {
        read_manifest(vfs, security, &names::manifest(directory, number))
    }

    /// Makes an edit durable.
    ///
    /// After an error of which [`Manifest::is_poisoned`] is true, it is not known whether the edit
    /// will be in force at the next start: neither the files it adds nor those it removes may be
    /// deleted, and no more edits are taken. After any other error nothing has changed.
    pub fn append(&mut self, edit: &VersionEdit) -> Result<()> {
        if let Some(failure) = &self.failure {
            return Err(Error::Poisoned(Arc::clone(failure)));
        }
        if self.log.end() > ROLL_BYTES_MIN.max(ROLL_FACTOR * self.snapshot_bytes) {
            self.roll()?;
        }
        let outcome = self.append_to_log(edit);
        self.poison_if_failed(outcome)
    }

    /// Replaces the manifest by a new one that begins with a snapshot. Appending does so by
    /// itself when it is due.
    pub fn roll(&mut self) -> Result<()> {
        let number = FileNumber(self.number.0 + 1);
        let (log, snapshot_bytes) = write_snapshot(
            &self.vfs,
            &self.security,
            &self.directory,
            number,
            &self.state,
        )?;
        let current = Current {
            manifest: number,
            database_id: self.security.database_id(),
        };
        let durable = current.write(&*self.vfs, &self.directory)?;
        self.poison_if_failed(durable)?;
        self.number = number;
        self.log = log;
        self.snapshot_bytes = snapshot_bytes;
        self.remove_others()
    }

    /// Ends the manifest in order, at a clean close.
    pub fn finish(mut self) -> Result<()> {
        match self.failure {
            Some(failure) => Err(Error::Poisoned(failure)),
            None => self.log.finish(),
        }
    }

    /// What the manifest adds up to.
    pub fn state(&self) -> &ManifestState {
        &self.state
    }

    /// The number of the manifest in force.
    pub fn number(&self) -> FileNumber {
        self.number
    }

    /// How long it is, in bytes.
    pub fn bytes(&self) -> u64 {
        self.log.end()
    }

    /// Whether a failure has ended the manifest.
    pub fn is_poisoned(&self) -> bool {
        self.failure.is_some()
    }

    fn append_to_log(&mut self, edit: &VersionEdit) -> Result<()> {
        // Folding first keeps an edit that does not fit, a bug, from reaching the disk.
        self.state
            .apply(edit)
            .map_err(|e| Error::InvalidArgument(format!("version edit does not fit: {e}")))?;
        self.log.append(record_kind::EDIT, &edit.encode())?;
        self.log.sync()?;
        // The next edit may be long in coming; until then nothing else vouches for this one.
        self.log.append_promise()?;
        self.log.flush()
    }

    fn poison_if_failed(&mut self, outcome: Result<()>) -> Result<()> {
        if let Err(error) = &outcome {
            self.failure = Some(format!("the manifest could not be written: {error}").into());
        }
        outcome
    }

    /// Removes manifests that are not in force, and what a crash left of `CURRENT`'s replacement.
    fn remove_others(&self) -> Result<()> {
        remove_if_there(
            &*self.vfs,
            &names::temporary(&names::current(&self.directory)),
        )?;
        for entry in list(&*self.vfs, &self.directory)? {
            if let Some(FileName::Manifest(number)) = FileName::parse(&entry.name)
                && number != self.number
            {
                remove_if_there(&*self.vfs, &entry.path)?;
            }
        }
        Ok(())
    }
}

/// Writes a manifest that holds only a snapshot, durable but for its name. Returns it with the
/// length of the snapshot.
fn write_snapshot(
    vfs: &VfsRef,
    security: &Security,
    directory: &Path,
    number: FileNumber,
    state: &ManifestState,
) -> Result<(LogWriter, u64)> {
    let path = names::manifest(directory, number);
    // A crash may have left a file of this name, which was never in force.
    remove_if_there(&**vfs, &path)?;
    let mut log = LogWriter::create_unsynced(vfs, security, &path, FileKind::Manifest)?;
    let end = log.append(record_kind::SNAPSHOT, &state.to_snapshot().encode())?;
    log.sync()?;
    Ok((log, end - HEADER_BYTES as u64))
}

fn read_manifest(vfs: &VfsRef, security: &Security, path: &Path) -> Result<ManifestState> {
    // A manifest is named only after its header and first record are durable.
    let expect = Expect::AtLeast(HEADER_BYTES as u64 + 1);
    let mut log = LogReader::open(vfs, security, path, FileKind::Manifest, expect)?;
    let mut state = ManifestState::default();
    let mut due = record_kind::SNAPSHOT;
    while let Some(record) = log.next()? {
        if record.kind != due {
            let reason = format!("record of kind {} where {due} was due", record.kind);
            return Err(Error::corruption(path, record.offset, reason));
        }
        due = record_kind::EDIT;
        let edit = VersionEdit::decode(record.payload).map_err(|e| match e {
            DecodeError::UnknownField { .. } => Error::Unsupported(format!(
                "`{}` has an {e} at offset {}\nhint: open the database with a newer RustDB",
                path.display(),
                record.offset
            )),
            DecodeError::Malformed(_) => Error::corruption(path, record.offset, e.to_string()),
        })?;
        state
            .apply(&edit)
            .map_err(|e| Error::corruption(path, record.offset, e.to_string()))?;
    }
    if due == record_kind::SNAPSHOT {
        return Err(Error::corruption(
            path,
            HEADER_BYTES as u64,
            "there is no snapshot",
        ));
    }
    Ok(state)
}

/// Checks that a directory without `CURRENT` can be what a first start that was cut short left.
fn check_never_open(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
    for entry in list(vfs, directory)? {
        let has_data = match FileName::parse(&entry.name) {
            Some(FileName::Table(_) | FileName::Value(_)) => true,
            Some(FileName::Manifest(number)) => number != FileNumber(1),
            Some(FileName::Wal(_)) => entry.len > HEADER_BYTES as u64,
            Some(FileName::Current | FileName::Lock | FileName::Keyring | FileName::Temporary)
            | None => false,
        };
        if has_data {
            let reason = format!("is missing, but there is `{}`", entry.name);
            return Err(Error::corruption(&names::current(directory), 0, reason));
        }
    }
    Ok(())
}

fn list(vfs: &dyn Vfs, directory: &Path) -> Result<Vec<rustdb_vfs::DirEntry>> {
    vfs.read_dir(directory)
        .map_err(|e| Error::io("list", directory, e))
}
