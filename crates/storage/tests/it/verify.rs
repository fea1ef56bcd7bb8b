//! Verification finds damage wherever it is, names the place, and goes on.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rustdb_crypto::Algorithm;
use rustdb_storage::engine::{Durability, Engine, EngineOptions};
use rustdb_vfs::{SimVfs, VfsRef};

use crate::basic::{open, put, small};
use crate::encryption::encrypted;

/// Two tables, several value files, and a log with commits.
fn fill(engine: &Engine) {
    for number in 0..300u32 {
        let value = vec![number as u8; if number % 10 == 0 { 10_000 } else { 100 }];
        put(engine, &number.to_be_bytes(), &value, Durability::None);
        if number % 100 == 99 {
            engine.flush().unwrap();
        }
    }
    put(engine, b"in the log", &[1; 1000], Durability::Sync);
    put(engine, b"in the log too", &[2; 9000], Durability::Sync);
}

fn options() -> EngineOptions {
    EngineOptions {
        compaction_threads: 0,
        ..small()
    }
}

fn files(vfs: &VfsRef, part: &str) -> Vec<PathBuf> {
    let entries = vfs.read_dir(Path::new("/db")).unwrap();
    let files = entries.into_iter().filter(|e| e.name.contains(part));
    files.map(|entry| entry.path).collect()
}

#[test]
fn a_sound_database_has_no_problems_and_all_of_it_is_read() {
    for options in [options(), encrypted(1, Algorithm::Aes256Gcm)] {
        let vfs = SimVfs::new(1).vfs();
        let engine = open(&vfs, options.clone());
        fill(&engine);
        let report = engine.verify().unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
        assert!(report.entries >= 300 && report.references >= 30);
        assert!(report.tables >= 1 && report.blocks >= report.tables);
        assert_eq!(report.values, 31, "that of the log included");
        assert!(report.commits >= 2 && report.log_segments >= 1);
        drop(engine);
        let read_only = EngineOptions {
            read_only: true,
            ..options
        };
        let report = open(&vfs, read_only).verify().unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
        assert!(report.entries >= 300);
    }
}

#[test]
fn a_flipped_bit_in_any_kind_of_file_is_found_and_named() {
    for part in [".sst", ".val", ".wal", "MANIFEST-", "CURRENT", "KEYRING"] {
        let sim = SimVfs::new(2);
        let vfs = sim.vfs();
        let engine = open(&vfs, encrypted(1, Algorithm::Aes256Gcm));
        fill(&engine);
        let path = files(&vfs, part).pop().unwrap();
        // Behind the header, in what counts.
        let at = if part == "CURRENT" { 3 } else { 150 };
        sim.flip_bit(&path, at * 8).unwrap();
        let report = engine.verify().unwrap();
        if part == "KEYRING" && report.is_sound() {
            // Its secrets are sealed under the outer key, which is not kept.
            continue;
        }
        assert!(!report.is_sound(), "{part}");
        let named = &report.problems[0].path;
        assert!(*named == path || part == "MANIFEST-", "{part}: {named:?}");
        assert!(
            report.entries >= 100 && report.commits + report.values > 0,
            "goes on"
        );
    }
}

#[test]
fn every_problem_is_listed() {
    let sim = SimVfs::new(3);
    let vfs = sim.vfs();
    let engine = open(&vfs, options());
    fill(&engine);
    let tables = files(&vfs, ".sst");
    assert!(tables.len() >= 3);
    for path in &tables[..2] {
        sim.flip_bit(path, 200 * 8).unwrap();
    }
    let value_file = files(&vfs, ".val").remove(0);
    vfs.remove_file(&value_file).unwrap();
    let report = engine.verify().unwrap();
    let found: Vec<_> = report.problems.iter().map(|p| p.path.clone()).collect();
    assert!(found.contains(&tables[0]) && found.contains(&tables[1]));
    assert_eq!(report.problem_count, report.problems.len() as u64);
    let shown = report.problems[0].to_string();
    assert!(shown.contains("at offset"), "{shown}");
}

#[test]
fn progress_reaches_the_end_and_can_stop_it() {
    let vfs = SimVfs::new(4).vfs();
    let engine = open(&vfs, options());
    fill(&engine);
    let mut last = None;
    let mut calls = 0;
    let report = engine.verify_with(&mut |progress| {
        last = Some(progress);
        calls += 1;
        ControlFlow::Continue(())
    });
    let last = last.unwrap();
    assert_eq!(last.done_bytes, last.total_bytes);
    assert_eq!(report.unwrap().bytes, last.total_bytes);
    assert!(calls > 4);
    let report = engine.verify_with(&mut |progress| match progress.done_bytes {
        0 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    let report = report.unwrap();
    assert!(report.is_cancelled && !report.is_sound());
    assert_eq!(report.tables, 1);
}

#[test]
fn work_goes_on_meanwhile() {
    let vfs = SimVfs::new(5).vfs();
    let engine = open(&vfs, small());
    fill(&engine);
    let mut number = 0u32;
    let mut churn = |_| {
        for _ in 0..200 {
            number += 1;
            let bytes = if number.is_multiple_of(20) { 6000 } else { 300 };
            put(
                &engine,
                &(number % 300).to_be_bytes(),
                &vec![9; bytes],
                Durability::Sync,
            );
        }
        ControlFlow::Continue(())
    };
    for _ in 0..5 {
        let report = engine.verify_with(&mut churn).unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
    }
}
