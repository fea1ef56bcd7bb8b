//! What a statement can fail with.

use std::fmt;

pub use rustdb_types::SqlState;

use crate::notice::{Audible, Notice};
use crate::parse::{word_before, word_behind};

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
    place: Option<Place>,
    notices: Vec<Notice>,
}

/// Where in a statement's text something is wrong.
#[derive(Clone, PartialEq, Eq)]
enum Place {
    At(Position),
    /// At the first such word from a position on. Syntax trees do not say where operators are, so
    /// that they are looked for in the text.
    Behind(Position, Box<str>),
    /// At the last such word before a position.
    Before(Position, Box<str>),
}

/// A place in the statement's text: line and column, both from 1, in characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

impl Position {
    /// The number of the letter of the text that is there, from 1: how PostgreSQL numbers places.
    pub fn letter_in(&self, text: &str) -> u64 {
        let lines = text.split_inclusive('\n');
        let before = lines.take(self.line.saturating_sub(1) as usize);
        let letters: usize = before.map(|line| line.chars().count()).sum();
        letters as u64 + self.column
    }
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
            place: None,
            notices: Vec::new(),
        }))
    }

    fn of_parts(state: SqlState, message: &str, detail: Option<&str>, hint: Option<&str>) -> Error {
        let mut error = Error::new(state, message);
        error.0.detail = detail.map(str::to_owned);
        error.0.hint = hint.map(str::to_owned);
        error
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
        if self.0.place.is_none() {
            self.0.place = position.map(Place::At);
        }
        self
    }

    /// The same error, at the first such word from a position on, unless its place is known.
    #[must_use]
    pub(crate) fn at_word_behind(mut self, position: Option<Position>, word: &str) -> Error {
        if self.0.place.is_none() {
            self.0.place = position.map(|at| Place::Behind(at, word.into()));
        }
        self
    }

    /// The same error, at the last such word before a position, unless its place is known.
    #[must_use]
    pub(crate) fn at_word_before(mut self, position: Option<Position>, word: &str) -> Error {
        if self.0.place.is_none() {
            self.0.place = position.map(|at| Place::Before(at, word.into()));
        }
        self
    }

    /// The same error, of a statement with this text: the word that is its place is found in it.
    #[must_use]
    pub(crate) fn located(mut self, text: &str) -> Error {
        let found = match &self.0.place {
            None | Some(Place::At(_)) => return self,
            Some(Place::Behind(at, word)) => word_behind(text, *at, word).unwrap_or(*at),
            Some(Place::Before(at, word)) => word_before(text, *at, word).unwrap_or(*at),
        };
        self.0.place = Some(Place::At(found));
        self
    }

    /// The same error, told of another text than that in which its place is.
    #[must_use]
    pub(crate) fn elsewhere(mut self) -> Error {
        self.0.place = None;
        self
    }

    /// The same error, behind what statements had to say before it.
    #[must_use]
    pub(crate) fn behind(mut self, mut notices: Vec<Notice>) -> Error {
        notices.append(&mut self.0.notices);
        self.0.notices = notices;
        self
    }

    /// The same error with the notices that a session lets through.
    #[must_use]
    pub(crate) fn heard_by(mut self, audible: Audible) -> Error {
        audible.retain(&mut self.0.notices);
        self
    }

    /// What the statement, and those before it in the same text, had to say besides.
    pub fn notices(&self) -> &[Notice] {
        &self.0.notices
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
        match &self.0.place {
            None => None,
            Some(Place::At(at) | Place::Behind(at, _) | Place::Before(at, _)) => Some(*at),
        }
    }
}

impl From<rustdb_types::Error> for Error {
    fn from(error: rustdb_types::Error) -> Error {
        Error::of_parts(error.state(), error.message(), error.detail(), error.hint())
    }
}

impl From<rustdb_catalog::Error> for Error {
    fn from(error: rustdb_catalog::Error) -> Error {
        Error::of_parts(error.state(), error.message(), error.detail(), error.hint())
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
