//! Sorted runs of several tables, each finished by another thread while the next one begins.

use std::path::Path;

use rustdb_storage::engine::{Bounds, Engine, EngineOptions, ReadAt, RunWriter, SortedRun};
use rustdb_storage::error::{Error, Result};
use rustdb_storage::key::storage_key;
use rustdb_vfs::{DirEntry, Effect, Failure, Fault, OpKind, SimVfs, VfsRef};

use crate::basic::{KS, accept, open, small};

const KEYS: u32 = 3000;

/// Of tables that hold some hundred entries.
fn options() -> EngineOptions {
    let mut options = small();
    options.compaction.table_bytes = 8 << 10;
    options
}

fn add(writer: &mut RunWriter, n: u32) -> Result<()> {
    let mut key = Vec::new();
    storage_key(KS, &n.to_be_bytes(), &mut key);
    writer.put(&key, &[n as u8; 100], None)
}

fn written(engine: &Engine) -> Result<SortedRun> {
    let mut writer = engine.run_writer();
    (0..KEYS).try_for_each(|n| add(&mut writer, n))?;
    writer.finish()
}

fn tables(vfs: &VfsRef) -> usize {
    let entries = vfs.read_dir(Path::new("/db")).unwrap();
    let is_table = |entry: &DirEntry| entry.name.ends_with(".sst");
    entries.iter().filter(|entry| is_table(entry)).count()
}

#[test]
fn a_run_of_several_tables_is_committed_whole() {
    let vfs = SimVfs::new(1).vfs();
    let engine = open(&vfs, options());
    let run = written(&engine).unwrap();
    assert!(tables(&vfs) > 10, "{}", tables(&vfs));
    assert_eq!(run.entries(), u64::from(KEYS));
    let commit = engine.commit_runs(&[&run], &mut engine.batch(), &mut accept);
    commit.unwrap();
    drop(run);
    let mut entries = engine.iter(KS, &Bounds::all(), ReadAt::Latest).unwrap();
    for n in 0..KEYS {
        let (key, value) = entries.next_entry().unwrap().expect("all are there");
        assert_eq!(
            (&*key, &*value),
            (&n.to_be_bytes()[..], &[n as u8; 100][..])
        );
    }
    assert!(entries.next_entry().unwrap().is_none());
}

/// Also of the first key of a table, which may come before the last one of the table before.
#[test]
fn keys_that_do_not_ascend_are_refused_wherever_tables_end() {
    let engine = open(&SimVfs::new(1).vfs(), options());
    let mut writer = engine.run_writer();
    for n in 0..KEYS {
        add(&mut writer, n).unwrap();
        for before in [n, n.saturating_sub(1), 0] {
            let refused = add(&mut writer, before).unwrap_err();
            assert!(matches!(refused, Error::InvalidArgument(_)), "{refused}");
        }
    }
    assert_eq!(writer.finish().unwrap().entries(), u64::from(KEYS));
}

#[test]
fn a_table_that_cannot_be_finished_takes_the_run_with_it() {
    for after in 0.. {
        let machine = SimVfs::new(after);
        let vfs = machine.vfs();
        let engine = open(&vfs, options());
        let sync = Fault::new(Effect::Fail(Failure::Io)).on(OpKind::Sync);
        machine.inject(sync.path(".sst").after(after));
        let run = written(&engine);
        let has_failed = run.is_err();
        drop(run);
        assert_eq!(tables(&vfs), 0, "after {after} syncs");
        machine.clear_faults();
        assert_eq!(written(&engine).unwrap().entries(), u64::from(KEYS));
        if !has_failed {
            assert!(after > 10, "{after} tables");
            break;
        }
    }
}
