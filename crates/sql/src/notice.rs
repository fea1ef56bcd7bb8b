//! What a statement has to say besides its result: PostgreSQL's notices and warnings.
//!
//! A statement collects all it has to say; its session keeps what `client_min_messages` lets
//! through ([`Audible`]) when the statement has ended, so that nothing else asks for the setting.

use std::fmt;

use rustdb_types::SqlState;

/// How much a [`Notice`] matters. The greater, the more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Severity {
    /// Something that a user may want to know: what was skipped, or went along.
    Notice,
    /// Something that is probably not what the user meant.
    Warning,
}

impl Severity {
    /// The word that PostgreSQL's protocol and `psql` have for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Notice => "NOTICE",
            Severity::Warning => "WARNING",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

/// Something that a statement says besides its result. It has not failed. The words are
/// PostgreSQL's, and so is the code. Shown as its message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    severity: Severity,
    state: SqlState,
    message: String,
    detail: Option<String>,
}

impl Notice {
    /// Something that a user may want to know: 00000.
    pub(crate) fn new(message: impl Into<String>) -> Notice {
        Notice {
            severity: Severity::Notice,
            state: SqlState::SUCCESSFUL_COMPLETION,
            message: message.into(),
            detail: None,
        }
    }

    /// Something that is probably not what the user meant: 01000.
    pub(crate) fn warning(message: impl Into<String>) -> Notice {
        Notice {
            severity: Severity::Warning,
            state: SqlState::WARNING,
            ..Notice::new(message)
        }
    }

    /// The same with the code of the error that it would be elsewhere.
    #[must_use]
    pub(crate) fn with_state(mut self, state: SqlState) -> Notice {
        self.state = state;
        self
    }

    /// The same with a detail, which may have several lines.
    #[must_use]
    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Notice {
        self.detail = Some(detail.into());
        self
    }

    /// How much it matters.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The code that programs act on, SQLSTATE: five letters and digits.
    pub fn sqlstate(&self) -> &str {
        self.state.as_str()
    }

    /// What there is to say.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// More about it, in lines.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.message)
    }
}

/// What a session's `client_min_messages` lets through.
#[derive(Clone, Copy)]
pub(crate) struct Audible(Option<Severity>);

impl Audible {
    /// The meaning of a value of the setting.
    pub(crate) fn of(client_min_messages: &str) -> Audible {
        Audible(match client_min_messages {
            "error" => None,
            "warning" => Some(Severity::Warning),
            // Levels below are of what nothing here says.
            _ => Some(Severity::Notice),
        })
    }

    /// Leaves what is let through.
    pub(crate) fn retain(self, notices: &mut Vec<Notice>) {
        notices.retain(|notice| self.0.is_some_and(|least| notice.severity >= least));
    }
}
