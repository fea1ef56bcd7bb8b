//! PostgreSQL's syntax that the parser does not know, written so that it can read it.
//!
//! The parser has no place for some clauses. Before it reads the tokens, such a clause is taken
//! out, and what it says is put into a name at a place the parser has: a name that begins with
//! the character zero, which no name in a text can have. The binder takes the clause out of the
//! name again.
//!
//! | clause | becomes |
//! |---|---|
//! | `(... ROWS ... EXCLUDE TIES)` of a window | `("\0TIES" ... ROWS ...)`: the name of a window |
//!
//! A distance of a frame that begins with a text, `'1 day' PRECEDING`, gets brackets: the parser
//! would take the text for an interval.

use sqlparser::ast::Ident;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::bind::name_of;
use crate::plan::FrameExclusion;

/// What begins a name that says a clause.
const MARK: char = '\0';

/// The tokens with such clauses rewritten. A text with the character zero in it is as it is: it
/// is refused elsewhere.
pub(crate) fn rewrite(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let has = |word: &str| tokens.iter().any(|token| is_word(&token.token, word));
    let (excludes, distances) = (has("EXCLUDE"), has("PRECEDING") || has("FOLLOWING"));
    if excludes {
        exclusions(&mut tokens);
    }
    if distances {
        bracket_distances(&mut tokens);
    }
    tokens
}

/// The window that a window names, and the EXCLUDE of its frame.
pub(crate) fn exclusion(name: &Ident) -> (Option<String>, FrameExclusion) {
    let Some(marked) = name.value.strip_prefix(MARK) else {
        return (Some(name_of(name)), FrameExclusion::NoOthers);
    };
    let (clause, base) = match marked.split_once(MARK) {
        Some((clause, base)) => (clause, Some(base.to_owned())),
        None => (marked, None),
    };
    let exclusion = match clause {
        "CURRENT ROW" => FrameExclusion::CurrentRow,
        "GROUP" => FrameExclusion::Group,
        "TIES" => FrameExclusion::Ties,
        _ => FrameExclusion::NoOthers,
    };
    (base, exclusion)
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found)
        if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

/// The places of the tokens from `from` on that are not blank.
fn solid(tokens: &[TokenWithSpan], from: usize) -> impl Iterator<Item = usize> + '_ {
    let places = from..tokens.len();
    places.filter(|place| !matches!(tokens[*place].token, Token::Whitespace(_)))
}

/// `EXCLUDE TIES )` with a frame before it in the same brackets.
fn exclusions(tokens: &mut Vec<TokenWithSpan>) {
    let mut place = 0;
    while place < tokens.len() {
        if is_word(&tokens[place].token, "EXCLUDE")
            && let Some((clause, end)) = exclusion_at(tokens, place)
            && let Some(open) = opening(tokens, place)
        {
            tokens.drain(place..end);
            let mut value = format!("{MARK}{clause}");
            // A window that this one names comes first in the brackets.
            let first = solid(tokens, open + 1).next();
            if let Some(first) = first
                && let Token::Word(word) = &tokens[first].token
                && (word.quote_style.is_some() || !begins_window(&word.keyword))
            {
                let name = Ident {
                    value: word.value.clone(),
                    quote_style: word.quote_style,
                    span: tokens[first].span,
                };
                value = format!("{value}{MARK}{}", name_of(&name));
                tokens.remove(first);
            }
            let span = tokens[open].span;
            let token = Token::Word(Word {
                value,
                quote_style: Some('"'),
                keyword: Keyword::NoKeyword,
            });
            tokens.insert(open + 1, TokenWithSpan { token, span });
        }
        place += 1;
    }
}

fn bracket_distances(tokens: &mut Vec<TokenWithSpan>) {
    let mut place = 0;
    while place < tokens.len() {
        let before = tokens[..place]
            .iter()
            .rev()
            .find(|token| !matches!(token.token, Token::Whitespace(_)));
        let begins = ["ROWS", "RANGE", "GROUPS", "BETWEEN", "AND"];
        if matches!(tokens[place].token, Token::SingleQuotedString(_))
            && before.is_some_and(|token| begins.iter().any(|word| is_word(&token.token, word)))
            && let Some(end) = distance_end(tokens, place)
        {
            for (at, token) in [(end, Token::RParen), (place, Token::LParen)] {
                let span = tokens[at].span;
                tokens.insert(at, TokenWithSpan { token, span });
            }
        }
        place += 1;
    }
}

/// Where PRECEDING or FOLLOWING stands behind a distance.
fn distance_end(tokens: &[TokenWithSpan], place: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(place) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return None,
            Token::RParen => depth -= 1,
            Token::Comma | Token::SemiColon if depth == 0 => return None,
            token if depth == 0 => {
                if is_word(token, "PRECEDING") || is_word(token, "FOLLOWING") {
                    return Some(at);
                }
                if is_word(token, "AND") {
                    return None;
                }
            }
            _ => (),
        }
    }
    None
}

fn begins_window(keyword: &Keyword) -> bool {
    use Keyword as K;
    matches!(
        keyword,
        K::PARTITION | K::ORDER | K::ROWS | K::RANGE | K::GROUPS
    )
}

/// The words of the clause, and where what is behind it begins: a closing bracket.
fn exclusion_at(tokens: &[TokenWithSpan], place: usize) -> Option<(&'static str, usize)> {
    const CLAUSES: [(&str, &[&str]); 4] = [
        ("CURRENT ROW", &["CURRENT", "ROW"]),
        ("GROUP", &["GROUP"]),
        ("TIES", &["TIES"]),
        ("NO OTHERS", &["NO", "OTHERS"]),
    ];
    for (clause, words) in CLAUSES {
        let mut after = solid(tokens, place + 1);
        let fits = words.iter().all(|word| {
            after
                .next()
                .is_some_and(|at| is_word(&tokens[at].token, word))
        });
        if fits
            && let Some(end) = after.next()
            && tokens[end].token == Token::RParen
        {
            return Some((clause, end));
        }
    }
    None
}

/// The bracket that is open at a place, if there is a frame between.
fn opening(tokens: &[TokenWithSpan], place: usize) -> Option<usize> {
    let mut depth = 0;
    let mut framed = false;
    for at in (0..place).rev() {
        match &tokens[at].token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => return framed.then_some(at),
            Token::LParen => depth -= 1,
            token if depth == 0 => {
                framed |= ["ROWS", "RANGE", "GROUPS"]
                    .iter()
                    .any(|word| is_word(token, word));
            }
            _ => (),
        }
    }
    None
}
