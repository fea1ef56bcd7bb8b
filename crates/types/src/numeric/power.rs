//! Exponentials, logarithms and powers, with PostgreSQL's scales of results.
//!
//! Each result has at least sixteen significant digits, at least the decimals of the operands, and
//! at most a thousand. Arguments are brought near 0 or 1, where series converge quickly, and the
//! way there is undone afterwards with some digits more than are shown.

use std::f64::consts::{LN_10, LOG10_2, LOG10_E};

use super::arithmetic::{DISPLAY_SCALE_MAX, SIGNIFICANT_DIGITS_MIN};
use super::decimal::{DIGITS, Decimal};
use super::math::square_root;
use super::{Numeric, WEIGHT_MAX, overflow};
use crate::error::{Error, Result, SqlState};
use crate::interrupt;

/// Digits of the largest result, about: what is beyond is not even tried.
const RESULT_SCALE_MAX: f64 = 2000.0;
/// Digits that steps have beyond what their result needs.
const SPARE_DIGITS: i32 = 8;

impl Numeric {
    /// e to the power of the number.
    pub fn exp(&self) -> Result<Numeric> {
        if !self.is_finite() {
            let zero = *self == Numeric::NEGATIVE_INFINITY;
            return Ok(if zero { Numeric::ZERO } else { self.clone() });
        }
        let number = self.digits_or_zero().normalized();
        let weight = approximate(&number) * LOG10_E;
        let weight = weight.clamp(-RESULT_SCALE_MAX, RESULT_SCALE_MAX) as i32;
        let scale = shown(SIGNIFICANT_DIGITS_MIN - weight, &[&number]);
        Numeric::from_decimal(exponential(&number, scale)?)
    }

    /// The natural logarithm.
    pub fn ln(&self) -> Result<Numeric> {
        if !self.is_finite() {
            self.has_logarithm()?;
            return Ok(self.clone());
        }
        self.has_logarithm()?;
        let number = self.digits_or_zero().normalized();
        let scale = shown(
            SIGNIFICANT_DIGITS_MIN - logarithm_weight(&number),
            &[&number],
        );
        Numeric::from_decimal(logarithm(&number, scale))
    }

    /// The logarithm of a number to this base.
    pub fn log(&self, number: &Numeric) -> Result<Numeric> {
        if self.is_nan() || number.is_nan() {
            return Ok(Numeric::NAN);
        }
        let negative = [self, number]
            .into_iter()
            .find(|it| it.signum() == Some(-1));
        match negative {
            Some(negative) if !self.is_finite() || !number.is_finite() => {
                negative.has_logarithm()?;
            }
            _ => (),
        }
        self.has_logarithm()?;
        number.has_logarithm()?;
        match (self.is_infinite(), number.is_infinite()) {
            (true, true) => return Ok(Numeric::NAN),
            (true, false) => return Ok(Numeric::ZERO),
            (false, true) => return Ok(Numeric::INFINITY),
            (false, false) => (),
        }
        let base = self.digits_or_zero().normalized();
        let number = number.digits_or_zero().normalized();
        let (base_weight, weight) = (logarithm_weight(&base), logarithm_weight(&number));
        let result_weight = weight - base_weight;
        let scale = shown(SIGNIFICANT_DIGITS_MIN - result_weight, &[&base, &number]);
        let digits = scale + result_weight + SPARE_DIGITS;
        let ln_base = logarithm(&base, (digits - base_weight).max(0));
        let ln_number = logarithm(&number, (digits - weight).max(0));
        interrupt::finish()?;
        if ln_base.is_zero() {
            return Err(Error::division_by_zero());
        }
        Numeric::from_decimal(ln_number.divide_rounded(&ln_base, scale))
    }

    /// The number to the power of another.
    pub fn power(&self, exponent: &Numeric) -> Result<Numeric> {
        let undefined = |words: &str| Error::new(SqlState::INVALID_ARGUMENT_FOR_POWER, words);
        if self.is_nan() || exponent.is_nan() {
            let one = exponent.signum() == Some(0) || (!self.is_nan() && *self == Numeric::ONE);
            return Ok(if one { Numeric::ONE } else { Numeric::NAN });
        }
        let whole = exponent.is_infinite() || exponent.scale_needed() == Some(0);
        if self.signum() == Some(0) && exponent.signum() == Some(-1) {
            return Err(undefined("zero raised to a negative power is undefined"));
        }
        if self.signum() == Some(-1) && !whole {
            let words = "a negative number raised to a non-integer power yields a complex result";
            return Err(undefined(words));
        }
        if !self.is_finite() || !exponent.is_finite() {
            return self.power_special(exponent);
        }
        let (base, exponent_digits) = (self.digits_or_zero(), exponent.digits_or_zero());
        let (base, exponent_digits) = (base.normalized(), exponent_digits.normalized());
        if whole && let Ok(exponent) = exponent.to_i32() {
            let scale = shown(SIGNIFICANT_DIGITS_MIN, &[&base]);
            return Numeric::from_decimal(whole_power(&base, exponent, scale)?);
        }
        Numeric::from_decimal(broken_power(&base, &exponent_digits)?)
    }

    /// Powers where one of both is infinite, as POSIX has them for floating-point numbers.
    fn power_special(&self, exponent: &Numeric) -> Result<Numeric> {
        let either = |infinite: bool| match infinite {
            true => Numeric::INFINITY,
            false => Numeric::ZERO,
        };
        let up = exponent.signum() == Some(1);
        if *self == Numeric::ONE || exponent.signum() == Some(0) {
            return Ok(Numeric::ONE);
        }
        if self.signum() == Some(0) {
            return Ok(Numeric::ZERO);
        }
        if exponent.is_infinite() {
            if self.absolute() == Numeric::ONE {
                return Ok(Numeric::ONE);
            }
            return Ok(either((self.absolute() > Numeric::ONE) == up));
        }
        if self.signum() == Some(1) || !up {
            return Ok(either(up));
        }
        let odd = exponent.remainder(&Numeric::from(2))?.signum() != Some(0);
        Ok(match odd {
            true => Numeric::NEGATIVE_INFINITY,
            false => Numeric::INFINITY,
        })
    }

    /// Whether there is a logarithm, or why there is none.
    fn has_logarithm(&self) -> Result<()> {
        let words = match self.signum() {
            Some(0) => "cannot take logarithm of zero",
            Some(-1) => "cannot take logarithm of a negative number",
            _ => return Ok(()),
        };
        Err(Error::new(SqlState::INVALID_ARGUMENT_FOR_LOGARITHM, words))
    }
}

/// The decimals of a result that needs so many, and at least those of the operands.
fn shown(needed: i32, operands: &[&Decimal]) -> i32 {
    let scales = operands.iter().map(|operand| operand.scale);
    scales.fold(needed, i32::max).clamp(0, DISPLAY_SCALE_MAX)
}

/// The nearest floating-point number, infinite if there is none.
fn approximate(number: &Decimal) -> f64 {
    let mut text = String::from(if number.negative { "-0" } else { "0" });
    for digit in &number.digits {
        text.push_str(&format!("{digit:04}"));
    }
    let exponent = (number.weight + 1 - number.digits.len() as i32) * DIGITS;
    text.push_str(&format!("e{exponent}"));
    text.parse().unwrap_or(0.0)
}

fn one() -> Decimal {
    Decimal::from_parts(1, 0)
}

fn integer(number: i128) -> Decimal {
    Decimal::from_parts(number, 0).normalized()
}

fn times(left: &Decimal, right: &Decimal, scale: i32) -> Decimal {
    left.multiply(right).rounded(scale).normalized()
}

/// Zero with so many decimals.
fn nothing(scale: i32) -> Decimal {
    Decimal {
        scale,
        ..Decimal::default()
    }
}

/// `e^number`: the series of a part of the number, squared until it is the whole.
fn exponential(number: &Decimal, scale: i32) -> Result<Decimal> {
    let mut value = approximate(number);
    if value.abs() >= RESULT_SCALE_MAX * 3.0 {
        return match value > 0.0 {
            true => Err(overflow()),
            false => Ok(nothing(scale)),
        };
    }
    let weight = (value * LOG10_E) as i32;
    let mut halvings = 0;
    while value.abs() > 0.01 {
        halvings += 1;
        value /= 2.0;
    }
    let part = match halvings {
        0 => number.clone(),
        _ => number.divide_rounded(&integer(1 << halvings), number.scale + halvings),
    };
    let part = part.normalized();
    let digits = 1 + weight + scale + (f64::from(halvings) * LOG10_2) as i32;
    let digits = digits.max(0) + SPARE_DIGITS;
    let inner = digits - 1;
    let mut sum = one().add(&part);
    let mut term = times(&part, &part, inner);
    let mut count = 2;
    term = term.divide_rounded(&integer(count), inner).normalized();
    while !term.is_zero() {
        interrupt::finish()?;
        sum = sum.add(&term);
        count += 1;
        term = times(&term, &part, inner);
        term = term.divide_rounded(&integer(count), inner).normalized();
    }
    for _ in 0..halvings {
        interrupt::finish()?;
        let inner = (digits - sum.weight * 2 * DIGITS).max(0);
        sum = times(&sum, &sum, inner);
    }
    Ok(sum.rounded(scale))
}

/// The decimal weight of the logarithm's first digit, about.
fn logarithm_weight(number: &Decimal) -> i32 {
    if number.negative || number.is_zero() {
        return 0;
    }
    let near = |tenths: i128| Decimal::from_parts(tenths, 1).normalized();
    let above = number.compare_magnitude(&near(9)).is_ge();
    if above && number.compare_magnitude(&near(11)).is_le() {
        let distance = number.subtract(&one()).normalized();
        return match distance.digits.first() {
            Some(first) => distance.weight * DIGITS + f64::from(*first).log10() as i32,
            None => 0,
        };
    }
    let mut digits = f64::from(number.digits[0]);
    let mut weight = number.weight * DIGITS;
    if let Some(second) = number.digits.get(1) {
        digits = digits * 10_000.0 + f64::from(*second);
        weight -= DIGITS;
    }
    let logarithm = digits.ln() + f64::from(weight) * LN_10;
    logarithm.abs().log10() as i32
}

/// `ln(number)`: roots bring it near 1, where `ln(x) = 2 (z + z^3/3 + z^5/5 + ...)` with
/// `z = (x - 1) / (x + 1)`.
fn logarithm(number: &Decimal, scale: i32) -> Decimal {
    let near = |tenths: i128| Decimal::from_parts(tenths, 1).normalized();
    let (low, high) = (near(9), near(11));
    let mut number = number.clone();
    let mut roots = 0;
    while number.compare_magnitude(&low).is_le() || number.compare_magnitude(&high).is_ge() {
        if interrupt::is_stopped(1) {
            return number;
        }
        let inner = scale - number.weight * DIGITS / 2 + SPARE_DIGITS;
        number = square_root(&number, inner).rounded(inner).normalized();
        roots += 1;
    }
    let factor = (0..=roots).fold(one(), |factor, _| factor.add(&factor));
    let inner = scale + (f64::from(roots + 1) * LOG10_2) as i32 + SPARE_DIGITS;
    let less = number.subtract(&one()).normalized();
    let more = number.add(&one()).normalized();
    let mut sum = less.divide_rounded(&more, inner).normalized();
    let mut power = sum.clone();
    let square = times(&sum, &sum, inner);
    let mut count = 1;
    loop {
        count += 2;
        power = times(&power, &square, inner);
        let term = power.divide_rounded(&integer(count), inner).normalized();
        if term.is_zero() || interrupt::is_stopped(1) {
            break;
        }
        sum = sum.add(&term);
    }
    sum.multiply(&factor).rounded(scale)
}

/// A power whose exponent is no integer of 32 bits: `e^(exponent * ln(base))`.
fn broken_power(base: &Decimal, exponent: &Decimal) -> Result<Decimal> {
    if base.is_zero() {
        return Ok(nothing(SIGNIFICANT_DIGITS_MIN));
    }
    let odd = exponent.digit_at(0) % 2 == 1;
    let negative = base.negative && odd;
    let base = Decimal {
        negative: false,
        ..base.clone()
    };
    let weight = logarithm_weight(&base);
    let rough_scale = (SPARE_DIGITS - weight).max(0);
    let rough = times(
        &logarithm(&base, rough_scale).normalized(),
        exponent,
        rough_scale,
    );
    let value = approximate(&rough);
    if value.abs() > RESULT_SCALE_MAX * 3.01 {
        return match value > 0.0 {
            true => Err(overflow()),
            false => Ok(nothing(DISPLAY_SCALE_MAX)),
        };
    }
    let result_weight = (value * LOG10_E) as i32;
    let scale = shown(SIGNIFICANT_DIGITS_MIN - result_weight, &[&base, exponent]);
    let digits = (scale + result_weight).max(0);
    let inner = (digits - weight + SPARE_DIGITS).max(0);
    let product = times(&logarithm(&base, inner).normalized(), exponent, inner);
    let mut result = exponential(&product, scale)?;
    result.negative = negative && !result.is_zero();
    Ok(result)
}

/// A power by repeated squaring, with as many digits as the result needs.
fn whole_power(base: &Decimal, exponent: i32, scale: i32) -> Result<Decimal> {
    match exponent {
        0 => return Ok(one().rounded(scale)),
        1 => return Ok(base.rounded(scale)),
        -1 => return Ok(one().divide_rounded(base, scale)),
        2 => return Ok(base.multiply(base).rounded(scale)),
        _ => (),
    }
    if base.is_zero() {
        return Ok(nothing(scale));
    }
    let weight = power_weight(base, exponent);
    if weight > 3.0 * f64::from(WEIGHT_MAX * DIGITS) {
        return Err(overflow());
    }
    let least = f64::from(scale.min(DISPLAY_SCALE_MAX));
    if weight + 1.0 < -least {
        return Ok(nothing(scale));
    }
    let spare = f64::from(exponent).abs().ln() as i32 + SPARE_DIGITS;
    let digits = 1 + scale + weight as i32 + spare;
    let negative = exponent < 0;
    let mut bits = exponent.unsigned_abs();
    let mut square = base.clone();
    let mut result = if bits & 1 == 1 { base.clone() } else { one() };
    bits >>= 1;
    while bits > 0 {
        interrupt::finish()?;
        let inner = digits - 2 * square.weight * DIGITS;
        let inner = inner.min(2 * square.scale).max(0);
        square = times(&square, &square, inner);
        if bits & 1 == 1 {
            let inner = digits - (square.weight + result.weight) * DIGITS;
            let inner = inner.min(square.scale + result.scale).max(0);
            result = times(&square, &result, inner);
        }
        interrupt::finish()?;
        if square.weight > WEIGHT_MAX || result.weight > WEIGHT_MAX {
            return match negative {
                true => Ok(nothing(scale)),
                false => Err(overflow()),
            };
        }
        bits >>= 1;
    }
    interrupt::finish()?;
    match negative {
        true if result.is_zero() => Err(Error::division_by_zero()),
        true => Ok(one().divide_rounded(&result.normalized(), scale)),
        false => Ok(result.rounded(scale)),
    }
}

/// The decimal weight of a whole power, about.
fn power_weight(base: &Decimal, exponent: i32) -> f64 {
    let mut head = 0.0;
    let mut weight = (base.weight + 1) * DIGITS;
    for digit in base.digits.iter().take(4) {
        head = head * 10_000.0 + f64::from(*digit);
        weight -= DIGITS;
    }
    f64::from(exponent) * (head.log10() + f64::from(weight))
}
