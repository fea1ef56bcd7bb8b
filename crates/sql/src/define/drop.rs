//! DROP, and what goes with it or stands in its way.

use std::sync::Arc;

use rustdb_catalog::{Generated, Object, Relation, Table};
use rustdb_txn::ObjectMode;
use rustdb_types::SqlState;
use sqlparser::ast;

use super::{Defined, Definer};
use crate::bind::{Binder, object_name};
use crate::error::{Error, Result};

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
            other => return Err(Error::unsupported(format!("DROP {other}"))),
        };
        let mut defined = Defined::new(tag);
        for name in names {
            let names = object_name(name)?;
            self.around.catalog = self.change.view();
            let found = Binder::for_statement(&self.around).find_relation(&names)?;
            let short = names.last().cloned().unwrap_or_default();
            let oid = match (&found, kind) {
                (Some(Relation::Table(table)), ast::ObjectType::Table) => table.oid,
                (Some(Relation::View(view)), ast::ObjectType::View) => view.oid,
                (Some(Relation::Sequence(sequence)), ast::ObjectType::Sequence) => sequence.oid,
                (None, _) if if_exists => {
                    defined.notice = Some(format!("{word} \"{short}\" does not exist, skipping"));
                    continue;
                }
                (None, _) => {
                    let message = format!("{word} \"{short}\" does not exist");
                    return Err(Error::new(SqlState::UNDEFINED_TABLE, message));
                }
                (Some(_), _) => {
                    let message = format!("\"{short}\" is not a {word}");
                    return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
                }
            };
            self.lock(oid, ObjectMode::AccessExclusive)?;
            if let Some(Relation::Table(table)) = &found {
                self.drop_table(table, cascade)?;
            }
            self.change.remove(oid);
        }
        Ok(defined)
    }

    /// What belongs to a table goes with it; what refers to it is in the way.
    fn drop_table(&mut self, table: &Table, cascade: bool) -> Result<()> {
        let view = self.change.view();
        let referring: Vec<_> = table
            .referenced_by
            .iter()
            .filter(|(child, _)| *child != table.oid)
            .copied()
            .collect();
        for (child, constraint) in &referring {
            let Some(child) = view.table(*child) else {
                continue;
            };
            let name = child.constraint(*constraint).map(|each| each.name.clone());
            let name = name.unwrap_or_default();
            if !cascade {
                let message = format!(
                    "cannot drop table {} because other objects depend on it",
                    table.name
                );
                return Err(Error::new(SqlState::DEPENDENT_OBJECTS, message)
                    .with_detail(format!(
                        "constraint {name} on table {} depends on table {}",
                        child.name, table.name
                    ))
                    .with_hint("Use DROP ... CASCADE to drop the dependent objects too."));
            }
            self.lock(child.oid, ObjectMode::AccessExclusive)?;
            let mut without = Table::clone(child);
            without.constraints.retain(|each| each.oid != *constraint);
            self.change.set(Object::Table(Arc::new(without)));
        }
        for column in &table.columns {
            if let Some(Generated::Identity { sequence, .. }) = &column.generated {
                self.change.remove(*sequence);
            }
        }
        Ok(())
    }
}
