//! Named queries and recursion.
//!
//! The rows of a named query are kept in [`Shared`], which its readers fill as far as they read:
//! `SELECT ... LIMIT 3` over an endless recursion ends.

use std::collections::HashSet;
use std::sync::Arc;

use super::batch::Batch;
use super::compile::{Compiled, Compiler, Outer};
use super::context::Context;
use super::key::{RowKey, key_at};
use super::spill::{Charge, Kept};
use super::{Node, Operator};
use crate::error::{Error, Result};
use crate::expr::ColumnId;
use crate::plan::{NameNumber, NamedRows, Plan, Recursive, With, free_columns};

/// What a named query has given so far.
pub(crate) struct Shared {
    /// Where more comes from; none if that is all.
    run: Option<Box<dyn Operator>>,
    batches: Kept,
    /// Whether they are read once, and not kept.
    is_passing: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} batches of a named query", self.batches.len())
    }
}

/// A plan with named queries: for each where its rows are kept.
#[derive(Debug)]
pub(super) struct WithNode {
    pub(super) tables: Vec<Table>,
    pub(super) body: Arc<dyn Node>,
}

/// A named query.
#[derive(Debug)]
pub(super) struct Table {
    /// Where its rows are kept.
    place: usize,
    node: Arc<dyn Node>,
    /// Whether it writes.
    modifies: bool,
    /// Whether its rows are read once.
    is_passing: bool,
}

struct RunWith {
    node: Arc<WithNode>,
    body: Option<Box<dyn Operator>>,
}

impl Node for WithNode {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunWith {
            node: self,
            body: None,
        })
    }
}

impl Operator for RunWith {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let body = match &mut self.body {
            Some(body) => body,
            None => {
                for table in &self.node.tables {
                    cx.memory.shared[table.place] = Some(Shared {
                        run: Some(table.node.clone().open()),
                        batches: Kept::default(),
                        is_passing: table.is_passing,
                    });
                    if table.modifies {
                        cx.note_modifying(table.place);
                    }
                }
                self.body.insert(self.node.body.clone().open())
            }
        };
        body.next(cx)
    }
}

/// Runs a named query to its end, unless it has.
pub(super) fn exhaust(place: usize, cx: &mut Context<'_>) -> Result<()> {
    let Some(mut shared) = cx.memory.shared[place].take() else {
        return Ok(());
    };
    if let Some(mut run) = shared.run.take() {
        while run.next(cx)?.is_some() {}
    }
    Ok(())
}

/// The rows of a named query, or of the last step.
#[derive(Debug)]
pub(super) struct NamedNode {
    pub(super) place: usize,
}

struct RunNamed {
    place: usize,
    next: usize,
}

impl Node for NamedNode {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunNamed {
            place: self.place,
            next: 0,
        })
    }
}

impl Operator for RunNamed {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let missing = || Error::internal("a named query is read before it is there");
        let shared = cx.memory.shared[self.place].as_ref().ok_or_else(missing)?;
        if let Some(batch) = shared.batches.get(self.next, cx)? {
            self.next += 1;
            return Ok(Some(Arc::unwrap_or_clone(batch)));
        }
        // While it runs it is not there: nothing may read it.
        let mut shared = cx.memory.shared[self.place].take().ok_or_else(missing)?;
        let more = match &mut shared.run {
            None => Ok(None),
            Some(run) => run.next(cx),
        };
        if let Ok(more) = &more {
            match more {
                Some(_) if shared.is_passing => (),
                Some(batch) => shared.batches.push(batch.clone(), cx)?,
                None => shared.run = None,
            }
        }
        cx.memory.shared[self.place] = Some(shared);
        self.next += 1;
        more
    }
}

/// A query, and a step over its last rows.
#[derive(Debug)]
pub(super) struct RecursiveNode {
    /// Where the step finds the last rows.
    pub(super) place: usize,
    pub(super) all: bool,
    pub(super) width: usize,
    pub(super) base: Arc<dyn Node>,
    pub(super) step: Arc<dyn Node>,
}

struct RunRecursive {
    node: Arc<RecursiveNode>,
    run: Option<Box<dyn Operator>>,
    /// What the next step works on.
    last: Kept,
    seen: HashSet<RowKey>,
    /// For what was seen.
    charge: Option<Charge>,
}

impl Node for RecursiveNode {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunRecursive {
            run: Some(self.base.clone().open()),
            node: self,
            last: Kept::default(),
            seen: HashSet::new(),
            charge: None,
        })
    }
}

impl Operator for RunRecursive {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        while let Some(run) = &mut self.run {
            cx.check_cancelled()?;
            let Some(mut batch) = run.next(cx)? else {
                self.run = self.step(cx);
                continue;
            };
            if !self.node.all {
                self.keep_new(&mut batch);
                let charge = self.charge.get_or_insert_with(|| cx.pool().charge());
                charge.hold(batch.bytes() + batch.rows() * size_of::<RowKey>() * 2)?;
            }
            if !batch.is_empty() {
                self.last.push(batch.clone(), cx)?;
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

impl RunRecursive {
    /// Begins the next step, unless the last one gave nothing.
    fn step(&mut self, cx: &mut Context<'_>) -> Option<Box<dyn Operator>> {
        let batches = std::mem::take(&mut self.last);
        if batches.is_empty() {
            cx.memory.shared[self.node.place] = None;
            return None;
        }
        cx.memory.shared[self.node.place] = Some(Shared {
            run: None,
            batches,
            is_passing: false,
        });
        Some(self.node.step.clone().open())
    }

    fn keep_new(&mut self, batch: &mut Batch) {
        let places: Vec<usize> = (0..self.node.width).collect();
        let mut kept = Vec::with_capacity(batch.rows());
        for row in 0..batch.rows() {
            if self.seen.insert(key_at(&batch.row(row), &places)) {
                kept.push(row);
            }
        }
        batch.keep(&kept);
    }
}

impl Compiler<'_> {
    pub(super) fn with(&mut self, with: &With, outer: &Outer) -> Result<Compiled> {
        let mut tables = Vec::with_capacity(with.tables.len());
        for table in &with.tables {
            if !free_columns(&table.plan).is_empty() || self.is_unsettled(&table.plan) {
                self.unsettled.insert(table.number);
            }
            let place = self.place(table.number);
            let compiled = self.plan(&table.plan, outer)?;
            tables.push(Table {
                place,
                node: self.arranged(compiled, &table.columns)?.node,
                modifies: table.plan.modifies(),
                is_passing: with.is_read_once(table.number),
            });
        }
        let body = self.plan(&with.body, outer)?;
        Ok(Compiled {
            node: Arc::new(WithNode {
                tables,
                body: body.node,
            }),
            columns: body.columns,
        })
    }

    pub(super) fn named(&mut self, rows: &NamedRows) -> Result<Arc<dyn Node>> {
        let place = self.shared.get(&rows.number).copied();
        let place = place
            .ok_or_else(|| Error::internal(format!("nothing gives the rows of {}", rows.name)))?;
        Ok(Arc::new(NamedNode { place }))
    }

    pub(super) fn recursive(
        &mut self,
        recursive: &Recursive,
        outer: &Outer,
    ) -> Result<Arc<dyn Node>> {
        let place = self.place(recursive.number);
        self.unsettled.insert(recursive.number);
        let mut side = |(plan, columns): &(Plan, Vec<ColumnId>)| {
            let compiled = self.plan(plan, outer)?;
            Ok::<_, Error>(self.arranged(compiled, columns)?.node)
        };
        let (base, step) = (side(&recursive.base)?, side(&recursive.step)?);
        Ok(Arc::new(RecursiveNode {
            place,
            all: recursive.all,
            width: recursive.columns.len(),
            base,
            step,
        }))
    }

    fn place(&mut self, number: NameNumber) -> usize {
        let next = self.shared.len();
        *self.shared.entry(number).or_insert(next)
    }

    /// Whether a plan reads rows that are not the same all through the statement.
    pub(super) fn is_unsettled(&self, plan: &Plan) -> bool {
        let mut unsettled = false;
        plan.for_each_plan(&mut |plan| {
            if let Plan::Named(rows) = plan {
                unsettled |= self.unsettled.contains(&rows.number);
            }
        });
        unsettled
    }
}
