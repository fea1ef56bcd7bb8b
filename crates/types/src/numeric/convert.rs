//! Numbers to and from other types, and the limits that a column declares.

use super::decimal::Decimal;
use super::{Numeric, Repr};
use crate::error::{Error, Result, SqlState};
use crate::modifier::Modifier;

/// Digits that survive from a `double precision`.
const FLOAT8_DIGITS: usize = 15;
/// Digits that survive from a `real`.
const FLOAT4_DIGITS: usize = 6;

impl From<i64> for Numeric {
    fn from(number: i64) -> Numeric {
        Numeric(Repr::Small {
            coefficient: number,
            scale: 0,
        })
    }
}

impl From<i32> for Numeric {
    fn from(number: i32) -> Numeric {
        Numeric::from(i64::from(number))
    }
}

impl From<i128> for Numeric {
    fn from(number: i128) -> Numeric {
        Numeric::new(number, 0).expect("39 digits are within the limits")
    }
}

impl Numeric {
    /// The fifteen digits of a `double precision` that are sure.
    pub fn from_f64(number: f64) -> Numeric {
        Numeric::from_float(number, FLOAT8_DIGITS)
    }

    /// The six digits of a `real` that are sure.
    pub fn from_f32(number: f32) -> Numeric {
        Numeric::from_float(f64::from(number), FLOAT4_DIGITS)
    }

    fn from_float(number: f64, digits: usize) -> Numeric {
        if number.is_nan() {
            return Numeric::NAN;
        }
        if number.is_infinite() {
            return Numeric::signed_infinite(number > 0.0);
        }
        let text = format!("{number:.*e}", digits - 1);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        let plain = format!("{mantissa}e{exponent}");
        Numeric::parse(&plain, Modifier::NONE).expect("a float has at most 400 digits")
    }

    fn signed_infinite(positive: bool) -> Numeric {
        if positive {
            Numeric::INFINITY
        } else {
            Numeric::NEGATIVE_INFINITY
        }
    }

    /// The nearest `double precision`; an error beyond its range.
    pub fn to_f64(&self) -> Result<f64> {
        match &self.0 {
            Repr::Small { coefficient, scale }
                if coefficient.unsigned_abs() < 1 << 53 && *scale <= 18 =>
            {
                // Both are exact, so that the one rounding is the right one.
                Ok(*coefficient as f64 / 10_u64.pow(u32::from(*scale)) as f64)
            }
            Repr::NotANumber => Ok(f64::NAN),
            Repr::Infinity => Ok(f64::INFINITY),
            Repr::NegativeInfinity => Ok(f64::NEG_INFINITY),
            Repr::Small { .. } | Repr::Large(_) => crate::io::parse_float8(&self.to_string()),
        }
    }

    /// The nearest `real`; an error beyond its range.
    pub fn to_f32(&self) -> Result<f32> {
        match &self.0 {
            Repr::NotANumber => Ok(f32::NAN),
            Repr::Infinity => Ok(f32::INFINITY),
            Repr::NegativeInfinity => Ok(f32::NEG_INFINITY),
            Repr::Small { .. } | Repr::Large(_) => crate::io::parse_float4(&self.to_string()),
        }
    }

    /// The nearest whole number, half away from zero, as `bigint`.
    pub fn to_i64(&self) -> Result<i64> {
        self.to_integer("bigint")
    }

    /// The nearest whole number as `integer`.
    pub fn to_i32(&self) -> Result<i32> {
        let whole = self.to_integer("integer")?;
        i32::try_from(whole).map_err(|_| Error::out_of_range("integer"))
    }

    /// The nearest whole number as `smallint`.
    pub fn to_i16(&self) -> Result<i16> {
        let whole = self.to_integer("smallint")?;
        i16::try_from(whole).map_err(|_| Error::out_of_range("smallint"))
    }

    fn to_integer(&self, type_name: &str) -> Result<i64> {
        let special = |what: &str| {
            let words = format!("cannot convert {what} to {type_name}");
            Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, words))
        };
        match &self.0 {
            Repr::Small {
                coefficient,
                scale: 0,
            } => Ok(*coefficient),
            Repr::NotANumber => special("NaN"),
            Repr::Infinity | Repr::NegativeInfinity => special("infinity"),
            Repr::Small { .. } | Repr::Large(_) => {
                let whole = self.digits_or_zero().rounded(0).normalized();
                whole
                    .to_coefficient()
                    .ok_or_else(|| Error::out_of_range(type_name))
            }
        }
    }

    /// The number as a column of `numeric(p, s)` takes it: rounded to the scale, an error if the
    /// precision does not hold it.
    pub fn with_modifier(&self, modifier: Modifier) -> Result<Numeric> {
        let Some((precision, scale)) = modifier.precision_and_scale() else {
            return Ok(self.clone());
        };
        if self.is_nan() {
            return Ok(self.clone());
        }
        if self.is_infinite() {
            return Err(field_overflow(format!(
                "A field with precision {precision}, scale {scale} cannot hold an infinite value."
            )));
        }
        if let Repr::Small {
            coefficient,
            scale: shown,
        } = &self.0
            && i32::from(*shown) == scale
            && (precision >= 19 || coefficient.unsigned_abs() < 10_u64.pow(precision as u32))
        {
            return Ok(self.clone());
        }
        Numeric::from_decimal(apply_modifier(self.digits_or_zero(), modifier)?)
    }
}

/// Rounds to the modifier's scale and checks its precision.
pub(super) fn apply_modifier(decimal: Decimal, modifier: Modifier) -> Result<Decimal> {
    let Some((precision, scale)) = modifier.precision_and_scale() else {
        return Ok(decimal);
    };
    let mut rounded = decimal.rounded(scale).normalized();
    rounded.scale = scale.max(0);
    let digits_max = precision - scale;
    let first = rounded.digits.first().copied().unwrap_or(0);
    let leading = first
        .checked_ilog10()
        .map_or(0, |exponent| exponent as i32 + 1);
    let digits = rounded
        .weight
        .saturating_mul(super::decimal::DIGITS)
        .saturating_add(leading);
    if !rounded.digits.is_empty() && digits > digits_max {
        let limit = if digits_max == 0 {
            "1".to_owned()
        } else {
            format!("10^{digits_max}")
        };
        return Err(field_overflow(format!(
            "A field with precision {precision}, scale {scale} must round to an absolute value \
             less than {limit}."
        )));
    }
    Ok(rounded)
}

fn field_overflow(detail: String) -> Error {
    Error::new(
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        "numeric field overflow",
    )
    .with_detail(detail)
}
