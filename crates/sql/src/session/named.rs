//! PREPARE, EXECUTE and DEALLOCATE: statements that are called by a name.
//!
//! They are not undone with a transaction, as PostgreSQL's are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustdb_types::{Modifier, Type, Value};
use sqlparser::ast;
use sqlparser::ast::Statement;

use super::planned::Planned;
use super::prepared::Prepared;
use super::{Answer, Session, done};
use crate::bind::{OutputColumn, Surroundings, new_name, object_name};
use crate::error::{Error, Result, SqlState};
use crate::parse::{is_deep, parse};

/// The statements of a session, by name.
pub(super) type Named = BTreeMap<String, NamedStatement>;

/// A statement that has a name. What it asks for and gives stays as it was when it got it.
#[derive(Debug)]
pub(super) struct NamedStatement {
    prepared: Arc<Prepared>,
    columns: Option<Arc<[OutputColumn]>>,
}

impl NamedStatement {
    /// Checks that a plan that was made later gives the same columns.
    fn check_columns(&self, planned: &Planned) -> Result<()> {
        let is_same = match (&self.columns, &planned.columns) {
            (Some(then), Some(now)) => {
                let same = |(then, now): (&OutputColumn, &OutputColumn)| {
                    then.name == now.name && then.of == now.of
                };
                Arc::ptr_eq(then, now)
                    || then.len() == now.len() && then.iter().zip(now.iter()).all(same)
            }
            (None, None) => true,
            _ => false,
        };
        match is_same {
            true => Ok(()),
            false => {
                let message = "cached plan must not change result type";
                Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message))
            }
        }
    }
}

impl Session {
    pub(super) fn prepare_named(
        &mut self,
        name: &ast::Ident,
        types: &[ast::DataType],
        statement: &Statement,
    ) -> Result<Answer> {
        let name = new_name(name)?;
        if self.named.contains_key(&name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Error::new(SqlState::DUPLICATE_PREPARED_STATEMENT, message));
        }
        let types = self.types_named(types)?;
        let prepared = Arc::new(Prepared::new(statement.clone(), types));
        if !prepared.is_planned() {
            return Err(Error::unsupported("PREPARE of this statement"));
        }
        // Its text is far away when it is executed, and so is the stack that it needs.
        if is_deep(&statement.to_string())? {
            return Err(Error::unsupported("PREPARE of a deeply nested statement"));
        }
        let planned = self.planned(&prepared)?;
        let columns = planned.columns.clone();
        let asked = planned.parameters.iter();
        let asked: Vec<Type> = asked.map(|of| of.with_modifier(Modifier::NONE)).collect();
        let prepared = match prepared.types() == asked {
            true => prepared,
            // What it was found to ask for is what it asks for when its tables are others.
            false => Arc::new(Prepared::new(statement.clone(), asked)),
        };
        self.named
            .insert(name, NamedStatement { prepared, columns });
        Ok(done("PREPARE"))
    }

    fn types_named(&mut self, written: &[ast::DataType]) -> Result<Vec<Type>> {
        let (settings, names) = (self.settings.clone(), self.names.clone());
        let database = self.database.clone();
        let around = Surroundings {
            parameters: None,
            settings: &settings,
            session: &names,
            database,
            catalog: self.open()?.change.view(),
        };
        let binder = crate::bind::Binder::for_statement(&around);
        let types = written.iter().map(|of| match of.to_string().as_str() {
            "unknown" => Ok(Type::UNKNOWN),
            _ => binder.type_named(of),
        });
        types.collect()
    }

    /// The statement of this name, and the values of its parameters.
    pub(super) fn named_call(
        &mut self,
        name: Option<&ast::ObjectName>,
        arguments: &[ast::Expr],
    ) -> Result<(Arc<Prepared>, Vec<Value>)> {
        let name = match name {
            Some(name) => object_name(name)?.join("."),
            None => return Err(Error::unsupported("EXECUTE without a name")),
        };
        let named = self.named.get(&name);
        let prepared = named.ok_or_else(|| missing(&name))?.prepared.clone();
        let planned = self.planned(&prepared).map_err(Error::elsewhere)?;
        if let Some(named) = self.named.get(&name) {
            named.check_columns(&planned)?;
        }
        if planned.parameters.len() != arguments.len() {
            let message = format!("wrong number of parameters for prepared statement \"{name}\"");
            let detail = format!(
                "Expected {} parameters but got {}.",
                planned.parameters.len(),
                arguments.len()
            );
            return Err(Error::new(SqlState::SYNTAX_ERROR, message).with_detail(detail));
        }
        let mut values = Vec::with_capacity(arguments.len());
        for (argument, of) in arguments.iter().zip(&planned.parameters) {
            let value = self.constant(argument, of);
            values.push(value.map_err(Error::elsewhere)?);
        }
        Ok((prepared, values))
    }

    /// The value of an expression that names no column, as one of a type.
    fn constant(&mut self, expr: &ast::Expr, of: &Type) -> Result<Value> {
        let text = format!("SELECT {expr}");
        let mut statements = parse(&text)?;
        let Some(statement) = statements.pop() else {
            return Err(Error::internal("no expression"));
        };
        let prepared = Prepared::new(statement, Vec::new());
        let answer = self.run_planned(&prepared, &[])?;
        let value = answer
            .rows
            .into_iter()
            .flatten()
            .next()
            .unwrap_or(Value::Null);
        let from = answer.columns.as_ref().and_then(|columns| columns.first());
        let from = from.map_or(Type::TEXT, |column| column.of.clone());
        if value.is_null() || from == *of {
            return Ok(value);
        }
        // A literal in quotes is of the type that the parameter asks for.
        if from == Type::TEXT && is_literal(expr) {
            let text = value.as_str().unwrap_or_default();
            return Ok(rustdb_types::parse(text, of, &self.settings)?);
        }
        let cast = rustdb_types::Cast::find(&from, of, rustdb_types::CastContext::Assignment);
        match cast {
            Some(cast) => Ok(cast.apply(&value, &self.settings)?),
            None => {
                let message = format!(
                    "parameter of type {} cannot be coerced to the expected type {}",
                    from.name(),
                    of.name()
                );
                Err(Error::new(SqlState::DATATYPE_MISMATCH, message)
                    .with_hint("You will need to rewrite or cast the expression."))
            }
        }
    }

    pub(super) fn deallocate(&mut self, name: &ast::Ident) -> Result<Answer> {
        let is_all = name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all");
        if is_all {
            self.named.clear();
            return Ok(done("DEALLOCATE ALL"));
        }
        let name = new_name(name)?;
        match self.named.remove(&name) {
            Some(_) => Ok(done("DEALLOCATE")),
            None => Err(missing(&name)),
        }
    }
}

fn is_literal(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Nested(inner) => is_literal(inner),
        ast::Expr::Value(value) => matches!(
            value.value,
            ast::Value::SingleQuotedString(_)
                | ast::Value::EscapedStringLiteral(_)
                | ast::Value::DollarQuotedString(_)
        ),
        _ => false,
    }
}

fn missing(name: &str) -> Error {
    let message = format!("prepared statement \"{name}\" does not exist");
    Error::new(SqlState::INVALID_STATEMENT_NAME, message)
}
