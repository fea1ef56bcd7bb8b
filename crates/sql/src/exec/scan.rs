//! Reading tables.

use std::sync::Arc;

use rustdb_table::{IndexScan, KeyRange, Projection, RowKey, RowKeys, Table, TableScan};
use rustdb_types::{RowReader, RowTest, Value, interrupt};

use super::access_path::{AccessPath, Parts, parts};
use super::batch::{BATCH_ROWS, Batch};
use super::context::Context;
use super::evaluate::{all_true, values};
use super::join_table::Table as JoinTable;
use super::members::MembersOf;
use super::parallel::{Chain, ReadBefore, are_shareable, place_of};
use super::row_test::Test;
use super::sort::compare;
use super::spill::row_bytes;
use super::{Node, Operator};
use crate::error::{Error, Result, SqlState};
use crate::expr::Expr;
use crate::row_set::RowBlock;

mod stored;

/// The rows of a table, or some of them by key or index.
#[derive(Debug)]
pub(super) struct ScanNode {
    pub(super) table: Arc<Table>,
    /// Places of the columns in rows.
    pub(super) places: Vec<usize>,
    /// The same, as tables want it.
    pub(super) projection: Projection,
    /// Whether the row's key is a column too, the last.
    pub(super) with_key: bool,
    pub(super) access: Option<AccessPath>,
    /// The same columns, read many rows at a time.
    pub(super) reader: RowReader,
    /// Conditions on the stored rows; none unless the scan [reads many](ScanNode::reads_many).
    pub(super) tests: Vec<Test>,
}

pub(super) struct RunScan {
    node: Arc<ScanNode>,
    state: State,
    /// Parts that come after the one that is read.
    rest: std::vec::IntoIter<KeyRange>,
    row: Vec<Value>,
    /// Of the rows that are looked up next.
    keys: RowKeys,
    tests: Vec<RowTest>,
    /// Tests that come after those of the node.
    members: Vec<RowTest>,
    /// How many rows the next batch has. The first are small: often a few rows are enough.
    batch_rows: usize,
}

/// How many rows the first batch has.
const FIRST_ROWS: usize = 16;

/// How many rows the first block has, for who wants all rows.
const BLOCK_ROWS: usize = 128;

/// So many rows are looked up before the scan sees whether it is to stop: each may be one read from
/// the disk.
const FETCHED_AT_ONCE: usize = 64;

enum State {
    Start,
    Rows(TableScan),
    /// Entries of an index; whether the row has to be read too.
    Entries(IndexScan, bool),
    /// The rows with these keys.
    Keys(std::vec::IntoIter<KeyRange>),
    /// The row with the key, if it was there.
    Point(Option<(RowKey, Vec<Value>)>),
    /// Rows that were read before it ran.
    Before(Box<ReadBefore>),
    /// Rows that were read and sorted, as the index would have given them.
    Sorted(std::vec::IntoIter<(RowKey, Vec<Value>)>),
    Done,
}

impl Node for ScanNode {
    fn join_chain(self: Arc<Self>, chain: &mut Chain) -> bool {
        let is_end = !self.with_key && self.is_shareable();
        if is_end {
            let is_range = self.reads_many();
            chain.end(self, is_range);
        }
        is_end
    }

    fn is_shareable(&self) -> bool {
        are_shareable(self.exprs())
    }

    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunScan::new(self))
    }
}

impl Operator for RunScan {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        self.begin(cx)?;
        if let State::Before(before) = &mut self.state {
            return before.next(cx);
        }
        // In a crew each part would begin with a few rows, which nobody waits for.
        if cx.memory.part.is_some() {
            self.batch_rows = BATCH_ROWS;
        }
        let rows_max = self.batch_rows;
        self.batch_rows = (rows_max * 8).min(BATCH_ROWS);
        if let State::Rows(scan) = &mut self.state
            && self.node.reads_many()
        {
            return fill(scan, &self.node, &self.tests, rows_max, cx);
        }
        if let State::Entries(_, true) | State::Keys(_) = &self.state
            && self.fetches_many()
        {
            let node = self.node.clone();
            let mut columns = match is_typed(rows_max) {
                true => node.reader.columns(rows_max),
                false => node.reader.columns_of_values(rows_max),
            };
            let rows = self.fetch(rows_max, cx, |cx, keys| {
                let (table, transaction) = (&node.table, cx.transaction()?);
                Ok(table.fetch(transaction, keys, &node.reader, &mut columns)?)
            })?;
            return Ok((rows > 0).then(|| Batch::of(columns, rows)));
        }
        let width = self.node.places.len() + usize::from(self.node.with_key);
        let mut batch = Batch::new(width);
        while batch.rows() < rows_max {
            cx.check_cancelled()?;
            self.row.clear();
            match self.next_row(cx)? {
                None => {
                    self.state = State::Done;
                    break;
                }
                Some(key) => {
                    if self.node.with_key {
                        self.row.push(Value::Bytea(Arc::from(&*key)));
                    }
                    batch.push(self.row.drain(..));
                }
            }
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn next_block(&mut self, cx: &mut Context<'_>) -> Result<Option<RowBlock>> {
        self.begin(cx)?;
        if self.batch_rows < BLOCK_ROWS
            && let Some(block) = self.first_block(cx)?
        {
            return Ok(Some(block));
        }
        Ok(self.next(cx)?.map(Batch::into_block))
    }

    fn restrict(&mut self, places: &[usize], table: &Arc<JoinTable>) {
        if !self.node.reads_many() {
            return;
        }
        let columns: Vec<usize> = places
            .iter()
            .map(|place| self.node.places[*place])
            .collect();
        let layout = self.node.table.layout();
        let test = layout.test_members(&columns, MembersOf::new(table));
        self.members.extend(test);
    }
}

/// How many rows may be looked at for a batch once there was one that passed.
const LOOKS_MAX: usize = 16 * BATCH_ROWS;

/// Whether columns have the form of their type: the first rows of many are often all that is
/// wanted, and as rows. Tests, whose tables are small, have both forms from the first batches on.
fn is_typed(rows_max: usize) -> bool {
    rows_max == BATCH_ROWS || cfg!(debug_assertions) && rows_max == FIRST_ROWS
}

/// The next rows of a scan that pass the tests, column by column.
fn fill(
    scan: &mut TableScan,
    node: &ScanNode,
    tests: &[RowTest],
    rows_max: usize,
    cx: &mut Context<'_>,
) -> Result<Option<Batch>> {
    let mut columns = match is_typed(rows_max) || cx.memory.part.is_some() {
        true => node.reader.columns(rows_max),
        false => node.reader.columns_of_values(rows_max),
    };
    let (mut rows, mut looks) = (0, 0);
    loop {
        cx.check_cancelled()?;
        // Where few rows pass, more are looked at with each call.
        let room = match rows {
            0 => rows_max.max(looks).min(BATCH_ROWS),
            rows => rows_max - rows,
        };
        let transaction = cx.transaction()?;
        let (seen, passed) = scan.fill(transaction, &node.reader, tests, &mut columns, room)?;
        rows += passed;
        looks += seen;
        // A query that wants a few rows gets the first of them as soon as they are found.
        let is_enough = rows_max < BATCH_ROWS || rows * 2 >= rows_max || looks >= LOOKS_MAX;
        if seen < room || rows > 0 && is_enough {
            return Ok((rows > 0).then(|| Batch::of(columns, rows)));
        }
    }
}

impl ScanNode {
    /// Whether rows are read many at a time: all, or those in a range of keys, in their order.
    pub(super) fn reads_many(&self) -> bool {
        !self.with_key && self.is_range()
    }

    /// Whether rows are read in the order of their keys: all, or those in a range.
    pub(super) fn is_range(&self) -> bool {
        let is_plain = |access: &AccessPath| {
            let is_range = access.index.is_none() && access.behind.is_empty() && !access.is_point;
            is_range && !access.backward
        };
        self.access.as_ref().is_none_or(is_plain)
    }

    /// Cuts what it reads into parts of about so many bytes: see [`Table::split`].
    pub(super) fn parts(
        &self,
        part_bytes: u64,
        parts_max: u64,
        cx: &mut Context<'_>,
    ) -> Result<Vec<KeyRange>> {
        check_seen(&self.table, cx)?;
        let range = match &self.access {
            None => KeyRange::all(),
            Some(access) => match parts(&self.table, access, cx)?.ranges.pop() {
                Some(range) => range,
                None => return Ok(Vec::new()),
            },
        };
        let transaction = cx.transaction()?;
        Ok(self
            .table
            .split(transaction, range, part_bytes, parts_max)?)
    }

    /// The expressions that it evaluates.
    pub(super) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let tests = self.tests.iter().filter_map(|test| match test {
            Test::Compare(_, _, expr) => Some(expr),
            Test::Any(..) | Test::Columns(..) => None,
        });
        tests.chain(self.access.iter().flat_map(AccessPath::exprs))
    }

    /// The tests for this run.
    fn row_tests(&self, cx: &mut Context<'_>) -> Result<Vec<RowTest>> {
        let layout = self.table.layout();
        self.tests
            .iter()
            .map(|test| test.ready(layout, cx))
            .collect()
    }
}

impl RunScan {
    pub(super) fn new(node: Arc<ScanNode>) -> RunScan {
        RunScan {
            node,
            state: State::Start,
            rest: Vec::new().into_iter(),
            row: Vec::new(),
            keys: RowKeys::default(),
            tests: Vec::new(),
            members: Vec::new(),
            batch_rows: FIRST_ROWS,
        }
    }

    /// What there is to do before the first row.
    fn begin(&mut self, cx: &mut Context<'_>) -> Result<()> {
        if let State::Start = self.state {
            self.tests = self.node.row_tests(cx)?;
            self.tests.append(&mut self.members);
            self.state = match ReadBefore::take(&self.node, cx) {
                Some(before) => State::Before(before),
                None => self.start(cx)?,
            };
        }
        Ok(())
    }

    /// The first rows, which go from where they are stored into rows without being columns; `None` if
    /// there are none among the first that were looked at.
    fn first_block(&mut self, cx: &mut Context<'_>) -> Result<Option<RowBlock>> {
        let node = self.node.clone();
        let width = node.places.len();
        let mut values = Vec::with_capacity(width * FIRST_ROWS);
        let fetches_many = self.fetches_many();
        let rows = match &mut self.state {
            State::Rows(scan) if node.reads_many() => {
                cx.check_cancelled()?;
                let (transaction, tests) = (cx.transaction()?, &self.tests);
                let (_, rows) =
                    scan.fill_values(transaction, &node.reader, tests, &mut values, BLOCK_ROWS)?;
                rows
            }
            State::Entries(_, true) | State::Keys(_) if fetches_many => {
                self.fetch(BLOCK_ROWS, cx, |cx, keys| {
                    let (table, transaction) = (&node.table, cx.transaction()?);
                    Ok(table.fetch_values(transaction, keys, &node.reader, &mut values)?)
                })?
            }
            _ => return Ok(None),
        };
        self.batch_rows = BATCH_ROWS;
        Ok((rows > 0).then(|| RowBlock::new(values, width, rows)))
    }

    fn start(&mut self, cx: &mut Context<'_>) -> Result<State> {
        let node = self.node.clone();
        check_seen(&node.table, cx)?;
        if let Some(part) = self.own_part(cx) {
            let projection = node.projection.clone();
            let scan = node.table.scan(cx.transaction()?, part, projection)?;
            return Ok(State::Rows(scan));
        }
        // An index that is younger than the snapshot lacks entries that the snapshot needs. The
        // filter above the scan asks for the same rows either way.
        let access = node
            .access
            .as_ref()
            .filter(|access| is_complete(access, cx));
        let Some(access) = access else {
            let mut scan =
                node.table
                    .scan(cx.transaction()?, KeyRange::all(), node.projection.clone())?;
            return match &node.access {
                None => Ok(State::Rows(scan)),
                Some(access) => without_index(&mut scan, access, cx),
            };
        };
        if access.is_point {
            return self.point(access, cx);
        }
        let Parts { ranges, fixed } = parts(&node.table, access, cx)?;
        let mut ranges = ranges.into_iter();
        let has_key = !access.behind.is_empty() && fixed == access.integers.len();
        if access.index.is_none() && has_key {
            return Ok(State::Keys(ranges));
        }
        let state = match ranges.next() {
            Some(range) => self.part(access, range, cx)?,
            None => State::Done,
        };
        self.rest = ranges;
        Ok(state)
    }

    /// In a worker, its part of the table, if it is this scan whose range was cut.
    fn own_part(&self, cx: &Context<'_>) -> Option<KeyRange> {
        let place = place_of(&self.node);
        let (scan, range) = cx.memory.part.as_ref()?.range.as_ref()?;
        (*scan == place).then(|| range.clone())
    }

    /// Begins to read a part.
    fn part(&self, access: &AccessPath, range: KeyRange, cx: &Context<'_>) -> Result<State> {
        let node = &self.node;
        match access.index {
            None => {
                let projection = node.projection.clone();
                let scan = node.table.scan(cx.transaction()?, range, projection)?;
                Ok(State::Rows(scan))
            }
            Some(index) => {
                let places: &[usize] = if access.covers { &node.places } else { &[] };
                let scan = node
                    .table
                    .index_scan(cx.transaction()?, index, range, places)?;
                Ok(State::Entries(scan, !access.covers))
            }
        }
    }

    /// The next row, of the next part if need be.
    fn next_row(&mut self, cx: &mut Context<'_>) -> Result<Option<RowKey>> {
        loop {
            if let Some(key) = self.next_of_part(cx)? {
                return Ok(Some(key));
            }
            let (Some(range), Some(access)) = (self.rest.next(), &self.node.access) else {
                return Ok(None);
            };
            self.state = self.part(access, range, cx)?;
        }
    }

    /// Whether rows that an index or a list of keys leads to are looked up many at a time.
    fn fetches_many(&self) -> bool {
        let access = self.node.access.as_ref();
        !self.node.with_key && access.is_some_and(|access| !access.backward)
    }

    /// Has the next rows looked up by their keys; how many there were.
    fn fetch(
        &mut self,
        rows_max: usize,
        cx: &mut Context<'_>,
        mut look_up: impl FnMut(&Context<'_>, &RowKeys) -> Result<usize>,
    ) -> Result<usize> {
        let mut rows = 0;
        while rows < rows_max {
            cx.check_cancelled()?;
            self.keys.clear();
            let keys_max = (rows_max - rows).min(FETCHED_AT_ONCE);
            self.next_keys(keys_max, cx)?;
            if self.keys.is_empty() {
                self.state = State::Done;
                break;
            }
            rows += look_up(cx, &self.keys)?;
        }
        Ok(rows)
    }

    /// The keys of the next rows, of the next part if need be; none at the end.
    fn next_keys(&mut self, keys_max: usize, cx: &mut Context<'_>) -> Result<()> {
        loop {
            let wanted = keys_max - self.keys.len();
            match &mut self.state {
                State::Keys(keys) => {
                    let keys = keys.take(wanted);
                    keys.for_each(|key| self.keys.push(&key.start));
                    return Ok(());
                }
                State::Entries(scan, _) => {
                    let found = scan.row_keys(cx.transaction()?, wanted, &mut self.keys)?;
                    if found == wanted {
                        return Ok(());
                    }
                }
                _ => return Ok(()),
            }
            let (Some(range), Some(access)) = (self.rest.next(), &self.node.access) else {
                return Ok(());
            };
            self.state = self.part(access, range, cx)?;
        }
    }

    /// The row whose key is given in full.
    fn point(&self, access: &AccessPath, cx: &mut Context<'_>) -> Result<State> {
        let nothing: &[Value] = &[];
        let key = values(&access.equal, nothing, cx)?;
        if key.iter().any(Value::is_null) {
            return Ok(State::Done);
        }
        let (table, projection) = (&self.node.table, &self.node.projection);
        let key = table.row_key(&key)?;
        let mut row = Vec::new();
        let is_there = table.get(cx.transaction()?, &key, projection, &mut row)?;
        Ok(State::Point(is_there.then_some((key, row))))
    }

    fn next_of_part(&mut self, cx: &mut Context<'_>) -> Result<Option<RowKey>> {
        let backward = self
            .node
            .access
            .as_ref()
            .is_some_and(|access| access.backward);
        let row = &mut self.row;
        match &mut self.state {
            State::Start | State::Before(_) | State::Done => Ok(None),
            State::Keys(keys) => {
                for key in keys {
                    cx.check_cancelled()?;
                    let (table, projection) = (&self.node.table, &self.node.projection);
                    if table.get(cx.transaction()?, &key.start, projection, row)? {
                        return Ok(Some(RowKey::copy_from(&key.start)));
                    }
                }
                Ok(None)
            }
            State::Point(found) => Ok(found.take().map(|(key, values)| {
                row.extend(values);
                key
            })),
            State::Sorted(rows) => Ok(rows.next().map(|(key, values)| {
                row.extend(values);
                key
            })),
            State::Rows(scan) if backward => Ok(scan.next_back(cx.transaction()?, row)?),
            State::Rows(scan) => Ok(scan.next(cx.transaction()?, row)?),
            State::Entries(scan, reads_row) => loop {
                let key = match backward {
                    true => scan.next_back(cx.transaction()?, row)?,
                    false => scan.next(cx.transaction()?, row)?,
                };
                let Some(key) = key else {
                    return Ok(None);
                };
                if !*reads_row {
                    return Ok(Some(key));
                }
                row.clear();
                let (table, projection) = (&self.node.table, &self.node.projection);
                if table.get(cx.transaction()?, &key, projection, row)? {
                    return Ok(Some(key));
                }
            },
        }
    }
}

/// The rows that an index would have given, in its order.
fn without_index(scan: &mut TableScan, access: &AccessPath, cx: &mut Context<'_>) -> Result<State> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut charge = cx.pool().charge();
    while let Some(key) = scan.next(cx.transaction()?, &mut row)? {
        cx.check_cancelled()?;
        if all_true(&access.covered, &row[..], cx)? {
            charge.hold(row_bytes(&row))?;
            rows.push((key, std::mem::take(&mut row)));
        }
        row.clear();
    }
    interrupt::sort_by(&mut rows, |(_, left), (_, right)| {
        compare(&access.order, left, right)
    })?;
    Ok(State::Sorted(rows.into_iter()))
}

/// Fails if the rows are where the snapshot does not see them: better than to find none.
pub(super) fn check_seen(table: &Table, cx: &Context<'_>) -> Result<()> {
    if let (Some(catalog), Ok(transaction)) = (cx.catalog_seen(), cx.transaction())
        && !catalog.rows_are_seen(table.oid(), transaction.snapshot().sequence())
    {
        let message = "could not serialize access due to concurrent update";
        return Err(Error::new(SqlState::SERIALIZATION_FAILURE, message));
    }
    Ok(())
}

pub(super) fn is_complete(access: &AccessPath, cx: &Context<'_>) -> bool {
    let (Some(index), Some(catalog), Ok(transaction)) =
        (access.index, cx.catalog_seen(), cx.transaction())
    else {
        return true;
    };
    catalog.index_is_complete(index, transaction.snapshot().sequence())
}
