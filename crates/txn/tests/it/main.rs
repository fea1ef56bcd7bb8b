//! Tests of transactions from outside.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ascending;
mod bulk;
mod count;
mod database;
mod full_disk;
mod history;
mod imports;
mod invariants;
mod model;
mod script;
mod taken;
mod walks;
