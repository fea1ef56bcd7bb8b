//! Numbers as text.

use std::fmt::{self, Write as _};

use super::decimal::{DIGITS, Decimal};
use super::{Numeric, Repr, overflow};
use crate::error::{Error, Result};
use crate::modifier::Modifier;

const NAME: &str = "numeric";
/// Exponents beyond this are refused before anything is computed with them.
const EXPONENT_MAX: i64 = (i32::MAX / 2) as i64;

impl Numeric {
    /// Reads a number, rounding it to the modifier's scale.
    pub fn parse(text: &str, modifier: Modifier) -> Result<Numeric> {
        let trimmed = text.trim_matches(is_space);
        let special = match trimmed.to_ascii_lowercase().as_str() {
            "nan" => Some(Numeric::NAN),
            "infinity" | "+infinity" | "inf" | "+inf" => Some(Numeric::INFINITY),
            "-infinity" | "-inf" => Some(Numeric::NEGATIVE_INFINITY),
            _ => None,
        };
        if let Some(special) = special {
            return special.with_modifier(modifier);
        }
        if let Some(number) = parse_small(trimmed.as_bytes()) {
            return number.with_modifier(modifier);
        }
        let decimal = parse_decimal(trimmed).ok_or_else(|| Error::invalid_input(NAME, text))??;
        if modifier == Modifier::NONE {
            return Numeric::from_decimal(decimal);
        }
        Numeric::from_decimal(super::convert::apply_modifier(decimal, modifier)?)
    }
}

/// C's `isspace`.
fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// At most eighteen digits and a point: nearly every number there is.
fn parse_small(text: &[u8]) -> Option<Numeric> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.len() > 18 {
        return None;
    }
    let mut coefficient: i64 = 0;
    let mut point = None;
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => coefficient = coefficient * 10 + i64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(index),
            _ => return None,
        }
    }
    if digits.len() == usize::from(point.is_some()) {
        return None;
    }
    let scale = point.map_or(0, |point| digits.len() - point - 1) as u16;
    let coefficient = if negative { -coefficient } else { coefficient };
    Some(Numeric(Repr::Small { coefficient, scale }))
}

/// `None` if this is no number.
fn parse_decimal(text: &str) -> Option<Result<Decimal>> {
    let (negative, rest) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let exponent = match exponent {
        Some(exponent) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !all_digits(digits) {
                return None;
            }
            exponent.parse().unwrap_or(i64::MAX)
        }
        None => 0_i64,
    };
    if exponent.abs() >= EXPONENT_MAX {
        return Some(Err(overflow()));
    }
    let exponent = exponent as i32;
    let fraction_length = i32::try_from(fraction.len()).ok()?;
    let mut digits = Vec::with_capacity(whole.len() + fraction.len());
    digits.extend_from_slice(whole.as_bytes());
    digits.extend_from_slice(fraction.as_bytes());
    let scale = (fraction_length - exponent).max(0);
    Some(Ok(from_digits(
        negative,
        &digits,
        exponent - fraction_length,
        scale,
    )))
}

/// The number `digits * 10^exponent`, where `digits` are ASCII.
pub(super) fn from_digits(negative: bool, digits: &[u8], exponent: i32, scale: i32) -> Decimal {
    // Groups of four, aligned to the point.
    let low_weight = exponent.div_euclid(DIGITS);
    let pad = exponent.rem_euclid(DIGITS) as usize;
    let total = digits.len() + pad;
    let groups = total.div_ceil(DIGITS as usize);
    let mut out = vec![0_u16; groups];
    for (index, digit) in digits.iter().enumerate() {
        let from_right = total - 1 - index;
        let group = groups - 1 - from_right / DIGITS as usize;
        let unit = 10_u16.pow((from_right % DIGITS as usize) as u32);
        out[group] += u16::from(digit - b'0') * unit;
    }
    let weight = low_weight.saturating_add(groups as i32 - 1);
    Decimal {
        negative,
        weight,
        scale,
        digits: out,
    }
    .normalized()
}

impl fmt::Display for Numeric {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Small {
                coefficient,
                scale: 0,
            } => write!(out, "{coefficient}"),
            Repr::Small { coefficient, scale } => {
                let unit = 10_u64.pow(u32::from(*scale));
                let magnitude = coefficient.unsigned_abs();
                let sign = if *coefficient < 0 { "-" } else { "" };
                let width = usize::from(*scale);
                write!(
                    out,
                    "{sign}{}.{:0width$}",
                    magnitude / unit,
                    magnitude % unit
                )
            }
            Repr::Large(decimal) => decimal.fmt(out),
            Repr::NotANumber => out.write_str("NaN"),
            Repr::Infinity => out.write_str("Infinity"),
            Repr::NegativeInfinity => out.write_str("-Infinity"),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            out.write_char('-')?;
        }
        if self.weight < 0 {
            out.write_char('0')?;
        }
        for weight in (0..=self.weight).rev() {
            let digit = self.digit_at(weight);
            if weight == self.weight {
                write!(out, "{digit}")?
            } else {
                write!(out, "{digit:04}")?
            }
        }
        if self.scale > 0 {
            out.write_char('.')?;
        }
        let mut left = usize::try_from(self.scale).unwrap_or(0);
        let mut weight = -1;
        while left > 0 {
            let group = format!("{:04}", self.digit_at(weight));
            let shown = left.min(group.len());
            out.write_str(&group[..shown])?;
            left -= shown;
            weight -= 1;
        }
        Ok(())
    }
}
