//! What definitions name, locked.
//!
//! What was found by its name may be gone, or something else may have the name, once its lock is
//! there: it is looked for again until what is found is what is locked.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustdb_catalog::{Relation, Table};
use rustdb_txn::ObjectMode;
use rustdb_types::{Oid, SqlState};
use sqlparser::ast;

use super::Definer;
use crate::bind::{Binder, Bound, missing_relation, schema_named};
use crate::error::{Error, Result};

impl Definer<'_> {
    pub(super) fn lock(&mut self, oid: Oid, mode: ObjectMode) -> Result<()> {
        let number = rustdb_catalog::lock::object(oid);
        Ok(self.transaction.lock_object(number, mode, self.wait)?)
    }

    /// Locks what `find` gives, if it gives anything; what it is now.
    pub(super) fn locked<T>(
        &mut self,
        mode: ObjectMode,
        lock_of: impl Fn(&T) -> Oid,
        mut find: impl FnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let mut locked = None;
        loop {
            let Some(found) = find(self)? else {
                return Ok(None);
            };
            let oid = lock_of(&found);
            if locked == Some(oid) {
                return Ok(Some(found));
            }
            self.lock(oid, mode)?;
            locked = Some(oid);
        }
    }

    /// A relation; of an index, its table is locked.
    pub(super) fn locked_relation(
        &mut self,
        names: &[String],
        mode: ObjectMode,
    ) -> Result<Option<Relation>> {
        self.locked(mode, lock_of, |definer| definer.relation_now(names))
    }

    /// A table.
    pub(super) fn locked_table(
        &mut self,
        names: &[String],
        mode: ObjectMode,
    ) -> Result<Arc<Table>> {
        let found = self.locked(
            mode,
            |table: &Arc<Table>| table.oid,
            |definer| {
                definer.around.catalog = definer.change.view();
                Ok(Some(
                    Binder::for_statement(&definer.around).target_table(names)?,
                ))
            },
        )?;
        found.ok_or_else(|| missing_relation(names))
    }

    /// Whether a name is a relation's, for IF NOT EXISTS: who is making one is waited for.
    pub(super) fn is_taken(&mut self, schema: Oid, name: &str) -> Result<bool> {
        if self.change.view().relation(schema, name).is_some() {
            return Ok(true);
        }
        self.change.lock_name(self.transaction, schema, name)?;
        Ok(self.change.view().relation(schema, name).is_some())
    }

    /// As [`Definer::is_taken`], of a schema.
    pub(super) fn is_schema(&mut self, name: &str) -> Result<bool> {
        if self.change.view().schema_named(name).is_some() {
            return Ok(true);
        }
        self.change.lock_name(self.transaction, Oid(0), name)?;
        Ok(self.change.view().schema_named(name).is_some())
    }

    /// A schema that something is to be in: it is not dropped meanwhile.
    pub(super) fn locked_schema(&mut self, name: &str) -> Result<Oid> {
        let found = self.locked(
            ObjectMode::AccessShare,
            |schema| *schema,
            |definer| schema_named(&definer.change.view(), name).map(Some),
        )?;
        found.ok_or_else(no_schema)
    }

    /// The schema for what is named without one.
    pub(super) fn locked_creation_schema(&mut self) -> Result<Oid> {
        let found = self.locked(
            ObjectMode::AccessShare,
            |schema| *schema,
            |definer| {
                let view = definer.change.view();
                Ok(definer.around.session.creation_schema(&view))
            },
        )?;
        found.ok_or_else(no_schema)
    }

    /// A query, and the relations that it names, which are locked in ACCESS SHARE mode: they are
    /// what it was bound with.
    pub(super) fn bound_locked(&mut self, query: &ast::Query) -> Result<(Bound, Vec<Oid>)> {
        let mut locked = BTreeSet::new();
        loop {
            self.around.catalog = self.change.view();
            let (bound, named) = self.bound_by_names(query)?;
            let mut is_all = true;
            for oid in &named {
                if locked.insert(*oid) {
                    self.lock(*oid, ObjectMode::AccessShare)?;
                    is_all = false;
                }
            }
            if is_all {
                return Ok((bound, named));
            }
        }
    }

    /// A query, and the relations that it names. Its views are not opened: a view over a hundred
    /// others is bound as fast as the first. Only where that fails, as for what locks rows, they are.
    fn bound_by_names(&self, query: &ast::Query) -> Result<(Bound, Vec<Oid>)> {
        let mut binder = Binder::for_statement(&self.around).with_names_only();
        if let Ok(bound) = binder.statement_query(query) {
            return Ok((bound, binder.named().to_vec()));
        }
        let mut binder = Binder::for_statement(&self.around);
        let bound = binder.statement_query(query)?;
        Ok((bound, binder.named().to_vec()))
    }
}

/// What a lock of a relation is of.
pub(super) fn lock_of(relation: &Relation) -> Oid {
    match relation {
        Relation::Table(table) | Relation::Index(table, _) => table.oid,
        Relation::View(view) => view.oid,
        Relation::Sequence(sequence) => sequence.oid,
    }
}

fn no_schema() -> Error {
    let message = "no schema has been selected to create in";
    Error::new(SqlState::INVALID_SCHEMA_NAME, message)
}
