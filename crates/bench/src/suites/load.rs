//! How fast data comes in when nobody waits for the disk in between.

use std::time::Instant;

use super::{Parameters, Stage, Step, Suite, rate};
use crate::data;
use crate::engine::{Durability, Result, Settings, ensure, fail};

const VALUE_BYTES: usize = 150;
const CACHE_BYTES: u64 = 1 << 30;

pub(super) struct Load {
    puts: u64,
    sorted: u64,
    threads: u64,
}

impl Load {
    pub(super) fn new(parameters: &Parameters) -> Load {
        let (puts, sorted) = (parameters.scaled(2_000_000), parameters.scaled(1_000_000));
        Load {
            puts,
            sorted,
            threads: 16,
        }
    }
}

impl Suite for Load {
    fn steps(&self) -> Vec<Step> {
        vec![
            Step::new("sorted load into an empty database"),
            Step::new("non-durable puts"),
            Step::new("nosync commits, 16 writers"),
        ]
    }

    fn settings(&self) -> Settings {
        Settings {
            cache_bytes: CACHE_BYTES,
        }
    }

    fn run(&mut self, step: &str, stage: &mut Stage) -> Result<()> {
        match step {
            "sorted load into an empty database" => self.sorted_load(stage, step),
            "non-durable puts" => self.puts(stage, step),
            "nosync commits, 16 writers" => self.threaded_commits(stage, step),
            other => fail!("no step `{other}`"),
        }
    }
}

impl Load {
    /// One transaction, synced. The keys lie before all random ones.
    fn sorted_load(&self, stage: &mut Stage, workload: &str) -> Result<()> {
        let pairs: Vec<_> = (0..self.sorted)
            .map(|index| {
                let mut key = [0; data::KEY_BYTES];
                key[data::KEY_BYTES - 8..].copy_from_slice(&index.to_be_bytes());
                let mut value = [0; VALUE_BYTES];
                data::fill_value(&key, 0, &mut value);
                (key, value)
            })
            .collect();
        let connection = stage.engine()?.connect()?;
        let start = Instant::now();
        connection.write(Durability::Sync, &mut |transaction| {
            transaction.append(&mut pairs.iter().map(|(key, value)| (&key[..], &value[..])))
        })?;
        let elapsed = start.elapsed();
        let (mut index, mut wrong) = (0, 0);
        let mut reader = connection.read()?;
        let found = reader.scan(&[0], pairs.len(), &mut |key, value| {
            wrong += u64::from(
                pairs
                    .get(index)
                    .is_none_or(|pair| pair.0 != key || pair.1 != value),
            );
            index += 1;
        })?;
        ensure!(
            found == pairs.len() && wrong == 0,
            "{found} pairs, {wrong} of them wrong"
        );
        drop(reader);
        drop(connection);
        stage.lower(workload, elapsed.as_secs_f64(), "s");
        Ok(())
    }

    fn puts(&self, stage: &mut Stage, workload: &str) -> Result<()> {
        let connection = stage.engine()?.connect()?;
        let mut value = [0; VALUE_BYTES];
        let start = Instant::now();
        for index in 0..self.puts {
            let key = data::key(index);
            data::fill_value(&key, 0, &mut value);
            connection.put(&key, &value, Durability::None)?;
        }
        let elapsed = start.elapsed();
        check(connection.as_ref(), 0, self.puts)?;
        drop(connection);
        stage.higher(workload, rate(self.puts, elapsed), "op/s");
        Ok(())
    }

    fn threaded_commits(&self, stage: &mut Stage, workload: &str) -> Result<()> {
        let engine = stage.engine()?;
        let share = self.puts / 10 / self.threads;
        let start = Instant::now();
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..self.threads)
                .map(|writer| {
                    let engine = &*engine;
                    let first = self.puts + writer * share;
                    scope.spawn(move || write_from(engine.connect()?.as_ref(), first, share))
                })
                .collect();
            writers.into_iter().try_for_each(super::joined)
        })?;
        let elapsed = start.elapsed();
        check(engine.connect()?.as_ref(), self.puts, share * self.threads)?;
        stage.higher(workload, rate(share * self.threads, elapsed), "txn/s");
        Ok(())
    }
}

fn write_from(connection: &dyn crate::engine::Connection, first: u64, count: u64) -> Result<()> {
    let mut value = [0; VALUE_BYTES];
    for index in first..first + count {
        let key = data::key(index);
        data::fill_value(&key, 0, &mut value);
        connection.put(&key, &value, Durability::Buffered)?;
    }
    Ok(())
}

/// Every hundredth of the pairs from `first` on is there.
fn check(connection: &dyn crate::engine::Connection, first: u64, count: u64) -> Result<()> {
    for index in (first..first + count).step_by(100) {
        let key = data::key(index);
        let mut intact = false;
        connection.get(&key, &mut |value| {
            intact = data::is_value(&key, 0, value, VALUE_BYTES)
        })?;
        ensure!(intact, "pair {index} is missing or wrong");
    }
    Ok(())
}
