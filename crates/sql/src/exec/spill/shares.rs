//! Rows in shares by the hash of a key.
//!
//! Rows with equal keys are in the same share. A share that is still too large is shared out again
//! with another hash; one whose rows all have the same key stays as it is, and who works on it
//! must do with a part of it at a time.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use rustdb_types::Value;

use super::super::batch::Batch;
use super::super::context::Context;
use super::pool::Pool;
use super::stream::{Aside, RowWriter, Stream};
use crate::error::Result;

/// Rows are not shared out more often than this.
pub(in crate::exec) const SHARE_DEPTH_MAX: usize = 6;

/// The least and the most shares.
const SHARES: (usize, usize) = (4, 64);

/// How many shares there are to be.
pub(in crate::exec) fn share_count(pool: &Pool) -> usize {
    let streams = Aside::streams_within(pool.share() / 2);
    let count = streams.clamp(SHARES.0, SHARES.1);
    // The greatest power of two that is not more.
    1 << count.ilog2()
}

/// The share of a key.
pub(in crate::exec) fn share_of(key: &[Value], depth: usize, count: usize) -> usize {
    let hash = FixedState::with_seed(depth as u64 + 1).hash_one(key);
    (hash >> 32) as usize % count
}

/// Shares being written.
#[derive(Debug)]
pub(in crate::exec) struct Shares {
    aside: Aside,
    writers: Vec<RowWriter>,
}

impl Shares {
    /// So many shares in a file.
    pub(in crate::exec) fn new(count: usize, aside: &Aside) -> Shares {
        Shares {
            aside: aside.clone(),
            writers: (0..count).map(|_| aside.writer()).collect(),
        }
    }

    /// A file for so many shares.
    pub(in crate::exec) fn file(count: usize, pool: &Pool, cx: &Context<'_>) -> Result<Aside> {
        Aside::new(count, pool.share() / 2, cx)
    }

    pub(in crate::exec) fn count(&self) -> usize {
        self.writers.len()
    }

    /// Adds a row.
    pub(in crate::exec) fn push<'v>(
        &mut self,
        share: usize,
        row: impl IntoIterator<Item = &'v Value>,
    ) -> Result<()> {
        self.writers[share].push(row)
    }

    /// Adds a row of a batch, with something before it.
    pub(in crate::exec) fn push_row(
        &mut self,
        share: usize,
        before: &[Value],
        batch: &Batch,
        row: usize,
    ) -> Result<()> {
        self.writers[share].push_row(before, batch, row)
    }

    /// The shares, and where they are.
    pub(in crate::exec) fn finish(self) -> Result<(Aside, Vec<Stream>)> {
        let streams = self.writers.into_iter().map(RowWriter::finish);
        Ok((self.aside, streams.collect::<Result<_>>()?))
    }
}
