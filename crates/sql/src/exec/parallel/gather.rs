//! Rows of a chain that several threads run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb_vfs::sync::Mutex;

use super::super::batch::Batch;
use super::super::context::Context;
use super::super::hash_join::{Built, build};
use super::super::join_table::Table;
use super::super::measure::Measured;
use super::super::spill::Charge;
use super::super::{Node, Operator};
use super::before::{ReadBefore, place_of};
use super::beside::Beside;
use super::work::{Job, Restriction, Share, Work};
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
    restrictions: Vec<Restriction>,
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

/// So few rows are not shared, whatever is looked up for them: that is done before a thread has begun.
const ROWS_MIN: usize = 256;

/// No more rows than this are read before.
const ROWS_MAX: usize = 1 << 16;

/// What is shared among workers.
struct Shares {
    /// The place of the node that is read in parts.
    place: usize,
    parts: Vec<Share>,
    charge: Option<Charge>,
}

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
        self.begin(work, Vec::new(), cx)
    }

    fn begin(
        &self,
        work: Work,
        restrictions: Vec<Restriction>,
        cx: &mut Context<'_>,
    ) -> Result<Option<Crew>> {
        if cx.limits.workers < 2 || cx.transaction()?.reader().is_none() {
            return Ok(None);
        }
        cx.memory.read = None;
        let shares = match self.parts_of_table(cx)? {
            None => self.parts_of_rows(cx),
            some => some,
        };
        let Some(shares) = shares else {
            return Ok(None);
        };
        let mut tables = Vec::with_capacity(self.chain.joins.len());
        for join in &self.chain.joins {
            let place = place_of(join);
            match build(join, cx)? {
                Built::Table(table) => tables.push((place, table)),
                // It runs here, and takes what was begun.
                Built::Begun(begun) => {
                    cx.memory.tables = tables;
                    cx.memory.begun = Some(Box::new((place, begun)));
                    cx.memory.read = shares.given_back();
                    return Ok(None);
                }
            }
        }
        let workers = cx.limits.workers.min(shares.parts.len());
        let transaction = cx.transaction()?;
        let vfs = transaction.engine().vfs().clone();
        let readers = (0..workers).map(|_| transaction.reader());
        let readers: Option<Vec<_>> = readers.collect();
        let readers = readers.ok_or_else(|| Error::internal("a reader is gone"))?;
        let job = Job {
            work,
            chain: self.input.clone(),
            restrictions,
            place: shares.place,
            _charge: shares.charge,
            beside: Beside::new(cx, &vfs, tables.clone()),
            readers: Mutex::new(readers),
            stopped: Arc::new(AtomicBool::new(false)),
            is_ungrouped: AtomicBool::new(false),
        };
        match Crew::start(job, shares.parts, workers, &vfs) {
            Err(parts) => {
                cx.memory.tables = tables;
                cx.memory.read = given_back(shares.place, parts);
                Ok(None)
            }
            Ok(crew) => {
                if let Some(measured) = &self.measured {
                    measured.workers.store(crew.workers(), Ordering::Relaxed);
                }
                Ok(Some(crew))
            }
        }
    }

    /// Parts of the table at the end of the chain, if it is large enough.
    fn parts_of_table(&self, cx: &mut Context<'_>) -> Result<Option<Shares>> {
        let Some(scan) = &self.chain.scan else {
            return Ok(None);
        };
        let part_bytes = (cx.limits.table_bytes / PARTS_MIN).max(1);
        let parts = scan.parts(part_bytes, PARTS_MAX, cx)?;
        let least = if part_bytes == 1 {
            2
        } else {
            PARTS_MIN as usize
        };
        let least = match self.chain.whole {
            0 => least,
            // Large groups are better shared.
            _ => least.max(parts.len() - parts.len() / 4),
        };
        let parts = scan.table.with_whole(parts, self.chain.whole);
        Ok((parts.len() >= least).then(|| Shares {
            place: place_of(scan),
            parts: parts.into_iter().map(Share::Range).collect(),
            charge: None,
        }))
    }

    /// Parts of the rows of the first node that gives enough of them, and not too many. Otherwise what
    /// was read is there when the chain runs.
    fn parts_of_rows(&self, cx: &mut Context<'_>) -> Option<Shares> {
        let least = match cx.limits.table_bytes {
            0 => 2,
            _ => ROWS_MIN,
        };
        let (_, below) = self.chain.steps.split_last()?;
        for step in below {
            let read = ReadBefore::read(step, ROWS_MAX, cx);
            let rows = read.rows();
            if read.is_all() && rows >= least {
                let (parts, charge) = read.cut(rows.div_ceil(PARTS_MAX as usize));
                return Some(Shares {
                    place: place_of(step),
                    parts: parts.into_iter().map(Share::Rows).collect(),
                    charge,
                });
            }
            let goes_on = read.is_all();
            cx.memory.read = Some(Box::new(read));
            if !goes_on {
                return None;
            }
        }
        None
    }
}

impl Shares {
    /// Rows that were read, for the node that gave them.
    fn given_back(self) -> Option<Box<ReadBefore>> {
        given_back(self.place, self.parts)
    }
}

fn given_back(place: usize, parts: Vec<Share>) -> Option<Box<ReadBefore>> {
    let rows = parts.into_iter().filter_map(|part| match part {
        Share::Range(_) => None,
        Share::Rows(rows) => Some(rows),
    });
    let mut rows = rows.peekable();
    rows.peek()?;
    Some(Box::new(ReadBefore::of(place, rows)))
}

impl Node for Gather {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunGather {
            node: self,
            run: Run::Start,
            restrictions: Vec::new(),
        })
    }

    fn is_shareable(&self) -> bool {
        self.input.is_shareable()
    }
}

impl Operator for RunGather {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if let Run::Start = self.run {
            let restrictions = std::mem::take(&mut self.restrictions);
            self.run = match self.node.begin(Work::Rows, restrictions.clone(), cx)? {
                Some(crew) => Run::Crew(crew),
                None => {
                    let mut run = self.node.input.clone().open();
                    for restriction in &restrictions {
                        restriction.apply(&mut *run);
                    }
                    Run::Here(run)
                }
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

    fn restrict(&mut self, places: &[usize], table: &Arc<Table>) {
        self.restrictions.push(Restriction {
            places: places.to_vec(),
            table: table.clone(),
        });
    }
}
