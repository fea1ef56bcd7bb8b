//! `uuid`: 32 hexadecimal digits, hyphens after any group of four, braces around.

use std::fmt::Write;

use crate::error::{Error, Result};

pub(super) fn parse(text: &str) -> Result<[u8; 16]> {
    let invalid = || Error::invalid_input("uuid", text);
    let bare = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(invalid)?,
        None => text,
    };
    let mut out = [0; 16];
    let mut digits = 0;
    let mut hyphen = false;
    for letter in bare.chars() {
        // A hyphen stands only between groups of four digits.
        if letter == '-' && digits % 4 == 0 && digits > 0 && digits < 32 && !hyphen {
            hyphen = true;
            continue;
        }
        let digit = letter.to_digit(16).ok_or_else(invalid)?;
        let byte = out.get_mut(digits / 2).ok_or_else(invalid)?;
        *byte = *byte << 4 | digit as u8;
        digits += 1;
        hyphen = false;
    }
    if digits == 32 && !hyphen {
        Ok(out)
    } else {
        Err(invalid())
    }
}

pub(super) fn format(bytes: &[u8; 16], out: &mut String) {
    for (index, byte) in bytes.iter().enumerate() {
        let hyphen = if matches!(index, 4 | 6 | 8 | 10) {
            "-"
        } else {
            ""
        };
        write!(out, "{hyphen}{byte:02x}").expect("writing to a string cannot fail");
    }
}
