//! How a commit changes the counts of counted keyspaces.
//!
//! A count changes by *keys that exist afterwards* less *keys that existed before*, over what the
//! transaction wrote. Before means: in the snapshot, since a checked key cannot have changed after
//! it, or now, for a key under a lock. Deleted ranges are counted first; a key written inside one
//! then counts as new.

use std::ops::Bound;

use rustdb_storage::KeyspaceId;
use rustdb_storage::engine::{Bounds, EngineIter, ReadAt};

use super::Commit;
use super::existence::Existence;
use crate::error::Result;
use crate::ranges::RangeSet;
use crate::transaction::{IsolationLevel, Transaction};
use crate::write_set::Space;

impl Commit<'_> {
    /// Computes the changes for writes in memory.
    pub(super) fn count(&mut self) -> Result<()> {
        for (keyspace, space) in self.writes.flat() {
            if self.transaction.is_counted(keyspace) {
                let delta = self.transaction.count_space(keyspace, space)?;
                if delta != 0 {
                    self.deltas.push((keyspace, delta));
                }
            }
        }
        Ok(())
    }
}

impl Transaction {
    fn count_space(&self, keyspace: KeyspaceId, space: &Space) -> Result<i64> {
        let was_empty = self.was_empty(keyspace)?;
        let mut delta = 0;
        let mut existence = Existence::new(self);
        if !was_empty {
            delta -= self.count_ranges(keyspace, space.deleted())?;
        }
        for (key, write) in space.writes() {
            let existed = match write.existed {
                _ if was_empty || space.deleted().contains(key) => false,
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

    /// How many keys of the ranges existed before the transaction.
    fn count_ranges(&self, keyspace: KeyspaceId, ranges: &RangeSet) -> Result<i64> {
        let mut count = 0;
        for (start, end) in ranges.iter() {
            let mut iterator = self.iterate_before(keyspace, start, end)?;
            while iterator.advance()? {
                count += 1;
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
