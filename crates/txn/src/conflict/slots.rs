//! When was a key last written? A small table that never says "earlier than it was".
//!
//! Every commit leaves its sequence number in the slot of each key it writes. Slots are shared by
//! all keys with the same hash, so a slot's number is an upper bound: *no slot newer than my
//! snapshot* proves that a key is unchanged; anything else has to be looked up.
//!
//! Writes too many or too broad for that (range deletions, bulk loads) raise the floor of their
//! keyspace instead, which counts for all its keys.
//!
//! Slots are written inside the commit pipeline only, in the order of sequence numbers. They are
//! read anywhere.

use std::sync::atomic::{AtomicU64, Ordering};

use rustdb_storage::{KeyspaceId, SequenceNumber};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Slots for keyspaces; keyspaces with equal low bits share one.
const KEYSPACE_SLOTS: usize = 1024;

/// The table.
#[derive(Debug)]
pub(crate) struct Slots {
    keys: Box<[AtomicU64]>,
    keyspaces: Box<[KeyspaceSlot]>,
}

#[derive(Debug, Default)]
struct KeyspaceSlot {
    /// The last commit that wrote anything in the keyspace.
    written: AtomicU64,
    /// The last commit that may have written any key of it.
    floor: AtomicU64,
}

/// The hash that picks a key's slot.
#[inline]
pub(crate) fn key_hash(keyspace: KeyspaceId, key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, u64::from(keyspace.0))
}

impl Slots {
    /// A table of `slots` slots, rounded up to a power of two.
    pub(crate) fn new(slots: usize) -> Self {
        let slots = slots.next_power_of_two();
        Self {
            keys: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            keyspaces: (0..KEYSPACE_SLOTS)
                .map(|_| KeyspaceSlot::default())
                .collect(),
        }
    }

    /// No commit after the returned one wrote the key with this hash.
    #[inline]
    pub(crate) fn newest(&self, keyspace: KeyspaceId, hash: u64) -> SequenceNumber {
        let floor = self.keyspace(keyspace).floor.load(Ordering::SeqCst);
        self.key(hash).load(Ordering::SeqCst).max(floor)
    }

    /// No commit after the returned one wrote anything in the keyspace.
    #[inline]
    pub(crate) fn newest_in(&self, keyspace: KeyspaceId) -> SequenceNumber {
        self.keyspace(keyspace).written.load(Ordering::SeqCst)
    }

    /// Has the processor load the slot of a key that will be recorded soon. Recording is followed
    /// by a fence, which would wait for it.
    #[inline]
    pub(crate) fn touch(&self, hash: u64) {
        rustdb_storage::prefetch(self.key(hash), size_of::<AtomicU64>());
    }

    /// Notes that commit `sequence` writes one key. Not ordered with loads that follow; a fence is
    /// the caller's.
    #[inline]
    pub(crate) fn record(&self, keyspace: KeyspaceId, hash: u64, sequence: SequenceNumber) {
        self.key(hash).store(sequence, Ordering::Release);
        self.keyspace(keyspace)
            .written
            .store(sequence, Ordering::Release);
    }

    /// Notes that commit `sequence` may write any key of the keyspace.
    pub(crate) fn record_all(&self, keyspace: KeyspaceId, sequence: SequenceNumber) {
        let slot = self.keyspace(keyspace);
        slot.floor.store(sequence, Ordering::Release);
        slot.written.store(sequence, Ordering::Release);
    }

    #[inline]
    fn key(&self, hash: u64) -> &AtomicU64 {
        &self.keys[hash as usize & (self.keys.len() - 1)]
    }

    #[inline]
    fn keyspace(&self, keyspace: KeyspaceId) -> &KeyspaceSlot {
        &self.keyspaces[keyspace.0 as usize % KEYSPACE_SLOTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: KeyspaceId = KeyspaceId(1);
    const B: KeyspaceId = KeyspaceId(2);

    #[test]
    fn slot_is_never_older_than_the_last_write_of_its_keys() {
        let slots = Slots::new(4);
        let keys: Vec<[u8; 2]> = (0..100u16).map(u16::to_be_bytes).collect();
        for (n, key) in keys.iter().enumerate() {
            slots.record(A, key_hash(A, key), n as u64 + 1);
        }
        for (n, key) in keys.iter().enumerate() {
            assert!(slots.newest(A, key_hash(A, key)) > n as u64);
        }
        assert_eq!((slots.newest_in(A), slots.newest_in(B)), (100, 0));
    }

    #[test]
    fn floor_counts_for_every_key_of_its_keyspace() {
        let slots = Slots::new(1 << 16);
        slots.record_all(A, 7);
        assert_eq!(slots.newest(A, key_hash(A, b"x")), 7);
        assert_eq!(slots.newest(B, key_hash(B, b"x")), 0);
    }
}
