//! Long division of decimals: Knuth's algorithm D to the base 10000.

use super::{BASE, DIGITS, Decimal};
use crate::interrupt;

impl Decimal {
    /// `self / divisor` with `scale` decimals, rounded half away from zero. The divisor is not
    /// zero; both are normalized.
    pub(in crate::numeric) fn divide_rounded(&self, divisor: &Decimal, scale: i32) -> Decimal {
        // One digit more than is shown decides which way to round: the quotient is truncated, so
        // what follows cannot turn a digit below five into a five.
        self.divide(divisor, scale + 1).rounded(scale)
    }

    /// `self / divisor` with `scale` decimals, the rest dropped.
    pub(in crate::numeric) fn divide_truncated(&self, divisor: &Decimal, scale: i32) -> Decimal {
        self.divide(divisor, scale)
    }

    fn divide(&self, divisor: &Decimal, scale: i32) -> Decimal {
        // Quotient digits down to the weight that holds the last decimal asked for.
        let last = -(scale.div_euclid(DIGITS) + i32::from(scale.rem_euclid(DIGITS) != 0));
        let first = self.weight - divisor.weight;
        let count = usize::try_from(first - last + 1).unwrap_or(0);
        let zero = Decimal {
            negative: false,
            weight: 0,
            scale,
            digits: Vec::new(),
        };
        if count == 0 || self.digits.is_empty() {
            return zero;
        }
        let mut dividend: Vec<u32> = vec![0];
        dividend.extend(self.digits.iter().map(|digit| u32::from(*digit)));
        dividend.resize(count + divisor.digits.len(), 0);
        let digits = quotient(dividend, &divisor.digits, count);
        let negative = self.negative != divisor.negative;
        Decimal {
            negative,
            weight: first,
            scale,
            digits,
        }
        .normalized()
        .truncated(scale)
    }
}

/// `count` digits of the quotient, which is of no use if [`interrupt::finish`] fails. The dividend begins with a zero and is as long as `count` and
/// the divisor together.
fn quotient(mut dividend: Vec<u32>, divisor: &[u16], count: usize) -> Vec<u16> {
    let mut divisor: Vec<u32> = divisor.iter().map(|digit| u32::from(*digit)).collect();
    if let [single] = divisor[..] {
        return short_quotient(&dividend, single, count);
    }
    // Scaled so that the divisor's first digit is at least half the base: then a guess from two
    // digits is at most two too high.
    let factor = BASE / (divisor[0] + 1);
    scale_by(&mut dividend, factor);
    scale_by(&mut divisor, factor);
    let (top, second) = (divisor[0], divisor[1]);
    let mut digits = vec![0; count];
    for (index, digit) in digits.iter_mut().enumerate() {
        if interrupt::is_stopped(divisor.len() * 4) {
            break;
        }
        let head = dividend[index] * BASE + dividend[index + 1];
        if head == 0 {
            continue;
        }
        let mut guess = head / top;
        let mut rest = head % top;
        while guess >= BASE || guess * second > rest * BASE + dividend[index + 2] {
            guess -= 1;
            rest += top;
            if rest >= BASE {
                break;
            }
        }
        let window = &mut dividend[index..index + divisor.len() + 1];
        if subtract_multiple(window, &divisor, guess) {
            guess -= 1;
            add_back(window, &divisor);
        }
        *digit = guess as u16;
    }
    digits
}

fn short_quotient(dividend: &[u32], divisor: u32, count: usize) -> Vec<u16> {
    let mut rest = 0;
    let digits = dividend[1..=count].iter().map(|digit| {
        let head = rest * BASE + digit;
        rest = head % divisor;
        (head / divisor) as u16
    });
    digits.collect()
}

fn scale_by(digits: &mut [u32], factor: u32) {
    let mut carry = 0;
    for digit in digits.iter_mut().rev() {
        let whole = *digit * factor + carry;
        *digit = whole % BASE;
        carry = whole / BASE;
    }
    debug_assert_eq!(carry, 0, "the first digit leaves room");
}

/// `window -= divisor * guess`; whether that went below zero.
fn subtract_multiple(window: &mut [u32], divisor: &[u32], guess: u32) -> bool {
    let mut borrow = 0;
    for (index, digit) in window.iter_mut().enumerate().rev() {
        let factor = if index == 0 { 0 } else { divisor[index - 1] };
        let take = factor * guess + borrow;
        borrow = take / BASE;
        let take = take % BASE;
        if *digit < take {
            *digit += BASE;
            borrow += 1;
        }
        *digit -= take;
    }
    borrow > 0
}

fn add_back(window: &mut [u32], divisor: &[u32]) {
    let mut carry = 0;
    for (index, digit) in window.iter_mut().enumerate().rev() {
        let factor = if index == 0 { 0 } else { divisor[index - 1] };
        let sum = *digit + factor + carry;
        carry = sum / BASE;
        *digit = sum % BASE;
    }
}
