//! Sessions: transactions, and statements one after the other.
//!
//! ```text
//! idle ──BEGIN──▶ in a transaction ──error──▶ failed
//!   ▲                │  ▲                       │
//!   └──COMMIT/ROLLBACK  └──ROLLBACK TO──────────┘
//! ```
//!
//! A statement outside of a transaction is one by itself. Several in one text are one transaction
//! too, unless they say otherwise.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustdb_catalog::{Catalog, CatalogChange, ChangeMark};
use rustdb_table::{Deferred, DeferredMark, Statement as TableStatement, Tables};
use rustdb_txn::{Access, Durability, IsolationLevel, ObjectMode, SavepointId, Transaction, Wait};
use rustdb_types::{Oid, Settings, Type, Value};
use sqlparser::ast;
use sqlparser::ast::Statement;

use crate::bind::{Binder, Bound, OutputColumn, SessionNames, Surroundings, Write, name_of};
use crate::database::{CatalogTables, Database};
use crate::define::{Defined, Definer};
use crate::error::{Error, Result, SqlState};
use crate::exec::{Context, Executable};
use crate::expr::ColumnId;
use crate::parameters::{converted, type_of};
use crate::parse::parse;
use crate::plan::improve;

/// What a statement gives.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The columns, if it gives rows.
    pub columns: Option<Vec<OutputColumn>>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
    /// What it did, as PostgreSQL says it: `INSERT 0 1`.
    pub tag: String,
    /// What it has to say besides.
    pub notices: Vec<String>,
}

/// A session. Not shared between threads; dropping it rolls back.
pub struct Session {
    database: Database,
    names: SessionNames,
    settings: Arc<Settings>,
    state: State,
    cancelled: Arc<AtomicBool>,
    durability: Durability,
}

enum State {
    Idle,
    Open(Box<Open>),
    /// A statement has failed; what can be rolled back to is kept.
    Failed(Box<Open>),
}

/// A transaction in progress.
struct Open {
    transaction: Transaction,
    change: CatalogChange,
    /// What is checked when the transaction ends.
    deferred: Deferred,
    savepoints: Vec<Savepoint>,
    /// Whether BEGIN began it.
    is_block: bool,
}

/// A moment to return to.
struct Savepoint {
    name: String,
    id: SavepointId,
    definitions: ChangeMark,
    deferred: DeferredMark,
}

impl Session {
    pub(crate) fn new(database: Database) -> Session {
        Session {
            database,
            names: SessionNames {
                user: "rustdb".into(),
                database: "rustdb".into(),
            },
            settings: Arc::new(Settings::default()),
            state: State::Idle,
            cancelled: Arc::default(),
            durability: Durability::Sync,
        }
    }

    /// How values are read and printed.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How durable its commits are when they return.
    pub fn set_durability(&mut self, durability: Durability) {
        self.durability = durability;
    }

    /// Set it to have the running statement stop.
    pub fn cancellation(&self) -> Arc<AtomicBool> {
        self.cancelled.clone()
    }

    /// Whether BEGIN was said, and not yet COMMIT or ROLLBACK.
    pub fn is_in_transaction(&self) -> bool {
        match &self.state {
            State::Idle => false,
            State::Open(open) | State::Failed(open) => open.is_block,
        }
    }

    /// Runs the statements of a text, with parameters if it is one statement.
    pub fn execute(&mut self, text: &str, parameters: &[Value]) -> Result<Vec<Answer>> {
        self.cancelled
            .store(false, std::sync::atomic::Ordering::Relaxed);
        let statements = match parse(text) {
            Ok(statements) => statements,
            Err(error) => {
                self.fail();
                return Err(error);
            }
        };
        let mut answers = Vec::with_capacity(statements.len());
        for statement in &statements {
            match self.statement(statement, parameters) {
                Ok(answer) => answers.push(answer),
                Err(error) => {
                    self.fail();
                    return Err(error);
                }
            }
        }
        self.end_implicit()?;
        Ok(answers)
    }

    // ------------------------------------------------------------------------ transactions

    /// After an error a block waits for ROLLBACK, and what was no block is gone.
    fn fail(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Idle) {
            State::Open(open) | State::Failed(open) if open.is_block => State::Failed(open),
            _ => State::Idle,
        };
    }

    fn end_implicit(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Open(open) if !open.is_block => self.commit_open(*open),
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    fn commit_open(&self, mut open: Open) -> Result<()> {
        let tables: Arc<dyn Tables> = Arc::new(CatalogTables {
            database: self.database.clone(),
            catalog: open.change.view(),
        });
        let (transaction, settings) = (&mut open.transaction, &self.settings);
        let deferred = &mut open.deferred;
        deferred.check(transaction, &tables, settings, Wait::Forever, true)?;
        match open.change.is_empty() {
            true => open.transaction.commit(self.durability)?,
            false => open.change.commit(open.transaction, self.durability)?,
        };
        Ok(())
    }

    fn begin(&mut self, isolation: IsolationLevel, access: Access) -> Result<Open> {
        let shared = &self.database.shared;
        let transaction = shared.manager.begin(isolation, access)?;
        Ok(Open {
            transaction,
            change: shared.catalog.begin_change(),
            deferred: Deferred::new(),
            savepoints: Vec::new(),
            is_block: false,
        })
    }

    /// The transaction that a statement runs in.
    fn open(&mut self) -> Result<&mut Open> {
        if let State::Idle = self.state {
            let open = self.begin(IsolationLevel::ReadCommitted, Access::ReadWrite)?;
            self.state = State::Open(Box::new(open));
        }
        match &mut self.state {
            State::Open(open) => Ok(open),
            State::Failed(_) => Err(failed()),
            State::Idle => Err(Error::internal("a transaction did not begin")),
        }
    }

    fn statement(&mut self, statement: &Statement, parameters: &[Value]) -> Result<Answer> {
        match statement {
            Statement::StartTransaction { modes, .. } => self.start(modes),
            Statement::Commit { chain: false, .. } => self.commit(),
            Statement::Rollback {
                chain: false,
                savepoint,
            } => match savepoint {
                None => self.rollback(),
                Some(name) => self.rollback_to(&name_of(name)),
            },
            Statement::Savepoint { name } => self.savepoint(name_of(name)),
            Statement::ReleaseSavepoint { name } => self.release(&name_of(name)),
            other => {
                let open = self.open()?;
                if open.transaction.isolation() == IsolationLevel::ReadCommitted {
                    open.transaction.refresh()?;
                }
                self.run(other, parameters)
            }
        }
    }

    fn start(&mut self, modes: &[ast::TransactionMode]) -> Result<Answer> {
        let mut isolation = IsolationLevel::ReadCommitted;
        let mut access = Access::ReadWrite;
        for mode in modes {
            match mode {
                ast::TransactionMode::IsolationLevel(level) => {
                    isolation = match level {
                        ast::TransactionIsolationLevel::Serializable => {
                            IsolationLevel::Serializable
                        }
                        ast::TransactionIsolationLevel::RepeatableRead
                        | ast::TransactionIsolationLevel::Snapshot => IsolationLevel::Snapshot,
                        _ => IsolationLevel::ReadCommitted,
                    };
                }
                ast::TransactionMode::AccessMode(ast::TransactionAccessMode::ReadOnly) => {
                    access = Access::ReadOnly;
                }
                ast::TransactionMode::AccessMode(ast::TransactionAccessMode::ReadWrite) => (),
            }
        }
        match &mut self.state {
            State::Failed(_) => return Err(failed()),
            State::Open(open) if open.is_block => {
                return Ok(noticed(
                    "BEGIN",
                    "there is already a transaction in progress",
                ));
            }
            // Statements before it in the same text belong to the block.
            State::Open(open) => open.is_block = true,
            State::Idle => {
                let mut open = self.begin(isolation, access)?;
                open.is_block = true;
                self.state = State::Open(Box::new(open));
            }
        }
        Ok(done("BEGIN"))
    }

    fn commit(&mut self) -> Result<Answer> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => Ok(noticed("COMMIT", "there is no transaction in progress")),
            State::Failed(_) => Ok(done("ROLLBACK")),
            State::Open(open) => {
                let is_block = open.is_block;
                self.commit_open(*open)?;
                Ok(match is_block {
                    true => done("COMMIT"),
                    false => noticed("COMMIT", "there is no transaction in progress"),
                })
            }
        }
    }

    fn rollback(&mut self) -> Result<Answer> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Open(open) | State::Failed(open) if open.is_block => Ok(done("ROLLBACK")),
            _ => Ok(noticed("ROLLBACK", "there is no transaction in progress")),
        }
    }

    fn savepoint(&mut self, name: String) -> Result<Answer> {
        let open = self.block("SAVEPOINT")?;
        let id = open.transaction.savepoint();
        open.savepoints.push(Savepoint {
            name,
            id,
            definitions: open.change.mark(),
            deferred: open.deferred.mark(),
        });
        Ok(done("SAVEPOINT"))
    }

    fn release(&mut self, name: &str) -> Result<Answer> {
        let open = self.block("RELEASE SAVEPOINT")?;
        let at = savepoint_named(open, name)?;
        open.transaction.release(open.savepoints[at].id)?;
        open.savepoints.truncate(at);
        Ok(done("RELEASE"))
    }

    fn rollback_to(&mut self, name: &str) -> Result<Answer> {
        let mut open = match std::mem::replace(&mut self.state, State::Idle) {
            State::Open(open) | State::Failed(open) if open.is_block => open,
            _ => {
                let message = "ROLLBACK TO SAVEPOINT can only be used in transaction blocks";
                return Err(Error::new(SqlState::NO_ACTIVE_TRANSACTION, message));
            }
        };
        let result = roll_back_to(&mut open, name);
        // An unknown name leaves a failed block failed: `fail` puts it there.
        self.state = State::Open(open);
        result.map(|()| done("ROLLBACK"))
    }

    fn block(&mut self, what: &str) -> Result<&mut Open> {
        match &mut self.state {
            State::Failed(_) => Err(failed()),
            State::Open(open) if open.is_block => Ok(open),
            _ => {
                let message = format!("{what} can only be used in transaction blocks");
                Err(Error::new(SqlState::NO_ACTIVE_TRANSACTION, message))
            }
        }
    }

    // -------------------------------------------------------------------------- statements

    fn run(&mut self, statement: &Statement, parameters: &[Value]) -> Result<Answer> {
        match statement {
            Statement::Query(query) => {
                let mode = ObjectMode::AccessShare;
                let bound = self.bound(mode, parameters, |binder| binder.statement_query(query))?;
                self.query(bound)
            }
            Statement::Insert(insert) => {
                let mode = ObjectMode::RowExclusive;
                let bound = self.bound(mode, parameters, |binder| binder.insert(insert))?;
                self.write(bound, "INSERT 0")
            }
            Statement::Update(update) => {
                let mode = ObjectMode::RowExclusive;
                let bound = self.bound(mode, parameters, |binder| binder.update(update))?;
                self.write(bound, "UPDATE")
            }
            Statement::Delete(delete) => {
                let mode = ObjectMode::RowExclusive;
                let bound = self.bound(mode, parameters, |binder| binder.delete(delete))?;
                self.write(bound, "DELETE")
            }
            Statement::CreateTable(create) => self.define(|definer| definer.create_table(create)),
            Statement::CreateIndex(create) => self.define(|definer| definer.create_index(create)),
            Statement::Truncate(truncate) => self.define(|definer| definer.truncate(truncate)),
            Statement::CreateView(create) => self.define(|definer| definer.create_view(create)),
            Statement::CreateSchema {
                schema_name,
                if_not_exists,
                ..
            } => self.define(|definer| definer.create_schema(schema_name, *if_not_exists)),
            Statement::Drop {
                object_type,
                if_exists,
                names,
                cascade,
                ..
            } => self.define(|definer| definer.drop(*object_type, *if_exists, names, *cascade)),
            other => {
                let text = other.to_string();
                let words: Vec<&str> = text.split_whitespace().take(2).collect();
                Err(Error::unsupported(words.join(" ")))
            }
        }
    }

    /// Binds a statement, locks the tables that it names, and binds it again if they were changed
    /// meanwhile.
    fn bound<T>(
        &mut self,
        mode: ObjectMode,
        parameters: &[Value],
        bind: impl Fn(&mut Binder<'_>) -> Result<T>,
    ) -> Result<Ready<T>> {
        let types: Vec<Type> = parameters.iter().map(type_of).collect();
        let database = self.database.clone();
        let (settings, names) = (self.settings.clone(), self.names.clone());
        let open = self.open()?;
        let mut locked: Vec<Oid> = Vec::new();
        loop {
            let catalog = open.change.view();
            let around = Surroundings {
                parameters: &types,
                settings: &settings,
                session: &names,
                database: database.clone(),
                catalog: catalog.clone(),
            };
            let mut binder = Binder::for_statement(&around);
            let bound = bind(&mut binder)?;
            let tables = binder.tables().to_vec();
            let fresh: Vec<Oid> = tables
                .iter()
                .filter(|table| !locked.contains(table))
                .copied()
                .collect();
            let wanted = binder.parameter_types()?;
            let ready = |statement: T, catalog: Arc<Catalog>| {
                Ok(Ready {
                    statement,
                    catalog,
                    parameters: converted(parameters, &wanted, &settings)?,
                })
            };
            if fresh.is_empty() {
                return ready(bound, catalog);
            }
            for table in &fresh {
                let number = rustdb_catalog::lock::object(*table);
                open.transaction.lock_object(number, mode, Wait::Forever)?;
            }
            let now = open.change.view();
            let is_same = |table: &Oid| match (catalog.table(*table), now.table(*table)) {
                (Some(then), Some(now)) => Arc::ptr_eq(then, now),
                _ => false,
            };
            if tables.iter().all(is_same) {
                return ready(bound, catalog);
            }
            locked.extend(fresh);
        }
    }

    fn query(&mut self, ready: Ready<Bound>) -> Result<Answer> {
        let Bound { plan, columns } = ready.statement;
        let ids: Vec<ColumnId> = columns.iter().map(|column| column.id).collect();
        let executable = Executable::new(&improve(plan), &ids)?;
        let mut rows = Vec::new();
        self.with_context(&ready.catalog, &ready.parameters, |cx| {
            let mut run = executable.start(cx);
            while let Some(batch) = run.next(cx)? {
                rows.extend(batch);
            }
            Ok(())
        })?;
        Ok(Answer {
            tag: format!("SELECT {}", rows.len()),
            columns: Some(columns),
            rows,
            notices: Vec::new(),
        })
    }

    fn write(&mut self, ready: Ready<Write>, word: &str) -> Result<Answer> {
        let mut write = ready.statement;
        write.source = improve(write.source);
        let (node, executable) = Executable::write(&write)?;
        let tables = Arc::new(CatalogTables {
            database: self.database.clone(),
            catalog: ready.catalog.clone(),
        });
        let settings = self.settings.clone();
        let mut statement = TableStatement::new(tables, settings, Wait::Forever);
        let written = self.with_context(&ready.catalog, &ready.parameters, |cx| {
            executable.prepare(cx);
            node.run(&mut statement, cx)
        })?;
        let open = self.open()?;
        statement.finish(&mut open.transaction, &mut open.deferred)?;
        let columns = write.returning.as_ref().map(|items| {
            let columns = items.iter().map(|(column, _)| column.clone());
            columns.collect::<Vec<_>>()
        });
        Ok(Answer {
            columns,
            rows: written.rows,
            tag: format!("{word} {}", written.count),
            notices: Vec::new(),
        })
    }

    fn with_context<T>(
        &mut self,
        catalog: &Arc<Catalog>,
        parameters: &[Value],
        run: impl FnOnce(&mut Context<'_>) -> Result<T>,
    ) -> Result<T> {
        let database = self.database.clone();
        let settings = self.settings.clone();
        let cancelled = self.cancelled.clone();
        let open = self.open()?;
        let mut cx = Context::new(&settings, &*database.shared.host, parameters);
        cx.transaction = Some(&mut open.transaction);
        cx.catalog = Some((catalog.clone(), &database.shared.catalog));
        cx.cancelled = Some(&cancelled);
        run(&mut cx)
    }

    fn define(
        &mut self,
        define: impl FnOnce(&mut Definer<'_>) -> Result<Defined>,
    ) -> Result<Answer> {
        let database = self.database.clone();
        let (settings, names) = (self.settings.clone(), self.names.clone());
        let open = self.open()?;
        let catalog = open.change.view();
        let mut definer = Definer {
            around: Surroundings {
                parameters: &[],
                settings: &settings,
                session: &names,
                database,
                catalog,
            },
            transaction: &mut open.transaction,
            change: &mut open.change,
        };
        let defined = define(&mut definer)?;
        Ok(Answer {
            tag: defined.tag.to_owned(),
            notices: defined.notice.into_iter().collect(),
            ..Answer::default()
        })
    }
}

/// A statement that is bound, whose tables are locked.
struct Ready<T> {
    statement: T,
    catalog: Arc<Catalog>,
    parameters: Vec<Value>,
}

fn roll_back_to(open: &mut Open, name: &str) -> Result<()> {
    let at = savepoint_named(open, name)?;
    let savepoint = &open.savepoints[at];
    open.transaction.rollback_to(savepoint.id)?;
    open.change.rollback_to(savepoint.definitions)?;
    open.deferred.rollback_to(&savepoint.deferred);
    open.savepoints.truncate(at + 1);
    Ok(())
}

fn savepoint_named(open: &Open, name: &str) -> Result<usize> {
    let found = open.savepoints.iter().rposition(|each| each.name == name);
    found.ok_or_else(|| {
        let message = format!("savepoint \"{name}\" does not exist");
        Error::new(SqlState::INVALID_SAVEPOINT, message)
    })
}

fn failed() -> Error {
    let message = "current transaction is aborted, commands ignored until end of transaction block";
    Error::new(SqlState::FAILED_TRANSACTION, message)
}

fn done(tag: &str) -> Answer {
    Answer {
        tag: tag.to_owned(),
        ..Answer::default()
    }
}

fn noticed(tag: &str, notice: &str) -> Answer {
    Answer {
        notices: vec![notice.to_owned()],
        ..done(tag)
    }
}
