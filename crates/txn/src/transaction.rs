//! A transaction: a snapshot to read, writes of its own, and locks.
//!
//! # Levels
//!
//! | level | reads | a concurrent writer of the same key | a concurrent change of what it read |
//! |---|---|---|---|
//! | `ReadCommitted` | newest snapshot asked for | waits for the lock, then overwrites | not noticed |
//! | `Snapshot` | one snapshot | first to commit wins, the other conflicts | not noticed |
//! | `Serializable` | one snapshot | as `Snapshot` | conflicts |
//!
//! `ReadCommitted` is for layers that lock what they write and re-read what they waited for, as
//! SQL does; a write takes the key's `UPDATE` lock, and the commit never fails on a conflict.
//!
//! A transaction that only reads never conflicts: its snapshot is a moment in the order of
//! commits, which is the order the serializable transactions are equivalent to.
//!
//! # Reading
//!
//! A read looks into the write set first, then at the snapshot. Dropping a transaction rolls it
//! back.

use std::cell::{Ref, RefCell};
use std::sync::Arc;

use rustdb_storage::KeyspaceId;
use rustdb_storage::memory::MemoryCharge;

use crate::conflict::Watch;
use crate::error::{Conflict, Error, Result};
use crate::limits::{check_expiry, check_key, check_value};
use crate::lock::{AdvisoryKey, LockMark, LockOwner, ObjectMode, OwnerId, Party, RowMode, Wait};
use crate::manager::{KeyspaceRef, Shared};
use crate::moves::Move;
use crate::reads::ReadSet;
use crate::removal::Popping;
use crate::write_set::{NEVER, SavepointId, Write, WriteSet};
use rustdb_storage::engine::{Engine, ReadAt, Snapshot};
use rustdb_storage::slice::Slice;

/// What a transaction is shielded from. See the module's documentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IsolationLevel {
    /// Every statement sees what is committed when it starts; writes lock.
    ReadCommitted,
    /// The transaction sees one moment; of two writers of a key the first to commit wins.
    #[default]
    Snapshot,
    /// As if transactions ran one after the other.
    Serializable,
}

/// What a transaction may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read and write.
    #[default]
    ReadWrite,
    /// Read only. Costs nothing to commit and never conflicts.
    ReadOnly,
}

/// Whether a locked row is still what the snapshot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    /// As in the snapshot.
    Unchanged,
    /// A transaction that committed after the snapshot was taken wrote or deleted it.
    Changed,
}

/// A transaction in progress. Owned, and free to move between threads.
#[derive(Debug)]
pub struct Transaction {
    pub(crate) shared: Arc<Shared>,
    pub(crate) snapshot: Snapshot,
    pub(crate) isolation: IsolationLevel,
    access: Access,
    pub(crate) locks: LockOwner,
    pub(crate) writes: RefCell<WriteSet>,
    /// What has to be unchanged at commit: what a serializable transaction read, and the ranges
    /// that any transaction deleted.
    pub(crate) reads: RefCell<ReadSet>,
    /// Keeps what was committed since then on record.
    pub(crate) watch: Option<Watch>,
    savepoints: Vec<Savepoint>,
    /// Rows that were given other keys.
    pub(crate) moves: Vec<Move>,
    /// The counted keyspaces written to.
    counted: Vec<KeyspaceId>,
    /// The walk of the last `pop_first` or `pop_last`, to go on from.
    pub(crate) popping: Option<Popping>,
    /// For the writes in memory, once they are worth it.
    pub(crate) charge: Option<MemoryCharge>,
}

/// The memory of writes that were rolled back.
#[derive(Debug)]
pub struct RolledBack {
    _writes: WriteSet,
    _charge: Option<MemoryCharge>,
}

/// A moment to return to.
#[derive(Debug)]
struct Savepoint {
    id: SavepointId,
    locks: LockMark,
    moves: usize,
}

impl Transaction {
    pub(crate) fn begin(
        shared: Arc<Shared>,
        isolation: IsolationLevel,
        access: Access,
    ) -> Result<Self> {
        let locks = shared.new_owner();
        Self::begin_with(shared, locks, isolation, access)
    }

    /// Begins a transaction whose locks are those of a party.
    pub(crate) fn begin_as(
        shared: Arc<Shared>,
        party: Party,
        isolation: IsolationLevel,
        access: Access,
    ) -> Result<Self> {
        let locks = LockOwner::of(shared.checks.locks.clone(), party);
        Self::begin_with(shared, locks, isolation, access)
    }

    fn begin_with(
        shared: Arc<Shared>,
        locks: LockOwner,
        isolation: IsolationLevel,
        access: Access,
    ) -> Result<Self> {
        let watches = isolation == IsolationLevel::Serializable && access == Access::ReadWrite;
        let mut transaction = Self::begin_unwatched(shared, locks, isolation, access);
        if watches {
            transaction.watch_all()?;
        }
        Ok(transaction)
    }

    /// Begins a transaction that can delete any range whatever else goes on.
    pub(crate) fn begin_watching(shared: Arc<Shared>, isolation: IsolationLevel) -> Result<Self> {
        let locks = shared.new_owner();
        let mut transaction = Self::begin_unwatched(shared, locks, isolation, Access::ReadWrite);
        transaction.watch_all()?;
        Ok(transaction)
    }

    fn begin_unwatched(
        shared: Arc<Shared>,
        locks: LockOwner,
        isolation: IsolationLevel,
        access: Access,
    ) -> Self {
        let snapshot = shared.engine.snapshot();
        Self::begin_at(shared, locks, snapshot, isolation, access)
    }

    pub(crate) fn begin_at(
        shared: Arc<Shared>,
        locks: LockOwner,
        snapshot: Snapshot,
        isolation: IsolationLevel,
        access: Access,
    ) -> Self {
        let reads = ReadSet::new(shared.options.read_ranges_max);
        Self {
            snapshot,
            isolation,
            access,
            locks,
            writes: RefCell::new(WriteSet::new()),
            reads: RefCell::new(reads),
            watch: None,
            savepoints: Vec::new(),
            moves: Vec::new(),
            counted: Vec::new(),
            popping: None,
            charge: None,
            shared,
        }
    }

    /// Sees to it that everything committed after the snapshot is on record.
    fn watch_all(&mut self) -> Result<()> {
        let mut watch = self.shared.checks.recent.watch(&self.shared.engine)?;
        self.snapshot = self.shared.engine.snapshot();
        watch.advance(self.snapshot.sequence());
        self.watch = Some(watch);
        Ok(())
    }

    // --------------------------------------------------------------------------------- about

    /// The moment the transaction reads at.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The isolation level.
    pub fn isolation(&self) -> IsolationLevel {
        self.isolation
    }

    /// The number by which the lock table knows this transaction.
    pub fn id(&self) -> OwnerId {
        self.locks.id()
    }

    /// Whether nothing was written so far.
    pub fn is_clean(&self) -> bool {
        self.writes.borrow().is_empty()
    }

    /// About what the writes take in memory.
    pub fn memory_bytes(&self) -> usize {
        self.writes.borrow().memory_bytes()
    }

    /// The engine below.
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(crate) fn writes(&self) -> Ref<'_, WriteSet> {
        self.writes.borrow()
    }

    pub(crate) fn now(&self) -> u64 {
        self.shared.engine.vfs().wall_micros()
    }

    pub(crate) fn add_hole(&self, keyspace: KeyspaceId, start: &[u8], end: Option<&[u8]>) {
        self.writes.borrow_mut().add_hole(keyspace, start, end);
    }

    pub(crate) fn remembers_reads(&self) -> bool {
        self.isolation == IsolationLevel::Serializable && self.access == Access::ReadWrite
    }

    /// Sees everything committed so far, in a `ReadCommitted` transaction.
    pub fn refresh(&mut self) -> Result<()> {
        if self.isolation != IsolationLevel::ReadCommitted {
            return Err(Error::InvalidArgument(
                "only a read committed transaction can change its snapshot".into(),
            ));
        }
        // Mostly nothing was committed since, and the snapshot need not be registered again.
        if self.engine().visible_sequence() != self.snapshot.sequence() {
            self.snapshot = self.engine().snapshot();
        }
        self.popping = None;
        self.writes.borrow_mut().clear_holes();
        Ok(())
    }

    // ------------------------------------------------------------------------------- writing

    /// Writes a value.
    pub fn put(&mut self, keyspace: KeyspaceRef, key: &[u8], value: &[u8]) -> Result<()> {
        check_value(value)?;
        self.write(keyspace, key, Some(Slice::copy_from(value)), NEVER, None)
    }

    /// Writes a value that is gone from `expiry` on, in microseconds since the Unix epoch.
    pub fn put_expiring(
        &mut self,
        keyspace: KeyspaceRef,
        key: &[u8],
        value: &[u8],
        expiry: u64,
    ) -> Result<()> {
        check_value(value)?;
        check_expiry(keyspace)?;
        self.write(keyspace, key, Some(Slice::copy_from(value)), expiry, None)
    }

    /// Deletes a key, or does nothing if it does not exist.
    pub fn delete(&mut self, keyspace: KeyspaceRef, key: &[u8]) -> Result<()> {
        self.write(keyspace, key, None, NEVER, None)
    }

    pub(crate) fn write(
        &mut self,
        keyspace: KeyspaceRef,
        key: &[u8],
        value: Option<Slice>,
        expiry: u64,
        existed: Option<bool>,
    ) -> Result<()> {
        self.check_writable(key)?;
        let is_checked = self.isolation != IsolationLevel::ReadCommitted;
        let mut existed = existed;
        if !is_checked {
            self.lock_row(
                keyspace,
                key,
                RowMode::Update,
                self.shared.options.lock_wait,
            )?;
            // It may have come or gone while we waited.
            existed = None;
        }
        self.write_raw(
            keyspace,
            key,
            Write {
                value,
                expiry,
                is_checked,
                existed,
            },
        )
    }

    pub(crate) fn write_raw(
        &mut self,
        keyspace: KeyspaceRef,
        key: &[u8],
        write: Write,
    ) -> Result<()> {
        self.make_room()?;
        self.about_to_write(keyspace, key, &write);
        self.writes.get_mut().write(keyspace.id, key, write);
        self.charge_writes();
        Ok(())
    }

    pub(crate) fn about_to_write(&mut self, keyspace: KeyspaceRef, key: &[u8], write: &Write) {
        // A walk that is past this key would not see it.
        if write.value.is_some()
            && self
                .popping
                .as_ref()
                .is_some_and(|p| p.has_passed(keyspace.id, key))
        {
            self.end_popping();
        }
        self.note_counted(keyspace);
    }

    pub(crate) fn note_counted(&mut self, keyspace: KeyspaceRef) {
        if keyspace.is_counted && !self.counted.contains(&keyspace.id) {
            self.counted.push(keyspace.id);
        }
    }

    /// Whether a keyspace that was written to is counted.
    pub(crate) fn is_counted(&self, keyspace: KeyspaceId) -> bool {
        self.counted.contains(&keyspace)
    }

    pub(crate) fn check_writable(&self, key: &[u8]) -> Result<()> {
        if self.access == Access::ReadOnly {
            return Err(Error::ReadOnly);
        }
        check_key(key)
    }

    // --------------------------------------------------------------------------------- locks

    /// Locks a row until the end of the transaction, and tells whether it is still what the
    /// snapshot says.
    pub fn lock_row(
        &mut self,
        keyspace: KeyspaceRef,
        key: &[u8],
        mode: RowMode,
        wait: Wait,
    ) -> Result<RowState> {
        self.locks.lock_row(keyspace.id, key, mode, wait)?;
        self.row_state(keyspace, key)
    }

    /// Whether a row is still what the snapshot says.
    pub(crate) fn row_state(&self, keyspace: KeyspaceRef, key: &[u8]) -> Result<RowState> {
        let snapshot = self.snapshot.sequence();
        match self.shared.changed_since(keyspace.id, key, snapshot)? {
            false => Ok(RowState::Unchanged),
            true => Ok(RowState::Changed),
        }
    }

    /// Locks a named object until the end of the transaction.
    pub fn lock_object(&mut self, object: u64, mode: ObjectMode, wait: Wait) -> Result<()> {
        Ok(self.locks.lock_object(object, mode, wait)?)
    }

    /// Waits until the transactions that hold a named object now, in a mode that conflicts with this
    /// one, are over; nobody has to wait behind this, and nothing is held afterwards.
    pub fn outlast_object(&mut self, object: u64, mode: ObjectMode, wait: Wait) -> Result<()> {
        Ok(self.locks.outlast_object(object, mode, wait)?)
    }

    /// Locks what programs agree on until the end of the transaction.
    pub fn lock_advisory(&mut self, key: AdvisoryKey, mode: ObjectMode, wait: Wait) -> Result<()> {
        Ok(self.locks.lock_advisory(key, mode, wait)?)
    }

    /// Locks a key for writing, waiting if need be, and returns its value.
    ///
    /// If the key was changed since the snapshot, a `ReadCommitted` transaction gets the new
    /// value, and the others conflict.
    pub fn get_for_update(&mut self, keyspace: KeyspaceRef, key: &[u8]) -> Result<Option<Slice>> {
        self.check_writable(key)?;
        let wait = self.shared.options.lock_wait;
        match (
            self.lock_row(keyspace, key, RowMode::Update, wait)?,
            self.isolation,
        ) {
            (RowState::Unchanged, _) => self.get(keyspace, key),
            (RowState::Changed, IsolationLevel::ReadCommitted) => self.get_newest(keyspace, key),
            (RowState::Changed, IsolationLevel::Snapshot | IsolationLevel::Serializable) => {
                Err(Error::Conflict(Conflict::Write))
            }
        }
    }

    /// The newest committed value of a key, or the transaction's own; what to read after waiting
    /// for a lock.
    pub fn get_newest(&self, keyspace: KeyspaceRef, key: &[u8]) -> Result<Option<Slice>> {
        if let Some(write) = self.writes.borrow().find(keyspace.id, key)? {
            return Ok(write.into_visible(|| self.now()));
        }
        Ok(self.engine().get(keyspace.id, key, ReadAt::Latest)?)
    }

    // ---------------------------------------------------------------------------- savepoints

    /// Marks a moment that can be returned to.
    pub fn savepoint(&mut self) -> SavepointId {
        // What the walk takes belongs to the layer that it began in.
        self.end_popping();
        let id = self.writes.get_mut().savepoint();
        self.savepoints.push(Savepoint {
            id,
            locks: self.locks.mark(),
            moves: self.moves.len(),
        });
        id
    }

    /// Undoes all writes since the savepoint and releases the locks taken since. The savepoint
    /// stays; later ones are gone.
    pub fn rollback_to(&mut self, savepoint: SavepointId) -> Result<()> {
        if !self.writes.get_mut().rollback_to(savepoint) {
            return Err(Error::NoSuchSavepoint);
        }
        let at = self.savepoint_index(savepoint)?;
        self.savepoints.truncate(at + 1);
        self.locks.release_since(self.savepoints[at].locks);
        self.moves.truncate(self.savepoints[at].moves);
        self.popping = None;
        Ok(())
    }

    /// Forgets a savepoint and later ones, and keeps what was done since.
    pub fn release(&mut self, savepoint: SavepointId) -> Result<()> {
        self.end_popping();
        if !self
            .writes
            .get_mut()
            .release(&self.shared.engine, savepoint)?
        {
            return Err(Error::NoSuchSavepoint);
        }
        let at = self.savepoint_index(savepoint)?;
        self.savepoints.truncate(at);
        Ok(())
    }

    /// Hides what was written since the savepoint from reads, or shows it again, for layers whose
    /// statements are not to see what they write themselves. Returns whether that changed
    /// anything. Nothing may be written, and no savepoint made, while something is hidden.
    pub fn hide_since(&mut self, savepoint: SavepointId, is_hidden: bool) -> bool {
        let writes = self.writes.get_mut();
        self.popping = None;
        match is_hidden {
            true => writes.set_aside(savepoint),
            false => {
                let version = writes.version();
                writes.put_back();
                writes.version() != version
            }
        }
    }

    /// Whether the transaction has written a key since the savepoint.
    pub fn has_written_since(
        &self,
        savepoint: SavepointId,
        keyspace: KeyspaceRef,
        key: &[u8],
    ) -> Result<bool> {
        let writes = self.writes.borrow();
        Ok(writes.writes_since(savepoint, keyspace.id, key)?)
    }

    fn savepoint_index(&self, savepoint: SavepointId) -> Result<usize> {
        let mut marks = self.savepoints.iter();
        marks
            .rposition(|each| each.id == savepoint)
            .ok_or(Error::NoSuchSavepoint)
    }

    /// Forgets all writes and releases all locks, as dropping the transaction does.
    pub fn rollback(self) {}

    /// As [`rollback`](Self::rollback), and what the writes took in memory is freed when the caller
    /// drops what it is given: of millions of writes that takes a while.
    pub fn rollback_leaving(self) -> RolledBack {
        RolledBack {
            _writes: self.writes.into_inner(),
            _charge: self.charge,
        }
    }

    /// About what the writes take in memory.
    pub fn write_bytes(&self) -> usize {
        self.writes.borrow().bytes()
    }
}
