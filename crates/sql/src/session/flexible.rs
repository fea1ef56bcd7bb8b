//! Flexible tables: what a statement needs of one is given to it before the statement is planned.
//!
//! `CREATE TABLE users (name, age)` makes one. Its columns have no types until a value comes, then
//! the value's; a type is widened where nothing is lost, and a column that an INSERT names is
//! added. That is done by ALTER TABLE, within the statement's transaction.

use sqlparser::ast;
use sqlparser::ast::Statement;

use super::Session;
use crate::bind::{Binder, Given, Surroundings};
use crate::define::Definer;
use crate::error::{Error, Result, SqlState};
use crate::parse::utility::{AlterAction, AlterTable, Utility, utility};
use rustdb_catalog::Table;
use rustdb_types::Type;

use super::prepared::Prepared;

impl Session {
    /// Gives a flexible table what an INSERT or UPDATE of it needs.
    pub(super) fn fit_flexible(&mut self, prepared: &Prepared) -> Result<()> {
        let statement = prepared.statement();
        if !matches!(statement, Statement::Insert(_) | Statement::Update(_)) {
            return Ok(());
        }
        let catalog = self.open()?.change.view();
        let around = Surroundings {
            parameters: Some(prepared.types()),
            settings: &self.settings,
            session: &self.names,
            database: self.database.clone(),
            catalog: catalog.clone(),
        };
        // What is wrong with the statement is told when it is planned.
        let found = Binder::for_statement(&around).flexible_target(statement);
        let Ok(Some((table, given))) = found else {
            return Ok(());
        };
        let schema = catalog.schema(table.schema);
        let schema = schema.map_or("public", |schema| &schema.name);
        let name = format!("{}.{}", quoted(schema), quoted(&table.name));
        let is_insert = matches!(statement, Statement::Insert(_));
        for change in changes(&table, &given, is_insert)? {
            let alter = change.alter(&name)?;
            self.define(|definer: &mut Definer<'_>| definer.alter_table(&alter))?;
        }
        Ok(())
    }
}

/// What a column becomes.
struct Change {
    column: String,
    is_new: bool,
    /// None yet, if there was no value.
    of: Type,
}

fn changes(table: &Table, given: &[Given], may_add: bool) -> Result<Vec<Change>> {
    let mut changes: Vec<Change> = Vec::new();
    for one in given {
        let known = changes.iter().position(|each| each.column == one.column);
        let place = match (known, table.column_named(&one.column)) {
            (Some(place), _) => place,
            (None, None) if !may_add => continue,
            (None, column) => {
                changes.push(Change {
                    column: one.column.clone(),
                    is_new: column.is_none(),
                    of: column.map_or(Type::UNKNOWN, |column| column.column_type.clone()),
                });
                changes.len() - 1
            }
        };
        let now = &changes[place].of;
        let wider = one.widened(now).ok_or_else(|| {
            let message = format!(
                "column \"{}\" of flexible table \"{}\" holds values of type {}, not {}",
                one.column,
                table.name,
                now.name(),
                one.of.as_ref().map_or_else(String::new, Type::name)
            );
            Error::new(SqlState::DATATYPE_MISMATCH, message)
        })?;
        changes[place].of = wider;
    }
    changes.retain(|change| {
        let now = table.column_named(&change.column);
        now.is_none_or(|column| column.column_type != change.of)
    });
    Ok(changes)
}

/// A name in quotes, whatever it is.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Change {
    fn alter(&self, table: &str) -> Result<AlterTable> {
        let column = quoted(&self.column);
        let of = match self.of == Type::UNKNOWN {
            true => "text".to_owned(),
            false => self.of.full_name(),
        };
        let action = match self.is_new {
            true => format!("ADD COLUMN {column} {of}"),
            false => format!("ALTER COLUMN {column} TYPE {of}"),
        };
        let statements = crate::parse::parse(&format!("ALTER TABLE {table} {action}"))?;
        let Some(Ok(Utility::AlterTable(mut alter))) = statements.first().and_then(utility) else {
            return Err(Error::internal("ALTER TABLE is not read"));
        };
        if let (true, Some(AlterAction::AddColumn { column, .. })) =
            (self.of == Type::UNKNOWN, alter.actions.first_mut())
        {
            column.data_type = ast::DataType::Unspecified;
        }
        Ok(alter)
    }
}
