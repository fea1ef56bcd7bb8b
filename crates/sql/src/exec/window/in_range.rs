//! Whether a value is within a distance of another: what RANGE frames ask.
//!
//! Sums that leave the type's range are beyond every value, and are no error; infinities and NaN
//! are where sorting puts them.

use rustdb_types::{Interval, Numeric, Operator, Settings, Value};

use crate::error::{Error, Result, SqlState};

/// What is asked: `value <= base - distance`, with either sign, `<=` or `>=`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison {
    /// Whether the distance is taken off.
    pub(super) subtract: bool,
    /// `<=`; else `>=`.
    pub(super) at_most: bool,
}

impl Comparison {
    fn holds<T: PartialOrd>(self, value: T, sum: T) -> bool {
        match self.at_most {
            true => value <= sum,
            false => value >= sum,
        }
    }
}

/// See [`Comparison`]. None of the values is NULL; `operators` are `+` and `-`.
pub(super) fn is_in_range(
    value: &Value,
    base: &Value,
    distance: &Value,
    asked: Comparison,
    operators: Option<(&Operator, &Operator)>,
    settings: &Settings,
) -> Result<bool> {
    if let (Some(value), Some(base), Some(distance)) =
        (value.as_integer(), base.as_integer(), distance.as_integer())
    {
        if distance < 0 {
            return Err(bad_size());
        }
        let [value, base, distance] = [value, base, distance].map(i128::from);
        let sum = if asked.subtract {
            base - distance
        } else {
            base + distance
        };
        return Ok(asked.holds(value, sum));
    }
    if let (Some(value), Some(base), Value::Float8(distance)) =
        (float(value), float(base), distance)
    {
        return floats(value, base, *distance, asked);
    }
    if let (Value::Numeric(value), Value::Numeric(base), Value::Numeric(distance)) =
        (value, base, distance)
    {
        return numerics(value, base, distance, asked);
    }
    let Value::Interval(interval) = distance else {
        return Err(Error::internal("a frame's distance of another type"));
    };
    if is_negative(interval) {
        return Err(bad_size());
    }
    if let (Value::Time(value), Value::Time(base)) = (value, base) {
        // Times do not go round midnight here.
        let distance = interval.micros;
        let sum = match asked.subtract {
            true => base.saturating_sub(distance),
            false => base.saturating_add(distance),
        };
        return Ok(asked.holds(*value, sum));
    }
    let Some((plus, minus)) = operators else {
        return Err(Error::internal("a frame's distance cannot be added"));
    };
    let operator = if asked.subtract { minus } else { plus };
    let sum = operator.apply(base, distance, settings)?;
    Ok(asked.holds(value, &sum))
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Float4(number) => Some(f64::from(*number)),
        Value::Float8(number) => Some(*number),
        _ => None,
    }
}

fn floats(value: f64, base: f64, distance: f64, asked: Comparison) -> Result<bool> {
    if distance.is_nan() || distance < 0.0 {
        return Err(bad_size());
    }
    if value.is_nan() || base.is_nan() {
        return Ok(match (value.is_nan(), base.is_nan()) {
            (true, true) => true,
            (true, false) => !asked.at_most,
            _ => asked.at_most,
        });
    }
    // From one infinity to the other it is as far as to anything.
    let away = if asked.subtract {
        base > 0.0
    } else {
        base < 0.0
    };
    if distance.is_infinite() && base.is_infinite() && away {
        return Ok(true);
    }
    let sum = if asked.subtract {
        base - distance
    } else {
        base + distance
    };
    Ok(asked.holds(value, sum))
}

fn numerics(
    value: &Numeric,
    base: &Numeric,
    distance: &Numeric,
    asked: Comparison,
) -> Result<bool> {
    if *distance == Numeric::NAN || *distance < Numeric::from(0) {
        return Err(bad_size());
    }
    let is_nan = |number: &Numeric| *number == Numeric::NAN;
    if is_nan(value) || is_nan(base) {
        return Ok(match (is_nan(value), is_nan(base)) {
            (true, true) => true,
            (true, false) => !asked.at_most,
            _ => asked.at_most,
        });
    }
    let away = match asked.subtract {
        true => *base == Numeric::INFINITY,
        false => *base == Numeric::NEGATIVE_INFINITY,
    };
    if *distance == Numeric::INFINITY && away {
        return Ok(true);
    }
    let sum = match asked.subtract {
        true => base.subtract(distance)?,
        false => base.add(distance)?,
    };
    Ok(asked.holds(value, &sum))
}

fn is_negative(interval: &Interval) -> bool {
    interval.span() < 0
}

fn bad_size() -> Error {
    let message = "invalid preceding or following size in window function";
    Error::new(SqlState::INVALID_PRECEDING_OR_FOLLOWING_SIZE, message)
}
