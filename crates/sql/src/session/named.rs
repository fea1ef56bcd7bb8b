//! PREPARE, EXECUTE and DEALLOCATE: statements that are called by a name.
//!
//! They are not undone with a transaction, as PostgreSQL's are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustdb_types::{Type, Value};
use sqlparser::ast;
use sqlparser::ast::Statement;

use super::prepared::Prepared;
use super::{Answer, Session, done};
use crate::bind::{Surroundings, new_name, object_name};
use crate::error::{Error, Result, SqlState};
use crate::parse::{is_deep, parse};

/// The statements of a session, by name.
pub(super) type Named = BTreeMap<String, Arc<Prepared>>;

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
        self.planned(&prepared)?;
        self.named.insert(name, prepared);
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
        let prepared = self
            .named
            .get(&name)
            .cloned()
            .ok_or_else(|| missing(&name))?;
        let planned = self.planned(&prepared).map_err(Error::elsewhere)?;
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
