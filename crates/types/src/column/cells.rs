//! The forms of a column's values.

use super::strings::Strings;
use crate::numeric::Numeric;
use crate::row::Selection;
use crate::text::Text;
use crate::value::Value;

/// The values of a column, in the form of their type.
#[derive(Clone, Debug)]
pub enum Cells {
    /// Values of any kind, NULLs among them.
    Values(Vec<Value>),
    /// `boolean`.
    Bool(Vec<bool>),
    /// `integer`.
    Int4(Vec<i32>),
    /// `bigint`.
    Int8(Vec<i64>),
    /// `double precision`.
    Float8(Vec<f64>),
    /// `date`.
    Date(Vec<i32>),
    /// `timestamp`.
    Timestamp(Vec<i64>),
    /// `numeric`: coefficients, and the decimals that all of them show, 18 at most.
    Numeric(Vec<i64>, u16),
    /// `text` and what is stored like it.
    Text(Strings),
}

impl Default for Cells {
    fn default() -> Cells {
        Cells::Values(Vec::new())
    }
}

/// The same expression for the plain vectors, whatever their type; then the other forms.
macro_rules! each_form {
    ($cells:expr, $plain:ident => $of_plain:expr, $strings:ident => $of_strings:expr) => {
        match $cells {
            Cells::Values($plain) => $of_plain,
            Cells::Bool($plain) => $of_plain,
            Cells::Int4($plain) | Cells::Date($plain) => $of_plain,
            Cells::Int8($plain) | Cells::Timestamp($plain) | Cells::Numeric($plain, _) => $of_plain,
            Cells::Float8($plain) => $of_plain,
            Cells::Text($strings) => $of_strings,
        }
    };
}

/// The same expression for an iterator over the values, whatever their form.
macro_rules! each_as_values {
    ($cells:expr, $values:ident => $of_values:expr) => {
        each_as_values!(@ $cells, $values, $of_values,
            Bool: Value::Bool, Int4: Value::Int4, Int8: Value::Int8, Float8: Value::Float8,
            Date: Value::Date, Timestamp: Value::Timestamp)
    };
    (@ $cells:expr, $values:ident, $of_values:expr, $($form:ident: $of:expr),*) => {
        match $cells {
            $(Cells::$form(plain) => {
                let $values = plain.iter().copied().map($of);
                $of_values
            })*
            Cells::Numeric(coefficients, scale) => {
                let of = |coefficient: &i64| Value::Numeric(Numeric::small(*coefficient, *scale));
                let $values = coefficients.iter().map(of);
                $of_values
            }
            Cells::Text(strings) => {
                let $values = strings.iter().map(|text| Value::Text(Text::new(text)));
                $of_values
            }
            Cells::Values(values) => {
                let $values = values.iter().cloned();
                $of_values
            }
        }
    };
}

impl Cells {
    pub(super) fn len(&self) -> usize {
        each_form!(self, plain => plain.len(), strings => strings.len())
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Cells::Values(values) => {
                let heap: usize = values.iter().map(Value::heap_bytes).sum();
                values.len() * size_of::<Value>() + heap
            }
            Cells::Bool(truths) => truths.len(),
            Cells::Int4(numbers) | Cells::Date(numbers) => size_of_val(&numbers[..]),
            Cells::Int8(numbers) | Cells::Timestamp(numbers) | Cells::Numeric(numbers, _) => {
                size_of_val(&numbers[..])
            }
            Cells::Float8(numbers) => size_of_val(&numbers[..]),
            Cells::Text(strings) => strings.bytes(),
        }
    }

    /// The value of a row.
    pub(super) fn value(&self, row: usize) -> Value {
        match self {
            Cells::Values(values) => values[row].clone(),
            Cells::Bool(truths) => Value::Bool(truths[row]),
            Cells::Int4(numbers) => Value::Int4(numbers[row]),
            Cells::Int8(numbers) => Value::Int8(numbers[row]),
            Cells::Float8(numbers) => Value::Float8(numbers[row]),
            Cells::Date(days) => Value::Date(days[row]),
            Cells::Timestamp(moments) => Value::Timestamp(moments[row]),
            Cells::Numeric(coefficients, scale) => {
                Value::Numeric(Numeric::small(coefficients[row], *scale))
            }
            Cells::Text(strings) => Value::Text(Text::new(strings.get(row))),
        }
    }

    pub(super) fn to_values(&self) -> Vec<Value> {
        each_as_values!(self, values => values.collect())
    }

    /// Puts the values to where they are wanted.
    pub(super) fn put_values<'a>(&self, to: impl Iterator<Item = &'a mut Value>) {
        each_as_values!(self, values => to.zip(values).for_each(|(to, value)| *to = value));
    }

    /// The form of values of one type without NULLs; `None` if they are not that.
    pub(super) fn of_values(values: &[Value]) -> Option<Cells> {
        macro_rules! all {
            ($form:ident) => {{
                let of = |value: &Value| match value {
                    Value::$form(plain) => Some(*plain),
                    _ => None,
                };
                Cells::$form(values.iter().map(of).collect::<Option<_>>()?)
            }};
        }
        Some(match values.first()? {
            Value::Bool(_) => all!(Bool),
            Value::Int4(_) => all!(Int4),
            Value::Int8(_) => all!(Int8),
            Value::Float8(_) => all!(Float8),
            Value::Date(_) => all!(Date),
            Value::Timestamp(_) => all!(Timestamp),
            Value::Numeric(first) => {
                let (_, scale) = first.as_small()?;
                let of = |value: &Value| match value {
                    Value::Numeric(number) => number.as_small().filter(|small| small.1 == scale),
                    _ => None,
                };
                let coefficients = values.iter().map(|value| Some(of(value)?.0));
                Cells::Numeric(coefficients.collect::<Option<_>>()?, scale)
            }
            Value::Text(_) => {
                let mut strings = Strings::with_capacity(values.len());
                for value in values {
                    let Value::Text(text) = value else {
                        return None;
                    };
                    let text = text.as_str();
                    if !strings.has_room(text) {
                        return None;
                    }
                    strings.push(text);
                }
                Cells::Text(strings)
            }
            _ => return None,
        })
    }

    /// Adds cells of the same form; gives others back.
    pub(super) fn append(&mut self, other: Cells) -> Result<(), Cells> {
        match (self, other) {
            (Cells::Values(mine), Cells::Values(theirs)) => mine.extend(theirs),
            (Cells::Bool(mine), Cells::Bool(theirs)) => mine.extend(theirs),
            (Cells::Int4(mine), Cells::Int4(theirs)) | (Cells::Date(mine), Cells::Date(theirs)) => {
                mine.extend(theirs)
            }
            (Cells::Int8(mine), Cells::Int8(theirs))
            | (Cells::Timestamp(mine), Cells::Timestamp(theirs)) => mine.extend(theirs),
            (Cells::Float8(mine), Cells::Float8(theirs)) => mine.extend(theirs),
            (Cells::Numeric(mine, scale), Cells::Numeric(theirs, other)) if *scale == other => {
                mine.extend(theirs);
            }
            (Cells::Text(mine), Cells::Text(theirs)) => {
                return mine.append(theirs).map_err(Cells::Text);
            }
            (_, other) => return Err(other),
        }
        Ok(())
    }

    /// Adds the cells of some rows, which have the same form; `false` if they have not.
    pub(super) fn append_selected(&mut self, other: &Cells, selected: &Selection) -> bool {
        fn of<T: Clone>(mine: &mut Vec<T>, theirs: &[T], selected: &Selection) {
            match selected.rows() {
                None => mine.extend_from_slice(&theirs[selected.range()]),
                Some(rows) => mine.extend(rows.iter().map(|row| theirs[*row as usize].clone())),
            }
        }
        match (self, other) {
            (Cells::Values(mine), Cells::Values(theirs)) => of(mine, theirs, selected),
            (Cells::Bool(mine), Cells::Bool(theirs)) => of(mine, theirs, selected),
            (Cells::Int4(mine), Cells::Int4(theirs)) | (Cells::Date(mine), Cells::Date(theirs)) => {
                of(mine, theirs, selected);
            }
            (Cells::Int8(mine), Cells::Int8(theirs))
            | (Cells::Timestamp(mine), Cells::Timestamp(theirs)) => of(mine, theirs, selected),
            (Cells::Float8(mine), Cells::Float8(theirs)) => of(mine, theirs, selected),
            (Cells::Numeric(mine, scale), Cells::Numeric(theirs, other)) => {
                if mine.is_empty() {
                    *scale = *other;
                }
                if scale != other {
                    return false;
                }
                of(mine, theirs, selected);
            }
            (Cells::Text(mine), Cells::Text(theirs)) => {
                return match selected.rows() {
                    None => mine.append_range(theirs, selected.range()),
                    Some(rows) => mine.append_rows(theirs, rows),
                };
            }
            _ => return false,
        }
        true
    }

    /// The cells of these rows, in this order.
    pub(super) fn gathered(&self, rows: &[u32]) -> Cells {
        fn of<T: Clone>(cells: &[T], rows: &[u32]) -> Vec<T> {
            rows.iter()
                .map(|row| cells[*row as usize].clone())
                .collect()
        }
        match self {
            Cells::Values(values) => Cells::Values(of(values, rows)),
            Cells::Bool(truths) => Cells::Bool(of(truths, rows)),
            Cells::Int4(numbers) => Cells::Int4(of(numbers, rows)),
            Cells::Int8(numbers) => Cells::Int8(of(numbers, rows)),
            Cells::Float8(numbers) => Cells::Float8(of(numbers, rows)),
            Cells::Date(days) => Cells::Date(of(days, rows)),
            Cells::Timestamp(moments) => Cells::Timestamp(of(moments, rows)),
            Cells::Numeric(coefficients, scale) => Cells::Numeric(of(coefficients, rows), *scale),
            Cells::Text(strings) => {
                match strings.gathered(rows.iter().map(|row| *row as usize)) {
                    Some(strings) => Cells::Text(strings),
                    // More text than strings have room for.
                    None => {
                        Cells::Values(rows.iter().map(|row| self.value(*row as usize)).collect())
                    }
                }
            }
        }
    }

    pub(super) fn keep(&mut self, kept: &[usize]) {
        fn of<T>(cells: &mut Vec<T>, kept: &[usize]) {
            for (to, from) in kept.iter().enumerate() {
                cells.swap(to, *from);
            }
            cells.truncate(kept.len());
        }
        each_form!(self, plain => of(plain, kept), strings => strings.keep(kept));
    }

    pub(super) fn skip(&mut self, rows: usize) {
        if let Cells::Text(strings) = self {
            let kept: Vec<usize> = (rows.min(strings.len())..strings.len()).collect();
            return strings.keep(&kept);
        }
        each_form!(self, plain => drop(plain.drain(..rows.min(plain.len()))), _strings => ());
    }

    pub(super) fn shrink(&mut self) {
        each_form!(self, plain => plain.shrink_to_fit(), strings => strings.shrink());
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        each_form!(self, plain => plain.truncate(rows), strings => strings.truncate(rows));
    }
}
