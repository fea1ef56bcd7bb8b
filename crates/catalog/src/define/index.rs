//! Indexes.

use std::sync::Arc;

use rustdb_txn::Transaction;
use rustdb_types::{Oid, SqlState, Type};

use super::names::{choose_name, column_part, is_taken};
use crate::change::CatalogChange;
use crate::descriptor::{
    ColumnId, Expression, Index, IndexColumn, IndexKey, IndexMethod, IndexState, Object, Table,
};
use crate::error::{Error, Result};

/// What CREATE INDEX says.
#[derive(Clone, Debug, Default)]
pub struct IndexDefinition {
    /// Its name; if there is none, one is chosen.
    pub name: Option<String>,
    /// What it is sorted by.
    pub columns: Vec<IndexColumn>,
    /// What these are called where a name is chosen for the index, by their place; columns of the
    /// table are called what they are, and expressions that are not here `expr`.
    pub labels: Vec<Option<String>>,
    /// INCLUDE.
    pub include: Vec<ColumnId>,
    /// UNIQUE.
    pub unique: bool,
    /// NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// WHERE.
    pub predicate: Option<Expression>,
    /// USING.
    pub method: IndexMethod,
}

impl CatalogChange {
    /// `CREATE INDEX`. The index is write-only and empty: the caller builds it and calls
    /// [`CatalogChange::set_index_state`].
    pub fn create_index(
        &mut self,
        transaction: &mut Transaction,
        table: Oid,
        definition: IndexDefinition,
    ) -> Result<Arc<Index>> {
        let mut table = Table::clone(&*self.expect_table(table)?);
        let name = match definition.name {
            Some(name) => name,
            None => {
                let names = column_labels(&table, &definition);
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let view = self.view();
                choose_name(&table.name, &column_part(&names), "idx", |name| {
                    is_taken(&view, &table, name)
                })
            }
        };
        self.claim_relation(transaction, table.schema, &name)?;
        for column in &definition.columns {
            match &column.key {
                IndexKey::Column(id) => check_ordered(&column_type(&table, *id)?)?,
                IndexKey::Expression { result, .. } => check_ordered(result)?,
            }
        }
        let keyspace = self.create_keyspaces(false, 1)?.1.pop();
        let index = Arc::new(Index {
            oid: self.new_oid()?,
            name,
            keyspace: Some(keyspace.ok_or_else(|| Error::internal("no keyspace for the index"))?),
            columns: definition.columns,
            include: definition.include,
            unique: definition.unique,
            nulls_not_distinct: definition.nulls_not_distinct,
            deferrable: false,
            predicate: definition.predicate,
            method: definition.method,
            state: IndexState::WriteOnly,
        });
        table.indexes.push(index.clone());
        self.set(Object::Table(Arc::new(table)));
        Ok(index)
    }

    /// Says how far an index is built.
    pub fn set_index_state(&mut self, table: Oid, index: Oid, state: IndexState) -> Result<()> {
        let mut table = Table::clone(&*self.expect_table(table)?);
        let found = table.indexes.iter_mut().find(|each| each.oid == index);
        let found = found.ok_or_else(|| Error::internal(format!("there is no index {index}")))?;
        Arc::make_mut(found).state = state;
        self.set(Object::Table(Arc::new(table)));
        Ok(())
    }
}

fn column_type(table: &Table, id: ColumnId) -> Result<Type> {
    let column = table.column(id).filter(|column| !column.dropped);
    let column = column.ok_or_else(|| Error::internal(format!("there is no column {id}")))?;
    Ok(column.column_type.clone())
}

/// The names of an index's columns, as its own name has them.
fn column_labels(table: &Table, definition: &IndexDefinition) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    let name_of = |id: ColumnId| table.column(id).map(|column| column.name.as_str());
    let keys = definition.columns.iter().enumerate();
    let keys = keys.map(|(place, column)| match column.key {
        IndexKey::Column(id) => name_of(id),
        IndexKey::Expression { .. } => definition.labels.get(place)?.as_deref(),
    });
    let include = definition.include.iter().map(|id| name_of(*id));
    for base in keys.chain(include) {
        let base = base.unwrap_or("expr");
        let mut label = base.to_owned();
        let mut number = 1;
        while labels.contains(&label) {
            label = format!("{base}{number}");
            number += 1;
        }
        labels.push(label);
    }
    labels
}

/// Values that an index sorts need an order.
pub(super) fn check_ordered(of: &Type) -> Result<()> {
    match of.is_ordered() {
        true => Ok(()),
        false => Err(Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!(
                "data type {} has no default operator class for access method \"btree\"",
                of.name()
            ),
        )
        .with_hint(
            "You must specify an operator class for the index or define a default operator class for the data type.",
        )),
    }
}
