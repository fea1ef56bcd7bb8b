//! Committing a transaction.
//!
//! ```text
//! flatten ─▶ check what is many ─▶ count ─▶ batch or files ─▶ pipeline: validate ─▶ visible
//!                  ▲                                              │
//!                  └───────────── ask the engine ◀────────────────┘ a slot moved: maybe a conflict
//! ```
//!
//! Inside the pipeline only tables in memory are consulted. When they cannot clear a key, the
//! commit leaves the pipeline, waits until the suspect is visible, asks the engine for the truth,
//! and comes back with a newer "checked up to here".
//!
//! A transaction with very many keys is compared with the conflict table before it enters, and
//! inside only with what was committed since (`check_large`). One that was spilled is published
//! as sorted files ([`spilled`]). What a walk has taken becomes deleted ranges if it can ([`taken`]).
//!
//! Locks are released when the transaction is dropped, after its writes have become visible.

mod count;
mod existence;
mod spilled;
mod taken;

use std::collections::BTreeMap;

use rustdb_storage::engine::{Batch, Durability};
use rustdb_storage::{KeyspaceId, SequenceNumber};

use crate::conflict::{
    FOOTPRINT_KEYS_MAX, Footprint, Refusal, Validator, Watch, check_large, key_hash,
};
use crate::error::{Conflict, Error, Result};
use crate::ranges::{RangeSet, successor};
use crate::transaction::{IsolationLevel, Transaction};
use crate::write_set::{NEVER, Space, Write, WriteSet};

/// How often a commit comes back to the pipeline before it gives up.
const ATTEMPTS_MAX: usize = 32;

/// Deletions in a hole from which on the hole becomes one record.
const HOLE_DELETES_MIN: usize = 256;

/// Holes of a keyspace that become records in one commit; every reader has to step around them.
const HOLE_RANGES_MAX: usize = 64;

/// Recent writes that a large transaction compares with inside the pipeline.
const LATE_WRITES_MAX: usize = 64;

/// A commit on its way.
struct Commit<'a> {
    transaction: &'a Transaction,
    writes: &'a WriteSet,
    reads: Option<(&'a RangeSet, SequenceNumber)>,
    /// What is written, if that is not too much, and else the ranges that hold it.
    footprint: Footprint,
    /// No checked key of the footprint was changed between the snapshot and this commit.
    checked: SequenceNumber,
    /// Keyspaces whose holes become range deletions, because nobody else writes there.
    quiet: Vec<KeyspaceId>,
    /// Changes of the counts of counted keyspaces.
    deltas: Vec<(KeyspaceId, i64)>,
    /// For more keys than a footprint holds: what was committed up to its number was compared
    /// with them.
    large: Option<Watch>,
}

impl Transaction {
    /// Makes the writes of the transaction visible to others, all at once, and as durable as
    /// asked. Returns the commit's sequence number, or the snapshot's if nothing was written.
    ///
    /// A transaction that outgrew its memory is published as files and is always durable.
    ///
    /// After an error nothing was written, and the transaction is gone.
    pub fn commit(self, durability: Durability) -> Result<SequenceNumber> {
        self.commit_with(durability, |_| {})
    }

    /// As [`Transaction::commit`]. After success, `published` runs before any lock is released:
    /// whoever waits for one sees what it did.
    pub fn commit_with(
        mut self,
        durability: Durability,
        published: impl FnOnce(SequenceNumber),
    ) -> Result<SequenceNumber> {
        let sequence = self.commit_writes(durability)?;
        self.publish_moves(sequence);
        published(sequence);
        Ok(sequence)
    }

    fn commit_writes(&mut self, durability: Durability) -> Result<SequenceNumber> {
        self.end_popping();
        if self.writes.get_mut().is_empty() {
            return Ok(self.snapshot.sequence());
        }
        self.writes.get_mut().flatten(&self.shared.engine)?;
        self.settle_taken()?;
        if let Some(sequence) = self.commit_flat(durability)? {
            return Ok(sequence);
        }
        self.spell_out_taken()?;
        let committed = self.commit_flat(durability)?;
        committed.ok_or(Error::Conflict(Conflict::Contention))
    }

    /// Commits a write set that is flat. `None` if what was taken has to be spelled out before.
    fn commit_flat(&self, durability: Durability) -> Result<Option<SequenceNumber>> {
        let writes = self.writes.borrow();
        let mut read_set = self.reads.borrow_mut();
        let reads = match read_set.is_empty() {
            true => None,
            false => Some((read_set.fold(), self.checked_reads_after())),
        };
        let mut commit = Commit {
            transaction: self,
            writes: &writes,
            reads,
            footprint: Footprint::default(),
            checked: self.snapshot.sequence(),
            quiet: Vec::new(),
            deltas: Vec::new(),
            large: None,
        };
        match writes.is_spilled() {
            false => commit.run(durability),
            true => commit.run_spilled().map(Some),
        }
    }

    /// Nothing that must be unchanged was written between the moment it was seen and this commit.
    fn checked_reads_after(&self) -> SequenceNumber {
        let recorded_after = self.watch.as_ref().map_or(0, Watch::after);
        match self.isolation {
            // Its snapshot may be newer than its range deletions.
            IsolationLevel::ReadCommitted => recorded_after,
            IsolationLevel::Snapshot | IsolationLevel::Serializable => {
                recorded_after.max(self.snapshot.sequence())
            }
        }
    }
}

impl Commit<'_> {
    /// Commits writes that are in memory, unless something has to be spelled out before.
    fn run(&mut self, durability: Durability) -> Result<Option<SequenceNumber>> {
        self.fill_footprint();
        if self.writes.keys() > FOOTPRINT_KEYS_MAX {
            self.large = Some(self.watch()?);
            self.check_all()?;
            self.catch_up()?;
        }
        self.find_quiet();
        self.add_taken();
        self.count()?;
        let engine = self.transaction.engine();
        let mut batch = engine.batch();
        for _ in 0..ATTEMPTS_MAX {
            batch.clear();
            self.fill(&mut batch)?;
            let mut validator = self.validator();
            let result = engine.commit(&mut batch, durability, &mut validator);
            let refusal = validator.refusal.take();
            if let Some(sequence) = self.settle(result, refusal)? {
                return Ok(Some(sequence));
            }
            if self.quiet.is_empty() && !self.writes.taken().is_empty() {
                return Ok(None);
            }
        }
        Err(Error::Conflict(Conflict::Contention))
    }

    fn validator(&self) -> Validator<'_> {
        Validator {
            checks: &self.transaction.shared.checks,
            owner: self.transaction.id(),
            footprint: &self.footprint,
            checked: self.checked,
            quiet: (&self.quiet, self.transaction.snapshot.sequence()),
            reads: self.reads,
            large: self
                .large
                .as_ref()
                .map(|watch| (self.writes, watch.after())),
            deltas: &self.deltas,
            refusal: None,
        }
    }

    /// Draws the conclusion from one pass through the pipeline: done, or worth another pass.
    fn settle(
        &mut self,
        result: rustdb_storage::Result<SequenceNumber>,
        refusal: Option<Refusal>,
    ) -> Result<Option<SequenceNumber>> {
        match (result, refusal) {
            (Ok(sequence), _) => Ok(Some(sequence)),
            (Err(_), Some(Refusal::Stale(newest))) => {
                self.transaction.engine().wait_visible(newest)?;
                self.check_keys()?;
                self.catch_up()?;
                Ok(None)
            }
            (Err(_), Some(Refusal::NotQuiet)) => {
                self.quiet.clear();
                Ok(None)
            }
            (Err(_), Some(refusal)) => Err(refusal.into_error()),
            (Err(error), None) => Err(error.into()),
        }
    }

    // ---------------------------------------------------------------------------- conflicts

    fn fill_footprint(&mut self) {
        let is_large = self.writes.keys() > FOOTPRINT_KEYS_MAX;
        for (keyspace, space) in self.writes.flat() {
            for (start, end) in space.deleted().iter() {
                self.footprint.add_range(keyspace, start, end);
            }
            if !is_large {
                for (key, write) in space.writes() {
                    self.footprint.add_key(keyspace, key, write.is_checked);
                }
            } else if let Some((first, last)) = space.bounds() {
                self.footprint
                    .add_hull(keyspace, first, Some(&successor(last)));
            }
        }
    }

    /// Brings `checked` up to what is visible now, or finds a conflict.
    fn check_keys(&mut self) -> Result<()> {
        let transaction = self.transaction;
        // NB: before the keys are looked at; what becomes visible meanwhile is for the next time.
        let visible = transaction.engine().visible_sequence();
        for (key, bytes) in self.footprint.keys_with_bytes() {
            let newest = transaction
                .shared
                .checks
                .slots
                .newest(key.keyspace, key.hash);
            if key.is_checked && newest > self.checked {
                transaction.check_key(key.keyspace, bytes)?;
            }
        }
        self.checked = visible;
        Ok(())
    }

    /// Compares keys that are too many for the footprint with all that is visible.
    fn check_all(&self) -> Result<()> {
        let transaction = self.transaction;
        if self.writes.is_spilled() {
            return self.check_pieces();
        }
        let slots = &transaction.shared.checks.slots;
        let snapshot = transaction.snapshot.sequence();
        for (keyspace, space) in self.writes.flat() {
            if slots.newest_in(keyspace) <= snapshot {
                continue;
            }
            for (key, write) in space.writes() {
                if write.is_checked && slots.newest(keyspace, key_hash(keyspace, key)) > snapshot {
                    transaction.check_key(keyspace, key)?;
                }
            }
        }
        Ok(())
    }

    /// Puts what is committed from now on on record.
    fn watch(&self) -> Result<Watch> {
        Ok(self
            .transaction
            .shared
            .checks
            .recent
            .watch(self.transaction.engine())?)
    }

    /// Compares with what was committed since the watch began, until little of it is left for the
    /// pipeline.
    fn catch_up(&mut self) -> Result<()> {
        let checks = &self.transaction.shared.checks;
        let engine = self.transaction.engine();
        for _ in 0..ATTEMPTS_MAX {
            let Some(watch) = &self.large else {
                break;
            };
            let after = watch.after();
            if checks.recent.has_few_after(after, LATE_WRITES_MAX) {
                break;
            }
            let mut upto = engine.visible_sequence();
            match check_large(&checks.recent, self.writes, after) {
                Ok(()) => {}
                Err(Refusal::Stale(sequence)) => {
                    engine.wait_visible(sequence)?;
                    // NB: before the keys are looked at.
                    upto = engine.visible_sequence();
                    self.check_all()?;
                }
                Err(refusal) => return Err(refusal.into_error()),
            }
            if let Some(watch) = &mut self.large {
                watch.advance(upto.max(after));
            }
        }
        Ok(())
    }

    /// Finds the keyspaces with holes worth a range deletion that nobody else has written.
    fn find_quiet(&mut self) {
        let slots = &self.transaction.shared.checks.slots;
        let snapshot = self.transaction.snapshot.sequence();
        for (keyspace, space) in self.writes.flat() {
            if let Some(holes) = self.writes.holes(keyspace)
                && slots.newest_in(keyspace) <= snapshot
                && holes
                    .iter()
                    .any(|(start, end)| is_worth_a_range(space, start, end))
            {
                self.quiet.push(keyspace);
            }
        }
    }

    // ---------------------------------------------------------------------------- the batch

    /// Puts the writes into a batch; ranges first, because they would cover what is before them.
    fn fill(&self, batch: &mut Batch) -> Result<()> {
        let mut deleted: BTreeMap<KeyspaceId, RangeSet> = BTreeMap::new();
        for (keyspace, taken) in self.writes.taken().spaces() {
            deleted.insert(*keyspace, taken.ranges().clone());
        }
        for (keyspace, space) in self.writes.flat() {
            let ranges = deleted.entry(keyspace).or_default();
            ranges.insert_all(space.deleted());
            ranges.insert_all(&self.holes_to_delete(keyspace, space));
        }
        for (keyspace, ranges) in &deleted {
            for (start, end) in ranges.iter() {
                batch.delete_range(*keyspace, start, end)?;
            }
        }
        for (keyspace, space) in self.writes.flat() {
            let deleted = &deleted[&keyspace];
            for (key, write) in space.writes() {
                if write.value.is_none() && deleted.contains(key) {
                    continue;
                }
                put_write(batch, keyspace, key, write)?;
            }
        }
        Ok(())
    }

    fn holes_to_delete(&self, keyspace: KeyspaceId, space: &Space) -> RangeSet {
        let mut worth = RangeSet::default();
        if self.quiet.contains(&keyspace)
            && let Some(holes) = self.writes.holes(keyspace)
        {
            holes
                .iter()
                .filter(|(start, end)| is_worth_a_range(space, start, *end))
                .take(HOLE_RANGES_MAX)
                .for_each(|(start, end)| worth.insert(start, end));
        }
        worth
    }
}

impl Transaction {
    /// Fails if a key was written after the snapshot, as far as is visible.
    fn check_key(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<()> {
        match self.engine().newest_sequence(keyspace, key)? {
            Some(newest) if newest > self.snapshot.sequence() => {
                Err(Error::Conflict(Conflict::Write))
            }
            _ => Ok(()),
        }
    }
}

/// Whether enough deletions of `space` are in a hole.
fn is_worth_a_range(space: &Space, start: &[u8], end: Option<&[u8]>) -> bool {
    space.range(start, end).take(HOLE_DELETES_MIN).count() == HOLE_DELETES_MIN
}

fn put_write(batch: &mut Batch, keyspace: KeyspaceId, key: &[u8], write: &Write) -> Result<()> {
    match &write.value {
        None => batch.delete(keyspace, key)?,
        Some(value) if write.expiry == NEVER => batch.put(keyspace, key, value)?,
        Some(value) => batch.put_expiring(keyspace, key, value, write.expiry)?,
    }
    Ok(())
}
