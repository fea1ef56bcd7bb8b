//! Rows of results.

use std::sync::Arc;

use rustdb_sql::{OutputColumn, RowBlock, RowSet};
use rustdb_types::{Settings, Value as SqlValue};

use super::{FromRow, FromValue};
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
///
/// A row shares its memory with the rows around it, about a thousand of them: a program that keeps
/// few of many rows for long takes their values out.
#[derive(Clone, Debug)]
pub struct Row {
    block: Arc<Block>,
    /// Its place in the block.
    place: usize,
}

/// Some rows of a result, and what they have in common.
#[derive(Debug)]
pub(super) struct Block {
    columns: Arc<[OutputColumn]>,
    /// How values are printed.
    settings: Arc<Settings>,
    rows: RowBlock,
}

impl Block {
    pub(super) fn new(
        columns: &Arc<[OutputColumn]>,
        rows: RowBlock,
        settings: &Arc<Settings>,
    ) -> Arc<Block> {
        Arc::new(Block {
            columns: columns.clone(),
            settings: settings.clone(),
            rows,
        })
    }

    /// A row, if there are so many.
    pub(super) fn get(self: &Arc<Self>, place: usize) -> Option<Row> {
        (place < self.rows.len()).then(|| Row {
            block: self.clone(),
            place,
        })
    }

    /// All rows.
    fn rows(self: &Arc<Self>) -> impl Iterator<Item = Row> {
        (0..self.rows.len()).map(|place| Row {
            block: self.clone(),
            place,
        })
    }
}

/// How many columns an error names.
const NAMES_SHOWN_MAX: usize = 12;

/// A type's name without the modules that it is in.
fn short_name(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    for part in name.split_inclusive(|letter: char| !letter.is_alphanumeric() && letter != '_') {
        match part.strip_suffix(':') {
            Some(_) => (),
            None => short.push_str(part),
        }
    }
    short
}

impl Row {
    pub(crate) fn values(&self) -> &[SqlValue] {
        self.block.rows.row(self.place)
    }

    /// The rows of a result; without columns there are none.
    pub(super) fn all(
        columns: Option<&Arc<[OutputColumn]>>,
        rows: RowSet,
        settings: &Arc<Settings>,
    ) -> Vec<Row> {
        let Some(columns) = columns else {
            return Vec::new();
        };
        let mut all = Vec::with_capacity(rows.len());
        for rows in rows.into_blocks() {
            all.extend(Block::new(columns, rows, settings).rows());
        }
        all
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
        match self.place(column) {
            Some(place) => self.get_at(place),
            None => Err(self.absent(column)),
        }
    }

    /// What the derive calls: the column is probably at `place`.
    #[doc(hidden)]
    pub fn field<T: FromValue>(&self, column: &str, place: usize) -> Result<T> {
        match self.block.columns.get(place) {
            Some(there) if there.name == column => self.get_at(place),
            _ => self.get(column),
        }
    }

    /// What the derive calls for a column that may be absent.
    #[doc(hidden)]
    pub fn field_or_default<T: FromValue + Default>(&self, column: &str) -> Result<T> {
        match self.place(column) {
            Some(place) => self.get_at(place),
            None => Ok(T::default()),
        }
    }

    /// What the derive calls for structs whose fields have places.
    #[doc(hidden)]
    pub fn check_width(&self, width: usize, of: &str) -> Result<()> {
        if self.len() == width {
            return Ok(());
        }
        let message = format!("the row has {} columns, and {of} has {width}", self.len());
        Err(Error::new(ErrorKind::InvalidArgument, message))
    }

    fn place(&self, column: &str) -> Option<usize> {
        self.block
            .columns
            .iter()
            .position(|each| each.name == column)
    }

    fn absent(&self, column: &str) -> Error {
        let names = self
            .block
            .columns
            .iter()
            .map(|each| format!("`{}`", each.name));
        let mut shown: Vec<String> = names.take(NAMES_SHOWN_MAX).collect();
        if self.block.columns.len() > NAMES_SHOWN_MAX {
            shown.push("...".to_owned());
        }
        let message = format!("there is no column `{column}`");
        let hint = match shown.is_empty() {
            true => "the row has no columns".to_owned(),
            false => format!("the row has {}", shown.join(", ")),
        };
        Error::new(ErrorKind::NotFound, message).with_hint(hint)
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
        let value = self.values().get(place).ok_or_else(|| {
            let message = format!(
                "there is no column at place {place}; the row has {}",
                self.len()
            );
            Error::new(ErrorKind::NotFound, message)
        })?;
        T::from_value(value).ok_or_else(|| self.misread::<T>(place, value))
    }

    /// Why a value cannot be read as `T`.
    fn misread<T>(&self, place: usize, value: &SqlValue) -> Error {
        let OutputColumn { name, of, .. } = &self.block.columns[place];
        let wanted = short_name(std::any::type_name::<T>());
        let (message, hint) = match value {
            SqlValue::Null => (
                format!("column `{name}` is NULL, which `{wanted}` cannot be"),
                format!("read it as `Option<{wanted}>`"),
            ),
            value => {
                let is_number = |of: &str| of.parse::<f64>().is_ok();
                let of = of.name();
                let shown = self.text(place).filter(|text| is_number(text));
                let message = match (shown, value.as_integer()) {
                    (Some(shown), Some(_)) => {
                        format!(
                            "column `{name}` of type {of} holds {shown}, which is no `{wanted}`"
                        )
                    }
                    _ => format!("column `{name}` of type {of} cannot be read as `{wanted}`"),
                };
                let hint = "cast it in the statement, or take `Row::text` or `Row::value`";
                (message, hint.to_owned())
            }
        };
        Error::new(ErrorKind::InvalidArgument, message).with_hint(hint)
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
        let value = self.values().get(place).filter(|value| !value.is_null())?;
        let of = &self.block.columns[place].of;
        Some(rustdb_types::format(value, of, &self.block.settings))
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
        let value = self.values().get(place)?;
        rustdb_types::function::json_text(value, &self.block.settings).ok()
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
        self.values().get(place)
    }

    /// How many columns there are.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// assert_eq!(db.connect()?.query("SELECT 1, 2", &[])?[0].len(), 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.values().len()
    }

    /// Whether there are no columns.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// assert!(!db.connect()?.query("SELECT 1", &[])?[0].is_empty());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.values().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::short_name;

    #[test]
    fn names_of_types_are_without_modules() {
        let name = std::any::type_name::<Option<Vec<String>>>();
        assert_eq!(short_name(name), "Option<Vec<String>>");
        assert_eq!(short_name("i64"), "i64");
        assert_eq!(short_name("[u8; 16]"), "[u8; 16]");
    }
}
