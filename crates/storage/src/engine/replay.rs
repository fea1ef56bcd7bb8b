//! Replay of the log into a fresh memtable.
//!
//! A commit counts if everything before it counts and it is whole: its record passes the log's
//! checks, and the large values it refers to are in their files. A commit that was promised as
//! synced and is not whole is corruption; one that was not promised is where history ends.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::engine::Inner;
use crate::engine::batch::{Commit, Operation, TAG_INGEST, decode_commit};
use crate::engine::write::{RECORD_COMMITS, apply_operation};
use crate::envelope::FileKind;
use crate::error::{Error, Result};
use crate::key::{FileNumber, KeyspaceId, SequenceNumber};
use crate::log::{Expect, LogEnd, LogReader};
use crate::manifest::ManifestState;
use crate::memtable::MemtableWriter;
use crate::value::Reference;

/// A replay under way.
pub(super) struct Replay<'a> {
    inner: &'a Arc<Inner>,
    /// Ends of segments that earlier recoveries decided on.
    known_ends: BTreeMap<FileNumber, u64>,
    /// Set at the first segment that was not finished; later ones must be empty.
    is_over: bool,
    /// The last commit that the manifest knows of.
    manifest_sequence: SequenceNumber,
    replayed: Replayed,
}

/// What a replay found.
pub(super) struct Replayed {
    /// Holds the commits that are in no table.
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
            manifest_sequence: state.last_sequence,
            replayed: Replayed {
                writer: inner.new_memtable(state.wal_floor),
                last_sequence: state.last_sequence.max(state.flushed_sequence),
                flushed_sequence: state.flushed_sequence,
                flushed_counts: state.counts().to_vec(),
                ends: Vec::new(),
            },
        }
    }

    pub fn finish(self) -> Replayed {
        self.replayed
    }

    /// Replays one segment; segments come in order.
    pub fn segment(&mut self, number: FileNumber, path: &Path) -> Result<()> {
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
            if expect == Expect::Open && self.is_missing_values(record.payload) {
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
            self.group(path, offset, record.payload)?;
        }
        let finished = end.is_none() && reader.end() == Some(LogEnd::Finished);
        if !finished && expect == Expect::Open {
            if !self.inner.options.read_only {
                reader.sync(&*self.inner.vfs)?;
            }
            self.is_over = true;
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

    /// Whether a group refers to a large value that is not whole.
    fn is_missing_values(&self, mut payload: &[u8]) -> bool {
        while let Ok(commit) = decode_commit(&mut payload) {
            if commit.sequence <= self.replayed.flushed_sequence {
                continue;
            }
            for operation in commit.operations.flatten() {
                let reference = operation
                    .kind()
                    .filter(|kind| kind.is_reference())
                    .and_then(|kind| Reference::decode(kind, operation.value));
                if let Some(reference) = reference
                    && self.inner.values.check(&reference.pointer).is_err()
                {
                    return true;
                }
            }
        }
        false
    }

    fn group(&mut self, path: &Path, offset: u64, mut payload: &[u8]) -> Result<()> {
        while !payload.is_empty() {
            let commit = decode_commit(&mut payload)
                .map_err(|reason| Error::corruption(path, offset, reason))?;
            if commit.sequence <= self.replayed.flushed_sequence {
                continue;
            }
            if commit.sequence <= self.replayed.writer.memtable().max_seq() {
                return Err(Error::corruption(path, offset, "a commit is out of order"));
            }
            self.commit(&commit)?;
        }
        Ok(())
    }

    fn commit(&mut self, commit: &Commit<'_>) -> Result<()> {
        for operation in commit.operations.clone().flatten() {
            if operation.tag == TAG_INGEST {
                self.ingest(commit.sequence, &operation)?;
            } else {
                apply_operation(&mut self.replayed.writer, commit.sequence, &operation);
                self.inner.note_keyspace(&operation);
            }
        }
        for &(keyspace, delta) in &commit.deltas {
            if let Some(info) = self.inner.keyspaces.by_id(keyspace) {
                info.apply_delta(commit.sequence, delta, || (Vec::new(), 0));
            }
        }
        self.replayed.last_sequence = self.replayed.last_sequence.max(commit.sequence);
        if self.replayed.writer.memtable().used_bytes() >= self.inner.options.memtable_bytes {
            self.flush(commit.sequence)?;
        }
        Ok(())
    }

    /// Repeats the publication of tables, unless the manifest has them.
    fn ingest(&mut self, sequence: SequenceNumber, operation: &Operation<'_>) -> Result<()> {
        // NB: also if the tables are in the tree already. What comes after them must not share a
        // memtable with what came before.
        if !self.replayed.writer.memtable().is_empty() {
            self.flush(sequence - 1)?;
        }
        // The manifest's edit that published it, or a later one, says a sequence not below.
        if sequence <= self.manifest_sequence {
            return Ok(());
        }
        self.inner.install_ingested(sequence, operation.value)
    }

    /// Writes the memtable to level 0. The manifest that names the table is written at the end of
    /// recovery; a crash before that replays the same log again. A read-only open keeps it all in
    /// memory instead.
    fn flush(&mut self, sequence: SequenceNumber) -> Result<()> {
        let memtable = self.replayed.writer.memtable().clone();
        if self.inner.options.read_only {
            self.inner
                .versions
                .lock()
                .frozen
                .push_back(memtable.clone());
        } else {
            self.inner.flush_recovered(&memtable)?;
        }
        let floor = memtable.first_log();
        self.replayed.writer = self.inner.new_memtable(floor);
        self.replayed.flushed_sequence = sequence;
        self.replayed.flushed_counts = self.inner.keyspaces.counts_at(sequence);
        Ok(())
    }
}
