//! Checkpoints and copies are databases of their own, with the state of one moment.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb_crypto::Algorithm;
use rustdb_storage::engine::{Bounds, Durability, Engine, EngineOptions, KeyspaceOptions, ReadAt};
use rustdb_storage::error::Error;
use rustdb_storage::key::KeyspaceId;
use rustdb_vfs::{Effect, Failure, Fault, FileExt, MemVfs, OpSet, OpenMode, SimVfs, VfsRef};

use crate::basic::{accept, open, put, small};
use crate::encryption::{encrypted, key};

const KS: KeyspaceId = KeyspaceId::DEFAULT;
const TARGET: &str = "/target/copy";

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// The ways to make another database of one.
const WAYS: [fn(&Engine, &Path) -> rustdb_storage::Result<rustdb_storage::engine::Checkpoint>; 2] =
    [Engine::checkpoint, Engine::copy_to];

fn open_target(vfs: &VfsRef, options: EngineOptions) -> Engine {
    Engine::open(vfs.clone(), Path::new(TARGET), options).unwrap()
}

fn contents(engine: &Engine) -> Contents {
    let mut entries = engine.iter(KS, &Bounds::all(), ReadAt::Latest).unwrap();
    let mut found = BTreeMap::new();
    while let Some((key, value)) = entries.next_entry().unwrap() {
        found.insert(key.to_vec(), value.to_vec());
    }
    found
}

/// Small and large values in tables, and some in the log.
fn fill(engine: &Engine) {
    for number in 0..300u32 {
        let value = vec![number as u8; if number % 10 == 0 { 10_000 } else { 100 }];
        put(engine, &number.to_be_bytes(), &value, Durability::None);
        if number == 150 {
            engine.flush().unwrap();
        }
    }
}

/// Changes everything and makes compaction remove what was there.
fn wreck(engine: &Engine, with: u8) {
    for number in 0..300u32 {
        if number % 3 == 0 {
            let mut batch = engine.batch();
            batch.delete(KS, &number.to_be_bytes()).unwrap();
            engine
                .commit(&mut batch, Durability::None, &mut accept)
                .unwrap();
        } else {
            put(
                engine,
                &number.to_be_bytes(),
                &[with; 6000],
                Durability::None,
            );
        }
    }
    engine.compact().unwrap();
}

fn names(vfs: &VfsRef, directory: &str) -> Vec<String> {
    let entries = vfs.read_dir(Path::new(directory)).unwrap();
    entries.into_iter().map(|entry| entry.name).collect()
}

#[test]
fn a_checkpoint_has_everything_acknowledged_and_neither_database_disturbs_the_other() {
    for way in WAYS {
        let vfs: VfsRef = Arc::new(MemVfs::new());
        let engine = open(&vfs, small());
        fill(&engine);
        let before = contents(&engine);
        let made = way(&engine, Path::new(TARGET)).unwrap();
        assert_eq!(made.sequence, engine.visible_sequence());
        wreck(&engine, 1);
        let after = contents(&engine);
        let read_only = EngineOptions {
            read_only: true,
            ..small()
        };
        assert!(contents(&open_target(&vfs, read_only)) == before);
        let target = open_target(&vfs, small());
        assert!(contents(&target) == before);
        wreck(&target, 2);
        assert!(contents(&engine) == after);
        drop(engine);
        assert!(contents(&open(&vfs, small())) == after);
        put(&target, b"late", b"write", Durability::Sync);
        let of_target = contents(&target);
        drop(target);
        assert!(contents(&open_target(&vfs, small())) == of_target);
    }
}

#[test]
fn a_checkpoint_links_and_a_copy_copies() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    fill(&engine);
    let linked = engine.checkpoint(Path::new("/linked")).unwrap();
    assert!(
        linked.linked_files > 1 && linked.copied_files == 0,
        "{linked:?}"
    );
    let copied = engine.copy_to(Path::new("/copied")).unwrap();
    assert!(
        copied.copied_files > 1 && copied.linked_files == 0,
        "{copied:?}"
    );
    assert_eq!(linked.bytes, copied.bytes);
}

#[test]
fn an_empty_database_has_checkpoints_too() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    open(&vfs, small()).checkpoint(Path::new(TARGET)).unwrap();
    assert_eq!(contents(&open_target(&vfs, small())), BTreeMap::new());
}

#[test]
fn keyspaces_and_exact_counts_are_in_a_checkpoint() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    let counted = KeyspaceOptions {
        counted: true,
        ..KeyspaceOptions::default()
    };
    let id = engine.create_keyspace("counted", &counted).unwrap().id;
    let mut batch = engine.batch();
    batch.put(id, b"a", b"").unwrap();
    batch.put(id, b"b", b"").unwrap();
    let mut count = |context: &mut rustdb_storage::engine::CommitContext| {
        context.count_deltas.push((id, 2));
        Ok(())
    };
    engine
        .commit(&mut batch, Durability::None, &mut count)
        .unwrap();
    engine.checkpoint(Path::new(TARGET)).unwrap();
    let target = open_target(&vfs, small());
    assert_eq!(target.keyspace("counted").unwrap().id, id);
    assert_eq!(target.len(id, ReadAt::Latest).unwrap(), 2);
    // Ids go on where they were.
    let next = target
        .create_keyspace("next", &KeyspaceOptions::default())
        .unwrap();
    assert!(next.id > id);
}

#[test]
fn a_target_that_is_not_empty_is_refused_and_left_alone() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    fill(&engine);
    vfs.create_dir_all(Path::new("/other")).unwrap();
    let path = Path::new("/other/000001.sst");
    let file = vfs.open(path, OpenMode::CreateNew).unwrap();
    file.write_all_at(b"precious", 0).unwrap();
    let refused = engine.checkpoint(Path::new("/other"));
    assert!(
        matches!(refused, Err(Error::InvalidArgument(_))),
        "{refused:?}"
    );
    assert_eq!(names(&vfs, "/other"), ["000001.sst"]);
    engine.checkpoint(Path::new(TARGET)).unwrap();
    let refused = engine.checkpoint(Path::new(TARGET));
    assert!(
        matches!(refused, Err(Error::InvalidArgument(_))),
        "{refused:?}"
    );
}

#[test]
fn a_target_within_the_database_is_refused_before_anything_is_made() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    fill(&engine);
    let before = names(&vfs, &engine.directory().display().to_string());
    let inside = engine.directory().join("a/b/../checkpoint");
    let around = Path::new("/elsewhere/..").join(engine.directory().strip_prefix("/").unwrap());
    vfs.create_dir_all(Path::new("/elsewhere")).unwrap();
    for target in [engine.directory(), &inside, &around, &around.join("copy")] {
        for way in WAYS {
            let Err(Error::InvalidArgument(told)) = way(&engine, target) else {
                panic!("{} was not refused", target.display());
            };
            assert!(told.contains("is inside the database"), "{told}");
        }
    }
    let after = names(&vfs, &engine.directory().display().to_string());
    assert_eq!(after, before);
    // A name that only begins alike is another directory.
    let beside = format!("{}-copy", engine.directory().display());
    engine.checkpoint(Path::new(&beside)).unwrap();
}

#[test]
fn a_checkpoint_that_is_given_up_leaves_nothing() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = open(&vfs, small());
    fill(&engine);
    let mut seen = Vec::new();
    engine
        .copy_to_with(Path::new("/whole"), &mut |progress| {
            seen.push(progress.done_bytes);
            assert!(progress.done_bytes <= progress.total_bytes);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(seen.is_sorted());
    for calls in 0..seen.len() {
        let mut left = calls;
        let given_up = engine.copy_to_with(Path::new(TARGET), &mut |_| {
            let is_over = left == 0;
            left = left.saturating_sub(1);
            match is_over {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        assert!(matches!(given_up, Err(Error::Cancelled)), "{given_up:?}");
        assert!(vfs.metadata(Path::new(TARGET)).is_err());
    }
    engine.copy_to(Path::new(TARGET)).unwrap();
}

#[test]
fn an_encrypted_checkpoint_opens_with_the_key_of_its_time() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let options = |byte| encrypted(byte, Algorithm::Aes256Gcm);
    let engine = open(&vfs, options(1));
    fill(&engine);
    engine.rotate_data_key(Algorithm::ChaCha20Poly1305).unwrap();
    let before = contents(&engine);
    engine.checkpoint(Path::new(TARGET)).unwrap();
    engine.change_key(&key(2)).unwrap();
    engine.rotate_data_key(Algorithm::Aes256Gcm).unwrap();
    engine.reencrypt().unwrap();
    assert!(contents(&open_target(&vfs, options(1))) == before);
    let wrong = Engine::open(vfs.clone(), Path::new(TARGET), options(2));
    assert!(matches!(wrong, Err(Error::Unsupported(_))));
}

/// Every commit is one key more, so the state of one moment is a prefix of the keys.
#[test]
fn a_checkpoint_under_writes_is_a_prefix_of_the_commits() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let options = || EngineOptions {
        memtable_bytes: 16 << 10,
        ..small()
    };
    let engine = open(&vfs, options());
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (engine, stop) = (engine.clone(), stop.clone());
        let body = move || {
            let mut number = 0u32;
            while !stop.load(Ordering::Relaxed) {
                if number % 50 == 49 {
                    // A sorted run goes around the memtable.
                    let mut run = engine.run_writer();
                    let mut key = Vec::new();
                    rustdb_storage::key::storage_key(KS, &number.to_be_bytes(), &mut key);
                    run.put(&key, &[1; 100], None).unwrap();
                    let run = run.finish().unwrap();
                    let mut batch = engine.batch();
                    engine
                        .commit_runs(&[&run], &mut batch, &mut accept)
                        .unwrap();
                } else {
                    let bytes = if number.is_multiple_of(7) { 5000 } else { 100 };
                    put(
                        &engine,
                        &number.to_be_bytes(),
                        &vec![1; bytes],
                        Durability::None,
                    );
                }
                number += 1;
            }
        };
        vfs.spawn("writer", Box::new(body)).unwrap()
    };
    for round in 0..10 {
        let directory = format!("/round-{round}");
        let before = contents(&engine).len();
        engine.checkpoint(Path::new(&directory)).unwrap();
        let target = Engine::open(vfs.clone(), Path::new(&directory), options()).unwrap();
        let found = contents(&target);
        assert!(found.len() >= before);
        let prefix = (0..found.len() as u32).map(|n| n.to_be_bytes().to_vec());
        assert!(found.into_keys().eq(prefix), "round {round}");
    }
    stop.store(true, Ordering::Relaxed);
    assert!(writer.join());
}

#[test]
fn a_checkpoint_that_fails_at_any_operation_leaves_nothing_and_the_database_well() {
    for way in WAYS {
        let sim = SimVfs::new(7);
        let vfs = sim.vfs();
        let engine = open(&vfs, small());
        fill(&engine);
        engine.flush().unwrap();
        let before = contents(&engine);
        let mut failures = 0;
        for skip in 0.. {
            let effect = Effect::Fail(Failure::Io);
            let fault = Fault::new(effect).on(OpSet::CHANGES).path("/target");
            let id = sim.inject(fault.after(skip));
            let made = way(&engine, Path::new(TARGET));
            let fired = sim.remove_fault(id).unwrap().fired();
            if fired == 0 {
                made.unwrap();
                break;
            }
            match made {
                Err(_) => {
                    failures += 1;
                    assert!(vfs.read_dir(Path::new(TARGET)).is_err(), "operation {skip}");
                }
                // What cannot be linked is copied.
                Ok(_) => {
                    assert!(contents(&open_target(&vfs, small())) == before);
                    remove(&vfs, Path::new(TARGET));
                }
            }
        }
        assert!(failures > 5);
        assert!(contents(&open_target(&vfs, small())) == before);
        put(&engine, b"still", b"writes", Durability::Sync);
    }
}

fn remove(vfs: &VfsRef, directory: &Path) {
    for entry in vfs.read_dir(directory).unwrap() {
        vfs.remove_file(&entry.path).unwrap();
    }
    vfs.remove_dir(directory).unwrap();
}
