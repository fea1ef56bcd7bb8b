//! Changed copies of JSON.

use std::fmt::Write;
use std::sync::Arc;

use super::{put_string, refused};
use crate::array::Array;
use crate::error::{Error, Result, SqlState};
use crate::function::{Row, row};
use crate::json::{self, Json};
use crate::operator::operand::JsonText;
use crate::text::Text;
use crate::value::Value;

pub(in crate::function) static ROWS: &[Row] = &[
    row!(
        "jsonb_set(jsonb_in jsonb, path text[], replacement jsonb, create_if_missing bool = true) jsonb",
        |json: &Json, path: &Array, new: &Json, create: bool| {
            changed(
                json,
                path,
                new,
                if create { Change::Set } else { Change::Replace },
            )
        }
    ),
    row!(
        "jsonb_insert(jsonb_in jsonb, path text[], replacement jsonb, insert_after bool = false) jsonb",
        |json: &Json, path: &Array, new: &Json, after: bool| {
            changed(
                json,
                path,
                new,
                if after {
                    Change::InsertAfter
                } else {
                    Change::InsertBefore
                },
            )
        }
    ),
    row!(
        "jsonb_set_lax(jsonb_in jsonb, path text[], replacement jsonb, create_if_missing bool = true, null_value_treatment text = use_json_null) jsonb called",
        |json: Option<&Json>,
         path: Option<&Array>,
         new: Option<&Json>,
         create: Option<bool>,
         treatment: Option<&Text>| {
            let (Some(json), Some(path), Some(create)) = (json, path, create) else {
                return Ok(Value::Null);
            };
            let change = if create { Change::Set } else { Change::Replace };
            set_or_null(json, path, new, change, treatment)
        }
    ),
    row!(
        "jsonb_delete_path(jsonb, text[]) jsonb",
        |json: &Json, path: &Array| without_path(json, path)
    ),
    row!("jsonb_strip_nulls(jsonb) jsonb", |json: &Json| Ok(
        stripped(json)
    )),
    row!("json_strip_nulls(json) json", |json: JsonText<'_>| {
        let mut out = String::new();
        strip_text(json.0.trim(), &mut out)?;
        Ok(Value::Json(out.into()))
    }),
    row!("jsonb_pretty(jsonb) text", |json: &Json| {
        let mut out = String::new();
        pretty(json, 0, &mut out);
        Ok(Value::from(out))
    }),
];

/// What happens at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    /// Replace, or add what is missing.
    Set,
    Replace,
    InsertBefore,
    InsertAfter,
}

fn path_of(path: &Array) -> Result<Vec<Option<&str>>> {
    if path.dimensions().len() > 1 {
        let words = "wrong number of array subscripts";
        return Err(Error::new(SqlState::ARRAY_SUBSCRIPT_ERROR, words));
    }
    Ok(path.values().iter().map(Value::as_str).collect())
}

fn changed(json: &Json, path: &Array, new: &Json, change: Change) -> Result<Value> {
    let path = path_of(path)?;
    if !matches!(json, Json::Array(_) | Json::Object(_)) {
        return Err(refused("cannot set path in scalar"));
    }
    let empty = matches!(json, Json::Array(elements) if elements.is_empty())
        || matches!(json, Json::Object(members) if members.is_empty());
    let mut result = json.clone();
    let nothing = path.is_empty() || (empty && change == Change::Replace);
    if !nothing {
        set(&mut result, &path, 0, new, change)?;
    }
    Ok(Value::Jsonb(Arc::new(result)))
}

fn set(
    json: &mut Json,
    path: &[Option<&str>],
    level: usize,
    new: &Json,
    change: Change,
) -> Result<()> {
    let step = path[level].ok_or_else(|| {
        let words = format!("path element at position {} is null", level + 1);
        Error::new(SqlState::NULL_VALUE_NOT_ALLOWED, words)
    })?;
    let last = level + 1 == path.len();
    match json {
        Json::Object(members) => {
            let place = members.iter().position(|(key, _)| **key == *step);
            match place {
                Some(place) if !last => set(&mut members[place].1, path, level + 1, new, change)?,
                Some(_) if matches!(change, Change::InsertBefore | Change::InsertAfter) => {
                    return Err(refused("cannot replace existing key")
                        .with_hint("Try using the function jsonb_set to replace key value."));
                }
                Some(place) => members[place].1 = new.clone(),
                None if last && change != Change::Replace => {
                    members.push((step.into(), new.clone()));
                    *json = Json::object(std::mem::take(members));
                }
                None => {}
            }
        }
        Json::Array(elements) => {
            let index = json::path_index(step).ok_or_else(|| {
                let words = format!(
                    "path element at position {} is not an integer: \"{step}\"",
                    level + 1
                );
                Error::new(SqlState::INVALID_TEXT_REPRESENTATION, words)
            })?;
            return set_element(elements, index, path, level, new, change);
        }
        _ => {}
    }
    Ok(())
}

fn set_element(
    elements: &mut Vec<Json>,
    index: i64,
    path: &[Option<&str>],
    level: usize,
    new: &Json,
    change: Change,
) -> Result<()> {
    let count = elements.len() as i64;
    let place = if index < 0 { count + index } else { index };
    let last = level + 1 == path.len();
    match usize::try_from(place)
        .ok()
        .filter(|place| *place < elements.len())
    {
        Some(place) if !last => return set(&mut elements[place], path, level + 1, new, change),
        Some(place) => match change {
            Change::Set | Change::Replace => elements[place] = new.clone(),
            Change::InsertBefore => elements.insert(place, new.clone()),
            Change::InsertAfter => elements.insert(place + 1, new.clone()),
        },
        // Before the first it becomes the first, behind the last the last.
        None if last && change != Change::Replace => {
            let place = if place < 0 { 0 } else { elements.len() };
            elements.insert(place, new.clone());
        }
        None => {}
    }
    Ok(())
}

fn without_path(json: &Json, path: &Array) -> Result<Value> {
    Ok(Value::Jsonb(Arc::new(json.without_path(&path_of(path)?)?)))
}

fn set_or_null(
    json: &Json,
    path: &Array,
    new: Option<&Json>,
    change: Change,
    treatment: Option<&Text>,
) -> Result<Value> {
    const WORDS: &str = "null_value_treatment must be \"delete_key\", \"return_target\", \
                         \"use_json_null\", or \"raise_exception\"";
    let treatment = treatment.ok_or_else(|| refused(WORDS))?;
    if let Some(new) = new {
        return changed(json, path, new, change);
    }
    match treatment.as_str() {
        "raise_exception" => Err(Error::new(
            SqlState::NULL_VALUE_NOT_ALLOWED,
            "JSON value must not be null",
        )
        .with_detail("Exception was raised because null_value_treatment is \"raise_exception\".")
        .with_hint(
            "To avoid, either change the null_value_treatment argument or ensure that an SQL \
             NULL is not passed.",
        )),
        "use_json_null" => changed(json, path, &Json::Null, change),
        "delete_key" => without_path(json, path),
        "return_target" => Ok(Value::Jsonb(Arc::new(json.clone()))),
        _ => Err(refused(WORDS)),
    }
}

fn stripped(json: &Json) -> Json {
    match json {
        Json::Object(members) => {
            let kept = members.iter().filter(|(_, value)| *value != Json::Null);
            Json::Object(
                kept.map(|(key, value)| (key.clone(), stripped(value)))
                    .collect(),
            )
        }
        Json::Array(elements) => Json::Array(elements.iter().map(stripped).collect()),
        other => other.clone(),
    }
}

/// The same for text, which keeps its order and doubles, but no blanks.
fn strip_text(text: &str, out: &mut String) -> Result<()> {
    if let Some(members) = json::members(text)? {
        out.push('{');
        let mut comma = "";
        for (key, part) in members {
            if part == "null" {
                continue;
            }
            out.push_str(comma);
            comma = ",";
            put_string(&key, out);
            out.push(':');
            strip_text(part, out)?;
        }
        out.push('}');
    } else if let Some(elements) = json::elements(text)? {
        out.push('[');
        for (index, part) in elements.into_iter().enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            strip_text(part, out)?;
        }
        out.push(']');
    } else if text.starts_with('"') {
        let text = Json::parse(text)?.to_text().unwrap_or_default();
        put_string(&text, out);
    } else {
        out.push_str(text);
    }
    Ok(())
}

fn pretty(json: &Json, depth: usize, out: &mut String) {
    let line = |depth: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n("    ", depth));
    };
    match json {
        Json::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                line(depth + 1, out);
                pretty(element, depth + 1, out);
            }
            line(depth, out);
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                line(depth + 1, out);
                put_string(key, out);
                out.push_str(": ");
                pretty(value, depth + 1, out);
            }
            line(depth, out);
            out.push('}');
        }
        other => write!(out, "{other}").expect("writing to a string cannot fail"),
    }
}
