//! One end of a scan: an iterator over the snapshot, one element ahead.

use rustdb_storage::engine::Entries;
use rustdb_storage::slice::Slice;

use super::{Direction, Entry};
use crate::visitor::{Visitor, take_segment};
use crate::{Error, Result};

/// One end of a scan.
#[derive(Debug)]
pub(super) struct Side {
    /// Has entries ready only where its iterator stands on one that was used.
    pub(super) entries: Entries,
    /// Whether the iterator stands on an entry that was not yet used.
    pub(super) is_pending: bool,
    /// Whether the snapshot has no more entries.
    pub(super) is_exhausted: bool,
    /// The transaction's own next key, and the version of the write set it was found in.
    pub(super) own: Option<(u64, Option<Box<[u8]>>)>,
}

impl Side {
    /// Shows the values of the snapshot's next entries; stands on the last one, or is exhausted.
    pub(super) fn visit<E: From<Error>, V: Visitor<E>>(
        &mut self,
        entries_max: usize,
        visitor: &mut V,
    ) -> std::result::Result<usize, E> {
        let mut entries = 0;
        let iterator = self.entries.iterator().map_err(Error::from)?;
        while entries < entries_max {
            let left = entries_max - entries;
            if !self.is_pending {
                let taken = take_segment(iterator, left, visitor)?;
                if taken > 0 {
                    entries += taken;
                    continue;
                }
            }
            if !self.is_pending && !visitor.wants_keys() {
                let mut failed = None;
                let mut show = |value: &[u8]| {
                    failed = visitor.value(value).err();
                    failed.is_none()
                };
                let shown = iterator.advance_plain(left, &mut show);
                let shown = shown.map_err(Error::from)?;
                if let Some(error) = failed {
                    return Err(error);
                }
                entries += shown;
                if entries == entries_max {
                    break;
                }
            }
            if !std::mem::take(&mut self.is_pending)
                && (self.is_exhausted || !iterator.advance().map_err(Error::from)?)
            {
                self.is_exhausted = true;
                break;
            }
            match iterator.inline_value() {
                Some(value) => visitor.entry(iterator.key(), value)?,
                None => {
                    let value = iterator.value().map_err(Error::from)?;
                    visitor.entry(iterator.key(), &value)?;
                }
            }
            entries += 1;
        }
        Ok(entries)
    }

    /// The snapshot's entry, as what the scan has chosen.
    pub(super) fn take_entry(&mut self, direction: Direction) -> Result<Choice> {
        Ok(Choice::Emit(self.take_snapshot(direction)?, Some(true)))
    }

    /// The snapshot's entry.
    pub(super) fn take_snapshot(&mut self, direction: Direction) -> Result<Entry> {
        self.is_pending = false;
        let iterator = self.entries.iterator()?;
        let entry = (Slice::copy_from(iterator.key()), iterator.value()?);
        if direction == Direction::Forward {
            self.entries.look_ahead();
        }
        Ok(entry)
    }
}

/// What a look at both candidates leads to.
pub(super) enum Choice {
    End,
    /// The entry, and whether the snapshot has its key, if that is known.
    Emit(Entry, Option<bool>),
    /// The transaction has deleted this key.
    Skip(Box<[u8]>),
}
