//! Which files make up the database: a log of version edits, and the file that names it.

pub mod edit;

pub use edit::{AddedTable, LEVELS, TableMeta, ValueFileMeta, VersionEdit};
