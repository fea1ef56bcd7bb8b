//! Which of Arrow's types a type of SQL is.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};
use rustdb_sql::OutputColumn;
use rustdb_types::{Base, Element, Type};

/// The most digits of a `Decimal128`.
const DECIMAL_DIGITS_MAX: i32 = 38;

/// What Arrow calls the elements of a list.
const ELEMENT: &str = "item";

/// Where a field says that it is more than its type tells.
pub(super) const EXTENSION: &str = "ARROW:extension:name";

/// The extension of UUIDs.
pub(super) const UUID: &str = "arrow.uuid";

/// The columns of a result.
pub(super) fn schema_of(columns: &[OutputColumn]) -> SchemaRef {
    let fields = columns.iter().map(|column| field(&column.name, &column.of));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn field(name: &str, of: &Type) -> Field {
    let field = Field::new(name, data_type(of), true);
    let said = |name: &str| HashMap::from([(EXTENSION.to_owned(), name.to_owned())]);
    match of.without_domains().base() {
        Some(Base::Uuid) => field.with_metadata(said(UUID)),
        Some(Base::Json | Base::Jsonb) => field.with_metadata(said("arrow.json")),
        _ => field,
    }
}

fn data_type(of: &Type) -> DataType {
    let of = of.without_domains();
    if let Some(element) = of.element_type() {
        return DataType::List(Arc::new(field(ELEMENT, &element)));
    }
    match &of.element {
        Element::Base(base) => base_type(*base, &of),
        Element::Enum(_) => {
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
        }
        // NB: not reached, domains were looked through.
        Element::Domain(_) => DataType::Utf8,
    }
}

fn base_type(base: Base, of: &Type) -> DataType {
    match base {
        Base::Bool => DataType::Boolean,
        Base::Int2 => DataType::Int16,
        Base::Int4 => DataType::Int32,
        Base::Int8 => DataType::Int64,
        Base::Float4 => DataType::Float32,
        Base::Float8 => DataType::Float64,
        Base::Numeric => decimal(of).unwrap_or(DataType::Utf8),
        Base::Oid => DataType::UInt32,
        Base::Bytea => DataType::Binary,
        Base::Date => DataType::Date32,
        Base::Time => DataType::Time64(TimeUnit::Microsecond),
        Base::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        Base::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Base::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
        Base::Uuid => DataType::FixedSizeBinary(16),
        Base::Vector => {
            let element = Arc::new(Field::new(ELEMENT, DataType::Float32, true));
            let dimensions = of.modifier.dimension_count();
            match dimensions.and_then(|count| i32::try_from(count).ok()) {
                Some(count) => DataType::FixedSizeList(element, count),
                None => DataType::List(element),
            }
        }
        Base::Text
        | Base::Varchar
        | Base::Bpchar
        | Base::Name
        | Base::Char
        | Base::Unknown
        | Base::Json
        | Base::Jsonb
        | Base::Record
        | Base::Void => DataType::Utf8,
    }
}

/// `numeric(p, s)`, if Arrow's decimals have as many digits.
fn decimal(of: &Type) -> Option<DataType> {
    let (digits, decimals) = of.modifier.precision_and_scale()?;
    if digits > DECIMAL_DIGITS_MAX || !(0..=digits).contains(&decimals) {
        return None;
    }
    let (digits, decimals) = (u8::try_from(digits).ok()?, i8::try_from(decimals).ok()?);
    Some(DataType::Decimal128(digits, decimals))
}
