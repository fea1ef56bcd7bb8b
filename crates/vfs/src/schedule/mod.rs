//! Threads that run one at a time, in an order that follows from a seed.
//!
//! Inside a [`Simulation`] every thread is a real one, but at most one of them runs: the others
//! wait for their turn. Whoever reaches a *yield point* (taking or releasing a lock, waiting,
//! notifying, spawning, joining, sleeping, every operation on a simulated machine) asks the
//! [`scheduler`] who goes on, which the seed decides. So a run can be repeated, and a bug that
//! needs an unlikely order of events is found by trying seeds.
//!
//! The primitives of [`sync`](crate::sync) and [`SimVfs`](crate::SimVfs) ask [`is_simulated`],
//! which reads one thread-local byte, and call the functions of this module if it says so.
//!
//! ```text
//!   sync::Mutex, sync::Condvar, SimVfs        yield points
//!            |
//!        this module                          the current thread
//!            |
//!        scheduler                            who waits for what, deadlock, time
//!            |
//!        strategy                             whose turn it is
//! ```
//!
//! The price of real threads is that the scheduler sees only what goes through it. A thread that
//! waits in any other way (a `std` channel, a spinning loop without
//! [`yield_point`](crate::sync::yield_point)) stops everybody, which the [`simulation`] reports
//! after a while. What differs between runs for other reasons, such as the order of a hash map
//! with a random state, makes runs differ. Races of atomics and unsafe code are for loom and Miri:
//! between two yield points a thread is alone.

mod report;
mod scheduler;
mod simulation;
mod strategy;
mod threads;

use std::cell::{Cell, RefCell};
use std::io;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use report::{FailureKind, SimulationFailure};
pub use simulation::{Outcome, Simulation};

use crate::file::JoinHandle;
use crate::os;
use crate::sim::OpKind;
use report::{Event, Place};
use scheduler::Scheduler;
use threads::{ThreadId, Wait, Wake};

/// How long a thread that is unwinding pretends to wait for a notification that will not come.
const ABANDONED_WAIT: Duration = Duration::from_millis(1);

thread_local! {
    /// Whether `CURRENT` is set, in a form that costs next to nothing to read.
    static SIMULATED: Cell<bool> = const { Cell::new(false) };
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// The calling thread, in its simulation.
#[derive(Clone)]
struct Current {
    scheduler: Arc<Scheduler>,
    id: ThreadId,
}

/// Whether the calling thread belongs to a simulation.
#[inline]
pub(crate) fn is_simulated() -> bool {
    SIMULATED.get()
}

fn current() -> Option<Current> {
    // The byte can be read even while thread-locals are destroyed.
    if is_simulated() {
        CURRENT.with_borrow(Clone::clone)
    } else {
        None
    }
}

fn expect_current() -> Current {
    current().expect("callers asked whether the thread is simulated")
}

/// Makes the calling thread a simulated one until the end of `body`.
fn enter<T>(current: Current, body: impl FnOnce() -> T) -> T {
    CURRENT.set(Some(current));
    SIMULATED.set(true);
    let result = body();
    SIMULATED.set(false);
    CURRENT.set(None);
    result
}

/// Lets another thread go first, if there is one.
#[track_caller]
pub(crate) fn yield_point() {
    if let Some(current) = current() {
        current
            .scheduler
            .yield_now(current.id, Event::Yield, Place::Code(Location::caller()));
    }
}

/// An operation on a simulated machine is about to happen.
pub(crate) fn operation(kind: OpKind, path: &Path) {
    if let Some(current) = current() {
        let place = Place::Path(path.to_string_lossy().into());
        current
            .scheduler
            .yield_now(current.id, Event::Operation(kind), place);
    }
}

/// Takes a lock: `try_take` is called when it may be free.
#[track_caller]
pub(crate) fn lock<G>(
    address: usize,
    mut try_take: impl FnMut() -> Option<G>,
    take: impl FnOnce() -> G,
) -> G {
    let Current { scheduler, id } = expect_current();
    let location = Location::caller();
    let mut wake = scheduler.yield_now(id, Event::Lock, Place::Code(location));
    while wake != Wake::Abandoned {
        if let Some(guard) = try_take() {
            scheduler.acquired(id, address, location);
            return guard;
        }
        wake = scheduler.block(id, Wait::Lock(address), None, Place::Code(location));
    }
    take()
}

/// Tries to take a lock.
#[track_caller]
pub(crate) fn try_lock<G>(address: usize, try_take: impl FnOnce() -> Option<G>) -> Option<G> {
    let Current { scheduler, id } = expect_current();
    let location = Location::caller();
    scheduler.yield_now(id, Event::Lock, Place::Code(location));
    let guard = try_take()?;
    scheduler.acquired(id, address, location);
    Some(guard)
}

/// A lock was released. Does not unwind, since it is called by destructors.
pub(crate) fn unlocked(address: usize) {
    if let Some(Current { scheduler, id }) = current() {
        scheduler.released(address);
        scheduler.yield_gently(id, Event::Unlock);
    }
}

/// Waits for a notification, between a release of the lock by the caller and the moment when
/// the caller can take it again. Returns whether the time ran out.
pub(crate) fn wait(
    condvar: usize,
    mutex: usize,
    is_locked: impl Fn() -> bool,
    timeout: Option<Duration>,
    location: &'static Location<'static>,
) -> bool {
    let Current { scheduler, id } = expect_current();
    scheduler.released(mutex);
    let deadline = timeout.and_then(|timeout| scheduler.now().checked_add(timeout));
    let mut wake = scheduler.wait_for_notification(id, condvar, deadline, Place::Code(location));
    let timed_out = wake == Wake::TimedOut;
    while wake != Wake::Abandoned && is_locked() {
        wake = scheduler.block(id, Wait::Lock(mutex), None, Place::Code(location));
    }
    if wake == Wake::Abandoned {
        os::sleep(ABANDONED_WAIT);
        return timeout.is_some();
    }
    scheduler.acquired(id, mutex, location);
    timed_out
}

/// Wakes one waiter, or all. Does not unwind.
pub(crate) fn notify(condvar: usize, all: bool) {
    if let Some(Current { scheduler, id }) = current() {
        scheduler.notify(condvar, all);
        scheduler.yield_gently(id, Event::Notify);
    }
}

/// Sleeps in simulated time, or returns `false` if the thread is not simulated.
pub(crate) fn sleep(duration: Duration) -> bool {
    let Some(Current { scheduler, id }) = current() else {
        return false;
    };
    let deadline = scheduler.now().checked_add(duration);
    scheduler.block(id, Wait::Sleep, deadline, Place::Unknown);
    true
}

/// Starts a thread, which is simulated if the calling one is.
pub(crate) fn spawn(name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle> {
    let Some(Current { scheduler, id }) = current() else {
        return os::spawn(name, body);
    };
    let child = scheduler.spawn(name, body)?;
    scheduler.yield_now(id, Event::Spawn, Place::Unknown);
    Ok(JoinHandle::new(Box::new(move || join(&scheduler, child))))
}

/// Waits for the end of a thread; whether it ended without a panic.
fn join(scheduler: &Arc<Scheduler>, target: ThreadId) -> bool {
    let waiter = current().filter(|current| Arc::ptr_eq(&current.scheduler, scheduler));
    if let Some(Current { id, .. }) = waiter {
        let mut wake = scheduler.yield_now(id, Event::Join, Place::Unknown);
        while wake != Wake::Abandoned {
            if let Some(success) = scheduler.ended(target) {
                return success;
            }
            wake = scheduler.block(id, Wait::Join(target), None, Place::Unknown);
        }
    }
    scheduler.wait_really(target)
}
