//! Locks on very many rows, which become one.
//!
//! A lock on a row takes memory, and so there is a limit to them. A transaction that holds half as many
//! gives those on the rows of a keyspace for a *cover*: one lock on every row from the first of them to
//! the last, in their strongest mode. It may go on to lock rows between these without taking anything.
//!
//! Who asks for a row that another one covers, in a mode that conflicts, waits until the cover is given
//! back, at the end of the transaction. Who holds a row of it, or has asked for it before, is not
//! disturbed: the covering transaction waits for them as it would without a cover, when it comes to
//! their rows. So a cover is had at once, unless there is another one that it conflicts with. What it
//! costs is that others may have to wait for rows that nobody has locked.
//!
//! # Invariants
//!
//! * A cover is listed before the first row's lock is given up for it, and before the first row is taken
//!   without a lock; it is taken from the list before its end lets others go on.
//! * Whether a row is covered is looked up under the mutex of the row's shard, and so is whether
//!   anybody else holds or wants a row that is about to be taken without a lock. Either the other one
//!   sees the cover, or the cover's owner sees the other one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustdb_storage::KeyspaceId;
use rustdb_storage::key::split_storage_key;
use rustdb_vfs::sync::Mutex;

use super::mode::{Mode, ModeSet};
use super::queue::Queue;
use super::table::{LockTable, Target, What};
use super::{LockError, OwnerId, Party, RowMode, Term, Wait};

/// An owner with this part of all locks gives them for covers.
const PART: usize = 2;

/// A keyspace with this part of an owner's locks is worth a cover, if they are so many.
const WORTH_PART: usize = 8;
const WORTH_MIN: usize = 2;

/// All covers. Mostly there are none.
#[derive(Debug, Default)]
pub(super) struct Covers {
    count: AtomicUsize,
    all: Mutex<Vec<Cover>>,
}

#[derive(Clone, Debug)]
struct Cover {
    owner: OwnerId,
    rows: Rows,
}

/// Rows of a keyspace, from the first to the last.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) keyspace: KeyspaceId,
    pub(super) mode: RowMode,
    /// Storage keys.
    first: Box<[u8]>,
    last: Box<[u8]>,
    /// How many locks there are on them.
    locks: usize,
}

impl Covers {
    /// The keyspace of a cover of somebody else that keeps `owner` from having a row in `mode`.
    pub(super) fn in_the_way(
        &self,
        owner: OwnerId,
        target: &Target,
        mode: Mode,
    ) -> Option<KeyspaceId> {
        self.beside(owner, target, |cover| {
            (Mode::from(cover.rows.mode).bit() & mode.conflicts() != 0)
                .then_some(cover.rows.keyspace)
        })
    }

    /// Whether somebody else covers a row that is in this queue, or in none. Who has a lock on it that
    /// the cover has to wait for is not beside it.
    pub(super) fn any_beside(
        &self,
        owner: OwnerId,
        target: &Target,
        queue: Option<&Queue>,
    ) -> bool {
        let held: ModeSet = queue.map_or(0, |queue| queue.held_by(owner));
        let is_beside = |cover: &Cover| held & Mode::from(cover.rows.mode).conflicts() == 0;
        self.beside(owner, target, |cover| is_beside(cover).then_some(()))
            .is_some()
    }

    /// What `find` finds among the covers of a row that are not `owner`'s.
    fn beside<T>(
        &self,
        owner: OwnerId,
        target: &Target,
        find: impl Fn(&Cover) -> Option<T>,
    ) -> Option<T> {
        let What::Row(key) = &target.what else {
            return None;
        };
        if self.count.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let all = self.all.lock();
        let mut others = all.iter().filter(|cover| cover.owner != owner);
        others.find_map(|cover| cover.rows.hold(key).then(|| find(cover)).flatten())
    }
}

impl Rows {
    fn hold(&self, key: &[u8]) -> bool {
        (&*self.first..=&*self.last).contains(&key)
    }

    /// Whether locks on these rows include this one.
    pub(super) fn include(&self, target: &Target, mode: RowMode) -> bool {
        match &target.what {
            What::Row(key) => mode <= self.mode && self.hold(key),
            What::Rows(_) | What::Object(_) | What::Advisory(_) => false,
        }
    }

    /// Makes room for another lock, which may be on rows before the first and behind the last.
    fn add(&mut self, mode: RowMode, first: &[u8], last: &[u8]) {
        self.mode = self.mode.max(mode);
        self.locks += 1;
        if *first < *self.first {
            self.first = first.into();
        }
        if *last > *self.last {
            self.last = last.into();
        }
    }
}

impl LockTable {
    /// How many locks an owner may take before it gives some for covers.
    pub(super) fn uncovered_max(&self) -> usize {
        (self.locks_max() / PART).max(1)
    }

    /// The rows that are worth a cover: of keyspaces with many of these locks.
    pub(super) fn worth_a_cover<'t>(
        &self,
        held: impl ExactSizeIterator<Item = (&'t Target, ModeSet)>,
    ) -> Vec<Rows> {
        let locks_min = (held.len() / WORTH_PART).max(WORTH_MIN);
        let mut all: HashMap<KeyspaceId, Rows> = HashMap::new();
        for (target, modes) in held {
            let What::Row(key) = &target.what else {
                continue;
            };
            let (Some((keyspace, _)), Some(mode)) = (split_storage_key(key), strongest(modes))
            else {
                continue;
            };
            all.entry(keyspace)
                .and_modify(|rows| rows.add(mode, key, key))
                .or_insert_with(|| Rows {
                    keyspace,
                    mode,
                    first: (**key).into(),
                    last: (**key).into(),
                    locks: 1,
                });
        }
        let mut many: Vec<Rows> = all
            .into_values()
            .filter(|rows| rows.locks >= locks_min)
            .collect();
        many.sort_by_key(|rows| rows.keyspace.0);
        many
    }

    /// Covers rows, those that are covered by the same owner included. Returns whether that is a lock
    /// more than it had; an error if another cover is in the way.
    pub(super) fn cover(&self, party: &Party, rows: &mut Rows) -> Result<bool, LockError> {
        let (owner, keyspace) = (party.id(), rows.keyspace);
        let is_own = |cover: &Cover| cover.owner == owner && cover.rows.keyspace == keyspace;
        if let Some(own) = self.covers.all.lock().iter().find(|cover| is_own(cover)) {
            rows.add(own.rows.mode, &own.rows.first, &own.rows.last);
        }
        let (target, mode) = (self.rows(keyspace), rows.mode.into());
        let is_more = self.acquire(party, &target, mode, Term::Transaction, Wait::No)?;
        let cover = Cover {
            owner,
            rows: rows.clone(),
        };
        let mut all = self.covers.all.lock();
        match all.iter_mut().find(|cover| is_own(cover)) {
            Some(own) => *own = cover,
            None => {
                all.push(cover);
                self.covers.count.fetch_add(1, Ordering::SeqCst);
            }
        }
        Ok(is_more)
    }

    /// Gives up the lock on a row that its owner has covered. `false`, and it stays, if somebody else
    /// holds it too or waits for it.
    pub(super) fn absorb(&self, owner: OwnerId, target: &Target, modes: ModeSet) -> bool {
        if !self.is_left_to(owner, target) {
            return false;
        }
        self.release(owner, target, modes, Term::Transaction);
        true
    }

    /// Whether nobody but `owner` holds a lock or waits for it.
    pub(super) fn is_left_to(&self, owner: OwnerId, target: &Target) -> bool {
        let shard = self.shard(target);
        let queue = shard.get(target);
        queue.is_none_or(|queue| !queue.has_waiters() && !queue.is_held_by_other(owner))
    }

    /// Takes a cover from the list, or all that `owner` has. Their locks are still to be released.
    pub(super) fn uncover(&self, owner: OwnerId, keyspace: Option<KeyspaceId>) {
        let mut all = self.covers.all.lock();
        let before = all.len();
        all.retain(|cover| {
            cover.owner != owner || keyspace.is_some_and(|one| one != cover.rows.keyspace)
        });
        let gone = before - all.len();
        self.covers.count.fetch_sub(gone, Ordering::SeqCst);
    }

    /// Whether somebody else than `owner` covers rows for which `wanted` says yes, given the storage
    /// keys of the first and the last.
    pub fn any_cover_of_other(
        &self,
        owner: OwnerId,
        mut wanted: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> bool {
        if self.covers.count.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let all = self.covers.all.lock().clone();
        all.iter()
            .any(|cover| cover.owner != owner && wanted(&cover.rows.first, &cover.rows.last))
    }
}

/// The strongest of some modes of a row.
fn strongest(modes: ModeSet) -> Option<RowMode> {
    let mut all = RowMode::ALL.into_iter().rev();
    all.find(|mode| modes & Mode::from(*mode).bit() != 0)
}
