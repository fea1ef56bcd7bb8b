//! Which columns a plan takes from outside.

use std::collections::BTreeSet;

use super::Plan;
use crate::expr::{ColumnId, Expr};

/// The columns that a plan uses and does not make.
pub fn free_columns(plan: &Plan) -> BTreeSet<ColumnId> {
    let mut used = BTreeSet::new();
    let mut made = BTreeSet::new();
    collect(plan, &mut used, &mut made);
    used.retain(|column| !made.contains(column));
    used
}

/// The columns that an expression uses, those that its subqueries take from outside included.
pub fn free_columns_of(expr: &Expr) -> BTreeSet<ColumnId> {
    let mut used = BTreeSet::new();
    add(expr, &mut used);
    used
}

fn add(expr: &Expr, used: &mut BTreeSet<ColumnId>) {
    expr.walk(&mut |part| match part {
        Expr::Column(id) => {
            used.insert(*id);
        }
        Expr::Subquery(subquery) => used.extend(free_columns(&subquery.plan)),
        _ => (),
    });
    // A subquery's test speaks of the subquery's own columns too.
    expr.walk(&mut |part| {
        if let Expr::Subquery(subquery) = part {
            for column in &subquery.columns {
                used.remove(column);
            }
        }
    });
}

fn collect(plan: &Plan, used: &mut BTreeSet<ColumnId>, made: &mut BTreeSet<ColumnId>) {
    // Ids are unique within a statement, so that one set of what is made anywhere below is enough.
    made.extend(plan.columns());
    if let Plan::Modify(write) = plan {
        made.extend(write.rows_in_the_way());
    }
    plan.for_each_expression(&mut |expr| add(expr, used));
    for input in plan.inputs() {
        collect(input, used, made);
    }
}

impl Plan {
    /// Whether it matters how often it is run.
    pub fn is_volatile(&self) -> bool {
        let mut volatile = matches!(self, Plan::Modify(_));
        self.for_each_expression(&mut |expr| volatile |= expr.is_volatile());
        volatile || self.inputs().into_iter().any(Plan::is_volatile)
    }

    /// Whether it reads rows of tables by their keys or by the entries of an index, few of each, and
    /// asks for nothing else that may change: it can be run again as if it had not been run.
    pub(crate) fn is_quick(&self) -> bool {
        let is_quick = match self {
            Plan::Scan(scan) => {
                let access = scan.access.as_ref();
                access.is_some_and(|access| !access.equal.is_empty())
            }
            Plan::Filter { .. } | Plan::Project { .. } | Plan::Join(_) => true,
            _ => false,
        };
        let mut is_plain = true;
        self.for_each_expression(&mut |expr| {
            expr.walk(&mut |part| {
                is_plain &= matches!(
                    part,
                    Expr::Constant(_)
                        | Expr::Column(_)
                        | Expr::Outer(_)
                        | Expr::Parameter(_)
                        | Expr::Operator(_)
                        | Expr::And(_)
                        | Expr::Or(_)
                        | Expr::Not(_)
                        | Expr::IsNull(_)
                        | Expr::Is(..)
                );
            });
        });
        is_quick && is_plain && self.inputs().into_iter().all(Plan::is_quick)
    }

    /// Calls `visit` for every expression of this node, not of those below.
    pub fn for_each_expression<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        match self {
            Plan::Scan(scan) => scan
                .access
                .iter()
                .flat_map(|access| access.expressions())
                .for_each(visit),
            Plan::Values { rows, .. } => rows.iter().flatten().for_each(visit),
            Plan::Filter { conditions, .. } => conditions.iter().for_each(visit),
            Plan::Aggregate(aggregate) => {
                aggregate.groups.iter().for_each(|group| visit(&group.expr));
                let calls = aggregate.calls.iter();
                calls
                    .flat_map(|(_, call)| call.expressions())
                    .for_each(visit);
            }
            Plan::Window(window) => window.expressions().for_each(visit),
            Plan::Lock(lock) => lock.expressions().for_each(visit),
            Plan::Function(rows) => {
                let calls = rows.calls.iter();
                calls.flat_map(|(call, _)| &call.arguments).for_each(visit);
            }
            Plan::Project { items, .. } => items.iter().for_each(|(_, item)| visit(item)),
            Plan::Join(join) => join.conditions.iter().for_each(visit),
            Plan::Limit { count, offset, .. } => count.iter().chain(offset).for_each(visit),
            Plan::Modify(write) => write.expressions().for_each(visit),
            Plan::Sort { .. }
            | Plan::Distinct { .. }
            | Plan::SetOperation(_)
            | Plan::With(_)
            | Plan::Named(_)
            | Plan::Recursive(_)
            | Plan::System(_) => (),
        }
    }

    /// As [`Plan::for_each_expression`], to change them.
    pub fn for_each_expression_mut(&mut self, visit: &mut impl FnMut(&mut Expr)) {
        match self {
            Plan::Scan(scan) => {
                let access = scan.access.iter_mut();
                access
                    .flat_map(|access| access.expressions_mut())
                    .for_each(visit);
            }
            Plan::Values { rows, .. } => rows.iter_mut().flatten().for_each(visit),
            Plan::Filter { conditions, .. } => conditions.iter_mut().for_each(visit),
            Plan::Aggregate(aggregate) => {
                let groups = aggregate.groups.iter_mut();
                groups.for_each(|group| visit(&mut group.expr));
                let calls = aggregate.calls.iter_mut();
                calls
                    .flat_map(|(_, call)| call.expressions_mut())
                    .for_each(visit);
            }
            Plan::Window(window) => window.expressions_mut().for_each(visit),
            Plan::Lock(lock) => lock.expressions_mut().for_each(visit),
            Plan::Function(rows) => {
                let calls = rows.calls.iter_mut();
                calls
                    .flat_map(|(call, _)| &mut call.arguments)
                    .for_each(visit);
            }
            Plan::Project { items, .. } => items.iter_mut().for_each(|(_, item)| visit(item)),
            Plan::Join(join) => join.conditions.iter_mut().for_each(visit),
            Plan::Limit { count, offset, .. } => {
                count.iter_mut().chain(offset).for_each(visit);
            }
            Plan::Modify(write) => write.expressions_mut().for_each(visit),
            Plan::Sort { .. }
            | Plan::Distinct { .. }
            | Plan::SetOperation(_)
            | Plan::With(_)
            | Plan::Named(_)
            | Plan::Recursive(_)
            | Plan::System(_) => (),
        }
    }

    /// Calls `visit` for the columns of its inputs that this node uses by themselves, not within
    /// an expression.
    pub fn for_each_column(&self, visit: &mut impl FnMut(ColumnId)) {
        match self {
            Plan::Sort { keys, .. } | Plan::Limit { ties: keys, .. } => {
                keys.iter().for_each(|key| visit(key.column));
            }
            Plan::Distinct { on, .. } => on.iter().copied().for_each(visit),
            Plan::SetOperation(operation) => {
                let columns = operation.left.1.iter().chain(&operation.right.1);
                columns.copied().for_each(visit);
            }
            Plan::Lock(lock) => lock.targets.iter().for_each(|target| visit(target.key)),
            Plan::With(with) => {
                let columns = with.tables.iter().flat_map(|table| &table.columns);
                columns.copied().for_each(visit);
            }
            Plan::Modify(write) => write.columns.iter().copied().for_each(visit),
            Plan::Recursive(recursive) => {
                let columns = recursive.base.1.iter().chain(&recursive.step.1);
                columns.copied().for_each(visit);
            }
            Plan::Scan(scan) => {
                let order = scan.access.iter().flat_map(|access| &access.order);
                order.for_each(|key| visit(key.column));
            }
            Plan::Values { .. }
            | Plan::System(_)
            | Plan::Filter { .. }
            | Plan::Project { .. }
            | Plan::Join(_)
            | Plan::Aggregate(_)
            | Plan::Window(_)
            | Plan::Named(_)
            | Plan::Function(_) => (),
        }
    }

    /// Calls `visit` for the plans of the subqueries in this plan's expressions, not for those
    /// within them.
    pub(crate) fn for_each_subquery(&mut self, visit: &mut dyn FnMut(&mut Plan)) {
        fn within(expr: &mut Expr, visit: &mut dyn FnMut(&mut Plan)) {
            if let Expr::Subquery(subquery) = expr {
                visit(&mut subquery.plan);
            }
            for child in expr.children_mut() {
                within(child, visit);
            }
        }
        self.for_each_expression_mut(&mut |expr| within(expr, visit));
        for input in self.inputs_mut() {
            input.for_each_subquery(visit);
        }
    }

    /// Replaces expressions in the whole plan, in its subqueries too; see [`Expr::rewrite`].
    pub fn rewrite(&mut self, replace: &mut dyn FnMut(&Expr) -> Option<Expr>) {
        self.for_each_expression_mut(&mut |expr| expr.rewrite(replace));
        for input in self.inputs_mut() {
            input.rewrite(replace);
        }
    }
}
