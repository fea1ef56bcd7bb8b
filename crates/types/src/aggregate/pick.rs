//! `min`, `max`, and what combines truth values and bits.

use super::{Accumulate, AggregateCall, Row, State, first, row};
use crate::error::{Error, Result};
use crate::function::FunctionContext;
use crate::operator::operand::take;
use crate::order::without_padding;
use crate::value::Value;

/// Rows of `min` and `max` for types that give their own kind.
macro_rules! best {
    ($($of:literal)*) => {
        &[
            $(
                row(concat!("min(", $of, ") ", $of), |call| Best::state(call, false)),
                row(concat!("max(", $of, ") ", $of), |call| Best::state(call, true)),
            )*
            row("bool_and(bool) bool", |_| Truth::state(true)),
            row("every(bool) bool", |_| Truth::state(true)),
            row("bool_or(bool) bool", |_| Truth::state(false)),
            row("bit_and(int2) int2", |_| Bits::state(|l, r| l & r)),
            row("bit_and(int4) int4", |_| Bits::state(|l, r| l & r)),
            row("bit_and(int8) int8", |_| Bits::state(|l, r| l & r)),
            row("bit_or(int2) int2", |_| Bits::state(|l, r| l | r)),
            row("bit_or(int4) int4", |_| Bits::state(|l, r| l | r)),
            row("bit_or(int8) int8", |_| Bits::state(|l, r| l | r)),
            row("bit_xor(int2) int2", |_| Bits::state(|l, r| l ^ r)),
            row("bit_xor(int4) int4", |_| Bits::state(|l, r| l ^ r)),
            row("bit_xor(int8) int8", |_| Bits::state(|l, r| l ^ r)),
        ]
    };
}

pub(super) static ROWS: &[Row] = best!(
    "int2" "int4" "int8" "float4" "float8" "numeric" "oid" "text" "bpchar" "date" "time"
    "timestamp" "timestamptz" "interval" "anyarray" "anyenum"
);

/// The least or the greatest value. Of equal ones the last is kept, which shows where `1.0` equals
/// `1.00`; but of texts that differ in their padding the first.
#[derive(Clone, Debug)]
pub(super) struct Best {
    value: Value,
    greatest: bool,
    padded: bool,
}

impl Best {
    fn state(call: &AggregateCall, greatest: bool) -> State {
        State::from(Best {
            value: Value::Null,
            greatest,
            padded: call.types().first().is_some_and(crate::Type::is_padded),
        })
    }

    fn offer(&mut self, value: &Value) {
        if value.is_null() {
            return;
        }
        let order = match (value, &self.value) {
            (Value::Text(new), Value::Text(old)) if self.padded => {
                without_padding(new.as_bytes()).cmp(without_padding(old.as_bytes()))
            }
            (new, old) => new.compare(old),
        };
        let better = match (self.greatest, self.padded) {
            (true, false) => order.is_ge(),
            (false, false) => order.is_le(),
            (true, true) => order.is_gt(),
            (false, true) => order.is_lt(),
        };
        if self.value.is_null() || better {
            self.value = value.clone();
        }
    }
}

impl Accumulate for Best {
    fn update(&mut self, arguments: &[Value], _: &FunctionContext<'_>) -> Result<()> {
        self.offer(first(arguments)?);
        Ok(())
    }

    fn merge(&mut self, other: Best) -> Result<()> {
        self.offer(&other.value);
        Ok(())
    }

    fn finish(&self) -> Result<Value> {
        Ok(self.value.clone())
    }

    fn heap_bytes(&self) -> usize {
        self.value.heap_bytes()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Truth {
    yes: i64,
    no: i64,
    all: bool,
}

impl Truth {
    fn state(all: bool) -> State {
        State::from(Truth { yes: 0, no: 0, all })
    }

    fn count(&mut self, arguments: &[Value], by: i64) -> Result<()> {
        match first(arguments)? {
            Value::Bool(true) => self.yes += by,
            Value::Bool(false) => self.no += by,
            _ => {}
        }
        Ok(())
    }
}

impl Accumulate for Truth {
    fn update(&mut self, arguments: &[Value], _: &FunctionContext<'_>) -> Result<()> {
        self.count(arguments, 1)
    }

    fn merge(&mut self, other: Truth) -> Result<()> {
        self.yes += other.yes;
        self.no += other.no;
        Ok(())
    }

    fn remove(&mut self, arguments: &[Value]) -> Result<bool> {
        self.count(arguments, -1)?;
        Ok(true)
    }

    fn finish(&self) -> Result<Value> {
        Ok(if self.yes + self.no == 0 {
            Value::Null
        } else if self.all {
            Value::Bool(self.no == 0)
        } else {
            Value::Bool(self.yes > 0)
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Bits {
    value: Value,
    combine: fn(i64, i64) -> i64,
}

impl Bits {
    fn state(combine: fn(i64, i64) -> i64) -> State {
        State::from(Bits {
            value: Value::Null,
            combine,
        })
    }

    fn offer(&mut self, value: &Value) -> Result<()> {
        let combine = self.combine;
        self.value = match (value, &self.value) {
            (Value::Null, _) => return Ok(()),
            (new, Value::Null) => new.clone(),
            (Value::Int2(new), old) => {
                Value::Int2(combine((*new).into(), i64::from(take::<i16>(old)?)) as i16)
            }
            (Value::Int4(new), old) => {
                Value::Int4(combine((*new).into(), i64::from(take::<i32>(old)?)) as i32)
            }
            (Value::Int8(new), old) => Value::Int8(combine(*new, take(old)?)),
            (other, _) => return Err(Error::mismatch(other.kind())),
        };
        Ok(())
    }
}

impl Accumulate for Bits {
    fn update(&mut self, arguments: &[Value], _: &FunctionContext<'_>) -> Result<()> {
        self.offer(first(arguments)?)
    }

    fn merge(&mut self, other: Bits) -> Result<()> {
        self.offer(&other.value)
    }

    fn finish(&self) -> Result<Value> {
        Ok(self.value.clone())
    }
}
