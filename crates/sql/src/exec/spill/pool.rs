//! Who holds how much memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustdb_types::Value;

/// Whatever the other operators of a statement hold, each may hold this part of the limit.
const PART_MIN: usize = 8;

/// The memory of the operators of a statement. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `usize::MAX` if there is no place to put rows aside.
    limit: usize,
    used: AtomicUsize,
}

impl Pool {
    /// A pool of so many bytes.
    pub(crate) fn new(limit: usize) -> Pool {
        Pool(Arc::new(Shared {
            limit,
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
}
