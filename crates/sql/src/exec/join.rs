//! Nested loops: the join that does any condition.
//!
//! The right side is read once and kept, unless it depends on the row of the left: then it is run
//! again for each.

use std::sync::Arc;

use rustdb_types::Value;

use super::batch::{Batch, Pair};
use super::context::Context;
use super::evaluate::all_true;
use super::join_table::Table;
use super::look_ups::{Below, RunLookUps};
use super::parallel::{Chain, ReadBefore, are_shareable};
use super::point::Point;
use super::spill::Kept;
use super::{Node, Operator};
use crate::error::Result;
use crate::expr::Expr;
use crate::plan::JoinKind;

/// A join by nested loops.
#[derive(Debug)]
pub(crate) struct NestedLoop {
    pub(super) kind: JoinKind,
    pub(super) conditions: Vec<Expr>,
    /// Which values of the left row the right side takes: from which place, and where to.
    pub(super) passed: Vec<(usize, usize)>,
    /// The right side, if it takes such values and is one row at most.
    pub(super) point: Option<Point>,
    pub(super) left_width: usize,
    pub(super) right_width: usize,
    pub(super) left: Arc<dyn Node>,
    pub(super) right: Arc<dyn Node>,
    /// What it can be run together with.
    pub(super) below: Below,
}

struct RunNestedLoop {
    node: Arc<NestedLoop>,
    is_begun: bool,
    /// What it is to give, if it was read before.
    before: Option<Box<ReadBefore>>,
    left: Box<dyn Operator>,
    batch: Batch,
    row: usize,
    /// The row of the left that partners are looked for.
    at: Option<At>,
    /// The right side, if it is the same for all rows of the left.
    kept: Option<Kept>,
    /// Rows of `kept` that had a partner.
    matched: Vec<bool>,
    /// Once the left side is at its end: where rows of `kept` that had none are looked for.
    rest: Option<Place>,
}

/// A row of the left, and how far the right side was looked at.
struct At {
    left: Vec<Value>,
    is_matched: bool,
    right: Right,
}

enum Right {
    Kept(Place),
    /// The one row, until it was looked at.
    Point(Option<Vec<Value>>),
    Run(Box<dyn Operator>, Batch, usize),
}

/// A place among the batches that are kept.
#[derive(Default)]
struct Place {
    /// The batch at hand, and the number of the next one.
    batch: Option<Arc<Batch>>,
    next: usize,
    /// The next row of the batch.
    row: usize,
    /// The number of that row among all.
    number: usize,
}

impl Node for NestedLoop {
    fn join_chain(self: Arc<Self>, chain: &mut Chain) -> bool {
        // Without values of the left row the right side would be kept by each worker.
        let passes_rows = !self.passed.is_empty();
        let is_chain = passes_rows
            && are_shareable(&self.conditions)
            && self.right.is_shareable()
            && self.left.clone().join_chain(chain);
        if is_chain {
            chain.add_step(self);
        }
        is_chain
    }

    fn is_shareable(&self) -> bool {
        are_shareable(&self.conditions) && self.left.is_shareable() && self.right.is_shareable()
    }

    fn as_look_up(self: Arc<Self>) -> Option<Arc<NestedLoop>> {
        self.is_look_up().then_some(self)
    }

    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        match self.is_chain() {
            true => Box::new(RunLookUps::new(self)),
            false => self.open_apart(),
        }
    }
}

impl NestedLoop {
    /// Begins a run by itself, whatever its left side is.
    pub(super) fn open_apart(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunNestedLoop {
            left: self.left.clone().open(),
            node: self,
            is_begun: false,
            before: None,
            batch: Batch::default(),
            row: 0,
            at: None,
            kept: None,
            matched: Vec::new(),
            rest: None,
        })
    }
}

/// How many columns come out.
pub(super) fn width(kind: JoinKind, left: usize, right: usize) -> usize {
    match kind {
        JoinKind::Semi | JoinKind::Anti => left,
        _ => left + right,
    }
}

impl Operator for RunNestedLoop {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if !std::mem::replace(&mut self.is_begun, true) {
            self.before = ReadBefore::take(&self.node, cx);
        }
        if let Some(before) = &mut self.before {
            return before.next(cx);
        }
        let node = self.node.clone();
        if node.passed.is_empty() && self.kept.is_none() {
            let kept = read_all(&node.right, cx)?;
            if matches!(node.kind, JoinKind::Right | JoinKind::Full) {
                self.matched = vec![false; kept.rows()];
            }
            self.kept = Some(kept);
        }
        let mut out = Batch::new(width(node.kind, node.left_width, node.right_width));
        while !out.is_full() && self.rest.is_none() {
            cx.check_cancelled()?;
            let mut at = match self.at.take() {
                Some(at) => at,
                None => match self.next_left(cx)? {
                    Some(at) => at,
                    None => {
                        self.rest = Some(Place::default());
                        break;
                    }
                },
            };
            if self.pair(&mut at, &mut out, cx)? {
                last(&node, at, &mut out);
            } else {
                self.at = Some(at);
            }
        }
        if self.rest.is_some() && matches!(node.kind, JoinKind::Right | JoinKind::Full) {
            self.without_partner(&mut out, cx)?;
        }
        Ok((!out.is_empty()).then_some(out))
    }

    fn restrict(&mut self, places: &[usize], table: &Arc<Table>) {
        let node = &self.node;
        let passes_rows = !matches!(node.kind, JoinKind::Right | JoinKind::Full);
        let is_left = places.iter().all(|place| *place < node.left_width);
        if passes_rows && is_left && !node.conditions.iter().any(Expr::is_volatile) {
            self.left.restrict(places, table);
        }
    }
}

/// What becomes of a left row that has been compared with all of the right side.
fn last(node: &NestedLoop, at: At, out: &mut Batch) {
    match (node.kind, at.is_matched) {
        (JoinKind::Semi, true) | (JoinKind::Anti, false) => out.push(at.left),
        (JoinKind::Left | JoinKind::Full, false) => {
            let nulls = std::iter::repeat_n(Value::Null, node.right_width);
            out.push(at.left.into_iter().chain(nulls));
        }
        _ => (),
    }
}

/// Adds the pair of a left row with the one row of the right side, if there is one.
fn pair_point(
    node: &NestedLoop,
    at: &mut At,
    right: Option<Vec<Value>>,
    out: &mut Batch,
    cx: &mut Context<'_>,
) -> Result<()> {
    let Some(right) = right else {
        return Ok(());
    };
    let pair = Pair {
        left: &at.left[..],
        width: node.left_width,
        right: &right,
    };
    at.is_matched = all_true(&node.conditions, &pair, cx)?;
    if at.is_matched && !matches!(node.kind, JoinKind::Semi | JoinKind::Anti) {
        // Nobody needs the left row any more.
        out.push(std::mem::take(&mut at.left).into_iter().chain(right));
    }
    Ok(())
}

impl RunNestedLoop {
    fn next_left(&mut self, cx: &mut Context<'_>) -> Result<Option<At>> {
        if self.row == self.batch.rows() {
            match self.left.next(cx)? {
                Some(batch) => (self.batch, self.row) = (batch, 0),
                None => return Ok(None),
            }
        }
        let left = self.batch.take_row(self.row);
        self.row += 1;
        let right = match &self.kept {
            Some(_) => Right::Kept(Place::default()),
            None => {
                for (from, to) in &self.node.passed {
                    cx.memory.outer[*to] = left[*from].clone();
                }
                match &self.node.point {
                    Some(point) => Right::Point(point.run(cx)?),
                    None => Right::Run(self.node.right.clone().open(), Batch::default(), 0),
                }
            }
        };
        Ok(Some(At {
            left,
            is_matched: false,
            right,
        }))
    }

    /// Adds the pairs of a left row, as far as there is room. Whether that were all.
    fn pair(&mut self, at: &mut At, out: &mut Batch, cx: &mut Context<'_>) -> Result<bool> {
        let node = &*self.node;
        let first_only = matches!(node.kind, JoinKind::Semi | JoinKind::Anti);
        loop {
            let (batch, row, number) = match &mut at.right {
                Right::Kept(place) => match &self.kept {
                    Some(kept) if place.is_at_row(kept, cx)? => {
                        let Some(batch) = &place.batch else {
                            return Ok(true);
                        };
                        place.row += 1;
                        place.number += 1;
                        (&**batch, place.row - 1, place.number - 1)
                    }
                    _ => return Ok(true),
                },
                Right::Point(row) => {
                    let row = row.take();
                    pair_point(node, at, row, out, cx)?;
                    return Ok(true);
                }
                Right::Run(run, batch, row) => {
                    if *row == batch.rows() {
                        match run.next(cx)? {
                            Some(next) => (*batch, *row) = (next, 0),
                            None => return Ok(true),
                        }
                    }
                    *row += 1;
                    (&*batch, *row - 1, 0)
                }
            };
            let pair = Pair {
                left: &at.left[..],
                width: node.left_width,
                right: &batch.row(row),
            };
            if !all_true(&node.conditions, &pair, cx)? {
                continue;
            }
            at.is_matched = true;
            if let Some(matched) = self.matched.get_mut(number) {
                *matched = true;
            }
            if first_only {
                return Ok(true);
            }
            let partner = (0..node.right_width).map(|place| batch.column(place).get(row));
            out.push(at.left.iter().cloned().chain(partner));
            if out.is_full() {
                return Ok(false);
            }
        }
    }

    /// The rows of the right side that had no partner, with NULL for the left's columns.
    fn without_partner(&mut self, out: &mut Batch, cx: &mut Context<'_>) -> Result<()> {
        let (Some(kept), Some(place)) = (&self.kept, &mut self.rest) else {
            return Ok(());
        };
        while !out.is_full() && place.is_at_row(kept, cx)? {
            let Some(batch) = &place.batch else {
                return Ok(());
            };
            if !self.matched[place.number] {
                let nulls = std::iter::repeat_n(Value::Null, self.node.left_width);
                out.push(nulls.chain(batch.take_row(place.row)));
            }
            place.row += 1;
            place.number += 1;
        }
        Ok(())
    }
}

impl Place {
    /// Goes on to the next batch if there are no more rows in this one. Whether there is a row.
    fn is_at_row(&mut self, kept: &Kept, cx: &Context<'_>) -> Result<bool> {
        while self
            .batch
            .as_ref()
            .is_none_or(|batch| self.row == batch.rows())
        {
            self.batch = kept.get(self.next, cx)?;
            if self.batch.is_none() {
                return Ok(false);
            }
            cx.check_cancelled()?;
            self.next += 1;
            self.row = 0;
        }
        Ok(true)
    }
}

/// All rows of a node.
pub(super) fn read_all(node: &Arc<dyn Node>, cx: &mut Context<'_>) -> Result<Kept> {
    let mut run = node.clone().open();
    let mut kept = Kept::default();
    while let Some(batch) = run.next(cx)? {
        cx.check_cancelled()?;
        kept.push(batch, cx)?;
    }
    Ok(kept)
}
