//! Calls with names for arguments: `make_interval(days => 3)`.
//!
//! Arguments with names come after those without. What is left out must have a default, which is
//! put in its place, so that the rest of the way is that of a call without names.

use rustdb_types::function::{Function, functions_named};
use rustdb_types::{Base, Parameter, Type, Value};
use sqlparser::ast;

use super::expression::Place;
use super::{Binder, name_of};
use crate::error::{Error, Result, SqlState};
use crate::expr::{Expr, Typed};
use crate::rewrite;

/// An argument, and its name if it has one.
type Argument<'a> = (Option<String>, &'a ast::Expr);

impl Binder<'_> {
    /// The arguments of a call in the order of the parameters, if any of them has a name.
    pub(super) fn named_arguments(
        &mut self,
        function: &str,
        call: &ast::Function,
        at: &mut Place<'_, '_>,
    ) -> Result<Option<Vec<Typed>>> {
        let Some(written) = written(call)? else {
            return Ok(None);
        };
        let mut arguments = Vec::with_capacity(written.len());
        for (name, expr) in written {
            arguments.push((name, self.expression(expr, at)?));
        }
        let mut found = functions_named(function)
            .iter()
            .filter_map(|candidate| placed(candidate, &arguments));
        match found.next() {
            Some(placed) => Ok(Some(placed)),
            None => Err(missing(function, &arguments)),
        }
    }
}

/// The arguments as they are written; `None` if none has a name.
fn written(call: &ast::Function) -> Result<Option<Vec<Argument<'_>>>> {
    let ast::FunctionArguments::List(list) = &call.args else {
        return Ok(None);
    };
    let mut arguments: Vec<Argument<'_>> = Vec::with_capacity(list.args.len());
    let mut names = 0;
    for argument in &list.args {
        let (name, expr) = match argument {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => match expr {
                // `name := value`
                ast::Expr::BinaryOp {
                    left,
                    op: ast::BinaryOperator::Assignment,
                    right,
                } => match &**left {
                    ast::Expr::Identifier(name) => (Some(name_of(name)), &**right),
                    _ => return Ok(None),
                },
                _ => (None, expr),
            },
            ast::FunctionArg::Named {
                name,
                arg: ast::FunctionArgExpr::Expr(expr),
                ..
            }
            | ast::FunctionArg::ExprNamed {
                name: ast::Expr::Identifier(name),
                arg: ast::FunctionArgExpr::Expr(expr),
                ..
            } if name.value != rewrite::VARIADIC => (Some(name_of(name)), expr),
            _ => return Ok(None),
        };
        match &name {
            Some(name) => {
                if arguments
                    .iter()
                    .any(|(other, _)| other.as_ref() == Some(name))
                {
                    let message = format!("argument name \"{name}\" used more than once");
                    return Err(Error::new(SqlState::SYNTAX_ERROR, message));
                }
                names += 1;
            }
            None if names > 0 => {
                let message = "positional argument cannot follow named argument";
                return Err(Error::new(SqlState::SYNTAX_ERROR, message));
            }
            None => (),
        }
        arguments.push((name, expr));
    }
    Ok((names > 0).then_some(arguments))
}

/// The arguments in the order of a function's parameters, if they are all it needs.
fn placed(function: &Function, arguments: &[(Option<String>, Typed)]) -> Option<Vec<Typed>> {
    let count = function.parameters.len();
    let mut places: Vec<Option<Typed>> = vec![None; count];
    for (index, (name, argument)) in arguments.iter().enumerate() {
        let place = match name {
            None => index,
            Some(name) => function.names.iter().position(|known| known == name)?,
        };
        let place = places.get_mut(place)?;
        if place.replace(argument.clone()).is_some() {
            return None;
        }
    }
    let required = count - function.defaults.len();
    let filled = places.into_iter().enumerate().map(|(index, place)| {
        place.or_else(|| {
            let default = function.defaults.get(index.checked_sub(required)?)?;
            Some(default_of(default, &function.parameters[index]))
        })
    });
    filled.collect()
}

fn default_of(value: &Value, parameter: &Parameter) -> Typed {
    let of = parameter.concrete().cloned();
    Typed::new(
        Expr::Constant(value.clone()),
        of.unwrap_or_else(|| Type::of(Base::Unknown)),
    )
}

fn missing(function: &str, arguments: &[(Option<String>, Typed)]) -> Error {
    let shown = arguments.iter().map(|(name, argument)| match name {
        Some(name) => format!("{name} => {}", argument.of.name()),
        None => argument.of.name(),
    });
    let shown: Vec<String> = shown.collect();
    let message = format!("function {function}({}) does not exist", shown.join(", "));
    Error::new(SqlState::UNDEFINED_FUNCTION, message).with_hint(
        "No function matches the given name and argument types. \
         You might need to add explicit type casts.",
    )
}
