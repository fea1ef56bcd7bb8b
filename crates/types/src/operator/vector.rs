//! Distances between vectors, and their arithmetic, as pgvector has them.
//!
//! Sums are kept in single precision, as there, and the result is a `double precision`.

use std::sync::Arc;

use super::Operator;
use super::operand::infix;
use crate::error::{Error, Result, SqlState};
use crate::value::Value;

pub(super) static OPERATORS: &[Operator] = &[
    infix!("<->", Vector, Vector => Float8, |l: &[f32], r: &[f32]| euclidean(l, r)),
    infix!("<#>", Vector, Vector => Float8, |l: &[f32], r: &[f32]| inner_product(l, r).map(|sum| -sum)),
    infix!("<=>", Vector, Vector => Float8, |l: &[f32], r: &[f32]| cosine(l, r)),
    infix!("<+>", Vector, Vector => Float8, |l: &[f32], r: &[f32]| taxicab(l, r)),
    infix!("+", Vector, Vector => Vector, |l: &[f32], r: &[f32]| each(l, r, |l, r| l + r, never)),
    infix!("-", Vector, Vector => Vector, |l: &[f32], r: &[f32]| each(l, r, |l, r| l - r, never)),
    infix!("*", Vector, Vector => Vector, |l: &[f32], r: &[f32]| {
        each(l, r, |l, r| l * r, |product, l, r| product == 0.0 && l != 0.0 && r != 0.0)
    }),
];

fn same_length(left: &[f32], right: &[f32]) -> Result<()> {
    if left.len() == right.len() {
        return Ok(());
    }
    let words = format!(
        "different vector dimensions {} and {}",
        left.len(),
        right.len()
    );
    Err(Error::new(SqlState::DATA_EXCEPTION, words))
}

fn sum(left: &[f32], right: &[f32], term: impl Fn(f32, f32) -> f32) -> Result<f64> {
    same_length(left, right)?;
    let terms = left
        .iter()
        .zip(right)
        .map(|(left, right)| term(*left, *right));
    Ok(f64::from(terms.sum::<f32>()))
}

/// `<->`: the length of the difference.
pub fn euclidean(left: &[f32], right: &[f32]) -> Result<f64> {
    let squares = sum(left, right, |left, right| (left - right) * (left - right))?;
    Ok(squares.sqrt())
}

/// The inner product; `<#>` is its negative.
pub fn inner_product(left: &[f32], right: &[f32]) -> Result<f64> {
    sum(left, right, |left, right| left * right)
}

/// `<+>`: the sum of the differences' magnitudes.
pub fn taxicab(left: &[f32], right: &[f32]) -> Result<f64> {
    sum(left, right, |left, right| (left - right).abs())
}

/// `<=>`: one less the cosine of the angle; NaN if one of the vectors has no direction.
pub fn cosine(left: &[f32], right: &[f32]) -> Result<f64> {
    let product = inner_product(left, right)?;
    let lengths = inner_product(left, left)? * inner_product(right, right)?;
    let cosine = product / lengths.sqrt();
    Ok(1.0 - cosine.clamp(-1.0, 1.0))
}

const fn never(_: f32, _: f32, _: f32) -> bool {
    false
}

/// Each number with its counterpart; results must be finite, and not vanish.
fn each(
    left: &[f32],
    right: &[f32],
    operation: impl Fn(f32, f32) -> f32,
    vanishes: impl Fn(f32, f32, f32) -> bool,
) -> Result<Value> {
    same_length(left, right)?;
    let out_of_range = |problem: &str| {
        let words = format!("value out of range: {problem}");
        Err(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, words))
    };
    let results = left.iter().zip(right).map(|(left, right)| {
        let result = operation(*left, *right);
        if result.is_infinite() {
            return out_of_range("overflow");
        }
        if vanishes(result, *left, *right) {
            return out_of_range("underflow");
        }
        Ok(result)
    });
    Ok(Value::Vector(results.collect::<Result<Arc<[f32]>>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_geometry() {
        assert_eq!(euclidean(&[0.0, 0.0], &[3.0, 4.0]), Ok(5.0));
        assert_eq!(inner_product(&[1.0, 2.0], &[3.0, 4.0]), Ok(11.0));
        assert_eq!(taxicab(&[0.0, 0.0], &[3.0, -4.0]), Ok(7.0));
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 1.0]), Ok(1.0));
        assert_eq!(cosine(&[1.0, 1.0], &[-1.0, -1.0]), Ok(2.0));
        assert!(cosine(&[0.0], &[1.0]).unwrap().is_nan());
        let error = euclidean(&[1.0], &[1.0, 2.0]).unwrap_err();
        assert_eq!(error.message(), "different vector dimensions 1 and 2");
    }

    #[test]
    fn sums_and_products_stay_in_range() {
        let sum = each(&[1.0, 2.0], &[3.0, 4.0], |l, r| l + r, never).unwrap();
        assert_eq!(sum, Value::Vector(Arc::from([4.0, 6.0])));
        assert!(each(&[f32::MAX], &[f32::MAX], |l, r| l + r, never).is_err());
    }
}
