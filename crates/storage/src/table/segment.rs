//! Stretches of a table, each of some blocks, with room for what readers make of their values.
//!
//! A table that holds nothing but values, one for each key, is cut into segments of
//! [`SEGMENT_BLOCKS`] blocks. A walk that comes to one, and knows that it is going to see all of it,
//! is told so ([`SegmentAhead`]); the reader may then have kept what it made of the values at an
//! earlier time ([`Segment::derived`]), and pass over them without a look. What is kept, and for how
//! long, is up to [`crate::cache`].
//!
//! A table may hold keys of several keyspaces. A segment is read for one keyspace, and is of no use
//! if it has keys of others ([`Segment::read`]).

use std::ops::Range;
use std::sync::Arc;

use super::cursor::Fill;
use super::reader::Table;
use crate::cache::Derived;
use crate::error::Result;
use crate::key::{KEYSPACE_BYTES, KeyspaceId};

/// How many blocks a segment has; the last one of a table may have fewer. Tests, whose tables are
/// small, have small ones.
pub(crate) const SEGMENT_BLOCKS: usize = if cfg!(debug_assertions) { 3 } else { 32 };

/// A stretch of a table. See the module's documentation.
#[derive(Clone, Debug)]
pub struct Segment {
    table: Arc<Table>,
    number: usize,
}

/// Where a walk is in a segment, and how far it sees all values.
#[derive(Clone, Debug)]
pub struct SegmentAhead {
    segment: Segment,
    keyspace: [u8; KEYSPACE_BYTES],
    /// The place of the next value: its block, counted within the segment, and place in that.
    block: usize,
    entry: usize,
    /// All values of the blocks before this one are seen.
    end: usize,
}

/// An entry's place in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of its block.
    pub block: usize,
    /// Its number in the block.
    pub entry: usize,
}

impl Segment {
    /// The segment that a block is in.
    pub(super) fn number_of(block: usize) -> usize {
        block / SEGMENT_BLOCKS
    }

    fn blocks(&self) -> Range<usize> {
        let first = self.number * SEGMENT_BLOCKS;
        first..(first + SEGMENT_BLOCKS).min(self.table.index().blocks())
    }

    /// What was kept for the segment.
    pub fn derived(&self) -> Option<Arc<Derived>> {
        self.table.derived().load(self.number)
    }

    /// Notes that a reader walks through the segment, and returns whether it should make something of
    /// its values to be kept.
    pub fn is_worth_keeping(&self) -> bool {
        self.table.derived().note_pass(self.number)
    }

    /// Keeps something in the place of what was kept before, if there is room.
    pub fn keep(&self, derived: &Arc<Derived>) {
        self.table.derived().keep(self.number, derived);
    }
}

impl SegmentAhead {
    /// From block `next.block`, entry `next.entry` on, up to block `end`.
    pub(super) fn new(table: &Arc<Table>, key: &[u8], next: Place, end: usize) -> Option<Self> {
        let number = Segment::number_of(next.block);
        let first = number * SEGMENT_BLOCKS;
        Some(SegmentAhead {
            segment: Segment {
                table: Arc::clone(table),
                number,
            },
            keyspace: *key.first_chunk()?,
            block: next.block - first,
            entry: next.entry,
            end: end - first,
        })
    }

    /// The keyspace of the walk.
    pub fn keyspace(&self) -> KeyspaceId {
        KeyspaceId(u32::from_be_bytes(self.keyspace))
    }

    /// The segment.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// How much of the segment is seen: the part of its blocks, from zero to one.
    pub fn part(&self) -> f64 {
        (self.end - self.block) as f64 / self.segment.blocks().len() as f64
    }

    /// Which of the segment's values are seen, those that lie ahead only.
    pub fn values(&self, derived: &Derived) -> Range<usize> {
        let starts = derived.starts();
        let at = |block: usize| starts.get(block).map_or(0, |start| *start as usize);
        at(self.block) + self.entry..at(self.end)
    }

    /// Shows all values of the segment, those behind too. Returns how many there are before each
    /// block, and in all; `None` if the segment has keys of another keyspace than the walk's.
    pub fn read(&self, show: &mut dyn FnMut(&[u8])) -> Result<Option<Box<[u32]>>> {
        let table = &self.segment.table;
        let mut starts = Vec::with_capacity(SEGMENT_BLOCKS + 1);
        let mut values = 0;
        let mut sealed = Vec::new();
        let blocks = self.segment.blocks();
        for at in blocks.clone() {
            let block = match table.resident(at) {
                Some(block) => block,
                None => {
                    if sealed.is_empty() {
                        table.read_sealed(at..blocks.end, &mut sealed)?;
                    }
                    let location = table.index().location(at);
                    let from = sealed.len() as u64
                        - (table.index().location(blocks.end - 1).end - location.start);
                    let to = from + (location.end - location.start);
                    let bytes = &mut sealed[from as usize..to as usize];
                    table.admit(at, bytes, Fill::LongScan)?
                }
            };
            let view = block.get();
            if !view.prefix().starts_with(&self.keyspace) {
                return Ok(None);
            }
            starts.push(values);
            for entry in 0..view.len() {
                show(view.value(entry));
            }
            values += view.len() as u32;
        }
        starts.push(values);
        Ok(Some(starts.into()))
    }

    /// The place of the last of so many values ahead, at least one.
    pub(crate) fn place_after(&self, derived: &Derived, taken: usize) -> Place {
        let starts = derived.starts();
        let last = self.values(derived).start + taken - 1;
        let block = starts.partition_point(|start| *start as usize <= last) - 1;
        Place {
            block: self.segment.number * SEGMENT_BLOCKS + block,
            entry: last - starts[block] as usize,
        }
    }
}
