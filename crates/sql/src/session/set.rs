//! SET, SHOW, RESET, DISCARD, and what the values mean for the session's statements.

use std::sync::Arc;
use std::time::Duration;

use rustdb_txn::{Access, Durability, IsolationLevel, Wait};
use rustdb_types::{
    ByteaOutput, DateOrder, DateStyle, IntervalStyle, Moment, Settings, Type, Value, Zone,
};
use sqlparser::ast;

use super::modes::{UNCOMMITTED, isolation_named, modes_of};
use super::warnings::block_only;
use super::{Answer, Session, State, done};
use crate::bind::{OutputColumn, SessionNames, name_of, words_of};
use crate::error::{Error, Result, SqlState};
use crate::exec::Limits;
use crate::expr::ColumnId;
use crate::plan::Methods;
use crate::settings::{Scope, WORK_MEM_DEFAULT, definitions, joined, names};

/// What the parameters mean, as of one of their versions.
#[derive(Debug)]
pub(super) struct Meaning {
    version: u64,
    /// The values that [`Settings`] were made of.
    settings: Vec<String>,
    path: String,
    statement_timeout: u64,
    lock_timeout: u64,
    /// Within a block, and outside of one.
    idle_timeouts: [u64; 2],
    is_asynchronous: bool,
    /// What a transaction is that nothing more is said about, if that was set.
    modes: Option<(IsolationLevel, Access)>,
    /// Whether that is called READ UNCOMMITTED.
    pub(super) is_uncommitted: bool,
    /// Whether it is deferrable.
    pub(super) is_deferrable: bool,
    /// When the statement that runs is to end.
    deadline: Option<Duration>,
    /// How much memory the operators of a statement may hold, in bytes.
    pub(super) work_mem: usize,
    /// Ways to join that are on.
    methods: Methods,
    /// How far statements may use other threads.
    pub(super) limits: Limits,
}

impl Default for Meaning {
    fn default() -> Meaning {
        Meaning {
            version: 0,
            settings: Vec::new(),
            path: String::new(),
            statement_timeout: 0,
            lock_timeout: 0,
            idle_timeouts: [0; 2],
            is_asynchronous: false,
            modes: None,
            is_uncommitted: false,
            is_deferrable: false,
            deadline: None,
            work_mem: WORK_MEM_DEFAULT,
            methods: Methods::default(),
            limits: Limits::default(),
        }
    }
}

/// The parameters that say how values are read and printed.
const OF_VALUES: [&str; 5] = [
    "timezone",
    "datestyle",
    "intervalstyle",
    "bytea_output",
    "extra_float_digits",
];

impl Session {
    /// What a parameter is, as SHOW has it.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters.get(name)
    }

    /// Works out what was set since the last statement.
    pub(super) fn apply_parameters(&mut self) -> Result<()> {
        let version = self.parameters.version();
        if version == self.meaning.version {
            return Ok(());
        }
        self.meaning.version = version;
        let values: Vec<String> = OF_VALUES
            .iter()
            .map(|name| self.parameters.get(name).unwrap_or_default())
            .collect();
        if values != self.meaning.settings {
            let now = self.settings.now.clone();
            self.settings = Arc::new(settings_of(&values, now)?);
            self.meaning.settings = values;
        }
        let path = self.parameters.get("search_path").unwrap_or_default();
        if path != self.meaning.path {
            self.names = Arc::new(SessionNames {
                path: names(&path),
                ..SessionNames::clone(&self.names)
            });
            self.meaning.path = path;
        }
        self.meaning.statement_timeout = self.parameters.timeout("statement_timeout");
        self.meaning.lock_timeout = self.parameters.timeout("lock_timeout");
        let idle = [
            "idle_in_transaction_session_timeout",
            "idle_session_timeout",
        ];
        self.meaning.idle_timeouts = idle.map(|name| self.parameters.timeout(name));
        self.meaning.methods = Methods {
            hash: self.parameters.is_on("enable_hashjoin"),
            nested: self.parameters.is_on("enable_nestloop"),
            merge: self.parameters.is_on("enable_mergejoin"),
        };
        self.meaning.work_mem = self.parameters.bytes("work_mem");
        self.meaning.limits = Limits {
            workers: self.parameters.number("max_parallel_workers_per_gather"),
            table_bytes: self.parameters.bytes("min_parallel_table_scan_size") as u64,
        };
        let commit = self.parameters.get("synchronous_commit");
        self.meaning.is_asynchronous = commit.as_deref() == Some("off");
        let isolation = self.parameters.get("default_transaction_isolation");
        self.meaning.is_uncommitted = isolation.as_deref() == Some(UNCOMMITTED);
        let isolation = isolation_named(isolation.as_deref().unwrap_or("read committed"))?;
        let access = match self.parameters.is_on("default_transaction_read_only") {
            true => Access::ReadOnly,
            false => Access::ReadWrite,
        };
        self.meaning.is_deferrable = self.parameters.is_on("default_transaction_deferrable");
        self.meaning.modes = Some((isolation, access));
        Ok(())
    }

    /// Ways to join that the planner may choose.
    pub(super) fn methods(&self) -> Methods {
        self.methods.and(self.meaning.methods)
    }

    /// How durable a commit is now.
    pub(super) fn commit_durability(&self) -> Durability {
        match (self.meaning.is_asynchronous, self.durability) {
            (true, Durability::Sync) => Durability::Buffered,
            (_, own) => own,
        }
    }

    // --------------------------------------------------------------------------- timeouts

    fn now(&self) -> Duration {
        self.database.shared.manager.engine().vfs().monotonic()
    }

    /// The time of a statement begins.
    pub(super) fn begin_time(&mut self) {
        let timeout = self.meaning.statement_timeout;
        let end = (timeout > 0).then(|| self.now() + Duration::from_millis(timeout));
        if self.meaning.deadline != end {
            self.watch.set_deadline(end);
        }
        self.meaning.deadline = end;
    }

    /// When the statement that runs is to end.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.meaning.deadline
    }

    /// How long a block, or else the session, may wait for the next call, if that is limited.
    pub(super) fn idle_limit(&self, is_block: bool) -> Option<Duration> {
        let [of_block, of_session] = self.meaning.idle_timeouts;
        let limit = if is_block { of_block } else { of_session };
        (limit > 0).then(|| Duration::from_millis(limit))
    }

    /// How long a statement waits for a lock.
    pub(super) fn wait(&self) -> Wait {
        let lock = self.meaning.lock_timeout;
        let lock = (lock > 0).then(|| Duration::from_millis(lock));
        let left = self
            .meaning
            .deadline
            .map(|end| end.saturating_sub(self.now()));
        match lock.into_iter().chain(left).min() {
            Some(time) => Wait::AtMost(time),
            None => Wait::Forever,
        }
    }

    /// An error that is told as what it comes from: a wait that ended with the statement's time.
    pub(super) fn timed(&self, error: Error) -> Error {
        let is_late = self.meaning.deadline.is_some_and(|end| self.now() >= end);
        match is_late && error.state() == SqlState::LOCK_NOT_AVAILABLE {
            true => crate::exec::timed_out(),
            false => error,
        }
    }

    // ------------------------------------------------------------------------- statements

    pub(super) fn set(&mut self, set: &ast::Set) -> Result<Answer> {
        match set {
            ast::Set::SingleAssignment {
                scope,
                hivevar: false,
                variable,
                values,
            } => {
                let name = words_of(variable)?.join(".");
                let name = if name == "timezone" {
                    "TimeZone".to_owned()
                } else {
                    name
                };
                self.set_values(&name, values, scope_of(scope.as_ref())?)
            }
            ast::Set::SetTimeZone { local, value } => {
                let scope = if *local { Scope::Local } else { Scope::Session };
                let is_local = word_of(value).is_some_and(|word| word == "local");
                match is_local {
                    true => self.assign("TimeZone", None, scope),
                    false => self.set_values("TimeZone", std::slice::from_ref(value), scope),
                }
            }
            ast::Set::SetNames {
                charset_name,
                collation_name: None,
            } => self.assign("client_encoding", Some(&charset_name.value), Scope::Session),
            ast::Set::SetNamesDefault {} => self.assign("client_encoding", None, Scope::Session),
            ast::Set::SetTransaction {
                modes,
                snapshot: None,
                session: true,
            } => self.set_characteristics(modes),
            ast::Set::SetTransaction {
                modes,
                snapshot: None,
                session: false,
            } => self.set_transaction(modes),
            other => Err(Error::unsupported(other)),
        }
    }

    fn set_values(&mut self, name: &str, values: &[ast::Expr], scope: Scope) -> Result<Answer> {
        if let [only] = values
            && word_of(only).is_some_and(|word| word == "default")
        {
            return self.assign(name, None, scope);
        }
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            texts.push(text_of(value)?);
        }
        let is_list = name.eq_ignore_ascii_case("search_path");
        if texts.len() > 1 && !is_list && !name.eq_ignore_ascii_case("datestyle") {
            let message = format!("SET {name} takes only one argument");
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        }
        let value = match is_list {
            true => joined(&texts),
            false => texts.join(", "),
        };
        self.assign(name, Some(&value), scope)
    }

    fn assign(&mut self, name: &str, value: Option<&str>, scope: Scope) -> Result<Answer> {
        if name.eq_ignore_ascii_case("transaction_isolation") {
            let level = value.unwrap_or("read committed").to_lowercase();
            self.change_transaction(Some(isolation_named(&level)?), None)?;
            self.is_uncommitted = level == UNCOMMITTED;
            self.note_modes();
            return Ok(done("SET"));
        }
        if name.eq_ignore_ascii_case("transaction_read_only") {
            let usual = self.default_modes().1;
            let access = match value {
                None => usual,
                Some(value) if self.parameters.is_yes(name, value)? => Access::ReadOnly,
                Some(_) => Access::ReadWrite,
            };
            self.change_transaction(None, Some(access))?;
            return Ok(done("SET"));
        }
        if name.eq_ignore_ascii_case("transaction_deferrable") {
            match value {
                Some(value) => self.change_deferrable(self.parameters.is_yes(name, value)?)?,
                // The default may come back at any time.
                None => {
                    self.is_deferrable = false;
                    self.note_modes();
                }
            }
            return Ok(done("SET"));
        }
        let is_local = scope == Scope::Local;
        if is_local && !self.is_in_transaction() {
            return Ok(block_only("SET", "SET LOCAL"));
        }
        // What is set is undone with the transaction.
        self.open()?;
        self.parameters.set(name, value, scope)?;
        Ok(done("SET"))
    }

    pub(super) fn reset(&mut self, reset: &ast::Reset) -> Result<Answer> {
        self.open()?;
        match reset {
            ast::Reset::ALL => self.parameters.reset_all(),
            // Nobody has become anybody else.
            ast::Reset::SessionAuthorization => (),
            ast::Reset::ConfigurationParameter(name) => {
                let name = words_of(name)?.join(".");
                if is_of_transaction(&name) {
                    return Ok(Answer {
                        tag: "RESET".into(),
                        ..self.assign(&name, None, Scope::Session)?
                    });
                }
                self.parameters.set(&name, None, Scope::Session)?;
            }
        }
        Ok(done("RESET"))
    }

    pub(super) fn show(&mut self, variable: &[ast::Ident]) -> Result<Answer> {
        self.open()?;
        let words: Vec<String> = variable.iter().map(name_of).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let name = match &words[..] {
            ["all"] => return Ok(self.show_all()),
            ["time", "zone"] => "TimeZone".to_owned(),
            ["transaction", "isolation", "level"] => "transaction_isolation".to_owned(),
            ["session", "authorization"] => "session_authorization".to_owned(),
            other => other.join("."),
        };
        let value = self.parameters.show(&name)?;
        let shown = crate::settings::definition(&name).map_or(name.as_str(), |it| it.name);
        Ok(Answer {
            columns: Some(Arc::from([column(shown, 1)])),
            rows: [vec![Value::text(&value)]].into_iter().collect(),
            ..done("SHOW")
        })
    }

    fn show_all(&self) -> Answer {
        let rows = definitions().iter().map(|definition| {
            let value = self.parameters.get(definition.name).unwrap_or_default();
            let cells = [definition.name, &value, definition.description];
            cells.map(Value::text).to_vec()
        });
        Answer {
            rows: rows.collect(),
            columns: Some(Arc::from([
                column("name", 1),
                column("setting", 2),
                column("description", 3),
            ])),
            ..done("SHOW")
        }
    }

    pub(super) fn discard(&mut self, what: ast::DiscardObject) -> Result<Answer> {
        match what {
            ast::DiscardObject::ALL => {
                if self.is_in_transaction() {
                    let message = "DISCARD ALL cannot run inside a transaction block";
                    return Err(Error::new(SqlState::ACTIVE_TRANSACTION, message));
                }
                self.forget_all();
                self.discard_temporary()?;
                Ok(done("DISCARD ALL"))
            }
            ast::DiscardObject::PLANS => {
                self.kept = super::Kept::default();
                Ok(done("DISCARD PLANS"))
            }
            ast::DiscardObject::SEQUENCES => {
                self.kept_by_functions.discard_sequences();
                Ok(done("DISCARD SEQUENCES"))
            }
            ast::DiscardObject::TEMP => self.discard_temporary(),
        }
    }

    /// Forgets all that sessions keep but temporary tables.
    pub(super) fn forget_all(&mut self) {
        self.parameters.reset_all();
        self.named.clear();
        self.kept = super::Kept::default();
        self.kept_by_functions.discard_sequences();
        self.kept_by_functions.unlock_all();
    }

    // ----------------------------------------------------------------------- transactions

    /// What a transaction is that nothing more is said about.
    pub(super) fn default_modes(&self) -> (IsolationLevel, Access) {
        let usual = (IsolationLevel::ReadCommitted, Access::ReadWrite);
        self.meaning.modes.unwrap_or(usual)
    }

    pub(super) fn set_characteristics(&mut self, modes: &[ast::TransactionMode]) -> Result<Answer> {
        self.open()?;
        for mode in modes {
            let (name, value) = match mode {
                ast::TransactionMode::IsolationLevel(level) => (
                    "default_transaction_isolation",
                    level.to_string().to_lowercase(),
                ),
                ast::TransactionMode::AccessMode(mode) => {
                    let is_read_only = *mode == ast::TransactionAccessMode::ReadOnly;
                    let value = if is_read_only { "on" } else { "off" };
                    ("default_transaction_read_only", value.to_owned())
                }
            };
            self.parameters.set(name, Some(&value), Scope::Session)?;
        }
        Ok(done("SET"))
    }

    pub(super) fn set_transaction(&mut self, modes: &[ast::TransactionMode]) -> Result<Answer> {
        if !self.is_in_transaction() {
            return Ok(block_only("SET", "SET TRANSACTION"));
        }
        let (isolation, access) = modes_of(modes)?;
        self.change_transaction(isolation, access)?;
        self.note_uncommitted(modes);
        Ok(done("SET"))
    }

    /// A transaction that has done nothing yet begins anew with other modes; any may end to write.
    pub(super) fn change_transaction(
        &mut self,
        isolation: Option<IsolationLevel>,
        access: Option<Access>,
    ) -> Result<()> {
        let open = self.open()?;
        let now = open.transaction.isolation();
        let was = open.access;
        let wanted = (isolation.unwrap_or(now), access.unwrap_or(was));
        if wanted == (now, was) {
            return Ok(());
        }
        if wanted == (now, Access::ReadOnly) {
            open.access = Access::ReadOnly;
            self.note_modes();
            return Ok(());
        }
        let is_nested = !open.savepoints.is_empty();
        let refused = match (wanted.0 == now, open.is_fresh, is_nested) {
            (_, true, false) => None,
            (false, false, _) => {
                Some("SET TRANSACTION ISOLATION LEVEL must be called before any query")
            }
            (false, true, true) => {
                Some("SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction")
            }
            (true, _, true) => {
                Some("cannot set transaction read-write mode inside a read-only transaction")
            }
            (true, false, false) => {
                Some("transaction read-write mode must be set before any query")
            }
        };
        if let Some(why) = refused {
            return Err(Error::new(SqlState::ACTIVE_TRANSACTION, why));
        }
        let is_block = open.is_block;
        let before = self.before.clone();
        let mut open = self.begin(wanted.0, wanted.1)?;
        open.is_block = is_block;
        self.before = before;
        self.state = State::Open(Box::new(open));
        Ok(())
    }
}

/// Whether a parameter tells of the transaction at hand.
fn is_of_transaction(name: &str) -> bool {
    crate::settings::default_of(&name.to_lowercase()).is_some()
}

fn scope_of(scope: Option<&ast::ContextModifier>) -> Result<Scope> {
    match scope {
        None | Some(ast::ContextModifier::Session) => Ok(Scope::Session),
        Some(ast::ContextModifier::Local) => Ok(Scope::Local),
        Some(ast::ContextModifier::Global) => Err(Error::unsupported("SET GLOBAL")),
    }
}

fn column(name: &str, number: u32) -> OutputColumn {
    OutputColumn {
        name: name.to_owned(),
        id: ColumnId(number),
        of: Type::TEXT,
    }
}

/// A single word, in lower case.
fn word_of(value: &ast::Expr) -> Option<String> {
    match value {
        ast::Expr::Identifier(word) if word.quote_style.is_none() => {
            Some(word.value.to_lowercase())
        }
        _ => None,
    }
}

/// A value as SET takes it.
fn text_of(value: &ast::Expr) -> Result<String> {
    let refused = || {
        let message = format!("syntax error at or near \"{value}\"");
        Error::new(SqlState::SYNTAX_ERROR, message)
    };
    Ok(match value {
        ast::Expr::Identifier(word) => name_of(word),
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(digits, _) => digits.clone(),
            ast::Value::Boolean(truth) => truth.to_string(),
            ast::Value::SingleQuotedString(text)
            | ast::Value::EscapedStringLiteral(text)
            | ast::Value::DoubleQuotedString(text) => text.clone(),
            ast::Value::DollarQuotedString(text) => text.value.clone(),
            _ => return Err(refused()),
        },
        ast::Expr::UnaryOp { op, expr } => match op {
            ast::UnaryOperator::Minus => format!("-{}", text_of(expr)?),
            ast::UnaryOperator::Plus => text_of(expr)?,
            _ => return Err(refused()),
        },
        // `SET TIME ZONE INTERVAL '+00:00' HOUR TO MINUTE`.
        ast::Expr::Interval(interval) => text_of(&interval.value)?,
        _ => return Err(refused()),
    })
}

/// How values are read and printed.
fn settings_of(values: &[String], now: Moment) -> Result<Settings> {
    let value = |at: usize| values.get(at).map_or("", String::as_str);
    let (style, order) = value(1).split_once(", ").unwrap_or(("ISO", "MDY"));
    Ok(Settings {
        zone: Zone::named(value(0))?,
        date_style: match style {
            "SQL" => DateStyle::Sql,
            "Postgres" => DateStyle::Postgres,
            "German" => DateStyle::German,
            _ => DateStyle::Iso,
        },
        date_order: match order {
            "DMY" => DateOrder::DayMonthYear,
            "YMD" => DateOrder::YearMonthDay,
            _ => DateOrder::MonthDayYear,
        },
        interval_style: match value(2) {
            "postgres_verbose" => IntervalStyle::PostgresVerbose,
            "sql_standard" => IntervalStyle::SqlStandard,
            "iso_8601" => IntervalStyle::Iso8601,
            _ => IntervalStyle::Postgres,
        },
        bytea_output: match value(3) {
            "escape" => ByteaOutput::Escape,
            _ => ByteaOutput::Hex,
        },
        extra_float_digits: value(4).parse().unwrap_or(1),
        now,
    })
}
