//! TRUNCATE.

use std::sync::Arc;

use rustdb_catalog::{Object, Relation, Table};
use rustdb_txn::ObjectMode;
use rustdb_types::{Oid, SqlState};
use sqlparser::ast;

use super::{Defined, Definer};
use crate::bind::{Binder, missing_relation, object_name};
use crate::error::{Error, Result};
use crate::notice::Notice;

impl Definer<'_> {
    pub(crate) fn truncate(&mut self, truncate: &ast::Truncate) -> Result<Defined> {
        if truncate.partitions.is_some() || truncate.if_exists {
            return Err(Error::unsupported("this form of TRUNCATE"));
        }
        let defined = Defined::new("TRUNCATE TABLE");
        let mut tables: Vec<Arc<Table>> = Vec::with_capacity(truncate.table_names.len());
        for target in &truncate.table_names {
            let names = object_name(&target.name)?;
            self.refuse_no_table(&names)?;
            let table = self.locked_table(&names, ObjectMode::AccessExclusive)?;
            if tables.iter().all(|other| other.oid != table.oid) {
                tables.push(table);
            }
        }
        let cascades = truncate.cascade == Some(ast::CascadeOption::Cascade);
        let mut at = 0;
        while let Some(table) = tables.get(at).cloned() {
            at += 1;
            for (child, _) in &table.referenced_by {
                if tables.iter().any(|other| other.oid == *child) {
                    continue;
                }
                let view = self.change.view();
                let name = view
                    .table(*child)
                    .map_or("?", |child| &child.name)
                    .to_owned();
                if !cascades {
                    let message = "cannot truncate a table referenced in a foreign key constraint";
                    return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
                        .with_detail(format!(
                            "Table \"{name}\" references \"{}\".",
                            table.name
                        ))
                        .with_hint(format!(
                            "Truncate table \"{name}\" at the same time, or use TRUNCATE ... CASCADE."
                        )));
                }
                let message = format!("truncate cascades to table \"{name}\"");
                self.note(Notice::new(message));
                tables.push(self.locked_for_truncate(*child, &[name])?);
            }
        }
        let restarts = truncate.identity == Some(ast::TruncateIdentityOption::Restart);
        for table in &tables {
            self.change.renew_storage(table.oid, |_| Ok(()))?;
            if restarts {
                self.restart_sequences(table.oid)?;
            }
        }
        Ok(defined)
    }

    /// Only tables have rows of their own.
    fn refuse_no_table(&mut self, names: &[String]) -> Result<()> {
        self.around.catalog = self.change.view();
        match Binder::for_statement(&self.around).find_relation(names)? {
            None | Some(Relation::Table(_)) => Ok(()),
            Some(Relation::View(_) | Relation::Sequence(_) | Relation::Index(..)) => {
                let short = names.last().map_or("", String::as_str);
                let message = format!("\"{short}\" is not a table");
                Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
            }
        }
    }

    fn locked_for_truncate(&mut self, oid: Oid, names: &[String]) -> Result<Arc<Table>> {
        self.lock(oid, ObjectMode::AccessExclusive)?;
        let now = self.change.view().table(oid).cloned();
        now.ok_or_else(|| missing_relation(names))
    }

    /// Has the sequences that a table's columns own begin again.
    fn restart_sequences(&mut self, table: Oid) -> Result<()> {
        let view = self.change.view();
        for object in view.objects() {
            if let Object::Sequence(sequence) = object
                && sequence.owned_by.is_some_and(|(owner, _)| owner == table)
            {
                self.change.restart_sequence(sequence.oid, sequence.start)?;
            }
        }
        Ok(())
    }
}
