//! Every suite runs, small, against our own engine, so that the benchmarks cannot rot.

use std::path::PathBuf;

use super::*;

fn parameters() -> Parameters {
    Parameters {
        scale: 0.0005,
        seconds: 0.02,
        cache_bytes: 64 << 20,
        reopen_keys: 500,
        program: None,
        embedded: None,
    }
}

fn directory(suite: &str) -> PathBuf {
    let name = format!("rustdb-bench-{}-{suite}", std::process::id());
    std::env::temp_dir().join(name).join("database")
}

/// Runs a suite in this process, where a killed process can only be one that closed.
#[track_caller]
fn check(name: &str) {
    let directory = directory(name);
    let mut suite = suite(name, &parameters()).unwrap();
    let mut stage = Stage::new(OURS, &directory, suite.settings());
    let mut figures = 0;
    std::fs::create_dir_all(directory.parent().unwrap()).unwrap();
    for step in suite.steps() {
        if step.process != Process::Same {
            stage.close().unwrap();
        }
        let outcome = suite.run(step.name, &mut stage);
        outcome.unwrap_or_else(|Failure(why)| panic!("{}: {why}", step.name));
        let measurements = stage.take_findings().measurements;
        assert!(
            measurements
                .iter()
                .all(|found| found.value.is_finite() && found.value >= 0.0)
        );
        figures += measurements.len();
    }
    stage.close().unwrap();
    std::fs::remove_dir_all(directory.parent().unwrap()).unwrap();
    assert!(figures > 0);
}

#[test]
fn redb_suite_finds_what_it_wrote() {
    check("redb");
}

#[test]
fn load_suite_finds_what_it_wrote() {
    check("load");
}

#[test]
fn durable_suite_finds_what_it_wrote() {
    check("durable");
}

#[test]
fn ycsb_suites_find_what_they_wrote() {
    check("ycsb");
    check("ycsb-4x");
}

#[test]
fn overwrite_suite_finds_what_it_wrote() {
    check("overwrite");
}

#[test]
fn open_suite_finds_what_it_wrote() {
    check("open");
}

#[test]
fn many_suite_finds_what_it_wrote() {
    check("many");
}
