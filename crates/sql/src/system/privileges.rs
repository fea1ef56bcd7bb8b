//! Who may what: `has_table_privilege` and its like.
//!
//! There is one role, which owns everything and may everything; what `public` may is what
//! PostgreSQL gives it from the start. What is asked for must be there all the same: a name that
//! is not is an error, a number that is not has NULL, and so it is with PostgreSQL.

use rustdb_catalog::Object;
use rustdb_types::aggregate::aggregates_named;
use rustdb_types::{Oid, Value};

use super::Around;
use super::classes::OWNER;
use super::functions::{Body, SystemFunction, functions_named, oid, relation_of, type_of};
use super::object_names::{missing, name_parts, relation_number, type_number};
use crate::error::{Error, Result, SqlState};

/// A kind of objects that one may do something with.
struct Kind {
    /// What there is to ask for.
    words: &'static [&'static str],
    /// Finds what the arguments before the last one name: what everybody may do with it, or
    /// nothing if its number is nobody's.
    find: fn(&[Value], &Around<'_>) -> Result<Option<Open>>,
    /// By how many arguments an object is named.
    names: usize,
}

/// What everybody may.
type Open = &'static [&'static str];

const TABLE_WORDS: &[&str] = &[
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    RULE,
];
const COLUMN_WORDS: &[&str] = &["SELECT", "INSERT", "UPDATE", "REFERENCES"];
/// What could be granted once, and nobody may any more.
const RULE: &str = "RULE";

/// System relations that not everybody reads.
const SECRET: &[&str] = &[
    "pg_authid",
    "pg_backend_memory_contexts",
    "pg_config",
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_largeobject",
    "pg_shadow",
    "pg_shmem_allocations",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_subscription",
    "pg_user_mapping",
];

macro_rules! kind {
    ($words:expr, $names:expr, $find:expr) => {
        |arguments, around| {
            let kind = Kind {
                words: $words,
                find: $find,
                names: $names,
            };
            kind.has(arguments, around)
        }
    };
}

/// The functions, by what stands between `has_` and `_privilege`.
pub(super) fn all() -> Vec<SystemFunction> {
    let kinds: [(&str, &[&str], Body); 12] = [
        ("table", ONE, kind!(TABLE_WORDS, 1, table)),
        ("any_column", ONE, kind!(COLUMN_WORDS, 1, table)),
        (
            "sequence",
            ONE,
            kind!(&["USAGE", "SELECT", "UPDATE"], 1, sequence),
        ),
        ("schema", ONE, kind!(&["CREATE", "USAGE"], 1, schema)),
        (
            "database",
            ONE,
            kind!(&["CREATE", "TEMPORARY", "TEMP", "CONNECT"], 1, database),
        ),
        ("function", ONE, kind!(&["EXECUTE"], 1, function)),
        ("type", ONE, kind!(&["USAGE"], 1, type_)),
        ("language", ONE, kind!(&["USAGE"], 1, language)),
        ("tablespace", ONE, kind!(&["CREATE"], 1, tablespace)),
        (
            "server",
            ONE,
            kind!(&["USAGE"], 1, |names, _| absent(names, "server")),
        ),
        (
            "foreign_data_wrapper",
            ONE,
            kind!(&["USAGE"], 1, |names, _| absent(
                names,
                "foreign-data wrapper"
            )),
        ),
        ("column", TWO, kind!(COLUMN_WORDS, 2, column)),
    ];
    let mut all = Vec::new();
    for (kind, objects, body) in kinds {
        for object in objects {
            for role in ["", "name ", "oid "] {
                let signature = format!("has_{kind}_privilege {role}{object} text");
                all.push(SystemFunction::new(&signature, "bool", body));
            }
        }
    }
    for role in ["", "name ", "oid "] {
        let signature = format!("has_parameter_privilege {role}text text");
        let body: Body = kind!(&["SET", "ALTER SYSTEM"], 1, |_, _| Ok(Some(&[])));
        all.push(SystemFunction::new(&signature, "bool", body));
        for of in ["name", "oid"] {
            let signature = format!("pg_has_role {role}{of} text");
            let body: Body = kind!(&["USAGE", "MEMBER"], 1, |names, around| {
                is_owner(&names[0], around)?;
                Ok(Some(&[]))
            });
            all.push(SystemFunction::new(&signature, "bool", body));
        }
    }
    all
}

const ONE: &[&str] = &["text", "oid"];
const TWO: &[&str] = &["text text", "text int2", "oid text", "oid int2"];

impl Kind {
    fn has(&self, arguments: &[Value], around: &Around<'_>) -> Result<Value> {
        if arguments.iter().any(Value::is_null) {
            return Ok(Value::Null);
        }
        let (role, rest) = arguments.split_at(arguments.len() - self.names - 1);
        let owner = match role {
            [role] => is_owner(role, around)?,
            _ => true,
        };
        let open = (self.find)(&rest[..self.names], around)?;
        let asked = self.asked(rest[self.names].as_str().unwrap_or_default())?;
        Ok(open.map_or(Value::Null, |open| {
            Value::Bool(asked.iter().any(|(word, to_grant)| match owner {
                true => *word != RULE,
                false => !to_grant && open.contains(word),
            }))
        }))
    }

    /// What is asked for, and whether it is to be granted further.
    fn asked(&self, list: &str) -> Result<Vec<(&'static str, bool)>> {
        let known = |written: &str| {
            let upper = written.trim().to_ascii_uppercase();
            let options = [" WITH GRANT OPTION", " WITH ADMIN OPTION"];
            let plain = options.iter().find_map(|option| upper.strip_suffix(option));
            let word = plain.unwrap_or(&upper);
            let found = self.words.iter().find(|known| **known == word);
            found.map(|found| (*found, plain.is_some()))
        };
        let mut asked = Vec::new();
        for written in list.split(',') {
            asked.push(known(written).ok_or_else(|| {
                let message = format!("unrecognized privilege type: \"{}\"", written.trim());
                Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
            })?);
        }
        Ok(asked)
    }
}

/// Whether a role is the one that owns everything, and not `public` or nobody.
fn is_owner(role: &Value, around: &Around<'_>) -> Result<bool> {
    match role.as_str() {
        None => Ok(oid(role) == Some(OWNER)),
        Some("public") => Ok(false),
        Some(name) if name == around.names.user => Ok(true),
        Some(name) => Err(undefined("role", name)),
    }
}

pub(super) fn undefined(kind: &str, name: &str) -> Error {
    let message = format!("{kind} \"{name}\" does not exist");
    Error::new(SqlState::UNDEFINED_OBJECT, message)
}

/// The number of a relation.
fn relation(name: &Value, around: &Around<'_>) -> Result<Option<Oid>> {
    match name.as_str() {
        Some(written) => match relation_number(around, written)? {
            Some(oid) => Ok(Some(oid)),
            None => Err(missing(&name_parts(written)?.join("."))),
        },
        None => {
            let known = oid(name).filter(|oid| relation_of(around.catalog, *oid).is_some());
            Ok(known)
        }
    }
}

fn open_of_relation(oid: Oid) -> Open {
    let system = super::relations().find(|relation| relation.oid == oid);
    match system {
        Some(relation) if !SECRET.contains(&relation.name) => &["SELECT"],
        _ => &[],
    }
}

fn table(names: &[Value], around: &Around<'_>) -> Result<Option<Open>> {
    Ok(relation(&names[0], around)?.map(open_of_relation))
}

fn column(names: &[Value], around: &Around<'_>) -> Result<Option<Open>> {
    let Some(table) = relation(&names[0], around)? else {
        return Ok(None);
    };
    let columns = columns(table, around);
    match names[1].as_str() {
        Some(name) if columns.iter().all(|(_, column)| column != name) => {
            let relation = relation_of(around.catalog, table);
            let relation = relation.map_or_else(String::new, |(_, name)| name);
            let message = format!("column \"{name}\" of relation \"{relation}\" does not exist");
            return Err(Error::new(SqlState::UNDEFINED_COLUMN, message));
        }
        None if columns
            .iter()
            .all(|(number, _)| names[1].as_integer() != Some(*number)) =>
        {
            return Ok(None);
        }
        _ => (),
    }
    Ok(Some(open_of_relation(table)))
}

/// Numbers and names of a relation's columns.
fn columns(table: Oid, around: &Around<'_>) -> Vec<(i64, String)> {
    if let Some(system) = super::relations().find(|relation| relation.oid == table) {
        let names = (1..).zip(&system.columns);
        return names
            .map(|(at, (name, _))| (at, (*name).to_owned()))
            .collect();
    }
    match around.catalog.object(table) {
        Some(Object::Table(table)) => {
            let columns = table.live_columns();
            columns
                .map(|column| (i64::from(column.id), column.name.clone()))
                .collect()
        }
        Some(Object::View(view)) => {
            let names = (1..).zip(&view.columns);
            names
                .map(|(at, column)| (at, column.name.clone()))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn sequence(names: &[Value], around: &Around<'_>) -> Result<Option<Open>> {
    let Some(oid) = relation(&names[0], around)? else {
        return Ok(None);
    };
    if around.catalog.sequence(oid).is_none() {
        let name = relation_of(around.catalog, oid).map_or_else(String::new, |(_, name)| name);
        let message = format!("\"{name}\" is not a sequence");
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
    }
    Ok(Some(&[]))
}

fn schema(names: &[Value], around: &Around<'_>) -> Result<Option<Open>> {
    let found = match names[0].as_str() {
        Some(name) => Some(crate::bind::schema_named(around.catalog, name)?),
        None => oid(&names[0]).filter(|oid| around.catalog.schema(*oid).is_some()),
    };
    Ok(found.map(|_| -> Open { &["USAGE"] }))
}

fn database(names: &[Value], around: &Around<'_>) -> Result<Option<Open>> {
    let databases = around.store.databases();
    let name = names[0].as_str();
    let is_there = databases.into_iter().any(|(number, known)| match name {
        Some(name) => *known == *name,
        None => oid(&names[0]) == Some(number),
    });
    match name {
        Some(name) if !is_there => {
            let message = format!("database \"{name}\" does not exist");
            Err(Error::new(SqlState::INVALID_CATALOG_NAME, message))
        }
        _ => Ok(is_there.then_some(&["TEMPORARY", "TEMP", "CONNECT"])),
    }
}

fn function(names: &[Value], around: &Around<'_>) -> Result<Option<Open>> {
    const OPEN: Open = &["EXECUTE"];
    let Some(written) = names[0].as_str() else {
        let number = oid(&names[0]).and_then(|oid| oid.0.checked_sub(super::types::FIRST_FUNCTION));
        let count = rustdb_types::function::functions().count();
        let known = number.is_some_and(|number| (number as usize) < count);
        return Ok(known.then_some(OPEN));
    };
    let lacks = || {
        let message = format!("function \"{written}\" does not exist");
        Error::new(SqlState::UNDEFINED_FUNCTION, message)
    };
    let (name, rest) = written.split_once('(').ok_or_else(|| {
        let message = "expected a left parenthesis";
        Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
    })?;
    let name = name_parts(name)?.pop().unwrap_or_default();
    let list = rest.strip_suffix(')').unwrap_or(rest).trim();
    let mut types = Vec::new();
    for of in list.split(',').filter(|_| !list.is_empty()) {
        types.push(type_number(around, of.trim())?.ok_or_else(|| undefined("type", of.trim()))?);
    }
    let fits = |parameters: &[rustdb_types::Parameter]| {
        parameters
            .iter()
            .map(|each| each.oid())
            .eq(types.iter().copied())
    };
    let functions = rustdb_types::function::functions_named(&name);
    let is_there = functions.iter().any(|one| fits(&one.parameters))
        || aggregates_named(&name)
            .iter()
            .any(|one| fits(&one.parameters))
        || functions_named(&name)
            .iter()
            .any(|one| fits(&one.parameters));
    is_there.then_some(Some(OPEN)).ok_or_else(lacks)
}

fn type_(names: &[Value], around: &Around<'_>) -> Result<Option<Open>> {
    let found = match names[0].as_str() {
        Some(written) => {
            let found = type_number(around, written)?;
            Some(found.ok_or_else(|| undefined("type", written))?)
        }
        None => oid(&names[0]).filter(|oid| type_of(around.catalog, *oid).is_some()),
    };
    Ok(found.map(|_| -> Open { &["USAGE"] }))
}

/// Something of a fixed list of names and numbers.
fn among(name: &Value, kind: &str, known: &[(u32, &str)], open: Open) -> Result<Option<Open>> {
    match name.as_str() {
        Some(written) => match known.iter().any(|(_, known)| *known == written) {
            true => Ok(Some(open)),
            false => Err(undefined(kind, written)),
        },
        None => {
            let is_there = known
                .iter()
                .any(|(number, _)| oid(name) == Some(Oid(*number)));
            Ok(is_there.then_some(open))
        }
    }
}

fn language(names: &[Value], _: &Around<'_>) -> Result<Option<Open>> {
    const KNOWN: &[(u32, &str)] = &[(12, "internal"), (13, "c"), (14, "sql")];
    among(&names[0], "language", KNOWN, &["USAGE"])
}

fn tablespace(names: &[Value], _: &Around<'_>) -> Result<Option<Open>> {
    const KNOWN: &[(u32, &str)] = &[(1663, "pg_default"), (1664, "pg_global")];
    among(&names[0], "tablespace", KNOWN, &[])
}

fn absent(names: &[Value], kind: &str) -> Result<Option<Open>> {
    among(&names[0], kind, &[], &[])
}
