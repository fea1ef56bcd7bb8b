//! Values that a client gives for `$1` and so on.

use rustdb_types::{Settings, Type, Value, parse as parse_value};

use crate::error::{Error, Result, SqlState};

/// The type that a parameter's value has. Text takes the type that its place asks for.
pub(crate) fn type_of(value: &Value) -> Type {
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
        Value::Null | Value::Text(_) | Value::Enum(_) | Value::Array(_) | Value::Record(_) => {
            Type::UNKNOWN
        }
    }
}

/// The parameters as values of the types that the statement takes.
pub(crate) fn converted(
    given: &[Value],
    wanted: &[Type],
    settings: &Settings,
) -> Result<Vec<Value>> {
    if given.len() < wanted.len() {
        let message = format!(
            "bind message supplies {} parameters, but the statement requires {}",
            given.len(),
            wanted.len()
        );
        return Err(Error::new(SqlState::PROTOCOL_VIOLATION, message));
    }
    let pairs = given.iter().zip(wanted);
    let values = pairs.map(|(value, of)| match value {
        Value::Text(text) if *of != Type::UNKNOWN => Ok(parse_value(text.as_str(), of, settings)?),
        other => Ok(other.clone()),
    });
    values.collect()
}
