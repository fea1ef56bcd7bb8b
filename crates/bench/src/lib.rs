//! Benchmarks of RustDB beside its peers.

#![forbid(unsafe_code)]
