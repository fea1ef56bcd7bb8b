//! redb's own benchmark, written anew from its description: one table of 24-byte random keys and
//! 150 random bytes, and every kind of operation in a row.
//!
//! Contents at each step, with the full counts: 5 million pairs in one transaction, then 1,000
//! synced commits, 100 synced batches of 1,000 and 50,000 commits without sync. All reads happen
//! on that. Then half is deleted, of the rest every second pair by predicate, and so on; what was
//! deleted by predicate or popped is replaced by as many fresh pairs, untimed.
//!
//! Both ends of every value read are compared. Which pairs a predicate removed is compared between engines.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::{Parameters, Stage, Step, Suite, disk_bytes, joined, milliseconds, rate};
use crate::data::{self, Digest, Shuffle};
use crate::engine::{
    Connection, Durability, End, Engine, Result, Settings, WriteTransaction, ensure, fail,
};

const VALUE_BYTES: usize = 150;
const SCAN_PAIRS: usize = 10;
const BATCHES: u64 = 100;
const ROUNDS: usize = 2;

/// An engine that has not popped everything by then is not asked for the rest: some need hours. The
/// figure is the rate until then, in their favour, and a note says so.
const POP_TIME_MAX: Duration = Duration::from_secs(10);

/// How often the length is asked for, at most, and about how long; once at least.
const LENGTHS_MAX: u32 = 1 << 12;
const LENGTH_TIME: Duration = Duration::from_millis(100);

pub(super) struct Redb {
    settings: Settings,
    bulk: u64,
    individual: u64,
    batch: u64,
    without_sync: u64,
    reads: u64,
    scans: u64,
    pops: u64,
    sorted: u64,
    /// The next key that was never used.
    next: u64,
    /// Pairs in the database.
    pairs: u64,
}

impl Redb {
    pub(super) fn new(parameters: &Parameters) -> Redb {
        Redb {
            settings: Settings {
                cache_bytes: parameters.cache_bytes,
            },
            bulk: parameters.scaled(5_000_000),
            individual: parameters.scaled(1_000),
            batch: parameters.scaled(1_000),
            without_sync: parameters.scaled(50_000),
            reads: parameters.scaled(1_000_000),
            scans: parameters.scaled(500_000),
            pops: parameters.scaled(500_000),
            sorted: parameters.scaled(1_000_000),
            next: 0,
            pairs: 0,
        }
    }
}

impl Suite for Redb {
    fn steps(&self) -> Vec<Step> {
        vec![
            Step::new("bulk load"),
            Step::new("individual writes"),
            Step::new("small batch writes"),
            Step::new("nosync writes"),
            Step::reading("len()"),
            Step::reading("random reads"),
            Step::reading("random range reads"),
            Step::reading("random reads (4 threads)"),
            Step::reading("random reads (8 threads)"),
            Step::reading("random reads (16 threads)"),
            Step::reading("random reads (32 threads)"),
            Step::new("removals"),
            Step::new("retain"),
            Step::new("extract_if"),
            Step::new("pop"),
            Step::reading("uncompacted size"),
            Step::new("compacted size"),
            Step::new("sorted inserts"),
        ]
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    fn reports_memory(&self) -> bool {
        true
    }

    fn run(&mut self, step: &str, stage: &mut Stage) -> Result<()> {
        match step {
            "bulk load" => self.bulk_load(stage),
            "individual writes" => self.individual_writes(stage),
            "small batch writes" => self.batch_writes(stage),
            "nosync writes" => self.writes_without_sync(stage),
            "len()" => self.length(stage),
            "random reads" => self.random_reads(stage),
            "random range reads" => self.range_reads(stage),
            "random reads (4 threads)" => self.threaded_reads(stage, step, 4),
            "random reads (8 threads)" => self.threaded_reads(stage, step, 8),
            "random reads (16 threads)" => self.threaded_reads(stage, step, 16),
            "random reads (32 threads)" => self.threaded_reads(stage, step, 32),
            "removals" => self.removals(stage),
            "retain" => self.retain(stage),
            "extract_if" => self.extract_if(stage),
            "pop" => self.pop(stage),
            "uncompacted size" => self.size(stage, step),
            "compacted size" => self.compacted_size(stage, step),
            "sorted inserts" => self.sorted_inserts(stage),
            other => fail!("no step `{other}`"),
        }
    }
}

impl Redb {
    /// Writes `count` fresh pairs in one commit.
    fn write_fresh(
        &mut self,
        connection: &dyn Connection,
        count: u64,
        durability: Durability,
    ) -> Result<()> {
        connection.write(durability, &mut |transaction| {
            let mut value = [0; VALUE_BYTES];
            for index in self.next..self.next + count {
                let key = data::key(index);
                data::fill_value(&key, 0, &mut value);
                transaction.put(&key, &value)?;
            }
            Ok(())
        })?;
        self.next += count;
        self.pairs += count;
        Ok(())
    }

    fn bulk_load(&mut self, stage: &mut Stage) -> Result<()> {
        let start = Instant::now();
        let connection = stage.engine()?.connect()?;
        self.write_fresh(connection.as_ref(), self.bulk, Durability::Sync)?;
        drop(connection);
        stage.higher("bulk load", rate(self.bulk, start.elapsed()), "key/s");
        Ok(())
    }

    fn individual_writes(&mut self, stage: &mut Stage) -> Result<()> {
        let connection = stage.engine()?.connect()?;
        let start = Instant::now();
        for _ in 0..self.individual {
            self.write_fresh(connection.as_ref(), 1, Durability::Sync)?;
        }
        let elapsed = start.elapsed();
        drop(connection);
        stage.higher("individual writes", rate(self.individual, elapsed), "txn/s");
        Ok(())
    }

    fn batch_writes(&mut self, stage: &mut Stage) -> Result<()> {
        let connection = stage.engine()?.connect()?;
        let start = Instant::now();
        for _ in 0..BATCHES {
            self.write_fresh(connection.as_ref(), self.batch, Durability::Sync)?;
        }
        let elapsed = start.elapsed();
        drop(connection);
        stage.higher(
            "small batch writes",
            rate(BATCHES * self.batch, elapsed),
            "key/s",
        );
        Ok(())
    }

    fn writes_without_sync(&mut self, stage: &mut Stage) -> Result<()> {
        let connection = stage.engine()?.connect()?;
        let start = Instant::now();
        for _ in 0..self.without_sync {
            self.write_fresh(connection.as_ref(), 1, Durability::Buffered)?;
        }
        let elapsed = start.elapsed();
        drop(connection);
        stage.higher("nosync writes", rate(self.without_sync, elapsed), "txn/s");
        Ok(())
    }

    fn length(&self, stage: &mut Stage) -> Result<()> {
        let connection = stage.engine()?.connect()?;
        let mut transaction = connection.read()?;
        let start = Instant::now();
        let mut calls = 0;
        // The clock takes as long as a length that is known.
        while !u32::is_power_of_two(calls) || calls < LENGTHS_MAX && start.elapsed() < LENGTH_TIME {
            let length = transaction.len()?;
            calls += 1;
            ensure!(
                length == self.pairs,
                "length {length}, expected {}",
                self.pairs
            );
        }
        let elapsed = start.elapsed() / calls;
        drop(transaction);
        drop(connection);
        stage.lower("len()", milliseconds(elapsed) * 1e3, "us");
        Ok(())
    }

    fn random_reads(&self, stage: &mut Stage) -> Result<()> {
        let connection = stage.engine()?.connect()?;
        let mut best = Duration::MAX;
        for round in 0..ROUNDS {
            let start = Instant::now();
            let order = Shuffle::new(self.pairs, round as u64);
            read_pairs(connection.as_ref(), order, self.reads)?;
            best = best.min(start.elapsed());
        }
        drop(connection);
        stage.higher("random reads", rate(self.reads, best), "key/s");
        Ok(())
    }

    fn range_reads(&self, stage: &mut Stage) -> Result<()> {
        let connection = stage.engine()?.connect()?;
        let mut transaction = connection.read()?;
        let mut best = Duration::MAX;
        for round in 0..ROUNDS {
            let mut order = Shuffle::new(self.pairs, 10 + round as u64);
            let (mut wrong, mut short) = (0, 0);
            let start = Instant::now();
            for _ in 0..self.scans {
                let key = data::key(order.next());
                let mut last = [0; data::KEY_BYTES];
                let found = transaction.scan(&key, SCAN_PAIRS, &mut |found, value| {
                    let ordered = found > last.as_slice() && found >= key.as_slice();
                    let intact = data::has_ends_of_value(found, 0, value, VALUE_BYTES);
                    wrong += u64::from(!ordered || !intact);
                    last.copy_from_slice(found);
                })?;
                short += u64::from(found < SCAN_PAIRS);
            }
            best = best.min(start.elapsed());
            ensure!(wrong == 0, "{wrong} pairs are wrong or out of order");
            ensure!(
                short < SCAN_PAIRS as u64 * self.scans.div_ceil(self.pairs),
                "{short} short scans"
            );
        }
        drop(transaction);
        drop(connection);
        stage.higher("random range reads", rate(self.scans, best), "scan/s");
        Ok(())
    }

    fn threaded_reads(&self, stage: &mut Stage, workload: &str, threads: u64) -> Result<()> {
        let engine: &dyn Engine = stage.engine()?;
        let barrier = Barrier::new(threads as usize + 1);
        let share = self.pairs / threads;
        let elapsed: Result<Duration> = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..threads)
                .map(|thread| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        let connection = engine.connect();
                        barrier.wait();
                        let mut order = Shuffle::new(self.pairs, 20);
                        order.skip(thread * share);
                        read_pairs(connection?.as_ref(), order, share)
                    })
                })
                .collect();
            barrier.wait();
            let start = Instant::now();
            for reader in readers {
                joined(reader)?;
            }
            Ok(start.elapsed())
        });
        stage.higher(workload, rate(share * threads, elapsed?), "key/s");
        Ok(())
    }

    fn removals(&mut self, stage: &mut Stage) -> Result<()> {
        let count = self.pairs / 2;
        let connection = stage.engine()?.connect()?;
        let start = Instant::now();
        connection.write(Durability::Sync, &mut |transaction| {
            (0..count).try_for_each(|index| transaction.delete(&data::key(index)))
        })?;
        let elapsed = start.elapsed();
        drop(connection);
        self.pairs -= count;
        stage.higher("removals", rate(count, elapsed), "key/s");
        Ok(())
    }

    fn retain(&mut self, stage: &mut Stage) -> Result<()> {
        let connection = stage.engine()?.connect()?;
        let mut digest = Digest::default();
        let (mut seen, mut removed) = (0_u64, 0);
        let start = Instant::now();
        connection.write(Durability::Sync, &mut |transaction| {
            (seen, digest) = (0, Digest::default());
            removed = transaction.retain(&mut |key, value| {
                let keep = seen.is_multiple_of(2);
                seen += 1;
                if !keep {
                    digest.add(key, value);
                }
                keep
            })?;
            Ok(())
        })?;
        let elapsed = start.elapsed();
        ensure!(seen == self.pairs, "saw {seen} of {} pairs", self.pairs);
        ensure!(removed == seen / 2, "removed {removed} of {seen} pairs");
        self.pairs -= removed;
        self.write_fresh(connection.as_ref(), removed, Durability::Sync)?;
        drop(connection);
        stage.higher("retain", rate(removed, elapsed), "key/s");
        stage.digest("retain", digest.0);
        Ok(())
    }

    fn extract_if(&mut self, stage: &mut Stage) -> Result<()> {
        let (lower, upper) = ([0x55; data::KEY_BYTES], [0xAA; data::KEY_BYTES]);
        let connection = stage.engine()?.connect()?;
        let mut digest = Digest::default();
        let (mut seen, mut visited, mut removed) = (0_u64, 0_u64, 0);
        let start = Instant::now();
        connection.write(Durability::Sync, &mut |transaction| {
            (seen, visited, digest) = (0, 0, Digest::default());
            let mut every_second = |_: &[u8], _: &[u8]| {
                seen += 1;
                seen.is_multiple_of(2)
            };
            removed =
                transaction.extract(&lower, &upper, &mut every_second, &mut |key, value| {
                    digest.add(key, value);
                    visited += 1;
                })?;
            Ok(())
        })?;
        let elapsed = start.elapsed();
        ensure!(
            removed == seen / 2 && visited == removed,
            "{removed} of {seen}, saw {visited}"
        );
        self.pairs -= removed;
        self.write_fresh(connection.as_ref(), removed, Durability::Sync)?;
        drop(connection);
        stage.higher("extract_if", rate(removed, elapsed), "key/s");
        stage.digest("extract_if", digest.0);
        Ok(())
    }

    fn pop(&mut self, stage: &mut Stage) -> Result<()> {
        let connection = stage.engine()?.connect()?;
        let mut digest = Digest::default();
        let (mut popped, mut elapsed) = (0, Duration::ZERO);
        connection.write(Durability::Sync, &mut |transaction| {
            digest = Digest::default();
            let start = Instant::now();
            popped = self.pop_some(transaction, &mut digest)?;
            elapsed = start.elapsed();
            self.delete_what_is_left_to_pop(transaction, popped, &mut digest)
        })?;
        self.pairs -= self.pops;
        self.write_fresh(connection.as_ref(), self.pops, Durability::Sync)?;
        drop(connection);
        stage.higher("pop", rate(popped, elapsed), "key/s");
        stage.digest("pop", digest.0);
        if popped < self.pops {
            stage.note(format!(
                "pop: rate of the first {popped}, the rest would take too long"
            ));
        }
        Ok(())
    }

    /// Pops from both ends in turns until the time is up.
    fn pop_some(&self, transaction: &mut dyn WriteTransaction, digest: &mut Digest) -> Result<u64> {
        let start = Instant::now();
        for popped in 0..self.pops {
            // The clock costs a good part of a fast pop.
            let looks = popped.is_power_of_two() || popped.is_multiple_of(64);
            if looks && start.elapsed() > POP_TIME_MAX {
                return Ok(popped);
            }
            let end = if popped.is_multiple_of(2) {
                End::First
            } else {
                End::Last
            };
            let found = transaction.pop(end, &mut |key, value| digest.add(key, value))?;
            ensure!(found, "nothing to pop after {popped} pairs");
        }
        Ok(self.pops)
    }

    /// Deletes the pairs that were not popped, so that all engines go on with the same contents.
    fn delete_what_is_left_to_pop(
        &self,
        transaction: &mut dyn WriteTransaction,
        popped: u64,
        digest: &mut Digest,
    ) -> Result<()> {
        if popped == self.pops {
            return Ok(());
        }
        let first = self.pops.div_ceil(2) - popped.div_ceil(2);
        let last = self.pairs - popped - (self.pops / 2 - popped / 2);
        let mut index = 0;
        transaction.retain(&mut |key, value| {
            let keep = (first..last).contains(&index);
            index += 1;
            if !keep {
                digest.add(key, value);
            }
            keep
        })?;
        Ok(())
    }

    fn size(&self, stage: &mut Stage, workload: &str) -> Result<()> {
        let bytes = disk_bytes(stage.directory())?;
        stage.lower(workload, bytes as f64 / f64::from(1 << 20), "MiB");
        Ok(())
    }

    fn compacted_size(&mut self, stage: &mut Stage, workload: &str) -> Result<()> {
        let start = Instant::now();
        stage.engine()?.compact()?;
        let elapsed = start.elapsed();
        // Some engines give space back only with the next commit.
        let connection = stage.engine()?.connect()?;
        self.write_fresh(connection.as_ref(), 1, Durability::Sync)?;
        drop(connection);
        self.size(stage, workload)?;
        stage.lower("compaction", elapsed.as_secs_f64(), "s");
        Ok(())
    }

    /// Pairs behind every random key, through the fastest way that an engine offers.
    fn sorted_inserts(&mut self, stage: &mut Stage) -> Result<()> {
        let pairs: Vec<_> = (0..self.sorted)
            .map(|index| {
                let mut key = [0xFF; data::KEY_BYTES + 8];
                key[data::KEY_BYTES..].copy_from_slice(&index.to_be_bytes());
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
        self.pairs += self.sorted;
        let length = connection.read()?.len()?;
        drop(connection);
        ensure!(
            length == self.pairs,
            "length {length}, expected {}",
            self.pairs
        );
        stage.higher("sorted inserts", rate(self.sorted, elapsed), "key/s");
        Ok(())
    }
}

/// Reads pairs in the given order, in one transaction, and compares their values.
fn read_pairs(connection: &dyn Connection, mut order: Shuffle, count: u64) -> Result<()> {
    let mut transaction = connection.read()?;
    let mut intact = 0;
    for _ in 0..count {
        let key = data::key(order.next());
        transaction.get(&key, &mut |value| {
            intact += u64::from(data::has_ends_of_value(&key, 0, value, VALUE_BYTES));
        })?;
    }
    ensure!(
        intact == count,
        "{} of {count} values are missing or wrong",
        count - intact
    );
    Ok(())
}
