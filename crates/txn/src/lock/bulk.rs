//! Giving back many locks at once.
//!
//! Row by row it takes a look-up each, all over memory: a tenth of a second and more for a million
//! rows, while the session waits. A walk through the shards, which are then nearly all of them its
//! own, takes a fraction of that.

use super::table::{LockTable, Shard, Target};
use super::{OwnerId, Term};

/// With fewer locks than this a walk is not worth it.
const LOCKS_MIN: usize = 1024;

/// A walk looks at this many locks at most for each that is given back.
const LOCKS_PER_RELEASE_MAX: usize = 4;

impl LockTable {
    /// Whether so many locks are given back faster by [`LockTable::release_all`] than one by one.
    pub(super) fn is_worth_a_walk(&self, locks: usize) -> bool {
        locks >= LOCKS_MIN && self.used() / LOCKS_PER_RELEASE_MAX <= locks
    }

    /// Takes all locks of a term from `owner` and lets those behind them go on.
    pub(super) fn release_all(&self, owner: OwnerId, term: Term) {
        for shard in self.shards() {
            self.release_in(&mut shard.lock(), owner, term);
        }
    }

    #[expect(
        clippy::mutable_key_type,
        reason = "the bytes of a slice do not change"
    )]
    fn release_in(&self, shard: &mut Shard, owner: OwnerId, term: Term) {
        let mut waited_for: Vec<Target> = Vec::new();
        shard.retain(|target, queue| {
            let modes = queue.held_for(owner, term);
            if modes == 0 {
                return true;
            }
            queue.release(owner, modes, term);
            self.count_released(target, modes);
            if queue.has_waiters() {
                waited_for.push(target.clone());
            }
            !queue.is_idle()
        });
        for target in waited_for {
            self.settle(shard, &target);
        }
        if shard.is_empty() {
            // What has room for many would be walked through for few.
            *shard = Shard::default();
        }
    }
}
