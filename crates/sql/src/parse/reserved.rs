//! Words that are no names unless they are in quotes.
//!
//! The crate `sqlparser` takes most keywords as names. PostgreSQL has classes of them: what begins or
//! joins parts of a statement names no table, column or alias, and of the rest some are no column's
//! alias without AS. What is refused here is a syntax error there.

use sqlparser::ast::{
    AlterTableOperation, ColumnDef, Ident, ObjectName, RenameTableNameKind, Statement,
    TableConstraint,
};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::place;
use crate::error::{Error, SqlState};

/// Keywords that name nothing, or functions and types alone, sorted.
#[rustfmt::skip]
const NO_NAMES: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization",
    "binary", "both", "case", "cast", "check", "collate", "collation", "column", "concurrently",
    "constraint", "create", "cross", "current_catalog", "current_date", "current_role",
    "current_schema", "current_time", "current_timestamp", "current_user", "default", "deferrable",
    "desc", "distinct", "do", "else", "end", "except", "false", "fetch", "for", "foreign",
    "freeze", "from", "full", "grant", "group", "having", "ilike", "in", "initially", "inner",
    "intersect", "into", "is", "isnull", "join", "lateral", "leading", "left", "like", "limit",
    "localtime", "localtimestamp", "natural", "not", "notnull", "null", "offset", "on", "only",
    "or", "order", "outer", "overlaps", "placing", "primary", "references", "returning", "right",
    "select", "session_user", "similar", "some", "symmetric", "table", "tablesample", "then", "to",
    "trailing", "true", "union", "unique", "user", "using", "variadic", "verbose", "when", "where",
    "window", "with",
];

/// Of [`NO_NAMES`] those that name functions and types, sorted.
#[rustfmt::skip]
const NAMES_OF_TYPES: &[&str] = &[
    "authorization", "binary", "collation", "concurrently", "cross", "current_schema", "freeze",
    "full", "ilike", "inner", "is", "isnull", "join", "left", "like", "natural", "notnull",
    "outer", "overlaps", "right", "similar", "tablesample", "verbose",
];

/// Keywords that are a column's alias only behind AS, sorted.
#[rustfmt::skip]
const NO_BARE_LABELS: &[&str] = &[
    "array", "as", "char", "character", "create", "day", "except", "fetch", "filter", "for",
    "from", "grant", "group", "having", "hour", "intersect", "into", "isnull", "limit", "minute",
    "month", "notnull", "offset", "on", "order", "over", "overlaps", "precision", "returning",
    "second", "to", "union", "varying", "where", "window", "with", "within", "without", "year",
];

/// The longest of these words.
const LETTERS_MAX: usize = 17;

/// Whether a word names no table, no column and no alias of a table.
pub(in crate::parse) fn is_no_name(token: &Token) -> bool {
    is_among(token, NO_NAMES)
}

/// Whether a word without quotes names no type.
pub(crate) fn is_no_type(word: &str) -> bool {
    contains(NO_NAMES, word) && !contains(NAMES_OF_TYPES, word)
}

/// Whether a word is no alias of a column unless AS is before it.
pub(super) fn is_no_bare_label(token: &Token) -> bool {
    is_among(token, NO_BARE_LABELS)
}

fn is_among(token: &Token, words: &[&str]) -> bool {
    match token {
        Token::Word(word) => word.quote_style.is_none() && contains(words, &word.value),
        _ => false,
    }
}

fn contains(words: &[&str], word: &str) -> bool {
    word.len() <= LETTERS_MAX && words.binary_search(&&*word.to_ascii_lowercase()).is_ok()
}

/// What is expected where a word is that is none.
pub(in crate::parse) const A_NAME: &str = "a name";

/// Reads the name that something gets or has.
pub(in crate::parse) fn new_name(parser: &mut Parser<'_>) -> Result<Ident, ParserError> {
    match is_no_name(&parser.peek_token_ref().token) {
        true => parser.expected_ref(A_NAME, parser.peek_token_ref()),
        false => parser.parse_identifier(),
    }
}

/// An error if what a statement defines gets a name that is none.
pub(super) fn refuse_names(statement: &Statement) -> Result<(), Error> {
    match statement {
        Statement::CreateTable(create) => {
            refuse_object(&create.name)?;
            for column in &create.columns {
                refuse(&column.name)?;
                refuse_options(column)?;
            }
            create.constraints.iter().try_for_each(refuse_constraint)
        }
        Statement::CreateView(create) => {
            refuse_object(&create.name)?;
            create
                .columns
                .iter()
                .try_for_each(|column| refuse(&column.name))
        }
        Statement::CreateIndex(create) => create.name.iter().try_for_each(refuse_object),
        Statement::AlterTable(alter) => alter.operations.iter().try_for_each(refuse_change),
        _ => Ok(()),
    }
}

fn refuse_change(change: &AlterTableOperation) -> Result<(), Error> {
    match change {
        AlterTableOperation::AddColumn { column_def, .. } => {
            refuse(&column_def.name)?;
            refuse_options(column_def)
        }
        AlterTableOperation::AddConstraint { constraint, .. } => refuse_constraint(constraint),
        AlterTableOperation::RenameColumn {
            new_column_name, ..
        } => refuse(new_column_name),
        AlterTableOperation::RenameTable {
            table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name),
        } => refuse_object(name),
        _ => Ok(()),
    }
}

/// The names of a column's constraints.
fn refuse_options(column: &ColumnDef) -> Result<(), Error> {
    let mut options = column.options.iter();
    options.try_for_each(|option| option.name.iter().try_for_each(refuse))
}

fn refuse_constraint(constraint: &TableConstraint) -> Result<(), Error> {
    let name = match constraint {
        TableConstraint::Unique(it) => &it.name,
        TableConstraint::PrimaryKey(it) => &it.name,
        TableConstraint::ForeignKey(it) => &it.name,
        TableConstraint::Check(it) => &it.name,
        _ => &None,
    };
    name.iter().try_for_each(refuse)
}

/// Behind a dot any word is a name.
pub(crate) fn refuse_object(name: &ObjectName) -> Result<(), Error> {
    let first = name.0.first().and_then(|part| part.as_ident());
    first.map_or(Ok(()), refuse)
}

/// An error if a word names nothing unless it is in quotes.
pub(crate) fn refuse(name: &Ident) -> Result<(), Error> {
    if name.quote_style.is_some() || !contains(NO_NAMES, &name.value) {
        return Ok(());
    }
    let message = format!("syntax error at or near \"{}\"", name.value);
    let hint = format!(
        "To use the word as a name, write it in quotes: \"{}\".",
        name.value
    );
    let error = Error::new(SqlState::SYNTAX_ERROR, message).with_hint(hint);
    Err(error.at(place::position(name.span.start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_can_be_searched() {
        for words in [NO_NAMES, NO_BARE_LABELS] {
            assert!(words.is_sorted());
            assert!(words.iter().all(|word| word.len() <= LETTERS_MAX));
        }
    }
}
