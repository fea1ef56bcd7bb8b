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
//! Rows are sorted outside of memory if there are too many. A partition that is too large for it is
//! put aside again, where its rows have numbers, and gets its new columns row by row. What stays in
//! memory then is where groups of peers begin, and what an aggregate knows of its frame.

mod compile;
mod frame;
mod functions;
mod in_range;
mod moving;
mod partition;

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
use crate::error::{Error, Result};
use crate::expr::Expr;

use frame::{CompiledFrame, Edge};
use moving::Moving;
use partition::Partition;

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
    /// Whether arguments or filter may give something else when they are evaluated again.
    is_volatile: bool,
    frame: CompiledFrame,
}

/// What is computed.
#[derive(Debug)]
enum Function {
    Window(WindowKind),
    Aggregate(AggregateCall),
}

/// A function at work on a partition: gives its value for one row after the other.
enum Running {
    Window(Box<functions::Running>),
    Aggregate(Box<Moving>),
}

struct RunWindow {
    node: Arc<WindowNode>,
    input: Box<dyn Operator>,
    rows: Option<Sorted>,
    /// The first row of the next partition, once it was met.
    first: Option<Vec<Value>>,
    /// A partition that is in memory, with its new columns.
    ready: std::vec::IntoIter<Vec<Value>>,
    /// For it, and for its new columns.
    charges: Option<(Charge, Charge)>,
    /// A partition that was put aside.
    aside: Option<RowByRow>,
}

/// A partition whose rows get their new columns as they are asked for.
struct RowByRow {
    partition: Partition,
    running: Vec<Running>,
    next: usize,
}

impl Node for WindowNode {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunWindow {
            input: self.input.clone().open(),
            node: self,
            rows: None,
            first: None,
            ready: Vec::new().into_iter(),
            charges: None,
            aside: None,
        })
    }
}

/// A batch of rows of a partition that was put aside has no more bytes than this, about.
const BATCH_BYTES: usize = 1 << 20;

impl Operator for RunWindow {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let node = self.node.clone();
        if self.rows.is_none() {
            self.rows = Some(sorted(&node, &mut *self.input, cx)?);
        }
        let mut batch = Batch::new(node.width + node.calls.len());
        let mut bytes = 0;
        while !batch.is_full() && bytes < BATCH_BYTES {
            if let Some(row) = self.ready.next() {
                batch.push(row);
                continue;
            }
            if let Some(aside) = &mut self.aside {
                match aside.next(&node, cx)? {
                    Some(row) => {
                        bytes += row_bytes(&row);
                        batch.push(row);
                    }
                    None => self.aside = None,
                }
                continue;
            }
            self.charges = None;
            let partition = self.partition(cx)?;
            if partition.is_empty() {
                break;
            }
            self.compute(partition, cx)?;
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

impl RunWindow {
    /// The rows of the next partition; none if there is none.
    fn partition(&mut self, cx: &mut Context<'_>) -> Result<Partition> {
        let (keys, order) = self.node.keys.split_at(self.node.partition);
        let charge = cx.pool().charge();
        let Some(sorted) = &mut self.rows else {
            return Ok(Partition::new(charge));
        };
        if let Some(rows) = sorted.in_memory() {
            let Some(first) = rows.as_slice().first() else {
                return Ok(Partition::new(charge));
            };
            let same = |row: &Vec<Value>| compare(keys, first, row).is_eq();
            let count = rows.as_slice().partition_point(same);
            let rows = rows.take(count).collect();
            return Ok(Partition::in_memory(rows, order, charge));
        }
        let mut partition = Partition::new(charge);
        let mut first: Option<Vec<Value>> = None;
        let mut next = self.first.take();
        while let Some(row) = match next.take() {
            Some(row) => Some(row),
            None => sorted.next(cx)?,
        } {
            match &first {
                Some(first) if compare(keys, first, &row).is_ne() => {
                    self.first = Some(row);
                    break;
                }
                Some(_) => (),
                None => first = Some(row.clone()),
            }
            partition.push(row, order, cx)?;
        }
        partition.finish()?;
        Ok(partition)
    }

    /// Computes the new columns of a partition, or begins to.
    fn compute(&mut self, mut partition: Partition, cx: &mut Context<'_>) -> Result<()> {
        let node = self.node.clone();
        if !partition.is_in_memory() {
            let calls = node.calls.iter();
            let running = calls.map(|call| Running::new(call, &partition, cx));
            self.aside = Some(RowByRow {
                running: running.collect::<Result<_>>()?,
                partition,
                next: 0,
            });
            return Ok(());
        }
        let mut charge = cx.pool().charge();
        let mut columns = Vec::with_capacity(node.calls.len());
        for call in &node.calls {
            let mut running = Running::new(call, &partition, cx)?;
            let mut column = Vec::with_capacity(partition.len());
            for row in 0..partition.len() {
                cx.check_cancelled()?;
                let value = running.next(row, call, &mut partition, cx)?;
                charge.hold(value.heap_bytes() + size_of::<Value>())?;
                column.push(value);
            }
            columns.push(column.into_iter());
        }
        let (mut rows, held) = partition.into_rows();
        for row in &mut rows {
            row.truncate(node.width);
            row.extend(columns.iter_mut().filter_map(Iterator::next));
        }
        self.ready = rows.into_iter();
        self.charges = Some((held, charge));
        Ok(())
    }
}

impl RowByRow {
    /// The next row with its new columns.
    fn next(&mut self, node: &WindowNode, cx: &mut Context<'_>) -> Result<Option<Vec<Value>>> {
        if self.next >= self.partition.len() {
            return Ok(None);
        }
        cx.check_cancelled()?;
        let mut row = Vec::with_capacity(node.width + node.calls.len());
        row.extend_from_slice(&self.partition.row(self.next, cx)?[..node.width]);
        for (running, call) in self.running.iter_mut().zip(&node.calls) {
            row.push(running.next(self.next, call, &mut self.partition, cx)?);
        }
        self.next += 1;
        Ok(Some(row))
    }
}

impl Running {
    fn new(call: &Call, partition: &Partition, cx: &mut Context<'_>) -> Result<Running> {
        Ok(match &call.function {
            Function::Window(kind) => {
                Running::Window(Box::new(functions::Running::new(*kind, call, cx)?))
            }
            Function::Aggregate(aggregate) => {
                Running::Aggregate(Box::new(Moving::new(aggregate, call, partition, cx)?))
            }
        })
    }

    /// The value for a row; rows have to be asked for in their order.
    fn next(
        &mut self,
        row: usize,
        call: &Call,
        partition: &mut Partition,
        cx: &mut Context<'_>,
    ) -> Result<Value> {
        match (self, &call.function) {
            (Running::Window(running), _) => running.next(row, call, partition, cx),
            (Running::Aggregate(moving), Function::Aggregate(aggregate)) => {
                moving.next(row, aggregate, call, partition, cx)
            }
            (Running::Aggregate(_), Function::Window(_)) => {
                Err(Error::internal("an aggregate without its state"))
            }
        }
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
            whole.extend((0..node.width).map(|place| batch.column(place).get(row)));
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
