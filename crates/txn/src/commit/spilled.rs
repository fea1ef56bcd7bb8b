//! Committing a transaction that outgrew its memory: its files are published by one record.
//!
//! If the spilled pieces follow one another and hide nothing of each other, as those of sorted
//! input do, they are published as they are. Else they are merged into new files. On the way, or
//! in a walk of its own, each key is compared with the conflict table if somebody else wrote in
//! the keyspace, and looked up if the keyspace is counted. A load into a keyspace that was empty
//! and is nobody else's needs neither.

use std::collections::{BTreeMap, BTreeSet};

use rustdb_storage::engine::{RunWriter, SortedRun};
use rustdb_storage::iter::{EntryCursor, MergeCursor, RunCursor};
use rustdb_storage::key::split_storage_key;
use rustdb_storage::version::RunTables;
use rustdb_storage::{EntryKind, KeyspaceId, SequenceNumber};

use super::{ATTEMPTS_MAX, Commit, HOLE_RANGES_MAX};
use crate::conflict::key_hash;
use crate::error::{Conflict, Error, Result};
use crate::ranges::{RangeSet, successor};
use crate::write_set::Piece;

/// What has to be done for each key of a keyspace.
#[derive(Debug, Default)]
struct KeyspacePlan {
    /// Somebody else wrote here since the snapshot.
    must_check: bool,
    /// The keyspace is counted, and was not empty.
    must_look_up: bool,
    is_counted: bool,
    /// All ranges that the transaction deleted.
    deleted: RangeSet,
    /// Holes that are deleted as ranges; deletions in them are left out.
    holes: RangeSet,
    /// The change of the count.
    delta: i64,
}

impl KeyspacePlan {
    /// Whether each key has to be looked at.
    fn must_walk(&self) -> bool {
        self.must_check || self.must_look_up
    }
}

/// What to publish.
enum Publication {
    /// The pieces as they are.
    Pieces,
    /// What they were merged into.
    Merged(SortedRun),
}

impl Commit<'_> {
    /// Commits writes that are in files.
    pub(super) fn run_spilled(&mut self) -> Result<SequenceNumber> {
        self.large = Some(self.watch()?);
        self.find_quiet_spilled();
        let engine = self.transaction.engine();
        let mut batch = engine.batch();
        for _ in 0..ATTEMPTS_MAX {
            let mut plans = self.plan()?;
            let publication = self.prepare(&mut plans)?;
            batch.clear();
            self.footprint = Default::default();
            self.deltas.clear();
            for (&keyspace, plan) in &plans {
                for (start, end) in plan.deleted.iter().chain(plan.holes.iter()) {
                    batch.delete_range(keyspace, start, end)?;
                    self.footprint.add_range(keyspace, start, end);
                }
                if plan.delta != 0 {
                    self.deltas.push((keyspace, plan.delta));
                }
            }
            self.add_bounds();
            self.catch_up()?;
            let runs: Vec<&SortedRun> = match &publication {
                Publication::Pieces => self.writes.pieces().iter().map(Piece::run).collect(),
                Publication::Merged(run) => vec![run],
            };
            let mut validator = self.validator();
            let result = engine.commit_runs(&runs, &mut batch, &mut validator);
            let refusal = validator.refusal.take();
            if let Some(sequence) = self.settle(result, refusal)? {
                return Ok(sequence);
            }
        }
        Err(Error::Conflict(Conflict::Contention))
    }

    /// The keyspaces of all pieces.
    fn keyspaces(&self) -> BTreeSet<KeyspaceId> {
        let contents = self
            .writes
            .pieces()
            .iter()
            .flat_map(|piece| piece.contents().keys());
        contents.copied().collect()
    }

    fn find_quiet_spilled(&mut self) {
        let slots = &self.transaction.shared.checks.slots;
        let snapshot = self.transaction.snapshot.sequence();
        self.quiet = self.keyspaces().into_iter().collect();
        self.quiet.retain(|&keyspace| {
            self.writes.holes(keyspace).is_some() && slots.newest_in(keyspace) <= snapshot
        });
    }

    /// Finds out what has to be done in each keyspace.
    fn plan(&self) -> Result<BTreeMap<KeyspaceId, KeyspacePlan>> {
        let transaction = self.transaction;
        let snapshot = transaction.snapshot.sequence();
        let mut plans = BTreeMap::new();
        for keyspace in self.keyspaces() {
            let mut plan = KeyspacePlan::default();
            let pieces = self.writes.pieces();
            pieces
                .iter()
                .filter_map(|piece| piece.deleted(keyspace))
                .for_each(|d| plan.deleted.insert_all(d));
            if self.quiet.contains(&keyspace)
                && let Some(holes) = self.writes.holes(keyspace)
            {
                holes
                    .iter()
                    .take(HOLE_RANGES_MAX)
                    .for_each(|(s, e)| plan.holes.insert(s, e));
            }
            let newest = transaction.shared.checks.slots.newest_in(keyspace);
            plan.must_check = newest > snapshot && pieces.iter().any(Piece::is_checked);
            plan.is_counted = transaction.is_counted(keyspace);
            if plan.is_counted && !transaction.was_empty(keyspace)? {
                plan.must_look_up = true;
                plan.delta -= transaction.count_ranges(keyspace, &plan.deleted)?;
            }
            plans.insert(keyspace, plan);
        }
        Ok(plans)
    }

    /// Checks and counts the keys, and merges the pieces if they cannot be published as they are.
    fn prepare(&self, plans: &mut BTreeMap<KeyspaceId, KeyspacePlan>) -> Result<Publication> {
        let is_plain = self.is_plain() && plans.values().all(|plan| plan.holes.is_empty());
        if is_plain && !plans.values().any(KeyspacePlan::must_walk) {
            for (keyspace, contents) in self.writes.pieces().iter().flat_map(Piece::contents) {
                if let Some(plan) = plans.get_mut(keyspace).filter(|plan| plan.is_counted) {
                    plan.delta += contents.puts as i64;
                }
            }
            return Ok(Publication::Pieces);
        }
        let mut writer = (!is_plain).then(|| self.transaction.engine().run_writer());
        self.walk(plans, &mut writer)?;
        match writer {
            Some(writer) => Ok(Publication::Merged(writer.finish()?)),
            None => Ok(Publication::Pieces),
        }
    }

    /// Whether the pieces follow one another and hide nothing of each other.
    fn is_plain(&self) -> bool {
        let pieces = self.writes.pieces();
        let bounds: Vec<_> = pieces.iter().filter_map(Piece::bounds).collect();
        let is_ascending = bounds.is_sorted_by(|(_, last), (first, _)| last < first);
        let is_hidden = |older: &Piece, newer: &Piece| {
            older.contents().keys().any(|keyspace| {
                newer
                    .deleted(*keyspace)
                    .is_some_and(|deleted| !deleted.is_empty())
            })
        };
        is_ascending
            && (1..pieces.len())
                .all(|n| !pieces[..n].iter().any(|older| is_hidden(older, &pieces[n])))
    }

    /// Visits the last write of each key, in order.
    fn walk(
        &self,
        plans: &mut BTreeMap<KeyspaceId, KeyspacePlan>,
        writer: &mut Option<RunWriter>,
    ) -> Result<()> {
        let pieces = self.writes.pieces();
        // Newest first, so that of equal keys the last write comes first.
        let newest_first: Vec<&Piece> = pieces
            .iter()
            .rev()
            .filter(|piece| piece.bounds().is_some())
            .collect();
        let cursors: Vec<RunCursor<RunTables>> = newest_first
            .iter()
            .filter_map(|piece| piece.new_cursor())
            .collect();
        let mut merge = MergeCursor::new(cursors);
        merge.seek_to_first()?;
        let mut previous: Option<Vec<u8>> = None;
        while merge.valid() {
            let key = merge.key();
            if previous.as_deref() != Some(key) {
                let source = merge.top();
                self.visit(
                    plans,
                    writer,
                    &newest_first,
                    source,
                    key,
                    merge.kind(),
                    merge.value(),
                )?;
                let buffer = previous.get_or_insert_default();
                buffer.clear();
                buffer.extend_from_slice(key);
            }
            merge.next()?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the body of one loop")]
    fn visit(
        &self,
        plans: &mut BTreeMap<KeyspaceId, KeyspacePlan>,
        writer: &mut Option<RunWriter>,
        newest_first: &[&Piece],
        source: usize,
        key: &[u8],
        kind: EntryKind,
        stored: &[u8],
    ) -> Result<()> {
        let Some((keyspace, user_key)) = split_storage_key(key) else {
            return Ok(());
        };
        let Some(plan) = plans.get_mut(&keyspace) else {
            return Ok(());
        };
        let transaction = self.transaction;
        let piece = newest_first[source];
        let is_checked = piece.is_checked();
        if plan.must_check && is_checked {
            let newest = transaction
                .shared
                .checks
                .slots
                .newest(keyspace, key_hash(keyspace, user_key));
            if newest > transaction.snapshot.sequence() {
                transaction.check_key(keyspace, user_key)?;
            }
        }
        // A range deleted later, in a newer piece, hides the write.
        let mut newer = newest_first[..source].iter();
        if newer.any(|n| {
            n.deleted(keyspace)
                .is_some_and(|deleted| deleted.contains(user_key))
        }) {
            return Ok(());
        }
        let exists = kind != EntryKind::Delete;
        if plan.is_counted {
            let existed = plan.must_look_up
                && !plan.deleted.contains(user_key)
                && transaction.existed(keyspace, user_key, is_checked)?;
            plan.delta += i64::from(exists) - i64::from(existed);
        }
        if let Some(writer) = writer
            && (exists || !plan.holes.contains(user_key))
        {
            writer.add(key, kind, stored)?;
        }
        Ok(())
    }

    /// Adds, per piece, the range from its first to its last key of each keyspace to the footprint.
    fn add_bounds(&mut self) {
        for (first, last) in self.writes.pieces().iter().filter_map(Piece::bounds) {
            let (Some((first_space, first)), Some((last_space, last))) =
                (split_storage_key(first), split_storage_key(last))
            else {
                continue;
            };
            let end = successor(last);
            for keyspace in self.keyspaces().range(first_space..=last_space) {
                let start = if *keyspace == first_space { first } else { &[] };
                let end = (*keyspace == last_space).then_some(&*end);
                self.footprint.add_range(*keyspace, start, end);
            }
        }
    }
}
