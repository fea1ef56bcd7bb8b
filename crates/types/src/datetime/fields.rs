//! Text of a date, time or interval, cut into fields.
//!
//! The cuts are PostgreSQL's: `1999-Jan-08 04:05:06.5 PST` is a date, a time and a word. What the
//! fields mean is decided later, by what came before them.

/// What a field looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Digits, perhaps with a point.
    Number,
    /// Digits and letters with `-`, `/` or `.` between; or a zone's name.
    Date,
    /// Digits with colons.
    Time,
    /// A sign and digits.
    Zone,
    /// Letters.
    Word,
    /// A sign and letters.
    Special,
}

/// A field, in lower case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Field {
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// The most fields, and the most bytes of all of them.
const FIELDS_MAX: usize = 25;
const BYTES_MAX: usize = 128;

/// Why text is no date or time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    BadFormat,
    FieldOverflow,
    /// A month or day is out of range; perhaps they are in another order.
    MonthDayOverflow,
    IntervalOverflow,
    ZoneOverflow,
    BadZone(String),
}

/// Cuts text into fields.
pub(super) fn split(text: &str) -> Result<Vec<Field>, Fault> {
    let bytes = text.as_bytes();
    let mut fields = Vec::new();
    let mut used = 0;
    let mut at = 0;
    while let Some(first) = bytes.get(at).copied() {
        if is_space(first) {
            at += 1;
            continue;
        }
        let (kind, field, next) = match first {
            b'0'..=b'9' => number(bytes, at),
            b'.' => {
                let end = skip(bytes, at + 1, |byte| byte.is_ascii_digit());
                (Kind::Number, bytes[at..end].to_vec(), end)
            }
            b'a'..=b'z' | b'A'..=b'Z' => word(bytes, at),
            b'+' | b'-' => signed(bytes, at)?,
            other if other.is_ascii_punctuation() => {
                at += 1;
                continue;
            }
            _ => return Err(Fault::BadFormat),
        };
        used += field.len() + 1;
        if fields.len() == FIELDS_MAX || used > BYTES_MAX {
            return Err(Fault::BadFormat);
        }
        let text = String::from_utf8(field).map_err(|_| Fault::BadFormat)?;
        fields.push(Field {
            kind,
            text: text.to_ascii_lowercase(),
        });
        at = next;
    }
    Ok(fields)
}

type Cut = (Kind, Vec<u8>, usize);

fn number(bytes: &[u8], start: usize) -> Cut {
    let digits = |from| skip(bytes, from, |byte| byte.is_ascii_digit());
    let end = digits(start);
    let (kind, end) = match bytes.get(end) {
        Some(b':') => {
            let end = skip(bytes, end, |byte| {
                byte.is_ascii_digit() || byte == b':' || byte == b'.'
            });
            (Kind::Time, end)
        }
        Some(delimiter @ (b'-' | b'/' | b'.')) => {
            let after = end + 1;
            if bytes.get(after).is_some_and(u8::is_ascii_digit) {
                let kind = if *delimiter == b'.' {
                    Kind::Number
                } else {
                    Kind::Date
                };
                let end = digits(after);
                if bytes.get(end) == Some(delimiter) {
                    let rest = |byte: u8| byte.is_ascii_digit() || byte == *delimiter;
                    (Kind::Date, skip(bytes, end, rest))
                } else {
                    (kind, end)
                }
            } else {
                let rest = |byte: u8| byte.is_ascii_alphanumeric() || byte == *delimiter;
                (Kind::Date, skip(bytes, after, rest))
            }
        }
        _ => (Kind::Number, end),
    };
    (kind, bytes[start..end].to_vec(), end)
}

fn word(bytes: &[u8], start: usize) -> Cut {
    let end = skip(bytes, start, |byte| byte.is_ascii_alphabetic());
    let text = String::from_utf8_lossy(&bytes[start..end]).to_ascii_lowercase();
    let is_date = match bytes.get(end) {
        Some(b'-' | b'/' | b'.') => true,
        Some(b'+' | b'0'..=b'9') => super::words::word(&text).is_none(),
        _ => false,
    };
    if !is_date {
        return (Kind::Word, bytes[start..end].to_vec(), end);
    }
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"+-/_.:".contains(&byte);
    let end = skip(bytes, end, name);
    (Kind::Date, bytes[start..end].to_vec(), end)
}

fn signed(bytes: &[u8], start: usize) -> Result<Cut, Fault> {
    let from = skip(bytes, start + 1, is_space);
    let (kind, end) = match bytes.get(from) {
        Some(b'0'..=b'9') => {
            let rest = |byte: u8| byte.is_ascii_digit() || b":.-".contains(&byte);
            (Kind::Zone, skip(bytes, from, rest))
        }
        Some(byte) if byte.is_ascii_alphabetic() => (
            Kind::Special,
            skip(bytes, from, |byte| byte.is_ascii_alphabetic()),
        ),
        _ => return Err(Fault::BadFormat),
    };
    let mut field = vec![bytes[start]];
    field.extend_from_slice(&bytes[from..end]);
    Ok((kind, field, end))
}

fn skip(bytes: &[u8], from: usize, keep: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or(&[]);
    from + rest.iter().take_while(|byte| keep(**byte)).count()
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// A number at the start of `text`, and what follows it.
pub(super) fn integer(text: &str) -> Result<(i64, &str), Fault> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let end = text.len() - unsigned.len() + digits;
    if digits == 0 {
        return Ok((0, text));
    }
    let number = text[..end].parse().map_err(|_| Fault::FieldOverflow)?;
    Ok((number, &text[end..]))
}

/// The same, within 32 bits.
pub(super) fn small_integer(text: &str) -> Result<(i32, &str), Fault> {
    let (number, rest) = integer(text)?;
    Ok((
        i32::try_from(number).map_err(|_| Fault::FieldOverflow)?,
        rest,
    ))
}

/// `.5` as a fraction; `.` alone is none.
pub(super) fn fraction(text: &str) -> Result<f64, Fault> {
    if text == "." {
        return Ok(0.0);
    }
    let digits = text.strip_prefix('.').ok_or(Fault::BadFormat)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::BadFormat);
    }
    format!("0{text}").parse().map_err(|_| Fault::BadFormat)
}

/// `.5` as microseconds of a second.
pub(super) fn fraction_micros(text: &str) -> Result<i64, Fault> {
    Ok((fraction(text)? * 1e6).round_ties_even() as i64)
}
