//! What is locked and by whom, for people.

use rustdb_storage::KeyspaceId;
use rustdb_storage::key::split_storage_key;

use super::mode::Mode;
use super::table::{AdvisoryKey, LockTable, Target, What};
use super::{ObjectMode, OwnerId, RowMode};

/// What a [`LockInfo`] is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockTarget {
    /// A row, by keyspace and key.
    Row(KeyspaceId, Vec<u8>),
    /// Rows of a keyspace that were too many to be locked one by one.
    Rows(KeyspaceId),
    /// A named object.
    Object(u64),
    /// What programs agree on.
    Advisory(AdvisoryKey),
}

/// One line of [`LockTable::list`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockInfo {
    /// What is locked.
    pub target: LockTarget,
    /// By whom.
    pub owner: OwnerId,
    /// The names of the modes, strongest last.
    pub modes: String,
    /// Whether the lock is held; if not, it is waited for.
    pub granted: bool,
}

impl LockTable {
    /// Everything held or waited for, sorted; shards are visited one after the other, so the list
    /// need not be of one moment.
    pub fn list(&self) -> Vec<LockInfo> {
        let mut list = Vec::new();
        for shard in self.shards() {
            for (target, queue) in shard.lock().iter() {
                let info = |owner, modes, granted| LockInfo {
                    target: LockTarget::from(target),
                    owner,
                    modes: Mode::names(target.kind(), modes),
                    granted,
                };
                list.extend(
                    queue
                        .holders()
                        .iter()
                        .map(|h| info(h.owner, h.modes(), true)),
                );
                list.extend(queue.waiters().map(|w| info(w.owner, w.mode.bit(), false)));
            }
        }
        list.sort();
        list
    }
}

impl Target {
    /// Any mode of the kind that this target takes.
    fn kind(&self) -> Mode {
        match &self.what {
            What::Row(_) | What::Rows(_) => Mode::Row(RowMode::Update),
            What::Object(_) | What::Advisory(_) => Mode::Object(ObjectMode::AccessExclusive),
        }
    }
}

impl From<&Target> for LockTarget {
    fn from(target: &Target) -> Self {
        match &target.what {
            What::Row(key) => {
                let (keyspace, key) = split_storage_key(key).expect("made by `LockTable::row`");
                LockTarget::Row(keyspace, key.to_vec())
            }
            What::Rows(keyspace) => LockTarget::Rows(*keyspace),
            What::Object(object) => LockTarget::Object(*object),
            What::Advisory(key) => LockTarget::Advisory(*key),
        }
    }
}
