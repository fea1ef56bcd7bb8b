//! Views.

use std::sync::Arc;

use rustdb_catalog::{CheckOption, Dependency, Expression, Object, Relation, View, ViewColumn};
use rustdb_txn::ObjectMode;
use rustdb_types::{Base, Element, Oid, SqlState};
use sqlparser::ast;

use super::constraint::number;
use super::{Defined, Definer};
use crate::bind::{name_of, not_updatable};
use crate::error::{Error, Result};
use crate::notice::Notice;
use crate::plan::columns_read;

impl Definer<'_> {
    pub(crate) fn create_view(&mut self, create: &ast::CreateView) -> Result<Defined> {
        if create.materialized {
            return Err(Error::unsupported("CREATE MATERIALIZED VIEW"));
        }
        let (bound, named) = self.bound_locked(&create.query)?;
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
        check_columns(&columns)?;
        let ids: Vec<_> = bound.columns.iter().map(|column| column.id).collect();
        let depends_on = depends_on(&named, &columns_read(&bound.plan, &ids));
        // What reads something temporary is gone with it.
        let view = self.change.view();
        let is_temporary = |oid: &Oid| match view.object(*oid) {
            Some(Object::Table(table)) => table.temporary,
            Some(Object::View(view)) => view.temporary,
            Some(Object::Sequence(sequence)) => sequence.temporary,
            _ => false,
        };
        let defined = Defined::new("CREATE VIEW");
        let temporary = create.temporary || named.iter().any(is_temporary);
        let (schema, name) = self.new_name(&create.name, temporary)?;
        if temporary && !create.temporary {
            let message = format!("view \"{name}\" will be a temporary view");
            self.note(Notice::new(message));
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
            check_option: check_option(create)?,
        };
        if view.check_option.is_some()
            && let Some(why) = not_updatable(&view, &self.change.view())
        {
            let message = "WITH CHECK OPTION is supported only on automatically updatable views";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).with_hint(why));
        }
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

/// `WITH CHECK OPTION`, which is the option `check_option`.
fn check_option(create: &ast::CreateView) -> Result<Option<CheckOption>> {
    let options = match &create.options {
        ast::CreateTableOptions::None => return Ok(None),
        ast::CreateTableOptions::With(options) => options,
        _ => return Err(Error::unsupported("this form of CREATE VIEW")),
    };
    let mut found = None;
    for option in options {
        let ast::SqlOption::KeyValue { key, value } = option else {
            return Err(Error::unsupported(format!("the option {option} of a view")));
        };
        match name_of(key).as_str() {
            "check_option" => (),
            name @ ("security_barrier" | "security_invoker") => {
                return Err(Error::unsupported(format!("the option {name} of a view")));
            }
            name => {
                let message = format!("unrecognized parameter \"{name}\"");
                return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
            }
        }
        let value = value.to_string();
        found = Some(match value.trim_matches('\'').to_lowercase().as_str() {
            "local" => CheckOption::Local,
            "cascaded" => CheckOption::Cascaded,
            _ => {
                let value = value.trim_matches('\'');
                let message = format!("invalid value for enum option \"check_option\": {value}");
                return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                    .with_detail("Valid values are \"local\" and \"cascaded\"."));
            }
        });
    }
    Ok(found)
}

/// Names that are different, and types that could be stored.
fn check_columns(columns: &[ViewColumn]) -> Result<()> {
    for (place, column) in columns.iter().enumerate() {
        if columns[..place]
            .iter()
            .any(|other| other.name == column.name)
        {
            let message = format!("column \"{}\" specified more than once", column.name);
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
    }
    check_types(columns)
}

/// Rows have no type that could be stored.
fn check_types(columns: &[ViewColumn]) -> Result<()> {
    let is_row = |column: &&ViewColumn| column.column_type.element == Element::Base(Base::Record);
    match columns.iter().find(is_row) {
        None => Ok(()),
        Some(column) => {
            let (name, of) = (&column.name, column.column_type.name());
            let message = format!("column \"{name}\" has pseudo-type {of}");
            Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message))
        }
    }
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
