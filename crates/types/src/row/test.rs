//! Conditions on stored rows, told without making values: a column compared with a constant, or
//! with another column, or looked for among many numbers.
//!
//! A test says for a row what the comparison operators say for its values, NULL being no. Kinds of
//! comparison that have no test are not wrong, only slower: the functions that make tests return
//! `None` for them.

use std::cmp::Ordering;
use std::sync::Arc;

use super::decode::{Cell, RowView};
use super::reader::{Open, word};
use super::select::Selection;
use super::{Column, Place, RowLayout};
use crate::base::Base;
use crate::column::Cells;
use crate::error::Result;
use crate::interval::MICROS_PER_DAY;
use crate::numeric::{self, Numeric};
use crate::order::{compare_float8, without_padding};
use crate::types::Element;
use crate::value::Value;

/// A comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Numbers, or pairs of them, that the integers of a row's columns are looked for in.
pub trait Members: std::fmt::Debug + Send + Sync {
    /// Whether a row with these integers is to pass: one, or two.
    fn contains(&self, key: &[i64]) -> bool;

    /// Leaves out the rows that are not to pass, of which these are the integers.
    fn select(&self, first: Integers<'_>, second: Option<Integers<'_>>, selection: &mut Selection) {
        selection.retain(|row| match &second {
            None => self.contains(&[first.get(row)]),
            Some(second) => self.contains(&[first.get(row), second.get(row)]),
        });
    }
}

/// The integers of a column, by row.
#[derive(Clone, Copy, Debug)]
pub enum Integers<'a> {
    /// Those of four bytes.
    Short(&'a [i32]),
    /// Those of eight.
    Long(&'a [i64]),
}

impl<'a> Integers<'a> {
    /// Those of a column in plain form.
    pub fn of(cells: &'a Cells) -> Option<Integers<'a>> {
        Some(match cells {
            Cells::Int4(numbers) | Cells::Date(numbers) => Integers::Short(numbers),
            Cells::Int8(numbers) | Cells::Timestamp(numbers) => Integers::Long(numbers),
            _ => return None,
        })
    }

    /// That of a row.
    #[inline]
    pub fn get(&self, row: usize) -> i64 {
        match self {
            Integers::Short(numbers) => numbers[row].into(),
            Integers::Long(numbers) => numbers[row],
        }
    }
}

/// A condition on a row. See the module's documentation.
#[derive(Clone, Debug)]
pub struct RowTest {
    pub(super) column: usize,
    place: Place,
    pub(super) test: Test,
}

#[derive(Clone, Debug)]
pub(super) enum Test {
    /// Nothing passes: the constant is NULL.
    Never,
    /// Integers, and what is stored as one, within or outside of two ends that count.
    Between {
        low: i64,
        high: i64,
        inside: bool,
    },
    /// One of these, sorted.
    AnyInteger(Vec<i64>),
    Numeric(Comparison, Numeric),
    Float(Comparison, f64),
    /// Text, of which blanks at the end count or not.
    Text {
        comparison: Comparison,
        text: Vec<u8>,
        padded: bool,
    },
    /// One of these.
    AnyText {
        texts: Vec<Vec<u8>>,
        padded: bool,
    },
    /// The other column, which is of the same type and stored as an integer.
    Column {
        comparison: Comparison,
        other: usize,
        place: Place,
    },
    /// The integer, with that of the other column if there is one, is one of many.
    Member {
        other: Option<(usize, Place)>,
        members: Arc<dyn Members>,
    },
}

impl Comparison {
    /// The comparison of an operator; `None` for others.
    pub fn of(operator: &str) -> Option<Comparison> {
        Some(match operator {
            "=" => Comparison::Equal,
            "<>" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        })
    }

    /// The same with its sides changed.
    #[must_use]
    pub fn commuted(self) -> Comparison {
        match self {
            Comparison::Equal | Comparison::NotEqual => self,
            Comparison::Less => Comparison::Greater,
            Comparison::LessOrEqual => Comparison::GreaterOrEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        }
    }

    #[inline]
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl RowLayout {
    /// The test whether a column compares so with a constant, as the operator does whose operands
    /// are of the column's and the constant's type.
    pub fn test(&self, column: usize, comparison: Comparison, constant: &Value) -> Option<RowTest> {
        let known = self.columns.get(column)?;
        let base = base_of(known)?;
        let test = match (base, constant) {
            (_, Value::Null) => Test::Never,
            (Base::Numeric, Value::Numeric(number)) => Test::Numeric(comparison, number.clone()),
            (Base::Float8, Value::Float8(number)) => Test::Float(comparison, *number),
            (Base::Text | Base::Varchar | Base::Bpchar, Value::Text(text)) => {
                let padded = base == Base::Bpchar;
                Test::Text {
                    comparison,
                    text: unpadded(text.as_bytes(), padded).to_vec(),
                    padded,
                }
            }
            (Base::Date, Value::Timestamp(micros)) => days(comparison, *micros),
            _ => {
                let number = stored_integer(base, constant)?;
                between(comparison, number, true)
            }
        };
        Some(RowTest {
            column,
            place: known.place,
            test,
        })
    }

    /// The test whether a column equals one of these values.
    pub fn test_any(&self, column: usize, values: &[Value]) -> Option<RowTest> {
        let known = self.columns.get(column)?;
        let base = base_of(known)?;
        let mut values = values.iter().filter(|value| !value.is_null()).peekable();
        let test = if values.peek().is_none() {
            Test::Never
        } else if matches!(base, Base::Text | Base::Varchar | Base::Bpchar) {
            let padded = base == Base::Bpchar;
            let texts = values.map(|value| match value {
                Value::Text(text) => Some(unpadded(text.as_bytes(), padded).to_vec()),
                _ => None,
            });
            Test::AnyText {
                texts: texts.collect::<Option<_>>()?,
                padded,
            }
        } else {
            let numbers = values.map(|value| stored_integer(base, value));
            let mut numbers: Vec<i64> = numbers.collect::<Option<_>>()?;
            numbers.sort_unstable();
            Test::AnyInteger(numbers)
        };
        Some(RowTest {
            column,
            place: known.place,
            test,
        })
    }

    /// The test whether the integers of one or two columns are among many; `None` for columns of
    /// other types. NULL is not among them.
    pub fn test_members(&self, columns: &[usize], members: Arc<dyn Members>) -> Option<RowTest> {
        let integer = |column: usize| {
            let known = self.columns.get(column)?;
            let is_integer = matches!(base_of(known)?, Base::Int2 | Base::Int4 | Base::Int8);
            is_integer.then_some((column, known.place))
        };
        let (first, other) = match columns {
            [first] => (integer(*first)?, None),
            [first, other] => (integer(*first)?, Some(integer(*other)?)),
            _ => return None,
        };
        let (column, place) = first;
        let test = Test::Member { other, members };
        Some(RowTest {
            column,
            place,
            test,
        })
    }

    /// The test whether a column compares so with another one of the same type.
    pub fn test_columns(
        &self,
        left: usize,
        comparison: Comparison,
        right: usize,
    ) -> Option<RowTest> {
        let (known, other) = (self.columns.get(left)?, self.columns.get(right)?);
        let base = base_of(known)?;
        (base_of(other) == Some(base) && is_stored_as_integer(base)).then_some(RowTest {
            column: left,
            place: known.place,
            test: Test::Column {
                comparison,
                other: right,
                place: other.place,
            },
        })
    }
}

impl RowTest {
    /// Whether a row that has all columns passes.
    #[inline]
    pub(super) fn passes_open(&self, open: &Open<'_>) -> Result<bool> {
        let Some(cell) = open.cell(self.column, self.place)? else {
            return Ok(false);
        };
        match &self.test {
            Test::Column {
                comparison,
                other,
                place,
            } => Ok(match open.cell(*other, *place)? {
                Some(other) => comparison.holds(integer(cell)?.cmp(&integer(other)?)),
                None => false,
            }),
            Test::Member {
                other: Some((other, place)),
                members,
            } => Ok(match open.cell(*other, *place)? {
                Some(other) => members.contains(&[integer(cell)?, integer(other)?]),
                None => false,
            }),
            _ => self.passes_cell(cell),
        }
    }

    /// Whether any row passes.
    pub(super) fn passes(&self, view: &RowView<'_>) -> Result<bool> {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let Some(cell) = stored(view, self.column, &mut first)? else {
            return Ok(false);
        };
        match &self.test {
            Test::Column {
                comparison, other, ..
            } => Ok(match stored(view, *other, &mut second)? {
                Some(other) => comparison.holds(integer(cell)?.cmp(&integer(other)?)),
                None => false,
            }),
            Test::Member {
                other: Some((other, _)),
                members,
            } => Ok(match stored(view, *other, &mut second)? {
                Some(other) => members.contains(&[integer(cell)?, integer(other)?]),
                None => false,
            }),
            _ => self.passes_cell(cell),
        }
    }

    #[inline]
    fn passes_cell(&self, cell: &[u8]) -> Result<bool> {
        Ok(match &self.test {
            Test::Never | Test::Column { .. } => false,
            Test::Member { members, .. } => members.contains(&[integer(cell)?]),
            Test::Between { low, high, inside } => {
                let number = integer(cell)?;
                (*low <= number && number <= *high) == *inside
            }
            Test::AnyInteger(numbers) => numbers.binary_search(&integer(cell)?).is_ok(),
            Test::Numeric(comparison, number) => {
                comparison.holds(numeric::decode_row(cell)?.cmp(number))
            }
            Test::Float(comparison, number) => {
                let value = f64::from_le_bytes(word(cell)?);
                comparison.holds(compare_float8(value, *number))
            }
            Test::Text {
                comparison,
                text,
                padded,
            } => comparison.holds(unpadded(cell, *padded).cmp(text)),
            Test::AnyText { texts, padded } => {
                let cell = unpadded(cell, *padded);
                texts.iter().any(|text| text == cell)
            }
        })
    }
}

/// The bytes of a column, as they would be in a row that has it; `None` for NULL.
fn stored<'a>(
    view: &RowView<'a>,
    column: usize,
    room: &'a mut Vec<u8>,
) -> Result<Option<&'a [u8]>> {
    Ok(match view.cell(column)? {
        Cell::Null => None,
        Cell::Bytes(bytes) => Some(bytes),
        Cell::Missing => match view.write_missing(column, room)? {
            true => Some(room),
            false => None,
        },
    })
}

/// The number that a cell of two, four or eight bytes stands for.
#[inline]
fn integer(cell: &[u8]) -> Result<i64> {
    Ok(match cell.len() {
        4 => i32::from_le_bytes(word(cell)?).into(),
        2 => i16::from_le_bytes(word(cell)?).into(),
        _ => i64::from_le_bytes(word(cell)?),
    })
}

fn base_of(column: &Column) -> Option<Base> {
    match &column.column_type.element {
        Element::Base(base) if !column.column_type.array => Some(*base),
        _ => None,
    }
}

fn is_stored_as_integer(base: Base) -> bool {
    matches!(
        base,
        Base::Int2
            | Base::Int4
            | Base::Int8
            | Base::Date
            | Base::Time
            | Base::Timestamp
            | Base::Timestamptz
    )
}

/// The constant as the integer that a column of this type would hold, or could if it were wider.
fn stored_integer(base: Base, constant: &Value) -> Option<i64> {
    match (base, constant) {
        (
            Base::Int2 | Base::Int4 | Base::Int8,
            Value::Int2(_) | Value::Int4(_) | Value::Int8(_),
        ) => constant.as_integer(),
        (Base::Date, Value::Date(days)) => Some(i64::from(*days)),
        (Base::Time, Value::Time(micros))
        | (Base::Timestamp, Value::Timestamp(micros))
        | (Base::Timestamptz, Value::Timestamptz(micros)) => Some(*micros),
        _ => None,
    }
}

/// What compares so with a number, or, if it is not exact, with one that is a little above it.
fn between(comparison: Comparison, number: i64, exact: bool) -> Test {
    let below = match exact {
        true => number.checked_sub(1),
        false => Some(number),
    };
    let above = number.checked_add(1);
    let (low, high, inside) = match comparison {
        Comparison::Equal if exact => (Some(number), Some(number), true),
        Comparison::Equal => return Test::Never,
        Comparison::NotEqual if exact => (Some(number), Some(number), false),
        Comparison::NotEqual => (Some(i64::MIN), Some(i64::MAX), true),
        Comparison::Less => (Some(i64::MIN), below, true),
        Comparison::LessOrEqual => (Some(i64::MIN), Some(number), true),
        Comparison::Greater => (above, Some(i64::MAX), true),
        Comparison::GreaterOrEqual if exact => (Some(number), Some(i64::MAX), true),
        Comparison::GreaterOrEqual => (above, Some(i64::MAX), true),
    };
    match (low, high) {
        (Some(low), Some(high)) => Test::Between { low, high, inside },
        _ => Test::Never,
    }
}

/// Which days compare so with a moment.
fn days(comparison: Comparison, micros: i64) -> Test {
    match micros {
        i64::MAX => between(comparison, i32::MAX.into(), true),
        i64::MIN => between(comparison, i32::MIN.into(), true),
        _ => {
            let is_midnight = micros.rem_euclid(MICROS_PER_DAY) == 0;
            between(comparison, micros.div_euclid(MICROS_PER_DAY), is_midnight)
        }
    }
}

/// The text without the blanks at its end, if they do not count.
#[inline]
pub(super) fn unpadded(text: &[u8], padded: bool) -> &[u8] {
    if padded { without_padding(text) } else { text }
}
