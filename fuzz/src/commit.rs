//! Groups of commits, as log records hold them.

use rustdb_storage::fuzzing::check_commits;

use crate::{fixtures, log};

/// Tries an input.
pub fn run(input: &[u8]) {
    if let Ok(operations) = check_commits(input) {
        assert!(
            operations <= input.len(),
            "an operation takes a byte at least"
        );
    }
}

/// The records of the fixtures' log segments, and the example of `docs/format/commit.md`.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = fixtures::plain(".wal").flat_map(log::payloads).collect();
    seeds.push(
        b"\x1f\0\0\0\x2a\0\0\0\0\0\0\0\xe8\x03\0\0\0\0\0\0\x01\0\0\0\x02\x05\0\0\0\x07k\x01v\0\0"
            .to_vec(),
    );
    // All tags: delete, put, put until, the two pointers, a range, tables; a delta; an annex.
    let mut operations = b"\x01\x05\0\0\0\x01a\x02\x05\0\0\0\x01b\x01v".to_vec();
    operations.extend_from_slice(b"\x03\x05\0\0\0\x01c\x09\x01\0\0\0\0\0\0\0v");
    operations.extend_from_slice(b"\x04\x05\0\0\0\x01d\x20");
    operations.extend_from_slice(&[1; 32]);
    operations.extend_from_slice(b"\x05\x05\0\0\0\x01e\x28");
    operations.extend_from_slice(&[2; 40]);
    operations.extend_from_slice(b"\x06\x05\0\0\0\x01f\x05\0\0\0\x01g\x07\0\x03\x09\x01\x04");
    operations.extend_from_slice(b"\x01\x01\0\0\0\x05\x02an");
    let mut commit = ((20 + operations.len()) as u32).to_le_bytes().to_vec();
    commit.extend_from_slice(b"\x2a\0\0\0\0\0\0\0\xe8\x03\0\0\0\0\0\0\x07\0\0\0");
    commit.extend_from_slice(&operations);
    seeds.push(commit);
    seeds
}
