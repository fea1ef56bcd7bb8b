//! A run of the threads of a program on a simulated machine.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::is_simulated;
use super::report::SimulationFailure;
use super::scheduler::Scheduler;
use crate::sim::{SimClock, SimVfs};

/// Steps of a run, unless [`Simulation::steps_max`] says otherwise.
const STEPS_MAX: u64 = 5_000_000;

/// How long a thread may really take from one yield point to the next.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// Runs a closure, and all threads that come of it, one at a time in an order that follows from
/// a seed, on a simulated machine whose clock they share.
///
/// ```
/// use std::sync::Arc;
/// use rustdb_vfs::{Simulation, Vfs, sync::Mutex};
///
/// let outcome = Simulation::new(7).run(|machine| {
///     let total = Arc::new(Mutex::new(0));
///     let threads = [1, 2, 3].map(|n| {
///         let total = Arc::clone(&total);
///         machine.spawn("adder", Box::new(move || *total.lock() += n)).unwrap()
///     });
///     assert!(threads.into_iter().all(|thread| thread.join()));
///     *total.lock()
/// });
/// assert_eq!(outcome.value, 6);
/// ```
///
/// The run fails if everybody waits and nobody has a deadline, if a thread panics, or if there
/// are too many steps. Then all threads are unwound, and the failure tells the seed, who waited
/// for what, and the last steps.
#[derive(Clone, Debug)]
pub struct Simulation {
    seed: u64,
    steps_max: u64,
    tolerate_panics: bool,
    machine: Option<SimVfs>,
    stuck_after: Duration,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome<R> {
    /// What the closure returned.
    pub value: R,
    /// A hash of all choices: the same in every run with the same seed.
    pub trace: u64,
    /// Yield points that were passed.
    pub steps: u64,
    /// Simulated time at the end.
    pub clock: Duration,
    /// Names of threads that had not ended when the closure had and did not end by themselves
    /// soon after. They were unwound.
    pub left_behind: Vec<String>,
}

impl Simulation {
    /// A run on an empty machine.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            steps_max: STEPS_MAX,
            tolerate_panics: false,
            machine: None,
            stuck_after: STUCK_AFTER,
        }
    }

    /// Starts from a copy of this machine; see [`SimVfs::fork`].
    pub fn on(self, machine: &SimVfs) -> Self {
        Self {
            machine: Some(machine.fork()),
            ..self
        }
    }

    /// Fails the run after this many yield points.
    pub fn steps_max(self, steps: u64) -> Self {
        Self {
            steps_max: steps,
            ..self
        }
    }

    /// A panic in a spawned thread is for those who join it, as outside a simulation; without
    /// this it fails the run.
    pub fn tolerate_panics(self) -> Self {
        Self {
            tolerate_panics: true,
            ..self
        }
    }

    /// Fails the run when a thread really takes longer than this between two yield points.
    pub fn stuck_after(self, duration: Duration) -> Self {
        Self {
            stuck_after: duration,
            ..self
        }
    }

    /// Runs `body` as the first thread, and panics if the run fails.
    pub fn run<R: Send + 'static>(
        self,
        body: impl FnOnce(SimVfs) -> R + Send + 'static,
    ) -> Outcome<R> {
        match self.try_run(body) {
            Ok(outcome) => outcome,
            Err(failure) => panic!("{failure}"),
        }
    }

    /// Runs `body` as the first thread. Waits until all threads have ended.
    pub fn try_run<R: Send + 'static>(
        self,
        body: impl FnOnce(SimVfs) -> R + Send + 'static,
    ) -> Result<Outcome<R>, SimulationFailure> {
        assert!(!is_simulated(), "a simulation cannot run within another");
        let clock = Arc::new(match &self.machine {
            Some(machine) => machine.clock().fork(),
            None => SimClock::default(),
        });
        let machine = match &self.machine {
            Some(machine) => machine.fork_with_clock(Arc::clone(&clock)),
            None => SimVfs::with_clock(self.seed, Arc::clone(&clock)),
        };
        let scheduler = Scheduler::new(
            self.seed,
            self.steps_max,
            self.tolerate_panics,
            Arc::clone(&clock),
        );
        let scheduler = Arc::new(scheduler);
        let value = Arc::new(Mutex::new(None));
        let result = Arc::clone(&value);
        let root = move || {
            let value = body(machine);
            *result.lock() = Some(value);
        };
        scheduler
            .spawn("main", Box::new(root))
            .expect("a simulation needs real threads from the system");
        let summary = scheduler.wait_for_all(self.stuck_after);
        if let Some(failure) = summary.failure {
            return Err(failure);
        }
        let value = value.lock().take().expect("the body ended without a panic");
        Ok(Outcome {
            value,
            trace: summary.trace,
            steps: summary.steps,
            clock: clock.now(),
            left_behind: summary.left_behind,
        })
    }
}
