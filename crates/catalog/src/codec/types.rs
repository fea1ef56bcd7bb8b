//! Types and values within descriptors.

use rustdb_types::{Base, Element, Modifier, Oid, RowLayout, RowView, Type, Value};

use super::fields::{Decoder, Encoder, Field};
use crate::descriptor::{Dependency, Expression};
use crate::error::{Error, Result};

/// Finds the elements of created types.
pub(crate) type Resolve<'a> = dyn Fn(Oid) -> Option<Element> + 'a;

/// A record of 1: number of the element's type, 2: is an array, 3: modifier.
pub(crate) fn put_type(out: &mut Encoder, tag: u64, of: &Type) {
    let element = match &of.element {
        Element::Base(base) => base.oid(),
        Element::Enum(definition) => definition.oid,
        Element::Domain(definition) => definition.oid,
    };
    out.record(tag, |out| {
        out.oid(1, element);
        out.flag(2, of.array);
        if of.modifier != Modifier::NONE {
            out.signed(3, i64::from(of.modifier.0));
        }
    });
}

pub(crate) fn take_type(field: &Field<'_>, user_type: &Resolve<'_>) -> Result<Type> {
    let mut record = field.record("type")?;
    let (mut element, mut array, mut modifier) = (None, false, Modifier::NONE);
    while let Some(field) = record.next()? {
        match field.tag {
            1 => {
                let oid = field.oid()?;
                let found = match Base::from_oid(oid) {
                    Some(base) => Some(Element::Base(base)),
                    None => user_type(oid),
                };
                element = Some(found.ok_or_else(|| {
                    Error::corrupted(format_args!("there is no type with number {oid}"))
                })?);
            }
            2 => array = field.flag()?,
            3 => {
                let number = i32::try_from(field.signed()?).map_err(|_| field.damaged())?;
                modifier = Modifier(number);
            }
            _ => return Err(field.unknown()),
        }
    }
    Ok(Type {
        element: element.ok_or_else(|| Decoder::missing("type", "number"))?,
        array,
        modifier,
    })
}

/// Values of one type: rows of one column, each a field.
pub(crate) fn put_values<'a>(
    out: &mut Encoder,
    tag: u64,
    of: &Type,
    values: impl IntoIterator<Item = &'a Value>,
) -> Result<()> {
    let layout = RowLayout::new([of.clone()])?;
    let mut bytes = Vec::new();
    for value in values {
        bytes.clear();
        layout.encode(std::slice::from_ref(value), &mut bytes)?;
        out.bytes(tag, &bytes);
    }
    Ok(())
}

pub(crate) fn take_value(field: &Field<'_>, of: &Type) -> Result<Value> {
    let layout = RowLayout::new([of.clone()])?;
    Ok(RowView::new(&layout, field.bytes)?.get(0)?)
}

/// A record of 1: text, 2 (repeated): object and column (zero if none).
pub(crate) fn put_expression(out: &mut Encoder, tag: u64, expression: &Expression) {
    out.record(tag, |out| {
        out.text(1, &expression.text);
        for dependency in &expression.depends_on {
            out.numbers(2, [dependency.object.0, dependency.column.unwrap_or(0)]);
        }
    });
}

pub(crate) fn take_expression(field: &Field<'_>) -> Result<Expression> {
    let mut record = field.record("expression")?;
    let mut expression = Expression::default();
    while let Some(field) = record.next()? {
        match field.tag {
            1 => expression.text = field.text()?,
            2 => match field.numbers()?[..] {
                [object, column] => expression.depends_on.push(Dependency {
                    object: Oid(object),
                    column: (column != 0).then_some(column),
                }),
                _ => return Err(field.damaged()),
            },
            _ => return Err(field.unknown()),
        }
    }
    Ok(expression)
}
