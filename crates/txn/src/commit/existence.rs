//! Whether keys existed before a transaction, asked in the order of the keys.
//!
//! Keys that are neighbours in the keyspace, such as those of a large deletion, are found by
//! walking along, which costs a fraction of a look-up for each. Where the walk would have to jump
//! from key to key a look-up is cheaper, because filters say of most absent keys that they are
//! absent. Which of the two it is shows in how the last keys were found.

use std::cmp::Ordering;
use std::ops::Bound;

use rustdb_storage::KeyspaceId;
use rustdb_storage::engine::{Bounds, EngineIter, ReadAt};

use crate::error::Result;
use crate::transaction::Transaction;

/// Entries that are passed on the way to a key before it is sought.
const STEPS_MAX: usize = 8;

/// Of so many keys in a row, found or sought, at most half may have been sought.
const SEEKS_MAX: u32 = 8;

/// Keys that are looked up before walking is tried again.
const LOOK_UPS: u32 = 1000;

/// Answers for one commit.
pub(super) struct Existence<'a> {
    transaction: &'a Transaction,
    walk: Option<Walk>,
    /// Seeks in excess of keys that were found by walking.
    seeks: u32,
    /// Keys yet to be looked up.
    look_ups: u32,
}

/// A walk through a keyspace of the snapshot.
struct Walk {
    keyspace: KeyspaceId,
    iterator: EngineIter,
    /// Whether the iterator is on an entry or at the end; before the first seek it is neither.
    is_on_entry: Option<bool>,
}

impl<'a> Existence<'a> {
    pub(super) fn new(transaction: &'a Transaction) -> Self {
        Self {
            transaction,
            walk: None,
            seeks: 0,
            // The first keys are not worth a walk if there are no more.
            look_ups: SEEKS_MAX,
        }
    }

    /// Whether a key existed before the transaction: in its snapshot if it is checked, and now
    /// if it is covered by a lock instead. Keys come in ascending order within a keyspace.
    pub(super) fn existed(
        &mut self,
        keyspace: KeyspaceId,
        key: &[u8],
        is_checked: bool,
    ) -> Result<bool> {
        if is_checked && self.look_ups == 0 {
            return self.walk_to(keyspace, key);
        }
        self.look_ups = self.look_ups.saturating_sub(1);
        let at = match is_checked {
            true => ReadAt::Snapshot(self.transaction.snapshot()),
            false => ReadAt::Latest,
        };
        Ok(self.transaction.engine().contains(keyspace, key, at)?)
    }

    fn walk_to(&mut self, keyspace: KeyspaceId, key: &[u8]) -> Result<bool> {
        let walk = match self.walk.take().filter(|walk| walk.keyspace == keyspace) {
            Some(walk) => walk,
            None => Walk::new(self.transaction, keyspace)?,
        };
        let walk = self.walk.insert(walk);
        match walk.step_to(key)? {
            Some(order) => {
                self.seeks = self.seeks.saturating_sub(1);
                return Ok(order == Ordering::Equal);
            }
            None => self.seeks += 1,
        }
        let found = walk.seek(key)?;
        if self.seeks == SEEKS_MAX {
            (self.walk, self.seeks, self.look_ups) = (None, 0, LOOK_UPS);
        }
        Ok(found)
    }
}

impl Walk {
    fn new(transaction: &Transaction, keyspace: KeyspaceId) -> Result<Self> {
        let bounds = Bounds {
            lower: Bound::Unbounded,
            upper: Bound::Unbounded,
        };
        let at = ReadAt::Snapshot(transaction.snapshot());
        Ok(Self {
            keyspace,
            iterator: transaction.engine().iter(keyspace, &bounds, at)?,
            is_on_entry: None,
        })
    }

    /// Goes some steps ahead. Returns how the first entry that is not before `key` compares to
    /// it, or `None` if it is too far away.
    fn step_to(&mut self, key: &[u8]) -> Result<Option<Ordering>> {
        for _ in 0..STEPS_MAX {
            let order = match self.is_on_entry {
                Some(true) => self.iterator.key().cmp(key),
                Some(false) => Ordering::Greater,
                None => break,
            };
            if order != Ordering::Less {
                return Ok(Some(order));
            }
            self.is_on_entry = Some(self.iterator.advance()?);
        }
        Ok(None)
    }

    /// Goes to the first entry that is not before `key`. Returns whether it is `key`.
    fn seek(&mut self, key: &[u8]) -> Result<bool> {
        self.iterator.seek(key);
        let is_on_entry = self.iterator.advance()?;
        self.is_on_entry = Some(is_on_entry);
        Ok(is_on_entry && self.iterator.key() == key)
    }
}
