//! One lock: who holds it, who waits for it, who is next. Pure rules, no waiting.
//!
//! # Order
//!
//! First come, first served: a request is granted at once only if it fits beside every other
//! holder *and* beside every request that waits before it, so that a stream of readers cannot
//! starve a writer. A holder that asks for more (an upgrade) goes before the first waiter that
//! its present hold blocks: that waiter cannot move until the holder is done anyway, and queueing
//! behind it would be a deadlock made by the queue. A request that would close a circle where it
//! stands goes further to the front, if there is a place where it would not: waiting requests have
//! no right that outweighs an error.
//!
//! A request that only *outlasts* others asks for nothing: it ends when those who held the lock in a
//! conflicting mode as it came have each given it back once. Nobody waits behind it.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::mode::{Mode, ModeSet};
use super::wait::Ticket;
use super::{OwnerId, Term};

/// The state of one locked row or object.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// One element per owner; its modes are never none.
    holders: Holders,
    waiters: Waiters,
}

/// Those who wait, in the order in which they will be granted. Mostly nobody does, and a transaction
/// may lock many rows: so nobody takes a pointer's room.
#[derive(Debug, Default)]
#[expect(
    clippy::box_collection,
    reason = "a pointer takes a quarter of the room"
)]
struct Waiters(Option<Box<VecDeque<Waiter>>>);

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
    fn new(owner: OwnerId, mode: Mode, term: Term) -> Holder {
        let mut terms = [0; 2];
        terms[term as usize] = mode.bit();
        Holder { owner, terms }
    }

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
    /// Those it has still to outlast, if that is all it wants.
    pub(super) outlasts: Option<Vec<OwnerId>>,
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

impl Deref for Waiters {
    type Target = VecDeque<Waiter>;

    fn deref(&self) -> &VecDeque<Waiter> {
        static NOBODY: VecDeque<Waiter> = VecDeque::new();
        self.0.as_deref().unwrap_or(&NOBODY)
    }
}

impl DerefMut for Waiters {
    fn deref_mut(&mut self) -> &mut VecDeque<Waiter> {
        self.0.get_or_insert_default()
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
        // Mostly nobody has it, and nobody wants it.
        if self.is_idle() {
            self.holders = Holders::One([Holder::new(owner, mode, term)]);
            return true;
        }
        let ahead = self.position(owner);
        let free = self.blockers(owner, mode, ahead).next().is_none();
        if free {
            self.hold(owner, mode, term);
        }
        free
    }

    /// Puts a request into the queue at the first place from its own to the front that `is_good`:
    /// it is asked with whom everybody in the queue then waits for, the new one first. Gives the
    /// request back if there is none.
    pub(super) fn enqueue(
        &mut self,
        waiter: Waiter,
        mut is_good: impl FnMut(&[OwnerId], &Queue) -> bool,
    ) -> Result<(), Waiter> {
        let (owner, mode) = (waiter.owner, waiter.mode);
        let mut at = self.position(owner);
        self.waiters.insert(at, waiter);
        loop {
            let blockers: Vec<OwnerId> = self.blockers(owner, mode, at).collect();
            if is_good(&blockers, self) {
                return Ok(());
            }
            if at == 0 {
                return self.waiters.pop_front().map_or(Ok(()), Err);
            }
            self.waiters.swap(at, at - 1);
            at -= 1;
        }
    }

    /// Puts a request into the queue that waits for those who hold the lock now, in a mode that
    /// conflicts with `waiter`'s; returns them. Nothing is queued if there is nobody.
    pub(super) fn outlast(&mut self, mut waiter: Waiter) -> Vec<OwnerId> {
        let all: Vec<OwnerId> = self.conflicting(waiter.owner, waiter.mode).collect();
        if !all.is_empty() {
            waiter.outlasts = Some(all.clone());
            self.waiters.push_back(waiter);
        }
        all
    }

    /// Takes `owner`'s request out of the queue; returns whether there was one.
    pub(super) fn withdraw(&mut self, owner: OwnerId) -> bool {
        let before = self.waiters.len();
        if before == 0 {
            return false;
        }
        self.waiters.retain(|w| w.owner != owner);
        self.waiters.len() != before
    }

    /// Takes `modes` of a term away from `owner`.
    pub(super) fn release(&mut self, owner: OwnerId, modes: ModeSet, term: Term) {
        let holders = self.holders.all_mut();
        let Some(at) = holders.iter().position(|h| h.owner == owner) else {
            return;
        };
        holders[at].terms[term as usize] &= !modes;
        let left = holders[at].modes();
        if left == 0 {
            self.holders.swap_remove(at);
        }
        for waiter in self.waiters.0.iter_mut().flat_map(|all| all.iter_mut()) {
            if let Some(all) = &mut waiter.outlasts
                && left & waiter.mode.conflicts() == 0
            {
                all.retain(|each| *each != owner);
            }
        }
    }

    /// Grants every waiter whose turn has come and returns them, first granted first; those who
    /// had only to outlast others hold nothing.
    pub(super) fn promote(&mut self) -> Vec<Waiter> {
        let mut granted = Vec::new();
        let mut at = 0;
        while let Some(waiter) = self.waiters.get(at) {
            if !self.blockers_of(waiter, at).is_empty() {
                at += 1;
                continue;
            }
            if waiter.outlasts.is_none() {
                let (owner, mode, term) = (waiter.owner, waiter.mode, waiter.term);
                self.hold(owner, mode, term);
            }
            granted.extend(self.waiters.remove(at));
        }
        granted
    }

    /// For every waiter, whom it waits for.
    pub(super) fn edges(&self) -> impl Iterator<Item = (OwnerId, Vec<OwnerId>)> {
        self.waiters
            .iter()
            .enumerate()
            .map(|(at, w)| (w.owner, self.blockers_of(w, at)))
    }

    /// Whom a waiter at place `at` waits for.
    fn blockers_of(&self, waiter: &Waiter, at: usize) -> Vec<OwnerId> {
        match &waiter.outlasts {
            Some(all) => all.clone(),
            None => self.blockers(waiter.owner, waiter.mode, at).collect(),
        }
    }

    /// The place in the queue that a new request of `owner` gets.
    fn position(&self, owner: OwnerId) -> usize {
        let held = self.held_by(owner);
        self.waiters
            .iter()
            .position(|w| w.outlasts.is_none() && w.mode.conflicts() & held != 0)
            .unwrap_or(self.waiters.len())
    }

    /// Whom a request of `owner` for `mode` at place `at` has to wait for.
    fn blockers(&self, owner: OwnerId, mode: Mode, at: usize) -> impl Iterator<Item = OwnerId> {
        let ahead = self
            .waiters
            .iter()
            .take(at)
            .filter(move |w| w.owner != owner && w.outlasts.is_none())
            .filter(move |w| w.mode.bit() & mode.conflicts() != 0)
            .map(|w| w.owner);
        self.conflicting(owner, mode).chain(ahead)
    }

    /// Who else holds the lock in a mode that conflicts with this one.
    fn conflicting(&self, owner: OwnerId, mode: Mode) -> impl Iterator<Item = OwnerId> {
        self.holders()
            .iter()
            .filter(move |h| h.owner != owner && h.modes() & mode.conflicts() != 0)
            .map(|h| h.owner)
    }

    fn hold(&mut self, owner: OwnerId, mode: Mode, term: Term) {
        let mut holders = self.holders.all_mut().iter_mut();
        if let Some(holder) = holders.find(|h| h.owner == owner) {
            holder.terms[term as usize] |= mode.bit();
            return;
        }
        self.holders.push(Holder::new(owner, mode, term));
    }
}
