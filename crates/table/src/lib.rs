//! Rows of SQL tables: writing them, keeping indexes and constraints, reading them.
//!
//! ```text
//! store ──▶ table ──▶ write        insert, update, delete: row, then index entries
//!             │         │
//!             │         ├──▶ unique        one row per key
//!             │         ├──▶ foreign_key   parents that stay, children that follow
//!             │         └──▶ statement     what is looked at when the statement ends
//!             ├──▶ key          values to ranges of keys
//!             ├──▶ entry        index entries: their keys and values
//!             ├──▶ build        all rows: filling an index, validating, copying
//!             ├──▶ load         many rows, into an empty table
//!             └──▶ scan         rows and index entries, only the columns asked for
//! ```
//!
//! Constraints lock first and then read the newest committed state, not the transaction's
//! snapshot: a second inserter of a key waits for the first, and then knows.
//!
//! The crate knows no SQL text. Expressions (CHECK, index expressions, predicates, defaults) are
//! evaluated by their caller, behind [`Expressions`].

#![forbid(unsafe_code)]

mod at_once;
mod build;
mod conflict;
mod deferred;
mod entry;
mod expressions;
mod fetch;
mod foreign_key;
mod key;
mod load;
mod scan;
mod segment;
mod statement;
mod store;
mod table;
mod unique;
mod violation;
mod write;

pub use at_once::Replaced;
pub use build::Validation;
pub use deferred::{Deferred, DeferredMark};
pub use expressions::Expressions;
pub use fetch::RowKeys;
pub use key::KeyPart;
pub use load::Load;
pub use rustdb_catalog::{Error, Result};
pub use rustdb_txn::KeyRange;
pub use scan::{IndexScan, Projection, StoredRow, TableScan};
pub use statement::{Statement, Tables};
pub use store::TableStore;
pub use table::{Locked, RowKey, Table};
