//! Expressions that the crate `sqlparser` does not read, `name 'x'` and COLLATE behind more than a
//! name; and words that it reads as names.

use sqlparser::ast::{CastKind, DataType, Expr, ObjectName};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// Names of types that are also keywords of the crate, but none of PostgreSQL's.
const NAMES: &[&str] = &["name", "oid", "regclass"];

/// What is wrong if a word is next that no expression begins with, and that names nothing. ON is such
/// a word too, but what settings and options of EXPLAIN are given is read as an expression.
pub(super) fn reserved(parser: &Parser<'_>) -> Option<Result<Expr, ParserError>> {
    use Keyword as K;
    let Token::Word(word) = &parser.peek_token_ref().token else {
        return None;
    };
    let is_reserved = word.quote_style.is_none()
        && matches!(
            word.keyword,
            K::FROM
                | K::WHERE
                | K::HAVING
                | K::GROUP
                | K::ORDER
                | K::UNION
                | K::INTERSECT
                | K::EXCEPT
                | K::LIMIT
                | K::OFFSET
                | K::FETCH
                | K::FOR
                | K::INTO
                | K::AS
                | K::THEN
                | K::ELSE
                | K::WHEN
                | K::RETURNING
                | K::USING
                | K::WINDOW
                | K::AND
                | K::OR
                | K::ASC
                | K::BOTH
                | K::CHECK
                | K::COLUMN
                | K::CONSTRAINT
                | K::CREATE
                | K::DEFERRABLE
                | K::DESC
                | K::DO
                | K::END
                | K::FOREIGN
                | K::GRANT
                | K::IN
                | K::INITIALLY
                | K::LEADING
                | K::PLACING
                | K::PRIMARY
                | K::REFERENCES
                | K::TO
                | K::TRAILING
                | K::UNIQUE
        );
    is_reserved.then(|| parser.expected_ref("an expression", parser.peek_token_ref()))
}

/// Reads a constant with its type before it; none if something else is next.
pub(super) fn constant(parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
    let Token::Word(word) = &parser.peek_token_ref().token else {
        return None;
    };
    let is_text = |ahead: usize| {
        matches!(
            parser.peek_nth_token_ref(ahead).token,
            Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_)
        )
    };
    let is_name = word.keyword == Keyword::NoKeyword
        || word.quote_style.is_some()
        || NAMES
            .iter()
            .any(|name| word.value.eq_ignore_ascii_case(name));
    (is_name && is_text(1)).then(|| named(parser))
}

fn named(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let name = parser.parse_identifier()?;
    let value = parser.parse_value()?;
    Ok(Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(value)),
        data_type: DataType::Custom(ObjectName::from(vec![name]), Vec::new()),
        format: None,
    })
}

/// Reads COLLATE behind an expression; none if something else is next.
pub(super) fn collation(parser: &mut Parser<'_>, expr: &Expr) -> Option<Result<Expr, ParserError>> {
    if !parser.parse_keyword(Keyword::COLLATE) {
        return None;
    }
    let collation = parser.parse_object_name(false);
    Some(collation.map(|collation| Expr::Collate {
        expr: Box::new(expr.clone()),
        collation,
    }))
}
