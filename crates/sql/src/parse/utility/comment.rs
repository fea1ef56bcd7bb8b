//! COMMENT ON.

use sqlparser::ast::{Ident, ObjectName};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};

use super::Utility;
use crate::parse::words::{take, take_all};

/// `COMMENT ON`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comment {
    /// What it is about.
    pub(crate) on: Commented,
    /// What is said; nothing any more, if there is none.
    pub(crate) text: Option<String>,
}

/// What a comment is about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Commented {
    /// A table, view, index or sequence: which of them, and its name.
    Relation(&'static str, ObjectName),
    /// A column: the relation's name, and its own.
    Column(ObjectName),
    /// A constraint of a table.
    Constraint(Ident, ObjectName),
    /// A constraint of a domain.
    DomainConstraint(Ident, ObjectName),
    /// A schema.
    Schema(Ident),
    /// A type, and whether it has to be a domain.
    Type(ObjectName, bool),
    /// A database.
    Database(Ident),
    /// Something that there is nothing of.
    Other(String),
}

/// Reads what comes after COMMENT.
pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Utility, ParserError> {
    parser.expect_keyword_is(Keyword::ON)?;
    let on = commented(parser)?;
    parser.expect_keyword_is(Keyword::IS)?;
    let text = match take(parser, "null") {
        true => None,
        // An empty one is none.
        false => Some(parser.parse_literal_string()?).filter(|text| !text.is_empty()),
    };
    Ok(Utility::Comment(Comment { on, text }))
}

fn commented(parser: &mut Parser<'_>) -> Result<Commented, ParserError> {
    for word in ["table", "view", "index", "sequence"] {
        if take(parser, word) {
            return Ok(Commented::Relation(word, parser.parse_object_name(false)?));
        }
    }
    if take(parser, "column") {
        return Ok(Commented::Column(parser.parse_object_name(false)?));
    }
    if take(parser, "constraint") {
        let name = parser.parse_identifier()?;
        parser.expect_keyword_is(Keyword::ON)?;
        let of_domain = take(parser, "domain");
        let of = parser.parse_object_name(false)?;
        return Ok(match of_domain {
            true => Commented::DomainConstraint(name, of),
            false => Commented::Constraint(name, of),
        });
    }
    if take(parser, "schema") {
        return Ok(Commented::Schema(parser.parse_identifier()?));
    }
    if take(parser, "database") {
        return Ok(Commented::Database(parser.parse_identifier()?));
    }
    for (word, is_domain) in [("type", false), ("domain", true)] {
        if take(parser, word) {
            return Ok(Commented::Type(parser.parse_object_name(false)?, is_domain));
        }
    }
    let kind = match take_all(parser, &["materialized", "view"]) {
        true => "MATERIALIZED VIEW".to_owned(),
        false => parser.parse_identifier()?.value.to_uppercase(),
    };
    let _name = parser.parse_object_name(false)?;
    Ok(Commented::Other(kind))
}
