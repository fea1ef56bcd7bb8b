//! ALTER COLUMN TYPE and RENAME COLUMN: what also touches the texts of expressions.

use std::sync::Arc;

use rustdb_catalog::{
    Column, ConstraintKind, DependencyKind, Expression, Generated, IndexKey, Part, Table,
};
use rustdb_types::{CastContext, SqlState, Type};
use sqlparser::ast;

use super::Definer;
use super::alter::missing_column;
use super::declared::{refuse_system_column, refuse_system_name};
use super::rows::Becomes;
use crate::bind::{Binder, bind_column_expression, bind_table_expression, name_of};
use crate::error::{Error, Result};
use crate::expr::{Expr, Typed};
use crate::parse::rename_column_in;

impl Definer<'_> {
    pub(super) fn alter_column_type(
        &mut self,
        table: &Table,
        column: &Column,
        written: &ast::DataType,
        using: Option<&ast::Expr>,
    ) -> Result<()> {
        let new_type = Binder::for_statement(&self.around).type_named(written)?;
        self.refuse_users(table, column)?;
        let place = column.id as usize - 1;
        let settings = self.around.settings;
        let value = match using {
            Some(using) => bind_table_expression(
                &using.to_string(),
                table,
                settings,
                Some(&self.around.catalog),
            )?,
            None => Typed::new(Expr::Input(place), column.column_type.clone()),
        };
        let value = self.converted_column(value, column, &new_type, using.is_some())?;
        let mut changed = column.clone();
        changed.column_type = new_type.clone();
        if let Some(default) = &column.default {
            self.check_default_type(table, column, &changed, default)?;
        }
        let mut places = vec![Becomes::Same; table.columns.len()];
        places[place] = Becomes::Value(value);
        let mut after = table.clone();
        after.columns[place] = changed;
        for (at, other) in after.columns.iter().enumerate() {
            if let Some(Generated::Stored(expression)) = &other.generated {
                let text = &expression.text;
                let expr = bind_column_expression(
                    text,
                    &after,
                    other,
                    settings,
                    Some(&self.around.catalog),
                )?;
                places[at] = Becomes::Generated(expr);
            }
        }
        // What reads the column has to fit the new type.
        self.check_expressions(&mut after)?;
        let (old, new) = self.change.renew_storage(table.oid, |table| {
            table.columns[place].column_type = new_type;
            table.columns[place].missing = rustdb_types::Value::Null;
            Ok(())
        })?;
        self.copy_rows(&old, &new, &places)
    }

    /// The value that a column has after a change of its type.
    fn converted_column(
        &self,
        value: Typed,
        column: &Column,
        new_type: &Type,
        has_using: bool,
    ) -> Result<Expr> {
        let mut binder = Binder::for_statement(&self.around);
        let (actual, name) = (value.of.clone(), &column.name);
        if let Some(expr) = binder.coerce(value, new_type, CastContext::Assignment)? {
            return Ok(expr);
        }
        if has_using {
            let message = format!(
                "result of USING clause for column \"{name}\" cannot be cast automatically to type {}",
                new_type.name()
            );
            return Err(Error::new(SqlState::DATATYPE_MISMATCH, message)
                .with_hint("You might need to add an explicit cast."));
        }
        let message = format!(
            "column \"{name}\" cannot be cast automatically to type {}",
            new_type.name()
        );
        let error = Error::new(SqlState::DATATYPE_MISMATCH, message);
        let is_explicit =
            rustdb_types::Cast::find(&actual, new_type, CastContext::Explicit).is_some();
        Err(match is_explicit {
            true => error.with_hint(format!(
                "You might need to specify \"USING {}::{}\".",
                crate::exec::quoted(name),
                new_type.full_name()
            )),
            false => error,
        })
    }

    fn check_default_type(
        &self,
        table: &Table,
        column: &Column,
        changed: &Column,
        default: &Expression,
    ) -> Result<()> {
        let bare = Table {
            columns: Vec::new(),
            ..table.clone()
        };
        let settings = self.around.settings;
        let catalog = Some(&self.around.catalog);
        // A constant has the old type by now, as what is stored for a column has.
        let value = bind_column_expression(&default.text, &bare, column, settings, catalog)?;
        let value = Typed::new(value, column.column_type.clone());
        let bound = Binder::for_statement(&self.around).assign_default(value, changed);
        bound.map(drop).map_err(|error| match error.state() {
            SqlState::DATATYPE_MISMATCH => Error::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "default for column \"{}\" cannot be cast automatically to type {}",
                    changed.name,
                    changed.column_type.name()
                ),
            ),
            _ => error,
        })
    }

    /// Views, and generated columns, keep a column's type from changing.
    fn refuse_users(&mut self, table: &Table, column: &Column) -> Result<()> {
        let view = self.change.view();
        let column_part = Part::Column(table.oid, column.id);
        let path = [rustdb_catalog::PG_CATALOG, rustdb_catalog::PUBLIC];
        for (part, kind) in view.dependents(column_part) {
            if kind != DependencyKind::Normal {
                continue;
            }
            let (message, detail) = match part {
                Part::Object(oid) if view.view(oid).is_some() => (
                    "cannot alter type of a column used by a view or rule",
                    format!("rule _RETURN on {}", view.describe(part, &path)),
                ),
                Part::Column(..) => (
                    "cannot alter type of a column used by a generated column",
                    format!("Column \"{}\" is used by generated column", column.name),
                ),
                _ => continue,
            };
            let detail = match part {
                Part::Column(_, id) => {
                    format!("{detail} \"{}\".", table.column_names(&[id]))
                }
                _ => format!("{detail} depends on column \"{}\"", column.name),
            };
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).with_detail(detail));
        }
        Ok(())
    }

    pub(super) fn rename_column(
        &mut self,
        table: &Table,
        old: &ast::Ident,
        new: &ast::Ident,
    ) -> Result<()> {
        let old = name_of(old);
        refuse_system_column(table, &old, "rename")?;
        let column = table.column_named(&old).ok_or_else(|| {
            let message = format!("column \"{old}\" does not exist");
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        })?;
        let id = column.id;
        let new = name_of(new);
        refuse_system_name(&new)?;
        let readers = self.readers_of(Part::Column(table.oid, id))?;
        self.change.rename_column(table.oid, id, &new)?;
        let renamed = |text: &mut Expression| -> Result<()> {
            text.text = rename_column_in(&text.text, &old, &new)?;
            Ok(())
        };
        let mut result: Result<()> = Ok(());
        self.change.alter_table(table.oid, |table| {
            result = (|| -> Result<()> {
                for column in &mut table.columns {
                    if let Some(Generated::Stored(text)) = &mut column.generated {
                        renamed(text)?;
                    }
                }
                for constraint in &mut table.constraints {
                    if let ConstraintKind::Check { expression, .. } = &mut constraint.kind {
                        renamed(expression)?;
                    }
                }
                for index in &mut table.indexes {
                    let index = Arc::make_mut(index);
                    if let Some(predicate) = &mut index.predicate {
                        renamed(predicate)?;
                    }
                    for column in &mut index.columns {
                        if let IndexKey::Expression { expression, .. } = &mut column.key {
                            renamed(expression)?;
                        }
                    }
                }
                Ok(())
            })();
            Ok(())
        })?;
        result?;
        self.follow_column(readers, table.oid, &old, &new)?;
        self.around.catalog = self.change.view();
        let now = self.change.view().table(table.oid).cloned();
        let now = now.ok_or_else(|| missing_column(table, &new))?;
        self.check_expressions(&mut Table::clone(&now))
    }
}
