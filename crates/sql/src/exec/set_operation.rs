//! UNION, INTERSECT, EXCEPT by hashing.
//!
//! INTERSECT and EXCEPT count the rows of the right side, and let those of the left pass that are
//! among them, or are not; of equal rows that pass, the first goes on unless all do.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rustdb_types::Value;
use rustdb_types::interrupt::Held;

use super::batch::Batch;
use super::context::Context;
use super::dedupe::Dedupe;
use super::key::{RowKey, unpad};
use super::spill::{Charge, Spent, row_bytes};
use super::spilled_set::SpilledSet;
use super::{Node, Operator};
use crate::error::Result;
use crate::plan::SetKind;

/// A set operation on two inputs with the same columns.
#[derive(Debug)]
pub(super) struct SetOperationNode {
    pub(super) kind: SetKind,
    pub(super) all: bool,
    /// Which values are padded with blanks that do not count.
    pub(super) padded: Vec<usize>,
    pub(super) width: usize,
    pub(super) left: Arc<dyn Node>,
    pub(super) right: Arc<dyn Node>,
}

struct RunSetOperation {
    node: Arc<SetOperationNode>,
    left: Option<Box<dyn Operator>>,
    right: Option<Box<dyn Operator>>,
    /// The rows of the right; not for UNION.
    counted: Option<Counted>,
    /// Leaves out equal rows, unless all are wanted.
    dedupe: Option<Dedupe>,
}

/// How often each row of the right is still there.
enum Counted {
    Memory(
        Counts,
        #[expect(dead_code, reason = "counts as long as the counts are there")] Charge,
    ),
    Spilled(Box<SpilledSet>),
}

/// How often rows are there.
pub(super) type Counts = HashMap<RowKey, u64, RandomState>;

/// What a row takes among the counts, beside itself.
pub(super) const ENTRY_BYTES: usize = 48;

impl Node for SetOperationNode {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunSetOperation {
            left: Some(self.left.clone().open()),
            right: Some(self.right.clone().open()),
            counted: None,
            dedupe: (!self.all).then(|| Dedupe::new(None, self.padded.clone(), self.width)),
            node: self,
        })
    }
}

impl Operator for RunSetOperation {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if self.node.kind != SetKind::Union && self.counted.is_none() {
            self.counted = Some(self.count_right(cx)?);
        }
        while let Some(mut batch) = self.next_input(cx)? {
            cx.check_cancelled()?;
            if let Some(Counted::Memory(counts, _)) = &mut self.counted {
                let kept: Vec<usize> = (0..batch.rows())
                    .filter(|row| self.node.passes(counts, &batch.take_row(*row)))
                    .collect();
                batch.keep(&kept);
            }
            if let Some(dedupe) = &mut self.dedupe {
                dedupe.keep_new(&mut batch, cx)?;
            }
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
        match &mut self.dedupe {
            Some(dedupe) => dedupe.rest(cx),
            None => Ok(None),
        }
    }

    fn spent(&self) -> Option<Spent> {
        self.dedupe.as_ref().and_then(Dedupe::spent)
    }
}

impl SetOperationNode {
    /// What of a row is compared.
    pub(super) fn key<'a>(&self, row: &'a [Value]) -> Cow<'a, [Value]> {
        let mut key = Cow::Borrowed(row);
        if !self.padded.is_empty() {
            unpad(key.to_mut(), &self.padded);
        }
        key
    }

    /// Whether a row of the left passes.
    pub(super) fn passes(&self, counts: &mut Counts, row: &[Value]) -> bool {
        let count = counts.get_mut(&*self.key(row));
        match (self.kind, count) {
            (SetKind::Union, _) | (SetKind::Except, None) => true,
            (SetKind::Intersect, None) => false,
            (SetKind::Intersect, Some(count)) if self.all => {
                let found = *count > 0;
                *count = count.saturating_sub(1);
                found
            }
            (SetKind::Intersect, Some(_)) => true,
            (SetKind::Except, Some(count)) if self.all => {
                let gone = *count > 0;
                *count = count.saturating_sub(1);
                !gone
            }
            (SetKind::Except, Some(_)) => false,
        }
    }
}

impl RunSetOperation {
    fn count_right(&mut self, cx: &mut Context<'_>) -> Result<Counted> {
        let mut charge = cx.pool().charge();
        let Some(mut right) = self.right.take() else {
            return Ok(Counted::Memory(Counts::default(), charge));
        };
        let mut counts: Held<Counts> = Held::default();
        while let Some(batch) = right.next(cx)? {
            cx.check_cancelled()?;
            for row in 0..batch.rows() {
                let mut row = batch.take_row(row);
                unpad(&mut row, &self.node.padded);
                match counts.get_mut(&row[..]) {
                    Some(count) => *count += 1,
                    None => {
                        charge.hold(row_bytes(&row) + ENTRY_BYTES)?;
                        counts.insert(row.into(), 1);
                    }
                }
            }
            if charge.is_over()
                && let Some(left) = &mut self.left
            {
                let node = self.node.clone();
                let counts = counts.into_inner();
                let set = SpilledSet::new(node, counts, charge, &mut *right, &mut **left, cx)?;
                return Ok(Counted::Spilled(Box::new(set)));
            }
        }
        Ok(Counted::Memory(counts.into_inner(), charge))
    }

    fn next_input(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if let Some(Counted::Spilled(set)) = &mut self.counted {
            return set.next(cx);
        }
        for side in [&mut self.left, &mut self.right] {
            if let Some(input) = side {
                if let Some(batch) = input.next(cx)? {
                    return Ok(Some(batch));
                }
                *side = None;
            }
        }
        Ok(None)
    }
}
