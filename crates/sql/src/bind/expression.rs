//! Expressions.

use rustdb_types::{
    Cast, CastContext, Operator, Type, operator_exactly, operators_named, resolve_operator,
};
use sqlparser::ast;
use sqlparser::ast::{BinaryOperator, Spanned, UnaryOperator};

use super::aggregate::Collected;
use super::scope::Scope;
use super::{Binder, name_of};
use crate::error::{Error, Position, Result, SqlState};
use crate::expr::{ColumnId, Expr, OperatorCall, RowColumns, Typed};
use crate::parse::{begin_of_leaf, end_of, place};

/// Where an expression stands, and what may stand in it.
#[derive(Debug)]
pub(crate) struct Place<'a, 'p> {
    /// The names.
    pub(crate) scope: &'a Scope<'p>,
    /// The clause, for messages: `WHERE`.
    pub(crate) clause: &'static str,
    /// Where aggregates and set-returning functions are put aside, if they may stand here.
    pub(crate) collected: Option<&'a mut Collected>,
    /// Whether this is within the arguments of an aggregate.
    pub(crate) within_aggregate: bool,
    /// What to say of a window function, if none may stand here though aggregates may.
    pub(crate) no_windows: Option<&'static str>,
}

impl<'a, 'p> Place<'a, 'p> {
    pub(crate) fn new(scope: &'a Scope<'p>, clause: &'static str) -> Place<'a, 'p> {
        Place {
            scope,
            clause,
            collected: None,
            within_aggregate: false,
            no_windows: None,
        }
    }

    /// A place where aggregates may stand.
    pub(crate) fn collecting(
        scope: &'a Scope<'p>,
        clause: &'static str,
        collected: &'a mut Collected,
    ) -> Place<'a, 'p> {
        Place {
            collected: Some(collected),
            ..Place::new(scope, clause)
        }
    }
}

impl Binder<'_> {
    /// The expression with its type. Errors get the place of the smallest part that has one.
    pub(super) fn expression(&mut self, expr: &ast::Expr, at: &mut Place<'_, '_>) -> Result<Typed> {
        match self.expression_inner(expr, at) {
            Ok(typed) => Ok(typed.beginning(begin_of_leaf(expr))),
            Err(error) => Err(error.at(place(expr.span()))),
        }
    }

    fn expression_inner(&mut self, expr: &ast::Expr, at: &mut Place<'_, '_>) -> Result<Typed> {
        match expr {
            ast::Expr::Identifier(name) => self.column_reference(name, at),
            ast::Expr::CompoundIdentifier(parts) => self.compound_reference(parts, at),
            ast::Expr::Value(value) => self.literal(&value.value),
            ast::Expr::Nested(inner) => self.expression(inner, at),
            ast::Expr::BinaryOp { left, op, right } => self.binary(left, op, right, at),
            ast::Expr::UnaryOp { op, expr } => self.unary(*op, expr, at),
            ast::Expr::Cast {
                kind,
                expr,
                data_type,
                format,
            } => {
                if *kind == ast::CastKind::TryCast || format.is_some() {
                    return Err(Error::unsupported("this form of CAST"));
                }
                if let Some(kind) = super::system::object_type(data_type) {
                    let from = self.expression(expr, at)?;
                    return self.object_cast(kind, from);
                }
                if super::json_path::is_path(data_type) {
                    let from = self.expression(expr, at)?;
                    return self.path_cast(from);
                }
                let target = self.type_named(data_type)?;
                let operand = expr;
                let from = self.cast_operand(expr, &target, at)?;
                let from = match target.base().is_some_and(|base| base.is_text()) {
                    true => self.named_object(from)?,
                    false if target == Type::OID => self.number_of_object(from)?,
                    false => from,
                };
                let begin = from.place;
                let cast = self.explicit_cast(from, &target);
                let cast = cast.map_err(|error| match kind {
                    ast::CastKind::DoubleColon => error.at_word_behind(end_of(operand), "::"),
                    _ => error.at_word_before(place(operand.span()), "cast"),
                });
                cast.map(|cast| cast.beginning(begin))
            }
            ast::Expr::TypedString(literal) => {
                let target = self.type_of_constant(&literal.data_type)?;
                let from = self.literal(&literal.value.value)?;
                self.explicit_cast(from, &target)
            }
            ast::Expr::Interval(interval) => self.interval_literal(interval, at),
            ast::Expr::Subquery(query) => self.scalar_subquery(query, at),
            ast::Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(operand.as_deref(), conditions, else_result.as_deref(), at),
            ast::Expr::Array(array) => self.array(&array.elem, at),
            ast::Expr::CompoundFieldAccess { root, access_chain } => {
                self.subscripts(root, access_chain, at)
            }
            ast::Expr::Tuple(items) => self.row(items, at),
            ast::Expr::Collate { expr, collation } => self.collate(expr, collation, at),
            ast::Expr::Function(call) => self.call(call, at),
            other => self.test(other, at),
        }
    }

    fn column_reference(&mut self, name: &ast::Ident, at: &Place<'_, '_>) -> Result<Typed> {
        let folded = name_of(name);
        let found = at.scope.column(&folded, place(name.span));
        match found {
            Ok(column) => {
                self.mention(column.id, place(name.span), at);
                Ok(Typed::new(Expr::Column(column.id), column.of))
            }
            Err(error) => {
                if name.quote_style.is_none() {
                    if folded == "default" {
                        let message = "DEFAULT is not allowed in this context";
                        return Err(Error::new(SqlState::SYNTAX_ERROR, message));
                    }
                    if let Some(typed) = self.bare_call(&folded)? {
                        return Ok(typed);
                    }
                }
                if error.state() == SqlState::UNDEFINED_COLUMN {
                    if let Some(typed) = self.system_column(&folded, place(name.span), at)? {
                        return Ok(typed);
                    }
                    if at.scope.has_relation(&folded) {
                        return self.whole_row(&folded, at);
                    }
                }
                Err(at.scope.with_alike(error, None, &folded))
            }
        }
    }

    fn compound_reference(&mut self, parts: &[ast::Ident], at: &Place<'_, '_>) -> Result<Typed> {
        let names: Vec<String> = parts.iter().map(name_of).collect();
        let place = parts.first().and_then(|part| place(part.span));
        let (schema, relation, name) = match &names[..] {
            [relation, name] => (None, relation, name),
            [schema, relation, name] => (Some(schema.as_str()), relation, name),
            _ => {
                let message = format!(
                    "improper qualified name (too many dotted names): {}",
                    names.join(".")
                );
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(place));
            }
        };
        let error = match at.scope.qualified(schema, relation, name, place) {
            Ok(column) => {
                self.mention(column.id, place, at);
                return Ok(Typed::new(Expr::Column(column.id), column.of));
            }
            Err(error) => error,
        };
        if error.state() == SqlState::UNDEFINED_COLUMN {
            let found = at.scope.relation(schema, relation, place)?;
            if let Some(typed) = self.system_column_of(found, name, place, at)? {
                return Ok(typed);
            }
        }
        Err(match schema {
            None => at.scope.with_alike(error, Some(relation), name),
            Some(_) => error,
        })
    }

    /// Notes where a column is named, in case that it must not be.
    pub(super) fn mention(
        &mut self,
        column: ColumnId,
        place: Option<Position>,
        at: &Place<'_, '_>,
    ) {
        if let (Some(_), Some(place)) = (&at.collected, place) {
            self.mentioned.push((column, place));
        }
    }

    /// The row of a relation, or the value of a function in FROM that gives no rows.
    fn whole_row(&mut self, name: &str, at: &Place<'_, '_>) -> Result<Typed> {
        let relation = at.scope.relation(None, name, None)?;
        if let (true, [column]) = (relation.is_scalar, &relation.columns[..]) {
            return Ok(Typed::new(Expr::Column(column.id), column.of.clone()));
        }
        let columns = relation.columns.iter();
        let names: Vec<Box<str>> = columns
            .clone()
            .map(|column| column.name.as_str().into())
            .collect();
        let about = RowColumns {
            names: Some(names.into()),
            ..RowColumns::of_types(columns.clone().map(|column| &column.of))
        };
        let columns = columns.map(|column| Expr::Column(column.id)).collect();
        Ok(Typed::new(Expr::Row(columns, about), Type::RECORD))
    }

    // ----------------------------------------------------------------------------- operators

    /// An infix or prefix operator, by its name.
    pub(super) fn operator(
        &mut self,
        name: &str,
        left: Option<Typed>,
        right: Typed,
    ) -> Result<Typed> {
        let begin = left.as_ref().and_then(|left| left.place);
        let begin = begin.or(right.place);
        let left = match self.path_operator(name, left, &right)? {
            Ok(typed) => return Ok(typed.beginning(begin)),
            Err(left) => left,
        };
        let (call, of) = self.operator_call(name, left, right)?;
        Ok(Typed::new(Expr::Operator(Box::new(call)), of).beginning(begin))
    }

    /// The operator that is meant, with its operands cast, and the type of its result.
    pub(super) fn operator_call(
        &mut self,
        name: &str,
        left: Option<Typed>,
        right: Typed,
    ) -> Result<(OperatorCall, Type)> {
        if let Some(found) = self.exact_operator(name, left.as_ref(), &right)? {
            return Ok(found);
        }
        let left_type = left.as_ref().map(|left| left.of.clone());
        let named: Vec<&'static Operator> = operators_named(name)
            .filter(|operator| operator.left.is_some() == left.is_some())
            .collect();
        let parameters: Vec<_> = named.iter().map(|operator| operator.parameters()).collect();
        let candidates: Vec<_> = named
            .iter()
            .zip(&parameters)
            .map(|(operator, parameters)| operator.candidate(parameters))
            .collect();
        let resolved = resolve_operator(name, left_type.as_ref(), &right.of, &candidates)?;
        let mut types = resolved.arguments.iter();
        let mut next = || {
            types
                .next()
                .ok_or_else(|| Error::internal("an operator without the types of its operands"))
        };
        let left = match left {
            Some(left) => Some(self.coerce_argument(left, next()?)?),
            None => None,
        };
        let right = self.coerce_argument(right, next()?)?;
        let operator = named[resolved.index];
        let padded = |of: &Type| of.array && of.is_padded();
        let (left, right) = match resolved.arguments.iter().all(padded) {
            // Operators of all arrays see no type; those that tell something leave blanks out.
            true if resolved.result == Type::BOOL => (left.map(unpadded), unpadded(right)),
            _ => (left, right),
        };
        let call = OperatorCall {
            operator,
            left,
            right,
        };
        Ok((call, resolved.result))
    }

    /// As [`Binder::operator_call`], for the types that an operator has as they are: most calls.
    fn exact_operator(
        &mut self,
        name: &str,
        left: Option<&Typed>,
        right: &Typed,
    ) -> Result<Option<(OperatorCall, Type)>> {
        let left_type = left.map(|left| &left.of);
        let Some(operator) = operator_exactly(name, left_type, &right.of) else {
            return Ok(None);
        };
        let (Some(of_right), Some(result)) =
            (operator.right.concrete(), operator.result.concrete())
        else {
            return Ok(None);
        };
        let left = match (left, operator.left.as_ref().and_then(|of| of.concrete())) {
            (Some(left), Some(of)) => Some(self.coerce_argument(left.clone(), of)?),
            (None, None) => None,
            _ => return Ok(None),
        };
        let call = OperatorCall {
            operator,
            left,
            right: self.coerce_argument(right.clone(), of_right)?,
        };
        Ok(Some((call, result.clone())))
    }

    fn binary(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        if matches!(op, BinaryOperator::And | BinaryOperator::Or) {
            let word = if *op == BinaryOperator::And {
                "AND"
            } else {
                "OR"
            };
            let left = self.expression(left, at)?;
            let begin = left.place;
            let left = self.coerce_to_bool(left, word)?;
            let right = self.expression(right, at)?;
            let right = self.coerce_to_bool(right, word)?;
            let expr = match op {
                BinaryOperator::And => Expr::And(flat_and(left, right)),
                _ => Expr::Or(flat_or(left, right)),
            };
            return Ok(Typed::new(expr, Type::BOOL).beginning(begin));
        }
        if *op == BinaryOperator::Overlaps {
            return self.overlaps(left, right, at);
        }
        let name = operator_name(op)?;
        let written = left;
        let result = match (row_items(left), row_items(right)) {
            (Some(left), Some(right)) => self.compare_rows(&name, &left, &right, at),
            (Some(items), None) if let Some(query) = query_of(right) => {
                self.compare_with_row(&name, &items, query, at)
            }
            _ => {
                let left = self.expression(left, at)?;
                let right = self.expression(right, at)?;
                self.operator(&name, Some(left), right)
            }
        };
        result.map_err(|error| at_operator(error, written, op))
    }

    /// `(start, end) OVERLAPS (start, end)`.
    fn overlaps(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let mut arguments = Vec::with_capacity(4);
        for (side, operand) in [("left", left), ("right", right)] {
            let Some(items) = row_items(operand).filter(|items| items.len() == 2) else {
                let message =
                    format!("wrong number of parameters on {side} side of OVERLAPS expression");
                return Err(Error::new(SqlState::SYNTAX_ERROR, message));
            };
            for item in items {
                arguments.push(self.expression(item, at)?);
            }
        }
        self.function(&["overlaps".to_owned()], arguments, Some(at))
    }

    fn unary(
        &mut self,
        op: UnaryOperator,
        operand: &ast::Expr,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let name = match op {
            UnaryOperator::Not => {
                let inner = self.expression(operand, at)?;
                let inner = self.coerce_to_bool(inner, "NOT")?;
                return Ok(Typed::new(Expr::Not(Box::new(inner)), Type::BOOL));
            }
            UnaryOperator::Minus => {
                // `-2147483648` is an integer, though `2147483648` alone is not.
                if let ast::Expr::Value(value) = operand
                    && let ast::Value::Number(digits, _) = &value.value
                {
                    return self.number(&format!("-{digits}"));
                }
                "-"
            }
            UnaryOperator::Plus => "+",
            UnaryOperator::BitwiseNot => "~",
            UnaryOperator::PGAbs => "@",
            UnaryOperator::PGSquareRoot => "|/",
            UnaryOperator::PGCubeRoot => "||/",
            UnaryOperator::PGPrefixFactorial => "!!",
            other => return Err(Error::unsupported(format!("the operator {other}"))),
        };
        let begin = place(operand.span());
        let operand = self.expression(operand, at)?;
        self.operator(name, None, operand)
            .map_err(|error| error.at_word_before(begin, name))
    }

    /// `name(left, right)` negated if asked.
    pub(super) fn negated(typed: Typed, negated: bool) -> Typed {
        match negated {
            true => Typed::new(Expr::Not(Box::new(typed.expr)), typed.of),
            false => typed,
        }
    }

    fn collate(
        &mut self,
        operand: &ast::Expr,
        collation: &ast::ObjectName,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let behind = end_of(operand);
        let name = collation
            .0
            .last()
            .and_then(|part| part.as_ident())
            .map(name_of);
        let name = name.unwrap_or_default();
        if !["C", "POSIX", "default", "ucs_basic"].contains(&name.as_str()) {
            let message = format!("collation \"{name}\" for encoding \"UTF8\" does not exist");
            return Err(Error::new(SqlState::UNDEFINED_OBJECT, message)
                .with_hint("Text sorts by its bytes: collation \"C\".")
                .at_word_behind(behind, "COLLATE"));
        }
        let operand = self.expression(operand, at)?;
        let operand = self.settle(operand)?;
        if !operand.of.base().is_some_and(rustdb_types::Base::is_text) {
            let message = format!("collations are not supported by type {}", operand.of.name());
            return Err(
                Error::new(SqlState::DATATYPE_MISMATCH, message).at_word_behind(behind, "COLLATE")
            );
        }
        Ok(operand)
    }
}

/// An error of an operator behind an operand. How `<>` was written is not known.
fn at_operator(error: Error, left: &ast::Expr, op: &BinaryOperator) -> Error {
    let word = match op {
        BinaryOperator::PGCustomBinaryOperator(_) => "OPERATOR".to_owned(),
        other => other.to_string(),
    };
    error.at_word_behind(end_of(left), &word)
}

fn flat_and(left: Expr, right: Expr) -> Vec<Expr> {
    let mut parts = match left {
        Expr::And(parts) => parts,
        other => vec![other],
    };
    parts.push(right);
    parts
}

fn flat_or(left: Expr, right: Expr) -> Vec<Expr> {
    let mut parts = match left {
        Expr::Or(parts) => parts,
        other => vec![other],
    };
    parts.push(right);
    parts
}

/// An array of `char(n)` without the blanks at the ends of its elements.
fn unpadded(array: Expr) -> Expr {
    let (from, to) = (Type::BPCHAR.array_of(), Type::TEXT.array_of());
    match Cast::find(&from, &to, CastContext::Implicit) {
        Some(cast) => Expr::Cast(Box::new((cast, array))),
        None => array,
    }
}

/// The items of a row that is written out: `(a, b)` or `ROW(a, b)`.
pub(super) fn row_items(expr: &ast::Expr) -> Option<Vec<&ast::Expr>> {
    match expr {
        ast::Expr::Tuple(items) => Some(items.iter().collect()),
        ast::Expr::Nested(inner) if matches!(**inner, ast::Expr::Tuple(_)) => row_items(inner),
        ast::Expr::Function(call) => {
            let [ast::ObjectNamePart::Identifier(name)] = &call.name.0[..] else {
                return None;
            };
            if name.quote_style.is_some() || !name.value.eq_ignore_ascii_case("row") {
                return None;
            }
            super::calls::plain_arguments(call).ok()
        }
        _ => None,
    }
}

/// The query of `ANY (SELECT ...)`.
pub(super) fn query_of(expr: &ast::Expr) -> Option<&ast::Query> {
    match expr {
        ast::Expr::Subquery(query) => Some(query),
        ast::Expr::Nested(inner) => query_of(inner),
        _ => None,
    }
}

/// What an infix operator is called among PostgreSQL's.
pub(super) fn operator_name(op: &BinaryOperator) -> Result<String> {
    let name = match op {
        BinaryOperator::NotEq => "<>",
        BinaryOperator::PGBitwiseXor => "#",
        BinaryOperator::PGExp | BinaryOperator::BitwiseXor => "^",
        BinaryOperator::PGCustomBinaryOperator(parts) => {
            return parts
                .last()
                .cloned()
                .ok_or_else(|| Error::internal("an operator without a name"));
        }
        BinaryOperator::Overlaps
        | BinaryOperator::Xor
        | BinaryOperator::DuckIntegerDivide
        | BinaryOperator::MyIntegerDivide
        | BinaryOperator::Match
        | BinaryOperator::Regexp
        | BinaryOperator::Glob => return Err(Error::unsupported(format!("the operator {op}"))),
        other => return Ok(other.to_string()),
    };
    Ok(name.to_owned())
}
