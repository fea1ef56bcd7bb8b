//! A disk that is nearly full: writes are refused before anything is written.
//!
//! ```text
//!   free space   |--------------- writes ---------------|-- owed --|---- reserve ----|
//!                                                        flushes     compaction | deletes
//! ```
//!
//! *Owed* is what memtables will take when they are flushed. Writes leave that and the reserve
//! alone, so that what was accepted can always be flushed. Compaction may use the upper half of the
//! reserve, deletions all but a quarter: both are how space comes back. The last quarter is for
//! logs and manifests, whose failure would end writing.
//!
//! A refusal leaves no trace, and the next write asks again: writes resume with the space.

use std::sync::atomic::Ordering;

use crate::compaction::{Action, Choice};
use crate::engine::Inner;
use crate::engine::batch::Batch;
use crate::error::{Error, Result};

/// How much is written before the free space is looked at again.
const SPACE_CHECK_BYTES: u64 = 1 << 20;

/// A merge is taken to leave at least this part of its inputs.
const OUTPUT_PART_MIN: u64 = 8;

impl Inner {
    /// Refuses a batch that the disk has no room for.
    pub(crate) fn check_room_for_batch(&self, batch: &Batch) -> Result<()> {
        let bytes = batch.bytes() as u64;
        match batch.only_deletes() {
            true => self.check_room(bytes, self.options.reserve_bytes / 4, 0),
            false => self.check_room_for_data(bytes),
        }
    }

    /// Refuses to write `bytes` if the disk has no room for them.
    pub(crate) fn check_room_for_data(&self, bytes: u64) -> Result<()> {
        let reserve = self.options.reserve_bytes;
        self.check_room(bytes, reserve, self.owed_bytes())
    }

    /// Asks the system once per mebibyte written, and always while space is low.
    fn check_room(&self, bytes: u64, reserve: u64, owed: u64) -> Result<()> {
        let unchecked = &self.counters.log_bytes_checked;
        let since = unchecked.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let is_low = self.background.space_is_low.load(Ordering::Acquire);
        if since < SPACE_CHECK_BYTES && !is_low {
            return Ok(());
        }
        unchecked.store(0, Ordering::Relaxed);
        self.check_space();
        let limit = reserve.saturating_add(owed).saturating_add(bytes);
        match self.available_bytes() < limit {
            true => Err(self.no_space()),
            false => Ok(()),
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

    /// While space is low, sees to it that deletions reach the tables: only there do they free any.
    pub(crate) fn freeze_deletions(&self) -> Result<()> {
        let super_version = self.super_version.load_full();
        let active = &super_version.active;
        let has_deletions = active.has_tombstones() || active.deletions() > 0;
        let is_low = self.background.space_is_low.load(Ordering::Acquire);
        if is_low && has_deletions && super_version.frozen().next().is_none() {
            return self.freeze_in_turn();
        }
        Ok(())
    }

    /// Refuses a merge whose output may not fit the disk.
    pub(crate) fn check_room_for_output(&self, choice: &Choice) -> Result<()> {
        if !matches!(choice.action, Action::Merge { .. }) {
            return Ok(());
        }
        let inputs = choice.inputs().map(|table| {
            let dead = 2 * table.tombstones + table.shadowed;
            let live = table.entries.saturating_sub(dead);
            let live_bytes = table.file_bytes as f64 * live as f64 / table.entries.max(1) as f64;
            (live_bytes as u64).max(table.file_bytes / OUTPUT_PART_MIN)
        });
        let output: u64 = inputs.sum();
        let limit = output
            .saturating_add(self.owed_bytes())
            .saturating_add(self.space_kept_by_merges());
        match self.available_bytes() < limit {
            true => Err(self.no_space()),
            false => Ok(()),
        }
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

    pub(crate) fn no_space(&self) -> Error {
        Error::NoSpace {
            path: self.directory.clone(),
        }
    }
}
