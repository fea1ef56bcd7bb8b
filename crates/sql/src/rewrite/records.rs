//! Columns that are listed behind functions that give records, without an alias: the parser knows
//! them only behind one.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::spelling::{are_words, blank, nth};

/// Whether a function gives records, so that its columns are listed behind it.
pub(super) fn gives_records(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("json") && name.contains("_record")
}

/// `f(...) AS (a int)` says `f(...) AS f (a int)`.
pub(super) fn columns_alone(tokens: &mut Vec<TokenWithSpan>, place: usize) {
    let open = nth(tokens, place, 1);
    let mut depth = 0_usize;
    let close = (open..tokens.len()).find(|at| {
        match tokens[*at].token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => (),
        }
        depth == 0
    });
    let Some(close) = close.filter(|close| *close > open) else {
        return;
    };
    let list = nth(tokens, close, 2);
    if are_words(tokens, nth(tokens, close, 1), &["AS"])
        && tokens.get(list).is_some_and(|it| it.token == Token::LParen)
    {
        let name = tokens[place].clone();
        let space = blank(tokens, place);
        tokens.splice(list..list, [name, space]);
    }
}
