//! `interval` as text: PostgreSQL's words, ISO 8601, and SQL's own form.

use super::decode::clock;
use super::fields::{Fault, Field, Kind, fraction, integer, small_integer, split};
use crate::interval::{
    DAYS_PER_MONTH, Interval, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND,
};
use crate::modifier::Modifier;
use crate::modifier::interval_fields as kept;
use crate::settings::IntervalStyle;

/// A unit of an interval.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Decade,
    Century,
    Millennium,
}

/// Reads an interval.
pub(super) fn parse(
    text: &str,
    modifier: Modifier,
    style: IntervalStyle,
) -> Result<Interval, Fault> {
    let words = split(text).and_then(|fields| from_fields(&fields, modifier, style));
    let parts = match words {
        Err(Fault::BadFormat) => from_iso8601(text),
        other => other,
    };
    let overflow = |fault| {
        if fault == Fault::FieldOverflow {
            Fault::IntervalOverflow
        } else {
            fault
        }
    };
    parts
        .map_err(overflow)?
        .into_interval()
        .ok_or(Fault::IntervalOverflow)
}

/// What has been read so far.
#[derive(Default)]
struct Parts {
    years: i32,
    months: i32,
    days: i32,
    micros: i64,
}

impl Parts {
    fn into_interval(self) -> Option<Interval> {
        let months = i64::from(self.years) * 12 + i64::from(self.months);
        Some(Interval::new(
            i32::try_from(months).ok()?,
            self.days,
            self.micros,
        ))
    }

    fn add_years(&mut self, count: i64, scale: i64) -> Result<(), Fault> {
        add(&mut self.years, count, scale)
    }

    fn add_months(&mut self, count: i64) -> Result<(), Fault> {
        add(&mut self.months, count, 1)
    }

    fn add_days(&mut self, count: i64, scale: i64) -> Result<(), Fault> {
        add(&mut self.days, count, scale)
    }

    fn add_micros(&mut self, count: i64, part: f64, scale: i64) -> Result<(), Fault> {
        let whole = count
            .checked_mul(scale)
            .and_then(|micros| self.micros.checked_add(micros));
        self.micros = whole.ok_or(Fault::FieldOverflow)?;
        self.add_part_micros(part, scale)
    }

    fn add_part_micros(&mut self, part: f64, scale: i64) -> Result<(), Fault> {
        let scaled = part * scale as f64;
        let whole = scaled as i64;
        let rest = scaled - whole as f64;
        let rounded = whole + i64::from(rest > 0.5) - i64::from(rest < -0.5);
        self.micros = self
            .micros
            .checked_add(rounded)
            .ok_or(Fault::FieldOverflow)?;
        Ok(())
    }

    fn add_part_days(&mut self, part: f64, scale: i64) -> Result<(), Fault> {
        let scaled = part * scale as f64;
        self.add_days(scaled as i64, 1)?;
        self.add_part_micros(scaled - scaled.trunc(), MICROS_PER_DAY)
    }

    fn add_part_years(&mut self, part: f64, scale: i64) -> Result<(), Fault> {
        self.add_months((part * scale as f64 * 12.0).round_ties_even() as i64)
    }

    fn add(&mut self, unit: Unit, count: i64, part: f64) -> Result<(), Fault> {
        match unit {
            Unit::Microsecond => self.add_micros(count, part, 1),
            Unit::Millisecond => self.add_micros(count, part, 1000),
            Unit::Second => self.add_micros(count, part, MICROS_PER_SECOND),
            Unit::Minute => self.add_micros(count, part, MICROS_PER_MINUTE),
            Unit::Hour => self.add_micros(count, part, MICROS_PER_HOUR),
            Unit::Day => {
                self.add_days(count, 1)?;
                self.add_part_micros(part, MICROS_PER_DAY)
            }
            Unit::Week => {
                self.add_days(count, 7)?;
                self.add_part_days(part, 7)
            }
            Unit::Month => {
                self.add_months(count)?;
                self.add_part_days(part, i64::from(DAYS_PER_MONTH))
            }
            Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium => {
                let scale = match unit {
                    Unit::Decade => 10,
                    Unit::Century => 100,
                    Unit::Millennium => 1000,
                    _ => 1,
                };
                self.add_years(count, scale)?;
                self.add_part_years(part, scale)
            }
        }
    }

    fn negate(&mut self) -> Result<(), Fault> {
        let negated = (|| {
            Some(Parts {
                years: self.years.checked_neg()?,
                months: self.months.checked_neg()?,
                days: self.days.checked_neg()?,
                micros: self.micros.checked_neg()?,
            })
        })();
        *self = negated.ok_or(Fault::FieldOverflow)?;
        Ok(())
    }
}

fn add(to: &mut i32, count: i64, scale: i64) -> Result<(), Fault> {
    let sum = count
        .checked_mul(scale)
        .and_then(|more| more.checked_add(i64::from(*to)));
    *to = sum
        .and_then(|sum| i32::try_from(sum).ok())
        .ok_or(Fault::FieldOverflow)?;
    Ok(())
}

/// Reads fields from the last to the first, so that a unit is known before its number.
fn from_fields(fields: &[Field], modifier: Modifier, style: IntervalStyle) -> Result<Parts, Fault> {
    let mut parts = Parts::default();
    let mut found: u32 = 0;
    let mut unit = None;
    let mut ago = false;
    let all_negative = style == IntervalStyle::SqlStandard
        && fields
            .first()
            .is_some_and(|field| field.text.starts_with('-'))
        && fields[1..]
            .iter()
            .all(|field| !field.text.starts_with(['-', '+']));
    for field in fields.iter().rev() {
        let new = match field.kind {
            Kind::Time => {
                let micros = time(&field.text, modifier)?;
                parts.micros = if all_negative && micros > 0 {
                    -micros
                } else {
                    micros
                };
                unit = Some(Unit::Day);
                TIME
            }
            Kind::Zone
                if field.text[1..].contains(':') && time(&field.text[1..], modifier).is_ok() =>
            {
                let micros = time(&field.text[1..], modifier)?;
                let negative = field.text.starts_with('-') || all_negative;
                parts.micros = if negative { -micros } else { micros };
                unit = Some(Unit::Day);
                TIME
            }
            Kind::Zone | Kind::Date | Kind::Number => {
                let of = unit.unwrap_or_else(|| last_unit(modifier));
                let (of, new) = number(&mut parts, of, &field.text, all_negative)?;
                // What stands before hours without a unit are days.
                unit = Some(if of == Unit::Hour { Unit::Day } else { of });
                new
            }
            Kind::Word | Kind::Special => {
                match field.text.as_str() {
                    "ago" => ago = true,
                    "at" | "on" => {}
                    word => unit = Some(unit_of(word).ok_or(Fault::BadFormat)?),
                }
                0
            }
        };
        if found & new != 0 {
            return Err(Fault::BadFormat);
        }
        found |= new;
    }
    if found == 0 {
        return Err(Fault::BadFormat);
    }
    if ago {
        parts.negate()?;
    }
    Ok(parts)
}

const SECOND: u32 = 1;
const SUBSECOND: u32 = 0b110;
const MINUTE: u32 = 1 << 3;
const HOUR: u32 = 1 << 4;
const TIME: u32 = SECOND | SUBSECOND | MINUTE | HOUR;

/// Adds a number of a unit; returns the unit, which is months for `years-months`.
fn number(
    parts: &mut Parts,
    unit: Unit,
    text: &str,
    all_negative: bool,
) -> Result<(Unit, u32), Fault> {
    let (mut count, rest) = integer(text)?;
    let negative = text.starts_with('-');
    let mut part = 0.0;
    let mut unit = unit;
    if let Some(months) = rest.strip_prefix('-') {
        let (months, rest) = small_integer(months)?;
        if !(0..12).contains(&months) {
            return Err(Fault::FieldOverflow);
        }
        if !rest.is_empty() {
            return Err(Fault::BadFormat);
        }
        let months = i64::from(if negative { -months } else { months });
        count = count
            .checked_mul(12)
            .and_then(|all| all.checked_add(months))
            .ok_or(Fault::FieldOverflow)?;
        unit = Unit::Month;
    } else if rest.starts_with('.') {
        part = fraction(rest)?;
        part = if negative { -part } else { part };
    } else if !rest.is_empty() {
        return Err(Fault::BadFormat);
    }
    if all_negative {
        count = -count.abs();
        part = -part.abs();
    }
    parts.add(unit, count, part)?;
    let new = match unit {
        Unit::Microsecond => 0b100,
        Unit::Millisecond => 0b10,
        Unit::Second if part == 0.0 => SECOND,
        Unit::Second => SECOND | SUBSECOND,
        Unit::Minute => MINUTE,
        Unit::Hour => HOUR,
        other => 1 << (8 + other as u32),
    };
    Ok((unit, new))
}

fn time(text: &str, modifier: Modifier) -> Result<i64, Fault> {
    let fields = modifier.interval_fields();
    let seconds = fields == Some(kept::MINUTE | kept::SECOND);
    let (hour, minute, second, micros) = clock(text, seconds)?;
    let hours = hour
        .checked_mul(MICROS_PER_HOUR)
        .ok_or(Fault::FieldOverflow)?;
    let rest =
        i64::from(minute) * MICROS_PER_MINUTE + i64::from(second) * MICROS_PER_SECOND + micros;
    hours.checked_add(rest).ok_or(Fault::FieldOverflow)
}

/// The unit of a number that has none: the last that the type keeps.
fn last_unit(modifier: Modifier) -> Unit {
    let fields = modifier.interval_fields().unwrap_or(kept::SECOND);
    let last = [
        (kept::SECOND, Unit::Second),
        (kept::MINUTE, Unit::Minute),
        (kept::HOUR, Unit::Hour),
        (kept::DAY, Unit::Day),
        (kept::MONTH, Unit::Month),
        (kept::YEAR, Unit::Year),
    ];
    let found = last.into_iter().find(|(bit, _)| fields & bit != 0);
    found.map_or(Unit::Second, |(_, unit)| unit)
}

fn unit_of(word: &str) -> Option<Unit> {
    // Ten letters count, so that longer forms of these are known too.
    let word = word.get(..10).unwrap_or(word);
    Some(match word {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => Unit::Microsecond,
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecon" => Unit::Millisecond,
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Year,
        "dec" | "decs" | "decade" | "decades" => Unit::Decade,
        "c" | "cent" | "century" | "centuries" => Unit::Century,
        "mil" | "mils" | "millennia" | "millennium" => Unit::Millennium,
        _ => return None,
    })
}

/// `P1Y2M3DT4H5M6S`, `P0001-02-03T04:05:06`, `P00010203T040506`.
fn from_iso8601(text: &str) -> Result<Parts, Fault> {
    let mut rest = text
        .strip_prefix('P')
        .filter(|rest| !rest.is_empty())
        .ok_or(Fault::BadFormat)?;
    let mut parts = Parts::default();
    let mut in_date = true;
    let mut has_field = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            (in_date, has_field, rest) = (false, false, after);
            continue;
        }
        let start = rest;
        let (count, part) = iso_number(&mut rest)?;
        let designator = rest.chars().next();
        let width = start.bytes().take_while(u8::is_ascii_digit).count();
        let unit = match (in_date, designator) {
            (true, Some('Y')) => Unit::Year,
            (true, Some('M')) => Unit::Month,
            (true, Some('W')) => Unit::Week,
            (true, Some('D')) => Unit::Day,
            (false, Some('H')) => Unit::Hour,
            (false, Some('M')) => Unit::Minute,
            (false, Some('S')) => Unit::Second,
            (true, None | Some('T')) if width == 8 && !has_field => {
                parts.add(Unit::Year, count / 10_000, 0.0)?;
                parts.add(Unit::Month, count / 100 % 100, 0.0)?;
                parts.add(Unit::Day, count % 100, part)?;
                continue;
            }
            (true, None | Some('T' | '-')) if !has_field => {
                parts.add(Unit::Year, count, part)?;
                alternative(&mut parts, &mut rest, '-', [Unit::Month, Unit::Day])?;
                continue;
            }
            (false, None) if width == 6 && !has_field => {
                parts.add(Unit::Hour, count / 10_000, 0.0)?;
                parts.add(Unit::Minute, count / 100 % 100, 0.0)?;
                parts.add(Unit::Second, count % 100, part)?;
                continue;
            }
            (false, None | Some(':')) if !has_field => {
                parts.add(Unit::Hour, count, part)?;
                alternative(&mut parts, &mut rest, ':', [Unit::Minute, Unit::Second])?;
                if !rest.is_empty() {
                    return Err(Fault::BadFormat);
                }
                continue;
            }
            _ => return Err(Fault::BadFormat),
        };
        parts.add(unit, count, part)?;
        rest = &rest[1..];
        has_field = true;
    }
    Ok(parts)
}

/// The second and third number of a date or a time with delimiters, as far as they are there.
fn alternative(
    parts: &mut Parts,
    rest: &mut &str,
    delimiter: char,
    units: [Unit; 2],
) -> Result<(), Fault> {
    for unit in units {
        let Some(after) = rest.strip_prefix(delimiter) else {
            break;
        };
        *rest = after;
        let (count, part) = iso_number(rest)?;
        parts.add(unit, count, part)?;
    }
    if rest.is_empty() || rest.starts_with('T') {
        Ok(())
    } else {
        Err(Fault::BadFormat)
    }
}

/// Takes a number: its whole part, and the fraction, both with the sign.
fn iso_number(text: &mut &str) -> Result<(i64, f64), Fault> {
    let bytes = text.as_bytes();
    let count = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let signed = usize::from(text.starts_with('-'));
    let whole = signed + count(signed);
    let mut end = whole;
    if bytes.get(whole) == Some(&b'.') {
        end = whole + 1 + count(whole + 1);
    }
    if end - signed == usize::from(end > whole) {
        return Err(Fault::BadFormat);
    }
    let number: f64 = text[..end].parse().map_err(|_| Fault::BadFormat)?;
    if number.abs() > 1e15 {
        return Err(Fault::FieldOverflow);
    }
    *text = &text[end..];
    Ok((number.trunc() as i64, number - number.trunc()))
}

/// An interval as a type with this modifier keeps it.
pub(crate) fn with_modifier(interval: Interval, modifier: Modifier) -> Option<Interval> {
    let mut kept_parts = interval;
    if let Some(fields) = modifier.interval_fields() {
        let unit = |unit: i64| interval.micros / unit * unit;
        if fields & (kept::SECOND | kept::MINUTE | kept::HOUR | kept::DAY) == 0 {
            kept_parts.days = 0;
            if fields & kept::MONTH == 0 {
                kept_parts.months = interval.months / 12 * 12;
            }
        }
        kept_parts.micros = match fields {
            fields if fields & kept::SECOND != 0 => interval.micros,
            fields if fields & kept::MINUTE != 0 => unit(MICROS_PER_MINUTE),
            fields if fields & kept::HOUR != 0 => unit(MICROS_PER_HOUR),
            _ => 0,
        };
    }
    if let Some(digits) = modifier.interval_digits() {
        kept_parts.micros = super::round_micros(kept_parts.micros, digits)?;
    }
    Some(kept_parts)
}
