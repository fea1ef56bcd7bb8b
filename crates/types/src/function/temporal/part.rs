//! Parts of dates and times: `extract`, `date_part`.

use super::unit::{Unit, folded};
use crate::datetime::calendar::{self, EPOCH_JULIAN};
use crate::datetime::{UNIX_EPOCH_MICROS, in_range, timestamptz_to_timestamp};
use crate::error::Result;
use crate::interval::{Interval, MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::numeric::Numeric;
use crate::operator::operand::Outcome;
use crate::value::Value;
use crate::zone::Zone;

/// A part, before it becomes a `numeric` or a `double precision`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Part {
    Whole(i64),
    /// A number of microseconds, shown as seconds with six decimals.
    Seconds(i128),
    /// Seconds of a minute and microseconds of a second, together in units of `10^-decimals`.
    Subseconds(i64, u16),
    /// Days, and microseconds of a day.
    Julian(i64, i64),
    /// Seconds of months and days, and microseconds: the length of an interval.
    Length(i64, i64),
    Infinite(bool),
    /// An infinite time has no such part.
    None,
}

impl Part {
    pub(super) fn numeric(self) -> Result<Value> {
        Ok(match self {
            Part::Whole(number) => Numeric::from(number),
            Part::Seconds(micros) => Numeric::new(micros, 6)?,
            Part::Subseconds(micros, decimals) => Numeric::new(i128::from(micros), decimals)?,
            Part::Julian(days, micros) => {
                let part = Numeric::from(micros).divide(&Numeric::from(MICROS_PER_DAY))?;
                Numeric::from(days).add(&part)?
            }
            Part::Length(seconds, micros) => Numeric::new(
                i128::from(seconds) * i128::from(MICROS_PER_SECOND) + i128::from(micros),
                6,
            )?,
            Part::Infinite(true) => Numeric::INFINITY,
            Part::Infinite(false) => Numeric::NEGATIVE_INFINITY,
            Part::None => return Ok(Value::Null),
        }
        .give())
    }

    pub(super) fn float(self) -> Result<Value> {
        Ok(Value::Float8(match self {
            Part::Whole(number) => number as f64,
            Part::Seconds(micros) => micros as f64 / 1e6,
            Part::Subseconds(micros, 3) => {
                (micros / MICROS_PER_SECOND) as f64 * 1e3
                    + (micros % MICROS_PER_SECOND) as f64 / 1e3
            }
            Part::Subseconds(micros, _) => {
                (micros / MICROS_PER_SECOND) as f64 + (micros % MICROS_PER_SECOND) as f64 / 1e6
            }
            Part::Julian(days, micros) => {
                let seconds =
                    (micros / MICROS_PER_SECOND) as f64 + (micros % MICROS_PER_SECOND) as f64 / 1e6;
                days as f64 + seconds / 86_400.0
            }
            Part::Length(seconds, micros) => micros as f64 / 1e6 + seconds as f64,
            Part::Infinite(true) => f64::INFINITY,
            Part::Infinite(false) => f64::NEG_INFINITY,
            Part::None => return Ok(Value::Null),
        }))
    }
}

pub(super) fn of_timestamp(word: &str, time: i64) -> Result<Part> {
    moment(word, time, None)
}

pub(super) fn of_timestamptz(word: &str, time: i64, zone: &Zone) -> Result<Part> {
    moment(word, time, Some(zone))
}

fn moment(word: &str, time: i64, zone: Option<&Zone>) -> Result<Part> {
    let word = folded(word);
    let name = match zone {
        None => "timestamp without time zone",
        Some(_) => "timestamp with time zone",
    };
    let unit = Unit::of(&word).ok_or_else(|| Unit::unknown(&word, name))?;
    let unsupported = || Err(Unit::unsupported(&word, name));
    let zoned = matches!(unit, Unit::Zone | Unit::ZoneHour | Unit::ZoneMinute);
    if !in_range(time) {
        return Ok(of_infinity(unit, time > 0));
    }
    if zoned && zone.is_none() {
        return unsupported();
    }
    if unit == Unit::Epoch {
        return Ok(Part::Seconds(
            i128::from(time) - i128::from(UNIX_EPOCH_MICROS),
        ));
    }
    let (local, offset) = match zone {
        None => (time, 0),
        Some(zone) => (
            timestamptz_to_timestamp(time, zone)?,
            i64::from(zone.offset_at(time)),
        ),
    };
    let of_day = local.rem_euclid(MICROS_PER_DAY);
    let days = local.div_euclid(MICROS_PER_DAY);
    Ok(match unit {
        Unit::Zone => Part::Whole(offset),
        Unit::ZoneHour => Part::Whole(offset / 3600),
        Unit::ZoneMinute => Part::Whole(offset / 60 % 60),
        Unit::Julian => Part::Julian(days + EPOCH_JULIAN, of_day),
        _ => match clock(unit, of_day).or_else(|| date(unit, days)) {
            Some(part) => part,
            None => return unsupported(),
        },
    })
}

/// What only goes up is infinite, what turns has no value.
fn of_infinity(unit: Unit, positive: bool) -> Part {
    match unit {
        Unit::Year
        | Unit::Decade
        | Unit::Century
        | Unit::Millennium
        | Unit::Julian
        | Unit::IsoYear
        | Unit::Epoch => Part::Infinite(positive),
        _ => Part::None,
    }
}

/// A part of a time of day.
fn clock(unit: Unit, micros: i64) -> Option<Part> {
    let (hour, minute, second, fraction) = calendar::split_time(micros);
    let seconds = second * MICROS_PER_SECOND + fraction;
    Some(match unit {
        Unit::Microseconds => Part::Whole(seconds),
        Unit::Milliseconds => Part::Subseconds(seconds, 3),
        Unit::Second => Part::Subseconds(seconds, 6),
        Unit::Minute => Part::Whole(minute),
        Unit::Hour => Part::Whole(hour),
        _ => return None,
    })
}

/// A part of a date.
fn date(unit: Unit, days: i64) -> Option<Part> {
    let (year, month, day) = calendar::civil_from_days(days);
    let year = i64::from(year);
    Some(Part::Whole(match unit {
        Unit::Day => i64::from(day),
        Unit::Month => i64::from(month),
        Unit::Quarter => i64::from((month - 1) / 3 + 1),
        Unit::Week => iso_week(days).1,
        Unit::Year if year > 0 => year,
        Unit::Year => year - 1,
        Unit::Decade if year >= 0 => year / 10,
        Unit::Decade => -((8 - (year - 1)) / 10),
        Unit::Century if year > 0 => (year + 99) / 100,
        Unit::Century => -((99 - (year - 1)) / 100),
        Unit::Millennium if year > 0 => (year + 999) / 1000,
        Unit::Millennium => -((999 - (year - 1)) / 1000),
        Unit::IsoYear => match iso_week(days).0 {
            year if year > 0 => year,
            year => year - 1,
        },
        Unit::DayOfWeek => calendar::weekday(days),
        Unit::IsoDayOfWeek => match calendar::weekday(days) {
            0 => 7,
            weekday => weekday,
        },
        Unit::DayOfYear => days - calendar::days_from_civil(year as i32, 1, 1) + 1,
        _ => return None,
    }))
}

/// Year and number of the week of ISO 8601 that a day is in.
pub(crate) fn iso_week(days: i64) -> (i64, i64) {
    // A week belongs to the year of its Thursday.
    let thursday = days - (calendar::weekday(days) + 6) % 7 + 3;
    let (year, ..) = calendar::civil_from_days(thursday);
    let first = calendar::days_from_civil(year, 1, 1);
    (i64::from(year), (thursday - first) / 7 + 1)
}

pub(super) fn of_date(word: &str, days: i32) -> Result<Part> {
    let word = folded(word);
    let unit = Unit::of(&word).ok_or_else(|| Unit::unknown(&word, "date"))?;
    let unsupported = || Err(Unit::unsupported(&word, "date"));
    let part = match unit {
        Unit::Epoch => Some(Part::Whole((i64::from(days) + 10_957) * 86_400)),
        Unit::Julian => Some(Part::Whole(i64::from(days) + EPOCH_JULIAN)),
        _ => date(unit, i64::from(days.clamp(i32::MIN + 1_000_000, i32::MAX))),
    };
    match part {
        None => unsupported(),
        Some(_) if days == i32::MIN || days == i32::MAX => Ok(of_infinity(unit, days > 0)),
        Some(part) => Ok(part),
    }
}

pub(super) fn of_time(word: &str, micros: i64) -> Result<Part> {
    const NAME: &str = "time without time zone";
    let word = folded(word);
    let unit = Unit::of(&word).ok_or_else(|| Unit::unknown(&word, NAME))?;
    if unit == Unit::Epoch {
        return Ok(Part::Seconds(i128::from(micros)));
    }
    clock(unit, micros).ok_or_else(|| Unit::unsupported(&word, NAME))
}

pub(super) fn of_interval(word: &str, interval: &Interval) -> Result<Part> {
    let word = folded(word);
    let unit = Unit::of(&word).ok_or_else(|| Unit::unknown(&word, "interval"))?;
    let (years, months) = (
        i64::from(interval.months / 12),
        i64::from(interval.months % 12),
    );
    if let Some(part) = clock(unit, interval.micros) {
        return Ok(part);
    }
    Ok(Part::Whole(match unit {
        Unit::Day => i64::from(interval.days),
        Unit::Month => months,
        Unit::Quarter => months / 3 + 1,
        Unit::Year => years,
        Unit::Decade => years / 10,
        Unit::Century => years / 100,
        Unit::Millennium => years / 1000,
        Unit::Epoch => {
            // A year has 365 days and a quarter.
            let quarters = 1461 * years + 120 * months + 4 * i64::from(interval.days);
            return Ok(Part::Length(quarters * 21_600, interval.micros));
        }
        _ => return Err(Unit::unsupported(&word, "interval")),
    }))
}
