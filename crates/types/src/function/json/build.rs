//! JSON made from values, arrays and rows.

use std::sync::Arc;

use super::{append, append_key, key, refused, tree};
use crate::array::Array;
use crate::error::{Error, Result, SqlState};
use crate::function::{Row, VALUE_BYTES_MAX, raw, row, too_long};
use crate::json::{self, Json};
use crate::settings::Settings;
use crate::value::Value;

pub(in crate::function) static ROWS: &[Row] = &[
    raw!("to_json(anyelement) json stable", |arguments, scope| {
        text(|out| append(&arguments[0], scope.settings, out))
    }),
    raw!("to_jsonb(anyelement) jsonb stable", |arguments, scope| {
        Ok(Value::Jsonb(Arc::new(tree(&arguments[0], scope.settings)?)))
    }),
    raw!("array_to_json(anyarray) json stable", |arguments, scope| {
        text(|out| append(&arguments[0], scope.settings, out))
    }),
    row!("array_to_json(anyarray, bool) json stable", |scope; array: &Array, lines: bool| {
        text(|out| super::append_lines(array, lines, scope.settings, out))
    }),
    raw!("row_to_json(record) json stable", |arguments, scope| {
        text(|out| append(&arguments[0], scope.settings, out))
    }),
    row!("row_to_json(record, bool) json stable", |scope; row: &Value, lines: bool| {
        text(|out| super::append_row(row, lines, scope.settings, out))
    }),
    raw!("json_build_array() json stable called", |_, _| Ok(
        Value::Json(Arc::from("[]"))
    )),
    raw!(
        "json_build_array(variadic any) json stable called",
        |arguments, scope| {
            text(|out| {
                out.push('[');
                for (index, argument) in arguments.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    append(argument, scope.settings, out)?;
                }
                out.push(']');
                Ok(())
            })
        }
    ),
    raw!("json_build_object() json stable called", |_, _| Ok(
        Value::Json(Arc::from("{}"))
    )),
    raw!(
        "json_build_object(variadic any) json stable called",
        |arguments, scope| { text(|out| object_text(arguments, scope.settings, out)) }
    ),
    raw!("jsonb_build_array() jsonb stable called", |_, _| {
        Ok(Value::Jsonb(Arc::new(Json::Array(Vec::new()))))
    }),
    raw!(
        "jsonb_build_array(variadic any) jsonb stable called",
        |arguments, scope| {
            let elements = arguments.iter().map(|value| tree(value, scope.settings));
            Ok(Value::Jsonb(Arc::new(Json::Array(
                elements.collect::<Result<_>>()?,
            ))))
        }
    ),
    raw!("jsonb_build_object() jsonb stable called", |_, _| {
        Ok(Value::Jsonb(Arc::new(Json::Object(Vec::new()))))
    }),
    raw!(
        "jsonb_build_object(variadic any) jsonb stable called",
        |arguments, scope| { object_tree(arguments, scope.settings) }
    ),
    row!("json_object(text[]) json", |pairs: &Array| strings_text(
        &pairs_of(pairs)?
    )),
    row!(
        "json_object(text[], text[]) json",
        |keys: &Array, values: &Array| { strings_text(&zipped(keys, values)?) }
    ),
    row!("jsonb_object(text[]) jsonb", |pairs: &Array| Ok(
        strings_tree(&pairs_of(pairs)?)
    )),
    row!(
        "jsonb_object(text[], text[]) jsonb",
        |keys: &Array, values: &Array| { Ok(strings_tree(&zipped(keys, values)?)) }
    ),
];

fn text(write: impl FnOnce(&mut String) -> Result<()>) -> Result<Value> {
    let mut out = String::new();
    write(&mut out)?;
    if out.len() > VALUE_BYTES_MAX {
        return Err(too_long());
    }
    Ok(Value::Json(out.into()))
}

fn odd(name: &str) -> Error {
    let hint = format!("The arguments of {name}() must consist of alternating keys and values.");
    refused("argument list must have even number of elements").with_hint(hint)
}

fn object_text(arguments: &[Value], settings: &Settings, out: &mut String) -> Result<()> {
    if arguments.len() % 2 == 1 {
        return Err(odd("json_build_object"));
    }
    out.push('{');
    for (index, pair) in arguments.chunks(2).enumerate() {
        if pair[0].is_null() {
            let words = format!("argument {} cannot be null", 2 * index + 1);
            return Err(refused(&words).with_hint("Object keys should be text."));
        }
        out.push_str(if index > 0 { ", " } else { "" });
        append_key(&pair[0], settings, out)?;
        out.push_str(" : ");
        append(&pair[1], settings, out)?;
    }
    out.push('}');
    Ok(())
}

fn object_tree(arguments: &[Value], settings: &Settings) -> Result<Value> {
    if arguments.len() % 2 == 1 {
        return Err(odd("jsonb_build_object"));
    }
    let mut members: Vec<(Box<str>, Json)> = Vec::new();
    for (index, pair) in arguments.chunks(2).enumerate() {
        if pair[0].is_null() {
            let words = format!("argument {}: key must not be null", 2 * index + 1);
            return Err(refused(&words));
        }
        members.push((key(&pair[0], settings)?.into(), tree(&pair[1], settings)?));
    }
    Ok(Value::Jsonb(Arc::new(Json::object(members))))
}

type Pairs<'a> = Vec<(&'a str, Option<&'a str>)>;

fn subscript(words: &str) -> Error {
    Error::new(SqlState::ARRAY_SUBSCRIPT_ERROR, words)
}

fn pair<'a>(key: &'a Value, value: &'a Value) -> Result<(&'a str, Option<&'a str>)> {
    let key = key.as_str().ok_or_else(|| {
        let words = "null value not allowed for object key";
        Error::new(SqlState::NULL_VALUE_NOT_ALLOWED, words)
    })?;
    Ok((key, value.as_str()))
}

/// Keys and values in turn, or in two columns.
fn pairs_of(array: &Array) -> Result<Pairs<'_>> {
    match array.dimensions() {
        [] => {}
        [only] if only.length % 2 == 1 => {
            return Err(subscript("array must have even number of elements"));
        }
        [_] => {}
        [_, columns] if columns.length != 2 => {
            return Err(subscript("array must have two columns"));
        }
        [_, _] => {}
        _ => return Err(subscript("wrong number of array subscripts")),
    }
    let pairs = array.values().chunks(2);
    pairs.map(|both| pair(&both[0], &both[1])).collect()
}

fn zipped<'a>(keys: &'a Array, values: &'a Array) -> Result<Pairs<'a>> {
    if keys.dimensions().len() > 1 || keys.dimensions().len() != values.dimensions().len() {
        return Err(subscript("wrong number of array subscripts"));
    }
    if keys.values().len() != values.values().len() {
        return Err(subscript("mismatched array dimensions"));
    }
    let pairs = keys.values().iter().zip(values.values());
    pairs.map(|(key, value)| pair(key, value)).collect()
}

fn strings_text(pairs: &[(&str, Option<&str>)]) -> Result<Value> {
    text(|out| {
        out.push('{');
        for (index, (key, value)) in pairs.iter().enumerate() {
            out.push_str(if index > 0 { ", " } else { "" });
            super::put_string(key, out);
            out.push_str(" : ");
            match value {
                Some(value) => super::put_string(value, out),
                None => out.push_str("null"),
            }
        }
        out.push('}');
        Ok(())
    })
}

fn strings_tree(pairs: &[(&str, Option<&str>)]) -> Value {
    let members = pairs.iter().map(|(key, value)| {
        let value = value.map_or(Json::Null, |value| Json::String(value.into()));
        ((*key).into(), value)
    });
    Value::Jsonb(Arc::new(json::Json::object(members.collect())))
}
