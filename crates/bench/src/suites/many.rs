//! A hundred million small keys: eight bytes each, with values of eight bytes, in no order.

use std::time::Instant;

use super::{Parameters, Process, Stage, Step, Suite, disk_bytes, milliseconds, rate};
use crate::data::Random;
use crate::engine::{Durability, Result, Settings, ensure, fail};

const KEYS: u64 = 100_000_000;
const READS: u64 = 1_000_000;
const SCANS: u64 = 100_000;
const SCAN_LENGTH: usize = 10;
const CACHE_BYTES: u64 = 1 << 30;
const KEYS_PER_COMMIT: u64 = 1_000;

pub(super) struct Many {
    keys: u64,
    reads: u64,
    scans: u64,
}

impl Many {
    pub(super) fn new(parameters: &Parameters) -> Many {
        Many {
            keys: parameters.scaled(KEYS),
            reads: parameters.scaled(READS),
            scans: parameters.scaled(SCANS),
        }
    }
}

impl Suite for Many {
    fn steps(&self) -> Vec<Step> {
        vec![
            Step::new("load many small keys"),
            Step {
                process: Process::AfterClose,
                ..Step::reading("reopen many small keys")
            },
            Step::reading("random reads of many small keys"),
            Step::reading("scans of ten of many small keys"),
        ]
    }

    fn settings(&self) -> Settings {
        Settings {
            cache_bytes: CACHE_BYTES,
        }
    }

    fn reports_memory(&self) -> bool {
        true
    }

    fn run(&mut self, step: &str, stage: &mut Stage) -> Result<()> {
        match step {
            "load many small keys" => self.load(stage, step),
            "reopen many small keys" => self.reopen(stage, step),
            "random reads of many small keys" => self.reads(stage, step),
            "scans of ten of many small keys" => self.scans(stage, step),
            other => fail!("no step `{other}`"),
        }
    }
}

impl Many {
    fn load(&self, stage: &mut Stage, workload: &str) -> Result<()> {
        let connection = stage.engine()?.connect()?;
        let start = Instant::now();
        let mut index = 0;
        while index < self.keys {
            let end = self.keys.min(index + KEYS_PER_COMMIT);
            connection.write(Durability::Buffered, &mut |transaction| {
                (index..end).try_for_each(|index| transaction.put(&key(index), &value(index)))
            })?;
            index = end;
        }
        let elapsed = start.elapsed();
        drop(connection);
        stage.higher(workload, rate(self.keys, elapsed), "key/s");
        Ok(())
    }

    fn reopen(&self, stage: &mut Stage, workload: &str) -> Result<()> {
        let start = Instant::now();
        let engine = stage.engine()?;
        let is_there = engine.connect()?.get(&key(0), &mut |_| {})?;
        let elapsed = start.elapsed();
        ensure!(is_there, "the first key is gone");
        let keys = engine.connect()?.read()?.len()?;
        ensure!(keys == self.keys, "{keys} keys of {}", self.keys);
        let bytes = disk_bytes(stage.directory())?;
        stage.lower(workload, milliseconds(elapsed), "ms");
        stage.lower(
            "size of many small keys",
            bytes as f64 / f64::from(1 << 20),
            "MiB",
        );
        Ok(())
    }

    fn reads(&self, stage: &mut Stage, workload: &str) -> Result<()> {
        let connection = stage.engine()?.connect()?;
        let mut reader = connection.read()?;
        let mut random = Random::new(1);
        let mut wrong = 0;
        let start = Instant::now();
        for _ in 0..self.reads {
            let index = random.below(self.keys);
            let mut is_right = false;
            reader.get(&key(index), &mut |found| is_right = found == value(index))?;
            wrong += u64::from(!is_right);
        }
        let elapsed = start.elapsed();
        ensure!(wrong == 0, "{wrong} keys are missing or wrong");
        drop(reader);
        drop(connection);
        stage.higher(workload, rate(self.reads, elapsed), "key/s");
        Ok(())
    }

    fn scans(&self, stage: &mut Stage, workload: &str) -> Result<()> {
        let connection = stage.engine()?.connect()?;
        let mut reader = connection.read()?;
        let mut random = Random::new(2);
        let mut wrong = 0;
        let start = Instant::now();
        for _ in 0..self.scans {
            let from = key(random.below(self.keys));
            let mut before = from;
            let found = reader.scan(&from, SCAN_LENGTH, &mut |key, _| {
                wrong += u64::from(*key < before[..]);
                before.copy_from_slice(key);
            })?;
            wrong += u64::from(found == 0);
        }
        let elapsed = start.elapsed();
        ensure!(wrong == 0, "{wrong} keys are out of order");
        drop(reader);
        drop(connection);
        stage.higher(workload, rate(self.scans, elapsed), "scan/s");
        Ok(())
    }
}

/// Keys in no order, each once: the factor is odd.
fn key(index: u64) -> [u8; 8] {
    index.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

fn value(index: u64) -> [u8; 8] {
    (!index).to_le_bytes()
}
