//! A small engine for tests: memtables, a version, compactions that run side by side, and a model
//! of every commit.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustdb_vfs::{SimVfs, VfsRef};

use super::model::{Key, Model, Write};
use crate::codec::Codec;
use crate::compaction::*;
use crate::envelope::Security;
use crate::error::{Error, Result};
use crate::key::{EntryKind, FileNumber, KeyspaceId, SequenceNumber};
use crate::manifest::{AddedTable, ManifestState, TableMeta, VersionEdit};
use crate::memtable::{Memtable, MemtableWriter};
use crate::names::{self, FileName};
use crate::table::{TableBuilder, TableOptions, TableStore, TableStoreOptions};
use crate::value::*;
use crate::version::{TreeFiles, Version};

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
    pub(super) vfs: VfsRef,
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
    pub(super) active: MemtableWriter,
    /// Oldest first.
    pub(super) frozen: VecDeque<Arc<Memtable>>,
    pins: Vec<ValuePin>,
    pub(super) sequence: SequenceNumber,
    pub(super) snapshots: BTreeSet<SequenceNumber>,
    pub(super) busy: Reservations,
    in_flight: Vec<InFlight>,
    pub(super) model: Model,
    /// How many memtables there were.
    pub(super) memtables: u64,
    pub(super) retired_keys: Vec<u32>,
    /// Whether the disk is nearly full.
    pub(super) needs_space: bool,
    /// How often each reason was carried out.
    pub(super) reasons: BTreeMap<String, usize>,
}

pub(super) fn directory() -> &'static Path {
    Path::new("/db")
}

pub(super) fn tiny() -> CompactionOptions {
    CompactionOptions {
        level0_trigger: 2,
        base_bytes: 3 << 10,
        multiplier: 3,
        table_bytes: 1500,
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
            memtables: 0,
            retired_keys: Vec::new(),
            needs_space: false,
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
            self.memtables += 1;
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
            && self.frozen.iter().all(|memtable| {
                let after = [&meta.largest[..], &[0]].concat();
                !memtable.overlaps(&meta.smallest, &after)
            });
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
        self.version.load_tombstones().unwrap();
        let snapshots: Vec<_> = self.snapshots.iter().copied().collect();
        let files = self.version.value_files().keys().copied();
        let moment = Moment {
            now_micros: self.now(),
            snapshots: &snapshots,
            visible: self.sequence,
            flushed: self.flushed(),
            unsettled_values: &files.filter(|f| !self.values.is_settled(*f)).collect(),
            retired_keys: &self.retired_keys,
            switches: 0,
        };
        let mut shape = Shape::of(&self.version);
        if self.needs_space {
            shape.note_covered(&self.version, &moment).unwrap();
        }
        body(&shape, &moment)
    }

    /// What would be compacted next.
    pub(super) fn pick(&self) -> Option<Choice> {
        self.with_moment(|shape, moment| pick(shape, &self.options, moment, &self.busy))
    }

    /// Carries out a choice on the present version, without installing the result.
    pub(super) fn run(&mut self, choice: &Choice, cancel: Cancel<'_>) -> Result<Outcome> {
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
                    memory: None,
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
                space_kept: 0,
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
        let outcome = self
            .run(&choice, Cancel::on(&AtomicBool::new(false)))
            .unwrap();
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
}

/// The error a job must have ended with.
pub(super) fn is_closed(result: &Result<Outcome>) -> bool {
    matches!(result, Err(Error::Closed))
}
