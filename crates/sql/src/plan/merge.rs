//! Joins that merge: what they go by, and what that costs.
//!
//! Both sides have to be sorted. Sorts are put below the join, and left out again where rows come
//! in that order anyway.

use super::estimate::Estimate;
use super::sorted::{is_sorted_by, sorted_columns};
use super::{Join, JoinMethod, Plan, SortKey};
use crate::exec::is_hashable;
use crate::expr::{ColumnId, Expr};

/// How two inputs are merged.
#[derive(Clone, Debug)]
pub(super) struct Merge {
    /// The columns that are equal, the most important first.
    pub(super) columns: Vec<(ColumnId, ColumnId)>,
    /// Whether the sides come in their order.
    sorted: (bool, bool),
}

/// How two inputs can be merged; `None` if no condition says that two columns are equal.
pub(super) fn merge_of<'c>(
    left: &Plan,
    right: &Plan,
    conditions: impl Iterator<Item = &'c Expr>,
) -> Option<Merge> {
    let (mine, theirs) = (left.columns(), right.columns());
    let mut pairs: Vec<(ColumnId, ColumnId)> = Vec::new();
    for condition in conditions {
        let Some((first, second)) = equal_columns(condition) else {
            continue;
        };
        let pair = match mine.contains(&first) && theirs.contains(&second) {
            true => (first, second),
            false if mine.contains(&second) && theirs.contains(&first) => (second, first),
            false => continue,
        };
        // A column that stands twice says nothing new about the order.
        if !pairs
            .iter()
            .any(|each| each.0 == pair.0 || each.1 == pair.1)
        {
            pairs.push(pair);
        }
    }
    if pairs.is_empty() {
        return None;
    }
    let merge = |columns: Vec<(ColumnId, ColumnId)>| {
        let (mine, theirs): (Vec<ColumnId>, Vec<ColumnId>) = columns.iter().copied().unzip();
        Merge {
            sorted: (is_sorted_by(left, &mine), is_sorted_by(right, &theirs)),
            columns,
        }
    };
    // As far as the left comes sorted, or else the right; what is not gone by is a filter.
    let along = |order: Vec<ColumnId>, is_left: bool| {
        let found = order.into_iter().map_while(|column| {
            let mut all = pairs.iter();
            all.find(|pair| column == if is_left { pair.0 } else { pair.1 })
        });
        let found: Vec<(ColumnId, ColumnId)> = found.copied().collect();
        (!found.is_empty()).then(|| merge(found))
    };
    let ways = [
        along(sorted_columns(left), true),
        along(sorted_columns(right), false),
        Some(merge(pairs.clone())),
    ];
    let mut ways = ways.into_iter().flatten();
    let first = ways.next()?;
    Some(ways.fold(first, |best, way| {
        match way.sorted_sides() > best.sorted_sides() {
            true => way,
            false => best,
        }
    }))
}

/// The two columns that a condition says are equal, if it can be merged by.
fn equal_columns(condition: &Expr) -> Option<(ColumnId, ColumnId)> {
    let Expr::Operator(call) = condition else {
        return None;
    };
    match (&call.left, &call.right) {
        (Some(Expr::Column(first)), Expr::Column(second)) if is_hashable(call.operator) => {
            Some((*first, *second))
        }
        _ => None,
    }
}

/// Whether a merge by these columns sees to a condition.
pub(crate) fn is_merged(condition: &Expr, columns: &[(ColumnId, ColumnId)]) -> bool {
    equal_columns(condition).is_some_and(|(first, second)| {
        columns.contains(&(first, second)) || columns.contains(&(second, first))
    })
}

impl Merge {
    fn sorted_sides(&self) -> usize {
        usize::from(self.sorted.0) + usize::from(self.sorted.1)
    }

    /// What it costs, with sorts where they are needed.
    pub(super) fn cost(&self, left: Estimate, right: Estimate, rows: f64) -> f64 {
        let sides = [(left, self.sorted.0), (right, self.sorted.1)];
        let sides = sides.map(|(side, is_sorted)| match is_sorted {
            true => side.cost,
            false => super::estimate::sorted(side).cost,
        });
        super::estimate::merge_cost(sides, left.rows + right.rows, rows)
    }

    /// Has a join be done so.
    pub(super) fn apply(self, join: &mut Join) {
        join.method = JoinMethod::Merge;
        let (left, right): (Vec<ColumnId>, Vec<ColumnId>) = self.columns.iter().copied().unzip();
        for (side, columns) in [(&mut join.left, left), (&mut join.right, right)] {
            let keys = columns.into_iter().map(|column| SortKey {
                column,
                descending: false,
                nulls_first: false,
                padded: false,
            });
            let input = std::mem::replace(side, Plan::one_row());
            *side = Plan::Sort {
                input: Box::new(input),
                keys: keys.collect(),
            };
        }
        join.merged = self.columns;
    }
}
