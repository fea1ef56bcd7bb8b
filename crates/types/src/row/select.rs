//! The tests of [`RowTest`] on columns that were taken out of rows before.

use super::test::{Comparison, Integers, Members, RowTest, Test, unpadded};
use crate::column::{Cells, ColumnVector};
use crate::numeric::Numeric;
use crate::order::compare_float8;
use crate::value::Value;
use std::cmp::Ordering;
use std::ops::Range;

/// Some of the rows of columns, in their order.
#[derive(Clone, Debug)]
pub struct Selection {
    range: Range<usize>,
    /// Those of the range; `None` for all.
    rows: Option<Vec<u32>>,
}

impl Selection {
    /// All rows of a range, which ends below 2^32.
    pub fn all(range: Range<usize>) -> Selection {
        Selection { range, rows: None }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.as_ref().map_or(self.range.len(), Vec::len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The range that the rows are in.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Which rows of the range, if not all.
    pub fn rows(&self) -> Option<&[u32]> {
        self.rows.as_deref()
    }

    /// Leaves out the rows of which `keeps` says no.
    #[inline]
    pub fn retain(&mut self, mut keeps: impl FnMut(usize) -> bool) {
        let mut count = 0;
        match &mut self.rows {
            // NB: without a branch for each row, nobody can tell how they will go.
            None => {
                let mut rows = vec![0; self.range.len()];
                for row in self.range.clone() {
                    rows[count] = row as u32;
                    count += usize::from(keeps(row));
                }
                rows.truncate(count);
                self.rows = Some(rows);
            }
            Some(rows) => {
                for at in 0..rows.len() {
                    let row = rows[at];
                    rows[count] = row;
                    count += usize::from(keeps(row as usize));
                }
                rows.truncate(count);
            }
        }
    }

    fn clear(&mut self) {
        self.rows = Some(Vec::new());
    }
}

/// Gives the integers of a column to an expression, whatever their width; something else for other
/// columns.
macro_rules! with_integers {
    ($cells:expr, $of:ident => $then:expr, $otherwise:expr) => {
        match $cells {
            Cells::Int4(numbers) | Cells::Date(numbers) => {
                let $of = |row: usize| i64::from(numbers[row]);
                $then
            }
            Cells::Int8(numbers) | Cells::Timestamp(numbers) => {
                let $of = |row: usize| numbers[row];
                $then
            }
            _ => $otherwise,
        }
    };
}

impl RowTest {
    /// The columns of a row that the test looks at.
    pub fn columns(&self) -> (usize, Option<usize>) {
        let other = match &self.test {
            Test::Column { other, .. } => Some(*other),
            Test::Member { other, .. } => other.map(|(other, _)| other),
            _ => None,
        };
        (self.column, other)
    }

    /// Leaves out the rows that do not pass, of which these are the [columns](RowTest::columns).
    pub fn select(
        &self,
        column: &ColumnVector,
        other: Option<&ColumnVector>,
        selection: &mut Selection,
    ) {
        let cells = column.cells();
        match &self.test {
            Test::Never => selection.clear(),
            Test::Between { low, high, inside } => with_integers!(
                cells,
                of => selection.retain(|row| {
                    let number = of(row);
                    ((*low <= number) & (number <= *high)) == *inside
                }),
                self.select_values(column, other, selection)
            ),
            Test::AnyInteger(sought) => with_integers!(
                cells,
                of => selection.retain(|row| sought.binary_search(&of(row)).is_ok()),
                self.select_values(column, other, selection)
            ),
            Test::Numeric(comparison, number) => match cells {
                Cells::Numeric(coefficients, scale) => match at_scale(number, *scale) {
                    Some(number) => select_ordered(*comparison, selection, |row| {
                        i128::from(coefficients[row]).cmp(&number)
                    }),
                    None => self.select_values(column, other, selection),
                },
                _ => self.select_values(column, other, selection),
            },
            Test::Float(comparison, number) => match cells {
                Cells::Float8(numbers) => select_ordered(*comparison, selection, |row| {
                    compare_float8(numbers[row], *number)
                }),
                _ => self.select_values(column, other, selection),
            },
            Test::Text {
                comparison,
                text,
                padded,
            } => match cells {
                Cells::Text(strings) => select_ordered(*comparison, selection, |row| {
                    unpadded(strings.bytes_of(row), *padded).cmp(text)
                }),
                _ => self.select_values(column, other, selection),
            },
            Test::AnyText { texts, padded } => match cells {
                Cells::Text(strings) => selection.retain(|row| {
                    let cell = unpadded(strings.bytes_of(row), *padded);
                    texts.iter().any(|text| text == cell)
                }),
                _ => self.select_values(column, other, selection),
            },
            Test::Column { comparison, .. } => {
                self.select_by_column(*comparison, column, other, selection);
            }
            Test::Member { members, .. } => {
                self.select_members(&**members, column, other, selection);
            }
        }
    }

    fn select_members(
        &self,
        members: &dyn Members,
        column: &ColumnVector,
        other: Option<&ColumnVector>,
        selection: &mut Selection,
    ) {
        let second = other.map(|other| Integers::of(other.cells()));
        match (Integers::of(column.cells()), second) {
            (Some(first), None) => members.select(first, None, selection),
            (Some(first), Some(Some(second))) => members.select(first, Some(second), selection),
            _ => self.select_values(column, other, selection),
        }
    }

    fn select_by_column(
        &self,
        comparison: Comparison,
        column: &ColumnVector,
        other: Option<&ColumnVector>,
        selection: &mut Selection,
    ) {
        match (column.cells(), other.map(ColumnVector::cells)) {
            (Cells::Int4(left), Some(Cells::Int4(right)))
            | (Cells::Date(left), Some(Cells::Date(right))) => {
                select_ordered(comparison, selection, |row| left[row].cmp(&right[row]));
            }
            (Cells::Int8(left), Some(Cells::Int8(right)))
            | (Cells::Timestamp(left), Some(Cells::Timestamp(right))) => {
                select_ordered(comparison, selection, |row| left[row].cmp(&right[row]));
            }
            _ => self.select_values(column, other, selection),
        }
    }

    /// The same, one value at a time.
    fn select_values(
        &self,
        column: &ColumnVector,
        other: Option<&ColumnVector>,
        selection: &mut Selection,
    ) {
        selection.retain(|row| {
            let other = other.map(|other| other.cell(row));
            self.passes_values(&column.cell(row), other.as_deref())
        });
    }

    fn passes_values(&self, value: &Value, other: Option<&Value>) -> bool {
        let integer = || stored_integer(value);
        match &self.test {
            Test::Never => false,
            Test::Between { low, high, inside } => {
                integer().is_some_and(|number| (*low <= number && number <= *high) == *inside)
            }
            Test::AnyInteger(sought) => {
                integer().is_some_and(|number| sought.binary_search(&number).is_ok())
            }
            Test::Numeric(comparison, number) => match value {
                Value::Numeric(value) => comparison.holds(value.cmp(number)),
                _ => false,
            },
            Test::Float(comparison, number) => match value {
                Value::Float8(value) => comparison.holds(compare_float8(*value, *number)),
                _ => false,
            },
            Test::Text {
                comparison,
                text,
                padded,
            } => match value {
                Value::Text(value) => {
                    comparison.holds(unpadded(value.as_bytes(), *padded).cmp(text))
                }
                _ => false,
            },
            Test::AnyText { texts, padded } => match value {
                Value::Text(value) => {
                    let cell = unpadded(value.as_bytes(), *padded);
                    texts.iter().any(|text| text == cell)
                }
                _ => false,
            },
            Test::Column { comparison, .. } => match (integer(), other.and_then(stored_integer)) {
                (Some(left), Some(right)) => comparison.holds(left.cmp(&right)),
                _ => false,
            },
            Test::Member {
                other: second,
                members,
            } => match (integer(), second, other.and_then(stored_integer)) {
                (Some(first), None, _) => members.contains(&[first]),
                (Some(first), Some(_), Some(second)) => members.contains(&[first, second]),
                _ => false,
            },
        }
    }
}

/// Leaves out the rows that do not compare so.
#[inline]
fn select_ordered(
    comparison: Comparison,
    selection: &mut Selection,
    order: impl Fn(usize) -> Ordering,
) {
    match comparison {
        Comparison::Equal => selection.retain(|row| order(row).is_eq()),
        Comparison::NotEqual => selection.retain(|row| order(row).is_ne()),
        Comparison::Less => selection.retain(|row| order(row).is_lt()),
        Comparison::LessOrEqual => selection.retain(|row| order(row).is_le()),
        Comparison::Greater => selection.retain(|row| order(row).is_gt()),
        Comparison::GreaterOrEqual => selection.retain(|row| order(row).is_ge()),
    }
}

/// The number in units of the last of so many decimals, if it is a whole number of them.
fn at_scale(number: &Numeric, scale: u16) -> Option<i128> {
    let (coefficient, of) = number.as_small()?;
    let more = scale.checked_sub(of)?;
    10_i128
        .checked_pow(more.into())?
        .checked_mul(coefficient.into())
}

/// The integer that a value is stored as, in the columns that tests compare as integers.
fn stored_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int2(_) | Value::Int4(_) | Value::Int8(_) => value.as_integer(),
        Value::Date(days) => Some(i64::from(*days)),
        Value::Time(micros) | Value::Timestamp(micros) | Value::Timestamptz(micros) => {
            Some(*micros)
        }
        _ => None,
    }
}
