//! The benchmark program.

#![forbid(unsafe_code)]

fn main() {}
