//! A session, as the lock table sees it, and the locks that it holds in its own name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::table::{AdvisoryKey, LockTable};
use super::{LockError, ObjectMode, OwnerId, Term, Wait};

/// Who locks and waits. All transactions of one party, of which one is open at a time, and its
/// [`SessionLocks`] never wait for each other.
#[derive(Clone, Debug)]
pub struct Party {
    id: OwnerId,
    /// Set when it is to stop what it does, waiting included.
    cancelled: Option<Arc<AtomicBool>>,
}

impl Party {
    /// A party whose waits end with [`LockError::Cancelled`] soon after the flag is set, if there is
    /// one. `id` must be unique among the living ones, and not zero.
    pub(crate) fn new(id: OwnerId, cancelled: Option<Arc<AtomicBool>>) -> Party {
        assert_ne!(id, 0, "zero means nobody");
        Party { id, cancelled }
    }

    /// The number that the lock table knows it by.
    pub fn id(&self) -> OwnerId {
        self.id
    }

    /// Whether it can be told to stop.
    pub(super) fn is_cancellable(&self) -> bool {
        self.cancelled.is_some()
    }

    /// Whether it was told to stop.
    pub(super) fn is_cancelled(&self) -> bool {
        let flag = self.cancelled.as_ref();
        flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

/// The advisory locks of a session, which outlive its transactions. Each is given back as often as
/// it was taken. Dropping it releases them.
#[derive(Debug)]
pub struct SessionLocks {
    table: Arc<LockTable>,
    party: Party,
    /// How often each is held.
    held: HashMap<(AdvisoryKey, ObjectMode), u64>,
}

impl SessionLocks {
    /// No locks yet.
    pub(crate) fn new(table: Arc<LockTable>, party: Party) -> SessionLocks {
        let held = HashMap::new();
        SessionLocks { table, party, held }
    }

    /// Whether any is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Locks a key, once more if it is held in this mode.
    pub fn lock(
        &mut self,
        key: AdvisoryKey,
        mode: ObjectMode,
        wait: Wait,
    ) -> Result<(), LockError> {
        match self.held.entry((key, mode)) {
            Entry::Occupied(mut count) => *count.get_mut() += 1,
            Entry::Vacant(new) => {
                let target = self.table.advisory(key);
                self.table
                    .acquire(&self.party, &target, mode.into(), Term::Session, wait)?;
                new.insert(1);
            }
        }
        Ok(())
    }

    /// Gives a key back once; whether it was held in this mode.
    pub fn unlock(&mut self, key: AdvisoryKey, mode: ObjectMode) -> bool {
        let Entry::Occupied(mut count) = self.held.entry((key, mode)) else {
            return false;
        };
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
            self.release(key, mode);
        }
        true
    }

    /// Gives back every key, however often it was locked.
    pub fn unlock_all(&mut self) {
        for (key, mode) in std::mem::take(&mut self.held).into_keys() {
            self.release(key, mode);
        }
    }

    fn release(&self, key: AdvisoryKey, mode: ObjectMode) {
        let modes = super::mode::Mode::from(mode).bit();
        let target = self.table.advisory(key);
        self.table
            .release(self.party.id(), &target, modes, Term::Session);
    }
}

impl Drop for SessionLocks {
    fn drop(&mut self) {
        self.unlock_all();
    }
}
