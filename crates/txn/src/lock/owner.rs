//! The locks of one transaction.

use std::sync::Arc;

use rustdb_storage::KeyspaceId;

use super::mode::{Mode, ModeSet};
use super::party::Party;
use super::table::{AdvisoryKey, LockTable, Target};
use super::{LockError, ObjectMode, OwnerId, RowMode, Term, Wait};

/// The locks one transaction holds, in the order it got them. Dropping it releases them.
#[derive(Debug)]
pub struct LockOwner {
    table: Arc<LockTable>,
    party: Party,
    /// What was granted, each mode of a target once.
    held: Vec<(Target, ModeSet)>,
    /// Some of the objects in it: every statement locks its tables again.
    objects: Vec<KnownObject>,
}

/// An object that is held.
#[derive(Debug)]
struct KnownObject {
    object: u64,
    mode: ObjectMode,
    /// It is among the first so many locks.
    held: usize,
}

/// Objects that are known to be held, at most.
const OBJECTS_MAX: usize = 8;

/// There is room for so many locks from the first one on.
const LOCKS_FEW: usize = 8;

/// A moment in the life of a [`LockOwner`]: what it got later can be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockMark(usize);

impl LockOwner {
    /// An owner without locks. `id` must be unique among the living ones, and not zero.
    pub fn new(table: Arc<LockTable>, id: OwnerId) -> Self {
        Self::of(table, Party::new(id, None))
    }

    /// The locks of a transaction of a party.
    pub(crate) fn of(table: Arc<LockTable>, party: Party) -> Self {
        Self {
            table,
            party,
            held: Vec::new(),
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
        self.lock(self.table.row(keyspace, key), mode.into(), wait)
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
            let held = self.held.len();
            self.objects.push(KnownObject { object, mode, held });
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
        !self.held.is_empty()
            && self
                .table
                .is_held(self.id(), &self.table.row(keyspace, key), mode.into())
    }

    /// How many locks are held, each mode counted.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether no lock is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The present moment, for [`LockOwner::release_since`].
    pub fn mark(&self) -> LockMark {
        LockMark(self.held.len())
    }

    /// Releases what was granted after `mark`, upgrades included; what was held then stays held.
    pub fn release_since(&mut self, mark: LockMark) {
        if mark.0 == 0 && self.table.is_worth_a_walk(self.held.len()) {
            self.objects.clear();
            self.held.clear();
            self.table.release_all(self.id(), Term::Transaction);
            return;
        }
        self.objects.retain(|object| object.held <= mark.0);
        while self.held.len() > mark.0 {
            if let Some((target, modes)) = self.held.pop() {
                self.table
                    .release(self.id(), &target, modes, Term::Transaction);
            }
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
        if self.table.acquire(&self.party, &target, mode, term, wait)? {
            self.held.push((target, mode.bit()));
        }
        Ok(())
    }
}

impl Drop for LockOwner {
    fn drop(&mut self) {
        self.release_all();
    }
}
