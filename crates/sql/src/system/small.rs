//! Relations of a few rows, which are the same in every database or say what it is called.

use rustdb_catalog::{Object, PG_CATALOG};
use rustdb_types::{Oid, Value};

use super::classes::{BTREE, HASH, OWNER};
use super::constraints::OPERATOR_CLASSES;
use super::sheet::Sheet;
use super::{Around, relations};
use crate::settings::{Kind, definitions};

pub(super) fn fill(name: &str, around: &Around<'_>, sheet: &mut Sheet) {
    match name {
        "pg_namespace" => schemas(around, sheet),
        "pg_database" => databases(around, sheet),
        "pg_roles" | "pg_authid" => roles(around, sheet),
        "pg_user" | "pg_shadow" => users(around, sheet),
        "pg_am" => methods(sheet),
        "pg_opclass" => classes(sheet),
        "pg_language" => languages(sheet),
        "pg_collation" => collations(sheet),
        "pg_tablespace" => tablespaces(sheet),
        "pg_settings" => settings(around, sheet),
        // What RustDB has nothing of.
        other => debug_assert!(relations().any(|relation| relation.name == other)),
    }
}

fn schemas(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.always("nspowner", OWNER);
    sheet.names("oid nspname");
    for object in around.catalog.objects() {
        if let Object::Schema(schema) = object {
            sheet.row([schema.oid.into(), (&schema.name).into()]);
        }
    }
}

fn databases(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.names(
        "oid datname datdba encoding datlocprovider datallowconn datconnlimit dattablespace \
         datcollate datctype",
    );
    for (number, name) in around.store.databases() {
        sheet.row([
            number.into(),
            (&*name).into(),
            OWNER.into(),
            6.into(),
            "c".into(),
            true.into(),
            (-1).into(),
            Oid(1663).into(),
            "C".into(),
            "C".into(),
        ]);
    }
}

fn roles(around: &Around<'_>, sheet: &mut Sheet) {
    for name in [
        "rolsuper",
        "rolinherit",
        "rolcreaterole",
        "rolcreatedb",
        "rolcanlogin",
        "rolbypassrls",
    ] {
        sheet.always(name, true);
    }
    sheet
        .always("rolreplication", false)
        .always("rolconnlimit", -1);
    sheet.names("oid rolname");
    sheet.row([OWNER.into(), (&around.names.user).into()]);
}

fn users(around: &Around<'_>, sheet: &mut Sheet) {
    for name in ["usecreatedb", "usesuper", "usebypassrls"] {
        sheet.always(name, true);
    }
    sheet.names("usename usesysid userepl");
    sheet.row([(&around.names.user).into(), OWNER.into(), false.into()]);
}

fn methods(sheet: &mut Sheet) {
    sheet.names("oid amname amhandler amtype");
    sheet.row([
        Oid(2).into(),
        "heap".into(),
        "heap_tableam_handler".into(),
        "t".into(),
    ]);
    sheet.row([BTREE.into(), "btree".into(), "bthandler".into(), "i".into()]);
    sheet.row([HASH.into(), "hash".into(), "hashhandler".into(), "i".into()]);
}

fn classes(sheet: &mut Sheet) {
    sheet
        .always("opcnamespace", PG_CATALOG)
        .always("opcowner", OWNER)
        .always("opcdefault", true);
    sheet.names("oid opcmethod opcname opcintype");
    for (oid, method, name, of) in OPERATOR_CLASSES {
        sheet.row([
            Oid(*oid).into(),
            Oid(*method).into(),
            (*name).into(),
            (*of).into(),
        ]);
    }
}

fn languages(sheet: &mut Sheet) {
    sheet.always("lanowner", OWNER);
    sheet.names("oid lanname lanpltrusted");
    for (oid, name, trusted) in [(12, "internal", false), (13, "c", false), (14, "sql", true)] {
        sheet.row([Oid(oid).into(), name.into(), trusted.into()]);
    }
}

fn collations(sheet: &mut Sheet) {
    sheet
        .always("collnamespace", PG_CATALOG)
        .always("collowner", OWNER)
        .always("collisdeterministic", true)
        .always("collencoding", -1);
    sheet.names("oid collname collprovider collcollate collctype");
    sheet.row([
        Oid(100).into(),
        "default".into(),
        "d".into(),
        Value::Null.into(),
        Value::Null.into(),
    ]);
    for (oid, name) in [(950, "C"), (951, "POSIX")] {
        sheet.row([
            Oid(oid).into(),
            name.into(),
            "c".into(),
            name.into(),
            name.into(),
        ]);
    }
}

fn settings(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.always("pending_restart", false);
    sheet.names("name setting category short_desc context vartype source boot_val reset_val");
    for definition in definitions() {
        let value = around.parameters.get(definition.name).unwrap_or_default();
        let kind = match definition.kind {
            Kind::Switch => "bool",
            Kind::Number(..) | Kind::Time => "integer",
            Kind::Words(_) => "enum",
            _ => "string",
        };
        let is_default = value == definition.default;
        sheet.row([
            definition.name.into(),
            value.into(),
            "".into(),
            definition.description.into(),
            (if definition.is_fixed() {
                "internal"
            } else {
                "user"
            })
            .into(),
            kind.into(),
            (if is_default { "default" } else { "session" }).into(),
            definition.default.into(),
            definition.default.into(),
        ]);
    }
}

fn tablespaces(sheet: &mut Sheet) {
    sheet.always("spcowner", OWNER);
    sheet.names("oid spcname");
    for (oid, name) in [(1663, "pg_default"), (1664, "pg_global")] {
        sheet.row([Oid(oid).into(), name.into()]);
    }
}
