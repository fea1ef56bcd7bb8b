//! How tightly operators bind, where the crate `sqlparser` is not PostgreSQL.
//!
//! ```text
//! tightest   .  ::  []  (sign)+ -  COLLATE  AT TIME ZONE  ^  * / %  + -
//!            any other operator, before and between operands
//!            BETWEEN IN LIKE   < > = <= >= <>   IS   NOT   AND   OR   loosest
//! ```
//!
//! A sign binds tighter than `^`: `-2 ^ 2` is 4. Any other operator before its operand takes sums:
//! `@ 1 - 3` is 2. Regular expressions are operators as others are: `a ~ b || c` is
//! `(a ~ b) || c`. Comparisons do not follow one another: `1 < 2 = true` is an error.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::dialect::RustDialect;

/// As tightly as COLLATE, which is just below a sign; the crate does not tell it.
const COLLATE: u8 = 120;

/// Reads an operator and the operand behind it; none if something else is next.
pub(super) fn prefix(
    dialect: &RustDialect,
    parser: &mut Parser<'_>,
) -> Option<Result<Expr, ParserError>> {
    let other = dialect.prec_value(Precedence::PgOther);
    let (op, precedence) = match &parser.peek_token_ref().token {
        Token::Plus => (UnaryOperator::Plus, COLLATE),
        Token::Minus => (UnaryOperator::Minus, COLLATE),
        Token::Tilde => (UnaryOperator::BitwiseNot, other),
        Token::AtSign => (UnaryOperator::PGAbs, other),
        Token::PGSquareRoot => (UnaryOperator::PGSquareRoot, other),
        Token::PGCubeRoot => (UnaryOperator::PGCubeRoot, other),
        Token::DoubleExclamationMark => (UnaryOperator::PGPrefixFactorial, other),
        _ => return None,
    };
    parser.advance_token();
    let operand = parser.parse_subexpr(precedence);
    Some(operand.map(|operand| Expr::UnaryOp {
        op,
        expr: Box::new(operand),
    }))
}

/// How tightly the operator that is next binds, if that is not what the crate takes it to be.
pub(super) fn infix_precedence(dialect: &RustDialect, parser: &Parser<'_>) -> Option<u8> {
    let is_other = match &parser.peek_token_ref().token {
        Token::Tilde
        | Token::TildeAsterisk
        | Token::ExclamationMarkTilde
        | Token::ExclamationMarkTildeAsterisk
        | Token::DoubleTilde
        | Token::DoubleTildeAsterisk
        | Token::ExclamationMarkDoubleTilde
        | Token::ExclamationMarkDoubleTildeAsterisk => true,
        Token::Word(word) => word.keyword == Keyword::OPERATOR && word.quote_style.is_none(),
        _ => false,
    };
    is_other.then(|| dialect.prec_value(Precedence::PgOther))
}

/// What is wrong if a comparison is next behind another one.
pub(super) fn second_comparison(
    parser: &Parser<'_>,
    left: &Expr,
) -> Option<Result<Expr, ParserError>> {
    let next = parser.peek_token_ref();
    let is_comparison = matches!(
        next.token,
        Token::Eq | Token::Lt | Token::LtEq | Token::Neq | Token::Gt | Token::GtEq
    );
    let Expr::BinaryOp { op, .. } = left else {
        return None;
    };
    let is_second = is_comparison
        && matches!(
            op,
            BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq
        );
    is_second.then(|| parser.expected_ref("the end of a comparison", next))
}
