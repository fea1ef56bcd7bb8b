//! Counted keyspaces: the count is exact after whatever was committed.

use rustdb_storage::engine::{Durability, ReadAt};
use rustdb_txn::{Access, IsolationLevel, KeyRange, Transaction, TransactionOptions, WriteBatch};

use crate::database::Database;

impl Database {
    /// The count kept by commits, after comparing it with a scan.
    pub(crate) fn count(&self) -> u64 {
        let transaction = self
            .manager
            .begin(IsolationLevel::Snapshot, Access::ReadOnly)
            .unwrap();
        let mut scan = transaction.scan(self.counted, KeyRange::all()).unwrap();
        let mut scanned = 0;
        while scan.next(&transaction).unwrap().is_some() {
            scanned += 1;
        }
        let at = ReadAt::Snapshot(transaction.snapshot());
        let count = self.manager.engine().len(self.counted.id, at).unwrap();
        assert_eq!(count, scanned, "the count differs from what a scan finds");
        count
    }
}

#[test]
fn single_writes_count_new_and_lost_keys_only() {
    let db = Database::new();
    let none = Durability::None;
    for key in [b"a", b"b", b"a"] {
        db.manager.put(db.counted, key, b"1", none).unwrap();
    }
    assert_eq!(db.count(), 2);
    db.manager.delete(db.counted, b"a", none).unwrap();
    db.manager.delete(db.counted, b"z", none).unwrap();
    assert_eq!(db.count(), 1);
    db.manager
        .compare_and_swap(db.counted, b"c", None, Some(b"1"), none)
        .unwrap();
    db.manager
        .compare_and_swap(db.counted, b"b", Some(b"1"), None, none)
        .unwrap();
    db.manager
        .compare_and_swap(db.counted, b"b", Some(b"1"), None, none)
        .unwrap();
    assert_eq!(db.count(), 1);
}

#[test]
fn transaction_counts_the_difference_it_makes() {
    let db = Database::new();
    for key in [b"a", b"b", b"c", b"d"] {
        db.manager
            .put(db.counted, key, b"1", Durability::None)
            .unwrap();
    }
    let mut tx = db
        .manager
        .begin(IsolationLevel::Snapshot, Access::ReadWrite)
        .unwrap();
    tx.put(db.counted, b"a", b"2").unwrap();
    tx.put(db.counted, b"e", b"1").unwrap();
    tx.put(db.counted, b"f", b"1").unwrap();
    tx.delete(db.counted, b"f").unwrap();
    tx.delete(db.counted, b"b").unwrap();
    tx.delete(db.counted, b"x").unwrap();
    tx.pop_first(db.counted, &KeyRange::all()).unwrap();
    tx.commit(Durability::None).unwrap();
    // c, d, e
    assert_eq!(db.count(), 3);
}

#[test]
fn range_deletions_are_counted_with_what_is_written_over_them() {
    let db = Database::new();
    let mut batch = WriteBatch::new();
    for n in 0..1000u16 {
        batch.put(db.counted, &n.to_be_bytes(), b"1");
    }
    db.manager.write(&batch, Durability::None).unwrap();
    assert_eq!(db.count(), 1000);
    let mut tx = db
        .manager
        .begin(IsolationLevel::Snapshot, Access::ReadWrite)
        .unwrap();
    tx.put(db.counted, &100u16.to_be_bytes(), b"2").unwrap();
    let (from, to) = (100u16.to_be_bytes(), 900u16.to_be_bytes());
    let range = KeyRange {
        start: from.to_vec(),
        end: Some(to.to_vec()),
    };
    tx.delete_range(db.counted, range).unwrap();
    tx.put(db.counted, &200u16.to_be_bytes(), b"2").unwrap();
    tx.put(db.counted, &2000u16.to_be_bytes(), b"2").unwrap();
    tx.commit(Durability::None).unwrap();
    assert_eq!(db.count(), 202);
}

#[test]
fn concurrent_writers_of_the_same_keys_keep_the_count_exact() {
    let db = Database::new();
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let db = &db;
            scope.spawn(move || {
                for step in 0..500u32 {
                    let key = [(step.wrapping_mul(31).wrapping_add(thread * 7) % 10) as u8];
                    match (step + thread) % 4 {
                        0 | 1 => drop(db.manager.put(db.counted, &key, b"1", Durability::None)),
                        2 => drop(db.manager.delete(db.counted, &key, Durability::None)),
                        _ => {
                            let swap =
                                db.manager
                                    .run(IsolationLevel::Snapshot, Durability::None, |tx| {
                                        tx.put(db.counted, &key, b"2")?;
                                        tx.delete(db.counted, &[key[0] ^ 1])
                                    });
                            swap.unwrap();
                        }
                    }
                }
            });
        }
    });
    assert!(db.count() <= 10);
}

#[test]
fn counted_keyspaces_take_no_values_that_expire() {
    let db = Database::new();
    let refused = db
        .manager
        .put_expiring(db.counted, b"a", b"1", 5, Durability::None);
    assert!(refused.unwrap_err().to_string().contains("counted"));
}

/// Keys below `keys` of which every `step`-th is written, from `offset` on, in an order that is
/// sorted or not.
fn written(keys: u32, (step, offset): (u32, u32), is_sorted: bool) -> Vec<[u8; 4]> {
    let mut written: Vec<_> = (offset..keys).step_by(step as usize).collect();
    if !is_sorted {
        // A multiplication with an odd number only changes the order.
        written.sort_by_key(|key| key.wrapping_mul(0x9E37_79B1));
    }
    written.into_iter().map(u32::to_be_bytes).collect()
}

#[test]
fn many_writes_are_counted_exactly_however_dense_they_are_and_wherever_they_are_kept() {
    const KEYS: u32 = 12_000;
    for write_set_bytes_max in [100_000, usize::MAX] {
        for (stride, is_sorted) in [(1, true), (2, false), (3, true), (97, false), (1000, true)] {
            let db = Database::with(TransactionOptions {
                write_set_bytes_max,
                ..TransactionOptions::default()
            });
            let mut batch = WriteBatch::new();
            // Every second key of the first half exists, and then all up to three quarters.
            for key in (0..KEYS / 2).step_by(2).chain(KEYS / 2..KEYS / 4 * 3) {
                batch.put(db.counted, &key.to_be_bytes(), b"1");
            }
            db.manager.write(&batch, Durability::None).unwrap();
            let mut tx = db
                .manager
                .begin(IsolationLevel::Snapshot, Access::ReadWrite)
                .unwrap();
            for key in written(KEYS, (stride, stride / 2), is_sorted) {
                match key[3] % 3 {
                    0 => tx.delete(db.counted, &key).unwrap(),
                    _ => tx.put(db.counted, &key, b"a new value").unwrap(),
                }
            }
            tx.commit(Durability::None).unwrap();
            db.count();
        }
    }
}

#[test]
fn sorted_input_is_counted_where_nothing_was_and_where_something_is() {
    let put_all = |tx: &mut Transaction, keyspace, keys: std::ops::Range<u32>| {
        for key in keys {
            tx.put(keyspace, &key.to_be_bytes(), b"a value").unwrap();
        }
    };
    // What is there before, and what somebody else writes meanwhile: keys next to those written.
    for (before, meanwhile) in [
        (vec![], vec![]),
        (vec![], vec![500]),
        (vec![1001], vec![]),
        (vec![1000, 1001, 2500], vec![]),
        (vec![2999], vec![3000]),
    ] {
        let db = Database::with(TransactionOptions {
            write_set_bytes_max: 50_000,
            ..TransactionOptions::default()
        });
        let put = |key: u32| {
            let key = key.to_be_bytes();
            let done = db.manager.put(db.counted, &key, b"1", Durability::None);
            done.unwrap();
        };
        // A keyspace that is not empty, but for the keys that are written.
        put(1);
        before.iter().for_each(|key| put(*key));
        let begin = || {
            db.manager
                .begin(IsolationLevel::Snapshot, Access::ReadWrite)
        };
        let mut tx = begin().unwrap();
        put_all(&mut tx, db.counted, 1000..3000);
        meanwhile.iter().for_each(|key| put(*key));
        tx.commit(Durability::None).unwrap();
        let kept = [1].iter().chain(&before).chain(&meanwhile);
        let beside = kept.filter(|key| !(1000..3000).contains(*key)).count() as u64;
        assert_eq!(db.count(), 2000 + beside);
    }
}

#[test]
fn keys_that_somebody_writes_between_those_of_sorted_input_are_counted_once() {
    let db = Database::with(TransactionOptions {
        write_set_bytes_max: 50_000,
        ..TransactionOptions::default()
    });
    let begin = || {
        db.manager
            .begin(IsolationLevel::Snapshot, Access::ReadWrite)
    };
    db.manager
        .put(db.counted, b"", b"1", Durability::None)
        .unwrap();
    let mut tx = begin().unwrap();
    for key in (0..4000u32).step_by(2) {
        tx.put(db.counted, &key.to_be_bytes(), b"even").unwrap();
    }
    for key in [1u32, 3, 2001] {
        let key = key.to_be_bytes();
        db.manager
            .put(db.counted, &key, b"odd", Durability::None)
            .unwrap();
    }
    tx.commit(Durability::None).unwrap();
    assert_eq!(db.count(), 2000 + 3 + 1);
}

#[test]
fn what_a_walk_removes_is_counted_without_a_look_at_each_key() {
    for (write_set_bytes_max, writes_more) in [
        (50_000, false),
        (50_000, true),
        (usize::MAX, false),
        (usize::MAX, true),
    ] {
        let db = Database::with(TransactionOptions {
            write_set_bytes_max,
            ..TransactionOptions::default()
        });
        let mut batch = WriteBatch::new();
        for key in 0..6000u32 {
            batch.put(db.counted, &key.to_be_bytes(), b"1");
        }
        db.manager.write(&batch, Durability::None).unwrap();
        let mut tx = db
            .manager
            .begin(IsolationLevel::Snapshot, Access::ReadWrite)
            .unwrap();
        if writes_more {
            tx.put(db.counted, &7000u32.to_be_bytes(), b"1").unwrap();
        }
        let removed = tx.retain(db.counted, KeyRange::all(), |key, _| key[3] % 2 == 0);
        assert_eq!(removed.unwrap(), 3000);
        if writes_more {
            tx.put(db.counted, &1u32.to_be_bytes(), b"2").unwrap();
        }
        tx.commit(Durability::None).unwrap();
        assert_eq!(db.count(), 3000 + 2 * u64::from(writes_more));
    }
}
