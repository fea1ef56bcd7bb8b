//! Columns behind `ON DELETE SET NULL`, which the parser does not know.
//!
//! `REFERENCES p (x) ON DELETE SET NULL (a, b)` becomes
//! `REFERENCES p (x, "\0DELETE NULL\0a", "\0DELETE NULL\0b") ON DELETE SET NULL`.

use sqlparser::ast::Ident;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{MARK, is_word, marked, solid};
use crate::bind::name_of;
use crate::error::{Error, Position, Result, SqlState};
use crate::parse::place;

/// The columns that a foreign key refers to, and those that ON DELETE sets.
pub(crate) fn set_columns(referred: &[Ident]) -> Result<(Vec<Ident>, Vec<Ident>)> {
    let (mut plain, mut set) = (Vec::new(), Vec::new());
    for name in referred {
        let Some((clause, column)) = clause_of(name) else {
            plain.push(name.clone());
            continue;
        };
        if let Some(what) = clause.strip_prefix("UPDATE ") {
            return Err(only_for_delete(what, place(name.span)));
        }
        set.push(Ident {
            value: column.to_owned(),
            quote_style: Some('"'),
            span: name.span,
        });
    }
    Ok((plain, set))
}

fn clause_of(name: &Ident) -> Option<(&str, &str)> {
    name.value.strip_prefix(MARK)?.split_once(MARK)
}

fn only_for_delete(what: &str, at: Option<Position>) -> Error {
    let message = format!("a column list with SET {what} is only supported for ON DELETE actions");
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).at(at)
}

/// Rewrites the columns behind every SET NULL and SET DEFAULT of a foreign key.
pub(super) fn rewrite(tokens: &mut Vec<TokenWithSpan>) {
    let mut at = 0;
    while at < tokens.len() {
        if is_word(&tokens[at].token, "ON")
            && let Some((clause, open)) = clause_at(tokens, at)
            && let Some((names, end)) = names_in(tokens, open)
            && let Some((place, is_open)) = referred_before(tokens, at)
        {
            let mut new = Vec::with_capacity(2 * names.len() + 2);
            for name in &names {
                let word = format!("{MARK}{clause}{MARK}{}", name_of(name));
                let like = TokenWithSpan {
                    token: Token::Comma,
                    span: name.span,
                };
                if is_open || !new.is_empty() {
                    new.push(like.clone());
                }
                new.push(marked(&word, &like));
            }
            if !is_open {
                let span = tokens[place - 1].span;
                let bracket = |token| TokenWithSpan { token, span };
                new.insert(0, bracket(Token::LParen));
                new.push(bracket(Token::RParen));
            }
            tokens.drain(open..end);
            tokens.splice(place..place, new);
        }
        at += 1;
    }
}

/// `ON DELETE SET NULL (` from its first word on: the words, and the place of the bracket.
fn clause_at(tokens: &[TokenWithSpan], on: usize) -> Option<(String, usize)> {
    let mut next = solid(tokens, on + 1);
    let event = next.next()?;
    let event = ["DELETE", "UPDATE"]
        .into_iter()
        .find(|word| is_word(&tokens[event].token, word))?;
    if !is_word(&tokens[next.next()?].token, "SET") {
        return None;
    }
    let what = next.next()?;
    let what = ["NULL", "DEFAULT"]
        .into_iter()
        .find(|word| is_word(&tokens[what].token, word))?;
    let open = next.next()?;
    (tokens[open].token == Token::LParen).then(|| (format!("{event} {what}"), open))
}

/// Names between brackets, and the place behind them.
fn names_in(tokens: &[TokenWithSpan], open: usize) -> Option<(Vec<Ident>, usize)> {
    let mut names = Vec::new();
    let mut next = solid(tokens, open + 1);
    loop {
        let at = next.next()?;
        let Token::Word(word) = &tokens[at].token else {
            return None;
        };
        names.push(Ident {
            value: word.value.clone(),
            quote_style: word.quote_style,
            span: tokens[at].span,
        });
        let at = next.next()?;
        match tokens[at].token {
            Token::Comma => (),
            Token::RParen => return Some((names, at + 1)),
            _ => return None,
        }
    }
}

/// Where more columns go behind the REFERENCES that comes before a place; whether others are
/// there.
fn referred_before(tokens: &[TokenWithSpan], before: usize) -> Option<(usize, bool)> {
    let references = (0..before).rev().find(|at| {
        is_word(&tokens[*at].token, "REFERENCES") || tokens[*at].token == Token::SemiColon
    })?;
    if tokens[references].token == Token::SemiColon {
        return None;
    }
    let mut next = solid(&tokens[..before], references + 1);
    let mut end = next.next()?;
    let mut behind = next.next();
    while let Some(dot) = behind.filter(|at| tokens[*at].token == Token::Period) {
        end = solid(&tokens[..before], dot + 1).next()?;
        behind = solid(&tokens[..before], end + 1).next();
    }
    match behind.filter(|at| tokens[*at].token == Token::LParen) {
        None => Some((end + 1, false)),
        Some(open) => {
            let mut rest = open..before;
            let close = rest.find(|at| tokens[*at].token == Token::RParen)?;
            Some((close, true))
        }
    }
}
