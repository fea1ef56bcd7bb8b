//! The operating system.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustdb_vfs::{FileExt, LockMode, OpenMode, OsVfs, Vfs};

use crate::conformance;

/// A new directory below the one cargo gives to tests; removed on drop.
struct TestDir(PathBuf);

impl TestDir {
    fn new(name: &str) -> Self {
        let unique = format!(
            "{name}-{}-{}",
            std::process::id(),
            OsVfs::new().wall_micros()
        );
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        OsVfs::new().create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn mode_of(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn operating_system_conforms() {
    let dir = TestDir::new("conformance");
    conformance::check_all(&OsVfs::new(), &dir.0);
}

#[test]
fn writing_back_changes_no_bytes_wherever_it_is_asked_for() {
    let dir = TestDir::new("writeback");
    let file = OsVfs::new()
        .open(&dir.0.join("f"), OpenMode::CreateNew)
        .unwrap();
    let bytes: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
    file.write_all_at(&bytes[..100_000], 0).unwrap();
    for (offset, len) in [
        (0, 65_536),
        (65_536, 1),
        (99_999, 1 << 40),
        (u64::MAX, u64::MAX),
    ] {
        file.begin_writeback(offset, len);
    }
    file.write_all_at(&bytes[100_000..], 100_000).unwrap();
    file.begin_writeback(65_536, 134_464);
    file.sync_data().unwrap();
    let mut read = vec![0; bytes.len()];
    file.read_exact_at(&mut read, 0).unwrap();
    assert!(read == bytes && file.len().unwrap() == 200_000);
}

#[test]
fn new_files_and_directories_belong_to_their_owner_only() {
    let dir = TestDir::new("modes");
    let vfs = OsVfs::new();
    vfs.create_dir_all(&dir.0.join("a/b")).unwrap();
    vfs.open(&dir.0.join("f"), OpenMode::CreateNew).unwrap();
    vfs.lock(&dir.0.join("LOCK"), LockMode::Exclusive).unwrap();
    assert_eq!(mode_of(&dir.0.join("a")), 0o700);
    assert_eq!(mode_of(&dir.0.join("a/b")), 0o700);
    assert_eq!(mode_of(&dir.0.join("f")), 0o600);
    assert_eq!(mode_of(&dir.0.join("LOCK")), 0o600);
}

#[test]
fn allocation_reserves_blocks() {
    use std::os::unix::fs::MetadataExt;
    let dir = TestDir::new("allocate");
    let path = dir.0.join("f");
    let file = OsVfs::new().open(&path, OpenMode::CreateNew).unwrap();
    file.allocate(0, 1 << 20).unwrap();
    assert_eq!(file.len().unwrap(), 0);
    if cfg!(target_os = "linux") {
        assert!(std::fs::metadata(&path).unwrap().blocks() >= 2048);
    }
}
