//! `information_schema`: the standard's views of the catalog.

use rustdb_catalog::{
    Action, CheckOption, Column, Constraint, ConstraintKind, Generated, Match, Object, PG_CATALOG,
    Table, TypeKind, View,
};
use rustdb_types::{Base, Element, Oid, Type, Value};

use super::constraints::foreign_key;
use super::definition::Brackets;
use super::sheet::{Cell, Sheet, yes_no};
use super::views::{all_sequences, all_views, view_text};
use super::{Around, definition, relations};
use crate::bind::updatable;

pub(super) fn fill(name: &str, around: &Around<'_>, sheet: &mut Sheet) {
    match name {
        "information_schema_catalog_name" => {
            sheet.names("catalog_name");
            sheet.row([(&around.names.database).into()]);
        }
        "schemata" => schemata(around, sheet),
        "tables" => tables(around, sheet),
        "columns" => columns(around, sheet),
        "views" => views(around, sheet),
        "sequences" => sequences(around, sheet),
        "table_constraints" => table_constraints(around, sheet),
        "key_column_usage" => key_column_usage(around, sheet),
        "referential_constraints" => referential_constraints(around, sheet),
        "constraint_column_usage" => constraint_column_usage(around, sheet),
        "check_constraints" => check_constraints(around, sheet),
        "enabled_roles" => {
            sheet.names("role_name");
            sheet.row([(&around.names.user).into()]);
        }
        // What RustDB has nothing of.
        other => debug_assert!(relations().any(|relation| relation.name == other)),
    }
}

fn schema_name(around: &Around<'_>, schema: Oid) -> Cell {
    let schema = around.catalog.schema(schema);
    schema.map(|schema| schema.name.as_str()).into()
}

fn schemata(around: &Around<'_>, sheet: &mut Sheet) {
    sheet
        .always("catalog_name", &around.names.database)
        .always("schema_owner", &around.names.user);
    sheet.names("schema_name");
    for object in around.catalog.objects() {
        if let Object::Schema(schema) = object {
            sheet.row([(&schema.name).into()]);
        }
    }
}

fn tables(around: &Around<'_>, sheet: &mut Sheet) {
    sheet
        .always("table_catalog", &around.names.database)
        .always("is_typed", yes_no(false));
    sheet.names("table_schema table_name table_type is_insertable_into");
    for relation in relations() {
        let kind = if relation.is_view {
            "VIEW"
        } else {
            "BASE TABLE"
        };
        let schema = schema_name(around, relation.schema);
        sheet.row([schema, relation.name.into(), kind.into(), yes_no(false)]);
    }
    for table in around.catalog.tables() {
        let kind = if table.temporary {
            "LOCAL TEMPORARY"
        } else {
            "BASE TABLE"
        };
        let schema = schema_name(around, table.schema);
        sheet.row([schema, (&table.name).into(), kind.into(), yes_no(true)]);
    }
    for view in all_views(around) {
        let schema = schema_name(around, view.schema);
        let is_insertable = yes_no(is_updatable(around, view));
        sheet.row([schema, (&view.name).into(), "VIEW".into(), is_insertable]);
    }
}

fn columns(around: &Around<'_>, sheet: &mut Sheet) {
    sheet
        .always("table_catalog", &around.names.database)
        .always("udt_catalog", &around.names.database)
        .always("is_self_referencing", yes_no(false))
        .always("identity_cycle", yes_no(false));
    sheet.names(
        "table_schema table_name column_name ordinal_position column_default is_nullable data_type \
         character_maximum_length character_octet_length numeric_precision numeric_precision_radix \
         numeric_scale datetime_precision domain_catalog domain_schema domain_name udt_schema \
         udt_name dtd_identifier is_identity identity_generation identity_start \
         identity_increment identity_maximum identity_minimum is_generated generation_expression \
         is_updatable",
    );
    for relation in relations() {
        for (place, (name, of)) in relation.columns.iter().enumerate() {
            let about = Of {
                schema: relation.schema,
                relation: relation.name,
                updatable: false,
            };
            column_row(around, sheet, &about, name, of, place + 1, None);
        }
    }
    for table in around.catalog.tables() {
        for column in table.live_columns() {
            let about = Of {
                schema: table.schema,
                relation: &table.name,
                updatable: true,
            };
            let of = &column.column_type;
            let place = column.id as usize;
            column_row(around, sheet, &about, &column.name, of, place, Some(column));
        }
    }
    for view in all_views(around) {
        let updatable = updatable(view, around.catalog).unwrap_or_default();
        for (place, column) in view.columns.iter().enumerate() {
            let about = Of {
                schema: view.schema,
                relation: &view.name,
                updatable: updatable.get(place).copied().unwrap_or(false),
            };
            column_row(
                around,
                sheet,
                &about,
                &column.name,
                &column.column_type,
                place + 1,
                None,
            );
        }
    }
}

/// What a column is part of.
struct Of<'a> {
    schema: Oid,
    relation: &'a str,
    updatable: bool,
}

fn column_row(
    around: &Around<'_>,
    sheet: &mut Sheet,
    of: &Of<'_>,
    name: &str,
    column_type: &Type,
    place: usize,
    column: Option<&Column>,
) {
    let plain = column_type.without_domains();
    let measures = Measures::of(&plain);
    let domain = match &column_type.element {
        Element::Domain(domain) if !column_type.array => Some(domain),
        _ => None,
    };
    let domain_object = domain.and_then(|domain| around.catalog.type_object(domain.oid));
    let generated = column.and_then(|column| column.generated.as_ref());
    let (identity, sequence) = identity_of(around, generated);
    let expression = match generated {
        Some(Generated::Stored(expression)) => Some(definition::shown(&expression.text)),
        _ => None,
    };
    let default = column.and_then(|column| column.default.as_ref());
    let default = default.filter(|_| generated.is_none());
    let of_sequence = |value: fn(&rustdb_catalog::Sequence) -> i64| -> Cell {
        sequence.map(|sequence| value(sequence).to_string()).into()
    };
    let (udt_schema, udt_name) = udt(around, &plain);
    sheet.row([
        schema_name(around, of.schema),
        of.relation.into(),
        name.into(),
        (place as i32).into(),
        default
            .map(|default| super::classes::shown_default(around, &default.text, column_type))
            .into(),
        yes_no(!column.is_some_and(|column| column.not_null)),
        data_type(&plain).into(),
        measures.characters.into(),
        measures.octets.into(),
        measures.precision.into(),
        measures.radix.into(),
        measures.scale.into(),
        measures.fraction.into(),
        domain.map(|_| around.names.database.as_str()).into(),
        domain_object.map_or(Cell(Value::Null), |object| {
            schema_name(around, object.schema)
        }),
        domain.map(|domain| domain.name.as_str()).into(),
        udt_schema,
        udt_name.into(),
        place.to_string().into(),
        yes_no(identity.is_some()),
        identity.into(),
        of_sequence(|sequence| sequence.start),
        of_sequence(|sequence| sequence.increment),
        of_sequence(|sequence| sequence.maximum),
        of_sequence(|sequence| sequence.minimum),
        (if expression.is_some() {
            "ALWAYS"
        } else {
            "NEVER"
        })
        .into(),
        expression.into(),
        yes_no(of.updatable),
    ]);
}

/// How an identity column says it is one, and its sequence.
fn identity_of<'a>(
    around: &Around<'a>,
    generated: Option<&Generated>,
) -> (Option<&'static str>, Option<&'a rustdb_catalog::Sequence>) {
    match generated {
        Some(Generated::Identity { always, sequence }) => (
            Some(if *always { "ALWAYS" } else { "BY DEFAULT" }),
            around
                .catalog
                .sequence(*sequence)
                .map(|sequence| &**sequence),
        ),
        _ => (None, None),
    }
}

/// A type's name in the standard's words.
fn data_type(of: &Type) -> String {
    match (&of.element, of.array) {
        (_, true) => "ARRAY".to_owned(),
        (Element::Base(Base::Vector), false) => "USER-DEFINED".to_owned(),
        (Element::Base(_), false) => of.name(),
        (Element::Enum(_) | Element::Domain(_), false) => "USER-DEFINED".to_owned(),
    }
}

/// Schema and name of the type below all domains.
fn udt(around: &Around<'_>, of: &Type) -> (Cell, String) {
    let of_created = |oid| {
        let object = around.catalog.type_object(oid);
        object.map_or(PG_CATALOG, |object| object.schema)
    };
    let (schema, name) = match &of.element {
        Element::Base(base) => (PG_CATALOG, base.row().name),
        Element::Enum(definition) => (of_created(definition.oid), definition.name.as_str()),
        Element::Domain(definition) => (of_created(definition.oid), definition.name.as_str()),
    };
    let name = if of.array {
        format!("_{name}")
    } else {
        name.to_owned()
    };
    (schema_name(around, schema), name)
}

/// How long and how exact values of a type are.
#[derive(Default)]
struct Measures {
    characters: Option<i32>,
    octets: Option<i32>,
    precision: Option<i32>,
    radix: Option<i32>,
    scale: Option<i32>,
    fraction: Option<i32>,
}

/// Bytes of a text without a limit, as the standard's views count them.
const OCTETS_MAX: i32 = 1 << 30;

impl Measures {
    fn of(of: &Type) -> Measures {
        let none = Measures::default();
        let Some(base) = of.base().filter(|_| !of.array) else {
            return none;
        };
        let number = |precision, radix, scale| Measures {
            precision: Some(precision),
            radix: Some(radix),
            scale,
            ..Measures::default()
        };
        match base {
            Base::Int2 => number(16, 2, Some(0)),
            Base::Int4 => number(32, 2, Some(0)),
            Base::Int8 => number(64, 2, Some(0)),
            Base::Float4 => number(24, 2, None),
            Base::Float8 => number(53, 2, None),
            Base::Numeric => match of.modifier.precision_and_scale() {
                Some((precision, scale)) => number(precision, 10, Some(scale)),
                None => Measures {
                    radix: Some(10),
                    ..none
                },
            },
            Base::Text => Measures {
                octets: Some(OCTETS_MAX),
                ..none
            },
            Base::Varchar | Base::Bpchar => {
                let count = of.modifier.character_count();
                let count = count.and_then(|count| i32::try_from(count).ok());
                Measures {
                    characters: count,
                    octets: Some(count.map_or(OCTETS_MAX, |count| count.saturating_mul(4))),
                    ..none
                }
            }
            Base::Date => Measures {
                fraction: Some(0),
                ..none
            },
            Base::Time | Base::Timestamp | Base::Timestamptz | Base::Interval => Measures {
                fraction: Some(
                    of.modifier
                        .fraction_digits()
                        .map_or(6, |digits| digits as i32),
                ),
                ..none
            },
            _ => none,
        }
    }
}

fn views(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.always("table_catalog", &around.names.database);
    for name in [
        "is_trigger_updatable",
        "is_trigger_deletable",
        "is_trigger_insertable_into",
    ] {
        sheet.always(name, yes_no(false));
    }
    sheet.names(
        "table_schema table_name view_definition is_updatable is_insertable_into check_option",
    );
    for view in all_views(around) {
        let is_updatable = is_updatable(around, view);
        sheet.row([
            schema_name(around, view.schema),
            (&view.name).into(),
            view_text(view).into(),
            yes_no(is_updatable),
            yes_no(is_updatable),
            match view.check_option {
                None => "NONE",
                Some(CheckOption::Local) => "LOCAL",
                Some(CheckOption::Cascaded) => "CASCADED",
            }
            .into(),
        ]);
    }
}

/// Whether rows can be written through a view.
fn is_updatable(around: &Around<'_>, view: &View) -> bool {
    updatable(view, around.catalog).is_some_and(|columns| columns.contains(&true))
}

fn sequences(around: &Around<'_>, sheet: &mut Sheet) {
    sheet
        .always("sequence_catalog", &around.names.database)
        .always("numeric_precision_radix", 2)
        .always("numeric_scale", 0);
    sheet.names(
        "sequence_schema sequence_name data_type numeric_precision start_value minimum_value \
         maximum_value increment cycle_option",
    );
    for sequence in all_sequences(around) {
        sheet.row([
            schema_name(around, sequence.schema),
            (&sequence.name).into(),
            sequence.data_type.name().into(),
            Measures::of(&sequence.data_type).precision.into(),
            sequence.start.to_string().into(),
            sequence.minimum.to_string().into(),
            sequence.maximum.to_string().into(),
            sequence.increment.to_string().into(),
            yes_no(sequence.cycle),
        ]);
    }
}

/// All constraints of all tables.
fn all_constraints<'a>(around: &Around<'a>) -> impl Iterator<Item = (&'a Table, &'a Constraint)> {
    let tables = around.catalog.tables().into_iter();
    tables.flat_map(|table| table.constraints.iter().map(move |each| (&**table, each)))
}

fn table_constraints(around: &Around<'_>, sheet: &mut Sheet) {
    let database = &around.names.database;
    sheet
        .always("constraint_catalog", database)
        .always("table_catalog", database)
        .always("enforced", yes_no(true));
    sheet.names(
        "constraint_schema constraint_name table_schema table_name constraint_type is_deferrable \
         initially_deferred nulls_distinct",
    );
    for (table, constraint) in all_constraints(around) {
        let (kind, nulls) = match &constraint.kind {
            ConstraintKind::PrimaryKey { .. } => ("PRIMARY KEY", None),
            ConstraintKind::Unique { index, .. } => {
                let index = table.index(*index);
                (
                    "UNIQUE",
                    Some(!index.is_some_and(|index| index.nulls_not_distinct)),
                )
            }
            ConstraintKind::Check { .. } => ("CHECK", None),
            ConstraintKind::ForeignKey(_) => ("FOREIGN KEY", None),
        };
        sheet.row([
            schema_name(around, table.schema),
            (&constraint.name).into(),
            schema_name(around, table.schema),
            (&table.name).into(),
            kind.into(),
            yes_no(constraint.deferrable),
            yes_no(constraint.initially_deferred),
            nulls.map_or(Cell(Value::Null), yes_no),
        ]);
    }
    for table in around.catalog.tables() {
        for column in table.live_columns().filter(|column| column.not_null) {
            sheet.row([
                schema_name(around, table.schema),
                not_null_name(table, column).into(),
                schema_name(around, table.schema),
                (&table.name).into(),
                "CHECK".into(),
                yes_no(false),
                yes_no(false),
                Value::Null.into(),
            ]);
        }
    }
}

/// The name that PostgreSQL makes up for NOT NULL here.
fn not_null_name(table: &Table, column: &Column) -> String {
    format!("{}_{}_{}_not_null", table.schema.0, table.oid.0, column.id)
}

fn key_column_usage(around: &Around<'_>, sheet: &mut Sheet) {
    let database = &around.names.database;
    sheet
        .always("constraint_catalog", database)
        .always("table_catalog", database);
    sheet.names(
        "constraint_schema constraint_name table_schema table_name column_name ordinal_position \
         position_in_unique_constraint",
    );
    for (table, constraint) in all_constraints(around) {
        if definition::is_check(constraint) {
            continue;
        }
        let key = foreign_key(constraint);
        for (place, id) in constraint.kind.columns().iter().enumerate() {
            let theirs = key.and_then(|key| {
                let parent = around.catalog.table(key.parent)?;
                let index = parent.index(key.parent_index)?.plain_columns()?;
                let wanted = key.parent_columns.get(place)?;
                index.iter().position(|column| column == wanted)
            });
            sheet.row([
                schema_name(around, table.schema),
                (&constraint.name).into(),
                schema_name(around, table.schema),
                (&table.name).into(),
                table.column(*id).map(|column| column.name.as_str()).into(),
                (place as i32 + 1).into(),
                theirs.map(|place| place as i32 + 1).into(),
            ]);
        }
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::NoAction => "NO ACTION",
        Action::Restrict => "RESTRICT",
        Action::Cascade => "CASCADE",
        Action::SetNull => "SET NULL",
        Action::SetDefault => "SET DEFAULT",
    }
}

fn referential_constraints(around: &Around<'_>, sheet: &mut Sheet) {
    let database = &around.names.database;
    sheet
        .always("constraint_catalog", database)
        .always("unique_constraint_catalog", database);
    sheet.names(
        "constraint_schema constraint_name unique_constraint_schema unique_constraint_name \
         match_option update_rule delete_rule",
    );
    for (table, constraint) in all_constraints(around) {
        let Some(key) = foreign_key(constraint) else {
            continue;
        };
        let parent = around.catalog.table(key.parent);
        let theirs = parent.and_then(|parent| {
            let mut all = parent.constraints.iter();
            all.find(|each| each.kind.index() == Some(key.parent_index))
        });
        let schema = parent
            .filter(|_| theirs.is_some())
            .map(|parent| parent.schema);
        sheet.row([
            schema_name(around, table.schema),
            (&constraint.name).into(),
            schema.map_or(Cell(Value::Null), |schema| schema_name(around, schema)),
            theirs.map(|theirs| theirs.name.as_str()).into(),
            (match key.match_type {
                Match::Simple => "NONE",
                Match::Full => "FULL",
            })
            .into(),
            action(key.on_update).into(),
            action(key.on_delete).into(),
        ]);
    }
}

fn constraint_column_usage(around: &Around<'_>, sheet: &mut Sheet) {
    let database = &around.names.database;
    sheet
        .always("constraint_catalog", database)
        .always("table_catalog", database);
    sheet.names("table_schema table_name column_name constraint_schema constraint_name");
    for (table, constraint) in all_constraints(around) {
        // A foreign key uses the columns that it refers to.
        let (of, ids) = match foreign_key(constraint) {
            Some(key) => match around.catalog.table(key.parent) {
                Some(parent) => (&**parent, &key.parent_columns[..]),
                None => continue,
            },
            None => (table, constraint.kind.columns()),
        };
        for id in ids {
            sheet.row([
                schema_name(around, of.schema),
                (&of.name).into(),
                of.column(*id).map(|column| column.name.as_str()).into(),
                schema_name(around, table.schema),
                (&constraint.name).into(),
            ]);
        }
    }
}

fn check_constraints(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.always("constraint_catalog", &around.names.database);
    sheet.names("constraint_schema constraint_name check_clause");
    // Both kinds, without the word CHECK.
    let clause = |text: String| text.strip_prefix("CHECK ").map(str::to_owned).into();
    for (table, constraint) in all_constraints(around).filter(|it| definition::is_check(it.1)) {
        let schema = schema_name(around, table.schema);
        let text = definition::constraint(around, table, constraint, Brackets::All);
        sheet.row([schema, (&constraint.name).into(), clause(text)]);
    }
    for object in around.catalog.objects() {
        if let Object::Type(of) = object
            && let TypeKind::Domain(domain) = &of.kind
        {
            for check in &domain.checks {
                let schema = schema_name(around, of.schema);
                let text = definition::domain_check(check, Brackets::All);
                sheet.row([schema, (&check.name).into(), clause(text)]);
            }
        }
    }
    for table in around.catalog.tables() {
        for column in table.live_columns().filter(|column| column.not_null) {
            sheet.row([
                schema_name(around, table.schema),
                not_null_name(table, column).into(),
                format!("{} IS NOT NULL", column.name).into(),
            ]);
        }
    }
}
