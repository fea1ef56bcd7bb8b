//! What readers made of the entries of a table, kept to be used again.
//!
//! Who reads many values often makes something of them each time, the same as the last time: an
//! executor of queries takes columns out of rows. The blocks of a table never change, so what was
//! made of them stays true as long as the table is there. It is kept here, for one
//! [segment](crate::table::Segment) of a table at a time, and nothing is known about it but its size.
//!
//! It takes half of what indexes and filters leave of the cache's budget, and blocks give way to it.
//! When its half is used up, a clock hand takes out what was not used since its last visit; and new
//! things go in only now and then, as blocks of long scans do (see [`super`]): a walk over more than
//! fits would otherwise throw out all that the next walk needs. While blocks are evicted the hand moves
//! too, slowly: what nobody uses any more gives way to blocks in the end.
//!
//! Nothing is kept of what was walked through only once: see [`DerivedSlots::note_pass`].

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use rustdb_vfs::sync::Mutex;

use super::{BlockCache, LONG_SCAN_PART};
use crate::key::KeyspaceId;

/// While so many blocks are evicted one derived thing is looked at. A walk over more than fits evicts
/// many blocks, and is to find again what it kept the last time.
const BLOCKS_PER_STEP: usize = 64;

/// Their part is full when less than one part of it in so many is left.
const FULL_PART: usize = 16;

/// What derived things take of the budget: one part of so many.
const DERIVED_PART: usize = 2;

/// Something that was made of the values of a segment.
pub struct Derived {
    keyspace: KeyspaceId,
    starts: Box<[u32]>,
    value: Box<dyn Any + Send + Sync>,
    bytes: usize,
}

/// One slot per segment of a table.
pub(crate) struct DerivedSlots {
    slots: Box<[Slot]>,
    cache: Arc<BlockCache>,
}

#[derive(Default)]
struct Slot {
    was_passed: AtomicBool,
    was_used: AtomicBool,
    kept: Mutex<Option<Arc<Derived>>>,
}

/// All slots that are filled, and what is in them.
#[derive(Default)]
pub(super) struct DerivedShard {
    ring: Mutex<VecDeque<(Weak<DerivedSlots>, u32)>>,
    count: AtomicUsize,
    bytes: AtomicUsize,
    /// Of how many values of each keyspace something is kept.
    values: Mutex<HashMap<KeyspaceId, u64>>,
    /// How often there was no room.
    refused: AtomicUsize,
    block_evictions: AtomicUsize,
}

impl Derived {
    /// What was made of the values of a keyspace in `bytes` of memory, and how many values there are
    /// before each block of the segment, and in all.
    pub fn new(
        keyspace: KeyspaceId,
        starts: Box<[u32]>,
        value: Box<dyn Any + Send + Sync>,
        bytes: usize,
    ) -> Arc<Self> {
        let bytes = bytes + size_of::<Derived>() + size_of_val(&*starts);
        Arc::new(Derived {
            keyspace,
            starts,
            value,
            bytes,
        })
    }

    /// How many values there are before each block of the segment, and in all.
    pub fn starts(&self) -> &[u32] {
        &self.starts
    }

    /// Of how many values it was made.
    fn values(&self) -> u64 {
        self.starts.last().map_or(0, |values| u64::from(*values))
    }

    /// What was made, if it is of this type.
    pub fn value<T: 'static>(&self) -> Option<&T> {
        self.value.downcast_ref()
    }
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Derived({} bytes)", self.bytes)
    }
}

impl DerivedSlots {
    /// So many empty slots.
    pub(crate) fn new(slots: usize, cache: &Arc<BlockCache>) -> Arc<Self> {
        Arc::new(Self {
            slots: (0..slots).map(|_| Slot::default()).collect(),
            cache: Arc::clone(cache),
        })
    }

    /// What is in a slot.
    pub(crate) fn load(&self, slot: usize) -> Option<Arc<Derived>> {
        let slot = self.slots.get(slot)?;
        let kept = slot.kept.lock().clone();
        if kept.is_some() {
            slot.was_used.store(true, Relaxed);
        }
        kept
    }

    /// Notes that somebody walks through the segment; returns whether to make something of it:
    /// somebody did so before, and it may be kept.
    pub(crate) fn note_pass(&self, slot: usize) -> bool {
        let slot = self.slots.get(slot);
        slot.is_some_and(|slot| slot.was_passed.swap(true, Relaxed)) && self.cache.admits_derived()
    }

    /// Keeps what was made of a segment, in the place of what was kept before.
    pub(crate) fn keep(self: &Arc<Self>, slot: usize, derived: &Arc<Derived>) {
        let Some(place) = self.slots.get(slot) else {
            return;
        };
        if !self.cache.make_derived_room(derived.bytes) {
            return;
        }
        let shard = &self.cache.derived;
        let before = {
            let mut kept = place.kept.lock();
            // Counted before it can be seen, so that the hand cannot subtract it first.
            self.cache.used.fetch_add(derived.bytes, Relaxed);
            shard.bytes.fetch_add(derived.bytes, Relaxed);
            shard.count.fetch_add(1, Relaxed);
            *shard.values.lock().entry(derived.keyspace).or_default() += derived.values();
            kept.replace(Arc::clone(derived))
        };
        match before {
            Some(before) => self.cache.subtract_derived(&before),
            None => shard.list(self, slot),
        }
    }

    /// Takes back that the slot was used.
    fn cool(&self, slot: u32) -> bool {
        self.slots[slot as usize].was_used.swap(false, Relaxed)
    }

    fn clear(&self, slot: u32) -> bool {
        let before = self.slots[slot as usize].kept.lock().take();
        if let Some(before) = &before {
            self.cache.subtract_derived(before);
        }
        before.is_some()
    }
}

impl Drop for DerivedSlots {
    fn drop(&mut self) {
        for slot in &self.slots {
            if let Some(kept) = slot.kept.lock().take() {
                self.cache.subtract_derived(&kept);
            }
        }
    }
}

impl fmt::Debug for DerivedSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DerivedSlots({})", self.slots.len())
    }
}

impl DerivedShard {
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// How many slots are listed.
    #[cfg(test)]
    pub(super) fn listed(&self) -> usize {
        self.ring.lock().len()
    }

    /// Lists a slot that was just filled.
    fn list(&self, slots: &Arc<DerivedSlots>, slot: usize) {
        let mut ring = self.ring.lock();
        // Tables that are gone leave their entries behind.
        if ring.len() > 2 * self.count.load(Relaxed) + 64 {
            ring.retain(|(slots, _)| slots.strong_count() > 0);
        }
        ring.push_back((Arc::downgrade(slots), slot as u32));
    }

    /// Takes something out that was not used lately; `false` if there is nothing.
    fn evict_one(&self) -> bool {
        // After one round nothing that nobody uses meanwhile is left.
        let steps = 2 * self.ring.lock().len() + 1;
        (0..steps).any(|_| self.move_hand())
    }

    /// Looks at the next thing, and takes it out if it was not used since the last look; returns
    /// whether it did.
    fn move_hand(&self) -> bool {
        // NB: what is evicted, and slots whose table is gone meanwhile, are dropped without the lock.
        let Some((slots, slot)) = self.ring.lock().pop_front() else {
            return false;
        };
        let Some(alive) = slots.upgrade() else {
            return false;
        };
        if alive.cool(slot) {
            self.ring.lock().push_back((slots, slot));
            return false;
        }
        alive.clear(slot)
    }

    /// Lets the hand move once for so many blocks that are evicted.
    pub(super) fn note_eviction(&self) {
        let turn = self.block_evictions.fetch_add(1, Relaxed);
        if turn.is_multiple_of(BLOCKS_PER_STEP) && self.bytes() > 0 {
            self.move_hand();
        }
    }
}

impl BlockCache {
    /// The memory that derived things may take.
    fn derived_budget(&self) -> usize {
        let budget = self.budget.load(Relaxed);
        budget.saturating_sub(self.charged.load(Relaxed)) / DERIVED_PART
    }

    /// Whether to make something that would be kept: as long as there is room, and one in
    /// [`LONG_SCAN_PART`] if another one has to go for it.
    fn admits_derived(&self) -> bool {
        let budget = self.derived_budget();
        self.derived.bytes() < budget - budget / FULL_PART
            || budget > 0 && {
                let turn = self.derived.refused.fetch_add(1, Relaxed);
                turn.is_multiple_of(LONG_SCAN_PART)
            }
    }

    /// Evicts until `bytes` more fit; returns whether they do.
    pub(super) fn make_derived_room(&self, bytes: usize) -> bool {
        let fits = || self.derived.bytes().saturating_add(bytes) <= self.derived_budget();
        if bytes > self.derived_budget() {
            return false;
        }
        while !fits() {
            if !self.derived.evict_one() {
                return false;
            }
            self.evictions.fetch_add(1, Relaxed);
        }
        self.make_room(bytes, 0);
        true
    }

    fn subtract_derived(&self, derived: &Derived) {
        self.used.fetch_sub(derived.bytes, Relaxed);
        self.derived.bytes.fetch_sub(derived.bytes, Relaxed);
        self.derived.count.fetch_sub(1, Relaxed);
        let mut values = self.derived.values.lock();
        if let Some(left) = values.get_mut(&derived.keyspace) {
            *left = left.saturating_sub(derived.values());
            if *left == 0 {
                values.remove(&derived.keyspace);
            }
        }
    }

    /// The memory of what readers made of values.
    pub fn derived_bytes(&self) -> usize {
        self.derived.bytes()
    }

    /// Of how many values of a keyspace readers have kept something.
    pub fn derived_values(&self, keyspace: KeyspaceId) -> u64 {
        let values = self.derived.values.lock();
        values.get(&keyspace).copied().unwrap_or(0)
    }
}
