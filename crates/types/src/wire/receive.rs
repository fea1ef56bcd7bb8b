//! Bytes to values.

use std::sync::Arc;

use super::{JSONB_VERSION, numeric};
use crate::array::{Array, DIMENSIONS_MAX, Dimension, ELEMENTS_MAX};
use crate::base::Base;
use crate::datetime;
use crate::error::{Error, Result, SqlState};
use crate::interval::{Interval, MICROS_PER_DAY};
use crate::io;
use crate::modifier::Modifier;
use crate::oid::Oid;
use crate::settings::Settings;
use crate::types::{Element, Type};
use crate::value::Value;

/// Numbers below this are PostgreSQL's own.
const OIDS_BUILT_IN: u32 = 10_000;

/// Reads a value of a type from its binary form; all bytes must be used.
///
/// The modifier counts as in assignment. A domain's constraints are not checked here.
pub fn receive(bytes: &[u8], of: &Type, settings: &Settings) -> Result<Value> {
    let mut reader = Reader { bytes };
    let value = receive_value(&mut reader, of, settings)?;
    if reader.bytes.is_empty() {
        Ok(value)
    } else {
        Err(invalid("incorrect binary data format"))
    }
}

/// Bytes of a message.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (array, rest) = self
            .bytes
            .split_first_chunk::<N>()
            .ok_or_else(insufficient)?;
        self.bytes = rest;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self
            .bytes
            .split_first()
            .ok_or_else(|| Error::new(SqlState::PROTOCOL_VIOLATION, "no data left in message"))?;
        self.bytes = rest;
        Ok(*first)
    }

    fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or_else(insufficient)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// All that is left.
    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    /// All that is left, as text.
    fn text(&mut self) -> Result<&'a str> {
        let bytes = self.rest();
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let wrong = &bytes[error.valid_up_to()..];
            let length = wrong
                .len()
                .min(error.error_len().map_or(wrong.len(), letter_bytes(wrong)));
            not_utf8(&wrong[..length])
        })?;
        match text.bytes().position(|byte| byte == 0) {
            Some(_) => Err(not_utf8(&[0])),
            None => Ok(text),
        }
    }
}

/// How many bytes a letter would have that begins like this, which is what the message shows.
fn letter_bytes(wrong: &[u8]) -> impl Fn(usize) -> usize {
    let first = wrong.first().copied().unwrap_or(0);
    move |_| match first {
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf8 => 4,
        _ => 1,
    }
}

fn not_utf8(bytes: &[u8]) -> Error {
    let shown: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
    let words = format!(
        "invalid byte sequence for encoding \"UTF8\": {}",
        shown.join(" ")
    );
    Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, words)
}

fn insufficient() -> Error {
    let words = "insufficient data left in message";
    Error::new(SqlState::PROTOCOL_VIOLATION, words)
}

fn invalid(words: &str) -> Error {
    Error::new(SqlState::INVALID_BINARY_REPRESENTATION, words)
}

fn receive_value(reader: &mut Reader<'_>, of: &Type, settings: &Settings) -> Result<Value> {
    if let Some(element) = of.element_type() {
        return receive_array(reader, &element, settings);
    }
    match &of.element {
        Element::Base(base) => receive_base(reader, *base, of, settings),
        Element::Enum(_) => io::parse(reader.text()?, of, settings),
        Element::Domain(domain) => receive_value(reader, &domain.base, settings),
    }
}

fn receive_base(
    reader: &mut Reader<'_>,
    base: Base,
    of: &Type,
    settings: &Settings,
) -> Result<Value> {
    Ok(match base {
        Base::Bool => Value::Bool(reader.byte()? != 0),
        Base::Int2 => Value::Int2(i16::from_be_bytes(reader.array()?)),
        Base::Int4 => Value::Int4(reader.i32()?),
        Base::Int8 => Value::Int8(reader.i64()?),
        Base::Oid => Value::Oid(u32::from_be_bytes(reader.array()?)),
        Base::Float4 => Value::Float4(f32::from_bits(u32::from_be_bytes(reader.array()?))),
        Base::Float8 => Value::Float8(f64::from_bits(u64::from_be_bytes(reader.array()?))),
        Base::Numeric => Value::Numeric(numeric::receive(reader, of.modifier)?),
        Base::Char => {
            let byte = reader.byte()?;
            Value::Text(io::char_of_byte(byte))
        }
        Base::Name => receive_name(reader)?,
        Base::Text | Base::Varchar | Base::Bpchar | Base::Unknown | Base::Json => {
            io::parse(reader.text()?, of, settings)?
        }
        Base::Jsonb => {
            let version = reader.byte()?;
            if version != JSONB_VERSION {
                let words = format!("unsupported jsonb version number {version}");
                return Err(Error::new(SqlState::INTERNAL_ERROR, words));
            }
            io::parse(reader.text()?, of, settings)?
        }
        Base::Bytea => Value::Bytea(Arc::from(reader.rest())),
        Base::Uuid => Value::Uuid(reader.array()?),
        Base::Date | Base::Time | Base::Timestamp | Base::Timestamptz | Base::Interval => {
            receive_time(reader, base, of.modifier)?
        }
        Base::Vector => receive_vector(reader, of.modifier)?,
        Base::Record => {
            let words = "input of anonymous composite types is not implemented";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, words));
        }
        Base::Void => Value::Null,
    })
}

fn receive_name(reader: &mut Reader<'_>) -> Result<Value> {
    let text = reader.text()?;
    if text.len() > 63 {
        let words = "identifier too long";
        return Err(Error::new(SqlState::NAME_TOO_LONG, words)
            .with_detail("Identifier must be less than 64 characters."));
    }
    Ok(Value::text(text))
}

fn receive_time(reader: &mut Reader<'_>, base: Base, modifier: Modifier) -> Result<Value> {
    let overflow = |words: &str| Err(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, words));
    match base {
        Base::Date => {
            let days = reader.i32()?;
            if datetime::is_date(days) {
                Ok(Value::Date(days))
            } else {
                overflow("date out of range")
            }
        }
        Base::Time => {
            let micros = reader.i64()?;
            if !(0..=MICROS_PER_DAY).contains(&micros) {
                return overflow("time out of range");
            }
            Ok(Value::Time(datetime::time_with_modifier(micros, modifier)))
        }
        Base::Interval => {
            let (micros, days, months) = (reader.i64()?, reader.i32()?, reader.i32()?);
            let interval = Interval::new(months, days, micros);
            let kept = datetime::interval_with_modifier(interval, modifier);
            kept.map(Value::Interval)
                .ok_or_else(datetime::interval_out_of_range)
        }
        _ => {
            let micros = reader.i64()?;
            if !datetime::is_timestamp(micros) {
                return overflow("timestamp out of range");
            }
            let micros = datetime::timestamp_with_modifier(micros, modifier)?;
            let zoned = base == Base::Timestamptz;
            Ok(if zoned {
                Value::Timestamptz(micros)
            } else {
                Value::Timestamp(micros)
            })
        }
    }
}

fn receive_vector(reader: &mut Reader<'_>, modifier: Modifier) -> Result<Value> {
    let count = usize::from(u16::from_be_bytes(reader.array()?));
    let unused = i16::from_be_bytes(reader.array()?);
    if unused != 0 {
        let words = format!("expected unused to be 0, not {unused}");
        return Err(Error::new(SqlState::DATA_EXCEPTION, words));
    }
    if count == 0 {
        let words = "vector must have at least 1 dimension";
        return Err(Error::new(SqlState::DATA_EXCEPTION, words));
    }
    io::check_dimensions(count, modifier)?;
    let mut numbers = Vec::new();
    for _ in 0..count {
        let number = f32::from_bits(u32::from_be_bytes(reader.array()?));
        io::check_number(number)?;
        numbers.push(number);
    }
    Ok(Value::Vector(numbers.into()))
}

fn receive_array(reader: &mut Reader<'_>, element: &Type, settings: &Settings) -> Result<Value> {
    let dimensions = receive_dimensions(reader, element)?;
    let mut values = Vec::new();
    let count = dimensions.iter().fold(1_u64, |count, dimension| {
        count.saturating_mul(u64::from(dimension.length))
    });
    let count = if dimensions.is_empty() { 0 } else { count };
    if count > ELEMENTS_MAX as u64 {
        return Err(too_many_elements());
    }
    for number in 1..=count {
        let length = reader.i32()?;
        if length == -1 {
            values.push(Value::Null);
            continue;
        }
        let length = usize::try_from(length).ok();
        let bytes = length.and_then(|length| reader.take(length).ok());
        // Here it is the array that is wrong, not the message.
        let bytes = bytes.ok_or_else(|| invalid("insufficient data left in message"))?;
        let mut inner = Reader { bytes };
        values.push(receive_value(&mut inner, element, settings)?);
        if !inner.bytes.is_empty() {
            let words = format!("improper binary format in array element {number}");
            return Err(invalid(&words));
        }
    }
    Ok(Value::Array(Arc::new(Array::new(dimensions, values)?)))
}

fn receive_dimensions(reader: &mut Reader<'_>, element: &Type) -> Result<Vec<Dimension>> {
    let count = reader.i32()?;
    let Ok(count) = usize::try_from(count) else {
        return Err(invalid(&format!("invalid number of dimensions: {count}")));
    };
    if count > DIMENSIONS_MAX {
        let words = format!(
            "number of array dimensions ({count}) exceeds the maximum allowed ({DIMENSIONS_MAX})"
        );
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, words));
    }
    if !matches!(reader.i32()?, 0 | 1) {
        return Err(invalid("invalid array flags"));
    }
    let oid = Oid(u32::from_be_bytes(reader.array()?));
    // Types that users made have other numbers elsewhere: they are not compared.
    let built_in = |oid: Oid| oid.0 < OIDS_BUILT_IN;
    if oid != element.oid() && built_in(oid) && built_in(element.oid()) {
        let name = Type::from_oid(oid).map_or("???".to_owned(), |of| of.name());
        let words = format!(
            "binary data has array element type {oid} ({name}) instead of expected {} ({})",
            element.oid(),
            element.name()
        );
        return Err(Error::new(SqlState::DATATYPE_MISMATCH, words));
    }
    let mut read = Vec::new();
    for _ in 0..count {
        read.push((reader.i32()?, reader.i32()?));
    }
    let dimensions = read.into_iter().map(|(length, lower)| {
        let length = u32::try_from(length).map_err(|_| too_many_elements())?;
        Ok(Dimension { lower, length })
    });
    dimensions.collect()
}

fn too_many_elements() -> Error {
    let words = format!("array size exceeds the maximum allowed ({ELEMENTS_MAX})");
    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, words)
}
