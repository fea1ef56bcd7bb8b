//! Numbers as text.
//!
//! First the number becomes digits with as many decimals as the template has, then the template is
//! filled with them from left to right.

use super::number::{Description, Node, Pattern, SignPlace, parse};
use super::{Ordinal, ordinal};
use crate::arithmetic::integer;
use crate::error::{Error, Result};
use crate::numeric::Numeric;
use crate::value::Value;

/// Decimal digits that floating-point types hold for certain.
const FLOAT4_DIGITS: usize = 6;
const FLOAT8_DIGITS: usize = 15;

/// The digits of a number, as the template wants them.
struct Digits {
    text: String,
    negative: bool,
    /// Places of the template before the first digit.
    blanks: usize,
}

impl Digits {
    /// Text that is shown as it is.
    fn whole(text: String) -> Digits {
        Digits {
            text,
            negative: false,
            blanks: 0,
        }
    }

    /// A number with its sign, at the places of a template; crosses if there are too few.
    fn placed(signed: &str, description: &Description) -> Digits {
        let negative = signed.starts_with('-');
        let text = signed.trim_start_matches('-');
        let length = text.find('.').unwrap_or(text.len());
        if length > description.before {
            return Digits {
                text: crosses(description, description.before),
                negative,
                blanks: 0,
            };
        }
        Digits {
            text: text.to_owned(),
            negative,
            blanks: description.before - length,
        }
    }
}

/// `##.##`: what is shown where a number has no room.
fn crosses(description: &Description, point: usize) -> String {
    let mut text = "#".repeat(point);
    text.push('.');
    text.push_str(&"#".repeat(description.after));
    text
}

pub(super) fn integer(number: i32, template: &str) -> Result<Value> {
    show(template, |description| {
        if description.roman {
            return Ok(Digits::whole(roman(number)));
        }
        if description.exponent {
            return Ok(Digits::whole(scientific(f64::from(number), description)));
        }
        let factor = 10_f64.powi(description.shift as i32) as i32;
        let number = match description.shifts {
            true => number.wrapping_mul(factor),
            false => number,
        };
        description.before += description.shift;
        Ok(whole(&number.to_string(), description))
    })
}

pub(super) fn bigint(number: i64, template: &str) -> Result<Value> {
    show(template, |description| {
        if description.roman {
            let number = i32::try_from(number).map_err(|_| Error::out_of_range("integer"))?;
            return Ok(Digits::whole(roman(number)));
        }
        if description.exponent {
            return exact_scientific(&Numeric::from(number), description);
        }
        let factor = 10_i64.checked_pow(description.shift as u32);
        let factor = factor.ok_or_else(|| Error::out_of_range("bigint"))?;
        let number = integer::multiply(number, factor)?;
        description.before += description.shift;
        Ok(whole(&number.to_string(), description))
    })
}

/// A whole number, with zeros after the point.
fn whole(number: &str, description: &Description) -> Digits {
    match description.after {
        0 => Digits::placed(number, description),
        after => Digits::placed(&format!("{number}.{:0after$}", 0), description),
    }
}

pub(super) fn numeric(number: &Numeric, template: &str) -> Result<Value> {
    show(template, |description| {
        if description.roman {
            return Ok(Digits::whole(roman(number.round(0)?.to_i32()?)));
        }
        if description.exponent {
            return exact_scientific(number, description);
        }
        let mut number = number.clone();
        if description.shifts {
            let factor = Numeric::from(10).power(&Numeric::from(description.shift as i64))?;
            number = number.multiply(&factor)?;
            description.before += description.shift;
        }
        let rounded = number.round(description.after as i32)?;
        Ok(Digits::placed(&rounded.to_string(), description))
    })
}

pub(super) fn float4(number: f32, template: &str) -> Result<Value> {
    float(
        f64::from(number),
        FLOAT4_DIGITS,
        template,
        |number, shift| f64::from(number as f32 * 10_f64.powi(shift) as f32),
    )
}

pub(super) fn float8(number: f64, template: &str) -> Result<Value> {
    float(number, FLOAT8_DIGITS, template, |number, shift| {
        number * 10_f64.powi(shift)
    })
}

fn float(
    number: f64,
    digits_max: usize,
    template: &str,
    shifted: fn(f64, i32) -> f64,
) -> Result<Value> {
    show(template, |description| {
        if description.roman {
            return Ok(Digits::whole(roman(number.round_ties_even() as i32)));
        }
        if description.exponent {
            return Ok(Digits::whole(match number.is_finite() {
                true => scientific(number, description),
                false => unknown_scientific(description),
            }));
        }
        let mut number = number;
        if description.shifts {
            number = shifted(number, description.shift as i32);
            description.before += description.shift;
        }
        let length = fixed(number.abs(), 0).len();
        description.after = description.after.min(digits_max.saturating_sub(length));
        Ok(Digits::placed(
            &fixed(number, description.after),
            description,
        ))
    })
}

fn fixed(number: f64, decimals: usize) -> String {
    match (number.is_nan(), number.is_infinite()) {
        (true, _) => "NaN".to_owned(),
        (_, true) if number > 0.0 => "Infinity".to_owned(),
        (_, true) => "-Infinity".to_owned(),
        _ => format!("{number:.decimals$}"),
    }
}

/// `1.23e+04`, with a blank or a sign before it.
fn scientific(number: f64, description: &Description) -> String {
    let text = format!("{number:.*e}", description.after);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    with_exponent(mantissa, exponent)
}

fn with_exponent(mantissa: &str, exponent: i32) -> String {
    let blank = if mantissa.starts_with('-') { "" } else { " " };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{blank}{mantissa}e{sign}{:02}", exponent.abs())
}

/// What is shown for NaN and the infinities.
fn unknown_scientific(description: &Description) -> String {
    let mut text = vec![b'#'; description.before + description.after + 6];
    text[0] = b' ';
    if let Some(point) = text.get_mut(description.before + 1) {
        *point = b'.';
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn exact_scientific(number: &Numeric, description: &Description) -> Result<Digits> {
    if !number.is_finite() {
        return Ok(Digits::whole(unknown_scientific(description)));
    }
    let text = number.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let digits = format!("{}{part}", whole.trim_start_matches('-'));
    let first = digits.find(|digit| digit != '0');
    let first = first.unwrap_or(whole.trim_start_matches('-').len().saturating_sub(1));
    let exponent = whole.trim_start_matches('-').len() as i32 - 1 - first as i32;
    let (head, tail) = digits[first..].split_at(1);
    let sign = if number.signum() == Some(-1) { "-" } else { "" };
    let mantissa = Numeric::parse(&format!("{sign}{head}.{tail}0"), crate::Modifier::NONE)?;
    let mantissa = mantissa.round(description.after as i32)?;
    Ok(Digits::whole(with_exponent(
        &mantissa.to_string(),
        exponent,
    )))
}

/// A number from 1 to 3999 in Roman digits; crosses for others.
fn roman(number: i32) -> String {
    if !(1..=3999).contains(&number) {
        return "#".repeat(15);
    }
    const DIGITS: [(i32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut rest = number;
    let mut text = String::new();
    for (value, digits) in DIGITS {
        while rest >= value {
            text.push_str(digits);
            rest -= value;
        }
    }
    text
}

fn show(template: &str, digits: impl FnOnce(&mut Description) -> Result<Digits>) -> Result<Value> {
    if template.is_empty() {
        return Ok(Value::text(""));
    }
    let (nodes, mut description) = parse(template)?;
    let digits = digits(&mut description)?;
    if description.exponent {
        return Ok(Value::from(digits.text));
    }
    Writer::new(description, digits)
        .write(&nodes)
        .map(Value::from)
}

/// The state of filling a template.
struct Writer {
    description: Description,
    digits: Vec<u8>,
    negative: bool,
    blanks: usize,
    /// The place of the next digit, and of the pattern that it is for.
    at: usize,
    place: usize,
    places: usize,
    /// The last digit that is shown under `FM`.
    last_relevant: Option<usize>,
    sign_written: bool,
    in_number: bool,
    out: String,
}

impl Writer {
    fn new(mut description: Description, digits: Digits) -> Writer {
        description.zero_start = description.zero_start.saturating_sub(1);
        let mut writer = Writer {
            negative: digits.negative,
            blanks: digits.blanks,
            digits: digits.text.into_bytes(),
            at: 0,
            place: 0,
            places: 0,
            last_relevant: None,
            sign_written: false,
            in_number: false,
            out: String::new(),
            description,
        };
        writer.prepare();
        writer
    }

    fn prepare(&mut self) {
        let it = &mut self.description;
        if it.roman {
            *it = Description {
                roman: true,
                fill: it.fill,
                zero_start: it.zero_start,
                zero_end: it.zero_end,
                shift: it.shift,
                ..Description::default()
            };
            self.blanks = 0;
        }
        if it.plus || it.minus {
            // These write the sign themselves; `PL` writes that of positive numbers only.
            self.sign_written = !it.plus || it.minus;
        } else {
            if !self.negative && it.brackets && it.fill {
                it.brackets = false;
            }
            let no_sign = it.roman || (!self.negative && it.fill && it.sign_place.is_none());
            self.sign_written = no_sign && !it.roman;
            if it.sign_place == Some(SignPlace::Before) && it.before == it.before_sign {
                it.sign_place = Some(SignPlace::After);
            }
        }
        self.places = (it.after + it.before).saturating_sub(1);
        if it.fill && it.has_point {
            self.last_relevant = last_relevant(&self.digits);
            if let Some(last) = &mut self.last_relevant
                && it.zero_end > self.blanks
            {
                let zero = (self.digits.len() - 1).min(it.zero_end - self.blanks);
                *last = (*last).max(zero);
            }
        }
        if !self.sign_written && self.blanks == 0 {
            self.places += 1;
        }
    }

    fn write(mut self, nodes: &[Node]) -> Result<String> {
        for node in nodes {
            match node {
                Node::Letter(letter) => self.out.push(*letter),
                Node::Pattern(pattern) => self.pattern(*pattern)?,
            }
        }
        Ok(self.out)
    }

    fn pattern(&mut self, pattern: Pattern) -> Result<()> {
        let fill = self.description.fill;
        match pattern {
            Pattern::Nine | Pattern::Zero | Pattern::Point | Pattern::LocalePoint => {
                self.digit(pattern == Pattern::Zero);
            }
            Pattern::Comma | Pattern::Group => match self.in_number {
                true => self.out.push(','),
                false if fill => (),
                false => self.out.push(' '),
            },
            Pattern::LocaleCurrency => self.out.push(' '),
            Pattern::Roman { upper } => {
                let text = String::from_utf8_lossy(&self.digits).into_owned();
                let text = if upper { text } else { text.to_lowercase() };
                let width = if fill { 0 } else { 15 };
                self.out.push_str(&format!("{text:>width$}"));
            }
            Pattern::Ordinal { upper } => self.ordinal(upper)?,
            Pattern::Minus | Pattern::Plus => {
                let (wanted, sign) = match pattern {
                    Pattern::Minus => (self.negative, '-'),
                    _ => (!self.negative, '+'),
                };
                match wanted {
                    true => self.out.push(sign),
                    false if fill => (),
                    false => self.out.push(' '),
                }
            }
            Pattern::Sign => self.out.push(if self.negative { '-' } else { '+' }),
            Pattern::Blank
            | Pattern::Currency
            | Pattern::Exponent
            | Pattern::Fill
            | Pattern::Brackets
            | Pattern::Spelled
            | Pattern::LocaleSign
            | Pattern::Shift => (),
        }
        Ok(())
    }

    fn ordinal(&mut self, upper: bool) -> Result<()> {
        let it = &self.description;
        if it.roman || self.digits.first() == Some(&b'#') || self.negative || it.has_point {
            return Ok(());
        }
        let case = if upper {
            Ordinal::Upper
        } else {
            Ordinal::Lower
        };
        let text = String::from_utf8_lossy(&self.digits).into_owned();
        self.out.push_str(ordinal(&text, case)?);
        Ok(())
    }

    fn current(&self) -> u8 {
        self.digits.get(self.at).copied().unwrap_or(0)
    }

    /// Whether all digits that are shown are before the point.
    fn ends_at_point(&self) -> bool {
        let last = self.last_relevant.and_then(|last| self.digits.get(last));
        last == Some(&b'.')
    }

    /// Whether this is the zero before a point that is not shown: ` .1`.
    fn is_hidden_zero(&self) -> bool {
        let it = &self.description;
        !it.has_zero && self.at == 0 && self.current() == b'0' && it.after != 0
    }

    /// A place of the number: a sign before its first digit, the digit, a sign after the last.
    fn digit(&mut self, is_zero: bool) {
        if self.description.roman {
            return;
        }
        self.in_number = false;
        self.sign_before();
        let it = &self.description;
        let before_number = self.place < self.blanks;
        if before_number && (it.zero_start > self.place || !it.has_zero) {
            if !it.fill {
                self.out.push(' ');
            }
        } else if before_number && it.has_zero {
            self.out.push('0');
            self.in_number = true;
        } else {
            self.own_digit(is_zero);
        }
        self.sign_after();
        self.place += 1;
    }

    fn sign_before(&mut self) {
        let it = &self.description;
        let here = self.place >= self.blanks || (it.has_zero && it.zero_start == self.place);
        if self.sign_written || !here || (self.is_hidden_zero() && !self.ends_at_point()) {
            return;
        }
        match it.sign_place {
            Some(SignPlace::Before) => {
                self.out.push(if self.negative { '-' } else { '+' });
                self.sign_written = true;
            }
            Some(SignPlace::After) => (),
            None => {
                match (it.brackets, self.negative) {
                    (true, true) => self.out.push('<'),
                    (false, true) => self.out.push('-'),
                    (true, false) => self.out.push(' '),
                    (false, false) if it.fill => (),
                    (false, false) => self.out.push(' '),
                }
                self.sign_written = true;
            }
        }
    }

    fn own_digit(&mut self, is_zero: bool) {
        let fill = self.description.fill;
        let beyond = self.last_relevant.is_some_and(|last| self.at > last);
        if self.current() == b'.' {
            if !self.ends_at_point() || fill {
                self.out.push('.');
            }
        } else if beyond && !is_zero {
            // Zeros at the end are not shown.
        } else if self.is_hidden_zero() {
            if !fill {
                self.out.push(' ');
            } else if self.ends_at_point() {
                self.out.push('0');
            }
        } else if self.at < self.digits.len() {
            self.out.push(char::from(self.current()));
            self.in_number = true;
        }
        if self.at < self.digits.len() {
            self.at += 1;
        }
    }

    fn sign_after(&mut self) {
        let it = &self.description;
        let mut end = self.places + usize::from(self.blanks > 0) + usize::from(it.has_point);
        if self.last_relevant == Some(self.at) {
            end = self.place;
        }
        if self.place + 1 != end {
            return;
        }
        if self.sign_written && it.brackets {
            self.out.push(if self.negative { '>' } else { ' ' });
        } else if it.sign_place == Some(SignPlace::After) {
            self.out.push(if self.negative { '-' } else { '+' });
        }
    }
}

/// The last digit after the point that is not zero, or the point.
fn last_relevant(digits: &[u8]) -> Option<usize> {
    let point = digits.iter().position(|digit| *digit == b'.')?;
    let after = digits[point + 1..].iter().rposition(|digit| *digit != b'0');
    Some(after.map_or(point, |place| point + 1 + place))
}
