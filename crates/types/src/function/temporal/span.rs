//! Differences in calendar units: `age`, `justify_interval`.

use crate::datetime::calendar::{self, days_in_month};
use crate::datetime::{in_range, interval_out_of_range, timestamp_out_of_range};
use crate::error::Result;
use crate::interval::{DAYS_PER_MONTH, Interval, MICROS_PER_DAY};

/// `left - right` in years, months, days and time, as people count.
pub(super) fn age(left: i64, right: i64) -> Result<Interval> {
    if !in_range(left) || !in_range(right) {
        return Err(timestamp_out_of_range());
    }
    let sign = if left < right { -1 } else { 1 };
    let (later, earlier) = (
        calendar::civil_from_micros(left.max(right)),
        calendar::civil_from_micros(left.min(right)),
    );
    let mut micros = later.micros - earlier.micros;
    let mut days = later.day - earlier.day;
    let mut months = (later.year - earlier.year) * 12 + later.month - earlier.month;
    if micros < 0 {
        micros += MICROS_PER_DAY;
        days -= 1;
    }
    // Days are borrowed from the month that the earlier time is in.
    while days < 0 {
        days += days_in_month(earlier.year, earlier.month);
        months -= 1;
    }
    Ok(Interval::new(
        sign * months,
        sign * days,
        i64::from(sign) * micros,
    ))
}

/// Whole months and days, all parts of one sign: `justify_interval`.
pub(super) fn justify_interval(interval: &Interval) -> Result<Interval> {
    let mut days = interval.days;
    let mut months = interval.months;
    let mut micros = interval.micros;
    let whole_days = (micros / MICROS_PER_DAY) as i32;
    // Days that fit a month go first, so that large parts do not overflow.
    if (days > 0 && micros > 0) || (days < 0 && micros < 0) {
        let whole = days / DAYS_PER_MONTH;
        days -= whole * DAYS_PER_MONTH;
        months = months
            .checked_add(whole)
            .ok_or_else(interval_out_of_range)?;
    }
    micros -= i64::from(whole_days) * MICROS_PER_DAY;
    days = days
        .checked_add(whole_days)
        .ok_or_else(interval_out_of_range)?;
    let whole_months = days / DAYS_PER_MONTH;
    days -= whole_months * DAYS_PER_MONTH;
    months = months
        .checked_add(whole_months)
        .ok_or_else(interval_out_of_range)?;
    if months > 0 && (days < 0 || (days == 0 && micros < 0)) {
        days += DAYS_PER_MONTH;
        months -= 1;
    } else if months < 0 && (days > 0 || (days == 0 && micros > 0)) {
        days -= DAYS_PER_MONTH;
        months += 1;
    }
    if days > 0 && micros < 0 {
        micros += MICROS_PER_DAY;
        days -= 1;
    } else if days < 0 && micros > 0 {
        micros -= MICROS_PER_DAY;
        days += 1;
    }
    Ok(Interval::new(months, days, micros))
}
