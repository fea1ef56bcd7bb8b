//! The words for parts of a date, as `extract` and `date_trunc` take them.

use crate::error::{Error, SqlState};

/// A part of a date or time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Epoch,
    Julian,
    IsoYear,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Zone,
    ZoneHour,
    ZoneMinute,
}

/// How many bytes of a word count.
const WORD_BYTES: usize = 10;

impl Unit {
    /// What a word in lower case means, if anything.
    pub(super) fn of(word: &str) -> Option<Unit> {
        let mut end = word.len().min(WORD_BYTES);
        while !word.is_char_boundary(end) {
            end -= 1;
        }
        Some(match &word[..end] {
            "microsecon" | "us" | "usec" | "usecond" | "useconds" | "usecs" => Unit::Microseconds,
            "millisecon" | "ms" | "msec" | "msecond" | "mseconds" | "msecs" => Unit::Milliseconds,
            "s" | "sec" | "second" | "seconds" | "secs" => Unit::Second,
            "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
            "h" | "hour" | "hours" | "hr" | "hrs" => Unit::Hour,
            "d" | "day" | "days" => Unit::Day,
            "w" | "week" | "weeks" => Unit::Week,
            "mon" | "mons" | "month" | "months" => Unit::Month,
            "qtr" | "quarter" => Unit::Quarter,
            "y" | "year" | "years" | "yr" | "yrs" => Unit::Year,
            "dec" | "decade" | "decades" | "decs" => Unit::Decade,
            "c" | "cent" | "centuries" | "century" => Unit::Century,
            "mil" | "millennia" | "millennium" | "mils" => Unit::Millennium,
            "epoch" => Unit::Epoch,
            "j" | "jd" | "julian" => Unit::Julian,
            "isoyear" => Unit::IsoYear,
            "dow" => Unit::DayOfWeek,
            "isodow" => Unit::IsoDayOfWeek,
            "doy" => Unit::DayOfYear,
            "timezone" => Unit::Zone,
            "timezone_h" => Unit::ZoneHour,
            "timezone_m" => Unit::ZoneMinute,
            _ => return None,
        })
    }

    /// Whether times can be cut to it, or are refused for another reason than that the word is none.
    pub(super) fn is_length(self) -> bool {
        !matches!(
            self,
            Unit::Epoch
                | Unit::Julian
                | Unit::IsoYear
                | Unit::DayOfWeek
                | Unit::IsoDayOfWeek
                | Unit::DayOfYear
        )
    }

    pub(super) fn unknown(word: &str, type_name: &str) -> Error {
        Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("unit \"{word}\" not recognized for type {type_name}"),
        )
    }

    pub(super) fn unsupported(word: &str, type_name: &str) -> Error {
        Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("unit \"{word}\" not supported for type {type_name}"),
        )
    }
}

/// A word as names are folded: in lower case, and not longer than a name may be.
pub(super) fn folded(word: &str) -> String {
    crate::io::cut_name(&word.to_ascii_lowercase()).to_string()
}
