//! Putting the new state in force, and the files that it does not use out of the way.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustdb_vfs::{FileExt, OpenMode};

use super::{Repair, list};
use crate::error::{Error, Result};
use crate::key::FileNumber;
use crate::manifest::{Manifest, ManifestState};
use crate::names::{self, FileName};

/// The directory, within that of the database, for files that are not used any more.
const LOST_AND_FOUND: &str = "lost-and-found";

/// What says which files these are, and why.
const REPORT: &str = "REPORT.txt";

impl Repair {
    /// Makes `state` the state of the directory.
    pub(super) fn publish(&mut self, state: ManifestState) -> Result<()> {
        self.sync(&self.directory)?;
        let unused = self.unused(&state)?;
        if !unused.is_empty() {
            self.set_aside(&unused)?;
        }
        let manifests = self.found.keys().filter_map(|name| match name {
            FileName::Manifest(number) => Some(number.0),
            _ => None,
        });
        let number = FileNumber(manifests.max().unwrap_or(0) + 1);
        let (vfs, security) = (self.vfs.clone(), self.security.clone());
        let manifest = Manifest::create(vfs, security, &self.directory, number, state)?;
        manifest.finish()?;
        for path in &unused {
            match self.vfs.remove_file(path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", path, e));
                }
                Ok(()) | Err(_) => {}
            }
        }
        self.sync(&self.directory)
    }

    /// The files that were there before and are not part of `state`.
    fn unused(&self, state: &ManifestState) -> Result<BTreeSet<PathBuf>> {
        let current = names::current(&self.directory);
        let is_used = |name: &FileName| match name {
            FileName::Table(number) => state.has_table(*number),
            FileName::Value(number) => state.value_files().contains_key(number),
            FileName::Wal(_) | FileName::Manifest(_) => false,
            FileName::Current | FileName::Lock | FileName::Keyring | FileName::Temporary => true,
        };
        let mut unused: BTreeSet<PathBuf> = self
            .found
            .iter()
            .filter(|(name, _)| !is_used(name))
            .map(|(_, path)| path.clone())
            .collect();
        unused.remove(&current);
        // Files this repair has written and then merged into others are of no interest.
        for (name, path) in list(&self.vfs, &self.directory)? {
            let is_new = !self.found.contains_key(&name);
            if is_new && !is_used(&name) {
                self.vfs
                    .remove_file(&path)
                    .map_err(|e| Error::io("remove", &path, e))?;
            }
        }
        Ok(unused)
    }

    /// Gives files a second name in a new directory, with a report beside them.
    fn set_aside(&mut self, paths: &BTreeSet<PathBuf>) -> Result<()> {
        let parent = self.directory.join(LOST_AND_FOUND);
        let numbers = 1..u64::MAX;
        let target = numbers
            .map(|number| parent.join(number.to_string()))
            .find(|path| self.vfs.metadata(path).is_err())
            .unwrap_or_else(|| parent.clone());
        self.vfs
            .create_dir_all(&target)
            .map_err(|e| Error::io("create", &target, e))?;
        for path in paths {
            let Some(name) = path.file_name() else {
                continue;
            };
            let kept = target.join(name);
            if self.vfs.hard_link(path, &kept).is_err() {
                self.copy(path, &kept)?;
            }
            let name = name.to_string_lossy().into_owned();
            self.report.set_aside.push(name);
        }
        self.report.lost_and_found = Some(target.clone());
        let text = self.report.to_string();
        self.write_new(&target.join(REPORT), text.as_bytes())?;
        self.sync(&target)?;
        self.sync(&parent)?;
        self.sync(&self.directory)
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let file = self
            .vfs
            .open(from, OpenMode::Read)
            .map_err(|e| Error::io("open", from, e))?;
        let target = self
            .vfs
            .open(to, OpenMode::CreateNew)
            .map_err(|e| Error::io("create", to, e))?;
        let mut buffer = vec![0; 1 << 20];
        let mut offset = 0;
        loop {
            let count = file
                .read_at(&mut buffer, offset)
                .map_err(|e| Error::io("read", from, e))?;
            if count == 0 {
                break;
            }
            target
                .write_all_at(&buffer[..count], offset)
                .map_err(|e| Error::io("write", to, e))?;
            offset += count as u64;
        }
        target.sync_data().map_err(|e| Error::io("sync", to, e))
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let file = self
            .vfs
            .open(path, OpenMode::CreateNew)
            .map_err(|e| Error::io("create", path, e))?;
        file.write_all_at(bytes, 0)
            .map_err(|e| Error::io("write", path, e))?;
        file.sync_data().map_err(|e| Error::io("sync", path, e))
    }

    fn sync(&self, directory: &Path) -> Result<()> {
        self.vfs
            .sync_dir(directory)
            .map_err(|e| Error::io("sync", directory, e))
    }
}
