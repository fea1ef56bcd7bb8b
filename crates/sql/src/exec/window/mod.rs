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
//! All rows are held in memory.

mod compile;
mod frame;
mod functions;
mod in_range;
mod moving;

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use rustdb_types::Value;
use rustdb_types::aggregate::AggregateCall;
use rustdb_types::window::WindowKind;

use super::batch::Batch;
use super::context::Context;
use super::evaluate::values;
use super::sort::Key;
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
    /// How those are compared.
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

/// A row, and what it is sorted by.
struct Sorted {
    keys: Vec<Value>,
    row: Vec<Value>,
}

/// The rows of a partition.
struct Partition<'a> {
    rows: &'a [Sorted],
    /// For each row its group of peers.
    group_of: Vec<usize>,
    /// Where groups begin, and at the end the number of rows.
    groups: Vec<usize>,
}

struct RunWindow {
    node: Arc<WindowNode>,
    input: Box<dyn Operator>,
    /// The rows that are not given out yet, the last first in partitions that are still to come.
    rows: Option<Vec<Sorted>>,
    /// How many of the rows have been computed.
    done: usize,
    ready: std::vec::IntoIter<Vec<Value>>,
}

impl Node for WindowNode {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunWindow {
            input: self.input.clone().open(),
            node: self,
            rows: None,
            done: 0,
            ready: Vec::new().into_iter(),
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
            let rows = self.rows.as_mut().map_or(&mut [][..], |rows| &mut rows[..]);
            if self.done == rows.len() {
                break;
            }
            let end = self.done + partition_end(&node, &rows[self.done..]);
            let ready = compute(&node, &mut rows[self.done..end], cx)?;
            self.ready = ready.into_iter();
            self.done = end;
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

fn sorted(
    node: &WindowNode,
    input: &mut dyn Operator,
    cx: &mut Context<'_>,
) -> Result<Vec<Sorted>> {
    let mut rows = Vec::new();
    while let Some(batch) = input.next(cx)? {
        cx.check_cancelled()?;
        for row in 0..batch.rows() {
            rows.push(Sorted {
                keys: values(&node.sort, &batch.row(row), cx)?,
                row: batch.take_row(row),
            });
        }
    }
    if !node.keys.is_empty() {
        rows.sort_by(|left, right| compare(&node.keys, left, right));
    }
    Ok(rows)
}

fn compare(keys: &[Key], left: &Sorted, right: &Sorted) -> Ordering {
    let orders = keys
        .iter()
        .map(|key| key.compare(&left.keys[key.place], &right.keys[key.place]));
    orders
        .into_iter()
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// How many of the rows are of the first one's partition.
fn partition_end(node: &WindowNode, rows: &[Sorted]) -> usize {
    let keys = &node.keys[..node.partition];
    let same = |row: &Sorted| compare(keys, &rows[0], row).is_eq();
    rows.partition_point(same)
}

/// The rows of a partition with their new columns.
fn compute(
    node: &WindowNode,
    rows: &mut [Sorted],
    cx: &mut Context<'_>,
) -> Result<Vec<Vec<Value>>> {
    let mut columns = Vec::with_capacity(node.calls.len());
    {
        let partition = Partition::new(rows, &node.keys[node.partition..]);
        for call in &node.calls {
            let column = match &call.function {
                Function::Window(kind) => functions::compute(*kind, call, &partition, cx)?,
                Function::Aggregate(aggregate) => moving::compute(aggregate, call, &partition, cx)?,
            };
            columns.push(column.into_iter());
        }
    }
    let mut ready = Vec::with_capacity(rows.len());
    for sorted in rows {
        let mut row = std::mem::take(&mut sorted.row);
        row.reserve_exact(columns.len());
        sorted.keys = Vec::new();
        row.extend(columns.iter_mut().filter_map(Iterator::next));
        ready.push(row);
    }
    Ok(ready)
}

impl<'a> Partition<'a> {
    fn new(rows: &'a [Sorted], order: &[Key]) -> Partition<'a> {
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
        &self.rows[index].row
    }

    /// The peers of a row, itself among them.
    fn peers(&self, index: usize) -> Range<usize> {
        let group = self.group_of[index];
        self.groups[group]..self.groups[group + 1]
    }
}
