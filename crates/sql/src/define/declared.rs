//! What a column's options say together.
//!
//! Each may be said once, and not beside what contradicts it: two defaults, NULL and NOT NULL, a
//! default and an identity are errors. A serial column has said DEFAULT and NOT NULL by its type.

use rustdb_catalog::{Column, Table};
use rustdb_types::{Element, SqlState, Type};
use sqlparser::ast;
use sqlparser::ast::ColumnOption;

use crate::bind::{is_system_column, name_of};
use crate::error::{Error, Result};

/// What may be said of a column once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Null,
    NotNull,
    Default,
    Identity,
    Expression,
    Collation,
}

/// Fails if the options of a column of this table contradict one another.
pub(super) fn refuse_contradictions(
    written: &ast::ColumnDef,
    is_serial: bool,
    table: &str,
) -> Result<()> {
    let options = written.options.iter();
    let mut all: Vec<Said> = options.filter_map(|it| said(&it.option)).collect();
    if is_serial {
        all.extend([Said::Default, Said::NotNull]);
    }
    for (at, one) in all.iter().enumerate() {
        let mut before = all[..at].iter();
        if let Some(words) = before.find_map(|before| contradiction(*before, *one)) {
            let message = match one {
                Said::Collation => words.to_owned(),
                _ => format!(
                    "{words} for column \"{}\" of table \"{table}\"",
                    name_of(&written.name)
                ),
            };
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
    }
    Ok(())
}

fn said(option: &ColumnOption) -> Option<Said> {
    Some(match option {
        ColumnOption::Null => Said::Null,
        ColumnOption::NotNull => Said::NotNull,
        ColumnOption::Default(_) => Said::Default,
        ColumnOption::Generated {
            generation_expr: Some(_),
            ..
        } => Said::Expression,
        ColumnOption::Generated { .. } => Said::Identity,
        ColumnOption::Collation(_) => Said::Collation,
        _ => return None,
    })
}

/// What is wrong with two of them, in either order.
fn contradiction(one: Said, two: Said) -> Option<&'static str> {
    use Said::{Collation, Default, Expression, Identity, NotNull, Null};
    Some(match (one, two) {
        (Default, Default) => "multiple default values specified",
        (Identity, Identity) => "multiple identity specifications",
        (Expression, Expression) => "multiple generation clauses specified",
        (Collation, Collation) => "multiple COLLATE clauses not allowed",
        (Null, NotNull | Identity) | (NotNull | Identity, Null) => {
            "conflicting NULL/NOT NULL declarations"
        }
        (Default, Identity) | (Identity, Default) => "both default and identity specified",
        (Default, Expression) | (Expression, Default) => {
            "both default and generation expression specified"
        }
        (Identity, Expression) | (Expression, Identity) => {
            "both identity and generation expression specified"
        }
        _ => return None,
    })
}

/// Fails for a name that PostgreSQL has a column by in every table.
pub(super) fn refuse_system_name(name: &str) -> Result<()> {
    if !is_system_column(name) {
        return Ok(());
    }
    let message = format!("column name \"{name}\" conflicts with a system column name");
    Err(Error::new(SqlState::DUPLICATE_COLUMN, message))
}

/// Fails if one of the columns of a new table has such a name.
pub(super) fn refuse_system_names(columns: &[Column]) -> Result<()> {
    let mut names = columns.iter().map(|column| &column.name);
    names.try_for_each(|name| refuse_system_name(name))
}

/// Fails if what is to be changed is a column that PostgreSQL has in every table.
pub(super) fn refuse_system_column(table: &Table, name: &str, doing: &str) -> Result<()> {
    if !is_system_column(name) || table.column_named(name).is_some() {
        return Ok(());
    }
    let message = format!("cannot {doing} system column \"{name}\"");
    Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message))
}

/// Fails if values of a type have no collation.
pub(super) fn refuse_collation_of(of: &Type) -> Result<()> {
    if is_collatable(of) {
        return Ok(());
    }
    let message = format!("collations are not supported by type {}", of.name());
    Err(Error::new(SqlState::DATATYPE_MISMATCH, message))
}

fn is_collatable(of: &Type) -> bool {
    match &of.element {
        Element::Base(base) => base.is_text(),
        Element::Domain(domain) => is_collatable(&domain.base),
        Element::Enum(_) => false,
    }
}
