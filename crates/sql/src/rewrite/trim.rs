//! `TRIM`, as far as the parser does not read it.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::spelling::{blank, is_any, plain};
use super::{is_word, solid};

/// `TRIM([LEADING] FROM a)`.
pub(super) fn trim_from(tokens: &mut [TokenWithSpan], place: usize) {
    let next: Vec<usize> = solid(tokens, place + 1).take(3).collect();
    let [open, first, second] = next[..] else {
        return;
    };
    if tokens[open].token != Token::LParen {
        return;
    }
    let sides = ["BOTH", "LEADING", "TRAILING"];
    let from = match is_any(Some(&tokens[first].token), &sides) {
        true => second,
        false => first,
    };
    if is_word(&tokens[from].token, "FROM") {
        tokens[from] = blank(tokens, from);
    }
    // A list has no FROM in it: its side is what the function is called.
    let side = [
        ("LEADING", "ltrim"),
        ("TRAILING", "rtrim"),
        ("BOTH", "btrim"),
    ];
    let side = side.iter().find(|it| is_word(&tokens[first].token, it.0));
    if let Some((_, name)) = side
        && is_list(tokens, open)
    {
        tokens[place] = plain(name, Keyword::NoKeyword, &tokens[place]);
        tokens[first] = blank(tokens, first);
    }
}

/// Whether there is a comma, and no FROM, right within the brackets that open there.
fn is_list(tokens: &[TokenWithSpan], open: usize) -> bool {
    let (mut depth, mut has_comma) = (0, false);
    for token in &tokens[open..] {
        match &token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket if depth == 1 => return has_comma,
            Token::RParen | Token::RBracket => depth -= 1,
            Token::Comma if depth == 1 => has_comma = true,
            token if depth == 1 && is_word(token, "FROM") => return false,
            _ => (),
        }
    }
    false
}
