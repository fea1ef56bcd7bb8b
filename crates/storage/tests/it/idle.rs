//! What a database does when nobody asks for anything.

use std::path::Path;
use std::time::Duration;

use rustdb_storage::engine::{Durability, Engine};
use rustdb_storage::error::Error;
use rustdb_vfs::{SimVfs, Simulation, Vfs};

use crate::basic::{open, put, small};

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
