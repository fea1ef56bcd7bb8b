//! Scans made ready to run, and plans that are no more than a row.

use std::sync::Arc;

use rustdb_table::Projection;
use rustdb_types::{Base, RowReader};

use super::super::Node;
use super::super::access_path::AccessPath;
use super::super::keyed::Patch;
use super::super::nodes::Filter;
use super::super::point::{OneRow, Point, are_plain};
use super::super::scan::ScanNode;
use super::super::sweep::Sweep;
use super::super::write::{Kind, WriteNode};
use super::{Compiler, Outer, sort_keys};
use crate::bind::Write;
use crate::error::{Error, Result};
use crate::expr::{ColumnId, Expr};
use crate::plan::{Plan, Scan};

impl Compiler<'_> {
    pub(super) fn scan(&mut self, scan: &Scan, outer: &Outer) -> Result<ScanNode> {
        let places: Vec<usize> = scan.columns.iter().map(|(_, place)| *place).collect();
        let columns: Vec<ColumnId> = scan.columns.iter().map(|(id, _)| *id).collect();
        let access = match &scan.access {
            None => None,
            Some(access) => {
                let mut end = |end: &Option<(Expr, bool)>| match end {
                    None => Ok(None),
                    Some((expr, included)) => {
                        let mut expr = expr.clone();
                        self.expression(&mut expr, &[], outer)?;
                        Ok::<_, Error>(Some((expr, *included)))
                    }
                };
                let (lower, upper) = (end(&access.lower)?, end(&access.upper)?);
                let behind = access.behind_equal().map(|mut given| {
                    self.expression(given.value_mut(), &[], outer)?;
                    Ok::<_, Error>(given)
                });
                let behind = behind.collect::<Result<Vec<_>>>()?;
                let covers = access.index.is_some_and(|index| {
                    places
                        .iter()
                        .all(|place| scan.table.index_covers(index, *place))
                });
                Some(AccessPath {
                    index: access.index,
                    covers: covers && !places.is_empty(),
                    is_point: scan.is_keyed(),
                    equal: self.all(&access.equal, &[], outer)?,
                    behind,
                    integers: integers(scan),
                    lower,
                    upper,
                    backward: access.backward,
                    order: sort_keys(&access.order, &columns)?,
                    covered: match access.index {
                        None => Vec::new(),
                        Some(_) => self.all(&access.covered, &columns, outer)?,
                    },
                })
            }
        };
        Ok(ScanNode {
            table: scan.table.clone(),
            projection: Projection::Columns(places.clone()),
            reader: RowReader::new(scan.table.layout(), &places)?,
            places,
            with_key: scan.key.is_some(),
            access,
            tests: Vec::new(),
        })
    }

    /// A filter. What a scan right below it can tell by itself is left to the scan.
    pub(super) fn filter(
        &mut self,
        input: &Plan,
        conditions: &[Expr],
        outer: &Outer,
    ) -> Result<Arc<dyn Node>> {
        let is_volatile = conditions.iter().any(Expr::is_volatile);
        let Plan::Scan(scan) = input else {
            let input = self.plan(input, outer)?;
            return Ok(Arc::new(Filter {
                is_volatile,
                conditions: self.all(conditions, &input.columns, outer)?,
                input: input.node,
            }));
        };
        let conditions = self.all(conditions, &input.columns(), outer)?;
        let mut scan = self.scan(scan, outer)?;
        let conditions = scan.take_tests(conditions);
        let node = self.measured(input, Arc::new(scan));
        if conditions.is_empty() {
            return Ok(node);
        }
        Ok(Arc::new(Filter {
            is_volatile,
            conditions,
            input: node,
        }))
    }

    /// The plan as one row by its key, if it is that.
    pub(super) fn point(
        &mut self,
        plan: &Plan,
        columns: &[ColumnId],
        outer: &Outer,
    ) -> Result<Option<Point>> {
        let Some((items, conditions, scan)) = scan_below(plan) else {
            return Ok(None);
        };
        let Some(access) = scan.access.as_ref().filter(|_| scan.is_keyed()) else {
            return Ok(None);
        };
        let read: Vec<ColumnId> = scan.columns.iter().map(|(id, _)| *id).collect();
        let wanted: Option<Vec<Expr>> = match items {
            None => Some(columns.iter().map(|id| Expr::Column(*id)).collect()),
            Some(items) => columns
                .iter()
                .map(|id| {
                    let item = items.iter().find(|(item, _)| item == id);
                    item.map(|(_, item)| item.clone())
                })
                .collect(),
        };
        let Some(wanted) = wanted else {
            return Ok(None);
        };
        // Plain columns are read in the order in which they are wanted.
        let plain: Option<Vec<ColumnId>> = wanted
            .iter()
            .map(|item| match item {
                Expr::Column(id) => Some(*id),
                _ => None,
            })
            .collect();
        let key: &[ColumnId] = scan.key.as_slice();
        let plain = plain.filter(|plain| {
            let given = plain.strip_prefix(key);
            let all_read = conditions.is_empty() || read.iter().all(|id| plain.contains(id));
            all_read && given.is_some_and(|given| given.iter().all(|id| read.contains(id)))
        });
        let mine = plain.clone().unwrap_or_else(|| [key, &read[..]].concat());
        let items = match plain {
            Some(_) => None,
            None => Some(self.all(&wanted, &mine, outer)?),
        };
        let place = |id: &ColumnId| {
            let column = scan.columns.iter().find(|(column, _)| column == id);
            column.map(|(_, place)| *place)
        };
        Ok(Some(Point {
            table: scan.table.clone(),
            key: self.all(&access.equal, &[], outer)?,
            projection: Projection::Columns(mine[key.len()..].iter().filter_map(place).collect()),
            with_key: scan.key.is_some(),
            conditions: self.all(conditions, &mine, outer)?,
            items,
            is_brief: false,
        }))
    }

    /// A change of the rows that a scan finds as they are stored, if the statement is one.
    pub(super) fn sweep(
        &mut self,
        write: &Write,
        node: &WriteNode,
        outer: &Outer,
    ) -> Result<Option<Sweep>> {
        let is_more = node.one_row.is_some() || node.returning.is_some() || !node.checks.is_empty();
        if is_more || self.measures.is_some() {
            return Ok(None);
        }
        let Some((scan, conditions)) = scan_of_whole(&write.source, &write.columns) else {
            return Ok(None);
        };
        let mut scan_node = self.scan(scan, outer)?;
        let mut tested = 0;
        if scan_node.is_range() {
            let read = scan.columns.iter().map(|(id, _)| *id);
            let read: Vec<ColumnId> = read.chain(scan.key).collect();
            let of_scan = self.all(conditions, &read, outer)?;
            tested = conditions.len() - scan_node.take_leading_tests(of_scan).len();
        }
        let conditions = self.all(&conditions[tested..], &write.columns, outer)?;
        let change = node.kind.change();
        let patch = match (&node.kind, change.assignments) {
            (Kind::Update { .. }, Some(assignments)) => {
                Patch::of(&node.table, assignments, &conditions, 1)
            }
            (Kind::Delete { .. }, _) if are_plain(conditions.iter()) => {
                Patch::of_delete(&node.table, &conditions)
            }
            _ => None,
        };
        let Some(patch) = patch else {
            return Ok(None);
        };
        let scan = Arc::new(scan_node);
        let is_plain = are_plain(scan.exprs());
        Ok(is_plain.then_some(Sweep {
            scan,
            conditions,
            patch,
        }))
    }

    /// The one row that a plan gives, if it is a plan of that kind.
    pub(super) fn one_row(&mut self, plan: &Plan, columns: &[ColumnId]) -> Result<Option<OneRow>> {
        if self.measures.is_some() {
            return Ok(None);
        }
        if let Some(point) = self.point(plan, columns, &Outer::new())? {
            return Ok(Some(OneRow::point(point)));
        }
        let (items, plan) = match plan {
            Plan::Project { input, items } => (Some(items), &**input),
            other => (None, other),
        };
        let Plan::Values { columns: ids, rows } = plan else {
            return Ok(None);
        };
        let [row] = &rows[..] else {
            return Ok(None);
        };
        let outer = Outer::new();
        let mut stages = vec![self.all(row, &[], &outer)?];
        let mut given = ids.clone();
        if let Some(items) = items {
            let exprs: Vec<Expr> = items.iter().map(|(_, item)| item.clone()).collect();
            add_stage(&mut stages, self.all(&exprs, &given, &outer)?);
            given = items.iter().map(|(id, _)| *id).collect();
        }
        if given != columns {
            let exprs: Vec<Expr> = columns.iter().map(|id| Expr::Column(*id)).collect();
            add_stage(&mut stages, self.all(&exprs, &given, &outer)?);
        }
        Ok(Some(OneRow::Values(stages.into())))
    }
}

/// What a plan that is no more than a scan gives, the conditions on it, and the scan.
type ScanBelow<'p> = (Option<&'p [(ColumnId, Expr)]>, &'p [Expr], &'p Scan);

/// The scan of a plan that does no more to it than to filter its rows, and then to compute from each.
fn scan_below(plan: &Plan) -> Option<ScanBelow<'_>> {
    let (items, plan) = match plan {
        Plan::Project { input, items } => (Some(&items[..]), &**input),
        other => (None, other),
    };
    let (conditions, plan) = match plan {
        Plan::Filter { input, conditions } => (&conditions[..], &**input),
        other => (&[][..], other),
    };
    match plan {
        Plan::Scan(scan) => Some((items, conditions, scan)),
        _ => None,
    }
}

/// The scan of a plan that gives the key and all columns of a table's rows, in their order, and the
/// conditions on them.
fn scan_of_whole<'p>(plan: &'p Plan, columns: &[ColumnId]) -> Option<(&'p Scan, &'p [Expr])> {
    let (items, conditions, scan) = scan_below(plan)?;
    let is_same = |id: &ColumnId| match items {
        None => true,
        Some(items) => items
            .iter()
            .any(|(item, of)| item == id && matches!(of, Expr::Column(column) if column == id)),
    };
    let place = |id: &ColumnId| {
        let column = scan.columns.iter().find(|(column, _)| column == id);
        column.map(|(_, place)| *place)
    };
    let (key, others) = columns.split_first()?;
    let all = (0..scan.table.layout().len()).map(Some);
    let is_whole =
        scan.key == Some(*key) && others.iter().map(place).eq(all) && columns.iter().all(is_same);
    is_whole.then_some((scan, conditions))
}

/// Adds a stage, or makes it part of the one before it.
fn add_stage(stages: &mut Vec<Vec<Expr>>, stage: Vec<Expr>) {
    match stages.last_mut() {
        Some(last) if only_places(last, &stage) => {
            *last = stage
                .into_iter()
                .map(|item| match item {
                    Expr::Input(place) => last[place].clone(),
                    other => other,
                })
                .collect();
        }
        _ => stages.push(stage),
    }
}

/// Whether a stage does no more than to put what the one before it gives into other places: what
/// may fail or have an effect is still evaluated once, and in its order.
fn only_places(before: &[Expr], stage: &[Expr]) -> bool {
    let is_plain = |expr: &Expr| matches!(expr, Expr::Constant(_) | Expr::Parameter(_));
    let others = |expr: &Expr| match expr {
        Expr::Input(place) if !is_plain(&before[*place]) => Some(*place),
        _ => None,
    };
    let seen = stage.iter().filter_map(others);
    let all = (0..before.len()).filter(|place| !is_plain(&before[*place]));
    let only_moves = |expr: &Expr| is_plain(expr) || matches!(expr, Expr::Input(_));
    stage.iter().all(only_moves) && seen.eq(all)
}

/// For each column that a scan goes by, the greatest number if it is one of integers.
fn integers(scan: &Scan) -> Vec<Option<i64>> {
    let columns = &scan.table.definition().columns;
    let greatest = |id: u32| {
        let column = columns.get((id as usize).checked_sub(1)?)?;
        match column.column_type.without_domains().base()? {
            Base::Int2 => Some(i64::from(i16::MAX)),
            Base::Int4 => Some(i64::from(i32::MAX)),
            Base::Int8 => Some(i64::MAX),
            _ => None,
        }
    };
    scan.access_columns().into_iter().map(greatest).collect()
}
