//! The small decoders: file headers, sealed blocks, key rings, `CURRENT`, pointers, the catalogue,
//! file names.
//!
//! Input: a selector that says which, and the bytes.

use std::path::Path;

use rustdb_crypto::{Kek, KeyRing, RingHeader, Secret, seal_any};
use rustdb_storage::EntryKind;
use rustdb_storage::envelope::{Envelope, FileHeader, FileKind, HEADER_BYTES};
use rustdb_storage::fuzzing::{check_keyspace, ignore_checksums};
use rustdb_storage::manifest::Current;
use rustdb_storage::names::FileName;
use rustdb_storage::security::Security;
use rustdb_storage::value::{Reference, ValuePointer, split_expiry};

use crate::disk::disk;
use crate::fixtures::{self, FIXTURES, KEY_BYTE};

const WAYS: u8 = 9;

/// Tries an input.
pub fn run(input: &[u8]) {
    let (selector, bytes) = crate::selector(input);
    match selector % WAYS {
        0 => header(bytes, false),
        1 => header(bytes, true),
        2 => sealed(bytes),
        3 => ring(bytes),
        4 => ring_secrets(bytes),
        5 => current(bytes),
        6 => pointer(bytes),
        7 => _ = check_keyspace(bytes),
        _ => name(bytes),
    }
}

fn header(bytes: &[u8], ignore: bool) {
    ignore_checksums(ignore);
    let path = Path::new("file");
    let Ok(header) = FileHeader::decode(path, bytes) else {
        return;
    };
    let encoded = header.encode();
    let compared = if ignore {
        HEADER_BYTES - 8
    } else {
        HEADER_BYTES
    };
    assert_eq!(
        encoded[..compared],
        bytes[..compared],
        "a header changes when encoded"
    );
}

/// A header, then a block; the block is sealed again and must open.
fn sealed(bytes: &[u8]) {
    ignore_checksums(true);
    let (header, block) = bytes.split_at(bytes.len().min(HEADER_BYTES));
    let Some(id) = header.get(24..).and_then(<[u8]>::first_chunk) else {
        return;
    };
    let security = Security::plain(disk(), *id);
    let kind = header.get(12).and_then(|kind| FileKind::from_u8(*kind));
    let path = Path::new("file");
    let Ok(envelope) = Envelope::open(&security, path, header, kind.unwrap_or(FileKind::Wal))
    else {
        return;
    };
    _ = envelope.unseal(9, 1, b"aad", &mut block.to_vec());
    ignore_checksums(false);
    let mut again = block.to_vec();
    envelope.seal(9, 1, b"aad", &mut again);
    envelope
        .unseal(9, 1, b"aad", &mut again)
        .expect("what was sealed opens");
    assert_eq!(again, block);
}

fn key() -> Kek {
    Kek::raw(Secret::new([KEY_BYTE; 32]))
}

fn ring(bytes: &[u8]) {
    _ = RingHeader::read(bytes);
    _ = KeyRing::from_bytes(bytes, &key());
}

/// Header and secrets of a ring in two pieces, under a seal that fits.
fn ring_secrets(bytes: &[u8]) {
    let pieces = crate::pieces(bytes);
    let [header, secrets, ..] = pieces[..] else {
        return;
    };
    let bytes = seal_any(header, secrets, &key());
    let Ok(mut ring) = KeyRing::from_bytes(&bytes, &key()) else {
        return;
    };
    assert!(ring.data_key(ring.active().id()).is_some());
    if ring.generation() == u64::MAX {
        return;
    }
    let mut random = |buffer: &mut [u8]| {
        buffer.fill(5);
        Ok(())
    };
    let again = ring
        .to_bytes(&key(), &mut random)
        .expect("a ring that was read can be written");
    let again = KeyRing::from_bytes(&again, &key()).expect("and read again");
    assert_eq!(format!("{again:?}"), format!("{ring:?}"));
}

fn current(bytes: &[u8]) {
    if let Some(current) = Current::decode(bytes) {
        assert_eq!(current.encode().as_bytes(), bytes);
    }
}

fn pointer(bytes: &[u8]) {
    let (kind, value) = crate::selector(bytes);
    if let Some(pointer) = ValuePointer::decode(value) {
        assert_eq!(pointer.encode()[..], *value);
    }
    let Some(kind) = EntryKind::from_u8(kind) else {
        return;
    };
    _ = split_expiry(kind, value);
    if let Some(reference) = Reference::decode(kind, value) {
        let mut encoded = Vec::new();
        reference.encode(&mut encoded);
        assert_eq!((encoded.as_slice(), reference.kind()), (value, kind));
    }
}

fn name(bytes: &[u8]) {
    if let Ok(name) = std::str::from_utf8(bytes) {
        _ = FileName::parse(name);
    }
}

/// Each of them from the fixtures.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for file in FIXTURES {
        seeds.push(crate::selected(8, file.name.as_bytes()));
        match file.name {
            "CURRENT" => seeds.push(crate::selected(5, file.bytes)),
            "KEYRING" => {
                seeds.push(crate::selected(3, file.bytes));
                let secrets = ring_of_two();
                let pieces = crate::joined([&file.bytes[..112], &secrets]);
                seeds.push(crate::selected(4, &pieces));
            }
            _ => {
                let header = &file.bytes[..HEADER_BYTES];
                seeds.push(crate::selected(0, header));
                seeds.push(crate::selected(1, header));
                seeds.push(crate::selected(2, &[header, b"a block"].concat()));
            }
        }
    }
    let pointer = [
        &[1, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 5][..],
        &[0; 15],
    ]
    .concat();
    seeds.push(crate::selected(6, &crate::selected(4, &pointer)));
    seeds.push(crate::selected(6, &[&[5; 9], &pointer[..]].concat()));
    seeds.push(crate::selected(7, &[1, 5, 0, 0, 0, 7, 2]));
    seeds.push(crate::selected(7, &[1, 5, 0, 0, 0, 3, 0]));
    assert!(fixtures::plain(".wal").count() > 0);
    seeds
}

/// Secrets with two data keys.
fn ring_of_two() -> Vec<u8> {
    let mut secrets = vec![3, 0, 0, 0, 2, 0, 0, 0];
    secrets.extend_from_slice(&[9; 32]);
    for (id, algorithm, state) in [(1, 2, 2), (2, 3, 1)] {
        secrets.extend_from_slice(&[id, 0, 0, 0, algorithm, state, 0, 0]);
        secrets.extend_from_slice(&[1; 40]);
    }
    secrets
}
