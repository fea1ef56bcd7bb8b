//! Computing what is constant once, when the plan is made.
//!
//! Only what gives the same for the same arguments, always: immutable functions, operators and
//! casts. What fails is left where it is: it may never be reached.
//!
//! What a strict operator, function or cast makes of a NULL that is written out is NULL, and its
//! other operands are not evaluated: PostgreSQL does so too, and thus `NULL > a * b` is no error
//! where the product is too large.

use rustdb_types::function::Volatility;
use rustdb_types::{Category, Value};

use super::Plan;
use crate::exec::{Context, evaluate_row};
use crate::expr::Expr;

/// Computes the constant parts of a plan's expressions, those of its subqueries too.
pub(super) fn fold(plan: &mut Plan, cx: &mut Context<'_>) {
    plan.for_each_expression_mut(&mut |expr| fold_expression(expr, cx));
    if let Plan::Scan(scan) = plan {
        // So that they are the same as conditions that are.
        for index in &mut scan.expressions {
            let exprs = index.keys.iter_mut().chain(&mut index.predicate);
            exprs.for_each(|expr| fold_expression(expr, cx));
        }
    }
    for input in plan.inputs_mut() {
        fold(input, cx);
    }
}

fn fold_expression(expr: &mut Expr, cx: &mut Context<'_>) {
    if let Expr::Subquery(subquery) = expr {
        fold(&mut subquery.plan, cx);
    }
    for child in expr.children_mut() {
        fold_expression(child, cx);
    }
    let is_constant = |expr: &&Expr| matches!(expr, Expr::Constant(_));
    if is_null(expr) {
        *expr = Expr::Constant(Value::Null);
    } else if is_pure(expr)
        && expr.children().iter().all(is_constant)
        && let Ok(value) = evaluate_row(expr, &[], cx)
    {
        *expr = Expr::Constant(value);
    }
}

/// Whether it gives the same for the same operands, always.
fn is_pure(expr: &Expr) -> bool {
    match expr {
        Expr::Operator(_)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::RowTest(..)
        | Expr::Is(..)
        | Expr::Array(..) => true,
        // `today` is another day tomorrow.
        Expr::Cast(cast) => cast.0.target().category() != Category::DateTime,
        Expr::Call(call) => {
            let function = call.call.function();
            function.volatility == Volatility::Immutable && !function.set
        }
        _ => false,
    }
}

fn is_null(expr: &Expr) -> bool {
    let null = |expr: &Expr| *expr == Expr::Constant(Value::Null);
    match expr {
        Expr::Operator(call) => {
            call.operator.strict && (null(&call.right) || call.left.as_ref().is_some_and(null))
        }
        Expr::Call(call) => {
            let function = call.call.function();
            function.strict && !function.set && call.arguments.iter().any(null)
        }
        Expr::Cast(cast) => null(&cast.1),
        _ => false,
    }
}
