//! Queues: walks from an end where much was deleted, beside writers there.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rustdb_vfs::{MemVfs, Simulation, VfsRef};

use crate::engine::{Bounds, CommitContext, Durability, Engine, EngineOptions, ReadAt};
use crate::error::Rejection;
use crate::key::{KeyspaceId, storage_key};

const KS: KeyspaceId = KeyspaceId::DEFAULT;

fn open(vfs: VfsRef) -> Engine {
    let options = EngineOptions {
        compaction_threads: 0,
        ..EngineOptions::default()
    };
    Engine::open(vfs, Path::new("/db"), options).unwrap()
}

fn commit(engine: &Engine, fill: impl FnOnce(&mut crate::engine::Batch)) {
    let mut batch = engine.batch();
    fill(&mut batch);
    let mut accept = |_: &mut CommitContext| Ok::<(), Rejection>(());
    engine
        .commit(&mut batch, Durability::None, &mut accept)
        .unwrap();
}

fn put(engine: &Engine, number: u32) {
    commit(engine, |batch| {
        batch.put(KS, &number.to_be_bytes(), b"v").unwrap()
    });
}

fn delete(engine: &Engine, number: u32) {
    commit(engine, |batch| {
        batch.delete(KS, &number.to_be_bytes()).unwrap()
    });
}

fn number(key: &[u8]) -> u32 {
    u32::from_be_bytes(*key.first_chunk().unwrap())
}

/// The first key, and the last.
fn ends(engine: &Engine, at: ReadAt<'_>) -> [Option<u32>; 2] {
    let mut iter = engine.iter(KS, &Bounds::all(), at).unwrap();
    let first = iter.advance().unwrap().then(|| number(iter.key()));
    let mut iter = engine.iter(KS, &Bounds::all(), at).unwrap();
    let last = iter.retreat().unwrap().then(|| number(iter.key()));
    [first, last]
}

fn ranges(engine: &Engine) -> usize {
    engine.inner().empty.count()
}

#[test]
fn what_was_deleted_at_the_ends_is_remembered_until_it_is_written_again() {
    let engine = open(Arc::new(MemVfs::new()));
    (0..1000).for_each(|number| put(&engine, number));
    (0..400).for_each(|number| delete(&engine, number));
    (600..1000).for_each(|number| delete(&engine, number));
    assert_eq!(ends(&engine, ReadAt::Latest), [Some(400), Some(599)]);
    assert_eq!(ranges(&engine), 2);
    // More of it is taken, and it is one range still.
    (400..500).for_each(|number| delete(&engine, number));
    assert_eq!(ends(&engine, ReadAt::Latest), [Some(500), Some(599)]);
    assert_eq!(ranges(&engine), 2);
    let before = engine.snapshot();
    put(&engine, 7);
    put(&engine, 900);
    assert_eq!(ends(&engine, ReadAt::Latest), [Some(7), Some(900)]);
    assert_eq!(
        ends(&engine, ReadAt::Snapshot(&before)),
        [Some(500), Some(599)]
    );
}

#[test]
fn an_older_snapshot_sees_what_was_deleted_since() {
    let engine = open(Arc::new(MemVfs::new()));
    (0..100).for_each(|number| put(&engine, number));
    let before = engine.snapshot();
    (0..90).for_each(|number| delete(&engine, number));
    assert_eq!(ends(&engine, ReadAt::Latest), [Some(90), Some(99)]);
    assert_eq!(ranges(&engine), 1);
    assert_eq!(
        ends(&engine, ReadAt::Snapshot(&before)),
        [Some(0), Some(99)]
    );
}

#[test]
fn what_is_ingested_is_seen() {
    let engine = open(Arc::new(MemVfs::new()));
    (0..100).for_each(|number| put(&engine, number));
    (0..90).for_each(|number| delete(&engine, number));
    assert_eq!(ends(&engine, ReadAt::Latest)[0], Some(90));
    let mut writer = engine.run_writer();
    let mut key = Vec::new();
    storage_key(KS, &5_u32.to_be_bytes(), &mut key);
    writer.put(&key, b"v", None).unwrap();
    let run = writer.finish().unwrap();
    let mut accept = |_: &mut CommitContext| Ok::<(), Rejection>(());
    engine
        .commit_runs(&[&run], &mut engine.batch(), &mut accept)
        .unwrap();
    assert_eq!(ends(&engine, ReadAt::Latest)[0], Some(5));
}

#[test]
fn a_range_that_was_walked_before_the_last_commits_is_proven_first() {
    let engine = open(Arc::new(MemVfs::new()));
    (0..100).for_each(|number| put(&engine, number));
    (0..50).for_each(|number| delete(&engine, number));
    let mut iter = engine.iter(KS, &Bounds::all(), ReadAt::Latest).unwrap();
    assert!(iter.advance().unwrap());
    assert_eq!(number(iter.key()), 50);
    // Neither the one that came into the range, nor what came behind it, is lost.
    put(&engine, 30);
    put(&engine, 200);
    drop(iter);
    assert_eq!(ranges(&engine), 1);
    assert_eq!(ends(&engine, ReadAt::Latest), [Some(30), Some(200)]);
}

/// Each worker has keys of its own, which it puts and takes in long stretches, and sees all of
/// them in each walk, whatever the walks of all find to be empty.
#[test]
fn writers_and_readers_at_once_agree() {
    for seed in 0..12 {
        Simulation::new(seed).run(|machine| {
            let vfs = machine.vfs();
            let engine = open(vfs.clone());
            let workers: Vec<_> = (0..3)
                .map(|worker| {
                    let engine = engine.clone();
                    let body = Box::new(move || work(&engine, worker));
                    vfs.spawn("worker", body).unwrap()
                })
                .collect();
            for worker in workers {
                assert!(worker.join());
            }
            assert_eq!(ends(&engine, ReadAt::Latest), [None, None]);
        });
    }
}

fn work(engine: &Engine, worker: u32) {
    let mut live = BTreeSet::new();
    for round in 0..4 {
        // The first and the third time from below, the others from above.
        let mut numbers: Vec<u32> = (0..40).map(|n| n * 3 + worker).collect();
        if round % 2 == 1 {
            numbers.reverse();
        }
        for &number in &numbers {
            put(engine, number);
            live.insert(number);
        }
        for (place, &number) in numbers.iter().enumerate() {
            delete(engine, number);
            live.remove(&number);
            // One that comes back where the others see nothing.
            if place % 20 == 19 {
                put(engine, numbers[place / 2]);
                live.insert(numbers[place / 2]);
            }
            let seen = seen(engine, place % 2 == 0);
            let own: BTreeSet<u32> = seen.into_iter().filter(|n| n % 3 == worker).collect();
            assert_eq!(own, live);
        }
        for number in std::mem::take(&mut live) {
            delete(engine, number);
        }
    }
}

/// All keys, by a walk forward or back.
fn seen(engine: &Engine, is_forward: bool) -> Vec<u32> {
    let mut iter = engine.iter(KS, &Bounds::all(), ReadAt::Latest).unwrap();
    let mut seen = Vec::new();
    loop {
        let is_on_key = match is_forward {
            true => iter.advance(),
            false => iter.retreat(),
        };
        if !is_on_key.unwrap() {
            return seen;
        }
        seen.push(number(iter.key()));
    }
}
