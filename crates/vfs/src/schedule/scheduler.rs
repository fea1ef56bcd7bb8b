//! Who runs, who waits for what, and what time it is.
//!
//! Invariant: at most one thread is between two calls of this module, namely `running`, until the
//! simulation is *ending*. Then everybody is let go: a call returns [`Wake::Abandoned`] if the
//! thread is unwinding already, and else unwinds, so that threads end wherever they are, and
//! their destructors work, on real locks.
//!
//! A thread that waits for a lock is not given it when it is released: it becomes runnable and
//! tries again, as with `parking_lot`.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::report::{Event, FailureKind, Place, SimulationFailure};
use super::threads::{Core, Thread, ThreadId, ThreadState, Wait, Wake};
use super::{Current, enter};
use crate::os;
use crate::sim::SimClock;

/// What a step takes.
const STEP: Duration = Duration::from_micros(1);

/// A deadline further away than this does not pass while somebody can run.
const SLOWNESS_MAX: Duration = Duration::from_secs(1);

/// Steps that threads may do after the body of the simulation ended.
const STEPS_AFTER_END: u64 = 50_000;

/// How long destructors may take, really, when a simulation ends before its threads.
const END_MAX: Duration = Duration::from_secs(10);

/// The thread that runs the body of the simulation.
const ROOT: ThreadId = 0;

/// Unwinds a thread of a simulation that is ending.
struct Abandon;

pub(super) struct Scheduler {
    seed: u64,
    steps_max: u64,
    tolerate_panics: bool,
    clock: Arc<SimClock>,
    core: Mutex<Core>,
    /// Told when a thread ends, and when the simulation does.
    ended: Condvar,
}

/// What is known at the end of a run.
pub(super) struct Summary {
    pub(super) steps: u64,
    pub(super) trace: u64,
    pub(super) left_behind: Vec<String>,
    pub(super) failure: Option<SimulationFailure>,
}

impl Scheduler {
    pub(super) fn new(
        seed: u64,
        steps_max: u64,
        tolerate_panics: bool,
        clock: Arc<SimClock>,
    ) -> Self {
        let core = Mutex::new(Core::new(seed));
        Self {
            seed,
            steps_max,
            tolerate_panics,
            clock,
            core,
            ended: Condvar::new(),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Lets the chooser decide who goes on.
    pub(super) fn yield_now(&self, id: ThreadId, event: Event, place: Place) -> Wake {
        let mut core = self.core.lock();
        core.threads[id].place = place;
        let wake = self.give_way(&mut core, id, event);
        drop(core);
        unwind_if_abandoned(wake)
    }

    /// As [`Scheduler::yield_now`], for destructors: never unwinds.
    pub(super) fn yield_gently(&self, id: ThreadId, event: Event) {
        let mut core = self.core.lock();
        core.threads[id].place = Place::Unknown;
        self.give_way(&mut core, id, event);
    }

    /// Blocks until somebody ends the wait, or until the deadline.
    pub(super) fn block(
        &self,
        id: ThreadId,
        wait: Wait,
        deadline: Option<Duration>,
        place: Place,
    ) -> Wake {
        let mut core = self.core.lock();
        core.threads[id].place = place;
        core.threads[id].state = ThreadState::Blocked { wait, deadline };
        let event = match wait {
            Wait::Lock(_) => Event::Lock,
            Wait::Notification(_) => Event::Wait,
            Wait::Sleep => Event::Sleep,
            Wait::Join(_) => Event::Join,
        };
        let wake = self.give_way(&mut core, id, event);
        drop(core);
        unwind_if_abandoned(wake)
    }

    /// Blocks until a notification, or for no reason not at all.
    pub(super) fn wait_for_notification(
        &self,
        id: ThreadId,
        condvar: usize,
        deadline: Option<Duration>,
        place: Place,
    ) -> Wake {
        let spurious = self.core.lock().chooser.wakes_for_no_reason();
        if spurious {
            self.yield_now(id, Event::Wait, place)
        } else {
            self.block(id, Wait::Notification(condvar), deadline, place)
        }
    }

    pub(super) fn acquired(&self, id: ThreadId, lock: usize, location: &'static Location<'static>) {
        self.core.lock().holders.insert(lock, (id, location));
    }

    /// Whoever waits for the lock may try again.
    pub(super) fn released(&self, lock: usize) {
        let mut core = self.core.lock();
        core.holders.remove(&lock);
        for waiter in core.waiters(Wait::Lock(lock)) {
            core.threads[waiter].resume(Wake::Turn);
        }
    }

    /// Wakes one waiter, or all.
    pub(super) fn notify(&self, condvar: usize, all: bool) {
        let mut core = self.core.lock();
        let mut waiters = core.waiters(Wait::Notification(condvar));
        if !all && !waiters.is_empty() {
            waiters = vec![core.chooser.choose_waiter(&waiters)];
        }
        for waiter in waiters {
            core.threads[waiter].resume(Wake::Turn);
        }
    }

    /// Whether a thread ended, and then whether without a panic.
    pub(super) fn ended(&self, id: ThreadId) -> Option<bool> {
        match self.core.lock().threads[id].state {
            ThreadState::Ended { success } => Some(success),
            ThreadState::Runnable | ThreadState::Blocked { .. } => None,
        }
    }

    /// Waits for the end of a thread outside the schedule, for at most a while.
    pub(super) fn wait_really(&self, id: ThreadId) -> bool {
        let start = os::now();
        while start.elapsed() < END_MAX {
            if let Some(success) = self.ended(id) {
                return success;
            }
            os::sleep(Duration::from_millis(1));
        }
        false
    }

    /// Adds a thread, which runs when it is chosen.
    pub(super) fn spawn(
        self: &Arc<Self>,
        name: &str,
        body: Box<dyn FnOnce() + Send>,
    ) -> io::Result<ThreadId> {
        let id = self.core.lock().add_thread(name);
        let scheduler = Arc::clone(self);
        let main = move || {
            let current = Current {
                scheduler: Arc::clone(&scheduler),
                id,
            };
            enter(current, || scheduler.run_thread(id, body));
        };
        // NB: the handle is dropped: a thread is joined by its state.
        if let Err(e) = os::spawn(name, Box::new(main)) {
            self.core.lock().threads[id].state = ThreadState::Ended { success: false };
            return Err(e);
        }
        Ok(id)
    }

    fn run_thread(&self, id: ThreadId, body: Box<dyn FnOnce() + Send>) {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let wake = self.wait_for_turn(&mut self.core.lock(), id);
            if wake == Wake::Abandoned {
                drop(body)
            } else {
                body()
            }
        }));
        let mut core = self.core.lock();
        core.threads[id].state = ThreadState::Ended {
            success: result.is_ok(),
        };
        if let Err(payload) = result
            && !payload.is::<Abandon>()
            && (id == ROOT || !self.tolerate_panics)
        {
            let name = &core.threads[id].name;
            let message = format!("`{name}` panicked: {}", panic_message(payload.as_ref()));
            self.fail(&mut core, FailureKind::Panic, message);
        }
        for waiter in core.waiters(Wait::Join(id)) {
            core.threads[waiter].resume(Wake::Turn);
        }
        if id == ROOT {
            core.body_ended_at = Some(core.steps);
        }
        core.record(id, Event::End);
        if core.threads.iter().any(Thread::is_alive) {
            self.pass_turn(&mut core, None);
        }
        self.ended.notify_all();
    }

    fn give_way(&self, core: &mut MutexGuard<'_, Core>, id: ThreadId, event: Event) -> Wake {
        if core.ending {
            core.threads[id].resume(Wake::Turn);
            return Wake::Abandoned;
        }
        core.record(id, event);
        self.pass_turn(core, (event == Event::Yield).then_some(id));
        self.wait_for_turn(core, id)
    }

    fn wait_for_turn(&self, core: &mut MutexGuard<'_, Core>, id: ThreadId) -> Wake {
        let turn = Arc::clone(&core.threads[id].turn);
        while core.running != id && !core.ending {
            turn.wait(core);
        }
        if core.ending {
            core.threads[id].resume(Wake::Turn);
            return Wake::Abandoned;
        }
        std::mem::replace(&mut core.threads[id].wake, Wake::Turn)
    }

    /// Chooses who runs next and wakes that thread; ends the simulation if nobody can.
    fn pass_turn(&self, core: &mut Core, gave_way: Option<ThreadId>) {
        if core.ending {
            return;
        }
        core.steps += 1;
        self.clock.advance(STEP);
        let steps_after_end = core.body_ended_at.map_or(0, |end| core.steps - end);
        if core.steps > self.steps_max || steps_after_end > STEPS_AFTER_END {
            self.end(core, FailureKind::TooManySteps);
            return;
        }
        let Some(next) = self.next_thread(core, gave_way) else {
            self.end(core, FailureKind::Deadlock);
            return;
        };
        core.mix(next as u64);
        core.running = next;
        core.threads[next].turn.notify_one();
    }

    fn next_thread(&self, core: &mut Core, gave_way: Option<ThreadId>) -> Option<ThreadId> {
        loop {
            let now = self.clock.now();
            core.resume_expired(now);
            let runnable: Vec<ThreadId> = (0..core.threads.len())
                .filter(|&id| core.threads[id].state == ThreadState::Runnable)
                .collect();
            let earliest = core.threads.iter().filter_map(Thread::deadline).min();
            match earliest {
                Some(deadline) if runnable.is_empty() => self.clock.idle_until(deadline),
                Some(deadline)
                    if deadline < now + SLOWNESS_MAX && core.chooser.lets_deadline_pass() =>
                {
                    self.clock.advance_to(deadline);
                }
                _ if runnable.is_empty() => return None,
                _ => return Some(core.chooser.choose(&runnable, core.running, gave_way)),
            }
        }
    }

    /// Ends the simulation: as a failure while the body runs, else leaving threads behind.
    fn end(&self, core: &mut Core, kind: FailureKind) {
        if core.body_ended_at.is_none() {
            let message = core.describe_threads();
            self.fail(core, kind, message);
        } else {
            core.left_behind = core.living();
            self.let_go(core);
        }
    }

    fn fail(&self, core: &mut Core, kind: FailureKind, message: String) {
        if core.failure.is_none() && !core.ending {
            let message = format!("{message}\nlast steps:\n{}", core.describe_steps());
            core.failure = Some(SimulationFailure {
                seed: self.seed,
                kind,
                message,
            });
        }
        self.let_go(core);
    }

    fn let_go(&self, core: &mut Core) {
        core.ending = true;
        for thread in &core.threads {
            thread.turn.notify_one();
        }
        self.ended.notify_all();
    }

    /// Waits, outside the schedule, until all threads ended. A thread that reaches no yield point
    /// for `stuck_after` makes the run fail; threads that do not end then are abandoned.
    pub(super) fn wait_for_all(&self, stuck_after: Duration) -> Summary {
        let mut core = self.core.lock();
        let (mut steps, mut since) = (core.steps, os::now());
        while core.threads.iter().any(Thread::is_alive) {
            self.ended.wait_for(&mut core, Duration::from_millis(100));
            if core.steps != steps {
                (steps, since) = (core.steps, os::now());
            }
            if core.ending && since.elapsed() > END_MAX {
                break;
            }
            if !core.ending && since.elapsed() > stuck_after {
                let name = &core.threads[core.running].name;
                let message = format!("`{name}` did not reach a yield point for {stuck_after:?}");
                self.fail(&mut core, FailureKind::Stuck, message);
                since = os::now();
            }
        }
        Summary {
            steps: core.steps,
            trace: core.trace,
            left_behind: core.left_behind.clone(),
            failure: core.failure.clone(),
        }
    }
}

fn unwind_if_abandoned(wake: Wake) -> Wake {
    if wake == Wake::Abandoned && !std::thread::panicking() {
        // Not a panic: the hook must not report it.
        resume_unwind(Box::new(Abandon));
    }
    wake
}

fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}
