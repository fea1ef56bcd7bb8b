//! Assigning to parts of columns, which the parser does not know.
//!
//! `SET a[1] = 2` becomes `SET a."\0PARTx[1]" = 2`: the part is kept as an expression's text, for
//! the binder to read. The columns that an INSERT names become so too.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{is_word, marked, solid};

/// Begins the name of a part; behind it is the expression that means it, of an `x`.
pub(crate) const PART: &str = "\0PART";

/// Rewrites what is assigned to behind every SET.
pub(super) fn parts(tokens: &mut Vec<TokenWithSpan>) {
    let mut place = 0;
    while place < tokens.len() {
        if matches!(&tokens[place].token, Token::Word(word)
            if word.keyword == Keyword::SET && word.quote_style.is_none())
        {
            assignments(tokens, place + 1);
        } else if is_word(&tokens[place].token, "INSERT") {
            insert_columns(tokens, place + 1);
        }
        place += 1;
    }
}

/// The columns of an INSERT: `INTO t (a[1], b)`.
fn insert_columns(tokens: &mut Vec<TokenWithSpan>, start: usize) {
    let into = solid(tokens, start).next();
    let Some(into) = into.filter(|at| is_word(&tokens[*at].token, "INTO")) else {
        return;
    };
    let is_name = |at: &usize| {
        let token = &tokens[*at].token;
        matches!(token, Token::Word(_) | Token::Period) && !begins_query(token)
    };
    let open = solid(tokens, into + 1).find(|at| !is_name(at));
    let Some(mut at) = open.filter(|at| tokens[*at].token == Token::LParen) else {
        return;
    };
    loop {
        let item = solid(tokens, at + 1).next();
        let Some(item) = item.filter(|item| !begins_query(&tokens[*item].token)) else {
            return;
        };
        let behind = target(tokens, item);
        match solid(tokens, behind).next() {
            Some(next) if tokens[next].token == Token::Comma => at = next,
            _ => return,
        }
    }
}

fn begins_query(token: &Token) -> bool {
    use Keyword as K;
    matches!(token, Token::Word(word) if word.quote_style.is_none()
        && matches!(word.keyword, K::SELECT | K::VALUES | K::WITH | K::TABLE))
}

/// The assignments from a place on.
fn assignments(tokens: &mut Vec<TokenWithSpan>, start: usize) {
    let mut place = start;
    loop {
        let first = solid(tokens, place).next();
        let Some(first) = first else { return };
        let mut at = first;
        if tokens[first].token == Token::LParen {
            // `(a[1], b) = ...`
            loop {
                let item = solid(tokens, at + 1).next();
                let Some(item) = item else { return };
                at = target(tokens, item);
                let next = solid(tokens, at).next();
                match next {
                    Some(next) if tokens[next].token == Token::Comma => at = next,
                    _ => break,
                }
            }
        } else {
            at = target(tokens, first);
        }
        match next_comma(tokens, at) {
            Some(comma) => place = comma + 1,
            None => return,
        }
    }
}

/// Rewrites one target; gives the place behind it.
fn target(tokens: &mut Vec<TokenWithSpan>, name: usize) -> usize {
    if !matches!(tokens[name].token, Token::Word(_)) {
        return name;
    }
    let mut end = name + 1;
    let mut begin = None;
    while let Some(open) = solid(tokens, end).next()
        && tokens[open].token == Token::LBracket
        && let Some(close) = closing(tokens, open)
    {
        begin.get_or_insert(open);
        end = close + 1;
    }
    let Some(begin) = begin else {
        return name + 1;
    };
    let text: String = tokens[begin..end]
        .iter()
        .map(|token| token.token.to_string())
        .collect();
    let part = marked(&format!("{PART}x{text}"), &tokens[name]);
    let dot = TokenWithSpan {
        token: Token::Period,
        span: tokens[name].span,
    };
    tokens.splice(name + 1..end, [dot, part]);
    name + 3
}

/// The bracket that closes one.
fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LBracket => depth += 1,
            Token::RBracket => depth -= 1,
            _ => (),
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The next comma outside brackets, before the assignments end.
fn next_comma(tokens: &[TokenWithSpan], start: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match &token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket if depth == 0 => return None,
            Token::RParen | Token::RBracket => depth -= 1,
            Token::SemiColon => return None,
            Token::Comma if depth == 0 => return Some(at),
            word if depth == 0 && (is_word(word, "WHERE") || is_word(word, "RETURNING")) => {
                return None;
            }
            _ => (),
        }
    }
    None
}
