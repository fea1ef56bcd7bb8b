//! Pairs that are put all at once: what goes straight to files is a write like any other.

use std::sync::Arc;

use rustdb_storage::engine::{Durability, ReadAt};
use rustdb_txn::{
    Access, Conflict, Error, IsolationLevel, KeyRange, RowMode, Transaction, TransactionOptions,
    Wait,
};
use rustdb_vfs::{Simulation, VfsRef};

use crate::database::Database;

const KEYS: u32 = 4000;

/// So little memory that a batch has some fifty pairs.
fn options() -> TransactionOptions {
    TransactionOptions {
        write_set_bytes_max: 100_000,
        lock_wait: Wait::No,
        ..TransactionOptions::default()
    }
}

fn begin(db: &Database, level: IsolationLevel) -> Transaction {
    db.manager.begin(level, Access::ReadWrite).unwrap()
}

fn key(n: u32) -> [u8; 4] {
    n.to_be_bytes()
}

fn put_all(db: &Database, tx: &mut Transaction, keys: std::ops::Range<u32>) -> Result<u64, Error> {
    tx.put_all(db.counted, keys.map(|n| (key(n), vec![n as u8; 200])))
}

fn count(db: &Database) -> usize {
    let tx = begin(db, IsolationLevel::Snapshot);
    let mut scan = tx.scan(db.counted, KeyRange::all()).unwrap();
    std::iter::from_fn(|| scan.next(&tx).unwrap()).count()
}

#[test]
fn a_key_that_another_has_written_meanwhile_is_a_conflict() {
    for level in [IsolationLevel::Snapshot, IsolationLevel::Serializable] {
        for theirs in [0, KEYS / 2, KEYS - 1] {
            let db = Database::with(options());
            let mut ours = begin(&db, level);
            ours.get(db.counted, b"a snapshot").unwrap();
            db.manager
                .put(db.counted, &key(theirs), b"theirs", Durability::None)
                .unwrap();
            assert_eq!(put_all(&db, &mut ours, 0..KEYS).unwrap(), u64::from(KEYS));
            let refused = ours.commit(Durability::None).unwrap_err();
            assert!(
                matches!(refused, Error::Conflict(Conflict::Write)),
                "{refused}"
            );
            assert_eq!(count(&db), 1);
        }
        // Beside ours is no conflict.
        let db = Database::with(options());
        let mut ours = begin(&db, level);
        put_all(&db, &mut ours, 0..KEYS).unwrap();
        db.manager
            .put(db.counted, &key(KEYS), b"theirs", Durability::None)
            .unwrap();
        ours.commit(Durability::None).unwrap();
        assert_eq!(count(&db), KEYS as usize + 1);
    }
}

#[test]
fn a_transaction_that_locks_what_it_writes_locks_each_key() {
    let db = Database::with(options());
    let mut ours = begin(&db, IsolationLevel::ReadCommitted);
    put_all(&db, &mut ours, 0..KEYS).unwrap();
    let mut theirs = begin(&db, IsolationLevel::ReadCommitted);
    for n in [0, KEYS / 2, KEYS - 1] {
        let locked = theirs.lock_row(db.counted, &key(n), RowMode::Update, Wait::No);
        assert!(locked.is_err(), "{n}");
    }
    ours.commit(Durability::None).unwrap();
    assert_eq!(count(&db), KEYS as usize);
}

#[test]
fn later_writes_and_savepoints_lie_above_what_was_put() {
    let db = Database::with(options());
    let mut tx = begin(&db, IsolationLevel::Snapshot);
    tx.put(db.counted, &key(7), b"before").unwrap();
    put_all(&db, &mut tx, 0..KEYS).unwrap();
    let value = tx.get(db.counted, &key(7)).unwrap();
    assert_eq!(value.as_deref(), Some(&[7; 200][..]));
    let savepoint = tx.savepoint();
    tx.delete(db.counted, &key(8)).unwrap();
    put_all(&db, &mut tx, KEYS / 2..2 * KEYS).unwrap();
    let get = |tx: &Transaction, n| tx.get(db.counted, &key(n)).unwrap().is_some();
    assert!(!get(&tx, 8) && get(&tx, 2 * KEYS - 1));
    tx.rollback_to(savepoint).unwrap();
    assert!(get(&tx, 8) && !get(&tx, 2 * KEYS - 1));
    tx.put(db.counted, &key(9), b"after").unwrap();
    tx.commit(Durability::None).unwrap();
    let found = db.manager.get(db.counted, &key(9)).unwrap();
    assert_eq!(found.as_deref(), Some(&b"after"[..]));
    assert_eq!(count(&db), KEYS as usize);
}

/// Removes the keys that are not multiples of seven; returns what was handed out.
fn extract(db: &Database, tx: &mut Transaction) -> Vec<u32> {
    let mut taken = Vec::new();
    let number = |key: &[u8]| u32::from_be_bytes(*key.first_chunk().unwrap());
    let wanted = |key: &[u8], _: &[u8]| number(key) % 7 != 0;
    let take = |(key, _): rustdb_txn::Entry| taken.push(number(&key));
    let count = tx.extract_all(db.counted, KeyRange::all(), wanted, take);
    assert_eq!(count.unwrap(), taken.len() as u64);
    taken
}

#[test]
fn what_a_walk_removes_is_handed_out_and_gone() {
    for level in [
        IsolationLevel::ReadCommitted,
        IsolationLevel::Snapshot,
        IsolationLevel::Serializable,
    ] {
        let db = Database::with(options());
        let mut tx = begin(&db, level);
        put_all(&db, &mut tx, 0..KEYS).unwrap();
        tx.commit(Durability::None).unwrap();
        // Half of what is removed is the transaction's own.
        let mut tx = begin(&db, level);
        put_all(&db, &mut tx, KEYS..2 * KEYS).unwrap();
        tx.put(db.counted, &key(3 * KEYS), b"in memory").unwrap();
        let savepoint = tx.savepoint();
        let numbers = (0..2 * KEYS).chain([3 * KEYS]);
        let expected: Vec<u32> = numbers.filter(|n| n % 7 != 0).collect();
        assert_eq!(extract(&db, &mut tx), expected, "{level:?}");
        assert_eq!(extract(&db, &mut tx), [], "{level:?}");
        assert!(tx.get(db.counted, &key(1)).unwrap().is_none());
        tx.rollback_to(savepoint).unwrap();
        assert_eq!(extract(&db, &mut tx), expected, "{level:?}");
        tx.put(db.counted, &key(1), b"again").unwrap();
        tx.commit(Durability::None).unwrap();
        let left = (2 * KEYS as usize).div_ceil(7) + 1;
        assert_eq!(count(&db), left, "{level:?}");
        let length = db.manager.engine().len(db.counted.id, ReadAt::Latest);
        assert_eq!(length.unwrap(), left as u64, "{level:?}");
    }
}

#[test]
fn a_key_that_was_removed_and_that_another_has_written_is_a_conflict() {
    let db = Database::with(options());
    let mut tx = begin(&db, IsolationLevel::Snapshot);
    put_all(&db, &mut tx, 0..KEYS).unwrap();
    tx.commit(Durability::None).unwrap();
    for theirs in [1, KEYS / 2 + 1, KEYS - 1] {
        let mut ours = begin(&db, IsolationLevel::Snapshot);
        ours.get(db.counted, b"a snapshot").unwrap();
        let put = db
            .manager
            .put(db.counted, &key(theirs), b"theirs", Durability::None);
        put.unwrap();
        extract(&db, &mut ours);
        let refused = ours.commit(Durability::None).unwrap_err();
        assert!(
            matches!(refused, Error::Conflict(Conflict::Write)),
            "{refused}"
        );
    }
    // Nobody wrote what it removes.
    let mut ours = begin(&db, IsolationLevel::Snapshot);
    ours.get(db.counted, b"a snapshot").unwrap();
    let put = db
        .manager
        .put(db.counted, &key(7), b"theirs", Durability::None);
    put.unwrap();
    extract(&db, &mut ours);
    ours.commit(Durability::None).unwrap();
    assert_eq!(count(&db), (KEYS as usize).div_ceil(7));
}

#[test]
fn a_key_that_is_too_long_ends_it_and_nothing_else() {
    let db = Database::with(options());
    let mut tx = begin(&db, IsolationLevel::Snapshot);
    let long = vec![0xff; 1 << 20];
    let pairs = (0..KEYS).map(|n| {
        if n < KEYS - 1 {
            key(n).to_vec()
        } else {
            long.clone()
        }
    });
    let refused = tx
        .put_all(db.counted, pairs.map(|key| (key, b"value")))
        .unwrap_err();
    assert!(matches!(refused, Error::InvalidArgument(_)), "{refused}");
    put_all(&db, &mut tx, 0..KEYS).unwrap();
    tx.commit(Durability::None).unwrap();
    assert_eq!(count(&db), KEYS as usize);
}

/// Whatever the moment at which the disk is full, the error says so, and the database goes on.
#[test]
fn a_full_disk_leaves_nothing_of_what_was_put() {
    let mut refusals = 0;
    for kilobytes in [0, 100, 200, 400, 600, 800, 1000] {
        let is_refused = Simulation::new(kilobytes).run(move |machine| {
            let disk = machine.clone();
            let vfs: VfsRef = Arc::new(machine);
            let db = Database::over(vfs, options());
            disk.set_capacity(Some(kilobytes * 1000));
            let mut tx = begin(&db, IsolationLevel::Snapshot);
            let put = put_all(&db, &mut tx, 0..KEYS);
            if let Err(refused) = &put {
                let is_full = matches!(
                    refused,
                    Error::Storage(
                        rustdb_storage::Error::NoSpace { .. } | rustdb_storage::Error::Io { .. }
                    )
                );
                assert!(is_full, "{refused}");
            }
            drop(tx);
            disk.set_capacity(None);
            let mut tx = begin(&db, IsolationLevel::Snapshot);
            put_all(&db, &mut tx, 0..1000).unwrap();
            tx.commit(Durability::Sync).unwrap();
            assert_eq!(count(&db), 1000);
            put.is_err()
        });
        refusals += usize::from(is_refused.value);
    }
    assert!(refusals >= 3, "{refusals}");
}
