//! A commit that fails for lack of space has taken a sequence number; nobody may wait for it.

use std::sync::Arc;

use rustdb_storage::engine::{Durability, EngineOptions};
use rustdb_txn::{Access, Error, IsolationLevel, Transaction, TransactionOptions};
use rustdb_vfs::{Simulation, VfsRef};

use crate::database::Database;

#[test]
fn nobody_waits_for_a_commit_that_found_no_space() {
    Simulation::new(1).run(|machine| {
        let vfs: VfsRef = Arc::new(machine);
        drop(Database::over(vfs.clone(), TransactionOptions::default()));
        // The reserve is larger than any disk.
        let engine = EngineOptions {
            reserve_bytes: u64::MAX,
            ..Default::default()
        };
        let db = Database::open(vfs.clone(), engine, TransactionOptions::default());
        let value = vec![0; 1000];
        let put = || db.manager.put(db.plain, b"k", &value, Durability::None);
        let refused = (0..5000)
            .find_map(|_| put().err())
            .expect("there is no space");
        let is_full =
            |error: &Error| matches!(error, Error::Storage(rustdb_storage::Error::NoSpace { .. }));
        assert!(is_full(&refused), "{refused}");
        let mut tx = db
            .manager
            .begin(IsolationLevel::ReadCommitted, Access::ReadWrite)
            .unwrap();
        tx.get_for_update(db.plain, b"k").unwrap();
        let mut other = db
            .manager
            .begin(IsolationLevel::Serializable, Access::ReadWrite)
            .unwrap();
        other.put(db.plain, b"j", &value).unwrap();
        assert!(is_full(&other.commit(Durability::None).unwrap_err()));
    });
}

/// What could not be moved to files stays in memory, below savepoints too; who gets an error has
/// changed nothing.
#[test]
fn a_full_disk_takes_nothing_from_a_transaction_that_outgrows_its_memory() {
    for seed in 0..4 {
        Simulation::new(seed).run(|machine| {
            let disk = machine.clone();
            let vfs: VfsRef = Arc::new(machine);
            let options = TransactionOptions {
                write_set_bytes_max: 100_000,
                ..TransactionOptions::default()
            };
            let db = Database::over(vfs, options);
            let begun = db
                .manager
                .begin(IsolationLevel::ReadCommitted, Access::ReadWrite);
            let mut tx = begun.unwrap();
            let key = |number: u32| number.wrapping_mul(0x9e37_79b1).to_be_bytes();
            let value = |number: u32| vec![number as u8; 300];
            let put =
                |tx: &mut Transaction, number: u32| tx.put(db.plain, &key(number), &value(number));
            for number in 0..500 {
                put(&mut tx, number).unwrap();
            }
            let savepoint = tx.savepoint();
            disk.set_capacity(Some(1));
            let refused = (500..5000).find(|number| put(&mut tx, *number).is_err());
            let refused = refused.expect("there is no space");
            let has = |tx: &Transaction, number: u32| tx.get(db.plain, &key(number)).unwrap();
            for number in 0..refused {
                assert_eq!(has(&tx, number).as_deref(), Some(&value(number)[..]));
            }
            assert_eq!(has(&tx, refused), None, "it was refused");
            assert!(tx.release(savepoint).is_err(), "there is still no space");
            assert!(has(&tx, refused - 1).is_some() && has(&tx, 0).is_some());
            tx.rollback_to(savepoint).unwrap();
            assert_eq!(has(&tx, refused - 1), None);
            disk.set_capacity(None);
            for number in 10_000..10_500 {
                put(&mut tx, number).unwrap();
            }
            tx.commit(Durability::Sync).unwrap();
            let all = (0..500).chain(10_000..10_500);
            for number in all {
                let found = db.manager.get(db.plain, &key(number)).unwrap();
                assert_eq!(found.as_deref(), Some(&value(number)[..]));
            }
        });
    }
}
