//! Replays what is known without a fuzzer: the seeds of all targets, and inputs that once failed.

#![expect(
    clippy::disallowed_methods,
    reason = "the inputs are files of the repository"
)]

use std::path::Path;

use rustdb_fuzz::TARGETS;

#[test]
fn seeds_of_all_targets_pass() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        seeds.iter().for_each(|seed| (target.run)(seed));
    }
}

#[test]
fn cut_and_empty_inputs_pass() {
    for target in TARGETS {
        (target.run)(&[]);
        for seed in (target.seeds)().iter().take(20) {
            (target.run)(&seed[..seed.len() / 2]);
        }
    }
}

#[test]
fn inputs_that_once_failed_pass() {
    let regressions = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    for folder in std::fs::read_dir(regressions).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap();
        let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
            panic!("no target `{name}`");
        };
        for input in std::fs::read_dir(&folder).unwrap() {
            (target.run)(&std::fs::read(input.unwrap().path()).unwrap());
        }
    }
}

#[test]
fn every_target_has_a_program() {
    for target in TARGETS {
        let program = format!("fuzz_targets/{}.rs", target.name);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(program);
        assert!(path.exists(), "{}", path.display());
    }
}
