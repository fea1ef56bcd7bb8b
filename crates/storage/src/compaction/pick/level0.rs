//! Level 0: flushed and ingested runs, which may overlap.

use super::{Picker, hull, input};
use crate::compaction::choice::{Action, Choice, InputRun, OutputRun, Reason};
use crate::compaction::options::CompactionStyle;
use crate::compaction::shape::{BOTTOM, RunShape, TableShape};

/// To merge an entry costs about as much as so many steps of a walk from one source to another.
const SWITCHES_PER_ENTRY: u64 = 3;

/// So many such steps may be made, however small the runs are: about what it costs to make a file.
const SWITCHES_MIN: u64 = 1 << 16;

impl<'a> Picker<'a> {
    /// How urgent it is to merge level 0.
    pub(super) fn level0_score(&self) -> f64 {
        let runs = &self.shape.levels[0];
        let free = runs.iter().filter(|run| !self.any_busy(&run.tables));
        free.count() as f64 / self.options.level0_runs() as f64
    }

    /// How much walks would gain if level 0 were merged, for what that costs. To do it when both are
    /// the same costs at most twice what the best moment would have (the ski rental problem).
    pub(super) fn walks_score(&self) -> f64 {
        let runs = self.oldest_free_runs();
        let level = self.targets.next(self.shape, 0);
        let Some(bounds) = hull(runs.iter().flat_map(|run| &run.tables)) else {
            return 0.0;
        };
        let below = self.shape.levels[level].iter();
        let below: Vec<&TableShape> = below.flat_map(|run| run.overlapping(bounds)).collect();
        if runs.len() < 2 && below.is_empty() {
            return 0.0;
        }
        let tables = runs.iter().flat_map(|run| &run.tables).chain(below);
        let entries: u64 = tables.map(|table| table.meta.entries).sum();
        let cost = entries.saturating_mul(SWITCHES_PER_ENTRY);
        self.moment.switches as f64 / cost.max(SWITCHES_MIN) as f64
    }

    /// Merges the oldest runs of level 0 into the next level in use, moves one there if nothing
    /// is in the way, or merges runs among themselves while the way down is taken.
    pub(super) fn level0(&self, reason: Reason) -> Option<Choice> {
        let runs = self.oldest_free_runs();
        let down = runs.last().and_then(|oldest| {
            let moved = self.move_run(oldest, reason);
            moved.or_else(|| self.merge_down(runs, reason))
        });
        down.or_else(|| self.merge_within_level0(reason))
    }

    /// The runs, newest first, that nothing older stands in the way of: no run that is busy or
    /// has to wait for a memtable is older than they are.
    pub(super) fn oldest_free_runs(&self) -> &'a [RunShape] {
        let runs = &self.shape.levels[0][..];
        let is_free =
            |run: &RunShape| run.max_seq() <= self.moment.flushed && !self.any_busy(&run.tables);
        let free = runs.iter().rev().take_while(|run| is_free(run)).count();
        &runs[runs.len() - free..]
    }

    /// Moves the oldest run as deep as it goes without meeting anything.
    fn move_run(&self, run: &'a RunShape, reason: Reason) -> Option<Choice> {
        let tables: Vec<&TableShape> = run.tables.iter().collect();
        let deepest = (1..=BOTTOM)
            .take_while(|level| self.may_move(&tables, 0, *level))
            .last()?;
        // Above the base there is nothing to gain, and a tier should be made of large runs.
        let shallowest = match self.options.style {
            CompactionStyle::Leveled => self.targets.next(self.shape, 0),
            CompactionStyle::Tiered { .. } => BOTTOM,
        };
        if deepest < shallowest {
            return None;
        }
        let output = self.run_to_join(deepest)?;
        Some(Choice {
            reason,
            action: Action::Move {
                tables: tables.iter().map(|table| table.meta.clone()).collect(),
                level: deepest,
                run: output,
            },
        })
    }

    /// Merges runs with what they overlap in the next level; when tiering, they become a run of
    /// their own there.
    fn merge_down(&self, runs: &'a [RunShape], reason: Reason) -> Option<Choice> {
        let level = self.targets.next(self.shape, 0);
        let bounds = hull(runs.iter().flat_map(|run| &run.tables))?;
        if !self.is_open_between(0, level, bounds) {
            return None;
        }
        let mut inputs: Vec<InputRun> = runs.iter().map(|run| input(0, run, &run.tables)).collect();
        if let CompactionStyle::Tiered { .. } = self.options.style
            && level < BOTTOM
        {
            return Some(self.merge(reason, inputs, level, OutputRun::New));
        }
        let output = self.run_to_join(level)?;
        if self.busy.has_range(level, bounds) {
            return None;
        }
        for run in &self.shape.levels[level] {
            let below = run.overlapping(bounds);
            if self.any_busy(below) {
                return None;
            }
            if !below.is_empty() {
                inputs.push(input(level, run, below));
            }
        }
        Some(self.merge(reason, inputs, level, output))
    }

    /// Merges the newest runs of level 0 into one, to keep reads fast while the way down is
    /// taken. Runs much larger than the newer ones together are left alone, so that an entry is
    /// not rewritten again and again.
    fn merge_within_level0(&self, reason: Reason) -> Option<Choice> {
        let runs = &self.shape.levels[0];
        let waiting = runs
            .iter()
            .take_while(|run| run.max_seq() > self.moment.flushed)
            .count();
        let mut bytes = 0;
        let mut count = 0;
        for run in &runs[waiting..] {
            if self.any_busy(&run.tables) || (count > 1 && run.bytes() > 2 * bytes) {
                break;
            }
            bytes += run.bytes();
            count += 1;
        }
        if count < self.options.level0_runs().max(2) {
            return None;
        }
        let merged = &runs[waiting..waiting + count];
        let bounds = hull(merged.iter().flat_map(|run| &run.tables))?;
        if self.busy.has_range(0, bounds) {
            return None;
        }
        let inputs = merged.iter().map(|run| input(0, run, &run.tables));
        Some(self.merge(reason, inputs.collect(), 0, OutputRun::New))
    }
}
