//! The views of `pg_catalog` that people read: `pg_tables`, `pg_indexes` and so on.

use rustdb_catalog::{Object, Sequence, Table, View};
use rustdb_types::{Oid, Value};

use super::definition::Brackets;
use super::sheet::{Cell, Sheet};
use super::{Around, definition, relations};

fn schema_name(around: &Around<'_>, schema: Oid) -> Cell {
    let schema = around.catalog.schema(schema);
    schema.map(|schema| schema.name.as_str()).into()
}

pub(super) fn tables(around: &Around<'_>, sheet: &mut Sheet) {
    for name in ["hasindexes", "hasrules", "hastriggers", "rowsecurity"] {
        sheet.always(name, false);
    }
    sheet.names("schemaname tablename tableowner hasindexes hastriggers");
    for relation in relations().filter(|relation| !relation.is_view) {
        sheet.row([
            schema_name(around, relation.schema),
            relation.name.into(),
            (&around.names.user).into(),
            false.into(),
            false.into(),
        ]);
    }
    for table in around.catalog.tables() {
        let has_keys = table.constraints.iter().any(definition::is_foreign_key);
        sheet.row([
            schema_name(around, table.schema),
            (&table.name).into(),
            (&around.names.user).into(),
            (!table.indexes.is_empty()).into(),
            (has_keys || !table.referenced_by.is_empty()).into(),
        ]);
    }
}

pub(super) fn all_views<'a>(around: &Around<'a>) -> impl Iterator<Item = &'a View> {
    let objects = around.catalog.objects().into_iter();
    objects.filter_map(|object| match object {
        Object::View(view) => Some(&**view),
        _ => None,
    })
}

pub(super) fn all_sequences<'a>(around: &Around<'a>) -> impl Iterator<Item = &'a Sequence> {
    let objects = around.catalog.objects().into_iter();
    objects.filter_map(|object| match object {
        Object::Sequence(sequence) => Some(&**sequence),
        _ => None,
    })
}

pub(super) fn views(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.names("schemaname viewname viewowner definition");
    for view in all_views(around) {
        sheet.row([
            schema_name(around, view.schema),
            (&view.name).into(),
            (&around.names.user).into(),
            view_text(view).into(),
        ]);
    }
}

/// A view's query, as PostgreSQL ends it.
pub(super) fn view_text(view: &View) -> String {
    format!(" {};", definition::shown(&view.query.text))
}

pub(super) fn indexes(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.names("schemaname tablename indexname indexdef");
    for table in around.catalog.tables() {
        for index in &table.indexes {
            sheet.row([
                schema_name(around, table.schema),
                (&table.name).into(),
                (&index.name).into(),
                definition::index(around.catalog, table, index, Brackets::All).into(),
            ]);
        }
    }
}

/// `pg_sequence`.
pub(super) fn sequence_parameters(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.names("seqrelid seqtypid seqstart seqincrement seqmax seqmin seqcache seqcycle");
    for sequence in all_sequences(around) {
        sheet.row([
            sequence.oid.into(),
            sequence.data_type.oid().into(),
            sequence.start.into(),
            sequence.increment.into(),
            sequence.maximum.into(),
            sequence.minimum.into(),
            sequence.cache.into(),
            sequence.cycle.into(),
        ]);
    }
}

/// `pg_sequences`.
pub(super) fn sequences(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.names(
        "schemaname sequencename sequenceowner data_type start_value min_value max_value \
         increment_by cycle cache_size last_value",
    );
    for sequence in all_sequences(around) {
        sheet.row([
            schema_name(around, sequence.schema),
            (&sequence.name).into(),
            (&around.names.user).into(),
            sequence.data_type.oid().into(),
            sequence.start.into(),
            sequence.minimum.into(),
            sequence.maximum.into(),
            sequence.increment.into(),
            sequence.cycle.into(),
            sequence.cache.into(),
            last_value(around, sequence).into(),
        ]);
    }
}

/// The last value that was taken, if one was.
pub(super) fn last_value(around: &Around<'_>, sequence: &Sequence) -> Option<i64> {
    let state = around.store.sequences().state(sequence).ok();
    state.and_then(|(last, is_called)| is_called.then_some(last))
}

/// `pg_stat_user_tables`: what ANALYZE has counted.
pub(super) fn table_statistics(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.names("relid schemaname relname n_live_tup n_mod_since_analyze");
    for table in around.catalog.tables() {
        let statistics = around.catalog.statistics(table.oid);
        let count = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
        sheet.row([
            table.oid.into(),
            schema_name(around, table.schema),
            (&table.name).into(),
            count(statistics.map(|statistics| statistics.rows)).into(),
            count(statistics.map(|statistics| statistics.changed)).into(),
        ]);
    }
}

/// `pg_stats`, with values as text.
pub(super) fn column_statistics(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.always("inherited", false);
    sheet.names("schemaname tablename attname null_frac avg_width n_distinct correlation");
    for table in around.catalog.tables() {
        let Some(statistics) = around.catalog.statistics(table.oid) else {
            continue;
        };
        for column in &statistics.columns {
            sheet.row([
                schema_name(around, table.schema),
                (&table.name).into(),
                column_name(table, column.column),
                (column.null_fraction as f32).into(),
                (column.width as i32).into(),
                (column.distinct as f32).into(),
                (column.correlation as f32).into(),
            ]);
        }
    }
}

fn column_name(table: &Table, id: u32) -> Cell {
    match table.column(id) {
        Some(column) => (&column.name).into(),
        None => Cell(Value::Null),
    }
}
