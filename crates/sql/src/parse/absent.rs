//! What PostgreSQL has and RustDB does not, by its name.
//!
//! The parser stumbles over a statement or a clause that it does not know as it does over a
//! mistake. Once it has, the text is looked at again: what PostgreSQL could read is told by its
//! name, as not supported, and only the rest is an error of syntax.

use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::dialect::RustDialect;
use super::place;
use crate::error::Position;

/// How statements begin that are not there.
const STATEMENTS: [&[&str]; 33] = [
    &["ABORT", "PREPARED"],
    &["ANALYZE", "("],
    &["ANALYZE", "VERBOSE"],
    &["CALL"],
    &["CHECKPOINT"],
    &["CLOSE"],
    &["CLUSTER"],
    &["COMMIT", "PREPARED"],
    &["COPY", "BINARY"],
    &["DECLARE"],
    &["DO"],
    &["FETCH"],
    &["GRANT"],
    &["IMPORT", "FOREIGN", "SCHEMA"],
    &["LISTEN"],
    &["LOAD"],
    &["MERGE"],
    &["MOVE"],
    &["NOTIFY"],
    &["PREPARE", "TRANSACTION"],
    &["REASSIGN", "OWNED"],
    &["REFRESH", "MATERIALIZED", "VIEW"],
    &["REINDEX"],
    &["RESET", "ROLE"],
    &["REVOKE"],
    &["ROLLBACK", "PREPARED"],
    &["SECURITY", "LABEL"],
    &["SET", "ROLE"],
    &["SET", "SESSION", "AUTHORIZATION"],
    &["SET", "XML", "OPTION"],
    &["UNLISTEN"],
    &["VACUUM"],
    &["VALIDATE"],
];

/// What is created, altered, dropped and commented on there, and not here.
const OBJECTS: [&[&str]; 32] = [
    &["ACCESS", "METHOD"],
    &["AGGREGATE"],
    &["CAST"],
    &["COLLATION"],
    &["CONVERSION"],
    &["DEFAULT", "PRIVILEGES"],
    &["EVENT", "TRIGGER"],
    &["EXTENSION"],
    &["FOREIGN"],
    &["FUNCTION"],
    &["GROUP"],
    &["LANGUAGE"],
    &["LARGE", "OBJECT"],
    &["MATERIALIZED", "VIEW"],
    &["OPERATOR"],
    &["OWNED"],
    &["POLICY"],
    &["PROCEDURE"],
    &["PUBLICATION"],
    &["ROLE"],
    &["ROUTINE"],
    &["RULE"],
    &["SERVER"],
    &["STATISTICS"],
    &["SUBSCRIPTION"],
    &["SYSTEM"],
    &["TABLESPACE"],
    &["TEXT", "SEARCH"],
    &["TRANSFORM"],
    &["TRIGGER"],
    &["USER"],
    &["VIEW", "WITH"],
];

/// Words that begin a clause which is not there, in statements that begin so.
const CLAUSES: [(&[&str], &[&str]); 14] = [
    (
        &["ALTER", "TABLE"],
        &[
            "ATTACH",
            "CLUSTER",
            "COMPRESSION",
            "DETACH",
            "DISABLE",
            "ENABLE",
            "FORCE",
            "IN",
            "INHERIT",
            "NO",
            "NOT",
            "OF",
            "OWNER",
            "REPLICA",
            "RESET",
            "SET",
            "STORAGE",
        ],
    ),
    (
        &["ALTER", "VIEW"],
        &["ALTER", "OWNER", "RENAME", "RESET", "SET"],
    ),
    (
        &["ALTER", "INDEX"],
        &["ALTER", "ATTACH", "DEPENDS", "NO", "RESET", "SET"],
    ),
    (&["ALTER", "SEQUENCE"], &["OWNER", "SET"]),
    (&["ALTER", "SCHEMA"], &["OWNER"]),
    (
        &["ALTER", "TYPE"],
        &["ADD", "ALTER", "DROP", "OWNER", "RENAME", "SET"],
    ),
    (&["ALTER", "DOMAIN"], &["OWNER"]),
    (
        &["ALTER", "DATABASE"],
        &["OWNER", "REFRESH", "RESET", "SET", "WITH"],
    ),
    (
        &["CREATE", "TABLE"],
        &[
            "COMPRESSION",
            "EXECUTE",
            "NULLS",
            "OF",
            "STORAGE",
            "TABLESPACE",
            "USING",
            "WITH",
        ],
    ),
    (&["CREATE", "INDEX"], &["NULLS", "TABLESPACE", "WITH"]),
    (
        &["CREATE", "UNIQUE", "INDEX"],
        &["NULLS", "TABLESPACE", "WITH"],
    ),
    (&["CREATE", "SCHEMA"], &["CREATE", "GRANT"]),
    (&["CREATE", "VIEW"], &["WITH"]),
    (&["TRUNCATE"], &["*"]),
];

/// Functions with a syntax of their own.
const XML: [&str; 7] = [
    "XMLELEMENT",
    "XMLEXISTS",
    "XMLFOREST",
    "XMLPARSE",
    "XMLPI",
    "XMLROOT",
    "XMLTABLE",
];

/// The name of what the parser stumbled over at a place, if PostgreSQL knows it.
pub(super) fn name(text: &str, at: Option<Position>) -> Option<String> {
    let tokens = Tokenizer::new(&RustDialect::default(), text)
        .tokenize_with_location()
        .ok()?;
    let is_before = |token: &TokenWithSpan| match (place::position(token.span.start), at) {
        (Some(start), Some(at)) => (start.line, start.column) < (at.line, at.column),
        _ => true,
    };
    let solid: Vec<&TokenWithSpan> = tokens
        .iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
        .collect();
    let count = solid.iter().take_while(|token| is_before(token)).count();
    let begin = solid[..count]
        .iter()
        .rposition(|token| token.token == Token::SemiColon)
        .map_or(0, |semicolon| semicolon + 1);
    let words: Vec<String> = solid[begin..]
        .iter()
        .take_while(|token| token.token != Token::SemiColon)
        .map(|token| token.token.to_string().to_uppercase())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    statement(&words)
        .or_else(|| object(&words))
        .or_else(|| clause(&words, count - begin))
        .or_else(|| expression(&words, count - begin))
}

fn statement(words: &[&str]) -> Option<String> {
    let found = STATEMENTS.iter().find(|begin| words.starts_with(begin))?;
    let named = found
        .iter()
        .filter(|word| word.chars().all(char::is_alphabetic));
    match found {
        ["ANALYZE", _] => Some("ANALYZE with options".to_owned()),
        _ => Some(named.copied().collect::<Vec<_>>().join(" ")),
    }
}

fn object(words: &[&str]) -> Option<String> {
    let (verb, mut rest) = match words {
        ["COMMENT", "ON", rest @ ..] => ("COMMENT ON", rest),
        [verb @ ("CREATE" | "ALTER" | "DROP"), rest @ ..] => (*verb, rest),
        _ => return None,
    };
    while let ["OR" | "REPLACE" | "CONSTRAINT" | "TRUSTED", after @ ..] = rest {
        rest = after;
    }
    let found = OBJECTS.iter().find(|object| rest.starts_with(object))?;
    Some(format!("{verb} {}", found.join(" ")))
}

/// A clause that begins with the word at a place, or with the one before it.
fn clause(words: &[&str], at: usize) -> Option<String> {
    const MODIFIERS: [&str; 8] = [
        "OR",
        "REPLACE",
        "TEMP",
        "TEMPORARY",
        "GLOBAL",
        "LOCAL",
        "UNLOGGED",
        "RECURSIVE",
    ];
    let head: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !MODIFIERS.contains(word))
        .take(3)
        .collect();
    let (begin, clauses) = CLAUSES.iter().find(|(begin, _)| head.starts_with(begin))?;
    let found = (0..4)
        .filter_map(|back| at.checked_sub(back))
        .filter(|place| *place >= begin.len())
        .filter_map(|place| words.get(place))
        .find(|word| clauses.contains(word))?;
    Some(format!("{} ... {found}", begin.join(" ")))
}

fn expression(words: &[&str], at: usize) -> Option<String> {
    let (before, behind) = words.split_at(at.min(words.len()));
    let name = match (before, behind) {
        ([.., "CURRENT"], ["OF", ..]) => "WHERE CURRENT OF",
        ([.., "COLLATION"], ["FOR", ..]) | ([.., "COLLATION", "FOR"], _) => "COLLATION FOR",
        ([.., "AS"], ["(", ..]) => "a list of column definitions in FROM",
        (["INSERT" | "WITH", ..], ["[", ..]) => "assigning to a part of a value",
        ([.., "UESCAPE"], _) | (_, ["UESCAPE", ..]) => "UESCAPE",
        ([.., "WITH"] | [.., "WITH", "LOCAL" | "CASCADED"], ["CHECK", ..])
        | (_, ["WITH", "CHECK" | "LOCAL" | "CASCADED", ..]) => "WITH CHECK OPTION",
        _ if words.iter().any(|word| XML.contains(word)) => "XML",
        _ => return None,
    };
    Some(name.to_owned())
}
