//! Views.

use std::sync::Arc;

use rustdb_catalog::{Dependency, Expression, Object, Relation, View, ViewColumn};
use rustdb_txn::ObjectMode;
use rustdb_types::{Oid, SqlState};
use sqlparser::ast;

use super::constraint::number;
use super::{Defined, Definer};
use crate::bind::{Binder, name_of};
use crate::error::{Error, Result};
use crate::plan::columns_read;

impl Definer<'_> {
    pub(crate) fn create_view(&mut self, create: &ast::CreateView) -> Result<Defined> {
        if create.materialized {
            return Err(Error::unsupported("this form of CREATE VIEW"));
        }
        self.around.catalog = self.change.view();
        let mut binder = Binder::for_statement(&self.around);
        let bound = binder.statement_query(&create.query)?;
        if bound.plan.modifies() {
            let message = "views must not contain data-modifying statements in WITH";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        }
        let names: Vec<String> = create
            .columns
            .iter()
            .map(|column| name_of(&column.name))
            .collect();
        if names.len() > bound.columns.len() {
            let message = "CREATE VIEW specifies more column names than columns";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        let columns = bound
            .columns
            .iter()
            .enumerate()
            .map(|(place, column)| ViewColumn {
                name: names.get(place).unwrap_or(&column.name).clone(),
                column_type: column.of.clone(),
            });
        let columns: Vec<ViewColumn> = columns.collect();
        check_names(&columns)?;
        let ids: Vec<_> = bound.columns.iter().map(|column| column.id).collect();
        let depends_on = depends_on(binder.named(), &columns_read(&bound.plan, &ids));
        // What reads something temporary is gone with it.
        let view = self.change.view();
        let is_temporary = |oid: &Oid| match view.object(*oid) {
            Some(Object::Table(table)) => table.temporary,
            Some(Object::View(view)) => view.temporary,
            Some(Object::Sequence(sequence)) => sequence.temporary,
            _ => false,
        };
        let mut defined = Defined::new("CREATE VIEW");
        let temporary = create.temporary || binder.named().iter().any(is_temporary);
        let (schema, name) = self.new_name(&create.name, temporary)?;
        if temporary && !create.temporary {
            defined.note(format!("view \"{name}\" will be a temporary view"));
        }
        let view = View {
            oid: Oid(0),
            schema,
            name,
            columns,
            query: Expression {
                text: self.stored_query(&create.query)?,
                depends_on,
            },
            temporary,
        };
        if create.or_replace && self.replace_view(&view)? {
            return Ok(defined);
        }
        self.change.create_view(self.transaction, view)?;
        Ok(defined)
    }

    /// Puts a view in the place of the one of its name, if there is one.
    fn replace_view(&mut self, new: &View) -> Result<bool> {
        let view = self.change.view();
        let old = match view.relation(new.schema, &new.name) {
            None => return Ok(false),
            Some(Relation::View(old)) => old,
            Some(_) => {
                let message = format!("\"{}\" is not a view", new.name);
                return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
            }
        };
        self.lock(old.oid, ObjectMode::AccessExclusive)?;
        let refused = |message: String| Error::new(SqlState::INVALID_TABLE_DEFINITION, message);
        if new.columns.len() < old.columns.len() {
            return Err(refused("cannot drop columns from view".to_owned()));
        }
        for (before, after) in old.columns.iter().zip(&new.columns) {
            if before.name != after.name {
                return Err(refused(format!(
                    "cannot change name of view column \"{}\" to \"{}\"",
                    before.name, after.name
                ))
                .with_hint(
                    "Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.",
                ));
            }
            if before.column_type != after.column_type {
                return Err(refused(format!(
                    "cannot change data type of view column \"{}\" from {} to {}",
                    before.name,
                    before.column_type.full_name(),
                    after.column_type.full_name()
                )));
            }
        }
        let mut new = new.clone();
        new.oid = old.oid;
        self.change.set(Object::View(Arc::new(new)));
        Ok(true)
    }
}

fn check_names(columns: &[ViewColumn]) -> Result<()> {
    for (place, column) in columns.iter().enumerate() {
        if columns[..place]
            .iter()
            .any(|other| other.name == column.name)
        {
            let message = format!("column \"{}\" specified more than once", column.name);
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
    }
    Ok(())
}

/// What a view depends on: the relations it names, and the columns of tables that it reads.
fn depends_on(named: &[Oid], read: &[(Oid, usize)]) -> Vec<Dependency> {
    let mut all: Vec<Dependency> = Vec::new();
    for object in named {
        let columns = read.iter().filter(|(table, _)| table == object);
        let columns = columns.map(|(_, place)| Dependency {
            object: *object,
            column: Some(number(*place)),
        });
        let before = all.len();
        all.extend(columns);
        if all.len() == before {
            all.push(Dependency {
                object: *object,
                column: None,
            });
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}
