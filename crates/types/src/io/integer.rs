//! The integer types.

use super::is_space;
use crate::error::{Error, Result};

/// Reads a decimal integer; `name` is for the words of errors.
pub(super) fn parse<T: TryFrom<i64>>(text: &str, name: &str) -> Result<T> {
    let trimmed = text.trim_matches(is_space);
    let (negative, digits) = match trimmed.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        whole => (false, whole),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Error::invalid_input(name, text));
    }
    // Counted downwards, because there is one more number below zero than above.
    let below = digits.iter().try_fold(0_i64, |number, digit| {
        number.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))
    });
    let number = below.and_then(|below| {
        if negative {
            Some(below)
        } else {
            below.checked_neg()
        }
    });
    let fitting = number.and_then(|number| T::try_from(number).ok());
    fitting.ok_or_else(|| Error::value_out_of_range(name, text))
}

/// Reads an `oid`; negative numbers count from the end, as in C.
pub(super) fn parse_oid(text: &str) -> Result<u32> {
    let number: i64 = parse(text, "oid")?;
    let wrapped = i32::try_from(number).ok().map(|number| number as u32);
    let fitting = u32::try_from(number).ok().or(wrapped);
    fitting.ok_or_else(|| Error::value_out_of_range("oid", text))
}
