//! ALTER TYPE and ALTER DOMAIN ... RENAME TO and SET SCHEMA.
//!
//! Tables hold their columns' types by number. Stored texts name types, in casts and before
//! literals; wherever a text names the type, and nowhere else, it gets the new name:
//!
//! ```text
//! DEFAULT 'mood'::mood     mood is renamed:  DEFAULT 'mood'::"temper"
//! ```
//!
//! What is written within a literal (`'mood'::regtype`) is no name, and stays.

use std::sync::Arc;

use rustdb_catalog::{
    ConstraintKind, DomainObject, Expression, Generated, IndexKey, Object, Relation, Table,
    TypeKind, TypeObject,
};
use rustdb_txn::ObjectMode;
use rustdb_types::{Oid, SqlState};

use super::readers::{mentions, whole_name};
use super::{Defined, Definer};
use crate::bind::{
    Binder, Reference, name_of, object_name, references_to_type, respelled, value_table,
};
use crate::error::{Error, Result};
use crate::parse::utility::{AlterObject, Altered, Move};

/// A text that names a type, and where.
struct Text {
    text: String,
    references: Vec<Reference>,
}

impl Definer<'_> {
    pub(super) fn move_type(&mut self, tag: &'static str, alter: &AlterObject) -> Result<Defined> {
        let object = self.moved_type(alter)?;
        self.lock(object.oid(), ObjectMode::AccessExclusive)?;
        let object = self.moved_type(alter)?;
        let (oid, old) = (object.oid(), object.name());
        let readers = self.readers_of_type(oid, old)?;
        let texts = self.texts_naming(oid, old)?;
        match &alter.to {
            Move::Rename(name) => {
                let name = name_of(name);
                self.change.rename_type(self.transaction, oid, &name)?;
            }
            Move::Schema(schema) => {
                let schema = self.locked_schema(&name_of(schema))?;
                self.change.move_type(self.transaction, oid, schema)?;
            }
            Move::Column(..) => return Err(Error::internal("a type has no columns to rename")),
        }
        let now = whole_name(&self.change.view(), oid);
        self.respell(&texts, &now)?;
        self.follow_type(readers, &now)?;
        Ok(Defined::new(tag))
    }

    /// The type that is meant.
    fn moved_type(&mut self, alter: &AlterObject) -> Result<Arc<TypeObject>> {
        let found = self.user_type(&alter.name);
        if found.is_err()
            && let names = object_name(&alter.name)?
            && let Some(Relation::Table(_) | Relation::View(_)) =
                Binder::for_statement(&self.around).find_relation(&names)?
        {
            let name = names.last().map_or("", String::as_str);
            if alter.kind == Altered::Domain {
                return Err(no_domain(name));
            }
            let message = format!("{name} is a table's row type");
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                .with_hint("Use ALTER TABLE instead."));
        }
        let object = found?;
        match (&object.kind, alter.kind) {
            (TypeKind::Enum(_), Altered::Domain) => Err(no_domain(object.name())),
            _ => Ok(object),
        }
    }

    /// The texts of tables and domains that name a type. The same text may be told twice.
    fn texts_naming(&mut self, oid: Oid, name: &str) -> Result<Vec<(Oid, Text)>> {
        let catalog = self.change.view();
        let mut found = Vec::new();
        for object in catalog.objects() {
            let (over, texts) = match &object {
                Object::Table(table) => {
                    let texts = texts_of(&mut Table::clone(table));
                    (Table::clone(table), texts)
                }
                Object::Type(object) => match &object.kind {
                    TypeKind::Domain(domain) => {
                        let texts = texts_of_domain(&mut domain.clone());
                        (value_table(&domain.definition), texts)
                    }
                    TypeKind::Enum(_) => continue,
                },
                Object::Schema(_)
                | Object::View(_)
                | Object::Sequence(_)
                | Object::Statistics(_)
                | Object::Comments(_) => continue,
            };
            for text in texts.into_iter().filter(|text| mentions(text, name)) {
                let settings = self.around.settings;
                let references = references_to_type(&text, &over, oid, settings, &catalog)?;
                if !references.is_empty() {
                    found.push((object.oid(), Text { text, references }));
                }
            }
        }
        Ok(found)
    }

    /// Gives texts of tables and domains another name of a type.
    fn respell(&mut self, texts: &[(Oid, Text)], now: &str) -> Result<()> {
        for (user, text) in texts {
            let changes = text.references.iter().map(|it| (it, now.to_owned()));
            let new = respelled(&text.text, &changes.collect::<Vec<_>>())?;
            self.replace_text(*user, &text.text, &new)?;
        }
        self.around.catalog = self.change.view();
        let mut users: Vec<Oid> = texts.iter().map(|(user, _)| *user).collect();
        users.dedup();
        for user in users {
            if let Some(table) = self.around.catalog.table(user) {
                self.check_expressions(&mut Table::clone(table))?;
            }
        }
        Ok(())
    }

    fn replace_text(&mut self, user: Oid, old: &str, new: &str) -> Result<()> {
        let put = |each: &mut Expression| {
            if each.text == old {
                each.text = new.to_owned();
            }
        };
        match self.change.view().object(user) {
            Some(Object::Table(table)) => {
                self.lock(user, ObjectMode::AccessExclusive)?;
                let mut table = Table::clone(table);
                expressions_of(&mut table).into_iter().for_each(put);
                self.change.set(Object::Table(Arc::new(table)));
            }
            Some(Object::Type(object)) => {
                let mut object = TypeObject::clone(object);
                if let TypeKind::Domain(domain) = &mut object.kind {
                    expressions_of_domain(domain).into_iter().for_each(put);
                }
                self.change.set(Object::Type(Arc::new(object)));
            }
            _ => return Err(Error::internal("a text that names a type is gone")),
        }
        Ok(())
    }
}

fn no_domain(name: &str) -> Error {
    let message = format!("{name} is not a domain");
    Error::new(SqlState::WRONG_OBJECT_TYPE, message)
}

fn texts_of(table: &mut Table) -> Vec<String> {
    let texts = expressions_of(table).into_iter();
    texts.map(|each| each.text.clone()).collect()
}

fn texts_of_domain(domain: &mut DomainObject) -> Vec<String> {
    let texts = expressions_of_domain(domain).into_iter();
    texts.map(|each| each.text.clone()).collect()
}

/// All expressions that are stored with a table.
fn expressions_of(table: &mut Table) -> Vec<&mut Expression> {
    let mut all = Vec::new();
    for column in table.columns.iter_mut().filter(|column| !column.dropped) {
        all.extend(&mut column.default);
        if let Some(Generated::Stored(text)) = &mut column.generated {
            all.push(text);
        }
    }
    for constraint in &mut table.constraints {
        if let ConstraintKind::Check { expression, .. } = &mut constraint.kind {
            all.push(expression);
        }
    }
    for index in &mut table.indexes {
        let index = Arc::make_mut(index);
        all.extend(&mut index.predicate);
        for column in &mut index.columns {
            if let IndexKey::Expression { expression, .. } = &mut column.key {
                all.push(expression);
            }
        }
    }
    all
}

fn expressions_of_domain(domain: &mut DomainObject) -> Vec<&mut Expression> {
    let checks = domain.checks.iter_mut().map(|check| &mut check.expression);
    checks.chain(&mut domain.default).collect()
}
