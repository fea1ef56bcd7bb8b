//! A sync that failed, and a reopening that still sees what never reached the disk.

use std::path::Path;

use rustdb_storage::engine::{Durability, Engine, ReadAt};
use rustdb_vfs::{AfterLoss, Effect, Fault, OpKind, PowerLoss, SimVfs};

use crate::basic::{KS, accept, open, put, small};

/// Commits, with a sync of `part` that fails and leaves clean pages; reopens on the running
/// machine, and again after power loss. What the first reopening showed must stay.
fn reopened_twice(part: &str, value: &[u8]) {
    let machine = SimVfs::new(1);
    let engine = open(&machine.vfs(), small());
    put(&engine, b"a", b"1", Durability::Sync);
    put(&engine, b"b", value, Durability::Buffered);
    machine.inject(
        Fault::new(Effect::LosePages(AfterLoss::New))
            .on(OpKind::Sync)
            .path(part),
    );
    let mut batch = engine.batch();
    batch.put(KS, b"c", b"3").unwrap();
    engine
        .commit(&mut batch, Durability::Sync, &mut accept)
        .expect_err("the sync fails");
    drop(engine);
    let seen = |engine: &Engine, key: &[u8]| {
        let value = engine.get(KS, key, ReadAt::Latest).unwrap();
        value.map(|value| value.to_vec())
    };
    let engine = Engine::open(machine.vfs(), Path::new("/db"), small()).unwrap();
    let before = [b"a", b"b", b"c"].map(|key| seen(&engine, key));
    assert_eq!(before[0].as_deref(), Some(&b"1"[..]));
    // NB: not closed, which would write the memtable to a table.
    let machine = machine.power_loss(PowerLoss::LoseAll);
    let engine = Engine::open(machine.vfs(), Path::new("/db"), small()).unwrap();
    let after = [b"a", b"b", b"c"].map(|key| seen(&engine, key));
    assert!(before == after, "what was recovered is gone");
}

#[test]
fn what_recovery_finds_in_the_log_after_a_failed_sync_stays() {
    reopened_twice(".wal", b"2");
}

#[test]
fn what_recovery_finds_in_value_files_after_a_failed_sync_stays() {
    reopened_twice(".val", &[2; 9_000]);
}

#[test]
fn a_database_in_directories_that_were_made_for_it_survives_power_loss() {
    let machine = SimVfs::new(2);
    let place = Path::new("/some/where/new");
    let engine = Engine::open(machine.vfs(), place, small()).unwrap();
    put(&engine, b"a", b"1", Durability::Sync);
    let machine = machine.power_loss(PowerLoss::LoseAll);
    let mut options = small();
    options.create = false;
    let engine = Engine::open(machine.vfs(), place, options).unwrap();
    let value = engine.get(KS, b"a", ReadAt::Latest).unwrap();
    assert_eq!(value.as_deref(), Some(&b"1"[..]));
}

/// The end of a log that another one follows.
#[test]
fn an_end_of_a_log_that_recovery_finds_after_a_failed_sync_stays() {
    let machine = SimVfs::new(3);
    let engine = open(&machine.vfs(), small());
    put(&engine, b"a", b"1", Durability::Sync);
    let logs = || {
        let entries = machine.vfs().read_dir(Path::new("/db")).unwrap();
        let names = entries.into_iter().map(|entry| entry.name);
        let mut logs: Vec<String> = names.filter(|name| name.ends_with(".wal")).collect();
        logs.sort();
        logs
    };
    let first = logs().pop().unwrap();
    let lost = Fault::new(Effect::LosePages(AfterLoss::New));
    machine.inject(lost.on(OpKind::Sync).path(&first));
    let mut batch = engine.batch();
    let failed = (0..200_u32).any(|number| {
        batch.clear();
        batch.put(KS, &number.to_be_bytes(), &[7; 1000]).unwrap();
        engine
            .commit(&mut batch, Durability::Buffered, &mut accept)
            .is_err()
    });
    assert!(failed && logs().contains(&first), "the sync fails");
    drop(engine);
    let engine = Engine::open(machine.vfs(), Path::new("/db"), small()).unwrap();
    put(&engine, b"b", b"2", Durability::Sync);
    let machine = machine.power_loss(PowerLoss::LoseAll);
    let engine = Engine::open(machine.vfs(), Path::new("/db"), small()).unwrap();
    for key in [b"a", b"b"] {
        assert!(engine.get(KS, key, ReadAt::Latest).unwrap().is_some());
    }
}
