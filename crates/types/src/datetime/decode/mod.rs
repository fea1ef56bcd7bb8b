//! Fields to a date and a time.
//!
//! Each field is read by what is known so far: the first number of a date is a year if it has
//! three digits, else what `DateStyle` says. `found` collects what is known, and a field that says
//! again what is known is an error.

mod numbers;

pub(super) use numbers::{clock, zone_offset};

use super::calendar::{self, Civil};
use super::fields::{Fault, Field, Kind, small_integer};
use super::words::{self, Prefix, Word};
use crate::interval::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use crate::settings::Settings;
use crate::zone::Zone;

/// What is known, as bits.
pub(super) mod known {
    pub(crate) const YEAR: u32 = 1;
    pub(crate) const MONTH: u32 = 1 << 1;
    pub(crate) const DAY: u32 = 1 << 2;
    pub(crate) const HOUR: u32 = 1 << 3;
    pub(crate) const MINUTE: u32 = 1 << 4;
    pub(crate) const SECOND: u32 = 1 << 5;
    pub(crate) const FRACTION: u32 = 1 << 6;
    pub(crate) const ZONE: u32 = 1 << 7;
    pub(crate) const DAYLIGHT: u32 = 1 << 8;
    pub(crate) const DAY_OF_YEAR: u32 = 1 << 9;
    pub(crate) const WEEKDAY: u32 = 1 << 10;
    pub(crate) const HALF: u32 = 1 << 11;
    pub(crate) const ERA: u32 = 1 << 12;
    pub(crate) const DATE: u32 = YEAR | MONTH | DAY;
    pub(crate) const TIME: u32 = HOUR | MINUTE | SECOND | FRACTION;
}

/// What text of a date or time says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Decoded {
    /// A date, a time, and seconds east of UTC.
    Moment {
        civil: Civil,
        offset: i32,
    },
    Epoch,
    Infinity,
    NegativeInfinity,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Am,
    Pm,
}

enum ZoneSpec {
    Offset(i32),
    Named(Zone),
}

/// The state of reading; numbers as they stand, before they are checked together.
pub(super) struct Decoder<'a> {
    settings: &'a Settings,
    pub(super) fields: &'a [Field],
    pub(super) found: u32,
    pub(super) year: i32,
    pub(super) month: i32,
    pub(super) day: i32,
    day_of_year: i32,
    pub(super) hour: i64,
    pub(super) minute: i32,
    pub(super) second: i32,
    pub(super) micros: i64,
    zone: Option<ZoneSpec>,
    daylight: i32,
    prefix: Option<Prefix>,
    text_month: bool,
    julian: bool,
    short_year: bool,
    bc: bool,
    half: Option<Half>,
    special: Option<Decoded>,
    pub(super) time_only: bool,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(fields: &'a [Field], settings: &'a Settings, time_only: bool) -> Decoder<'a> {
        Decoder {
            settings,
            fields,
            found: 0,
            year: 0,
            month: 0,
            day: 0,
            day_of_year: 0,
            hour: 0,
            minute: 0,
            second: 0,
            micros: 0,
            zone: None,
            daylight: 0,
            prefix: None,
            text_month: false,
            julian: false,
            short_year: false,
            bc: false,
            half: None,
            special: None,
            time_only,
        }
    }

    /// Reads all fields.
    pub(super) fn decode(mut self) -> Result<Decoded, Fault> {
        for index in 0..self.fields.len() {
            let field = &self.fields[index];
            let new = match field.kind {
                Kind::Date => self.date_field(index, &field.text)?,
                Kind::Time => self.time_field(&field.text)?,
                Kind::Zone => self.zone_field(&field.text)?,
                Kind::Number => self.number_field(index, &field.text)?,
                Kind::Word | Kind::Special => self.word_field(index, &field.text)?,
            };
            if new & self.found != 0 {
                return Err(Fault::BadFormat);
            }
            self.found |= new;
        }
        if self.prefix.is_some() {
            return Err(Fault::BadFormat);
        }
        if let Some(special) = self.special {
            let sole = !self.time_only;
            return if sole {
                Ok(special)
            } else {
                Err(Fault::BadFormat)
            };
        }
        self.finish()
    }

    fn date_field(&mut self, index: usize, text: &str) -> Result<u32, Fault> {
        if self.prefix == Some(Prefix::Julian) {
            self.prefix = None;
            let (days, rest) = small_integer(text)?;
            self.set_julian(days)?;
            self.zone = Some(ZoneSpec::Offset(zone_offset(rest)?));
            return Ok(known::DATE | known::TIME | known::ZONE);
        }
        let has_day = self.found & (known::MONTH | known::DAY) == known::MONTH | known::DAY;
        let not_date = if self.time_only {
            !self.date_may_begin_time(index)
        } else {
            has_day
        };
        if self.prefix.is_none() && !not_date {
            return self.date(text);
        }
        let digits = text.starts_with(|letter: char| letter.is_ascii_digit());
        if !digits && self.prefix.is_none() {
            let zone = Zone::named(text).map_err(|_| Fault::BadZone(text.to_owned()))?;
            self.zone = Some(ZoneSpec::Named(zone));
            return Ok(known::ZONE);
        }
        // A time run together, and its zone: `040506-08`.
        match self.prefix.take() {
            None | Some(Prefix::Time) => {}
            Some(_) => return Err(Fault::BadFormat),
        }
        if self.found & known::TIME == known::TIME {
            return Err(Fault::BadFormat);
        }
        let (time, _) = text.split_once('-').ok_or(Fault::BadFormat)?;
        self.zone = Some(ZoneSpec::Offset(zone_offset(&text[time.len()..])?));
        let date = if self.time_only { known::DATE } else { 0 };
        Ok(self.run_together(time, self.found | date)? | known::ZONE)
    }

    /// In a `time`, whether the first field is a date that may be skipped.
    fn date_may_begin_time(&self, index: usize) -> bool {
        let time_follows = self.fields.get(1).map(|field| field.kind) == Some(Kind::Time);
        index == 0 && (time_follows || self.ends_in_date())
    }

    /// Whether there are two fields or more, and the last looks like a date.
    fn ends_in_date(&self) -> bool {
        matches!(self.fields, [_, .., last] if last.kind == Kind::Date)
    }

    fn time_field(&mut self, text: &str) -> Result<u32, Fault> {
        match self.prefix.take() {
            None | Some(Prefix::Time) => {}
            Some(_) => return Err(Fault::BadFormat),
        }
        let time = clock(text, false)?;
        self.set_time(time.0, time.1, time.2, time.3);
        // In a `time` the zone after it is looked at first.
        if !self.time_only && self.time_overflows() {
            return Err(Fault::FieldOverflow);
        }
        Ok(known::TIME)
    }

    fn zone_field(&mut self, text: &str) -> Result<u32, Fault> {
        self.zone = Some(ZoneSpec::Offset(zone_offset(text)?));
        Ok(known::ZONE)
    }

    fn number_field(&mut self, index: usize, text: &str) -> Result<u32, Fault> {
        if let Some(prefix) = self.prefix.take() {
            return self.prefixed(prefix, text);
        }
        let point = text.find('.');
        if self.time_only {
            return match point {
                Some(_) if index == 0 && self.ends_in_date() => self.date(text),
                Some(point) if point > 2 => self.run_together(text, self.found | known::DATE),
                Some(_) => Err(Fault::BadFormat),
                None if text.len() > 4 => self.run_together(text, self.found | known::DATE),
                None => self.number(text, self.found | known::DATE),
            };
        }
        let has = |part: u32| self.found & part != 0;
        match point {
            Some(_) if !has(known::DATE) => self.date(text),
            Some(point) if point > 2 => self.run_together(text, self.found),
            _ if text.len() >= 6 && (!has(known::DATE) || !has(known::TIME)) => {
                self.run_together(text, self.found)
            }
            _ => self.number(text, self.found),
        }
    }

    fn word_field(&mut self, index: usize, text: &str) -> Result<u32, Fault> {
        if let Some(zone) = words::zone_abbreviation(text) {
            self.zone = Some(match zone.fixed_offset() {
                Some(offset) => ZoneSpec::Offset(offset),
                None => ZoneSpec::Named(zone),
            });
            return Ok(known::ZONE);
        }
        let Some(word) = words::word(text) else {
            let zone = Zone::named(text).map_err(|_| Fault::BadFormat)?;
            self.zone = Some(ZoneSpec::Named(zone));
            return Ok(known::ZONE);
        };
        Ok(match word {
            Word::Ignored => 0,
            Word::Now => self.set_now(),
            Word::Yesterday => self.set_today(-1),
            Word::Today => self.set_today(0),
            Word::Tomorrow => self.set_today(1),
            Word::Allballs => {
                self.set_time(0, 0, 0, 0);
                self.zone = Some(ZoneSpec::Offset(0));
                known::TIME | known::ZONE
            }
            Word::Epoch => self.set_special(Decoded::Epoch),
            Word::Infinity => self.set_special(Decoded::Infinity),
            Word::NegativeInfinity => self.set_special(Decoded::NegativeInfinity),
            Word::Month(month) => self.set_month(month),
            Word::Weekday => known::WEEKDAY,
            Word::Am | Word::Pm => {
                self.half = Some(if word == Word::Am { Half::Am } else { Half::Pm });
                known::HALF
            }
            Word::Ad | Word::Bc => {
                self.bc = word == Word::Bc;
                known::ERA
            }
            Word::DaylightSaving => {
                self.daylight = 3600;
                known::DAYLIGHT
            }
            Word::Prefix(prefix) => {
                if self.prefix.replace(prefix).is_some() {
                    return Err(Fault::BadFormat);
                }
                0
            }
            Word::IsoTime => {
                let next = self.fields.get(index + 1).map(|field| field.kind);
                let time = matches!(next, Some(Kind::Number | Kind::Time | Kind::Date));
                let dated = self.time_only || self.found & known::DATE == known::DATE;
                if !dated || !time {
                    return Err(Fault::BadFormat);
                }
                self.prefix = Some(Prefix::Time);
                0
            }
        })
    }

    /// A month by its name; a number that was taken for one becomes the day.
    fn set_month(&mut self, month: i32) -> u32 {
        let mut new = known::MONTH;
        if self.found & known::MONTH != 0
            && !self.text_month
            && self.found & known::DAY == 0
            && (1..=31).contains(&self.month)
        {
            self.day = self.month;
            new = known::DAY;
        }
        self.text_month = true;
        self.month = month;
        new
    }

    fn set_now(&mut self) -> u32 {
        let offset = self.settings.zone.offset_at(self.settings.now.get());
        let local = self.settings.now.get() + i64::from(offset) * MICROS_PER_SECOND;
        self.set_civil(calendar::civil_from_micros(local));
        self.zone = Some(ZoneSpec::Offset(offset));
        known::DATE | known::TIME | known::ZONE
    }

    fn set_today(&mut self, shift: i64) -> u32 {
        let offset = self.settings.zone.offset_at(self.settings.now.get());
        let local = self.settings.now.get() + i64::from(offset) * MICROS_PER_SECOND;
        let days = local.div_euclid(MICROS_PER_DAY) + shift;
        (self.year, self.month, self.day) = calendar::civil_from_days(days);
        self.julian = true;
        known::DATE
    }

    fn set_special(&mut self, special: Decoded) -> u32 {
        self.special = Some(special);
        known::DATE | known::TIME | known::ZONE
    }

    fn set_civil(&mut self, civil: Civil) {
        (self.year, self.month, self.day) = (civil.year, civil.month, civil.day);
        let (hour, minute, second, micros) = calendar::split_time(civil.micros);
        self.set_time(hour, minute as i32, second as i32, micros);
        self.julian = true;
    }

    fn set_julian(&mut self, days: i32) -> Result<(), Fault> {
        if days < 0 {
            return Err(Fault::FieldOverflow);
        }
        let since = i64::from(days) - calendar::EPOCH_JULIAN;
        (self.year, self.month, self.day) = calendar::civil_from_days(since);
        self.julian = true;
        Ok(())
    }

    pub(super) fn set_time(&mut self, hour: i64, minute: i32, second: i32, micros: i64) {
        (self.hour, self.minute, self.second, self.micros) = (hour, minute, second, micros);
    }

    fn time_overflows(&self) -> bool {
        let in_range = (0..=24).contains(&self.hour)
            && (0..=59).contains(&self.minute)
            && (0..=60).contains(&self.second)
            && (0..=MICROS_PER_SECOND).contains(&self.micros);
        !in_range || self.time_of_day() > MICROS_PER_DAY
    }

    fn time_of_day(&self) -> i64 {
        self.hour * MICROS_PER_HOUR
            + i64::from(self.minute) * MICROS_PER_MINUTE
            + i64::from(self.second) * MICROS_PER_SECOND
            + self.micros
    }

    /// Checks the parts together, and resolves the zone.
    fn finish(mut self) -> Result<Decoded, Fault> {
        self.check_date()?;
        if let Some(half) = self.half {
            if self.hour > 12 {
                return Err(Fault::FieldOverflow);
            }
            match half {
                Half::Am if self.hour == 12 => self.hour = 0,
                Half::Pm if self.hour != 12 => self.hour += 12,
                Half::Am | Half::Pm => {}
            }
        }
        if self.time_only {
            if self.time_overflows() {
                return Err(Fault::FieldOverflow);
            }
            if self.found & known::TIME != known::TIME {
                return Err(Fault::BadFormat);
            }
        } else if self.found & known::DATE != known::DATE {
            return Err(Fault::BadFormat);
        }
        let civil = Civil {
            year: self.year,
            month: self.month,
            day: self.day,
            micros: self.time_of_day(),
        };
        let offset = match self.zone {
            Some(ZoneSpec::Offset(offset)) => offset + self.daylight,
            // With a daylight mark only an offset will do.
            _ if self.daylight != 0 => return Err(Fault::BadFormat),
            // So it is without a date, because the offset would depend on it.
            Some(ZoneSpec::Named(zone))
                if self.found & known::DATE != known::DATE && zone.fixed_offset().is_none() =>
            {
                return Err(Fault::BadFormat);
            }
            Some(ZoneSpec::Named(zone)) => zone.offset_at_local(local_micros(&civil)),
            None => self.settings.zone.offset_at_local(local_micros(&civil)),
        };
        Ok(Decoded::Moment { civil, offset })
    }

    fn check_date(&mut self) -> Result<(), Fault> {
        let found = self.found;
        if found & known::YEAR != 0 && !self.julian {
            let least = i32::from(!self.short_year || self.bc);
            if self.year < least {
                return Err(Fault::FieldOverflow);
            }
            self.year = match self.year {
                year if self.bc => 1 - year,
                year @ 0..70 if self.short_year => year + 2000,
                year @ 70..100 if self.short_year => year + 1900,
                year => year,
            };
        }
        if found & known::DAY_OF_YEAR != 0 {
            let days = calendar::days_from_civil(self.year, 1, self.day_of_year);
            (self.year, self.month, self.day) = calendar::civil_from_days(days);
        }
        if found & known::MONTH != 0 && !(1..=12).contains(&self.month) {
            return Err(Fault::MonthDayOverflow);
        }
        if found & known::DAY != 0 && !(1..=31).contains(&self.day) {
            return Err(Fault::MonthDayOverflow);
        }
        let whole = found & known::DATE == known::DATE;
        if whole && self.day > calendar::days_in_month(self.year, self.month) {
            return Err(Fault::FieldOverflow);
        }
        Ok(())
    }
}

/// Microseconds since 2000 on local clocks; what does not fit is cut off at the range's end.
pub(super) fn local_micros(civil: &Civil) -> i64 {
    let days = calendar::days_from_civil(civil.year, civil.month, civil.day);
    days.saturating_mul(MICROS_PER_DAY)
        .saturating_add(civil.micros)
}
