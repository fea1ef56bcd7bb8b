//! What every [`Vfs`] does alike. Each rule is a function of a file system and an empty directory
//! in it; [`check_all`] runs them all, and each file system has one test that calls it.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustdb_vfs::{FileExt, FileRef, LockMode, Metadata, OpenMode, Vfs};

type Rule = (&'static str, fn(&dyn Vfs, &Path));

const RULES: &[Rule] = &[
    ("open_modes", open_modes),
    ("reads_and_writes", reads_and_writes),
    ("read_handles_refuse_changes", read_handles_refuse_changes),
    ("length", length),
    (
        "allocate_changes_nothing_visible",
        allocate_changes_nothing_visible,
    ),
    (
        "removed_files_live_while_open",
        removed_files_live_while_open,
    ),
    ("rename_replaces", rename_replaces),
    ("rename_of_directories", rename_of_directories),
    ("hard_links_share_contents", hard_links_share_contents),
    ("directories", directories),
    ("one_path_is_canonical", one_path_is_canonical),
    ("missing_things_are_not_found", missing_things_are_not_found),
    ("wrong_kinds_are_errors", wrong_kinds_are_errors),
    ("locks_exclude", locks_exclude),
    ("locked_files_are_files", locked_files_are_files),
    ("clock_and_randomness", clock_and_randomness),
    ("threads", threads),
];

/// Runs every rule in a directory of its own below `root`.
pub(crate) fn check_all(vfs: &dyn Vfs, root: &Path) {
    for (name, rule) in RULES {
        let dir = root.join(name);
        vfs.create_dir_all(&dir).unwrap();
        rule(vfs, &dir);
    }
}

fn create(vfs: &dyn Vfs, path: &Path, contents: &[u8]) -> FileRef {
    let file = vfs.open(path, OpenMode::CreateNew).unwrap();
    file.write_all_at(contents, 0).unwrap();
    file
}

fn contents(file: &FileRef) -> Vec<u8> {
    let mut buffer = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut buffer, 0).unwrap();
    buffer
}

fn contents_of(vfs: &dyn Vfs, path: &Path) -> Vec<u8> {
    contents(&vfs.open(path, OpenMode::Read).unwrap())
}

fn names(vfs: &dyn Vfs, dir: &Path) -> Vec<String> {
    vfs.read_dir(dir)
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect()
}

#[track_caller]
fn expect_kind<T>(result: std::io::Result<T>, kind: ErrorKind) {
    match result {
        Ok(_) => panic!("expected {kind:?}, got success"),
        Err(e) => assert_eq!(e.kind(), kind, "{e}"),
    }
}

fn open_modes(vfs: &dyn Vfs, dir: &Path) {
    let path = dir.join("f");
    expect_kind(vfs.open(&path, OpenMode::Read), ErrorKind::NotFound);
    expect_kind(vfs.open(&path, OpenMode::ReadWrite), ErrorKind::NotFound);
    create(vfs, &path, b"old");
    expect_kind(
        vfs.open(&path, OpenMode::CreateNew),
        ErrorKind::AlreadyExists,
    );
    let again = vfs.open(&path, OpenMode::ReadWrite).unwrap();
    again.write_all_at(b"new", 1).unwrap();
    assert_eq!(contents_of(vfs, &path), b"onew");
}

fn reads_and_writes(vfs: &dyn Vfs, dir: &Path) {
    let file = create(vfs, &dir.join("f"), b"0123456789");
    let mut buffer = [0; 4];
    file.read_exact_at(&mut buffer, 3).unwrap();
    assert_eq!(&buffer, b"3456");
    assert_eq!(file.read_at(&mut buffer, 8).unwrap(), 2);
    assert_eq!(file.read_at(&mut buffer, 10).unwrap(), 0);
    assert_eq!(file.read_at(&mut buffer, 1 << 30).unwrap(), 0);
    expect_kind(file.read_exact_at(&mut buffer, 8), ErrorKind::UnexpectedEof);
    // A gap reads as zeros.
    file.write_all_at(b"x", 12).unwrap();
    assert_eq!(contents(&file), b"0123456789\0\0x");
    assert_eq!(file.write_at(b"", 100).unwrap(), 0);
    assert_eq!(file.len().unwrap(), 13);
    // Something larger than any buffer on the way.
    let large: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
    file.write_all_at(&large, 5).unwrap();
    let mut back = vec![0; large.len()];
    file.read_exact_at(&mut back, 5).unwrap();
    assert!(back == large);
    assert!(file.write_at(b"x", u64::MAX - 1).is_err());
    file.sync_data().unwrap();
}

fn read_handles_refuse_changes(vfs: &dyn Vfs, dir: &Path) {
    let path = dir.join("f");
    create(vfs, &path, b"abc");
    let reader = vfs.open(&path, OpenMode::Read).unwrap();
    assert!(reader.write_at(b"x", 0).is_err());
    assert!(reader.set_len(0).is_err());
    assert_eq!(contents(&reader), b"abc");
}

fn length(vfs: &dyn Vfs, dir: &Path) {
    let path = dir.join("f");
    let file = create(vfs, &path, b"");
    assert!(file.is_empty().unwrap());
    file.write_all_at(&[9; 6_000], 0).unwrap();
    assert_eq!(file.len().unwrap(), 6_000);
    file.set_len(5_000).unwrap();
    file.set_len(7_000).unwrap();
    assert_eq!(
        vfs.metadata(&path).unwrap(),
        Metadata {
            len: 7_000,
            is_dir: false
        }
    );
    let bytes = contents(&file);
    assert!(bytes[..5_000].iter().all(|&byte| byte == 9));
    assert!(bytes[5_000..].iter().all(|&byte| byte == 0));
}

fn allocate_changes_nothing_visible(vfs: &dyn Vfs, dir: &Path) {
    let file = create(vfs, &dir.join("f"), b"abc");
    file.allocate(0, 1 << 20).unwrap();
    file.allocate(7, 0).unwrap();
    assert_eq!(contents(&file), b"abc");
    file.write_all_at(b"z", 10_000).unwrap();
    assert_eq!(file.len().unwrap(), 10_001);
}

fn removed_files_live_while_open(vfs: &dyn Vfs, dir: &Path) {
    let path = dir.join("f");
    let old = create(vfs, &path, b"old");
    vfs.remove_file(&path).unwrap();
    expect_kind(vfs.metadata(&path), ErrorKind::NotFound);
    create(vfs, &path, b"new");
    old.write_all_at(b"er", 3).unwrap();
    assert_eq!(contents(&old), b"older");
    assert_eq!(contents_of(vfs, &path), b"new");
}

fn rename_replaces(vfs: &dyn Vfs, dir: &Path) {
    let (a, b) = (dir.join("a"), dir.join("b"));
    create(vfs, &a, b"from a");
    let replaced = create(vfs, &b, b"from b");
    vfs.rename(&a, &b).unwrap();
    assert_eq!(names(vfs, dir), ["b"]);
    assert_eq!(contents_of(vfs, &b), b"from a");
    assert_eq!(contents(&replaced), b"from b");
    vfs.rename(&b, &b).unwrap();
    assert_eq!(names(vfs, dir), ["b"]);
    // Into another directory.
    vfs.create_dir_all(&dir.join("sub")).unwrap();
    vfs.rename(&b, &dir.join("sub/c")).unwrap();
    assert_eq!(names(vfs, dir), ["sub"]);
    assert_eq!(contents_of(vfs, &dir.join("sub/c")), b"from a");
    vfs.sync_dir(dir).unwrap();
}

fn rename_of_directories(vfs: &dyn Vfs, dir: &Path) {
    vfs.create_dir_all(&dir.join("a/inner")).unwrap();
    create(vfs, &dir.join("a/inner/f"), b"x");
    vfs.rename(&dir.join("a"), &dir.join("b")).unwrap();
    assert_eq!(names(vfs, dir), ["b"]);
    assert_eq!(contents_of(vfs, &dir.join("b/inner/f")), b"x");
    assert!(vfs.rename(&dir.join("b"), &dir.join("b/inner/b")).is_err());
    vfs.create_dir_all(&dir.join("empty")).unwrap();
    vfs.rename(&dir.join("b"), &dir.join("empty")).unwrap();
    vfs.create_dir_all(&dir.join("c")).unwrap();
    expect_kind(
        vfs.rename(&dir.join("c"), &dir.join("empty")),
        ErrorKind::DirectoryNotEmpty,
    );
}

fn hard_links_share_contents(vfs: &dyn Vfs, dir: &Path) {
    let (a, b) = (dir.join("a"), dir.join("b"));
    create(vfs, &a, b"one");
    vfs.hard_link(&a, &b).unwrap();
    expect_kind(vfs.hard_link(&a, &b), ErrorKind::AlreadyExists);
    vfs.open(&b, OpenMode::ReadWrite)
        .unwrap()
        .write_all_at(b"two", 0)
        .unwrap();
    assert_eq!(contents_of(vfs, &a), b"two");
    vfs.remove_file(&a).unwrap();
    assert_eq!(contents_of(vfs, &b), b"two");
}

fn directories(vfs: &dyn Vfs, dir: &Path) {
    vfs.create_dir_all(&dir.join("x/y")).unwrap();
    vfs.create_dir_all(&dir.join("x/y")).unwrap();
    for name in ["b", "a", "c"] {
        create(vfs, &dir.join("x").join(name), name.repeat(3).as_bytes());
    }
    let entries = vfs.read_dir(&dir.join("x")).unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|e| (e.name.as_str(), e.len, e.is_dir))
        .collect();
    assert_eq!(
        told,
        [
            ("a", 3, false),
            ("b", 3, false),
            ("c", 3, false),
            ("y", 0, true)
        ]
    );
    assert_eq!(entries[0].path, dir.join("x/a"));
    assert_eq!(
        vfs.metadata(&dir.join("x")).unwrap(),
        Metadata {
            len: 0,
            is_dir: true
        }
    );
    expect_kind(vfs.remove_dir(&dir.join("x")), ErrorKind::DirectoryNotEmpty);
    vfs.remove_dir(&dir.join("x/y")).unwrap();
    vfs.sync_dir(&dir.join("x")).unwrap();
    assert_eq!(names(vfs, &dir.join("x")), ["a", "b", "c"]);
    assert!(vfs.available_bytes(dir).unwrap() > 0);
}

fn one_path_is_canonical(vfs: &dyn Vfs, dir: &Path) {
    vfs.create_dir_all(&dir.join("a/b")).unwrap();
    let canonical = vfs.canonical(&dir.join("a/b")).unwrap();
    assert!(canonical.is_absolute());
    assert_eq!(vfs.canonical(&dir.join("a/../a/./b")).unwrap(), canonical);
    assert_eq!(vfs.canonical(&canonical).unwrap(), canonical);
    let parent = vfs.canonical(&dir.join("a")).unwrap();
    assert_eq!(canonical.parent(), Some(&*parent));
    let missing = vfs.canonical(&dir.join("a/c")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

fn missing_things_are_not_found(vfs: &dyn Vfs, dir: &Path) {
    let missing = dir.join("missing");
    expect_kind(vfs.remove_file(&missing), ErrorKind::NotFound);
    expect_kind(vfs.rename(&missing, &dir.join("b")), ErrorKind::NotFound);
    expect_kind(vfs.hard_link(&missing, &dir.join("b")), ErrorKind::NotFound);
    expect_kind(vfs.remove_dir(&missing), ErrorKind::NotFound);
    expect_kind(vfs.read_dir(&missing), ErrorKind::NotFound);
    expect_kind(vfs.metadata(&missing), ErrorKind::NotFound);
    expect_kind(vfs.sync_dir(&missing), ErrorKind::NotFound);
    expect_kind(vfs.available_bytes(&missing), ErrorKind::NotFound);
    expect_kind(
        vfs.open(&missing.join("f"), OpenMode::CreateNew),
        ErrorKind::NotFound,
    );
    expect_kind(
        vfs.lock(&missing.join("f"), LockMode::Shared),
        ErrorKind::NotFound,
    );
    create(vfs, &dir.join("a"), b"");
    expect_kind(
        vfs.rename(&dir.join("a"), &missing.join("a")),
        ErrorKind::NotFound,
    );
    assert_eq!(names(vfs, dir), ["a"]);
}

fn wrong_kinds_are_errors(vfs: &dyn Vfs, dir: &Path) {
    let (file, sub) = (dir.join("file"), dir.join("sub"));
    create(vfs, &file, b"x");
    vfs.create_dir_all(&sub).unwrap();
    for mode in [OpenMode::Read, OpenMode::ReadWrite] {
        expect_kind(vfs.open(&sub, mode), ErrorKind::IsADirectory);
    }
    expect_kind(
        vfs.open(&sub, OpenMode::CreateNew),
        ErrorKind::AlreadyExists,
    );
    expect_kind(vfs.remove_dir(&file), ErrorKind::NotADirectory);
    assert!(vfs.remove_file(&sub).is_err());
    expect_kind(vfs.read_dir(&file), ErrorKind::NotADirectory);
    expect_kind(vfs.sync_dir(&file), ErrorKind::NotADirectory);
    expect_kind(
        vfs.open(&file.join("f"), OpenMode::CreateNew),
        ErrorKind::NotADirectory,
    );
    assert!(vfs.create_dir_all(&file).is_err());
    assert!(vfs.create_dir_all(&file.join("f")).is_err());
    expect_kind(vfs.rename(&file, &sub), ErrorKind::IsADirectory);
    expect_kind(vfs.rename(&sub, &file), ErrorKind::NotADirectory);
    assert_eq!(names(vfs, dir), ["file", "sub"]);
}

fn locks_exclude(vfs: &dyn Vfs, dir: &Path) {
    let path = dir.join("LOCK");
    let exclusive = vfs
        .lock(&path, LockMode::Exclusive)
        .unwrap()
        .expect("it is free");
    assert!(vfs.lock(&path, LockMode::Exclusive).unwrap().is_none());
    assert!(vfs.lock(&path, LockMode::Shared).unwrap().is_none());
    let copy = Arc::clone(&exclusive);
    drop(exclusive);
    assert!(vfs.lock(&path, LockMode::Shared).unwrap().is_none());
    drop(copy);
    let first = vfs
        .lock(&path, LockMode::Shared)
        .unwrap()
        .expect("it is free");
    let second = vfs
        .lock(&path, LockMode::Shared)
        .unwrap()
        .expect("it is shared");
    assert!(vfs.lock(&path, LockMode::Exclusive).unwrap().is_none());
    drop(first);
    assert!(vfs.lock(&path, LockMode::Exclusive).unwrap().is_none());
    drop(second);
    assert!(vfs.lock(&path, LockMode::Exclusive).unwrap().is_some());
}

fn locked_files_are_files(vfs: &dyn Vfs, dir: &Path) {
    let path = dir.join("LOCK");
    let lock = vfs
        .lock(&path, LockMode::Exclusive)
        .unwrap()
        .expect("it is free");
    lock.write_all_at(b"process 17", 0).unwrap();
    assert_eq!(contents_of(vfs, &path), b"process 17");
    lock.set_len(7).unwrap();
    lock.allocate(0, 100).unwrap();
    lock.sync_data().unwrap();
    assert_eq!(contents(&lock), b"process");
}

fn clock_and_randomness(vfs: &dyn Vfs, _dir: &Path) {
    let (start, wall) = (vfs.monotonic(), vfs.wall_micros());
    vfs.sleep(Duration::from_millis(2));
    assert!(vfs.monotonic() >= start);
    assert!(vfs.wall_micros() >= wall);
    let mut draws = [[0; 20]; 2];
    for draw in &mut draws {
        vfs.fill_random(draw).unwrap();
    }
    assert_ne!(draws[0], draws[1]);
}

fn threads(vfs: &dyn Vfs, _dir: &Path) {
    let ran = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ran);
    let handle = vfs.spawn(
        "worker",
        Box::new(move || flag.store(true, Ordering::SeqCst)),
    );
    assert!(handle.unwrap().join());
    assert!(ran.load(Ordering::SeqCst));
}
