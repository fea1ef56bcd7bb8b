//! Flush: frozen memtables become a run of level 0, without the versions that nobody can see.

use std::sync::Arc;

use crate::compaction::Stripes;
use crate::engine::Inner;
use crate::error::{Error, Result};
use crate::key::{EntryKind, FileNumber, SequenceNumber};
use crate::manifest::{AddedTable, TableMeta, VersionEdit};
use crate::memtable::Memtable;

impl Inner {
    /// Writes the oldest frozen memtable to level 0; `false` if there was none.
    ///
    /// A failure leaves no trace but a poisoned engine where the manifest is concerned; a failed
    /// table is removed and can be tried again.
    pub(crate) fn flush_one(&self) -> Result<bool> {
        let Some(memtable) = self.versions.lock().frozen.front().cloned() else {
            return Ok(false);
        };
        self.wait_until_visible(memtable.max_seq())?;
        let start = self.vfs.monotonic();
        let tables = self.write_memtable(&memtable)?;
        let bytes: u64 = tables.iter().map(|table| table.meta.file_bytes).sum();
        let floor = self.install_flush(&memtable, tables)?;
        self.remove_logs_below(floor);
        self.collect_values()?;
        self.reap();
        let elapsed = self.vfs.monotonic().saturating_sub(start);
        self.counters.record_flush(bytes, elapsed);
        tracing::debug!(
            entries = memtable.entries(),
            bytes,
            ?elapsed,
            "memtable flushed"
        );
        Ok(true)
    }

    /// Has the active memtable flushed if iterators have stepped past as many old versions in it as
    /// a flush would have read. The flush leaves them out, unless snapshots need them, so that
    /// reading again and again what is often overwritten costs at most twice what it would with
    /// every flush at the best moment (the argument of the ski rental problem).
    pub(crate) fn freeze_versions(&self) -> Result<()> {
        let super_version = self.super_version.load_full();
        let is_worn = super_version.active.is_worn();
        match is_worn && super_version.frozen().next().is_none() {
            true => self.freeze_in_turn(),
            false => Ok(()),
        }
    }

    /// Writes a memtable to a new table, which nothing names yet, and makes it durable.
    fn write_memtable(&self, memtable: &Memtable) -> Result<Vec<AddedTable>> {
        let number = self.new_file_number();
        let written = self.write_table(number, memtable).and_then(|meta| {
            self.sync_directory()?;
            Ok(meta)
        });
        if written.is_err() {
            self.remove_table_file(number);
        }
        let meta = Arc::new(written?);
        Ok(vec![AddedTable {
            level: 0,
            run: 0,
            meta,
        }])
    }

    fn write_table(&self, number: FileNumber, memtable: &Memtable) -> Result<TableMeta> {
        let mut builder = self.table_builder(number, 0)?;
        // Snapshots that are taken from now on see at least all of the memtable, which is visible.
        let (snapshots, _) = self.snapshots.list(&self.visible);
        let mut needed = Needed::new(&snapshots, memtable);
        let mut keyspace = None;
        let mut cursor = memtable.cursor();
        cursor.seek_to_first();
        while cursor.valid() {
            let kind = crate::memtable::known_kind(cursor.kind());
            if needed.is_needed(cursor.key(), cursor.seq(), kind) {
                if cursor.key().first_chunk() != keyspace.as_ref() {
                    keyspace = cursor.key().first_chunk().copied();
                    builder.set_options(self.table_options_of(0, keyspace))?;
                }
                builder.add(cursor.key(), cursor.seq(), kind, cursor.value())?;
            }
            cursor.next();
        }
        for tombstone in memtable.tombstones().retained(&snapshots) {
            builder.add_range_tombstone(&tombstone.start, &tombstone.end, tombstone.seq)?;
        }
        builder.finish()
    }

    /// Writes the oldest frozen memtable while recovery has no manifest yet.
    pub(crate) fn flush_recovered(&self, memtable: &Memtable) -> Result<()> {
        let mut added = self.write_memtable(memtable)?;
        let mut versions = self.versions.lock();
        let run = versions.new_run();
        added.iter_mut().for_each(|table| table.run = run);
        let files = memtable.references().into_iter().map(|(file, _)| file);
        let value_files_added = self.metas_of_values(files, &versions.version)?;
        self.settle_values(&value_files_added, &versions.version)?;
        let edit = VersionEdit {
            added,
            value_files_added,
            ..VersionEdit::default()
        };
        versions.install(self, edit, 1)
    }

    fn install_flush(
        &self,
        memtable: &Arc<Memtable>,
        mut added: Vec<AddedTable>,
    ) -> Result<FileNumber> {
        let mut versions = self.versions.lock();
        let run = versions.new_run();
        for table in &mut added {
            table.run = run;
        }
        // The next memtable's log segment is the oldest one still needed.
        let next = versions.frozen.get(1).unwrap_or(&versions.active);
        let floor = next.first_log();
        let edit = VersionEdit {
            added,
            value_files_added: self.metas_of_values(
                memtable.references().into_iter().map(|(file, _)| file),
                &versions.version,
            )?,
            next_file_number: Some(self.peek_file_number()),
            next_run: Some(versions.next_run),
            next_keyspace: Some(self.peek_keyspace()),
            last_sequence: Some(memtable.max_seq()),
            wal_floor: Some(floor),
            flushed_sequence: Some(memtable.max_seq()),
            counts: memtable.counts_at_freeze(),
            ..VersionEdit::default()
        };
        versions.install(self, edit, 1)?;
        Ok(floor)
    }

    /// Waits until the visible sequence reaches `sequence`, which some leader is about to publish.
    pub(crate) fn wait_until_visible(&self, sequence: u64) -> Result<()> {
        while self.visible.load(std::sync::atomic::Ordering::Acquire) < sequence {
            self.fault.check()?;
            self.vfs.sleep(std::time::Duration::from_micros(200));
        }
        Ok(())
    }

    /// Removes log segments that nothing needs any more.
    pub(crate) fn remove_logs_below(&self, floor: FileNumber) {
        let entries = match self.vfs.read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(%error, "cannot list the directory to remove old logs");
                return;
            }
        };
        for entry in entries {
            if let Some(crate::names::FileName::Wal(number)) =
                crate::names::FileName::parse(&entry.name)
                && number < floor
                && let Err(error) = self.vfs.remove_file(&entry.path)
            {
                tracing::warn!(%error, path = %entry.path.display(), "cannot remove an old log");
            }
        }
    }

    /// Blocks until no frozen memtable is left, or writing has failed.
    pub(crate) fn wait_for_flush(&self) -> Result<()> {
        *self.background.flush_error.lock() = None;
        self.background.wake();
        self.background.wait_until(|| {
            if let Some(reason) = self.fault.reason() {
                return Some(Err(Error::Poisoned(reason)));
            }
            if self.versions.lock().frozen.is_empty() {
                return Some(Ok(()));
            }
            // It will be tried again, but whoever waits should know.
            self.background.flush_error.lock().clone().map(Err)
        })
    }
}

/// Decides, entry after entry in their order, which versions a flush writes: those that a snapshot
/// sees, and the newest.
///
/// Who reads without a snapshot has the memtable, or a sequence number that was published after
/// all of it. References stay, for the file they lead to goes with the last of them, and who has
/// the memtable may still follow one.
struct Needed {
    stripes: Stripes,
    key: Vec<u8>,
    /// The sequence number of the entry before, whose key is `key`.
    newer: Option<SequenceNumber>,
}

impl Needed {
    fn new(snapshots: &[SequenceNumber], memtable: &Memtable) -> Self {
        Self {
            stripes: Stripes::new(snapshots, memtable.max_seq()),
            key: Vec::new(),
            newer: None,
        }
    }

    fn is_needed(&mut self, key: &[u8], seq: SequenceNumber, kind: EntryKind) -> bool {
        let newer = self.newer.replace(seq).filter(|_| self.key == key);
        let Some(newer) = newer else {
            self.key.clear();
            self.key.extend_from_slice(key);
            return true;
        };
        // A commit that wrote a key twice may have left two entries; the first one counts.
        let is_same = newer == seq;
        !is_same && (kind.is_reference() || self.stripes.end_of(newer) != self.stripes.end_of(seq))
    }
}

#[cfg(test)]
mod tests;
