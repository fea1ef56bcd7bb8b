//! Definitions: CREATE and DROP of tables, schemas, views and sequences.
//!
//! Syntax becomes what the catalog's verbs take. Expressions are kept as text; they are bound here
//! once, so that what is wrong with them is told now.

mod alter;
mod alter_constraint;
mod analyze;
mod column;
mod comment;
mod constraint;
mod declared;
mod drop;
mod flexible;
mod index;
mod like;
mod locked;
mod readers;
mod rename;
mod rename_type;
mod retype;
mod rows;
mod sequence;
mod truncate;
mod types;
mod using_index;
mod view;

use std::sync::Arc;

use rustdb_catalog::{CatalogChange, Column, Object, Relation, Table, TableDefinition};
use rustdb_txn::{ObjectMode, Transaction, Wait};
use rustdb_types::Oid;
use sqlparser::ast;

use crate::bind::{OutputColumn, Surroundings, missing_relation, name_of, object_name};
use crate::error::{Error, Result, SqlState};
use crate::notice::Notice;

use constraint::{Creating, mark_primary_key, number};
use declared::{refuse_system_name, refuse_system_names};
use like::Made;

/// A transaction that defines something.
pub(crate) struct Definer<'a> {
    pub(crate) around: Surroundings<'a>,
    pub(crate) transaction: &'a mut Transaction,
    pub(crate) change: &'a mut CatalogChange,
    /// How long it waits for a lock.
    pub(crate) wait: Wait,
    /// The table that is being created, which its foreign keys may name.
    pub(crate) creating: Option<Creating>,
    /// What it has to say besides, also if it fails afterwards.
    pub(crate) notices: Vec<Notice>,
}

/// What a definition says when it is done.
pub(crate) struct Defined {
    pub(crate) tag: &'static str,
    /// A temporary table for which something is done at every commit: whether it is dropped.
    pub(crate) at_commit: Option<(Oid, bool)>,
}

impl Defined {
    fn new(tag: &'static str) -> Defined {
        Defined {
            tag,
            at_commit: None,
        }
    }
}

impl Definer<'_> {
    fn noted(&mut self, tag: &'static str, notice: Notice) -> Defined {
        self.note(notice);
        Defined::new(tag)
    }

    fn note(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    /// Says what was dropped besides.
    fn note_cascade(&mut self, cascaded: &[String]) {
        match cascaded {
            [] => (),
            [only] => self.note(Notice::new(format!("drop cascades to {only}"))),
            _ => {
                let lines = cascaded
                    .iter()
                    .map(|each| format!("drop cascades to {each}"));
                let message = format!("drop cascades to {} other objects", cascaded.len());
                let detail = lines.collect::<Vec<_>>().join("\n");
                self.note(Notice::new(message).with_detail(detail));
            }
        }
    }

    /// The schema and the short name of something that is to be made.
    fn new_name(&mut self, name: &ast::ObjectName, temporary: bool) -> Result<(Oid, String)> {
        let names = object_name(name)?;
        match &names[..] {
            [name] if temporary => Ok((self.temporary_schema()?, name.clone())),
            [name] => Ok((self.locked_creation_schema()?, name.clone())),
            [schema, name] if schema == "pg_temp" => Ok((self.temporary_schema()?, name.clone())),
            [_, _] if temporary => {
                let message = "cannot create temporary relation in non-temporary schema";
                Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message))
            }
            [schema, name] | [_, schema, name] => Ok((self.locked_schema(schema)?, name.clone())),
            _ => Err(Error::unsupported(format!("the name {name}"))),
        }
    }

    /// The schema of the session's temporary objects; it is made when it is first needed.
    fn temporary_schema(&mut self) -> Result<Oid> {
        let name = &self.around.session.temporary_schema;
        if let Some(schema) = self.change.view().schema_named(name) {
            return Ok(schema.oid);
        }
        Ok(self.change.create_schema(self.transaction, name, true)?.oid)
    }

    // ---------------------------------------------------------------------------------- tables

    pub(crate) fn create_table(&mut self, create: &ast::CreateTable) -> Result<Defined> {
        refuse_create_table(create)?;
        let flexible = flexible::is_flexible(create);
        let completed;
        let create = match flexible {
            true => {
                completed = flexible::with_number(create)?;
                &completed
            }
            false => create,
        };
        let (schema, name) = self.new_name(&create.name, create.temporary)?;
        if create.if_not_exists && self.is_taken(schema, &name)? {
            return Ok(self.noted("CREATE TABLE", relation_exists(&name)));
        }
        self.creating = Some(Creating::new(schema, &name));
        let mut made = Made::default();
        for written in &create.columns {
            if let Some(options) = like::options_of(written) {
                self.like(written, options, &mut made)?;
                continue;
            }
            let place = made.columns.len();
            let (constraints, serials) = (&mut made.constraints, &mut made.serials);
            let column = self.column(&name, written, place, constraints, serials)?;
            made.columns.push(column);
        }
        let mut columns = std::mem::take(&mut made.columns);
        refuse_system_names(&columns)?;
        let mut constraints = std::mem::take(&mut made.constraints);
        for written in &create.constraints {
            constraints.push(self.constraint(written, &columns)?);
        }
        self.note_columns_read(&mut constraints, &columns);
        if let Some(creating) = self.creating.take() {
            creating.settle(&mut constraints, &columns)?;
        }
        mark_primary_key(&name, &mut columns, &constraints)?;
        let temporary = self.is_temporary(schema);
        let mut sequences = Vec::with_capacity(made.serials.len());
        for serial in &made.serials {
            let column = &mut columns[serial.place];
            let sequence = self.serial(schema, &name, column, serial, temporary)?;
            sequences.push((serial.place, sequence));
        }
        let mut all = constraints.iter();
        all.try_for_each(|each| self.check_lifetime(each, temporary))?;
        let definition = TableDefinition {
            schema,
            name,
            columns,
            constraints,
            flexible,
            temporary,
        };
        let table = self.change.create_table(self.transaction, definition)?;
        self.own_sequences(table.oid, &sequences);
        let mut whole = Table::clone(&table);
        self.check_expressions(&mut whole).map_err(|error| {
            let place = self.place_in(create, &table, &error);
            error.at(place)
        })?;
        if whole != *table {
            self.change.set(Object::Table(Arc::new(whole)));
        }
        self.finish_like(&table, &made)?;
        let mut defined = Defined::new("CREATE TABLE");
        defined.at_commit = at_commit(create, table.oid, temporary)?;
        Ok(defined)
    }

    /// A table for a query's rows, and its whole name; none if there is one already.
    pub(crate) fn create_table_of(
        &mut self,
        create: &ast::CreateTable,
        given: &[OutputColumn],
    ) -> Result<(Defined, Option<ast::ObjectName>)> {
        refuse_create_table(create)?;
        let (schema, name) = self.new_name(&create.name, create.temporary)?;
        if create.if_not_exists && self.is_taken(schema, &name)? {
            return Ok((self.noted("CREATE TABLE AS", relation_exists(&name)), None));
        }
        if create.columns.len() > given.len() {
            let message = "too many column names were specified";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        let names = create
            .columns
            .iter()
            .map(|column| Some(name_of(&column.name)));
        let names = names.chain(std::iter::repeat(None));
        let columns = given.iter().zip(names).enumerate();
        let columns = columns.map(|(place, (column, name))| {
            let name = name.unwrap_or_else(|| column.name.clone());
            refuse_system_name(&name)?;
            Ok(Column::new(number(place), name, column.of.clone()))
        });
        let temporary = self.is_temporary(schema);
        let definition = TableDefinition {
            schema,
            name: name.clone(),
            columns: columns.collect::<Result<_>>()?,
            constraints: Vec::new(),
            flexible: false,
            temporary,
        };
        let table = self.change.create_table(self.transaction, definition)?;
        let mut defined = Defined::new("CREATE TABLE AS");
        defined.at_commit = at_commit(create, table.oid, temporary)?;
        let view = self.change.view();
        let schema = view
            .schema(schema)
            .map_or("", |schema| schema.name.as_str());
        let parts = [schema, &name].map(|part| ast::Ident::with_quote('"', part));
        Ok((defined, Some(ast::ObjectName::from(parts.to_vec()))))
    }

    fn is_temporary(&mut self, schema: Oid) -> bool {
        let view = self.change.view();
        view.schema(schema).is_some_and(|schema| schema.temporary)
    }

    pub(crate) fn lock_tables(&mut self, lock: &ast::Lock) -> Result<Defined> {
        let mode = match &lock.lock_mode {
            None | Some(ast::LockTableMode::AccessExclusive) => ObjectMode::AccessExclusive,
            Some(ast::LockTableMode::AccessShare) => ObjectMode::AccessShare,
            Some(ast::LockTableMode::RowShare) => ObjectMode::RowShare,
            Some(ast::LockTableMode::RowExclusive) => ObjectMode::RowExclusive,
            Some(ast::LockTableMode::ShareUpdateExclusive) => ObjectMode::ShareUpdateExclusive,
            Some(ast::LockTableMode::Share) => ObjectMode::Share,
            Some(ast::LockTableMode::ShareRowExclusive) => ObjectMode::ShareRowExclusive,
            Some(ast::LockTableMode::Exclusive) => ObjectMode::Exclusive,
        };
        for target in &lock.tables {
            let names = object_name(&target.name)?;
            let short = names.last().cloned().unwrap_or_default();
            let wait = self.wait;
            self.wait = if lock.nowait { Wait::No } else { wait };
            let find = |definer: &mut Self| match definer.relation_now(&names)? {
                Some(Relation::Table(table)) => Ok(Some(table.oid)),
                Some(Relation::View(view)) => Ok(Some(view.oid)),
                Some(_) => {
                    let message = format!("\"{short}\" is not a table or view");
                    Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
                }
                None => Err(missing_relation(&names)),
            };
            let locked = self.locked(mode, |oid: &Oid| *oid, find);
            self.wait = wait;
            locked.map_err(|error| match error.state() {
                SqlState::LOCK_NOT_AVAILABLE if lock.nowait => {
                    let message = format!("could not obtain lock on relation \"{short}\"");
                    Error::new(SqlState::LOCK_NOT_AVAILABLE, message)
                }
                _ => error,
            })?;
        }
        Ok(Defined::new("LOCK TABLE"))
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
        if if_not_exists && self.is_schema(name)? {
            let notice = Notice::new(format!("schema \"{name}\" already exists, skipping"))
                .with_state(SqlState::DUPLICATE_SCHEMA);
            return Ok(self.noted("CREATE SCHEMA", notice));
        }
        self.change.create_schema(self.transaction, name, false)?;
        Ok(Defined::new("CREATE SCHEMA"))
    }
}

/// What `IF NOT EXISTS` says.
fn relation_exists(name: &str) -> Notice {
    Notice::new(format!("relation \"{name}\" already exists, skipping"))
        .with_state(SqlState::DUPLICATE_TABLE)
}

/// What `IF EXISTS` says.
fn relation_missing(name: &str) -> Notice {
    Notice::new(format!("relation \"{name}\" does not exist, skipping"))
}

/// What is done with a temporary table at every commit.
fn at_commit(
    create: &ast::CreateTable,
    table: Oid,
    temporary: bool,
) -> Result<Option<(Oid, bool)>> {
    let is_dropped = match create.on_commit {
        None => return Ok(None),
        Some(ast::OnCommit::PreserveRows) => None,
        Some(ast::OnCommit::DeleteRows) => Some(false),
        Some(ast::OnCommit::Drop) => Some(true),
    };
    if !temporary {
        let message = "ON COMMIT can only be used on temporary tables";
        return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
    }
    Ok(is_dropped.map(|is_dropped| (table, is_dropped)))
}

fn refuse_create_table(create: &ast::CreateTable) -> Result<()> {
    let what = if create.like.is_some() {
        "this form of LIKE"
    } else if create.unlogged {
        "CREATE UNLOGGED TABLE"
    } else if create.external || create.or_replace || create.transient {
        "this kind of CREATE TABLE"
    } else if create.clone.is_some() {
        "CLONE"
    } else if create.inherits.is_some() || create.partition_of.is_some() {
        "inheritance"
    } else if create.partition_by.is_some() {
        "partitioning"
    } else if !matches!(create.table_options, ast::CreateTableOptions::None) {
        let options = create.table_options.to_string();
        return Err(Error::unsupported(format!("CREATE TABLE ... {options}")));
    } else {
        return Ok(());
    };
    Err(Error::unsupported(what))
}
