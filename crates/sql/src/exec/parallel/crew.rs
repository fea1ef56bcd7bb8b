//! Workers, and what they have made, in the order of the parts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustdb_types::interrupt;
use rustdb_vfs::sync::{Condvar, Mutex};
use rustdb_vfs::{JoinHandle, VfsRef, on_large_stack};

use super::super::batch::Batch;
use super::super::context::Context;
use super::super::groups::Groups;
use super::beside::CrewWatch;
use super::work::{Job, Share};
use crate::error::{Error, Result};

/// What a worker gives.
pub(in crate::exec) enum Given {
    Rows(Batch),
    /// Groups of the rows that come next.
    Groups(Box<Groups>),
}

/// How many things of a part may wait to be taken.
const WAITING_MAX: usize = 4;

/// How many parts for each worker may be begun, or done, before the first of them is taken.
const AHEAD: usize = 2;

/// How often who waits for a worker looks whether the statement was cancelled.
const LOOK: Duration = Duration::from_millis(10);

/// Workers of the process that run now.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// The threads that run a job, and what they have made.
pub(in crate::exec) struct Crew {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle>,
    /// The part that is being taken.
    part: usize,
}

/// What the workers and who takes from them share.
struct Shared {
    job: Job,
    state: Mutex<State>,
    /// There is something to take, or a worker has left.
    given: Condvar,
    /// Something was taken.
    taken: Condvar,
    stopped: Arc<AtomicBool>,
}

struct State {
    parts: Vec<PartState>,
    /// The part that is begun next.
    next: usize,
    /// The part that is being taken.
    taken: usize,
    workers: usize,
}

#[derive(Default)]
struct PartState {
    share: Option<Share>,
    waiting: VecDeque<Result<Given>>,
    is_done: bool,
}

/// Leave to run so many workers.
struct Leave(usize);

impl Leave {
    /// For up to so many; `None` if fewer than two are left.
    fn take(wanted: usize) -> Option<Leave> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let granted = |running: usize| wanted.min(processors.saturating_sub(running));
        let more = |running| Some(running + granted(running)).filter(|_| granted(running) >= 2);
        let before = RUNNING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        before.ok().map(|running| Leave(granted(running)))
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        RUNNING.fetch_sub(self.0, Ordering::Relaxed);
    }
}

impl Crew {
    /// Lets up to so many workers begin. The parts come back if there are not two of them, or the
    /// system gives no threads.
    pub(super) fn start(
        job: Job,
        parts: Vec<Share>,
        workers: usize,
        vfs: &VfsRef,
    ) -> std::result::Result<Crew, Vec<Share>> {
        let Some(leave) = Leave::take(workers.min(parts.len())) else {
            return Err(parts);
        };
        let parts = parts.into_iter().map(|share| PartState {
            share: Some(share),
            ..PartState::default()
        });
        let stopped = job.stopped();
        let shared = Arc::new(Shared {
            job,
            state: Mutex::new(State {
                parts: parts.collect(),
                next: 0,
                taken: 0,
                workers: 0,
            }),
            given: Condvar::new(),
            taken: Condvar::new(),
            stopped,
        });
        let workers = leave.0;
        let leave = Arc::new(leave);
        let mut crew = Crew {
            shared,
            threads: Vec::new(),
            part: 0,
        };
        for number in 0..workers {
            let (shared, leave) = (crew.shared.clone(), leave.clone());
            shared.state.lock().workers += 1;
            let body = Box::new(move || {
                let worker = Worker(shared);
                // Without a stack nothing is done, and who waits finds that nobody is left.
                let _: std::io::Result<()> = on_large_stack(|| worker.work());
                drop((worker, leave));
            });
            match vfs.spawn(&format!("rustdb query {number}"), body) {
                Ok(thread) => crew.threads.push(thread),
                Err(_) => crew.shared.state.lock().workers -= 1,
            }
        }
        if crew.threads.is_empty() {
            let mut state = crew.shared.state.lock();
            let parts = state.parts.iter_mut();
            return Err(parts.filter_map(|part| part.share.take()).collect());
        }
        Ok(crew)
    }

    /// What comes next, in the order of the parts.
    pub(in crate::exec) fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Given>> {
        let shared = &*self.shared;
        let mut state = shared.state.lock();
        loop {
            if self.part == state.parts.len() {
                return Ok(None);
            }
            let part = &mut state.parts[self.part];
            if let Some(given) = part.waiting.pop_front() {
                if part.waiting.len() + 1 == WAITING_MAX {
                    shared.taken.notify_all();
                }
                return given.map(Some);
            }
            if part.is_done {
                self.part += 1;
                state.taken = self.part;
                shared.taken.notify_all();
                continue;
            }
            if state.workers == 0 {
                return Err(Error::internal("a thread of the query has ended too early"));
            }
            shared.given.wait_for(&mut state, LOOK);
            drop(state);
            cx.check_cancelled()?;
            interrupt::check()?;
            state = shared.state.lock();
        }
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> u64 {
        self.threads.len() as u64
    }

    /// Has the workers give rows from now on, not groups; what is waiting stays what it is.
    pub(in crate::exec) fn ungrouped(&self) {
        self.shared.job.ungrouped();
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Whoever holds the lock has not gone to sleep yet.
        drop(self.shared.state.lock());
        self.shared.taken.notify_all();
        for thread in self.threads.drain(..) {
            // What went wrong there was told, or nobody asks for it any more.
            let _: bool = thread.join();
        }
    }
}

/// A thread that works, until it is dropped.
struct Worker(Arc<Shared>);

impl Worker {
    fn work(&self) {
        let shared = &*self.0;
        while let Some((number, share)) = self.next_part() {
            let mut give = |given| self.give(number, given);
            let watch = Arc::new(CrewWatch(shared.stopped.clone()));
            let run = || shared.job.run(number, share, &mut give);
            if let Err(error) = interrupt::watched(watch, run).1 {
                self.give(number, Err(error));
            }
            let mut state = shared.state.lock();
            state.parts[number].is_done = true;
            if number == state.taken {
                shared.given.notify_one();
            }
        }
    }

    /// The next part to work on; `None` if there is none, or nobody wants it.
    fn next_part(&self) -> Option<(usize, Share)> {
        let mut state = self.0.state.lock();
        loop {
            let number = state.next;
            if number == state.parts.len() || self.0.stopped.load(Ordering::Relaxed) {
                return None;
            }
            if number < state.taken + AHEAD * state.workers {
                state.next += 1;
                return Some((number, state.parts[number].share.take()?));
            }
            self.0.taken.wait(&mut state);
        }
    }

    /// Puts something where it is taken, when there is room. False if nobody wants it.
    fn give(&self, number: usize, given: Result<Given>) -> bool {
        let shared = &*self.0;
        let mut state = shared.state.lock();
        while state.parts[number].waiting.len() >= WAITING_MAX {
            if shared.stopped.load(Ordering::Relaxed) {
                return false;
            }
            shared.taken.wait(&mut state);
        }
        state.parts[number].waiting.push_back(given);
        if number == state.taken {
            shared.given.notify_one();
        }
        !shared.stopped.load(Ordering::Relaxed)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.state.lock().workers -= 1;
        self.0.given.notify_one();
    }
}
