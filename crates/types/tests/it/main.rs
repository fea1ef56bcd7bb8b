//! Tests of the crate from outside.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may unwrap, as tests do"
)]

mod differential;
mod server;
