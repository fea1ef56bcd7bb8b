//! `real` and `double precision`: the fewest digits that read back as the same number.
//!
//! Exponents are written below 1e-4 and from 1e15 (`double precision`) or 1e6 (`real`) on.
//! PostgreSQL's shortest digits lie strictly within the interval that reads back, and of two that
//! are as near it takes the even one. Rust's may lie on the interval's border, if reading would
//! round that border to the number, and may be the odd one; [`shortest`] makes up for it.

use std::fmt::Write;

use super::is_space;
use crate::error::{Error, Result};
use crate::modifier::Modifier;
use crate::numeric::Numeric;

const FLOAT8: &str = "double precision";
const FLOAT4: &str = "real";

/// Where Rust's shortest digits need a second look.
struct Doubt {
    /// The fewest digits that can be one of two that are as near.
    digits_min: usize,
    /// From here on a number half-way between two floats can be written in the digits that are
    /// printed; below, it has too many decimals.
    border_min: f64,
}

const FLOAT8_DOUBT: Doubt = Doubt {
    digits_min: 15,
    border_min: 4_503_599_627_370_496.0,
};
const FLOAT4_DOUBT: Doubt = Doubt {
    digits_min: 6,
    border_min: 4_194_304.0,
};
/// From here on such a number has too many digits.
const BORDER_MAX: f64 = 1e40;

impl Doubt {
    fn has_border(&self, magnitude: f64) -> bool {
        (self.border_min..BORDER_MAX).contains(&magnitude)
    }
}

pub(crate) fn parse_float8(text: &str) -> Result<f64> {
    let read = read::<f64>(text, FLOAT8)?;
    if read.overflows(f64::is_infinite, |number| number == 0.0) {
        return Err(literal_out_of_range(read.literal, FLOAT8));
    }
    read.finish(text, FLOAT8)
}

pub(crate) fn parse_float4(text: &str) -> Result<f32> {
    let read = read::<f32>(text, FLOAT4)?;
    if read.overflows(f32::is_infinite, |number| number == 0.0) {
        return Err(literal_out_of_range(text, FLOAT4));
    }
    read.finish(text, FLOAT4)
}

/// A number from the start of a text.
struct Read<'a, T> {
    number: T,
    literal: &'a str,
    /// Written in digits, not as a word.
    digits: bool,
    rest: &'a str,
}

impl<T: Copy> Read<'_, T> {
    /// Whether digits became an infinity, or a zero that they are not.
    fn overflows(&self, infinite: impl Fn(T) -> bool, zero: impl Fn(T) -> bool) -> bool {
        self.digits && (infinite(self.number) || (zero(self.number) && !is_zero(self.literal)))
    }

    /// The number, if nothing but blanks follows it.
    fn finish(self, text: &str, name: &str) -> Result<T> {
        let end = self.rest.trim_start_matches(is_space).is_empty();
        end.then_some(self.number)
            .ok_or_else(|| Error::invalid_input(name, text))
    }
}

/// Reads what C's `strtod` takes from the start of a text, hexadecimal digits too.
fn read<'a, T: std::str::FromStr + FromHex>(text: &'a str, name: &str) -> Result<Read<'a, T>> {
    let invalid = || Error::invalid_input(name, text);
    let trimmed = text.trim_start_matches(is_space);
    let sign = usize::from(trimmed.starts_with(['+', '-']));
    let unsigned = &trimmed[sign..];
    let word = ["infinity", "inf", "nan"].into_iter().find(|word| {
        unsigned
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    });
    let (length, hexadecimal) = match (word, hexadecimal_length(unsigned)) {
        (Some(word), _) => (word.len(), false),
        (None, Some(length)) => (length, true),
        (None, None) => (decimal_length(unsigned).ok_or_else(invalid)?, false),
    };
    let (literal, rest) = trimmed.split_at(sign + length);
    let number = if hexadecimal {
        T::from_hexadecimal(literal)
    } else {
        literal.parse().ok()
    };
    Ok(Read {
        number: number.ok_or_else(invalid)?,
        literal,
        digits: word.is_none(),
        rest,
    })
}

/// The length of `1.5e3` at the start of a text; an exponent without digits is not part of it.
fn decimal_length(text: &str) -> Option<usize> {
    let digits = |from: usize| count_while(&text[from..], |byte| byte.is_ascii_digit());
    let whole = digits(0);
    let mut end = whole;
    if text[end..].starts_with('.') {
        let fraction = digits(end + 1);
        if whole + fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    }
    if end == 0 {
        return None;
    }
    Some(end + exponent_length(&text[end..], ['e', 'E']))
}

/// The length of `0x1.8p3` at the start of a text.
fn hexadecimal_length(text: &str) -> Option<usize> {
    let body = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))?;
    let digits = |from: usize| count_while(&body[from..], |byte| byte.is_ascii_hexdigit());
    let whole = digits(0);
    let mut end = whole;
    if body[end..].starts_with('.') && whole + digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    (end > 0).then(|| 2 + end + exponent_length(&body[end..], ['p', 'P']))
}

/// The length of a mark, a sign that may be missing, and digits; none of it without digits.
fn exponent_length(text: &str, marks: [char; 2]) -> usize {
    let Some(after) = text.strip_prefix(marks) else {
        return 0;
    };
    let sign = usize::from(after.starts_with(['+', '-']));
    match count_while(&after[sign..], |byte| byte.is_ascii_digit()) {
        0 => 0,
        digits => 1 + sign + digits,
    }
}

fn count_while(text: &str, wanted: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| wanted(*byte)).count()
}

/// Hexadecimal digits as a number, rounded half to even.
trait FromHex: Sized {
    fn from_hexadecimal(literal: &str) -> Option<Self>;
}

impl FromHex for f64 {
    fn from_hexadecimal(literal: &str) -> Option<f64> {
        hexadecimal_numeric(literal)?.parse().ok()
    }
}

impl FromHex for f32 {
    fn from_hexadecimal(literal: &str) -> Option<f32> {
        hexadecimal_numeric(literal)?.parse().ok()
    }
}

/// `0x1.8p1` in decimal digits, which Rust's parser rounds.
///
/// Every power of two has an end in decimal digits. An exponent beyond a float's range is brought
/// near its end first, where the result is zero or infinite all the same.
fn hexadecimal_numeric(literal: &str) -> Option<String> {
    let negative = literal.starts_with('-');
    let body = literal.trim_start_matches(['+', '-']).get(2..)?;
    let (mantissa, exponent) = body.split_once(['p', 'P']).unwrap_or((body, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let clamped = |text: &str| {
        text.parse()
            .unwrap_or(if text.starts_with('-') { -5000 } else { 5000 })
    };
    let places = i32::try_from(fraction.len()).ok()? * 4;
    let exponent: i32 = clamped(exponent).clamp(-5000, 5000) - places;
    let two = Numeric::from(2_i64);
    let sixteen = Numeric::from(16_i64);
    let mut number = Numeric::ZERO;
    for digit in whole.chars().chain(fraction.chars()) {
        let digit = Numeric::from(i64::from(digit.to_digit(16)?));
        number = number.multiply(&sixteen).ok()?.add(&digit).ok()?;
    }
    let half = Numeric::parse("0.5", Modifier::NONE).ok()?;
    let factor = if exponent < 0 { half } else { two };
    for _ in 0..exponent.unsigned_abs() {
        number = number.multiply(&factor).ok()?;
    }
    Some(format!("{}{number}", if negative { "-" } else { "" }))
}

/// Whether all digits before the exponent are zero.
fn is_zero(text: &str) -> bool {
    let hexadecimal =
        text.trim_start_matches(['+', '-']).starts_with(['0']) && text.contains(['x', 'X']);
    let marks = if hexadecimal { ['p', 'P'] } else { ['e', 'E'] };
    let mantissa = text.split(marks).next().unwrap_or(text);
    !mantissa
        .bytes()
        .any(|byte| byte != b'0' && byte.is_ascii_hexdigit())
}

fn literal_out_of_range(text: &str, name: &str) -> Error {
    Error::new(
        crate::error::SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("\"{text}\" is out of range for type {name}"),
    )
}

/// Appends a `double precision`. `extra_digits` is the setting `extra_float_digits`: positive for
/// the shortest form that reads back, else so many digits more than 15.
pub fn format_float8(number: f64, extra_digits: i32, out: &mut String) {
    if put_special(number, out) {
        return;
    }
    if extra_digits > 0 {
        let magnitude = number.abs();
        let neighbours = [magnitude.next_up(), magnitude.next_down()];
        let digits = shortest(magnitude, format!("{magnitude:e}"), &FLOAT8_DOUBT, |text| {
            text.parse() == Ok(magnitude)
                && !(FLOAT8_DOUBT.has_border(magnitude) && is_half_way(text, magnitude, neighbours))
        });
        put_digits(number.is_sign_negative(), &digits, 15, out);
    } else {
        put_rounded(number, 15 + extra_digits, out);
    }
}

/// Appends a `real`; see [`format_float8`].
pub fn format_float4(number: f32, extra_digits: i32, out: &mut String) {
    let wide = f64::from(number);
    if put_special(wide, out) {
        return;
    }
    if extra_digits > 0 {
        let near = number.abs();
        let magnitude = f64::from(near);
        let neighbours = [near.next_up(), near.next_down()].map(f64::from);
        let digits = shortest(magnitude, format!("{near:e}"), &FLOAT4_DOUBT, |text| {
            text.parse() == Ok(near)
                && !(FLOAT4_DOUBT.has_border(magnitude) && is_half_way(text, magnitude, neighbours))
        });
        put_digits(number.is_sign_negative(), &digits, 6, out);
    } else {
        put_rounded(wide, 6 + extra_digits, out);
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

/// The digits to print: those of Rust's shortest form, rounded to the number's nearest, half to
/// even; more of them if these are no good.
fn shortest(
    magnitude: f64,
    short: String,
    doubt: &Doubt,
    reads_back: impl Fn(&str) -> bool,
) -> String {
    const DIGITS_MAX: usize = 17;
    let mantissa = short.split('e').next().unwrap_or(&short);
    let count = mantissa.len() - usize::from(mantissa.contains('.'));
    let has_border = doubt.has_border(magnitude);
    if count < doubt.digits_min && !has_border {
        return short;
    }
    let nearest = |digits: usize| trim_zeros(format!("{magnitude:.*e}", digits - 1));
    let first = nearest(count);
    if reads_back(&first) {
        return first;
    }
    // Below a power of two the nearest digits may not read back, where others do.
    if reads_back(&short) {
        return short;
    }
    (count + 1..=DIGITS_MAX)
        .map(nearest)
        .find(|text| reads_back(text))
        .unwrap_or(short)
}

/// Whether digits lie just between a number and one of its neighbours. Only for
/// magnitudes that three decimals write exactly.
fn is_half_way(text: &str, magnitude: f64, neighbours: [f64; 2]) -> bool {
    let exact = |number: f64| Numeric::parse(&format!("{number:.3}"), Modifier::NONE).ok();
    let written = Numeric::parse(text, Modifier::NONE).ok();
    let twice = written.and_then(|written| written.add(&written).ok());
    neighbours.into_iter().any(|neighbour| {
        let sum = exact(magnitude).zip(exact(neighbour));
        let sum = sum.and_then(|(left, right)| left.add(&right).ok());
        sum.is_some() && sum == twice
    })
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

/// Appends a number rounded to so many digits, at least one.
fn put_rounded(number: f64, digits: i32, out: &mut String) {
    let digits = digits.max(1);
    let rounded = trim_zeros(format!("{:.*e}", digits as usize - 1, number.abs()));
    put_digits(number.is_sign_negative(), &rounded, digits, out);
}

/// Appends `d.ddde±x` in C's `%g` form, with an exponent from `exponent_from` on.
fn put_digits(negative: bool, scientific: &str, exponent_from: i32, out: &mut String) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if negative {
        out.push('-');
    }
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
