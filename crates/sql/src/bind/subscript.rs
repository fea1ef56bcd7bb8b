//! What follows an expression: `array[1]`, `array[1:2]`, `(row).field`.

use rustdb_catalog::Column;
use rustdb_types::{CastContext, DIMENSIONS_MAX, Type, Value};
use sqlparser::ast;

use super::expression::{Place, row_items};
use super::scope::{NamedColumn, Scope};
use super::{Binder, name_of};
use crate::error::{Error, Result, SqlState};
use crate::expr::{Expr, Subscript, SubscriptBounds, Typed};
use crate::parse::parse_expression;
use crate::rewrite::ALL;

impl Binder<'_> {
    pub(super) fn subscripts(
        &mut self,
        root: &ast::Expr,
        chain: &[ast::AccessExpr],
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        // `t.c[1]` and `(ROW(1, 2)).f1`.
        if let [
            ast::AccessExpr::Dot(ast::Expr::Identifier(field)),
            rest @ ..,
        ] = chain
        {
            let field_of = match root {
                ast::Expr::Identifier(relation) => {
                    let parts = vec![relation.clone(), field.clone()];
                    self.expression(&ast::Expr::CompoundIdentifier(parts), at)?
                }
                _ => self.field(root, &name_of(field), at)?,
            };
            return match rest {
                [] => Ok(field_of),
                rest => self.subscripts_of(field_of, rest, at),
            };
        }
        let array = self.expression(root, at)?;
        self.subscripts_of(array, chain, at)
    }

    /// A column of a row that is written out.
    fn field(&mut self, root: &ast::Expr, name: &str, at: &mut Place<'_, '_>) -> Result<Typed> {
        let mut inner = root;
        while let ast::Expr::Nested(nested) = inner {
            inner = nested;
        }
        if let ast::Expr::Identifier(relation) = inner
            && at.scope.column(&name_of(relation), None).is_err()
        {
            let parts = vec![relation.clone(), ast::Ident::with_quote('"', name)];
            return self.expression(&ast::Expr::CompoundIdentifier(parts), at);
        }
        let Some(items) = row_items(inner) else {
            let typed = self.expression(root, at)?;
            if let Some(columns) = self.columns_of_set(&typed, at) {
                let mut columns = columns.into_iter();
                let found = columns.find(|column| column.name == name);
                return found
                    .map(|column| Typed::new(Expr::Column(column.id), column.of))
                    .ok_or_else(|| no_field(name));
            }
            if typed.of == Type::RECORD {
                return Err(Error::unsupported("a column of the type record"));
            }
            let message = format!(
                "column notation .{name} applied to type {}, which is not a composite type",
                typed.of.name()
            );
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        };
        let number = name
            .strip_prefix('f')
            .and_then(|digits| digits.parse::<usize>().ok());
        let index = number.and_then(|number| number.checked_sub(1));
        let mut found = None;
        for (place, item) in items.into_iter().enumerate() {
            let typed = self.expression(item, at)?;
            if Some(place) == index {
                found = Some(self.settle(typed)?);
            }
        }
        found.ok_or_else(|| no_field(name))
    }

    /// The columns of a set-returning function that was just put aside, if it gives rows of several:
    /// each is a column of its own from now on.
    fn columns_of_set(&mut self, set: &Typed, at: &mut Place<'_, '_>) -> Option<Vec<NamedColumn>> {
        let Expr::Column(id) = set.expr else {
            return None;
        };
        let sets = &mut at.collected.as_deref_mut()?.sets;
        let (call, ids) = sets.iter_mut().find(|(_, ids)| ids[..] == [id])?;
        let columns = &call.call.function().columns;
        if columns.len() < 2 {
            return None;
        }
        let named = columns.iter().map(|(name, of)| {
            Some(NamedColumn {
                name: (*name).to_owned(),
                id: self.new_column(),
                of: of.concrete()?.clone(),
            })
        });
        let named: Vec<NamedColumn> = named.collect::<Option<_>>()?;
        *ids = named.iter().map(|column| column.id).collect();
        Some(named)
    }

    /// The columns that `(row).*` stands for, if this is one.
    pub(super) fn all_fields(
        &mut self,
        written: &ast::Expr,
        at: &mut Place<'_, '_>,
    ) -> Result<Option<Vec<NamedColumn>>> {
        let ast::Expr::CompoundFieldAccess { root, access_chain } = written else {
            return Ok(None);
        };
        match &access_chain[..] {
            [ast::AccessExpr::Dot(ast::Expr::Identifier(name))] if name.value == ALL => (),
            _ => return Ok(None),
        }
        let mut inner = &**root;
        while let ast::Expr::Nested(nested) = inner {
            inner = nested;
        }
        if let ast::Expr::Identifier(name) = inner
            && let Ok(relation) = at.scope.relation(None, &name_of(name), None)
        {
            return Ok(Some(relation.columns.clone()));
        }
        let typed = self.expression(root, at)?;
        match self.columns_of_set(&typed, at) {
            Some(columns) => Ok(Some(columns)),
            None if typed.of == Type::RECORD => {
                Err(Error::unsupported("all columns of the type record"))
            }
            None => {
                let message = format!("type {} is not composite", typed.of.name());
                Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
            }
        }
    }

    fn subscripts_of(
        &mut self,
        array: Typed,
        chain: &[ast::AccessExpr],
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        if array.of.without_domains() == Type::JSONB {
            return self.json_subscripts(array, chain, at);
        }
        if chain.len() > DIMENSIONS_MAX {
            let message = format!(
                "number of array dimensions ({}) exceeds the maximum allowed ({DIMENSIONS_MAX})",
                chain.len()
            );
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        let of = array.of.without_domains();
        let Some(element) = of.element_type() else {
            let message = format!(
                "cannot subscript type {} because it does not support subscripting",
                array.of.name()
            );
            return Err(Error::new(SqlState::DATATYPE_MISMATCH, message));
        };
        let mut dimensions = Vec::with_capacity(chain.len());
        for access in chain {
            dimensions.push(match access {
                ast::AccessExpr::Subscript(ast::Subscript::Index { index }) => {
                    SubscriptBounds::Index(self.subscript_bound(index, at)?)
                }
                ast::AccessExpr::Subscript(ast::Subscript::Slice {
                    lower_bound,
                    upper_bound,
                    stride: None,
                }) => {
                    let mut end = |bound: &Option<ast::Expr>| match bound {
                        Some(bound) => self.subscript_bound(bound, at).map(Some),
                        None => Ok(None),
                    };
                    SubscriptBounds::Slice(end(lower_bound)?, end(upper_bound)?)
                }
                other => return Err(Error::unsupported(format!("the access {other}"))),
            });
        }
        let sliced = dimensions
            .iter()
            .any(|bounds| matches!(bounds, SubscriptBounds::Slice(..)));
        let subscript = Subscript {
            array: array.expr,
            dimensions,
            assigned: None,
            of_json: false,
        };
        let of = if sliced { of } else { element };
        Ok(Typed::new(Expr::Subscript(Box::new(subscript)), of))
    }

    /// The array of a column with a value in a part of it, which is written as `x[1:2]`.
    pub(super) fn with_part(
        &mut self,
        array: Expr,
        column: &Column,
        part: &str,
        value: Typed,
        at: &mut Place<'_, '_>,
    ) -> Result<Expr> {
        let of = column.column_type.without_domains();
        let written = parse_expression(part)?;
        let ast::Expr::CompoundFieldAccess { access_chain, .. } = &written else {
            return Err(Error::internal("a subscript is not one"));
        };
        let name = &column.name;
        if of == Type::JSONB {
            let value = self.part_value(value, &of, name)?;
            let whole = self.json_with(array, access_chain, value, at);
            let whole = whole.map_err(Error::elsewhere)?;
            return self.assign(Typed::new(whole, of), &column.column_type, name);
        }
        let array = Typed::new(array, of.clone());
        let mut typed = self
            .subscripts_of(array, access_chain, at)
            .map_err(Error::elsewhere)?;
        let assigned = self.part_value(value, &typed.of, name)?;
        if let Expr::Subscript(subscript) = &mut typed.expr {
            subscript.assigned = Some(assigned);
        }
        self.assign(Typed::new(typed.expr, of), &column.column_type, name)
    }

    /// The type of a part of a column, which is written as `x[1:2]`.
    pub(super) fn part_type(&mut self, column: &Column, part: &str) -> Result<Type> {
        let of = column.column_type.without_domains();
        let written = parse_expression(part)?;
        match &written {
            _ if of == Type::JSONB => Ok(of),
            ast::Expr::CompoundFieldAccess { access_chain, .. } => {
                let nothing = Scope::default();
                let array = Typed::new(Expr::Constant(Value::Null), of);
                let mut at = Place::new(&nothing, "VALUES");
                let typed = self.subscripts_of(array, access_chain, &mut at);
                typed.map(|typed| typed.of).map_err(Error::elsewhere)
            }
            _ => Err(Error::internal("a subscript is not one")),
        }
    }

    /// What is assigned to a part of a column, as one of the part's type.
    pub(super) fn part_value(&mut self, value: Typed, of: &Type, name: &str) -> Result<Expr> {
        let actual = value.of.clone();
        let begin = value.place;
        let assigned = self.coerce(value, of, CastContext::Assignment)?;
        assigned.ok_or_else(|| {
            let message = format!(
                "subscripted assignment to \"{name}\" requires type {} but expression is of type {}",
                of.name(),
                actual.name()
            );
            Error::new(SqlState::DATATYPE_MISMATCH, message)
                .with_hint("You will need to rewrite or cast the expression.")
                .at(begin)
        })
    }

    fn subscript_bound(&mut self, bound: &ast::Expr, at: &mut Place<'_, '_>) -> Result<Expr> {
        let bound = self.expression(bound, at)?;
        let place = bound.place;
        let coerced = self.coerce(bound, &Type::INT4, CastContext::Assignment)?;
        coerced.ok_or_else(|| {
            let message = "array subscript must have type integer";
            Error::new(SqlState::DATATYPE_MISMATCH, message).at(place)
        })
    }
}

fn no_field(name: &str) -> Error {
    let message = format!("could not identify column \"{name}\" in record data type");
    Error::new(SqlState::UNDEFINED_COLUMN, message)
}
