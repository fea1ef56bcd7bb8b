//! Words that come next. Not all of PostgreSQL's are keywords of the crate `sqlparser`.

use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

/// Whether this word, written in lower case, comes next.
pub(super) fn next_is(parser: &Parser<'_>, word: &str) -> bool {
    nth_is(parser, 0, word)
}

/// Takes a word if it comes next.
pub(super) fn take(parser: &mut Parser<'_>, word: &str) -> bool {
    take_all(parser, &[word])
}

/// Takes some words if they come next, all of them.
pub(super) fn take_all(parser: &mut Parser<'_>, words: &[&str]) -> bool {
    let come_next = words
        .iter()
        .enumerate()
        .all(|(at, word)| nth_is(parser, at, word));
    if come_next {
        for _ in words {
            parser.next_token();
        }
    }
    come_next
}

fn nth_is(parser: &Parser<'_>, at: usize, word: &str) -> bool {
    match &parser.peek_nth_token_ref(at).token {
        Token::Word(found) => found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word),
        _ => false,
    }
}
