//! Tests of the crate from outside.

#![expect(clippy::unwrap_used, reason = "a test that meets an error should fail")]

mod conformance;
mod memory;
mod os;
