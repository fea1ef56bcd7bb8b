//! Text as times, by a template.

mod fields;

use super::date_out::ROMAN_MONTHS;
use super::{Calendar, Field, Node, in_range, is_separator, parse};
use crate::datetime::calendar::{DATE_END, DATE_MIN, days_from_civil};
use crate::datetime::{DAY_NAMES, MONTH_NAMES};
use crate::error::{Error, Result, SqlState};
use crate::interval::MICROS_PER_DAY;
use crate::zone::Zone;

/// The greatest hours of an offset.
const ZONE_HOURS_MAX: i32 = 15;

/// `to_date`: days since 2000.
pub(super) fn date(text: &str, template: &str) -> Result<i32> {
    let read = Moment::read(text, template)?;
    let days = days_from_civil(read.year, read.month, read.day);
    let known = i32::try_from(days)
        .ok()
        .filter(|days| (DATE_MIN..DATE_END).contains(days));
    known.ok_or_else(|| {
        let words = format!("date out of range: \"{text}\"");
        Error::new(SqlState::DATETIME_FIELD_OVERFLOW, words)
    })
}

/// `to_timestamp`: microseconds since 2000 in UTC.
pub(super) fn timestamptz(text: &str, template: &str, zone: &Zone) -> Result<i64> {
    let read = Moment::read(text, template)?;
    let days = days_from_civil(read.year, read.month, read.day);
    let east = match read.offset {
        Some(offset) => offset,
        None => {
            let local = days
                .saturating_mul(MICROS_PER_DAY)
                .saturating_add(read.micros);
            zone.offset_at_local(local)
        }
    };
    let time = in_range(days, read.micros, east)?;
    match read.digits {
        0 => Ok(time),
        digits => crate::datetime::round_micros(time, digits)
            .filter(|rounded| crate::datetime::in_range(*rounded))
            .ok_or_else(crate::datetime::timestamp_out_of_range),
    }
}

/// A time as the text has it.
struct Moment {
    year: i32,
    month: i32,
    day: i32,
    micros: i64,
    /// Seconds east of UTC.
    offset: Option<i32>,
    /// Digits after the second, if the template says how many.
    digits: u32,
}

impl Moment {
    fn read(text: &str, template: &str) -> Result<Moment> {
        let mut fields = Fields::default();
        Reader {
            text: text.as_bytes(),
            at: 0,
            exact: false,
            skipped: 0,
            fields: &mut fields,
        }
        .read(&parse(template)?)?;
        fields.moment(text)
    }
}

/// What the fields of a template were read as; 0 is nothing.
#[derive(Default)]
struct Fields {
    calendar: Option<Calendar>,
    hour: i32,
    afternoon: i32,
    minute: i32,
    second: i32,
    second_of_day: i32,
    weekday: i32,
    day: i32,
    day_of_year: i32,
    month: i32,
    millis: i32,
    year: i32,
    year_digits: i32,
    before_christ: i32,
    week: i32,
    week_of_month: i32,
    century: i32,
    julian: i32,
    micros: i32,
    fraction_digits: u32,
    twelve_hours: bool,
    zone_sign: i32,
    zone_hours: i32,
    zone_minutes: i32,
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// `FX`: nothing is skipped.
    exact: bool,
    /// Blanks and separators that were skipped beyond those of the template.
    skipped: i32,
    fields: &'a mut Fields,
}

impl Reader<'_> {
    fn read(&mut self, nodes: &[Node<'_>]) -> Result<()> {
        for (index, node) in nodes.iter().enumerate() {
            if self.at >= self.text.len() {
                break;
            }
            let is_fx = matches!(node, Node::Field(field) if field.name == "FX");
            let is_field = matches!(node, Node::Field(_));
            if !self.exact && !is_fx && (is_field || index == 0) {
                self.skip_blanks();
            }
            match node {
                Node::Space(_) | Node::Separator(_) => self.separator(),
                Node::Letter(_) => self.letter(),
                Node::Field(field) => {
                    let next = nodes.get(index + 1);
                    self.field(field, ends_digits(field, next))?;
                    if !self.exact {
                        self.skipped = 0;
                        self.skip_blanks();
                    }
                }
            }
        }
        Ok(())
    }

    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn skip_blanks(&mut self) {
        while is_blank(self.peek()) {
            self.at += 1;
            self.skipped += 1;
        }
    }

    /// Goes on by a letter.
    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.text.len());
        while self.at < self.text.len() && self.text[self.at] & 0xc0 == 0x80 {
            self.at += 1;
        }
    }

    /// A blank or separator of the template takes one of the text, if there is one.
    fn separator(&mut self) {
        if self.exact {
            return self.advance();
        }
        self.skipped -= 1;
        if is_blank(self.peek()) || is_separator(char::from(self.peek())) {
            self.at += 1;
            self.skipped += 1;
        }
    }

    /// A letter of the template takes any letter, unless blanks were skipped already.
    fn letter(&mut self) {
        if !self.exact && self.skipped > 0 {
            self.skipped -= 1;
        } else {
            self.advance();
        }
    }

    fn field(&mut self, field: &Field<'_>, ends: bool) -> Result<()> {
        if field.calendar != Calendar::Any {
            match self.fields.calendar {
                None => self.fields.calendar = Some(field.calendar),
                Some(calendar) if calendar == field.calendar => (),
                Some(_) => {
                    let words = "invalid combination of date conventions";
                    let hint = "Do not mix Gregorian and ISO week date conventions in a \
                                formatting template.";
                    return Err(invalid(words).with_hint(hint));
                }
            }
        }
        match self.word(field)? {
            true => Ok(()),
            false => self.number(field, ends),
        }
    }

    /// Fields of words; whether this is one.
    fn word(&mut self, field: &Field<'_>) -> Result<bool> {
        match field.name.as_str() {
            "FX" => self.exact = true,
            "A.M." | "P.M." | "AM" | "PM" => {
                let long = field.name.len() == 4;
                let words = if long { ["A.M.", "P.M."] } else { ["AM", "PM"] };
                let half = self.one_of(&words, field)?;
                set(&mut self.fields.afternoon, half, field)?;
                self.fields.twelve_hours = true;
            }
            "A.D." | "B.C." | "AD" | "BC" => {
                let long = field.name.len() == 4;
                let words = if long { ["A.D.", "B.C."] } else { ["AD", "BC"] };
                let era = self.one_of(&words, field)?;
                set(&mut self.fields.before_christ, era, field)?;
            }
            "MONTH" => {
                let month = self.one_of(&MONTH_NAMES, field)? + 1;
                set(&mut self.fields.month, month, field)?;
            }
            "MON" => {
                let month = self.one_of(&MONTH_NAMES.map(|name| &name[..3]), field)? + 1;
                set(&mut self.fields.month, month, field)?;
            }
            "DAY" => {
                let day = self.one_of(&DAY_NAMES, field)?;
                set(&mut self.fields.weekday, day, field)?;
                self.fields.weekday += 1;
            }
            "DY" => {
                let day = self.one_of(&DAY_NAMES.map(|name| &name[..3]), field)?;
                set(&mut self.fields.weekday, day, field)?;
                self.fields.weekday += 1;
            }
            "RM" => {
                // From December on, so that the longer one of two is found.
                let mut months = ROMAN_MONTHS;
                months.reverse();
                let month = 12 - self.one_of(&months, field)?;
                set(&mut self.fields.month, month, field)?;
            }
            "TZ" | "OF" => {
                let words = format!(
                    "formatting field \"{}\" is only supported in to_char",
                    field.written
                );
                return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, words));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Which of the words is next, in any case.
    fn one_of(&mut self, words: &[&str], field: &Field<'_>) -> Result<i32> {
        let rest = &self.text[self.at..];
        let found = words.iter().position(|word| {
            rest.get(..word.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(word.as_bytes()))
        });
        if let Some(index) = found {
            self.at += words[index].len();
            return Ok(index as i32);
        }
        let end = rest
            .iter()
            .position(|byte| is_blank(*byte))
            .unwrap_or(rest.len());
        let shown = String::from_utf8_lossy(&rest[..end]);
        let words = format!("invalid value \"{shown}\" for \"{}\"", field.written);
        let detail = "The given value did not match any of the allowed values for this field.";
        Err(invalid(words).with_detail(detail))
    }

    fn number(&mut self, field: &Field<'_>, ends: bool) -> Result<()> {
        let name = field.name.as_str();
        match name {
            "TZH" => {
                match self.peek() {
                    sign @ (b'+' | b'-' | b' ') => {
                        self.fields.zone_sign = if sign == b'-' { -1 } else { 1 };
                        self.at += 1;
                    }
                    _ => {
                        let minus = self.skipped > 0 && self.text[self.at - 1] == b'-';
                        self.fields.zone_sign = if minus { -1 } else { 1 };
                    }
                }
                let (hours, _) = self.integer(2, field, ends)?;
                return set(&mut self.fields.zone_hours, hours, field);
            }
            "TZM" => {
                if self.fields.zone_sign == 0 {
                    self.fields.zone_sign = 1;
                }
                let (minutes, _) = self.integer(2, field, ends)?;
                return set(&mut self.fields.zone_minutes, minutes, field);
            }
            "Y,YYY" => self.thousands(field)?,
            "MS" | "US" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
                self.fraction(field, ends)?;
            }
            "Q" => {
                self.integer(1, field, ends)?;
            }
            _ if name.starts_with('Y') || name.starts_with("IY") || name == "I" => {
                self.year(field, ends)?;
            }
            _ => {
                let length = match name {
                    "HH12" | "HH24" => 2,
                    "IDDD" => 3,
                    "ID" => 1,
                    other => other.len(),
                };
                let (number, _) = self.integer(length, field, ends)?;
                self.set_number(field, number)?;
            }
        }
        if field.ordinal.is_some() {
            self.advance();
            self.advance();
        }
        Ok(())
    }

    fn set_number(&mut self, field: &Field<'_>, number: i32) -> Result<()> {
        let fields = &mut *self.fields;
        let target = match field.name.as_str() {
            "HH" | "HH12" | "HH24" => {
                fields.twelve_hours |= field.name != "HH24";
                &mut fields.hour
            }
            "MI" => &mut fields.minute,
            "SS" => &mut fields.second,
            "SSSS" | "SSSSS" => &mut fields.second_of_day,
            "MM" => &mut fields.month,
            "DDD" | "IDDD" => &mut fields.day_of_year,
            "DD" => &mut fields.day,
            "D" => &mut fields.weekday,
            "ID" => {
                set(&mut fields.weekday, number, field)?;
                fields.weekday = if number == 7 { 1 } else { number + 1 };
                return Ok(());
            }
            "WW" | "IW" => &mut fields.week,
            "W" => &mut fields.week_of_month,
            "CC" => &mut fields.century,
            _ => &mut fields.julian,
        };
        set(target, number, field)
    }

    fn fraction(&mut self, field: &Field<'_>, ends: bool) -> Result<()> {
        let length = match field.name.as_str() {
            "MS" => 3,
            "US" => 6,
            name => {
                self.fields.fraction_digits = u32::from(name.as_bytes()[2] - b'0');
                self.fields.fraction_digits as usize
            }
        };
        let (number, used) = self.integer(length, field, ends)?;
        let (target, digits) = match field.name.as_str() {
            "MS" => (&mut self.fields.millis, 3_usize),
            _ => (&mut self.fields.micros, 6),
        };
        set(target, number, field)?;
        *target = target.wrapping_mul(10_i32.pow(digits.saturating_sub(used.max(1)) as u32));
        Ok(())
    }

    fn year(&mut self, field: &Field<'_>, ends: bool) -> Result<()> {
        let name = field.name.as_str();
        let (number, used) = self.integer(name.len(), field, ends)?;
        set(&mut self.fields.year, number, field)?;
        if name.len() < 4 && used < 4 {
            let year = self.fields.year;
            self.fields.year = year
                + match year {
                    ..70 => 2000,
                    70..100 => 1900,
                    100..520 => 2000,
                    520..1000 => 1000,
                    _ => 0,
                };
        }
        self.fields.year_digits = name.len() as i32;
        Ok(())
    }

    /// `1,999`.
    fn thousands(&mut self, field: &Field<'_>) -> Result<()> {
        let wrong = || invalid("invalid input string for \"Y,YYY\"");
        let (thousands, used) = leading_integer(&self.text[self.at..]).ok_or_else(wrong)?;
        let rest = self.text[self.at + used..]
            .strip_prefix(b",")
            .ok_or_else(wrong)?;
        let end = rest.len().min(3);
        let (years, more) = leading_integer(&rest[..end]).ok_or_else(wrong)?;
        let year = thousands.wrapping_mul(1000).wrapping_add(years) as i32;
        set(&mut self.fields.year, year, field)?;
        self.fields.year_digits = 4;
        self.at += used + 1 + more;
        Ok(())
    }

    /// A number, and how many bytes it took: as many digits as there are where nothing of digits
    /// follows in the template, else just as many as the pattern has.
    fn integer(&mut self, length: usize, field: &Field<'_>, ends: bool) -> Result<(i32, usize)> {
        let start = self.at;
        while is_blank(self.peek()) {
            self.at += 1;
        }
        let rest = &self.text[self.at..];
        let shown = String::from_utf8_lossy(&rest[..rest.len().min(length)]).into_owned();
        let written = field.written;
        let hint = "If your source string is not fixed-width, try using the \"FM\" modifier.";
        let number = if field.fill || ends {
            let (number, used) = leading_integer(rest).unwrap_or((0, 0));
            self.at = if used == 0 { start } else { self.at + used };
            number
        } else {
            if rest.len() < length {
                let words = format!("source string too short for \"{written}\" formatting field");
                let detail = format!(
                    "Field requires {length} characters, but only {} remain.",
                    rest.len()
                );
                return Err(invalid(words).with_detail(detail).with_hint(hint));
            }
            let (number, used) = leading_integer(&rest[..length]).unwrap_or((0, 0));
            if used > 0 && used < length {
                let words = format!("invalid value \"{shown}\" for \"{written}\"");
                let detail =
                    format!("Field requires {length} characters, but only {used} could be parsed.");
                return Err(invalid(words).with_detail(detail).with_hint(hint));
            }
            self.at = if used == 0 { start } else { self.at + used };
            number
        };
        if self.at == start {
            let words = format!("invalid value \"{shown}\" for \"{written}\"");
            return Err(invalid(words).with_detail("Value must be an integer."));
        }
        let number = i32::try_from(number).map_err(|_| {
            let words = format!("value for \"{written}\" in source string is out of range");
            Error::new(SqlState::DATETIME_FIELD_OVERFLOW, words).with_detail(format!(
                "Value must be in the range {} to {}.",
                i32::MIN,
                i32::MAX
            ))
        })?;
        Ok((number, self.at - start))
    }
}

/// Whether no digit can follow a number in the text: then all digits belong to it.
fn ends_digits(field: &Field<'_>, next: Option<&Node<'_>>) -> bool {
    if field.ordinal.is_some() {
        return true;
    }
    match next {
        None => true,
        Some(Node::Field(next)) => !next.is_digits,
        Some(Node::Letter(letter) | Node::Space(letter) | Node::Separator(letter)) => {
            !letter.is_ascii_digit()
        }
    }
}

/// An integer with its sign, as C's `strtol` reads it, and its bytes.
fn leading_integer(text: &[u8]) -> Option<(i64, usize)> {
    let blanks = text.iter().take_while(|byte| is_blank(**byte)).count();
    let mut at = blanks;
    let negative = text.get(at) == Some(&b'-');
    if matches!(text.get(at), Some(b'-' | b'+')) {
        at += 1;
    }
    let digits = text[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits == 0 {
        return None;
    }
    let number = text[at..at + digits].iter().fold(0_i64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
    });
    Some((if negative { -number } else { number }, at + digits))
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn invalid(words: impl Into<String>) -> Error {
    Error::new(SqlState::INVALID_DATETIME_FORMAT, words)
}

/// Sets a field, which must not have another value already.
fn set(target: &mut i32, value: i32, field: &Field<'_>) -> Result<()> {
    if *target != 0 && *target != value {
        let words = format!(
            "conflicting values for \"{}\" field in formatting string",
            field.written
        );
        let detail = "This value contradicts a previous setting for the same field type.";
        return Err(invalid(words).with_detail(detail));
    }
    *target = value;
    Ok(())
}
