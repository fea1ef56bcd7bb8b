//! Tables that nobody sees anything of any more, and that need not be read to know it.

use super::Picker;
use crate::compaction::choice::{Action, Choice, Reason};
use crate::compaction::cover::covering_at;
use crate::compaction::shape::{RunShape, TableShape};

/// How many tables are dropped at once.
const DROPPED_TABLES_MAX: usize = 1000;

/// A table is written anew if at least this part of it, one in so many, is covered.
const SHRUNK_PART: u64 = 4;

impl Picker<'_> {
    /// Drops tables that range tombstones cover as a whole, or whose entries have all expired.
    pub(super) fn covered(&self) -> Option<Choice> {
        let runs_with_tombstones: Vec<_> = self
            .shape
            .levels
            .iter()
            .flatten()
            .filter(|run| run.tables.iter().any(|t| !t.tombstones.is_empty()))
            .collect();
        let tables = self
            .shape
            .tables()
            .filter(|(_, _, table)| !self.is_busy(table))
            .filter(|(level, run, table)| {
                let mut covers = runs_with_tombstones.iter();
                covers.any(|cover| self.is_covered(table, cover))
                    || self.is_wholly_expired(*level, run, table)
            })
            .map(|(_, _, table)| table.meta.clone())
            .take(DROPPED_TABLES_MAX);
        let tables: Vec<_> = tables.collect();
        (!tables.is_empty()).then_some(Choice {
            reason: Reason::Covered,
            action: Action::Drop { tables },
        })
    }

    /// Writes a table anew of which range tombstones cover a good part: the one of which least is
    /// left. Known only while space is low, see [`Shape::note_covered`].
    ///
    /// Elsewhere the tombstones come down to the table in time. Here that would take a merge that
    /// there is no room for.
    ///
    /// [`Shape::note_covered`]: crate::compaction::Shape::note_covered
    pub(super) fn shrunk(&self) -> Option<Choice> {
        let left = |table: &TableShape| table.meta.file_bytes.saturating_sub(table.covered_bytes);
        let (level, run, table) = self
            .shape
            .tables()
            .filter(|(level, _, table)| {
                // NB: as with any other rewrite, see `cleanup_needs`.
                let must_wait = *level == 0 && table.meta.max_seq > self.moment.flushed;
                !must_wait
                    && !self.is_busy(table)
                    && table.covered_bytes > 0
                    && table.covered_bytes >= table.meta.file_bytes / SHRUNK_PART
            })
            .min_by_key(|(_, _, table)| left(table))?;
        Some(self.rewrite(level, run, table, Reason::Covered))
    }

    /// Whether tombstones in the tables of `run` cover every entry and range tombstone of
    /// `table`, for every snapshot that would see one of them.
    ///
    /// The tombstones stay where they are and go on covering what is older than the table.
    fn is_covered(&self, table: &TableShape, run: &RunShape) -> bool {
        let meta = &table.meta;
        let at = covering_at(meta, self.moment);
        let bounds = table.bounds();
        let mut key: &[u8] = &meta.smallest;
        loop {
            let covering = run
                .tables
                .iter()
                .skip(run.tables.partition_point(|t| t.bounds().ends_before(key)))
                .take(1)
                .find_map(|t| t.tombstones.covering_range(key, at));
            match covering {
                Some(covering) if covering.seq > meta.max_seq => {
                    if bounds.ends_before(covering.end) {
                        return true;
                    }
                    key = covering.end;
                }
                _ => return false,
            }
        }
    }

    /// Whether all entries of the table have expired, and nothing older could come to light.
    fn is_wholly_expired(&self, level: usize, run: &RunShape, table: &TableShape) -> bool {
        let meta = &table.meta;
        let is_expired = meta
            .newest_expiry
            .is_some_and(|expiry| expiry <= self.moment.now_micros);
        is_expired
            && meta.expiring == meta.entries
            && meta.range_tombstones == 0
            && self.is_settled_bottom(level, run, table)
    }

    /// Whether nothing in the tree is older than the table in its range, and every snapshot sees
    /// all of it.
    pub(super) fn is_settled_bottom(
        &self,
        level: usize,
        run: &RunShape,
        table: &TableShape,
    ) -> bool {
        let newest = table.meta.max_seq;
        newest <= self.moment.oldest()
            && newest <= self.moment.flushed
            && !self.shape.has_older(level, run.id, table.bounds())
    }
}
