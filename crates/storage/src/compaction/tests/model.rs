//! A model of every commit, and what readers at any moment have to see of it.

use std::collections::BTreeMap;

use crate::key::{KeyspaceId, SequenceNumber, storage_key};

pub(super) type Key = Vec<u8>;

/// A storage key of a keyspace.
pub(super) fn key(keyspace: u32, user: &str) -> Key {
    let mut out = Vec::new();
    storage_key(KeyspaceId(keyspace), user.as_bytes(), &mut out);
    out
}

/// What a commit writes.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Put {
        value: Vec<u8>,
        expiry: Option<u64>,
    },
    /// The same, with the value in a value file.
    PutLarge {
        value: Vec<u8>,
        expiry: Option<u64>,
    },
    Delete,
}

/// Every commit there was.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) writes: BTreeMap<Key, Vec<(SequenceNumber, Write)>>,
    pub(super) ranges: Vec<(Key, Key, SequenceNumber)>,
}

impl Model {
    /// What a reader at `at` sees.
    pub(super) fn view(&self, at: SequenceNumber, now: u64) -> BTreeMap<Key, Vec<u8>> {
        let visible = self.writes.iter().filter_map(|(key, writes)| {
            let (seq, write) = writes.iter().rev().find(|(seq, _)| *seq <= at)?;
            let is_covered = self.ranges.iter().any(|(start, end, tombstone)| {
                start <= key && key < end && *tombstone <= at && *tombstone > *seq
            });
            match write {
                Write::Put { value, expiry } | Write::PutLarge { value, expiry } => {
                    let is_live = expiry.is_none_or(|expiry| expiry > now);
                    (is_live && !is_covered).then(|| (key.clone(), value.clone()))
                }
                Write::Delete => None,
            }
        });
        visible.collect()
    }

    /// The newest commit that changed the key.
    pub(super) fn newest(&self, key: &Key) -> SequenceNumber {
        let writes = self.writes.get(key).and_then(|writes| writes.last());
        let ranges = self.ranges.iter().filter(|(s, e, _)| s <= key && key < e);
        let newest = ranges.map(|(_, _, seq)| *seq).max().unwrap_or(0);
        newest.max(writes.map_or(0, |(seq, _)| *seq))
    }
}
