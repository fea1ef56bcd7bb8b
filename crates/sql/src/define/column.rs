//! Columns of CREATE TABLE and ALTER TABLE.

use rustdb_catalog::{
    Column, ConstraintDefinition, ConstraintDefinitionKind, Expression, Generated, Table,
};
use rustdb_types::{Base, SqlState, Type};
use sqlparser::ast;
use sqlparser::ast::ColumnOption;

use super::Definer;
use super::constraint::{number, set_deferral};
use crate::bind::{Binder, bind_column_expression, bind_table_expression, name_of, object_name};
use crate::error::{Error, Result};

impl Definer<'_> {
    pub(super) fn column(
        &mut self,
        written: &ast::ColumnDef,
        place: usize,
        constraints: &mut Vec<ConstraintDefinition>,
        serials: &mut Vec<(usize, bool)>,
    ) -> Result<Column> {
        let name = name_of(&written.name);
        let serial = serial_type(&written.data_type);
        let column_type = match serial {
            Some(base) => Type::of(base),
            None => Binder::for_statement(&self.around).type_named(&written.data_type)?,
        };
        let mut column = Column::new(number(place), name, column_type);
        if serial.is_some() {
            column.not_null = true;
            serials.push((place, false));
        }
        for option in &written.options {
            self.column_option(option, &mut column, constraints, serials)?;
        }
        Ok(column)
    }

    /// Takes up an option of a column.
    fn column_option(
        &mut self,
        option: &ast::ColumnOptionDef,
        column: &mut Column,
        constraints: &mut Vec<ConstraintDefinition>,
        serials: &mut Vec<(usize, bool)>,
    ) -> Result<()> {
        let constraint_name = option.name.as_ref().map(name_of);
        if let Some((kind, characteristics)) = key_option(&option.option, column) {
            let mut constraint = ConstraintDefinition::new(kind);
            constraint.name = constraint_name;
            set_deferral(&mut constraint, characteristics);
            constraints.push(constraint);
            return Ok(());
        }
        match &option.option {
            ColumnOption::Null => (),
            ColumnOption::NotNull => column.not_null = true,
            ColumnOption::Default(default) => {
                column.default = Some(Expression::new(default.to_string()));
            }
            ColumnOption::ForeignKey(key) => {
                let kind = self.foreign_key(key, vec![column.id])?;
                let mut constraint = ConstraintDefinition::new(kind);
                constraint.name = constraint_name;
                set_deferral(&mut constraint, key.characteristics.as_ref());
                constraints.push(constraint);
            }
            ColumnOption::Generated {
                generated_as: ast::GeneratedAs::ExpStored | ast::GeneratedAs::Always,
                generation_expr: Some(expr),
                ..
            } => {
                let expression = Expression::new(expr.to_string());
                column.generated = Some(Generated::Stored(expression));
            }
            ColumnOption::Generated {
                generated_as,
                generation_expr: None,
                ..
            } => {
                column.not_null = true;
                let always = matches!(generated_as, ast::GeneratedAs::Always);
                serials.push((Column::place(column.id).unwrap_or_default(), always));
            }
            ColumnOption::Collation(collation) => {
                let name = collation.to_string().replace('"', "");
                if !["C", "POSIX", "default"].contains(&name.as_str()) {
                    return Err(Error::unsupported(format!("the collation {collation}")));
                }
            }
            other => return Err(Error::unsupported(format!("`{other}` of a column"))),
        }
        Ok(())
    }

    /// Binds the table's expressions, to tell at once what is wrong with them.
    pub(super) fn check_expressions(&self, table: &Table) -> Result<()> {
        let settings = self.around.settings;
        for column in &table.columns {
            if let Some(Generated::Stored(expression)) = &column.generated {
                bind_column_expression(&expression.text, table, column, settings)?;
            }
            if let Some(default) = &column.default {
                let bare = Table {
                    columns: Vec::new(),
                    ..table.clone()
                };
                bind_column_expression(&default.text, &bare, column, settings).map_err(
                    |error| match error.state() == SqlState::UNDEFINED_COLUMN {
                        true => Error::new(
                            SqlState::FEATURE_NOT_SUPPORTED,
                            "cannot use column reference in DEFAULT expression",
                        ),
                        false => error,
                    },
                )?;
            }
        }
        for constraint in &table.constraints {
            if let rustdb_catalog::ConstraintKind::Check { expression, .. } = &constraint.kind {
                let typed = bind_table_expression(&expression.text, table, settings)?;
                if typed.of != Type::BOOL {
                    let message = format!(
                        "argument of CHECK must be type boolean, not type {}",
                        typed.of.name()
                    );
                    return Err(Error::new(SqlState::DATATYPE_MISMATCH, message));
                }
            }
        }
        Ok(())
    }
}

/// An option of a column that is a constraint over it alone.
fn key_option<'o>(
    option: &'o ColumnOption,
    column: &mut Column,
) -> Option<(
    ConstraintDefinitionKind,
    Option<&'o ast::ConstraintCharacteristics>,
)> {
    Some(match option {
        ColumnOption::PrimaryKey(key) => {
            column.not_null = true;
            let kind = ConstraintDefinitionKind::PrimaryKey {
                columns: vec![column.id],
                include: Vec::new(),
            };
            (kind, key.characteristics.as_ref())
        }
        ColumnOption::Unique(unique) => {
            let kind = ConstraintDefinitionKind::Unique {
                columns: vec![column.id],
                include: Vec::new(),
                nulls_not_distinct: unique.nulls_distinct == ast::NullsDistinctOption::NotDistinct,
            };
            (kind, unique.characteristics.as_ref())
        }
        ColumnOption::Check(check) => {
            let kind = ConstraintDefinitionKind::Check {
                expression: Expression::new(check.expr.to_string()),
                columns: vec![column.id],
            };
            (kind, None)
        }
        _ => return None,
    })
}

pub(super) fn serial_type(of: &ast::DataType) -> Option<Base> {
    let ast::DataType::Custom(name, _) = of else {
        return None;
    };
    let names = object_name(name).ok()?;
    match names.last()?.as_str() {
        "serial" | "serial4" => Some(Base::Int4),
        "bigserial" | "serial8" => Some(Base::Int8),
        "smallserial" | "serial2" => Some(Base::Int2),
        _ => None,
    }
}
