//! `text`, `varchar(n)`, `char(n)`, `name`, `"char"`.

use super::cut_name;
use crate::base::Base;
use crate::error::{Error, Result, SqlState};
use crate::modifier::Modifier;
use crate::text::Text;

/// Text as its type takes it in an assignment: an error if it is too long, unless only blanks are.
pub(super) fn parse(text: &str, base: Base, modifier: Modifier) -> Result<Text> {
    if text.as_bytes().contains(&0) {
        let words = "invalid byte sequence for encoding \"UTF8\": 0x00";
        return Err(Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, words));
    }
    if base == Base::Char {
        return Ok(char_of_text(text));
    }
    limit(Text::new(text), base, modifier, false)
}

/// Text cast to another text type; what is too long for an explicit cast is cut off.
pub fn cast_text(text: &Text, base: Base, modifier: Modifier, explicit: bool) -> Result<Text> {
    limit(text.clone(), base, modifier, explicit)
}

fn limit(text: Text, base: Base, modifier: Modifier, explicit: bool) -> Result<Text> {
    match base {
        Base::Varchar | Base::Bpchar => {
            let Some(count) = modifier.character_count() else {
                return Ok(text);
            };
            // A letter has at least one byte: what has few bytes needs no counting.
            let end = if text.as_bytes().len() <= count {
                None
            } else {
                text.char_indices().nth(count).map(|(at, _)| at)
            };
            let Some(end) = end else {
                let padded = base == Base::Bpchar;
                return Ok(if padded {
                    pad(text.to_string(), modifier)
                } else {
                    text
                });
            };
            let (kept, rest) = text.split_at(end);
            if !explicit && rest.bytes().any(|byte| byte != b' ') {
                let name = modifier.format(base);
                let words = format!("value too long for type {name}");
                return Err(Error::new(SqlState::STRING_DATA_RIGHT_TRUNCATION, words));
            }
            Ok(Text::new(kept))
        }
        Base::Name => Ok(cut_name(&text)),
        Base::Char => Ok(char_of_text(&text)),
        _ => Ok(text),
    }
}

/// The one byte of a `"char"`, which is held as text: nothing for zero, itself if it is ASCII,
/// else `\\` and three octal digits, as it is printed.
pub(crate) fn char_of_byte(byte: u8) -> Text {
    match byte {
        0 => Text::empty(),
        1..=0x7f => Text::from(char::from(byte).to_string()),
        _ => Text::from(format!("\\{byte:03o}")),
    }
}

/// The first byte of a text, or the byte whose octal digits it is.
pub(crate) fn char_of_text(text: &str) -> Text {
    char_of_byte(byte_of_char(text))
}

/// The byte of a text that [`char_of_byte`] returned.
pub(crate) fn byte_of_char(text: &str) -> u8 {
    match text.as_bytes() {
        [
            b'\\',
            high @ b'0'..=b'3',
            middle @ b'0'..=b'7',
            low @ b'0'..=b'7',
        ] => (high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0'),
        [first, ..] => *first,
        [] => 0,
    }
}

/// Fills up with blanks to the letters of `char(n)`.
pub(crate) fn pad(mut text: String, modifier: Modifier) -> Text {
    if let Some(count) = modifier.character_count() {
        let letters = text.chars().count();
        text.extend(std::iter::repeat_n(' ', count.saturating_sub(letters)));
    }
    Text::from(text)
}
