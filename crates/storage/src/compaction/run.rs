//! Carrying out a choice.
//!
//! ```text
//!  inputs ──> merge ──> judge ──> relocate ──> output ──> edit
//!  (runs)     (iter)    (gc)      (values)     (tables)
//! ```
//!
//! One entry is in hand at a time; what is in memory is a read-ahead window per input run, the
//! builder of one table, and the inputs' range tombstones. The inputs are those of the version
//! the choice was made from. Meanwhile the tree may change around them, but not in a way that
//! matters: reservations keep others out of the inputs and of the range that is written to, and
//! what moves elsewhere only ever moves down, so whatever was older and below still is.
//!
//! The edit that is returned names only files that are durable. After an error, or when it is
//! cancelled, a compaction leaves nothing behind but, at most, dead bytes in a value file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cancel::Cancel;
use super::choice::{Action, Choice, InputRun, OutputRun};
use super::cover::range_tombstones;
use super::gc::{Judge, Older, Stripes, Verdict};
use super::options::CompactionOptions;
use super::output::{Output, TableSpace};
use super::rate::RateLimiter;
use super::shape::{BOTTOM, Shape, Targets};
use crate::error::{Error, Result, Room, Shortage};
use crate::iter::{Cursor, EntryCursor, MergeCursor, RunCursor};
use crate::key::{EntryKind, FileNumber, SequenceNumber};
use crate::manifest::{AddedTable, VersionEdit};
use crate::memory::{Account, MemoryCharge};
use crate::table::ReadMode;
use crate::tombstone::Fragments;
use crate::value::{Reference, ValuePin, ValueStore, ValueWriter};
use crate::version::{KeyBounds, Run, RunTables, TableHandle, Version};

/// After so many bytes of entries a merge looks whether it is cancelled and pays for them.
const STEP_BYTES: u64 = 256 << 10;

/// What a compaction works with.
#[derive(Clone, Copy)]
pub struct JobContext<'a> {
    /// Where tables are written, and how.
    pub space: TableSpace<'a>,
    /// The version the choice was made from.
    pub version: &'a Version,
    /// The options the choice was made with.
    pub options: &'a CompactionOptions,
    /// The live snapshots, ascending, listed together with `visible`: a snapshot that is not
    /// among them is, or will be, at least as new as that.
    pub snapshots: &'a [SequenceNumber],
    /// The newest commit that readers see.
    pub visible: SequenceNumber,
    /// The id of the run the result becomes, if the choice asks for a new one.
    pub new_run: u64,
    /// Reads values that are to be moved.
    pub values: &'a ValueStore,
    /// Takes values that are moved. Not the one that commits write to.
    pub moved_values: &'a ValueWriter,
    /// How fast the compaction may go.
    pub limiter: &'a RateLimiter,
    /// Ends the compaction early.
    pub cancel: Cancel<'a>,
    /// Ends the compaction with `NoSpace` when less free space is left.
    pub space_kept: u64,
    /// Tells others how far it is.
    pub progress: &'a Progress,
}

/// How far a compaction is; read by others while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// The length of all inputs.
    pub input_bytes: AtomicU64,
    /// The length of the keys and values that were read.
    pub read_bytes: AtomicU64,
    /// The length of what was written, about.
    pub written_bytes: AtomicU64,
}

/// What a compaction has done. It takes effect when the edit is installed.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The change of the tree. The engine adds its counters.
    pub edit: VersionEdit,
    /// Keep these until the edit is installed.
    pub pins: Vec<ValuePin>,
    /// What went in and what came out.
    pub stats: JobStats,
}

/// What went into a compaction and what came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobStats {
    /// The length of the tables that were read.
    pub read_bytes: u64,
    /// The length of the tables that were written.
    pub written_bytes: u64,
    /// The length of the values that were moved.
    pub moved_value_bytes: u64,
    /// Entries read.
    pub entries_in: u64,
    /// Entries written.
    pub entries_out: u64,
}

/// Carries out `choice`.
///
/// Tables that are only dropped or moved are not read. `Closed` or `Cancelled` if it
/// was to end early.
pub fn run(choice: &Choice, context: &JobContext<'_>) -> Result<Outcome> {
    match &choice.action {
        Action::Drop { tables } => Ok(edit_only(VersionEdit {
            removed: tables.iter().map(|table| table.number).collect(),
            ..VersionEdit::default()
        })),
        Action::Move { tables, level, run } => Ok(edit_only(VersionEdit {
            removed: tables.iter().map(|table| table.number).collect(),
            added: tables
                .iter()
                .map(|meta| added(*level, run_id(*run, context), meta.clone()))
                .collect(),
            ..VersionEdit::default()
        })),
        Action::Merge {
            inputs,
            level,
            run,
            collect,
        } => {
            let collect = collect.iter().copied().collect();
            merge(inputs, *level, run_id(*run, context), collect, context)
        }
    }
}

fn edit_only(edit: VersionEdit) -> Outcome {
    Outcome {
        edit,
        ..Outcome::default()
    }
}

fn run_id(run: OutputRun, context: &JobContext<'_>) -> u64 {
    match run {
        OutputRun::Existing(id) => id,
        OutputRun::New => context.new_run,
    }
}

fn added(level: usize, run: u64, meta: Arc<crate::manifest::TableMeta>) -> AddedTable {
    AddedTable {
        level: level as u8,
        run,
        meta,
    }
}

/// Merges `inputs` into new tables of `level`.
fn merge(
    inputs: &[InputRun],
    level: usize,
    run: u64,
    collect: BTreeSet<FileNumber>,
    context: &JobContext<'_>,
) -> Result<Outcome> {
    let inputs = Inputs::open(inputs, context.version)?;
    let input_bytes = inputs.tables().map(|table| table.meta().file_bytes).sum();
    let progress = context.progress;
    progress.input_bytes.store(input_bytes, Ordering::Relaxed);
    let judge = Judge::new(
        Stripes::new(context.snapshots, context.visible),
        inputs.tombstones()?,
        Arc::new(range_tombstones(context.version)),
        Older::than(context.version, |table| {
            inputs.numbers.contains(&table.meta().number)
        }),
        context.space.vfs.wall_micros(),
        level == BOTTOM,
    );
    let charge = context.space.memory.map(|memory| {
        let mut charge = memory.charge(Account::Builders);
        charge.set(inputs.runs.len() * context.options.readahead_bytes);
        charge
    });
    let output = Output::new(
        context.space,
        level,
        context.options.table_bytes,
        judge.needed_tombstones(),
        grandparents(level, &inputs, context),
    );
    let job = Merge {
        context,
        cursor: MergeCursor::new(inputs.cursors(context.options.readahead_bytes)),
        judge,
        output,
        relocation: Relocation::new(collect, context),
        stats: JobStats {
            read_bytes: input_bytes,
            ..JobStats::default()
        },
        unpaid_bytes: 0,
        _charge: charge,
    };
    let mut outcome = job.finish(level, run)?;
    outcome.edit.removed = inputs.numbers.into_iter().collect();
    Ok(outcome)
}

/// The tables of the level that the output will be merged with next, within the inputs' range.
fn grandparents(level: usize, inputs: &Inputs, context: &JobContext<'_>) -> Vec<Arc<TableHandle>> {
    let metas = inputs.tables().map(|table| &**table.meta());
    if level == BOTTOM {
        return Vec::new();
    }
    let Some(hull) = KeyBounds::hull(metas) else {
        return Vec::new();
    };
    let shape = Shape::of(context.version);
    let next = Targets::of(&shape, context.options).next(&shape, level);
    match context.version.level(next).runs() {
        [run] => run.overlapping(hull).to_vec(),
        // With several runs there, they are merged as a whole anyway.
        _ => Vec::new(),
    }
}

/// The input tables, as runs.
struct Inputs {
    runs: Vec<Arc<Run>>,
    numbers: BTreeSet<FileNumber>,
}

impl Inputs {
    /// Finds the tables in the version.
    fn open(inputs: &[InputRun], version: &Version) -> Result<Self> {
        let handles: BTreeMap<FileNumber, &Arc<TableHandle>> = version
            .tables()
            .map(|table| (table.meta().number, table))
            .collect();
        let mut runs = Vec::new();
        let mut numbers = BTreeSet::new();
        for input in inputs {
            let mut tables = Vec::new();
            for meta in &input.tables {
                let handle = handles.get(&meta.number).ok_or_else(|| {
                    Error::InvalidArgument(format!("table {:?} is not in the tree", meta.number))
                })?;
                numbers.insert(meta.number);
                tables.push(Arc::clone(handle));
            }
            runs.push(Arc::new(Run::new(input.run, tables)?));
        }
        Ok(Self { runs, numbers })
    }

    fn tables(&self) -> impl Iterator<Item = &Arc<TableHandle>> {
        self.runs.iter().flat_map(|run| run.tables())
    }

    /// All range tombstones in one list.
    fn tombstones(&self) -> Result<Arc<Fragments>> {
        let mut lists = Vec::new();
        for table in self.tables().filter(|t| t.meta().range_tombstones > 0) {
            lists.push(table.table()?.range_tombstones().clone());
        }
        Ok(Arc::new(Fragments::merged(
            lists.iter().map(|list| &**list),
        )))
    }

    fn cursors(&self, readahead_bytes: usize) -> Vec<Cursor> {
        let mode = ReadMode {
            readahead_bytes_max: readahead_bytes,
            ..ReadMode::COMPACTION
        };
        let tables = |run: &Arc<Run>| RunTables::new(run.clone(), mode);
        let runs = self.runs.iter();
        runs.map(|run| Cursor::Run(RunCursor::new(tables(run))))
            .collect()
    }
}

/// A merge under way.
struct Merge<'a> {
    context: &'a JobContext<'a>,
    cursor: MergeCursor,
    judge: Judge,
    output: Output<'a>,
    relocation: Relocation<'a>,
    stats: JobStats,
    unpaid_bytes: u64,
    /// For what is read ahead.
    _charge: Option<MemoryCharge>,
}

impl Merge<'_> {
    fn finish(mut self, level: usize, run: u64) -> Result<Outcome> {
        self.cursor.seek_to_first()?;
        let mut written_key = Vec::new();
        while self.cursor.valid() {
            self.step(&mut written_key)?;
            self.cursor.next()?;
        }
        self.pay()?;
        // References must be durable only after what they refer to.
        self.relocation.sync()?;
        self.stats.moved_value_bytes = self.relocation.moved_bytes;
        let tables = self.output.finish()?;
        self.stats.written_bytes = tables.iter().map(|table| table.file_bytes).sum();
        let edit = VersionEdit {
            added: tables
                .into_iter()
                .map(|meta| added(level, run, Arc::new(meta)))
                .collect(),
            value_files_added: self.relocation.metas(),
            ..VersionEdit::default()
        };
        Ok(Outcome {
            edit,
            pins: self.relocation.pins.into_values().collect(),
            stats: self.stats,
        })
    }

    /// Judges the entry the cursor is on, and writes it if it stays. `written_key` is the key of
    /// the last entry that did.
    fn step(&mut self, written_key: &mut Vec<u8>) -> Result<()> {
        let cursor = &self.cursor;
        let (key, kind, value) = (cursor.key(), cursor.kind(), cursor.value());
        let seq = cursor.seq();
        self.stats.entries_in += 1;
        self.unpaid_bytes += (key.len() + value.len()) as u64;
        let is_new = |written: &[u8]| written != key;
        let verdict = self.judge.judge(key, seq, kind, value);
        let (seq, kind, value) = match verdict {
            Verdict::Drop => (None, kind, value),
            Verdict::Expire => (Some(seq), EntryKind::Delete, &[][..]),
            Verdict::Keep(seq) => {
                let value = self.relocation.relocated(kind, value)?.unwrap_or(value);
                (Some(seq), kind, value)
            }
        };
        if let Some(seq) = seq {
            self.stats.entries_out += 1;
            let is_new_key = is_new(written_key);
            self.output.add(key, is_new_key, seq, kind, value)?;
            if is_new_key {
                written_key.clear();
                written_key.extend_from_slice(key);
            }
        }
        if self.unpaid_bytes >= STEP_BYTES {
            self.pay()?;
        }
        Ok(())
    }

    /// Accounts for what was read, and waits if that was too fast.
    fn pay(&mut self) -> Result<()> {
        self.context.cancel.check()?;
        let TableSpace { vfs, directory, .. } = self.context.space;
        let available = vfs.available_bytes(directory).unwrap_or(u64::MAX);
        let bytes = std::mem::take(&mut self.unpaid_bytes);
        let room = Room {
            available,
            wanted: 0,
            kept: self.context.space_kept,
        };
        if !room.is_enough() {
            return Err(Error::NoSpace {
                path: directory.to_path_buf(),
                shortage: Shortage::Kept(room),
            });
        }
        let progress = self.context.progress;
        progress.read_bytes.fetch_add(bytes, Ordering::Relaxed);
        let written = self.output.bytes();
        progress.written_bytes.store(written, Ordering::Relaxed);
        self.context.limiter.take(bytes, self.context.cancel)
    }
}

/// Moves values out of value files that are being emptied.
struct Relocation<'a> {
    collect: BTreeSet<FileNumber>,
    values: &'a ValueStore,
    writer: &'a ValueWriter,
    limiter: &'a RateLimiter,
    cancel: Cancel<'a>,
    /// Of each file written to, the last value's pin: it is synced up to there.
    pins: BTreeMap<FileNumber, ValuePin>,
    moved_bytes: u64,
    /// The new reference.
    buffer: Vec<u8>,
}

impl<'a> Relocation<'a> {
    fn new(collect: BTreeSet<FileNumber>, context: &JobContext<'a>) -> Self {
        Self {
            collect,
            values: context.values,
            writer: context.moved_values,
            limiter: context.limiter,
            cancel: context.cancel,
            pins: BTreeMap::new(),
            moved_bytes: 0,
            buffer: Vec::new(),
        }
    }

    /// The value of an entry after the value it refers to was moved; `None` if it stays.
    fn relocated(&mut self, kind: EntryKind, value: &[u8]) -> Result<Option<&[u8]>> {
        if self.collect.is_empty() || !kind.is_reference() {
            return Ok(None);
        }
        // What is not a reference is refused by the table builder.
        let Some(reference) = Reference::decode(kind, value) else {
            return Ok(None);
        };
        if !self.collect.contains(&reference.pointer.file) {
            return Ok(None);
        }
        let length = reference.pointer.length;
        self.limiter.take(length, self.cancel)?;
        let appended = self.writer.append(&self.values.read(&reference.pointer)?)?;
        let moved = Reference {
            pointer: appended.pointer,
            ..reference
        };
        moved.encode(&mut self.buffer);
        self.pins.insert(appended.pointer.file, appended.pin);
        self.moved_bytes += length;
        Ok(Some(&self.buffer))
    }

    /// Makes everything durable that was moved.
    fn sync(&self) -> Result<()> {
        self.pins.values().try_for_each(|pin| pin.sync())
    }

    /// The files that were written to.
    fn metas(&self) -> Vec<crate::manifest::ValueFileMeta> {
        let files = self.pins.keys();
        files
            .filter_map(|file| self.values.written(*file))
            .collect()
    }
}
