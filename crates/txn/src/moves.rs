//! Where rows went whose keys were changed.
//!
//! To the engine a row under another key is one entry deleted and another one written. Who waited
//! for the first, or comes to it with an older snapshot, wants to know of the second: SQL's READ
//! COMMITTED goes after a row that was changed meanwhile, whatever its key is now.
//!
//! ```text
//! mover     note 1 -> 5 ... commit (10) ── publish (1, 10) -> 5 ── release its locks
//! waiter    snapshot 9 ... wait for the lock of 1 ─────────────────▶ look up (1, after 9): 5
//! ```
//!
//! A move is published after its commit is visible and before the mover's locks go, so that
//! whoever gets the lock of the old key finds it. It is kept as long as a snapshot from before it
//! is live, and in bounded memory: beyond the bound the oldest moves are forgotten, and what has
//! moved looks as if it had been deleted. Nothing but this courtesy depends on them. Who changes
//! no keys, and who meets no row that has changed, has no part in any of it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustdb_storage::slice::Slice;
use rustdb_storage::{KeyspaceId, SequenceNumber};
use rustdb_vfs::sync::Mutex;

use crate::error::Result;
use crate::lock::{RowMode, Wait};
use crate::manager::KeyspaceRef;
use crate::transaction::{IsolationLevel, RowState, Transaction};

/// What a move takes besides its two keys, about.
const MOVE_BYTES: usize = 128;

/// A row that a transaction has given another key.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    keyspace: KeyspaceId,
    from: Key,
    to: Key,
}

type Key = Arc<[u8]>;

/// The moves of committed transactions.
#[derive(Debug)]
pub(crate) struct Moves {
    bytes_max: usize,
    /// How many there are, for those who hope for none.
    count: AtomicUsize,
    published: Mutex<Published>,
}

#[derive(Debug, Default)]
struct Published {
    /// By keyspace and key, then by the commit that moved the row away.
    to: BTreeMap<(KeyspaceId, Key, SequenceNumber), Key>,
    /// The keys of `to`, about in the order of their commits.
    order: VecDeque<(KeyspaceId, Key, SequenceNumber)>,
    bytes: usize,
}

impl Moves {
    pub(crate) fn new(bytes_max: usize) -> Moves {
        Moves {
            bytes_max,
            count: AtomicUsize::new(0),
            published: Mutex::default(),
        }
    }

    /// The first move of a row away from a key after a commit: where it went, and when.
    fn next(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        after: SequenceNumber,
    ) -> Option<(Slice, SequenceNumber)> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let from = (keyspace, Key::from(key), after + 1);
        let published = self.published.lock();
        let ((found_in, found, sequence), to) = published.to.range(from..).next()?;
        (*found_in == keyspace && **found == *key).then(|| (Slice::copy_from(to), *sequence))
    }

    fn publish(&self, moves: Vec<Move>, sequence: SequenceNumber, oldest_snapshot: SequenceNumber) {
        let mut published = self.published.lock();
        for Move { keyspace, from, to } in moves {
            published.bytes += MOVE_BYTES + 2 * from.len() + to.len();
            let key = (keyspace, from, sequence);
            published.order.push_back(key.clone());
            published.to.insert(key, to);
        }
        while let Some((_, _, sequence)) = published.order.front()
            && (*sequence <= oldest_snapshot || published.bytes > self.bytes_max)
        {
            published.forget_first();
        }
        self.count.store(published.to.len(), Ordering::Release);
    }
}

impl Published {
    fn forget_first(&mut self) {
        if let Some(key) = self.order.pop_front()
            && let Some(to) = self.to.remove(&key)
        {
            self.bytes -= MOVE_BYTES + 2 * key.1.len() + to.len();
        }
    }
}

impl Transaction {
    /// Notes that the row under `from` is the one under `to` from now on, so that others who want
    /// it find it there once this is committed.
    pub fn note_moved(&mut self, keyspace: KeyspaceRef, from: &[u8], to: &[u8]) {
        // More than this are not kept anyway.
        if self.moves.len() < self.shared.moves.bytes_max / MOVE_BYTES {
            self.moves.push(Move {
                keyspace: keyspace.id,
                from: from.into(),
                to: to.into(),
            });
        }
    }

    /// As [`Transaction::lock_row`], but a `ReadCommitted` transaction goes after a row that has
    /// got another key since its snapshot. That key comes second, and is the one that is locked.
    pub fn lock_row_following(
        &mut self,
        keyspace: KeyspaceRef,
        key: &[u8],
        mode: RowMode,
        wait: Wait,
    ) -> Result<(RowState, Option<Slice>)> {
        let mark = self.locks.mark();
        let state = self.lock_row(keyspace, key, mode, wait)?;
        let mut moved: Option<Slice> = None;
        if state == RowState::Unchanged || self.isolation != IsolationLevel::ReadCommitted {
            return Ok((state, moved));
        }
        let mut after = self.snapshot.sequence();
        loop {
            let at = moved.as_deref().unwrap_or(key);
            let Some((next, sequence)) = self.shared.moves.next(keyspace.id, at, after) else {
                return Ok((state, moved));
            };
            // Nobody needs to wait for a key that the row has left.
            self.locks.release_since(mark);
            self.lock_row(keyspace, &next, mode, wait)?;
            (moved, after) = (Some(next), sequence);
        }
    }

    /// Lets others know of the moves that a commit has made visible.
    pub(crate) fn publish_moves(&mut self, sequence: SequenceNumber) {
        if !self.moves.is_empty() {
            let moves = joined(std::mem::take(&mut self.moves));
            let oldest = self.engine().oldest_snapshot();
            self.shared.moves.publish(moves, sequence, oldest);
        }
    }
}

/// One move of each row: a row that was moved several times went to the last place.
fn joined(moves: Vec<Move>) -> Vec<Move> {
    let mut all: Vec<Move> = Vec::with_capacity(moves.len());
    // Which of them is the row that is under a key now.
    let mut at: HashMap<(KeyspaceId, Key), usize> = HashMap::new();
    for each in moves {
        let number = match at.remove(&(each.keyspace, each.from.clone())) {
            Some(number) => {
                all[number].to = each.to.clone();
                number
            }
            None => {
                all.push(each.clone());
                all.len() - 1
            }
        };
        at.insert((each.keyspace, each.to), number);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYSPACE: KeyspaceId = KeyspaceId::SYSTEM;

    fn moves(pairs: &[(&str, &str)]) -> Vec<Move> {
        let each = |(from, to): &(&str, &str)| Move {
            keyspace: KEYSPACE,
            from: from.as_bytes().into(),
            to: to.as_bytes().into(),
        };
        pairs.iter().map(each).collect()
    }

    fn next(moves: &Moves, key: &str, after: SequenceNumber) -> Option<(String, SequenceNumber)> {
        let (to, sequence) = moves.next(KEYSPACE, key.as_bytes(), after)?;
        Some((String::from_utf8(to.to_vec()).unwrap(), sequence))
    }

    #[test]
    fn a_row_is_found_where_it_went_after_the_snapshot() {
        let all = Moves::new(1 << 20);
        all.publish(moves(&[("a", "b")]), 10, 5);
        all.publish(moves(&[("b", "c"), ("x", "a")]), 12, 5);
        all.publish(moves(&[("a", "d")]), 14, 5);
        assert_eq!(next(&all, "a", 9), Some(("b".into(), 10)));
        assert_eq!(next(&all, "b", 10), Some(("c".into(), 12)));
        // Who has seen the first row leave means the second one.
        assert_eq!(next(&all, "a", 10), Some(("d".into(), 14)));
        assert_eq!(next(&all, "a", 14), None);
        assert_eq!(next(&all, "c", 9), None);
        assert_eq!(next(&all, "aa", 9), None);
    }

    #[test]
    fn moves_that_every_snapshot_has_seen_are_forgotten() {
        let all = Moves::new(1 << 20);
        all.publish(moves(&[("a", "b")]), 10, 5);
        all.publish(moves(&[("c", "d")]), 12, 10);
        assert_eq!(next(&all, "a", 5), None);
        assert_eq!(next(&all, "c", 10), Some(("d".into(), 12)));
    }

    #[test]
    fn the_oldest_moves_make_room() {
        let all = Moves::new(2 * MOVE_BYTES + 10);
        all.publish(moves(&[("a", "b"), ("c", "d")]), 10, 5);
        all.publish(moves(&[("e", "f")]), 12, 5);
        assert_eq!(next(&all, "a", 5), None);
        assert_eq!(next(&all, "c", 5), Some(("d".into(), 10)));
        assert_eq!(next(&all, "e", 5), Some(("f".into(), 12)));
    }

    #[test]
    fn moves_of_one_row_in_one_transaction_are_one() {
        // b -> c makes room for a -> b, which goes on to d.
        let all = joined(moves(&[("b", "c"), ("a", "b"), ("b", "d")]));
        let pairs: Vec<(&[u8], &[u8])> = all.iter().map(|each| (&*each.from, &*each.to)).collect();
        assert_eq!(pairs, [(&b"b"[..], &b"c"[..]), (b"a", b"d")]);
    }
}
