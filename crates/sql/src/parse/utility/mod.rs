//! Statements of which the crate `sqlparser` reads only some forms.
//!
//! The syntax tree has no place for them. A statement is read once, to tell at once what is wrong
//! with it, and kept as a node that holds its text; whoever runs it reads it again with
//! [`utility`]. The text is laid out as it was, so that places in it stay what they are.

mod alter;
mod comment;
mod constraints;
mod copy;
mod database;
mod domain;
mod sequence;
mod transaction;

use sqlparser::ast::{Expr, Ident, ObjectName, Statement};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

pub(crate) use alter::{
    AlterAction, AlterColumn, AlterObject, AlterTable, AlterType, Altered, Move,
};
pub(crate) use comment::{Comment, Commented};
pub(crate) use constraints::SetConstraints;
pub(crate) use copy::{Copy, CopyEnd, CopySource, CopyValue};
pub(crate) use database::{CreateDatabase, DatabaseStatement};
pub(crate) use domain::{AlterDomain, CreateDomain, DomainConstraint};
pub(super) use sequence::options as sequence_options;
pub(crate) use sequence::{CreateSequence, SequenceOption};
pub(crate) use transaction::{TransactionModes, TransactionVerb};

use super::dialect::RustDialect;
use super::words::{next_are, next_is};
use super::{NESTING_MAX, from_parser};
use crate::error::{Error, Result};

/// A statement that is read here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Utility {
    /// `ALTER TABLE`, with actions.
    AlterTable(AlterTable),
    /// `ALTER ... RENAME` and `SET SCHEMA`.
    Alter(AlterObject),
    /// `ALTER TYPE`, of an enum.
    AlterType(ObjectName, AlterType),
    /// `CREATE DOMAIN`.
    CreateDomain(Box<CreateDomain>),
    /// `ALTER DOMAIN`.
    AlterDomain(ObjectName, AlterDomain),
    /// `CREATE SEQUENCE`.
    CreateSequence(CreateSequence),
    /// `ALTER SEQUENCE`.
    AlterSequence {
        /// Whether it need not be there.
        if_exists: bool,
        /// Which one.
        name: ObjectName,
        /// What is to change.
        options: Vec<SequenceOption>,
    },
    /// `COPY`.
    Copy(Box<Copy>),
    /// A database as a whole.
    Database(DatabaseStatement),
    /// `COMMENT ON`.
    Comment(Comment),
    /// `SET CONSTRAINTS`.
    SetConstraints(SetConstraints),
    /// `BEGIN` and the like, with `[NOT] DEFERRABLE`.
    Transaction(TransactionModes),
}

/// Marks the node that holds a statement's text: PostgreSQL has no such quotes.
const MARK: char = '`';

/// Whether what comes next is read here.
pub(super) fn comes_next(parser: &Parser<'_>) -> bool {
    const ALTERED: [&str; 7] = [
        "table", "index", "view", "sequence", "schema", "type", "domain",
    ];
    const CREATED: [&[&str]; 7] = [
        &["create", "database"],
        &["alter", "database"],
        &["drop", "database"],
        &["create", "sequence"],
        &["create", "temp", "sequence"],
        &["create", "temporary", "sequence"],
        &["create", "domain"],
    ];
    next_is(parser, "copy")
        || next_are(parser, &["comment", "on"])
        || next_are(parser, &["set", "constraints"])
        || ALTERED
            .iter()
            .any(|what| next_are(parser, &["alter", what]))
        || CREATED.iter().any(|words| next_are(parser, words))
        || transaction::comes_next(parser)
}

/// Reads a statement to its end.
pub(super) fn parse(parser: &mut Parser<'_>) -> std::result::Result<Statement, ParserError> {
    let mut tokens = Vec::new();
    while !matches!(parser.peek_token_ref().token, Token::SemiColon | Token::EOF) {
        tokens.push(parser.next_token());
    }
    let text = text_of(&tokens);
    read(tokens)?;
    Ok(Statement::Load {
        extension_name: Ident::with_quote(MARK, text),
    })
}

/// The statement that a node holds, if it holds one.
pub(crate) fn utility(statement: &Statement) -> Option<Result<Utility>> {
    let Statement::Load { extension_name } = statement else {
        return None;
    };
    (extension_name.quote_style == Some(MARK)).then(|| utility_of(&extension_name.value))
}

/// What a node says of transactions, if it holds such a statement.
pub(crate) fn transaction_modes(statement: &Statement) -> Result<Option<TransactionModes>> {
    match utility(statement) {
        Some(Ok(Utility::Transaction(modes))) => Ok(Some(modes)),
        Some(Err(error)) => Err(error),
        Some(Ok(_)) | None => Ok(None),
    }
}

fn utility_of(text: &str) -> Result<Utility> {
    let tokens = Tokenizer::new(&RustDialect::default(), text).tokenize_with_location();
    let tokens = tokens.map_err(|error| Error::internal(error.message))?;
    read(tokens).map_err(|error| from_parser(error, text))
}

fn read(tokens: Vec<TokenWithSpan>) -> std::result::Result<Utility, ParserError> {
    let dialect = RustDialect::default();
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(NESTING_MAX)
        .with_tokens_with_locations(tokens);
    let word = parser.next_token().token.to_string().to_ascii_lowercase();
    let utility = match word.as_str() {
        "copy" => copy::parse(&mut parser)?,
        "comment" => comment::parse(&mut parser)?,
        "set" if next_is(&parser, "constraints") => constraints::parse(&mut parser)?,
        "begin" | "start" | "set" => transaction::parse(&mut parser, &word)?,
        "alter" if next_is(&parser, "database") => database::parse_alter(&mut parser)?,
        "alter" => alter::parse(&mut parser)?,
        "drop" => database::parse_drop(&mut parser)?,
        _ if next_is(&parser, "database") => database::parse_create(&mut parser)?,
        _ if next_is(&parser, "domain") => domain::parse_create(&mut parser)?,
        _ => sequence::parse_create(&mut parser)?,
    };
    match parser.peek_token_ref().token {
        Token::EOF | Token::SemiColon => Ok(utility),
        _ => parser.expected_ref("end of statement", parser.peek_token_ref()),
    }
}

/// The text of tokens, each where it was.
fn text_of(tokens: &[TokenWithSpan]) -> String {
    let mut text = String::new();
    let (mut line, mut column) = (1, 1);
    for token in tokens {
        let start = token.span.start;
        while line < start.line {
            text.push('\n');
            (line, column) = (line + 1, 1);
        }
        let written = match &token.token {
            Token::Whitespace(_) => continue,
            Token::SingleQuotedString(value) | Token::EscapedStringLiteral(value) => {
                format!("'{}'", value.replace('\'', "''"))
            }
            Token::Word(word) if word.quote_style == Some('"') => {
                format!("\"{}\"", word.value.replace('"', "\"\""))
            }
            other => other.to_string(),
        };
        // NB: where a token is longer than it was, the next ones give way.
        let is_apart = text.ends_with(char::is_whitespace) || text.is_empty();
        let gap = start.column.saturating_sub(column) as usize;
        text.extend(std::iter::repeat_n(' ', gap));
        if !is_apart && gap == 0 && start.column != column {
            text.push(' ');
        }
        column += gap as u64 + written.chars().count() as u64;
        text.push_str(&written);
    }
    text
}

/// An expression in parentheses.
fn nested(parser: &mut Parser<'_>) -> std::result::Result<Expr, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let expr = parser.parse_expr()?;
    parser.expect_token(&Token::RParen)?;
    Ok(expr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_read_again_as_it_was() {
        let text = "alter table \"a\"\"b\"\n  add column c text default E'it''s\\n'";
        let statements = super::super::parse(text).unwrap();
        let Some(Ok(Utility::AlterTable(alter))) = utility(&statements[0]) else {
            panic!("{statements:?}");
        };
        assert_eq!(alter.name.to_string(), "\"a\"\"b\"");
        let [AlterAction::AddColumn { column, .. }] = &alter.actions[..] else {
            panic!("{alter:?}");
        };
        let default = column.options[0].option.to_string();
        assert_eq!(default, "DEFAULT 'it''s\n'");
    }
}
