//! The proleptic Gregorian calendar, counted in days from 2000-01-01.
//!
//! Years are astronomical: 0 is 1 BC, -1 is 2 BC.

use crate::interval::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};

/// The Julian day of 2000-01-01.
pub(crate) const EPOCH_JULIAN: i64 = 2_451_545;
/// The first date: 4714-11-24 BC.
pub(crate) const DATE_MIN: i32 = -2_451_545;
/// The day after the last date: 5874898-01-01.
pub(crate) const DATE_END: i32 = 2_145_031_949;
/// The first timestamp: 4714-11-24 BC.
pub(crate) const TIMESTAMP_MIN: i64 = -211_813_488_000_000_000;
/// Where timestamps end: 294277-01-01.
pub(crate) const TIMESTAMP_END: i64 = 9_223_371_331_200_000_000;

/// A date and a time of day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Civil {
    pub(crate) year: i32,
    pub(crate) month: i32,
    pub(crate) day: i32,
    /// Microseconds since midnight.
    pub(crate) micros: i64,
}

/// Hours, minutes, seconds and microseconds of a time of day.
pub(crate) fn split_time(micros: i64) -> (i64, i64, i64, i64) {
    (
        micros / MICROS_PER_HOUR,
        micros / MICROS_PER_MINUTE % 60,
        micros / MICROS_PER_SECOND % 60,
        micros % MICROS_PER_SECOND,
    )
}

/// Whether the year has 366 days.
pub(crate) const fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// How many days a month has.
pub(crate) const fn days_in_month(year: i32, month: i32) -> i32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 2000-01-01 to a date; months beyond the year's are carried.
pub(crate) fn days_from_civil(year: i32, month: i32, day: i32) -> i64 {
    let year = i64::from(year) + i64::from((month - 1).div_euclid(12));
    let month = i64::from((month - 1).rem_euclid(12) + 1);
    // Years begin in March, so that the leap day is the last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let cycle = shifted.div_euclid(400);
    let year_of_cycle = shifted.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    // 730425 days from 0000-03-01 to 2000-01-01.
    cycle * 146_097 + day_of_cycle - 730_425
}

/// Year, month and day.
pub(crate) fn civil_from_days(days: i64) -> (i32, i32, i32) {
    let days = days + 730_425;
    let cycle = days.div_euclid(146_097);
    let day_of_cycle = days.rem_euclid(146_097);
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_cycle + cycle * 400 + i64::from(month <= 2);
    (year as i32, month as i32, day as i32)
}

/// Date and time of a timestamp.
pub(crate) fn civil_from_micros(micros: i64) -> Civil {
    let (year, month, day) = civil_from_days(micros.div_euclid(MICROS_PER_DAY));
    Civil {
        year,
        month,
        day,
        micros: micros.rem_euclid(MICROS_PER_DAY),
    }
}

/// Sunday is 0.
pub(crate) fn weekday(days: i64) -> i64 {
    // 2000-01-01 was a Saturday.
    (days + 6).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree() {
        assert_eq!(days_from_civil(2000, 1, 1), 0);
        assert_eq!(days_from_civil(1970, 1, 1), -10_957);
        assert_eq!(days_from_civil(-4713, 11, 24), -EPOCH_JULIAN);
        assert_eq!(days_from_civil(5_874_898, 1, 1), i64::from(DATE_END));
        assert_eq!(
            days_from_civil(294_277, 1, 1) * MICROS_PER_DAY,
            TIMESTAMP_END
        );
        assert_eq!(days_from_civil(2000, 13, 1), 366);
        for days in (-800_000..1_000_000).step_by(97).chain(-400..400) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            assert!(day >= 1 && day <= days_in_month(year, month));
        }
        assert_eq!(weekday(0), 6);
    }
}
