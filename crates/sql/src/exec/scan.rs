//! Reading tables.

use std::ops::Bound;
use std::sync::Arc;

use rustdb_table::{IndexScan, KeyPart, KeyRange, Projection, RowKey, Table, TableScan};
use rustdb_types::{Oid, Value};

use super::batch::{BATCH_ROWS, Batch};
use super::context::Context;
use super::evaluate::{all_true, evaluate, values};
use super::sort::{Key, compare};
use super::{Node, Operator};
use crate::error::{Error, Result, SqlState};
use crate::expr::Expr;

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
}

/// Which rows, and how they are found.
#[derive(Debug)]
pub(super) struct AccessPath {
    pub(super) index: Option<Oid>,
    /// Whether the index has all columns that are wanted.
    pub(super) covers: bool,
    /// Whether it is one row, whose key is given in full.
    pub(super) is_point: bool,
    pub(super) equal: Vec<Expr>,
    pub(super) lower: Option<(Expr, bool)>,
    pub(super) upper: Option<(Expr, bool)>,
    pub(super) backward: bool,
    /// What the rows have to be in order by, if anything relies on it.
    pub(super) order: Vec<Key>,
    /// What holds for the rows that are found; looked at where the index cannot be used.
    pub(super) covered: Vec<Expr>,
}

struct RunScan {
    node: Arc<ScanNode>,
    state: State,
    row: Vec<Value>,
    /// How many rows the next batch has. The first are small: often a few rows are enough.
    batch_rows: usize,
}

/// How many rows the first batch has.
const FIRST_ROWS: usize = 16;

enum State {
    Start,
    Rows(TableScan),
    /// Entries of an index; whether the row has to be read too.
    Entries(IndexScan, bool),
    /// The row with the key, if it was there.
    Point(Option<(RowKey, Vec<Value>)>),
    /// Rows that were read and sorted, as the index would have given them.
    Sorted(std::vec::IntoIter<(RowKey, Vec<Value>)>),
    Done,
}

impl Node for ScanNode {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunScan {
            node: self,
            state: State::Start,
            row: Vec::new(),
            batch_rows: FIRST_ROWS,
        })
    }
}

impl Operator for RunScan {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if let State::Start = self.state {
            self.state = self.start(cx)?;
        }
        let rows_max = self.batch_rows;
        self.batch_rows = (rows_max * 4).min(BATCH_ROWS);
        let node = &self.node;
        if let State::Rows(scan) = &mut self.state
            && !node.with_key
            && !node.access.as_ref().is_some_and(|access| access.backward)
        {
            return fill(scan, node.places.len(), rows_max, cx);
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
}

/// The next rows of a scan, column by column.
fn fill(
    scan: &mut TableScan,
    width: usize,
    rows_max: usize,
    cx: &mut Context<'_>,
) -> Result<Option<Batch>> {
    cx.check_cancelled()?;
    let mut columns: Vec<Vec<Value>> = Vec::with_capacity(width);
    columns.resize_with(width, || Vec::with_capacity(rows_max));
    let rows = scan.fill(cx.transaction()?, &mut columns, rows_max)?;
    Ok((rows > 0).then(|| Batch::of(columns, rows)))
}

impl RunScan {
    fn start(&self, cx: &mut Context<'_>) -> Result<State> {
        let node = &self.node;
        check_seen(&node.table, cx)?;
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
        let Some(range) = range(&node.table, access, cx)? else {
            return Ok(State::Done);
        };
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

    fn next_row(&mut self, cx: &mut Context<'_>) -> Result<Option<RowKey>> {
        let backward = self
            .node
            .access
            .as_ref()
            .is_some_and(|access| access.backward);
        let row = &mut self.row;
        match &mut self.state {
            State::Start | State::Done => Ok(None),
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
    while let Some(key) = scan.next(cx.transaction()?, &mut row)? {
        cx.check_cancelled()?;
        if all_true(&access.covered, &row[..], cx)? {
            rows.push((key, std::mem::take(&mut row)));
        }
        row.clear();
    }
    rows.sort_by(|(_, left), (_, right)| compare(&access.order, left, right));
    Ok(State::Sorted(rows.into_iter()))
}

/// Fails if the rows are where the snapshot does not see them: better than to find none.
fn check_seen(table: &Table, cx: &Context<'_>) -> Result<()> {
    if let (Some((catalog, _)), Ok(transaction)) = (&cx.catalog, cx.transaction())
        && !catalog.rows_are_seen(table.oid(), transaction.snapshot().sequence())
    {
        let message = "could not serialize access due to concurrent update";
        return Err(Error::new(SqlState::SERIALIZATION_FAILURE, message));
    }
    Ok(())
}

fn is_complete(access: &AccessPath, cx: &Context<'_>) -> bool {
    let (Some(index), Some((catalog, _)), Ok(transaction)) =
        (access.index, &cx.catalog, cx.transaction())
    else {
        return true;
    };
    catalog.index_is_complete(index, transaction.snapshot().sequence())
}

/// The keys that are meant; `None` if no row can be: something is compared with NULL.
fn range(table: &Table, access: &AccessPath, cx: &mut Context<'_>) -> Result<Option<KeyRange>> {
    let nothing: &[Value] = &[];
    let equal = values(&access.equal, nothing, cx)?;
    if equal.iter().any(Value::is_null) {
        return Ok(None);
    }
    let mut end = |end: &Option<(Expr, bool)>| -> Result<Option<(Value, bool)>> {
        match end {
            None => Ok(None),
            Some((expr, included)) => {
                let value = evaluate(expr, nothing, cx)?.into_owned();
                Ok(Some((value, *included)))
            }
        }
    };
    let (lower, upper) = (end(&access.lower)?, end(&access.upper)?);
    let is_null = |end: &Option<(Value, bool)>| matches!(end, Some((Value::Null, _)));
    if is_null(&lower) || is_null(&upper) {
        return Ok(None);
    }
    fn bound(end: &Option<(Value, bool)>) -> Bound<&Value> {
        match end {
            None => Bound::Unbounded,
            Some((value, true)) => Bound::Included(value),
            Some((value, false)) => Bound::Excluded(value),
        }
    }
    let part = match (&lower, &upper) {
        (None, None) => KeyPart::Any,
        (lower, upper) => KeyPart::Between(bound(lower), bound(upper)),
    };
    Ok(Some(match access.index {
        None => table.key_range(&equal, part)?,
        Some(index) => table.index_range(index, &equal, part)?,
    }))
}
