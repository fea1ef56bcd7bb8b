//! Values on their way in and out.

use rustdb_types::Value as SqlValue;

/// A value of SQL, as a parameter.
///
/// ```
/// use rustdb::sql::Value;
/// let values: [Value; 4] = [1.into(), 2.5.into(), "text".into(), None::<i64>.into()];
/// assert_eq!(values.len(), 4);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Value(pub(super) SqlValue);

impl Value {
    /// NULL.
    ///
    /// ```
    /// use rustdb::sql::Value;
    /// assert_eq!(Value::NULL, None::<i64>.into());
    /// ```
    pub const NULL: Value = Value(SqlValue::Null);
}

#[diagnostic::on_unimplemented(
    message = "a column's value cannot be read as `{Self}`",
    label = "no type of a column",
    note = "for NULL take `Option`; `String` and `Vec<u8>`, not `&str` and `&[u8]`; `SqlValue` is \
            any value",
    note = "a type of your own may implement `rustdb::sql::FromValue`"
)]
/// A Rust type that a column's value can be read as.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// let rows = db.connect()?.query("SELECT 2.5::float8 AS x", &[])?;
/// let x: f64 = rows[0].get("x")?;
/// assert_eq!(x, 2.5);
/// # Ok::<(), rustdb::Error>(())
/// ```
pub trait FromValue: Sized {
    /// The value, or `None` if it is of another type.
    fn from_value(value: &SqlValue) -> Option<Self>;
}

macro_rules! values {
    ($($of:ty => $variant:ident;)*) => {
        $(impl From<$of> for Value {
            fn from(value: $of) -> Value {
                Value(SqlValue::$variant(value))
            }
        })*
    };
}

values! {
    bool => Bool;
    i16 => Int2;
    i32 => Int4;
    i64 => Int8;
    f32 => Float4;
    f64 => Float8;
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value(SqlValue::text(value))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value(SqlValue::text(&value))
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Value {
        Value(SqlValue::text(value))
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Value {
        Value(SqlValue::Bytea(value.into()))
    }
}

impl From<SqlValue> for Value {
    fn from(value: SqlValue) -> Value {
        Value(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value(SqlValue::Null), Into::into)
    }
}

macro_rules! integers {
    ($($of:ty),*) => {
        $(impl FromValue for $of {
            fn from_value(value: &SqlValue) -> Option<$of> {
                <$of>::try_from(whole(value)?).ok()
            }
        })*
    };
}

/// A whole number of any type; sums are `numeric` in SQL.
fn whole(value: &SqlValue) -> Option<i128> {
    match value {
        // What is larger than `bigint`, as `u64` may be, was `numeric` on its way in.
        SqlValue::Numeric(number) if number.scale_needed() == Some(0) => match number.to_i64() {
            Ok(number) => Some(number.into()),
            Err(_) => {
                let text = number.to_string();
                text.split('.').next()?.parse().ok()
            }
        },
        value => value.as_integer().map(i128::from),
    }
}

integers!(i8, i16, i32, i64, u8, u16, u32, u64, usize);

impl FromValue for bool {
    fn from_value(value: &SqlValue) -> Option<bool> {
        value.as_bool()
    }
}

impl FromValue for f32 {
    fn from_value(value: &SqlValue) -> Option<f32> {
        match value {
            SqlValue::Float4(number) => Some(*number),
            _ => None,
        }
    }
}

impl FromValue for SqlValue {
    fn from_value(value: &SqlValue) -> Option<SqlValue> {
        Some(value.clone())
    }
}

impl FromValue for f64 {
    /// Averages are `numeric` in SQL: the nearest number.
    fn from_value(value: &SqlValue) -> Option<f64> {
        match value {
            SqlValue::Numeric(number) => number.to_f64().ok(),
            value => value.as_float(),
        }
    }
}

impl FromValue for String {
    fn from_value(value: &SqlValue) -> Option<String> {
        value.as_str().map(str::to_owned)
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &SqlValue) -> Option<Vec<u8>> {
        match value {
            SqlValue::Bytea(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &SqlValue) -> Option<Option<T>> {
        match value {
            SqlValue::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}
