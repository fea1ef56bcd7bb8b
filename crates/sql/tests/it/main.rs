//! Tests of the crate from outside.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may unwrap, as tests do"
)]

mod access;
mod aggregates;
mod at_once;
mod brief;
mod copy;
mod copy_ahead;
mod copy_load;
mod crash;
mod database;
mod deep;
mod define;
mod differential;
mod engines;
mod errors;
mod interrupts;
mod isolation;
mod limits;
mod load;
mod locks;
mod look_ups;
mod many_locks;
mod marked;
mod memory;
mod merges;
mod moments;
mod parallel;
mod partitions;
mod plans;
mod prepared;
mod queries;
mod regress;
mod scripts;
mod segments;
#[path = "../../../types/tests/it/server.rs"]
#[expect(dead_code, reason = "made for the tests of the crate `types`")]
mod server;
mod sessions;
mod slt;
mod spill;
mod sweep;
mod tpcc;
mod tpch;
