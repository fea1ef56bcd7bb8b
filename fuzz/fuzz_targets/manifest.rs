//! Version edits, alone and folded one after the other.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rustdb_fuzz::manifest::run(input));
