//! Aggregates over sorted rows: percentiles, the mode, and ranks of a row that is not there.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{AggregateKind, Body, Row};
use crate::array::Array;
use crate::error::{Error, Result, SqlState};
use crate::operator::operand::take;
use crate::value::Value;

/// What an ordered-set aggregate sees.
pub(super) struct Sorted<'a> {
    pub(super) direct: &'a [Value],
    pub(super) rows: &'a [Vec<Value>],
    pub(super) compare: &'a dyn Fn(&[Value], &[Value]) -> Ordering,
}

pub(super) type Finish = fn(&Sorted<'_>) -> Result<Value>;

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
        |sorted| {
            let values = sorted.values();
            one(&sorted.direct[0], |fraction| {
                Ok(discrete(&values, fraction))
            })
        },
    ),
    set(
        "percentile_disc(float8[], anyelement) anyarray",
        1,
        |sorted| {
            let values = sorted.values();
            many(&sorted.direct[0], &values, |fraction| {
                Ok(discrete(&values, fraction))
            })
        },
    ),
    set("percentile_cont(float8, float8) float8", 1, |sorted| {
        let values = sorted.values();
        one(&sorted.direct[0], |fraction| continuous(&values, fraction))
    }),
    set("percentile_cont(float8, interval) interval", 1, |sorted| {
        let values = sorted.values();
        one(&sorted.direct[0], |fraction| continuous(&values, fraction))
    }),
    set("percentile_cont(float8[], float8) float8[]", 1, |sorted| {
        let values = sorted.values();
        many(&sorted.direct[0], &values, |fraction| {
            continuous(&values, fraction)
        })
    }),
    set(
        "percentile_cont(float8[], interval) interval[]",
        1,
        |sorted| {
            let values = sorted.values();
            many(&sorted.direct[0], &values, |fraction| {
                continuous(&values, fraction)
            })
        },
    ),
    set("mode(anyelement) anyelement", 0, mode),
    hypothetical("rank(variadic any) int8", |sorted| {
        Ok(Value::Int8(sorted.before() as i64 + 1))
    }),
    hypothetical("dense_rank(variadic any) int8", |sorted| {
        let before = &sorted.rows[..sorted.before()];
        let steps = before
            .windows(2)
            .filter(|pair| (sorted.compare)(&pair[0], &pair[1]).is_ne());
        let distinct = steps.count() + usize::from(!before.is_empty());
        Ok(Value::Int8(distinct as i64 + 1))
    }),
    hypothetical("percent_rank(variadic any) float8", |sorted| {
        let count = sorted.rows.len();
        let rank = if count == 0 {
            0.0
        } else {
            sorted.before() as f64 / count as f64
        };
        Ok(Value::Float8(rank))
    }),
    hypothetical("cume_dist(variadic any) float8", |sorted| {
        let through = sorted
            .rows
            .partition_point(|row| (sorted.compare)(row, sorted.direct).is_le());
        Ok(Value::Float8(
            (through as f64 + 1.0) / (sorted.rows.len() as f64 + 1.0),
        ))
    }),
];

impl Sorted<'_> {
    /// The values of the first column that are not NULL.
    fn values(&self) -> Vec<&Value> {
        let values = self.rows.iter().filter_map(|row| row.first());
        values.filter(|value| !value.is_null()).collect()
    }

    /// How many rows sort before the direct arguments.
    fn before(&self) -> usize {
        self.rows
            .partition_point(|row| (self.compare)(row, self.direct).is_lt())
    }
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

fn one(fraction: &Value, find: impl Fn(f64) -> Result<Value>) -> Result<Value> {
    match fraction_of(fraction)? {
        Some(fraction) => find(fraction),
        None => Ok(Value::Null),
    }
}

/// The percentile for each element of an array.
fn many(
    fractions: &Value,
    values: &[&Value],
    find: impl Fn(f64) -> Result<Value>,
) -> Result<Value> {
    let Value::Array(array) = fractions else {
        return Ok(Value::Null);
    };
    if values.is_empty() {
        return Ok(Value::Null);
    }
    let found = array.values().iter().map(|fraction| one(fraction, &find));
    let found = found.collect::<Result<Vec<Value>>>()?;
    let array = Array::new(array.dimensions().to_vec(), found)?;
    Ok(Value::Array(Arc::new(array)))
}

/// The first value at or after so much of the rows.
fn discrete(values: &[&Value], fraction: f64) -> Value {
    let place = (fraction * values.len() as f64).ceil() as usize;
    let value = values.get(place.max(1) - 1);
    value.map_or(Value::Null, |value| Value::clone(value))
}

/// Between two values in proportion.
fn continuous(values: &[&Value], fraction: f64) -> Result<Value> {
    let Some(last) = values.len().checked_sub(1) else {
        return Ok(Value::Null);
    };
    let place = fraction * last as f64;
    let (lower, upper) = (
        values[place.floor() as usize],
        values[place.ceil() as usize],
    );
    let part = place - place.floor();
    if place.floor() == place.ceil() {
        return Ok(lower.clone());
    }
    match (lower, upper) {
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
fn mode(sorted: &Sorted<'_>) -> Result<Value> {
    let mut best: Option<(usize, &[Value])> = None;
    let rows = sorted.rows.iter().filter(|row| !row[0].is_null());
    let rows: Vec<&Vec<Value>> = rows.collect();
    let groups = rows.chunk_by(|left, right| (sorted.compare)(left, right).is_eq());
    for group in groups {
        if best.is_none_or(|(count, _)| group.len() > count) {
            best = Some((group.len(), group[0]));
        }
    }
    Ok(best.map_or(Value::Null, |(_, row)| row[0].clone()))
}
