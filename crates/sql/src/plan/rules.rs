//! Making plans better: conditions go down to where they can be decided, and scans find their
//! rows by key or index.
//!
//! ```text
//! filter over join    ─▶ conditions of one side go there, those of both join
//! filter over project ─▶ under it, unless it is computed from what may fail
//! filter over scan    ─▶ key or index with the most columns fixed
//! ```
//!
//! A rule never changes the rows, nor whether there is an error a user could see that the plan
//! before would not have had: conditions are kept in their order on their way down.

use std::collections::BTreeSet;

use super::access::choose_access;
use super::factor::{factored, one_sided};
use super::{Join, JoinKind, JoinMethod, Plan, free_columns, free_columns_of};
use crate::expr::{ColumnId, Expr, SubqueryKind};

/// The plan with its conditions as far down as they go.
pub(super) fn push_conditions(plan: Plan) -> Plan {
    let mut plan = push(plan, Vec::new());
    improve_expressions(&mut plan);
    plan
}

/// Improves the plans within expressions.
fn improve_expressions(plan: &mut Plan) {
    plan.for_each_expression_mut(&mut improve_subqueries);
    for input in plan.inputs_mut() {
        improve_expressions(input);
    }
}

fn improve_subqueries(expr: &mut Expr) {
    if let Expr::Subquery(subquery) = expr {
        let plan = std::mem::replace(&mut subquery.plan, Plan::one_row());
        subquery.plan = push_conditions(plan);
    }
    for child in expr.children_mut() {
        improve_subqueries(child);
    }
}

/// The plan with these conditions on its rows, as far down as they go. Those that ask whether a
/// query has rows become joins.
fn push(plan: Plan, conditions: Vec<Expr>) -> Plan {
    let (mut joins, mut rest) = (Vec::new(), Vec::new());
    for condition in factored(conditions) {
        match as_join(condition) {
            Ok(join) => joins.push(join),
            Err(condition) => rest.push(condition),
        }
    }
    // What runs a query for each row is asked of the rows that are left in the end.
    let mut last = Vec::new();
    if !joins.is_empty() || matches!(plan, Plan::Join(_)) {
        (last, rest) = rest.into_iter().partition(runs_for_each_row);
    }
    let mut plan = push_plain(plan, rest);
    for (kind, right, conditions) in joins {
        let join = Join {
            kind,
            method: JoinMethod::default(),
            keeps_order: false,
            merged: Vec::new(),
            left: plan,
            right,
            conditions,
        };
        plan = push_join(join, Vec::new());
    }
    plan.filtered(last)
}

/// Whether there is a subquery in it that depends on the row.
fn runs_for_each_row(condition: &Expr) -> bool {
    let mut runs = false;
    condition.walk(&mut |part| {
        runs |= matches!(part, Expr::Subquery(subquery) if !free_columns(&subquery.plan).is_empty());
    });
    runs
}

/// `x IN (SELECT ...)` and `[NOT] EXISTS (SELECT ...)` as a join; the condition back if it is
/// neither. NOT IN stays as it is: NULL makes it something else.
fn as_join(condition: Expr) -> Result<(JoinKind, Plan, Vec<Expr>), Expr> {
    match condition {
        Expr::Subquery(subquery) => match subquery.kind {
            SubqueryKind::Any(test) => Ok((JoinKind::Semi, subquery.plan, test.conjuncts())),
            SubqueryKind::Exists => {
                let (plan, conditions) = pulled(subquery.plan);
                Ok((JoinKind::Semi, plan, conditions))
            }
            _ => Err(Expr::Subquery(subquery)),
        },
        Expr::Not(inner) => match *inner {
            Expr::Subquery(subquery) if subquery.kind == SubqueryKind::Exists => {
                let (plan, conditions) = pulled(subquery.plan);
                Ok((JoinKind::Anti, plan, conditions))
            }
            other => Err(Expr::Not(Box::new(other))),
        },
        other => Err(other),
    }
}

/// A plan of which only matters whether it has rows, without the conditions that speak of outer
/// columns: those become the join's.
fn pulled(plan: Plan) -> (Plan, Vec<Expr>) {
    match plan {
        Plan::Project { input, .. } => pulled(*input),
        Plan::Filter { input, conditions } => {
            let own: BTreeSet<ColumnId> = input.columns().into_iter().collect();
            let (inner, outer) = conditions.into_iter().partition(|condition| {
                let used = free_columns_of(condition);
                used.iter().all(|column| own.contains(column))
            });
            ((*input).filtered(inner), outer)
        }
        other => (other, Vec::new()),
    }
}

fn push_plain(plan: Plan, mut conditions: Vec<Expr>) -> Plan {
    match plan {
        Plan::Filter {
            input,
            conditions: more,
        } => {
            let mut all = more;
            all.append(&mut conditions);
            push(*input, all)
        }
        Plan::Join(join) => push_join(*join, conditions),
        Plan::Scan(scan) => choose_access(*scan, conditions),
        Plan::Sort { input, keys } => Plan::Sort {
            input: Box::new(push(*input, conditions)),
            keys,
        },
        Plan::Project { input, items } => {
            let (below, above): (Vec<Expr>, Vec<Expr>) = conditions
                .into_iter()
                .partition(|condition| is_renaming(condition, &items));
            let below = below.into_iter().map(|mut condition| {
                condition.rewrite(&mut |expr| replaced(expr, &items));
                condition
            });
            let plan = Plan::Project {
                input: Box::new(push(*input, below.collect())),
                items,
            };
            plan.filtered(above)
        }
        mut other => {
            for input in other.inputs_mut() {
                let inner = std::mem::replace(input, Plan::one_row());
                *input = push(inner, Vec::new());
            }
            other.filtered(conditions)
        }
    }
}

/// Whether a condition speaks only of columns that a projection passes on as they are.
pub(super) fn is_renaming(condition: &Expr, items: &[(ColumnId, Expr)]) -> bool {
    let mut plain = true;
    condition.walk(&mut |expr| plain &= !matches!(expr, Expr::Subquery(_)));
    let used = free_columns_of(condition);
    plain
        && used.iter().all(|column| {
            let item = items.iter().find(|(id, _)| id == column);
            item.is_none_or(|(_, item)| matches!(item, Expr::Column(_) | Expr::Constant(_)))
        })
}

pub(super) fn replaced(expr: &Expr, items: &[(ColumnId, Expr)]) -> Option<Expr> {
    let Expr::Column(id) = expr else {
        return None;
    };
    let item = items.iter().find(|(item, _)| item == id);
    item.map(|(_, item)| item.clone())
}

fn push_join(mut join: Join, conditions: Vec<Expr>) -> Plan {
    let left: BTreeSet<ColumnId> = join.left.columns().into_iter().collect();
    let right: BTreeSet<ColumnId> = join.right.columns().into_iter().collect();
    let (mut to_left, mut to_right, mut above) = (Vec::new(), Vec::new(), Vec::new());
    for condition in conditions {
        let used = free_columns_of(&condition);
        let of_left = used.iter().any(|column| left.contains(column));
        let of_right = used.iter().any(|column| right.contains(column));
        match (join.kind, of_left, of_right) {
            (JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti, true, false) => {
                to_left.push(condition);
            }
            (JoinKind::Inner | JoinKind::Right, false, true) => to_right.push(condition),
            (JoinKind::Inner, _, _) => join.conditions.push(condition),
            _ => above.push(condition),
        }
    }
    // What ON says of one side alone can be decided there, if rows without partners go anyway.
    let mut kept = Vec::with_capacity(join.conditions.len());
    for condition in factored(std::mem::take(&mut join.conditions)) {
        let used = free_columns_of(&condition);
        let of_left = used.iter().any(|column| left.contains(column));
        let of_right = used.iter().any(|column| right.contains(column));
        match (join.kind, of_left, of_right) {
            (JoinKind::Inner | JoinKind::Right | JoinKind::Semi, true, false) => {
                to_left.push(condition);
            }
            (JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti, false, true) => {
                to_right.push(condition);
            }
            (JoinKind::Inner, true, true) => {
                to_left.extend(one_sided(&condition, &left));
                to_right.extend(one_sided(&condition, &right));
                kept.push(condition);
            }
            _ => kept.push(condition),
        }
    }
    join.conditions = kept;
    join.left = push(join.left, to_left);
    join.right = push(join.right, to_right);
    Plan::Join(Box::new(join)).filtered(above)
}
