//! What can go wrong in a transaction. A variant exists because a caller acts on it.

use std::fmt;

use crate::lock::LockError;

/// The result of an operation on a transaction.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the transaction layer.
#[derive(Clone, Debug)]
pub enum Error {
    /// Another transaction got there first. Nothing was written; run the transaction again.
    Conflict(Conflict),
    /// A lock was not granted. After [`LockError::Deadlock`], run the transaction again.
    Lock(LockError),
    /// A savepoint that was released or rolled over, or never was.
    NoSuchSavepoint,
    /// A write in a transaction that was begun for reading only.
    ReadOnly,
    /// A call that the transaction's isolation level does not allow.
    InvalidArgument(String),
    /// The storage engine failed.
    Storage(rustdb_storage::Error),
}

/// What a transaction ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// A key it writes was written by a transaction that committed after it began.
    Write,
    /// A key or range it read was changed by a transaction that committed after it began
    /// (`Serializable` only).
    Read,
    /// A key it writes is locked by another transaction.
    Locked,
    /// A range it deletes was written by a transaction that committed after it began.
    Range,
    /// Too much was committed since it began for its reads to be checked.
    TooOld,
    /// Its keys are written so often that it could not be checked in time.
    Contention,
}

impl Error {
    /// Whether the same transaction, run again from its beginning, may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Conflict(_) | Error::Lock(LockError::Deadlock) => true,
            Error::Lock(_)
            | Error::NoSuchSavepoint
            | Error::ReadOnly
            | Error::InvalidArgument(_)
            | Error::Storage(_) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Conflict(conflict) => write!(f, "{conflict}"),
            Error::Lock(error) => write!(f, "{error}"),
            Error::NoSuchSavepoint => f.write_str("there is no such savepoint"),
            Error::ReadOnly => f.write_str("the transaction is read-only"),
            Error::InvalidArgument(message) => f.write_str(message),
            Error::Storage(error) => write!(f, "{error}"),
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Conflict::Write => "a key was written by a concurrent transaction",
            Conflict::Read => "what was read was changed by a concurrent transaction",
            Conflict::Locked => "a key is locked by a concurrent transaction",
            Conflict::Range => "a deleted range was written by a concurrent transaction",
            Conflict::TooOld => "the transaction is too old to be checked",
            Conflict::Contention => "the keys of the transaction are written too often",
        };
        write!(f, "conflict: {what}\nhint: run the transaction again")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Lock(error) => Some(error),
            Error::Storage(error) => Some(error),
            Error::Conflict(_)
            | Error::NoSuchSavepoint
            | Error::ReadOnly
            | Error::InvalidArgument(_) => None,
        }
    }
}

impl From<rustdb_storage::Error> for Error {
    fn from(error: rustdb_storage::Error) -> Self {
        Error::Storage(error)
    }
}

impl From<LockError> for Error {
    fn from(error: LockError) -> Self {
        Error::Lock(error)
    }
}
