//! UNION, INTERSECT, EXCEPT by hashing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rustdb_types::Value;

use super::batch::Batch;
use super::context::Context;
use super::key::RowKey;
use super::{Node, Operator};
use crate::error::Result;
use crate::plan::SetKind;

/// A set operation on two inputs with the same columns.
#[derive(Debug)]
pub(super) struct SetOperationNode {
    pub(super) kind: SetKind,
    pub(super) all: bool,
    pub(super) left: Arc<dyn Node>,
    pub(super) right: Arc<dyn Node>,
}

struct RunSetOperation {
    node: Arc<SetOperationNode>,
    left: Option<Box<dyn Operator>>,
    right: Option<Box<dyn Operator>>,
    /// How often each row of the right is still there; not for UNION.
    counts: Option<HashMap<RowKey, u64>>,
    /// The rows that were given out, unless all are.
    seen: HashSet<RowKey>,
}

impl Node for SetOperationNode {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunSetOperation {
            left: Some(self.left.clone().open()),
            right: Some(self.right.clone().open()),
            node: self,
            counts: None,
            seen: HashSet::new(),
        })
    }
}

impl Operator for RunSetOperation {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if self.node.kind != SetKind::Union && self.counts.is_none() {
            self.counts = Some(self.count_right(cx)?);
        }
        while let Some(mut batch) = self.next_input(cx)? {
            let kept: Vec<usize> = (0..batch.rows())
                .filter(|row| self.keeps(batch.take_row(*row)))
                .collect();
            batch.keep(&kept);
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

impl RunSetOperation {
    fn count_right(&mut self, cx: &mut Context<'_>) -> Result<HashMap<RowKey, u64>> {
        let mut counts = HashMap::new();
        if let Some(mut right) = self.right.take() {
            while let Some(batch) = right.next(cx)? {
                for row in 0..batch.rows() {
                    *counts.entry(batch.take_row(row).into()).or_insert(0) += 1;
                }
            }
        }
        Ok(counts)
    }

    fn next_input(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
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

    fn keeps(&mut self, row: Vec<Value>) -> bool {
        let key: RowKey = row.into();
        let count = self.counts.as_mut().and_then(|counts| counts.get_mut(&key));
        let all = self.node.all;
        match (self.node.kind, count) {
            (SetKind::Union, _) => all || self.seen.insert(key),
            (SetKind::Intersect, None) => false,
            (SetKind::Intersect, Some(count)) if all => {
                let found = *count > 0;
                *count = count.saturating_sub(1);
                found
            }
            (SetKind::Intersect, Some(_)) => self.seen.insert(key),
            (SetKind::Except, None) => all || self.seen.insert(key),
            (SetKind::Except, Some(count)) if all => {
                let gone = *count > 0;
                *count = count.saturating_sub(1);
                !gone
            }
            (SetKind::Except, Some(_)) => false,
        }
    }
}
