//! A disk that is nearly full: writes are refused before anything is written.
//!
//! ```text
//!   free space   |--------------- writes ---------------|-- owed --|---- reserve ----|
//!                                                        flushes     compaction | deletes
//! ```
//!
//! *Owed* is what memtables will take when they are flushed. Writes leave that and the reserve
//! alone, so that what was accepted can always be flushed. Compaction may use the upper half of the
//! reserve, deletions all but a quarter: both are how space comes back. While space is low, tables
//! that range tombstones cover in part, as of a dropped keyspace, are rewritten one by one, because
//! merging all of them down would take more room than there is. The last quarter is for
//! logs and manifests, whose failure would end writing.
//!
//! A refusal leaves no trace, and the next write asks again: writes resume with the space.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use crate::compaction::{self, Action};
use crate::engine::Inner;
use crate::engine::batch::Batch;
use crate::engine::compact::Job;
use crate::error::{Error, Result, Room, Shortage};

/// How much is written before the free space is looked at again.
const SPACE_CHECK_BYTES: u64 = 1 << 20;

/// A merge is taken to leave at least this part of its inputs.
const OUTPUT_PART_MIN: u64 = 8;

impl Inner {
    /// Refuses a batch that the disk has no room for.
    pub(crate) fn check_room_for_batch(&self, batch: &Batch) -> Result<()> {
        let bytes = batch.bytes() as u64;
        match batch.only_deletes() {
            true => self.check_room(bytes, self.options.reserve_bytes / 4, || 0),
            false => self.check_room_for_data(bytes),
        }
    }

    /// Refuses to write `bytes` if the disk has no room for them.
    pub(crate) fn check_room_for_data(&self, bytes: u64) -> Result<()> {
        let reserve = self.options.reserve_bytes;
        self.check_room(bytes, reserve, || self.owed_bytes())
    }

    /// Asks the system once per mebibyte written, and always while space is low.
    fn check_room(&self, bytes: u64, reserve: u64, owed: impl Fn() -> u64) -> Result<()> {
        let unchecked = &self.counters.log_bytes_checked;
        // Not one step: that two threads at once may lose one's bytes only delays the next look.
        let since = unchecked.load(Ordering::Relaxed) + bytes;
        unchecked.store(since, Ordering::Relaxed);
        let is_low = self.background.space_is_low.load(Ordering::Acquire);
        if since < SPACE_CHECK_BYTES && !is_low {
            return Ok(());
        }
        unchecked.store(0, Ordering::Relaxed);
        self.check_space();
        let room = Room {
            available: self.available_bytes(),
            wanted: bytes,
            kept: reserve.saturating_add(owed()),
        };
        match room.is_enough() {
            true => Ok(()),
            false => Err(self.no_space(room)),
        }
    }

    /// Looks whether the disk is nearly full.
    pub(crate) fn check_space(&self) {
        let available = self.available_bytes();
        let limit = self
            .options
            .reserve_bytes
            .saturating_add(self.owed_bytes())
            .saturating_add(SPACE_CHECK_BYTES.min(self.options.reserve_bytes));
        let is_low = available < limit;
        if self.background.space_is_low.swap(is_low, Ordering::AcqRel) != is_low {
            if is_low {
                tracing::warn!(available, "the disk is nearly full");
            } else {
                tracing::info!(available, "the disk has space again");
            }
        }
    }

    /// Whether space has to be made, be it for writes or for the merges that they wait for.
    pub(crate) fn needs_space(&self) -> bool {
        self.background.space_is_low.load(Ordering::Acquire) || self.lacks_space()
    }

    /// While space is needed, sees to it that deletions reach the tables: only there do they free any.
    pub(crate) fn freeze_deletions(&self) -> Result<()> {
        let super_version = self.super_version.load_full();
        let active = &super_version.active;
        let has_deletions = active.has_tombstones() || active.deletions() > 0;
        match has_deletions && super_version.frozen().next().is_none() && self.needs_space() {
            true => self.freeze_in_turn(),
            false => Ok(()),
        }
    }

    /// Refuses a merge whose output may not fit the disk.
    pub(super) fn check_room_for_output(&self, job: &Job) -> Result<()> {
        if !matches!(job.choice.action, Action::Merge { .. }) {
            return Ok(());
        }
        let mut room = Room {
            available: self.available_bytes(),
            wanted: job.choice.input_bytes(),
            kept: self
                .owed_bytes()
                .saturating_add(self.space_kept_by_merges()),
        };
        if !room.is_enough() {
            // Looking into tables costs something: only if it matters.
            room.wanted = self.output_bytes(job)?;
        }
        match room.is_enough() {
            true => Ok(()),
            false => Err(self.no_space(room)),
        }
    }

    /// The length of a merge's output, about.
    fn output_bytes(&self, job: &Job) -> Result<u64> {
        let version = &job.super_version.version;
        let circumstances = self.circumstances(&job.super_version);
        let tombstones = compaction::range_tombstones(version);
        let inputs: BTreeSet<_> = job.choice.input_numbers().into_iter().collect();
        let mut output = 0u64;
        for table in version.tables() {
            let meta = table.meta();
            if !inputs.contains(&meta.number) {
                continue;
            }
            let moment = circumstances.moment();
            let covered = compaction::covered_bytes(table, &tombstones, &moment)?;
            let uncovered = meta.file_bytes.saturating_sub(covered);
            let dead = 2 * meta.tombstones + meta.shadowed;
            let live = meta.entries.saturating_sub(dead) as f64 / meta.entries.max(1) as f64;
            output += ((uncovered as f64 * live) as u64).max(uncovered / OUTPUT_PART_MIN);
        }
        Ok(output)
    }

    /// A merge gives up when it has left less free space than this.
    pub(crate) fn space_kept_by_merges(&self) -> u64 {
        self.options.reserve_bytes / 2
    }

    /// What memtables will take on disk, about.
    fn owed_bytes(&self) -> u64 {
        let super_version = self.super_version.load();
        let memtables = super_version.frozen().chain([&super_version.active]);
        memtables
            .map(|memtable| memtable.used_bytes() as u64)
            .sum::<u64>()
    }

    /// The free space, or plenty if the system does not say.
    fn available_bytes(&self) -> u64 {
        let available = self.vfs.available_bytes(&self.directory);
        available.unwrap_or(u64::MAX)
    }

    fn no_space(&self, room: Room) -> Error {
        Error::NoSpace {
            path: self.directory.clone(),
            shortage: Shortage::Kept(room),
        }
    }
}
