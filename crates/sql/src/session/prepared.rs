//! Statements with their plans.
//!
//! A plan is made when a statement first runs, and kept with it: it is good for as long as the
//! catalog and the settings that it was made with are the same. A statement that runs locks the
//! tables that its plan names; if one of them was changed before the lock was there, the plan is
//! made anew.

use std::cell::Cell;
use std::sync::Arc;

use rustdb_catalog::Catalog;
use rustdb_table::Statement as TableStatement;
use rustdb_txn::{Access, ObjectMode};
use rustdb_types::{Oid, Type, Value, interrupt};
use rustdb_vfs::sync::Mutex;
use sqlparser::ast::{SetExpr, Statement};

use super::{Answer, Session, State, Tag, Writing, on_large_stack};
use crate::bind::{Binder, OutputColumn, Surroundings, writes};
use crate::database::CatalogTables;
use crate::error::{Error, Result, SqlState};
use crate::exec::{Careful, Context, Memory, WriteNode, run_carefully};
use crate::parameters::{convert, converted};
use crate::parse::{is_deep, parse};
use crate::row_set::RowSet;

use super::figures::{CatalogFigures, kept_level};
use super::planned::{Body, Planned, Shape, query_body, write_body};

/// Room for so many values of parameters goes from a statement to the next.
const VALUES_KEPT_MAX: usize = 64;

/// A statement that was read, to be run any number of times.
#[derive(Debug)]
pub struct Prepared {
    statement: Statement,
    /// The types of the parameters that are known; [`Type::UNKNOWN`] asks the context.
    types: Vec<Type>,
    /// What was read, for the places of errors.
    text: Arc<str>,
    /// Whether it needs a large stack.
    pub(super) is_deep: bool,
    plan: Mutex<Option<Arc<Planned>>>,
}

impl Prepared {
    pub(super) fn new(statement: Statement, types: Vec<Type>) -> Prepared {
        Prepared {
            statement,
            types,
            text: Arc::default(),
            is_deep: false,
            plan: Mutex::default(),
        }
    }

    /// The columns that it gave when it was planned last, if it gives rows.
    pub fn columns(&self) -> Option<Arc<[OutputColumn]>> {
        self.plan.lock().as_ref()?.columns.clone()
    }

    /// Whether it gives rows and writes none, as far as it was planned.
    pub fn is_query(&self) -> bool {
        let plan = self.plan.lock();
        plan.as_ref()
            .is_some_and(|planned| matches!(planned.body, Body::Query(_)))
    }

    pub(super) fn types(&self) -> &[Type] {
        &self.types
    }

    /// What was read; nothing, if another keeps it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Whether it is a statement that runs by a plan.
    pub(super) fn is_planned(&self) -> bool {
        matches!(
            self.statement,
            Statement::Query(_)
                | Statement::Insert(_)
                | Statement::Update(_)
                | Statement::Delete(_)
        )
    }

    /// Whether reading the text again would be for nothing: it has a plan, good or not, or it begins
    /// or ends a transaction.
    pub(super) fn is_good_again(&self) -> bool {
        let is_of_block = matches!(
            self.statement,
            Statement::StartTransaction { .. }
                | Statement::Commit { .. }
                | Statement::Rollback { .. }
        );
        is_of_block || self.plan.lock().is_some()
    }

    /// Whether its plan finds a row by its key, and its parameters of no type became text: then
    /// the plan is as good for other values.
    pub(super) fn is_keyed(&self) -> bool {
        let plan = self.plan.lock();
        let Some(planned) = &*plan else {
            return false;
        };
        let is_plain = self.types.iter().zip(&planned.parameters);
        let mut is_plain = is_plain.map(|(given, of)| *given != Type::UNKNOWN || *of == Type::TEXT);
        let source = match &planned.shape {
            Shape::Query(plan, _) => plan,
            Shape::Write(write) => &write.source,
        };
        is_plain.all(|is_plain| is_plain) && source.is_keyed()
    }

    /// The plan that it has so far.
    pub(super) fn plan(&self) -> Option<Arc<Planned>> {
        self.plan.lock().clone()
    }

    /// What comes before the count in the tag.
    pub(super) fn word(&self) -> &'static str {
        let statement = match &self.statement {
            Statement::Query(query) => match &*query.body {
                SetExpr::Insert(written) | SetExpr::Update(written) | SetExpr::Delete(written) => {
                    written
                }
                _ => &self.statement,
            },
            other => other,
        };
        match statement {
            Statement::Insert(_) => "INSERT 0",
            Statement::Update(_) => "UPDATE",
            Statement::Delete(_) => "DELETE",
            _ => "SELECT",
        }
    }
}

impl Session {
    /// Reads a statement, to be run any number of times. The types of its parameters may be given;
    /// [`Type::UNKNOWN`] stands for those that the statement shall say itself, and so do those
    /// that are left out.
    pub fn prepare(&mut self, text: &str, types: &[Type]) -> Result<Arc<Prepared>> {
        self.begin_statements()?;
        self.apply_parameters()?;
        self.begin_time();
        let mut prepare =
            |is_deep| self.watched(|session| session.prepare_text(text, types, is_deep));
        let prepared = match is_deep(text) {
            Ok(false) => prepare(false),
            Ok(true) => on_large_stack(|| prepare(true)),
            Err(error) => Err(error),
        };
        let prepared = prepared.map_err(|error| self.timed(error).located(text));
        self.rest();
        prepared
    }

    fn prepare_text(&mut self, text: &str, types: &[Type], is_deep: bool) -> Result<Arc<Prepared>> {
        let mut statements = parse(text)?;
        let is_empty = statements.is_empty();
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            let message = match is_empty {
                true => "there is no statement to prepare",
                false => "cannot insert multiple commands into a prepared statement",
            };
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        };
        let mut prepared = Prepared::new(statement, types.to_vec());
        prepared.is_deep = is_deep;
        prepared.text = text.into();
        if prepared.is_planned() {
            let was_idle = !self.has_transaction();
            let planned = match self.open_for_statement() {
                Ok(_) => self.planned(&prepared),
                Err(error) => Err(error),
            };
            if let Err(error) = planned {
                self.fail();
                return Err(error);
            }
            if was_idle {
                self.end_implicit()?;
            }
        }
        Ok(Arc::new(prepared))
    }

    /// Runs a prepared statement.
    pub fn run_prepared(&mut self, prepared: &Prepared, parameters: &[Value]) -> Result<Answer> {
        self.begin_statements()?;
        let result = match prepared.is_deep {
            false => self.lone_statement(prepared, prepared.text(), parameters),
            true => on_large_stack(|| self.statement(prepared, prepared.text(), parameters)),
        };
        let result = result.and_then(|answer| match self.end_implicit() {
            Ok(()) => Ok(answer),
            Err(error) => Err(error.behind(answer.notices)),
        });
        let result = result.map_err(|error| {
            self.fail();
            error.located(prepared.text())
        });
        self.tell_end();
        result
    }

    /// The plan of a statement; its tables are locked.
    pub(super) fn planned(&mut self, prepared: &Prepared) -> Result<Arc<Planned>> {
        let mut kept = prepared.plan.lock().clone();
        loop {
            let version = self.open()?.change.version();
            let planned = match kept.take() {
                Some(planned) if planned.is_good(version, self) => planned,
                _ => {
                    self.fit_flexible(prepared)?;
                    let catalog = self.open()?.change.view();
                    let version = catalog.version();
                    let mut named = Vec::new();
                    match self.plan(prepared, catalog, &mut named) {
                        Ok(planned) => {
                            let planned = Arc::new(planned);
                            *prepared.plan.lock() = Some(planned.clone());
                            planned
                        }
                        // What is wrong now may be right once who changes a table is done.
                        Err(_) if self.lock_named(&named)? != version => continue,
                        Err(error) => return Err(error),
                    }
                }
            };
            if self.is_unlocked && planned.is_quick {
                return Ok(planned);
            }
            let version = self.lock_named(&planned.tables)?;
            if planned.catalog.version() == version || planned.fits(&self.open()?.change.view()) {
                return Ok(planned);
            }
        }
    }

    /// Plans a statement; `named` are the tables that it names, as far as it was read.
    fn plan(
        &self,
        prepared: &Prepared,
        catalog: Arc<Catalog>,
        named: &mut Vec<(Oid, ObjectMode)>,
    ) -> Result<Planned> {
        let around = Surroundings {
            parameters: Some(&prepared.types),
            settings: &self.settings,
            session: &self.names,
            database: self.database.clone(),
            catalog: catalog.clone(),
        };
        let figures = self.figures(&catalog);
        let mut cx = Context::new(&self.settings, &*self.database.shared.host, &[]);
        let mut binder = Binder::for_statement(&around);
        let mut bodies = || match &prepared.statement {
            Statement::Query(query) if writes(query) => {
                write_body(binder.statement_write(query)?, &figures, &mut cx)
            }
            Statement::Query(query) => {
                query_body(binder.statement_query(query)?, &figures, &mut cx)
            }
            Statement::Insert(insert) => write_body(binder.insert(insert)?, &figures, &mut cx),
            Statement::Update(update) => write_body(binder.update(update)?, &figures, &mut cx),
            Statement::Delete(delete) => write_body(binder.delete(delete)?, &figures, &mut cx),
            _ => Err(Error::internal("a statement without a plan")),
        };
        let bodies = bodies();
        let tables = binder.tables().iter();
        let tables: Vec<_> = tables.map(|(table, mode)| (*table, *mode)).collect();
        let (body, shape, columns) = match bodies {
            Ok(bodies) => bodies,
            Err(error) => {
                *named = tables;
                return Err(error);
            }
        };
        let is_careful = match &shape {
            Shape::Query(plan, _) => plan.modifies(),
            Shape::Write(write) => write.sees_writes(),
        };
        let kept = figures.asked_kept.get().then(|| kept_level(&self.database));
        let parameters = binder.parameter_types()?;
        Ok(Planned {
            is_careful,
            is_brief: !is_careful && body.is_brief(&parameters),
            is_quick: matches!(&shape, Shape::Query(plan, _) if plan.is_quick()),
            kept,
            tables,
            parameters,
            catalog,
            settings: self.settings.clone(),
            names: self.names.clone(),
            methods: self.methods(),
            columns: columns.map(Arc::from),
            body,
            shape,
        })
    }

    /// Runs a statement that has a plan, to its end.
    pub(super) fn run_planned(
        &mut self,
        prepared: &Prepared,
        parameters: &[Value],
    ) -> Result<Answer> {
        let planned = self.planned(prepared)?;
        if planned.writes() && self.open()?.access == Access::ReadOnly {
            let word = prepared.word().split(' ').next().unwrap_or_default();
            let message = format!("cannot execute {word} in a read-only transaction");
            return Err(Error::new(SqlState::READ_ONLY_TRANSACTION, message));
        }
        let (rows, count) = self.run_body(&planned, &planned.body, parameters)?;
        Ok(Answer {
            columns: planned.columns.clone(),
            rows,
            tag: Tag::counted(prepared.word(), count),
            notices: Vec::new(),
        })
    }

    /// Runs what a plan became, to its end.
    pub(super) fn run_body(
        &mut self,
        planned: &Planned,
        body: &Body,
        parameters: &[Value],
    ) -> Result<(RowSet, u64)> {
        self.with_parameters(planned, parameters, |session, parameters| match body {
            _ if planned.is_careful => session.run_carefully(planned, body, parameters),
            Body::Query(executable) => {
                let memory = &mut executable.memory();
                let rows =
                    session.with_context(planned, parameters, memory, |cx| executable.rows(cx))?;
                let count = rows.len() as u64;
                Ok((rows, count))
            }
            Body::Write(node, executable) => {
                session.write(planned, node, &mut executable.memory(), parameters)
            }
        })
    }

    /// Does something with parameters as values of the types that a plan takes.
    pub(super) fn with_parameters<T>(
        &mut self,
        planned: &Planned,
        given: &[Value],
        run: impl FnOnce(&mut Session, &[Value]) -> Result<T>,
    ) -> Result<T> {
        let mut values = std::mem::take(&mut self.values);
        let result = match convert(given, &planned.parameters, &self.settings, &mut values) {
            Ok(true) => run(self, &values),
            Ok(false) => run(self, given),
            Err(error) => Err(error),
        };
        values.clear();
        if values.capacity() <= VALUES_KEPT_MAX {
            self.values = values;
        }
        result
    }

    /// Runs what must not see what it writes itself.
    fn run_carefully(
        &mut self,
        planned: &Planned,
        body: &Body,
        parameters: &[Value],
    ) -> Result<(RowSet, u64)> {
        let tables = Arc::new(CatalogTables {
            database: self.database.clone(),
            catalog: planned.catalog.clone(),
        });
        let since = self.open()?.transaction.savepoint();
        let careful = Careful::new(since, tables, self.settings.clone());
        let (node, executable) = match body {
            Body::Query(executable) => (None, executable),
            Body::Write(node, executable) => (Some(&**node), executable),
        };
        let memory = &mut executable.memory();
        let (written, statements) = self.with_context(planned, parameters, memory, |cx| {
            cx.careful = Some(careful);
            run_carefully(node, executable, cx)
        })?;
        let open = self.open()?;
        open.transaction.release(since)?;
        for mut statement in statements {
            statement.finish(&mut open.transaction, &mut open.deferred)?;
        }
        Ok((written.rows, written.count))
    }

    /// Runs what a plan became, to its end; nobody wants the rows.
    pub(super) fn run_through(
        &mut self,
        planned: &Planned,
        body: &Body,
        parameters: &[Value],
    ) -> Result<()> {
        let executable = match body {
            Body::Query(executable) if !planned.is_careful => executable,
            _ => return self.run_body(planned, body, parameters).map(|_| ()),
        };
        let parameters = converted(parameters, &planned.parameters, &self.settings)?;
        let memory = &mut executable.memory();
        self.with_context(planned, &parameters, memory, |cx| {
            let mut run = executable.start();
            let end = loop {
                match run.next(cx) {
                    Ok(Some(_)) => (),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            if end.is_err() {
                interrupt::leave(run);
            }
            end
        })
    }

    /// What the planner is told.
    pub(super) fn figures<'a>(&'a self, catalog: &'a Catalog) -> CatalogFigures<'a> {
        CatalogFigures {
            database: &self.database,
            catalog,
            methods: self.methods(),
            asked_kept: Cell::default(),
        }
    }

    fn write(
        &mut self,
        planned: &Planned,
        node: &WriteNode,
        memory: &mut Memory,
        parameters: &[Value],
    ) -> Result<(RowSet, u64)> {
        let mut writing = self.writing(&planned.catalog);
        let statement = &mut writing.statement;
        let written =
            self.with_context(planned, parameters, memory, |cx| node.run(statement, cx))?;
        let open = self.open()?;
        statement.finish(&mut open.transaction, &mut open.deferred)?;
        statement.renew();
        self.writing = Some(writing);
        Ok((written.rows, written.count))
    }

    /// A statement that writes; mostly the last one was over the same catalog, and is used again.
    pub(super) fn writing(&mut self, catalog: &Arc<Catalog>) -> Box<Writing> {
        let wait = self.wait();
        match self.writing.take() {
            Some(mut writing)
                if Arc::ptr_eq(&writing.catalog, catalog)
                    && writing.statement.is_with(&self.settings) =>
            {
                writing.statement.wait = wait;
                writing
            }
            _ => {
                let tables = Arc::new(CatalogTables {
                    database: self.database.clone(),
                    catalog: catalog.clone(),
                });
                Box::new(Writing {
                    catalog: catalog.clone(),
                    statement: TableStatement::new(tables, self.settings.clone(), wait),
                })
            }
        }
    }

    /// Has something run within the transaction.
    pub(super) fn with_context<T>(
        &mut self,
        planned: &Planned,
        parameters: &[Value],
        memory: &mut Memory,
        run: impl FnOnce(&mut Context<'_>) -> Result<T>,
    ) -> Result<T> {
        let wait = self.wait();
        let deadline = self.deadline();
        let began = match &mut self.state {
            State::Open(open) => open.began.take(),
            State::Idle | State::Failed(_) => None,
        };
        let began = began.unwrap_or_else(|| self.begin_clock());
        let State::Open(open) = &mut self.state else {
            return Err(Error::internal("a statement runs outside of a transaction"));
        };
        let shared = &self.database.shared;
        let mut cx = Context::timeless(&self.settings, &*shared.host, parameters);
        cx.statement_time = began;
        cx.transaction = Some(&mut open.transaction);
        cx.catalog = Some((&planned.catalog, &shared.catalog));
        cx.names = Some(&self.names);
        cx.session_parameters = Some(&self.parameters);
        cx.wait = wait;
        let vfs = shared.manager.engine().vfs();
        cx.deadline = deadline.map(|end| (vfs, end));
        cx.session = Some(&self.kept_by_functions);
        cx.cancelled = Some(&self.cancelled);
        cx.work_mem = self.work_mem.unwrap_or(self.meaning.work_mem);
        cx.limits = self.meaning.limits;
        std::mem::swap(&mut cx.memory, memory);
        let result = run(&mut cx);
        std::mem::swap(&mut cx.memory, memory);
        if result.is_err() {
            interrupt::leave(std::mem::take(memory));
        }
        result
    }
}
