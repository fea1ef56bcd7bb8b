//! Which type of SQL the fields of a column have.
//!
//! ```text
//! boolean          integer ─▶ bigint ─▶ numeric         date ─▶ timestamp ─▶ timestamptz      uuid
//!     └────────────────────────┴───────────── text ──────────────────┴──────────────────────────┘
//! ```
//!
//! A column has the narrowest type that all its fields have; an empty field has every type. What a
//! type would not give back as it was written (`007`, `+1`, `1.5e3`) is text, except that numbers
//! with an exponent are `double precision`.

/// A type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Nothing is known: all fields are empty.
    Empty,
    Boolean,
    Integer,
    Bigint,
    Numeric,
    Double,
    Date,
    Timestamp,
    Timestamptz,
    Uuid,
    Text,
}

impl ColumnType {
    /// The narrowest type of a field.
    pub fn of(field: &str) -> ColumnType {
        let bytes = field.as_bytes();
        match bytes.first() {
            None => ColumnType::Empty,
            Some(b'-' | b'0'..=b'9') => number(field)
                .or_else(|| date_or_time(field))
                .or_else(|| uuid(bytes))
                .unwrap_or(ColumnType::Text),
            Some(b'a'..=b'f' | b'A'..=b'F' | b't') => match field {
                "true" | "false" | "t" | "f" => ColumnType::Boolean,
                _ => uuid(bytes).unwrap_or(ColumnType::Text),
            },
            Some(_) => ColumnType::Text,
        }
    }

    /// The narrowest type that fields of both have.
    #[must_use]
    pub fn with(self, other: ColumnType) -> ColumnType {
        use ColumnType::{
            Bigint, Date, Double, Empty, Integer, Numeric, Text, Timestamp, Timestamptz,
        };
        match (self, other) {
            (one, two) if one == two => one,
            (Empty, other) | (other, Empty) => other,
            (Integer, Bigint) | (Bigint, Integer) => Bigint,
            (Integer | Bigint, Numeric) | (Numeric, Integer | Bigint) => Numeric,
            (Integer | Double, Double | Integer) => Double,
            (Date, Timestamp) | (Timestamp, Date) => Timestamp,
            (Date | Timestamp, Timestamptz) | (Timestamptz, Date | Timestamp) => Text,
            _ => Text,
        }
    }

    /// Whether every field of `other` is one of this type too.
    pub fn takes(self, other: ColumnType) -> bool {
        self.with(other) == self
    }

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            ColumnType::Boolean => "boolean",
            ColumnType::Integer => "integer",
            ColumnType::Bigint => "bigint",
            ColumnType::Numeric => "numeric",
            ColumnType::Double => "double precision",
            ColumnType::Date => "date",
            ColumnType::Timestamp => "timestamp",
            ColumnType::Timestamptz => "timestamptz",
            ColumnType::Uuid => "uuid",
            ColumnType::Empty | ColumnType::Text => "text",
        }
    }
}

fn number(field: &str) -> Option<ColumnType> {
    let digits = field.strip_prefix('-').unwrap_or(field);
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    // A zero in front is part of a code, not of a number.
    let is_plain = all_digits(whole) && (whole == "0" || !whole.starts_with('0'));
    if !is_plain || fraction.is_some_and(|fraction| !all_digits(fraction)) {
        return None;
    }
    if let Some(exponent) = exponent {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        let is_finite = field.parse::<f64>().is_ok_and(f64::is_finite);
        return (all_digits(exponent) && is_finite).then_some(ColumnType::Double);
    }
    Some(match fraction {
        Some(_) => ColumnType::Numeric,
        // `-0` would come back as `0`.
        None if field == "-0" => ColumnType::Text,
        None if field.parse::<i32>().is_ok() => ColumnType::Integer,
        None if field.parse::<i64>().is_ok() => ColumnType::Bigint,
        None => ColumnType::Numeric,
    })
}

/// `2024-02-29`, `2024-02-29 12:30[:45[.5]][Z|+02[:00]]`, also with a `T`.
fn date_or_time(field: &str) -> Option<ColumnType> {
    let date = field.get(..10)?;
    if !is_date(date) {
        return None;
    }
    let rest = &field[10..];
    if rest.is_empty() {
        return Some(ColumnType::Date);
    }
    let time = rest.strip_prefix([' ', 'T'])?;
    let zone = time.find(['Z', '+', '-']);
    let (time, zone) = time.split_at(zone.unwrap_or(time.len()));
    if !is_time(time) {
        return None;
    }
    match zone {
        "" => Some(ColumnType::Timestamp),
        "Z" => Some(ColumnType::Timestamptz),
        zone => {
            let digits: String = zone[1..].chars().filter(|it| *it != ':').collect();
            let is_zone =
                matches!(digits.len(), 2 | 4) && digits.bytes().all(|it| it.is_ascii_digit());
            let hours = digits.get(..2)?.parse::<u32>().ok()?;
            (is_zone && hours < 15).then_some(ColumnType::Timestamptz)
        }
    }
}

fn is_date(date: &str) -> bool {
    let mut parts = date
        .split('-')
        .map(|part| (part.len(), part.parse::<u32>().ok()));
    let (Some((4, Some(year))), Some((2, Some(month))), Some((2, Some(day))), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => 0,
    };
    year > 0 && (1..=days).contains(&day)
}

fn is_time(time: &str) -> bool {
    let (whole, fraction) = match time.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (time, None),
    };
    let is_fraction =
        |text: &str| (1..=6).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
    let parts: Vec<&str> = whole.split(':').collect();
    let limits = [24, 60, 60];
    (2..=3).contains(&parts.len())
        && (fraction.is_none() || parts.len() == 3)
        && fraction.is_none_or(is_fraction)
        && parts.iter().zip(limits).all(|(part, limit)| {
            part.len() == 2 && part.parse::<u32>().is_ok_and(|number| number < limit)
        })
}

fn uuid(bytes: &[u8]) -> Option<ColumnType> {
    let is_uuid = bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            // Capitals would come back small.
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
        });
    is_uuid.then_some(ColumnType::Uuid)
}

#[cfg(test)]
mod tests {
    use super::ColumnType::{
        Bigint, Boolean, Date, Double, Empty, Integer, Numeric, Text, Timestamp, Timestamptz, Uuid,
    };
    use super::*;

    #[test]
    fn a_field_has_the_narrowest_type_that_gives_it_back() {
        for (field, of) in [
            ("", Empty),
            ("true", Boolean),
            ("True", Text),
            ("t", Boolean),
            ("f", Boolean),
            ("T", Text),
            ("tr", Text),
            ("0", Integer),
            ("-12", Integer),
            ("007", Text),
            ("-0", Text),
            ("+1", Text),
            ("2147483648", Bigint),
            ("9223372036854775808", Numeric),
            ("1.50", Numeric),
            ("1.", Text),
            (".5", Text),
            ("1e3", Double),
            ("1e999", Text),
            ("NaN", Text),
            ("2024-02-29", Date),
            ("2023-02-29", Text),
            ("2024-02-29 12:30", Timestamp),
            ("2024-02-29T12:30:45.5", Timestamp),
            ("2024-02-29 12:30:45+02", Timestamptz),
            ("2024-02-29 12:30:45Z", Timestamptz),
            ("2024-02-29 25:00", Text),
            ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", Uuid),
            ("1.2.3", Text),
            ("1:2.0-1", Text),
            ("0.0.26-3", Text),
            ("é", Text),
        ] {
            assert_eq!(ColumnType::of(field), of, "{field}");
        }
    }

    #[test]
    fn types_widen_without_loss() {
        for (one, two, both) in [
            (Empty, Date, Date),
            (Integer, Bigint, Bigint),
            (Bigint, Numeric, Numeric),
            (Integer, Double, Double),
            // A double has not the digits of these.
            (Bigint, Double, Text),
            (Numeric, Double, Text),
            (Date, Timestamp, Timestamp),
            (Integer, Date, Text),
            (Boolean, Integer, Text),
        ] {
            assert_eq!(one.with(two), both, "{one:?} {two:?}");
            assert_eq!(two.with(one), both, "{two:?} {one:?}");
        }
        assert!(Numeric.takes(Integer) && !Integer.takes(Numeric));
    }
}
