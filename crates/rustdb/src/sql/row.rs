//! Rows of results.

use std::sync::Arc;

use rustdb_sql::OutputColumn;
use rustdb_types::{Settings, Value as SqlValue};

use super::FromValue;
use crate::{Error, ErrorKind, Result};

/// A row of a result.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// let rows = db.connect()?.query("SELECT 1 AS n, NULL AS nothing", &[])?;
/// assert_eq!(rows[0].get::<i64>("n")?, 1);
/// assert_eq!(rows[0].get::<Option<String>>("nothing")?, None);
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Row {
    columns: Arc<[OutputColumn]>,
    /// How values are printed.
    settings: Arc<Settings>,
    values: Vec<SqlValue>,
}

/// What a row can be read as: tuples of [values](FromValue), column by column, and what a program
/// says itself.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// use rustdb::sql::{FromRow, Row};
///
/// struct Planet {
///     name: String,
///     moons: i32,
/// }
///
/// impl FromRow for Planet {
///     fn from_row(row: &Row) -> rustdb::Result<Planet> {
///         Ok(Planet { name: row.get("name")?, moons: row.get("moons")? })
///     }
/// }
///
/// let rows = db.connect()?.query("SELECT 'Mars' AS name, 2 AS moons", &[])?;
/// let mars: Planet = rows[0].to()?;
/// assert_eq!((mars.name.as_str(), mars.moons), ("Mars", 2));
/// # Ok::<(), rustdb::Error>(())
/// ```
pub trait FromRow: Sized {
    /// Reads a row.
    fn from_row(row: &Row) -> Result<Self>;
}

macro_rules! tuples {
    ($($name:ident $place:tt),*) => {
        impl<$($name: FromValue),*> FromRow for ($($name,)*) {
            fn from_row(row: &Row) -> Result<Self> {
                const WIDTH: usize = [$($place),*].len();
                if row.len() != WIDTH {
                    let message = format!("a row of {} columns is no tuple of {WIDTH}", row.len());
                    return Err(Error::new(ErrorKind::InvalidArgument, message));
                }
                Ok(($(row.get_at::<$name>($place)?,)*))
            }
        }
    };
}

tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);

impl Row {
    pub(super) fn new(
        columns: &Arc<[OutputColumn]>,
        values: Vec<SqlValue>,
        settings: &Arc<Settings>,
    ) -> Row {
        Row {
            columns: columns.clone(),
            settings: settings.clone(),
            values,
        }
    }

    /// The rows of a result; without columns there are none.
    pub(super) fn all(
        columns: Option<&Arc<[OutputColumn]>>,
        rows: Vec<Vec<SqlValue>>,
        settings: &Arc<Settings>,
    ) -> Vec<Row> {
        let Some(columns) = columns else {
            return Vec::new();
        };
        let rows = rows.into_iter();
        rows.map(|values| Row::new(columns, values, settings))
            .collect()
    }

    /// The value of a column, by name.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let rows = db.connect()?.query("SELECT 'x' AS letter", &[])?;
    /// assert_eq!(rows[0].get::<String>("letter")?, "x");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T> {
        let place = self.columns.iter().position(|each| each.name == column);
        let place = place.ok_or_else(|| {
            let message = format!("there is no column `{column}`");
            Error::new(ErrorKind::NotFound, message)
        })?;
        self.get_at(place)
    }

    /// The value of a column, by its place from 0.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let rows = db.connect()?.query("SELECT 7", &[])?;
    /// assert_eq!(rows[0].get_at::<i64>(0)?, 7);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn get_at<T: FromValue>(&self, place: usize) -> Result<T> {
        let value = self.values.get(place).ok_or_else(|| {
            let message = format!("there is no column at place {place}");
            Error::new(ErrorKind::NotFound, message)
        })?;
        T::from_value(value).ok_or_else(|| {
            let OutputColumn { name, of, .. } = &self.columns[place];
            let of = of.name();
            let message = format!("column `{name}` of type {of} cannot be read as this type");
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }

    /// The row as a tuple, or as a type of the program's own.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let rows = db.connect()?.query("SELECT 1, 'one', NULL", &[])?;
    /// let (number, word, nothing): (i64, String, Option<bool>) = rows[0].to()?;
    /// assert_eq!((number, word.as_str(), nothing), (1, "one", None));
    /// assert!(rows[0].to::<(i64, String)>().is_err());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn to<T: FromRow>(&self) -> Result<T> {
        T::from_row(self)
    }

    /// A column's value as text, as PostgreSQL prints it; `None` is NULL.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let rows = db.connect()?.query("SELECT ARRAY[1, 2], NULL", &[])?;
    /// assert_eq!(rows[0].text(0).as_deref(), Some("{1,2}"));
    /// assert_eq!(rows[0].text(1), None);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn text(&self, place: usize) -> Option<String> {
        let value = self.values.get(place).filter(|value| !value.is_null())?;
        let of = &self.columns[place].of;
        Some(rustdb_types::format(value, of, &self.settings))
    }

    /// A column's value as JSON text, as PostgreSQL's `to_json` writes it; `None` if there is no
    /// such column.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let rows = db.connect()?.query("SELECT 1.50, 'a', DATE '2000-01-01', NULL", &[])?;
    /// let json: Vec<_> = (0..4).filter_map(|place| rows[0].json(place)).collect();
    /// assert_eq!(json, ["1.50", "\"a\"", "\"2000-01-01\"", "null"]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn json(&self, place: usize) -> Option<String> {
        let value = self.values.get(place)?;
        rustdb_types::function::json_text(value, &self.settings).ok()
    }

    /// The value itself.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use rustdb::sql::SqlValue;
    /// let rows = db.connect()?.query("SELECT TRUE", &[])?;
    /// assert_eq!(rows[0].value(0), Some(&SqlValue::Bool(true)));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn value(&self, place: usize) -> Option<&SqlValue> {
        self.values.get(place)
    }

    /// How many columns there are.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// assert_eq!(db.connect()?.query("SELECT 1, 2", &[])?[0].len(), 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no columns.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// assert!(!db.connect()?.query("SELECT 1", &[])?[0].is_empty());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}
