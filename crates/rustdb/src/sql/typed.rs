//! Rows as a program's own types, in and out.

use super::{Connection, FromValue, Row, ToStatement, Value};
use crate::{Error, ErrorKind, Result};

#[diagnostic::on_unimplemented(
    message = "a row cannot be read as `{Self}`",
    note = "structs derive it, `#[derive(rustdb::FromRow)]`; tuples of up to 12 values have it"
)]
/// What a row can be read as: tuples of [values](FromValue), column by column, and a program's own
/// structs, by the names of the columns.
///
/// ```
/// # #[cfg(feature = "derive")] {
/// # let db = rustdb::Database::in_memory()?;
/// #[derive(rustdb::FromRow)]
/// struct Planet {
///     name: String,
///     /// NULL is `None`.
///     moons: Option<i32>,
///     #[rustdb(rename = "radius_km")]
///     radius: f64,
/// }
///
/// let text = "SELECT 'Mars' AS name, 2 AS moons, 3389.5 AS radius_km";
/// let planets: Vec<Planet> = db.connect()?.query_as(text, &[])?;
/// let mars = &planets[0];
/// assert_eq!((mars.name.as_str(), mars.moons, mars.radius), ("Mars", Some(2), 3389.5));
/// # }
/// # Ok::<(), rustdb::Error>(())
/// ```
///
/// What the derive can be told of a field, as `#[rustdb(...)]`:
///
/// | | |
/// |---|---|
/// | `rename = "column"` | the column has another name than the field |
/// | `default` | the column may be absent; the field has its type's default then |
/// | `skip` | the field is no column; it always has its type's default |
/// | `flatten` | the field is a struct whose fields are columns of the same row |
/// | `read_only` | the column is read and never written: see [`ToRow`] |
///
/// Columns that no field asks for are ignored. A struct without names of fields reads the columns
/// in their order, as tuples do. `#[rustdb(crate = "path")]` on the struct says where this crate
/// is, if not at `::rustdb`.
///
/// It can be written by hand too:
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// use rustdb::sql::{FromRow, Row};
///
/// struct Circle(f64);
///
/// impl FromRow for Circle {
///     fn from_row(row: &Row) -> rustdb::Result<Circle> {
///         Ok(Circle(row.get::<f64>("diameter")? / 2.0))
///     }
/// }
///
/// let rows = db.connect()?.query("SELECT 5 :: float8 AS diameter", &[])?;
/// assert_eq!(rows[0].to::<Circle>()?.0, 2.5);
/// # Ok::<(), rustdb::Error>(())
/// ```
pub trait FromRow: Sized {
    /// Reads a row.
    fn from_row(row: &Row) -> Result<Self>;
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written as a row",
    note = "structs derive it, `#[derive(rustdb::ToRow)]`; tuples of up to 12 values have it"
)]
/// What can be written as a row: tuples, in the order of the table's columns, and a program's own
/// structs, by the names of the columns.
///
/// ```
/// # #[cfg(feature = "derive")] {
/// # let db = rustdb::Database::in_memory()?;
/// #[derive(rustdb::FromRow, rustdb::ToRow)]
/// struct Note {
///     #[rustdb(read_only)] // the database counts
///     id: i64,
///     text: String,
/// }
///
/// let mut connection = db.connect()?;
/// connection.execute("CREATE TABLE notes (id BIGSERIAL PRIMARY KEY, text TEXT)", &[])?;
/// let notes = ["first", "second"].map(|text| Note { id: 0, text: text.to_owned() });
/// assert_eq!(connection.insert_rows("notes", &notes)?, 2);
/// let notes: Vec<Note> = connection.query_as("SELECT * FROM notes ORDER BY id", &[])?;
/// assert_eq!((notes[1].id, notes[1].text.as_str()), (2, "second"));
/// # }
/// # Ok::<(), rustdb::Error>(())
/// ```
///
/// The derive knows the attributes of [`FromRow`]; `skip` and `read_only` leave a field out.
pub trait ToRow {
    /// The columns that are written; none are all of the table's, in their order.
    fn columns() -> Vec<&'static str>;

    /// Appends the values of these columns.
    fn to_row(&self, values: &mut Vec<Value>);
}

impl<T: ToRow> ToRow for &T {
    fn columns() -> Vec<&'static str> {
        T::columns()
    }

    fn to_row(&self, values: &mut Vec<Value>) {
        T::to_row(self, values);
    }
}

macro_rules! tuples {
    ($($name:ident $place:tt),*) => {
        impl<$($name: FromValue),*> FromRow for ($($name,)*) {
            fn from_row(row: &Row) -> Result<Self> {
                const WIDTH: usize = [$($place),*].len();
                row.check_width(WIDTH, "a tuple")?;
                Ok(($(row.get_at::<$name>($place)?,)*))
            }
        }

        impl<$($name: Into<Value> + Clone),*> ToRow for ($($name,)*) {
            fn columns() -> Vec<&'static str> {
                Vec::new()
            }

            fn to_row(&self, values: &mut Vec<Value>) {
                $(values.push(self.$place.clone().into());)*
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

impl FromRow for Row {
    fn from_row(row: &Row) -> Result<Row> {
        Ok(row.clone())
    }
}

impl Connection {
    /// Runs a statement and reads its rows as a type of the program's own, or as tuples.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// let text = "SELECT n, n * n FROM generate_series(1, 3) AS n WHERE n > $1";
    /// let squares: Vec<(i32, i32)> = connection.query_as(text, &[1.into()])?;
    /// assert_eq!(squares, [(2, 4), (3, 9)]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn query_as<T: FromRow>(
        &mut self,
        statement: &(impl ToStatement + ?Sized),
        parameters: &[Value],
    ) -> Result<Vec<T>> {
        let rows = self.query_each(statement, parameters)?;
        rows.map(|row| row?.to()).collect()
    }

    /// Runs a statement that gives one row, and reads it. No row, or more than one, is an error.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// let (most,): (i64,) = connection.query_one("SELECT max(n) FROM generate_series(1, 9 :: bigint) AS n", &[])?;
    /// assert_eq!(most, 9);
    /// assert!(connection.query_one::<(i32,)>("SELECT 1 WHERE FALSE", &[]).is_err());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn query_one<T: FromRow>(
        &mut self,
        statement: &(impl ToStatement + ?Sized),
        parameters: &[Value],
    ) -> Result<T> {
        let row = self.query_optional(statement, parameters)?;
        row.ok_or_else(|| Error::new(ErrorKind::NotFound, "the statement gave no row"))
    }

    /// Runs a statement that gives one row or none, and reads it. More than one is an error.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// let none: Option<(i32,)> = connection.query_optional("SELECT 1 WHERE FALSE", &[])?;
    /// assert_eq!(none, None);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn query_optional<T: FromRow>(
        &mut self,
        statement: &(impl ToStatement + ?Sized),
        parameters: &[Value],
    ) -> Result<Option<T>> {
        let mut rows = self.query_each(statement, parameters)?;
        let Some(first) = rows.next().transpose()? else {
            return Ok(None);
        };
        if rows.next().transpose()?.is_some() {
            let message = "the statement gave more than one row";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        first.to().map(Some)
    }

    /// Inserts rows into a table, whose name is written as in SQL. They are one statement, which
    /// may be larger than memory: see [`Appender`](super::Appender). Returns how many there were.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// connection.execute("CREATE TABLE squares (n INT PRIMARY KEY, square INT)", &[])?;
    /// let squares = (1..=1000).map(|n| (n, n * n));
    /// assert_eq!(connection.insert_rows("squares", squares)?, 1000);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn insert_rows<R: IntoIterator<Item: ToRow>>(
        &mut self,
        table: &str,
        rows: R,
    ) -> Result<u64> {
        let mut appender = self.appender(table, &R::Item::columns())?;
        let mut values = Vec::new();
        for row in rows {
            values.clear();
            row.to_row(&mut values);
            appender.append(&values)?;
        }
        appender.finish()
    }
}
