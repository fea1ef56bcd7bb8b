//! What is said of a transaction when it begins: its isolation, and whether it writes.

use rustdb_txn::{Access, IsolationLevel};
use sqlparser::ast;

use super::{Session, State};
use crate::error::{Error, Result, SqlState};

impl Session {
    /// READ UNCOMMITTED is READ COMMITTED, but for its name.
    pub(super) fn note_uncommitted(&mut self, modes: &[ast::TransactionMode]) {
        if let Some(is_uncommitted) = says_uncommitted(modes) {
            self.is_uncommitted = is_uncommitted;
            self.note_modes();
        }
    }

    /// The name of the transaction's isolation level, as SHOW has it.
    pub(super) fn isolation_shown(&self, level: IsolationLevel) -> &'static str {
        match level {
            IsolationLevel::Serializable => "serializable",
            IsolationLevel::Snapshot => "repeatable read",
            IsolationLevel::ReadCommitted if self.is_uncommitted => UNCOMMITTED,
            IsolationLevel::ReadCommitted => "read committed",
        }
    }

    /// Lets SHOW know of the modes of the transaction at hand.
    pub(super) fn note_modes(&self) {
        if let State::Open(open) = &self.state {
            let isolation = self.isolation_shown(open.transaction.isolation());
            let is_read_only = open.access == Access::ReadOnly;
            self.parameters.note_modes((isolation, is_read_only));
        }
    }
}

pub(super) const UNCOMMITTED: &str = "read uncommitted";

/// Whether the level that modes name last, if they name one, is READ UNCOMMITTED.
pub(super) fn says_uncommitted(modes: &[ast::TransactionMode]) -> Option<bool> {
    let mut levels = modes.iter().filter_map(|mode| match mode {
        ast::TransactionMode::IsolationLevel(level) => Some(level),
        ast::TransactionMode::AccessMode(_) => None,
    });
    let last = levels.next_back()?;
    Some(*last == ast::TransactionIsolationLevel::ReadUncommitted)
}

/// What modes say of isolation and of writing; the last word counts.
pub(super) fn modes_of(
    modes: &[ast::TransactionMode],
) -> Result<(Option<IsolationLevel>, Option<Access>)> {
    let (mut isolation, mut access) = (None, None);
    for mode in modes {
        match mode {
            ast::TransactionMode::IsolationLevel(level) => {
                isolation = Some(isolation_named(&level.to_string().to_lowercase())?);
            }
            ast::TransactionMode::AccessMode(ast::TransactionAccessMode::ReadOnly) => {
                access = Some(Access::ReadOnly);
            }
            ast::TransactionMode::AccessMode(ast::TransactionAccessMode::ReadWrite) => {
                access = Some(Access::ReadWrite);
            }
        }
    }
    Ok((isolation, access))
}

/// The isolation level of this name.
pub(super) fn isolation_named(name: &str) -> Result<IsolationLevel> {
    Ok(match name {
        "serializable" => IsolationLevel::Serializable,
        "repeatable read" | "snapshot" => IsolationLevel::Snapshot,
        "read committed" | "read uncommitted" => IsolationLevel::ReadCommitted,
        other => {
            let message =
                format!("invalid value for parameter \"transaction_isolation\": \"{other}\"");
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        }
    })
}
