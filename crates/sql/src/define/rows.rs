//! Rows that are there when a definition changes: copying and looking at them.

use std::sync::Arc;

use rustdb_catalog::Table as Definition;
use rustdb_table::{Statement, Table, Validation};
use rustdb_types::{Oid, Value};

use super::Definer;
use crate::database::CatalogTables;
use crate::error::{Error, Result, SqlState};
use crate::exec::{Context, evaluate_row};
use crate::expr::Expr;

/// What a place of a row becomes when rows are copied.
#[derive(Clone, Debug)]
pub(super) enum Becomes {
    /// What it was.
    Same,
    /// The value of an expression over the row as it was.
    Value(Expr),
    /// The value of an expression over the row as it is to be.
    Generated(Expr),
}

impl Definer<'_> {
    /// A table as the transaction has it, ready for rows.
    pub(super) fn opened(&mut self, oid: Oid) -> Result<Arc<Table>> {
        let catalog = self.change.view();
        let definition = catalog.table(oid);
        let definition = definition.ok_or_else(|| Error::internal("the table is gone"))?;
        self.around.database.table(definition, &catalog)
    }

    /// A statement that writes rows of a table which is locked against everyone else.
    pub(super) fn statement(&mut self, exclusive: Oid) -> Statement {
        let tables = CatalogTables {
            database: self.around.database.clone(),
            catalog: self.change.view(),
        };
        let settings = Arc::new(self.around.settings.clone());
        let mut statement = Statement::new(Arc::new(tables), settings, self.wait);
        statement.assume_exclusive(exclusive);
        statement
    }

    /// Fails if a row breaks a constraint.
    pub(super) fn validate(&mut self, table: Oid, what: Validation) -> Result<()> {
        let rows = self.opened(table)?;
        let mut statement = self.statement(table);
        Ok(rows.validate(self.transaction, what, &mut statement)?)
    }

    /// Copies a table's rows from its old storage to the new.
    pub(super) fn copy_rows(
        &mut self,
        old: &Arc<Definition>,
        new: &Arc<Definition>,
        places: &[Becomes],
    ) -> Result<()> {
        let catalog = self.change.view();
        let source = self.around.database.table(old, &catalog)?;
        let target = self.around.database.table(new, &catalog)?;
        let mut statement = self.statement(new.oid);
        let database = self.around.database.clone();
        let mut cx = Context::new(self.around.settings, &*database.shared.host, &[]);
        cx.catalog = Some((&catalog, &database.shared.catalog));
        let mut convert = |row: &[Value]| converted(row, places, &mut cx);
        let copied = source.copy_into(self.transaction, &target, &mut convert, &mut statement);
        copied.map_err(|error| in_building(error.into()))?;
        Ok(())
    }
}

fn converted(
    row: &[Value],
    places: &[Becomes],
    cx: &mut Context<'_>,
) -> rustdb_catalog::Result<Vec<Value>> {
    let failed = |error: Error| {
        let mut out = rustdb_catalog::Error::new(error.state(), error.message());
        if let Some(detail) = error.detail() {
            out = out.with_detail(detail);
        }
        out
    };
    let mut new = Vec::with_capacity(places.len());
    for (place, becomes) in places.iter().enumerate() {
        new.push(match becomes {
            Becomes::Same => row.get(place).cloned().unwrap_or(Value::Null),
            Becomes::Value(expr) => evaluate_row(expr, row, cx).map_err(failed)?,
            Becomes::Generated(_) => Value::Null,
        });
    }
    for (place, becomes) in places.iter().enumerate() {
        if let Becomes::Generated(expr) = becomes {
            new[place] = evaluate_row(expr, &new, cx).map_err(failed)?;
        }
    }
    Ok(new)
}

/// A key that is there twice is told as by those who build an index, because that is what it is.
fn in_building(error: Error) -> Error {
    if error.state() != SqlState::UNIQUE_VIOLATION {
        return error;
    }
    let message = error.message().replace(
        "duplicate key value violates unique constraint",
        "could not create unique index",
    );
    let detail = error.detail().unwrap_or_default();
    let detail = detail.replace(" already exists.", " is duplicated.");
    Error::new(SqlState::UNIQUE_VIOLATION, message).with_detail(detail)
}
