//! What a worker has at hand: copies of what the statement's own thread has.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustdb_catalog::Catalog;
use rustdb_txn::Transaction;
use rustdb_types::function::{Host, Random};
use rustdb_types::interrupt::Watch;
use rustdb_types::{Settings, Value};
use rustdb_vfs::VfsRef;

use super::super::answers::Answers;
use super::super::context::{Context, check_cancelled};
use super::super::join_table::Table;
use super::super::spill::Pool;

/// The surroundings of a statement, for other threads.
#[derive(Clone, Debug)]
pub(super) struct Beside {
    settings: Settings,
    clock: Clock,
    statement_time: i64,
    parameters: Vec<Value>,
    catalog: Option<Arc<Catalog>>,
    work_mem: usize,
    pool: Pool,
    outer: Vec<Value>,
    /// Results of subqueries, for all threads.
    answers: Arc<Answers>,
    /// The tables of joins, by the places of their nodes.
    tables: Vec<(usize, Arc<Table>)>,
}

impl Beside {
    pub(super) fn new(
        cx: &mut Context<'_>,
        vfs: &VfsRef,
        tables: Vec<(usize, Arc<Table>)>,
    ) -> Beside {
        Beside {
            settings: cx.settings.clone(),
            clock: Clock {
                vfs: vfs.clone(),
                then: (cx.host.clock(), vfs.monotonic()),
            },
            statement_time: cx.statement_time,
            parameters: cx.parameters.to_vec(),
            catalog: cx.catalog_seen().cloned(),
            work_mem: cx.work_mem,
            pool: cx.pool(),
            outer: cx.memory.outer.clone(),
            answers: Answers::of(&cx.memory),
            tables,
        }
    }

    /// Does something in these surroundings.
    pub(super) fn within<T>(
        &self,
        transaction: &mut Transaction,
        stopped: &AtomicBool,
        body: impl FnOnce(&mut Context<'_>) -> T,
    ) -> T {
        let mut cx = Context::timeless(&self.settings, &self.clock, &self.parameters);
        cx.statement_time = self.statement_time;
        cx.transaction = Some(transaction);
        cx.catalog_of_leader = self.catalog.as_ref();
        cx.cancelled = Some(stopped);
        cx.work_mem = self.work_mem;
        cx.memory.outer = self.outer.clone();
        cx.memory.results = vec![None; self.answers.len()];
        cx.memory.rows = vec![None; self.answers.len()];
        cx.memory.answers = Some(self.answers.clone());
        cx.memory.pool = Some(self.pool.clone());
        cx.memory.tables = self.tables.clone();
        body(&mut cx)
    }
}

/// A clock, and no chance: what workers evaluate does not ask for it.
#[derive(Clone, Debug)]
struct Clock {
    vfs: VfsRef,
    /// The time at a moment of the files' clock.
    then: (i64, Duration),
}

impl Host for Clock {
    fn clock(&self) -> i64 {
        let (time, moment) = self.then;
        let since = self.vfs.monotonic().saturating_sub(moment).as_micros();
        time.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }

    fn random_bytes(&self, out: &mut [u8]) {
        out.fill(0);
    }

    fn random(&self) -> f64 {
        0.0
    }

    fn set_seed(&self, _: Random) {}
}

/// Stops the worker's long evaluations.
pub(crate) struct CrewWatch(pub(crate) Arc<AtomicBool>);

impl Watch for CrewWatch {
    fn ask(&self) -> rustdb_types::Result<()> {
        check_cancelled(&self.0)
            .map_err(|error| rustdb_types::Error::new(error.state(), error.message()))
    }
}
