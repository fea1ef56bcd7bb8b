//! INTERSECT and EXCEPT whose right side does not fit into memory.
//!
//! Both sides are put aside in shares by the hash of their rows; each share is worked on alone, and
//! what passes is sorted by the number of the left row, so that it comes as it does without a limit.

use std::sync::Arc;

use rustdb_types::Value;

use super::Operator;
use super::batch::Batch;
use super::context::Context;
use super::dedupe::by_number;
use super::set_operation::{Counts, ENTRY_BYTES, SetOperationNode};
use super::spill::{
    Aside, Charge, SHARE_DEPTH_MAX, Shares, Sorted, Sorter, Stream, row_bytes, share_count,
    share_of,
};
use crate::error::Result;

/// The rows that pass.
pub(super) struct SpilledSet {
    node: Arc<SetOperationNode>,
    charge: Charge,
    todo: Vec<Share>,
    sorted: Option<Sorted>,
}

/// Rows of both sides with the same hash: of the right each with its count before it, of the left
/// with its number.
struct Share {
    aside: Aside,
    right: Stream,
    left: Stream,
    depth: usize,
    can_shrink: bool,
}

impl SpilledSet {
    /// Shares out both sides; of the right some has been counted.
    pub(super) fn new(
        node: Arc<SetOperationNode>,
        counts: Counts,
        mut charge: Charge,
        right: &mut dyn Operator,
        left: &mut dyn Operator,
        cx: &mut Context<'_>,
    ) -> Result<SpilledSet> {
        let pool = charge.pool().clone();
        let count = share_count(&pool);
        let aside = Shares::file(count, &pool, cx)?;
        let mut shares = Shares::new(count, &aside);
        for (index, (row, number)) in counts.into_iter().enumerate() {
            if index % 1024 == 0 {
                cx.check_cancelled()?;
            }
            let number = Value::Int8(i64::try_from(number).unwrap_or(i64::MAX));
            shares.push(share_of(&row, 0, count), [&number].into_iter().chain(&*row))?;
        }
        charge.set(2 * count * aside.buffer_bytes());
        while let Some(batch) = right.next(cx)? {
            cx.check_cancelled()?;
            for row in 0..batch.rows() {
                let share = share_of(&node.key(&batch.take_row(row)), 0, count);
                shares.push_row(share, &[Value::Int8(1)], &batch, row)?;
            }
        }
        let mut others = Shares::new(count, &aside);
        let mut number = 0_i64;
        while let Some(batch) = left.next(cx)? {
            cx.check_cancelled()?;
            for row in 0..batch.rows() {
                number += 1;
                let share = share_of(&node.key(&batch.take_row(row)), 0, count);
                others.push_row(share, &[Value::Int8(number)], &batch, row)?;
            }
        }
        charge.set(0);
        let (right, left) = (shares.finish()?.1, others.finish()?.1);
        let todo = right.into_iter().zip(left).map(|(right, left)| Share {
            aside: aside.clone(),
            right,
            left,
            depth: 1,
            can_shrink: true,
        });
        Ok(SpilledSet {
            node,
            charge,
            todo: todo.collect(),
            sorted: None,
        })
    }

    /// The next rows of the left side that pass.
    pub(super) fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let sorted = match &mut self.sorted {
            Some(sorted) => sorted,
            None => {
                let sorted = self.sort(cx)?;
                self.sorted.insert(sorted)
            }
        };
        let mut batch = Batch::new(self.node.width);
        while !batch.is_full()
            && let Some(row) = sorted.next(cx)?
        {
            batch.push(row.into_iter().skip(1));
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn sort(&mut self, cx: &mut Context<'_>) -> Result<Sorted> {
        let mut sorter = by_number(self.node.width, self.charge.pool().charge());
        while let Some(share) = self.todo.pop() {
            cx.check_cancelled()?;
            if share.left.is_empty() {
                continue;
            }
            let is_large = share.right.memory_bytes() > self.charge.pool().share();
            if is_large && share.can_shrink && share.depth < SHARE_DEPTH_MAX {
                self.share_out(share, cx)?;
                continue;
            }
            self.pass(share, &mut sorter, cx)?;
        }
        sorter.finish(cx)
    }

    fn share_out(&mut self, share: Share, cx: &mut Context<'_>) -> Result<()> {
        let pool = self.charge.pool().clone();
        let count = share_count(&pool);
        let file = Shares::file(count, &pool, cx)?;
        self.charge.set(2 * count * file.buffer_bytes());
        let all = share.right.rows();
        let mut sides = Vec::with_capacity(2);
        for stream in [share.left, share.right] {
            let mut shares = Shares::new(count, &file);
            let mut reader = share.aside.reader(stream, 1 + self.node.width);
            let mut row = Vec::new();
            while reader.next_into(&mut row, cx)? {
                shares.push(
                    share_of(&self.node.key(&row[1..]), share.depth, count),
                    &row,
                )?;
            }
            sides.push(shares.finish()?.1);
        }
        let right = sides.pop().into_iter().flatten();
        let left = sides.pop().into_iter().flatten();
        self.todo.extend(right.zip(left).map(|(right, left)| Share {
            aside: file.clone(),
            can_shrink: right.rows() < all - all / 8,
            right,
            left,
            depth: share.depth + 1,
        }));
        self.charge.set(0);
        Ok(())
    }

    fn pass(&mut self, share: Share, sorter: &mut Sorter, cx: &mut Context<'_>) -> Result<()> {
        let width = 1 + self.node.width;
        let mut counts = Counts::default();
        let mut row = Vec::new();
        let mut right = share.aside.reader(share.right, width);
        while right.next_into(&mut row, cx)? {
            let number = row[0].as_integer().and_then(|it| u64::try_from(it).ok());
            let number = number.unwrap_or(1);
            let key = self.node.key(&row[1..]);
            match counts.get_mut(&*key) {
                Some(count) => *count += number,
                None => {
                    self.charge.add(row_bytes(&key) + ENTRY_BYTES);
                    counts.insert((*key).into(), number);
                }
            }
        }
        let mut left = share.aside.reader(share.left, width);
        while left.next_into(&mut row, cx)? {
            if self.node.passes(&mut counts, &row[1..]) {
                sorter.push(std::mem::take(&mut row), cx)?;
            }
        }
        self.charge.set(0);
        Ok(())
    }
}
