//! Definitions: CREATE and DROP of tables, schemas, views and sequences.
//!
//! Syntax becomes what the catalog's verbs take. Expressions are kept as text; they are bound here
//! once, so that what is wrong with them is told now.

mod analyze;
mod column;
mod constraint;
mod drop;
mod index;
mod sequence;
mod view;

use rustdb_catalog::{CatalogChange, Generated, TableDefinition};
use rustdb_txn::{ObjectMode, Transaction, Wait};
use rustdb_types::Oid;
use sqlparser::ast;

use crate::bind::{Surroundings, object_name, schema_named};
use crate::error::{Error, Result, SqlState};

use constraint::mark_primary_key;

/// A transaction that defines something.
pub(crate) struct Definer<'a> {
    pub(crate) around: Surroundings<'a>,
    pub(crate) transaction: &'a mut Transaction,
    pub(crate) change: &'a mut CatalogChange,
}

/// What a definition says when it is done: its tag, and what it has to say besides.
pub(crate) struct Defined {
    pub(crate) tag: &'static str,
    pub(crate) notice: Option<String>,
}

impl Defined {
    fn new(tag: &'static str) -> Defined {
        Defined { tag, notice: None }
    }
}

impl Definer<'_> {
    /// The schema and the short name of something that is to be made.
    fn new_name(&mut self, name: &ast::ObjectName) -> Result<(Oid, String)> {
        let names = object_name(name)?;
        match &names[..] {
            [name] => {
                let schema = self.around.session.creation_schema(&self.change.view());
                let schema = schema.ok_or_else(|| {
                    let message = "no schema has been selected to create in";
                    Error::new(SqlState::INVALID_SCHEMA_NAME, message)
                })?;
                Ok((schema, name.clone()))
            }
            [schema, name] | [_, schema, name] => {
                let schema = schema_named(&self.change.view(), schema)?;
                Ok((schema, name.clone()))
            }
            _ => Err(Error::unsupported(format!("the name {name}"))),
        }
    }

    // ---------------------------------------------------------------------------------- tables

    pub(crate) fn create_table(&mut self, create: &ast::CreateTable) -> Result<Defined> {
        refuse_create_table(create)?;
        let (schema, name) = self.new_name(&create.name)?;
        if create.if_not_exists && self.change.view().relation(schema, &name).is_some() {
            return Ok(Defined {
                tag: "CREATE TABLE",
                notice: Some(format!("relation \"{name}\" already exists, skipping")),
            });
        }
        let mut columns = Vec::with_capacity(create.columns.len());
        let mut constraints = Vec::new();
        let mut serials = Vec::new();
        for (place, written) in create.columns.iter().enumerate() {
            let column = self.column(written, place, &mut constraints, &mut serials)?;
            columns.push(column);
        }
        for written in &create.constraints {
            constraints.push(self.constraint(written, &columns)?);
        }
        mark_primary_key(&mut columns, &constraints)?;
        for (place, always) in serials {
            let column = &columns[place];
            let sequence = self.serial_sequence(schema, &name, column)?;
            columns[place].generated = Some(Generated::Identity { always, sequence });
        }
        let definition = TableDefinition {
            schema,
            name,
            columns,
            constraints,
            flexible: false,
            temporary: false,
        };
        let table = self.change.create_table(self.transaction, definition)?;
        self.own_sequences(&table)?;
        self.check_expressions(&table)?;
        Ok(Defined::new("CREATE TABLE"))
    }

    fn lock(&mut self, oid: Oid, mode: ObjectMode) -> Result<()> {
        let number = rustdb_catalog::lock::object(oid);
        Ok(self.transaction.lock_object(number, mode, Wait::Forever)?)
    }

    // ----------------------------------------------------------------------------- the others

    pub(crate) fn create_schema(
        &mut self,
        name: &ast::SchemaName,
        if_not_exists: bool,
    ) -> Result<Defined> {
        let ast::SchemaName::Simple(name) = name else {
            return Err(Error::unsupported("CREATE SCHEMA ... AUTHORIZATION"));
        };
        let names = object_name(name)?;
        let [name] = &names[..] else {
            return Err(Error::unsupported(format!("the schema {name}")));
        };
        if if_not_exists && self.change.view().schema_named(name).is_some() {
            return Ok(Defined {
                tag: "CREATE SCHEMA",
                notice: Some(format!("schema \"{name}\" already exists, skipping")),
            });
        }
        self.change.create_schema(self.transaction, name, false)?;
        Ok(Defined::new("CREATE SCHEMA"))
    }
}

fn refuse_create_table(create: &ast::CreateTable) -> Result<()> {
    let what = if create.temporary {
        "CREATE TEMPORARY TABLE"
    } else if create.unlogged || create.external || create.or_replace || create.transient {
        "this kind of CREATE TABLE"
    } else if create.query.is_some() {
        "CREATE TABLE AS"
    } else if create.like.is_some() || create.clone.is_some() {
        "CREATE TABLE LIKE"
    } else if create.inherits.is_some() || create.partition_of.is_some() {
        "inheritance"
    } else if create.partition_by.is_some() {
        "partitioning"
    } else if !matches!(create.table_options, ast::CreateTableOptions::None) {
        "an option of CREATE TABLE"
    } else {
        return Ok(());
    };
    Err(Error::unsupported(what))
}
