//! Tests of the crate from outside.

#![expect(clippy::unwrap_used, reason = "a test that meets an error should fail")]

mod conformance;
mod faults;
mod memory;
mod os;
mod power_loss;
mod simulation;

use std::path::Path;

use rustdb_vfs::{FileExt, FileRef, OpenMode, Vfs};

/// A new file with contents, not synced.
fn create(vfs: &dyn Vfs, path: &str, contents: &[u8]) -> FileRef {
    let file = vfs.open(Path::new(path), OpenMode::CreateNew).unwrap();
    file.write_all_at(contents, 0).unwrap();
    file
}

/// A new file that is safe with its name.
fn create_durably(vfs: &dyn Vfs, path: &str, contents: &[u8]) -> FileRef {
    let file = create(vfs, path, contents);
    file.sync_data().unwrap();
    vfs.sync_dir(Path::new(path).parent().unwrap()).unwrap();
    file
}
