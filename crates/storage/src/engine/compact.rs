//! Compaction, driven: what the decisions and the executor of [`crate::compaction`] need from an
//! open engine, and what becomes of their results.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustdb_vfs::sync::Mutex;

use crate::compaction::{
    self, Cancel, Choice, JobContext, ManualRange, ManualStep, Moment, Progress, RateLimiter,
    Reservations, Shape, TableProfiles, TableSpace, Ticket,
};
use crate::engine::super_version::SuperVersion;
use crate::engine::{Engine, Inner};
use crate::error::Result;
use crate::key::{FileNumber, KeyspaceId, SequenceNumber, storage_key};
use crate::memory::Account;
use crate::table::TableOptions;
use crate::value::{FileNumbers, ValueWriter};

/// What running compactions share.
pub(crate) struct Compactions {
    /// What they read and write. Taken before the version is loaded, so that what has been
    /// released is no longer in the version.
    pub busy: Mutex<Reservations>,
    pub limiter: RateLimiter,
    /// Takes values that are moved out of files that are mostly dead.
    pub moved_values: ValueWriter,
    pub numbers: FileNumbers,
}

/// A choice, what it was made from, and the reservation for it.
pub(super) struct Job {
    pub(super) choice: Choice,
    ticket: Ticket,
    pub(super) super_version: Arc<SuperVersion>,
}

/// What decisions depend on besides the shape, owned.
pub(super) struct Circumstances {
    snapshots: Vec<SequenceNumber>,
    visible: SequenceNumber,
    flushed: SequenceNumber,
    unsettled: BTreeSet<FileNumber>,
    retired_keys: Vec<u32>,
    now_micros: u64,
    switches: u64,
}

impl Engine {
    /// Compacts a range of a keyspace: everything in it goes to the last level, and what nobody
    /// needs any more leaves the disk. `end` is exclusive; `None` is the end of the keyspace.
    pub fn compact_range(
        &self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<()> {
        let (mut lower, mut upper) = (Vec::new(), Vec::new());
        storage_key(keyspace, start, &mut lower);
        match end {
            Some(end) => storage_key(keyspace, end, &mut upper),
            None => upper.extend_from_slice(&KeyspaceId(keyspace.0 + 1).prefix()),
        }
        self.inner()
            .compact_manually(Some(lower.into()), Some(upper.into()), &never)
    }

    /// Compacts everything.
    pub fn compact(&self) -> Result<()> {
        self.compact_until(&never)
    }

    /// Compacts everything, until `is_unwanted` says so: then [`Error::Cancelled`]. What is done by
    /// then stays done, and what was under way leaves nothing behind.
    ///
    /// `is_unwanted` is called on this thread, every few hundred kilobytes, so it should be cheap.
    pub fn compact_until(&self, is_unwanted: &dyn Fn() -> bool) -> Result<()> {
        self.inner().compact_all(is_unwanted)
    }
}

/// Goes on to the end.
fn never() -> bool {
    false
}

impl Inner {
    /// Carries out the most urgent compaction; `false` if nothing is due.
    pub(crate) fn compact_one(&self) -> Result<bool> {
        self.fault.check_internal()?;
        if self.memory.is_scarce(Account::Builders) {
            // Other merges have the memory; whoever ends first wakes us.
            return Ok(false);
        }
        let job = self.choose(|shape, moment, busy| {
            compaction::pick(shape, &self.options.compaction, moment, busy)
        });
        match job {
            Some(job) => {
                let cancel = Cancel::on(self.background.shutdown_flag());
                self.carry_out(job, cancel).map(|()| true)
            }
            None => Ok(false),
        }
    }

    /// See [`Engine::compact_until`].
    pub(crate) fn compact_all(&self, is_unwanted: &dyn Fn() -> bool) -> Result<()> {
        self.compact_manually(None, None, is_unwanted)
    }

    fn compact_manually(
        &self,
        start: Option<Box<[u8]>>,
        end: Option<Box<[u8]>>,
        is_unwanted: &dyn Fn() -> bool,
    ) -> Result<()> {
        let cancel = Cancel::on_either(self.background.shutdown_flag(), is_unwanted);
        let written = self.visible.load(Ordering::Acquire);
        self.flush_all()?;
        self.wait_for_compactions(cancel)?;
        let range = ManualRange {
            start,
            end,
            written,
            before: self.peek_file_number(),
        };
        loop {
            self.fault.check()?;
            cancel.check()?;
            let mut is_done = false;
            let job = self.choose(|shape, moment, busy| {
                let options = &self.options.compaction;
                match compaction::pick_manual(shape, options, moment, busy, &range) {
                    ManualStep::Do(choice) => Some(choice),
                    ManualStep::Wait => None,
                    ManualStep::Done => {
                        is_done = true;
                        None
                    }
                }
            });
            match job {
                Some(job) => self.carry_out(job, cancel)?,
                None if is_done => break,
                None => self.background.wait_a_little(),
            }
        }
        self.collect_values()?;
        self.reap_all();
        Ok(())
    }

    /// Waits for the compactions that run now: they may keep what snapshots needed that are gone.
    fn wait_for_compactions(&self, cancel: Cancel<'_>) -> Result<()> {
        let newest = self.compactions.busy.lock().newest();
        while self.compactions.busy.lock().has_any_until(newest) {
            self.fault.check()?;
            cancel.check()?;
            self.background.wait_a_little();
        }
        Ok(())
    }

    /// Makes a choice and reserves it, as one step.
    fn choose(
        &self,
        pick: impl FnOnce(&Shape, &Moment<'_>, &Reservations) -> Option<Choice>,
    ) -> Option<Job> {
        let mut busy = self.compactions.busy.lock();
        let super_version = self.super_version.load_full();
        if let Err(error) = super_version.version.load_tombstones() {
            // What is not loaded is not dropped; merges that need the table will report it.
            tracing::warn!(%error, "cannot read range tombstones");
        }
        let circumstances = self.circumstances(&super_version);
        let mut shape = Shape::of(&super_version.version);
        if self.needs_space() {
            let noted = shape.note_covered(&super_version.version, &circumstances.moment());
            if let Err(error) = noted {
                tracing::warn!(%error, "cannot tell what range tombstones cover");
            }
        }
        let choice = pick(&shape, &circumstances.moment(), &busy)?;
        let ticket = busy.reserve(&choice);
        Some(Job {
            choice,
            ticket,
            super_version,
        })
    }

    pub(super) fn circumstances(&self, super_version: &SuperVersion) -> Circumstances {
        let memtables = || super_version.frozen().chain([&super_version.active]);
        let in_memtables = memtables().flat_map(|memtable| memtable.references());
        let mut unsettled: BTreeSet<FileNumber> = in_memtables.map(|(file, _)| file).collect();
        let files = super_version.version.value_files().keys();
        unsettled.extend(files.filter(|number| !self.values.is_settled(**number)));
        let (snapshots, visible) = self.snapshots.list(&self.visible);
        Circumstances {
            snapshots,
            visible,
            flushed: memtables()
                .map(|m| m.min_seq())
                .min()
                .unwrap_or(0)
                .saturating_sub(1),
            unsettled,
            retired_keys: self.retired_keys(),
            now_micros: self.vfs.wall_micros(),
            switches: super_version.switches(),
        }
    }

    /// Data keys under which nothing new is sealed; tables under them are rewritten.
    fn retired_keys(&self) -> Vec<u32> {
        let Some(ring) = self.security.key_ring() else {
            return Vec::new();
        };
        let active = ring.active().id();
        let retired = ring
            .data_keys()
            .iter()
            .map(|key| key.id())
            .filter(|id| *id != active);
        retired.map(|id| id.get()).collect()
    }

    fn carry_out(&self, job: Job, cancel: Cancel<'_>) -> Result<()> {
        let result = self.run_choice(&job, cancel);
        self.compactions.busy.lock().release(job.ticket);
        drop(job.super_version);
        self.background.wake();
        result?;
        self.collect_values()?;
        self.reap();
        Ok(())
    }

    fn run_choice(&self, job: &Job, cancel: Cancel<'_>) -> Result<()> {
        let start = self.vfs.monotonic();
        self.check_room_for_output(job)?;
        let new_run = self.versions.lock().new_run();
        // NB: after the version was loaded.
        let (snapshots, visible) = self.snapshots.list(&self.visible);
        let context = JobContext {
            space: TableSpace {
                vfs: &self.vfs,
                security: &self.security,
                directory: &self.directory,
                numbers: &self.compactions.numbers,
                profiles: self,
                memory: Some(&self.memory),
            },
            version: &job.super_version.version,
            options: &self.options.compaction,
            snapshots: &snapshots,
            visible,
            new_run,
            values: &self.values,
            moved_values: &self.compactions.moved_values,
            limiter: &self.compactions.limiter,
            cancel,
            space_kept: self.space_kept_by_merges(),
            progress: &Progress::default(),
        };
        let mut outcome = compaction::run(&job.choice, &context)?;
        let stats = outcome.stats;
        self.sync_directory()?;
        let mut versions = self.versions.lock();
        outcome.edit.next_file_number = Some(self.peek_file_number());
        outcome.edit.next_run = Some(versions.next_run);
        versions.install(self, outcome.edit, 0)?;
        drop((versions, outcome.pins));
        let elapsed = self.vfs.monotonic().saturating_sub(start);
        self.counters
            .record_compaction(stats.read_bytes, stats.written_bytes, elapsed);
        tracing::debug!(
            reason = ?job.choice.reason,
            read = stats.read_bytes,
            written = stats.written_bytes,
            ?elapsed,
            "compacted"
        );
        Ok(())
    }
}

impl Circumstances {
    pub(super) fn moment(&self) -> Moment<'_> {
        Moment {
            now_micros: self.now_micros,
            snapshots: &self.snapshots,
            visible: self.visible,
            flushed: self.flushed,
            unsettled_values: &self.unsettled,
            retired_keys: &self.retired_keys,
            switches: self.switches,
        }
    }
}

impl TableProfiles for Inner {
    fn table_options(&self, level: usize, keyspace: KeyspaceId) -> TableOptions {
        self.table_options_of(level, Some(keyspace.prefix()))
    }
}

impl Compactions {
    pub(super) fn new(
        limiter: RateLimiter,
        moved_values: ValueWriter,
        numbers: FileNumbers,
    ) -> Self {
        Self {
            busy: Mutex::new(Reservations::new()),
            limiter,
            moved_values,
            numbers,
        }
    }
}
