//! Times cut to a unit: `date_trunc`, `date_bin`.

use super::part::iso_week;
use super::unit::{Unit, folded};
use crate::datetime::calendar::{self, Civil};
use crate::datetime::{
    in_range, interval_out_of_range, timestamp_out_of_range, timestamp_to_timestamptz,
    timestamptz_to_timestamp,
};
use crate::error::{Error, Result, SqlState};
use crate::interval::{
    Interval, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND,
};
use crate::zone::Zone;

pub(super) fn timestamp(word: &str, time: i64) -> Result<i64> {
    if !in_range(time) {
        return Ok(time);
    }
    let name = "timestamp without time zone";
    let (unit, word) = unit_of(word, name)?;
    local(unit, time, &word, name)
}

pub(super) fn timestamptz(word: &str, time: i64, zone: &Zone) -> Result<i64> {
    if !in_range(time) {
        return Ok(time);
    }
    let name = "timestamp with time zone";
    let (unit, word) = unit_of(word, name)?;
    let cut = local(unit, timestamptz_to_timestamp(time, zone)?, &word, name)?;
    if within_day(unit).is_some() {
        // The clocks may have been turned within the hour; the offset stays.
        let offset = i64::from(zone.offset_at(time)) * MICROS_PER_SECOND;
        return Ok(cut - offset);
    }
    timestamp_to_timestamptz(cut, zone)
}

fn unit_of(word: &str, name: &str) -> Result<(Unit, String)> {
    let word = folded(word);
    let unit = Unit::of(&word)
        .filter(|unit| unit.is_length())
        .ok_or_else(|| Unit::unknown(&word, name))?;
    Ok((unit, word))
}

/// The length of a unit that is shorter than a day.
fn within_day(unit: Unit) -> Option<i64> {
    Some(match unit {
        Unit::Microseconds => 1,
        Unit::Milliseconds => 1000,
        Unit::Second => MICROS_PER_SECOND,
        Unit::Minute => MICROS_PER_MINUTE,
        Unit::Hour => MICROS_PER_HOUR,
        _ => return None,
    })
}

fn local(unit: Unit, time: i64, word: &str, name: &str) -> Result<i64> {
    if let Some(length) = within_day(unit) {
        return Ok(time - time.rem_euclid(length));
    }
    let days = time.div_euclid(MICROS_PER_DAY);
    let Civil { year, month, .. } = calendar::civil_from_micros(time);
    let first = match unit {
        Unit::Day => days,
        // Weeks begin on Monday.
        Unit::Week => days - (calendar::weekday(days) + 6) % 7,
        Unit::Month => calendar::days_from_civil(year, month, 1),
        Unit::Quarter => calendar::days_from_civil(year, (month - 1) / 3 * 3 + 1, 1),
        Unit::Year => calendar::days_from_civil(year, 1, 1),
        Unit::Decade if year > 0 => calendar::days_from_civil(year / 10 * 10, 1, 1),
        Unit::Decade => calendar::days_from_civil(-((8 - (year - 1)) / 10) * 10, 1, 1),
        Unit::Century if year > 0 => calendar::days_from_civil((year + 99) / 100 * 100 - 99, 1, 1),
        Unit::Century => calendar::days_from_civil(-((99 - (year - 1)) / 100) * 100 + 1, 1, 1),
        Unit::Millennium if year > 0 => {
            calendar::days_from_civil((year + 999) / 1000 * 1000 - 999, 1, 1)
        }
        Unit::Millennium => {
            calendar::days_from_civil(-((999 - (year - 1)) / 1000) * 1000 + 1, 1, 1)
        }
        _ => return Err(Unit::unsupported(word, name)),
    };
    debug_assert!(unit != Unit::Week || iso_week(first) == iso_week(days));
    let cut = first.checked_mul(MICROS_PER_DAY);
    cut.filter(|cut| in_range(*cut))
        .ok_or_else(timestamp_out_of_range)
}

pub(super) fn interval(word: &str, interval: &Interval) -> Result<Interval> {
    let (unit, word) = unit_of(word, "interval")?;
    let whole = |months: i32| Interval::new(interval.months / months * months, 0, 0);
    Ok(match unit {
        Unit::Millennium => whole(12_000),
        Unit::Century => whole(1200),
        Unit::Decade => whole(120),
        Unit::Year => whole(12),
        Unit::Quarter => whole(3),
        Unit::Month => whole(1),
        Unit::Day => Interval::new(interval.months, interval.days, 0),
        _ => match within_day(unit) {
            Some(length) => Interval {
                micros: interval.micros / length * length,
                ..*interval
            },
            None if unit == Unit::Week => {
                return Err(Unit::unsupported(&word, "interval")
                    .with_detail("Months usually have fractional weeks."));
            }
            None => return Err(Unit::unsupported(&word, "interval")),
        },
    })
}

/// The start of the stride that a time is in, counted from `origin`.
pub(super) fn bin(stride: &Interval, time: i64, origin: i64) -> Result<i64> {
    if !in_range(time) {
        return Ok(time);
    }
    if !in_range(origin) {
        let words = "origin out of range";
        return Err(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, words));
    }
    if stride.months != 0 {
        let words = "timestamps cannot be binned into intervals containing months or years";
        return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, words));
    }
    let days = i64::from(stride.days).checked_mul(MICROS_PER_DAY);
    let length = days
        .and_then(|days| days.checked_add(stride.micros))
        .ok_or_else(interval_out_of_range)?;
    if length <= 0 {
        let words = "stride must be greater than zero";
        return Err(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, words));
    }
    let since = time.checked_sub(origin).ok_or_else(interval_out_of_range)?;
    origin
        .checked_add(since - since.rem_euclid(length))
        .filter(|start| in_range(*start))
        .ok_or_else(timestamp_out_of_range)
}
