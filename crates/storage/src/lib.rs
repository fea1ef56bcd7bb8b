//! RustDB's storage engine: an LSM tree in one directory.
//!
//! The crate knows bytes, sequence numbers and files. It does not know isolation levels, tables
//! or SQL: `rustdb-txn` hands [`engine`] a closure that decides whether a commit may go ahead.
//!
//! The folder is the write path from top to bottom: a commit enters the engine's pipeline, is
//! framed into the write-ahead log (`log`, `wal`), applied to a `memtable`, flushed to a sorted
//! `table`, named by the `manifest`, and merged by `compaction`. Large values go around it, into
//! `value` files. Every file is opened through an `envelope`, which checks or seals its blocks.

#![forbid(unsafe_code)]

pub mod cache;
pub mod codec;
pub mod compaction;
pub mod engine;
pub mod envelope;
pub mod error;
#[cfg(test)]
mod format_doc;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod iter;
pub mod key;
pub mod keyring;
pub mod log;
pub mod manifest;
pub mod memory;
pub mod memtable;
pub mod names;
pub mod security;
pub mod slice;
pub mod table;
pub mod tombstone;
pub mod value;
pub mod version;

pub use error::{Corruption, Error, Result};
pub use key::{EntryKind, FileNumber, KeyspaceId, MAX_SEQUENCE, SequenceNumber};
pub use rustdb_skiplist::prefetch;
