//! What a statement can fail with.

use std::fmt;

pub use rustdb_types::SqlState;

/// The result of anything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// An error as PostgreSQL reports it. The words are PostgreSQL's, because clients compare them.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    state: SqlState,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    context: Option<String>,
    position: Option<Position>,
}

/// A place in the statement's text: line and column, both from 1, in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

impl Error {
    /// An error without detail, hint and place.
    pub fn new(state: SqlState, message: impl Into<String>) -> Error {
        Error(Box::new(Parts {
            state,
            message: message.into(),
            detail: None,
            hint: None,
            context: None,
            position: None,
        }))
    }

    /// `what` is something that RustDB does not do (yet): 0A000.
    pub fn unsupported(what: impl fmt::Display) -> Error {
        let message = format!("{what} is not supported");
        Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
    }

    /// A mistake of this crate, reported instead of a panic.
    pub(crate) fn internal(what: impl fmt::Display) -> Error {
        Error::new(SqlState::INTERNAL_ERROR, format!("internal error: {what}"))
    }

    /// The same error with a detail: a full sentence.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Error {
        self.0.detail = Some(detail.into());
        self
    }

    /// The same error with a hint: a full sentence that says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same error with what was being done, unless something closer is known.
    #[must_use]
    pub fn with_context(mut self, context: impl Into<String>) -> Error {
        self.0.context.get_or_insert_with(|| context.into());
        self
    }

    /// The same error with its place, unless a more exact one is known.
    #[must_use]
    pub fn at(mut self, position: Option<Position>) -> Error {
        self.0.position = self.0.position.or(position);
        self
    }

    /// The code that programs act on.
    pub fn state(&self) -> SqlState {
        self.0.state
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// More about it.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// What was being done: the line of COPY, for example.
    pub fn context(&self) -> Option<&str> {
        self.0.context.as_deref()
    }

    /// Where in the statement.
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }
}

impl From<rustdb_types::Error> for Error {
    fn from(error: rustdb_types::Error) -> Error {
        Error(Box::new(Parts {
            state: error.state(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            context: None,
            position: None,
        }))
    }
}

impl From<rustdb_catalog::Error> for Error {
    fn from(error: rustdb_catalog::Error) -> Error {
        Error(Box::new(Parts {
            state: error.state(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            context: None,
            position: None,
        }))
    }
}

impl From<rustdb_txn::Error> for Error {
    fn from(error: rustdb_txn::Error) -> Error {
        rustdb_catalog::Error::from(error).into()
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
        for (word, text) in [
            ("detail", &self.0.detail),
            ("hint", &self.0.hint),
            ("context", &self.0.context),
        ] {
            if let Some(text) = text {
                write!(out, "; {word}: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
