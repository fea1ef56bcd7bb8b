//! Expressions that are NULL whatever the rows are.
//!
//! What a strict operator, function or cast makes of a NULL that is written out is NULL, and its
//! other operands are not evaluated: PostgreSQL does so too, and thus `NULL > a * b` is no error
//! where the product is too large. Other constants are left as they are.

use rustdb_types::Value;

use super::Plan;
use crate::expr::Expr;

/// Folds all expressions of a plan, and those of the plans within them.
pub(super) fn fold_nulls(plan: &mut Plan) {
    plan.for_each_expression_mut(&mut fold);
    for input in plan.inputs_mut() {
        fold_nulls(input);
    }
}

fn fold(expr: &mut Expr) {
    if let Expr::Subquery(subquery) = expr {
        fold_nulls(&mut subquery.plan);
    }
    for child in expr.children_mut() {
        fold(child);
    }
    if is_null(expr) {
        *expr = Expr::Constant(Value::Null);
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
