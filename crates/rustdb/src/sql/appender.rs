//! Rows in bulk.

use rustdb_sql::Append;
use rustdb_types::Value as SqlValue;

use super::{Connection, Value};
use crate::{Error, ErrorKind, Result};

/// Inserts rows into a table: an INSERT that is planned once. All rows are one statement, and
/// unless a transaction was begun, one transaction, which may be larger than memory. Dropped
/// before [`finish`](Appender::finish), it inserts nothing.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// let mut connection = db.connect()?;
/// connection.execute("CREATE TABLE squares (n INT PRIMARY KEY, square INT)", &[])?;
/// let mut appender = connection.appender("squares", &[])?;
/// for n in 0..1000 {
///     appender.append(&[n.into(), (n * n).into()])?;
/// }
/// assert_eq!(appender.finish()?, 1000);
/// # Ok::<(), rustdb::Error>(())
/// ```
pub struct Appender<'c> {
    connection: &'c mut Connection,
    append: Option<Append>,
    values: Vec<SqlValue>,
}

impl Connection {
    /// Begins to append rows to a table, whose name is written as in SQL. The values of a row come
    /// in the order of `columns`, which are taken as they are; without any, those of the table.
    /// Columns that are left out have their defaults.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// connection.execute("CREATE TABLE notes (id SERIAL PRIMARY KEY, text TEXT)", &[])?;
    /// let mut appender = connection.appender("notes", &["text"])?;
    /// appender.append(&["first".into()])?;
    /// assert_eq!(appender.finish()?, 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn appender(&mut self, table: &str, columns: &[&str]) -> Result<Appender<'_>> {
        Ok(Appender {
            append: Some(self.session.start_append(table, columns)?),
            connection: self,
            values: Vec::new(),
        })
    }
}

impl Appender<'_> {
    /// Appends a row. After an error nothing of what was appended stays.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// connection.execute("CREATE TABLE t (n INT PRIMARY KEY)", &[])?;
    /// let mut appender = connection.appender("t", &[])?;
    /// appender.append(&[1.into()])?;
    /// assert!(appender.append(&[1.into()]).is_err());
    /// assert!(appender.finish().is_err());
    /// assert!(connection.query("SELECT * FROM t", &[])?.is_empty());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn append(&mut self, row: &[Value]) -> Result<()> {
        let append = self.append.as_mut().ok_or_else(failed)?;
        self.values.clear();
        self.values.extend(row.iter().map(|value| value.0.clone()));
        let result = self.connection.session.append(append, &self.values);
        if result.is_err() {
            self.append = None;
        }
        Ok(result?)
    }

    /// Forgets what was appended.
    #[cfg(feature = "arrow")]
    pub(crate) fn give_up(&mut self) {
        if let Some(append) = self.append.take() {
            self.connection.session.cancel_append(append);
        }
    }

    /// Ends the statement, and says how many rows were inserted.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// # connection.execute("CREATE TABLE t (n INT)", &[])?;
    /// assert_eq!(connection.appender("t", &[])?.finish()?, 0);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn finish(mut self) -> Result<u64> {
        let append = self.append.take().ok_or_else(failed)?;
        Ok(self.connection.session.finish_append(append)?)
    }
}

fn failed() -> Error {
    let message = "a row could not be appended; nothing was inserted";
    Error::new(ErrorKind::Statement, message)
}

impl Drop for Appender<'_> {
    fn drop(&mut self) {
        if let Some(append) = self.append.take() {
            self.connection.session.cancel_append(append);
        }
    }
}

impl std::fmt::Debug for Appender<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows = self.append.as_ref().map_or(0, Append::rows);
        write!(out, "Appender({rows} rows)")
    }
}
