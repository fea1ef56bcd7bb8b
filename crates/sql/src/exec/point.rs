//! One row, by its key or from values, without batches.
//!
//! Most statements of most programs are of this kind, and for one row the machinery of batches
//! costs more than the row.

use std::sync::Arc;

use rustdb_table::{Projection, RowKey, Table};
use rustdb_txn::TransactionManager;
use rustdb_types::{Operator, Parameter, Value};

use super::context::Context;
use super::evaluate::{all_true, evaluate, values};
use super::scan::check_seen;
use crate::error::Result;
use crate::expr::Expr;

/// A query for the row with a given key.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(super) table: Arc<Table>,
    /// The key's columns.
    pub(super) key: Vec<Expr>,
    pub(super) projection: Projection,
    /// Whether the row's key is a column too, before the others.
    pub(super) with_key: bool,
    /// What has to hold of the row besides, over the columns of the projection.
    pub(super) conditions: Vec<Expr>,
    /// What is given, over the same; `None` is the projection itself.
    pub(super) items: Option<Vec<Expr>>,
    /// Whether nothing in it can take long, or asks for more than its row.
    pub(super) is_brief: bool,
}

impl Point {
    /// The row, if there is one.
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<Option<Vec<Value>>> {
        let mut row = Vec::with_capacity(self.width());
        let is_there = self.append(&mut row, cx)?;
        Ok(is_there.then_some(row))
    }

    /// Appends the row to others, if there is one; whether there is.
    pub(super) fn append(&self, row: &mut Vec<Value>, cx: &mut Context<'_>) -> Result<bool> {
        check_seen(&self.table, cx)?;
        let Some(key) = self.row_key(cx)? else {
            return Ok(false);
        };
        self.append_at(&key, row, cx, |cx, key, row| {
            let transaction = cx.transaction()?;
            Ok(self.table.get(transaction, key, &self.projection, row)?)
        })
    }

    /// The newest committed row, if there is one.
    pub(crate) fn run_committed(
        &self,
        manager: &TransactionManager,
        cx: &mut Context<'_>,
    ) -> Result<Option<Vec<Value>>> {
        match self.row_key(cx)? {
            Some(key) => self.row_at(&key, cx, |_, key, row| {
                let projection = &self.projection;
                Ok(self.table.get_committed(manager, key, projection, row)?)
            }),
            None => Ok(None),
        }
    }

    /// The key that it looks for; there is no row under one with a NULL.
    pub(super) fn row_key(&self, cx: &mut Context<'_>) -> Result<Option<RowKey>> {
        let nothing: &[Value] = &[];
        // Most often, and then nothing is copied.
        if let [Expr::Parameter(index)] = &self.key[..]
            && let Some(value) = cx.parameters.get(*index)
            && !value.is_null()
        {
            return Ok(Some(self.table.row_key(std::slice::from_ref(value))?));
        }
        if let [only] = &self.key[..] {
            let value = evaluate(only, nothing, cx)?;
            return match value.is_null() {
                true => Ok(None),
                false => Ok(Some(self.table.row_key(std::slice::from_ref(&*value))?)),
            };
        }
        let key = values(&self.key, nothing, cx)?;
        match key.iter().any(Value::is_null) {
            true => Ok(None),
            false => Ok(Some(self.table.row_key(&key)?)),
        }
    }

    /// What it gives of the row under a key, which `read` reads.
    pub(super) fn row_at(
        &self,
        key: &[u8],
        cx: &mut Context<'_>,
        read: impl FnOnce(&Context<'_>, &[u8], &mut Vec<Value>) -> Result<bool>,
    ) -> Result<Option<Vec<Value>>> {
        let mut row = Vec::with_capacity(self.width());
        let is_there = self.append_at(key, &mut row, cx, read)?;
        Ok(is_there.then_some(row))
    }

    /// The same, behind other values; whether there is such a row. If not, nothing is there of it.
    fn append_at(
        &self,
        key: &[u8],
        row: &mut Vec<Value>,
        cx: &mut Context<'_>,
        read: impl FnOnce(&Context<'_>, &[u8], &mut Vec<Value>) -> Result<bool>,
    ) -> Result<bool> {
        let start = row.len();
        if self.with_key {
            row.push(Value::Bytea(Arc::from(key)));
        }
        if !read(cx, key, row)? || !all_true(&self.conditions, &row[start..], cx)? {
            row.truncate(start);
            return Ok(false);
        }
        if let Some(items) = &self.items {
            let given = values(items, &row[start..], cx)?;
            row.truncate(start);
            row.extend(given);
        }
        Ok(true)
    }

    /// Whether nothing in it can take long, or asks for more than its row.
    pub(crate) fn is_brief(&self) -> bool {
        self.is_brief
    }

    /// All its expressions.
    fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let items = self.items.iter().flatten();
        self.key.iter().chain(&self.conditions).chain(items)
    }

    /// Whether it gives the row's key and all columns of the table, in their order.
    pub(super) fn is_whole(&self) -> bool {
        let all = 0..self.table.layout().len();
        let is_all = match &self.projection {
            Projection::All => true,
            Projection::Columns(places) => places.iter().copied().eq(all),
        };
        self.with_key && self.items.is_none() && is_all
    }

    fn width(&self) -> usize {
        let columns = match &self.projection {
            Projection::All => self.table.layout().len(),
            Projection::Columns(places) => places.len(),
        };
        columns + usize::from(self.with_key)
    }
}

/// Whether there is no more to expressions than parameters, columns, constants and operators: nothing
/// that asks for the time, the session or the transaction.
pub(super) fn are_plain<'e>(mut exprs: impl Iterator<Item = &'e Expr>) -> bool {
    exprs.all(|expr| {
        let mut is_plain = true;
        expr.walk(&mut |part| {
            is_plain &= matches!(
                part,
                Expr::Constant(_)
                    | Expr::Input(_)
                    | Expr::Parameter(_)
                    | Expr::Operator(_)
                    | Expr::And(_)
                    | Expr::Or(_)
                    | Expr::Not(_)
                    | Expr::IsNull(_)
                    | Expr::Is(..)
            );
        });
        is_plain
    })
}

/// Whether expressions are plain, and none takes longer than to look at the values of a row: what has
/// texts, numbers of any length and the like before it compares them at most.
pub(super) fn are_brief<'e>(mut exprs: impl Iterator<Item = &'e Expr>) -> bool {
    exprs.all(|expr| {
        let mut is_brief = are_plain(std::iter::once(expr));
        expr.walk(&mut |part| {
            if let Expr::Operator(call) = part {
                is_brief &= is_brief_operator(call.operator);
            }
        });
        is_brief
    })
}

fn is_brief_operator(operator: &Operator) -> bool {
    let is_comparison = matches!(operator.name, "=" | "<>" | "<" | "<=" | ">" | ">=");
    let is_fixed = |of: &Parameter| matches!(of, Parameter::Of(of) if of.is_fixed());
    is_comparison || operator.left.iter().chain([&operator.right]).all(is_fixed)
}

/// The one row that a statement gives or writes, where there is no more to it.
#[derive(Clone, Debug)]
pub(super) enum OneRow {
    /// By its key; whether its expressions are plain.
    Point(Arc<Point>, bool),
    /// From values: the first are computed from nothing, those of each next stage from the last.
    Values(Arc<[Vec<Expr>]>),
}

impl OneRow {
    pub(super) fn point(mut point: Point) -> OneRow {
        let is_plain = are_plain(point.exprs());
        point.is_brief = are_brief(point.exprs());
        OneRow::Point(Arc::new(point), is_plain)
    }

    /// The row of a table that is found without a transaction, if it is that.
    pub(super) fn committed_point(&self) -> Option<&Point> {
        match self {
            OneRow::Point(point, true) => Some(point),
            _ => None,
        }
    }

    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<Option<Vec<Value>>> {
        match self {
            OneRow::Point(point, _) => point.run(cx),
            OneRow::Values(stages) => {
                let mut row = Vec::new();
                for stage in stages.iter() {
                    row = values(stage, &row[..], cx)?;
                }
                Ok(Some(row))
            }
        }
    }

    /// Appends the row to others, if there is one.
    pub(super) fn append(&self, out: &mut Vec<Value>, cx: &mut Context<'_>) -> Result<bool> {
        if let OneRow::Values(stages) = self
            && let [only] = &stages[..]
        {
            let nothing: &[Value] = &[];
            for item in only {
                out.push(evaluate(item, nothing, cx)?.into_owned());
            }
            return Ok(true);
        }
        let row = self.run(cx)?;
        let is_there = row.is_some();
        out.extend(row.into_iter().flatten());
        Ok(is_there)
    }
}
