//! Values of sequences.

use std::sync::Arc;

use rustdb_catalog::{PUBLIC, Sequence};
use rustdb_storage::engine::Durability;
use rustdb_types::{Oid, Type};

use crate::database::Database;

fn sequence(name: &str) -> Sequence {
    Sequence {
        oid: Oid(0),
        schema: PUBLIC,
        name: name.to_owned(),
        data_type: Type::INT8,
        start: 1,
        increment: 1,
        minimum: 1,
        maximum: i64::MAX,
        cache: 1,
        cycle: false,
        owned_by: None,
        temporary: false,
        storage: Oid(0),
    }
}

fn create(db: &Database, wanted: Sequence) -> Arc<Sequence> {
    db.define(|change, tx| change.create_sequence(tx, wanted))
        .unwrap()
}

#[test]
fn values_follow_each_other_and_a_clean_close_skips_none() {
    let db = Database::new();
    let made = create(&db, sequence("s"));
    let sequences = db.store.sequences();
    assert_eq!(sequences.state(&made).unwrap(), (1, false));
    let values: Vec<i64> = (0..50).map(|_| sequences.next(&made).unwrap()).collect();
    assert_eq!(values, (1..=50).collect::<Vec<i64>>());
    let db = db.reopen();
    assert_eq!(db.store.sequences().state(&made).unwrap(), (50, true));
    assert_eq!(db.store.sequences().next(&made).unwrap(), 51);
}

#[test]
fn ends_are_errors_unless_the_sequence_cycles() {
    let db = Database::new();
    let up = create(
        &db,
        Sequence {
            maximum: 3,
            ..sequence("up")
        },
    );
    let sequences = db.store.sequences();
    assert_eq!(sequences.next_block(&up, 2).unwrap(), (1, 2));
    assert_eq!(sequences.next_block(&up, 2).unwrap(), (3, 1));
    let error = sequences.next(&up).unwrap_err();
    assert_eq!(error.state().as_str(), "2200H");
    let words = "nextval: reached maximum value of sequence \"up\" (3)";
    assert_eq!(error.message(), words);

    let down = Sequence {
        start: -1,
        increment: -2,
        minimum: -4,
        maximum: -1,
        cycle: true,
        ..sequence("down")
    };
    let down = create(&db, down);
    let values: Vec<i64> = (0..5).map(|_| sequences.next(&down).unwrap()).collect();
    assert_eq!(values, [-1, -3, -1, -3, -1]);
}

#[test]
fn setval_says_what_comes_next() {
    let db = Database::new();
    let made = create(&db, sequence("s"));
    let sequences = db.store.sequences();
    sequences.next(&made).unwrap();
    sequences.set(&made, 100, true).unwrap();
    assert_eq!(sequences.next(&made).unwrap(), 101);
    sequences.set(&made, 7, false).unwrap();
    assert_eq!(sequences.next(&made).unwrap(), 7);
    let error = sequences.set(&made, 0, true).unwrap_err();
    assert_eq!(error.state().as_str(), "22003");
}

#[test]
fn restart_can_be_rolled_back() {
    let db = Database::new();
    let made = create(&db, sequence("s"));
    let sequences = db.store.sequences();
    assert_eq!(sequences.next_block(&made, 10).unwrap(), (1, 10));
    let tx = db.begin();
    let mut change = db.store.begin_change();
    change.restart_sequence(made.oid, 5).unwrap();
    let restarted = change.view().sequence(made.oid).unwrap().clone();
    assert_eq!(sequences.next(&restarted).unwrap(), 5);
    drop((tx, change));
    assert_eq!(sequences.next(&made).unwrap(), 11);

    let tx = db.begin();
    let mut change = db.store.begin_change();
    change.restart_sequence(made.oid, 5).unwrap();
    change.commit(tx, Durability::Sync).unwrap();
    let db = db.reopen();
    let made = db.store.current().sequence(made.oid).unwrap().clone();
    assert_eq!(db.store.sequences().next(&made).unwrap(), 5);
}
