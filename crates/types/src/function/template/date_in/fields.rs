//! What the fields of a template say together.

use super::super::{Calendar, weeks};
use super::{Fields, Moment, ZONE_HOURS_MAX, invalid};
use crate::datetime::calendar::days_in_month;
use crate::error::{Error, Result, SqlState};
use crate::interval::{MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};

impl Fields {
    pub(super) fn moment(mut self, text: &str) -> Result<Moment> {
        let overflow = || {
            let words = format!("date/time field value out of range: \"{text}\"");
            Error::new(SqlState::DATETIME_FIELD_OVERFLOW, words)
        };
        let micros = self.time(&overflow)?;
        let (year, month, day) = self.date(&overflow)?;
        Ok(Moment {
            year,
            month,
            day,
            micros,
            offset: self.offset(text)?,
            digits: self.fraction_digits,
        })
    }

    fn time(&self, overflow: &dyn Fn() -> Error) -> Result<i64> {
        let of_day = self.second_of_day;
        let pick = |field: i32, other: i32| if field != 0 { field } else { other };
        let mut hour = pick(self.hour, of_day / 3600);
        let minute = pick(self.minute, of_day % 3600 / 60);
        let second = pick(self.second, of_day % 60);
        if self.twelve_hours {
            if !(1..=12).contains(&hour) {
                let words = format!("hour \"{hour}\" is invalid for the 12-hour clock");
                let hint = "Use the 24-hour clock, or give an hour between 1 and 12.";
                return Err(invalid(words).with_hint(hint));
            }
            match (self.afternoon != 0, hour) {
                (true, 1..12) => hour += 12,
                (false, 12) => hour = 0,
                _ => (),
            }
        }
        let micros = i64::from(self.millis) * 1000 + i64::from(self.micros);
        let known = (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second)
            && (0..MICROS_PER_SECOND).contains(&micros);
        if !known {
            return Err(overflow());
        }
        Ok(i64::from(hour) * MICROS_PER_HOUR
            + i64::from(minute) * MICROS_PER_MINUTE
            + i64::from(second) * MICROS_PER_SECOND
            + micros)
    }

    /// The year as astronomers count it, if there is one.
    fn whole_year(&self) -> Option<i32> {
        let negative = self.before_christ != 0;
        let century = if negative {
            -self.century
        } else {
            self.century
        };
        if self.year == 0 {
            return (century != 0).then(|| match century {
                0.. => (century - 1).wrapping_mul(100) + 1,
                _ => century.wrapping_mul(100) + 1,
            });
        }
        if self.century == 0 || self.year_digits > 2 {
            let year = if negative { -self.year } else { self.year };
            return Some(if year < 0 { year + 1 } else { year });
        }
        let year = self.year % 100;
        Some(match (year, century) {
            (0, 0..) => century.wrapping_mul(100),
            (0, _) => century.wrapping_mul(100) + 1,
            (_, 0..) => year + (century - 1).wrapping_mul(100),
            _ => (century + 1).wrapping_mul(100) - year + 1,
        })
    }

    fn date(&mut self, overflow: &dyn Fn() -> Error) -> Result<(i32, i32, i32)> {
        let by_weeks = self.calendar == Some(Calendar::IsoWeek);
        let has_year = self.whole_year();
        let (mut year, mut month, mut day) = (has_year.unwrap_or(0), 1, 1);
        let (mut has_month, mut has_day, mut has_year) = (false, false, has_year.is_some());
        if self.julian != 0 {
            (year, month, day) = weeks::date(i64::from(self.julian));
            (has_year, has_month, has_day) = (true, true, true);
        }
        if self.week != 0 {
            if by_weeks {
                let shift = match self.weekday {
                    0 => 0,
                    1 => 6,
                    weekday => i64::from(weekday) - 2,
                };
                (year, month, day) = weeks::date(weeks::start(year, self.week) + shift);
                (has_year, has_month, has_day) = (true, true, true);
            } else {
                self.day_of_year = (self.week - 1).wrapping_mul(7).wrapping_add(1);
            }
        }
        if self.week_of_month != 0 {
            self.day = (self.week_of_month - 1).wrapping_mul(7).wrapping_add(1);
        }
        if self.day != 0 {
            (day, has_day) = (self.day, true);
        }
        if self.month != 0 {
            (month, has_month) = (self.month, true);
        }
        if self.day_of_year != 0 && (month <= 1 || day <= 1) {
            if year == 0 && self.before_christ == 0 {
                let words = "cannot calculate day of year without year information";
                return Err(invalid(words));
            }
            if by_weeks {
                let first = weeks::start(year, 1) - 1;
                (year, month, day) = weeks::date(first + i64::from(self.day_of_year));
                has_year = true;
            } else {
                (month, day) = of_year_day(year, month, day, self.day_of_year);
            }
            (has_month, has_day) = (true, true);
        }
        let whole = has_year && has_month && has_day;
        let wrong = (has_month && !(1..=12).contains(&month))
            || (has_day && !(1..=31).contains(&day))
            || (whole && day > days_in_month(year, month));
        match wrong {
            true => Err(overflow()),
            false => Ok((year, month, day)),
        }
    }

    fn offset(&self, text: &str) -> Result<Option<i32>> {
        if self.zone_sign == 0 {
            return Ok(None);
        }
        let known =
            (0..=ZONE_HOURS_MAX).contains(&self.zone_hours) && (0..60).contains(&self.zone_minutes);
        if !known {
            let words = format!("time zone displacement out of range: \"{text}\"");
            return Err(Error::new(SqlState::INVALID_TIME_ZONE_DISPLACEMENT, words));
        }
        let seconds = self.zone_hours * 3600 + self.zone_minutes * 60;
        Ok(Some(self.zone_sign * seconds))
    }
}

/// Month and day of a day of the year, where they are not known yet; a day beyond the year's end
/// is one beyond December's.
fn of_year_day(year: i32, month: i32, day: i32, day_of_year: i32) -> (i32, i32) {
    let mut before = 0;
    let mut found = 13;
    for candidate in 1..=12 {
        let length = days_in_month(year, candidate);
        if day_of_year <= before + length {
            found = candidate;
            break;
        }
        before += length;
    }
    (
        if month <= 1 { found } else { month },
        if day <= 1 { day_of_year - before } else { day },
    )
}
