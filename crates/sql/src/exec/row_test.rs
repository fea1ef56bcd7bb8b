//! Conditions that a scan tells from stored rows, before it makes values of them.
//!
//! A filter right above a scan hands its first conditions down, as long as they are comparisons of
//! a column with a constant, or with another column, that [`RowTest`] knows. The first ones only:
//! a condition that comes later may be there to fail, and has to see the rows it would have seen.

use rustdb_types::{Base, Comparison, RowLayout, RowTest, Type, Value};

use super::context::Context;
use super::evaluate::evaluate;
use super::scan::ScanNode;
use crate::error::{Error, Result};
use crate::expr::{AnyAll, Expr, OperatorCall};

/// A condition on stored rows. The value does not depend on the row.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// The column at this place compares so with the value.
    Compare(usize, Comparison, Expr),
    /// The column equals one of these.
    Any(usize, Vec<Value>),
    /// A column compares so with another one.
    Columns(usize, Comparison, usize),
}

impl Test {
    /// The test with its value, for one run.
    pub(super) fn ready(&self, layout: &RowLayout, cx: &mut Context<'_>) -> Result<RowTest> {
        let test = match self {
            Test::Compare(place, comparison, expr) => {
                let nothing: &[Value] = &[];
                layout.test(*place, *comparison, &*evaluate(expr, nothing, cx)?)
            }
            Test::Any(place, values) => layout.test_any(*place, values),
            Test::Columns(left, comparison, right) => {
                layout.test_columns(*left, *comparison, *right)
            }
        };
        test.ok_or_else(|| Error::internal("a condition is no test of a stored row"))
    }
}

impl ScanNode {
    /// Takes the first conditions over, as far as it can tell them from stored rows, and returns
    /// the others.
    pub(super) fn take_tests(&mut self, conditions: Vec<Expr>) -> Vec<Expr> {
        match self.reads_many() {
            true => self.take_leading_tests(conditions),
            false => conditions,
        }
    }

    /// The same, for who looks at the tests whatever the scan reads.
    pub(super) fn take_leading_tests(&mut self, conditions: Vec<Expr>) -> Vec<Expr> {
        let mut rest = conditions.into_iter().peekable();
        while let Some(condition) = rest.peek() {
            let Some(test) = self.test(condition) else {
                break;
            };
            self.tests.push(test);
            rest.next();
        }
        rest.collect()
    }

    fn test(&self, condition: &Expr) -> Option<Test> {
        match condition {
            Expr::Operator(call) => self.comparison(call),
            Expr::AnyAll(any) => self.any(any),
            _ => None,
        }
    }

    fn comparison(&self, call: &OperatorCall) -> Option<Test> {
        let comparison = Comparison::of(call.operator.name)?;
        let left = call.left.as_ref()?;
        let of_left = call
            .operator
            .left
            .as_ref()?
            .concrete()
            .and_then(Type::base)?;
        let of_right = call.operator.right.concrete().and_then(Type::base)?;
        let layout = self.table.layout();
        match (
            self.column(left, of_left),
            self.column(&call.right, of_right),
        ) {
            (Some(left), Some(right)) => {
                layout.test_columns(left, comparison, right)?;
                (of_left == of_right).then_some(Test::Columns(left, comparison, right))
            }
            (Some(place), None) => {
                let known = is_known(&call.right, layout, place, comparison, of_right);
                known.then(|| Test::Compare(place, comparison, call.right.clone()))
            }
            (None, Some(place)) => {
                let comparison = comparison.commuted();
                let known = is_known(left, layout, place, comparison, of_left);
                known.then(|| Test::Compare(place, comparison, left.clone()))
            }
            (None, None) => None,
        }
    }

    fn any(&self, any: &AnyAll) -> Option<Test> {
        let of_left = any
            .operator
            .left
            .as_ref()?
            .concrete()
            .and_then(Type::base)?;
        let place = self.column(&any.left, of_left)?;
        let Expr::Constant(Value::Array(array)) = &any.array else {
            return None;
        };
        if any.all || any.operator.name != "=" {
            return None;
        }
        let values: Vec<Value> = array.values().to_vec();
        self.table.layout().test_any(place, &values)?;
        Some(Test::Any(place, values))
    }

    /// The place of the column that an operand is, if the operator takes it as it is stored.
    fn column(&self, operand: &Expr, taken_as: Base) -> Option<usize> {
        match operand {
            Expr::Input(place) => self.places.get(*place).copied(),
            // Varying characters are text, the same bytes.
            Expr::Cast(cast) if cast.0.is_relabeling() && taken_as == Base::Text => {
                let Expr::Input(place) = cast.1 else {
                    return None;
                };
                let place = *self.places.get(place)?;
                let of = self.table.layout().column_type(place)?.base();
                (of == Some(Base::Varchar)).then_some(place)
            }
            _ => None,
        }
    }
}

/// Whether there is a test with this value, whatever it will be.
fn is_known(
    expr: &Expr,
    layout: &RowLayout,
    place: usize,
    comparison: Comparison,
    taken_as: Base,
) -> bool {
    match expr {
        Expr::Constant(value) => layout.test(place, comparison, value).is_some(),
        Expr::Parameter(_) | Expr::Outer(_) => {
            let of_column = layout.column_type(place).and_then(Type::base);
            let is_text = |base| matches!(base, Base::Text | Base::Varchar);
            let is_same =
                of_column == Some(taken_as) || of_column.is_some_and(is_text) && is_text(taken_as);
            let sample = sample(taken_as);
            is_same && sample.is_some_and(|value| layout.test(place, comparison, &value).is_some())
        }
        _ => false,
    }
}

/// Some value of a type whose comparisons are simple.
fn sample(base: Base) -> Option<Value> {
    Some(match base {
        Base::Int2 => Value::Int2(0),
        Base::Int4 => Value::Int4(0),
        Base::Int8 => Value::Int8(0),
        Base::Date => Value::Date(0),
        Base::Timestamp => Value::Timestamp(0),
        Base::Text => Value::text(""),
        _ => return None,
    })
}
