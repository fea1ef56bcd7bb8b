//! How a command fails: what the person at the terminal reads, and what a script is told.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use rustdb::ErrorKind;
use serde_json::json;

/// The result of a command.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What the process returns to who started it.
///
/// | code | meaning |
/// |---|---|
/// | 0 | done |
/// | 1 | it failed: standard error says why |
/// | 2 | it was called wrongly; nothing was done |
/// | 3 | a statement of a script of SQL failed |
/// | 130, 143 | it was interrupted (Ctrl-C), or asked to end (SIGTERM) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The database, a file or a command said no.
    Failed = 1,
    /// The arguments or an environment variable make no sense.
    Usage = 2,
    /// A statement of a script of SQL failed; standard error says which.
    Script = 3,
    /// Ctrl-C, as shells number it: 128 and the number of the signal.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// Something to be told.
    Told {
        /// What happened, in one line.
        message: String,
        /// What to try.
        hint: Option<String>,
        /// The exit code.
        status: Status,
    },
    /// A statement of SQL was refused.
    Statement(Box<StatementFailure>),
    /// Whoever read the output has left (`rustdb ... | head`). Nothing to be told.
    BrokenPipe,
    /// Every failure was told when it happened; only the exit code is left.
    AlreadyTold(Status),
}

/// What the database says about a statement.
#[derive(Debug)]
pub struct StatementFailure {
    /// The file it is in, and where.
    pub file: Option<String>,
    pub message: String,
    pub sqlstate: String,
    /// The line of the statement, and below it a mark.
    pub place: Option<String>,
    /// Line and column, from 1.
    pub position: Option<(u64, u64)>,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self::with_status(message, Status::Failed)
    }

    /// A failure that is the caller's mistake.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::with_status(message, Status::Usage)
    }

    /// The work was cancelled by a signal; `done` says how far it came.
    pub fn cancelled(done: impl fmt::Display) -> Self {
        let status = if crate::signals::is_terminating() {
            Status::Terminated
        } else {
            Status::Interrupted
        };
        Self::with_status(format!("cancelled{done}"), status)
    }

    /// A file that could not be read or written.
    pub fn file(doing: &str, name: &str, error: &io::Error) -> Self {
        Self::stream(doing, &format!("`{name}`"), error)
    }

    /// As [`Failure::file`], for what has no name of its own, such as standard output.
    pub fn stream(doing: &str, what: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::BrokenPipe;
        }
        Self::new(format!("cannot {doing} {what}: {}", system(error)))
    }

    /// The same failure with a hint.
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        if let Failure::Told { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// The same failure with the file it is about before its message.
    pub fn within(mut self, file: &str) -> Self {
        match &mut self {
            Failure::Told { message, .. } => *message = format!("{file}: {message}"),
            Failure::Statement(failure) => failure.file = Some(file.to_owned()),
            Failure::BrokenPipe | Failure::AlreadyTold(_) => (),
        }
        self
    }

    /// The same failure with more said at the end of its message.
    pub fn and(mut self, more: &str) -> Self {
        if let Failure::Told { message, .. } = &mut self {
            message.push_str(more);
        }
        self
    }

    fn with_status(message: impl Into<String>, status: Status) -> Self {
        Failure::Told {
            message: message.into(),
            hint: None,
            status,
        }
    }

    /// The exit code it asks for.
    pub fn status(&self) -> Option<Status> {
        match self {
            Failure::Told { status, .. } => Some(*status),
            Failure::Statement(_) => Some(Status::Failed),
            Failure::AlreadyTold(status) => Some(*status),
            Failure::BrokenPipe => None,
        }
    }

    /// Tells it on standard error. That nobody reads that is no further failure.
    pub fn tell(&self, json: bool) {
        let object = match self {
            Failure::Told { message, hint, .. } => match hint {
                Some(hint) => json!({ "error": message, "hint": hint }),
                None => json!({ "error": message }),
            },
            Failure::Statement(failure) => failure.as_json(),
            Failure::BrokenPipe | Failure::AlreadyTold(_) => return,
        };
        let mut error = io::stderr().lock();
        let _nobody_listens = if json {
            writeln!(error, "{object}")
        } else {
            writeln!(error, "{self}")
        };
    }

    /// Tells it, and gives the exit code.
    pub fn report(&self, json: bool) -> ExitCode {
        self.tell(json);
        match self.status() {
            Some(status) => ExitCode::from(status as u8),
            None => ExitCode::SUCCESS,
        }
    }
}

/// What the system says, in lower case and without its number.
pub fn system(error: &io::Error) -> String {
    let text = without_number(&error.to_string());
    match error.raw_os_error() {
        Some(_) => text[..1].to_lowercase() + &text[1..],
        None => text,
    }
}

/// The message of a system error without ` (os error 2)`, which says nothing to people.
fn without_number(message: &str) -> String {
    let Some((start, rest)) = message.split_once(" (os error ") else {
        return message.to_owned();
    };
    match rest.split_once(')') {
        Some((_, end)) => format!("{start}{end}"),
        None => message.to_owned(),
    }
}

/// A message of the database, in which the system speaks as it does in ours.
fn with_system(message: &str, error: &rustdb::Error) -> String {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return message.replace(&error.to_string(), &system(error));
        }
        cause = error.source();
    }
    without_number(message)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::BrokenPipe => f.write_str("error: nobody reads the output"),
            Failure::AlreadyTold(_) => f.write_str("error: a command failed"),
            Failure::Statement(failure) => failure.fmt(f),
            Failure::Told { message, hint, .. } => {
                write!(f, "error: {message}")?;
                match hint {
                    Some(hint) => write!(f, "\nhint: {hint}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl StatementFailure {
    fn as_json(&self) -> serde_json::Value {
        let mut object = json!({ "error": self.message, "sqlstate": self.sqlstate });
        for (name, value) in [("detail", &self.detail), ("hint", &self.hint)] {
            if let Some(text) = value {
                object[name] = text.as_str().into();
            }
        }
        if let Some((line, column)) = self.position {
            object["line"] = line.into();
            object["column"] = column.into();
        }
        object
    }
}

impl fmt::Display for StatementFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error: ")?;
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        write!(f, "{} ({})", self.message, self.sqlstate)?;
        if let Some(place) = &self.place {
            write!(f, "\n{place}")?;
        }
        for (word, text) in [("detail", &self.detail), ("hint", &self.hint)] {
            if let Some(text) = text {
                write!(f, "\n{word}: {text}")?;
            }
        }
        Ok(())
    }
}

/// The database's messages may end in a hint of their own, which is more to the point than the
/// general one of their kind.
impl From<rustdb::Error> for Failure {
    fn from(error: rustdb::Error) -> Self {
        if error.kind() == ErrorKind::Cancelled {
            return Failure::cancelled("; what was done until then stays");
        }
        let (message, own_hint) = match error.message().split_once("\nhint: ") {
            Some((message, hint)) => (message, Some(hint)),
            None => (error.message(), None),
        };
        let failure = Failure::new(with_system(message, &error));
        match own_hint
            .or_else(|| error.hint())
            .or_else(|| hint_of(&error))
        {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// What to do about what the system refused.
fn hint_of(error: &rustdb::Error) -> Option<&'static str> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::PermissionDenied) => {
                return Some("look who owns it and may write; `--read-only` writes nothing");
            }
            Some(io::ErrorKind::ReadOnlyFilesystem) => {
                return Some("`--read-only` writes nothing");
            }
            Some(io::ErrorKind::NotADirectory) => {
                return Some("a database is a directory; name another one with `--data-dir`");
            }
            _ => cause = error.source(),
        }
    }
    None
}

/// For standard output; other files have names, which [`Failure::file`] gives.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::stream("write to", "standard output", &error)
    }
}
