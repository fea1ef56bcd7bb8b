//! Whose turn it is.
//!
//! No single way of choosing finds every bug, so the seed also chooses the way:
//!
//! - [`Strategy::Random`] goes on with the same thread for a while, then takes any other. Runs
//!   differ in how long a while is.
//! - [`Strategy::Priorities`] always takes the runnable thread of highest priority; priorities
//!   are random, and once in a while the running thread falls to the bottom. That keeps a thread
//!   away for long times, which random choice does hardly ever (Burckhardt et al., ASPLOS 2010).

use crate::rng::SimRng;

/// How the next thread is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    Random { switch_one_in: u64 },
    Priorities { change_one_in: u64 },
}

/// Draws whose turn it is. Threads are numbered as they were spawned.
#[derive(Debug)]
pub(super) struct Chooser {
    rng: SimRng,
    strategy: Strategy,
    /// By thread; only for [`Strategy::Priorities`].
    priorities: Vec<i64>,
    /// The next priority below all.
    bottom: i64,
    /// Waits that end for no reason: one in this many, if any.
    spurious_one_in: Option<u64>,
    /// Deadlines that pass although somebody could run: one step in this many, if any.
    slow_one_in: Option<u64>,
}

impl Chooser {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = SimRng::new(seed);
        let strategy = match rng.below(5) {
            0 => Strategy::Random { switch_one_in: 1 },
            1 => Strategy::Random { switch_one_in: 4 },
            2 => Strategy::Random { switch_one_in: 30 },
            3 => Strategy::Priorities { change_one_in: 20 },
            _ => Strategy::Priorities { change_one_in: 200 },
        };
        let spurious_one_in = rng.one_in(2).then_some(16);
        let slow_one_in = rng.one_in(4).then_some(500);
        Self {
            rng,
            strategy,
            priorities: Vec::new(),
            bottom: -1,
            spurious_one_in,
            slow_one_in,
        }
    }

    /// A thread was spawned.
    pub(super) fn add_thread(&mut self) {
        let priority = self.rng.below(1 << 32) as i64;
        self.priorities.push(priority);
    }

    /// Chooses one of `runnable`, which is not empty and ascending. `gave_way` is a thread that
    /// just said that it cannot go on alone.
    pub(super) fn choose(
        &mut self,
        runnable: &[usize],
        running: usize,
        gave_way: Option<usize>,
    ) -> usize {
        match self.strategy {
            Strategy::Random { switch_one_in } => {
                let stays = gave_way.is_none() && !self.rng.one_in(switch_one_in);
                if stays && runnable.contains(&running) {
                    return running;
                }
                let others = runnable
                    .iter()
                    .filter(|&&thread| Some(thread) != gave_way)
                    .count();
                if others == 0 {
                    return runnable[0];
                }
                let chosen = self.rng.index(others);
                let mut others = runnable.iter().filter(|&&thread| Some(thread) != gave_way);
                *others.nth(chosen).expect("the index is below their number")
            }
            Strategy::Priorities { change_one_in } => {
                if gave_way.is_some() || self.rng.one_in(change_one_in) {
                    self.priorities[running] = self.bottom;
                    self.bottom -= 1;
                }
                let highest = runnable
                    .iter()
                    .max_by_key(|&&thread| self.priorities[thread]);
                *highest.expect("somebody is runnable")
            }
        }
    }

    /// Which of `waiters`, at least one, a notification wakes.
    pub(super) fn choose_waiter(&mut self, waiters: &[usize]) -> usize {
        waiters[self.rng.index(waiters.len())]
    }

    /// Whether a wait ends at once, as a condition variable may.
    pub(super) fn wakes_for_no_reason(&mut self) -> bool {
        self.spurious_one_in.is_some_and(|n| self.rng.one_in(n))
    }

    /// Whether the machine is so slow that a deadline passes although somebody could run.
    pub(super) fn lets_deadline_pass(&mut self) -> bool {
        self.slow_one_in.is_some_and(|n| self.rng.one_in(n))
    }
}
