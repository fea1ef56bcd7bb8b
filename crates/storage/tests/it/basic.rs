//! What a single process sees of an engine, before and after a clean restart.

use std::path::Path;
use std::sync::Arc;

use rustdb_storage::engine::{
    Bounds, CommitContext, Durability, Engine, EngineOptions, KeyspaceOptions, ReadAt,
};
use rustdb_storage::error::{Error, Rejection};
use rustdb_storage::key::KeyspaceId;
use rustdb_vfs::{MemVfs, VfsRef};

const DIR: &str = "/db";
pub(crate) const KS: KeyspaceId = KeyspaceId::DEFAULT;

pub(crate) fn small() -> EngineOptions {
    EngineOptions {
        memtable_bytes: 64 << 10,
        value_threshold: 4 << 10,
        cache_bytes: 1 << 20,
        ..EngineOptions::default()
    }
}

pub(crate) fn accept(_: &mut CommitContext) -> Result<(), Rejection> {
    Ok(())
}

pub(crate) fn open(vfs: &VfsRef, options: EngineOptions) -> Engine {
    Engine::open(vfs.clone(), Path::new(DIR), options).unwrap()
}

pub(crate) fn put(engine: &Engine, key: &[u8], value: &[u8], durability: Durability) {
    let mut batch = engine.batch();
    batch.put(KS, key, value).unwrap();
    engine.commit(&mut batch, durability, &mut accept).unwrap();
}

fn get(engine: &Engine, key: &[u8]) -> Option<Vec<u8>> {
    engine
        .get(KS, key, ReadAt::Latest)
        .unwrap()
        .map(|value| value.to_vec())
}

fn all(engine: &Engine, at: ReadAt<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = engine.iter(KS, &Bounds::all(), at).unwrap();
    let mut found = Vec::new();
    while let Some((key, value)) = entries.next_entry().unwrap() {
        found.push((key.to_vec(), value.to_vec()));
    }
    found
}

#[test]
fn writes_are_read_back_now_and_after_reopening() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    let large = vec![7; 100_000];
    put(&engine, b"a", b"1", Durability::Sync);
    put(&engine, b"b", &large, Durability::Sync);
    put(&engine, b"c", b"", Durability::None);
    put(&engine, b"a", b"2", Durability::Sync);
    let check = |engine: &Engine| {
        assert_eq!(get(engine, b"a"), Some(b"2".to_vec()));
        assert_eq!(get(engine, b"b"), Some(large.clone()));
        assert_eq!(get(engine, b"c"), Some(Vec::new()));
        assert_eq!(get(engine, b"d"), None);
    };
    check(&engine);
    engine.flush().unwrap();
    check(&engine);
    drop(engine);
    check(&open(&vfs, small()));
}

#[test]
fn deletes_hide_what_is_in_tables() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    for number in 0..1_000u32 {
        put(&engine, &number.to_be_bytes(), b"value", Durability::None);
    }
    engine.flush().unwrap();
    let mut batch = engine.batch();
    batch.delete(KS, &5u32.to_be_bytes()).unwrap();
    batch
        .delete_range(KS, &100u32.to_be_bytes(), Some(&900u32.to_be_bytes()))
        .unwrap();
    batch.put(KS, &500u32.to_be_bytes(), b"again").unwrap();
    engine
        .commit(&mut batch, Durability::Sync, &mut accept)
        .unwrap();
    let check = |engine: &Engine| {
        assert_eq!(get(engine, &5u32.to_be_bytes()), None);
        assert_eq!(get(engine, &99u32.to_be_bytes()), Some(b"value".to_vec()));
        assert_eq!(get(engine, &100u32.to_be_bytes()), None);
        assert_eq!(get(engine, &500u32.to_be_bytes()), Some(b"again".to_vec()));
        assert_eq!(get(engine, &900u32.to_be_bytes()), Some(b"value".to_vec()));
        assert_eq!(all(engine, ReadAt::Latest).len(), 1_000 - 1 - 800 + 1);
    };
    check(&engine);
    engine.flush().unwrap();
    check(&engine);
    drop(engine);
    check(&open(&vfs, small()));
}

#[test]
fn snapshots_do_not_see_later_commits() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    let mut snapshots = Vec::new();
    for round in 0..20u8 {
        for number in 0..200u32 {
            put(
                &engine,
                &number.to_be_bytes(),
                &[round; 50],
                Durability::None,
            );
        }
        snapshots.push((round, engine.snapshot()));
    }
    engine.flush().unwrap();
    for (round, snapshot) in &snapshots {
        let seen = all(&engine, ReadAt::Snapshot(snapshot));
        assert_eq!(seen.len(), 200);
        assert!(
            seen.iter().all(|(_, value)| value == &[*round; 50]),
            "round {round}"
        );
        let one = engine
            .get(KS, &7u32.to_be_bytes(), ReadAt::Snapshot(snapshot))
            .unwrap();
        assert_eq!(one.as_deref(), Some(&[*round; 50][..]));
    }
}

#[test]
fn refused_commits_leave_no_trace() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    put(&engine, b"k", b"old", Durability::Sync);
    let mut batch = engine.batch();
    batch.put(KS, b"k", b"new").unwrap();
    let rejection = Rejection {
        code: 7,
        message: "no".into(),
    };
    let refused = engine.commit(
        &mut batch,
        Durability::Sync,
        &mut |_: &mut CommitContext| Err(rejection.clone()),
    );
    assert!(matches!(refused, Err(Error::Rejected(r)) if r == rejection));
    assert_eq!(get(&engine, b"k"), Some(b"old".to_vec()));
}

#[test]
fn concurrent_writers_and_readers_lose_nothing() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    std::thread::scope(|scope| {
        for writer in 0..4u32 {
            let engine = &engine;
            scope.spawn(move || {
                for number in 0..2_000u32 {
                    let key = [writer.to_be_bytes(), number.to_be_bytes()].concat();
                    put(engine, &key, &key, Durability::Buffered);
                    assert_eq!(get(engine, &key), Some(key));
                }
            });
        }
    });
    assert_eq!(all(&engine, ReadAt::Latest).len(), 8_000);
    drop(engine);
    assert_eq!(all(&open(&vfs, small()), ReadAt::Latest).len(), 8_000);
}

#[test]
fn keyspaces_are_apart_and_survive_reopening() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    let counted = KeyspaceOptions {
        counted: true,
        ..KeyspaceOptions::default()
    };
    let a = engine.create_keyspace("a", &counted).unwrap().id;
    let b = engine
        .create_keyspace("b", &KeyspaceOptions::default())
        .unwrap()
        .id;
    assert!(matches!(
        engine.create_keyspace("a", &counted),
        Err(Error::KeyspaceExists(_))
    ));
    for (keyspace, value) in [(a, b"in a"), (b, b"in b")] {
        let mut batch = engine.batch();
        batch.put(keyspace, b"k", value).unwrap();
        engine
            .commit(
                &mut batch,
                Durability::Sync,
                &mut |context: &mut CommitContext| {
                    context.count_deltas.push((keyspace, 1));
                    Ok(())
                },
            )
            .unwrap();
    }
    engine.drop_keyspace("b").unwrap();
    assert_eq!(engine.get(b, b"k", ReadAt::Latest).unwrap(), None);
    drop(engine);
    let engine = open(&vfs, small());
    assert!(engine.keyspace("b").is_none());
    assert_eq!(engine.get(b, b"k", ReadAt::Latest).unwrap(), None);
    assert_eq!(
        engine.get(a, b"k", ReadAt::Latest).unwrap().as_deref(),
        Some(&b"in a"[..])
    );
    assert_eq!(engine.len(a, ReadAt::Latest).unwrap(), 1);
    assert_eq!(engine.create_keyspace("c", &counted).unwrap().id.0, b.0 + 1);
}

#[test]
fn expired_entries_are_gone() {
    let vfs = MemVfs::new();
    let shared: VfsRef = Arc::new(vfs);
    let engine = open(&shared, small());
    let now = shared.wall_micros();
    let mut batch = engine.batch();
    batch
        .put_expiring(KS, b"past", b"v", now.saturating_sub(1))
        .unwrap();
    batch
        .put_expiring(KS, b"future", b"v", now + 3_600_000_000)
        .unwrap();
    batch
        .put_expiring(KS, b"large", &[1; 10_000], now + 3_600_000_000)
        .unwrap();
    engine
        .commit(&mut batch, Durability::Sync, &mut accept)
        .unwrap();
    let check = |engine: &Engine| {
        assert_eq!(get(engine, b"past"), None);
        assert_eq!(get(engine, b"future"), Some(b"v".to_vec()));
        assert_eq!(get(engine, b"large"), Some(vec![1; 10_000]));
        assert_eq!(all(engine, ReadAt::Latest).len(), 2);
    };
    check(&engine);
    engine.flush().unwrap();
    check(&engine);
}

#[test]
fn second_open_is_refused_and_names_the_holder() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    let refused = Engine::open(vfs.clone(), Path::new(DIR), small()).unwrap_err();
    assert!(matches!(&refused, Error::Locked { holder, .. } if holder.starts_with("process ")));
    drop(engine);
    open(&vfs, small());
}

#[test]
fn foreign_directory_is_refused_and_left_alone() {
    use rustdb_vfs::{FileExt, OpenMode, Vfs};
    let vfs = MemVfs::new();
    vfs.create_dir_all(Path::new(DIR)).unwrap();
    let file = vfs
        .open(Path::new("/db/letter.txt"), OpenMode::CreateNew)
        .unwrap();
    file.write_all_at(b"dear", 0).unwrap();
    let vfs: VfsRef = Arc::new(vfs);
    let refused = Engine::open(vfs.clone(), Path::new(DIR), small()).unwrap_err();
    assert!(
        matches!(&refused, Error::Unsupported(m) if m.contains("letter.txt")),
        "{refused}"
    );
    assert_eq!(vfs.read_dir(Path::new(DIR)).unwrap().len(), 1);
}

#[test]
fn sorted_run_is_published_whole() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    put(&engine, &50u32.to_be_bytes(), b"before", Durability::Sync);
    let snapshot = engine.snapshot();
    let mut writer = engine.run_writer();
    let mut key = Vec::new();
    for number in 0..10_000u32 {
        rustdb_storage::key::storage_key(KS, &number.to_be_bytes(), &mut key);
        writer.put(&key, b"run", None).unwrap();
    }
    let run = writer.finish().unwrap();
    engine
        .commit_runs(&[&run], &mut engine.batch(), &mut accept)
        .unwrap();
    put(&engine, &60u32.to_be_bytes(), b"after", Durability::Sync);
    let check = |engine: &Engine| {
        assert_eq!(get(engine, &50u32.to_be_bytes()), Some(b"run".to_vec()));
        assert_eq!(get(engine, &60u32.to_be_bytes()), Some(b"after".to_vec()));
        assert_eq!(all(engine, ReadAt::Latest).len(), 10_000);
    };
    check(&engine);
    assert_eq!(all(&engine, ReadAt::Snapshot(&snapshot)).len(), 1);
    drop((engine, snapshot, run));
    check(&open(&vfs, small()));
}

#[test]
fn dropped_run_leaves_no_files() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    let files = || vfs.read_dir(Path::new(DIR)).unwrap().len();
    let before = files();
    let mut writer = engine.run_writer();
    writer.put(b"\0\0\0\x01key", b"value", None).unwrap();
    let run = writer.finish().unwrap();
    assert_eq!(files(), before + 1);
    drop(run);
    assert_eq!(files(), before);
}
