//! Functions of text and bytes.
//!
//! Letters are characters of Unicode; upper and lower case are ASCII's, as in collation "C".

use std::sync::Arc;

use super::{Row, Scope, VALUE_BYTES_MAX, invalid, raw, row, too_long};
use crate::array::Array;
use crate::cast::{Cast, CastContext};
use crate::error::{Error, Result, SqlState};
use crate::interrupt;
use crate::io;
use crate::operator::operand::take;
use crate::text::Text;
use crate::types::Type;
use crate::value::Value;

pub(super) static ROWS: &[Row] = &[
    row!("length(text) int4", |text: &Text| Ok(count(text))),
    row!("length(bpchar) int4", |text: &Text| Ok(count(
        without_blanks(text)
    ))),
    row!("length(bytea) int4", |bytes: &[u8]| Ok(bytes.len() as i32)),
    row!("char_length(text) int4", |text: &Text| Ok(count(text))),
    row!("char_length(bpchar) int4", |text: &Text| Ok(count(
        without_blanks(text)
    ))),
    row!("character_length(text) int4", |text: &Text| Ok(count(text))),
    row!("character_length(bpchar) int4", |text: &Text| Ok(count(
        without_blanks(text)
    ))),
    row!("octet_length(text) int4", |text: &Text| Ok(
        text.len() as i32
    )),
    row!("octet_length(bpchar) int4", |text: &Text| Ok(
        text.len() as i32
    )),
    row!("octet_length(bytea) int4", |bytes: &[u8]| Ok(
        bytes.len() as i32
    )),
    row!("bit_length(text) int4", |text: &Text| Ok(
        text.len() as i32 * 8
    )),
    row!("bit_length(bytea) int4", |bytes: &[u8]| Ok(bytes.len()
        as i32
        * 8)),
    row!("upper(text) text", |text: &Text| changed(
        text,
        str::make_ascii_uppercase
    )),
    row!("lower(text) text", |text: &Text| changed(
        text,
        str::make_ascii_lowercase
    )),
    row!("initcap(text) text", |text: &Text| capitalized(text)),
    row!("substr(text, int4) text", |text: &Text, from: i32| part(
        text, from, None
    )),
    row!(
        "substr(text, int4, int4) text",
        |text: &Text, from: i32, length: i32| part(text, from, Some(length))
    ),
    row!("substring(text, int4) text", |text: &Text, from: i32| part(
        text, from, None
    )),
    row!(
        "substring(text, int4, int4) text",
        |text: &Text, from: i32, length: i32| part(text, from, Some(length))
    ),
    row!(
        "overlay(text, text, int4) text",
        |text: &Text, new: &Text, from: i32| overlay(text, new, from, count(new))
    ),
    row!(
        "overlay(text, text, int4, int4) text",
        |text: &Text, new: &Text, from: i32, length: i32| overlay(text, new, from, length)
    ),
    row!("btrim(text) text", |text: &Text| Ok(Value::text(
        text.trim_matches(' ')
    ))),
    row!("ltrim(text) text", |text: &Text| Ok(Value::text(
        text.trim_start_matches(' ')
    ))),
    row!("rtrim(text) text", |text: &Text| Ok(Value::text(
        text.trim_end_matches(' ')
    ))),
    row!("btrim(text, text) text", |text: &Text, set: &Text| Ok(
        Value::text(text.trim_matches(|letter| set.contains(letter)))
    )),
    row!("ltrim(text, text) text", |text: &Text, set: &Text| Ok(
        Value::text(text.trim_start_matches(|letter| set.contains(letter)))
    )),
    row!("rtrim(text, text) text", |text: &Text, set: &Text| Ok(
        Value::text(text.trim_end_matches(|letter| set.contains(letter)))
    )),
    row!(
        "replace(text, text, text) text",
        |text: &Text, old: &Text, new: &Text| replaced(text, old, new)
    ),
    row!(
        "translate(text, text, text) text",
        |text: &Text, from: &Text, to: &Text| translated(text, from, to)
    ),
    row!("position(text, text) int4", |text: &Text, part: &Text| Ok(
        position(text, part)
    )),
    row!("strpos(text, text) int4", |text: &Text, part: &Text| Ok(
        position(text, part)
    )),
    row!(
        "starts_with(text, text) bool",
        |text: &Text, start: &Text| Ok(text.starts_with(start.as_str()))
    ),
    row!("left(text, int4) text", |text: &Text, length: i32| Ok(
        left(text, length)
    )),
    row!("right(text, int4) text", |text: &Text, length: i32| Ok(
        right(text, length)
    )),
    row!("lpad(text, int4) text", |text: &Text, length: i32| padded(
        text, length, " ", true
    )),
    row!(
        "lpad(text, int4, text) text",
        |text: &Text, length: i32, fill: &Text| padded(text, length, fill, true)
    ),
    row!("rpad(text, int4) text", |text: &Text, length: i32| padded(
        text, length, " ", false
    )),
    row!(
        "rpad(text, int4, text) text",
        |text: &Text, length: i32, fill: &Text| padded(text, length, fill, false)
    ),
    row!("repeat(text, int4) text", |text: &Text, times: i32| {
        repeated(text, times)
    }),
    row!("reverse(text) text", |text: &Text| reversed(text)),
    row!(
        "split_part(text, text, int4) text",
        |text: &Text, delimiter: &Text, field: i32| split_part(text, delimiter, field)
    ),
    row!("ascii(text) int4", |text: &Text| Ok(text
        .chars()
        .next()
        .map_or(0, |letter| letter as i32))),
    row!("chr(int4) text", |code: i32| character(code)),
    raw!(
        "concat(variadic any) text stable called",
        |arguments, scope| {
            let mut out = String::new();
            for argument in arguments {
                append(argument, scope, &mut out)?;
            }
            Ok(Value::from(out))
        }
    ),
    raw!(
        "concat_ws(text, variadic any) text stable called",
        |arguments, scope| {
            let [separator, arguments @ ..] = arguments else {
                return Err(super::wrong_count());
            };
            if separator.is_null() {
                return Ok(Value::Null);
            }
            let separator: &Text = take(separator)?;
            let mut out = String::new();
            let given = arguments.iter().filter(|argument| !argument.is_null());
            for (index, argument) in given.enumerate() {
                if index > 0 {
                    out.push_str(separator);
                }
                append(argument, scope, &mut out)?;
            }
            Ok(Value::from(out))
        }
    ),
    row!("quote_ident(text) text", |text: &Text| Ok(Value::from(
        quoted_identifier(text)
    ))),
    row!("quote_literal(text) text", |text: &Text| Ok(Value::from(
        quoted_literal(text)
    ))),
    raw!(
        "quote_literal(anyelement) text stable",
        |arguments, scope| {
            let text = cast_to_text(&arguments[0], scope)?;
            Ok(Value::from(quoted_literal(&text)))
        }
    ),
    row!("quote_nullable(text) text called", |text: Option<&Text>| {
        Ok(Value::from(text.map_or_else(
            || "NULL".to_owned(),
            |text| quoted_literal(text),
        )))
    }),
    raw!(
        "quote_nullable(anyelement) text stable called",
        |arguments, scope| {
            Ok(Value::from(match &arguments[0] {
                Value::Null => "NULL".to_owned(),
                value => quoted_literal(&cast_to_text(value, scope)?),
            }))
        }
    ),
    raw!("num_nulls(variadic any) int4 called", |arguments, _| {
        Ok(Value::Int4(
            arguments.iter().filter(|value| value.is_null()).count() as i32,
        ))
    }),
    raw!("num_nonnulls(variadic any) int4 called", |arguments, _| {
        Ok(Value::Int4(
            arguments.iter().filter(|value| !value.is_null()).count() as i32,
        ))
    }),
    row!(
        "string_to_array(text, text) text[] called",
        |text: Option<&Text>, delimiter: Option<&Text>| {
            text.map(|text| fields_array(text, delimiter, None))
                .transpose()
        }
    ),
    row!(
        "string_to_array(text, text, text) text[] called",
        |text: Option<&Text>, delimiter: Option<&Text>, null: Option<&Text>| {
            text.map(|text| fields_array(text, delimiter, null))
                .transpose()
        }
    ),
];

fn count(text: &str) -> i32 {
    text.chars().count() as i32
}

/// The text of a `char(n)` without its padding.
fn without_blanks(text: &str) -> &str {
    text.trim_end_matches(' ')
}

/// A text of the same length, piece by piece.
fn changed(text: &str, change: impl Fn(&mut str)) -> Result<Value> {
    let mut out = String::with_capacity(text.len());
    for piece in interrupt::pieces(text) {
        let start = out.len();
        out.push_str(piece?);
        change(&mut out[start..]);
    }
    Ok(Value::from(out))
}

/// Each word with a capital.
fn capitalized(text: &str) -> Result<Value> {
    let mut within = false;
    let mut out = String::with_capacity(text.len());
    for piece in interrupt::pieces(text) {
        out.extend(piece?.chars().map(|letter| {
            let changed = if within {
                letter.to_ascii_lowercase()
            } else {
                letter.to_ascii_uppercase()
            };
            within = letter.is_ascii_alphanumeric();
            changed
        }));
    }
    Ok(Value::from(out))
}

fn reversed(text: &str) -> Result<Value> {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars().rev() {
        interrupt::spend(letter.len_utf8())?;
        out.push(letter);
    }
    Ok(Value::from(out))
}

/// The letters from a place, counted from 1; a length reaches from there even if the text does not
/// begin before it.
pub(super) fn part(text: &str, from: i32, length: Option<i32>) -> Result<Value> {
    let (skip, letters) = window(from, length)?;
    let rest = skipped(text, skip);
    let end = letters.and_then(|letters| rest.char_indices().nth(letters));
    Ok(Value::text(end.map_or(rest, |(end, _)| &rest[..end])))
}

/// How many to skip, and how many to take.
pub(super) fn window(from: i32, length: Option<i32>) -> Result<(usize, Option<usize>)> {
    let skip = usize::try_from(i64::from(from) - 1).unwrap_or(0);
    let Some(length) = length else {
        return Ok((skip, None));
    };
    if length < 0 {
        let words = "negative substring length not allowed";
        return Err(Error::new(SqlState::SUBSTRING_ERROR, words));
    }
    let end = i64::from(from) + i64::from(length) - 1;
    let taken = usize::try_from(end).unwrap_or(0).saturating_sub(skip);
    Ok((skip, Some(taken)))
}

/// What follows so many letters.
fn skipped(text: &str, letters: usize) -> &str {
    text.char_indices()
        .nth(letters)
        .map_or("", |(start, _)| &text[start..])
}

fn overlay(text: &str, new: &str, from: i32, length: i32) -> Result<Value> {
    if from <= 0 {
        let words = "negative substring length not allowed";
        return Err(Error::new(SqlState::SUBSTRING_ERROR, words));
    }
    let after = from
        .checked_add(length)
        .ok_or_else(|| Error::out_of_range("integer"))?;
    let rest = skipped(text, usize::try_from(i64::from(after) - 1).unwrap_or(0));
    let start = &text[..text.len() - skipped(text, from as usize - 1).len()];
    joined(&[start, new, rest])
}

/// The texts one after the other, if that is not too long.
fn joined(parts: &[&str]) -> Result<Value> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    if length > VALUE_BYTES_MAX {
        return Err(too_long());
    }
    interrupt::spend(length)?;
    Ok(Value::from(parts.concat()))
}

fn replaced(text: &str, old: &str, new: &str) -> Result<Value> {
    if old.is_empty() {
        return Ok(Value::text(text));
    }
    let mut found = 0;
    let mut seen = 0;
    for (at, _) in text.match_indices(old) {
        interrupt::spend(at - seen + 4)?;
        (found, seen) = (found + 1, at);
    }
    let length = text.len() - found * old.len();
    if length.saturating_add(found.saturating_mul(new.len())) > VALUE_BYTES_MAX {
        return Err(too_long());
    }
    let mut out = String::with_capacity(length + found * new.len());
    let mut rest = 0;
    for (at, _) in text.match_indices(old) {
        interrupt::spend(at - rest + new.len() + 16)?;
        out.push_str(&text[rest..at]);
        out.push_str(new);
        rest = at + old.len();
    }
    out.push_str(&text[rest..]);
    Ok(Value::from(out))
}

/// Each letter of `from` becomes the one in its place in `to`, or goes.
fn translated(text: &str, from: &str, to: &str) -> Result<Value> {
    let to: Vec<char> = to.chars().collect();
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        let place = from.chars().position(|other| other == letter);
        interrupt::spend(place.unwrap_or(from.len()) + 8)?;
        match place {
            Some(place) => out.extend(to.get(place)),
            None => out.push(letter),
        }
    }
    Ok(Value::from(out))
}

fn position(text: &str, part: &str) -> i32 {
    text.find(part).map_or(0, |at| count(&text[..at]) + 1)
}

/// The first letters, or all but the last ones.
fn left(text: &str, length: i32) -> Value {
    let letters = wanted(text, length);
    Value::text(&text[..text.len() - skipped(text, letters).len()])
}

/// The last letters, or all but the first ones.
fn right(text: &str, length: i32) -> Value {
    let total = text.chars().count();
    Value::text(skipped(text, total - wanted(text, length).min(total)))
}

/// How many letters a length means that counts from the other end if it is negative.
fn wanted(text: &str, length: i32) -> usize {
    match usize::try_from(length) {
        Ok(length) => length,
        Err(_) => text
            .chars()
            .count()
            .saturating_sub(length.unsigned_abs() as usize),
    }
}

fn padded(text: &str, length: i32, fill: &str, before: bool) -> Result<Value> {
    let length = usize::try_from(length).unwrap_or(0);
    let letters = text.chars().count();
    // As many bytes as a letter may have are reserved for each.
    if length.saturating_mul(4) > VALUE_BYTES_MAX {
        return Err(too_long());
    }
    if letters >= length || fill.is_empty() {
        let kept = text.char_indices().nth(length);
        return Ok(Value::text(kept.map_or(text, |(end, _)| &text[..end])));
    }
    let mut out = String::new();
    if !before {
        out.push_str(text);
    }
    for letter in fill.chars().cycle().take(length - letters) {
        interrupt::spend(4)?;
        out.push(letter);
    }
    if before {
        out.push_str(text);
    }
    Ok(Value::from(out))
}

/// So many bytes are copied without a question whether to stop.
const REPEATED_AT_ONCE: usize = 1 << 16;

fn repeated(text: &str, times: i32) -> Result<Value> {
    let times = usize::try_from(times).unwrap_or(0);
    if text.len().saturating_mul(times) > VALUE_BYTES_MAX - 4 {
        return Err(too_long());
    }
    let mut out = String::with_capacity(text.len() * times);
    let some = text.repeat((REPEATED_AT_ONCE / text.len().max(1)).clamp(1, times.max(1)));
    while out.len() < text.len() * times {
        interrupt::spend(some.len())?;
        out.push_str(&some[..some.len().min(text.len() * times - out.len())]);
    }
    Ok(Value::from(out))
}

/// A field, counted from 1, or from the end if negative.
fn split_part(text: &str, delimiter: &str, field: i32) -> Result<Value> {
    if field == 0 {
        return Err(invalid("field position must not be zero"));
    }
    if text.is_empty() || delimiter.is_empty() {
        let whole = !text.is_empty() && (field == 1 || field == -1);
        return Ok(Value::text(if whole { text } else { "" }));
    }
    let place = field.unsigned_abs() as usize - 1;
    let found = if field > 0 {
        text.split(delimiter).nth(place)
    } else {
        // From its start, because delimiters may overlap.
        let fields = text.split(delimiter).count();
        fields
            .checked_sub(place + 1)
            .and_then(|place| text.split(delimiter).nth(place))
    };
    Ok(Value::text(found.unwrap_or("")))
}

fn character(code: i32) -> Result<Value> {
    let limit = |words: String| Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, words));
    match u32::try_from(code) {
        Err(_) => Err(invalid("character number must be positive")),
        Ok(0) => limit("null character not permitted".to_owned()),
        Ok(code) => match char::from_u32(code) {
            Some(letter) => Ok(Value::from(letter.to_string())),
            None if code > 0x10_ffff => limit(format!(
                "requested character too large for encoding: {code}"
            )),
            None => limit(format!(
                "requested character not valid for encoding: {code}"
            )),
        },
    }
}

/// Appends the text that a client would see.
pub(super) fn append(value: &Value, scope: &Scope<'_>, out: &mut String) -> Result<()> {
    let before = out.len();
    io::format_into(value, &io::evident_type(value), scope.settings, out);
    if out.len() > VALUE_BYTES_MAX {
        return Err(too_long());
    }
    interrupt::spend(out.len() - before)
}

/// The value as a cast to text has it.
pub(super) fn cast_to_text(value: &Value, scope: &Scope<'_>) -> Result<Text> {
    let of = io::evident_type(value);
    let cast = Cast::find(&of, &Type::TEXT, CastContext::Explicit)
        .ok_or_else(|| Cast::not_possible(&of, &Type::TEXT))?;
    match cast.apply(value, scope.settings)? {
        Value::Text(text) => Ok(text),
        other => Err(Error::mismatch(other.kind())),
    }
}

/// A text in quotes, as SQL writes it; with a backslash in it, with `E` before them.
pub fn quoted_literal(text: &str) -> String {
    let escape = if text.contains('\\') { "E" } else { "" };
    let plain = text.replace('\\', "\\\\").replace('\'', "''");
    format!("{escape}'{plain}'")
}

/// A name as SQL writes it: in quotes unless it is plain and no keyword.
pub fn quoted_identifier(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit();
    let safe = !name.is_empty()
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(plain)
        && !super::keyword::is_reserved(name);
    if safe {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// The fields of a text: letters without a delimiter, all as one with an empty one.
pub(super) fn fields(
    text: &str,
    delimiter: Option<&Text>,
    null: Option<&Text>,
) -> Result<Vec<Value>> {
    let field = |part: &str| {
        interrupt::spend(part.len() + 64)?;
        Ok(match null {
            Some(null) if null.as_str() == part => Value::Null,
            _ => Value::text(part),
        })
    };
    match delimiter {
        _ if text.is_empty() => Ok(Vec::new()),
        None => {
            let mut bytes = [0; 4];
            text.chars()
                .map(|letter| field(letter.encode_utf8(&mut bytes)))
                .collect()
        }
        Some(delimiter) if delimiter.is_empty() => Ok(vec![field(text)?]),
        Some(delimiter) => text.split(delimiter.as_str()).map(field).collect(),
    }
}

fn fields_array(text: &str, delimiter: Option<&Text>, null: Option<&Text>) -> Result<Value> {
    let fields = fields(text, delimiter, null)?;
    Ok(Value::Array(Arc::new(Array::from_values(fields))))
}
