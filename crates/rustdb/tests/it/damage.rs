//! Files that vanish, change or belong to another database, and directories that cannot be written: an
//! error or the right answer, never a wrong one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustdb::crypto::{Algorithm, RawKey, Secret};
use rustdb::{Database, Encryption, ErrorKind, Options};
use rustdb_vfs::{Effect, Failure, Fault, FileExt, OpKind, OpSet, OpenMode, SimVfs};

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

fn options(sim: &SimVfs, key: Option<u8>) -> Options {
    Options {
        vfs: Some(sim.vfs()),
        encryption: key.map(|key| Encryption {
            provider: Arc::new(RawKey::new(Secret::new([key; 32]))),
            algorithm: Algorithm::Aes256Gcm,
        }),
        large_value_bytes: 4 << 10,
        compaction_threads: 0,
        ..Options::default()
    }
}

/// A closed database with a table, a value file and a log, and what is in it.
fn sample(seed: u64, key: Option<u8>) -> (SimVfs, Contents) {
    let sim = SimVfs::new(seed);
    let db = Database::open_with("/db", options(&sim, key)).expect("opens");
    let mut contents = Contents::new();
    for number in 0..60_u8 {
        let value = vec![number; if number % 20 == 0 { 9000 } else { 40 }];
        db.put([number], &value).expect("writes");
        contents.insert(vec![number], value);
        if number == 40 {
            db.flush().expect("flushes");
        }
    }
    db.close().expect("closes");
    (sim, contents)
}

/// What a file is, from its name: the ending of a numbered file, or the name without its number.
fn kind(path: &Path) -> &str {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a name");
    match name.split_once('.') {
        Some((_, ending)) => ending,
        None => name.split('-').next().expect("the first part"),
    }
}

/// The files that matter. The lock names whoever was last.
fn files(sim: &SimVfs) -> Vec<PathBuf> {
    let files = sim.files().into_iter();
    files.filter(|path| kind(path) != "LOCK").collect()
}

/// Whether all of it was noticed or did no harm: opening fails, or what is read is right or an
/// error. Returns whether there was an error.
fn is_noticed(sim: &SimVfs, key: Option<u8>, contents: &Contents, what: &str) -> bool {
    let db = match Database::open_with("/db", options(sim, key)) {
        Ok(db) => db,
        Err(error) => {
            assert!(!error.message().is_empty(), "{what}");
            return true;
        }
    };
    let mut errors = 0;
    for (key, value) in contents {
        match db.get(key) {
            Ok(found) => assert_eq!(found.as_deref(), Some(&**value), "{what}: {key:?}"),
            Err(_) => errors += 1,
        }
    }
    let mut entries = db.iter();
    let scanned: rustdb::Result<Vec<_>> = entries.by_ref().collect();
    match scanned {
        Ok(entries) => {
            let found = entries.into_iter().map(|(k, v)| (k.to_vec(), v.to_vec()));
            assert_eq!(&found.collect::<Contents>(), contents, "{what}");
        }
        Err(_) => errors += 1,
    }
    errors > 0
}

#[test]
fn a_vanished_file_of_any_kind_is_noticed() {
    for key in [None, Some(1)] {
        let (sound, contents) = sample(1, key);
        assert!(!is_noticed(&sound.fork(), key, &contents, "undamaged"));
        let paths = files(&sound);
        let mut expected = BTreeSet::from(["CURRENT", "MANIFEST", "sst", "val", "wal"]);
        expected.extend(key.map(|_| "KEYRING"));
        let kinds: BTreeSet<&str> = paths.iter().map(|path| kind(path)).collect();
        assert_eq!(kinds, expected);
        for path in &paths {
            let sim = sound.fork();
            sim.vfs().remove_file(path).unwrap();
            let what = format!("{} is gone", path.display());
            assert!(is_noticed(&sim, key, &contents, &what), "{what}");
        }
    }
}

#[test]
fn a_flipped_bit_in_any_kind_of_file_gives_an_error_or_the_right_answer() {
    for key in [None, Some(1)] {
        let (sound, contents) = sample(2, key);
        for path in files(&sound) {
            let bits = 8 * sound.contents(&path).unwrap().len() as u64;
            let mut noticed = 0;
            for step in 0..40 {
                // A prime number of bits apart, so that all parts of a byte are met.
                let bit = (step * (bits / 40) + step * 7) % bits;
                let sim = sound.fork();
                sim.flip_bit(&path, bit).unwrap();
                let what = format!("bit {bit} of {bits} of {}", path.display());
                noticed += u32::from(is_noticed(&sim, key, &contents, &what));
            }
            assert!(
                noticed > 0,
                "no flipped bit of {} was noticed",
                path.display()
            );
        }
    }
}

#[test]
fn a_file_of_another_database_is_refused() {
    for key in [None, Some(1)] {
        let (sound, contents) = sample(3, key);
        let (other, _) = sample(4, key);
        for path in files(&sound) {
            let sim = sound.fork();
            let bytes = other.contents(&path).unwrap();
            let file = sim.vfs().open(&path, OpenMode::ReadWrite).unwrap();
            file.set_len(bytes.len() as u64).unwrap();
            file.write_all_at(&bytes, 0).unwrap();
            drop(file);
            let what = format!("{} of another database", path.display());
            assert!(is_noticed(&sim, key, &contents, &what), "{what}");
        }
    }
}

/// As for a user without the right to write: nothing is created, and reading goes on.
#[test]
fn a_directory_that_cannot_be_written_opens_read_only_and_not_otherwise() {
    let denied = || {
        let kinds = [
            OpKind::Create,
            OpKind::CreateDir,
            OpKind::RemoveFile,
            OpKind::RemoveDir,
            OpKind::Rename,
            OpKind::HardLink,
            OpKind::Write,
            OpKind::SetLen,
            OpKind::Allocate,
        ];
        let fault = Fault::new(Effect::Fail(Failure::Denied));
        fault.on(OpSet::of(&kinds)).forever()
    };
    let (sim, contents) = sample(5, None);
    let before = files(&sim);
    sim.inject(denied());
    let error = Database::open_with("/db", options(&sim, None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(error.message().contains("/db/"), "{error}");

    let read_only = Options {
        read_only: true,
        ..options(&sim, None)
    };
    let db = Database::open_with("/db", read_only).unwrap();
    for (key, value) in &contents {
        assert_eq!(db.get(key).unwrap().as_deref(), Some(&**value));
    }
    assert_eq!(db.put("k", "v").unwrap_err().kind(), ErrorKind::ReadOnly);
    db.close().unwrap();
    assert_eq!(files(&sim), before);

    let empty = SimVfs::new(6);
    empty.inject(denied());
    let error = Database::open_with("/db", options(&empty, None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(error.message().contains("/db"), "{error}");
}
