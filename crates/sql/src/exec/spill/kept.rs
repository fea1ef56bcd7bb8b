//! Batches that are read again: of a named query, or the inner side of a nested loop.
//!
//! The first ones stay in memory, as far as there is any; the others go to a file, and are read
//! from there each time.

use std::sync::Arc;

use rustdb_txn::SpillPlace;
use rustdb_types::Value;

use super::super::batch::{Batch, Row};
use super::super::context::Context;
use super::pool::Charge;
use super::stream::Aside;
use crate::error::Result;

/// Batches in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    stored: Vec<Stored>,
    rows: usize,
    charge: Option<Charge>,
    aside: Option<Aside>,
}

#[derive(Debug)]
enum Stored {
    Memory(Arc<Batch>),
    /// Its place, and how many columns and rows it has.
    Aside(SpillPlace, usize, usize),
}

impl Kept {
    /// Adds a batch.
    pub(in crate::exec) fn push(&mut self, mut batch: Batch, cx: &mut Context<'_>) -> Result<()> {
        // Rows are asked for one by one, and more than once.
        batch.spread_all();
        let bytes = batch.bytes();
        let charge = match &mut self.charge {
            Some(charge) => charge,
            None => self.charge.insert(cx.pool().charge()),
        };
        self.rows += batch.rows();
        charge.add(bytes);
        if !charge.is_over() {
            charge.check()?;
            self.stored.push(Stored::Memory(Arc::new(batch)));
            return Ok(());
        }
        charge.set(charge.bytes() - bytes);
        let aside = match &self.aside {
            Some(aside) => aside,
            None => self.aside.insert(Aside::new(1, 0, cx)?),
        };
        let (width, rows) = (batch.width(), batch.rows());
        let mut packed = Vec::new();
        for row in 0..rows {
            let row = batch.row(row);
            (0..width).for_each(|place| row.value(place).pack(&mut packed));
        }
        let place = aside.put(&packed)?;
        self.stored.push(Stored::Aside(place, width, rows));
        Ok(())
    }

    /// How many batches there are.
    pub(in crate::exec) fn len(&self) -> usize {
        self.stored.len()
    }

    pub(in crate::exec) fn is_empty(&self) -> bool {
        self.stored.is_empty()
    }

    /// How many rows there are.
    pub(in crate::exec) fn rows(&self) -> usize {
        self.rows
    }

    /// A batch; `None` behind the last one.
    pub(in crate::exec) fn get(
        &self,
        index: usize,
        cx: &Context<'_>,
    ) -> Result<Option<Arc<Batch>>> {
        let (place, width, rows) = match self.stored.get(index) {
            None => return Ok(None),
            Some(Stored::Memory(batch)) => return Ok(Some(batch.clone())),
            Some(Stored::Aside(place, width, rows)) => (*place, *width, *rows),
        };
        cx.check_cancelled()?;
        let mut packed = Vec::new();
        if let Some(aside) = &self.aside {
            aside.get(place, &mut packed)?;
        }
        let mut rest = &packed[..];
        let mut columns: Vec<Vec<Value>> = Vec::with_capacity(width);
        columns.resize_with(width, || Vec::with_capacity(rows));
        for _ in 0..rows {
            for column in &mut columns {
                column.push(Value::unpack(&mut rest)?);
            }
        }
        Ok(Some(Arc::new(Batch::of_values(columns, rows))))
    }
}
