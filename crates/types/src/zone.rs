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

/// The greatest hour of a POSIX offset, as PostgreSQL takes it: a week less one hour.
const POSIX_HOURS_MAX: i32 = 167;
/// How many changes of the clocks are looked at for an abbreviation.
const TRANSITIONS_MAX: usize = 400;
/// When clocks are turned where POSIX rules name a summer time and do not say so.
const POSIX_RULE: &str = ",M3.2.0,M11.1.0";

/// A time zone: a name of the IANA database, POSIX rules, or a fixed offset.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    rules: Rules,
}

#[derive(Clone, Debug)]
enum Rules {
    /// Seconds east of UTC at all times, and the abbreviation that is shown.
    Fixed(i32, String),
    /// Changing.
    Named(TimeZone),
    /// POSIX rules, with the names of standard time and of summer time.
    Posix(TimeZone, [String; 2]),
    /// An abbreviation that was used in a place at times.
    Abbreviated(TimeZone, String),
}

impl Zone {
    /// UTC.
    pub fn utc() -> Zone {
        Zone {
            name: "UTC".to_owned(),
            rules: Rules::Fixed(0, "UTC".to_owned()),
        }
    }

    /// The zone of this name in any case, or with these POSIX rules; an error if it is neither.
    pub fn named(name: &str) -> Result<Zone> {
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Zone::utc());
        }
        if let Ok(rules) = TimeZone::get(name) {
            let name = rules.iana_name().unwrap_or(name).to_owned();
            let rules = Rules::Named(rules);
            return Ok(Zone { name, rules });
        }
        let rules = posix(name).ok_or_else(|| {
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
        if seconds_east.unsigned_abs() > POSIX_HOURS_MAX as u32 * 3600 {
            let words = "time zone displacement out of range";
            return Err(Error::new(SqlState::INVALID_TIME_ZONE_DISPLACEMENT, words));
        }
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
        let abbreviation = format!("{sign}{hours:02}{minutes}");
        Ok(Zone {
            name: format!("<{abbreviation}>{turned}{hours:02}{minutes}"),
            rules: Rules::Fixed(seconds_east, abbreviation),
        })
    }

    /// So many seconds east of UTC at all times, however many.
    pub(crate) fn displaced(seconds_east: i32) -> Zone {
        Zone {
            name: String::new(),
            rules: Rules::Fixed(seconds_east, String::new()),
        }
    }

    /// What an abbreviation stands for that was used in this place: its offset when it was used
    /// last or is used next; or the place's own offset, if it never was.
    pub(crate) fn abbreviated(self, abbreviation: String) -> Zone {
        let rules = match self.rules {
            Rules::Named(zone) => Rules::Abbreviated(zone, abbreviation),
            other => other,
        };
        Zone {
            name: self.name,
            rules,
        }
    }

    /// The name, as `SHOW TimeZone` prints it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Seconds east of UTC, if they are the same at all times.
    pub fn fixed_offset(&self) -> Option<i32> {
        match &self.rules {
            Rules::Fixed(offset, _) => Some(*offset),
            Rules::Named(rules) => rules.to_fixed_offset().ok().map(Offset::seconds),
            Rules::Posix(..) | Rules::Abbreviated(..) => None,
        }
    }

    /// Seconds east of UTC at an instant (microseconds since 2000 in UTC).
    pub fn offset_at(&self, instant: i64) -> i32 {
        match &self.rules {
            Rules::Fixed(offset, _) => *offset,
            Rules::Named(rules) | Rules::Posix(rules, _) => {
                instant_of(instant).map_or(0, |time| rules.to_offset(time).seconds())
            }
            Rules::Abbreviated(rules, abbreviation) => instant_of(instant).map_or(0, |time| {
                used_near(rules, abbreviation, time)
                    .unwrap_or_else(|| rules.to_offset(time))
                    .seconds()
            }),
        }
    }

    /// The same, with the abbreviation that is in use then.
    pub fn offset_and_abbreviation_at(&self, instant: i64) -> (i32, String) {
        match &self.rules {
            Rules::Fixed(offset, abbreviation) => (*offset, abbreviation.clone()),
            Rules::Named(rules) | Rules::Posix(rules, _) | Rules::Abbreviated(rules, _) => {
                let Some(time) = instant_of(instant) else {
                    return (0, "UTC".to_owned());
                };
                let info = rules.to_offset_info(time);
                let name = match &self.rules {
                    Rules::Posix(_, names) => &names[usize::from(info.dst().is_dst())],
                    _ => info.abbreviation(),
                };
                (info.offset().seconds(), name.to_owned())
            }
        }
    }

    /// Seconds east of UTC at a local time (microseconds since 2000 on the zone's clocks).
    ///
    /// A time that the clocks skipped is taken as if they had not yet been turned; one that they
    /// showed twice, as its second occurrence.
    pub fn offset_at_local(&self, local: i64) -> i32 {
        let rules = match &self.rules {
            Rules::Fixed(offset, _) => return *offset,
            Rules::Named(rules) | Rules::Posix(rules, _) | Rules::Abbreviated(rules, _) => rules,
        };
        let Some(time) = local_of(local) else {
            return 0;
        };
        let own = own_offset(rules, time);
        match &self.rules {
            Rules::Abbreviated(..) => self.offset_at(local - i64::from(own) * MICROS_PER_SECOND),
            _ => own,
        }
    }
}

/// The offset of a place at a time on its clocks.
fn own_offset(rules: &TimeZone, time: DateTime) -> i32 {
    match rules.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.seconds(),
        AmbiguousOffset::Gap { before, .. } => before.seconds(),
        AmbiguousOffset::Fold { after, .. } => after.seconds(),
    }
}

/// The offset that an abbreviation stood for when it was used last, or else is used next.
fn used_near(rules: &TimeZone, abbreviation: &str, time: Timestamp) -> Option<Offset> {
    let now = rules.to_offset_info(time);
    if now.abbreviation() == abbreviation {
        return Some(now.offset());
    }
    let mut before = rules.preceding(time);
    let mut after = rules.following(time).take(TRANSITIONS_MAX);
    let found = before
        .find(|change| change.abbreviation() == abbreviation)
        .or_else(|| after.find(|change| change.abbreviation() == abbreviation))?;
    Some(found.offset())
}

/// POSIX rules: `EST5`, `EST5EDT`, `<+03>-3`, `EST5EDT4,M3.2.0,M11.1.0`. A name may be anything
/// without digits, signs and commas, nothing too.
fn posix(text: &str) -> Option<Rules> {
    let (standard, rest) = posix_name(text)?;
    let (west, rest) = posix_offset(rest)?;
    if rest.is_empty() {
        return Some(Rules::Fixed(-west, standard.to_owned()));
    }
    let (summer_name, rest) = posix_name(rest)?;
    let (summer, rule) = posix_offset(rest).unwrap_or((west - 3600, rest));
    let rule = if rule.is_empty() { POSIX_RULE } else { rule };
    let offset = |west: i32| {
        let (sign, seconds) = (if west < 0 { "-" } else { "" }, west.abs());
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        format!("{sign}{}:{:02}:{seconds:02}", minutes / 60, minutes % 60)
    };
    // The library wants names of letters; they are not shown where the offset is.
    let plain = format!("STD{}DST{}{rule}", offset(west), offset(summer));
    let names = [standard.to_owned(), summer_name.to_owned()];
    let zone = TimeZone::posix(&plain).ok()?;
    Some(Rules::Posix(zone, names))
}

/// A name, perhaps in `<>`, and what follows it.
fn posix_name(text: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('<') {
        return quoted.split_once('>');
    }
    let stops = |letter: char| letter.is_ascii_digit() || matches!(letter, ',' | '-' | '+');
    Some(text.split_at(text.find(stops).unwrap_or(text.len())))
}

/// `[+-]hh[:mm[:ss]]` as seconds, and what follows it.
fn posix_offset(text: &str) -> Option<(i32, &str)> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (hours, mut rest) = posix_number(unsigned, POSIX_HOURS_MAX)?;
    let mut seconds = hours * 3600;
    for (unit, greatest) in [(60, 59), (1, 60)] {
        let Some(after) = rest.strip_prefix(':') else {
            break;
        };
        let (number, after) = posix_number(after, greatest)?;
        seconds += number * unit;
        rest = after;
    }
    Some((
        if text.starts_with('-') {
            -seconds
        } else {
            seconds
        },
        rest,
    ))
}

fn posix_number(text: &str, greatest: i32) -> Option<(i32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: i32 = text[..digits].parse().ok()?;
    (number <= greatest).then_some((number, &text[digits..]))
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
        assert_eq!(Zone::named("x167").unwrap().offset_at(0), -167 * 3600);
        assert_eq!(Zone::named("-8").unwrap().offset_at(0), 8 * 3600);
        let summer = Zone::named("ab8cd").unwrap();
        assert_eq!(summer.offset_at(0), -8 * 3600);
        assert_eq!(summer.offset_at(180 * DAY), -7 * 3600);
        assert!(Zone::named("x168").is_err());
        assert!(Zone::named("").is_err());
        let error = Zone::named("Nowhere/Land").unwrap_err();
        assert_eq!(error.message(), "time zone \"Nowhere/Land\" not recognized");
    }
}
