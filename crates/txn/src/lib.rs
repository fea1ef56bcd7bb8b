//! Transactions over RustDB's storage engine: isolation, conflicts, locks, savepoints.

#![forbid(unsafe_code)]

mod lock;

pub use lock::{
    LockError, LockInfo, LockMark, LockOwner, LockStats, LockTable, LockTarget, ObjectMode,
    OwnerId, RowMode, Wait,
};
