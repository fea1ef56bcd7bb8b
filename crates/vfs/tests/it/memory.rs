//! Files in memory.

use std::path::Path;
use std::time::Duration;

use rustdb_vfs::{MemVfs, OpenMode, Vfs};

use crate::conformance;

#[test]
fn memory_conforms() {
    conformance::check_all(&MemVfs::new(), Path::new("/some/where"));
    conformance::check_all(&MemVfs::deterministic(1), Path::new("relative"));
}

#[test]
fn clock_moves_by_what_it_is_advanced() {
    let vfs = MemVfs::deterministic(1);
    let (start, wall) = (vfs.monotonic(), vfs.wall_micros());
    vfs.advance(Duration::from_secs(60));
    assert_eq!(vfs.monotonic() - start, Duration::from_secs(60));
    assert_eq!(vfs.wall_micros() - wall, 60_000_000);

    let vfs = MemVfs::new();
    let wall = vfs.wall_micros();
    vfs.advance(Duration::from_secs(3600));
    assert!(vfs.wall_micros() - wall >= 3_600_000_000);
}

#[test]
fn deterministic_randomness_follows_from_the_seed() {
    let draw = |seed| {
        let mut buffer = [0; 32];
        MemVfs::deterministic(seed)
            .fill_random(&mut buffer)
            .unwrap();
        buffer
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn relative_and_absolute_paths_name_the_same_files() {
    let vfs = MemVfs::new();
    vfs.create_dir_all(Path::new("/a/b")).unwrap();
    vfs.open(Path::new("a/./b/f"), OpenMode::CreateNew).unwrap();
    vfs.open(Path::new("/a/x/../b/f"), OpenMode::Read).unwrap();
    assert_eq!(vfs.read_dir(Path::new("/")).unwrap().len(), 1);
}
