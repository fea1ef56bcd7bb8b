//! Words that come next. Not all of PostgreSQL's are keywords of the crate `sqlparser`.

use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

/// Whether this word, written in lower case, comes next.
pub(super) fn next_is(parser: &Parser<'_>, word: &str) -> bool {
    nth_is(parser, 0, word)
}

/// Whether these words, written in lower case, come next.
pub(super) fn next_are(parser: &Parser<'_>, words: &[&str]) -> bool {
    words
        .iter()
        .enumerate()
        .all(|(at, word)| nth_is(parser, at, word))
}

/// Takes a word if it comes next.
pub(super) fn take(parser: &mut Parser<'_>, word: &str) -> bool {
    take_all(parser, &[word])
}

/// Takes some words if they come next, all of them.
pub(super) fn take_all(parser: &mut Parser<'_>, words: &[&str]) -> bool {
    let come_next = next_are(parser, words);
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
