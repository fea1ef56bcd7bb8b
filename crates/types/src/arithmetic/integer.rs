//! `smallint`, `integer`, `bigint`.
//!
//! Division truncates towards zero, and the remainder has the sign of what is divided. Shifts by
//! more bits than there are count modulo the width of the machine word that PostgreSQL shifts in:
//! 32 bits, 64 for `bigint`.

use crate::error::{Error, Result};

/// A signed integer type of SQL.
pub trait Integer: Copy + PartialEq {
    /// The type's name in messages.
    const NAME: &'static str;
    /// Zero.
    const ZERO: Self;
    /// Minus one.
    const MINUS_ONE: Self;
    /// The sum, if it fits.
    fn checked_add(self, other: Self) -> Option<Self>;
    /// The difference, if it fits.
    fn checked_sub(self, other: Self) -> Option<Self>;
    /// The product, if it fits.
    fn checked_mul(self, other: Self) -> Option<Self>;
    /// The quotient, if it fits and `other` is not zero.
    fn checked_div(self, other: Self) -> Option<Self>;
    /// The remainder, if `other` is not zero.
    fn checked_rem(self, other: Self) -> Option<Self>;
    /// The negative, if it fits.
    fn checked_neg(self) -> Option<Self>;
    /// The magnitude, if it fits.
    fn checked_abs(self) -> Option<Self>;
    /// Bits moved up, as the machine does.
    fn shift_left(self, bits: i32) -> Self;
    /// Bits moved down, keeping the sign, as the machine does.
    fn shift_right(self, bits: i32) -> Self;
}

macro_rules! integer {
    ($($type:ident, $word:ident, $name:literal;)*) => {
        $(impl Integer for $type {
            const NAME: &'static str = $name;
            const ZERO: $type = 0;
            const MINUS_ONE: $type = -1;

            fn checked_add(self, other: $type) -> Option<$type> {
                $type::checked_add(self, other)
            }

            fn checked_sub(self, other: $type) -> Option<$type> {
                $type::checked_sub(self, other)
            }

            fn checked_mul(self, other: $type) -> Option<$type> {
                $type::checked_mul(self, other)
            }

            fn checked_div(self, other: $type) -> Option<$type> {
                $type::checked_div(self, other)
            }

            fn checked_rem(self, other: $type) -> Option<$type> {
                $type::checked_rem(self, other)
            }

            fn checked_neg(self) -> Option<$type> {
                $type::checked_neg(self)
            }

            fn checked_abs(self) -> Option<$type> {
                $type::checked_abs(self)
            }

            fn shift_left(self, bits: i32) -> $type {
                $word::from(self).wrapping_shl(bits as u32) as $type
            }

            fn shift_right(self, bits: i32) -> $type {
                $word::from(self).wrapping_shr(bits as u32) as $type
            }
        })*
    };
}

integer! {
    i16, i32, "smallint";
    i32, i32, "integer";
    i64, i64, "bigint";
}

fn in_range<T: Integer>(number: Option<T>) -> Result<T> {
    number.ok_or_else(|| Error::out_of_range(T::NAME))
}

/// `left + right`.
pub fn add<T: Integer>(left: T, right: T) -> Result<T> {
    in_range(left.checked_add(right))
}

/// `left - right`.
pub fn subtract<T: Integer>(left: T, right: T) -> Result<T> {
    in_range(left.checked_sub(right))
}

/// `left * right`.
pub fn multiply<T: Integer>(left: T, right: T) -> Result<T> {
    in_range(left.checked_mul(right))
}

/// `left / right`, truncated.
pub fn divide<T: Integer>(left: T, right: T) -> Result<T> {
    if right == T::ZERO {
        return Err(Error::division_by_zero());
    }
    in_range(left.checked_div(right))
}

/// `left % right`, with the sign of `left`.
pub fn remainder<T: Integer>(left: T, right: T) -> Result<T> {
    if right == T::ZERO {
        return Err(Error::division_by_zero());
    }
    // The least number divided by -1 has no quotient, but a remainder.
    if right == T::MINUS_ONE {
        return Ok(T::ZERO);
    }
    in_range(left.checked_rem(right))
}

/// `-number`.
pub fn negate<T: Integer>(number: T) -> Result<T> {
    in_range(number.checked_neg())
}

/// `@ number`, `abs(number)`.
pub fn absolute<T: Integer>(number: T) -> Result<T> {
    in_range(number.checked_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_an_error() {
        let message = |result: Result<i32>| result.unwrap_err().message().to_owned();
        assert_eq!(message(add(i32::MAX, 1)), "integer out of range");
        assert_eq!(message(divide(i32::MIN, -1)), "integer out of range");
        assert_eq!(message(divide(1, 0)), "division by zero");
        assert_eq!(remainder(i32::MIN, -1), Ok(0));
        assert_eq!(divide(-7_i64, 2), Ok(-3));
        assert_eq!(remainder(-7_i64, 2), Ok(-1));
        assert!(negate(i16::MIN).is_err() && absolute(i16::MIN).is_err());
    }

    #[test]
    fn shifts_count_modulo_the_word() {
        assert_eq!(1_i32.shift_left(33), 2);
        assert_eq!(1_i16.shift_left(16), 0);
        assert_eq!(1_i16.shift_left(33), 2);
        assert_eq!((-5_i64).shift_right(65), -3);
    }
}
