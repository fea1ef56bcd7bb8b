//! Compaction of a range because the user asked for it.
//!
//! Everything in the range goes to the last level, once. A step takes one table of the youngest
//! level that has any, with all that it overlaps in all deeper levels, straight to the bottom; so
//! no entry is rewritten at every level on its way, and a step stays as small as overlaps allow.
//! When only the last level is left, its tables are rewritten where that frees something.

use super::{Picker, hull, input};
use crate::compaction::choice::{Action, Choice, InputRun, OutputRun, Reason};
use crate::compaction::options::CompactionOptions;
use crate::compaction::reserve::Reservations;
use crate::compaction::shape::{BOTTOM, Moment, RunShape, Shape, TableShape};
use crate::key::{FileNumber, SequenceNumber};
use crate::version::KeyBounds;

/// A range to compact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManualRange {
    /// The first storage key; `None` for the first of all.
    pub start: Option<Box<[u8]>>,
    /// The first storage key after the range; `None` to the end.
    pub end: Option<Box<[u8]>>,
    /// What was written up to here goes to the last level, in whatever table a background
    /// compaction puts it meanwhile. Nothing leaves the last level, so every step leaves less.
    pub written: SequenceNumber,
    /// Tables of the last level with this number or a higher one came after the request, and from
    /// compactions that began after it: a rewrite would free nothing.
    pub before: FileNumber,
}

/// What to do next for a manual compaction.
#[derive(Clone, Debug, PartialEq)]
pub enum ManualStep {
    /// Carry this out and ask again.
    Do(Choice),
    /// A running compaction is in the way; ask again when one has finished.
    Wait,
    /// The range is compacted.
    Done,
}

/// The next step of a manual compaction.
pub fn pick_manual(
    shape: &Shape,
    options: &CompactionOptions,
    moment: &Moment<'_>,
    busy: &Reservations,
    range: &ManualRange,
) -> ManualStep {
    let picker = Picker::new(shape, options, moment, busy);
    if let Some(choice) = picker.covered() {
        return ManualStep::Do(choice);
    }
    picker.manual(range)
}

impl Picker<'_> {
    fn manual(&self, range: &ManualRange) -> ManualStep {
        for level in 0..BOTTOM {
            let tables = self.shape.levels[level].iter().flat_map(|run| &run.tables);
            let first = tables
                .filter(|table| table.meta.min_seq <= range.written && range.covers(table))
                .min_by(|a, b| a.meta.smallest.cmp(&b.meta.smallest));
            if let Some(table) = first {
                return match self.to_bottom(level, table) {
                    Some(choice) => ManualStep::Do(choice),
                    None => ManualStep::Wait,
                };
            }
        }
        for run in &self.shape.levels[BOTTOM] {
            let older = run
                .tables
                .iter()
                .filter(|table| table.meta.number < range.before);
            for table in older.filter(|table| range.covers(table)) {
                if self.is_busy(table) {
                    return ManualStep::Wait;
                }
                if self.rewriting_helps(table) {
                    let choice = self.rewrite(BOTTOM, run, table, Reason::Manual);
                    return ManualStep::Do(choice);
                }
            }
        }
        ManualStep::Done
    }

    /// Merges a table (with all of level 0 that can go, if it is there) and everything it overlaps below into the
    /// last level; `None` if something of that is busy.
    fn to_bottom(&self, level: usize, table: &TableShape) -> Option<Choice> {
        let mut bounds = table.bounds();
        let mut inputs: Vec<InputRun> = Vec::new();
        let is_free = |run: &RunShape| {
            run.tables
                .iter()
                .any(|t| t.meta.number == table.meta.number)
        };
        if level == 0 && !self.oldest_free_runs().iter().any(is_free) {
            return None;
        }
        for from in level..=BOTTOM {
            // Within a level of several runs the range may grow from run to run and back.
            let mut chosen = self.chosen_in(from, bounds);
            while let Some(wider) = hull(chosen.iter().flat_map(|(_, tables)| *tables))
                && !bounds.covers(wider)
            {
                bounds = bounds.join(wider);
                chosen = self.chosen_in(from, bounds);
            }
            if self.busy.has_range(from, bounds) {
                return None;
            }
            for (run, tables) in chosen {
                if self.any_busy(tables) {
                    return None;
                }
                inputs.push(input(from, &self.shape.levels[from][run], tables));
            }
        }
        let output = self.run_to_join(BOTTOM)?;
        Some(self.manual_merge(inputs, output))
    }

    /// The tables of each run of a level that a step takes.
    fn chosen_in(&self, level: usize, bounds: KeyBounds<'_>) -> Vec<(usize, &[TableShape])> {
        let all = self.shape.levels[level].len();
        let skipped = match level {
            0 => all - self.oldest_free_runs().len(),
            _ => 0,
        };
        let runs = self.shape.levels[level].iter().enumerate().skip(skipped);
        runs.map(|(position, run)| match level {
            0 => (position, &run.tables[..]),
            _ => (position, run.overlapping(bounds)),
        })
        .filter(|(_, tables)| !tables.is_empty())
        .collect()
    }

    /// A merge, or a move if a single table meets nothing on its way.
    fn manual_merge(&self, inputs: Vec<InputRun>, run: OutputRun) -> Choice {
        if let [only] = &inputs[..] {
            let shapes: Vec<_> = self
                .shape
                .tables()
                .filter(|(level, of, _)| *level == only.level && of.id == only.run)
                .map(|(_, _, table)| table)
                .filter(|table| {
                    only.tables
                        .iter()
                        .any(|meta| meta.number == table.meta.number)
                })
                .collect();
            if shapes.iter().all(|table| !self.rewriting_helps(table))
                && self.may_move(&shapes, only.level, BOTTOM)
            {
                return Choice {
                    reason: Reason::Manual,
                    action: Action::Move {
                        tables: only.tables.clone(),
                        level: BOTTOM,
                        run,
                    },
                };
            }
        }
        self.merge(Reason::Manual, inputs, BOTTOM, run)
    }

    /// Whether a rewrite at the bottom can make the table smaller.
    fn rewriting_helps(&self, table: &TableShape) -> bool {
        let meta = &table.meta;
        let has_dead = meta.tombstones + meta.shadowed + meta.range_tombstones > 0
            && meta.min_seq < self.moment.oldest();
        let has_expired = meta
            .oldest_expiry
            .is_some_and(|expiry| expiry <= self.moment.now_micros);
        let has_dying_values = meta
            .value_refs
            .iter()
            .any(|(file, _)| self.collect.binary_search(file).is_ok());
        has_dead
            || has_expired
            || has_dying_values
            || self.moment.retired_keys.contains(&meta.data_key_id)
    }
}

impl ManualRange {
    /// All of the tree.
    pub fn everything(written: SequenceNumber, before: FileNumber) -> Self {
        Self {
            start: None,
            end: None,
            written,
            before,
        }
    }

    /// Whether some of the table lies in the range.
    fn covers(&self, table: &TableShape) -> bool {
        let bounds = table.bounds();
        let ends_before = self
            .start
            .as_ref()
            .is_some_and(|start| bounds.ends_before(start));
        let begins_after = self
            .end
            .as_ref()
            .is_some_and(|end| table.meta.smallest >= *end);
        !ends_before && !begins_after
    }
}
