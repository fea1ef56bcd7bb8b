//! Sorted tables: immutable files of entries in key order.
//!
//! Reading this folder in order is reading a table file from the inside out:
//!
//! | module | what |
//! |---|---|
//! | [`format`] | every offset and number on disk |
//! | [`block`], [`block_builder`] | one data block: searched in memory as it is on disk |
//! | [`index`] | which block holds a key |
//! | [`filter`] | which keys are surely absent |
//! | [`properties`] | what is known without looking at entries |
//! | [`builder`] | writes a file, front to back |
//! | [`store`] | what open tables share: block cache, file handles |
//! | [`tail`] | the end of a file: everything but the data blocks |
//! | [`reader`] | opens a file, answers point reads |
//! | [`cursor`] | walks it both ways |
//! | [`segment`] | stretches of a table, with what readers make of their values |
//! | `fuzzing` | all parsers of blocks behind one function |
//! | [`salvage`] | reads what is left of a damaged one |
//! | [`verify`] | reads all of it and checks that it agrees with itself |
//!
//! A table knows nothing of other tables, of levels or of what a snapshot sees: it gives out
//! entries, deletions included, and its range tombstones, for others to interpret.

mod block;
mod block_builder;
mod builder;
mod cursor;
mod filter;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod index;
mod properties;
mod reader;
mod salvage;
mod segment;
mod store;
mod tail;
#[cfg(test)]
mod tests;
mod verify;

#[cfg(test)]
use crate::key::{EntryKind, SequenceNumber};

pub use block::{Block, BlockRef, PlainRun};
pub(crate) use block::{HEAT_MAX, SharedBlock};
pub use builder::{TableBuilder, TableOptions};
pub use cursor::{Fill, ReadMode, TableCursor};
pub use filter::{Filter, key_hash};
pub(crate) use format::frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use fuzzing::check_payload;
pub use reader::{FilterUse, Found, Table};
pub use segment::{Place, Segment, SegmentAhead};
pub use store::{TableStore, TableStoreOptions};
pub use verify::TableReport;

/// A block with these entries, for tests of its users.
#[cfg(test)]
pub(crate) fn block_of(entries: &[(&[u8], SequenceNumber, EntryKind, &[u8])]) -> Block {
    let mut builder = block_builder::BlockBuilder::default();
    let mut last: &[u8] = &[];
    for (key, seq, kind, value) in entries {
        let shared = block_builder::common_prefix(last, key);
        builder.add(key, shared, *seq, *kind, value);
        last = key;
    }
    let mut payload = Vec::new();
    builder.finish(&mut payload);
    Block::parse(&payload).expect("the builder writes what parse accepts")
}
