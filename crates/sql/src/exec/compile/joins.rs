//! Joins made ready to run.

use std::sync::Arc;

use super::super::Node;
use super::super::hash_join::{self, HashJoin};
use super::super::join::NestedLoop;
use super::super::look_ups::Below;
use super::super::marked_join::MarkedJoin;
use super::super::merge_join::MergeJoin;
use super::super::point::Point;
use super::{Compiled, Compiler, Outer, places};
use crate::error::Result;
use crate::expr::{ColumnId, Expr};
use crate::plan::{Join, JoinKind, JoinMethod, free_columns, is_merged};

/// What the right side of a join takes of the left row, and how it can be run then.
#[derive(Default)]
struct Passed {
    passed: Vec<(usize, usize)>,
    point: Option<Point>,
    below: Below,
}

impl Compiler<'_> {
    pub(super) fn join(&mut self, join: &Join, outer: &Outer) -> Result<Compiled> {
        let left = self.plan(&join.left, outer)?;
        let taken = free_columns(&join.right);
        let mut inner = outer.clone();
        let mut passed = Vec::new();
        for (place, column) in left.columns.iter().enumerate() {
            if taken.contains(column) {
                inner.insert(*column, self.outer);
                passed.push((place, self.outer));
                self.outer += 1;
            }
        }
        let right = self.plan_for(&join.right, &inner, false)?;
        let point = match passed.is_empty() || self.measures.is_some() {
            true => None,
            false => self.point(&join.right, &right.columns, &inner)?,
        };
        let first = match passed.is_empty() || self.measures.is_some() {
            true => None,
            false => self.point(&join.left, &left.columns, outer)?,
        };
        let below = Below::of(&left.node, first);
        let mut pair = left.columns.clone();
        pair.extend(&right.columns);
        let columns = match join.kind {
            JoinKind::Semi | JoinKind::Anti => left.columns.clone(),
            _ => pair.clone(),
        };
        let node: Arc<dyn Node> = match passed.is_empty() {
            true if join.method == JoinMethod::Merge => {
                self.merge_join(join, &left, &right, &pair, outer)?
            }
            true => {
                let split = hash_join::split(join, &left.columns, &right.columns);
                match split.keys.is_empty() || join.method == JoinMethod::Nested {
                    true => {
                        self.nested_loop(join, &left, &right, &pair, Passed::default(), outer)?
                    }
                    false => self.hash_join(join, split, left, right, &pair, outer)?,
                }
            }
            false => {
                let passed = Passed {
                    passed,
                    point,
                    below,
                };
                self.nested_loop(join, &left, &right, &pair, passed, outer)?
            }
        };
        Ok(Compiled { node, columns })
    }

    fn hash_join(
        &mut self,
        join: &Join,
        split: hash_join::Split,
        left: Compiled,
        right: Compiled,
        pair: &[ColumnId],
        outer: &Outer,
    ) -> Result<Arc<dyn Node>> {
        let (left_keys, right_keys): (Vec<_>, Vec<_>) = split.keys.into_iter().unzip();
        let is_marked = join.method == JoinMethod::Marked;
        let join = Arc::new(HashJoin {
            kind: join.kind,
            left_keys: self.all(&left_keys, &left.columns, outer)?,
            right_keys: self.all(&right_keys, &right.columns, outer)?,
            rest: self.all(&split.rest, pair, outer)?,
            left_width: left.columns.len(),
            right_width: right.columns.len(),
            left: match join.kind {
                // What had no partner is known at the end only, so that no worker can join.
                JoinKind::Right | JoinKind::Full => {
                    self.gathered_if_drained(&join.left, left.node, outer)
                }
                _ if is_marked => self.gathered(&join.left, left.node, outer),
                _ => left.node,
            },
            right: self.gathered(&join.right, right.node, outer),
            keeps_order: join.keeps_order,
        });
        Ok(match is_marked {
            true => Arc::new(MarkedJoin { join }),
            false => join,
        })
    }

    fn merge_join(
        &mut self,
        join: &Join,
        left: &Compiled,
        right: &Compiled,
        pair: &[ColumnId],
        outer: &Outer,
    ) -> Result<Arc<dyn Node>> {
        let (mine, theirs): (Vec<ColumnId>, Vec<ColumnId>) = join.merged.iter().copied().unzip();
        let mine = places(&mine, &left.columns)?;
        let theirs = places(&theirs, &right.columns)?;
        let rest = join.conditions.iter();
        let rest = rest.filter(|condition| !is_merged(condition, &join.merged));
        let rest: Vec<Expr> = rest.cloned().collect();
        Ok(Arc::new(MergeJoin {
            kind: join.kind,
            keys: mine.into_iter().zip(theirs).collect(),
            rest: self.all(&rest, pair, outer)?,
            left_width: left.columns.len(),
            right_width: right.columns.len(),
            left: left.node.clone(),
            right: right.node.clone(),
        }))
    }

    fn nested_loop(
        &mut self,
        join: &Join,
        left: &Compiled,
        right: &Compiled,
        pair: &[ColumnId],
        passed: Passed,
        outer: &Outer,
    ) -> Result<Arc<dyn Node>> {
        let Passed {
            passed,
            point,
            below,
        } = passed;
        Ok(Arc::new(NestedLoop {
            kind: join.kind,
            conditions: self.all(&join.conditions, pair, outer)?,
            passed,
            point,
            left_width: left.columns.len(),
            right_width: right.columns.len(),
            left: left.node.clone(),
            right: right.node.clone(),
            below,
        }))
    }
}
