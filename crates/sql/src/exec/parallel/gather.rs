//! Rows of a chain that several threads run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb_vfs::sync::Mutex;

use super::super::batch::Batch;
use super::super::context::Context;
use super::super::hash_join::{Built, build};
use super::super::measure::Measured;
use super::super::{Node, Operator};
use super::beside::Beside;
use super::work::{Job, Work};
use super::{Chain, Crew, Given};
use crate::error::{Error, Result};

/// The rows of a chain, in the order in which one thread would give them.
#[derive(Debug)]
pub(in crate::exec) struct Gather {
    pub(in crate::exec) input: Arc<dyn Node>,
    chain: Chain,
    /// Where the number of workers is noted.
    measured: Option<Arc<Measured>>,
}

struct RunGather {
    node: Arc<Gather>,
    run: Run,
}

enum Run {
    Start,
    /// In this thread.
    Here(Box<dyn Operator>),
    Crew(Crew),
}

/// A table is cut into no more parts.
const PARTS_MAX: u64 = 256;

/// The parts that the least table is cut into.
const PARTS_MIN: u64 = 8;

impl Gather {
    /// A gather over a node, if several threads can run it.
    pub(in crate::exec) fn over(
        input: &Arc<dyn Node>,
        measured: Option<Arc<Measured>>,
    ) -> Option<Arc<Gather>> {
        Some(Arc::new(Gather {
            measured,
            chain: Chain::of(input)?,
            input: input.clone(),
        }))
    }

    /// Lets workers begin; `None` if this statement has to run the chain in its own thread, or
    /// would gain nothing.
    pub(in crate::exec) fn start(&self, work: Work, cx: &mut Context<'_>) -> Result<Option<Crew>> {
        let Some(scan) = self.chain.scan.as_ref().filter(|_| cx.limits.workers >= 2) else {
            return Ok(None);
        };
        let part_bytes = (cx.limits.table_bytes / PARTS_MIN).max(1);
        let parts = scan.parts(part_bytes, PARTS_MAX, cx)?;
        let least = if part_bytes == 1 {
            2
        } else {
            PARTS_MIN as usize
        };
        if parts.len() < least || cx.transaction()?.reader().is_none() {
            return Ok(None);
        }
        let mut tables = Vec::with_capacity(self.chain.joins.len());
        for join in &self.chain.joins {
            let place = Arc::as_ptr(join).addr();
            match build(join, cx)? {
                Built::Table(table) => tables.push((place, table)),
                // It runs here, and takes what was begun.
                Built::Begun(begun) => {
                    cx.memory.tables = tables;
                    cx.memory.begun = Some(Box::new((place, begun)));
                    return Ok(None);
                }
            }
        }
        let workers = cx.limits.workers.min(parts.len());
        let transaction = cx.transaction()?;
        let vfs = transaction.engine().vfs().clone();
        let readers = (0..workers).map(|_| transaction.reader());
        let readers: Option<Vec<_>> = readers.collect();
        let readers = readers.ok_or_else(|| Error::internal("a reader is gone"))?;
        let job = Job {
            work,
            chain: self.input.clone(),
            scan: Arc::as_ptr(scan).addr(),
            beside: Beside::new(cx, &vfs, tables.clone()),
            readers: Mutex::new(readers),
            stopped: Arc::new(AtomicBool::new(false)),
            is_ungrouped: AtomicBool::new(false),
        };
        let crew = Crew::start(job, parts, workers, &vfs);
        match &crew {
            None => cx.memory.tables = tables,
            Some(crew) => {
                if let Some(measured) = &self.measured {
                    measured.workers.store(crew.workers(), Ordering::Relaxed);
                }
            }
        }
        Ok(crew)
    }
}

impl Node for Gather {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunGather {
            node: self,
            run: Run::Start,
        })
    }

    fn is_shareable(&self) -> bool {
        self.input.is_shareable()
    }
}

impl Operator for RunGather {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if let Run::Start = self.run {
            self.run = match self.node.start(Work::Rows, cx)? {
                Some(crew) => Run::Crew(crew),
                None => Run::Here(self.node.input.clone().open()),
            };
        }
        match &mut self.run {
            Run::Start => Ok(None),
            Run::Here(run) => run.next(cx),
            Run::Crew(crew) => match crew.next(cx)? {
                None => Ok(None),
                Some(Given::Rows(batch)) => Ok(Some(batch)),
                Some(Given::Groups(_)) => Err(Error::internal("groups where rows are wanted")),
            },
        }
    }
}
