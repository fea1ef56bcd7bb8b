//! Blocks and sessions that nobody goes on with: `idle_in_transaction_session_timeout` and
//! `idle_session_timeout`.
//!
//! While a program does something else, its block holds locks and keeps old rows from being dropped.
//! With the timeout set, a block is put at the end of each call where a thread finds it, and the next
//! call takes it back. If the time is over before that, the thread rolls it back, and the next call
//! fails with 25P03. The session goes on then: PostgreSQL ends it, but what would be a connection
//! there is a value of the program here.
//!
//! A session outside of a block is put there in the same way. What it holds that others wait for
//! are its advisory locks: the thread gives them back. The next call fails with 57P05, and the
//! session is then as one that has just begun.
//!
//! Without a timeout nothing is put anywhere, and there is no thread.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustdb_txn::OwnerId;
use rustdb_vfs::VfsRef;
use rustdb_vfs::sync::{Condvar, Mutex};

use super::{Session, State};
use crate::error::{Error, Result, SqlState};
use crate::exec::SessionState;
use crate::sessions::Doing;

/// So long the thread waits for another block before it ends.
const LINGER: Duration = Duration::from_secs(1);

/// Whose block or session it is, after the time at which it ends.
type Key = (Duration, OwnerId);

/// What a session has put where the thread finds it.
#[derive(Clone, Copy)]
pub(super) struct Lent {
    key: Key,
    /// Whether it is a block; else the session itself.
    pub(super) is_block: bool,
}

/// The blocks and sessions of a database that wait for their next call.
#[derive(Default)]
pub(crate) struct IdleBlocks {
    waiting: Mutex<Waiting>,
    /// There is a block that ends before the others, or the thread has nothing to wait for.
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// A block has its state with it; without one it is a session.
    blocks: BTreeMap<Key, (State, Arc<SessionState>)>,
    /// The one that is being ended.
    ending: Option<Key>,
    has_thread: bool,
}

impl fmt::Debug for IdleBlocks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} idle blocks", self.waiting.lock().blocks.len())
    }
}

impl IdleBlocks {
    /// Keeps a block or session until it is taken, or its time is over.
    fn put(self: &Arc<Self>, key: Key, state: State, session: Arc<SessionState>, vfs: &VfsRef) {
        let mut waiting = self.waiting.lock();
        waiting.blocks.insert(key, (state, session));
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

    /// A block or session, unless its time was over.
    fn take(&self, key: Key) -> Option<State> {
        let mut waiting = self.waiting.lock();
        // The next transaction is of the same party: it must not find locks that are about to go.
        while waiting.ending == Some(key) {
            self.changed.wait(&mut waiting);
        }
        waiting.blocks.remove(&key).map(|(state, _)| state)
    }

    /// Ends those whose time is over, until there are none for a while.
    fn run(&self, clock: &VfsRef) {
        let mut waiting = self.waiting.lock();
        loop {
            let now = clock.monotonic();
            let first = waiting.blocks.first_key_value().map(|(key, _)| key.0);
            match first {
                Some(end) if end <= now => {
                    let Some((key, (state, session))) = waiting.blocks.pop_first() else {
                        continue;
                    };
                    waiting.ending = Some(key);
                    // To roll back may take its time.
                    drop(waiting);
                    end_of(state, &session);
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

/// Ends a block whose time is over, or what others could wait for of a session.
fn end_of(state: State, session: &SessionState) {
    match state {
        State::Idle => session.unlock_all(),
        block => drop(block),
    }
    session.activity().end(Doing::Nothing);
}

impl Session {
    /// At the end of a call: lends the block, or the session, to the thread, if its idle time is
    /// limited.
    pub(super) fn rest(&mut self) {
        let is_block = match &self.state {
            State::Idle => false,
            State::Open(open) if open.is_block => true,
            // A cursor is open.
            State::Open(_) => return,
            State::Failed(_) => true,
        };
        if self.apply_parameters().is_err() {
            return;
        }
        let Some(limit) = self.idle_limit(is_block) else {
            return;
        };
        let shared = &self.database.shared;
        let vfs = shared.manager.engine().vfs();
        let key = (vfs.monotonic().saturating_add(limit), self.party.id());
        let state = std::mem::replace(&mut self.state, State::Idle);
        let session = self.kept_by_functions.clone();
        shared.idle_blocks.put(key, state, session, vfs);
        self.lent = Some(Lent { key, is_block });
    }

    /// At the beginning of a call: takes it back.
    pub(super) fn wake(&mut self) -> Result<()> {
        let Some(Lent { key, is_block }) = self.lent.take() else {
            return Ok(());
        };
        let shared = &self.database.shared;
        let taken = shared.idle_blocks.take(key);
        let is_late = shared.manager.engine().vfs().monotonic() >= key.0;
        match taken {
            Some(state) if !is_late => {
                self.state = state;
                Ok(())
            }
            late => {
                if let Some(state) = late {
                    end_of(state, &self.kept_by_functions);
                }
                if is_block {
                    self.rolled_back();
                    let message = "transaction rolled back due to idle-in-transaction timeout";
                    let state = SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT;
                    return Err(Error::new(state, message));
                }
                self.forget_all();
                self.drop_temporary()?;
                let message = "terminating connection due to idle-session timeout";
                Err(Error::new(SqlState::IDLE_SESSION_TIMEOUT, message))
            }
        }
    }
}
