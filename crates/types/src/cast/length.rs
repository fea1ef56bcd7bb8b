//! What a modifier asks of a value of its type: `varchar(n)`, `numeric(p, s)`, `timestamp(n)`.

use std::sync::Arc;

use crate::array::Array;
use crate::base::Base;
use crate::datetime;
use crate::error::Result;
use crate::io;
use crate::types::{Element, Type};
use crate::value::Value;

/// Fits a value of a type to the type's modifier. Text that is too long is cut off if the cast is
/// explicit, else refused.
pub(super) fn fit(value: Value, of: &Type, explicit: bool) -> Result<Value> {
    let Element::Base(base) = of.element else {
        return Ok(value);
    };
    let modifier = of.modifier;
    Ok(match value {
        Value::Text(text) => Value::Text(io::cast_text(&text, base, modifier, explicit)?),
        Value::Numeric(number) => Value::Numeric(number.with_modifier(modifier)?),
        Value::Time(micros) => Value::Time(datetime::time_with_modifier(micros, modifier)),
        Value::Timestamp(micros) => {
            Value::Timestamp(datetime::timestamp_with_modifier(micros, modifier)?)
        }
        Value::Timestamptz(micros) => {
            Value::Timestamptz(datetime::timestamp_with_modifier(micros, modifier)?)
        }
        Value::Interval(interval) => {
            let kept = datetime::interval_with_modifier(interval, modifier);
            Value::Interval(kept.ok_or_else(datetime::interval_out_of_range)?)
        }
        Value::Vector(numbers) if base == Base::Vector => {
            io::check_dimensions(numbers.len(), modifier)?;
            Value::Vector(numbers)
        }
        Value::Array(array) => {
            let element = Type {
                array: false,
                ..of.clone()
            };
            let values = array.values().iter().cloned();
            let values = values.map(|value| fit(value, &element, explicit));
            let values = values.collect::<Result<Vec<Value>>>()?;
            Value::Array(Arc::new(Array::new(array.dimensions().to_vec(), values)?))
        }
        other => other,
    })
}
