//! FOR UPDATE and its kin: locking rows as they pass.
//!
//! Rows are locked one by one, as they are asked for: `LIMIT 1` locks one row.

use std::sync::Arc;

use rustdb_table::{Locked, Projection, Table};
use rustdb_txn::{RowMode, Wait};
use rustdb_types::Value;

use super::batch::Batch;
use super::compile::{Compiler, Outer};
use super::context::Context;
use super::evaluate::{all_true, values};
use super::{Node, Operator};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::plan::{LockRows, LockWait};

/// See [`LockRows`].
#[derive(Debug)]
pub(super) struct LockNode {
    input: Arc<dyn Node>,
    width: usize,
    targets: Vec<Target>,
    conditions: Vec<Expr>,
    /// Places, and what is computed for them.
    places: Vec<usize>,
    items: Vec<Expr>,
}

#[derive(Debug)]
struct Target {
    table: Arc<Table>,
    key: usize,
    /// Places in the row at hand, and in the table's rows.
    columns: Vec<(usize, usize)>,
    mode: RowMode,
    wait: LockWait,
}

struct RunLock {
    node: Arc<LockNode>,
    input: Box<dyn Operator>,
    batch: Batch,
    next: usize,
}

impl Node for LockNode {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunLock {
            input: self.input.clone().open(),
            node: self,
            batch: Batch::new(0),
            next: 0,
        })
    }
}

impl Operator for RunLock {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        loop {
            cx.check_cancelled()?;
            if self.next == self.batch.rows() {
                let Some(batch) = self.input.next(cx)? else {
                    return Ok(None);
                };
                (self.batch, self.next) = (batch, 0);
            }
            let mut row = self.batch.take_row(self.next);
            self.next += 1;
            if self.node.lock(&mut row, cx)? {
                let mut batch = Batch::new(self.node.width);
                batch.push(row);
                return Ok(Some(batch));
            }
        }
    }
}

impl LockNode {
    /// Locks what the row was made of; whether it is still wanted.
    fn lock(&self, row: &mut [Value], cx: &mut Context<'_>) -> Result<bool> {
        let mut changed = false;
        for target in &self.targets {
            let mut key = match &row[target.key] {
                Value::Bytea(key) => key.clone(),
                // There is no row on this side of an outer join.
                Value::Null => continue,
                _ => return Err(Error::internal("a row without its key")),
            };
            let wait = cx.wait;
            let transaction = cx.transaction_mut()?;
            let (table, mode) = (&target.table, target.mode);
            let (locked, moved) = match target.wait {
                LockWait::Wait => table.lock_following(transaction, &key, mode, wait)?,
                LockWait::Fail => table.lock_following(transaction, &key, mode, Wait::No)?,
                LockWait::Skip => match table.try_lock(transaction, &key, mode)? {
                    Some(locked) => locked,
                    None => return Ok(false),
                },
            };
            if let Some(moved) = moved {
                key = Arc::from(&*moved);
                row[target.key] = Value::Bytea(key.clone());
            }
            match locked {
                Locked::Unchanged => (),
                Locked::Gone => return Ok(false),
                Locked::Changed => {
                    let mut newest = Vec::new();
                    let projection = Projection::All;
                    if !table.get_newest(cx.transaction()?, &key, &projection, &mut newest)? {
                        return Ok(false);
                    }
                    for (to, from) in &target.columns {
                        row[*to] = newest[*from].clone();
                    }
                    changed = true;
                }
            }
        }
        if !changed {
            return Ok(true);
        }
        if !all_true(&self.conditions, &*row, cx)? {
            return Ok(false);
        }
        let new = values(&self.items, &*row, cx)?;
        for (place, value) in self.places.iter().zip(new) {
            row[*place] = value;
        }
        Ok(true)
    }
}

impl Compiler<'_> {
    pub(super) fn lock(&mut self, lock: &LockRows, outer: &Outer) -> Result<Arc<dyn Node>> {
        let input = self.plan(&lock.input, outer)?;
        let place = |id| input.columns.iter().position(|column| *column == id);
        let mut targets = Vec::with_capacity(lock.targets.len());
        for target in &lock.targets {
            let columns = target.columns.iter();
            targets.push(Target {
                table: target.table.clone(),
                key: place(target.key).ok_or_else(|| Error::internal("no key to lock by"))?,
                // Columns that nobody uses have been left out.
                columns: columns
                    .filter_map(|(id, from)| Some((place(*id)?, *from)))
                    .collect(),
                mode: target.mode,
                wait: target.wait,
            });
        }
        let wanted = lock.items.iter();
        let (places, items): (Vec<usize>, Vec<Expr>) = wanted
            .filter_map(|(id, item)| Some((place(*id)?, item.clone())))
            .unzip();
        Ok(Arc::new(LockNode {
            width: input.columns.len(),
            targets,
            conditions: self.all(&lock.conditions, &input.columns, outer)?,
            items: self.all(&items, &input.columns, outer)?,
            places,
            input: input.node,
        }))
    }
}
