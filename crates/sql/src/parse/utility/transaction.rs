//! BEGIN, SET TRANSACTION and their like where they say `[NOT] DEFERRABLE`.

use sqlparser::ast::{TransactionAccessMode, TransactionIsolationLevel, TransactionMode};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::Utility;
use crate::parse::words::{next_are, next_is, take, take_all};

/// A statement that says what transactions are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TransactionModes {
    /// Which statement.
    pub(crate) verb: TransactionVerb,
    /// What it says besides.
    pub(crate) modes: Vec<TransactionMode>,
    /// Whether the transaction may wait until nothing can make it fail; the last word counts.
    pub(crate) deferrable: bool,
}

/// Statements that name modes of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionVerb {
    /// `BEGIN`.
    Begin,
    /// `START TRANSACTION`.
    Start,
    /// `SET TRANSACTION`.
    Set,
    /// `SET SESSION CHARACTERISTICS AS TRANSACTION`.
    Characteristics,
}

/// Whether a statement comes next that names modes, DEFERRABLE among them.
pub(super) fn comes_next(parser: &Parser<'_>) -> bool {
    let names_modes = next_is(parser, "begin")
        || next_are(parser, &["start", "transaction"])
        || next_are(parser, &["set", "transaction"])
        || next_are(parser, &["set", "local", "transaction"])
        || next_are(parser, &["set", "session", "characteristics"]);
    if !names_modes {
        return false;
    }
    (0..)
        .map(|at| parser.peek_nth_token_ref(at))
        .take_while(|token| !matches!(token.token, Token::SemiColon | Token::EOF))
        .any(|token| matches!(&token.token, Token::Word(word) if word.keyword == Keyword::DEFERRABLE))
}

/// Reads what comes after BEGIN, START or SET, which is `word`.
pub(super) fn parse(parser: &mut Parser<'_>, word: &str) -> Result<Utility, ParserError> {
    let verb = match word {
        "begin" => {
            let _ = take(parser, "transaction") || take(parser, "work");
            TransactionVerb::Begin
        }
        "start" => {
            take(parser, "transaction");
            TransactionVerb::Start
        }
        _ if take_all(parser, &["session", "characteristics", "as", "transaction"]) => {
            TransactionVerb::Characteristics
        }
        _ => {
            take(parser, "local");
            take(parser, "transaction");
            TransactionVerb::Set
        }
    };
    let (mut modes, mut deferrable) = (Vec::new(), None);
    loop {
        if take_all(parser, &["not", "deferrable"]) {
            deferrable = Some(false);
        } else if take(parser, "deferrable") {
            deferrable = Some(true);
        } else {
            modes.push(mode(parser)?);
        }
        // The comma may be left out.
        let goes_on = parser.consume_token(&Token::Comma);
        if !goes_on && matches!(parser.peek_token_ref().token, Token::SemiColon | Token::EOF) {
            break;
        }
    }
    let Some(deferrable) = deferrable else {
        return parser.expected_ref("DEFERRABLE", parser.peek_token_ref());
    };
    Ok(Utility::Transaction(TransactionModes {
        verb,
        modes,
        deferrable,
    }))
}

/// A mode that is not about waiting.
fn mode(parser: &mut Parser<'_>) -> Result<TransactionMode, ParserError> {
    if take_all(parser, &["read", "only"]) {
        return Ok(TransactionMode::AccessMode(TransactionAccessMode::ReadOnly));
    }
    if take_all(parser, &["read", "write"]) {
        return Ok(TransactionMode::AccessMode(
            TransactionAccessMode::ReadWrite,
        ));
    }
    if !take_all(parser, &["isolation", "level"]) {
        return parser.expected_ref("transaction mode", parser.peek_token_ref());
    }
    let levels: [(&[&str], TransactionIsolationLevel); 4] = [
        (
            &["read", "uncommitted"],
            TransactionIsolationLevel::ReadUncommitted,
        ),
        (
            &["read", "committed"],
            TransactionIsolationLevel::ReadCommitted,
        ),
        (
            &["repeatable", "read"],
            TransactionIsolationLevel::RepeatableRead,
        ),
        (&["serializable"], TransactionIsolationLevel::Serializable),
    ];
    for (words, level) in levels {
        if take_all(parser, words) {
            return Ok(TransactionMode::IsolationLevel(level));
        }
    }
    parser.expected_ref("isolation level", parser.peek_token_ref())
}
