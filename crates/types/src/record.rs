//! Rows as values: fields in their order, and the names of the columns they come from, if any.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use crate::types::Type;
use crate::value::Value;

/// A row. Two rows are equal if their fields are; names do not count.
#[derive(Clone, Debug)]
pub struct Record {
    fields: Box<[Value]>,
    names: Option<Arc<[Box<str>]>>,
    padded: Option<Arc<[bool]>>,
}

impl Record {
    /// A row whose columns have no names: `ROW(1, 2)`.
    pub fn new(fields: impl Into<Box<[Value]>>) -> Record {
        Record {
            fields: fields.into(),
            names: None,
            padded: None,
        }
    }

    /// A row of a relation.
    pub fn named(fields: impl Into<Box<[Value]>>, names: Arc<[Box<str>]>) -> Record {
        Record {
            fields: fields.into(),
            names: Some(names),
            padded: None,
        }
    }

    /// The same, where some columns (those that are `true`) are `char(n)` or arrays of it: blanks
    /// at their ends do not count.
    #[must_use]
    pub fn with_padded(mut self, padded: Option<Arc<[bool]>>) -> Record {
        self.padded = padded;
        self
    }

    /// Which columns are `char(n)`, if one is.
    pub(crate) fn padded(&self) -> Option<&Arc<[bool]>> {
        self.padded.as_ref()
    }

    /// The order of rows: column by column, then the shorter one first.
    pub fn compare(&self, other: &Record) -> Ordering {
        let pairs = self.fields.iter().zip(&other.fields).enumerate();
        let different = pairs
            .map(
                |(place, (left, right))| match self.is_padded(place) || other.is_padded(place) {
                    true => Type::BPCHAR.compare(left, right),
                    false => left.compare(right),
                },
            )
            .find(|order| order.is_ne());
        different.unwrap_or_else(|| self.fields.len().cmp(&other.fields.len()))
    }

    fn is_padded(&self, place: usize) -> bool {
        let padded = self.padded.as_ref();
        padded.is_some_and(|padded| padded.get(place) == Some(&true))
    }

    /// The names of the columns, if they have some.
    pub(crate) fn names(&self) -> Option<&Arc<[Box<str>]>> {
        self.names.as_ref()
    }

    /// The name of a column: `f1`, `f2`, ... where there is no other.
    pub fn name(&self, index: usize) -> String {
        let name = self.names.as_ref().and_then(|names| names.get(index));
        name.map_or_else(|| format!("f{}", index + 1), |name| name.to_string())
    }
}

impl Deref for Record {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.fields
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Record) -> bool {
        self.compare(other).is_eq()
    }
}

impl Eq for Record {}

impl Hash for Record {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (place, field) in self.fields.iter().enumerate() {
            match self.is_padded(place) {
                true => Type::BPCHAR.hash_value(field, state),
                false => field.hash(state),
            }
        }
    }
}
