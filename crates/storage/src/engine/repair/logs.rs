//! What can be kept of the log: its commits become tables.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::tables::Fate;
use super::{Repair, Unit};
use crate::engine::batch::{Commit, Operation, TAG_INGEST, decode_commit};
use crate::engine::write::{RECORD_COMMITS, apply_operation};
use crate::envelope::FileKind;
use crate::error::{Error, Result};
use crate::key::{EntryKind, FileNumber, SequenceNumber};
use crate::log::{Expect, LogReader};
use crate::manifest::{ManifestState, VersionEdit};
use crate::memtable::{MemtableWriter, known_kind};
use crate::names::{self, FileName};

/// What the log holds.
pub(super) struct Log {
    /// Its commits, without bulk writes.
    pub units: Vec<Unit>,
    /// The tables of bulk writes, and the sequence numbers of these.
    pub ingests: BTreeMap<FileNumber, SequenceNumber>,
    /// The last commit, or zero.
    pub last_sequence: SequenceNumber,
    /// Commits up to this one are in tables.
    flushed: SequenceNumber,
    memtable: MemtableWriter,
}

impl Repair {
    /// Reads the log segments that are alive.
    pub(super) fn read_log(&mut self, old: Option<&ManifestState>) -> Result<Log> {
        let mut log = Log {
            units: Vec::new(),
            ingests: BTreeMap::new(),
            last_sequence: old.map_or(0, |old| old.flushed_sequence),
            flushed: old.map_or(0, |old| old.flushed_sequence),
            memtable: MemtableWriter::new(FileNumber(0)),
        };
        let floor = old.map_or(FileNumber(0), |old| old.wal_floor);
        let segments = self.found.iter().filter_map(|(name, path)| match name {
            FileName::Wal(number) if *number >= floor => Some((*number, path.clone())),
            _ => None,
        });
        let segments: Vec<_> = segments.collect();
        for number in old.iter().flat_map(|old| old.wal_ends().keys()) {
            if !self.found.contains_key(&FileName::Wal(*number)) {
                let path = names::wal(&self.directory, *number);
                self.damage(&path, &Error::corruption(&path, 0, "the file is missing"));
            }
        }
        for (number, path) in segments {
            let end = old.and_then(|old| old.wal_ends().get(&number));
            let expect = end.map_or(Expect::Open, |end| Expect::EndAt(*end));
            if !self.read_segment(&mut log, &path, expect)? {
                break;
            }
        }
        self.flush(&mut log)?;
        Ok(log)
    }

    /// Reads a segment; `false` if history ends within it.
    fn read_segment(&mut self, log: &mut Log, path: &Path, expect: Expect) -> Result<bool> {
        let mut reader = match self.open_log(path, expect) {
            Ok(reader) => reader,
            Err(error) => {
                self.damage(path, &error);
                return Ok(true);
            }
        };
        let mut promised = None;
        loop {
            let damage = match reader.next() {
                Ok(None) => return Ok(true),
                Ok(Some(record)) if record.kind != RECORD_COMMITS => {
                    let reason = "a record is of an unknown kind";
                    self.damage(path, &Error::corruption(path, record.offset, reason));
                    continue;
                }
                Ok(Some(record)) => {
                    let offset = record.offset;
                    if expect == Expect::Open && !self.has_values(record.payload) {
                        // As in recovery: a commit that nobody was promised is where history ends.
                        let promised = *promised.get_or_insert_with(|| self.promised(path));
                        if offset >= promised {
                            return Ok(false);
                        }
                    }
                    self.group(log, path, offset, record.payload)?;
                    continue;
                }
                Err(damage) => damage,
            };
            self.damage(path, &damage);
            match reader.skip_damage() {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(true),
                Err(error) => {
                    self.damage(path, &error);
                    return Ok(true);
                }
            }
        }
    }

    fn open_log(&self, path: &Path, expect: Expect) -> Result<LogReader> {
        LogReader::open(&self.vfs, &self.security, path, FileKind::Wal, expect)
    }

    /// How much of a segment its records promise to be synced.
    fn promised(&self, path: &Path) -> u64 {
        let Ok(mut reader) = self.open_log(path, Expect::Open) else {
            return 0;
        };
        loop {
            let is_over = match reader.next() {
                Ok(record) => record.is_none(),
                Err(_) => !matches!(reader.skip_damage(), Ok(Some(_))),
            };
            if is_over {
                return reader.promised();
            }
        }
    }

    /// Whether all large values that a group refers to can be read.
    fn has_values(&self, mut payload: &[u8]) -> bool {
        while let Ok(commit) = decode_commit(&mut payload) {
            for operation in commit.operations.flatten() {
                if let Some(kind) = operation.kind()
                    && !self.values.can_read(kind, operation.value)
                {
                    return false;
                }
            }
        }
        true
    }

    fn group(&mut self, log: &mut Log, path: &Path, at: u64, mut payload: &[u8]) -> Result<()> {
        while !payload.is_empty() {
            match decode_commit(&mut payload) {
                Ok(commit) => self.commit(log, path, at, &commit)?,
                Err(reason) => {
                    self.damage(path, &Error::corruption(path, at, reason));
                    break;
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, log: &mut Log, path: &Path, at: u64, commit: &Commit<'_>) -> Result<()> {
        let sequence = commit.sequence;
        if log.last_sequence > 0 && sequence > log.last_sequence + 1 {
            let missing = (log.last_sequence + 1, sequence - 1);
            self.report.missing_commits.push(missing);
        }
        log.last_sequence = log.last_sequence.max(sequence);
        let is_new = sequence > log.flushed;
        for operation in commit.operations.clone().flatten() {
            if operation.tag == TAG_INGEST {
                match VersionEdit::decode(operation.value) {
                    Ok(edit) => {
                        let tables = edit.added.iter().map(|added| (added.meta.number, sequence));
                        log.ingests.extend(tables);
                    }
                    Err(e) => self.damage(path, &Error::corruption(path, at, e.to_string())),
                }
                // What comes before must not share a table with what comes after.
                self.flush(log)?;
            } else if is_new {
                self.apply(log, sequence, &operation)?;
            }
        }
        self.report.commits_salvaged += u64::from(is_new);
        if log.memtable.memtable().used_bytes() >= self.options.memtable_bytes {
            self.flush(log)?;
        }
        Ok(())
    }

    fn apply(
        &mut self,
        log: &mut Log,
        sequence: SequenceNumber,
        operation: &Operation<'_>,
    ) -> Result<()> {
        let fate = match operation.kind() {
            Some(kind) => self.values.decide(kind, operation.value)?,
            None => Fate::Same,
        };
        match fate {
            Fate::Same => apply_operation(&mut log.memtable, sequence, operation, None),
            Fate::Moved(value) => {
                let moved = Operation {
                    value: &value,
                    ..*operation
                };
                apply_operation(&mut log.memtable, sequence, &moved, None);
            }
            Fate::Lost => {
                self.report.lost_values = self.values.lost();
                log.memtable
                    .insert(operation.key, sequence, EntryKind::Delete, &[]);
            }
        }
        Ok(())
    }

    /// Writes the commits collected so far to tables.
    fn flush(&mut self, log: &mut Log) -> Result<()> {
        let memtable = log.memtable.memtable().clone();
        if memtable.is_empty() {
            return Ok(());
        }
        let mut tombstones: Vec<_> = memtable.tombstones().iter().cloned().collect();
        tombstones.sort_by(|a, b| a.start.cmp(&b.start));
        let mut output = self.output(&self.options, 0, tombstones);
        let mut last: Option<(Vec<u8>, SequenceNumber)> = None;
        let mut cursor = memtable.cursor();
        cursor.seek_to_first();
        while cursor.valid() {
            let (key, seq) = (cursor.key(), cursor.seq());
            let is_new_key = last.as_ref().is_none_or(|(last, _)| last != key);
            // A commit that wrote a key twice left two entries; the first one counts.
            let is_twice = !is_new_key && last.as_ref().is_some_and(|(_, last)| *last == seq);
            if !is_twice {
                let kind = known_kind(cursor.kind());
                output.add(key, is_new_key, seq, kind, cursor.value())?;
                last = Some((key.to_vec(), seq));
            }
            cursor.next();
        }
        let tables: Vec<_> = output.finish()?.into_iter().map(Arc::new).collect();
        log.units.push(Unit { tables });
        log.memtable = MemtableWriter::new(FileNumber(0));
        Ok(())
    }
}
