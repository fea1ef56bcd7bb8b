//! CREATE, ALTER and DROP DATABASE.

use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::Utility;
use crate::parse::words::{next_is, take, take_all};

/// A statement about a database as a whole.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DatabaseStatement {
    /// `CREATE DATABASE`.
    Create(CreateDatabase),
    /// `ALTER DATABASE ... RENAME TO`.
    Rename {
        /// Which one.
        name: String,
        /// What it is called from now on.
        to: String,
    },
    /// `DROP DATABASE`.
    Drop {
        /// Which one.
        name: String,
        /// Whether it need not be there.
        if_exists: bool,
    },
}

/// `CREATE DATABASE`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateDatabase {
    /// Its name.
    pub(crate) name: String,
    /// Options by name, in lower case; DEFAULT is no value.
    pub(crate) options: Vec<(String, Option<String>)>,
}

/// Reads what comes after CREATE.
pub(super) fn parse_create(parser: &mut Parser<'_>) -> Result<Utility, ParserError> {
    take(parser, "database");
    let name = name(parser)?;
    take(parser, "with");
    let mut options = Vec::new();
    while !matches!(parser.peek_token_ref().token, Token::EOF | Token::SemiColon) {
        options.push(option(parser)?);
    }
    let create = DatabaseStatement::Create(CreateDatabase { name, options });
    Ok(Utility::Database(create))
}

/// Reads what comes after ALTER.
pub(super) fn parse_alter(parser: &mut Parser<'_>) -> Result<Utility, ParserError> {
    take(parser, "database");
    let name = name(parser)?;
    if !take_all(parser, &["rename", "to"]) {
        return parser.expected_ref("RENAME TO", parser.peek_token_ref());
    }
    let to = self::name(parser)?;
    Ok(Utility::Database(DatabaseStatement::Rename { name, to }))
}

/// Reads what comes after DROP.
pub(super) fn parse_drop(parser: &mut Parser<'_>) -> Result<Utility, ParserError> {
    take(parser, "database");
    let if_exists = take_all(parser, &["if", "exists"]);
    let name = name(parser)?;
    // FORCE ends other sessions; where there are none it makes no difference, and where there are
    // some the statement fails as it does without.
    take(parser, "with");
    if parser.consume_token(&Token::LParen) {
        if !take(parser, "force") {
            return parser.expected_ref("FORCE", parser.peek_token_ref());
        }
        parser.expect_token(&Token::RParen)?;
    }
    Ok(Utility::Database(DatabaseStatement::Drop {
        name,
        if_exists,
    }))
}

fn name(parser: &mut Parser<'_>) -> Result<String, ParserError> {
    let name = parser.parse_identifier()?;
    Ok(match name.quote_style {
        None => name.value.to_lowercase(),
        Some(_) => name.value,
    })
}

/// `OPTION [=] value`.
fn option(parser: &mut Parser<'_>) -> Result<(String, Option<String>), ParserError> {
    let mut option = parser.parse_identifier()?.value.to_lowercase();
    if option == "connection" && take(parser, "limit") {
        option.push_str("_limit");
    }
    let _is_optional = parser.consume_token(&Token::Eq);
    if next_is(parser, "default") {
        parser.next_token();
        return Ok((option, None));
    }
    let sign = if parser.consume_token(&Token::Minus) {
        "-"
    } else {
        ""
    };
    let value = match parser.peek_token_ref().token.clone() {
        Token::Number(digits, _) => {
            parser.next_token();
            format!("{sign}{digits}")
        }
        Token::Word(_) => name(parser)?,
        _ => parser.parse_literal_string()?,
    };
    Ok((option, Some(value)))
}
