//! The integer types.
//!
//! What is wrong with a text is said in PostgreSQL's order: digits that leave the range are out of
//! range even if letters follow, and the one number that only its negative fits is looked at last.

use super::is_space;
use crate::error::{Error, Result};

/// Reads a decimal integer; `name` is for the words of errors.
pub(super) fn parse<T: TryFrom<i64>>(text: &str, name: &str) -> Result<T> {
    let invalid = || Error::invalid_input(name, text);
    let out_of_range = || Error::value_out_of_range(name, text);
    let (negative, digits) = signed(text);
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 {
        return Err(invalid());
    }
    // Counted downwards, because there is one more number below zero than above.
    let below = digits[..count].bytes().try_fold(0_i64, |number, digit| {
        let next = number
            .checked_mul(10)?
            .checked_sub(i64::from(digit - b'0'))?;
        T::try_from(next).is_ok().then_some(next)
    });
    let below = below.ok_or_else(out_of_range)?;
    if !digits[count..].trim_start_matches(is_space).is_empty() {
        return Err(invalid());
    }
    let number = if negative {
        Some(below)
    } else {
        below.checked_neg()
    };
    let fitting = number.and_then(|number| T::try_from(number).ok());
    fitting.ok_or_else(out_of_range)
}

/// Reads an `oid`; negative numbers count from the end, as in C.
pub(super) fn parse_oid(text: &str) -> Result<u32> {
    const NAME: &str = "oid";
    let out_of_range = || Error::value_out_of_range(NAME, text);
    let (negative, digits) = signed(text);
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 {
        return Err(Error::invalid_input(NAME, text));
    }
    let number: u64 = digits[..count].parse().map_err(|_| out_of_range())?;
    if !digits[count..].trim_start_matches(is_space).is_empty() {
        return Err(Error::invalid_input(NAME, text));
    }
    let wrapped = if negative {
        number.wrapping_neg()
    } else {
        number
    };
    let signed = i32::try_from(wrapped as i64).map(|number| number as u32);
    let fitting = u32::try_from(wrapped).or(signed);
    fitting.map_err(|_| out_of_range())
}

/// Without blanks before it and a sign, which may be negative.
fn signed(text: &str) -> (bool, &str) {
    let text = text.trim_start_matches(is_space);
    match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}
