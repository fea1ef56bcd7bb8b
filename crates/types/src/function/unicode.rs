//! Functions of text as bytes and code points: encodings, escapes, normal forms, identifiers,
//! sizes.

use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;

use super::{Row, invalid, row};
use crate::array::Array;
use crate::error::{Error, Result, SqlState};
use crate::interrupt;
use crate::modifier::Modifier;
use crate::numeric::Numeric;
use crate::text::Text;
use crate::value::Value;

pub(super) static ROWS: &[Row] = &[
    row!(
        "convert_from(bytea, name) text stable",
        |bytes: &[u8], from: &Text| {
            let from = Encoding::named(from, "source")?;
            from.decode(bytes).map(Value::from)
        }
    ),
    row!(
        "convert_to(text, name) bytea stable",
        |text: &Text, to: &Text| {
            let to = Encoding::named(to, "destination")?;
            to.encode(text).map(|bytes| Value::Bytea(bytes.into()))
        }
    ),
    row!(
        "convert(bytea, name, name) bytea stable",
        |bytes: &[u8], from: &Text, to: &Text| {
            let from = Encoding::named(from, "source")?;
            let to = Encoding::named(to, "destination")?;
            let text = from.decode(bytes)?;
            to.encode(&text).map(|bytes| Value::Bytea(bytes.into()))
        }
    ),
    row!("unistr(text) text", |text: &Text| unescaped(text)
        .map(Value::from)),
    row!(
        "normalize(text, text = NFC) text",
        |text: &Text, form: &Text| normalized(text, form).map(Value::from)
    ),
    row!(
        "is_normalized(text, text = NFC) bool",
        |text: &Text, form: &Text| Ok(normalized(text, form)? == text.as_str())
    ),
    row!(
        "parse_ident(str text, strict bool = true) text[]",
        |text: &Text, strict: bool| {
            let parts = identifiers(text, strict)?;
            let parts = parts.into_iter().map(Value::from).collect();
            Ok(Value::Array(Arc::new(Array::from_values(parts))))
        }
    ),
    row!("pg_size_bytes(text) int8", |text: &Text| size_of_text(text)),
    row!("pg_size_pretty(int8) text", |size: i64| Ok(Value::from(
        pretty(size)
    ))),
    row!("pg_size_pretty(numeric) text", |size: &Numeric| {
        pretty_numeric(size).map(Value::from)
    }),
];

/// How text is written in bytes.
#[derive(Clone, Copy, PartialEq)]
enum Encoding {
    Utf8,
    Latin1,
    /// Bytes as they are.
    Ascii,
}

/// The names of encodings that PostgreSQL has and this has not, without their marks.
const OTHER_ENCODINGS: &[&str] = &[
    "abc",
    "alt",
    "big5",
    "euccn",
    "eucjis2004",
    "eucjp",
    "euckr",
    "euctw",
    "gb18030",
    "gbk",
    "iso88592",
    "iso88593",
    "iso88594",
    "iso88595",
    "iso88596",
    "iso88597",
    "iso88598",
    "iso88599",
    "iso885910",
    "iso885913",
    "iso885914",
    "iso885915",
    "iso885916",
    "johab",
    "koi8",
    "koi8r",
    "koi8u",
    "latin10",
    "latin2",
    "latin3",
    "latin4",
    "latin5",
    "latin6",
    "latin7",
    "latin8",
    "latin9",
    "muleinternal",
    "mskanji",
    "shiftjis",
    "shiftjis2004",
    "sjis",
    "tcvn",
    "tcvn5712",
    "uhc",
    "vscii",
    "win",
    "win1250",
    "win1251",
    "win1252",
    "win1253",
    "win1254",
    "win1255",
    "win1256",
    "win1257",
    "win1258",
    "win866",
    "win874",
    "win932",
    "win936",
    "win949",
    "win950",
    "windows1250",
    "windows1251",
    "windows1252",
    "windows1253",
    "windows1254",
    "windows1255",
    "windows1256",
    "windows1257",
    "windows1258",
    "windows866",
    "windows874",
    "windows932",
    "windows936",
    "windows949",
    "windows950",
];

impl Encoding {
    fn named(name: &str, role: &str) -> Result<Encoding> {
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        let plain: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
        match plain.as_str() {
            "utf8" | "unicode" => Ok(Encoding::Utf8),
            "latin1" | "iso88591" => Ok(Encoding::Latin1),
            "sqlascii" => Ok(Encoding::Ascii),
            plain if OTHER_ENCODINGS.contains(&plain) => {
                let message = format!("the encoding {name} is not supported");
                Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message))
            }
            _ => Err(invalid(format!("invalid {role} encoding name \"{name}\""))),
        }
    }

    fn decode(self, bytes: &[u8]) -> Result<String> {
        match self {
            Encoding::Latin1 => match bytes.contains(&0) {
                true => Err(invalid_bytes("LATIN1", &[0])),
                false => Ok(bytes.iter().copied().map(char::from).collect()),
            },
            Encoding::Utf8 | Encoding::Ascii => utf8(bytes).map(str::to_owned),
        }
    }

    fn encode(self, text: &str) -> Result<Vec<u8>> {
        if self != Encoding::Latin1 {
            return Ok(text.as_bytes().to_vec());
        }
        let byte = |letter: char| {
            u8::try_from(u32::from(letter)).map_err(|_| {
                let mut bytes = [0; 4];
                let shown = hexadecimal(letter.encode_utf8(&mut bytes).as_bytes());
                let message = format!(
                    "character with byte sequence {shown} in encoding \"UTF8\" has no equivalent \
                     in encoding \"LATIN1\""
                );
                Error::new(SqlState::UNTRANSLATABLE_CHARACTER, message)
            })
        };
        text.chars().map(byte).collect()
    }
}

/// Bytes as text, which has no zeros in it.
fn utf8(bytes: &[u8]) -> Result<&str> {
    let zero = bytes.iter().position(|byte| *byte == 0);
    let (valid, wrong) = match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(error.valid_up_to())),
    };
    let at = match (zero, wrong) {
        (Some(zero), Some(wrong)) => Some(zero.min(wrong)),
        (zero, wrong) => zero.or(wrong),
    };
    match (valid, at) {
        (Some(text), None) => Ok(text),
        (_, at) => {
            let rest = &bytes[at.unwrap_or(0)..];
            let length = match rest.first() {
                Some(0xc0..=0xdf) => 2,
                Some(0xe0..=0xef) => 3,
                Some(0xf0..=0xf7) => 4,
                _ => 1,
            };
            Err(invalid_bytes("UTF8", &rest[..length.min(rest.len())]))
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
    bytes.join(" ")
}

fn invalid_bytes(encoding: &str, bytes: &[u8]) -> Error {
    let shown = hexadecimal(bytes);
    let message = format!("invalid byte sequence for encoding \"{encoding}\": {shown}");
    Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message)
}

fn normalized(text: &str, form: &str) -> Result<String> {
    /// What a letter counts.
    const UNITS: usize = 32;
    let collected = |letters: &mut dyn Iterator<Item = char>| {
        let counted = letters.map(|letter| interrupt::spend(UNITS).map(|()| letter));
        counted.collect()
    };
    match form.to_ascii_uppercase().as_str() {
        "NFC" => collected(&mut text.nfc()),
        "NFD" => collected(&mut text.nfd()),
        "NFKC" => collected(&mut text.nfkc()),
        "NFKD" => collected(&mut text.nfkd()),
        _ => Err(invalid(format!("invalid normalization form: {form}"))),
    }
}

/// A text with `\0041`, `\+000041`, `\u0041`, `\U00000041` and `\\` in it.
fn unescaped(text: &str) -> Result<String> {
    let pair = || Error::new(SqlState::SYNTAX_ERROR, "invalid Unicode surrogate pair");
    let mut out = String::with_capacity(text.len());
    let mut high: Option<u32> = None;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let (code, length) = match letter {
            '\\' if !rest[1..].starts_with('\\') => code_point(&rest[1..])?,
            letter => {
                if high.is_some() {
                    return Err(pair());
                }
                out.push(letter);
                let escaped = letter == '\\';
                rest = &rest[letter.len_utf8() + usize::from(escaped)..];
                continue;
            }
        };
        rest = &rest[1 + length..];
        let whole = match (high.take(), code) {
            (Some(high), 0xdc00..0xe000) => 0x10000 + ((high & 0x3ff) << 10) + (code & 0x3ff),
            (Some(_), _) | (None, 0xdc00..0xe000) => return Err(pair()),
            (None, 0xd800..0xdc00) => {
                high = Some(code);
                continue;
            }
            (None, code) => code,
        };
        out.extend(char::from_u32(whole));
    }
    match high {
        Some(_) => Err(pair()),
        None => Ok(out),
    }
}

/// The code point behind a backslash, and how many letters it takes.
fn code_point(rest: &str) -> Result<(u32, usize)> {
    let (mark, digits) = match rest.chars().next() {
        Some('u') => (1, 4),
        Some('+') => (1, 6),
        Some('U') => (1, 8),
        _ => (0, 4),
    };
    let written = rest.get(mark..mark + digits);
    let written = written.filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let Some(code) = written.and_then(|text| u32::from_str_radix(text, 16).ok()) else {
        let hint = "Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.";
        let error = Error::new(SqlState::SYNTAX_ERROR, "invalid Unicode escape");
        return Err(error.with_hint(hint));
    };
    if code == 0 || code > 0x10_ffff {
        return Err(invalid(format!("invalid Unicode code point: {code:04X}")));
    }
    Ok((code, mark + digits))
}

/// The parts of a name with dots, as SQL reads them.
fn identifiers(text: &str, strict: bool) -> Result<Vec<String>> {
    let wrong = |detail: Option<&str>| {
        let error = invalid(format!("string is not a valid identifier: \"{text}\""));
        match detail {
            Some(detail) => error.with_detail(detail),
            None => error,
        }
    };
    let blank = |letter: char| letter.is_ascii_whitespace() || letter == '\x0b';
    let begins = |letter: char| letter.is_ascii_alphabetic() || letter == '_' || !letter.is_ascii();
    let goes_on = |letter: char| begins(letter) || letter.is_ascii_digit() || letter == '$';
    let mut parts = Vec::new();
    let mut rest = text.trim_start_matches(blank);
    let mut behind_dot = false;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut part = String::new();
            let mut inner = quoted;
            loop {
                let end = inner.find('"');
                let end = end.ok_or_else(|| wrong(Some("String has unclosed double quotes.")))?;
                part.push_str(&inner[..end]);
                inner = &inner[end + 1..];
                match inner.strip_prefix('"') {
                    Some(more) => {
                        part.push('"');
                        inner = more;
                    }
                    None => break,
                }
            }
            if part.is_empty() {
                return Err(wrong(Some("Quoted identifier must not be empty.")));
            }
            parts.push(part);
            rest = inner;
        } else if rest.starts_with(begins) {
            let end = rest.find(|letter| !goes_on(letter)).unwrap_or(rest.len());
            parts.push(rest[..end].to_ascii_lowercase());
            rest = &rest[end..];
        } else if rest.starts_with('.') {
            return Err(wrong(Some("No valid identifier before \".\".")));
        } else if behind_dot {
            return Err(wrong(Some("No valid identifier after \".\".")));
        } else {
            return Err(wrong(None));
        }
        rest = rest.trim_start_matches(blank);
        if let Some(after) = rest.strip_prefix('.') {
            behind_dot = true;
            rest = after.trim_start_matches(blank);
        } else if rest.is_empty() || !strict {
            return Ok(parts);
        } else {
            return Err(wrong(None));
        }
    }
}

/// `'1.5 MB'` in bytes.
fn size_of_text(text: &str) -> Result<i64> {
    let wrong = |detail: Option<String>| {
        let error = invalid(format!("invalid size: \"{text}\""));
        match detail {
            Some(detail) => error.with_detail(detail),
            None => error,
        }
    };
    let trimmed = text.trim_matches(|letter: char| letter.is_ascii_whitespace());
    let digits = |from: usize| {
        let rest = trimmed.get(from..).unwrap_or_default();
        rest.bytes().take_while(u8::is_ascii_digit).count()
    };
    let byte = |at: usize| trimmed.as_bytes().get(at).copied();
    let mut end = usize::from(matches!(byte(0), Some(b'+' | b'-')));
    let whole = digits(end);
    end += whole;
    let mut fraction = 0;
    if byte(end) == Some(b'.') {
        fraction = digits(end + 1);
        end += 1 + fraction;
    }
    if whole + fraction == 0 {
        return Err(wrong(None));
    }
    if matches!(byte(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(byte(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let number = Numeric::parse(&trimmed[..end], Modifier::NONE)?;
    let unit = trimmed[end..].trim_start();
    let units = ["", "bytes", "kb", "mb", "gb", "tb", "pb"];
    let place = units
        .iter()
        .position(|known| unit.eq_ignore_ascii_case(known));
    let Some(place) = place else {
        let error = wrong(Some(format!("Invalid size unit: \"{unit}\".")));
        let hint = "Valid units are \"bytes\", \"kB\", \"MB\", \"GB\", \"TB\", and \"PB\".";
        return Err(error.with_hint(hint));
    };
    let factor = 1_i64 << (10 * place.saturating_sub(1));
    number.multiply(&Numeric::from(factor))?.to_i64()
}

/// Units, and below how many halves of them (of bytes: how many) the next one is not taken.
const UNITS: [(&str, i64); 6] = [
    ("bytes", 10 * 1024),
    ("kB", 20 * 1024 - 1),
    ("MB", 20 * 1024 - 1),
    ("GB", 20 * 1024 - 1),
    ("TB", 20 * 1024 - 1),
    ("PB", 20 * 1024 - 1),
];

/// By how many the number for a unit is divided for the next one: from kilobytes on numbers count
/// halves, to be rounded.
fn step_to(place: usize) -> i64 {
    if place == 0 { 512 } else { 1024 }
}

fn pretty(size: i64) -> String {
    let mut size = size;
    for (place, (unit, limit)) in UNITS.iter().enumerate() {
        if place + 1 == UNITS.len() || size.unsigned_abs() < limit.unsigned_abs() {
            if place > 0 {
                size = (size + if size < 0 { -1 } else { 1 }) / 2;
            }
            return format!("{size} {unit}");
        }
        size /= step_to(place);
    }
    String::new()
}

fn pretty_numeric(size: &Numeric) -> Result<String> {
    let mut size = size.clone();
    for (place, (unit, limit)) in UNITS.iter().enumerate() {
        if place + 1 == UNITS.len() || size.absolute() < Numeric::from(*limit) {
            if place > 0 {
                let one = Numeric::from(if size.signum() == Some(-1) { -1 } else { 1 });
                size = size.add(&one)?.divide_truncated(&Numeric::from(2))?;
            }
            return Ok(format!("{size} {unit}"));
        }
        size = size.divide_truncated(&Numeric::from(step_to(place)))?;
    }
    Ok(String::new())
}
