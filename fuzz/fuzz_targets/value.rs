//! Value files: surveyed, verified, read through any pointer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rustdb_fuzz::value::run(input));
