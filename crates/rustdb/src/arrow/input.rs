//! Values of Arrow's arrays as values of SQL. What the columns of the table make of them is checked
//! where they are inserted.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, DecimalType, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType,
    IntervalYearMonthType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};
use rustdb_types::{Array as SqlArray, Interval, MICROS_PER_DAY, Modifier, Numeric, Value};

use super::output::{EPOCH_DAYS, EPOCH_MICROS, Why};
use super::schema::{EXTENSION, UUID};

/// What PostgreSQL's dates and timestamps span: from 4713 BC to the years 5874897 and 294276.
const DATES: std::ops::RangeInclusive<i32> = -2_451_545..=2_145_031_948;
const TIMESTAMPS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// Reads the value at a place.
pub(super) type Reader<'a> = Box<dyn Fn(usize) -> Result<Value, Why> + 'a>;

/// How values of an array are read; an error if they are of no type of SQL.
pub(super) fn reader<'a>(array: &'a ArrayRef, field: &Field) -> Result<Reader<'a>, Why> {
    let read = not_null(array, field)?;
    Ok(match array.null_count() {
        0 => read,
        _ => Box::new(move |place| match array.is_null(place) {
            true => Ok(Value::Null),
            false => read(place),
        }),
    })
}

fn not_null<'a>(array: &'a ArrayRef, field: &Field) -> Result<Reader<'a>, Why> {
    Ok(match array.data_type() {
        DataType::Null => Box::new(|_| Ok(Value::Null)),
        DataType::Boolean => {
            let array = array.as_boolean();
            Box::new(|place| Ok(Value::Bool(array.value(place))))
        }
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            Box::new(|place| text(array.value(place)))
        }
        DataType::LargeUtf8 => {
            let array = array.as_string::<i64>();
            Box::new(|place| text(array.value(place)))
        }
        DataType::Utf8View => {
            let array = array.as_string_view();
            Box::new(|place| text(array.value(place)))
        }
        DataType::Binary => {
            let array = array.as_binary::<i32>();
            Box::new(|place| Ok(Value::Bytea(array.value(place).into())))
        }
        DataType::LargeBinary => {
            let array = array.as_binary::<i64>();
            Box::new(|place| Ok(Value::Bytea(array.value(place).into())))
        }
        DataType::BinaryView => {
            let array = array.as_binary_view();
            Box::new(|place| Ok(Value::Bytea(array.value(place).into())))
        }
        DataType::FixedSizeBinary(_) => {
            let array = array.as_fixed_size_binary();
            let is_uuid = field
                .metadata()
                .get(EXTENSION)
                .is_some_and(|name| name == UUID);
            Box::new(move |place| {
                let bytes = array.value(place);
                Ok(match <[u8; 16]>::try_from(bytes) {
                    Ok(uuid) if is_uuid => Value::Uuid(uuid),
                    _ => Value::Bytea(bytes.into()),
                })
            })
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::Dictionary(..) => return nested(array, field),
        data if data.is_numeric() => return number(array),
        data if data.is_temporal() => return time(array),
        data => return Err(refused(data)),
    })
}

fn refused(data: &DataType) -> Why {
    format!("Arrow's type {data} is no type of a column")
}

/// SQL's texts have no zero bytes.
fn text(text: &str) -> Result<Value, Why> {
    match text.contains('\0') {
        false => Ok(Value::text(text)),
        true => Err("a text with a zero byte".to_owned()),
    }
}

fn numbers<'a, T: ArrowPrimitiveType>(
    array: &'a ArrayRef,
    read: impl Fn(T::Native) -> Result<Value, Why> + 'a,
) -> Reader<'a> {
    let array = array.as_primitive::<T>();
    Box::new(move |place| read(array.value(place)))
}

fn number(array: &ArrayRef) -> Result<Reader<'_>, Why> {
    let whole = |number: i64| Ok(Value::Int8(number));
    Ok(match array.data_type() {
        DataType::Int8 => numbers::<Int8Type>(array, |it| Ok(Value::Int2(it.into()))),
        DataType::Int16 => numbers::<Int16Type>(array, |it| Ok(Value::Int2(it))),
        DataType::Int32 => numbers::<Int32Type>(array, |it| Ok(Value::Int4(it))),
        DataType::Int64 => numbers::<Int64Type>(array, whole),
        DataType::UInt8 => numbers::<UInt8Type>(array, |it| Ok(Value::Int2(it.into()))),
        DataType::UInt16 => numbers::<UInt16Type>(array, |it| Ok(Value::Int4(it.into()))),
        DataType::UInt32 => numbers::<UInt32Type>(array, move |it| whole(it.into())),
        DataType::UInt64 => numbers::<UInt64Type>(array, move |it| match i64::try_from(it) {
            Ok(number) => whole(number),
            Err(_) => parsed(&it.to_string()),
        }),
        DataType::Float16 => numbers::<Float16Type>(array, |it| Ok(Value::Float4(it.to_f32()))),
        DataType::Float32 => numbers::<Float32Type>(array, |it| Ok(Value::Float4(it))),
        DataType::Float64 => numbers::<Float64Type>(array, |it| Ok(Value::Float8(it))),
        DataType::Decimal32(_, decimals) => decimal::<Decimal32Type>(array, *decimals),
        DataType::Decimal64(_, decimals) => decimal::<Decimal64Type>(array, *decimals),
        DataType::Decimal128(_, decimals) => decimal::<Decimal128Type>(array, *decimals),
        DataType::Decimal256(_, decimals) => decimal::<Decimal256Type>(array, *decimals),
        data => return Err(refused(data)),
    })
}

fn decimal<T: DecimalType>(array: &ArrayRef, decimals: i8) -> Reader<'_>
where
    T::Native: std::fmt::Display,
{
    numbers::<T>(array, move |digits| {
        // As many decimals are shown as the type has.
        parsed(&format!("{digits}e{}", -i16::from(decimals)))
    })
}

fn parsed(text: &str) -> Result<Value, Why> {
    let number = Numeric::parse(text, Modifier::NONE);
    Ok(Value::Numeric(number.map_err(|error| error.to_string())?))
}

fn time(array: &ArrayRef) -> Result<Reader<'_>, Why> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    Ok(match array.data_type() {
        DataType::Date32 => numbers::<Date32Type>(array, |days| date(days.into())),
        DataType::Date64 => {
            numbers::<Date64Type>(array, |millis| match millis % (MICROS_PER_DAY / 1000) {
                0 => date(millis / (MICROS_PER_DAY / 1000)),
                _ => Err(format!("{millis} ms are no whole days")),
            })
        }
        DataType::Time32(Second) => {
            numbers::<Time32SecondType>(array, |it| clock(micros(it.into(), Second)?))
        }
        DataType::Time32(_) => {
            numbers::<Time32MillisecondType>(array, |it| clock(micros(it.into(), Millisecond)?))
        }
        DataType::Time64(Nanosecond) => {
            numbers::<Time64NanosecondType>(array, |it| clock(micros(it, Nanosecond)?))
        }
        DataType::Time64(_) => numbers::<Time64MicrosecondType>(array, clock),
        DataType::Timestamp(unit, zone) => {
            let (unit, has_zone) = (*unit, zone.is_some());
            let read = move |ticks| timestamp(micros(ticks, unit)?, has_zone);
            match unit {
                Second => numbers::<TimestampSecondType>(array, read),
                Millisecond => numbers::<TimestampMillisecondType>(array, read),
                Microsecond => numbers::<TimestampMicrosecondType>(array, read),
                Nanosecond => numbers::<TimestampNanosecondType>(array, read),
            }
        }
        DataType::Duration(unit) => {
            let unit = *unit;
            let read = move |ticks| interval(0, 0, micros(ticks, unit)?);
            match unit {
                Second => numbers::<DurationSecondType>(array, read),
                Millisecond => numbers::<DurationMillisecondType>(array, read),
                Microsecond => numbers::<DurationMicrosecondType>(array, read),
                Nanosecond => numbers::<DurationNanosecondType>(array, read),
            }
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            numbers::<IntervalYearMonthType>(array, |months| interval(months, 0, 0))
        }
        DataType::Interval(IntervalUnit::DayTime) => numbers::<IntervalDayTimeType>(array, |it| {
            interval(0, it.days, micros(it.milliseconds.into(), Millisecond)?)
        }),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            numbers::<IntervalMonthDayNanoType>(array, |it| {
                interval(it.months, it.days, micros(it.nanoseconds, Nanosecond)?)
            })
        }
        data => return Err(refused(data)),
    })
}

/// Ticks of a clock as microseconds, without loss.
fn micros(ticks: i64, unit: TimeUnit) -> Result<i64, Why> {
    let too_far = || "a time that is too far away".to_owned();
    match unit {
        TimeUnit::Second => ticks.checked_mul(1_000_000).ok_or_else(too_far),
        TimeUnit::Millisecond => ticks.checked_mul(1000).ok_or_else(too_far),
        TimeUnit::Microsecond => Ok(ticks),
        TimeUnit::Nanosecond if ticks % 1000 == 0 => Ok(ticks / 1000),
        TimeUnit::Nanosecond => Err(format!(
            "{ticks} ns are no whole microseconds; round the column first"
        )),
    }
}

/// Days since 1970.
fn date(days: i64) -> Result<Value, Why> {
    let days = i32::try_from(days - i64::from(EPOCH_DAYS)).ok();
    let days = days.filter(|days| DATES.contains(days));
    days.map(Value::Date)
        .ok_or_else(|| "a date that is too far away".to_owned())
}

fn clock(micros: i64) -> Result<Value, Why> {
    match (0..=MICROS_PER_DAY).contains(&micros) {
        true => Ok(Value::Time(micros)),
        false => Err("a time of day that is not within a day".to_owned()),
    }
}

/// Microseconds since 1970.
fn timestamp(micros: i64, has_zone: bool) -> Result<Value, Why> {
    let since = micros.checked_sub(EPOCH_MICROS);
    let since = since.filter(|since| TIMESTAMPS.contains(since));
    let since = since.ok_or("a timestamp that is too far away")?;
    Ok(match has_zone {
        true => Value::Timestamptz(since),
        false => Value::Timestamp(since),
    })
}

fn interval(months: i32, days: i32, micros: i64) -> Result<Value, Why> {
    Ok(Value::Interval(Interval::new(months, days, micros)))
}

/// Arrays that have arrays within.
fn nested<'a>(array: &'a ArrayRef, field: &Field) -> Result<Reader<'a>, Why> {
    Ok(match array.data_type() {
        DataType::List(element) => {
            let lists = array.as_list::<i32>();
            let read = element_reader(lists.values(), element)?;
            let offsets = lists.value_offsets();
            Box::new(move |place| list(&read, offsets[place] as usize, offsets[place + 1] as usize))
        }
        DataType::LargeList(element) => {
            let lists = array.as_list::<i64>();
            let read = element_reader(lists.values(), element)?;
            let offsets = lists.value_offsets();
            Box::new(move |place| list(&read, offsets[place] as usize, offsets[place + 1] as usize))
        }
        DataType::FixedSizeList(element, _) => {
            let lists = array.as_fixed_size_list();
            let read = element_reader(lists.values(), element)?;
            let size = lists.value_length() as usize;
            Box::new(move |place| {
                let first = lists.value_offset(place) as usize;
                list(&read, first, first + size)
            })
        }
        DataType::Dictionary(_, values) => {
            let dictionary = array.as_any_dictionary();
            let field = Field::new(field.name(), values.as_ref().clone(), true)
                .with_metadata(field.metadata().clone());
            if dictionary.values().is_empty() {
                return Ok(Box::new(|_| Ok(Value::Null)));
            }
            let read = reader(dictionary.values(), &field)?;
            let keys = dictionary.normalized_keys();
            Box::new(move |place| read(keys[place]))
        }
        data => return Err(refused(data)),
    })
}

/// The reader of a list's elements, which are no lists again.
fn element_reader<'a>(values: &'a ArrayRef, element: &Field) -> Result<Reader<'a>, Why> {
    match values.data_type() {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            Err("a list of lists is no type of a column".to_owned())
        }
        _ => reader(values, element),
    }
}

fn list(read: &Reader<'_>, from: usize, to: usize) -> Result<Value, Why> {
    let values = (from..to).map(read).collect::<Result<Vec<_>, Why>>()?;
    Ok(Value::Array(Arc::new(SqlArray::from_values(values))))
}
