//! The checks of a commit, run inside the pipeline in commit order.
//!
//! # A commit beside a lock
//!
//! A transaction that locks a row and then reads it must see every write that was let through
//! before the lock; a writer without locks must see every lock that was there before its write
//! was let through. Neither waits for the other. So each first announces itself, then looks:
//!
//! ```text
//! committer:  slots[key] = sequence;  fence;  is the row locked?   -> refuse
//! locker:     locks[row] += 1;        fence;  slots[key] > visible -> wait until it is visible
//! ```
//!
//! Whatever the order, at least one of them sees the other. A commit that is refused after it
//! announced itself leaves `sequence - 1` behind, which is as true and will become visible.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use rustdb_storage::error::Rejection;
use rustdb_storage::key::split_storage_key;
use rustdb_storage::{KeyspaceId, SequenceNumber};

use super::footprint::Footprint;
use super::recent::{Recent, Written};
use super::slots::Slots;
use crate::error::{Conflict, Error};
use crate::lock::{LockTable, OwnerId};
use crate::ranges::RangeSet;
use crate::write_set::WriteSet;
use rustdb_storage::engine::{CommitContext, Validate};

/// What all commits of a database are checked against.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) slots: Slots,
    pub(crate) recent: Arc<Recent>,
    pub(crate) locks: Arc<LockTable>,
}

/// Why a commit was not let through.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A key may have been written after the moment it was checked at; the engine knows, once
    /// the commit named here is visible.
    Stale(SequenceNumber),
    /// A keyspace that had to be unchanged is not.
    NotQuiet,
    /// There is a conflict.
    Conflict(Conflict),
    /// The check itself failed.
    Failed(rustdb_storage::Error),
}

impl Refusal {
    /// As an error for the caller.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Refusal::Stale(_) | Refusal::NotQuiet => Error::Conflict(Conflict::Contention),
            Refusal::Conflict(conflict) => Error::Conflict(conflict),
            Refusal::Failed(error) => Error::Storage(error),
        }
    }
}

impl From<Conflict> for Refusal {
    fn from(conflict: Conflict) -> Self {
        Refusal::Conflict(conflict)
    }
}

impl From<rustdb_storage::Error> for Refusal {
    fn from(error: rustdb_storage::Error) -> Self {
        Refusal::Failed(error)
    }
}

/// Checks a transaction or a batch.
#[derive(Debug)]
pub(crate) struct Validator<'a> {
    pub(crate) checks: &'a Checks,
    pub(crate) owner: OwnerId,
    pub(crate) footprint: &'a Footprint,
    /// The footprint's keys are known to be as the transaction saw them up to this commit.
    pub(crate) checked: SequenceNumber,
    /// Keyspaces that must not have been written after the sequence number.
    pub(crate) quiet: (&'a [KeyspaceId], SequenceNumber),
    /// Storage keys that must not have been written after the sequence number.
    pub(crate) reads: Option<(&'a RangeSet, SequenceNumber)>,
    /// Too many keys for the footprint, checked up to the sequence number.
    pub(crate) large: Option<(&'a WriteSet, SequenceNumber)>,
    pub(crate) deltas: &'a [(KeyspaceId, i64)],
    /// Set when the commit is refused.
    pub(crate) refusal: Option<Refusal>,
}

impl Validate for Validator<'_> {
    fn validate(&mut self, context: &mut CommitContext) -> Result<(), Rejection> {
        match self.check(context.sequence) {
            Ok(()) => {
                context.count_deltas.extend_from_slice(self.deltas);
                Ok(())
            }
            Err(refusal) => {
                self.refusal = Some(refusal);
                Err(rejection())
            }
        }
    }
}

impl Validator<'_> {
    fn check(&self, sequence: SequenceNumber) -> Result<(), Refusal> {
        self.check_writes()?;
        if let Some((reads, after)) = self.reads {
            self.checks.recent.check(reads, after)?;
        }
        if let Some((writes, after)) = self.large {
            check_large(&self.checks.recent, writes, after)?;
        }
        self.announce(sequence);
        fence(Ordering::SeqCst);
        if self.checks.locks.has_row_locks() && self.is_locked() {
            self.announce(sequence - 1);
            return Err(Conflict::Locked.into());
        }
        self.checks.recent.record(sequence, self.footprint);
        Ok(())
    }

    fn check_writes(&self) -> Result<(), Refusal> {
        let slots = &self.checks.slots;
        let checked = self.footprint.keys().iter().filter(|key| key.is_checked);
        let newest = checked
            .map(|key| slots.newest(key.keyspace, key.hash))
            .max();
        if let Some(newest) = newest.filter(|newest| *newest > self.checked) {
            return Err(Refusal::Stale(newest));
        }
        let (quiet, since) = self.quiet;
        if quiet
            .iter()
            .any(|&keyspace| slots.newest_in(keyspace) > since)
        {
            return Err(Refusal::NotQuiet);
        }
        Ok(())
    }

    fn announce(&self, sequence: SequenceNumber) {
        let slots = &self.checks.slots;
        for key in self.footprint.keys() {
            slots.record(key.keyspace, key.hash, sequence);
        }
        for (start, _) in self.footprint.ranges_and_hulls() {
            slots.record_all(super::keyspace_of(start), sequence);
        }
    }

    fn is_locked(&self) -> bool {
        let locks = &self.checks.locks;
        let by_key = self.footprint.keys_with_bytes().any(|(key, bytes)| {
            key.is_checked && locks.is_row_locked_by_other(self.owner, key.keyspace, bytes)
        });
        by_key
            || self.footprint.ranges_and_hulls().next().is_some()
                && (locks.any_row_locked_by_other(self.owner, |keyspace, key| {
                    self.range_holds(keyspace, key)
                }) || locks
                    .any_cover_of_other(self.owner, |first, last| self.range_meets(first, last)))
    }

    /// Whether a range has to do with the keys from `first` to `last`.
    fn range_meets(&self, first: &[u8], last: &[u8]) -> bool {
        let meets = |(start, end): &(Box<[u8]>, Box<[u8]>)| **start <= *last && *first < **end;
        self.footprint.ranges_and_hulls().any(meets)
            && match self.large {
                // The ranges stand for keys, which are known.
                Some((writes, _)) => {
                    let behind = [last, &[0]].concat();
                    checks_any(writes, first, &behind).unwrap_or(true)
                }
                None => true,
            }
    }

    fn range_holds(&self, keyspace: KeyspaceId, key: &[u8]) -> bool {
        let storage_key = [&keyspace.prefix(), key].concat();
        let inside =
            |(start, end): &(Box<[u8]>, Box<[u8]>)| **start <= *storage_key && *storage_key < **end;
        self.footprint.ranges_and_hulls().any(inside)
            && match self.large {
                // The ranges stand for keys, which are known.
                Some((writes, _)) => writes.checks(keyspace, key).unwrap_or(true),
                None => true,
            }
    }
}

/// Whether anything that `writes` holds was written after `after`.
///
/// `Stale` if another large commit may have written some of it: the engine knows.
pub(crate) fn check_large(
    recent: &Recent,
    writes: &WriteSet,
    after: SequenceNumber,
) -> Result<(), Refusal> {
    recent.visit_after(after, |written| match written {
        Written::Key(key) => {
            let (keyspace, key) = split_storage_key(key).unwrap_or((KeyspaceId::SYSTEM, key));
            match writes.checks(keyspace, key)? {
                true => Err(Conflict::Write.into()),
                false => Ok(()),
            }
        }
        Written::Range(start, end) => match checks_any(writes, start, end)? {
            true => Err(Conflict::Write.into()),
            false => Ok(()),
        },
        Written::Hull(start, end, sequence) => match checks_any(writes, start, end)? {
            true => Err(Refusal::Stale(sequence)),
            false => Ok(()),
        },
    })
}

/// Whether `writes` relies on a key in this range of storage keys.
fn checks_any(writes: &WriteSet, start: &[u8], end: &[u8]) -> Result<bool, Refusal> {
    let (keyspace, start) = split_storage_key(start).unwrap_or((KeyspaceId::SYSTEM, start));
    let end = split_storage_key(end).filter(|(k, _)| *k == keyspace);
    Ok(writes.checks_any(keyspace, start, end.map(|(_, end)| end))?)
}

/// Checks the write of one key outside of any transaction.
#[derive(Debug)]
pub(crate) struct Single<'a> {
    pub(crate) checks: &'a Checks,
    /// Zero, or the owner of a lock on the key.
    pub(crate) owner: OwnerId,
    pub(crate) keyspace: KeyspaceId,
    pub(crate) key: &'a [u8],
    pub(crate) hash: u64,
    /// If the write depends on what the key was, the commit up to which that is known.
    pub(crate) checked: Option<SequenceNumber>,
    /// The change of the keyspace's count.
    pub(crate) delta: i64,
    /// Set when the write is refused.
    pub(crate) refusal: Option<Refusal>,
}

impl Validate for Single<'_> {
    fn validate(&mut self, context: &mut CommitContext) -> Result<(), Rejection> {
        let slots = &self.checks.slots;
        if let Some(checked) = self.checked {
            let newest = slots.newest(self.keyspace, self.hash);
            if newest > checked {
                self.refusal = Some(Refusal::Stale(newest));
                return Err(rejection());
            }
        }
        slots.record(self.keyspace, self.hash, context.sequence);
        fence(Ordering::SeqCst);
        let locks = &self.checks.locks;
        if locks.has_row_locks()
            && locks.is_row_locked_by_other(self.owner, self.keyspace, self.key)
        {
            slots.record(self.keyspace, self.hash, context.sequence - 1);
            self.refusal = Some(Refusal::Conflict(Conflict::Locked));
            return Err(rejection());
        }
        if self.checks.recent.is_on() {
            let mut footprint = Footprint::default();
            footprint.add_key(self.keyspace, self.key, false);
            self.checks.recent.record(context.sequence, &footprint);
        }
        if self.delta != 0 {
            context.count_deltas.push((self.keyspace, self.delta));
        }
        Ok(())
    }
}

/// The engine only carries it; what happened is in the validator.
fn rejection() -> Rejection {
    Rejection {
        code: 0,
        message: String::new(),
    }
}
