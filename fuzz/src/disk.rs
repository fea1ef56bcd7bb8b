//! A file system in memory that holds what an input says.

use std::path::Path;
use std::sync::Arc;

use rustdb_storage::fuzzing::ignore_checksums;
use rustdb_storage::security::Security;
use rustdb_vfs::{FileExt, MemVfs, OpenMode, VfsRef};

/// Where databases are.
pub(crate) const DIRECTORY: &str = "/db";

/// An empty disk, the same each time.
pub(crate) fn disk() -> VfsRef {
    let vfs: VfsRef = Arc::new(MemVfs::deterministic(1));
    vfs.create_dir_all(Path::new(DIRECTORY))
        .expect("memory takes directories");
    vfs
}

/// Puts a file on a disk.
pub(crate) fn put(vfs: &VfsRef, name: &str, bytes: &[u8]) {
    let path = Path::new(DIRECTORY).join(name);
    let file = vfs
        .open(&path, OpenMode::CreateNew)
        .expect("memory takes files");
    file.write_all_at(bytes, 0).expect("memory takes bytes");
}

/// A disk with one file, and the security of the plain database that the file says it is of. The
/// lowest bit of `selector` says whether wrong checksums pass.
pub(crate) fn disk_with(selector: u8, name: &str, bytes: &[u8]) -> (VfsRef, Arc<Security>) {
    ignore_checksums(selector & 1 != 0);
    let vfs = disk();
    put(&vfs, name, bytes);
    let id = bytes.get(24..).and_then(<[u8]>::first_chunk).copied();
    let security = Security::plain(vfs.clone(), id.unwrap_or_default());
    (vfs, security)
}
