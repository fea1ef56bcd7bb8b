//! Removing many entries: ranges, the ends of a range, whatever a predicate says.
//!
//! What these have in common is that they leave stretches behind in which the transaction sees
//! nothing. They remember them as holes, so that the next search does not walk over them, and a
//! hole may reach the log as one record instead of thousands. A walk that pops many keys in a row notes
//! the stretch that it has taken, and not a deletion for each.

use rustdb_storage::KeyspaceId;
use rustdb_storage::slice::Slice;

use crate::ascending::AscendingEntries;
use crate::conflict::Watch;
use crate::error::{Conflict, Error, Result};
use crate::manager::KeyspaceRef;
use crate::ranges::is_before;
use crate::scan::{Direction, Entry, HOLE_SKIPS, KeyRange, Scan, check_range};
use crate::transaction::{IsolationLevel, Transaction};
use crate::write_set::NEVER;

/// Ranges with at most this many keys are deleted key by key.
const POINT_DELETES_MAX: usize = 256;

/// So many keys are popped one by one before the walk takes what it passes as a range.
const SINGLE_POPS_MAX: usize = 256;

/// The walk of a pop, from which the next one goes on, at whichever end.
#[derive(Debug)]
pub(crate) struct Popping {
    keyspace: KeyspaceId,
    range: KeyRange,
    scan: Scan,
    /// Keys popped one by one since the walk began, or since it was last not allowed to take.
    singles: usize,
    /// The write set's version since which the walk takes what it passes. If it is another one by the
    /// next pop, the transaction wrote in between, perhaps into the rest of the range.
    taking: Option<u64>,
}

impl Popping {
    /// Whether a write of `key` would be missed by going on.
    pub(crate) fn has_passed(&self, keyspace: KeyspaceId, key: &[u8]) -> bool {
        self.keyspace == keyspace && self.scan.has_passed(key)
    }

    /// Whether the next key may be taken with those around it, and prepares for that. Not so under
    /// locks, which are those of single rows.
    fn may_take(&mut self, transaction: &Transaction) -> Result<bool> {
        if self.singles < SINGLE_POPS_MAX || transaction.isolation == IsolationLevel::ReadCommitted
        {
            return Ok(false);
        }
        if self.taking == Some(transaction.writes().version()) {
            return Ok(true);
        }
        if !self.scan.is_rest_untouched(transaction)? {
            self.singles = 0;
            return Ok(false);
        }
        let (from, to) = self.scan.rest();
        let mut writes = transaction.writes.borrow_mut();
        writes.begin_taking(self.keyspace, from, to);
        self.taking = Some(writes.version());
        Ok(true)
    }
}

impl Transaction {
    /// Deletes all keys of a range that the transaction sees.
    ///
    /// A large range becomes one record, however many keys it has. That is possible only if
    /// nobody else has written into it since the transaction began; the check is exact from this
    /// call on, and before it only as exact as "nobody wrote in this keyspace". If it fails, the
    /// error is a [`Conflict::Range`], and [`run`](crate::TransactionManager::run) tries again
    /// with an exact check from the beginning.
    pub fn delete_range(&mut self, keyspace: KeyspaceRef, range: KeyRange) -> Result<()> {
        check_range(&range)?;
        self.check_writable(&[])?;
        if self.delete_few(keyspace, &range)? {
            return Ok(());
        }
        self.make_room()?;
        self.watch_range(keyspace, &range)?;
        self.end_popping();
        self.note_counted(keyspace);
        self.writes
            .get_mut()
            .delete_range(keyspace.id, &range.start, range.end.as_deref());
        self.charge_writes();
        Ok(())
    }

    /// Deletes the range key by key if it has few keys; returns whether it had.
    fn delete_few(&mut self, keyspace: KeyspaceRef, range: &KeyRange) -> Result<bool> {
        let mut scan = self.scan(keyspace, range.clone())?;
        let mut keys = Vec::new();
        while let Some(((key, _), existed)) = scan.next_with_origin(self, Direction::Forward)? {
            if keys.len() == POINT_DELETES_MAX {
                return Ok(false);
            }
            keys.push((key, existed));
        }
        for (key, existed) in keys {
            self.write(keyspace, &key, None, NEVER, existed)?;
        }
        Ok(true)
    }

    /// Makes a range something that must be unchanged when the transaction commits.
    fn watch_range(&mut self, keyspace: KeyspaceRef, range: &KeyRange) -> Result<()> {
        if self.watch.is_none() {
            self.watch = Some(self.shared.checks.recent.watch(&self.shared.engine)?);
        }
        let recorded_after = self.watch.as_ref().map_or(0, Watch::after);
        let seen = match self.isolation {
            // What was committed before now is meant to be deleted.
            IsolationLevel::ReadCommitted => self.engine().visible_sequence(),
            IsolationLevel::Snapshot | IsolationLevel::Serializable => self.snapshot.sequence(),
        };
        let newest = self.shared.checks.slots.newest_in(keyspace.id);
        if recorded_after > seen && newest > seen {
            return Err(Error::Conflict(Conflict::Range));
        }
        self.reads
            .get_mut()
            .add_range(keyspace.id, &range.start, range.end.as_deref());
        Ok(())
    }

    /// Removes the first entry of a range and returns it.
    pub fn pop_first(&mut self, keyspace: KeyspaceRef, range: &KeyRange) -> Result<Option<Entry>> {
        self.pop(keyspace, range, Direction::Forward)
    }

    /// Removes the last entry of a range and returns it.
    pub fn pop_last(&mut self, keyspace: KeyspaceRef, range: &KeyRange) -> Result<Option<Entry>> {
        self.pop(keyspace, range, Direction::Backward)
    }

    fn pop(
        &mut self,
        keyspace: KeyspaceRef,
        range: &KeyRange,
        direction: Direction,
    ) -> Result<Option<Entry>> {
        self.check_writable(&[])?;
        let mut popping = match self.popping.take() {
            Some(p) if p.keyspace == keyspace.id && p.range == *range => p,
            other => {
                self.popping = other;
                self.end_popping();
                let scan = self.scan(keyspace, range.clone())?;
                Popping {
                    keyspace: keyspace.id,
                    range: range.clone(),
                    scan,
                    singles: 0,
                    taking: None,
                }
            }
        };
        let found = match popping.may_take(self)? {
            true => self.take(keyspace, &mut popping.scan, direction)?,
            false => self.pop_single(keyspace, &mut popping, direction)?,
        };
        self.popping = Some(popping);
        Ok(found)
    }

    fn pop_single(
        &mut self,
        keyspace: KeyspaceRef,
        popping: &mut Popping,
        direction: Direction,
    ) -> Result<Option<Entry>> {
        let scan = &mut popping.scan;
        let Some((entry, existed)) = scan.next_with_origin(self, direction)? else {
            return Ok(None);
        };
        self.remove_passed(keyspace, &entry.0, existed, scan)?;
        popping.singles += 1;
        Ok(Some(entry))
    }

    /// Pops the next key by extending the range that the walk has taken.
    fn take(
        &mut self,
        keyspace: KeyspaceRef,
        scan: &mut Scan,
        direction: Direction,
    ) -> Result<Option<Entry>> {
        let Some(entry) = scan.next_untouched(self, direction)? else {
            return Ok(None);
        };
        self.note_counted(keyspace);
        let writes = self.writes.get_mut();
        match direction {
            Direction::Forward => writes.take_first(&entry.0),
            Direction::Backward => writes.take_last(&entry.0),
        }
        Ok(Some(entry))
    }

    /// Deletes a key that a scan has just passed.
    fn remove_passed(
        &mut self,
        keyspace: KeyspaceRef,
        key: &[u8],
        existed: Option<bool>,
        scan: &mut Scan,
    ) -> Result<()> {
        let before = self.writes().version();
        self.write(keyspace, key, None, NEVER, existed)?;
        scan.acknowledge(before, self.writes().version());
        Ok(())
    }

    /// Forgets the walk of the last pop, but not that everything behind it is gone.
    pub(crate) fn end_popping(&mut self) {
        let Some(popping) = self.popping.take() else {
            return;
        };
        let (from, to) = popping.scan.rest();
        let KeyRange { start, end } = &popping.range;
        let writes = self.writes.get_mut();
        writes.end_taking();
        if start.as_slice() < from {
            writes.add_hole(popping.keyspace, start, Some(from));
        }
        if let Some(to) = to
            && is_before(to, end.as_deref())
        {
            writes.add_hole(popping.keyspace, to, end.as_deref());
        }
    }

    /// Removes the entries of a range for which `wanted` says yes, as [`Extract`] walks over them.
    pub fn extract<F>(
        &self,
        keyspace: KeyspaceRef,
        range: KeyRange,
        wanted: F,
    ) -> Result<Extract<F>>
    where
        F: FnMut(&[u8], &[u8]) -> bool,
    {
        let gap = Gap {
            from: range.start.clone(),
            removed: 0,
            version: self.writes().version(),
        };
        let end = range.end.clone();
        Ok(Extract {
            scan: self.scan(keyspace, range)?,
            keyspace,
            wanted,
            end,
            gap,
        })
    }

    /// Removes the entries of a range for which `keep` says no; returns how many.
    pub fn retain(
        &mut self,
        keyspace: KeyspaceRef,
        range: KeyRange,
        mut keep: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<u64> {
        self.extract_all(keyspace, range, |key, value| !keep(key, value), |_| ())
    }

    /// Removes the entries of a range for which `wanted` says yes, and hands each to `take`; returns
    /// how many. After an error some of those that were handed out may still be there.
    ///
    /// As nobody reads in between, the deletions of many pass the write set by, in the order of their
    /// keys (see [`ascending`](crate::ascending)).
    pub fn extract_all(
        &mut self,
        keyspace: KeyspaceRef,
        range: KeyRange,
        wanted: impl FnMut(&[u8], &[u8]) -> bool,
        mut take: impl FnMut(Entry),
    ) -> Result<u64> {
        self.check_writable(&[])?;
        if self.isolation == IsolationLevel::ReadCommitted {
            // Each key is locked before it is removed.
            let mut extract = self.extract(keyspace, range, wanted)?;
            let mut count = 0;
            while let Some(entry) = extract.next(self)? {
                take(entry);
                count += 1;
            }
            return Ok(count);
        }
        let mut removal = Removal {
            from: range.start.clone(),
            kept: None,
            removed: 0,
            entries: self.ascending_entries(keyspace),
            holes: Vec::new(),
        };
        let walked = removal.walk(self, keyspace, range, wanted, take);
        let Removal { entries, holes, .. } = removal;
        let count = entries.count();
        let written = self.put_ascending(entries);
        walked?;
        written?;
        for (from, end) in holes {
            self.add_hole(keyspace.id, &from, end.as_deref());
        }
        Ok(count)
    }
}

/// A walk that removes, of which nobody sees anything before it ends.
struct Removal {
    /// Where the stretch begins in which nothing was kept: here, or behind the key that was kept last.
    from: Vec<u8>,
    kept: Option<Slice>,
    /// How many were removed in it.
    removed: usize,
    entries: AscendingEntries,
    /// Long stretches of which everything was removed.
    holes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Removal {
    fn walk(
        &mut self,
        transaction: &Transaction,
        keyspace: KeyspaceRef,
        range: KeyRange,
        mut wanted: impl FnMut(&[u8], &[u8]) -> bool,
        mut take: impl FnMut(Entry),
    ) -> Result<()> {
        let end = range.end.clone();
        let mut scan = transaction.scan(keyspace, range)?;
        while let Some((entry, existed)) = scan.next_with_origin(transaction, Direction::Forward)? {
            if wanted(&entry.0, &entry.1) {
                let ascends = self.entries.delete(&entry.0, existed)?;
                debug_assert!(ascends, "a walk forward does not go back");
                self.removed += 1;
                take(entry);
            } else {
                self.end_gap(Some(&entry.0));
                self.kept = Some(entry.0);
            }
        }
        self.end_gap(end.as_deref());
        Ok(())
    }

    /// Notes the stretch up to `end` if much was removed in it.
    fn end_gap(&mut self, end: Option<&[u8]>) {
        if std::mem::take(&mut self.removed) >= HOLE_SKIPS {
            let from = match &self.kept {
                // The first key after another is that one and a zero.
                Some(kept) => [kept, &[0][..]].concat(),
                None => self.from.clone(),
            };
            self.holes.push((from, end.map(<[u8]>::to_vec)));
        }
    }
}

/// A walk that removes what it returns. Made by [`Transaction::extract`].
#[derive(Debug)]
pub struct Extract<F> {
    scan: Scan,
    keyspace: KeyspaceRef,
    wanted: F,
    end: Option<Vec<u8>>,
    gap: Gap,
}

/// The stretch without a kept key that an [`Extract`] is in.
#[derive(Debug)]
struct Gap {
    from: Vec<u8>,
    removed: usize,
    /// The write set's version after the last removal. If it is another one by the next step, the
    /// transaction wrote in between, perhaps into the gap.
    version: u64,
}

impl<F: FnMut(&[u8], &[u8]) -> bool> Extract<F> {
    /// Removes the next wanted entry and returns it.
    pub fn next(&mut self, transaction: &mut Transaction) -> Result<Option<Entry>> {
        if transaction.writes().version() != self.gap.version {
            self.gap.begin_at(self.scan.rest().0, transaction);
        }
        while let Some((entry, existed)) = self
            .scan
            .next_with_origin(transaction, Direction::Forward)?
        {
            if (self.wanted)(&entry.0, &entry.1) {
                let (keyspace, scan) = (self.keyspace, &mut self.scan);
                transaction.remove_passed(keyspace, &entry.0, existed, scan)?;
                self.gap.removed += 1;
                self.gap.version = transaction.writes().version();
                return Ok(Some(entry));
            }
            self.end_gap(Some(&entry.0), transaction);
            self.gap.begin_after(&entry.0, transaction);
        }
        let end = self.end.take();
        self.end_gap(end.as_deref(), transaction);
        self.gap.removed = 0;
        Ok(None)
    }

    fn end_gap(&self, end: Option<&[u8]>, transaction: &Transaction) {
        if self.gap.removed >= HOLE_SKIPS {
            transaction.add_hole(self.keyspace.id, &self.gap.from, end);
        }
    }
}

impl Gap {
    /// Begins anew at a key.
    fn begin_at(&mut self, key: &[u8], transaction: &Transaction) {
        self.from.clear();
        self.from.extend_from_slice(key);
        self.removed = 0;
        self.version = transaction.writes().version();
    }

    /// Begins anew behind a key.
    fn begin_after(&mut self, key: &[u8], transaction: &Transaction) {
        self.begin_at(key, transaction);
        // The first key after another is that one and a zero.
        self.from.push(0);
    }
}
