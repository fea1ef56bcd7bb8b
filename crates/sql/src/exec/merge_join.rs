//! Joins of inputs that are sorted by what they are joined by.
//!
//! ```text
//! left   1  2  2  4          both go forward; the rows of the right with the key at hand are a
//! right  1  1  2  3            group, which each left row with that key goes through again
//! ```
//!
//! Rows with NULL in their key have no partner, wherever they are. The rows of the left come out in
//! their order. A group that does not fit into memory is put aside.

use std::cmp::Ordering;
use std::sync::Arc;

use rustdb_types::Value;

use super::batch::{Batch, Pair, Row};
use super::context::Context;
use super::evaluate::all_true;
use super::join::width;
use super::key::widened;
use super::spill::Kept;
use super::{Node, Operator};
use crate::error::Result;
use crate::expr::Expr;
use crate::plan::JoinKind;

/// A join of sorted inputs.
#[derive(Debug)]
pub(super) struct MergeJoin {
    pub(super) kind: JoinKind,
    /// Places of what has to be equal, left and right; both sides ascend by these.
    pub(super) keys: Vec<(usize, usize)>,
    /// What has to hold besides.
    pub(super) rest: Vec<Expr>,
    pub(super) left_width: usize,
    pub(super) right_width: usize,
    pub(super) left: Arc<dyn Node>,
    pub(super) right: Arc<dyn Node>,
}

struct RunMergeJoin {
    node: Arc<MergeJoin>,
    left: Rows,
    right: Rows,
    group: Group,
    /// The left row at hand, if it has been begun.
    at: Option<At>,
    stage: Stage,
}

/// What is to be done next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The next row of the left.
    Left,
    /// The rows of a group that no left row was a partner of, before the next group.
    GroupEnds,
    Done,
}

/// A left row and the place of the next row of the group that it is compared with.
struct At {
    next: usize,
    is_matched: bool,
}

/// An input, row by row.
struct Rows {
    run: Box<dyn Operator>,
    batch: Batch,
    row: usize,
    is_done: bool,
}

/// The rows of the right that have one key. A few are at hand, the others are kept.
#[derive(Default)]
struct Group {
    key: Vec<Value>,
    rows: Vec<Vec<Value>>,
    kept: Kept,
    /// The batch of `kept` that was looked at last.
    batch: Option<(usize, Arc<Batch>)>,
    /// Which have had a partner; only if that matters.
    matched: Vec<bool>,
    /// The next of those that are given out without a partner.
    given: usize,
    is_there: bool,
}

/// So many rows of a group are at hand.
const ROWS_AT_HAND: usize = 1024;

impl Node for MergeJoin {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunMergeJoin {
            left: Rows::new(&self.left),
            right: Rows::new(&self.right),
            node: self,
            group: Group::default(),
            at: None,
            stage: Stage::Left,
        })
    }
}

impl Operator for RunMergeJoin {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let node = self.node.clone();
        let mut out = Batch::new(width(node.kind, node.left_width, node.right_width));
        let mut steps = 0_usize;
        while !out.is_full() && self.stage != Stage::Done {
            steps += 1;
            if steps.is_multiple_of(256) {
                cx.check_cancelled()?;
            }
            match self.stage {
                Stage::Left => self.step(&node, &mut out, cx)?,
                Stage::GroupEnds => self.end_group(&node, &mut out, cx)?,
                Stage::Done => (),
            }
        }
        Ok((!out.is_empty()).then_some(out))
    }
}

impl RunMergeJoin {
    /// One step of the left side.
    fn step(&mut self, node: &MergeJoin, out: &mut Batch, cx: &mut Context<'_>) -> Result<()> {
        if !self.left.is_at_row(cx)? {
            // What is left of the right side has no partner.
            self.stage = match node.gives_right() {
                true => Stage::GroupEnds,
                false => Stage::Done,
            };
            return Ok(());
        }
        if self.at.is_some() {
            return self.pair(node, out, cx);
        }
        let left = self.left.at();
        if node
            .keys
            .iter()
            .any(|(mine, _)| left.value(*mine).is_null())
        {
            self.give_left(node, false, out);
            return Ok(());
        }
        if !self.group.is_there && !self.next_group(node, cx)? {
            self.give_left(node, false, out);
            return Ok(());
        }
        let left = self.left.at();
        let keys = node.keys.iter().zip(&self.group.key);
        let mut orders = keys.map(|((mine, _), theirs)| compare(left.value(*mine), theirs));
        match orders.find(|order| order.is_ne()) {
            Some(Ordering::Less) => self.give_left(node, false, out),
            Some(_) => self.stage = Stage::GroupEnds,
            None => {
                self.at = Some(At {
                    next: 0,
                    is_matched: false,
                });
            }
        }
        Ok(())
    }

    /// What becomes of the left row at hand that has been compared with all that it could match.
    fn give_left(&mut self, node: &MergeJoin, is_matched: bool, out: &mut Batch) {
        let left = self.left.batch.take_row(self.left.row);
        self.left.row += 1;
        self.at = None;
        match (node.kind, is_matched) {
            (JoinKind::Semi, true) | (JoinKind::Anti, false) => out.push(left),
            (JoinKind::Left | JoinKind::Full, false) => {
                let nulls = std::iter::repeat_n(Value::Null, node.right_width);
                out.push(left.into_iter().chain(nulls));
            }
            _ => (),
        }
    }

    /// The pairs of the left row at hand with the group, as far as there is room.
    fn pair(&mut self, node: &MergeJoin, out: &mut Batch, cx: &mut Context<'_>) -> Result<()> {
        let Some(mut at) = self.at.take() else {
            return Ok(());
        };
        let first_only = matches!(node.kind, JoinKind::Semi | JoinKind::Anti);
        while at.next < self.group.len() {
            if out.is_full() {
                self.at = Some(at);
                return Ok(());
            }
            let place = at.next;
            at.next += 1;
            let left = self.left.batch.row(self.left.row);
            let right = self.group.row(place, cx)?;
            let pair = Pair {
                left: &left,
                width: node.left_width,
                right: &right,
            };
            if !node.rest.is_empty() && !all_true(&node.rest, &pair, cx)? {
                continue;
            }
            at.is_matched = true;
            if first_only {
                break;
            }
            let mine = (0..node.left_width).map(|place| left.value(place).clone());
            let theirs = (0..node.right_width).map(|place| right.value(place).clone());
            out.push(mine.chain(theirs));
            if let Some(matched) = self.group.matched.get_mut(place) {
                *matched = true;
            }
        }
        self.give_left(node, at.is_matched, out);
        Ok(())
    }

    /// Gives out the rows of the group that had no partner, where they are wanted, and reads the
    /// next group if the left side is at its end.
    fn end_group(&mut self, node: &MergeJoin, out: &mut Batch, cx: &mut Context<'_>) -> Result<()> {
        if node.gives_right() {
            while self.group.is_there && self.group.given < self.group.len() {
                if out.is_full() {
                    return Ok(());
                }
                let place = self.group.given;
                self.group.given += 1;
                if !self.group.matched[place] {
                    let right = self.group.row(place, cx)?;
                    let nulls = std::iter::repeat_n(Value::Null, node.left_width);
                    let theirs = (0..node.right_width).map(|place| right.value(place).clone());
                    out.push(nulls.chain(theirs));
                }
            }
        }
        let has_more = self.next_group(node, cx)?;
        self.stage = match (self.left.is_at_row(cx)?, has_more) {
            (true, _) => Stage::Left,
            (false, true) => Stage::GroupEnds,
            (false, false) => Stage::Done,
        };
        Ok(())
    }

    /// Reads the next group; false if there is none. Rows with NULL in their key are groups of
    /// their own that nothing matches, where they are wanted, and else are left out.
    fn next_group(&mut self, node: &MergeJoin, cx: &mut Context<'_>) -> Result<bool> {
        self.group = Group::default();
        let key_of = |rows: &Rows| -> Vec<Value> {
            let row = rows.at();
            let key = node.keys.iter().map(|(_, theirs)| row.value(*theirs));
            key.cloned().collect()
        };
        let mut kept = Batch::new(node.right_width);
        while self.right.is_at_row(cx)? {
            let key = key_of(&self.right);
            let has_null = key.iter().any(Value::is_null);
            if has_null && !node.gives_right() {
                self.right.row += 1;
                continue;
            }
            if self.group.is_there {
                let is_same = key.iter().zip(&self.group.key);
                let mut is_same = is_same.map(|(one, other)| compare(one, other).is_eq());
                if has_null || !is_same.all(|is_same| is_same) {
                    break;
                }
            }
            let row = self.right.batch.take_row(self.right.row);
            self.right.row += 1;
            self.group.key = key;
            self.group.is_there = true;
            match self.group.rows.len() < ROWS_AT_HAND {
                true => self.group.rows.push(row),
                false => kept.push(row),
            }
            if kept.is_full() {
                let full = std::mem::replace(&mut kept, Batch::new(node.right_width));
                self.group.kept.push(full, cx)?;
            }
            if has_null {
                break;
            }
        }
        if !kept.is_empty() {
            self.group.kept.push(kept, cx)?;
        }
        if node.gives_right() {
            self.group.matched = vec![false; self.group.len()];
        }
        Ok(self.group.is_there)
    }
}

impl MergeJoin {
    /// Whether rows of the right without a partner come out.
    fn gives_right(&self) -> bool {
        matches!(self.kind, JoinKind::Right | JoinKind::Full)
    }
}

/// The order of two values that are not NULL; numbers of different widths are the same.
fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Int4(left), Value::Int4(right)) => left.cmp(right),
        (Value::Int8(left), Value::Int8(right)) => left.cmp(right),
        _ => widened(left.clone()).compare(&widened(right.clone())),
    }
}

impl Rows {
    fn new(node: &Arc<dyn Node>) -> Rows {
        Rows {
            run: node.clone().open(),
            batch: Batch::default(),
            row: 0,
            is_done: false,
        }
    }

    /// Whether there is a row; reads on if need be.
    fn is_at_row(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        while self.row == self.batch.rows() && !self.is_done {
            match self.run.next(cx)? {
                Some(batch) => (self.batch, self.row) = (batch, 0),
                None => self.is_done = true,
            }
        }
        Ok(self.row < self.batch.rows())
    }

    fn at(&self) -> super::batch::BatchRow<'_> {
        self.batch.row(self.row)
    }
}

/// A row of a group.
enum GroupRow<'g> {
    AtHand(&'g [Value]),
    Kept(Arc<Batch>, usize),
}

impl Row for GroupRow<'_> {
    fn value(&self, place: usize) -> &Value {
        match self {
            GroupRow::AtHand(row) => &row[place],
            GroupRow::Kept(batch, row) => &batch.column(place).values()[*row],
        }
    }
}

impl Group {
    fn len(&self) -> usize {
        self.rows.len() + self.kept.rows()
    }

    fn row(&mut self, place: usize, cx: &Context<'_>) -> Result<GroupRow<'_>> {
        if place < self.rows.len() {
            return Ok(GroupRow::AtHand(&self.rows[place]));
        }
        let place = place - self.rows.len();
        // All batches but the last one are full.
        let (number, row) = (
            place / super::batch::BATCH_ROWS,
            place % super::batch::BATCH_ROWS,
        );
        let batch = match &self.batch {
            Some((of, batch)) if *of == number => batch.clone(),
            _ => {
                let batch = self.kept.get(number, cx)?;
                let missing = || crate::error::Error::internal("a batch of a group is missing");
                self.batch
                    .insert((number, batch.ok_or_else(missing)?))
                    .1
                    .clone()
            }
        };
        Ok(GroupRow::Kept(batch, row))
    }
}
