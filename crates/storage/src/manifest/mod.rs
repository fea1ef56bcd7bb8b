//! Which files make up the database: a log of version edits, and the file that names it.
//!
//! The set of files changes by *version edits* ([`VersionEdit`]), each atomic: a flush adds a
//! table and kills log segments, a compaction removes tables and adds others. A manifest
//! (`MANIFEST-000007`) is a log whose first record is a snapshot and whose others are edits;
//! folding them gives the [`ManifestState`]. The file `CURRENT` names the manifest in force.
//!
//! `edit` is the data, `codec` its bytes, `state` the fold and its checks, `current` the pointer,
//! `store` the file: writing, rolling over, recovering. The bytes are defined in
//! `docs/format/manifest.md`.
//!
//! Invariants:
//!
//! - An edit is durable before anybody acts on it: new files are read, old ones deleted, only
//!   after [`Manifest::append`] has returned.
//! - Files are durable, names included, before an edit adds them. This is the caller's duty.
//!
//! Opening the files, and deleting those that no version needs, is not done here.

mod codec;
mod current;
mod edit;
mod state;
mod store;

#[cfg(test)]
mod tests;

pub use codec::DecodeError;
pub use current::Current;
pub use edit::{AddedTable, LEVELS, TableMeta, ValueFileMeta, VersionEdit};
pub use state::{FoldError, ManifestState, RunTables};
pub use store::{Manifest, Recovered};
