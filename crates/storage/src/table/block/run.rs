//! Adjacent entries of a block, to be taken one after the other.
//!
//! This is how entries leave a table in the least time: there is nothing to look at but the block.
//! A key and a value are written once, to where the caller wants them. Handing them on costs more
//! than making them: bytes that were written one way and are read another have to wait for the
//! processor's store buffer.

use std::ops::Range;

use super::{Block, BlockRef, HEAD_BYTES};
use crate::slice::{INLINE_BYTES_MAX, Slice};

/// Entries of a block that can be taken as they are.
#[derive(Debug)]
pub struct PlainRun {
    block: Block,
    entries: Range<usize>,
    /// The block's prefix, as far as it fits.
    prefix: [u8; INLINE_BYTES_MAX],
}

impl PlainRun {
    pub(crate) fn new(block: Block, entries: Range<usize>) -> Self {
        let mut prefix = [0; INLINE_BYTES_MAX];
        let from = block.get().prefix();
        let len = from.len().min(INLINE_BYTES_MAX);
        prefix[..len].copy_from_slice(&from[..len]);
        let entries = entries.start..entries.end.min(block.get().len());
        Self {
            block,
            entries,
            prefix,
        }
    }

    /// Whether there are entries left.
    #[inline]
    pub fn has_next(&self) -> bool {
        !self.entries.is_empty()
    }

    /// The key of the next entry from byte `skip` on, and its value.
    ///
    /// # Panics
    ///
    /// If there are no entries left.
    pub fn take<const SKIP: usize>(&mut self) -> (Slice, Slice) {
        let entry = self.entries.next().expect("the run has another entry");
        let view = self.block.get();
        (
            self.key::<SKIP>(view, entry),
            Slice::of_block_ref(&self.block, view.value_range(entry)),
        )
    }

    #[inline(always)]
    fn key<const SKIP: usize>(&self, view: BlockRef<'_>, entry: usize) -> Slice {
        let (prefix_len, rest) = (view.prefix().len(), view.rest(entry));
        let fits = prefix_len + HEAD_BYTES + rest.len() <= INLINE_BYTES_MAX;
        if !fits || prefix_len < SKIP {
            let mut key = Vec::new();
            view.read_key(entry, &mut key);
            return Slice::copy_from(&key[SKIP..]);
        }
        let (head_at, head_len) = (prefix_len - SKIP, view.head_len(entry) as usize);
        Slice::written(|key| {
            // All of it, which is less work than just as much as needed.
            key[..INLINE_BYTES_MAX - SKIP].copy_from_slice(&self.prefix[SKIP..]);
            let rest_at = head_at + HEAD_BYTES;
            key[head_at..rest_at].copy_from_slice(&view.head(entry).to_be_bytes());
            key[rest_at..rest_at + rest.len()].copy_from_slice(rest);
            // A head that is not full has nothing behind it.
            head_at + head_len + rest.len()
        })
    }
}
