//! Bringing tables into an order in which level 0 can hold them.
//!
//! Runs of level 0 are searched newest first, and the first hit counts. That is right only if, of
//! two runs that share keys, one is newer as a whole. Tables whose place in the tree is not known
//! need not be like that: a merged table has old and new entries. Those that overlap both in keys
//! and in sequence numbers are merged, until what is left can be ordered by sequence number.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Repair, Unit};
use crate::error::Result;
use crate::iter::{EntryCursor, MergeCursor};
use crate::key::SequenceNumber;
use crate::manifest::TableMeta;
use crate::table::{ReadMode, Table, TableCursor};
use crate::version::KeyBounds;

impl Repair {
    /// Units that can be ordered by sequence number, oldest first, with the same entries.
    pub(super) fn settle(&mut self, mut units: Vec<Unit>) -> Result<Vec<Unit>> {
        loop {
            let groups = conflicting(&units);
            if groups.is_empty() {
                break;
            }
            let mut grouped: Vec<bool> = vec![false; units.len()];
            let mut merged = Vec::new();
            for group in groups {
                let members: Vec<&Unit> = group.iter().map(|&at| &units[at]).collect();
                merged.push(self.merge(&members)?);
                group.iter().for_each(|&at| grouped[at] = true);
            }
            let kept = units.into_iter().zip(grouped);
            units = kept.filter(|(_, g)| !g).map(|(unit, _)| unit).collect();
            units.extend(merged.into_iter().filter(|unit| !unit.tables.is_empty()));
        }
        units.sort_by_key(|unit| unit.sequences().1);
        Ok(units)
    }

    /// One unit with the entries and range deletions of several.
    fn merge(&mut self, units: &[&Unit]) -> Result<Unit> {
        let metas = || units.iter().flat_map(|unit| &unit.tables);
        let tables: Vec<Arc<Table>> = metas()
            .map(|meta| self.open_table(meta))
            .collect::<Result<_>>()?;
        let mut tombstones: Vec<_> = tables
            .iter()
            .flat_map(|table| table.raw_tombstones().iter().cloned())
            .collect();
        tombstones.sort_by(|a, b| a.start.cmp(&b.start));
        let cursors: Vec<TableCursor> = tables
            .iter()
            .map(|table| table.cursor(ReadMode::COMPACTION))
            .collect();
        let mut merge = MergeCursor::new(cursors);
        let profile = self.options.clone();
        let mut output = self.output(&profile, 0, tombstones);
        let mut last: Option<(Vec<u8>, SequenceNumber)> = None;
        merge.seek_to_first()?;
        while merge.valid() {
            let (key, seq) = (merge.key(), merge.seq());
            let is_new_key = last.as_ref().is_none_or(|(last, _)| last != key);
            // A commit may be in a table and, salvaged, from the log.
            let is_twice = !is_new_key && last.as_ref().is_some_and(|(_, last)| *last == seq);
            if !is_twice {
                output.add(key, is_new_key, seq, merge.kind(), merge.value())?;
                let (last_key, last_seq) = last.get_or_insert_default();
                last_key.clear();
                last_key.extend_from_slice(key);
                *last_seq = seq;
            }
            merge.next()?;
        }
        let tables = output.finish()?.into_iter().map(Arc::new).collect();
        self.report.tables_rewritten += metas().count() as u64;
        Ok(Unit { tables })
    }
}

impl Unit {
    /// The lowest and the highest sequence number.
    fn sequences(&self) -> (SequenceNumber, SequenceNumber) {
        let metas = || self.tables.iter();
        (
            metas().map(|meta| meta.min_seq).min().unwrap_or(0),
            metas().map(|meta| meta.max_seq).max().unwrap_or(0),
        )
    }

    fn conflicts_with(&self, other: &Unit) -> bool {
        let ((a, b), (c, d)) = (self.sequences(), other.sequences());
        let at_the_same_time = a <= d && c <= b;
        at_the_same_time
            && self
                .tables
                .iter()
                .any(|left| other.tables.iter().any(|right| overlap(left, right)))
    }
}

fn overlap(left: &TableMeta, right: &TableMeta) -> bool {
    let (a, b) = (KeyBounds::of(left), KeyBounds::of(right));
    !a.ends_before(b.smallest) && !b.ends_before(a.smallest)
}

/// The groups of units, by position, that are connected by conflicts.
fn conflicting(units: &[Unit]) -> Vec<Vec<usize>> {
    let mut leader: Vec<usize> = (0..units.len()).collect();
    for right in 0..units.len() {
        for left in 0..right {
            if leader[left] != leader[right] && units[left].conflicts_with(&units[right]) {
                let (from, to) = (leader[right], leader[left]);
                leader
                    .iter_mut()
                    .filter(|l| **l == from)
                    .for_each(|l| *l = to);
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, leader) in leader.into_iter().enumerate() {
        groups.entry(leader).or_default().push(at);
    }
    groups
        .into_values()
        .filter(|group| group.len() > 1)
        .collect()
}
