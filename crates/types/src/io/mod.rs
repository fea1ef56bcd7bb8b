//! Text in and out: what PostgreSQL's type input and output functions do.
//!
//! [`parse`] turns the text of a literal into a value, [`format`] a value into the text that a
//! client sees. Both depend on the session's [`Settings`]: time zone, styles.

mod boolean;
mod bytea;
mod character;
mod float;
mod integer;
mod uuid;
mod vector;

use std::fmt::Write;
use std::sync::Arc;

pub(crate) use bytea::{parse_escaped, parse_hex};
pub use character::cast_text;
pub(crate) use character::{byte_of_char, char_of_byte, char_of_text, pad};
pub use float::{format_float4, format_float8};
pub(crate) use float::{parse_float4, parse_float8};
pub(crate) use vector::{check_dimensions, check_number};

use crate::base::Base;
use crate::error::{Error, Result, SqlState};
use crate::json::{self, Json};
use crate::numeric::Numeric;
use crate::settings::Settings;
use crate::text::Text;
use crate::types::{Element, EnumType, Type};
use crate::value::Value;

/// C's `isspace`, which is what PostgreSQL skips around numbers.
pub(crate) const fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// Reads a value of a type from text, as a literal or a client's parameter has it.
///
/// The modifier counts as in assignment: text that is too long is an error. A domain's
/// constraints are not checked here.
pub fn parse(text: &str, of: &Type, settings: &Settings) -> Result<Value> {
    if of.array {
        return crate::array_text::parse(text, of, settings);
    }
    match &of.element {
        Element::Base(base) => parse_base(text, *base, of, settings),
        Element::Enum(definition) => parse_enum(text, definition),
        Element::Domain(domain) => parse(text, &domain.base, settings),
    }
}

fn parse_base(text: &str, base: Base, of: &Type, settings: &Settings) -> Result<Value> {
    Ok(match base {
        Base::Bool => Value::Bool(boolean::parse(text)?),
        Base::Int2 => Value::Int2(integer::parse(text, "smallint")?),
        Base::Int4 => Value::Int4(integer::parse(text, "integer")?),
        Base::Int8 => Value::Int8(integer::parse(text, "bigint")?),
        Base::Oid => Value::Oid(integer::parse_oid(text)?),
        Base::Float4 => Value::Float4(parse_float4(text)?),
        Base::Float8 => Value::Float8(parse_float8(text)?),
        Base::Numeric => Value::Numeric(Numeric::parse(text, of.modifier)?),
        Base::Text | Base::Varchar | Base::Bpchar | Base::Name | Base::Char | Base::Unknown => {
            Value::Text(character::parse(text, base, of.modifier)?)
        }
        Base::Bytea => Value::Bytea(bytea::parse(text)?),
        Base::Uuid => Value::Uuid(uuid::parse(text)?),
        Base::Json => {
            json::validate(text)?;
            Value::Json(Arc::from(text))
        }
        Base::Jsonb => Value::Jsonb(Arc::new(Json::parse(text)?)),
        Base::Vector => Value::Vector(vector::parse(text, of.modifier)?),
        Base::Date | Base::Time | Base::Timestamp | Base::Timestamptz | Base::Interval => {
            crate::datetime::parse(text, base, of.modifier, settings)?
        }
        Base::Record => {
            let words = "input of anonymous composite types is not implemented";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, words));
        }
        Base::Void => Value::Null,
    })
}

fn parse_enum(text: &str, definition: &EnumType) -> Result<Value> {
    let label = definition.by_label(text).ok_or_else(|| {
        let words = format!(
            "invalid input value for enum {}: \"{text}\"",
            definition.name
        );
        Error::new(SqlState::INVALID_TEXT_REPRESENTATION, words)
    })?;
    Ok(Value::Enum(label.clone()))
}

/// The text of a value as a client sees it. NULL, which has none, is empty here.
pub fn format(value: &Value, of: &Type, settings: &Settings) -> String {
    let mut out = String::new();
    format_into(value, of, settings, &mut out);
    out
}

/// Appends what [`format`] returns.
pub fn format_into(value: &Value, of: &Type, settings: &Settings, out: &mut String) {
    match value {
        Value::Null => {}
        Value::Bool(truth) => out.push(if *truth { 't' } else { 'f' }),
        Value::Int2(number) => put(number, out),
        Value::Int4(number) => put(number, out),
        Value::Int8(number) => put(number, out),
        Value::Oid(number) => put(number, out),
        Value::Float4(number) => format_float4(*number, settings.extra_float_digits, out),
        Value::Float8(number) => format_float8(*number, settings.extra_float_digits, out),
        Value::Numeric(number) => put(number, out),
        Value::Text(text) => out.push_str(text),
        Value::Json(text) => out.push_str(text),
        Value::Jsonb(tree) => put(tree, out),
        Value::Bytea(bytes) => bytea::format(bytes, settings.bytea_output, out),
        Value::Uuid(bytes) => uuid::format(bytes, out),
        Value::Vector(numbers) => vector::format(numbers, out),
        Value::Enum(label) => out.push_str(&label.label),
        Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::Timestamptz(_)
        | Value::Interval(_) => crate::datetime::format_into(value, settings, out),
        Value::Array(array) => crate::array_text::format_into(array, of, settings, out),
        Value::Record(fields) => crate::array_text::format_record(fields, settings, out),
    }
}

fn put(value: impl std::fmt::Display, out: &mut String) {
    write!(out, "{value}").expect("writing to a string cannot fail");
}

/// The type of a value as far as it shows; text is `text`, an enum is not known.
pub(crate) fn evident_type(value: &Value) -> Type {
    match value {
        Value::Bool(_) => Type::BOOL,
        Value::Int2(_) => Type::INT2,
        Value::Int4(_) => Type::INT4,
        Value::Int8(_) => Type::INT8,
        Value::Float4(_) => Type::FLOAT4,
        Value::Float8(_) => Type::FLOAT8,
        Value::Numeric(_) => Type::NUMERIC,
        Value::Oid(_) => Type::OID,
        Value::Bytea(_) => Type::BYTEA,
        Value::Date(_) => Type::DATE,
        Value::Time(_) => Type::TIME,
        Value::Timestamp(_) => Type::TIMESTAMP,
        Value::Timestamptz(_) => Type::TIMESTAMPTZ,
        Value::Interval(_) => Type::INTERVAL,
        Value::Uuid(_) => Type::UUID,
        Value::Json(_) => Type::JSON,
        Value::Jsonb(_) => Type::JSONB,
        Value::Vector(_) => Type::VECTOR,
        Value::Record(_) => Type::RECORD,
        Value::Array(array) => {
            let first = array.values().iter().find(|value| !value.is_null());
            first.map_or(Type::TEXT, evident_type).array_of()
        }
        Value::Null | Value::Text(_) | Value::Enum(_) => Type::TEXT,
    }
}

/// A name, cut to the 63 bytes that PostgreSQL keeps of it.
pub(crate) fn cut_name(text: &str) -> Text {
    let mut end = text.len().min(63);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Text::new(&text[..end])
}

#[cfg(test)]
mod tests;
