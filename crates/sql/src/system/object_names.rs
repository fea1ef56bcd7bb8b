//! Objects by name and by number: what `regclass` and its like do.

use rustdb_catalog::{PG_CATALOG, Relation as Found};
use rustdb_types::function::quoted_identifier;
use rustdb_types::{Oid, Type, Value};

use super::classes::OWNER;
use super::functions::{oid, relation_of, type_of};
use super::privileges::undefined;
use super::{Around, definition};
use crate::error::{Error, Result, SqlState};

/// The parts of a name as it is written in SQL.
pub(super) fn name_parts(written: &str) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = written.trim();
    let invalid = || Error::new(SqlState::INVALID_NAME, "invalid name syntax");
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut part = String::new();
                let mut letters = quoted.char_indices();
                let end = loop {
                    match letters.next() {
                        Some((at, '"')) if quoted[at + 1..].starts_with('"') => {
                            part.push('"');
                            letters.next();
                        }
                        Some((at, '"')) => break at + 1,
                        Some((_, letter)) => part.push(letter),
                        None => return Err(invalid()),
                    }
                };
                (part, &quoted[end..])
            }
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].trim().to_lowercase(), &rest[end..])
            }
        };
        if part.is_empty() {
            return Err(invalid());
        }
        parts.push(part);
        match after.strip_prefix('.') {
            Some(after) => rest = after,
            None if after.trim().is_empty() => return Ok(parts),
            None => return Err(invalid()),
        }
    }
}

/// A relation by the name that is written.
pub(super) fn find_relation(around: &Around<'_>, written: &str) -> Result<Option<Found>> {
    let parts = name_parts(written)?;
    // The session's own tables come first, and are in `pg_temp`.
    let own = &around.names.temporary_schema;
    Ok(match &parts[..] {
        [name] => {
            let own = around.catalog.schema_named(own).map(|schema| schema.oid);
            let path = around.names.schemas(around.catalog).into_iter();
            let mut path = own.into_iter().chain(path);
            path.find_map(|schema| around.catalog.relation(schema, name))
        }
        [schema, name] | [_, schema, name] => {
            let schema = if schema == "pg_temp" { own } else { schema };
            let schema = around.catalog.schema_named(schema);
            schema.and_then(|schema| around.catalog.relation(schema.oid, name))
        }
        _ => None,
    })
}

pub(super) fn relation_number(around: &Around<'_>, written: &str) -> Result<Option<Oid>> {
    if !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(written.parse().ok().map(Oid));
    }
    if let Some(found) = find_relation(around, written)? {
        return Ok(Some(found.oid()));
    }
    let parts = name_parts(written)?;
    let system = match &parts[..] {
        [name] => super::relation(PG_CATALOG, name),
        [schema, name] => {
            let schema = around.catalog.schema_named(schema);
            schema.and_then(|schema| super::relation(schema.oid, name))
        }
        _ => None,
    };
    Ok(system.map(|relation| relation.oid))
}

pub(super) fn missing(written: &str) -> Error {
    let message = format!("relation \"{written}\" does not exist");
    Error::new(SqlState::UNDEFINED_TABLE, message)
}

fn number(found: Option<Oid>) -> Value {
    found.map_or(Value::Null, |oid| Value::Oid(oid.0))
}

pub(super) fn to_regclass(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    match arguments[0].as_str() {
        Some(written) => Ok(number(relation_number(around, written)?)),
        None => Ok(Value::Null),
    }
}

pub(super) fn regclass_of_name(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Some(written) = arguments[0].as_str() else {
        return Ok(Value::Null);
    };
    if written == "-" {
        return Ok(Value::Oid(0));
    }
    match relation_number(around, written)? {
        Some(oid) => Ok(Value::Oid(oid.0)),
        None => Err(missing(&name_parts(written)?.join("."))),
    }
}

pub(super) fn name_of_regclass(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Some(oid) = oid(&arguments[0]) else {
        return Ok(Value::Null);
    };
    if oid == Oid(0) {
        return Ok(Value::text("-"));
    }
    Ok(Value::text(&match relation_of(around.catalog, oid) {
        Some((schema, name)) => {
            definition::relation_name(around.catalog, around.names, schema, &name)
        }
        None => oid.to_string(),
    }))
}

pub(super) fn type_number(around: &Around<'_>, written: &str) -> Result<Option<Oid>> {
    if !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(written.parse().ok().map(Oid));
    }
    let (name, is_array) = match written.trim().strip_suffix("[]") {
        Some(element) => (element, true),
        None => (written.trim(), false),
    };
    let name = name.split('(').next().unwrap_or(name).trim();
    let lower = name.to_lowercase();
    let plain = lower.strip_prefix("pg_catalog.").unwrap_or(&lower);
    let of = match rustdb_types::Base::from_name(plain) {
        Some(base) => Some(Type::of(base)),
        None => {
            let parts = name_parts(name)?;
            let object = match &parts[..] {
                [name] => {
                    let mut path = around.names.schemas(around.catalog).into_iter();
                    path.find_map(|schema| around.catalog.type_named(schema, name))
                }
                [schema, name] => around
                    .catalog
                    .schema_named(schema)
                    .and_then(|schema| around.catalog.type_named(schema.oid, name)),
                _ => None,
            };
            object.map(|object| object.as_type())
        }
    };
    Ok(of.map(|of| {
        if is_array {
            of.array_of().oid()
        } else {
            of.oid()
        }
    }))
}

pub(super) fn to_regtype(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    match arguments[0].as_str() {
        Some(written) => Ok(number(type_number(around, written)?)),
        None => Ok(Value::Null),
    }
}

pub(super) fn regtype_of_name(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Some(written) = arguments[0].as_str() else {
        return Ok(Value::Null);
    };
    type_number(around, written)?
        .map(|oid| Value::Oid(oid.0))
        .ok_or_else(|| {
            let message = format!("type \"{written}\" does not exist");
            Error::new(SqlState::UNDEFINED_OBJECT, message)
        })
}

pub(super) fn name_of_regtype(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Some(oid) = oid(&arguments[0]) else {
        return Ok(Value::Null);
    };
    Ok(Value::text(&match (oid, type_of(around.catalog, oid)) {
        (Oid(0), _) => "-".to_owned(),
        (_, Some(of)) => of.name(),
        (oid, None) => oid.to_string(),
    }))
}

pub(super) fn regnamespace_of_name(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Some(written) = arguments[0].as_str() else {
        return Ok(Value::Null);
    };
    let name = name_parts(written)?.join(".");
    crate::bind::schema_named(around.catalog, &name).map(|oid| Value::Oid(oid.0))
}

pub(super) fn to_regnamespace(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    match regnamespace_of_name(arguments, around) {
        Err(error) if error.state() == SqlState::INVALID_SCHEMA_NAME => Ok(Value::Null),
        found => found,
    }
}

pub(super) fn regrole_of_name(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Some(written) = arguments[0].as_str() else {
        return Ok(Value::Null);
    };
    let name = name_parts(written)?.join(".");
    match name == around.names.user || name == OWNER.0.to_string() {
        true => Ok(Value::Oid(OWNER.0)),
        false => Err(undefined("role", &name)),
    }
}

pub(super) fn name_of_regnamespace(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Some(oid) = oid(&arguments[0]) else {
        return Ok(Value::Null);
    };
    let schema = around.catalog.schema(oid);
    Ok(Value::text(&schema.map_or_else(
        || oid.to_string(),
        |schema| quoted_identifier(&schema.name),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_sql_reads_them() {
        assert_eq!(
            name_parts("Public.\"A \"\"b\"").unwrap(),
            ["public", "A \"b"]
        );
        assert!(name_parts("").is_err());
        assert!(name_parts("\"open").is_err());
        assert!(name_parts("a.").is_err());
    }
}
