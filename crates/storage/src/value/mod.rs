//! Value files: large values, kept out of the tree.
//!
//! A value of at least the keyspace's threshold is appended to a value file before its commit is
//! logged. The log, the memtable and the tables hold a [`ValuePointer`] in its place, so neither
//! the log nor a compaction ever copies the value itself.
//!
//! ```text
//!   commit ──> ValueWriter ──> 000017.val   header | record | record | record ...
//!     │                             ^
//!     └──> log, memtable, table: ValuePointer { file 17, offset, length, checksum }
//! ```
//!
//! How much of a value file is still live follows from the references that tables count
//! (`TableMeta::value_refs`). A file that nothing refers to is unlinked; one that is mostly dead
//! is emptied by compactions, which copy the live values they meet to a new value file.
//!
//! Invariants: a value file is written by one process run, front to back, and never appended to
//! after a restart. A pointer leaves this module only when its record is completely written; it
//! may enter the log only when the record is synced ([`ValueWriter::sync`]) or when the log
//! record itself promises nothing.
//!
//! The bytes are defined in `docs/format/value.md`. Which values come here, and when a file may
//! be unlinked, is the engine's business.

mod file;
mod pointer;
mod store;
mod writer;

#[cfg(test)]
mod tests;

pub use file::{FRAME_BYTES, ValueFileReport};
pub use pointer::{POINTER_BYTES, Reference, ValuePointer, expiry_of, split_expiry};
pub use store::{FileNumbers, ValueStore};
pub use writer::{Appended, ValueOptions, ValuePin, ValueWriter};
