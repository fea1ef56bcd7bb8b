//! The engine's side of value files: when they are synced, and when they can go.
//!
//! A value file is in use while a table refers to it, while a memtable does, while a commit holds
//! a pin on it, and while a reader holds a version from when one of these was true. It leaves the
//! tree by an edit when the first three are over, and the disk when the last one is.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;

use rustdb_vfs::{FileExt, OpenMode};

use crate::engine::Inner;
use crate::error::{Error, Result};
use crate::key::FileNumber;
use crate::manifest::{ValueFileMeta, VersionEdit};
use crate::names::{self, FileName};
use crate::version::Version;

/// So much is rewritten at once.
const REWRITE_BYTES: usize = 256 << 10;

impl Inner {
    /// Makes the large values of all commits so far durable. A log record must not become durable
    /// before the values it refers to.
    pub(crate) fn sync_values(&self) -> Result<()> {
        if self.has_unsynced_values.swap(false, Ordering::AcqRel) {
            self.values.sync_all()?;
        }
        Ok(())
    }

    /// What an edit has to say about these value files: those that `version` does not know, or
    /// not at their present length.
    pub(crate) fn metas_of_values(
        &self,
        files: impl Iterator<Item = FileNumber>,
        version: &Version,
    ) -> Result<Vec<ValueFileMeta>> {
        let mut metas = Vec::new();
        for number in files.collect::<BTreeSet<_>>() {
            let known = version
                .value_files()
                .get(&number)
                .map(|entry| entry.handle.meta());
            let meta = match (self.values.written(number), known) {
                (Some(meta), _) => meta,
                // Written before the last restart. The log may refer to more of the file than the
                // manifest got to know.
                (None, Some(known)) if self.value_file_bytes(number)? <= known.file_bytes => {
                    continue;
                }
                (None, _) => self.values.survey(number)?,
            };
            if known.is_none_or(|known| known.file_bytes < meta.file_bytes) {
                metas.push(meta);
            }
        }
        Ok(metas)
    }

    /// Makes durable what recovery has found in these value files and `version` does not vouch
    /// for. It is written once more, as [`crate::log::LogReader::sync`] does with the log, and for
    /// the same reason.
    pub(crate) fn settle_values(&self, metas: &[ValueFileMeta], version: &Version) -> Result<()> {
        for meta in metas {
            let path = names::value(&self.directory, meta.number);
            let known = version.value_files().get(&meta.number);
            let start = known.map_or(0, |entry| entry.handle.meta().file_bytes);
            self.rewrite(&path, start, meta.file_bytes)
                .map_err(|e| Error::io("sync", &path, e))?;
        }
        Ok(())
    }

    fn rewrite(&self, path: &Path, mut start: u64, end: u64) -> std::io::Result<()> {
        let file = self.vfs.open(path, OpenMode::ReadWrite)?;
        let mut chunk = vec![0; REWRITE_BYTES];
        while start < end {
            let length = chunk.len().min((end - start) as usize);
            file.read_exact_at(&mut chunk[..length], start)?;
            file.write_all_at(&chunk[..length], start)?;
            start += length as u64;
        }
        file.sync_data()
    }

    fn value_file_bytes(&self, number: FileNumber) -> Result<u64> {
        let path = names::value(&self.directory, number);
        let metadata = self
            .vfs
            .metadata(&path)
            .map_err(|e| Error::io("measure", &path, e))?;
        Ok(metadata.len)
    }

    /// Takes value files that nothing refers to any more out of the tree.
    pub(crate) fn collect_values(&self) -> Result<()> {
        let mut versions = self.versions.lock();
        let mut dead: Vec<FileNumber> = versions.version.unreferenced_value_files().collect();
        // NB: pins first. A pin is let go only after its memtable knows of the reference.
        dead.retain(|number| self.values.is_settled(*number));
        if dead.is_empty() {
            return Ok(());
        }
        let in_memtables: BTreeSet<FileNumber> = versions
            .frozen
            .iter()
            .chain([&versions.active])
            .flat_map(|memtable| memtable.references())
            .map(|(file, _)| file)
            .collect();
        dead.retain(|number| !in_memtables.contains(number));
        if dead.is_empty() {
            return Ok(());
        }
        tracing::debug!(files = dead.len(), "value files collected");
        let edit = VersionEdit {
            value_files_removed: dead,
            ..VersionEdit::default()
        };
        versions.install(self, edit, 0)
    }

    /// Unlinks the files whose last reader has gone, unless another thread is at it. What comes up
    /// while that one ends is left to the next call; idle threads call now and then.
    pub(crate) fn reap(&self) {
        if let Some(_reaping) = self.reaping.try_lock() {
            self.unlink_obsolete();
        }
    }

    /// As [`Inner::reap`], but waits for other threads: on return the files are gone.
    pub(crate) fn reap_all(&self) {
        let _reaping = self.reaping.lock();
        self.unlink_obsolete();
    }

    fn unlink_obsolete(&self) {
        for name in self.files.take_obsolete() {
            let path = match name {
                FileName::Table(number) => {
                    self.memory.cache().forget_fresh(number);
                    names::table(&self.directory, number)
                }
                FileName::Value(number) => {
                    self.values.forget(number);
                    names::value(&self.directory, number)
                }
                _ => continue,
            };
            if let Err(error) = self.vfs.remove_file(&path)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(%error, path = %path.display(), "cannot remove a dead file");
            }
        }
    }

    pub(crate) fn sync_directory(&self) -> Result<()> {
        self.vfs
            .sync_dir(&self.directory)
            .map_err(|e| Error::io("sync", &self.directory, e))
    }
}
