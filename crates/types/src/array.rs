//! Arrays: elements in row-major order, and the bounds of each dimension.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crate::error::{Error, Result, SqlState};
use crate::value::Value;

/// The most dimensions of an array.
pub const DIMENSIONS_MAX: usize = 6;
/// The most elements of an array.
pub const ELEMENTS_MAX: usize = 134_217_727;

/// One dimension: its first subscript and how many there are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Dimension {
    /// The first subscript; 1 unless said otherwise.
    pub lower: i32,
    /// How many subscripts; never zero.
    pub length: u32,
}

/// An array of any number of dimensions; an empty one has none.
#[derive(Clone, Debug, Default)]
pub struct Array {
    dimensions: Vec<Dimension>,
    values: Vec<Value>,
}

impl Array {
    /// One dimension, counted from 1.
    pub fn from_values(values: Vec<Value>) -> Array {
        let length = values.len() as u32;
        let dimension = (length > 0).then_some(Dimension { lower: 1, length });
        Array {
            dimensions: dimension.into_iter().collect(),
            values,
        }
    }

    /// An array of these dimensions; an error unless there are as many values as they need.
    pub fn new(dimensions: Vec<Dimension>, values: Vec<Value>) -> Result<Array> {
        if dimensions.len() > DIMENSIONS_MAX {
            return Err(Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!(
                    "number of array dimensions ({}) exceeds the maximum allowed ({DIMENSIONS_MAX})",
                    dimensions.len()
                ),
            ));
        }
        let mut count: usize = usize::from(!dimensions.is_empty());
        for dimension in &dimensions {
            count = count.saturating_mul(dimension.length as usize);
            if dimension
                .lower
                .checked_add_unsigned(dimension.length)
                .is_none()
            {
                return Err(Error::new(
                    SqlState::PROGRAM_LIMIT_EXCEEDED,
                    format!("array lower bound is too large: {}", dimension.lower),
                ));
            }
        }
        if count > ELEMENTS_MAX {
            let words = format!("array size exceeds the maximum allowed ({ELEMENTS_MAX})");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, words));
        }
        if count != values.len() {
            return Err(Error::mismatch("array bounds"));
        }
        let empty = values.is_empty();
        Ok(Array {
            dimensions: if empty { Vec::new() } else { dimensions },
            values,
        })
    }

    /// The bounds, outermost first.
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// The elements in row-major order.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The element at these subscripts; `None` outside the bounds or for a wrong number of them.
    pub fn get(&self, subscripts: &[i32]) -> Option<&Value> {
        if subscripts.len() != self.dimensions.len() || subscripts.is_empty() {
            return None;
        }
        let mut index = 0;
        for (subscript, dimension) in subscripts.iter().zip(&self.dimensions) {
            let offset = u32::try_from(i64::from(*subscript) - i64::from(dimension.lower)).ok()?;
            if offset >= dimension.length {
                return None;
            }
            index = index * dimension.length as usize + offset as usize;
        }
        self.values.get(index)
    }

    /// The order of arrays: element by element, NULL last; then by number of elements, number of
    /// dimensions, lengths and lower bounds.
    pub fn compare(&self, other: &Array) -> Ordering {
        self.compare_by(other, Value::compare)
    }

    /// The same with another order of elements.
    pub fn compare_by(
        &self,
        other: &Array,
        compare: impl Fn(&Value, &Value) -> Ordering,
    ) -> Ordering {
        let pairs = self.values.iter().zip(&other.values);
        let different = pairs
            .map(|(left, right)| compare(left, right))
            .find(|order| order.is_ne());
        different
            .unwrap_or_else(|| self.values.len().cmp(&other.values.len()))
            .then_with(|| self.dimensions.len().cmp(&other.dimensions.len()))
            .then_with(|| {
                let lengths = |array: &Array| -> Vec<u32> {
                    array
                        .dimensions
                        .iter()
                        .map(|dimension| dimension.length)
                        .collect()
                };
                lengths(self).cmp(&lengths(other))
            })
            .then_with(|| {
                let lowers = |array: &Array| -> Vec<i32> {
                    array
                        .dimensions
                        .iter()
                        .map(|dimension| dimension.lower)
                        .collect()
                };
                lowers(self).cmp(&lowers(other))
            })
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Array) -> bool {
        self.compare(other).is_eq()
    }
}

impl Eq for Array {}

impl Hash for Array {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.values.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Array {
        let dimensions = vec![
            Dimension {
                lower: 0,
                length: 2,
            },
            Dimension {
                lower: 1,
                length: 3,
            },
        ];
        Array::new(dimensions, (1..=6).map(Value::Int4).collect()).unwrap()
    }

    #[test]
    fn subscripts_count_from_the_lower_bounds() {
        assert_eq!(matrix().get(&[0, 1]), Some(&Value::Int4(1)));
        assert_eq!(matrix().get(&[1, 3]), Some(&Value::Int4(6)));
        assert_eq!(matrix().get(&[2, 1]), None);
        assert_eq!(matrix().get(&[-1, 1]), None);
        assert_eq!(matrix().get(&[1]), None);
        assert_eq!(Array::default().get(&[]), None);
    }

    #[test]
    fn order_is_by_elements_then_shape() {
        let flat =
            |values: &[i32]| Array::from_values(values.iter().map(|n| (*n).into()).collect());
        assert!(flat(&[1, 2]).compare(&flat(&[1, 3])).is_lt());
        assert!(flat(&[1, 2]).compare(&flat(&[1])).is_gt());
        assert!(flat(&[1, 2, 3, 4, 5, 6]).compare(&matrix()).is_lt());
        assert!(Array::default().compare(&flat(&[])).is_eq());
        let null = Array::from_values(vec![Value::Null]);
        assert!(null.compare(&flat(&[i32::MAX])).is_gt());
    }

    #[test]
    fn bounds_must_fit_the_values() {
        let dimension = Dimension {
            lower: 1,
            length: 2,
        };
        assert!(Array::new(vec![dimension], vec![Value::Null]).is_err());
        assert!(Array::new(vec![dimension; 7], vec![]).is_err());
        let far = Dimension {
            lower: i32::MAX,
            length: 1,
        };
        assert!(Array::new(vec![far], vec![Value::Null]).is_err());
    }
}
