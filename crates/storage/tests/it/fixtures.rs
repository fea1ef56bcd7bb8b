//! Databases that earlier releases wrote open for ever.
//!
//! `tests/fixtures/v1` holds databases of format 1, the first. They are never written again: a
//! change that makes one of these tests fail has broken every database there is. They are what an
//! engine leaves when it is closed, but for the zeros at the ends of logs, which are cut off, and
//! the lock file. To write those
//! of a *new* format version, into a directory of its own:
//!
//! ```text
//! RUSTDB_WRITE_FIXTURES=tests/fixtures/v2 cargo test -p rustdb-storage --test it -- fixtures
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rustdb_crypto::Algorithm;
use rustdb_storage::engine::{Bounds, Durability, Engine, EngineOptions, KeyspaceOptions, ReadAt};
use rustdb_storage::envelope::{FORMAT_VERSION, FileHeader, HEADER_BYTES};
use rustdb_storage::error::Error;
use rustdb_storage::key::{KeyspaceId, storage_key};
use rustdb_vfs::{FileExt, MemVfs, OpenMode, OsVfs, SimVfs, Vfs, VfsRef};
use xxhash_rust::xxh3::xxh3_64;

use crate::basic::{accept, open, put, small};
use crate::encryption::encrypted;

const KS: KeyspaceId = KeyspaceId::DEFAULT;
const VERSIONS: [&str; 1] = ["v1"];
/// The year 2200.
const FAR_FUTURE_MICROS: u64 = 7_258_118_400_000_000;

/// The databases, by directory.
const FIXTURES: [&str; 3] = ["plain", "encrypted", "large-values"];

fn options(fixture: &str) -> EngineOptions {
    let options = match fixture {
        "encrypted" => encrypted(7, Algorithm::Aes256Gcm),
        _ => small(),
    };
    EngineOptions {
        value_threshold: 2 << 10,
        compaction_threads: 0,
        ..options
    }
}

fn read_only(fixture: &str) -> EngineOptions {
    EngineOptions {
        read_only: true,
        ..options(fixture)
    }
}

fn value(number: u32, fixture: &str) -> Vec<u8> {
    let bytes = match (fixture, number) {
        // More than one frame.
        ("large-values", 0) => 70_000,
        // One in a sealed value file.
        ("encrypted", 0) => 3000,
        ("large-values", _) => 1000 + 100 * number as usize,
        (_, number) => 3 + number as usize % 40,
    };
    (0..bytes)
        .map(|at| (at as u32 * 7 + number) as u8)
        .collect()
}

fn numbers(fixture: &str) -> std::ops::Range<u32> {
    match fixture {
        "large-values" => 0..20,
        _ => 0..150,
    }
}

/// Everything the format has: tables at the bottom and at the top, with and without compression,
/// range deletions, expiry, an ingested run, value files, two data keys, counted keyspaces, and
/// commits that are in the log only.
fn write(engine: &Engine, fixture: &str) {
    let counted = KeyspaceOptions {
        counted: true,
        ..KeyspaceOptions::default()
    };
    let other = engine.create_keyspace("counted", &counted).unwrap().id;
    for number in numbers(fixture) {
        let mut batch = engine.batch();
        let value = value(number, fixture);
        batch.put(KS, &number.to_be_bytes(), &value).unwrap();
        if number % 10 == 0 {
            batch.put(other, &number.to_be_bytes(), b"counted").unwrap();
        }
        let mut count = |context: &mut rustdb_storage::engine::CommitContext| {
            let new = i64::from(number % 10 == 0);
            context.count_deltas.push((other, new));
            Ok(())
        };
        engine
            .commit(&mut batch, Durability::None, &mut count)
            .unwrap();
    }
    engine.compact().unwrap();
    if fixture == "encrypted" {
        engine.rotate_data_key(Algorithm::ChaCha20Poly1305).unwrap();
    }
    let mut run = engine.run_writer();
    let mut key = Vec::new();
    storage_key(KS, b"run", &mut key);
    run.put(&key, b"ingested", None).unwrap();
    let run = run.finish().unwrap();
    let mut batch = engine.batch();
    engine
        .commit_runs(&[&run], &mut batch, &mut accept)
        .unwrap();
    let mut batch = engine.batch();
    batch
        .delete_range(KS, &3u32.to_be_bytes(), Some(&6u32.to_be_bytes()))
        .unwrap();
    batch.delete(KS, &7u32.to_be_bytes()).unwrap();
    batch
        .put_expiring(KS, b"expires", b"late", FAR_FUTURE_MICROS)
        .unwrap();
    engine
        .commit(&mut batch, Durability::None, &mut accept)
        .unwrap();
    engine.flush().unwrap();
    put(engine, b"log", b"only", Durability::None);
    let mut batch = engine.batch();
    batch.delete(KS, &8u32.to_be_bytes()).unwrap();
    engine
        .commit(&mut batch, Durability::None, &mut accept)
        .unwrap();
}

fn expected(fixture: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut all: BTreeMap<Vec<u8>, Vec<u8>> = numbers(fixture)
        .filter(|number| !matches!(number, 3..=5 | 7 | 8))
        .map(|number| (number.to_be_bytes().to_vec(), value(number, fixture)))
        .collect();
    for (key, value) in [("run", "ingested"), ("expires", "late"), ("log", "only")] {
        all.insert(key.into(), value.into());
    }
    all
}

fn check(engine: &Engine, fixture: &str) {
    let mut entries = engine.iter(KS, &Bounds::all(), ReadAt::Latest).unwrap();
    let mut found = BTreeMap::new();
    while let Some((key, value)) = entries.next_entry().unwrap() {
        found.insert(key.to_vec(), value.to_vec());
    }
    let expected = expected(fixture);
    assert!(found == expected, "{fixture}");
    for (key, value) in &expected {
        let got = engine.get(KS, key, ReadAt::Latest).unwrap();
        assert_eq!(got.as_deref(), Some(&value[..]), "{fixture}: {key:?}");
    }
    let counted = engine.keyspace("counted").unwrap().id;
    let count = numbers(fixture).filter(|number| number % 10 == 0).count();
    assert_eq!(engine.len(counted, ReadAt::Latest).unwrap(), count as u64);
}

/// Copies a fixture into a file system of its own.
fn load(vfs: &VfsRef, directory: &Path) {
    vfs.create_dir_all(Path::new("/db")).unwrap();
    let disk = OsVfs::new();
    for entry in disk.read_dir(directory).unwrap() {
        let from = disk.open(&entry.path, OpenMode::Read).unwrap();
        let mut bytes = vec![0; entry.len as usize];
        from.read_exact_at(&mut bytes, 0).unwrap();
        let path = Path::new("/db").join(entry.name);
        let to = vfs.open(&path, OpenMode::CreateNew).unwrap();
        to.write_all_at(&bytes, 0).unwrap();
    }
}

fn fixture_directory(version: &str, fixture: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(version)
        .join(fixture)
}

#[test]
fn databases_of_all_format_versions_open_with_their_contents() {
    for version in VERSIONS {
        for fixture in FIXTURES {
            let vfs: VfsRef = Arc::new(MemVfs::new());
            load(&vfs, &fixture_directory(version, fixture));
            check(&open(&vfs, read_only(fixture)), fixture);
            let engine = open(&vfs, options(fixture));
            check(&engine, fixture);
            let report = engine.verify().unwrap();
            assert!(report.is_sound(), "{fixture}: {:?}", report.problems);
            engine.compact().unwrap();
            check(&engine, fixture);
            drop(engine);
            check(&open(&vfs, options(fixture)), fixture);
        }
    }
}

/// Writes fixtures if asked to, and always checks that what is written is what is expected.
#[test]
fn fixtures_of_this_version_hold_what_is_expected() {
    let place = std::env::var_os("RUSTDB_WRITE_FIXTURES");
    for fixture in FIXTURES {
        let (vfs, directory): (VfsRef, _) = match &place {
            None => (Arc::new(MemVfs::new()), Path::new("/db").to_path_buf()),
            Some(place) => {
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
                (Arc::new(OsVfs::new()), root.join(fixture))
            }
        };
        let options = || EngineOptions {
            create_new: true,
            ..options(fixture)
        };
        let engine = Engine::open(vfs.clone(), &directory, options()).unwrap();
        write(&engine, fixture);
        check(&engine, fixture);
        drop(engine);
        vfs.read_dir(&directory)
            .unwrap()
            .iter()
            .for_each(|entry| cut_zeros(&vfs, &entry.path));
        check(
            &Engine::open(vfs.clone(), &directory, read_only(fixture)).unwrap(),
            fixture,
        );
        vfs.remove_file(&directory.join("LOCK")).unwrap();
    }
}

/// Cuts off the zeros that logs are filled with ahead, to keep fixtures small.
fn cut_zeros(vfs: &VfsRef, path: &Path) {
    let file = vfs.open(path, OpenMode::ReadWrite).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    if bytes.len() - used > 1000 {
        file.set_len(used.next_multiple_of(8) as u64).unwrap();
    }
}

/// Gives a file the header of the next format version.
fn age(sim: &SimVfs, path: &Path) {
    let mut header = sim.contents(path).unwrap()[..HEADER_BYTES].to_vec();
    header[8..12].copy_from_slice(&(FORMAT_VERSION + 1).to_le_bytes());
    let checksum = xxh3_64(&header[..56]);
    header[56..].copy_from_slice(&checksum.to_le_bytes());
    assert!(FileHeader::decode(path, &header).is_err());
    sim.overwrite(path, 0, &header).unwrap();
}

#[test]
fn a_newer_format_version_in_any_kind_of_file_is_refused_by_name() {
    for part in ["MANIFEST-", ".wal", ".sst", ".val"] {
        let sim = SimVfs::new(1);
        let vfs = sim.vfs();
        load(&vfs, &fixture_directory("v1", "large-values"));
        let entries = vfs.read_dir(Path::new("/db")).unwrap();
        let files: Vec<_> = entries
            .into_iter()
            .filter(|e| e.name.contains(part))
            .collect();
        assert!(!files.is_empty(), "{part}");
        files.iter().for_each(|entry| age(&sim, &entry.path));
        let opened = Engine::open(vfs.clone(), Path::new("/db"), options("large-values"));
        // Tables and value files are opened when they are needed.
        let error = match opened {
            Err(error) => error,
            Ok(engine) => engine
                .get(KS, &0u32.to_be_bytes(), ReadAt::Latest)
                .unwrap_err(),
        };
        assert!(matches!(error, Error::Unsupported(_)), "{part}: {error:?}");
        let text = error.to_string();
        assert!(text.contains("format version 2"), "{text}");
        assert!(
            text.contains("hint: open the database with a newer RustDB"),
            "{text}"
        );
        assert!(
            files.iter().any(|entry| text.contains(&entry.name)),
            "{text}"
        );
    }
}
