//! One row by its key, without batches.
//!
//! Most statements of most programs are of this kind, and for one row the machinery of batches
//! costs more than the row.

use std::sync::Arc;

use rustdb_table::{Projection, Table};
use rustdb_types::Value;

use super::context::Context;
use super::evaluate::{all_true, values};
use crate::error::Result;
use crate::expr::Expr;

/// A query for the row with a given key.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) table: Arc<Table>,
    /// The key's columns.
    pub(super) key: Vec<Expr>,
    pub(super) projection: Projection,
    /// What has to hold of the row besides, over the columns of the projection.
    pub(super) conditions: Vec<Expr>,
    /// What is given, over the same; `None` is the projection itself.
    pub(super) items: Option<Vec<Expr>>,
}

impl Point {
    /// The row, if there is one.
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<Option<Vec<Value>>> {
        let nothing: &[Value] = &[];
        let key = values(&self.key, nothing, cx)?;
        if key.iter().any(Value::is_null) {
            return Ok(None);
        }
        let key = self.table.row_key(&key)?;
        let mut row = Vec::new();
        let transaction = cx.transaction()?;
        if !self
            .table
            .get(transaction, &key, &self.projection, &mut row)?
        {
            return Ok(None);
        }
        if !all_true(&self.conditions, &row[..], cx)? {
            return Ok(None);
        }
        match &self.items {
            None => Ok(Some(row)),
            Some(items) => Ok(Some(values(items, &row[..], cx)?)),
        }
    }
}
