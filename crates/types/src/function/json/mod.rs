//! Functions of `json` and `jsonb`.

use std::fmt::Write;

mod build;
mod change;
mod path;
mod read;

pub(super) use build::ROWS as BUILD;
pub(super) use change::ROWS as CHANGE;
pub(super) use path::ROWS as PATH;
pub(super) use read::ROWS as READ;

use crate::array::Array;
use crate::error::{Error, Result, SqlState};
use crate::interrupt;
use crate::io;
use crate::json::{self, Json};
use crate::settings::Settings;
use crate::value::Value;

fn refused(words: &str) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, words)
}

/// What a tree is.
pub(crate) fn type_name(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// A value as a tree.
pub(crate) fn tree(value: &Value, settings: &Settings) -> Result<Json> {
    if let Value::Jsonb(json) = value {
        return Ok(Json::clone(json));
    }
    let mut out = String::new();
    append(value, settings, &mut out)?;
    Json::parse(&out)
}

/// A value as JSON text, as `to_json` writes it.
pub fn json_text(value: &Value, settings: &Settings) -> Result<String> {
    let mut out = String::new();
    append(value, settings, &mut out)?;
    Ok(out)
}

/// Appends a value as JSON text.
pub(crate) fn append(value: &Value, settings: &Settings, out: &mut String) -> Result<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Json(text) => out.push_str(text),
        Value::Array(array) => append_array(array, settings, out)?,
        Value::Record(_) => append_row(value, false, settings, out)?,
        Value::Int2(_) | Value::Int4(_) | Value::Int8(_) | Value::Jsonb(_) => {
            io::format_into(value, &io::evident_type(value), settings, out);
        }
        Value::Float4(_) | Value::Float8(_) | Value::Numeric(_) => {
            let text = io::format(value, &io::evident_type(value), settings);
            if text.ends_with(|letter: char| letter.is_ascii_digit()) {
                out.push_str(&text);
            } else {
                put_string(&text, out);
            }
        }
        Value::Date(_) | Value::Timestamp(_) | Value::Timestamptz(_) => {
            put(
                out,
                format_args!("\"{}\"", crate::datetime::xsd(value, settings)),
            );
        }
        _ => {
            let text = io::format(value, &io::evident_type(value), settings);
            put_string(&text, out);
        }
    }
    Ok(())
}

fn put(out: &mut String, words: std::fmt::Arguments<'_>) {
    out.write_fmt(words)
        .expect("writing to a string cannot fail");
}

/// Appends a string in quotes.
fn put_string(text: &str, out: &mut String) {
    json::write_string(text, out).expect("writing to a string cannot fail");
}

/// Appends a row, its members on lines of their own if asked for.
fn append_row(row: &Value, lines: bool, settings: &Settings, out: &mut String) -> Result<()> {
    let Value::Record(fields) = row else {
        return Err(Error::mismatch(row.kind()));
    };
    out.push('{');
    for (index, field) in fields.iter().enumerate() {
        let comma = match (index, lines) {
            (0, _) => "",
            (_, false) => ",",
            (_, true) => ",\n ",
        };
        out.push_str(comma);
        put_string(&fields.name(index), out);
        out.push(':');
        append(field, settings, out)?;
    }
    out.push('}');
    Ok(())
}

fn append_array(array: &Array, settings: &Settings, out: &mut String) -> Result<()> {
    append_lines(array, false, settings, out)
}

/// Appends an array, the outermost elements on lines of their own if asked for.
fn append_lines(array: &Array, lines: bool, settings: &Settings, out: &mut String) -> Result<()> {
    let lengths: Vec<usize> = array
        .dimensions()
        .iter()
        .map(|dimension| dimension.length as usize)
        .collect();
    append_level(&lengths, array.values(), lines, settings, out)
}

/// What writing an element of an array counts.
const ELEMENT_UNITS: usize = 64;

fn append_level(
    lengths: &[usize],
    values: &[Value],
    lines: bool,
    settings: &Settings,
    out: &mut String,
) -> Result<()> {
    let Some((length, inner)) = lengths.split_first() else {
        out.push_str("[]");
        return Ok(());
    };
    out.push('[');
    for (index, part) in values.chunks(values.len() / length).enumerate() {
        interrupt::spend(ELEMENT_UNITS)?;
        if index > 0 {
            out.push_str(if lines { ",\n " } else { "," });
        }
        if inner.is_empty() {
            append(&part[0], settings, out)?;
        } else {
            append_level(inner, part, false, settings, out)?;
        }
    }
    out.push(']');
    Ok(())
}

/// The name of a member, as a value gives it; it is not NULL.
pub(crate) fn key(value: &Value, settings: &Settings) -> Result<String> {
    match value {
        Value::Array(_) | Value::Record(_) | Value::Json(_) | Value::Jsonb(_) => Err(refused(
            "key value must be scalar, not array, composite, or json",
        )),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Date(_) | Value::Timestamp(_) | Value::Timestamptz(_) => {
            Ok(crate::datetime::xsd(value, settings))
        }
        value => Ok(io::format(value, &io::evident_type(value), settings)),
    }
}

/// Appends the name of a member in quotes.
pub(crate) fn append_key(value: &Value, settings: &Settings, out: &mut String) -> Result<()> {
    put_string(&key(value, settings)?, out);
    Ok(())
}
