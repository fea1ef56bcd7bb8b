//! One budget for what the engine keeps in memory.
//!
//! ```text
//!   budget = memtables + write sets + builders + block cache
//!            \______ accounts, by charges ____/   \_ the rest _/
//! ```
//!
//! Whoever keeps memory that grows with the data holds a [`MemoryCharge`] for it. The cache gives
//! way: it has what the others leave, up to its own limit and never less than an eighth. The others
//! each have a reaction of their own before it comes to that:
//!
//! | account | kept by | when it is too much |
//! |---|---|---|
//! | cache | blocks, indexes, filters | evicts |
//! | memtables | the active one, and those that wait for their flush or are still read | flush; then writers wait |
//! | write sets | open transactions | spill to sorted files |
//! | builders | tables being written: their indexes, hashes and filters; read-ahead of merges | tables end early; merges wait for one another |
//!
//! What is not counted: a batch or value on its way through a call, blocks and memtables that
//! nothing but a caller's slice or iterator holds, the lists of files and keyspaces.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::cache::BlockCache;

/// The cache never has less than this part of a budget.
const CACHE_PART_MIN: usize = 8;

/// Write sets, or builders, together should take no more than this part of a budget.
const ACCOUNT_PART_MAX: usize = 4;

/// A charge follows what it stands for in steps of this size.
const STEP_BYTES: usize = 16 << 10;

/// What memory is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// Commits that are not in tables yet.
    Memtables,
    /// Writes of open transactions.
    WriteSets,
    /// Tables being written.
    Builders,
}

const ACCOUNTS: usize = 3;

/// The memory of one engine.
pub struct Memory {
    /// `usize::MAX` without a budget.
    budget: usize,
    /// The most that the cache may have.
    cache_bytes: usize,
    cache: Arc<BlockCache>,
    accounts: [AtomicUsize; ACCOUNTS],
}

/// What memory is used for at one moment, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// The limit of all together, if there is one.
    pub budget: Option<usize>,
    /// Blocks, indexes and filters.
    pub cache: usize,
    /// Commits that are not in tables yet.
    pub memtables: usize,
    /// Writes of open transactions.
    pub write_sets: usize,
    /// Tables being written.
    pub builders: usize,
}

impl MemoryStats {
    /// All of it.
    pub fn total(&self) -> usize {
        self.cache + self.memtables + self.write_sets + self.builders
    }
}

impl Memory {
    /// Shares out `budget` (`None`: no common limit) with a cache that has at most `cache_bytes`.
    pub fn new(budget: Option<usize>, cache_bytes: usize, cache: Arc<BlockCache>) -> Arc<Self> {
        let memory = Self {
            budget: budget.unwrap_or(usize::MAX),
            cache_bytes,
            cache,
            accounts: Default::default(),
        };
        memory.give_way();
        Arc::new(memory)
    }

    /// A charge of nothing so far.
    pub fn charge(self: &Arc<Self>, account: Account) -> MemoryCharge {
        MemoryCharge {
            memory: self.clone(),
            account,
            bytes: 0,
        }
    }

    /// Whether write sets, or builders, have more than their part, so that who can should let go.
    pub fn is_scarce(&self, account: Account) -> bool {
        self.used(account) > self.budget / ACCOUNT_PART_MAX
    }

    /// The cache, which has what the others leave.
    pub(crate) fn cache(&self) -> &Arc<BlockCache> {
        &self.cache
    }

    /// The limit of all together, if there is one.
    pub fn budget(&self) -> Option<usize> {
        (self.budget != usize::MAX).then_some(self.budget)
    }

    /// What there is at this moment.
    pub fn stats(&self) -> MemoryStats {
        MemoryStats {
            budget: self.budget(),
            cache: self.cache.stats().used_bytes,
            memtables: self.used(Account::Memtables),
            write_sets: self.used(Account::WriteSets),
            builders: self.used(Account::Builders),
        }
    }

    fn used(&self, account: Account) -> usize {
        self.accounts[account as usize].load(Relaxed)
    }

    /// Sets the cache to what the others leave.
    fn give_way(&self) {
        if self.budget == usize::MAX {
            return;
        }
        let others: usize = self.accounts.iter().map(|bytes| bytes.load(Relaxed)).sum();
        let rest = self.budget.saturating_sub(others);
        let least = self.budget / CACHE_PART_MIN;
        self.cache.set_budget(rest.max(least).min(self.cache_bytes));
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}

/// Memory that counts as used until this is dropped.
#[derive(Debug)]
pub struct MemoryCharge {
    memory: Arc<Memory>,
    account: Account,
    bytes: usize,
}

impl MemoryCharge {
    /// Follows what the charge stands for; cheap if that has hardly changed.
    #[inline]
    pub fn set(&mut self, bytes: usize) {
        if bytes.abs_diff(self.bytes) >= STEP_BYTES {
            self.set_exactly(bytes);
        }
    }

    fn set_exactly(&mut self, bytes: usize) {
        let account = &self.memory.accounts[self.account as usize];
        if bytes > self.bytes {
            account.fetch_add(bytes - self.bytes, Relaxed);
        } else {
            account.fetch_sub(self.bytes - bytes, Relaxed);
        }
        self.bytes = bytes;
        self.memory.give_way();
    }

    /// Whether this account has more than its part and this charge something to do with it.
    pub fn should_let_go(&self) -> bool {
        self.bytes >= 4 * STEP_BYTES && self.memory.is_scarce(self.account)
    }
}

impl Drop for MemoryCharge {
    fn drop(&mut self) {
        self.set_exactly(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_has_what_the_others_leave() {
        let cache = BlockCache::new(0);
        let memory = Memory::new(Some(8 << 20), 6 << 20, cache.clone());
        assert_eq!(cache.stats().budget_bytes, 6 << 20);
        let mut charge = memory.charge(Account::Memtables);
        charge.set(5 << 20);
        assert_eq!(cache.stats().budget_bytes, 3 << 20);
        charge.set((5 << 20) + 1);
        assert_eq!(memory.stats().memtables, 5 << 20, "a small step");
        let mut other = memory.charge(Account::Builders);
        other.set(5 << 20);
        assert_eq!(cache.stats().budget_bytes, 1 << 20, "never less");
        assert!(other.should_let_go() && memory.is_scarce(Account::Builders));
        assert!(!memory.is_scarce(Account::WriteSets));
        drop((charge, other));
        assert_eq!(cache.stats().budget_bytes, 6 << 20);
        assert_eq!(memory.stats().total(), 0);
    }

    #[test]
    fn without_a_budget_nothing_is_scarce() {
        let cache = BlockCache::new(1 << 20);
        let memory = Memory::new(None, 1 << 20, cache.clone());
        let mut charge = memory.charge(Account::WriteSets);
        charge.set(1 << 30);
        assert!(!charge.should_let_go());
        assert_eq!(cache.stats().budget_bytes, 1 << 20);
        assert_eq!(memory.stats().write_sets, 1 << 30);
    }
}
