//! Text that is cheap to clone, and needs no allocation while it is short.
//!
//! Up to [`INLINE_BYTES_MAX`] bytes live in the value itself; longer text is shared. The bytes are
//! UTF-8 by construction. Reading an inline text as `str` checks those few bytes again, because
//! this crate has no `unsafe`; comparing, hashing and encoding use the bytes and pay nothing.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// The longest text that needs no allocation.
pub const INLINE_BYTES_MAX: usize = 22;

/// Immutable UTF-8 text.
#[derive(Clone)]
pub struct Text(Form);

#[derive(Clone)]
enum Form {
    Inline {
        length: u8,
        bytes: [u8; INLINE_BYTES_MAX],
    },
    Shared(Arc<str>),
}

impl Text {
    /// Copies `text`.
    pub fn new(text: &str) -> Text {
        Self::inline(text).unwrap_or_else(|| Text(Form::Shared(Arc::from(text))))
    }

    /// Copies bytes; `None` if they are not UTF-8. Short ones that are ASCII, as most values are, are
    /// seen to be that in one look at all of them.
    #[inline]
    pub fn from_utf8(text: &[u8]) -> Option<Text> {
        let mut bytes = [0; INLINE_BYTES_MAX];
        if let Some(room) = bytes.get_mut(..text.len()) {
            room.copy_from_slice(text);
            if bytes.iter().fold(0, |all, byte| all | byte) < 0x80 {
                let length = text.len() as u8;
                return Some(Text(Form::Inline { length, bytes }));
            }
        }
        std::str::from_utf8(text).ok().map(Text::new)
    }

    /// The empty text.
    pub const fn empty() -> Text {
        Text(Form::Inline {
            length: 0,
            bytes: [0; INLINE_BYTES_MAX],
        })
    }

    fn inline(text: &str) -> Option<Text> {
        let mut bytes = [0; INLINE_BYTES_MAX];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        Some(Text(Form::Inline {
            length: text.len() as u8,
            bytes,
        }))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Form::Inline { .. } => {
                std::str::from_utf8(self.as_bytes()).expect("inline text was copied from a str")
            }
            Form::Shared(text) => text,
        }
    }

    /// Its bytes in UTF-8: no check, no copy.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Form::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Form::Shared(text) => text.as_bytes(),
        }
    }

    /// The text as a shared string; allocates if it is inline.
    pub fn to_shared(&self) -> Arc<str> {
        match &self.0 {
            Form::Inline { .. } => Arc::from(self.as_str()),
            Form::Shared(text) => text.clone(),
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Self::inline(&text).unwrap_or_else(|| Text(Form::Shared(Arc::from(text))))
    }
}

impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Text {
        Self::inline(&text).unwrap_or(Text(Form::Shared(text)))
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), out)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_is_inline_and_long_text_shared() {
        for length in [0, 1, 22, 23, 24, 1000] {
            let string = "x".repeat(length);
            let text = Text::new(&string);
            assert_eq!(text.as_str(), string);
            assert_eq!(
                matches!(text.0, Form::Inline { .. }),
                length <= INLINE_BYTES_MAX
            );
            assert_eq!(text, Text::from(string.clone()));
            assert_eq!(text, Text::from(Arc::<str>::from(string)));
        }
    }

    #[test]
    fn bytes_are_text_if_they_are_utf8() {
        let letters = ["x", "é", "\u{7f}", "\0", "雪"];
        for length in [0, 1, 7, 11, 21, 22, 23, 50] {
            for letter in letters {
                let string = format!("{}{letter}", "y".repeat(length));
                assert_eq!(Text::from_utf8(string.as_bytes()), Some(Text::new(&string)));
                let mut bytes = string.into_bytes();
                for damage in [0x80, 0xc3, 0xff] {
                    bytes.push(damage);
                    assert_eq!(Text::from_utf8(&bytes), None);
                    bytes.pop();
                }
            }
        }
    }

    #[test]
    fn order_is_the_order_of_bytes() {
        let words = ["", "a", "ab", "b", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "é"];
        assert!(
            words
                .windows(2)
                .all(|pair| Text::new(pair[0]) < Text::new(pair[1]))
        );
    }
}
