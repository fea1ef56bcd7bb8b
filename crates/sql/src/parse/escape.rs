//! What is wrong with a text in `E'...'`: the crate `sqlparser` only says that something is.

use crate::error::{Error, Position, Result, SqlState};

/// The fault of the text that begins at a place, if it is one in its escapes.
pub(super) fn fault(text: &str, at: Option<Position>) -> Option<Error> {
    let at = at?;
    let line = text
        .split('\n')
        .nth(usize::try_from(at.line).ok()?.checked_sub(1)?)?;
    let from: usize = {
        let before = text.split_inclusive('\n').take(at.line as usize - 1);
        before.map(str::len).sum()
    };
    let column = usize::try_from(at.column).ok()?.checked_sub(1)?;
    let offset: usize = line.chars().take(column).map(char::len_utf8).sum();
    let rest = text.get(from + offset..)?.strip_prefix(['e', 'E'])?;
    let mut letters = rest.strip_prefix('\'')?.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' if letters.peek() == Some(&'\'') => {
                letters.next();
            }
            '\'' => return None,
            '\\' => {
                let rest: String = letters.clone().take(9).collect();
                if let Err(error) = escape(&rest) {
                    return Some(error.at(Some(at)));
                }
                letters.next();
            }
            _ => (),
        }
    }
    None
}

/// Checks what follows a backslash.
fn escape(rest: &str) -> Result<()> {
    let digits = |from: usize, most: usize, radix: u32| {
        let digits = rest.chars().skip(from).take(most);
        let digits: String = digits.take_while(|letter| letter.is_digit(radix)).collect();
        (
            digits.len(),
            u32::from_str_radix(&digits, radix).unwrap_or(0),
        )
    };
    let wrong = |message: &str| Err(Error::new(SqlState::SYNTAX_ERROR, message));
    match rest.chars().next() {
        Some(mark @ ('u' | 'U')) => {
            let wanted = if mark == 'u' { 4 } else { 8 };
            let (count, code) = digits(1, wanted, 16);
            if count < wanted {
                let error = Error::new(SqlState::INVALID_ESCAPE_SEQUENCE, "invalid Unicode escape");
                let hint = "Unicode escapes must be \\uXXXX or \\UXXXXXXXX.";
                return Err(error.with_hint(hint));
            }
            match char::from_u32(code) {
                None if (0xd800..0xe000).contains(&code) => wrong("invalid Unicode surrogate pair"),
                None | Some('\0') => wrong("invalid Unicode escape value"),
                Some(_) => Ok(()),
            }
        }
        Some('x') => match digits(1, 2, 16) {
            (0, _) => Ok(()),
            (_, byte) => byte_alone(byte),
        },
        Some('0'..='7') => byte_alone(digits(0, 3, 8).1 & 0xff),
        _ => Ok(()),
    }
}

/// A byte is a letter only if it is ASCII's, and not zero.
fn byte_alone(byte: u32) -> Result<()> {
    if (1..0x80).contains(&byte) {
        return Ok(());
    }
    let message = format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}");
    Err(Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse;

    #[test]
    fn a_wrong_escape_says_what_is_wrong() {
        for (text, state) in [
            (r"select E'a\000b'", SqlState::CHARACTER_NOT_IN_REPERTOIRE),
            (
                r"select 'x', E'a''\x00b'",
                SqlState::CHARACTER_NOT_IN_REPERTOIRE,
            ),
            (r"select E'\u061'", SqlState::INVALID_ESCAPE_SEQUENCE),
            (r"select E'\U0061'", SqlState::INVALID_ESCAPE_SEQUENCE),
            (r"select E'\u0000'", SqlState::SYNTAX_ERROR),
            (r"select E'open", SqlState::SYNTAX_ERROR),
        ] {
            assert_eq!(parse(text).unwrap_err().state(), state, "{text}");
        }
        assert!(parse(r"select E'\x41\101\u0041\\'").is_ok());
    }
}
