//! What a running statement has at hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustdb_catalog::{Catalog, CatalogStore};
use rustdb_txn::{KeyRange, Transaction, Wait};
use rustdb_types::function::{FunctionContext, Host};
use rustdb_types::{Settings, Value};
use rustdb_vfs::VfsRef;

use super::answers::Answers;
use super::join_table::Table;
use super::modify::Careful;
use super::parallel::{Limits, ReadBefore};
use super::session::SessionState;
use super::spill::{Kept, Pool};
use super::spilled_join::Begun;
use super::with::Shared;
use crate::bind::SessionNames;
use crate::error::{Error, Result, SqlState};
use crate::settings::Parameters;
use crate::system::Around;

/// A running statement's surroundings.
pub struct Context<'a> {
    /// How values are read and printed; when the transaction began.
    pub settings: &'a Settings,
    /// The clock, and chance.
    pub host: &'a dyn Host,
    /// When the statement began.
    pub statement_time: i64,
    /// `$1` and so on.
    pub parameters: &'a [Value],
    /// The transaction; stored expressions have none.
    pub(crate) transaction: Option<&'a mut Transaction>,
    /// The catalog as the statement sees it, and where sequences are.
    pub(crate) catalog: Option<(&'a Arc<Catalog>, &'a CatalogStore)>,
    /// In a worker, the catalog as the statement sees it.
    pub(crate) catalog_of_leader: Option<&'a Arc<Catalog>>,
    /// What the session is called by.
    pub(crate) names: Option<&'a SessionNames>,
    /// What the session has set.
    pub(crate) session_parameters: Option<&'a Parameters>,
    /// How long it waits for a lock.
    pub(crate) wait: Wait,
    /// When the statement is to end, by the clock of the files.
    pub(crate) deadline: Option<(&'a VfsRef, Duration)>,
    /// What the session keeps; stored expressions have none.
    pub(crate) session: Option<&'a SessionState>,
    /// Set when the statement is to stop.
    pub(crate) cancelled: Option<&'a AtomicBool>,
    /// How much memory its operators may hold.
    pub(crate) work_mem: usize,
    /// How far it may use other threads.
    pub(crate) limits: Limits,
    /// What the parts of the statement pass to each other.
    pub(crate) memory: Memory,
    /// What a statement keeps that must not see what it writes.
    pub(crate) careful: Option<Careful>,
}

/// What the parts of a running statement pass to each other.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Values of outer rows, for the plans of subqueries: each has places of its own.
    pub(crate) outer: Vec<Value>,
    /// Results of subqueries that do not depend on outer rows, by their number.
    pub(crate) results: Vec<Option<Value>>,
    /// Rows of such subqueries that are tested one by one.
    pub(crate) rows: Vec<Option<Arc<Kept>>>,
    /// In a worker, both for all threads of the statement.
    pub(crate) answers: Option<Arc<Answers>>,
    /// What named queries have given.
    pub(crate) shared: Vec<Option<Shared>>,
    /// What the operators hold, once one asked.
    pub(crate) pool: Option<Pool>,
    /// Tables of joins that were made before their operators ran, by the places of their nodes.
    pub(super) tables: Vec<(usize, Arc<Table>)>,
    /// The same for one that does not fit into memory.
    pub(super) begun: Option<Box<(usize, Begun)>>,
    /// In a worker, the part of the rows that it goes through.
    pub(crate) part: Option<Box<Part>>,
    /// Rows of a node that were read before it ran.
    pub(super) read: Option<Box<ReadBefore>>,
}

/// What a worker goes through: a part of what is shared among several.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Its number among the parts.
    pub(crate) number: usize,
    /// Of a table that is read in parts, the place of the scan's node, and the keys.
    pub(crate) range: Option<(usize, KeyRange)>,
}

impl<'a> Context<'a> {
    /// A statement that begins now, without a transaction.
    pub fn new(settings: &'a Settings, host: &'a dyn Host, parameters: &'a [Value]) -> Context<'a> {
        let mut cx = Context::timeless(settings, host, parameters);
        cx.statement_time = host.clock();
        cx
    }

    /// The same for expressions that do not ask for the time.
    pub(crate) fn timeless(
        settings: &'a Settings,
        host: &'a dyn Host,
        parameters: &'a [Value],
    ) -> Context<'a> {
        Context {
            settings,
            host,
            statement_time: 0,
            parameters,
            transaction: None,
            catalog: None,
            catalog_of_leader: None,
            names: None,
            session_parameters: None,
            wait: Wait::Forever,
            deadline: None,
            session: None,
            cancelled: None,
            work_mem: usize::MAX,
            limits: Limits::ONE_THREAD,
            memory: Memory::default(),
            careful: None,
        }
    }

    /// What functions see.
    pub(crate) fn functions(&self) -> FunctionContext<'a> {
        FunctionContext {
            settings: self.settings,
            statement_time: self.statement_time,
            host: self.host,
        }
    }

    /// What the system's catalogs are computed from.
    pub(crate) fn around(&self) -> Result<Around<'_>> {
        match (&self.catalog, self.names, self.session_parameters) {
            (Some((catalog, store)), Some(names), Some(parameters)) => Ok(Around {
                catalog,
                store,
                names,
                parameters,
                activity: self.session.map(|session| &**session.activity()),
            }),
            _ => Err(Error::internal("there is no catalog here")),
        }
    }

    /// The catalog as the statement sees it.
    pub(crate) fn catalog_seen(&self) -> Option<&Arc<Catalog>> {
        let own = self.catalog.map(|(catalog, _)| catalog);
        own.or(self.catalog_of_leader)
    }

    pub(crate) fn transaction(&self) -> Result<&Transaction> {
        let transaction = self.transaction.as_deref();
        transaction.ok_or_else(|| Error::internal("there is no transaction here"))
    }

    pub(crate) fn transaction_mut(&mut self) -> Result<&mut Transaction> {
        let transaction = self.transaction.as_deref_mut();
        transaction.ok_or_else(|| Error::internal("there is no transaction here"))
    }

    /// What the operators of the statement hold. Without a place to put rows aside there is no
    /// limit.
    pub(crate) fn pool(&mut self) -> Pool {
        if let Some(pool) = &self.memory.pool {
            return pool.clone();
        }
        let transaction = self.transaction.as_deref();
        let limit = match transaction.is_some_and(|it| it.engine().can_spill()) {
            true => self.work_mem,
            false => usize::MAX,
        };
        let budget = transaction.and_then(|it| it.engine().memory().budget());
        let pool = Pool::with_reserve(limit, self.work_mem, budget);
        self.memory.pool.insert(pool).clone()
    }

    /// 57014 once the statement was cancelled.
    pub(crate) fn check_cancelled(&self) -> Result<()> {
        if let Some((vfs, end)) = self.deadline
            && vfs.monotonic() >= end
        {
            return Err(timed_out());
        }
        match self.cancelled {
            Some(cancelled) => check_cancelled(cancelled),
            None => Ok(()),
        }
    }
}

/// What a statement fails with whose time is over.
pub(crate) fn timed_out() -> Error {
    let words = "canceling statement due to statement timeout";
    Error::new(SqlState::QUERY_CANCELED, words)
}

/// 57014 once the statement was cancelled.
pub(crate) fn check_cancelled(cancelled: &AtomicBool) -> Result<()> {
    match cancelled.load(Ordering::Relaxed) {
        true => Err(Error::new(
            SqlState::QUERY_CANCELED,
            "canceling statement due to user request",
        )),
        false => Ok(()),
    }
}
