//! `numeric` on the wire: digits to the base 10000, as it is computed with.

use super::receive::Reader;
use crate::error::{Error, Result, SqlState};
use crate::modifier::Modifier;
use crate::numeric::{Numeric, Sign};

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xc000;
const INFINITE: u16 = 0xd000;
const NEGATIVE_INFINITE: u16 = 0xf000;
/// What stands where an infinity has no scale.
const INFINITE_SCALE: i32 = 0x20;
/// The bits of a scale that count.
const SCALE_MASK: u16 = 0x3fff;

pub(super) fn send(number: &Numeric, out: &mut Vec<u8>) {
    let (sign, weight, mut scale, digits) = number.to_parts();
    if matches!(sign, Sign::Infinite | Sign::NegativeInfinite) {
        scale = INFINITE_SCALE;
    }
    let sign = match sign {
        Sign::Positive => POSITIVE,
        Sign::Negative => NEGATIVE,
        Sign::NotANumber => NOT_A_NUMBER,
        Sign::Infinite => INFINITE,
        Sign::NegativeInfinite => NEGATIVE_INFINITE,
    };
    out.extend_from_slice(&(digits.len() as u16).to_be_bytes());
    out.extend_from_slice(&(weight as i16).to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&(scale as u16).to_be_bytes());
    digits
        .iter()
        .for_each(|digit| out.extend_from_slice(&digit.to_be_bytes()));
}

pub(super) fn receive(reader: &mut Reader<'_>, modifier: Modifier) -> Result<Numeric> {
    let invalid = |what: &str| {
        let words = format!("invalid {what} in external \"numeric\" value");
        Error::new(SqlState::INVALID_BINARY_REPRESENTATION, words)
    };
    let count = u16::from_be_bytes(reader.array()?);
    let weight = i16::from_be_bytes(reader.array()?);
    let sign = match u16::from_be_bytes(reader.array()?) {
        POSITIVE => Sign::Positive,
        NEGATIVE => Sign::Negative,
        NOT_A_NUMBER => Sign::NotANumber,
        INFINITE => Sign::Infinite,
        NEGATIVE_INFINITE => Sign::NegativeInfinite,
        _ => return Err(invalid("sign")),
    };
    let scale = u16::from_be_bytes(reader.array()?);
    if scale & !SCALE_MASK != 0 {
        return Err(invalid("scale"));
    }
    let mut digits = Vec::new();
    for _ in 0..count {
        let digit = u16::from_be_bytes(reader.array()?);
        if digit >= 10_000 {
            return Err(invalid("digit"));
        }
        digits.push(digit);
    }
    let number = Numeric::from_parts(sign, i32::from(weight), i32::from(scale), digits)?;
    number.with_modifier(modifier)
}
