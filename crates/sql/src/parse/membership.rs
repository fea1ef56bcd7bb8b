//! `x IN ((SELECT ...), y)`: the crate `sqlparser` takes what begins with a query in parentheses
//! for one query, though a list may follow it.
//!
//! Which of them it is tells the token after the parenthesis that closes the query; nothing is
//! read twice, as that would be for ever where such lists nest.

use sqlparser::ast::Expr;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// Further than so many tokens the end of the query is not looked for; then it is one query.
const TOKENS_MAX: usize = 4096;

/// Reads `[NOT] IN ((...), ...)` after an expression; none if something else is next.
pub(super) fn parse(parser: &mut Parser<'_>, expr: &Expr) -> Option<Result<Expr, ParserError>> {
    let is_word = |ahead: usize, word: Keyword| matches!(&parser.peek_nth_token_ref(ahead).token, Token::Word(found) if found.keyword == word);
    let negated = is_word(0, Keyword::NOT);
    let at = usize::from(negated);
    let is_open = |ahead| parser.peek_nth_token_ref(ahead).token == Token::LParen;
    if !is_word(at, Keyword::IN) || !is_open(at + 1) || !is_open(at + 2) {
        return None;
    }
    if *after_group(parser, at + 2)? != Token::Comma {
        return None;
    }
    for _ in 0..at + 2 {
        parser.advance_token();
    }
    let list = parser.parse_comma_separated(Parser::parse_expr);
    let list = list.and_then(|list| parser.expect_token(&Token::RParen).map(|_| list));
    Some(list.map(|list| Expr::InList {
        expr: Box::new(expr.clone()),
        list,
        negated,
    }))
}

/// The token after the parenthesis that closes the one `start` tokens ahead.
fn after_group<'a>(parser: &'a Parser<'_>, start: usize) -> Option<&'a Token> {
    let mut depth = 0_usize;
    for ahead in start..start + TOKENS_MAX {
        match &parser.peek_nth_token_ref(ahead).token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => {
                return Some(&parser.peek_nth_token_ref(ahead + 1).token);
            }
            Token::RParen => depth -= 1,
            Token::EOF => return None,
            _ => (),
        }
    }
    None
}
