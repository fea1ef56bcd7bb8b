//! Single writes and batches that are transactions of their own.
//!
//! They have no snapshot, so there is nothing they could conflict with; what they owe the others
//! is a trace in the conflict table, which costs a store, and respect for locks, which costs a
//! load. A write to a locked key waits for the lock, as a statement of a locking transaction would.
//!
//! Writes that depend on what the key was (compare and swap, keys of counted keyspaces) read
//! first, and start over if the key's slot moved before they were let through.

use rustdb_storage::SequenceNumber;
use rustdb_storage::error::Error as StorageError;

use crate::conflict::{Footprint, Refusal, Single, Validator, key_hash};
use crate::error::{Conflict, Error, Result};
use crate::limits::check_expiry;
use crate::lock::{LockOwner, RowMode};
use crate::manager::{KeyspaceRef, TransactionManager};
use crate::transaction::IsolationLevel;
use crate::write_batch::WriteBatch;
use crate::write_set::NEVER;
use rustdb_storage::engine::{Batch, Durability, ReadAt};
use rustdb_storage::slice::Slice;

/// How often [`TransactionManager::try_update`] tries.
const TRIES_MAX: usize = 8;

/// The result of [`TransactionManager::compare_and_swap`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The value was as expected and is now the new one.
    Done(SequenceNumber),
    /// The value was not as expected; this is what it is.
    Differs(Option<Slice>),
}

impl TransactionManager {
    /// The newest committed value of a key.
    pub fn get(&self, keyspace: KeyspaceRef, key: &[u8]) -> Result<Option<Slice>> {
        Ok(self.engine().get(keyspace.id, key, ReadAt::Latest)?)
    }

    /// Writes a value.
    pub fn put(
        &self,
        keyspace: KeyspaceRef,
        key: &[u8],
        value: &[u8],
        durability: Durability,
    ) -> Result<SequenceNumber> {
        self.commit_single(keyspace, key, Effect::Put(value, NEVER), durability)
    }

    /// Writes a value that is gone from `expiry` on, in microseconds since the Unix epoch.
    pub fn put_expiring(
        &self,
        keyspace: KeyspaceRef,
        key: &[u8],
        value: &[u8],
        expiry: u64,
        durability: Durability,
    ) -> Result<SequenceNumber> {
        check_expiry(keyspace)?;
        self.commit_single(keyspace, key, Effect::Put(value, expiry), durability)
    }

    /// Deletes a key, or does nothing if it does not exist.
    pub fn delete(
        &self,
        keyspace: KeyspaceRef,
        key: &[u8],
        durability: Durability,
    ) -> Result<SequenceNumber> {
        self.commit_single(keyspace, key, Effect::Delete, durability)
    }

    /// Writes `new` (`None`: deletes) if the key's value is `expected` (`None`: absent).
    pub fn compare_and_swap(
        &self,
        keyspace: KeyspaceRef,
        key: &[u8],
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
        durability: Durability,
    ) -> Result<Swap> {
        let mut found = None;
        let done = self.update(keyspace, key, durability, |value| {
            found = None;
            if value.map(|value| &**value) != expected {
                found = Some(value.cloned());
                return Update::Keep;
            }
            match new {
                Some(new) => Update::Put(new.to_vec()),
                None => Update::Delete,
            }
        })?;
        Ok(match (done, found) {
            (Some(sequence), _) => Swap::Done(sequence),
            (None, found) => Swap::Differs(found.flatten()),
        })
    }

    /// Reads a key, lets `change` decide, and writes what it says, as one step. `change` runs
    /// again if the key was written meanwhile. Returns the commit, if something was written.
    pub fn update(
        &self,
        keyspace: KeyspaceRef,
        key: &[u8],
        durability: Durability,
        mut change: impl FnMut(Option<&Slice>) -> Update,
    ) -> Result<Option<SequenceNumber>> {
        let mut batch = self.engine().batch();
        let mut owner = None;
        loop {
            let target = Target {
                keyspace,
                key,
                hash: key_hash(keyspace.id, key),
                owner: owner.as_ref(),
            };
            match self.update_once(&target, &mut batch, durability, &mut change)? {
                None => return Ok(None),
                Some(Attempt::Done(sequence)) => return Ok(Some(sequence)),
                Some(Attempt::Stale(newest)) => self.engine().wait_visible(newest)?,
                Some(Attempt::Locked) => owner = Some(self.lock_key(keyspace, key)?),
            }
        }
    }

    /// As [`TransactionManager::update`], but nothing is written to a key that somebody has locked,
    /// or that others keep writing.
    pub fn try_update(
        &self,
        keyspace: KeyspaceRef,
        key: &[u8],
        durability: Durability,
        mut change: impl FnMut(Option<&Slice>) -> Update,
    ) -> Result<Tried> {
        let mut batch = self.engine().batch();
        let target = Target {
            keyspace,
            key,
            hash: key_hash(keyspace.id, key),
            owner: None,
        };
        for _ in 0..TRIES_MAX {
            match self.update_once(&target, &mut batch, durability, &mut change)? {
                None => return Ok(Tried::Kept),
                Some(Attempt::Done(sequence)) => return Ok(Tried::Written(sequence)),
                Some(Attempt::Stale(newest)) => self.engine().wait_visible(newest)?,
                Some(Attempt::Locked) => return Ok(Tried::Busy),
            }
        }
        Ok(Tried::Busy)
    }

    /// One try of an update; `None` if the key is to stay as it is.
    fn update_once(
        &self,
        target: &Target<'_>,
        batch: &mut Batch,
        durability: Durability,
        change: &mut impl FnMut(Option<&Slice>) -> Update,
    ) -> Result<Option<Attempt>> {
        let engine = self.engine();
        // NB: before the read, so that a write in between counts as newer.
        let visible = engine.visible_sequence();
        let value = engine.get(target.keyspace.id, target.key, ReadAt::Latest)?;
        let new = change(value.as_ref());
        let effect = match &new {
            Update::Keep => return Ok(None),
            Update::Put(new) => Effect::Put(new, NEVER),
            Update::Delete => Effect::Delete,
        };
        let read = Read {
            at: visible,
            existed: value.is_some(),
        };
        let attempt = self.try_single(target, effect, batch, Some(read), durability)?;
        Ok(Some(attempt))
    }

    /// Commits a batch.
    pub fn write(&self, batch: &WriteBatch, durability: Durability) -> Result<SequenceNumber> {
        if batch.is_empty() {
            return Ok(self.engine().visible_sequence());
        }
        if batch.is_blind() {
            return self.write_blind(batch, durability);
        }
        self.run_retrying(IsolationLevel::Snapshot, durability, |transaction| {
            for (keyspace, write) in batch.writes() {
                write.apply(keyspace, transaction)?;
            }
            Ok::<_, Error>(())
        })
        .map(|(sequence, ())| sequence)
    }

    fn write_blind(&self, batch: &WriteBatch, durability: Durability) -> Result<SequenceNumber> {
        let mut footprint = Footprint::default();
        let mut engine_batch = self.engine().batch();
        for (keyspace, write) in batch.writes() {
            write.stage(keyspace, &mut engine_batch, &mut footprint)?;
        }
        let mut validator = Validator {
            checks: &self.shared().checks,
            owner: 0,
            footprint: &footprint,
            checked: SequenceNumber::MAX,
            quiet: (&[], 0),
            reads: None,
            large: None,
            deltas: &[],
            refusal: None,
        };
        match self
            .engine()
            .commit(&mut engine_batch, durability, &mut validator)
        {
            Ok(sequence) => Ok(sequence),
            Err(StorageError::Rejected(_)) => self.write_locking(batch, durability),
            Err(error) => Err(error.into()),
        }
    }

    /// Commits a batch some of whose keys are locked: waits for the locks of all of them.
    fn write_locking(&self, batch: &WriteBatch, durability: Durability) -> Result<SequenceNumber> {
        let committed =
            self.run_retrying(IsolationLevel::ReadCommitted, durability, |transaction| {
                for (keyspace, write) in batch.writes() {
                    write.apply(keyspace, transaction)?;
                }
                Ok::<_, Error>(())
            });
        committed.map(|(sequence, ())| sequence)
    }

    /// Commits one blind write.
    fn commit_single(
        &self,
        keyspace: KeyspaceRef,
        key: &[u8],
        effect: Effect<'_>,
        durability: Durability,
    ) -> Result<SequenceNumber> {
        let hash = key_hash(keyspace.id, key);
        self.shared().checks.slots.touch(hash);
        let mut batch = self.engine().batch();
        let mut owner = None;
        loop {
            let read = match keyspace.is_counted {
                true => Some(self.read_existence(keyspace, key)?),
                false => None,
            };
            let target = Target {
                keyspace,
                key,
                hash,
                owner: owner.as_ref(),
            };
            match self.try_single(&target, effect, &mut batch, read, durability)? {
                Attempt::Done(sequence) => return Ok(sequence),
                Attempt::Stale(newest) => self.engine().wait_visible(newest)?,
                Attempt::Locked => owner = Some(self.lock_key(keyspace, key)?),
            }
        }
    }

    fn read_existence(&self, keyspace: KeyspaceRef, key: &[u8]) -> Result<Read> {
        let at = self.engine().visible_sequence();
        let existed = self.engine().contains(keyspace.id, key, ReadAt::Latest)?;
        Ok(Read { at, existed })
    }

    fn try_single(
        &self,
        target: &Target<'_>,
        effect: Effect<'_>,
        batch: &mut Batch,
        read: Option<Read>,
        durability: Durability,
    ) -> Result<Attempt> {
        let Target {
            keyspace,
            key,
            hash,
            owner,
        } = *target;
        // Anew for every attempt: a batch that was refused has lost its large values.
        batch.clear();
        effect.stage(batch, keyspace, key)?;
        let mut single = Single {
            checks: &self.shared().checks,
            owner: owner.map_or(0, LockOwner::id),
            keyspace: keyspace.id,
            key,
            hash,
            checked: read.map(|read| read.at),
            delta: read.map_or(0, |read| effect.delta(keyspace, read.existed)),
            refusal: None,
        };
        match self.engine().commit(batch, durability, &mut single) {
            Ok(sequence) => return Ok(Attempt::Done(sequence)),
            Err(StorageError::Rejected(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match single.refusal {
            Some(Refusal::Stale(newest)) => Ok(Attempt::Stale(newest)),
            Some(Refusal::Conflict(Conflict::Locked)) => Ok(Attempt::Locked),
            Some(refusal) => Err(refusal.into_error()),
            None => unreachable!("a commit is only rejected by its validator"),
        }
    }

    fn lock_key(&self, keyspace: KeyspaceRef, key: &[u8]) -> Result<LockOwner> {
        let mut owner = self.shared().new_owner();
        owner.lock_row(
            keyspace.id,
            key,
            RowMode::Update,
            self.shared().options.lock_wait,
        )?;
        Ok(owner)
    }
}

/// What [`TransactionManager::update`] is to do with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// Leave it as it is.
    Keep,
    /// Write this value.
    Put(Vec<u8>),
    /// Delete it.
    Delete,
}

/// How [`TransactionManager::try_update`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// The new value is committed.
    Written(SequenceNumber),
    /// The key was to stay as it is.
    Kept,
    /// Somebody has locked the key, or others wrote it again and again.
    Busy,
}

/// What is known of a key, and up to which commit.
#[derive(Clone, Copy, Debug)]
struct Read {
    at: SequenceNumber,
    existed: bool,
}

/// The key of a single write, and who has locked it for the write.
struct Target<'a> {
    keyspace: KeyspaceRef,
    key: &'a [u8],
    /// Its [`key_hash`].
    hash: u64,
    owner: Option<&'a LockOwner>,
}

/// What a single write does.
#[derive(Clone, Copy, Debug)]
enum Effect<'a> {
    /// Writes a value with an expiry.
    Put(&'a [u8], u64),
    Delete,
}

impl Effect<'_> {
    fn stage(self, batch: &mut Batch, keyspace: KeyspaceRef, key: &[u8]) -> Result<()> {
        match self {
            Effect::Put(value, NEVER) => batch.put(keyspace.id, key, value)?,
            Effect::Put(value, expiry) => batch.put_expiring(keyspace.id, key, value, expiry)?,
            Effect::Delete => batch.delete(keyspace.id, key)?,
        }
        Ok(())
    }

    /// The change of the keyspace's count.
    fn delta(self, keyspace: KeyspaceRef, existed: bool) -> i64 {
        match (keyspace.is_counted, self) {
            (false, _) => 0,
            (true, Effect::Put(..)) => i64::from(!existed),
            (true, Effect::Delete) => -i64::from(existed),
        }
    }
}

/// How one try to commit went.
#[derive(Debug)]
enum Attempt {
    Done(SequenceNumber),
    /// The key may have been written meanwhile.
    Stale(SequenceNumber),
    /// The key is locked.
    Locked,
}
