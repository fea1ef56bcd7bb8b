//! DROP: what is named, with what belongs to it and, if asked, what depends on it.

use rustdb_catalog::{DropBehavior, Part, Relation, TypeKind};
use rustdb_txn::ObjectMode;
use rustdb_types::{Oid, SqlState};
use sqlparser::ast;

use super::rows::Becomes;
use super::{Defined, Definer};
use crate::bind::{Binder, object_name};
use crate::error::{Error, Result};
use crate::notice::Notice;

impl Definer<'_> {
    pub(crate) fn drop(
        &mut self,
        kind: ast::ObjectType,
        if_exists: bool,
        names: &[ast::ObjectName],
        cascade: bool,
    ) -> Result<Defined> {
        let (word, tag) = match kind {
            ast::ObjectType::Table => ("table", "DROP TABLE"),
            ast::ObjectType::View => ("view", "DROP VIEW"),
            ast::ObjectType::Sequence => ("sequence", "DROP SEQUENCE"),
            ast::ObjectType::Index => ("index", "DROP INDEX"),
            ast::ObjectType::Schema => ("schema", "DROP SCHEMA"),
            ast::ObjectType::Type => ("type", "DROP TYPE"),
            other => return Err(Error::unsupported(format!("DROP {other}"))),
        };
        let defined = Defined::new(tag);
        let mut parts = Vec::with_capacity(names.len());
        for name in names {
            let names = object_name(name)?;
            let short = names.last().cloned().unwrap_or_default();
            let found = self.locked(
                ObjectMode::AccessExclusive,
                |part: &Part| Part::object(*part),
                |definer| definer.part_named(kind, &names, word),
            )?;
            match found {
                Some(part) => parts.push(part),
                None if if_exists => {
                    let message = format!("{word} \"{short}\" does not exist, skipping");
                    self.note(Notice::new(message));
                }
                None => {
                    let message = format!("{word} \"{short}\" does not exist");
                    let state = match kind {
                        ast::ObjectType::Schema => SqlState::INVALID_SCHEMA_NAME,
                        ast::ObjectType::Index | ast::ObjectType::Type => {
                            SqlState::UNDEFINED_OBJECT
                        }
                        _ => SqlState::UNDEFINED_TABLE,
                    };
                    return Err(Error::new(state, message));
                }
            }
        }
        if parts.is_empty() {
            return Ok(defined);
        }
        let path = self.around.session.schemas(&self.change.view());
        self.drop_parts(&parts, cascade, &path)?;
        Ok(defined)
    }

    /// Drops objects, or parts of one; what has to go with them says the notice. Names in messages
    /// are those that this path needs.
    pub(super) fn drop_parts(&mut self, parts: &[Part], cascade: bool, path: &[Oid]) -> Result<()> {
        let behavior = match cascade {
            true => DropBehavior::Cascade,
            false => DropBehavior::Restrict,
        };
        let dropped = self
            .change
            .drop_parts(self.transaction, parts, behavior, path)?;
        for (old, new) in &dropped.to_copy {
            let now = self.change.view().table(new.oid).cloned();
            let now = now.ok_or_else(|| Error::internal("the table is gone"))?;
            let same = vec![Becomes::Same; now.columns.len()];
            self.copy_rows(old, &now, &same)?;
        }
        self.note_cascade(&dropped.cascaded);
        Ok(())
    }

    pub(crate) fn drop_domain(&mut self, drop: &ast::DropDomain) -> Result<Defined> {
        let names = object_name(&drop.name)?;
        self.around.catalog = self.change.view();
        let found = Binder::for_statement(&self.around).type_object(&names);
        if let Some(found) = &found
            && matches!(found.kind, TypeKind::Enum(_))
        {
            let message = format!("\"{}\" is not a domain", found.name());
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
        let cascade = drop.drop_behavior == Some(ast::DropBehavior::Cascade);
        let (kind, name) = (ast::ObjectType::Type, [drop.name.clone()]);
        let mut defined = self.drop(kind, drop.if_exists, &name, cascade)?;
        defined.tag = "DROP DOMAIN";
        Ok(defined)
    }

    fn part_named(
        &mut self,
        kind: ast::ObjectType,
        names: &[String],
        word: &str,
    ) -> Result<Option<Part>> {
        self.around.catalog = self.change.view();
        if let (ast::ObjectType::Schema, [name]) = (kind, names) {
            let schema = self.around.catalog.schema_named(name);
            return Ok(schema.map(|schema| Part::Object(schema.oid)));
        }
        if kind == ast::ObjectType::Type {
            let found = Binder::for_statement(&self.around).type_object(names);
            return Ok(found.map(|found| Part::Object(found.oid())));
        }
        let found = Binder::for_statement(&self.around).find_relation(names)?;
        Ok(Some(match (found, kind) {
            (None, _) => return Ok(None),
            (Some(Relation::Table(table)), ast::ObjectType::Table) => Part::Object(table.oid),
            (Some(Relation::View(view)), ast::ObjectType::View) => Part::Object(view.oid),
            (Some(Relation::Sequence(sequence)), ast::ObjectType::Sequence) => {
                Part::Object(sequence.oid)
            }
            (Some(Relation::Index(table, index)), ast::ObjectType::Index) => {
                Part::Index(table.oid, index.oid)
            }
            (Some(other), _) => {
                let short = names.last().cloned().unwrap_or_default();
                let article = if word == "index" { "an" } else { "a" };
                let message = format!("\"{short}\" is not {article} {word}");
                let hint = match other {
                    Relation::Table(_) => "Use DROP TABLE to remove a table.",
                    Relation::View(_) => "Use DROP VIEW to remove a view.",
                    Relation::Sequence(_) => "Use DROP SEQUENCE to remove a sequence.",
                    Relation::Index(..) => "Use DROP INDEX to remove an index.",
                };
                return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).with_hint(hint));
            }
        }))
    }
}
