//! Checkpoints and copies: another directory with the database as it is at one moment.
//!
//! ```text
//! flush ─▶ stop commits ─▶ flush the rest ─▶ take version and state ─▶ go on
//!                                                   │
//!   target:  tables, value files ─▶ MANIFEST-1 ─▶ KEYRING ─▶ CURRENT
//! ```
//!
//! Commits stop only while the little that came in during the first flush is flushed. After that
//! everything that was acknowledged is in tables, so the target needs no log. The files of the
//! version are immutable, or grow behind the length that the manifest records, so a second name
//! (hard link) is as good as a copy, and neither database notices what the other one removes.
//! The version is held until the end, so no file vanishes meanwhile.
//!
//! `CURRENT` comes last: a target without it is not a database. What a failure leaves is removed;
//! what a crash leaves is refused by `open` and is to be deleted.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustdb_vfs::{FileExt, FileRef, LockMode, OpenMode, Vfs};
use xxhash_rust::xxh3::Xxh3Default;

use crate::engine::write::Writer;
use crate::engine::{Engine, Inner};
use crate::error::{Error, Result};
use crate::key::SequenceNumber;
use crate::manifest::{Manifest, ManifestState, VersionEdit};
use crate::names::{self, FileName};
use crate::version::Version;

/// So many bytes are copied at once.
const COPY_BYTES: usize = 1 << 20;

/// What [`Engine::checkpoint`] or [`Engine::copy_to`] made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last commit that is in it.
    pub sequence: SequenceNumber,
    /// Files that share their space on disk with those of the database.
    pub linked_files: u64,
    /// Files that were copied.
    pub copied_files: u64,
    /// The length of all tables and value files.
    pub bytes: u64,
}

/// How far a checkpoint has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointProgress {
    /// Bytes of files that are linked or copied.
    pub done_bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
}

/// Whether files may share their space on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    Link,
    Copy,
}

/// Is told how far a checkpoint has come, and says whether to go on.
type Progress<'a> = &'a mut dyn FnMut(CheckpointProgress) -> ControlFlow<()>;

/// The database at one moment.
struct Moment {
    sequence: SequenceNumber,
    /// Keeps the files.
    version: Arc<Version>,
    state: ManifestState,
}

impl Moment {
    /// The length of all tables and value files.
    fn bytes(&self) -> u64 {
        let values = self.version.value_files().values();
        let values = values.map(|entry| entry.handle.meta().file_bytes);
        self.version.table_bytes() + values.sum::<u64>()
    }
}

impl Engine {
    /// Makes `directory` a database with everything that was acknowledged before the call, in
    /// little time and space: files are linked, or copied where the file system cannot link.
    ///
    /// The directory must be missing or empty, and not within that of the database. It opens with
    /// the keys of this moment. After a failure nothing is left in it.
    pub fn checkpoint(&self, directory: &Path) -> Result<Checkpoint> {
        self.checkpoint_with(directory, &mut |_| ControlFlow::Continue(()))
    }

    /// As [`Engine::checkpoint`]; `progress` is called before each file and each mebibyte copied,
    /// and may end it.
    pub fn checkpoint_with(
        &self,
        directory: &Path,
        progress: &mut dyn FnMut(CheckpointProgress) -> ControlFlow<()>,
    ) -> Result<Checkpoint> {
        self.inner().checkpoint(directory, Sharing::Link, progress)
    }

    /// As [`Engine::checkpoint`], but shares nothing with this database, whatever the file system
    /// could do: a copy survives damage of the original. Tables are checked on the way.
    pub fn copy_to(&self, directory: &Path) -> Result<Checkpoint> {
        self.copy_to_with(directory, &mut |_| ControlFlow::Continue(()))
    }

    /// As [`Engine::copy_to`]; `progress` is called before each file and each mebibyte, and may
    /// end it.
    pub fn copy_to_with(
        &self,
        directory: &Path,
        progress: &mut dyn FnMut(CheckpointProgress) -> ControlFlow<()>,
    ) -> Result<Checkpoint> {
        self.inner().checkpoint(directory, Sharing::Copy, progress)
    }
}

impl Inner {
    fn checkpoint(
        &self,
        directory: &Path,
        sharing: Sharing,
        progress: Progress<'_>,
    ) -> Result<Checkpoint> {
        self.fault.check()?;
        self.check_outside(directory)?;
        let target = Target::create(&*self.vfs, directory)?;
        let moment = self.moment()?;
        let mut sharing = SharingOut {
            inner: self,
            directory,
            sharing,
            progress,
            done: Checkpoint {
                sequence: moment.sequence,
                ..Checkpoint::default()
            },
            at: CheckpointProgress {
                done_bytes: 0,
                total_bytes: moment.bytes(),
            },
        };
        for table in moment.version.tables() {
            let meta = table.meta();
            let source = names::table(&self.directory, meta.number);
            sharing.file(&source, meta.file_bytes, Some(meta.checksum))?;
        }
        for entry in moment.version.value_files().values() {
            let meta = entry.handle.meta();
            let source = names::value(&self.directory, meta.number);
            sharing.file(&source, meta.file_bytes, None)?;
        }
        let done = sharing.done;
        let Moment { state, .. } = moment;
        Manifest::export(&self.vfs, &self.security, directory, state, || {
            // Only now: the ring must have the key that has just sealed the manifest.
            self.security.write_keyring_to(directory)
        })?;
        target.keep();
        Ok(done)
    }

    /// Refuses a directory that is this database's, or below it: what is in there is the engine's.
    fn check_outside(&self, directory: &Path) -> Result<()> {
        let own = self.vfs.canonical(&self.directory);
        let own = own.map_err(|e| Error::io("resolve", &self.directory, e))?;
        // What does not exist yet is where its nearest ancestor is.
        let nearest = directory.ancestors().find_map(|ancestor| {
            let is_here = ancestor.as_os_str().is_empty();
            let ancestor = if is_here { Path::new(".") } else { ancestor };
            self.vfs.canonical(ancestor).ok()
        });
        match nearest.is_some_and(|nearest| nearest.starts_with(&own)) {
            true => Err(Error::InvalidArgument(format!(
                "`{}` is inside the database `{}`\nhint: give a directory elsewhere, on the same \
                 disk if files are to be shared",
                directory.display(),
                self.directory.display()
            ))),
            false => Ok(()),
        }
    }

    /// Waits for a moment at which everything is in tables, and takes it.
    fn moment(&self) -> Result<Moment> {
        // Most of it while commits go on.
        self.flush_all()?;
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or(Error::Closed)?;
        self.flush_under(writer)?;
        let moment = {
            let versions = self.versions.lock();
            let manifest = versions.manifest.as_ref().ok_or(Error::Closed)?;
            let sequence = self.visible.load(Ordering::Acquire);
            let mut state = manifest.state().clone();
            let counters = VersionEdit {
                next_file_number: Some(self.peek_file_number()),
                last_sequence: Some(sequence),
                next_keyspace: Some(self.peek_keyspace()),
                next_run: Some(versions.next_run),
                // There is no log that the target needs.
                wal_floor: Some(self.peek_file_number()),
                flushed_sequence: Some(sequence),
                counts: Some(self.keyspaces.counts_at(sequence)),
                ..VersionEdit::default()
            };
            state
                .apply(&counters)
                .map_err(|e| Error::InvalidArgument(e.to_string()))?;
            Moment {
                sequence,
                version: versions.version.clone(),
                state,
            }
        };
        // The lengths that the state records for growing value files are those of this moment.
        self.values.sync_all()?;
        Ok(moment)
    }

    /// Flushes the active memtable while no commit can come in.
    fn flush_under(&self, writer: &mut Writer) -> Result<()> {
        if !writer.memtable.memtable().is_empty() {
            self.freeze(writer, None)
                .inspect_err(|error| self.fault.poison(error))?;
        }
        let failures = || self.counters.background_errors.load(Ordering::Relaxed);
        let before = failures();
        self.background.wait_until(|| {
            if let Err(error) = self.fault.check() {
                return Some(Err(error));
            }
            if self.versions.lock().frozen.is_empty() {
                return Some(Ok(()));
            }
            // Commits must not wait for a flush that may go on failing.
            (failures() != before).then_some(Err(Error::Busy))
        })
    }
}

/// Files on their way into a target.
struct SharingOut<'a> {
    inner: &'a Inner,
    directory: &'a Path,
    sharing: Sharing,
    progress: Progress<'a>,
    done: Checkpoint,
    at: CheckpointProgress,
}

impl SharingOut<'_> {
    /// Links or copies a file. Of its bytes so many count; there may be more.
    fn file(&mut self, source: &Path, bytes: u64, checksum: Option<u128>) -> Result<()> {
        self.inner.fault.check()?;
        self.advance(0)?;
        let target = self.directory.join(source.file_name().unwrap_or_default());
        self.done.bytes += bytes;
        if self.sharing == Sharing::Link && self.inner.vfs.hard_link(source, &target).is_ok() {
            self.done.linked_files += 1;
            self.at.done_bytes += bytes;
            return Ok(());
        }
        // Another file system, or one without links. If something else is wrong, so it will be now.
        self.done.copied_files += 1;
        self.copy(source, &target, bytes, checksum)
    }

    fn copy(
        &mut self,
        source: &Path,
        target: &Path,
        bytes: u64,
        checksum: Option<u128>,
    ) -> Result<()> {
        let vfs = &*self.inner.vfs;
        let from = vfs
            .open(source, OpenMode::Read)
            .map_err(|e| Error::io("open", source, e))?;
        let to = vfs
            .open(target, OpenMode::CreateNew)
            .map_err(|e| Error::io("create", target, e))?;
        let mut hasher = Xxh3Default::new();
        let mut buffer = vec![0; (COPY_BYTES as u64).min(bytes) as usize];
        let mut offset = 0;
        while offset < bytes {
            let count = (buffer.len() as u64).min(bytes - offset) as usize;
            let piece = &mut buffer[..count];
            from.read_exact_at(piece, offset).map_err(|e| {
                if e.kind() == std::io::ErrorKind::UnexpectedEof {
                    return Error::corruption(source, offset, "the file ends too early");
                }
                Error::io("read", source, e)
            })?;
            to.write_all_at(piece, offset)
                .map_err(|e| Error::io("write", target, e))?;
            hasher.update(piece);
            offset += count as u64;
            self.advance(count as u64)?;
        }
        if checksum.is_some_and(|sum| sum != hasher.digest128()) {
            let reason = "the checksum of the file is not what the manifest says";
            return Err(Error::corruption(source, 0, reason));
        }
        to.sync_data().map_err(|e| Error::io("sync", target, e))
    }

    fn advance(&mut self, bytes: u64) -> Result<()> {
        self.at.done_bytes += bytes;
        match (self.progress)(self.at) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}

/// A directory that is being filled. Dropped before it is complete, it takes with it what is in
/// the directory.
struct Target<'a> {
    vfs: &'a dyn Vfs,
    directory: &'a Path,
    is_new: bool,
    is_complete: bool,
    /// Nobody else fills or opens the directory meanwhile.
    lock: Option<FileRef>,
}

impl<'a> Target<'a> {
    fn create(vfs: &'a dyn Vfs, directory: &'a Path) -> Result<Self> {
        let is_new = match vfs.read_dir(directory) {
            Ok(_) => false,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => true,
            Err(e) => return Err(Error::io("read", directory, e)),
        };
        if is_new {
            vfs.create_dir_all(directory)
                .map_err(|e| Error::io("create", directory, e))?;
        } else {
            check_empty(vfs, directory)?;
        }
        let mut target = Self {
            vfs,
            directory,
            is_new,
            is_complete: false,
            lock: None,
        };
        target.own()?;
        Ok(target)
    }

    /// Makes the name of a new directory durable, and takes the lock.
    fn own(&mut self) -> Result<()> {
        let parent = self.directory.parent();
        let parent = parent.filter(|p| self.is_new && !p.as_os_str().is_empty());
        if let Some(parent) = parent {
            self.vfs
                .sync_dir(parent)
                .map_err(|e| Error::io("sync", parent, e))?;
        }
        let path = names::lock(self.directory);
        self.lock = self
            .vfs
            .lock(&path, LockMode::Exclusive)
            .map_err(|e| Error::io("lock", &path, e))?;
        // Somebody may have been faster; then what is there is not ours to remove.
        let owned = match &self.lock {
            Some(_) => check_empty(self.vfs, self.directory),
            None => Err(Error::Locked {
                path: self.directory.to_path_buf(),
                holder: "another checkpoint".to_owned(),
            }),
        };
        self.is_complete = owned.is_err();
        owned
    }

    fn keep(mut self) {
        self.is_complete = true;
    }

    fn remove(&self) -> std::io::Result<()> {
        // First what makes it a database.
        match self.vfs.remove_file(&names::current(self.directory)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            Ok(()) | Err(_) => {}
        }
        for entry in self.vfs.read_dir(self.directory)? {
            if FileName::parse(&entry.name).is_some() {
                self.vfs.remove_file(&entry.path)?;
            }
        }
        if self.is_new {
            self.vfs.remove_dir(self.directory)?;
        }
        Ok(())
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        self.lock = None;
        if !self.is_complete
            && let Err(error) = self.remove()
        {
            let directory = self.directory.display();
            tracing::warn!(%error, %directory, "cannot remove an incomplete checkpoint");
        }
    }
}

/// Refuses a directory that holds anything but a lock file.
fn check_empty(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
    let entries = vfs
        .read_dir(directory)
        .map_err(|e| Error::io("read", directory, e))?;
    match entries.iter().find(|entry| entry.name != names::LOCK) {
        Some(entry) => Err(Error::InvalidArgument(format!(
            "`{}` is not empty: it holds `{}`\nhint: give a directory that does not exist yet",
            directory.display(),
            entry.name
        ))),
        None => Ok(()),
    }
}
