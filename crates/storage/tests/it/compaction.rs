//! What is dead leaves the disk, what is alive stays, and readers notice nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustdb_storage::engine::{Bounds, Durability, Engine, EngineOptions, KeyspaceOptions, ReadAt};
use rustdb_storage::key::KeyspaceId;
use rustdb_vfs::{MemVfs, VfsRef};

use crate::basic::{accept, open, put, small};

const KS: KeyspaceId = KeyspaceId::DEFAULT;

fn tiny() -> EngineOptions {
    let mut options = EngineOptions {
        memtable_bytes: 16 << 10,
        ..small()
    };
    options.compaction.base_bytes = 64 << 10;
    options.compaction.table_bytes = 16 << 10;
    options
}

fn disk_bytes(vfs: &VfsRef, extension: &str) -> u64 {
    let entries = vfs.read_dir(Path::new("/db")).unwrap();
    entries
        .iter()
        .filter(|e| e.name.ends_with(extension))
        .map(|e| e.len)
        .sum()
}

/// Waits until no more than `limit` bytes are left: background threads that looked at a version
/// a moment ago keep its files for as long as they look.
fn wait_until_at_most(vfs: &VfsRef, extension: &str, limit: u64) {
    let start = vfs.monotonic();
    while disk_bytes(vfs, extension) > limit {
        let waited = vfs.monotonic().saturating_sub(start);
        let bytes = disk_bytes(vfs, extension);
        assert!(
            waited < Duration::from_secs(60),
            "{bytes} bytes of {extension} on disk, {limit} expected"
        );
        vfs.sleep(Duration::from_millis(10));
    }
}

fn live_table_bytes(engine: &Engine) -> u64 {
    engine.stats().levels.iter().map(|level| level.bytes).sum()
}

/// Repeatable numbers; good enough to mix keys.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn contents(engine: &Engine, at: ReadAt<'_>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut entries = engine.iter(KS, &Bounds::all(), at).unwrap();
    let mut found = BTreeMap::new();
    while let Some((key, value)) = entries.next_entry().unwrap() {
        assert!(
            found.insert(key.to_vec(), value.to_vec()).is_none(),
            "a key came twice"
        );
    }
    found
}

#[test]
fn overwritten_data_leaves_the_disk_while_writes_go_on() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, tiny());
    for round in 0..100u8 {
        for key in 0..500u32 {
            put(&engine, &key.to_be_bytes(), &[round; 100], Durability::None);
        }
    }
    engine.compact().unwrap();
    let live = 500 * 104;
    wait_until_at_most(&vfs, ".sst", 3 * live);
    assert!(
        contents(&engine, ReadAt::Latest)
            .values()
            .all(|value| value == &[99; 100])
    );
    assert!(engine.stats().compactions > 0);
}

#[test]
fn random_history_reads_the_same_through_compactions_and_restarts() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let mut engine = open(&vfs, tiny());
    let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut snapshots = Vec::new();
    let mut state = 0x5eed;
    for step in 0..20_000u32 {
        let key = (random(&mut state) % 2_000).to_be_bytes();
        match random(&mut state) % 100 {
            0..=69 => {
                let length = if random(&mut state).is_multiple_of(50) {
                    6_000
                } else {
                    40
                };
                let value = vec![step as u8; length];
                put(&engine, &key, &value, Durability::None);
                model.insert(key.to_vec(), value);
            }
            70..=97 => {
                let mut batch = engine.batch();
                batch.delete(KS, &key).unwrap();
                engine
                    .commit(&mut batch, Durability::None, &mut accept)
                    .unwrap();
                model.remove(&key[..]);
            }
            98 => {
                let end = (u64::from_be_bytes(key) + random(&mut state) % 30).to_be_bytes();
                let mut batch = engine.batch();
                batch.delete_range(KS, &key, Some(&end)).unwrap();
                engine
                    .commit(&mut batch, Durability::None, &mut accept)
                    .unwrap();
                model.retain(|k, _| k[..] < key[..] || k[..] >= end[..]);
            }
            _ if step % 7 == 0 => snapshots.push((engine.snapshot(), model.clone())),
            _ => drop((!snapshots.is_empty()).then(|| snapshots.swap_remove(0))),
        }
        if step % 5_000 == 4_999 {
            for (snapshot, seen) in &snapshots {
                assert_eq!(
                    &contents(&engine, ReadAt::Snapshot(snapshot)),
                    seen,
                    "step {step}"
                );
            }
            snapshots.clear();
            drop(engine);
            engine = open(&vfs, tiny());
            assert_eq!(contents(&engine, ReadAt::Latest), model, "step {step}");
        }
    }
    engine.compact().unwrap();
    assert_eq!(contents(&engine, ReadAt::Latest), model);
    for (key, value) in &model {
        assert_eq!(
            engine.get(KS, key, ReadAt::Latest).unwrap().as_deref(),
            Some(&value[..])
        );
    }
}

#[test]
fn dead_large_values_leave_the_disk() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(
        &vfs,
        EngineOptions {
            value_file_bytes: 100_000,
            ..tiny()
        },
    );
    for round in 0..10u8 {
        for key in 0..20u32 {
            put(
                &engine,
                &key.to_be_bytes(),
                &[round; 10_000],
                Durability::None,
            );
        }
    }
    engine.compact().unwrap();
    engine.compact().unwrap();
    wait_until_at_most(&vfs, ".val", 3 * 20 * 10_000);
    for key in 0..20u32 {
        let value = engine.get(KS, &key.to_be_bytes(), ReadAt::Latest).unwrap();
        assert_eq!(value.as_deref(), Some(&[9; 10_000][..]));
    }
}

#[test]
fn dropped_keyspace_leaves_the_disk() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, tiny());
    let big = engine
        .create_keyspace("big", &KeyspaceOptions::default())
        .unwrap()
        .id;
    for key in 0..5_000u32 {
        let mut batch = engine.batch();
        batch.put(big, &key.to_be_bytes(), &[1; 100]).unwrap();
        engine
            .commit(&mut batch, Durability::None, &mut accept)
            .unwrap();
    }
    engine.flush().unwrap();
    let before = disk_bytes(&vfs, ".sst");
    engine.drop_keyspace("big").unwrap();
    engine.compact().unwrap();
    wait_until_at_most(&vfs, ".sst", before / 4);
}

#[test]
fn versions_go_when_their_last_snapshot_goes() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, tiny());
    let mut held = None;
    for version in 0..1_000u32 {
        put(&engine, b"key", &version.to_le_bytes(), Durability::None);
        if version == 500 {
            held = Some(engine.snapshot());
        }
    }
    engine.compact().unwrap();
    let entries = |engine: &Engine| engine.stats().levels.iter().map(|l| l.entries).sum::<u64>();
    assert_eq!(entries(&engine), 2);
    let old = engine
        .get(KS, b"key", ReadAt::Snapshot(held.as_ref().unwrap()))
        .unwrap();
    assert_eq!(old.as_deref(), Some(&500u32.to_le_bytes()[..]));
    drop(held);
    engine.compact().unwrap();
    assert_eq!(entries(&engine), 1);
}

#[test]
fn files_go_when_their_last_reader_goes_though_nothing_else_happens() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, tiny());
    let write_all = || {
        for key in 0..500u32 {
            put(&engine, &key.to_be_bytes(), &[1; 100], Durability::None);
        }
        engine.compact().unwrap();
    };
    write_all();
    let mut reader = engine.iter(KS, &Bounds::all(), ReadAt::Latest).unwrap();
    assert!(reader.advance().unwrap());
    write_all();
    let live = live_table_bytes(&engine);
    assert!(
        disk_bytes(&vfs, ".sst") > live,
        "the reader needs its files"
    );
    drop(reader);
    wait_until_at_most(&vfs, ".sst", live);
}

#[test]
fn readers_see_every_key_while_files_come_and_go() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, tiny());
    for key in 0..300u32 {
        put(
            &engine,
            &key.to_be_bytes(),
            &0u32.to_le_bytes(),
            Durability::None,
        );
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(contents(&engine, ReadAt::Latest).len(), 300);
                    for key in 0..300u32 {
                        let found = engine.get(KS, &key.to_be_bytes(), ReadAt::Latest).unwrap();
                        assert!(found.is_some(), "key {key} was lost for a moment");
                    }
                }
            });
        }
        for round in 1..60u32 {
            for key in 0..300u32 {
                put(
                    &engine,
                    &key.to_be_bytes(),
                    &round.to_le_bytes(),
                    Durability::None,
                );
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn reading_what_is_often_overwritten_has_its_old_versions_flushed_away() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, EngineOptions::default());
    for round in 0..40u32 {
        for key in 0..100u32 {
            let value = round.to_le_bytes();
            put(&engine, &key.to_be_bytes(), &value, Durability::None);
        }
    }
    let newest = |reader: ReadAt<'_>| {
        let contents = contents(&engine, reader);
        assert_eq!(contents.len(), 100);
        assert!(
            contents
                .values()
                .all(|value| **value == 39u32.to_le_bytes())
        );
    };
    newest(ReadAt::Latest);
    assert_eq!(engine.stats().flushes, 0, "one look is no reason");
    let start = vfs.monotonic();
    while engine.stats().flushes == 0 {
        newest(ReadAt::Latest);
        let waited = vfs.monotonic().saturating_sub(start);
        assert!(waited < Duration::from_secs(60), "nothing was flushed");
    }
    newest(ReadAt::Latest);
    let entries: u64 = engine.stats().levels.iter().map(|l| l.entries).sum();
    assert_eq!(entries, 100);
}
