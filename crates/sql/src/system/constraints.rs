//! `pg_index` and `pg_constraint`.

use rustdb_catalog::{
    Action, Constraint, ConstraintKind, ForeignKey, Index, IndexKey, IndexState, Match, Object,
    Table, TypeKind,
};
use rustdb_types::{Base, Oid, Type, Value};

use super::classes::{HASH, Looks, method_of};
use super::sheet::{Cell, Sheet, array, vector};
use super::{Around, definition};

pub(super) fn indexes(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.always("indislive", true);
    sheet.names(
        "indexrelid indrelid indnatts indnkeyatts indisunique indnullsnotdistinct indisprimary \
         indimmediate indisvalid indisready indkey indcollation indclass indoption indexprs indpred",
    );
    for table in around.catalog.tables() {
        for index in &table.indexes {
            sheet.row(index_row(table, index));
        }
    }
}

fn index_row(table: &Table, index: &Index) -> [Cell; 16] {
    let keys = index.columns.iter().map(|column| match &column.key {
        IndexKey::Column(id) => *id,
        IndexKey::Expression { .. } => 0,
    });
    let keys = keys.chain(index.include.iter().copied());
    let types: Vec<Type> = index
        .columns
        .iter()
        .map(|column| type_of(table, &column.key))
        .collect();
    let options = index.columns.iter().map(|column| {
        Value::Int2(i16::from(column.descending) | i16::from(column.nulls_first) << 1)
    });
    let expressions: Vec<String> = index
        .columns
        .iter()
        .filter_map(|column| match &column.key {
            IndexKey::Expression { expression, .. } => Some(definition::shown(&expression.text)),
            IndexKey::Column(_) => None,
        })
        .collect();
    let primary = table.primary_key().and_then(|key| key.kind.index());
    let predicate = index.predicate.as_ref();
    [
        index.oid.into(),
        table.oid.into(),
        ((index.columns.len() + index.include.len()) as i16).into(),
        (index.columns.len() as i16).into(),
        index.unique.into(),
        index.nulls_not_distinct.into(),
        (primary == Some(index.oid)).into(),
        (!index.deferrable).into(),
        (index.state == IndexState::Public).into(),
        (index.state != IndexState::Invalid).into(),
        vector(keys.map(|id| Value::Int2(id as i16))).into(),
        vector(types.iter().map(|of| Value::Oid(Looks::of(of).collation.0))).into(),
        vector(
            types
                .iter()
                .map(|of| Value::Oid(class_of(of, method_of(index)).0)),
        )
        .into(),
        vector(options).into(),
        (!expressions.is_empty())
            .then(|| expressions.join(", "))
            .into(),
        predicate
            .map(|predicate| definition::shown(&predicate.text))
            .into(),
    ]
}

fn type_of(table: &Table, key: &IndexKey) -> Type {
    match key {
        IndexKey::Column(id) => table
            .column(*id)
            .map_or(Type::TEXT, |column| column.column_type.clone()),
        IndexKey::Expression { result, .. } => result.clone(),
    }
}

/// Operator classes: number, method, name, type.
pub(super) const OPERATOR_CLASSES: &[(u32, u32, &str, Oid)] = &[
    (10_000, 403, "array_ops", Oid::ANYARRAY),
    (10_001, 405, "array_ops", Oid::ANYARRAY),
    (10_003, 403, "bool_ops", Oid::BOOL),
    (10_048, 405, "bool_ops", Oid::BOOL),
    (10_004, 403, "bpchar_ops", Oid::BPCHAR),
    (10_005, 405, "bpchar_ops", Oid::BPCHAR),
    (10_006, 403, "bytea_ops", Oid::BYTEA),
    (10_049, 405, "bytea_ops", Oid::BYTEA),
    (10_007, 403, "char_ops", Oid::CHAR),
    (10_008, 405, "char_ops", Oid::CHAR),
    (3_122, 403, "date_ops", Oid::DATE),
    (10_011, 405, "date_ops", Oid::DATE),
    (10_012, 403, "float4_ops", Oid::FLOAT4),
    (10_013, 405, "float4_ops", Oid::FLOAT4),
    (3_123, 403, "float8_ops", Oid::FLOAT8),
    (10_014, 405, "float8_ops", Oid::FLOAT8),
    (1_979, 403, "int2_ops", Oid::INT2),
    (10_019, 405, "int2_ops", Oid::INT2),
    (1_978, 403, "int4_ops", Oid::INT4),
    (10_020, 405, "int4_ops", Oid::INT4),
    (3_124, 403, "int8_ops", Oid::INT8),
    (10_021, 405, "int8_ops", Oid::INT8),
    (10_022, 403, "interval_ops", Oid::INTERVAL),
    (10_023, 405, "interval_ops", Oid::INTERVAL),
    (10_028, 403, "name_ops", Oid::NAME),
    (10_029, 405, "name_ops", Oid::NAME),
    (3_125, 403, "numeric_ops", Oid::NUMERIC),
    (10_030, 405, "numeric_ops", Oid::NUMERIC),
    (1_981, 403, "oid_ops", Oid::OID),
    (10_031, 405, "oid_ops", Oid::OID),
    (3_126, 403, "text_ops", Oid::TEXT),
    (10_037, 405, "text_ops", Oid::TEXT),
    (10_038, 403, "time_ops", Oid::TIME),
    (10_039, 405, "time_ops", Oid::TIME),
    (3_127, 403, "timestamptz_ops", Oid::TIMESTAMPTZ),
    (10_040, 405, "timestamptz_ops", Oid::TIMESTAMPTZ),
    (3_128, 403, "timestamp_ops", Oid::TIMESTAMP),
    (10_046, 405, "timestamp_ops", Oid::TIMESTAMP),
    (10_065, 403, "uuid_ops", Oid::UUID),
    (10_066, 405, "uuid_ops", Oid::UUID),
    (10_069, 403, "enum_ops", Oid::ANYENUM),
    (10_070, 405, "enum_ops", Oid::ANYENUM),
    (10_088, 403, "jsonb_ops", Oid::JSONB),
    (10_089, 405, "jsonb_ops", Oid::JSONB),
];

/// The operator class that keys of a type have.
fn class_of(of: &Type, method: Oid) -> Oid {
    let of = of.without_domains();
    let oid = match (of.array, of.base()) {
        (true, _) => Oid::ANYARRAY,
        (false, Some(Base::Varchar)) => Oid::TEXT,
        (false, Some(base)) => base.oid(),
        (false, None) => Oid::ANYENUM,
    };
    debug_assert!(method == HASH || method == super::classes::BTREE);
    let mut all = OPERATOR_CLASSES.iter();
    let found = all.find(|class| class.1 == method.0 && class.3 == oid);
    found.map_or(Oid(0), |class| Oid(class.0))
}

pub(super) fn constraints(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.always("conislocal", true);
    sheet.names(
        "oid conname connamespace contype condeferrable condeferred convalidated conrelid contypid \
         conindid confrelid confupdtype confdeltype confmatchtype connoinherit conkey confkey \
         confdelsetcols conbin",
    );
    for object in around.catalog.objects() {
        match object {
            Object::Table(table) => {
                for constraint in &table.constraints {
                    sheet.row(constraint_row(table, constraint));
                }
            }
            Object::Type(object) => {
                let TypeKind::Domain(domain) = &object.kind else {
                    continue;
                };
                for check in &domain.checks {
                    sheet.row([
                        check.oid.into(),
                        (&check.name).into(),
                        object.schema.into(),
                        "c".into(),
                        false.into(),
                        false.into(),
                        check.validated.into(),
                        Oid(0).into(),
                        object.oid().into(),
                        Oid(0).into(),
                        Oid(0).into(),
                        " ".into(),
                        " ".into(),
                        " ".into(),
                        false.into(),
                        Value::Null.into(),
                        Value::Null.into(),
                        Value::Null.into(),
                        definition::shown(&check.expression.text).into(),
                    ]);
                }
            }
            _ => (),
        }
    }
}

fn constraint_row(table: &Table, constraint: &Constraint) -> [Cell; 19] {
    let numbers = |ids: &[u32]| match ids.is_empty() {
        true => Value::Null,
        false => array(ids.iter().map(|id| Value::Int2(*id as i16))),
    };
    let kind = match &constraint.kind {
        ConstraintKind::PrimaryKey { .. } => "p",
        ConstraintKind::Unique { .. } => "u",
        ConstraintKind::Check { .. } => "c",
        ConstraintKind::ForeignKey(_) => "f",
    };
    let key = foreign_key(constraint);
    let index = constraint.kind.index().or(key.map(|key| key.parent_index));
    let text = match &constraint.kind {
        ConstraintKind::Check { expression, .. } => Some(definition::shown(&expression.text)),
        _ => None,
    };
    [
        constraint.oid.into(),
        (&constraint.name).into(),
        table.schema.into(),
        kind.into(),
        constraint.deferrable.into(),
        constraint.initially_deferred.into(),
        constraint.validated.into(),
        table.oid.into(),
        Oid(0).into(),
        index.unwrap_or(Oid(0)).into(),
        key.map_or(Oid(0), |key| key.parent).into(),
        key.map_or(" ", |key| action_letter(key.on_update)).into(),
        key.map_or(" ", |key| action_letter(key.on_delete)).into(),
        key.map_or(" ", |key| match key.match_type {
            Match::Simple => "s",
            Match::Full => "f",
        })
        .into(),
        (kind != "c").into(),
        numbers(constraint.kind.columns()).into(),
        key.map_or(Value::Null, |key| numbers(&key.parent_columns))
            .into(),
        key.map_or(Value::Null, |key| numbers(&key.on_delete_columns))
            .into(),
        text.into(),
    ]
}

pub(super) fn foreign_key(constraint: &Constraint) -> Option<&ForeignKey> {
    match &constraint.kind {
        ConstraintKind::ForeignKey(key) => Some(key),
        _ => None,
    }
}

fn action_letter(action: Action) -> &'static str {
    match action {
        Action::NoAction => "a",
        Action::Restrict => "r",
        Action::Cascade => "c",
        Action::SetNull => "n",
        Action::SetDefault => "d",
    }
}
