//! Rows in bulk: an INSERT that is planned once and stays ready.

use std::sync::Arc;

use rustdb_table::Statement as TableStatement;
use rustdb_types::Value;

use super::Session;
use super::planned::{Body, Planned};
use crate::database::CatalogTables;
use crate::error::{Error, Result, SqlState};
use crate::exec::Memory;
use crate::parameters::converted;

/// Inserts rows into a table, one after the other, as one statement. Nothing else may run in its
/// session until it is [finished](Session::finish_append) or given up.
pub struct Append {
    planned: Arc<Planned>,
    memory: Memory,
    /// What is checked at the end of the statement.
    statement: TableStatement,
    rows: u64,
}

impl Append {
    /// How many rows were appended.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

impl Session {
    /// Begins to append to a table, named as in SQL. The values come in the order of `columns`; no
    /// columns are all of the table's. What is left out has its default.
    pub fn start_append(&mut self, table: &str, columns: &[&str]) -> Result<Append> {
        self.begin_statements()?;
        let append = self.append_to(table, columns);
        if append.is_err() {
            self.fail();
        }
        append
    }

    fn append_to(&mut self, table: &str, columns: &[&str]) -> Result<Append> {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let count = match columns.len() {
            0 => self.columns_of(table)?,
            count => count,
        };
        let list = match columns.is_empty() {
            true => String::new(),
            false => {
                let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
                format!(" ({})", names.join(", "))
            }
        };
        let values: Vec<String> = (1..=count).map(|number| format!("${number}")).collect();
        let text = format!("INSERT INTO {table}{list} VALUES ({})", values.join(", "));
        let prepared = self.prepare(&text, &[])?;
        self.apply_parameters()?;
        self.begin_time();
        self.open_for_statement()?;
        let planned = self.planned(&prepared)?;
        let tables = Arc::new(CatalogTables {
            database: self.database.clone(),
            catalog: planned.catalog.clone(),
        });
        Ok(Append {
            memory: planned.memory(),
            statement: TableStatement::new(tables, self.settings.clone(), self.wait()),
            planned,
            rows: 0,
        })
    }

    /// How many columns a table has.
    fn columns_of(&mut self, table: &str) -> Result<usize> {
        let query = self.prepare(&format!("SELECT * FROM {table}"), &[])?;
        let columns = query.columns();
        Ok(columns.map_or(0, |columns| columns.len()))
    }

    /// Appends a row.
    pub fn append(&mut self, append: &mut Append, row: &[Value]) -> Result<()> {
        self.wake()?;
        let result = self.watched(|session| session.append_row(append, row));
        match result {
            Ok(()) => append.rows += 1,
            Err(_) => self.fail(),
        }
        result
    }

    fn append_row(&mut self, append: &mut Append, row: &[Value]) -> Result<()> {
        let planned = &append.planned;
        let Body::Write(node, _) = &planned.body else {
            return Err(Error::internal("an INSERT that does not write"));
        };
        let (given, wanted) = (row.len(), planned.parameters.len());
        if given != wanted {
            let message = format!("the row has {given} values, and {wanted} columns are filled");
            return Err(Error::new(SqlState::PROTOCOL_VIOLATION, message));
        }
        let values = converted(row, &planned.parameters, &self.settings)?;
        let statement = &mut append.statement;
        self.with_context(planned, &values, &mut append.memory, |cx| {
            node.run(statement, cx)
        })?;
        Ok(())
    }

    /// Ends the statement: what is checked at its end is, and what was no block is committed. The
    /// number of rows.
    pub fn finish_append(&mut self, append: Append) -> Result<u64> {
        let Append {
            mut statement,
            rows,
            ..
        } = append;
        self.wake()?;
        let result = self
            .open()
            .and_then(|open| Ok(statement.finish(&mut open.transaction, &mut open.deferred)?));
        let result = result.and_then(|()| self.end_implicit());
        if result.is_err() {
            self.fail();
        }
        result.map(|()| rows)
    }

    /// Gives up: what was appended is rolled back; a block has failed.
    pub fn cancel_append(&mut self, append: Append) {
        drop(append);
        // What is gone need not fail.
        if self.wake().is_ok() {
            self.fail();
        }
    }
}
