//! The numbers and properties of types, against `pg_type` and `format_type`.

use rustdb_types::{BUILT_IN, Base, Modifier, Oid, Type};

use super::{Case, described};
use crate::server::Server;

/// Every built-in type but `vector`, which is an extension there.
pub(super) fn types(server: &Server) -> (usize, Vec<String>) {
    let query = "select concat_ws('|', oid, typname, format_type(oid, null), typarray, typlen, \
                 typbyval, typcategory, typispreferred, typalign) from pg_type";
    let theirs = server.psql(query).unwrap();
    let rows = BUILT_IN.iter().filter(|row| row.oid != Oid::VECTOR);
    let flag = |flag: bool| if flag { 't' } else { 'f' };
    let ours: Vec<String> = rows
        .map(|row| {
            format!(
                "{}|{}|{}|{}|{}|{}|{}|{}|{}",
                row.oid,
                row.name,
                row.sql_name,
                row.array,
                row.length,
                flag(row.by_value),
                char::from(row.category as u8),
                flag(row.preferred),
                row.align
            )
        })
        .collect();
    let missing = ours
        .iter()
        .filter(|row| !theirs.lines().any(|line| line == *row));
    (
        ours.len(),
        missing
            .map(|row| format!("pg_type has not {row}"))
            .collect(),
    )
}

/// Names with modifiers, and names that stand for a type.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for base in Base::ALL.into_iter().filter(|base| *base != Base::Vector) {
        for array in [false, true] {
            let of = if array {
                Type::of(base).array_of()
            } else {
                Type::of(base)
            };
            for modifier in modifiers(base) {
                if of.oid() == Oid(0) {
                    continue;
                }
                cases.push(Case {
                    sql: format!("format_type({}, {modifier})", of.oid()),
                    ours: of.with_modifier(Modifier(modifier)).full_name(),
                });
            }
        }
    }
    cases.extend(refused_modifiers());
    for name in NAMES {
        let base = Base::from_name(name).map_or("none".to_owned(), |base| base.oid().to_string());
        cases.push(Case {
            sql: format!("to_regtype('{name}')::oid::int"),
            ours: base,
        });
    }
    cases
}

/// Modifiers that no type may have.
fn refused_modifiers() -> Vec<Case> {
    let refused = |name: &str, modifier: rustdb_types::Result<Modifier>| Case {
        sql: format!("null::{name}"),
        ours: described(&modifier.unwrap_err()),
    };
    vec![
        refused("numeric(0, 0)", Modifier::numeric(0, 0)),
        refused("numeric(1001, 0)", Modifier::numeric(1001, 0)),
        refused("numeric(5, 1001)", Modifier::numeric(5, 1001)),
        refused("numeric(5, -1001)", Modifier::numeric(5, -1001)),
        refused("varchar(0)", Modifier::characters(Base::Varchar, 0)),
        refused("char(0)", Modifier::characters(Base::Bpchar, 0)),
        refused(
            "varchar(10485761)",
            Modifier::characters(Base::Varchar, 10_485_761),
        ),
        refused(
            "char(10485761)",
            Modifier::characters(Base::Bpchar, 10_485_761),
        ),
    ]
}

/// No modifier, and some that the type may have.
fn modifiers(base: Base) -> Vec<i32> {
    let some: &[i32] = match base {
        Base::Numeric => &[655_366, 327_684, 65_540, (1000 << 16 | 0x7ff) + 4],
        Base::Varchar | Base::Bpchar => &[5, 24, 10_485_764],
        Base::Time | Base::Timestamp | Base::Timestamptz => &[0, 3, 6],
        Base::Interval => &[
            0x7fff << 16 | 2,
            4 << 16 | 0xffff,
            6 << 16 | 0xffff,
            (1 << 3 | 1 << 10 | 1 << 11 | 1 << 12) << 16 | 3,
            (1 << 12) << 16,
        ],
        _ => &[],
    };
    [-1].iter().chain(some).copied().collect()
}

const NAMES: &[&str] = &[
    "bool",
    "boolean",
    "int2",
    "smallint",
    "int4",
    "int",
    "integer",
    "int8",
    "bigint",
    "float4",
    "real",
    "float8",
    "float",
    "double precision",
    "numeric",
    "decimal",
    "dec",
    "text",
    "varchar",
    "character varying",
    "char varying",
    "bpchar",
    "char",
    "character",
    "nchar",
    "national character",
    "name",
    "\"char\"",
    "bytea",
    "date",
    "time",
    "time without time zone",
    "timestamp",
    "timestamp without time zone",
    "timestamptz",
    "timestamp with time zone",
    "interval",
    "uuid",
    "json",
    "jsonb",
    "oid",
];
