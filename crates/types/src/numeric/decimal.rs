//! Decimal digits to the base 10000, and the school's arithmetic on them.
//!
//! `digits[i]` counts `10000^(weight - i)`. A normalized number has neither a leading nor a
//! trailing zero digit, and zero has none and is not negative. `scale` is how many decimals are
//! shown, which may be more than there are and (in a normalized number) never fewer.

use std::cmp::Ordering;

use crate::interrupt;

/// Decimal digits in one `u16`.
pub(super) const DIGITS: i32 = 4;
pub(super) const BASE: u32 = 10_000;

/// A finite decimal number.
#[derive(Clone, Debug, Default)]
pub(super) struct Decimal {
    pub(super) negative: bool,
    pub(super) weight: i32,
    pub(super) scale: i32,
    pub(super) digits: Vec<u16>,
}

/// The digits of a small number, on the stack. Leading and trailing zeros may be there, but not
/// both a leading zero and a digit: the first digit is never zero.
pub(super) struct SmallDigits {
    digits: [u16; 10],
    count: usize,
    pub(super) weight: i32,
}

impl SmallDigits {
    /// `coefficient / 10^scale`.
    pub(super) fn new(coefficient: u64, scale: u32) -> SmallDigits {
        SmallDigits::wide(u128::from(coefficient), scale)
    }

    /// The same for coefficients of up to 36 digits.
    fn wide(coefficient: u128, scale: u32) -> SmallDigits {
        let pad = (DIGITS as u32 - scale % DIGITS as u32) % DIGITS as u32;
        let low_weight = -(((scale + pad) / DIGITS as u32) as i32);
        let mut rest = coefficient * 10_u128.pow(pad);
        let mut digits = [0; 10];
        let mut count = 0;
        while rest != 0 {
            let digit = if let Ok(short) = u64::try_from(rest) {
                rest = u128::from(short / u64::from(BASE));
                short % u64::from(BASE)
            } else {
                let digit = rest % u128::from(BASE);
                rest /= u128::from(BASE);
                digit as u64
            };
            digits[count] = digit as u16;
            count += 1;
        }
        digits[..count].reverse();
        let weight = low_weight + count as i32 - 1;
        let trimmed = trim(&digits[..count]).len();
        SmallDigits {
            digits,
            count: trimmed,
            weight: if trimmed == 0 { 0 } else { weight },
        }
    }

    pub(super) fn digits(&self) -> &[u16] {
        &self.digits[..self.count]
    }
}

/// Without trailing zeros.
pub(super) fn trim(digits: &[u16]) -> &[u16] {
    let end = digits
        .iter()
        .rposition(|digit| *digit != 0)
        .map_or(0, |last| last + 1);
    &digits[..end]
}

/// Sign, weight and normalized digits.
type View<'a> = (bool, i32, &'a [u16]);

/// The order of two numbers.
pub(super) fn compare_signed(left: View<'_>, right: View<'_>) -> Ordering {
    let sign = |(negative, _, digits): View<'_>| match (digits.is_empty(), negative) {
        (true, _) => 0,
        (false, true) => -1,
        (false, false) => 1,
    };
    let magnitudes = || left.1.cmp(&right.1).then_with(|| left.2.cmp(right.2));
    match (sign(left), sign(right)) {
        (1, 1) => magnitudes(),
        (-1, -1) => magnitudes().reverse(),
        (left, right) => left.cmp(&right),
    }
}

impl Decimal {
    /// `coefficient / 10^scale`, where the coefficient has at most 36 digits.
    pub(super) fn from_parts(coefficient: i128, scale: i32) -> Decimal {
        let magnitude = coefficient.unsigned_abs();
        if magnitude < 10_u128.pow(35) {
            let small = SmallDigits::wide(magnitude, scale as u32);
            let digits = small.digits().to_vec();
            return Decimal {
                negative: coefficient < 0,
                weight: small.weight,
                scale,
                digits,
            };
        }
        let split = 10_u128.pow(20);
        let high = Decimal::from_parts((magnitude / split) as i128, 0);
        let low = Decimal::from_parts((magnitude % split) as i128, 0);
        let shifted = Decimal {
            weight: high.weight + 5,
            ..high
        };
        let mut whole = shifted.add_magnitude(&low);
        whole.negative = coefficient < 0;
        whole.scale_down(scale)
    }

    /// Divides by `10^scale`, exactly.
    fn scale_down(self, scale: i32) -> Decimal {
        let text = self.normalized().to_plain_digits();
        super::text::from_digits(self.negative, text.as_bytes(), -scale, scale)
    }

    /// The digits of an integer, as text.
    fn to_plain_digits(&self) -> String {
        let mut text = String::new();
        for index in 0..=self.weight.max(0) {
            let digit = self.digits.get(index as usize).copied().unwrap_or(0);
            text.push_str(&format!("{digit:04}"));
        }
        text
    }

    pub(super) fn is_zero(&self) -> bool {
        self.digits.iter().all(|digit| *digit == 0)
    }

    pub(super) fn view(&self) -> View<'_> {
        (self.negative, self.weight, &self.digits)
    }

    /// Without zeros at either end.
    #[must_use]
    pub(super) fn normalized(&self) -> Decimal {
        let trimmed = trim(&self.digits);
        let leading = trimmed.iter().take_while(|digit| **digit == 0).count();
        let digits = trimmed[leading..].to_vec();
        if digits.is_empty() {
            return Decimal {
                negative: false,
                weight: 0,
                scale: self.scale,
                digits,
            };
        }
        let weight = self.weight - leading as i32;
        Decimal {
            negative: self.negative,
            weight,
            scale: self.scale,
            digits,
        }
    }

    /// The number times `10^scale`, if that is an `i64`.
    pub(super) fn to_coefficient(&self) -> Option<i64> {
        let mut whole: i128 = 0;
        if self.weight > 5 {
            return None;
        }
        let last = -((self.scale + DIGITS - 1) / DIGITS);
        for weight in (last..=self.weight.max(-1)).rev() {
            let digit = self.digit_at(weight);
            whole = whole
                .checked_mul(i128::from(BASE))?
                .checked_add(i128::from(digit))?;
        }
        let pad = (-last * DIGITS - self.scale) as u32;
        let whole = whole / 10_i128.pow(pad);
        i64::try_from(if self.negative { -whole } else { whole }).ok()
    }

    /// The digit that counts `10000^weight`.
    pub(super) fn digit_at(&self, weight: i32) -> u16 {
        let index = usize::try_from(self.weight - weight).ok();
        index
            .and_then(|index| self.digits.get(index))
            .copied()
            .unwrap_or(0)
    }

    /// The order of magnitudes. Both are normalized.
    pub(super) fn compare_magnitude(&self, other: &Decimal) -> Ordering {
        compare_signed(
            (false, self.weight, &self.digits),
            (false, other.weight, &other.digits),
        )
    }

    /// `|self| + |other|`; shows the decimals of both.
    pub(super) fn add_magnitude(&self, other: &Decimal) -> Decimal {
        let (top, bottom) = self.span(other);
        let mut digits = vec![0; (top - bottom + 2) as usize];
        let mut carry = 0;
        for weight in bottom..=top {
            let sum = self.digit_at(weight) + other.digit_at(weight) + carry;
            carry = u16::from(u32::from(sum) >= BASE);
            digits[(top + 1 - weight) as usize] = sum - carry * BASE as u16;
        }
        digits[0] = carry;
        let scale = self.scale.max(other.scale);
        Decimal {
            negative: false,
            weight: top + 1,
            scale,
            digits,
        }
        .normalized()
    }

    /// `|self| - |other|`, where `self` is not the smaller.
    pub(super) fn subtract_magnitude(&self, other: &Decimal) -> Decimal {
        let (top, bottom) = self.span(other);
        let mut digits = vec![0; (top - bottom + 1) as usize];
        let mut borrow = 0;
        for weight in bottom..=top {
            let left = i32::from(self.digit_at(weight)) - borrow;
            let difference = left - i32::from(other.digit_at(weight));
            borrow = i32::from(difference < 0);
            digits[(top - weight) as usize] = (difference + borrow * BASE as i32) as u16;
        }
        let scale = self.scale.max(other.scale);
        Decimal {
            negative: false,
            weight: top,
            scale,
            digits,
        }
        .normalized()
    }

    /// The greatest and least weight of the digits of both.
    fn span(&self, other: &Decimal) -> (i32, i32) {
        let low = |number: &Decimal| number.weight - number.digits.len() as i32 + 1;
        let top = self.weight.max(other.weight);
        (top, low(self).min(low(other)).min(top))
    }

    pub(super) fn add(&self, other: &Decimal) -> Decimal {
        let mut sum = if self.negative == other.negative {
            Decimal {
                negative: self.negative,
                ..self.add_magnitude(other)
            }
        } else {
            match self.compare_magnitude(other) {
                Ordering::Less => Decimal {
                    negative: other.negative,
                    ..other.subtract_magnitude(self)
                },
                _ => Decimal {
                    negative: self.negative,
                    ..self.subtract_magnitude(other)
                },
            }
        };
        sum.negative &= !sum.digits.is_empty();
        sum
    }

    pub(super) fn subtract(&self, other: &Decimal) -> Decimal {
        self.add(&other.negated())
    }

    #[must_use]
    pub(super) fn negated(&self) -> Decimal {
        Decimal {
            negative: !self.negative && !self.digits.is_empty(),
            ..self.clone()
        }
    }

    /// The exact product. It is of no use if [`interrupt::finish`] fails.
    pub(super) fn multiply(&self, other: &Decimal) -> Decimal {
        let mut sums = vec![0_u64; self.digits.len() + other.digits.len() + 1];
        for (left_index, left) in self.digits.iter().enumerate() {
            if interrupt::is_stopped(other.digits.len()) {
                break;
            }
            // A sum grows by less than 10^8 per row: 10^10 rows would be needed to overflow it.
            for (right_index, right) in other.digits.iter().enumerate() {
                sums[left_index + right_index + 1] += u64::from(*left) * u64::from(*right);
            }
        }
        let mut digits = vec![0; sums.len()];
        let mut carry = 0;
        for (sum, digit) in sums.iter().zip(&mut digits).rev() {
            let whole = sum + carry;
            *digit = (whole % u64::from(BASE)) as u16;
            carry = whole / u64::from(BASE);
        }
        let negative = self.negative != other.negative;
        let weight = self.weight + other.weight + 1;
        Decimal {
            negative,
            weight,
            scale: self.scale + other.scale,
            digits,
        }
        .normalized()
    }

    /// Keeps `scale` decimals, rounding half away from zero. A negative scale rounds to tens,
    /// hundreds, ...
    #[must_use]
    pub(super) fn rounded(&self, scale: i32) -> Decimal {
        let (mut cut, removed) = self.cut(scale);
        if removed * 2 >= 10_u64.pow(4) {
            let one = Decimal::power_of_ten(-scale);
            let negative = cut.negative || (cut.digits.is_empty() && self.negative);
            cut = Decimal {
                negative,
                ..cut.add_magnitude(&one)
            };
        }
        Decimal { scale, ..cut }
    }

    /// Keeps `scale` decimals and drops the rest.
    #[must_use]
    pub(super) fn truncated(&self, scale: i32) -> Decimal {
        Decimal {
            scale,
            ..self.cut(scale).0
        }
    }

    /// The number with `scale` decimals, and the next four decimal digits that were cut off.
    fn cut(&self, scale: i32) -> (Decimal, u64) {
        let weight = -scale.div_euclid(DIGITS) - i32::from(scale.rem_euclid(DIGITS) != 0);
        let unit = 10_u32.pow((weight * -DIGITS - scale) as u32);
        let digit = u32::from(self.digit_at(weight));
        let below = u32::from(self.digit_at(weight - 1));
        let removed = (digit % unit * BASE + below) / unit;
        let kept = usize::try_from(self.weight - weight + 1).unwrap_or(0);
        let mut digits: Vec<u16> = self.digits.iter().copied().take(kept).collect();
        if kept > 0 && digits.len() == kept {
            digits[kept - 1] -= (digit % unit) as u16;
        }
        (
            Decimal {
                digits,
                ..self.clone()
            }
            .normalized(),
            u64::from(removed),
        )
    }

    /// `10^exponent`.
    pub(super) fn power_of_ten(exponent: i32) -> Decimal {
        let weight = exponent.div_euclid(DIGITS);
        let digit = 10_u16.pow(exponent.rem_euclid(DIGITS) as u32);
        Decimal {
            negative: false,
            weight,
            scale: (-exponent).max(0),
            digits: vec![digit],
        }
    }
}

mod division;
