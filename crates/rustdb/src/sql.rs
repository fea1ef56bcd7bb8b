//! Tables, in PostgreSQL's SQL.
//!
//! ```
//! # let db = rustdb::Database::in_memory()?;
//! let mut connection = db.connect()?;
//! connection.execute("CREATE TABLE planets (id INT PRIMARY KEY, name TEXT NOT NULL)", &[])?;
//! connection.execute("INSERT INTO planets VALUES ($1, $2)", &[3.into(), "Earth".into()])?;
//!
//! let rows = connection.query("SELECT id, name FROM planets WHERE id = $1", &[3.into()])?;
//! assert_eq!(rows[0].get::<String>("name")?, "Earth");
//! # Ok::<(), rustdb::Error>(())
//! ```
//!
//! A [`Connection`] is a session: it has a transaction of its own, begun by `BEGIN` or by each
//! statement. Sessions of one database see each other's committed rows at once, as PostgreSQL's
//! do: READ COMMITTED unless `BEGIN ISOLATION LEVEL` says otherwise.

mod appender;
mod conversions;
mod files;
mod host;
mod query_builder;
mod row;
mod statement;
mod typed;
mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb_sql::{Answer, OutputColumn, Session};
use rustdb_types::Settings;

pub use appender::Appender;
pub use files::{Files, SystemFiles};
pub use query_builder::{FieldAccess, Operator, QueryBuilder, Schema};
pub use row::Row;
pub use statement::{Rows, Statement, ToStatement};
pub use typed::{FromRow, ToRow};
pub use value::{FromValue, Value};

/// Derives [`FromRow`](trait@FromRow), with which a struct is read from a row.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// #[derive(rustdb::FromRow)]
/// struct Word {
///     letters: String,
/// }
///
/// let words: Vec<Word> = db.connect()?.query_as("SELECT 'rust' AS letters", &[])?;
/// assert_eq!(words[0].letters, "rust");
/// # Ok::<(), rustdb::Error>(())
/// ```
#[cfg(feature = "derive")]
pub use rustdb_derive::FromRow;

/// Derives [`ToRow`](trait@ToRow), with which a struct is written as a row.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// #[derive(rustdb::ToRow)]
/// struct Word {
///     letters: String,
/// }
///
/// let mut connection = db.connect()?;
/// connection.execute("CREATE TABLE words (letters TEXT)", &[])?;
/// connection.insert_rows("words", [Word { letters: "rust".to_owned() }])?;
/// # Ok::<(), rustdb::Error>(())
/// ```
#[cfg(feature = "derive")]
pub use rustdb_derive::ToRow;

/// Derives [`Schema`](trait@Schema) and [`FieldAccess`](trait@FieldAccess): which table a struct is
/// a row of, and its fields by name.
///
/// ```
/// # use rustdb::sql::Schema;
/// #[derive(rustdb::Schema)]
/// #[rustdb(table = "words")]
/// struct Word {
///     letters: String,
/// }
///
/// assert_eq!(Word::TABLE, "words");
/// ```
#[cfg(feature = "derive")]
pub use rustdb_derive::Schema;

/// Derives [`FieldAccess`](trait@FieldAccess): a struct's fields by name.
///
/// ```
/// # use rustdb::sql::FieldAccess;
/// #[derive(rustdb::FieldAccess)]
/// struct Word {
///     letters: String,
/// }
///
/// let word = Word { letters: "rust".to_owned() };
/// assert_eq!(word.field("letters"), Some("rust".into()));
/// ```
#[cfg(feature = "derive")]
pub use rustdb_derive::FieldAccess;

/// A value as the database has it: what [`Row::value`] gives.
///
/// ```
/// use rustdb::sql::SqlValue;
/// assert_eq!(SqlValue::Int4(7).as_integer(), Some(7));
/// ```
pub use rustdb_types::Value as SqlValue;

/// ```
/// # let db = rustdb::Database::in_memory()?;
/// # let mut connection = db.connect()?;
/// let results = connection.run("COMMIT")?;
/// let notice = &results[0].notices()[0];
/// assert_eq!(notice.severity(), rustdb::sql::Severity::Warning);
/// assert_eq!(notice.sqlstate(), "25P01");
/// assert_eq!(notice.message(), "there is no transaction in progress");
///
/// connection.run("SET client_min_messages = error")?;
/// assert!(connection.run("COMMIT")?[0].notices().is_empty());
/// # Ok::<(), rustdb::Error>(())
/// ```
pub use rustdb_sql::Notice;

/// ```
/// use rustdb::sql::Severity;
/// assert!(Severity::Warning > Severity::Notice);
/// assert_eq!(Severity::Warning.to_string(), "WARNING");
/// ```
pub use rustdb_sql::Severity;

use crate::database::Inner;
use crate::{Database, Durability, Keyspace, Result, TransactionKeyspace};
use host::EngineHost;

/// A session with a database.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// let mut connection = db.connect()?;
/// connection.execute("BEGIN", &[])?;
/// connection.execute("CREATE TABLE t (x INT)", &[])?;
/// connection.execute("ROLLBACK", &[])?;
/// assert!(connection.query("SELECT * FROM t", &[]).is_err());
/// # Ok::<(), rustdb::Error>(())
/// ```
pub struct Connection {
    session: Session,
    /// The database stays open as long as its sessions.
    inner: Arc<Inner>,
    /// Room for the values of parameters.
    values: Vec<SqlValue>,
}

/// What a statement gives.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// let results = db.connect()?.run("CREATE TABLE t (x INT); SELECT 1 AS one")?;
/// assert_eq!(results[0].tag(), "CREATE TABLE");
/// assert_eq!(results[1].columns().unwrap()[0], "one");
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Debug)]
pub struct StatementResult {
    columns: Option<Arc<[OutputColumn]>>,
    rows: Vec<Row>,
    tag: String,
    notices: Vec<Notice>,
}

/// Has the running statement of a [`Connection`] stop.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// let connection = db.connect()?;
/// let handle = connection.cancel_handle();
/// handle.cancel(); // from any thread
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CancelHandle(Arc<AtomicBool>);

impl Database {
    /// A new session, to run statements of SQL in.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let mut connection = db.connect()?;
    /// let rows = connection.query("SELECT 1 + 1 AS two", &[])?;
    /// assert_eq!(rows[0].get::<i32>("two")?, 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn connect(&self) -> Result<Connection> {
        self.connect_to(rustdb_sql::FIRST_DATABASE_NAME)
    }

    /// A new session with one of the databases that `CREATE DATABASE` made. All of them are in the
    /// same directory and share its log and its memory; their tables are apart. The first one,
    /// which [`Database::connect`] connects to, is called `rustdb`.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.connect()?.execute("CREATE DATABASE shop", &[])?;
    /// let mut shop = db.connect_to("shop")?;
    /// shop.execute("CREATE TABLE fruit (name TEXT)", &[])?;
    /// assert!(db.connect()?.query("SELECT * FROM fruit", &[]).is_err());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn connect_to(&self, name: &str) -> Result<Connection> {
        let inner = self.inner();
        let mut tables = inner.tables.lock();
        let database = match &*tables {
            Some(database) => database.clone(),
            None => {
                let manager = inner.manager().clone();
                let host = Arc::new(EngineHost::new(manager.engine().vfs().clone())?);
                tables
                    .insert(rustdb_sql::Database::open(manager, host)?)
                    .clone()
            }
        };
        drop(tables);
        let mut session = database.connect_to(name)?;
        session.set_durability(inner.durability);
        Ok(Connection {
            session,
            inner: inner.clone(),
            values: Vec::new(),
        })
    }
}

impl Connection {
    /// Runs the statements of a text, separated by semicolons. They are one transaction, unless
    /// they say otherwise.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// let results = connection.run("CREATE TABLE t (x INT); INSERT INTO t VALUES (1); SELECT x FROM t")?;
    /// assert_eq!(results[1].tag(), "INSERT 0 1");
    /// assert_eq!(results[2].rows().len(), 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn run(&mut self, text: &str) -> Result<Vec<StatementResult>> {
        let answers = self.session.execute(text, &[])?;
        Ok(self.results_of(answers).collect())
    }

    /// As [`Connection::run`]; what the statements before one that fails have given is in
    /// `results` then, as a shell shows it. What they have written is rolled back all the same,
    /// unless they say otherwise.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// let mut results = Vec::new();
    /// let outcome = connection.run_into("SELECT 1; SELECT missing", &mut results);
    /// assert!(outcome.is_err());
    /// assert_eq!(results.len(), 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn run_into(&mut self, text: &str, results: &mut Vec<StatementResult>) -> Result<()> {
        let mut answers = Vec::new();
        let outcome = self.session.execute_into(text, &[], &mut answers);
        results.extend(self.results_of(answers));
        Ok(outcome?)
    }

    fn results_of(&self, answers: Vec<Answer>) -> impl Iterator<Item = StatementResult> + '_ {
        let settings = self.session.settings();
        let answers = answers.into_iter();
        answers.map(|answer| StatementResult::of(answer, settings))
    }

    /// Runs `COPY ... FROM STDIN`: the rows come from `source`. Returns how many there were.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// connection.execute("CREATE TABLE fruit (id INT, name TEXT)", &[])?;
    /// let csv = "id,name\n1,apple\n2,pear\n";
    /// let copy = "COPY fruit FROM STDIN (FORMAT csv, HEADER)";
    /// assert_eq!(connection.copy_in(copy, &mut csv.as_bytes())?, 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn copy_in(&mut self, text: &str, source: &mut dyn std::io::Read) -> Result<u64> {
        let answer = self.session.copy_in(text, source)?;
        Ok(answer.tag.count().unwrap_or(0))
    }

    /// Runs `COPY ... TO STDOUT`: the rows go to `target`. Returns how many there were.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// let mut csv = Vec::new();
    /// let copy = "COPY (SELECT 1 AS one, 'a' AS letter) TO STDOUT (FORMAT csv)";
    /// connection.copy_out(copy, &mut csv)?;
    /// assert_eq!(csv, b"1,a\n");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn copy_out(&mut self, text: &str, target: &mut dyn std::io::Write) -> Result<u64> {
        let answer = self.session.copy_out(text, target)?;
        Ok(answer.tag.count().unwrap_or(0))
    }

    /// Lets `COPY` open the files that it names; without, it opens none. [`SystemFiles`] opens what
    /// the process may; a program that runs other people's statements gives its own [`Files`].
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let file = directory.path().join("fruit.csv");
    /// use rustdb::sql::SystemFiles;
    ///
    /// let db = rustdb::Database::in_memory()?;
    /// let mut connection = db.connect()?;
    /// let copy = format!("COPY (SELECT 1, 'apple') TO '{}' (FORMAT csv)", file.display());
    /// assert!(connection.execute(&copy, &[]).is_err());
    /// connection.set_files(std::sync::Arc::new(SystemFiles));
    /// connection.execute(&copy, &[])?;
    /// assert_eq!(std::fs::read(&file)?, b"1,apple\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_files(&mut self, files: Arc<dyn Files>) {
        self.session.set_files(files);
    }

    /// Whether `BEGIN` was said, and not yet `COMMIT` or `ROLLBACK`.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// connection.execute("BEGIN", &[])?;
    /// assert!(connection.is_in_transaction());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn is_in_transaction(&self) -> bool {
        self.session.is_in_transaction()
    }

    /// Whether others may wait for what it does next.
    #[cfg(feature = "tokio")]
    pub(crate) fn holds_locks(&self) -> bool {
        self.session.holds_locks()
    }

    /// The name of the database that it is a session with.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// assert_eq!(db.connect()?.database(), "rustdb");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn database(&self) -> &str {
        self.session.database_name()
    }

    /// A keyspace within the connection's transaction: keys and values, and rows of tables, are
    /// committed together or not at all. `BEGIN` has to come first.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let stock = db.keyspace("stock")?;
    /// let mut connection = db.connect()?;
    /// connection.execute("CREATE TABLE orders (id INT PRIMARY KEY, what TEXT)", &[])?;
    /// connection.execute("BEGIN", &[])?;
    /// connection.execute("INSERT INTO orders VALUES (1, 'pen')", &[])?;
    /// connection.keyspace(&stock)?.put("pen", "11")?;
    /// assert_eq!(stock.get("pen")?, None); // not committed yet
    /// connection.execute("COMMIT", &[])?;
    /// assert_eq!(stock.get("pen")?.as_deref(), Some(&b"11"[..]));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn keyspace<'c>(&'c mut self, keyspace: &'c Keyspace) -> Result<TransactionKeyspace<'c>> {
        let database = self.inner.number();
        keyspace.check_database(database)?;
        Ok(TransactionKeyspace {
            transaction: self.session.block_transaction()?,
            keyspace,
            database,
        })
    }

    /// Says how durable commits of this connection are when they return; at first it is what the
    /// database was opened with.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// connection.set_durability(rustdb::Durability::Buffered);
    /// connection.execute("CREATE TABLE t (x INT)", &[])?;
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn set_durability(&mut self, durability: Durability) {
        self.session.set_durability(durability);
    }

    /// A handle with which another thread can have the running statement stop.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let connection = db.connect()?;
    /// let handle = connection.cancel_handle();
    /// # handle.cancel();
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle(self.session.cancellation())
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Connection")
    }
}

impl CancelHandle {
    /// Has the statement that runs now stop; without one, nothing happens.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.connect()?.cancel_handle().cancel();
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl StatementResult {
    fn of(answer: Answer, settings: &Arc<Settings>) -> StatementResult {
        StatementResult {
            rows: Row::all(answer.columns.as_ref(), answer.rows, settings),
            columns: answer.columns,
            tag: answer.tag.to_string(),
            notices: answer.notices,
        }
    }

    /// The names of the columns, if the statement gives rows.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let results = db.connect()?.run("SELECT 1 AS a, 2 AS b")?;
    /// assert_eq!(results[0].columns().unwrap(), ["a", "b"]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn columns(&self) -> Option<Vec<&str>> {
        let columns = self.columns.as_ref()?.iter();
        Some(columns.map(|column| &*column.name).collect())
    }

    /// The types of the columns, as PostgreSQL names them.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let results = db.connect()?.run("SELECT 1 AS a, ARRAY['x'] AS b")?;
    /// assert_eq!(results[0].column_types().unwrap(), ["integer", "text[]"]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn column_types(&self) -> Option<Vec<String>> {
        let columns = self.columns.as_ref()?.iter();
        Some(columns.map(|column| column.of.name()).collect())
    }

    /// The rows.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// assert_eq!(db.connect()?.run("SELECT 1")?[0].rows().len(), 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What the statement did, as PostgreSQL says it: `INSERT 0 1`.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// assert_eq!(db.connect()?.run("SELECT 1")?[0].tag(), "SELECT 1");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// What the statement had to say besides, as far as `client_min_messages` lets it through.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let results = db.connect()?.run("DROP TABLE IF EXISTS missing")?;
    /// let notice = &results[0].notices()[0];
    /// assert_eq!(notice.message(), "table \"missing\" does not exist, skipping");
    /// assert_eq!((notice.severity().as_str(), notice.sqlstate()), ("NOTICE", "00000"));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }
}
