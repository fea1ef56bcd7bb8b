//! What a compaction is asked to do.

use std::sync::Arc;

use crate::key::FileNumber;
use crate::manifest::TableMeta;
use crate::version::KeyBounds;

/// A decision about what to compact. Carried out by [`super::run`].
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Why.
    pub reason: Reason,
    /// What.
    pub action: Action,
}

/// Why a compaction was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Level 0 has too many runs.
    Level0,
    /// Walks go to and fro between level 0 and what it overlaps.
    Walks,
    /// A level holds too much.
    LevelSize,
    /// A level holds too many runs for the style.
    LevelRuns,
    /// A range tombstone, or expiry, covers whole tables.
    Covered,
    /// A table consists of deletions to a large part.
    Tombstones,
    /// Entries of a table have expired.
    Expired,
    /// A table has been above what it hides for too long.
    Settle,
    /// A snapshot went, and a table at the bottom holds what only it saw.
    Garbage,
    /// A value file is mostly dead.
    ValueGarbage,
    /// Files are sealed by a retired data key.
    RetiredKey,
    /// The user asked for it.
    Manual,
}

/// What a compaction does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Takes tables out of the tree without reading them.
    Drop {
        /// The tables.
        tables: Vec<Arc<TableMeta>>,
    },
    /// Takes tables to another level as they are.
    Move {
        /// The tables, which do not overlap.
        tables: Vec<Arc<TableMeta>>,
        /// The level they go to.
        level: usize,
        /// The run they become part of.
        run: OutputRun,
    },
    /// Merges tables and writes the result to a level.
    Merge {
        /// The inputs, newest first.
        inputs: Vec<InputRun>,
        /// The level the result goes to.
        level: usize,
        /// The run it becomes part of.
        run: OutputRun,
        /// Value files whose live values are moved elsewhere on the way.
        collect: Vec<FileNumber>,
    },
}

/// The tables of one run that take part in a merge.
#[derive(Clone, Debug, PartialEq)]
pub struct InputRun {
    /// The level of the run.
    pub level: usize,
    /// The run.
    pub run: u64,
    /// The tables, in key order.
    pub tables: Vec<Arc<TableMeta>>,
}

/// Where tables go within a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputRun {
    /// Into a run that is there already.
    Existing(u64),
    /// Into a new run.
    New,
}

impl Choice {
    /// The tables that the compaction takes out of their place.
    pub fn inputs(&self) -> impl Iterator<Item = &Arc<TableMeta>> {
        let (tables, runs): (&[_], &[InputRun]) = match &self.action {
            Action::Drop { tables } | Action::Move { tables, .. } => (tables, &[]),
            Action::Merge { inputs, .. } => (&[], inputs),
        };
        tables.iter().chain(runs.iter().flat_map(|run| &run.tables))
    }

    /// The numbers of these tables.
    pub fn input_numbers(&self) -> Vec<FileNumber> {
        self.inputs().map(|table| table.number).collect()
    }

    /// The length of these tables.
    pub fn input_bytes(&self) -> u64 {
        self.inputs().map(|table| table.file_bytes).sum()
    }

    /// The range that holds all inputs.
    pub fn bounds(&self) -> Option<KeyBounds<'_>> {
        KeyBounds::hull(self.inputs().map(|table| &**table))
    }
}
