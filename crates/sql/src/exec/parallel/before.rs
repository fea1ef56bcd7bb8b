//! Rows of a node that were read before it ran.
//!
//! Where a chain begins with few rows, and each of them makes its joins look up many, the few are read
//! by the statement's own thread, and workers take some of them each. So the node that gave them
//! must not run again: it finds here what it is to give.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::batch::{BATCH_ROWS, Batch};
use super::super::context::Context;
use super::super::spill::Charge;
use super::super::{Node, Operator};
use crate::error::{Error, Result};

/// What a node is to give: rows that are there, and what came after them.
pub(crate) struct ReadBefore {
    /// The place of the node.
    place: usize,
    batches: VecDeque<Batch>,
    end: End,
    /// What they take of memory, where that was not counted elsewhere.
    charge: Option<Charge>,
}

/// What comes after the rows.
enum End {
    Nothing,
    Run(Box<dyn Operator>),
    Failure(Error),
}

impl std::fmt::Debug for ReadBefore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadBefore").finish_non_exhaustive()
    }
}

/// The place of a node.
pub(in crate::exec) fn place_of<N: Node + ?Sized>(node: &Arc<N>) -> usize {
    Arc::as_ptr(node).addr()
}

impl ReadBefore {
    /// These rows, and no others.
    pub(super) fn of(place: usize, batches: impl IntoIterator<Item = Batch>) -> ReadBefore {
        ReadBefore {
            place,
            batches: batches.into_iter().collect(),
            end: End::Nothing,
            charge: None,
        }
    }

    /// Reads the rows of a node, up to about so many and as far as there is memory for them.
    pub(super) fn read(node: &Arc<dyn Node>, rows_max: usize, cx: &mut Context<'_>) -> ReadBefore {
        let mut run = node.clone().open();
        let mut charge = cx.pool().charge();
        let (mut batches, mut rows) = (VecDeque::new(), 0);
        let end = loop {
            match run.next(cx) {
                Ok(None) => break End::Nothing,
                Err(error) => break End::Failure(error),
                Ok(Some(batch)) => {
                    rows += batch.rows();
                    charge.add(batch.bytes());
                    batches.push_back(batch);
                    if rows >= rows_max || charge.is_over() {
                        break End::Run(run);
                    }
                }
            }
        };
        ReadBefore {
            place: place_of(node),
            batches,
            end,
            charge: Some(charge),
        }
    }

    /// Whether these are all rows of the node.
    pub(super) fn is_all(&self) -> bool {
        matches!(self.end, End::Nothing)
    }

    pub(super) fn rows(&self) -> usize {
        self.batches.iter().map(Batch::rows).sum()
    }

    /// Cuts the rows into parts of at most so many; and what they take of memory.
    pub(super) fn cut(self, rows: usize) -> (Vec<Batch>, Option<Charge>) {
        let mut parts = Vec::new();
        for batch in self.batches {
            let places: Vec<u32> = (0_u32..).take(batch.rows()).collect();
            let part = |places: &[u32]| Batch::of(batch.gathered(places), places.len());
            parts.extend(places.chunks(rows.clamp(1, BATCH_ROWS)).map(part));
        }
        (parts, self.charge)
    }

    /// What a node that begins to run is to give, if it was read before.
    pub(in crate::exec) fn take<N: Node + ?Sized>(
        node: &Arc<N>,
        cx: &mut Context<'_>,
    ) -> Option<Box<ReadBefore>> {
        let place = place_of(node);
        cx.memory.read.take_if(|read| read.place == place)
    }
}

impl Operator for ReadBefore {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if let Some(batch) = self.batches.pop_front() {
            return Ok(Some(batch));
        }
        match &mut self.end {
            End::Nothing => Ok(None),
            End::Run(run) => run.next(cx),
            End::Failure(error) => Err(error.clone()),
        }
    }
}
