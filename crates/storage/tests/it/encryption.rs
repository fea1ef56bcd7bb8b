//! An encrypted database as its user sees it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustdb_crypto::{Algorithm, RawKey, Secret};
use rustdb_storage::engine::{Durability, Engine, EngineOptions, ReadAt};
use rustdb_storage::error::Error;
use rustdb_storage::key::KeyspaceId;
use rustdb_storage::keyring::Encryption;
use rustdb_vfs::{FileExt, MemVfs, OpenMode, VfsRef};

use crate::basic::{open, put, small};

const DIR: &str = "/db";
const CANARY: &[u8] = b"the canary sings";

pub(crate) fn key(byte: u8) -> RawKey {
    RawKey::new(Secret::new([byte; 32]))
}

pub(crate) fn encrypted(byte: u8, algorithm: Algorithm) -> EngineOptions {
    let provider = Arc::new(key(byte));
    EngineOptions {
        encryption: Some(Encryption {
            provider,
            algorithm,
        }),
        // The tests look at files, which must not come and go meanwhile.
        compaction_threads: 0,
        ..small()
    }
}

/// Small and large values, in the log, in tables and in value files.
fn fill(engine: &Engine) {
    for number in 0..200u32 {
        let key = [CANARY, &number.to_be_bytes()].concat();
        put(
            engine,
            &key,
            &CANARY.repeat(1 + number as usize),
            Durability::None,
        );
    }
    engine.flush().unwrap();
    put(engine, CANARY, &CANARY.repeat(1000), Durability::Sync);
}

fn check(engine: &Engine) {
    let get = |key: &[u8]| {
        engine
            .get(KeyspaceId::DEFAULT, key, ReadAt::Latest)
            .unwrap()
    };
    assert_eq!(get(CANARY).unwrap().to_vec(), CANARY.repeat(1000));
    for number in 0..200u32 {
        let value = get(&[CANARY, &number.to_be_bytes()].concat()).unwrap();
        assert_eq!(value.to_vec(), CANARY.repeat(1 + number as usize));
    }
}

/// Every file but the lock, which names whoever tried last.
fn files(vfs: &VfsRef) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = vfs.read_dir(Path::new(DIR)).unwrap();
    let read = |path: &Path| {
        let file = vfs.open(path, OpenMode::Read).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    entries
        .into_iter()
        .filter(|entry| entry.name != "LOCK")
        .map(|entry| (entry.path.clone(), read(&entry.path)))
        .collect()
}

fn shows_canary(vfs: &VfsRef) -> bool {
    files(vfs)
        .values()
        .any(|bytes| bytes.windows(8).any(|window| window == &CANARY[..8]))
}

#[test]
fn no_file_of_an_encrypted_database_shows_its_data() {
    for algorithm in Algorithm::ALL {
        let vfs: VfsRef = Arc::new(MemVfs::new());
        let engine = open(&vfs, encrypted(1, algorithm));
        fill(&engine);
        check(&engine);
        assert!(!shows_canary(&vfs), "while it is open");
        drop(engine);
        assert!(!shows_canary(&vfs), "after it was closed");
        check(&open(&vfs, encrypted(1, algorithm)));
    }
}

/// The check of the check.
#[test]
fn a_plain_database_shows_its_data() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    fill(&open(&vfs, small()));
    assert!(shows_canary(&vfs));
}

#[test]
fn a_wrong_key_or_none_or_one_too_many_changes_nothing() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    fill(&open(&vfs, encrypted(1, Algorithm::Aes256Gcm)));
    let plain: VfsRef = Arc::new(MemVfs::new());
    fill(&open(&plain, small()));
    for (vfs, options, words) in [
        (
            &vfs,
            encrypted(2, Algorithm::Aes256Gcm),
            "wrong encryption key",
        ),
        (&vfs, small(), "no key was given"),
        (
            &plain,
            encrypted(1, Algorithm::Aes256Gcm),
            "is not encrypted, but a key was given",
        ),
    ] {
        let before = files(vfs);
        let error = Engine::open(vfs.clone(), Path::new(DIR), options)
            .err()
            .unwrap();
        assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(files(vfs) == before, "{words}");
    }
    check(&open(&vfs, encrypted(1, Algorithm::Aes256Gcm)));
    check(&open(&plain, small()));
}

#[test]
fn the_outer_key_changes_while_the_database_is_open() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, encrypted(1, Algorithm::Aes256Gcm));
    fill(&engine);
    engine.change_key(&key(2)).unwrap();
    check(&engine);
    drop(engine);
    let old = encrypted(1, Algorithm::Aes256Gcm);
    assert!(Engine::open(vfs.clone(), Path::new(DIR), old).is_err());
    check(&open(&vfs, encrypted(2, Algorithm::Aes256Gcm)));
}

#[test]
fn the_data_key_changes_for_new_files_and_old_ones_stay_readable() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let options = || encrypted(1, Algorithm::Aes256Gcm);
    let engine = open(&vfs, options());
    fill(&engine);
    assert_eq!(
        engine.bytes_by_data_key().into_keys().collect::<Vec<_>>(),
        [1]
    );
    let id = engine.rotate_data_key(Algorithm::ChaCha20Poly1305).unwrap();
    assert_eq!(id.get(), 2);
    drop(engine);
    let engine = open(&vfs, options());
    put(&engine, b"later", b"value", Durability::Sync);
    engine.flush().unwrap();
    check(&engine);
    assert_eq!(
        engine.bytes_by_data_key().into_keys().collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(
        engine.key_ring().unwrap().data_keys().len(),
        2,
        "files still need the old key"
    );
    drop(engine);
    check(&open(&vfs, options()));
}

#[test]
fn a_data_key_that_no_file_needs_is_forgotten_at_the_next_start() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let options = || encrypted(1, Algorithm::Aes256Gcm);
    let engine = open(&vfs, options());
    engine.rotate_data_key(Algorithm::Aes256Gcm).unwrap();
    put(&engine, b"key", b"value", Durability::Sync);
    drop(engine);
    // The commit is still in a log under the old key.
    let engine = open(&vfs, options());
    assert_eq!(engine.key_ring().unwrap().data_keys().len(), 2);
    engine.flush().unwrap();
    drop(engine);
    let engine = open(&vfs, options());
    let ring = engine.key_ring().unwrap();
    assert_eq!(ring.data_keys().len(), 1);
    assert_eq!(ring.active().id().get(), 2);
    let value = engine
        .get(KeyspaceId::DEFAULT, b"key", ReadAt::Latest)
        .unwrap()
        .unwrap();
    assert_eq!(&*value, b"value");
}

#[test]
fn a_plain_database_has_no_keys_to_change() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    assert!(engine.key_ring().is_none());
    assert!(matches!(
        engine.change_key(&key(1)),
        Err(Error::InvalidArgument(_))
    ));
    let rotated = engine.rotate_data_key(Algorithm::Aes256Gcm);
    assert!(matches!(rotated, Err(Error::InvalidArgument(_))));
}
