//! Series: numbers and times from a start to an end, made while they are read.

use super::{Body, Row, Rows, Scope, invalid};
use crate::array::Array;
use crate::datetime;
use crate::error::Result;
use crate::interval::Interval;
use crate::numeric::Numeric;
use crate::operator::operand::{Outcome, Timestamp, Timestamptz, take};
use crate::value::Value;

const fn set(signature: &'static str, body: fn(&[Value], &Scope<'_>) -> Result<Rows>) -> Row {
    Row {
        signature,
        body: Body::Set(body),
    }
}

pub(super) static ROWS: &[Row] = &[
    set("generate_series(int4, int4) setof int4", integers::<i32>),
    set(
        "generate_series(int4, int4, int4) setof int4",
        integers::<i32>,
    ),
    set("generate_series(int8, int8) setof int8", integers::<i64>),
    set(
        "generate_series(int8, int8, int8) setof int8",
        integers::<i64>,
    ),
    set("generate_series(numeric, numeric) setof numeric", numerics),
    set(
        "generate_series(numeric, numeric, numeric) setof numeric",
        numerics,
    ),
    set(
        "generate_series(timestamp, timestamp, interval) setof timestamp",
        timestamps,
    ),
    set(
        "generate_series(timestamptz, timestamptz, interval) setof timestamptz stable",
        instants,
    ),
    set("generate_subscripts(anyarray, int4) setof int4", subscripts),
    set(
        "generate_subscripts(anyarray, int4, bool) setof int4",
        subscripts,
    ),
];

fn no_step() -> crate::error::Error {
    invalid("step size cannot equal zero")
}

/// Whether a series that goes up or down has not passed its end.
fn within<T: PartialOrd>(next: &T, end: &T, upwards: bool) -> bool {
    if upwards { next <= end } else { next >= end }
}

fn integers<T: TryFrom<i64> + Outcome>(arguments: &[Value], _: &Scope<'_>) -> Result<Rows> {
    let number = |index: usize| {
        arguments
            .get(index)
            .and_then(Value::as_integer)
            .unwrap_or(1)
    };
    let (start, end, step) = (number(0), number(1), number(2));
    if step == 0 {
        return Err(no_step());
    }
    let first = within(&start, &end, step > 0).then_some(start);
    let series = std::iter::successors(first, move |number| {
        number
            .checked_add(step)
            .filter(|next| within(next, &end, step > 0))
    });
    let give = |number: i64| T::try_from(number).ok().map(|number| Ok(number.give()));
    Ok(Box::new(series.map_while(give)))
}

fn numerics(arguments: &[Value], _: &Scope<'_>) -> Result<Rows> {
    let one = Numeric::ONE;
    let mut numbers = Vec::new();
    for (index, what) in ["start value", "stop value", "step size"]
        .into_iter()
        .enumerate()
    {
        let number: &Numeric = arguments.get(index).map_or(Ok(&one), take)?;
        if number.is_nan() {
            return Err(invalid(format!("{what} cannot be NaN")));
        }
        if number.is_infinite() {
            return Err(invalid(format!("{what} cannot be infinity")));
        }
        numbers.push(number.clone());
    }
    let [start, end, step] = <[Numeric; 3]>::try_from(numbers).map_err(|_| super::wrong_count())?;
    let upwards = match step.signum() {
        Some(0) => return Err(no_step()),
        sign => sign == Some(1),
    };
    let first = within(&start, &end, upwards).then_some(Ok(start));
    let series = std::iter::successors(first, move |number| {
        let next = number.as_ref().ok()?.add(&step);
        let passed = next.as_ref().is_ok_and(|next| !within(next, &end, upwards));
        (!passed).then_some(next)
    });
    Ok(Box::new(series.map(|number| number.map(Value::Numeric))))
}

fn times(
    start: i64,
    end: i64,
    step: Interval,
    next: impl Fn(i64, &Interval) -> Result<i64> + Send + 'static,
    give: fn(i64) -> Value,
) -> Result<Rows> {
    let upwards = match step.span() {
        0 => return Err(no_step()),
        span => span > 0,
    };
    let first = within(&start, &end, upwards).then_some(Ok(start));
    let series = std::iter::successors(first, move |time| {
        let next = next(*time.as_ref().ok()?, &step);
        let passed = next.as_ref().is_ok_and(|next| !within(next, &end, upwards));
        (!passed).then_some(next)
    });
    Ok(Box::new(series.map(move |time| time.map(give))))
}

fn timestamps(arguments: &[Value], _: &Scope<'_>) -> Result<Rows> {
    let (start, end): (Timestamp, Timestamp) = (take(&arguments[0])?, take(&arguments[1])?);
    let step = take(&arguments[2])?;
    times(
        start.0,
        end.0,
        step,
        datetime::timestamp_add,
        Value::Timestamp,
    )
}

fn instants(arguments: &[Value], scope: &Scope<'_>) -> Result<Rows> {
    let (start, end): (Timestamptz, Timestamptz) = (take(&arguments[0])?, take(&arguments[1])?);
    let step = take(&arguments[2])?;
    let zone = scope.settings.zone.clone();
    let next = move |time: i64, step: &Interval| datetime::timestamptz_add(time, step, &zone);
    times(start.0, end.0, step, next, Value::Timestamptz)
}

fn subscripts(arguments: &[Value], _: &Scope<'_>) -> Result<Rows> {
    let array: &Array = take(&arguments[0])?;
    let backwards = arguments.get(2).and_then(Value::as_bool).unwrap_or(false);
    let Some(dimension) = super::array::dimension(array, take(&arguments[1])?) else {
        return Ok(Box::new(std::iter::empty()));
    };
    let (lower, upper) = (dimension.lower, super::array::upper(dimension));
    let place = move |offset: i32| {
        if backwards {
            upper - offset
        } else {
            lower + offset
        }
    };
    let count = dimension.length as i32;
    Ok(Box::new(
        (0..count).map(move |offset| Ok(Value::Int4(place(offset)))),
    ))
}
