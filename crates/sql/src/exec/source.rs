//! The rows that a statement writes: all of them are read before the first one is written.

use std::sync::Arc;

use rustdb_types::{Value, interrupt};

use super::batch::Batch;
use super::context::Context;
use super::spill::Kept;
use super::{Node, Operator};
use crate::error::Result;

/// Rows that were read. Few are at hand; of many the rest is kept, in a file if need be.
pub(super) struct SourceRows {
    first: std::vec::IntoIter<Vec<Value>>,
    kept: Kept,
    batch: Option<Arc<Batch>>,
    next_batch: usize,
    next_row: usize,
}

impl SourceRows {
    /// Rows that are there.
    pub(super) fn of(rows: Vec<Vec<Value>>) -> SourceRows {
        SourceRows {
            first: rows.into_iter(),
            kept: Kept::default(),
            batch: None,
            next_batch: 0,
            next_row: 0,
        }
    }

    /// Whether there is no more than one, before the first was given.
    pub(super) fn is_alone(&self) -> bool {
        self.first.len() < 2 && self.kept.is_empty()
    }

    /// Reads all rows.
    pub(super) fn read(node: &Arc<dyn Node>, cx: &mut Context<'_>) -> Result<SourceRows> {
        let mut run = node.clone().open();
        let mut rows = SourceRows::of(Vec::new());
        match rows.read_all(&mut *run, cx) {
            Ok(()) => Ok(rows),
            Err(error) => {
                interrupt::leave((run, rows));
                Err(error)
            }
        }
    }

    fn read_all(&mut self, run: &mut dyn Operator, cx: &mut Context<'_>) -> Result<()> {
        if let Some(batch) = run.next(cx)? {
            self.first = batch.into_rows().into_iter();
        }
        while let Some(batch) = run.next(cx)? {
            cx.check_cancelled()?;
            self.kept.push(batch, cx)?;
        }
        Ok(())
    }

    /// The next row.
    pub(super) fn next(&mut self, cx: &Context<'_>) -> Result<Option<Vec<Value>>> {
        if let Some(row) = self.first.next() {
            return Ok(Some(row));
        }
        loop {
            if let Some(batch) = &self.batch
                && self.next_row < batch.rows()
            {
                self.next_row += 1;
                return Ok(Some(batch.take_row(self.next_row - 1)));
            }
            self.batch = self.kept.get(self.next_batch, cx)?;
            if self.batch.is_none() {
                return Ok(None);
            }
            self.next_batch += 1;
            self.next_row = 0;
        }
    }
}
