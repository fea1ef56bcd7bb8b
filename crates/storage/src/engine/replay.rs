//! Replay of the log into fresh memtables.
//!
//! A commit counts if everything before it counts and it is whole: its record passes the log's
//! checks, and the large values it refers to are in their files. A commit that was promised as
//! synced and is not whole is corruption; one that was not promised is where history ends.
//!
//! Writes are collected and sorted before they go into a memtable ([`stage`]). A memtable that is
//! full is frozen, as it would be in a running engine, and the background flushes it after the
//! database is open; recovery flushes only what exceeds the number of frozen memtables allowed.

mod stage;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::engine::Inner;
use crate::engine::batch::{Commit, Operation, TAG_DELETE_RANGE, TAG_INGEST, decode_commit};
use crate::engine::write::{RECORD_COMMITS, apply_operation};
use crate::envelope::FileKind;
use crate::error::{Error, Result};
use crate::key::{FileNumber, KeyspaceId, SequenceNumber};
use crate::log::{Expect, LogEnd, LogReader, Record};
use crate::manifest::ManifestState;
use crate::memtable::MemtableWriter;
use crate::value::Reference;

use stage::Stage;

/// A replay under way.
pub(super) struct Replay<'a> {
    inner: &'a Arc<Inner>,
    /// Ends of segments that earlier recoveries decided on.
    known_ends: BTreeMap<FileNumber, u64>,
    /// Set at the first segment that was not finished; later ones must be empty.
    is_over: bool,
    /// The segment that is being replayed.
    segment: FileNumber,
    /// The last commit that the manifest knows of.
    manifest_sequence: SequenceNumber,
    /// The last commit that needs no replay, because it is in tables.
    skip_through: SequenceNumber,
    /// The last commit that was replayed.
    last_replayed: SequenceNumber,
    stage: Stage,
    /// Changes of counts since counts were last brought up to date.
    deltas: BTreeMap<KeyspaceId, i64>,
    replayed: Replayed,
}

/// What a replay found.
pub(super) struct Replayed {
    /// Holds the last commits. Those before are in frozen memtables and in tables.
    pub writer: MemtableWriter,
    /// The last commit there is.
    pub last_sequence: SequenceNumber,
    /// The last commit that is in tables, and the counts of counted keyspaces after it.
    pub flushed_sequence: SequenceNumber,
    pub flushed_counts: Vec<(KeyspaceId, u64)>,
    /// Where replayed segments end that have no end record of their own.
    pub ends: Vec<(FileNumber, u64)>,
}

impl<'a> Replay<'a> {
    pub fn new(inner: &'a Arc<Inner>, state: &ManifestState) -> Self {
        Self {
            inner,
            known_ends: state
                .wal_ends()
                .iter()
                .map(|(number, end)| (*number, *end))
                .collect(),
            is_over: false,
            segment: state.wal_floor,
            manifest_sequence: state.last_sequence,
            skip_through: state.flushed_sequence,
            last_replayed: state.flushed_sequence,
            stage: Stage::default(),
            deltas: BTreeMap::new(),
            replayed: Replayed {
                writer: inner.new_memtable(state.wal_floor, 0),
                last_sequence: state.last_sequence.max(state.flushed_sequence),
                flushed_sequence: state.flushed_sequence,
                flushed_counts: state.counts().to_vec(),
                ends: Vec::new(),
            },
        }
    }

    pub fn finish(mut self) -> Replayed {
        self.settle();
        let last = &mut self.replayed.last_sequence;
        *last = self.last_replayed.max(*last);
        self.replayed
    }

    /// Replays one segment; segments come in order.
    pub fn segment(&mut self, number: FileNumber, path: &Path) -> Result<()> {
        self.segment = number;
        let expect = self
            .known_ends
            .get(&number)
            .map_or(Expect::Open, |end| Expect::EndAt(*end));
        let mut reader = self.open(path, expect)?;
        let mut promised = None;
        let mut end = None;
        while let Some(record) = reader.next()? {
            let offset = record.offset;
            if self.is_over {
                return Err(Error::corruption(
                    path,
                    offset,
                    "the log goes on here although the segment before it has no end",
                ));
            }
            if record.kind != RECORD_COMMITS {
                return Err(Error::corruption(
                    path,
                    offset,
                    "a record is of an unknown kind",
                ));
            }
            let commits = self.decode(path, &record)?;
            if expect == Expect::Open && self.is_missing_values(&commits) {
                let promised = match promised {
                    Some(promised) => promised,
                    None => *promised.insert(self.promised(path, expect)?),
                };
                if offset < promised {
                    return Err(Error::corruption(
                        path,
                        offset,
                        "a commit's large value is gone",
                    ));
                }
                end = Some(offset);
                break;
            }
            for commit in &commits {
                self.commit(path, offset, commit)?;
            }
        }
        let finished = end.is_none() && reader.end() == Some(LogEnd::Finished);
        if expect == Expect::Open {
            // Its end too may be in the system's memory only, after a sync that failed; segments
            // that follow are refused without it.
            if !self.inner.options.read_only {
                reader.sync(&*self.inner.vfs)?;
            }
            self.is_over |= !finished;
        }
        if !finished {
            self.replayed
                .ends
                .push((number, end.unwrap_or(reader.offset())));
        }
        Ok(())
    }

    fn open(&self, path: &Path, expect: Expect) -> Result<LogReader> {
        LogReader::open(
            &self.inner.vfs,
            &self.inner.security,
            path,
            FileKind::Wal,
            expect,
        )
    }

    /// How much of a segment its records promise to be synced.
    fn promised(&self, path: &Path, expect: Expect) -> Result<u64> {
        let mut reader = self.open(path, expect)?;
        while reader.next()?.is_some() {}
        Ok(reader.promised())
    }

    /// The commits of a record that are in no table yet.
    fn decode<'r>(&self, path: &Path, record: &Record<'r>) -> Result<Vec<Commit<'r>>> {
        let mut payload = record.payload;
        let mut commits = Vec::new();
        while !payload.is_empty() {
            let commit = decode_commit(&mut payload)
                .map_err(|reason| Error::corruption(path, record.offset, reason))?;
            if commit.sequence > self.skip_through {
                commits.push(commit);
            }
        }
        Ok(commits)
    }

    /// Whether commits refer to a large value that is not whole.
    fn is_missing_values(&self, commits: &[Commit<'_>]) -> bool {
        let references = commits.iter().filter(|commit| commit.has_references);
        let mut operations = references.flat_map(|commit| commit.operations.clone().flatten());
        operations.any(|operation| {
            let reference = operation
                .kind()
                .filter(|kind| kind.is_reference())
                .and_then(|kind| Reference::decode(kind, operation.value));
            reference.is_some_and(|found| self.inner.values.check(&found.pointer).is_err())
        })
    }

    fn commit(&mut self, path: &Path, offset: u64, commit: &Commit<'_>) -> Result<()> {
        if commit.sequence <= self.last_replayed {
            return Err(Error::corruption(path, offset, "a commit is out of order"));
        }
        for operation in commit.operations.clone().flatten() {
            match operation.tag {
                TAG_INGEST => self.ingest(commit.sequence, &operation)?,
                TAG_DELETE_RANGE => {
                    apply_operation(&mut self.replayed.writer, commit.sequence, &operation, None);
                }
                _ => self.stage.push(commit.sequence, &operation),
            }
            self.inner.note_keyspace(&operation);
            if self.stage.is_full() {
                self.stage.drain(&mut self.replayed.writer);
            }
        }
        for (keyspace, delta) in commit.deltas {
            *self.deltas.entry(keyspace).or_default() += delta;
        }
        self.last_replayed = commit.sequence;
        self.freeze_if_full()
    }

    /// Repeats the publication of tables, unless the manifest has them.
    fn ingest(&mut self, sequence: SequenceNumber, operation: &Operation<'_>) -> Result<()> {
        // NB: also if the tables are in the tree already. What comes after them must not share a
        // memtable with what came before.
        self.settle();
        if !self.replayed.writer.memtable().is_empty() {
            self.freeze()?;
        }
        // The manifest's edit that published it, or a later one, says a sequence not below.
        if sequence <= self.manifest_sequence {
            return Ok(());
        }
        self.inner.install_ingested(sequence, operation.value)
    }

    /// Brings memtable and counts up to the last commit.
    fn settle(&mut self) {
        self.stage.drain(&mut self.replayed.writer);
        for (keyspace, delta) in std::mem::take(&mut self.deltas) {
            if let Some(info) = self.inner.keyspaces.by_id(keyspace) {
                // There are no snapshots yet, and nobody asks for a count of the past.
                let live = || (Vec::new(), self.last_replayed);
                info.apply_delta(self.last_replayed, delta, live);
            }
        }
        self.replayed.writer.settle_charge();
    }

    fn freeze_if_full(&mut self) -> Result<()> {
        let limit = self.inner.options.memtable_bytes;
        let used = |replayed: &Replayed| replayed.writer.memtable().used_bytes();
        if used(&self.replayed) + self.stage.memtable_bytes() < limit {
            return Ok(());
        }
        self.settle();
        if used(&self.replayed) < limit {
            return Ok(());
        }
        self.freeze()
    }

    /// Has the memtable, which is settled, wait for its flush.
    fn freeze(&mut self) -> Result<()> {
        let memtable = self.replayed.writer.memtable().clone();
        memtable.set_counts_at_freeze(self.inner.keyspaces.counts_at(self.last_replayed));
        // What follows is in this segment and later ones.
        self.replayed.writer = self.inner.new_memtable(self.segment, 0);
        let mut versions = self.inner.versions.lock();
        versions.frozen.push_back(memtable);
        let is_too_many = versions.frozen.len() > self.inner.options.frozen_memtables_max;
        drop(versions);
        if is_too_many && !self.inner.options.read_only {
            self.flush_oldest()?;
        }
        Ok(())
    }

    /// Writes a frozen memtable to level 0. The manifest that names the table is written at the
    /// end of recovery; a crash before that replays the same log again.
    fn flush_oldest(&mut self) -> Result<()> {
        let oldest = self.inner.versions.lock().frozen.front().cloned();
        if let Some(memtable) = oldest {
            self.inner.flush_recovered(&memtable)?;
            self.replayed.flushed_sequence = memtable.max_seq();
            self.replayed.flushed_counts = memtable.counts_at_freeze().unwrap_or_default();
        }
        Ok(())
    }
}
