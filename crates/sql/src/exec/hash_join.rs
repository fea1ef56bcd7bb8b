//! Joins by equal values, with a hash table of the right side.

use std::collections::HashMap;
use std::sync::Arc;

use rustdb_types::{Base, Operator as TypeOperator, Type, Value};

use super::batch::{Batch, Pair, Row};
use super::context::Context;
use super::evaluate::{all_true, evaluate};
use super::join::{emit, read_all, unmatched, width};
use super::key::{RowKey, widened};
use super::{Node, Operator};
use crate::error::Result;
use crate::expr::{ColumnId, Expr};
use crate::plan::{Join, JoinKind, free_columns_of};

/// A join by hashing.
#[derive(Debug)]
pub(super) struct HashJoin {
    pub(super) kind: JoinKind,
    pub(super) left_keys: Vec<Expr>,
    pub(super) right_keys: Vec<Expr>,
    /// What has to hold besides.
    pub(super) rest: Vec<Expr>,
    pub(super) left_width: usize,
    pub(super) right_width: usize,
    pub(super) left: Arc<dyn Node>,
    pub(super) right: Arc<dyn Node>,
}

/// A join's conditions, apart.
#[derive(Debug, Default)]
pub(super) struct Split {
    /// Pairs of what has to be equal: of the left, of the right.
    pub(super) keys: Vec<(Expr, Expr)>,
    /// The others.
    pub(super) rest: Vec<Expr>,
}

/// Finds the conditions that say that something of the left equals something of the right.
pub(super) fn split(join: &Join, left: &[ColumnId], right: &[ColumnId]) -> Split {
    let within = |expr: &Expr, columns: &[ColumnId]| {
        let used = free_columns_of(expr);
        !used.is_empty() && used.iter().all(|column| columns.contains(column))
    };
    let mut split = Split::default();
    for condition in &join.conditions {
        if let Expr::Operator(call) = condition
            && is_hashable(call.operator)
            && let Some(first) = &call.left
        {
            let second = &call.right;
            if within(first, left) && within(second, right) {
                split.keys.push((first.clone(), second.clone()));
                continue;
            }
            if within(second, left) && within(first, right) {
                split.keys.push((second.clone(), first.clone()));
                continue;
            }
        }
        split.rest.push(condition.clone());
    }
    split
}

/// Whether `=` of these types is what [`widened`] values' equality says.
fn is_hashable(operator: &TypeOperator) -> bool {
    if operator.name != "=" {
        return false;
    }
    let left = operator.left.as_ref().and_then(|left| left.concrete());
    let (Some(left), Some(right)) = (left, operator.right.concrete()) else {
        return false;
    };
    let is_padded = |of: &Type| of.base() == Some(Base::Bpchar);
    let is_integer = |of: &Type| matches!(of.base(), Some(Base::Int2 | Base::Int4 | Base::Int8));
    let is_float = |of: &Type| matches!(of.base(), Some(Base::Float4 | Base::Float8));
    !is_padded(left)
        && (left == right
            || is_integer(left) && is_integer(right)
            || is_float(left) && is_float(right))
}

struct RunHashJoin {
    node: Arc<HashJoin>,
    left: Box<dyn Operator>,
    table: Option<Table>,
    is_done: bool,
}

/// The right side.
struct Table {
    rows: Vec<Vec<Value>>,
    by_key: HashMap<RowKey, Vec<u32>>,
    matched: Vec<bool>,
}

impl Node for HashJoin {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunHashJoin {
            left: self.left.clone().open(),
            node: self,
            table: None,
            is_done: false,
        })
    }
}

impl Operator for RunHashJoin {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if self.is_done {
            return Ok(None);
        }
        let node = self.node.clone();
        let table = match &mut self.table {
            Some(table) => table,
            None => self.table.insert(build(&node, cx)?),
        };
        loop {
            cx.check_cancelled()?;
            let mut out = Batch::new(width(node.kind, node.left_width, node.right_width));
            match self.left.next(cx)? {
                Some(batch) => {
                    for row in 0..batch.rows() {
                        let left = batch.take_row(row);
                        let partners = partners(&node, table, &left, cx)?;
                        emit(node.kind, &left, node.right_width, partners, &mut out);
                    }
                }
                None => {
                    self.is_done = true;
                    if matches!(node.kind, JoinKind::Right | JoinKind::Full) {
                        let rows = table.rows.iter().zip(table.matched.iter().copied());
                        unmatched(node.left_width, rows, &mut out);
                    }
                    return Ok((!out.is_empty()).then_some(out));
                }
            }
            if !out.is_empty() {
                return Ok(Some(out));
            }
        }
    }
}

fn build(node: &HashJoin, cx: &mut Context<'_>) -> Result<Table> {
    let rows = read_all(&node.right, cx)?;
    let mut by_key: HashMap<RowKey, Vec<u32>> = HashMap::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        if let Some(key) = key(&node.right_keys, &row[..], cx)? {
            let index = u32::try_from(index).map_err(|_| {
                crate::error::Error::new(
                    crate::error::SqlState::PROGRAM_LIMIT_EXCEEDED,
                    "a join has more than four billion rows on one side",
                )
            })?;
            by_key.entry(key).or_default().push(index);
        }
    }
    Ok(Table {
        matched: vec![false; rows.len()],
        rows,
        by_key,
    })
}

/// The key of a row; `None` if a part is NULL, which equals nothing.
fn key<R: Row + ?Sized>(keys: &[Expr], row: &R, cx: &mut Context<'_>) -> Result<Option<RowKey>> {
    let mut values = Vec::with_capacity(keys.len());
    for key in keys {
        let value = evaluate(key, row, cx)?;
        if value.is_null() {
            return Ok(None);
        }
        values.push(widened(value.into_owned()));
    }
    Ok(Some(values.into()))
}

fn partners(
    node: &HashJoin,
    table: &mut Table,
    left: &[Value],
    cx: &mut Context<'_>,
) -> Result<Vec<Vec<Value>>> {
    let mut partners = Vec::new();
    let Some(key) = key(&node.left_keys, left, cx)? else {
        return Ok(partners);
    };
    let Some(indexes) = table.by_key.get(&key) else {
        return Ok(partners);
    };
    for index in indexes {
        let right = &table.rows[*index as usize];
        let pair = Pair {
            left,
            width: node.left_width,
            right: &right[..],
        };
        if all_true(&node.rest, &pair, cx)? {
            table.matched[*index as usize] = true;
            partners.push(right.clone());
            if matches!(node.kind, JoinKind::Semi | JoinKind::Anti) {
                break;
            }
        }
    }
    Ok(partners)
}
