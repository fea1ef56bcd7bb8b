//! Creating, finding, dropping and counting keyspaces.

use std::collections::HashSet;
use std::sync::Arc;

use crate::engine::iterator::Bounds;
use crate::engine::keyspace::{KeyspaceInfo, KeyspaceOptions, check_name};
use crate::engine::pipeline::{CommitContext, Durability};
use crate::engine::{Engine, Inner, ReadAt};
use crate::error::{Error, Rejection, Result};
use crate::key::KeyspaceId;

/// Ids from here on are never given out, so that every keyspace has one after it.
const KEYSPACE_ID_MAX: u32 = u32::MAX - 16;

/// After so many keys a count looks whether it is still wanted.
const COUNTED_AT_ONCE: u64 = 4096;

impl Engine {
    /// Creates a keyspace; durable when it returns.
    pub fn create_keyspace(
        &self,
        name: &str,
        options: &KeyspaceOptions,
    ) -> Result<Arc<KeyspaceInfo>> {
        let mut created = self.create_keyspaces(&[(name, options)])?;
        created
            .pop()
            .ok_or_else(|| Error::NoSuchKeyspace(name.to_owned()))
    }

    /// Creates keyspaces with one commit: all of them or, if one cannot be, none. Durable when it
    /// returns.
    pub fn create_keyspaces(
        &self,
        wanted: &[(&str, &KeyspaceOptions)],
    ) -> Result<Vec<Arc<KeyspaceInfo>>> {
        let inner = self.inner();
        let _catalogue = inner.catalogue.lock();
        let next = inner.peek_keyspace().0;
        if u32::try_from(wanted.len()).is_ok_and(|count| next <= KEYSPACE_ID_MAX - count) {
            let mut batch = self.batch();
            let mut names = HashSet::new();
            for (id, (name, options)) in (next..).map(KeyspaceId).zip(wanted) {
                check_name(name)?;
                if inner.keyspaces.by_name(name).is_some() || !names.insert(*name) {
                    return Err(Error::KeyspaceExists((*name).to_owned()));
                }
                batch.put(KeyspaceId::SYSTEM, name.as_bytes(), &options.encode(id))?;
            }
            if !batch.is_empty() {
                inner.commit(&mut batch, Durability::Sync, &mut accept)?;
            }
            let created = wanted.iter().map(|(name, _)| {
                let info = inner.keyspaces.by_name(name);
                info.ok_or_else(|| Error::NoSuchKeyspace((*name).to_owned()))
            });
            return created.collect();
        }
        Err(Error::InvalidArgument(
            "all keyspace ids have been used".into(),
        ))
    }

    /// Drops a keyspace and all its data, at once and durably. Snapshots taken before still see
    /// it through its id. Costs the same whatever it holds.
    pub fn drop_keyspace(&self, name: &str) -> Result<()> {
        self.drop_keyspaces(&[name])
    }

    /// Drops keyspaces with one commit: all of them or, if one cannot be, none.
    pub fn drop_keyspaces(&self, names: &[&str]) -> Result<()> {
        let inner = self.inner();
        let _catalogue = inner.catalogue.lock();
        let mut batch = self.batch();
        let mut ids = Vec::new();
        for name in names.iter().collect::<HashSet<_>>() {
            let info = inner
                .keyspaces
                .by_name(name)
                .ok_or_else(|| Error::NoSuchKeyspace((*name).to_owned()))?;
            if info.id == KeyspaceId::DEFAULT {
                return Err(Error::InvalidArgument(
                    "the default keyspace cannot be dropped".into(),
                ));
            }
            batch.delete(KeyspaceId::SYSTEM, name.as_bytes())?;
            batch.delete_keyspace(info.id)?;
            ids.push(info.id);
        }
        if !batch.is_empty() {
            // From this place in the order of commits on, nobody writes to them.
            let mut close = |_: &mut CommitContext| {
                inner.keyspaces.close(&ids);
                Ok(())
            };
            inner
                .commit(&mut batch, Durability::Sync, &mut close)
                .inspect_err(|_| inner.keyspaces.reopen(&ids))?;
            inner.background.wake();
        }
        Ok(())
    }

    /// The keyspace of that name.
    pub fn keyspace(&self, name: &str) -> Option<Arc<KeyspaceInfo>> {
        self.inner().keyspaces.by_name(name)
    }

    /// The keyspace with that id.
    pub fn keyspace_by_id(&self, id: KeyspaceId) -> Option<Arc<KeyspaceInfo>> {
        self.inner().keyspaces.by_id(id)
    }

    /// All keyspaces, by name.
    pub fn keyspaces(&self) -> Vec<Arc<KeyspaceInfo>> {
        self.inner().keyspaces.list()
    }

    /// The exact number of keys: at once for a counted keyspace, by a scan for others.
    pub fn len(&self, keyspace: KeyspaceId, at: ReadAt<'_>) -> Result<u64> {
        self.len_until(keyspace, at, &|| false)
    }

    /// As [`Engine::len`], of a keyspace that need not be looked up.
    pub fn len_of(&self, keyspace: &KeyspaceInfo, at: ReadAt<'_>) -> Result<u64> {
        let inner = self.inner();
        inner.fault.check_open()?;
        match inner.count(keyspace, at) {
            Some(count) => Ok(count),
            None => self.len(keyspace.id, at),
        }
    }

    /// As [`Engine::len`], until `is_unwanted` says so: then [`Error::Cancelled`].
    pub fn len_until(
        &self,
        keyspace: KeyspaceId,
        at: ReadAt<'_>,
        is_unwanted: &dyn Fn() -> bool,
    ) -> Result<u64> {
        let inner = self.inner();
        inner.fault.check_open()?;
        let info = inner.keyspaces.by_id(keyspace);
        if let Some(count) = info.and_then(|info| inner.count(&info, at)) {
            return Ok(count);
        }
        let mut entries = self.iter(keyspace, &Bounds::all(), at)?;
        let mut count = 0;
        while entries.advance()? {
            count += 1;
            if count % COUNTED_AT_ONCE == 0 && is_unwanted() {
                return Err(Error::Cancelled);
            }
        }
        Ok(count)
    }

    /// About how many keys there are, from the sizes of files and memtables. Deletions that have
    /// not been compacted away make it too high or too low.
    pub fn approximate_len(&self, keyspace: KeyspaceId) -> Result<u64> {
        let inner = self.inner();
        if let Some(count) = inner
            .keyspaces
            .by_id(keyspace)
            .and_then(|info| info.count_now(&inner.visible))
        {
            return Ok(count);
        }
        inner.approximate_len(keyspace)
    }

    /// About how many bytes the keyspace takes in files and memtables. Values that are so large
    /// that they are in files of their own are not in it.
    pub fn approximate_bytes(&self, keyspace: KeyspaceId) -> Result<u64> {
        self.inner().approximate_bytes(keyspace)
    }

    /// The memory of what readers made of values: see [`crate::cache`].
    pub fn derived_bytes(&self) -> usize {
        self.inner().tables.cache().derived_bytes()
    }

    /// Of how many of a keyspace's values readers have kept what they made of them: see
    /// [`crate::cache`].
    pub fn derived_values(&self, keyspace: KeyspaceId) -> u64 {
        self.inner().tables.cache().derived_values(keyspace)
    }
}

/// Lets every commit pass.
pub(crate) fn accept(_: &mut CommitContext) -> Result<(), Rejection> {
    Ok(())
}

impl Inner {
    /// The exact number of keys, if the keyspace is a counted one and still there.
    fn count(&self, keyspace: &KeyspaceInfo, at: ReadAt<'_>) -> Option<u64> {
        match at {
            _ if keyspace.is_dropped() => None,
            ReadAt::Latest => keyspace.count_now(&self.visible),
            ReadAt::Snapshot(snapshot) => snapshot.count_of(keyspace),
        }
    }

    /// Adds up the share of each table and memtable that lies in the keyspace.
    fn approximate_len(&self, keyspace: KeyspaceId) -> Result<u64> {
        let (lower, upper) = (keyspace.prefix(), KeyspaceId(keyspace.0 + 1).prefix());
        let super_version = self.super_version.load_full();
        let mut count: i64 = 0;
        for handle in super_version.version.tables() {
            let meta = handle.meta();
            if *meta.largest < lower[..] || *meta.smallest >= upper[..] {
                continue;
            }
            let live = meta
                .entries
                .saturating_sub(2 * meta.tombstones + meta.shadowed) as i64;
            let is_inside = meta.smallest.starts_with(&lower) && meta.largest.starts_with(&lower);
            count += if is_inside {
                live
            } else {
                let inside = handle.table()?.approximate_bytes(&lower, &upper);
                (live as f64 * inside as f64 / meta.file_bytes.max(1) as f64) as i64
            };
        }
        for memtable in super_version.frozen().chain([&super_version.active]) {
            count += memtable.count_between(&lower, &upper) as i64;
        }
        Ok(count.max(0) as u64)
    }

    /// Adds up what each table and memtable has of the keyspace.
    fn approximate_bytes(&self, keyspace: KeyspaceId) -> Result<u64> {
        let (lower, upper) = (keyspace.prefix(), KeyspaceId(keyspace.0 + 1).prefix());
        let super_version = self.super_version.load_full();
        let mut bytes = 0;
        for handle in super_version.version.tables() {
            let meta = handle.meta();
            if *meta.largest < lower[..] || *meta.smallest >= upper[..] {
                continue;
            }
            let is_inside = meta.smallest.starts_with(&lower) && meta.largest.starts_with(&lower);
            bytes += match is_inside {
                true => meta.file_bytes,
                false => handle.table()?.approximate_bytes(&lower, &upper),
            };
        }
        for memtable in super_version.frozen().chain([&super_version.active]) {
            let entries = memtable.count_between(&lower, &upper) as u128;
            let all = memtable.entries().max(1) as u128;
            bytes += (memtable.used_bytes() as u128 * entries / all) as u64;
        }
        Ok(bytes)
    }
}
