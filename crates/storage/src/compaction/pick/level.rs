//! Levels 1 and below.

use super::{Picker, hull, input};
use crate::compaction::choice::{Action, Choice, OutputRun, Reason};
use crate::compaction::options::CompactionStyle;
use crate::compaction::shape::{BOTTOM, RunShape, TableShape};

/// A merge takes further tables along while it stays below this many output tables' length.
const EXPANDED_TABLES: u64 = 25;

/// A table is not moved over more than this many tables' length of the level after the next: it
/// would be expensive to merge from there.
const MOVED_OVER_TABLES: u64 = 10;

impl<'a> Picker<'a> {
    /// Takes from a level the table that costs least to merge into the next one, for what it
    /// brings. Among equals it takes the one written first, so that all get their turn.
    pub(super) fn shrink_level(&self, level: usize) -> Option<Choice> {
        let [run] = &self.shape.levels[level][..] else {
            return None;
        };
        let next = self.targets.next(self.shape, level);
        let mut tables: Vec<_> = run
            .tables
            .iter()
            .filter(|table| !self.is_busy(table))
            .map(|table| (self.overlap_ratio(table, next), table))
            .collect();
        tables.sort_by(|(ratio_a, a), (ratio_b, b)| {
            let by_age = || a.meta.number.cmp(&b.meta.number);
            ratio_a.total_cmp(ratio_b).then_with(by_age)
        });
        let mut tables = tables.iter();
        tables.find_map(|(_, table)| self.push_down(level, table, Reason::LevelSize))
    }

    /// How many bytes of the next level are rewritten for each byte of the table.
    fn overlap_ratio(&self, table: &TableShape, next: usize) -> f64 {
        let runs = self.shape.levels[next].iter();
        let below = runs.flat_map(|run| run.overlapping(table.bounds()));
        let bytes: u64 = below.map(|table| table.meta.file_bytes).sum();
        bytes as f64 / table.meta.file_bytes.max(1) as f64
    }

    /// Merges a table with what it overlaps in the next level in use, or moves it there.
    ///
    /// A tier takes whole levels only, each as a run of its own. Its runs stand in the order of
    /// their newest entries, and a run that a single table joined would come to stand before the
    /// rest of that table's level, which is newer than what the run had.
    pub(super) fn push_down(
        &self,
        level: usize,
        table: &'a TableShape,
        reason: Reason,
    ) -> Option<Choice> {
        let [run] = &self.shape.levels[level][..] else {
            return self.merge_runs(level);
        };
        let next = self.targets.next(self.shape, level);
        if let CompactionStyle::Tiered { .. } = self.options.style
            && next < BOTTOM
        {
            return self.merge_runs(level);
        }
        let output = self.run_to_join(next)?;
        let bounds = table.bounds();
        if !self.is_open_between(level, next, bounds) || self.busy.has_range(next, bounds) {
            return None;
        }
        if self.may_move(&[table], level, next) && self.is_cheap_to_leave(table, next) {
            return Some(Choice {
                reason,
                action: Action::Move {
                    tables: vec![table.meta.clone()],
                    level: next,
                    run: output,
                },
            });
        }
        let below = match &self.shape.levels[next][..] {
            [into] => into.overlapping(bounds),
            _ => &[],
        };
        if self.any_busy(below) {
            return None;
        }
        let upper = self.expanded(run, table, below);
        let reached = hull(upper.iter().chain(below))?;
        if self.busy.has_range(next, reached) {
            return None;
        }
        let mut inputs = vec![input(level, run, upper)];
        if let [into] = &self.shape.levels[next][..]
            && !below.is_empty()
        {
            inputs.push(input(next, into, below));
        }
        Some(self.merge(reason, inputs, next, output))
    }

    /// Whether the table can later be merged out of `level` without dragging much along.
    fn is_cheap_to_leave(&self, table: &TableShape, level: usize) -> bool {
        let after = self.targets.next(self.shape, level);
        level == BOTTOM
            || self.overlap_ratio(table, after) * table.meta.file_bytes as f64
                <= (MOVED_OVER_TABLES * self.options.table_bytes) as f64
    }

    /// The table with those neighbours that can be merged with the same tables of the next level.
    fn expanded(
        &self,
        run: &'a RunShape,
        table: &'a TableShape,
        below: &[TableShape],
    ) -> &'a [TableShape] {
        let alone = run.overlapping(table.bounds());
        let Some(reach) = hull(below) else {
            return alone;
        };
        let reach = reach.join(table.bounds());
        let touched = run.overlapping(reach);
        // Only the first and the last may stick out.
        let sticks_out = |t: Option<&TableShape>| t.is_some_and(|t| !reach.covers(t.bounds()));
        let from = usize::from(sticks_out(touched.first()));
        let to = touched.len() - usize::from(sticks_out(touched.last()));
        let within = touched.get(from..to).unwrap_or(&[]);
        let bytes = |tables: &[TableShape]| -> u64 {
            tables.iter().map(|table| table.meta.file_bytes).sum()
        };
        let is_small = bytes(within) + bytes(below) <= EXPANDED_TABLES * self.options.table_bytes;
        if within.len() > 1 && is_small && !self.any_busy(within) {
            within
        } else {
            alone
        }
    }

    /// Merges the runs of a level: into the next level when tiering, else into one run.
    pub(super) fn merge_runs(&self, level: usize) -> Option<Choice> {
        let runs = &self.shape.levels[level];
        let to = match self.options.style {
            CompactionStyle::Tiered { .. } if level < BOTTOM => {
                self.targets.next(self.shape, level)
            }
            CompactionStyle::Tiered { .. } | CompactionStyle::Leveled => level,
        };
        if self.any_busy(runs.iter().flat_map(|run| &run.tables)) {
            return None;
        }
        let bounds = hull(runs.iter().flat_map(|run| &run.tables))?;
        let mut inputs: Vec<_> = runs
            .iter()
            .map(|run| input(level, run, &run.tables))
            .collect();
        if !self.is_open_between(level, to, bounds) || self.busy.has_range(to, bounds) {
            return None;
        }
        if to == level || to < BOTTOM {
            return Some(self.merge(Reason::LevelRuns, inputs, to, OutputRun::New));
        }
        let output = self.run_to_join(to)?;
        for run in &self.shape.levels[to] {
            let below = run.overlapping(bounds);
            if self.any_busy(below) {
                return None;
            }
            if !below.is_empty() {
                inputs.push(input(to, run, below));
            }
        }
        Some(self.merge(Reason::LevelRuns, inputs, to, output))
    }
}
