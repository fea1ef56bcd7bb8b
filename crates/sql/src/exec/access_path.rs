//! Which rows of a table a scan reads: ranges of its key, or of an index.
//!
//! A plan says which columns equal what, and between what the next one lies; the values are known when
//! a scan begins. A column of integers may be compared with a number that its type has not: that is
//! beyond all of its values, on one side.

use std::ops::Bound;

use rustdb_table::{KeyPart, KeyRange, Table};
use rustdb_types::{Oid, Value};

use super::context::Context;
use super::evaluate::evaluate;
use super::sort::Key;
use crate::error::Result;
use crate::expr::Expr;
use crate::plan::Given;

/// Which rows, and how they are found.
#[derive(Debug)]
pub(super) struct AccessPath {
    pub(super) index: Option<Oid>,
    /// Whether the index has all columns that are wanted.
    pub(super) covers: bool,
    /// Whether it is one row, whose key is given in full.
    pub(super) is_point: bool,
    pub(super) equal: Vec<Expr>,
    /// What is known of the columns behind them; the first is one of the elements of an array.
    pub(super) behind: Vec<Given>,
    /// For each column of the key or index, the greatest integer of its type if that is one of
    /// them.
    pub(super) integers: Vec<Option<i64>>,
    pub(super) lower: Option<(Expr, bool)>,
    pub(super) upper: Option<(Expr, bool)>,
    pub(super) backward: bool,
    /// What the rows have to be in order by, if anything relies on it.
    pub(super) order: Vec<Key>,
    /// What holds for the rows that are found; looked at where the index cannot be used.
    pub(super) covered: Vec<Expr>,
}

/// The parts of a key or an index that are read.
pub(super) struct Parts {
    pub(super) ranges: Vec<KeyRange>,
    /// How many of the first columns have one value in each.
    pub(super) fixed: usize,
}

/// More parts than this are not made of several lists: then the last list is not looked for, and
/// the filter above the scan finds what is in it.
const PARTS_MAX: usize = 10_000;

/// The parts that are meant, in their order; none if no row can be: something is compared with
/// NULL.
pub(super) fn parts(table: &Table, access: &AccessPath, cx: &mut Context<'_>) -> Result<Parts> {
    let nothing: &[Value] = &[];
    let none = || Parts {
        ranges: Vec::new(),
        fixed: 0,
    };
    let mut equal = Vec::with_capacity(access.integers.len());
    for expr in &access.equal {
        match access.fitted(equal.len(), evaluate(expr, nothing, cx)?.into_owned()) {
            Fitted::Value(Value::Null) | Fitted::Beyond(_) => return Ok(none()),
            Fitted::Value(value) => equal.push(value),
        }
    }
    let mut fixed = equal.len();
    let mut prefixes = vec![equal];
    for given in &access.behind {
        let values = values_of(access, given, fixed, cx)?;
        if prefixes.len() > 1 && prefixes.len() * values.len() > PARTS_MAX {
            break;
        }
        let longer = prefixes.iter().flat_map(|prefix| {
            values.iter().map(|value| {
                let mut longer = prefix.clone();
                longer.push(value.clone());
                longer
            })
        });
        prefixes = longer.collect();
        fixed += 1;
    }
    let is_whole = fixed == access.equal.len() + access.behind.len();
    let bounds = match is_whole && !access.has_no_bounds() {
        true => match bounds(access, fixed, cx)? {
            None => return Ok(none()),
            some => some,
        },
        false => None,
    };
    let part = match &bounds {
        None => KeyPart::Any,
        Some((lower, upper)) => KeyPart::Between(lower.as_ref(), upper.as_ref()),
    };
    let mut ranges = Vec::with_capacity(prefixes.len());
    for prefix in &prefixes {
        ranges.push(match access.index {
            None => table.key_range(prefix, part)?,
            Some(index) => table.index_range(index, prefix, part)?,
        });
    }
    ranges.sort_unstable_by(|a, b| a.start.cmp(&b.start));
    ranges.dedup_by(|a, b| a.start == b.start);
    if access.backward {
        ranges.reverse();
    }
    Ok(Parts { ranges, fixed })
}

/// The values that a column may have, each once or more often.
fn values_of(
    access: &AccessPath,
    given: &Given,
    place: usize,
    cx: &mut Context<'_>,
) -> Result<Vec<Value>> {
    let nothing: &[Value] = &[];
    let mut values = Vec::new();
    let mut add = |value: Value| match access.fitted(place, value) {
        Fitted::Value(Value::Null) | Fitted::Beyond(_) => (),
        Fitted::Value(value) => values.push(value),
    };
    match given {
        Given::Equal(expr) => add(evaluate(expr, nothing, cx)?.into_owned()),
        Given::Any(array) => {
            if let Value::Array(array) = &*evaluate(array, nothing, cx)? {
                array.values().iter().cloned().for_each(add);
            }
        }
    }
    Ok(values)
}

/// What the column after the equal ones is between; `None` if nothing is.
fn bounds(
    access: &AccessPath,
    place: usize,
    cx: &mut Context<'_>,
) -> Result<Option<(Bound<Value>, Bound<Value>)>> {
    let nothing: &[Value] = &[];
    let mut ends = [Bound::Unbounded, Bound::Unbounded];
    let given = [(&access.lower, Side::Below), (&access.upper, Side::Above)];
    for (end, (given, harmless)) in ends.iter_mut().zip(given) {
        let Some((expr, included)) = given else {
            continue;
        };
        match access.fitted(place, evaluate(expr, nothing, cx)?.into_owned()) {
            Fitted::Value(Value::Null) => return Ok(None),
            Fitted::Value(value) if *included => *end = Bound::Included(value),
            Fitted::Value(value) => *end = Bound::Excluded(value),
            Fitted::Beyond(side) if side == harmless => {}
            Fitted::Beyond(_) => return Ok(None),
        }
    }
    let [lower, upper] = ends;
    Ok(Some((lower, upper)))
}

/// A value as one of a column's type.
enum Fitted {
    Value(Value),
    /// The type has none: it is on this side of all that it has.
    Beyond(Side),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Below,
    Above,
}

impl AccessPath {
    pub(super) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let ends = self.lower.iter().chain(&self.upper).map(|(expr, _)| expr);
        let behind = self.behind.iter().map(Given::value);
        self.equal
            .iter()
            .chain(behind)
            .chain(ends)
            .chain(&self.covered)
    }

    fn has_no_bounds(&self) -> bool {
        self.lower.is_none() && self.upper.is_none()
    }

    /// The value as one of the type of the column at a place, where that is one of integers.
    fn fitted(&self, place: usize, value: Value) -> Fitted {
        let (Some(Some(greatest)), Some(number)) = (self.integers.get(place), value.as_integer())
        else {
            return Fitted::Value(value);
        };
        if number > *greatest {
            return Fitted::Beyond(Side::Above);
        }
        if number < -greatest - 1 {
            return Fitted::Beyond(Side::Below);
        }
        Fitted::Value(match (i16::try_from(number), i32::try_from(number)) {
            (Ok(number), _) if *greatest == i64::from(i16::MAX) => Value::Int2(number),
            (_, Ok(number)) if *greatest == i64::from(i32::MAX) => Value::Int4(number),
            _ => Value::Int8(number),
        })
    }
}
