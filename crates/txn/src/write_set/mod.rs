//! What a transaction has written and not yet committed.
//!
//! # Layers
//!
//! Each savepoint opens a layer; writes go to the topmost one. Rolling back drops layers, releasing
//! merges one into the layer below (the smaller into the larger). A layer has, per keyspace, an
//! ordered map from key to the last write ([`writes`]), and a set of deleted ranges. A deleted range hides what
//! lower layers say and what the snapshot has; the map of its own layer is above it:
//!
//! ```text
//! layer 1   deleted [c, f)     c=3                 reads see  c=3
//! layer 0                a=1     d=2                          a=1
//! snapshot            a=0    c=0    e=0  g=0                  g=0
//! ```
//!
//! # Spilling
//!
//! Once the maps take half of a budget of memory, they are written to sorted files ([`spill`]), below
//! the maps of the same layer. Another thread does that ([`spilling`]), while the other half fills.
//!
//! # What is taken
//!
//! A walk that removes all that it passes notes the range, and not each key ([`taken`]).
//!
//! # Holes
//!
//! A hole is a range in which the transaction is known to see nothing: everything the snapshot has
//! there is deleted. Holes say nothing new, they only save work: the next search for the first key
//! does not walk over a million deletions again. A write inside a hole splits it.

mod frozen;
mod index;
mod key;
mod layer;
mod log;
mod runs;
mod sort;
mod spill;
mod spilled_keys;
mod spilling;
mod taken;
mod writes;

use std::collections::BTreeMap;

use rustdb_storage::engine::Engine;
use rustdb_storage::slice::Slice;
use rustdb_storage::{KeyspaceId, Result};

use crate::ranges::{End, RangeSet};

use key::Key;
use layer::Layer;
pub(crate) use layer::Space;
pub(crate) use spill::{Contents, Piece};
pub(crate) use taken::TakenSpace;

/// The expiry of a value that does not expire.
pub(crate) const NEVER: u64 = u64::MAX;

/// The last write of a key.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    /// The new value, or `None` for a deletion.
    pub(crate) value: Option<Slice>,
    /// When the value expires, in microseconds since the Unix epoch, or [`NEVER`].
    pub(crate) expiry: u64,
    /// Whether the key has to be unchanged since the snapshot; not so under a lock.
    pub(crate) is_checked: bool,
    /// Whether the key had a value in the snapshot, if that is known.
    pub(crate) existed: Option<bool>,
}

impl Write {
    /// What a read at time `now` sees of this write.
    pub(crate) fn visible(&self, now: impl FnOnce() -> u64) -> Option<&Slice> {
        let value = self.value.as_ref()?;
        (self.expiry == NEVER || self.expiry > now()).then_some(value)
    }

    /// As [`Write::visible`], of a write that is not needed any more.
    pub(crate) fn into_visible(self, now: impl FnOnce() -> u64) -> Option<Slice> {
        let is_visible = self.expiry == NEVER || self.expiry > now();
        self.value.filter(|_| is_visible)
    }
}

/// Identifies a savepoint within its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavepointId(u64);

/// All writes of a transaction.
#[derive(Debug)]
pub(crate) struct WriteSet {
    /// Never empty; the last one is written to.
    layers: Vec<Layer>,
    /// Layers that nobody shall see for now; see [`WriteSet::set_aside`].
    aside: Vec<Layer>,
    holes: BTreeMap<KeyspaceId, RangeSet>,
    /// Whether a range was ever deleted.
    has_deleted_ranges: bool,
    /// Whether anything was ever taken out of the snapshot.
    has_taken: bool,
    /// Changes with every write, so that iterators know when to look again.
    version: u64,
    /// About what the layers take in memory.
    bytes: usize,
    /// What of it is on its way to files.
    spilling_bytes: usize,
    next_savepoint: u64,
}

impl WriteSet {
    pub(crate) fn new() -> Self {
        Self {
            layers: vec![Layer::new(SavepointId(0))],
            aside: Vec::new(),
            holes: BTreeMap::new(),
            has_deleted_ranges: false,
            has_taken: false,
            version: 0,
            bytes: 0,
            spilling_bytes: 0,
            next_savepoint: 1,
        }
    }

    /// About what the layers take in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.layers.iter().chain(&self.aside).all(Layer::is_empty)
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Whether anything was written in this keyspace.
    pub(crate) fn touches(&self, keyspace: KeyspaceId) -> bool {
        self.layers.iter().any(|layer| layer.touches(keyspace))
    }

    /// About what the writes take in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        debug_assert_eq!(self.bytes, self.measured(), "every change is accounted for");
        if self.holes.is_empty() && !self.has_taken {
            return self.bytes;
        }
        let layers = self.layers.iter().chain(&self.aside);
        let taken = layers.map(|layer| layer.taken().memory_bytes());
        let holes = self.holes.values().map(RangeSet::memory_bytes);
        self.bytes + taken.chain(holes).sum::<usize>()
    }

    /// About what the writes take in memory that are not on their way to files.
    pub(crate) fn unspilled_bytes(&self) -> usize {
        self.bytes - self.spilling_bytes
    }

    // ------------------------------------------------------------------------------- writing

    /// Writes or deletes a key.
    pub(crate) fn write(&mut self, keyspace: KeyspaceId, key: &[u8], write: Write) {
        self.version += 1;
        self.fill_hole(keyspace, key, &write);
        let layer = self.layers.last_mut().expect("there is always a layer");
        let (added, removed) = layer.write(keyspace, key, write);
        self.bytes = self.bytes + added - removed;
    }

    /// A key that gets a value is in no hole.
    fn fill_hole(&mut self, keyspace: KeyspaceId, key: &[u8], write: &Write) {
        if write.value.is_some()
            && let Some(holes) = self.holes.get_mut(&keyspace)
        {
            holes.remove_point(key);
        }
    }

    /// As [`WriteSet::write`], for a key that has a value now. Whether it had one in the snapshot
    /// is known from the write that this one follows; without one, it had.
    pub(crate) fn write_over(
        &mut self,
        keyspace: KeyspaceId,
        key: &[u8],
        mut write: Write,
    ) -> Result<()> {
        self.fill_hole(keyspace, key, &write);
        if let [layer] = &mut self.layers[..]
            && let Some(space) = layer.plain_space(keyspace)
        {
            // Then one search tells what was there and puts the new write in its place.
            self.version += 1;
            let (added, removed) = space.write_over(Key::new(key), write);
            self.bytes = self.bytes + added - removed;
            return Ok(());
        }
        let own = self.find(keyspace, key)?;
        write.existed = own.map_or(Some(true), |write| write.existed);
        self.write(keyspace, key, write);
        Ok(())
    }

    /// Deletes every key in a range, own earlier writes included.
    pub(crate) fn delete_range(&mut self, keyspace: KeyspaceId, start: &[u8], end: Option<&[u8]>) {
        self.version += 1;
        self.has_deleted_ranges = true;
        self.top().delete_range(keyspace, start, end);
        self.measure();
    }

    /// Forgets what later writes of the same key have made useless.
    pub(crate) fn settle(&mut self) {
        self.layers.iter_mut().for_each(Layer::settle);
        self.measure();
    }

    /// Moves the writes in memory to sorted files. What cannot be written stays in memory.
    pub(crate) fn spill(&mut self, engine: &Engine) -> Result<()> {
        self.version += 1;
        let mut layers = self.layers.iter_mut();
        let spilled = layers.try_for_each(|layer| layer.spill(engine));
        self.measure();
        spilled
    }

    /// As [`WriteSet::spill`], but other threads do it; this one waits for those that are at it
    /// already.
    pub(crate) fn begin_spill(&mut self, engine: &Engine) -> Result<()> {
        self.version += 1;
        let mut layers = self.layers.iter_mut();
        let begun = layers.try_for_each(|layer| layer.begin_spill(engine));
        self.measure();
        begun
    }

    /// Whether some of the writes are in files.
    pub(crate) fn is_spilled(&self) -> bool {
        self.layers.iter().any(Layer::is_spilled)
    }

    fn measure(&mut self) {
        self.bytes = self.measured();
        let layers = self.layers.iter().chain(&self.aside);
        self.spilling_bytes = layers.map(Layer::spilling_bytes).sum();
    }

    fn measured(&self) -> usize {
        let layers = self.layers.iter().chain(&self.aside);
        layers.map(Layer::bytes).sum()
    }

    fn top(&mut self) -> &mut Layer {
        self.layers.last_mut().expect("there is always a layer")
    }

    // ------------------------------------------------------------------------------- reading

    /// The last write of a key: `None` if the transaction did not touch it.
    pub(crate) fn find(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Write>> {
        for layer in self.layers.iter().rev() {
            if let Some(write) = layer.find(keyspace, key)? {
                return Ok(Some(write));
            }
        }
        Ok(None)
    }

    /// The first written key in `[start, end)`, skipping the hole that it begins in.
    pub(crate) fn next_key(
        &self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Option<Box<[u8]>>> {
        let start = match self.hole(keyspace, start) {
            Some((_, None)) => return Ok(None),
            Some((_, Some(hole_end))) => hole_end,
            None => start,
        };
        self.next_written(keyspace, start, end)
    }

    /// The first written key in `[start, end)`, deletions in holes included.
    pub(crate) fn next_written(
        &self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Option<Box<[u8]>>> {
        let mut first: Option<Box<[u8]>> = None;
        for layer in &self.layers {
            let found = layer.next_key(keyspace, start, first.as_deref().or(end))?;
            first = found.or(first);
        }
        Ok(first)
    }

    /// The last written key in `[start, end)`, skipping the hole that it ends in.
    pub(crate) fn previous_key(
        &self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Option<Box<[u8]>>> {
        let end = match self.hole_before(keyspace, end) {
            Some((hole_start, _)) => Some(hole_start),
            None => end,
        };
        self.previous_written(keyspace, start, end)
    }

    /// The last written key in `[start, end)`, deletions in holes included.
    pub(crate) fn previous_written(
        &self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Option<Box<[u8]>>> {
        let mut last: Option<Box<[u8]>> = None;
        for layer in &self.layers {
            let found = layer.previous_key(keyspace, last.as_deref().unwrap_or(start), end)?;
            last = found.max(last);
        }
        Ok(last)
    }

    /// If `key` of the snapshot is hidden as part of a range: that range.
    pub(crate) fn hidden_range(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Option<(&[u8], Option<&[u8]>)> {
        let hole = (!self.holes.is_empty()).then(|| self.hole(keyspace, key));
        hole.flatten().or_else(|| self.deleted_range(keyspace, key))
    }

    /// Whether a key of the snapshot at `from` or above may be hidden as part of a range.
    #[inline]
    pub(crate) fn hides_beyond(&self, keyspace: KeyspaceId, from: &[u8]) -> bool {
        let holes = self.holes.get(&keyspace);
        let mut taken = self.layers.iter().map(Layer::taken);
        self.has_deleted_ranges
            || holes.is_some_and(|holes| !holes.ends_by(from))
            || self.has_taken && taken.any(|taken| !taken.ends_by(keyspace, from))
    }

    /// Whether a key of the snapshot in `[start, end)` may be hidden as part of a range.
    pub(crate) fn hides_any(&self, keyspace: KeyspaceId, start: &[u8], end: Option<&[u8]>) -> bool {
        let holes = self.holes.get(&keyspace);
        let mut taken = self.layers.iter().map(Layer::taken);
        self.has_deleted_ranges
            || holes.is_some_and(|holes| holes.overlaps(start, end))
            || taken.any(|taken| taken.overlaps(keyspace, start, end))
    }

    /// The range that the transaction deleted or took and `key` is in.
    pub(crate) fn deleted_range(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Option<(&[u8], Option<&[u8]>)> {
        if !self.has_deleted_ranges && !self.has_taken {
            return None;
        }
        let mut layers = self.layers.iter();
        layers.find_map(|layer| layer.deleted_range(keyspace, key))
    }

    // --------------------------------------------------------------------------------- holes

    /// Notes that the transaction sees nothing in `[start, end)`.
    pub(crate) fn add_hole(&mut self, keyspace: KeyspaceId, start: &[u8], end: Option<&[u8]>) {
        self.holes.entry(keyspace).or_default().insert(start, end);
    }

    /// Forgets all holes: what the transaction sees has changed under them.
    pub(crate) fn clear_holes(&mut self) {
        self.holes.clear();
        self.version += 1;
    }

    /// The holes of a keyspace.
    pub(crate) fn holes(&self, keyspace: KeyspaceId) -> Option<&RangeSet> {
        self.holes.get(&keyspace)
    }

    fn hole(&self, keyspace: KeyspaceId, key: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
        self.holes.get(&keyspace)?.containing(key)
    }

    /// The hole that reaches up to `end` or over it.
    fn hole_before(
        &self,
        keyspace: KeyspaceId,
        end: Option<&[u8]>,
    ) -> Option<(&[u8], Option<&[u8]>)> {
        self.holes.get(&keyspace)?.reaching(end)
    }

    // ---------------------------------------------------------------------------- savepoints

    /// Opens a savepoint.
    pub(crate) fn savepoint(&mut self) -> SavepointId {
        let id = SavepointId(self.next_savepoint);
        self.next_savepoint += 1;
        self.layers.push(Layer::new(id));
        id
    }

    /// Undoes everything since the savepoint, which stays; later ones are gone. `false` if there
    /// is no such savepoint.
    pub(crate) fn rollback_to(&mut self, savepoint: SavepointId) -> bool {
        self.put_back();
        let Some(at) = self.layer_of(savepoint) else {
            return false;
        };
        self.layers.truncate(at);
        self.layers.push(Layer::new(savepoint));
        self.clear_holes();
        self.measure();
        true
    }

    /// Keeps everything since the savepoint and forgets it and later ones. `false` if there is no
    /// such savepoint.
    pub(crate) fn release(&mut self, engine: &Engine, savepoint: SavepointId) -> Result<bool> {
        self.put_back();
        let Some(at) = self.layer_of(savepoint) else {
            return Ok(false);
        };
        self.merge_down_to(engine, at)?;
        Ok(true)
    }

    /// Hides everything since the savepoint, until it is put back. Nothing may be written
    /// meanwhile. `false` if there is no such savepoint, or it is hidden already.
    pub(crate) fn set_aside(&mut self, savepoint: SavepointId) -> bool {
        let Some(at) = self.layer_of(savepoint) else {
            return false;
        };
        debug_assert!(self.aside.is_empty(), "layers are set aside once");
        self.aside = self.layers.split_off(at);
        self.clear_holes();
        true
    }

    /// Shows again what was set aside.
    pub(crate) fn put_back(&mut self) {
        if !self.aside.is_empty() {
            self.layers.append(&mut self.aside);
            self.clear_holes();
        }
    }

    /// Whether a key was written since the savepoint.
    pub(crate) fn writes_since(
        &self,
        savepoint: SavepointId,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Result<bool> {
        let mut is_since = false;
        for layer in self.layers.iter().chain(&self.aside) {
            is_since |= layer.savepoint() == savepoint;
            if is_since && layer.find(keyspace, key)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn merge_down_to(&mut self, engine: &Engine, layers: usize) -> Result<()> {
        self.version += 1;
        let mut absorbed = Ok(());
        while absorbed.is_ok()
            && self.layers.len() > layers
            && let [.., lower, upper] = &mut self.layers[..]
        {
            absorbed = lower.absorb(engine, upper);
            if absorbed.is_ok() {
                self.layers.pop();
            }
        }
        self.measure();
        absorbed
    }

    fn layer_of(&self, savepoint: SavepointId) -> Option<usize> {
        let at = self
            .layers
            .iter()
            .rposition(|layer| layer.savepoint() == savepoint)?;
        (at > 0).then_some(at)
    }

    // -------------------------------------------------------------------------- at commit

    /// Merges all layers into one. What is spilled is then in pieces, all of it, and what is not
    /// is sorted.
    pub(crate) fn flatten(&mut self, engine: &Engine) -> Result<()> {
        self.put_back();
        self.merge_down_to(engine, 1)?;
        self.end_taking();
        match self.is_spilled() {
            true => self.spill(engine)?,
            false => self.top().sort(),
        }
        Ok(())
    }

    /// The number of keys in memory. The write set must be flat.
    pub(crate) fn keys(&self) -> usize {
        self.layers.iter().map(Layer::keys).sum()
    }

    /// Every keyspace with its writes in memory, in order, and its deleted ranges. The write set
    /// must be flat.
    pub(crate) fn flat(&self) -> impl Iterator<Item = (KeyspaceId, &Space)> {
        debug_assert_eq!(self.layers.len(), 1, "layers are merged before a commit");
        self.layers.iter().flat_map(Layer::spaces)
    }

    /// What was spilled, oldest first. The write set must be flat.
    pub(crate) fn pieces(&self) -> &[Piece] {
        debug_assert_eq!(self.layers.len(), 1, "layers are merged before a commit");
        self.layers[0].pieces()
    }

    /// Whether the transaction writes this key and relies on its being unchanged.
    pub(crate) fn checks(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<bool> {
        Ok(self
            .find(keyspace, key)?
            .is_some_and(|write| write.is_checked))
    }

    /// Whether the transaction writes any key in a range and relies on its being unchanged.
    pub(crate) fn checks_any(
        &self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<bool> {
        for layer in &self.layers {
            if layer.checks_any(keyspace, start, end)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// An end of a range, owned.
pub(crate) fn owned_end(end: Option<&[u8]>) -> End {
    end.map(Into::into)
}
