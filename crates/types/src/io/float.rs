//! `real` and `double precision`: the fewest digits that read back as the same number.
//!
//! Exponents are written below 1e-4 and from 1e15 (`double precision`) or 1e6 (`real`) on.
//! PostgreSQL's shortest digits lie strictly within the interval that reads back; Rust's may lie
//! on its border, if reading would round that border to the number. [`strictly_inside`] makes up
//! for the difference.

use std::fmt::Write;

use super::is_space;
use crate::error::{Error, Result};
use crate::modifier::Modifier;
use crate::numeric::Numeric;

const FLOAT8: &str = "double precision";
const FLOAT4: &str = "real";

pub(crate) fn parse_float8(text: &str) -> Result<f64> {
    let (number, digits) = parse(text, FLOAT8, |text| text.parse::<f64>().ok())?;
    if digits && (number.is_infinite() || (number == 0.0 && !is_zero(text))) {
        return Err(literal_out_of_range(text, FLOAT8));
    }
    Ok(number)
}

pub(crate) fn parse_float4(text: &str) -> Result<f32> {
    let (number, digits) = parse(text, FLOAT4, |text| text.parse::<f32>().ok())?;
    if digits && (number.is_infinite() || (number == 0.0 && !is_zero(text))) {
        return Err(literal_out_of_range(text, FLOAT4));
    }
    Ok(number)
}

/// The number, and whether it was written in digits.
fn parse<T>(text: &str, name: &str, read: impl Fn(&str) -> Option<T>) -> Result<(T, bool)> {
    let trimmed = text.trim_matches(is_space);
    let invalid = || Error::invalid_input(name, text);
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let digits = unsigned.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.');
    if !digits {
        let known = ["nan", "infinity", "inf"]
            .iter()
            .any(|word| unsigned.eq_ignore_ascii_case(word));
        if !known {
            return Err(invalid());
        }
    }
    Ok((read(trimmed).ok_or_else(invalid)?, digits))
}

/// Whether all digits before the exponent are zero.
fn is_zero(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    !mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

fn literal_out_of_range(text: &str, name: &str) -> Error {
    Error::new(
        crate::error::SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        format!(
            "\"{}\" is out of range for type {name}",
            text.trim_matches(is_space)
        ),
    )
}

/// Appends a `double precision`. `extra_digits` is the setting `extra_float_digits`: positive for
/// the shortest form that reads back, else so many digits more than 15.
pub fn format_float8(number: f64, extra_digits: i32, out: &mut String) {
    if !put_special(number, out) {
        if extra_digits > 0 {
            let shortest = format!("{number:e}");
            put_digits(&strictly_inside(number, shortest), 15, out);
        } else {
            let digits = (15 + extra_digits).max(1) as usize;
            put_digits(
                &trim_zeros(format!("{number:.*e}", digits - 1)),
                digits as i32,
                out,
            );
        }
    }
}

/// Appends a `real`; see [`format_float8`].
pub fn format_float4(number: f32, extra_digits: i32, out: &mut String) {
    if !put_special(f64::from(number), out) {
        if extra_digits > 0 {
            put_digits(&format!("{number:e}"), 6, out);
        } else {
            let digits = (6 + extra_digits).max(1) as usize;
            put_digits(
                &trim_zeros(format!("{number:.*e}", digits - 1)),
                digits as i32,
                out,
            );
        }
    }
}

fn put_special(number: f64, out: &mut String) -> bool {
    let word = match number {
        _ if number.is_nan() => "NaN",
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => return false,
    };
    out.push_str(word);
    true
}

/// Replaces digits that lie on the border of what reads back as `number`.
fn strictly_inside(number: f64, shortest: String) -> String {
    // A border has at most 53 significant bits and one more: short digits of such a number exist
    // only where it is large, and both ends are even.
    if number.abs() < 9.007_199_254_740_992e15 || number.to_bits() & 1 == 1 {
        return shortest;
    }
    let exact = |text: &str| Numeric::parse(text, Modifier::NONE).ok();
    let magnitude = number.abs();
    let next = f64::from_bits(magnitude.to_bits() + 1);
    let below = f64::from_bits(magnitude.to_bits() - 1);
    let written = exact(shortest.trim_start_matches('-'));
    let on_border = [next, below]
        .into_iter()
        .filter(|other| other.is_finite())
        .any(|other| {
            let sum = exact(&format!("{magnitude}"))
                .zip(exact(&format!("{other}")))
                .and_then(|(left, right)| left.add(&right).ok());
            let twice = written
                .as_ref()
                .and_then(|written| written.add(written).ok());
            sum.is_some() && sum == twice
        });
    if !on_border {
        return shortest;
    }
    let longer = (1..17).map(|digits| format!("{number:.digits$e}"));
    let least = shortest.len();
    longer
        .filter(|text| text.len() > least)
        .find(|text| text.parse() == Ok(number))
        .map_or(shortest, trim_zeros)
}

fn trim_zeros(text: String) -> String {
    match text.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => {
            let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
            format!("{mantissa}e{exponent}")
        }
        _ => text,
    }
}

/// Appends `d.ddde±x` in C's `%g` form, with an exponent from `exponent_from` on.
fn put_digits(scientific: &str, exponent_from: i32, out: &mut String) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    out.push_str(sign);
    if exponent < -4 || exponent >= exponent_from {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "{mantissa}e{sign}{:02}", exponent.abs())
            .expect("writing to a string cannot fail");
        return;
    }
    let digits: String = mantissa.chars().filter(|letter| *letter != '.').collect();
    if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
        out.push_str(&digits);
        return;
    }
    let whole = exponent as usize + 1;
    match digits.split_at_checked(whole) {
        Some((whole, "")) => out.push_str(whole),
        Some((whole, fraction)) => {
            out.push_str(whole);
            out.push('.');
            out.push_str(fraction);
        }
        None => {
            out.push_str(&digits);
            out.extend(std::iter::repeat_n('0', whole - digits.len()));
        }
    }
}
