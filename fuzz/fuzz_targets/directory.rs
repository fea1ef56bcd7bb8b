//! Whole databases with damaged files: opened, read, verified, repaired.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rustdb_fuzz::directory::run(input));
