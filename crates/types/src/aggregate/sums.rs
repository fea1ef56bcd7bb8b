//! `count`, `sum`, `avg`.
//!
//! Sums of integers are exact in 128 bits. Those of floating-point numbers are added as they come.

use super::{Accumulate, Row, State, first, row};
use crate::arithmetic::float;
use crate::error::{Error, Result};
use crate::function::FunctionContext;
use crate::interval::Interval;
use crate::numeric::Numeric;
use crate::operator::operand::take;
use crate::value::Value;

pub(super) static ROWS: &[Row] = &[
    row("count() int8", |_| {
        State::from(Count {
            every: true,
            count: 0,
        })
    }),
    row("count(any) int8", |_| {
        State::from(Count {
            every: false,
            count: 0,
        })
    }),
    row("sum(int2) int8", |_| Integers::state(Finish::Bigint)),
    row("sum(int4) int8", |_| Integers::state(Finish::Bigint)),
    row("sum(int8) numeric", |_| Integers::state(Finish::Sum)),
    row("sum(numeric) numeric", |_| Numerics::state(Finish::Sum)),
    row("sum(float4) float4", |_| State::from(Float4(None))),
    row("sum(float8) float8", |_| State::from(Float8(None))),
    row("sum(interval) interval", |_| Spans::state(Finish::Sum)),
    row("sum(vector) vector", |_| Vectors::state(Finish::Sum)),
    row("avg(int2) numeric", |_| Integers::state(Finish::Average)),
    row("avg(int4) numeric", |_| Integers::state(Finish::Average)),
    row("avg(int8) numeric", |_| Integers::state(Finish::Average)),
    row("avg(numeric) numeric", |_| Numerics::state(Finish::Average)),
    row("avg(interval) interval", |_| Spans::state(Finish::Average)),
    row("avg(vector) vector", |_| Vectors::state(Finish::Average)),
];

/// What a sum becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Finish {
    Bigint,
    Sum,
    Average,
}

#[derive(Clone, Debug)]
pub(super) struct Count {
    every: bool,
    count: i64,
}

impl Count {
    /// A row that is not NULL.
    pub(super) fn add_row(&mut self) {
        self.count += 1;
    }

    /// So many of them.
    pub(super) fn add_rows(&mut self, rows: usize) {
        self.count += rows as i64;
    }
}

impl Accumulate for Count {
    fn update(&mut self, arguments: &[Value], _: &FunctionContext<'_>) -> Result<()> {
        if self.every || !first(arguments)?.is_null() {
            self.count += 1;
        }
        Ok(())
    }

    fn merge(&mut self, other: Count) -> Result<()> {
        self.count += other.count;
        Ok(())
    }

    fn remove(&mut self, arguments: &[Value]) -> Result<bool> {
        if self.every || !first(arguments)?.is_null() {
            self.count -= 1;
        }
        Ok(true)
    }

    fn finish(&self) -> Result<Value> {
        Ok(Value::Int8(self.count))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Integers {
    // Two words instead of an `i128`, whose alignment would make every state larger.
    high: i64,
    low: u64,
    count: i64,
    finish: Finish,
}

impl Integers {
    fn state(finish: Finish) -> State {
        State::from(Integers {
            high: 0,
            low: 0,
            count: 0,
            finish,
        })
    }

    fn sum(&self) -> i128 {
        i128::from(self.high) << 64 | i128::from(self.low)
    }

    fn add(&mut self, number: i128, count: i64) {
        let sum = self.sum() + number;
        (self.high, self.low) = ((sum >> 64) as i64, sum as u64);
        self.count += count;
    }

    /// A number that is not NULL.
    pub(super) fn add_number(&mut self, number: i64) {
        self.add(i128::from(number), 1);
    }

    /// Numbers that are not NULL.
    pub(super) fn add_numbers(&mut self, numbers: impl ExactSizeIterator<Item = i64>) {
        let count = numbers.len() as i64;
        self.add(numbers.map(i128::from).sum(), count);
    }

    fn number(value: &Value) -> Result<i128> {
        let number = value.as_integer().map(i128::from);
        number.ok_or_else(|| Error::mismatch(value.kind()))
    }
}

impl Accumulate for Integers {
    fn update(&mut self, arguments: &[Value], _: &FunctionContext<'_>) -> Result<()> {
        let value = first(arguments)?;
        if !value.is_null() {
            self.add(Integers::number(value)?, 1);
        }
        Ok(())
    }

    fn merge(&mut self, other: Integers) -> Result<()> {
        self.add(other.sum(), other.count);
        Ok(())
    }

    fn remove(&mut self, arguments: &[Value]) -> Result<bool> {
        let value = first(arguments)?;
        if !value.is_null() {
            self.add(-Integers::number(value)?, -1);
        }
        Ok(true)
    }

    fn finish(&self) -> Result<Value> {
        if self.count == 0 {
            return Ok(Value::Null);
        }
        let sum = self.sum();
        Ok(match self.finish {
            Finish::Bigint => {
                let sum = i64::try_from(sum).map_err(|_| Error::out_of_range("bigint"))?;
                Value::Int8(sum)
            }
            Finish::Sum => Value::Numeric(Numeric::new(sum, 0)?),
            Finish::Average => {
                let count = Numeric::from(self.count);
                Value::Numeric(Numeric::new(sum, 0)?.divide(&count)?)
            }
        })
    }
}

/// A sum of `numeric` where NaN and the infinities are counted apart, so that they can be removed.
#[derive(Clone, Debug)]
pub(super) struct Numerics {
    sum: Numeric,
    /// What is still to be added to it: a coefficient, and its decimals.
    pending: (i64, u16),
    count: i64,
    /// NaN, infinity, -infinity.
    special: [i64; 3],
    finish: Finish,
}

impl Numerics {
    fn state(finish: Finish) -> State {
        State::from(Box::new(Numerics {
            sum: Numeric::ZERO,
            pending: (0, 0),
            count: 0,
            special: [0; 3],
            finish,
        }))
    }

    /// Adds `coefficient / 10^scale`.
    #[inline]
    pub(super) fn add_small(&mut self, coefficient: i64, scale: u16) -> Result<()> {
        let (pending, of) = self.pending;
        match pending.checked_add(coefficient) {
            Some(sum) if of == scale => self.pending.0 = sum,
            _ => {
                self.sum = self.sum()?;
                self.pending = (coefficient, scale);
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Adds several of one scale.
    pub(super) fn add_all_small(
        &mut self,
        coefficients: impl ExactSizeIterator<Item = i64> + Clone,
        scale: u16,
    ) -> Result<()> {
        let count = coefficients.len() as i64;
        let sum: i128 = coefficients.clone().map(i128::from).sum();
        let Ok(sum) = i64::try_from(sum) else {
            let mut each = coefficients;
            return each.try_for_each(|coefficient| self.add_small(coefficient, scale));
        };
        if count > 0 {
            self.add_small(sum, scale)?;
            self.count += count - 1;
        }
        Ok(())
    }

    /// The sum of all.
    fn sum(&self) -> Result<Numeric> {
        let (coefficient, scale) = self.pending;
        self.sum.add(&Numeric::small(coefficient, scale))
    }

    /// Adds what is still to be added.
    fn settle(&mut self) -> Result<()> {
        self.sum = self.sum()?;
        self.pending = (0, 0);
        Ok(())
    }

    /// The place among the special values; `None` for a number.
    fn class(number: &Numeric) -> Option<usize> {
        match number.signum() {
            None => Some(0),
            Some(_) if number.is_finite() => None,
            Some(1) => Some(1),
            Some(_) => Some(2),
        }
    }
}

impl Accumulate for Numerics {
    fn update(&mut self, arguments: &[Value], _: &FunctionContext<'_>) -> Result<()> {
        let value = first(arguments)?;
        if value.is_null() {
            return Ok(());
        }
        let number: &Numeric = take(value)?;
        if let Some((coefficient, scale)) = number.as_small() {
            return self.add_small(coefficient, scale);
        }
        match Numerics::class(number) {
            Some(class) => self.special[class] += 1,
            None => self.sum = self.sum.add(number)?,
        }
        self.count += 1;
        Ok(())
    }

    fn merge(&mut self, other: Numerics) -> Result<()> {
        self.settle()?;
        self.sum = self.sum.add(&other.sum()?)?;
        self.count += other.count;
        for (mine, theirs) in self.special.iter_mut().zip(other.special) {
            *mine += theirs;
        }
        Ok(())
    }

    fn remove(&mut self, arguments: &[Value]) -> Result<bool> {
        let value = first(arguments)?;
        if value.is_null() {
            return Ok(true);
        }
        let number: &Numeric = take(value)?;
        self.settle()?;
        match Numerics::class(number) {
            Some(class) => self.special[class] -= 1,
            // The sum shows as many decimals as the number that showed most: this may be that.
            None if self.count > 1
                && number.scale() == self.sum.scale()
                && number.scale() != Some(0) =>
            {
                return Ok(false);
            }
            None => self.sum = self.sum.subtract(number)?,
        }
        self.count -= 1;
        Ok(true)
    }

    fn finish(&self) -> Result<Value> {
        if self.count == 0 {
            return Ok(Value::Null);
        }
        let sum = match self.special {
            [0, 0, 0] => self.sum()?,
            [0, _, 0] => Numeric::INFINITY,
            [0, 0, _] => Numeric::NEGATIVE_INFINITY,
            _ => Numeric::NAN,
        };
        Ok(Value::Numeric(match self.finish {
            Finish::Average => sum.divide(&Numeric::from(self.count))?,
            Finish::Bigint | Finish::Sum => sum,
        }))
    }
}

macro_rules! floats {
    ($($name:ident $of:ident;)*) => {
        $(#[derive(Clone, Debug)]
        pub(super) struct $name(Option<$of>);

        impl $name {
            pub(super) fn add(&mut self, number: $of) -> Result<()> {
                self.0 = Some(match self.0 {
                    None => number,
                    Some(sum) => float::add(sum, number)?,
                });
                Ok(())
            }
        }

        impl Accumulate for $name {
            fn update(&mut self, arguments: &[Value], _: &FunctionContext<'_>) -> Result<()> {
                match first(arguments)? {
                    Value::Null => Ok(()),
                    value => self.add(take(value)?),
                }
            }

            fn merge(&mut self, other: $name) -> Result<()> {
                other.0.map_or(Ok(()), |sum| self.add(sum))
            }

            fn finish(&self) -> Result<Value> {
                Ok(Value::from(self.0))
            }
        })*
    };
}

floats! {
    Float4 f32;
    Float8 f64;
}

#[derive(Clone, Debug)]
pub(super) struct Spans {
    sum: Interval,
    count: i64,
    finish: Finish,
}

impl Spans {
    fn state(finish: Finish) -> State {
        State::from(Box::new(Spans {
            sum: Interval::default(),
            count: 0,
            finish,
        }))
    }
}

impl Accumulate for Spans {
    fn update(&mut self, arguments: &[Value], _: &FunctionContext<'_>) -> Result<()> {
        let value = first(arguments)?;
        if !value.is_null() {
            self.sum = self.sum.checked_add(&take(value)?)?;
            self.count += 1;
        }
        Ok(())
    }

    fn merge(&mut self, other: Spans) -> Result<()> {
        self.sum = self.sum.checked_add(&other.sum)?;
        self.count += other.count;
        Ok(())
    }

    fn remove(&mut self, arguments: &[Value]) -> Result<bool> {
        let value = first(arguments)?;
        if !value.is_null() {
            self.sum = self.sum.checked_subtract(&take(value)?)?;
            self.count -= 1;
        }
        Ok(true)
    }

    fn finish(&self) -> Result<Value> {
        Ok(match (self.count, self.finish) {
            (0, _) => Value::Null,
            (count, Finish::Average) => Value::Interval(self.sum.checked_divide(count as f64)?),
            _ => Value::Interval(self.sum),
        })
    }
}

/// As pgvector has them: sums in double precision for the average, in single precision else.
#[derive(Clone, Debug)]
pub(super) struct Vectors {
    sum: Vec<f64>,
    count: i64,
    finish: Finish,
}

impl Vectors {
    fn state(finish: Finish) -> State {
        State::from(Box::new(Vectors {
            sum: Vec::new(),
            count: 0,
            finish,
        }))
    }

    fn add(&mut self, numbers: impl ExactSizeIterator<Item = f64>, count: i64) -> Result<()> {
        if self.count == 0 {
            self.sum = numbers.collect();
        } else {
            if self.sum.len() != numbers.len() {
                let words = format!(
                    "expected {} dimensions, not {}",
                    self.sum.len(),
                    numbers.len()
                );
                return Err(Error::new(crate::error::SqlState::DATA_EXCEPTION, words));
            }
            for (sum, number) in self.sum.iter_mut().zip(numbers) {
                *sum = match self.finish {
                    Finish::Average => *sum + number,
                    Finish::Bigint | Finish::Sum => f64::from(*sum as f32 + number as f32),
                };
                if sum.is_infinite() {
                    let words = "value out of range: overflow";
                    return Err(Error::new(
                        crate::error::SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                        words,
                    ));
                }
            }
        }
        self.count += count;
        Ok(())
    }
}

impl Accumulate for Vectors {
    fn update(&mut self, arguments: &[Value], _: &FunctionContext<'_>) -> Result<()> {
        match first(arguments)? {
            Value::Null => Ok(()),
            value => {
                let numbers: &[f32] = take(value)?;
                self.add(numbers.iter().map(|number| f64::from(*number)), 1)
            }
        }
    }

    fn merge(&mut self, other: Vectors) -> Result<()> {
        if other.count == 0 {
            return Ok(());
        }
        self.add(other.sum.into_iter(), other.count)
    }

    fn finish(&self) -> Result<Value> {
        if self.count == 0 {
            return Ok(Value::Null);
        }
        let number = |sum: &f64| match self.finish {
            Finish::Average => (*sum / self.count as f64) as f32,
            Finish::Bigint | Finish::Sum => *sum as f32,
        };
        Ok(Value::Vector(self.sum.iter().map(number).collect()))
    }

    fn heap_bytes(&self) -> usize {
        self.sum.capacity() * size_of::<f64>()
    }
}
