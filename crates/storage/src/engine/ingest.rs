//! Sorted files that enter the tree without passing through the log or a memtable.
//!
//! A large transaction spills what it has written as sorted runs ([`RunWriter`]); so does whoever
//! loads sorted input. At commit the files, already synced, are published by one commit record
//! that names them. All their entries get the commit's sequence number, which the files need not
//! know: the table's metadata says it.
//!
//! The record in the log is the commit point. The manifest edit follows it, and recovery repeats
//! the edit if a crash came between. Files no commit names are removed when the engine opens.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::compaction::Ticket;
use crate::engine::batch::Batch;
use crate::engine::finishing::Finishing;
use crate::engine::pipeline::{Durability, Validate};
use crate::engine::versions::VersionSet;
use crate::engine::{Engine, Inner};
use crate::error::{Error, Result};
use crate::iter::RunCursor;
use crate::key::{EntryKind, FileNumber, KEYSPACE_BYTES, KeyspaceId, MAX_SEQUENCE, SequenceNumber};
use crate::manifest::{AddedTable, LEVELS, TableMeta, VersionEdit};
use crate::memory::Account;
use crate::names;
use crate::slice::Slice;
use crate::table::{FilterUse, ReadMode, TableBuilder, TableOptions};
use crate::value::ValuePin;
use crate::version::{KeyBounds, Run, RunTables};

/// So much is written before the free space is looked at again.
const SPACE_CHECK_BYTES: u64 = 256 << 10;

/// The tables of a run are as long as this part of what a compaction makes: the last one is finished
/// while nobody does anything else.
const TABLE_PART: u64 = 2;

/// Writes sorted entries to new table files, outside of any transaction so far.
pub struct RunWriter {
    inner: Arc<Inner>,
    builder: Option<(FileNumber, TableBuilder)>,
    /// The table before.
    finishing: Option<Finishing>,
    /// The last key of the table before.
    last_key: Vec<u8>,
    run: SortedRun,
    /// Whether what is written is in the cache from the beginning.
    is_kept: bool,
    /// The keyspace whose options are in force.
    keyspace: Option<[u8; KEYSPACE_BYTES]>,
    /// Bytes added since the free space was looked at.
    unchecked_bytes: u64,
}

/// Sorted table files that nobody can see yet. Dropping them removes the files.
pub struct SortedRun {
    inner: Arc<Inner>,
    tables: Vec<Arc<TableMeta>>,
    /// Keeps the value files that the tables refer to.
    pins: Vec<ValuePin>,
    /// What it has something of.
    keyspaces: Vec<KeyspaceId>,
    /// Whether the files belong to the database now.
    is_published: AtomicBool,
}

impl Engine {
    /// Starts a sorted run.
    pub fn run_writer(&self) -> RunWriter {
        let inner = self.inner().clone();
        RunWriter {
            run: SortedRun {
                inner: inner.clone(),
                tables: Vec::new(),
                pins: Vec::new(),
                keyspaces: Vec::new(),
                is_published: AtomicBool::new(false),
            },
            inner,
            builder: None,
            finishing: None,
            last_key: Vec::new(),
            is_kept: true,
            keyspace: None,
            unchecked_bytes: 0,
        }
    }

    /// Commits sorted runs, or the operations of `batch` if the runs are empty; not both, because
    /// the files of a commit are newer than all that is in memtables. Each run begins after the
    /// one before it has ended. Always durable when it returns; after a refusal the runs can be
    /// committed again.
    pub fn commit_runs(
        &self,
        runs: &[&SortedRun],
        batch: &mut Batch,
        validate: &mut dyn Validate,
    ) -> Result<SequenceNumber> {
        let tables = || runs.iter().flat_map(|run| &run.tables);
        if tables().next().is_none() {
            return self.commit(batch, Durability::Sync, validate);
        }
        let refusal = match batch.is_empty() {
            false => "a commit of sorted runs has no other operations",
            true if !tables().is_sorted_by(|a, b| a.largest < b.smallest) => {
                "the runs of a commit must ascend"
            }
            true => return self.publish_runs(runs, batch, validate),
        };
        Err(Error::InvalidArgument(refusal.into()))
    }

    fn publish_runs(
        &self,
        runs: &[&SortedRun],
        batch: &mut Batch,
        validate: &mut dyn Validate,
    ) -> Result<SequenceNumber> {
        let inner = self.inner();
        inner.values.sync_all()?;
        inner.sync_directory()?;
        add_runs(runs, batch)?;
        let sequence = inner.commit(batch, Durability::Sync, validate);
        // Files are taken back only after a refusal before the commit point. After any other
        // failure nobody knows, and recovery will decide.
        let is_refused = matches!(
            &sequence,
            Err(Error::Rejected(_)
                | Error::InvalidArgument(_)
                | Error::NoSuchKeyspace(_)
                | Error::NoSpace { .. }
                | Error::ReadOnly
                | Error::Closed
                | Error::Busy)
        );
        for run in runs {
            run.is_published.store(!is_refused, Ordering::Relaxed);
        }
        sequence
    }
}

impl RunWriter {
    /// Leaves the cache alone: the run is to be read once, from one end to the other.
    pub fn for_one_walk(mut self) -> Self {
        self.is_kept = false;
        self
    }

    /// Adds an entry; storage keys must ascend strictly. `value` is the user's value, which goes
    /// to a value file if it is large; an expiry is given apart.
    pub fn put(&mut self, key: &[u8], value: &[u8], expiry: Option<u64>) -> Result<()> {
        let is_large = value.len() >= self.inner.options.value_threshold;
        if !is_large && expiry.is_none() {
            return self.add(key, EntryKind::Put, value);
        }
        let mut stored = Vec::new();
        if let Some(expiry) = expiry {
            stored.extend_from_slice(&expiry.to_le_bytes());
        }
        if is_large {
            self.inner.check_room_for_data(value.len() as u64)?;
            let appended = self.inner.value_writer.append(value)?;
            stored.extend_from_slice(&appended.pointer.encode());
            self.run.pins.push(appended.pin);
            let kind = match expiry {
                None => EntryKind::ValueRef,
                Some(_) => EntryKind::ValueRefExpiring,
            };
            return self.add(key, kind, &stored);
        }
        stored.extend_from_slice(value);
        self.add(key, EntryKind::PutExpiring, &stored)
    }

    /// Adds a deletion; storage keys must ascend strictly.
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.add(key, EntryKind::Delete, &[])
    }

    /// Adds an entry as stored, for instance one read from another run.
    pub fn add(&mut self, key: &[u8], kind: EntryKind, stored: &[u8]) -> Result<()> {
        let table_bytes = self.inner.options.compaction.table_bytes / TABLE_PART;
        if self
            .builder
            .as_ref()
            .is_some_and(|(_, b)| b.estimated_bytes() >= table_bytes || b.should_end())
        {
            self.begin_to_finish_table()?;
        }
        let builder = match &mut self.builder {
            Some((_, builder)) => builder,
            empty => {
                // Within a table the builder looks.
                if !self.last_key.is_empty() && key <= self.last_key.as_slice() {
                    return Err(Error::InvalidArgument(
                        "the keys of a sorted run must ascend".into(),
                    ));
                }
                let number = self.inner.new_file_number();
                let mut builder = self.inner.table_builder(number, LEVELS - 1)?;
                if !self.is_kept {
                    builder = builder.without_fresh();
                }
                builder.set_bulk();
                self.keyspace = None;
                &mut empty.insert((number, builder)).1
            }
        };
        if key.first_chunk() != self.keyspace.as_ref() {
            self.keyspace = key.first_chunk().copied();
            self.run.note_keyspace(self.keyspace);
            builder.set_options(self.inner.table_options_of(LEVELS - 1, self.keyspace))?;
        }
        self.unchecked_bytes += (key.len() + stored.len()) as u64;
        if self.unchecked_bytes >= SPACE_CHECK_BYTES {
            self.inner.check_room_for_data(self.unchecked_bytes)?;
            self.unchecked_bytes = 0;
        }
        builder.add(key, 0, kind, stored)
    }

    /// Bytes written so far, about.
    pub fn bytes(&self) -> u64 {
        let open = self
            .builder
            .as_ref()
            .map_or(0, |(_, b)| b.estimated_bytes());
        let finishing = self.finishing.as_ref().map_or(0, Finishing::bytes);
        open + finishing + self.run.tables.iter().map(|t| t.file_bytes).sum::<u64>()
    }

    /// Finishes and syncs the files.
    pub fn finish(mut self) -> Result<SortedRun> {
        let last = self.builder.take();
        let last = last.map(|(number, builder)| (number, builder.finish()));
        let before = self.end_finishing();
        if let Some((number, meta)) = last {
            self.note_table(number, meta)?;
        }
        before?;
        let empty = SortedRun {
            inner: self.inner.clone(),
            tables: Vec::new(),
            pins: Vec::new(),
            keyspaces: Vec::new(),
            is_published: AtomicBool::new(true),
        };
        Ok(std::mem::replace(&mut self.run, empty))
    }

    /// Has another thread finish the table, so that the next one can begin.
    fn begin_to_finish_table(&mut self) -> Result<()> {
        self.end_finishing()?;
        if let Some((number, builder)) = self.builder.take() {
            self.last_key.clear();
            self.last_key.extend_from_slice(builder.last_key());
            self.finishing = Some(Finishing::begin(&self.inner.vfs, number, builder));
        }
        Ok(())
    }

    /// Waits for the table before.
    fn end_finishing(&mut self) -> Result<()> {
        match self.finishing.take() {
            Some(finishing) => self.note_table(finishing.number(), finishing.end()),
            None => Ok(()),
        }
    }

    /// Takes a finished table into the run, or removes what is there of it.
    fn note_table(&mut self, number: FileNumber, finished: Result<TableMeta>) -> Result<()> {
        let meta = finished.inspect_err(|_| self.inner.remove_table_file(number))?;
        self.run.tables.push(Arc::new(meta));
        Ok(())
    }
}

/// Reads a sorted run that nobody else can see.
#[derive(Clone)]
pub struct RunReader {
    inner: Arc<Inner>,
    run: Option<Arc<Run>>,
}

impl RunReader {
    /// The entry of a storage key, as stored.
    pub fn get(&self, key: &[u8]) -> Result<Option<(EntryKind, Slice)>> {
        let Some(handle) = self.run.as_ref().and_then(|run| run.find(key)) else {
            return Ok(None);
        };
        let hash = crate::table::key_hash(key);
        let found = handle
            .table()?
            .get(key, hash, MAX_SEQUENCE, FilterUse::First)?;
        Ok(found.map(|found| (found.kind, found.value)))
    }

    /// A cursor over the entries, on none of them; `None` if there are none.
    pub fn cursor(&self) -> Option<RunCursor<RunTables>> {
        let run = self.run.clone()?;
        Some(RunCursor::new(RunTables::new(run, ReadMode::default())))
    }

    /// As [`RunReader::cursor`], for one walk over all of it: reads so much at once, and leaves
    /// the cache alone.
    pub fn walk(&self, readahead_bytes: usize) -> Option<RunCursor<RunTables>> {
        let mode = ReadMode {
            readahead_bytes_max: readahead_bytes,
            ..ReadMode::COMPACTION
        };
        let run = self.run.clone()?;
        Some(RunCursor::new(RunTables::new(run, mode)))
    }

    /// The user's value of an entry, read from its value file if it is there.
    pub fn resolve(&self, kind: EntryKind, stored: Slice) -> Result<Slice> {
        self.inner.resolve(kind, stored)
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        // A table that is finished goes with the run.
        let _: Result<()> = self.end_finishing();
        if let Some((number, builder)) = self.builder.take() {
            drop(builder);
            self.inner.remove_table_file(number);
        }
    }
}

impl SortedRun {
    /// Access to what the run holds. The reader must not outlive the run.
    pub fn reader(&self) -> Result<RunReader> {
        let handles = self
            .tables
            .iter()
            .map(|meta| self.inner.files.table(meta.clone()));
        let run = match self.tables.is_empty() {
            true => None,
            false => Some(Arc::new(Run::new(0, handles.collect())?)),
        };
        Ok(RunReader {
            inner: self.inner.clone(),
            run,
        })
    }

    fn note_keyspace(&mut self, prefix: Option<[u8; KEYSPACE_BYTES]>) {
        let keyspace = prefix.map(u32::from_be_bytes).map(KeyspaceId);
        let last = self.keyspaces.last().copied();
        self.keyspaces.extend(keyspace.filter(|_| last != keyspace));
    }

    /// How many entries it holds.
    pub fn entries(&self) -> u64 {
        self.tables.iter().map(|t| t.entries).sum()
    }

    /// The first and last storage key, unless it is empty.
    pub fn bounds(&self) -> Option<(&[u8], &[u8])> {
        Some((&self.tables.first()?.smallest, &self.tables.last()?.largest))
    }
}

impl Drop for SortedRun {
    fn drop(&mut self) {
        if !*self.is_published.get_mut() {
            for table in &self.tables {
                self.inner.remove_table_file(table.number);
            }
        }
    }
}

impl Inner {
    /// A builder for a new table at `level`.
    pub(crate) fn table_builder(&self, number: FileNumber, level: usize) -> Result<TableBuilder> {
        let path = names::table(&self.directory, number);
        let options = self.table_options_of(level, None);
        let builder = TableBuilder::new(&self.vfs, &self.security, &path, number, options)?;
        let builder = builder.with_charge(self.memory.charge(Account::Builders));
        Ok(builder.with_fresh(self.memory.cache().fresh_blocks()))
    }

    /// How the blocks of a keyspace, given by its prefix, are written at `level`.
    pub(crate) fn table_options_of(
        &self,
        level: usize,
        keyspace: Option<[u8; KEYSPACE_BYTES]>,
    ) -> TableOptions {
        let info = keyspace
            .and_then(|prefix| self.keyspaces.by_id(KeyspaceId(u32::from_be_bytes(prefix))));
        let own = info.as_ref().map(|info| &info.options);
        TableOptions {
            block_bytes: self.options.block_bytes,
            codec: own
                .and_then(|o| o.compression)
                .unwrap_or(self.options.codec_at(level)),
            filter: own.is_none_or(|o| o.filter),
        }
    }

    pub(crate) fn remove_table_file(&self, number: FileNumber) {
        self.memory.cache().forget_fresh(number);
        let path = names::table(&self.directory, number);
        if let Err(error) = self.vfs.remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "cannot remove a table");
        }
    }

    /// Makes the tables of an ingest, encoded as an edit, part of the tree.
    pub(crate) fn install_ingested(&self, sequence: SequenceNumber, encoded: &[u8]) -> Result<()> {
        let edit = VersionEdit::decode(encoded)
            .map_err(|reason| Error::corruption(&self.directory, 0, reason.to_string()))?;
        let mut versions = self.versions.lock();
        let place = self.reserve_place(&versions, &edit);
        let installed = self.install_ingested_at(place.level, &mut versions, sequence, edit);
        // NB: after the new version is published, so that whoever finds the range free sees it.
        drop(versions);
        if let Some(ticket) = place.ticket {
            self.compactions.busy.lock().release(ticket);
        }
        installed
    }

    fn install_ingested_at(
        &self,
        level: usize,
        versions: &mut VersionSet,
        sequence: SequenceNumber,
        edit: VersionEdit,
    ) -> Result<()> {
        let run = match versions.version.level(level).runs().first() {
            Some(run) if level > 0 => run.id(),
            _ => versions.new_run(),
        };
        let added = edit.added.into_iter().map(|table| {
            let mut meta = TableMeta::clone(&table.meta);
            meta.sequence_override = Some(sequence);
            (meta.min_seq, meta.max_seq) = (sequence, sequence);
            AddedTable {
                level: level as u8,
                run,
                meta: Arc::new(meta),
            }
        });
        let added: Vec<AddedTable> = added.collect();
        for AddedTable { meta, .. } in &added {
            self.empty.note_puts(&meta.smallest, &meta.largest);
        }
        let references = added
            .iter()
            .flat_map(|t| t.meta.value_refs.iter().map(|(file, _)| *file));
        let edit = VersionEdit {
            value_files_added: self.metas_of_values(references, &versions.version)?,
            added,
            next_file_number: Some(self.peek_file_number()),
            next_run: Some(versions.next_run),
            last_sequence: Some(sequence),
            ..VersionEdit::default()
        };
        versions.install(self, edit, 0)
    }

    /// The deepest level if nothing in the tree or in frozen memtables overlaps and no compaction
    /// is about to put something there, else level 0. The range of the deepest level is reserved,
    /// so that no compaction chooses it before the tables are there.
    fn reserve_place(&self, versions: &VersionSet, edit: &VersionEdit) -> Place {
        let young = Place {
            level: 0,
            ticket: None,
        };
        let bounds = edit.added.iter().map(|table| KeyBounds::of(&table.meta));
        let Some(hull) = bounds.reduce(KeyBounds::join) else {
            return young;
        };
        let overlaps = edit.added.iter().any(|table| {
            let (smallest, largest) = (&*table.meta.smallest, &*table.meta.largest);
            versions.version.overlaps(KeyBounds::of(&table.meta))
                || versions
                    .frozen
                    .iter()
                    .any(|memtable| memtable.overlaps(smallest, largest))
        });
        if overlaps {
            return young;
        }
        let bottom = LEVELS - 1;
        let mut busy = self.compactions.busy.lock();
        // A level without a run gets its first one from one side only: two would make two.
        let is_first = versions.version.level(bottom).runs().is_empty();
        if busy.has_range(bottom, hull) || (is_first && busy.has_level(bottom)) {
            return young;
        }
        Place {
            level: bottom,
            ticket: Some(busy.reserve_range(bottom, hull)),
        }
    }
}

/// Adds the publication of runs to a batch.
fn add_runs(runs: &[&SortedRun], batch: &mut Batch) -> Result<()> {
    let tables = runs.iter().flat_map(|run| &run.tables);
    let added = tables.map(|meta| AddedTable {
        level: 0,
        run: 0,
        meta: meta.clone(),
    });
    let edit = VersionEdit {
        added: added.collect(),
        ..VersionEdit::default()
    };
    let keyspaces = runs.iter().flat_map(|run| &run.keyspaces).copied();
    batch.ingest(&edit.encode(), keyspaces.collect())
}

/// Where ingested tables go.
struct Place {
    level: usize,
    ticket: Option<Ticket>,
}

impl fmt::Debug for RunWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunWriter")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SortedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SortedRun")
            .field("entries", &self.entries())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RunReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunReader")
    }
}

#[cfg(test)]
mod tests;
