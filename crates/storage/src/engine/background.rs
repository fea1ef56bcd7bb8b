//! Background threads: one that flushes, some that compact, on their own clock, and one that
//! writes what the log has buffered when no commit waits for that.
//!
//! Writers are not stopped dead when the background falls behind; they are paced. The pace
//! follows from how much work is owed ([`crate::compaction::pace`]) and from how many memtables
//! wait for their flush; only at the far end of it do writers wait, on a condition variable that
//! progress, failure and shutdown all notify.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustdb_vfs::JoinHandle;
use rustdb_vfs::sync::{Condvar, Mutex};

use crate::compaction::{self, Pace};
use crate::engine::Inner;
use crate::engine::batch::Batch;
use crate::engine::versions::VersionSet;
use crate::error::{Error, Result};
use crate::log::LogHand;

/// How often idle threads look for work that time brings: expiry, age, free space.
const IDLE_CHECK: Duration = Duration::from_secs(1);

/// How long a failed background job waits before it is tried again.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// A writer that waits for the background gives up after this time if the background's work keeps
/// failing. What fails once is tried again before.
const FAILING_WAIT_MAX: Duration = Duration::from_secs(5);

/// The pressure that means "wait".
const STOP: u64 = u64::MAX;

/// The meeting point of background threads and those who wait for them.
#[derive(Debug, Default)]
pub(crate) struct Background {
    /// Counts calls of `wake`.
    generation: Mutex<u64>,
    changed: Condvar,
    shutdown: AtomicBool,
    threads: Mutex<Vec<JoinHandle>>,
    /// Writes of the log that no commit waits for.
    pub log_hand: Arc<LogHand>,
    /// What a paced writer waits per mebibyte, in microseconds; [`STOP`] means until it changes.
    pressure: AtomicU64,
    /// Why the last flush failed, if it did.
    pub flush_error: Mutex<Option<Error>>,
    /// Why the last compaction failed, if it did.
    compaction_error: Mutex<Option<Error>>,
    /// Set while the disk has hardly more free space than writes have to leave.
    pub space_is_low: AtomicBool,
}

impl Background {
    /// Tells all threads, and all who wait for them, to look again.
    pub fn wake(&self) {
        *self.generation.lock() += 1;
        self.changed.notify_all();
    }

    pub fn is_shutting_down(&self) -> bool {
        self.shutdown.load(Ordering::Acquire)
    }

    /// The flag itself, for jobs that can be cancelled.
    pub fn shutdown_flag(&self) -> &AtomicBool {
        &self.shutdown
    }

    /// Blocks until `done` returns something. It is asked after every change and now and then.
    pub fn wait_until<R>(&self, mut done: impl FnMut() -> Option<R>) -> R {
        loop {
            let seen = *self.generation.lock();
            if let Some(result) = done() {
                return result;
            }
            let mut generation = self.generation.lock();
            if *generation == seen {
                self.changed.wait_for(&mut generation, IDLE_CHECK);
            }
        }
    }

    /// Why background work gets nowhere, if it fails.
    fn failure(&self) -> Option<Error> {
        let flush = self.flush_error.lock().clone();
        flush.or_else(|| self.compaction_error.lock().clone())
    }

    /// Blocks until something changes after `seen`, or for [`IDLE_CHECK`].
    fn wait_for_change(&self, seen: u64) {
        let mut generation = self.generation.lock();
        if *generation == seen && !self.is_shutting_down() {
            self.changed.wait_for(&mut generation, IDLE_CHECK);
        }
    }

    /// Blocks until something changes, for a short while at most.
    pub fn wait_a_little(&self) {
        let mut generation = self.generation.lock();
        self.changed
            .wait_for(&mut generation, Duration::from_millis(50));
    }

    /// Blocks for `duration`, or until the threads are to stop.
    fn pause(&self, duration: Duration) {
        let mut generation = self.generation.lock();
        if !self.is_shutting_down() {
            self.changed.wait_for(&mut generation, duration);
        }
    }

    /// Stops all threads and waits for them.
    pub fn stop(&self) {
        self.shutdown.store(true, Ordering::Release);
        self.log_hand.close();
        self.wake();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            if !thread.join() {
                tracing::error!("a background thread panicked");
            }
        }
    }
}

impl Inner {
    /// Starts the threads that flush, compact and write to the log.
    pub(crate) fn start_background(self: &Arc<Self>) -> Result<()> {
        self.start_thread("rustdb-log", Self::log_loop)?;
        self.start_thread("rustdb-flush", Self::flush_loop)?;
        for number in 0..self.options.compaction_threads {
            self.start_thread(&format!("rustdb-compact-{number}"), Self::compact_loop)?;
        }
        Ok(())
    }

    fn start_thread(self: &Arc<Self>, name: &str, body: fn(&Self)) -> Result<()> {
        let inner = self.clone();
        let thread = self
            .vfs
            .spawn(name, Box::new(move || body(&inner)))
            .map_err(|e| Error::io("start a thread for", &self.directory, e))?;
        self.background.threads.lock().push(thread);
        Ok(())
    }

    fn log_loop(&self) {
        self.background.log_hand.serve(|transfer| {
            let start = self.vfs.monotonic();
            transfer.run();
            self.counters
                .record_log_write(self.vfs.monotonic().saturating_sub(start));
        });
    }

    fn flush_loop(&self) {
        let mut log_end = None;
        self.work_loop(|| {
            self.check_space();
            self.freeze_deletions()?;
            self.freeze_versions()?;
            let flushed = self.flush_one();
            *self.background.flush_error.lock() = flushed.as_ref().err().cloned();
            if let Ok(false) = flushed {
                log_end = self.vouch_when_idle(log_end);
            }
            flushed.inspect_err(|_| self.background.wake())
        });
    }

    fn compact_loop(&self) {
        self.work_loop(|| {
            let compacted = self.compact_one();
            // Readers that let go of a file tell nobody.
            self.reap();
            let failed = compacted.as_ref().err().cloned();
            let is_news = failed.is_some();
            let before = std::mem::replace(&mut *self.background.compaction_error.lock(), failed);
            // Only the first time: others that compact must not wake each other for ever.
            if is_news && before.is_none() {
                self.background.wake();
            }
            compacted
        });
    }

    /// Runs `job` as long as it finds something to do, and again when something has changed.
    fn work_loop(&self, mut job: impl FnMut() -> Result<bool>) {
        while !self.background.is_shutting_down() {
            let seen = *self.background.generation.lock();
            match job() {
                Ok(true) => self.background.wake(),
                Ok(false) => self.background.wait_for_change(seen),
                Err(Error::Closed) => return,
                Err(error) => {
                    if !self.background.is_shutting_down() {
                        tracing::warn!(%error, "background work failed and will be tried again");
                        self.counters
                            .background_errors
                            .fetch_add(1, Ordering::Relaxed);
                        self.background.pause(RETRY_DELAY);
                    }
                }
            }
            if !self.fault.is_healthy() && !self.background.is_shutting_down() {
                self.background.wait_for_change(seen);
            }
        }
    }

    /// Works out anew how much writers have to be slowed down.
    pub(crate) fn update_pressure(&self, versions: &VersionSet) {
        let waiting = versions.frozen.len();
        let limit = self.options.frozen_memtables_max;
        let pressure = if waiting >= limit {
            STOP
        } else if self.options.compaction_threads == 0 {
            // Whoever compacts by call may be the one who writes.
            0
        } else {
            let shape = compaction::Shape::of(&versions.version);
            match compaction::pace(&shape, &self.options.compaction) {
                Pace::Free => 0,
                Pace::Slow { bytes_per_second } => {
                    (1u64 << 20) * 1_000_000 / bytes_per_second.max(1)
                }
                Pace::Stop => STOP,
            }
        };
        let before = self.background.pressure.swap(pressure, Ordering::AcqRel);
        if before == STOP && pressure != STOP {
            self.background.wake();
        }
    }

    /// Whether background work waits for space, so that waiting for it may take for ever.
    pub(crate) fn lacks_space(&self) -> bool {
        self.lack_of_space().is_some()
    }

    fn lack_of_space(&self) -> Option<Error> {
        let Background {
            flush_error,
            compaction_error,
            ..
        } = &self.background;
        let errors = [flush_error, compaction_error];
        let mut errors = errors.iter().filter_map(|error| error.lock().clone());
        errors.find(|error| matches!(error, Error::NoSpace { .. }))
    }

    /// Lets a batch in, at the pace the background can keep.
    pub(crate) fn admit(&self, batch: &Batch) -> Result<()> {
        let (bytes, only_deletes) = (batch.bytes(), batch.only_deletes());
        let pressure = self.background.pressure.load(Ordering::Acquire);
        if pressure == 0 {
            return Ok(());
        }
        let start = self.vfs.monotonic();
        if pressure == STOP {
            self.background.wait_until(|| {
                if let Err(error) = self.fault.check() {
                    return Some(Err(error));
                }
                if self.background.pressure.load(Ordering::Acquire) != STOP {
                    return Some(Ok(()));
                }
                if let Some(error) = self.lack_of_space() {
                    return Some(match only_deletes {
                        true => Ok(()),
                        false => Err(error),
                    });
                }
                let waited = self.vfs.monotonic().saturating_sub(start);
                let failure = (waited >= FAILING_WAIT_MAX).then(|| self.background.failure());
                failure.flatten().map(Err)
            })?;
        } else {
            let micros = (bytes as u64).saturating_mul(pressure) >> 20;
            let owed = self
                .counters
                .pace_debt_micros
                .fetch_add(micros, Ordering::Relaxed)
                + micros;
            // Short sleeps are inexact; debts are paid once they are worth a sleep.
            if owed >= 1_000 {
                self.counters
                    .pace_debt_micros
                    .fetch_sub(owed, Ordering::Relaxed);
                self.vfs
                    .sleep(Duration::from_micros(owed).min(self.options.pace_delay_max));
            }
        }
        self.counters
            .record_stall(self.vfs.monotonic().saturating_sub(start));
        Ok(())
    }
}
