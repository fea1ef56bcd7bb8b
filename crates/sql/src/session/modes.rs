//! What is said of a transaction when it begins: its isolation, whether it writes, and whether it is
//! deferrable: that it may wait until nothing can make it fail, which a transaction that only reads
//! never has to.

use rustdb_txn::{Access, IsolationLevel};
use sqlparser::ast;

use super::{Answer, Session, State};
use crate::error::{Error, Result, SqlState};
use crate::parse::utility::{self, TransactionVerb};
use crate::settings::{Scope, TransactionModes};

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
            self.parameters.note_modes(TransactionModes {
                isolation,
                is_read_only: open.access == Access::ReadOnly,
                is_deferrable: self.is_deferrable,
            });
        }
    }

    /// A statement that says whether transactions are deferrable.
    pub(super) fn set_deferrable(&mut self, said: &utility::TransactionModes) -> Result<Answer> {
        let answer = match said.verb {
            TransactionVerb::Begin => self.start_transaction("BEGIN", &said.modes)?,
            TransactionVerb::Start => self.start_transaction("START TRANSACTION", &said.modes)?,
            TransactionVerb::Set => self.set_transaction(&said.modes)?,
            TransactionVerb::Characteristics => {
                let answer = self.set_characteristics(&said.modes)?;
                let value = if said.deferrable { "on" } else { "off" };
                let name = "default_transaction_deferrable";
                self.parameters.set(name, Some(value), Scope::Session)?;
                return Ok(answer);
            }
        };
        // Outside of a block SET TRANSACTION has warned, and done nothing.
        if self.is_in_transaction() {
            let changed = self.change_deferrable(said.deferrable);
            changed.map_err(|error| error.behind(answer.notices.clone()))?;
        }
        Ok(answer)
    }

    /// Says of a transaction that has done nothing yet whether it is deferrable.
    pub(super) fn change_deferrable(&mut self, is_deferrable: bool) -> Result<()> {
        let open = self.open()?;
        let refused = |why| {
            let message = format!("SET TRANSACTION [NOT] DEFERRABLE {why}");
            Err(Error::new(SqlState::ACTIVE_TRANSACTION, message))
        };
        if !open.savepoints.is_empty() {
            return refused("cannot be called within a subtransaction");
        }
        if !open.is_fresh {
            return refused("must be called before any query");
        }
        self.is_deferrable = is_deferrable;
        self.note_modes();
        Ok(())
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
