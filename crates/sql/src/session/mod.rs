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

mod append;
mod at_once;
mod brief;
mod constraints;
mod copy;
mod cursor;
mod definition;
mod explain;
mod figures;
mod flexible;
mod idle;
mod kept;
mod modes;
mod named;
mod planned;
mod prepared;
mod set;
mod tables;
mod tag;
mod transaction;
mod utility;
mod warnings;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb_catalog::{Catalog, CatalogChange, ChangeMark};
use rustdb_table::{Deferred, DeferredMark, Statement as TableStatement};
use rustdb_txn::{Access, Durability, IsolationLevel, Party, SavepointId, Transaction};
use rustdb_types::interrupt::{self, Watch};
use rustdb_types::{Settings, Type, Value};
use sqlparser::ast::Statement;

use crate::bind::{OutputColumn, SessionNames, Surroundings, new_name};
use crate::database::Database;
use crate::databases::Connected;
use crate::define::{Defined, Definer};
use crate::error::{Error, Result, SqlState};
use crate::exec::SessionState;
use crate::notice::Notice;
use crate::parameters::type_of;
use crate::parse::utility::transaction_modes;
use crate::parse::{is_deep, parse};
use crate::plan::Methods;
use crate::row_set::RowSet;

use crate::settings::{Parameters, Values};

pub use append::Append;
pub use copy::Files;
pub use cursor::Cursor;
pub(crate) use idle::IdleBlocks;
use kept::{Kept, Pattern};
use named::Named;
pub use prepared::Prepared;
use set::Meaning;
pub use tag::Tag;
use watch::SessionWatch;

/// What a statement gives.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The columns, if it gives rows.
    pub columns: Option<Arc<[OutputColumn]>>,
    /// The rows.
    pub rows: RowSet,
    /// What it did.
    pub tag: Tag,
    /// What it has to say besides.
    pub notices: Vec<Notice>,
}

/// A session. Not shared between threads; dropping it rolls back.
pub struct Session {
    database: Database,
    /// It stays there as long as the session.
    _connected: Connected,
    names: Arc<SessionNames>,
    settings: Arc<Settings>,
    state: State,
    /// Where the block or the session is, if its idle time is limited and no call runs.
    lent: Option<idle::Lent>,
    cancelled: Arc<AtomicBool>,
    /// Whether and when the running statement is to stop, for what knows no session.
    watch: Arc<SessionWatch>,
    /// The same, while no statement runs.
    spare_watch: Option<Arc<dyn Watch>>,
    /// Who waits and holds locks, in all of its transactions and besides.
    party: Party,
    durability: Durability,
    /// Ways to join that the planner may choose.
    methods: Methods,
    /// How much memory statements may hold, if not what the parameter says.
    work_mem: Option<usize>,
    /// What was set.
    parameters: Arc<Parameters>,
    /// What was set when the transaction began.
    before: Arc<Values>,
    /// Isolation of the last transaction, and whether it may write.
    modes: (IsolationLevel, Access),
    /// Whether its READ COMMITTED is called READ UNCOMMITTED.
    is_uncommitted: bool,
    /// Whether the last transaction is deferrable.
    is_deferrable: bool,
    /// What the parameters mean.
    meaning: Meaning,
    /// Statements with names.
    named: Named,
    /// What functions have it keep: values of sequences, advisory locks.
    kept_by_functions: Arc<SessionState>,
    /// Who opens the files that COPY names.
    files: Option<Arc<dyn Files>>,
    /// Statements that were run lately.
    kept: Kept,
    /// What the last statement that wrote had, for the next one.
    writing: Option<Box<Writing>>,
    /// Room for the values of parameters.
    values: Vec<Value>,
    /// Whether the statement that runs is looked at afterwards, in place of locks of its tables.
    is_unlocked: bool,
    /// The time at which the statement that runs was told to begin.
    told: Option<i64>,
    /// What failed statements have left behind, on its way out of memory.
    freeing: watch::Freeing,
}

enum State {
    Idle,
    Open(Box<Open>),
    /// A statement of a block has failed; what can be rolled back to is kept, if there is a
    /// savepoint.
    Failed(Option<Box<Open>>),
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
    /// Whether its snapshot was taken for the statement that comes next.
    is_fresh: bool,
    /// The version of the catalog when the snapshot was about to be taken.
    catalog_seen: u64,
    /// Whether it may write.
    access: Access,
    /// When it began, for the one statement that began it.
    began: Option<i64>,
}

/// A statement that writes into the tables of a catalog.
struct Writing {
    catalog: Arc<Catalog>,
    statement: TableStatement,
}

/// A moment to return to.
struct Savepoint {
    name: String,
    id: SavepointId,
    definitions: ChangeMark,
    deferred: DeferredMark,
    parameters: Arc<Values>,
    access: Access,
}

impl Session {
    pub(crate) fn new(database: Database, connected: Connected) -> Session {
        let temporary_schema = database.new_temporary_schema();
        let shared = &database.shared;
        let manager = &shared.manager;
        let cancelled: Arc<AtomicBool> = Arc::default();
        let party = manager.new_party(Arc::clone(&cancelled));
        let locks = manager.session_locks(&party);
        let activity = shared.connected.add(
            party.id(),
            shared.catalog.database(),
            connected.name.clone(),
            shared.host.clock(),
            Arc::clone(&cancelled),
        );
        let clock = manager.engine().vfs().clone();
        let watch = Arc::new(SessionWatch::new(Arc::clone(&cancelled), clock));
        Session {
            database,
            names: Arc::new(SessionNames {
                user: "rustdb".into(),
                database: connected.name.to_string(),
                path: vec!["$user".into(), "public".into()],
                temporary_schema: temporary_schema.clone(),
            }),
            settings: Arc::new(Settings::default()),
            state: State::Idle,
            lent: None,
            cancelled,
            watch,
            spare_watch: None,
            party,
            durability: Durability::Sync,
            methods: Methods::default(),
            work_mem: None,
            parameters: Arc::default(),
            before: Arc::default(),
            modes: (IsolationLevel::ReadCommitted, Access::ReadWrite),
            is_uncommitted: false,
            is_deferrable: false,
            meaning: Meaning::default(),
            named: Named::default(),
            kept_by_functions: Arc::new(SessionState::new(&temporary_schema, activity, locks)),
            files: None,
            kept: Kept::default(),
            writing: None,
            values: Vec::new(),
            is_unlocked: false,
            told: None,
            freeing: watch::Freeing::default(),
            _connected: connected,
        }
    }

    /// The name of its database.
    pub fn database_name(&self) -> &str {
        &self.names.database
    }

    /// How values are read and printed.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// How durable its commits are when they return.
    pub fn set_durability(&mut self, durability: Durability) {
        self.durability = durability;
    }

    /// Says which ways to join the planner may choose.
    pub fn set_join_methods(&mut self, methods: Methods) {
        self.methods = methods;
    }

    /// Says how much memory the operators of a statement may hold, in bytes, whatever `work_mem`
    /// is; with very little of it, nearly all of their rows are put aside.
    pub fn set_work_mem(&mut self, bytes: Option<usize>) {
        self.work_mem = bytes;
    }

    /// Set it to have the running statement stop.
    pub fn cancellation(&self) -> Arc<AtomicBool> {
        self.cancelled.clone()
    }

    /// Whether BEGIN was said, and not yet COMMIT or ROLLBACK.
    pub fn is_in_transaction(&self) -> bool {
        match &self.state {
            State::Idle => self.lent.is_some_and(|lent| lent.is_block),
            State::Open(open) => open.is_block,
            State::Failed(_) => true,
        }
    }

    /// Whether others may wait for what it does next: it is in a block, or holds advisory locks.
    pub fn holds_locks(&self) -> bool {
        self.is_in_transaction() || self.kept_by_functions.holds_locks()
    }

    /// Runs the statements of a text, with parameters if it is one statement.
    pub fn execute(&mut self, text: &str, parameters: &[Value]) -> Result<Vec<Answer>> {
        let mut answers = Vec::new();
        match self.execute_into(text, parameters, &mut answers) {
            Ok(()) => Ok(answers),
            Err(error) => {
                let notices = answers.into_iter().flat_map(|answer| answer.notices);
                Err(error.behind(notices.collect()))
            }
        }
    }

    /// As [`Session::execute`]; what statements before one that fails have given is in `answers`
    /// then, though a transaction that is theirs too is rolled back.
    pub fn execute_into(
        &mut self,
        text: &str,
        parameters: &[Value],
        answers: &mut Vec<Answer>,
    ) -> Result<()> {
        self.begin_statements()?;
        let types: Vec<Type> = parameters.iter().map(type_of).collect();
        // What is kept is not deep.
        let result = match self.kept.find(text, &types) {
            Some(prepared) => self.execute_kept(&prepared, text, parameters, answers),
            None => match is_deep(text) {
                Ok(false) => self.execute_text(text, &types, parameters, true, answers),
                Ok(true) => {
                    on_large_stack(|| self.execute_text(text, &types, parameters, false, answers))
                }
                Err(error) => Err(error),
            },
        };
        let result = result.map_err(|error| {
            self.fail();
            error.located(text)
        });
        self.tell_end();
        result
    }

    fn execute_kept(
        &mut self,
        prepared: &Prepared,
        text: &str,
        parameters: &[Value],
        answers: &mut Vec<Answer>,
    ) -> Result<()> {
        answers.push(self.lone_statement(prepared, text, parameters)?);
        self.end_implicit()
    }

    fn execute_text(
        &mut self,
        text: &str,
        types: &[Type],
        parameters: &[Value],
        is_worth_keeping: bool,
        answers: &mut Vec<Answer>,
    ) -> Result<()> {
        if is_worth_keeping
            && let Some(pattern) = Pattern::of(text)
            && let Some(prepared) = self.by_pattern(&pattern)?
        {
            let answer = self.lone_statement(&prepared, text, &pattern.values);
            answers.push(answer.map_err(|error| self.placed_in(error, text))?);
        } else {
            let mut statements: Vec<Prepared> = parse(text)?
                .into_iter()
                .map(|statement| Prepared::new(statement, types.to_vec()))
                .collect();
            let is_alone = statements.len() == 1;
            answers.reserve(statements.len());
            for prepared in statements.drain(..) {
                answers.push(self.statement(&prepared, text, parameters)?);
                if is_alone && prepared.is_good_again() && is_worth_keeping {
                    self.kept.keep(text, prepared);
                }
            }
        }
        self.end_implicit()
    }

    fn begin_statements(&mut self) -> Result<()> {
        self.cancelled.store(false, Ordering::Relaxed);
        self.is_unlocked = false;
        // What a cursor's functions had to say, if nobody has asked.
        self.kept_by_functions.take_notices();
        self.wake()
    }

    /// Runs a statement; `text` is what is told of it.
    fn statement(
        &mut self,
        prepared: &Prepared,
        text: &str,
        parameters: &[Value],
    ) -> Result<Answer> {
        self.apply_parameters()?;
        self.begin_time();
        let result = match self.at_once(prepared, parameters) {
            Ok(None) => {
                self.tell_begin(text);
                self.watched(|session| session.statement_of(prepared, parameters))
            }
            Ok(Some(answer)) => return Ok(answer),
            Err(error) => Err(error),
        };
        let notices = self.kept_by_functions.take_notices();
        match result {
            Ok(mut answer) => {
                answer.notices.extend(notices);
                if !answer.notices.is_empty() {
                    self.audible().retain(&mut answer.notices);
                }
                Ok(answer)
            }
            Err(error) => {
                let error = self.timed(error).behind(notices);
                Err(error.heard_by(self.audible()))
            }
        }
    }

    fn statement_of(&mut self, prepared: &Prepared, parameters: &[Value]) -> Result<Answer> {
        match prepared.statement() {
            Statement::StartTransaction {
                modes, begin: true, ..
            } => self.start_transaction("BEGIN", modes),
            Statement::StartTransaction { modes, .. } => {
                self.start_transaction("START TRANSACTION", modes)
            }
            Statement::Commit { chain: false, .. } => self.commit(),
            Statement::Commit { .. } => self.and_chain("COMMIT", Session::commit),
            Statement::Rollback {
                chain: true,
                savepoint: None,
            } => self.and_chain("ROLLBACK", Session::rollback),
            Statement::Rollback {
                chain: false,
                savepoint,
            } => match savepoint {
                None => self.rollback(),
                Some(name) => self.rollback_to(&new_name(name)?),
            },
            Statement::Savepoint { name } => self.savepoint(new_name(name)?),
            Statement::ReleaseSavepoint { name } => self.release(&new_name(name)?),
            Statement::Set(set) => self.set(set),
            Statement::ShowVariable { variable } => self.show(variable),
            Statement::Reset(reset) => self.reset(&reset.reset),
            Statement::Discard { object_type } => self.discard(*object_type),
            Statement::Deallocate { name, .. } => self.deallocate(name),
            Statement::Execute {
                name, parameters, ..
            } => {
                self.open_for_statement()?;
                let (prepared, values) = self.named_call(name.as_ref(), parameters)?;
                self.run_planned(&prepared, &values)
                    .map_err(Error::elsewhere)
            }
            other => {
                if let Some(modes) = transaction_modes(other)? {
                    return self.set_deferrable(&modes);
                }
                self.open_for_statement()?;
                match prepared.is_planned() {
                    true => self.run_planned(prepared, parameters),
                    false => self.run(other, prepared.types(), parameters),
                }
            }
        }
    }

    /// Runs a statement that has no plan.
    fn run(
        &mut self,
        statement: &Statement,
        types: &[Type],
        parameters: &[Value],
    ) -> Result<Answer> {
        self.refuse_if_read_only(statement)?;
        match statement {
            Statement::Explain {
                analyze,
                verbose,
                statement,
                format,
                options,
                query_plan: false,
                estimate: false,
                ..
            } => {
                let options = options.as_deref().unwrap_or_default();
                self.explain(
                    statement,
                    (*analyze, *verbose),
                    format.as_ref(),
                    options,
                    parameters,
                    types,
                )
            }
            Statement::Prepare {
                name,
                data_types,
                statement,
            } => self.prepare_named(name, data_types, statement),
            Statement::CreateTable(create) => match &create.query {
                Some(query) => self.create_table_as(create, query, types, parameters),
                None => self.define(|definer| definer.create_table(create)),
            },
            Statement::CreateIndex(create) if create.concurrently => {
                self.create_index_concurrently(create)
            }
            Statement::CreateIndex(create) => self.define(|definer| definer.create_index(create)),
            Statement::Analyze(analyze) => {
                let go_on = || interrupt::check().map_err(Error::from);
                self.define(|definer| definer.analyze(analyze, &go_on))
            }
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
            Statement::Load { .. }
            | Statement::CreateType { .. }
            | Statement::DropDomain(_)
            | Statement::Lock(_) => self.utility(statement),
            other => {
                let text = other.to_string();
                let words: Vec<&str> = text.split_whitespace().take(2).collect();
                Err(Error::unsupported(words.join(" ")))
            }
        }
    }

    fn define(
        &mut self,
        define: impl FnOnce(&mut Definer<'_>) -> Result<Defined>,
    ) -> Result<Answer> {
        let database = self.database.clone();
        let (settings, names) = (self.settings.clone(), self.names.clone());
        let wait = self.wait();
        let open = self.open()?;
        open.change.set_wait(wait);
        let catalog = open.change.view();
        let mut definer = Definer {
            around: Surroundings {
                parameters: None,
                settings: &settings,
                session: &names,
                database,
                catalog,
            },
            transaction: &mut open.transaction,
            change: &mut open.change,
            wait,
            creating: None,
            notices: Vec::new(),
        };
        let defined = define(&mut definer);
        let notices = definer.notices;
        let defined = match defined {
            Ok(defined) => defined,
            Err(error) => return Err(error.behind(notices)),
        };
        if let Some((table, is_dropped)) = defined.at_commit {
            self.kept_by_functions.note_at_commit(table, is_dropped);
        }
        Ok(Answer {
            tag: defined.tag.into(),
            notices,
            ..Answer::default()
        })
    }
}

fn done(tag: impl Into<Tag>) -> Answer {
    Answer {
        tag: tag.into(),
        ..Answer::default()
    }
}

/// Runs what is too deep for the stack at hand.
fn on_large_stack<T: Send>(body: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    rustdb_vfs::on_large_stack(body).unwrap_or_else(|error| {
        let message = format!("there is no thread for a deeply nested statement: {error}");
        Err(Error::new(SqlState::STATEMENT_TOO_COMPLEX, message))
    })
}
