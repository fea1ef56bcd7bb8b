//! Other spellings of whole statements, which their first words tell.
//!
//! | written | becomes |
//! |---|---|
//! | `CREATE RECURSIVE VIEW v (a) AS q` | `CREATE VIEW v (a) AS WITH RECURSIVE v (a) AS (q) SELECT a FROM v` |
//! | `CREATE VIEW v AS q WITH LOCAL CHECK OPTION` | `CREATE VIEW v WITH (check_option = 'local') AS q` |
//! | `NOT VALID` in a table that is created | nothing: it has no rows |
//! | `SHOW SESSION AUTHORIZATION` | `SHOW session_authorization` |
//! | `RESET TIME ZONE` | `RESET timezone` |
//! | `SET SCHEMA 'a'` | `SET search_path = 'a'` |
//! | `DROP INDEX CONCURRENTLY` | `DROP INDEX` |

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::like::like;
use super::spelling::{are_words, blank, nth, plain, symbol};
use super::{is_word, solid};

/// What is told by the first words of a statement.
pub(super) fn respell(tokens: &mut Vec<TokenWithSpan>, start: usize) {
    let begins = |tokens: &[TokenWithSpan], words: &[&str]| are_words(tokens, start, words);
    if begins(tokens, &["SHOW", "SESSION", "AUTHORIZATION"]) {
        join(tokens, start, 1, "session_authorization");
    } else if begins(tokens, &["RESET", "TIME", "ZONE"]) {
        join(tokens, start, 1, "timezone");
    } else if begins(tokens, &["SET", "SCHEMA"]) {
        set_schema(tokens, start);
    } else if begins(tokens, &["DROP", "INDEX", "CONCURRENTLY"]) {
        let word = nth(tokens, start, 2);
        tokens.drain(word..=word);
    } else if begins(tokens, &["CREATE"]) {
        check_option(tokens, start);
        if let Some(view) = (1..4).find(|at| {
            let at = nth(tokens, start, *at);
            are_words(tokens, at, &["RECURSIVE", "VIEW"])
        }) {
            recursive_view(tokens, nth(tokens, start, view));
        }
        let creates_table = (1..3).any(|at| {
            let at = nth(tokens, start, at);
            are_words(tokens, at, &["TABLE"])
        });
        if creates_table {
            remove_pairs(tokens, start, "NOT", "VALID");
            like(tokens, start);
        }
    }
}

/// Two words from the n-th on become one.
fn join(tokens: &mut Vec<TokenWithSpan>, start: usize, n: usize, value: &str) {
    let (first, last) = (nth(tokens, start, n), nth(tokens, start, n + 1));
    let word = plain(value, Keyword::NoKeyword, &tokens[first]);
    tokens.splice(first..=last, [word]);
}

/// `SET SCHEMA 'a'` says `SET search_path = 'a'`.
fn set_schema(tokens: &mut Vec<TokenWithSpan>, start: usize) {
    let (schema, value) = (nth(tokens, start, 1), nth(tokens, start, 2));
    if let Some(Token::SingleQuotedString(_)) = tokens.get(value).map(|it| &it.token) {
        let name = plain("search_path", Keyword::NoKeyword, &tokens[schema]);
        let equals = symbol(Token::Eq, &tokens[schema]);
        tokens.splice(schema..=schema, [name, equals]);
    }
}

/// Removes `first second` wherever it stands in the statement.
fn remove_pairs(tokens: &mut Vec<TokenWithSpan>, start: usize, first: &str, second: &str) {
    let mut place = start;
    while place < tokens.len() && tokens[place].token != Token::SemiColon {
        if are_words(tokens, place, &[first, second]) && is_word(&tokens[place].token, first) {
            let end = nth(tokens, place, 1);
            tokens.splice(place..=end, [blank(tokens, place)]);
        }
        place += 1;
    }
}

/// `WITH CHECK OPTION` at the end of a view's query becomes an option before it.
fn check_option(tokens: &mut Vec<TokenWithSpan>, start: usize) {
    let is_view = (1..5).any(|at| are_words(tokens, nth(tokens, start, at), &["VIEW"]));
    let end = (start..tokens.len())
        .find(|at| matches!(tokens[*at].token, Token::SemiColon | Token::EOF))
        .unwrap_or(tokens.len());
    let words: Vec<usize> = solid(tokens, start).take_while(|at| *at < end).collect();
    let clauses: [(&[&str], &str); 3] = [
        (&["WITH", "CHECK", "OPTION"], "cascaded"),
        (&["WITH", "CASCADED", "CHECK", "OPTION"], "cascaded"),
        (&["WITH", "LOCAL", "CHECK", "OPTION"], "local"),
    ];
    let found = clauses.into_iter().find_map(|(clause, option)| {
        let first = *words.get(words.len().checked_sub(clause.len())?)?;
        are_words(tokens, first, clause).then_some((first, option))
    });
    let as_word = words.iter().find(|at| is_word(&tokens[**at].token, "AS"));
    let (true, Some((first, option)), Some(as_word)) = (is_view, found, as_word.copied()) else {
        return;
    };
    if as_word > first {
        return;
    }
    let like = tokens[as_word].clone();
    tokens.drain(first..end);
    let option = Token::SingleQuotedString(option.to_owned());
    let new = [
        plain("WITH", Keyword::WITH, &like),
        symbol(Token::LParen, &like),
        plain("check_option", Keyword::NoKeyword, &like),
        symbol(Token::Eq, &like),
        symbol(option, &like),
        symbol(Token::RParen, &like),
        symbol(Token::Whitespace(Whitespace::Space), &like),
    ];
    tokens.splice(as_word..as_word, new);
}

/// `CREATE RECURSIVE VIEW v (a) AS q` says
/// `CREATE VIEW v (a) AS WITH RECURSIVE v (a) AS (q) SELECT a FROM v`.
fn recursive_view(tokens: &mut Vec<TokenWithSpan>, recursive: usize) {
    let view = nth(tokens, recursive, 1);
    let open = (view..tokens.len()).find(|at| tokens[*at].token == Token::LParen);
    let close = open.and_then(|open| {
        let mut behind = open..tokens.len();
        behind.find(|at| tokens[*at].token == Token::RParen)
    });
    let (Some(open), Some(close)) = (open, close) else {
        return;
    };
    let head = tokens[view + 1..=close].to_vec();
    let name = solid(tokens, view + 1)
        .take_while(|at| *at < open)
        .last()
        .map(|at| tokens[at].clone());
    let (Some(name), Some(as_word)) = (name, solid(tokens, close + 1).next()) else {
        return;
    };
    if !is_word(&tokens[as_word].token, "AS") {
        return;
    }
    let end = (as_word..tokens.len())
        .find(|at| matches!(tokens[*at].token, Token::SemiColon | Token::EOF))
        .unwrap_or(tokens.len());
    let like = tokens[recursive].clone();
    let space = || symbol(Token::Whitespace(Whitespace::Space), &like);
    let word = |value: &str, keyword| plain(value, keyword, &like);
    let mut new = head.clone();
    new.extend([space(), word("AS", Keyword::AS), space()]);
    new.extend([word("WITH", Keyword::WITH), space()]);
    new.extend([word("RECURSIVE", Keyword::RECURSIVE), space(), name.clone()]);
    new.extend(tokens[open..=close].iter().cloned());
    new.extend([
        space(),
        word("AS", Keyword::AS),
        symbol(Token::LParen, &like),
    ]);
    new.extend(tokens[as_word + 1..end].iter().cloned());
    new.extend([symbol(Token::RParen, &like), space()]);
    new.extend([word("SELECT", Keyword::SELECT), space()]);
    new.extend(tokens[open + 1..close].iter().cloned());
    new.extend([space(), word("FROM", Keyword::FROM), space(), name]);
    tokens.splice(view + 1..end, new);
    tokens[recursive] = space();
}
