//! Values as the Rust types that functions work on, and rows of operators made from functions.

use std::sync::Arc;

use super::mismatch;
use crate::array::Array;
use crate::error::Result;
use crate::interval::Interval;
use crate::json::Json;
use crate::numeric::Numeric;
use crate::text::Text;
use crate::value::Value;

/// What a function takes.
pub(crate) trait Operand<'a>: Sized {
    fn take(value: &'a Value) -> Option<Self>;
}

/// What a function gives.
pub(crate) trait Outcome {
    fn give(self) -> Value;
}

/// Days, as `date` has them.
pub(crate) struct Date(pub(crate) i32);
/// Microseconds, as `time` has them.
pub(crate) struct Time(pub(crate) i64);
/// Microseconds, as `timestamp` has them.
pub(crate) struct Timestamp(pub(crate) i64);
/// Microseconds, as `timestamptz` has them.
pub(crate) struct Timestamptz(pub(crate) i64);

/// The text of a `json`.
pub(crate) struct JsonText<'a>(pub(crate) &'a str);

macro_rules! plain {
    ($($type:ty => $variant:ident;)*) => {
        $(impl Operand<'_> for $type {
            fn take(value: &Value) -> Option<$type> {
                match value {
                    Value::$variant(inner) => Some(*inner),
                    _ => None,
                }
            }
        }

        impl Outcome for $type {
            fn give(self) -> Value {
                Value::$variant(self)
            }
        })*
    };
}

plain! {
    bool => Bool;
    i16 => Int2;
    i32 => Int4;
    i64 => Int8;
    f32 => Float4;
    f64 => Float8;
    Interval => Interval;
}

macro_rules! wrapped {
    ($($type:ident => $variant:ident;)*) => {
        $(impl Operand<'_> for $type {
            fn take(value: &Value) -> Option<$type> {
                match value {
                    Value::$variant(inner) => Some($type(*inner)),
                    _ => None,
                }
            }
        }

        impl Outcome for $type {
            fn give(self) -> Value {
                Value::$variant(self.0)
            }
        })*
    };
}

wrapped! {
    Date => Date;
    Time => Time;
    Timestamp => Timestamp;
    Timestamptz => Timestamptz;
}

macro_rules! borrowed {
    ($($type:ty => $variant:ident;)*) => {
        $(impl<'a> Operand<'a> for &'a $type {
            fn take(value: &'a Value) -> Option<&'a $type> {
                match value {
                    Value::$variant(inner) => Some(inner),
                    _ => None,
                }
            }
        })*
    };
}

impl<'a> Operand<'a> for JsonText<'a> {
    fn take(value: &'a Value) -> Option<JsonText<'a>> {
        match value {
            Value::Json(text) => Some(JsonText(text)),
            _ => None,
        }
    }
}

borrowed! {
    Numeric => Numeric;
    Text => Text;
    [u8] => Bytea;
    Json => Jsonb;
    Array => Array;
    [f32] => Vector;
}

impl<'a, T: Operand<'a>> Operand<'a> for Option<T> {
    fn take(value: &'a Value) -> Option<Option<T>> {
        match value {
            Value::Null => Some(None),
            value => T::take(value).map(Some),
        }
    }
}

impl<'a> Operand<'a> for &'a Value {
    fn take(value: &'a Value) -> Option<&'a Value> {
        Some(value)
    }
}

impl Outcome for Value {
    fn give(self) -> Value {
        self
    }
}

impl Outcome for Numeric {
    fn give(self) -> Value {
        Value::Numeric(self)
    }
}

impl Outcome for Text {
    fn give(self) -> Value {
        Value::Text(self)
    }
}

impl Outcome for Json {
    fn give(self) -> Value {
        Value::Jsonb(Arc::new(self))
    }
}

impl<T: Outcome> Outcome for Option<T> {
    fn give(self) -> Value {
        self.map_or(Value::Null, Outcome::give)
    }
}

pub(crate) fn take<'a, T: Operand<'a>>(value: &'a Value) -> Result<T> {
    T::take(value).ok_or_else(|| mismatch(value))
}

/// Calls a function of two operands.
pub(crate) fn call<'a, L: Operand<'a>, R: Operand<'a>, O: Outcome>(
    function: impl Fn(L, R) -> Result<O>,
    left: &'a Value,
    right: &'a Value,
) -> Result<Value> {
    Ok(function(take(left)?, take(right)?)?.give())
}

/// A row of an operator between two built-in types; the function takes their Rust types.
macro_rules! infix {
    ($name:literal, $left:ident, $right:ident => $result:ident, $function:expr) => {
        $crate::operator::operand::row!($name, $left, $right => $result, |left, right, _| {
            $crate::operator::operand::call($function, left, right)
        })
    };
}

/// The same, where the function takes the zone too.
macro_rules! zoned {
    ($name:literal, $left:ident, $right:ident => $result:ident, $function:expr) => {
        $crate::operator::operand::row!($name, $left, $right => $result, |left, right, settings| {
            let function = $function;
            $crate::operator::operand::call(|l, r| function(l, r, &settings.zone), left, right)
        })
    };
}

macro_rules! row {
    ($name:literal, $left:ident, $right:ident => $result:ident, $function:expr) => {
        $crate::operator::Operator {
            name: $name,
            left: Some($crate::parameter::Parameter::base(
                $crate::base::Base::$left,
            )),
            right: $crate::parameter::Parameter::base($crate::base::Base::$right),
            result: $crate::parameter::Parameter::base($crate::base::Base::$result),
            strict: true,
            function: $crate::operator::Function::Infix($function),
        }
    };
}

/// A row of an operator before a built-in type.
macro_rules! prefix {
    ($name:literal, $right:ident => $result:ident, $function:expr) => {
        $crate::operator::Operator {
            name: $name,
            left: None,
            right: $crate::parameter::Parameter::base($crate::base::Base::$right),
            result: $crate::parameter::Parameter::base($crate::base::Base::$result),
            strict: true,
            function: $crate::operator::Function::Prefix(|value| {
                let function = $function;
                let outcome = function($crate::operator::operand::take(value)?)?;
                Ok($crate::operator::operand::Outcome::give(outcome))
            }),
        }
    };
}

pub(super) use {infix, prefix, row, zoned};
