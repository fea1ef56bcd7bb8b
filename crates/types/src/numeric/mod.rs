//! `numeric`: decimal numbers of up to 131072 digits before the point and 16383 after it.
//!
//! ```text
//! Numeric ── Small    an i64 and a count of decimals: nearly every number there is
//!         ── Large    Decimal, shared: digits to the base 10000, as PostgreSQL has them
//!         ── NaN, Infinity, -Infinity
//! ```
//!
//! A number keeps how many decimals it shows: `1.50` stays `1.50`, and equals `1.5`. Results have
//! as many decimals as PostgreSQL gives them, so that `1/3` prints the same twenty digits; the
//! rules are in [`arithmetic`](self) beside the operations. Small numbers are computed in `i128`
//! where the result fits, else as `Decimal`; tests compare both ways.

mod arithmetic;
mod codec;
mod convert;
mod decimal;
mod math;
mod power;
mod text;

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub(crate) use codec::{decode_key, decode_row, decode_small_row, encode_key, encode_row};
use decimal::{Decimal, SmallDigits};

use crate::error::{Error, Result, SqlState};
use crate::interrupt;

/// The most digits after the point.
pub const SCALE_MAX: i32 = 16383;
/// The greatest weight: digits before the point, in groups of four, less one.
const WEIGHT_MAX: i32 = 0x7fff;
/// The most decimals of a [`Repr::Small`].
const SMALL_SCALE_MAX: i32 = 18;
/// The same: as many decimals as cells of a column can show.
pub const CELL_SCALE_MAX: u16 = SMALL_SCALE_MAX as u16;

/// A decimal number, NaN, or an infinity.
#[derive(Clone)]
pub struct Numeric(Repr);

#[derive(Clone)]
enum Repr {
    Small { coefficient: i64, scale: u16 },
    Large(Arc<Decimal>),
    NotANumber,
    Infinity,
    NegativeInfinity,
}

/// What comes before the digits of a number, or instead of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sign {
    Positive,
    Negative,
    NotANumber,
    Infinite,
    NegativeInfinite,
}

impl Numeric {
    /// Not a number.
    pub const NAN: Numeric = Numeric(Repr::NotANumber);
    /// Greater than every number.
    pub const INFINITY: Numeric = Numeric(Repr::Infinity);
    /// Less than every number.
    pub const NEGATIVE_INFINITY: Numeric = Numeric(Repr::NegativeInfinity);
    /// Zero without decimals.
    pub const ZERO: Numeric = Numeric(Repr::Small {
        coefficient: 0,
        scale: 0,
    });
    /// One without decimals.
    pub const ONE: Numeric = Numeric(Repr::Small {
        coefficient: 1,
        scale: 0,
    });

    /// `coefficient / 10^scale`, shown with `scale` decimals.
    pub fn new(coefficient: i128, scale: u16) -> Result<Numeric> {
        if i32::from(scale) <= SMALL_SCALE_MAX
            && let Ok(coefficient) = i64::try_from(coefficient)
        {
            return Ok(Numeric(Repr::Small { coefficient, scale }));
        }
        Numeric::from_decimal(Decimal::from_parts(coefficient, i32::from(scale)))
    }

    /// `coefficient / 10^scale`, for a scale of at most [`CELL_SCALE_MAX`].
    #[inline]
    pub(crate) fn small(coefficient: i64, scale: u16) -> Numeric {
        debug_assert!(scale <= CELL_SCALE_MAX);
        Numeric(Repr::Small { coefficient, scale })
    }

    /// The coefficient, and how many decimals it has: `coefficient / 10^scale`. `None` for what
    /// has more than 18 decimals or digits, and for what is no number.
    #[inline]
    pub fn as_small(&self) -> Option<(i64, u16)> {
        match self.0 {
            Repr::Small { coefficient, scale } => Some((coefficient, scale)),
            _ => None,
        }
    }

    /// Checks the limits of the format, as every result must.
    fn from_decimal(decimal: Decimal) -> Result<Numeric> {
        interrupt::finish()?;
        let decimal = decimal.normalized();
        if decimal.weight > WEIGHT_MAX || decimal.scale > SCALE_MAX {
            return Err(overflow());
        }
        if decimal.scale <= SMALL_SCALE_MAX
            && let Some(coefficient) = decimal.to_coefficient()
        {
            return Ok(Numeric(Repr::Small {
                coefficient,
                scale: decimal.scale as u16,
            }));
        }
        Ok(Numeric(Repr::Large(Arc::new(decimal))))
    }

    /// The number as digits; `None` if it is NaN or an infinity.
    fn to_decimal(&self) -> Option<Decimal> {
        match &self.0 {
            Repr::Small { coefficient, scale } => Some(Decimal::from_parts(
                i128::from(*coefficient),
                i32::from(*scale),
            )),
            Repr::Large(decimal) => Some(Decimal::clone(decimal)),
            Repr::NotANumber | Repr::Infinity | Repr::NegativeInfinity => None,
        }
    }

    /// Whether this is NaN.
    pub const fn is_nan(&self) -> bool {
        matches!(self.0, Repr::NotANumber)
    }

    /// Whether this is one of the infinities.
    pub const fn is_infinite(&self) -> bool {
        matches!(self.0, Repr::Infinity | Repr::NegativeInfinity)
    }

    /// Whether this is neither NaN nor infinite.
    pub const fn is_finite(&self) -> bool {
        matches!(self.0, Repr::Small { .. } | Repr::Large(_))
    }

    /// How many decimals are shown; `None` without digits.
    pub fn scale(&self) -> Option<i32> {
        match &self.0 {
            Repr::Small { scale, .. } => Some(i32::from(*scale)),
            Repr::Large(decimal) => Some(decimal.scale),
            Repr::NotANumber | Repr::Infinity | Repr::NegativeInfinity => None,
        }
    }

    /// How many decimals are needed to show the number; `None` without digits.
    pub fn scale_needed(&self) -> Option<i32> {
        let decimal = self.to_decimal()?.normalized();
        let Some(last) = decimal.digits.last() else {
            return Some(0);
        };
        // Each digit is four decimals, of which the last may be zeros.
        let zeros = (1..4).take_while(|places| last % 10_u16.pow(*places) == 0);
        let below = decimal.digits.len() as i32 - 1 - decimal.weight;
        Some((below * decimal::DIGITS - zeros.count() as i32).max(0))
    }

    /// -1, 0 or 1; NaN has none.
    pub fn signum(&self) -> Option<i32> {
        match &self.0 {
            Repr::Small { coefficient, .. } => Some(coefficient.signum() as i32),
            Repr::Large(decimal) if decimal.digits.is_empty() => Some(0),
            Repr::Large(decimal) => Some(if decimal.negative { -1 } else { 1 }),
            Repr::Infinity => Some(1),
            Repr::NegativeInfinity => Some(-1),
            Repr::NotANumber => None,
        }
    }

    /// Calls `f` with sign, weight and digits; no allocation. Not for NaN and infinities.
    fn with_digits<T>(&self, f: impl FnOnce(bool, i32, &[u16]) -> T) -> Option<T> {
        match &self.0 {
            Repr::Small { coefficient, scale } => {
                let small = SmallDigits::new(coefficient.unsigned_abs(), u32::from(*scale));
                Some(f(*coefficient < 0, small.weight, small.digits()))
            }
            Repr::Large(decimal) => Some(f(decimal.negative, decimal.weight, &decimal.digits)),
            Repr::NotANumber | Repr::Infinity | Repr::NegativeInfinity => None,
        }
    }

    /// Sign, weight, decimals shown, and digits to the base 10000 without zeros at their ends.
    pub(crate) fn to_parts(&self) -> (Sign, i32, i32, Vec<u16>) {
        let special = |sign| (sign, 0, 0, Vec::new());
        match self.0 {
            Repr::NotANumber => return special(Sign::NotANumber),
            Repr::Infinity => return special(Sign::Infinite),
            Repr::NegativeInfinity => return special(Sign::NegativeInfinite),
            Repr::Small { .. } | Repr::Large(_) => {}
        }
        let decimal = self.to_decimal().unwrap_or_default().normalized();
        let sign = if decimal.negative {
            Sign::Negative
        } else {
            Sign::Positive
        };
        let weight = if decimal.digits.is_empty() {
            0
        } else {
            decimal.weight
        };
        (sign, weight, decimal.scale, decimal.digits)
    }

    /// The number of these parts; decimals that are not shown are cut off.
    pub(crate) fn from_parts(
        sign: Sign,
        weight: i32,
        scale: i32,
        digits: Vec<u16>,
    ) -> Result<Numeric> {
        let negative = match sign {
            Sign::NotANumber => return Ok(Numeric::NAN),
            Sign::Infinite => return Ok(Numeric::INFINITY),
            Sign::NegativeInfinite => return Ok(Numeric::NEGATIVE_INFINITY),
            Sign::Positive => false,
            Sign::Negative => true,
        };
        let whole = Decimal {
            negative,
            weight,
            scale: scale.max(0),
            digits,
        };
        Numeric::from_decimal(whole.truncated(scale))
    }

    /// The place in the order of what is no number.
    fn class(&self) -> i8 {
        match self.0 {
            Repr::NegativeInfinity => -1,
            Repr::Small { .. } | Repr::Large(_) => 0,
            Repr::Infinity => 1,
            Repr::NotANumber => 2,
        }
    }
}

fn overflow() -> Error {
    Error::new(
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        "value overflows numeric format",
    )
}

impl Ord for Numeric {
    fn cmp(&self, other: &Numeric) -> Ordering {
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
            if left_scale == right_scale {
                return left.cmp(right);
            }
            // At most 18 more digits each: this fits.
            let raise = |number: i64, by: u16| i128::from(number) * 10_i128.pow(u32::from(by));
            let common = *left_scale.max(right_scale);
            return raise(*left, common - left_scale).cmp(&raise(*right, common - right_scale));
        }
        let same_class = self.with_digits(|negative, weight, digits| {
            other.with_digits(|other_negative, other_weight, other_digits| {
                decimal::compare_signed(
                    (negative, weight, digits),
                    (other_negative, other_weight, other_digits),
                )
            })
        });
        same_class
            .flatten()
            .unwrap_or_else(|| self.class().cmp(&other.class()))
    }
}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Numeric) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Numeric) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Numeric {}

impl Hash for Numeric {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let hashed = self.with_digits(|negative, weight, digits| {
            let digits = decimal::trim(digits);
            if let Some(leading) = digits.iter().position(|digit| *digit != 0) {
                state.write_u8(u8::from(negative));
                state.write_i32(weight - leading as i32);
                digits[leading..]
                    .iter()
                    .for_each(|digit| state.write_u16(*digit));
            }
        });
        if hashed.is_none() {
            state.write_i8(self.class());
        }
    }
}

impl std::fmt::Debug for Numeric {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests;
