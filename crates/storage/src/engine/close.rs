//! Closing: what is in memory goes to disk, in the cheapest form that makes the next open fast.

use crate::engine::Inner;
use crate::engine::write::Writer;
use crate::error::{Error, Result};
use crate::manifest::VersionEdit;

/// A memtable up to this size is left to the log: replaying it takes less than a millisecond.
const LEFT_TO_LOG_BYTES: usize = 128 << 10;

impl Inner {
    /// See [`Engine::close`](crate::engine::Engine::close).
    pub(crate) fn close(&self) -> Result<()> {
        let was_healthy = self.fault.is_healthy();
        if !self.fault.close() {
            return Err(Error::Closed);
        }
        self.background.stop();
        // A leader that was already past the check finishes first: it holds the writer.
        let writer = self.writer.lock().take();
        let result = match writer {
            Some(writer) if was_healthy => self.write_out(writer),
            _ => Ok(()),
        };
        self.versions.lock().manifest = None;
        self.reap_all();
        *self.lock.lock() = None;
        result
    }

    fn write_out(&self, mut writer: Writer) -> Result<()> {
        self.sync_values()?;
        writer.log.finish()?;
        self.value_writer.finish()?;
        let memtable = writer.memtable.memtable().clone();
        let must_flush = memtable.used_bytes() > LEFT_TO_LOG_BYTES;
        let mut versions = self.versions.lock();
        if must_flush || !(versions.frozen.is_empty() || memtable.is_empty()) {
            let sequence = self.visible.load(std::sync::atomic::Ordering::Acquire);
            memtable.set_counts_at_freeze(self.keyspaces.counts_at(sequence));
            versions.freeze_last(self);
        } else if !memtable.is_empty() {
            // That the segment is needed, so that its loss is noticed.
            let edit = VersionEdit {
                wal_ends: vec![(writer.log_number, writer.log.end())],
                ..VersionEdit::default()
            };
            versions.install(self, edit, 0)?;
        }
        drop(versions);
        while self.flush_one()? {}
        Ok(())
    }
}
