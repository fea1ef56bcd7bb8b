//! `LIKE`: whether a text fits a pattern.
//!
//! A pattern without escapes is taken apart at its `%`: the first part has to be where the text
//! begins, the last one where it ends, and each of the others is looked for as early as it can be.
//! All of that compares bytes, which in UTF-8 cannot find a part in the middle of a letter. Patterns
//! with escapes are followed letter by letter.

use memchr::memmem;

use crate::error::{Error, Result, SqlState};
use crate::interrupt;

/// `text LIKE pattern`: `%` is any text, `_` any letter, `\` makes the next one itself.
pub fn like(text: &str, pattern: &str) -> Result<bool> {
    if !pattern.contains('\\') {
        return fits(text.as_bytes(), pattern.as_bytes());
    }
    let (text, pattern) = (interrupt::letters(text)?, interrupt::letters(pattern)?);
    matches(&text, &pattern, |left, right| left == right)
}

/// `text ILIKE pattern`: the same, where only letters of ASCII have cases, as in collation "C".
pub(super) fn like_any_case(text: &str, pattern: &str) -> Result<bool> {
    if !pattern.contains('\\') {
        let (text, pattern) = (text.to_ascii_lowercase(), pattern.to_ascii_lowercase());
        return fits(text.as_bytes(), pattern.as_bytes());
    }
    let (text, pattern) = (interrupt::letters(text)?, interrupt::letters(pattern)?);
    matches(&text, &pattern, |left, right| {
        left.eq_ignore_ascii_case(right)
    })
}

/// `LIKE` of `bytea`.
pub(super) fn like_bytes(text: &[u8], pattern: &[u8]) -> Result<bool> {
    let letters = |bytes: &[u8]| -> Vec<char> { bytes.iter().copied().map(char::from).collect() };
    matches(&letters(text), &letters(pattern), |left, right| {
        left == right
    })
}

/// Whether a text in UTF-8 fits a pattern without escapes.
fn fits(text: &[u8], pattern: &[u8]) -> Result<bool> {
    interrupt::spend(text.len() / 16 + 2)?;
    let mut parts = pattern.split(|byte| *byte == b'%');
    let first = parts.next().unwrap_or_default();
    let Some(mut at) = end_of(first, text) else {
        return Ok(false);
    };
    let Some(mut part) = parts.next() else {
        return Ok(at == text.len());
    };
    for next in parts {
        match found(part, &text[at..])? {
            Some(end) => at += end,
            None => return Ok(false),
        }
        part = next;
    }
    Ok(is_at_end(part, &text[at..]))
}

/// Where a part of a pattern ends that is where the text begins.
fn end_of(part: &[u8], text: &[u8]) -> Option<usize> {
    let mut at = 0;
    for byte in part {
        at += match byte {
            b'_' => letter_bytes(*text.get(at)?),
            _ if text.get(at) == Some(byte) => 1,
            _ => return None,
        };
    }
    Some(at)
}

/// Whether a part of a pattern is where the text ends.
fn is_at_end(part: &[u8], text: &[u8]) -> bool {
    let mut left = text.len();
    for byte in part.iter().rev() {
        let Some(mut before) = left.checked_sub(1) else {
            return false;
        };
        match byte {
            b'_' => {
                while before > 0 && is_within_letter(text[before]) {
                    before -= 1;
                }
            }
            _ if text[before] == *byte => {}
            _ => return false,
        }
        left = before;
    }
    true
}

/// Where a part of a pattern ends, at its first place in a text.
fn found(part: &[u8], text: &[u8]) -> Result<Option<usize>> {
    if !part.contains(&b'_') {
        return Ok(memmem::find(text, part).map(|start| start + part.len()));
    }
    let mut start = 0;
    loop {
        interrupt::spend(part.len())?;
        if let Some(end) = end_of(part, &text[start..]) {
            return Ok(Some(start + end));
        }
        match text.get(start) {
            Some(byte) => start += letter_bytes(*byte),
            None => return Ok(None),
        }
    }
}

/// The length of the letter that begins with a byte.
fn letter_bytes(first: u8) -> usize {
    match first {
        ..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    }
}

fn is_within_letter(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Whether a whole text fits a pattern. A `%` takes as little as it can; where the rest then does
/// not fit, only the last `%` has to take more, so that this is not exponential.
fn matches(text: &[char], pattern: &[char], same: impl Fn(&char, &char) -> bool) -> Result<bool> {
    let (mut at, mut rule) = (0, 0);
    // Where to go on after a mismatch: the rule after the last `%`, and what it was tried at.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        interrupt::spend(2)?;
        let fits = match pattern.get(rule) {
            Some('%') => {
                rule += 1;
                retry = Some((rule, at));
                continue;
            }
            Some('_') => at < text.len(),
            Some('\\') if at < text.len() || retry.is_none() => {
                let Some(letter) = pattern.get(rule + 1) else {
                    return if at < text.len() {
                        Err(dangling_escape())
                    } else {
                        Ok(false)
                    };
                };
                let fits = text.get(at).is_some_and(|found| same(found, letter));
                rule += usize::from(fits);
                fits
            }
            Some(letter) => text.get(at).is_some_and(|found| same(found, letter)),
            None if at == text.len() => return Ok(true),
            None => false,
        };
        if fits {
            (at, rule) = (at + 1, rule + 1);
            continue;
        }
        let Some((after, tried)) = retry else {
            return Ok(false);
        };
        if tried >= text.len() {
            return Ok(false);
        }
        retry = Some((after, tried + 1));
        (at, rule) = (tried + 1, after);
    }
}

fn dangling_escape() -> Error {
    let words = "LIKE pattern must not end with escape character";
    Error::new(SqlState::INVALID_ESCAPE_SEQUENCE, words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Both ways to look at a pattern agree.
        #[test]
        fn bytes_fit_where_letters_do(
            text in "[abAé€😀]{0,12}",
            pattern in "[abAé€😀%_]{0,8}",
        ) {
            let letters = |text: &str| text.chars().collect::<Vec<char>>();
            let (one, other) = (letters(&text), letters(&pattern));
            let same = matches(&one, &other, |left, right| left == right).unwrap();
            prop_assert_eq!(like(&text, &pattern).unwrap(), same);
            let same = matches(&one, &other, |left, right| left.eq_ignore_ascii_case(right)).unwrap();
            prop_assert_eq!(like_any_case(&text, &pattern).unwrap(), same);
        }
    }
}
