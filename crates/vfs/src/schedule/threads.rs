//! The threads of a simulation: who waits for what, and what they did last.

use std::collections::{HashMap, VecDeque};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Condvar;

use super::report::{Event, Place, SimulationFailure, Step};
use super::strategy::Chooser;

/// Steps told of a failed run.
const STEPS_TOLD: usize = 24;

pub(super) type ThreadId = usize;

/// What a thread waits for. Locks and condition variables are known by their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Lock(usize),
    Notification(usize),
    Sleep,
    Join(ThreadId),
}

/// Why a thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// It is its turn.
    Turn,
    /// It is its turn, because the time ran out.
    TimedOut,
    /// The simulation is ending: the thread is unwinding and must do without.
    Abandoned,
}

/// What the scheduler guards.
pub(super) struct Core {
    /// In the order in which they were spawned.
    pub(super) threads: Vec<Thread>,
    pub(super) running: ThreadId,
    pub(super) chooser: Chooser,
    pub(super) steps: u64,
    /// A hash of all choices.
    pub(super) trace: u64,
    pub(super) recent: VecDeque<Step>,
    /// Who holds which lock, and where it was taken.
    pub(super) holders: HashMap<usize, (ThreadId, &'static Location<'static>)>,
    /// The number of steps at which the body ended.
    pub(super) body_ended_at: Option<u64>,
    pub(super) ending: bool,
    pub(super) failure: Option<SimulationFailure>,
    /// Names of threads that had to be unwound after the body ended.
    pub(super) left_behind: Vec<String>,
}

pub(super) struct Thread {
    pub(super) name: String,
    pub(super) state: ThreadState,
    pub(super) wake: Wake,
    /// Where it waits or gave way last.
    pub(super) place: Place,
    pub(super) turn: Arc<Condvar>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThreadState {
    Runnable,
    Blocked {
        wait: Wait,
        deadline: Option<Duration>,
    },
    Ended {
        success: bool,
    },
}

impl Core {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            threads: Vec::new(),
            running: 0,
            chooser: Chooser::new(seed),
            steps: 0,
            trace: seed,
            recent: VecDeque::with_capacity(STEPS_TOLD),
            holders: HashMap::new(),
            body_ended_at: None,
            ending: false,
            failure: None,
            left_behind: Vec::new(),
        }
    }

    pub(super) fn add_thread(&mut self, name: &str) -> ThreadId {
        self.chooser.add_thread();
        self.threads.push(Thread {
            name: name.to_owned(),
            state: ThreadState::Runnable,
            wake: Wake::Turn,
            place: Place::Unknown,
            turn: Arc::default(),
        });
        self.threads.len() - 1
    }

    pub(super) fn waiters(&self, wait: Wait) -> Vec<ThreadId> {
        let waits = |thread: &Thread| matches!(thread.state, ThreadState::Blocked { wait: w, .. } if w == wait);
        (0..self.threads.len())
            .filter(|&id| waits(&self.threads[id]))
            .collect()
    }

    pub(super) fn resume_expired(&mut self, now: Duration) {
        for thread in &mut self.threads {
            if thread.deadline().is_some_and(|deadline| deadline <= now) {
                thread.resume(Wake::TimedOut);
            }
        }
    }

    pub(super) fn record(&mut self, thread: ThreadId, event: Event) {
        if self.recent.len() == STEPS_TOLD {
            self.recent.pop_front();
        }
        let place = self.threads[thread].place.clone();
        self.mix(event.code());
        if let Place::Path(path) = &place {
            path.bytes().for_each(|byte| self.mix(u64::from(byte)));
        }
        self.recent.push_back(Step {
            thread,
            event,
            place,
        });
    }

    pub(super) fn mix(&mut self, value: u64) {
        self.trace = (self.trace ^ value)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    }

    pub(super) fn living(&self) -> Vec<String> {
        self.threads
            .iter()
            .filter(|t| t.is_alive())
            .map(|t| t.name.clone())
            .collect()
    }

    pub(super) fn describe_threads(&self) -> String {
        let lines = self.threads.iter().filter_map(|thread| {
            let what = match thread.state {
                ThreadState::Ended { .. } => return None,
                ThreadState::Runnable => "can run".to_owned(),
                ThreadState::Blocked { wait, .. } => self.describe_wait(wait),
            };
            Some(format!("  `{}` {what}{}", thread.name, thread.place))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    pub(super) fn describe_wait(&self, wait: Wait) -> String {
        match wait {
            Wait::Lock(lock) => match self.holders.get(&lock) {
                Some((holder, location)) => {
                    let name = &self.threads[*holder].name;
                    format!("waits for the lock that `{name}` took at {location}")
                }
                None => "waits for a lock that is held outside the simulation".to_owned(),
            },
            Wait::Notification(_) => "waits for a notification".to_owned(),
            Wait::Sleep => "sleeps".to_owned(),
            Wait::Join(id) => format!("waits for the end of `{}`", self.threads[id].name),
        }
    }

    pub(super) fn describe_steps(&self) -> String {
        let describe = |step: &Step| {
            let name = &self.threads[step.thread].name;
            format!("  `{name}`: {}{}", step.event, step.place)
        };
        let lines: Vec<_> = self.recent.iter().map(describe).collect();
        lines.join("\n")
    }
}

impl Thread {
    pub(super) fn resume(&mut self, wake: Wake) {
        if self.is_alive() {
            self.state = ThreadState::Runnable;
            self.wake = wake;
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, ThreadState::Ended { .. })
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.state {
            ThreadState::Blocked { deadline, .. } => deadline,
            ThreadState::Runnable | ThreadState::Ended { .. } => None,
        }
    }
}
