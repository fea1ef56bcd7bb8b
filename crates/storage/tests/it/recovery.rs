//! Recovery of more than one memtable holds.

use std::path::Path;
use std::sync::Arc;

use rustdb_storage::engine::{Bounds, Durability, Engine, EngineOptions, KeyspaceOptions, ReadAt};
use rustdb_storage::key::KeyspaceId;
use rustdb_vfs::{MemVfs, PowerLoss, SimVfs, VfsRef};

use crate::basic::{accept, open, put, small};

const COMMITS: u64 = 3_000;

/// A key that comes in no order, so that later commits overwrite earlier ones everywhere.
fn key(n: u64) -> [u8; 8] {
    (n.wrapping_mul(7_919) % 1_000).to_be_bytes()
}

/// Writes, overwrites, deletes, and deletes ranges, with counts as the layer above keeps them.
fn write(engine: &Engine, keyspace: KeyspaceId) {
    for n in 0..COMMITS {
        let mut batch = engine.batch();
        let existed = engine.contains(keyspace, &key(n), ReadAt::Latest).unwrap();
        let mut delta = -i64::from(existed);
        if n % 500 == 499 {
            let (start, end) = (10u64.to_be_bytes(), 20u64.to_be_bytes());
            delta = -(all(engine, keyspace)
                .iter()
                .filter(|(key, _)| **key >= start[..] && **key < end[..])
                .count() as i64);
            batch.delete_range(keyspace, &start, Some(&end)).unwrap();
        } else if n % 7 == 6 {
            batch.delete(keyspace, &key(n)).unwrap();
        } else {
            batch.put(keyspace, &key(n), &[n as u8; 100]).unwrap();
            delta += 1;
        }
        let mut count = |context: &mut rustdb_storage::engine::CommitContext| {
            context.count_deltas.push((keyspace, delta));
            accept(context)
        };
        engine
            .commit(&mut batch, Durability::Buffered, &mut count)
            .unwrap();
    }
}

fn all(engine: &Engine, keyspace: KeyspaceId) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = engine
        .iter(keyspace, &Bounds::all(), ReadAt::Latest)
        .unwrap();
    let mut found = Vec::new();
    while let Some((key, value)) = entries.next_entry().unwrap() {
        found.push((key.to_vec(), value.to_vec()));
    }
    found
}

/// What a closed database left to its log is missed when the log is gone.
#[test]
fn vanished_log_of_a_closed_database_is_noticed() {
    for rounds in 1..4u64 {
        let vfs: VfsRef = Arc::new(MemVfs::new());
        let logs = || {
            let entries = vfs.read_dir(Path::new("/db")).unwrap().into_iter();
            let mut logs: Vec<_> = entries.filter(|e| e.name.ends_with(".wal")).collect();
            logs.sort_by(|a, b| a.name.cmp(&b.name));
            logs
        };
        // Each round leaves a segment of its own.
        for round in 0..rounds {
            let engine = open(&vfs, small());
            put(&engine, &round.to_be_bytes(), b"value", Durability::Sync);
            engine.close().unwrap();
        }
        assert_eq!(logs().len() as u64, rounds);
        for lost in 0..rounds as usize {
            let path = logs()[lost].path.clone();
            let aside = path.with_extension("aside");
            vfs.rename(&path, &aside).unwrap();
            for read_only in [true, false] {
                let options = EngineOptions {
                    read_only,
                    ..small()
                };
                let error = Engine::open(vfs.clone(), Path::new("/db"), options).unwrap_err();
                let name = path.file_name().unwrap().to_str().unwrap();
                assert!(error.to_string().contains(name), "{error}");
            }
            vfs.rename(&aside, &path).unwrap();
        }
        assert_eq!(
            all(&open(&vfs, small()), KeyspaceId::DEFAULT).len() as u64,
            rounds
        );
    }
}

#[test]
fn a_log_of_many_memtables_recovers_and_survives_a_second_crash() {
    let machine = SimVfs::new(1);
    let options = EngineOptions {
        memtable_bytes: 4 << 20,
        ..small()
    };
    let engine = open(&machine.vfs(), options);
    let counted = KeyspaceOptions {
        counted: true,
        ..KeyspaceOptions::default()
    };
    let keyspace = engine.create_keyspace("counted", &counted).unwrap().id;
    write(&engine, keyspace);
    let before = all(&engine, keyspace);
    assert_eq!(
        engine.len(keyspace, ReadAt::Latest).unwrap(),
        before.len() as u64
    );
    // The log holds some 400 KB: more memtables than may wait for their flush.
    let recovering = EngineOptions {
        memtable_bytes: 64 << 10,
        frozen_memtables_max: 2,
        ..small()
    };
    let mut machine = machine.power_loss(PowerLoss::KeepAll);
    for _ in 0..3 {
        let engine = Engine::open(machine.vfs(), Path::new("/db"), recovering.clone()).unwrap();
        assert!(all(&engine, keyspace) == before, "the contents differ");
        assert_eq!(
            engine.len(keyspace, ReadAt::Latest).unwrap(),
            before.len() as u64
        );
        // NB: not closed, and perhaps in the middle of a flush.
        machine = machine.power_loss(PowerLoss::LoseAll);
    }
    let engine = Engine::open(machine.vfs(), Path::new("/db"), recovering).unwrap();
    engine.close().unwrap();
    let engine = open(&machine.vfs(), small());
    assert!(all(&engine, keyspace) == before, "the contents differ");
}
