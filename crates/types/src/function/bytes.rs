//! Functions of `bytea`: parts, bits, encodings, hashes; and identifiers drawn at random.

use std::sync::Arc;

use sha2::Digest;

use super::digest::{md5, parts};
use super::text::window;
use super::{Row, VALUE_BYTES_MAX, invalid, raw, row, too_long};
use crate::error::{Error, Result, SqlState};
use crate::interrupt;
use crate::text::Text;
use crate::value::Value;

pub(super) static ROWS: &[Row] = &[
    row!("substring(bytea, int4) bytea", |bytes: &[u8], from: i32| {
        part(bytes, from, None)
    }),
    row!(
        "substring(bytea, int4, int4) bytea",
        |bytes: &[u8], from: i32, length: i32| part(bytes, from, Some(length))
    ),
    row!("substr(bytea, int4) bytea", |bytes: &[u8], from: i32| part(
        bytes, from, None
    )),
    row!(
        "substr(bytea, int4, int4) bytea",
        |bytes: &[u8], from: i32, length: i32| part(bytes, from, Some(length))
    ),
    row!(
        "overlay(bytea, bytea, int4) bytea",
        |bytes: &[u8], new: &[u8], from: i32| overlay(bytes, new, from, new.len() as i32)
    ),
    row!(
        "overlay(bytea, bytea, int4, int4) bytea",
        |bytes: &[u8], new: &[u8], from: i32, length: i32| overlay(bytes, new, from, length)
    ),
    row!(
        "position(bytea, bytea) int4",
        |bytes: &[u8], part: &[u8]| Ok(position(bytes, part))
    ),
    row!("btrim(bytea, bytea) bytea", |bytes: &[u8], set: &[u8]| Ok(
        trimmed(bytes, set, true, true)
    )),
    row!("ltrim(bytea, bytea) bytea", |bytes: &[u8], set: &[u8]| Ok(
        trimmed(bytes, set, true, false)
    )),
    row!("rtrim(bytea, bytea) bytea", |bytes: &[u8], set: &[u8]| Ok(
        trimmed(bytes, set, false, true)
    )),
    row!("bit_count(bytea) int8", |bytes: &[u8]| Ok(bytes
        .iter()
        .map(|byte| i64::from(byte.count_ones()))
        .sum::<i64>())),
    row!("get_byte(bytea, int4) int4", |bytes: &[u8], index: i32| {
        let index = place(index.into(), bytes.len() as i64)?;
        Ok(i32::from(bytes[index]))
    }),
    row!(
        "set_byte(bytea, int4, int4) bytea",
        |bytes: &[u8], index: i32, new: i32| {
            let index = place(index.into(), bytes.len() as i64)?;
            let mut changed = bytes.to_vec();
            changed[index] = new as u8;
            Ok(Value::from(changed))
        }
    ),
    row!("get_bit(bytea, int8) int4", |bytes: &[u8], index: i64| {
        let index = place(index, bytes.len() as i64 * 8)?;
        Ok(i32::from(bytes[index / 8] >> (index % 8) & 1))
    }),
    row!(
        "set_bit(bytea, int8, int4) bytea",
        |bytes: &[u8], index: i64, new: i32| set_bit(bytes, index, new)
    ),
    row!("encode(bytea, text) text", |bytes: &[u8], form: &Text| {
        encode(bytes, form)
    }),
    row!("decode(text, text) bytea", |text: &Text, form: &Text| {
        decode(text, form)
    }),
    row!("md5(text) text", |text: &Text| md5(text.as_bytes())
        .map(Value::from)),
    row!("md5(bytea) text", |bytes: &[u8]| md5(bytes)
        .map(Value::from)),
    row!("sha224(bytea) bytea", |bytes: &[u8]| sha::<sha2::Sha224>(
        bytes
    )),
    row!("sha256(bytea) bytea", |bytes: &[u8]| sha::<sha2::Sha256>(
        bytes
    )),
    row!("sha384(bytea) bytea", |bytes: &[u8]| sha::<sha2::Sha384>(
        bytes
    )),
    row!("sha512(bytea) bytea", |bytes: &[u8]| sha::<sha2::Sha512>(
        bytes
    )),
    raw!("gen_random_uuid() uuid volatile", |_, scope| {
        let mut bytes = [0; 16];
        scope.host.random_bytes(&mut bytes);
        // Version 4, variant 1 of RFC 9562.
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Ok(Value::Uuid(bytes))
    }),
];

fn sha<D: Digest>(bytes: &[u8]) -> Result<Value> {
    let mut hash = D::new();
    for part in parts(bytes) {
        hash.update(part?);
    }
    Ok(Value::from(&hash.finalize()[..]))
}

fn part(bytes: &[u8], from: i32, length: Option<i32>) -> Result<Value> {
    let (skip, taken) = window(from, length)?;
    let rest = bytes.get(skip..).unwrap_or(&[]);
    Ok(Value::from(
        taken.and_then(|taken| rest.get(..taken)).unwrap_or(rest),
    ))
}

fn overlay(bytes: &[u8], new: &[u8], from: i32, length: i32) -> Result<Value> {
    if from <= 0 {
        let words = "negative substring length not allowed";
        return Err(Error::new(SqlState::SUBSTRING_ERROR, words));
    }
    let after = from
        .checked_add(length)
        .ok_or_else(|| Error::out_of_range("integer"))?;
    let start = &bytes[..(from as usize - 1).min(bytes.len())];
    let rest = usize::try_from(i64::from(after) - 1).unwrap_or(0);
    let rest = bytes.get(rest..).unwrap_or(&[]);
    if start.len() + new.len() + rest.len() > VALUE_BYTES_MAX {
        return Err(too_long());
    }
    Ok(Value::from([start, new, rest].concat()))
}

fn position(bytes: &[u8], part: &[u8]) -> i32 {
    if part.is_empty() {
        return 1;
    }
    let found = bytes.windows(part.len()).position(|window| window == part);
    found.map_or(0, |index| index as i32 + 1)
}

fn trimmed(mut bytes: &[u8], set: &[u8], start: bool, end: bool) -> Value {
    while let Some((first, rest)) = bytes.split_first()
        && start
        && set.contains(first)
    {
        bytes = rest;
    }
    while let Some((last, rest)) = bytes.split_last()
        && end
        && set.contains(last)
    {
        bytes = rest;
    }
    Value::from(bytes)
}

/// An index that is within the bounds.
fn place(index: i64, count: i64) -> Result<usize> {
    if (0..count).contains(&index) {
        return Ok(index as usize);
    }
    let words = format!("index {index} out of valid range, 0..{}", count - 1);
    Err(Error::new(SqlState::ARRAY_SUBSCRIPT_ERROR, words))
}

fn set_bit(bytes: &[u8], index: i64, new: i32) -> Result<Value> {
    let index = place(index, bytes.len() as i64 * 8)?;
    let mut changed = bytes.to_vec();
    let bit = 1 << (index % 8);
    match new {
        0 => changed[index / 8] &= !bit,
        1 => changed[index / 8] |= bit,
        _ => return Err(invalid("new bit must be 0 or 1")),
    }
    Ok(Value::from(changed))
}

fn unknown(form: &str) -> Error {
    invalid(format!("unrecognized encoding: \"{form}\""))
}

fn encode(bytes: &[u8], form: &str) -> Result<Value> {
    let length = match form.to_ascii_lowercase().as_str() {
        "hex" => bytes.len() * 2,
        "base64" => bytes.len() / 3 * 4 + bytes.len() / 57 + 4,
        "escape" => bytes.len(),
        _ => return Err(unknown(form)),
    };
    if length > VALUE_BYTES_MAX {
        return Err(too_long());
    }
    let mut out = String::with_capacity(length);
    match form.to_ascii_lowercase().as_str() {
        "hex" => {
            for byte in bytes {
                interrupt::spend(4)?;
                for digit in [byte >> 4, byte & 15] {
                    let digit = char::from_digit(u32::from(digit), 16);
                    out.push(digit.expect("four bits are a digit"));
                }
            }
        }
        "base64" => base64(bytes, &mut out)?,
        _ => {
            for byte in bytes {
                interrupt::spend(8)?;
                match byte {
                    b'\\' => out.push_str("\\\\"),
                    0 | 0x80.. => out.push_str(&format!("\\{byte:03o}")),
                    byte => out.push(char::from(*byte)),
                }
            }
        }
    }
    Ok(Value::from(out))
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with a line feed after every 76 letters.
fn base64(bytes: &[u8], out: &mut String) -> Result<()> {
    for (index, group) in bytes.chunks(3).enumerate() {
        interrupt::spend(16)?;
        if index > 0 && index % 19 == 0 {
            out.push('\n');
        }
        let byte = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place > group.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    Ok(())
}

fn decode(text: &str, form: &str) -> Result<Value> {
    match form.to_ascii_lowercase().as_str() {
        "hex" => crate::io::parse_hex(text).map(Value::Bytea),
        "escape" => crate::io::parse_escaped(text.as_bytes()).map(Value::Bytea),
        "base64" => from_base64(text).map(|bytes| Value::Bytea(Arc::from(bytes))),
        _ => Err(unknown(form)),
    }
}

fn from_base64(text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut end) = (0_u32, 0, 0);
    for letter in text.chars() {
        interrupt::spend(16)?;
        if matches!(letter, ' ' | '\t' | '\n' | '\r') {
            continue;
        }
        let value = if letter == '=' {
            // Padding may stand for the last letter, or the last two.
            if end == 0 {
                end = match count {
                    2 => 1,
                    3 => 2,
                    _ => return Err(invalid("unexpected \"=\" while decoding base64 sequence")),
                };
            }
            0
        } else {
            let found = LETTERS
                .iter()
                .position(|known| char::from(*known) == letter);
            found.ok_or_else(|| {
                invalid(format!(
                    "invalid symbol \"{letter}\" found while decoding base64 sequence"
                ))
            })? as u32
        };
        bits = bits << 6 | value;
        count += 1;
        if count == 4 {
            let bytes = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
            out.extend_from_slice(&bytes[..if end == 0 { 3 } else { end }]);
            (bits, count) = (0, 0);
        }
    }
    if count != 0 {
        return Err(invalid("invalid base64 end sequence")
            .with_hint("Input data is missing padding, is truncated, or is otherwise corrupted."));
    }
    Ok(out)
}
