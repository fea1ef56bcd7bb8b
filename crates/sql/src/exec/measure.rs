//! What a node did, for `EXPLAIN ANALYZE`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustdb_vfs::sync::Mutex;

use super::batch::Batch;
use super::context::Context;
use super::spill::Spent;
use super::{Node, Operator};
use crate::error::Result;
use crate::plan::Plan;

/// What a node of a plan did, over all its runs.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// How often it was run.
    pub(crate) loops: AtomicU64,
    /// How many rows it gave.
    pub(crate) rows: AtomicU64,
    /// How long it took, with what is below it, in microseconds.
    pub(crate) micros: AtomicU64,
    /// What its last run has spent.
    pub(crate) spent: Mutex<Option<Spent>>,
}

/// What the nodes of a plan did. A plan is known by its place in memory, so that it must not move
/// from when it is made ready until it is looked at.
#[derive(Debug, Default)]
pub(crate) struct Measures(HashMap<usize, Arc<Measured>>);

impl Measures {
    fn place(plan: &Plan) -> usize {
        std::ptr::from_ref(plan) as usize
    }

    /// What a node did.
    pub(crate) fn of(&self, plan: &Plan) -> Option<&Measured> {
        self.0
            .get(&Measures::place(plan))
            .map(|measured| &**measured)
    }

    /// The node of a plan, watched.
    pub(super) fn watched(&mut self, plan: &Plan, node: Arc<dyn Node>) -> Arc<dyn Node> {
        let measured = self.0.entry(Measures::place(plan)).or_default().clone();
        Arc::new(Watched { node, measured })
    }
}

#[derive(Debug)]
struct Watched {
    node: Arc<dyn Node>,
    measured: Arc<Measured>,
}

struct RunWatched {
    run: Box<dyn Operator>,
    measured: Arc<Measured>,
}

impl Node for Watched {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        self.measured.loops.fetch_add(1, Ordering::Relaxed);
        Box::new(RunWatched {
            run: self.node.clone().open(),
            measured: self.measured.clone(),
        })
    }
}

impl Operator for RunWatched {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let begin = cx.host.clock();
        let batch = self.run.next(cx);
        let spent = cx.host.clock().saturating_sub(begin);
        let spent = u64::try_from(spent).unwrap_or(0);
        self.measured.micros.fetch_add(spent, Ordering::Relaxed);
        if let Ok(Some(batch)) = &batch {
            let rows = batch.rows() as u64;
            self.measured.rows.fetch_add(rows, Ordering::Relaxed);
        }
        batch
    }

    fn spent(&self) -> Option<Spent> {
        self.run.spent()
    }
}

impl Drop for RunWatched {
    fn drop(&mut self) {
        if let Some(spent) = self.run.spent() {
            *self.measured.spent.lock() = Some(spent);
        }
    }
}
