//! Opening and closing: what the options ask for, and what is left of a handle.

use std::sync::Arc;

use rustdb::{Database, ErrorKind, KeyspaceOptions, Options};
use rustdb_vfs::{MemVfs, SimVfs, VfsRef};

fn options(vfs: &VfsRef) -> Options {
    Options {
        vfs: Some(vfs.clone()),
        ..Options::default()
    }
}

fn kind<T: std::fmt::Debug>(result: rustdb::Result<T>) -> ErrorKind {
    result.expect_err("it is refused").kind()
}

#[test]
fn a_database_is_created_or_opened_as_the_options_say() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let existing = Options {
        create: false,
        ..options(&vfs)
    };
    let new = Options {
        create_new: true,
        ..options(&vfs)
    };
    let read_only = Options {
        read_only: true,
        ..options(&vfs)
    };
    for options in [&existing, &read_only] {
        let opened = Database::open_with("/db", options.clone());
        assert_eq!(kind(opened), ErrorKind::NotFound);
    }
    Database::open_with("/db", new.clone()).unwrap();
    assert_eq!(
        kind(Database::open_with("/db", new)),
        ErrorKind::AlreadyExists
    );
    for options in [existing, read_only] {
        Database::open_with("/db", options).unwrap();
    }
}

#[test]
fn handles_of_a_closed_database_fail_and_do_not_answer_from_memory() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let db = Database::open_with("/db", options(&vfs)).unwrap();
    db.put("k", "v").unwrap();
    let (other, snapshot) = (db.clone(), db.snapshot());
    let keyspace = db.default_keyspace();
    let counted = KeyspaceOptions {
        counted: true,
        ..KeyspaceOptions::default()
    };
    let counted = db.create_keyspace("counted", &counted).unwrap();
    let transaction = db.begin().unwrap();
    db.close().unwrap();

    assert_eq!(kind(other.get("k")), ErrorKind::Closed);
    assert_eq!(kind(other.multi_get(["k"])), ErrorKind::Closed);
    assert_eq!(kind(other.first()), ErrorKind::Closed);
    assert_eq!(kind(other.len()), ErrorKind::Closed);
    assert_eq!(kind(counted.len()), ErrorKind::Closed);
    assert_eq!(kind(keyspace.contains_key("k")), ErrorKind::Closed);
    assert_eq!(kind(snapshot.get(&keyspace, "k")), ErrorKind::Closed);
    assert_eq!(kind(transaction.get("k")), ErrorKind::Closed);
    assert_eq!(kind(other.put("k", "w")), ErrorKind::Closed);
    assert_eq!(kind(other.compact()), ErrorKind::Closed);
    assert_eq!(kind(other.close()), ErrorKind::Closed);
}

#[test]
fn logs_do_not_pile_up_however_often_a_database_is_opened() {
    let sim = SimVfs::new(1);
    let vfs = sim.vfs();
    let mut written = 0;
    for round in 0..100_u32 {
        let db = Database::open_with("/db", options(&vfs)).unwrap();
        assert_eq!(db.len().unwrap(), written);
        if round % 3 == 0 {
            db.put(round.to_be_bytes(), "value").unwrap();
            written += 1;
        }
        db.close().unwrap();
        let logs = crate::logs(&sim);
        assert!(logs <= 20, "{logs} logs after {round} rounds");
    }
}
