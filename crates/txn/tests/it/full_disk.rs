//! A commit that fails for lack of space has taken a sequence number; nobody may wait for it.

use std::sync::Arc;

use rustdb_storage::engine::{Durability, EngineOptions};
use rustdb_txn::{Access, Error, IsolationLevel, TransactionOptions};
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
