//! Leaving out columns that nobody looks at, so that scans do not read them.

use std::collections::BTreeSet;

use rustdb_types::Oid;

use super::{Plan, free_columns_of};
use crate::expr::{ColumnId, Expr};

/// Leaves out what neither `wanted` nor the plan itself needs.
pub(super) fn prune(plan: &mut Plan, wanted: &[ColumnId]) {
    keep(plan, &wanted.iter().copied().collect());
}

/// As [`prune`]; subqueries within the plan's expressions have their own columns pruned too.
fn keep(plan: &mut Plan, wanted: &BTreeSet<ColumnId>) {
    plan.for_each_expression_mut(&mut prune_subqueries);
    match plan {
        Plan::Scan(scan) => {
            let order = scan.access.as_ref().map(|access| &access.order[..]);
            let order = order.unwrap_or_default();
            // If the index cannot be used after all, the rows are found without it.
            let mut kept: BTreeSet<ColumnId> = order.iter().map(|key| key.column).collect();
            if let Some(access) = scan.access.as_ref().filter(|access| access.index.is_some()) {
                access
                    .covered
                    .iter()
                    .for_each(|condition| kept.extend(free_columns_of(condition)));
            }
            scan.columns
                .retain(|(id, _)| wanted.contains(id) || kept.contains(id));
            return;
        }
        Plan::System(scan) => {
            scan.columns.retain(|(id, _)| wanted.contains(id));
            return;
        }
        Plan::Project { items, .. } => {
            items.retain(|(id, item)| wanted.contains(id) || item.is_volatile());
        }
        _ => (),
    }
    let mut needed = wanted.clone();
    plan.for_each_expression(&mut |expr| needed.extend(free_columns_of(expr)));
    plan.for_each_column(&mut |column| {
        needed.insert(column);
    });
    if let Plan::Join(join) = plan {
        // The right side may be run for each row of the left.
        needed.extend(super::free_columns(&join.right));
    }
    for input in plan.inputs_mut() {
        keep(input, &needed);
    }
}

/// The columns of tables that a plan reads: table and place.
pub(crate) fn columns_read(plan: &Plan, wanted: &[ColumnId]) -> Vec<(Oid, usize)> {
    let mut plan = plan.clone();
    prune(&mut plan, wanted);
    let mut read = Vec::new();
    collect_columns(&plan, &mut read);
    read
}

fn collect_columns(plan: &Plan, read: &mut Vec<(Oid, usize)>) {
    if let Plan::Scan(scan) = plan {
        let places = scan.columns.iter().map(|(_, place)| *place);
        read.extend(places.map(|place| (scan.table.oid(), place)));
    }
    plan.for_each_expression(&mut |expr| {
        expr.walk(&mut |part| {
            if let Expr::Subquery(subquery) = part {
                collect_columns(&subquery.plan, read);
            }
        });
    });
    for input in plan.inputs() {
        collect_columns(input, read);
    }
}

fn prune_subqueries(expr: &mut Expr) {
    if let Expr::Subquery(subquery) = expr {
        let mut wanted: BTreeSet<ColumnId> = subquery.columns.iter().copied().collect();
        if let Some(test) = subquery.kind.test() {
            wanted.extend(free_columns_of(test));
        }
        keep(&mut subquery.plan, &wanted);
    }
    for child in expr.children_mut() {
        prune_subqueries(child);
    }
}
