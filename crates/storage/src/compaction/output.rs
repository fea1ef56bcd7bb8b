//! Cutting a sorted stream of entries into tables.
//!
//! A table ends, always between two keys, when it is long enough, when it lies over too much of
//! the next level (merging it from there would be expensive), or where one keyspace ends and
//! another begins, so that dropping a large keyspace unlinks whole tables. Range tombstones are
//! cut where tables are: each table covers the keys from its predecessor's end to its own.

use std::path::Path;
use std::sync::Arc;

use rustdb_vfs::VfsRef;

use crate::envelope::Security;
use crate::error::{Error, Result};
use crate::key::{EntryKind, FileNumber, KeyspaceId, SequenceNumber, split_storage_key};
use crate::manifest::TableMeta;
use crate::memory::{Account, Memory};
use crate::names;
use crate::table::{TableBuilder, TableOptions};
use crate::tombstone::RangeTombstone;
use crate::value::FileNumbers;
use crate::version::TableHandle;

/// A table lies over at most so many tables' length of the next level.
const GRANDPARENT_TABLES: u64 = 10;

/// A table ends with its keyspace if it has this part of its full length.
const KEYSPACE_CUT_DIVISOR: u64 = 4;

/// Says how the blocks of a keyspace are written.
pub trait TableProfiles: Send + Sync {
    /// How blocks with keys of `keyspace` are written at `level`.
    fn table_options(&self, level: usize, keyspace: KeyspaceId) -> TableOptions;
}

/// Where tables are written, and how.
#[derive(Clone, Copy)]
pub struct TableSpace<'a> {
    /// The world.
    pub vfs: &'a VfsRef,
    /// What seals the files.
    pub security: &'a Arc<Security>,
    /// The database directory.
    pub directory: &'a Path,
    /// Gives out file numbers.
    pub numbers: &'a FileNumbers,
    /// How the blocks of each keyspace are written.
    pub profiles: &'a dyn TableProfiles,
    /// Counts what builders take; `None` in tests.
    pub memory: Option<&'a Arc<Memory>>,
}

/// Writes entries, given in order, to tables that do not overlap. Dropped before
/// [`Output::finish`] has succeeded, it removes everything it has written.
pub(crate) struct Output<'a> {
    space: TableSpace<'a>,
    level: usize,
    table_bytes: u64,
    grandparents: Grandparents,
    /// What is to be written, by start; cut at the start of the table being written.
    tombstones: Vec<RangeTombstone>,
    current: Option<(FileNumber, TableBuilder)>,
    keyspace: Option<KeyspaceId>,
    tables: Vec<TableMeta>,
    is_finished: bool,
}

/// The tables of the level below the output.
struct Grandparents {
    tables: Vec<Arc<TableHandle>>,
    /// The first one that does not end before the last key.
    at: usize,
    /// The length of those that the current table has passed.
    passed_bytes: u64,
}

impl<'a> Output<'a> {
    /// An output without entries. `tombstones` are written with the tables they belong to;
    /// `grandparents` are the tables of the next level, in order.
    pub(crate) fn new(
        space: TableSpace<'a>,
        level: usize,
        table_bytes: u64,
        tombstones: Vec<RangeTombstone>,
        grandparents: Vec<Arc<TableHandle>>,
    ) -> Self {
        Self {
            space,
            level,
            table_bytes: table_bytes.max(1),
            grandparents: Grandparents {
                tables: grandparents,
                at: 0,
                passed_bytes: 0,
            },
            tombstones,
            current: None,
            keyspace: None,
            tables: Vec::new(),
            is_finished: false,
        }
    }

    /// Adds an entry. `is_new_key` tells that it is the first of its key.
    pub(crate) fn add(
        &mut self,
        key: &[u8],
        is_new_key: bool,
        seq: SequenceNumber,
        kind: EntryKind,
        value: &[u8],
    ) -> Result<()> {
        if is_new_key {
            self.begin_key(key)?;
        }
        let (_, builder) = self.current.as_mut().expect("begin_key opens a table");
        builder.add(key, seq, kind, value)
    }

    /// The bytes written so far, about.
    pub(super) fn bytes(&self) -> u64 {
        let open = self.current.as_ref();
        let finished: u64 = self.tables.iter().map(|table| table.file_bytes).sum();
        finished + open.map_or(0, |(_, builder)| builder.estimated_bytes())
    }

    /// Writes what is left, and gives out the tables, which are durable then, names included.
    pub(crate) fn finish(mut self) -> Result<Vec<TableMeta>> {
        if self.current.is_none() && !self.tombstones.is_empty() {
            self.open_table()?;
        }
        self.end_table(None)?;
        if !self.tables.is_empty() {
            let directory = self.space.directory;
            let synced = self.space.vfs.sync_dir(directory);
            synced.map_err(|e| Error::io("sync", directory, e))?;
        }
        self.is_finished = true;
        Ok(std::mem::take(&mut self.tables))
    }

    /// Makes sure that a table is open that may hold `key`.
    fn begin_key(&mut self, key: &[u8]) -> Result<()> {
        let keyspace = split_storage_key(key).map(|(keyspace, _)| keyspace);
        let passed = self.grandparents.advance(key);
        let should_end = self.current.as_ref().is_some_and(|(_, builder)| {
            let bytes = builder.estimated_bytes();
            let ends_keyspace = keyspace != self.keyspace;
            bytes >= self.table_bytes
                || builder.should_end()
                || passed >= GRANDPARENT_TABLES * self.table_bytes
                || (ends_keyspace && bytes >= self.table_bytes / KEYSPACE_CUT_DIVISOR)
        });
        if should_end {
            self.end_table(Some(key))?;
        }
        if self.current.is_none() {
            self.open_table()?;
            self.keyspace = None;
        }
        if keyspace != self.keyspace {
            self.keyspace = keyspace;
            let options = self.options_for(keyspace);
            let (_, builder) = self.current.as_mut().expect("opened just now");
            builder.set_options(options)?;
        }
        Ok(())
    }

    fn options_for(&self, keyspace: Option<KeyspaceId>) -> TableOptions {
        let keyspace = keyspace.unwrap_or(KeyspaceId::SYSTEM);
        self.space.profiles.table_options(self.level, keyspace)
    }

    fn open_table(&mut self) -> Result<()> {
        let number = (self.space.numbers)();
        let path = names::table(self.space.directory, number);
        let options = self.options_for(self.keyspace);
        let (vfs, security) = (self.space.vfs, self.space.security);
        let builder = TableBuilder::new(vfs, security, &path, number, options);
        // A failed creation may have left the file.
        let mut builder = builder.inspect_err(|_| self.remove(number))?;
        if let Some(memory) = self.space.memory {
            builder = builder
                .with_charge(memory.charge(Account::Builders))
                .with_fresh(memory.cache().fresh_blocks());
        }
        self.current = Some((number, builder));
        self.grandparents.passed_bytes = 0;
        Ok(())
    }

    /// Finishes the open table, if there is one. It covers the keys up to `end`, where the next
    /// one begins; `None` means to the end.
    fn end_table(&mut self, end: Option<&[u8]>) -> Result<()> {
        let Some((number, mut builder)) = self.current.take() else {
            return Ok(());
        };
        let result = self
            .take_tombstones(end)
            .iter()
            .try_for_each(|t| builder.add_range_tombstone(&t.start, &t.end, t.seq))
            .and_then(|()| builder.finish());
        let meta = result.inspect_err(|_| self.remove(number))?;
        self.tables.push(meta);
        Ok(())
    }

    /// Takes out the tombstones, and the parts of tombstones, before `end`.
    fn take_tombstones(&mut self, end: Option<&[u8]>) -> Vec<RangeTombstone> {
        let Some(end) = end else {
            return std::mem::take(&mut self.tombstones);
        };
        let begun = self.tombstones.partition_point(|t| *t.start < *end);
        let mut taken: Vec<_> = self.tombstones.drain(..begun).collect();
        let cut: Arc<[u8]> = end.into();
        let mut rest = Vec::new();
        for tombstone in &mut taken {
            if *tombstone.end > *end {
                rest.push(RangeTombstone {
                    start: cut.clone(),
                    ..tombstone.clone()
                });
                tombstone.end = cut.clone();
            }
        }
        self.tombstones.splice(0..0, rest);
        taken
    }

    fn remove(&self, number: FileNumber) {
        if let Some(memory) = self.space.memory {
            memory.cache().forget_fresh(number);
        }
        let path = names::table(self.space.directory, number);
        if let Err(error) = self.space.vfs.remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            // Nothing names the file; the next start removes it.
            tracing::warn!(%error, path = %path.display(), "cannot remove an unfinished table");
        }
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        if let Some((number, builder)) = self.current.take() {
            drop(builder);
            self.remove(number);
        }
        for table in std::mem::take(&mut self.tables) {
            self.remove(table.number);
        }
    }
}

impl Grandparents {
    /// Moves on to `key`; returns the length of what the current table has passed.
    fn advance(&mut self, key: &[u8]) -> u64 {
        while let Some(table) = self.tables.get(self.at)
            && table.bounds().ends_before(key)
        {
            self.passed_bytes += table.meta().file_bytes;
            self.at += 1;
        }
        self.passed_bytes
    }
}
