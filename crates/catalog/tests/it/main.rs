//! The catalog of a database, over a real engine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod database;
mod definitions;
mod dropping;
mod fixture;
mod sequences;
