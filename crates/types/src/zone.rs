//! Time zones: how far local time is from UTC, and when.
//!
//! The rules are the IANA database's, compiled in, so that the same build answers the same
//! everywhere. They repeat every 400 years, as the calendar does; the library stops at the year
//! 9999, so later times are asked for in an earlier cycle.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use crate::error::{Error, Result, SqlState};
use crate::interval::MICROS_PER_SECOND;

/// Seconds from 1970, where the library counts from, to 2000, where SQL does.
const EPOCH_SECONDS: i64 = 946_684_800;
/// Seconds of the 400 years after which the calendar repeats.
const CYCLE_SECONDS: i64 = 146_097 * 86_400;
/// The first second of the year 9600 (since 2000), from which on times are moved back.
const LATE_SECONDS: i64 = 19 * CYCLE_SECONDS;

/// A time zone: a name of the IANA database, POSIX rules, or a fixed offset.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    /// UTC.
    pub fn utc() -> Zone {
        Zone {
            name: "UTC".to_owned(),
            rules: TimeZone::UTC,
        }
    }

    /// The zone of this name in any case, or with these POSIX rules; an error if it is neither.
    pub fn named(name: &str) -> Result<Zone> {
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Zone::utc());
        }
        if let Ok(rules) = TimeZone::get(name) {
            let name = rules.iana_name().unwrap_or(name).to_owned();
            return Ok(Zone { name, rules });
        }
        let rules = TimeZone::posix(name).map_err(|_| {
            let words = format!("time zone \"{name}\" not recognized");
            Error::new(SqlState::INVALID_PARAMETER_VALUE, words)
        })?;
        Ok(Zone {
            name: name.to_owned(),
            rules,
        })
    }

    /// So many seconds east of UTC at all times, named as `SET TIME ZONE -8` names it.
    pub fn fixed(seconds_east: i32) -> Result<Zone> {
        let offset = Offset::from_seconds(seconds_east).map_err(|_| {
            let words = "time zone displacement out of range";
            Error::new(SqlState::INVALID_TIME_ZONE_DISPLACEMENT, words)
        })?;
        let (hours, minutes) = (seconds_east.abs() / 3600, seconds_east.abs() / 60 % 60);
        let minutes = if minutes > 0 {
            format!(":{minutes:02}")
        } else {
            String::new()
        };
        let (sign, turned) = if seconds_east < 0 {
            ('-', '+')
        } else {
            ('+', '-')
        };
        let name = format!("<{sign}{hours:02}{minutes}>{turned}{hours:02}{minutes}");
        Ok(Zone {
            name,
            rules: offset.to_time_zone(),
        })
    }

    /// The name, as `SHOW TimeZone` prints it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Seconds east of UTC at an instant (microseconds since 2000 in UTC).
    pub fn offset_at(&self, instant: i64) -> i32 {
        if self.rules == TimeZone::UTC {
            return 0;
        }
        let Some(time) = instant_of(instant) else {
            return 0;
        };
        self.rules.to_offset(time).seconds()
    }

    /// The same, with the abbreviation that is in use then.
    pub fn offset_and_abbreviation_at(&self, instant: i64) -> (i32, String) {
        let Some(time) = instant_of(instant) else {
            return (0, "UTC".to_owned());
        };
        let info = self.rules.to_offset_info(time);
        (info.offset().seconds(), info.abbreviation().to_owned())
    }

    /// Seconds east of UTC at a local time (microseconds since 2000 on the zone's clocks).
    ///
    /// A time that the clocks skipped is taken as if they had not yet been turned; one that they
    /// showed twice, as its second occurrence.
    pub fn offset_at_local(&self, local: i64) -> i32 {
        if self.rules == TimeZone::UTC {
            return 0;
        }
        let Some(time) = local_of(local) else {
            return 0;
        };
        match self.rules.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.seconds(),
            AmbiguousOffset::Gap { before, .. } => before.seconds(),
            AmbiguousOffset::Fold { after, .. } => after.seconds(),
        }
    }
}

fn instant_of(instant: i64) -> Option<Timestamp> {
    let seconds = within_range(instant.div_euclid(MICROS_PER_SECOND));
    Timestamp::from_second(seconds + EPOCH_SECONDS).ok()
}

fn local_of(local: i64) -> Option<DateTime> {
    let time = instant_of(local)?;
    Some(Offset::UTC.to_datetime(time))
}

/// The same place in a cycle that the library knows.
fn within_range(seconds: i64) -> i64 {
    if seconds < LATE_SECONDS {
        return seconds;
    }
    (seconds - LATE_SECONDS) % CYCLE_SECONDS + LATE_SECONDS - CYCLE_SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600 * MICROS_PER_SECOND;
    const DAY: i64 = 24 * HOUR;

    #[test]
    fn summer_is_an_hour_later() {
        let berlin = Zone::named("europe/berlin").unwrap();
        assert_eq!(berlin.name(), "Europe/Berlin");
        assert_eq!(berlin.offset_at(0), 3600);
        assert_eq!(
            berlin.offset_and_abbreviation_at(180 * DAY),
            (7200, "CEST".to_owned())
        );
        // In the year 200000 as in 2000.
        let far = (198_000 / 400) * CYCLE_SECONDS * MICROS_PER_SECOND;
        assert_eq!(berlin.offset_at(far), 3600);
        assert_eq!(berlin.offset_at(far + 180 * DAY), 7200);
    }

    #[test]
    fn skipped_and_repeated_times_are_standard_time() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        // 2000-03-26 and 2000-10-29, 02:30.
        assert_eq!(berlin.offset_at_local(85 * DAY + 2 * HOUR + HOUR / 2), 3600);
        assert_eq!(
            berlin.offset_at_local(302 * DAY + 2 * HOUR + HOUR / 2),
            3600
        );
    }

    #[test]
    fn offsets_and_rules_are_zones_too() {
        assert_eq!(Zone::fixed(-8 * 3600).unwrap().name(), "<-08>+08");
        assert_eq!(Zone::fixed(19_800).unwrap().offset_at(0), 19_800);
        assert_eq!(Zone::named("XYZ+3").unwrap().offset_at(0), -3 * 3600);
        let error = Zone::named("Nowhere/Land").unwrap_err();
        assert_eq!(error.message(), "time zone \"Nowhere/Land\" not recognized");
    }
}
