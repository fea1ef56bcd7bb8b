//! Joins above each other that look up partners for each row, one row at a time.
//!
//! ```text
//! orders.id = $1 ──▶ row ──▶ + customer ──▶ + line 1 ──▶ + product ──▶ + supplier ──▶ batch
//!                                       ◀── + line 2 ──▶ + product ──▶ ...
//! ```
//!
//! Each of them is a [`NestedLoop`] whose right side takes values of the left row. Run by itself, such a
//! join puts its rows into a batch, of which the next one takes them out again; where there are few rows
//! that costs more than the look-ups. Here a row grows from the left to the right in one vector. Once
//! the last join has given a row, the last one that may have another partner goes on.
//!
//! A worker whose part was read before by another thread needs an operator for each node: see
//! [`ReadBefore`](super::parallel::ReadBefore).

use std::sync::Arc;

use rustdb_types::Value;

use super::batch::Batch;
use super::context::Context;
use super::evaluate::all_true;
use super::join::NestedLoop;
use super::join_table::Table;
use super::point::Point;
use super::{Node, Operator};
use crate::error::Result;
use crate::expr::Expr;
use crate::plan::JoinKind;

/// What a join stands on.
#[derive(Clone, Debug, Default)]
pub(super) struct Below {
    /// The joins that its left side is made of, the lowest one first.
    pub(super) joins: Vec<Arc<NestedLoop>>,
    /// The left side of the lowest one, if it is one row at most.
    pub(super) first: Option<Point>,
}

impl Below {
    /// What a join over `left` stands on; `first` is the left side, if it is one row at most.
    pub(super) fn of(left: &Arc<dyn Node>, first: Option<Point>) -> Below {
        let Some(join) = left.clone().as_look_up() else {
            let joins = Vec::new();
            return Below { joins, first };
        };
        let mut below = join.below.clone();
        below.joins.push(join);
        below
    }
}

impl NestedLoop {
    /// Whether it can be one of several that are run together.
    pub(super) fn is_look_up(&self) -> bool {
        let is_plain = match self.kind {
            JoinKind::Inner => true,
            JoinKind::Left => self.point.is_some(),
            JoinKind::Semi | JoinKind::Anti | JoinKind::Right | JoinKind::Full => false,
        };
        is_plain && !self.passed.is_empty()
    }

    /// Whether there is something to run together.
    pub(super) fn is_chain(&self) -> bool {
        let has_more = !self.below.joins.is_empty() || self.below.first.is_some();
        has_more && self.is_look_up()
    }
}

pub(super) struct RunLookUps {
    top: Arc<NestedLoop>,
    is_begun: bool,
    left: Left,
    /// The left row, and behind it the partners so far.
    row: Vec<Value>,
    /// Partners that the first joins may still have for that row.
    partners: Vec<Partners>,
    /// Instead of all that, the joins by themselves.
    apart: Option<Box<dyn Operator>>,
}

/// Rows of the lowest left side.
enum Left {
    Point,
    Run(Box<dyn Operator>, Batch, usize),
    Done,
}

enum Partners {
    /// One at most, by its key; whether nobody has looked for it so far.
    Point(bool),
    Run(Box<dyn Operator>, Batch, usize),
}

impl RunLookUps {
    pub(super) fn new(top: Arc<NestedLoop>) -> RunLookUps {
        let lowest = top.below.joins.first().unwrap_or(&top);
        let left = match &top.below.first {
            Some(_) => Left::Point,
            None => Left::Run(lowest.left.clone().open(), Batch::default(), 0),
        };
        RunLookUps {
            left,
            is_begun: false,
            row: Vec::with_capacity(top.left_width + top.right_width),
            partners: Vec::with_capacity(top.below.joins.len() + 1),
            apart: None,
            top,
        }
    }

    /// Makes the next row whole; `false` if there are no more.
    fn next_row(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        loop {
            cx.check_cancelled()?;
            if self.partners.is_empty() {
                if !self.next_left(cx)? {
                    return Ok(false);
                }
            } else if !self.next_partner(cx)? {
                self.partners.pop();
                continue;
            } else if self.partners.len() > self.top.below.joins.len() {
                return Ok(true);
            }
            self.look_up(cx)?;
        }
    }

    fn next_left(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        self.row.clear();
        match &mut self.left {
            Left::Done => Ok(false),
            Left::Point => {
                // There is no other one.
                self.left = Left::Done;
                match &self.top.below.first {
                    Some(point) => point.append(&mut self.row, cx),
                    None => Ok(false),
                }
            }
            Left::Run(run, batch, row) => match next_of(run, batch, row, cx)? {
                Some(found) => {
                    self.row.extend(found);
                    Ok(true)
                }
                None => {
                    self.left = Left::Done;
                    Ok(false)
                }
            },
        }
    }

    /// Has the next join look for partners of the row.
    fn look_up(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let node = join_at(&self.top, self.partners.len());
        for (from, to) in &node.passed {
            cx.memory.outer[*to] = self.row[*from].clone();
        }
        self.partners.push(match &node.point {
            Some(_) => Partners::Point(true),
            None => Partners::Run(node.right.clone().open(), Batch::default(), 0),
        });
        Ok(())
    }

    /// Puts the next partner that the last join has for the row behind it; `false` if there is none.
    fn next_partner(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        let Some(at) = self.partners.len().checked_sub(1) else {
            return Ok(false);
        };
        let node = join_at(&self.top, at);
        loop {
            self.row.truncate(node.left_width);
            let is_there = match (&mut self.partners[at], &node.point) {
                (Partners::Run(run, batch, row), _) => {
                    let partner = next_of(run, batch, row, cx)?;
                    let is_there = partner.is_some();
                    self.row.extend(partner.into_iter().flatten());
                    is_there
                }
                (Partners::Point(is_new @ true), Some(point)) => {
                    *is_new = false;
                    point.append(&mut self.row, cx)?
                }
                (Partners::Point(_), _) => return Ok(false),
            };
            if is_there {
                if all_true(&node.conditions, &self.row[..], cx)? {
                    return Ok(true);
                }
                if node.point.is_none() {
                    continue;
                }
            }
            if node.kind != JoinKind::Left {
                return Ok(false);
            }
            // A left join here has one partner at most.
            self.row.truncate(node.left_width);
            let width = node.left_width + node.right_width;
            self.row.resize(width, Value::Null);
            return Ok(true);
        }
    }
}

/// A join, counted from the lowest one.
fn join_at(top: &Arc<NestedLoop>, at: usize) -> &NestedLoop {
    top.below.joins.get(at).unwrap_or(top)
}

/// The next row that an operator gives; `row` is its place in the batch at hand.
fn next_of(
    run: &mut Box<dyn Operator>,
    batch: &mut Batch,
    row: &mut usize,
    cx: &mut Context<'_>,
) -> Result<Option<Vec<Value>>> {
    if *row == batch.rows() {
        match run.next(cx)? {
            Some(next) => (*batch, *row) = (next, 0),
            None => return Ok(None),
        }
    }
    *row += 1;
    Ok(Some(batch.take_row(*row - 1)))
}

impl Operator for RunLookUps {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if !std::mem::replace(&mut self.is_begun, true) && cx.memory.read.is_some() {
            self.apart = Some(self.top.clone().open_apart());
        }
        if let Some(apart) = &mut self.apart {
            return apart.next(cx);
        }
        let width = self.top.left_width + self.top.right_width;
        let mut out: Option<Batch> = None;
        while out.as_ref().is_none_or(|out| !out.is_full()) && self.next_row(cx)? {
            let out = out.get_or_insert_with(|| Batch::new(width));
            out.push(self.row.iter().cloned());
        }
        Ok(out)
    }

    fn restrict(&mut self, places: &[usize], table: &Arc<Table>) {
        let joins = self.top.below.joins.iter().chain([&self.top]);
        let mut conditions = joins.flat_map(|join| &join.conditions);
        let lowest = join_at(&self.top, 0);
        let is_left = places.iter().all(|place| *place < lowest.left_width);
        if is_left
            && !conditions.any(Expr::is_volatile)
            && let Left::Run(run, ..) = &mut self.left
        {
            run.restrict(places, table);
        }
    }
}
