//! What it costs until the first row is there, and what some of the rows cost.

use super::{Estimate, Estimator, Plan};
use crate::expr::Expr;
use crate::plan::{JoinMethod, SetKind, free_columns};

impl Estimator<'_> {
    /// What a plan costs before it gives its first row.
    pub(crate) fn startup(&self, plan: &Plan) -> f64 {
        match plan {
            Plan::Sort { .. } | Plan::Aggregate(_) | Plan::Modify(_) => self.plan(plan).cost,
            Plan::Window(window) => self.plan(&window.input).cost,
            Plan::Filter { input, .. }
            | Plan::Project { input, .. }
            | Plan::Distinct { input, .. } => self.startup(input),
            Plan::Limit {
                input,
                offset: Some(offset),
                ..
            } => {
                let (start, all) = (self.startup(input), self.plan(input));
                start + (all.cost - start) * share(number(Some(offset), all.rows, 0.0), all.rows)
            }
            Plan::Limit { input, .. } => self.startup(input),
            Plan::Lock(lock) => self.startup(&lock.input),
            Plan::Join(join) => {
                let left = self.startup(&join.left);
                let mine = join.left.columns();
                let is_dependent = free_columns(&join.right)
                    .iter()
                    .any(|column| mine.contains(column));
                match join.method {
                    // Nothing is given before all of both sides was read.
                    JoinMethod::Marked => self.plan(plan).cost,
                    JoinMethod::Hash if !is_dependent && self.has_key(&join.conditions) => {
                        left + self.plan(&join.right).cost
                    }
                    _ => left + self.startup(&join.right),
                }
            }
            Plan::SetOperation(operation) => {
                let left = self.startup(&operation.left.0);
                match operation.kind {
                    SetKind::Union => left,
                    SetKind::Intersect | SetKind::Except => {
                        left + self.plan(&operation.right.0).cost
                    }
                }
            }
            Plan::With(with) => self.startup(&with.body),
            Plan::Scan(_)
            | Plan::System(_)
            | Plan::Values { .. }
            | Plan::Named(_)
            | Plan::Recursive(_)
            | Plan::Function(_) => 0.0,
        }
    }

    /// Some of the rows of a plan: a limit does not ask for the others.
    pub(super) fn limited(
        &self,
        input: &Plan,
        count: Option<&Expr>,
        offset: Option<&Expr>,
    ) -> Estimate {
        let (start, all) = (self.startup(input), self.plan(input));
        let skipped = number(offset, all.rows, 0.0).min(all.rows);
        let left = all.rows - skipped;
        let wanted = number(count, all.rows, all.rows).min(left);
        Estimate {
            rows: wanted,
            cost: start + (all.cost - start) * share(skipped + wanted, all.rows),
        }
    }
}

/// A number of rows; a tenth of all if only the run will tell.
fn number(expr: Option<&Expr>, rows: f64, otherwise: f64) -> f64 {
    match expr {
        None => otherwise,
        Some(Expr::Constant(value)) if value.is_null() => otherwise,
        Some(Expr::Constant(value)) => value
            .as_integer()
            .map_or(otherwise, |number| (number as f64).max(0.0)),
        Some(_) => rows / 10.0,
    }
}

fn share(part: f64, all: f64) -> f64 {
    if all > 0.0 {
        (part / all).clamp(0.0, 1.0)
    } else {
        1.0
    }
}
