//! Errors as a caller sees them: what can be done about it, in words, and why.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use rustdb_storage::error::Error as StorageError;
use rustdb_txn::{Error as TransactionError, LockError, Retryable};

/// The result of an operation on a database.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// fn greeting(db: &rustdb::Database) -> rustdb::Result<String> {
///     let value = db.get("greeting")?.unwrap_or_default();
///     Ok(String::from_utf8_lossy(&value).into_owned())
/// }
/// assert_eq!(greeting(&db)?, "");
/// # Ok::<(), rustdb::Error>(())
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// use rustdb::ErrorKind;
/// let mut tx = db.begin()?;
/// tx.put("k", "mine")?;
/// db.put("k", "theirs")?;
/// match tx.commit() {
///     Err(error) if error.kind() == ErrorKind::Conflict => println!("begin again"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Another transaction got there first. Run the transaction again;
    /// [`Database::transaction`](crate::Database::transaction) does.
    Conflict,
    /// Two transactions waited for each other; this one was chosen to give way. Run it again.
    Deadlock,
    /// A lock or a free place was not to be had in the time allowed. Try again later.
    Busy,
    /// The call breaks a documented rule. Fix the call.
    InvalidArgument,
    /// There is no keyspace, savepoint or database of that name.
    NotFound,
    /// There is a keyspace or database of that name already.
    AlreadyExists,
    /// Another process has the database open. Close it there: one process writes, or several read.
    Locked,
    /// The directory is not a database that this build can open with these options.
    Unsupported,
    /// The database was opened read-only.
    ReadOnly,
    /// The disk is full. Deletes still work; writes resume when there is space.
    NoSpace,
    /// The call was asked to end before it was done. What it did until then stays.
    Cancelled,
    /// The handle was closed, or the transaction has ended.
    Closed,
    /// Writing stopped after a failure of the disk. Reopen the database.
    Poisoned,
    /// A statement of SQL was refused; [`Error::sqlstate`] says why. Fix the statement, or its data.
    Statement,
    /// A file is damaged. Restore a backup, or use `repair`.
    Corruption,
    /// The operating system refused an operation.
    Io,
}

/// An error: its kind, a message for people, often a hint, and the cause.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// use std::error::Error;
/// let error = db.put(vec![0; 100_000], "").unwrap_err();
/// eprintln!("error: {error}");
/// if let Some(hint) = error.hint() {
///     eprintln!("hint: {hint}");
/// }
/// eprintln!("error: {error:#}"); // all of that
/// assert!(error.source().is_some());
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Clone)]
pub struct Error(Box<Parts>);

#[derive(Clone)]
struct Parts {
    kind: ErrorKind,
    message: String,
    hint: Option<Cow<'static, str>>,
    statement: Option<StatementParts>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What is known of a statement's error besides.
#[derive(Clone)]
struct StatementParts {
    sqlstate: String,
    detail: Option<String>,
    position: Option<(u64, u64)>,
    #[cfg(feature = "sql")]
    notices: Vec<crate::sql::Notice>,
}

impl Error {
    /// An error with a message.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            message: message.into(),
            hint: hint_of(kind).map(Cow::Borrowed),
            statement: None,
            source: None,
        }))
    }

    /// The error with something to try.
    #[cfg(feature = "sql")]
    pub(crate) fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    fn with_source(
        kind: ErrorKind,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        let mut error = Self::new(kind, source.to_string());
        error.0.source = Some(Arc::new(source));
        error
    }

    /// What can be done about it.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let error = db.drop_keyspace("missing").unwrap_err();
    /// assert_eq!(error.kind(), rustdb::ErrorKind::NotFound);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened, in one line.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let error = db.drop_keyspace("missing").unwrap_err();
    /// assert!(error.message().contains("missing"), "{}", error.message());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to try, if there is something to try.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("db");
    /// let db = rustdb::Database::open(&path)?;
    /// let error = rustdb::Database::open(&path).unwrap_err();
    /// assert_eq!(error.hint(), Some("close it there first"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The five letters by which SQL knows the error, if it is one of a statement.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # #[cfg(feature = "sql")] {
    /// let error = db.connect()?.query("SELECT 1 / 0", &[]).unwrap_err();
    /// assert_eq!(error.sqlstate(), Some("22012"));
    /// # }
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn sqlstate(&self) -> Option<&str> {
        self.0
            .statement
            .as_ref()
            .map(|parts| parts.sqlstate.as_str())
    }

    /// More about the error of a statement: a full sentence.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # #[cfg(feature = "sql")] {
    /// let mut connection = db.connect()?;
    /// connection.execute("CREATE TABLE t (id INT PRIMARY KEY)", &[])?;
    /// connection.execute("INSERT INTO t VALUES (1)", &[])?;
    /// let error = connection.execute("INSERT INTO t VALUES (1)", &[]).unwrap_err();
    /// assert_eq!(error.detail(), Some("Key (id)=(1) already exists."));
    /// # }
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn detail(&self) -> Option<&str> {
        self.0
            .statement
            .as_ref()
            .and_then(|parts| parts.detail.as_deref())
    }

    /// Where in the text of the statements the error is, if that is known: line and column, both
    /// from 1, in characters.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # #[cfg(feature = "sql")] {
    /// let error = db.connect()?.run("SELECT 1;\nSELECT nothing").unwrap_err();
    /// assert_eq!(error.position(), Some((2, 8)));
    /// # }
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn position(&self) -> Option<(u64, u64)> {
        self.0.statement.as_ref().and_then(|parts| parts.position)
    }

    /// What the statements of the text had to say besides, until one failed.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let text = "DROP TABLE IF EXISTS missing; DROP TABLE missing";
    /// let error = db.connect()?.run(text).unwrap_err();
    /// let said = error.notices()[0].message();
    /// assert_eq!(said, "table \"missing\" does not exist, skipping");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    #[cfg(feature = "sql")]
    pub fn notices(&self) -> &[crate::sql::Notice] {
        let parts = self.0.statement.as_ref();
        parts.map_or(&[], |parts| &parts.notices)
    }

    /// Whether running the same transaction again may succeed.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let mut tx = db.begin()?;
    /// tx.put("k", "mine")?;
    /// db.put("k", "theirs")?;
    /// assert!(tx.commit().unwrap_err().is_retryable());
    /// assert!(!db.drop_keyspace("missing").unwrap_err().is_retryable());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::Conflict | ErrorKind::Deadlock | ErrorKind::Busy
        )
    }
}

fn hint_of(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::Conflict | ErrorKind::Deadlock => Some("run the transaction again"),
        ErrorKind::Locked => Some("close it there first"),
        ErrorKind::Poisoned => Some("reopen the database; no acknowledged commit is lost"),
        ErrorKind::Corruption => Some("restore a backup, or try `repair`"),
        ErrorKind::NoSpace => Some("free some space; deletes still work"),
        _ => None,
    }
}

impl fmt::Display for Error {
    /// The message and the place in the statement; with `{:#}` the detail and the hint too, on
    /// lines of their own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some((line, column)) = self.position() {
            write!(f, " (line {line}, column {column})")?;
        }
        match f.alternate() {
            true => self.fmt_rest(f),
            false => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    /// Everything: it is what a `main` that returns an error prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sqlstate() {
            Some(state) => write!(f, "{:?} ({state}): {self}", self.0.kind)?,
            None => write!(f, "{:?}: {self}", self.0.kind)?,
        }
        self.fmt_rest(f)
    }
}

impl Error {
    fn fmt_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (word, text) in [("detail", self.detail()), ("hint", self.hint())] {
            if let Some(text) = text {
                write!(f, "\n{word}: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<TransactionError> for Error {
    fn from(error: TransactionError) -> Self {
        let kind = match &error {
            TransactionError::Storage(error) => return error.clone().into(),
            TransactionError::Conflict(_) => ErrorKind::Conflict,
            TransactionError::Lock(LockError::Deadlock) => ErrorKind::Deadlock,
            TransactionError::Lock(
                LockError::Timeout
                | LockError::NotAvailable
                | LockError::Cancelled
                | LockError::TooMany(_),
            ) => ErrorKind::Busy,
            TransactionError::NoSuchSavepoint => ErrorKind::NotFound,
            TransactionError::ReadOnly => ErrorKind::ReadOnly,
            TransactionError::InvalidArgument(_) => ErrorKind::InvalidArgument,
        };
        Self::with_source(kind, error)
    }
}

impl Retryable for Error {
    fn transaction_error(&self) -> Option<&TransactionError> {
        let source: &(dyn std::error::Error + 'static) = self.0.source.as_deref()?;
        source.downcast_ref()
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        let kind = match &error {
            StorageError::Io { .. } => ErrorKind::Io,
            StorageError::Corruption(_) => ErrorKind::Corruption,
            StorageError::Locked { .. } => ErrorKind::Locked,
            StorageError::Unsupported(_) => ErrorKind::Unsupported,
            StorageError::InvalidArgument(_) => ErrorKind::InvalidArgument,
            StorageError::NoSuchKeyspace(_) => ErrorKind::NotFound,
            StorageError::NoDatabase(_) => ErrorKind::NotFound,
            StorageError::KeyspaceExists(_) | StorageError::DatabaseExists(_) => {
                ErrorKind::AlreadyExists
            }
            StorageError::Rejected(_) => ErrorKind::Conflict,
            StorageError::NoSpace { .. } => ErrorKind::NoSpace,
            StorageError::ReadOnly => ErrorKind::ReadOnly,
            StorageError::Poisoned(_) => ErrorKind::Poisoned,
            StorageError::Busy => ErrorKind::Busy,
            StorageError::Closed => ErrorKind::Closed,
            StorageError::Cancelled => ErrorKind::Cancelled,
        };
        Self::with_source(kind, error)
    }
}

#[cfg(feature = "sql")]
impl From<rustdb_sql::Error> for Error {
    fn from(error: rustdb_sql::Error) -> Self {
        let sqlstate = error.state().as_str().to_owned();
        let kind = match sqlstate.as_str() {
            "40001" => ErrorKind::Conflict,
            "40P01" => ErrorKind::Deadlock,
            "55P03" => ErrorKind::Busy,
            "57014" => ErrorKind::Cancelled,
            "57P01" => ErrorKind::Closed,
            "53100" => ErrorKind::NoSpace,
            "25006" => ErrorKind::ReadOnly,
            "58030" => ErrorKind::Io,
            "XX001" => ErrorKind::Corruption,
            _ => ErrorKind::Statement,
        };
        let mut out = Self::new(kind, error.message());
        if let Some(hint) = error.hint() {
            out.0.hint = Some(Cow::Owned(hint.to_owned()));
        }
        out.0.statement = Some(StatementParts {
            sqlstate,
            // What was being done is part of the details.
            detail: match (error.detail(), error.context()) {
                (detail, None) => detail.map(str::to_owned),
                (None, Some(context)) => Some(context.to_owned()),
                (Some(detail), Some(context)) => Some(format!("{detail}\n{context}")),
            },
            position: error.position().map(|at| (at.line, at.column)),
            notices: error.notices().to_vec(),
        });
        out.0.source = Some(Arc::new(error));
        out
    }
}
