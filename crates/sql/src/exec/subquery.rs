//! Queries within expressions, when they run.

use std::sync::Arc;

use rustdb_types::Value;

use super::batch::{Batch, Row};
use super::context::Context;
use super::evaluate::truth;
use super::join::read_all;
use super::parallel::are_shareable;
use super::spill::Kept;
use super::{Node, Operator};
use crate::error::{Error, Result, SqlState};
use crate::expr::Expr;

/// A subquery that is ready to run.
#[derive(Debug)]
pub struct SubPlan {
    pub(super) kind: SubPlanKind,
    pub(super) node: Arc<dyn Node>,
    /// For each value of the outer row where it is put, and from which place.
    pub(super) arguments: Vec<(usize, usize)>,
    /// Where the result is kept, if it is the same for all outer rows.
    pub(super) result: Option<usize>,
}

/// What is asked of the rows.
#[derive(Debug)]
pub(super) enum SubPlanKind {
    Scalar,
    Exists,
    Array,
    /// The test sees the subquery's row; outer values are among the arguments.
    Any(Expr),
    All(Expr),
}

impl SubPlan {
    /// Whether any thread may run it.
    pub(crate) fn is_shareable(&self) -> bool {
        let test = match &self.kind {
            SubPlanKind::Any(test) | SubPlanKind::All(test) => Some(test),
            SubPlanKind::Scalar | SubPlanKind::Exists | SubPlanKind::Array => None,
        };
        are_shareable(test) && self.node.is_shareable()
    }
}

impl PartialEq for SubPlan {
    fn eq(&self, other: &SubPlan) -> bool {
        std::ptr::eq(self, other)
    }
}

/// The value of a subquery for an outer row.
pub(super) fn evaluate_subquery<R: Row + ?Sized>(
    subplan: &SubPlan,
    row: &R,
    cx: &mut Context<'_>,
) -> Result<Value> {
    for (to, from) in &subplan.arguments {
        cx.memory.outer[*to] = row.value(*from).clone();
    }
    match &subplan.kind {
        SubPlanKind::Any(test) => return quantified(subplan, test, false, cx),
        SubPlanKind::All(test) => return quantified(subplan, test, true, cx),
        SubPlanKind::Scalar | SubPlanKind::Exists | SubPlanKind::Array => (),
    }
    if let Some(known) = subplan
        .result
        .and_then(|slot| cx.memory.results[slot].clone())
    {
        return Ok(known);
    }
    let Some(slot) = subplan.result else {
        return found(subplan, cx);
    };
    let value = match cx.memory.answers.clone() {
        Some(answers) => answers.value(slot, || found(subplan, cx))?,
        None => found(subplan, cx)?,
    };
    cx.memory.results[slot] = Some(value.clone());
    Ok(value)
}

/// Runs a subquery that gives a value.
fn found(subplan: &SubPlan, cx: &mut Context<'_>) -> Result<Value> {
    let mut run = subplan.node.clone().open();
    match &subplan.kind {
        SubPlanKind::Scalar => scalar(&mut *run, cx),
        SubPlanKind::Exists => Ok(Value::Bool(run.next(cx)?.is_some())),
        _ => {
            let mut values = Vec::new();
            let mut charge = cx.pool().charge();
            while let Some(batch) = run.next(cx)? {
                charge.hold(batch.bytes())?;
                values.extend_from_slice(batch.column(0).values());
            }
            super::evaluate::array_of(values)
        }
    }
}

fn scalar(run: &mut dyn Operator, cx: &mut Context<'_>) -> Result<Value> {
    let Some(batch) = run.next(cx)? else {
        return Ok(Value::Null);
    };
    if batch.rows() > 1 || run.next(cx)?.is_some() {
        let message = "more than one row returned by a subquery used as an expression";
        return Err(Error::new(SqlState::CARDINALITY_VIOLATION, message));
    }
    Ok(batch.column(0).get(0))
}

/// ANY stops at the first row for which the test is true, ALL at the first for which it is false.
fn quantified(subplan: &SubPlan, test: &Expr, all: bool, cx: &mut Context<'_>) -> Result<Value> {
    let Some(slot) = subplan.result else {
        let mut run = subplan.node.clone().open();
        return decide(test, all, cx, |cx| Ok(run.next(cx)?.map(Arc::new)));
    };
    let rows = match &cx.memory.rows[slot] {
        Some(rows) => rows.clone(),
        None => {
            let rows = match cx.memory.answers.clone() {
                Some(answers) => answers.rows(slot, || kept(subplan, cx))?,
                None => kept(subplan, cx)?,
            };
            cx.memory.rows[slot].insert(rows).clone()
        }
    };
    let mut next = 0;
    decide(test, all, cx, |cx| {
        next += 1;
        rows.get(next - 1, cx)
    })
}

/// All rows of a subquery.
fn kept(subplan: &SubPlan, cx: &mut Context<'_>) -> Result<Arc<Kept>> {
    Ok(Arc::new(read_all(&subplan.node, cx)?))
}

fn decide(
    test: &Expr,
    all: bool,
    cx: &mut Context<'_>,
    mut next: impl FnMut(&mut Context<'_>) -> Result<Option<Arc<Batch>>>,
) -> Result<Value> {
    let mut unknown = false;
    while let Some(batch) = next(cx)? {
        for row in 0..batch.rows() {
            match truth(test, &batch.row(row), cx)? {
                Some(truth) if truth != all => return Ok(Value::Bool(!all)),
                Some(_) => (),
                None => unknown = true,
            }
        }
    }
    Ok(match unknown {
        true => Value::Null,
        false => Value::Bool(all),
    })
}
