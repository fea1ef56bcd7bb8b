//! One layer of a write set: per keyspace, an ordered map of writes above a set of deleted ranges;
//! below both, what is on its way to files, and below that, what is there; and at the bottom, what was
//! taken out of the snapshot.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rustdb_storage::engine::Engine;
use rustdb_storage::key::storage_key;
use rustdb_storage::{KeyspaceId, Result};

use super::frozen::Frozen;
use super::key::Key;
use super::spilled_keys::SpilledKeys;
use super::spilling::Spilling;
use super::taken::Taken;
use super::writes::{Ordered, Writes};
use super::{NEVER, Piece, SavepointId, Write};
use crate::ranges::{RangeSet, is_before};

/// The writes since a savepoint.
#[derive(Debug)]
pub(crate) struct Layer {
    savepoint: SavepointId,
    spaces: BTreeMap<KeyspaceId, Space>,
    /// Below the maps, the oldest first.
    spilling: Vec<Spilling>,
    /// Below all that, the oldest first.
    pieces: Vec<Piece>,
    /// The keys in them.
    spilled_keys: RefCell<SpilledKeys>,
    /// What was taken out of the snapshot; below everything that is written.
    taken: Taken,
}

/// Maps that do not change any more.
pub(super) type FrozenSpaces = BTreeMap<KeyspaceId, Space<Frozen>>;

/// A layer's part of one keyspace.
#[derive(Debug, Default)]
pub(crate) struct Space<W = Writes> {
    writes: W,
    deleted: RangeSet,
    /// About what `writes` takes in memory, at most: of a key that was written again before it was
    /// read, each write counts.
    bytes: usize,
}

impl Layer {
    pub(super) fn new(savepoint: SavepointId) -> Self {
        Self {
            savepoint,
            spaces: BTreeMap::new(),
            spilling: Vec::new(),
            pieces: Vec::new(),
            spilled_keys: RefCell::default(),
            taken: Taken::default(),
        }
    }

    pub(super) fn savepoint(&self) -> SavepointId {
        self.savepoint
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spaces.is_empty() && !self.is_spilled() && self.taken.is_empty()
    }

    /// Whether some of the writes are in files, or on their way there.
    pub(super) fn is_spilled(&self) -> bool {
        !self.pieces.is_empty() || !self.spilling.is_empty()
    }

    pub(super) fn touches(&self, keyspace: KeyspaceId) -> bool {
        self.spaces.contains_key(&keyspace)
            || self.has_spilled(keyspace)
            || self.taken.touches(keyspace)
    }

    /// Whether writes of a keyspace are in files, or on their way there.
    fn has_spilled(&self, keyspace: KeyspaceId) -> bool {
        self.frozen(keyspace).next().is_some()
            || self.pieces.iter().any(|piece| piece.touches(keyspace))
    }

    /// What is on its way of a keyspace, the newest first.
    fn frozen(&self, keyspace: KeyspaceId) -> impl Iterator<Item = &Space<Frozen>> {
        let newest_first = self.spilling.iter().rev();
        newest_first.filter_map(move |spilling| spilling.spaces().get(&keyspace))
    }

    pub(super) fn bytes(&self) -> usize {
        let spaces = self.spaces.values().map(Space::memory_bytes);
        spaces.sum::<usize>() + self.spilling_bytes()
    }

    /// What of it is on its way to files.
    pub(super) fn spilling_bytes(&self) -> usize {
        self.spilling.iter().map(Spilling::bytes).sum()
    }

    pub(super) fn keys(&self) -> usize {
        let spaces = self.spaces.values();
        spaces.map(|space| space.writes.view().len()).sum()
    }

    pub(super) fn spaces(&self) -> impl Iterator<Item = (KeyspaceId, &Space)> {
        self.spaces
            .iter()
            .map(|(keyspace, space)| (*keyspace, space))
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub(super) fn taken(&self) -> &Taken {
        &self.taken
    }

    pub(super) fn taken_mut(&mut self) -> &mut Taken {
        &mut self.taken
    }

    /// Writes a key; returns the memory taken and given back.
    pub(super) fn write(
        &mut self,
        keyspace: KeyspaceId,
        key: &[u8],
        write: Write,
    ) -> (usize, usize) {
        self.spaces
            .entry(keyspace)
            .or_default()
            .write(Key::new(key), write)
    }

    /// The map of a keyspace, if all that the layer says about the keyspace is in it.
    pub(super) fn plain_space(&mut self, keyspace: KeyspaceId) -> Option<&mut Space> {
        if self.is_spilled() && self.has_spilled(keyspace) || self.taken.touches(keyspace) {
            return None;
        }
        let space = self.spaces.get_mut(&keyspace);
        space.filter(|space| space.deleted.is_empty())
    }

    pub(super) fn delete_range(&mut self, keyspace: KeyspaceId, start: &[u8], end: Option<&[u8]>) {
        self.spaces
            .entry(keyspace)
            .or_default()
            .delete_range(start, end);
    }

    /// Forgets what later writes of the same key have made useless.
    pub(super) fn settle(&mut self) {
        for space in self.spaces.values_mut() {
            space.bytes = space.writes.settle();
        }
    }

    /// Sorts what nobody has read so far.
    pub(super) fn sort(&mut self) {
        let spaces = self.spaces.values_mut();
        spaces.for_each(|space| space.writes.sort());
    }

    /// Has another thread move the maps to a sorted run. What one is at already comes first: if
    /// that fails, everything stays as it is.
    pub(super) fn begin_spill(&mut self, engine: &Engine) -> Result<()> {
        if !self.spaces.is_empty() {
            self.finish_spilling(engine)?;
            let spilling = Spilling::begin(engine, self.take_frozen());
            self.spilling.push(spilling);
        }
        Ok(())
    }

    /// Moves the maps to sorted runs, and waits for what is on its way. What cannot be written stays
    /// in memory.
    pub(super) fn spill(&mut self, engine: &Engine) -> Result<()> {
        if !self.spaces.is_empty() {
            let spilling = Spilling::waiting(self.take_frozen());
            self.spilling.push(spilling);
        }
        // Beside the other thread, which has the one before.
        if let Some(last) = self.spilling.last_mut() {
            last.write(engine)?;
        }
        self.finish_spilling(engine)
    }

    fn take_frozen(&mut self) -> FrozenSpaces {
        let spaces = std::mem::take(&mut self.spaces).into_iter();
        let frozen = spaces.map(|(keyspace, space)| (keyspace, space.freeze()));
        frozen.collect()
    }

    fn finish_spilling(&mut self, engine: &Engine) -> Result<()> {
        for spilling in &mut self.spilling {
            spilling.write(engine)?;
        }
        if !self.spilling.is_empty() {
            self.spilled_keys.get_mut().count_memory(engine);
        }
        let spilled = self.spilling.drain(..);
        self.pieces.extend(spilled.filter_map(Spilling::into_piece));
        Ok(())
    }

    /// Adds a piece, of keyspaces that nothing is known of yet.
    pub(super) fn add_piece(&mut self, piece: Piece) {
        self.pieces.push(piece);
    }

    /// Puts the layer above this one into this one, and leaves nothing there. An error leaves both
    /// with what they had.
    pub(super) fn absorb(&mut self, engine: &Engine, upper: &mut Layer) -> Result<()> {
        if upper.is_spilled() {
            // The maps must not end up above newer files.
            self.spill(engine)?;
            upper.finish_spilling(engine)?;
            self.pieces.append(&mut upper.pieces);
            *upper.spilled_keys.get_mut() = SpilledKeys::default();
        }
        self.taken.absorb(&mut upper.taken);
        for (keyspace, space) in std::mem::take(&mut upper.spaces) {
            match self.spaces.entry(keyspace) {
                Entry::Vacant(vacant) => {
                    vacant.insert(space);
                }
                Entry::Occupied(mut occupied) => occupied.get_mut().absorb(space),
            }
        }
        Ok(())
    }

    /// What this layer says about a key.
    pub(super) fn find(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Write>> {
        if let Some(space) = self.spaces.get(&keyspace) {
            if let Some(write) = space.get(key) {
                return Ok(Some(write));
            }
            if !space.deleted.is_empty() && space.deleted.contains(key) {
                return Ok(Some(DELETED_BY_RANGE));
            }
        }
        if !self.is_spilled() {
            return Ok(self.find_taken(keyspace, key));
        }
        for space in self.frozen(keyspace) {
            if let Some(write) = space.get(key) {
                return Ok(Some(write));
            }
            if space.deleted.contains(key) {
                return Ok(Some(DELETED_BY_RANGE));
            }
        }
        if !self.pieces.iter().any(|piece| piece.touches(keyspace)) {
            return Ok(self.find_taken(keyspace, key));
        }
        let mut full_key = Vec::with_capacity(4 + key.len());
        storage_key(keyspace, key, &mut full_key);
        let mut spilled_keys = self.spilled_keys.borrow_mut();
        let may_be_there = spilled_keys.may_contain(&self.pieces, &full_key)?;
        drop(spilled_keys);
        for piece in self.pieces.iter().rev() {
            if may_be_there && let Some(write) = piece.get(&full_key)? {
                return Ok(Some(write));
            }
            if piece
                .deleted(keyspace)
                .is_some_and(|deleted| deleted.contains(key))
            {
                return Ok(Some(DELETED_BY_RANGE));
            }
        }
        Ok(self.find_taken(keyspace, key))
    }

    fn find_taken(&self, keyspace: KeyspaceId, key: &[u8]) -> Option<Write> {
        if self.taken.is_empty() {
            return None;
        }
        let range = self.taken.containing(keyspace, key);
        range.map(|_| DELETED_BY_RANGE)
    }

    pub(super) fn next_key(
        &self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Option<Box<[u8]>>> {
        let space = self.spaces.get(&keyspace);
        let mut first: Option<Box<[u8]>> = space
            .and_then(|space| space.next_key(start, end))
            .map(Box::from);
        for space in self.frozen(keyspace) {
            let found = space.next_key(start, first.as_deref().or(end));
            first = found.map(Box::from).or(first);
        }
        for piece in &self.pieces {
            let found = piece.next_key(keyspace, start, first.as_deref().or(end))?;
            first = found.or(first);
        }
        Ok(first)
    }

    pub(super) fn previous_key(
        &self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Option<Box<[u8]>>> {
        let space = self.spaces.get(&keyspace);
        let mut last: Option<Box<[u8]>> = space
            .and_then(|space| space.previous_key(start, end))
            .map(Box::from);
        for space in self.frozen(keyspace) {
            let found = space.previous_key(last.as_deref().unwrap_or(start), end);
            last = found.map(Box::from).max(last);
        }
        for piece in &self.pieces {
            let found = piece.previous_key(keyspace, last.as_deref().unwrap_or(start), end)?;
            last = found.max(last);
        }
        Ok(last)
    }

    /// A range deleted or taken in this layer that holds the key.
    pub(super) fn deleted_range(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Option<(&[u8], Option<&[u8]>)> {
        let in_memory = self.spaces.get(&keyspace).map(|space| &space.deleted);
        let spilled = self
            .pieces
            .iter()
            .filter_map(|piece| piece.deleted(keyspace));
        let on_the_way = self.frozen(keyspace).map(|space| &space.deleted);
        in_memory
            .into_iter()
            .chain(on_the_way)
            .chain(spilled)
            .find_map(|deleted| deleted.containing(key))
            .or_else(|| self.taken.containing(keyspace, key))
    }

    pub(super) fn checks_any(
        &self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<bool> {
        if let Some(space) = self.spaces.get(&keyspace)
            && (space.deleted.overlaps(start, end) || space.checks_any(start, end))
        {
            return Ok(true);
        }
        let checks = |space: &Space<Frozen>| {
            space.deleted.overlaps(start, end) || space.checks_any(start, end)
        };
        if self.frozen(keyspace).any(checks) {
            return Ok(true);
        }
        for piece in &self.pieces {
            let is_deleted = piece
                .deleted(keyspace)
                .is_some_and(|d| d.overlaps(start, end));
            let is_checked = piece.is_checked();
            if is_deleted || is_checked && piece.next_key(keyspace, start, end)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What a deleted range, or one that was taken, says about the keys in it.
const DELETED_BY_RANGE: Write = Write {
    value: None,
    expiry: NEVER,
    is_checked: true,
    existed: None,
};

impl<W: Ordered> Space<W> {
    pub(crate) fn get(&self, key: &[u8]) -> Option<Write> {
        self.writes.get(key)
    }

    /// The deleted ranges, below the writes.
    pub(crate) fn deleted(&self) -> &RangeSet {
        &self.deleted
    }

    /// The writes, in the order of their keys.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (&[u8], &Write)> {
        self.writes.view().iter()
    }

    /// The first and the last written key.
    pub(crate) fn bounds(&self) -> Option<(&[u8], &[u8])> {
        let writes = self.writes.view();
        let (first, last) = (writes.iter().next()?, writes.iter().next_back()?);
        Some((first.0, last.0))
    }

    /// The writes in `[start, end)`.
    pub(crate) fn range(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = (&[u8], &Write)> {
        // An empty range must not reach the map, which panics on it.
        let end = if is_before(start, end) {
            end
        } else {
            Some(start)
        };
        self.writes.view().range(start, end)
    }

    pub(crate) fn next_key(&self, start: &[u8], end: Option<&[u8]>) -> Option<&[u8]> {
        self.range(start, end).next().map(|(key, _)| key)
    }

    pub(crate) fn previous_key(&self, start: &[u8], end: Option<&[u8]>) -> Option<&[u8]> {
        self.range(start, end).next_back().map(|(key, _)| key)
    }

    pub(crate) fn checks_any(&self, start: &[u8], end: Option<&[u8]>) -> bool {
        self.range(start, end).any(|(_, write)| write.is_checked)
    }

    /// About what it takes in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes + self.deleted.memory_bytes()
    }
}

impl Space {
    /// As it is, for good.
    fn freeze(self) -> Space<Frozen> {
        Space {
            writes: self.writes.freeze(),
            deleted: self.deleted,
            bytes: self.bytes,
        }
    }

    /// Writes a key; returns the memory taken and given back.
    fn write(&mut self, key: Key, write: Write) -> (usize, usize) {
        let (added, removed) = self.writes.write(key, write);
        self.bytes = self.bytes + added - removed;
        (added, removed)
    }

    /// See [`super::WriteSet::write_over`].
    pub(super) fn write_over(&mut self, key: Key, write: Write) -> (usize, usize) {
        let (added, removed) = self.writes.write_over(key, write);
        self.bytes = self.bytes + added - removed;
        (added, removed)
    }

    fn delete_range(&mut self, start: &[u8], end: Option<&[u8]>) {
        if !is_before(start, end) {
            return;
        }
        self.drop_writes(start, end);
        self.deleted.insert(start, end);
    }

    fn drop_writes(&mut self, start: &[u8], end: Option<&[u8]>) {
        if self.writes.is_empty() {
            return;
        }
        self.bytes -= self.writes.remove_range(start, end);
    }

    fn absorb(&mut self, mut upper: Space) {
        for (start, end) in upper.deleted.iter() {
            self.drop_writes(start, end);
        }
        self.deleted.insert_all(&upper.deleted);
        if self.writes.len_max() >= upper.writes.len_max() {
            for (key, write) in upper.writes.into_sorted() {
                self.write(key, write);
            }
        } else {
            std::mem::swap(&mut self.writes, &mut upper.writes);
            std::mem::swap(&mut self.bytes, &mut upper.bytes);
            for (key, write) in upper.writes.into_sorted() {
                self.bytes += self.writes.write_below(key, write);
            }
        }
    }
}
