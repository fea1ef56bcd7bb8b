//! Constraints of CREATE TABLE and ALTER TABLE.

use std::sync::Arc;

use rustdb_catalog::{
    Action, Catalog, Column, ColumnId, ConstraintDefinition, ConstraintDefinitionKind, Expression,
    ForeignKeyDefinition, Match, Table,
};
use rustdb_txn::ObjectMode;
use rustdb_types::{Oid, Settings, SqlState};
use sqlparser::ast;
use sqlparser::ast::TableConstraint;

use super::Definer;
use super::index::of_system;
use crate::bind::{Binder, bind_table_expression, is_system_column, name_of, object_name};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::rewrite::set_columns;

impl Definer<'_> {
    pub(super) fn constraint(
        &mut self,
        written: &TableConstraint,
        columns: &[Column],
    ) -> Result<ConstraintDefinition> {
        let (name, kind, characteristics) = match written {
            TableConstraint::PrimaryKey(key) => {
                let kind = ConstraintDefinitionKind::PrimaryKey {
                    columns: key_columns(&key.columns, columns).map_err(of_primary)?,
                    include: column_ids(&key.include, columns)?,
                };
                (&key.name, kind, key.characteristics.as_ref())
            }
            TableConstraint::Unique(unique) => {
                let kind = ConstraintDefinitionKind::Unique {
                    columns: key_columns(&unique.columns, columns).map_err(of_system)?,
                    include: column_ids(&unique.include, columns)?,
                    nulls_not_distinct: unique.nulls_distinct
                        == ast::NullsDistinctOption::NotDistinct,
                };
                (&unique.name, kind, unique.characteristics.as_ref())
            }
            TableConstraint::Check(check) => {
                let text = check.expr.to_string();
                let kind = ConstraintDefinitionKind::Check {
                    columns: columns_read(
                        &text,
                        columns,
                        self.around.settings,
                        &self.around.catalog,
                    )?,
                    expression: Expression::new(text),
                };
                (&check.name, kind, None)
            }
            TableConstraint::ForeignKey(key) => {
                let own = columns_named(&key.columns, columns, REFERENCED)?;
                let named = |names: &[ast::Ident]| columns_named(names, columns, REFERENCED);
                let kind = self.foreign_key(key, own, named)?;
                (&key.name, kind, key.characteristics.as_ref())
            }
            TableConstraint::PrimaryKeyUsingIndex(_) | TableConstraint::UniqueUsingIndex(_) => {
                return Err(Error::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    "cannot use an existing index in CREATE TABLE",
                ));
            }
            other => return Err(Error::unsupported(format!("`{other}`"))),
        };
        let mut constraint = ConstraintDefinition::new(kind);
        constraint.name = name.as_ref().map(name_of);
        set_deferral(&mut constraint, characteristics);
        Ok(constraint)
    }

    /// A foreign key of a temporary table points to one, and of another to another.
    pub(super) fn check_lifetime(
        &mut self,
        constraint: &ConstraintDefinition,
        temporary: bool,
    ) -> Result<()> {
        let ConstraintDefinitionKind::ForeignKey(key) = &constraint.kind else {
            return Ok(());
        };
        let view = self.change.view();
        let parent = key.parent.and_then(|parent| view.table(parent));
        if parent.is_none_or(|parent| parent.temporary == temporary) {
            return Ok(());
        }
        let kind = if temporary { "temporary" } else { "permanent" };
        let message = format!("constraints on {kind} tables may reference only {kind} tables");
        Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message))
    }

    pub(super) fn foreign_key(
        &mut self,
        key: &ast::ForeignKeyConstraint,
        columns: Vec<ColumnId>,
        own: impl Fn(&[ast::Ident]) -> Result<Vec<ColumnId>>,
    ) -> Result<ConstraintDefinitionKind> {
        let (referred, set) = set_columns(&key.referred_columns)?;
        let on_delete_columns = own(&set)?;
        for (id, name) in on_delete_columns.iter().zip(&set) {
            if !columns.contains(id) {
                let message = format!(
                    "column \"{}\" referenced in ON DELETE SET action must be part of foreign key",
                    name_of(name)
                );
                return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message));
            }
        }
        let match_type = match key.match_kind {
            None | Some(ast::ConstraintReferenceMatchKind::Simple) => Match::Simple,
            Some(ast::ConstraintReferenceMatchKind::Full) => Match::Full,
            // PostgreSQL has the word and no more.
            Some(ast::ConstraintReferenceMatchKind::Partial) => {
                return Err(Error::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    "MATCH PARTIAL not yet implemented",
                ));
            }
        };
        let names = object_name(&key.foreign_table)?;
        self.around.catalog = self.change.view();
        let binder = Binder::for_statement(&self.around);
        let (parent, parent_columns) = match &mut self.creating {
            Some(creating) if binder.would_find(&names, creating.schema, &creating.name)? => {
                creating.referred.push(referred);
                (None, Vec::new())
            }
            _ => {
                let parent = self.locked_table(&names, ObjectMode::ShareRowExclusive)?;
                let columns = columns_named(&referred, &parent.columns, REFERENCED)?;
                (Some(parent.oid), columns)
            }
        };
        Ok(ConstraintDefinitionKind::ForeignKey(ForeignKeyDefinition {
            columns,
            parent_columns,
            parent,
            match_type,
            on_delete: action(key.on_delete),
            on_update: action(key.on_update),
            on_delete_columns,
        }))
    }
}

/// A table that is being created, and what its foreign keys say of it.
#[derive(Debug)]
pub(crate) struct Creating {
    schema: Oid,
    name: String,
    /// The columns that those of its foreign keys name which refer to the table itself, in their
    /// order: a column may be named before it is written.
    referred: Vec<Vec<ast::Ident>>,
}

impl Creating {
    pub(super) fn new(schema: Oid, name: &str) -> Creating {
        Creating {
            schema,
            name: name.to_owned(),
            referred: Vec::new(),
        }
    }

    /// Finds the columns that were named, now that all are there. The keys come last, as those
    /// that they point to have to be there first.
    pub(super) fn settle(
        self,
        constraints: &mut Vec<ConstraintDefinition>,
        columns: &[Column],
    ) -> Result<()> {
        let own = |each: &ConstraintDefinition| matches!(&each.kind, ConstraintDefinitionKind::ForeignKey(key) if key.parent.is_none());
        let (keys, others) = std::mem::take(constraints).into_iter().partition(own);
        *constraints = others;
        let keys: Vec<ConstraintDefinition> = keys;
        for (mut constraint, referred) in keys.into_iter().zip(self.referred) {
            if let ConstraintDefinitionKind::ForeignKey(key) = &mut constraint.kind {
                key.parent_columns = columns_named(&referred, columns, REFERENCED)?;
            }
            constraints.push(constraint);
        }
        Ok(())
    }
}

/// The number of the column at a place.
pub(super) fn number(place: usize) -> ColumnId {
    ColumnId::try_from(place + 1).unwrap_or(ColumnId::MAX)
}

pub(super) fn column_ids(names: &[ast::Ident], columns: &[Column]) -> Result<Vec<ColumnId>> {
    columns_named(names, columns, "named in key")
}

fn columns_named(names: &[ast::Ident], columns: &[Column], what: &str) -> Result<Vec<ColumnId>> {
    let ids = names.iter().map(|name| {
        let name = name_of(name);
        let mut live = columns
            .iter()
            .enumerate()
            .filter(|(_, column)| !column.dropped);
        let found = live.find(|(_, column)| column.name == name);
        found.map(|(place, _)| number(place)).ok_or_else(|| {
            let message = format!("column \"{name}\" {what} does not exist");
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        })
    });
    ids.collect()
}

/// How messages call a column of a foreign key, at either end.
const REFERENCED: &str = "referenced in foreign key constraint";

fn key_columns(written: &[ast::IndexColumn], columns: &[Column]) -> Result<Vec<ColumnId>> {
    let mut names = Vec::with_capacity(written.len());
    for column in written {
        match &column.column.expr {
            ast::Expr::Identifier(name) => names.push(name.clone()),
            other => return Err(Error::unsupported(format!("the key column `{other}`"))),
        }
    }
    column_ids(&names, columns)
}

/// What is said of a system column in a primary key.
fn of_primary(error: Error) -> Error {
    let mut words = error.message().split('"');
    match words.find(|word| is_system_column(word)) {
        Some(name) if error.state() == SqlState::UNDEFINED_COLUMN => {
            let message = format!("cannot alter system column \"{name}\"");
            Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
        }
        _ => error,
    }
}

/// The columns that a table's expression reads.
pub(super) fn columns_read(
    text: &str,
    columns: &[Column],
    settings: &Settings,
    catalog: &Arc<Catalog>,
) -> Result<Vec<ColumnId>> {
    let table = Table {
        columns: columns.to_vec(),
        // It may name its number, whatever that will be.
        ..Table::new(Oid(u32::MAX), "")
    };
    let typed = bind_table_expression(text, &table, settings, Some(catalog))?;
    let mut read = Vec::new();
    typed.expr.walk(&mut |expr| {
        if let Expr::Input(place) = expr {
            read.push(number(*place));
        }
    });
    read.sort_unstable();
    read.dedup();
    Ok(read)
}

impl Definer<'_> {
    /// The CHECK of a column may read other columns too, which are known once all of them are: it
    /// goes with any of them. One that cannot be bound is left for who checks expressions.
    pub(super) fn note_columns_read(
        &self,
        constraints: &mut [ConstraintDefinition],
        all: &[Column],
    ) {
        for constraint in constraints {
            if let ConstraintDefinitionKind::Check {
                expression,
                columns,
            } = &mut constraint.kind
            {
                let (settings, catalog) = (self.around.settings, &self.around.catalog);
                if let Ok(read) = columns_read(&expression.text, all, settings, catalog) {
                    *columns = read;
                }
            }
        }
    }
}

/// Columns of the primary key are NOT NULL; there is one primary key at most.
pub(super) fn mark_primary_key(
    table: &str,
    columns: &mut [Column],
    constraints: &[ConstraintDefinition],
) -> Result<()> {
    let mut keys = constraints
        .iter()
        .filter_map(|constraint| match &constraint.kind {
            ConstraintDefinitionKind::PrimaryKey { columns, .. } => Some(columns),
            _ => None,
        });
    if let Some(key) = keys.next() {
        for id in key {
            if let Some(column) = Column::place(*id).and_then(|place| columns.get_mut(place)) {
                column.not_null = true;
            }
        }
    }
    match keys.next() {
        None => Ok(()),
        Some(_) => Err(Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!("multiple primary keys for table \"{table}\" are not allowed"),
        )),
    }
}

pub(super) fn set_deferral(
    constraint: &mut ConstraintDefinition,
    characteristics: Option<&ast::ConstraintCharacteristics>,
) {
    let Some(characteristics) = characteristics else {
        return;
    };
    let deferred = characteristics.initially == Some(ast::DeferrableInitial::Deferred);
    constraint.initially_deferred = deferred;
    constraint.deferrable = characteristics.deferrable.unwrap_or(deferred);
}

fn action(written: Option<ast::ReferentialAction>) -> Action {
    match written {
        None | Some(ast::ReferentialAction::NoAction) => Action::NoAction,
        Some(ast::ReferentialAction::Restrict) => Action::Restrict,
        Some(ast::ReferentialAction::Cascade) => Action::Cascade,
        Some(ast::ReferentialAction::SetNull) => Action::SetNull,
        Some(ast::ReferentialAction::SetDefault) => Action::SetDefault,
    }
}
