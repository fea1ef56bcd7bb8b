//! Functions of dates, times and intervals.

mod make;
mod overlap;
mod part;
mod span;
mod truncate;
mod unit;

use super::{Row, Scope, invalid, raw, row};
use crate::datetime;
use crate::error::{Error, Result, SqlState};
use crate::interval::{Interval, MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::operator::operand::{Date, Time, Timestamp, Timestamptz};
use crate::text::Text;
use crate::value::Value;
use crate::zone::Zone;

pub(super) use make::ROWS as MAKE;
pub(super) use overlap::ROWS as OVERLAP;

pub(super) static ROWS: &[Row] = &[
    raw!("now() timestamptz stable", |_, scope| Ok(
        Value::Timestamptz(scope.settings.now.get())
    )),
    raw!("transaction_timestamp() timestamptz stable", |_, scope| Ok(
        Value::Timestamptz(scope.settings.now.get())
    )),
    raw!("statement_timestamp() timestamptz stable", |_, scope| Ok(
        Value::Timestamptz(scope.statement_time)
    )),
    raw!("clock_timestamp() timestamptz volatile", |_, scope| Ok(
        Value::Timestamptz(scope.host.clock())
    )),
    raw!("timeofday() text volatile", |_, scope| time_of_day(scope)),
    row!("extract(text, date) numeric", |unit: &Text, date: Date| {
        part::of_date(unit, date.0)?.numeric()
    }),
    row!("extract(text, time) numeric", |unit: &Text, time: Time| {
        part::of_time(unit, time.0)?.numeric()
    }),
    row!(
        "extract(text, timestamp) numeric",
        |unit: &Text, time: Timestamp| part::of_timestamp(unit, time.0)?.numeric()
    ),
    row!("extract(text, timestamptz) numeric stable", |scope; unit: &Text, time: Timestamptz| {
        part::of_timestamptz(unit, time.0, &scope.settings.zone)?.numeric()
    }),
    row!(
        "extract(text, interval) numeric",
        |unit: &Text, interval: Interval| part::of_interval(unit, &interval)?.numeric()
    ),
    row!("date_part(text, date) float8", |unit: &Text, date: Date| {
        part::of_timestamp(unit, datetime::date_to_timestamp(date.0)?)?.float()
    }),
    row!("date_part(text, time) float8", |unit: &Text, time: Time| {
        part::of_time(unit, time.0)?.float()
    }),
    row!(
        "date_part(text, timestamp) float8",
        |unit: &Text, time: Timestamp| part::of_timestamp(unit, time.0)?.float()
    ),
    row!("date_part(text, timestamptz) float8 stable", |scope; unit: &Text, time: Timestamptz| {
        part::of_timestamptz(unit, time.0, &scope.settings.zone)?.float()
    }),
    row!(
        "date_part(text, interval) float8",
        |unit: &Text, interval: Interval| part::of_interval(unit, &interval)?.float()
    ),
    row!(
        "date_trunc(text, timestamp) timestamp",
        |unit: &Text, time: Timestamp| truncate::timestamp(unit, time.0).map(Timestamp)
    ),
    row!("date_trunc(text, timestamptz) timestamptz stable", |scope; unit: &Text, time: Timestamptz| {
        truncate::timestamptz(unit, time.0, &scope.settings.zone).map(Timestamptz)
    }),
    row!(
        "date_trunc(text, timestamptz, text) timestamptz stable",
        |unit: &Text, time: Timestamptz, zone: &Text| {
            let zone = || datetime::zone_of_expression(zone);
            in_zone(time.0, zone, |time, zone| {
                truncate::timestamptz(unit, time, zone)
            })
            .map(Timestamptz)
        }
    ),
    row!(
        "date_trunc(text, interval) interval",
        |unit: &Text, interval: Interval| truncate::interval(unit, &interval)
    ),
    row!(
        "date_bin(interval, timestamp, timestamp) timestamp",
        |stride: Interval, time: Timestamp, origin: Timestamp| {
            truncate::bin(&stride, time.0, origin.0).map(Timestamp)
        }
    ),
    row!(
        "date_bin(interval, timestamptz, timestamptz) timestamptz",
        |stride: Interval, time: Timestamptz, origin: Timestamptz| {
            truncate::bin(&stride, time.0, origin.0).map(Timestamptz)
        }
    ),
    row!(
        "age(timestamp, timestamp) interval",
        |l: Timestamp, r: Timestamp| span::age(l.0, r.0)
    ),
    row!("age(timestamptz, timestamptz) interval", |scope; l: Timestamptz, r: Timestamptz| {
        let local = |time: Timestamptz| datetime::timestamptz_to_timestamp(time.0, &scope.settings.zone);
        span::age(local(l)?, local(r)?)
    }),
    row!("age(timestamp) interval stable", |scope; r: Timestamp| span::age(today(scope)?, r.0)),
    row!("age(timestamptz) interval stable", |scope; r: Timestamptz| {
        span::age(today(scope)?, datetime::timestamptz_to_timestamp(r.0, &scope.settings.zone)?)
    }),
    row!("justify_hours(interval) interval", |interval: Interval| {
        datetime::justify_hours(&interval)
    }),
    row!("justify_days(interval) interval", |interval: Interval| {
        datetime::justify_days(&interval)
    }),
    row!(
        "justify_interval(interval) interval",
        |interval: Interval| span::justify_interval(&interval)
    ),
    row!("isfinite(date) bool", |date: Date| Ok(
        date.0 != i32::MIN && date.0 != i32::MAX
    )),
    row!("isfinite(timestamp) bool", |time: Timestamp| Ok(time.0
        != i64::MIN
        && time.0 != i64::MAX)),
    row!("isfinite(timestamptz) bool", |time: Timestamptz| Ok(time.0
        != i64::MIN
        && time.0 != i64::MAX)),
    row!("isfinite(interval) bool", |_interval: Interval| Ok(true)),
    row!(
        "timezone(text, timestamptz) timestamp",
        |zone: &Text, time: Timestamptz| {
            in_zone(
                time.0,
                || datetime::zone_of_expression(zone),
                datetime::timestamptz_to_timestamp,
            )
            .map(Timestamp)
        }
    ),
    row!(
        "timezone(text, timestamp) timestamptz",
        |zone: &Text, time: Timestamp| {
            in_zone(
                time.0,
                || datetime::zone_of_expression(zone),
                datetime::timestamp_to_timestamptz,
            )
            .map(Timestamptz)
        }
    ),
    row!(
        "timezone(interval, timestamptz) timestamp",
        |zone: Interval, time: Timestamptz| {
            in_zone(
                time.0,
                || zone_of_interval(&zone),
                datetime::timestamptz_to_timestamp,
            )
            .map(Timestamp)
        }
    ),
    row!(
        "timezone(interval, timestamp) timestamptz",
        |zone: Interval, time: Timestamp| {
            in_zone(
                time.0,
                || zone_of_interval(&zone),
                datetime::timestamp_to_timestamptz,
            )
            .map(Timestamptz)
        }
    ),
    row!("to_timestamp(float8) timestamptz", |seconds: f64| {
        to_timestamp(seconds).map(Timestamptz)
    }),
];

/// The midnight that began the transaction's day in the session's zone, on its clocks.
fn today(scope: &Scope<'_>) -> Result<i64> {
    let local = datetime::timestamptz_to_timestamp(scope.settings.now.get(), &scope.settings.zone)?;
    Ok(local - local.rem_euclid(MICROS_PER_DAY))
}

fn time_of_day(scope: &Scope<'_>) -> Result<Value> {
    let now = scope.host.clock();
    let (offset, abbreviation) = scope.settings.zone.offset_and_abbreviation_at(now);
    let local = now + i64::from(offset) * MICROS_PER_SECOND;
    let civil = datetime::calendar::civil_from_micros(local);
    let (hour, minute, second, micros) = datetime::calendar::split_time(civil.micros);
    let weekday = datetime::calendar::weekday(local.div_euclid(MICROS_PER_DAY)) as usize;
    let day = datetime::DAY_NAMES[weekday];
    let month = datetime::MONTH_NAMES[civil.month as usize - 1];
    Ok(Value::from(format!(
        "{} {} {:02} {hour:02}:{minute:02}:{second:02}.{micros:06} {} {abbreviation}",
        &day[..3],
        &month[..3],
        civil.day,
        civil.year
    )))
}

/// Converts a time between a zone and UTC; what is infinite is so everywhere, even where there is
/// no zone of that name.
fn in_zone(
    time: i64,
    zone: impl FnOnce() -> Result<Zone>,
    convert: impl FnOnce(i64, &Zone) -> Result<i64>,
) -> Result<i64> {
    if !datetime::in_range(time) {
        return Ok(time);
    }
    convert(time, &zone()?)
}

/// The zone that an interval is as an offset from UTC.
fn zone_of_interval(interval: &Interval) -> Result<Zone> {
    if interval.months != 0 || interval.days != 0 {
        let text = crate::io::format(
            &Value::Interval(*interval),
            &crate::types::Type::INTERVAL,
            &crate::settings::Settings::default(),
        );
        let words = format!("interval time zone \"{text}\" must not include months or days");
        return Err(invalid(words));
    }
    Ok(Zone::displaced(
        (interval.micros / MICROS_PER_SECOND) as i32,
    ))
}

/// Seconds since 1970 as an instant.
fn to_timestamp(seconds: f64) -> Result<i64> {
    let out_of_range = |what: String| {
        let words = format!("timestamp {what}");
        Err(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, words))
    };
    if seconds.is_nan() {
        return out_of_range("cannot be NaN".to_owned());
    }
    if seconds.is_infinite() {
        return Ok(if seconds > 0.0 { i64::MAX } else { i64::MIN });
    }
    let epoch = datetime::UNIX_EPOCH_MICROS;
    let words = || format!("out of range: \"{}\"", general(seconds));
    // Seconds of the first and behind the last timestamp.
    if !(-210_866_803_200.0..9_224_318_016_000.0).contains(&seconds) {
        return out_of_range(words());
    }
    let since = seconds + epoch as f64 / 1e6;
    let micros = (since * 1e6).round_ties_even() as i64;
    if datetime::in_range(micros) {
        Ok(micros)
    } else {
        out_of_range(words())
    }
}

/// A number as C's `%g` prints it.
pub(crate) fn general(number: f64) -> String {
    if !number.is_finite() {
        return crate::io::format(
            &Value::Float8(number),
            &crate::types::Type::FLOAT8,
            &crate::settings::Settings::default(),
        );
    }
    let text = format!("{number:.5e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..6).contains(&exponent) {
        return trimmed(&format!("{number:.*}", (5 - exponent).max(0) as usize));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
}
