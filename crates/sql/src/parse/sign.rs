//! Signs right behind an operator: `d->-1` is `d -> -1`.
//!
//! An operator ends with `+` or `-` only if it has one of the characters below, else these are
//! signs of what comes next. The crate `sqlparser` takes them to be part of the operator.

use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

/// What an operator has to contain to end with a sign.
const KEEPS_SIGNS: &[char] = &['~', '!', '@', '#', '%', '^', '&', '|', '`', '?'];

/// Takes the signs off the operators that cannot end with one.
pub(super) fn take_off(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut taken = Vec::with_capacity(tokens.len());
    for token in tokens {
        match operator_and_signs(&token.token) {
            None => taken.push(token),
            Some((operator, signs)) => {
                let mut begin = token.span.start;
                for (part, width) in std::iter::once(operator).chain(signs) {
                    let mut end = begin;
                    end.column += width;
                    taken.push(TokenWithSpan::new(part, Span::new(begin, end)));
                    begin = end;
                }
            }
        }
    }
    taken
}

type Part = (Token, u64);

/// The operator and the signs behind it, each with its width; none if it has none.
fn operator_and_signs(token: &Token) -> Option<(Part, impl Iterator<Item = Part> + use<>)> {
    let Token::CustomBinaryOperator(text) = token else {
        return None;
    };
    // Of signs alone the first one is the operator, or a sign as the others.
    let operator = match text.trim_end_matches(['+', '-']) {
        "" => text.get(..1)?,
        operator => operator,
    };
    if operator.len() == text.len() || operator.contains(KEEPS_SIGNS) {
        return None;
    }
    let signs: Vec<Part> = text[operator.len()..]
        .chars()
        .map(|sign| match sign {
            '+' => (Token::Plus, 1),
            _ => (Token::Minus, 1),
        })
        .collect();
    let width = operator.chars().map(|_| 1).sum();
    Some(((known(operator), width), signs.into_iter()))
}

/// The token of an operator.
fn known(operator: &str) -> Token {
    match operator {
        "+" => Token::Plus,
        "-" => Token::Minus,
        "->" => Token::Arrow,
        "->>" => Token::LongArrow,
        "=" => Token::Eq,
        "<" => Token::Lt,
        ">" => Token::Gt,
        "<=" => Token::LtEq,
        ">=" => Token::GtEq,
        "<>" => Token::Neq,
        other => Token::CustomBinaryOperator(other.to_owned()),
    }
}
