//! Simulated time: it moves when something is done, or when everybody waits.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// What the wall clock shows at first: the first moment of 2026.
const START_MICROS: i64 = 1_767_225_600_000_000;

/// The clocks of one machine.
#[derive(Debug, Default)]
pub(crate) struct SimClock {
    nanos: AtomicU64,
    /// How much of it passed only because nobody had anything to do.
    idle_nanos: AtomicU64,
    /// How far the wall clock was set from where it would be.
    wall_offset_micros: AtomicI64,
}

impl SimClock {
    /// A clock of its own that shows the same.
    pub(crate) fn fork(&self) -> Self {
        Self {
            nanos: AtomicU64::new(self.nanos.load(Ordering::SeqCst)),
            idle_nanos: AtomicU64::new(self.idle_nanos.load(Ordering::SeqCst)),
            wall_offset_micros: AtomicI64::new(self.wall_offset_micros.load(Ordering::SeqCst)),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::SeqCst))
    }

    pub(crate) fn advance(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::SeqCst);
    }

    /// Moves the clock to a moment, unless it has passed.
    pub(crate) fn advance_to(&self, moment: Duration) {
        let nanos = u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_max(nanos, Ordering::SeqCst);
    }

    /// As [`SimClock::advance_to`], when everybody waits.
    pub(crate) fn idle_until(&self, moment: Duration) {
        let idle = moment.saturating_sub(self.now());
        let nanos = u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX);
        self.idle_nanos.fetch_add(nanos, Ordering::SeqCst);
        self.advance_to(moment);
    }

    pub(crate) fn idle_time(&self) -> Duration {
        Duration::from_nanos(self.idle_nanos.load(Ordering::SeqCst))
    }

    pub(crate) fn wall_micros(&self) -> u64 {
        let elapsed = i64::try_from(self.now().as_micros()).unwrap_or(i64::MAX);
        let wall = START_MICROS
            .saturating_add(elapsed)
            .saturating_add(self.wall_offset_micros.load(Ordering::SeqCst));
        u64::try_from(wall).unwrap_or(0)
    }

    pub(crate) fn shift_wall(&self, micros: i64) {
        self.wall_offset_micros.fetch_add(micros, Ordering::SeqCst);
    }
}
