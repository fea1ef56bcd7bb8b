//! What a node did, for `EXPLAIN ANALYZE`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustdb_vfs::sync::Mutex;

use super::batch::Batch;
use super::context::Context;
use super::join_table::Table;
use super::parallel::Chain;
use super::spill::Spent;
use super::{Node, Operator};
use crate::error::Result;
use crate::expr::{ColumnId, Subquery};
use crate::plan::Plan;

/// What a node of a plan did, over all its runs.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// How often it was run.
    pub(crate) loops: AtomicU64,
    /// How many rows it gave.
    pub(crate) rows: AtomicU64,
    /// How long it took, with what is below it, in microseconds: of several threads together.
    pub(crate) micros: AtomicU64,
    /// How many workers ran it; 0 if it was run by the statement's own thread.
    pub(crate) workers: AtomicU64,
    /// What its last run has spent.
    pub(crate) spent: Mutex<Option<Spent>>,
}

/// What the nodes of a plan did.
///
/// A node is known by its place in memory, so that the plan must not move from when it is made
/// ready until it is looked at. Expressions are copied on the way, and the plans of the subqueries
/// within them too: their nodes are known by the columns of the subquery, which no other has, and
/// their number in its plan. Whoever comes to a subquery [enters](Measures::enter) it first.
#[derive(Debug, Default)]
pub(crate) struct Measures {
    measured: HashMap<NodeKey, Arc<Measured>>,
    /// The nodes of subqueries that were entered, by their places: those of one copy.
    entered: RefCell<HashMap<usize, NodeKey>>,
}

/// What a node is known by.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum NodeKey {
    Place(usize),
    OfSubquery(Vec<ColumnId>, usize),
}

impl Measures {
    fn place(plan: &Plan) -> usize {
        std::ptr::from_ref(plan) as usize
    }

    fn key(&self, plan: &Plan) -> NodeKey {
        let place = Measures::place(plan);
        let known = self.entered.borrow().get(&place).cloned();
        known.unwrap_or(NodeKey::Place(place))
    }

    /// Makes the nodes of a copy of a subquery known.
    pub(crate) fn enter(&self, subquery: &Subquery) {
        let mut entered = self.entered.borrow_mut();
        let mut number = 0;
        subquery.plan.for_each_plan(&mut |plan| {
            let key = NodeKey::OfSubquery(subquery.columns.clone(), number);
            entered.insert(Measures::place(plan), key);
            number += 1;
        });
    }

    /// What a node did.
    pub(crate) fn of(&self, plan: &Plan) -> Option<&Measured> {
        let measured = self.measured.get(&self.key(plan));
        measured.map(|measured| &**measured)
    }

    /// Where it is noted what a node did.
    pub(super) fn noted(&mut self, plan: &Plan) -> Arc<Measured> {
        self.measured.entry(self.key(plan)).or_default().clone()
    }

    /// The node of a plan, watched.
    pub(super) fn watched(&mut self, plan: &Plan, node: Arc<dyn Node>) -> Arc<dyn Node> {
        let measured = self.noted(plan);
        Arc::new(Watched {
            node,
            measured,
            is_in_chain: AtomicBool::new(false),
        })
    }
}

#[derive(Debug)]
struct Watched {
    node: Arc<dyn Node>,
    measured: Arc<Measured>,
    /// Whether workers run it, once for each of their parts.
    is_in_chain: AtomicBool,
}

struct RunWatched {
    run: Box<dyn Operator>,
    node: Arc<Watched>,
    is_counted: bool,
}

impl Node for Watched {
    fn join_chain(self: Arc<Self>, chain: &mut Chain) -> bool {
        self.is_in_chain.store(true, Ordering::Relaxed);
        self.node.clone().join_chain(chain)
    }

    fn is_shareable(&self) -> bool {
        self.node.is_shareable()
    }

    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunWatched {
            run: self.node.clone().open(),
            node: self,
            is_counted: false,
        })
    }
}

impl Operator for RunWatched {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let measured = &self.node.measured;
        if !std::mem::replace(&mut self.is_counted, true) {
            // The parts of a table together are one run.
            let part = cx.memory.part.as_ref().map_or(0, |part| part.number);
            let is_first = part == 0 || !self.node.is_in_chain.load(Ordering::Relaxed);
            measured
                .loops
                .fetch_add(u64::from(is_first), Ordering::Relaxed);
        }
        let begin = cx.host.clock();
        let batch = self.run.next(cx);
        let spent = cx.host.clock().saturating_sub(begin);
        let spent = u64::try_from(spent).unwrap_or(0);
        measured.micros.fetch_add(spent, Ordering::Relaxed);
        if let Ok(Some(batch)) = &batch {
            let rows = batch.rows() as u64;
            measured.rows.fetch_add(rows, Ordering::Relaxed);
        }
        batch
    }

    fn restrict(&mut self, places: &[usize], table: &Arc<Table>) {
        self.run.restrict(places, table);
    }

    fn spent(&self) -> Option<Spent> {
        self.run.spent()
    }
}

impl Drop for RunWatched {
    fn drop(&mut self) {
        if let Some(spent) = self.run.spent() {
            *self.node.measured.spent.lock() = Some(spent);
        }
    }
}
