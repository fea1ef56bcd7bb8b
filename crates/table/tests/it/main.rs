//! Tables over a real engine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod building;
mod concurrency;
mod crash;
mod database;
mod foreign_keys;
mod rows;
