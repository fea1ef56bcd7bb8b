//! COMMENT ON.

use std::sync::Arc;

use rustdb_catalog::{Object, Relation, Table, TypeKind, TypeObject};
use rustdb_txn::ObjectMode;
use rustdb_types::{Oid, SqlState};
use sqlparser::ast;

use super::alter::missing_column;
use super::{Defined, Definer};
use crate::bind::{Binder, missing_relation, name_of, object_name};
use crate::error::{Error, Result};
use crate::parse::utility::{Comment, Commented};

impl Definer<'_> {
    pub(crate) fn comment(&mut self, comment: &Comment) -> Result<Defined> {
        let found = self.locked(
            ObjectMode::ShareUpdateExclusive,
            |(owner, ..): &(Oid, Oid, u32)| *owner,
            |definer| {
                definer.around.catalog = definer.change.view();
                definer.commented(&comment.on).map(Some)
            },
        )?;
        let (owner, object, part) = found.ok_or_else(|| Error::internal("it is gone"))?;
        let view = self.change.view();
        let temporary = match view.object(owner) {
            Some(Object::Table(table)) => table.temporary,
            Some(Object::View(view)) => view.temporary,
            Some(Object::Sequence(sequence)) => sequence.temporary,
            Some(Object::Schema(schema)) => schema.temporary,
            _ => false,
        };
        let text = comment.text.as_deref();
        self.change.set_comment(object, part, text, temporary);
        Ok(Defined::new("COMMENT"))
    }

    /// The object that is locked, the one that the comment is on, and the column.
    fn commented(&self, on: &Commented) -> Result<(Oid, Oid, u32)> {
        let whole = |oid| Ok((oid, oid, 0));
        match on {
            Commented::Relation(word, name) => self.commented_relation(word, name),
            Commented::Column(name) => self.commented_column(name),
            Commented::Constraint(name, table) => {
                let (table, name) = (self.table_named(table)?, name_of(name));
                let constraint = table.constraint_named(&name).ok_or_else(|| {
                    let short = &table.name;
                    undefined(format!(
                        "constraint \"{name}\" for table \"{short}\" does not exist"
                    ))
                })?;
                Ok((table.oid, constraint.oid, 0))
            }
            Commented::DomainConstraint(name, domain) => {
                let (found, name) = (self.type_named(domain, true)?, name_of(name));
                let check = match &found.kind {
                    TypeKind::Domain(domain) => domain.checks.iter().find(|it| it.name == name),
                    TypeKind::Enum(_) => None,
                };
                let check = check.ok_or_else(|| {
                    let short = found.name();
                    undefined(format!(
                        "constraint \"{name}\" for domain {short} does not exist"
                    ))
                })?;
                Ok((found.oid(), check.oid, 0))
            }
            Commented::Schema(name) => {
                let catalog = &self.around.catalog;
                whole(crate::bind::schema_named(catalog, &name_of(name))?)
            }
            Commented::Type(name, is_domain) => whole(self.type_named(name, *is_domain)?.oid()),
            Commented::Database(_) => Err(Error::unsupported("COMMENT ON DATABASE")),
            Commented::Other(kind) => Err(Error::unsupported(format!("COMMENT ON {kind}"))),
        }
    }

    fn relation_named(&self, name: &ast::ObjectName) -> Result<Relation> {
        let names = object_name(name)?;
        let found = Binder::for_statement(&self.around).find_relation(&names)?;
        found.ok_or_else(|| missing_relation(&names))
    }

    fn commented_relation(&self, word: &str, name: &ast::ObjectName) -> Result<(Oid, Oid, u32)> {
        let found = self.relation_named(name)?;
        let (kind, short) = match &found {
            Relation::Table(table) => ("table", &table.name),
            Relation::View(view) => ("view", &view.name),
            Relation::Index(_, index) => ("index", &index.name),
            Relation::Sequence(sequence) => ("sequence", &sequence.name),
        };
        if kind != word {
            let article = if word == "index" { "an" } else { "a" };
            let message = format!("\"{short}\" is not {article} {word}");
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
        let owner = match &found {
            Relation::Index(table, _) => table.oid,
            other => other.oid(),
        };
        Ok((owner, found.oid(), 0))
    }

    fn commented_column(&self, name: &ast::ObjectName) -> Result<(Oid, Oid, u32)> {
        let mut parts = name.0.clone();
        let column = parts.pop();
        if parts.is_empty() {
            let message = "column name must be qualified";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        let column = object_name(&ast::ObjectName(column.into_iter().collect()))?;
        let column = column.last().cloned().unwrap_or_default();
        match self.relation_named(&ast::ObjectName(parts))? {
            Relation::Table(table) => {
                let found = table.column_named(&column);
                let found = found.ok_or_else(|| missing_column(&table, &column))?;
                Ok((table.oid, table.oid, found.id))
            }
            Relation::View(view) => {
                let place = view.columns.iter().position(|it| it.name == column);
                let place = place.ok_or_else(|| {
                    let message = format!(
                        "column \"{column}\" of relation \"{}\" does not exist",
                        view.name
                    );
                    Error::new(SqlState::UNDEFINED_COLUMN, message)
                })?;
                Ok((view.oid, view.oid, place as u32 + 1))
            }
            Relation::Index(_, index) => Err(no_columns(&index.name, "indexes")),
            Relation::Sequence(sequence) => Err(no_columns(&sequence.name, "sequences")),
        }
    }

    fn table_named(&self, name: &ast::ObjectName) -> Result<Arc<Table>> {
        match self.relation_named(name)? {
            Relation::Table(table) => Ok(table),
            other => {
                let names = object_name(name)?;
                let short = names.last().cloned().unwrap_or_default();
                let _is_none = other;
                let message = format!("\"{short}\" is not a table");
                Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
            }
        }
    }

    fn type_named(&self, name: &ast::ObjectName, is_domain: bool) -> Result<Arc<TypeObject>> {
        let names = object_name(name)?;
        let found = Binder::for_statement(&self.around).type_object(&names);
        let found = found
            .ok_or_else(|| undefined(format!("type \"{}\" does not exist", names.join("."))))?;
        if is_domain && matches!(found.kind, TypeKind::Enum(_)) {
            let message = format!("\"{}\" is not a domain", found.name());
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
        Ok(found)
    }
}

fn undefined(message: String) -> Error {
    Error::new(SqlState::UNDEFINED_OBJECT, message)
}

fn no_columns(name: &str, kinds: &str) -> Error {
    let message = format!("cannot set comment on relation \"{name}\"");
    Error::new(SqlState::WRONG_OBJECT_TYPE, message)
        .with_detail(format!("This operation is not supported for {kinds}."))
}
