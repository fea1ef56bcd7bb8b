//! Several threads for one query.
//!
//! ```text
//!                     ┌─ worker: scan of part 1 ─▶ filter ─▶ join ─┐ rows, or groups of them
//! parts of a table ───┼─ worker: scan of part 2 ─▶ filter ─▶ join ─┼─▶ in the order of the parts
//!                     └─ …                                         ┘
//! ```
//!
//! A [`Gather`] stands above a [chain](Chain) of nodes that goes down to the scan of a table: filters,
//! projections, and joins that pass the rows of the chain by what they have of the other side. The
//! key range of the table is cut into parts of about the same size, and each worker takes one part
//! after the other, opens the chain for it, and runs it to the end. What comes out is put in the order
//! of the parts, so that rows, groups and errors are those that one thread would give, in the same
//! order.
//!
//! Above a gather is what reads all rows before it gives one: groups, sorts, the hashed side of a
//! join. Workers never wait for whoever takes rows from a cursor; they would be missing elsewhere.
//!
//! If the table is small, or not read by a range of keys, but the chain looks up many rows for few, then
//! [the few are read before](before) and shared.
//!
//! Where an aggregate stands above, workers group what they have ([partial groups](work::Work)), as
//! far as states of groups merge exactly.
//!
//! A worker has a transaction of its own that reads at the snapshot of the statement's; so a
//! transaction that has written, or has to know what it read, keeps to one thread. Tables that joins
//! hash are made before, and shared. Expressions that draw numbers, ask the session, or read the
//! system's catalogs keep to one thread too, and so do small tables
//! (`min_parallel_table_scan_size`).
//!
//! There are at most `max_parallel_workers_per_gather` workers for a gather, and as many in the
//! process as it has processors; a query that finds none left runs in its own thread.

mod before;
mod beside;
mod crew;
mod gather;
mod work;

use std::sync::Arc;

use super::Node;
use super::hash_join::HashJoin;
use super::scan::ScanNode;
use crate::expr::Expr;

pub(crate) use before::ReadBefore;
pub(super) use before::place_of;
pub(crate) use beside::CrewWatch;
pub(super) use crew::{Crew, Given};
pub(super) use gather::Gather;
pub(super) use work::Work;

/// How far a statement may use other threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many workers a gather may have; none in a worker.
    pub(crate) workers: usize,
    /// The least size of a table whose scan is shared, in bytes.
    pub(crate) table_bytes: u64,
}

impl Default for Limits {
    /// What the parameters are if nobody sets them.
    fn default() -> Limits {
        Limits {
            workers: 8,
            table_bytes: 8 << 20,
        }
    }
}

impl Limits {
    /// Everything in one thread.
    pub(crate) const ONE_THREAD: Limits = Limits {
        workers: 0,
        table_bytes: u64::MAX,
    };
}

/// The nodes that a worker runs for a part of the rows.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// The scan at the end, if its range can be cut into parts.
    scan: Option<Arc<ScanNode>>,
    /// From the end up, the scan and the joins that look rows up: the rows of one below another can
    /// be read before, and be shared.
    steps: Vec<Arc<dyn Node>>,
    /// The joins on the way whose other side is hashed.
    joins: Vec<Arc<HashJoin>>,
    /// Rows that are equal in so many of the first columns of the table's key belong into one part.
    whole: usize,
}

impl Chain {
    /// The chain that begins with a node, if there is one.
    fn of(node: &Arc<dyn Node>) -> Option<Chain> {
        let mut chain = Chain::default();
        let is_one = node.clone().join_chain(&mut chain);
        (is_one && (chain.scan.is_some() || chain.steps.len() > 1)).then_some(chain)
    }

    /// The end of the chain, and whether its range can be cut.
    pub(super) fn end(&mut self, scan: Arc<ScanNode>, is_range: bool) {
        self.steps.push(scan.clone());
        self.scan = is_range.then_some(scan);
    }

    /// A join that looks up what goes with each row.
    pub(super) fn add_step(&mut self, join: Arc<dyn Node>) {
        self.steps.push(join);
    }

    /// Has parts not be cut between rows that are equal in so many of the first columns of the key.
    /// Whether the end of the chain can be cut so.
    pub(super) fn keep_whole(&mut self, columns: usize) -> bool {
        let is_scan = self.scan.is_some() && self.steps.len() == 1 && self.joins.is_empty();
        self.steps.clear();
        self.whole = columns;
        is_scan
    }

    /// A join whose right side is hashed before.
    pub(super) fn add_join(&mut self, join: Arc<HashJoin>) {
        self.joins.push(join);
    }
}

/// Whether any thread may evaluate the expressions: they depend on nothing but rows, parameters and
/// settings.
pub(super) fn are_shareable<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> bool {
    exprs.into_iter().all(|expr| {
        let mut is_shareable = !expr.is_volatile();
        expr.walk(&mut |part| {
            is_shareable &= match part {
                Expr::System(_) | Expr::NextValue(_) | Expr::Session(_) | Expr::Subquery(_) => {
                    false
                }
                Expr::Run(subplan) => subplan.is_shareable(),
                _ => true,
            };
        });
        is_shareable
    })
}
