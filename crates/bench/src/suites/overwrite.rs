//! A long run of overwrites by one thread, to see what compaction and its pacing cost the writer.
//!
//! The mean says little here: an engine may take writes at full speed and then none for a while.
//! So the run is cut into seconds, and the figures are the slowest second, the longest single
//! write, and the size on disk at the end, when nine tenths of what was written is dead.

use std::time::{Duration, Instant};

use super::{Parameters, Stage, Step, Suite, disk_bytes, load, microseconds};
use crate::data::{self, Random};
use crate::engine::{Connection, Durability, Result, Settings, ensure, fail};
use crate::histogram::Histogram;

const VALUE_BYTES: usize = 150;
const CACHE_BYTES: u64 = 256 << 20;
const WINDOW: Duration = Duration::from_secs(1);
/// This suite runs that many times as long as the others.
const LONGER: f64 = 6.0;
/// Clocks are read once in so many writes.
const CHECKED: u64 = 10_000;

pub(super) struct Overwrite {
    keys: u64,
    duration: Duration,
}

impl Overwrite {
    pub(super) fn new(parameters: &Parameters) -> Overwrite {
        let duration = parameters.duration().mul_f64(LONGER);
        Overwrite {
            keys: parameters.scaled(1_000_000),
            duration,
        }
    }
}

impl Suite for Overwrite {
    fn steps(&self) -> Vec<Step> {
        vec![Step::new("load"), Step::new("overwrite")]
    }

    fn settings(&self) -> Settings {
        Settings {
            cache_bytes: CACHE_BYTES,
        }
    }

    fn run(&mut self, step: &str, stage: &mut Stage) -> Result<()> {
        match step {
            "load" => load(stage.engine()?.connect()?.as_ref(), self.keys, |index| {
                let key = data::key(index);
                let mut value = vec![0; VALUE_BYTES];
                data::fill_value(&key, 0, &mut value);
                (key, value)
            }),
            "overwrite" => self.overwrite(stage),
            other => fail!("no step `{other}`"),
        }
    }
}

impl Overwrite {
    fn overwrite(&self, stage: &mut Stage) -> Result<()> {
        let connection = stage.engine()?.connect()?;
        let mut versions = vec![0_u32; self.keys as usize];
        let windows = self.write(connection.as_ref(), &mut versions)?;
        check(connection.as_ref(), &versions)?;
        drop(connection);

        let mut all = Histogram::default();
        for window in &windows {
            all.merge(window);
        }
        // The last window is cut short by the end.
        let complete = &windows[..windows.len().saturating_sub(1).max(1)];
        let slowest = complete
            .iter()
            .map(Histogram::count)
            .min()
            .unwrap_or_default();
        let seconds = self.duration.as_secs_f64();
        stage.higher("overwrite", all.count() as f64 / seconds, "op/s");
        stage.higher("overwrite, slowest second", slowest as f64, "op/s");
        stage.lower("overwrite, p99.9", microseconds(all.quantile(0.999)), "us");
        stage.lower("overwrite, longest", microseconds(all.max()) / 1e3, "ms");
        let bytes = disk_bytes(stage.directory())?;
        stage.lower(
            "overwrite, size after",
            bytes as f64 / f64::from(1 << 20),
            "MiB",
        );
        stage.note(format!(
            "writes by second, longest in ms: {}",
            shown(&windows)
        ));
        Ok(())
    }

    /// Overwrites random keys; returns the latencies of each second.
    fn write(&self, connection: &dyn Connection, versions: &mut [u32]) -> Result<Vec<Histogram>> {
        let mut random = Random::new(9);
        let mut value = [0; VALUE_BYTES];
        let mut windows = vec![Histogram::default()];
        let mut start = Instant::now();
        let (begin, end) = (start, start + self.duration);
        while start < end {
            let index = random.below(self.keys);
            let version = &mut versions[index as usize];
            *version += 1;
            let key = data::key(index);
            data::fill_value(&key, u64::from(*version), &mut value);
            connection.put(&key, &value, Durability::Buffered)?;
            let now = Instant::now();
            // A write that spans several seconds leaves those without it empty.
            let second = (now - begin).as_nanos() / WINDOW.as_nanos();
            windows.resize(windows.len().max(second as usize + 1), Histogram::default());
            windows[second as usize].add(now - start);
            start = now;
        }
        Ok(windows)
    }
}

/// Every checked key has the value that was written last.
fn check(connection: &dyn Connection, versions: &[u32]) -> Result<()> {
    let mut random = Random::new(10);
    for _ in 0..CHECKED {
        let index = random.below(versions.len() as u64);
        let (key, version) = (data::key(index), u64::from(versions[index as usize]));
        let mut intact = false;
        connection.get(&key, &mut |value| {
            intact = data::is_value(&key, version, value, VALUE_BYTES);
        })?;
        ensure!(
            intact,
            "a key does not have the value that was written last"
        );
    }
    Ok(())
}

fn shown(windows: &[Histogram]) -> String {
    let windows = windows.iter().map(|window| {
        format!(
            "{}K/{:.0}",
            window.count() / 1_000,
            microseconds(window.max()) / 1e3
        )
    });
    windows.collect::<Vec<_>>().join(" ")
}
