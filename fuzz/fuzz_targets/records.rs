//! File headers, sealed blocks, key rings, `CURRENT`, pointers, the keyspace catalogue, codecs.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rustdb_fuzz::records::run(input));
