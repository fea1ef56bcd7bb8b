//! `to_char`, `to_date`, `to_timestamp`, `to_number`: values by templates.
//!
//! ```text
//! 'FMDay, DD "of" Mon' ─▶ parse ─▶ nodes ─▶ date_out   a time as text
//!                                        ├▶ date_in    text as a time
//! 'S999G990D00'        ─▶ number ─▶ number_out, number_in
//! ```
//!
//! A template is a row of patterns and of text that stands for itself. The patterns and their
//! peculiarities are PostgreSQL's, in the locale "C".

mod date_in;
mod date_out;
mod number;
mod number_in;
mod number_out;

use super::{Row, raw, row};
use crate::datetime;
use crate::error::{Error, Result, SqlState};
use crate::interrupt;
use crate::interval::{Interval, MICROS_PER_SECOND};
use crate::numeric::Numeric;
use crate::operator::operand::{Date, Timestamp, Timestamptz};
use crate::text::Text;
use crate::value::Value;

pub(super) static ROWS: &[Row] = &[
    row!(
        "to_char(timestamp, text) text stable",
        |time: Timestamp, template: &Text| { date_out::timestamp(time.0, None, template) }
    ),
    row!("to_char(timestamptz, text) text stable", |scope; time: Timestamptz, template: &Text| {
        date_out::timestamp(time.0, Some(&scope.settings.zone), template)
    }),
    row!(
        "to_char(interval, text) text stable",
        |interval: Interval, template: &Text| { date_out::interval(&interval, template) }
    ),
    row!(
        "to_char(int4, text) text stable",
        |number: i32, template: &Text| { number_out::integer(number, template) }
    ),
    row!(
        "to_char(int8, text) text stable",
        |number: i64, template: &Text| { number_out::bigint(number, template) }
    ),
    row!(
        "to_char(float4, text) text stable",
        |number: f32, template: &Text| { number_out::float4(number, template) }
    ),
    row!(
        "to_char(float8, text) text stable",
        |number: f64, template: &Text| { number_out::float8(number, template) }
    ),
    row!(
        "to_char(numeric, text) text stable",
        |number: &Numeric, template: &Text| { number_out::numeric(number, template) }
    ),
    row!(
        "to_number(text, text) numeric stable",
        |text: &Text, template: &Text| { number_in::number(text, template) }
    ),
    row!(
        "to_date(text, text) date stable",
        |text: &Text, template: &Text| { date_in::date(text, template).map(Date) }
    ),
    raw!(
        "to_timestamp(text, text) timestamptz stable",
        |arguments, scope| {
            let (Some(text), Some(template)) = (arguments[0].as_str(), arguments[1].as_str())
            else {
                return Err(Error::mismatch("text"));
            };
            date_in::timestamptz(text, template, &scope.settings.zone).map(Value::Timestamptz)
        }
    ),
];

/// Which calendar a pattern of a date belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Calendar {
    Any,
    Gregorian,
    IsoWeek,
}

/// A pattern of dates and times, in upper case or capitalized, whether it is of digits, and its
/// calendar. Those in upper case are known in lower case too. Where one begins another, the
/// longer one comes first.
struct Pattern(&'static str, bool, Calendar);

const PATTERNS: &[Pattern] = {
    use Calendar::{Any, Gregorian, IsoWeek};
    &[
        Pattern("A.D.", false, Any),
        Pattern("A.M.", false, Any),
        Pattern("AD", false, Any),
        Pattern("AM", false, Any),
        Pattern("B.C.", false, Any),
        Pattern("BC", false, Any),
        Pattern("CC", true, Any),
        Pattern("DAY", false, Any),
        Pattern("DDD", true, Gregorian),
        Pattern("DD", true, Gregorian),
        Pattern("DY", false, Any),
        Pattern("Day", false, Any),
        Pattern("Dy", false, Any),
        Pattern("D", true, Gregorian),
        Pattern("FF1", true, Any),
        Pattern("FF2", true, Any),
        Pattern("FF3", true, Any),
        Pattern("FF4", true, Any),
        Pattern("FF5", true, Any),
        Pattern("FF6", true, Any),
        Pattern("FX", false, Any),
        Pattern("HH24", true, Any),
        Pattern("HH12", true, Any),
        Pattern("HH", true, Any),
        Pattern("IDDD", true, IsoWeek),
        Pattern("ID", true, IsoWeek),
        Pattern("IW", true, IsoWeek),
        Pattern("IYYY", true, IsoWeek),
        Pattern("IYY", true, IsoWeek),
        Pattern("IY", true, IsoWeek),
        Pattern("I", true, IsoWeek),
        Pattern("J", true, Any),
        Pattern("MI", true, Any),
        Pattern("MM", true, Gregorian),
        Pattern("MONTH", false, Gregorian),
        Pattern("MON", false, Gregorian),
        Pattern("MS", true, Any),
        Pattern("Month", false, Gregorian),
        Pattern("Mon", false, Gregorian),
        Pattern("OF", false, Any),
        Pattern("P.M.", false, Any),
        Pattern("PM", false, Any),
        Pattern("Q", true, Any),
        Pattern("RM", false, Gregorian),
        Pattern("SSSSS", true, Any),
        Pattern("SSSS", true, Any),
        Pattern("SS", true, Any),
        Pattern("TZH", false, Any),
        Pattern("TZM", true, Any),
        Pattern("TZ", false, Any),
        Pattern("US", true, Any),
        Pattern("WW", true, Gregorian),
        Pattern("W", true, Gregorian),
        Pattern("Y,YYY", true, Gregorian),
        Pattern("YYYY", true, Gregorian),
        Pattern("YYY", true, Gregorian),
        Pattern("YY", true, Gregorian),
        Pattern("Y", true, Gregorian),
    ]
};

/// A piece of a template.
enum Node<'a> {
    Field(Field<'a>),
    Space(char),
    Separator(char),
    Letter(char),
}

/// A pattern as it stands in a template.
struct Field<'a> {
    /// The pattern in upper case, however it is written.
    name: String,
    /// As it is written.
    written: &'a str,
    is_digits: bool,
    calendar: Calendar,
    /// `FM`: without padding.
    fill: bool,
    /// `TH` or `th`.
    ordinal: Option<Ordinal>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ordinal {
    Upper,
    Lower,
}

impl Field<'_> {
    /// How the pattern is written: 'DAY', 'Day' or 'day'.
    fn cased(&self, word: &str) -> String {
        let mut letters = self.written.chars().filter(|letter| letter.is_alphabetic());
        let first = letters.next().is_some_and(char::is_uppercase);
        let second = letters.next().is_none_or(char::is_uppercase);
        match (first, second) {
            (true, true) => word.to_uppercase(),
            (true, false) => word.to_owned(),
            (false, _) => word.to_lowercase(),
        }
    }
}

/// What finding a node of a template counts, or showing it.
const NODE_UNITS: usize = 256;

/// The nodes of a template for dates and times.
fn parse(template: &str) -> Result<Vec<Node<'_>>> {
    let mut nodes = Vec::new();
    let mut rest = template;
    while !rest.is_empty() {
        interrupt::spend(NODE_UNITS)?;
        let prefix = rest
            .get(..2)
            .filter(|two| ["FM", "fm", "TM", "tm"].contains(two));
        if let Some(prefix) = prefix {
            rest = &rest[prefix.len()..];
        }
        let fill = prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case("fm"));
        match field(rest, fill) {
            Some((field, after)) => {
                nodes.push(Node::Field(field));
                rest = after;
            }
            None => rest = literal(rest, &mut nodes),
        }
    }
    Ok(nodes)
}

/// The pattern that begins the text, and what follows it.
fn field(text: &str, fill: bool) -> Option<(Field<'_>, &str)> {
    let begins = |pattern: &&Pattern| {
        let name = pattern.0.as_bytes();
        let Some(start) = text.as_bytes().get(..name.len()) else {
            return false;
        };
        let capitalized = name.get(1).is_some_and(u8::is_ascii_lowercase);
        let mut letters = start.iter().zip(name);
        let lower = |(written, letter): (&u8, &u8)| *written == letter.to_ascii_lowercase();
        start == name || (!capitalized && letters.all(lower))
    };
    let pattern = PATTERNS.iter().find(begins)?;
    let (written, mut rest) = text.split_at(pattern.0.len());
    let mut ordinal = None;
    if let Some(after) = rest.strip_prefix("TH") {
        (ordinal, rest) = (Some(Ordinal::Upper), after);
    } else if let Some(after) = rest.strip_prefix("th") {
        (ordinal, rest) = (Some(Ordinal::Lower), after);
    } else if let Some(after) = rest.strip_prefix("SP") {
        rest = after;
    }
    let field = Field {
        name: pattern.0.to_ascii_uppercase(),
        written,
        is_digits: pattern.1,
        calendar: pattern.2,
        fill,
        ordinal,
    };
    Some((field, rest))
}

/// Takes a letter that stands for itself, or text in quotes; what follows it.
fn literal<'a>(text: &'a str, nodes: &mut Vec<Node<'_>>) -> &'a str {
    let mut letters = text.chars();
    let Some(mut first) = letters.next() else {
        return text;
    };
    if first == '"' {
        return quoted(letters.as_str(), |letter| nodes.push(Node::Letter(letter)));
    }
    if first == '\\' && letters.as_str().starts_with('"') {
        letters.next();
        first = '"';
    }
    nodes.push(match first {
        other if is_separator(other) => Node::Separator(other),
        other if other.is_ascii_whitespace() || other == '\x0b' => Node::Space(other),
        other => Node::Letter(other),
    });
    letters.as_str()
}

/// Reads to the closing quote, if there is one; what follows it.
fn quoted(text: &str, mut push: impl FnMut(char)) -> &str {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => push(letters.next().unwrap_or('\\')),
            other => push(other),
        }
    }
    letters.as_str()
}

fn is_separator(letter: char) -> bool {
    letter.is_ascii_punctuation()
}

/// `st`, `nd`, `rd` or `th` for a number.
fn ordinal(number: &str, case: Ordinal) -> Result<&'static str> {
    let digits = number.as_bytes();
    let Some(last) = digits.last().filter(|digit| digit.is_ascii_digit()) else {
        let words = format!("\"{number}\" is not a number");
        return Err(Error::new(SqlState::INVALID_TEXT_REPRESENTATION, words));
    };
    let teen = digits.len() > 1 && digits[digits.len() - 2] == b'1';
    let suffixes = match (last, teen) {
        (b'1', false) => ["ST", "st"],
        (b'2', false) => ["ND", "nd"],
        (b'3', false) => ["RD", "rd"],
        _ => ["TH", "th"],
    };
    Ok(suffixes[usize::from(case == Ordinal::Lower)])
}

/// Julian days of dates, and weeks as ISO 8601 counts them.
mod weeks {
    use crate::datetime::calendar::{EPOCH_JULIAN, civil_from_days, days_from_civil};

    pub(super) fn julian(year: i32, month: i32, day: i32) -> i64 {
        days_from_civil(year, month, day) + EPOCH_JULIAN
    }

    pub(super) fn date(julian: i64) -> (i32, i32, i32) {
        civil_from_days(julian - EPOCH_JULIAN)
    }

    /// The Julian day on which a week of an ISO year begins.
    pub(super) fn start(year: i32, week: i32) -> i64 {
        let fourth = julian(year, 1, 4);
        fourth - fourth.rem_euclid(7) + (i64::from(week) - 1) * 7
    }

    /// The ISO year of a day.
    pub(super) fn year(year: i32, month: i32, day: i32) -> i32 {
        let julian = julian(year, month, day);
        if julian < start(year, 1) {
            year - 1
        } else if julian >= start(year + 1, 1) {
            year + 1
        } else {
            year
        }
    }

    /// The week of a day in its ISO year.
    pub(super) fn week(of: i32, month: i32, day: i32) -> i64 {
        (julian(of, month, day) - start(year(of, month, day), 1)) / 7 + 1
    }

    /// The day in its ISO year.
    pub(super) fn day(of: i32, month: i32, day: i32) -> i64 {
        julian(of, month, day) - start(year(of, month, day), 1) + 1
    }
}

/// A time on clocks as microseconds since 2000, if it is within the range.
fn in_range(days: i64, micros: i64, east: i32) -> Result<i64> {
    let whole = days
        .checked_mul(crate::interval::MICROS_PER_DAY)
        .and_then(|midnight| midnight.checked_add(micros))
        .and_then(|local| local.checked_sub(i64::from(east) * MICROS_PER_SECOND));
    whole
        .filter(|micros| datetime::in_range(*micros))
        .ok_or_else(datetime::timestamp_out_of_range)
}
