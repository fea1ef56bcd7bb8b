//! Stored definitions.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rustdb_fuzz::catalog::run(input));
