//! Queries within expressions.

use rustdb_types::Type;
use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::Binder;
use super::expression::{Place, row_items};
use super::level::Level;
use super::query::BoundQuery;
use crate::error::{Error, Result, SqlState};
use crate::expr::{Expr, Subquery, SubqueryKind, Typed};
use crate::parse::place;
use crate::plan::Plan;

impl Binder<'_> {
    fn inner_query(&mut self, query: &ast::Query, at: &mut Place<'_, '_>) -> Result<BoundQuery> {
        self.enter_level(Level::around(at));
        self.subqueries += 1;
        let bound = self.query(query, at.scope);
        self.subqueries -= 1;
        let aggregates = self.leave_level();
        if let Some(collected) = at.collected.as_deref_mut() {
            collected.aggregates.extend(aggregates);
        }
        bound
    }

    pub(super) fn scalar_subquery(
        &mut self,
        query: &ast::Query,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let inner = self.inner_query(query, at)?;
        let of = only_type(&inner, query)?.clone();
        Ok(Typed::new(subquery(inner, SubqueryKind::Scalar), of))
    }

    /// `ARRAY(SELECT ...)`.
    pub(super) fn array_subquery(
        &mut self,
        query: &ast::Query,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let inner = self.inner_query(query, at)?;
        let of = only_type(&inner, query)?.array_of();
        Ok(Typed::new(subquery(inner, SubqueryKind::Array), of))
    }

    pub(super) fn exists(
        &mut self,
        query: &ast::Query,
        negated: bool,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let inner = self.inner_query(query, at)?;
        let exists = Typed::new(subquery(inner, SubqueryKind::Exists), Type::BOOL);
        Ok(Self::negated(exists, negated))
    }

    pub(super) fn in_subquery(
        &mut self,
        operand: &ast::Expr,
        query: &ast::Query,
        negated: bool,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let any = self.quantified(operand, "=", query, false, at)?;
        Ok(Self::negated(any, negated))
    }

    /// `left operator ANY|ALL (SELECT ...)`; `left` may be a row.
    pub(super) fn quantified(
        &mut self,
        left: &ast::Expr,
        name: &str,
        query: &ast::Query,
        all: bool,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let inner = self.inner_query(query, at)?;
        let items = row_items(left).unwrap_or_else(|| vec![left]);
        let test = Box::new(self.test_of(&items, name, &inner, at)?);
        let kind = match all {
            true => SubqueryKind::All(test),
            false => SubqueryKind::Any(test),
        };
        Ok(Typed::new(subquery(inner, kind), Type::BOOL))
    }

    /// `(a, b) operator (SELECT ...)`: a row and the only one of a query, NULL if that has none.
    pub(super) fn compare_with_row(
        &mut self,
        name: &str,
        items: &[&ast::Expr],
        query: &ast::Query,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let inner = self.inner_query(query, at)?;
        let test = self.test_of(items, name, &inner, at)?;
        let column = self.new_column();
        let plan = Plan::Project {
            input: Box::new(inner.plan),
            items: vec![(column, test)],
        };
        let subquery = Subquery {
            kind: SubqueryKind::Scalar,
            columns: vec![column],
            plan,
        };
        Ok(Typed::new(Expr::Subquery(Box::new(subquery)), Type::BOOL))
    }

    /// Compares a value, or a row, with the columns that a query gives.
    fn test_of(
        &mut self,
        items: &[&ast::Expr],
        name: &str,
        inner: &BoundQuery,
        at: &mut Place<'_, '_>,
    ) -> Result<Expr> {
        if inner.columns.len() != items.len() {
            let word = if inner.columns.len() < items.len() {
                "few"
            } else {
                "many"
            };
            let message = format!("subquery has too {word} columns");
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        let mut pairs = Vec::with_capacity(items.len());
        for (item, column) in items.iter().zip(&inner.columns) {
            let right = Typed::new(Expr::Column(column.id), column.of.clone());
            pairs.push((self.expression(item, at)?, right));
        }
        let test = match pairs.len() {
            1 => {
                let (left, right) = pairs.remove(0);
                self.operator(name, Some(left), right)?
            }
            _ => self.compare_pairs(name, pairs)?,
        };
        if test.of != Type::BOOL {
            let message = format!(
                "operator {name} must return type boolean, not type {}",
                test.of.name()
            );
            return Err(Error::new(SqlState::DATATYPE_MISMATCH, message));
        }
        Ok(test.expr)
    }
}

/// The type of the one column that a query gives.
fn only_type<'q>(inner: &'q BoundQuery, query: &ast::Query) -> Result<&'q Type> {
    match &inner.columns[..] {
        [only] => Ok(&only.of),
        _ => {
            let message = "subquery must return only one column";
            let error = Error::new(SqlState::SYNTAX_ERROR, message);
            Err(error.at_word_before(place(query.span()), "("))
        }
    }
}

fn subquery(inner: BoundQuery, kind: SubqueryKind) -> Expr {
    Expr::Subquery(Box::new(Subquery {
        kind,
        columns: inner.columns.iter().map(|column| column.id).collect(),
        plan: inner.plan,
    }))
}
