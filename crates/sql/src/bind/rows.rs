//! Row values: `(a, b) = (1, 2)`, `ROW(a, b)`.

use rustdb_types::{Operator, Type};
use sqlparser::ast;

use super::Binder;
use super::expression::Place;
use crate::error::{Error, Result, SqlState};
use crate::expr::{Expr, RowColumns, RowCompare, RowComparison, Typed};

impl Binder<'_> {
    pub(super) fn row(&mut self, items: &[ast::Expr], at: &mut Place<'_, '_>) -> Result<Typed> {
        let mut columns = Vec::with_capacity(items.len());
        for item in items {
            let item = self.expression(item, at)?;
            columns.push(self.settle(item)?);
        }
        Ok(row_of(columns))
    }

    /// Compares two rows that are written out, column by column.
    pub(super) fn compare_rows(
        &mut self,
        name: &str,
        left: &[&ast::Expr],
        right: &[&ast::Expr],
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        if left.len() != right.len() {
            let message = "unequal number of entries in row expressions";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        let mut pairs = Vec::with_capacity(left.len());
        for (left, right) in left.iter().zip(right) {
            pairs.push((self.expression(left, at)?, self.expression(right, at)?));
        }
        self.compare_pairs(name, pairs)
    }

    /// Compares the columns of two rows.
    pub(super) fn compare_pairs(
        &mut self,
        name: &str,
        pairs: Vec<(Typed, Typed)>,
    ) -> Result<Typed> {
        if pairs.is_empty() {
            let message = "cannot compare rows of zero length";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        }
        let kind = match name {
            "=" | "<>" => return self.compare_each(name, pairs),
            "<" => RowComparison::Less,
            "<=" => RowComparison::LessOrEqual,
            ">" => RowComparison::Greater,
            ">=" => RowComparison::GreaterOrEqual,
            other => {
                let message = format!(
                    "could not determine interpretation of row comparison operator {other}"
                );
                return Err(
                    Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).with_hint(
                        "Row comparison operators must be associated with btree operator families.",
                    ),
                );
            }
        };
        let mut rows = RowCompare {
            kind,
            equal: Vec::new(),
            less: Vec::new(),
            left: Vec::new(),
            right: Vec::new(),
        };
        for (left, right) in pairs {
            let (call, _) = self.operator_call("=", Some(left.clone()), right.clone())?;
            rows.equal.push(call.operator);
            rows.less.push(self.less(left, right)?);
            rows.left.extend(call.left);
            rows.right.push(call.right);
        }
        Ok(Typed::new(Expr::RowCompare(Box::new(rows)), Type::BOOL))
    }

    /// Whether all columns are equal, or one is not.
    fn compare_each(&mut self, name: &str, pairs: Vec<(Typed, Typed)>) -> Result<Typed> {
        let calls = pairs.into_iter().map(|(left, right)| {
            let (call, _) = self.operator_call(name, Some(left), right)?;
            Ok(Expr::Operator(Box::new(call)))
        });
        let mut calls = calls.collect::<Result<Vec<_>>>()?;
        let all = match (name, calls.len()) {
            (_, 1) => calls.remove(0),
            ("=", _) => Expr::And(calls),
            _ => Expr::Or(calls),
        };
        Ok(Typed::new(all, Type::BOOL))
    }

    fn less(&mut self, left: Typed, right: Typed) -> Result<&'static Operator> {
        Ok(self.operator_call("<", Some(left), right)?.0.operator)
    }
}

/// The row of these columns.
pub(super) fn row_of(columns: Vec<Typed>) -> Typed {
    let about = RowColumns::of_types(columns.iter().map(|column| &column.of));
    let columns = columns.into_iter().map(|column| column.expr).collect();
    Typed::new(Expr::Row(columns, about), Type::RECORD)
}
