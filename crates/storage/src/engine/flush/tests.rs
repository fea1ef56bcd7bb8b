//! What a flush writes of versions and of range tombstones, and what it does with the log.

use std::path::Path;
use std::sync::Arc;

use rustdb_vfs::{Effect, Failure, Fault, MemVfs, OpSet, SimVfs, VfsRef};

use crate::engine::{Bounds, CommitContext, Durability, Engine, EngineOptions, ReadAt, Snapshot};
use crate::error::Rejection;
use crate::key::KeyspaceId;

const KS: KeyspaceId = KeyspaceId::DEFAULT;

fn key_of(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

fn commit(engine: &Engine, fill: impl FnOnce(&mut crate::engine::Batch)) {
    let mut batch = engine.batch();
    fill(&mut batch);
    let mut accept = |_: &mut CommitContext| Ok::<(), Rejection>(());
    engine
        .commit(&mut batch, Durability::None, &mut accept)
        .unwrap();
}

/// A queue that deletes `[0, 1)`, `[0, 2)` and so on; a snapshot before each deletion in `held`.
fn flushed_queue(held: &[u32]) -> (Engine, Vec<Snapshot>) {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let options = EngineOptions {
        compaction_threads: 0,
        ..EngineOptions::default()
    };
    let engine = Engine::open(vfs, Path::new("/db"), options).unwrap();
    for number in 0..100 {
        commit(&engine, |batch| {
            batch.put(KS, &key_of(number), b"").unwrap()
        });
    }
    engine.flush().unwrap();
    let mut snapshots = Vec::new();
    for number in 1..100 {
        if held.contains(&number) {
            snapshots.push(engine.snapshot());
        }
        commit(&engine, |batch| {
            batch
                .delete_range(KS, &key_of(0), Some(&key_of(number)))
                .unwrap();
        });
    }
    engine.flush().unwrap();
    (engine, snapshots)
}

fn range_tombstones(engine: &Engine) -> u64 {
    let super_version = engine.inner().super_version.load_full();
    let tables = super_version.version.tables();
    tables.map(|table| table.meta().range_tombstones).sum()
}

#[test]
fn tombstones_that_no_reader_needs_are_not_written() {
    let (engine, _) = flushed_queue(&[]);
    assert_eq!(range_tombstones(&engine), 1);
    assert!(
        engine
            .get(KS, &key_of(98), ReadAt::Latest)
            .unwrap()
            .is_none()
    );
    assert!(
        engine
            .get(KS, &key_of(99), ReadAt::Latest)
            .unwrap()
            .is_some()
    );
}

#[test]
fn each_snapshot_keeps_the_tombstones_it_sees() {
    let (engine, snapshots) = flushed_queue(&[1, 40, 80]);
    for (snapshot, first) in snapshots.iter().zip([0, 39, 79]) {
        for number in 0..100 {
            let found = engine.get(KS, &key_of(number), ReadAt::Snapshot(snapshot));
            assert_eq!(found.unwrap().is_some(), number >= first, "{number}");
        }
    }
    assert!(range_tombstones(&engine) < 8);
}

/// Ten versions of each of three keys, the last version of the second a deletion; snapshots after
/// the versions in `held`.
fn flushed_versions(held: &[u8]) -> (Engine, Vec<Snapshot>) {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let options = EngineOptions {
        compaction_threads: 0,
        ..EngineOptions::default()
    };
    let engine = Engine::open(vfs, Path::new("/db"), options).unwrap();
    let mut snapshots = Vec::new();
    for version in 1..=10 {
        for key in 0..3 {
            commit(&engine, |batch| match (key, version) {
                (1, 10) => batch.delete(KS, &key_of(1)).unwrap(),
                _ => batch.put(KS, &key_of(key), &[version]).unwrap(),
            });
        }
        if held.contains(&version) {
            snapshots.push(engine.snapshot());
        }
    }
    engine.flush().unwrap();
    (engine, snapshots)
}

fn entries_of_keyspace(engine: &Engine) -> u64 {
    let super_version = engine.inner().super_version.load_full();
    let tables = super_version.version.tables();
    tables
        .filter(|table| *table.meta().largest >= KS.prefix()[..])
        .map(|table| table.meta().entries)
        .sum()
}

#[test]
fn of_each_key_only_the_newest_version_is_written() {
    let (without, _) = flushed_versions(&[]);
    let (with, _) = flushed_versions(&[10]);
    let (twice, snapshots) = flushed_versions(&[3, 7]);
    assert_eq!(entries_of_keyspace(&without), entries_of_keyspace(&with));
    let more = entries_of_keyspace(&twice) - entries_of_keyspace(&without);
    assert_eq!(more, 2 * 3, "a version of each key for each snapshot");
    for engine in [&without, &with, &twice] {
        let value = |key| engine.get(KS, &key_of(key), ReadAt::Latest).unwrap();
        assert_eq!(value(0).as_deref(), Some(&[10][..]));
        assert!(value(1).is_none(), "the deletion is the newest version");
    }
    for (snapshot, version) in snapshots.iter().zip([3, 7]) {
        for key in 0..3 {
            let found = twice.get(KS, &key_of(key), ReadAt::Snapshot(snapshot));
            assert_eq!(found.unwrap().as_deref(), Some(&[version][..]));
        }
    }
}

#[test]
fn replaced_references_stay_for_who_reads_the_memtable() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let options = EngineOptions {
        compaction_threads: 0,
        value_file_bytes: 1 << 20,
        ..EngineOptions::default()
    };
    let large = vec![7; 2 << 20];
    let engine = Engine::open(vfs, Path::new("/db"), options).unwrap();
    commit(&engine, |batch| batch.put(KS, &key_of(0), &large).unwrap());
    // The next one goes to a file of its own, and nobody writes to the first any more.
    commit(&engine, |batch| batch.put(KS, &key_of(1), &large).unwrap());
    let mut reader = engine.iter(KS, &Bounds::all(), ReadAt::Latest).unwrap();
    commit(&engine, |batch| batch.put(KS, &key_of(0), b"new").unwrap());
    engine.flush().unwrap();
    let (_, value) = reader.next_entry().unwrap().expect("the first version");
    assert_eq!(value.len(), large.len());
}

fn logs(sim: &SimVfs) -> usize {
    let files = sim.files().into_iter();
    let logs = files.filter(|path| path.extension().is_some_and(|name| name == "wal"));
    logs.count()
}

/// Recovery takes a segment that has no end for the last one.
#[test]
fn no_segment_follows_one_that_could_not_be_finished() {
    let sim = SimVfs::new(1);
    let options = || EngineOptions {
        compaction_threads: 0,
        ..EngineOptions::default()
    };
    let engine = Engine::open(sim.vfs(), Path::new("/db"), options()).unwrap();
    commit(&engine, |batch| batch.put(KS, b"key", b"value").unwrap());
    sim.inject(Fault::new(Effect::Fail(Failure::Io)).on(OpSet::SYNCS));
    assert!(engine.inner().freeze_in_turn().is_err());
    let before = logs(&sim);
    // As a caller does that has looked whether writes are welcome just before that.
    assert!(engine.inner().freeze_in_turn().is_err());
    assert!(engine.inner().renew_log().is_err());
    assert_eq!(logs(&sim), before);
    drop(engine);
    let engine = Engine::open(sim.vfs(), Path::new("/db"), options()).unwrap();
    commit(&engine, |batch| batch.put(KS, b"next", b"value").unwrap());
    let found = engine.get(KS, b"next", ReadAt::Latest).unwrap();
    assert_eq!(found.as_deref(), Some(&b"value"[..]));
}

/// Walks through all keys until something is as wanted.
fn walk_until(engine: &Engine, keys: u32, is_enough: impl Fn(&Engine) -> bool) {
    let mut walks = 0;
    while !is_enough(engine) {
        walks += 1;
        assert!(walks < 1_000_000, "nothing was done about it");
        let mut walk = engine.iter(KS, &Bounds::all(), ReadAt::Latest).unwrap();
        let mut found = 0;
        while walk.advance().unwrap() {
            found += 1;
        }
        assert_eq!(found, keys);
    }
}

#[test]
fn what_is_walked_through_again_and_again_comes_into_one_run() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = Engine::open(vfs, Path::new("/db"), EngineOptions::default()).unwrap();
    let keys = 2000;
    let write = |keys: std::ops::Range<u32>| {
        commit(&engine, |batch| {
            keys.for_each(|number| batch.put(KS, &key_of(number), b"value").unwrap());
        });
    };
    write(0..keys);
    assert_eq!(engine.stats().flushes, 0);
    walk_until(&engine, keys, |engine| engine.stats().flushes > 0);
    // Every other key is in another run.
    for number in (0..keys).step_by(2) {
        write(number..number + 1);
    }
    engine.flush().unwrap();
    let compactions = engine.stats().compactions;
    walk_until(&engine, keys, |engine| {
        engine.stats().compactions > compactions
    });
    let super_version = engine.inner().super_version.load_full();
    assert_eq!(super_version.version.tables().count(), 1);
}
