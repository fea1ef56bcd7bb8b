//! The stored form of schemas, types, sequences, views and statistics.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustdb_types::{DomainType, EnumLabel, EnumType, Oid, Type};

use super::fields::{Decoder, Encoder, Field};
use super::types::{
    Resolve, put_expression, put_type, put_values, take_expression, take_type, take_value,
};
use crate::descriptor::{
    CheckOption, ColumnStatistics, Comments, DomainCheck, DomainObject, Schema, Sequence,
    TableStatistics, TypeKind, TypeObject, View, ViewColumn,
};
use crate::error::Result;

pub(super) fn encode_schema(schema: &Schema) -> Vec<u8> {
    let mut out = Encoder::new();
    out.text(1, &schema.name);
    out.flag(2, schema.temporary);
    out.finish()
}

pub(super) fn decode_schema(oid: Oid, bytes: &[u8]) -> Result<Schema> {
    let mut record = Decoder::new("schema", bytes)?;
    let (mut name, mut temporary) = (None, false);
    while let Some(field) = record.next()? {
        match field.tag {
            1 => name = Some(field.text()?),
            2 => temporary = field.flag()?,
            _ => return Err(field.unknown()),
        }
    }
    Ok(Schema {
        oid,
        name: name.ok_or_else(|| Decoder::missing("schema", "name"))?,
        temporary,
    })
}

pub(crate) fn encode_database(name: &str) -> Vec<u8> {
    let mut out = Encoder::new();
    out.text(1, name);
    out.finish()
}

pub(crate) fn decode_database(bytes: &[u8]) -> Result<String> {
    let mut record = Decoder::new("database", bytes)?;
    let mut name = None;
    while let Some(field) = record.next()? {
        match field.tag {
            1 => name = Some(field.text()?),
            _ => return Err(field.unknown()),
        }
    }
    name.ok_or_else(|| Decoder::missing("database", "name"))
}

pub(super) fn encode_comments(comments: &Comments) -> Vec<u8> {
    let mut out = Encoder::new();
    for (part, text) in &comments.texts {
        out.record(1, |out| {
            out.number(1, u64::from(*part));
            out.text(2, text);
        });
    }
    out.flag(2, comments.temporary);
    out.finish()
}

pub(super) fn decode_comments(oid: Oid, bytes: &[u8]) -> Result<Comments> {
    let mut record = Decoder::new("comments", bytes)?;
    let mut comments = Comments {
        object: oid,
        texts: BTreeMap::new(),
        temporary: false,
    };
    while let Some(field) = record.next()? {
        match field.tag {
            1 => {
                let (part, text) = decode_comment(&field)?;
                comments.texts.insert(part, text);
            }
            2 => comments.temporary = field.flag()?,
            _ => return Err(field.unknown()),
        }
    }
    Ok(comments)
}

fn decode_comment(field: &Field<'_>) -> Result<(u32, String)> {
    let mut record = field.record("comment")?;
    let (mut part, mut text) = (None, None);
    while let Some(field) = record.next()? {
        match field.tag {
            1 => part = Some(field.number_u32()?),
            2 => text = Some(field.text()?),
            _ => return Err(field.unknown()),
        }
    }
    part.zip(text).ok_or_else(|| field.damaged())
}

pub(super) fn encode_type_object(object: &TypeObject) -> Result<Vec<u8>> {
    let mut out = Encoder::new();
    out.oid(1, object.schema);
    out.text(2, object.name());
    out.oid(3, object.array_oid());
    match &object.kind {
        TypeKind::Enum(definition) => {
            out.flag(4, true);
            for label in &definition.labels {
                out.record(5, |out| {
                    out.number(1, u64::from(label.id));
                    out.float(2, label.order);
                    out.text(3, &label.label);
                });
            }
        }
        TypeKind::Domain(domain) => {
            put_type(&mut out, 6, &domain.definition.base);
            out.flag(7, domain.not_null);
            if let Some(default) = &domain.default {
                put_expression(&mut out, 8, default);
            }
            for check in &domain.checks {
                out.record(9, |out| {
                    out.oid(1, check.oid);
                    out.text(2, &check.name);
                    put_expression(out, 3, &check.expression);
                    out.flag(4, !check.validated);
                });
            }
        }
    }
    Ok(out.finish())
}

pub(super) fn decode_type_object(
    oid: Oid,
    bytes: &[u8],
    user_type: &Resolve<'_>,
) -> Result<TypeObject> {
    const WHAT: &str = "type definition";
    let mut record = Decoder::new(WHAT, bytes)?;
    let (mut schema, mut name, mut array_oid) = (None, None, None);
    let (mut is_enum, mut labels) = (false, Vec::new());
    let (mut base, mut not_null, mut default): (Option<Type>, _, _) = (None, false, None);
    let mut checks = Vec::new();
    while let Some(field) = record.next()? {
        match field.tag {
            1 => schema = Some(field.oid()?),
            2 => name = Some(field.text()?),
            3 => array_oid = Some(field.oid()?),
            4 => is_enum = field.flag()?,
            5 => labels.push(Arc::new(decode_label(&field)?)),
            6 => base = Some(take_type(&field, user_type)?),
            7 => not_null = field.flag()?,
            8 => default = Some(take_expression(&field)?),
            9 => checks.push(decode_domain_check(&field)?),
            _ => return Err(field.unknown()),
        }
    }
    let name = name.ok_or_else(|| Decoder::missing(WHAT, "name"))?;
    let array_oid = array_oid.ok_or_else(|| Decoder::missing(WHAT, "type of arrays"))?;
    let kind = match (is_enum, base) {
        (true, None) => TypeKind::Enum(Arc::new(EnumType {
            oid,
            array_oid,
            name,
            labels,
        })),
        (false, Some(base)) => TypeKind::Domain(DomainObject {
            definition: Arc::new(DomainType {
                oid,
                array_oid,
                name,
                base,
            }),
            not_null,
            default,
            checks,
        }),
        _ => return Err(Decoder::missing(WHAT, "kind")),
    };
    Ok(TypeObject {
        schema: schema.ok_or_else(|| Decoder::missing(WHAT, "schema"))?,
        kind,
    })
}

fn decode_label(field: &Field<'_>) -> Result<EnumLabel> {
    let mut record = field.record("label")?;
    let (mut id, mut order, mut label) = (None, None, None);
    while let Some(field) = record.next()? {
        match field.tag {
            1 => id = Some(field.number_u32()?),
            2 => order = Some(field.float()?),
            3 => label = Some(field.text()?),
            _ => return Err(field.unknown()),
        }
    }
    match (id, order, label) {
        (Some(id), Some(order), Some(label)) if id != 0 => Ok(EnumLabel { id, order, label }),
        _ => Err(field.damaged()),
    }
}

fn decode_domain_check(field: &Field<'_>) -> Result<DomainCheck> {
    let mut record = field.record("domain constraint")?;
    let (mut oid, mut name, mut expression, mut validated) = (None, None, None, true);
    while let Some(field) = record.next()? {
        match field.tag {
            1 => oid = Some(field.oid()?),
            2 => name = Some(field.text()?),
            3 => expression = Some(take_expression(&field)?),
            4 => validated = !field.flag()?,
            _ => return Err(field.unknown()),
        }
    }
    match (oid, name, expression) {
        (Some(oid), Some(name), Some(expression)) => Ok(DomainCheck {
            oid,
            name,
            expression,
            validated,
        }),
        _ => Err(field.damaged()),
    }
}

pub(super) fn encode_sequence(sequence: &Sequence) -> Result<Vec<u8>> {
    let mut out = Encoder::new();
    out.oid(1, sequence.schema);
    out.text(2, &sequence.name);
    put_type(&mut out, 3, &sequence.data_type);
    out.signed(4, sequence.start);
    out.signed(5, sequence.increment);
    out.signed(6, sequence.minimum);
    out.signed(7, sequence.maximum);
    out.signed(8, sequence.cache);
    out.flag(9, sequence.cycle);
    if let Some((table, column)) = sequence.owned_by {
        out.numbers(10, [table.0, column]);
    }
    out.flag(11, sequence.temporary);
    out.oid(12, sequence.storage);
    Ok(out.finish())
}

pub(super) fn decode_sequence(oid: Oid, bytes: &[u8], user_type: &Resolve<'_>) -> Result<Sequence> {
    const WHAT: &str = "sequence";
    let mut record = Decoder::new(WHAT, bytes)?;
    let (mut schema, mut name, mut data_type, mut storage) = (None, None, None, None);
    let mut numbers = [None; 5];
    let (mut cycle, mut owned_by, mut temporary) = (false, None, false);
    while let Some(field) = record.next()? {
        match field.tag {
            1 => schema = Some(field.oid()?),
            2 => name = Some(field.text()?),
            3 => data_type = Some(take_type(&field, user_type)?),
            4..=8 => numbers[field.tag as usize - 4] = Some(field.signed()?),
            9 => cycle = field.flag()?,
            10 => match field.numbers()?[..] {
                [table, column] => owned_by = Some((Oid(table), column)),
                _ => return Err(field.damaged()),
            },
            11 => temporary = field.flag()?,
            12 => storage = Some(field.oid()?),
            _ => return Err(field.unknown()),
        }
    }
    let number = |at: usize| numbers[at].ok_or_else(|| Decoder::missing(WHAT, "a number"));
    let sequence = Sequence {
        oid,
        schema: schema.ok_or_else(|| Decoder::missing(WHAT, "schema"))?,
        name: name.ok_or_else(|| Decoder::missing(WHAT, "name"))?,
        data_type: data_type.ok_or_else(|| Decoder::missing(WHAT, "type"))?,
        start: number(0)?,
        increment: number(1)?,
        minimum: number(2)?,
        maximum: number(3)?,
        cache: number(4)?,
        cycle,
        owned_by,
        temporary,
        storage: storage.ok_or_else(|| Decoder::missing(WHAT, "storage"))?,
    };
    match sequence.increment != 0 && sequence.minimum <= sequence.maximum {
        true => Ok(sequence),
        false => Err(Decoder::missing(WHAT, "values")),
    }
}

pub(super) fn encode_view(view: &View) -> Result<Vec<u8>> {
    let mut out = Encoder::new();
    out.oid(1, view.schema);
    out.text(2, &view.name);
    for column in &view.columns {
        out.record(3, |out| {
            out.text(1, &column.name);
            put_type(out, 2, &column.column_type);
        });
    }
    put_expression(&mut out, 4, &view.query);
    out.flag(5, view.temporary);
    if let Some(option) = view.check_option {
        let number = match option {
            CheckOption::Local => 1,
            CheckOption::Cascaded => 2,
        };
        out.number(6, number);
    }
    Ok(out.finish())
}

pub(super) fn decode_view(oid: Oid, bytes: &[u8], user_type: &Resolve<'_>) -> Result<View> {
    const WHAT: &str = "view";
    let mut record = Decoder::new(WHAT, bytes)?;
    let (mut schema, mut name, mut query) = (None, None, None);
    let (mut columns, mut temporary, mut check_option) = (Vec::new(), false, None);
    while let Some(field) = record.next()? {
        match field.tag {
            1 => schema = Some(field.oid()?),
            2 => name = Some(field.text()?),
            3 => columns.push(decode_view_column(&field, user_type)?),
            4 => query = Some(take_expression(&field)?),
            5 => temporary = field.flag()?,
            6 => {
                check_option = Some(match field.number()? {
                    1 => CheckOption::Local,
                    2 => CheckOption::Cascaded,
                    _ => return Err(field.damaged()),
                });
            }
            _ => return Err(field.unknown()),
        }
    }
    Ok(View {
        oid,
        schema: schema.ok_or_else(|| Decoder::missing(WHAT, "schema"))?,
        name: name.ok_or_else(|| Decoder::missing(WHAT, "name"))?,
        columns,
        query: query.ok_or_else(|| Decoder::missing(WHAT, "query"))?,
        temporary,
        check_option,
    })
}

fn decode_view_column(field: &Field<'_>, user_type: &Resolve<'_>) -> Result<ViewColumn> {
    let mut record = field.record("view column")?;
    let (mut name, mut column_type) = (None, None);
    while let Some(field) = record.next()? {
        match field.tag {
            1 => name = Some(field.text()?),
            2 => column_type = Some(take_type(&field, user_type)?),
            _ => return Err(field.unknown()),
        }
    }
    match (name, column_type) {
        (Some(name), Some(column_type)) => Ok(ViewColumn { name, column_type }),
        _ => Err(field.damaged()),
    }
}

pub(super) fn encode_statistics(statistics: &TableStatistics) -> Result<Vec<u8>> {
    let mut out = Encoder::new();
    out.number(1, statistics.rows);
    out.number(2, statistics.changed);
    out.number(3, statistics.analyzed_micros);
    out.float(4, statistics.row_bytes);
    for column in &statistics.columns {
        let mut record = Encoder::new();
        record.number(1, u64::from(column.column));
        put_type(&mut record, 2, &column.column_type);
        record.float(3, column.null_fraction);
        record.float(4, column.width);
        record.float(5, column.distinct);
        let of = &column.column_type;
        for (value, share) in &column.most_common {
            put_values(&mut record, 6, of, [value])?;
            record.float(7, *share);
        }
        put_values(&mut record, 8, of, &column.histogram)?;
        record.float(9, column.correlation);
        out.bytes(5, &record.finish());
    }
    Ok(out.finish())
}

pub(super) fn decode_statistics(
    oid: Oid,
    bytes: &[u8],
    user_type: &Resolve<'_>,
) -> Result<TableStatistics> {
    let mut record = Decoder::new("statistics", bytes)?;
    let mut statistics = TableStatistics {
        table: oid,
        ..TableStatistics::default()
    };
    while let Some(field) = record.next()? {
        match field.tag {
            1 => statistics.rows = field.number()?,
            2 => statistics.changed = field.number()?,
            3 => statistics.analyzed_micros = field.number()?,
            4 => statistics.row_bytes = field.float()?,
            5 => statistics
                .columns
                .push(decode_column_statistics(&field, user_type)?),
            _ => return Err(field.unknown()),
        }
    }
    Ok(statistics)
}

fn decode_column_statistics(
    field: &Field<'_>,
    user_type: &Resolve<'_>,
) -> Result<ColumnStatistics> {
    const WHAT: &str = "column statistics";
    let mut record = field.record(WHAT)?;
    let mut column_type = None;
    let mut column = ColumnStatistics {
        column: 0,
        column_type: Type::VOID,
        null_fraction: 0.0,
        width: 0.0,
        distinct: 0.0,
        most_common: Vec::new(),
        histogram: Vec::new(),
        correlation: 0.0,
    };
    let mut common = None;
    while let Some(field) = record.next()? {
        let of = || column_type.as_ref().ok_or_else(|| field.damaged());
        match field.tag {
            1 => column.column = field.number_u32()?,
            2 => column_type = Some(take_type(&field, user_type)?),
            3 => column.null_fraction = field.float()?,
            4 => column.width = field.float()?,
            5 => column.distinct = field.float()?,
            6 => common = Some(take_value(&field, of()?)?),
            7 => {
                let value = common.take().ok_or_else(|| field.damaged())?;
                column.most_common.push((value, field.float()?));
            }
            8 => column.histogram.push(take_value(&field, of()?)?),
            9 => column.correlation = field.float()?,
            _ => return Err(field.unknown()),
        }
    }
    column.column_type = column_type.ok_or_else(|| Decoder::missing(WHAT, "type"))?;
    Ok(column)
}
