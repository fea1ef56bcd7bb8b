//! `pg_type`, `pg_enum`, `pg_proc`, `pg_operator`.

use rustdb_catalog::{Object, PG_CATALOG, TypeKind};
use rustdb_types::{BUILT_IN, Base, Category, Oid, Type, Value};

use super::classes::{Looks, OWNER};
use super::sheet::{Cell, Sheet, vector};
use super::{Around, definition};

/// What a row of `pg_type` says.
struct Row<'a> {
    oid: Oid,
    name: String,
    schema: Oid,
    kind: &'static str,
    category: Category,
    preferred: bool,
    element: Oid,
    array: Oid,
    looks: Looks,
    base: Option<&'a Type>,
    not_null: bool,
    default: Option<String>,
}

impl Row<'_> {
    fn write(&self, sheet: &mut Sheet) {
        let function = |suffix: &str| -> String {
            match (self.kind, self.category) {
                ("e", _) => format!("enum_{suffix}"),
                ("d", _) if suffix == "in" || suffix == "recv" => format!("domain_{suffix}"),
                (_, Category::Array) => format!("array_{suffix}"),
                _ => format!("{}{}{suffix}", self.name, underscore(&self.name)),
            }
        };
        sheet.row([
            self.oid.into(),
            (&self.name).into(),
            self.schema.into(),
            self.looks.length.into(),
            self.looks.by_value.into(),
            self.kind.into(),
            char::from(self.category as u8).to_string().into(),
            self.preferred.into(),
            self.element.into(),
            self.array.into(),
            function("in").into(),
            function("out").into(),
            function("recv").into(),
            function("send").into(),
            (&self.looks.align).into(),
            self.looks.storage.into(),
            self.not_null.into(),
            self.base.map_or(Oid(0), Type::oid).into(),
            self.base.map_or(-1, |base| base.modifier.0).into(),
            self.looks.collation.into(),
            self.default.clone().into(),
        ]);
    }
}

/// PostgreSQL names `int4in` without and `date_in` with one.
fn underscore(name: &str) -> &'static str {
    const WITH: [&str; 12] = [
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "interval",
        "numeric",
        "uuid",
        "json",
        "jsonb",
        "vector",
        "record",
        "void",
    ];
    if WITH.contains(&name) { "_" } else { "" }
}

pub(super) fn types(around: &Around<'_>, sheet: &mut Sheet) {
    sheet
        .always("typowner", OWNER)
        .always("typisdefined", true)
        .always("typdelim", ",");
    sheet.names(
        "oid typname typnamespace typlen typbyval typtype typcategory typispreferred typelem \
         typarray typinput typoutput typreceive typsend typalign typstorage typnotnull typbasetype \
         typtypmod typcollation typdefault",
    );
    for row in BUILT_IN {
        let own = Base::from_oid(row.oid).map(Type::of);
        let mut looks = Looks::of(own.as_ref().unwrap_or(&Type::TEXT));
        looks.length = row.length;
        looks.by_value = row.by_value;
        looks.align = row.align.to_string();
        if row.length > 0 {
            looks.storage = "p";
        }
        if own.is_none() {
            looks.collation = Oid(0);
        }
        let element = match row.oid {
            Oid::INT2VECTOR => Oid::INT2,
            Oid::OIDVECTOR => Oid::OID,
            _ => Oid(0),
        };
        let collation = looks.collation;
        Row {
            oid: row.oid,
            name: row.name.to_owned(),
            schema: PG_CATALOG,
            kind: if row.category == Category::Pseudo {
                "p"
            } else {
                "b"
            },
            category: row.category,
            preferred: row.preferred,
            element,
            array: row.array,
            looks,
            base: None,
            not_null: false,
            default: None,
        }
        .write(sheet);
        if row.array != Oid(0) {
            of_arrays(row.array, row.name, PG_CATALOG, row.oid, collation).write(sheet);
        }
    }
    for object in around.catalog.objects() {
        if let Object::Type(object) = object {
            created(object, sheet);
        }
    }
}

fn of_arrays(oid: Oid, name: &str, schema: Oid, element: Oid, collation: Oid) -> Row<'static> {
    let mut looks = Looks::of(&Type::TEXT.array_of());
    looks.collation = collation;
    Row {
        oid,
        name: format!("_{name}"),
        schema,
        kind: "b",
        category: Category::Array,
        preferred: false,
        element,
        array: Oid(0),
        looks,
        base: None,
        not_null: false,
        default: None,
    }
}

fn created(object: &rustdb_catalog::TypeObject, sheet: &mut Sheet) {
    let of = object.as_type();
    let (kind, domain) = match &object.kind {
        TypeKind::Enum(_) => ("e", None),
        TypeKind::Domain(domain) => ("d", Some(domain)),
    };
    let looks = Looks::of(&of);
    let collation = looks.collation;
    let default = domain.and_then(|domain| domain.default.as_ref());
    Row {
        oid: object.oid(),
        name: object.name().to_owned(),
        schema: object.schema,
        kind,
        category: of.category(),
        preferred: false,
        element: Oid(0),
        array: object.array_oid(),
        looks,
        base: domain.map(|domain| &domain.definition.base),
        not_null: domain.is_some_and(|domain| domain.not_null),
        default: default.map(|text| definition::shown(&text.text)),
    }
    .write(sheet);
    of_arrays(
        object.array_oid(),
        object.name(),
        object.schema,
        object.oid(),
        collation,
    )
    .write(sheet);
}

pub(super) fn labels(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.names("oid enumtypid enumsortorder enumlabel");
    for object in around.catalog.objects() {
        let Object::Type(object) = object else {
            continue;
        };
        if let TypeKind::Enum(definition) = &object.kind {
            for label in &definition.labels {
                sheet.row([
                    // Labels have no numbers of their own; these are in nobody's way.
                    Oid((definition.oid.0 << 8) ^ label.id ^ (1 << 31)).into(),
                    definition.oid.into(),
                    (label.order as f32).into(),
                    label.label.as_str().into(),
                ]);
            }
        }
    }
}

/// The number of the first built-in function.
pub(super) const FIRST_FUNCTION: u32 = 1_000_000_000;

/// The built-in functions. Their numbers are their places, out of the way of all others.
pub(super) fn functions(sheet: &mut Sheet) {
    sheet
        .always("pronamespace", PG_CATALOG)
        .always("proowner", OWNER)
        .always("prolang", Oid(12))
        .always("procost", 1.0_f32)
        .always("proparallel", "s")
        .always("prokind", "f");
    sheet.names(
        "oid proname proisstrict proretset provolatile pronargs pronargdefaults prorettype \
         proargtypes prosrc",
    );
    for (function, number) in rustdb_types::function::functions().zip(FIRST_FUNCTION..) {
        use rustdb_types::function::Volatility;
        let volatility = match function.volatility {
            Volatility::Immutable => "i",
            Volatility::Stable => "s",
            Volatility::Volatile => "v",
        };
        let types = function
            .parameters
            .iter()
            .map(|each| Value::Oid(each.oid().0));
        sheet.row([
            Oid(number).into(),
            function.name.into(),
            function.strict.into(),
            function.set.into(),
            volatility.into(),
            (function.parameters.len() as i16).into(),
            (function.defaults.len() as i16).into(),
            function.result.oid().into(),
            vector(types).into(),
            function.name.into(),
        ]);
    }
}

/// The built-in operators, numbered as the functions are.
pub(super) fn operators(sheet: &mut Sheet) {
    const FIRST: u32 = 1_100_000_000;
    sheet
        .always("oprnamespace", PG_CATALOG)
        .always("oprowner", OWNER);
    sheet.names("oid oprname oprkind oprleft oprright oprresult oprcode");
    for (operator, number) in rustdb_types::operators().zip(FIRST..) {
        let left = operator.left.as_ref().map(|left| left.oid());
        sheet.row([
            Oid(number).into(),
            operator.name.into(),
            (if left.is_some() { "b" } else { "l" }).into(),
            left.unwrap_or(Oid(0)).into(),
            operator.right.oid().into(),
            operator.result.oid().into(),
            Cell::from(""),
        ]);
    }
}
