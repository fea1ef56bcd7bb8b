//! Window functions.
//!
//! ```text
//! all rows ─▶ sorted by partition and order ─▶ one partition at a time ─▶ rows with new columns
//! ```
//!
//! A partition's rows are numbered from 0. Rows that are equal in the order are peers; groups of
//! peers are numbered too. `frame` says which rows a row sees, and as frames only move forward,
//! `moving` keeps an aggregate's state from row to row where that gives the same result.
//!
//! Rows are sorted outside of memory if there are too many; one partition at a time is in memory.

mod compile;
mod frame;
mod functions;
mod in_range;
mod moving;

use std::ops::Range;
use std::sync::Arc;

use rustdb_types::Value;
use rustdb_types::aggregate::AggregateCall;
use rustdb_types::window::WindowKind;

use super::batch::Batch;
use super::context::Context;
use super::evaluate::values;
use super::sort::{Key, compare};
use super::spill::{Charge, Sorted, Sorter, row_bytes};
use super::{Node, Operator};
use crate::error::Result;
use crate::expr::Expr;

use frame::{CompiledFrame, Edge};

/// Window functions over one partition and order.
#[derive(Debug)]
struct WindowNode {
    input: Arc<dyn Node>,
    /// How many columns the input has.
    width: usize,
    /// What rows are sorted by: first what they are partitioned by.
    sort: Vec<Expr>,
    /// How those are compared; in a row they are behind the columns.
    keys: Vec<Key>,
    /// How many of them are of the partition.
    partition: usize,
    calls: Vec<Call>,
}

/// A function over the window.
#[derive(Debug)]
struct Call {
    function: Function,
    arguments: Vec<Expr>,
    filter: Option<Expr>,
    frame: CompiledFrame,
}

/// What is computed.
#[derive(Debug)]
enum Function {
    Window(WindowKind),
    Aggregate(AggregateCall),
}

/// The rows of a partition, each with what it is sorted by behind its columns.
struct Partition<'a> {
    rows: &'a [Vec<Value>],
    /// For each row its group of peers.
    group_of: Vec<usize>,
    /// Where groups begin, and at the end the number of rows.
    groups: Vec<usize>,
}

struct RunWindow {
    node: Arc<WindowNode>,
    input: Box<dyn Operator>,
    rows: Option<Sorted>,
    /// The first row of the next partition, once it was met.
    first: Option<Vec<Value>>,
    ready: std::vec::IntoIter<Vec<Value>>,
    /// For the partition that is being given out.
    charge: Option<Charge>,
    /// For its new columns.
    results: Option<Charge>,
}

impl Node for WindowNode {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunWindow {
            input: self.input.clone().open(),
            node: self,
            rows: None,
            first: None,
            ready: Vec::new().into_iter(),
            charge: None,
            results: None,
        })
    }
}

impl Operator for RunWindow {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let node = self.node.clone();
        if self.rows.is_none() {
            self.rows = Some(sorted(&node, &mut *self.input, cx)?);
        }
        let mut batch = Batch::new(node.width + node.calls.len());
        while !batch.is_full() {
            if let Some(row) = self.ready.next() {
                batch.push(row);
                continue;
            }
            let partition = self.partition(cx)?;
            if partition.is_empty() {
                break;
            }
            let charge = self.results.get_or_insert_with(|| cx.pool().charge());
            charge.set(0);
            self.ready = compute(&node, partition, charge, cx)?.into_iter();
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

impl RunWindow {
    /// The rows of the next partition; none if there is none.
    fn partition(&mut self, cx: &mut Context<'_>) -> Result<Vec<Vec<Value>>> {
        let keys = &self.node.keys[..self.node.partition];
        let Some(sorted) = &mut self.rows else {
            return Ok(Vec::new());
        };
        if let Some(rows) = sorted.in_memory() {
            let Some(first) = rows.as_slice().first() else {
                return Ok(Vec::new());
            };
            let same = |row: &Vec<Value>| compare(keys, first, row).is_eq();
            let count = rows.as_slice().partition_point(same);
            return Ok(rows.take(count).collect());
        }
        let mut rows: Vec<Vec<Value>> = self.first.take().into_iter().collect();
        let charge = match &mut self.charge {
            Some(charge) => charge,
            None => self.charge.insert(cx.pool().charge()),
        };
        charge.set(0);
        while let Some(row) = sorted.next(cx)? {
            charge.hold(row_bytes(&row))?;
            match rows.first() {
                Some(first) if compare(keys, first, &row).is_ne() => {
                    self.first = Some(row);
                    break;
                }
                _ => rows.push(row),
            }
        }
        Ok(rows)
    }
}

fn sorted(node: &WindowNode, input: &mut dyn Operator, cx: &mut Context<'_>) -> Result<Sorted> {
    let width = node.width + node.sort.len();
    let mut sorter = Sorter::new(node.keys.clone(), width, cx.pool().charge());
    while let Some(batch) = input.next(cx)? {
        cx.check_cancelled()?;
        let mut rows = Vec::with_capacity(batch.rows());
        for row in 0..batch.rows() {
            let keys = values(&node.sort, &batch.row(row), cx)?;
            let mut whole = Vec::with_capacity(width + node.calls.len());
            whole.extend((0..node.width).map(|place| batch.column(place)[row].clone()));
            whole.extend(keys);
            rows.push(whole);
        }
        let more = node.sort.len() + node.calls.len();
        let each = more * size_of::<Value>() + size_of::<Vec<Value>>();
        let bytes = batch.bytes() + batch.rows() * each;
        sorter.extend(rows.into_iter(), bytes, cx)?;
    }
    sorter.finish(cx)
}

/// The rows of a partition with their new columns.
fn compute(
    node: &WindowNode,
    mut rows: Vec<Vec<Value>>,
    charge: &mut Charge,
    cx: &mut Context<'_>,
) -> Result<Vec<Vec<Value>>> {
    let mut columns = Vec::with_capacity(node.calls.len());
    {
        let partition = Partition::new(&rows, &node.keys[node.partition..]);
        for call in &node.calls {
            let column = match &call.function {
                Function::Window(kind) => functions::compute(*kind, call, &partition, cx)?,
                Function::Aggregate(aggregate) => {
                    moving::compute(aggregate, call, &partition, charge, cx)?
                }
            };
            columns.push(column.into_iter());
        }
    }
    for row in &mut rows {
        row.truncate(node.width);
        row.extend(columns.iter_mut().filter_map(Iterator::next));
    }
    Ok(rows)
}

impl<'a> Partition<'a> {
    fn new(rows: &'a [Vec<Value>], order: &[Key]) -> Partition<'a> {
        let mut group_of = Vec::with_capacity(rows.len());
        let mut groups = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            if index == 0 || compare(order, &rows[index - 1], row).is_ne() {
                groups.push(index);
            }
            group_of.push(groups.len() - 1);
        }
        groups.push(rows.len());
        Partition {
            rows,
            group_of,
            groups,
        }
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn row(&self, index: usize) -> &'a [Value] {
        &self.rows[index]
    }

    /// The peers of a row, itself among them.
    fn peers(&self, index: usize) -> Range<usize> {
        let group = self.group_of[index];
        self.groups[group]..self.groups[group + 1]
    }
}
