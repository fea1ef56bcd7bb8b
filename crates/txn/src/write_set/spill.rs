//! Writes that were too many for memory: sorted files that nobody else can see.
//!
//! A spill turns a layer's maps into a *piece*: a sorted run, and the ranges that were deleted
//! before its writes. [`Spilling`](super::spilling::Spilling) is a spill on its way. Pieces of a layer are in the order in which they were made; a newer one
//! hides an older one, and the layer's maps hide them all.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb_storage::engine::{Engine, RunReader, SortedRun};
use rustdb_storage::iter::{EntryCursor, RunCursor};
use rustdb_storage::key::{split_storage_key, storage_key};
use rustdb_storage::version::RunTables;
use rustdb_storage::{EntryKind, Error, KeyspaceId, MAX_SEQUENCE, Result, prefetch};

use super::layer::FrozenSpaces;
use super::{NEVER, Write};
use crate::conflict::storage_range;
use crate::ranges::RangeSet;

/// How many writes go by between two looks whether they are still wanted.
const LOOK: usize = 1 << 10;

/// So many writes before its turn a value is loaded: sorted by key, they lie anywhere.
const PREFETCHED: usize = 8;

/// The most of a value that is loaded so.
const PREFETCH_BYTES_MAX: usize = 512;

/// Spilled writes.
pub(crate) struct Piece {
    // NB: in this order, so that readers go before the files.
    cursor: RefCell<Option<RunCursor<RunTables>>>,
    reader: RunReader,
    run: SortedRun,
    deleted: BTreeMap<KeyspaceId, RangeSet>,
    contents: BTreeMap<KeyspaceId, Contents>,
    /// Whether any of the writes has to be unchanged since the snapshot.
    is_checked: bool,
}

/// What a piece has of one keyspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) puts: u64,
    pub(crate) deletes: u64,
    /// How the writes change the number of keys, if it is known of all of them whether they
    /// existed before.
    pub(crate) delta: Option<i64>,
}

impl Contents {
    pub(crate) const NOTHING: Self = Self {
        puts: 0,
        deletes: 0,
        delta: Some(0),
    };

    /// Of so many keys that are all new.
    pub(crate) fn of_new(keys: u64) -> Self {
        Self {
            puts: keys,
            deletes: 0,
            delta: i64::try_from(keys).ok(),
        }
    }

    /// Counts a value or a deletion of a key, of which it may be known whether it existed.
    pub(crate) fn add(&mut self, exists: bool, existed: Option<bool>) {
        match exists {
            true => self.puts += 1,
            false => self.deletes += 1,
        }
        let change = |existed| i64::from(exists) - i64::from(existed);
        self.delta = self.delta.zip(existed.map(change)).map(|(a, b)| a + b);
    }
}

impl Piece {
    /// Writes the maps to a sorted run; their deleted ranges go along. Gives up, with whatever
    /// error, once nobody wants it any more.
    pub(super) fn write(
        engine: &Engine,
        spaces: &FrozenSpaces,
        is_unwanted: &AtomicBool,
    ) -> Result<Self> {
        // Mostly it is merged with others, and what comes of that is read.
        let mut writer = engine.run_writer().for_one_walk();
        let mut key_buffer = Vec::new();
        let mut contents = BTreeMap::new();
        let mut deleted = BTreeMap::new();
        let mut is_checked = false;
        for (keyspace, space) in spaces {
            let counts: &mut Contents = contents.entry(*keyspace).or_insert(Contents::NOTHING);
            let mut ahead = space.writes().skip(PREFETCHED);
            for (number, (key, write)) in space.writes().enumerate() {
                if let Some(value) = ahead.next().and_then(|(_, write)| write.value.as_ref()) {
                    prefetch(value.as_ptr(), value.len().min(PREFETCH_BYTES_MAX));
                }
                if number % LOOK == 0 && is_unwanted.load(Ordering::Relaxed) {
                    return Err(Error::Closed);
                }
                storage_key(*keyspace, key, &mut key_buffer);
                is_checked |= write.is_checked;
                counts.add(write.value.is_some(), write.existed);
                match &write.value {
                    None => writer.delete(&key_buffer)?,
                    Some(value) => {
                        let expiry = (write.expiry != NEVER).then_some(write.expiry);
                        writer.put(&key_buffer, value, expiry)?;
                    }
                }
            }
            deleted.insert(*keyspace, space.deleted().clone());
        }
        let run = writer.finish()?;
        Ok(Self {
            cursor: RefCell::new(None),
            reader: run.reader()?,
            run,
            deleted,
            contents,
            is_checked,
        })
    }

    /// A run of writes of one keyspace. `is_checked`: their keys have to be unchanged since the
    /// snapshot.
    pub(super) fn of_run(
        run: SortedRun,
        keyspace: KeyspaceId,
        contents: Contents,
        is_checked: bool,
    ) -> Result<Self> {
        Ok(Self {
            cursor: RefCell::new(None),
            reader: run.reader()?,
            run,
            deleted: BTreeMap::new(),
            contents: BTreeMap::from([(keyspace, contents)]),
            is_checked,
        })
    }

    pub(crate) fn is_checked(&self) -> bool {
        self.is_checked
    }

    /// The keyspaces that it has something of.
    pub(crate) fn contents(&self) -> &BTreeMap<KeyspaceId, Contents> {
        &self.contents
    }

    /// The deleted ranges below its writes.
    pub(crate) fn deleted(&self, keyspace: KeyspaceId) -> Option<&RangeSet> {
        self.deleted.get(&keyspace)
    }

    /// The first and last storage key.
    pub(crate) fn bounds(&self) -> Option<(&[u8], &[u8])> {
        self.run.bounds()
    }

    /// The files.
    pub(crate) fn run(&self) -> &SortedRun {
        &self.run
    }

    /// A cursor for one walk over all writes, on none of them, that reads so much ahead.
    pub(crate) fn new_cursor(&self, readahead_bytes: usize) -> Option<RunCursor<RunTables>> {
        self.reader.walk(readahead_bytes)
    }

    /// The write of a storage key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Write>> {
        let Some((kind, stored)) = self.reader.get(key)? else {
            return Ok(None);
        };
        let expiry = match (kind.expires(), stored.first_chunk::<8>()) {
            (true, Some(expiry)) => u64::from_le_bytes(*expiry),
            _ => NEVER,
        };
        let value = match kind {
            EntryKind::Delete => None,
            _ => Some(self.reader.resolve(kind, stored)?),
        };
        Ok(Some(Write {
            value,
            expiry,
            is_checked: self.is_checked,
            existed: None,
        }))
    }

    /// Whether it has writes or deleted ranges of a keyspace.
    pub(super) fn touches(&self, keyspace: KeyspaceId) -> bool {
        self.contents().contains_key(&keyspace)
    }

    /// The first written key of a keyspace in `[start, end)`.
    pub(super) fn next_key(
        &self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Option<Box<[u8]>>> {
        if !self.touches(keyspace) {
            return Ok(None);
        }
        let (start, end) = storage_range(keyspace, start, end);
        self.at(|cursor| {
            cursor.seek(&start, MAX_SEQUENCE)?;
            let found = cursor.valid() && *cursor.key() < *end;
            Ok(found.then(|| user_key(cursor.key())))
        })
    }

    /// The last written key of a keyspace in `[start, end)`.
    pub(super) fn previous_key(
        &self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Option<Box<[u8]>>> {
        if !self.touches(keyspace) {
            return Ok(None);
        }
        let (start, end) = storage_range(keyspace, start, end);
        self.at(|cursor| {
            cursor.seek_before(&end)?;
            let found = cursor.valid() && *cursor.key() >= *start;
            Ok(found.then(|| user_key(cursor.key())))
        })
    }

    /// Uses the cursor that is kept between look-ups, because they tend to be neighbours.
    fn at<R>(
        &self,
        look: impl FnOnce(&mut RunCursor<RunTables>) -> Result<Option<R>>,
    ) -> Result<Option<R>> {
        let mut slot = self.cursor.borrow_mut();
        if slot.is_none() {
            *slot = self.reader.cursor();
        }
        slot.as_mut().map_or(Ok(None), look)
    }
}

fn user_key(key: &[u8]) -> Box<[u8]> {
    split_storage_key(key)
        .map_or(&[][..], |(_, key)| key)
        .into()
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece")
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}
