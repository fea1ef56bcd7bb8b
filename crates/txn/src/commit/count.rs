//! How a commit changes the counts of counted keyspaces.
//!
//! A count changes by *keys that exist afterwards* less *keys that existed before*, over what the
//! transaction wrote. Before means: in the snapshot, since a checked key cannot have changed after
//! it, or now, for a key under a lock. Deleted ranges are counted first; a key written inside one
//! then counts as new. So does one in a range that was taken, whose keys are counted already.

use std::collections::BTreeMap;
use std::ops::Bound;

use rustdb_storage::KeyspaceId;
use rustdb_storage::engine::{Bounds, EngineIter, ReadAt};

use super::Commit;
use super::existence::Existence;
use crate::error::Result;
use crate::ranges::RangeSet;
use crate::transaction::{IsolationLevel, Transaction};
use crate::write_set::{Space, TakenSpace};

impl Commit<'_> {
    /// Computes the changes for writes in memory.
    pub(super) fn count(&mut self) -> Result<()> {
        let mut deltas = BTreeMap::new();
        let spaces = self.writes.taken().spaces();
        for (keyspace, taken) in spaces {
            deltas.insert(*keyspace, -(taken.keys() as i64));
        }
        for (keyspace, space) in self.writes.flat() {
            if self.transaction.is_counted(keyspace) {
                let taken = spaces.get(&keyspace).map(TakenSpace::ranges);
                let delta = self.transaction.count_space(keyspace, space, taken)?;
                *deltas.entry(keyspace).or_default() += delta;
            }
        }
        deltas.retain(|keyspace, delta| *delta != 0 && self.transaction.is_counted(*keyspace));
        self.deltas = deltas.into_iter().collect();
        Ok(())
    }
}

impl Transaction {
    /// What is in a taken range was counted when it was taken.
    fn count_space(
        &self,
        keyspace: KeyspaceId,
        space: &Space,
        taken: Option<&RangeSet>,
    ) -> Result<i64> {
        let is_taken = |key: &[u8]| taken.is_some_and(|taken| taken.contains(key));
        let was_empty = self.was_empty(keyspace)?;
        let mut delta = 0;
        let mut existence = Existence::new(self);
        if !was_empty {
            delta -= self.count_ranges(keyspace, space.deleted(), is_taken)?;
        }
        for (key, write) in space.writes() {
            let existed = match write.existed {
                _ if was_empty || space.deleted().contains(key) || is_taken(key) => false,
                Some(existed) => existed,
                None => existence.existed(keyspace, key, write.is_checked)?,
            };
            delta += i64::from(write.value.is_some()) - i64::from(existed);
        }
        Ok(delta)
    }

    /// Whether a keyspace is known to have been empty before the transaction.
    pub(super) fn was_empty(&self, keyspace: KeyspaceId) -> Result<bool> {
        Ok(self.isolation != IsolationLevel::ReadCommitted
            && self
                .engine()
                .len(keyspace, ReadAt::Snapshot(&self.snapshot))?
                == 0)
    }

    /// How many keys of the ranges existed before the transaction, without those that were taken.
    fn count_ranges(
        &self,
        keyspace: KeyspaceId,
        ranges: &RangeSet,
        is_taken: impl Fn(&[u8]) -> bool,
    ) -> Result<i64> {
        let mut count = 0;
        for (start, end) in ranges.iter() {
            let mut iterator = self.iterate_before(keyspace, start, end)?;
            while iterator.advance()? {
                count += i64::from(!is_taken(iterator.key()));
            }
        }
        Ok(count)
    }

    /// Walks over the keys of a range that existed before the transaction.
    pub(super) fn iterate_before(
        &self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<EngineIter> {
        let at = match self.isolation {
            IsolationLevel::ReadCommitted => ReadAt::Latest,
            IsolationLevel::Snapshot | IsolationLevel::Serializable => {
                ReadAt::Snapshot(&self.snapshot)
            }
        };
        let bounds = Bounds {
            lower: Bound::Included(start.to_vec()),
            upper: end.map_or(Bound::Unbounded, |end| Bound::Excluded(end.to_vec())),
        };
        Ok(self.engine().iter(keyspace, &bounds, at)?)
    }
}
