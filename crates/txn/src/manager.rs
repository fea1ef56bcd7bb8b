//! The entry to transactions: one manager per open database.
//!
//! The manager owns what transactions share: the conflict table, the list of recent commits, the
//! lock table. All commits of a database go through it, also those outside of transactions
//! (`autocommit`), because a commit that leaves no trace there cannot conflict.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustdb_storage::{KeyspaceId, SequenceNumber};

use crate::Result;
use crate::conflict::{Checks, Recent, Slots};
use crate::lock::{LockOwner, LockTable, OwnerId, Party, SessionLocks, Wait};
use crate::moves::Moves;
use crate::transaction::{Access, IsolationLevel, Transaction};
use rustdb_storage::engine::Engine;

/// Names of keyspaces begin with this if they belong to a layer above and not to users, who can
/// neither reach nor make them.
pub const RESERVED_KEYSPACES: &str = "__rustdb/";

/// What a caller may choose when making a [`TransactionManager`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionOptions {
    /// Slots of the table that clears most keys of conflicts; a power of two, eight bytes each.
    pub conflict_slots: usize,
    /// Memory for the list of recent commits, which is kept while serializable transactions run.
    pub recent_bytes_max: usize,
    /// Ranges and keys a serializable transaction remembers before it joins neighbours.
    pub read_ranges_max: usize,
    /// Memory for the writes of one transaction: a half of it goes to sorted files while the other
    /// fills.
    pub write_set_bytes_max: usize,
    /// Locks held or waited for, over all transactions.
    pub locks_max: usize,
    /// Memory for where rows went whose keys were changed.
    pub moves_bytes_max: usize,
    /// How long a write outside of a transaction waits for a locked key, and a transaction where
    /// it does not say.
    pub lock_wait: Wait,
    /// How often [`TransactionManager::run`] tries.
    pub attempts_max: u32,
}

impl Default for TransactionOptions {
    fn default() -> Self {
        Self {
            conflict_slots: 1 << 16,
            recent_bytes_max: 64 << 20,
            read_ranges_max: 1 << 16,
            write_set_bytes_max: 32 << 20,
            locks_max: 1 << 20,
            moves_bytes_max: 8 << 20,
            lock_wait: Wait::AtMost(Duration::from_secs(10)),
            attempts_max: 100,
        }
    }
}

impl TransactionOptions {
    /// These options with every part scaled to a budget of memory, unless it is smaller already.
    #[must_use]
    pub fn within(mut self, budget: usize) -> Self {
        let share = |part: usize| budget / part;
        self.conflict_slots = self
            .conflict_slots
            .min((share(64) / size_of::<u64>()).next_power_of_two());
        self.recent_bytes_max = self.recent_bytes_max.min(share(32));
        self.write_set_bytes_max = self.write_set_bytes_max.min(share(16).max(256 << 10));
        self.read_ranges_max = self.read_ranges_max.min(share(1024).max(1 << 10));
        self.moves_bytes_max = self.moves_bytes_max.min(share(64));
        self.locks_max = self.locks_max.min(share(4096).max(1 << 12));
        self
    }
}

/// A keyspace as transactions need it: its number, and whether its keys are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyspaceRef {
    /// The number in storage keys.
    pub id: KeyspaceId,
    /// Whether commits keep an exact count of its keys.
    pub is_counted: bool,
}

/// Begins transactions and commits single writes. Clones share everything.
#[derive(Clone, Debug)]
pub struct TransactionManager {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) options: TransactionOptions,
    pub(crate) checks: Checks,
    pub(crate) moves: Moves,
    next_owner: AtomicU64,
}

impl TransactionManager {
    /// Puts transactions over an engine. There must be one manager per engine.
    pub fn new(engine: Engine, options: TransactionOptions) -> Self {
        let checks = Checks {
            slots: Slots::new(options.conflict_slots),
            recent: Arc::new(Recent::new(options.recent_bytes_max)),
            locks: Arc::new(LockTable::new(options.locks_max, 0)),
        };
        let shared = Shared {
            moves: Moves::new(options.moves_bytes_max),
            engine,
            options,
            checks,
            next_owner: AtomicU64::new(1),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The engine below.
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// The locks of all transactions.
    pub fn locks(&self) -> &Arc<LockTable> {
        &self.shared.checks.locks
    }

    /// The keyspace with this number. One that does not exist counts as not counted.
    pub fn keyspace(&self, id: KeyspaceId) -> KeyspaceRef {
        let info = self.shared.engine.keyspace_by_id(id);
        KeyspaceRef {
            id,
            is_counted: info.is_some_and(|info| info.options.counted),
        }
    }

    /// Begins a transaction.
    pub fn begin(&self, isolation: IsolationLevel, access: Access) -> Result<Transaction> {
        Transaction::begin(self.shared.clone(), isolation, access)
    }

    /// Someone whose transactions follow each other and do not wait for each other's locks, nor for
    /// [their own](Self::session_locks). Its waits end soon after the flag is set.
    pub fn new_party(&self, cancelled: Arc<AtomicBool>) -> Party {
        Party::new(self.shared.new_owner_id(), Some(cancelled))
    }

    /// Begins a transaction of a party, which has no other one that holds locks.
    pub fn begin_as(
        &self,
        party: &Party,
        isolation: IsolationLevel,
        access: Access,
    ) -> Result<Transaction> {
        Transaction::begin_as(self.shared.clone(), party.clone(), isolation, access)
    }

    /// The locks that a party holds beside its transactions; one such thing for each party.
    pub fn session_locks(&self, party: &Party) -> SessionLocks {
        SessionLocks::new(self.locks().clone(), party.clone())
    }

    /// The locks of something that a party does without a transaction, while it has none. They are
    /// given back when they are dropped.
    pub fn locks_of(&self, party: &Party) -> LockOwner {
        LockOwner::of(self.locks().clone(), party.clone())
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn shared_arc(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Shared {
    pub(crate) fn new_owner_id(&self) -> OwnerId {
        self.next_owner.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn new_owner(&self) -> LockOwner {
        LockOwner::new(self.checks.locks.clone(), self.new_owner_id())
    }

    /// Waits until every write of the key that was let through before this call is visible, and
    /// returns whether one of them is newer than `snapshot`.
    ///
    /// The caller holds a lock on the key, so none is let through later.
    pub(crate) fn changed_since(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        snapshot: SequenceNumber,
    ) -> Result<bool> {
        let hash = crate::conflict::key_hash(keyspace, key);
        let mut newest = self.checks.slots.newest(keyspace, hash);
        if newest > self.engine.visible_sequence() {
            // A commit that is refused takes its mark back; with the pipeline paused, none is in
            // between, and what is marked was given out.
            newest = self
                .engine
                .paused(|_| self.checks.slots.newest(keyspace, hash));
            self.engine.wait_visible(newest)?;
        }
        if newest <= snapshot {
            return Ok(false);
        }
        Ok(self.engine.newest_sequence(keyspace, key)? > Some(snapshot))
    }
}
