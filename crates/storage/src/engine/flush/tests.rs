//! What a flush writes of range tombstones.

use std::path::Path;
use std::sync::Arc;

use rustdb_vfs::{MemVfs, VfsRef};

use crate::engine::{CommitContext, Durability, Engine, EngineOptions, ReadAt, Snapshot};
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
