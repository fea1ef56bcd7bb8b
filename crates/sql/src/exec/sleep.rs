//! `pg_sleep`: doing nothing for a while.

use std::time::Duration;

use rustdb_types::{Value, interrupt};
use rustdb_vfs::sync::{Condvar, Mutex};

use crate::error::Result;

/// How often who sleeps looks whether it was told to stop.
const LOOK: Duration = Duration::from_millis(10);

/// Sleeps for a number of seconds or an interval; not at all if that is not above zero.
pub(super) fn sleep(time: &Value) -> Result<()> {
    const MICROSECONDS: f64 = 1e6;
    let microseconds = match time {
        Value::Float8(seconds) => seconds * MICROSECONDS,
        Value::Interval(interval) => interval.span() as f64,
        _ => 0.0,
    };
    // What is no time or has no end is cut by the cast.
    let mut left = Duration::from_micros(microseconds.max(0.0) as u64);
    let (nothing, never) = (Mutex::new(()), Condvar::new());
    let mut held = nothing.lock();
    while !left.is_zero() {
        interrupt::check()?;
        let part = left.min(LOOK);
        never.wait_for(&mut held, part);
        left -= part;
    }
    Ok(interrupt::check()?)
}
