//! Whole databases of which files were damaged.
//!
//! Input: a selector (bits 0 and 1: which database, bit 2: checksums are ignored, bit 3: repair it
//! even if it opens), then operations of eight bytes: what to do, to which file, where (two bytes),
//! how much (one byte), and three bytes to write.
//!
//! A damaged database opens or does not, is verified, repaired and opened again. Of the encrypted
//! one, whose tags cannot be forged, more is expected: as long as no error is told, what is read is
//! what was written, less what was at the end of the log. A repaired one may have deleted keys back.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustdb_crypto::{Algorithm, RawKey, Secret};
use rustdb_storage::Result;
use rustdb_storage::engine::{Bounds, Engine, EngineOptions, ReadAt, repair};
use rustdb_storage::fuzzing::ignore_checksums;
use rustdb_storage::key::KeyspaceId;
use rustdb_storage::keyring::Encryption;
use rustdb_vfs::VfsRef;

use crate::disk::{DIRECTORY, disk, put};
use crate::fixtures::{self, KEY_BYTE};

const DATABASES: [&str; 3] = ["plain", "large-values", "encrypted"];
const ENCRYPTED: usize = 2;

/// More operations of an input are not carried out.
const OPERATIONS_MAX: usize = 16;

/// More entries are not read: a compressed block can hold very many.
const ENTRIES_MAX: usize = 5000;

/// The files of a database, by name.
type Files = BTreeMap<&'static str, Vec<u8>>;

/// What is in a database: of each keyspace, its entries.
type Contents = BTreeMap<(String, Vec<u8>), Vec<u8>>;

/// Tries an input.
pub fn run(input: &[u8]) {
    let (selector, operations) = crate::selector(input);
    let database = usize::from(selector & 3) % DATABASES.len();
    let mut files = pristine(database);
    for operation in operations.chunks_exact(8).take(OPERATIONS_MAX) {
        damage(
            &mut files,
            operation.try_into().expect("chunks have this length"),
        );
    }
    ignore_checksums(false);
    let expected = (database == ENCRYPTED && is_manifest_whole(&files)).then(written);
    ignore_checksums(selector & 4 != 0);
    let vfs = disk();
    for (name, bytes) in &files {
        put(&vfs, name, bytes);
    }
    let read_only = open(&vfs, database, true).and_then(|engine| read(&engine));
    check(read_only.as_ref().ok(), expected);
    let is_open = work(&vfs, database, expected).is_ok();
    if is_open && selector & 8 == 0 {
        return;
    }
    if repair(vfs.clone(), Path::new(DIRECTORY), options(database)).is_err() {
        return;
    }
    let repaired = open(&vfs, database, false).and_then(|engine| {
        let contents = read(&engine);
        engine.verify().and(contents)
    });
    if selector & 4 == 0 {
        let repaired = repaired.expect("a repaired database reads");
        check_repaired(&repaired, expected);
    }
}

fn pristine(database: usize) -> Files {
    let files = fixtures::database(DATABASES[database]);
    files.map(|file| (file.name, file.bytes.to_vec())).collect()
}

/// Carries out an operation on the files.
fn damage(files: &mut Files, operation: [u8; 8]) {
    let [what, which, low, high, length, new @ ..] = operation;
    let names: Vec<&str> = files.keys().copied().collect();
    let Some(name) = names.get(usize::from(which) % names.len().max(1)) else {
        return;
    };
    let other = names[usize::from(length) % names.len()];
    let other_bytes = files[other].clone();
    let bytes = files.get_mut(name).expect("the name is of the list");
    // From the end as well as from the start: what matters is in both places.
    let offset = usize::from(u16::from_le_bytes([low, high & 0x7f]));
    let at = match high & 0x80 {
        0 => offset.min(bytes.len()),
        _ => bytes.len().saturating_sub(offset),
    };
    let end = (at + usize::from(length)).min(bytes.len());
    match what % 8 {
        0 => bytes[at..end]
            .iter_mut()
            .zip(new)
            .for_each(|(byte, new)| *byte ^= new),
        1 => bytes[at..end]
            .iter_mut()
            .zip(new)
            .for_each(|(byte, new)| *byte = new),
        2 => bytes.truncate(at),
        3 => bytes[at..end].fill(new[0]),
        4 => bytes.extend(new.iter().cycle().take(usize::from(length))),
        5 => _ = bytes.drain(at..end),
        6 => *bytes = other_bytes,
        _ => _ = files.remove(name),
    }
}

fn options(database: usize) -> EngineOptions {
    let provider = Arc::new(RawKey::new(Secret::new([KEY_BYTE; 32])));
    let encryption = Encryption {
        provider,
        algorithm: Algorithm::Aes256Gcm,
    };
    EngineOptions {
        create: false,
        memtable_bytes: 64 << 10,
        value_threshold: 2 << 10,
        cache_bytes: 1 << 20,
        compaction_threads: 0,
        encryption: (database == ENCRYPTED).then_some(encryption),
        ..EngineOptions::default()
    }
}

fn open(vfs: &VfsRef, database: usize, read_only: bool) -> Result<Engine> {
    let options = EngineOptions {
        read_only,
        ..options(database)
    };
    Engine::open(vfs.clone(), Path::new(DIRECTORY), options)
}

/// Does to a database what its users do.
fn work(vfs: &VfsRef, database: usize, expected: Option<&Contents>) -> Result<()> {
    let engine = open(vfs, database, false)?;
    let contents = read(&engine);
    check(contents.as_ref().ok(), expected);
    let report = engine.verify()?;
    if report.is_sound() {
        assert!(contents.is_ok(), "a sound database does not read");
    }
    let compacted = engine.compact();
    if compacted.is_ok() {
        let again = read(&engine);
        check(again.as_ref().ok(), expected);
    }
    compacted.and(engine.close()).and(contents.map(drop))
}

/// Everything in a database, read forwards, backwards and key by key.
fn read(engine: &Engine) -> Result<Contents> {
    let mut contents = Contents::new();
    for keyspace in engine.keyspaces() {
        let mut entries = engine.iter(keyspace.id, &Bounds::all(), ReadAt::Latest)?;
        while let Some((key, value)) = entries.next_entry()? {
            contents.insert((keyspace.name.clone(), key.to_vec()), value.to_vec());
            if contents.len() >= ENTRIES_MAX {
                return Ok(contents);
            }
        }
        let mut entries = engine.iter(keyspace.id, &Bounds::all(), ReadAt::Latest)?;
        let mut steps = 0;
        while steps < ENTRIES_MAX && entries.previous_entry()?.is_some() {
            steps += 1;
        }
        _ = engine.len(keyspace.id, ReadAt::Latest)?;
    }
    for (keyspace, key) in contents.keys() {
        let id = engine
            .keyspace(keyspace)
            .map_or(KeyspaceId::DEFAULT, |info| info.id);
        _ = engine.get(id, key, ReadAt::Latest)?;
    }
    Ok(contents)
}

/// What the encrypted database holds.
fn written() -> &'static Contents {
    static WRITTEN: OnceLock<Contents> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let vfs = disk();
        for (name, bytes) in pristine(ENCRYPTED) {
            put(&vfs, name, &bytes);
        }
        let engine = open(&vfs, ENCRYPTED, true).expect("a fixture opens");
        read(&engine).expect("a fixture reads")
    })
}

/// A manifest whose last records are damaged is taken for one that was being written: nothing
/// vouches for them any more, and an older state of the database comes back.
fn is_manifest_whole(files: &Files) -> bool {
    let mut manifests = fixtures::database(DATABASES[ENCRYPTED]);
    let manifest = manifests.find(|file| file.name.starts_with("MANIFEST"));
    manifest.is_some_and(|file| {
        files
            .get(file.name)
            .is_some_and(|bytes| bytes == file.bytes)
    })
}

/// A key that the log alone writes, and one that it alone deletes.
fn is_in_the_log(key: &[u8]) -> bool {
    key == b"log" || key == 8_u32.to_be_bytes()
}

/// Checks what was read without an error.
fn check(contents: Option<&Contents>, expected: Option<&Contents>) {
    let (Some(contents), Some(expected)) = (contents, expected) else {
        return;
    };
    let tables = |contents: &Contents| -> Contents {
        let in_tables = contents.iter().filter(|((_, key), _)| !is_in_the_log(key));
        in_tables
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    assert!(tables(contents) == tables(expected), "wrong answers");
}

/// Checks that a repaired database holds nothing that was never written.
fn check_repaired(contents: &Contents, expected: Option<&Contents>) {
    let Some(expected) = expected else {
        return;
    };
    for ((keyspace, key), value) in contents {
        let written = expected.get(&(keyspace.clone(), key.clone()));
        let deleted = [3, 4, 5, 7, 8]
            .iter()
            .any(|number: &u32| *key == number.to_be_bytes());
        assert!(written == Some(value) || deleted, "repair made up {key:?}");
    }
}

/// The databases as they are, one operation of each kind on each file, and many at once.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for database in 0..3 {
        for checks in [0, 4] {
            seeds.push(vec![database | checks]);
            seeds.push(vec![database | checks | 8]);
        }
        let count = pristine(database.into()).len() as u8;
        for (file, what) in (0..count).flat_map(|file| (0..8).map(move |what| (file, what))) {
            let checks = (file + what) % 2 * 4;
            let high = (what % 2) * 0x80;
            seeds.push(vec![database | checks, what, file, 90, high, 3, 1, 2, 3]);
        }
        for file in 0..count {
            let flip = |at: u8| [0, file, at.wrapping_mul(37), at & 1, 1, 1 << (at & 7), 0, 0];
            let flips: Vec<u8> = (1..=OPERATIONS_MAX as u8).flat_map(flip).collect();
            seeds.push(crate::selected(database | 4, &flips));
        }
    }
    seeds
}
