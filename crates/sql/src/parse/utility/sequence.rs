//! Sequences and their options.

use sqlparser::ast::{DataType, ObjectName};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::Utility;
use crate::parse::words::{next_is, take, take_all};

/// `CREATE SEQUENCE`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateSequence {
    /// Whether it is gone with its session.
    pub(crate) temporary: bool,
    /// Whether there may be one already.
    pub(crate) if_not_exists: bool,
    /// Its name.
    pub(crate) name: ObjectName,
    /// Its options.
    pub(crate) options: Vec<SequenceOption>,
}

/// An option of a sequence. Numbers are as they are written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SequenceOption {
    /// `AS`.
    Type(DataType),
    /// `INCREMENT BY`.
    Increment(i64),
    /// `MINVALUE`; `NO MINVALUE` if there is none.
    Minimum(Option<i64>),
    /// `MAXVALUE`; `NO MAXVALUE` if there is none.
    Maximum(Option<i64>),
    /// `START WITH`.
    Start(i64),
    /// `RESTART WITH`; the start if there is none.
    Restart(Option<i64>),
    /// `CACHE`.
    Cache(i64),
    /// `CYCLE` and `NO CYCLE`.
    Cycle(bool),
    /// `OWNED BY`; NONE if there is none.
    OwnedBy(Option<ObjectName>),
}

/// Reads what comes after CREATE.
pub(super) fn parse_create(parser: &mut Parser<'_>) -> Result<Utility, ParserError> {
    let temporary = take(parser, "temp") || take(parser, "temporary");
    if !take(parser, "sequence") {
        return parser.expected_ref("SEQUENCE", parser.peek_token_ref());
    }
    Ok(Utility::CreateSequence(CreateSequence {
        temporary,
        if_not_exists: take_all(parser, &["if", "not", "exists"]),
        name: parser.parse_object_name(false)?,
        options: options(parser)?,
    }))
}

/// Reads options as long as there are any.
pub(in crate::parse) fn options(
    parser: &mut Parser<'_>,
) -> Result<Vec<SequenceOption>, ParserError> {
    let mut options = Vec::new();
    while let Some(option) = option(parser)? {
        options.push(option);
    }
    Ok(options)
}

fn option(parser: &mut Parser<'_>) -> Result<Option<SequenceOption>, ParserError> {
    Ok(Some(if take(parser, "as") {
        SequenceOption::Type(parser.parse_data_type()?)
    } else if take(parser, "increment") {
        take(parser, "by");
        SequenceOption::Increment(number(parser)?)
    } else if take_all(parser, &["no", "minvalue"]) {
        SequenceOption::Minimum(None)
    } else if take_all(parser, &["no", "maxvalue"]) {
        SequenceOption::Maximum(None)
    } else if take_all(parser, &["no", "cycle"]) {
        SequenceOption::Cycle(false)
    } else if take(parser, "minvalue") {
        SequenceOption::Minimum(Some(number(parser)?))
    } else if take(parser, "maxvalue") {
        SequenceOption::Maximum(Some(number(parser)?))
    } else if take(parser, "start") {
        take(parser, "with");
        SequenceOption::Start(number(parser)?)
    } else if take(parser, "restart") {
        let is_given = take(parser, "with")
            || matches!(
                parser.peek_token_ref().token,
                Token::Number(..) | Token::Minus | Token::Plus
            );
        SequenceOption::Restart(match is_given {
            true => Some(number(parser)?),
            false => None,
        })
    } else if take(parser, "cache") {
        SequenceOption::Cache(number(parser)?)
    } else if take(parser, "cycle") {
        SequenceOption::Cycle(true)
    } else if take_all(parser, &["owned", "by"]) {
        let is_none = next_is(parser, "none");
        let name = parser.parse_object_name(false)?;
        SequenceOption::OwnedBy((!is_none).then_some(name))
    } else {
        return Ok(None);
    }))
}

/// A whole number with its sign.
pub(super) fn number(parser: &mut Parser<'_>) -> Result<i64, ParserError> {
    let sign = match (parser.consume_token(&Token::Minus), &Token::Plus) {
        (true, _) => "-",
        (false, plus) => {
            let _has_plus = parser.consume_token(plus);
            ""
        }
    };
    let read = match &parser.peek_token_ref().token {
        Token::Number(digits, _) => format!("{sign}{digits}").parse().ok(),
        _ => None,
    };
    match read {
        Some(number) => {
            parser.next_token();
            Ok(number)
        }
        None => parser.expected_ref("a whole number", parser.peek_token_ref()),
    }
}
