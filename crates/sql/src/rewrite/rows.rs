//! Rows by names that the parser has no place for.
//!
//! | | becomes |
//! |---|---|
//! | `(a).*` | `(a)."\0ALL"`: a field |
//! | `JOIN t USING (a) AS j` | `JOIN t USING (a, "\0AS j")`: a column |

use sqlparser::ast::Ident;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::spelling::{blank, nth, symbol};
use super::{is_word, marked};
use crate::bind::name_of;

/// The field that all fields of a row become.
pub(crate) const ALL: &str = "\0ALL";

/// What a join's alias begins with, among the columns that it is over.
pub(crate) const ALIAS: &str = "\0AS ";

/// Whether a token is part of what is rewritten here.
pub(super) fn is_suspect(token: &Token) -> bool {
    *token == Token::Mul || is_word(token, "USING")
}

pub(super) fn rows(tokens: &mut Vec<TokenWithSpan>) {
    let mut place = 0;
    while place < tokens.len() {
        match &tokens[place].token {
            Token::RParen => all_of(tokens, place),
            token if is_word(token, "USING") => alias(tokens, place),
            _ => (),
        }
        place += 1;
    }
}

/// `) . *`
fn all_of(tokens: &mut [TokenWithSpan], place: usize) {
    let (dot, star) = (nth(tokens, place, 1), nth(tokens, place, 2));
    if star < tokens.len() && tokens[dot].token == Token::Period && tokens[star].token == Token::Mul
    {
        tokens[star] = marked(ALL, &tokens[star]);
    }
}

/// `USING (a, b) AS j`
fn alias(tokens: &mut Vec<TokenWithSpan>, place: usize) {
    let open = nth(tokens, place, 1);
    if tokens.get(open).map(|it| &it.token) != Some(&Token::LParen) {
        return;
    }
    let inner = |token: &Token| match token {
        Token::Word(word) => word.quote_style.is_some() || word.keyword != Keyword::SELECT,
        token => matches!(token, Token::Comma | Token::Whitespace(_)),
    };
    let within = tokens[open + 1..].iter().take_while(|it| inner(&it.token));
    let close = open + 1 + within.count();
    let (word, name) = (nth(tokens, close, 1), nth(tokens, close, 2));
    if name >= tokens.len()
        || tokens[close].token != Token::RParen
        || !is_word(&tokens[word].token, "AS")
    {
        return;
    }
    let Token::Word(written) = &tokens[name].token else {
        return;
    };
    let ident = Ident {
        value: written.value.clone(),
        quote_style: written.quote_style,
        span: tokens[name].span,
    };
    let hidden = marked(&format!("{ALIAS}{}", name_of(&ident)), &tokens[name]);
    let comma = symbol(Token::Comma, &tokens[close]);
    tokens[word] = blank(tokens, word);
    tokens[name] = blank(tokens, name);
    tokens.splice(close..close, [comma, hidden]);
}
