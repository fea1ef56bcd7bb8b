//! Whole table files: opened, walked both ways, searched, verified, salvaged.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rustdb_fuzz::table::run(input));
