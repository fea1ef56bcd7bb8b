//! What a session warns of, and what of all that is said it passes on.

use super::{Answer, Session, done};
use crate::error::SqlState;
use crate::notice::{Audible, Notice};

impl Session {
    /// What is passed on of what statements say.
    pub(super) fn audible(&self) -> Audible {
        let least = self.parameters.get("client_min_messages");
        Audible::of(least.as_deref().unwrap_or_default())
    }
}

/// The answer of what does nothing here, and says so with an error's code.
pub(super) fn warned(tag: &'static str, state: SqlState, message: impl Into<String>) -> Answer {
    Answer {
        notices: vec![Notice::warning(message).with_state(state)],
        ..done(tag)
    }
}

/// The answer of what means something only in a block.
pub(super) fn block_only(tag: &'static str, statement: &str) -> Answer {
    let message = format!("{statement} can only be used in transaction blocks");
    warned(tag, SqlState::NO_ACTIVE_TRANSACTION, message)
}

/// The answer of what would end a block.
pub(super) fn no_transaction(tag: &'static str) -> Answer {
    let message = "there is no transaction in progress";
    warned(tag, SqlState::NO_ACTIVE_TRANSACTION, message)
}
