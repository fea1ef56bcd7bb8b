//! COPY.

use sqlparser::ast::{Expr, Ident, ObjectName, Query, Statement};
use sqlparser::parser::{IsOptional, Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::Utility;
use crate::parse::words::{next_is, take, take_all};

/// `COPY`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Copy {
    /// What is read or written.
    pub(crate) source: CopySource,
    /// Whether rows go out.
    pub(crate) is_out: bool,
    /// Where they come from or go to.
    pub(crate) end: CopyEnd,
    /// Options by name, in lower case.
    pub(crate) options: Vec<(String, CopyValue)>,
    /// Which rows are taken.
    pub(crate) condition: Option<Expr>,
}

/// What COPY reads or writes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CopySource {
    /// A table, and columns of it.
    Table(ObjectName, Vec<Ident>),
    /// A query's rows.
    Query(Box<Query>),
}

/// The other end of COPY.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CopyEnd {
    /// A file.
    File(String),
    /// `STDIN` or `STDOUT`.
    Stream,
    /// `PROGRAM`.
    Program,
}

/// The value of an option of COPY.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CopyValue {
    /// None is given.
    Nothing,
    /// A word, number or text.
    Text(String),
    /// Columns.
    Columns(Vec<Ident>),
    /// `*`.
    All,
}

/// Reads what comes after COPY.
pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Utility, ParserError> {
    let mut options = Vec::new();
    if take(parser, "binary") {
        options.push(("format".to_owned(), CopyValue::Text("binary".to_owned())));
    }
    let source = match parser.consume_token(&Token::LParen) {
        true => {
            let query = match next_is(parser, "with") {
                true => match crate::parse::with::parse(parser)? {
                    Statement::Query(query) => query,
                    _ => return parser.expected_ref("a query", parser.peek_token_ref()),
                },
                false => crate::parse::with::query(parser)?,
            };
            parser.expect_token(&Token::RParen)?;
            CopySource::Query(query)
        }
        false => {
            let name = parser.parse_object_name(false)?;
            let columns = parser.parse_parenthesized_column_list(IsOptional::Optional, false)?;
            CopySource::Table(name, columns)
        }
    };
    let is_out = take(parser, "to");
    if !is_out && !take(parser, "from") {
        return parser.expected_ref("FROM or TO", parser.peek_token_ref());
    }
    if let (CopySource::Query(_), false) = (&source, is_out) {
        return parser.expected_ref("TO", parser.peek_token_ref());
    }
    let end = if take(parser, "stdin") || take(parser, "stdout") {
        CopyEnd::Stream
    } else if take(parser, "program") {
        parser.parse_literal_string()?;
        CopyEnd::Program
    } else {
        CopyEnd::File(parser.parse_literal_string()?)
    };
    if take_all(parser, &["using", "delimiters"]) || take(parser, "delimiters") {
        let text = CopyValue::Text(parser.parse_literal_string()?);
        options.push(("delimiter".to_owned(), text));
    }
    take(parser, "with");
    if parser.consume_token(&Token::LParen) {
        options.extend(parser.parse_comma_separated(option)?);
        parser.expect_token(&Token::RParen)?;
    } else {
        while let Some(option) = old_option(parser)? {
            options.push(option);
        }
    }
    let condition = match !is_out && take(parser, "where") {
        true => Some(parser.parse_expr()?),
        false => None,
    };
    Ok(Utility::Copy(Box::new(Copy {
        source,
        is_out,
        end,
        options,
        condition,
    })))
}

/// `name value`, in parentheses.
fn option(parser: &mut Parser<'_>) -> Result<(String, CopyValue), ParserError> {
    let name = parser.parse_identifier()?.value.to_lowercase();
    let value = match parser.peek_token_ref().token {
        Token::Comma | Token::RParen => CopyValue::Nothing,
        Token::Mul => {
            parser.next_token();
            CopyValue::All
        }
        Token::LParen => CopyValue::Columns(
            parser.parse_parenthesized_column_list(IsOptional::Mandatory, false)?,
        ),
        _ => CopyValue::Text(text(parser)?),
    };
    Ok((name, value))
}

fn text(parser: &mut Parser<'_>) -> Result<String, ParserError> {
    match parser.peek_token_ref().token.clone() {
        Token::Word(word) => {
            parser.next_token();
            Ok(word.value)
        }
        Token::Number(digits, _) => {
            parser.next_token();
            Ok(digits)
        }
        _ => parser.parse_literal_string(),
    }
}

/// The options as they were written before there were parentheses.
fn old_option(parser: &mut Parser<'_>) -> Result<Option<(String, CopyValue)>, ParserError> {
    for word in ["binary", "csv"] {
        if take(parser, word) {
            let format = CopyValue::Text(word.to_owned());
            return Ok(Some(("format".to_owned(), format)));
        }
    }
    for word in ["header", "freeze"] {
        if take(parser, word) {
            return Ok(Some((word.to_owned(), CopyValue::Nothing)));
        }
    }
    for word in ["delimiter", "null", "quote", "escape", "encoding"] {
        if take(parser, word) {
            take(parser, "as");
            let text = CopyValue::Text(parser.parse_literal_string()?);
            return Ok(Some((word.to_owned(), text)));
        }
    }
    let forced = [
        ("force_not_null", &["force", "not", "null"][..]),
        ("force_null", &["force", "null"]),
        ("force_quote", &["force", "quote"]),
    ];
    for (name, words) in forced {
        if take_all(parser, words) {
            let columns = match parser.consume_token(&Token::Mul) {
                true => CopyValue::All,
                false => {
                    CopyValue::Columns(parser.parse_comma_separated(Parser::parse_identifier)?)
                }
            };
            return Ok(Some((name.to_owned(), columns)));
        }
    }
    match next_is(parser, "where") || matches!(parser.peek_token_ref().token, Token::EOF) {
        true => Ok(None),
        false => parser.expected_ref("an option of COPY", parser.peek_token_ref()),
    }
}
