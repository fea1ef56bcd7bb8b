//! Sorts that are not needed: where rows come in the order of a key or an index anyway.
//!
//! A scan gives rows in the order of its keys, filters and projections keep it, and so does a join
//! that goes through its left side row by row. So do the rows of a group come one after the other, and
//! the aggregate needs no more than one group at a time. Where only the first rows are wanted
//! (`ORDER BY ... LIMIT`), a scan may change to the index that has the order.

use std::collections::BTreeSet;

use rustdb_catalog::{Index, IndexKey, IndexMethod, IndexState, RowKeyColumns};

use super::estimate::Estimator;
use super::{Access, Aggregate, AggregateItem, JoinKind, JoinMethod, Plan, Scan, SortKey};
use rustdb_types::aggregate::AggregateKind;

use crate::expr::{ColumnId, Expr};

/// What rows are in order by.
struct Order {
    /// Columns that are the same in all rows.
    fixed: Vec<ColumnId>,
    /// The others, the most important first: the column, whether it descends, and where NULL is.
    keys: Vec<(ColumnId, bool, bool)>,
    /// Columns among them, and others that are equal to them in all rows.
    same: Vec<(ColumnId, ColumnId)>,
}

impl Order {
    fn is_same(&self, own: ColumnId, other: ColumnId) -> bool {
        own == other || self.same.contains(&(own, other))
    }
}

/// Which way rows have to be read to be in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Direction {
    Forward,
    Backward,
}

/// Leaves out sorts of rows that are in order.
pub(super) fn leave_out_sorts(plan: &mut Plan, estimator: &Estimator<'_>) {
    if let Plan::Limit {
        input,
        count: Some(count),
        offset,
        ..
    } = plan
    {
        let number = |expr: &Expr| match expr {
            Expr::Constant(value) => value.as_integer().map(|number| number as f64),
            _ => None,
        };
        let skipped = match offset {
            None => Some(0.0),
            Some(offset) => number(offset),
        };
        if let (Some(count), Some(skipped)) = (number(count), skipped) {
            use_index(input, count + skipped, estimator);
        }
    }
    let mut is_needed = true;
    if let Plan::Sort { input, keys } = plan
        && let Some(order) = order_of(input)
        && let Some(direction) = gives(&order, keys)
        && (direction == Direction::Forward || turned(input))
    {
        is_needed = false;
        for key in keys {
            mark_ordered(input, key);
        }
    }
    if !is_needed && let Plan::Sort { input, .. } = plan {
        *plan = std::mem::replace(&mut **input, Plan::one_row());
    }
    for input in plan.inputs_mut() {
        leave_out_sorts(input, estimator);
    }
}

/// Whether the rows of a plan are in the order of these columns, ascending, NULL last.
pub(super) fn is_sorted_by(plan: &Plan, columns: &[ColumnId]) -> bool {
    let keys = columns.iter().map(|column| SortKey {
        column: *column,
        descending: false,
        nulls_first: false,
        padded: false,
    });
    let keys: Vec<SortKey> = keys.collect();
    order_of(plan).is_some_and(|order| gives(&order, &keys) == Some(Direction::Forward))
}

/// Tells aggregates whose rows come group by group that they do.
pub(super) fn find_sorted_groups(plan: &mut Plan) {
    if let Plan::Aggregate(aggregate) = plan {
        aggregate.sorted = sorted_groups(aggregate);
    }
    for input in plan.inputs_mut() {
        find_sorted_groups(input);
    }
}

/// See [`Aggregate::sorted`]. States that may become large, or do not merge, are left to who can put
/// them aside.
fn sorted_groups(aggregate: &Aggregate) -> Option<usize> {
    let merges = |item: &AggregateItem| {
        let is_plain = !item.distinct && item.order.is_empty();
        let is_normal = item.call.aggregate().kind == AggregateKind::Normal;
        let state = item.call.state();
        is_plain && is_normal && state.is_ok_and(|state| state.merges_exactly())
    };
    let is_plain = aggregate.sets.len() == 1 && !aggregate.groups.is_empty();
    if !is_plain || !aggregate.calls.iter().all(|(_, item)| merges(item)) {
        return None;
    }
    let scan = key_scan_below(&aggregate.input)?;
    let order = order_of(&aggregate.input)?;
    let mut groups = BTreeSet::new();
    for group in &aggregate.groups {
        match &group.expr {
            Expr::Column(column) if !group.padded => groups.insert(*column),
            _ => return None,
        };
    }
    groups.retain(|group| !order.fixed.contains(group));
    let first = order.keys.iter().take(groups.len()).map(|key| key.0);
    let fixed = scan.access.as_ref().map_or(0, |access| access.equal.len());
    (!groups.is_empty() && first.collect::<BTreeSet<_>>() == groups).then_some(fixed + groups.len())
}

/// The scan of a table by its key that rows come from with nothing but filters and renaming between.
fn key_scan_below(plan: &Plan) -> Option<&Scan> {
    match plan {
        Plan::Scan(scan) => {
            let by_key =
                |access: &Access| access.index.is_none() && access.behind_equal().next().is_none();
            scan.access.as_ref().is_none_or(by_key).then_some(&**scan)
        }
        Plan::Filter { input, .. } | Plan::Project { input, .. } => key_scan_below(input),
        _ => None,
    }
}

/// Whether the rows of a scan are, or could be, read in this order.
pub(super) fn is_given(scan: &Scan, key: &SortKey) -> bool {
    let keys = std::slice::from_ref(key);
    let is_in_order = |access: Option<&Access>| gives(&order_of_scan(scan, access), keys).is_some();
    if is_in_order(scan.access.as_ref()) {
        return true;
    }
    let mut indexes = scan.table.definition().indexes.iter();
    scan.access.is_none()
        && indexes.any(|index| is_ready(index) && is_in_order(Some(&Access::of(Some(index.oid)))))
}

/// Whether an index has all rows for everybody.
fn is_ready(index: &Index) -> bool {
    index.state == IndexState::Public && index.is_total() && index.keyspace.is_some()
}

/// The columns that the rows of a plan are in the order of, ascending, NULL last.
pub(super) fn sorted_columns(plan: &Plan) -> Vec<ColumnId> {
    let Some(order) = order_of(plan) else {
        return Vec::new();
    };
    let ascending = order.keys.iter().take_while(|key| !key.1 && !key.2);
    ascending.map(|key| key.0).collect()
}

/// The order in which a plan gives its rows.
fn order_of(plan: &Plan) -> Option<Order> {
    match plan {
        Plan::Scan(scan) => Some(order_of_scan(scan, scan.access.as_ref())),
        Plan::Filter { input, .. } | Plan::Limit { input, .. } => order_of(input),
        Plan::Project { input, items } => {
            let order = order_of(input)?;
            let renamed = |column: &ColumnId| {
                let item = items
                    .iter()
                    .find(|(_, item)| matches!(item, Expr::Column(of) if of == column));
                item.map(|(id, _)| *id)
            };
            let keys = order.keys.iter().map_while(|(column, descending, first)| {
                Some((renamed(column)?, *descending, *first))
            });
            let same = order.same.iter();
            let same = same.filter_map(|(own, other)| Some((renamed(own)?, renamed(other)?)));
            Some(Order {
                keys: keys.collect(),
                fixed: order.fixed.iter().filter_map(renamed).collect(),
                same: same.collect(),
            })
        }
        Plan::Sort { keys, .. } => Some(Order {
            fixed: Vec::new(),
            same: Vec::new(),
            keys: keys
                .iter()
                .filter(|key| !key.padded)
                .map(|key| (key.column, key.descending, key.nulls_first))
                .collect(),
        }),
        Plan::Join(join) => match (join.kind, join.method) {
            (JoinKind::Right | JoinKind::Full, _) => None,
            (JoinKind::Inner, JoinMethod::Merge) => {
                let mut order = order_of(&join.left)?;
                order.same.extend(&join.merged);
                Some(order)
            }
            (_, JoinMethod::Hash | JoinMethod::Nested | JoinMethod::Merge | JoinMethod::Marked) => {
                order_of(&join.left)
            }
        },
        _ => None,
    }
}

/// The order that a way to find rows gives.
fn order_of_scan(scan: &Scan, access: Option<&Access>) -> Order {
    let definition = scan.table.definition();
    let column = |id: u32| {
        let place = (id as usize).checked_sub(1)?;
        let column = scan.columns.iter().find(|(_, each)| *each == place);
        column.map(|(column, _)| *column)
    };
    let mut columns: Vec<(Option<ColumnId>, bool, bool)> = Vec::new();
    match access.and_then(|access| access.index) {
        None => {
            if let RowKeyColumns::Columns(ids) = &definition.row_key {
                columns.extend(ids.iter().map(|id| (column(*id), false, false)));
            }
        }
        Some(oid) => {
            let index = definition.indexes.iter().find(|index| index.oid == oid);
            let index = index.filter(|index| index.method == IndexMethod::BTree);
            for each in index.iter().flat_map(|index| &index.columns) {
                let id = match each.key {
                    IndexKey::Column(id) => column(id),
                    IndexKey::Expression { .. } => None,
                };
                columns.push((id, each.descending, each.nulls_first));
            }
        }
    }
    let fixed = access.map_or(0, |access| access.equal.len());
    let is_backward = access.is_some_and(|access| access.backward);
    let rest = columns.iter().skip(fixed);
    let keys = rest.map_while(|(column, descending, first)| {
        Some(((*column)?, descending ^ is_backward, first ^ is_backward))
    });
    Order {
        keys: keys.collect(),
        same: Vec::new(),
        fixed: columns
            .iter()
            .take(fixed)
            .filter_map(|each| each.0)
            .collect(),
    }
}

/// Whether rows in this order are sorted by the keys, read from either end.
fn gives(order: &Order, keys: &[SortKey]) -> Option<Direction> {
    let mut given = order.keys.iter();
    let mut direction = None;
    for key in keys {
        if key.padded {
            return None;
        }
        if order.fixed.contains(&key.column) {
            continue;
        }
        let (column, descending, nulls_first) = given.next()?;
        if !order.is_same(*column, key.column) {
            return None;
        }
        let here = match (
            *descending == key.descending,
            *nulls_first == key.nulls_first,
        ) {
            (true, true) => Direction::Forward,
            (false, false) => Direction::Backward,
            _ => return None,
        };
        if direction.is_some_and(|known| known != here) {
            return None;
        }
        direction = Some(here);
    }
    Some(direction.unwrap_or(Direction::Forward))
}

/// Has the scan read backward; whether that was possible.
fn turned(plan: &mut Plan) -> bool {
    match plan {
        Plan::Scan(scan) => {
            let access = scan.access.get_or_insert_with(|| Access::of(None));
            access.backward = !access.backward;
            true
        }
        Plan::Filter { input, .. } | Plan::Project { input, .. } => turned(input),
        // The sides of a merge go the same way.
        Plan::Join(join) if join.method != JoinMethod::Merge => turned(&mut join.left),
        _ => false,
    }
}

/// Tells the scan that somebody relies on its order.
fn mark_ordered(plan: &mut Plan, key: &SortKey) {
    match plan {
        Plan::Scan(scan) => {
            if let Some(access) = &mut scan.access
                && access.index.is_some()
            {
                access.order.push(key.clone());
            }
        }
        Plan::Project { input, items } => {
            let item = items.iter().find(|(id, _)| *id == key.column);
            if let Some((_, Expr::Column(column))) = item {
                let key = SortKey {
                    column: *column,
                    ..key.clone()
                };
                mark_ordered(input, &key);
            }
        }
        Plan::Filter { input, .. } | Plan::Limit { input, .. } => mark_ordered(input, key),
        Plan::Join(join) => {
            join.keeps_order = true;
            let same = join.merged.iter().find(|(_, right)| *right == key.column);
            let key = SortKey {
                column: same.map_or(key.column, |(left, _)| *left),
                ..key.clone()
            };
            mark_ordered(&mut join.left, &key);
        }
        _ => (),
    }
}

/// Below a limit: changes a scan to the index that gives the wanted order, if reading only so
/// many rows of it costs less than reading and sorting all.
fn use_index(plan: &mut Plan, wanted: f64, estimator: &Estimator<'_>) {
    let plan = match plan {
        Plan::Project { input, .. } => &mut **input,
        other => other,
    };
    let Plan::Sort { input, keys } = plan else {
        return;
    };
    let all = estimator.plan(input);
    let sorting = all.cost + all.rows * 0.02;
    let (scan, keys) = match scan_below(input, keys) {
        Some(found) => found,
        None => return,
    };
    if scan.access.is_some() {
        return;
    }
    let total = estimator.table_rows(scan);
    let share = (all.rows / total.max(1.0)).max(1e-9);
    let read = (wanted / share).min(total);
    if gives(&order_of_scan(scan, None), &keys).is_some() || read * 0.06 > sorting {
        return;
    }
    let definition = scan.table.definition().clone();
    for index in &definition.indexes {
        if !is_ready(index) {
            continue;
        }
        let access = Access::of(Some(index.oid));
        if gives(&order_of_scan(scan, Some(&access)), &keys).is_some() {
            scan.access = Some(access);
            return;
        }
    }
}

/// The scan that rows come from with nothing but filters and renaming between, and the keys by the
/// names it has for them.
fn scan_below<'p>(plan: &'p mut Plan, keys: &[SortKey]) -> Option<(&'p mut Scan, Vec<SortKey>)> {
    match plan {
        Plan::Scan(scan) => Some((scan, keys.to_vec())),
        Plan::Filter { input, .. } => scan_below(input, keys),
        Plan::Project { input, items } => {
            let keys = keys.iter().map(|key| {
                let item = items.iter().find(|(id, _)| *id == key.column);
                match item {
                    Some((_, Expr::Column(column))) => Some(SortKey {
                        column: *column,
                        ..key.clone()
                    }),
                    _ => None,
                }
            });
            let keys: Option<Vec<SortKey>> = keys.collect();
            scan_below(input, &keys?)
        }
        _ => None,
    }
}
