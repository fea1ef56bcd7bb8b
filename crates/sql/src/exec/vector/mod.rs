//! Values of expressions for all rows of a batch at once.
//!
//! The tree of the expression is walked once for each batch instead of once for each row, and the
//! common operators run in [loops](typed) over plain numbers where their columns are such, else
//! value by value. What has to look at one row before the next (CASE, subqueries, what is volatile)
//! is evaluated row by row here too.
//!
//! If anything fails, the caller evaluates the batch again row by row: of several errors the one of
//! the first row is told, as it would be without batches.

mod typed;

use std::borrow::Cow;

use rustdb_types::function::Volatility;
use rustdb_types::{Base, Cast, Cells, ColumnVector, Operator, Type, Value};

use super::batch::Batch;
use super::context::Context;
use super::evaluate::evaluate;
use crate::error::Result;
use crate::expr::{AnyAll, Expr, FunctionCall};

/// The values of an expression.
pub(super) enum Vector<'b> {
    /// One for each row.
    Column(Cow<'b, ColumnVector>),
    /// The same for all rows.
    Single(Cow<'b, Value>),
}

impl Vector<'_> {
    /// The value for a row.
    pub(super) fn get(&self, row: usize) -> &Value {
        match self {
            Vector::Column(column) => &column.values()[row],
            Vector::Single(value) => value,
        }
    }

    /// The value for a row; no others are made for it.
    #[inline]
    pub(super) fn cell(&self, row: usize) -> Cow<'_, Value> {
        match self {
            Vector::Column(column) => column.cell(row),
            Vector::Single(value) => Cow::Borrowed(value),
        }
    }

    /// Whether the value for a row is this one.
    #[inline]
    pub(super) fn is(&self, row: usize, value: &Value) -> bool {
        match (self.cells(), value) {
            (Some(Cells::Int4(numbers)), Value::Int4(number))
            | (Some(Cells::Date(numbers)), Value::Date(number)) => numbers[row] == *number,
            (Some(Cells::Int8(numbers)), Value::Int8(number))
            | (Some(Cells::Timestamp(numbers)), Value::Timestamp(number)) => {
                numbers[row] == *number
            }
            (Some(Cells::Text(texts)), Value::Text(text)) => texts.bytes_of(row) == text.as_bytes(),
            _ => *self.cell(row) == *value,
        }
    }

    /// A value for each of so many rows.
    pub(super) fn into_column(self, rows: usize) -> ColumnVector {
        match self {
            Vector::Column(column) => column.into_owned(),
            Vector::Single(value) => vec![value.into_owned(); rows].into(),
        }
    }

    /// The form of the column, if it is one.
    pub(super) fn cells(&self) -> Option<&Cells> {
        match self {
            Vector::Column(column) => Some(column.cells()),
            Vector::Single(_) => None,
        }
    }
}

impl From<Vec<Value>> for Vector<'_> {
    fn from(values: Vec<Value>) -> Self {
        Vector::Column(Cow::Owned(values.into()))
    }
}

impl From<Cells> for Vector<'_> {
    fn from(cells: Cells) -> Self {
        Vector::Column(Cow::Owned(cells.into()))
    }
}

/// The values of an expression for the rows of a batch.
pub(super) fn vector<'b>(
    expr: &'b Expr,
    batch: &'b Batch,
    cx: &mut Context<'_>,
) -> Result<Vector<'b>> {
    let rows = batch.rows();
    let values = match expr {
        Expr::Constant(value) => return Ok(Vector::Single(Cow::Borrowed(value))),
        Expr::Input(place) => return Ok(Vector::Column(Cow::Borrowed(batch.column(*place)))),
        Expr::Parameter(_) | Expr::Outer(_) if rows > 0 => {
            let value = evaluate(expr, &batch.row(0), cx)?.into_owned();
            return Ok(Vector::Single(Cow::Owned(value)));
        }
        Expr::Operator(call) => {
            let left = match &call.left {
                Some(left) => vector(left, batch, cx)?,
                None => Vector::Single(Cow::Owned(Value::Null)),
            };
            let right = vector(&call.right, batch, cx)?;
            return operator(call.operator, &left, &right, rows, cx);
        }
        Expr::Cast(cast) => {
            let inner = vector(&cast.1, batch, cx)?;
            return converted(&cast.0, inner, rows, cx);
        }
        Expr::Call(call) if call.call.function().volatility != Volatility::Volatile => {
            called(call, batch, cx)?
        }
        Expr::AnyAll(any) if !any.all && any.operator.name == "=" => {
            let left = vector(&any.left, batch, cx)?;
            match &any.array {
                Expr::Constant(Value::Array(array)) => {
                    equal_to_any(any, &left, array.values(), rows, cx)?
                }
                _ => one_by_one(expr, batch, cx)?,
            }
        }
        Expr::And(items) | Expr::Or(items) if !items.iter().any(has_query) => {
            let is_and = matches!(expr, Expr::And(_));
            return logical(items, is_and, batch, cx);
        }
        Expr::Not(inner) => {
            let inner = vector(inner, batch, cx)?;
            if let Some(Cells::Bool(truths)) = inner.cells() {
                return Ok(Cells::Bool(truths.iter().map(|truth| !truth).collect()).into());
            }
            let values = (0..rows).map(|row| match inner.get(row).as_bool() {
                Some(truth) => Value::Bool(!truth),
                None => Value::Null,
            });
            values.collect()
        }
        other => one_by_one(other, batch, cx)?,
    };
    Ok(values.into())
}

fn converted<'b>(
    cast: &Cast,
    inner: Vector<'b>,
    rows: usize,
    cx: &Context<'_>,
) -> Result<Vector<'b>> {
    if cast.is_relabeling() {
        return Ok(inner);
    }
    if let Some(cells) = typed::cast(cast, &inner) {
        return Ok(cells.into());
    }
    let values = (0..rows).map(|row| Ok(cast.apply(inner.get(row), cx.settings)?));
    Ok(values.collect::<Result<Vec<Value>>>()?.into())
}

fn called(call: &FunctionCall, batch: &Batch, cx: &mut Context<'_>) -> Result<Vec<Value>> {
    let arguments: Vec<Vector<'_>> = call
        .arguments
        .iter()
        .map(|argument| vector(argument, batch, cx))
        .collect::<Result<_>>()?;
    let functions = cx.functions();
    let mut row_arguments = Vec::with_capacity(arguments.len());
    let mut values = Vec::with_capacity(batch.rows());
    for row in 0..batch.rows() {
        row_arguments.clear();
        row_arguments.extend(arguments.iter().map(|each| each.get(row).clone()));
        values.push(call.call.evaluate(&row_arguments, &functions)?);
    }
    Ok(values)
}

/// Whether an expression runs a query, for as few rows as it can.
fn has_query(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |part| found |= matches!(part, Expr::Run(_) | Expr::Subquery(_)));
    found
}

/// AND and OR. All items are evaluated for all rows: what one of them
/// guards another from fails here, and is evaluated row by row by the caller.
fn logical<'b>(
    items: &'b [Expr],
    is_and: bool,
    batch: &'b Batch,
    cx: &mut Context<'_>,
) -> Result<Vector<'b>> {
    let rows = batch.rows();
    let mut all = vec![is_and; rows];
    let mut unknown: Vec<bool> = Vec::new();
    for item in items {
        let truths = vector(item, batch, cx)?;
        if let Some(Cells::Bool(truths)) = truths.cells() {
            let pairs = all.iter_mut().zip(truths);
            match is_and {
                true => pairs.for_each(|(all, truth)| *all &= truth),
                false => pairs.for_each(|(all, truth)| *all |= truth),
            }
            continue;
        }
        for (row, all) in all.iter_mut().enumerate() {
            match truths.get(row).as_bool() {
                Some(truth) if is_and => *all &= truth,
                Some(truth) => *all |= truth,
                None => {
                    unknown.resize(rows, false);
                    unknown[row] = true;
                }
            }
        }
    }
    if unknown.is_empty() {
        return Ok(Cells::Bool(all).into());
    }
    // What was not settled by the others is unknown.
    let values = all
        .iter()
        .zip(unknown)
        .map(|(truth, unknown)| match unknown {
            true if *truth == is_and => Value::Null,
            _ => Value::Bool(*truth),
        });
    Ok(values.collect::<Vec<Value>>().into())
}

fn one_by_one(expr: &Expr, batch: &Batch, cx: &mut Context<'_>) -> Result<Vec<Value>> {
    let mut values = Vec::with_capacity(batch.rows());
    for row in 0..batch.rows() {
        values.push(evaluate(expr, &batch.row(row), cx)?.into_owned());
    }
    Ok(values)
}

/// The rows for which a condition is true.
pub(super) fn selected(
    condition: &Expr,
    batch: &Batch,
    cx: &mut Context<'_>,
) -> Result<Vec<usize>> {
    let truth = vector(condition, batch, cx)?;
    let rows = 0..batch.rows();
    if let Some(Cells::Bool(truths)) = truth.cells() {
        return Ok(rows.filter(|row| truths[*row]).collect());
    }
    Ok(rows
        .filter(|row| matches!(truth.get(*row), Value::Bool(true)))
        .collect())
}

/// Which loop an operator has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
}

fn kind(operator: &Operator) -> Option<Kind> {
    // Trailing blanks do not count in what is compared as CHAR(n).
    let right = operator.right.concrete().and_then(Type::base);
    if right == Some(Base::Bpchar) {
        return None;
    }
    Some(match operator.name {
        "=" => Kind::Equal,
        "<>" => Kind::NotEqual,
        "<" => Kind::Less,
        "<=" => Kind::LessOrEqual,
        ">" => Kind::Greater,
        ">=" => Kind::GreaterOrEqual,
        "+" => Kind::Add,
        "-" => Kind::Subtract,
        "*" => Kind::Multiply,
        _ => return None,
    })
}

fn operator<'b>(
    operator: &Operator,
    left: &Vector<'_>,
    right: &Vector<'_>,
    rows: usize,
    cx: &Context<'_>,
) -> Result<Vector<'b>> {
    let settings = cx.settings;
    let kind = kind(operator).filter(|_| operator.left.is_some());
    if let Some(cells) = kind.and_then(|kind| typed::operator(kind, left, right)) {
        return Ok(cells.into());
    }
    if let Some(truths) = typed::like_pattern(operator, left, right)? {
        return Ok(truths.into());
    }
    let mut values = Vec::with_capacity(rows);
    for row in 0..rows {
        let (left, right) = (left.get(row), right.get(row));
        if !kind.is_some_and(|kind| quickly(kind, left, right, &mut values)) {
            values.push(operator.apply(left, right, settings)?);
        }
    }
    Ok(values.into())
}

/// Whether each value equals one of the elements; unknown if it equals none and there is a NULL.
fn equal_to_any(
    any: &AnyAll,
    left: &Vector<'_>,
    elements: &[Value],
    rows: usize,
    cx: &Context<'_>,
) -> Result<Vec<Value>> {
    let kind = kind(any.operator);
    let mut values = Vec::with_capacity(rows);
    let mut room = Vec::with_capacity(1);
    for row in 0..rows {
        let left = left.get(row);
        let mut found = Value::Bool(false);
        for element in elements {
            room.clear();
            let is_quick = kind.is_some_and(|kind| quickly(kind, left, element, &mut room));
            let is_equal = match room.pop().filter(|_| is_quick) {
                Some(value) => value,
                None => any.operator.apply(left, element, cx.settings)?,
            };
            match is_equal {
                Value::Bool(false) => (),
                Value::Null => found = Value::Null,
                other => {
                    found = other;
                    break;
                }
            }
        }
        values.push(found);
    }
    Ok(values)
}

/// Appends the result for values of the same type, unless it does not fit or needs a longer look.
/// The result is made where it goes to: one that is handed back would be copied as a whole right
/// after its parts were written, which processors wait for.
#[inline]
fn quickly(kind: Kind, left: &Value, right: &Value, out: &mut Vec<Value>) -> bool {
    macro_rules! number {
        ($left:expr, $right:expr, $of:ident, $add:ident, $subtract:ident, $multiply:ident) => {{
            let (left, right) = ($left, $right);
            let result = match kind {
                Kind::Add => left.$add(right),
                Kind::Subtract => left.$subtract(right),
                Kind::Multiply => left.$multiply(right),
                _ => return ordered(kind, &left, &right, out),
            };
            match result {
                Some(number) => out.push(Value::$of(number)),
                None => return false,
            }
            true
        }};
    }
    match (left, right) {
        (Value::Int4(left), Value::Int4(right)) => {
            number!(*left, *right, Int4, checked_add, checked_sub, checked_mul)
        }
        (Value::Int8(left), Value::Int8(right)) => {
            number!(*left, *right, Int8, checked_add, checked_sub, checked_mul)
        }
        (Value::Numeric(left), Value::Numeric(right)) => {
            let result = match kind {
                Kind::Add => left.add(right),
                Kind::Subtract => left.subtract(right),
                Kind::Multiply => left.multiply(right),
                _ => return ordered(kind, left, right, out),
            };
            match result {
                Ok(number) => out.push(Value::Numeric(number)),
                Err(_) => return false,
            }
            true
        }
        (Value::Float8(left), Value::Float8(right)) => floats(kind, *left, *right, out),
        (Value::Date(left), Value::Date(right)) => ordered(kind, left, right, out),
        (Value::Timestamp(left), Value::Timestamp(right))
        | (Value::Timestamptz(left), Value::Timestamptz(right)) => ordered(kind, left, right, out),
        (Value::Text(left), Value::Text(right)) => {
            ordered(kind, &left.as_bytes(), &right.as_bytes(), out)
        }
        _ => false,
    }
}

/// NaN and infinity are the operator's own business.
fn floats(kind: Kind, left: f64, right: f64, out: &mut Vec<Value>) -> bool {
    if left.is_nan() || right.is_nan() {
        return false;
    }
    let result = match kind {
        Kind::Add => left + right,
        Kind::Subtract => left - right,
        Kind::Multiply => left * right,
        _ => return ordered(kind, &left, &right, out),
    };
    let is_plain = result.is_normal() || result == 0.0 && (left == 0.0 || right == 0.0);
    if is_plain {
        out.push(Value::Float8(result));
    }
    is_plain
}

#[inline]
fn ordered<T: PartialOrd>(kind: Kind, left: &T, right: &T, out: &mut Vec<Value>) -> bool {
    let truth = match kind {
        Kind::Equal => left == right,
        Kind::NotEqual => left != right,
        Kind::Less => left < right,
        Kind::LessOrEqual => left <= right,
        Kind::Greater => left > right,
        Kind::GreaterOrEqual => left >= right,
        Kind::Add | Kind::Subtract | Kind::Multiply => return false,
    };
    out.push(Value::Bool(truth));
    true
}

#[cfg(test)]
mod tests;
