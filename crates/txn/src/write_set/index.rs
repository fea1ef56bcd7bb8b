//! Where the writes of keys are in a log: a hash table of places.
//!
//! ```text
//! slots   [    ][ 7a|2 ][    ][ 31|0 ][ 31|1 ][    ]      a part of the key's hash, and its place
//! log     b=5   c=2   a=9
//! ```
//!
//! A key's slot is the first free one from where its hash points to. At most half of the slots are
//! taken. The hash has no secret, so keys may be chosen to have slots in a row; when a row gets too
//! long the index gives up, and the log becomes a tree.

use xxhash_rust::xxh3::xxh3_64;

/// The longest row of slots that is gone through. In tables of keys that nobody has chosen rows are
/// shorter, however large the table.
const PROBES_MAX: usize = 512;

/// The least number of slots; a power of two.
const SLOTS_MIN: usize = 64;

/// The bits of a slot that have the place, plus one.
const PLACE_BITS: u32 = 40;

/// Finds places by keys. It does not keep the keys: who asks compares those at the places.
#[derive(Debug)]
pub(super) struct Index {
    /// Zero is free. The topmost bits are the hash's.
    slots: Box<[u64]>,
    /// How many there are; they are the first so many places.
    taken: usize,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is at this place.
    At(usize),
    /// It is at none; this slot is for it.
    Free(FreeSlot),
    /// There is no slot for it.
    Crowded,
}

/// A slot to be taken, before anything else changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FreeSlot {
    slot: usize,
    hash: u64,
}

impl Index {
    /// No places, and room for as many.
    pub(super) fn with_capacity(places: usize) -> Index {
        let slots = (2 * (places + 1)).next_power_of_two().max(SLOTS_MIN);
        Index {
            slots: vec![0; slots].into(),
            taken: 0,
        }
    }

    /// Looks for a key; `is_at` tells whether it is the one at a place.
    #[inline]
    pub(super) fn find(&self, key: &[u8], mut is_at: impl FnMut(usize) -> bool) -> Found {
        let hash = xxh3_64(key);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        for _ in 0..PROBES_MAX {
            let entry = self.slots[slot];
            if entry == 0 {
                return Found::Free(FreeSlot { slot, hash });
            }
            if (entry ^ hash) >> PLACE_BITS == 0 {
                let place = place_in(entry);
                if is_at(place) {
                    return Found::At(place);
                }
            }
            slot = (slot + 1) & mask;
        }
        Found::Crowded
    }

    /// Gives a key that was not found the next place. `key_at` gives the keys that are at the places
    /// before, and is only asked when the table grows. Returns whether there was room for all.
    #[must_use]
    pub(super) fn take<'k>(&mut self, free: FreeSlot, key_at: impl Fn(usize) -> &'k [u8]) -> bool {
        self.slots[free.slot] = entry(free.hash, self.taken);
        self.taken += 1;
        2 * self.taken <= self.slots.len() || self.grow(key_at)
    }

    fn grow<'k>(&mut self, key_at: impl Fn(usize) -> &'k [u8]) -> bool {
        let mut larger = Index::with_capacity(self.taken);
        for place in 0..self.taken {
            match larger.find(key_at(place), |_| false) {
                Found::Free(FreeSlot { slot, hash }) => larger.slots[slot] = entry(hash, place),
                Found::At(_) | Found::Crowded => return false,
            }
        }
        larger.taken = self.taken;
        *self = larger;
        true
    }
}

fn entry(hash: u64, place: usize) -> u64 {
    debug_assert!(
        (place as u64) < (1 << PLACE_BITS) - 1,
        "memory is not as large"
    );
    hash >> PLACE_BITS << PLACE_BITS | (place as u64 + 1)
}

fn place_in(entry: u64) -> usize {
    (entry & ((1 << PLACE_BITS) - 1)) as usize - 1
}
