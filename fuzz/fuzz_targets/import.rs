//! What `import` reads: CSV, JSON lines and dumps.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rustdb_fuzz::import::run(input));
