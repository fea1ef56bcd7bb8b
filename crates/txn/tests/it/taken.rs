//! Pops of many keys in a row: what is noted as a range is a deletion of each key that was there, and
//! of nothing else.

use rustdb_storage::engine::Durability;
use rustdb_txn::{
    Access, Conflict, Error, IsolationLevel, KeyRange, Transaction, TransactionOptions,
};

use crate::database::Database;

const KEYS: u32 = 4000;

/// The keys are the even numbers.
fn filled(options: TransactionOptions) -> Database {
    let db = Database::with(options);
    let mut tx = begin(&db, IsolationLevel::Snapshot);
    for n in 0..KEYS {
        tx.put(db.counted, &key(2 * n), b"old").unwrap();
    }
    tx.commit(Durability::None).unwrap();
    db
}

fn key(n: u32) -> [u8; 4] {
    n.to_be_bytes()
}

fn begin(db: &Database, level: IsolationLevel) -> Transaction {
    db.manager.begin(level, Access::ReadWrite).unwrap()
}

/// Pops as many entries, from both ends in turns.
fn pop(db: &Database, tx: &mut Transaction, count: u32) {
    for n in 0..count {
        let found = match n % 2 {
            0 => tx.pop_first(db.counted, &KeyRange::all()).unwrap(),
            _ => tx.pop_last(db.counted, &KeyRange::all()).unwrap(),
        };
        assert!(found.is_some(), "{n} were popped of {count}");
    }
}

/// What a scan of a new transaction finds, from first to last.
fn contents(db: &Database) -> Vec<u32> {
    let tx = begin(db, IsolationLevel::Snapshot);
    let mut scan = tx.scan(db.counted, KeyRange::all()).unwrap();
    let next = || scan.next(&tx).unwrap();
    let keys = std::iter::from_fn(next).map(|(key, _)| *key.first_chunk::<4>().unwrap());
    keys.map(u32::from_be_bytes).collect()
}

fn evens(range: std::ops::Range<u32>) -> Vec<u32> {
    range.map(|n| 2 * n).collect()
}

#[test]
fn many_pops_take_no_memory_for_each_key_and_are_committed_whole() {
    let db = filled(TransactionOptions::default());
    let mut tx = begin(&db, IsolationLevel::Snapshot);
    pop(&db, &mut tx, 600);
    let bytes = tx.memory_bytes();
    pop(&db, &mut tx, 2400);
    assert!(
        tx.memory_bytes() < bytes + 1000,
        "the keys are noted one by one"
    );
    assert_eq!(tx.get(db.counted, &key(1000)).unwrap(), None);
    assert!(!tx.contains(db.counted, &key(2 * KEYS - 2)).unwrap());
    assert!(tx.contains(db.counted, &key(3000)).unwrap());
    tx.commit(Durability::None).unwrap();
    assert_eq!(contents(&db), evens(1500..2500));
    assert_eq!(db.count(), 1000);
}

#[test]
fn what_others_put_between_popped_keys_stays() {
    // With room for everything, and with so little that it goes to files.
    for bytes in [32 << 20, 8 << 10] {
        let db = filled(TransactionOptions {
            write_set_bytes_max: bytes,
            ..TransactionOptions::default()
        });
        let mut tx = begin(&db, IsolationLevel::Snapshot);
        pop(&db, &mut tx, 1000);
        for n in [101, 7901] {
            let none = Durability::None;
            db.manager.put(db.counted, &key(n), b"new", none).unwrap();
        }
        pop(&db, &mut tx, 2000);
        tx.commit(Durability::None).unwrap();
        let mut expected = evens(1500..2500);
        expected.insert(0, 101);
        expected.push(7901);
        assert_eq!(contents(&db), expected);
        assert_eq!(db.count(), 1002);
    }
}

#[test]
fn a_popped_key_that_another_wrote_is_a_conflict() {
    for level in [IsolationLevel::Snapshot, IsolationLevel::Serializable] {
        let db = filled(TransactionOptions::default());
        let mut tx = begin(&db, level);
        pop(&db, &mut tx, 2000);
        let none = Durability::None;
        db.manager
            .put(db.counted, &key(1200), b"new", none)
            .unwrap();
        let result = tx.commit(none);
        assert!(
            matches!(
                result,
                Err(Error::Conflict(Conflict::Write | Conflict::Read))
            ),
            "{result:?}"
        );
        assert_eq!(db.count(), u64::from(KEYS));
    }
}

#[test]
fn what_is_written_where_keys_were_popped_stands() {
    let db = filled(TransactionOptions::default());
    let mut tx = begin(&db, IsolationLevel::Snapshot);
    pop(&db, &mut tx, 2000);
    tx.put(db.counted, &key(600), b"again").unwrap();
    tx.put(db.counted, &key(601), b"new").unwrap();
    tx.delete(db.counted, &key(604)).unwrap();
    let first = tx.pop_first(db.counted, &KeyRange::all()).unwrap().unwrap();
    assert_eq!((&*first.0, &*first.1), (&key(600)[..], &b"again"[..]));
    pop(&db, &mut tx, 999);
    tx.put(db.counted, &key(602), b"again").unwrap();
    let range = KeyRange {
        start: key(590).to_vec(),
        end: None,
    };
    let first = tx.first(db.counted, range).unwrap().unwrap();
    assert_eq!((&*first.0, &*first.1), (&key(602)[..], &b"again"[..]));
    tx.commit(Durability::None).unwrap();
    let left = contents(&db);
    assert_eq!((left[0], left.len(), db.count()), (602, 1003, 1003));
}

#[test]
fn savepoints_and_deleted_ranges_go_with_what_was_popped() {
    let db = filled(TransactionOptions::default());
    let mut tx = begin(&db, IsolationLevel::Snapshot);
    pop(&db, &mut tx, 1000);
    let savepoint = tx.savepoint();
    pop(&db, &mut tx, 1000);
    tx.rollback_to(savepoint).unwrap();
    assert!(tx.contains(db.counted, &key(1002)).unwrap());
    assert!(!tx.contains(db.counted, &key(998)).unwrap());
    pop(&db, &mut tx, 1000);
    tx.release(savepoint).unwrap();
    let range = KeyRange {
        start: key(500).to_vec(),
        end: Some(key(3000).to_vec()),
    };
    tx.delete_range(db.counted, range).unwrap();
    pop(&db, &mut tx, 1000);
    tx.commit(Durability::None).unwrap();
    let left = contents(&db);
    assert_eq!(left, evens(2000..2500));
    assert_eq!(db.count(), 500);
}

#[test]
fn a_transaction_that_popped_all_finds_nothing_and_leaves_nothing() {
    let db = filled(TransactionOptions::default());
    let mut tx = begin(&db, IsolationLevel::Serializable);
    pop(&db, &mut tx, KEYS);
    assert!(
        tx.pop_first(db.counted, &KeyRange::all())
            .unwrap()
            .is_none()
    );
    assert!(tx.pop_last(db.counted, &KeyRange::all()).unwrap().is_none());
    assert!(tx.first(db.counted, KeyRange::all()).unwrap().is_none());
    tx.commit(Durability::None).unwrap();
    assert_eq!((contents(&db), db.count()), (vec![], 0));
}
