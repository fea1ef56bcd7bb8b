//! Texts of SQL.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rustdb_fuzz::sql::run(input));
