//! The shape of a tree: what decisions about it are made from, without files behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cover;
use super::options::CompactionOptions;
use crate::error::Result;
use crate::key::{FileNumber, SequenceNumber};
use crate::manifest::{LEVELS, TableMeta};
use crate::tombstone::Fragments;
use crate::version::{KeyBounds, Version};

/// The last level.
pub(super) const BOTTOM: usize = LEVELS - 1;

/// The tables and value files of a tree, as far as decisions need them.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// The runs of each level, newest first.
    pub levels: [Vec<RunShape>; LEVELS],
    /// The value files, by number.
    pub values: Vec<ValueShape>,
}

/// A run of tables.
#[derive(Clone, Debug, Default)]
pub struct RunShape {
    /// Identifies the run.
    pub id: u64,
    /// The tables, in key order, without overlaps.
    pub tables: Vec<TableShape>,
}

/// A table.
#[derive(Clone, Debug)]
pub struct TableShape {
    /// What is known about it.
    pub meta: Arc<TableMeta>,
    /// Its range tombstones, or none as long as the table was not opened.
    pub tombstones: Arc<Fragments>,
    /// How much of it newer range tombstones cover, if that was asked.
    pub covered_bytes: u64,
}

/// A value file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueShape {
    /// The file.
    pub number: FileNumber,
    /// The length of all values written to it.
    pub value_bytes: u64,
    /// The length of those that tables refer to.
    pub live_bytes: u64,
    /// The data key that seals it.
    pub data_key_id: u32,
}

/// What decisions depend on besides the shape.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The time, in microseconds since the Unix epoch.
    pub now_micros: u64,
    /// The sequence numbers of live snapshots, ascending.
    pub snapshots: &'a [SequenceNumber],
    /// The newest commit that readers see. Snapshots not in the list are, and will be, at least
    /// as new.
    pub visible: SequenceNumber,
    /// Every commit up to this one is in tables and in no memtable any more. A newer run of level
    /// 0 must wait: an older memtable may still come to stand above it.
    pub flushed: SequenceNumber,
    /// Value files that are still appended to or pinned, and must not be collected.
    pub unsettled_values: &'a BTreeSet<FileNumber>,
    /// Data keys whose files are to be rewritten.
    pub retired_keys: &'a [u32],
    /// How often long walks have gone from one source of the tree to another since it is as it is.
    pub switches: u64,
}

impl Moment<'_> {
    /// Versions up to this one that have a successor up to this one are seen by nobody.
    pub fn oldest(&self) -> SequenceNumber {
        let oldest = self.snapshots.first().copied();
        oldest.map_or(self.visible, |s| s.min(self.visible))
    }
}

impl Shape {
    /// The shape of a version. Opens nothing: tables whose range tombstones were not loaded count
    /// as if they had none.
    pub fn of(version: &Version) -> Self {
        let mut shape = Shape::default();
        for (level, into) in version.levels().iter().zip(&mut shape.levels) {
            let runs = level.runs().iter().map(|run| RunShape {
                id: run.id(),
                tables: run
                    .tables()
                    .iter()
                    .map(|table| TableShape {
                        meta: table.meta().clone(),
                        tombstones: table.loaded_tombstones(),
                        covered_bytes: 0,
                    })
                    .collect(),
            });
            *into = runs.collect();
        }
        let values = version.value_files().values().map(|entry| {
            let meta = entry.handle.meta();
            ValueShape {
                number: meta.number,
                value_bytes: meta.value_bytes,
                live_bytes: entry.live_bytes,
                data_key_id: meta.data_key_id,
            }
        });
        shape.values = values.collect();
        shape
    }

    /// Finds out how much of each table of `version`, which this is the shape of, newer range
    /// tombstones cover. Opens the tables they reach into.
    pub fn note_covered(&mut self, version: &Version, moment: &Moment<'_>) -> Result<()> {
        let tombstones = cover::range_tombstones(version);
        if tombstones.is_empty() {
            return Ok(());
        }
        let handles: BTreeMap<FileNumber, _> = version
            .tables()
            .map(|table| (table.meta().number, table))
            .collect();
        let runs = self.levels.iter_mut().flatten();
        for table in runs.flat_map(|run| &mut run.tables) {
            if let Some(handle) = handles.get(&table.meta.number) {
                table.covered_bytes = cover::covered_bytes(handle, &tombstones, moment)?;
            }
        }
        Ok(())
    }

    /// The length of all tables of a level.
    pub fn level_bytes(&self, level: usize) -> u64 {
        self.levels[level].iter().map(RunShape::bytes).sum()
    }

    /// All tables with their levels, the youngest level first.
    pub(super) fn tables(&self) -> impl Iterator<Item = (usize, &RunShape, &TableShape)> {
        let levels = self.levels.iter().enumerate();
        levels.flat_map(|(level, runs)| {
            runs.iter()
                .flat_map(move |run| run.tables.iter().map(move |table| (level, run, table)))
        })
    }

    /// Whether something older than the tables of `run` in `level` may be in the tree within
    /// `bounds`: in the older runs of the level, or in a deeper one.
    pub(super) fn has_older(&self, level: usize, run: u64, bounds: KeyBounds<'_>) -> bool {
        let runs = &self.levels[level];
        let position = runs.iter().position(|r| r.id == run);
        let older = &runs[position.map_or(runs.len(), |p| p + 1)..];
        let deeper = self.levels[level + 1..].iter().flatten();
        older.iter().chain(deeper).any(|run| run.overlaps(bounds))
    }
}

impl RunShape {
    /// The length of all tables.
    pub fn bytes(&self) -> u64 {
        self.tables.iter().map(|table| table.meta.file_bytes).sum()
    }

    /// The highest sequence number of the run.
    pub fn max_seq(&self) -> SequenceNumber {
        let all = self.tables.iter().map(|table| table.meta.max_seq);
        all.max().unwrap_or(0)
    }

    /// The tables that overlap `bounds`.
    pub fn overlapping(&self, bounds: KeyBounds<'_>) -> &[TableShape] {
        let from = self
            .tables
            .partition_point(|table| table.bounds().ends_before(bounds.smallest));
        let rest = &self.tables[from..];
        let count = rest.partition_point(|table| !bounds.ends_before(&table.meta.smallest));
        &rest[..count]
    }

    /// Whether a table overlaps `bounds`.
    pub fn overlaps(&self, bounds: KeyBounds<'_>) -> bool {
        !self.overlapping(bounds).is_empty()
    }
}

impl TableShape {
    /// A table whose range tombstones, if any, are not known.
    pub fn new(meta: TableMeta) -> Self {
        Self {
            meta: Arc::new(meta),
            tombstones: Arc::default(),
            covered_bytes: 0,
        }
    }

    /// The keys the table says something about.
    pub fn bounds(&self) -> KeyBounds<'_> {
        KeyBounds::of(&self.meta)
    }
}

/// How large levels should be.
///
/// Sizes follow from the bottom: the last level is as large as it is, and each level above it a
/// `multiplier`th of the one below, until one is within `base_bytes`. That one is the *base*,
/// into which level 0 is merged; levels between are empty. So the data above the last level is
/// about a ninth of it, whatever the size of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Targets {
    /// The first level in use below level 0.
    pub base: usize,
    /// The bytes each level should hold at most; zero for unused levels.
    pub bytes: [u64; LEVELS],
}

impl Targets {
    /// The targets for a tree of this shape.
    pub fn of(shape: &Shape, options: &CompactionOptions) -> Self {
        let base_bytes = options.base_bytes.max(1);
        let largest = (1..LEVELS).map(|level| shape.level_bytes(level)).max();
        let mut base = BOTTOM;
        let mut ideal = [0; LEVELS];
        ideal[BOTTOM] = largest.unwrap_or(0).max(base_bytes);
        while base > 1 && ideal[base] > base_bytes {
            ideal[base - 1] = ideal[base] / options.growth();
            base -= 1;
        }
        // Level 1 may be larger than it should if there are no more levels to put above it.
        let bytes = std::array::from_fn(|level| match level {
            0 => 0,
            _ if level < base => 0,
            // Small levels would be rewritten all the time for nothing.
            _ => ideal[level].max(base_bytes),
        });
        Self { base, bytes }
    }

    /// Where tables of `level` go next: the next level that is in use or should be.
    pub fn next(&self, shape: &Shape, level: usize) -> usize {
        (level + 1..BOTTOM)
            .find(|next| *next >= self.base || !shape.levels[*next].is_empty())
            .unwrap_or(BOTTOM)
    }
}

/// How many bytes compactions would have to write until every level is within its target.
pub fn debt_bytes(shape: &Shape, options: &CompactionOptions) -> u64 {
    let targets = Targets::of(shape, options);
    let mut debt = 0u64;
    let mut incoming = 0;
    if shape.levels[0].len() >= options.level0_runs() {
        incoming = shape.level_bytes(0);
        debt += incoming + shape.level_bytes(targets.next(shape, 0));
    }
    for level in 1..BOTTOM {
        let bytes = shape.level_bytes(level) + if level == targets.base { incoming } else { 0 };
        let excess = bytes.saturating_sub(targets.bytes[level]);
        if excess == 0 {
            continue;
        }
        // What leaves the level is merged with its share of the level below.
        let below = shape.level_bytes(targets.next(shape, level));
        let share = (below as f64 * (excess as f64 / bytes as f64)) as u64;
        debt += excess + share;
    }
    debt
}
