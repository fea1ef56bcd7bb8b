//! How fast compactions may read and write.

use std::time::Duration;

use rustdb_vfs::VfsRef;
use rustdb_vfs::sync::Mutex;

use super::cancel::Cancel;
use crate::error::Result;

/// The longest single wait, so that cancellation and a new rate are noticed.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// How much may be used at once after a pause, as time at the given rate.
const BURST: Duration = Duration::from_millis(200);

/// A token bucket that all compactions share: bytes become available at a steady rate, and who
/// takes more than there are waits.
#[derive(Debug)]
pub struct RateLimiter {
    vfs: VfsRef,
    state: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Zero means no limit.
    bytes_per_second: u64,
    /// What may be taken now; negative while takers owe.
    available: f64,
    updated: Duration,
    /// For how long takers have waited in all.
    waited: Duration,
}

impl RateLimiter {
    /// A limiter for this rate; zero means no limit.
    pub fn new(vfs: VfsRef, bytes_per_second: u64) -> Self {
        let updated = vfs.monotonic();
        Self {
            vfs,
            state: Mutex::new(Bucket {
                bytes_per_second,
                available: 0.0,
                updated,
                waited: Duration::ZERO,
            }),
        }
    }

    /// Changes the rate, also for those who wait; zero means no limit.
    pub fn set_rate(&self, bytes_per_second: u64) {
        let mut bucket = self.state.lock();
        bucket.refill(self.vfs.monotonic());
        bucket.bytes_per_second = bytes_per_second;
        bucket.available = bucket.available.max(0.0);
    }

    /// For how long takers have waited in all.
    pub fn waited(&self) -> Duration {
        self.state.lock().waited
    }

    /// Takes `bytes`, and waits until they are paid for. Fails if `cancel` says so meanwhile.
    pub fn take(&self, bytes: u64, cancel: Cancel<'_>) -> Result<()> {
        {
            let mut bucket = self.state.lock();
            bucket.refill(self.vfs.monotonic());
            if bucket.bytes_per_second == 0 {
                return Ok(());
            }
            bucket.available -= bytes as f64;
        }
        loop {
            cancel.check()?;
            let wait = {
                let mut bucket = self.state.lock();
                bucket.refill(self.vfs.monotonic());
                let wait = bucket.time_to_repay().min(WAIT_MAX);
                bucket.waited += wait;
                wait
            };
            if wait.is_zero() {
                return Ok(());
            }
            self.vfs.sleep(wait);
        }
    }
}

impl Bucket {
    fn refill(&mut self, now: Duration) {
        let rate = self.bytes_per_second as f64;
        let elapsed = now.saturating_sub(self.updated);
        self.updated = now;
        let most = rate * BURST.as_secs_f64();
        self.available = (self.available + rate * elapsed.as_secs_f64()).min(most);
    }

    /// How long it takes until nothing is owed.
    fn time_to_repay(&self) -> Duration {
        if self.bytes_per_second == 0 || self.available >= 0.0 {
            return Duration::ZERO;
        }
        let seconds = -self.available / self.bytes_per_second as f64;
        // Rounded up, so that the wait is never zero while something is owed.
        Duration::from_secs_f64(seconds).max(Duration::from_micros(1))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use rustdb_vfs::SimVfs;

    use super::*;
    use crate::error::Error;

    fn limiter(bytes_per_second: u64) -> (RateLimiter, VfsRef) {
        let vfs: VfsRef = Arc::new(SimVfs::new(1));
        (RateLimiter::new(vfs.clone(), bytes_per_second), vfs)
    }

    #[test]
    fn taking_goes_on_at_the_given_rate() {
        let (limiter, vfs) = limiter(1 << 20);
        let never = AtomicBool::new(false);
        let never = Cancel::on(&never);
        let start = vfs.monotonic();
        for _ in 0..100 {
            limiter.take(100 << 10, never).unwrap();
        }
        let seconds = (vfs.monotonic() - start).as_secs_f64();
        assert!((9.0..10.5).contains(&seconds), "{seconds}");
        assert!(limiter.waited() > Duration::from_secs(9));
    }

    #[test]
    fn no_limit_never_waits_and_a_limit_can_be_lifted() {
        let (limiter, vfs) = limiter(0);
        let never = AtomicBool::new(false);
        let never = Cancel::on(&never);
        let start = vfs.monotonic();
        limiter.take(u64::MAX, never).unwrap();
        limiter.set_rate(1 << 10);
        limiter.take(1 << 10, never).unwrap();
        limiter.set_rate(0);
        limiter.take(1 << 40, never).unwrap();
        assert!(vfs.monotonic() - start < Duration::from_secs(2));
    }

    #[test]
    fn waiting_ends_when_it_is_cancelled() {
        let (limiter, _vfs) = limiter(1);
        let result = limiter.take(1 << 40, Cancel::on(&AtomicBool::new(true)));
        assert!(matches!(result, Err(Error::Closed)));
    }
}
