//! `real` and `double precision`.
//!
//! A finite result that leaves the range is an error, in both directions: numbers do not become
//! infinite or zero by being too large or too small.

use crate::error::{Error, Result, SqlState};

/// A floating-point type of SQL.
pub trait Float:
    Copy
    + PartialEq
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
{
    /// Zero.
    const ZERO: Self;
    /// Whether this is one of the infinities.
    fn is_infinite(self) -> bool;
    /// Whether this is NaN.
    fn is_nan(self) -> bool;
}

impl Float for f32 {
    const ZERO: f32 = 0.0;

    fn is_infinite(self) -> bool {
        f32::is_infinite(self)
    }

    fn is_nan(self) -> bool {
        f32::is_nan(self)
    }
}

impl Float for f64 {
    const ZERO: f64 = 0.0;

    fn is_infinite(self) -> bool {
        f64::is_infinite(self)
    }

    fn is_nan(self) -> bool {
        f64::is_nan(self)
    }
}

fn out_of_range(problem: &str) -> Error {
    let words = format!("value out of range: {problem}");
    Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, words)
}

/// The result, unless it is infinite without an infinite operand.
fn not_too_large<T: Float>(result: T, infinite: bool) -> Result<T> {
    if result.is_infinite() && !infinite {
        Err(out_of_range("overflow"))
    } else {
        Ok(result)
    }
}

/// The result, unless it is zero where it should not be.
fn not_too_small<T: Float>(result: T, zero: bool) -> Result<T> {
    if result == T::ZERO && !zero {
        Err(out_of_range("underflow"))
    } else {
        Ok(result)
    }
}

/// `left + right`.
pub fn add<T: Float>(left: T, right: T) -> Result<T> {
    not_too_large(left + right, left.is_infinite() || right.is_infinite())
}

/// `left - right`.
pub fn subtract<T: Float>(left: T, right: T) -> Result<T> {
    not_too_large(left - right, left.is_infinite() || right.is_infinite())
}

/// `left * right`.
pub fn multiply<T: Float>(left: T, right: T) -> Result<T> {
    let product = not_too_large(left * right, left.is_infinite() || right.is_infinite())?;
    not_too_small(product, left == T::ZERO || right == T::ZERO)
}

/// `left / right`.
pub fn divide<T: Float>(left: T, right: T) -> Result<T> {
    if right == T::ZERO && !left.is_nan() {
        return Err(Error::division_by_zero());
    }
    let quotient = not_too_large(left / right, left.is_infinite())?;
    not_too_small(quotient, left == T::ZERO || right.is_infinite())
}

/// `base ^ exponent`.
pub fn power(base: f64, exponent: f64) -> Result<f64> {
    let undefined = |words: &str| Err(Error::new(SqlState::INVALID_ARGUMENT_FOR_POWER, words));
    if base.is_nan() || exponent.is_nan() {
        // One to any power is one, and so is anything to the power of zero.
        let one = (!base.is_nan() && base == 1.0) || (!exponent.is_nan() && exponent == 0.0);
        return Ok(if one { 1.0 } else { f64::NAN });
    }
    if base == 0.0 && exponent < 0.0 {
        return undefined("zero raised to a negative power is undefined");
    }
    if base < 0.0 && exponent.floor() != exponent {
        return undefined(
            "a negative number raised to a non-integer power yields a complex result",
        );
    }
    let result = base.powf(exponent);
    if base.is_infinite() || exponent.is_infinite() {
        return Ok(result);
    }
    not_too_small(not_too_large(result, false)?, base == 0.0)
}

/// `|/ number`.
pub fn square_root(number: f64) -> Result<f64> {
    if number < 0.0 {
        let words = "cannot take square root of a negative number";
        return Err(Error::new(SqlState::INVALID_ARGUMENT_FOR_POWER, words));
    }
    Ok(number.sqrt())
}

/// `||/ number`.
pub fn cube_root(number: f64) -> f64 {
    number.cbrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_neither_overflow_nor_vanish() {
        let message = |result: Result<f64>| result.unwrap_err().message().to_owned();
        assert_eq!(
            message(multiply(1e300, 1e300)),
            "value out of range: overflow"
        );
        assert_eq!(
            message(multiply(1e-300, 1e-300)),
            "value out of range: underflow"
        );
        assert_eq!(message(divide(1.0, 0.0)), "division by zero");
        assert!(divide(f64::NAN, 0.0).unwrap().is_nan());
        assert_eq!(add(f64::INFINITY, 1.0), Ok(f64::INFINITY));
        assert!(add(f32::MAX, f32::MAX).is_err());
        assert_eq!(power(f64::NAN, 0.0), Ok(1.0));
        assert!(power(-8.0, 0.5).is_err() && power(0.0, -1.0).is_err());
    }
}
