//! Values of parameters: what is refused, and how they are shown.

use rustdb_types::Zone;
use rustdb_types::function::quoted_identifier;

use super::list::{Definition, Kind, LEVELS};
use crate::error::{Error, Result, SqlState};

/// The most milliseconds of a timeout.
const MILLISECONDS_MAX: i64 = i32::MAX as i64;

/// The most kilobytes of an amount of memory.
const KILOBYTES_MAX: i64 = i32::MAX as i64;

/// A value as SHOW has it. What it leaves open stays as the parameter is now.
pub(super) fn canonical(definition: &Definition, value: &str, current: &str) -> Result<String> {
    let name = definition.name;
    match definition.kind {
        Kind::Fixed | Kind::Text => Ok(value.to_owned()),
        Kind::Switch => match switch(value) {
            Some(true) => Ok("on".to_owned()),
            Some(false) => Ok("off".to_owned()),
            None => {
                let message = format!("parameter \"{name}\" requires a Boolean value");
                Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
            }
        },
        Kind::Number(least, most) => {
            let number: i64 = value.trim().parse().map_err(|_| invalid(name, value))?;
            match (least..=most).contains(&number) {
                true => Ok(number.to_string()),
                false => Err(outside(name, &number.to_string(), least, most, "")),
            }
        }
        Kind::Time => time(name, value),
        Kind::Memory(least) => memory(name, value, least),
        Kind::Words(words) => {
            let lower = value.to_lowercase();
            // Switches with more than two positions take the words of switches too.
            let lower = match (words.contains(&"on"), switch(&lower)) {
                (true, Some(true)) => "on".to_owned(),
                (true, Some(false)) => "off".to_owned(),
                // PostgreSQL takes two levels that it does not offer; one is another's name.
                _ if words == LEVELS && lower == "debug" => "debug2".to_owned(),
                _ if words == LEVELS && lower == "info" => return Ok(lower),
                _ => lower,
            };
            match words.contains(&lower.as_str()) {
                true => Ok(lower),
                false => Err(invalid(name, value)
                    .with_hint(format!("Available values: {}.", words.join(", ")))),
            }
        }
        Kind::Names => Ok(value.to_owned()),
        Kind::DateStyle => date_style(value, current),
        Kind::TimeZone => match hours_east(value).unwrap_or_else(|| Zone::named(value)) {
            Ok(zone) => Ok(zone.name().to_owned()),
            Err(_) => Err(invalid(name, value)),
        },
        Kind::Encoding => {
            let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
            match plain.to_uppercase().as_str() {
                "UTF8" | "UNICODE" => Ok("UTF8".to_owned()),
                _ => Err(invalid(name, value).with_detail(format!(
                    "Conversion between {value} and UTF8 is not supported."
                ))),
            }
        }
    }
}

/// The zone of a number of hours east of UTC.
fn hours_east(value: &str) -> Option<rustdb_types::Result<Zone>> {
    let hours: f64 = value.trim().parse().ok()?;
    let sensible = hours.is_finite() && hours.abs() < 1000.0;
    sensible.then(|| Zone::fixed((hours * 3600.0) as i32))
}

fn invalid(name: &str, value: &str) -> Error {
    let message = format!("invalid value for parameter \"{name}\": \"{value}\"");
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

fn outside(name: &str, value: &str, least: i64, most: i64, unit: &str) -> Error {
    let message = format!(
        "{value}{unit} is outside the valid range for parameter \"{name}\" ({least} .. {most})"
    );
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// What a switch is set to: any beginning of the words that leaves no doubt.
fn switch(value: &str) -> Option<bool> {
    let value = value.to_lowercase();
    let begins = |word: &str, least: usize| value.len() >= least && word.starts_with(&value);
    match value.as_str() {
        "1" | "on" => Some(true),
        "0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

/// Units of time, in milliseconds; the greatest first.
const UNITS: [(&str, i64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("min", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Units of memory, in kilobytes; the greatest first.
const MEMORY_UNITS: [(&str, i64); 4] =
    [("TB", 1 << 30), ("GB", 1 << 20), ("MB", 1 << 10), ("kB", 1)];

/// How many milliseconds a value is.
pub(super) fn milliseconds(value: &str) -> Option<u64> {
    amount(value, |unit| match unit {
        "" => Some(1.0),
        "us" => Some(0.001),
        unit => factor(&UNITS, unit),
    })
}

/// How many kilobytes a value is.
pub(super) fn kilobytes(value: &str) -> Option<u64> {
    amount(value, |unit| match unit {
        "" => Some(1.0),
        "B" => Some(1.0 / 1024.0),
        unit => factor(&MEMORY_UNITS, unit),
    })
}

fn factor(units: &[(&str, i64)], unit: &str) -> Option<f64> {
    let known = units.iter().find(|(name, _)| *name == unit);
    known.map(|(_, factor)| *factor as f64)
}

/// A number with a unit.
fn amount(value: &str, factor: impl Fn(&str) -> Option<f64>) -> Option<u64> {
    let value = value.trim();
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.' || letter == '-';
    let end = value
        .find(|letter| !is_number(letter))
        .unwrap_or(value.len());
    let number: f64 = value[..end].parse().ok()?;
    let result = (number * factor(value[end..].trim())?).round();
    (result >= 0.0).then_some(result as u64)
}

fn memory(name: &str, value: &str, least: i64) -> Result<String> {
    let hint = "Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".";
    let range = |number: i64| outside(name, &number.to_string(), least, KILOBYTES_MAX, " kB");
    if let Some(negative) = value.trim().strip_prefix('-')
        && let Some(number) = kilobytes(negative)
    {
        return Err(range(-i64::try_from(number).unwrap_or(i64::MAX)));
    }
    let number =
        kilobytes(value).ok_or_else(|| match value.contains(|it: char| it.is_ascii_digit()) {
            true => invalid(name, value).with_hint(hint),
            false => invalid(name, value),
        })?;
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    if !(least..=KILOBYTES_MAX).contains(&number) {
        return Err(range(number));
    }
    let unit = MEMORY_UNITS.iter().find(|(_, factor)| number % factor == 0);
    let (unit, factor) = unit.unwrap_or(&("kB", 1));
    Ok(format!("{}{unit}", number / factor))
}

fn time(name: &str, value: &str) -> Result<String> {
    let hint =
        "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".";
    if let Some(negative) = value.trim().strip_prefix('-')
        && milliseconds(negative).is_some_and(|number| number > 0)
    {
        let number = milliseconds(negative).unwrap_or(0);
        return Err(outside(
            name,
            &format!("-{number}"),
            0,
            MILLISECONDS_MAX,
            " ms",
        ));
    }
    let number = milliseconds(value).ok_or_else(|| {
        match value.contains(|it: char| it.is_ascii_digit()) {
            true => invalid(name, value).with_hint(hint),
            false => invalid(name, value),
        }
    })?;
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    if number > MILLISECONDS_MAX {
        return Err(outside(
            name,
            &number.to_string(),
            0,
            MILLISECONDS_MAX,
            " ms",
        ));
    }
    if number == 0 {
        return Ok("0".to_owned());
    }
    let unit = UNITS.iter().find(|(_, factor)| number % factor == 0);
    let (unit, factor) = unit.unwrap_or(&("ms", 1));
    Ok(format!("{}{unit}", number / factor))
}

fn date_style(value: &str, current: &str) -> Result<String> {
    let (mut style, mut order) = current.split_once(", ").unwrap_or(("ISO", "MDY"));
    for word in value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        match word.to_lowercase().as_str() {
            "iso" => style = "ISO",
            "sql" => style = "SQL",
            "german" if value.contains(',') => style = "German",
            "german" => (style, order) = ("German", "DMY"),
            word if word.starts_with("postgres") => style = "Postgres",
            "mdy" | "us" | "noneuropean" | "noneuro" => order = "MDY",
            "dmy" | "euro" | "european" => order = "DMY",
            "ymd" => order = "YMD",
            "default" => (style, order) = ("ISO", "MDY"),
            _ => {
                return Err(invalid("DateStyle", value).with_detail(format!(
                    "Unrecognized key word: \"{}\".",
                    word.to_lowercase()
                )));
            }
        }
    }
    Ok(format!("{style}, {order}"))
}

/// The names of a list, as `search_path` has them.
pub(crate) fn names(value: &str) -> Vec<String> {
    let parts = value
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts
        .map(|part| {
            match part
                .strip_prefix('"')
                .and_then(|part| part.strip_suffix('"'))
            {
                Some(quoted) => quoted.replace("\"\"", "\""),
                None => part.to_lowercase(),
            }
        })
        .collect()
}

/// A list of names as SHOW has it.
pub(crate) fn joined(names: &[String]) -> String {
    let names = names.iter().map(|name| quoted_identifier(name));
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::definition;
    use super::*;

    fn shown(name: &str, value: &str) -> Result<String> {
        canonical(definition(name).unwrap(), value, "ISO, MDY")
    }

    #[test]
    fn times_are_shown_in_the_greatest_unit_that_fits() {
        for (value, expected) in [
            ("0", "0"),
            ("1000", "1s"),
            ("1500", "1500ms"),
            ("90s", "90s"),
            ("60 s", "1min"),
            ("2h", "2h"),
            ("0.5s", "500ms"),
        ] {
            assert_eq!(
                shown("statement_timeout", value).unwrap(),
                expected,
                "{value}"
            );
        }
        for wrong in ["-1", "x", "1 year", "999999999999"] {
            assert!(shown("statement_timeout", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_are_known_in_any_case() {
        assert_eq!(shown("default_transaction_read_only", "T").unwrap(), "on");
        assert_eq!(shown("bytea_output", "ESCAPE").unwrap(), "escape");
        assert_eq!(shown("synchronous_commit", "false").unwrap(), "off");
        assert_eq!(shown("DateStyle", "sql, dmy").unwrap(), "SQL, DMY");
        assert_eq!(shown("client_encoding", "utf-8").unwrap(), "UTF8");
        assert!(shown("bytea_output", "x").is_err());
        assert_eq!(names("a, \"B\"\"c\",$user"), ["a", "B\"c", "$user"]);
    }
}
