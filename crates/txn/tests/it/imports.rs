//! Transactions of very many keys at the same time: they conflict only if they share a key.

use std::sync::Barrier;

use rustdb_storage::engine::{Durability, ReadAt};
use rustdb_txn::{Access, Error, IsolationLevel, KeyRange, KeyspaceRef, TransactionOptions};

use crate::database::Database;

const KEYS: u32 = 20_000;

/// A database whose transactions spill, or keep their writes in memory.
fn database(spills: bool) -> Database {
    let write_set_bytes_max = if spills { 128 << 10 } else { 64 << 20 };
    Database::with(TransactionOptions {
        write_set_bytes_max,
        ..TransactionOptions::default()
    })
}

/// Commits two transactions at once, of even and odd keys of a keyspace, each over all of its
/// range, and of what is shared.
fn import(db: &Database, keyspace: KeyspaceRef, shared: &[u32]) -> [Result<(), Error>; 2] {
    let barrier = Barrier::new(2);
    let one = |parity: u32| {
        let begun = db
            .manager
            .begin(IsolationLevel::Snapshot, Access::ReadWrite);
        let mut transaction = begun.unwrap();
        let own = (0..KEYS).filter(|key| key % 2 == parity);
        // Not in order, so that the files have to be merged.
        for key in own.rev().chain(shared.iter().copied()) {
            let value = [parity as u8; 20];
            transaction
                .put(keyspace, &key.to_be_bytes(), &value)
                .unwrap();
        }
        barrier.wait();
        transaction.commit(Durability::Buffered).map(|_| ())
    };
    std::thread::scope(|scope| {
        let even = scope.spawn(|| one(0));
        let odd = one(1);
        [even.join().unwrap(), odd]
    })
}

fn len(db: &Database, keyspace: KeyspaceRef) -> u64 {
    let begun = db.manager.begin(IsolationLevel::Snapshot, Access::ReadOnly);
    let transaction = begun.unwrap();
    let mut scan = transaction.scan(keyspace, KeyRange::all()).unwrap();
    let mut count = 0;
    while scan.next(&transaction).unwrap().is_some() {
        count += 1;
    }
    count
}

#[test]
fn interleaved_imports_of_different_keys_both_succeed() {
    for spills in [true, false] {
        let db = database(spills);
        for keyspace in [db.plain, db.counted] {
            for round in 0..3 {
                let results = import(&db, keyspace, &[]);
                for result in results {
                    result.unwrap_or_else(|e| panic!("spills: {spills}, round {round}: {e}"));
                }
                assert_eq!(len(&db, keyspace), u64::from(KEYS));
            }
        }
        let engine = db.manager.engine();
        let count = engine.len(db.counted.id, ReadAt::Latest).unwrap();
        assert_eq!(count, u64::from(KEYS));
    }
}

#[test]
fn imports_that_share_a_key_conflict() {
    for spills in [true, false] {
        let db = database(spills);
        for shared in [0, KEYS / 2, KEYS - 1, KEYS + 7] {
            let results = import(&db, db.plain, &[shared]);
            let failed: Vec<_> = results.iter().filter_map(|r| r.as_ref().err()).collect();
            assert_eq!(failed.len(), 1, "spills: {spills}, {shared}: {results:?}");
            assert!(matches!(failed[0], Error::Conflict(_)), "{:?}", failed[0]);
        }
    }
}

#[test]
fn deleted_ranges_count_as_memory_of_the_transaction() {
    let db = database(true);
    let none = Durability::None;
    let key = |range: u8, number: u16| {
        let [high, low] = number.to_be_bytes();
        [range, 1, high, low]
    };
    for range in 0..20 {
        for number in 0..300 {
            db.manager
                .put(db.plain, &key(range, number), b"v", none)
                .unwrap();
        }
    }
    let begun = db
        .manager
        .begin(IsolationLevel::Snapshot, Access::ReadWrite);
    let mut transaction = begun.unwrap();
    let charged = || db.manager.engine().stats().memory.write_sets;
    let mut most = 0;
    for range in 0..20 {
        // Bounds need not be keys; these are long.
        let mut start = vec![0; 30_000];
        start[0] = range;
        let end = Some(vec![range, 2]);
        transaction
            .delete_range(db.plain, KeyRange { start, end })
            .unwrap();
        most = charged().max(most);
    }
    assert!(most > 64 << 10, "{most} bytes");
    transaction.commit(none).unwrap();
    assert_eq!(len(&db, db.plain), 0);
    assert_eq!(charged(), 0);
}
