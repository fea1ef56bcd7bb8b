//! What shapes the tree.

use crate::manifest::LEVELS;

/// How runs are arranged in levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactionStyle {
    /// One run per level: few runs to read, more rewriting.
    Leveled,
    /// Up to `runs_max` runs per level, one in the last (lazy levelling): entries are rewritten
    /// about once per level instead of several times, for more runs to read and merges that need
    /// space for a level's worth of data.
    Tiered {
        /// How many runs a level collects before they are merged into the next level.
        runs_max: usize,
    },
}

/// Options of compaction. Any values are safe; zeros are taken as the least value that makes
/// sense.
#[derive(Clone, Debug, PartialEq)]
pub struct CompactionOptions {
    /// How runs are arranged in levels.
    pub style: CompactionStyle,
    /// So many runs in level 0 are merged into the level below.
    pub level0_trigger: usize,
    /// The most bytes the first level below level 0 should hold.
    pub base_bytes: u64,
    /// How many times larger each level is than the one above it.
    pub multiplier: u64,
    /// Output tables are cut at this length.
    pub table_bytes: u64,
    /// How much a merge reads at once of each of its inputs.
    pub readahead_bytes: usize,
    /// The first level whose tables are compressed. A table written above that and not compressed
    /// is rewritten, not just moved, when it gets there.
    pub compressed_from: usize,
    /// A table of which this part is deletions is merged downwards, or cleaned up at the bottom.
    pub tombstone_ratio: f64,
    /// A table at the bottom of which this part can be collected is rewritten.
    pub garbage_ratio: f64,
    /// What is dead leaves its level at the latest after this time, in microseconds, however
    /// little it is.
    pub settle_micros: u64,
    /// A value file with a smaller part of live bytes is collected.
    pub value_live_ratio: f64,
    /// Writers stop at so many runs in level 0, and are slowed down from half of it on.
    pub level0_stop: usize,
    /// Writers stop when compactions owe so many bytes, and are slowed down from half of it on.
    pub debt_stop_bytes: u64,
    /// The pace at which writers begin to be slowed down, in bytes per second.
    pub pace_bytes_per_second: u64,
}

impl Default for CompactionOptions {
    fn default() -> Self {
        Self {
            style: CompactionStyle::Leveled,
            level0_trigger: 4,
            base_bytes: 256 << 20,
            multiplier: 10,
            table_bytes: 64 << 20,
            readahead_bytes: 512 << 10,
            compressed_from: LEVELS,
            tombstone_ratio: 0.25,
            garbage_ratio: 0.1,
            settle_micros: 24 * 3_600 * 1_000_000,
            value_live_ratio: 0.5,
            level0_stop: 24,
            debt_stop_bytes: 32 << 30,
            pace_bytes_per_second: 128 << 20,
        }
    }
}

impl CompactionOptions {
    /// The growth from level to level.
    pub(super) fn growth(&self) -> u64 {
        let growth = match self.style {
            CompactionStyle::Leveled => self.multiplier,
            CompactionStyle::Tiered { runs_max } => runs_max as u64,
        };
        growth.max(2)
    }

    /// The number of runs in level 0 that asks for a merge.
    pub(super) fn level0_runs(&self) -> usize {
        self.level0_trigger.max(1)
    }
}
