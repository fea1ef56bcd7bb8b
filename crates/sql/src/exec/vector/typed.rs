//! Operators over plain numbers, dates and texts.
//!
//! Each has a loop of its own for its type, which looks at nothing but the numbers. A loop gives up
//! where a result does not fit: then [the loop over values](super) has its say, which knows what
//! PostgreSQL answers.

use rustdb_types::{
    CELL_SCALE_MAX, Cast, Cells, Operator, Strings, Type, Value, compare_float8, like,
};

use super::{Kind, Vector};
use crate::error::Result;

/// The operands of a loop: one for each row, or the same for all.
#[derive(Clone, Copy)]
enum Operand<'a, T> {
    Many(&'a [T]),
    One(T),
}

/// Two numbers of the same type, one of them at least for each row.
enum Pair<'a> {
    Int4(Operand<'a, i32>, Operand<'a, i32>),
    Int8(Operand<'a, i64>, Operand<'a, i64>),
    Float8(Operand<'a, f64>, Operand<'a, f64>),
    /// Dates; numbers in the order of what they stand for.
    Date(Operand<'a, i32>, Operand<'a, i32>),
    Timestamp(Operand<'a, i64>, Operand<'a, i64>),
    Numeric((Operand<'a, i64>, u16), (Operand<'a, i64>, u16)),
}

/// What an operator gives for each row, where there is a loop for its operands.
pub(super) fn operator(kind: Kind, left: &Vector<'_>, right: &Vector<'_>) -> Option<Cells> {
    if let Some(pair) = pair(left, right) {
        return match pair {
            Pair::Int4(left, right) => integers(
                kind,
                left,
                right,
                [i32::checked_add, i32::checked_sub, i32::checked_mul],
            )
            .map(Cells::Int4)
            .or_else(|| compared(kind, left, right)),
            Pair::Int8(left, right) => integers(
                kind,
                left,
                right,
                [i64::checked_add, i64::checked_sub, i64::checked_mul],
            )
            .map(Cells::Int8)
            .or_else(|| compared(kind, left, right)),
            Pair::Float8(left, right) => floats(kind, left, right),
            Pair::Date(left, right) => compared(kind, left, right),
            Pair::Timestamp(left, right) => compared(kind, left, right),
            Pair::Numeric(left, right) => numerics(kind, left, right),
        };
    }
    texts(kind, left, right)
}

/// The operands as numbers of one type.
fn pair<'a>(left: &'a Vector<'_>, right: &'a Vector<'_>) -> Option<Pair<'a>> {
    use Operand::{Many, One};
    macro_rules! pairs {
        ($($form:ident),*) => {
            match (left, right) {
                (Vector::Column(left), Vector::Column(right)) => {
                    match (left.cells(), right.cells()) {
                        $((Cells::$form(left), Cells::$form(right)) => {
                            Some(Pair::$form(Many(left), Many(right)))
                        })*
                        (Cells::Numeric(left, by), Cells::Numeric(right, other)) => {
                            Some(Pair::Numeric((Many(left), *by), (Many(right), *other)))
                        }
                        _ => None,
                    }
                }
                (Vector::Column(left), Vector::Single(right)) => match (left.cells(), &**right) {
                    $((Cells::$form(left), Value::$form(right)) => {
                        Some(Pair::$form(Many(left), One(*right)))
                    })*
                    (Cells::Numeric(left, by), Value::Numeric(right)) => {
                        let (right, other) = right.as_small()?;
                        Some(Pair::Numeric((Many(left), *by), (One(right), other)))
                    }
                    _ => None,
                },
                (Vector::Single(left), Vector::Column(right)) => match (&**left, right.cells()) {
                    $((Value::$form(left), Cells::$form(right)) => {
                        Some(Pair::$form(One(*left), Many(right)))
                    })*
                    (Value::Numeric(left), Cells::Numeric(right, other)) => {
                        let (left, by) = left.as_small()?;
                        Some(Pair::Numeric((One(left), by), (Many(right), *other)))
                    }
                    _ => None,
                },
                (Vector::Single(_), Vector::Single(_)) => None,
            }
        };
    }
    pairs!(Int4, Int8, Float8, Date, Timestamp)
}

/// A loop over two operands. The forms are told apart outside of it.
#[inline]
fn each<T: Copy, R>(left: Operand<'_, T>, right: Operand<'_, T>, of: impl Fn(T, T) -> R) -> Vec<R> {
    use Operand::{Many, One};
    match (left, right) {
        (Many(left), Many(right)) => left.iter().zip(right).map(|(l, r)| of(*l, *r)).collect(),
        (Many(left), One(right)) => left.iter().map(|left| of(*left, right)).collect(),
        (One(left), Many(right)) => right.iter().map(|right| of(left, *right)).collect(),
        (One(left), One(right)) => vec![of(left, right)],
    }
}

/// The same where a result may not fit; `None` if one does not.
#[inline]
fn each_checked<T: Copy, R>(
    left: Operand<'_, T>,
    right: Operand<'_, T>,
    of: impl Fn(T, T) -> Option<R>,
) -> Option<Vec<R>> {
    use Operand::{Many, One};
    match (left, right) {
        (Many(left), Many(right)) => left.iter().zip(right).map(|(l, r)| of(*l, *r)).collect(),
        (Many(left), One(right)) => left.iter().map(|left| of(*left, right)).collect(),
        (One(left), Many(right)) => right.iter().map(|right| of(left, *right)).collect(),
        (One(left), One(right)) => of(left, right).map(|one| vec![one]),
    }
}

fn compared<T: Copy + PartialOrd>(
    kind: Kind,
    left: Operand<'_, T>,
    right: Operand<'_, T>,
) -> Option<Cells> {
    Some(Cells::Bool(match kind {
        Kind::Equal => each(left, right, |left, right| left == right),
        Kind::NotEqual => each(left, right, |left, right| left != right),
        Kind::Less => each(left, right, |left, right| left < right),
        Kind::LessOrEqual => each(left, right, |left, right| left <= right),
        Kind::Greater => each(left, right, |left, right| left > right),
        Kind::GreaterOrEqual => each(left, right, |left, right| left >= right),
        Kind::Add | Kind::Subtract | Kind::Multiply => return None,
    }))
}

fn integers<T: Copy>(
    kind: Kind,
    left: Operand<'_, T>,
    right: Operand<'_, T>,
    [add, subtract, multiply]: [impl Fn(T, T) -> Option<T>; 3],
) -> Option<Vec<T>> {
    match kind {
        Kind::Add => each_checked(left, right, add),
        Kind::Subtract => each_checked(left, right, subtract),
        Kind::Multiply => each_checked(left, right, multiply),
        _ => None,
    }
}

/// NaN equals itself and is greater than all numbers; overflow and underflow are the operator's own
/// business.
fn floats(kind: Kind, left: Operand<'_, f64>, right: Operand<'_, f64>) -> Option<Cells> {
    let plain = |result: f64, is_zero: bool| {
        let is_plain = result.is_normal() || result == 0.0 && is_zero;
        is_plain.then_some(result)
    };
    let result = match kind {
        Kind::Add => each_checked(left, right, |l, r| plain(l + r, l == -r)),
        Kind::Subtract => each_checked(left, right, |l, r| plain(l - r, l == r)),
        Kind::Multiply => each_checked(left, right, |l, r| plain(l * r, l == 0.0 || r == 0.0)),
        _ => {
            let order = |left: f64, right: f64| compare_float8(left, right);
            return Some(Cells::Bool(match kind {
                Kind::Equal => each(left, right, |l, r| order(l, r).is_eq()),
                Kind::NotEqual => each(left, right, |l, r| order(l, r).is_ne()),
                Kind::Less => each(left, right, |l, r| order(l, r).is_lt()),
                Kind::LessOrEqual => each(left, right, |l, r| order(l, r).is_le()),
                Kind::Greater => each(left, right, |l, r| order(l, r).is_gt()),
                _ => each(left, right, |l, r| order(l, r).is_ge()),
            }));
        }
    };
    result.map(Cells::Float8)
}

/// Numbers with the decimals they show: as many as the operand with more of them has, and those of
/// both in a product.
fn numerics(
    kind: Kind,
    (left, left_scale): (Operand<'_, i64>, u16),
    (right, right_scale): (Operand<'_, i64>, u16),
) -> Option<Cells> {
    if kind == Kind::Multiply {
        let scale = left_scale + right_scale;
        let product = (scale <= CELL_SCALE_MAX)
            .then(|| each_checked(left, right, i64::checked_mul))
            .flatten();
        return Some(Cells::Numeric(product?, scale));
    }
    let scale = left_scale.max(right_scale);
    let power = |by: u16| 10_i64.checked_pow(u32::from(by));
    let (raise_left, raise_right) = (power(scale - left_scale)?, power(scale - right_scale)?);
    let (raised_left, raised_right);
    let left = match raise_left {
        1 => left,
        by => {
            raised_left = raised(left, by)?;
            raised_left.operand(left)
        }
    };
    let right = match raise_right {
        1 => right,
        by => {
            raised_right = raised(right, by)?;
            raised_right.operand(right)
        }
    };
    let sums = integers(
        kind,
        left,
        right,
        [i64::checked_add, i64::checked_sub, i64::checked_mul],
    );
    match kind {
        Kind::Add | Kind::Subtract => Some(Cells::Numeric(sums?, scale)),
        _ => compared(kind, left, right),
    }
}

/// Coefficients with more decimals than before.
struct Raised(Vec<i64>);

impl Raised {
    /// The same as the operand that they were made of.
    fn operand(&self, of: Operand<'_, i64>) -> Operand<'_, i64> {
        match of {
            Operand::One(_) => Operand::One(self.0[0]),
            Operand::Many(_) => Operand::Many(&self.0),
        }
    }
}

fn raised(of: Operand<'_, i64>, by: i64) -> Option<Raised> {
    let raise = |number: i64| number.checked_mul(by);
    Some(Raised(match of {
        Operand::One(number) => vec![raise(number)?],
        Operand::Many(numbers) => numbers
            .iter()
            .map(|number| raise(*number))
            .collect::<Option<_>>()?,
    }))
}

/// Texts compare as their bytes do.
fn texts(kind: Kind, left: &Vector<'_>, right: &Vector<'_>) -> Option<Cells> {
    use std::cmp::Ordering;

    let test = |order: Ordering| match kind {
        Kind::Equal => order.is_eq(),
        Kind::NotEqual => order.is_ne(),
        Kind::Less => order.is_lt(),
        Kind::LessOrEqual => order.is_le(),
        Kind::Greater => order.is_gt(),
        _ => order.is_ge(),
    };
    if matches!(kind, Kind::Add | Kind::Subtract | Kind::Multiply) {
        return None;
    }
    let with = |strings: &Strings, other: &Value, is_left: bool| {
        let Value::Text(other) = other else {
            return None;
        };
        let other = other.as_bytes();
        let orders = (0..strings.len()).map(|row| strings.bytes_of(row).cmp(other));
        Some(match is_left {
            true => orders.map(test).collect(),
            false => orders.map(|order| test(order.reverse())).collect(),
        })
    };
    let truths: Vec<bool> = match (left, right) {
        (Vector::Column(left), Vector::Single(right)) => match left.cells() {
            Cells::Text(left) => with(left, right, true)?,
            _ => return None,
        },
        (Vector::Single(left), Vector::Column(right)) => match right.cells() {
            Cells::Text(right) => with(right, left, false)?,
            _ => return None,
        },
        (Vector::Column(left), Vector::Column(right)) => match (left.cells(), right.cells()) {
            (Cells::Text(left), Cells::Text(right)) => (0..left.len())
                .map(|row| test(left.bytes_of(row).cmp(right.bytes_of(row))))
                .collect(),
            _ => return None,
        },
        (Vector::Single(_), Vector::Single(_)) => return None,
    };
    Some(Cells::Bool(truths))
}

/// LIKE and NOT LIKE of texts with one pattern.
pub(super) fn like_pattern(
    operator: &Operator,
    left: &Vector<'_>,
    right: &Vector<'_>,
) -> Result<Option<Cells>> {
    let wanted = match operator.name {
        "~~" => true,
        "!~~" => false,
        _ => return Ok(None),
    };
    let (Some(Cells::Text(texts)), Vector::Single(pattern)) = (left.cells(), right) else {
        return Ok(None);
    };
    let Value::Text(pattern) = &**pattern else {
        return Ok(None);
    };
    let pattern = pattern.as_str();
    let truths = texts.iter().map(|text| Ok(like(text, pattern)? == wanted));
    Ok(Some(Cells::Bool(truths.collect::<Result<_>>()?)))
}

/// Numbers as those of a wider type.
pub(super) fn cast(cast: &Cast, of: &Vector<'_>) -> Option<Cells> {
    let target = cast.target();
    Some(match of.cells()? {
        Cells::Int4(numbers) if *target == Type::INT8 => {
            Cells::Int8(numbers.iter().map(|number| i64::from(*number)).collect())
        }
        Cells::Int4(numbers) if *target == Type::NUMERIC => {
            Cells::Numeric(numbers.iter().map(|number| i64::from(*number)).collect(), 0)
        }
        Cells::Int4(numbers) if *target == Type::FLOAT8 => {
            Cells::Float8(numbers.iter().map(|number| f64::from(*number)).collect())
        }
        Cells::Int8(numbers) if *target == Type::NUMERIC => Cells::Numeric(numbers.clone(), 0),
        _ => return None,
    })
}
