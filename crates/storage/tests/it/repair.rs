//! Repair keeps what is undamaged, says what it dropped, and never makes things worse.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustdb_crypto::Algorithm;
use rustdb_storage::engine::{
    Bounds, CommitContext, Durability, Engine, EngineOptions, KeyspaceOptions, ReadAt,
    RepairReport, repair,
};
use rustdb_storage::error::Error;
use rustdb_storage::key::{KeyspaceId, storage_key};
use rustdb_vfs::{Effect, Failure, Fault, OpSet, OpenMode, SimVfs, VfsRef};

use crate::basic::{accept, open, put, small};
use crate::encryption::encrypted;

const KS: KeyspaceId = KeyspaceId::DEFAULT;

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

fn options() -> EngineOptions {
    EngineOptions {
        compaction_threads: 0,
        ..small()
    }
}

fn sealed() -> EngineOptions {
    EngineOptions {
        compaction_threads: 0,
        ..encrypted(1, Algorithm::Aes256Gcm)
    }
}

/// Tables at the bottom and at the top, a bulk write, value files, and a log. Every key has one
/// version, so that nothing old can come back.
fn fill(engine: &Engine) {
    let counted = KeyspaceOptions {
        counted: true,
        ..KeyspaceOptions::default()
    };
    let other = engine.create_keyspace("counted", &counted).unwrap().id;
    for number in 0..400u32 {
        let value = vec![number as u8; if number % 40 == 0 { 9000 } else { 150 }];
        let mut batch = engine.batch();
        batch.put(KS, &number.to_be_bytes(), &value).unwrap();
        batch.put(other, &number.to_be_bytes(), b"").unwrap();
        let mut count = |context: &mut CommitContext| {
            context.count_deltas.push((other, 1));
            Ok(())
        };
        engine
            .commit(&mut batch, Durability::None, &mut count)
            .unwrap();
        match number {
            150 => engine.compact().unwrap(),
            200 | 250 => engine.flush().unwrap(),
            300 => {
                let mut run = engine.run_writer();
                let mut key = Vec::new();
                storage_key(KS, b"bulk", &mut key);
                run.put(&key, b"write", None).unwrap();
                let run = run.finish().unwrap();
                let mut batch = engine.batch();
                engine
                    .commit_runs(&[&run], &mut batch, &mut accept)
                    .unwrap();
                engine.flush().unwrap();
            }
            // Each of the last commits is promised by those after it.
            350.. => put(engine, b"sync", b"", Durability::Sync),
            _ => {}
        }
    }
}

fn contents(engine: &Engine) -> Contents {
    let mut entries = engine.iter(KS, &Bounds::all(), ReadAt::Latest).unwrap();
    let mut found = BTreeMap::new();
    while let Some((key, value)) = entries.next_entry().unwrap() {
        let got = engine.get(KS, &key, ReadAt::Latest).unwrap();
        assert_eq!(got.as_deref(), Some(&*value), "both ways to read agree");
        found.insert(key.to_vec(), value.to_vec());
    }
    let counted = engine.keyspace("counted").map(|info| info.id);
    if let Some(counted) = counted {
        let mut entries = engine
            .iter(counted, &Bounds::all(), ReadAt::Latest)
            .unwrap();
        let mut count = 0;
        while entries.advance().unwrap() {
            count += 1;
        }
        assert_eq!(engine.len(counted, ReadAt::Latest).unwrap(), count);
    }
    found
}

/// A closed database, and what is in it.
fn sample(seed: u64, options: EngineOptions) -> (SimVfs, Contents) {
    let sim = SimVfs::new(seed);
    let engine = open(&sim.vfs(), options);
    fill(&engine);
    let before = contents(&engine);
    drop(engine);
    (sim, before)
}

fn files(vfs: &VfsRef, part: &str) -> Vec<PathBuf> {
    let entries = vfs.read_dir(Path::new("/db")).unwrap();
    let files = entries.into_iter().filter(|e| e.name.contains(part));
    files.map(|entry| entry.path).collect()
}

fn run(vfs: &VfsRef, options: EngineOptions) -> RepairReport {
    repair(vfs.clone(), Path::new("/db"), options).unwrap()
}

/// What is left is a subset, with right values.
fn lost(before: &Contents, after: &Contents) -> usize {
    for (key, value) in after {
        assert!(before.get(key) == Some(value), "{key:?} is new or changed");
    }
    before.len() - after.len()
}

#[test]
fn a_sound_database_stays_as_it_is() {
    for options in [options(), sealed()] {
        let (sim, before) = sample(1, options.clone());
        let report = run(&sim.vfs(), options.clone());
        assert!(report.is_complete(), "{report}");
        let engine = open(&sim.vfs(), options.clone());
        assert!(contents(&engine) == before);
        assert!(engine.verify().unwrap().is_sound());
        // Ids and numbers go on where they were.
        let id = engine
            .create_keyspace("another", &KeyspaceOptions::default())
            .unwrap()
            .id;
        assert!(id > engine.keyspace("counted").unwrap().id);
        put(&engine, b"later", b"write", Durability::Sync);
        engine.compact().unwrap();
        drop(engine);
        assert_eq!(contents(&open(&sim.vfs(), options)).len(), before.len() + 1);
    }
}

/// What damage there may be, for each kind of file; how many keys it may cost at most.
const KINDS: [(&str, usize); 6] = [
    (".sst", 200),
    (".val", 10),
    (".wal", 120),
    ("MANIFEST-", 0),
    ("CURRENT", 0),
    ("LOCK", 0),
];

#[derive(Clone, Copy, Debug)]
enum Damage {
    Delete,
    Truncate,
    Flip(u64),
}

fn inflict(sim: &SimVfs, path: &Path, damage: Damage) {
    let vfs = sim.vfs();
    let length = vfs.metadata(path).unwrap().len;
    match damage {
        Damage::Delete => vfs.remove_file(path).unwrap(),
        Damage::Truncate => {
            let file = vfs.open(path, OpenMode::ReadWrite).unwrap();
            file.set_len(length / 2).unwrap();
        }
        Damage::Flip(_) if length == 0 => {}
        Damage::Flip(at) => sim.flip_bit(path, at % (length * 8)).unwrap(),
    }
}

#[test]
fn any_file_may_be_damaged_in_any_way() {
    let kinds = [Damage::Delete, Damage::Truncate]
        .into_iter()
        .chain([5, 700, 1500, 9000, 12_345].map(Damage::Flip));
    let (sound, before) = sample(2, options());
    for damage in kinds {
        for (part, keys_at_risk) in KINDS {
            for path in files(&sound.vfs(), part) {
                let sim = sound.fork();
                let vfs = sim.vfs();
                inflict(&sim, &path, damage);
                let context = format!("{damage:?} of {}", path.display());
                check_open_is_honest(&sim.fork(), &before, &context);
                let report = run(&vfs, options());
                let engine = open(&vfs, options());
                let after = contents(&engine);
                let gone = lost(&before, &after);
                assert!(gone <= keys_at_risk, "{context}: {gone} lost\n{report}");
                if gone > 0 && !(matches!(part, ".wal") && report.damage.is_empty()) {
                    assert!(!report.is_complete(), "{context}: {gone} lost\n{report}");
                }
                let verified = engine.verify().unwrap();
                assert!(verified.is_sound(), "{context}: {:?}", verified.problems);
                put(&engine, b"later", b"write", Durability::Sync);
                engine.compact().unwrap();
                assert_eq!(contents(&engine).len(), after.len() + 1, "{context}");
            }
        }
    }
}

/// Opening either fails, or every read gives the right value or an error. What it may lose is the
/// end of the log, which cannot be told from a crash.
fn check_open_is_honest(sim: &SimVfs, before: &Contents, context: &str) {
    let engine = match Engine::open(sim.vfs(), Path::new("/db"), options()) {
        Ok(engine) => engine,
        Err(Error::Corruption(_) | Error::Unsupported(_) | Error::Io { .. }) => return,
        Err(error) => panic!("{context}: {error:?}"),
    };
    for (key, value) in before {
        match engine.get(KS, key, ReadAt::Latest) {
            Ok(Some(got)) => assert!(*got == **value, "{context}"),
            Ok(None) => assert!(context.contains(".wal"), "{context}: {key:?} is gone"),
            Err(Error::Corruption(_) | Error::Unsupported(_) | Error::Io { .. }) => {}
            Err(error) => panic!("{context}: {error:?}"),
        }
    }
}

#[test]
fn a_damaged_block_costs_that_block_and_is_reported_with_its_place() {
    let (sim, before) = sample(3, options());
    let vfs = sim.vfs();
    let table = files(&vfs, ".sst").remove(0);
    sim.flip_bit(&table, 100 * 8).unwrap();
    let report = run(&vfs, options());
    let after = contents(&open(&vfs, options()));
    let gone = lost(&before, &after);
    assert!((1..60).contains(&gone), "{gone} lost");
    assert_eq!(report.tables_rewritten, 1);
    assert!(
        report
            .damage
            .iter()
            .any(|p| p.path == table && p.offset == 64)
    );
    // The damaged file is kept, with the report.
    let kept = report.lost_and_found.clone().unwrap();
    assert!(vfs.metadata(&kept.join(table.file_name().unwrap())).is_ok());
    let text = sim.contents(&kept.join("REPORT.txt")).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), report.to_string());
    // A second repair has nothing to do.
    let second = run(&vfs, options());
    assert!(second.is_complete(), "{second}");
}

#[test]
fn commits_behind_damage_in_the_log_are_kept_and_the_hole_is_reported() {
    let (sim, before) = sample(4, options());
    let vfs = sim.vfs();
    let log = files(&vfs, ".wal").pop().unwrap();
    sim.flip_bit(&log, 3000 * 8).unwrap();
    let refused = Engine::open(vfs.clone(), Path::new("/db"), options());
    assert!(matches!(refused, Err(Error::Corruption(_))));
    let report = run(&vfs, options());
    assert_eq!(report.missing_commits.len(), 1, "{report}");
    let (first, last) = report.missing_commits[0];
    assert!(first <= last && last < report.last_sequence);
    let after = contents(&open(&vfs, options()));
    assert!(after.contains_key(&399u32.to_be_bytes()[..]));
    assert!((1..=10).contains(&lost(&before, &after)));
}

/// Entries of deeper tables may be newer than some in younger tables; a database that is put
/// together from tables alone must not mix them up.
#[test]
fn a_rebuilt_manifest_keeps_newer_versions_before_older_ones() {
    for seed in 0..6u64 {
        let sim = SimVfs::new(seed);
        let vfs = sim.vfs();
        let mut options = options();
        options.memtable_bytes = 8 << 10;
        options.compaction.table_bytes = 4 << 10;
        options.compaction.base_bytes = 16 << 10;
        options.compaction_threads = 1;
        let engine = open(&vfs, options.clone());
        let mut state = seed * 7919 + 1;
        for number in 0..2000u64 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let key = ((state >> 33) % 200) as u32;
            let mut batch = engine.batch();
            match state >> 60 {
                0 => batch.delete(KS, &key.to_be_bytes()).unwrap(),
                1 => batch
                    .delete_range(KS, &key.to_be_bytes(), Some(&(key + 3).to_be_bytes()))
                    .unwrap(),
                _ => batch
                    .put(KS, &key.to_be_bytes(), &number.to_be_bytes().repeat(10))
                    .unwrap(),
            }
            engine
                .commit(&mut batch, Durability::None, &mut accept)
                .unwrap();
        }
        let before = contents(&engine);
        drop(engine);
        files(&vfs, "MANIFEST")
            .iter()
            .for_each(|path| vfs.remove_file(path).unwrap());
        let report = run(&vfs, options.clone());
        assert!(report.manifest_rebuilt.is_some());
        let engine = open(&vfs, options);
        assert!(contents(&engine) == before, "seed {seed}\n{report}");
        engine.compact().unwrap();
        assert!(contents(&engine) == before, "seed {seed}, compacted");
    }
}

/// Without a manifest nobody knows how long a value file was.
#[test]
fn a_value_file_cut_short_is_noticed_without_a_manifest() {
    let (sound, before) = sample(4, options());
    let path = files(&sound.vfs(), ".val").remove(0);
    let length = sound.vfs().metadata(&path).unwrap().len;
    // A record is 16 + 8 bytes, the value, and 8 bytes for its one frame.
    for cut in [64, 64 + 9032, length / 2, length - 1] {
        let sim = sound.fork();
        let vfs = sim.vfs();
        let file = vfs.open(&path, OpenMode::ReadWrite).unwrap();
        file.set_len(cut).unwrap();
        vfs.remove_file(&files(&vfs, "MANIFEST")[0]).unwrap();
        let report = run(&vfs, options());
        let engine = open(&vfs, options());
        let gone = lost(&before, &contents(&engine));
        assert!((1..=10).contains(&gone), "{cut}: {gone} lost\n{report}");
        // A value may be lost twice: from a table, and from the log that it came from.
        assert!(report.lost_values >= gone as u64, "{cut}\n{report}");
        let verified = engine.verify().unwrap();
        assert!(verified.is_sound(), "{cut}: {:?}", verified.problems);
    }
}

#[test]
fn an_encrypted_database_is_repaired_with_its_key_and_not_without() {
    let (sim, before) = sample(5, sealed());
    let vfs = sim.vfs();
    vfs.remove_file(Path::new("/db/CURRENT")).unwrap();
    let table = files(&vfs, ".sst").remove(0);
    sim.flip_bit(&table, 100 * 8).unwrap();
    let refused = repair(vfs.clone(), Path::new("/db"), options());
    assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
    let report = run(&vfs, sealed());
    assert!(!report.is_complete());
    let after = contents(&open(&vfs, sealed()));
    assert!((1..60).contains(&lost(&before, &after)));
    vfs.remove_file(Path::new("/db/KEYRING")).unwrap();
    let refused = repair(vfs, Path::new("/db"), sealed());
    assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
}

#[test]
fn what_is_no_database_is_left_alone() {
    let vfs = SimVfs::new(6).vfs();
    vfs.create_dir_all(Path::new("/db")).unwrap();
    let refused = repair(vfs.clone(), Path::new("/db"), options());
    assert!(matches!(refused, Err(Error::NoDatabase(_))));
    assert!(vfs.read_dir(Path::new("/db")).unwrap().is_empty());
    let engine = open(&vfs, options());
    let refused = repair(vfs, Path::new("/db"), options());
    assert!(matches!(refused, Err(Error::Locked { .. })));
    drop(engine);
}

/// Repair that fails half-way can be run again, and loses nothing that the first one would not.
#[test]
fn a_repair_that_fails_at_any_operation_can_be_run_again() {
    let (sound, before) = sample(7, options());
    let table = files(&sound.vfs(), ".sst").remove(0);
    sound.flip_bit(&table, 100 * 8).unwrap();
    let complete = sound.fork();
    run(&complete.vfs(), options());
    let expected = contents(&open(&complete.vfs(), options()));
    assert!(expected.len() < before.len());
    let mut failures = 0;
    for skip in (0..).step_by(3) {
        let sim = sound.fork();
        let vfs = sim.vfs();
        let fault = Fault::new(Effect::Fail(Failure::Io))
            .on(OpSet::CHANGES)
            .after(skip);
        let id = sim.inject(fault);
        let result = repair(vfs.clone(), Path::new("/db"), options());
        if sim.remove_fault(id).unwrap().fired() == 0 {
            result.unwrap();
            break;
        }
        failures += u32::from(result.is_err());
        run(&vfs, options());
        assert!(
            contents(&open(&vfs, options())) == expected,
            "operation {skip}"
        );
    }
    assert!(failures > 10);
}
