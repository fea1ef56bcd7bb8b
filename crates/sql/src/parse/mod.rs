//! Text to syntax trees.
//!
//! The grammar is that of the crate `sqlparser`; this module bounds it (length, nesting), gives its
//! errors PostgreSQL's code and a place in the text, and reads the statements that the crate reads
//! only in part.

mod absent;
mod between;
mod create;
mod depth;
mod dialect;
mod escape;
mod insert;
mod membership;
mod operator;
mod place;
mod rename;
mod reserved;
mod sign;
mod typed;
pub(crate) mod utility;
mod with;
mod words;

use sqlparser::ast;
use sqlparser::ast::Statement;
use sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::error::{Error, Position, Result, SqlState};
use crate::rewrite::{join_texts, rewrite, unicode};

pub(crate) use depth::is_deep;
pub(crate) use insert::{InsertClauses, Overriding, insert_query};
pub(crate) use place::{
    begin_of_leaf, end_of, place, place_of_name, place_of_target, position, word_before,
    word_behind,
};
pub(crate) use rename::rename_column_in;
pub(crate) use reserved::{is_no_type, refuse, refuse_object};

use dialect::RustDialect;

/// The longest text that is read, in bytes: PostgreSQL's limit for a message.
const TEXT_BYTES_MAX: usize = 1 << 30;

/// How deep expressions and queries may nest. Deeper ones are an error, not a stack overflow.
const NESTING_MAX: usize = 100;

/// Reads statements separated by semicolons.
pub fn parse(text: &str) -> Result<Vec<Statement>> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the statement is longer than {TEXT_BYTES_MAX} bytes");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
    }
    let dialect = RustDialect::default();
    let mut tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|error| {
            let at = place::position(error.location);
            escape::fault(text, at).unwrap_or_else(|| syntax(error.message, at))
        })?;
    refuse_junk(&tokens)?;
    join_texts(&mut tokens).map_err(|token| {
        let message = format!("syntax error at or near \"{}\"", token.token);
        Error::new(SqlState::SYNTAX_ERROR, message).at(place::position(token.span.start))
    })?;
    unicode(&mut tokens)?;
    plain_quotes(&mut tokens);
    let statements: Vec<Statement> = Parser::new(&dialect)
        .with_recursion_limit(NESTING_MAX)
        .with_tokens_with_locations(rewrite(sign::take_off(tokens)))
        .parse_statements()
        .map(|statements| statements.into_iter().map(without_into).collect())
        .map_err(|error| from_parser(error, text))?;
    statements.iter().try_for_each(reserved::refuse_names)?;
    Ok(statements)
}

/// A text between dollars is a text as any other: it may stand wherever one may.
fn plain_quotes(tokens: &mut [TokenWithSpan]) {
    for token in tokens {
        if let Token::DollarQuotedString(text) = &mut token.token {
            let text = std::mem::take(&mut text.value);
            token.token = Token::SingleQuotedString(text);
        }
    }
}

/// A number with letters right behind it is no number and an alias.
fn refuse_junk(tokens: &[TokenWithSpan]) -> Result<()> {
    for pair in tokens.windows(2) {
        if let (Token::Number(digits, _), Token::Word(word)) = (&pair[0].token, &pair[1].token)
            && pair[0].span.end == pair[1].span.start
            && word.quote_style.is_none()
        {
            let message = format!(
                "trailing junk after numeric literal at or near \"{digits}{}\"",
                word.value
            );
            let error = Error::new(SqlState::SYNTAX_ERROR, message);
            return Err(error.at(place::position(pair[0].span.start)));
        }
    }
    Ok(())
}

/// `SELECT ... INTO t` is another way to write `CREATE TABLE t AS SELECT ...`.
fn without_into(statement: Statement) -> Statement {
    let Statement::Query(mut query) = statement else {
        return statement;
    };
    let ast::SetExpr::Select(select) = &mut *query.body else {
        return Statement::Query(query);
    };
    let Some(ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_)) =
        select.into.as_ref().and_then(|into| into.targets.first())
    else {
        return Statement::Query(query);
    };
    let Some(into) = select.into.take() else {
        return Statement::Query(query);
    };
    let parts = match into.targets.into_iter().next() {
        Some(ast::Expr::Identifier(name)) => vec![name],
        Some(ast::Expr::CompoundIdentifier(names)) => names,
        _ => Vec::new(),
    };
    let create = CreateTableBuilder::new(ast::ObjectName::from(parts))
        .temporary(into.temporary)
        .unlogged(into.unlogged)
        .query(Some(query))
        .build();
    Statement::CreateTable(create)
}

/// Reads one expression, as the catalog keeps them.
pub fn parse_expression(text: &str) -> Result<sqlparser::ast::Expr> {
    let dialect = RustDialect::default();
    Parser::new(&dialect)
        .with_recursion_limit(NESTING_MAX)
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_expr())
        .map_err(|error| from_parser(error, text))
}

fn from_parser(error: ParserError, text: &str) -> Error {
    match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            let (message, position) = split_position(&message);
            match expectation(message) {
                Some((expected, found)) => unexpected(expected, found, position, text),
                None => syntax(message, position),
            }
        }
        ParserError::RecursionLimitExceeded => Error::new(
            SqlState::STATEMENT_TOO_COMPLEX,
            "stack depth limit exceeded",
        )
        .with_hint(format!(
            "Nest expressions no deeper than {NESTING_MAX} levels."
        )),
    }
}

/// What the parser expected, and what it found.
fn expectation(message: &str) -> Option<(&str, &str)> {
    message
        .strip_prefix("Expected: ")
        .and_then(|rest| rest.rsplit_once(", found: "))
}

/// An error in PostgreSQL's words, with what would have been right.
fn unexpected(expected: &str, found: &str, position: Option<Position>, text: &str) -> Error {
    if expected != reserved::A_NAME
        && let Some(what) = absent::name(text, position)
    {
        return Error::unsupported(what).at(position);
    }
    let (message, position) = match found {
        "EOF" => (
            "syntax error at end of input".to_owned(),
            Some(place::end_of_text(text)),
        ),
        found => {
            // What the parser was given in place of other words (see `rewrite`) nobody has written.
            let written = match found.contains('\0') {
                true => position.and_then(|at| place::written_at(text, at)),
                false => None,
            };
            let found = written.as_deref().unwrap_or(found);
            (format!("syntax error at or near \"{found}\""), position)
        }
    };
    Error::new(SqlState::SYNTAX_ERROR, message)
        .with_detail(format!("Expected {expected}."))
        .at(position)
}

fn syntax(message: impl Into<String>, position: Option<Position>) -> Error {
    let message = format!("syntax error: {}", message.into());
    Error::new(SqlState::SYNTAX_ERROR, message).at(position)
}

/// The parser ends its messages with ` at Line: 1, Column: 8`.
fn split_position(message: &str) -> (&str, Option<Position>) {
    let parts = message
        .rsplit_once(" at Line: ")
        .and_then(|(words, place)| {
            let (line, column) = place.split_once(", Column: ")?;
            let (line, column) = (line.parse().ok()?, column.parse().ok()?);
            Some((words, Some(Position { line, column })))
        });
    parts.unwrap_or((message, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_separated_by_semicolons() {
        assert_eq!(parse("select 1; select 2;").unwrap().len(), 2);
        assert_eq!(parse("").unwrap().len(), 0);
    }

    #[test]
    fn a_syntax_error_has_its_code_and_place() {
        let error = parse("select 1;\n selec 2").unwrap_err();
        assert_eq!(error.state(), SqlState::SYNTAX_ERROR);
        assert_eq!(error.position(), Some(Position { line: 2, column: 2 }));
    }

    #[test]
    fn an_error_names_what_was_written_and_not_what_the_parser_was_given() {
        for (text, near) in [
            ("select 1 select", "select"),
            ("select (select 1 select) x", "select"),
        ] {
            let error = parse(text).unwrap_err();
            let message = format!("syntax error at or near \"{near}\"");
            assert_eq!(error.message(), message, "{text}");
        }
    }

    #[test]
    fn what_ends_too_early_is_wrong_at_its_end() {
        let error = parse("select *\nfrom t where ").unwrap_err();
        assert_eq!(error.message(), "syntax error at end of input");
        assert_eq!(
            error.position(),
            Some(Position {
                line: 2,
                column: 13
            })
        );
    }

    #[test]
    fn what_is_not_here_is_told_by_its_name() {
        for (text, name) in [
            ("reindex table t", "REINDEX"),
            ("create rule r as on insert to t do nothing", "CREATE RULE"),
            ("move 1 in c", "MOVE"),
            ("select 1; create user u with password 'x'", "CREATE USER"),
            ("create or replace procedure p() as ''", "CREATE PROCEDURE"),
            (
                "alter table t enable row level security",
                "ALTER TABLE ... ENABLE",
            ),
            (
                "create table t (a int) using heap",
                "CREATE TABLE ... USING",
            ),
            ("delete from t where current of c", "WHERE CURRENT OF"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.state(), SqlState::FEATURE_NOT_SUPPORTED);
            assert_eq!(error.message(), format!("{name} is not supported"));
        }
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let text = format!("select {}1{}", "(".repeat(5000), ")".repeat(5000));
        let error = parse(&text).unwrap_err();
        assert_eq!(error.state(), SqlState::STATEMENT_TOO_COMPLEX);
    }
}
