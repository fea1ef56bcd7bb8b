//! Commits that wait for nothing: another thread writes them to the log.

use std::path::Path;

use rustdb_storage::engine::{Durability, Engine, EngineOptions, ReadAt};
use rustdb_vfs::{Effect, Failure, Fault, OpKind, PowerLoss, SimVfs};

use crate::basic::{KS, accept, open, put, small};

const COMMITS: u64 = 4_000;

/// So large that the log is written several times before the memtable is full.
fn options() -> EngineOptions {
    EngineOptions {
        memtable_bytes: 2 << 20,
        ..small()
    }
}

fn value(n: u64) -> Vec<u8> {
    n.to_be_bytes().repeat(125)
}

/// Writes so many commits, of which some are synced; returns how many the last sync confirmed.
fn write(engine: &Engine, commits: u64) -> u64 {
    let mut confirmed = 0;
    for n in 0..commits {
        let durability = match n % 1_500 {
            700 => Durability::Buffered,
            1_499 => Durability::Sync,
            _ => Durability::None,
        };
        put(engine, &n.to_be_bytes(), &value(n), durability);
        if durability == Durability::Sync {
            confirmed = n + 1;
        }
    }
    confirmed
}

#[test]
fn power_loss_leaves_a_prefix_with_everything_confirmed() {
    let seeded = (0..12).map(PowerLoss::Seeded);
    for (seed, policy) in PowerLoss::EXTREMES.into_iter().chain(seeded).enumerate() {
        let commits = COMMITS - 137 * seed as u64;
        let machine = SimVfs::new(seed as u64);
        let engine = open(&machine.vfs(), options());
        let confirmed = write(&engine, commits);
        let machine = machine.power_loss(policy);
        let engine = Engine::open(machine.vfs(), Path::new("/db"), options()).unwrap();
        let found = |n: u64| engine.get(KS, &n.to_be_bytes(), ReadAt::Latest).unwrap();
        let kept = (0..commits).take_while(|n| found(*n).is_some()).count() as u64;
        assert!(kept >= confirmed, "{policy:?}: {kept} of {confirmed}");
        for n in 0..commits {
            let expected = (n < kept).then(|| value(n));
            assert_eq!(found(n).map(|v| v.to_vec()), expected, "{policy:?}: {n}");
        }
    }
}

#[test]
fn a_write_of_the_log_that_fails_ends_commits_soon() {
    let machine = SimVfs::new(1);
    let engine = open(&machine.vfs(), options());
    put(&engine, b"first", b"", Durability::Sync);
    let fault = Fault::new(Effect::Fail(Failure::Io)).on(OpKind::Write);
    machine.inject(fault.path(".wal"));
    let mut batch = engine.batch();
    let refused = (0..2_000_u64).position(|n| {
        batch.clear();
        batch.put(KS, &n.to_be_bytes(), &value(n)).unwrap();
        engine
            .commit(&mut batch, Durability::None, &mut accept)
            .is_err()
    });
    assert!(refused.is_some(), "the failure is never noticed");
    machine.clear_faults();
    batch.clear();
    batch.put(KS, b"more", b"").unwrap();
    let after = engine.commit(&mut batch, Durability::Sync, &mut accept);
    assert!(after.is_err(), "nothing follows what was lost");
    drop(engine);
    let engine = Engine::open(machine.vfs(), Path::new("/db"), options()).unwrap();
    let first = engine.get(KS, b"first", ReadAt::Latest).unwrap();
    assert!(first.is_some());
}

#[test]
fn closing_writes_what_is_under_way() {
    let machine = SimVfs::new(2);
    for commits in [300, 1_000, 2_500] {
        let engine = open(&machine.vfs(), options());
        write(&engine, commits);
        engine.close().unwrap();
        let engine = open(&machine.vfs(), options());
        for n in 0..commits {
            let found = engine.get(KS, &n.to_be_bytes(), ReadAt::Latest).unwrap();
            assert_eq!(found.map(|v| v.to_vec()), Some(value(n)), "{commits}: {n}");
        }
    }
}
