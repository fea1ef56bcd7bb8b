//! Functions of `json` and `jsonb`.

use std::fmt::Write;
use std::sync::Arc;

use super::{Row, raw, row};
use crate::array::Array;
use crate::error::{Error, Result, SqlState};
use crate::io;
use crate::json::{self, Json};
use crate::settings::Settings;
use crate::value::Value;

pub(super) static ROWS: &[Row] = &[
    raw!("to_json(anyelement) json stable", |arguments, scope| {
        let mut out = String::new();
        append(&arguments[0], scope.settings, &mut out)?;
        Ok(Value::Json(out.into()))
    }),
    raw!("to_jsonb(anyelement) jsonb stable", |arguments, scope| {
        Ok(Value::Jsonb(Arc::new(tree(&arguments[0], scope.settings)?)))
    }),
    row!("jsonb_typeof(jsonb) text", |json: &Json| Ok(Value::text(
        type_name(json)
    ))),
    row!("jsonb_array_length(jsonb) int4", |json: &Json| match json {
        Json::Array(elements) => Ok(elements.len() as i32),
        Json::Object(_) => Err(refused("cannot get array length of a non-array")),
        _ => Err(refused("cannot get array length of a scalar")),
    }),
];

fn refused(words: &str) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, words)
}

/// What a tree is.
fn type_name(json: &Json) -> &'static str {
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

/// Appends a value as JSON text.
pub(crate) fn append(value: &Value, settings: &Settings, out: &mut String) -> Result<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Json(text) => out.push_str(text),
        Value::Array(array) => append_array(array, settings, out)?,
        Value::Record(fields) => {
            out.push('{');
            for (index, field) in fields.iter().enumerate() {
                let comma = if index > 0 { "," } else { "" };
                put(out, format_args!("{comma}\"f{}\":", index + 1));
                append(field, settings, out)?;
            }
            out.push('}');
        }
        Value::Int2(_) | Value::Int4(_) | Value::Int8(_) | Value::Jsonb(_) => {
            io::format_into(value, &io::evident_type(value), settings, out);
        }
        Value::Float4(_) | Value::Float8(_) | Value::Numeric(_) => {
            let text = io::format(value, &io::evident_type(value), settings);
            if text.ends_with(|letter: char| letter.is_ascii_digit()) {
                out.push_str(&text);
            } else {
                json::write_string(&text, out).expect("writing to a string cannot fail");
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
            json::write_string(&text, out).expect("writing to a string cannot fail");
        }
    }
    Ok(())
}

fn put(out: &mut String, words: std::fmt::Arguments<'_>) {
    out.write_fmt(words)
        .expect("writing to a string cannot fail");
}

fn append_array(array: &Array, settings: &Settings, out: &mut String) -> Result<()> {
    let lengths: Vec<usize> = array
        .dimensions()
        .iter()
        .map(|dimension| dimension.length as usize)
        .collect();
    append_level(&lengths, array.values(), settings, out)
}

fn append_level(
    lengths: &[usize],
    values: &[Value],
    settings: &Settings,
    out: &mut String,
) -> Result<()> {
    let Some((length, inner)) = lengths.split_first() else {
        out.push_str("[]");
        return Ok(());
    };
    out.push('[');
    for (index, part) in values.chunks(values.len() / length).enumerate() {
        if index > 0 {
            out.push(',');
        }
        if inner.is_empty() {
            append(&part[0], settings, out)?;
        } else {
            append_level(inner, part, settings, out)?;
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
    json::write_string(&key(value, settings)?, out).expect("writing to a string cannot fail");
    Ok(())
}
