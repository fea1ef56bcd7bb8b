//! Aggregates over sorted rows: percentiles, the mode, and ranks of a row that is not there.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::{AggregateKind, Body, Row};
use crate::array::Array;
use crate::error::{Error, Result, SqlState};
use crate::interrupt;
use crate::operator::operand::take;
use crate::value::Value;

/// Sorted rows, wherever they are.
pub trait SortedRows {
    /// How many there are.
    fn count(&self) -> usize;

    /// A row by its number.
    fn row(&mut self, index: usize) -> Result<&[Value]>;
}

impl SortedRows for Vec<Vec<Value>> {
    fn count(&self) -> usize {
        self.len()
    }

    fn row(&mut self, index: usize) -> Result<&[Value]> {
        Ok(&self[index])
    }
}

/// What an ordered-set aggregate sees.
pub(super) struct Sorted<'a> {
    pub(super) direct: &'a [Value],
    pub(super) rows: &'a mut dyn SortedRows,
    pub(super) compare: &'a dyn Fn(&[Value], &[Value]) -> Ordering,
}

pub(super) type Finish = fn(&mut Sorted<'_>) -> Result<Value>;

const fn set(signature: &'static str, direct: usize, finish: Finish) -> Row {
    Row {
        signature,
        kind: AggregateKind::OrderedSet(direct),
        body: Body::Sorted(finish),
    }
}

const fn hypothetical(signature: &'static str, finish: Finish) -> Row {
    Row {
        signature,
        kind: AggregateKind::Hypothetical,
        body: Body::Sorted(finish),
    }
}

pub(super) static ROWS: &[Row] = &[
    set(
        "percentile_disc(float8, anyelement) anyelement",
        1,
        |sorted| sorted.one(discrete),
    ),
    set(
        "percentile_disc(float8[], anyelement) anyarray",
        1,
        |sorted| sorted.many(discrete),
    ),
    set("percentile_cont(float8, float8) float8", 1, |sorted| {
        sorted.one(continuous)
    }),
    set("percentile_cont(float8, interval) interval", 1, |sorted| {
        sorted.one(continuous)
    }),
    set("percentile_cont(float8[], float8) float8[]", 1, |sorted| {
        sorted.many(continuous)
    }),
    set(
        "percentile_cont(float8[], interval) interval[]",
        1,
        |sorted| sorted.many(continuous),
    ),
    set("mode(anyelement) anyelement", 0, mode),
    hypothetical("rank(variadic any) int8", |sorted| {
        Ok(Value::Int8(sorted.before()? as i64 + 1))
    }),
    hypothetical("dense_rank(variadic any) int8", |sorted| {
        let before = sorted.before()?;
        let mut distinct = 0;
        let mut last: Option<Vec<Value>> = None;
        for index in 0..before {
            interrupt::spend(64)?;
            let row = sorted.rows.row(index)?;
            let is_peer = last
                .as_ref()
                .is_some_and(|last| (sorted.compare)(last, row).is_eq());
            if !is_peer {
                distinct += 1;
                last = Some(row.to_vec());
            }
        }
        Ok(Value::Int8(distinct + 1))
    }),
    hypothetical("percent_rank(variadic any) float8", |sorted| {
        let count = sorted.rows.count();
        let rank = if count == 0 {
            0.0
        } else {
            sorted.before()? as f64 / count as f64
        };
        Ok(Value::Float8(rank))
    }),
    hypothetical("cume_dist(variadic any) float8", |sorted| {
        let (direct, compare) = (sorted.direct, sorted.compare);
        let count = sorted.rows.count();
        let through = sorted.point(0..count, |row| compare(row, direct).is_le())?;
        Ok(Value::Float8((through as f64 + 1.0) / (count as f64 + 1.0)))
    }),
];

impl Sorted<'_> {
    /// The first of these rows of which something is not true; it is true of those before it.
    fn point(&mut self, among: Range<usize>, is_so: impl Fn(&[Value]) -> bool) -> Result<usize> {
        let Range { mut start, mut end } = among;
        while start < end {
            let middle = start + (end - start) / 2;
            match is_so(self.rows.row(middle)?) {
                true => start = middle + 1,
                false => end = middle,
            }
        }
        Ok(start)
    }

    /// The rows whose first value is not NULL: the others are at one end.
    fn values(&mut self) -> Result<Range<usize>> {
        let count = self.rows.count();
        let is_null = |row: &[Value]| row.first().is_none_or(Value::is_null);
        if count == 0 || !is_null(self.rows.row(0)?) {
            let end = self.point(0..count, |row| !is_null(row))?;
            return Ok(0..end);
        }
        Ok(self.point(0..count, is_null)?..count)
    }

    /// The first value of a row.
    fn value(&mut self, index: usize) -> Result<Value> {
        let value = self.rows.row(index)?.first();
        Ok(value.cloned().unwrap_or(Value::Null))
    }

    /// How many rows sort before the direct arguments.
    fn before(&mut self) -> Result<usize> {
        let (direct, compare) = (self.direct, self.compare);
        let count = self.rows.count();
        self.point(0..count, |row| compare(row, direct).is_lt())
    }

    /// The percentile for a fraction.
    fn one(&mut self, find: Find) -> Result<Value> {
        let values = self.values()?;
        match fraction_of(&self.direct[0])? {
            Some(fraction) => find(self, &values, fraction),
            None => Ok(Value::Null),
        }
    }

    /// The percentile for each element of an array.
    fn many(&mut self, find: Find) -> Result<Value> {
        let values = self.values()?;
        let Value::Array(array) = &self.direct[0] else {
            return Ok(Value::Null);
        };
        if values.is_empty() {
            return Ok(Value::Null);
        }
        let mut found = Vec::with_capacity(array.values().len());
        for fraction in array.values() {
            found.push(match fraction_of(fraction)? {
                Some(fraction) => find(self, &values, fraction)?,
                None => Value::Null,
            });
        }
        let array = Array::new(array.dimensions().to_vec(), found)?;
        Ok(Value::Array(Arc::new(array)))
    }
}

/// Finds a percentile among the rows with values.
type Find = fn(&mut Sorted<'_>, &Range<usize>, f64) -> Result<Value>;

/// The first value at or after so much of the rows.
fn discrete(sorted: &mut Sorted<'_>, values: &Range<usize>, fraction: f64) -> Result<Value> {
    let place = (fraction * values.len() as f64).ceil() as usize;
    match values.clone().nth(place.max(1) - 1) {
        Some(index) => sorted.value(index),
        None => Ok(Value::Null),
    }
}

/// Between two values in proportion.
fn continuous(sorted: &mut Sorted<'_>, values: &Range<usize>, fraction: f64) -> Result<Value> {
    let Some(last) = values.len().checked_sub(1) else {
        return Ok(Value::Null);
    };
    let place = fraction * last as f64;
    let lower = sorted.value(values.start + place.floor() as usize)?;
    if place.floor() == place.ceil() {
        return Ok(lower);
    }
    let upper = sorted.value(values.start + place.ceil() as usize)?;
    let part = place - place.floor();
    match (&lower, &upper) {
        (Value::Float8(lower), Value::Float8(upper)) => {
            Ok(Value::Float8(lower + part * (upper - lower)))
        }
        (Value::Interval(lower), Value::Interval(upper)) => {
            let step = upper.checked_subtract(lower)?.checked_multiply(part)?;
            Ok(Value::Interval(lower.checked_add(&step)?))
        }
        (other, _) => Err(Error::mismatch(other.kind())),
    }
}

/// The value that comes most often, the first of several.
fn mode(sorted: &mut Sorted<'_>) -> Result<Value> {
    let (mut best, mut now) = ((0, Value::Null), (0, Vec::new()));
    for index in sorted.values()? {
        interrupt::spend(64)?;
        let row = sorted.rows.row(index)?;
        match now.0 > 0 && (sorted.compare)(&now.1, row).is_eq() {
            true => now.0 += 1,
            false => now = (1, row.to_vec()),
        }
        if now.0 > best.0 {
            best = (now.0, now.1[0].clone());
        }
    }
    Ok(best.1)
}

fn fraction_of(value: &Value) -> Result<Option<f64>> {
    let Some(fraction) = take::<Option<f64>>(value)? else {
        return Ok(None);
    };
    if !(0.0..=1.0).contains(&fraction) {
        let text = crate::function::general(fraction);
        let words = format!("percentile value {text} is not between 0 and 1");
        return Err(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, words));
    }
    Ok(Some(fraction))
}
