//! The workloads.
//!
//! A suite is a list of steps over one database. Its value lives in the worker process of one
//! engine and may remember things from step to step, except where a step wants a fresh process.
//!
//! | module | what it asks |
//! |---|---|
//! | [`redb`](mod@redb) | redb's own benchmark: one table, every kind of operation |
//! | [`ycsb`] | the six mixes of YCSB with skewed keys, within the cache and at four times its size |
//! | [`durable`] | synced commits of many writers, beside a bare file |
//! | [`overwrite`] | a long run of overwrites: what does the slowest one cost? |
//! | [`load`] | how fast data comes in when nobody waits for the disk |
//! | [`open`] | how long until the first answer |
//! | [`many`] | a hundred million small keys; runs only when it is named |
//! | [`program`] | what the `rustdb` binary costs before it does anything |

mod durable;
mod load;
mod many;
mod open;
mod overwrite;
mod program;
mod redb;
#[cfg(test)]
mod tests;
mod ycsb;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use crate::data;
use crate::engine::{self, Connection, Durability, Engine, Failure, OURS, Result, Settings};

/// How much to do.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    /// The share of the full number of pairs and operations.
    pub(crate) scale: f64,
    /// How long a measurement takes that is bounded by time.
    pub(crate) seconds: f64,
    /// The cache of the suites that want all data in it.
    pub(crate) cache_bytes: u64,
    /// Pairs in the database that is reopened.
    pub(crate) reopen_keys: u64,
    /// The `rustdb` program, if it was built.
    pub(crate) program: Option<PathBuf>,
    /// The least program that embeds the database, if it was built.
    pub(crate) embedded: Option<PathBuf>,
}

impl Parameters {
    /// A number of things, scaled, but not so few that nothing is measured.
    fn scaled(&self, full: u64) -> u64 {
        ((full as f64 * self.scale) as u64).max(full.min(100))
    }

    fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

/// Which direction is good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// One measured number.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Measurement {
    pub(crate) workload: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
    pub(crate) better: Better,
}

/// One turn of an engine.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// The process it runs in.
    pub(crate) process: Process,
    /// Who takes part.
    pub(crate) who: Who,
    /// Whether later steps need what it writes, even when nobody asked for its figures.
    pub(crate) needed: bool,
}

/// The process that a step runs in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Process {
    /// The one of the step before.
    Same,
    /// A new one, after the old one closed its database and ended.
    AfterClose,
    /// A new one, after the old one was killed.
    AfterKill,
}

/// The engines that take part in a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    Engines,
    /// And the bare file.
    EnginesAndBare,
    /// Only ours.
    Ours,
}

impl Step {
    fn new(name: &'static str) -> Step {
        Step {
            name,
            process: Process::Same,
            who: Who::Engines,
            needed: true,
        }
    }

    /// A step that leaves the database as it was.
    fn reading(name: &'static str) -> Step {
        Step {
            needed: false,
            ..Step::new(name)
        }
    }

    pub(crate) fn takes_part(&self, engine: &str) -> bool {
        match self.who {
            Who::Engines => engine != engine::BARE,
            Who::EnginesAndBare => true,
            Who::Ours => engine == OURS,
        }
    }
}

/// A list of steps over one database.
pub(crate) trait Suite {
    fn steps(&self) -> Vec<Step>;

    /// What is equal for all engines in this suite.
    fn settings(&self) -> Settings;

    /// Whether the peak of the engine's memory is one of the suite's figures.
    fn reports_memory(&self) -> bool {
        false
    }

    /// Runs a step, named as in [`Suite::steps`].
    fn run(&mut self, step: &str, stage: &mut Stage) -> Result<()>;
}

/// What a suite's steps work on, and where their figures go.
pub(crate) struct Stage {
    engine_name: String,
    directory: PathBuf,
    settings: Settings,
    engine: Option<Box<dyn Engine>>,
    measurements: Vec<Measurement>,
    digests: Vec<(String, u64)>,
    notes: Vec<String>,
}

/// What a step found.
#[derive(Default, Debug)]
pub(crate) struct Findings {
    pub(crate) measurements: Vec<Measurement>,
    /// Numbers that must be equal for all engines.
    pub(crate) digests: Vec<(String, u64)>,
    /// Lines for the reader.
    pub(crate) notes: Vec<String>,
}

impl Stage {
    pub(crate) fn new(engine_name: &str, directory: &Path, settings: Settings) -> Stage {
        Stage {
            engine_name: engine_name.to_owned(),
            directory: directory.to_owned(),
            settings,
            engine: None,
            measurements: Vec::new(),
            digests: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn engine_name(&self) -> &str {
        &self.engine_name
    }

    /// Where the database is; a suite may put others beside it.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The open database.
    pub(crate) fn engine(&mut self) -> Result<&mut dyn Engine> {
        if self.engine.is_none() {
            self.open()?;
        }
        match &mut self.engine {
            Some(engine) => Ok(engine.as_mut()),
            None => Err(Failure("the database is closed".to_owned())),
        }
    }

    /// Opens the database.
    pub(crate) fn open(&mut self) -> Result<()> {
        self.engine = Some(engine::open(
            &self.engine_name,
            &self.directory,
            self.settings,
        )?);
        Ok(())
    }

    /// Closes the database if it is open.
    pub(crate) fn close(&mut self) -> Result<()> {
        self.engine.take().map_or(Ok(()), Engine::close)
    }

    /// Records a figure of which more is better.
    pub(crate) fn higher(&mut self, workload: &str, value: f64, unit: &str) {
        self.record(workload, value, unit, Better::Higher);
    }

    /// Records a figure of which less is better.
    pub(crate) fn lower(&mut self, workload: &str, value: f64, unit: &str) {
        self.record(workload, value, unit, Better::Lower);
    }

    fn record(&mut self, workload: &str, value: f64, unit: &str, better: Better) {
        let (workload, unit) = (workload.to_owned(), unit.to_owned());
        self.measurements.push(Measurement {
            workload,
            value,
            unit,
            better,
        });
    }

    /// Records a number that must be equal for all engines.
    pub(crate) fn digest(&mut self, name: &str, value: u64) {
        self.digests.push((name.to_owned(), value));
    }

    /// Records a line for the reader.
    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Hands over what was recorded since the last time.
    pub(crate) fn take_findings(&mut self) -> Findings {
        Findings {
            measurements: std::mem::take(&mut self.measurements),
            digests: std::mem::take(&mut self.digests),
            notes: std::mem::take(&mut self.notes),
        }
    }
}

type New = fn(&Parameters) -> Box<dyn Suite>;

/// Every suite with its name, in the order in which they run.
const SUITES: &[(&str, New)] = &[
    ("redb", |parameters| Box::new(redb::Redb::new(parameters))),
    ("load", |parameters| Box::new(load::Load::new(parameters))),
    ("durable", |parameters| {
        Box::new(durable::Durable::new(parameters))
    }),
    ("ycsb", |parameters| {
        Box::new(ycsb::Ycsb::new(parameters, ycsb::Size::WithinCache))
    }),
    ("ycsb-4x", |parameters| {
        Box::new(ycsb::Ycsb::new(parameters, ycsb::Size::FourCaches))
    }),
    ("overwrite", |parameters| {
        Box::new(overwrite::Overwrite::new(parameters))
    }),
    ("open", |parameters| Box::new(open::Open::new(parameters))),
    ("many", |parameters| Box::new(many::Many::new(parameters))),
    ("program", |parameters| {
        Box::new(program::Program::new(parameters))
    }),
];

/// The names of the suites.
pub(crate) fn names() -> Vec<&'static str> {
    SUITES.iter().map(|(name, _)| *name).collect()
}

/// The names of those that run when none is named.
pub(crate) fn usual() -> Vec<&'static str> {
    names().into_iter().filter(|name| *name != "many").collect()
}

/// A suite by its name.
pub(crate) fn suite(name: &str, parameters: &Parameters) -> Result<Box<dyn Suite>> {
    match SUITES.iter().find(|(known, _)| *known == name) {
        Some((_, new)) => Ok(new(parameters)),
        None => Err(Failure(format!(
            "no suite `{name}`; there are {:?}",
            names()
        ))),
    }
}

/// The bytes that a file or a folder takes of the disk: holes are free, whatever the length says.
fn disk_bytes(path: &Path) -> Result<u64> {
    /// What `stat` counts in.
    const BLOCK_BYTES: u64 = 512;
    let metadata = std::fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.blocks() * BLOCK_BYTES);
    }
    let mut total = 0;
    for entry in std::fs::read_dir(path)? {
        // A background thread may have deleted it since.
        total += entry
            .map_err(Failure::from)
            .and_then(|entry| disk_bytes(&entry.path()))
            .unwrap_or(0);
    }
    Ok(total)
}

/// Things per second.
fn rate(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

fn milliseconds(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * 1e3
}

fn microseconds(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

/// What a thread came to.
fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread
        .join()
        .unwrap_or_else(|_| Err(Failure("a thread panicked".to_owned())))
}

/// Loads `count` pairs in commits of a thousand that do not wait for the disk.
fn load(
    connection: &dyn Connection,
    count: u64,
    mut pair: impl FnMut(u64) -> (data::Key, Vec<u8>),
) -> Result<()> {
    const PAIRS_PER_COMMIT: u64 = 1_000;
    let mut index = 0;
    while index < count {
        let end = count.min(index + PAIRS_PER_COMMIT);
        connection.write(Durability::Buffered, &mut |transaction| {
            for index in index..end {
                let (key, value) = pair(index);
                transaction.put(&key, &value)?;
            }
            Ok(())
        })?;
        index = end;
    }
    Ok(())
}
