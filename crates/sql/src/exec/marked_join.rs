//! Semi- and anti-joins with a hash table of the left side, whose rows are marked.
//!
//! Where few rows ask whether a large table has something for them, a hash table of the large one is
//! the wrong way round. Here the few are in the table, in their order; the rows of the right side pass
//! by and mark those they go with, and in the end the rows with a mark are given, or those without.
//! The scan below the right side is told which keys are asked for, so that most rows are not read.
//!
//! If there is no memory for the left side the join is done the other way after all, by
//! [`RunHashJoin`], from what was read of the left side on.

use std::ops::Range;
use std::sync::Arc;

use rustdb_types::interrupt::Held;

use super::batch::{BATCH_ROWS, Batch, Pair};
use super::context::Context;
use super::evaluate::all_true;
use super::hash_join::{HashJoin, RunHashJoin};
use super::join_table::{Keys, NONE, Table};
use super::parallel::are_shareable;
use super::spill::{Charge, Spent};
use super::{Node, Operator};
use crate::error::Result;
use crate::plan::JoinKind;

/// A semi- or anti-join by marks.
#[derive(Debug)]
pub(super) struct MarkedJoin {
    /// The same with a hash table of the right side.
    pub(super) join: Arc<HashJoin>,
}

struct RunMarkedJoin {
    node: Arc<MarkedJoin>,
    state: State,
    peak_bytes: usize,
}

enum State {
    Start,
    /// Rows of the left side to be given, of which those before a place were.
    Give(Arc<Table>, Vec<u32>, usize),
    /// There is no memory for the left side.
    Unmarked(Box<RunHashJoin>),
    Done,
}

/// What was read of the left side.
enum Left {
    Table(Table),
    /// Not all of it: rows, what they take, and the rest.
    Begun(Batch, Charge, Box<dyn Operator>),
}

/// Rows, and those of an operator after them.
struct Replayed {
    rows: Batch,
    given: usize,
    charge: Option<Charge>,
    rest: Box<dyn Operator>,
}

impl Node for MarkedJoin {
    fn is_shareable(&self) -> bool {
        let join = &self.join;
        are_shareable(join.exprs()) && join.left.is_shareable() && join.right.is_shareable()
    }

    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunMarkedJoin {
            node: self,
            state: State::Start,
            peak_bytes: 0,
        })
    }
}

impl Operator for RunMarkedJoin {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if let State::Start = self.state {
            let join = &self.node.join;
            self.state = match read_left(join, cx)? {
                Left::Table(table) => {
                    self.peak_bytes = table.charge.as_ref().map_or(0, Charge::peak);
                    let table = Arc::new(table);
                    let rows = marked(join, &table, cx)?;
                    State::Give(table, rows, 0)
                }
                Left::Begun(rows, charge, rest) => {
                    let left = Box::new(Replayed {
                        rows,
                        given: 0,
                        charge: Some(charge),
                        rest,
                    });
                    State::Unmarked(Box::new(RunHashJoin::over(join, left)))
                }
            };
        }
        match &mut self.state {
            State::Give(table, rows, given) if *given < rows.len() => {
                let end = rows.len().min(*given + BATCH_ROWS);
                let next = &rows[*given..end];
                let batch = Batch::of(table.rows.gathered(next), next.len());
                *given = end;
                Ok(Some(batch))
            }
            State::Unmarked(run) => run.next(cx),
            State::Start | State::Give(..) | State::Done => {
                self.state = State::Done;
                Ok(None)
            }
        }
    }

    fn spent(&self) -> Option<Spent> {
        match &self.state {
            State::Unmarked(run) => run.spent(),
            _ => Some(Spent::Join {
                batches: 1,
                memory_bytes: self.peak_bytes,
                disk_bytes: 0,
            }),
        }
    }
}

/// Reads the left side; as far as there is memory for it.
fn read_left(join: &HashJoin, cx: &mut Context<'_>) -> Result<Left> {
    let mut rows = Held::new(Batch::new(join.left_width));
    let mut run = Held::new(join.left.clone().open());
    let mut keys = Held::new(Keys::new(join.left_keys.len()));
    let mut charge = cx.pool().charge();
    let asked = join.asked_by_row(0..join.left_width);
    while let Some(mut batch) = run.next(cx)? {
        cx.check_cancelled()?;
        keys.append(&join.left_keys, &batch, cx)?;
        batch.spread(&asked);
        charge.hold(batch.column_bytes() + batch.rows() * keys.row_bytes())?;
        rows.append(batch);
        if charge.is_over() {
            return Ok(Left::Begun(rows.into_inner(), charge, run.into_inner()));
        }
    }
    rows.condense(&asked);
    let mut table = Table::new(rows.into_inner(), keys.into_inner())?;
    table.charge = Some(charge);
    Ok(Left::Table(table))
}

/// Which rows of the left side have a partner.
struct Marks {
    has_partner: Vec<bool>,
    /// For each row a later one with the same key; rows with a mark are passed over at once.
    next: Vec<u32>,
}

impl Marks {
    fn new(table: &Table) -> Marks {
        let rows = table.rows.rows();
        Marks {
            has_partner: vec![false; rows],
            next: (0..rows).map(|row| table.after(row)).collect(),
        }
    }

    /// The first row without a mark from a row on.
    fn open_from(&mut self, first: u32) -> u32 {
        let is_marked = |row: u32| row != NONE && self.has_partner[row as usize];
        let mut open = first;
        while is_marked(open) {
            open = self.next[open as usize];
        }
        // The next look at these rows is a single step.
        let mut row = first;
        while row != open {
            row = std::mem::replace(&mut self.next[row as usize], open);
        }
        open
    }

    /// Marks the rows that have a partner in a batch of the right side.
    fn mark(
        &mut self,
        join: &HashJoin,
        table: &Table,
        (batch, keys): (&Batch, &Keys),
        cx: &mut Context<'_>,
    ) -> Result<()> {
        for row in 0..batch.rows() {
            let first = keys.get(row).map_or(NONE, |key| table.first_of(key));
            let mut at = self.open_from(first);
            while at != NONE {
                cx.check_cancelled()?;
                let left = at as usize;
                let pair = Pair {
                    left: &table.rows.row(left),
                    width: join.left_width,
                    right: &batch.row(row),
                };
                if join.rest.is_empty() || all_true(&join.rest, &pair, cx)? {
                    self.has_partner[left] = true;
                }
                at = self.open_from(self.next[left]);
            }
        }
        Ok(())
    }
}

/// Reads the right side, and returns the rows of the left side that the join gives.
fn marked(join: &Arc<HashJoin>, table: &Arc<Table>, cx: &mut Context<'_>) -> Result<Vec<u32>> {
    let mut marks = Marks::new(table);
    if !marks.has_partner.is_empty() {
        let mut right = Held::new(join.right.clone().open());
        join.restrict_right(table, &mut **right);
        let mut keys = Keys::new(join.right_keys.len());
        let asked = join.asked_by_row(join.left_width..join.left_width + join.right_width);
        while let Some(mut batch) = right.next(cx)? {
            cx.check_cancelled()?;
            keys.reset(join.right_keys.len());
            keys.append(&join.right_keys, &batch, cx)?;
            batch.spread(&asked);
            marks.mark(join, table, (&batch, &keys), cx)?;
        }
    }
    let wants_partner = join.kind == JoinKind::Semi;
    let rows = (0_u32..).zip(&marks.has_partner);
    let rows = rows.filter(|(_, has_partner)| **has_partner == wants_partner);
    Ok(rows.map(|(row, _)| row).collect())
}

impl Operator for Replayed {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if self.given == self.rows.rows() {
            self.rows = Batch::default();
            self.given = 0;
            self.charge = None;
            return self.rest.next(cx);
        }
        let end = self.rows.rows().min(self.given + BATCH_ROWS);
        let next: Range<u32> = self.given as u32..end as u32;
        let next: Vec<u32> = next.collect();
        self.given = end;
        Ok(Some(Batch::of(self.rows.gathered(&next), next.len())))
    }
}
