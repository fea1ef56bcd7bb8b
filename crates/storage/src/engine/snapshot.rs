//! Live snapshots: which sequence numbers someone may still read at.
//!
//! A snapshot is a number in this registry. Garbage collection keeps, for each number in it, the
//! newest version not above it. A snapshot is taken *under the registry's lock* from the visible
//! sequence, so whoever lists the registry knows: any snapshot not in the list is, or will be, at
//! least as new as the visible sequence at the time of listing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustdb_vfs::sync::Mutex;

use super::keyspace::KeyspaceInfo;
use crate::key::{KeyspaceId, SequenceNumber};

/// Counts the holders of each live snapshot.
#[derive(Debug, Default)]
pub(crate) struct SnapshotRegistry {
    live: Mutex<BTreeMap<SequenceNumber, usize>>,
}

impl SnapshotRegistry {
    /// Takes a snapshot at the sequence number that `visible` holds now.
    pub fn acquire(self: &Arc<Self>, visible: &AtomicU64) -> Snapshot {
        let mut live = self.live.lock();
        let sequence = visible.load(Ordering::Acquire);
        *live.entry(sequence).or_insert(0) += 1;
        Snapshot(Arc::new(Registration {
            sequence,
            registry: self.clone(),
            count: OnceLock::new(),
        }))
    }

    /// The live sequence numbers, ascending, and the visible sequence at this moment.
    pub fn list(&self, visible: &AtomicU64) -> (Vec<SequenceNumber>, SequenceNumber) {
        let live = self.live.lock();
        (
            live.keys().copied().collect(),
            visible.load(Ordering::Acquire),
        )
    }

    /// The oldest live sequence number, or the visible one if there is none.
    pub fn oldest(&self, visible: &AtomicU64) -> SequenceNumber {
        let live = self.live.lock();
        let visible = visible.load(Ordering::Acquire);
        live.keys().next().copied().unwrap_or(visible)
    }

    /// How many snapshots are live.
    pub fn count(&self) -> usize {
        self.live.lock().values().sum()
    }

    fn release(&self, sequence: SequenceNumber) {
        let mut live = self.live.lock();
        if let Some(holders) = live.get_mut(&sequence) {
            *holders -= 1;
            if *holders == 0 {
                live.remove(&sequence);
            }
        }
    }
}

/// A point in the history of the database that stays readable until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Snapshot(Arc<Registration>);

impl Snapshot {
    /// The newest commit the snapshot sees.
    pub fn sequence(&self) -> SequenceNumber {
        self.0.sequence
    }

    /// The exact number of keys that it sees in a counted keyspace.
    #[inline]
    pub(crate) fn count_of(&self, keyspace: &KeyspaceInfo) -> Option<u64> {
        match self.0.count.get() {
            Some((known, count)) if *known == keyspace.id => Some(*count),
            _ => self.find_count(keyspace),
        }
    }

    fn find_count(&self, keyspace: &KeyspaceInfo) -> Option<u64> {
        let count = keyspace.count_at(self.sequence())?;
        self.0.count.get_or_init(|| (keyspace.id, count));
        Some(count)
    }
}

#[derive(Debug)]
struct Registration {
    sequence: SequenceNumber,
    registry: Arc<SnapshotRegistry>,
    /// The number of keys of the counted keyspace that was asked for first. It never changes.
    count: OnceLock<(KeyspaceId, u64)>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.release(self.sequence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshot_is_live_until_last_clone_drops() {
        let registry = Arc::new(SnapshotRegistry::default());
        let visible = AtomicU64::new(5);
        let a = registry.acquire(&visible);
        let b = a.clone();
        visible.store(9, Ordering::Release);
        let c = registry.acquire(&visible);
        assert_eq!(registry.list(&visible), (vec![5, 9], 9));
        drop(a);
        assert_eq!(registry.oldest(&visible), 5);
        drop(b);
        assert_eq!(registry.oldest(&visible), 9);
        drop(c);
        assert_eq!(registry.list(&visible), (vec![], 9));
    }
}
