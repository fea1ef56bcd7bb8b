//! `date`, `time`, `timestamp`, `timestamptz`, `interval`: text in and out, and arithmetic.
//!
//! ```text
//! text ─▶ fields ─▶ decode ─▶ calendar      what the words mean, then which day that is
//!            └────▶ interval_text
//! value ─▶ print, interval_print
//! value ─▶ arithmetic                       sums, differences, parts, conversions
//! ```

mod arithmetic;
pub(crate) mod calendar;
mod decode;
mod fields;
mod interval_print;
mod interval_text;
mod print;
mod words;

pub use arithmetic::*;
pub(crate) use interval_text::with_modifier as interval_with_modifier;

use calendar::{DATE_END, DATE_MIN, TIMESTAMP_END, TIMESTAMP_MIN};
use decode::{Decoded, Decoder};
use fields::Fault;

use crate::base::Base;
use crate::error::{Error, Result, SqlState};
use crate::interval::MICROS_PER_SECOND;
use crate::modifier::Modifier;
use crate::settings::Settings;
use crate::value::Value;

/// Days from 2000 to 1970.
const UNIX_EPOCH_DAYS: i32 = -10_957;
/// Microseconds from 2000 to 1970.
pub(crate) const UNIX_EPOCH_MICROS: i64 = -946_684_800 * MICROS_PER_SECOND;

/// The days of the week, from Sunday.
pub(crate) const DAY_NAMES: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
/// The months.
pub(crate) const MONTH_NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// An offset like `+hh:mm` in seconds east of UTC; `None` if it does not look like one, an error
/// if it is too large.
pub(crate) fn zone_offset_of(text: &str) -> Option<std::result::Result<i32, ()>> {
    match decode::zone_offset(text) {
        Ok(offset) => Some(Ok(offset)),
        Err(Fault::ZoneOverflow) => Some(Err(())),
        Err(_) => None,
    }
}

/// Reads a date, time, timestamp or interval.
pub(crate) fn parse(
    text: &str,
    base: Base,
    modifier: Modifier,
    settings: &Settings,
) -> Result<Value> {
    if base == Base::Interval {
        let interval = interval_text::parse(text, modifier, settings.interval_style)
            .map_err(|fault| describe(fault, text, base))?;
        let kept = interval_with_modifier(interval, modifier);
        return kept.map(Value::Interval).ok_or_else(interval_out_of_range);
    }
    let decoded = fields::split(text)
        .and_then(|fields| Decoder::new(&fields, settings, base == Base::Time).decode())
        .map_err(|fault| describe(fault, text, base))?;
    let out_of_range = || {
        let words = format!("{} out of range: \"{text}\"", short_name(base));
        Error::new(SqlState::DATETIME_FIELD_OVERFLOW, words)
    };
    match base {
        Base::Date => date_of(&decoded).map(Value::Date).ok_or_else(out_of_range),
        Base::Time => {
            let micros = match decoded {
                Decoded::Moment { civil, .. } => civil.micros,
                Decoded::Epoch | Decoded::Infinity | Decoded::NegativeInfinity => 0,
            };
            Ok(Value::Time(time_with_modifier(micros, modifier)))
        }
        _ => {
            let zoned = base == Base::Timestamptz;
            let micros = timestamp_of(&decoded, zoned).ok_or_else(out_of_range)?;
            let rounded = timestamp_with_modifier(micros, modifier)?;
            Ok(if zoned {
                Value::Timestamptz(rounded)
            } else {
                Value::Timestamp(rounded)
            })
        }
    }
}

fn date_of(decoded: &Decoded) -> Option<i32> {
    match decoded {
        Decoded::Epoch => Some(UNIX_EPOCH_DAYS),
        Decoded::Infinity => Some(i32::MAX),
        Decoded::NegativeInfinity => Some(i32::MIN),
        Decoded::Moment { civil, .. } => {
            let days = calendar::days_from_civil(civil.year, civil.month, civil.day);
            i32::try_from(days)
                .ok()
                .filter(|days| (DATE_MIN..DATE_END).contains(days))
        }
    }
}

fn timestamp_of(decoded: &Decoded, zoned: bool) -> Option<i64> {
    match decoded {
        Decoded::Epoch => Some(UNIX_EPOCH_MICROS),
        Decoded::Infinity => Some(i64::MAX),
        Decoded::NegativeInfinity => Some(i64::MIN),
        Decoded::Moment { civil, offset } => {
            let local = decode::local_micros(civil);
            let shift = if zoned {
                i64::from(*offset) * MICROS_PER_SECOND
            } else {
                0
            };
            local.checked_sub(shift).filter(|micros| in_range(*micros))
        }
    }
}

/// Whether this is a timestamp, and not beyond the range.
pub(crate) const fn in_range(micros: i64) -> bool {
    micros >= TIMESTAMP_MIN && micros < TIMESTAMP_END
}

/// Whether this is a timestamp, or one of the infinities.
pub(crate) const fn is_timestamp(micros: i64) -> bool {
    in_range(micros) || micros == i64::MIN || micros == i64::MAX
}

/// Whether this is a date, or one of the infinities.
pub(crate) const fn is_date(days: i32) -> bool {
    (days >= DATE_MIN && days < DATE_END) || days == i32::MIN || days == i32::MAX
}

/// Rounds to `digits` after the second, half away from zero.
pub(crate) fn round_micros(micros: i64, digits: u32) -> Option<i64> {
    let unit = 10_i64.pow(6_u32.saturating_sub(digits));
    let half = unit / 2;
    let moved = if micros >= 0 {
        micros.checked_add(half)?
    } else {
        micros.checked_sub(half)?
    };
    Some(moved / unit * unit)
}

/// A time as `time(n)` keeps it.
pub(crate) fn time_with_modifier(micros: i64, modifier: Modifier) -> i64 {
    let rounded = modifier
        .fraction_digits()
        .and_then(|digits| round_micros(micros, digits));
    rounded.unwrap_or(micros)
}

/// A timestamp as `timestamp(n)` keeps it.
pub(crate) fn timestamp_with_modifier(micros: i64, modifier: Modifier) -> Result<i64> {
    match modifier.fraction_digits() {
        Some(digits) if in_range(micros) => round_micros(micros, digits)
            .filter(|rounded| in_range(*rounded))
            .ok_or_else(timestamp_out_of_range),
        _ => Ok(micros),
    }
}

/// Appends a date, time, timestamp or interval; anything else appends nothing.
pub(crate) fn format_into(value: &Value, settings: &Settings, out: &mut String) {
    match value {
        Value::Date(days) => print::date(*days, settings, out),
        Value::Time(micros) => print::time(*micros, out),
        Value::Timestamp(micros) => print::timestamp(*micros, settings, out),
        Value::Timestamptz(micros) => print::timestamptz(*micros, settings, out),
        Value::Interval(interval) => {
            interval_print::format_into(interval, settings.interval_style, out);
        }
        _ => {}
    }
}

/// A date or timestamp as XML and JSON have it: `2020-01-02T03:04:05+01:00`.
pub(crate) fn xsd(value: &Value, settings: &Settings) -> String {
    let iso = Settings {
        date_style: crate::settings::DateStyle::Iso,
        ..settings.clone()
    };
    let mut text = String::new();
    format_into(value, &iso, &mut text);
    let plain = text.strip_suffix(" BC").unwrap_or(&text);
    let mut out = plain.replacen(' ', "T", 1);
    let zone = out
        .rfind(['+', '-'])
        .filter(|_| matches!(value, Value::Timestamptz(_)));
    if zone.is_some_and(|at| out.len() - at == 3) {
        out.push_str(":00");
    }
    if plain.len() < text.len() {
        out.push_str(" BC");
    }
    out
}

fn short_name(base: Base) -> &'static str {
    match base {
        Base::Timestamp | Base::Timestamptz => "timestamp",
        other => other.sql_name(),
    }
}

fn describe(fault: Fault, text: &str, base: Base) -> Error {
    let name = match base {
        Base::Time => "time",
        Base::Timestamp => "timestamp",
        other => other.sql_name(),
    };
    let field = || {
        let words = format!("date/time field value out of range: \"{text}\"");
        Error::new(SqlState::DATETIME_FIELD_OVERFLOW, words)
    };
    match fault {
        Fault::FieldOverflow => field(),
        Fault::MonthDayOverflow => {
            field().with_hint("Perhaps you need a different \"datestyle\" setting.")
        }
        Fault::IntervalOverflow => Error::new(
            SqlState::INTERVAL_FIELD_OVERFLOW,
            format!("interval field value out of range: \"{text}\""),
        ),
        Fault::ZoneOverflow => Error::new(
            SqlState::INVALID_TIME_ZONE_DISPLACEMENT,
            format!("time zone displacement out of range: \"{text}\""),
        ),
        Fault::BadFormat => Error::new(
            SqlState::INVALID_DATETIME_FORMAT,
            format!("invalid input syntax for type {name}: \"{text}\""),
        ),
        Fault::BadZone(zone) => Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("time zone \"{zone}\" not recognized"),
        ),
    }
}

pub(crate) fn timestamp_out_of_range() -> Error {
    Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "timestamp out of range")
}

pub(crate) fn interval_out_of_range() -> Error {
    Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range")
}

#[cfg(test)]
mod tests;
