//! What can be kept of tables and value files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Repair, Unit};
use crate::compaction::{Output, TableProfiles, TableSpace};
use crate::error::{Error, Result};
use crate::key::{EntryKind, FileNumber, SequenceNumber};
use crate::manifest::{LEVELS, ManifestState, TableMeta, ValueFileMeta};
use crate::names::{self, FileName};
use crate::table::{ReadMode, Table};
use crate::tombstone::RangeTombstone;
use crate::value::{Reference, ValueStore, ValueWriter};

/// The value files, and where values of damaged ones go.
pub(super) struct Values {
    store: ValueStore,
    writer: ValueWriter,
    /// What is known about the sound ones.
    sound: BTreeMap<FileNumber, ValueFileMeta>,
    lost: u64,
}

/// What becomes of an entry's value.
pub(super) enum Fate {
    /// It stays as it is.
    Same,
    /// It was moved; the entry holds this instead.
    Moved(Vec<u8>),
    /// It cannot be read any more.
    Lost,
}

impl Values {
    pub(super) fn new(store: ValueStore, writer: ValueWriter) -> Self {
        Self {
            store,
            writer,
            sound: BTreeMap::new(),
            lost: 0,
        }
    }

    /// Decides about an entry. Values are moved out of files that are damaged somewhere, so that
    /// no such file is needed any more.
    pub(super) fn decide(&mut self, kind: EntryKind, stored: &[u8]) -> Result<Fate> {
        if !kind.is_reference() {
            return Ok(Fate::Same);
        }
        let reference = Reference::decode(kind, stored);
        if reference.is_some_and(|reference| self.is_sound(&reference)) {
            return Ok(Fate::Same);
        }
        let value = reference.map(|reference| self.store.read(&reference.pointer));
        let (Some(reference), Some(Ok(value))) = (reference, value) else {
            self.lost += 1;
            return Ok(Fate::Lost);
        };
        let pointer = self.writer.append(&value)?.pointer;
        let mut moved = Vec::new();
        Reference {
            pointer,
            ..reference
        }
        .encode(&mut moved);
        Ok(Fate::Moved(moved))
    }

    /// Whether the value can be read without being touched.
    pub(super) fn can_read(&self, kind: EntryKind, stored: &[u8]) -> bool {
        !kind.is_reference()
            || Reference::decode(kind, stored)
                .is_some_and(|r| self.is_sound(&r) || self.store.check(&r.pointer).is_ok())
    }

    /// Whether no value of a table has to be touched. The manifest would tell how long value files
    /// have to be, but it may be lost or an older one, so each reference is looked at.
    fn has_all_of(&self, table: &Arc<Table>) -> Result<bool> {
        let mut files = table.meta().value_refs.iter();
        if !files.all(|(file, _)| self.sound.contains_key(file)) {
            return Ok(false);
        }
        if table.meta().value_refs.is_empty() {
            return Ok(true);
        }
        let mut cursor = table.cursor(ReadMode::COMPACTION);
        cursor.seek_to_first()?;
        while cursor.valid() {
            let (kind, stored) = (cursor.kind(), cursor.value());
            let is_reference = kind.is_reference();
            let reference = Reference::decode(kind, stored);
            if is_reference && !reference.is_some_and(|reference| self.is_sound(&reference)) {
                return Ok(false);
            }
            cursor.next()?;
        }
        Ok(true)
    }

    fn is_sound(&self, reference: &Reference) -> bool {
        let pointer = &reference.pointer;
        let meta = self.sound.get(&pointer.file);
        meta.is_some_and(|meta| pointer.offset < meta.file_bytes)
    }

    /// How many values could not be read.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    pub(super) fn finish(&self) -> Result<()> {
        self.writer.finish()
    }

    /// What the manifest has to say about files that are referred to.
    pub(super) fn metas(&self, files: &BTreeSet<FileNumber>) -> Result<Vec<ValueFileMeta>> {
        let meta = |number: &FileNumber| {
            let meta = self.store.written(*number);
            meta.or_else(|| self.sound.get(number).cloned())
        };
        Ok(files.iter().filter_map(meta).collect())
    }
}

impl Repair {
    /// Reads all value files.
    pub(super) fn survey_values(&mut self, old: Option<&ManifestState>) {
        let expected = old.map(|old| old.value_files().clone()).unwrap_or_default();
        for number in expected.keys() {
            if !self.found.contains_key(&FileName::Value(*number)) {
                let path = names::value(&self.directory, *number);
                self.damage(&path, &Error::corruption(&path, 0, "the file is missing"));
            }
        }
        let found: Vec<_> = self
            .found
            .iter()
            .filter_map(|(name, path)| match name {
                FileName::Value(number) => Some((*number, path.clone())),
                _ => None,
            })
            .collect();
        for (number, path) in found {
            let store = &self.values.store;
            let surveyed = store.survey(number).and_then(|meta| {
                let expected = expected.get(&number);
                let wanted = expected.map_or(0, |known| known.file_bytes);
                store.verify(&ValueFileMeta {
                    file_bytes: meta.file_bytes.max(wanted),
                    ..meta.clone()
                })?;
                let created = expected.map(|known| known.created_micros);
                Ok(ValueFileMeta {
                    created_micros: created.unwrap_or(meta.created_micros),
                    ..meta
                })
            });
            match surveyed {
                Ok(meta) => {
                    self.values.sound.insert(number, meta);
                }
                // What nothing is known to refer to may just have been written.
                Err(error) if expected.contains_key(&number) || old.is_none() => {
                    self.damage(&path, &error);
                }
                Err(_) => {}
            }
        }
    }

    /// What is to stand in the place of a table: itself, or the sound part of it.
    pub(super) fn sound_tables(&mut self, meta: &Arc<TableMeta>) -> Result<Vec<Arc<TableMeta>>> {
        let path = names::table(&self.directory, meta.number);
        if !self.found.contains_key(&FileName::Table(meta.number)) {
            self.damage(&path, &Error::corruption(&path, 0, "the file is missing"));
            return Ok(Vec::new());
        }
        let has_values = self.open_table(meta).and_then(|table| {
            table.verify()?;
            self.values.has_all_of(&table)
        });
        match has_values {
            Ok(true) => {
                self.report.tables_kept += 1;
                return Ok(vec![meta.clone()]);
            }
            Ok(false) => {}
            Err(error) => self.damage(&path, &error),
        }
        match Table::open_damaged(&self.store, &path, meta) {
            Ok((table, damage)) => {
                damage.iter().for_each(|error| self.damage(&path, error));
                self.rewrite(&table)
            }
            Err(error) => {
                self.damage(&path, &error);
                Ok(Vec::new())
            }
        }
    }

    /// Writes what can be read of a table to new ones.
    fn rewrite(&mut self, table: &Table) -> Result<Vec<Arc<TableMeta>>> {
        let mut tombstones = table.raw_tombstones().to_vec();
        tombstones.sort_by(|a, b| a.start.cmp(&b.start));
        let profile = self.options.clone();
        // The output borrows the rest.
        let empty = Values::new(self.values.store.clone(), self.values.writer.clone());
        let mut values = std::mem::replace(&mut self.values, empty);
        let mut output = self.output(&profile, LEVELS - 1, tombstones);
        let mut last_key: Option<Vec<u8>> = None;
        let salvaged = table.salvage(&mut |key, seq, kind, value| {
            let is_new_key = last_key.as_deref() != Some(key);
            match values.decide(kind, value)? {
                Fate::Same => output.add(key, is_new_key, seq, kind, value)?,
                Fate::Moved(value) => output.add(key, is_new_key, seq, kind, &value)?,
                Fate::Lost => output.add(key, is_new_key, seq, EntryKind::Delete, &[])?,
            }
            if is_new_key {
                last_key = Some(key.to_vec());
            }
            Ok(())
        });
        let tables = salvaged.and_then(|damage| Ok((damage, output.finish()?)));
        self.values = values;
        self.report.lost_values = self.values.lost();
        let (damage, tables) = tables?;
        for error in &damage {
            self.damage(table.path(), error);
        }
        self.report.tables_rewritten += 1;
        Ok(tables.into_iter().map(Arc::new).collect())
    }

    /// All tables there are, when there is no manifest. `ingests` are the sequence numbers of
    /// bulk writes, which are not in their files.
    pub(super) fn all_tables(
        &mut self,
        ingests: &BTreeMap<FileNumber, SequenceNumber>,
    ) -> Result<Vec<Unit>> {
        let mut newest = 0;
        let mut metas = Vec::new();
        for number in self.table_numbers() {
            let path = names::table(&self.directory, number);
            match Table::read_origin_damaged(&self.store, &path) {
                Ok((meta, is_bulk)) => metas.push((TableMeta { number, ..meta }, is_bulk)),
                Err(error) => self.damage(&path, &error),
            }
        }
        let mut units = Vec::new();
        for (mut meta, is_bulk) in metas {
            newest = newest.max(meta.max_seq);
            // What a compaction made of old entries has the number zero too, and is the oldest.
            if is_bulk {
                let known = ingests.get(&meta.number).copied();
                if known.is_none() {
                    let path = names::table(&self.directory, meta.number);
                    self.report.guessed_tables.push(path);
                }
                // Files are numbered about in the order of their commits.
                set_sequence(&mut meta, known.unwrap_or(newest.max(1)));
            }
            let tables = self.sound_tables(&Arc::new(meta))?;
            units.extend(tables.into_iter().map(Unit::of));
        }
        Ok(units)
    }

    /// A table of a bulk write that only the log knows of.
    pub(super) fn ingested_table(
        &mut self,
        number: FileNumber,
        sequence: SequenceNumber,
    ) -> Result<Vec<Unit>> {
        let path = names::table(&self.directory, number);
        match Table::read_meta_damaged(&self.store, &path) {
            Ok(mut meta) => {
                meta.number = number;
                set_sequence(&mut meta, sequence);
                let tables = self.sound_tables(&Arc::new(meta))?;
                Ok(tables.into_iter().map(Unit::of).collect())
            }
            Err(error) => {
                self.damage(&path, &error);
                Ok(Vec::new())
            }
        }
    }

    pub(super) fn open_table(&self, meta: &Arc<TableMeta>) -> Result<Arc<Table>> {
        let path = names::table(&self.directory, meta.number);
        self.store.open(&path, meta.clone())
    }

    pub(super) fn output<'a>(
        &'a self,
        profiles: &'a dyn TableProfiles,
        level: usize,
        tombstones: Vec<RangeTombstone>,
    ) -> Output<'a> {
        let space = TableSpace {
            vfs: &self.vfs,
            security: &self.security,
            directory: &self.directory,
            numbers: &self.numbers,
            profiles,
            memory: None,
        };
        let table_bytes = self.options.compaction.table_bytes;
        Output::new(space, level, table_bytes, tombstones, Vec::new())
    }

    fn table_numbers(&self) -> Vec<FileNumber> {
        let numbers = self.found.keys().filter_map(|name| match name {
            FileName::Table(number) => Some(*number),
            _ => None,
        });
        numbers.collect()
    }
}

/// Makes a bulk write's table one of the commit with this number.
fn set_sequence(meta: &mut TableMeta, sequence: SequenceNumber) {
    meta.sequence_override = Some(sequence);
    (meta.min_seq, meta.max_seq) = (sequence, sequence);
}
