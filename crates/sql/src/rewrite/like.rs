//! `CREATE TABLE t (LIKE u INCLUDING ALL)`, which the parser knows but in part.
//!
//! The clause becomes a column, `"\0LIKE+all" "u"`, so that it keeps its place among the others.

use sqlparser::ast::Ident;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::spelling::{are_words, is_any};
use super::{is_word, marked, solid};
use crate::bind::name_of;

/// Begins the name of a column that stands for LIKE; what is included and excluded comes behind.
pub(crate) const LIKE: &str = "\0LIKE";

/// What LIKE can take over.
const OPTIONS: [&str; 10] = [
    "all",
    "comments",
    "compression",
    "constraints",
    "defaults",
    "generated",
    "identity",
    "indexes",
    "statistics",
    "storage",
];

/// Rewrites the clauses among the columns of a table, in the statement that begins here.
pub(super) fn like(tokens: &mut Vec<TokenWithSpan>, start: usize) {
    let mut depth = 0;
    let mut place = start;
    while place < tokens.len() {
        let begins = match &tokens[place].token {
            Token::LParen => {
                depth += 1;
                depth == 1
            }
            Token::RParen => {
                depth -= 1;
                false
            }
            Token::SemiColon => return,
            token if depth == 0 && is_word(token, "AS") => return,
            token => depth == 1 && *token == Token::Comma,
        };
        let next = solid(tokens, place + 1).next();
        if let Some(next) = next.filter(|next| begins && is_word(&tokens[*next].token, "LIKE")) {
            clause(tokens, next);
        }
        place += 1;
    }
}

/// Rewrites the clause that begins at a place.
fn clause(tokens: &mut Vec<TokenWithSpan>, place: usize) {
    let mut end = place + 1;
    let mut name = Vec::new();
    let mut wants_word = true;
    while let Some(at) = solid(tokens, end).next() {
        match &tokens[at].token {
            Token::Word(word) if wants_word => {
                let ident = Ident {
                    value: word.value.clone(),
                    quote_style: word.quote_style,
                    span: tokens[at].span,
                };
                name.push(marked(&name_of(&ident), &tokens[at]));
            }
            Token::Period if !wants_word => name.push(tokens[at].clone()),
            _ => break,
        }
        wants_word = !wants_word;
        end = at + 1;
    }
    let mut options = String::new();
    while let Some(at) = solid(tokens, end).next()
        && is_any(Some(&tokens[at].token), &["INCLUDING", "EXCLUDING"])
        && let Some(what) = solid(tokens, at + 1).next()
        && let Some(option) = OPTIONS.iter().find(|it| is_word(&tokens[what].token, it))
    {
        let sign = if are_words(tokens, at, &["INCLUDING"]) {
            '+'
        } else {
            '-'
        };
        options.push(sign);
        options.push_str(option);
        end = what + 1;
    }
    let mut new = vec![marked(&format!("{LIKE}{options}"), &tokens[place])];
    new.append(&mut name);
    tokens.splice(place..end, new);
}
