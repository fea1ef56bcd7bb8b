//! Walking over many sources as if they were one.
//!
//! ```text
//!   memtable   memtable   table   run of tables        cursor, run: one source each
//!       \         \        /         /
//!        MergeCursor: all entries, by key, newest first   merge
//!                       |
//!        VisibleIter: what a reader at (seq, now) sees    visible, cover
//! ```
//!
//! A source gives out its entries in the order of [`crate::key`]: key ascending, sequence number
//! descending. Which source is newer follows from the sequence numbers, but for entries of one
//! commit on one key, of which the earlier source in the list counts.
//!
//! Nothing is copied on the way but keys that have to be remembered: key and value of the current
//! entry are slices of the source's memory, and [`EntryCursor::value_slice`] keeps it alive.
//!
//! Everything that may read a file returns a result. After an error a cursor is on no entry, and
//! can be used again by seeking.

mod cover;
mod cursor;
mod empty;
mod merge;
mod run;
mod sources;
#[cfg(test)]
mod tests;
mod visible;

pub use cover::{Cover, CoverTables};
pub use cursor::{Cursor, EntryCursor};
pub use empty::EmptyRanges;
pub use merge::MergeCursor;
pub use run::{RunCursor, Tables};
pub use visible::{Bounds, Source, Unseen, VisibleIter, Walked};
