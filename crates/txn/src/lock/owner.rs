//! The locks of one transaction.

use std::sync::Arc;

use rustdb_storage::KeyspaceId;

use super::cover::Rows;
use super::mode::{Mode, ModeSet};
use super::party::Party;
use super::table::{AdvisoryKey, LockTable, Target, What};
use super::{LockError, ObjectMode, OwnerId, RowMode, Term, Wait};

/// The locks one transaction holds, in the order it got them. Dropping it releases them.
#[derive(Debug)]
pub struct LockOwner {
    table: Arc<LockTable>,
    party: Party,
    /// What was granted, each mode of a target once.
    held: Vec<Held>,
    /// How many were granted so far.
    granted: u64,
    /// Rows that are locked together.
    covers: Vec<Rows>,
    /// With more locks than this some of them become covers.
    uncovered_max: usize,
    /// Some of the objects in it: every statement locks its tables again.
    objects: Vec<KnownObject>,
}

/// A lock that was granted.
#[derive(Debug)]
struct Held {
    /// How many were granted before.
    at: u64,
    target: Target,
    modes: ModeSet,
}

/// An object that is held.
#[derive(Debug)]
struct KnownObject {
    object: u64,
    mode: ObjectMode,
    /// It is among the first so many locks.
    granted: u64,
}

/// Objects that are known to be held, at most.
const OBJECTS_MAX: usize = 8;

/// There is room for so many locks from the first one on.
const LOCKS_FEW: usize = 8;

/// A moment in the life of a [`LockOwner`]: what it got later can be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockMark(u64);

impl LockOwner {
    /// An owner without locks. `id` must be unique among the living ones, and not zero.
    pub fn new(table: Arc<LockTable>, id: OwnerId) -> Self {
        Self::of(table, Party::new(id, None))
    }

    /// The locks of a transaction of a party.
    pub(crate) fn of(table: Arc<LockTable>, party: Party) -> Self {
        Self {
            uncovered_max: table.uncovered_max(),
            table,
            party,
            held: Vec::new(),
            granted: 0,
            covers: Vec::new(),
            objects: Vec::new(),
        }
    }

    /// The number that the table knows this owner by.
    pub fn id(&self) -> OwnerId {
        self.party.id()
    }

    /// Locks the row with this key, or does nothing if it is held in this or a stronger mode.
    pub fn lock_row(
        &mut self,
        keyspace: KeyspaceId,
        key: &[u8],
        mode: RowMode,
        wait: Wait,
    ) -> Result<(), LockError> {
        let target = self.table.row(keyspace, key);
        if self.covers(&target, mode) {
            return Ok(());
        }
        self.lock(target, mode.into(), wait)
    }

    /// Whether a lock on a row is part of another one.
    fn covers(&self, target: &Target, mode: RowMode) -> bool {
        let mut covers = self.covers.iter();
        covers.any(|rows| rows.include(target, mode)) && self.table.is_left_to(self.id(), target)
    }

    /// Locks an object, or does nothing if it is held in this mode.
    pub fn lock_object(
        &mut self,
        object: u64,
        mode: ObjectMode,
        wait: Wait,
    ) -> Result<(), LockError> {
        let is_known = |each: &KnownObject| (each.object, each.mode) == (object, mode);
        if self.objects.iter().any(is_known) {
            return Ok(());
        }
        self.lock(self.table.object(object), mode.into(), wait)?;
        if self.objects.len() < OBJECTS_MAX {
            let granted = self.granted;
            self.objects.push(KnownObject {
                object,
                mode,
                granted,
            });
        }
        Ok(())
    }

    /// Waits until those who hold an object now in a mode that conflicts with this one have given it
    /// back; holds nothing then.
    pub fn outlast_object(
        &mut self,
        object: u64,
        mode: ObjectMode,
        wait: Wait,
    ) -> Result<(), LockError> {
        let target = self.table.object(object);
        self.table.outlast(&self.party, &target, mode.into(), wait)
    }

    /// As [`LockOwner::outlast_object`], for a row.
    pub fn outlast_row(
        &mut self,
        keyspace: KeyspaceId,
        key: &[u8],
        mode: RowMode,
        wait: Wait,
    ) -> Result<(), LockError> {
        let target = self.table.row(keyspace, key);
        self.table.outlast(&self.party, &target, mode.into(), wait)
    }

    /// Locks what programs agree on, or does nothing if it is held in this mode.
    pub fn lock_advisory(
        &mut self,
        key: AdvisoryKey,
        mode: ObjectMode,
        wait: Wait,
    ) -> Result<(), LockError> {
        self.lock(self.table.advisory(key), mode.into(), wait)
    }

    /// Whether this owner holds the row in `mode` or a stronger one.
    pub fn holds_row(&self, keyspace: KeyspaceId, key: &[u8], mode: RowMode) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let target = self.table.row(keyspace, key);
        self.table.is_held(self.id(), &target, mode.into()) || self.covers(&target, mode)
    }

    /// How many locks are held, each mode counted; those on covered rows are one.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether no lock is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The present moment, for [`LockOwner::release_since`].
    pub fn mark(&self) -> LockMark {
        LockMark(self.granted)
    }

    /// Releases what was granted after `mark`, upgrades included; what was held then stays held, and so
    /// do rows that are covered with some that were.
    pub fn release_since(&mut self, mark: LockMark) {
        let id = self.id();
        if mark.0 == 0 && self.table.is_worth_a_walk(self.held.len()) {
            self.objects.clear();
            self.held.clear();
            if !self.covers.is_empty() {
                self.table.uncover(id, None);
                self.covers.clear();
            }
            self.table.release_all(id, Term::Transaction);
            return;
        }
        self.objects.retain(|object| object.granted <= mark.0);
        while let Some(last) = self.held.pop_if(|last| last.at >= mark.0) {
            if let What::Rows(keyspace) = last.target.what {
                self.table.uncover(id, Some(keyspace));
                self.covers.retain(|rows| rows.keyspace != keyspace);
            }
            self.table
                .release(id, &last.target, last.modes, Term::Transaction);
        }
    }

    /// Releases everything.
    pub fn release_all(&mut self) {
        self.release_since(LockMark(0));
    }

    fn lock(&mut self, target: Target, mode: Mode, wait: Wait) -> Result<(), LockError> {
        let term = Term::Transaction;
        if self.held.capacity() == 0 {
            self.held.reserve(LOCKS_FEW);
        }
        let is_granted = match self.table.acquire(&self.party, &target, mode, term, wait) {
            Err(LockError::TooMany(_)) if self.cover_rows() => {
                self.table.acquire(&self.party, &target, mode, term, wait)?
            }
            answer => answer?,
        };
        if is_granted {
            self.held.push(Held {
                at: self.granted,
                target,
                modes: mode.bit(),
            });
            self.granted += 1;
            if self.held.len() > self.uncovered_max {
                self.cover_rows();
                self.uncovered_max = self.held.len() + self.table.uncovered_max();
            }
        }
        Ok(())
    }

    /// Gives locks on many rows for covers; whether some were given.
    #[cold]
    fn cover_rows(&mut self) -> bool {
        let before = self.held.len();
        let held = self.held.iter().map(|held| (&held.target, held.modes));
        for mut rows in self.table.worth_a_cover(held) {
            // Where there is another cover, the locks stay.
            if let Ok(is_more) = self.table.cover(&self.party, &mut rows) {
                self.absorb(rows, is_more);
            }
        }
        self.held.len() < before
    }

    /// Gives up what a cover includes.
    fn absorb(&mut self, rows: Rows, is_more: bool) {
        let (id, table) = (self.party.id(), &self.table);
        let target = table.rows(rows.keyspace);
        // What is given back since some moment is what came after it: a cover is as old as the first
        // lock in it.
        let mut first = self.granted.saturating_sub(1);
        self.held.retain(|held| {
            let is_gone =
                rows.include(&held.target, rows.mode) && table.absorb(id, &held.target, held.modes);
            if is_gone || held.target == target {
                first = first.min(held.at);
            }
            !is_gone
        });
        if is_more {
            let place = self.held.partition_point(|held| held.at < first);
            let cover = Held {
                at: first,
                target,
                modes: Mode::from(rows.mode).bit(),
            };
            self.held.insert(place, cover);
        }
        self.covers.retain(|each| each.keyspace != rows.keyspace);
        self.covers.push(rows);
    }
}

impl Drop for LockOwner {
    fn drop(&mut self) {
        self.release_all();
    }
}
