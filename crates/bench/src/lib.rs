//! Benchmarks of RustDB beside its peers.
