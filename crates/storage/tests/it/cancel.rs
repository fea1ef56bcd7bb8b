//! Work that is no longer wanted ends soon, and leaves a database as whole as before.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use rustdb_crypto::{Algorithm, RawKey, Secret};
use rustdb_storage::engine::{Durability, Engine, EngineOptions, ReadAt};
use rustdb_storage::error::Error;
use rustdb_storage::keyring::Encryption;
use rustdb_vfs::{MemVfs, VfsRef};

use crate::basic::{KS, open, put, small};

/// So many keys of 1 KiB make a few steps of a compaction.
const KEYS: u32 = 3000;

fn options() -> EngineOptions {
    EngineOptions {
        compaction_threads: 0,
        ..small()
    }
}

fn fill(engine: &Engine) {
    for round in 0..2u8 {
        for number in 0..KEYS {
            let mut value = [round; 1024];
            value[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
            put(engine, &number.to_be_bytes(), &value, Durability::None);
        }
    }
}

fn count(engine: &Engine) -> u64 {
    engine.len(KS, ReadAt::Latest).unwrap()
}

fn tables(vfs: &VfsRef) -> Vec<String> {
    let entries = vfs.read_dir(Path::new("/db")).unwrap();
    let names = entries.into_iter().map(|entry| entry.name);
    names.filter(|name| name.ends_with(".sst")).collect()
}

/// Agrees so often before it no longer does.
fn after(questions: u32) -> impl Fn() -> bool {
    let left = Cell::new(questions);
    move || {
        left.set(left.get().saturating_sub(1));
        left.get() == 0
    }
}

#[test]
fn a_compaction_ends_at_each_question_and_nothing_is_lost() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, options());
    fill(&engine);
    let mut questions = 0;
    loop {
        questions += 1;
        match engine.compact_until(&after(questions)) {
            Ok(()) => break,
            Err(Error::Cancelled) => assert_eq!(count(&engine), u64::from(KEYS)),
            Err(error) => panic!("{error}"),
        }
        assert!(questions < 1000, "it gets nowhere");
    }
    assert!(questions > 3, "it was asked {questions} times");
    assert!(engine.verify().unwrap().is_sound());
    assert_eq!(count(&engine), u64::from(KEYS));
    let entries: u64 = engine.stats().levels.iter().map(|l| l.entries).sum();
    assert_eq!(entries, u64::from(KEYS));
    // What was cancelled left no files.
    let live: usize = engine.stats().levels.iter().map(|l| l.tables).sum();
    assert_eq!(tables(&vfs).len(), live);
}

#[test]
fn a_cancelled_reencryption_is_readable_and_the_next_one_ends_it() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let options = || EngineOptions {
        encryption: Some(Encryption {
            provider: Arc::new(RawKey::new(Secret::new([7; 32]))),
            algorithm: Algorithm::Aes256Gcm,
        }),
        ..options()
    };
    let engine = open(&vfs, options());
    fill(&engine);
    engine.compact().unwrap();
    engine.rotate_data_key(Algorithm::ChaCha20Poly1305).unwrap();
    let cancelled = engine.reencrypt_until(&after(3));
    assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
    assert!(engine.bytes_by_data_key().contains_key(&1));
    drop(engine);
    let engine = open(&vfs, options());
    assert_eq!(count(&engine), u64::from(KEYS));
    engine.reencrypt().unwrap();
    assert_eq!(
        engine.bytes_by_data_key().into_keys().collect::<Vec<_>>(),
        [2]
    );
    assert!(engine.verify().unwrap().is_sound());
}

#[test]
fn a_count_ends_when_it_is_no_longer_wanted() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    for number in 0..10_000u32 {
        put(&engine, &number.to_be_bytes(), b"", Durability::None);
    }
    let cancelled = engine.len_until(KS, ReadAt::Latest, &|| true);
    assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
    let counted = engine.len_until(KS, ReadAt::Latest, &|| false);
    assert_eq!(counted.unwrap(), 10_000);
}
