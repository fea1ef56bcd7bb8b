//! Assigning to a part of an array: `a[3] = x`, `a[2:3] = b`.
//!
//! An array of one dimension grows to hold what is assigned, with NULLs between; one of several
//! does not. An array that is empty becomes just as large as what is assigned.

use crate::array::{Array, Dimension, ELEMENTS_MAX};
use crate::error::{Error, Result, SqlState};
use crate::value::Value;

/// The ends of a slice; one that is left out is the array's.
pub type Ends = (Option<i32>, Option<i32>);

impl Array {
    /// The array with another element at these subscripts.
    pub fn with_element(&self, subscripts: &[i32], value: Value) -> Result<Array> {
        let one = Array::from_values(vec![value]);
        let ends = subscripts.iter().map(|at| (Some(*at), Some(*at)));
        let ends: Vec<Ends> = ends.collect();
        if !self.dimensions().is_empty() && self.dimensions().len() != ends.len() {
            return Err(wrong_number());
        }
        self.with_slice(&ends, &one)
    }

    /// The array with the elements of another one, in their order, between these ends.
    pub fn with_slice(&self, ends: &[Ends], source: &Array) -> Result<Array> {
        if self.dimensions().is_empty() {
            return alone(ends, source);
        }
        if ends.len() > self.dimensions().len() {
            return Err(wrong_number());
        }
        let is_flat = self.dimensions().len() == 1;
        let mut ranges = Vec::with_capacity(self.dimensions().len());
        let mut dimensions = Vec::with_capacity(self.dimensions().len());
        for (at, dimension) in self.dimensions().iter().enumerate() {
            let first = i64::from(dimension.lower);
            let last = first + i64::from(dimension.length) - 1;
            let (lower, upper) = ends.get(at).copied().unwrap_or((None, None));
            let lower = lower.map_or(first, i64::from);
            let upper = upper.map_or(last, i64::from);
            if lower > upper {
                return Err(reversed());
            }
            if !is_flat && (lower < first || upper > last) {
                return Err(subscript_error("array subscript out of range"));
            }
            dimensions.push(dimension_of(first.min(lower), last.max(upper))?);
            ranges.push((lower, upper));
        }
        let count = ranges
            .iter()
            .fold(1, |count: i64, (lower, upper)| count * (upper - lower + 1));
        if source.values().len() < usize::try_from(count).unwrap_or(usize::MAX) {
            return Err(subscript_error("source array too small"));
        }
        let mut values = self.spread(&dimensions);
        overwrite(&mut values, &dimensions, &ranges, source.values());
        Array::new(dimensions, values)
    }

    /// The elements, within bounds that may be wider if there is but one dimension.
    fn spread(&self, wider: &[Dimension]) -> Vec<Value> {
        let ([own], [wide]) = (self.dimensions(), wider) else {
            return self.values().to_vec();
        };
        let mut values = vec![Value::Null; wide.length as usize];
        let start = (i64::from(own.lower) - i64::from(wide.lower)) as usize;
        values[start..start + self.values().len()].clone_from_slice(self.values());
        values
    }
}

/// What an empty array becomes.
fn alone(ends: &[Ends], source: &Array) -> Result<Array> {
    let mut dimensions = Vec::with_capacity(ends.len());
    let mut count: usize = 1;
    for end in ends {
        let (Some(lower), Some(upper)) = *end else {
            let error = subscript_error("array slice subscript must provide both boundaries");
            return Err(error.with_detail(
                "When assigning to a slice of an empty array value, slice boundaries must be fully \
                 specified.",
            ));
        };
        if lower > upper {
            return Err(reversed());
        }
        let dimension = dimension_of(i64::from(lower), i64::from(upper))?;
        count = count.saturating_mul(dimension.length as usize);
        dimensions.push(dimension);
    }
    match source.values().get(..count) {
        Some(values) => Array::new(dimensions, values.to_vec()),
        None => Err(subscript_error("source array too small")),
    }
}

fn dimension_of(lower: i64, upper: i64) -> Result<Dimension> {
    let length = u32::try_from(upper - lower + 1).unwrap_or(u32::MAX);
    if length as usize > ELEMENTS_MAX {
        let words = format!("array size exceeds the maximum allowed ({ELEMENTS_MAX})");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, words));
    }
    let lower = i32::try_from(lower).map_err(|_| Error::mismatch("array bounds"))?;
    Ok(Dimension { lower, length })
}

/// Writes values between these ends of each dimension, in row-major order.
fn overwrite(values: &mut [Value], shape: &[Dimension], ranges: &[(i64, i64)], new: &[Value]) {
    let mut at: Vec<i64> = ranges.iter().map(|(lower, _)| *lower).collect();
    for value in new {
        let place = at.iter().zip(shape).fold(0, |place, (index, dimension)| {
            place * i64::from(dimension.length) + index - i64::from(dimension.lower)
        });
        if let Some(slot) = usize::try_from(place)
            .ok()
            .and_then(|at| values.get_mut(at))
        {
            slot.clone_from(value);
        }
        let Some(next) = (0..at.len()).rev().find(|at_| at[*at_] < ranges[*at_].1) else {
            return;
        };
        at[next] += 1;
        for (index, (lower, _)) in at.iter_mut().zip(ranges).skip(next + 1) {
            *index = *lower;
        }
    }
}

fn subscript_error(message: &str) -> Error {
    Error::new(SqlState::ARRAY_SUBSCRIPT_ERROR, message)
}

fn wrong_number() -> Error {
    subscript_error("wrong number of array subscripts")
}

fn reversed() -> Error {
    subscript_error("upper bound cannot be less than lower bound")
}
