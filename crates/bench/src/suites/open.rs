//! How long until the first answer: of an empty database, of one that was closed, and of one whose
//! process was killed.

use std::time::{Duration, Instant};

use super::{Parameters, Process, Stage, Step, Suite, load, milliseconds};
use crate::data;
use crate::engine::{self, Durability, Result, Settings, ensure, fail};

const VALUE_BYTES: usize = 150;
const CACHE_BYTES: u64 = 1 << 30;
const OPENINGS: usize = 20;
/// Commits of one pair that are only in the log when the process is killed.
const UNFLUSHED: u64 = 100_000;

pub(super) struct Open {
    keys: u64,
    unflushed: u64,
}

impl Open {
    pub(super) fn new(parameters: &Parameters) -> Open {
        Open {
            keys: parameters.reopen_keys,
            unflushed: parameters.scaled(UNFLUSHED),
        }
    }
}

impl Suite for Open {
    fn steps(&self) -> Vec<Step> {
        vec![
            Step::reading("open an empty database"),
            Step::new("load"),
            Step {
                process: Process::AfterClose,
                ..Step::reading("reopen after close")
            },
            Step::new("write"),
            Step {
                process: Process::AfterKill,
                ..Step::reading("reopen after kill")
            },
        ]
    }

    fn settings(&self) -> Settings {
        Settings {
            cache_bytes: CACHE_BYTES,
        }
    }

    fn run(&mut self, step: &str, stage: &mut Stage) -> Result<()> {
        match step {
            "open an empty database" => self.open_empty(stage, step),
            "load" => load(stage.engine()?.connect()?.as_ref(), self.keys, pair),
            "reopen after close" => self.reopen(stage, step, self.keys),
            "write" => self.write(stage),
            "reopen after kill" => self.reopen(stage, step, self.keys + self.unflushed),
            other => fail!("no step `{other}`"),
        }
    }
}

impl Open {
    fn open_empty(&self, stage: &mut Stage, workload: &str) -> Result<()> {
        let mut openings = Vec::new();
        for number in 0..OPENINGS {
            let directory = stage.directory().with_extension(format!("empty{number}"));
            let start = Instant::now();
            let engine = engine::open(stage.engine_name(), &directory, self.settings())?;
            openings.push(start.elapsed());
            engine.close()?;
            std::fs::remove_dir_all(&directory)?;
        }
        openings.sort_unstable();
        stage.lower(workload, milliseconds(openings[OPENINGS / 2]), "ms");
        Ok(())
    }

    fn write(&self, stage: &mut Stage) -> Result<()> {
        let connection = stage.engine()?.connect()?;
        for index in self.keys..self.keys + self.unflushed {
            let (key, value) = pair(index);
            // What comes before a synced commit survives with it, in engines too whose commits
            // without sync would not outlive the process.
            let last = index + 1 == self.keys + self.unflushed;
            let durability = if last {
                Durability::Sync
            } else {
                Durability::Buffered
            };
            connection.put(&key, &value, durability)?;
        }
        Ok(())
    }

    /// Opens and reads one key; then, untimed, looks whether the rest is there.
    fn reopen(&self, stage: &mut Stage, workload: &str, pairs: u64) -> Result<()> {
        let start = Instant::now();
        let mut elapsed = Duration::ZERO;
        let connection = stage.engine()?.connect()?;
        for index in (0..pairs).rev().step_by((pairs / 1_000).max(1) as usize) {
            let key = data::key(index);
            let mut intact = false;
            connection.get(&key, &mut |value| {
                intact = data::is_value(&key, 0, value, VALUE_BYTES);
            })?;
            if elapsed.is_zero() {
                elapsed = start.elapsed();
            }
            ensure!(intact, "pair {index} of {pairs} did not survive");
        }
        drop(connection);
        let workload = format!("{workload}, {} keys", self.keys);
        stage.lower(&workload, milliseconds(elapsed), "ms");
        Ok(())
    }
}

fn pair(index: u64) -> (data::Key, Vec<u8>) {
    let key = data::key(index);
    let mut value = vec![0; VALUE_BYTES];
    data::fill_value(&key, 0, &mut value);
    (key, value)
}
