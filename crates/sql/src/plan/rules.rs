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

use rustdb_catalog::{Index, IndexKey, IndexState, RowKeyColumns};
use rustdb_types::{Base, Cast, CastContext, Oid, Type};

use super::factor::{factored, one_sided};
use super::{Access, Join, JoinKind, JoinMethod, Plan, Scan, free_columns, free_columns_of};
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

// ------------------------------------------------------------------------------------ access paths

/// A condition that a key or index can use: a column of the table compared with something that
/// does not depend on the table.
struct Usable<'c> {
    condition: &'c Expr,
    place: usize,
    comparison: &'static str,
    value: Expr,
}

/// A way to find rows, and how good it is.
struct Candidate {
    access: Access,
    /// Columns fixed, whether all of a unique key's are, and whether the next has bounds.
    score: (bool, usize, bool),
}

fn choose_access(mut scan: Scan, mut conditions: Vec<Expr>) -> Plan {
    if scan.access.is_none() {
        scan.access = best_access(&scan, &conditions);
        if let Some(access) = &scan.access {
            conditions.retain(|condition| !access.covered.contains(condition));
        }
    }
    Plan::Scan(Box::new(scan)).filtered(conditions)
}

/// The key or index that finds the fewest of a table's rows for which the conditions hold.
pub(super) fn best_access(scan: &Scan, conditions: &[Expr]) -> Option<Access> {
    let usable: Vec<Usable<'_>> = conditions
        .iter()
        .filter_map(|condition| usable(condition, scan))
        .collect();
    if usable.is_empty() {
        return None;
    }
    let best = candidates(scan, &usable)
        .into_iter()
        .max_by_key(|candidate| candidate.score)?;
    (best.score.1 > 0 || best.score.2).then_some(best.access)
}

fn candidates(scan: &Scan, usable: &[Usable<'_>]) -> Vec<Candidate> {
    let definition = scan.table.definition();
    let mut candidates = Vec::new();
    if let RowKeyColumns::Columns(ids) = &definition.row_key {
        let places = ids.iter().filter_map(|id| (*id as usize).checked_sub(1));
        candidates.push(candidate(None, true, places.collect(), usable));
    }
    for index in &definition.indexes {
        if index.state == IndexState::Public
            && index.predicate.is_none()
            && index.keyspace.is_some()
            && let Some(places) = plain_places(index)
        {
            candidates.push(candidate(Some(index.oid), index.unique, places, usable));
        }
    }
    candidates
}

fn plain_places(index: &Index) -> Option<Vec<usize>> {
    let places = index.columns.iter().map(|column| match &column.key {
        IndexKey::Column(id) => (*id as usize).checked_sub(1),
        IndexKey::Expression { .. } => None,
    });
    places.collect()
}

fn candidate(
    index: Option<Oid>,
    unique: bool,
    places: Vec<usize>,
    usable: &[Usable<'_>],
) -> Candidate {
    let find = |place: usize, comparisons: &[&str]| {
        let mut all = usable.iter();
        all.find(|each| each.place == place && comparisons.contains(&each.comparison))
    };
    let mut access = Access::of(index);
    for place in &places {
        if let Some(equal) = find(*place, &["="]) {
            access.equal.push(equal.value.clone());
            access.covered.push(equal.condition.clone());
            continue;
        }
        let (lower, upper) = (find(*place, &[">", ">="]), find(*place, &["<", "<="]));
        access.lower = lower.map(|end| (end.value.clone(), end.comparison == ">="));
        access.upper = upper.map(|end| (end.value.clone(), end.comparison == "<="));
        let ends = lower.iter().chain(&upper);
        access.covered.extend(ends.map(|end| end.condition.clone()));
        break;
    }
    let is_one_row = unique && access.equal.len() == places.len();
    let has_bounds = access.lower.is_some() || access.upper.is_some();
    Candidate {
        score: (is_one_row, access.equal.len(), has_bounds),
        access,
    }
}

/// Whether every integer of the second type is one of the first.
fn is_wider(first: &Type, second: &Type) -> bool {
    matches!(
        (first.base(), second.base()),
        (Some(Base::Int8), Some(Base::Int4 | Base::Int2)) | (Some(Base::Int4), Some(Base::Int2))
    )
}

fn usable<'c>(condition: &'c Expr, scan: &Scan) -> Option<Usable<'c>> {
    let Expr::Operator(call) = condition else {
        return None;
    };
    let left = call.left.as_ref()?;
    let flipped = match call.operator.name {
        "=" => "=",
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        _ => return None,
    };
    let types = (
        call.operator.left.as_ref()?.concrete()?,
        call.operator.right.concrete()?,
    );
    let place_of = |expr: &Expr| match expr {
        Expr::Column(id) => scan.columns.iter().find(|(column, _)| column == id),
        _ => None,
    };
    let is_outside = |expr: &Expr| {
        let mut plain = true;
        expr.walk(&mut |part| {
            plain &= match part {
                // Looked at once, not for each row.
                Expr::Subquery(_) | Expr::NextValue(_) | Expr::Session(_) => false,
                Expr::Call(call) => {
                    call.call.function().volatility != rustdb_types::function::Volatility::Volatile
                }
                _ => true,
            }
        });
        let used = free_columns_of(expr);
        plain
            && used
                .iter()
                .all(|id| !scan.columns.iter().any(|(column, _)| column == id))
    };
    let (place, comparison, value, of_column, of_value) =
        match (place_of(left), place_of(&call.right)) {
            (Some((_, place)), None) => (*place, call.operator.name, &call.right, types.0, types.1),
            (None, Some((_, place))) => (*place, flipped, left, types.1, types.0),
            _ => return None,
        };
    let column = scan.table.definition().columns.get(place)?;
    // Keys are encoded by the column's type, so that the value has to be of that type.
    let base = column.column_type.without_domains().base()?;
    if of_column.base() != Some(base) || !is_outside(value) {
        return None;
    }
    let value = match of_column == of_value {
        true => value.clone(),
        false if is_wider(of_column, of_value) => {
            let cast = Cast::find(of_value, of_column, CastContext::Implicit)?;
            Expr::Cast(Box::new((cast, value.clone())))
        }
        false => return None,
    };
    Some(Usable {
        condition,
        place,
        comparison,
        value,
    })
}
