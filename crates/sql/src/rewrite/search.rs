//! SEARCH and CYCLE of WITH RECURSIVE, which the parser does not know.
//!
//! `... ) SEARCH DEPTH FIRST BY a, b SET c` becomes `... FOR UPDATE OF "\0SEARCH\0DEPTH\0c\0a\0b")`,
//! and CYCLE the like, for the binder to read.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::spelling::{are_words, nth, plain, symbol};
use super::{is_word, marked, solid};

/// Begins the words of SEARCH: how, the column that is made, the columns that it goes by.
pub(crate) const SEARCH: &str = "\0SEARCH";

/// Begins the words of CYCLE: the column with the mark, that with the path, the mark's two values
/// (empty: true and false), the columns that tell a cycle.
pub(crate) const CYCLE: &str = "\0CYCLE";

/// Rewrites the clauses behind every named query.
pub(super) fn searches(tokens: &mut Vec<TokenWithSpan>) {
    let mut place = 0;
    while place < tokens.len() {
        if tokens[place].token == Token::RParen {
            let search = nth(tokens, place, 1);
            let found = search_at(tokens, search).or_else(|| cycle_at(tokens, search));
            if let Some((clause, end)) = found {
                let bracket = tokens[place].clone();
                let mut new = Vec::new();
                for (word, keyword) in [
                    ("FOR", Keyword::FOR),
                    ("UPDATE", Keyword::UPDATE),
                    ("OF", Keyword::OF),
                ] {
                    let space = Token::Whitespace(Whitespace::Space);
                    new.extend([symbol(space, &bracket), plain(word, keyword, &bracket)]);
                }
                let space = Token::Whitespace(Whitespace::Space);
                new.extend([symbol(space, &bracket), marked(&clause, &bracket)]);
                let behind = place + new.len();
                new.push(bracket);
                tokens.splice(place..end, new);
                // The bracket again: CYCLE may follow SEARCH.
                place = behind;
                continue;
            }
        }
        place += 1;
    }
}

fn search_at(tokens: &[TokenWithSpan], place: usize) -> Option<(String, usize)> {
    let how = ["DEPTH", "BREADTH"]
        .into_iter()
        .find(|how| are_words(tokens, place, &["SEARCH", how, "FIRST", "BY"]))?;
    let (by, at) = names(tokens, nth(tokens, place, 4))?;
    let column = set(tokens, at, "SET")?;
    let clause = format!("{SEARCH}\0{how}\0{}\0{by}", column.0);
    Some((clause, column.1))
}

fn cycle_at(tokens: &[TokenWithSpan], place: usize) -> Option<(String, usize)> {
    if !is_word(&tokens.get(place)?.token, "CYCLE") {
        return None;
    }
    let (by, at) = names(tokens, nth(tokens, place, 1))?;
    let (mark, mut end) = set(tokens, at, "SET")?;
    let mut at = nth(tokens, end, 0);
    let mut values = (String::new(), String::new());
    if is_word(&tokens.get(at)?.token, "TO") {
        let (to, default) = until(tokens, nth(tokens, at, 1), "DEFAULT")?;
        let (otherwise, using) = until(tokens, nth(tokens, default, 1), "USING")?;
        values = (to, otherwise);
        at = using;
    }
    let (path, behind) = set(tokens, at, "USING")?;
    end = end.max(behind);
    let (to, otherwise) = values;
    Some((
        format!("{CYCLE}\0{mark}\0{path}\0{to}\0{otherwise}\0{by}"),
        end,
    ))
}

/// Names with commas between them, and what comes behind.
fn names(tokens: &[TokenWithSpan], start: usize) -> Option<(String, usize)> {
    let mut all = Vec::new();
    let mut at = start;
    loop {
        all.push(name(tokens, at)?);
        at = nth(tokens, at, 1);
        match &tokens.get(at)?.token {
            Token::Comma => at = nth(tokens, at, 1),
            _ => return Some((all.join("\0"), at)),
        }
    }
}

/// `SET name`: the name, and the place right behind it.
fn set(tokens: &[TokenWithSpan], at: usize, word: &str) -> Option<(String, usize)> {
    if !is_word(&tokens.get(at)?.token, word) {
        return None;
    }
    let at = nth(tokens, at, 1);
    Some((name(tokens, at)?, at + 1))
}

fn name(tokens: &[TokenWithSpan], at: usize) -> Option<String> {
    match &tokens.get(at)?.token {
        Token::Word(word) => Some(match word.quote_style {
            Some(_) => word.value.clone(),
            None => word.value.to_lowercase(),
        }),
        _ => None,
    }
}

/// The text up to a word, and where that is.
fn until(tokens: &[TokenWithSpan], start: usize, word: &str) -> Option<(String, usize)> {
    let end = solid(tokens, start).find(|at| is_word(&tokens[*at].token, word))?;
    let text: String = tokens[start..end]
        .iter()
        .map(|token| token.token.to_string())
        .collect();
    Some((text.trim().to_owned(), end))
}
