//! The file `CURRENT`, which names the manifest in force.
//!
//! It is one line of text, so that a person can read it:
//!
//! ```text
//! MANIFEST-000007 0f1e2d3c4b5a69788796a5b4c3d2e1f0 54b7c1a29e8d3f60
//! ```
//!
//! the manifest, the id of the database, and a checksum of what comes before it. `CURRENT` is
//! only ever replaced whole, by renaming, so at any moment it names a manifest that is durable.

use std::path::Path;

use rustdb_vfs::{FileExt, OpenMode, Vfs};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::key::FileNumber;
use crate::names::{self, FileName};

/// Longer files are not read.
const FILE_BYTES_MAX: u64 = 256;

/// What `CURRENT` says. Readable without keys and before anything else of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Current {
    /// The number of the manifest in force.
    pub manifest: FileNumber,
    /// The id of the database.
    pub database_id: [u8; 16],
}

impl Current {
    /// The contents of the file.
    pub fn encode(&self) -> String {
        let line = format!(
            "{} {:032x}",
            names::manifest(Path::new(""), self.manifest).display(),
            u128::from_be_bytes(self.database_id)
        );
        let checksum = xxh3_64(line.as_bytes());
        format!("{line} {checksum:016x}\n")
    }

    /// Reads the contents of the file; `None` if they are not exactly what some
    /// [`Current::encode`] gives.
    pub fn decode(contents: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(contents).ok()?;
        let mut words = text.split([' ', '\n']);
        let FileName::Manifest(manifest) = FileName::parse(words.next()?)? else {
            return None;
        };
        let database_id = u128::from_str_radix(words.next()?, 16).ok()?.to_be_bytes();
        let current = Self {
            manifest,
            database_id,
        };
        (current.encode() == text).then_some(current)
    }

    /// Reads `CURRENT` of a directory; `None` if there is none.
    pub fn read(vfs: &dyn Vfs, directory: &Path) -> Result<Option<Self>> {
        let path = names::current(directory);
        let file = match vfs.open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("open", &path, e)),
        };
        let len = file.len().map_err(|e| Error::io("measure", &path, e))?;
        if len > FILE_BYTES_MAX {
            return Err(Error::corruption(
                &path,
                0,
                format!("{len} bytes are too many"),
            ));
        }
        let mut contents = vec![0; len as usize];
        file.read_exact_at(&mut contents, 0)
            .map_err(|e| Error::io("read", &path, e))?;
        match Self::decode(&contents) {
            Some(current) => Ok(Some(current)),
            None => Err(Error::corruption(&path, 0, "does not name a manifest")),
        }
    }

    /// Replaces `CURRENT`. The manifest's contents must be durable; its name becomes so.
    ///
    /// The outer error means that nothing changed. The inner one means that it is not known which
    /// of the two manifests will be in force after a power failure.
    pub(super) fn write(&self, vfs: &dyn Vfs, directory: &Path) -> Result<Result<()>> {
        let path = names::current(directory);
        let temporary = names::temporary(&path);
        remove_if_there(vfs, &temporary)?;
        let file = vfs
            .open(&temporary, OpenMode::CreateNew)
            .map_err(|e| Error::io("create", &temporary, e))?;
        file.write_all_at(self.encode().as_bytes(), 0)
            .map_err(|e| Error::io("write", &temporary, e))?;
        file.sync_data()
            .map_err(|e| Error::io("sync", &temporary, e))?;
        // The manifest's name must not be lost if the new `CURRENT` is kept.
        vfs.sync_dir(directory)
            .map_err(|e| Error::io("sync", directory, e))?;
        let renamed = vfs
            .rename(&temporary, &path)
            .map_err(|e| Error::io("rename", &temporary, e));
        let durable = renamed.and_then(|()| {
            vfs.sync_dir(directory)
                .map_err(|e| Error::io("sync", directory, e))
        });
        Ok(durable)
    }
}

/// Removes a file, or does nothing if it does not exist.
pub(super) fn remove_if_there(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    match vfs.remove_file(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::io("remove", path, e)),
    }
}
