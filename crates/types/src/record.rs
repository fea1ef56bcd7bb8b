//! Rows as values: fields in their order, and the names of the columns they come from, if any.

use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use crate::value::Value;

/// A row. Two rows are equal if their fields are; names do not count.
#[derive(Clone, Debug)]
pub struct Record {
    fields: Box<[Value]>,
    names: Option<Arc<[Box<str>]>>,
}

impl Record {
    /// A row whose columns have no names: `ROW(1, 2)`.
    pub fn new(fields: impl Into<Box<[Value]>>) -> Record {
        Record {
            fields: fields.into(),
            names: None,
        }
    }

    /// A row of a relation.
    pub fn named(fields: impl Into<Box<[Value]>>, names: Arc<[Box<str>]>) -> Record {
        Record {
            fields: fields.into(),
            names: Some(names),
        }
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
        self.fields == other.fields
    }
}

impl Eq for Record {}

impl Hash for Record {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fields.hash(state);
    }
}
