//! Which blocks may take the place of others: those that were asked for before, not long ago.
//!
//! Most of the blocks that are read for the first time are not read again soon. To let one in, and
//! another out for it, costs more than to read it once more from the system's cache, and it takes up
//! room until it has proved useless. So when the cache is full, a block that is read leaves a *mark*,
//! and goes in if it finds its mark the next time (as a doorkeeper before a filter of frequencies
//! does: Einziger, Friedman and Manes, TinyLFU, 2017). Marks are overwritten by others in their
//! place, which limits how long ago the first time may be. One block in [`ADMITTED_PART`] goes in
//! without a mark: if more blocks are in use than there are places for marks, none would last.

use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Of so many blocks without a mark one goes in.
const ADMITTED_PART: u64 = 16;

/// There is a mark for so many bytes of the budget, about a block of a table.
const BYTES_PER_MARK: usize = 4096;

const MARKS_MIN: usize = 1 << 10;
const MARKS_MAX: usize = 1 << 20;

/// The marks of blocks that were read while the cache was full.
pub(super) struct Door {
    marks: Box<[AtomicU16]>,
}

impl Door {
    /// A door for a cache of `budget_bytes`.
    pub(super) fn new(budget_bytes: usize) -> Self {
        let marks = (budget_bytes / BYTES_PER_MARK).clamp(MARKS_MIN, MARKS_MAX);
        let marks = marks.next_power_of_two();
        Self {
            marks: (0..marks).map(|_| AtomicU16::new(0)).collect(),
        }
    }

    /// Whether the block `at` of table `number` goes in, the `turn`-th that was read.
    pub(super) fn admits(&self, number: u64, at: usize, turn: u64) -> bool {
        let hash = mix(number, at as u64);
        let place = hash as usize & (self.marks.len() - 1);
        // Zero is no mark.
        let mark = (hash >> 48) as u16 | 1;
        let slot = &self.marks[place];
        if slot.load(Relaxed) == mark {
            slot.store(0, Relaxed);
            return true;
        }
        if turn.is_multiple_of(ADMITTED_PART) {
            return true;
        }
        slot.store(mark, Relaxed);
        false
    }
}

/// Spreads the blocks of all tables over 64 bits.
fn mix(number: u64, at: u64) -> u64 {
    let seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at;
    let spread = (seed ^ (seed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let spread = (spread ^ (spread >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    spread ^ (spread >> 32)
}
