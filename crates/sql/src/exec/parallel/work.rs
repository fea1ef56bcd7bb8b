//! What workers do with a part of a table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb_txn::{KeyRange, Transaction};
use rustdb_types::interrupt;
use rustdb_vfs::sync::Mutex;

use super::super::aggregate::{AggregateNode, begin, group_batch};
use super::super::batch::Batch;
use super::super::context::{Context, Part};
use super::super::groups::Groups;
use super::super::join_table::Table;
use super::super::spill::Charge;
use super::super::spilled_groups::bytes_of;
use super::super::{Node, Operator};
use super::before::ReadBefore;
use super::beside::Beside;
use super::crew::Given;
use crate::error::{Error, Result};

/// What becomes of the rows of a chain.
#[derive(Clone)]
pub(in crate::exec) enum Work {
    /// They are given as they are.
    Rows,
    /// They are grouped, as far as that makes fewer of them.
    Groups(Arc<AggregateNode>),
}

/// When there are so many groups they are given away, and new ones begun: their table stays in the
/// cache of a processor.
const GROUPS_MAX: usize = 1 << 13;

/// The same where they take so many bytes, however few they are.
const BYTES_MAX: usize = 4 << 20;

/// Groups that hold fewer rows than this on average are not worth it: rows are given as they are.
const ROWS_PER_GROUP: usize = 2;

/// What a worker takes at a time.
pub(super) enum Share {
    /// These keys of the table at the end of the chain.
    Range(KeyRange),
    /// These rows of one of the chain's nodes.
    Rows(Batch),
}

/// Which rows nobody wants: see [`Operator::restrict`].
#[derive(Clone, Debug)]
pub(super) struct Restriction {
    pub(super) places: Vec<usize>,
    pub(super) table: Arc<Table>,
}

impl Restriction {
    pub(super) fn apply(&self, run: &mut dyn Operator) {
        run.restrict(&self.places, &self.table);
    }
}

/// What the workers of a crew do.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) chain: Arc<dyn Node>,
    pub(super) restrictions: Vec<Restriction>,
    /// The place of the node that is read in parts.
    pub(super) place: usize,
    /// What the rows of that node take of memory, if they were read before.
    pub(super) _charge: Option<Charge>,
    pub(super) beside: Beside,
    /// A transaction for each worker.
    pub(super) readers: Mutex<Vec<Transaction>>,
    pub(super) stopped: Arc<AtomicBool>,
    pub(super) is_ungrouped: AtomicBool,
}

impl Job {
    /// Set when nobody wants any more.
    pub(super) fn stopped(&self) -> Arc<AtomicBool> {
        self.stopped.clone()
    }

    /// See [`super::Crew::ungrouped`].
    pub(super) fn ungrouped(&self) {
        self.is_ungrouped.store(true, Ordering::Relaxed);
    }

    /// Works on a part, until `give` says that nobody wants any more.
    pub(super) fn run(
        &self,
        number: usize,
        share: Share,
        give: &mut dyn FnMut(Result<Given>) -> bool,
    ) -> Result<()> {
        let reader = self.readers.lock().pop();
        let mut reader = reader.ok_or_else(|| Error::internal("a worker has no transaction"))?;
        let (range, rows) = match share {
            Share::Range(range) => (Some((self.place, range)), None),
            Share::Rows(rows) => (None, Some(ReadBefore::of(self.place, [rows]))),
        };
        let done = self.beside.within(&mut reader, &self.stopped, |cx| {
            cx.memory.part = Some(Box::new(Part { number, range }));
            cx.memory.read = rows.map(Box::new);
            self.run_chain(give, cx)
        });
        self.readers.lock().push(reader);
        done
    }

    fn run_chain(
        &self,
        give: &mut dyn FnMut(Result<Given>) -> bool,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        let mut run = self.chain.clone().open();
        for restriction in &self.restrictions {
            restriction.apply(&mut *run);
        }
        let mut partial = match &self.work {
            Work::Rows => None,
            Work::Groups(node) => Some(Partial {
                node,
                groups: none_of(node)?,
                rows: 0,
                bytes: 0,
            }),
        };
        while let Some(batch) = run.next(cx)? {
            let groups = match &mut partial {
                Some(partial) => partial.take(&batch, cx)?,
                None => {
                    if !give(Ok(Given::Rows(batch))) {
                        return Ok(());
                    }
                    continue;
                }
            };
            let Some((groups, is_worth_it)) = groups else {
                continue;
            };
            if !give(Ok(Given::Groups(Box::new(groups)))) {
                return Ok(());
            }
            if !is_worth_it || self.is_ungrouped.load(Ordering::Relaxed) {
                partial = None;
            }
        }
        if let Some(partial) = partial
            && partial.groups.len() > 0
        {
            give(Ok(Given::Groups(Box::new(partial.groups))));
        }
        interrupt::finish()?;
        Ok(())
    }
}

/// Groups of some rows of a part.
struct Partial<'n> {
    node: &'n Arc<AggregateNode>,
    groups: Groups,
    rows: usize,
    /// What the groups took when they came.
    bytes: usize,
}

/// The groups of no rows.
fn none_of(node: &AggregateNode) -> Result<Groups> {
    let mut groups = Groups::new(node);
    begin(node, &mut groups)?;
    Ok(groups)
}

impl Partial<'_> {
    /// Takes the rows of a batch. Once there are many groups these, and whether to go on.
    fn take(&mut self, batch: &Batch, cx: &mut Context<'_>) -> Result<Option<(Groups, bool)>> {
        let before = self.groups.len();
        group_batch(self.node, batch, &mut self.groups, cx)?;
        self.rows += batch.rows();
        self.bytes += bytes_of(&self.groups, before);
        if self.groups.len() < GROUPS_MAX && self.bytes < BYTES_MAX {
            return Ok(None);
        }
        let is_worth_it = self.rows >= self.groups.len() * ROWS_PER_GROUP;
        (self.rows, self.bytes) = (0, 0);
        let groups = std::mem::replace(&mut self.groups, none_of(self.node)?);
        Ok(Some((groups, is_worth_it)))
    }
}
