//! What a commit writes, reduced to what the checks need: keys with their hashes, and ranges.
//!
//! It is made before the commit enters the pipeline, so that inside it no key is hashed and no
//! tree is walked.

use rustdb_storage::KeyspaceId;
use rustdb_storage::key::{KEYSPACE_BYTES, split_storage_key};

use super::slots::key_hash;

/// Keys beyond which a footprint keeps, per keyspace, only the first and last one.
pub(crate) const FOOTPRINT_KEYS_MAX: usize = 8192;

/// A range of storage keys: start, and end, which is exclusive.
pub(crate) type StorageRange = (Box<[u8]>, Box<[u8]>);

/// The keys and ranges that a commit writes.
#[derive(Debug, Default)]
pub(crate) struct Footprint {
    keys: Vec<FootprintKey>,
    /// The storage keys, one after the other.
    bytes: Vec<u8>,
    /// Deleted ranges.
    ranges: Vec<StorageRange>,
    /// What stands for too many keys: from the first to the last of them.
    hulls: Vec<StorageRange>,
}

/// One key of a footprint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FootprintKey {
    pub(crate) hash: u64,
    pub(crate) keyspace: KeyspaceId,
    /// Whether it has to be unchanged since the snapshot. Not so for keys under a lock.
    pub(crate) is_checked: bool,
    /// Where the storage key ends in the bytes.
    end: usize,
}

impl Footprint {
    /// Adds a key that is written.
    pub(crate) fn add_key(&mut self, keyspace: KeyspaceId, key: &[u8], is_checked: bool) {
        self.bytes.extend_from_slice(&keyspace.prefix());
        self.bytes.extend_from_slice(key);
        let hash = key_hash(keyspace, key);
        self.keys.push(FootprintKey {
            hash,
            keyspace,
            is_checked,
            end: self.bytes.len(),
        });
    }

    /// Adds a range that is written; no end means the end of the keyspace.
    pub(crate) fn add_range(&mut self, keyspace: KeyspaceId, start: &[u8], end: Option<&[u8]>) {
        self.ranges.push(storage_range(keyspace, start, end));
    }

    /// Adds a range of which too many keys are written to name them.
    pub(crate) fn add_hull(&mut self, keyspace: KeyspaceId, start: &[u8], end: Option<&[u8]>) {
        self.hulls.push(storage_range(keyspace, start, end));
    }

    pub(crate) fn keys(&self) -> &[FootprintKey] {
        &self.keys
    }

    /// The keys with their bytes, as keyspace and user key.
    pub(crate) fn keys_with_bytes(&self) -> impl Iterator<Item = (&FootprintKey, &[u8])> {
        self.keys
            .iter()
            .zip(self.storage_keys())
            .map(|(key, bytes)| (key, &bytes[KEYSPACE_BYTES..]))
    }

    pub(crate) fn storage_keys(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.keys.iter().map(move |key| {
            let bytes = &self.bytes[start..key.end];
            start = key.end;
            bytes
        })
    }

    /// The deleted ranges.
    pub(crate) fn ranges(&self) -> &[StorageRange] {
        &self.ranges
    }

    /// The ranges that stand for too many keys.
    pub(crate) fn hulls(&self) -> &[StorageRange] {
        &self.hulls
    }

    /// Everything that is written and not named key by key.
    pub(crate) fn ranges_and_hulls(&self) -> impl Iterator<Item = &StorageRange> {
        self.ranges.iter().chain(&self.hulls)
    }
}

/// A range of a keyspace as storage keys.
pub(crate) fn storage_range(
    keyspace: KeyspaceId,
    start: &[u8],
    end: Option<&[u8]>,
) -> StorageRange {
    let glue = |key: &[u8]| [&keyspace.prefix(), key].concat().into_boxed_slice();
    let end = match end {
        Some(end) => glue(end),
        // Ids stop short of the last number, so there is a next one.
        None => KeyspaceId(keyspace.0 + 1).prefix().into(),
    };
    (glue(start), end)
}

/// The keyspace of a storage key.
pub(crate) fn keyspace_of(storage_key: &[u8]) -> KeyspaceId {
    split_storage_key(storage_key).map_or(KeyspaceId::SYSTEM, |(keyspace, _)| keyspace)
}
