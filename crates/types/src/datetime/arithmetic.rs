//! Sums, differences and conversions of dates, times and intervals.
//!
//! An interval is added in three steps, months, days, microseconds, each on what the one before
//! gave; a day that the month does not have becomes its last. With a time zone months and days are
//! counted on local clocks, the rest in elapsed time.

use super::calendar::{self, DATE_END, DATE_MIN};
use super::{decode, in_range, interval_out_of_range, timestamp_out_of_range, words};
use crate::error::{Error, Result, SqlState};
use crate::interval::{DAYS_PER_MONTH, Interval, MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::zone::Zone;

/// The infinite dates.
const DATE_INFINITIES: [i32; 2] = [i32::MIN, i32::MAX];
/// The infinite timestamps.
const TIMESTAMP_INFINITIES: [i64; 2] = [i64::MIN, i64::MAX];

fn overflow(words: &str) -> Error {
    Error::new(SqlState::DATETIME_FIELD_OVERFLOW, words)
}

/// `date + integer`.
pub fn date_add_days(date: i32, days: i32) -> Result<i32> {
    if DATE_INFINITIES.contains(&date) {
        return Ok(date);
    }
    let sum = date
        .checked_add(days)
        .filter(|sum| (DATE_MIN..DATE_END).contains(sum));
    sum.ok_or_else(|| overflow("date out of range"))
}

/// `date - integer`.
pub fn date_subtract_days(date: i32, days: i32) -> Result<i32> {
    if DATE_INFINITIES.contains(&date) {
        return Ok(date);
    }
    let difference = date
        .checked_sub(days)
        .filter(|days| (DATE_MIN..DATE_END).contains(days));
    difference.ok_or_else(|| overflow("date out of range"))
}

/// `date - date`, in days.
pub fn date_difference(left: i32, right: i32) -> Result<i32> {
    if DATE_INFINITIES.contains(&left) || DATE_INFINITIES.contains(&right) {
        return Err(overflow("cannot subtract infinite dates"));
    }
    left.checked_sub(right)
        .ok_or_else(|| overflow("date out of range"))
}

/// A date as the timestamp of its midnight.
pub fn date_to_timestamp(date: i32) -> Result<i64> {
    match date {
        i32::MIN => Ok(i64::MIN),
        i32::MAX => Ok(i64::MAX),
        days => {
            let micros = i64::from(days)
                .checked_mul(MICROS_PER_DAY)
                .filter(|time| in_range(*time));
            micros.ok_or_else(|| overflow("date out of range for timestamp"))
        }
    }
}

/// A date as the instant of its midnight in a zone.
pub fn date_to_timestamptz(date: i32, zone: &Zone) -> Result<i64> {
    let local = date_to_timestamp(date)?;
    timestamp_to_timestamptz(local, zone).map_err(|_| overflow("date out of range for timestamp"))
}

/// The day of a timestamp.
pub fn timestamp_to_date(timestamp: i64) -> i32 {
    match timestamp {
        i64::MIN => i32::MIN,
        i64::MAX => i32::MAX,
        micros => micros.div_euclid(MICROS_PER_DAY) as i32,
    }
}

/// The time of day of a timestamp; an infinite one has none.
pub fn timestamp_to_time(timestamp: i64) -> Option<i64> {
    let finite = !TIMESTAMP_INFINITIES.contains(&timestamp);
    finite.then(|| timestamp.rem_euclid(MICROS_PER_DAY))
}

/// The instant when a zone's clocks show a timestamp.
pub fn timestamp_to_timestamptz(timestamp: i64, zone: &Zone) -> Result<i64> {
    if TIMESTAMP_INFINITIES.contains(&timestamp) {
        return Ok(timestamp);
    }
    let shift = i64::from(zone.offset_at_local(timestamp)) * MICROS_PER_SECOND;
    let instant = timestamp
        .checked_sub(shift)
        .filter(|instant| in_range(*instant));
    instant.ok_or_else(timestamp_out_of_range)
}

/// What a zone's clocks show at an instant.
pub fn timestamptz_to_timestamp(instant: i64, zone: &Zone) -> Result<i64> {
    if TIMESTAMP_INFINITIES.contains(&instant) {
        return Ok(instant);
    }
    let shift = i64::from(zone.offset_at(instant)) * MICROS_PER_SECOND;
    let local = instant.checked_add(shift).filter(|local| in_range(*local));
    local.ok_or_else(timestamp_out_of_range)
}

/// `date + time`.
pub fn date_add_time(date: i32, time: i64) -> Result<i64> {
    let midnight = date_to_timestamp(date)?;
    if TIMESTAMP_INFINITIES.contains(&midnight) {
        return Ok(midnight);
    }
    let sum = midnight.checked_add(time).filter(|sum| in_range(*sum));
    sum.ok_or_else(timestamp_out_of_range)
}

/// `timestamp + interval`.
pub fn timestamp_add(timestamp: i64, interval: &Interval) -> Result<i64> {
    add_in(timestamp, interval, None)
}

/// `timestamptz + interval`, with days and months of a zone.
pub fn timestamptz_add(instant: i64, interval: &Interval, zone: &Zone) -> Result<i64> {
    add_in(instant, interval, Some(zone))
}

/// `timestamp - interval`.
pub fn timestamp_subtract(timestamp: i64, interval: &Interval) -> Result<i64> {
    add_in(timestamp, &negated(interval), None)
}

/// `timestamptz - interval`, with days and months of a zone.
pub fn timestamptz_subtract(instant: i64, interval: &Interval, zone: &Zone) -> Result<i64> {
    add_in(instant, &negated(interval), Some(zone))
}

/// The negative of an interval, whose least parts stay what they are, as in PostgreSQL.
const fn negated(interval: &Interval) -> Interval {
    Interval {
        months: interval.months.wrapping_neg(),
        days: interval.days.wrapping_neg(),
        micros: interval.micros.wrapping_neg(),
    }
}

fn add_in(timestamp: i64, interval: &Interval, zone: Option<&Zone>) -> Result<i64> {
    if TIMESTAMP_INFINITIES.contains(&timestamp) {
        return Ok(timestamp);
    }
    let local =
        |instant: i64| zone.map_or(Ok(instant), |zone| timestamptz_to_timestamp(instant, zone));
    let instant = |local: i64| zone.map_or(Ok(local), |zone| timestamp_to_timestamptz(local, zone));
    let mut sum = timestamp;
    if interval.months != 0 {
        sum = instant(add_months(local(sum)?, interval.months)?)?;
    }
    if interval.days != 0 {
        let days = i64::from(interval.days).checked_mul(MICROS_PER_DAY);
        let moved = days.and_then(|days| local(sum).ok()?.checked_add(days));
        let moved = moved
            .filter(|moved| in_range(*moved))
            .ok_or_else(timestamp_out_of_range)?;
        sum = instant(moved)?;
    }
    let sum = sum
        .checked_add(interval.micros)
        .filter(|sum| in_range(*sum));
    sum.ok_or_else(timestamp_out_of_range)
}

fn add_months(timestamp: i64, months: i32) -> Result<i64> {
    let mut civil = calendar::civil_from_micros(timestamp);
    let month = i64::from(civil.month) - 1 + i64::from(months);
    let year = i64::from(civil.year) + month.div_euclid(12);
    civil.year = i32::try_from(year).map_err(|_| timestamp_out_of_range())?;
    civil.month = month.rem_euclid(12) as i32 + 1;
    civil.day = civil
        .day
        .min(calendar::days_in_month(civil.year, civil.month));
    let micros = decode::local_micros(&civil);
    if in_range(micros) {
        Ok(micros)
    } else {
        Err(timestamp_out_of_range())
    }
}

/// `timestamp - timestamp`: days and the rest.
pub fn timestamp_difference(left: i64, right: i64) -> Result<Interval> {
    if TIMESTAMP_INFINITIES.contains(&left) || TIMESTAMP_INFINITIES.contains(&right) {
        return Err(overflow("cannot subtract infinite timestamps"));
    }
    let micros = left.checked_sub(right).ok_or_else(interval_out_of_range)?;
    justify_hours(&Interval::new(0, 0, micros))
}

/// `time + interval`: around the clock.
pub const fn time_add(time: i64, interval: &Interval) -> i64 {
    (time + interval.micros % MICROS_PER_DAY).rem_euclid(MICROS_PER_DAY)
}

/// `time - interval`: around the clock.
pub const fn time_subtract(time: i64, interval: &Interval) -> i64 {
    (time - interval.micros % MICROS_PER_DAY).rem_euclid(MICROS_PER_DAY)
}

/// An interval as a time of day, around the clock.
pub const fn interval_to_time(interval: &Interval) -> i64 {
    interval.micros.rem_euclid(MICROS_PER_DAY)
}

/// Whole days out of the microseconds: `justify_hours`.
pub fn justify_hours(interval: &Interval) -> Result<Interval> {
    let whole = (interval.micros / MICROS_PER_DAY) as i32;
    let mut days = interval
        .days
        .checked_add(whole)
        .ok_or_else(interval_out_of_range)?;
    let mut micros = interval.micros % MICROS_PER_DAY;
    if days > 0 && micros < 0 {
        days -= 1;
        micros += MICROS_PER_DAY;
    } else if days < 0 && micros > 0 {
        days += 1;
        micros -= MICROS_PER_DAY;
    }
    Ok(Interval::new(interval.months, days, micros))
}

/// Whole months out of the days: `justify_days`.
pub fn justify_days(interval: &Interval) -> Result<Interval> {
    let whole = interval.days / DAYS_PER_MONTH;
    let mut months = interval
        .months
        .checked_add(whole)
        .ok_or_else(interval_out_of_range)?;
    let mut days = interval.days % DAYS_PER_MONTH;
    if months > 0 && days < 0 {
        months -= 1;
        days += DAYS_PER_MONTH;
    } else if months < 0 && days > 0 {
        months += 1;
        days -= DAYS_PER_MONTH;
    }
    Ok(Interval::new(months, days, interval.micros))
}

impl Interval {
    /// `self + other`, part by part.
    pub fn checked_add(&self, other: &Interval) -> Result<Interval> {
        let sum = (|| {
            Some(Interval {
                months: self.months.checked_add(other.months)?,
                days: self.days.checked_add(other.days)?,
                micros: self.micros.checked_add(other.micros)?,
            })
        })();
        sum.ok_or_else(interval_out_of_range)
    }

    /// `self - other`, part by part.
    pub fn checked_subtract(&self, other: &Interval) -> Result<Interval> {
        let difference = (|| {
            Some(Interval {
                months: self.months.checked_sub(other.months)?,
                days: self.days.checked_sub(other.days)?,
                micros: self.micros.checked_sub(other.micros)?,
            })
        })();
        difference.ok_or_else(interval_out_of_range)
    }

    /// `-self`.
    pub fn checked_negate(&self) -> Result<Interval> {
        Interval::default().checked_subtract(self)
    }

    /// `self * factor`; fractions of months become days, those of days become time.
    pub fn checked_multiply(&self, factor: f64) -> Result<Interval> {
        self.scaled(|part| part * factor)
    }

    /// `self / divisor`.
    pub fn checked_divide(&self, divisor: f64) -> Result<Interval> {
        if divisor == 0.0 {
            return Err(Error::division_by_zero());
        }
        self.scaled(|part| part / divisor)
    }

    fn scaled(&self, scale: impl Fn(f64) -> f64) -> Result<Interval> {
        let whole = |number: f64| -> Result<i32> {
            if number > -2_147_483_649.0 && number < 2_147_483_648.0 {
                Ok(number as i32)
            } else {
                Err(interval_out_of_range())
            }
        };
        let round = |seconds: f64| (seconds * 1e6).round_ties_even() / 1e6;
        let seconds_per_day = (MICROS_PER_DAY / MICROS_PER_SECOND) as f64;
        let (all_months, all_days) = (scale(f64::from(self.months)), scale(f64::from(self.days)));
        let (months, mut days) = (whole(all_months)?, whole(all_days)?);
        let month_days = round((all_months - f64::from(months)) * f64::from(DAYS_PER_MONTH));
        let mut seconds =
            round((all_days - f64::from(days) + month_days - month_days.trunc()) * seconds_per_day);
        let carry = (seconds / seconds_per_day).trunc();
        seconds -= carry * seconds_per_day;
        days = whole(f64::from(days) + carry + month_days.trunc())?;
        let micros = (scale(self.micros as f64) + seconds * 1e6).round_ties_even();
        let range = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
        if !range.contains(&micros) {
            return Err(interval_out_of_range());
        }
        Ok(Interval::new(months, days, micros as i64))
    }
}

/// The zone that `AT TIME ZONE text` names: an abbreviation, a name, or POSIX rules.
pub fn zone_of_expression(text: &str) -> Result<Zone> {
    match words::zone_abbreviation(&text.to_ascii_lowercase()) {
        Some(zone) => zone.fixed_offset().map_or(Ok(zone), Zone::fixed),
        None => Zone::named(text),
    }
}
