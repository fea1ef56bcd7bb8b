//! A full disk: what is refused leaves no trace, reads and deletions go on, writes resume.

use std::time::Duration;

use rustdb::{Database, Durability, ErrorKind, Options};
use rustdb_vfs::{OsVfs, SimVfs, Vfs};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn open(sim: &SimVfs) -> Database {
    let options = Options {
        vfs: Some(sim.vfs()),
        durability: Durability::Buffered,
        reserve_bytes: 4 * MIB,
        write_buffer_bytes: 256 << 10,
        transaction_bytes: 64 << 10,
        ..Options::default()
    };
    Database::open_with("/db", options).expect("opens")
}

fn key(number: u32) -> [u8; 4] {
    number.wrapping_mul(0x9E37_79B1).to_be_bytes()
}

/// Bytes that do not compress.
fn value(number: u32) -> Vec<u8> {
    let words = (0..256_u32).flat_map(|word| {
        let mixed = (number ^ word << 16).wrapping_mul(0x9E37_79B1);
        (mixed ^ mixed >> 15).to_le_bytes()
    });
    words.collect()
}

/// Writes until the disk is full; returns how many were written.
fn fill(db: &Database) -> u32 {
    for number in 0.. {
        if let Err(error) = db.put(key(number), value(number)) {
            assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
            assert!(
                error
                    .message()
                    .starts_with("no space left on the disk of `/db`: "),
                "{error}"
            );
            assert!(error.message().contains(" MiB free, of which "), "{error}");
            return number;
        }
    }
    unreachable!("the disk has an end")
}

/// Tries a write until it is let in, for as long as background work may need to make room.
fn put_in_time(db: &Database, key: &[u8], value: &[u8]) -> bool {
    let waiting = OsVfs::new();
    (0..200).any(|_| match db.put(key, value) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
            waiting.sleep(Duration::from_millis(50));
            false
        }
    })
}

fn assert_holds(db: &Database, written: u32) {
    for number in (0..written).step_by(7) {
        let found = db.get(key(number)).expect("reads go on");
        assert_eq!(found.as_deref(), Some(&*value(number)), "{number}");
    }
    assert_eq!(db.len().expect("reads go on"), u64::from(written));
}

#[test]
fn writes_are_refused_and_resume_when_space_returns() {
    let sim = SimVfs::new(1);
    sim.set_capacity(Some(24 * MIB));
    let db = open(&sim);
    let doomed = db.keyspace("doomed").unwrap();
    doomed.put("key", "value").unwrap();
    let written = fill(&db);
    assert!(written > 4000, "{written}");
    assert_holds(&db, written);
    // Deletions are let in, and their effect is there.
    for number in 0..100 {
        db.delete(key(number)).unwrap();
    }
    assert_eq!(db.get(key(99)).unwrap(), None);
    db.drop_keyspace("doomed").unwrap();
    assert_eq!(db.keyspaces(), ["default"]);
    sim.set_capacity(Some(64 * MIB));
    assert!(put_in_time(&db, b"new", b"value"), "{:?}", db.stats());
    assert_eq!(db.stats().fault, None);
    db.close().unwrap();
    let db = open(&sim);
    assert_eq!(db.len().unwrap(), u64::from(written) - 100 + 1);
}

#[test]
fn an_open_without_space_tells_what_it_could_not_do() {
    let sim = SimVfs::new(7);
    let db = open(&sim);
    db.put("key", "value").unwrap();
    db.close().unwrap();
    sim.set_capacity(Some(0));
    let options = Options {
        vfs: Some(sim.vfs()),
        ..Options::default()
    };
    let error = Database::open_with("/db", options.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    let (what, why) = error.message().split_once(": ").unwrap();
    assert!(what.starts_with("cannot "), "{error}");
    assert_eq!(why, "no space left on the disk");
    let read_only = Options {
        read_only: true,
        ..options
    };
    let db = Database::open_with("/db", read_only).unwrap();
    assert!(db.get("key").unwrap().is_some());
}

#[test]
fn what_is_too_large_for_the_disk_fails_alone() {
    let sim = SimVfs::new(3);
    sim.set_capacity(Some(24 * MIB));
    let db = open(&sim);
    // A transaction that spills.
    let mut transaction = db.begin().unwrap();
    let refused = (0..100_000).find_map(|number| {
        let written = transaction.put(key(number), value(number));
        written.err()
    });
    assert_eq!(refused.expect("too much").kind(), ErrorKind::NoSpace);
    drop(transaction);
    db.put("small", "fits").unwrap();
    // A value.
    let refused = db.put("large", vec![0; 30 << 20]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NoSpace);
    db.put("small too", "fits").unwrap();
    db.put("value", vec![7; (512 * KIB) as usize]).unwrap();
    assert_eq!(db.len().unwrap(), 3);
    db.close().unwrap();
    assert_eq!(open(&sim).len().unwrap(), 3);
}

#[test]
fn a_dropped_keyspace_gives_its_space_back() {
    for is_mixed in [false, true] {
        let sim = SimVfs::new(5);
        sim.set_capacity(Some(24 * MIB));
        let db = open(&sim);
        let doomed = db.keyspace("doomed").unwrap();
        let mut kept = 0;
        for number in 0.. {
            let is_kept = is_mixed && number % 2 == 0;
            let result = match is_kept {
                true => db.put(key(number), value(number)),
                false => doomed.put(key(number), value(number)),
            };
            if let Err(error) = result {
                assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
                break;
            }
            kept += u32::from(is_kept);
        }
        drop(doomed);
        db.drop_keyspace("doomed").unwrap();
        // A good part of it can be written again.
        for number in 0..4_000 {
            let key = [b"again", &key(number)[..]].concat();
            let is_written = put_in_time(&db, &key, &value(number));
            assert!(is_written, "mixed: {is_mixed}, {number}: {:?}", db.stats());
        }
        for number in (0..2 * kept).step_by(2) {
            let found = db.get(key(number)).unwrap();
            assert_eq!(found.as_deref(), Some(&*value(number)), "{number}");
        }
        assert_eq!(db.len().unwrap(), u64::from(kept) + 4_000);
        db.close().unwrap();
    }
}
