//! Nested loops: the join that does any condition.
//!
//! The right side is read once and kept, unless it depends on the row of the left: then it is run
//! again for each.

use std::sync::Arc;

use rustdb_types::Value;

use super::batch::{Batch, Pair};
use super::context::Context;
use super::evaluate::all_true;
use super::{Node, Operator};
use crate::error::Result;
use crate::expr::Expr;
use crate::plan::JoinKind;

/// A join by nested loops.
#[derive(Debug)]
pub(super) struct NestedLoop {
    pub(super) kind: JoinKind,
    pub(super) conditions: Vec<Expr>,
    /// Which values of the left row the right side takes: from which place, and where to.
    pub(super) passed: Vec<(usize, usize)>,
    pub(super) left_width: usize,
    pub(super) right_width: usize,
    pub(super) left: Arc<dyn Node>,
    pub(super) right: Arc<dyn Node>,
}

struct RunNestedLoop {
    node: Arc<NestedLoop>,
    left: Box<dyn Operator>,
    batch: Batch,
    row: usize,
    /// The right side, if it is the same for all rows of the left.
    kept: Option<Vec<Vec<Value>>>,
    /// Rows of `kept` that had a partner.
    matched: Vec<bool>,
    is_done: bool,
}

impl Node for NestedLoop {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunNestedLoop {
            left: self.left.clone().open(),
            node: self,
            batch: Batch::default(),
            row: 0,
            kept: None,
            matched: Vec::new(),
            is_done: false,
        })
    }
}

/// What becomes of a left row and the partners it has.
pub(super) fn emit(
    kind: JoinKind,
    left: &[Value],
    right_width: usize,
    partners: Vec<Vec<Value>>,
    out: &mut Batch,
) {
    match (kind, partners.is_empty()) {
        (JoinKind::Semi, false) | (JoinKind::Anti, true) => out.push(left.to_vec()),
        (JoinKind::Semi, true) | (JoinKind::Anti, false) => (),
        (JoinKind::Left | JoinKind::Full, true) => {
            let nulls = std::iter::repeat_n(Value::Null, right_width);
            out.push(left.iter().cloned().chain(nulls));
        }
        _ => {
            for partner in partners {
                out.push(left.iter().cloned().chain(partner));
            }
        }
    }
}

/// How many columns come out.
pub(super) fn width(kind: JoinKind, left: usize, right: usize) -> usize {
    match kind {
        JoinKind::Semi | JoinKind::Anti => left,
        _ => left + right,
    }
}

/// The rows of the right side that had no partner, with NULL for the left's columns.
pub(super) fn unmatched<'a>(
    left_width: usize,
    rows: impl Iterator<Item = (&'a Vec<Value>, bool)>,
    out: &mut Batch,
) {
    for (row, is_matched) in rows {
        if !is_matched {
            let nulls = std::iter::repeat_n(Value::Null, left_width);
            out.push(nulls.chain(row.iter().cloned()));
        }
    }
}

impl Operator for RunNestedLoop {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if self.is_done {
            return Ok(None);
        }
        let node = self.node.clone();
        if node.passed.is_empty() && self.kept.is_none() {
            let rows = read_all(&node.right, cx)?;
            self.matched = vec![false; rows.len()];
            self.kept = Some(rows);
        }
        let mut out = Batch::new(width(node.kind, node.left_width, node.right_width));
        while !out.is_full() {
            cx.check_cancelled()?;
            if self.row == self.batch.rows() {
                match self.left.next(cx)? {
                    Some(batch) => (self.batch, self.row) = (batch, 0),
                    None => {
                        self.is_done = true;
                        if matches!(node.kind, JoinKind::Right | JoinKind::Full) {
                            let rows = self.kept.iter().flatten();
                            let rows = rows.zip(self.matched.iter().copied());
                            unmatched(node.left_width, rows, &mut out);
                        }
                        break;
                    }
                }
            }
            let left = self.batch.take_row(self.row);
            self.row += 1;
            let partners = self.partners(&left, cx)?;
            emit(node.kind, &left, node.right_width, partners, &mut out);
        }
        Ok((!out.is_empty()).then_some(out))
    }
}

impl RunNestedLoop {
    fn partners(&mut self, left: &[Value], cx: &mut Context<'_>) -> Result<Vec<Vec<Value>>> {
        let node = self.node.clone();
        let first_only = matches!(node.kind, JoinKind::Semi | JoinKind::Anti);
        let mut partners = Vec::new();
        let holds = |right: &[Value], cx: &mut Context<'_>| {
            let pair = Pair {
                left,
                width: node.left_width,
                right,
            };
            all_true(&node.conditions, &pair, cx)
        };
        if let Some(kept) = &self.kept {
            for (index, right) in kept.iter().enumerate() {
                if holds(right, cx)? {
                    self.matched[index] = true;
                    partners.push(right.clone());
                    if first_only {
                        break;
                    }
                }
            }
            return Ok(partners);
        }
        for (from, to) in &node.passed {
            cx.memory.outer[*to] = left[*from].clone();
        }
        let mut right = node.right.clone().open();
        'all: while let Some(batch) = right.next(cx)? {
            for row in 0..batch.rows() {
                let row = batch.take_row(row);
                if holds(&row, cx)? {
                    partners.push(row);
                    if first_only {
                        break 'all;
                    }
                }
            }
        }
        Ok(partners)
    }
}

/// All rows of a node.
pub(super) fn read_all(node: &Arc<dyn Node>, cx: &mut Context<'_>) -> Result<Vec<Vec<Value>>> {
    let mut run = node.clone().open();
    let mut rows = Vec::new();
    while let Some(batch) = run.next(cx)? {
        rows.extend((0..batch.rows()).map(|row| batch.take_row(row)));
    }
    Ok(rows)
}
