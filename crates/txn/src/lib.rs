//! Transactions over RustDB's storage engine: isolation, conflicts, locks, savepoints.
//!
//! ```text
//! manager ──▶ transaction ──▶ write_set   what it wrote, in layers
//!    │             │ ───────▶ reads       what it read, if that matters
//!    │             │ ───────▶ scan        both merged with the snapshot
//!    │             ▼
//!    │          commit ─────▶ conflict    may it go ahead?
//!    ├──▶ autocommit ───────▶    "
//!    └──▶ lock                who holds which row
//! ```
//!
//! The crate knows keys and bytes. It does not know tables, SQL or files: those who do sit above
//! it, and the engine below it decides how bytes reach the disk.

#![forbid(unsafe_code)]

mod ascending;
mod autocommit;
mod bulk;
#[cfg(feature = "checker")]
pub mod checker;
mod commit;
mod conflict;
mod covered;
mod error;
mod known;
mod limits;
mod lock;
mod manager;
mod moves;
mod ranges;
mod reading;
mod reads;
mod removal;
mod retry;
mod room;
mod scan;
mod share;
mod transaction;
mod visitor;
mod write_batch;
mod write_set;

pub use ascending::AscendingEntries;
pub use autocommit::{Swap, Tried, Update};
pub use bulk::{BulkEntries, Repeated};
pub use error::{Conflict, Error, Result};
pub use rustdb_storage::cache::Derived;
/// What the engine below shares with the layers above.
pub use rustdb_storage::engine::{
    Bounds, Durability, KeyspaceOptions, ReadAt, Snapshot, SpillFile, SpillPlace,
};
pub use rustdb_storage::key::KEY_BYTES_MAX;
pub use rustdb_storage::slice::Slice;
pub use rustdb_storage::table::SegmentAhead;
pub use rustdb_storage::{Error as StorageError, KeyspaceId, SequenceNumber};

pub use lock::{
    AdvisoryKey, LockError, LockInfo, LockMark, LockOwner, LockStats, LockTable, LockTarget,
    ObjectMode, OwnerId, Party, RowMode, SessionLocks, Wait,
};
pub use manager::{KeyspaceRef, RESERVED_KEYSPACES, TransactionManager, TransactionOptions};
pub use removal::Extract;
pub use retry::Retryable;
pub use scan::{Entry, KeyRange, Scan};
pub use transaction::{Access, IsolationLevel, RolledBack, RowState, Transaction};
pub use visitor::{Taken, Visitor};
pub use write_batch::WriteBatch;
pub use write_set::SavepointId;
