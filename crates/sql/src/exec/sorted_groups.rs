//! Groups whose rows come one after the other: all but the last one are complete.
//!
//! So no more groups are held than a batch of rows begins, however many there are, and the first ones
//! are given before the last rows are read.

use std::sync::Arc;

use super::aggregate::{AggregateNode, Source, finish_all, group_batch};
use super::batch::Batch;
use super::context::Context;
use super::groups::{Groups, GroupsIter};
use super::parallel::Given;
use crate::error::Result;

/// The groups of rows that come in their order.
pub(super) struct SortedGroups {
    /// Where rows come from, until there are no more.
    source: Option<Source>,
    /// The group that the next row may belong to.
    open: Groups,
    complete: GroupsIter,
}

impl SortedGroups {
    pub(super) fn new(node: &Arc<AggregateNode>, cx: &mut Context<'_>) -> Result<SortedGroups> {
        Ok(SortedGroups {
            source: Some(node.source(cx)?),
            open: Groups::new(node),
            complete: Groups::new(node).into_groups(),
        })
    }

    /// The next groups; `None` if there are no more.
    pub(super) fn next(
        &mut self,
        node: &AggregateNode,
        cx: &mut Context<'_>,
    ) -> Result<Option<Batch>> {
        let mut batch = Batch::new(node.width());
        loop {
            finish_all(node, &mut self.complete, &mut batch, cx)?;
            let Some(source) = self.source.as_mut().filter(|_| !batch.is_full()) else {
                return Ok((!batch.is_empty()).then_some(batch));
            };
            match source.next(cx)? {
                Some(Given::Rows(rows)) => group_batch(node, &rows, &mut self.open, cx)?,
                Some(Given::Groups(groups)) => self.open.merge(*groups)?,
                None => {
                    self.source = None;
                    let last = std::mem::replace(&mut self.open, Groups::new(node));
                    self.complete = last.into_groups();
                    continue;
                }
            }
            self.complete = self.open.take_complete();
        }
    }
}
