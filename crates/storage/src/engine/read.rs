//! Point reads.
//!
//! A read walks the sources from the newest to the oldest and stops at the first that knows the
//! key. Sources whose bounds or filter exclude the key cost next to nothing. On the way it
//! remembers the newest range tombstone that covers the key, because that may hide what an older
//! source says.

use std::sync::atomic::Ordering;

use crate::engine::super_version::{SuperVersion, Young};
use crate::engine::{Engine, Inner, Snapshot};
use crate::error::Result;
use crate::key::{EntryKind, KEYSPACE_BYTES, KeyspaceId, MAX_SEQUENCE, SequenceNumber};
use crate::memtable::Memtable;
use crate::slice::Slice;
use crate::table::FilterUse;
use crate::value::{Reference, expiry_of};
use crate::version::Run;

/// Keys up to this length are assembled on the stack.
const STACK_KEY_BYTES: usize = 124;

/// Where in history to read.
#[derive(Clone, Copy, Debug)]
pub enum ReadAt<'a> {
    /// The newest visible commit.
    Latest,
    /// A snapshot.
    Snapshot(&'a Snapshot),
}

/// The newest version of a key, as found in some source.
#[derive(Debug)]
pub(crate) struct FoundEntry {
    pub sequence: SequenceNumber,
    pub kind: EntryKind,
    pub value: Slice,
}

impl Engine {
    /// The value of `key`, or `None` if it has none (or had, until it expired).
    pub fn get(&self, keyspace: KeyspaceId, key: &[u8], at: ReadAt<'_>) -> Result<Option<Slice>> {
        let inner = self.inner();
        inner.fault.check_open()?;
        with_storage_key(keyspace, key, |key| inner.get(key, at))
    }

    /// Shows the values of several keys, all as of one moment, in the order of the keys, until `show`
    /// returns `false`: as [`Engine::get`] for each, but what all reads have in common is done once.
    pub fn get_each<'k>(
        &self,
        keyspace: KeyspaceId,
        keys: impl IntoIterator<Item = &'k [u8]>,
        at: ReadAt<'_>,
        mut show: impl FnMut(Option<Slice>) -> bool,
    ) -> Result<()> {
        let inner = self.inner();
        inner.fault.check_open()?;
        let super_version = inner.super_version.load();
        let at = inner.sequence_of(at);
        let mut storage_key = Vec::with_capacity(KEYSPACE_BYTES + STACK_KEY_BYTES);
        storage_key.extend_from_slice(&keyspace.prefix());
        for key in keys {
            storage_key.truncate(KEYSPACE_BYTES);
            storage_key.extend_from_slice(key);
            let found = inner.find_in(&super_version, &storage_key, at)?;
            let goes_on = match found.filter(|entry| inner.is_live(entry)) {
                Some(entry) => show(Some(inner.resolve(entry.kind, entry.value)?)),
                None => show(None),
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// Whether `key` has a value. Does not read large values.
    pub fn contains(&self, keyspace: KeyspaceId, key: &[u8], at: ReadAt<'_>) -> Result<bool> {
        let inner = self.inner();
        inner.fault.check_open()?;
        with_storage_key(keyspace, key, |key| {
            let super_version = inner.super_version.load();
            let mut search = Search::new(key, inner.sequence_of(at));
            // Most keys that somebody asks this of are new: all filters will be asked.
            search.prefetch_filters(&super_version);
            let found = search.find(&super_version)?;
            Ok(found.is_some_and(|entry| inner.is_live(&entry)))
        })
    }

    /// The sequence number of the last commit that wrote or deleted `key`, as far as it is still
    /// known. A deletion that nothing needs any more is forgotten.
    pub fn newest_sequence(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Result<Option<SequenceNumber>> {
        with_storage_key(keyspace, key, |key| self.newest_sequence_of(key))
    }

    /// As [`Engine::newest_sequence`], for a storage key.
    pub fn newest_sequence_of(&self, key: &[u8]) -> Result<Option<SequenceNumber>> {
        let super_version = self.inner().super_version.load();
        let mut search = Search::new(key, MAX_SEQUENCE);
        let found = search.run(&super_version)?;
        let newest = found
            .map_or(0, |entry| entry.sequence)
            .max(search.tombstone);
        Ok((newest > 0).then_some(newest))
    }
}

/// Calls `body` with the storage key of `key`.
pub(crate) fn with_storage_key<R>(
    keyspace: KeyspaceId,
    key: &[u8],
    body: impl FnOnce(&[u8]) -> R,
) -> R {
    if key.len() <= STACK_KEY_BYTES {
        let mut buffer = [0; KEYSPACE_BYTES + STACK_KEY_BYTES];
        buffer[..KEYSPACE_BYTES].copy_from_slice(&keyspace.prefix());
        buffer[KEYSPACE_BYTES..KEYSPACE_BYTES + key.len()].copy_from_slice(key);
        body(&buffer[..KEYSPACE_BYTES + key.len()])
    } else {
        let mut buffer = Vec::with_capacity(KEYSPACE_BYTES + key.len());
        buffer.extend_from_slice(&keyspace.prefix());
        buffer.extend_from_slice(key);
        body(&buffer)
    }
}

impl Inner {
    /// The value of a storage key.
    pub(crate) fn get(&self, key: &[u8], at: ReadAt<'_>) -> Result<Option<Slice>> {
        // The guard keeps value files alive until the reference is resolved.
        let super_version = self.super_version.load();
        let found = self.find_in(&super_version, key, self.sequence_of(at))?;
        match found {
            Some(entry) if self.is_live(&entry) => self.resolve(entry.kind, entry.value).map(Some),
            _ => Ok(None),
        }
    }

    /// What a read sees.
    ///
    /// NB: after the super version was loaded, never before; see the module `engine`.
    fn sequence_of(&self, at: ReadAt<'_>) -> SequenceNumber {
        match at {
            ReadAt::Latest => self.visible.load(Ordering::Acquire),
            ReadAt::Snapshot(snapshot) => snapshot.sequence(),
        }
    }

    fn find_in(
        &self,
        super_version: &SuperVersion,
        key: &[u8],
        at: SequenceNumber,
    ) -> Result<Option<FoundEntry>> {
        Search::new(key, at).find(super_version)
    }

    /// Whether the entry is a value that has not expired.
    pub(crate) fn is_live(&self, entry: &FoundEntry) -> bool {
        match entry.kind {
            EntryKind::Delete => false,
            EntryKind::Put | EntryKind::ValueRef => true,
            EntryKind::PutExpiring | EntryKind::ValueRefExpiring => {
                expiry_of(entry.kind, &entry.value)
                    .is_some_and(|expiry| expiry > self.vfs.wall_micros())
            }
        }
    }

    /// Turns what an entry holds into the user's value.
    pub(crate) fn resolve(&self, kind: EntryKind, stored: Slice) -> Result<Slice> {
        match kind {
            EntryKind::PutExpiring => Ok(stored.skip(8)),
            EntryKind::ValueRef | EntryKind::ValueRefExpiring => {
                match Reference::decode(kind, &stored) {
                    Some(reference) => Ok(Slice::from(self.values.read(&reference.pointer)?)),
                    None => Err(crate::error::Error::corruption(
                        &self.directory,
                        0,
                        "an entry holds a damaged pointer into a value file",
                    )),
                }
            }
            EntryKind::Put | EntryKind::Delete => Ok(stored),
        }
    }
}

/// One search for one key, from the newest source to the oldest.
struct Search<'a> {
    key: &'a [u8],
    at: SequenceNumber,
    /// The newest range tombstone seen so far that covers the key.
    tombstone: SequenceNumber,
    /// The key's hash for filters, once needed.
    hash: Option<u64>,
}

impl<'a> Search<'a> {
    fn new(key: &'a [u8], at: SequenceNumber) -> Self {
        Search {
            key,
            at,
            tombstone: 0,
            hash: None,
        }
    }

    /// What a reader sees.
    fn find(&mut self, super_version: &SuperVersion) -> Result<Option<FoundEntry>> {
        let found = self.run(super_version)?;
        Ok(found.filter(|entry| entry.sequence >= self.tombstone))
    }

    /// Asks the processor to load what all filters know of the key, so that a search that has to
    /// ask them all waits once.
    fn prefetch_filters(&mut self, super_version: &SuperVersion) {
        let hash = self.hash();
        super_version.active.prefetch_filter(hash);
        let prefetch_in = |run: &Run| {
            if let Some(table) = run.find(self.key).and_then(|handle| handle.opened()) {
                table.prefetch_filter(hash);
            }
        };
        for source in &super_version.young {
            match source {
                Young::Memtable(memtable) => memtable.prefetch_filter(hash),
                Young::Run(run) => prefetch_in(run),
            }
        }
        let levels = super_version.version.deeper_runs();
        levels.iter().for_each(|run| prefetch_in(run));
    }

    fn run(&mut self, super_version: &SuperVersion) -> Result<Option<FoundEntry>> {
        if let Some(found) = self.in_memtable(&super_version.active) {
            return Ok(Some(found));
        }
        for source in &super_version.young {
            let found = match source {
                Young::Memtable(memtable) => self.in_memtable(memtable),
                Young::Run(run) => self.in_run(run, false)?,
            };
            if found.is_some() {
                return Ok(found);
            }
            if self.tombstone > 0 {
                // Whatever is older than the source just searched is older than its tombstone.
                return Ok(None);
            }
        }
        let levels = super_version.version.deeper_runs();
        for (index, run) in levels.iter().enumerate() {
            let found = self.in_run(run, index + 1 == levels.len())?;
            if found.is_some() || self.tombstone > 0 {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn hash(&mut self) -> u64 {
        *self
            .hash
            .get_or_insert_with(|| crate::table::key_hash(self.key))
    }

    fn in_memtable(&mut self, memtable: &Memtable) -> Option<FoundEntry> {
        if let Some(covering) = memtable.covering(self.key, self.at) {
            self.tombstone = self.tombstone.max(covering);
        }
        if !memtable.may_contain(self.hash()) {
            return None;
        }
        let entry = memtable.get(self.key, self.at)?;
        Some(FoundEntry {
            sequence: entry.seq(),
            kind: entry.kind(),
            value: entry.slice(),
        })
    }

    fn in_run(&mut self, run: &Run, is_last: bool) -> Result<Option<FoundEntry>> {
        let Some(handle) = run.find(self.key) else {
            return Ok(None);
        };
        let table = handle.table()?;
        if let Some(covering) = table.range_tombstones().covering(self.key, self.at) {
            self.tombstone = self.tombstone.max(covering);
        }
        let lookup = if is_last {
            FilterUse::IfNotResident
        } else {
            FilterUse::First
        };
        let found = table.get(self.key, self.hash(), self.at, lookup)?;
        Ok(found.map(|f| FoundEntry {
            sequence: f.seq,
            kind: f.kind,
            value: f.value,
        }))
    }
}
