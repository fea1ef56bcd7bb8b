//! Times and intervals as text.

use std::fmt::Write;

use super::{Field, NODE_UNITS, Node, ordinal, parse, weeks};
use crate::datetime::calendar::{civil_from_micros, days_from_civil, split_time, weekday};
use crate::datetime::{DAY_NAMES, MONTH_NAMES, is_timestamp};
use crate::error::{Error, Result, SqlState};
use crate::interrupt;
use crate::interval::{
    DAYS_PER_MONTH, Interval, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND,
};
use crate::value::Value;
use crate::zone::Zone;

/// Roman numbers of months.
pub(super) const ROMAN_MONTHS: [&str; 12] = [
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII",
];

/// What there is to show.
struct Parts {
    year: i32,
    month: i32,
    day: i32,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    weekday: usize,
    day_of_year: i64,
    /// Seconds east of UTC, and what the zone is called.
    zone: (i32, Option<String>),
    is_interval: bool,
}

/// A time; without a zone it is on the clocks of none.
pub(super) fn timestamp(micros: i64, zone: Option<&Zone>, template: &str) -> Result<Value> {
    if template.is_empty() || !is_timestamp(micros) || [i64::MIN, i64::MAX].contains(&micros) {
        return Ok(Value::Null);
    }
    let zone = match zone {
        Some(zone) => {
            let (offset, name) = zone.offset_and_abbreviation_at(micros);
            (offset, Some(name))
        }
        None => (0, None),
    };
    let civil = civil_from_micros(micros + i64::from(zone.0) * MICROS_PER_SECOND);
    let (hour, minute, second, micros) = split_time(civil.micros);
    let days = days_from_civil(civil.year, civil.month, civil.day);
    let parts = Parts {
        year: civil.year,
        month: civil.month,
        day: civil.day,
        hour,
        minute,
        second,
        micros,
        weekday: weekday(days) as usize,
        day_of_year: days - days_from_civil(civil.year, 1, 1) + 1,
        zone,
        is_interval: false,
    };
    parts.shown(template).map(Value::from)
}

/// An interval.
pub(super) fn interval(interval: &Interval, template: &str) -> Result<Value> {
    if template.is_empty() {
        return Ok(Value::Null);
    }
    let time = interval.micros;
    let (year, month) = (interval.months / 12, interval.months % 12);
    let months = i64::from(interval.months);
    let parts = Parts {
        year,
        month,
        day: interval.days,
        hour: time / MICROS_PER_HOUR,
        minute: time % MICROS_PER_HOUR / MICROS_PER_MINUTE,
        second: time % MICROS_PER_MINUTE / MICROS_PER_SECOND,
        micros: time % MICROS_PER_SECOND,
        weekday: 0,
        day_of_year: months * i64::from(DAYS_PER_MONTH) + i64::from(interval.days),
        zone: (0, None),
        is_interval: true,
    };
    parts.shown(template).map(Value::from)
}

impl Parts {
    fn shown(&self, template: &str) -> Result<String> {
        let mut out = String::new();
        for node in parse(template)? {
            interrupt::spend(NODE_UNITS)?;
            match node {
                Node::Space(letter) | Node::Separator(letter) | Node::Letter(letter) => {
                    out.push(letter);
                }
                Node::Field(field) => {
                    let of_calendar = self.words(&field)?.or_else(|| self.of_zone(&field));
                    out.push_str(&match of_calendar {
                        Some(words) => words,
                        None => self.number(&field)?,
                    });
                }
            }
        }
        Ok(out)
    }

    /// Patterns of words, which intervals have none of, but for halves of days and months in
    /// Roman numbers.
    fn words(&self, field: &Field<'_>) -> Result<Option<String>> {
        let name = field.name.as_str();
        let calendar = matches!(
            name,
            "A.D."
                | "AD"
                | "B.C."
                | "BC"
                | "MONTH"
                | "MON"
                | "DAY"
                | "DY"
                | "D"
                | "ID"
                | "TZ"
                | "TZH"
                | "TZM"
                | "OF"
        );
        if self.is_interval && calendar {
            let words = "invalid format specification for an interval value";
            return Err(Error::new(SqlState::INVALID_DATETIME_FORMAT, words)
                .with_hint("Intervals are not tied to specific calendar dates."));
        }
        let padded = |word: &str, width: usize| match field.fill {
            true => word.to_owned(),
            false => format!("{word:<width$}"),
        };
        let month = || MONTH_NAMES[(self.month - 1).clamp(0, 11) as usize];
        let afternoon = self.hour.rem_euclid(24) >= 12 && self.hour % 24 >= 12;
        let word = match name {
            "A.M." | "P.M." => field.cased(if afternoon { "P.M." } else { "A.M." }),
            "AM" | "PM" => field.cased(if afternoon { "PM" } else { "AM" }),
            "A.D." | "B.C." => field.cased(if self.year <= 0 { "B.C." } else { "A.D." }),
            "AD" | "BC" => field.cased(if self.year <= 0 { "BC" } else { "AD" }),
            "MONTH" => padded(&field.cased(month()), 9),
            "MON" => field.cased(&month()[..3]),
            "DAY" => padded(&field.cased(DAY_NAMES[self.weekday]), 9),
            "DY" => field.cased(&DAY_NAMES[self.weekday][..3]),
            "RM" => match self.roman_month() {
                Some(month) => padded(&field.cased(month), 4),
                None => String::new(),
            },
            "FX" => String::new(),
            _ => return Ok(None),
        };
        Ok(Some(word))
    }

    /// The month in Roman numbers; those of negative intervals are counted from December.
    fn roman_month(&self) -> Option<&'static str> {
        let place = match (self.month, self.year) {
            (0, 0) => return None,
            (0, year) if year >= 0 => 11,
            (0, _) => 0,
            (month, _) if month < 0 => 12 + month,
            (month, _) => month - 1,
        };
        ROMAN_MONTHS.get(place as usize).copied()
    }

    fn of_zone(&self, field: &Field<'_>) -> Option<String> {
        let (east, name) = &self.zone;
        let sign = if *east < 0 { '-' } else { '+' };
        let (hours, minutes) = (east.abs() / 3600, east.abs() % 3600 / 60);
        Some(match field.name.as_str() {
            "TZ" => field.cased(name.as_deref().unwrap_or_default()),
            "TZH" => format!("{sign}{hours:02}"),
            "TZM" => format!("{minutes:02}"),
            "OF" => {
                let width = if field.fill { 0 } else { 2 };
                let mut text = format!("{sign}{hours:0width$}");
                if minutes != 0 || east.abs() % 3600 != 0 {
                    let _written = write!(text, ":{minutes:02}");
                }
                text
            }
            _ => return None,
        })
    }

    fn number(&self, field: &Field<'_>) -> Result<String> {
        let name = field.name.as_str();
        // A number, and how many digits it has at least; one more with a sign.
        let (number, width) = match name {
            "HH" | "HH12" => match self.hour % 12 {
                0 => (12, 2),
                hour => (hour, 2),
            },
            "HH24" => (self.hour, 2),
            "MI" => (self.minute, 2),
            "SS" => (self.second, 2),
            "SSSS" | "SSSSS" => (self.hour * 3600 + self.minute * 60 + self.second, 0),
            "MM" => (i64::from(self.month), 2),
            "DDD" => (self.day_of_year, 3),
            "IDDD" => (weeks::day(self.year, self.month, self.day), 3),
            "DD" => (i64::from(self.day), 2),
            "D" => (self.weekday as i64 + 1, 0),
            "ID" => (
                if self.weekday == 0 {
                    7
                } else {
                    self.weekday as i64
                },
                0,
            ),
            "WW" => ((self.day_of_year - 1) / 7 + 1, 2),
            "IW" => (weeks::week(self.year, self.month, self.day), 2),
            "W" => ((i64::from(self.day) - 1) / 7 + 1, 0),
            "Q" if self.month == 0 => return Ok(String::new()),
            "Q" => ((i64::from(self.month) - 1) / 3 + 1, 0),
            "CC" => (self.century(), 2),
            "J" => (weeks::julian(self.year, self.month, self.day), 0),
            "MS" | "FF3" => return self.fraction(field, 3),
            "US" | "FF6" => return self.fraction(field, 6),
            "FF1" => return self.fraction(field, 1),
            "FF2" => return self.fraction(field, 2),
            "FF4" => return self.fraction(field, 4),
            "FF5" => return self.fraction(field, 5),
            _ => return self.of_year(field),
        };
        // The sign takes a place of its own, but not of a day, a week or a day of the year.
        let signed = number < 0 && !matches!(name, "DD" | "DDD" | "IDDD" | "WW" | "IW");
        let width = match field.fill {
            true => 0,
            false => width + usize::from(signed),
        };
        with_ordinal(format!("{number:0width$}"), field)
    }

    fn century(&self) -> i64 {
        let year = i64::from(self.year);
        match year {
            year if self.is_interval => year / 100,
            1.. => (year - 1) / 100 + 1,
            _ => year / 100 - 1,
        }
    }

    fn fraction(&self, field: &Field<'_>, digits: usize) -> Result<String> {
        let number = self.micros / 10_i64.pow(6 - digits as u32);
        with_ordinal(format!("{number:0digits$}"), field)
    }

    /// A year before Christ is shown by its number.
    fn adjusted(&self, year: i32) -> i64 {
        match i64::from(year) {
            year if self.is_interval || year > 0 => year,
            year => 1 - year,
        }
    }

    fn of_year(&self, field: &Field<'_>) -> Result<String> {
        let name = field.name.as_str();
        let own = self.adjusted(self.year);
        if name == "Y,YYY" {
            let thousands = own / 1000;
            let text = format!("{thousands},{:03}", own - thousands * 1000);
            return with_ordinal(text, field);
        }
        let year = match name.starts_with('I') {
            true => self.adjusted(weeks::year(self.year, self.month, self.day)),
            false => own,
        };
        let digits = name.len();
        let number = match digits {
            4 => year,
            3 => year % 1000,
            2 => year % 100,
            _ => year % 10,
        };
        let width = match (field.fill, digits) {
            (true, _) | (_, 1) => 0,
            (false, digits) => digits + usize::from(own < 0),
        };
        with_ordinal(format!("{number:0width$}"), field)
    }
}

fn with_ordinal(mut text: String, field: &Field<'_>) -> Result<String> {
    if let Some(case) = field.ordinal {
        let suffix = ordinal(&text, case)?;
        text.push_str(suffix);
    }
    Ok(text)
}
