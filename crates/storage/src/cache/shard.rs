//! Which of a part of the cached blocks goes next: see the picture in [`super`].

use std::collections::VecDeque;
use std::sync::Weak;

use super::slots::BlockSlots;
use crate::table::HEAT_MAX;

/// The queue gives way while it is longer than one part in so many.
const PROBATION_PART: usize = 4;

/// The slots of a part of the blocks.
#[derive(Default)]
pub(super) struct Shard {
    /// Blocks that were not used yet when they were last looked at, oldest first.
    probation: VecDeque<Entry>,
    ring: Vec<Option<Entry>>,
    /// Places in the ring that are `None`.
    free: Vec<u32>,
    /// Where the clock hand goes on.
    hand: usize,
}

/// A filled slot. The table may be gone: its blocks are then no longer counted.
pub(super) struct Entry {
    pub(super) slots: Weak<BlockSlots>,
    pub(super) block: u32,
}

/// What became of an entry that was looked at.
enum Look {
    /// Its block was used since the last look.
    Used,
    /// Its block was not used, and is no longer in its slot.
    Evicted,
    /// There was no block: the table is gone.
    Gone,
}

impl Entry {
    fn look(&self) -> Look {
        let Some(slots) = self.slots.upgrade() else {
            return Look::Gone;
        };
        if slots.cool(self.block) {
            Look::Used
        } else if slots.clear(self.block) {
            Look::Evicted
        } else {
            Look::Gone
        }
    }
}

impl Shard {
    /// Lists a slot that was just filled.
    pub(super) fn push(&mut self, entry: Entry) {
        self.probation.push_back(entry);
    }

    /// The number of slots listed.
    pub(super) fn len(&self) -> usize {
        self.probation.len() + self.ring.len() - self.free.len()
    }

    /// Evicts a block; `false` if there is none.
    pub(super) fn evict_one(&mut self) -> bool {
        // After so many steps all blocks that nobody uses meanwhile have no use left.
        for _ in 0..self.len() * (usize::from(HEAT_MAX) + 2) + self.free.len() {
            let in_ring = self.ring.len() - self.free.len();
            let queue_gives_way =
                in_ring == 0 || self.probation.len() * PROBATION_PART > self.len();
            let evicted = match self.probation.pop_front() {
                Some(entry) if queue_gives_way => self.end_probation(entry),
                entry => {
                    // It was not its turn.
                    entry
                        .into_iter()
                        .for_each(|entry| self.probation.push_front(entry));
                    self.move_hand()
                }
            };
            if evicted {
                return true;
            }
        }
        false
    }

    /// Evicts the block or moves it to the ring; returns whether it was evicted.
    fn end_probation(&mut self, entry: Entry) -> bool {
        match entry.look() {
            Look::Evicted => return true,
            Look::Gone => {}
            Look::Used => match self.free.pop() {
                Some(place) => self.ring[place as usize] = Some(entry),
                None => self.ring.push(Some(entry)),
            },
        }
        false
    }

    /// Looks at the next block of the ring; returns whether it was evicted.
    fn move_hand(&mut self) -> bool {
        let Some(place) = self.hand.checked_rem(self.ring.len()) else {
            return false;
        };
        self.hand = place + 1;
        let Some(entry) = &self.ring[place] else {
            return false;
        };
        let look = entry.look();
        if matches!(look, Look::Evicted | Look::Gone) {
            self.ring[place] = None;
            self.free.push(place as u32);
        }
        matches!(look, Look::Evicted)
    }

    /// Drops the entries of tables that are gone.
    pub(super) fn sweep(&mut self) {
        let is_live = |entry: &Entry| entry.slots.strong_count() > 0;
        self.probation.retain(is_live);
        self.ring
            .retain(|entry| entry.as_ref().is_some_and(is_live));
        self.free.clear();
        self.hand = 0;
    }
}
