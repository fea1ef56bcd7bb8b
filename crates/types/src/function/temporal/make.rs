//! Dates and times from their parts.

use crate::datetime::calendar::{DATE_END, DATE_MIN, days_from_civil, days_in_month};
use crate::datetime::{self, in_range, interval_out_of_range};
use crate::error::{Error, Result, SqlState};
use crate::function::{Row, row};
use crate::interval::{Interval, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE};
use crate::operator::operand::{Date, Time, Timestamp, Timestamptz};
use crate::text::Text;
use crate::zone::Zone;

use super::general;

pub(in crate::function) static ROWS: &[Row] = &[
    row!(
        "make_date(year int4, month int4, day int4) date",
        |year: i32, month: i32, day: i32| { date(year, month, day).map(Date) }
    ),
    row!(
        "make_time(hour int4, min int4, sec float8) time",
        |hour: i32, min: i32, sec: f64| { time(hour, min, sec).map(Time) }
    ),
    row!(
        "make_timestamp(year int4, month int4, mday int4, hour int4, min int4, sec float8) timestamp",
        |year: i32, month: i32, day: i32, hour: i32, min: i32, sec: f64| {
            timestamp([year, month, day, hour, min], sec).map(Timestamp)
        }
    ),
    row!(
        "make_timestamptz(year int4, month int4, mday int4, hour int4, min int4, sec float8) timestamptz stable",
        |scope; year: i32, month: i32, day: i32, hour: i32, min: i32, sec: f64| {
            let local = timestamp([year, month, day, hour, min], sec)?;
            datetime::timestamp_to_timestamptz(local, &scope.settings.zone).map(Timestamptz)
        }
    ),
    row!(
        "make_timestamptz(year int4, month int4, mday int4, hour int4, min int4, sec float8, timezone text) timestamptz stable",
        |year: i32, month: i32, day: i32, hour: i32, min: i32, sec: f64, zone: &Text| {
            let local = timestamp([year, month, day, hour, min], sec)?;
            datetime::timestamp_to_timestamptz(local, &zone_of(zone)?).map(Timestamptz)
        }
    ),
    row!(
        "make_interval(years int4 = 0, months int4 = 0, weeks int4 = 0, days int4 = 0, hours int4 = 0, mins int4 = 0, secs float8 = 0.0) interval",
        |years: i32, months: i32, weeks: i32, days: i32, hours: i32, mins: i32, secs: f64| {
            interval(
                years,
                months,
                weeks,
                days,
                i64::from(hours),
                i64::from(mins),
                secs,
            )
        }
    ),
];

fn overflow(words: String) -> Error {
    Error::new(SqlState::DATETIME_FIELD_OVERFLOW, words)
}

/// Years before Christ are negative, and there is no year 0.
fn date(year: i32, month: i32, day: i32) -> Result<i32> {
    let shown = if (i32::MIN + 1..0).contains(&year) {
        year + 1
    } else {
        year
    };
    date_shown(year, month, day, shown)
}

/// The same with the year as the words of an error show it.
fn date_shown(year: i32, month: i32, day: i32, shown: i32) -> Result<i32> {
    let astronomical = if year < 0 { year + 1 } else { year };
    let words = || {
        overflow(format!(
            "date field value out of range: {shown}-{month:02}-{day:02}"
        ))
    };
    let known = year != 0
        && year != i32::MIN
        && (1..=12).contains(&month)
        && (1..=days_in_month(astronomical, month)).contains(&day);
    if !known {
        return Err(words());
    }
    let days = days_from_civil(astronomical, month, day);
    i32::try_from(days)
        .ok()
        .filter(|days| (DATE_MIN..DATE_END).contains(days))
        .ok_or_else(|| overflow(format!("date out of range: {shown}-{month:02}-{day:02}")))
}

fn time(hour: i32, minute: i32, second: f64) -> Result<i64> {
    let words = || {
        let second = general(second);
        // C pads `%02g` to two letters.
        overflow(format!(
            "time field value out of range: {hour}:{minute:02}:{second:0>2}"
        ))
    };
    let known = (0..=24).contains(&hour)
        && (0..60).contains(&minute)
        && (0.0..=60.0).contains(&second)
        && (hour < 24 || (minute == 0 && second == 0.0));
    if !known {
        return Err(words());
    }
    let seconds = (second * 1e6).round_ties_even() as i64;
    let micros =
        i64::from(hour) * MICROS_PER_HOUR + i64::from(minute) * MICROS_PER_MINUTE + seconds;
    if micros > MICROS_PER_DAY {
        return Err(words());
    }
    Ok(micros)
}

fn timestamp([year, month, day, hour, minute]: [i32; 5], second: f64) -> Result<i64> {
    let date = date_shown(year, month, day, year)?;
    let time = time(hour, minute, second)?;
    let micros = i64::from(date)
        .checked_mul(MICROS_PER_DAY)
        .and_then(|midnight| midnight.checked_add(time))
        .filter(|micros| in_range(*micros));
    micros.ok_or_else(|| {
        let second = general(second);
        overflow(format!(
            "timestamp out of range: {year}-{month:02}-{day:02} {hour}:{minute:02}:{second:0>2}"
        ))
    })
}

/// A zone by name, abbreviation, or offset.
fn zone_of(text: &str) -> Result<Zone> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        let words = format!("invalid input syntax for type numeric time zone: \"{text}\"");
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, words)
            .with_hint("Numeric time zones must have \"-\" or \"+\" as first character."));
    }
    if text.starts_with(['+', '-']) {
        let words = || {
            let words = format!("invalid input syntax for type numeric time zone: \"{text}\"");
            Error::new(SqlState::INVALID_PARAMETER_VALUE, words)
                .with_hint("Numeric time zones must have \"-\" or \"+\" as first character.")
        };
        return match datetime::zone_offset_of(text) {
            Some(Ok(offset)) => Zone::fixed(offset),
            Some(Err(())) => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("numeric time zone \"{text}\" out of range"),
            )),
            None => Err(words()),
        };
    }
    datetime::zone_of_expression(text)
}

fn interval(
    years: i32,
    months: i32,
    weeks: i32,
    days: i32,
    hours: i64,
    minutes: i64,
    seconds: f64,
) -> Result<Interval> {
    if !seconds.is_finite() {
        return Err(interval_out_of_range());
    }
    let whole = || {
        let months = years.checked_mul(12)?.checked_add(months)?;
        let days = weeks.checked_mul(7)?.checked_add(days)?;
        let seconds = (seconds * 1e6).round_ties_even();
        if seconds.abs() >= i64::MAX as f64 {
            return None;
        }
        let micros = (hours * MICROS_PER_HOUR)
            .checked_add(minutes * MICROS_PER_MINUTE)?
            .checked_add(seconds as i64)?;
        Some(Interval::new(months, days, micros))
    };
    whole().ok_or_else(interval_out_of_range)
}
