//! When a session's statement shall stop, for what runs long within one evaluation; and what other
//! sessions are told about it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustdb_txn::Transaction;
use rustdb_types::interrupt::{self, Watch};
use rustdb_vfs::sync::Mutex;
use rustdb_vfs::{JoinHandle, VfsRef};

use super::{Session, State};
use crate::error::{Error, Result, SqlState};
use crate::exec::{check_cancelled, timed_out};
use crate::sessions::Doing;

/// A session's flag and clock, as [`interrupt`] asks them.
pub(super) struct SessionWatch {
    cancelled: Arc<AtomicBool>,
    clock: VfsRef,
    /// When the statement is to end, in nanoseconds of the clock; the greatest number is never.
    deadline: AtomicU64,
    /// What statements that failed have left behind.
    left: Mutex<Vec<Box<dyn Send>>>,
}

impl SessionWatch {
    pub(super) fn new(cancelled: Arc<AtomicBool>, clock: VfsRef) -> SessionWatch {
        SessionWatch {
            cancelled,
            clock,
            deadline: AtomicU64::new(u64::MAX),
            left: Mutex::default(),
        }
    }

    /// Sets when the statement is to end.
    pub(super) fn set_deadline(&self, end: Option<Duration>) {
        let end = end.map_or(u64::MAX, nanoseconds);
        self.deadline.store(end, Ordering::Relaxed);
    }
}

impl Watch for SessionWatch {
    fn ask(&self) -> rustdb_types::Result<()> {
        let deadline = self.deadline.load(Ordering::Relaxed);
        let asked = match deadline != u64::MAX && nanoseconds(self.clock.monotonic()) >= deadline {
            true => Err(timed_out()),
            false => check_cancelled(&self.cancelled),
        };
        asked.map_err(|error| rustdb_types::Error::new(error.state(), error.message()))
    }

    fn leave(&self, thing: Box<dyn Send>) {
        self.left.lock().push(thing);
    }
}

/// Threads that free what statements of a session have left behind.
#[derive(Default)]
pub(super) struct Freeing(VecDeque<JoinHandle>);

/// Writes of so many bytes are freed while their session waits.
const FREED_AT_ONCE: usize = 1 << 20;

/// So many of them at once: whoever stops statements all the time waits for the first of them.
const FREEING_MAX: usize = 4;

impl Freeing {
    /// Frees something while others go on. Where there is no thread it is freed at once.
    pub(super) fn begin(&mut self, vfs: &VfsRef, thing: impl Send + 'static) {
        if self.0.len() >= FREEING_MAX
            && let Some(first) = self.0.pop_front()
        {
            first.join();
        }
        let body = Box::new(move || drop(thing));
        self.0.extend(vfs.spawn("rustdb freeing", body));
    }
}

impl Drop for Freeing {
    /// The files of what is freed are gone before those of the database are closed.
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            thread.join();
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Session {
    /// Tells other sessions that a statement begins.
    pub(super) fn tell_begin(&mut self, text: &str) {
        let now = self.database.shared.host.clock();
        self.kept_by_functions.activity().begin(text, now);
        self.told = Some(now);
    }

    /// Tells other sessions which statement comes next, if it is not the one that they know. It is
    /// over before they could ask.
    pub(super) fn tell_text(&mut self, text: &str) {
        let activity = self.kept_by_functions.activity();
        activity.note(text, || self.database.shared.host.clock());
    }

    /// The time at which a statement begins. It is looked at once.
    pub(super) fn begin_clock(&mut self) -> i64 {
        let told = self.told.take();
        told.unwrap_or_else(|| self.database.shared.host.clock())
    }

    /// At the end of a call: tells other sessions that what was begun has ended, if that was told.
    pub(super) fn tell_end(&mut self) {
        self.told = None;
        let activity = self.kept_by_functions.activity();
        if activity.is_busy() {
            activity.end(match &self.state {
                State::Idle => Doing::Nothing,
                State::Open(_) => Doing::Block,
                State::Failed(_) => Doing::FailedBlock,
            });
        }
        self.rest();
    }

    /// Does something that stops when the session's statement shall stop. What it gives is no good
    /// if something in it was left off for that.
    pub(super) fn watched<T>(&mut self, body: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
        // It is lent, not cloned: counting owners would cost a point query as much as the rest.
        let watch = self.spare_watch.take();
        let watch = watch.unwrap_or_else(|| self.watch.clone());
        let (watch, result) = interrupt::watched(watch, || {
            let result = body(self);
            interrupt::finish().map_err(Error::from).and(result)
        });
        self.spare_watch = watch;
        if let Err(error) = &result {
            self.free_left(error);
        }
        result
    }

    /// Frees what a statement has left behind. Who stopped it does not wait for that.
    #[cold]
    fn free_left(&mut self, error: &Error) {
        let left = std::mem::take(&mut *self.watch.left.lock());
        if !left.is_empty() && error.state() == SqlState::QUERY_CANCELED {
            let vfs = self.database.shared.manager.engine().vfs();
            self.freeing.begin(vfs, left);
        }
    }

    /// Rolls a transaction back. Of many writes the memory is freed while the session goes on.
    pub(super) fn roll_back(&mut self, transaction: Transaction) {
        if transaction.write_bytes() < FREED_AT_ONCE {
            return;
        }
        let left = transaction.rollback_leaving();
        let vfs = self.database.shared.manager.engine().vfs();
        self.freeing.begin(vfs, left);
    }
}
