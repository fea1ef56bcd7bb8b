//! The six mixes of YCSB, with its zipfian keys: some records are read and written all the time,
//! most hardly ever.
//!
//! | mix | operations |
//! |---|---|
//! | A | half reads, half updates |
//! | B | 95 % reads, 5 % updates |
//! | C | reads |
//! | D | 95 % reads of what was inserted lately, 5 % inserts |
//! | E | 95 % scans of 1 to 100 records, 5 % inserts |
//! | F | half reads, half read-modify-writes |
//!
//! A record is a random key and a kilobyte. Its first eight bytes are a version that the rest
//! follows from, so that a value is checked whoever wrote it last. Writes are `Buffered`; as many
//! threads as the machine has processors work at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Parameters, Stage, Step, Suite, joined, load, microseconds, rate};
use crate::data::{self, Key, Random, Zipfian};
use crate::engine::{Connection, Durability, Engine, Result, Settings, ensure, fail};
use crate::histogram::Histogram;

const VALUE_BYTES: usize = 1_000;
const VERSION_BYTES: usize = 8;
const SCAN_PAIRS_MAX: u64 = 100;
const CACHE_BYTES: u64 = 256 << 20;
/// Bytes that a record takes in a cache, roughly.
const RECORD_BYTES: u64 = 1_050;

/// How the data relates to the cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    WithinCache,
    FourCaches,
}

pub(super) struct Ycsb {
    size: Size,
    cache_bytes: u64,
    records: u64,
    duration: Duration,
    inserted: Inserted,
}

impl Ycsb {
    pub(super) fn new(parameters: &Parameters, size: Size) -> Ycsb {
        let cache_bytes = parameters.scaled(CACHE_BYTES);
        let share = match size {
            Size::WithinCache => 0.5,
            Size::FourCaches => 4.0,
        };
        let records = (cache_bytes as f64 * share) as u64 / RECORD_BYTES;
        let inserted = Inserted::new(records);
        Ycsb {
            size,
            cache_bytes,
            records,
            duration: parameters.duration(),
            inserted,
        }
    }

    fn workload(&self, mix: &str) -> String {
        match self.size {
            Size::WithinCache => format!("{mix}, data within cache"),
            Size::FourCaches => format!("{mix}, data 4x cache"),
        }
    }
}

impl Suite for Ycsb {
    fn steps(&self) -> Vec<Step> {
        let mixes = ["ycsb C", "ycsb B", "ycsb A", "ycsb F", "ycsb D", "ycsb E"];
        let mut steps = vec![Step::new("ycsb load")];
        steps.extend(mixes.map(Step::new));
        steps
    }

    fn settings(&self) -> Settings {
        Settings {
            cache_bytes: self.cache_bytes,
        }
    }

    fn reports_memory(&self) -> bool {
        true
    }

    fn run(&mut self, step: &str, stage: &mut Stage) -> Result<()> {
        if step == "ycsb load" {
            let start = Instant::now();
            load(stage.engine()?.connect()?.as_ref(), self.records, |index| {
                let key = data::key(index);
                (key, value(&key, 0))
            })?;
            stage.higher(
                &self.workload(step),
                rate(self.records, start.elapsed()),
                "op/s",
            );
            return Ok(());
        }
        let Some(mix) = Mix::named(step) else {
            fail!("no step `{step}`")
        };
        let (latencies, elapsed) = self.run_mix(stage.engine()?, mix)?;
        let workload = self.workload(step);
        stage.higher(&workload, rate(latencies.count(), elapsed), "op/s");
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            let nanos = latencies.quantile(quantile);
            stage.lower(&format!("{workload}, {name}"), microseconds(nanos), "us");
        }
        Ok(())
    }
}

impl Ycsb {
    fn run_mix(&self, engine: &dyn Engine, mix: Mix) -> Result<(Histogram, Duration)> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let zipfian = Zipfian::new(self.records);
        let start = Instant::now();
        let end = start + self.duration;
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..threads)
                .map(|thread| {
                    let (zipfian, inserted) = (&zipfian, &self.inserted);
                    let random = Random::new(100 + thread as u64);
                    scope.spawn(move || {
                        let connection = engine.connect()?;
                        let connection = connection.as_ref();
                        Client {
                            connection,
                            zipfian,
                            inserted,
                            random,
                            mix,
                        }
                        .run_until(end)
                    })
                })
                .collect();
            let mut latencies = Histogram::default();
            for client in clients {
                latencies.merge(&joined(client)?);
            }
            Ok((latencies, start.elapsed()))
        })
    }
}

/// Shares of operations, in percent; what is left are reads.
#[derive(Clone, Copy)]
struct Mix {
    update: u64,
    insert: u64,
    scan: u64,
    modify: u64,
    latest: bool,
}

impl Mix {
    fn named(name: &str) -> Option<Mix> {
        let none = Mix {
            update: 0,
            insert: 0,
            scan: 0,
            modify: 0,
            latest: false,
        };
        Some(match name {
            "ycsb A" => Mix { update: 50, ..none },
            "ycsb B" => Mix { update: 5, ..none },
            "ycsb C" => none,
            "ycsb D" => Mix {
                insert: 5,
                latest: true,
                ..none
            },
            "ycsb E" => Mix {
                scan: 95,
                insert: 5,
                ..none
            },
            "ycsb F" => Mix { modify: 50, ..none },
            _ => return None,
        })
    }
}

/// One thread that works.
struct Client<'a> {
    connection: &'a dyn Connection,
    zipfian: &'a Zipfian,
    inserted: &'a Inserted,
    random: Random,
    mix: Mix,
}

impl Client<'_> {
    fn run_until(mut self, end: Instant) -> Result<Histogram> {
        let mut latencies = Histogram::default();
        let mut start = Instant::now();
        while start < end {
            self.operation()?;
            let now = Instant::now();
            latencies.add(now - start);
            start = now;
        }
        Ok(latencies)
    }

    fn operation(&mut self) -> Result<()> {
        let Mix {
            update,
            insert,
            scan,
            modify,
            ..
        } = self.mix;
        let choice = self.random.below(100);
        if choice < update {
            let key = self.existing();
            let value = value(&key, self.random.next());
            self.connection.put(&key, &value, Durability::Buffered)
        } else if choice < update + insert {
            self.insert()
        } else if choice < update + insert + scan {
            self.scan()
        } else if choice < update + insert + scan + modify {
            self.modify()
        } else {
            self.read()
        }
    }

    fn existing(&mut self) -> Key {
        if self.mix.latest {
            let newest = self.inserted.all_below();
            return data::key(newest - 1 - self.zipfian.rank(&mut self.random).min(newest - 1));
        }
        data::key(self.zipfian.item(&mut self.random))
    }

    fn read(&mut self) -> Result<()> {
        let key = self.existing();
        let mut intact = false;
        let found = self
            .connection
            .get(&key, &mut |value| intact = is_intact(&key, value))?;
        ensure!(
            found && intact,
            "a value is missing or wrong (found: {found})"
        );
        Ok(())
    }

    fn insert(&mut self) -> Result<()> {
        let index = self.inserted.begin();
        let key = data::key(index);
        self.connection
            .put(&key, &value(&key, 0), Durability::Buffered)?;
        self.inserted.end(index);
        Ok(())
    }

    fn scan(&mut self) -> Result<()> {
        let key = self.existing();
        let limit = 1 + self.random.below(SCAN_PAIRS_MAX) as usize;
        let mut wrong = 0;
        let found = self.connection.scan(&key, limit, &mut |key, value| {
            wrong += u64::from(!is_intact(key, value));
        })?;
        ensure!(
            found > 0 && wrong == 0,
            "a scan saw {found} pairs, {wrong} of them wrong"
        );
        Ok(())
    }

    fn modify(&mut self) -> Result<()> {
        let key = self.existing();
        let mut intact = true;
        self.connection
            .update(&key, Durability::Buffered, &mut |old| {
                intact &= is_intact(&key, old);
                value(&key, version(old).wrapping_add(1))
            })?;
        ensure!(intact, "a value is wrong");
        Ok(())
    }
}

fn value(key: &[u8], version: u64) -> Vec<u8> {
    let mut value = vec![0; VALUE_BYTES];
    value[..VERSION_BYTES].copy_from_slice(&version.to_le_bytes());
    data::fill_value(key, version, &mut value[VERSION_BYTES..]);
    value
}

fn version(value: &[u8]) -> u64 {
    value
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn is_intact(key: &[u8], value: &[u8]) -> bool {
    value.len() == VALUE_BYTES
        && data::is_value(
            key,
            version(value),
            &value[VERSION_BYTES..],
            VALUE_BYTES - VERSION_BYTES,
        )
}

/// Which keys exist while several threads insert.
struct Inserted {
    next: AtomicU64,
    /// Every key below this one exists.
    all_below: AtomicU64,
    /// Keys that exist and are not below it.
    ahead: Mutex<BTreeSet<u64>>,
}

impl Inserted {
    fn new(count: u64) -> Inserted {
        let ahead = Mutex::new(BTreeSet::new());
        Inserted {
            next: AtomicU64::new(count),
            all_below: AtomicU64::new(count),
            ahead,
        }
    }

    fn begin(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn end(&self, index: u64) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.insert(index);
        let mut all_below = self.all_below.load(Ordering::Relaxed);
        while ahead.remove(&all_below) {
            all_below += 1;
        }
        self.all_below.store(all_below, Ordering::Release);
    }

    fn all_below(&self) -> u64 {
        self.all_below.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_exist_once_all_before_them_do() {
        let inserted = Inserted::new(5);
        let (a, b, c) = (inserted.begin(), inserted.begin(), inserted.begin());
        inserted.end(c);
        inserted.end(b);
        assert_eq!(inserted.all_below(), 5);
        inserted.end(a);
        assert_eq!(inserted.all_below(), 8);
    }

    #[test]
    fn value_tells_its_version() {
        let key = data::key(1);
        let mut value = value(&key, 77);
        assert_eq!(version(&value), 77);
        assert!(is_intact(&key, &value));
        value[500] ^= 1;
        assert!(!is_intact(&key, &value));
    }
}
