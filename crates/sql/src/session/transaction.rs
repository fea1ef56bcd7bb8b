//! A session's transactions: BEGIN, COMMIT, ROLLBACK, savepoints.

use std::sync::Arc;

use rustdb_table::Deferred;
use rustdb_table::Tables;
use rustdb_txn::{Access, IsolationLevel, Transaction};
use sqlparser::ast;

use super::modes::{modes_of, says_uncommitted};
use super::warnings::{no_transaction, warned};
use super::{Answer, Open, Savepoint, Session, State, done};
use crate::database::CatalogTables;
use crate::error::{Error, Result, SqlState};
use crate::settings::TransactionModes;

impl Session {
    /// After an error a block waits for ROLLBACK, and what was no block is gone. What cannot be
    /// kept is undone now, so that nobody waits for its locks.
    pub(super) fn fail(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Idle) {
            State::Open(mut open) if open.is_block => match is_kept(&mut open) {
                true => State::Failed(Some(open)),
                false => {
                    self.roll_back(open.transaction);
                    State::Failed(None)
                }
            },
            State::Failed(kept) => State::Failed(kept),
            State::Open(open) => {
                self.rolled_back();
                self.roll_back(open.transaction);
                State::Idle
            }
            State::Idle => {
                self.rolled_back();
                State::Idle
            }
        };
    }

    pub(super) fn end_implicit(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Open(open) if !open.is_block => {
                // What is deferred is checked now, and that may take as long as the statement.
                self.watched(|session| session.commit_open(*open))
            }
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    /// What was set in a transaction is undone with it.
    pub(super) fn rolled_back(&self) {
        self.parameters.undo_transaction(&self.before);
    }

    pub(super) fn commit_open(&self, open: Open) -> Result<()> {
        let result = self.commit_or_fail(open);
        match &result {
            Ok(()) => self.parameters.end_transaction(),
            Err(_) => self.rolled_back(),
        }
        result
    }

    fn commit_or_fail(&self, mut open: Open) -> Result<()> {
        if !open.deferred.is_empty() {
            let tables: Arc<dyn Tables> = Arc::new(CatalogTables {
                database: self.database.clone(),
                catalog: open.change.view(),
            });
            let (transaction, settings) = (&mut open.transaction, &self.settings);
            let deferred = &mut open.deferred;
            deferred.check(transaction, &tables, settings, self.wait())?;
        }
        self.at_commit(&mut open)?;
        match open.change.is_empty() {
            true => open.transaction.commit(self.commit_durability())?,
            false => open
                .change
                .commit(open.transaction, self.commit_durability())?,
        };
        Ok(())
    }

    pub(super) fn begin(&mut self, isolation: IsolationLevel, access: Access) -> Result<Open> {
        let began = self.begin_clock();
        let shared = &self.database.shared;
        let catalog_seen = shared.catalog.version();
        let transaction = shared.manager.begin_as(&self.party, isolation, access)?;
        self.modes = (isolation, access);
        let noted = TransactionModes {
            isolation: self.isolation_shown(isolation),
            is_read_only: access == Access::ReadOnly,
            is_deferrable: self.is_deferrable,
        };
        self.before = self.parameters.begin_transaction(noted);
        self.settings.now.set(began);
        self.kept_by_functions.activity().begin_transaction(began);
        Ok(Open {
            transaction,
            change: shared.catalog.begin_change(),
            deferred: Deferred::new(),
            savepoints: Vec::new(),
            is_block: false,
            is_fresh: true,
            catalog_seen,
            access,
            began: Some(began),
        })
    }

    /// The transaction that a statement runs in.
    pub(super) fn open(&mut self) -> Result<&mut Open> {
        if let State::Idle = self.state {
            let (isolation, access) = self.default_modes();
            self.is_uncommitted = self.meaning.is_uncommitted;
            self.is_deferrable = self.meaning.is_deferrable;
            let open = self.begin(isolation, access)?;
            self.state = State::Open(Box::new(open));
        }
        match &mut self.state {
            State::Open(open) => Ok(open),
            State::Failed(_) => Err(failed()),
            State::Idle => Err(Error::internal("a transaction did not begin")),
        }
    }

    /// The transaction of a block, to be read and written by other means too. It sees what is
    /// committed now, unless its isolation says otherwise.
    pub fn block_transaction(&mut self) -> Result<&mut Transaction> {
        self.wake()?;
        if !self.is_in_transaction() {
            let message = "there is no transaction in progress";
            return Err(
                Error::new(SqlState::NO_ACTIVE_TRANSACTION, message).with_hint("Begin one.")
            );
        }
        Ok(&mut self.open_for_statement()?.transaction)
    }

    /// As [`Session::open`]; the statement sees what is committed now, unless the transaction's
    /// isolation says otherwise.
    pub(super) fn open_for_statement(&mut self) -> Result<&mut Open> {
        let of_block = matches!(&self.state, State::Open(open) if open.is_block && open.is_fresh);
        let who = of_block.then(|| (self.database.shared.manager.clone(), self.party.clone()));
        let open = self.open()?;
        let is_fresh = std::mem::replace(&mut open.is_fresh, false);
        let isolation = open.transaction.isolation();
        if isolation == IsolationLevel::ReadCommitted {
            // What BEGIN saw may be long ago.
            if of_block || !is_fresh {
                open.catalog_seen = open.change.version();
                open.transaction.refresh()?;
            }
        } else if let Some((manager, party)) = who {
            // A block's snapshot is taken by its first statement; so far there is nothing else.
            open.transaction = manager.begin_as(&party, isolation, open.access)?;
            for savepoint in &mut open.savepoints {
                savepoint.id = open.transaction.savepoint();
            }
        }
        Ok(open)
    }

    /// A definition changes something.
    pub(super) fn refuse_if_read_only(&mut self, statement: &ast::Statement) -> Result<()> {
        if self.open()?.access != Access::ReadOnly {
            return Ok(());
        }
        let what = match statement {
            ast::Statement::CreateTable(_) => "CREATE TABLE".to_owned(),
            ast::Statement::CreateIndex(_) => "CREATE INDEX".to_owned(),
            ast::Statement::CreateView(_) => "CREATE VIEW".to_owned(),
            ast::Statement::CreateSchema { .. } => "CREATE SCHEMA".to_owned(),
            ast::Statement::Truncate(_) => "TRUNCATE TABLE".to_owned(),
            ast::Statement::Drop { object_type, .. } => format!("DROP {object_type}"),
            _ => return Ok(()),
        };
        let message = format!("cannot execute {what} in a read-only transaction");
        Err(Error::new(SqlState::READ_ONLY_TRANSACTION, message))
    }

    /// `BEGIN` or `START TRANSACTION`, which is the tag. In a block it sets the modes, if it may.
    pub(super) fn start_transaction(
        &mut self,
        tag: &'static str,
        modes: &[ast::TransactionMode],
    ) -> Result<Answer> {
        let (isolation, access) = modes_of(modes)?;
        match &mut self.state {
            State::Failed(_) => return Err(failed()),
            State::Open(open) if open.is_block => {
                self.change_transaction(isolation, access)?;
                self.note_uncommitted(modes);
                return Ok(warned(
                    tag,
                    SqlState::ACTIVE_TRANSACTION,
                    "there is already a transaction in progress",
                ));
            }
            // Statements before it in the same text belong to the block.
            State::Open(open) => {
                open.is_block = true;
                self.change_transaction(isolation, access)?;
                self.note_uncommitted(modes);
            }
            State::Idle => {
                let usual = self.default_modes();
                self.is_uncommitted =
                    says_uncommitted(modes).unwrap_or(self.meaning.is_uncommitted);
                self.is_deferrable = self.meaning.is_deferrable;
                let isolation = isolation.unwrap_or(usual.0);
                let mut open = self.begin(isolation, access.unwrap_or(usual.1))?;
                open.is_block = true;
                open.began = None;
                self.state = State::Open(Box::new(open));
            }
        }
        Ok(done(tag))
    }

    pub(super) fn commit(&mut self) -> Result<Answer> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => Ok(no_transaction("COMMIT")),
            State::Failed(_) => {
                self.rolled_back();
                Ok(done("ROLLBACK"))
            }
            State::Open(open) => {
                let is_block = open.is_block;
                self.commit_open(*open)?;
                Ok(match is_block {
                    true => done("COMMIT"),
                    false => no_transaction("COMMIT"),
                })
            }
        }
    }

    pub(super) fn rollback(&mut self) -> Result<Answer> {
        let state = std::mem::replace(&mut self.state, State::Idle);
        self.rolled_back();
        match state {
            State::Failed(_) => Ok(done("ROLLBACK")),
            State::Open(open) if open.is_block => Ok(done("ROLLBACK")),
            _ => Ok(no_transaction("ROLLBACK")),
        }
    }

    /// `COMMIT AND CHAIN` and `ROLLBACK AND CHAIN`: the next transaction begins at once, with the
    /// same modes.
    pub(super) fn and_chain(
        &mut self,
        word: &str,
        end: fn(&mut Session) -> Result<Answer>,
    ) -> Result<Answer> {
        let is_block = match &self.state {
            State::Idle => false,
            State::Open(open) => open.is_block,
            State::Failed(_) => true,
        };
        if !is_block {
            let message = format!("{word} AND CHAIN can only be used in transaction blocks");
            return Err(Error::new(SqlState::NO_ACTIVE_TRANSACTION, message));
        }
        let (isolation, access) = self.modes;
        let answer = end(self)?;
        let mut open = self.begin(isolation, access)?;
        open.is_block = true;
        open.began = None;
        self.state = State::Open(Box::new(open));
        Ok(answer)
    }

    pub(super) fn savepoint(&mut self, name: String) -> Result<Answer> {
        let parameters = self.parameters.mark();
        let open = self.block("SAVEPOINT")?;
        let id = open.transaction.savepoint();
        open.savepoints.push(Savepoint {
            name,
            id,
            definitions: open.change.mark(),
            deferred: open.deferred.mark(),
            parameters,
            access: open.access,
        });
        Ok(done("SAVEPOINT"))
    }

    pub(super) fn release(&mut self, name: &str) -> Result<Answer> {
        let open = self.block("RELEASE SAVEPOINT")?;
        let at = savepoint_named(open, name)?;
        open.transaction.release(open.savepoints[at].id)?;
        open.access = open.savepoints[at].access;
        open.savepoints.truncate(at);
        self.note_modes();
        Ok(done("RELEASE"))
    }

    pub(super) fn rollback_to(&mut self, name: &str) -> Result<Answer> {
        let mut open = match std::mem::replace(&mut self.state, State::Idle) {
            State::Open(open) if open.is_block => open,
            State::Failed(Some(open)) => open,
            State::Failed(None) => {
                self.state = State::Failed(None);
                return Err(no_savepoint(name));
            }
            State::Open(_) | State::Idle => {
                let message = "ROLLBACK TO SAVEPOINT can only be used in transaction blocks";
                return Err(Error::new(SqlState::NO_ACTIVE_TRANSACTION, message));
            }
        };
        let result = roll_back_to(&mut open, name);
        if result.is_ok()
            && let Some(savepoint) = open.savepoints.last()
        {
            self.parameters.return_to(&savepoint.parameters);
        }
        // An unknown name leaves a failed block failed: `fail` puts it there.
        self.state = State::Open(open);
        self.note_modes();
        result.map(|()| done("ROLLBACK"))
    }

    pub(super) fn block(&mut self, what: &str) -> Result<&mut Open> {
        match &mut self.state {
            State::Failed(_) => Err(failed()),
            State::Open(open) if open.is_block => Ok(open),
            _ => {
                let message = format!("{what} can only be used in transaction blocks");
                Err(Error::new(SqlState::NO_ACTIVE_TRANSACTION, message))
            }
        }
    }
}

fn roll_back_to(open: &mut Open, name: &str) -> Result<()> {
    let at = savepoint_named(open, name)?;
    let savepoint = &open.savepoints[at];
    open.transaction.rollback_to(savepoint.id)?;
    open.change.rollback_to(savepoint.definitions)?;
    open.deferred.rollback_to(&savepoint.deferred);
    open.access = savepoint.access;
    open.savepoints.truncate(at + 1);
    Ok(())
}

fn savepoint_named(open: &Open, name: &str) -> Result<usize> {
    let found = open.savepoints.iter().rposition(|each| each.name == name);
    found.ok_or_else(|| no_savepoint(name))
}

fn no_savepoint(name: &str) -> Error {
    let message = format!("savepoint \"{name}\" does not exist");
    Error::new(SqlState::INVALID_SAVEPOINT, message)
}

/// Whether a failed block has something to roll back to: then it is back at its last savepoint.
fn is_kept(open: &mut Open) -> bool {
    let last = open.savepoints.last().map(|last| last.name.clone());
    last.is_some_and(|last| roll_back_to(open, &last).is_ok())
}

fn failed() -> Error {
    let message = "current transaction is aborted, commands ignored until end of transaction block";
    Error::new(SqlState::FAILED_TRANSACTION, message)
}
