//! ALTER TABLE with actions.
//!
//! Actions are done in passes, as PostgreSQL does them, so that their order in the statement does
//! not matter: what goes, types, new columns, properties of columns, constraints.

use rustdb_catalog::{Column, Expression, Generated, PG_CATALOG, PUBLIC, Part, Relation, Table};
use rustdb_table::Validation;
use rustdb_txn::ObjectMode;
use rustdb_types::{Oid, Value};
use sqlparser::ast;

use super::declared::{refuse_collation_of, refuse_system_column, refuse_system_name};
use super::rows::Becomes;
use super::sequence::Serial;
use super::{Defined, Definer, relation_missing};
use crate::bind::{Binder, bind_column_expression, missing_relation, name_of, object_name};
use crate::error::{Error, Result, SqlState};
use crate::exec::{Context, evaluate_row};
use crate::notice::Notice;
use crate::parse::utility::{AlterAction, AlterColumn, AlterTable, SequenceOption};

impl Definer<'_> {
    pub(crate) fn alter_table(&mut self, alter: &AlterTable) -> Result<Defined> {
        let defined = Defined::new("ALTER TABLE");
        let names = object_name(&alter.name)?;
        if let [AlterAction::RenameColumn(old, new)] = &alter.actions[..]
            && let Some(Relation::View(_)) = self.relation_now(&names)?
            && let Some(Relation::View(view)) =
                self.locked_relation(&names, ObjectMode::AccessExclusive)?
        {
            self.rename_view_column(view.oid, &name_of(old), &name_of(new))?;
            return Ok(defined);
        }
        let found = self.locked(
            ObjectMode::AccessExclusive,
            |table: &Oid| *table,
            |definer| definer.altered_table(&names, alter),
        )?;
        let Some(table) = found else {
            let name = names.last().map_or("", String::as_str);
            self.note(relation_missing(name));
            return Ok(defined);
        };
        let mut actions: Vec<&AlterAction> = alter.actions.iter().collect();
        actions.sort_by_key(|action| pass(action));
        for action in actions {
            // What was waited for, or done before, may have changed it.
            let Some(now) = self.change.view().table(table).cloned() else {
                return Err(missing_relation(&names));
            };
            self.alter(&now, action)?;
        }
        Ok(defined)
    }

    pub(super) fn relation_now(&mut self, names: &[String]) -> Result<Option<Relation>> {
        self.around.catalog = self.change.view();
        Binder::for_statement(&self.around).find_relation(names)
    }

    /// The table that is meant, if it is there.
    fn altered_table(&mut self, names: &[String], alter: &AlterTable) -> Result<Option<Oid>> {
        let found = self.relation_now(names)?;
        let name = names.last().map_or("", String::as_str);
        let kind = match found {
            Some(Relation::Table(table)) => return Ok(Some(table.oid)),
            None if alter.if_exists => return Ok(None),
            None => return Err(missing_relation(names)),
            Some(Relation::View(_)) => "views",
            Some(Relation::Sequence(_)) => "sequences",
            Some(Relation::Index(..)) => "indexes",
        };
        let action = alter.actions.first().map_or("", words_of);
        let message = format!("ALTER action {action} cannot be performed on relation \"{name}\"");
        Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
            .with_detail(format!("This operation is not supported for {kind}.")))
    }

    fn alter(&mut self, table: &Table, action: &AlterAction) -> Result<()> {
        match action {
            AlterAction::AddColumn {
                if_not_exists,
                column,
            } => self.add_column(table, column, *if_not_exists),
            AlterAction::DropColumn {
                if_exists,
                name,
                cascade,
            } => {
                let name = name_of(name);
                refuse_system_column(table, &name, "drop")?;
                let part = table.column_named(&name);
                let part = part.map(|column| Part::Column(table.oid, column.id));
                let missing = missing_column(table, &name);
                self.drop_named(part, missing, *if_exists, *cascade)
            }
            AlterAction::AddConstraint {
                constraint,
                validate,
            } => self.add_table_constraint(table, constraint, *validate),
            AlterAction::DropConstraint {
                if_exists,
                name,
                cascade,
            } => {
                let name = name_of(name);
                let part = table.constraint_named(&name);
                let part = part.map(|found| Part::Constraint(table.oid, found.oid));
                let missing = missing_constraint(table, &name);
                self.drop_named(part, missing, *if_exists, *cascade)
            }
            AlterAction::Validate(name) => self.validate_constraint(table, &name_of(name)),
            AlterAction::AlterConstraint(name, deferrable, deferred) => {
                self.alter_constraint(table, &name_of(name), *deferrable, *deferred)
            }
            AlterAction::Column(name, action) => {
                let name = name_of(name);
                refuse_system_column(table, &name, "alter")?;
                let column = table.column_named(&name);
                let column = column.ok_or_else(|| missing_column(table, &name))?.clone();
                self.alter_column(table, &column, action)
            }
            AlterAction::RenameColumn(old, new) => self.rename_column(table, old, new),
            AlterAction::RenameConstraint(old, new) => {
                let old = name_of(old);
                let found = table.constraint_named(&old);
                let found = found.ok_or_else(|| {
                    let message = format!(
                        "constraint \"{old}\" for table \"{}\" does not exist",
                        table.name
                    );
                    Error::new(SqlState::UNDEFINED_OBJECT, message)
                })?;
                let new = name_of(new);
                self.change
                    .rename_constraint(self.transaction, table.oid, found.oid, &new)?;
                Ok(())
            }
        }
    }

    /// Drops a part of a table if it is there.
    fn drop_named(
        &mut self,
        part: Option<Part>,
        missing: Error,
        if_exists: bool,
        cascade: bool,
    ) -> Result<()> {
        match part {
            Some(part) => self.drop_part(part, cascade),
            None if if_exists => {
                self.note(Notice::new(format!("{}, skipping", missing.message())));
                Ok(())
            }
            None => Err(missing),
        }
    }

    /// Drops a part of a table; rows that lose the key they are sorted by are copied.
    pub(super) fn drop_part(&mut self, part: Part, cascade: bool) -> Result<()> {
        self.drop_parts(&[part], cascade, &[PG_CATALOG, PUBLIC])
    }

    // ------------------------------------------------------------------------------- columns

    fn add_column(
        &mut self,
        table: &Table,
        written: &ast::ColumnDef,
        if_not_exists: bool,
    ) -> Result<()> {
        let name = name_of(&written.name);
        if if_not_exists && table.column_named(&name).is_some() {
            let message = format!(
                "column \"{name}\" of relation \"{}\" already exists, skipping",
                table.name
            );
            self.note(Notice::new(message).with_state(SqlState::DUPLICATE_COLUMN));
            return Ok(());
        }
        refuse_system_name(&name)?;
        let (mut constraints, mut serials) = (Vec::new(), Vec::new());
        let place = table.columns.len();
        let mut column =
            self.column(&table.name, written, place, &mut constraints, &mut serials)?;
        let mut made = Vec::new();
        for serial in &serials {
            let (schema, temporary) = (table.schema, table.temporary);
            let sequence = self.serial(schema, &table.name, &mut column, serial, temporary)?;
            made.push((place, sequence));
        }
        let mut whole = table.clone();
        whole.columns.push(column.clone());
        self.check_expressions(&mut whole)?;
        self.note_columns_read(&mut constraints, &whole.columns);
        let column = whole.columns.pop().unwrap_or(column);
        let becomes = self.value_of_new(&whole, &column)?;
        match becomes {
            // What does not depend on the row is kept once, for all rows that are there.
            Becomes::Value(expr) if !expr.is_volatile() => {
                let mut column = column.clone();
                column.missing = self.evaluate(&expr)?;
                self.change.add_column(table.oid, column)?;
            }
            Becomes::Same => {
                self.change.add_column(table.oid, column.clone())?;
            }
            becomes => self.rewrite(table, becomes, |new| {
                new.columns.push(column.clone());
                Ok(())
            })?,
        }
        if column.not_null {
            self.validate(table.oid, Validation::NotNull(place))?;
        }
        self.own_sequences(table.oid, &made);
        for constraint in constraints {
            self.build_constraint(table.oid, constraint, true)?;
        }
        Ok(())
    }

    /// What a new column has in the rows that are there.
    fn value_of_new(&self, table: &Table, column: &Column) -> Result<Becomes> {
        let settings = self.around.settings;
        let catalog = Some(&self.around.catalog);
        let mut with_column = table.clone();
        with_column.columns.push(column.clone());
        if let Some(Generated::Stored(expression)) = &column.generated {
            let text = &expression.text;
            let expr = bind_column_expression(text, &with_column, column, settings, catalog)?;
            return Ok(Becomes::Generated(expr));
        }
        if let Some(Generated::Identity { sequence, .. }) = &column.generated {
            let value = crate::expr::Typed::new(
                crate::expr::Expr::NextValue(*sequence),
                rustdb_types::Type::INT8,
            );
            let mut binder = Binder::for_statement(&self.around);
            let value = binder.assign(value, &column.column_type, &column.name)?;
            return Ok(Becomes::Value(value));
        }
        match &column.default {
            None => Ok(Becomes::Same),
            Some(default) => {
                let expr =
                    bind_column_expression(&default.text, &with_column, column, settings, catalog)?;
                Ok(Becomes::Value(expr))
            }
        }
    }

    fn evaluate(&mut self, expr: &crate::expr::Expr) -> Result<Value> {
        let database = self.around.database.clone();
        let mut cx = Context::new(self.around.settings, &*database.shared.host, &[]);
        evaluate_row(expr, &[], &mut cx)
    }

    /// Gives a table new storage; `last` is what the last column becomes.
    fn rewrite(
        &mut self,
        table: &Table,
        last: Becomes,
        change: impl FnOnce(&mut Table) -> Result<()>,
    ) -> Result<()> {
        let mut result = Ok(());
        let (old, new) = self.change.renew_storage(table.oid, |table| {
            result = change(table);
            Ok(())
        })?;
        result?;
        let mut places = vec![Becomes::Same; new.columns.len()];
        if let Some(place) = places.last_mut() {
            *place = last;
        }
        self.copy_rows(&old, &new, &places)
    }

    /// An error, or a notice where IF EXISTS was said.
    fn missing(
        &mut self,
        column: &Column,
        table: &Table,
        what: &str,
        if_exists: bool,
    ) -> Result<()> {
        let state = SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;
        let error = of_column(column, table, what, state);
        if !if_exists {
            return Err(error);
        }
        self.note(Notice::new(format!("{}, skipping", error.message())));
        Ok(())
    }

    fn alter_column(&mut self, table: &Table, column: &Column, action: &AlterColumn) -> Result<()> {
        let (oid, id) = (table.oid, column.id);
        match action {
            AlterColumn::Type {
                to,
                collated,
                using,
            } => {
                if *collated {
                    refuse_collation_of(&Binder::for_statement(&self.around).type_named(to)?)?;
                }
                self.alter_column_type(table, column, to, using.as_deref())
            }
            AlterColumn::Default(default) => self.set_default(table, column, default.as_deref()),
            AlterColumn::NotNull(true) => {
                self.change.set_not_null(oid, id, true)?;
                self.validate(oid, Validation::NotNull(id as usize - 1))
            }
            AlterColumn::NotNull(false) => {
                if matches!(column.generated, Some(Generated::Identity { .. })) {
                    return Err(of_column(
                        column,
                        table,
                        "is an identity column",
                        SqlState::SYNTAX_ERROR,
                    ));
                }
                Ok(self.change.set_not_null(oid, id, false)?)
            }
            AlterColumn::DropExpression(if_exists) => match &column.generated {
                Some(Generated::Stored(_)) => Ok(self
                    .change
                    .alter_column(oid, id, |column| column.generated = None)?),
                _ => self.missing(
                    column,
                    table,
                    "is not a stored generated column",
                    *if_exists,
                ),
            },
            AlterColumn::AddIdentity(always, options) => {
                self.add_identity(table, column, *always, options)
            }
            AlterColumn::SetIdentity(always, options) => {
                self.set_identity(table, column, *always, options)
            }
            AlterColumn::DropIdentity(if_exists) => match &column.generated {
                Some(Generated::Identity { sequence, .. }) => {
                    let sequence = *sequence;
                    self.change
                        .alter_column(oid, id, |column| column.generated = None)?;
                    self.drop_part(Part::Object(sequence), false)
                }
                _ => self.missing(column, table, "is not an identity column", *if_exists),
            },
            AlterColumn::Statistics(target) => {
                let target = u32::try_from(*target).ok();
                Ok(self
                    .change
                    .alter_column(oid, id, |column| column.statistics_target = target)?)
            }
        }
    }

    fn set_default(
        &mut self,
        table: &Table,
        column: &Column,
        default: Option<&ast::Expr>,
    ) -> Result<()> {
        match &column.generated {
            Some(Generated::Identity { .. }) => {
                let error = of_column(
                    column,
                    table,
                    "is an identity column",
                    SqlState::SYNTAX_ERROR,
                );
                return Err(match default {
                    None => error
                        .with_hint("Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead."),
                    Some(_) => error,
                });
            }
            Some(Generated::Stored(_)) => {
                let error = of_column(
                    column,
                    table,
                    "is a generated column",
                    SqlState::SYNTAX_ERROR,
                );
                return Err(match default {
                    None => error
                        .with_hint("Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead."),
                    Some(_) => error,
                });
            }
            None => (),
        }
        let mut whole = table.clone();
        let place = column.id as usize - 1;
        whole.columns[place].default = default.map(|default| Expression::new(default.to_string()));
        self.check_expressions(&mut whole)?;
        let default = whole.columns[place].default.take();
        Ok(self.change.set_default(table.oid, column.id, default)?)
    }

    fn add_identity(
        &mut self,
        table: &Table,
        column: &Column,
        always: bool,
        options: &[SequenceOption],
    ) -> Result<()> {
        if matches!(column.generated, Some(Generated::Identity { .. })) {
            return Err(of_column(
                column,
                table,
                "is already an identity column",
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            ));
        }
        if !column.not_null {
            return Err(of_column(
                column,
                table,
                "must be declared NOT NULL before identity can be added",
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            ));
        }
        if column.default.is_some() {
            return Err(of_column(
                column,
                table,
                "already has a default value",
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            ));
        }
        let place = column.id as usize - 1;
        let serial = Serial {
            place,
            identity: Some(always),
            options: options.to_vec(),
        };
        let mut changed = column.clone();
        let (schema, temporary) = (table.schema, table.temporary);
        let made = self.serial(schema, &table.name, &mut changed, &serial, temporary)?;
        self.change.alter_column(table.oid, column.id, |column| {
            column.generated = changed.generated;
        })?;
        self.own_sequences(table.oid, &[(place, made)]);
        Ok(())
    }

    fn set_identity(
        &mut self,
        table: &Table,
        column: &Column,
        always: Option<bool>,
        options: &[SequenceOption],
    ) -> Result<()> {
        let Some(Generated::Identity {
            always: was,
            sequence,
        }) = column.generated
        else {
            return Err(of_column(
                column,
                table,
                "is not an identity column",
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            ));
        };
        if !options.is_empty() {
            self.change_sequence(sequence, options)?;
        }
        let always = always.unwrap_or(was);
        self.change.alter_column(table.oid, column.id, |column| {
            column.generated = Some(Generated::Identity { always, sequence });
        })?;
        Ok(())
    }
}

/// When an action is done.
fn pass(action: &AlterAction) -> u8 {
    match action {
        AlterAction::DropColumn { .. } | AlterAction::DropConstraint { .. } => 0,
        AlterAction::Column(_, AlterColumn::Type { .. }) => 1,
        AlterAction::AddColumn { .. } => 2,
        AlterAction::Column(..) => 3,
        AlterAction::AddConstraint { constraint, .. } => match **constraint {
            ast::TableConstraint::ForeignKey(_) => 5,
            _ => 4,
        },
        AlterAction::Validate(_)
        | AlterAction::AlterConstraint(..)
        | AlterAction::RenameColumn(..)
        | AlterAction::RenameConstraint(..) => 6,
    }
}

/// An action as messages call it.
fn words_of(action: &AlterAction) -> &'static str {
    match action {
        AlterAction::AddColumn { .. } => "ADD COLUMN",
        AlterAction::DropColumn { .. } => "DROP COLUMN",
        AlterAction::AddConstraint { .. } => "ADD CONSTRAINT",
        AlterAction::DropConstraint { .. } => "DROP CONSTRAINT",
        AlterAction::Validate(_) => "VALIDATE CONSTRAINT",
        AlterAction::AlterConstraint(..) => "ALTER CONSTRAINT",
        AlterAction::RenameColumn(..) => "RENAME COLUMN",
        AlterAction::RenameConstraint(..) => "RENAME CONSTRAINT",
        AlterAction::Column(_, column) => match column {
            AlterColumn::Type { .. } => "ALTER COLUMN ... SET DATA TYPE",
            AlterColumn::Default(_) => "ALTER COLUMN ... SET DEFAULT",
            AlterColumn::NotNull(true) => "ALTER COLUMN ... SET NOT NULL",
            AlterColumn::NotNull(false) => "ALTER COLUMN ... DROP NOT NULL",
            AlterColumn::DropExpression(_) => "ALTER COLUMN ... DROP EXPRESSION",
            AlterColumn::AddIdentity(..) => "ALTER COLUMN ... ADD IDENTITY",
            AlterColumn::SetIdentity(..) => "ALTER COLUMN ... SET",
            AlterColumn::DropIdentity(_) => "ALTER COLUMN ... DROP IDENTITY",
            AlterColumn::Statistics(_) => "ALTER COLUMN ... SET STATISTICS",
        },
    }
}

pub(super) fn missing_column(table: &Table, name: &str) -> Error {
    let message = format!(
        "column \"{name}\" of relation \"{}\" does not exist",
        table.name
    );
    Error::new(SqlState::UNDEFINED_COLUMN, message)
}

pub(super) fn missing_constraint(table: &Table, name: &str) -> Error {
    let message = format!(
        "constraint \"{name}\" of relation \"{}\" does not exist",
        table.name
    );
    Error::new(SqlState::UNDEFINED_OBJECT, message)
}

fn of_column(column: &Column, table: &Table, what: &str, state: SqlState) -> Error {
    let message = format!(
        "column \"{}\" of relation \"{}\" {what}",
        column.name, table.name
    );
    Error::new(state, message)
}
