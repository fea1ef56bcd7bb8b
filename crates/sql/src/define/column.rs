//! Columns of CREATE TABLE and ALTER TABLE.

use rustdb_catalog::{
    Column, ConstraintDefinition, ConstraintDefinitionKind, ConstraintKind, Dependency, Expression,
    Generated, Table,
};
use rustdb_types::function::Volatility;
use rustdb_types::{Base, Oid, SqlState, Type, Value};
use sqlparser::ast;
use sqlparser::ast::{ColumnOption, Spanned};

use super::Definer;
use super::constraint::{number, set_deferral};
use super::declared::{refuse_collation_of, refuse_contradictions};
use super::like::options_of;
use super::sequence::Serial;
use crate::bind::{
    Binder, bind_column_expression, bind_table_expression, bind_written, name_of, words_of,
};
use crate::error::{Error, Position, Result};
use crate::expr::{Expr, SessionFunction, Typed};
use crate::parse::place;
use crate::parse::utility::SequenceOption;

impl Definer<'_> {
    pub(super) fn column(
        &mut self,
        table: &str,
        written: &ast::ColumnDef,
        place: usize,
        constraints: &mut Vec<ConstraintDefinition>,
        serials: &mut Vec<Serial>,
    ) -> Result<Column> {
        let name = name_of(&written.name);
        let serial = serial_type(&written.data_type);
        refuse_contradictions(written, serial.is_some(), table)?;
        let column_type = match serial {
            Some(base) => Type::of(base),
            // Of a flexible table: its first value will tell.
            None if written.data_type == ast::DataType::Unspecified => Type::UNKNOWN,
            None => {
                let of = Binder::for_statement(&self.around).type_named(&written.data_type)?;
                self.lock_type(of, &written.data_type)?
            }
        };
        let mut column = Column::new(number(place), name, column_type);
        if serial.is_some() {
            column.not_null = true;
            serials.push(Serial {
                place,
                identity: None,
                options: Vec::new(),
            });
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
        serials: &mut Vec<Serial>,
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
                let own = |names: &[ast::Ident]| {
                    let ids = names.iter().map(|name| match name_of(name) == column.name {
                        true => column.id,
                        // No other column is part of the key.
                        false => 0,
                    });
                    Ok(ids.collect())
                };
                let kind = self.foreign_key(key, vec![column.id], own)?;
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
                sequence_options,
                ..
            } => {
                column.not_null = true;
                serials.push(Serial {
                    place: Column::place(column.id).unwrap_or_default(),
                    identity: Some(matches!(generated_as, ast::GeneratedAs::Always)),
                    options: identity_options(sequence_options.as_deref().unwrap_or_default())?,
                });
            }
            ColumnOption::Collation(collation) => {
                let name = collation.to_string().replace('"', "");
                if !["C", "POSIX", "default"].contains(&name.as_str()) {
                    return Err(Error::unsupported(format!("the collation {collation}")));
                }
                refuse_collation_of(&column.column_type)?;
            }
            other => return Err(Error::unsupported(format!("`{other}` of a column"))),
        }
        Ok(())
    }

    /// Binds the table's expressions, to tell at once what is wrong with them, and notes what they
    /// depend on.
    pub(super) fn check_expressions(&self, table: &mut Table) -> Result<()> {
        let settings = self.around.settings;
        let catalog = Some(&self.around.catalog);
        let whole = table.clone();
        for column in table.columns.iter_mut().filter(|column| !column.dropped) {
            let like = column.clone();
            if let Some(Generated::Stored(expression)) = &mut column.generated {
                let expr =
                    bind_column_expression(&expression.text, &whole, &like, settings, catalog)?;
                refuse_subquery(&expr, "column generation expression")?;
                check_generated(&expr, &whole)?;
                expression.depends_on = columns_of(&expr, whole.oid);
            }
            if let Some(default) = &mut column.default {
                self.check_default(&whole, &like, default)?;
            }
        }
        for constraint in &table.constraints {
            if let ConstraintKind::Check { expression, .. } = &constraint.kind {
                let typed = bind_table_expression(&expression.text, table, settings, catalog)?;
                refuse_subquery(&typed.expr, "check constraint")?;
                refuse_catalog(&typed.expr, "check constraint")?;
                refuse_condition(&typed)?;
            }
        }
        Ok(())
    }

    /// Where in a CREATE TABLE an error of its table's expressions is: what is stored of them are
    /// texts of their own.
    pub(super) fn place_in(
        &self,
        create: &ast::CreateTable,
        table: &Table,
        error: &Error,
    ) -> Option<Position> {
        if create.columns.iter().any(|it| options_of(it).is_some()) {
            return None;
        }
        let bare = bare_of(table);
        let columns = create.columns.iter().zip(&table.columns);
        let of_columns = columns.flat_map(|(written, column)| {
            let options = written.options.iter();
            options.map(move |option| (&option.option, column))
        });
        let mut of_columns = of_columns.filter_map(|(option, column)| match option {
            ColumnOption::Default(expr) => {
                let bound = Binder::for_statement(&self.around).default_of(expr, &bare, column);
                let again = bound.map_err(refuse_columns).err()?;
                (again.message() == error.message()).then(|| again.position())?
            }
            ColumnOption::Check(check) => self.place_within(&check.expr, table, error),
            ColumnOption::Generated {
                generation_expr: Some(expr),
                ..
            } => self.place_within(expr, table, error),
            _ => None,
        });
        of_columns.next().or_else(|| {
            let mut constraints = create.constraints.iter();
            constraints.find_map(|written| match written {
                ast::TableConstraint::Check(check) => self.place_within(&check.expr, table, error),
                _ => None,
            })
        })
    }

    /// Where an error is in an expression over a table, if it is one of that.
    fn place_within(&self, expr: &ast::Expr, table: &Table, error: &Error) -> Option<Position> {
        let catalog = Some(&self.around.catalog);
        match bind_written(expr, table, self.around.settings, catalog) {
            Err(again) => (again.message() == error.message()).then(|| again.position())?,
            Ok(typed) => {
                let again = refuse_condition(&typed).err()?;
                (again.message() == error.message()).then(|| place(expr.span()))?
            }
        }
    }

    /// Binds a default. A sequence in it is noted by its number, so that it may get another name.
    fn check_default(
        &self,
        table: &Table,
        column: &Column,
        default: &mut Expression,
    ) -> Result<()> {
        let bare = bare_of(table);
        let written = crate::parse::parse_expression(&default.text)?;
        let mut binder = Binder::for_statement(&self.around);
        let bound = binder.default_of(&written, &bare, column);
        let expr = bound.map_err(|error| refuse_columns(error).elsewhere())?;
        refuse_subquery(&expr, "DEFAULT expression")?;
        let mut sequences = Vec::new();
        expr.walk(&mut |part| {
            if let Expr::Session(call) = part
                && let Some(Expr::Constant(Value::Oid(oid))) = call.arguments.first()
            {
                sequences.push(Oid(*oid));
            }
        });
        let is_call = matches!(&expr, Expr::Session(call) if call.function == SessionFunction::NextVal)
            || matches!(&expr, Expr::Cast(cast) if matches!(cast.1, Expr::Session(_)));
        let is_call = is_call && matches!(written, ast::Expr::Function(_));
        if let ([only], true) = (&sequences[..], is_call) {
            default.text = format!("nextval('{only}'::regclass)");
        }
        default.depends_on = sequences
            .into_iter()
            .map(|object| Dependency {
                object,
                column: None,
            })
            .collect();
        Ok(())
    }
}

/// The table without its columns, which a default may not read.
fn bare_of(table: &Table) -> Table {
    Table {
        columns: Vec::new(),
        ..table.clone()
    }
}

/// What is said of a column in a default.
fn refuse_columns(error: Error) -> Error {
    if error.state() != SqlState::UNDEFINED_COLUMN {
        return error;
    }
    let message = "cannot use column reference in DEFAULT expression";
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).at(error.position())
}

/// What is stored with a table reads its row only.
pub(super) fn refuse_subquery(expr: &Expr, place: &str) -> Result<()> {
    let mut has_subquery = false;
    expr.walk(&mut |part| has_subquery |= matches!(part, Expr::Subquery(_)));
    match has_subquery {
        true => Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("cannot use subquery in {place}"),
        )),
        false => Ok(()),
    }
}

/// What reads the catalog for each row has none at hand when a row is written.
pub(super) fn refuse_catalog(expr: &Expr, place: &str) -> Result<()> {
    let mut found = None;
    expr.walk(&mut |part| {
        if let Expr::System(call) = part {
            part.walk(&mut |inner| {
                if let Expr::Input(_) = inner {
                    found = Some(call.function.shown());
                }
            });
        }
    });
    match found {
        Some(name) => Err(Error::unsupported(format!("{name} of a row in a {place}"))),
        None => Ok(()),
    }
}

/// A CHECK is a condition.
fn refuse_condition(typed: &Typed) -> Result<()> {
    if typed.of == Type::BOOL {
        return Ok(());
    }
    let name = typed.of.name();
    let message = format!("argument of CHECK must be type boolean, not type {name}");
    Err(Error::new(SqlState::DATATYPE_MISMATCH, message))
}

/// The columns that an expression over a table reads, as dependencies.
pub(super) fn columns_of(expr: &Expr, table: Oid) -> Vec<Dependency> {
    let mut read = Vec::new();
    expr.walk(&mut |part| {
        if let Expr::Input(place) = part {
            read.push(Dependency {
                object: table,
                column: Some(number(*place)),
            });
        }
    });
    read.sort_unstable();
    read.dedup();
    read
}

/// Whether an expression gives the same whenever it is evaluated.
pub(super) fn is_immutable(expr: &Expr) -> bool {
    let mut immutable = true;
    expr.walk(&mut |part| {
        immutable &= match part {
            Expr::Call(call) => call.call.function().volatility == Volatility::Immutable,
            Expr::Session(_) | Expr::NextValue(_) => false,
            // A name that is written out stands for what it names now.
            Expr::System(call) => {
                let is_name = call.function.is_cast();
                is_name
                    && call
                        .arguments
                        .iter()
                        .all(|it| matches!(it, Expr::Constant(_)))
            }
            _ => true,
        }
    });
    immutable
}

fn check_generated(expr: &Expr, table: &Table) -> Result<()> {
    let mut reads = None;
    expr.walk(&mut |part| {
        if let Expr::Input(place) = part
            && let Some(column) = table.columns.get(*place)
            && matches!(column.generated, Some(Generated::Stored(_)))
        {
            reads = Some(column.name.clone());
        }
    });
    if let Some(name) = reads {
        let message =
            format!("cannot use generated column \"{name}\" in column generation expression");
        return Err(Error::new(SqlState::INVALID_OBJECT_DEFINITION, message)
            .with_detail("A generated column cannot reference another generated column."));
    }
    match is_immutable(expr) {
        true => Ok(()),
        false => Err(Error::new(
            SqlState::INVALID_OBJECT_DEFINITION,
            "generation expression is not immutable",
        )),
    }
}

/// Options of an identity column's sequence, as the parser's tree has them.
fn identity_options(written: &[ast::SequenceOptions]) -> Result<Vec<SequenceOption>> {
    let number = |expr: &ast::Expr| {
        let text = expr.to_string().replace(' ', "");
        let number = text.parse::<i64>();
        number.map_err(|_| {
            let message = format!("syntax error: expected a whole number, found: {expr}");
            Error::new(SqlState::SYNTAX_ERROR, message)
        })
    };
    let optional = |expr: &Option<ast::Expr>| expr.as_ref().map(number).transpose();
    let options = written.iter().map(|option| {
        Ok(match option {
            ast::SequenceOptions::IncrementBy(by, _) => SequenceOption::Increment(number(by)?),
            ast::SequenceOptions::MinValue(value) => SequenceOption::Minimum(optional(value)?),
            ast::SequenceOptions::MaxValue(value) => SequenceOption::Maximum(optional(value)?),
            ast::SequenceOptions::StartWith(at, _) => SequenceOption::Start(number(at)?),
            ast::SequenceOptions::Cache(count) => SequenceOption::Cache(number(count)?),
            // NB: the parser's flag says NO.
            ast::SequenceOptions::Cycle(no) => SequenceOption::Cycle(!no),
        })
    });
    options.collect()
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
    let names = words_of(name).ok()?;
    match names.last()?.as_str() {
        "serial" | "serial4" => Some(Base::Int4),
        "bigserial" | "serial8" => Some(Base::Int8),
        "smallserial" | "serial2" => Some(Base::Int2),
        _ => None,
    }
}

/// The texts of a table's expressions.
pub(super) fn texts_of(table: &Table) -> Vec<&str> {
    let mut texts: Vec<&Expression> = Vec::new();
    for column in table.live_columns() {
        texts.extend(&column.default);
        if let Some(Generated::Stored(text)) = &column.generated {
            texts.push(text);
        }
    }
    for constraint in &table.constraints {
        if let ConstraintKind::Check { expression, .. } = &constraint.kind {
            texts.push(expression);
        }
    }
    for index in &table.indexes {
        texts.extend(&index.predicate);
        for column in &index.columns {
            if let rustdb_catalog::IndexKey::Expression { expression, .. } = &column.key {
                texts.push(expression);
            }
        }
    }
    texts.iter().map(|text| text.text.as_str()).collect()
}
