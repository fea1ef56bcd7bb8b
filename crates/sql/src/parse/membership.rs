//! `x IN ((SELECT ...), y)`: the crate `sqlparser` takes what begins with a query in parentheses
//! for one query, though a list may follow it.

use sqlparser::ast::Expr;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// Reads `[NOT] IN ((...` after an expression; none if something else is next.
pub(super) fn parse(parser: &mut Parser<'_>, expr: &Expr) -> Option<Result<Expr, ParserError>> {
    let is_word = |parser: &Parser<'_>, ahead: usize, word: Keyword| matches!(&parser.peek_nth_token_ref(ahead).token, Token::Word(found) if found.keyword == word);
    let negated = is_word(parser, 0, Keyword::NOT);
    let at = usize::from(negated);
    let is_open = |ahead| parser.peek_nth_token_ref(ahead).token == Token::LParen;
    if !is_word(parser, at, Keyword::IN) || !is_open(at + 1) || !is_open(at + 2) {
        return None;
    }
    for _ in 0..at + 2 {
        parser.advance_token();
    }
    Some(members(parser, expr, negated))
}

/// What stands after the first parenthesis.
fn members(parser: &mut Parser<'_>, expr: &Expr, negated: bool) -> Result<Expr, ParserError> {
    let query = parser.maybe_parse(|parser| {
        let query = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        Ok(query)
    })?;
    let expr = Box::new(expr.clone());
    if let Some(subquery) = query {
        return Ok(Expr::InSubquery {
            expr,
            subquery,
            negated,
        });
    }
    let list = parser.parse_comma_separated(Parser::parse_expr)?;
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::InList {
        expr,
        list,
        negated,
    })
}
