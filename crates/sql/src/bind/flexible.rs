//! What a statement wants of a flexible table: columns, and types for them.

use std::sync::Arc;

use rustdb_catalog::{Relation, Table};
use rustdb_types::Type;
use sqlparser::ast;
use sqlparser::ast::SetExpr;

use super::Binder;
use super::expression::Place;
use super::from::object_name;
use super::scope::Scope;
use super::write::{is_default, plain_target};
use crate::error::Result;
use crate::expr::{Expr, Typed};

/// A value for a column.
pub(crate) struct Given {
    pub(crate) column: String,
    /// Its type; none for NULL, and for what has its type from the column.
    pub(crate) of: Option<Type>,
    /// If it is an integer that is written out.
    pub(crate) integer: Option<i64>,
}

impl Binder<'_> {
    /// The flexible table that an INSERT or UPDATE writes to, and the values that are for its
    /// columns.
    pub(crate) fn flexible_target(
        &mut self,
        statement: &ast::Statement,
    ) -> Result<Option<(Arc<Table>, Vec<Given>)>> {
        let name = match statement {
            ast::Statement::Insert(insert) => match &insert.table {
                ast::TableObject::TableName(name) => name,
                _ => return Ok(None),
            },
            ast::Statement::Update(update) => match &update.table.relation {
                ast::TableFactor::Table { name, .. } => name,
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let Some(Relation::Table(table)) = self.find_relation(&object_name(name)?)? else {
            return Ok(None);
        };
        if !table.flexible {
            return Ok(None);
        }
        let given = match statement {
            ast::Statement::Insert(insert) => self.given_rows(insert, &table)?,
            ast::Statement::Update(update) => self.given_values(update)?,
            _ => Vec::new(),
        };
        Ok(Some((table, given)))
    }

    fn given_rows(&mut self, insert: &ast::Insert, table: &Table) -> Result<Vec<Given>> {
        let mut names: Vec<String> = Vec::new();
        for column in &insert.columns {
            names.extend(object_name(column)?.pop());
        }
        if insert.columns.is_empty() {
            names = table.live_columns().map(|each| each.name.clone()).collect();
        }
        let Some(query) = &insert.source else {
            return Ok(Vec::new());
        };
        let SetExpr::Values(values) = &*query.body else {
            let bound = self.query(query, &Scope::default())?;
            let columns = names.into_iter().zip(bound.columns);
            return Ok(columns
                .map(|(name, column)| of_column(name, column.of))
                .collect());
        };
        let mut given = Vec::new();
        for row in &values.rows {
            for (name, item) in names.iter().zip(&row.content) {
                if !is_default(item) {
                    given.push(self.given(name.clone(), item)?);
                }
            }
        }
        Ok(given)
    }

    /// The values of an UPDATE that are written out.
    fn given_values(&mut self, update: &ast::Update) -> Result<Vec<Given>> {
        let mut given = Vec::new();
        for assignment in &update.assignments {
            if let (Some(name), ast::Expr::Value(_) | ast::Expr::UnaryOp { .. }) =
                (plain_target(assignment), &assignment.value)
                && let Ok(one) = self.given(name, &assignment.value)
            {
                given.push(one);
            }
        }
        Ok(given)
    }

    fn given(&mut self, column: String, item: &ast::Expr) -> Result<Given> {
        let nothing = Scope::default();
        let typed = self.expression(item, &mut Place::new(&nothing, "VALUES"))?;
        let Typed { expr, of, .. } = typed;
        if of == Type::UNKNOWN {
            let of = match expr {
                Expr::Constant(value) if !value.is_null() => Some(Type::TEXT),
                _ => None,
            };
            let integer = None;
            return Ok(Given {
                column,
                of,
                integer,
            });
        }
        let integer = match item {
            ast::Expr::Value(value) => value.to_string().parse().ok(),
            ast::Expr::UnaryOp { expr, .. } => {
                expr.to_string().parse().ok().map(|number: i64| -number)
            }
            _ => None,
        };
        // A number with a point is one of floating point, as in rustty.
        let is_written = matches!(item, ast::Expr::Value(_) | ast::Expr::UnaryOp { .. });
        let is_float =
            of == Type::NUMERIC && is_written && item.to_string().contains(['.', 'e', 'E']);
        Ok(Given {
            column,
            of: Some(if is_float { Type::FLOAT8 } else { of }),
            integer,
        })
    }
}

fn of_column(column: String, of: Type) -> Given {
    Given {
        column,
        of: (of != Type::UNKNOWN).then_some(of),
        integer: None,
    }
}

impl Given {
    /// The type that a column has to have for the value, if it has this one now: `None` if the two
    /// do not go together. Only such types are taken that lose nothing of what is there.
    pub(crate) fn widened(&self, now: &Type) -> Option<Type> {
        let Some(of) = &self.of else {
            return Some(now.clone());
        };
        let of = match of {
            of if *of == Type::INT2 => &Type::INT4,
            of if *of == Type::FLOAT4 => &Type::FLOAT8,
            other => other,
        };
        if *now == Type::UNKNOWN || now == of {
            return Some(of.clone());
        }
        let rank = |of: &Type| {
            let ladder = [Type::INT4, Type::INT8, Type::NUMERIC];
            ladder.iter().position(|each| each == of)
        };
        if let (Some(mine), Some(theirs)) = (rank(now), rank(of)) {
            return Some(if mine < theirs {
                of.clone()
            } else {
                now.clone()
            });
        }
        let is_exact = |number: i64| number.unsigned_abs() <= 1 << 53;
        match (now, of) {
            (now, of) if *now == Type::INT4 && *of == Type::FLOAT8 => Some(Type::FLOAT8),
            (now, of) if *now == Type::FLOAT8 && *of == Type::INT4 => Some(Type::FLOAT8),
            (now, of) if *now == Type::FLOAT8 && *of == Type::INT8 => {
                self.integer.is_some_and(is_exact).then_some(Type::FLOAT8)
            }
            // A number that is written out is exact in a column of exact ones.
            (now, of) if *now == Type::NUMERIC && *of == Type::FLOAT8 => Some(Type::NUMERIC),
            (now, of) if now.name() == of.name() => Some(now.clone()),
            // A text is read as the column has it, where it is none of rustty's types.
            (now, of) if *of == Type::TEXT && !is_rusttys(now) => Some(now.clone()),
            _ => None,
        }
    }
}

fn is_rusttys(of: &Type) -> bool {
    [
        Type::INT4,
        Type::INT8,
        Type::NUMERIC,
        Type::FLOAT8,
        Type::BOOL,
    ]
    .contains(of)
}
