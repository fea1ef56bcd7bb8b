//! Aggregates that belong to a query further out.
//!
//! In `SELECT (SELECT max(t.a) FROM u) FROM t` the aggregate is one over the rows of `t`: an
//! aggregate belongs to the innermost query that makes a column of its arguments, and to its own
//! if they have none.

use std::collections::BTreeSet;

use super::Binder;
use super::aggregate::not_allowed;
use super::expression::Place;
use super::scope::{Relation, Scope};
use crate::error::{Error, Result, SqlState};
use crate::expr::ColumnId;
use crate::plan::{AggregateItem, free_columns_of};

/// A query, while one within it is bound.
#[derive(Debug)]
pub(super) struct Level {
    /// The columns of its FROM.
    columns: BTreeSet<ColumnId>,
    /// Where in it the inner query stands.
    clause: &'static str,
    within_aggregate: bool,
    /// Its aggregates that were found in the inner query, if there may be any.
    aggregates: Option<Vec<(ColumnId, AggregateItem)>>,
}

fn columns_of(scope: &Scope<'_>) -> BTreeSet<ColumnId> {
    let relations = scope.from.relations.iter();
    let numbers = relations.clone().filter_map(Relation::numbered);
    let columns = relations.flat_map(|relation| &relation.columns);
    let columns = columns.chain(&scope.from.visible);
    let columns = columns.map(|column| column.id);
    columns.chain(numbers.map(|column| column.id)).collect()
}

impl Level {
    /// A query with another in an expression.
    pub(super) fn around(at: &Place<'_, '_>) -> Level {
        Level {
            columns: columns_of(at.scope),
            clause: at.clause,
            within_aggregate: at.within_aggregate,
            aggregates: at.collected.is_some().then(Vec::new),
        }
    }

    /// A query with another in its FROM that sees what stands to its left.
    pub(super) fn beside(scope: &Scope<'_>) -> Level {
        Level {
            columns: columns_of(scope),
            clause: "FROM clause of their own query level",
            within_aggregate: false,
            aggregates: None,
        }
    }
}

impl Level {
    /// Whether one of its aggregates is among these columns.
    fn gives_any(&self, used: &BTreeSet<ColumnId>) -> bool {
        let mut aggregates = self.aggregates.iter().flatten();
        aggregates.any(|(id, _)| used.contains(id))
    }
}

/// The columns that a call reads.
fn used_by(item: &AggregateItem) -> BTreeSet<ColumnId> {
    let order = item.order.iter().map(|order| &order.expr);
    let exprs = item.arguments.iter().chain(&item.filter).chain(order);
    exprs.flat_map(free_columns_of).collect()
}

impl Binder<'_> {
    pub(super) fn enter_level(&mut self, level: Level) {
        self.levels.push(level);
    }

    /// Ends what the last `enter_level` began; gives the aggregates that the level has gained.
    pub(super) fn leave_level(&mut self) -> Vec<(ColumnId, AggregateItem)> {
        let level = self.levels.pop();
        level.and_then(|level| level.aggregates).unwrap_or_default()
    }

    /// The outer query that an aggregate belongs to; none is the query at hand.
    pub(super) fn outer_level(&self, item: &AggregateItem, at: &Place<'_, '_>) -> Option<usize> {
        if self.levels.is_empty() {
            return None;
        }
        let used = used_by(item);
        if !used.is_disjoint(&columns_of(at.scope)) {
            return None;
        }
        let mut levels = self.levels.iter();
        levels.rposition(|level| !level.columns.is_disjoint(&used) || level.gives_any(&used))
    }

    /// Puts an aggregate of an outer query aside there.
    pub(super) fn put_outside(&mut self, item: AggregateItem, level: usize) -> Result<ColumnId> {
        let id = self.new_column();
        let level = &mut self.levels[level];
        if level.within_aggregate || level.gives_any(&used_by(&item)) {
            let message = "aggregate function calls cannot be nested";
            return Err(Error::new(SqlState::GROUPING_ERROR, message));
        }
        let Some(aggregates) = &mut level.aggregates else {
            return Err(not_allowed(level.clause));
        };
        aggregates.push((id, item));
        Ok(id)
    }
}
