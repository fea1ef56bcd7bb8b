//! Creating tables.

use std::sync::Arc;

use rustdb_txn::Transaction;
use rustdb_types::{COLUMNS_MAX, Oid, SqlState};

use super::constraint::{ConstraintDefinition, ConstraintDefinitionKind};
use crate::change::CatalogChange;
use crate::descriptor::{Column, ColumnId, Object, RowKeyColumns, Table};
use crate::error::{Error, Result};

/// What CREATE TABLE says.
#[derive(Clone, Debug, Default)]
pub struct TableDefinition {
    /// The schema it is to be in.
    pub schema: Oid,
    /// Its name.
    pub name: String,
    /// Its columns; their numbers are given by their order.
    pub columns: Vec<Column>,
    /// Its constraints, in order.
    pub constraints: Vec<ConstraintDefinition>,
    /// Whether rows may have columns that were not declared.
    pub flexible: bool,
    /// Whether the table is gone with its session.
    pub temporary: bool,
}

impl CatalogChange {
    /// `CREATE TABLE`. A primary key that is not deferrable is what rows are sorted by.
    pub fn create_table(
        &mut self,
        transaction: &mut Transaction,
        definition: TableDefinition,
    ) -> Result<Arc<Table>> {
        self.claim_relation(transaction, definition.schema, &definition.name)?;
        check_columns(&definition.columns)?;
        let row_key = row_key_of(&definition);
        let mut columns = definition.columns;
        for (id, column) in (1..).zip(&mut columns) {
            column.id = id;
        }
        let indexes = definition
            .constraints
            .iter()
            .filter(|each| each.needs_keyspace())
            .count();
        let (keyspace, mut keyspaces) = self.create_keyspaces(true, indexes)?;
        let mut table = Table {
            oid: self.new_oid()?,
            schema: definition.schema,
            name: definition.name,
            columns,
            constraints: Vec::new(),
            indexes: Vec::new(),
            row_key,
            flexible: definition.flexible,
            temporary: definition.temporary,
            keyspace: keyspace.ok_or_else(|| Error::internal("no keyspace for the table"))?,
            referenced_by: Vec::new(),
        };
        for constraint in definition.constraints {
            let keyspace = match constraint.needs_keyspace() {
                true => keyspaces.pop(),
                false => None,
            };
            self.attach_constraint(transaction, &mut table, constraint, keyspace)?;
        }
        let oid = table.oid;
        self.set(Object::Table(Arc::new(table)));
        self.expect_table(oid)
    }

    /// The table with this number, as it is now.
    pub(crate) fn expect_table(&mut self, oid: Oid) -> Result<Arc<Table>> {
        self.view()
            .table(oid)
            .cloned()
            .ok_or_else(|| Error::internal(format!("there is no table {oid}")))
    }
}

fn row_key_of(definition: &TableDefinition) -> RowKeyColumns {
    let key = definition
        .constraints
        .iter()
        .find_map(|each| match &each.kind {
            ConstraintDefinitionKind::PrimaryKey { columns, .. } if !each.deferrable => {
                Some(columns)
            }
            _ => None,
        });
    match key {
        Some(columns) => RowKeyColumns::Columns(columns.clone()),
        None => RowKeyColumns::Hidden,
    }
}

fn check_columns(columns: &[Column]) -> Result<()> {
    if columns.len() > COLUMNS_MAX {
        return Err(Error::new(
            SqlState::TOO_MANY_COLUMNS,
            format!("tables can have at most {COLUMNS_MAX} columns"),
        ));
    }
    for (place, column) in columns.iter().enumerate() {
        if columns[..place].iter().any(|each| each.name == column.name) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{}\" specified more than once", column.name),
            ));
        }
    }
    Ok(())
}

/// The columns of a key exist, are there once, and can be compared.
pub(super) fn check_key_columns(table: &Table, columns: &[ColumnId], what: &str) -> Result<()> {
    for (place, id) in columns.iter().enumerate() {
        let column = table
            .column(*id)
            .filter(|column| !column.dropped)
            .ok_or_else(|| Error::internal(format!("there is no column {id}")))?;
        if columns[..place].contains(id) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!(
                    "column \"{}\" appears twice in {what} constraint",
                    column.name
                ),
            ));
        }
        super::index::check_ordered(&column.column_type)?;
    }
    Ok(())
}
