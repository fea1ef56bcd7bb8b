//! Plans: what a statement has to do, as a tree of operations on rows.
//!
//! The binder makes a plan that says what is wanted; `rules` make it a better one with the same
//! result; `exec` makes it run. Every node makes columns known by their [`ColumnId`]s, and the
//! expressions of the node above refer to those. A column that nothing below makes belongs to an
//! outer query: such a plan is run once for each row out there.

mod access;
mod columns;
mod estimate;
mod extremes;
mod factor;
mod fold;
mod lock;
mod lookup;
mod merge;
mod order;
mod prune;
mod rules;
mod sorted;
mod window;
mod with;

use std::sync::Arc;

use rustdb_catalog::{IndexKey, RowKeyColumns};
use rustdb_table::Table;
use rustdb_types::Oid;
use rustdb_types::aggregate::AggregateCall;

use crate::bind::Write;
use crate::exec::Context;
use crate::expr::{ColumnId, Expr, FunctionCall};
use crate::system::Relation;

pub use columns::{free_columns, free_columns_of};
pub use estimate::Methods;
pub(crate) use estimate::{Estimator, Figures};
pub use lock::{LockRows, LockTarget, LockWait};
pub use lookup::{Access, Given};
pub(crate) use merge::is_merged;
pub(crate) use prune::columns_read;
pub use window::{
    Frame, FrameBound, FrameExclusion, FrameUnits, RangeKey, Window, WindowCall, WindowItem,
};
pub use with::{NameNumber, NamedPlan, NamedRows, Recursive, With};

use rules::push_conditions;

/// A plan.
#[derive(Clone, PartialEq, Debug)]
pub enum Plan {
    /// The rows of a table.
    Scan(Box<Scan>),
    /// The rows of a relation of the system, which are computed.
    System(Box<SystemScan>),
    /// Rows written out.
    Values {
        /// The columns.
        columns: Vec<ColumnId>,
        /// For each row its columns.
        rows: Vec<Vec<Expr>>,
    },
    /// The rows for which the conditions hold.
    Filter {
        /// Where the rows come from.
        input: Box<Plan>,
        /// All of these.
        conditions: Vec<Expr>,
    },
    /// New columns for each row; those of the input that are not named among them are gone.
    Project {
        /// Where the rows come from.
        input: Box<Plan>,
        /// The columns.
        items: Vec<(ColumnId, Expr)>,
    },
    /// Two inputs side by side.
    Join(Box<Join>),
    /// One row for each group.
    Aggregate(Box<Aggregate>),
    /// Window functions.
    Window(Box<Window>),
    /// Rows that are locked as they pass.
    Lock(Box<LockRows>),
    /// Named queries, and what reads them.
    With(Box<With>),
    /// The rows of a named query.
    Named(Box<NamedRows>),
    /// Recursion.
    Recursive(Box<Recursive>),
    /// The rows that a function gives.
    Function(Box<FunctionRows>),
    /// Rows in order.
    Sort {
        /// Where the rows come from.
        input: Box<Plan>,
        /// By what, the most important first.
        keys: Vec<SortKey>,
    },
    /// Some rows of all.
    Limit {
        /// Where the rows come from.
        input: Box<Plan>,
        /// How many at most; NULL is no limit.
        count: Option<Expr>,
        /// How many to leave out first.
        offset: Option<Expr>,
        /// `WITH TIES`: also the rows after the last that are its equals by these keys.
        ties: Vec<SortKey>,
    },
    /// One row of those that are equal in these columns.
    Distinct {
        /// Where the rows come from; of equal rows the first is kept.
        input: Box<Plan>,
        /// The columns that are compared.
        on: Vec<ColumnId>,
        /// Those of them that are padded with blanks that do not count.
        padded: Vec<ColumnId>,
    },
    /// `UNION`, `INTERSECT`, `EXCEPT`.
    SetOperation(Box<SetOperation>),
    /// A statement in WITH that writes: the rows of its RETURNING.
    Modify(Box<Write>),
}

/// The rows of a table.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The table.
    pub table: Arc<Table>,
    /// What the statement calls it.
    pub alias: String,
    /// The columns that are read, and their places in rows.
    pub columns: Vec<(ColumnId, usize)>,
    /// A column for the row's key, if the row is to be found again.
    pub key: Option<ColumnId>,
    /// The column of the table's number, which is computed above the scan if it is asked for.
    pub(crate) tableoid: ColumnId,
    /// Which part of the table is read, and how; all of it, in the order of its keys, if nothing
    /// is said.
    pub access: Option<Access>,
    /// What the table's indexes have expressions for.
    pub expressions: Vec<IndexExpressions>,
}

/// The expressions of an index, over the columns of a scan.
#[derive(Clone, PartialEq, Debug)]
pub struct IndexExpressions {
    /// The index.
    pub index: Oid,
    /// Those that it is sorted by, in their order.
    pub keys: Vec<Expr>,
    /// What holds for the rows that it has.
    pub predicate: Vec<Expr>,
}

/// The rows of a relation of the system.
#[derive(Clone, Debug)]
pub struct SystemScan {
    /// The relation.
    pub(crate) relation: &'static Relation,
    /// The column of its number, which is computed above the scan if it is asked for.
    pub(crate) tableoid: ColumnId,
    /// The columns that are wanted, and their places in rows.
    pub columns: Vec<(ColumnId, usize)>,
}

impl PartialEq for SystemScan {
    fn eq(&self, other: &SystemScan) -> bool {
        std::ptr::eq(self.relation, other.relation) && self.columns == other.columns
    }
}

impl PartialEq for Scan {
    fn eq(&self, other: &Scan) -> bool {
        Arc::ptr_eq(&self.table, &other.table)
            && self.columns == other.columns
            && self.key == other.key
            && self.access == other.access
    }
}

impl Scan {
    /// Whether it finds the one row whose key it has in full.
    pub(crate) fn is_keyed(&self) -> bool {
        self.access.as_ref().is_some_and(|access| {
            access.index.is_none()
                && !access.narrows
                && !access.equal.is_empty()
                && access.equal.len() == self.access_columns().len()
        })
    }

    /// The columns of the key or index that it goes by; 0 stands for an expression.
    pub fn access_columns(&self) -> Vec<u32> {
        let definition = self.table.definition();
        match self.access.as_ref().and_then(|access| access.index) {
            None => match &definition.row_key {
                RowKeyColumns::Columns(ids) => ids.clone(),
                RowKeyColumns::Hidden => Vec::new(),
            },
            Some(oid) => {
                let index = definition.indexes.iter().find(|index| index.oid == oid);
                let columns = index.iter().flat_map(|index| &index.columns);
                let ids = columns.map(|column| match column.key {
                    IndexKey::Column(id) => id,
                    IndexKey::Expression { .. } => 0,
                });
                ids.collect()
            }
        }
    }
}

/// A join.
#[derive(Clone, PartialEq, Debug)]
pub struct Join {
    /// Which rows come out.
    pub kind: JoinKind,
    /// How it is done.
    pub method: JoinMethod,
    /// Whether something above relies on the order of the left input's rows.
    pub keeps_order: bool,
    /// Of a join that merges: the columns of the left and the right that conditions say are equal,
    /// and that both sides are sorted by.
    pub merged: Vec<(ColumnId, ColumnId)>,
    /// The left input.
    pub left: Plan,
    /// The right input. Columns of the left in it mean that it is run once for each row there.
    pub right: Plan,
    /// All of these have to hold for a pair of rows.
    pub conditions: Vec<Expr>,
}

/// How a join is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum JoinMethod {
    /// With a hash table of the right side, if some conditions say that values are equal; else by
    /// nested loops.
    #[default]
    Hash,
    /// By nested loops.
    Nested,
    /// Of a semi- or anti-join: with a hash table of the left side, whose rows are marked.
    Marked,
    /// By going through both sides together, which are sorted by [`Join::merged`].
    Merge,
}

/// Which rows come out of a join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JoinKind {
    /// Pairs.
    Inner,
    /// Pairs, and rows of the left without a partner.
    Left,
    /// Pairs, and rows of the right without a partner.
    Right,
    /// Pairs, and rows of either side without a partner.
    Full,
    /// Rows of the left with a partner, once each.
    Semi,
    /// Rows of the left without a partner.
    Anti,
}

/// What rows are sorted by.
#[derive(Clone, PartialEq, Debug)]
pub struct SortKey {
    /// The column.
    pub column: ColumnId,
    /// Whether greater values come first.
    pub descending: bool,
    /// Whether NULL comes first.
    pub nulls_first: bool,
    /// Whether blanks at the end do not count (`char(n)`).
    pub padded: bool,
}

/// Groups of rows, and what aggregates make of each.
#[derive(Clone, PartialEq, Debug)]
pub struct Aggregate {
    /// Where the rows come from.
    pub input: Plan,
    /// What rows are grouped by.
    pub groups: Vec<Group>,
    /// The grouping sets: for each the groups by index; the others are NULL. Plain GROUP BY is one
    /// set of all.
    pub sets: Vec<Vec<usize>>,
    /// The aggregates.
    pub calls: Vec<(ColumnId, AggregateItem)>,
    /// GROUPING: for each the groups, of which it says which are not in the row's set.
    pub groupings: Vec<(ColumnId, Vec<usize>)>,
    /// If the rows of each group come one after the other, because a table is read in the order of
    /// its key: by how many of the first columns of that key they are told apart.
    pub sorted: Option<usize>,
}

/// An expression that rows are grouped by.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    /// The column of the result.
    pub id: ColumnId,
    /// The expression.
    pub expr: Expr,
    /// Whether blanks at the end do not count.
    pub padded: bool,
}

/// An aggregate over the rows of a group.
#[derive(Clone, Debug)]
pub struct AggregateItem {
    /// The aggregate, and the types it was resolved for.
    pub call: AggregateCall,
    /// What it is given of each row; of an ordered-set aggregate what is sorted.
    pub arguments: Vec<Expr>,
    /// What an ordered-set aggregate is given once.
    pub direct: Vec<Expr>,
    /// Whether equal arguments count once.
    pub distinct: bool,
    /// Only rows for which this is true.
    pub filter: Option<Expr>,
    /// In which order it sees the rows.
    pub order: Vec<OrderItem>,
}

/// An expression that something is sorted by.
#[derive(Clone, PartialEq, Debug)]
pub struct OrderItem {
    /// The expression.
    pub expr: Expr,
    /// Whether greater values come first.
    pub descending: bool,
    /// Whether NULL comes first.
    pub nulls_first: bool,
    /// Whether blanks at the end do not count.
    pub padded: bool,
}

impl PartialEq for AggregateItem {
    fn eq(&self, other: &AggregateItem) -> bool {
        std::ptr::eq(self.call.aggregate(), other.call.aggregate())
            && self.call.types() == other.call.types()
            && self.arguments == other.arguments
            && self.direct == other.direct
            && self.distinct == other.distinct
            && self.filter == other.filter
            && self.order == other.order
    }
}

impl AggregateItem {
    /// The expressions in it.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        let order = self.order.iter().map(|item| &item.expr);
        let arguments = self.arguments.iter().chain(&self.direct);
        arguments.chain(&self.filter).chain(order)
    }

    /// The expressions in it, to change them.
    pub fn expressions_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let order = self.order.iter_mut().map(|item| &mut item.expr);
        let arguments = self.arguments.iter_mut().chain(&mut self.direct);
        arguments.chain(&mut self.filter).chain(order)
    }
}

/// Calls of set-returning functions, in lock-step: where one has no more rows it is NULL.
#[derive(Clone, PartialEq, Debug)]
pub struct FunctionRows {
    /// Each row of this is called with; its columns stay. One row without columns in FROM.
    pub input: Plan,
    /// The calls and their columns; several for a call that gives records.
    pub calls: Vec<(FunctionCall, Vec<ColumnId>)>,
    /// Numbers the rows from 1.
    pub ordinality: Option<ColumnId>,
}

/// A set operation on rows of the same columns.
#[derive(Clone, PartialEq, Debug)]
pub struct SetOperation {
    /// Which.
    pub kind: SetKind,
    /// Whether equal rows stay apart.
    pub all: bool,
    /// The columns of the result.
    pub columns: Vec<ColumnId>,
    /// The places of those that are padded with blanks that do not count.
    pub padded: Vec<usize>,
    /// The left input, and its columns in the result's order.
    pub left: (Plan, Vec<ColumnId>),
    /// The right input.
    pub right: (Plan, Vec<ColumnId>),
}

/// A set operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetKind {
    /// Rows of either.
    Union,
    /// Rows of both.
    Intersect,
    /// Rows of the left that are not in the right.
    Except,
}

/// Makes a plan better, with the same result.
///
/// What is constant is computed ([`fold`]); conditions go down ([`rules`]) and find keys and indexes
/// ([`access`]), `min` and `max` the ends of them ([`extremes`]); joins are put in order, and rows looked up where that costs less ([`order`]); sorts that change nothing are left out
/// ([`sorted`]), and what nobody looks at ([`prune`]).
pub(crate) fn improve(
    mut plan: Plan,
    wanted: &[ColumnId],
    figures: &dyn Figures,
    constants: &mut Context<'_>,
) -> Plan {
    fold::fold(&mut plan, constants);
    let mut plan = push_conditions(plan);
    access::choose_by_cost(&mut plan, figures);
    extremes::find_extremes(&mut plan);
    order::order_joins(&mut plan, figures);
    leave_out_sorts(&mut plan, figures);
    prune::prune(&mut plan, wanted);
    plan
}

/// Leaves out sorts that are not needed, in subqueries too.
fn leave_out_sorts(plan: &mut Plan, figures: &dyn Figures) {
    if plan.has_choices() {
        let estimator = Estimator::new(figures, plan);
        sorted::leave_out_sorts(plan, &estimator);
    }
    sorted::find_sorted_groups(plan);
    plan.for_each_subquery(&mut |plan| leave_out_sorts(plan, figures));
}

impl Plan {
    /// One row without columns: what `SELECT` without `FROM` works on.
    pub fn one_row() -> Plan {
        Plan::Values {
            columns: Vec::new(),
            rows: vec![Vec::new()],
        }
    }

    /// The same plan with conditions on its rows.
    #[must_use]
    pub fn filtered(self, conditions: Vec<Expr>) -> Plan {
        if conditions.is_empty() {
            return self;
        }
        Plan::Filter {
            input: Box::new(self),
            conditions,
        }
    }

    /// Whether there is something to decide by estimates: a join, or an order.
    fn has_choices(&self) -> bool {
        matches!(self, Plan::Join(_) | Plan::Sort { .. })
            || self.inputs().into_iter().any(Plan::has_choices)
    }

    /// Whether it is the one row with a given key.
    pub(crate) fn is_keyed(&self) -> bool {
        match self {
            Plan::Scan(scan) => scan.is_keyed(),
            Plan::Filter { input, .. } | Plan::Project { input, .. } => input.is_keyed(),
            _ => false,
        }
    }

    /// The plan's columns, in order.
    pub fn columns(&self) -> Vec<ColumnId> {
        match self {
            Plan::Scan(scan) => {
                let columns = scan.columns.iter().map(|(id, _)| *id);
                columns.chain(scan.key).collect()
            }
            Plan::System(scan) => scan.columns.iter().map(|(id, _)| *id).collect(),
            Plan::Values { columns, .. } => columns.clone(),
            Plan::Filter { input, .. }
            | Plan::Sort { input, .. }
            | Plan::Limit { input, .. }
            | Plan::Distinct { input, .. } => input.columns(),
            Plan::Project { items, .. } => items.iter().map(|(id, _)| *id).collect(),
            Plan::Join(join) => {
                let mut columns = join.left.columns();
                if !matches!(join.kind, JoinKind::Semi | JoinKind::Anti) {
                    columns.extend(join.right.columns());
                }
                columns
            }
            Plan::SetOperation(operation) => operation.columns.clone(),
            Plan::Aggregate(aggregate) => {
                let groups = aggregate.groups.iter().map(|group| group.id);
                groups
                    .chain(aggregate.calls.iter().map(|(id, _)| *id))
                    .chain(aggregate.groupings.iter().map(|(id, _)| *id))
                    .collect()
            }
            Plan::Lock(lock) => lock.input.columns(),
            Plan::With(with) => with.body.columns(),
            Plan::Named(rows) => rows.columns.clone(),
            Plan::Recursive(recursive) => recursive.columns.clone(),
            Plan::Modify(write) => {
                let returned = write.returning.iter().flatten();
                returned.map(|(column, _)| column.id).collect()
            }
            Plan::Window(window) => {
                let mut columns = window.input.columns();
                columns.extend(window.calls.iter().map(|(id, _)| *id));
                columns
            }
            Plan::Function(rows) => {
                let mut columns = rows.input.columns();
                columns.extend(rows.calls.iter().flat_map(|(_, columns)| columns));
                columns.extend(rows.ordinality);
                columns
            }
        }
    }

    /// The plan with more columns, computed from those that it has.
    pub(crate) fn making(self, made: Vec<(ColumnId, Expr)>) -> Plan {
        if made.is_empty() {
            return self;
        }
        let kept = self.columns().into_iter().map(|id| (id, Expr::Column(id)));
        let items = kept.chain(made).collect();
        Plan::Project {
            input: Box::new(self),
            items,
        }
    }

    /// The plans right below this one.
    pub fn inputs(&self) -> Vec<&Plan> {
        match self {
            Plan::Values { .. } | Plan::Scan(_) | Plan::System(_) => Vec::new(),
            Plan::Filter { input, .. }
            | Plan::Project { input, .. }
            | Plan::Sort { input, .. }
            | Plan::Limit { input, .. }
            | Plan::Distinct { input, .. } => vec![input],
            Plan::Join(join) => vec![&join.left, &join.right],
            Plan::SetOperation(operation) => vec![&operation.left.0, &operation.right.0],
            Plan::Aggregate(aggregate) => vec![&aggregate.input],
            Plan::Window(window) => vec![&window.input],
            Plan::Named(_) => Vec::new(),
            Plan::Lock(lock) => vec![&lock.input],
            Plan::With(with) => {
                let tables = with.tables.iter().map(|table| &table.plan);
                tables.chain([&with.body]).collect()
            }
            Plan::Recursive(recursive) => vec![&recursive.base.0, &recursive.step.0],
            Plan::Modify(write) => vec![&write.source],
            Plan::Function(rows) => vec![&rows.input],
        }
    }

    /// The plans right below this one, to change them.
    pub fn inputs_mut(&mut self) -> Vec<&mut Plan> {
        match self {
            Plan::Values { .. } | Plan::Scan(_) | Plan::System(_) => Vec::new(),
            Plan::Filter { input, .. }
            | Plan::Project { input, .. }
            | Plan::Sort { input, .. }
            | Plan::Limit { input, .. }
            | Plan::Distinct { input, .. } => vec![input],
            Plan::Join(join) => vec![&mut join.left, &mut join.right],
            Plan::SetOperation(operation) => vec![&mut operation.left.0, &mut operation.right.0],
            Plan::Aggregate(aggregate) => vec![&mut aggregate.input],
            Plan::Window(window) => vec![&mut window.input],
            Plan::Named(_) => Vec::new(),
            Plan::Lock(lock) => vec![&mut lock.input],
            Plan::With(with) => {
                let tables = with.tables.iter_mut().map(|table| &mut table.plan);
                tables.chain([&mut with.body]).collect()
            }
            Plan::Recursive(recursive) => vec![&mut recursive.base.0, &mut recursive.step.0],
            Plan::Modify(write) => vec![&mut write.source],
            Plan::Function(rows) => vec![&mut rows.input],
        }
    }
}
