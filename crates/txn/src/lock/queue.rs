//! One lock: who holds it, who waits for it, who is next. Pure rules, no waiting.
//!
//! # Order
//!
//! First come, first served: a request is granted at once only if it fits beside every other
//! holder *and* beside every request that waits before it, so that a stream of readers cannot
//! starve a writer. A holder that asks for more (an upgrade) goes before the first waiter that
//! its present hold blocks: that waiter cannot move until the holder is done anyway, and queueing
//! behind it would be a deadlock made by the queue.

use std::collections::VecDeque;
use std::sync::Arc;

use super::mode::{Mode, ModeSet};
use super::wait::Ticket;
use super::{OwnerId, Term};

/// The state of one locked row or object.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// One element per owner; its modes are never none.
    holders: Holders,
    /// In the order in which they will be granted.
    waiters: VecDeque<Waiter>,
}

/// Mostly there is one.
#[derive(Debug, Default)]
enum Holders {
    #[default]
    Nobody,
    One([Holder; 1]),
    Several(Vec<Holder>),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    pub(super) owner: OwnerId,
    /// What is held for each [`Term`], in their order.
    terms: [ModeSet; 2],
}

impl Holder {
    /// What is held for either term.
    pub(super) fn modes(&self) -> ModeSet {
        self.terms[0] | self.terms[1]
    }
}

#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) owner: OwnerId,
    pub(super) mode: Mode,
    pub(super) term: Term,
    pub(super) ticket: Arc<Ticket>,
}

impl Holders {
    fn all(&self) -> &[Holder] {
        match self {
            Holders::Nobody => &[],
            Holders::One(one) => one,
            Holders::Several(several) => several,
        }
    }

    fn all_mut(&mut self) -> &mut [Holder] {
        match self {
            Holders::Nobody => &mut [],
            Holders::One(one) => one,
            Holders::Several(several) => several,
        }
    }

    fn push(&mut self, holder: Holder) {
        match self {
            Holders::Nobody => *self = Holders::One([holder]),
            Holders::One([first]) => *self = Holders::Several(vec![*first, holder]),
            Holders::Several(several) => several.push(holder),
        }
    }

    fn swap_remove(&mut self, at: usize) {
        match self {
            Holders::Nobody => {}
            Holders::One(_) => *self = Holders::Nobody,
            Holders::Several(several) => {
                several.swap_remove(at);
            }
        }
    }
}

impl Queue {
    /// Whether nobody holds or wants the lock, so that it can be forgotten.
    pub(super) fn is_idle(&self) -> bool {
        self.holders.all().is_empty() && self.waiters.is_empty()
    }

    pub(super) fn has_waiters(&self) -> bool {
        !self.waiters.is_empty()
    }

    pub(super) fn holders(&self) -> &[Holder] {
        self.holders.all()
    }

    pub(super) fn waiters(&self) -> impl Iterator<Item = &Waiter> {
        self.waiters.iter()
    }

    /// The modes `owner` holds.
    pub(super) fn held_by(&self, owner: OwnerId) -> ModeSet {
        self.holders()
            .iter()
            .find(|h| h.owner == owner)
            .map_or(0, Holder::modes)
    }

    /// The modes `owner` holds for `term`.
    pub(super) fn held_for(&self, owner: OwnerId, term: Term) -> ModeSet {
        self.holders()
            .iter()
            .find(|h| h.owner == owner)
            .map_or(0, |h| h.terms[term as usize])
    }

    /// Whether anyone but `owner` holds the lock, in any mode.
    pub(super) fn is_held_by_other(&self, owner: OwnerId) -> bool {
        self.holders().iter().any(|h| h.owner != owner)
    }

    /// Grants `mode` to `owner` if its turn is now; returns whether it did.
    pub(super) fn try_grant(&mut self, owner: OwnerId, mode: Mode, term: Term) -> bool {
        let ahead = self.position(owner);
        let free = self.blockers(owner, mode, ahead).next().is_none();
        if free {
            self.hold(owner, mode, term);
        }
        free
    }

    /// Puts a request into the queue and returns whom it waits for.
    pub(super) fn enqueue(&mut self, waiter: Waiter) -> Vec<OwnerId> {
        let at = self.position(waiter.owner);
        let blockers = self.blockers(waiter.owner, waiter.mode, at).collect();
        self.waiters.insert(at, waiter);
        blockers
    }

    /// Takes `owner`'s request out of the queue; returns whether there was one.
    pub(super) fn withdraw(&mut self, owner: OwnerId) -> bool {
        let before = self.waiters.len();
        self.waiters.retain(|w| w.owner != owner);
        self.waiters.len() != before
    }

    /// Takes `modes` of a term away from `owner`.
    pub(super) fn release(&mut self, owner: OwnerId, modes: ModeSet, term: Term) {
        let holders = self.holders.all_mut();
        if let Some(at) = holders.iter().position(|h| h.owner == owner) {
            holders[at].terms[term as usize] &= !modes;
            if holders[at].modes() == 0 {
                self.holders.swap_remove(at);
            }
        }
    }

    /// Grants every waiter whose turn has come and returns them, first granted first.
    pub(super) fn promote(&mut self) -> Vec<Waiter> {
        let mut granted = Vec::new();
        let mut at = 0;
        while let Some(waiter) = self.waiters.get(at) {
            let (owner, mode, term) = (waiter.owner, waiter.mode, waiter.term);
            if self.blockers(owner, mode, at).next().is_some() {
                at += 1;
                continue;
            }
            self.hold(owner, mode, term);
            granted.extend(self.waiters.remove(at));
        }
        granted
    }

    /// For every waiter, whom it waits for.
    pub(super) fn edges(&self) -> impl Iterator<Item = (OwnerId, Vec<OwnerId>)> {
        self.waiters
            .iter()
            .enumerate()
            .map(|(at, w)| (w.owner, self.blockers(w.owner, w.mode, at).collect()))
    }

    /// The place in the queue that a new request of `owner` gets.
    fn position(&self, owner: OwnerId) -> usize {
        let held = self.held_by(owner);
        self.waiters
            .iter()
            .position(|w| w.mode.conflicts() & held != 0)
            .unwrap_or(self.waiters.len())
    }

    /// Whom a request of `owner` for `mode` at place `at` has to wait for.
    fn blockers(&self, owner: OwnerId, mode: Mode, at: usize) -> impl Iterator<Item = OwnerId> {
        let holders = self
            .holders()
            .iter()
            .filter(move |h| h.owner != owner && h.modes() & mode.conflicts() != 0)
            .map(|h| h.owner);
        let ahead = self
            .waiters
            .iter()
            .take(at)
            .filter(move |w| w.owner != owner && w.mode.bit() & mode.conflicts() != 0)
            .map(|w| w.owner);
        holders.chain(ahead)
    }

    fn hold(&mut self, owner: OwnerId, mode: Mode, term: Term) {
        let mut holders = self.holders.all_mut().iter_mut();
        if let Some(holder) = holders.find(|h| h.owner == owner) {
            holder.terms[term as usize] |= mode.bit();
            return;
        }
        let mut terms = [0; 2];
        terms[term as usize] = mode.bit();
        self.holders.push(Holder { owner, terms });
    }
}
