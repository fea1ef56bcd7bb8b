//! What readers see of a tree, compared with the model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::model::Key;
use super::tree::{Tree, directory};
use crate::iter::{Bounds, Cover, Cursor, RunCursor, Source, VisibleIter};
use crate::key::{EntryKind, SequenceNumber};
use crate::memtable::Memtable;
use crate::names::FileName;
use crate::table::{FilterUse, ReadMode, key_hash};
use crate::value::{Reference, expiry_of, split_expiry};
use crate::version::{Run, RunTables};

impl Tree {
    /// What a reader at `at` sees, through an iterator.
    fn scan(&self, at: SequenceNumber) -> BTreeMap<Key, Vec<u8>> {
        let memtables = self.frozen.iter().rev();
        let memtables = [self.active.memtable()].into_iter().chain(memtables);
        let mut sources: Vec<Source> = memtables.map(|m| Source::memtable(m, at)).collect();
        for run in self.version.levels().iter().flat_map(|level| level.runs()) {
            let tables = RunTables::new(run.clone(), ReadMode::default());
            sources.push(Source {
                cursor: Cursor::Run(RunCursor::new(tables.clone())),
                cover: Some(Cover::of_run(Box::new(tables), at)),
                max_seq: run.max_seq(),
            });
        }
        let mut iter = VisibleIter::new(sources, Bounds::default(), at, self.now());
        let mut seen = BTreeMap::new();
        iter.seek_to_first().unwrap();
        while iter.valid() {
            let value = self.resolve(iter.kind(), iter.stored());
            seen.insert(iter.key().to_vec(), value);
            iter.next().unwrap();
        }
        seen
    }

    fn resolve(&self, kind: EntryKind, stored: &[u8]) -> Vec<u8> {
        match Reference::decode(kind, stored) {
            Some(reference) => self.values.read(&reference.pointer).unwrap(),
            None => split_expiry(kind, stored).unwrap().1.to_vec(),
        }
    }

    /// The newest entry of a key, by point reads that stop at the first source that knows
    /// something: sequence number, kind and value. The second number is that of a tombstone that
    /// ended the search.
    fn get(&self, key: &Key, at: SequenceNumber) -> Option<(SequenceNumber, EntryKind, Vec<u8>)> {
        enum Young<'a> {
            Memtable(&'a Memtable),
            Run(&'a Run),
        }
        let frozen = self
            .frozen
            .iter()
            .map(|m| (m.max_seq(), Young::Memtable(m)));
        let level0 = self.version.level(0).runs().iter();
        let runs = level0.map(|run| (run.max_seq(), Young::Run(run)));
        let mut young: Vec<_> = frozen.chain(runs).collect();
        young.sort_by_key(|(max, _)| std::cmp::Reverse(*max));
        let deeper = self.version.deeper_runs().iter();
        let sources = [Young::Memtable(self.active.memtable())]
            .into_iter()
            .chain(young.into_iter().map(|(_, source)| source))
            .chain(deeper.map(|run| Young::Run(run)));
        for source in sources {
            let (found, tombstone) = match source {
                Young::Memtable(memtable) => {
                    let entry = memtable.get(key, at);
                    let found = entry.map(|e| (e.seq(), e.kind(), e.value().to_vec()));
                    (found, memtable.covering(key, at))
                }
                Young::Run(run) => {
                    let Some(handle) = run.find(key) else {
                        continue;
                    };
                    let table = handle.table().unwrap();
                    let found = table.get(key, key_hash(key), at, FilterUse::First).unwrap();
                    let found = found.map(|f| (f.seq, f.kind, f.value.to_vec()));
                    (found, table.range_tombstones().covering(key, at))
                }
            };
            match (found, tombstone) {
                (Some(found), tombstone) if tombstone.is_none_or(|t| t <= found.0) => {
                    return Some(found);
                }
                (_, Some(tombstone)) => return Some((tombstone, EntryKind::Delete, Vec::new())),
                (_, None) => {}
            }
        }
        None
    }

    /// Compares what every snapshot sees with the model, by iterators and by point reads, and
    /// the newest change of every key as far as a transaction could ask for it.
    pub(super) fn check(&self) {
        let now = self.now();
        let oldest = self.snapshots.first().copied().unwrap_or(self.sequence);
        for at in self.snapshots.iter().copied().chain([self.sequence]) {
            let expected = self.model.view(at, now);
            let seen = self.scan(at);
            assert_eq!(seen, expected, "at {at} of {}", self.sequence);
            for key in self.model.writes.keys() {
                let found = self
                    .get(key, at)
                    .filter(|(_, kind, _)| *kind != EntryKind::Delete);
                let value = found
                    .filter(|(_, kind, stored)| expiry_of(*kind, stored).is_none_or(|e| e > now))
                    .map(|(_, kind, stored)| self.resolve(kind, &stored));
                let shown = key.escape_ascii();
                assert_eq!(value.as_ref(), expected.get(key), "get {shown} at {at}");
            }
        }
        for key in self.model.writes.keys() {
            let newest = self.model.newest(key);
            if newest > oldest {
                let found = self.get(key, self.sequence).map(|(seq, _, _)| seq);
                let shown = key.escape_ascii();
                assert_eq!(found, Some(newest), "newest change of {shown}");
            }
        }
    }

    /// Checks that every file in the directory is named, and every named file is there and whole.
    pub(super) fn check_files(&self) {
        let entries = self.vfs.read_dir(directory()).unwrap();
        let tables: BTreeSet<_> = self.version.tables().map(|t| t.meta().number).collect();
        for entry in entries {
            match FileName::parse(&entry.name) {
                Some(FileName::Table(number)) => {
                    assert!(tables.contains(&number), "{number:?} is left over");
                }
                Some(FileName::Value(number)) => {
                    let is_known = self.version.value_files().contains_key(&number);
                    let is_new = self.values.written(number).is_some();
                    assert!(is_known || is_new, "{number:?} is left over");
                }
                other => panic!("unexpected {other:?}"),
            }
        }
        for handle in self.version.tables() {
            handle.table().unwrap().verify().unwrap();
        }
        for entry in self.version.value_files().values() {
            self.values.verify(entry.handle.meta()).unwrap();
        }
    }

    /// The tables and value files in the directory.
    pub(super) fn listing(&self) -> Vec<PathBuf> {
        let entries = self.vfs.read_dir(directory()).unwrap();
        entries.into_iter().map(|entry| entry.path).collect()
    }

    /// What is stored of a key, newest first, over all tables.
    pub(super) fn entries(&self, key: &Key) -> Vec<(SequenceNumber, EntryKind)> {
        let mut entries = Vec::new();
        for handle in self.version.tables() {
            let mut cursor = handle.table().unwrap().cursor(ReadMode::default());
            cursor.seek(key, crate::key::MAX_SEQUENCE).unwrap();
            while cursor.valid() && cursor.key() == key.as_slice() {
                entries.push((cursor.seq(), cursor.kind()));
                cursor.next().unwrap();
            }
        }
        entries
    }
}
