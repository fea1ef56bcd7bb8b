//! What a transaction reads: its own writes first, then its snapshot.
//!
//! A serializable transaction remembers each key and range that it asks for; see
//! [`reads`](crate::reads).

use rustdb_storage::engine::ReadAt;
use rustdb_storage::slice::Slice;

use crate::error::{Error, Result};
use crate::manager::KeyspaceRef;
use crate::scan::{Entry, KeyRange, Scan, check_range};
use crate::transaction::Transaction;

impl Transaction {
    /// The value of a key.
    pub fn get(&self, keyspace: KeyspaceRef, key: &[u8]) -> Result<Option<Slice>> {
        if let Some(write) = self.writes.borrow().find(keyspace.id, key)? {
            return Ok(write.into_visible(|| self.now()));
        }
        if self.remembers_reads() {
            self.reads.borrow_mut().add_key(keyspace.id, key);
        }
        Ok(self
            .engine()
            .get(keyspace.id, key, ReadAt::Snapshot(&self.snapshot))?)
    }

    /// Whether a key has a value.
    pub fn contains(&self, keyspace: KeyspaceRef, key: &[u8]) -> Result<bool> {
        if let Some(write) = self.writes.borrow().find(keyspace.id, key)? {
            return Ok(write.visible(|| self.now()).is_some());
        }
        if self.remembers_reads() {
            self.reads.borrow_mut().add_key(keyspace.id, key);
        }
        Ok(self
            .engine()
            .contains(keyspace.id, key, ReadAt::Snapshot(&self.snapshot))?)
    }

    /// Shows the values of several keys, in the order of the keys: as [`Transaction::get`] for each, but
    /// what all reads have in common is done once.
    pub fn get_each<'k, E: From<Error>>(
        &self,
        keyspace: KeyspaceRef,
        keys: impl IntoIterator<Item = &'k [u8]>,
        mut show: impl FnMut(Option<Slice>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        if self.remembers_reads() || self.writes.borrow().touches(keyspace.id) {
            for key in keys {
                show(self.get(keyspace, key)?)?;
            }
            return Ok(());
        }
        let at = ReadAt::Snapshot(&self.snapshot);
        let mut failed = None;
        let mut show = |value: Option<Slice>| {
            failed = show(value).err();
            failed.is_none()
        };
        let engine = self.engine();
        engine
            .get_each(keyspace.id, keys, at, &mut show)
            .map_err(Error::from)?;
        failed.map_or(Ok(()), Err)
    }

    /// The values of several keys, in their order.
    pub fn multi_get<K: AsRef<[u8]>>(
        &self,
        keyspace: KeyspaceRef,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<Slice>>> {
        let keys: Vec<K> = keys.into_iter().collect();
        let mut values = Vec::with_capacity(keys.len());
        self.get_each(keyspace, keys.iter().map(AsRef::as_ref), |value| {
            values.push(value);
            Ok::<_, Error>(())
        })?;
        Ok(values)
    }

    /// A walk through a range, from either end.
    pub fn scan(&self, keyspace: KeyspaceRef, range: KeyRange) -> Result<Scan> {
        check_range(&range)?;
        let span = self.remembers_reads().then(|| {
            self.reads
                .borrow_mut()
                .add_span(keyspace.id, &range.start, range.end.as_deref())
        });
        Ok(Scan::new(keyspace, range, span))
    }

    /// The first entry of a range.
    pub fn first(&self, keyspace: KeyspaceRef, range: KeyRange) -> Result<Option<Entry>> {
        self.scan(keyspace, range)?.next(self)
    }

    /// The last entry of a range.
    pub fn last(&self, keyspace: KeyspaceRef, range: KeyRange) -> Result<Option<Entry>> {
        self.scan(keyspace, range)?.next_back(self)
    }
}
