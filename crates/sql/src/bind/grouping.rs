//! GROUP BY and what it makes of the expressions above it.
//!
//! Once all of a SELECT is bound, what equals an expression of GROUP BY becomes its column; a
//! column of FROM that is left over then is an error.

use std::collections::BTreeSet;

use rustdb_catalog::RowKeyColumns;
use rustdb_types::Type;
use sqlparser::ast;

use super::expression::Place;
use super::scope::{Relation, Scope};
use super::select::check_equality;
use super::sort::Target;
use super::{Binder, OutputColumn, name_of};
use crate::error::{Error, Position, Result, SqlState};
use crate::expr::{ColumnId, Expr, Typed};
use crate::plan::{Aggregate, AggregateItem, Group, Plan};
use crate::rewrite::GROUP_DISTINCT;

/// GROUP BY, bound.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    groups: Vec<Group>,
    /// For a group that was named by its place in the select list, the place.
    outputs: Vec<Option<usize>>,
    sets: Vec<Vec<usize>>,
}

/// The most grouping sets, as PostgreSQL has it.
const SETS_MAX: usize = 4096;

impl Binder<'_> {
    pub(super) fn group_by(
        &mut self,
        written: &ast::GroupByExpr,
        outputs: &[(OutputColumn, Expr)],
        scope: &Scope<'_>,
    ) -> Result<Grouping> {
        let items = match written {
            ast::GroupByExpr::Expressions(items, modifiers) if modifiers.is_empty() => items,
            other => return Err(Error::unsupported(format!("{other}"))),
        };
        let mut grouping = Grouping {
            sets: vec![Vec::new()],
            ..Grouping::default()
        };
        let is_distinct = items.first().is_some_and(
            |item| matches!(item, ast::Expr::Identifier(name) if name.value == GROUP_DISTINCT),
        );
        for item in items.iter().skip(usize::from(is_distinct)) {
            let choices = self.grouping_choices(item, outputs, scope, &mut grouping)?;
            let mut sets = Vec::with_capacity(grouping.sets.len() * choices.len());
            for set in &grouping.sets {
                for choice in &choices {
                    let mut both = set.clone();
                    both.extend(choice.iter().filter(|index| !set.contains(index)));
                    sets.push(both);
                }
            }
            if sets.len() > SETS_MAX {
                let message = format!("too many grouping sets present (maximum {SETS_MAX})");
                return Err(Error::new(SqlState::STATEMENT_TOO_COMPLEX, message));
            }
            grouping.sets = sets;
        }
        if is_distinct {
            let mut seen = BTreeSet::new();
            grouping.sets.retain(|set| {
                let mut sorted = set.clone();
                sorted.sort_unstable();
                seen.insert(sorted)
            });
        }
        Ok(grouping)
    }

    /// The sets that an item stands for: one, unless it is ROLLUP, CUBE or GROUPING SETS.
    fn grouping_choices(
        &mut self,
        item: &ast::Expr,
        outputs: &[(OutputColumn, Expr)],
        scope: &Scope<'_>,
        grouping: &mut Grouping,
    ) -> Result<Vec<Vec<usize>>> {
        let mut parts = |lists: &[Vec<ast::Expr>]| {
            let mut parts = Vec::with_capacity(lists.len());
            for list in lists {
                let mut part = Vec::with_capacity(list.len());
                for item in list {
                    part.push(self.group_item(item, outputs, scope, grouping)?);
                }
                parts.push(part);
            }
            Ok::<_, Error>(parts)
        };
        match item {
            ast::Expr::GroupingSets(lists) => parts(lists),
            ast::Expr::Rollup(lists) => {
                let parts = parts(lists)?;
                let prefixes = (0..=parts.len()).rev().map(|count| parts[..count].concat());
                Ok(prefixes.collect())
            }
            ast::Expr::Cube(lists) => {
                let parts = parts(lists)?;
                if parts.len() > 12 {
                    let message = "CUBE is limited to 12 elements";
                    return Err(Error::new(SqlState::TOO_MANY_COLUMNS, message));
                }
                let mut sets = Vec::with_capacity(1 << parts.len());
                for mask in (0..1_usize << parts.len()).rev() {
                    let chosen = parts.iter().enumerate();
                    let chosen = chosen.filter(|(index, _)| mask & (1 << index) != 0);
                    sets.push(chosen.flat_map(|(_, part)| part.clone()).collect());
                }
                Ok(sets)
            }
            ast::Expr::Tuple(items) => {
                let mut set = Vec::with_capacity(items.len());
                for item in items {
                    set.push(self.group_item(item, outputs, scope, grouping)?);
                }
                Ok(vec![set])
            }
            other => Ok(vec![vec![
                self.group_item(other, outputs, scope, grouping)?,
            ]]),
        }
    }

    /// An expression of GROUP BY: a name is one of FROM first, then one of the select list.
    fn group_item(
        &mut self,
        item: &ast::Expr,
        outputs: &[(OutputColumn, Expr)],
        scope: &Scope<'_>,
        grouping: &mut Grouping,
    ) -> Result<usize> {
        let columns: Vec<OutputColumn> = outputs.iter().map(|(column, _)| column.clone()).collect();
        let items: Vec<(ColumnId, Expr)> = outputs
            .iter()
            .map(|(column, expr)| (column.id, expr.clone()))
            .collect();
        let of_from = match item {
            ast::Expr::Identifier(name) => scope.from.find(&name_of(name), None)?.is_some(),
            _ => false,
        };
        let target = match of_from {
            true => Target::Expression,
            false => self.output_target(item, &columns, &items, "GROUP BY")?,
        };
        let output = match target {
            Target::Output(index) => Some(index),
            Target::Expression => None,
        };
        let typed = match target {
            Target::Output(index) => {
                let (column, expr) = &outputs[index];
                Typed::new(expr.clone(), column.of.clone())
            }
            Target::Expression => self.expression(item, &mut Place::new(scope, "GROUP BY"))?,
        };
        let typed = self.settle(typed)?;
        check_equality(&typed.of)?;
        // Two entries of the select list that are equal are two groups.
        let known = grouping.groups.iter().zip(&grouping.outputs);
        let found = known
            .map(|(group, place)| (&group.expr, place.zip(output)))
            .position(|(expr, places)| {
                *expr == typed.expr && places.is_none_or(|(one, other)| one == other)
            });
        if let Some(index) = found {
            return Ok(index);
        }
        grouping.outputs.push(output);
        grouping.groups.push(Group {
            id: self.new_column(),
            // Values of char(n) all have n letters, and are shown with them.
            padded: typed.of.varies_in_padding(),
            expr: typed.expr,
        });
        Ok(grouping.groups.len() - 1)
    }

    /// `GROUPING(a, b)`.
    pub(super) fn grouping_call(
        &mut self,
        call: &ast::Function,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let written = super::calls::plain_arguments(call)?;
        if written.len() > 31 {
            let message = "GROUPING must have fewer than 32 arguments";
            return Err(Error::new(SqlState::TOO_MANY_ARGUMENTS, message));
        }
        let mut inner = Place::new(at.scope, "GROUPING");
        inner.within_aggregate = true;
        let mut asked = Vec::with_capacity(written.len());
        for argument in written {
            let typed = self.expression(argument, &mut inner)?;
            asked.push(self.settle(typed)?.expr);
        }
        let id = self.new_column();
        let clause = at.clause;
        let Some(collected) = at.collected.as_deref_mut() else {
            let message = match clause {
                "JOIN/ON" => "grouping operations are not allowed in JOIN conditions".to_owned(),
                clause => format!("grouping operations are not allowed in {clause}"),
            };
            return Err(Error::new(SqlState::GROUPING_ERROR, message));
        };
        collected.groupings.push((id, asked));
        Ok(Typed::new(Expr::Column(id), Type::INT4))
    }

    /// Puts the groups between the input and what uses them: `users` are all expressions above.
    pub(super) fn grouped(
        &mut self,
        input: Plan,
        grouping: Grouping,
        mut aggregates: Vec<(ColumnId, AggregateItem)>,
        groupings: Vec<(ColumnId, Vec<Expr>)>,
        users: &mut [&mut Expr],
        scope: &Scope<'_>,
    ) -> Result<Plan> {
        let mut grouping = grouping;
        grouping.add_dependent(self, &input, users, scope);
        let groupings = grouping.asked(groupings)?;
        // The select list comes first among the users.
        for (group, place) in grouping.groups.iter().zip(&grouping.outputs) {
            if let Some(user) = place.and_then(|place| users.get_mut(place))
                && **user == group.expr
            {
                **user = Expr::Column(group.id);
            }
        }
        for user in users.iter_mut() {
            user.rewrite(&mut |expr| {
                let group = grouping.groups.iter().find(|group| group.expr == *expr);
                group.map(|group| Expr::Column(group.id))
            });
        }
        for (_, item) in &mut aggregates {
            for direct in &mut item.direct {
                direct.rewrite(&mut |expr| {
                    let group = grouping.groups.iter().find(|group| group.expr == *expr);
                    group.map(|group| Expr::Column(group.id))
                });
            }
        }
        let below: BTreeSet<ColumnId> = input.columns().into_iter().collect();
        for user in users.iter() {
            let used = crate::plan::free_columns_of(user);
            if let Some(column) = used.iter().find(|column| below.contains(column)) {
                return Err(ungrouped(*column, user, scope).at(self.place_of(*column)));
            }
        }
        for direct in aggregates.iter().flat_map(|(_, item)| &item.direct) {
            let used = crate::plan::free_columns_of(direct);
            if let Some(column) = used.iter().find(|column| below.contains(column)) {
                return Err(ungrouped(*column, direct, scope).at(self.place_of(*column)));
            }
        }
        // An aggregate of no group needs its arguments only.
        aggregates.sort_by_key(|(id, _)| *id);
        Ok(Plan::Aggregate(Box::new(Aggregate {
            input,
            groups: grouping.groups,
            sets: grouping.sets,
            calls: aggregates,
            groupings,
            sorted: None,
        })))
    }
}

impl Binder<'_> {
    /// Where a column was first named in the select list, in HAVING or in ORDER BY.
    fn place_of(&self, column: ColumnId) -> Option<Position> {
        let mut mentioned = self.mentioned.iter();
        mentioned.find_map(|(id, place)| (*id == column).then_some(*place))
    }
}

impl Grouping {
    /// The groups that GROUPING asks of.
    fn asked(&self, groupings: Vec<(ColumnId, Vec<Expr>)>) -> Result<Vec<(ColumnId, Vec<usize>)>> {
        let mut asked = Vec::with_capacity(groupings.len());
        for (id, exprs) in groupings {
            let find = |expr: &Expr| self.groups.iter().position(|group| group.expr == *expr);
            let groups: Option<Vec<usize>> = exprs.iter().map(find).collect();
            let groups = groups.ok_or_else(|| {
                let message =
                    "arguments to GROUPING must be grouping expressions of the associated query level";
                Error::new(SqlState::GROUPING_ERROR, message)
            })?;
            asked.push((id, groups));
        }
        Ok(asked)
    }

    /// A table whose primary key is grouped by has one row in each group: its other columns that
    /// are used are grouped by too, which changes nothing.
    fn add_dependent(
        &mut self,
        binder: &mut Binder<'_>,
        input: &Plan,
        users: &[&mut Expr],
        scope: &Scope<'_>,
    ) {
        let [set] = &mut self.sets[..] else {
            return;
        };
        let grouped: BTreeSet<ColumnId> = self
            .groups
            .iter()
            .filter_map(|group| match group.expr {
                Expr::Column(id) => Some(id),
                _ => None,
            })
            .collect();
        let mut fixed: BTreeSet<ColumnId> = BTreeSet::new();
        input.for_each_plan(&mut |plan| {
            let Plan::Scan(scan) = plan else {
                return;
            };
            let RowKeyColumns::Columns(ids) = &scan.table.definition().row_key else {
                return;
            };
            let is_grouped = |id: &u32| {
                let place = (*id as usize).checked_sub(1);
                let mut columns = scan.columns.iter();
                columns.any(|(column, at)| Some(*at) == place && grouped.contains(column))
            };
            if !ids.is_empty() && ids.iter().all(is_grouped) {
                fixed.extend(scan.columns.iter().map(|(column, _)| *column));
                fixed.insert(scan.tableoid);
            }
        });
        if fixed.is_empty() {
            return;
        }
        let used = users
            .iter()
            .flat_map(|user| crate::plan::free_columns_of(user));
        let used: BTreeSet<ColumnId> = used.collect();
        let named = scope.from.relations.iter().flat_map(Relation::all_columns);
        for id in named.map(|column| column.id) {
            if fixed.contains(&id) && used.contains(&id) && !grouped.contains(&id) {
                set.push(self.groups.len());
                self.outputs.push(None);
                self.groups.push(Group {
                    id: binder.new_column(),
                    padded: false,
                    expr: Expr::Column(id),
                });
            }
        }
    }

    /// Whether there is no GROUP BY.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.sets.iter().all(Vec::is_empty) && self.sets.len() == 1
    }
}

fn ungrouped(column: ColumnId, user: &Expr, scope: &Scope<'_>) -> Error {
    let mut direct = false;
    user.walk(&mut |expr| direct |= *expr == Expr::Column(column));
    let relations = scope.from.relations.iter();
    let name = relations
        .flat_map(|relation| relation.all_columns().map(move |named| (relation, named)))
        .find(|(_, named)| named.id == column)
        .map(|(relation, named)| format!("{}.{}", relation.name, named.name))
        .unwrap_or_default();
    let message = match direct {
        true => format!(
            "column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function"
        ),
        false => format!("subquery uses ungrouped column \"{name}\" from outer query"),
    };
    Error::new(SqlState::GROUPING_ERROR, message)
}
