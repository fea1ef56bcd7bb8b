//! Which keys there are, by their hashes: enough to say of most keys that they are new.

use rustdb_storage::memory::MemoryCharge;

/// Slots at first; their number is a power of two.
const SLOTS_MIN: usize = 1 << 10;

/// More slots are never taken: some million keys.
const SLOTS_MAX: usize = 1 << 23;

/// Hashes of keys. One that has the hash of another is taken for it.
#[derive(Debug)]
pub(crate) struct KnownKeys {
    /// Hashes, each at its place or behind it; zero where there is none. At least half are free.
    slots: Vec<u64>,
    count: usize,
    charge: MemoryCharge,
}

impl KnownKeys {
    /// None so far; the charge stands for the room they take.
    pub(crate) fn new(charge: MemoryCharge) -> KnownKeys {
        KnownKeys {
            slots: Vec::new(),
            count: 0,
            charge,
        }
    }

    /// Whether a key is surely new, and there is room to remember it.
    pub(crate) fn is_new(&mut self, hash: u64) -> bool {
        self.has_room() && self.slots[self.slot(hash)] == 0
    }

    /// Takes note of a key that [is new](Self::is_new).
    pub(crate) fn add(&mut self, hash: u64) {
        let slot = self.slot(hash);
        self.slots[slot] = hash.max(1);
        self.count += 1;
    }

    /// The slot that a hash is in, or would be.
    fn slot(&self, hash: u64) -> usize {
        let (hash, last) = (hash.max(1), self.slots.len() - 1);
        let mut slot = hash as usize & last;
        while self.slots[slot] != 0 && self.slots[slot] != hash {
            slot = (slot + 1) & last;
        }
        slot
    }

    /// Makes room for one more; whether there is some.
    fn has_room(&mut self) -> bool {
        if self.count < self.slots.len() / 2 {
            return true;
        }
        let slots = (self.slots.len() * 2).max(SLOTS_MIN);
        if slots > SLOTS_MAX || self.charge.should_let_go() {
            return false;
        }
        let hashes = std::mem::replace(&mut self.slots, vec![0; slots]);
        self.charge.set(slots * size_of::<u64>());
        for hash in hashes.into_iter().filter(|hash| *hash != 0) {
            let slot = self.slot(hash);
            self.slots[slot] = hash;
        }
        true
    }
}
