//! Waiting: the ticket a waiter sleeps on, and the graph that shows when sleeping would be for
//! ever.
//!
//! # Deadlocks
//!
//! The graph has an edge from every waiting owner to those it waits for. An edge can only close
//! a circle at the moment an owner starts to wait: the edges of owners that wait already gain no
//! target but this owner (see the order rule of [`super::queue`]). So one search, at that moment,
//! from that owner, finds every deadlock, and the owner that would have closed the circle is the one
//! refused, unless its request can stand elsewhere in its queue.

use std::collections::HashMap;
use std::time::Duration;

use rustdb_vfs::sync::{Condvar, Mutex};

use super::table::Target;
use super::{LockError, OwnerId};

/// What a waiter sleeps on. Answered exactly once.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    answer: Mutex<Option<Result<(), LockError>>>,
    answered: Condvar,
}

impl Ticket {
    /// Ends the wait.
    pub(super) fn answer(&self, answer: Result<(), LockError>) {
        *self.answer.lock() = Some(answer);
        self.answered.notify_all();
    }

    /// The answer, if there is one.
    pub(super) fn poll(&self) -> Option<Result<(), LockError>> {
        self.answer.lock().clone()
    }

    /// Sleeps until there is an answer; `None` if `timeout` passed first.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> Option<Result<(), LockError>> {
        let mut answer = self.answer.lock();
        // The only notification is the answer, so a full timeout never starts twice.
        while answer.is_none() {
            match timeout {
                None => self.answered.wait(&mut answer),
                Some(limit) => {
                    if self.answered.wait_for(&mut answer, limit) {
                        break;
                    }
                }
            }
        }
        answer.clone()
    }
}

/// Who waits for whom, over all locks.
#[derive(Debug, Default)]
pub(super) struct WaitGraph {
    waiting: HashMap<OwnerId, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// The lock it waits for, for [`super::LockTable::cancel`].
    target: Target,
    blockers: Vec<OwnerId>,
}

impl WaitGraph {
    /// Notes that `owner` is about to wait for `blockers`.
    pub(super) fn start(&mut self, owner: OwnerId, target: Target, blockers: Vec<OwnerId>) {
        self.waiting.insert(owner, Waiting { target, blockers });
    }

    /// Whether `owner` could wait for `blockers`: not if one of them waits, directly or through
    /// others, for `owner`, as the wait would never end.
    pub(super) fn can_wait(&self, owner: OwnerId, blockers: &[OwnerId]) -> bool {
        !self.reaches(blockers, owner)
    }

    /// Notes that `owner` no longer waits.
    pub(super) fn end(&mut self, owner: OwnerId) {
        self.waiting.remove(&owner);
    }

    /// Replaces the set that a waiting owner waits for.
    pub(super) fn update(&mut self, owner: OwnerId, blockers: Vec<OwnerId>) {
        if let Some(waiting) = self.waiting.get_mut(&owner) {
            waiting.blockers = blockers;
        }
    }

    /// The lock `owner` waits for.
    pub(super) fn target(&self, owner: OwnerId) -> Option<Target> {
        self.waiting.get(&owner).map(|w| w.target.clone())
    }

    /// Whether a path leads from one of `from` to `to`.
    fn reaches(&self, from: &[OwnerId], to: OwnerId) -> bool {
        let mut pending: Vec<OwnerId> = from.to_vec();
        let mut seen = std::collections::HashSet::new();
        while let Some(owner) = pending.pop() {
            if owner == to {
                return true;
            }
            if let Some(waiting) = self.waiting.get(&owner)
                && seen.insert(owner)
            {
                pending.extend_from_slice(&waiting.blockers);
            }
        }
        false
    }
}
