//! SQL values and types with PostgreSQL's meaning.
//!
//! ```text
//! oid, base, modifier ─▶ types     what a type is called, numbered, made of
//! text, numeric, json,
//! interval, array ─────▶ value     what a value is; order: how values compare
//! settings ────────────▶ io, wire  text and bytes in and out, with datetime and array_text
//! row, key                         bytes in rows, and bytes that sort
//! cast, operator,
//! function, aggregate,
//! window ──────────────▶ resolve   what can be done with values, and which of it a call means
//! ```
//!
//! PostgreSQL 15 is the reference, down to the words of errors. The crate knows no files and no
//! SQL text: it is the bottom of the database, and everything typed stands on it.

#![forbid(unsafe_code)]

pub mod aggregate;
pub mod arithmetic;
mod array;
mod array_assign;
mod array_text;
mod base;
mod cast;
mod column;
pub mod datetime;
mod error;
pub mod function;
pub mod interrupt;
mod interval;
mod io;
mod json;
mod jsonpath;
mod key;
mod modifier;
mod numeric;
mod oid;
mod operator;
mod order;
mod packed;
mod parameter;
mod record;
mod regex;
mod resolve;
mod row;
#[cfg(test)]
mod samples;
mod settings;
mod text;
mod types;
mod value;
mod varint;
pub mod window;
mod wire;
mod zone;

pub use array::{Array, DIMENSIONS_MAX, Dimension, ELEMENTS_MAX};
pub use base::Base;
pub use cast::{CASTS, Cast, CastContext, CastMethod, CastRow};
pub use column::{Cells, ColumnVector, Strings};
pub use error::{Error, Result, SqlState};
pub use interval::{
    DAYS_PER_MONTH, Interval, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND,
};
pub use io::{cast_text, format, format_float4, format_float8, format_into, parse};
pub use json::{DEPTH_MAX as JSON_DEPTH_MAX, Json};
pub use key::{
    IntegerKey, KeyColumn, Nulls, decode as decode_key, encode as encode_key, encode_integer,
};
pub use modifier::{CHARACTERS_MAX, Modifier, VECTOR_DIMENSIONS_MAX, interval_fields};
pub use numeric::{CELL_SCALE_MAX, Numeric, SCALE_MAX as NUMERIC_SCALE_SHOWN_MAX};
pub use oid::{BUILT_IN, Category, Oid, TypeRow};
pub use operator::{Operator, like, operator_exactly, operators, operators_named};
pub use order::{compare_float4, compare_float8, without_padding};
pub use parameter::Parameter;
pub use record::Record;
pub use resolve::{
    Candidate, Resolved, common_modifier, common_type, resolve_function, resolve_operator,
};
pub use row::{
    COLUMNS_MAX, Cell, Comparison, Given, Integers, Members, RowLayout, RowReader, RowTest,
    RowView, Selection,
};
pub use settings::{ByteaOutput, DateOrder, DateStyle, IntervalStyle, Moment, Settings};
pub use text::{INLINE_BYTES_MAX, Text};
pub use types::{DomainType, Element, EnumLabel, EnumType, Type};
pub use value::Value;
pub use wire::{receive, send};
pub use zone::Zone;
