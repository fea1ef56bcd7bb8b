//! Queries with names: WITH, and recursion.

use super::{Plan, free_columns};
use crate::expr::{ColumnId, Expr};

/// Tells the rows of one named query from those of others in a statement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NameNumber(pub u32);

/// A plan whose parts read the rows of named queries. Such a query runs at most once for each run
/// of the whole, and no further than its readers ask.
#[derive(Clone, PartialEq, Debug)]
pub struct With {
    /// The queries; each can read those before it.
    pub tables: Vec<NamedPlan>,
    /// What gives the rows.
    pub body: Plan,
}

/// A query with a name.
#[derive(Clone, PartialEq, Debug)]
pub struct NamedPlan {
    /// Its number.
    pub number: NameNumber,
    /// Its name.
    pub name: String,
    /// Its visible columns.
    pub columns: Vec<ColumnId>,
    /// What gives its rows.
    pub plan: Plan,
}

/// The rows of a named query, or in a recursive term those of the step before.
#[derive(Clone, PartialEq, Debug)]
pub struct NamedRows {
    /// Whose rows.
    pub number: NameNumber,
    /// Its name.
    pub name: String,
    /// Whether these are the rows of the step before.
    pub is_working: bool,
    /// The columns, each with an id of its own here.
    pub columns: Vec<ColumnId>,
}

/// The rows of a first query, and of another one that is run over the rows it gave last, until it
/// gives none.
#[derive(Clone, PartialEq, Debug)]
pub struct Recursive {
    /// What the step reads the last rows by.
    pub number: NameNumber,
    /// Whether equal rows stay apart; else each is given once.
    pub all: bool,
    /// The columns of the result.
    pub columns: Vec<ColumnId>,
    /// The first query, and its columns in the result's order.
    pub base: (Plan, Vec<ColumnId>),
    /// The step.
    pub step: (Plan, Vec<ColumnId>),
}

impl With {
    /// Whether the rows of one of its tables are read once, so that nobody has to keep them.
    pub(crate) fn is_read_once(&self, number: NameNumber) -> bool {
        let plans = self.tables.iter().map(|table| &table.plan);
        let reads = plans.chain([&self.body]);
        reads.map(|plan| reads_of(plan, number, 1)).sum::<usize>() == 1
    }
}

/// How often a plan reads a named query, if it runs so many times itself; 2 stands for more.
fn reads_of(plan: &Plan, number: NameNumber, times: usize) -> usize {
    let mut reads = match plan {
        Plan::Named(rows) if rows.number == number && !rows.is_working => times,
        Plan::Join(join) => {
            let mine = join.left.columns();
            let taken = free_columns(&join.right);
            let is_again = taken.iter().any(|column| mine.contains(column));
            reads_of(&join.left, number, times)
                + reads_of(&join.right, number, if is_again { 2 } else { times })
        }
        Plan::Recursive(recursive) => {
            reads_of(&recursive.base.0, number, times) + reads_of(&recursive.step.0, number, 2)
        }
        other => {
            let inputs = other.inputs().into_iter();
            inputs.map(|input| reads_of(input, number, times)).sum()
        }
    };
    plan.for_each_expression(&mut |expr| {
        expr.walk(&mut |part| {
            if let Expr::Subquery(subquery) = part {
                reads += reads_of(&subquery.plan, number, 2);
            }
        });
    });
    reads
}

impl Plan {
    /// Calls `visit` for this plan and all below it, those of subqueries too.
    pub fn for_each_plan(&self, visit: &mut dyn FnMut(&Plan)) {
        visit(self);
        self.for_each_expression(&mut |expr| {
            expr.walk(&mut |part| {
                if let Expr::Subquery(subquery) = part {
                    subquery.plan.for_each_plan(visit);
                }
            });
        });
        for input in self.inputs() {
            input.for_each_plan(visit);
        }
    }

    /// Whether a part of it writes.
    pub fn modifies(&self) -> bool {
        let mut modifies = false;
        self.for_each_plan(&mut |plan| modifies |= matches!(plan, Plan::Modify(_)));
        modifies
    }

    /// How often the rows of a named query are read in this plan.
    pub fn readers(&self, number: NameNumber) -> usize {
        let mut readers = 0;
        self.for_each_plan(&mut |plan| {
            if let Plan::Named(rows) = plan {
                readers += usize::from(rows.number == number && !rows.is_working);
            }
        });
        readers
    }

    /// Puts the plan of a named query where its rows are read; what is left if that is nowhere.
    pub fn put_in_place(&mut self, table: NamedPlan) -> Option<NamedPlan> {
        let mut left = Some(table);
        put(self, &mut left);
        left
    }
}

fn put(plan: &mut Plan, table: &mut Option<NamedPlan>) {
    let Some(number) = table.as_ref().map(|table| table.number) else {
        return;
    };
    if let Plan::Named(rows) = plan {
        if rows.number == number
            && !rows.is_working
            && let Some(table) = table.take()
        {
            let items = rows.columns.iter().zip(&table.columns);
            let items = items.map(|(new, old)| (*new, Expr::Column(*old)));
            *plan = Plan::Project {
                items: items.collect(),
                input: Box::new(table.plan),
            };
        }
        return;
    }
    for input in plan.inputs_mut() {
        put(input, table);
    }
    let mut within = |expr: &mut Expr| put_within(expr, table);
    plan.for_each_expression_mut(&mut within);
}

fn put_within(expr: &mut Expr, table: &mut Option<NamedPlan>) {
    if let Expr::Subquery(subquery) = expr {
        put(&mut subquery.plan, table);
    }
    for child in expr.children_mut() {
        put_within(child, table);
    }
}
