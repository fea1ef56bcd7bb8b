//! The memory of a statement, and what is done where it does not suffice.
//!
//! ```text
//! Pool      what all operators of a statement hold, against work_mem
//! Charge    what one of them holds; says when it has to put rows aside
//! Aside     its spill file: rows go out as streams and come back in their order
//! Sorter    rows in order, however many
//! Shares    rows in shares by the hash of a key, each small enough to be worked on alone
//! Kept      batches that are read again
//! Numbered  rows that are asked for by their numbers
//! ```
//!
//! `work_mem` bounds the operators of a statement together; each may have an eighth of it whatever
//! the others hold, so that none comes to a standstill. What a single row needs, it gets.
//!
//! Every loop over rows that are put aside, or come back, looks whether the statement was
//! cancelled.

mod kept;
mod numbered;
mod pool;
mod shares;
mod sorter;
mod stream;

pub(crate) use kept::Kept;
pub(super) use numbered::Numbered;
pub(super) use pool::{Charge, row_bytes};
pub(crate) use pool::{Pool, Spent};
pub(super) use shares::{SHARE_DEPTH_MAX, Shares, share_count, share_of};
pub(super) use sorter::{Sorted, Sorter};
pub(super) use stream::{Aside, RowReader, Stream};
