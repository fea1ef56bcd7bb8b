//! Functions in FROM: `generate_series(1, 3)`, `ROWS FROM (f(), g())`, `unnest(a, b)`.

use sqlparser::ast;
use sqlparser::ast::TableFactor;

use super::expression::Place;
use super::from::{FromItem, words_of};
use super::scope::{FromNames, NamedColumn, Relation, Scope};
use super::{Binder, new_name};
use crate::error::{Error, Position, Result};
use crate::parse::place_of_name;
use crate::plan::{FunctionRows, Plan};
use crate::rewrite;

impl Binder<'_> {
    /// `generate_series(1, 3) AS g (n)`: its arguments may name what stands to its left.
    pub(super) fn function_in_from(
        &mut self,
        factor: &TableFactor,
        before: &FromNames,
        outer: &Scope<'_>,
    ) -> Result<FromItem> {
        let scope = Scope {
            parent: Some(outer),
            from: before.clone(),
        };
        let begin = match factor {
            TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => {
                place_of_name(name)
            }
            _ => None,
        };
        let parts = function_parts(factor)?;
        if let Some(item) = self.record_function(&parts, begin, &scope)? {
            return Ok(item);
        }
        let (written, alias, with_ordinality) = parts;
        let mut columns = Vec::new();
        let mut calls = Vec::with_capacity(written.len());
        // A single column takes the alias of the relation.
        let alias_name = alias.map(|alias| new_name(&alias.name)).transpose()?;
        let alias_name = alias_name.filter(|_| written.len() == 1);
        for (names, arguments) in &written {
            let (call, made) =
                self.call_in_from(names, arguments, begin, alias_name.as_deref(), &scope)?;
            calls.push((call, made.iter().map(|column| column.id).collect()));
            columns.extend(made);
        }
        let ordinality = with_ordinality.then(|| {
            columns.push(self.named_column("ordinality".to_owned(), rustdb_types::Type::INT8));
            columns[columns.len() - 1].id
        });
        let relation = Relation {
            name: match &written[..] {
                [(names, _)] => names.last().cloned().unwrap_or_default(),
                _ => String::new(),
            },
            schema: None,
            alias_of: None,
            is_scalar: columns.len() == 1,
            columns,
            tableoid: None,
        };
        // The name of a function is no name of its rows.
        let relation = Relation {
            alias_of: None,
            ..self.aliased(relation, alias)?
        };
        Ok(FromItem {
            plan: Plan::Function(Box::new(FunctionRows {
                input: Plan::one_row(),
                calls,
                ordinality,
            })),
            names: FromNames::of(relation),
        })
    }

    /// A function in FROM with its columns.
    fn call_in_from(
        &mut self,
        names: &[String],
        arguments: &[&ast::Expr],
        begin: Option<Position>,
        alias: Option<&str>,
        scope: &Scope<'_>,
    ) -> Result<(crate::expr::FunctionCall, Vec<NamedColumn>)> {
        let mut at = Place::new(scope, "functions in FROM");
        let mut typed = Vec::with_capacity(arguments.len());
        for argument in arguments {
            typed.push(self.expression(argument, &mut at)?);
        }
        let (call, of) = self
            .function_call(names, typed)
            .map_err(|error| error.at(begin))?;
        let function = call.call.function();
        let short = names.last().map_or("", String::as_str);
        let mut columns = Vec::new();
        if function.columns.len() > 1 {
            for (name, of) in &function.columns {
                let of = of.concrete().cloned();
                let of = of.ok_or_else(|| Error::unsupported(format!("{short} in FROM")))?;
                columns.push(self.named_column((*name).to_owned(), of));
            }
        } else {
            let own = function.columns.first().map(|(name, _)| *name);
            let name = own.or(alias).unwrap_or(short);
            columns.push(self.named_column(name.to_owned(), of));
        }
        Ok((call, columns))
    }

    fn named_column(&mut self, name: String, of: rustdb_types::Type) -> NamedColumn {
        NamedColumn {
            name,
            id: self.new_column(),
            of,
        }
    }
}

pub(super) type FunctionParts<'a> = (
    Vec<(Vec<String>, Vec<&'a ast::Expr>)>,
    Option<&'a ast::TableAlias>,
    bool,
);

/// Names and arguments, alias and WITH ORDINALITY of functions in FROM.
fn function_parts(factor: &TableFactor) -> Result<FunctionParts<'_>> {
    let refused = || Error::unsupported(format!("`{factor}` in FROM"));
    let plain = |arguments: &'_ [ast::FunctionArg]| {
        arguments.iter().all(|argument| {
            matches!(
                argument,
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(_))
            )
        })
    };
    let (name, arguments, alias, ordinality) = match factor {
        TableFactor::Table {
            name,
            alias,
            args: Some(arguments),
            with_ordinality,
            ..
        } if arguments.settings.is_none() => (name, &arguments.args, alias, *with_ordinality),
        TableFactor::Function {
            name,
            args,
            alias,
            with_ordinality,
            ..
        } => (name, args, alias, *with_ordinality),
        TableFactor::UNNEST {
            alias,
            array_exprs,
            with_offset: false,
            with_ordinality,
            ..
        } => {
            let unnest = |array| (vec!["unnest".to_owned()], vec![array]);
            let calls = array_exprs.iter().map(unnest).collect();
            return Ok((calls, alias.as_ref(), *with_ordinality));
        }
        _ => return Err(refused()),
    };
    if !plain(arguments) {
        return Err(refused());
    }
    let written = arguments.iter().filter_map(|argument| match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    let names = words_of(name)?;
    let written: Vec<&ast::Expr> = written.collect();
    let calls = match names.last().map(String::as_str) {
        Some(rewrite::ROWS_FROM) => {
            let calls = written.into_iter().map(|call| match call {
                ast::Expr::Function(call) => {
                    Ok((words_of(&call.name)?, super::calls::plain_arguments(call)?))
                }
                _ => Err(refused()),
            });
            calls.collect::<Result<_>>()?
        }
        Some("unnest") if written.len() > 1 => {
            let unnest = |array| (names.clone(), vec![array]);
            written.into_iter().map(unnest).collect()
        }
        _ => vec![(names, written)],
    };
    Ok((calls, alias.as_ref(), ordinality))
}
