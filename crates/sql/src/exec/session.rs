//! Functions that act on the session or the database: sequences, advisory locks.
//!
//! # Advisory locks
//!
//! One that is held to the end of a transaction is a lock of the transaction. One that is held by
//! the session survives its transactions. The lock table knows both as locks of one party, which
//! does not wait for itself, and keeps them apart when they are given back.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb_catalog::{Relation, Sequence};
use rustdb_txn::{AdvisoryKey, LockError, ObjectMode, SessionLocks, Wait};
use rustdb_types::{Oid, Value};
use rustdb_vfs::sync::Mutex;

use super::batch::Row;
use super::context::Context;
use super::evaluate::values;
use crate::error::{Error, Result, SqlState};
use crate::expr::{Expr, SessionFunction};
use crate::notice::Notice;
use crate::sessions::Activity;

/// What a session keeps from statement to statement, as functions see it.
pub(crate) struct SessionState {
    /// The schema of the session's temporary objects, if there are any.
    temporary_schema: String,
    /// What the session does, for others.
    activity: Arc<Activity>,
    inner: Mutex<State>,
    /// Advisory locks that outlive transactions.
    /// NB: one thread runs a session's statements, so that waiting with this held keeps nobody.
    locks: Mutex<SessionLocks>,
    /// What functions have to say besides what they give.
    notices: Mutex<Vec<Notice>>,
    /// Whether there are any: statements ask this.
    has_notices: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The value that each sequence gave last.
    current: HashMap<Oid, i64>,
    /// The sequence that gave a value last.
    last: Option<Oid>,
    /// Values taken ahead, by where the sequence's value is kept: the next, and how many.
    ahead: HashMap<Oid, (i64, u32)>,
    /// Temporary tables that lose their rows when a transaction commits, or are dropped then.
    at_commit: Vec<(Oid, bool)>,
}

impl fmt::Debug for SessionState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SessionState")
    }
}

impl SessionState {
    /// What a session begins with.
    pub(crate) fn new(
        temporary_schema: &str,
        activity: Arc<Activity>,
        locks: SessionLocks,
    ) -> SessionState {
        SessionState {
            temporary_schema: temporary_schema.to_owned(),
            activity,
            inner: Mutex::default(),
            locks: Mutex::new(locks),
            notices: Mutex::default(),
            has_notices: AtomicBool::new(false),
        }
    }

    /// What the session does.
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Tells the statement of a session to stop; whether there is such a session.
    fn cancel_other(&self, process: i64) -> bool {
        let all = self.activity.sessions();
        let found = all
            .iter()
            .find(|session| i64::from(session.process()) == process);
        if let Some(session) = found {
            session.cancel();
            return true;
        }
        self.warn(format!("PID {process} is not a PostgreSQL backend process"));
        false
    }

    /// Whether it holds advisory locks that outlive its transactions.
    pub(crate) fn holds_locks(&self) -> bool {
        !self.locks.lock().is_empty()
    }

    /// What functions had to say since this was asked last.
    pub(crate) fn take_notices(&self) -> Vec<Notice> {
        if !self.has_notices.load(Ordering::Relaxed) {
            return Vec::new();
        }
        self.has_notices.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.notices.lock())
    }

    fn warn(&self, message: String) {
        self.notices.lock().push(Notice::warning(message));
        self.has_notices.store(true, Ordering::Relaxed);
    }

    /// Forgets what sequences gave.
    pub(crate) fn discard_sequences(&self) {
        let mut state = self.inner.lock();
        state.current.clear();
        state.ahead.clear();
        state.last = None;
    }

    /// Gives back the advisory locks of the session.
    pub(crate) fn unlock_all(&self) {
        self.locks.lock().unlock_all();
    }

    /// Temporary tables for which something is done at a commit: whether they are dropped.
    pub(crate) fn at_commit(&self) -> Vec<(Oid, bool)> {
        self.inner.lock().at_commit.clone()
    }

    /// Notes a temporary table for which something is done at a commit.
    pub(crate) fn note_at_commit(&self, table: Oid, is_dropped: bool) {
        self.inner.lock().at_commit.push((table, is_dropped));
    }

    /// Forgets tables that are not there any more.
    pub(crate) fn forget_at_commit(&self, mut is_there: impl FnMut(Oid) -> bool) {
        self.inner
            .lock()
            .at_commit
            .retain(|(table, _)| is_there(*table));
    }

    fn note(&self, sequence: Oid, value: i64) {
        let mut state = self.inner.lock();
        state.current.insert(sequence, value);
        state.last = Some(sequence);
    }
}

/// Calls a function.
pub(super) fn call<R: Row + ?Sized>(
    function: SessionFunction,
    arguments: &[Expr],
    row: &R,
    cx: &mut Context<'_>,
) -> Result<Value> {
    use SessionFunction as F;
    let arguments = values(arguments, row, cx)?;
    if arguments.iter().any(Value::is_null) {
        return Ok(Value::Null);
    }
    Ok(match function {
        F::NextVal => {
            let sequence = cx.sequence(&arguments[0])?;
            Value::Int8(cx.next_value(sequence)?)
        }
        F::CurrVal => Value::Int8(cx.current_value(&arguments[0])?),
        F::LastVal => Value::Int8(cx.last_value()?),
        F::SetVal => {
            let value = arguments[1].as_integer().unwrap_or_default();
            let is_called = arguments
                .get(2)
                .is_none_or(|given| given.as_bool() == Some(true));
            cx.set_value(&arguments[0], value, is_called)?;
            Value::Int8(value)
        }
        F::SequenceState(part) => {
            let (last, is_called) = cx.sequence_state(&arguments[0])?;
            match part {
                0 => Value::Int8(last),
                1 => Value::Int8(0),
                _ => Value::Bool(is_called),
            }
        }
        F::Lock {
            mode,
            session,
            wait,
        } => {
            let key = cx.advisory_key(&arguments)?;
            let wait_for = if wait { cx.wait } else { Wait::No };
            let is_held = match session {
                true => cx.lock_session(key, mode, wait_for)?,
                false => cx.lock_transaction(key, mode, wait_for)?,
            };
            if wait {
                Value::Text("".into())
            } else {
                Value::Bool(is_held)
            }
        }
        F::Unlock(mode) => Value::Bool(cx.unlock(cx.advisory_key(&arguments)?, mode)?),
        F::UnlockAll => {
            cx.session()?.unlock_all();
            Value::Text("".into())
        }
        F::Sleep => {
            super::sleep::sleep(&arguments[0])?;
            Value::Text("".into())
        }
        F::Cancel => {
            let wanted = arguments[0].as_integer().unwrap_or_default();
            Value::Bool(cx.session()?.cancel_other(wanted))
        }
    })
}

impl Context<'_> {
    /// What an advisory lock is on. One number and two are different keys, and every database has
    /// its own.
    fn advisory_key(&self, arguments: &[Value]) -> Result<AdvisoryKey> {
        let integer = |value: &Value| value.as_integer().unwrap_or_default();
        let key = match arguments {
            [class, object] => {
                let (class, object) = (integer(class) as u32, integer(object) as u32);
                u64::from(class) << 32 | u64::from(object)
            }
            one => one.first().map_or(0, integer) as u64,
        };
        let (_, store) = self.catalog()?;
        Ok(AdvisoryKey {
            database: store.database().0,
            key,
            is_pair: arguments.len() == 2,
        })
    }

    fn session(&self) -> Result<&SessionState> {
        self.session
            .ok_or_else(|| Error::internal("there is no session here"))
    }

    /// The sequence that an argument names, by number or by name.
    fn sequence(&self, named: &Value) -> Result<Oid> {
        let text = match named {
            Value::Oid(oid) => return Ok(Oid(*oid)),
            Value::Text(text) => text.as_str(),
            _ => return Err(Error::internal("this names no sequence")),
        };
        if let Ok(number) = text.parse() {
            return Ok(Oid(number));
        }
        let (catalog, _) = self.catalog()?;
        let names = split_name(text)?;
        let found = match &names[..] {
            [name] => {
                let temporary = self.session.map(|session| &session.temporary_schema);
                let temporary = temporary.and_then(|name| catalog.schema_named(name));
                let rest = self
                    .names
                    .map_or(Vec::new(), |names| names.schemas(catalog));
                let mut path = temporary.map(|schema| schema.oid).into_iter().chain(rest);
                path.find_map(|schema| catalog.relation(schema, name))
            }
            [.., schema, name] => {
                let own = self
                    .session
                    .map(|session| session.temporary_schema.as_str());
                let schema = match own {
                    Some(own) if schema == "pg_temp" => own,
                    _ => schema,
                };
                let schema = catalog.schema_named(schema);
                schema.and_then(|schema| catalog.relation(schema.oid, name))
            }
            [] => None,
        };
        sequence_of(found, &names)
    }

    fn catalog(&self) -> Result<(&rustdb_catalog::Catalog, &rustdb_catalog::CatalogStore)> {
        match &self.catalog {
            Some((catalog, store)) => Ok((catalog, store)),
            None => Err(Error::internal("there are no sequences here")),
        }
    }

    fn descriptor(&self, oid: Oid) -> Result<&Sequence> {
        let (catalog, _) = self.catalog()?;
        match catalog.sequence(oid) {
            Some(sequence) => Ok(sequence),
            None => {
                let message = format!("could not open relation with OID {}", oid.0);
                Err(Error::new(SqlState::UNDEFINED_TABLE, message))
            }
        }
    }

    /// The next value of a sequence.
    pub(crate) fn next_value(&self, oid: Oid) -> Result<i64> {
        let sequence = self.descriptor(oid)?;
        let (_, store) = self.catalog()?;
        let sequences = store.sequences();
        let Some(session) = self.session else {
            return Ok(sequences.next(sequence)?);
        };
        if sequence.cache <= 1 {
            let value = sequences.next(sequence)?;
            session.note(oid, value);
            return Ok(value);
        }
        let ahead = session.inner.lock().ahead.remove(&sequence.storage);
        let (value, more) = match ahead {
            Some(ahead) => ahead,
            None => {
                let count = u32::try_from(sequence.cache).unwrap_or(u32::MAX);
                sequences.next_block(sequence, count)?
            }
        };
        if more > 1 {
            let next = (value.saturating_add(sequence.increment), more - 1);
            session.inner.lock().ahead.insert(sequence.storage, next);
        }
        session.note(oid, value);
        Ok(value)
    }

    fn current_value(&self, named: &Value) -> Result<i64> {
        let oid = self.sequence(named)?;
        let name = &self.descriptor(oid)?.name;
        let value = self.session()?.inner.lock().current.get(&oid).copied();
        value.ok_or_else(|| {
            let message =
                format!("currval of sequence \"{name}\" is not yet defined in this session");
            Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        })
    }

    fn last_value(&self) -> Result<i64> {
        let state = self.session()?.inner.lock();
        let value = state.last.and_then(|oid| state.current.get(&oid).copied());
        value.ok_or_else(|| {
            let message = "lastval is not yet defined in this session";
            Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        })
    }

    fn set_value(&self, named: &Value, value: i64, is_called: bool) -> Result<()> {
        let oid = self.sequence(named)?;
        let sequence = self.descriptor(oid)?;
        let (_, store) = self.catalog()?;
        store.sequences().set(sequence, value, is_called)?;
        let mut state = self.session()?.inner.lock();
        state.ahead.remove(&sequence.storage);
        if is_called {
            state.current.insert(oid, value);
        }
        Ok(())
    }

    fn sequence_state(&self, named: &Value) -> Result<(i64, bool)> {
        let sequence = self.descriptor(self.sequence(named)?)?;
        let (_, store) = self.catalog()?;
        Ok(store.sequences().state(sequence)?)
    }

    // ------------------------------------------------------------------------ advisory locks

    /// Locks to the end of the transaction; whether it is held.
    fn lock_transaction(&mut self, key: AdvisoryKey, mode: ObjectMode, wait: Wait) -> Result<bool> {
        granted(self.transaction_mut()?.lock_advisory(key, mode, wait))
    }

    /// Locks until it is given back; whether it is held.
    fn lock_session(&self, key: AdvisoryKey, mode: ObjectMode, wait: Wait) -> Result<bool> {
        let locked = self.session()?.locks.lock().lock(key, mode, wait);
        granted(locked.map_err(rustdb_txn::Error::Lock))
    }

    /// Gives back a lock of the session; whether it was held.
    fn unlock(&self, key: AdvisoryKey, mode: ObjectMode) -> Result<bool> {
        let session = self.session()?;
        let was_held = session.locks.lock().unlock(key, mode);
        if !was_held {
            session.warn(format!("you don't own a lock of type {mode:?}Lock"));
        }
        Ok(was_held)
    }
}

fn granted(result: rustdb_txn::Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(rustdb_txn::Error::Lock(LockError::NotAvailable)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The sequence among what a name may stand for.
pub(crate) fn sequence_of(found: Option<Relation>, names: &[String]) -> Result<Oid> {
    match found {
        Some(Relation::Sequence(sequence)) => Ok(sequence.oid),
        Some(_) => {
            let name = names.last().map_or("", String::as_str);
            let message = format!("\"{name}\" is not a sequence");
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
        }
        None => Err(crate::bind::missing_relation(names)),
    }
}

/// The parts of a name in a text: `public."My table"`.
pub(crate) fn split_name(text: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut name = String::new();
                let mut quoted = quoted;
                loop {
                    let Some((before, after)) = quoted.split_once('"') else {
                        return Err(bad_name());
                    };
                    name.push_str(before);
                    match after.strip_prefix('"') {
                        Some(more) => {
                            name.push('"');
                            quoted = more;
                        }
                        None => break (name, after),
                    }
                }
            }
            None => {
                let end = rest.find(['.', ' ']).unwrap_or(rest.len());
                (rest[..end].to_lowercase(), &rest[end..])
            }
        };
        if name.is_empty() {
            return Err(bad_name());
        }
        names.push(name);
        rest = after.trim();
        if rest.is_empty() {
            return Ok(names);
        }
        rest = rest.strip_prefix('.').ok_or_else(bad_name)?.trim();
    }
}

fn bad_name() -> Error {
    Error::new(SqlState::INVALID_NAME, "invalid name syntax")
}

/// A name as it has to be written: in quotes where it needs them.
pub(crate) fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$');
    match is_plain {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}
