//! Sources for iterators under test: memtables, runs of tables, and runs of plain lists, which
//! count what is done to them.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use rustdb_vfs::{MemVfs, VfsRef};

use super::history::Operation;
use crate::error::Result;
use crate::iter::{Cover, CoverTables, Cursor, EntryCursor, RunCursor, Source, Tables};
use crate::key::{EntryKind, FileNumber, SequenceNumber};
use crate::memtable::MemtableWriter;
use crate::names;
use crate::security::Security;
use crate::slice::Slice;
use crate::table::{PlainRun, ReadMode, TableBuilder, TableOptions, TableStore, TableStoreOptions};
use crate::tombstone::{Fragments, RangeTombstone};
use crate::version::{Run, TreeFiles};

/// What tests merge.
pub(super) enum TestCursor {
    /// Over a memtable or a run of real tables.
    Real(Cursor),
    /// Over a run of tables that are lists.
    Lists(RunCursor<ListTables>),
}

macro_rules! each {
    ($self:ident, $cursor:ident => $call:expr) => {
        match $self {
            TestCursor::Real($cursor) => $call,
            TestCursor::Lists($cursor) => $call,
        }
    };
}

impl EntryCursor for TestCursor {
    fn valid(&self) -> bool {
        each!(self, cursor => cursor.valid())
    }
    fn approach(&mut self, key: &[u8]) {
        each!(self, cursor => EntryCursor::approach(cursor, key));
    }
    fn prepare(&mut self, key: &[u8], seq: Option<SequenceNumber>) {
        each!(self, cursor => EntryCursor::prepare(cursor, key, seq));
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
    fn plain_ahead(&self, limit: Option<&[u8]>, at: SequenceNumber) -> usize {
        each!(self, cursor => EntryCursor::plain_ahead(cursor, limit, at))
    }
    fn pass_plain(&mut self, count: usize, show: &mut dyn FnMut(&[u8]) -> bool) -> Result<usize> {
        each!(self, cursor => EntryCursor::pass_plain(cursor, count, show))
    }
    fn plain_run(&self, count: usize) -> Option<PlainRun> {
        each!(self, cursor => EntryCursor::plain_run(cursor, count))
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
    fn plain_ahead(&self, limit: Option<&[u8]>, at: SequenceNumber) -> usize {
        let current = self.at.expect("the cursor is on an entry");
        let is_plain = |n: &usize| {
            let entry = &self.entries[*n];
            matches!(entry.kind, EntryKind::Put | EntryKind::ValueRef)
                && entry.seq <= at
                && self.entries[n - 1].key != entry.key
                && limit.is_none_or(|limit| *entry.key < *limit)
        };
        let ahead = current + 1..self.entries.len();
        ahead.take_while(is_plain).count()
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
    fn open(&self, table: usize, _: bool) -> Result<ListCursor> {
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
    real(Source::memtable(writer.memtable(), at))
}

fn real(source: Source) -> Source<TestCursor> {
    let Source {
        cursor,
        cover,
        max_seq,
    } = source;
    Source {
        cursor: TestCursor::Real(cursor),
        cover,
        max_seq,
    }
}

/// Part of a history as a run of lists that are cut at the given keys.
pub(super) fn lists(
    part: &[Operation],
    cuts: &[Vec<u8>],
    at: SequenceNumber,
    work: &Work,
) -> Source<TestCursor> {
    let tables: Arc<[ListTable]> = tables(part, cuts).into();
    let max_seq = part.iter().map(Operation::seq).max().unwrap_or(0);
    let cover = Cover::of_run(Box::new(ListCovers(Arc::clone(&tables))), at);
    let cursor = RunCursor::new(ListTables {
        tables,
        work: work.clone(),
    });
    Source {
        cursor: TestCursor::Lists(cursor),
        cover: Some(cover),
        max_seq,
    }
}

/// Part of a history as a run of table files that are cut at the given keys; a memtable if there
/// is nothing to write.
pub(super) fn files(
    part: &[Operation],
    cuts: &[Vec<u8>],
    at: SequenceNumber,
) -> Source<TestCursor> {
    let vfs: VfsRef = Arc::new(MemVfs::deterministic(1));
    let security = Security::plain(VfsRef::clone(&vfs), [7; 16]);
    let options = TableStoreOptions::default();
    let store = TableStore::new(VfsRef::clone(&vfs), Arc::clone(&security), options);
    let files = TreeFiles::in_directory("".into(), store);
    let tables = tables(part, cuts);
    let handles = tables.iter().zip(1..).map(|(table, number)| {
        let path = names::table(Path::new(""), FileNumber(number));
        // Small blocks, so that the tables have some.
        let options = TableOptions {
            block_bytes: 80,
            ..TableOptions::default()
        };
        let number = FileNumber(number);
        let works = "memory does not fail";
        let mut builder = TableBuilder::new(&vfs, &security, &path, number, options).expect(works);
        for e in table.entries.iter() {
            builder.add(&e.key, e.seq, e.kind, &e.stored).expect(works);
        }
        for fragment in table.tombstones.iter() {
            for &seq in fragment.seqs {
                builder
                    .add_range_tombstone(fragment.start, fragment.end, seq)
                    .expect(works);
            }
        }
        files.table(Arc::new(builder.finish().expect(works)))
    });
    match Run::new(1, handles.collect()) {
        Ok(run) => real(Source::run(&Arc::new(run), ReadMode::default(), at)),
        Err(_) => memtable(part, at),
    }
}

/// Part of a history as tables that are cut at the given keys; none of them is empty.
fn tables(part: &[Operation], cuts: &[Vec<u8>]) -> Vec<ListTable> {
    let mut entries = BTreeMap::new();
    let mut tombstones = Vec::new();
    for operation in part {
        match operation.clone() {
            Operation::Entry {
                key,
                seq,
                kind,
                stored,
            } => {
                let place = (key.clone(), Reverse(seq));
                entries.insert(
                    place,
                    Entry {
                        key,
                        seq,
                        kind,
                        stored,
                    },
                );
            }
            Operation::DeleteRange(tombstone) => tombstones.push(tombstone),
        }
    }
    let mut cuts: Vec<&[u8]> = cuts.iter().map(|cut| &cut[..]).collect();
    cuts.sort_unstable();
    let lowers = [&[][..]].into_iter().chain(cuts.iter().copied());
    let uppers = cuts.iter().copied().chain([&[0xFF][..]]);
    let tables = lowers.zip(uppers).map(|(lower, upper)| ListTable {
        entries: entries
            .values()
            .filter(|e| lower <= &e.key[..] && &e.key[..] < upper)
            .cloned()
            .collect(),
        tombstones: Arc::new(clipped(&tombstones, lower, upper)),
    });
    tables
        .filter(|t| !t.entries.is_empty() || !t.tombstones.is_empty())
        .collect()
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
