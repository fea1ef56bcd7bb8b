//! A tree as JSON text, with PostgreSQL's blanks. Work that shall stop leaves off within a large one.

use std::fmt::{self, Write};

use super::Json;
use crate::interrupt;

/// What an element or a member counts.
const PART_UNITS: usize = 32;

impl fmt::Display for Json {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => out.write_str("null"),
            Json::Bool(truth) => write!(out, "{truth}"),
            Json::Number(number) => write!(out, "{number}"),
            Json::String(text) => write_string(text, out),
            Json::Array(elements) => {
                out.write_char('[')?;
                for (index, element) in elements.iter().enumerate() {
                    if interrupt::is_stopped(PART_UNITS) {
                        break;
                    }
                    out.write_str(if index > 0 { ", " } else { "" })?;
                    element.fmt(out)?;
                }
                out.write_char(']')
            }
            Json::Object(members) => {
                out.write_char('{')?;
                for (index, (key, value)) in members.iter().enumerate() {
                    if interrupt::is_stopped(PART_UNITS) {
                        break;
                    }
                    out.write_str(if index > 0 { ", " } else { "" })?;
                    write_string(key, out)?;
                    out.write_str(": ")?;
                    value.fmt(out)?;
                }
                out.write_char('}')
            }
        }
    }
}

/// Writes a string in quotes, escaping what must be.
pub(crate) fn write_string(text: &str, out: &mut impl Write) -> fmt::Result {
    out.write_char('"')?;
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\x08' => "\\b",
            b'\x0c' => "\\f",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..b' ' => "",
            _ => continue,
        };
        out.write_str(&text[plain..index])?;
        plain = index + 1;
        if escape.is_empty() {
            write!(out, "\\u{byte:04x}")?
        } else {
            out.write_str(escape)?
        }
    }
    out.write_str(&text[plain..])?;
    out.write_char('"')
}
