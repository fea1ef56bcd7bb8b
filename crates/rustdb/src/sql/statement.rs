//! Running statements: from text, or prepared; all rows at once, or one after the other.

use std::sync::Arc;

use rustdb_sql::{Answer, Cursor, OutputColumn, Prepared};
use rustdb_types::Value as SqlValue;

use super::row::Block;
use super::{Connection, Notice, Row, Value};
use crate::Result;

/// Room for so many values of parameters goes from a statement to the next.
const VALUES_KEPT_MAX: usize = 64;

/// A statement that was read and planned, to be run any number of times.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// let mut connection = db.connect()?;
/// connection.execute("CREATE TABLE squares (n INT PRIMARY KEY, square INT)", &[])?;
/// let insert = connection.prepare("INSERT INTO squares VALUES ($1, $1 * $1)")?;
/// for n in 1..=10 {
///     connection.execute(&insert, &[n.into()])?;
/// }
/// let find = connection.prepare("SELECT square FROM squares WHERE n = $1")?;
/// assert_eq!(connection.query(&find, &[7.into()])?[0].get::<i32>("square")?, 49);
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Statement(Arc<Prepared>);

impl Statement {
    /// Whether it gives rows and writes none: a SELECT, VALUES or TABLE.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// assert!(connection.prepare("SELECT 1")?.is_query());
    /// assert!(!connection.prepare("CREATE TABLE t (x INT)")?.is_query());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn is_query(&self) -> bool {
        self.0.is_query()
    }
}

/// What can be run: text, or a [`Statement`].
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// # let mut connection = db.connect()?;
/// let prepared = connection.prepare("SELECT 1")?;
/// assert_eq!(connection.query(&prepared, &[])?.len(), connection.query("SELECT 1", &[])?.len());
/// # Ok::<(), rustdb::Error>(())
/// ```
pub trait ToStatement {
    #[doc(hidden)]
    fn source(&self) -> Source<'_>;
}

#[doc(hidden)]
#[derive(Debug)]
pub enum Source<'a> {
    Text(&'a str),
    Prepared(&'a Statement),
}

impl ToStatement for str {
    fn source(&self) -> Source<'_> {
        Source::Text(self)
    }
}

impl ToStatement for String {
    fn source(&self) -> Source<'_> {
        Source::Text(self)
    }
}

impl ToStatement for Statement {
    fn source(&self) -> Source<'_> {
        Source::Prepared(self)
    }
}

/// The rows of a statement that runs, one after the other: see [`Connection::query_each`].
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// # let mut connection = db.connect()?;
/// let mut sum = 0;
/// for row in connection.query_each("SELECT n FROM generate_series(1, 1000) AS n", &[])? {
///     sum += row?.get_at::<i64>(0)?;
/// }
/// assert_eq!(sum, 500_500);
/// # Ok::<(), rustdb::Error>(())
/// ```
pub struct Rows<'c> {
    connection: &'c mut Connection,
    columns: Arc<[OutputColumn]>,
    cursor: Option<Cursor>,
    /// The rows that were fetched last, and which of them is the next.
    block: Option<Arc<Block>>,
    next: usize,
}

impl Connection {
    /// Reads and plans a statement. The types of its parameters are those that their places ask
    /// for.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// let add = connection.prepare("SELECT $1::int + $2")?;
    /// assert_eq!(connection.query(&add, &[1.into(), 2.into()])?[0].get_at::<i32>(0)?, 3);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn prepare(&mut self, statement: &str) -> Result<Statement> {
        Ok(Statement(self.session.prepare(statement, &[])?))
    }

    /// Runs a statement and tells how many rows it wrote or gave.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// connection.execute("CREATE TABLE t (x INT)", &[])?;
    /// assert_eq!(connection.execute("INSERT INTO t VALUES (1), (2)", &[])?, 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn execute<S: ToStatement + ?Sized>(
        &mut self,
        statement: &S,
        parameters: &[Value],
    ) -> Result<u64> {
        let answer = self.answer(statement.source(), parameters)?;
        Ok(answer.tag.count().unwrap_or(0))
    }

    /// Runs a statement and gives its rows.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// let rows = connection.query("SELECT x FROM (VALUES (1), (2)) AS t (x) ORDER BY x DESC", &[])?;
    /// assert_eq!(rows.len(), 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn query<S: ToStatement + ?Sized>(
        &mut self,
        statement: &S,
        parameters: &[Value],
    ) -> Result<Vec<Row>> {
        let answer = self.answer(statement.source(), parameters)?;
        let settings = self.session.settings();
        Ok(Row::all(answer.columns.as_ref(), answer.rows, settings))
    }

    /// Runs a statement and gives its rows one after the other, so that a result may be larger
    /// than memory. What is not a transaction block ends when the rows do, or are dropped.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// let mut rows = connection.query_each("SELECT n FROM generate_series(1, 1000000) AS n", &[])?;
    /// assert_eq!(rows.next().unwrap()?.get_at::<i32>(0)?, 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn query_each<S: ToStatement + ?Sized>(
        &mut self,
        statement: &S,
        parameters: &[Value],
    ) -> Result<Rows<'_>> {
        let parameters = plain(parameters);
        let prepared = match statement.source() {
            Source::Prepared(statement) => statement.0.clone(),
            Source::Text(text) => {
                let types: Vec<_> = parameters.iter().map(rustdb_sql::type_of).collect();
                self.session.prepare(text, &types)?
            }
        };
        let cursor = self.session.start(&prepared, &parameters)?;
        let columns = cursor.as_ref().and_then(Cursor::columns).cloned();
        Ok(Rows {
            columns: columns.unwrap_or_default(),
            cursor,
            connection: self,
            block: None,
            next: 0,
        })
    }

    fn answer(&mut self, source: Source<'_>, parameters: &[Value]) -> Result<Answer> {
        let mut values = std::mem::take(&mut self.values);
        values.extend(parameters.iter().map(|value| value.0.clone()));
        let answer = match source {
            Source::Prepared(statement) => self.session.run_prepared(&statement.0, &values),
            Source::Text(text) => self
                .session
                .execute(text, &values)
                .map(|mut answers| answers.pop().unwrap_or_default()),
        };
        values.clear();
        if values.capacity() <= VALUES_KEPT_MAX {
            self.values = values;
        }
        Ok(answer?)
    }
}

fn plain(parameters: &[Value]) -> Vec<SqlValue> {
    parameters.iter().map(|value| value.0.clone()).collect()
}

impl Rows<'_> {
    /// What the statement has had to say besides its rows since this was asked last. If it fails,
    /// its error has what was not asked for: [`Error::notices`](crate::Error::notices).
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// let mut rows = connection.query_each("SELECT pg_advisory_unlock(7)", &[])?;
    /// assert_eq!(rows.next().unwrap()?.get_at::<bool>(0)?, false);
    /// let notices = rows.take_notices();
    /// assert_eq!(notices[0].message(), "you don't own a lock of type ExclusiveLock");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.connection.session.take_notices()
    }

    /// The names of the columns; a statement that gives no rows has none.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// let rows = connection.query_each("SELECT 1 AS a, 2 AS b WHERE FALSE", &[])?;
    /// assert_eq!(rows.columns(), ["a", "b"]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn columns(&self) -> Vec<&str> {
        self.columns.iter().map(|column| &*column.name).collect()
    }

    /// The types of the columns, as PostgreSQL names them.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// let rows = connection.query_each("SELECT 1.5 AS a", &[])?;
    /// assert_eq!(rows.column_types(), ["numeric"]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn column_types(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.of.name()).collect()
    }

    #[cfg(feature = "arrow")]
    pub(crate) fn shape(&self) -> Arc<[OutputColumn]> {
        self.columns.clone()
    }

    #[cfg(feature = "arrow")]
    pub(crate) fn settings(&self) -> &rustdb_types::Settings {
        self.connection.session.settings()
    }

    /// Ends the statement before its last row.
    #[cfg(feature = "arrow")]
    pub(crate) fn stop(&mut self) {
        if let Some(mut cursor) = self.cursor.take() {
            // An error here is one of a commit of what was read: there is nobody to tell.
            drop(self.connection.session.close(&mut cursor));
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        loop {
            let cursor = self.cursor.as_mut()?;
            if let Some(row) = self.block.as_ref().and_then(|block| block.get(self.next)) {
                self.next += 1;
                return Some(Ok(row));
            }
            match self.connection.session.fetch(cursor) {
                Ok(Some(rows)) => {
                    let settings = self.connection.session.settings();
                    self.block = Some(Block::new(&self.columns, rows, settings));
                    self.next = 0;
                }
                Ok(None) => self.cursor = None,
                Err(error) => {
                    self.cursor = None;
                    return Some(Err(error.into()));
                }
            }
        }
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        if let Some(cursor) = &mut self.cursor {
            // An error here is one of a commit of what was read: there is nobody to tell.
            drop(self.connection.session.close(cursor));
        }
    }
}

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Rows")
    }
}
