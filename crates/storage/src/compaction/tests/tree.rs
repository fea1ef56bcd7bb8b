//! A small engine for tests: memtables, a version, compactions that run side by side, and a model
//! of every commit to compare what readers see with.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustdb_vfs::{SimVfs, VfsRef};

use crate::codec::Codec;
use crate::compaction::*;
use crate::envelope::Security;
use crate::error::{Error, Result};
use crate::iter::{Bounds, Cover, Cursor, RunCursor, Source, VisibleIter};
use crate::key::{EntryKind, FileNumber, KeyspaceId, SequenceNumber, storage_key};
use crate::manifest::{AddedTable, ManifestState, TableMeta, VersionEdit};
use crate::memtable::{Memtable, MemtableWriter};
use crate::names::{self, FileName};
use crate::table::{
    FilterUse, ReadMode, TableBuilder, TableOptions, TableStore, TableStoreOptions, key_hash,
};
use crate::value::*;
use crate::version::{Run, RunTables, TreeFiles, Version};

pub(super) type Key = Vec<u8>;

/// A storage key of a keyspace.
pub(super) fn key(keyspace: u32, user: &str) -> Key {
    let mut out = Vec::new();
    storage_key(KeyspaceId(keyspace), user.as_bytes(), &mut out);
    out
}

/// What a commit writes.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Put {
        value: Vec<u8>,
        expiry: Option<u64>,
    },
    /// The same, with the value in a value file.
    PutLarge {
        value: Vec<u8>,
        expiry: Option<u64>,
    },
    Delete,
}

/// Every commit there was.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    writes: BTreeMap<Key, Vec<(SequenceNumber, Write)>>,
    ranges: Vec<(Key, Key, SequenceNumber)>,
}

impl Model {
    /// What a reader at `at` sees.
    fn view(&self, at: SequenceNumber, now: u64) -> BTreeMap<Key, Vec<u8>> {
        let visible = self.writes.iter().filter_map(|(key, writes)| {
            let (seq, write) = writes.iter().rev().find(|(seq, _)| *seq <= at)?;
            let is_covered = self.ranges.iter().any(|(start, end, tombstone)| {
                start <= key && key < end && *tombstone <= at && *tombstone > *seq
            });
            match write {
                Write::Put { value, expiry } | Write::PutLarge { value, expiry } => {
                    let is_live = expiry.is_none_or(|expiry| expiry > now);
                    (is_live && !is_covered).then(|| (key.clone(), value.clone()))
                }
                Write::Delete => None,
            }
        });
        visible.collect()
    }

    /// The newest commit that changed the key.
    fn newest(&self, key: &Key) -> SequenceNumber {
        let writes = self.writes.get(key).and_then(|writes| writes.last());
        let ranges = self.ranges.iter().filter(|(s, e, _)| s <= key && key < e);
        let newest = ranges.map(|(_, _, seq)| *seq).max().unwrap_or(0);
        newest.max(writes.map_or(0, |(seq, _)| *seq))
    }
}

struct Profiles;

impl TableProfiles for Profiles {
    fn table_options(&self, level: usize, keyspace: KeyspaceId) -> TableOptions {
        TableOptions {
            block_bytes: 256,
            codec: if level > 4 { Codec::Lz4 } else { Codec::None },
            filter: keyspace.0 != 3,
        }
    }
}

/// A compaction whose result is not installed yet.
struct InFlight {
    choice: Choice,
    outcome: Outcome,
    ticket: Ticket,
}

pub(super) struct Tree {
    pub(super) machine: SimVfs,
    vfs: VfsRef,
    security: Arc<Security>,
    pub(super) options: CompactionOptions,
    files: TreeFiles,
    pub(super) values: ValueStore,
    writer: ValueWriter,
    moved: ValueWriter,
    next_file: Arc<AtomicU64>,
    pub(super) version: Version,
    /// Folds every edit, as recovery would.
    manifest: ManifestState,
    next_run: u64,
    active: MemtableWriter,
    /// Oldest first.
    frozen: VecDeque<Arc<Memtable>>,
    pins: Vec<ValuePin>,
    pub(super) sequence: SequenceNumber,
    pub(super) snapshots: BTreeSet<SequenceNumber>,
    pub(super) busy: Reservations,
    in_flight: Vec<InFlight>,
    pub(super) model: Model,
    pub(super) retired_keys: Vec<u32>,
    /// How often each reason was carried out.
    pub(super) reasons: BTreeMap<String, usize>,
}

pub(super) fn directory() -> &'static Path {
    Path::new("/db")
}

pub(super) fn tiny() -> CompactionOptions {
    CompactionOptions {
        level0_trigger: 2,
        base_bytes: 6 << 10,
        multiplier: 3,
        table_bytes: 3 << 10,
        settle_micros: 50_000_000,
        ..CompactionOptions::default()
    }
}

impl Tree {
    pub(super) fn new(seed: u64, options: CompactionOptions) -> Self {
        let machine = SimVfs::new(seed);
        let vfs = machine.vfs();
        vfs.create_dir_all(directory()).unwrap();
        vfs.sync_dir(Path::new("/")).unwrap();
        let security = Security::plain(vfs.clone(), [5; 16]);
        let store = TableStore::new(vfs.clone(), security.clone(), TableStoreOptions::default());
        let next_file = Arc::new(AtomicU64::new(1));
        let next = next_file.clone();
        let numbers: FileNumbers =
            Arc::new(move || FileNumber(next.fetch_add(1, Ordering::Relaxed)));
        let values = ValueStore::new(
            vfs.clone(),
            security.clone(),
            directory().to_path_buf(),
            numbers,
        );
        let small_files = ValueOptions {
            file_bytes_max: 2000,
            active_files_max: 1,
        };
        Self {
            files: TreeFiles::in_directory(directory().to_path_buf(), store),
            writer: ValueWriter::new(values.clone(), small_files.clone()),
            moved: ValueWriter::new(values.clone(), small_files),
            values,
            machine,
            vfs,
            security,
            options,
            next_file,
            version: Version::empty(),
            manifest: ManifestState::default(),
            next_run: 1,
            active: MemtableWriter::new(FileNumber(1)),
            frozen: VecDeque::new(),
            pins: Vec::new(),
            sequence: 0,
            snapshots: BTreeSet::new(),
            busy: Reservations::new(),
            in_flight: Vec::new(),
            model: Model::default(),
            retired_keys: Vec::new(),
            reasons: BTreeMap::new(),
        }
    }

    /// The numbers of files to come.
    pub(super) fn next_number(&self) -> FileNumber {
        FileNumber(self.next_file.load(Ordering::Relaxed))
    }

    fn new_run(&mut self) -> u64 {
        self.next_run += 1;
        self.next_run
    }

    pub(super) fn now(&self) -> u64 {
        self.vfs.wall_micros()
    }

    // Writing.

    pub(super) fn commit(&mut self, writes: Vec<(Key, Write)>, ranges: Vec<(Key, Key)>) {
        self.sequence += 1;
        let seq = self.sequence;
        for (start, end) in ranges.into_iter().filter(|(start, end)| start < end) {
            self.active.delete_range(&start, &end, seq);
            self.model.ranges.push((start, end, seq));
        }
        for (key, write) in writes {
            let (kind, stored) = self.stored(&write);
            self.active.insert(&key, seq, kind, &stored);
            self.model.writes.entry(key).or_default().push((seq, write));
        }
    }

    pub(super) fn put(&mut self, key: Key, value: &str) {
        let write = Write::Put {
            value: value.into(),
            expiry: None,
        };
        self.commit(vec![(key, write)], vec![]);
    }

    /// The entry of a write; a large value is in its file then.
    fn stored(&mut self, write: &Write) -> (EntryKind, Vec<u8>) {
        match write {
            Write::Delete => (EntryKind::Delete, Vec::new()),
            Write::Put { value, expiry } => match expiry {
                None => (EntryKind::Put, value.clone()),
                Some(expiry) => {
                    let stored = [&expiry.to_le_bytes()[..], value].concat();
                    (EntryKind::PutExpiring, stored)
                }
            },
            Write::PutLarge { value, expiry } => {
                let Appended { pointer, pin } = self.writer.append(value).unwrap();
                self.active.reference(pointer.file, pointer.length);
                self.pins.push(pin);
                let reference = Reference {
                    expiry: *expiry,
                    pointer,
                };
                let mut stored = Vec::new();
                reference.encode(&mut stored);
                (reference.kind(), stored)
            }
        }
    }

    pub(super) fn freeze(&mut self) {
        if !self.active.memtable().is_empty() {
            let next = MemtableWriter::new(FileNumber(1));
            let full = std::mem::replace(&mut self.active, next);
            self.frozen.push_back(full.memtable().clone());
            self.pins.clear();
        }
    }

    /// Writes the oldest frozen memtable to level 0, in tables of a few keys.
    pub(super) fn flush_oldest(&mut self, keys_per_table: usize) {
        let Some(memtable) = self.frozen.front().cloned() else {
            return;
        };
        let mut tables: Vec<TableMeta> = Vec::new();
        let mut builder = self.builder();
        let mut cursor = memtable.cursor();
        let mut keys = 0;
        let mut last: (Key, SequenceNumber) = (Vec::new(), 0);
        // A memtable with range tombstones is written as one table.
        let is_cut = !memtable.has_tombstones();
        cursor.seek_to_first();
        while cursor.valid() {
            let entry = (cursor.key().to_vec(), cursor.seq());
            if entry != last {
                if entry.0 != last.0 {
                    keys += 1;
                    if is_cut && keys % keys_per_table == 0 && !builder.is_empty() {
                        let full = std::mem::replace(&mut builder, self.builder());
                        tables.push(full.finish().unwrap());
                    }
                }
                let kind = EntryKind::from_u8(cursor.kind()).unwrap();
                builder
                    .add(&entry.0, entry.1, kind, cursor.value())
                    .unwrap();
            }
            last = entry;
            cursor.next();
        }
        for tombstone in memtable.tombstones().iter() {
            builder
                .add_range_tombstone(&tombstone.start, &tombstone.end, tombstone.seq)
                .unwrap();
        }
        tables.push(builder.finish().unwrap());
        let run = self.new_run();
        let added = tables.into_iter().map(|meta| AddedTable {
            level: 0,
            run,
            meta: Arc::new(meta),
        });
        let references = memtable.references().into_iter();
        let edit = VersionEdit {
            added: added.collect(),
            value_files_added: references
                .filter_map(|(file, _)| self.values.written(file))
                .collect(),
            ..VersionEdit::default()
        };
        self.frozen.pop_front();
        self.install(&edit);
    }

    pub(super) fn flush(&mut self) {
        self.freeze();
        while !self.frozen.is_empty() {
            self.flush_oldest(1000);
        }
    }

    /// Publishes a sorted run with one commit, as a large transaction does: it goes on top, or to
    /// the bottom if nothing is in the way.
    pub(super) fn ingest(&mut self, writes: BTreeMap<Key, Write>) {
        self.freeze();
        self.sequence += 1;
        let seq = self.sequence;
        let mut builder = self.builder();
        for (key, write) in writes {
            let (kind, stored) = self.stored(&write);
            builder.add(&key, 0, kind, &stored).unwrap();
            self.model.writes.entry(key).or_default().push((seq, write));
        }
        let mut meta = builder.finish().unwrap();
        meta.sequence_override = Some(seq);
        (meta.min_seq, meta.max_seq) = (seq, seq);
        // What the run refers to is known before the pins are let go.
        let refs = meta.value_refs.iter();
        let value_files_added = refs
            .filter_map(|(file, _)| self.values.written(*file))
            .collect();
        let bounds = crate::version::KeyBounds::of(&meta);
        let bottom = crate::manifest::LEVELS - 1;
        let is_free = !self.version.overlaps(bounds)
            && !self.busy.has_range(bottom, bounds)
            && self.frozen.is_empty();
        let existing = self
            .version
            .level(bottom)
            .runs()
            .first()
            .map(|run| run.id());
        let (level, run) = match (is_free, existing) {
            (true, Some(run)) => (bottom, run),
            (true, None) if !self.busy.has_level(bottom) => (bottom, self.new_run()),
            _ => (0, self.new_run()),
        };
        self.install(&VersionEdit {
            added: vec![AddedTable {
                level: level as u8,
                run,
                meta: Arc::new(meta),
            }],
            value_files_added,
            ..VersionEdit::default()
        });
        self.pins.clear();
    }

    fn builder(&self) -> TableBuilder {
        let number = FileNumber(self.next_file.fetch_add(1, Ordering::Relaxed));
        let path = names::table(directory(), number);
        let options = Profiles.table_options(0, KeyspaceId(1));
        TableBuilder::new(&self.vfs, &self.security, &path, number, options).unwrap()
    }

    /// Applies an edit, unlinks what nobody uses any more, and drops dead value files.
    pub(super) fn install(&mut self, edit: &VersionEdit) {
        self.manifest.apply(edit).unwrap();
        let next = self.version.apply(edit, &self.files).unwrap();
        let before = std::mem::replace(&mut self.version, next);
        before.retire(edit);
        drop(before);
        let mut dead: Vec<_> = self.version.unreferenced_value_files().collect();
        dead.retain(|file| self.values.is_settled(*file));
        let memtables = self.frozen.iter().chain([self.active.memtable()]);
        let used: BTreeSet<_> = memtables
            .flat_map(|memtable| memtable.references())
            .map(|(file, _)| file)
            .collect();
        dead.retain(|file| !used.contains(file));
        if !dead.is_empty() {
            self.install(&VersionEdit {
                value_files_removed: dead,
                ..VersionEdit::default()
            });
        }
        for name in self.files.take_obsolete() {
            let path = match name {
                FileName::Table(number) => names::table(directory(), number),
                FileName::Value(number) => {
                    self.values.forget(number);
                    names::value(directory(), number)
                }
                other => panic!("{other:?} is not a file of a version"),
            };
            self.vfs.remove_file(&path).unwrap();
        }
    }

    // Compacting.

    /// Every commit up to this one is in tables.
    fn flushed(&self) -> SequenceNumber {
        let memtables = self.frozen.iter().chain([self.active.memtable()]);
        let oldest = memtables
            .filter(|m| !m.is_empty())
            .map(|m| m.min_seq())
            .min();
        oldest.map_or(self.sequence, |oldest| oldest - 1)
    }

    fn with_moment<T>(&self, body: impl FnOnce(&Shape, &Moment<'_>) -> T) -> T {
        for table in self
            .version
            .tables()
            .filter(|t| t.meta().range_tombstones > 0)
        {
            table.table().unwrap();
        }
        let snapshots: Vec<_> = self.snapshots.iter().copied().collect();
        let files = self.version.value_files().keys().copied();
        let moment = Moment {
            now_micros: self.now(),
            snapshots: &snapshots,
            visible: self.sequence,
            flushed: self.flushed(),
            unsettled_values: &files.filter(|f| !self.values.is_settled(*f)).collect(),
            retired_keys: &self.retired_keys,
        };
        body(&Shape::of(&self.version), &moment)
    }

    /// What would be compacted next.
    pub(super) fn pick(&self) -> Option<Choice> {
        self.with_moment(|shape, moment| pick(shape, &self.options, moment, &self.busy))
    }

    /// Carries out a choice on the present version, without installing the result.
    pub(super) fn run(&mut self, choice: &Choice, cancel: &AtomicBool) -> Result<Outcome> {
        let snapshots: Vec<_> = self.snapshots.iter().copied().collect();
        let new_run = self.new_run();
        let numbers = self.numbers();
        run(
            choice,
            &JobContext {
                space: TableSpace {
                    vfs: &self.vfs,
                    security: &self.security,
                    directory: directory(),
                    numbers: &numbers,
                    profiles: &Profiles,
                },
                version: &self.version,
                options: &self.options,
                snapshots: &snapshots,
                visible: self.sequence,
                new_run,
                values: &self.values,
                moved_values: &self.moved,
                limiter: &RateLimiter::new(self.vfs.clone(), 0),
                cancel,
                progress: &Progress::default(),
            },
        )
    }

    fn numbers(&self) -> FileNumbers {
        let next = self.next_file.clone();
        Arc::new(move || FileNumber(next.fetch_add(1, Ordering::Relaxed)))
    }

    /// Starts the next compaction; `false` if none is due.
    pub(super) fn start(&mut self) -> bool {
        let choice = self.pick();
        choice.is_some_and(|choice| {
            self.start_choice(choice);
            true
        })
    }

    fn start_choice(&mut self, choice: Choice) {
        *self
            .reasons
            .entry(format!("{:?}", choice.reason))
            .or_default() += 1;
        let ticket = self.busy.reserve(&choice);
        let outcome = self.run(&choice, &AtomicBool::new(false)).unwrap();
        self.in_flight.push(InFlight {
            choice,
            outcome,
            ticket,
        });
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Installs the result of one of the compactions under way.
    pub(super) fn finish(&mut self, which: usize) {
        let InFlight {
            choice,
            outcome,
            ticket,
        } = self.in_flight.swap_remove(which);
        assert_eq!(
            outcome.edit.removed.iter().collect::<BTreeSet<_>>(),
            choice.input_numbers().iter().collect(),
        );
        self.install(&outcome.edit);
        drop(outcome.pins);
        self.busy.release(ticket);
    }

    /// Compacts until nothing is due. Panics if that does not end.
    pub(super) fn settle(&mut self) {
        for _ in 0..2000 {
            while !self.in_flight.is_empty() {
                self.finish(0);
            }
            if !self.start() {
                return;
            }
        }
        panic!("compactions do not end: {:?}", self.reasons);
    }

    /// Compacts a range as far as it goes.
    pub(super) fn compact(&mut self, range: &ManualRange) {
        for _ in 0..2000 {
            while !self.in_flight.is_empty() {
                self.finish(0);
            }
            let step = self.with_moment(|shape, moment| {
                pick_manual(shape, &self.options, moment, &self.busy, range)
            });
            match step {
                ManualStep::Do(choice) => self.start_choice(choice),
                ManualStep::Done => return,
                ManualStep::Wait => panic!("waits for nothing"),
            }
        }
        panic!("a manual compaction does not end");
    }

    // Reading.

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

/// The error a job must have ended with.
pub(super) fn is_closed(result: &Result<Outcome>) -> bool {
    matches!(result, Err(Error::Closed))
}
