//! Who holds how much memory.
//!
//! Most operators put rows aside once there is no more of it. What cannot be put aside, as what
//! `array_agg` has collected, may take more: `work_mem`, and a reserve besides. A statement that wants
//! more than that fails, and leaves the machine's memory to others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustdb_types::Value;

use crate::error::{Error, Result, SqlState};

/// The reserve, where the database has no budget of its own: 4 GiB, where there can be so much.
const RESERVE: usize = 1 << (if usize::BITS > 32 { 32 } else { 29 });

/// Whatever the other operators of a statement hold, each may hold this part of the limit.
const PART_MIN: usize = 8;

/// The memory of the operators of a statement. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `usize::MAX` if there is no place to put rows aside.
    limit: usize,
    /// What must not be exceeded by what cannot be put aside.
    most: usize,
    used: AtomicUsize,
}

impl Pool {
    /// A pool of so many bytes, with the usual reserve.
    #[cfg(test)]
    pub(crate) fn new(limit: usize) -> Pool {
        Pool::with_reserve(limit, limit, None)
    }

    /// A pool whose operators put rows aside beyond `limit`. What cannot be put aside may take
    /// `work_mem` and a reserve: the memory of the database, if that is limited.
    pub(crate) fn with_reserve(limit: usize, work_mem: usize, budget: Option<usize>) -> Pool {
        Pool(Arc::new(Shared {
            limit,
            most: work_mem.saturating_add(budget.unwrap_or(RESERVE)),
            used: AtomicUsize::new(0),
        }))
    }

    /// Nothing so far.
    pub(in crate::exec) fn charge(&self) -> Charge {
        Charge {
            pool: self.clone(),
            bytes: 0,
            peak: 0,
        }
    }

    /// How much one operator can count on.
    pub(in crate::exec) fn share(&self) -> usize {
        let free = self.0.limit.saturating_sub(self.0.used.load(Relaxed));
        free.max(self.0.limit / PART_MIN)
    }
}

/// What one operator holds; given back when it is dropped.
#[derive(Debug)]
pub(in crate::exec) struct Charge {
    pool: Pool,
    bytes: usize,
    peak: usize,
}

impl Charge {
    /// Holds so much more.
    #[inline]
    pub(in crate::exec) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.peak = self.peak.max(self.bytes);
        self.pool.0.used.fetch_add(bytes, Relaxed);
    }

    /// Holds so much, whatever it was before.
    pub(in crate::exec) fn set(&mut self, bytes: usize) {
        self.pool.0.used.fetch_sub(self.bytes, Relaxed);
        self.bytes = 0;
        self.add(bytes);
    }

    /// Holds so much more that cannot be put aside; an error if that is too much.
    #[inline]
    pub(in crate::exec) fn hold(&mut self, bytes: usize) -> Result<()> {
        self.add(bytes);
        match self.pool.0.used.load(Relaxed) > self.pool.0.most {
            true => self.check(),
            false => Ok(()),
        }
    }

    /// 53200 if all together hold more than cannot be put aside may take.
    pub(in crate::exec) fn check(&self) -> Result<()> {
        let (used, most) = (self.pool.0.used.load(Relaxed), self.pool.0.most);
        if used <= most {
            return Ok(());
        }
        let detail = format!(
            "Failed on request of size {} in memory context \"ExecutorState\".",
            used - most
        );
        let error = Error::new(SqlState::OUT_OF_MEMORY, "out of memory").with_detail(detail);
        Err(error.with_hint(format!(
            "The statement keeps more than {} MB that cannot be put aside. You might need to increase \"work_mem\".",
            most >> 20
        )))
    }

    /// What it holds.
    pub(in crate::exec) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The most that it has held.
    pub(in crate::exec) fn peak(&self) -> usize {
        self.peak
    }

    /// Whether it has to put something aside.
    #[inline]
    pub(in crate::exec) fn is_over(&self) -> bool {
        let limit = self.pool.0.limit;
        self.bytes > limit / PART_MIN && self.pool.0.used.load(Relaxed) > limit
    }

    /// The pool it is of.
    pub(in crate::exec) fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.pool.0.used.fetch_sub(self.bytes, Relaxed);
    }
}

/// What a row takes in memory, beside what counts its values.
pub(in crate::exec) fn row_bytes(row: &[Value]) -> usize {
    let values = row.iter().map(Value::heap_bytes).sum::<usize>();
    values + size_of_val(row) + size_of::<Vec<Value>>()
}

/// What an operator has spent, for EXPLAIN ANALYZE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// A sort.
    Sort {
        /// Its name, as PostgreSQL has it.
        method: &'static str,
        memory_bytes: usize,
        /// What was put aside; 0 if all was in memory.
        disk_bytes: u64,
    },
    /// A hash table of a join: how many shares there were.
    Join {
        batches: usize,
        memory_bytes: usize,
        disk_bytes: u64,
    },
    /// Hash tables of groups.
    Groups {
        batches: usize,
        memory_bytes: usize,
        disk_bytes: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_may_have_an_eighth_and_all_together_the_limit() {
        let pool = Pool::new(800);
        let (mut one, mut other) = (pool.charge(), pool.charge());
        one.add(790);
        assert!(!one.is_over());
        other.add(100);
        assert!(!other.is_over() && one.is_over());
        other.add(1);
        assert!(other.is_over());
        one.set(0);
        assert!(!other.is_over());
        drop(other);
        assert_eq!((one.peak(), pool.share()), (790, 800));
    }

    #[test]
    fn what_is_held_beyond_the_reserve_is_an_error() {
        let pool = Pool::with_reserve(800, 800, Some(200));
        let (mut one, mut other) = (pool.charge(), pool.charge());
        assert!(one.hold(900).is_ok() && other.hold(100).is_ok());
        let error = other.hold(1).unwrap_err();
        assert_eq!(error.state(), SqlState::OUT_OF_MEMORY);
        drop(one);
        assert!(other.hold(1).is_ok());
    }
}
