//! Values of SQL as arrays of Arrow's.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
    UInt32Type,
};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray, FixedSizeListArray,
    Int32Array, ListArray, PrimitiveArray, StringArray,
};
use arrow_buffer::{IntervalMonthDayNano, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, FieldRef};
use rustdb_types::{Element, EnumType, Interval, Numeric, Settings, Type, Value};

/// From 1970, where Arrow's clock begins, to 2000, where SQL's does.
pub(super) const EPOCH_DAYS: i32 = 10_957;
pub(super) const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// Why a value has no place in an array.
pub(super) type Why = String;

/// About how many bytes a value takes.
pub(super) fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.as_str().len(),
        Value::Bytea(bytes) => bytes.len(),
        Value::Json(text) => text.len(),
        // A guess: its text is what it becomes.
        Value::Jsonb(_) | Value::Numeric(_) => 64,
        Value::Vector(numbers) => 4 * numbers.len(),
        Value::Array(array) => array.values().iter().map(bytes_of).sum(),
        Value::Record(values) => values.iter().map(bytes_of).sum(),
        _ => 16,
    }
}

/// Values of one type as an array of the type that [`schema`](super::schema) chose for it.
pub(super) fn array_of(
    of: &Type,
    data: &DataType,
    values: &[&Value],
    settings: &Settings,
) -> Result<ArrayRef, Why> {
    Ok(match data {
        DataType::Boolean => Arc::new(booleans(values)?),
        DataType::Int16 => native::<Int16Type>(values, |value| match value {
            Value::Int2(number) => Ok(*number),
            _ => Err(mixed_up()),
        })?,
        DataType::Int32 => native::<Int32Type>(values, |value| match value {
            Value::Int4(number) => Ok(*number),
            _ => Err(mixed_up()),
        })?,
        DataType::Int64 => native::<Int64Type>(values, |value| match value {
            Value::Int8(number) => Ok(*number),
            _ => Err(mixed_up()),
        })?,
        DataType::UInt32 => native::<UInt32Type>(values, |value| match value {
            Value::Oid(number) => Ok(*number),
            _ => Err(mixed_up()),
        })?,
        DataType::Float32 => native::<Float32Type>(values, |value| match value {
            Value::Float4(number) => Ok(*number),
            _ => Err(mixed_up()),
        })?,
        DataType::Float64 => native::<Float64Type>(values, |value| match value {
            Value::Float8(number) => Ok(*number),
            _ => Err(mixed_up()),
        })?,
        DataType::Decimal128(digits, decimals) => {
            let array = primitives::<Decimal128Type>(values, |value| match value {
                Value::Numeric(number) => unscaled(number, *decimals),
                _ => Err(mixed_up()),
            })?;
            let array = array.with_precision_and_scale(*digits, *decimals);
            Arc::new(array.map_err(|error| error.to_string())?)
        }
        DataType::Date32
        | DataType::Time64(_)
        | DataType::Timestamp(..)
        | DataType::Interval(_) => times(data, values)?,
        DataType::Binary => Arc::new(bytes(values)?),
        DataType::FixedSizeBinary(size) => Arc::new(uuids(values, *size)?),
        DataType::Dictionary(..) => match &of.without_domains().element {
            Element::Enum(definition) => Arc::new(labels(definition, values)?),
            _ => return Err(mixed_up()),
        },
        DataType::List(element) => Arc::new(lists(of, element, values, settings)?),
        DataType::FixedSizeList(element, size) => Arc::new(vectors(element, *size, values)?),
        _ => Arc::new(texts(of, values, settings)?),
    })
}

/// Our own mistake, and told as such.
fn mixed_up() -> Why {
    "a value of another type".to_owned()
}

fn each<T, A>(values: &[&Value], read: impl Fn(&Value) -> Result<T, Why>) -> Result<A, Why>
where
    A: FromIterator<Option<T>>,
{
    let values = values.iter().map(|value| match value {
        Value::Null => Ok(None),
        value => read(value).map(Some),
    });
    values.collect()
}

fn primitives<T: ArrowPrimitiveType>(
    values: &[&Value],
    read: impl Fn(&Value) -> Result<T::Native, Why>,
) -> Result<PrimitiveArray<T>, Why> {
    let values: Vec<Option<T::Native>> = each(values, read)?;
    Ok(PrimitiveArray::from_iter(values))
}

fn native<T: ArrowPrimitiveType>(
    values: &[&Value],
    read: impl Fn(&Value) -> Result<T::Native, Why>,
) -> Result<ArrayRef, Why> {
    Ok(Arc::new(primitives::<T>(values, read)?))
}

fn booleans(values: &[&Value]) -> Result<BooleanArray, Why> {
    each(values, |value| value.as_bool().ok_or_else(mixed_up))
}

/// A number as a whole number of its last decimals.
///
/// NB: by way of its text, which is simple. A numeric could hand out its digits instead.
fn unscaled(number: &Numeric, decimals: i8) -> Result<i128, Why> {
    if !number.is_finite() {
        return Err(format!("Arrow's decimals have no {number}"));
    }
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let missing = usize::from(decimals.unsigned_abs()).checked_sub(fraction.len());
    let digits = missing.map(|zeros| format!("{whole}{fraction}{}", "0".repeat(zeros)));
    let digits = digits.and_then(|digits| digits.parse().ok());
    digits.ok_or_else(|| format!("{number} has too many digits"))
}

fn times(data: &DataType, values: &[&Value]) -> Result<ArrayRef, Why> {
    match data {
        DataType::Date32 => native::<Date32Type>(values, |value| match value {
            Value::Date(i32::MIN | i32::MAX) => Err(infinite("dates")),
            Value::Date(days) => days
                .checked_add(EPOCH_DAYS)
                .ok_or_else(|| infinite("dates")),
            _ => Err(mixed_up()),
        }),
        DataType::Time64(_) => native::<Time64MicrosecondType>(values, |value| match value {
            Value::Time(micros) => Ok(*micros),
            _ => Err(mixed_up()),
        }),
        DataType::Timestamp(_, zone) => {
            let array = primitives::<TimestampMicrosecondType>(values, |value| match value {
                Value::Timestamp(i64::MIN | i64::MAX) | Value::Timestamptz(i64::MIN | i64::MAX) => {
                    Err(infinite("timestamps"))
                }
                Value::Timestamp(micros) | Value::Timestamptz(micros) => micros
                    .checked_add(EPOCH_MICROS)
                    .ok_or_else(|| infinite("timestamps")),
                _ => Err(mixed_up()),
            })?;
            Ok(Arc::new(array.with_timezone_opt(zone.clone())))
        }
        _ => native::<IntervalMonthDayNanoType>(values, |value| match value {
            Value::Interval(interval) => span(interval),
            _ => Err(mixed_up()),
        }),
    }
}

fn infinite(what: &str) -> Why {
    format!("Arrow's {what} are finite, and not as far away")
}

fn span(interval: &Interval) -> Result<IntervalMonthDayNano, Why> {
    let nanos = interval.micros.checked_mul(1000);
    let nanos = nanos.ok_or("an interval has too many nanoseconds for Arrow")?;
    Ok(IntervalMonthDayNano::new(
        interval.months,
        interval.days,
        nanos,
    ))
}

fn bytes(values: &[&Value]) -> Result<BinaryArray, Why> {
    let values: Vec<Option<&[u8]>> = values
        .iter()
        .map(|value| match value {
            Value::Null => Ok(None),
            Value::Bytea(bytes) => Ok(Some(&**bytes)),
            _ => Err(mixed_up()),
        })
        .collect::<Result<_, Why>>()?;
    check_offsets(values.iter().flatten().map(|bytes| bytes.len()))?;
    Ok(BinaryArray::from_iter(values))
}

fn uuids(values: &[&Value], size: i32) -> Result<FixedSizeBinaryArray, Why> {
    let values: Vec<Option<[u8; 16]>> = each(values, |value| match value {
        Value::Uuid(bytes) => Ok(*bytes),
        _ => Err(mixed_up()),
    })?;
    FixedSizeBinaryArray::try_from_sparse_iter_with_size(values.into_iter(), size)
        .map_err(|error| error.to_string())
}

fn texts(of: &Type, values: &[&Value], settings: &Settings) -> Result<StringArray, Why> {
    let values: Vec<Option<String>> = each(values, |value| {
        Ok(match value {
            Value::Text(text) => text.as_str().to_owned(),
            value => rustdb_types::format(value, of, settings),
        })
    })?;
    check_offsets(values.iter().flatten().map(String::len))?;
    Ok(StringArray::from_iter(values))
}

/// Labels by their places in the order of the enum.
fn labels(of: &EnumType, values: &[&Value]) -> Result<DictionaryArray<Int32Type>, Why> {
    let places: HashMap<u32, i32> = of.labels.iter().map(|label| label.id).zip(0..).collect();
    let keys: Int32Array = primitives(values, |value| match value {
        Value::Enum(label) => places.get(&label.id).copied().ok_or_else(mixed_up),
        _ => Err(mixed_up()),
    })?;
    let labels = StringArray::from_iter_values(of.labels.iter().map(|label| &label.label));
    DictionaryArray::try_new(keys, Arc::new(labels)).map_err(|error| error.to_string())
}

/// Arrays, and vectors of any dimension.
fn lists(
    of: &Type,
    field: &FieldRef,
    values: &[&Value],
    settings: &Settings,
) -> Result<ListArray, Why> {
    let mut numbers = Vec::new();
    for value in values {
        if let Value::Vector(vector) = value {
            numbers.extend(vector.iter().copied().map(Value::Float4));
        }
    }
    let mut children: Vec<&Value> = Vec::new();
    let mut lengths = Vec::with_capacity(values.len());
    for value in values {
        lengths.push(match value {
            Value::Null => 0,
            Value::Array(array) if array.dimensions().len() > 1 => {
                return Err("an array of several dimensions is no list".to_owned());
            }
            Value::Array(array) => {
                children.extend(array.values());
                array.values().len()
            }
            Value::Vector(vector) => vector.len(),
            _ => return Err(mixed_up()),
        });
    }
    if !numbers.is_empty() {
        children = numbers.iter().collect();
    }
    check_offsets(lengths.iter().copied())?;
    let element = of.without_domains().element_type().unwrap_or(Type::FLOAT4);
    let children = array_of(&element, field.data_type(), &children, settings)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    ListArray::try_new(field.clone(), offsets, children, present(values))
        .map_err(|error| error.to_string())
}

fn vectors(field: &FieldRef, size: i32, values: &[&Value]) -> Result<FixedSizeListArray, Why> {
    let mut numbers: Vec<Option<f32>> = Vec::new();
    for value in values {
        match value {
            Value::Null => numbers.extend((0..size).map(|_| None)),
            Value::Vector(vector) => numbers.extend(vector.iter().copied().map(Some)),
            _ => return Err(mixed_up()),
        }
    }
    let numbers = Arc::new(PrimitiveArray::<Float32Type>::from_iter(numbers));
    FixedSizeListArray::try_new(field.clone(), size, numbers, present(values))
        .map_err(|error| error.to_string())
}

fn present(values: &[&Value]) -> Option<NullBuffer> {
    let present: NullBuffer = values.iter().map(|value| !value.is_null()).collect();
    (present.null_count() > 0).then_some(present)
}

/// Arrow's offsets have 31 bits.
fn check_offsets(mut lengths: impl Iterator<Item = usize>) -> Result<(), Why> {
    let sum = lengths.try_fold(0_usize, usize::checked_add);
    match sum.is_some_and(|sum| i32::try_from(sum).is_ok()) {
        true => Ok(()),
        false => Err("a batch holds at most 2 GiB of a column".to_owned()),
    }
}
