//! `min` and `max` of what a key or an index is sorted by: the row at its end.
//!
//! ```text
//! SELECT max(x) FROM t   ─▶   SELECT (SELECT x FROM t WHERE x IS NOT NULL ORDER BY x DESC LIMIT 1)
//! ```
//!
//! Done where all that is asked of a table are its extremes, each of which is at the end of an
//! index, and nothing is left to ask of the rows on the way.

use rustdb_types::Value;

use super::sorted::is_given;
use super::{Aggregate, AggregateItem, Plan, Scan, SortKey};
use crate::expr::{ColumnId, Expr, Subquery, SubqueryKind};

/// Reads extremes from the ends of indexes, in subqueries too.
pub(super) fn find_extremes(plan: &mut Plan) {
    replace_within(plan);
    plan.for_each_subquery(&mut |plan| find_extremes(plan));
}

fn replace_within(plan: &mut Plan) {
    if let Plan::Aggregate(aggregate) = plan
        && let Some(items) = extremes(aggregate)
    {
        *plan = Plan::Project {
            input: Box::new(Plan::one_row()),
            items,
        };
        return;
    }
    for input in plan.inputs_mut() {
        replace_within(input);
    }
}

/// The columns of the aggregate, each from an index.
fn extremes(aggregate: &Aggregate) -> Option<Vec<(ColumnId, Expr)>> {
    let Plan::Scan(scan) = &aggregate.input else {
        return None;
    };
    let is_plain = aggregate.groups.is_empty()
        && aggregate.groupings.is_empty()
        && aggregate.sets.len() <= 1
        && !aggregate.calls.is_empty();
    let calls = aggregate.calls.iter().filter(|_| is_plain);
    let items: Option<Vec<_>> = calls
        .map(|(id, item)| Some((*id, extreme(scan, item)?)))
        .collect();
    items.filter(|items| !items.is_empty())
}

/// The query for an extreme.
fn extreme(scan: &Scan, item: &AggregateItem) -> Option<Expr> {
    let descending = match item.call.aggregate().name {
        "min" => false,
        "max" => true,
        _ => return None,
    };
    let [argument] = &item.arguments[..] else {
        return None;
    };
    let column = column_of(argument)?;
    if item.filter.is_some() || !item.direct.is_empty() {
        return None;
    }
    let key = SortKey {
        column,
        descending,
        nulls_first: descending,
        padded: false,
    };
    if !is_given(scan, &key) {
        return None;
    }
    let known = Expr::Not(Box::new(Expr::IsNull(Box::new(Expr::Column(column)))));
    let plan = Plan::Limit {
        input: Box::new(Plan::Sort {
            input: Box::new(Plan::Scan(Box::new(scan.clone())).filtered(vec![known])),
            keys: vec![key],
        }),
        count: Some(Expr::Constant(Value::Int8(1))),
        offset: None,
        ties: Vec::new(),
    };
    Some(Expr::Subquery(Box::new(Subquery {
        kind: SubqueryKind::Scalar,
        plan,
        columns: vec![column],
    })))
}

fn column_of(expr: &Expr) -> Option<ColumnId> {
    match expr {
        Expr::Column(id) => Some(*id),
        Expr::Cast(cast) if cast.0.is_relabeling() => column_of(&cast.1),
        _ => None,
    }
}
