//! Committing a transaction that outgrew its memory: its files are published by one record.
//!
//! If the spilled pieces follow one another and hide nothing of each other, as those of sorted
//! input do, they are published as they are. Else they are merged into new files. On the way, or
//! in a walk of its own, each key is compared with the conflict table if somebody else wrote in
//! the keyspace, and looked up if the keyspace is counted. A load into a keyspace that was empty
//! and is nobody else's needs neither.
//!
//! Published files replace key by key, so a deleted range becomes a deletion of each key that the
//! snapshot has in it. A transaction that did nothing but empty ranges, by popping perhaps, is
//! committed as range deletions and needs no files.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use rustdb_storage::engine::{Bounds, EngineIter, ReadAt, RunWriter, SortedRun};
use rustdb_storage::iter::{EntryCursor, MergeCursor, RunCursor};
use rustdb_storage::key::{split_storage_key, storage_key};
use rustdb_storage::version::RunTables;
use rustdb_storage::{EntryKind, KeyspaceId, SequenceNumber};

use super::existence::Existence;
use super::{ATTEMPTS_MAX, Commit, HOLE_RANGES_MAX};
use crate::conflict::{Footprint, key_hash};
use crate::error::{Conflict, Error, Result};
use crate::ranges::{End, RangeSet, is_before, successor};
use crate::transaction::Transaction;
use crate::write_set::{Piece, owned_end};

/// How much of each piece is read at once, at least and at most.
const READAHEAD_MIN: usize = 4 << 10;
const READAHEAD_MAX: usize = 512 << 10;

/// What has to be done for each key of a keyspace.
#[derive(Debug, Default)]
struct KeyspacePlan {
    /// Somebody else wrote here since the snapshot.
    must_check: bool,
    counting: Counting,
    /// All ranges that the transaction deleted.
    deleted: RangeSet,
    /// The change of the count.
    delta: i64,
}

impl KeyspacePlan {
    /// Whether each key has to be looked at.
    fn must_walk(&self) -> bool {
        self.must_check || self.counting == Counting::LookUp
    }
}

/// How the change of a keyspace's count is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Counting {
    /// Nobody wants to know it.
    #[default]
    Not,
    /// The keyspace was empty, so what is written is new.
    New,
    /// It is looked up for each key whether it existed.
    LookUp,
    /// It is known already.
    Known,
}

type Plans = BTreeMap<KeyspaceId, KeyspacePlan>;

/// What to publish.
enum Publication {
    /// Range deletions in place of all writes.
    Ranges(BTreeMap<KeyspaceId, RangeSet>),
    /// The pieces as they are.
    Pieces,
    /// What they were merged into.
    Merged(SortedRun),
}

impl Commit<'_> {
    /// Commits writes that are in files.
    pub(super) fn run_spilled(&mut self) -> Result<SequenceNumber> {
        self.large = Some(self.watch()?);
        self.find_emptied();
        let engine = self.transaction.engine();
        let mut batch = engine.batch();
        let mut prepared = None;
        for _ in 0..ATTEMPTS_MAX {
            let publication = match &prepared {
                Some(publication) => publication,
                None => prepared.insert(self.plan_and_prepare()?),
            };
            self.catch_up()?;
            batch.clear();
            let mut runs: Vec<&SortedRun> = Vec::new();
            match publication {
                Publication::Pieces => runs.extend(self.by_keys().into_iter().map(Piece::run)),
                Publication::Merged(run) => runs.push(run),
                Publication::Ranges(ranges) => {
                    for (keyspace, ranges) in ranges {
                        for (start, end) in ranges.iter() {
                            batch.delete_range(*keyspace, start, end)?;
                        }
                    }
                }
            }
            let mut validator = self.validator();
            let result = engine.commit_runs(&runs, &mut batch, &mut validator);
            let refusal = validator.refusal.take();
            let must_be_quiet = !self.quiet.is_empty();
            if let Some(sequence) = self.settle(result, refusal)? {
                return Ok(sequence);
            }
            if must_be_quiet && self.quiet.is_empty() {
                prepared = None;
            }
        }
        Err(Error::Conflict(Conflict::Contention))
    }

    /// Prepares what is published, and what is compared when it is.
    fn plan_and_prepare(&mut self) -> Result<Publication> {
        // NB: before the keys are looked at.
        let upto = self.transaction.engine().visible_sequence();
        let mut plans = self.plan()?;
        let publication = self.prepare(&mut plans)?;
        if let Some(watch) = &mut self.large {
            watch.advance(upto.max(watch.after()));
        }
        let deltas = plans.iter().map(|(keyspace, plan)| (*keyspace, plan.delta));
        self.deltas = deltas.filter(|(_, delta)| *delta != 0).collect();
        self.fill_spilled_footprint(&plans);
        Ok(publication)
    }

    /// Compares each key with all that is visible.
    pub(super) fn check_pieces(&self) -> Result<()> {
        let mut plans = self.plan()?;
        // Only checked, not counted.
        for plan in plans.values_mut() {
            plan.counting = Counting::Not;
            plan.deleted = RangeSet::default();
        }
        match plans.values().any(|plan| plan.must_check) {
            true => self.walk(&mut plans, &mut Target::Nothing).map(|_| ()),
            false => Ok(()),
        }
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

    /// If there is nothing but deletions, all in a few holes, and nobody else writes there, the
    /// keyspaces are noted as quiet: the holes will stand for the deletions.
    fn find_emptied(&mut self) {
        let slots = &self.transaction.shared.checks.slots;
        let snapshot = self.transaction.snapshot.sequence();
        let keyspaces = self.keyspaces();
        let has_puts = |piece: &Piece| piece.contents().values().any(|c| c.puts > 0);
        let is_emptied = |keyspace: KeyspaceId| {
            let holes = self.writes.holes(keyspace);
            holes.is_some_and(|holes| holes.len() <= HOLE_RANGES_MAX)
                && slots.newest_in(keyspace) <= snapshot
        };
        if !self.writes.pieces().iter().any(has_puts) && keyspaces.iter().all(|k| is_emptied(*k)) {
            self.quiet = keyspaces.into_iter().collect();
        }
    }

    /// Finds out what has to be done in each keyspace.
    fn plan(&self) -> Result<Plans> {
        let transaction = self.transaction;
        let snapshot = transaction.snapshot.sequence();
        let pieces = self.writes.pieces();
        let mut plans = BTreeMap::new();
        for keyspace in self.keyspaces() {
            let mut plan = KeyspacePlan::default();
            let deleted = pieces.iter().filter_map(|piece| piece.deleted(keyspace));
            deleted.for_each(|ranges| plan.deleted.insert_all(ranges));
            let newest = transaction.shared.checks.slots.newest_in(keyspace);
            plan.must_check = newest > snapshot && pieces.iter().any(Piece::is_checked);
            plan.counting = match transaction.is_counted(keyspace) {
                false => Counting::Not,
                true if transaction.was_empty(keyspace)? => Counting::New,
                true => Counting::LookUp,
            };
            plans.insert(keyspace, plan);
        }
        Ok(plans)
    }

    /// Checks and counts the keys, and merges the pieces if they cannot be published as they are.
    fn prepare(&self, plans: &mut Plans) -> Result<Publication> {
        let is_emptied = !self.quiet.is_empty();
        if is_emptied && self.walk(plans, &mut Target::Holes(None))? {
            let ranges = plans.iter().map(|(keyspace, plan)| {
                let mut ranges = plan.deleted.clone();
                self.writes
                    .holes(*keyspace)
                    .into_iter()
                    .for_each(|h| ranges.insert_all(h));
                (*keyspace, ranges)
            });
            return Ok(Publication::Ranges(ranges.collect()));
        }
        // That it was no use, half the keys later, leaves half a count.
        plans.values_mut().for_each(|plan| plan.delta = 0);
        if !self.is_plain(plans) {
            let mut target = Target::Run(Box::new(self.transaction.engine().run_writer()));
            self.walk(plans, &mut target)?;
            return match target {
                Target::Run(writer) => Ok(Publication::Merged(writer.finish()?)),
                Target::Holes(_) | Target::Nothing => Ok(Publication::Pieces),
            };
        }
        self.count_whole_pieces(plans)?;
        if plans.values().any(KeyspacePlan::must_walk) {
            self.walk(plans, &mut Target::Nothing)?;
        }
        Ok(Publication::Pieces)
    }

    /// Counts keyspaces without a look at their keys, where that is possible. No key is in two
    /// pieces.
    fn count_whole_pieces(&self, plans: &mut Plans) -> Result<()> {
        for (keyspace, plan) in plans {
            if matches!(plan.counting, Counting::Not | Counting::Known) {
                continue;
            }
            let mut sum = Some(0);
            for piece in self.writes.pieces() {
                let Some(contents) = piece.contents().get(keyspace) else {
                    continue;
                };
                let is_new = plan.counting == Counting::New;
                let delta = match contents.delta {
                    _ if is_new => Some(contents.puts as i64),
                    None if self.is_over_nothing(piece)? => Some(contents.puts as i64),
                    delta => delta,
                };
                sum = sum.zip(delta).map(|(sum, delta)| sum + delta);
            }
            if let Some(delta) = sum {
                (plan.counting, plan.delta) = (Counting::Known, delta);
            }
        }
        Ok(())
    }

    /// Whether there are no keys where a piece writes, neither in the snapshot nor now: all it
    /// puts is new then, be it checked or covered by locks. Sorted input that is appended to a
    /// keyspace is like that.
    fn is_over_nothing(&self, piece: &Piece) -> Result<bool> {
        let bounds = piece
            .bounds()
            .and_then(|(first, last)| split_storage_key(first).zip(split_storage_key(last)));
        let Some(((keyspace, first), (_, last))) = bounds else {
            return Ok(false);
        };
        if piece.contents().len() > 1 {
            return Ok(false);
        }
        let bounds = Bounds {
            lower: Bound::Included(first.to_vec()),
            upper: Bound::Included(last.to_vec()),
        };
        for at in [
            ReadAt::Snapshot(self.transaction.snapshot()),
            ReadAt::Latest,
        ] {
            let mut iterator = self.transaction.engine().iter(keyspace, &bounds, at)?;
            if iterator.advance()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether no piece reaches into another and no range was deleted.
    fn is_plain(&self, plans: &Plans) -> bool {
        let pieces = self.by_keys();
        let bounds: Vec<_> = pieces.into_iter().filter_map(Piece::bounds).collect();
        bounds.is_sorted_by(|(_, last), (first, _)| last < first)
            && plans.values().all(|plan| plan.deleted.is_empty())
    }

    /// The pieces that have keys, by their first ones.
    fn by_keys(&self) -> Vec<&Piece> {
        let pieces = self.writes.pieces().iter();
        let mut pieces: Vec<&Piece> = pieces.filter(|piece| piece.bounds().is_some()).collect();
        pieces.sort_by_key(|piece| piece.bounds().map(|(first, _)| first));
        pieces
    }

    /// Visits the last write of each key, in order, and the keys of deleted ranges. Returns
    /// whether it came to the end.
    fn walk(&self, plans: &mut Plans, target: &mut Target) -> Result<bool> {
        let pieces = self.writes.pieces();
        // What is read ahead takes the place of the writes that were in memory before.
        let bytes_max = self.transaction.shared.options.write_set_bytes_max;
        let readahead = (bytes_max / pieces.len().max(1)).clamp(READAHEAD_MIN, READAHEAD_MAX);
        // Newest first, so that of equal keys the last write comes first. A piece may have deleted
        // ranges and no writes.
        let (sources, cursors): (Vec<usize>, Vec<RunCursor<RunTables>>) = (0..pieces.len())
            .rev()
            .filter_map(|n| Some((n, pieces[n].new_cursor(readahead)?)))
            .unzip();
        let mut merge = MergeCursor::new(cursors);
        merge.seek_to_first()?;
        let mut deleted = DeletedKeys::new(self.transaction, plans);
        let mut existence = Existence::new(self.transaction);
        let mut previous: Option<Vec<u8>> = None;
        while merge.valid() {
            let key = merge.key();
            if previous.as_deref() != Some(key) {
                let piece = sources[merge.top()];
                let is_last = self.is_last(piece, key);
                deleted.delete_below(key, is_last, plans, target)?;
                if !self.visit(plans, target, &mut existence, (piece, is_last), &merge)? {
                    return Ok(false);
                }
                let buffer = previous.get_or_insert_default();
                buffer.clear();
                buffer.extend_from_slice(key);
            }
            merge.next()?;
        }
        deleted.delete_rest(plans, target)?;
        Ok(true)
    }

    /// Whether no range deleted later, in a newer piece, hides the write.
    fn is_last(&self, piece: usize, key: &[u8]) -> bool {
        let Some((keyspace, key)) = split_storage_key(key) else {
            return false;
        };
        let mut newer = self.writes.pieces()[piece + 1..].iter();
        !newer.any(|n| {
            n.deleted(keyspace)
                .is_some_and(|deleted| deleted.contains(key))
        })
    }

    /// Deals with the entry that the merge is on. Returns `false` to stop the walk.
    fn visit(
        &self,
        plans: &mut Plans,
        target: &mut Target,
        existence: &mut Existence<'_>,
        (piece, is_last): (usize, bool),
        merge: &MergeCursor<RunCursor<RunTables>>,
    ) -> Result<bool> {
        let Some((keyspace, key)) = split_storage_key(merge.key()) else {
            return Ok(true);
        };
        let Some(plan) = plans.get_mut(&keyspace) else {
            return Ok(true);
        };
        let transaction = self.transaction;
        let is_checked = self.writes.pieces()[piece].is_checked();
        if plan.must_check && is_checked {
            let newest = transaction
                .shared
                .checks
                .slots
                .newest(keyspace, key_hash(keyspace, key));
            if newest > transaction.snapshot.sequence() {
                transaction.check_key(keyspace, key)?;
            }
        }
        if !is_last {
            return Ok(true);
        }
        let exists = merge.kind() != EntryKind::Delete;
        if let Counting::New | Counting::LookUp = plan.counting {
            // What is in a deleted range is counted there.
            let existed = plan.counting == Counting::LookUp
                && !plan.deleted.contains(key)
                && existence.existed(keyspace, key, is_checked)?;
            plan.delta += i64::from(exists) - i64::from(existed);
        }
        match target {
            Target::Nothing => {}
            Target::Run(writer) => writer.add(merge.key(), merge.kind(), merge.value())?,
            Target::Holes(last) => {
                let is_inside = last
                    .as_ref()
                    .is_some_and(|(of, end)| *of == keyspace && is_before(key, end.as_deref()));
                if !is_inside {
                    let holes = self.writes.holes(keyspace);
                    let hole = holes.and_then(|holes| holes.containing(key));
                    *last = hole.map(|(_, end)| (keyspace, owned_end(end)));
                }
                return Ok(last.is_some());
            }
        }
        Ok(true)
    }

    /// Ranges that hold everything written.
    fn fill_spilled_footprint(&mut self, plans: &Plans) {
        self.footprint = Footprint::default();
        for (keyspace, plan) in plans {
            for (start, end) in plan.deleted.iter() {
                self.footprint.add_range(*keyspace, start, end);
            }
        }
        for (first, last) in self.writes.pieces().iter().filter_map(Piece::bounds) {
            let (Some((first_space, first)), Some((last_space, last))) =
                (split_storage_key(first), split_storage_key(last))
            else {
                continue;
            };
            let end = successor(last);
            for (keyspace, _) in plans.range(first_space..=last_space) {
                let start = if *keyspace == first_space { first } else { &[] };
                let end = (*keyspace == last_space).then_some(&*end);
                self.footprint.add_hull(*keyspace, start, end);
            }
        }
    }
}

/// Where a walk puts the writes.
enum Target {
    /// Nowhere: it only checks and counts.
    Nothing,
    /// Nowhere: it also checks that all of them are in holes. This is the end of the one that the last
    /// key was in; the next key, which is above, is mostly in the same.
    Holes(Option<(KeyspaceId, End)>),
    /// Into a new run.
    Run(Box<RunWriter>),
}

/// The keys that deleted ranges delete, in order.
struct DeletedKeys<'a> {
    transaction: &'a Transaction,
    /// What is left of the ranges, the next one last.
    ranges: Vec<(KeyspaceId, Vec<u8>, Option<Vec<u8>>)>,
    current: Option<(KeyspaceId, EngineIter)>,
    /// The storage key that the current iterator is on.
    key: Option<Vec<u8>>,
    is_begun: bool,
}

impl<'a> DeletedKeys<'a> {
    fn new(transaction: &'a Transaction, plans: &Plans) -> Self {
        let mut ranges = Vec::new();
        for (keyspace, plan) in plans {
            for (start, end) in plan.deleted.iter() {
                ranges.push((*keyspace, start.to_vec(), end.map(<[u8]>::to_vec)));
            }
        }
        ranges.reverse();
        Self {
            transaction,
            ranges,
            current: None,
            key: None,
            is_begun: false,
        }
    }

    /// Deletes the keys below `limit`. If `is_written`, `limit` itself needs no deletion.
    fn delete_below(
        &mut self,
        limit: &[u8],
        is_written: bool,
        plans: &mut Plans,
        target: &mut Target,
    ) -> Result<()> {
        while let Some(key) = self.peek()? {
            if key > limit || key == limit && !is_written {
                break;
            }
            if key < limit {
                self.delete(target)?;
            }
            self.pass(plans)?;
        }
        Ok(())
    }

    fn delete_rest(&mut self, plans: &mut Plans, target: &mut Target) -> Result<()> {
        while self.peek()?.is_some() {
            self.delete(target)?;
            self.pass(plans)?;
        }
        Ok(())
    }

    fn delete(&self, target: &mut Target) -> Result<()> {
        if let (Target::Run(writer), Some(key)) = (target, &self.key) {
            writer.delete(key)?;
        }
        Ok(())
    }

    fn peek(&mut self) -> Result<Option<&[u8]>> {
        if !self.is_begun {
            self.is_begun = true;
            self.advance()?;
        }
        Ok(self.key.as_deref())
    }

    /// Leaves a key behind, which is one that existed and is gone.
    fn pass(&mut self, plans: &mut Plans) -> Result<()> {
        if let Some((keyspace, _)) = &self.current
            && let Some(plan) = plans.get_mut(keyspace)
            && let Counting::New | Counting::LookUp = plan.counting
        {
            plan.delta -= 1;
        }
        self.advance()
    }

    fn advance(&mut self) -> Result<()> {
        loop {
            if let Some((keyspace, iterator)) = &mut self.current
                && iterator.advance()?
            {
                storage_key(*keyspace, iterator.key(), self.key.get_or_insert_default());
                return Ok(());
            }
            let Some((keyspace, start, end)) = self.ranges.pop() else {
                (self.current, self.key) = (None, None);
                return Ok(());
            };
            let iterator = self
                .transaction
                .iterate_before(keyspace, &start, end.as_deref())?;
            self.current = Some((keyspace, iterator));
        }
    }
}
