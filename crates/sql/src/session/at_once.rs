//! Rows by their key, without a transaction.
//!
//! # Reading
//!
//! A statement of its own that reads one row by its key sees what is committed at one moment,
//! whether there is a transaction around it or not; and beginning and ending one costs as much as
//! the row. What the transaction would have waited for is looked at instead: that nobody holds an
//! object in ACCESS EXCLUSIVE mode before and after the row is read, and that the catalog is the
//! same. Who alters or drops the table holds that mode until the new catalog is there.
//!
//! A statement of its own that reads several rows, each by its key or by an index, has a transaction,
//! but its tables are not locked: it is looked at in the same way, and if it was disturbed what it has
//! read is forgotten and it is run again, with locks. Longer ones are not worth that: a second time
//! would be as long as the first.
//!
//! # Writing
//!
//! So can a statement of its own that changes one row by its key: see [`crate::exec`]'s `at_once`. It
//! locks the table as it would in a transaction, because there are more who want no writes than who
//! want no reads; but it waits for nobody. What would have to wait is run in a transaction.

use rustdb_catalog::lock::object;
use rustdb_txn::{Access, Wait};
use rustdb_types::Value;

use super::planned::{Body, Planned};
use super::prepared::Prepared;
use super::tag::Tag;
use super::{Answer, Session, State};
use crate::error::Result;
use crate::exec::Context;
use crate::parameters::converted;
use crate::row_set::RowSet;

impl Session {
    /// The answer to such a statement. `None` if it is no such statement, or not now: then it is to
    /// be run as others are.
    pub(super) fn at_once(
        &mut self,
        prepared: &Prepared,
        parameters: &[Value],
    ) -> Result<Option<Answer>> {
        let State::Idle = self.state else {
            return Ok(None);
        };
        let Some(planned) = prepared.plan() else {
            return Ok(None);
        };
        let Body::Query(executable) = &planned.body else {
            return Ok(None);
        };
        let Some(point) = executable.committed_point() else {
            return Ok(None);
        };
        if !self.is_undisturbed(&planned) {
            return Ok(None);
        }
        let parameters = converted(parameters, &planned.parameters, &self.settings)?;
        let run = |session: &Session| {
            let shared = &session.database.shared;
            let mut cx = Context::timeless(&session.settings, &*shared.host, &parameters);
            point.run_committed(&shared.manager, &mut cx)
        };
        // To watch what cannot take long would cost more than it.
        let row = match point.is_brief() {
            true => run(self),
            false => self.watched(|session| run(session)),
        };
        if !self.is_undisturbed(&planned) {
            return Ok(None);
        }
        let rows: RowSet = row?.into_iter().collect();
        Ok(Some(Answer {
            columns: planned.columns.clone(),
            tag: Tag::counted("SELECT", rows.len() as u64),
            rows,
            notices: Vec::new(),
        }))
    }

    /// The answer to a statement that writes, and that no other statement belongs to. `None` if it is
    /// to be run as others are.
    pub(super) fn written_at_once(
        &mut self,
        prepared: &Prepared,
        parameters: &[Value],
    ) -> Result<Option<Answer>> {
        let State::Idle = self.state else {
            return Ok(None);
        };
        let Some(planned) = prepared.plan() else {
            return Ok(None);
        };
        let Body::Write(node, _) = &planned.body else {
            return Ok(None);
        };
        if !node.is_at_once || planned.is_careful {
            return Ok(None);
        }
        self.apply_parameters()?;
        let shared = &self.database.shared;
        let is_good = |session: &Session| planned.is_good(shared.catalog.version(), session);
        if !is_good(self) || self.default_modes().1 == Access::ReadOnly {
            return Ok(None);
        }
        let Ok(parameters) = converted(parameters, &planned.parameters, &self.settings) else {
            return Ok(None);
        };
        let mut locks = shared.manager.locks_of(&self.party);
        for (table, mode) in planned.tables() {
            let locked = locks.lock_object(object(*table), *mode, Wait::No);
            if locked.is_err() {
                return Ok(None);
            }
        }
        // A table may have been changed before the lock was there.
        if !is_good(self) {
            return Ok(None);
        }
        let mut cx = Context::timeless(&self.settings, &*shared.host, &parameters);
        let durability = self.commit_durability();
        let count = node.run_at_once(&shared.manager, durability, &mut cx)?;
        Ok(count.map(|count| Answer {
            columns: planned.columns.clone(),
            tag: Tag::counted(prepared.word(), count),
            rows: RowSet::default(),
            notices: Vec::new(),
        }))
    }

    /// The answer to a statement that reads a few rows without locks of their tables. `None` if it is no
    /// such statement, or not now: then it is to be run as others are.
    fn read_unlocked(
        &mut self,
        prepared: &Prepared,
        text: &str,
        parameters: &[Value],
    ) -> Result<Option<Answer>> {
        let Some(planned) = prepared.plan().filter(|planned| planned.is_quick) else {
            return Ok(None);
        };
        self.apply_parameters()?;
        if !self.is_undisturbed(&planned) {
            return Ok(None);
        }
        self.is_unlocked = true;
        let result = self.statement(prepared, text, parameters);
        self.is_unlocked = false;
        if self.is_undisturbed(&planned) {
            return result.map(Some);
        }
        // Whatever it was, its tables may not have been there any more.
        self.fail();
        Ok(None)
    }

    /// Runs a statement that no other statement belongs to.
    pub(super) fn lone_statement(
        &mut self,
        prepared: &Prepared,
        text: &str,
        parameters: &[Value],
    ) -> Result<Answer> {
        let answer = match self.state {
            State::Idle => match self.written_at_once(prepared, parameters)? {
                None => self.read_unlocked(prepared, text, parameters)?,
                written => written,
            },
            State::Open(_) => self.briefly(prepared, text, parameters)?,
            State::Failed(_) => None,
        };
        match answer {
            Some(answer) => Ok(answer),
            None => self.statement(prepared, text, parameters),
        }
    }

    /// Whether a plan is good now, and nobody holds an object in ACCESS EXCLUSIVE mode.
    fn is_undisturbed(&self, planned: &Planned) -> bool {
        let shared = &self.database.shared;
        // NB: in this order. Who holds such a lock lets go of it when the new catalog is there.
        !shared.manager.locks().has_exclusive_objects()
            && planned.is_good(shared.catalog.version(), self)
    }
}
