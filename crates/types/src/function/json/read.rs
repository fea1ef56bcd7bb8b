//! Looking into JSON: kinds, lengths, members and elements.

use std::sync::Arc;

use super::{refused, type_name};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::function::{Body, Row, Rows, row};
use crate::json::{self, Json, Step};
use crate::operator::operand::{JsonText, take};
use crate::text::Text;
use crate::value::Value;

pub(in crate::function) static ROWS: &[Row] = &[
    row!("json_typeof(json) text", |json: JsonText<'_>| Ok(
        Value::text(kind(json.0))
    )),
    row!("jsonb_typeof(jsonb) text", |json: &Json| Ok(Value::text(
        type_name(json)
    ))),
    row!(
        "json_array_length(json) int4",
        |json: JsonText<'_>| match json::elements(json.0)? {
            Some(elements) => Ok(elements.len() as i32),
            None if kind(json.0) == "object" =>
                Err(refused("cannot get array length of a non-array")),
            None => Err(refused("cannot get array length of a scalar")),
        }
    ),
    row!("jsonb_array_length(jsonb) int4", |json: &Json| match json {
        Json::Array(elements) => Ok(elements.len() as i32),
        Json::Object(_) => Err(refused("cannot get array length of a non-array")),
        _ => Err(refused("cannot get array length of a scalar")),
    }),
    row!(
        "json_object_field(from_json json, field_name text) json",
        |json: JsonText<'_>, key: &Text| { found(json.0, &[Step::Key(key)]) }
    ),
    row!(
        "json_object_field_text(from_json json, field_name text) text",
        |json: JsonText<'_>, key: &Text| { found_text(json.0, &[Step::Key(key)]) }
    ),
    row!(
        "json_array_element(from_json json, element_index int4) json",
        |json: JsonText<'_>, index: i32| { found(json.0, &[Step::Index(index.into())]) }
    ),
    row!(
        "json_array_element_text(from_json json, element_index int4) text",
        |json: JsonText<'_>, index: i32| { found_text(json.0, &[Step::Index(index.into())]) }
    ),
    row!(
        "jsonb_object_field(from_json jsonb, field_name text) jsonb",
        |json: &Json, key: &Text| { Ok(json.member(key).cloned()) }
    ),
    row!(
        "jsonb_object_field_text(from_json jsonb, field_name text) text",
        |json: &Json, key: &Text| { Ok(as_text(json.member(key))) }
    ),
    row!(
        "jsonb_array_element(from_json jsonb, element_index int4) jsonb",
        |json: &Json, index: i32| { Ok(json.element_or_self(index.into()).cloned()) }
    ),
    row!(
        "jsonb_array_element_text(from_json jsonb, element_index int4) text",
        |json: &Json, index: i32| { Ok(as_text(json.element_or_self(index.into()))) }
    ),
    row!(
        "json_extract_path(from_json json, variadic path_elems text[]) json",
        |json: JsonText<'_>, path: &Array| {
            match steps(path) {
                Some(path) => found(json.0, &path),
                None => Ok(Value::Null),
            }
        }
    ),
    row!(
        "json_extract_path_text(from_json json, variadic path_elems text[]) text",
        |json: JsonText<'_>, path: &Array| {
            match steps(path) {
                Some(path) => found_text(json.0, &path),
                None => Ok(Value::Null),
            }
        }
    ),
    row!(
        "jsonb_extract_path(from_json jsonb, variadic path_elems text[]) jsonb",
        |json: &Json, path: &Array| {
            Ok(path_of(path).and_then(|path| json::at_path(json, &path).cloned()))
        }
    ),
    row!(
        "jsonb_extract_path_text(from_json jsonb, variadic path_elems text[]) text",
        |json: &Json, path: &Array| {
            Ok(as_text(
                path_of(path).and_then(|path| json::at_path(json, &path)),
            ))
        }
    ),
    Row {
        signature: "json_array_elements(from_json json) setof (value json)",
        body: Body::Set(|arguments, _| {
            let elements = text_elements(&arguments[0], "json_array_elements")?;
            Ok(rows(
                elements.into_iter().map(|part| Value::Json(part.into())),
            ))
        }),
    },
    Row {
        signature: "json_array_elements_text(from_json json) setof (value text)",
        body: Body::Set(|arguments, _| {
            let elements = text_elements(&arguments[0], "json_array_elements_text")?;
            let texts = elements.into_iter().map(|part| found_text(part, &[]));
            Ok(rows(texts.collect::<Result<Vec<_>>>()?.into_iter()))
        }),
    },
    Row {
        signature: "jsonb_array_elements(from_json jsonb) setof (value jsonb)",
        body: Body::Set(|arguments, _| {
            let elements = tree_elements(&arguments[0])?.to_vec();
            Ok(rows(
                elements
                    .into_iter()
                    .map(|element| Value::Jsonb(Arc::new(element))),
            ))
        }),
    },
    Row {
        signature: "jsonb_array_elements_text(from_json jsonb) setof (value text)",
        body: Body::Set(|arguments, _| {
            let elements = tree_elements(&arguments[0])?.iter();
            let texts: Vec<Value> = elements.map(|element| as_text(Some(element))).collect();
            Ok(rows(texts.into_iter()))
        }),
    },
    Row {
        signature: "json_object_keys(json) setof text",
        body: Body::Set(|arguments, _| {
            let text: JsonText<'_> = take(&arguments[0])?;
            let members = json::members(text.0)?.ok_or_else(|| {
                let what = if kind(text.0) == "array" {
                    "an array"
                } else {
                    "a scalar"
                };
                refused(&format!("cannot call json_object_keys on {what}"))
            })?;
            Ok(rows(
                members
                    .into_iter()
                    .map(|(key, _)| Value::from(key))
                    .collect::<Vec<_>>()
                    .into_iter(),
            ))
        }),
    },
    Row {
        signature: "jsonb_object_keys(jsonb) setof text",
        body: Body::Set(|arguments, _| {
            let members = match take::<&Json>(&arguments[0])? {
                Json::Object(members) => members,
                Json::Array(_) => return Err(refused("cannot call jsonb_object_keys on an array")),
                _ => return Err(refused("cannot call jsonb_object_keys on a scalar")),
            };
            let keys: Vec<Value> = members.iter().map(|(key, _)| Value::text(key)).collect();
            Ok(rows(keys.into_iter()))
        }),
    },
    Row {
        signature: "json_each(from_json json) setof (key text, value json)",
        body: Body::Set(|arguments, _| {
            let members = text_members(&arguments[0])?.into_iter();
            Ok(rows(
                members.map(|(key, part)| record(key, Value::Json(part.into()))),
            ))
        }),
    },
    Row {
        signature: "json_each_text(from_json json) setof (key text, value text)",
        body: Body::Set(|arguments, _| {
            let members = text_members(&arguments[0])?.into_iter();
            let members = members.map(|(key, part)| Ok(record(key, found_text(part, &[])?)));
            Ok(rows(members.collect::<Result<Vec<_>>>()?.into_iter()))
        }),
    },
    Row {
        signature: "jsonb_each(from_json jsonb) setof (key text, value jsonb)",
        body: Body::Set(|arguments, _| {
            let members = tree_members(&arguments[0], "jsonb_each")?.iter();
            let members = members
                .map(|(key, value)| record(key.to_string(), Value::Jsonb(Arc::new(value.clone()))));
            Ok(rows(members.collect::<Vec<_>>().into_iter()))
        }),
    },
    Row {
        signature: "jsonb_each_text(from_json jsonb) setof (key text, value text)",
        body: Body::Set(|arguments, _| {
            let members = tree_members(&arguments[0], "jsonb_each_text")?.iter();
            let members = members.map(|(key, value)| record(key.to_string(), as_text(Some(value))));
            Ok(rows(members.collect::<Vec<_>>().into_iter()))
        }),
    },
];

/// What a text of JSON is.
fn kind(text: &str) -> &'static str {
    match text.trim_start().as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

fn rows(values: impl Iterator<Item = Value>) -> Rows {
    let values: Vec<Value> = values.collect();
    Box::new(values.into_iter().map(Ok))
}

fn record(key: String, value: Value) -> Value {
    Value::record([Value::from(key), value])
}

fn as_text(found: Option<&Json>) -> Value {
    found
        .and_then(Json::to_text)
        .map_or(Value::Null, Value::from)
}

/// The part that steps lead to.
fn found(text: &str, steps: &[Step<'_>]) -> Result<Value> {
    let part = json::part(text, steps)?;
    Ok(part.map_or(Value::Null, |part| Value::Json(part.into())))
}

/// The same as text, strings without their quotes.
fn found_text(text: &str, steps: &[Step<'_>]) -> Result<Value> {
    let Some(part) = json::part(text, steps)? else {
        return Ok(Value::Null);
    };
    match part.as_bytes().first() {
        Some(b'"') => Ok(as_text(Some(&Json::parse(part)?))),
        Some(b'n') => Ok(Value::Null),
        _ => Ok(Value::text(part)),
    }
}

/// The steps of a path; none if one of them is NULL.
fn path_of(path: &Array) -> Option<Vec<&str>> {
    path.values().iter().map(Value::as_str).collect()
}

fn steps(path: &Array) -> Option<Vec<Step<'_>>> {
    let steps = path
        .values()
        .iter()
        .map(|step| step.as_str().map(Step::Either));
    steps.collect()
}

fn text_elements<'a>(value: &'a Value, name: &str) -> Result<Vec<&'a str>> {
    let text: JsonText<'a> = take(value)?;
    json::elements(text.0)?.ok_or_else(|| {
        let what = if kind(text.0) == "object" {
            "non-array"
        } else {
            "scalar"
        };
        refused(&format!("cannot call {name} on a {what}"))
    })
}

fn tree_elements(value: &Value) -> Result<&[Json]> {
    match take::<&Json>(value)? {
        Json::Array(elements) => Ok(elements),
        Json::Object(_) => Err(refused("cannot extract elements from an object")),
        _ => Err(refused("cannot extract elements from a scalar")),
    }
}

fn text_members(value: &Value) -> Result<Vec<(String, &str)>> {
    let text: JsonText<'_> = take(value)?;
    json::members(text.0)?.ok_or_else(|| {
        let what = if kind(text.0) == "array" {
            "an array as an object"
        } else {
            "a scalar"
        };
        refused(&format!("cannot deconstruct {what}"))
    })
}

fn tree_members<'a>(value: &'a Value, name: &str) -> Result<&'a [(Box<str>, Json)]> {
    let json: &'a Json = take(value)?;
    match json {
        Json::Object(members) => Ok(members),
        _ => Err(Error::new(
            crate::error::SqlState::INVALID_PARAMETER_VALUE,
            format!("cannot call {name} on a non-object"),
        )),
    }
}
