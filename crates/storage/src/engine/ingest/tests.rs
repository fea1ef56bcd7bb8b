//! Where ingested tables go, with and without compactions about.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustdb_vfs::{MemVfs, Simulation, VfsRef};

use crate::engine::pipeline::Group;
use crate::engine::{Batch, CommitContext, Durability, Engine, EngineOptions, ReadAt};
use crate::error::Rejection;
use crate::key::{KeyspaceId, storage_key};
use crate::manifest::LEVELS;
use crate::version::KeyBounds;

const BOTTOM: usize = LEVELS - 1;

fn engine() -> Engine {
    engine_in(Arc::new(MemVfs::new()))
}

fn engine_in(vfs: VfsRef) -> Engine {
    let options = EngineOptions {
        compaction_threads: 0,
        ..EngineOptions::default()
    };
    Engine::open(vfs, Path::new("/db"), options).unwrap()
}

fn key_of(number: u32) -> Vec<u8> {
    let mut key = Vec::new();
    storage_key(KeyspaceId::DEFAULT, &number.to_be_bytes(), &mut key);
    key
}

fn ingest(engine: &Engine, numbers: std::ops::Range<u32>) {
    let mut writer = engine.run_writer();
    for number in numbers {
        writer.put(&key_of(number), b"value", None).unwrap();
    }
    let run = writer.finish().unwrap();
    let mut accept = |_: &mut CommitContext| Ok::<(), Rejection>(());
    engine
        .commit_runs(&[&run], &mut engine.batch(), &mut accept)
        .unwrap();
    assert!(engine.inner().compactions.busy.lock().is_empty());
}

/// Numbers of runs in level 0 and in the deepest level.
fn runs(engine: &Engine) -> (usize, usize) {
    let super_version = engine.inner().super_version.load_full();
    let runs = |level: usize| super_version.version.level(level).runs().len();
    (runs(0), runs(BOTTOM))
}

#[test]
fn free_ranges_of_the_deepest_level_are_filled_directly() {
    let engine = engine();
    ingest(&engine, 0..10);
    ingest(&engine, 10..20);
    assert_eq!(runs(&engine), (0, 1));
    ingest(&engine, 15..25);
    assert_eq!(runs(&engine), (1, 1));
}

#[test]
fn a_range_that_a_compaction_writes_is_left_to_it() {
    let engine = engine();
    ingest(&engine, 0..10);
    let (start, end) = (key_of(12), key_of(30));
    let bounds = KeyBounds::half_open(&start, &end);
    let busy = &engine.inner().compactions.busy;
    let ticket = busy.lock().reserve_range(BOTTOM, bounds);
    let mut writer = engine.run_writer();
    writer.put(&key_of(10), b"", None).unwrap();
    writer.put(&key_of(20), b"", None).unwrap();
    let run = writer.finish().unwrap();
    let mut accept = |_: &mut CommitContext| Ok::<(), Rejection>(());
    engine
        .commit_runs(&[&run], &mut engine.batch(), &mut accept)
        .unwrap();
    assert_eq!(runs(&engine), (1, 1));
    busy.lock().release(ticket);
    ingest(&engine, 40..50);
    assert_eq!(runs(&engine), (1, 1));
}

#[test]
fn an_empty_level_does_not_get_two_first_runs() {
    let engine = engine();
    let (start, end) = (key_of(1_000), key_of(2_000));
    let bounds = KeyBounds::half_open(&start, &end);
    let busy = &engine.inner().compactions.busy;
    let ticket = busy.lock().reserve_range(BOTTOM, bounds);
    let mut writer = engine.run_writer();
    writer.put(&key_of(10), b"", None).unwrap();
    let run = writer.finish().unwrap();
    let mut accept = |_: &mut CommitContext| Ok::<(), Rejection>(());
    engine
        .commit_runs(&[&run], &mut engine.batch(), &mut accept)
        .unwrap();
    assert_eq!(runs(&engine), (1, 0));
    busy.lock().release(ticket);
}

/// A batch that publishes tables with these keys.
fn publishing(engine: &Engine, numbers: std::ops::Range<u32>) -> Batch {
    let mut writer = engine.run_writer();
    for number in numbers {
        writer.put(&key_of(number), b"value", None).unwrap();
    }
    let run = writer.finish().unwrap();
    run.is_published.store(true, Ordering::Relaxed);
    let mut batch = engine.batch();
    super::add_runs(&[&run], &mut batch).unwrap();
    batch
}

/// All commits of a group are in one segment of the log. It has to stay until the last of them is in a
/// table, though each ingest but the first finds that another segment has begun.
#[test]
fn what_follows_two_ingests_of_one_group_is_not_lost() {
    const KS: KeyspaceId = KeyspaceId::DEFAULT;
    let outcome = Simulation::new(1).run(|machine| {
        let engine = engine_in(machine.vfs());
        let putting = |key: &[u8]| {
            let mut batch = engine.batch();
            batch.put(KS, key, b"value").unwrap();
            batch
        };
        let mut accept = |_: &mut CommitContext| Ok::<(), Rejection>(());
        engine
            .commit(&mut putting(b"first"), Durability::Sync, &mut accept)
            .unwrap();
        let mut group = Group::default();
        let batches = [
            publishing(&engine, 10..12),
            putting(b"second"),
            publishing(&engine, 20..22),
            putting(b"third"),
        ];
        for (sequence, batch) in (2..).zip(&batches) {
            batch.encode(sequence, 0, &[], &mut group.payload);
            group.commits += 1;
        }
        engine.inner().write_group(&group).unwrap();
        // All is in tables but what came last.
        engine.inner().wait_for_flush().unwrap();
        machine.fork()
    });
    let engine = engine_in(outcome.value.vfs());
    for key in [&b"first"[..], b"second", b"third"] {
        assert!(engine.get(KS, key, ReadAt::Latest).unwrap().is_some());
    }
}
