//! Waiting for those who hold a lock, without wanting it.
//!
//! CREATE INDEX CONCURRENTLY waits like this for writers who do not know the index yet: a request
//! for a lock would keep out those who come later, for as long as the oldest writer takes. An INSERT
//! that finds its key taken waits like this for a row that may be about to go.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::mode::Mode;
use super::queue::Waiter;
use super::table::{LockTable, Target};
use super::wait::Ticket;
use super::{LockError, Party, Term, Wait};

impl LockTable {
    /// Waits until those who hold something now, in a mode that conflicts with this one, have each
    /// given it back; nobody has to wait behind this, and nothing is held afterwards.
    pub(super) fn outlast(
        &self,
        party: &Party,
        target: &Target,
        mode: Mode,
        wait: Wait,
    ) -> Result<(), LockError> {
        while let Some(rows) = self.covers.in_the_way(party.id(), target, mode) {
            self.outlast(party, &self.rows(rows), mode, wait)?;
        }
        let ticket = Arc::new(Ticket::default());
        let waiter = Waiter {
            owner: party.id(),
            mode,
            term: Term::Transaction,
            ticket: ticket.clone(),
            outlasts: None,
        };
        let mut shard = self.shard(target);
        let Some(queue) = shard.get_mut(target) else {
            return Ok(());
        };
        self.reserve()?;
        let blockers = queue.outlast(waiter);
        let mut graph = self.graph.lock();
        let answer = match wait {
            _ if blockers.is_empty() => Ok(None),
            Wait::No => Err(LockError::NotAvailable),
            _ if !graph.can_wait(party.id(), &blockers) => Err(LockError::Deadlock),
            Wait::Forever => Ok(Some(None)),
            Wait::AtMost(limit) => Ok(Some(Some(limit))),
        };
        let timeout = match answer {
            Ok(Some(timeout)) => timeout,
            answer => {
                queue.withdraw(party.id());
                self.unreserve();
                return answer.map(|_| ());
            }
        };
        graph.start(party.id(), target.clone(), blockers);
        drop(graph);
        drop(shard);
        self.counters.waits.fetch_add(1, Ordering::Relaxed);
        self.wait(party, target, &ticket, timeout)
    }
}
