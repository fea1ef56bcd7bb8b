//! What a database does when nobody asks for anything, and when the background gets nowhere.

use std::path::Path;
use std::time::Duration;

use rustdb_storage::engine::{Durability, Engine, EngineOptions};
use rustdb_storage::error::Error;
use rustdb_vfs::{Effect, Failure, Fault, OpKind, SimVfs, Simulation, Vfs};

use crate::basic::{KS, accept, open, put, small};

/// A machine whose process was killed `pause` after a synced commit, with a bit of it flipped.
fn damaged_after(pause: Duration) -> SimVfs {
    let outcome = Simulation::new(1).run(move |machine| {
        let engine = open(&machine.vfs(), small());
        put(&engine, b"a", b"first", Durability::Sync);
        put(&engine, b"b", b"second", Durability::Sync);
        machine.sleep(pause);
        machine.fork()
    });
    let machine = outcome.value;
    let is_log = |path: &&std::path::PathBuf| path.extension().is_some_and(|e| e == "wal");
    let log = machine.files().iter().find(is_log).unwrap().clone();
    let bytes = machine.contents(&log).unwrap();
    let value = bytes.windows(6).position(|w| w == b"second").unwrap();
    machine.flip_bit(&log, value as u64 * 8).unwrap();
    machine
}

#[test]
fn damage_of_the_last_commit_before_a_pause_is_told_from_a_torn_write() {
    let machine = damaged_after(Duration::from_secs(3));
    match Engine::open(machine.vfs(), Path::new("/db"), small()) {
        Err(Error::Corruption(corruption)) => {
            assert!(corruption.path.extension().is_some_and(|e| e == "wal"));
        }
        other => panic!("damage was not noticed: {other:?}"),
    }
}

/// The gap that is left: `docs/format/log.md`.
#[test]
fn damage_of_the_last_commit_before_a_crash_looks_torn() {
    let machine = damaged_after(Duration::ZERO);
    let engine = Engine::open(machine.vfs(), Path::new("/db"), small()).unwrap();
    assert_eq!(engine.visible_sequence(), 1);
}

#[test]
fn who_compacts_by_call_only_is_never_stopped_for_it() {
    Simulation::new(1).run(|machine| {
        let options = EngineOptions {
            compaction_threads: 0,
            ..small()
        };
        let engine = open(&machine.vfs(), options);
        for number in 0..60_u32 {
            put(&engine, &number.to_be_bytes(), b"", Durability::None);
            engine.flush().unwrap();
        }
        engine.compact().unwrap();
    });
}

#[test]
fn writers_do_not_wait_for_ever_for_flushes_that_fail() {
    Simulation::new(1).run(|machine| {
        let options = EngineOptions {
            memtable_bytes: 4 << 10,
            ..small()
        };
        let engine = open(&machine.vfs(), options);
        let fault = Fault::new(Effect::Fail(Failure::Io)).on(OpKind::Create);
        let fault = machine.inject(fault.path(".sst").forever());
        let write = || {
            let mut batch = engine.batch();
            batch.put(KS, b"key", &[1; 2_000]).unwrap();
            engine.commit(&mut batch, Durability::Sync, &mut accept)
        };
        let refused = (0..1_000).find_map(|_| write().err());
        let error = refused.expect("memtables are limited");
        assert!(matches!(error, Error::Io { .. }), "{error}");
        // Nothing is lost or broken: it goes on when the disk does.
        machine.remove_fault(fault);
        machine.sleep(Duration::from_secs(1));
        write().unwrap();
        engine.close().unwrap();
    });
}
