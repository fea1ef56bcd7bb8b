//! The numbers of a date or time: what each of them is.

use super::super::calendar;
use super::super::fields::{Fault, fraction, fraction_micros, integer, small_integer};
use super::super::words::{self, Prefix, Word};
use super::{Decoder, known};
use crate::interval::{MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::settings::DateOrder;

impl Decoder<'_> {
    /// A number whose meaning the word before it told.
    pub(super) fn prefixed(&mut self, prefix: Prefix, text: &str) -> Result<u32, Fault> {
        let (number, rest) = small_integer(text)?;
        let decimal = matches!(prefix, Prefix::Julian | Prefix::Time | Prefix::Second);
        let fits = rest.is_empty() || (decimal && rest.starts_with('.'));
        if !fits {
            return Err(Fault::BadFormat);
        }
        Ok(match prefix {
            Prefix::Year => {
                self.year = number;
                known::YEAR
            }
            Prefix::Month if self.found & known::MONTH != 0 && self.found & known::HOUR != 0 => {
                self.minute = number;
                known::MINUTE
            }
            Prefix::Month => {
                self.month = number;
                known::MONTH
            }
            Prefix::Day => {
                self.day = number;
                known::DAY
            }
            Prefix::Hour => {
                self.hour = i64::from(number);
                known::HOUR
            }
            Prefix::Minute => {
                self.minute = number;
                known::MINUTE
            }
            Prefix::Second => {
                self.second = number;
                if rest.is_empty() {
                    known::SECOND
                } else {
                    self.micros = fraction_micros(rest)?;
                    known::SECOND | known::FRACTION
                }
            }
            Prefix::Julian => {
                self.set_julian(number)?;
                if rest.is_empty() {
                    known::DATE
                } else {
                    let fraction = fraction(rest)?;
                    let micros = (fraction * MICROS_PER_DAY as f64) as i64;
                    let (hour, minute, second, micros) = calendar::split_time(micros);
                    self.set_time(hour, minute as i32, second as i32, micros);
                    known::DATE | known::TIME
                }
            }
            Prefix::Time => {
                let new = self.run_together(text, self.found | known::DATE)?;
                if new != known::TIME {
                    return Err(Fault::BadFormat);
                }
                new
            }
            Prefix::Other => return Err(Fault::BadFormat),
        })
    }

    /// A whole date in one field, with delimiters.
    pub(super) fn date(&mut self, text: &str) -> Result<u32, Fault> {
        let ends = text.ends_with(|letter: char| !letter.is_ascii_alphanumeric());
        if ends {
            return Err(Fault::BadFormat);
        }
        let parts = date_parts(text);
        let mut found = self.found;
        let mut new = 0;
        let is_text = |part: &str| part.starts_with(|letter: char| letter.is_ascii_alphabetic());
        for part in parts.iter().filter(|part| is_text(part)) {
            match words::word(part) {
                Some(Word::Ignored) => continue,
                Some(Word::Month(month)) if found & known::MONTH == 0 => self.month = month,
                _ => return Err(Fault::BadFormat),
            }
            self.text_month = true;
            found |= known::MONTH;
            new |= known::MONTH;
        }
        for part in parts.iter().filter(|part| !is_text(part)) {
            let more = self.number(part, found)?;
            if found & more != 0 {
                return Err(Fault::BadFormat);
            }
            found |= more;
            new |= more;
        }
        let complete = found & !(known::DAY_OF_YEAR | known::ZONE) == known::DATE;
        if complete {
            Ok(new)
        } else {
            Err(Fault::BadFormat)
        }
    }

    /// A number on its own: which part it is follows from the parts that are known.
    pub(super) fn number(&mut self, text: &str, found: u32) -> Result<u32, Fault> {
        use known::{DATE, DAY, DAY_OF_YEAR, MONTH, YEAR};
        let (number, rest) = small_integer(text)?;
        if rest.len() == text.len() {
            return Err(Fault::BadFormat);
        }
        if rest.starts_with('.') {
            if text.len() - rest.len() > 2 {
                return self.run_together(text, found | DATE);
            }
            self.micros = fraction_micros(rest)?;
        } else if !rest.is_empty() {
            return Err(Fault::BadFormat);
        }
        if text.len() == 3 && found & DATE == YEAR && (1..=366).contains(&number) {
            self.day_of_year = number;
            return Ok(DAY_OF_YEAR | MONTH | DAY);
        }
        let order = self.settings.date_order;
        let long = text.len() >= 3 || order == DateOrder::YearMonthDay;
        let part = match found & DATE {
            0 if long => YEAR,
            0 if order == DateOrder::DayMonthYear => DAY,
            0 | YEAR | DAY => MONTH,
            MONTH if self.text_month && long => YEAR,
            MONTH => DAY,
            both if both == YEAR | MONTH => {
                if self.text_month && text.len() >= 3 && self.short_year {
                    // The first number was the day after all.
                    self.day = std::mem::replace(&mut self.year, number);
                    self.short_year = false;
                    return Ok(DAY);
                }
                DAY
            }
            both if both == MONTH | DAY => YEAR,
            DATE => return self.run_together(text, found),
            _ => return Err(Fault::BadFormat),
        };
        match part {
            YEAR => {
                self.year = number;
                self.short_year = text.len() <= 2;
            }
            MONTH => self.month = number,
            _ => self.day = number,
        }
        Ok(part)
    }

    /// Digits without delimiters: `20011225`, `040506.789`, `0405`.
    pub(super) fn run_together(&mut self, text: &str, found: u32) -> Result<u32, Fault> {
        let (digits, fraction) = match text.find('.') {
            Some(point) => (&text[..point], Some(&text[point..])),
            None => (text, None),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::BadFormat);
        }
        let pair = |end: usize| digits[end - 2..end].parse().unwrap_or(0);
        if let Some(fraction) = fraction {
            self.micros = fraction_micros(fraction)?;
        } else if found & known::DATE != known::DATE && digits.len() >= 6 {
            self.day = pair(digits.len());
            self.month = pair(digits.len() - 2);
            self.year = small_integer(&digits[..digits.len() - 4])?.0;
            self.short_year |= digits.len() == 6;
            return Ok(known::DATE);
        }
        if found & known::TIME == known::TIME || !matches!(digits.len(), 4 | 6) {
            return Err(Fault::BadFormat);
        }
        self.second = if digits.len() == 6 { pair(6) } else { 0 };
        self.minute = pair(4);
        self.hour = i64::from(pair(2));
        Ok(known::TIME)
    }
}

/// The words and numbers of a date: what is neither letter nor digit stands between them.
fn date_parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for piece in text.split(|letter: char| !letter.is_ascii_alphanumeric()) {
        let mut rest = piece;
        while let Some(first) = rest.bytes().next() {
            let alike = |byte: u8| byte.is_ascii_digit() == first.is_ascii_digit();
            let end = rest.bytes().take_while(|byte| alike(*byte)).count();
            parts.push(&rest[..end]);
            // The letter after a run of the other kind is lost, as in PostgreSQL.
            rest = rest.get(end + 1..).unwrap_or("");
        }
    }
    parts
}

/// `hh:mm`, `hh:mm:ss`, `mm:ss.fff`; two fields are minutes and seconds if `seconds` says so.
pub(in crate::datetime) fn clock(text: &str, seconds: bool) -> Result<(i64, i32, i32, i64), Fault> {
    let (mut hour, rest) = integer(text)?;
    let rest = rest.strip_prefix(':').ok_or(Fault::BadFormat)?;
    let (mut minute, rest) = small_integer(rest)?;
    let (mut second, mut micros) = (0, 0);
    if let Some(rest) = rest.strip_prefix(':') {
        let rest = {
            let (number, rest) = small_integer(rest)?;
            second = number;
            rest
        };
        if !rest.is_empty() {
            micros = fraction_micros(rest)?;
        }
    } else if !rest.is_empty() || seconds {
        micros = if rest.is_empty() {
            0
        } else {
            fraction_micros(rest)?
        };
        second = minute;
        minute = i32::try_from(hour).map_err(|_| Fault::FieldOverflow)?;
        hour = 0;
    }
    let sound = hour >= 0
        && (0..=59).contains(&minute)
        && (0..=60).contains(&second)
        && (0..=MICROS_PER_SECOND).contains(&micros);
    if sound {
        Ok((hour, minute, second, micros))
    } else {
        Err(Fault::FieldOverflow)
    }
}

/// `+hh`, `+hhmm`, `+hh:mm`, `+hh:mm:ss`, as seconds east of UTC.
pub(in crate::datetime) fn zone_offset(text: &str) -> Result<i32, Fault> {
    if !text.starts_with(['+', '-']) {
        return Err(Fault::BadFormat);
    }
    let overflow = |_| Fault::ZoneOverflow;
    let (mut hours, mut rest) = small_integer(&text[1..]).map_err(overflow)?;
    let (mut minutes, mut seconds) = (0, 0);
    if let Some(after) = rest.strip_prefix(':') {
        (minutes, rest) = small_integer(after).map_err(overflow)?;
        if let Some(after) = rest.strip_prefix(':') {
            (seconds, rest) = small_integer(after).map_err(overflow)?;
        }
    } else if rest.is_empty() && text.len() > 3 {
        minutes = hours % 100;
        hours /= 100;
    }
    let sound =
        (0..=15).contains(&hours) && (0..60).contains(&minutes) && (0..60).contains(&seconds);
    if !sound {
        return Err(Fault::ZoneOverflow);
    }
    if !rest.is_empty() {
        return Err(Fault::BadFormat);
    }
    let offset = (hours * 60 + minutes) * 60 + seconds;
    Ok(if text.starts_with('-') {
        -offset
    } else {
        offset
    })
}
