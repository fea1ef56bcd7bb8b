//! Synced commits of one pair each, of 1, 8, 64 and 128 threads, beside a file to which the same
//! bytes are written and synced with no database in between.
//!
//! The bare file was filled with zeros and synced before, so that a sync has no size to record:
//! it is the least that a durable commit can cost on this machine at this moment.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::{Parameters, Stage, Step, Suite, Who, joined, microseconds, rate};
use crate::data::{self, Key};
use crate::engine::{BARE, Connection, Durability, Engine, Result, Settings, ensure, fail};
use crate::histogram::Histogram;

const VALUE_BYTES: usize = 150;
const CACHE_BYTES: u64 = 256 << 20;
/// What a log record of one pair takes: key, value and a header.
const BARE_RECORD_BYTES: u64 = 200;
const BARE_FILE_BYTES: u64 = 64 << 20;

pub(super) struct Durable {
    duration: Duration,
    /// The next group of keys that was never used; each thread has one.
    next_group: u64,
}

impl Durable {
    pub(super) fn new(parameters: &Parameters) -> Durable {
        Durable {
            duration: parameters.duration(),
            next_group: 0,
        }
    }
}

impl Suite for Durable {
    fn steps(&self) -> Vec<Step> {
        vec![
            Step {
                who: Who::EnginesAndBare,
                ..Step::reading("durable commits, 1 writer")
            },
            Step::reading("durable commits, 8 writers"),
            Step::reading("durable commits, 64 writers"),
            Step::reading("durable commits, 128 writers"),
        ]
    }

    fn settings(&self) -> Settings {
        Settings {
            cache_bytes: CACHE_BYTES,
        }
    }

    fn run(&mut self, step: &str, stage: &mut Stage) -> Result<()> {
        let (latencies, elapsed) = match step {
            _ if stage.engine_name() == BARE => self.write_bare(stage)?,
            "durable commits, 1 writer" => self.write(stage.engine()?, 1)?,
            "durable commits, 8 writers" => self.write(stage.engine()?, 8)?,
            "durable commits, 64 writers" => self.write(stage.engine()?, 64)?,
            "durable commits, 128 writers" => self.write(stage.engine()?, 128)?,
            other => fail!("no step `{other}`"),
        };
        stage.higher(step, rate(latencies.count(), elapsed), "txn/s");
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            let nanos = latencies.quantile(quantile);
            stage.lower(&format!("{step}, {name}"), microseconds(nanos), "us");
        }
        Ok(())
    }
}

impl Durable {
    fn write(&mut self, engine: &dyn Engine, writers: u64) -> Result<(Histogram, Duration)> {
        let barrier = Barrier::new(writers as usize);
        let (first_group, duration) = (self.next_group, self.duration);
        self.next_group += writers;
        let start = Instant::now();
        let written: Result<Vec<Histogram>> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..writers)
                .map(|writer| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        let connection = engine.connect();
                        barrier.wait();
                        write_group(connection?.as_ref(), first_group + writer, duration)
                    })
                })
                .collect();
            writers.into_iter().map(joined).collect()
        });
        // The last commits end after the time is up.
        let elapsed = start.elapsed();
        let connection = engine.connect()?;
        let mut latencies = Histogram::default();
        for (group, written) in (first_group..).zip(written?) {
            check_group(connection.as_ref(), group, written.count())?;
            latencies.merge(&written);
        }
        Ok((latencies, elapsed))
    }

    fn write_bare(&self, stage: &Stage) -> Result<(Histogram, Duration)> {
        std::fs::create_dir_all(stage.directory())?;
        let file = File::create(stage.directory().join("bare"))?;
        file.write_all_at(&vec![0; BARE_FILE_BYTES as usize], 0)?;
        file.sync_all()?;
        let record = [0xA5; BARE_RECORD_BYTES as usize];
        let mut latencies = Histogram::default();
        let mut offset = 0;
        let begin = Instant::now();
        let mut start = begin;
        while start < begin + self.duration {
            file.write_all_at(&record, offset)?;
            file.sync_data()?;
            offset = (offset + BARE_RECORD_BYTES) % (BARE_FILE_BYTES - BARE_RECORD_BYTES);
            let now = Instant::now();
            latencies.add(now - start);
            start = now;
        }
        Ok((latencies, start - begin))
    }
}

fn key(group: u64, index: u64) -> Key {
    data::key((group << 40) | index)
}

/// Commits pairs one by one for a while.
fn write_group(connection: &dyn Connection, group: u64, duration: Duration) -> Result<Histogram> {
    let mut latencies = Histogram::default();
    let mut value = [0; VALUE_BYTES];
    let mut start = Instant::now();
    let end = start + duration;
    while start < end {
        let key = key(group, latencies.count());
        data::fill_value(&key, 0, &mut value);
        connection.put(&key, &value, Durability::Sync)?;
        let now = Instant::now();
        latencies.add(now - start);
        start = now;
    }
    Ok(latencies)
}

/// The last pairs of a group are there.
fn check_group(connection: &dyn Connection, group: u64, written: u64) -> Result<()> {
    for index in written.saturating_sub(100)..written {
        let key = key(group, index);
        let mut intact = false;
        connection.get(&key, &mut |value| {
            intact = data::is_value(&key, 0, value, VALUE_BYTES)
        })?;
        ensure!(intact, "an acknowledged commit is missing");
    }
    Ok(())
}
