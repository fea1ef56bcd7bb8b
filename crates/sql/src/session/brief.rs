//! Statements of a block that are over before anybody could ask about them.
//!
//! To read, insert, change or delete a row by its key takes no longer than what else goes on around
//! a statement: others are told that it runs, the clock is read, somebody watches whether it shall
//! stop, there is room for what its operators keep. A statement of this kind goes without. Others
//! are told its text, if that is not the one that they know, and nothing else.
//!
//! That is good because it cannot take long:
//!
//! * Its expressions are brief, and ask for nothing that belongs to the session or the time.
//! * It waits for nobody. The locks of its tables and of its row come before all that it writes, and
//!   it takes no others. If one of them is not to be had at once, nothing was done, and the statement
//!   is run as others are, which waits and can be stopped.
//!
//! What it sees, locks and writes is what it would see, lock and write otherwise, and an error is one
//! of the block's.

use rustdb_catalog::lock::object;
use rustdb_txn::{Access, IsolationLevel, Wait};
use rustdb_types::Value;

use super::planned::{Body, Planned};
use super::prepared::Prepared;
use super::tag::Tag;
use super::{Answer, Session, State};
use crate::error::{Error, Result, SqlState};
use crate::exec::{Context, WriteNode};
use crate::row_set::RowSet;

impl Session {
    /// The answer to such a statement. `None` if it is no such statement, or has to wait: then it is
    /// to be run as others are.
    pub(super) fn briefly(
        &mut self,
        prepared: &Prepared,
        text: &str,
        parameters: &[Value],
    ) -> Result<Option<Answer>> {
        match &self.state {
            State::Open(open) if open.is_block && !open.is_fresh => (),
            _ => return Ok(None),
        }
        let Some(planned) = prepared.plan().filter(|planned| planned.is_brief) else {
            return Ok(None);
        };
        self.apply_parameters()?;
        if !self.is_ready(&planned)? {
            return Ok(None);
        }
        self.tell_text(text);
        let done = self.with_parameters(&planned, parameters, |session, parameters| match &planned
            .body
        {
            Body::Query(executable) => session.with_brief_context(&planned, parameters, |cx| {
                let rows = executable.rows(cx)?;
                let count = rows.len() as u64;
                Ok((rows, count))
            }),
            Body::Write(node, _) => session.write_briefly(&planned, node, parameters),
        });
        match done {
            Ok((rows, count)) => Ok(Some(Answer {
                columns: planned.columns.clone(),
                rows,
                tag: Tag::counted(prepared.word(), count),
                notices: Vec::new(),
            })),
            Err(error) if error.state() == SqlState::LOCK_NOT_AVAILABLE => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a plan is good for the statement that begins now. Then its tables are locked, and the
    /// snapshot is the statement's.
    fn is_ready(&mut self, planned: &Planned) -> Result<bool> {
        let State::Open(open) = &mut self.state else {
            return Ok(false);
        };
        if planned.writes() && open.access == Access::ReadOnly {
            return Ok(false);
        }
        let version = open.change.version();
        if !planned.is_good(version, self) {
            return Ok(false);
        }
        let open = self.open()?;
        for (table, mode) in planned.tables() {
            let locked = open
                .transaction
                .lock_object(object(*table), *mode, Wait::No);
            if locked.is_err() {
                return Ok(false);
            }
        }
        // A table may have been changed before the lock was there.
        if open.change.version() != version {
            return Ok(false);
        }
        if open.transaction.isolation() == IsolationLevel::ReadCommitted {
            open.catalog_seen = version;
            open.transaction.refresh()?;
        }
        Ok(true)
    }

    fn write_briefly(
        &mut self,
        planned: &Planned,
        node: &WriteNode,
        parameters: &[Value],
    ) -> Result<(RowSet, u64)> {
        let mut writing = self.writing(&planned.catalog);
        let statement = &mut writing.statement;
        statement.wait = Wait::No;
        let written = self.with_brief_context(planned, parameters, |cx| node.run(statement, cx))?;
        let open = self.open()?;
        statement.finish(&mut open.transaction, &mut open.deferred)?;
        statement.renew();
        self.writing = Some(writing);
        Ok((written.rows, written.count))
    }

    /// Has something run within the transaction that asks for no more than that.
    fn with_brief_context<T>(
        &mut self,
        planned: &Planned,
        parameters: &[Value],
        run: impl FnOnce(&mut Context<'_>) -> Result<T>,
    ) -> Result<T> {
        let State::Open(open) = &mut self.state else {
            return Err(Error::internal("a statement runs outside of a transaction"));
        };
        let shared = &self.database.shared;
        let mut cx = Context::timeless(&self.settings, &*shared.host, parameters);
        cx.transaction = Some(&mut open.transaction);
        cx.catalog = Some((&planned.catalog, &shared.catalog));
        cx.wait = Wait::No;
        run(&mut cx)
    }
}
