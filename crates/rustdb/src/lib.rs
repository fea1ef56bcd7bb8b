//! RustDB: an embeddable, transactional database in one directory.
//!
//! ```
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("db");
//! use rustdb::Database;
//!
//! let db = Database::open(&path)?;
//! db.put("planet:3", "Earth")?;
//! assert_eq!(db.get("planet:3")?.as_deref(), Some(&b"Earth"[..]));
//!
//! // All or nothing, run again if another transaction was first.
//! let moons = db.keyspace("moons")?;
//! db.transaction(|tx| {
//!     tx.put("planet:4", "Mars")?;
//!     tx.keyspace(&moons).put("Phobos", "planet:4")?;
//!     Ok(())
//! })?;
//!
//! for entry in db.prefix("planet:") {
//!     let (key, value) = entry?;
//!     println!("{} = {}", String::from_utf8_lossy(&key), String::from_utf8_lossy(&value));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Database`] is a handle: clone it and use it from any thread. What is acknowledged is on
//! disk ([`Durability::Sync`] is the default), transactions see a snapshot, readers and writers
//! do not wait for each other.
//!
//! Start at [`Database`]; [`Keyspace`] has everything that can be done with keys;
//! [`Transaction`] and [`Snapshot`] are the two ways to see several keys at one moment;
//! [`Options`] says what can be chosen.

#![forbid(unsafe_code)]

#[cfg(feature = "tokio")]
pub mod aio;
#[cfg(feature = "arrow")]
pub mod arrow;
mod batch;
mod care;
pub mod compat;
mod database;
mod error;
mod iter;
mod keyspace;
mod options;
mod reexports;
mod snapshot;
#[cfg(feature = "sql")]
pub mod sql;
mod transaction;

pub use batch::WriteBatch;
pub use care::{repair, upgrade};
pub use database::Database;
pub use error::{Error, ErrorKind, Result};
pub use iter::{Entry, Iter};
pub use keyspace::{Keyspace, Swapped};
pub use options::{Compression, Encryption, KeyspaceOptions, Options};
pub use reexports::{
    Checkpoint, CheckpointProgress, Durability, IsolationLevel, Latencies, LevelStats, Problem,
    RepairReport, Slice, Stats, UpgradeReport, VerifyProgress, VerifyReport, crypto,
};
pub use snapshot::Snapshot;
#[cfg(feature = "sql")]
pub use sql::{FieldAccess, FromRow, Schema, ToRow};
pub use transaction::{Savepoint, Transaction, TransactionIter, TransactionKeyspace};

/// The programs of the README are compiled and run with the examples.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// And those of the guide to SQL.
#[cfg(all(doctest, feature = "derive"))]
#[doc = include_str!("../../../docs/guide/sql.md")]
struct GuideToSql;
