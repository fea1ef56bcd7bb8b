//! The table itself: shards of queues, and the steps between granting and waiting.
//!
//! # Locking order
//!
//! A shard's mutex, then the wait graph's, then a ticket's. The graph is touched only when
//! someone has to wait, or when a lock with waiters changes.
//!
//! # Beside writers that take no locks
//!
//! Optimistic transactions ask [`LockTable::is_row_locked_by_other`] while they commit. With no
//! row locked that is one atomic load. The count of locked rows is raised, with sequential
//! consistency, before a grant is reported; how that pairs with a commit is told in
//! `conflict.rs`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rustdb_storage::KeyspaceId;
use rustdb_storage::key::split_storage_key;
use rustdb_storage::slice::{INLINE_BYTES_MAX, Slice};
use rustdb_vfs::sync::{Mutex, MutexGuard};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::cover::Covers;
use super::mode::{Mode, ModeSet, ObjectMode};
use super::queue::{Queue, Waiter};
use super::wait::{Ticket, WaitGraph};
use super::{LockError, OwnerId, Party, Term, Wait};

/// The number of independently locked parts; a power of two.
const SHARDS: usize = 64;

/// How often who waits looks whether it was told to stop.
const CANCEL_POLL: Duration = Duration::from_millis(20);

/// What is locked, and its hash, which is made once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    hash: u64,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A storage key.
    Row(Slice),
    /// Those rows of a keyspace that are [covered](super::cover).
    Rows(KeyspaceId),
    Object(u64),
    Advisory(AdvisoryKey),
}

/// What an advisory lock is on: a number that programs give a meaning to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdvisoryKey {
    /// Whose number it is: databases do not meet.
    pub database: u32,
    /// The number, or two of 32 bits with the first one above.
    pub key: u64,
    /// Whether it is two numbers: they are another key than the one of the same bits.
    pub is_pair: bool,
}

/// All locks of a database.
#[derive(Debug)]
pub struct LockTable {
    locks_max: usize,
    /// Of the hashes, so that nobody outside can aim at one shard; fixed under simulation.
    seed: u64,
    shards: Box<[Mutex<Shard>]>,
    pub(super) graph: Mutex<WaitGraph>,
    /// Requests granted or waiting.
    used: AtomicUsize,
    /// Grants on rows.
    rows: AtomicUsize,
    /// Grants on objects in ACCESS EXCLUSIVE mode.
    exclusive: AtomicUsize,
    pub(super) covers: Covers,
    pub(super) counters: Counters,
}

/// A part of the table. Only locks that someone holds or wants are in it.
pub(super) type Shard = HashMap<Target, Queue, BuildHasherDefault<Ready>>;

/// Passes on the hash that a [`Target`] has.
#[derive(Debug, Default)]
pub(super) struct Ready(u64);

impl Hasher for Ready {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) waits: AtomicU64,
    deadlocks: AtomicU64,
    timeouts: AtomicU64,
}

/// What [`LockTable::stats`] tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockStats {
    /// Requests granted or waiting now.
    pub used: usize,
    /// Requests that had to wait.
    pub waits: u64,
    /// Requests refused because they would have waited for ever.
    pub deadlocks: u64,
    /// Waits that ran out of time.
    pub timeouts: u64,
}

impl LockTable {
    /// A table for at most `locks_max` locks; `seed` spreads keys over shards.
    pub fn new(locks_max: usize, seed: u64) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::default())).collect();
        Self {
            locks_max,
            seed,
            shards,
            graph: Mutex::default(),
            used: AtomicUsize::new(0),
            rows: AtomicUsize::new(0),
            exclusive: AtomicUsize::new(0),
            covers: Covers::default(),
            counters: Counters::default(),
        }
    }

    /// A row, by its key.
    pub(super) fn row(&self, keyspace: KeyspaceId, key: &[u8]) -> Target {
        let mut short = [0; INLINE_BYTES_MAX];
        let prefix = keyspace.prefix();
        let length = prefix.len() + key.len();
        let long: Vec<u8>;
        let bytes = match short.get_mut(..length) {
            Some(bytes) => {
                bytes[..prefix.len()].copy_from_slice(&prefix);
                bytes[prefix.len()..].copy_from_slice(key);
                &*bytes
            }
            None => {
                long = [&prefix, key].concat();
                &*long
            }
        };
        Target {
            hash: xxh3_64_with_seed(bytes, self.seed),
            what: What::Row(Slice::copy_from(bytes)),
        }
    }

    /// The rows of a keyspace that are covered.
    pub(super) fn rows(&self, keyspace: KeyspaceId) -> Target {
        Target {
            hash: xxh3_64_with_seed(&keyspace.prefix(), self.seed),
            what: What::Rows(keyspace),
        }
    }

    pub(super) fn object(&self, object: u64) -> Target {
        Target {
            hash: xxh3_64_with_seed(&object.to_le_bytes(), self.seed),
            what: What::Object(object),
        }
    }

    pub(super) fn advisory(&self, key: AdvisoryKey) -> Target {
        let AdvisoryKey {
            database,
            key: number,
            is_pair,
        } = key;
        let numbers = [u64::from(database), number, u64::from(is_pair)].map(u64::to_le_bytes);
        Target {
            hash: xxh3_64_with_seed(numbers.as_flattened(), self.seed),
            what: What::Advisory(key),
        }
    }

    /// Whether any row is locked by anybody: one load.
    #[inline]
    pub fn has_row_locks(&self) -> bool {
        self.rows.load(Ordering::SeqCst) != 0
    }

    /// Whether any object is held in ACCESS EXCLUSIVE mode by anybody: one load. While none is,
    /// who wants one in ACCESS SHARE mode gets it at once.
    #[inline]
    pub fn has_exclusive_objects(&self) -> bool {
        self.exclusive.load(Ordering::SeqCst) != 0
    }

    /// Whether someone else than `owner` holds this row, in any mode.
    pub fn is_row_locked_by_other(&self, owner: OwnerId, keyspace: KeyspaceId, key: &[u8]) -> bool {
        if !self.has_row_locks() {
            return false;
        }
        let target = self.row(keyspace, key);
        let shard = self.shard(&target);
        let queue = shard.get(&target);
        queue.is_some_and(|queue| queue.is_held_by_other(owner))
            || self.covers.any_beside(owner, &target, queue)
    }

    /// Whether someone else than `owner` holds a row for which `wanted` says yes. For writers of
    /// more rows than are locked.
    pub fn any_row_locked_by_other(
        &self,
        owner: OwnerId,
        mut wanted: impl FnMut(KeyspaceId, &[u8]) -> bool,
    ) -> bool {
        self.has_row_locks()
            && self.shards.iter().any(|shard| {
                shard
                    .lock()
                    .iter()
                    .any(|(target, queue)| match &target.what {
                        What::Row(key) => split_storage_key(key).is_some_and(|(keyspace, key)| {
                            queue.is_held_by_other(owner) && wanted(keyspace, key)
                        }),
                        What::Rows(_) | What::Object(_) | What::Advisory(_) => false,
                    })
            })
    }

    /// The most locks there may be.
    pub(super) fn locks_max(&self) -> usize {
        self.locks_max
    }

    /// Requests granted or waiting now.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = &Mutex<Shard>> {
        self.shards.iter()
    }

    /// Grants that are held now on rows.
    pub fn row_locks(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    /// Ends the wait of `owner`, if it waits, with [`LockError::Cancelled`].
    pub fn cancel(&self, owner: OwnerId) {
        let Some(target) = self.graph.lock().target(owner) else {
            return;
        };
        let mut shard = self.shard(&target);
        if let Some(queue) = shard.get_mut(&target) {
            let ticket = queue
                .waiters()
                .find(|w| w.owner == owner)
                .map(|w| w.ticket.clone());
            if let Some(ticket) = ticket {
                self.withdraw(&mut shard, owner, &target);
                ticket.answer(Err(LockError::Cancelled));
            }
        }
    }

    /// Whether `owner` waits for a lock now.
    pub fn is_waiting(&self, owner: OwnerId) -> bool {
        self.graph.lock().target(owner).is_some()
    }

    /// Counters.
    pub fn stats(&self) -> LockStats {
        LockStats {
            used: self.used.load(Ordering::Relaxed),
            waits: self.counters.waits.load(Ordering::Relaxed),
            deadlocks: self.counters.deadlocks.load(Ordering::Relaxed),
            timeouts: self.counters.timeouts.load(Ordering::Relaxed),
        }
    }

    /// Gets a lock for a term, waiting for it if told to. Returns whether it was not covered by what
    /// `party` held for that term already.
    pub(super) fn acquire(
        &self,
        party: &Party,
        target: &Target,
        mode: Mode,
        term: Term,
        wait: Wait,
    ) -> Result<bool, LockError> {
        loop {
            match self.request(party, target, mode, term, wait)? {
                Answer::Held => return Ok(false),
                Answer::Granted => return Ok(true),
                Answer::Waits(ticket, timeout) => {
                    self.counters.waits.fetch_add(1, Ordering::Relaxed);
                    let granted = self.wait(party, target, &ticket, timeout);
                    return granted.map(|()| true);
                }
                Answer::Covered(rows) => self.outlast(party, &rows, mode, wait)?,
            }
        }
    }

    /// Asks for a lock, once.
    fn request(
        &self,
        party: &Party,
        target: &Target,
        mode: Mode,
        term: Term,
        wait: Wait,
    ) -> Result<Answer, LockError> {
        let owner = party.id();
        let mut shard = self.shard(target);
        let queue = shard.entry(target.clone()).or_default();
        if mode.is_covered_by(queue.held_for(owner, term)) {
            return Ok(Answer::Held);
        }
        let rows = self.covers.in_the_way(owner, target, mode);
        let is_reserved = match (&rows, &target.what) {
            (Some(_), _) => Ok(()),
            // It takes the place of many.
            (None, What::Rows(_)) => {
                self.used.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            (None, _) => self.reserve(),
        };
        if rows.is_some() || is_reserved.is_err() {
            if queue.is_idle() {
                shard.remove(target);
            }
            is_reserved?;
            return Ok(rows.map_or(Answer::Held, |rows| Answer::Covered(self.rows(rows))));
        }
        if queue.try_grant(owner, mode, term) {
            self.count_grant(target, mode);
            return Ok(Answer::Granted);
        }
        let timeout = match wait {
            Wait::No => {
                self.unreserve();
                return Err(LockError::NotAvailable);
            }
            Wait::Forever => None,
            Wait::AtMost(limit) => Some(limit),
        };
        let ticket = Arc::new(Ticket::default());
        let waiter = Waiter {
            owner,
            mode,
            term,
            ticket: ticket.clone(),
            outlasts: None,
        };
        match self.enqueue(queue, target, waiter) {
            Ok(false) => (),
            // Where it stands now it may not have to wait at all.
            Ok(true) => self.settle(&mut shard, target),
            Err(error) => {
                self.unreserve();
                return Err(error);
            }
        }
        drop(shard);
        match ticket.poll() {
            Some(answer) => answer.map(|()| Answer::Granted),
            None => Ok(Answer::Waits(ticket, timeout)),
        }
    }

    /// Puts a request where it closes no circle; whether that is not where it belongs.
    fn enqueue(
        &self,
        queue: &mut Queue,
        target: &Target,
        waiter: Waiter,
    ) -> Result<bool, LockError> {
        let owner = waiter.owner;
        let mut graph = self.graph.lock();
        let mut places = 0;
        let queued = queue.enqueue(waiter, |blockers, queue| {
            places += 1;
            if places > 1 {
                // Those it went before wait for it too.
                update(&mut graph, queue);
            }
            let is_good = graph.can_wait(owner, blockers);
            if is_good {
                graph.start(owner, target.clone(), blockers.to_vec());
            }
            is_good
        });
        if queued.is_ok() {
            return Ok(places > 1);
        }
        // Nobody saw the request: the shard has been locked since it was queued.
        update(&mut graph, queue);
        self.counters.deadlocks.fetch_add(1, Ordering::Relaxed);
        Err(LockError::Deadlock)
    }

    /// Takes `modes` of a lock from `owner` and lets those behind it go on.
    pub(super) fn release(&self, owner: OwnerId, target: &Target, modes: ModeSet, term: Term) {
        let mut shard = self.shard(target);
        let Entry::Occupied(mut entry) = shard.entry(target.clone()) else {
            return;
        };
        entry.get_mut().release(owner, modes, term);
        self.count_released(target, modes);
        match entry.get().is_idle() {
            true => drop(entry.remove()),
            false => self.settle(&mut shard, target),
        }
    }

    /// Whether `owner` holds `mode` or a mode that includes it.
    pub(super) fn is_held(&self, owner: OwnerId, target: &Target, mode: Mode) -> bool {
        self.shard(target)
            .get(target)
            .is_some_and(|q| mode.is_covered_by(q.held_by(owner)))
    }

    /// Sleeps until the ticket is answered, the time is over, or the party is told to stop.
    pub(super) fn wait(
        &self,
        party: &Party,
        target: &Target,
        ticket: &Ticket,
        timeout: Option<Duration>,
    ) -> Result<(), LockError> {
        let mut left = timeout;
        let error = loop {
            // The flag wakes nobody, so that who has one looks at it from time to time.
            let slice = match party.is_cancellable() {
                true => Some(left.map_or(CANCEL_POLL, |left| left.min(CANCEL_POLL))),
                false => left,
            };
            if let Some(answer) = ticket.wait(slice) {
                return answer;
            }
            left = left.map(|left| left.saturating_sub(slice.unwrap_or(left)));
            if party.is_cancelled() {
                break LockError::Cancelled;
            }
            if left.is_some_and(|left| left.is_zero()) {
                break LockError::Timeout;
            }
        };
        let mut shard = self.shard(target);
        // The answer may have come between the end of the sleep and the shard's mutex.
        if let Some(answer) = ticket.poll() {
            return answer;
        }
        self.withdraw(&mut shard, party.id(), target);
        if error == LockError::Timeout {
            self.counters.timeouts.fetch_add(1, Ordering::Relaxed);
        }
        Err(error)
    }

    /// Takes a waiting request out of its queue.
    #[expect(
        clippy::mutable_key_type,
        reason = "the bytes of a slice do not change"
    )]
    fn withdraw(&self, shard: &mut Shard, owner: OwnerId, target: &Target) {
        if let Some(queue) = shard.get_mut(target)
            && queue.withdraw(owner)
        {
            self.unreserve();
            self.graph.lock().end(owner);
            self.settle(shard, target);
        }
    }

    /// After a queue changed: grants what can be granted, brings the graph up to date, forgets the
    /// queue if it is idle.
    #[expect(
        clippy::mutable_key_type,
        reason = "the bytes of a slice do not change"
    )]
    pub(super) fn settle(&self, shard: &mut Shard, target: &Target) {
        let Some(queue) = shard.get_mut(target) else {
            return;
        };
        if queue.has_waiters() {
            let granted = queue.promote();
            let mut graph = self.graph.lock();
            granted.iter().for_each(|w| graph.end(w.owner));
            update(&mut graph, queue);
            drop(graph);
            for waiter in granted {
                match waiter.outlasts {
                    Some(_) => self.unreserve(),
                    None => self.count_grant(target, waiter.mode),
                }
                waiter.ticket.answer(Ok(()));
            }
        }
        if queue.is_idle() {
            shard.remove(target);
        }
    }

    fn count_grant(&self, target: &Target, mode: Mode) {
        if let Some(count) = self.count_of(target, mode.bit()) {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Notes that these modes, one grant each, were given back.
    pub(super) fn count_released(&self, target: &Target, modes: ModeSet) {
        let grants = modes.count_ones() as usize;
        self.used.fetch_sub(grants, Ordering::Relaxed);
        if let Some(count) = self.count_of(target, modes) {
            let is_row = matches!(target.what, What::Row(_) | What::Rows(_));
            count.fetch_sub(if is_row { grants } else { 1 }, Ordering::SeqCst);
        }
    }

    /// What counts grants of this mode.
    fn count_of(&self, target: &Target, modes: ModeSet) -> Option<&AtomicUsize> {
        match &target.what {
            What::Row(_) | What::Rows(_) => Some(&self.rows),
            What::Advisory(_) => None,
            What::Object(_) => {
                let exclusive = Mode::Object(ObjectMode::AccessExclusive).bit();
                (modes & exclusive != 0).then_some(&self.exclusive)
            }
        }
    }

    pub(super) fn reserve(&self) -> Result<(), LockError> {
        if self.used.fetch_add(1, Ordering::Relaxed) >= self.locks_max {
            self.unreserve();
            return Err(LockError::TooMany(self.locks_max));
        }
        Ok(())
    }

    pub(super) fn unreserve(&self) {
        self.used.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn shard(&self, target: &Target) -> MutexGuard<'_, Shard> {
        // The map inside uses the low and the topmost bits.
        self.shards[(target.hash >> 32) as usize % SHARDS].lock()
    }
}

/// What comes of a request.
enum Answer {
    /// What is held already includes it.
    Held,
    Granted,
    /// It is in the queue.
    Waits(Arc<Ticket>, Option<Duration>),
    /// Somebody covers the row with others.
    Covered(Target),
}

/// Tells the graph whom those in a queue wait for.
fn update(graph: &mut WaitGraph, queue: &Queue) {
    queue
        .edges()
        .for_each(|(owner, blockers)| graph.update(owner, blockers));
}
