//! Constraints of tables that are there.

use rustdb_catalog::{IndexState, Table};
use rustdb_table::Validation;
use rustdb_txn::ObjectMode;
use rustdb_types::Oid;
use sqlparser::ast;

use super::Definer;
use super::alter::missing_constraint;
use crate::error::{Error, Result, SqlState};

impl Definer<'_> {
    pub(super) fn add_table_constraint(
        &mut self,
        table: &Table,
        written: &ast::TableConstraint,
        validate: bool,
    ) -> Result<()> {
        match written {
            ast::TableConstraint::PrimaryKeyUsingIndex(using) => {
                return self.add_constraint_using(table, using, true);
            }
            ast::TableConstraint::UniqueUsingIndex(using) => {
                return self.add_constraint_using(table, using, false);
            }
            _ => (),
        }
        let definition = self.constraint(written, &table.columns)?;
        self.build_constraint(table.oid, definition, validate)
    }

    /// Adds a constraint, and has the rows that are there keep it.
    pub(super) fn build_constraint(
        &mut self,
        table: Oid,
        mut definition: rustdb_catalog::ConstraintDefinition,
        validate: bool,
    ) -> Result<()> {
        use rustdb_catalog::ConstraintDefinitionKind as Kind;
        definition.validated = validate;
        if let Kind::ForeignKey(key) = &definition.kind {
            let parent = key.parent.unwrap_or(table);
            self.lock(parent, ObjectMode::ShareRowExclusive)?;
            let view = self.change.view();
            let temporary = view.table(table).is_some_and(|table| table.temporary);
            self.check_lifetime(&definition, temporary)?;
        }
        let is_primary = matches!(definition.kind, Kind::PrimaryKey { .. });
        let constraint = self
            .change
            .add_constraint(self.transaction, table, definition)?;
        if is_primary {
            for id in constraint.kind.columns() {
                self.validate(table, Validation::NotNull(*id as usize - 1))?;
            }
        }
        if let Some(index) = constraint.kind.index() {
            self.fill_index(table, index)?;
            let state = IndexState::Public;
            self.change.set_index_state(table, index, state)?;
            return Ok(());
        }
        if let rustdb_catalog::ConstraintKind::Check { .. } = constraint.kind {
            let whole = self.change.view().table(table).cloned();
            let mut whole = Table::clone(&*whole.ok_or_else(|| Error::internal("no table"))?);
            self.check_expressions(&mut whole)?;
        }
        match validate {
            true => self.validate(table, Validation::Constraint(constraint.oid)),
            false => Ok(()),
        }
    }

    pub(super) fn validate_constraint(&mut self, table: &Table, name: &str) -> Result<()> {
        use rustdb_catalog::ConstraintKind as Kind;
        let found = table.constraint_named(name);
        let constraint = found.ok_or_else(|| missing_constraint(table, name))?;
        if !matches!(constraint.kind, Kind::Check { .. } | Kind::ForeignKey(_)) {
            let message = format!(
                "constraint \"{name}\" of relation \"{}\" is not a foreign key or check constraint",
                table.name
            );
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
        if constraint.validated {
            return Ok(());
        }
        self.validate(table.oid, Validation::Constraint(constraint.oid))?;
        Ok(self
            .change
            .alter_constraint(table.oid, constraint.oid, |each| each.validated = true)?)
    }

    pub(super) fn alter_constraint(
        &mut self,
        table: &Table,
        name: &str,
        deferrable: Option<bool>,
        deferred: Option<bool>,
    ) -> Result<()> {
        use rustdb_catalog::ConstraintKind as Kind;
        let found = table.constraint_named(name);
        let constraint = found.ok_or_else(|| missing_constraint(table, name))?;
        if !matches!(constraint.kind, Kind::ForeignKey(_)) {
            let message = format!(
                "constraint \"{name}\" of relation \"{}\" is not a foreign key constraint",
                table.name
            );
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
        let deferred = deferred.unwrap_or(false);
        let deferrable = deferrable.unwrap_or(deferred);
        Ok(self
            .change
            .alter_constraint(table.oid, constraint.oid, |each| {
                each.deferrable = deferrable;
                each.initially_deferred = deferred;
            })?)
    }
}
