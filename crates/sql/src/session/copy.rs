//! COPY: between tables and files or streams.

use std::io::{Read, Write};
use std::sync::Arc;

use rustdb_table::Statement as TableStatement;
use rustdb_txn::{ObjectMode, Wait};
use sqlparser::ast::Statement;

use super::planned::{Body, Planned};
use super::prepared::Prepared;
use super::{Answer, Session, Tag, done};
use crate::bind::{OutputColumn, Surroundings};
use crate::copy::{CopyIn, CopyOut, select_of};
use crate::database::CatalogTables;
use crate::error::{Error, Result, SqlState};
use crate::exec::{Context, SessionState};
use crate::parse::parse;
use crate::parse::utility::{Copy, CopyEnd, Utility, utility};

/// Opens the files that `COPY` names. A database by itself opens none.
pub trait Files: Send + Sync {
    /// A file to read.
    fn open(&self, path: &str) -> std::io::Result<Box<dyn Read>>;

    /// A file to write, empty.
    fn create(&self, path: &str) -> std::io::Result<Box<dyn Write>>;
}

impl Session {
    /// Who opens the files that `COPY` names.
    pub fn set_files(&mut self, files: Arc<dyn Files>) {
        self.files = Some(files);
    }

    /// Runs `COPY ... FROM STDIN` with what `source` gives.
    pub fn copy_in(&mut self, text: &str, source: &mut dyn Read) -> Result<Answer> {
        self.copy(text, |session, copy| match copy.is_out {
            false => session.load(copy, source),
            true => Err(wrong_way("COPY ... FROM STDIN")),
        })
    }

    /// Runs `COPY ... TO STDOUT`; the rows go to `target`.
    pub fn copy_out(&mut self, text: &str, target: &mut dyn Write) -> Result<Answer> {
        self.copy(text, |session, copy| match copy.is_out {
            true => session.unload(copy, target),
            false => Err(wrong_way("COPY ... TO STDOUT")),
        })
    }

    /// Runs the one statement of a text, which is COPY with a stream at its other end.
    fn copy(
        &mut self,
        text: &str,
        run: impl FnOnce(&mut Session, &Copy) -> Result<Answer>,
    ) -> Result<Answer> {
        self.begin_statements()?;
        let result = (|| {
            let statements = parse(text)?;
            let copy = match &statements[..] {
                [only] => utility(only).transpose()?,
                _ => None,
            };
            let Some(Utility::Copy(copy)) = copy else {
                return Err(wrong_way("COPY"));
            };
            if copy.end != CopyEnd::Stream {
                return Err(wrong_way("COPY with STDIN or STDOUT"));
            }
            self.apply_parameters()?;
            self.begin_time();
            self.tell_begin(text);
            self.open_for_statement()?;
            let answer = self.watched(|session| run(session, &copy));
            let answer = answer.map_err(|error| self.timed(error))?;
            self.end_implicit()?;
            Ok(answer)
        })();
        let notices = self.take_notices();
        let result = match result {
            Ok(answer) => Ok(Answer { notices, ..answer }),
            Err(error) => {
                self.fail();
                Err(error.located(text).behind(notices))
            }
        };
        self.tell_end();
        result
    }

    /// Runs COPY that names a file.
    pub(super) fn copy_file(&mut self, copy: &Copy) -> Result<Answer> {
        let path = match &copy.end {
            CopyEnd::File(path) => path,
            CopyEnd::Program => return Err(Error::unsupported("COPY with PROGRAM")),
            CopyEnd::Stream => {
                self.check_copy(copy)?;
                return Err(
                    Error::unsupported("COPY with a stream in a plain statement").with_hint(
                        "Use the calls that take a reader or a writer, or \\copy in the shell.",
                    ),
                );
            }
        };
        let Some(files) = self.files.clone() else {
            let message = "this program does not let COPY open files";
            return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
                .with_hint("Use the calls that take a reader or a writer."));
        };
        let failed = |what: &str, error: std::io::Error| {
            if error.kind() == std::io::ErrorKind::IsADirectory {
                let message = format!("\"{path}\" is a directory");
                return Error::new(SqlState::WRONG_OBJECT_TYPE, message);
            }
            let state = match error.kind() {
                std::io::ErrorKind::NotFound => SqlState::UNDEFINED_FILE,
                std::io::ErrorKind::PermissionDenied => SqlState::INSUFFICIENT_PRIVILEGE,
                _ => SqlState::IO_ERROR,
            };
            let words = match error.kind() {
                std::io::ErrorKind::NotFound => "No such file or directory".to_owned(),
                std::io::ErrorKind::PermissionDenied => "Permission denied".to_owned(),
                _ => error.to_string(),
            };
            Error::new(
                state,
                format!("could not open file \"{path}\" for {what}: {words}"),
            )
        };
        // What is wrong with the statement is told before a file is looked for, or emptied.
        self.check_copy(copy)?;
        if copy.is_out {
            let mut file = files
                .create(path)
                .map_err(|error| failed("writing", error))?;
            return self.unload(copy, &mut *file);
        }
        let mut file = files.open(path).map_err(|error| failed("reading", error))?;
        self.load(copy, &mut *file)
    }

    /// Tells what is wrong with a statement, if anything is.
    fn check_copy(&mut self, copy: &Copy) -> Result<()> {
        if copy.is_out {
            return self.unloading(copy).map(drop);
        }
        let catalog = self.open()?.change.view();
        let around = Surroundings {
            parameters: None,
            settings: &self.settings,
            session: &self.names,
            database: self.database.clone(),
            catalog,
        };
        CopyIn::new(copy, &around).map(drop)
    }

    fn load(&mut self, copy: &Copy, source: &mut dyn Read) -> Result<Answer> {
        let (database, settings) = (self.database.clone(), self.settings.clone());
        let (names, cancelled) = (self.names.clone(), self.cancelled.clone());
        let kept: Arc<SessionState> = self.kept_by_functions.clone();
        let (wait, deadline) = (self.wait(), self.deadline());
        let limits = self.meaning.limits;
        let open = self.open()?;
        // The table is locked, and then looked at again: it may have changed meanwhile.
        let mut locked = None;
        let (ready, catalog) = loop {
            let catalog = open.change.view();
            let around = Surroundings {
                parameters: None,
                settings: &settings,
                session: &names,
                database: database.clone(),
                catalog: catalog.clone(),
            };
            let ready = CopyIn::new(copy, &around)?;
            let oid = ready.table.oid();
            if locked == Some(oid) {
                break (ready, catalog);
            }
            let number = rustdb_catalog::lock::object(oid);
            let mode = ObjectMode::RowExclusive;
            open.transaction.lock_object(number, mode, wait)?;
            locked = Some(oid);
        };
        let tables = Arc::new(CatalogTables {
            database: database.clone(),
            catalog: catalog.clone(),
        });
        let mut statement = TableStatement::new(tables, settings.clone(), wait);
        // Nobody else sees a table that was made in this transaction; and where nobody else is at
        // work, rows need no locks of their own.
        let number = rustdb_catalog::lock::object(ready.table.oid());
        let alone = open
            .transaction
            .lock_object(number, ObjectMode::Exclusive, Wait::No);
        if alone.is_ok() {
            statement.assume_exclusive(ready.table.oid());
        }
        let mut cx = Context::new(&settings, &*database.shared.host, &[]);
        cx.transaction = Some(&mut open.transaction);
        cx.catalog = Some((&catalog, &database.shared.catalog));
        cx.session = Some(&kept);
        cx.limits = limits;
        cx.cancelled = Some(&cancelled);
        let vfs = database.shared.manager.engine().vfs();
        cx.deadline = deadline.map(|end| (vfs, end));
        let rows = ready.run(source, &mut statement, &mut cx)?;
        drop(cx);
        statement.finish(&mut open.transaction, &mut open.deferred)?;
        Ok(done(Tag::counted("COPY", rows)))
    }

    /// The query whose rows go out, and their columns.
    fn unloading(&mut self, copy: &Copy) -> Result<(Arc<Planned>, Arc<[OutputColumn]>)> {
        let catalog = self.open()?.change.view();
        let query = {
            let around = Surroundings {
                parameters: None,
                settings: &self.settings,
                session: &self.names,
                database: self.database.clone(),
                catalog,
            };
            select_of(copy, &around)?
        };
        let prepared = Prepared::new(Statement::Query(query), Vec::new());
        let planned = self.planned(&prepared)?;
        let Some(columns) = planned.columns.clone() else {
            let message = "COPY query must have a RETURNING clause";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        };
        CopyOut::check(copy, &columns)?;
        Ok((planned, columns))
    }

    fn unload(&mut self, copy: &Copy, target: &mut dyn Write) -> Result<Answer> {
        let (planned, columns) = self.unloading(copy)?;
        let mut out = CopyOut::new(copy, &columns, target)?;
        let settings = self.settings.clone();
        let mut rows = 0u64;
        let executable = match &planned.body {
            Body::Query(executable) if !planned.is_careful => executable,
            // What writes runs to its end first.
            body => {
                for row in self.run_body(&planned, body, &[])?.0.iter() {
                    rows += 1;
                    out.row(row, &settings)?;
                }
                out.finish()?;
                return Ok(done(Tag::counted("COPY", rows)));
            }
        };
        self.with_context(&planned, &[], &mut planned.memory(), |cx| {
            let mut run = executable.start();
            while let Some(batch) = run.next(cx)? {
                rows += batch.len() as u64;
                for row in batch.iter() {
                    out.row(row, &settings)?;
                }
            }
            Ok(())
        })?;
        out.finish()?;
        Ok(done(Tag::counted("COPY", rows)))
    }
}

fn wrong_way(wanted: &str) -> Error {
    let message = format!("this call takes one statement: {wanted}");
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
}
