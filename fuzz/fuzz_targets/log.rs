//! Segments of logs, from any bytes and with any expectation of their end; and their salvage.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rustdb_fuzz::log::run(input));
