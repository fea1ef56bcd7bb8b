//! A way to find some rows of a table: by a key or an index, and what is known of its columns.

use rustdb_types::Oid;

use super::SortKey;
use crate::expr::Expr;

/// A way to find some rows of a table by key or index.
#[derive(Clone, PartialEq, Debug)]
pub struct Access {
    /// The index; none is the row key.
    pub index: Option<Oid>,
    /// What the first columns are equal to.
    pub equal: Vec<Expr>,
    /// An array: what the next column is equal to is one of its elements.
    pub any: Option<Expr>,
    /// What is known of the columns behind that.
    pub more: Vec<Given>,
    /// What the next column is greater than (or equal to, if `true`).
    pub lower: Option<(Expr, bool)>,
    /// What the next column is less than (or equal to, if `true`).
    pub upper: Option<(Expr, bool)>,
    /// Whether a value may be one that its column's type does not have: then no column is equal to
    /// it, and all are on one side of it.
    pub narrows: bool,
    /// Whether the rows are read from the end.
    pub backward: bool,
    /// The order of the rows that something above relies on; only of an index.
    pub order: Vec<SortKey>,
    /// The conditions that hold for the rows that are found.
    pub covered: Vec<Expr>,
}

/// What is known of a column.
#[derive(Clone, PartialEq, Debug)]
pub enum Given {
    /// What it is equal to.
    Equal(Expr),
    /// An array that has what it is equal to.
    Any(Expr),
}

impl Given {
    pub(crate) fn value(&self) -> &Expr {
        match self {
            Given::Equal(value) | Given::Any(value) => value,
        }
    }

    pub(crate) fn value_mut(&mut self) -> &mut Expr {
        match self {
            Given::Equal(value) | Given::Any(value) => value,
        }
    }
}

impl Access {
    /// All of an index, or of the rows by their keys.
    pub(crate) fn of(index: Option<Oid>) -> Access {
        Access {
            index,
            equal: Vec::new(),
            any: None,
            more: Vec::new(),
            lower: None,
            upper: None,
            narrows: false,
            backward: false,
            order: Vec::new(),
            covered: Vec::new(),
        }
    }

    /// How many of the first columns are fixed: each part of the key or index that is read has one
    /// value of them.
    pub(crate) fn fixed(&self) -> usize {
        self.equal.len() + usize::from(self.any.is_some()) + self.more.len()
    }

    /// What is known of the columns behind the equal ones.
    pub(crate) fn behind_equal(&self) -> impl Iterator<Item = Given> {
        let any = self.any.iter().cloned().map(Given::Any);
        any.chain(self.more.iter().cloned())
    }

    /// The expressions in it.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        let ends = self.lower.iter().chain(&self.upper);
        let more = self.more.iter().map(Given::value);
        let values = self.equal.iter().chain(&self.any).chain(more);
        let values = values.chain(ends.map(|(end, _)| end));
        values.chain(&self.covered)
    }

    /// The expressions in it, to change them.
    pub fn expressions_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let ends = self.lower.iter_mut().chain(&mut self.upper);
        let more = self.more.iter_mut().map(Given::value_mut);
        let values = self.equal.iter_mut().chain(&mut self.any).chain(more);
        let values = values.chain(ends.map(|(end, _)| end));
        values.chain(&mut self.covered)
    }
}
