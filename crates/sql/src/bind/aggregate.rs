//! Calls of aggregates.
//!
//! While expressions are bound, a call of an aggregate becomes a column, and the call is put
//! aside; `grouping` has what becomes of it.

use rustdb_types::aggregate::{
    Aggregate as AggregateRow, AggregateCall, AggregateKind, aggregates_named,
};
use rustdb_types::{Type, resolve_function};
use sqlparser::ast;
use sqlparser::ast::{DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::Binder;
use super::expression::Place;
use super::select::check_equality;
use super::sort::check_ordered;
use super::window::CollectedWindow;
use crate::error::{Error, Result, SqlState};
use crate::expr::{ColumnId, Expr, Typed};
use crate::plan::{AggregateItem, OrderItem};

/// Calls that were put aside.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// Aggregates.
    pub(crate) aggregates: Vec<(ColumnId, AggregateItem)>,
    /// Set-returning functions.
    pub(crate) sets: Vec<(crate::expr::FunctionCall, Vec<ColumnId>)>,
    /// GROUPING, and what it asks of.
    pub(crate) groupings: Vec<(ColumnId, Vec<Expr>)>,
    /// Window functions.
    pub(crate) windows: Vec<CollectedWindow>,
    /// The WINDOW clause.
    pub(crate) named: Vec<ast::NamedWindowDefinition>,
}

impl Binder<'_> {
    /// An aggregate call, put aside.
    pub(super) fn aggregate(
        &mut self,
        name: &str,
        call: &ast::Function,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let rows = aggregates_named(name);
        let mut inner = Place::new(at.scope, "aggregate function");
        inner.within_aggregate = true;
        let (written, star, distinct, mut order) = self.aggregate_arguments(call)?;
        let mut arguments = Vec::with_capacity(written.len());
        for argument in written {
            arguments.push(self.expression(argument, &mut inner)?);
        }
        let direct_count = arguments.len();
        let within_group = !call.within_group.is_empty();
        if within_group {
            if distinct || !order.is_empty() {
                let message = match distinct {
                    true => "cannot use DISTINCT with WITHIN GROUP",
                    false => "cannot use multiple ORDER BY clauses with WITHIN GROUP",
                };
                return Err(Error::new(SqlState::SYNTAX_ERROR, message));
            }
            order = &call.within_group;
            for item in order {
                arguments.push(self.expression(&item.expr, &mut inner)?);
            }
        }
        check_star(name, star, arguments.is_empty())?;
        let is_hypothetical = |row: &AggregateRow| row.kind == AggregateKind::Hypothetical;
        if within_group && rows.iter().any(is_hypothetical) {
            self.match_sorted(&mut arguments, direct_count)?;
        }
        let (aggregate, types) = self.resolve_aggregate(name, rows, &arguments)?;
        check_within_group(aggregate, within_group)?;
        let resolved_types = types.types().to_vec();
        let mut cast = Vec::with_capacity(arguments.len());
        for (argument, of) in arguments.into_iter().zip(&resolved_types) {
            cast.push(self.aggregated(argument, of, distinct)?);
        }
        let mut item = AggregateItem {
            call: types,
            arguments: cast,
            direct: Vec::new(),
            distinct,
            filter: None,
            order: Vec::new(),
        };
        match within_group {
            false => item.order = self.order_within(order, &mut inner)?,
            true => {
                item.direct = item.arguments.drain(..direct_count).collect();
                let sorted = resolved_types.iter().skip(direct_count);
                let keys = order.iter().zip(item.arguments.iter()).zip(sorted);
                for ((written, expr), of) in keys {
                    item.order.push(self.order_item(written, expr.clone(), of)?);
                }
            }
        }
        if distinct {
            check_distinct(&item, &resolved_types)?;
            sort_distinct(aggregate, &mut item, &resolved_types);
        }
        if let Some(filter) = &call.filter {
            let filter = self.expression(filter, &mut inner)?;
            item.filter = Some(self.coerce_to_bool(filter, "FILTER")?);
        }
        self.put_aside(item, at)
    }

    /// An argument, of which equal ones are the same behind DISTINCT: `char` without blanks at
    /// its end.
    fn aggregated(&mut self, argument: Typed, of: &Type, distinct: bool) -> Result<Expr> {
        let argument = self.coerce_argument(argument, of)?;
        if !distinct || !of.varies_in_padding() || of.array {
            return Ok(argument);
        }
        let text = self.explicit_cast(Typed::new(argument, of.clone()), &Type::TEXT)?;
        Ok(self.explicit_cast(text, of)?.expr)
    }

    /// Makes what a hypothetical row has of the types of what is sorted.
    fn match_sorted(&mut self, arguments: &mut [Typed], direct: usize) -> Result<()> {
        for index in 0..direct {
            let Some(sorted) = arguments.get(direct + index) else {
                break;
            };
            let pair = vec![sorted.clone(), arguments[index].clone()];
            let (both, of) = self.unify(pair, "WITHIN GROUP")?;
            let places = [direct + index, index];
            for (place, expr) in places.into_iter().zip(both) {
                arguments[place] = Typed::new(expr, of.clone());
            }
        }
        Ok(())
    }

    fn put_aside(&mut self, item: AggregateItem, at: &mut Place<'_, '_>) -> Result<Typed> {
        let of = item.call.result().clone();
        if let Some(level) = self.outer_level(&item, at) {
            let id = self.put_outside(item, level)?;
            return Ok(Typed::new(Expr::Column(id), of));
        }
        if at.within_aggregate {
            let message = "aggregate function calls cannot be nested";
            return Err(Error::new(SqlState::GROUPING_ERROR, message));
        }
        let clause = at.clause;
        let Some(collected) = at.collected.as_deref_mut() else {
            return Err(not_allowed(clause));
        };
        if let Some((id, _)) = collected
            .aggregates
            .iter()
            .find(|(_, other)| *other == item)
        {
            return Ok(Typed::new(Expr::Column(*id), of));
        }
        let id = self.new_column();
        collected.aggregates.push((id, item));
        Ok(Typed::new(Expr::Column(id), of))
    }

    fn aggregate_arguments<'a>(
        &self,
        call: &'a ast::Function,
    ) -> Result<(Vec<&'a ast::Expr>, bool, bool, &'a [ast::OrderByExpr])> {
        let FunctionArguments::List(list) = &call.args else {
            return Err(Error::unsupported(format!("the call {call}")));
        };
        let mut order: &[ast::OrderByExpr] = &[];
        for clause in &list.clauses {
            match clause {
                ast::FunctionArgumentClause::OrderBy(items) => order = items,
                other => return Err(Error::unsupported(format!("`{other}` in a call"))),
            }
        }
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let mut star = false;
        let mut arguments = Vec::with_capacity(list.args.len());
        for argument in &list.args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.push(expr),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => star = true,
                other => return Err(Error::unsupported(format!("the argument `{other}`"))),
            }
        }
        if star && distinct {
            let message = "DISTINCT specified, but * is no argument";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        Ok((arguments, star, distinct, order))
    }

    fn resolve_aggregate(
        &self,
        name: &str,
        rows: &'static [AggregateRow],
        arguments: &[Typed],
    ) -> Result<(&'static AggregateRow, AggregateCall)> {
        let types: Vec<Type> = arguments
            .iter()
            .map(|argument| argument.of.clone())
            .collect();
        let candidates: Vec<_> = rows.iter().map(AggregateRow::candidate).collect();
        let resolved = resolve_function(name, &types, false, &candidates)?;
        let aggregate = &rows[resolved.index];
        Ok((aggregate, AggregateCall::new(aggregate, resolved)))
    }

    /// ORDER BY within a call, or of a window.
    pub(super) fn order_within(
        &mut self,
        order: &[ast::OrderByExpr],
        at: &mut Place<'_, '_>,
    ) -> Result<Vec<OrderItem>> {
        let mut items = Vec::with_capacity(order.len());
        for written in order {
            let typed = self.expression(&written.expr, at)?;
            let typed = self.settle(typed)?;
            items.push(self.order_item(written, typed.expr, &typed.of)?);
        }
        Ok(items)
    }

    pub(super) fn order_item(
        &self,
        written: &ast::OrderByExpr,
        expr: Expr,
        of: &Type,
    ) -> Result<OrderItem> {
        check_ordered(of)?;
        let key = self.sort_key(written, ColumnId(0), of)?;
        Ok(OrderItem {
            expr,
            descending: key.descending,
            nulls_first: key.nulls_first,
            padded: key.padded,
        })
    }
}

/// An aggregate stands where there are no groups.
pub(super) fn not_allowed(clause: &str) -> Error {
    let message = match clause {
        "JOIN/ON" => "aggregate functions are not allowed in JOIN conditions".to_owned(),
        clause => format!("aggregate functions are not allowed in {clause}"),
    };
    Error::new(SqlState::GROUPING_ERROR, message)
}

/// PostgreSQL finds what is distinct by sorting, which shows where the result lists the values.
fn sort_distinct(aggregate: &AggregateRow, item: &mut AggregateItem, types: &[Type]) {
    if !aggregate.name.ends_with("_agg") {
        return;
    }
    for (expr, of) in item.arguments.iter().zip(types) {
        if item.order.iter().all(|order| order.expr != *expr) {
            item.order.push(OrderItem {
                expr: expr.clone(),
                descending: false,
                nulls_first: false,
                padded: of.is_padded(),
            });
        }
    }
}

fn check_star(name: &str, star: bool, no_arguments: bool) -> Result<()> {
    let message = match (name, star, no_arguments) {
        ("count", false, true) => {
            "count(*) must be used to call a parameterless aggregate function".to_owned()
        }
        ("count", ..) | (_, false, _) => return Ok(()),
        (name, true, _) => format!("function {name}() does not exist"),
    };
    Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
}

fn check_within_group(aggregate: &AggregateRow, within_group: bool) -> Result<()> {
    let name = aggregate.name;
    let message = match (aggregate.kind, within_group) {
        (AggregateKind::Normal, true) => {
            format!("{name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP")
        }
        (AggregateKind::OrderedSet(_) | AggregateKind::Hypothetical, false) => {
            format!("WITHIN GROUP is required for ordered-set aggregate {name}")
        }
        _ => return Ok(()),
    };
    Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
}

/// DISTINCT needs equality, and an order only of what is compared.
fn check_distinct(item: &AggregateItem, types: &[Type]) -> Result<()> {
    for of in types {
        check_equality(of)?;
    }
    let mut order = item.order.iter();
    match order.all(|order| item.arguments.contains(&order.expr)) {
        true => Ok(()),
        false => Err(Error::new(
            SqlState::INVALID_COLUMN_REFERENCE,
            "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
        )),
    }
}
