//! `interval`: months, days and microseconds apart, because a month is not always as many days and
//! a day not always as many hours.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// Microseconds of a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds of a minute.
pub const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
/// Microseconds of an hour.
pub const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;
/// Microseconds of a day without a change of clocks.
pub const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;
/// Days of a month, where an interval must be compared or divided.
pub const DAYS_PER_MONTH: i32 = 30;

/// A span of time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interval {
    /// Months; years are twelve.
    pub months: i32,
    /// Days; weeks are seven.
    pub days: i32,
    /// The rest.
    pub micros: i64,
}

impl Interval {
    /// An interval of these parts.
    pub const fn new(months: i32, days: i32, micros: i64) -> Interval {
        Interval {
            months,
            days,
            micros,
        }
    }

    /// Its length if a month had 30 days of 24 hours: what comparison goes by.
    pub fn span(&self) -> i128 {
        let days = i128::from(self.months) * i128::from(DAYS_PER_MONTH) + i128::from(self.days);
        days * i128::from(MICROS_PER_DAY) + i128::from(self.micros)
    }

    /// Whether all parts are the same, which `=` does not ask: one month equals thirty days.
    pub const fn is_same(&self, other: &Interval) -> bool {
        self.months == other.months && self.days == other.days && self.micros == other.micros
    }
}

impl PartialEq for Interval {
    fn eq(&self, other: &Interval) -> bool {
        self.span() == other.span()
    }
}

impl Eq for Interval {}

impl PartialOrd for Interval {
    fn partial_cmp(&self, other: &Interval) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Interval {
    fn cmp(&self, other: &Interval) -> Ordering {
        self.span().cmp(&other.span())
    }
}

impl Hash for Interval {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.span().hash(state);
    }
}
