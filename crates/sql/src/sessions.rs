//! Who is connected to the databases of a directory, and what they do: what `pg_stat_activity`
//! shows.
//!
//! A session says when a statement begins that may take long, and when it has ended. A row by its
//! key is not worth telling: it is over before anybody could look.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};

use rustdb_txn::OwnerId;
use rustdb_types::Oid;
use rustdb_vfs::sync::Mutex;

/// So much of a statement is kept (`track_activity_query_size`).
const QUERY_BYTES_MAX: usize = 1024;

/// Numbers of transactions grow with the clock, by one in so many microseconds, or faster.
const MICROS_PER_NUMBER: i64 = 1000;

/// No time.
const NEVER: i64 = i64::MIN;

/// The sessions of a directory.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    all: Mutex<BTreeMap<OwnerId, Weak<Activity>>>,
    /// When the first one began.
    began: OnceLock<i64>,
    /// The number that a transaction was given last.
    transaction: AtomicI64,
}

/// What a session does.
pub(crate) struct Activity {
    sessions: Arc<Sessions>,
    /// The number that the lock table knows the session by.
    pub(crate) owner: OwnerId,
    /// The number of its database.
    pub(crate) database: Oid,
    /// The name of its database.
    pub(crate) database_name: Arc<str>,
    /// When it began.
    pub(crate) began: i64,
    /// Set when its statement is to stop.
    cancelled: Arc<AtomicBool>,
    state: AtomicU8,
    query_began: AtomicI64,
    transaction_began: AtomicI64,
    /// The number of its transaction, if it has asked for one.
    transaction: AtomicI64,
    query: Mutex<String>,
}

/// What a session is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Doing {
    Nothing = 0,
    /// It runs a statement.
    Statement = 1,
    /// It waits within a block.
    Block = 2,
    /// It waits within a block that has failed.
    FailedBlock = 3,
}

impl fmt::Debug for Activity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "session {}: {}", self.owner, self.state())
    }
}

impl Sessions {
    /// Adds a session, which is gone from here when it is dropped.
    pub(crate) fn add(
        self: &Arc<Sessions>,
        owner: OwnerId,
        database: Oid,
        database_name: Arc<str>,
        began: i64,
        cancelled: Arc<AtomicBool>,
    ) -> Arc<Activity> {
        let activity = Arc::new(Activity {
            sessions: self.clone(),
            owner,
            database,
            database_name,
            began,
            cancelled,
            state: AtomicU8::new(Doing::Nothing as u8),
            query_began: AtomicI64::new(NEVER),
            transaction_began: AtomicI64::new(NEVER),
            transaction: AtomicI64::new(NEVER),
            query: Mutex::default(),
        });
        self.began.get_or_init(|| began);
        let mut all = self.all.lock();
        all.insert(owner, Arc::downgrade(&activity));
        activity
    }

    /// All of them, in the order in which they began.
    fn all(&self) -> Vec<Arc<Activity>> {
        // NB: nothing may be dropped under the lock, see `Activity::drop`.
        self.all.lock().values().filter_map(Weak::upgrade).collect()
    }
}

impl Activity {
    /// All sessions of the directory.
    pub(crate) fn sessions(&self) -> Vec<Arc<Activity>> {
        self.sessions.all()
    }

    /// The number that programs know the session by.
    pub(crate) fn process(&self) -> i32 {
        crate::system::process(self.owner)
    }

    /// Tells the statement that runs, if one does, to stop.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// A statement begins.
    pub(crate) fn begin(&self, query: &str, now: i64) {
        let mut kept = self.query.lock();
        kept.clear();
        kept.push_str(shown(query));
        drop(kept);
        self.query_began.store(now, Relaxed);
        self.state.store(Doing::Statement as u8, Relaxed);
    }

    /// A statement comes that is over before anybody could look. What began is the first of several
    /// with the same text.
    pub(crate) fn note(&self, query: &str, clock: impl FnOnce() -> i64) {
        let query = shown(query);
        let mut kept = self.query.lock();
        if *kept != query {
            kept.clear();
            kept.push_str(query);
            self.query_began.store(clock(), Relaxed);
        }
    }

    /// When the first session of the directory began.
    pub(crate) fn first_began(&self) -> i64 {
        self.sessions.began.get().copied().unwrap_or(self.began)
    }

    /// The number of the transaction that runs. No other one had it or will have it, and later ones
    /// have greater numbers. They come from the clock, so that they go on where a directory
    /// is opened again.
    pub(crate) fn transaction(&self, now: i64) -> i64 {
        let given = self.transaction.load(Relaxed);
        if given != NEVER {
            return given;
        }
        let last = &self.sessions.transaction;
        let mut number = last.load(Relaxed);
        loop {
            let next = number.saturating_add(1).max(now / MICROS_PER_NUMBER);
            match last.compare_exchange_weak(number, next, Relaxed, Relaxed) {
                Ok(_) => number = next,
                Err(other) => {
                    number = other;
                    continue;
                }
            }
            self.transaction.store(number, Relaxed);
            return number;
        }
    }

    /// A transaction begins.
    pub(crate) fn begin_transaction(&self, now: i64) {
        self.transaction.store(NEVER, Relaxed);
        self.transaction_began.store(now, Relaxed);
    }

    /// What was begun has ended; what the session is at then.
    pub(crate) fn end(&self, doing: Doing) {
        if doing == Doing::Nothing {
            self.transaction_began.store(NEVER, Relaxed);
        }
        self.state.store(doing as u8, Relaxed);
    }

    /// Whether a statement runs, as far as was said.
    pub(crate) fn is_busy(&self) -> bool {
        self.state.load(Relaxed) == Doing::Statement as u8
    }

    /// PostgreSQL's word for what it does.
    pub(crate) fn state(&self) -> &'static str {
        match self.state.load(Relaxed) {
            1 => "active",
            2 => "idle in transaction",
            3 => "idle in transaction (aborted)",
            _ => "idle",
        }
    }

    /// The statement that runs, or ran last.
    pub(crate) fn query(&self) -> String {
        self.query.lock().clone()
    }

    /// When that began.
    pub(crate) fn query_began(&self) -> Option<i64> {
        Some(self.query_began.load(Relaxed)).filter(|time| *time != NEVER)
    }

    /// When the transaction began, if there is one.
    pub(crate) fn transaction_began(&self) -> Option<i64> {
        Some(self.transaction_began.load(Relaxed)).filter(|time| *time != NEVER)
    }
}

/// What is kept of a statement.
fn shown(query: &str) -> &str {
    &query[..query.floor_char_boundary(QUERY_BYTES_MAX)]
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.sessions.all.lock().remove(&self.owner);
    }
}
