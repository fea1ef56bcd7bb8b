//! Entries of a new keyspace that are written all at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustdb_storage::engine::{Durability, EngineOptions};
use rustdb_txn::{
    Access, BulkEntries, Error, IsolationLevel, KeyRange, KeyspaceRef, Transaction,
    TransactionOptions,
};
use rustdb_vfs::{MemVfs, VfsRef};

use crate::database::Database;

const KEYS: u32 = 4000;

/// All entries are few; they are one run; they are many runs.
const BUDGETS: [usize; 3] = [64 << 20, 1 << 20, 4 << 10];

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn open(vfs: &VfsRef, write_set_bytes_max: usize) -> Database {
    // Values of any length are entries here, and go to value files from this length on.
    let engine = EngineOptions {
        value_threshold: 300,
        ..EngineOptions::default()
    };
    let options = TransactionOptions {
        write_set_bytes_max,
        ..TransactionOptions::default()
    };
    Database::open(vfs.clone(), engine, options)
}

fn begin(db: &Database) -> Transaction {
    let begun = db
        .manager
        .begin(IsolationLevel::ReadCommitted, Access::ReadWrite);
    begun.unwrap()
}

/// Entries in no order, of keys and values of different lengths.
fn model() -> Model {
    let entry = |number: u32| {
        let scattered = number.wrapping_mul(0x9e37_79b1);
        let tail = vec![7; number as usize % 40];
        let value = vec![number as u8; number as usize % 350];
        ([&scattered.to_be_bytes()[..], &tail].concat(), value)
    };
    (0..KEYS).map(entry).collect()
}

fn collected(tx: &Transaction, keyspace: KeyspaceRef, model: &Model) -> BulkEntries {
    let mut entries = tx.bulk_entries(keyspace);
    let mut all: Vec<_> = model.iter().collect();
    all.sort_by_key(|(key, _)| key.iter().rev().copied().collect::<Vec<u8>>());
    for (key, value) in all {
        entries.push(key, value).unwrap();
    }
    entries
}

fn never(before: &[u8], key: &[u8]) -> Result<bool, Error> {
    assert!(before < key, "keys come in their order");
    Ok(false)
}

fn seen(tx: &Transaction, keyspace: KeyspaceRef) -> Model {
    let mut scan = tx.scan(keyspace, KeyRange::all()).unwrap();
    let mut seen = Model::new();
    while let Some((key, value)) = scan.next(tx).unwrap() {
        seen.insert(key.to_vec(), value.to_vec());
    }
    seen
}

#[test]
fn entries_in_no_order_are_read_before_and_after_the_commit_whatever_they_take() {
    let model = model();
    for bytes_max in BUDGETS {
        let vfs: VfsRef = Arc::new(MemVfs::new());
        let db = open(&vfs, bytes_max);
        let mut tx = begin(&db);
        // Other keyspaces, with smaller and greater numbers, are written around it.
        tx.put(db.plain, b"before", b"1").unwrap();
        let savepoint = tx.savepoint();
        for is_kept in [false, true] {
            let entries = collected(&tx, db.counted, &model);
            let written = tx.write_bulk(entries, never).unwrap();
            assert_eq!(written, Ok(model.len() as u64));
            assert_eq!(seen(&tx, db.counted), model);
            if !is_kept {
                tx.rollback_to(savepoint).unwrap();
                assert_eq!(seen(&tx, db.counted), Model::new());
            }
        }
        // What is written later is above it.
        let mut model = model.clone();
        let (first, _) = model.pop_first().unwrap();
        tx.delete(db.counted, &first).unwrap();
        tx.put(db.counted, b"new", b"2").unwrap();
        tx.put(db.plain, b"after", b"3").unwrap();
        model.insert(b"new".to_vec(), b"2".to_vec());
        assert_eq!(seen(&tx, db.counted), model);
        tx.commit(Durability::Sync).unwrap();
        let reader = begin(&db);
        assert_eq!(seen(&reader, db.counted), model);
        assert_eq!(seen(&reader, db.plain).len(), 2);
        assert_eq!(db.count(), model.len() as u64);
        drop((reader, db));
        let db = open(&vfs, bytes_max);
        assert_eq!(seen(&begin(&db), db.counted), model);
    }
}

#[test]
fn alone_in_a_transaction_they_are_published_as_they_are() {
    let model = model();
    for bytes_max in BUDGETS {
        let vfs: VfsRef = Arc::new(MemVfs::new());
        let db = open(&vfs, bytes_max);
        let mut tx = begin(&db);
        let entries = collected(&tx, db.counted, &model);
        let written = tx.write_bulk(entries, never).unwrap();
        assert_eq!(written, Ok(model.len() as u64));
        tx.commit(Durability::Sync).unwrap();
        assert_eq!(db.count(), model.len() as u64);
        drop(db);
        let db = open(&vfs, bytes_max);
        assert_eq!(seen(&begin(&db), db.counted), model);
    }
}

#[test]
fn a_key_that_comes_twice_is_told_and_nothing_stays() {
    let model = model();
    let twice = model.keys().nth(1234).unwrap();
    for bytes_max in BUDGETS {
        let vfs: VfsRef = Arc::new(MemVfs::new());
        let db = open(&vfs, bytes_max);
        let mut tx = begin(&db);
        // Next to each other in time, and far from each other.
        for is_near in [true, false] {
            let savepoint = tx.savepoint();
            let mut entries = match is_near {
                true => tx.bulk_entries(db.counted),
                false => collected(&tx, db.counted, &model),
            };
            entries.push(twice, &model[twice]).unwrap();
            if is_near {
                entries.push(twice, &model[twice]).unwrap();
                for (key, value) in model.iter().filter(|(key, _)| *key != twice) {
                    entries.push(key, value).unwrap();
                }
            }
            let written = tx.write_bulk(entries, never_or_same).unwrap();
            let repeated = written.unwrap_err();
            assert_eq!((&repeated.key, &repeated.value), (twice, &model[twice]));
            tx.rollback_to(savepoint).unwrap();
            assert_eq!(seen(&tx, db.counted), Model::new());
        }
        // What the caller calls the same is told too.
        let entries = collected(&tx, db.counted, &model);
        let written = tx.write_bulk(entries, |_, key| Ok::<_, Error>(key == &**twice));
        assert_eq!(&written.unwrap().unwrap_err().key, twice);
    }
}

fn never_or_same(before: &[u8], key: &[u8]) -> Result<bool, Error> {
    assert!(before <= key, "keys come in their order");
    Ok(false)
}

#[test]
fn a_key_that_came_once_is_not_taken_again() {
    let model = model();
    for bytes_max in BUDGETS {
        let vfs: VfsRef = Arc::new(MemVfs::new());
        let db = open(&vfs, bytes_max);
        let mut tx = begin(&db);
        assert!(tx.is_untouched(db.counted).unwrap());
        let mut entries = tx.bulk_entries(db.counted);
        for (key, value) in &model {
            assert!(entries.is_new(key));
            assert!(entries.push_once(key, value).unwrap());
            assert!(!entries.is_new(key));
        }
        for key in model.keys() {
            assert!(!entries.push_once(key, b"another").unwrap());
        }
        let written = tx.write_bulk(entries, never).unwrap();
        assert_eq!(written, Ok(model.len() as u64));
        assert_eq!(seen(&tx, db.counted), model);
        assert!(!tx.is_untouched(db.counted).unwrap());
        tx.commit(Durability::Sync).unwrap();
        assert!(!begin(&db).is_untouched(db.counted).unwrap());
        assert!(begin(&db).is_untouched(db.plain).unwrap());
    }
}
