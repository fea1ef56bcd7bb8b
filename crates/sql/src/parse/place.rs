//! Where in a text things are: nodes of syntax trees, and words that the trees do not place.

use sqlparser::ast::{Expr, ObjectName, SelectItem, SetExpr, Spanned};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

use super::dialect::RustDialect;
use crate::error::Position;

/// The place of a node in the text.
pub(crate) fn place(span: Span) -> Option<Position> {
    position(span.start)
}

/// Where an expression ends, or a little before: brackets behind it are not always counted.
pub(crate) fn end_of(expr: &Expr) -> Option<Position> {
    position(expr.span().end)
}

/// Where a name with dots begins.
pub(crate) fn place_of_name(name: &ObjectName) -> Option<Position> {
    place(name.span())
}

/// Where an expression begins, if that is known of the node itself and not of what is within.
pub(crate) fn begin_of_leaf(expr: &Expr) -> Option<Position> {
    match expr {
        Expr::Identifier(name) => place(name.span),
        Expr::CompoundIdentifier(names) => names.first().and_then(|name| place(name.span)),
        Expr::Value(value) => place(value.span),
        Expr::TypedString(literal) => place(literal.value.span),
        Expr::Function(call) => call.name.0.first().and_then(|part| place(part.span())),
        Expr::Case { case_token, .. } => place(case_token.0.span),
        _ => None,
    }
}

/// Where the item of this number begins in what a query lists.
pub(crate) fn place_of_target(body: &SetExpr, index: usize) -> Option<Position> {
    match body {
        SetExpr::Select(select) => {
            let is_plain = |item: &SelectItem| {
                matches!(
                    item,
                    SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
                )
            };
            // A star before it stands for any number of items.
            let mut before = select.projection.iter().take(index);
            let item = select
                .projection
                .get(index)
                .filter(|_| before.all(is_plain));
            place(item.or(select.projection.first())?.span())
        }
        SetExpr::Values(values) => place(values.rows.first()?.content.get(index)?.span()),
        SetExpr::Query(query) => place_of_target(&query.body, index),
        SetExpr::SetOperation { left, .. } => place_of_target(left, index),
        _ => None,
    }
}

pub(crate) fn position(location: Location) -> Option<Position> {
    (location.line > 0).then_some(Position {
        line: location.line,
        column: location.column,
    })
}

/// Behind the last letter of a text that is not blank.
pub(super) fn end_of_text(text: &str) -> Position {
    let text = text.trim_end();
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position {
        line: text.matches('\n').count() as u64 + 1,
        column: last.chars().count() as u64 + 1,
    }
}

/// The first such word at a position or behind it.
pub(crate) fn word_behind(text: &str, from: Position, word: &str) -> Option<Position> {
    let found = tokens(text).into_iter().find(|token| {
        place(token.span).is_some_and(|at| at >= from) && is_written(&token.token, word)
    });
    found.and_then(|token| place(token.span))
}

/// The last such word before a position.
pub(crate) fn word_before(text: &str, before: Position, word: &str) -> Option<Position> {
    let found = tokens(text).into_iter().rev().find(|token| {
        place(token.span).is_some_and(|at| at < before) && is_written(&token.token, word)
    });
    found.and_then(|token| place(token.span))
}

/// What a text has at a position.
pub(super) fn written_at(text: &str, at: Position) -> Option<String> {
    let mut tokens = tokens(text).into_iter();
    let token = tokens.find(|token| position(token.span.start) == Some(at))?;
    Some(token.token.to_string())
}

fn tokens(text: &str) -> Vec<TokenWithSpan> {
    Tokenizer::new(&RustDialect::default(), text)
        .tokenize_with_location()
        .unwrap_or_default()
}

fn is_written(token: &Token, word: &str) -> bool {
    match token {
        Token::Whitespace(_) => false,
        Token::Word(found) => found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word),
        other => other.to_string() == word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u64, column: u64) -> Position {
        Position { line, column }
    }

    #[test]
    fn words_are_found_in_text_and_not_in_comments() {
        let text = "select a -- + b\n  + 'x + y' + c";
        assert_eq!(word_behind(text, at(1, 8), "+"), Some(at(2, 3)));
        assert_eq!(word_behind(text, at(2, 4), "+"), Some(at(2, 13)));
        assert_eq!(word_before(text, at(2, 13), "+"), Some(at(2, 3)));
        assert_eq!(word_before(text, at(2, 13), "SELECT"), Some(at(1, 1)));
        assert_eq!(word_behind(text, at(1, 8), "-"), None);
    }
}
