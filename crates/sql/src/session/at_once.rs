//! Rows by their key, without a transaction.
//!
//! A statement of its own that reads one row by its key sees what is committed at one moment,
//! whether there is a transaction around it or not; and beginning and ending one costs as much as
//! the row. What the transaction would have waited for is looked at instead: that nobody holds an
//! object in ACCESS EXCLUSIVE mode before and after the row is read, and that the catalog is the
//! same. Who alters or drops the table holds that mode until the new catalog is there.

use rustdb_types::Value;

use super::prepared::{Body, Planned, Prepared};
use super::tag::Tag;
use super::{Answer, Session, State};
use crate::error::Result;
use crate::exec::Context;
use crate::parameters::converted;

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
        let rows: Vec<Vec<Value>> = row?.into_iter().collect();
        Ok(Some(Answer {
            columns: planned.columns.clone(),
            tag: Tag::counted("SELECT", rows.len() as u64),
            rows,
            notices: Vec::new(),
        }))
    }

    /// Whether a plan is good now, and nobody holds an object in ACCESS EXCLUSIVE mode.
    fn is_undisturbed(&self, planned: &Planned) -> bool {
        let shared = &self.database.shared;
        planned.is_good(shared.catalog.version(), self)
            && !shared.manager.locks().has_exclusive_objects()
    }
}
