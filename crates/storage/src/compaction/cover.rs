//! How much of a table newer range tombstones cover, without reading it.
//!
//! What is covered costs nothing to merge away: the result is smaller than the input by that much.
//! While the disk is nearly full this decides what is merged at all. The answer comes from the
//! index and counts whole blocks only. So it is never too much, and a table of which something is
//! covered has something less when it has been rewritten.

use std::sync::Arc;

use super::shape::Moment;
use crate::error::Result;
use crate::key::SequenceNumber;
use crate::manifest::TableMeta;
use crate::tombstone::Fragments;
use crate::version::{TableHandle, Version};

/// All range tombstones of a version, as far as its tables have been opened.
pub(crate) fn range_tombstones(version: &Version) -> Fragments {
    let with_tombstones = version.tables().filter(|t| t.meta().range_tombstones > 0);
    let lists: Vec<Arc<Fragments>> = with_tombstones
        .map(|table| table.loaded_tombstones())
        .collect();
    Fragments::merged(lists.iter().map(|list| &**list))
}

/// How many bytes of `table`, at least, are covered for everybody who sees something of it.
pub(crate) fn covered_bytes(
    table: &TableHandle,
    tombstones: &Fragments,
    moment: &Moment<'_>,
) -> Result<u64> {
    let meta = table.meta();
    if !tombstones.overlaps(&meta.smallest, &meta.largest) {
        return Ok(0);
    }
    let at = covering_at(meta, moment);
    let mut bytes = 0;
    let mut key: &[u8] = &meta.smallest;
    loop {
        let stretch = tombstones.stretch(key, at);
        if stretch.seq.is_some_and(|seq| seq > meta.max_seq) {
            let upper = stretch.end.map_or(&*meta.largest, |end| &**end);
            bytes += table.table()?.inner_bytes(key, upper);
        }
        match stretch.end {
            Some(end) if **end <= *meta.largest => key = end,
            _ => break,
        }
    }
    Ok(bytes.min(meta.file_bytes))
}

/// A tombstone up to here that is newer than the table hides what it covers of the table.
///
/// One above a snapshot that sees part of the table does not help; the newest one below that
/// snapshot, and visible to all later ones, does.
pub(super) fn covering_at(meta: &TableMeta, moment: &Moment<'_>) -> SequenceNumber {
    let first_reader = moment.snapshots.iter().find(|s| **s >= meta.min_seq);
    first_reader.map_or(moment.visible, |s| (*s).min(moment.visible))
}
