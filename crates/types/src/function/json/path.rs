//! Paths into `jsonb`. Their type is no type of columns here: a path is given as text.

use crate::error::{Error, Result, SqlState};
use crate::function::{Body, Row, Rows, Scope, raw, row};
use crate::json::Json;
use crate::jsonpath::{Found, Path, Search};
use crate::operator::operand::take;
use crate::text::Text;
use crate::value::Value;

pub(in crate::function) static ROWS: &[Row] = &[
    row!("jsonpath_in(text) text", |path: &Text| Path::parse(path)
        .map(|path| Value::from(path.to_string()))),
    raw!(
        "jsonb_path_exists(target jsonb, path text, vars jsonb = {}, silent bool = false) bool",
        exists
    ),
    raw!(
        "jsonb_path_exists_tz(target jsonb, path text, vars jsonb = {}, silent bool = false) bool stable",
        exists
    ),
    raw!("jsonb_path_exists_opr(jsonb, text) bool", exists),
    raw!(
        "jsonb_path_match(target jsonb, path text, vars jsonb = {}, silent bool = false) bool",
        matches
    ),
    raw!(
        "jsonb_path_match_tz(target jsonb, path text, vars jsonb = {}, silent bool = false) bool stable",
        matches
    ),
    raw!("jsonb_path_match_opr(jsonb, text) bool", matches),
    Row {
        signature: "jsonb_path_query(target jsonb, path text, vars jsonb = {}, silent bool = false) setof jsonb",
        body: Body::Set(query),
    },
    Row {
        signature: "jsonb_path_query_tz(target jsonb, path text, vars jsonb = {}, silent bool = false) setof jsonb stable",
        body: Body::Set(query),
    },
    raw!(
        "jsonb_path_query_array(target jsonb, path text, vars jsonb = {}, silent bool = false) jsonb",
        query_array
    ),
    raw!(
        "jsonb_path_query_array_tz(target jsonb, path text, vars jsonb = {}, silent bool = false) jsonb stable",
        query_array
    ),
    raw!(
        "jsonb_path_query_first(target jsonb, path text, vars jsonb = {}, silent bool = false) jsonb",
        query_first
    ),
    raw!(
        "jsonb_path_query_first_tz(target jsonb, path text, vars jsonb = {}, silent bool = false) jsonb stable",
        query_first
    ),
];

/// Runs something for the arguments of such a function: tree, path, variables, and whether to be
/// silent. Operators have only the first two, and are.
fn searched<T>(arguments: &[Value], run: impl FnOnce(Search<'_>) -> Result<T>) -> Result<T> {
    let root: &Json = take(&arguments[0])?;
    let path: &Text = take(&arguments[1])?;
    let path = Path::cached(path)?;
    let none = Json::Object(Vec::new());
    let (variables, silent) = match arguments {
        [_, _, variables, silent] => (take(variables)?, take(silent)?),
        _ => (&none, true),
    };
    run(Search {
        path: &path,
        root,
        variables,
        silent,
    })
}

fn exists(arguments: &[Value], _: &Scope<'_>) -> Result<Value> {
    searched(arguments, |search| {
        Ok(search.exists()?.map_or(Value::Null, Value::Bool))
    })
}

fn matches(arguments: &[Value], _: &Scope<'_>) -> Result<Value> {
    searched(arguments, |search| {
        let (Found::Items(items) | Found::Wrong(items)) = search.items()?;
        match &items[..] {
            [Json::Bool(truth)] => Ok(Value::Bool(*truth)),
            [Json::Null] => Ok(Value::Null),
            _ if search.silent => Ok(Value::Null),
            _ => Err(Error::new(
                SqlState::SINGLETON_SQL_JSON_ITEM_REQUIRED,
                "single boolean result is expected",
            )),
        }
    })
}

fn found(arguments: &[Value]) -> Result<Vec<Json>> {
    searched(arguments, |search| {
        let (Found::Items(items) | Found::Wrong(items)) = search.items()?;
        Ok(items)
    })
}

fn query(arguments: &[Value], _: &Scope<'_>) -> Result<Rows> {
    let rows = found(arguments)?.into_iter();
    Ok(Box::new(rows.map(|item| Ok(Value::Jsonb(item.into())))))
}

fn query_array(arguments: &[Value], _: &Scope<'_>) -> Result<Value> {
    Ok(Value::Jsonb(Json::Array(found(arguments)?).into()))
}

fn query_first(arguments: &[Value], _: &Scope<'_>) -> Result<Value> {
    let first = found(arguments)?.into_iter().next();
    Ok(first.map_or(Value::Null, |item| Value::Jsonb(item.into())))
}
