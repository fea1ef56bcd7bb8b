//! Looking into JSON, and changing `jsonb`.

use super::operand::{infix, take};
use super::{Function, Operator};
use crate::array::Array;
use crate::base::Base;
use crate::error::{Error, Result, SqlState};
use crate::json::{self, Json};
use crate::parameter::Parameter;
use crate::settings::Settings;
use crate::text::Text;
use crate::value::Value;

pub(super) static OPERATORS: &[Operator] = &[
    infix!("->", Jsonb, Text => Jsonb, |l: &Json, r: &Text| Ok(l.member(r).cloned())),
    infix!("->", Jsonb, Int4 => Jsonb, |l: &Json, r: i32| Ok(l.element_or_self(i64::from(r)).cloned())),
    infix!("->>", Jsonb, Text => Text, |l: &Json, r: &Text| Ok(as_text(l.member(r)))),
    infix!("->>", Jsonb, Int4 => Text, |l: &Json, r: i32| Ok(as_text(l.element_or_self(i64::from(r))))),
    by_path("#>", Base::Jsonb, Base::Jsonb, |left, right, _| {
        Ok(match path(right)? {
            Some(path) => {
                let found = json::at_path(jsonb(left)?, &path).cloned();
                found.map_or(Value::Null, |found| Value::Jsonb(found.into()))
            }
            None => Value::Null,
        })
    }),
    by_path("#>>", Base::Jsonb, Base::Text, |left, right, _| {
        Ok(match path(right)? {
            Some(path) => as_text(json::at_path(jsonb(left)?, &path)),
            None => Value::Null,
        })
    }),
    json_text("->", Base::Text, Base::Json, |left, right, _| {
        found(left, &[key(right)?])
    }),
    json_text("->", Base::Int4, Base::Json, |left, right, _| {
        found(left, &[index(right)?])
    }),
    json_text("->>", Base::Text, Base::Text, |left, right, _| {
        found_text(left, &[key(right)?])
    }),
    json_text("->>", Base::Int4, Base::Text, |left, right, _| {
        found_text(left, &[index(right)?])
    }),
    by_path("#>", Base::Json, Base::Json, |left, right, _| {
        match path(right)? {
            Some(path) => found(left, &steps(&path)),
            None => Ok(Value::Null),
        }
    }),
    by_path(
        "#>>",
        Base::Json,
        Base::Text,
        |left, right, _| match path(right)? {
            Some(path) => found_text(left, &steps(&path)),
            None => Ok(Value::Null),
        },
    ),
    infix!("@>", Jsonb, Jsonb => Bool, |l: &Json, r: &Json| l.contains(r)),
    infix!("<@", Jsonb, Jsonb => Bool, |l: &Json, r: &Json| r.contains(l)),
    infix!("?", Jsonb, Text => Bool, |l: &Json, r: &Text| Ok(l.has_key(r))),
    by_path("?|", Base::Jsonb, Base::Bool, |left, right, _| {
        let keys = some_keys(right)?;
        let tree = jsonb(left)?;
        Ok(Value::Bool(keys.iter().any(|key| tree.has_key(key))))
    }),
    by_path("?&", Base::Jsonb, Base::Bool, |left, right, _| {
        let keys = some_keys(right)?;
        let tree = jsonb(left)?;
        Ok(Value::Bool(keys.iter().all(|key| tree.has_key(key))))
    }),
    infix!("||", Jsonb, Jsonb => Jsonb, |l: &Json, r: &Json| Ok(l.concatenated(r))),
    infix!("-", Jsonb, Text => Jsonb, |l: &Json, r: &Text| l.without_keys(&[r.as_str()])),
    infix!("-", Jsonb, Int4 => Jsonb, |l: &Json, r: i32| l.without_element(i64::from(r))),
    by_path("-", Base::Jsonb, Base::Jsonb, |left, right, _| {
        one_dimension(right)?;
        let keys = some_keys(right)?;
        Ok(Value::Jsonb(jsonb(left)?.without_keys(&keys)?.into()))
    }),
    by_path("#-", Base::Jsonb, Base::Jsonb, |left, right, _| {
        let path: Vec<Option<&str>> = one_dimension(right)?.iter().map(Value::as_str).collect();
        Ok(Value::Jsonb(jsonb(left)?.without_path(&path)?.into()))
    }),
];

type Infix = fn(&Value, &Value, &Settings) -> Result<Value>;

/// An operator whose right side is `text[]`.
const fn by_path(name: &'static str, left: Base, result: Base, function: Infix) -> Operator {
    Operator {
        name,
        left: Some(Parameter::base(left)),
        right: Parameter::array(Base::Text),
        result: Parameter::base(result),
        strict: true,
        function: Function::Infix(function),
    }
}

/// An operator of the type `json`.
const fn json_text(name: &'static str, right: Base, result: Base, function: Infix) -> Operator {
    Operator {
        name,
        left: Some(Parameter::base(Base::Json)),
        right: Parameter::base(right),
        result: Parameter::base(result),
        strict: true,
        function: Function::Infix(function),
    }
}

fn jsonb(value: &Value) -> Result<&Json> {
    take(value)
}

fn as_text(found: Option<&Json>) -> Value {
    found
        .and_then(Json::to_text)
        .map_or(Value::Null, Value::from)
}

/// The keys of a path; `None` if one of them is NULL.
fn path(value: &Value) -> Result<Option<Vec<&str>>> {
    let array: &Array = take(value)?;
    Ok(array.values().iter().map(Value::as_str).collect())
}

/// The elements of an array that must not have more than one dimension.
fn one_dimension(value: &Value) -> Result<&[Value]> {
    let array: &Array = take(value)?;
    if array.dimensions().len() > 1 {
        let words = "wrong number of array subscripts";
        return Err(Error::new(SqlState::ARRAY_SUBSCRIPT_ERROR, words));
    }
    Ok(array.values())
}

/// The keys that are not NULL.
fn some_keys(value: &Value) -> Result<Vec<&str>> {
    let array: &Array = take(value)?;
    Ok(array.values().iter().filter_map(Value::as_str).collect())
}

fn key(value: &Value) -> Result<json::Step<'_>> {
    let key = value.as_str().ok_or_else(|| Error::mismatch("key"))?;
    Ok(json::Step::Key(key))
}

fn index(value: &Value) -> Result<json::Step<'_>> {
    Ok(json::Step::Index(i64::from(take::<i32>(value)?)))
}

fn steps<'a>(path: &[&'a str]) -> Vec<json::Step<'a>> {
    path.iter().map(|key| json::Step::Either(key)).collect()
}

/// The part of a text of JSON that steps lead to, as it stands there.
fn found(value: &Value, steps: &[json::Step<'_>]) -> Result<Value> {
    let Value::Json(text) = value else {
        return Err(super::mismatch(value));
    };
    let part = json::part(text, steps)?;
    Ok(part.map_or(Value::Null, |part| Value::Json(part.into())))
}

/// The same as text: a string without its quotes, NULL for `null`.
fn found_text(value: &Value, steps: &[json::Step<'_>]) -> Result<Value> {
    let Value::Json(text) = value else {
        return Err(super::mismatch(value));
    };
    Ok(match json::part(text, steps)? {
        Some("null") | None => Value::Null,
        Some(part) if part.starts_with('"') => as_text(Some(&Json::parse(part)?)),
        Some(part) => Value::text(part),
    })
}
