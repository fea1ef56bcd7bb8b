//! `BETWEEN SYMMETRIC`, which the crate `sqlparser` does not know.
//!
//! `a BETWEEN SYMMETRIC b AND c` is `a BETWEEN b AND c OR a BETWEEN c AND b`, as PostgreSQL has
//! it too. Its operands are written twice, so that many of them in each other grow fast: beyond
//! [`LENGTH_MAX`] it is too complex.

use sqlparser::ast::{BinaryOperator, Expr};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::dialect::RustDialect;

/// The longest text of such a test.
const LENGTH_MAX: usize = 1 << 20;

/// Reads `[NOT] BETWEEN SYMMETRIC b AND c` after an expression; none if something else is next.
pub(super) fn parse(
    dialect: &RustDialect,
    parser: &mut Parser<'_>,
    expr: &Expr,
) -> Option<Result<Expr, ParserError>> {
    let is_word = |ahead: usize, word: Keyword| matches!(&parser.peek_nth_token_ref(ahead).token, Token::Word(found) if found.keyword == word);
    let negated = is_word(0, Keyword::NOT);
    let at = usize::from(negated);
    if !is_word(at, Keyword::BETWEEN) || !is_word(at + 1, Keyword::SYMMETRIC) {
        return None;
    }
    for _ in 0..at + 2 {
        parser.advance_token();
    }
    let precedence = dialect.prec_value(Precedence::Between);
    Some(bounds(parser, precedence).and_then(|(low, high)| both_ways(expr, low, high, negated)))
}

fn bounds(parser: &mut Parser<'_>, precedence: u8) -> Result<(Expr, Expr), ParserError> {
    let low = parser.parse_subexpr(precedence)?;
    parser.expect_keyword_is(Keyword::AND)?;
    let high = parser.parse_subexpr(precedence)?;
    Ok((low, high))
}

fn both_ways(expr: &Expr, low: Expr, high: Expr, negated: bool) -> Result<Expr, ParserError> {
    let between = |low: &Expr, high: &Expr| {
        Box::new(Expr::Between {
            expr: Box::new(expr.clone()),
            negated,
            low: Box::new(low.clone()),
            high: Box::new(high.clone()),
        })
    };
    let either = Expr::Nested(Box::new(Expr::BinaryOp {
        left: between(&low, &high),
        op: match negated {
            false => BinaryOperator::Or,
            true => BinaryOperator::And,
        },
        right: between(&high, &low),
    }));
    match either.to_string().len() > LENGTH_MAX {
        true => Err(ParserError::RecursionLimitExceeded),
        false => Ok(either),
    }
}
