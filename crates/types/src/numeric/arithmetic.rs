//! The four operations and their relatives, with PostgreSQL's scales of results.
//!
//! - `+ -` show as many decimals as the operand that shows more;
//! - `*` shows those of both together;
//! - `/` shows enough for sixteen significant digits, at least those of each operand, and at most
//!   a thousand;
//! - `%` shows as many as the operand that shows more.

use super::decimal::{DIGITS, Decimal};
use super::{Numeric, Repr, SCALE_MAX};
use crate::error::{Error, Result};

/// Significant digits of a quotient.
pub(super) const SIGNIFICANT_DIGITS_MIN: i32 = 16;
/// Decimals of a quotient, at most.
pub(super) const DISPLAY_SCALE_MAX: i32 = 1000;

impl Numeric {
    /// `self + other`.
    pub fn add(&self, other: &Numeric) -> Result<Numeric> {
        if let Some((left, right, scale)) = self.aligned(other) {
            return Numeric::new(left + right, scale);
        }
        match (self.to_decimal(), other.to_decimal()) {
            (Some(left), Some(right)) => Numeric::from_decimal(left.add(&right)),
            _ => Ok(self.add_special(other)),
        }
    }

    /// `self - other`.
    pub fn subtract(&self, other: &Numeric) -> Result<Numeric> {
        if let Some((left, right, scale)) = self.aligned(other) {
            return Numeric::new(left - right, scale);
        }
        match (self.to_decimal(), other.to_decimal()) {
            (Some(left), Some(right)) => Numeric::from_decimal(left.subtract(&right)),
            _ => Ok(self.add_special(&other.negate())),
        }
    }

    /// `self * other`.
    pub fn multiply(&self, other: &Numeric) -> Result<Numeric> {
        if let (
            Repr::Small {
                coefficient: left,
                scale: left_scale,
            },
            Repr::Small {
                coefficient: right,
                scale: right_scale,
            },
        ) = (&self.0, &other.0)
        {
            return Numeric::new(
                i128::from(*left) * i128::from(*right),
                left_scale + right_scale,
            );
        }
        if let (Some(left), Some(right)) = (self.to_decimal(), other.to_decimal()) {
            let product = left.multiply(&right);
            let fits = product.scale <= SCALE_MAX;
            return Numeric::from_decimal(if fits {
                product
            } else {
                product.rounded(SCALE_MAX)
            });
        }
        Ok(match (self.signum(), other.signum()) {
            (Some(left), Some(right)) => Numeric::signed_infinity(left * right),
            _ => Numeric::NAN,
        })
    }

    /// `self / other`; an error if `other` is zero.
    pub fn divide(&self, other: &Numeric) -> Result<Numeric> {
        if let Some(special) = self.divide_special(other)? {
            return Ok(special);
        }
        if let Some(quotient) = self.divide_small(other) {
            return Ok(quotient);
        }
        let (left, right) = (self.digits_or_zero(), other.digits_or_zero());
        let scale = division_scale(&left, &right);
        Numeric::from_decimal(left.divide_rounded(&right, scale))
    }

    /// The whole part of `self / other`: `div()`.
    pub fn divide_truncated(&self, other: &Numeric) -> Result<Numeric> {
        if let Some(special) = self.divide_special(other)? {
            return Ok(special);
        }
        let (left, right) = (self.digits_or_zero(), other.digits_or_zero());
        Numeric::from_decimal(left.divide_truncated(&right, 0))
    }

    /// `self % other`, with the sign of `self`; an error if `other` is zero.
    pub fn remainder(&self, other: &Numeric) -> Result<Numeric> {
        if self.is_nan() || other.is_nan() {
            return Ok(Numeric::NAN);
        }
        if other.signum() == Some(0) {
            return Err(Error::division_by_zero());
        }
        if self.is_infinite() {
            return Ok(Numeric::NAN);
        }
        if other.is_infinite() {
            return Ok(self.clone());
        }
        if let Some((left, right, scale)) = self.aligned(other) {
            return Numeric::new(left % right, scale);
        }
        let (left, right) = (self.digits_or_zero(), other.digits_or_zero());
        let whole = left.divide_truncated(&right, 0);
        let mut taken = whole.multiply(&right);
        taken.scale = right.scale;
        Numeric::from_decimal(left.subtract(&taken))
    }

    /// `-self`.
    #[must_use]
    pub fn negate(&self) -> Numeric {
        Numeric(match &self.0 {
            Repr::Small { coefficient, scale } => match coefficient.checked_neg() {
                Some(coefficient) => Repr::Small {
                    coefficient,
                    scale: *scale,
                },
                None => Repr::Large(self.digits_or_zero().negated().into()),
            },
            Repr::Large(decimal) => Repr::Large(decimal.negated().into()),
            Repr::NotANumber => Repr::NotANumber,
            Repr::Infinity => Repr::NegativeInfinity,
            Repr::NegativeInfinity => Repr::Infinity,
        })
    }

    /// `|self|`.
    #[must_use]
    pub fn absolute(&self) -> Numeric {
        if self.signum() == Some(-1) {
            self.negate()
        } else {
            self.clone()
        }
    }

    /// `round(self, scale)`: half away from zero; a negative scale rounds to tens, hundreds, ...
    pub fn round(&self, scale: i32) -> Result<Numeric> {
        self.at_scale(scale, Decimal::rounded)
    }

    /// `trunc(self, scale)`.
    pub fn truncate(&self, scale: i32) -> Result<Numeric> {
        self.at_scale(scale, Decimal::truncated)
    }

    /// The least whole number that is not less.
    pub fn ceil(&self) -> Result<Numeric> {
        let whole = self.truncate(0)?;
        if whole < *self {
            whole.add(&Numeric::ONE)
        } else {
            Ok(whole)
        }
    }

    /// The greatest whole number that is not greater.
    pub fn floor(&self) -> Result<Numeric> {
        let whole = self.truncate(0)?;
        if whole > *self {
            whole.subtract(&Numeric::ONE)
        } else {
            Ok(whole)
        }
    }

    fn at_scale(&self, scale: i32, cut: impl Fn(&Decimal, i32) -> Decimal) -> Result<Numeric> {
        let Some(decimal) = self.to_decimal() else {
            return Ok(self.clone());
        };
        let mut result = cut(&decimal, scale.clamp(-(SCALE_MAX + 1) * 8, SCALE_MAX));
        result.scale = result.scale.max(0);
        Numeric::from_decimal(result)
    }

    /// Both coefficients at the scale of the one that shows more, if both are small.
    fn aligned(&self, other: &Numeric) -> Option<(i128, i128, u16)> {
        let (
            Repr::Small {
                coefficient: left,
                scale: left_scale,
            },
            Repr::Small {
                coefficient: right,
                scale: right_scale,
            },
        ) = (&self.0, &other.0)
        else {
            return None;
        };
        if left_scale == right_scale {
            return Some((i128::from(*left), i128::from(*right), *left_scale));
        }
        let scale = *left_scale.max(right_scale);
        let raise = |number: i64, by: u16| i128::from(number) * 10_i128.pow(u32::from(by));
        Some((
            raise(*left, scale - left_scale),
            raise(*right, scale - right_scale),
            scale,
        ))
    }

    /// Adds where one is no number.
    fn add_special(&self, other: &Numeric) -> Numeric {
        match (self.class(), other.class()) {
            (2, _) | (_, 2) | (1, -1) | (-1, 1) => Numeric::NAN,
            (0, class) | (class, _) => Numeric::signed_infinity(i32::from(class)),
        }
    }

    fn signed_infinity(sign: i32) -> Numeric {
        match sign {
            1 => Numeric::INFINITY,
            -1 => Numeric::NEGATIVE_INFINITY,
            // Zero times infinity.
            _ => Numeric::NAN,
        }
    }

    /// The quotient where one is no number, or the divisor is zero.
    fn divide_special(&self, other: &Numeric) -> Result<Option<Numeric>> {
        if self.is_nan() || other.is_nan() {
            return Ok(Some(Numeric::NAN));
        }
        if other.signum() == Some(0) {
            return Err(Error::division_by_zero());
        }
        Ok(match (self.is_infinite(), other.is_infinite()) {
            (true, true) => Some(Numeric::NAN),
            (true, false) => {
                let sign = self.signum().unwrap_or(0) * other.signum().unwrap_or(0);
                Some(Numeric::signed_infinity(sign))
            }
            (false, true) => Some(Numeric::ZERO),
            (false, false) => None,
        })
    }

    /// The quotient in `i128`, if everything fits.
    fn divide_small(&self, other: &Numeric) -> Option<Numeric> {
        let (
            Repr::Small {
                coefficient: left,
                scale: left_scale,
            },
            Repr::Small {
                coefficient: right,
                scale: right_scale,
            },
        ) = (&self.0, &other.0)
        else {
            return None;
        };
        let scale = self.with_digits(|_, weight, digits| {
            other.with_digits(|_, other_weight, other_digits| {
                let scale = division_scale_of((weight, digits), (other_weight, other_digits));
                scale
                    .max(i32::from(*left_scale))
                    .max(i32::from(*right_scale))
            })
        })??;
        let raise = scale + i32::from(*right_scale) - i32::from(*left_scale);
        let factor = 10_i128.checked_pow(u32::try_from(raise).ok()?)?;
        let dividend = i128::from(*left).checked_mul(factor)?;
        let divisor = i128::from(*right);
        let (quotient, rest) = (dividend / divisor, dividend % divisor);
        let up = rest.unsigned_abs() * 2 >= divisor.unsigned_abs();
        let away = if (dividend < 0) == (divisor < 0) {
            1
        } else {
            -1
        };
        let rounded = if up { quotient + away } else { quotient };
        Numeric::new(rounded, u16::try_from(scale).ok()?).ok()
    }

    /// The digits of a number that is known to have some.
    pub(super) fn digits_or_zero(&self) -> Decimal {
        self.to_decimal().unwrap_or_default()
    }
}

/// Decimals of a quotient (`select_div_scale`).
pub(super) fn division_scale(left: &Decimal, right: &Decimal) -> i32 {
    let (left_view, right_view) = (left.view(), right.view());
    division_scale_of((left_view.1, left_view.2), (right_view.1, right_view.2))
        .max(left.scale)
        .max(right.scale)
        .clamp(0, DISPLAY_SCALE_MAX)
}

/// The same from weights and digits, before the operands' own scales count.
fn division_scale_of(left: (i32, &[u16]), right: (i32, &[u16])) -> i32 {
    let first = |(weight, digits): (i32, &[u16])| match digits.first() {
        Some(digit) => (weight, *digit),
        None => (0, 0),
    };
    let (left_weight, left_digit) = first(left);
    let (right_weight, right_digit) = first(right);
    let weight = left_weight - right_weight - i32::from(left_digit <= right_digit);
    (SIGNIFICANT_DIGITS_MIN - weight * DIGITS).clamp(0, DISPLAY_SCALE_MAX)
}
