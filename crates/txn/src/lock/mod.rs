//! Locks on rows and on named objects, held by transactions to their end.
//!
//! The table is in memory only: a lock dies with the process, and so does the transaction that
//! held it. It knows storage keys and object numbers, and nothing about what is behind them; it
//! does not make a write visible or invisible. What it promises is who may go on:
//!
//! * Four row modes and eight object modes with PostgreSQL's conflicts ([`RowMode`],
//!   [`ObjectMode`]).
//! * First come, first served ([`queue`]).
//! * A request that would wait for ever is refused with [`LockError::Deadlock`] ([`wait`]).
//! * A bounded number of locks. A transaction that has a large part of them gives those on rows of a
//!   keyspace for one lock on all rows between them ([`cover`]); [`LockError::TooMany`] beyond that.
//!
//! A transaction's locks are a [`LockOwner`]; it remembers the order in which it got them, so that
//! those taken since a savepoint can be given back. A session whose transactions follow each other
//! is one [`Party`] with all of them: it never waits for itself, and what it holds in its own name
//! ([`SessionLocks`]) is held beside what its transaction holds, for another [`Term`]: giving back
//! the one leaves the other.

mod bulk;
mod cover;
#[cfg(test)]
mod cover_tests;
mod info;
mod mode;
mod outlast;
mod owner;
mod party;
mod queue;
mod table;
#[cfg(test)]
mod tests;
mod wait;

pub use info::{LockInfo, LockTarget};
pub use mode::{ObjectMode, RowMode};
pub use owner::{LockMark, LockOwner};
pub use party::{Party, SessionLocks};
pub use table::{AdvisoryKey, LockStats, LockTable};

use std::fmt;
use std::time::Duration;

/// Identifies a transaction, or a session with all of its transactions, to the lock table. Zero is
/// nobody.
pub type OwnerId = u64;

/// How long a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    /// To the end of a transaction.
    Transaction,
    /// Until a session gives it back.
    Session,
}

/// What to do when a lock is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Wait until it is, or until the wait would be for ever.
    Forever,
    /// As `Forever`, but give up after this time (`lock_timeout`).
    AtMost(Duration),
    /// Do not wait (`NOWAIT`; a caller that skips locked rows asks this way too).
    No,
}

/// Why a lock was not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockError {
    /// Waiting would have closed a circle of transactions that wait for each other. Roll back and
    /// run the transaction again.
    Deadlock,
    /// The time of [`Wait::AtMost`] passed.
    Timeout,
    /// Another transaction holds the lock, and the request was not to wait.
    NotAvailable,
    /// [`LockTable::cancel`] ended the wait, or the party was told to stop.
    Cancelled,
    /// The lock table is full; the number is its limit.
    TooMany(usize),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Deadlock => f.write_str("deadlock detected"),
            LockError::Timeout => f.write_str("gave up waiting for a lock: lock timeout"),
            LockError::NotAvailable => {
                f.write_str("could not get a lock: another transaction holds it")
            }
            LockError::Cancelled => f.write_str("waiting for a lock was cancelled"),
            LockError::TooMany(limit) => write!(
                f,
                "too many locks: the limit is `{limit}`\nhint: raise `locks_max`, or lock fewer keys in one transaction"
            ),
        }
    }
}

impl std::error::Error for LockError {}
