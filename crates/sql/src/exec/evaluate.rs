//! Values of expressions for a row.
//!
//! `AND`, `OR`, `CASE` and `COALESCE` look no further than they have to, so that what a condition
//! guards against is not evaluated.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use rustdb_types::{Array, Dimension, Operator, Record, Type, Value, interrupt};

use super::batch::Row;
use super::context::Context;
use super::subquery::evaluate_subquery;
use super::subscript::subscripted;
use crate::error::{Error, Result, SqlState};
use crate::expr::{
    AnyAll, Case, DomainCheck, Expr, Extreme, OperatorCall, RowColumns, RowCompare, RowComparison,
    RowTest,
};

/// The value of an expression for a row; what a row or a constant holds is not copied.
pub(crate) fn evaluate<'v, R: Row + ?Sized>(
    expr: &'v Expr,
    row: &'v R,
    cx: &mut Context<'_>,
) -> Result<Cow<'v, Value>> {
    let value = match expr {
        Expr::Constant(value) => return Ok(Cow::Borrowed(value)),
        Expr::Input(place) => return Ok(Cow::Borrowed(row.value(*place))),
        Expr::Outer(place) => cx.memory.outer[*place].clone(),
        Expr::Parameter(index) => cx.parameters.get(*index).cloned().ok_or_else(|| {
            let message = format!("there is no parameter ${}", index + 1);
            Error::new(SqlState::UNDEFINED_PARAMETER, message)
        })?,
        Expr::Column(id) => return Err(Error::internal(format!("column {id:?} has no place"))),
        Expr::Operator(call) => return Ok(Cow::Owned(operator(call, row, cx)?)),
        Expr::Call(call) => {
            let arguments = values(&call.arguments, row, cx)?;
            call.call.evaluate(&arguments, &cx.functions())?
        }
        Expr::Cast(cast) => {
            let inner = evaluate(&cast.1, row, cx)?;
            cast.0.apply(&inner, cx.settings)?
        }
        Expr::And(items) => logical(items, false, row, cx)?,
        Expr::Or(items) => logical(items, true, row, cx)?,
        Expr::Not(inner) => match truth(inner, row, cx)? {
            Some(truth) => Value::Bool(!truth),
            None => Value::Null,
        },
        Expr::IsNull(inner) => Value::Bool(is_null(&*evaluate(inner, row, cx)?)),
        Expr::RowTest(inner, test) => Value::Bool(row_test(&*evaluate(inner, row, cx)?, *test)),
        Expr::Is(inner, wanted) => Value::Bool(truth(inner, row, cx)? == *wanted),
        Expr::IsDistinct(call) => Value::Bool(is_distinct(call, row, cx)?),
        Expr::Case(case) => return evaluate_case(case, row, cx),
        Expr::Coalesce(items) => {
            for item in items {
                let value = evaluate(item, row, cx)?;
                if !value.is_null() {
                    return Ok(value);
                }
            }
            Value::Null
        }
        Expr::NullIf(call) => null_if(call, row, cx)?,
        Expr::Extreme(which, items, of) => extreme(*which, items, of, row, cx)?,
        Expr::AnyAll(any) => any_all(any, row, cx)?,
        Expr::Array(items, nested) => array(items, *nested, row, cx)?,
        Expr::Subscript(subscript) => subscripted(subscript, row, cx)?,
        Expr::Row(items, columns) => record(values(items, row, cx)?, columns),
        Expr::RowCompare(rows) => compare_rows(rows, row, cx)?,
        Expr::System(call) => {
            let arguments = values(&call.arguments, row, cx)?;
            call.function.apply(&arguments, &cx.around()?)?
        }
        Expr::NextValue(sequence) => Value::Int8(cx.next_value(*sequence)?),
        Expr::Domain(check) => {
            let value = evaluate(&check.value, row, cx)?.into_owned();
            check_domains(check, &value, cx)?;
            value
        }
        Expr::Session(call) => super::session::call(call.function, &call.arguments, row, cx)?,
        Expr::Subquery(_) => return Err(Error::internal("a subquery has no plan")),
        Expr::Run(subplan) => evaluate_subquery(subplan, row, cx)?,
    };
    Ok(Cow::Owned(value))
}

/// Fails if a value, or an element of an array, is none of a domain.
fn check_domains(domain: &DomainCheck, value: &Value, cx: &mut Context<'_>) -> Result<()> {
    match value {
        Value::Array(array) if domain.each => {
            let mut values = array.values().iter();
            values.try_for_each(|value| check_domain(domain, value, cx))
        }
        Value::Null if domain.each => Ok(()),
        value => check_domain(domain, value, cx),
    }
}

/// Fails if a value is none of a domain.
fn check_domain(domain: &DomainCheck, value: &Value, cx: &mut Context<'_>) -> Result<()> {
    let name = &domain.name;
    if domain.not_null && value.is_null() {
        let message = format!("domain {name} does not allow null values");
        return Err(Error::new(SqlState::NOT_NULL_VIOLATION, message));
    }
    for (check, condition) in &domain.checks {
        if truth(condition, std::slice::from_ref(value), cx)? == Some(false) {
            let message = format!("value for domain {name} violates check constraint \"{check}\"");
            return Err(Error::new(SqlState::CHECK_VIOLATION, message));
        }
    }
    Ok(())
}

/// The truth of a condition; `None` is unknown.
pub(crate) fn truth<R: Row + ?Sized>(
    condition: &Expr,
    row: &R,
    cx: &mut Context<'_>,
) -> Result<Option<bool>> {
    Ok(evaluate(condition, row, cx)?.as_bool())
}

/// Whether all conditions are true.
pub(crate) fn all_true<R: Row + ?Sized>(
    conditions: &[Expr],
    row: &R,
    cx: &mut Context<'_>,
) -> Result<bool> {
    for condition in conditions {
        if truth(condition, row, cx)? != Some(true) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The values of several expressions.
pub(crate) fn values<R: Row + ?Sized>(
    items: &[Expr],
    row: &R,
    cx: &mut Context<'_>,
) -> Result<Vec<Value>> {
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        values.push(evaluate(item, row, cx)?.into_owned());
    }
    Ok(values)
}

fn operator<R: Row + ?Sized>(call: &OperatorCall, row: &R, cx: &mut Context<'_>) -> Result<Value> {
    let settings = cx.settings;
    let Some(left) = &call.left else {
        let right = evaluate(&call.right, row, cx)?;
        return Ok(call.operator.apply(&Value::Null, &right, settings)?);
    };
    let left = evaluate(left, row, cx)?;
    let right = evaluate(&call.right, row, cx)?;
    Ok(call.operator.apply(&left, &right, settings)?)
}

/// AND stops at the first `false`, OR at the first `true`.
fn logical<R: Row + ?Sized>(
    items: &[Expr],
    stops_at: bool,
    row: &R,
    cx: &mut Context<'_>,
) -> Result<Value> {
    let mut unknown = false;
    for item in items {
        match truth(item, row, cx)? {
            Some(truth) if truth == stops_at => return Ok(Value::Bool(stops_at)),
            Some(_) => (),
            None => unknown = true,
        }
    }
    Ok(match unknown {
        true => Value::Null,
        false => Value::Bool(!stops_at),
    })
}

fn record(fields: Vec<Value>, columns: &RowColumns) -> Value {
    let record = match &columns.names {
        Some(names) => Record::named(fields, names.clone()),
        None => Record::new(fields),
    };
    Value::Record(Arc::new(record.with_padded(columns.padded.clone())))
}

fn row_test(value: &Value, test: RowTest) -> bool {
    match (test, value) {
        (RowTest::Complete, Value::Record(fields)) => !fields.iter().any(Value::is_null),
        (RowTest::Complete, value) => !value.is_null(),
        (RowTest::Missing, value) => value.is_null(),
    }
}

/// A row is NULL if all its columns are.
fn is_null(value: &Value) -> bool {
    match value {
        Value::Record(columns) => columns.iter().all(Value::is_null),
        other => other.is_null(),
    }
}

fn is_distinct<R: Row + ?Sized>(
    call: &OperatorCall,
    row: &R,
    cx: &mut Context<'_>,
) -> Result<bool> {
    let settings = cx.settings;
    let left = match &call.left {
        Some(left) => evaluate(left, row, cx)?,
        None => Cow::Owned(Value::Null),
    };
    let right = evaluate(&call.right, row, cx)?;
    if left.is_null() || right.is_null() {
        return Ok(left.is_null() != right.is_null());
    }
    Ok(call.operator.apply(&left, &right, settings)?.as_bool() != Some(true))
}

fn null_if<R: Row + ?Sized>(call: &OperatorCall, row: &R, cx: &mut Context<'_>) -> Result<Value> {
    let settings = cx.settings;
    let left = match &call.left {
        Some(left) => evaluate(left, row, cx)?,
        None => Cow::Owned(Value::Null),
    };
    let right = evaluate(&call.right, row, cx)?;
    let equal = call.operator.apply(&left, &right, settings)?.as_bool();
    Ok(match equal {
        Some(true) => Value::Null,
        _ => left.into_owned(),
    })
}

fn evaluate_case<'v, R: Row + ?Sized>(
    case: &'v Case,
    row: &'v R,
    cx: &mut Context<'_>,
) -> Result<Cow<'v, Value>> {
    for (condition, result) in &case.arms {
        if truth(condition, row, cx)? == Some(true) {
            return evaluate(result, row, cx);
        }
    }
    evaluate(&case.otherwise, row, cx)
}

fn extreme<R: Row + ?Sized>(
    which: Extreme,
    items: &[Expr],
    of: &Type,
    row: &R,
    cx: &mut Context<'_>,
) -> Result<Value> {
    let wanted = match which {
        Extreme::Greatest => Ordering::Greater,
        Extreme::Least => Ordering::Less,
    };
    let mut best = Value::Null;
    for item in items {
        let value = evaluate(item, row, cx)?;
        if !value.is_null() && (best.is_null() || of.compare(&value, &best) == wanted) {
            best = value.into_owned();
        }
    }
    Ok(best)
}

fn any_all<R: Row + ?Sized>(any: &AnyAll, row: &R, cx: &mut Context<'_>) -> Result<Value> {
    let settings = cx.settings;
    let left = evaluate(&any.left, row, cx)?;
    let array = evaluate(&any.array, row, cx)?;
    let Value::Array(array) = &*array else {
        return Ok(Value::Null);
    };
    let mut unknown = false;
    for element in array.values() {
        interrupt::spend(16)?;
        match any.operator.apply(&left, element, settings)?.as_bool() {
            None => unknown = true,
            Some(truth) if truth != any.all => return Ok(Value::Bool(truth)),
            Some(_) => (),
        }
    }
    Ok(match unknown {
        true => Value::Null,
        false => Value::Bool(any.all),
    })
}

fn array<R: Row + ?Sized>(
    items: &[Expr],
    nested: bool,
    row: &R,
    cx: &mut Context<'_>,
) -> Result<Value> {
    let elements = values(items, row, cx)?;
    match nested {
        true => nested_array(&elements),
        false => Ok(Value::Array(Array::from_values(elements).into())),
    }
}

/// The values of a subquery: arrays among them are put together.
pub(super) fn array_of(elements: Vec<Value>) -> Result<Value> {
    if !elements
        .iter()
        .any(|element| matches!(element, Value::Array(_)))
    {
        return Ok(Value::Array(Array::from_values(elements).into()));
    }
    if elements.iter().any(Value::is_null) {
        let message = "cannot accumulate null arrays";
        return Err(Error::new(SqlState::NULL_VALUE_NOT_ALLOWED, message));
    }
    nested_array(&elements)
}

fn nested_array(elements: &[Value]) -> Result<Value> {
    let mismatch = || {
        let message =
            "multidimensional arrays must have array expressions with matching dimensions";
        Error::new(SqlState::ARRAY_SUBSCRIPT_ERROR, message)
    };
    let mut inner: Option<Vec<Dimension>> = None;
    let mut all = Vec::new();
    let mut count = 0;
    for element in elements {
        let Value::Array(element) = element else {
            // NULL among arrays counts as an empty one.
            continue;
        };
        if element.values().is_empty() {
            continue;
        }
        match &inner {
            None => inner = Some(element.dimensions().to_vec()),
            Some(inner) if *inner != element.dimensions() => return Err(mismatch()),
            Some(_) => (),
        }
        all.extend_from_slice(element.values());
        count += 1;
    }
    let Some(inner) = inner else {
        return Ok(Value::Array(Array::from_values(Vec::new()).into()));
    };
    if count != elements.len() {
        return Err(mismatch());
    }
    let outer = Dimension {
        lower: 1,
        length: u32::try_from(count).unwrap_or(u32::MAX),
    };
    let dimensions = std::iter::once(outer).chain(inner).collect();
    Ok(Value::Array(Array::new(dimensions, all)?.into()))
}

fn compare_rows<R: Row + ?Sized>(
    rows: &RowCompare,
    row: &R,
    cx: &mut Context<'_>,
) -> Result<Value> {
    let settings = cx.settings;
    let left = values(&rows.left, row, cx)?;
    let right = values(&rows.right, row, cx)?;
    let ask = |operator: &Operator, index: usize| -> Result<Option<bool>> {
        let answer = operator.apply(&left[index], &right[index], settings)?;
        Ok(answer.as_bool())
    };
    for (index, equal) in rows.equal.iter().enumerate() {
        match ask(equal, index)? {
            Some(true) => (),
            Some(false) => {
                let less = ask(rows.less[index], index)?;
                return Ok(match (less, rows.kind) {
                    (None, _) => Value::Null,
                    (Some(less), RowComparison::Less | RowComparison::LessOrEqual) => {
                        Value::Bool(less)
                    }
                    (Some(less), _) => Value::Bool(!less),
                });
            }
            None => return Ok(Value::Null),
        }
    }
    Ok(Value::Bool(matches!(
        rows.kind,
        RowComparison::LessOrEqual | RowComparison::GreaterOrEqual
    )))
}
