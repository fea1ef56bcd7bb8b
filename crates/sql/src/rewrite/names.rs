//! Names and select lists as the parser does not know them.
//!
//! | written | becomes |
//! |---|---|
//! | `SELECT WHERE true` | `SELECT "\0NOTHING" WHERE true`: a list without columns |
//! | `t.* = u.*` | `t = u`: the rows as a whole |
//! | `U&"d\0061t"` | `"dat"` |
//! | `U&'d!0061t' UESCAPE '!'` | `'dat'` |

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::{is_word, marked, solid};
use crate::error::{Error, Result, SqlState};
use crate::parse::position;

/// Stands in a select list for no column at all.
pub(crate) const NOTHING: &str = "\0NOTHING";

/// Fills select lists without columns, and takes the star from rows that are operands.
pub(super) fn lists(tokens: &mut Vec<TokenWithSpan>) {
    let mut place = 0;
    while place < tokens.len() {
        match &tokens[place].token {
            Token::Word(word)
                if word.keyword == Keyword::SELECT
                    && word.quote_style.is_none()
                    && is_empty_list(tokens, place) =>
            {
                let name = marked(NOTHING, &tokens[place]);
                tokens.insert(place + 1, name);
            }
            Token::Mul if is_operand(tokens, place) => {
                tokens.drain(place - 1..=place);
                place -= 2;
            }
            _ => (),
        }
        place += 1;
    }
}

/// Whether nothing is listed behind this SELECT.
fn is_empty_list(tokens: &[TokenWithSpan], place: usize) -> bool {
    use Keyword as K;
    let Some(next) = solid(tokens, place + 1).next() else {
        return true;
    };
    match &tokens[next].token {
        Token::RParen | Token::SemiColon | Token::EOF => true,
        Token::Word(word) if word.quote_style.is_none() => matches!(
            word.keyword,
            K::FROM
                | K::WHERE
                | K::UNION
                | K::INTERSECT
                | K::EXCEPT
                | K::GROUP
                | K::HAVING
                | K::ORDER
                | K::LIMIT
                | K::OFFSET
                | K::FETCH
                | K::FOR
                | K::WINDOW
        ),
        _ => false,
    }
}

/// Whether the star at a place ends `t.*`, with an operator before or behind it.
fn is_operand(tokens: &[TokenWithSpan], place: usize) -> bool {
    let is_name = |at: usize| matches!(tokens[at].token, Token::Word(_));
    if place < 2 || tokens[place - 1].token != Token::Period || !is_name(place - 2) {
        return false;
    }
    let mut begin = place - 2;
    while begin >= 2 && tokens[begin - 1].token == Token::Period && is_name(begin - 2) {
        begin -= 2;
    }
    let mut before = tokens[..begin].iter().rev().map(|token| &token.token);
    let mut before = before
        .by_ref()
        .filter(|token| !matches!(token, Token::Whitespace(_)));
    let first = before.next();
    let behind = solid(tokens, place + 1).next();
    behind.is_some_and(|at| is_operator(&tokens[at].token))
        || first.is_some_and(is_operator)
        || (first.is_some_and(|token| is_word(token, "FROM"))
            && before
                .next()
                .is_some_and(|token| is_word(token, "DISTINCT")))
}

fn is_operator(token: &Token) -> bool {
    use Keyword as K;
    match token {
        Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq => true,
        Token::Plus | Token::Minus | Token::Div | Token::Mod | Token::StringConcat => true,
        Token::Word(word) if word.quote_style.is_none() => matches!(
            word.keyword,
            K::LIKE | K::ILIKE | K::SIMILAR | K::IS | K::BETWEEN | K::IN | K::NOT | K::AND | K::OR
        ),
        _ => false,
    }
}

/// Reads names and texts that begin with `U&`, and UESCAPE behind them.
pub(crate) fn unicode(tokens: &mut Vec<TokenWithSpan>) -> Result<()> {
    let mut place = 0;
    while place < tokens.len() {
        match &tokens[place].token {
            Token::UnicodeStringLiteral(text) => {
                if let Some((escape, end)) = escape_behind(tokens, place)? {
                    let text = unescaped(text, escape, &tokens[place])?;
                    tokens[place].token = Token::SingleQuotedString(text);
                    tokens.drain(place + 1..=end);
                }
            }
            Token::Word(_) if begins_name(tokens, place) => {
                let (escape, end) = match escape_behind(tokens, place + 2)? {
                    Some((escape, end)) => (escape, end),
                    None => ('\\', place + 2),
                };
                let Token::Word(name) = &tokens[place + 2].token else {
                    break;
                };
                tokens[place].token = Token::Word(Word {
                    value: unescaped(&name.value, escape, &tokens[place])?,
                    quote_style: Some('"'),
                    keyword: Keyword::NoKeyword,
                });
                tokens.drain(place + 1..=end);
            }
            _ => (),
        }
        place += 1;
    }
    Ok(())
}

/// Whether `U&"..."` begins here, without blanks.
fn begins_name(tokens: &[TokenWithSpan], place: usize) -> bool {
    let Some([mark, and, name]) = tokens.get(place..place + 3) else {
        return false;
    };
    is_word(&mark.token, "U")
        && and.token == Token::Ampersand
        && matches!(&name.token, Token::Word(word) if word.quote_style == Some('"'))
        && mark.span.end == and.span.start
        && and.span.end == name.span.start
}

/// The letter that UESCAPE behind a place names, and where that ends.
fn escape_behind(tokens: &[TokenWithSpan], place: usize) -> Result<Option<(char, usize)>> {
    let next: Vec<usize> = solid(tokens, place + 1).take(2).collect();
    let [word, text] = next[..] else {
        return Ok(None);
    };
    if !is_word(&tokens[word].token, "UESCAPE") {
        return Ok(None);
    }
    let Token::SingleQuotedString(value) = &tokens[text].token else {
        let message = "UESCAPE must be followed by a simple string literal";
        return Err(wrong_near(message, &tokens[text]));
    };
    let mut letters = value.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None)
            if !letter.is_ascii_hexdigit() && !"+'\"".contains(letter) && letter != ' ' =>
        {
            Ok(Some((letter, text)))
        }
        _ => Err(wrong_near(
            "invalid Unicode escape character",
            &tokens[text],
        )),
    }
}

/// A text with its escapes read: `!0061` and `!+000061`.
fn unescaped(text: &str, escape: char, token: &TokenWithSpan) -> Result<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut buffer = [0; 2];
        if letter != escape || letters.next_if_eq(&escape).is_some() {
            units.extend_from_slice(letter.encode_utf16(&mut buffer));
            continue;
        }
        let count = if letters.next_if_eq(&'+').is_some() {
            6
        } else {
            4
        };
        let digits: String = letters.by_ref().take(count).collect();
        let code = u32::from_str_radix(&digits, 16).ok();
        let Some(code) = code.filter(|_| digits.len() == count && !digits.starts_with('+')) else {
            let hint = "Unicode escapes must be \\XXXX or \\+XXXXXX.";
            return Err(wrong("invalid Unicode escape", token).with_hint(hint));
        };
        match (u16::try_from(code), char::from_u32(code)) {
            (Ok(0), _) | (Err(_), None) => {
                return Err(wrong("invalid Unicode escape value", token));
            }
            (Ok(unit), _) => units.push(unit),
            (_, Some(letter)) => units.extend_from_slice(letter.encode_utf16(&mut buffer)),
        }
    }
    String::from_utf16(&units).map_err(|_| wrong("invalid Unicode surrogate pair", token))
}

fn wrong_near(message: &str, token: &TokenWithSpan) -> Error {
    wrong(&format!("{message} at or near \"{}\"", token.token), token)
}

fn wrong(message: &str, token: &TokenWithSpan) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, message).at(position(token.span.start))
}

#[cfg(test)]
mod tests {
    use crate::error::SqlState;
    use crate::parse::parse;

    #[test]
    fn names_and_texts_in_unicode_are_read() {
        for (one, other) in [
            (
                r#"select U&"d\0061t\+000061" from t"#,
                "SELECT \"data\" FROM t",
            ),
            (
                r#"select u&"d!0061t!!" uescape '!' from t"#,
                "SELECT \"dat!\" FROM t",
            ),
            (r"select U&'d!0061t' UESCAPE '!', 1", "SELECT 'dat', 1"),
            (r"select u & t from u", "SELECT u & t FROM u"),
        ] {
            assert_eq!(parse(one).unwrap()[0].to_string(), other, "{one}");
        }
        for text in [
            r#"select U&"d\00x1""#,
            r#"select U&"d\0000""#,
            r#"select U&"d\d83dx""#,
            r#"select U&"d" uescape '+'"#,
            r#"select U&"d" uescape 1"#,
        ] {
            assert_eq!(parse(text).unwrap_err().state(), SqlState::SYNTAX_ERROR);
        }
    }
}
