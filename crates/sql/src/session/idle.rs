//! Blocks that nobody goes on with: `idle_in_transaction_session_timeout`.
//!
//! While a program does something else, its block holds locks and keeps old rows from being dropped.
//! With the timeout set, a block is put at the end of each call where a thread finds it, and the next
//! call takes it back. If the time is over before that, the thread rolls it back, and the next call
//! fails with 25P03. The session goes on then: PostgreSQL ends it, but what would be a connection
//! there is a value of the program here.
//!
//! Without the timeout nothing is put anywhere, and there is no thread.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustdb_txn::OwnerId;
use rustdb_vfs::VfsRef;
use rustdb_vfs::sync::{Condvar, Mutex};

use super::{Session, State};
use crate::error::{Error, Result, SqlState};
use crate::sessions::{Activity, Doing};

/// So long the thread waits for another block before it ends.
const LINGER: Duration = Duration::from_secs(1);

/// Whose block it is, after the time at which it ends.
pub(super) type BlockKey = (Duration, OwnerId);

/// The blocks of a database that wait for their sessions.
#[derive(Default)]
pub(crate) struct IdleBlocks {
    waiting: Mutex<Waiting>,
    /// There is a block that ends before the others, or the thread has nothing to wait for.
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    blocks: BTreeMap<BlockKey, (State, Arc<Activity>)>,
    /// The one that is being rolled back.
    ending: Option<BlockKey>,
    has_thread: bool,
}

impl fmt::Debug for IdleBlocks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} idle blocks", self.waiting.lock().blocks.len())
    }
}

impl IdleBlocks {
    /// Keeps a block until it is taken, or its time is over.
    fn put(self: &Arc<Self>, key: BlockKey, state: State, activity: Arc<Activity>, vfs: &VfsRef) {
        let mut waiting = self.waiting.lock();
        waiting.blocks.insert(key, (state, activity));
        let is_first = waiting.blocks.keys().next() == Some(&key);
        if !waiting.has_thread {
            let (blocks, clock) = (self.clone(), vfs.clone());
            let body = Box::new(move || blocks.run(&clock));
            // Without a thread the block stays until its session goes on, which then looks itself.
            waiting.has_thread = vfs.spawn("idle-blocks", body).is_ok();
        } else if is_first {
            self.changed.notify_all();
        }
    }

    /// A block, unless its time was over.
    fn take(&self, key: BlockKey) -> Option<State> {
        let mut waiting = self.waiting.lock();
        // The next transaction is of the same party: it must not find locks that are about to go.
        while waiting.ending == Some(key) {
            self.changed.wait(&mut waiting);
        }
        waiting.blocks.remove(&key).map(|(state, _)| state)
    }

    /// Ends blocks whose time is over, until there are none for a while.
    fn run(&self, clock: &VfsRef) {
        let mut waiting = self.waiting.lock();
        loop {
            let now = clock.monotonic();
            let first = waiting.blocks.first_key_value().map(|(key, _)| key.0);
            match first {
                Some(end) if end <= now => {
                    let Some((key, (state, activity))) = waiting.blocks.pop_first() else {
                        continue;
                    };
                    waiting.ending = Some(key);
                    // To roll back may take its time.
                    drop(waiting);
                    drop(state);
                    activity.end(Doing::Nothing);
                    waiting = self.waiting.lock();
                    waiting.ending = None;
                    self.changed.notify_all();
                }
                Some(end) => {
                    self.changed.wait_for(&mut waiting, end - now);
                }
                None => {
                    let is_late = self.changed.wait_for(&mut waiting, LINGER);
                    if is_late && waiting.blocks.is_empty() {
                        waiting.has_thread = false;
                        return;
                    }
                }
            }
        }
    }
}

impl Session {
    /// At the end of a call: lends a block to the thread, if its idle time is limited.
    pub(super) fn rest(&mut self) {
        let is_block = match &self.state {
            State::Idle => false,
            State::Open(open) => open.is_block,
            State::Failed(_) => true,
        };
        if !is_block || self.apply_parameters().is_err() {
            return;
        }
        let Some(limit) = self.idle_limit() else {
            return;
        };
        let shared = &self.database.shared;
        let vfs = shared.manager.engine().vfs();
        let key = (vfs.monotonic() + limit, self.party.id());
        let state = std::mem::replace(&mut self.state, State::Idle);
        let activity = self.kept_by_functions.activity().clone();
        shared.idle_blocks.put(key, state, activity, vfs);
        self.lent = Some(key);
    }

    /// At the beginning of a call: takes the block back.
    pub(super) fn wake(&mut self) -> Result<()> {
        let Some(key) = self.lent.take() else {
            return Ok(());
        };
        let shared = &self.database.shared;
        let block = shared.idle_blocks.take(key);
        let is_late = shared.manager.engine().vfs().monotonic() >= key.0;
        match block {
            Some(state) if !is_late => {
                self.state = state;
                Ok(())
            }
            late => {
                drop(late);
                self.rolled_back();
                self.kept_by_functions.activity().end(Doing::Nothing);
                let message = "transaction rolled back due to idle-in-transaction timeout";
                Err(Error::new(
                    SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                    message,
                ))
            }
        }
    }
}
