//! The system catalogs: `pg_catalog` and `information_schema`.
//!
//! They are tables that are computed when they are read, from the catalog as the statement sees
//! it. `relations.txt` has the names, numbers and columns of all relations that PostgreSQL 15 has
//! there, so that a client that asks for one is never told that it is missing; those that say
//! something about what RustDB has are filled by the modules here, the others are empty, which
//! is the truth about triggers and publications.
//!
//! ```text
//! relations.txt ─▶ Relation ─▶ Sheet ◀─ classes, types, constraints, views, information ◀─ Catalog
//! ```
//!
//! Numbers and columns are PostgreSQL's. Types that RustDB lacks are replaced: `regproc` and
//! `pg_node_tree` by `text`, `int2vector` by an array that begins at 0.

mod activity;
mod classes;
mod comments;
mod constraints;
pub(crate) mod definition;
mod functions;
mod information;
mod object_names;
mod privileges;
mod sheet;
mod sizes;
mod small;
mod types;
mod views;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use rustdb_catalog::{Catalog, CatalogStore, INFORMATION_SCHEMA, PG_CATALOG};
use rustdb_types::{Base, Oid, Type, Value};

use crate::bind::SessionNames;
use crate::sessions::Activity;
use crate::settings::Parameters;
pub(crate) use activity::process;
pub(crate) use functions::{SERVER_VERSION, SystemFunction, functions_named, is_of_postgresql};
use sheet::Sheet;

/// A relation of the system.
#[derive(Debug)]
pub(crate) struct Relation {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its number, PostgreSQL's.
    pub(crate) oid: Oid,
    /// The schema it is in.
    pub(crate) schema: Oid,
    /// Whether PostgreSQL has it as a view.
    pub(crate) is_view: bool,
    /// Its columns.
    pub(crate) columns: Vec<(&'static str, Type)>,
}

/// What relations are computed from.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) catalog: &'a Arc<Catalog>,
    pub(crate) store: &'a CatalogStore,
    pub(crate) names: &'a SessionNames,
    pub(crate) parameters: &'a Parameters,
    /// What the session that asks does, if it is one.
    pub(crate) activity: Option<&'a Activity>,
}

/// The relations by name; no name is in both schemas.
fn all() -> &'static HashMap<&'static str, Relation> {
    static ALL: OnceLock<HashMap<&'static str, Relation>> = OnceLock::new();
    ALL.get_or_init(|| {
        let lines = include_str!("relations.txt").lines();
        let relations = lines.filter_map(read);
        relations
            .map(|relation| (relation.name, relation))
            .collect()
    })
}

/// A line of `relations.txt`.
fn read(line: &'static str) -> Option<Relation> {
    let mut parts = line.splitn(4, ' ');
    let (schema, name) = parts.next()?.split_once('.')?;
    let oid = parts.next()?.parse().ok()?;
    let is_view = parts.next()? == "v";
    let columns = parts.next()?.split(',').filter_map(|column| {
        let (name, of) = column.split_once(' ')?;
        Some((name, type_named(of)))
    });
    Some(Relation {
        name,
        oid: Oid(oid),
        schema: match schema {
            "pg_catalog" => PG_CATALOG,
            _ => INFORMATION_SCHEMA,
        },
        is_view,
        columns: columns.collect(),
    })
}

/// The type of a column, or what stands for it here.
fn type_named(name: &str) -> Type {
    if let Some(element) = name.strip_suffix("[]") {
        return type_named(element).array_of();
    }
    let base = match name {
        "bool" => Base::Bool,
        "int2" => Base::Int2,
        "int4" | "cardinal_number" => Base::Int4,
        "int8" => Base::Int8,
        "float4" => Base::Float4,
        "float8" => Base::Float8,
        "numeric" => Base::Numeric,
        "oid" | "xid" | "regtype" => Base::Oid,
        "name" | "sql_identifier" => Base::Name,
        "char" => Base::Char,
        "timestamptz" | "time_stamp" => Base::Timestamptz,
        "interval" => Base::Interval,
        "bytea" => Base::Bytea,
        "character_data" | "yes_or_no" => Base::Varchar,
        "int2vector" => return Type::INT2.array_of(),
        "oidvector" => return Type::OID.array_of(),
        _ => Base::Text,
    };
    Type::of(base)
}

/// The relation of this name, if its schema has one.
pub(crate) fn relation(schema: Oid, name: &str) -> Option<&'static Relation> {
    let found = all().get(name)?;
    (found.schema == schema).then_some(found)
}

/// All relations, by number.
pub(crate) fn relations() -> impl Iterator<Item = &'static Relation> {
    static SORTED: OnceLock<Vec<&'static Relation>> = OnceLock::new();
    let sorted = SORTED.get_or_init(|| {
        let mut sorted: Vec<_> = all().values().collect();
        sorted.sort_unstable_by_key(|relation| relation.oid);
        sorted
    });
    sorted.iter().copied()
}

impl Relation {
    /// Its rows.
    pub(crate) fn rows(&'static self, around: &Around<'_>) -> Vec<Vec<Value>> {
        let mut sheet = Sheet::new(self);
        match self.schema {
            PG_CATALOG => fill(self.name, around, &mut sheet),
            _ => information::fill(self.name, around, &mut sheet),
        }
        sheet.rows()
    }
}

fn fill(name: &str, around: &Around<'_>, sheet: &mut Sheet) {
    match name {
        "pg_class" => classes::classes(around, sheet),
        "pg_attribute" => classes::attributes(around, sheet),
        "pg_attrdef" => classes::defaults(around, sheet),
        "pg_index" => constraints::indexes(around, sheet),
        "pg_constraint" => constraints::constraints(around, sheet),
        "pg_type" => types::types(around, sheet),
        "pg_enum" => types::labels(around, sheet),
        "pg_proc" => types::functions(sheet),
        "pg_operator" => types::operators(sheet),
        "pg_description" => comments::descriptions(around, sheet),
        "pg_sequence" => views::sequence_parameters(around, sheet),
        "pg_tables" => views::tables(around, sheet),
        "pg_views" => views::views(around, sheet),
        "pg_indexes" => views::indexes(around, sheet),
        "pg_sequences" => views::sequences(around, sheet),
        "pg_stat_user_tables" | "pg_stat_all_tables" => views::table_statistics(around, sheet),
        "pg_stat_activity" => activity::activity(around, sheet),
        "pg_locks" => activity::locks(around, sheet),
        "pg_stats" => views::column_statistics(around, sheet),
        _ => small::fill(name, around, sheet),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_found_by_schema_and_name() {
        let class = relation(PG_CATALOG, "pg_class").unwrap();
        assert_eq!(class.oid, Oid(1259));
        assert_eq!(class.columns[0], ("oid", Type::OID));
        assert!(relation(INFORMATION_SCHEMA, "columns").is_some());
        assert!(relation(PG_CATALOG, "columns").is_none());
        assert!(relations().count() > 150);
    }
}
