//! Sources for iterators under test: a memtable, and runs of tables that are plain lists.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use rustdb_skiplist as skiplist;

use super::history::Operation;
use crate::error::Result;
use crate::iter::{Cover, CoverTables, EntryCursor, RunCursor, Source, Tables};
use crate::key::{EntryKind, FileNumber, SequenceNumber};
use crate::memtable::MemtableWriter;
use crate::slice::Slice;
use crate::tombstone::{Fragments, RangeTombstone};

/// What tests merge.
pub(super) enum TestCursor {
    Memtable(skiplist::Cursor),
    Run(RunCursor<ListTables>),
}

macro_rules! each {
    ($self:ident, $cursor:ident => $call:expr) => {
        match $self {
            TestCursor::Memtable($cursor) => $call,
            TestCursor::Run($cursor) => $call,
        }
    };
}

impl EntryCursor for TestCursor {
    fn valid(&self) -> bool {
        each!(self, cursor => cursor.valid())
    }
    fn seek(&mut self, key: &[u8], seq: SequenceNumber) -> Result<()> {
        each!(self, cursor => EntryCursor::seek(cursor, key, seq))
    }
    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        each!(self, cursor => EntryCursor::seek_before(cursor, key))
    }
    fn seek_to_first(&mut self) -> Result<()> {
        each!(self, cursor => EntryCursor::seek_to_first(cursor))
    }
    fn seek_to_last(&mut self) -> Result<()> {
        each!(self, cursor => EntryCursor::seek_to_last(cursor))
    }
    fn next(&mut self) -> Result<()> {
        each!(self, cursor => EntryCursor::next(cursor))
    }
    fn prev(&mut self) -> Result<()> {
        each!(self, cursor => EntryCursor::prev(cursor))
    }
    fn key(&self) -> &[u8] {
        each!(self, cursor => cursor.key())
    }
    fn seq(&self) -> SequenceNumber {
        each!(self, cursor => cursor.seq())
    }
    fn kind(&self) -> EntryKind {
        each!(self, cursor => EntryCursor::kind(cursor))
    }
    fn value(&self) -> &[u8] {
        each!(self, cursor => cursor.value())
    }
    fn value_slice(&self) -> Slice {
        each!(self, cursor => EntryCursor::value_slice(cursor))
    }
}

/// An entry of a list.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Vec<u8>,
    pub(super) seq: SequenceNumber,
    pub(super) kind: EntryKind,
    pub(super) stored: Vec<u8>,
}

/// Counts what cursors do.
#[derive(Clone, Default)]
pub(super) struct Work {
    pub(super) steps: Rc<Cell<usize>>,
    pub(super) seeks: Rc<Cell<usize>>,
}

fn bump(counter: &Cell<usize>) {
    counter.set(counter.get() + 1);
}

/// Walks a sorted list; counts what it does.
pub(super) struct ListCursor {
    entries: Arc<[Entry]>,
    at: Option<usize>,
    work: Work,
}

impl ListCursor {
    fn go(&mut self, to: Option<usize>) -> Result<()> {
        self.at = to.filter(|at| *at < self.entries.len());
        Ok(())
    }

    fn entry(&self) -> &Entry {
        &self.entries[self.at.expect("the cursor is on an entry")]
    }
}

impl EntryCursor for ListCursor {
    fn valid(&self) -> bool {
        self.at.is_some()
    }
    fn seek(&mut self, key: &[u8], seq: SequenceNumber) -> Result<()> {
        bump(&self.work.seeks);
        let before = |e: &Entry| (&e.key[..], seq) < (key, e.seq);
        self.go(Some(self.entries.partition_point(before)))
    }
    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        bump(&self.work.seeks);
        self.go(self
            .entries
            .partition_point(|e| *e.key < *key)
            .checked_sub(1))
    }
    fn seek_to_first(&mut self) -> Result<()> {
        self.go(Some(0))
    }
    fn seek_to_last(&mut self) -> Result<()> {
        self.go(self.entries.len().checked_sub(1))
    }
    fn next(&mut self) -> Result<()> {
        bump(&self.work.steps);
        self.go(self.at.map(|at| at + 1))
    }
    fn prev(&mut self) -> Result<()> {
        bump(&self.work.steps);
        self.go(self.at.and_then(|at| at.checked_sub(1)))
    }
    fn key(&self) -> &[u8] {
        &self.entry().key
    }
    fn seq(&self) -> SequenceNumber {
        self.entry().seq
    }
    fn kind(&self) -> EntryKind {
        self.entry().kind
    }
    fn value(&self) -> &[u8] {
        &self.entry().stored
    }
    fn value_slice(&self) -> Slice {
        Slice::copy_from(self.value())
    }
}

/// A table of a run: entries and range tombstones within some range of keys.
#[derive(Clone)]
pub(super) struct ListTable {
    entries: Arc<[Entry]>,
    tombstones: Arc<Fragments>,
}

impl ListTable {
    fn smallest(&self) -> &[u8] {
        let entry = self.entries.first().map(|e| &e.key[..]);
        let tombstone = self.tombstones.bounds().map(|(start, _)| start);
        entry
            .into_iter()
            .chain(tombstone)
            .min()
            .expect("a table is not empty")
    }

    fn ends_before(&self, key: &[u8]) -> bool {
        self.entries.last().is_none_or(|e| *e.key < *key)
            && self.tombstones.bounds().is_none_or(|(_, end)| end <= key)
    }
}

#[derive(Clone)]
pub(super) struct ListTables {
    tables: Arc<[ListTable]>,
    work: Work,
}

impl Tables for ListTables {
    type Cursor = ListCursor;

    fn count(&self) -> usize {
        self.tables.len()
    }
    fn first_not_before(&self, key: &[u8]) -> usize {
        self.tables.partition_point(|table| table.ends_before(key))
    }
    fn begins_before(&self, table: usize, key: &[u8]) -> bool {
        self.tables[table].smallest() < key
    }
    fn open(&self, table: usize) -> Result<ListCursor> {
        let entries = Arc::clone(&self.tables[table].entries);
        Ok(ListCursor {
            entries,
            at: None,
            work: self.work.clone(),
        })
    }
}

/// The same tables, asked about tombstones only.
struct ListCovers(Arc<[ListTable]>);

impl CoverTables for ListCovers {
    fn find(&self, key: &[u8]) -> Option<usize> {
        (0..self.0.len()).find(|&table| self.contains(table, key))
    }
    fn contains(&self, table: usize, key: &[u8]) -> bool {
        self.0[table].smallest() <= key && !self.0[table].ends_before(key)
    }
    fn tombstones(&self, table: usize) -> Result<Option<Arc<Fragments>>> {
        let list = &self.0[table].tombstones;
        Ok((!list.is_empty()).then(|| Arc::clone(list)))
    }
}

/// Part of a history as a memtable, as a reader at `at` uses it.
pub(super) fn memtable(part: &[Operation], at: SequenceNumber) -> Source<TestCursor> {
    let mut writer = MemtableWriter::new(FileNumber(1));
    for operation in part {
        match operation {
            Operation::Entry {
                key,
                seq,
                kind,
                stored,
            } => writer.insert(key, *seq, *kind, stored),
            Operation::DeleteRange(t) => writer.delete_range(&t.start, &t.end, t.seq),
        }
    }
    let memtable = writer.memtable();
    Source {
        cursor: TestCursor::Memtable(memtable.cursor()),
        cover: Cover::of_view(memtable.tombstones().at(at)),
        max_seq: memtable.max_seq(),
    }
}

/// Part of a history as a run of tables that are cut at the given keys.
pub(super) fn run(
    part: &[Operation],
    cuts: &[Vec<u8>],
    at: SequenceNumber,
    work: &Work,
) -> Source<TestCursor> {
    let mut entries = Vec::new();
    let mut tombstones = Vec::new();
    // Of one commit's entries of one key the last comes first.
    for operation in part.iter().rev() {
        match operation.clone() {
            Operation::Entry {
                key,
                seq,
                kind,
                stored,
            } => {
                entries.push(Entry {
                    key,
                    seq,
                    kind,
                    stored,
                });
            }
            Operation::DeleteRange(tombstone) => tombstones.push(tombstone),
        }
    }
    entries.sort_by(|a, b| a.key.cmp(&b.key).then(b.seq.cmp(&a.seq)));

    let mut cuts: Vec<&[u8]> = cuts.iter().map(|cut| &cut[..]).collect();
    cuts.sort_unstable();
    let lowers = [&[][..]].into_iter().chain(cuts.iter().copied());
    let uppers = cuts.iter().copied().chain([&[0xFF][..]]);
    let tables = lowers.zip(uppers).map(|(lower, upper)| ListTable {
        entries: entries
            .iter()
            .filter(|e| lower <= &e.key[..] && &e.key[..] < upper)
            .cloned()
            .collect(),
        tombstones: Arc::new(clipped(&tombstones, lower, upper)),
    });
    let tables: Arc<[ListTable]> = tables
        .filter(|t| !t.entries.is_empty() || !t.tombstones.is_empty())
        .collect();
    let max_seq = part.iter().map(Operation::seq).max().unwrap_or(0);
    let cover = Cover::of_run(Box::new(ListCovers(Arc::clone(&tables))), at);
    let cursor = RunCursor::new(ListTables {
        tables,
        work: work.clone(),
    });
    Source {
        cursor: TestCursor::Run(cursor),
        cover: Some(cover),
        max_seq,
    }
}

fn clipped(tombstones: &[RangeTombstone], lower: &[u8], upper: &[u8]) -> Fragments {
    let clipped: Vec<RangeTombstone> = tombstones
        .iter()
        .map(|t| RangeTombstone::new(lower.max(&t.start), upper.min(&t.end), t.seq))
        .collect();
    Fragments::from_tombstones(&clipped)
}

impl Operation {
    pub(super) fn seq(&self) -> SequenceNumber {
        match self {
            Operation::Entry { seq, .. } => *seq,
            Operation::DeleteRange(tombstone) => tombstone.seq,
        }
    }
}
