//! Choosing what to compact: a pure function of the tree's shape.
//!
//! Every need of the tree gets a score; from 1 on it is due. The most urgent need that running
//! compactions leave room for is met. Needs of one kind grow with time or with size, so none is
//! put off for ever:
//!
//! | need | score |
//! |---|---|
//! | too many runs in level 0 | runs / trigger |
//! | walks that go to and fro between level 0 and what it overlaps | such steps / those that merging costs |
//! | a level too large | bytes / target |
//! | a level with too many runs for the style | runs / allowed |
//! | deletions, garbage, expired entries | 1 + part of the table, or 1 + days since due |
//! | value files mostly dead | dead part / allowed part |
//! | a retired key | 1 |
//!
//! Tables that can be dropped without being read come before everything: that costs nothing and
//! gives space. While space is low, rewriting tables that are covered in part comes next.
//!
//! Why it ends: a merge lowers what caused it (runs of level 0, bytes above a level's target,
//! dead entries that can be collected, references to a dying value file) and never raises a need
//! of the level it came from. Cleaning rewrites in place happen only when something can be
//! collected for sure. `sim` runs millions of writes through this and checks it.
//!
//! Not here: compactions because of single reads; filters keep those from looking in vain.

mod cleanup;
mod covered;
mod level;
mod level0;
mod manual;
#[cfg(test)]
mod tests;

pub use manual::{ManualRange, ManualStep, pick_manual};

use super::choice::{Action, Choice, InputRun, OutputRun, Reason};
use super::options::{CompactionOptions, CompactionStyle};
use super::reserve::Reservations;
use super::shape::{BOTTOM, Moment, RunShape, Shape, TableShape, Targets};
use crate::key::FileNumber;
use crate::version::KeyBounds;

/// What to compact next, or `None` if nothing is due or possible besides what is running.
pub fn pick(
    shape: &Shape,
    options: &CompactionOptions,
    moment: &Moment<'_>,
    busy: &Reservations,
) -> Option<Choice> {
    let picker = Picker::new(shape, options, moment, busy);
    if let Some(choice) = picker.covered() {
        return Some(choice);
    }
    if let Some(choice) = picker.shrunk() {
        return Some(choice);
    }
    let mut needs = picker.needs();
    needs.retain(|need| need.score >= 1.0);
    needs.sort_by(|a, b| b.score.total_cmp(&a.score));
    needs.iter().find_map(|need| picker.meet(&need.what))
}

/// Everything a decision looks at.
struct Picker<'a> {
    shape: &'a Shape,
    options: &'a CompactionOptions,
    moment: &'a Moment<'a>,
    busy: &'a Reservations,
    targets: Targets,
    /// Value files to collect in passing.
    collect: Vec<FileNumber>,
}

/// Something the tree should have done to it.
struct Need<'a> {
    score: f64,
    what: What<'a>,
}

/// What should be done.
enum What<'a> {
    /// Level 0 should be merged downwards.
    Level0(Reason),
    /// The level should give something to the next one.
    Level(usize),
    /// The runs of the level should be merged.
    Runs(usize),
    /// The table should be merged with the next level.
    PushDown(usize, &'a TableShape, Reason),
    /// The table should be written anew where it is.
    Rewrite(usize, &'a RunShape, &'a TableShape, Reason),
}

impl<'a> Picker<'a> {
    fn new(
        shape: &'a Shape,
        options: &'a CompactionOptions,
        moment: &'a Moment<'a>,
        busy: &'a Reservations,
    ) -> Self {
        let mut picker = Self {
            shape,
            options,
            moment,
            busy,
            targets: Targets::of(shape, options),
            collect: Vec::new(),
        };
        picker.collect = picker.dying_values();
        picker
    }

    fn needs(&self) -> Vec<Need<'a>> {
        let mut needs = self.level_needs();
        self.cleanup_needs(&mut needs);
        needs
    }

    /// What the sizes of levels and their numbers of runs ask for.
    fn level_needs(&self) -> Vec<Need<'a>> {
        let mut needs = vec![Need {
            score: self.level0_score(),
            what: What::Level0(Reason::Level0),
        }];
        if self.moment.switches > 0 {
            needs.push(Need {
                score: self.walks_score(),
                what: What::Level0(Reason::Walks),
            });
        }
        for level in 1..=BOTTOM {
            let runs = self.shape.levels[level].len();
            let runs_max = match self.options.style {
                CompactionStyle::Tiered { runs_max } if level < BOTTOM => runs_max.max(2),
                CompactionStyle::Leveled | CompactionStyle::Tiered { .. } => 2,
            };
            needs.push(Need {
                score: runs as f64 / runs_max as f64,
                what: What::Runs(level),
            });
            if level < BOTTOM {
                needs.push(Need {
                    score: self.size_score(level),
                    what: match self.options.style {
                        CompactionStyle::Leveled => What::Level(level),
                        CompactionStyle::Tiered { .. } => What::Runs(level),
                    },
                });
            }
        }
        needs
    }

    /// How full a level is, without what is leaving it.
    fn size_score(&self, level: usize) -> f64 {
        let bytes = self.free_bytes(level);
        if bytes == 0 {
            return 0.0;
        }
        match self.targets.bytes[level] {
            // The tree has shrunk and the level is no longer needed.
            0 => 1.5,
            target => bytes as f64 / target as f64,
        }
    }

    /// The bytes of a level that no running compaction reads.
    fn free_bytes(&self, level: usize) -> u64 {
        let tables = self.shape.levels[level].iter().flat_map(|run| &run.tables);
        tables
            .filter(|table| !self.is_busy(table))
            .map(|table| table.meta.file_bytes)
            .sum()
    }

    fn meet(&self, what: &What<'a>) -> Option<Choice> {
        match what {
            What::Level0(reason) => self.level0(*reason),
            What::Level(level) => self.shrink_level(*level),
            What::Runs(level) => self.merge_runs(*level),
            What::PushDown(level, table, reason) => match level {
                0 => self.level0(*reason),
                _ => self.push_down(*level, table, *reason),
            },
            What::Rewrite(level, run, table, reason) => {
                Some(self.rewrite(*level, run, table, *reason))
            }
        }
    }

    /// Writes one table anew, in its place. Possible unless the table is busy.
    fn rewrite(&self, level: usize, run: &RunShape, table: &TableShape, reason: Reason) -> Choice {
        let inputs = vec![InputRun {
            level,
            run: run.id,
            tables: vec![table.meta.clone()],
        }];
        self.merge(reason, inputs, level, OutputRun::Existing(run.id))
    }

    fn merge(&self, reason: Reason, inputs: Vec<InputRun>, level: usize, run: OutputRun) -> Choice {
        Choice {
            reason,
            action: Action::Merge {
                inputs,
                level,
                run,
                collect: self.collect.clone(),
            },
        }
    }

    fn is_busy(&self, table: &TableShape) -> bool {
        self.busy.has_table(table.meta.number)
    }

    fn any_busy<'t>(&self, tables: impl IntoIterator<Item = &'t TableShape>) -> bool {
        tables.into_iter().any(|table| self.is_busy(table))
    }

    /// The run of a level that tables from above become part of; `None` if that must wait.
    ///
    /// A level of one run that has none yet gets it from one compaction only: two would make two.
    fn run_to_join(&self, level: usize) -> Option<OutputRun> {
        match &self.shape.levels[level][..] {
            [] if self.busy.has_level(level) => None,
            [] => Some(OutputRun::New),
            [run] => Some(OutputRun::Existing(run.id)),
            _ => None,
        }
    }

    /// Whether tables may pass from `level` down into `to`, the next level in use, within
    /// `bounds`: the levels between are empty, and nothing may be about to come there.
    fn is_open_between(&self, level: usize, to: usize, bounds: KeyBounds<'_>) -> bool {
        (level + 1..to).all(|between| !self.busy.has_range(between, bounds))
    }

    /// Whether the tables of a run can go to `level` without being read: nothing there overlaps
    /// them, none is owed compression, and none carries enough of the dead to be worth a look.
    fn may_move(&self, tables: &[&TableShape], from: usize, level: usize) -> bool {
        tables.iter().all(|table| {
            let meta = &table.meta;
            let raw = meta.raw_key_bytes + meta.raw_value_bytes;
            let crosses =
                from < self.options.compressed_from && level >= self.options.compressed_from;
            let is_plain = meta.file_bytes as f64 > 0.9 * raw as f64;
            let dead = meta.tombstones + meta.shadowed;
            !(crosses && is_plain && raw > 0)
                && meta.range_tombstones == 0
                && (dead as f64) < self.options.garbage_ratio * meta.entries.max(1) as f64
                && !self.busy.has_range(level, table.bounds())
                && !self.shape.levels[level]
                    .iter()
                    .any(|run| run.overlaps(table.bounds()))
        })
    }
}

/// The tables of one run as an input.
fn input<'t>(
    level: usize,
    run: &RunShape,
    tables: impl IntoIterator<Item = &'t TableShape>,
) -> InputRun {
    InputRun {
        level,
        run: run.id,
        tables: tables.into_iter().map(|t| t.meta.clone()).collect(),
    }
}

/// The range that holds all these tables.
fn hull<'t>(tables: impl IntoIterator<Item = &'t TableShape>) -> Option<KeyBounds<'t>> {
    KeyBounds::hull(tables.into_iter().map(|table| &*table.meta))
}
