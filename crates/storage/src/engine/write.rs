//! What the leader of a commit group does: log, sync, apply, publish, and freeze.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::batch::{
    Batch, Operation, Operations, TAG_DELETE_RANGE, TAG_INGEST, decode_commit,
};
use crate::engine::keyspace::{KeyspaceInfo, KeyspaceOptions};
use crate::engine::pipeline::{Durability, Group, Own, Validate};
use crate::engine::{Engine, Inner};
use crate::error::{Error, Result};
use crate::key::{EntryKind, FileNumber, KeyspaceId, SequenceNumber, split_storage_key};
use crate::log::LogWriter;
use crate::manifest::VersionEdit;
use crate::memory::Account;
use crate::memtable::{Approach, MemtableWriter};
use crate::names;
use crate::value::{Reference, ValuePin};

/// A record of the log that holds commits.
pub(crate) const RECORD_COMMITS: u8 = 1;

/// A memtable that depends on about so many log segments is flushed when the database opens.
const SEGMENTS_MAX: u64 = 16;

/// So many bytes of commits that did not ask for more are buffered before the log's thread is asked
/// to write them; what that is at, and what comes meanwhile, a process may hold back too.
const LOG_BUFFER_BYTES: usize = 256 << 10;

/// The log and the active memtable. Only the leader of a commit group touches them.
#[derive(Debug)]
pub(crate) struct Writer {
    pub memtable: MemtableWriter,
    pub log: LogWriter,
    pub log_number: FileNumber,
    /// The segment with the commits that were logged last: those that are applied now. Another one
    /// may have begun since.
    pub logged_in: FileNumber,
    /// The keyspace whose count changed last: the next change tends to be the same one's.
    pub counted: Option<Arc<KeyspaceInfo>>,
    /// Memory for the tail of a commit; empty in between.
    pub tail: Vec<u8>,
}

impl Inner {
    /// See [`Engine::commit`].
    pub(crate) fn commit(
        &self,
        batch: &mut Batch,
        durability: Durability,
        validate: &mut dyn Validate,
    ) -> Result<SequenceNumber> {
        self.fault.check()?;
        self.admit(batch)?;
        self.check_room_for_batch(batch)?;
        let pins = self.write_large_values(batch, durability)?;
        let result = self.commit_batch(batch, durability, validate);
        drop(pins);
        result
    }

    /// Puts the batch's large values into value files and their pointers into the batch. What is
    /// returned keeps those files from being collected until the commit is applied.
    fn write_large_values(
        &self,
        batch: &mut Batch,
        durability: Durability,
    ) -> Result<Vec<ValuePin>> {
        let large = batch.take_large();
        let mut pins = Vec::with_capacity(large.len());
        for value in large {
            self.check_room_for_data(value.bytes.len() as u64)?;
            let appended = self.value_writer.append(&value.bytes)?;
            batch.set_pointer(value.pointer_at, &appended.pointer.encode());
            pins.push(appended.pin);
        }
        if durability == Durability::Sync {
            pins.iter().try_for_each(ValuePin::sync)?;
        } else if !pins.is_empty() {
            self.has_unsynced_values.store(true, Ordering::Release);
        }
        Ok(pins)
    }

    /// Logs and applies the leader's own commit.
    ///
    /// A failure ends writing, because the commit may or may not be there after a crash. What the
    /// disk has no room for is refused before it comes to that.
    pub(crate) fn write_own(&self, own: &Own<'_>) -> Result<()> {
        self.write(|writer| {
            let mut tail = std::mem::take(&mut writer.tail);
            own.batch.encode_tail(own.deltas, &mut tail);
            let header = own
                .batch
                .encode_header(own.sequence, own.micros, tail.len());
            let pieces = [&header, own.batch.encoded_operations(), &tail];
            let logged = self.log(writer, &pieces, own.durability, 1);
            tail.clear();
            writer.tail = tail;
            logged?;
            let deltas = own.deltas.iter().copied();
            let operations = own.batch.operations();
            self.apply(writer, own.sequence, operations, deltas, own.ahead)
        })
    }

    /// Logs and applies a group, as [`Inner::write_own`] does with one commit.
    pub(crate) fn write_group(&self, group: &Group) -> Result<()> {
        self.write(|writer| {
            let mut payload = group.payload.as_slice();
            self.log(writer, &[payload], group.durability, group.commits)?;
            for _ in 0..group.commits {
                let commit = decode_commit(&mut payload).map_err(|reason| {
                    Error::InvalidArgument(format!("a batch is damaged: {reason}"))
                })?;
                let (sequence, deltas) = (commit.sequence, commit.deltas);
                self.apply(writer, sequence, commit.operations, deltas, None)?;
            }
            Ok(())
        })
    }

    /// Runs `body` with the writer, then freezes the memtable if it is full.
    fn write(&self, body: impl FnOnce(&mut Writer) -> Result<()>) -> Result<()> {
        let mut writer = self.writer.lock();
        // NB: with the lock. Who held it may have failed to end the log segment, and nothing may
        // follow such a segment.
        self.fault.check()?;
        let writer = writer.as_mut().ok_or(Error::Closed)?;
        let written = body(writer).and_then(|()| {
            writer.memtable.settle_charge();
            match writer.memtable.memtable().used_bytes() >= self.options.memtable_bytes {
                true => self.freeze(writer, None),
                false => Ok(()),
            }
        });
        written.map_err(|error| {
            self.fault.poison(&error);
            Error::Poisoned(error.to_string().into())
        })
    }

    /// Appends a record with commits, and makes it as durable as wanted.
    fn log(
        &self,
        writer: &mut Writer,
        pieces: &[&[u8]],
        durability: Durability,
        commits: usize,
    ) -> Result<()> {
        writer.logged_in = writer.log_number;
        let log = &mut writer.log;
        log.append_parts(RECORD_COMMITS, pieces)?;
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        add(&self.counters.log_bytes, bytes as u64);
        match durability {
            Durability::Sync => {
                let start = self.vfs.monotonic();
                self.sync_values()?;
                log.sync()?;
                self.counters
                    .record_sync(self.vfs.monotonic().saturating_sub(start));
            }
            Durability::Buffered => self.write_log(log)?,
            Durability::None => {
                // Small memtables have short logs.
                let limit = LOG_BUFFER_BYTES.min(self.options.memtable_bytes / 4);
                if log.buffered_bytes() >= limit {
                    log.flush_later()?;
                }
            }
        }
        add(&self.counters.groups, 1);
        add(&self.counters.commits, commits as u64);
        Ok(())
    }

    /// Hands to the operating system what the log has buffered.
    fn write_log(&self, log: &mut LogWriter) -> Result<()> {
        let start = self.vfs.monotonic();
        log.flush()?;
        self.counters
            .record_log_write(self.vfs.monotonic().saturating_sub(start));
        Ok(())
    }

    /// Applies a commit to the memtable and makes it visible. `ahead` is of the first entry.
    #[inline]
    fn apply(
        &self,
        writer: &mut Writer,
        sequence: SequenceNumber,
        mut operations: Operations<'_>,
        deltas: impl Iterator<Item = (KeyspaceId, i64)>,
        ahead: Option<&Approach<'_>>,
    ) -> Result<()> {
        if operations.remaining() == 1 {
            if let Some(Ok(operation)) = operations.next() {
                self.apply_one(writer, sequence, &operation, ahead)?;
            }
        } else {
            self.apply_all(writer, sequence, operations, ahead)?;
        }
        for (keyspace, delta) in deltas {
            if writer
                .counted
                .as_ref()
                .is_none_or(|info| info.id != keyspace)
            {
                writer.counted = self.keyspaces.by_id(keyspace);
            }
            if let Some(info) = &writer.counted {
                let live = || self.snapshots.list(&self.visible);
                info.apply_delta(sequence, delta, live);
            }
        }
        self.visible.store(sequence, Ordering::Release);
        Ok(())
    }

    /// While an operation is applied the way of the next one is found.
    fn apply_all(
        &self,
        writer: &mut Writer,
        sequence: SequenceNumber,
        operations: Operations<'_>,
        ahead: Option<&Approach<'_>>,
    ) -> Result<()> {
        let memtable = Arc::clone(writer.memtable.memtable());
        let mut rest = operations.clone().skip(1);
        let mut ahead = ahead.copied();
        for operation in operations.flatten() {
            let next = rest.next().and_then(Result::ok);
            let next = next.map(|next| memtable.approach(next.key, sequence));
            self.apply_one(writer, sequence, &operation, ahead.as_ref())?;
            ahead = next;
        }
        Ok(())
    }

    #[inline]
    fn apply_one(
        &self,
        writer: &mut Writer,
        sequence: SequenceNumber,
        operation: &Operation<'_>,
        ahead: Option<&Approach<'_>>,
    ) -> Result<()> {
        if operation.tag == TAG_INGEST {
            return self.apply_ingest(writer, sequence, operation.value);
        }
        if operation
            .kind()
            .is_some_and(|kind| kind != EntryKind::Delete)
        {
            self.empty.note_put(operation.key);
        }
        apply_operation(&mut writer.memtable, sequence, operation, ahead);
        if self.note_keyspace(operation) {
            writer.counted = None;
        }
        Ok(())
    }

    /// Publishes sorted files: everything before them is frozen, then they become a run.
    fn apply_ingest(
        &self,
        writer: &mut Writer,
        sequence: SequenceNumber,
        tables: &[u8],
    ) -> Result<()> {
        if !writer.memtable.memtable().is_empty() {
            // What follows in this group, the commit of the ingest first, is in the segment of the
            // group, so the new memtable depends on it too. NB: that has ended already if this is
            // not the group's first ingest.
            let segment = writer.logged_in;
            self.freeze(writer, Some(segment))?;
        }
        self.install_ingested(sequence, tables)
    }

    /// Keeps the list of keyspaces in step with the system keyspace; `false` if the operation is
    /// on another one.
    pub(crate) fn note_keyspace(&self, operation: &Operation<'_>) -> bool {
        let Some((KeyspaceId::SYSTEM, name)) = split_storage_key(operation.key) else {
            return false;
        };
        let Ok(name) = std::str::from_utf8(name) else {
            return true;
        };
        match operation.kind() {
            Some(EntryKind::Put) => {
                if let Ok((id, options)) = KeyspaceOptions::decode(operation.value) {
                    self.next_keyspace.fetch_max(id.0 + 1, Ordering::AcqRel);
                    self.keyspaces
                        .insert(KeyspaceInfo::new(id, name, options, 0));
                }
            }
            Some(EntryKind::Delete) => self.keyspaces.remove(name),
            _ => {}
        }
        true
    }

    /// Vouches for the end of the log when nothing was added since it was `before`; returns the
    /// end it has now.
    ///
    /// A record tells how much was durable when it was written, so what the last sync made
    /// durable is vouched for by the next record only. When there is none for a while, one that
    /// says nothing else is added. Without it damage of the last commits before a pause would
    /// look like a write that the power failure tore. The record is not synced: it is there for
    /// whatever does not lose the operating system's writes.
    pub(crate) fn vouch_when_idle(
        &self,
        before: Option<(FileNumber, u64)>,
    ) -> Option<(FileNumber, u64)> {
        // Whoever has the writer is busy with the log.
        let mut writer = self.writer.try_lock()?;
        // NB: with the lock, as in `write_group`.
        if !self.fault.is_healthy() {
            return None;
        }
        let writer = writer.as_mut()?;
        let now = (writer.log_number, writer.log.end());
        if before == Some(now) {
            let log = &mut writer.log;
            if let Err(error) = log.append_promise().and_then(|_| log.flush()) {
                self.fault.poison(&error);
            }
        }
        Some((writer.log_number, writer.log.end()))
    }

    /// Finishes the log segment, and makes everything that follows go to a new one.
    fn switch_log(&self, writer: &mut Writer) -> Result<FileNumber> {
        // NB: with the lock. A segment that could not be finished stays the last one.
        self.fault.check_internal()?;
        let number = self.new_file_number();
        let path = names::wal(&self.directory, number);
        let log = LogWriter::create(
            &self.vfs,
            &self.security,
            &path,
            crate::envelope::FileKind::Wal,
        )?
        .with_hand(Arc::clone(&self.background.log_hand));
        self.sync_values()?;
        let mut old = std::mem::replace(&mut writer.log, log);
        old.finish()?;
        writer.log_number = number;
        Ok(number)
    }

    /// Freezes the active memtable and starts a new one with a new log segment. `first_log` is the
    /// oldest segment with commits of the new memtable, if that is not the new one.
    ///
    /// The old segment is finished, that is synced and marked as complete, before anything is
    /// written to the new one. So recovery knows that only the last segment may have a torn end.
    pub(crate) fn freeze(&self, writer: &mut Writer, first_log: Option<FileNumber>) -> Result<()> {
        let number = self.switch_log(writer)?;
        let sequence = self.visible.load(Ordering::Acquire);
        let frozen = writer.memtable.memtable().clone();
        frozen.set_counts_at_freeze(self.keyspaces.counts_at(sequence));
        // The next one is taken to be like this one.
        let keys = writer.memtable.keys();
        writer.memtable = self.new_memtable(first_log.unwrap_or(number), keys);
        self.versions
            .lock()
            .install_active(self, writer.memtable.memtable().clone());
        self.background.wake();
        Ok(())
    }
}

/// Adds to a counter that only the holder of the writer changes.
fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
}

/// Applies one operation, other than an ingest, to a memtable.
pub(crate) fn apply_operation(
    memtable: &mut MemtableWriter,
    sequence: SequenceNumber,
    operation: &Operation<'_>,
    ahead: Option<&Approach<'_>>,
) {
    let Some(kind) = operation.kind() else {
        debug_assert_eq!(
            operation.tag, TAG_DELETE_RANGE,
            "ingests are applied elsewhere"
        );
        memtable.delete_range(operation.key, operation.value, sequence);
        return;
    };
    if kind.is_reference()
        && let Some(reference) = Reference::decode(kind, operation.value)
    {
        memtable.reference(reference.pointer.file, reference.pointer.length);
    }
    memtable.insert_at(ahead, operation.key, sequence, kind, operation.value);
}

impl Engine {
    /// Freezes the active memtable and waits until all frozen ones are in tables.
    pub fn flush(&self) -> Result<()> {
        self.inner().flush_all()
    }
}

impl Inner {
    /// See [`Engine::flush`].
    pub(crate) fn flush_all(&self) -> Result<()> {
        self.fault.check()?;
        self.freeze_in_turn()?;
        self.wait_for_flush()?;
        self.release_logs()
    }

    /// Lets go of log segments of which everything is in tables. The flush of a memtable does that,
    /// but an ingest leaves behind an empty memtable that depends on a segment before its own, and
    /// without more writes that one would stay.
    fn release_logs(&self) -> Result<()> {
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or(Error::Closed)?;
        let memtable = writer.memtable.memtable();
        if !memtable.is_empty() || memtable.first_log() == writer.log_number {
            return Ok(());
        }
        let mut versions = self.versions.lock();
        if !versions.frozen.is_empty() {
            return Ok(());
        }
        let sequence = self.visible.load(Ordering::Acquire);
        let floor = writer.log_number;
        let edit = VersionEdit {
            next_file_number: Some(self.peek_file_number()),
            next_run: Some(versions.next_run),
            next_keyspace: Some(self.peek_keyspace()),
            last_sequence: Some(sequence),
            wal_floor: Some(floor),
            flushed_sequence: Some(sequence),
            counts: Some(self.keyspaces.counts_at(sequence)),
            ..VersionEdit::default()
        };
        versions.install(self, edit, 0)?;
        writer.memtable = self.new_memtable(floor, 0);
        versions.replace_active(self, writer.memtable.memtable().clone());
        drop(versions);
        self.remove_logs_below(floor);
        Ok(())
    }

    /// Has a memtable that depends on many log segments flushed. Each start begins a segment, and
    /// what is left to the log when a database closes may be little, so that without this they
    /// would become ever more, and every start would read them all.
    pub(crate) fn flush_old_logs(&self) -> Result<()> {
        let is_old = self.writer.lock().as_ref().is_some_and(|writer| {
            let first = writer.memtable.memtable().first_log();
            writer.log_number.0.saturating_sub(first.0) >= SEGMENTS_MAX
        });
        match is_old {
            true => self.freeze_in_turn(),
            false => Ok(()),
        }
    }

    pub(crate) fn freeze_in_turn(&self) -> Result<()> {
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or(Error::Closed)?;
        if writer.memtable.memtable().is_empty() {
            return Ok(());
        }
        self.freeze(writer, None)
            .inspect_err(|error| self.fault.poison(error))
    }

    /// Ends the log segment and starts another one, also if nothing was written since it began.
    pub(crate) fn renew_log(&self) -> Result<()> {
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or(Error::Closed)?;
        let renewed = if writer.memtable.memtable().is_empty() {
            // The memtable keeps the number of the segment before: whatever that holds is dead,
            // and it goes with the memtable's flush.
            self.switch_log(writer).map(|_| ())
        } else {
            self.freeze(writer, None)
        };
        renewed.inspect_err(|error| self.fault.poison(error))
    }

    /// An empty memtable whose memory counts, for about so many keys.
    pub(crate) fn new_memtable(&self, first_log: FileNumber, keys: u64) -> MemtableWriter {
        let charge = self.memory.charge(Account::Memtables);
        MemtableWriter::for_keys(first_log, keys).with_charge(charge)
    }

    /// A file number nobody had before.
    pub(crate) fn new_file_number(&self) -> FileNumber {
        FileNumber(self.next_file.fetch_add(1, Ordering::Relaxed))
    }
}
