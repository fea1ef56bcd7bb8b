//! SET CONSTRAINTS.

use std::sync::Arc;

use rustdb_catalog::{Catalog, Constraint};
use rustdb_table::Tables;
use rustdb_types::Oid;
use sqlparser::ast;

use super::warnings::block_only;
use super::{Answer, Session, State, done};
use crate::bind::{SessionNames, object_name, schema_named};
use crate::database::CatalogTables;
use crate::error::{Error, Result, SqlState};
use crate::parse::utility::SetConstraints;

impl Session {
    /// Says when constraints are checked in this transaction, and checks those at once that were
    /// deferred until now.
    pub(super) fn set_constraints(&mut self, set: &SetConstraints) -> Result<Answer> {
        let is_block = matches!(&self.state, State::Open(open) if open.is_block);
        let (wait, settings) = (self.wait(), self.settings.clone());
        let (names, database) = (self.names.clone(), self.database.clone());
        let open = self.open()?;
        let catalog = open.change.view();
        let mut constraints = Vec::new();
        for name in &set.names {
            constraints.extend(named(name, &catalog, &names, set.deferred)?);
        }
        if !is_block {
            return Ok(block_only("SET CONSTRAINTS", "SET CONSTRAINTS"));
        }
        let of = (!set.names.is_empty()).then_some(&constraints[..]);
        open.deferred.set(of, set.deferred);
        if !set.deferred {
            let tables: Arc<dyn Tables> = Arc::new(CatalogTables { database, catalog });
            // Who rolls back to a savepoint has to have them checked again.
            let keep = !open.savepoints.is_empty();
            let transaction = &mut open.transaction;
            open.deferred
                .check_immediate(transaction, &tables, &settings, wait, keep)?;
        }
        Ok(done("SET CONSTRAINTS"))
    }
}

/// The constraints of a name that can be deferred, in the first schema that has any.
fn named(
    name: &ast::ObjectName,
    catalog: &Catalog,
    session: &SessionNames,
    deferred: bool,
) -> Result<Vec<Oid>> {
    let parts = object_name(name)?;
    let (schemas, short) = match &parts[..] {
        [short] => (session.schemas(catalog), short),
        [schema, short] | [_, schema, short] => (vec![schema_named(catalog, schema)?], short),
        _ => return Err(Error::unsupported(format!("the name {name}"))),
    };
    for schema in schemas {
        let tables = catalog.tables();
        let found = tables
            .into_iter()
            .filter(|table| table.schema == schema)
            .filter_map(|table| table.constraint_named(short).cloned());
        let found: Vec<Constraint> = found.collect();
        if found.is_empty() {
            continue;
        }
        if deferred && found.iter().any(|constraint| !constraint.deferrable) {
            let message = format!("constraint \"{short}\" is not deferrable");
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
        let able = found.iter().filter(|constraint| constraint.deferrable);
        return Ok(able.map(|constraint| constraint.oid).collect());
    }
    let message = format!("constraint \"{short}\" does not exist");
    Err(Error::new(SqlState::UNDEFINED_OBJECT, message))
}
