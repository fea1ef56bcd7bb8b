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

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb_sql::{Answer, Session};
use rustdb_types::function::{Host, Random};
use rustdb_types::{Settings, Type};
use rustdb_vfs::VfsRef;
use rustdb_vfs::sync::Mutex;

/// A value as the database has it: what [`Row::value`] gives.
///
/// ```
/// use rustdb::sql::SqlValue;
/// assert_eq!(SqlValue::Int4(7).as_integer(), Some(7));
/// ```
pub use rustdb_types::Value as SqlValue;

use crate::database::Inner;
use crate::{Database, Error, ErrorKind, Result};

/// A value of SQL, as a parameter.
///
/// ```
/// use rustdb::sql::Value;
/// let values: [Value; 4] = [1.into(), 2.5.into(), "text".into(), None::<i64>.into()];
/// assert_eq!(values.len(), 4);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Value(SqlValue);

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
    _database: Arc<Inner>,
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
    columns: Option<Arc<Columns>>,
    rows: Vec<Row>,
    tag: String,
    notices: Vec<String>,
}

#[derive(Debug)]
struct Columns {
    names: Vec<String>,
    types: Vec<Type>,
    settings: Settings,
}

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
    columns: Arc<Columns>,
    values: Vec<SqlValue>,
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
        let mut session = database.connect();
        session.set_durability(inner.durability);
        Ok(Connection {
            session,
            _database: inner.clone(),
        })
    }
}

impl Connection {
    /// Runs a statement and tells how many rows it wrote or gave.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// connection.execute("CREATE TABLE t (x INT)", &[])?;
    /// assert_eq!(connection.execute("INSERT INTO t VALUES (1), (2)", &[])?, 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn execute(&mut self, statement: &str, parameters: &[Value]) -> Result<u64> {
        let results = self.answers(statement, parameters)?;
        let count = |tag: &str| tag.rsplit(' ').next()?.parse().ok();
        let last = results.last().and_then(|result| count(&result.tag));
        Ok(last.unwrap_or(0))
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
    pub fn query(&mut self, statement: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        let mut results = self.answers(statement, parameters)?;
        Ok(results.pop().map(|result| result.rows).unwrap_or_default())
    }

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
        self.answers(text, &[])
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

    fn answers(&mut self, text: &str, parameters: &[Value]) -> Result<Vec<StatementResult>> {
        let parameters: Vec<SqlValue> = parameters.iter().map(|value| value.0.clone()).collect();
        let answers = self.session.execute(text, &parameters)?;
        let settings = self.session.settings();
        Ok(answers
            .into_iter()
            .map(|answer| StatementResult::of(answer, settings))
            .collect())
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
    fn of(answer: Answer, settings: &Settings) -> StatementResult {
        let columns = answer.columns.map(|columns| {
            Arc::new(Columns {
                names: columns.iter().map(|column| column.name.clone()).collect(),
                types: columns.into_iter().map(|column| column.of).collect(),
                settings: settings.clone(),
            })
        });
        let rows = match &columns {
            None => Vec::new(),
            Some(columns) => {
                let rows = answer.rows.into_iter().map(|values| Row {
                    columns: columns.clone(),
                    values,
                });
                rows.collect()
            }
        };
        StatementResult {
            columns,
            rows,
            tag: answer.tag,
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
    pub fn columns(&self) -> Option<&[String]> {
        self.columns.as_ref().map(|columns| &columns.names[..])
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

    /// What the statement had to say besides.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let results = db.connect()?.run("DROP TABLE IF EXISTS missing")?;
    /// assert_eq!(results[0].notices(), ["table \"missing\" does not exist, skipping"]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn notices(&self) -> &[String] {
        &self.notices
    }
}

impl Row {
    /// The value of a column, by name.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let rows = db.connect()?.query("SELECT 'x' AS letter", &[])?;
    /// assert_eq!(rows[0].get::<String>("letter")?, "x");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T> {
        let place = self.columns.names.iter().position(|name| name == column);
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
            let name = &self.columns.names[place];
            let of = self.columns.types[place].name();
            let message = format!("column `{name}` of type {of} cannot be read as this type");
            Error::new(ErrorKind::InvalidArgument, message)
        })
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
        let of = &self.columns.types[place];
        Some(rustdb_types::format(value, of, &self.columns.settings))
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
                <$of>::try_from(value.as_integer()?).ok()
            }
        })*
    };
}

integers!(i16, i32, i64, u32);

impl FromValue for bool {
    fn from_value(value: &SqlValue) -> Option<bool> {
        value.as_bool()
    }
}

impl FromValue for f64 {
    fn from_value(value: &SqlValue) -> Option<f64> {
        value.as_float()
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

/// Clock and chance, from where the database has its files.
struct EngineHost {
    vfs: VfsRef,
    random: Mutex<Random>,
}

/// Microseconds from 1970 to 2000, where SQL's timestamps begin.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

impl EngineHost {
    fn new(vfs: VfsRef) -> Result<EngineHost> {
        let mut seed = [0; 8];
        vfs.fill_random(&mut seed).map_err(|error| {
            Error::new(
                ErrorKind::Io,
                format!("the system gives no random bytes: {error}"),
            )
        })?;
        Ok(EngineHost {
            vfs,
            random: Mutex::new(Random::from_seed(u64::from_le_bytes(seed))),
        })
    }
}

impl Host for EngineHost {
    fn clock(&self) -> i64 {
        let micros = i64::try_from(self.vfs.wall_micros()).unwrap_or(i64::MAX);
        micros.saturating_sub(EPOCH_MICROS)
    }

    fn random_bytes(&self, out: &mut [u8]) {
        if self.vfs.fill_random(out).is_err() {
            // The seed came from the system when the database was opened.
            let mut random = self.random.lock();
            for byte in out {
                *byte = (random.next_fraction() * 256.0) as u8;
            }
        }
    }

    fn random(&self) -> f64 {
        self.random.lock().next_fraction()
    }

    fn set_seed(&self, random: Random) {
        *self.random.lock() = random;
    }
}
