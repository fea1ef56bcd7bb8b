//! What COMMENT ON said: `pg_description` and the functions that ask it.

use rustdb_catalog::{Catalog, Object};
use rustdb_types::{Oid, Value};

use super::Around;
use super::sheet::Sheet;
use crate::error::Result;

/// The relations in which things are listed, by PostgreSQL's numbers.
const CLASSES: [(&str, Oid); 4] = [
    ("pg_class", Oid(1259)),
    ("pg_constraint", Oid(2606)),
    ("pg_namespace", Oid(2615)),
    ("pg_type", Oid(1247)),
];

/// The relation in which an object is listed; none if it is gone.
fn class_of(catalog: &Catalog, object: Oid) -> Option<(&'static str, Oid)> {
    let place = match catalog.object(object) {
        Some(Object::Table(_) | Object::View(_) | Object::Sequence(_)) => 0,
        Some(Object::Schema(_)) => 2,
        Some(Object::Type(_)) => 3,
        Some(Object::Statistics(_) | Object::Comments(_)) => return None,
        None if catalog.index(object).is_some() => 0,
        None if is_constraint(catalog, object) => 1,
        None => return None,
    };
    Some(CLASSES[place])
}

/// Whether it is a constraint of a table or of a domain that is there.
fn is_constraint(catalog: &Catalog, object: Oid) -> bool {
    let table = catalog
        .owner_of(object)
        .and_then(|owner| catalog.table(owner));
    table.is_some_and(|table| table.constraint(object).is_some())
        || catalog.objects().into_iter().any(|each| match each {
            Object::Type(each) => catalog
                .domain(each.oid())
                .is_some_and(|domain| domain.checks.iter().any(|check| check.oid == object)),
            _ => false,
        })
}

/// What is said about an object or a column, if that is there.
fn said(catalog: &Catalog, object: Oid, part: u32) -> Option<&str> {
    let comments = catalog.comments(object)?;
    if part > 0
        && let Some(table) = catalog.table(object)
        && table.column(part).is_none_or(|column| column.dropped)
    {
        return None;
    }
    comments.texts.get(&part).map(String::as_str)
}

pub(super) fn descriptions(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.names("objoid classoid objsubid description");
    let catalog = around.catalog;
    for comments in catalog.all_comments() {
        let Some((_, class)) = class_of(catalog, comments.object) else {
            continue;
        };
        for part in comments.texts.keys() {
            if let Some(text) = said(catalog, comments.object, *part) {
                sheet.row([
                    comments.object.into(),
                    class.into(),
                    (*part as i32).into(),
                    text.into(),
                ]);
            }
        }
    }
}

/// `obj_description(object)` and `obj_description(object, catalog)`.
pub(super) fn of_object(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Value::Oid(object) = arguments[0] else {
        return Ok(Value::Null);
    };
    let catalog = around.catalog;
    let Some((class, _)) = class_of(catalog, Oid(object)) else {
        return Ok(Value::Null);
    };
    let is_meant = match arguments.get(1) {
        None => true,
        Some(Value::Text(wanted)) => class == wanted.as_str(),
        Some(_) => false,
    };
    let text = said(catalog, Oid(object), 0).filter(|_| is_meant);
    Ok(text.map_or(Value::Null, Value::text))
}

/// `col_description(relation, column)`.
pub(super) fn of_column(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let (Value::Oid(object), Some(part)) = (&arguments[0], arguments[1].as_integer()) else {
        return Ok(Value::Null);
    };
    let part = u32::try_from(part).ok().filter(|part| *part > 0);
    let text = part.and_then(|part| said(around.catalog, Oid(*object), part));
    Ok(text.map_or(Value::Null, Value::text))
}
