//! ALTER ... RENAME TO and SET SCHEMA, of all but types ([`super::rename_type`]).
//!
//! Stored texts name tables and schemas. Views go on reading what is renamed
//! ([`super::readers`]); what another text that is kept would no longer find is not renamed: the
//! statement is refused by name.

use std::sync::Arc;

use rustdb_catalog::{Catalog, Object, Part, Relation, View};
use rustdb_txn::ObjectMode;
use rustdb_types::{Oid, SqlState};

use super::readers::mentions;
use super::{Defined, Definer, relation_missing};
use crate::bind::{missing_relation, name_of, object_name, schema_named};
use crate::error::{Error, Result};
use crate::parse::utility::{AlterObject, Altered, Move};

impl Definer<'_> {
    pub(crate) fn alter_object(&mut self, alter: &AlterObject) -> Result<Defined> {
        let (tag, word) = match alter.kind {
            Altered::Table => ("ALTER TABLE", "table"),
            Altered::Index => ("ALTER INDEX", "index"),
            Altered::View => ("ALTER VIEW", "view"),
            Altered::Sequence => ("ALTER SEQUENCE", "sequence"),
            Altered::Schema => return self.alter_schema(alter),
            Altered::Type => return self.move_type("ALTER TYPE", alter),
            Altered::Domain => return self.move_type("ALTER DOMAIN", alter),
        };
        let names = object_name(&alter.name)?;
        let short = names.last().cloned().unwrap_or_default();
        let found = self.locked_relation(&names, ObjectMode::AccessExclusive)?;
        let takes_all = matches!(alter.kind, Altered::Table | Altered::Index);
        let (oid, is_meant) = match &found {
            None if alter.if_exists => {
                return Ok(self.noted(tag, relation_missing(&short)));
            }
            None => return Err(missing_relation(&names)),
            Some(Relation::Table(table)) => (table.oid, takes_all),
            Some(Relation::View(view)) => (view.oid, takes_all || alter.kind == Altered::View),
            Some(Relation::Sequence(sequence)) => {
                let is_meant = takes_all || alter.kind == Altered::Sequence;
                (sequence.oid, is_meant)
            }
            Some(Relation::Index(_, index)) => (index.oid, takes_all),
        };
        if let (Some(Relation::Table(table)), Move::Column(old, new)) = (&found, &alter.to) {
            self.rename_column(table, old, new)?;
            return Ok(Defined::new(tag));
        }
        // ALTER TABLE and ALTER INDEX take whatever has a name.
        if !is_meant {
            let message = format!("\"{short}\" is not a {word}");
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
        let readers = self.readers_of(Part::Object(oid))?;
        match &alter.to {
            Move::Column(old, new) => {
                self.rename_view_column(oid, &name_of(old), &name_of(new))?;
                return Ok(Defined::new(tag));
            }
            Move::Rename(name) => {
                let name = name_of(name);
                self.change.rename_relation(self.transaction, oid, &name)?;
            }
            Move::Schema(schema) => {
                let schema = self.locked_schema(&name_of(schema))?;
                self.move_to_schema(oid, schema)?;
            }
        }
        self.follow_relation(readers, oid, &short)?;
        Ok(Defined::new(tag))
    }

    /// `ALTER VIEW ... RENAME COLUMN`.
    pub(super) fn rename_view_column(&mut self, oid: Oid, old: &str, new: &str) -> Result<()> {
        let Some(view) = self.change.view().view(oid).cloned() else {
            return Err(Error::internal("the view is gone"));
        };
        let place = view.columns.iter().position(|column| column.name == old);
        let Some(place) = place else {
            let message = format!("column \"{old}\" does not exist");
            return Err(Error::new(SqlState::UNDEFINED_COLUMN, message));
        };
        if view.columns.iter().any(|column| column.name == new) {
            let message = format!(
                "column \"{new}\" of relation \"{}\" already exists",
                view.name
            );
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
        let readers = self.readers_of(Part::Object(oid))?;
        let mut view = View::clone(&view);
        view.columns[place].name = new.to_owned();
        self.change.set(Object::View(Arc::new(view)));
        self.follow_view_column(readers, oid, old, place)
    }

    /// Sequences that belong to a table go with it.
    fn move_to_schema(&mut self, oid: Oid, schema: Oid) -> Result<()> {
        let view = self.change.view();
        if let Some(sequence) = view.sequence(oid)
            && sequence.owned_by.is_some()
        {
            let message = "cannot move an owned sequence into another schema";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        }
        let owned = view
            .objects()
            .into_iter()
            .filter_map(|object| match object {
                Object::Sequence(sequence)
                    if sequence.owned_by.is_some_and(|(table, _)| table == oid) =>
                {
                    Some(sequence.oid)
                }
                _ => None,
            });
        let owned: Vec<Oid> = owned.collect();
        self.change.set_schema(self.transaction, oid, schema)?;
        for sequence in owned {
            self.change.set_schema(self.transaction, sequence, schema)?;
        }
        Ok(())
    }

    fn alter_schema(&mut self, alter: &AlterObject) -> Result<Defined> {
        let name = object_name(&alter.name)?.pop().unwrap_or_default();
        let Move::Rename(new) = &alter.to else {
            return Err(Error::unsupported("this form of ALTER SCHEMA"));
        };
        let found = self.locked(
            ObjectMode::AccessExclusive,
            |schema| *schema,
            |definer| schema_named(&definer.change.view(), &name).map(Some),
        )?;
        let oid = found.ok_or_else(|| Error::internal("the schema is gone"))?;
        if is_named_in_texts(&self.change.view(), &name) {
            return Err(Error::unsupported(format!(
                "renaming schema \"{name}\", which stored expressions name,"
            )));
        }
        let new = name_of(new);
        self.change.rename_schema(self.transaction, oid, &new)?;
        Ok(Defined::new("ALTER SCHEMA"))
    }
}

/// Whether the text of a view or an expression may name something.
pub(super) fn is_named_in_texts(catalog: &Catalog, name: &str) -> bool {
    let has = |text: &str| mentions(text, name);
    catalog.objects().into_iter().any(|object| match object {
        Object::View(view) => has(&view.query.text),
        Object::Table(table) => super::column::texts_of(table).iter().any(|text| has(text)),
        Object::Schema(_)
        | Object::Sequence(_)
        | Object::Type(_)
        | Object::Statistics(_)
        | Object::Comments(_) => false,
    })
}
