//! Groups of commits, the payload of log records.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rustdb_fuzz::commit::run(input));
