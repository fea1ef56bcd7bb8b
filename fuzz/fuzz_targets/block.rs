//! Blocks of tables under their seals: data, index, filter, tombstones, properties, footer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rustdb_fuzz::block::run(input));
