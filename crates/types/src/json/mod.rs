//! `jsonb`: JSON as a tree, normalized.
//!
//! Numbers are `numeric` and keep their decimals. An object's keys are unique (the last one wins)
//! and sorted by length, then by bytes, which is the order they print in. The text form is in
//! [`text`](self), the bytes of rows and keys in `codec`.

mod assign;
mod change;
mod codec;
mod parse;
mod print;
mod scan;

use std::cmp::Ordering;

pub(crate) use change::{at_path, path_index};
pub(crate) use codec::{decode_key, decode_row, encode_key, encode_row};
pub(crate) use parse::validate;
pub(crate) use print::write_string;
pub(crate) use scan::{Step, elements, members, part};

use crate::numeric::Numeric;

/// How deep JSON may nest: parsing, comparing and dropping it are recursive.
pub const DEPTH_MAX: usize = 1000;

/// A JSON value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number: finite.
    Number(Numeric),
    /// A string.
    String(Box<str>),
    /// An array.
    Array(Vec<Json>),
    /// An object: keys are unique and sorted by length, then bytes.
    Object(Vec<(Box<str>, Json)>),
}

impl Json {
    /// An object of these members: sorted, and of equal keys the last one kept.
    pub fn object(mut members: Vec<(Box<str>, Json)>) -> Json {
        members.sort_by(|left, right| compare_keys(&left.0, &right.0));
        // Of equal keys, which the sort left in their order, the last is wanted.
        members.reverse();
        members.dedup_by(|later, kept| later.0 == kept.0);
        members.reverse();
        Json::Object(members)
    }

    /// The member of this name; `None` if there is none, or this is no object.
    pub fn member(&self, key: &str) -> Option<&Json> {
        let Json::Object(members) = self else {
            return None;
        };
        let found = members
            .binary_search_by(|member| compare_keys(&member.0, key))
            .ok()?;
        Some(&members[found].1)
    }

    /// The element at this place, from the end if negative; `None` if there is none.
    pub fn element(&self, index: i64) -> Option<&Json> {
        let Json::Array(elements) = self else {
            return None;
        };
        let index = if index < 0 {
            index + elements.len() as i64
        } else {
            index
        };
        elements.get(usize::try_from(index).ok()?)
    }

    /// The order of types.
    fn rank(&self) -> u8 {
        match self {
            Json::Null => 2,
            Json::String(_) => 3,
            Json::Number(_) => 4,
            Json::Bool(_) => 5,
            Json::Array(_) => 6,
            Json::Object(_) => 7,
        }
    }

    /// The order of types at the top, where an empty array comes before scalars: PostgreSQL takes
    /// a scalar for an array of one element there.
    fn top_rank(&self) -> u8 {
        match self {
            Json::Array(elements) if elements.is_empty() => 1,
            other => other.rank(),
        }
    }

    fn compare_inner(&self, other: &Json) -> Ordering {
        match (self, other) {
            (Json::Bool(left), Json::Bool(right)) => left.cmp(right),
            (Json::Number(left), Json::Number(right)) => left.cmp(right),
            (Json::String(left), Json::String(right)) => left.as_bytes().cmp(right.as_bytes()),
            (Json::Array(left), Json::Array(right)) => {
                left.len().cmp(&right.len()).then_with(|| {
                    let pairs = left.iter().zip(right);
                    let mut orders = pairs.map(|(left, right)| left.compare_inner(right));
                    orders
                        .find(|order| order.is_ne())
                        .unwrap_or(Ordering::Equal)
                })
            }
            (Json::Object(left), Json::Object(right)) => {
                left.len().cmp(&right.len()).then_with(|| {
                    let pairs = left.iter().zip(right);
                    let mut orders = pairs.map(|((key, value), (other_key, other_value))| {
                        let keys = key.as_bytes().cmp(other_key.as_bytes());
                        keys.then_with(|| value.compare_inner(other_value))
                    });
                    orders
                        .find(|order| order.is_ne())
                        .unwrap_or(Ordering::Equal)
                })
            }
            (left, right) => left.rank().cmp(&right.rank()),
        }
    }
}

/// The order in which an object keeps its keys.
fn compare_keys(left: &str, right: &str) -> Ordering {
    left.len()
        .cmp(&right.len())
        .then_with(|| left.as_bytes().cmp(right.as_bytes()))
}

impl Ord for Json {
    fn cmp(&self, other: &Json) -> Ordering {
        self.top_rank()
            .cmp(&other.top_rank())
            .then_with(|| self.compare_inner(other))
    }
}

impl PartialOrd for Json {
    fn partial_cmp(&self, other: &Json) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests;
