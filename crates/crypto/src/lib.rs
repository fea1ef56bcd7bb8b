//! Key ring and authenticated sealing for RustDB's files.
