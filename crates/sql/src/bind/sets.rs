//! Set-returning functions of the select list.
//!
//! Their rows are made in lock-step, between the windows and DISTINCT; or at the very end, where
//! neither DISTINCT ON nor ORDER BY needs them.

use std::collections::BTreeSet;

use sqlparser::ast;

use super::aggregate::Collected;
use crate::expr::{ColumnId, Expr, FunctionCall};
use crate::plan::{FunctionRows, Plan, SortKey, free_columns_of};

/// Calls of set-returning functions: those that others take their arguments from come first.
fn by_depth(sets: Vec<SetCall>) -> Vec<Vec<SetCall>> {
    let mut levels: Vec<Vec<SetCall>> = Vec::new();
    for (call, columns) in sets {
        let used: BTreeSet<ColumnId> = call.arguments.iter().flat_map(free_columns_of).collect();
        let makes = |level: &Vec<SetCall>| {
            let mut made = level.iter().flat_map(|(_, columns)| columns);
            made.any(|column| used.contains(column))
        };
        let level = levels.iter().rposition(makes).map_or(0, |below| below + 1);
        if level == levels.len() {
            levels.push(Vec::new());
        }
        levels[level].push((call, columns));
    }
    levels
}

/// A call, and the columns that it makes.
pub(super) type SetCall = (FunctionCall, Vec<ColumnId>);

/// The items over the rows of a plan.
pub(super) fn projected(plan: Plan, items: &[(ColumnId, Expr)]) -> Plan {
    Plan::Project {
        input: Box::new(plan),
        items: items.to_vec(),
    }
}

/// The rows that set-returning functions make of each row.
pub(super) fn with_sets(mut plan: Plan, sets: Vec<SetCall>) -> Plan {
    for calls in by_depth(sets) {
        plan = Plan::Function(Box::new(FunctionRows {
            input: plan,
            calls,
            ordinality: None,
        }));
    }
    plan
}

/// Whether set-returning functions come after DISTINCT ON and ORDER BY, as they do where neither
/// needs them.
pub(super) fn postpones_sets(
    select: &ast::Select,
    items: &[(ColumnId, Expr)],
    keys: &[SortKey],
    collected: &Collected,
) -> bool {
    let Some(ast::Distinct::On(on)) = &select.distinct else {
        return false;
    };
    if keys.is_empty() || collected.sets.is_empty() || on.len() > keys.len() {
        return false;
    }
    let made: BTreeSet<ColumnId> = set_columns(&collected.sets);
    let of_sets = |key: &SortKey| {
        let mut items = items.iter().filter(|(id, _)| *id == key.column);
        items.any(|(_, item)| {
            free_columns_of(item)
                .iter()
                .any(|column| made.contains(column))
        })
    };
    !keys.iter().any(of_sets)
}

pub(super) fn set_columns(sets: &[SetCall]) -> BTreeSet<ColumnId> {
    sets.iter()
        .flat_map(|(_, columns)| columns)
        .copied()
        .collect()
}
