//! Tests, and what makes values of others: IS, BETWEEN, IN, ANY, CASE, arrays.

use rustdb_types::{CastContext, Type, Value};
use sqlparser::ast;
use sqlparser::ast::BinaryOperator;

use super::Binder;
use super::expression::{Place, operator_name, query_of, row_items};
use crate::error::{Error, Result, SqlState};
use crate::expr::{AnyAll, Case, Expr, Extreme, RowTest, Typed};
use crate::parse::end_of;

impl Binder<'_> {
    /// An expression that is a test; others are functions with a syntax of their own.
    pub(super) fn test(&mut self, expr: &ast::Expr, at: &mut Place<'_, '_>) -> Result<Typed> {
        self.test_inner(expr, at)
            .map_err(|error| match test_word(expr) {
                Some((operand, word)) => error.at_word_behind(end_of(operand), &word),
                None => error,
            })
    }

    fn test_inner(&mut self, expr: &ast::Expr, at: &mut Place<'_, '_>) -> Result<Typed> {
        match expr {
            ast::Expr::IsNull(inner) => self.is_null(inner, false, at),
            ast::Expr::IsNotNull(inner) => self.is_null(inner, true, at),
            ast::Expr::IsTrue(inner) => self.is_truth(inner, Some(true), false, at),
            ast::Expr::IsNotTrue(inner) => self.is_truth(inner, Some(true), true, at),
            ast::Expr::IsFalse(inner) => self.is_truth(inner, Some(false), false, at),
            ast::Expr::IsNotFalse(inner) => self.is_truth(inner, Some(false), true, at),
            ast::Expr::IsUnknown(inner) => self.is_truth(inner, None, false, at),
            ast::Expr::IsNotUnknown(inner) => self.is_truth(inner, None, true, at),
            ast::Expr::IsDistinctFrom(left, right) => self.is_distinct(left, right, false, at),
            ast::Expr::IsNormalized {
                expr,
                form,
                negated,
            } => self.is_normalized(expr, *form, *negated, at),
            ast::Expr::IsNotDistinctFrom(left, right) => self.is_distinct(left, right, true, at),
            ast::Expr::Between {
                expr,
                negated,
                low,
                high,
            } => self.between(expr, *negated, low, high, at),
            ast::Expr::InList {
                expr,
                list,
                negated,
            } => self.in_list(expr, list, *negated, at),
            ast::Expr::InSubquery {
                expr,
                subquery,
                negated,
            } => self.in_subquery(expr, subquery, *negated, at),
            ast::Expr::Exists { subquery, negated } => self.exists(subquery, *negated, at),
            ast::Expr::AnyOp {
                left,
                compare_op,
                right,
                ..
            } => self.any_all(left, compare_op, right, false, at),
            ast::Expr::AllOp {
                left,
                compare_op,
                right,
            } => self.any_all(left, compare_op, right, true, at),
            ast::Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => {
                let name = if *negated { "!~~" } else { "~~" };
                self.like(name, expr, pattern, escape_char.as_deref(), at)
            }
            ast::Expr::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => {
                let name = if *negated { "!~~*" } else { "~~*" };
                self.like(name, expr, pattern, escape_char.as_deref(), at)
            }
            other => self.special_call(other, at),
        }
    }

    fn between(
        &mut self,
        operand: &ast::Expr,
        negated: bool,
        low: &ast::Expr,
        high: &ast::Expr,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let operand = self.expression(operand, at)?;
        let low = self.expression(low, at)?;
        let high = self.expression(high, at)?;
        let above = self.operator(">=", Some(operand.clone()), low)?;
        let below = self.operator("<=", Some(operand), high)?;
        let both = Typed::new(Expr::And(vec![above.expr, below.expr]), Type::BOOL);
        Ok(Self::negated(both, negated))
    }

    fn in_list(
        &mut self,
        operand: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let mut tests = Vec::with_capacity(list.len());
        if let Some(left) = row_items(operand) {
            for item in list {
                let Some(right) = row_items(item) else {
                    return Err(Error::unsupported("IN of a row and what is no row"));
                };
                tests.push(self.compare_rows("=", &left, &right, at)?.expr);
            }
        } else {
            let operand = self.expression(operand, at)?;
            let mut items = Vec::with_capacity(list.len());
            for item in list {
                items.push(self.expression(item, at)?);
            }
            if let Some(any) = self.in_array(&operand, &items)? {
                return Ok(Self::negated(any, negated));
            }
            for item in items {
                tests.push(self.operator("=", Some(operand.clone()), item)?.expr);
            }
        }
        let any = match tests.len() {
            1 => tests.remove(0),
            _ => Expr::Or(tests),
        };
        Ok(Self::negated(Typed::new(any, Type::BOOL), negated))
    }

    /// Constants of one type make an array, which is searched faster than a chain of comparisons.
    fn in_array(&mut self, operand: &Typed, items: &[Typed]) -> Result<Option<Typed>> {
        let are_constants = items
            .iter()
            .all(|item| matches!(item.expr, Expr::Constant(_)));
        if items.len() < 2 || !are_constants {
            return Ok(None);
        }
        let mut types = vec![operand.of.clone()];
        types.extend(items.iter().map(|item| item.of.clone()));
        let Ok(common) = rustdb_types::common_type(&types, "IN") else {
            return Ok(None);
        };
        if common.array || !common.is_ordered() {
            return Ok(None);
        }
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            match self.coerce(item.clone(), &common, CastContext::Implicit)? {
                Some(Expr::Constant(value)) => values.push(value),
                Some(Expr::Cast(cast)) => match &cast.1 {
                    Expr::Constant(value) => values.push(cast.0.apply(value, self.settings)?),
                    _ => return Ok(None),
                },
                _ => return Ok(None),
            }
        }
        let element = Typed::new(Expr::Constant(Value::Null), common.clone());
        let (call, _) = self.operator_call("=", Some(operand.clone()), element)?;
        let array = rustdb_types::Array::from_values(values);
        let any = AnyAll {
            operator: call.operator,
            left: call.left.unwrap_or(Expr::Constant(Value::Null)),
            array: Expr::Constant(Value::Array(array.into())),
            all: false,
        };
        Ok(Some(Typed::new(Expr::AnyAll(Box::new(any)), Type::BOOL)))
    }

    fn any_all(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        all: bool,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let name = operator_name(op)?;
        if let Some(query) = query_of(right) {
            return self.quantified(left, &name, query, all, at);
        }
        let left = self.expression(left, at)?;
        let right = self.expression(right, at)?;
        self.operator_over_array(&name, left, right, all)
    }

    fn operator_over_array(
        &mut self,
        name: &str,
        left: Typed,
        right: Typed,
        all: bool,
    ) -> Result<Typed> {
        let array = match right.is_unknown() {
            true => {
                let element = match left.is_unknown() {
                    true => Type::TEXT,
                    false => left.of.without_domains(),
                };
                let of = element
                    .with_modifier(rustdb_types::Modifier::NONE)
                    .array_of();
                Typed::new(self.coerce_argument(right, &of)?, of)
            }
            false => right,
        };
        let Some(element) = array.of.without_domains().element_type() else {
            let message = "op ANY/ALL (array) requires array on right side";
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        };
        // The element is resolved with a placeholder, to see what the array has to be cast to.
        let (call, of) = self.operator_call(
            name,
            Some(left),
            Typed::new(Expr::Constant(Value::Null), element.clone()),
        )?;
        if of != Type::BOOL {
            let message = "op ANY/ALL (array) requires operator to yield boolean";
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
        let wanted = match call.operator.right.concrete() {
            Some(wanted) => wanted.array_of(),
            None => array.of.clone(),
        };
        let any = AnyAll {
            operator: call.operator,
            left: call.left.unwrap_or(Expr::Constant(Value::Null)),
            array: self.coerce_argument(array, &wanted)?,
            all,
        };
        Ok(Typed::new(Expr::AnyAll(Box::new(any)), Type::BOOL))
    }
}

/// The word that is the place of a test, and the operand before it.
fn test_word(expr: &ast::Expr) -> Option<(&ast::Expr, String)> {
    let (operand, negated, word) = match expr {
        ast::Expr::IsDistinctFrom(left, _) | ast::Expr::IsNotDistinctFrom(left, _) => {
            (left, &false, "IS")
        }
        ast::Expr::Between { expr, negated, .. } => (expr, negated, "BETWEEN"),
        ast::Expr::InList { expr, negated, .. } | ast::Expr::InSubquery { expr, negated, .. } => {
            (expr, negated, "IN")
        }
        ast::Expr::Like { expr, negated, .. } => (expr, negated, "LIKE"),
        ast::Expr::ILike { expr, negated, .. } => (expr, negated, "ILIKE"),
        ast::Expr::SimilarTo { expr, negated, .. } => (expr, negated, "SIMILAR"),
        ast::Expr::AnyOp {
            left, compare_op, ..
        }
        | ast::Expr::AllOp {
            left, compare_op, ..
        } => return Some((left, compare_op.to_string())),
        _ => return None,
    };
    let word = if *negated { "NOT" } else { word };
    Some((operand, word.to_owned()))
}

impl Binder<'_> {
    fn is_null(
        &mut self,
        operand: &ast::Expr,
        negated: bool,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let operand = self.expression(operand, at)?;
        // A row is NULL if all its columns are, and NOT NULL if none is: no opposites.
        let expr = match (operand.expr, negated) {
            (Expr::Row(items, _), negated) => {
                let tests = items.into_iter().map(|item| {
                    // A row within the row is not looked into.
                    let test = Expr::RowTest(Box::new(item), RowTest::Missing);
                    if negated {
                        Expr::Not(Box::new(test))
                    } else {
                        test
                    }
                });
                Expr::all(tests.collect())
            }
            (other, false) => Expr::IsNull(Box::new(other)),
            (other, true) if operand.of == Type::RECORD => {
                Expr::RowTest(Box::new(other), RowTest::Complete)
            }
            (other, true) => Expr::Not(Box::new(Expr::IsNull(Box::new(other)))),
        };
        Ok(Typed::new(expr, Type::BOOL))
    }

    fn is_truth(
        &mut self,
        operand: &ast::Expr,
        truth: Option<bool>,
        negated: bool,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let operand = self.expression(operand, at)?;
        let word = match (truth, negated) {
            (Some(true), false) => "IS TRUE",
            (Some(true), true) => "IS NOT TRUE",
            (Some(false), false) => "IS FALSE",
            (Some(false), true) => "IS NOT FALSE",
            (None, false) => "IS UNKNOWN",
            (None, true) => "IS NOT UNKNOWN",
        };
        let operand = self.coerce_to_bool(operand, word)?;
        let test = Typed::new(Expr::Is(Box::new(operand), truth), Type::BOOL);
        Ok(Self::negated(test, negated))
    }

    fn is_normalized(
        &mut self,
        operand: &ast::Expr,
        form: Option<ast::NormalizationForm>,
        negated: bool,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let mut arguments = vec![self.expression(operand, at)?];
        arguments.extend(
            form.map(|form| Typed::new(Expr::Constant(Value::from(form.to_string())), Type::TEXT)),
        );
        let test = self.function(&["is_normalized".to_owned()], arguments, Some(at))?;
        Ok(Self::negated(test, negated))
    }

    fn is_distinct(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        negated: bool,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let left = self.expression(left, at)?;
        let right = self.expression(right, at)?;
        let (call, _) = self.operator_call("=", Some(left), right)?;
        let test = Typed::new(Expr::IsDistinct(Box::new(call)), Type::BOOL);
        Ok(Self::negated(test, negated))
    }

    pub(super) fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let operand = match operand {
            Some(operand) => {
                let operand = self.expression(operand, at)?;
                Some(self.settle(operand)?)
            }
            None => None,
        };
        let mut tests = Vec::with_capacity(conditions.len());
        // PostgreSQL looks at the ELSE first when it chooses the type.
        let mut results = vec![match otherwise {
            Some(otherwise) => self.expression(otherwise, at)?,
            None => Typed::new(Expr::Constant(Value::Null), Type::UNKNOWN),
        }];
        for arm in conditions {
            let condition = self.expression(&arm.condition, at)?;
            tests.push(match &operand {
                Some(operand) => {
                    let test = self.operator("=", Some(operand.clone()), condition)?;
                    self.coerce_to_bool(test, "CASE/WHEN")?
                }
                None => self.coerce_to_bool(condition, "CASE/WHEN")?,
            });
            results.push(self.expression(&arm.result, at)?);
        }
        let (mut results, of) = self.unify(results, "CASE")?;
        let otherwise = results.remove(0);
        let case = Case {
            arms: tests.into_iter().zip(results).collect(),
            otherwise,
        };
        Ok(Typed::new(Expr::Case(Box::new(case)), of))
    }

    /// `COALESCE`, `GREATEST`, `LEAST`.
    pub(super) fn of_one_type(&mut self, word: &str, items: Vec<Typed>) -> Result<Typed> {
        let (items, of) = self.unify(items, word)?;
        let expr = match word {
            "COALESCE" => Expr::Coalesce(items),
            "GREATEST" => Expr::Extreme(Extreme::Greatest, items, Box::new(of.clone())),
            _ => Expr::Extreme(Extreme::Least, items, Box::new(of.clone())),
        };
        Ok(Typed::new(expr, of))
    }

    /// `NULLIF`: of the type of the first argument, or of what `=` needs it to be.
    pub(super) fn null_if(&mut self, left: Typed, right: Typed) -> Result<Typed> {
        let (call, _) = self.operator_call("=", Some(left.clone()), right)?;
        let of = match left.is_unknown() {
            true => call
                .operator
                .left
                .as_ref()
                .and_then(|left| left.concrete())
                .cloned()
                .unwrap_or(Type::TEXT),
            false => match call
                .operator
                .left
                .as_ref()
                .and_then(|wanted| wanted.concrete())
            {
                Some(wanted) if wanted.oid() != left.of.oid() => wanted.clone(),
                _ => left.of,
            },
        };
        Ok(Typed::new(Expr::NullIf(Box::new(call)), of))
    }

    pub(super) fn array(&mut self, items: &[ast::Expr], at: &mut Place<'_, '_>) -> Result<Typed> {
        let mut elements = Vec::with_capacity(items.len());
        for item in items {
            elements.push(self.expression(item, at)?);
        }
        self.array_of(elements)
    }

    fn array_of(&mut self, elements: Vec<Typed>) -> Result<Typed> {
        if elements.is_empty() {
            let message = "cannot determine type of empty array";
            return Err(
                Error::new(SqlState::INDETERMINATE_DATATYPE, message).with_hint(
                    "Explicitly cast to the desired type, for example ARRAY[]::integer[].",
                ),
            );
        }
        let nested = elements.iter().any(|element| element.of.array);
        let (items, of) = self.unify(elements, "ARRAY")?;
        Ok(Typed::new(Expr::Array(items, nested), of.array_of()))
    }

    /// The operand of a cast: `ARRAY[]` takes its type from the target.
    pub(super) fn cast_operand(
        &mut self,
        operand: &ast::Expr,
        target: &Type,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let ast::Expr::Array(array) = operand else {
            return self.expression(operand, at);
        };
        let Some(element) = target.without_domains().element_type() else {
            return self.expression(operand, at);
        };
        if array.elem.is_empty() {
            let empty = rustdb_types::Array::from_values(Vec::new());
            let of = target.without_domains();
            return Ok(Typed::new(Expr::Constant(Value::Array(empty.into())), of));
        }
        let mut items = Vec::with_capacity(array.elem.len());
        for item in &array.elem {
            let item = self.cast_operand(item, target, at)?;
            items.push(match item.of.array {
                true => item,
                false => self.explicit_cast(item, &element)?,
            });
        }
        self.array_of(items)
    }

    pub(super) fn interval_literal(
        &mut self,
        interval: &ast::Interval,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let text = self.expression(&interval.value, at)?;
        let mut fields = Vec::new();
        fields.extend(interval.leading_field.as_ref().map(ToString::to_string));
        fields.extend(interval.last_field.as_ref().map(ToString::to_string));
        let digits = interval
            .fractional_seconds_precision
            .or(interval.leading_precision);
        let target = super::type_name::interval_type(&fields.join(" TO "), digits);
        self.explicit_cast(text, &target)
    }
}
