//! Numbers as bytes: compact in rows, ordered in keys.
//!
//! `docs/format/row.md` and `docs/format/key.md` describe both.

use std::sync::Arc;

use super::decimal::{BASE, Decimal};
use super::{Numeric, Repr, SCALE_MAX, SMALL_SCALE_MAX, WEIGHT_MAX};
use crate::error::{Error, Result};

// The first byte in a row: below 19 it is the scale of a small number.
const ROW_LARGE: u8 = 32;
const ROW_LARGE_NEGATIVE: u8 = 33;
const ROW_NAN: u8 = 34;
const ROW_INFINITY: u8 = 35;
const ROW_NEGATIVE_INFINITY: u8 = 36;

// The first byte in a key.
const KEY_NEGATIVE_INFINITY: u8 = 1;
const KEY_NEGATIVE: u8 = 2;
const KEY_ZERO: u8 = 3;
const KEY_POSITIVE: u8 = 4;
const KEY_INFINITY: u8 = 5;
const KEY_NAN: u8 = 6;

const WEIGHT_BIAS: i32 = 0x8000;

/// Appends the number as rows hold it; its length is kept outside.
pub(crate) fn encode_row(number: &Numeric, out: &mut Vec<u8>) {
    match &number.0 {
        Repr::Small { coefficient, scale } => {
            out.push(*scale as u8);
            let bytes = coefficient.to_le_bytes();
            // Bytes at the end that only repeat the sign are left out.
            let sign = if *coefficient < 0 { 0xff } else { 0 };
            let mut length = bytes.len();
            while length > 0
                && bytes[length - 1] == sign
                && (length == 1 && sign == 0
                    || length > 1 && (bytes[length - 2] ^ sign) & 0x80 == 0)
            {
                length -= 1;
            }
            out.extend_from_slice(&bytes[..length]);
        }
        Repr::Large(decimal) => {
            out.push(if decimal.negative {
                ROW_LARGE_NEGATIVE
            } else {
                ROW_LARGE
            });
            out.extend_from_slice(&(decimal.scale as u16).to_le_bytes());
            out.extend_from_slice(&(decimal.weight as i16).to_le_bytes());
            decimal
                .digits
                .iter()
                .for_each(|digit| out.extend_from_slice(&digit.to_le_bytes()));
        }
        Repr::NotANumber => out.push(ROW_NAN),
        Repr::Infinity => out.push(ROW_INFINITY),
        Repr::NegativeInfinity => out.push(ROW_NEGATIVE_INFINITY),
    }
}

/// Reads what [`encode_row`] wrote.
#[inline]
pub(crate) fn decode_row(bytes: &[u8]) -> Result<Numeric> {
    match decode_small_row(bytes) {
        Some((coefficient, scale)) => Ok(Numeric(Repr::Small { coefficient, scale })),
        None => decode_other(bytes),
    }
}

/// The same of a small number: its coefficient and scale. `None` for others.
#[inline]
pub(crate) fn decode_small_row(bytes: &[u8]) -> Option<(i64, u16)> {
    let (scale, rest) = bytes.split_first()?;
    if i32::from(*scale) > SMALL_SCALE_MAX {
        return None;
    }
    // The sign of the last byte goes on to the left.
    let coefficient = match *rest {
        [] => 0,
        [a] => i64::from(i8::from_le_bytes([a])),
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c] => i64::from(i32::from_le_bytes([0, a, b, c]) >> 8),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e] => i64::from_le_bytes([0, 0, 0, a, b, c, d, e]) >> 24,
        [a, b, c, d, e, f] => i64::from_le_bytes([0, 0, a, b, c, d, e, f]) >> 16,
        [a, b, c, d, e, f, g] => i64::from_le_bytes([0, a, b, c, d, e, f, g]) >> 8,
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => return None,
    };
    Some((coefficient, u16::from(*scale)))
}

fn decode_other(bytes: &[u8]) -> Result<Numeric> {
    let damaged = || Error::corrupted("numeric");
    let (first, rest) = bytes.split_first().ok_or_else(damaged)?;
    match *first {
        ROW_LARGE | ROW_LARGE_NEGATIVE => decode_large(*first == ROW_LARGE_NEGATIVE, rest),
        ROW_NAN if rest.is_empty() => Ok(Numeric::NAN),
        ROW_INFINITY if rest.is_empty() => Ok(Numeric::INFINITY),
        ROW_NEGATIVE_INFINITY if rest.is_empty() => Ok(Numeric::NEGATIVE_INFINITY),
        _ => Err(damaged()),
    }
}

fn decode_large(negative: bool, bytes: &[u8]) -> Result<Numeric> {
    let damaged = || Error::corrupted("numeric");
    let (head, digits) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
    let scale = i32::from(u16::from_le_bytes([head[0], head[1]]));
    let weight = i32::from(i16::from_le_bytes([head[2], head[3]]));
    let (pairs, odd) = digits.as_chunks::<2>();
    let digits: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let sound = odd.is_empty()
        && scale <= SCALE_MAX
        && digits.iter().all(|digit| u32::from(*digit) < BASE)
        && digits.first() != Some(&0)
        && digits.last() != Some(&0)
        && (!digits.is_empty() || (!negative && weight == 0));
    if !sound {
        return Err(damaged());
    }
    Ok(Numeric(Repr::Large(Arc::new(Decimal {
        negative,
        weight,
        scale,
        digits,
    }))))
}

/// Appends bytes that sort as the number does. How many decimals it shows is lost.
pub(crate) fn encode_key(number: &Numeric, out: &mut Vec<u8>) {
    let class = match &number.0 {
        Repr::NotANumber => KEY_NAN,
        Repr::Infinity => KEY_INFINITY,
        Repr::NegativeInfinity => KEY_NEGATIVE_INFINITY,
        Repr::Small { .. } | Repr::Large(_) => {
            number.with_digits(|negative, weight, digits| {
                encode_digits(negative, weight, digits, out);
            });
            return;
        }
    };
    out.push(class);
}

fn encode_digits(negative: bool, weight: i32, digits: &[u16], out: &mut Vec<u8>) {
    let Some((last, others)) = digits.split_last() else {
        out.push(KEY_ZERO);
        return;
    };
    let flip = if negative { 0xffff } else { 0 };
    out.push(if negative { KEY_NEGATIVE } else { KEY_POSITIVE });
    out.extend_from_slice(&(((weight + WEIGHT_BIAS) as u16) ^ flip).to_be_bytes());
    // The lowest bit says whether a digit follows, so that a number sorts before its extensions.
    for digit in others {
        out.extend_from_slice(&((digit << 1 | 1) ^ flip).to_be_bytes());
    }
    out.extend_from_slice(&((last << 1) ^ flip).to_be_bytes());
}

/// Reads what [`encode_key`] wrote from the start of `bytes`; `flip` is 0xff in a descending
/// column. Returns the number and how many bytes it took.
pub(crate) fn decode_key(bytes: &[u8], flip: u8) -> Result<(Numeric, usize)> {
    let damaged = || Error::corrupted("numeric key");
    let class = *bytes.first().ok_or_else(damaged)? ^ flip;
    let negative = match class {
        KEY_NEGATIVE_INFINITY => return Ok((Numeric::NEGATIVE_INFINITY, 1)),
        KEY_ZERO => return Ok((Numeric::ZERO, 1)),
        KEY_INFINITY => return Ok((Numeric::INFINITY, 1)),
        KEY_NAN => return Ok((Numeric::NAN, 1)),
        KEY_NEGATIVE => true,
        KEY_POSITIVE => false,
        _ => return Err(damaged()),
    };
    let flip = if negative { !flip } else { flip };
    let pair = |at: usize| -> Result<u16> {
        let pair = bytes.get(at..at + 2).ok_or_else(damaged)?;
        Ok(u16::from_be_bytes([pair[0] ^ flip, pair[1] ^ flip]))
    };
    let weight = i32::from(pair(1)?) - WEIGHT_BIAS;
    let mut digits = Vec::new();
    let mut at = 3;
    loop {
        let word = pair(at)?;
        at += 2;
        digits.push(word >> 1);
        if u32::from(word >> 1) >= BASE {
            return Err(damaged());
        }
        if word & 1 == 0 {
            break;
        }
    }
    if digits.first() == Some(&0) || digits.last() == Some(&0) || weight > WEIGHT_MAX {
        return Err(damaged());
    }
    Ok((
        Numeric::from_decimal(with_least_scale(negative, weight, digits)?)?,
        at,
    ))
}

/// The number with as many decimals as it needs.
fn with_least_scale(negative: bool, weight: i32, digits: Vec<u16>) -> Result<Decimal> {
    let lowest = weight - digits.len() as i32 + 1;
    let last = digits.last().copied().unwrap_or(0);
    let zeros = (1..4)
        .take_while(|power| last % 10_u16.pow(*power) == 0)
        .count() as i32;
    let scale = (-lowest * 4 - zeros).max(0);
    if scale > SCALE_MAX {
        return Err(Error::corrupted("numeric key"));
    }
    Ok(Decimal {
        negative,
        weight,
        scale,
        digits,
    })
}
