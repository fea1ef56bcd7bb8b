//! The stored form of tables.

use std::sync::Arc;

use rustdb_txn::KeyspaceId;
use rustdb_types::{COLUMNS_MAX, Oid, Type, Value};

use super::fields::{Decoder, Encoder, Field};
use super::types::{
    Resolve, put_expression, put_type, put_values, take_expression, take_type, take_value,
};
use crate::descriptor::{
    Action, Column, Constraint, ConstraintKind, Expression, ForeignKey, Generated, Index,
    IndexColumn, IndexKey, IndexMethod, IndexState, Match, RowKeyColumns, Table,
};
use crate::error::Result;

pub(super) fn encode(table: &Table) -> Result<Vec<u8>> {
    let mut out = Encoder::new();
    out.oid(1, table.schema);
    out.text(2, &table.name);
    out.number(3, u64::from(table.keyspace.0));
    if let RowKeyColumns::Columns(columns) = &table.row_key {
        out.numbers(4, columns.iter().copied());
    }
    for column in &table.columns {
        let mut record = Encoder::new();
        encode_column(&mut record, column)?;
        out.bytes(5, &record.finish());
    }
    for constraint in &table.constraints {
        out.record(6, |out| encode_constraint(out, constraint));
    }
    for index in &table.indexes {
        out.record(7, |out| encode_index(out, index));
    }
    out.flag(8, table.flexible);
    out.flag(9, table.temporary);
    Ok(out.finish())
}

pub(super) fn decode(oid: Oid, bytes: &[u8], user_type: &Resolve<'_>) -> Result<Table> {
    const WHAT: &str = "table";
    let mut record = Decoder::new(WHAT, bytes)?;
    let (mut schema, mut name, mut keyspace) = (None, None, None);
    let mut row_key = RowKeyColumns::Hidden;
    let (mut columns, mut constraints, mut indexes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut flexible, mut temporary) = (false, false);
    while let Some(field) = record.next()? {
        match field.tag {
            1 => schema = Some(field.oid()?),
            2 => name = Some(field.text()?),
            3 => keyspace = Some(KeyspaceId(field.number_u32()?)),
            4 => row_key = RowKeyColumns::Columns(field.numbers()?),
            5 if columns.len() < COLUMNS_MAX => {
                columns.push(decode_column(columns.len(), &field, user_type)?);
            }
            6 => constraints.push(decode_constraint(&field)?),
            7 => indexes.push(Arc::new(decode_index(&field, user_type)?)),
            8 => flexible = field.flag()?,
            9 => temporary = field.flag()?,
            _ => return Err(field.unknown()),
        }
    }
    let table = Table {
        oid,
        schema: schema.ok_or_else(|| Decoder::missing(WHAT, "schema"))?,
        name: name.ok_or_else(|| Decoder::missing(WHAT, "name"))?,
        columns,
        constraints,
        indexes,
        row_key,
        flexible,
        temporary,
        keyspace: keyspace.ok_or_else(|| Decoder::missing(WHAT, "keyspace"))?,
        referenced_by: Vec::new(),
    };
    check(&table)?;
    Ok(table)
}

/// Every column that something names is there.
fn check(table: &Table) -> Result<()> {
    let mut named: Vec<u32> = Vec::new();
    if let RowKeyColumns::Columns(columns) = &table.row_key {
        named.extend(columns);
        if columns.is_empty() {
            return Err(Decoder::missing("table", "columns of the row key"));
        }
    }
    for constraint in &table.constraints {
        named.extend(constraint.kind.columns());
        if let ConstraintKind::ForeignKey(key) = &constraint.kind {
            named.extend(&key.on_delete_columns);
        }
    }
    for index in &table.indexes {
        named.extend(&index.include);
        named.extend(index.columns.iter().filter_map(|column| match column.key {
            IndexKey::Column(id) => Some(id),
            IndexKey::Expression { .. } => None,
        }));
    }
    match named.iter().all(|id| table.column(*id).is_some()) {
        true => Ok(()),
        false => Err(Decoder::missing("table", "a column that it names")),
    }
}

fn encode_column(out: &mut Encoder, column: &Column) -> Result<()> {
    out.text(1, &column.name);
    put_type(out, 2, &column.column_type);
    out.flag(3, column.not_null);
    if let Some(default) = &column.default {
        put_expression(out, 4, default);
    }
    match &column.generated {
        None => {}
        Some(Generated::Stored(expression)) => put_expression(out, 5, expression),
        Some(Generated::Identity { always, sequence }) => {
            out.oid(if *always { 6 } else { 7 }, *sequence);
        }
    }
    if !column.missing.is_null() {
        put_values(out, 8, &column.column_type, [&column.missing])?;
    }
    out.flag(9, column.dropped);
    if let Some(target) = column.statistics_target {
        out.number(10, u64::from(target));
    }
    Ok(())
}

fn decode_column(place: usize, field: &Field<'_>, user_type: &Resolve<'_>) -> Result<Column> {
    const WHAT: &str = "column";
    let mut record = field.record(WHAT)?;
    let (mut name, mut column_type): (_, Option<Type>) = (None, None);
    let mut column = Column::new(place as u32 + 1, "", Type::VOID);
    while let Some(field) = record.next()? {
        match field.tag {
            1 => name = Some(field.text()?),
            2 => column_type = Some(take_type(&field, user_type)?),
            3 => column.not_null = field.flag()?,
            4 => column.default = Some(take_expression(&field)?),
            5 => column.generated = Some(Generated::Stored(take_expression(&field)?)),
            6 | 7 => {
                column.generated = Some(Generated::Identity {
                    always: field.tag == 6,
                    sequence: field.oid()?,
                });
            }
            // The type is written before.
            8 => {
                let of = column_type.as_ref().ok_or_else(|| field.damaged())?;
                column.missing = take_value(&field, of)?;
            }
            9 => column.dropped = field.flag()?,
            10 => column.statistics_target = Some(field.number_u32()?),
            _ => return Err(field.unknown()),
        }
    }
    column.name = name.ok_or_else(|| Decoder::missing(WHAT, "name"))?;
    column.column_type = column_type.ok_or_else(|| Decoder::missing(WHAT, "type"))?;
    if column.missing.is_null() {
        column.missing = Value::Null;
    }
    Ok(column)
}

fn encode_constraint(out: &mut Encoder, constraint: &Constraint) {
    out.oid(1, constraint.oid);
    out.text(2, &constraint.name);
    out.flag(3, constraint.deferrable);
    out.flag(4, constraint.initially_deferred);
    out.flag(5, !constraint.validated);
    let columns = constraint.kind.columns().iter().copied();
    match &constraint.kind {
        ConstraintKind::PrimaryKey { index, .. } => {
            out.oid(10, *index);
            out.numbers(6, columns);
        }
        ConstraintKind::Unique { index, .. } => {
            out.oid(11, *index);
            out.numbers(6, columns);
        }
        ConstraintKind::Check { expression, .. } => {
            put_expression(out, 12, expression);
            out.numbers(6, columns);
        }
        ConstraintKind::ForeignKey(key) => {
            out.record(13, |out| encode_foreign_key(out, key));
            out.numbers(6, columns);
        }
    }
}

fn decode_constraint(field: &Field<'_>) -> Result<Constraint> {
    const WHAT: &str = "constraint";
    let mut record = field.record(WHAT)?;
    let (mut oid, mut name, mut kind) = (None, None, None);
    let mut columns = Vec::new();
    let (mut deferrable, mut initially_deferred, mut validated) = (false, false, true);
    while let Some(field) = record.next()? {
        match field.tag {
            1 => oid = Some(field.oid()?),
            2 => name = Some(field.text()?),
            3 => deferrable = field.flag()?,
            4 => initially_deferred = field.flag()?,
            5 => validated = !field.flag()?,
            6 => columns = field.numbers()?,
            10..=13 => kind = Some(field),
            _ => return Err(field.unknown()),
        }
    }
    let kind = kind.ok_or_else(|| Decoder::missing(WHAT, "kind"))?;
    let kind = match kind.tag {
        10 => ConstraintKind::PrimaryKey {
            columns,
            index: kind.oid()?,
        },
        11 => ConstraintKind::Unique {
            columns,
            index: kind.oid()?,
        },
        12 => ConstraintKind::Check {
            expression: take_expression(&kind)?,
            columns,
        },
        _ => ConstraintKind::ForeignKey(decode_foreign_key(&kind, columns)?),
    };
    Ok(Constraint {
        oid: oid.ok_or_else(|| Decoder::missing(WHAT, "number"))?,
        name: name.ok_or_else(|| Decoder::missing(WHAT, "name"))?,
        kind,
        deferrable,
        initially_deferred,
        validated,
    })
}

/// The stored numbers of actions and kinds of match are their places here, counted from one.
const ACTIONS: [Action; 5] = [
    Action::NoAction,
    Action::Restrict,
    Action::Cascade,
    Action::SetNull,
    Action::SetDefault,
];
const MATCHES: [Match; 2] = [Match::Simple, Match::Full];
const METHODS: [IndexMethod; 2] = [IndexMethod::BTree, IndexMethod::Hash];
const STATES: [IndexState; 3] = [
    IndexState::WriteOnly,
    IndexState::Public,
    IndexState::Invalid,
];

fn put_choice<T: PartialEq>(out: &mut Encoder, tag: u64, all: &[T], chosen: &T) {
    let place = all.iter().position(|each| each == chosen);
    out.number(tag, place.map_or(0, |place| place as u64 + 1));
}

fn take_choice<T: Copy>(field: &Field<'_>, all: &[T]) -> Result<T> {
    let number = usize::try_from(field.number()?).ok();
    let place = number.and_then(|number| number.checked_sub(1));
    place
        .and_then(|place| all.get(place).copied())
        .ok_or_else(|| field.damaged())
}

fn encode_foreign_key(out: &mut Encoder, key: &ForeignKey) {
    out.oid(1, key.parent);
    out.numbers(2, key.parent_columns.iter().copied());
    out.oid(3, key.parent_index);
    put_choice(out, 4, &MATCHES, &key.match_type);
    put_choice(out, 5, &ACTIONS, &key.on_delete);
    put_choice(out, 6, &ACTIONS, &key.on_update);
    out.numbers(7, key.on_delete_columns.iter().copied());
}

fn decode_foreign_key(field: &Field<'_>, columns: Vec<u32>) -> Result<ForeignKey> {
    const WHAT: &str = "foreign key";
    let mut record = field.record(WHAT)?;
    let (mut parent, mut parent_index) = (None, None);
    let (mut parent_columns, mut on_delete_columns) = (Vec::new(), Vec::new());
    let (mut match_type, mut on_delete, mut on_update) = Default::default();
    while let Some(field) = record.next()? {
        match field.tag {
            1 => parent = Some(field.oid()?),
            2 => parent_columns = field.numbers()?,
            3 => parent_index = Some(field.oid()?),
            4 => match_type = take_choice(&field, &MATCHES)?,
            5 => on_delete = take_choice(&field, &ACTIONS)?,
            6 => on_update = take_choice(&field, &ACTIONS)?,
            7 => on_delete_columns = field.numbers()?,
            _ => return Err(field.unknown()),
        }
    }
    if parent_columns.len() != columns.len() || columns.is_empty() {
        return Err(field.damaged());
    }
    Ok(ForeignKey {
        columns,
        parent: parent.ok_or_else(|| Decoder::missing(WHAT, "parent"))?,
        parent_columns,
        parent_index: parent_index.ok_or_else(|| Decoder::missing(WHAT, "parent's index"))?,
        match_type,
        on_delete,
        on_update,
        on_delete_columns,
    })
}

fn encode_index(out: &mut Encoder, index: &Index) {
    out.oid(1, index.oid);
    out.text(2, &index.name);
    if let Some(keyspace) = index.keyspace {
        out.number(3, u64::from(keyspace.0));
    }
    for column in &index.columns {
        out.record(4, |out| {
            match &column.key {
                IndexKey::Column(id) => out.number(1, u64::from(*id)),
                IndexKey::Expression { expression, result } => {
                    put_expression(out, 2, expression);
                    put_type(out, 3, result);
                }
            }
            out.flag(4, column.descending);
            out.flag(5, column.nulls_first);
        });
    }
    out.numbers(5, index.include.iter().copied());
    out.flag(6, index.unique);
    out.flag(7, index.nulls_not_distinct);
    out.flag(8, index.deferrable);
    if let Some(predicate) = &index.predicate {
        put_expression(out, 9, predicate);
    }
    put_choice(out, 10, &METHODS, &index.method);
    put_choice(out, 11, &STATES, &index.state);
}

fn decode_index(field: &Field<'_>, user_type: &Resolve<'_>) -> Result<Index> {
    const WHAT: &str = "index";
    let mut record = field.record(WHAT)?;
    let (mut oid, mut name) = (None, None);
    let mut index = Index {
        oid: Oid(0),
        name: String::new(),
        keyspace: None,
        columns: Vec::new(),
        include: Vec::new(),
        unique: false,
        nulls_not_distinct: false,
        deferrable: false,
        predicate: None,
        method: IndexMethod::BTree,
        state: IndexState::Public,
    };
    while let Some(field) = record.next()? {
        match field.tag {
            1 => oid = Some(field.oid()?),
            2 => name = Some(field.text()?),
            3 => index.keyspace = Some(KeyspaceId(field.number_u32()?)),
            4 => index.columns.push(decode_index_column(&field, user_type)?),
            5 => index.include = field.numbers()?,
            6 => index.unique = field.flag()?,
            7 => index.nulls_not_distinct = field.flag()?,
            8 => index.deferrable = field.flag()?,
            9 => index.predicate = Some(take_expression(&field)?),
            10 => index.method = take_choice(&field, &METHODS)?,
            11 => index.state = take_choice(&field, &STATES)?,
            _ => return Err(field.unknown()),
        }
    }
    index.oid = oid.ok_or_else(|| Decoder::missing(WHAT, "number"))?;
    index.name = name.ok_or_else(|| Decoder::missing(WHAT, "name"))?;
    match index.columns.is_empty() {
        true => Err(Decoder::missing(WHAT, "columns")),
        false => Ok(index),
    }
}

fn decode_index_column(field: &Field<'_>, user_type: &Resolve<'_>) -> Result<IndexColumn> {
    const WHAT: &str = "index column";
    let mut record = field.record(WHAT)?;
    let (mut id, mut text, mut result): (_, Option<Expression>, Option<Type>) = (None, None, None);
    let (mut descending, mut nulls_first) = (false, false);
    while let Some(field) = record.next()? {
        match field.tag {
            1 => id = Some(field.number_u32()?),
            2 => text = Some(take_expression(&field)?),
            3 => result = Some(take_type(&field, user_type)?),
            4 => descending = field.flag()?,
            5 => nulls_first = field.flag()?,
            _ => return Err(field.unknown()),
        }
    }
    let key = match (id, text, result) {
        (Some(id), None, None) => IndexKey::Column(id),
        (None, Some(expression), Some(result)) => IndexKey::Expression { expression, result },
        _ => return Err(field.damaged()),
    };
    Ok(IndexColumn {
        key,
        descending,
        nulls_first,
    })
}
