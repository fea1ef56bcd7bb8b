//! How large things are: `pg_relation_size` and its like.
//!
//! What a table takes in files that it shares with others, and in memory before it gets there, is
//! estimated from the indexes of the files: the figures are about right, and zero where nothing is.
//! Values that are in files of their own are not counted.

use rustdb_catalog::{Relation as Found, Table};
use rustdb_txn::KeyspaceId;
use rustdb_types::Value;

use super::Around;
use super::functions::{Body, oid};
use super::object_names::{find_relation, missing, relation_number};
use crate::error::{Error, Result, SqlState};

/// Name and parameters, result, body.
pub(super) const SIZES: &[(&str, &str, Body)] = &[
    ("pg_relation_size oid", "int8", relation_size),
    ("pg_relation_size text", "int8", relation_size),
    ("pg_relation_size oid text", "int8", fork_size),
    ("pg_relation_size text text", "int8", fork_size),
    ("pg_table_size oid", "int8", relation_size),
    ("pg_table_size text", "int8", relation_size),
    ("pg_indexes_size oid", "int8", indexes_size),
    ("pg_indexes_size text", "int8", indexes_size),
    ("pg_total_relation_size oid", "int8", total_size),
    ("pg_total_relation_size text", "int8", total_size),
    ("pg_database_size oid", "int8", database_size),
    ("pg_database_size name", "int8", database_size),
];

/// What has a size.
enum Sized<'a> {
    Table(&'a Table),
    Index(Option<KeyspaceId>),
    /// Something that keeps nothing, such as a view.
    Nothing,
}

/// The relation that an argument names by number or by name; `None` if there is none of a number.
fn sized<'a>(argument: &Value, around: &Around<'a>) -> Result<Option<Sized<'a>>> {
    let number = match (argument, argument.as_str()) {
        (_, Some(name)) => {
            let found = find_relation(around, name)?.map(|found: Found| found.oid());
            let found = found.map_or_else(|| relation_number(around, name), |oid| Ok(Some(oid)));
            found?.ok_or_else(|| missing(name))?
        }
        (number, None) => match oid(number) {
            Some(number) => number,
            None => return Ok(None),
        },
    };
    let catalog = around.catalog;
    if let Some(table) = catalog.table(number) {
        return Ok(Some(Sized::Table(table)));
    }
    if let Some((_, index)) = catalog.index(number) {
        return Ok(Some(Sized::Index(index.keyspace)));
    }
    let is_there = super::functions::relation_of(catalog, number).is_some();
    Ok(is_there.then_some(Sized::Nothing))
}

/// The bytes of some keyspaces.
fn bytes(around: &Around<'_>, keyspaces: impl Iterator<Item = KeyspaceId>) -> Result<Value> {
    let engine = around.store.manager().engine();
    let mut sum: u64 = 0;
    for keyspace in keyspaces {
        let size = engine.approximate_bytes(keyspace);
        sum = sum.saturating_add(size.map_err(rustdb_txn::Error::from)?);
    }
    Ok(Value::Int8(i64::try_from(sum).unwrap_or(i64::MAX)))
}

/// Of a table its rows, of an index its entries.
fn relation_size(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    match sized(&arguments[0], around)? {
        None => Ok(Value::Null),
        Some(Sized::Table(table)) => bytes(around, [table.keyspace].into_iter()),
        Some(Sized::Index(keyspace)) => bytes(around, keyspace.into_iter()),
        Some(Sized::Nothing) => Ok(Value::Int8(0)),
    }
}

/// Only the main fork has something.
fn fork_size(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    match arguments[1].as_str() {
        None => Ok(Value::Null),
        Some("main") => relation_size(arguments, around),
        Some("fsm" | "vm" | "init") => {
            let is_there = sized(&arguments[0], around)?.is_some();
            Ok(if is_there {
                Value::Int8(0)
            } else {
                Value::Null
            })
        }
        Some(_) => {
            let message = "invalid fork name";
            let hint = "Valid fork names are \"main\", \"fsm\", \"vm\", and \"init\".";
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).with_hint(hint))
        }
    }
}

fn indexes_size(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    match sized(&arguments[0], around)? {
        None => Ok(Value::Null),
        Some(Sized::Table(table)) => {
            let indexes = table.indexes.iter().filter_map(|index| index.keyspace);
            bytes(around, indexes)
        }
        Some(_) => Ok(Value::Int8(0)),
    }
}

/// Of a table its rows and its indexes.
fn total_size(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    match sized(&arguments[0], around)? {
        Some(Sized::Table(table)) => bytes(around, table.keyspaces()),
        _ => relation_size(arguments, around),
    }
}

fn database_size(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let number = match (arguments[0].as_str(), oid(&arguments[0])) {
        (Some(name), _) => around.store.database_named(name)?,
        (None, Some(number)) => number,
        _ => return Ok(Value::Null),
    };
    let is_there = around.store.databases().iter().any(|each| each.0 == number);
    match is_there {
        true => bytes(around, around.store.keyspaces_of(number).into_iter()),
        false => Ok(Value::Null),
    }
}
