//! Keyspaces: their list, their options and their exact counts.
//!
//! The list is data like any other: one entry per keyspace in the system keyspace, keyed by its
//! name. Creating a keyspace is a commit that writes the entry; dropping one is a commit that
//! deletes the entry and the keyspace's whole range. What is kept here in memory is a copy that
//! the pipeline updates when it applies such a commit.
//!
//! A *counted* keyspace knows its number of keys. Each commit carries the change, computed by the
//! layer above. The count of an older snapshot is found in a short history, which keeps one entry
//! for each run of changes that a live snapshot separates from the next.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustdb_vfs::sync::Mutex;

use crate::codec::Codec;
use crate::engine::batch::{read_varint, write_varint};
use crate::error::{Error, Result};
use crate::key::{KeyspaceId, SequenceNumber};

/// The longest name of a keyspace, in bytes.
pub const KEYSPACE_NAME_BYTES_MAX: usize = 255;

/// The least number of changes a count remembers before it looks which of them a snapshot still
/// needs. It looks again when there are twice as many as were needed the last time.
const HISTORY_PRUNE_MIN: usize = 64;

/// How a keyspace is stored. Fixed when it is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyspaceOptions {
    /// Whether `len` is exact and immediate. Costs a look-up per blind write; excludes expiry.
    pub counted: bool,
    /// The codec of its blocks; `None` follows the engine's per-level setting.
    pub compression: Option<Codec>,
    /// Whether its keys go into filters. Without, point reads of missing keys cost a block read.
    pub filter: bool,
}

impl Default for KeyspaceOptions {
    fn default() -> Self {
        Self {
            counted: false,
            compression: None,
            filter: true,
        }
    }
}

impl KeyspaceOptions {
    /// `version 1 | id u32 | flags u8 (1 counted, 2 filter, 4 own codec) | codec u8`.
    pub(crate) fn encode(&self, id: KeyspaceId) -> Vec<u8> {
        let mut out = Vec::new();
        write_varint(&mut out, 1);
        out.extend_from_slice(&id.0.to_le_bytes());
        let own = self.compression.is_some();
        out.push(u8::from(self.counted) | u8::from(self.filter) << 1 | u8::from(own) << 2);
        out.push(self.compression.map_or(0, |codec| codec as u8));
        out
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Result<(KeyspaceId, Self), &'static str> {
        if read_varint(&mut bytes)? != 1 {
            return Err("a keyspace entry has a newer version");
        }
        let &[a, b, c, d, flags, codec] = bytes else {
            return Err("a keyspace entry has the wrong length");
        };
        if flags > 7 {
            return Err("a keyspace entry has unknown flags");
        }
        let compression = match flags & 4 {
            0 => None,
            _ => Some(Codec::from_u8(codec).ok_or("a keyspace entry names an unknown codec")?),
        };
        let options = Self {
            counted: flags & 1 != 0,
            compression,
            filter: flags & 2 != 0,
        };
        Ok((KeyspaceId(u32::from_le_bytes([a, b, c, d])), options))
    }
}

/// What the engine knows of one keyspace.
#[derive(Debug)]
pub struct KeyspaceInfo {
    /// Its id.
    pub id: KeyspaceId,
    /// Its name.
    pub name: String,
    /// Its options.
    pub options: KeyspaceOptions,
    count: Option<Mutex<Count>>,
    is_dropped: AtomicBool,
}

#[derive(Debug)]
struct Count {
    /// The count from `since` on.
    now: u64,
    since: SequenceNumber,
    /// Earlier counts and the sequence they held from, oldest first.
    history: VecDeque<(SequenceNumber, u64)>,
    /// The length of the history at which it is looked through.
    prune_at: usize,
}

impl KeyspaceInfo {
    pub(crate) fn new(id: KeyspaceId, name: &str, options: KeyspaceOptions, count: u64) -> Self {
        let count = options.counted.then(|| {
            Mutex::new(Count {
                now: count,
                since: 0,
                history: VecDeque::new(),
                prune_at: HISTORY_PRUNE_MIN,
            })
        });
        Self {
            id,
            name: name.to_owned(),
            options,
            count,
            is_dropped: AtomicBool::new(false),
        }
    }

    /// The exact number of keys at `sequence`, which a snapshot keeps, for a counted keyspace.
    pub(crate) fn count_at(&self, sequence: SequenceNumber) -> Option<u64> {
        Some(self.count.as_ref()?.lock().at(sequence))
    }

    /// The exact number of keys after the newest commit that readers see, for a counted keyspace.
    pub(crate) fn count_now(&self, visible: &AtomicU64) -> Option<u64> {
        let count = self.count.as_ref()?.lock();
        // NB: with the lock. What held at an earlier moment may be forgotten in between.
        Some(count.at(visible.load(Ordering::Acquire)))
    }

    /// Whether there is no such keyspace any more.
    pub(crate) fn is_dropped(&self) -> bool {
        self.is_dropped.load(Ordering::Acquire)
    }

    /// Applies a commit's change. `live` is asked now and then which snapshots still matter.
    pub(crate) fn apply_delta(
        &self,
        sequence: SequenceNumber,
        delta: i64,
        live: impl FnOnce() -> (Vec<SequenceNumber>, SequenceNumber),
    ) {
        let Some(count) = &self.count else { return };
        let mut count = count.lock();
        let previous = (count.since, count.now);
        count.history.push_back(previous);
        count.now = count.now.saturating_add_signed(delta);
        count.since = sequence;
        if count.history.len() >= count.prune_at {
            let (live, visible) = live();
            count.prune(&live, visible);
            count.prune_at = HISTORY_PRUNE_MIN.max(2 * count.history.len());
        }
    }
}

impl Count {
    /// The count at `sequence`.
    fn at(&self, sequence: SequenceNumber) -> u64 {
        if self.since <= sequence {
            return self.now;
        }
        let mut newest_first = self.history.iter().rev();
        let older = newest_first.find(|(since, _)| *since <= sequence);
        older.map_or(0, |(_, n)| *n)
    }

    /// Drops the counts that no live snapshot, and none yet to be taken, can ask for.
    fn prune(&mut self, live: &[SequenceNumber], visible: SequenceNumber) {
        let mut next_since = self.since;
        let mut kept = VecDeque::new();
        for &(since, n) in self.history.iter().rev() {
            let first_live = live.partition_point(|s| *s < since);
            let is_needed = live.get(first_live).is_some_and(|s| *s < next_since);
            if is_needed || next_since > visible {
                kept.push_front((since, n));
            }
            next_since = since;
        }
        self.history = kept;
    }
}

/// The keyspaces of an open engine.
#[derive(Debug, Default)]
pub(crate) struct Keyspaces {
    maps: Mutex<KeyspaceMaps>,
    /// How many keyspaces were dropped since the engine was opened.
    drops: AtomicU64,
}

#[derive(Debug, Default)]
struct KeyspaceMaps {
    by_id: HashMap<KeyspaceId, Arc<KeyspaceInfo>>,
    by_name: HashMap<String, Arc<KeyspaceInfo>>,
    /// Those that were dropped since the engine was opened: somebody may still have their ids.
    closed: HashSet<KeyspaceId>,
}

impl Keyspaces {
    pub fn insert(&self, info: KeyspaceInfo) {
        let info = Arc::new(info);
        let mut maps = self.maps.lock();
        maps.by_name.insert(info.name.clone(), info.clone());
        maps.by_id.insert(info.id, info);
    }

    pub fn remove(&self, name: &str) {
        let mut maps = self.maps.lock();
        if let Some(info) = maps.by_name.remove(name) {
            maps.by_id.remove(&info.id);
            info.is_dropped.store(true, Ordering::Release);
        }
    }

    pub fn by_id(&self, id: KeyspaceId) -> Option<Arc<KeyspaceInfo>> {
        self.maps.lock().by_id.get(&id).cloned()
    }

    pub fn by_name(&self, name: &str) -> Option<Arc<KeyspaceInfo>> {
        self.maps.lock().by_name.get(name).cloned()
    }

    /// Refuses writes to these keyspaces from now on.
    pub fn close(&self, ids: &[KeyspaceId]) {
        self.maps.lock().closed.extend(ids);
        self.drops.fetch_add(ids.len() as u64, Ordering::AcqRel);
    }

    /// Takes [`Keyspaces::close`] back.
    pub fn reopen(&self, ids: &[KeyspaceId]) {
        let mut maps = self.maps.lock();
        ids.iter().for_each(|id| {
            maps.closed.remove(id);
        });
    }

    /// A number that changes when a keyspace is dropped; zero before that.
    pub fn drops(&self) -> u64 {
        self.drops.load(Ordering::Acquire)
    }

    /// Fails if one of these keyspaces was dropped.
    pub fn check_open(&self, ids: &[KeyspaceId]) -> Result<()> {
        let maps = self.maps.lock();
        match ids.iter().find(|id| maps.closed.contains(id)) {
            None => Ok(()),
            Some(id) => Err(Error::NoSuchKeyspace(format!("number {}, dropped", id.0))),
        }
    }

    /// All keyspaces but the system's, by name.
    pub fn list(&self) -> Vec<Arc<KeyspaceInfo>> {
        let maps = self.maps.lock();
        let mut all: Vec<_> = maps.by_name.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Exact counts of the counted keyspaces at `sequence`.
    pub fn counts_at(&self, sequence: SequenceNumber) -> Vec<(KeyspaceId, u64)> {
        let maps = self.maps.lock();
        let mut counts: Vec<_> = maps
            .by_id
            .values()
            .filter_map(|i| Some((i.id, i.count_at(sequence)?)))
            .collect();
        counts.sort_unstable();
        counts
    }
}

/// Checks a name given by a user.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > KEYSPACE_NAME_BYTES_MAX {
        return Err(Error::InvalidArgument(format!(
            "a keyspace name has 1 to {KEYSPACE_NAME_BYTES_MAX} bytes, not {}",
            name.len()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_read_back_as_written() {
        for counted in [false, true] {
            for compression in [None, Some(Codec::None), Some(Codec::Lz4)] {
                let options = KeyspaceOptions {
                    counted,
                    compression,
                    filter: !counted,
                };
                let bytes = options.encode(KeyspaceId(5));
                assert_eq!(
                    KeyspaceOptions::decode(&bytes),
                    Ok((KeyspaceId(5), options))
                );
            }
        }
        assert!(KeyspaceOptions::decode(&[1, 0, 0, 0, 0, 8, 0]).is_err());
        assert!(KeyspaceOptions::decode(&[2]).is_err());
    }

    #[test]
    fn counts_of_live_snapshots_survive_pruning() {
        let options = KeyspaceOptions {
            counted: true,
            ..Default::default()
        };
        let info = KeyspaceInfo::new(KeyspaceId(9), "n", options, 100);
        for sequence in 1..=1_000u64 {
            info.apply_delta(sequence, 1, || (vec![10, 500], sequence - 1));
        }
        assert_eq!(info.count_at(10), Some(110));
        assert_eq!(info.count_at(500), Some(600));
        assert_eq!(info.count_at(1_000), Some(1_100));
        assert_eq!(info.count_at(5_000), Some(1_100));
        assert!(info.count.as_ref().unwrap().lock().history.len() <= HISTORY_PRUNE_MIN + 2);
    }

    #[test]
    fn count_now_is_that_of_the_newest_visible_commit() {
        let options = KeyspaceOptions {
            counted: true,
            ..Default::default()
        };
        let (info, visible) = (
            KeyspaceInfo::new(KeyspaceId(9), "n", options, 100),
            AtomicU64::new(0),
        );
        for sequence in 1..=1_000u64 {
            info.apply_delta(sequence, 1, || (vec![], sequence - 1));
            // Not yet visible.
            assert_eq!(info.count_now(&visible), Some(100 + sequence - 1));
            visible.store(sequence, Ordering::Release);
            assert_eq!(info.count_now(&visible), Some(100 + sequence));
        }
        let uncounted = KeyspaceInfo::new(KeyspaceId(9), "n", KeyspaceOptions::default(), 0);
        assert_eq!(uncounted.count_now(&visible), None);
    }
}
