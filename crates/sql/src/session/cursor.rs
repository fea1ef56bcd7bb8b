//! Results that are read bit by bit.

use std::sync::Arc;

use rustdb_types::{Value, interrupt};

use super::planned::{Body, Planned};
use super::prepared::Prepared;
use super::{Answer, Session, State, on_large_stack};
use crate::bind::OutputColumn;
use crate::error::Result;
use crate::exec::{Memory, Run};
use crate::notice::Notice;
use crate::parameters::converted;
use crate::row_set::RowBlock;

/// A statement that runs, whose rows are asked for. Nothing else may run in its session until it
/// is at its end or [closed](Session::close).
pub struct Cursor {
    planned: Arc<Planned>,
    parameters: Vec<Value>,
    memory: Memory,
    source: Source,
}

enum Source {
    Run(Run),
    /// A statement that wrote has done so before its first row is given.
    Rows(std::vec::IntoIter<RowBlock>),
    Done,
}

impl Source {
    fn rows(answer: Answer) -> Source {
        Source::Rows(answer.rows.into_blocks().into_iter())
    }
}

impl Cursor {
    /// The columns, if the statement gives rows.
    pub fn columns(&self) -> Option<&Arc<[OutputColumn]>> {
        self.planned.columns.as_ref()
    }
}

impl Session {
    /// Begins to run a prepared statement whose rows are asked for with [`Session::fetch`].
    /// `None` if it is of a kind that gives no rows: then it has run.
    pub fn start(&mut self, prepared: &Prepared, parameters: &[Value]) -> Result<Option<Cursor>> {
        self.begin_statements()?;
        let cursor = match prepared.is_deep {
            false => self.watched(|session| session.start_cursor(prepared, parameters)),
            true => on_large_stack(|| {
                self.watched(|session| session.start_cursor(prepared, parameters))
            }),
        };
        let cursor = cursor.map_err(|error| {
            self.fail();
            let notices = self.take_notices();
            self.timed(error).located(prepared.text()).behind(notices)
        });
        // A statement whose rows are asked for runs until the last one.
        if !matches!(cursor, Ok(Some(_))) {
            self.tell_end();
        }
        cursor
    }

    fn start_cursor(
        &mut self,
        prepared: &Prepared,
        parameters: &[Value],
    ) -> Result<Option<Cursor>> {
        if !prepared.is_planned() {
            self.statement(prepared, prepared.text(), parameters)?;
            self.end_implicit()?;
            return Ok(None);
        }
        self.apply_parameters()?;
        self.begin_time();
        self.tell_begin(prepared.text());
        self.open_for_statement()?;
        let planned = self.planned(prepared)?;
        let source = match &planned.body {
            // It has a large stack now, and not when its rows are asked for.
            // What writes runs to its end, whoever asks for rows.
            Body::Query(_) if prepared.is_deep || planned.is_careful => {
                Source::rows(self.run_planned(prepared, parameters)?)
            }
            Body::Query(executable) => Source::Run(executable.start()),
            Body::Write(..) => Source::rows(self.run_planned(prepared, parameters)?),
        };
        Ok(Some(Cursor {
            parameters: converted(parameters, &planned.parameters, &self.settings)?.into_owned(),
            memory: planned.memory(),
            source,
            planned,
        }))
    }

    /// Some more rows; `None` if there are no more. Then what was no block has been committed.
    pub fn fetch(&mut self, cursor: &mut Cursor) -> Result<Option<RowBlock>> {
        self.wake()?;
        let rows = self.watched(|session| session.fetch_rows(cursor));
        match rows {
            Ok(Some(rows)) => Ok(Some(rows)),
            Ok(None) => self.close(cursor).map(|()| None),
            Err(error) => {
                cursor.source = Source::Done;
                self.fail();
                self.tell_end();
                Err(self.timed(error).behind(self.take_notices()))
            }
        }
    }

    fn fetch_rows(&mut self, cursor: &mut Cursor) -> Result<Option<RowBlock>> {
        match &mut cursor.source {
            Source::Done => Ok(None),
            Source::Rows(blocks) => Ok(blocks.next()),
            Source::Run(run) => {
                let (planned, parameters) = (&cursor.planned, &cursor.parameters);
                let rows =
                    self.with_context(planned, parameters, &mut cursor.memory, |cx| run.next(cx));
                if rows.is_err() {
                    interrupt::leave(std::mem::replace(&mut cursor.source, Source::Done));
                }
                rows
            }
        }
    }

    /// What functions had to say since a statement began whose rows are asked for, or since this
    /// was asked last.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        let mut notices = self.kept_by_functions.take_notices();
        if !notices.is_empty() {
            self.audible().retain(&mut notices);
        }
        notices
    }

    /// Ends a statement before its last row. Nothing happens at its end.
    pub fn close(&mut self, cursor: &mut Cursor) -> Result<()> {
        if let Source::Done = std::mem::replace(&mut cursor.source, Source::Done) {
            return Ok(());
        }
        self.wake()?;
        let result = self.end_implicit();
        if result.is_err() {
            self.fail();
        }
        self.tell_end();
        result
    }

    /// Whether a transaction is in progress, a block or not.
    pub(super) fn has_transaction(&self) -> bool {
        !matches!(self.state, State::Idle)
    }
}
