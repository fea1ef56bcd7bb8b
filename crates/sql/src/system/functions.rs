//! Functions that need the catalog: what definitions look like, what is visible, who may what.

use std::collections::HashSet;
use std::sync::OnceLock;

use rustdb_catalog::{
    Catalog, DomainCheck, Object, PG_CATALOG, PUBLIC, Relation as Found, TypeKind,
};
use rustdb_types::function::quoted_identifier;
use rustdb_types::{Modifier, Oid, Parameter, Type, Value};

use super::definition::Brackets;
use super::object_names::{
    find_relation, missing, name_of_regclass, name_of_regnamespace, name_of_regtype,
    regclass_of_name, regnamespace_of_name, regrole_of_name, regtype_of_name, to_regclass,
    to_regnamespace, to_regtype,
};
use super::views::view_text;
use super::{Around, comments, definition, relations, type_named};
use crate::error::{Error, Result, SqlState};
use crate::settings::Scope;

/// A function that needs the catalog.
#[derive(Debug)]
pub(crate) struct SystemFunction {
    pub(crate) name: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) result: Parameter,
    body: Body,
}

/// What it does with its arguments. NULL in is NULL out, except as it says itself.
pub(super) type Body = fn(&[Value], &Around<'_>) -> Result<Value>;

impl SystemFunction {
    /// The function with this name and these parameters, which stand behind it.
    pub(super) fn new(signature: &str, result: &str, body: Body) -> SystemFunction {
        let mut words = signature.split_whitespace();
        SystemFunction {
            name: words.next().unwrap_or_default().to_owned(),
            parameters: words.map(|of| Parameter::Of(type_named(of))).collect(),
            result: Parameter::Of(type_named(result)),
            body,
        }
    }

    /// Whether it changes something.
    pub(crate) fn is_volatile(&self) -> bool {
        matches!(self.name.as_str(), "set_config" | "current_query")
    }

    /// Whether it gives what a name stands for.
    pub(crate) fn is_cast(&self) -> bool {
        self.name.starts_with("rustdb_reg") && !self.name.ends_with("_name")
    }

    /// What messages call it: casts are functions too.
    pub(crate) fn shown(&self) -> String {
        match self.name.strip_prefix("rustdb_") {
            Some(of) => format!("a cast to {}", of.trim_end_matches("_name")),
            None => format!("{}()", self.name),
        }
    }

    /// Calls it.
    pub(crate) fn apply(&self, arguments: &[Value], around: &Around<'_>) -> Result<Value> {
        (self.body)(arguments, around)
    }
}

/// The functions of this name.
pub(crate) fn functions_named(name: &str) -> Vec<&'static SystemFunction> {
    static ALL: OnceLock<Vec<SystemFunction>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let own = FUNCTIONS.iter().chain(super::sizes::SIZES);
        let own =
            own.map(|(signature, result, body)| SystemFunction::new(signature, result, *body));
        own.chain(super::privileges::all()).collect()
    });
    all.iter()
        .filter(|function| function.name == name)
        .collect()
}

/// Whether PostgreSQL has a function of this name, which RustDB lacks. A name of `lacking.txt` that
/// comes to be known leaves it.
pub(crate) fn is_of_postgresql(name: &str) -> bool {
    static ALL: OnceLock<HashSet<&str>> = OnceLock::new();
    let all = ALL.get_or_init(|| include_str!("lacking.txt").split_whitespace().collect());
    all.contains(name)
}

/// Name and parameters, result, body.
const FUNCTIONS: &[(&str, &str, Body)] = &[
    ("version", "text", |_, _| Ok(Value::text(&version()))),
    ("current_database", "name", |_, around| {
        Ok(Value::text(&around.names.database))
    }),
    ("current_schema", "name", current_schema),
    ("current_setting text", "text", current_setting),
    ("current_setting text bool", "text", current_setting),
    ("set_config text text bool", "text", set_config),
    ("current_schemas bool", "name[]", current_schemas),
    ("pg_backend_pid", "int4", |_, around| {
        let owner = around.activity.map_or(0, |activity| activity.owner);
        Ok(Value::Int4(super::activity::process(owner)))
    }),
    ("pg_blocking_pids int4", "int4[]", super::activity::blocking),
    ("pg_postmaster_start_time", "timestamptz", |_, around| {
        let began = around.activity.map(|activity| activity.first_began());
        Ok(began.map_or(Value::Null, Value::Timestamptz))
    }),
    ("txid_current", "int8", transaction_number),
    ("pg_current_xact_id", "int8", transaction_number),
    ("pg_trigger_depth", "int4", |_, _| Ok(Value::Int4(0))),
    ("pg_jit_available", "bool", |_, _| Ok(Value::Bool(false))),
    ("pg_tablespace_location oid", "text", |arguments, _| {
        Ok(oid(&arguments[0]).map_or(Value::Null, |_| Value::text("")))
    }),
    ("current_query", "text", |_, around| {
        Ok(text(around.activity.map(|activity| activity.query())))
    }),
    ("pg_client_encoding", "name", |_, _| Ok(Value::text("UTF8"))),
    ("getdatabaseencoding", "name", |_, _| {
        Ok(Value::text("UTF8"))
    }),
    ("pg_typeof oid", "oid", |arguments, _| {
        Ok(arguments[0].clone())
    }),
    ("pg_get_triggerdef oid", "text", nothing),
    ("pg_get_triggerdef oid bool", "text", nothing),
    ("pg_get_ruledef oid", "text", nothing),
    ("pg_get_ruledef oid bool", "text", nothing),
    ("pg_get_functiondef oid", "text", nothing),
    ("pg_get_function_arguments oid", "text", nothing),
    ("pg_get_function_identity_arguments oid", "text", nothing),
    ("pg_get_function_result oid", "text", nothing),
    ("pg_is_in_recovery", "bool", |_, _| Ok(Value::Bool(false))),
    ("pg_my_temp_schema", "oid", |_, _| Ok(Value::Oid(0))),
    ("pg_is_other_temp_schema oid", "bool", |_, _| {
        Ok(Value::Bool(false))
    }),
    ("pg_encoding_to_char int4", "name", |_, _| {
        Ok(Value::text("UTF8"))
    }),
    ("pg_get_userbyid oid", "name", |_, around| {
        Ok(Value::text(&around.names.user))
    }),
    ("pg_table_is_visible oid", "bool", table_is_visible),
    ("pg_type_is_visible oid", "bool", type_is_visible),
    ("pg_function_is_visible oid", "bool", |_, _| {
        Ok(Value::Bool(true))
    }),
    ("pg_operator_is_visible oid", "bool", |_, _| {
        Ok(Value::Bool(true))
    }),
    ("pg_collation_is_visible oid", "bool", |_, _| {
        Ok(Value::Bool(true))
    }),
    ("pg_opclass_is_visible oid", "bool", |_, _| {
        Ok(Value::Bool(true))
    }),
    ("pg_conversion_is_visible oid", "bool", |_, _| {
        Ok(Value::Bool(true))
    }),
    ("pg_opfamily_is_visible oid", "bool", |_, _| {
        Ok(Value::Bool(true))
    }),
    ("pg_ts_config_is_visible oid", "bool", |_, _| {
        Ok(Value::Bool(true))
    }),
    ("pg_ts_dict_is_visible oid", "bool", |_, _| {
        Ok(Value::Bool(true))
    }),
    ("pg_ts_parser_is_visible oid", "bool", |_, _| {
        Ok(Value::Bool(true))
    }),
    ("pg_ts_template_is_visible oid", "bool", |_, _| {
        Ok(Value::Bool(true))
    }),
    ("pg_statistics_obj_is_visible oid", "bool", |_, _| {
        Ok(Value::Bool(true))
    }),
    ("format_type oid int4", "text", format_type),
    ("pg_get_expr text oid", "text", |arguments, _| {
        Ok(arguments[0].clone())
    }),
    ("pg_get_expr text oid bool", "text", |arguments, _| {
        Ok(arguments[0].clone())
    }),
    ("pg_get_indexdef oid", "text", index_definition),
    ("pg_get_indexdef oid int4 bool", "text", index_definition),
    ("pg_get_constraintdef oid", "text", constraint_definition),
    (
        "pg_get_constraintdef oid bool",
        "text",
        constraint_definition,
    ),
    ("pg_get_viewdef oid", "text", view_definition),
    ("pg_get_viewdef text", "text", view_definition_named),
    ("pg_get_viewdef text bool", "text", view_definition_named),
    ("pg_get_viewdef oid bool", "text", view_definition),
    ("pg_get_viewdef oid int4", "text", view_definition),
    ("pg_get_serial_sequence text text", "text", serial_sequence),
    ("pg_sequence_last_value oid", "int8", sequence_last_value),
    ("obj_description oid", "text", comments::of_object),
    ("obj_description oid name", "text", comments::of_object),
    ("col_description oid int4", "text", comments::of_column),
    ("shobj_description oid name", "text", nothing),
    ("pg_get_partkeydef oid", "text", nothing),
    ("pg_get_statisticsobjdef_columns oid", "text", nothing),
    ("pg_relation_is_publishable oid", "bool", |_, _| {
        Ok(Value::Bool(false))
    }),
    ("inet_server_addr", "text", nothing),
    ("inet_server_port", "int4", nothing),
    ("inet_client_addr", "text", nothing),
    ("inet_client_port", "int4", nothing),
    ("row_security_active oid", "bool", |_, _| {
        Ok(Value::Bool(false))
    }),
    ("to_regclass text", "oid", to_regclass),
    ("to_regtype text", "oid", to_regtype),
    ("to_regnamespace text", "oid", to_regnamespace),
    ("current_catalog", "name", |_, around| {
        Ok(Value::text(&around.names.database))
    }),
    ("rustdb_number oid", "oid", |arguments, _| {
        Ok(arguments[0].clone())
    }),
    ("rustdb_regclass text", "oid", regclass_of_name),
    ("rustdb_regtype text", "oid", regtype_of_name),
    ("rustdb_regnamespace text", "oid", regnamespace_of_name),
    ("rustdb_regrole text", "oid", regrole_of_name),
    ("rustdb_regclass_name oid", "text", name_of_regclass),
    ("rustdb_regtype_name oid", "text", name_of_regtype),
    ("rustdb_regnamespace_name oid", "text", name_of_regnamespace),
    ("rustdb_regrole_name oid", "text", |_, around| {
        Ok(Value::text(&around.names.user))
    }),
];

/// What clients decide features by.
pub(crate) const SERVER_VERSION: &str = "15.0";

fn version() -> String {
    format!(
        "PostgreSQL {SERVER_VERSION} (RustDB {}) on {}-{}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS
    )
}

/// The number of the transaction, which is the same throughout.
fn transaction_number(_: &[Value], around: &Around<'_>) -> Result<Value> {
    Ok(around.activity.map_or(Value::Null, |activity| {
        let began = activity.transaction_began().unwrap_or(activity.began);
        Value::Int8(activity.transaction(began))
    }))
}

fn nothing(_: &[Value], _: &Around<'_>) -> Result<Value> {
    Ok(Value::Null)
}

pub(super) fn oid(value: &Value) -> Option<Oid> {
    match value {
        Value::Oid(number) => Some(Oid(*number)),
        _ => None,
    }
}

fn text(value: Option<String>) -> Value {
    value.map_or(Value::Null, |text| Value::text(&text))
}

fn current_schema(_: &[Value], around: &Around<'_>) -> Result<Value> {
    let schema = around.names.creation_schema(around.catalog);
    let schema = schema.and_then(|schema| around.catalog.schema(schema));
    Ok(text(schema.map(|schema| schema.name.clone())))
}

fn current_setting(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Some(name) = arguments[0].as_str() else {
        return Ok(Value::Null);
    };
    match arguments.get(1).and_then(Value::as_bool) {
        Some(true) => Ok(text(around.parameters.get(name))),
        _ => around
            .parameters
            .show(name)
            .map(|value| Value::text(&value)),
    }
}

fn set_config(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Some(name) = arguments[0].as_str() else {
        let message = "SET requires parameter name";
        return Err(Error::new(SqlState::NULL_VALUE_NOT_ALLOWED, message));
    };
    let scope = match arguments[2].as_bool() {
        Some(true) => Scope::Local,
        _ => Scope::Session,
    };
    check_not_begun(name, arguments[1].as_str(), around)?;
    around.parameters.set(name, arguments[1].as_str(), scope)?;
    Ok(text(around.parameters.get(name)))
}

/// What a transaction is cannot be changed by a query, which it has begun with.
fn check_not_begun(name: &str, value: Option<&str>, around: &Around<'_>) -> Result<()> {
    let why = match name.to_lowercase().as_str() {
        "transaction_isolation" => {
            "SET TRANSACTION ISOLATION LEVEL must be called before any query"
        }
        "transaction_read_only" => "transaction read-write mode must be set before any query",
        "transaction_deferrable" => {
            let why = "SET TRANSACTION [NOT] DEFERRABLE must be called before any query";
            return Err(Error::new(SqlState::ACTIVE_TRANSACTION, why));
        }
        _ => return Ok(()),
    };
    let now = around.parameters.get(name);
    if value.is_some_and(|value| now.is_some_and(|now| now.eq_ignore_ascii_case(value))) {
        return Ok(());
    }
    if value == Some("on") {
        return Err(Error::unsupported("set_config of transaction_read_only"));
    }
    Err(Error::new(SqlState::ACTIVE_TRANSACTION, why))
}

fn current_schemas(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Some(is_all) = arguments[0].as_bool() else {
        return Ok(Value::Null);
    };
    let schemas = around.names.schemas(around.catalog).into_iter();
    let is_named = around.names.path.iter().any(|name| name == "pg_catalog");
    let schemas = schemas.filter(|schema| is_all || is_named || *schema != PG_CATALOG);
    let names = schemas.filter_map(|schema| around.catalog.schema(schema));
    let names: Vec<&str> = names.map(|schema| schema.name.as_str()).collect();
    Ok(super::sheet::array(
        names.iter().map(|name| Value::text(name)),
    ))
}

/// Schema and name of a relation of any kind.
pub(super) fn relation_of(catalog: &Catalog, oid: Oid) -> Option<(Oid, String)> {
    if let Some(system) = relations().find(|relation| relation.oid == oid) {
        return Some((system.schema, system.name.to_owned()));
    }
    if let Some((table, index)) = catalog.index(oid) {
        return Some((table.schema, index.name.clone()));
    }
    let object = catalog.object(oid)?;
    let is_relation = catalog.table(oid).is_some()
        || catalog.view(oid).is_some()
        || catalog.sequence(oid).is_some();
    is_relation.then(|| (object.schema().unwrap_or(PUBLIC), object.name().to_owned()))
}

fn table_is_visible(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let found = oid(&arguments[0]).and_then(|oid| relation_of(around.catalog, oid));
    let path = around.names.schemas(around.catalog);
    Ok(found.map_or(Value::Null, |(schema, name)| {
        // Another one of this name may stand before it.
        let mut named = path.iter().filter(|schema| {
            around.catalog.relation(**schema, &name).is_some()
                || super::relation(**schema, &name).is_some()
        });
        Value::Bool(named.next() == Some(&schema))
    }))
}

fn type_is_visible(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Some(oid) = oid(&arguments[0]) else {
        return Ok(Value::Null);
    };
    let owner = around.catalog.owner_of(oid).unwrap_or(oid);
    let schema = around
        .catalog
        .type_object(owner)
        .map(|object| object.schema);
    let path = around.names.schemas(around.catalog);
    Ok(Value::Bool(schema.is_none_or(|schema| {
        schema == PG_CATALOG || path.contains(&schema)
    })))
}

fn format_type(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Some(oid) = oid(&arguments[0]) else {
        return Ok(Value::Null);
    };
    if oid == Oid(0) {
        return Ok(Value::text("-"));
    }
    let modifier = arguments[1]
        .as_integer()
        .and_then(|number| i32::try_from(number).ok());
    let Some(of) = type_of(around.catalog, oid) else {
        return Ok(Value::text("???"));
    };
    let name = match modifier {
        // Without a modifier at all `char` is `character`; with none, `bpchar`.
        None => of.name(),
        Some(modifier) => of.with_modifier(Modifier(modifier)).full_name(),
    };
    Ok(Value::text(&name))
}

/// A type with values, or the name of one without.
pub(super) fn type_of(catalog: &Catalog, oid: Oid) -> Option<Type> {
    catalog.type_by_oid(oid)
}

fn index_definition(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let found = oid(&arguments[0]).and_then(|oid| around.catalog.index(oid));
    let Some((table, index)) = found else {
        return Ok(Value::Null);
    };
    let place = arguments.get(1).and_then(Value::as_integer).unwrap_or(0);
    Ok(text(match usize::try_from(place) {
        Ok(0) | Err(_) => {
            let brackets = brackets(arguments.get(2));
            Some(definition::index(around.catalog, table, index, brackets))
        }
        Ok(place) => Some(definition::index_column(table, index, place - 1).unwrap_or_default()),
    }))
}

/// What the argument `pretty_bool` asks for.
fn brackets(pretty: Option<&Value>) -> Brackets {
    match pretty.and_then(Value::as_bool) {
        Some(true) => Brackets::Needed,
        _ => Brackets::All,
    }
}

fn constraint_definition(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Some(oid) = oid(&arguments[0]) else {
        return Ok(Value::Null);
    };
    let brackets = brackets(arguments.get(1));
    let owner = around.catalog.owner_of(oid);
    let Some(table) = owner.and_then(|owner| around.catalog.table(owner)) else {
        let check = domain_check_of(around, oid);
        return Ok(text(
            check.map(|check| definition::domain_check(&check, brackets)),
        ));
    };
    Ok(text(table.constraint(oid).map(|constraint| {
        definition::constraint(around, table, constraint, brackets)
    })))
}

/// The constraint of a domain with this number.
fn domain_check_of(around: &Around<'_>, oid: Oid) -> Option<DomainCheck> {
    let mut objects = around.catalog.objects().into_iter();
    objects.find_map(|object| match object {
        Object::Type(object) => match &object.kind {
            TypeKind::Domain(domain) => {
                domain.checks.iter().find(|check| check.oid == oid).cloned()
            }
            TypeKind::Enum(_) => None,
        },
        _ => None,
    })
}

fn view_definition_named(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let name = arguments[0].as_str().unwrap_or_default();
    match find_relation(around, name)? {
        Some(Found::View(view)) => Ok(text(Some(view_text(&view)))),
        Some(_) => Ok(Value::Null),
        None => Err(missing(name)),
    }
}

fn view_definition(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let view = oid(&arguments[0]).and_then(|oid| around.catalog.view(oid));
    Ok(text(view.map(|view| view_text(view))))
}

fn serial_sequence(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let (Some(table), Some(column)) = (arguments[0].as_str(), arguments[1].as_str()) else {
        return Ok(Value::Null);
    };
    let found = find_relation(around, table)?;
    let Some(Found::Table(table)) = found else {
        return Err(missing(table));
    };
    let column = table.column_named(column).ok_or_else(|| {
        let message = format!(
            "column \"{column}\" of relation \"{}\" does not exist",
            table.name
        );
        Error::new(SqlState::UNDEFINED_COLUMN, message)
    })?;
    let owned = super::views::all_sequences(around)
        .find(|sequence| sequence.owned_by == Some((table.oid, column.id)));
    Ok(text(owned.map(|sequence| {
        let schema = around.catalog.schema(sequence.schema);
        let schema = schema.map_or("public", |schema| schema.name.as_str());
        format!(
            "{}.{}",
            quoted_identifier(schema),
            quoted_identifier(&sequence.name)
        )
    })))
}

fn sequence_last_value(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let sequence = oid(&arguments[0]).and_then(|oid| around.catalog.sequence(oid));
    let last = sequence.and_then(|sequence| super::views::last_value(around, sequence));
    Ok(last.map_or(Value::Null, Value::Int8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_not_there() {
        for name in include_str!("lacking.txt").split_whitespace() {
            let is_there = !functions_named(name).is_empty()
                || !rustdb_types::function::functions_named(name).is_empty()
                || !rustdb_types::aggregate::aggregates_named(name).is_empty();
            assert!(!is_there, "{name}");
        }
        assert!(is_of_postgresql("lo_create"));
        assert!(!is_of_postgresql("upper"));
    }

    #[test]
    fn every_signature_is_read() {
        assert_eq!(functions_named("format_type")[0].parameters.len(), 2);
        assert_eq!(functions_named("pg_get_indexdef").len(), 2);
    }
}
