//! `bytea`: `\x` and hexadecimal digits, or the older form with octal escapes.

use std::fmt::Write;
use std::sync::Arc;

use crate::error::{Error, Result, SqlState};
use crate::interrupt;
use crate::settings::ByteaOutput;

pub(super) fn parse(text: &str) -> Result<Arc<[u8]>> {
    match text.strip_prefix("\\x") {
        Some(digits) => parse_hex(digits),
        None => parse_escaped(text.as_bytes()),
    }
}

/// Pairs of digits; blanks may stand between pairs.
pub(crate) fn parse_hex(text: &str) -> Result<Arc<[u8]>> {
    let mut out = Vec::with_capacity(text.len() / 2);
    let invalid = |words: String| Error::new(SqlState::INVALID_PARAMETER_VALUE, words);
    let digit = |letter: char| {
        let value = letter.to_digit(16);
        value.ok_or_else(|| invalid(format!("invalid hexadecimal digit: \"{letter}\"")))
    };
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        interrupt::spend(4)?;
        if matches!(letter, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = digit(letter)?;
        let odd = || invalid("invalid hexadecimal data: odd number of digits".to_owned());
        let low = digit(letters.next().ok_or_else(odd)?)?;
        out.push((high << 4 | low) as u8);
    }
    Ok(out.into())
}

pub(crate) fn parse_escaped(mut text: &[u8]) -> Result<Arc<[u8]>> {
    let mut out = Vec::with_capacity(text.len());
    loop {
        interrupt::spend(4)?;
        text = match text {
            [] => return Ok(out.into()),
            [b'\\', b'\\', rest @ ..] => {
                out.push(b'\\');
                rest
            }
            [
                b'\\',
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                rest @ ..,
            ] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [b'\\', ..] => {
                let words = "invalid input syntax for type bytea";
                return Err(Error::new(SqlState::INVALID_TEXT_REPRESENTATION, words));
            }
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
        };
    }
}

/// What writing a byte counts.
const BYTE_UNITS: usize = 16;

pub(super) fn format(bytes: &[u8], style: ByteaOutput, out: &mut String) {
    let goes_on = |_: &&u8| !interrupt::is_stopped(BYTE_UNITS);
    let mut bytes = bytes.iter().take_while(goes_on);
    let written = match style {
        ByteaOutput::Hex => {
            out.push_str("\\x");
            bytes.try_for_each(|byte| write!(out, "{byte:02x}"))
        }
        ByteaOutput::Escape => bytes.try_for_each(|byte| match byte {
            b'\\' => out.write_str("\\\\"),
            b' '..=b'~' => out.write_char(char::from(*byte)),
            other => write!(out, "\\{other:03o}"),
        }),
    };
    written.expect("writing to a string cannot fail");
}
