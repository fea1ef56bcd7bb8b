//! Errors with all that a client of PostgreSQL is told about them.

use std::fmt;

use rustdb_txn::{Conflict, Error as TransactionError, LockError, Retryable, StorageError};
use rustdb_types::SqlState;

/// The result of anything here and above that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in PostgreSQL's words. One word wide.
#[derive(Clone)]
pub struct Error(Box<Parts>);

#[derive(Clone)]
struct Parts {
    state: SqlState,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    schema: Option<String>,
    table: Option<String>,
    column: Option<String>,
    data_type: Option<String>,
    constraint: Option<String>,
    source: Option<TransactionError>,
}

macro_rules! parts {
    ($($(#[$doc:meta])* $get:ident, $with:ident;)*) => {
        $($(#[$doc])*
        pub fn $get(&self) -> Option<&str> {
            self.0.$get.as_deref()
        }

        /// The same error with it.
        #[must_use]
        pub fn $with(mut self, text: impl Into<String>) -> Error {
            self.0.$get = Some(text.into());
            self
        })*
    };
}

impl Error {
    /// An error without anything optional.
    pub fn new(state: SqlState, message: impl Into<String>) -> Error {
        Error(Box::new(Parts {
            state,
            message: message.into(),
            detail: None,
            hint: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
            source: None,
        }))
    }

    /// `could not serialize access due to concurrent update`.
    pub fn serialization(words: &str) -> Error {
        Error::new(
            SqlState::SERIALIZATION_FAILURE,
            format!("could not serialize access due to {words}"),
        )
    }

    /// Something that only a bug of ours can cause.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(SqlState::INTERNAL_ERROR, message)
    }

    /// Stored bytes that no encoder wrote.
    pub fn corrupted(what: impl fmt::Display) -> Error {
        Error::new(
            SqlState::DATA_CORRUPTED,
            format!("stored bytes are damaged: {what}"),
        )
    }

    /// The code that programs act on.
    pub fn state(&self) -> SqlState {
        self.0.state
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The error of the transaction layer, if this is one.
    pub fn transaction(&self) -> Option<&TransactionError> {
        self.0.source.as_ref()
    }

    parts! {
        /// More about it: a full sentence.
        detail, with_detail;
        /// What to do about it: a full sentence.
        hint, with_hint;
        /// The name of the schema it is about.
        schema, with_schema;
        /// The name of the table it is about.
        table, with_table;
        /// The name of the column it is about.
        column, with_column;
        /// The name of the type it is about.
        data_type, with_data_type;
        /// The name of the constraint that was violated.
        constraint, with_constraint;
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}: {}", self.0.state, self.0.message)?;
        let parts = [
            ("detail", &self.0.detail),
            ("hint", &self.0.hint),
            ("constraint", &self.0.constraint),
        ];
        for (name, words) in parts {
            if let Some(words) = words {
                write!(out, "; {name}: {words}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

impl From<rustdb_types::Error> for Error {
    fn from(error: rustdb_types::Error) -> Error {
        let mut own = Error::new(error.state(), error.message());
        own.0.detail = error.detail().map(Into::into);
        own.0.hint = error.hint().map(Into::into);
        own
    }
}

impl From<TransactionError> for Error {
    fn from(error: TransactionError) -> Error {
        let (state, message, hint) = words(&error);
        let mut own = Error::new(state, message);
        own.0.hint = hint.map(Into::into);
        own.0.source = Some(error);
        own
    }
}

impl Retryable for Error {
    fn transaction_error(&self) -> Option<&TransactionError> {
        self.0.source.as_ref()
    }
}

/// The code, the words and the hint of an error of the transaction layer.
fn words(error: &TransactionError) -> (SqlState, String, Option<&'static str>) {
    match error {
        TransactionError::Conflict(conflict) => {
            let cause = match conflict {
                Conflict::Write | Conflict::Locked | Conflict::Range => "concurrent update",
                Conflict::Read | Conflict::TooOld | Conflict::Contention => {
                    "read/write dependencies among transactions"
                }
            };
            (
                SqlState::SERIALIZATION_FAILURE,
                format!("could not serialize access due to {cause}"),
                None,
            )
        }
        TransactionError::Lock(lock) => lock_words(lock),
        TransactionError::NoSuchSavepoint => (
            SqlState::INVALID_SAVEPOINT,
            "savepoint does not exist".to_owned(),
            None,
        ),
        TransactionError::ReadOnly => (
            SqlState::READ_ONLY_TRANSACTION,
            "cannot write in a read-only transaction".to_owned(),
            None,
        ),
        TransactionError::InvalidArgument(message) => {
            (SqlState::PROGRAM_LIMIT_EXCEEDED, message.clone(), None)
        }
        TransactionError::Storage(storage) => {
            let state = match storage {
                StorageError::NoSpace { .. } => SqlState::DISK_FULL,
                StorageError::Corruption(_) => SqlState::DATA_CORRUPTED,
                StorageError::InvalidArgument(_) => SqlState::PROGRAM_LIMIT_EXCEEDED,
                StorageError::Cancelled => SqlState::QUERY_CANCELED,
                StorageError::Closed => SqlState::ADMIN_SHUTDOWN,
                StorageError::ReadOnly => SqlState::READ_ONLY_TRANSACTION,
                _ => SqlState::IO_ERROR,
            };
            (state, storage.to_string(), None)
        }
    }
}

fn lock_words(error: &LockError) -> (SqlState, String, Option<&'static str>) {
    let (state, message, hint) = match error {
        LockError::Deadlock => (SqlState::DEADLOCK_DETECTED, "deadlock detected", None),
        LockError::Timeout => (
            SqlState::LOCK_NOT_AVAILABLE,
            "canceling statement due to lock timeout",
            None,
        ),
        LockError::NotAvailable => (
            SqlState::LOCK_NOT_AVAILABLE,
            "could not obtain lock on row",
            None,
        ),
        LockError::Cancelled => (
            SqlState::QUERY_CANCELED,
            "canceling statement due to user request",
            None,
        ),
        LockError::TooMany(_) => (
            SqlState::OUT_OF_MEMORY,
            "out of shared memory",
            Some("Lock fewer objects in one transaction, or give the database more memory."),
        ),
    };
    (state, message.to_owned(), hint)
}
