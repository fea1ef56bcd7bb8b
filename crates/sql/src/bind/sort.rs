//! ORDER BY.

use std::collections::BTreeSet;

use rustdb_types::Type;
use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::expression::Place;
use super::query::BoundQuery;
use super::scope::{FromNames, Scope};
use super::sets::{SetCall, set_columns};
use super::{Binder, OutputColumn, name_of};
use crate::error::{Error, Result, SqlState};
use crate::expr::{ColumnId, Expr, Typed};
use crate::parse::place;
use crate::plan::{Plan, SortKey, free_columns_of};

/// What an item of ORDER BY (or GROUP BY) means if not an expression over the input.
#[derive(Debug)]
pub(super) enum Target {
    /// The output column with this index.
    Output(usize),
    /// An expression.
    Expression,
}

impl Binder<'_> {
    /// A number is a position, and a bare name an output column if there is one of that name.
    /// Where several are called so, all have to be the same of `items`, what the columns are.
    pub(super) fn output_target(
        &self,
        item: &ast::Expr,
        outputs: &[OutputColumn],
        items: &[(ColumnId, Expr)],
        clause: &str,
    ) -> Result<Target> {
        self.output_target_inner(item, outputs, items, clause)
            .map_err(|error| error.at(place(item.span())))
    }

    fn output_target_inner(
        &self,
        item: &ast::Expr,
        outputs: &[OutputColumn],
        items: &[(ColumnId, Expr)],
        clause: &str,
    ) -> Result<Target> {
        match item {
            ast::Expr::Value(value) => {
                let ast::Value::Number(digits, _) = &value.value else {
                    let message = format!("non-integer constant in {clause}");
                    return Err(Error::new(SqlState::SYNTAX_ERROR, message));
                };
                let position = digits.parse::<usize>().map_err(|_| {
                    let message = format!("non-integer constant in {clause}");
                    Error::new(SqlState::SYNTAX_ERROR, message)
                })?;
                let index = position
                    .checked_sub(1)
                    .filter(|index| *index < outputs.len());
                index.map(Target::Output).ok_or_else(|| {
                    let message = format!("{clause} position {position} is not in select list");
                    Error::new(SqlState::INVALID_COLUMN_REFERENCE, message)
                })
            }
            ast::Expr::Identifier(name) => {
                let folded = name_of(name);
                let mut found = outputs
                    .iter()
                    .enumerate()
                    .filter(|(_, output)| output.name == folded);
                let Some((first, output)) = found.next() else {
                    return Ok(Target::Expression);
                };
                if found.any(|(_, other)| !are_same(output, other, items)) {
                    let message = format!("{clause} \"{folded}\" is ambiguous");
                    return Err(Error::new(SqlState::AMBIGUOUS_COLUMN, message));
                }
                Ok(Target::Output(first))
            }
            _ => Ok(Target::Expression),
        }
    }

    /// A key for a column of this type, if it has an order.
    pub(super) fn sort_key(
        &self,
        item: &ast::OrderByExpr,
        column: ColumnId,
        of: &Type,
    ) -> Result<SortKey> {
        if item.with_fill.is_some() {
            return Err(Error::unsupported("ORDER BY ... WITH FILL"));
        }
        check_ordered(of)?;
        let descending = is_descending(item.options.sort.as_ref())?;
        Ok(SortKey {
            column,
            descending,
            nulls_first: item.options.nulls_first.unwrap_or(descending),
            padded: of.is_padded(),
        })
    }

    /// ORDER BY of a query that is no plain SELECT: by its output columns only.
    pub(super) fn sort_output(
        &mut self,
        bound: BoundQuery,
        order: &[ast::OrderByExpr],
        ties: &mut Vec<SortKey>,
        outer: &Scope<'_>,
    ) -> Result<BoundQuery> {
        if order.is_empty() {
            return Ok(bound);
        }
        let BoundQuery { plan, columns } = bound;
        let mut keys = Vec::with_capacity(order.len());
        for item in order {
            let index = match self.output_target(&item.expr, &columns, &[], "ORDER BY")? {
                Target::Output(index) => index,
                Target::Expression => {
                    // Names are still checked, so that a misspelt one is told as such.
                    let names = Scope {
                        parent: Some(outer),
                        from: FromNames::default(),
                    };
                    self.expression(&item.expr, &mut Place::new(&names, "ORDER BY"))?;
                    let message = "invalid UNION/INTERSECT/EXCEPT ORDER BY clause";
                    return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
                        .at(place(item.expr.span()))
                        .with_detail("Only result column names can be used, not expressions or functions.")
                        .with_hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause."));
                }
            };
            keys.push(self.sort_key(item, columns[index].id, &columns[index].of)?);
        }
        ties.clone_from(&keys);
        let plan = Plan::Sort {
            input: Box::new(plan),
            keys,
        };
        Ok(BoundQuery { plan, columns })
    }

    /// The column of a projection that holds this expression: one that is there, or a new one.
    pub(super) fn projected(
        &mut self,
        items: &mut Vec<(ColumnId, Expr)>,
        typed: Typed,
    ) -> ColumnId {
        if let Some((id, _)) = items.iter().find(|(_, item)| *item == typed.expr) {
            return *id;
        }
        let id = self.new_column();
        items.push((id, typed.expr));
        id
    }
}

/// Whether two output columns are one value, by what they are among `items`.
fn are_same(one: &OutputColumn, other: &OutputColumn, items: &[(ColumnId, Expr)]) -> bool {
    let item = |output: &OutputColumn| items.iter().find(|(id, _)| *id == output.id);
    let are_equal = || match (item(one), item(other)) {
        (Some((_, one)), Some((_, other))) => one == other,
        (None, _) | (_, None) => false,
    };
    one.id == other.id || one.of == other.of && are_equal()
}

/// The items that are computed before rows are sorted, and the columns of `input` that the others
/// need; those of outer queries are there anyway. Late is what takes rows of `sets`, which come
/// after the sort, and what is volatile and not sorted by, as `nextval`. `None` if that is nothing.
pub(super) fn before_sort(
    items: &[(ColumnId, Expr)],
    keys: &[SortKey],
    sets: &[SetCall],
    input: &Plan,
) -> Option<Vec<(ColumnId, Expr)>> {
    let made = set_columns(sets);
    let is_late = |(id, item): &(ColumnId, Expr)| {
        let is_volatile = item.is_volatile() && !keys.iter().any(|key| key.column == *id);
        is_volatile || !made.is_disjoint(&free_columns_of(item))
    };
    if keys.is_empty() || !items.iter().any(is_late) {
        return None;
    }
    let (late, mut before): (Vec<_>, Vec<_>) = items.iter().cloned().partition(is_late);
    let arguments = sets.iter().flat_map(|(call, _)| &call.arguments);
    let needed: BTreeSet<ColumnId> = late
        .iter()
        .map(|(_, item)| item)
        .chain(arguments)
        .flat_map(free_columns_of)
        .collect();
    let passed = input.columns().into_iter().filter(|id| needed.contains(id));
    before.extend(passed.map(|id| (id, Expr::Column(id))));
    Some(before)
}

/// An operator's name without the schema of those that are built in.
fn built_in(operator: &str) -> &str {
    let within = |quote: &str| operator.strip_prefix(&format!("{quote}pg_catalog{quote}."));
    within("").or_else(|| within("\"")).unwrap_or(operator)
}

fn is_descending(sort: Option<&ast::OrderBySort>) -> Result<bool> {
    match sort {
        None | Some(ast::OrderBySort::Asc) => Ok(false),
        Some(ast::OrderBySort::Desc) => Ok(true),
        Some(ast::OrderBySort::Using(name)) => match built_in(&name.to_string()) {
            "<" => Ok(false),
            ">" => Ok(true),
            other => {
                let message = format!("operator {other} is not a valid ordering operator");
                Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).with_hint(
                    "Ordering operators must be \"<\" or \">\" members of btree operator families.",
                ))
            }
        },
    }
}

/// Types without an order cannot be sorted by.
pub(super) fn check_ordered(of: &Type) -> Result<()> {
    if of.is_ordered() || *of == Type::RECORD {
        return Ok(());
    }
    let message = format!(
        "could not identify an ordering operator for type {}",
        of.name()
    );
    Err(Error::new(SqlState::UNDEFINED_FUNCTION, message)
        .with_hint("Use an explicit ordering operator or modify the query."))
}
