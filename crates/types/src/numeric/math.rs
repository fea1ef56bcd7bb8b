//! Roots.

use super::Numeric;
use super::arithmetic::{DISPLAY_SCALE_MAX, SIGNIFICANT_DIGITS_MIN};
use super::decimal::{BASE, DIGITS, Decimal};
use crate::error::{Error, Result, SqlState};
use crate::interrupt;

impl Numeric {
    /// The square root, with at least sixteen significant digits.
    pub fn sqrt(&self) -> Result<Numeric> {
        match self.signum() {
            Some(-1) => Err(Error::new(
                SqlState::INVALID_ARGUMENT_FOR_POWER,
                "cannot take square root of a negative number",
            )),
            None => Ok(Numeric::NAN),
            Some(_) if self.is_infinite() => Ok(Numeric::INFINITY),
            Some(_) => {
                let decimal = self.digits_or_zero();
                let whole_digits = (decimal.weight + 1) * DIGITS / 2 - 1;
                let scale = (SIGNIFICANT_DIGITS_MIN - whole_digits)
                    .max(decimal.scale)
                    .clamp(0, DISPLAY_SCALE_MAX);
                Numeric::from_decimal(square_root(&decimal, scale).rounded(scale))
            }
        }
    }

    /// The square root with so many decimals. The number is not negative.
    pub(crate) fn sqrt_at_scale(&self, scale: i32) -> Result<Numeric> {
        let root = square_root(&self.digits_or_zero(), scale);
        Numeric::from_decimal(root.rounded(scale))
    }
}

/// The root with one decimal more than `scale`, truncated; by Newton's method from above.
pub(super) fn square_root(number: &Decimal, scale: i32) -> Decimal {
    if number.is_zero() {
        return Decimal {
            scale,
            ..Decimal::default()
        };
    }
    // Whole-number root of `number * 10^(2 * (scale + 1))`: each step is exact, and the first
    // that does not decrease is the end.
    let places = scale + 1;
    let shift = Decimal::power_of_ten(2 * places);
    let target = number.multiply(&shift).truncated(0).normalized();
    let two = Decimal::from_parts(2, 0);
    let mut guess = first_guess(&target);
    loop {
        let quotient = target.divide_truncated(&guess, 0);
        let next = guess.add(&quotient).divide_truncated(&two, 0);
        if next.compare_magnitude(&guess).is_ge() || interrupt::is_stopped(1) {
            break;
        }
        guess = next;
    }
    let mut root = guess.multiply(&Decimal::power_of_ten(-places)).normalized();
    root.scale = places;
    root
}

/// A whole number not less than the root, close enough that few steps are needed.
fn first_guess(target: &Decimal) -> Decimal {
    let head = |index: usize| f64::from(target.digits.get(index).copied().unwrap_or(0));
    let base = f64::from(BASE);
    let mantissa = (head(0) * base + head(1)) * base + head(2) + 1.0;
    // `mantissa * base^(weight - 2)`, with the exponent made even.
    let exponent = target.weight - 2;
    let (mantissa, exponent) = if exponent % 2 == 0 {
        (mantissa, exponent)
    } else {
        (mantissa * base, exponent - 1)
    };
    let root = (mantissa.sqrt() + 1.0).ceil();
    let power = Decimal {
        weight: exponent / 2,
        digits: vec![1],
        ..Decimal::default()
    };
    let guess = Decimal::from_parts(root as i128, 0).multiply(&power);
    let mut whole = guess.truncated(0);
    whole = whole.add(&Decimal::from_parts(1, 0));
    whole.normalized()
}
