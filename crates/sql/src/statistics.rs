//! What the values of a table are like, from a sample of its rows.
//!
//! ANALYZE looks at every row and keeps a sample of 30,000, evenly (Vitter, "Random Sampling with a
//! Reservoir", 1985, algorithm R). A plan that needs to know about a table that was never analyzed,
//! or has changed since, looks at some rows in each of several places instead: less exact, but it
//! takes no longer for a large table. How many different values there are is estimated from those
//! that are in the sample once (Haas and Stokes, "Estimating the Number of Classes in a Finite
//! Population", 1998, Duj1), as PostgreSQL does it.

use std::sync::Arc;

use rustdb_catalog::{Column, ColumnStatistics, TableStatistics};
use rustdb_table::{Projection, StoredRow, Table};
use rustdb_txn::{KeyRange, Transaction};
use rustdb_types::{Type, Value};

use crate::error::Result;

/// How many rows ANALYZE keeps.
const SAMPLE_ROWS: usize = 30_000;

/// So many rows are looked at between two questions whether to go on.
const ROWS_AT_ONCE: usize = 1024;

/// How many values are kept as the most common, and how many parts a histogram has.
const TARGET: usize = 100;

/// Longer values only count.
const VALUE_BYTES_MAX: usize = 1024;

/// In how many places a quick look reads rows, and how many in each.
const PLACES: u64 = 64;
const PLACE_ROWS: usize = 48;

/// Rows of a table.
struct Sample {
    rows: Vec<Vec<Value>>,
    /// How many rows there are in all.
    total: u64,
}

/// Looks at every row. `go_on` is asked now and then.
pub(crate) fn analyze(
    table: &Arc<Table>,
    transaction: &Transaction,
    now_micros: u64,
    mut go_on: impl FnMut() -> Result<()>,
) -> Result<TableStatistics> {
    let mut sample = Sample {
        rows: Vec::new(),
        total: 0,
    };
    let mut chance = Chance(table.oid().0.into());
    let mut scan = table.scan(transaction, KeyRange::all(), Projection::All)?;
    let shortened = |row: StoredRow<'_>| -> rustdb_table::Result<Vec<Value>> {
        Ok(row.values()?.into_iter().map(shortened).collect())
    };
    loop {
        go_on()?;
        let rows = scan.visit(transaction, ROWS_AT_ONCE, |row| {
            sample.total += 1;
            if sample.rows.len() < SAMPLE_ROWS {
                sample.rows.push(shortened(row)?);
            } else if let place = chance.below(sample.total) as usize
                && let Some(kept) = sample.rows.get_mut(place)
            {
                *kept = shortened(row)?;
            }
            Ok(())
        })?;
        if rows < ROWS_AT_ONCE {
            return Ok(sample.statistics(table, now_micros));
        }
    }
}

/// Looks at some rows in several places.
pub(crate) fn glance(
    table: &Arc<Table>,
    transaction: &Transaction,
    total: u64,
) -> Result<TableStatistics> {
    let mut sample = Sample {
        rows: Vec::new(),
        total,
    };
    let projection = Projection::Columns(Vec::new());
    let mut nothing = Vec::new();
    let mut ends = table.scan(transaction, KeyRange::all(), projection)?;
    let first = ends.next(transaction, &mut nothing)?;
    let last = ends.next_back(transaction, &mut nothing)?;
    drop(ends);
    let starts = match (first, last) {
        (Some(first), Some(last)) if total > PLACES * PLACE_ROWS as u64 => spread(&first, &last),
        _ => vec![Vec::new()],
    };
    let each = if starts.len() == 1 {
        usize::MAX
    } else {
        PLACE_ROWS
    };
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).cloned();
        let range = KeyRange {
            start: start.clone(),
            end,
        };
        let mut scan = table.scan(transaction, range, Projection::All)?;
        let mut row = Vec::new();
        for _ in 0..each {
            if scan.next(transaction, &mut row)?.is_none() {
                break;
            }
            sample.rows.push(row.drain(..).map(shortened).collect());
        }
    }
    Ok(sample.statistics(table, 0))
}

/// Keys at even distances from the first to the last, as far as their bytes tell.
fn spread(first: &[u8], last: &[u8]) -> Vec<Vec<u8>> {
    let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    let number = |key: &[u8]| {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(key.iter().skip(common)) {
            *to = *from;
        }
        u64::from_be_bytes(bytes)
    };
    let (low, high) = (number(first), number(last));
    let mut starts = vec![first.to_vec()];
    for place in 1..PLACES {
        let at = low
            + (u128::from(high.saturating_sub(low)) * u128::from(place) / u128::from(PLACES))
                as u64;
        let mut key = first[..common].to_vec();
        key.extend_from_slice(&at.to_be_bytes());
        if starts.last().is_some_and(|before| *before < key) {
            starts.push(key);
        }
    }
    starts
}

/// A value that is too long to be kept stands for one of its length.
fn shortened(value: Value) -> Value {
    match width(&value) > VALUE_BYTES_MAX {
        true => Value::record([Value::Int8(width(&value) as i64)]),
        false => value,
    }
}

/// About how many bytes a value has.
fn width(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Int2(_) => 2,
        Value::Int4(_) | Value::Float4(_) | Value::Date(_) | Value::Oid(_) => 4,
        Value::Text(text) => text.as_bytes().len(),
        Value::Bytea(bytes) => bytes.len(),
        Value::Json(text) => text.len(),
        Value::Interval(_) | Value::Uuid(_) => 16,
        Value::Array(array) => array.values().iter().map(width).sum(),
        Value::Record(values) => match &values[..] {
            [Value::Int8(width)] => usize::try_from(*width).unwrap_or(0),
            values => values.iter().map(width).sum(),
        },
        _ => 8,
    }
}

impl Sample {
    fn statistics(&self, table: &Table, now_micros: u64) -> TableStatistics {
        let definition = table.definition();
        let sampled = self.rows.len().max(1) as f64;
        let bytes: usize = self.rows.iter().flatten().map(width).sum();
        let columns = definition.columns.iter().enumerate();
        let columns = columns
            .filter(|(_, column)| !column.dropped)
            .map(|(place, column)| self.column(place, column));
        TableStatistics {
            table: definition.oid,
            rows: self.total,
            changed: 0,
            analyzed_micros: now_micros,
            row_bytes: bytes as f64 / sampled,
            columns: columns.collect(),
        }
    }

    fn column(&self, place: usize, column: &Column) -> ColumnStatistics {
        let sampled = self.rows.len().max(1) as f64;
        let values = self.rows.iter().enumerate();
        let values = values.filter_map(|(index, row)| {
            let value = row.get(place)?;
            (!value.is_null()).then_some((index, value))
        });
        let (long, mut values): (Vec<_>, Vec<_>) =
            values.partition(|(_, value)| matches!(value, Value::Record(_)));
        let count = long.len() + values.len();
        let bytes: usize = long
            .iter()
            .chain(&values)
            .map(|(_, value)| width(value))
            .sum();
        let of = column.column_type.without_domains();
        let mut statistics = ColumnStatistics {
            column: column.id,
            column_type: column.column_type.clone(),
            null_fraction: 1.0 - count as f64 / sampled,
            width: bytes as f64 / count.max(1) as f64,
            distinct: -1.0,
            most_common: Vec::new(),
            histogram: Vec::new(),
            correlation: 0.0,
        };
        if self.rows.is_empty() {
            statistics.null_fraction = 0.0;
        }
        if !of.is_ordered() || values.is_empty() {
            return statistics;
        }
        values.sort_by(|(_, left), (_, right)| of.compare(left, right));
        statistics.correlation = correlation(&values);
        let groups = groups(&of, &values);
        statistics.distinct = self.distinct(&groups, values.len(), long.len());
        let common = most_common(&groups, values.len(), self.rows.len() as u64 >= self.total);
        statistics.most_common = common
            .iter()
            .map(|group| (values[group.start].1.clone(), group.count as f64 / sampled))
            .collect();
        statistics.histogram = histogram(&values, &common);
        statistics
    }

    /// How many different values the column has; negative is a share of the rows.
    fn distinct(&self, groups: &[Group], values: usize, long: usize) -> f64 {
        let found = (groups.len() + long) as f64;
        let once = (groups.iter().filter(|group| group.count == 1).count() + long) as f64;
        let sampled = (values + long) as f64;
        let all = self.total as f64 * sampled / self.rows.len().max(1) as f64;
        if once >= sampled {
            return -(sampled / self.rows.len().max(1) as f64);
        }
        let estimate = match once == 0.0 || self.rows.len() as u64 >= self.total {
            true => found,
            false => (sampled * found / (sampled - once + once * sampled / all)).clamp(found, all),
        };
        match estimate > 0.1 * self.total as f64 {
            true => -(estimate / self.total.max(1) as f64),
            false => estimate.max(1.0),
        }
    }
}

/// Equal values that stand together.
#[derive(Clone, Copy)]
struct Group {
    start: usize,
    count: usize,
}

fn groups(of: &Type, values: &[(usize, &Value)]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, (_, value)) in values.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if of.compare(values[group.start].1, value).is_eq() => group.count += 1,
            _ => groups.push(Group {
                start: index,
                count: 1,
            }),
        }
    }
    groups
}

/// The groups that are clearly larger than most; all of them if there are few.
fn most_common(groups: &[Group], values: usize, is_complete: bool) -> Vec<Group> {
    let mut common = groups.to_vec();
    let is_few =
        groups.len() <= TARGET && (is_complete || groups.iter().all(|each| each.count > 1));
    if !is_few {
        let average = values as f64 / groups.len() as f64;
        common.retain(|group| group.count > 1 && group.count as f64 > average * 1.25);
    }
    common.sort_by_key(|group| std::cmp::Reverse(group.count));
    common.truncate(TARGET);
    common
}

/// Values that divide those that are not among the most common into parts of one size.
fn histogram(values: &[(usize, &Value)], common: &[Group]) -> Vec<Value> {
    let is_common = |index: usize| {
        common
            .iter()
            .any(|group| (group.start..group.start + group.count).contains(&index))
    };
    let rest: Vec<&Value> = values
        .iter()
        .enumerate()
        .filter(|(index, _)| !is_common(*index))
        .map(|(_, (_, value))| *value)
        .collect();
    if rest.len() < 2 {
        return Vec::new();
    }
    let bounds = TARGET.min(rest.len() - 1);
    (0..=bounds)
        .map(|bound| rest[bound * (rest.len() - 1) / bounds].clone())
        .collect()
}

/// Pearson's correlation between the order of values and the order of rows.
fn correlation(values: &[(usize, &Value)]) -> f64 {
    let count = values.len() as f64;
    if values.len() < 2 {
        return 0.0;
    }
    // Rows without a value are left out of the order.
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|at| values[*at].0);
    let mut together = 0.0;
    for (row, value) in order.iter().enumerate() {
        together += row as f64 * *value as f64;
    }
    let sum = count * (count - 1.0) / 2.0;
    let squares = (count - 1.0) * count * (2.0 * count - 1.0) / 6.0;
    (count * together - sum * sum) / (count * squares - sum * sum)
}

/// Numbers that look random; the same for the same seed, so that plans are too.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        // SplitMix64 (Steele, Lea and Flood, 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}
