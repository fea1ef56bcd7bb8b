//! Values that a client gives for `$1` and so on.

use std::borrow::Cow;

use rustdb_types::{Base, Cast, CastContext, Settings, Type, Value, parse as parse_value};

use crate::error::{Error, Result, SqlState};

/// The type that a parameter's value has. Text takes the type that its place asks for.
pub fn type_of(value: &Value) -> Type {
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
        Value::Array(array) => {
            let element = array.values().iter().find(|element| !element.is_null());
            match element.map(type_of) {
                None | Some(Type::UNKNOWN) => Type::UNKNOWN,
                Some(element) => element.array_of(),
            }
        }
        Value::Null | Value::Text(_) | Value::Enum(_) | Value::Record(_) => Type::UNKNOWN,
    }
}

/// The parameters as values of the types that the statement takes.
pub(crate) fn converted<'v>(
    given: &'v [Value],
    wanted: &[Type],
    settings: &Settings,
) -> Result<Cow<'v, [Value]>> {
    let mut values = Vec::new();
    Ok(match convert(given, wanted, settings, &mut values)? {
        true => Cow::Owned(values),
        false => Cow::Borrowed(given),
    })
}

/// As [`converted`]: puts the values into `values`, which is empty, and says so; not if all are what
/// is wanted as they are.
pub(crate) fn convert(
    given: &[Value],
    wanted: &[Type],
    settings: &Settings,
    values: &mut Vec<Value>,
) -> Result<bool> {
    if given.len() != wanted.len() {
        let message = format!(
            "bind message supplies {} parameters, but the statement requires {}",
            given.len(),
            wanted.len()
        );
        return Err(Error::new(SqlState::PROTOCOL_VIOLATION, message));
    }
    let mut is_copied = false;
    for (place, (value, of)) in given.iter().zip(wanted).enumerate() {
        refuse_zeros(value)?;
        let is_of = is_of(value, of);
        if !is_of && !is_copied {
            values.reserve(given.len());
            if place > 0 {
                values.extend_from_slice(&given[..place]);
            }
            is_copied = true;
        }
        match (is_of, is_copied) {
            (true, false) => (),
            (true, true) => values.push(value.clone()),
            (false, _) => values.push(one_converted(value, of, settings)?),
        }
    }
    Ok(is_copied)
}

/// Text has no zeros in it; a literal could not have one either.
fn refuse_zeros(value: &Value) -> Result<()> {
    let has_zero = match value {
        Value::Text(text) => text.as_bytes().contains(&0),
        Value::Json(text) => text.as_bytes().contains(&0),
        Value::Array(array) => return array.values().iter().try_for_each(refuse_zeros),
        Value::Record(values) => return values.iter().try_for_each(refuse_zeros),
        _ => false,
    };
    match has_zero {
        true => {
            let message = "invalid byte sequence for encoding \"UTF8\": 0x00";
            Err(Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message))
        }
        false => Ok(()),
    }
}

/// A number is not rounded on its way in: who looks for 1.5 among integers must not find 2.
fn refuse_fraction(value: &Value, of: &Type, settings: &Settings) -> Result<()> {
    let is_whole = match value {
        Value::Float4(number) => number.fract() == 0.0 || !number.is_finite(),
        Value::Float8(number) => number.fract() == 0.0 || !number.is_finite(),
        Value::Numeric(number) => number.scale_needed().is_none_or(|scale| scale == 0),
        _ => true,
    };
    let is_integer = matches!(of.base(), Some(Base::Int2 | Base::Int4 | Base::Int8));
    if is_whole || !is_integer || of.array {
        return Ok(());
    }
    let text = rustdb_types::format(value, &type_of(value), settings);
    let message = format!("invalid input syntax for type {}: \"{text}\"", of.name());
    Err(Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message))
}

/// Whether a value is of a type beyond doubt.
fn is_of(value: &Value, of: &Type) -> bool {
    matches!(
        (value, of.base()),
        (Value::Null, _)
            | (Value::Int2(_), Some(Base::Int2))
            | (Value::Int4(_), Some(Base::Int4))
            | (Value::Int8(_), Some(Base::Int8))
            | (Value::Float8(_), Some(Base::Float8))
            | (Value::Bool(_), Some(Base::Bool))
            | (Value::Text(_), Some(Base::Text))
    )
}

fn one_converted(value: &Value, of: &Type, settings: &Settings) -> Result<Value> {
    // Programs have integers of one width mostly.
    match (value, of.base()) {
        (Value::Int8(number), Some(Base::Int4)) => {
            if let Ok(number) = i32::try_from(*number) {
                return Ok(Value::Int4(number));
            }
        }
        (Value::Int4(number), Some(Base::Int8)) => return Ok(Value::Int8(i64::from(*number))),
        (Value::Null, _) | (Value::Text(_), Some(Base::Text)) => return Ok(value.clone()),
        _ => (),
    }
    if *of == Type::UNKNOWN {
        return Ok(value.clone());
    }
    refuse_fraction(value, of, settings)?;
    let given = type_of(value);
    if given == *of {
        return Ok(value.clone());
    }
    match value {
        Value::Text(text) => Ok(parse_value(text.as_str(), of, settings)?),
        // An array of texts, as a literal of an array is.
        Value::Array(_) if given == Type::UNKNOWN && *of != Type::TEXT.array_of() => {
            let text = rustdb_types::format(value, &Type::TEXT.array_of(), settings);
            Ok(parse_value(&text, of, settings)?)
        }
        _ if given == Type::UNKNOWN => Ok(value.clone()),
        _ => match Cast::find(&given, of, CastContext::Assignment) {
            Some(cast) => Ok(cast.apply(value, settings)?),
            None => {
                let (given, of) = (given.name(), of.name());
                let message = format!("a parameter of type {of} was given a value of type {given}");
                Err(Error::new(SqlState::DATATYPE_MISMATCH, message))
            }
        },
    }
}
