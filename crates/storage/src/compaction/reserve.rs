//! What running compactions use, so that others keep away.

use std::collections::BTreeSet;

use super::choice::{Action, Choice};
use crate::key::FileNumber;
use crate::version::KeyBounds;

/// The tables that running compactions read, and the ranges they write to.
///
/// Two compactions go together if they share no input and do not write into overlapping ranges of
/// one level. The engine keeps one of these under its lock, and reserves for whatever else puts
/// tables into a level, such as ingested runs.
#[derive(Debug, Default)]
pub struct Reservations {
    held: Vec<(u64, Held)>,
    next: u64,
    tables: BTreeSet<FileNumber>,
}

/// Names a reservation; to be given back with [`Reservations::release`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reservation that is not released blocks its tables for ever"]
pub struct Ticket(u64);

#[derive(Debug)]
struct Held {
    inputs: Vec<FileNumber>,
    level: usize,
    smallest: Box<[u8]>,
    largest: Box<[u8]>,
    largest_exclusive: bool,
}

impl Reservations {
    /// Nothing is reserved.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reserves what `choice` reads and writes.
    pub fn reserve(&mut self, choice: &Choice) -> Ticket {
        let inputs = choice.input_numbers();
        let hull = choice.bounds();
        let level = match &choice.action {
            Action::Drop { .. } => None,
            Action::Move { level, .. } => Some(*level),
            Action::Merge { level, .. } => Some(*level),
        };
        self.insert(inputs, level.zip(hull))
    }

    /// Reserves a range of a level for tables that come from elsewhere.
    pub fn reserve_range(&mut self, level: usize, bounds: KeyBounds<'_>) -> Ticket {
        self.insert(Vec::new(), Some((level, bounds)))
    }

    /// Gives a reservation back.
    pub fn release(&mut self, ticket: Ticket) {
        let Some(position) = self.held.iter().position(|(id, _)| *id == ticket.0) else {
            return;
        };
        let (_, held) = self.held.swap_remove(position);
        for input in &held.inputs {
            self.tables.remove(input);
        }
    }

    /// Whether a running compaction reads the table.
    pub fn has_table(&self, number: FileNumber) -> bool {
        self.tables.contains(&number)
    }

    /// Whether a running compaction writes into this range of the level.
    pub fn has_range(&self, level: usize, bounds: KeyBounds<'_>) -> bool {
        let mut held = self.held.iter();
        held.any(|(_, held)| held.level == level && held.bounds().overlaps(bounds))
    }

    /// Whether a running compaction writes into the level.
    pub fn has_level(&self, level: usize) -> bool {
        self.held.iter().any(|(_, held)| held.level == level)
    }

    /// The newest reservation so far, for [`Reservations::has_any_until`].
    pub fn newest(&self) -> u64 {
        self.next
    }

    /// Whether any reservation that was there when [`Reservations::newest`] said `newest` still is.
    pub fn has_any_until(&self, newest: u64) -> bool {
        self.held.iter().any(|(id, _)| *id <= newest)
    }

    /// How many reservations there are.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing is reserved.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    fn insert(&mut self, inputs: Vec<FileNumber>, range: Option<(usize, KeyBounds<'_>)>) -> Ticket {
        // A level that does not exist stands for "writes nothing".
        let nothing = (usize::MAX, KeyBounds::half_open(&[], &[]));
        let (level, bounds) = range.unwrap_or(nothing);
        self.tables.extend(&inputs);
        self.next += 1;
        let held = Held {
            inputs,
            level,
            smallest: bounds.smallest.into(),
            largest: bounds.largest.into(),
            largest_exclusive: bounds.largest_exclusive,
        };
        self.held.push((self.next, held));
        Ticket(self.next)
    }
}

impl Held {
    fn bounds(&self) -> KeyBounds<'_> {
        KeyBounds {
            smallest: &self.smallest,
            largest: &self.largest,
            largest_exclusive: self.largest_exclusive,
        }
    }
}
