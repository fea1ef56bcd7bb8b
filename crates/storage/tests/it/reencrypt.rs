//! After re-encryption nothing is left under an older data key.

use std::path::Path;
use std::sync::Arc;

use rustdb_crypto::Algorithm;
use rustdb_storage::engine::{Durability, Engine, EngineOptions, ReadAt};
use rustdb_storage::envelope::{FileHeader, HEADER_BYTES};
use rustdb_storage::error::Error;
use rustdb_storage::key::KeyspaceId;
use rustdb_vfs::{FileExt, MemVfs, OpenMode, VfsRef};

use crate::basic::{open, put, small};
use crate::encryption::encrypted;

fn options() -> EngineOptions {
    encrypted(1, Algorithm::Aes256Gcm)
}

fn fill(engine: &Engine) {
    for number in 0..400u32 {
        let value = vec![number as u8; if number % 5 == 0 { 6000 } else { 200 }];
        put(engine, &number.to_be_bytes(), &value, Durability::None);
    }
}

fn check(engine: &Engine) {
    for number in 0..400u32 {
        let value = engine
            .get(KeyspaceId::DEFAULT, &number.to_be_bytes(), ReadAt::Latest)
            .unwrap()
            .unwrap();
        assert!(value.iter().all(|byte| *byte == number as u8), "{number}");
    }
}

/// The data keys of all files in the directory whose names end so.
fn keys_of(vfs: &VfsRef, part: &str) -> Vec<u32> {
    let entries = vfs.read_dir(Path::new("/db")).unwrap();
    let files = entries.iter().filter(|entry| entry.name.contains(part));
    let mut keys: Vec<u32> = files
        .map(|entry| {
            let mut header = [0; HEADER_BYTES];
            let file = vfs.open(&entry.path, OpenMode::Read).unwrap();
            file.read_exact_at(&mut header, 0).unwrap();
            FileHeader::decode(&entry.path, &header)
                .unwrap()
                .data_key_id
        })
        .collect();
    keys.dedup();
    keys
}

#[test]
fn everything_is_under_the_new_key_and_the_old_one_leaves_at_the_next_start() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, options());
    fill(&engine);
    engine.flush().unwrap();
    put(&engine, b"in the log", b"value", Durability::Sync);
    engine.rotate_data_key(Algorithm::ChaCha20Poly1305).unwrap();
    assert_eq!(keys_of(&vfs, "."), [1]);
    engine.reencrypt().unwrap();
    check(&engine);
    let in_use = engine.bytes_by_data_key();
    assert_eq!(in_use.into_keys().collect::<Vec<_>>(), [2]);
    for part in [".sst", ".val", "MANIFEST-"] {
        assert_eq!(keys_of(&vfs, part), [2], "{part}");
    }
    assert_eq!(keys_of(&vfs, ".wal").last(), Some(&2));
    drop(engine);
    let engine = open(&vfs, options());
    check(&engine);
    drop(engine);
    let engine = open(&vfs, options());
    assert_eq!(engine.key_ring().unwrap().data_keys().len(), 1);
    check(&engine);
}

#[test]
fn commits_after_it_are_sealed_under_the_new_key_even_if_the_log_was_idle() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, options());
    engine.rotate_data_key(Algorithm::Aes256Gcm).unwrap();
    engine.reencrypt().unwrap();
    put(&engine, b"key", b"value", Durability::Sync);
    assert_eq!(keys_of(&vfs, ".wal").last(), Some(&2));
    drop(engine);
    let engine = open(&vfs, options());
    let value = engine.get(KeyspaceId::DEFAULT, b"key", ReadAt::Latest);
    assert_eq!(value.unwrap().as_deref(), Some(&b"value"[..]));
}

#[test]
fn snapshots_still_see_what_they_saw() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, options());
    fill(&engine);
    let snapshot = engine.snapshot();
    for number in 0..400u32 {
        put(&engine, &number.to_be_bytes(), b"new", Durability::None);
    }
    engine.rotate_data_key(Algorithm::Aes256Gcm).unwrap();
    engine.reencrypt().unwrap();
    let value = engine
        .get(
            KeyspaceId::DEFAULT,
            &5u32.to_be_bytes(),
            ReadAt::Snapshot(&snapshot),
        )
        .unwrap();
    assert_eq!(value.as_deref(), Some(&[5; 6000][..]));
}

#[test]
fn a_plain_database_cannot_be_reencrypted() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let refused = open(&vfs, small()).reencrypt();
    assert!(matches!(refused, Err(Error::InvalidArgument(_))));
}
